"""Calendars of working days: their text, what they say of a day, and due times compared with a walk over the year."""

from __future__ import annotations

import pickle
from datetime import date, timedelta, timezone
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisched.catalogue import LANGUAGES, render
from minisched.model import CALENDAR_DAYS, CalendarRule, Text, iso
from minisched.timetable import (
    can_be_due,
    count_fires,
    days_left_out,
    fires_between,
    latest_fires,
    load_zone,
    next_due_day,
    next_fire,
    next_fires,
    next_of,
    parse_schedule,
)
from minisched.timetable.describe import describe
from minisched.timetable.working_days import (
    calendar_end,
    day_in_calendar,
    day_text,
    left_out,
    parse_calendar,
    why_not_due,
)
from support.bruteforce import day_of, days_of_calendar, due_in, window

DAY = 86400
CN = """\
# Golden week
week mon-fri
2026-10-01..2026-10-07 off  National   Day
2026-10-10 on make-up day   # a Saturday
2026-12-31 on
"""
# Two changes a year; half an hour; at midnight, and back over it into the day before; at 22:00 over midnight.
ZONES = ("Europe/Berlin", "Australia/Lord_Howe", "Asia/Beirut", "America/Nuuk", "America/Havana")
STEP = 1800
BOUNDED = settings(max_examples=60, deadline=None, derandomize=True)


def calendar(text=CN, name="cn"):
    found, errors = parse_calendar(name, f"tasks/calendars/{name}.txt", text)
    assert not errors
    return found


def on(text, days="working", of=CN):
    return parse_schedule(text, "", CalendarRule("cn", days, calendar(of)))


def errors_of(text):
    return [(error.line, error.text.code.rpartition(".")[2]) for error in parse_calendar("x", "x.txt", text)[1]]


def stamp(text, zone=timezone.utc):
    return int(date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()) * DAY


# ------------------------------------------------------------------------------------------------------------- its text


def test_a_text_is_a_week_and_lines_of_dates():
    found = calendar()
    assert found.week == 0b0111110
    assert [(day_text(line.first), day_text(line.last), line.working, line.words) for line in found.lines] == [
        ("2026-10-01", "2026-10-07", False, "National Day"),
        ("2026-10-10", "2026-10-10", True, "make-up day"),
        ("2026-12-31", "2026-12-31", True, ""),
    ]
    assert calendar(CN.replace("\n", "\r\n")) == found


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", [(0, "no_week")]),
        ("# nothing", [(0, "no_week")]),
        ("week", [(1, "week")]),
        ("week mo-fri", [(1, "week")]),
        ("week mon-fri sat", [(1, "week")]),
        ("week 5#3", [(1, "week")]),
        ("week mon-fri\nweek sun-thu", [(2, "week_twice")]),
        ("week none\nweeks mon", [(2, "line")]),
        ("week none\n2026-10-01", [(2, "line")]),
        ("week none\n2026-10-01 holiday", [(2, "line")]),
        ("week none\n2026-10-01 offline", [(2, "line")]),
        ("week none\n2026-10-01 .. 2026-10-02 off", [(2, "line")]),
        ("week none\n2026-10-01\N{IDEOGRAPHIC SPACE}off", [(2, "full_width")]),
        ("week none\n2026-02-29 off", [(2, "date")]),
        ("week none\n2026-2-1 off", [(2, "date")]),
        ("week none\n20261001 off", [(2, "date")]),
        ("week none\n1969-12-31 off", [(2, "date")]),
        ("week none\n2026-10-01...2026-10-02 off", [(2, "date")]),
        ("week none\n2026-10-02..2026-10-01 off", [(2, "reversed")]),
        ("week none\n2026-10-01..2062-10-01 off", [(2, "long")]),
        ("week none\n2026-10-01 off bell \a", [(2, "words")]),
        (f"week none\n2026-10-01 off {'x' * 201}", [(2, "words")]),
        ("week none\n2026-10-01..2026-10-03 off\n2026-10-03 on\n2026-10-02 on", [(3, "overlap"), (4, "overlap")]),
        ("2026-10-01 of\nweek xyz\n2026-13-01 off", [(1, "line"), (2, "week"), (3, "date")]),
    ],
)
def test_every_mistake_is_reported_with_its_line(lines, expected):
    assert errors_of(lines) == expected


@BOUNDED
@given(st.text(alphabet="week monfri26-10.#\n\t 0on\0ff\r一", max_size=80))
def test_any_text_is_a_calendar_or_has_errors_that_can_be_read(text):
    for error in parse_calendar("x", "x.txt", text)[1]:
        for language in LANGUAGES:
            assert "schedules." not in render(error.text, language)


def test_a_week_may_be_empty_or_begin_on_any_day():
    assert calendar("week none").week == 0
    assert calendar("WEEK Sun-Thu").week == 0b0011111
    assert calendar("week fri-mon").week == 0b1100011
    assert calendar("week mon,wed\n2026-10-01 OFF").week == 0b0001010


# -------------------------------------------------------------------------------------------------------------- one day


def test_a_day_is_what_its_line_says_and_else_what_the_week_says():
    found = {text: day_in_calendar(calendar(), day_of(text)) for text in ("2026-10-05", "2026-10-10", "2026-10-11")}
    assert [tuple(one) for one in found.values()] == [
        (False, "National Day", 3),
        (True, "make-up day", 4),
        (False, "", 0),
    ]
    assert day_in_calendar(calendar(), day_of("2026-10-08")) == (True, "", 0)
    assert day_in_calendar(calendar(), -1000).line == 0


def test_why_nothing_is_due_on_a_day_is_a_code_with_the_words_of_the_file():
    def why(days, text):
        found = why_not_due(CalendarRule("cn", days, calendar()), day_of(text))
        return found and render(found)

    assert why("working", "2026-10-08") is None
    assert why("working", "2026-10-01") == "2026-10-01 (Thursday) is off in the calendar cn: National Day"
    assert why("working", "2026-10-11") == "2026-10-11 (Sunday) is off in the calendar cn"
    assert why("off", "2026-10-10") == "2026-10-10 (Saturday) is a working day in the calendar cn: make-up day"
    assert why("first_working", "2026-10-09").startswith(
        "2026-10-09 (Friday) is not the first working day of the month"
    )
    assert why("first_working", "2026-10-08") is why("last_working", "2026-10-30") is None
    assert why("last_working", "2026-10-29").startswith("2026-10-29 (Thursday) is not the last working day")
    assert why("last_working", "2026-10-31") == "2026-10-31 (Saturday) is off in the calendar cn"
    assert render(why_not_due(CalendarRule("cn", "working", calendar()), day_of("2026-10-01")), "zh") == (
        "2026-10-01（周四）按日历 cn 为休息日：National Day"
    )


def test_a_calendar_that_ends_within_a_month_or_has_ended_is_reported():
    def end(today, text=CN):
        found = calendar_end(calendar(text), day_of(today))
        return found and found.code.rpartition(".")[2]

    assert end("2026-12-01") is None
    assert end("2026-12-02") == end("2026-12-31") == "ends"
    assert end("2027-01-01") == end("2031-01-01") == "ended"
    assert end("2031-01-01", "week mon-fri") is None


# ------------------------------------------------------------------------------------------------------------ due times


SEASONS = (("2026-03-01", "2026-04-20"), ("2026-09-25", "2026-11-10"))  # with the changes of the clocks


@cache
def season(number, half):
    zone = load_zone(ZONES[number])
    return zone, window(zone, *map(stamp, SEASONS[half]), STEP)


dates = st.integers(0, 300).map(lambda number: date(2026, 2, 1) + timedelta(days=number))
weeks = st.sampled_from(["mon-fri", "sun-thu", "none", "*", "sat,sun", "fri-mon"])


@st.composite
def calendars(draw):
    """A calendar's text, with lines about changes of the clocks more often than about other days."""
    lines, taken = [f"week {draw(weeks)}"], set()
    changes = st.sampled_from(["2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25", "2026-04-05", "2026-10-04"])
    for first in draw(st.lists(st.one_of(dates, changes.map(date.fromisoformat)), max_size=12)):
        days = {first + timedelta(days=number) for number in range(draw(st.integers(1, 9)))}
        if not days & taken:
            taken |= days
            end = max(days)
            lines.append(f"{first}{f'..{end}' if end > first else ''} {draw(st.sampled_from(['on', 'off']))}")
    return "\n".join(lines)


where = st.tuples(st.integers(0, len(ZONES) - 1), st.integers(0, 1))
hours = st.sampled_from(["*", "0", "23", "1", "2", "0,23", "22-3", "*/6", "12"])
day_fields = st.sampled_from(["* * *", "* * *", "* * mon-fri", "* * sat", "1 * *", "L * *", "13 * fri", "*/2 * 0#1,2"])
crons = st.tuples(st.sampled_from(["0", "30", "*/30"]), hours, day_fields).map(" ".join)
texts = st.one_of(crons, crons, st.sampled_from(["@every 1800s", "@every 43200s", "@every 90000s", "@every 604800s"]))


@settings(BOUNDED, max_examples=120)
@given(texts, calendars(), st.sampled_from(CALENDAR_DAYS), where, st.integers(1, 40))
def test_due_times_with_a_calendar_are_those_of_a_walk_over_the_year(text, lines, days, where, limit):
    zone, rows = season(*where)
    first, last = rows[10][0], rows[-1][0]
    expected = [due for due in due_in(text, rows, STEP, days_of_calendar(lines, days)) if first < due <= last]
    schedule = on(text, days, lines)
    assert fires_between([schedule], first, last, zone, 10**6) == expected
    assert count_fires([schedule], first, last, zone) == len(expected)
    assert latest_fires([schedule], first, last, zone, limit) == expected[-limit:]
    middle = rows[len(rows) // 2 + limit][0]
    assert count_fires([schedule], middle, last, zone) == sum(due > middle for due in expected)
    if expected:
        assert next_of([schedule], first, zone) == expected[0] and can_be_due(schedule, zone)


@BOUNDED
@given(st.lists(texts, min_size=2, max_size=3), calendars(), st.sampled_from(CALENDAR_DAYS), where)
def test_several_schedules_follow_the_same_calendar(several, lines, days, where):
    zone, rows = season(*where)
    first, last = rows[10][0], rows[-1][0]
    allowed = days_of_calendar(lines, days)
    union = sorted({due for text in several for due in due_in(text, rows, STEP, allowed) if first < due <= last})
    schedules = [on(text, days, lines) for text in several]
    assert fires_between(schedules, first, last, zone, 10**6) == union
    assert count_fires(schedules, first, last, zone) == len(union)


@BOUNDED
@given(crons, calendars(), st.sampled_from(CALENDAR_DAYS), where)
def test_the_days_left_out_are_those_on_which_it_would_be_due(text, lines, days, where):
    zone, rows = season(*where)
    first, last = rows[10][0], rows[-1][0]
    allowed = days_of_calendar(lines, days)
    named = {row[1].date() for row in rows}
    found = {
        date.fromisoformat(day_text(day)) for day in days_left_out([on(text, days, lines)], first, last, zone, 999)
    }
    due = set(due_in(text, rows, STEP))
    every = {row[1].date() for row in rows if row[0] in due}
    # A time that a change skips, or at the edge of the window, is of a date that the walk does not see.
    edge = set(sorted(named)[:2] + sorted(named)[-1:])
    assert not any(map(allowed, found)) and {day for day in every if not allowed(day)} - found <= edge


def test_a_time_that_a_change_moves_over_midnight_is_of_the_day_that_the_schedule_names():
    nuuk = load_zone("America/Nuuk")  # on Saturday 2026-03-28 from 23:00 to 00:00
    saturdays = on("30 23 * * *", "off", "week sun-fri")
    assert iso(next_fire(saturdays, stamp("2026-03-27"), nuuk), nuuk) == "2026-03-29T00:00:00-01:00"
    sundays = on("30 23 * * *", "off", "week mon-sat")
    assert iso(next_fire(sundays, stamp("2026-03-27"), nuuk), nuuk) == "2026-03-29T23:30:00-01:00"


def test_at_is_due_on_the_date_that_it_names():
    berlin = load_zone("Europe/Berlin")
    assert next_fire(on("@at 2026-10-10T08:00"), 0, berlin) is not None
    assert next_fire(on("@at 2026-10-01T08:00"), 0, berlin) is None
    assert next_fire(on("@at 2026-10-09T23:30Z"), 0, berlin) is not None  # 01:30 of the 10th
    assert next_fire(on("@at 2026-09-30T23:30Z"), 0, berlin) is None
    assert not can_be_due(on("@at 2026-10-01T08:00"), berlin)


def test_what_can_never_be_due_is_known_whatever_year_it_is():
    utc = timezone.utc
    assert can_be_due(on("0 0 * * sat"), utc)  # the one make-up day
    assert not can_be_due(on("0 0 * * sun"), utc)
    assert not can_be_due(on("0 0 15 * *", "first_working"), utc)
    assert can_be_due(on("@every 7d", "off", "week mon-fri\n2026-10-01 off"), utc)  # it is due on Thursdays
    assert not can_be_due(on("@every 7d", "off", "week mon-fri"), utc)
    assert not can_be_due(on("* * * * *", "working", "week none"), utc)
    assert can_be_due(on("* * * * *", "working", "week none\n2031-05-05 on"), utc)
    assert next_fire(on("* * * * *", "working", "week none\n2031-05-05 on"), stamp("2031-05-06"), utc) is None
    assert next_fire(on("@every 1s", "working", "week none\n2031-05-05 on"), stamp("2031-05-06"), utc) is None
    assert can_be_due(on("0 0 29 2 *"), utc)


def test_what_is_not_due_in_fifty_years_may_be_due_by_a_later_line():
    schedule, utc = on("0 0 * * sun", of="week mon-fri\n2100-10-10 on"), timezone.utc
    for after in (0, stamp("2026-01-01"), stamp("2101-01-01")):
        assert next_fire(schedule, after, utc) is None
    assert next_fire(schedule, stamp("2099-01-01"), utc) == stamp("2100-10-10")
    assert can_be_due(schedule, utc)


def test_a_calendar_is_part_of_what_a_schedule_is():
    assert on("@daily") == on("@daily") != parse_schedule("@daily")
    assert on("@daily") != on("@daily", "off") and on("@daily") != on("@daily", of="week mon-fri")
    assert pickle.loads(pickle.dumps(on("0 0 * * *"))) == on("0 0 * * *")
    assert len({on("@daily"), on("@daily"), on("@daily", "off")}) == 2
    assert len({on(text).calendar for text in ("@daily", "@hourly")}) == 1


def test_the_masks_of_a_calendar_are_bounded_and_its_last_year_has_an_end():
    days = on("@daily", of="week none").calendar
    months = [(year, month) for year in range(2000, 2200) for month in range(1, 13)]
    assert not any(days.mask(*month) for month in months)
    assert days.mask(2000, 1) == 0 and on("@daily", of="week mon").calendar.mask(2000, 1) == sum(
        1 << day for day in (3, 10, 17, 24, 31)
    )
    assert days.next_day(date(9990, 1, 1).toordinal() - date(1970, 1, 1).toordinal()) is None


def test_the_days_left_out_of_schedules_of_each_kind():
    utc = load_zone("UTC")
    after, until = stamp("2026-12-24"), stamp("2026-12-29")
    of = "week mon-fri\n2026-12-25..2026-12-26 off Christmas"

    def left(*texts):
        schedules = [on(text, of=of) for text in texts]
        return [day_text(day) for day in days_left_out([*schedules, parse_schedule("@daily")], after, until, utc, 99)]

    week_end = ["2026-12-27"]
    assert left("0 12 * * *") == ["2026-12-25", "2026-12-26", *week_end]
    assert left("@every 6h") == ["2026-12-25", "2026-12-26", *week_end]
    assert left("@at 2026-12-25T08:00") == ["2026-12-25"]
    assert left() == []


def test_the_day_of_a_promise_is_the_next_one_with_a_due_time():
    noon, utc = 12 * 3600, load_zone("UTC")
    first = stamp("2026-12-25") + 7 * 3600
    day = next_due_day([parse_schedule("0 7 * * *")], stamp("2026-12-25"), utc, noon)
    assert day == (first, first + 5 * 3600, stamp("2026-12-26") - 1)
    late = next_due_day([parse_schedule("0 20 * * *")], stamp("2026-12-25"), utc, noon)
    assert late.deadline == stamp("2026-12-26") + noon
    assert next_due_day([parse_schedule("@at 2026-01-01T00:00")], stamp("2026-12-25"), utc, noon) is None


def test_days_in_a_row_that_are_left_out_for_one_reason_are_named_as_one():
    shanghai = load_zone("Asia/Shanghai")
    after = stamp("2026-09-30")
    until = next_fires([on("30 2 * * *")], after, shanghai, 4)[-1]
    found = left_out([on("30 2 * * *")], after, until, shanghai)
    assert [(one.first, one.last, render(one.text)) for one in found] == [
        (
            "2026-10-01",
            "2026-10-07",
            "2026-10-01..2026-10-07 (Thursday to Wednesday) is off in the calendar cn: National Day",
        ),
        ("2026-10-11", "2026-10-11", "2026-10-11 (Sunday) is off in the calendar cn"),
    ]
    assert left_out([parse_schedule("@daily")], after, until, shanghai) == []
    assert len(left_out([on("@daily", of="week none\n2026-01-01 on")], after, None, shanghai)) == 1


@pytest.mark.parametrize(
    ("text", "days", "english", "chinese"),
    [
        ("30 2 * * *", "working", "at 02:30 on working days (cn)", "工作日（cn） 02:30"),
        ("30 2 * * mon", "working", "at 02:30, on Monday, on working days (cn)", "周一且为工作日（cn） 02:30"),
        ("*/15 * * * *", "off", "every 15 minutes on days off (cn)", "休息日（cn） 每 15 分钟"),
        (
            "0 9 * * *",
            "first_working",
            "at 09:00 on the first working day of the month (cn)",
            "每月第一个工作日（cn） 09:00",
        ),
        (
            "@every 90s",
            "last_working",
            "every 1 minute and 30 seconds on the last working day of the month (cn)",
            "每月最后一个工作日（cn） 每 1 分钟 30 秒",
        ),
        ("@at 2026-10-10T08:00", "working", "once, on 2026-10-10 at 08:00", "仅一次，2026-10-10 08:00"),
    ],
)
def test_a_schedule_with_a_calendar_in_words(text, days, english, chinese):
    assert (describe(on(text, days)), describe(on(text, days), "zh")) == (english, chinese)


def test_texts_without_a_value_are_not_left_in_a_sentence():
    text = Text("schedules.day.off", date="2026-10-01", weekday=Text("schedules.weekday.4"), calendar="cn", words="x")
    assert "{" not in render(text, "zh")


SAMPLES = Path(__file__).parents[2] / "docs/calendars"
# What differs from Monday to Friday: working days on weekends, and days off from Monday to Friday.
CHINA_2026 = (
    "01-04 02-14 02-28 05-09 09-20 10-10",
    "01-01 01-02 02-16 02-17 02-18 02-19 02-20 02-23 04-06 05-01 05-04 05-05 06-19 09-25 10-01 10-02 10-05 10-06 10-07",
)
GERMANY_2026 = ("", "01-01 04-03 04-06 05-01 05-14 05-25 12-25")


@pytest.mark.parametrize(("name", "expected"), [("cn-2026", CHINA_2026), ("de-2026", GERMANY_2026)])
def test_the_samples_of_the_documents_have_the_public_holidays_of_the_year(name, expected):
    found = calendar((SAMPLES / f"{name}.txt").read_text(encoding="utf-8"), name)
    year = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]
    working = {day for day in year if day_in_calendar(found, day_of(str(day))).working}
    weekdays = {day for day in year if day.isoweekday() < 6}
    differing = tuple(
        " ".join(f"{day:%m-%d}" for day in sorted(days)) for days in (working - weekdays, weekdays - working)
    )
    assert differing == expected
    assert calendar_end(found, day_of("2026-12-01")) is None and calendar_end(found, day_of("2026-12-02")) is not None
