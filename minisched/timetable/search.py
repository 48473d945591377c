"""The search on the wall clock: the next time a cron schedule names, and how many it names, with no zone in sight.

A wall time is what the zone's clock shows, as seconds since 1970-01-01T00:00 by that clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Optional

from .calendar import count_days, next_day
from .schedule import CronSchedule, lowest

DAY_S = 86400


def first_wall(schedule: CronSchedule, wall: int) -> Optional[int]:
    """The first wall time from `wall` on, itself included, that the schedule names; None: not within 50 years."""
    day, second = divmod(wall, DAY_S)
    due_day = day if schedule.every_day else next_day(schedule, day)
    if due_day == day:
        found = _first_second(schedule, second)
        if found is not None:
            return day * DAY_S + found
        due_day = day + 1 if schedule.every_day else next_day(schedule, day + 1)
    if due_day is None:
        return None
    return due_day * DAY_S + schedule.opening_s


def _first_second(schedule: CronSchedule, second: int) -> Optional[int]:
    """The first second of a due day from `second` on, itself included, or None when the day has no more."""
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    hours = schedule.hours >> hour
    if hours & 1:
        minutes = schedule.minutes >> minute
        if minutes & 1:
            seconds = schedule.seconds >> second
            if seconds:
                return hour * 3600 + minute * 60 + second + lowest(seconds)
        minutes &= -2
        if minutes:
            return hour * 3600 + (minute + lowest(minutes)) * 60 + lowest(schedule.seconds)
    hours &= -2
    if hours:
        return (hour + lowest(hours)) * 3600 + lowest(schedule.minutes) * 60 + lowest(schedule.seconds)
    return None


def count_walls(schedules: Sequence[CronSchedule], start: int, stop: int) -> int:
    """How many wall times of [start, stop) all of the schedules name.

    Whole days by a product of popcounts; then the head of the first day taken off, and that of the last put on.
    """
    seconds = reduce(and_, (schedule.seconds for schedule in schedules))
    minutes = reduce(and_, (schedule.minutes for schedule in schedules))
    hours = reduce(and_, (schedule.hours for schedule in schedules))

    def before(second: int) -> int:
        """How many times of a due day lie before `second`."""
        minute, second = divmod(second, 60)
        hour, minute = divmod(minute, 60)
        count = _count_below(hours, hour) * _count_below(minutes, 60)
        if hours >> hour & 1:
            count += _count_below(minutes, minute)
            if minutes >> minute & 1:
                return count * _count_below(seconds, 60) + _count_below(seconds, second)
        return count * _count_below(seconds, 60)

    first_day, head = divmod(start, DAY_S)
    last_day, tail = divmod(stop, DAY_S)
    whole = before(DAY_S) * count_days(schedules, first_day, last_day)
    return (
        whole
        - before(head) * count_days(schedules, first_day, first_day + 1)
        + before(tail) * count_days(schedules, last_day, last_day + 1)
    )


def _count_below(mask: int, limit: int) -> int:
    return bin(mask & (1 << limit) - 1).count("1")
