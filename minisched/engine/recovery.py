"""After a crash: what the last engine left unfinished is taken over or ended, before anything new starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minisched import lifecycle
from minisched.engine.book import LiveRun
from minisched.model import Reason, Status, Trigger, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Optional

    from minisched.engine.arrivals import Arrivals
    from minisched.engine.book import Book
    from minisched.model import Instant, ProcessIdentity, TaskExecution

_INTERRUPTED = Verdict(Status.TECHNICAL_FAILURE, Reason.INTERRUPTED, "the engine stopped before the process ended")


def recover(
    book: Book,
    arrivals: Arrivals,
    unfinished: Sequence[TaskExecution],
    kill_leftover: Callable[[Optional[ProcessIdentity], int], int],
    now: Instant,
) -> None:
    """Take over the runs that no living process is in charge of, oldest first.

    A process that still lives is killed before its run is retried, so that no task runs beside itself. A running run
    is `interrupted`, and retried if it has attempts left; `retrying` and `waiting` ones go on; a `queued` one starts
    when there is room. What is not to start any more is ended first, before the end of another one makes room for it:
    a `queued` run whose due time is past the grace was missed, and a disabled task's run without a process is dropped.
    """
    desk = arrivals.desk
    lives = []
    for run in sorted(unfinished, key=lambda run: run.run_id):
        state = book.tasks.get(run.task_id)
        running = run.status is Status.RUNNING
        if running:
            killed = kill_leftover(run.attempts[-1].process, run.run_id)
            detail = f"{_INTERRUPTED.detail}; {killed} left over were killed" if killed else _INTERRUPTED.detail
            run = lifecycle.change_attempt(
                run, status=Status.TECHNICAL_FAILURE, reason=Reason.INTERRUPTED.value, detail=detail, end_time=now
            )
        if state is None:
            status = Status.TECHNICAL_FAILURE if running else Status.CANCELLED
            reason = Reason.INTERRUPTED if running else Reason.USER
            book.save_row(lifecycle.advance(run, status, now, reason, "the task is no longer in the config"))
            continue
        if not state.task.enabled and not running and run.trigger is not Trigger.MANUAL:
            drop(arrivals, run, Status.CANCELLED, Reason.USER, "the task was disabled", now)
            continue
        due = run.scheduled_time if run.status is Status.QUEUED and not run.attempts else None
        if due is not None and now - due > state.task.task_misfire_grace:
            drop(arrivals, run, Status.MISSED, Reason.DOWNTIME, "it was queued when the engine stopped", now)
            continue
        live = LiveRun(state, run._replace(owner=desk.owner))
        book.runs[run.run_id] = live
        state.live.append(live)
        lives.append(live)
        if running:
            desk.running.add(live)
    for live, status in [(live, live.run.status) for live in lives]:
        run = live.run
        if run.status is not status:
            continue  # a queued run that moved up when another one ended
        if status is Status.RUNNING:
            desk.running.discard(live)
            detail = run.attempts[-1].detail
            if run.attempt < run.max_attempts:
                desk.retry_later(live, _INTERRUPTED._replace(detail=detail), now)
            else:
                desk.end(live, Status.TECHNICAL_FAILURE, now, Reason.INTERRUPTED, detail)
        elif status is Status.RETRYING:
            book.save(live)
            delay_s = (run.retry_time or now) - now  # at most the longest delay: the clock may have been set back
            desk.set_retry_timer(live, min(max(0.0, delay_s), live.state.task.task_retry.max_delay))
        elif status is Status.WAITING:
            book.save(live)
            arrivals.wait_for_tokens(live, now)
        else:
            desk.requeue(live, now)


def drop(arrivals: Arrivals, run: TaskExecution, status: Status, reason: Reason, detail: str, now: Instant) -> None:
    """End a run that has no process, with all that follows from it."""
    run = lifecycle.advance(run, status, now, reason, detail)._replace(retry_time=None)
    arrivals.book.save_row(run)
    arrivals.follow_up(run, now)
