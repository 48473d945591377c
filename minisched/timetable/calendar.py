"""The days and wall times that a cron schedule matches, and the days of a calendar, without any time zone.

A day is a number of days since 1970-01-01, a Thursday. A wall time is what a clock shows, as seconds since
1970-01-01T00:00 by that clock. A month's days are a mask; the day dialect is `L`, `LW`, `15W`, `L5`, `5#3`.

What the dialect means is defined by croniter, which the tests compare with. It is computed here, so that a machine
without croniter has it too, and because the import of croniter costs 57 ms and 6.9 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache, reduce
from itertools import count
from operator import and_

from minisched.model import DAY_S, Calendar, CalendarLine, CalendarRule

from .schedule import ALL_DAYS, ALL_WEEKDAYS, CronSchedule, lowest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

# The longest gap between two due days is 40 years: 29 February on a given weekday, across 2100, not a leap year.
HORIZON_YEARS = 50
MASKS_MAX = 2000  # months of a calendar whose masks are kept: 50 years are 600

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_WEEKS = sum(1 << 7 * week for week in range(7))  # multiplied by the mask of a week: the week, repeated


def month_length(year: int, month: int) -> int:
    """The number of days of a month of the Gregorian calendar."""
    return 29 if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else _LENGTHS[month]


def due_days(schedule: CronSchedule, year: int, month: int) -> int:
    """The days of a month on which the schedule is due, as a mask (bit 1 is the first)."""
    if not schedule.months >> month & 1:
        return 0
    days, weekdays = schedule.days, schedule.weekdays
    last = month_length(year, month)
    for item in schedule.special_days:
        days |= 1 << (last if item == "L" else _nearest_weekday(item, year, month, last))
    if weekdays == ALL_WEEKDAYS:
        by_weekday = ALL_DAYS
    else:
        # Bit d must be the weekday of day d: the repeated week, shifted to the weekday of the month's first day.
        first = date(year, month, 1).isoweekday()  # 7 is Sunday
        by_weekday = weekdays * _WEEKS >> (first + 6) % 7
        for item in schedule.special_weekdays:
            by_weekday |= 1 << _nth_weekday(item, first, last)
    due = days | by_weekday if schedule.either else days & by_weekday
    if schedule.calendar is not None:
        due &= schedule.calendar.mask(year, month)
    return due & ((2 << last) - 2)


def next_day(schedule: CronSchedule, day: int) -> Optional[int]:
    """The first due day from `day` (included) on; None: none within HORIZON_YEARS."""
    start = date.fromordinal(day + EPOCH_ORDINAL)
    year, month = start.year, start.month
    due = due_days(schedule, year, month) >> start.day
    if due:
        return day + lowest(due)
    last_year = min(year + HORIZON_YEARS, date.max.year)
    if schedule.calendar is not None and day >= schedule.calendar.none_from.get(_day_fields(schedule), day + 1):
        return None
    while True:
        later = schedule.months >> month + 1
        if later:
            month += 1 + lowest(later)
        else:
            year, month = year + 1, lowest(schedule.months)
            if year > last_year:
                if schedule.calendar is not None and day > schedule.calendar.last_day:
                    schedule.calendar.none_from[_day_fields(schedule)] = day
                return None
        due = due_days(schedule, year, month)
        if due:
            return date(year, month, lowest(due)).toordinal() - EPOCH_ORDINAL


def _day_fields(schedule: CronSchedule) -> tuple[object, ...]:
    """What the due days of a schedule follow from, besides its calendar."""
    special = (schedule.special_days, schedule.special_weekdays)
    return schedule.days, schedule.weekdays, schedule.months, schedule.either, special


def count_days(schedules: Sequence[CronSchedule], start: int, stop: int) -> int:
    """The number of days in [start, stop) on which all of the schedules are due."""
    if all(schedule.every_day for schedule in schedules):
        return max(0, stop - start)
    total = 0
    while start < stop:
        first = date.fromordinal(start + EPOCH_ORDINAL)
        month_end = start + month_length(first.year, first.month) - first.day + 1
        due = ALL_DAYS
        for schedule in schedules:
            due &= due_days(schedule, first.year, first.month)
        days = min(stop, month_end) - start
        total += bin(due >> first.day & (1 << days) - 1).count("1")
        start = month_end
    return total


def _nearest_weekday(item: str, year: int, month: int, last: int) -> int:
    """The day of "15W": from Monday to Friday, within the month, nearest to the 15th; of "LW": to the `last` day."""
    day = last if item == "LW" else min(int(item[:-1]), last)
    weekday = date(year, month, day).isoweekday()
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 7:
        return day + 1 if day < last else day - 2
    return day


def _nth_weekday(item: str, first: int, last: int) -> int:
    """The day of "5#3", the third Friday, or of "L5", the last one; after `last` if the month has no such day.

    first: the weekday of the 1st; 7 is Sunday. last: the length of the month.
    """
    weekday, _, number = item.partition("#")
    day = 1 + (int(weekday.lstrip("L")) - first) % 7
    return day + 7 * (int(number) - 1 if number else (last - day) // 7)


def first_wall(schedule: CronSchedule, wall: int) -> Optional[int]:
    """The first matching wall time from `wall` (included) on; None: none within HORIZON_YEARS."""
    day, second = divmod(wall, DAY_S)
    due_day = day if schedule.every_day else next_day(schedule, day)
    if due_day == day:
        found = _first_second(schedule, second)
        if found is not None:
            return day * DAY_S + found
        due_day = day + 1 if schedule.every_day else next_day(schedule, day + 1)
    if due_day is None:
        return None
    return due_day * DAY_S + schedule.first_second


def _first_second(schedule: CronSchedule, second: int) -> Optional[int]:
    """The first matching second of a due day from `second` (included) on; None: none left that day."""
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
    """The number of wall times in [start, stop) that all of the schedules match.

    Whole days are a product of bit counts. Then the part of the first day before `start` is subtracted, and the part of
    the last day before `stop` added.
    """
    seconds = reduce(and_, (schedule.seconds for schedule in schedules))
    minutes = reduce(and_, (schedule.minutes for schedule in schedules))
    hours = reduce(and_, (schedule.hours for schedule in schedules))

    def before(second: int) -> int:
        """The number of matching times of a due day before `second`."""
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


# ----------------------------------------------------------------------------------------------- days of a calendar


class CalendarDays:
    """The days of a `CalendarRule`, by month as masks, for the search and the count of due times."""

    __slots__ = ("_masks", "_months", "calendar", "last_day", "none_from", "rule")

    def __init__(self, rule: CalendarRule, calendar: Calendar) -> None:
        self.rule, self.calendar = rule, calendar
        self.last_day = calendar.lines[-1].last if calendar.lines else -1  # since then the weeks repeat
        # By the day fields of a schedule, a day after `last_day` from which it is never due: a search through 50 years
        # takes a millisecond.
        self.none_from: dict[tuple[object, ...], int] = {}
        self._months: dict[int, tuple[int, int]] = {}  # working days and days off that lines name
        self._masks: dict[int, int] = {}
        for line in calendar.lines:
            self._add(line)

    def _add(self, line: CalendarLine) -> None:
        day = line.first
        while day <= line.last:
            found = date.fromordinal(day + EPOCH_ORDINAL)
            length = month_length(found.year, found.month)
            last = min(length, found.day + line.last - day)
            named = (2 << last) - (1 << found.day)
            month = found.year * 12 + found.month
            on, off = self._months.get(month, (0, 0))
            self._months[month] = (on | named, off) if line.working else (on, off | named)
            day += last - found.day + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CalendarDays) and (self is other or self.rule == other.rule)

    def __hash__(self) -> int:
        return hash((self.rule.name, self.rule.days))

    def mask(self, year: int, month: int) -> int:
        """The days of a month as a mask; bit 1 is the first."""
        number = year * 12 + month
        found = self._masks.get(number)
        if found is None:
            if len(self._masks) >= MASKS_MAX:
                self._masks.clear()
            found = self._masks[number] = self._make_mask(year, month)
        return found

    def _make_mask(self, year: int, month: int) -> int:
        whole = (2 << month_length(year, month)) - 2
        first = date(year, month, 1).isoweekday()
        on, off = self._months.get(year * 12 + month, (0, 0))
        working = (self.calendar.week * _WEEKS >> (first + 6) % 7 & ~off | on) & whole
        if self.rule.days == "off":
            return whole & ~working
        if self.rule.days == "first_working":
            return working & -working
        if self.rule.days == "last_working":
            return 1 << working.bit_length() - 1 if working else 0
        return working

    def allows(self, day: int) -> bool:
        found = date.fromordinal(day + EPOCH_ORDINAL)
        return bool(self.mask(found.year, found.month) >> found.day & 1)

    def next_day(self, day: int) -> Optional[int]:
        """The first of the days from `day` (included) on; None: none within HORIZON_YEARS."""
        start = date.fromordinal(day + EPOCH_ORDINAL)
        days = self.mask(start.year, start.month) >> start.day
        if days:
            return day + lowest(days)
        for month in range(start.year * 12 + start.month, (start.year + HORIZON_YEARS) * 12 + 12):
            year, index = divmod(month, 12)
            if year > date.max.year:
                break
            days = self.mask(year, index + 1)
            if days:
                return date(year, index + 1, lowest(days)).toordinal() - EPOCH_ORDINAL
        return None

    def run_end(self, day: int, limit: int) -> int:
        """The first day after `day` that is not one of the days; at most `limit`."""
        return next(one for one in count(day + 1) if one >= limit or not self.allows(one))


@lru_cache(maxsize=64)
def calendar_days(rule: Optional[CalendarRule]) -> Optional[CalendarDays]:
    """None: every day, because there is no rule or its calendar was not read."""
    return None if rule is None or rule.calendar is None else CalendarDays(rule, rule.calendar)
