"""What is expected of tasks (`task_expect`): a run that takes too long is slow, a due day without a success is late.

Costs nothing for a task without `task_expect`: no timer, no query, no row.
"""

from __future__ import annotations

from datetime import datetime, timezone

from minisched.clock import SANE_SINCE
from minisched.engine.timers import Timers
from minisched.model import DAY_S, Expectation, Notice, Status, StoreError, Text
from minisched.notify.compose import late_text, slow_text
from minisched.timetable import next_due_day

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from minisched.engine.state import ActiveRun, Outside, State, TaskState
    from minisched.engine.timers import Timer
    from minisched.model import Instant, TaskExecution
    from minisched.timetable import DueDay

LOOK_BACK_S = 400 * DAY_S  # after a longer downtime, days before that are not looked at
AHEAD_MAX_S = 2 * DAY_S  # what was looked at lies further ahead: the clock was wrong then
UNREAD_S = 10.0  # between two attempts to read the history while that fails


class Expectations:
    """Owns the timers: of slow runs on the monotonic clock, of deadlines on the wall clock."""

    def __init__(self, state: State, timers: Timers, outside: Outside) -> None:
        self.state, self.timers = state, timers
        self.clock, self.ledger, self.log = outside.clock, outside.ledger, outside.log
        self._deadlines = Timers(outside.clock.wall)
        self._days: dict[str, DueDay] = {}  # by task: the day whose deadline comes next
        self._resumed: Instant = 0.0  # the end of the latest pause
        self._met: dict[str, int] = {}  # by task: the first due time of the latest day that had its success
        self._slow: dict[ActiveRun, Timer] = {}

    # --------------------------------------------------------------------------------------------------------- config

    def begin(self, task_state: TaskState, now: Instant, new_schedule: bool = False) -> None:
        """After a start, or another config: look at what has passed, and set the timers.

        new_schedule: due times until now were not those of this schedule, or nothing was due.
        """
        task_id, expect = task_state.task.task_id, task_state.task.task_expect
        self._days.pop(task_id, None)
        if expect is None and task_id not in self.state.expectations:
            return
        finish_by_s = expect.finish_by_s if expect else None
        if finish_by_s is None or not task_state.record.schedule_hash:
            self.state.drop_expectations(task_id, "checked", "late")
        elif now >= SANE_SINCE:
            checked = self.state.expected(task_id, "checked").get("")
            if checked is None or new_schedule or checked > now + AHEAD_MAX_S or checked < SANE_SINCE:
                self.state.put_expectation(Expectation(task_id, "checked", "", now))
            self._look(task_state, finish_by_s, now)
        active_ids = {str(active.run.run_id) for active in task_state.active}
        for run_id in self.state.expected(task_id, "slow"):
            if expect is None or expect.duration is None or run_id not in active_ids:
                self.state.drop_expectations(task_id, "slow", key=run_id)
        for active in task_state.active:
            self.watch(active, now)

    def remove(self, task_state: TaskState) -> None:
        """The task is no longer in the config."""
        task_id = task_state.task.task_id
        self._days.pop(task_id, None)
        self.state.drop_expectations(task_id, "checked", "late", "slow")
        for active in task_state.active:
            self._unwatch(active)

    def drop_unknown(self) -> None:
        """After a start: what is known of tasks that are not in the config."""
        for task_id in [one for one in self.state.expectations if one and one not in self.state.tasks]:
            self.state.drop_expectations(task_id, "checked", "late", "slow")

    def pause(self, now: Instant) -> None:
        """Nothing is due from now on. A day that was due before may still become late."""
        if self._with_deadline():
            self.state.put_expectation(Expectation("", "paused", "", now))
        self._days = {task_id: day for task_id, day in self._days.items() if day.first < now}

    def resume(self, now: Instant) -> None:
        """Due times of the pause are none that a success is expected for."""
        self.state.drop_expectations("", "paused")
        self._resumed = now
        for task_state in self._with_deadline():
            task_id = task_state.task.task_id
            if task_id not in self._days and task_id in self.state.expectations:
                self.begin(task_state, now, new_schedule=True)

    def _paused_since(self, now: Instant) -> Optional[Instant]:
        if not self.state.config.settings.paused:
            return None
        return self.state.expected("", "paused").get("", now)

    def clock_set(self, now: Instant) -> None:
        """The wall clock was set: the deadlines are somewhere else."""
        for task_state in self._with_deadline():
            self.begin(task_state, now)
        self.purge()

    def purge(self) -> None:
        """Forget timers of deadlines that are not those of the config."""
        self._deadlines.purge(lambda timer: self._days.get(timer.argument[0]) is timer.argument[1])

    def _with_deadline(self) -> list[TaskState]:
        return [one for one in self.state.tasks.values() if one.task.task_expect and one.task.task_expect.finish_by]

    # ------------------------------------------------------------------------------------------------------ deadlines

    def run_timers(self) -> Optional[Instant]:
        """Look at the days whose deadline has come. Returns when the next one comes."""
        delay_s = self._deadlines.run()
        return None if delay_s is None else self.clock.wall() + delay_s

    def _come(self, task_id: str, day: DueDay) -> None:
        task_state = self.state.tasks.get(task_id)
        if task_state is None or self._days.get(task_id) is not day:
            return  # another config
        del self._days[task_id]
        finish_by_s = task_state.task.task_expect.finish_by_s if task_state.task.task_expect else None
        if finish_by_s is not None:
            self._look(task_state, finish_by_s, self.clock.wall(), day)

    def _look(self, task_state: TaskState, finish_by_s: int, now: Instant, passed: Optional[DueDay] = None) -> None:
        """Judge the latest day whose deadline has passed, and set the timer of the next one. passed: such a day, if one
        is known."""
        task_id = task_state.task.task_id
        after = max(passed.last, self._resumed) if passed else self.state.expected(task_id, "checked")[""]
        paused_since = self._paused_since(now)
        day = next_due_day(task_state.schedules, max(after, now - LOOK_BACK_S), task_state.zone, finish_by_s)
        while day is not None and day.deadline <= now and (paused_since is None or day.first < paused_since):
            after = max(day.last, self._resumed)
            passed, day = day, next_due_day(task_state.schedules, after, task_state.zone, finish_by_s)
        if passed is not None:
            try:
                kept = self._met.get(task_id) == passed.first or (
                    self.ledger.has_success(task_id, passed.first, passed.deadline)
                )
            except StoreError as error:
                self.log.warning(Text("log.problem", key="history", problem=error.text))
                self._days[task_id] = passed
                self._deadlines.at(now + UNREAD_S, self._come, task_id, passed)
                return
            self.state.put_expectation(Expectation(task_id, "checked", "", after))
            if kept:
                self.state.drop_expectations(task_id, "late")
            else:
                self._is_late(task_state, passed, now)
        if day is not None and (paused_since is None or day.first < paused_since):
            self._days[task_id] = day
            self._deadlines.at(day.deadline, self._come, task_id, day)

    def _is_late(self, task_state: TaskState, day: DueDay, now: Instant) -> None:
        task = task_state.task
        name = datetime.fromtimestamp(day.first, timezone.utc).astimezone(task_state.zone).date().isoformat()
        if name in self.state.expected(task.task_id, "late"):
            return
        self.state.drop_expectations(task.task_id, "late")
        self.state.put_expectation(Expectation(task.task_id, "late", name, day.deadline))
        text = late_text(name, task.task_expect.finish_by if task.task_expect else None)
        self.log.warning(Text("log.late", task=task.task_id, why=text))
        notice = Notice(task.task_id, "late", now, text, "finish_by", scheduled_time=day.first)
        self.state.save_notice(notice)

    # ----------------------------------------------------------------------------------------------------------- runs

    def watch(self, active: ActiveRun, now: Instant) -> None:
        """Set the timer of a run that may become slow, or cancel it if the run has not started."""
        if active.task_state.task.task_expect is None:
            return
        self._unwatch(active)
        run, expect = active.run, active.task_state.task.task_expect
        if expect is None or expect.duration is None or run.start_time is None:
            return
        if str(run.run_id) in self.state.expected(run.task_id, "slow"):
            return
        # At most the duration: the clock may have been set back since the run began.
        delay_s = min(max(0.0, run.start_time + expect.duration - now), expect.duration)
        self._slow[active] = self.timers.after(delay_s, self._is_slow, active, expect.duration)

    def _unwatch(self, active: ActiveRun) -> None:
        timer = self._slow.pop(active, None)
        if timer is not None:
            self.timers.cancel(timer)

    def _is_slow(self, active: ActiveRun, duration: float) -> None:
        del self._slow[active]
        run, now = active.run, self.clock.wall()
        if run.status.ended or not run.run_id:
            return
        self.state.put_expectation(Expectation(run.task_id, "slow", str(run.run_id), now))
        text = slow_text(duration)
        self.log.warning(Text("log.slow", run_id=run.run_id, task=run.task_id, why=text))
        self.state.save_notice(Notice(run.task_id, "slow", now, text, "duration", run))

    def run_ended(self, active: ActiveRun, now: Instant) -> None:
        """What its end means for the promises. It need not be on disk yet."""
        run = active.run
        if active.task_state.task.task_expect is None and run.task_id not in self.state.expectations:
            return
        self._unwatch(active)
        self.state.drop_expectations(run.task_id, "slow", key=str(run.run_id))
        if run.status is Status.SUCCESS:
            self._success(run, now)

    def _success(self, run: TaskExecution, now: Instant) -> None:
        self.state.drop_expectations(run.task_id, "late")
        day = self._days.get(run.task_id)
        if day is not None and day.first <= now and (run.scheduled_time is None or run.scheduled_time >= day.first):
            self._met[run.task_id] = day.first

    def others_wrote(self) -> None:
        """Another process may have ended a run: a success ends that its task is late."""
        for task_id in list(self.state.expectations):
            for time in self.state.expected(task_id, "late").values():
                try:
                    success = self.ledger.record(task_id).last_success_time
                except StoreError:
                    return  # the next success of the engine ends it
                if success is not None and success > time:
                    self.state.drop_expectations(task_id, "late")
