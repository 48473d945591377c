"""On which days a cron schedule is due: masks of a month's days, and the day dialect `L`, `LW`, `15W`, `L5`, `5#3`.

A day is a number of days since 1970-01-01, a Thursday. croniter is imported here and nowhere else, and only once a
schedule with a last or an n-th weekday or an `L` is met: the import costs 57 ms and 6.9 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Optional

from .schedule import ALL_DAYS, ALL_WEEKDAYS, CronSchedule, lowest

# The longest gap of the calendar is 40 years: 29 February on a given weekday, over 2100, which is no leap year.
HORIZON_YEARS = 50

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_WEEKS = sum(1 << 7 * week for week in range(7))  # times a week's mask: that week again and again


def month_length(year: int, month: int) -> int:
    """The number of days of a month of the Gregorian calendar."""
    return 29 if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else _LENGTHS[month]


def due_days(schedule: CronSchedule, year: int, month: int) -> int:
    """The days of a month on which the schedule is due, as a mask (bit 1 is the first)."""
    if not schedule.months >> month & 1:
        return 0
    days, weekdays = schedule.days, schedule.weekdays
    for item in schedule.special_days:
        days |= _nearest_weekday(item, year, month) if "W" in item else _ask_croniter(f"{item} * *", year, month)
    if weekdays == ALL_WEEKDAYS:
        by_weekday = ALL_DAYS
    else:
        # Bit d must be the weekday of day d: the repeated week, shifted by where the month begins in it.
        first = date(year, month, 1).isoweekday()  # 7 is Sunday; a week more does no harm
        by_weekday = weekdays * _WEEKS >> (first + 6) % 7
        for item in schedule.special_weekdays:
            by_weekday |= _ask_croniter(f"* * {item}", year, month)
    due = days | by_weekday if schedule.either else days & by_weekday
    return due & ((2 << month_length(year, month)) - 2)


def next_day(schedule: CronSchedule, day: int) -> Optional[int]:
    """The first day from `day` on, itself included, on which the schedule is due; None: not within 50 years."""
    start = date.fromordinal(day + _EPOCH_ORDINAL)
    year, month = start.year, start.month
    due = due_days(schedule, year, month) >> start.day
    if due:
        return day + lowest(due)
    last_year = min(year + HORIZON_YEARS, date.max.year)
    while True:
        later = schedule.months >> month + 1
        if later:
            month += 1 + lowest(later)
        else:
            year, month = year + 1, lowest(schedule.months)
            if year > last_year:
                return None
        due = due_days(schedule, year, month)
        if due:
            return date(year, month, lowest(due)).toordinal() - _EPOCH_ORDINAL


def count_days(schedules: Sequence[CronSchedule], start: int, stop: int) -> int:
    """On how many days of [start, stop) all of the schedules are due."""
    if all(schedule.every_day for schedule in schedules):
        return max(0, stop - start)
    total = 0
    while start < stop:
        first = date.fromordinal(start + _EPOCH_ORDINAL)
        month_end = start + month_length(first.year, first.month) - first.day + 1
        due = ALL_DAYS
        for schedule in schedules:
            due &= due_days(schedule, first.year, first.month)
        days = min(stop, month_end) - start
        total += bin(due >> first.day & (1 << days) - 1).count("1")
        start = month_end
    return total


def _nearest_weekday(item: str, year: int, month: int) -> int:
    """The mask of "15W", the day from Monday to Friday nearest to the 15th within the month; "LW": to the last day.

    croniter's rule, which it has since version 7 only, and `LW` in none; older ones are to do as well.
    """
    last = month_length(year, month)
    day = last if item == "LW" else min(int(item[:-1]), last)
    weekday = date(year, month, day).isoweekday()
    if weekday == 6:
        day += -1 if day > 1 else 2
    elif weekday == 7:
        day += 1 if day < last else -2
    return 1 << day


@lru_cache(maxsize=4096)  # 0.1 ms a question; a year of a hundred such schedules
def _ask_croniter(day_fields: str, year: int, month: int) -> int:
    """The days of a month that croniter names for `L * *`, `* * L5` or `* * 5#3`, as a mask."""
    from croniter import croniter

    # Naive times at midnight only: no zone, so that its idea of a change of offset never comes in.
    search = croniter(f"0 0 {day_fields}", datetime(year, month, 1) - timedelta(minutes=1), ret_type=datetime)
    mask = 0
    found = search.get_next()
    while (found.year, found.month) == (year, month):
        mask |= 1 << found.day
        found = search.get_next()
    return mask
