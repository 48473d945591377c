"""A run from its due time to its end: dependencies, admission, queues, attempts, retries.

Nothing here waits or reads a clock: every call gets `now`. Retries and dependency timeouts are timers on the monotonic
clock, so that a step of the wall clock moves none of them.
"""

from __future__ import annotations

import heapq

from minisched import policy
from minisched.engine.launch import CONDITION_ATTEMPT
from minisched.engine.locks import Locks
from minisched.engine.log_lines import output_lost_line, started_line
from minisched.engine.state import ActiveRun
from minisched.model import (
    BY_HAND,
    Misfire,
    Outcome,
    ProcessResult,
    Reason,
    RunFinished,
    Status,
    TaskExecution,
    Text,
    Trigger,
)
from minisched.timetable import need_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Optional

    from minisched.engine.expectations import Expectations
    from minisched.engine.launch import Launcher
    from minisched.engine.state import Outside, State, TaskState
    from minisched.engine.timers import Timers
    from minisched.model import Dependency, Instant, RunStarted, Task
    from minisched.policy import DueRun, MissedRange

BLOCKING_MAX = 3  # blocking runs that are named in a reason
ASK_EVERY_S = 60.0  # a condition that was not met is asked again after this time
QUEUE_ROOM = 64  # runs that wait for a process before the list of them is looked through


class Dispatcher:
    """Opens, admits, starts and ends runs."""

    def __init__(
        self, state: State, timers: Timers, launcher: Launcher, expectations: Expectations, outside: Outside
    ) -> None:
        self.state, self.timers, self.launcher, self.expectations = state, timers, launcher, expectations
        self.clock, self.log, self.system = outside.clock, outside.log, outside.system
        self.executor = outside.executor
        self.locks = Locks(state)
        # Runs that wait for one of `max_running`, first due first, by `ActiveRun.order`; entries may be out of date.
        self._queue: list[tuple[tuple[float, int], ActiveRun]] = []
        self._queue_room = QUEUE_ROOM  # at this length it is looked through for runs that have ended

    # --------------------------------------------------------------------------------------------------- a run begins

    def due(self, task_state: TaskState, item: DueRun, now: Instant) -> None:
        """A due time: the run starts once all its dependencies have a token."""
        waiting = task_state.first(Status.WAITING)
        if waiting is not None:
            self.end(waiting, Status.SKIPPED, now, Reason.SUPERSEDED, Text("superseded"))
        self.open(task_state, item.trigger, item.due, now)

    def can_start(self, task_state: TaskState) -> bool:
        """A run of the task that is due now would start at once, and nothing else would follow from the due time."""
        return (
            not task_state.active
            and not task_state.task.task_dependencies
            and not self.state.external.get(task_state.task.task_id)
            and self.state.has_free_process
            and self.locks.are_free(task_state.task.task_locks)
            and task_state.task.task_condition is None
        )

    def missed(self, task_state: TaskState, missed: MissedRange, now: Instant) -> TaskExecution:
        """Write due times that are not started. Those of a pause were not started on purpose."""
        count = missed.due_times
        span = {} if count == 1 else {"detail": Text("due_times", count=count), "missed_since": missed.first}
        due = {"scheduled_time": missed.last, "missed_count": count, **span}
        return self._write_unstarted(task_state, Trigger.SCHEDULE, missed.reason, now, **due)

    def run_manually(
        self,
        task_id: str,
        now: Instant,
        env: Optional[Mapping[str, str]],
        due: Optional[int] = None,
        repeats: Optional[int] = None,
    ) -> ActiveRun:
        """It needs no tokens and takes none. due: a past time to run it for. Raises KeyError for an unknown task."""
        trigger = Trigger.MANUAL if due is None else Trigger.BACKFILL
        active = self._make(self.state.tasks[task_id], trigger, due, now, env, repeats)
        self.admit(active, now)
        return active

    def skip_reboot(self, task_state: TaskState, now: Instant) -> None:
        """The machine has booted while the engine was paused."""
        self._write_unstarted(task_state, Trigger.REBOOT, Reason.PAUSED, now)

    def _write_unstarted(
        self, task_state: TaskState, trigger: Trigger, reason: Reason, now: Instant, **values: Any
    ) -> TaskExecution:
        run = TaskExecution(
            task_state.task.task_id,
            trigger,
            Status.SKIPPED if reason is Reason.PAUSED else Status.MISSED,
            created_time=now,
            end_time=now,
            reason=reason.value,
            max_attempts=task_state.task.task_retry.max_attempts,
            **values,
        )
        self.state.save_row(run)
        return run

    def open(self, task_state: TaskState, trigger: Trigger, due: Optional[int], now: Instant) -> None:
        active = self._make(task_state, trigger, due, now, None)
        if not self.take_tokens(active, now):
            self.set_dependency_timeout(active, now)

    def _make(
        self,
        task_state: TaskState,
        trigger: Trigger,
        due: Optional[int],
        now: Instant,
        env: Optional[Mapping[str, str]],
        repeats: Optional[int] = None,
    ) -> ActiveRun:
        run = TaskExecution(
            task_state.task.task_id,
            trigger,
            Status.WAITING,
            created_time=now,
            scheduled_time=due,
            max_attempts=task_state.task.task_retry.max_attempts,
            owner=self.system.owner,
            env=env,
            repeats=repeats,
        )
        active = ActiveRun(self.state, task_state, run)
        self.state.add(active)
        return active

    # --------------------------------------------------------------------------------------------------- dependencies

    def take_tokens(self, active: ActiveRun, now: Instant) -> bool:
        """Admit a waiting run if all its dependencies are met, and take its tokens; else write what it waits for."""
        task = active.task_state.task
        unmet = self.unmet(task, now)
        if unmet:
            names, needs = ",".join(one.task_id for one in unmet), list(map(need_text, unmet))
            detail = Text("waiting_for", needs=needs) if any(isinstance(need, Text) for need in needs) else None
            if (active.run.reason, active.run.detail) != (names, detail):
                active.to(Status.WAITING, now, names, detail)
            return False
        self.cancel_timer(active)
        self.state.take_tokens(policy.tokens_of(task))
        self.admit(active, now)
        return True

    def unmet(self, task: Task, now: Instant) -> tuple[Dependency, ...]:
        return policy.unmet_dependencies(task, self.state.tokens, self.state.ends, now)

    def set_dependency_timeout(self, active: ActiveRun, now: Instant) -> None:
        self.cancel_timer(active)
        timeout_s = active.task_state.task.task_dependency_timeout
        if timeout_s is None:
            return

        def expire() -> None:
            active.set_timer(None)
            tasks = (active.run.reason or "").split(",")
            detail = Text("dependency_timeout", seconds=timeout_s, tasks=tasks)
            self.end(active, Status.SKIPPED, self.clock.wall(), Reason.DEPENDENCY_TIMEOUT, detail)

        # At most the timeout: the clock may have been set back since the run was made.
        self.set_timer(active, min(max(0.0, active.run.created_time + timeout_s - now), timeout_s), expire)

    def token_arrived(self, task_state: TaskState, now: Instant) -> None:
        """A dependency may be met now: start the run that waits, or a run of a task that only its dependencies start,
        if nothing is missing. While the engine stops, the tokens stay for the next one."""
        if self.state.stopping:
            return
        waiting = task_state.first(Status.WAITING)
        task = task_state.task
        if waiting is not None:
            self.take_tokens(waiting, now)
        elif (
            task.enabled
            and not self.state.config.settings.paused  # the tokens stay
            and task.task_dependencies
            and not task.task_schedule
            and not self.unmet(task, now)
        ):
            self.open(task_state, Trigger.DEPENDENCY, None, now)

    def release_dependents(self, run: TaskExecution, now: Instant) -> None:
        """What the end of `run` means for the tasks that depend on it."""
        self.state.record_end(run)
        effects = policy.effects(run, self.state.dependents, now)
        for skipped in effects.skipped:
            self.state.save_row(skipped)
        for token in effects.tokens:
            self.state.put_token(token)
        for task_id in (*(task_id for task_id, _ in effects.tokens), *effects.met):
            if task_id in self.state.tasks:  # else a new config has added it, and it begins in a moment
                self.token_arrived(self.state.tasks[task_id], now)

    # ------------------------------------------------------------------------------------------- admission and queues

    def admit(self, active: ActiveRun, now: Instant) -> None:
        state, task_state = self.state, active.task_state
        decision = policy.admit(
            task_state.task,
            slots_in_use=state.slots_in_use(task_state),
            queued=sum(other.run.status is Status.QUEUED for other in task_state.active),
            must_queue=active.run.trigger is Trigger.CATCHUP and task_state.task.task_misfire is Misfire.ALL,
        )
        if decision is policy.Admission.START:
            self.begin(active, now)
        elif decision is policy.Admission.SKIP_OVERLAP:
            self.end(active, Status.SKIPPED, now, Reason.OVERLAP, self.blocking_runs(active))
        elif decision is policy.Admission.SKIP_QUEUE_FULL:
            self.end(active, Status.SKIPPED, now, Reason.QUEUE_FULL, self.blocking_runs(active))
        else:
            if decision is policy.Admission.REPLACE:
                self.cancel_for_replacement(active, now)
            self.queue_for_slot(active, now)
            self.slot_freed(task_state, now)

    def cancel_for_replacement(self, active: ActiveRun, now: Instant) -> None:
        """Cancel the task's queued runs, and the oldest of those that hold its slots, so that one slot becomes free."""
        task_state = active.task_state
        surplus = self.state.slots_in_use(task_state) - task_state.task.task_max_instances + 1
        for other in self._others(active):
            if other.run.status is Status.QUEUED and other.run.reason == Reason.OVERLAP.value:
                self.cancel(other, Reason.REPLACED, now)
            elif surplus > 0:
                surplus -= 1
                self.cancel(other, Reason.REPLACED, now)

    def _others(self, active: ActiveRun) -> list[ActiveRun]:
        return [
            other
            for other in active.task_state.active
            if other is not active and other.run.status is not Status.WAITING
        ]

    def blocking_runs(self, active: ActiveRun) -> Text:
        """The first runs that hold a slot and their status, runs of `exec` included; a catch-up may bring many."""
        others = [other.run for other in self._others(active)]
        runs = [Text("run_status", run_id=run.run_id, status=run.status.value) for run in others if run.run_id]
        external = self.state.external.get(active.run.task_id, ())
        runs += [Text("run_by_exec", run_id=run_id) for run_id in sorted(external)]
        more = max(0, len(runs) - BLOCKING_MAX) + sum(not run.run_id for run in others)
        if more:
            runs[BLOCKING_MAX:] = [Text("more_runs" if runs else "runs_of_same_time", count=more)]
        return Text("blocked_by", runs=runs)

    def queue_for_slot(self, active: ActiveRun, now: Instant) -> None:
        """Let it wait for one of its task's slots."""
        self.locks.leave(active)
        detail = self.blocking_runs(active)
        if active.condition_met and active.task_state.task.task_condition is not None:
            detail = Text(detail.code, **detail.values, condition_met=True)  # see `policy.condition_met`
        active.to(Status.QUEUED, now, Reason.OVERLAP, detail)

    def queue_for_process(self, active: ActiveRun, now: Instant) -> None:
        """It has a slot of its task and may have its locks, which wait for it in their order; let it wait for one of
        the engine's `max_running` processes. One whose condition is to be asked needs the process for that."""
        limit = self.state.config.settings.max_running
        detail = Text("max_running", running=len(self.state.running), limit=limit)
        if _must_ask(active):
            until = {} if active.ask_until is None else {"until": active.ask_until}
            active.to(Status.QUEUED, now, Reason.CONDITION, Text("condition_no_process", running=detail, **until))
        else:
            active.to(Status.QUEUED, now, Reason.MAX_RUNNING, detail)
        if len(self._queue) >= self._queue_room:  # many may have been cancelled since
            self._queue = [entry for entry in self._queue if not entry[1].run.status.ended]
            heapq.heapify(self._queue)
            self._queue_room = max(QUEUE_ROOM, 2 * len(self._queue))
        heapq.heappush(self._queue, (active.order, active))

    def line_up(self, active: ActiveRun, now: Instant) -> None:
        """It has a slot of its task; let it wait for what it needs beside that: its condition, its locks, a process."""
        if _must_ask(active):
            self.locks.leave(active)
        else:
            self.locks.wait(active)
        if self.locks.may_begin(active):
            self.queue_for_process(active, now)
        else:
            active.to(Status.QUEUED, now, Reason.LOCK, self.locks.reason(active))

    def slot_freed(self, task_state: TaskState, now: Instant) -> None:
        """Move the task's own queue up, then the engine's, first due first."""
        while self.state.slots_in_use(task_state) < task_state.task.task_max_instances:
            active = task_state.first(Status.QUEUED, Reason.OVERLAP.value)
            if active is None:
                break
            self.line_up(active, now)
        self.start_queued(now)

    def start_queued(self, now: Instant) -> None:
        """Begin the runs for which there are locks and a process, first due first."""
        while True:
            for active in self.locks.take_ready():  # again after each: a run that leaves a line lets others move up
                if active.run.status is Status.QUEUED and active.run.reason == Reason.LOCK.value:
                    self.queue_for_process(active, now)
            if not self._queue or not self.state.has_free_process:
                return
            active = heapq.heappop(self._queue)[1]
            run = active.run
            to_ask = run.reason == Reason.CONDITION.value and not active.asking and active.timer is None
            if run.status is Status.QUEUED and (to_ask or run.reason == Reason.MAX_RUNNING.value):
                self.begin_now(active, now)

    def locks_changed(self, now: Instant) -> None:
        """The sizes of locks, `max_running` or the processes of `exec` are others."""
        self.locks.changed()
        self.start_queued(now)

    def task_changed(self, task_state: TaskState, now: Instant) -> None:
        """It may have more slots now, and its queued runs may need other locks or no condition any more."""
        for active in task_state.active:
            if active.run.status is not Status.QUEUED or not policy.holds_slot(active.run) or active.asking:
                continue
            if active.run.reason == Reason.CONDITION.value:
                outdated = not _must_ask(active)
            else:
                outdated = not self.locks.is_lined_up(active)
            if outdated:
                self.cancel_timer(active)
                self.line_up(active, now)
        self.slot_freed(task_state, now)

    # ------------------------------------------------------------------------------------------------------- attempts

    def begin(self, active: ActiveRun, now: Instant) -> None:
        """Begin the next attempt of a run that holds a slot, or queue the run for what is missing."""
        if self._queue or self.locks.unserved or not self.state.has_free_process:  # others may be due before
            self.line_up(active, now)
            self.start_queued(now)
        else:
            self.begin_now(active, now)

    def begin_now(self, active: ActiveRun, now: Instant) -> None:
        """The same, if there is a process for it."""
        if self.state.over_limit(active.task_state):
            self.queue_for_slot(active, now)
            return
        if _must_ask(active):
            self.ask(active, now)
            return
        self.locks.wait(active)
        if not self.locks.may_begin(active):
            active.to(Status.QUEUED, now, Reason.LOCK, self.locks.reason(active))
            return
        active.begin_attempt(now)
        self.state.running.add(active)
        self.state.starting.append(active)
        self.locks.leave(active)
        self.expectations.watch(active, now)

    def ask(self, active: ActiveRun, now: Instant) -> None:
        """Start the process of its condition, once the row is on disk. Until the answer it holds no lock."""
        self.locks.leave(active)
        until, detail = active.ask_until, active.run.detail
        if until is None:
            until = now + active.task_state.task.task_condition_wait
        if detail is None or detail.code != "condition_again":  # else the answer before stays shown
            active.to(Status.QUEUED, now, Reason.CONDITION, Text("condition_asked", until=until))
        active.ask(until)
        self.state.running.add(active)
        self.state.starting.append(active)

    def condition_ended(self, active: ActiveRun, result: ProcessResult, now: Instant) -> None:
        """The condition is met, or not now, or it has failed, which counts as an attempt."""
        self.process_ended(active)
        self.report_lost_output(active, result)
        if active.cancelled_for is not None:
            active.asked()
            if active.cancelled_for is not Reason.SHUTDOWN:  # else the next engine asks again
                self.end(active, Status.CANCELLED, now, active.cancelled_for, None)
            return
        outcome = policy.condition_outcome(result)
        active.asked(met=outcome.status is Status.SUCCESS)
        if outcome.status is Status.SUCCESS:
            self.begin(active, now)
            self.start_queued(now)
        elif outcome.status is Status.SKIPPED:
            self.not_now(active, outcome, result, now)
        else:
            active.fail_condition(now, outcome, result)
            self.attempt_ended(active, outcome, now)

    def not_now(self, active: ActiveRun, outcome: Outcome, result: ProcessResult, now: Instant) -> None:
        """Ask again in a minute, for the last time when `task_condition_wait` is over; then the run is skipped."""
        until = active.ask_until or now
        left_s = min(until - now, active.task_state.task.task_condition_wait)  # the clock may have been set back
        if left_s <= 0:
            active.keep_tail(result.tail)
            self.end(active, outcome.status, now, outcome.reason, outcome.detail)
            return
        detail = Text("condition_again", answer=outcome.detail, until=until)
        if active.run.detail != detail:
            active.to(Status.QUEUED, now, Reason.CONDITION, detail)
        self.begin_later(active, min(max(1.0, ASK_EVERY_S - result.duration), left_s))
        self.start_queued(now)

    def process_ended(self, active: ActiveRun) -> None:
        """Its place among `max_running` and its locks are free."""
        self.state.running.discard(active)
        self.locks.freed(active.locks)

    def requeue_unstarted(self, now: Instant) -> None:
        """An `exec` took slots or locks before these attempts were written: the newest wait again, as if they had not
        begun."""
        for active in reversed(self.state.starting[:]):
            over_limit = self.state.over_limit(active.task_state)
            if over_limit or self.locks.are_exceeded(active.locks):
                self.state.starting.remove(active)
                self.process_ended(active)
                if active.asking:
                    active.asked()
                else:
                    active.undo_attempt()
                    self.expectations.watch(active, now)
                if over_limit:
                    self.queue_for_slot(active, now)
                else:
                    self.line_up(active, now)
                if active.cancelled_for is not None:
                    self.cancel(active, active.cancelled_for, now)
        self.start_queued(now)

    def start_processes(self, now: Instant) -> None:
        """Start the processes whose attempts are on disk now."""
        starting = self.state.take_starting()
        unsafe = self.launcher.unsafe() if starting else None
        for active in starting:
            if active.cancelled_for is not None:
                result = ProcessResult(now, 0.0, spawn_error=Text("cancelled_before_start"), cancelled=True)
                attempt = CONDITION_ATTEMPT if active.asking else active.run.attempt
                self.finished(RunFinished(active.run.run_id, attempt, result), now)
                continue
            spec = self.launcher.condition_spec if active.asking else self.launcher.spec
            self.executor.start(spec(active, unsafe), active.start_at)

    def started(self, message: RunStarted) -> None:
        active = self.state.runs.get(message.run_id)
        if active is not None and active.run.attempt == message.attempt != CONDITION_ATTEMPT:
            active.process_started(message)
            self.log.info(started_line(active.run))

    def finished(self, message: RunFinished, now: Instant) -> None:
        """An attempt or a condition has ended."""
        active = self.state.runs.get(message.run_id)
        if active is None or active not in self.state.running:
            return
        if active.asking:
            if message.attempt == CONDITION_ATTEMPT:
                self.condition_ended(active, message.completion, now)
            return
        if active.run.attempt != message.attempt:
            return
        outcome = policy.classify(message.completion, active.task_state.task.task_exit_codes, active.cancelled_for)
        self.process_ended(active)
        active.close_attempt(outcome, message.completion)
        self.report_lost_output(active, message.completion)
        self.attempt_ended(active, outcome, now)

    def report_lost_output(self, active: ActiveRun, result: ProcessResult) -> None:
        if result.log_error is not None:
            path = self.launcher.log_path(active.task_state.task)
            self.log.warning(output_lost_line(active.run, path, result.log_error))

    def attempt_ended(self, active: ActiveRun, outcome: Outcome, now: Instant) -> None:
        """The run ends, or its next attempt waits for the delay."""
        if (
            outcome.status is Status.TECHNICAL_FAILURE
            and active.cancelled_for is None
            and active.run.attempt < active.run.max_attempts
        ):
            self.retry_later(active, outcome, now)
            self.slot_freed(active.task_state, now)
        else:
            self.end(active, outcome.status, now, outcome.reason, outcome.detail)

    def retry_later(self, active: ActiveRun, outcome: Outcome, now: Instant) -> None:
        delay_s = policy.retry_delay(active.task_state.task.task_retry, active.run.attempt, self.system.random())
        active.to(Status.RETRYING, now, outcome.reason, outcome.detail, retry_time=now + delay_s)
        self.begin_later(active, delay_s)

    def begin_later(self, active: ActiveRun, delay_s: float) -> None:
        """Begin its next attempt, or ask its condition again, after this time."""

        def come() -> None:
            active.set_timer(None)
            if not self.state.stopping:
                self.begin(active, self.clock.wall())

        self.set_timer(active, delay_s, come)

    # -------------------------------------------------------------------------------------------------------- the end

    def cancel(
        self,
        active: ActiveRun,
        reason: Reason,
        now: Instant,
        detail: Optional[Text] = None,
        grace_s: Optional[float] = None,
    ) -> None:
        """Stop a run: one with a process ends when the process has exited, any other ends at once."""
        if active.run.status is not Status.RUNNING and not active.asking:
            self.end(active, Status.CANCELLED, now, reason, detail)
            return
        active.cancel(reason)
        if active not in self.state.starting:
            self.executor.cancel(active.run.run_id, grace_s)

    def cancel_unstarted(self, task_state: TaskState, now: Instant, detail: Text) -> None:
        """The task was removed or disabled: cancel its runs without a process, except those started manually."""
        for active in task_state.active:
            if active.run.status is not Status.RUNNING and active.run.trigger not in BY_HAND:
                self.cancel(active, Reason.USER, now, detail)

    def discard(self, active: ActiveRun) -> None:
        """Forget a run whose row could not be written: it must not start later."""
        self.cancel_timer(active)
        self.locks.leave(active)
        self.locks.freed(active.locks)
        if active.asking and active not in self.state.starting:
            self.executor.cancel(active.run.run_id, 0.0)
        self.state.discard(active)
        self._queue = [entry for entry in self._queue if entry[1] is not active]
        heapq.heapify(self._queue)
        self.slot_freed(active.task_state, self.clock.wall())

    def take_back(self, task_state: TaskState, now: Instant) -> int:
        """Forget the task's runs without a process whose due time is after `now`: the clock was set back. The tokens of
        a queued one are put back. Returns how many had no row yet."""
        fresh = 0
        for active in task_state.active[:]:
            run = active.run
            if run.due is not None and run.due > now and not run.attempts:
                if run.status is Status.QUEUED:
                    for token in policy.tokens_of(task_state.task):
                        self.state.put_token(token)
                self.discard(active)
                fresh += not run.run_id
        return fresh + self.state.discard_ended_after(task_state.task.task_id, now)

    def stop(self, now: Instant) -> None:
        """The engine stops: end attempts whose process was not started, and runs that were queued for their first. One
        that waits for its condition stays for the next engine, as one that waits for a dependency does."""
        for active in self.state.take_starting():
            if active.asking:
                self.process_ended(active)
                active.asked()
                continue
            active.drop_attempt(now, Reason.SHUTDOWN, Text("not_started"))
            self.end(active, Status.CANCELLED, now, Reason.SHUTDOWN, Text("not_started"))
        for task_state in self.state.tasks.values():
            for active in task_state.active:
                to_ask = active.run.reason == Reason.CONDITION.value
                if active.asking:
                    self.cancel(active, Reason.SHUTDOWN, now)
                elif active.run.status is Status.QUEUED and not active.run.attempts and not to_ask:
                    self.end(active, Status.SKIPPED, now, Reason.SHUTDOWN, Text("engine_stopped"))

    def stop_processes(self, now: Instant, grace_s: Optional[float]) -> None:
        """grace_s: from TERM to KILL; None: each task's own."""
        for active in sorted(self.state.running, key=lambda active: active.run.run_id):
            self.cancel(active, Reason.SHUTDOWN, now, grace_s=grace_s)

    def end(
        self, active: ActiveRun, status: Status, now: Instant, reason: Optional[Reason], detail: Optional[Text]
    ) -> None:
        """End a run, with all that follows for its dependents and for those that wait for its slot."""
        self.cancel_timer(active)
        active.to(status, now, reason, detail, retry_time=None)
        active.task_state.remove(active)
        self.locks.leave(active)
        self.process_ended(active)
        self.expectations.run_ended(active, now)
        self.release_dependents(active.run, now)
        self.slot_freed(active.task_state, now)

    # --------------------------------------------------------------------------------------------------------- timers

    def set_timer(self, active: ActiveRun, delay_s: float, action: Callable[[], None]) -> None:
        """A run has one timer at most."""
        self.cancel_timer(active)
        active.set_timer(self.timers.after(delay_s, action))

    def cancel_timer(self, active: ActiveRun) -> None:
        if active.timer is not None:
            self.timers.cancel(active.timer)
            active.set_timer(None)


def _must_ask(active: ActiveRun) -> bool:
    """The condition of its task has to be met before it starts."""
    return active.task_state.task.task_condition is not None and not active.condition_met
