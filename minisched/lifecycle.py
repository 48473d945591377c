"""The table of legal status changes of a run, and the only functions that change one.

A run is created as `waiting`, before anything is decided, and leaves that status in the same step unless a dependency
is unmet.
"""

from __future__ import annotations

from minisched.model import UNFINISHED, Status, TaskAttempt, TaskExecution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from minisched.model import Instant, Outcome, ProcessResult, Text

_S = Status

TRANSITIONS: dict[Status, frozenset[Status]] = {
    _S.WAITING: frozenset({_S.QUEUED, _S.RUNNING, _S.SKIPPED, _S.MISSED, _S.CANCELLED}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.SKIPPED, _S.MISSED, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.SUCCESS, _S.BUSINESS_FAILURE, _S.TECHNICAL_FAILURE, _S.RETRYING, _S.CANCELLED}),
    _S.RETRYING: frozenset({_S.QUEUED, _S.RUNNING, _S.CANCELLED}),
}


class IllegalTransition(Exception):
    """The table does not allow this change: a bug of the caller."""


def advance(
    run: TaskExecution,
    status: Status,
    now: Instant,
    reason: Optional[str] = None,
    detail: Optional[Text] = None,
    **changes: Any,
) -> TaskExecution:
    """The run in its new status. A `queued` run may be queued for another reason. A final status has an end time: that
    of the attempt which a `running` run ends with, else `now`.

    Raises IllegalTransition if TRANSITIONS does not allow it.
    """
    if status not in TRANSITIONS.get(run.status, ()) and not (status is run.status and status in UNFINISHED):
        raise IllegalTransition(f"run {run.run_id} of {run.task_id}: {run.status} -> {status}")
    if status.ended:
        closed = run.attempts[-1].end_time if run.status is Status.RUNNING and run.attempts else None
        changes["end_time"] = now if closed is None else closed
        changes["env"] = None  # it may hold secrets, and no further attempt needs it
    return run._replace(status=status, reason=None if reason is None else str(reason), detail=detail, **changes)


def begin_attempt(run: TaskExecution, now: Instant) -> TaskExecution:
    """The run as `running` with a new attempt; its process does not exist yet."""
    attempt = TaskAttempt(len(run.attempts) + 1, Status.RUNNING, start_time=now)
    start_time = now if run.start_time is None else run.start_time
    return advance(run, Status.RUNNING, now, start_time=start_time, retry_time=None, attempts=(*run.attempts, attempt))


def change_attempt(run: TaskExecution, **changes: Any) -> TaskExecution:
    """The run with its latest attempt changed; its own start, exit code and duration follow from the attempts."""
    attempts = (*run.attempts[:-1], run.attempts[-1]._replace(**changes))
    durations = [attempt.duration for attempt in attempts if attempt.duration is not None]
    return run._replace(
        attempts=attempts,
        start_time=attempts[0].start_time,
        exit_code=attempts[-1].exit_code,
        duration=round(sum(durations), 3) if durations else None,
    )


def close_attempt(run: TaskExecution, outcome: Outcome, result: ProcessResult) -> TaskExecution:
    """The run with its latest attempt ended: what is known of the process, and what it means."""
    attempt = run.attempts[-1]
    return change_attempt(
        run,
        status=outcome.status,
        reason=None if outcome.reason is None else outcome.reason.value,
        detail=outcome.detail,
        exit_code=result.exit_code,
        signal=result.signal,
        end_time=result.end_time,
        duration=round(result.duration, 3),
        leftover_processes=result.leftover_processes,
        output_cut=result.output_cut,
        log_lost=result.log_error is not None,
        log=result.log or attempt.log,
        process=attempt.process or result.process,
        start_time=result.start_time or attempt.start_time,
    )
