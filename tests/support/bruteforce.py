"""The rules of due times, written a second time and as plainly as possible: the oracle of the timetable's tests.

It walks over every minute (or second) of a window, asks zoneinfo what the clock shows, and compares it with sets of
numbers. It shares no code with `minisched.timetable`.
"""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta, timezone
from functools import cache

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
NAIVE_EPOCH = datetime(1970, 1, 1)
NAMES = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
NAMES.update({name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])})
BOUNDS = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]


def day_of(text: str) -> int:
    """A date as days since 1970-01-01."""
    return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()


def numbers(text, low, high):
    found = set()
    for item in text.lower().split(","):
        body, _, step = item.partition("/")
        if body in ("*", "?"):
            first, last = low, high
        else:
            first, _, last = body.partition("-")
            first = NAMES[first] if first in NAMES else int(first)
            last = (NAMES[last] if last in NAMES else int(last)) if last else (high if step else first)
        every_field_number = list(range(low, high + 1))
        position = every_field_number.index(first % 7 if high == 6 else first)
        stop = every_field_number.index(last % 7 if high == 6 else last)
        walk = [every_field_number[position]]
        while position != stop:
            position = (position + 1) % len(every_field_number)
            walk.append(every_field_number[position])
        found.update(walk[:: int(step or 1)])
    return found


def special_day_matches(item, day):
    """`L`, `LW`, `15W` of the month; `5L`, `5#3` of the week: by looking through the whole month."""
    month = [date(day.year, day.month, number) for number in range(1, calendar.monthrange(day.year, day.month)[1] + 1)]
    working = [other for other in month if other.isoweekday() <= 5]
    if item == "L":
        return day == month[-1]
    if item == "LW":
        return day == working[-1]
    if item.endswith("W"):
        target = month[min(int(item[:-1]), len(month)) - 1]
        return day == min(working, key=lambda other: abs((other - target).days))
    weekday, _, nth = item.rstrip("L").partition("#")
    same = [other for other in month if other.isoweekday() % 7 == int(weekday) % 7]
    return day == (same[-1] if item.endswith("L") else (same[int(nth) - 1 :] or [None])[0])


def days_of_calendar(text, rule):
    """Whether a date is one of the days of a calendar's text, as a function of it."""
    week, named = set(), {}
    for line in text.splitlines():
        first, *rest = line.split()
        if first == "week":
            week = set() if rest == ["none"] else numbers(rest[0], 0, 6)
            continue
        start, _, end = first.partition("..")
        day, last = date.fromisoformat(start), date.fromisoformat(end or start)
        while day <= last:
            named[day] = rest[0] == "on"
            day += timedelta(days=1)

    def working(day):
        return named.get(day, day.isoweekday() % 7 in week)

    def allowed(day):
        if rule in ("working", "off"):
            return working(day) == (rule == "working")
        length = calendar.monthrange(day.year, day.month)[1]
        found = [one for one in (day.replace(day=number) for number in range(1, length + 1)) if working(one)]
        return bool(found) and day == found[0 if rule == "first_working" else -1]

    return cache(allowed)


class Reading:
    def __init__(self, text, allowed=lambda day: True):
        self.allowed = allowed
        fields = text.split()
        if len(fields) == 5:
            fields.insert(0, "0")
        self.fixed = fields[1][0] != "*" and fields[2][0] != "*"
        self.both = fields[3][0] in "*?" or fields[5][0] in "*?"
        self.special = [
            [item for item in fields[index].split(",") if "L" in item or "W" in item or "#" in item] for index in (3, 5)
        ]
        self.days_seen = {}
        self.sets = []
        for field, (low, high) in zip(fields, BOUNDS):
            plain = ",".join(item for item in field.split(",") if not ("L" in item or "W" in item or "#" in item))
            self.sets.append(numbers(plain, low, high) if plain else set())

    def names(self, wall):
        """Does the schedule name this naive wall time?"""
        seconds, minutes, hours, _, months, _ = self.sets
        if not (wall.minute in minutes and wall.hour in hours and wall.second in seconds and wall.month in months):
            return False
        day = wall.date()
        if day not in self.days_seen:
            self.days_seen[day] = self.allowed(day) and self.names_day(day)
        return self.days_seen[day]

    def names_day(self, day):
        days, weekdays = self.sets[3], self.sets[5]
        by_day = day.day in days or any(special_day_matches(item, day) for item in self.special[0])
        by_weekday = day.isoweekday() % 7 in weekdays or any(special_day_matches(i, day) for i in self.special[1])
        return (by_day and by_weekday) if self.both else (by_day or by_weekday)


def window(zone, start, stop, step=60):
    """[(instant, wall time, offset)] of every step in [start, stop), with `zone` asked each time."""
    rows = []
    for instant in range(start, stop, step):
        local = (EPOCH + timedelta(seconds=instant)).astimezone(zone)
        rows.append((instant, local.replace(tzinfo=None, fold=0), int(local.utcoffset().total_seconds())))
    return rows


def due_in(text, rows, step=60, allowed=lambda day: True):
    """The due instants among the rows of a window which begins well before the first change of offset in it. allowed:
    whether a date that the schedule names is one of the days of its calendar."""
    if text.startswith("@every "):
        interval = int(text[len("@every ") : -1])
        return [row[0] for row in rows if row[0] % interval == 0 and allowed(row[1].date())]
    reading = Reading(text, allowed)
    due = []
    repeated_until = rows[0][0]
    before = rows[0][2]
    for instant, wall, offset in rows:
        change = offset - before
        made_up = False
        if reading.fixed and 0 < change <= 3 * 3600:
            lost = [NAIVE_EPOCH + timedelta(seconds=instant + before + second) for second in range(0, change, step)]
            made_up = any(reading.names(time) for time in lost)
        if reading.fixed and -3 * 3600 <= change < 0:
            repeated_until = instant - change
        if made_up or (instant >= repeated_until and reading.names(wall)):
            due.append(instant)
        before = offset
    return due
