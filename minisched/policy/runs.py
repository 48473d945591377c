"""Decisions about runs: admission, the end of a process, dependencies, due times that passed."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Optional

from minisched.model import Misfire, Overlap, Reason, Status, TaskExecution, Trigger, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from minisched.model import Instant, ProcessResult, Retry, Task

CATCHUP_MAX = 1000  # due times of one task that a catch-up may start (SPEC section 5)
MISSED_ROWS_MAX = 100  # more missed due times than this in one gap are one row with a count
PUNCTUAL_S = 1.0  # a due time this late is on time: the longest nap of the loop while due times stand
STALL_S = 60.0  # the newest due time is still started on schedule when the engine was awake but held up (a slow disk)


# ---------------------------------------------------------------------------------------------------------- admission


class Admission(Enum):
    """What to do with a run that is ready."""

    START = "start"
    QUEUE_CAPACITY = "queue until one of max_running is free"
    QUEUE_OVERLAP = "queue until a run of the task has ended"
    SKIP_OVERLAP = "skip: it still runs"
    SKIP_QUEUE_FULL = "skip: one waits already"
    REPLACE = "cancel the others, queue until they are gone"


def admit(
    task: Task, occupied: int, queued: int, running: int, max_running: int, must_queue: bool = False
) -> Admission:
    """Whether a run of `task` may start now (SPEC section 6).

    occupied: unfinished runs of the task that hold one of its `task_max_instances`: running, retrying, or queued for
    the engine's `max_running`. queued: runs of the task that are queued for any reason. running: processes over all
    tasks. must_queue: a catch-up with `task_misfire` `all` waits its turn instead of being skipped.
    """
    if occupied < task.task_max_instances:
        return Admission.START if running < max_running else Admission.QUEUE_CAPACITY
    if must_queue:
        return Admission.QUEUE_OVERLAP
    if task.task_overlap is Overlap.REPLACE:
        return Admission.REPLACE
    if task.task_overlap is Overlap.QUEUE:
        return Admission.SKIP_QUEUE_FULL if queued else Admission.QUEUE_OVERLAP
    return Admission.SKIP_OVERLAP


# ------------------------------------------------------------------------------------------------- the end of a process


def classify(completion: ProcessResult, cancelled_for: Optional[Reason] = None) -> Verdict:
    """What an attempt's end means: 0 success, 1 business failure, anything else technical (SPEC section 3).

    A process that was told to end has not succeeded, whatever it exits with; a timeout is a technical failure.
    """
    if completion.timed_out:
        how = "killed" if completion.killed else "ended"
        return Verdict(Status.TECHNICAL_FAILURE, Reason.TIMEOUT, f"{how} after {completion.duration:.1f} s")
    if completion.cancelled and cancelled_for is not None:
        return Verdict(Status.CANCELLED, cancelled_for, "")
    if completion.spawn_error is not None:
        return Verdict(Status.TECHNICAL_FAILURE, Reason.SPAWN, completion.spawn_error)
    if completion.signal is not None:
        return Verdict(Status.TECHNICAL_FAILURE, Reason.SIGNAL, f"ended by signal {completion.signal}")
    if completion.exit_code == 0:
        return Verdict(Status.SUCCESS, None, "")
    status = Status.BUSINESS_FAILURE if completion.exit_code == 1 else Status.TECHNICAL_FAILURE
    return Verdict(status, Reason.EXIT_CODE, f"exit code {completion.exit_code}")


def retry_delay(retry: Retry, attempt: int, draw: float) -> float:
    """Seconds from the end of the failed `attempt` (1, 2, ...) to the next: exponential, capped, then jittered.

    draw: a random number in [0, 1); the delay varies by the share `jitter` to both sides and stays below `max_delay`.
    """
    try:
        delay = retry.delay * retry.backoff ** (attempt - 1)
    except OverflowError:
        delay = retry.max_delay
    delay = min(delay, retry.max_delay)
    return min(delay * (1 + retry.jitter * (2 * draw - 1)), retry.max_delay)


# ------------------------------------------------------------------------------------------------------- dependencies


def missing(task: Task, tokens: Collection[tuple[str, str]]) -> tuple[str, ...]:
    """The dependencies whose token does not lie there yet, in the config's order."""
    return tuple(name for name in task.task_dependencies if (task.task_id, name) not in tokens)


class Effects(NamedTuple):
    """What the end of a run means for the tasks that depend on it, directly or through others."""

    tokens: list[tuple[str, str]]  # (dependent, the task that succeeded)
    skipped: list[TaskExecution]  # `upstream_failed`, each dependent after what it depends on


# Another run of the same task stands in the place of one that ended so; that one's end decides for the dependents.
_STANDS_IN = {Reason.OVERLAP.value, Reason.QUEUE_FULL.value, Reason.SUPERSEDED.value, Reason.REPLACED.value}


def effects(run: TaskExecution, dependents: Mapping[str, Sequence[Task]], now: Instant) -> Effects:
    """What follows from the end of `run` (SPEC section 7).

    A success puts a token down for each enabled dependent. Any other end skips the enabled dependents that have no
    schedule, and in turn theirs, each once, with the name of its nearest cause; those with a schedule go on waiting.
    An end in whose place another run of the task stands has no effect.
    """
    result = Effects([], [])
    ended = [run]
    skipped_ids: set[str] = set()  # by how many ways a task depends on the cause is no matter
    for cause in ended:  # it grows meanwhile
        if cause.status is not Status.SUCCESS and cause.reason in _STANDS_IN:
            continue
        for dependent in dependents.get(cause.task_id, ()):
            if not dependent.enabled:
                continue
            if cause.status is Status.SUCCESS:
                result.tokens.append((dependent.task_id, cause.task_id))
            elif not dependent.task_schedule and dependent.task_id not in skipped_ids:
                skipped_ids.add(dependent.task_id)
                why = f" / {cause.reason}" if cause.reason else ""
                skipped = TaskExecution(
                    dependent.task_id,
                    Trigger.DEPENDENCY,
                    Status.SKIPPED,
                    created_time=now,
                    end_time=now,
                    reason=Reason.UPSTREAM_FAILED.value,
                    detail=f"{cause.task_id} ended as {cause.status}{why}",
                    max_attempts=dependent.task_retry.max_attempts,
                )
                result.skipped.append(skipped)
                ended.append(skipped)
    return result


# -------------------------------------------------------------------------------------------------- misfire, catch-up


class MissedWindow(NamedTuple):
    """Due times of one task that have no row yet, all of them past.

    newest: the latest of them, oldest first: all, or at least CATCHUP_MAX + 1. total: how many there are. first: the
    oldest of all.
    """

    newest: Sequence[int]
    total: int
    first: int


class DueRun(NamedTuple):
    due: int
    trigger: Trigger


class MissedRange(NamedTuple):
    first: int
    last: int
    due_times: int
    reason: Reason


class CatchUp(NamedTuple):
    runs: list[DueRun]  # oldest first
    missed: list[MissedRange]  # oldest first


def catch_up(gap: MissedWindow, misfire: Misfire, grace_s: float, now: Instant, downtime: bool) -> CatchUp:
    """Which of the due times that passed still run, and which are missed (SPEC section 5).

    downtime: the engine was not running when they passed; else it was awake but late, or the machine slept, or its
    clock was set forward: then the newest due time is simply started if the delay is no longer than STALL_S.
    """
    on_time = [] if downtime else [due for due in gap.newest if now - due <= PUNCTUAL_S]
    if not on_time and not downtime and now - gap.newest[-1] <= min(STALL_S, grace_s):
        on_time = [gap.newest[-1]]
    older = gap.newest[: len(gap.newest) - len(on_time)]
    late = [due for due in older if now - due <= grace_s][-CATCHUP_MAX:]
    if misfire is Misfire.SKIP or (misfire is Misfire.LATEST and on_time):
        late = []
    elif misfire is Misfire.LATEST:
        late = late[-1:]
    runs = [DueRun(due, Trigger.CATCHUP) for due in late] + [DueRun(due, Trigger.SCHEDULE) for due in on_time]
    # What runs is always the newest part, so the missed ones are one block at the old end.
    return CatchUp(runs, missed_spans(gap, len(runs), Reason.DOWNTIME if downtime else Reason.LATE))


def missed_spans(gap: MissedWindow, running: int, reason: Reason) -> list[MissedRange]:
    """What is written of a gap's due times but the newest `running` ones: each by itself, or very many as one span."""
    count = gap.total - running
    lost = gap.newest[: len(gap.newest) - running]
    if not count:
        return []
    if count > len(lost) or count > MISSED_ROWS_MAX:
        return [MissedRange(gap.first, lost[-1], count, reason)]
    return [MissedRange(due, due, 1, reason) for due in lost]
