"""Calendars of working days: their text, what they say about a day, and the days on which a task is due by them.

A text has one line `week mon-fri` with the ordinary working days, and lines with dates that differ from it:

    2026-10-01..2026-10-07 off National Day
    2026-10-10 on make-up day

A calendar is one more field for the day: the date of a due time is that which the schedule names, also where a change
of the zone's offset moves the due time to another date. `@every` has no named date; there it is the local date.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, tzinfo
from math import floor

from minisched.model import DAY_S, Calendar, CalendarLine, CalendarRule, Text
from minisched.model.text import find_lookalike, visible_line
from minisched.namedtuple import NamedTuple
from minisched.osutil import sha256

from .calendar import EPOCH_ORDINAL, calendar_days
from .next_fire import days_left_out
from .parser import LAST_YEAR, parse_weekdays
from .schedule import Schedule, ScheduleError
from .zones import segment_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

MAX_LINE_DAYS = 366  # of a span in one line: a longer one is a mistyped year
MAX_WORDS = 200  # characters
LEFT_OUT_MAX = 60  # days of one answer that are named: some months of weekends
ENDS_SOON_DAYS = 30  # a calendar whose last line is nearer than this is about to end

_LINE = re.compile(r"(\S+?)(?:\.\.(\S+))?[ \t]+(on|off)(?:[ \t]+(.*))?", re.IGNORECASE)
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_WEEK = re.compile(r"week\b[ \t]*(.*)", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class CalendarError(NamedTuple):
    """What is wrong with a calendar. `line`: from 1; 0 for the file as a whole."""

    line: int
    text: Text


class _BadLine(Exception):
    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.text = Text(f"schedules.calendar.{code}", **values)


def parse_calendar(name: str, file: str, text: str) -> tuple[Calendar, list[CalendarError]]:
    """The calendar of a file's text, and all its errors by line. With an error the calendar must not be used.

    name, file: as in the config. A `#` at the start of a line or after a blank begins a comment.
    """
    lines: list[CalendarLine] = []
    errors: list[CalendarError] = []
    week, week_line = 0, 0
    for number, raw in enumerate(text.split("\n"), 1):
        content = _COMMENT.sub("", raw.rstrip("\r"), count=1).strip(" \t")
        if not content:
            continue
        try:
            found = _WEEK.fullmatch(content)
            if found:
                if week_line:
                    raise _BadLine("week_twice", other=week_line)
                week_line = number
                week = _week(found[1])
            else:
                lines.append(_dated(content, number))
        except _BadLine as error:
            errors.append(CalendarError(number, error.text))
    lines.sort()
    longest = None  # the line that goes on furthest, of those before
    for line in lines:
        if longest is not None and line.first <= longest.last:
            early, late = sorted((longest, line), key=lambda one: one.number)
            why = Text("schedules.calendar.overlap", day=day_text(line.first), other=early.number)
            errors.append(CalendarError(late.number, why))
        if longest is None or line.last > longest.last:
            longest = line
    if not week_line:
        errors.append(CalendarError(0, Text("schedules.calendar.no_week")))
    verdicts = f"{week} " + " ".join(f"{one.first}-{one.last}{'+' if one.working else '-'}" for one in lines)
    digest = sha256(verdicts.encode()).hex()[:16]
    return Calendar(name, file, week, tuple(lines), digest), sorted(errors, key=lambda error: error.line)


def _week(text: str) -> int:
    if text.lower() == "none":
        return 0
    try:
        return parse_weekdays(text)
    except ScheduleError as error:
        raise _BadLine("week", error=error.text) from None


def _dated(line: str, number: int) -> CalendarLine:
    found = _LINE.fullmatch(line)
    if found is None:
        wide, ascii_text = find_lookalike(line)
        if wide:
            raise _BadLine("full_width", line=_shown(line), found=wide, ascii=ascii_text)
        raise _BadLine("line", line=_shown(line))
    first = _day(found[1])
    last = first if found[2] is None else _day(found[2])
    if last < first:
        raise _BadLine("reversed", first=found[1], last=found[2])
    if last - first >= MAX_LINE_DAYS:
        raise _BadLine("long", days=last - first + 1, max=MAX_LINE_DAYS)
    words = " ".join((found[4] or "").split())
    if len(words) > MAX_WORDS or words != visible_line(words):
        raise _BadLine("words", max=MAX_WORDS)
    return CalendarLine(first, last, found[3].lower() == "on", words, number)


def _day(text: str) -> int:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        found = date.fromisoformat(text)
        if not 1970 <= found.year <= LAST_YEAR:
            raise ValueError
    except ValueError:
        raise _BadLine("date", text=_shown(text)) from None
    return found.toordinal() - EPOCH_ORDINAL


def _shown(line: str) -> str:
    return visible_line(line if len(line) <= 60 else line[:57] + "...")


# -------------------------------------------------------------------------------------------------------------- one day


class CalendarDay(NamedTuple):
    """What a calendar says about a day. `line`: of the file, 0 if it follows from the ordinary week; `words`: of that
    line."""

    working: bool
    words: str
    line: int


def day_in_calendar(calendar: Calendar, day: int) -> CalendarDay:
    """day: as days since 1970-01-01."""
    index = bisect_right(calendar.lines, (day + 1,)) - 1
    if index >= 0 and day <= calendar.lines[index].last:
        found = calendar.lines[index]
        return CalendarDay(found.working, found.words, found.number)
    return CalendarDay(bool(calendar.week >> (day + 4) % 7 & 1), "", 0)


def local_today(now: float, zone: tzinfo) -> int:
    """The local date of an instant as days since 1970-01-01."""
    return (floor(now) + segment_at(zone, floor(now)).offset) // DAY_S


def day_text(day: int) -> str:
    """The ISO 8601 date of a number of days since 1970-01-01."""
    return date.fromordinal(day + EPOCH_ORDINAL).isoformat()


# Why a working day is none of the days, by `CalendarRule.days`.
_OTHER_DAY = {"off": "on", "first_working": "not_first", "last_working": "not_last"}


def why_not_due(rule: CalendarRule, day: int) -> Optional[Text]:
    """Why nothing is due on a day by `task_calendar`, with the file's words for the day; None if the day is one of its
    days.

    Codes: `schedules.day.off`, `.on`, `.not_first`, `.not_last`, with `_plain` added if the file has no words; values:
    `date`, `weekday` (a text), `calendar` and `words`.
    """
    days = calendar_days(rule)
    if days is None or days.allows(day):
        return None
    found = day_in_calendar(days.calendar, day)
    code = f"{'off' if not found.working else _OTHER_DAY[rule.days]}{'' if found.words else '_plain'}"
    weekday = Text(f"schedules.weekday.{(day + 4) % 7}")
    return Text(f"schedules.day.{code}", date=day_text(day), weekday=weekday, calendar=rule.name, words=found.words)


class LeftOut(NamedTuple):
    """Days on which a task is not due because of its calendar, from `first` to `last` as ISO 8601 dates, and why."""

    first: str
    last: str
    text: Text


def left_out(
    schedules: Sequence[Schedule], after: float, until: Optional[float], zone: tzinfo, limit: int = LEFT_OUT_MAX
) -> list[LeftOut]:
    """The days in (after, until] on which the schedules would be due without their calendar, but are not because of it;
    days in a row for the same reason as one. At most `limit` days are looked at; until: by default a year later."""
    calendar = next((one.calendar for one in schedules if one.calendar), None)
    if calendar is None:
        return []
    spans: list[list[int]] = []
    for day in days_left_out(schedules, after, after + MAX_LINE_DAYS * DAY_S if until is None else until, zone, limit):
        if spans and spans[-1][-1] == day - 1 and _same_line(calendar.calendar, day - 1, day):
            spans[-1].append(day)
        else:
            spans.append([day])
    return [_span(calendar.rule, span[0], span[-1]) for span in spans]


def _same_line(calendar: Calendar, day: int, other: int) -> bool:
    return day_in_calendar(calendar, day) == day_in_calendar(calendar, other)


def _span(rule: CalendarRule, first: int, last: int) -> LeftOut:
    text = why_not_due(rule, first)
    assert text is not None, "the day is left out"
    if first < last:
        weekdays = [Text(f"schedules.weekday.{(day + 4) % 7}") for day in (first, last)]
        values = {
            **text.values,
            "date": f"{day_text(first)}..{day_text(last)}",
            "weekday": Text("schedules.weekday.span", first=weekdays[0], last=weekdays[1]),
        }
        text = Text(text.code, **values)
    return LeftOut(day_text(first), day_text(last), text)


def calendar_end(calendar: Calendar, today: int) -> Optional[Text]:
    """A warning if the last dated line of a calendar is past or about to be; None for one that has only its week.

    A last line such as `2026-12-31 on` says until when the file is complete.
    """
    left = calendar.lines[-1].last - today if calendar.lines else ENDS_SOON_DAYS
    if left >= ENDS_SOON_DAYS:
        return None
    values = {"calendar": calendar.name, "file": calendar.file, "date": day_text(calendar.lines[-1].last)}
    return Text(f"schedules.calendar.{'ended' if left < 0 else 'ends'}", **values)
