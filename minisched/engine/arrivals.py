"""From a due time or a token to a run that is ready: what a run waits for, and what its end sets off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from minisched import lifecycle, policy
from minisched.engine.book import LiveRun
from minisched.model import Reason, Status, TaskExecution, Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from minisched.engine.book import Book, TaskState
    from minisched.engine.desk import Desk
    from minisched.model import Instant, Task
    from minisched.policy import DueRun, MissedRange


class Arrivals:
    """Opens runs and hands them to the desk once their tokens lie there. `dependents`: for each task those that
    depend on it."""

    def __init__(self, book: Book, desk: Desk) -> None:
        self.book = book
        self.desk = desk
        self.dependents: dict[str, list[Task]] = {}
        desk.ended = self.follow_up

    # ------------------------------------------------------------------------------------------------ a run begins

    def due(self, state: TaskState, item: DueRun, now: Instant) -> None:
        """A due time: its token is put down, and the run starts once those of the dependencies lie there too."""
        waiting = state.first(Status.WAITING)
        if waiting is not None:
            self.desk.end(waiting, Status.SKIPPED, now, Reason.SUPERSEDED, "its next due time came first")
        self.arrive(state, item.trigger, item.due, now)

    def missed(self, state: TaskState, span: MissedRange, now: Instant) -> TaskExecution:
        """Write due times that nothing will run for."""
        count = span.due_times
        run = TaskExecution(
            state.task.task_id,
            Trigger.SCHEDULE,
            Status.MISSED,
            created_time=now,
            end_time=now,
            reason=span.reason.value,
            detail="" if count == 1 else f"{count} due times",
            scheduled_time=span.last,
            missed_count=count,
            missed_since=None if count == 1 else span.first,
            max_attempts=state.task.task_retry.max_attempts,
        )
        self.book.save_row(run)
        return run

    def trigger(self, task_id: str, now: Instant, env: Optional[Mapping[str, str]] = None) -> LiveRun:
        """Run a task by hand: it takes no token and waits for none. Raises KeyError for an unknown task."""
        state = self.book.tasks[task_id]
        live = self.open(state, Trigger.MANUAL, None, now, env)
        self.desk.admit(live, now)
        return live

    def arrive(self, state: TaskState, trigger: Trigger, due: Optional[int], now: Instant) -> None:
        live = self.open(state, trigger, due, now)
        if not self.take_tokens(live, now):
            self.wait_for_tokens(live, now)

    def open(
        self,
        state: TaskState,
        trigger: Trigger,
        due: Optional[int],
        now: Instant,
        env: Optional[Mapping[str, str]] = None,
    ) -> LiveRun:
        run = TaskExecution(
            state.task.task_id,
            trigger,
            Status.WAITING,
            created_time=now,
            scheduled_time=due,
            max_attempts=state.task.task_retry.max_attempts,
            owner=self.desk.owner,
            env=env,
        )
        live = LiveRun(state, run)
        state.live.append(live)
        return live

    # ------------------------------------------------------------------------------------------------- dependencies

    def take_tokens(self, live: LiveRun, now: Instant) -> bool:
        """Take the tokens of a waiting run away and admit it, if they are complete; else say what it waits for."""
        task = live.state.task
        lacking = policy.missing(task, self.book.tokens)
        if lacking:
            names = ",".join(lacking)
            if live.run.reason != names:
                live.run = lifecycle.advance(live.run, Status.WAITING, now, names)
                self.book.save(live)
            return False
        self.desk.cancel_timer(live)
        self.book.take_tokens([(task.task_id, name) for name in task.task_dependencies])
        self.desk.admit(live, now)
        return True

    def wait_for_tokens(self, live: LiveRun, now: Instant) -> None:
        self.desk.cancel_timer(live)
        timeout_s = live.state.task.task_dependency_timeout
        if timeout_s is None:
            return

        def expire(then: Instant) -> None:
            live.timer = None
            detail = f"waited {timeout_s:g} s for {live.run.reason}"
            self.desk.end(live, Status.SKIPPED, then, Reason.DEPENDENCY_TIMEOUT, detail)

        # At most the timeout: the clock may have been set back since.
        self.desk.set_timer(live, min(max(0.0, live.run.created_time + timeout_s - now), timeout_s), expire)

    def join(self, state: TaskState, now: Instant) -> None:
        """A token came: start what waits for it, or a task that only its dependencies start."""
        waiting = state.first(Status.WAITING)
        task = state.task
        if waiting is not None:
            self.take_tokens(waiting, now)
        elif (
            task.enabled
            and task.task_dependencies
            and not task.task_schedule
            and not policy.missing(task, self.book.tokens)
        ):
            self.arrive(state, Trigger.DEPENDENCY, None, now)

    def follow_up(self, run: TaskExecution, now: Instant) -> None:
        """What the end of `run` means for the tasks that depend on it."""
        effects = policy.effects(run, self.dependents, now)
        for skipped in effects.skipped:
            self.book.save_row(skipped)
        for token in effects.tokens:
            self.book.put_token(token)
        for task_id, _ in effects.tokens:
            self.join(self.book.tasks[task_id], now)
