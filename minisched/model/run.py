"""What the history keeps: runs, attempts, the state of a task, and the batch written in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from types import MappingProxyType

from minisched.catalogue import Text, TextError
from minisched.model.fields import Field, json_encoder
from minisched.model.status import Instant, Status, Trigger, Word
from minisched.model.task import On
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from minisched.model.notification import Delivery


class LogPosition(NamedTuple):
    """Position of an attempt's first line in its task's log; a rotation renames the file and keeps the inode."""

    inode: int
    offset: int  # bytes from the file's start


class ProcessIdentity(NamedTuple):
    """Identifies a process for good: a pid alone is reused by later processes."""

    pid: int
    start_ticks: int  # field 22 of /proc/PID/stat; 0 where the system has none
    boot_id: str  # /proc/sys/kernel/random/boot_id; "" where the system has none
    namespace: int = 0  # inode of the pid namespace that `pid` is a number of; 0: this one, or it is not known


class TaskAttempt(NamedTuple):
    """One process, or the try to start one. `attempt` counts from 1."""

    attempt: int
    status: Status
    start_time: Instant
    reason: Optional[str] = None
    detail: Optional[Text] = None  # the reason's details, a code of `catalogue.runs`
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    end_time: Optional[Instant] = None
    duration: Optional[float] = None  # seconds, by the monotonic clock
    leftover_processes: int = 0
    output_cut: bool = False  # a process held the pipe past the drain limit
    log_lost: bool = False  # some output could not be written to the log
    process: Optional[ProcessIdentity] = None
    log: Optional[LogPosition] = None

    def as_json(self, zone: tzinfo) -> dict[str, Any]:
        return _attempt_json(self, zone)


ATTEMPT_FIELDS = (
    Field("attempt", "positive"),
    Field("status", Status),
    Field("reason", "text?"),
    Field("detail", "detail?"),
    Field("exit_code", "integer?"),
    Field("signal", "count?"),
    Field("process", "process?", member="pid", columns=("pid", "start_ticks", "boot_id", "pid_namespace")),
    Field("start_time", "time"),
    Field("end_time", "time?"),
    Field("duration", "seconds?"),
    Field("leftover_processes", "count"),
    Field("output_cut", "flag"),
    Field("log_lost", "flag"),
    Field("log", "log?", member="", columns=("log_inode", "log_offset")),
)
_attempt_json = json_encoder(ATTEMPT_FIELDS)


class TaskExecution(NamedTuple):
    """A run: one due time, one manual start or one completed join. One row of `task_history`.

    `run_id` is 0 until the store has written the row. `scheduled_time` is the due time in whole seconds, None for a
    run that no schedule made due; only a `backfill` can have that of another row. A row of due times that were missed,
    or skipped because the engine was paused, may stand for several of them: `missed_count`, the first at
    `missed_since`, the last at `scheduled_time`.
    """

    task_id: str
    trigger: Trigger
    status: Status
    created_time: Instant
    run_id: int = 0
    reason: Optional[str] = None
    detail: Optional[Text] = None  # the reason's details, a code of `catalogue.runs`
    scheduled_time: Optional[int] = None
    start_time: Optional[Instant] = None
    end_time: Optional[Instant] = None
    duration: Optional[float] = None  # seconds that attempts ran, the waits between them not counted
    exit_code: Optional[int] = None
    max_attempts: int = 1
    missed_count: int = 0
    missed_since: Optional[int] = None
    retry_time: Optional[Instant] = None  # when the next attempt of a `retrying` run may start
    owner: Optional[ProcessIdentity] = None  # the engine (or `exec`) in charge while it is unfinished
    env: Optional[Mapping[str, str]] = None  # of a manual run that has not ended, over the task's own
    repeats: Optional[int] = None  # of a backfill: the run that is repeated, or the row of the due time
    attempts: tuple[TaskAttempt, ...] = ()

    @property
    def due(self) -> Optional[int]:
        """The due time whose one row this is; None for a run that a person started."""
        return None if self.trigger is Trigger.BACKFILL else self.scheduled_time

    @property
    def attempt(self) -> int:
        return len(self.attempts)

    def as_json(self, zone: tzinfo) -> dict[str, Any]:
        """The run as it is shown everywhere; times are ISO 8601 with the offset of `zone`."""
        return {
            **_run_json(self, zone),
            "attempts": [attempt.as_json(zone) for attempt in self.attempts],
        }


RUN_FIELDS = (
    Field("run_id", "id", columns=()),  # the table's key
    Field("task_id", "task_id", fixed=True),
    Field("trigger", Trigger, fixed=True, columns=('"trigger"',)),
    Field("status", Status),
    Field("reason", "text?", "A fixed word; for a waiting run, the tasks it waits for."),
    Field("detail", "detail?", "The details of the reason. Null without the token."),
    Field("scheduled_time", "time?", fixed=True),
    Field("start_time", "time?"),
    Field("end_time", "time?"),
    Field("duration", "seconds?", "Seconds that its attempts ran, without the waits between them."),
    Field("exit_code", "integer?"),
    Field("attempt", "count"),
    Field("max_attempts", "positive", fixed=True),
    Field(
        "missed_count",
        "count",
        "Of a row for several due times (missed, or skipped in a pause): how many.",
    ),
    Field("missed_since", "time?"),
    Field("retry_time", "time?", "Of a `retrying` run: the earliest start of its next attempt."),
    Field("repeats", "id?", "Of a `backfill`: the run that it repeats, or the row of its due time.", fixed=True),
    Field("created_time", "time", member="", fixed=True),
    Field(
        "owner", "process?", member="", columns=("owner_pid", "owner_start_ticks", "owner_boot_id", "owner_namespace")
    ),
    Field("env", "texts?", member=""),
)
_run_json = json_encoder(RUN_FIELDS)


class TaskRecord(NamedTuple):
    """What the ledger keeps about a task beside its runs. One row of `task_state`.

    Every due time up to `evaluated_until` has its row; the engine goes on from there after a restart. `schedule_hash`
    identifies the schedule that `evaluated_until` was computed with.
    """

    task_id: str
    schedule_hash: str = ""
    evaluated_until: Instant = 0
    boot_id: str = ""  # the boot for which `@reboot` has run
    consecutive_failures: int = 0
    last_run_id: Optional[int] = None  # the latest finished run
    last_status: Optional[Status] = None  # its status
    last_success_time: Optional[Instant] = None  # when the latest successful run ended
    last_failure_id: Optional[int] = None
    run_count: int = 0
    purged_until: int = 0  # the latest due time whose row retention has deleted


class Origin(NamedTuple):
    """Where a change of the config came from. `source`: `api`, `cli`, `file` (edited by hand), or `stopped` (edited by
    hand while no engine ran). `by`: the user and address of the requester, as far as they are known."""

    source: str
    by: str = ""


def origin_text(origin: Origin) -> Text:
    """Where a change came from, for people: without the port, and without the address if it is this machine's."""
    user, _, address = origin.by.rpartition(", ")
    host = address.rpartition(":")[0]
    by = ", ".join(filter(None, (user, "" if host in _LOOPBACK else host or address)))
    return Text(f"by_{origin.source}", by=f" ({by})" if by else "")


_LOOPBACK = ("127.0.0.1", "[::1]")


class Action(Word):
    ADDED = "added"
    CHANGED = "changed"
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"
    PAUSED = "paused"
    RESUMED = "resumed"


class ConfigChange(NamedTuple):
    """A change of the config that the engine has put in force. One row of `config_change`.

    `before`: of `fields`, those which decide when the task is due, as they were before.
    """

    time: Instant
    task_id: str  # "": the engine
    action: Action
    origin: Origin
    fields: tuple[str, ...] = ()  # that differ
    before: Mapping[str, Any] = MappingProxyType({})


class Uptime(NamedTuple):
    """When an engine ran. One row of `engine_uptime`, found by `start_time`.

    `seen_time`: until then it ran for certain. `end_time` None: it runs, or nobody knows yet. `ending`: `stopped`,
    `lost` (killed or powered off: `end_time` is when it was last seen), `asleep` (the machine slept, or its clock was
    set forward), "" while there is no end.
    """

    start_time: Instant
    seen_time: Instant
    end_time: Optional[Instant] = None
    ending: str = ""


class Expectation(NamedTuple):
    """What was found about the `task_expect` of a task. One row of `task_expectation`.

    `kind` is "late": the due day `key` ("2026-11-30") had no success by its deadline, which was at `time`; until the
    next success. Or "slow": the unfinished run `key` takes too long, since `time`. Or "checked", with the key "": due
    times up to `time` need not be looked at any more. With the task id "" and the kind "problem": the engine's problem
    `key` was reported at `time`, and is not over. Or "paused": since `time`.
    """

    task_id: str
    kind: str
    key: str
    time: Instant


class Notice(NamedTuple):
    """Something that notification rules report, other than the end of a run."""

    task_id: str  # "" for the engine
    trigger: str  # of the rules: "slow", "late", "problem", "problem_gone"
    time: Instant
    text: Text  # what it is, in words
    reason: str  # the field of `task_expect` that was not kept, or the key of the engine's problem
    run: Optional[TaskExecution] = None  # that is slow
    scheduled_time: Optional[int] = None  # the first due time of the day that is late


class Ends(NamedTuple):
    """When the latest run of a task ended with success, and when the latest one ended with a failure."""

    success: Optional[Instant] = None
    failure: Optional[Instant] = None

    def of(self, on: On) -> list[Instant]:
        """Those that a dependency with this `on` is about."""
        times = {On.SUCCESS: (self.success,), On.FAILURE: (self.failure,), On.END: self}[on]
        return [time for time in times if time is not None]


class Batch(NamedTuple):
    """The rows of one transaction: what changed in memory and must be on disk before anything follows from it."""

    runs: Sequence[TaskExecution] = ()  # run_id 0: a new row; the attempts are written too
    # Only `schedule_hash`, `evaluated_until` and `boot_id` are written; the store counts the rest itself.
    records: Iterable[TaskRecord] = ()  # read once
    tokens_put: Sequence[tuple[str, str]] = ()  # (task_id, `Dependency.token`)
    tokens_taken: Sequence[tuple[str, str]] = ()
    tails: Mapping[int, bytes] = MappingProxyType({})  # run_id -> the last 16 KiB of its output
    expected: Sequence[Expectation] = ()  # to be written
    not_expected: Sequence[tuple[str, str, str]] = ()  # (task_id, kind, key) of those to be removed
    deliveries: Sequence[Delivery] = ()  # of the outbox, in their state after an attempt
    changes: Sequence[ConfigChange] = ()
    uptimes: Sequence[Uptime] = ()  # each replaces the row with its `start_time`, or is a new one
    durable: bool = True  # False: may be lost in a power cut, not in a crash (a pid is useless after a reboot)


class StoreError(TextError):
    """The ledger could not be written now; nothing of the batch was.

    `kind`: locked, full, io, damaged; or duplicate, newer, older (see `store`).
    """

    def __init__(self, kind: str, text: Text) -> None:
        super().__init__(text)
        self.kind = kind
