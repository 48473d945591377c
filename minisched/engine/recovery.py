"""Runs that this engine did not start: leftovers of an engine that died, and runs of `exec` beside it."""

from __future__ import annotations

from minisched import lifecycle, policy
from minisched.engine.state import ActiveRun
from minisched.model import BY_HAND, Outcome, Reason, Status, StoreError, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from minisched.engine.dispatcher import Dispatcher
    from minisched.engine.state import Outside, State
    from minisched.model import Instant, TaskExecution
    from minisched.store.writer import Transaction


class SlotTaken(Exception):
    """An `exec` has begun a run since the engine looked, and the task has no slot, or one of its locks no room, for
    both."""


class ExternalRuns:
    """Takes over what other processes have written. `unread`: what one of them wrote could not be read yet."""

    def __init__(self, state: State, dispatcher: Dispatcher, outside: Outside) -> None:
        self.state, self.dispatcher = state, dispatcher
        self.ledger, self.log, self.system = outside.ledger, outside.log, outside.system
        self.unread = False

    def have_written(self) -> bool:
        """True once after another process has written."""
        try:
            return self.ledger.changed_elsewhere()
        except StoreError:
            return False  # the next poll reads again

    def absorb(self, now: Instant) -> None:
        """Another process wrote: take over its tokens and, if it is gone, its unfinished runs. Attempts that are not on
        disk yet are queued again where they would exceed the slots."""
        try:
            unfinished, tokens = self.ledger.unfinished(), self.ledger.tokens()
            ends = self.ledger.ends(self.state.ends)
        except StoreError as error:
            if not self.unread:
                self.log.warning(Text("log.problem", key="history", problem=error.text))
            self.unread = True
            return
        self.unread = False
        state = self.state
        state.changed.update(state.tasks)  # it is not known whose history has changed
        for task_state in state.tasks.values():
            task_state.forget_results()
        before = state.external
        self.take_over(unfinished, now)
        self.dispatcher.requeue_unstarted(now)
        new_tokens = state.merge_tokens(tokens)
        if before != state.external:
            self.dispatcher.locks_changed(now)
        for task_id, runs in sorted(before.items()):
            if task_id in state.tasks and runs.keys() - state.external.get(task_id, {}).keys():
                self.dispatcher.slot_freed(state.tasks[task_id], now)
        met = {task_id for task_id, _ in new_tokens}
        for name in state.set_ends(ends):
            met.update(task.task_id for task, one in state.dependents.get(name, ()) if one.within is not None)
        for task_id in sorted(met):
            if task_id in state.tasks:
                self.dispatcher.token_arrived(state.tasks[task_id], now)

    def read_ends(self) -> None:
        """When the tasks of dependencies with `within` last ended: now, or at the next poll if it cannot be read."""
        try:
            self.state.set_ends(self.ledger.ends(self.state.ends))
        except StoreError:
            self.unread = True

    def check_slots(self, tx: Transaction) -> None:
        """In the transaction that writes new attempts: raise SlotTaken if an `exec` has taken a slot or a lock in
        between."""
        others = [run for run in tx.unfinished_of_others(self.state.runs) if run.status is Status.RUNNING]
        for active in self.state.starting if others else ():
            task, count = active.task_state.task, sum(run.task_id == active.run.task_id for run in others)
            if count and self.state.own_slots_in_use(active.task_state) + count > task.task_max_instances:
                raise SlotTaken
            if self.dispatcher.locks.are_exceeded(active.locks, others):
                raise SlotTaken

    def take_over(self, unfinished: Sequence[TaskExecution], now: Instant) -> None:
        """Continue the runs whose owner is gone; note those of a living `exec`, which hold slots."""
        known = self.state.runs.keys() | self.state.unsaved_ids()  # the latter ended here, but not on disk yet
        unowned: list[TaskExecution] = []
        external: dict[str, dict[int, TaskExecution]] = {}
        for run in unfinished:
            if run.run_id in known:
                continue
            if run.owner is not None and run.owner != self.system.owner and self.system.is_alive(run.owner):
                external.setdefault(run.task_id, {})[run.run_id] = run
            else:
                unowned.append(run)
        self.state.set_external(external)
        self.recover(unowned, now)

    def recover(self, unfinished: Sequence[TaskExecution], now: Instant) -> None:
        """Continue or end runs whose owner is gone, oldest first.

        A process that is still alive is killed before its run is retried, so that no task runs beside itself. A running
        run is `interrupted`, and retried if it has attempts left; `retrying` and `waiting` runs continue; a `queued`
        run starts when there is a slot, and its condition is asked again unless it was met. What must not start any
        more is ended first, before another run's end frees a slot for it: a `queued` run whose due time is older than
        the grace was missed, unless it may still wait for its condition; and a disabled task's run without a process is
        cancelled.
        """
        state = self.state
        recovered: list[ActiveRun] = []
        for run in sorted(unfinished, key=lambda run: run.run_id):
            task_state = state.tasks.get(run.task_id)
            running = run.status is Status.RUNNING
            if running:
                run = self._interrupt(run, now)
            asked = run.status is Status.QUEUED and run.reason == Reason.CONDITION.value
            if asked and not (run.owner and run.owner.boot_id != self.system.owner.boot_id):
                self.system.kill_leftover(None, run.run_id)  # of its condition, which is asked again
            if task_state is None:
                status = Status.TECHNICAL_FAILURE if running else Status.CANCELLED
                reason = Reason.INTERRUPTED if running else Reason.USER
                state.save_row(lifecycle.advance(run, status, now, reason, Text("task_not_configured")))
                continue
            if not task_state.task.enabled and not running and run.trigger not in BY_HAND:
                self._end(run, Status.CANCELLED, Reason.USER, Text("task_disabled"), now)
                continue
            due = run.due if run.status is Status.QUEUED and not run.attempts else None
            until = policy.asked_until(run) or 0.0
            if due is not None and now > max(due + task_state.task.task_misfire_grace, until):
                self._end(run, Status.MISSED, Reason.DOWNTIME, Text("queued_at_stop"), now)
                continue
            active = ActiveRun(state, task_state, run._replace(owner=self.system.owner))
            state.runs[run.run_id] = active
            state.add(active)
            recovered.append(active)
            if running:
                state.running.add(active)
        for active, status in [(active, active.run.status) for active in recovered]:
            if active.run.status is status:  # else another run's end has moved it up already
                self._continue(active, now)

    def _interrupt(self, run: TaskExecution, now: Instant) -> TaskExecution:
        """The run with its attempt ended, and its process killed if that was still alive."""
        killed = self.system.kill_leftover(run.attempts[-1].process if run.attempts else None, run.run_id)
        if not run.attempts:  # another program wrote the row
            return run
        detail = Text("interrupted_killed", count=killed) if killed else Text("interrupted")
        return lifecycle.change_attempt(
            run, status=Status.TECHNICAL_FAILURE, reason=Reason.INTERRUPTED.value, detail=detail, end_time=now
        )

    def _continue(self, active: ActiveRun, now: Instant) -> None:
        run, dispatcher = active.run, self.dispatcher
        if run.status is Status.RUNNING:
            self.state.running.discard(active)
            outcome = Outcome(
                Status.TECHNICAL_FAILURE, Reason.INTERRUPTED, run.attempts[-1].detail if run.attempts else None
            )
            if run.attempt < run.max_attempts:
                dispatcher.retry_later(active, outcome, now)
            else:
                dispatcher.end(active, outcome.status, now, outcome.reason, outcome.detail)
        elif run.status is Status.RETRYING:
            self.state.mark(active)
            delay_s = (run.retry_time or now) - now  # at most the longest delay: the clock may have been set back
            dispatcher.begin_later(active, min(max(0.0, delay_s), active.task_state.task.task_retry.max_delay))
        elif run.status is Status.WAITING:
            self.state.mark(active)
            dispatcher.set_dependency_timeout(active, now)
        else:
            dispatcher.queue_for_slot(active, now)
            dispatcher.slot_freed(active.task_state, now)

    def _end(self, run: TaskExecution, status: Status, reason: Reason, detail: Text, now: Instant) -> None:
        """End a run that has no process, with all that follows for its dependents."""
        run = lifecycle.advance(run, status, now, reason, detail, retry_time=None)
        self.state.save_row(run)
        self.dispatcher.release_dependents(run, now)
