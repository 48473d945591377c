"""What the threads tell each other, what is decided, and what the engine asks of the rooms below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional, Protocol, Union

from minisched.model.notification import DeliverySent
from minisched.model.status import Instant, Reason, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from queue import SimpleQueue

    from minisched.model.notification import Delivery, DeliveryState, FindQueue, OutboxCounts, SendRequest
    from minisched.model.run import Batch, LogPosition, ProcessIdentity, TaskExecution, TaskRecord
    from minisched.model.task import FieldError, HistorySettings, Limits


class ProcessSpec(NamedTuple):
    """All that one attempt's process needs; made by the engine, used by the executor's thread."""

    run_id: int
    attempt: int
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


class ProcessResult(NamedTuple):
    """What is known of an attempt when it is over. Exactly one of `exit_code`, `signal`, `spawn_error` is not None."""

    end_time: Instant
    duration: float
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    spawn_error: Optional[str] = None  # the program could not be started: errno's text and the path
    timed_out: bool = False
    cancelled: bool = False  # `TaskExecutor.cancel` was called before it ended
    killed: bool = False  # KILL was needed
    leftover_processes: int = 0
    output_cut: bool = False
    log_lost: bool = False
    log: Optional[LogPosition] = None
    tail: bytes = b""  # the last 16 KiB of its output, UTF-8


class Verdict(NamedTuple):
    """What the end of an attempt means."""

    status: Status
    reason: Optional[Reason]
    detail: str


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
    """TERM or INT came; the second one kills at once."""


class Answer(NamedTuple):
    """What the engine says to a request. `refused` is None, or a short code: `not_found`, `stopping`, `unavailable`
    (the history cannot be written now), `disk_full` (which is why it cannot), `ended` (the run has), `invalid` (the
    config file)."""

    refused: Optional[str] = None
    message: str = ""
    run_id: int = 0
    problems: tuple[FieldError, ...] = ()


class ReplyTo(NamedTuple):
    """The one-slot reply of a request, and the monotonic time after which nobody waits for it any more: a request that
    is late is not carried out."""

    reply: SimpleQueue[Answer]
    until: float


class RunTask(NamedTuple):
    """Run a task now. Answered when the run's row is on disk."""

    asked: ReplyTo
    task_id: str
    env: Mapping[str, str]
    by: str  # who asks, for the engine's log


class StopRun(NamedTuple):
    """Cancel an unfinished run. Answered when it is told to end; it is over when its processes are gone."""

    asked: ReplyTo
    run_id: int
    by: str


class Reload(NamedTuple):
    """HUP came, or somebody asks for it."""

    asked: Optional[ReplyTo] = None
    by: str = "SIGHUP"


class ResendDelivery(NamedTuple):
    """Send a delivery once more that was sent or has failed. Answered when it is pending again; refused with
    `not_found`, or `pending` where it is so already."""

    asked: ReplyTo
    delivery_id: int
    by: str


Message = Union[RunStarted, RunFinished, Stop, Reload, RunTask, StopRun, DeliverySent, ResendDelivery]


class Clock(Protocol):
    def wall(self) -> Instant: ...

    def monotonic(self) -> float: ...

    def wait(self, inbox: SimpleQueue[Message], timeout_s: Optional[float]) -> list[Message]:
        """Block until a message is there or the time is over; then take all that are there, oldest first."""


class Executor(Protocol):
    def start(self, launch: ProcessSpec) -> None:
        """Start the attempt in a thread of its own. Posts RunStarted once there is a process, then always exactly one
        RunFinished, also where nothing could be started. Never raises."""

    def cancel(self, run_id: int, grace_s: Optional[float] = None) -> None:
        """Ask for the end of a run's process: TERM to its group, KILL after `grace_s` (default: its kill grace). A
        second call with a shorter grace shortens it; 0 kills at once. A run that is over is no error."""


class Sender(Protocol):
    def send(self, order: SendRequest) -> None:
        """Send a message by a thread of its own, one after the other. Posts exactly one DeliverySent. Never raises."""


class Outbox(Protocol):
    """The deliveries that the ledger keeps; see `store.outbox`. Every method raises StoreError."""

    def due(self, now: Instant) -> Optional[Delivery]: ...

    def next_time(self) -> Optional[Instant]: ...

    def counts(self, since: Instant) -> tuple[OutboxCounts, int]: ...

    def resend(self, delivery_id: int, now: Instant) -> Optional[DeliveryState]: ...

    def follow(
        self, find: FindQueue, rules: Collection[tuple[str, str]], why: str, now: Instant
    ) -> dict[tuple[str, str, int], int]: ...

    def bound(self, pending: int, why: str, now: Instant) -> int: ...

    def hasten(self, now: Instant) -> None: ...

    def move(self, by_s: float) -> None: ...

    def put_off(self, held: Callable[[str, str, int], bool], until: Instant) -> None: ...


class Ledger(Protocol):
    """What the engine asks of the store; see `store.Store`."""

    @property
    def outbox(self) -> Outbox: ...

    def commit(self, batch: Batch) -> list[int]:
        """Write the batch in one transaction; the run ids in the order of `batch.runs`. Raises StoreError: then
        nothing was written and the same batch may be given again."""

    def records(self) -> dict[str, TaskRecord]: ...

    def record(self, task_id: str) -> TaskRecord: ...

    def check_file(self) -> Optional[str]:
        """Why `reopen` is needed, or None: the file was removed, exchanged or cut."""

    def reopen(self, now: Instant, damaged: bool = False) -> list[str]:
        """Go on with the file that stands there now, or with a new one; what a person should be told. Raises
        StoreError: the next call tries again."""

    def heal(self) -> bool:
        """Make the reserve for a full disk again; False while the disk is nearly full."""

    def unfinished(self) -> list[TaskExecution]: ...

    def tokens(self) -> set[tuple[str, str]]: ...

    def due_times(self, task_id: str, since: int, until: int) -> set[int]:
        """Due times in [since, until] that have a row already."""

    def changed_elsewhere(self) -> bool:
        """True once after another process (`exec`) has written."""

    def retain(
        self, history: HistorySettings, now: Instant, limit: int, tasks: Optional[Collection[str]] = None
    ) -> int:
        """Delete at most `limit` rows that retention no longer keeps; how many there were. tasks: the configured."""
