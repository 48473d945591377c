"""Which tasks there are and when each is due next: timers, clock jumps, and a new config as a diff."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Optional

from minisched import policy
from minisched.engine.book import TaskState
from minisched.engine.due_times import DueTimes
from minisched.engine.timers import Timers
from minisched.model import Reason, Status, TaskRecord, Trigger
from minisched.timetable import load_zone, next_of, parse_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from minisched.engine.arrivals import Arrivals
    from minisched.engine.book import Book
    from minisched.engine.desk import Desk
    from minisched.model import Clock, Config, Instant, Ledger, Task
    from minisched.timetable import Schedule

REBOOT = "@reboot"


class Calendar:
    """Owns the timers of due times."""

    def __init__(self, book: Book, desk: Desk, arrivals: Arrivals, clock: Clock, ledger: Ledger, boot_id: str) -> None:
        self.book = book
        self.desk = desk
        self.arrivals = arrivals
        self.clock = clock
        self.boot_id = boot_id
        self.timers = Timers(clock.wall)
        self.due_times = DueTimes(book, arrivals, ledger)
        self._departed: dict[str, TaskState] = {}  # removed, but their processes live: should one come back, it knows
        self._fire = self.fire  # bound once, not once for each timer

    # ------------------------------------------------------------------------------------------------------- config

    def apply(self, config: Config, records: Mapping[str, TaskRecord], now: Instant) -> list[TaskState]:
        """Take over a config as a diff: unchanged tasks keep their state, removed ones end as their process ends.

        records: what the ledger knows, for tasks that are new to this engine. Returns the tasks that are new or
        changed; `begin` is for them.
        """
        for before in self.book.tasks.values():
            after = config.tasks.get(before.task.task_id)
            if after is None or schedule_key(after) != before.record.schedule_key:
                self.due_times.close(before, now)
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
            state.task = task
            self.book.tasks[task.task_id] = state
            if state.index != index:
                state.index = index
                if state.event is not None and state.next_due is not None:
                    self.set_timer(state, state.next_due)  # of two due at once, the first one first
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
            key = schedule_key(task)
            reboot = task.enabled and any(text.strip().lower() == REBOOT for text in task.task_schedule)
            # Where the system does not tell which boot it is (macOS), each start of the engine counts as one.
            reboot_due = starting and reboot and (not self.boot_id or record.boot_id != self.boot_id)
            if key != record.schedule_key:
                record = record._replace(schedule_key=key, settled=now)
            if reboot:
                record = record._replace(boot_id=self.boot_id)
            if record != state.record:
                self.book.save_record(record)
            if record.settled > now:
                self.due_times.turn_back([state], now)
            if not task.enabled:
                self.drop_unstarted(state, now, "the task was disabled")
                continue
            if reboot_due:
                self.arrivals.arrive(state, Trigger.REBOOT, None, now)
            self.arm(state)
            if state.next_due is not None and state.next_due <= now:
                self.due_times.settle(state, now, downtime=starting)
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
        due = next_of(state.schedules, state.record.settled if after is None else after, state.zone)
        if due is not None:
            self.set_timer(state, due)

    def set_timer(self, state: TaskState, due: int) -> None:
        self.disarm(state)
        state.next_due = due
        state.event = self.timers.at(self.due_times.start_time(state, due), self._fire, state, state.index)

    def disarm(self, state: TaskState) -> None:
        if state.event is not None:
            self.timers.cancel(state.event)
        state.event = state.next_due = None

    def fire(self, state: TaskState) -> None:
        """A timer: set the next one first (one whose action raises is gone), then settle."""
        state.event = None
        due = state.next_due
        now = self.clock.wall()
        if due is None:
            return
        if self.due_times.start_time(state, due) > now:
            self.set_timer(state, due)  # the clock was set back just now
            return
        if self.due_times.learnt_the_time(state, now):
            self.due_times.settle(state, now, downtime=False)
            self.arm(state)
            return
        self.arm(state, due)
        alone = state.next_due is None or state.next_due > now
        if self.due_times.open and alone and state.task.task_id not in self.due_times.overdue:
            self.due_times.settle_gap(state, policy.MissedWindow([due], 1, due), now, downtime=False)
            return
        self.due_times.settle(state, now, downtime=False)
        if self.due_times.open:
            self.arm(state)

    def catch_up(self, now: Instant) -> None:
        """Settle what could not be while the calendar was closed."""
        overdue, self.due_times.overdue = self.due_times.overdue, {}
        for task_id in overdue:
            if task_id in self.book.tasks:
                self.due_times.settle(self.book.tasks[task_id], now, downtime=False)
                self.arm(self.book.tasks[task_id])

    # ------------------------------------------------------------------------------------------------------- clocks

    def set_back(self, now: Instant) -> None:
        """The wall clock was set back: what stands in the future is counted anew."""
        self.due_times.turn_back([state for state in self.book.tasks.values() if state.record.settled > now], now)
        for state in self.book.tasks.values():
            if state.event is not None:
                self.arm(state)


def schedule_key(task: Task) -> str:
    """What the due times of a task follow from; "" where it is never due."""
    if not task.enabled or not task.task_schedule:
        return ""
    return sys.intern("\n".join((task.task_timezone, *task.task_schedule)))  # many tasks have the same one


def dependents_of(tasks: Mapping[str, Task]) -> dict[str, list[Task]]:
    """For each task the tasks that depend on it, in the config's order."""
    result: dict[str, list[Task]] = {}
    for task in tasks.values():
        for name in task.task_dependencies:
            result.setdefault(name, []).append(task)
    return result
