"""Which tasks there are and when each is due: timers, due times passed, clock jumps, and a new config as a diff."""

from __future__ import annotations

import sched
import sys
from typing import TYPE_CHECKING, Any, Optional

from minisched import policy
from minisched.engine.book import TaskState
from minisched.model import Reason, Status, StoreError, TaskRecord, Trigger
from minisched.timetable import count_fires, jitter_offset, latest_fires, load_zone, next_of, parse_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from minisched.engine.arrivals import Arrivals
    from minisched.engine.book import Book
    from minisched.engine.desk import Desk
    from minisched.model import Clock, Config, Instant, Ledger, Task
    from minisched.timetable import Schedule

REBOOT = "@reboot"
CLOCK_SANE_SINCE = 1_735_689_600  # 2025-01-01Z; an earlier time is that of a board that has not learnt it yet
_NO_KEYWORDS: dict[str, Any] = {}  # one for all timers; `sched` would make one for each


def no_delay(seconds: float) -> None:
    """For `sched`: after each event it would give up the processor, for some 0.2 ms on a busy machine."""


class Calendar:
    """Owns the timers of due times and, with them, the `settled` instant of every task."""

    def __init__(self, book: Book, desk: Desk, arrivals: Arrivals, clock: Clock, ledger: Ledger, boot_id: str) -> None:
        self.book = book
        self.desk = desk
        self.arrivals = arrivals
        self.clock = clock
        self.ledger = ledger
        self.boot_id = boot_id
        self.timers = sched.scheduler(clock.wall, no_delay)
        self.open = True  # False: due times wait, because nothing can be written or the engine stops
        self.failed: Optional[StoreError] = None  # why due times could not be settled, for the engine to answer
        self._departed: dict[str, TaskState] = {}  # removed, but their processes live: should one come back, it knows
        self._fire = self.fire  # bound once, not once for each timer
        self._overdue: dict[str, None] = {}  # tasks whose due times wait for `open`

    # ------------------------------------------------------------------------------------------------------- config

    def apply(self, config: Config, records: Mapping[str, TaskRecord], now: Instant) -> list[TaskState]:
        """Take over a config as a diff: unchanged tasks keep their state, removed ones end as their process ends.

        records: what the ledger knows, for tasks that are new to this engine. Returns the tasks that are new or
        changed; `begin` is for them.
        """
        old, self.book.tasks = self.book.tasks, {}
        self.desk.max_running = config.settings.max_running
        self.arrivals.dependents = dependents_of(config.tasks)
        zones: dict[str, tzinfo] = {}
        parsed: dict[tuple[str, ...], tuple[Schedule, ...]] = {}  # tasks of the same texts share what they mean
        changed = []
        departed = set(self._departed)
        for index, task in enumerate(config.tasks.values()):
            state = old.pop(task.task_id, None) or self._departed.pop(task.task_id, None)
            if state is None:
                state = TaskState(task, records.get(task.task_id) or TaskRecord(task.task_id))
                changed.append(state)
            elif state.task != task or state.task.task_id in departed:
                self.disarm(state)
                changed.append(state)
            state.task, state.index = task, index
            self.book.tasks[task.task_id] = state
        for state in changed:
            task = state.task
            if task.task_timezone not in zones:
                zones[task.task_timezone] = load_zone(task.task_timezone)
            state.zone = zones[task.task_timezone]
            if task.task_schedule not in parsed:
                timed = [text for text in task.task_schedule if text.strip().lower() != REBOOT]
                parsed[task.task_schedule] = tuple(parse_schedule(text) for text in timed)
            state.schedules = parsed[task.task_schedule]
        gone = {**records, **{task_id: state.record for task_id, state in old.items()}}
        for record in gone.values():
            if record.task_id not in self.book.tasks and record.schedule_key:
                self.book.save_record(record._replace(schedule_key=""))  # should it come back, it counts from then
        for state in old.values():
            self.disarm(state)
            self.drop_unstarted(state, now, "the task was removed from the config")
            state.record = state.record._replace(schedule_key="")
            for live in state.live:
                live.run = live.run._replace(max_attempts=live.run.attempt)  # it ends with its process
            self._departed[state.task.task_id] = state
        self._departed = {task_id: state for task_id, state in self._departed.items() if state.live}
        stale = [(one, other) for one, other in self.book.tokens if not self.depends(one, other)]
        if stale:
            self.book.take_tokens(stale)
        return changed

    def begin(self, states: Sequence[TaskState], now: Instant, starting: bool) -> None:
        """Put new or changed tasks to work: each goes on from the due time settled last, or from now where its
        schedule is new or changed, or where the clock was set back behind it.

        starting: the engine has just begun, so due times that passed were downtime, and `@reboot` may be due.
        """
        for state in states:
            task, record = state.task, state.record
            key = "\n".join((task.task_timezone, *task.task_schedule)) if task.enabled and task.task_schedule else ""
            key = sys.intern(key)  # many tasks have the same one
            reboot = task.enabled and any(text.strip().lower() == REBOOT for text in task.task_schedule)
            reboot_due = starting and reboot and record.boot_id != self.boot_id
            if key != record.schedule_key:
                record = record._replace(schedule_key=key, settled=now)
            if reboot:
                record = record._replace(boot_id=self.boot_id)
            if record != state.record:
                self.book.save_record(record)
            if record.settled > now:
                self.mark(state, now, now)
            if not task.enabled:
                self.drop_unstarted(state, now, "the task was disabled")
                continue
            if reboot_due:
                self.arrivals.arrive(state, Trigger.REBOOT, None, now)
            self.arm(state)
            if state.next_due is not None and state.next_due <= now:
                self.settle(state, now, downtime=starting)
                self.arm(state)
            for live in state.live:
                if live.run.status is Status.WAITING:
                    self.arrivals.wait_for_tokens(live, now)  # its timeout may be another one now
            if task.task_dependencies or state.first(Status.WAITING):
                self.arrivals.join(state, now)
            if state.live:
                self.desk.vacated(state, now)  # it may run more often at once now

    def depends(self, task_id: str, other: str) -> bool:
        state = self.book.tasks.get(task_id)
        return state is not None and state.task.enabled and other in state.task.task_dependencies

    def drop_unstarted(self, state: TaskState, now: Instant, why: str) -> None:
        """Runs without a process that nobody asked for by hand do not outlive their task."""
        for live in list(state.live):
            if live.run.status is not Status.RUNNING and live.run.trigger is not Trigger.MANUAL:
                self.desk.cancel(live, Reason.USER, now, why)

    # ------------------------------------------------------------------------------------------------------- timers

    def arm(self, state: TaskState, after: Optional[Instant] = None) -> None:
        """Set the timer of the first due time that is not settled, or of the first after `after`."""
        self.disarm(state)
        if not state.task.enabled or not state.schedules:
            return
        state.next_due = next_of(state.schedules, state.record.settled if after is None else after, state.zone)
        if state.next_due is not None:
            # In 3.9 the order of equal (time, priority) is left to chance: the priority is the config's order.
            state.event = self.timers.enterabs(
                self.start_time(state, state.next_due), state.index, self._fire, (state,), _NO_KEYWORDS
            )

    def disarm(self, state: TaskState) -> None:
        if state.event is not None:
            self.timers.cancel(state.event)
        state.event = state.next_due = None

    def start_time(self, state: TaskState, due: int) -> float:
        task = state.task
        return due + jitter_offset(task.task_id, due, task.task_jitter) if task.task_jitter else due

    def fire(self, state: TaskState) -> None:
        """A timer: arm the next one first (`sched` drops an event whose action raises), then settle."""
        state.event = None
        due = state.next_due
        now = self.clock.wall()
        if due is None:
            return
        if self.learnt_the_time(state, now):
            self.settle(state, now, downtime=False)
            self.arm(state)
            return
        self.arm(state, due)
        alone = state.next_due is None or state.next_due > now
        if self.open and alone and state.task.task_id not in self._overdue:
            self.settle_gap(state, policy.Gap([due], 1, due), now, downtime=False)
            return
        self.settle(state, now, downtime=False)
        if self.open:
            self.arm(state)

    def catch_up(self, now: Instant) -> None:
        """Settle what could not be while the calendar was closed."""
        overdue, self._overdue = self._overdue, {}
        for task_id in overdue:
            if task_id in self.book.tasks:
                self.settle(self.book.tasks[task_id], now, downtime=False)
                self.arm(self.book.tasks[task_id])

    # ---------------------------------------------------------------------------------------------------- due times

    def settle(self, state: TaskState, now: Instant, downtime: bool) -> None:
        """Give every due time after `settled` up to now its row."""
        if not state.schedules or not state.task.enabled:
            return
        if not self.open:
            self._overdue[state.task.task_id] = None
            return
        self.learnt_the_time(state, now)
        settled = state.record.settled
        first = next_of(state.schedules, settled, state.zone)
        if first is None or first > now:
            return
        second = next_of(state.schedules, first, state.zone)
        if second is None or second > now:
            newest, total = [first], 1  # nearly always; to count takes five times as long
        else:
            total = count_fires(state.schedules, settled, now, state.zone)
            newest = latest_fires(state.schedules, settled, now, state.zone, policy.CATCHUP_MAX + 1)
        while newest and self.start_time(state, newest[-1]) > now:
            newest.pop()
            total -= 1
        if newest:
            self.settle_gap(state, policy.Gap(newest, total, first), now, downtime)

    def settle_gap(self, state: TaskState, gap: policy.Gap, now: Instant, downtime: bool) -> None:
        task = state.task
        newest, total = gap.newest, gap.total
        try:
            known = self.ledger.due_times(task.task_id, gap.first, newest[-1])
        except StoreError as error:
            self._overdue[task.task_id] = None  # `settled` stands still, so the next try sees the same due times
            self.failed = error
            return
        self.mark(state, newest[-1], now)
        if known:
            # The clock was set back over due times that have their row: none of them runs again.
            newest = [due for due in newest if due not in known]
            total -= len(known)
            if not newest:
                return
            first = newest[0] if gap.first in known else gap.first
            gap = policy.Gap(newest, max(total, len(newest)), first)
        plan = policy.catch_up(gap, task.task_misfire, task.task_misfire_grace, now - task.task_jitter, downtime)
        rows = [self.arrivals.missed(state, span, now) for span in plan.missed]
        for item in plan.runs:
            self.arrivals.due(state, item, now)
        if rows and not plan.runs:
            self.arrivals.follow_up(rows[-1], now)  # once for the gap, not once for each due time in it

    # ------------------------------------------------------------------------------------------------------- clocks

    def mark(self, state: TaskState, settled: Instant, now: Instant) -> None:
        """Count from `settled` on. A clock that shows long ago is wrong: what it settles is not written, so that the
        due times from the real last one on are found once the time is known."""
        record = state.record._replace(settled=settled)
        if now >= CLOCK_SANE_SINCE:
            self.book.save_record(record)
        else:
            state.known_until = max(state.known_until, state.record.settled)
            state.record = record

    def learnt_the_time(self, state: TaskState, now: Instant) -> bool:
        """The clock came from long ago to the present: count from what was settled before, or from now."""
        if not state.record.settled < CLOCK_SANE_SINCE <= now:
            return False
        settled = state.known_until if state.known_until >= CLOCK_SANE_SINCE else now
        self.book.save_record(state.record._replace(settled=settled))
        return True

    def set_back(self, now: Instant) -> None:
        """The wall clock was set back: what stands in the future is counted anew from now. Due times that have their
        row already are found again in the ledger and do not run twice."""
        for state in self.book.tasks.values():
            if state.record.settled > now:
                self.mark(state, now, now)
            if state.event is not None:
                self.arm(state)


def dependents_of(tasks: Mapping[str, Task]) -> dict[str, list[Task]]:
    """For each task the tasks that depend on it, in the config's order."""
    result: dict[str, list[Task]] = {}
    for task in tasks.values():
        for name in task.task_dependencies:
            result.setdefault(name, []).append(task)
    return result
