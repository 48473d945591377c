"""From a run that is ready to its end: admission, queues, attempts, retries.

Nothing here waits or reads a clock: every call gets `now`. Timers of retries and of dependency timeouts stand in
`timers`, on the monotonic clock, so that a step of the wall clock moves none of them.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Optional

from minisched import lifecycle, policy
from minisched.engine.book import LiveRun
from minisched.engine.words import in_the_way
from minisched.model import Misfire, Reason, Status, TaskExecution, Trigger

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from minisched.engine.book import Book, TaskState
    from minisched.engine.timers import Timers
    from minisched.model import Executor, Instant, ProcessIdentity, ProcessSpec, RunFinished, RunStarted, Verdict


class Desk:
    """Admits, starts, ends. `running` holds the runs that have a process or are about to get one."""

    def __init__(
        self,
        book: Book,
        executor: Executor,
        timers: Timers,
        log: logging.Logger,
        owner: ProcessIdentity,
        wall: Callable[[], Instant],
        draw: Callable[[], float],
        make_launch: Callable[[LiveRun], ProcessSpec],
        fail_launch: Callable[[TaskExecution, str, bool], None],
    ) -> None:
        self.book = book
        self.executor = executor
        self.timers = timers
        self.log = log
        self.owner = owner
        self.wall = wall
        self.draw = draw
        self.make_launch = make_launch
        self.fail_launch = fail_launch
        self.ended: Callable[[TaskExecution, Instant], None] = lambda run, now: None  # what follows from an end
        self.max_running = 1
        self.stopping = False
        self.running: set[LiveRun] = set()
        self.launches: list[LiveRun] = []
        # Unfinished runs of another process (`exec`), by task and id.
        self.foreign: dict[str, dict[int, TaskExecution]] = {}
        self._queue: list[tuple[float, int, LiveRun]] = []  # for max_running; entries may be stale
        self._count = 0

    # ---------------------------------------------------------------------------------------------------- admission

    def occupied(self, state: TaskState) -> int:
        """How many of its `task_max_instances` are taken."""
        return self.held(state) + len(self.foreign.get(state.task.task_id, ()))

    def held(self, state: TaskState) -> int:
        """How many of them runs of this engine have."""
        return sum(
            live.run.status in (Status.RUNNING, Status.RETRYING)
            or (live.run.status is Status.QUEUED and live.run.reason == Reason.MAX_RUNNING.value)
            for live in state.live
        )

    def crowded(self, state: TaskState) -> bool:
        """More than its places are taken: an `exec` came beside the engine, or their number was lowered."""
        return self.occupied(state) > state.task.task_max_instances

    def admit(self, live: LiveRun, now: Instant) -> None:
        state = live.state
        decision = policy.admit(
            state.task,
            occupied=self.occupied(state),
            queued=sum(other.run.status is Status.QUEUED for other in state.live),
            running=len(self.running),
            max_running=0 if self.stopping else self.max_running,
            must_queue=live.run.trigger is Trigger.CATCHUP and state.task.task_misfire is Misfire.ALL,
        )
        if decision is policy.Admission.START:
            self.start_attempt(live, now)
        elif decision is policy.Admission.QUEUE_CAPACITY:
            self.queue_for_capacity(live, now)
        elif decision is policy.Admission.SKIP_OVERLAP:
            self.end(live, Status.SKIPPED, now, Reason.OVERLAP, self.whom(state, live))
        elif decision is policy.Admission.SKIP_QUEUE_FULL:
            self.end(live, Status.SKIPPED, now, Reason.QUEUE_FULL, self.whom(state, live))
        else:
            if decision is policy.Admission.REPLACE:
                self.make_room(live, now)
            self.queue_for_place(live, live.run, now)
            self.vacated(state, now)

    def make_room(self, live: LiveRun, now: Instant) -> None:
        """Replace: what was queued behind the task, and the oldest of those that hold its places, make room for one."""
        state = live.state
        held = self.occupied(state) - state.task.task_max_instances + 1
        for other in [other for other in state.live if other is not live and other.run.status is not Status.WAITING]:
            if other.run.status is Status.QUEUED and other.run.reason == Reason.OVERLAP.value:
                self.cancel(other, Reason.REPLACED, now)
            elif held > 0:
                held -= 1
                self.cancel(other, Reason.REPLACED, now)

    def whom(self, state: TaskState, live: LiveRun) -> str:
        """Why there is no room, for people."""
        others = [other.run for other in state.live if other is not live and other.run.status is not Status.WAITING]
        return in_the_way(others, self.foreign.get(state.task.task_id, ()))

    def queue_for_place(self, live: LiveRun, run: TaskExecution, now: Instant) -> None:
        """Let it wait, as `run`, until one of the task's places is free."""
        live.run = lifecycle.advance(run, Status.QUEUED, now, Reason.OVERLAP, self.whom(live.state, live))
        self.book.save(live)

    def queue_for_capacity(self, live: LiveRun, now: Instant) -> None:
        detail = f"{len(self.running)} of max_running {self.max_running} processes run"
        live.run = lifecycle.advance(live.run, Status.QUEUED, now, Reason.MAX_RUNNING, detail)
        self.book.save(live)
        self._count += 1
        since = live.run.created_time if live.run.scheduled_time is None else live.run.scheduled_time
        heapq.heappush(self._queue, (since, self._count, live))

    def vacated(self, state: TaskState, now: Instant) -> None:
        """A place is free: the task's own queue moves up, then the engine's, first due first."""
        while self.occupied(state) < state.task.task_max_instances:
            live = state.first(Status.QUEUED, Reason.OVERLAP.value)
            if live is None:
                break
            self.queue_for_capacity(live, now)
        self.pump(now)

    def requeue(self, live: LiveRun, now: Instant) -> None:
        """A run that an earlier engine had queued takes its place again."""
        self.queue_for_place(live, live.run, now)
        self.vacated(live.state, now)

    def pump(self, now: Instant) -> None:
        while self._queue and len(self.running) < self.max_running and not self.stopping:
            live = heapq.heappop(self._queue)[2]
            if live.run.status is Status.QUEUED and live.run.reason == Reason.MAX_RUNNING.value:
                self.begin(live, now)

    # ----------------------------------------------------------------------------------------------------- attempts

    def begin(self, live: LiveRun, now: Instant) -> None:
        """Start its next attempt, or let it wait for what it lacks. It holds one of the task's places already."""
        if self.crowded(live.state):
            self.queue_for_place(live, live.run, now)
        elif len(self.running) < self.max_running:
            self.start_attempt(live, now)
        else:
            self.queue_for_capacity(live, now)

    def start_attempt(self, live: LiveRun, now: Instant) -> None:
        live.before = live.run
        live.run = lifecycle.begin_attempt(live.run, now)
        self.running.add(live)
        self.book.save(live)
        self.launches.append(live)

    def put_back(self, now: Instant) -> None:
        """An `exec` was faster than these could be written: the newest wait again, as if they had not begun."""
        for live in reversed(self.launches[:]):
            if self.crowded(live.state):
                self.launches.remove(live)
                self.running.discard(live)
                self.queue_for_place(live, live.before, now)
                if live.cancelled_for is not None:
                    self.cancel(live, live.cancelled_for, now)
        self.pump(now)

    def launch(self) -> None:
        """Start the processes whose rows are on disk now."""
        launches, self.launches = self.launches, []
        for live in launches:
            if live.cancelled_for is not None:
                self.fail_launch(live.run, "cancelled before it was started", True)
                continue
            try:
                launch = self.make_launch(live)
            except (LookupError, OSError, ValueError) as error:
                self.fail_launch(live.run, f"task_env: {error}", False)
                continue
            self.executor.start(launch)

    def started(self, message: RunStarted) -> None:
        live = self.book.runs.get(message.run_id)
        if live is not None and live.run.attempt == message.attempt:
            live.run = lifecycle.change_attempt(
                live.run, process=message.process, start_time=message.start_time, log=message.log
            )
            self.book.save(live, durable=False)
            self.log.info(
                "run %d of %s: running, pid %d, attempt %d of %d, by %s",
                live.run.run_id,
                live.run.task_id,
                message.process.pid,
                message.attempt,
                live.run.max_attempts,
                live.run.trigger,
            )

    def finished(self, message: RunFinished, now: Instant) -> None:
        """An attempt is over: its run ends, or the next attempt waits for its delay."""
        live = self.book.runs.get(message.run_id)
        if live is None or live not in self.running or live.run.attempt != message.attempt:
            return
        done = message.completion
        verdict = policy.classify(done, live.cancelled_for)
        live.tail = done.tail
        self.running.discard(live)
        live.run = lifecycle.close_attempt(live.run, verdict, done)
        if (
            verdict.status is Status.TECHNICAL_FAILURE
            and live.cancelled_for is None
            and live.run.attempt < live.run.max_attempts
        ):
            self.retry_later(live, verdict, now)
            self.vacated(live.state, now)
        else:
            self.end(live, verdict.status, now, verdict.reason, verdict.detail)

    def retry_later(self, live: LiveRun, verdict: Verdict, now: Instant) -> None:
        delay_s = policy.retry_delay(live.state.task.task_retry, live.run.attempt, self.draw())
        live.run = lifecycle.advance(
            live.run, Status.RETRYING, now, verdict.reason, verdict.detail, retry_time=now + delay_s
        )
        self.book.save(live)
        self.set_retry_timer(live, delay_s)

    def set_retry_timer(self, live: LiveRun, delay_s: float) -> None:
        def again(now: Instant) -> None:
            live.timer = None
            if not self.stopping:
                self.begin(live, now)

        self.set_timer(live, delay_s, again)

    # ------------------------------------------------------------------------------------------------------ the end

    def cancel(
        self, live: LiveRun, reason: Reason, now: Instant, detail: str = "", grace_s: Optional[float] = None
    ) -> None:
        """End a run: a process is told to go and its run ends when it is gone, anything else ends at once."""
        if live.run.status is not Status.RUNNING:
            self.end(live, Status.CANCELLED, now, reason, detail)
            return
        live.cancelled_for = live.cancelled_for or reason
        if live not in self.launches:
            self.executor.cancel(live.run.run_id, grace_s)

    def drop(self, live: Optional[LiveRun]) -> None:
        """Forget a run that never reached the disk."""
        if live is None:
            return
        self.cancel_timer(live)
        self.running.discard(live)
        self.launches = [other for other in self.launches if other is not live]
        if live in live.state.live:
            live.state.live.remove(live)

    def drop_launches(self, now: Instant) -> None:
        """Runs whose process was not started yet, because their row could not be written, are not started any more."""
        launches, self.launches = self.launches, []
        for live in launches:
            live.run = lifecycle.change_attempt(
                live.run, status=Status.CANCELLED, reason=Reason.SHUTDOWN.value, detail="not started", end_time=now
            )
            self.end(live, Status.CANCELLED, now, Reason.SHUTDOWN, "not started")

    def end(self, live: LiveRun, status: Status, now: Instant, reason: Optional[Reason], detail: str) -> None:
        self.cancel_timer(live)
        live.run = lifecycle.advance(live.run, status, now, reason, detail)
        live.run = live.run._replace(retry_time=None)
        live.state.live.remove(live)
        self.running.discard(live)
        self.book.save(live)
        self.ended(live.run, now)
        self.vacated(live.state, now)

    # ------------------------------------------------------------------------------------------------------- timers

    def set_timer(self, live: LiveRun, delay_s: float, action: Callable[[Instant], None]) -> None:
        """One timer a run; its action gets the wall time of then."""
        self.cancel_timer(live)
        live.timer = self.timers.after(delay_s, lambda _: action(self.wall()))

    def cancel_timer(self, live: LiveRun) -> None:
        if live.timer is not None:
            self.timers.cancel(live.timer)
            live.timer = None
