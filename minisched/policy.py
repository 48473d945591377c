"""Decisions about runs: admission, the end of a process, retries, dependencies, missed due times.

Pure functions: values in, a decision out. Time and chance are arguments.
"""

from __future__ import annotations

import re
from enum import Enum

from minisched.model import BY_HAND, ExitCodes, Misfire, Outcome, Overlap, Reason, Status, TaskExecution, Text, Trigger
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any, Optional

    from minisched.model import Dependency, Ends, Instant, ProcessResult, Retry, Task

CATCHUP_MAX = 1000  # due times of one task that a catch-up may start
MISSED_ROWS_MAX = 100  # a window with more missed due times than this gets one row with a count
PUNCTUAL_S = 1.0  # a due time this late is on time: the longest nap of the loop while a due time is near
STALL_S = 60.0  # after a delay up to this (a slow disk) the newest due time is still started by its schedule

CRASH_LINES = 20  # at the end of an output; an error further up was handled, or is of an earlier step
CRASH_COLUMNS = 500  # bounds the time for a line, which may have 64 KiB
# Where a shell says that an error is: `x.sh: line 3: ` (bash, busybox), `x.sh: 3: ` (dash), `x.sh:3: ` (zsh),
# `x.sh[3]: ` (ksh), and `sh: ` if the command is not in a script.
_AT = r"^(?:\S+?(?:: (?:-c|eval))?(?:: line \d+|: \d+|:\d+|\[\d+\])|\S*sh): (?:eval: )?"
_CRASH = "|".join(  # compiled by the first business failure, not at each start
    (
        r'^[ |+-]*File ".+", line \d+',  # Python
        r"^\s+at .+[:(][\w./<>-]+:\d+(?::\d+)?\)?$",  # Java, Node.js
        r"^.+:\d+:in [`'].+: .+ \(\w+(?:::\w+)*\)$",  # Ruby
        r": command not found$|^\S+ command not found: \S+$|：未找到命令$",  # bash, zsh
        _AT + r".+: (?:inaccessible or )?not found$",  # dash, busybox, ksh
        _AT + r"(?:[Ss]yntax error|parse error|unmatched|unexpected EOF|语法错误)",
        _AT + r"\S+: (?:unbound variable|parameter not set)$",
        r"^\S+: syntax error at line \d+: ",  # ksh
    )
)


# ---------------------------------------------------------------------------------------------------------- admission


class Admission(Enum):
    """What to do with a run that is ready."""

    START = "start, once its locks and a process are free"
    QUEUE_OVERLAP = "queue until a run of the task has ended"
    SKIP_OVERLAP = "skip: an earlier run is still running"
    SKIP_QUEUE_FULL = "skip: another run is queued already"
    REPLACE = "cancel the others, queue until their processes have exited"


def admit(task: Task, slots_in_use: int, queued: int, must_queue: bool = False) -> Admission:
    """Whether a run of `task` gets one of its `task_max_instances` now.

    slots_in_use: runs of the task that hold one, see `holds_slot`. queued: runs of the task that are queued for any
    reason. must_queue: with `task_misfire` `all`, a catch-up run is queued instead of skipped.
    """
    if slots_in_use < task.task_max_instances:
        return Admission.START
    if must_queue:
        return Admission.QUEUE_OVERLAP
    if task.task_overlap is Overlap.REPLACE:
        return Admission.REPLACE
    if task.task_overlap is Overlap.QUEUE:
        return Admission.SKIP_QUEUE_FULL if queued else Admission.QUEUE_OVERLAP
    return Admission.SKIP_OVERLAP


_QUEUED_WITH_SLOT = {Reason.MAX_RUNNING.value, Reason.LOCK.value, Reason.CONDITION.value}


def holds_slot(run: TaskExecution) -> bool:
    """Whether an unfinished run holds one of the `task_max_instances` of its task: it runs, waits for its retry or for
    its condition, or for what all tasks share."""
    if run.status is Status.QUEUED:
        return run.reason in _QUEUED_WITH_SLOT
    return run.status in (Status.RUNNING, Status.RETRYING)


# ------------------------------------------------------------------------------------------------- the end of a process


def classify(result: ProcessResult, exit_codes: ExitCodes, cancelled_for: Optional[Reason] = None) -> Outcome:
    """What an attempt's end means: success or business failure by `exit_codes`, anything else is technical.

    A cancelled process has not succeeded, whatever its exit code; a timeout is a technical failure.
    """
    if result.timed_out:
        detail = Text("timeout", seconds=round(result.duration, 1), killed=int(result.killed))
        return Outcome(Status.TECHNICAL_FAILURE, Reason.TIMEOUT, detail)
    if result.cancelled and cancelled_for is not None:
        return Outcome(Status.CANCELLED, cancelled_for)
    if result.spawn_error is not None:
        return Outcome(Status.TECHNICAL_FAILURE, Reason.SPAWN, result.spawn_error)
    if result.signal is not None:
        detail = Text("signal", signal=result.signal)
        return Outcome(Status.TECHNICAL_FAILURE, Reason.SIGNAL, _with_hint(detail, result.hint))
    if result.exit_code in exit_codes.success:
        return Outcome(Status.SUCCESS, None)
    if result.exit_code not in exit_codes.business_failure:
        detail = Text("exit_code", exit_code=result.exit_code)
        return Outcome(Status.TECHNICAL_FAILURE, Reason.EXIT_CODE, _with_hint(detail, result.hint))
    if looks_like_crash(result.tail):
        detail = Text("business_exit_code_crash", exit_code=result.exit_code, looks_like_crash=True)
    else:
        detail = _with_hint(Text("business_exit_code", exit_code=result.exit_code), result.hint)
    return Outcome(Status.BUSINESS_FAILURE, Reason.EXIT_CODE, detail)


def _with_hint(detail: Text, hint: Optional[Text]) -> Text:
    return detail if hint is None else Text(f"{detail.code}_hint", **detail.values, hint=hint)


def looks_like_crash(tail: bytes) -> bool:
    """Whether the last lines of an output are those of a program that crashed: a traceback of Python, a stack trace of
    Java, Node.js or Ruby, a command that a shell did not find, or a script that it could not continue."""
    lines = tail.decode("utf-8", "replace").splitlines()[-CRASH_LINES:]
    return any(re.search(_CRASH, line[:CRASH_COLUMNS]) for line in lines)


# ----------------------------------------------------------------------------------------------------------- condition

_CONDITION_CODES = ExitCodes((0,), (1,))
_LINE_MAX = 200  # characters of its output that a reason shows


def condition_met(run: TaskExecution) -> bool:
    """Whether the condition of its task need not be asked before this run starts: a person started it, or the condition
    was met already. The row tells that, so that it holds after a crash too: a run waits for locks and processes only
    after its condition, and its attempts come only after it, but those that the condition itself failed."""
    if run.trigger in BY_HAND:
        return True
    if any(attempt.detail is None or attempt.detail.code != "condition_failed" for attempt in run.attempts):
        return True
    if run.status is not Status.QUEUED:
        return False
    marked = run.detail is not None and "condition_met" in run.detail.values
    return marked or run.reason in (Reason.MAX_RUNNING.value, Reason.LOCK.value)


def asked_until(run: TaskExecution) -> Optional[Instant]:
    """When the condition of a run that waits for it is asked for the last time, as its row says; None if the condition
    was not asked yet."""
    waits = run.status is Status.QUEUED and run.reason == Reason.CONDITION.value and run.detail is not None
    until = run.detail.values.get("until") if waits and run.detail else None
    return until if isinstance(until, (int, float)) else None


def condition_outcome(result: ProcessResult) -> Outcome:
    """What the end of a condition means: `success`, start the run; `skipped`, not now; else a technical failure. Its
    exit codes are 0, 1 and all others, whatever those of the task mean."""
    outcome = classify(result, _CONDITION_CODES)
    if outcome.status is Status.BUSINESS_FAILURE:
        lines = result.tail.decode("utf-8", "replace").splitlines()
        line = next((line.strip() for line in reversed(lines) if line.strip()), "")[:_LINE_MAX]
        code = "condition_crash" if looks_like_crash(result.tail) else "condition" if line else "condition_silent"
        return Outcome(Status.SKIPPED, Reason.CONDITION, Text(code, line=line))
    if outcome.status is Status.TECHNICAL_FAILURE:
        return outcome._replace(detail=Text("condition_failed", result=outcome.detail))
    return outcome


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


Token = tuple[str, str]  # (task_id, `Dependency.token`)
Dependents = dict[str, list[tuple["Task", "Dependency"]]]


def unmet_dependencies(
    task: Task, tokens: Collection[Token], ends: Mapping[str, Ends], now: Instant
) -> tuple[Dependency, ...]:
    """The dependencies that the task still waits for, in the config's order.

    ends: of each task that a dependency with `within` is about.
    """
    return tuple(
        one
        for one in task.task_dependencies
        if not (
            (task.task_id, one.token) in tokens
            if one.within is None
            else _ended_within(ends.get(one.task_id), one, now)
        )
    )


def _ended_within(ends: Optional[Ends], dependency: Dependency, now: Instant) -> bool:
    """An end that lies ahead by more than `within` was written by a clock that was wrong, and does not count."""
    within = dependency.within
    return ends is not None and within is not None and any(abs(now - end) <= within for end in ends.of(dependency.on))


def tokens_of(task: Task) -> list[Token]:
    """What a run of the task uses up."""
    return [(task.task_id, one.token) for one in task.task_dependencies if one.within is None]


def dependents_of(tasks: Mapping[str, Task]) -> Dependents:
    """For each task those that depend on it, with the dependency, in the config's order."""
    result: Dependents = {}
    for task in tasks.values():
        for one in task.task_dependencies:
            result.setdefault(one.task_id, []).append((task, one))
    return result


class Effects(NamedTuple):
    """What the end of a run means for the tasks that depend on it, directly or through others."""

    tokens: list[Token]
    met: list[str]  # dependents with `within` that may have waited for this end
    skipped: list[TaskExecution]  # `upstream_failed`, each dependent after what it depends on


# Skipped in favour of another run of the same task: that run's end decides what happens to the dependents.
_IN_FAVOUR_OF_ANOTHER = {Reason.OVERLAP.value, Reason.QUEUE_FULL.value, Reason.SUPERSEDED.value, Reason.REPLACED.value}


def effects(run: TaskExecution, dependents: Mapping[str, Sequence[tuple[Task, Dependency]]], now: Instant) -> Effects:
    """What follows from the end of `run`.

    An end that a dependency is about gives the dependent, if it is enabled, a token. Any other end, such as a success
    where a failure is meant, or a run that was skipped, skips the dependents that have no schedule, and in turn theirs,
    each once, with its nearest cause; dependents with a schedule keep waiting. A dependency with `within` gets no token
    and skips nothing. A run that was skipped in favour of another run of its task has no effect.
    """
    result = Effects([], [], [])
    ended = [run]
    skipped_ids: set[str] = set()  # a task may depend on the cause in several ways
    for cause in ended:  # the list grows in the loop
        if cause.status is not Status.SUCCESS and cause.reason in _IN_FAVOUR_OF_ANOTHER:
            continue
        for dependent, dependency in dependents.get(cause.task_id, ()):
            if not dependent.enabled:
                continue
            if dependency.is_met_by(cause.status):
                if dependency.within is None:
                    result.tokens.append((dependent.task_id, dependency.token))
                else:
                    result.met.append(dependent.task_id)
            elif dependency.within is None and not dependent.task_schedule and dependent.task_id not in skipped_ids:
                skipped_ids.add(dependent.task_id)
                skipped = TaskExecution(
                    dependent.task_id,
                    Trigger.DEPENDENCY,
                    Status.SKIPPED,
                    created_time=now,
                    end_time=now,
                    reason=Reason.UPSTREAM_FAILED.value,
                    detail=_upstream(cause),
                    max_attempts=dependent.task_retry.max_attempts,
                )
                result.skipped.append(skipped)
                ended.append(skipped)
    return result


def _upstream(cause: TaskExecution) -> Text:
    """`run`: the run that failed at the beginning of the chain, if it is in the history."""
    values: dict[str, Any] = {"task": cause.task_id, "status": cause.status.value}
    first = cause.run_id or (cause.detail.values.get("run") if cause.detail else None)
    if first:
        values["run"] = first
    return Text("upstream_failed", **values, reason=cause.reason) if cause.reason else Text("upstream_ended", **values)


# -------------------------------------------------------------------------------------------------- misfire, catch-up


class MissedWindow(NamedTuple):
    """Due times of one task that have passed and have no row yet.

    newest: the latest of them, oldest first: all, or at least CATCHUP_MAX + 1. total: their number. first: the oldest.
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


def catch_up(window: MissedWindow, misfire: Misfire, grace_s: float, now: Instant, downtime: bool) -> CatchUp:
    """Which of the due times that passed still run, and which are missed.

    downtime: the engine was not running when they passed. Else it was late, the machine slept, or its clock was set
    forward: then the newest due time is started by its schedule if the delay is at most STALL_S.
    """
    on_time = [] if downtime else [due for due in window.newest if now - due <= PUNCTUAL_S]
    if not on_time and not downtime and now - window.newest[-1] <= min(STALL_S, grace_s):
        on_time = [window.newest[-1]]
    older = window.newest[: len(window.newest) - len(on_time)]
    late = [due for due in older if now - due <= grace_s][-CATCHUP_MAX:]
    if misfire is Misfire.SKIP or (misfire is Misfire.LATEST and on_time):
        late = []
    elif misfire is Misfire.LATEST:
        late = late[-1:]
    # With `all` the newest one is caught up too: behind the older ones it waits for its turn, and no overlap skips it.
    punctual = Trigger.CATCHUP if late and misfire is Misfire.ALL else Trigger.SCHEDULE
    runs = [DueRun(due, Trigger.CATCHUP) for due in late] + [DueRun(due, punctual) for due in on_time]
    # What runs is always the newest part, so the missed due times are one block at the old end.
    return CatchUp(runs, missed_ranges(window, len(runs), Reason.DOWNTIME if downtime else Reason.LATE))


def missed_ranges(window: MissedWindow, running: int, reason: Reason) -> list[MissedRange]:
    """The rows for all due times of the window but the newest `running`: one each, or one range if they are many."""
    count = window.total - running
    lost = window.newest[: len(window.newest) - running]
    if not count:
        return []
    if count > len(lost) or count > MISSED_ROWS_MAX:
        return [MissedRange(window.first, lost[-1], count, reason)]
    return [MissedRange(due, due, 1, reason) for due in lost]
