"""What the threads send each other, and the protocols that the simulator implements."""

from __future__ import annotations

from collections.abc import Mapping
from queue import SimpleQueue

from minisched.catalogue import Text
from minisched.model.notification import DeliverySent, SendRequest, SendResult
from minisched.model.run import LogPosition, Origin, ProcessIdentity, StoreError
from minisched.model.status import Instant, Reason, Status
from minisched.model.task import Config, FieldError, Limits
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional, Protocol, Union
else:
    Protocol = object  # the classes are for type checkers alone, and a protocol takes 25 KB


class ProcessSpec(NamedTuple):
    """All that the process of one attempt needs; made by the engine, used by the executor."""

    run_id: int
    attempt: int  # 0: the condition that is asked before the first one
    task_id: str
    task_exec: Union[str, tuple[str, ...]]
    cwd: str
    env: Mapping[str, str]  # the whole environment of the process
    log: str  # absolute path of the task's log
    timeout_s: Optional[float] = None
    kill_grace_s: float = 10.0
    user: Optional[str] = None
    nice: Optional[int] = None
    limits: Optional[Limits] = None
    output_encoding: str = "utf-8"  # of what it prints
    refused: Optional[Text] = None  # why it must not be started, such as a secret that cannot be read


class ProcessResult(NamedTuple):
    """What is known of an attempt at its end. Exactly one of `exit_code`, `signal`, `spawn_error` is not None."""

    end_time: Instant
    duration: float
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    spawn_error: Optional[Text] = None  # why the program could not be started
    timed_out: bool = False
    cancelled: bool = False  # `TaskExecutor.cancel` was called before it ended
    killed: bool = False  # KILL was needed
    leftover_processes: int = 0
    output_cut: bool = False
    log_error: Optional[Text] = None  # why some of its output is not in its log
    log: Optional[LogPosition] = None
    tail: bytes = b""  # the last 16 KiB of its output, UTF-8
    process: Optional[ProcessIdentity] = None  # its pid; None: nothing was started
    start_time: Optional[Instant] = None  # when the process was spawned
    hint: Optional[Text] = None  # what its exit code or signal hides: the real cause, and what to do


class Outcome(NamedTuple):
    """What the end of an attempt means."""

    status: Status
    reason: Optional[Reason]
    detail: Optional[Text] = None


class RunStarted(NamedTuple):
    run_id: int
    attempt: int
    process: ProcessIdentity
    start_time: Instant
    log: Optional[LogPosition]


class RunFinished(NamedTuple):
    run_id: int
    attempt: int
    completion: ProcessResult


class Stop:
    """TERM or INT arrived. The first one lets running tasks finish, the second one kills them."""


class Reply(NamedTuple):
    """The engine's answer to a command. `refused` is None, or a short code: `not_found`, `stopping`, `unavailable`
    (the history cannot be written now), `disk_full` (the reason why it cannot), `ended` (the run has), `foreign` (the
    run belongs to an `exec`), `pending` (the delivery is), `invalid` (the config file)."""

    refused: Optional[str] = None
    message: Optional[Text] = None  # why it is refused
    run_id: int = 0
    problems: tuple[FieldError, ...] = ()
    resent: int = 0  # deliveries that are pending again
    left: int = 0  # failed deliveries beyond those


class ReplyTo(NamedTuple):
    """Where the reply to a command goes. `until`: the monotonic time after which the sender no longer waits; a command
    that is read later is not carried out, so that what was reported as failed does not happen after all."""

    reply: SimpleQueue[Reply]
    until: float


class RunTask(NamedTuple):
    """Start a task now. The reply follows once the run's row is on disk."""

    asked: ReplyTo
    task_id: str
    env: Mapping[str, str]
    by: str  # the requester, for the engine's log
    due: Optional[int] = None  # a past time to run it for
    repeats: Optional[int] = None  # the run of that time, if it has one


class StopRun(NamedTuple):
    """Cancel an unfinished run. The reply follows when the stop was requested; the run ends when its processes have
    exited."""

    asked: ReplyTo
    run_id: int
    by: str


class FilesChanged:
    """A folder that the engine watches has changed, or an `exec` has written to the database: look at once."""


class HistoryUnreadable(NamedTuple):
    """A reader, which has its own connection, could not read the history."""

    error: StoreError


class LogChanged(NamedTuple):
    """A log cannot be written, or can be written again."""

    path: str
    problem: Optional[Text]  # why it cannot
    own: bool = False  # the engine's log, not a task's


class Reload(NamedTuple):
    """Read the config file now. Without `asked` it was a signal."""

    asked: Optional[ReplyTo] = None
    by: str = "SIGHUP"


class ConfigEdit(NamedTuple):
    """The API begins to change the config file, and with None it is done: what is read in between is of this origin."""

    origin: Optional[Origin]


class ConfigRead(NamedTuple):
    """What came of one reading of the config file. `stamp`: of the file just before it was read."""

    stamp: object
    config: Optional[Config] = None
    problems: tuple[FieldError, ...] = ()  # if there is no config


class ResendDelivery(NamedTuple):
    """Send a sent or failed delivery once more. The reply follows when it is pending again."""

    asked: ReplyTo
    delivery_id: int
    by: str


class ResendFailed(NamedTuple):
    """Send the oldest failed deliveries once more, at most `most`. The reply follows when they are pending."""

    asked: ReplyTo
    most: int
    by: str


if TYPE_CHECKING:
    Message = Union[
        RunStarted,
        RunFinished,
        Stop,
        Reload,
        ConfigEdit,
        ConfigRead,
        FilesChanged,
        HistoryUnreadable,
        LogChanged,
        RunTask,
        StopRun,
        DeliverySent,
        ResendDelivery,
        ResendFailed,
    ]


class Clock(Protocol):
    def wall(self) -> Instant: ...

    def monotonic(self) -> float: ...

    def wait(self, inbox: SimpleQueue[Message], timeout_s: Optional[float]) -> list[Message]:
        """Block until a message arrives or the time is over; return all messages that are there, oldest first."""


class Executor(Protocol):
    def start(self, spec: ProcessSpec, at: Optional[float] = None) -> None:
        """Start a process for the attempt: now, or exactly at the monotonic time `at`. Until then it is held with all
        that can be made ready. Never blocks, never raises.

        Posts RunStarted once the process has run for 40 ms; a shorter attempt posts none, so its pid and start time are
        in its result too. Then posts always exactly one RunFinished, also if nothing could be started. Until RunStarted
        a crash leaves a process that only its mark in the environment (MINISCHED_RUN_ID) identifies.
        """

    def cancel(self, run_id: int, grace_s: Optional[float] = None) -> None:
        """Stop a run's process: TERM to its group, KILL after `grace_s` (default: its kill grace). A second call with a
        shorter grace shortens it; 0 kills at once. An attempt that is still held ends with the spawn error "cancelled
        before it was started". A run that has ended is no error."""


class Sender(Protocol):
    def send(self, order: SendRequest) -> None:
        """Send a message in another thread, one after the other. Posts exactly one DeliverySent, but none for a
        heartbeat (HEARTBEAT_ID). Never raises."""

    def heartbeat_result(self) -> Optional[SendResult]:
        """What became of the latest heartbeat; None while it is under way, and once that was asked."""


class ConfigSource(Protocol):
    """The config file as the engine sees it."""

    def stamp(self) -> object:
        """A value that differs when the file has changed."""

    def read(self, in_force: Config, post: Callable[[ConfigRead], object]) -> None:
        """Read and check the file in another thread, which calls `post` exactly once. Never blocks, never raises.

        A task that is equal to one of `in_force` comes as that very object.
        """

    def watch(self) -> bool:
        """Have FilesChanged posted at the next change of the file, of its folder or of the home. Once only: call it
        again before each look. False: this system does not report changes, so look regularly."""


class System(NamedTuple):
    """The machine and this process as the engine sees them."""

    home: str
    host_name: str
    owner: ProcessIdentity  # this engine
    environ: Mapping[str, str]
    random: Callable[[], float]  # in [0, 1)
    is_alive: Callable[[ProcessIdentity], bool]
    kill_leftover: Callable[[Optional[ProcessIdentity], int], int]  # (process, run_id) -> number of processes killed
