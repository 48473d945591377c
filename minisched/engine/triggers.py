"""When each task is due next, and a row for every due time that has passed: a run, or a record of why there is none."""

from __future__ import annotations

from functools import lru_cache

from minisched import policy
from minisched.clock import SANE_SINCE
from minisched.config.secrets import calendar_member
from minisched.engine.state import NEW, KnownRecord, TaskState, shared
from minisched.engine.timers import Timers
from minisched.model import (
    DAY_S,
    Action,
    ConfigChange,
    Dependency,
    On,
    Origin,
    Reason,
    Status,
    StoreError,
    Task,
    Text,
    Trigger,
)
from minisched.namedtuple import NamedTuple
from minisched.timetable import (
    count_fires,
    fires_between,
    is_hashed,
    jitter_offset,
    latest_fires,
    load_zone,
    next_of,
    schedules_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import tzinfo
    from typing import Any, Optional

    from minisched.engine.dispatcher import Dispatcher
    from minisched.engine.persistence import Persistence
    from minisched.engine.state import Outside, State
    from minisched.model import Config, Instant
    from minisched.timetable import Schedule

REBOOT = "@reboot"
CALENDAR_KEY = "@calendar"  # begins the line of the calendar in a `schedule_hash`; no schedule begins like this
FAR_FUTURE = 1 << 40
ROUNDING_S = 1e-6  # of instants since 1970 in floating point, which have 2.4e-7 s between two
LEAD_KNOWN_S = 1.5  # how long before a due time its lead is computed: longer than any nap while one is near
LEAD_A_TASK_S = 0.0001  # to decide and write one more task
LEAD_TASKS_MAX = 2500
TIMERS_AHEAD_S = 3600.0  # tasks that are due later have no timer yet: it would take a quarter of their memory
TIMERS_EARLY_S = 60.0  # how long before the end of that time the next timers are set: longer than any lead
UNCHANGED_AT_ONCE = 200  # tasks that are compared with a new config in one step of `replace`

_next_of = lru_cache(maxsize=256)(next_of)  # many tasks have the same schedule: one number for all of them


class ConfigDiff(NamedTuple):
    """The ids of the tasks that a new config has added, changed and removed."""

    added: list[str]
    changed: list[str]
    removed: list[str]


class Triggers:
    """Owns the timers of due times and the `evaluated_until` of every task: up to it every due time has its row."""

    def __init__(
        self, state: State, dispatcher: Dispatcher, persistence: Persistence, outside: Outside, start_early: bool
    ) -> None:
        self.state, self.dispatcher, self.persistence = state, dispatcher, persistence
        self.clock, self.ledger, self.boot_id = outside.clock, outside.ledger, outside.system.owner.boot_id
        self.log = outside.log
        self.expectations = dispatcher.expectations
        self._last_stopped: Optional[Instant] = None  # when the last engine stopped; read when it matters
        self.lead_s = 0.0  # how long before a due time its timer fires
        self._start_early = start_early
        self._lead_for = 0.0  # the due time that `lead_s` was computed for
        self._restart()
        self._overdue: dict[str, None] = {}  # tasks whose due times wait until they are accepted
        self._ahead: dict[str, TaskState] = {}  # tasks to be turned back once the database can be written
        self._removed: dict[str, TaskState] = {}  # removed from the config, but with a process that is still running
        self.paused = False  # by `settings.paused`
        self._paused: set[str] = set()  # tasks whose due times are not evaluated; after a pause, until it is their turn
        self._fire = self.fire  # bound once, not once for each timer

    # --------------------------------------------------------------------------------------------------------- config

    def load(
        self,
        config: Config,
        records: Mapping[str, KnownRecord],
        changes: Optional[Mapping[str, ConfigChange]],
        now: Instant,
    ) -> None:
        """Take over the config of an engine that starts. `begin` must follow.

        records: all that the database knows. changes: the latest of each task, None if none was ever recorded.
        """
        self.state.use(config)
        schedules = _Schedules()
        for index, task in enumerate(config.tasks.values()):
            record = records.get(task.task_id)
            task_state = TaskState(task, record or NEW)
            task_state.configure(task, index, *schedules.of(task))
            self.state.add_task(task_state)
            if record is None:
                self.state.save_record(task.task_id, NEW)  # so that the next start knows the task
        self.paused = changes is not None and "" in changes and changes[""].action is Action.PAUSED
        self._paused = set(self.state.tasks) if self.paused else set()
        if changes is not None and "" in changes and changes[""].action is Action.RESUMED:
            self._write_rest_of_pause(changes[""].time, now)
        if changes is not None:
            for change in _changes_while_stopped(config.tasks, records, changes, now):
                self.state.save_change(change)
        for task_id, record in records.items():
            if task_id not in self.state.tasks and record.schedule_hash:  # if it comes back, it counts from then
                self.state.save_record(task_id, record._replace(schedule_hash=""))
        self._drop_stale_tokens()

    def begin(self, now: Instant) -> None:
        """Put all tasks to work, after a start."""
        tasks = self.state.tasks.values()
        self._turn_back(tasks, now)  # all in one transaction
        origin, paused = Origin("stopped"), self.state.config.settings.paused
        if paused and not self.paused:
            for task_state in tasks:
                self.close(task_state, now, Reason.DOWNTIME)
            self._pause(origin, now)
        elif self.paused and not paused:
            for _ in self._resume(origin):
                pass
        for task_state in tasks:
            self._begin(task_state, now, starting=True)
        self.expectations.drop_unknown()

    def replace(self, config: Config, diff: ConfigDiff, origin: Origin) -> Iterator[None]:
        """Put the tasks of another config in force, one at each step: between two steps, due times are served.
        Each task is either as before or as the new config has it. Tasks that have not changed keep their state.

        diff: filled on the way. origin: of the config.
        """
        state = self.state
        if config.settings.paused and not self.paused:
            self.run_timers()  # what is due by now is due before the pause
            self._pause(origin, self.clock.wall())
        elif not config.settings.paused and (self.paused or self._paused):
            yield from self._resume(origin)
        for task_state in [one for one in state.tasks.values() if one.task.task_id not in config.tasks]:
            diff.removed.append(task_state.task.task_id)
            state.save_change(removed(task_state.task, origin, self.clock.wall()))
            self._remove(task_state, self.clock.wall())
            yield
        schedules = _Schedules()
        for index, task in enumerate(config.tasks.values()):
            now, known = self.clock.wall(), state.tasks.get(task.task_id)
            if known is not None and known.task == task:
                if known.index != index:  # of two tasks due at the same time, the first one starts first
                    known.configure(task, index, known.schedules, known.zone)
                    self._set_timer(known, known.next_due)
                if index % UNCHANGED_AT_ONCE == 0:
                    yield
                continue
            if known is None:
                diff.added.append(task.task_id)
                state.save_change(ConfigChange(now, task.task_id, Action.ADDED, origin))
                if task.task_id not in self._removed:
                    self._removed[task.task_id] = TaskState(task, None)
                task_state = self._removed.pop(task.task_id)
                state.add_task(task_state)
            else:
                diff.changed.append(task.task_id)
                state.save_change(changed(known.task, task, origin, now))
                task_state = known
                state.changed.add(task.task_id)
                self._change_schedule(task_state, task, schedules, now)
                task_state.set_due(None)
            task_state.configure(task, index, *schedules.of(task))
            self._begin(task_state, now, starting=False)
            yield
        state.order_tasks()
        self._removed = {task_id: one for task_id, one in self._removed.items() if one.active}
        for task_id in self._drop_stale_tokens():
            self.dispatcher.token_arrived(state.tasks[task_id], self.clock.wall())
        yield
        for timers in (self.timers, self._exact):
            timers.purge(lambda timer: timer.argument[0].event is timer)
        self.expectations.purge()

    def _change_schedule(self, task_state: TaskState, task: Task, schedules: _Schedules, now: Instant) -> None:
        """The schedule may be another one from now on. If only its calendar says other things about later days, such as
        those of the next year, the task goes on where it is."""
        key, record = schedule_hash(task), task_state.record
        if key == record.schedule_hash:
            return
        if only_days_differ(key, record.schedule_hash):
            since, limit = record.evaluated_until, policy.CATCHUP_MAX
            before, after = (
                fires_between(found, since, now, task_state.zone, limit)
                for found in (task_state.schedules, schedules.of(task)[0])
            )
            if before == after and len(before) < limit:
                self.state.save_record(task.task_id, record._replace(schedule_hash=key))
                return
        self.close(task_state, now)

    def _pause(self, origin: Origin, now: Instant) -> None:
        """No task is due from now on: `evaluated_until` stays, until `_resume` writes what passed meanwhile."""
        self.state.save_change(ConfigChange(now, "", Action.PAUSED, origin))
        self.expectations.pause(now)
        self.paused, self._paused = True, set(self.state.tasks)
        for task_state in self.state.tasks.values():
            task_state.set_due(None)
        self.state.changed.update(self.state.tasks)

    def _resume(self, origin: Origin) -> Iterator[None]:
        """Tasks are due again, one more after each step. What was due in the pause is not caught up: one row says so.
        A task that its dependencies start begins if they have succeeded meanwhile."""
        if self.paused:
            self.state.save_change(ConfigChange(self.clock.wall(), "", Action.RESUMED, origin))
            self.expectations.resume(self.clock.wall())
        self.paused = False
        for task_state in [one for one in self.state.tasks.values() if one.task.task_id in self._paused]:
            now, task = self.clock.wall(), task_state.task
            window = self._unwritten(task_state, now, started=True)
            self._paused.discard(task.task_id)
            self._overdue.pop(task.task_id, None)
            if window is not None:
                self.dispatcher.missed(task_state, _whole(window, Reason.PAUSED), now)
            if task.enabled and task_state.record.schedule_hash == schedule_hash(task):  # else `_begin` follows
                self._set_timer(task_state, self._next_due(task_state))
                if task.task_dependencies:
                    self.dispatcher.token_arrived(task_state, now)
            self.state.changed.add(task.task_id)
            yield

    def _write_rest_of_pause(self, resumed: Instant, now: Instant) -> None:
        """After a start: the last engine may have ended while it resumed its tasks one by one. What was due in the
        pause and has no row is not caught up. A task that was resumed has no such due time."""
        if not SANE_SINCE <= resumed <= now:
            return
        for task_state in self.state.tasks.values():
            if SANE_SINCE <= task_state.record.evaluated_until < resumed:
                window = self._unwritten(task_state, resumed, started=True)
                if window is not None:
                    self.dispatcher.missed(task_state, _whole(window, Reason.PAUSED), now)

    def _remove(self, task_state: TaskState, now: Instant) -> None:
        """A task that comes back counts from then."""
        self.close(task_state, now)
        self._paused.discard(task_state.task.task_id)
        task_state.set_due(None)
        if task_state.record.schedule_hash:
            self.state.save_record(task_state.task.task_id, task_state.record._replace(schedule_hash=""))
        self.state.remove_task(task_state.task.task_id)
        self.dispatcher.cancel_unstarted(task_state, now, Text("task_removed"))
        for active in task_state.active:
            active.allow_no_retry()
        self._removed[task_state.task.task_id] = task_state
        self.expectations.remove(task_state)

    def _begin(self, task_state: TaskState, now: Instant, starting: bool) -> None:
        """Put a task to work. It continues at its `evaluated_until`, or now if its schedule is new or changed, or if
        the clock was set back behind it.

        starting: the engine has just started, so due times that passed were downtime, and `@reboot` may be due. The
        task has been turned back with all others.
        """
        if not starting:
            self._turn_back([task_state], now)
        task, record = task_state.task, task_state.record
        if self.paused:
            self._paused.add(task.task_id)
        key = schedule_hash(task)
        reboot = task.enabled and any(text.strip().lower() == REBOOT for text in task.task_schedule)
        # Where the system has no boot id (macOS), each start of the engine counts as one.
        reboot_due = starting and reboot and (not self.boot_id or record.boot_id != self.boot_id)
        goes_on = starting and only_days_differ(key, record.schedule_hash)
        new_schedule = key != record.schedule_hash and not goes_on
        until = record.evaluated_until
        if new_schedule:
            until = now
        elif key != record.schedule_hash:
            until = self._until_stopped(task, until)
        boot_id = self.boot_id if reboot else record.boot_id
        if (key, until, boot_id) != record[:3]:
            self.state.save_record(task.task_id, shared(KnownRecord(key, until, boot_id, *record[3:])))
        self.expectations.begin(task_state, now, new_schedule)
        if not task.enabled:
            self.dispatcher.cancel_unstarted(task_state, now, Text("task_disabled"))
            return
        if reboot_due and self.paused:
            self.dispatcher.skip_reboot(task_state, now)
        elif reboot_due:
            self.dispatcher.open(task_state, Trigger.REBOOT, None, now)
        due = self._next_due(task_state)
        if due is not None and due <= now:
            self.evaluate(task_state, now, downtime=starting)
            due = self._next_due(task_state)
        self._set_timer(task_state, due)
        for active in task_state.active:
            if active.run.status is Status.WAITING:
                self.dispatcher.set_dependency_timeout(active, now)  # the timeout may have changed
        if task.task_dependencies or task_state.first(Status.WAITING):
            self.dispatcher.token_arrived(task_state, now)
        if task_state.active:
            self.dispatcher.task_changed(task_state, now)

    def _until_stopped(self, task: Task, evaluated_until: Instant) -> Instant:
        """Where a task goes on after a start with a changed calendar. The new one judges the days of the downtime. What
        the last engine did not evaluate while it ran, except for delayed starts, was not due."""
        if self._last_stopped is None:
            self._last_stopped = self.ledger.last_seen()
        return max(evaluated_until, self._last_stopped - task.task_jitter)

    def _drop_stale_tokens(self) -> list[str]:
        """Drop the tokens that no dependency of the config is about. Where it is now about any end, in place of a
        success or a failure, the token is kept as one of that. Returns the tasks with such a token."""
        kept: dict[str, None] = {}
        names = {task_id for task_id, _ in self.state.tokens}
        tasks = [task for name in sorted(names) for task in self._enabled(name)]
        wanted = {token for task in tasks for token in policy.tokens_of(task)}
        stale = sorted(self.state.tokens - wanted)
        if stale:
            self.state.take_tokens(stale)
        for task_id, token in stale:
            of_any_end = task_id, Dependency(token.partition(":")[0], On.END).token
            if of_any_end in wanted:
                self.state.put_token(of_any_end)
                kept[task_id] = None
        return list(kept)

    def _enabled(self, task_id: str) -> list[Task]:
        task_state = self.state.tasks.get(task_id)
        return [task_state.task] if task_state is not None and task_state.task.enabled else []

    # --------------------------------------------------------------------------------------------------------- timers

    def _next_due(self, task_state: TaskState, after: Optional[Instant] = None) -> Optional[int]:
        """The first due time after `after`, by default after `evaluated_until`."""
        if not task_state.task.enabled or not task_state.schedules or task_state.task.task_id in self._paused:
            return None
        since = task_state.record.evaluated_until if after is None else after
        due = _next_of(task_state.schedules, since, task_state.zone)
        while task_state.ahead and due is not None and due in task_state.ahead:
            due = next_of(task_state.schedules, due, task_state.zone)
        return due

    def _set_timer(self, task_state: TaskState, due: Optional[int]) -> None:
        """A timer that it had before is ignored when it fires."""
        event = None
        if due is not None:
            start = self.start_time(task_state, due)
            if start < self._timers_until:
                event = self.timers.at(start, self._fire, task_state, due, order=task_state.index)
        task_state.set_due(due, event)

    def _set_more_timers(self, now: Instant) -> None:
        """Set those of the time that comes."""
        self._timers_until = now + TIMERS_AHEAD_S
        for task_state in self.state.tasks.values():
            if task_state.event is None and task_state.next_due is not None:
                self._set_timer(task_state, task_state.next_due)

    def _restart(self) -> None:
        self.timers = Timers(lambda: self.clock.wall() + self.lead_s)
        self._exact = Timers(self.clock.wall)  # due times that are not decided before they come
        self._timers_until = self.clock.wall() + TIMERS_AHEAD_S  # due times before have a timer

    def start_time(self, task_state: TaskState, due: int) -> float:
        """The due time with the task's jitter."""
        task = task_state.task
        return due + jitter_offset(task.task_id, due, task.task_jitter) if task.task_jitter else due

    def run_timers(self) -> Optional[Instant]:
        """Evaluate the due times that have come, and decide those that will within `lead_s`. Returns when to come back,
        None if nothing is due any more."""
        now = self.clock.wall()
        if now >= self._timers_until - TIMERS_EARLY_S:
            self._set_more_timers(now)
        next_s, exact_s = self.timers.run(), self._exact.run()
        if next_s is not None and self._start_early and next_s < LEAD_KNOWN_S:
            coming = self.timers.next_time
            if coming != self._lead_for:
                # The more tasks are due at once, the earlier the first one is decided.
                tasks = self.timers.count_next(LEAD_TASKS_MAX)
                before, self.lead_s = self.lead_s, self.persistence.lead_s + tasks * LEAD_A_TASK_S
                self._lead_for = coming
                next_s += before - self.lead_s
        more_s = self._timers_until - TIMERS_EARLY_S - now if self.state.tasks else None
        delays_s = [delay_s for delay_s in (next_s, exact_s, more_s) if delay_s is not None]
        return self.clock.wall() + min(delays_s) if delays_s else None

    def fire(self, task_state: TaskState, due: int) -> None:
        """A due time has come or will in a moment, unless the clock was set back just now."""
        if due != task_state.next_due:
            return  # the task has another timer by now
        now = self.clock.wall()
        task_state.set_due(None)  # its event is gone
        start = self.start_time(task_state, due)
        if start > now:
            self._fire_early(task_state, due, start, now)
            return
        if self._clock_was_set(task_state, now):
            self.evaluate(task_state, now, downtime=False)
            self._set_timer(task_state, self._next_due(task_state))
            return
        next_due = self._next_due(task_state, due)
        alone = next_due is None or next_due > now
        # Before anything else, as an event whose action raises is gone.
        self._set_timer(task_state, next_due if alone else self._next_due(task_state, now))
        if self.state.accepting and alone and task_state.task.task_id not in self._overdue:
            self._evaluate_window(task_state, policy.MissedWindow([due], 1, due), now, downtime=False)
            return
        self.evaluate(task_state, now, downtime=False)
        next_due = self._next_due(task_state)
        if self.state.accepting and next_due != task_state.next_due:
            self._set_timer(task_state, next_due)  # `task_jitter` delays the start of one that passed

    def _fire_early(self, task_state: TaskState, due: int, start: float, now: Instant) -> None:
        """Decide a due time before it comes, as if it had come, where that is certain to start a process: its row is
        on disk in time, and the executor holds the process until the instant. Any other due time is waited for."""
        next_due = self._next_due(task_state, due)
        plain = (
            start - now <= self.lead_s + ROUNDING_S
            and self.state.accepting
            and self.persistence.trouble_since is None
            and SANE_SINCE <= task_state.record.evaluated_until < due
            and (next_due is None or next_due > start)
            and task_state.task.task_id not in self._overdue
            and self.dispatcher.can_start(task_state)
        )
        if not plain:
            event = self._exact.at(start, self._fire, task_state, due, order=task_state.index)
            task_state.set_due(due, event)
            return
        self._set_timer(task_state, next_due)
        self._evaluate_window(task_state, policy.MissedWindow([due], 1, due), start, downtime=False)
        if task_state.active:
            task_state.active[-1].hold_until(self.clock.monotonic() + start - now)

    def catch_up(self, now: Instant) -> None:
        """Due times are accepted again: evaluate those that had to wait."""
        ahead, self._ahead = self._ahead, {}
        self._turn_back([one for task_id, one in ahead.items() if self.state.tasks.get(task_id) is one], now)
        overdue, self._overdue = {**self._overdue, **dict.fromkeys(ahead)}, {}
        for task_id in overdue:
            task_state = self.state.tasks.get(task_id)
            if task_state is not None:
                self.evaluate(task_state, now, downtime=False)
                self._set_timer(task_state, self._next_due(task_state))

    def set_back(self, now: Instant) -> None:
        """The wall clock was set back: compute the due times that lie in the future again."""
        self._turn_back(self.state.tasks.values(), now)
        self._restart()
        for task_state in self.state.tasks.values():
            self._set_timer(task_state, self._next_due(task_state))
            if any(one.within is not None for one in task_state.task.task_dependencies):
                self.dispatcher.token_arrived(task_state, now)  # an end that was too old may not be any more

    # ------------------------------------------------------------------------------------------------------ due times

    def evaluate(self, task_state: TaskState, now: Instant, downtime: bool) -> None:
        """Give every due time after `evaluated_until` up to now its row."""
        if not task_state.schedules or not task_state.task.enabled or task_state.task.task_id in self._paused:
            return
        if not self.state.accepting:
            self._overdue[task_state.task.task_id] = None
            return
        self._clock_was_set(task_state, now)
        window = self._window(task_state, now, started=True)
        if window is not None:
            self._evaluate_window(task_state, window, now, downtime)

    def _evaluate_window(
        self, task_state: TaskState, window: policy.MissedWindow, now: Instant, downtime: bool
    ) -> None:
        task = task_state.task
        try:
            known = self._due_times_with_row(task_state, window, now)
        except StoreError as error:
            self._overdue[task.task_id] = None  # `evaluated_until` stays, so the next attempt sees the same due times
            self.persistence.failed(error)
            return
        self._mark(task_state, window.newest[-1], now)
        left = _without(window, known, task_state) if known else window
        if left is None:
            return
        plan = policy.catch_up(left, task.task_misfire, task.task_misfire_grace, now - task.task_jitter, downtime)
        rows = [self.dispatcher.missed(task_state, missed, now) for missed in plan.missed]
        for item in plan.runs:
            self.dispatcher.due(task_state, item, now)
        if rows and not plan.runs:
            self.dispatcher.release_dependents(rows[-1], now)  # once, not once for each missed due time

    def _due_times_with_row(self, task_state: TaskState, window: policy.MissedWindow, now: Instant) -> Collection[int]:
        """Due times of the window that have a row already, because the clock was set back over them."""
        first, last = window.first, window.newest[-1]
        if task_state.ahead is None and now < SANE_SINCE:  # the whole history may lie ahead
            return self.ledger.due_times(task_state.task.task_id, first, last)
        if task_state.ahead is None:  # the first look of this engine; from then on it knows that by itself
            task_state.set_ahead(self.ledger.due_times(task_state.task.task_id, first, FAR_FUTURE) or ())
        return {due for due in task_state.ahead or () if first <= due <= last}

    def close(self, task_state: TaskState, now: Instant, reason: Reason = Reason.LATE) -> None:
        """The schedule changes or goes. Due times of it that have no row yet, because `task_jitter` delays their start
        or nothing can be written, are missed, for this reason: nothing would evaluate them any more."""
        self._overdue.pop(task_state.task.task_id, None)
        window = self._unwritten(task_state, now, started=False)
        if window is None:
            return
        if task_state.task.task_id in self._paused:
            self.dispatcher.missed(task_state, _whole(window, Reason.PAUSED), now)
            return
        rows = [self.dispatcher.missed(task_state, one, now) for one in policy.missed_ranges(window, 0, reason)]
        self.dispatcher.release_dependents(rows[-1], now)

    def _unwritten(self, task_state: TaskState, now: Instant, started: bool) -> Optional[policy.MissedWindow]:
        """The due times up to now that have no row; they count as evaluated from here on. started: as in `_window`."""
        task = task_state.task
        if not task.enabled or not task_state.schedules or task_state.record.schedule_hash != schedule_hash(task):
            return None
        self._clock_was_set(task_state, now)
        window = self._window(task_state, now, started)
        if window is None:
            return None
        try:
            known = self.ledger.due_times(task.task_id, window.first, window.newest[-1])
        except StoreError:
            known = set()  # the commit finds out which due times have a row
        self._mark(task_state, window.newest[-1] if started else now, now)
        return _without(window, known, task_state)

    def _window(
        self, task_state: TaskState, now: Instant, started: bool, since: Optional[Instant] = None
    ) -> Optional[policy.MissedWindow]:
        """The due times after `since`, by default `evaluated_until`, up to now. started: only those whose start, with
        jitter, has come."""
        since = task_state.record.evaluated_until if since is None else since
        schedules, zone = task_state.schedules, task_state.zone
        first = next_of(schedules, since, zone)
        if first is None or first > now:
            return None
        second = next_of(schedules, first, zone)
        if second is None or second > now:
            newest, total = [first], 1  # the usual case; counting takes five times as long
        else:
            total = count_fires(schedules, since, now, zone)
            newest = latest_fires(schedules, since, now, zone, policy.CATCHUP_MAX + 1)
        while started and newest and self.start_time(task_state, newest[-1]) > now:
            newest.pop()
            total -= 1
        return policy.MissedWindow(newest, total, first) if newest else None

    # --------------------------------------------------------------------------------------------------------- clocks

    def _mark(self, task_state: TaskState, evaluated_until: Instant, now: Instant) -> None:
        """Continue at `evaluated_until`. A clock that shows long ago is wrong: what is evaluated by it is not written,
        so that the due times since the real last one are found once the time is known."""
        record = task_state.record._replace(evaluated_until=evaluated_until)
        self.state.changed.add(task_state.task.task_id)
        if now >= SANE_SINCE:
            self.state.save_record(task_state.task.task_id, record)
        else:
            task_state.keep_known()
            task_state.set_record(record)

    def _clock_was_set(self, task_state: TaskState, now: Instant) -> bool:
        """The clock came from long ago to the present: continue at what was evaluated before, or now."""
        if not task_state.record.evaluated_until < SANE_SINCE <= now:
            return False
        until = task_state.known_until if task_state.known_until >= SANE_SINCE else now
        self.state.changed.add(task_state.task.task_id)
        self.state.save_record(task_state.task.task_id, task_state.record._replace(evaluated_until=until))
        return True

    def _turn_back(self, task_states: Iterable[TaskState], now: Instant) -> None:
        """Continue now where `evaluated_until` lies in the future: the clock was set back.

        What was only written as missed or skipped for a due time that is still to come is taken back, and so is a run
        that waits for its first process: the due time arrives when its time comes. One that has run does not run again,
        and up to the latest due time whose row retention has deleted, nothing is evaluated. If that lies more than a
        day ahead, the clock was wrong before.
        """
        turned = [task_state for task_state in task_states if task_state.record.evaluated_until > now]
        if not turned:
            return
        sane = now >= SANE_SINCE  # else the clock is wrong now, and the whole history lies ahead
        try:
            if sane:
                self._take_back(turned, now)
            records = self.ledger.records()
            for task_state in turned:
                task_id = task_state.task.task_id
                task_state.set_ahead(self.ledger.due_times(task_id, int(now), FAR_FUTURE) if sane else None)
                purged_until = records[task_id].purged_until if task_id in records else 0
                self._mark(task_state, max(now, purged_until) if purged_until <= now + DAY_S else now, now)
        except StoreError as error:  # until then nothing is evaluated
            self._ahead.update((task_state.task.task_id, task_state) for task_state in turned)
            self.persistence.failed(error)

    def _take_back(self, task_states: Collection[TaskState], now: Instant) -> None:
        """Remove what says only that due times after `now` were not started. Raises StoreError."""
        count = 0
        for task_state in task_states:
            count += self.dispatcher.take_back(task_state, now)
        with self.ledger.transaction(True) as tx:
            for task_state in task_states:
                task_id = task_state.task.task_id
                span = tx.missed_span(task_id, now)
                kept = None
                if span is not None:
                    window = self._window(task_state, now, started=False, since=span.first - 1)
                    known = self.ledger.due_times(task_id, span.first, int(now))
                    window = window and _without(window, known, task_state)
                    kept = window and policy.MissedRange(window.first, window.newest[-1], window.total, span.reason)
                count += tx.take_back(task_id, now, span, kept)
        for task_state in task_states:
            task_state.forget_results()
        if count:
            self.log.warning(Text("log.taken_back", count=count))


def schedule_hash(task: Task) -> str:
    """Identifies what the due times of a task follow from; "" if it is never due."""
    if not task.enabled or not task.task_schedule:
        return ""
    return shared("\n".join((task.task_timezone, *task.task_schedule, *_calendar_key(task))))


def _calendar_key(task: Task) -> list[str]:
    """The calendar in a `schedule_hash`: what it says about the days, not its words."""
    rule = task.task_calendar
    return [f"{CALENDAR_KEY} {rule.days} {rule.calendar.digest}"] if rule and rule.calendar else []


def only_days_differ(one: str, other: str) -> bool:
    """Whether two values of `schedule_hash` differ only in what the calendar says about the days."""
    (before, marked, days), (after, _, other_days) = (key.partition(f"\n{CALENDAR_KEY} ") for key in (one, other))
    return bool(marked) and before == after and days.split()[:1] == other_days.split()[:1]


def _whole(window: policy.MissedWindow, reason: Reason) -> policy.MissedRange:
    """All due times of the window as one row."""
    return policy.MissedRange(window.first, window.newest[-1], window.total, reason)


# What decides when a task is due: kept of a task that is changed or removed.
DUE_FIELDS = ("enabled", "task_schedule", "task_timezone", "task_calendar")


def _as_written(task: Task, name: str) -> Any:
    return calendar_member(task) if name == "task_calendar" else getattr(task, name)


def removed(task: Task, origin: Origin, now: Instant) -> ConfigChange:
    before = {name: _as_written(task, name) for name in DUE_FIELDS}
    return ConfigChange(now, task.task_id, Action.REMOVED, origin, before=before)


def changed(old: Task, new: Task, origin: Origin, now: Instant) -> ConfigChange:
    fields = tuple(name for name in Task._fields if getattr(old, name) != getattr(new, name))
    before = {name: _as_written(old, name) for name in DUE_FIELDS if name in fields}
    action = Action.CHANGED
    if old.enabled != new.enabled:
        action = Action.ENABLED if new.enabled else Action.DISABLED
    return ConfigChange(now, new.task_id, action, origin, fields, before)


def _changes_while_stopped(
    tasks: Mapping[str, Task], records: Mapping[str, KnownRecord], changes: Mapping[str, ConfigChange], now: Instant
) -> Iterator[ConfigChange]:
    """How the config differs from that of the last engine, as far as its records tell: tasks that are new or gone, and
    those whose due times follow from something else."""
    origin = Origin("stopped")
    for task in tasks.values():
        record, last = records.get(task.task_id), changes.get(task.task_id)
        if record is None or (last is not None and last.action is Action.REMOVED):
            yield ConfigChange(now, task.task_id, Action.ADDED, origin)
            continue
        known, key = record.schedule_hash, schedule_hash(task)
        if known == key:
            continue
        if known:
            action = Action.CHANGED if task.enabled else Action.DISABLED
            yield ConfigChange(now, task.task_id, action, origin, before=_before(known))
        else:
            was_disabled = last is not None and last.action is Action.DISABLED
            action = Action.ENABLED if was_disabled else Action.CHANGED
            before = {"enabled": False} if was_disabled else {"task_schedule": ()}
            yield ConfigChange(now, task.task_id, action, origin, before=before)
    for task_id, record in records.items():
        last = changes.get(task_id)
        gone = task_id not in tasks and (last is None or last.action is not Action.REMOVED)
        if gone and (record.schedule_hash or last is not None):
            before = _before(record.schedule_hash) if record.schedule_hash else {}
            yield ConfigChange(now, task_id, Action.REMOVED, origin, before=before)


def _before(schedule_hash: str) -> dict[str, Any]:
    """What a schedule hash was made of."""
    zone, *texts = schedule_hash.partition(f"\n{CALENDAR_KEY} ")[0].split("\n")
    return {"enabled": True, "task_schedule": texts, "task_timezone": zone}


class _Schedules:
    """Schedules and zones of tasks of one config; tasks with equal texts and the same calendar share the schedules."""

    def __init__(self) -> None:
        self._zones: dict[str, tzinfo] = {}
        self._parsed: dict[tuple[Any, ...], tuple[Schedule, ...]] = {}

    def of(self, task: Task) -> tuple[tuple[Schedule, ...], tzinfo]:
        seed = task.task_id if any(map(is_hashed, task.task_schedule)) else ""
        key: tuple[Any, ...] = task.task_schedule
        if seed or task.task_calendar:
            # Tasks with the same calendar have the same object; its value would take long to compare.
            key = (task.task_schedule, id(task.task_calendar), seed)
        zone, parsed = self._zones.get(task.task_timezone), self._parsed.get(key)
        if zone is None:
            zone = self._zones[task.task_timezone] = load_zone(task.task_timezone)
        if parsed is None:
            timed = [one for one in schedules_of(task) if one.kind != "reboot"]
            parsed = self._parsed[key] = tuple(timed)
        return parsed, zone


def _without(
    window: policy.MissedWindow, known: Collection[int], task_state: TaskState
) -> Optional[policy.MissedWindow]:
    """The window without due times that have a row: the clock was set back over them."""
    newest = [due for due in window.newest if due not in known]
    if not newest:
        return None
    first = window.first  # `newest` may begin far behind it
    while first in known:
        first = next_of(task_state.schedules, first, task_state.zone) or newest[0]
    return policy.MissedWindow(newest, max(window.total - len(known), len(newest)), first)
