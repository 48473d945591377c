"""Schedules for other engines: what is printed means the same, and where it does not, the nights are known."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisched.migration.clocks import (
    UTC,
    LeftOut,
    as_cron,
    five_fields,
    merged,
    next_robfig,
    next_systemd,
    nights,
    on_calendar,
    their_fires,
)
from minisched.timetable import ScheduleError, fires_between, load_zone, next_fires, parse_schedule
from minisched.timetable.schedule import CronSchedule

HOUR_S = 3600
DAY_S = 24 * HOUR_S
NOW = 1_795_000_000  # November 2026
UTC_ZONE = load_zone("UTC")


def instant(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp())


def cron(text: str) -> CronSchedule:
    found = parse_schedule(text)
    assert isinstance(found, CronSchedule)
    return found


# --------------------------------------------------------------------------------------------- nights as they were seen

# What the real engines answered: 18 schedules in 6 zones at 11 changes of the clocks. `a+s*n` are n instants from a on,
# s seconds apart. The list of systemd was cut at 60 instants.
ROWS = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "dst_nights.tsv").read_text(encoding="utf-8").splitlines()[1:]
]


def seen(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split():
        first, step, count = (*re.split(r"[+*]", part), "0", "1")[:3]
        found += [int(first) + index * int(step) for index in range(int(count))]
    return found


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]} {row[1]} {row[2]}" for row in ROWS])
def test_the_clocks_answer_as_the_real_engines(row: tuple[str, ...]) -> None:
    text, name, night, ours, robfig, systemd = row
    zone, schedule = load_zone(name), cron(text)
    noon = instant(f"{night}T12:00")
    offset = datetime.fromtimestamp(noon, zone).utcoffset()
    assert offset is not None
    after = noon - 30 * HOUR_S - int(offset.total_seconds())
    until = after + 44 * HOUR_S
    assert fires_between([schedule], after, until, zone, 10**6) == seen(ours)
    assert their_fires([schedule], after, until, zone, next_robfig) == seen(robfig)
    if len(seen(systemd)) < 60:
        assert their_fires([schedule], after, until, zone, next_systemd) == seen(systemd)


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("30 2 * * *", next_robfig, {"2027-03-28": ("03:00:00+02:00", None), "2027-10-31": (None, "02:30:00+01:00")}),
        ("30 2 * * *", next_systemd, {"2027-03-28": ("03:00:00+02:00", None)}),
        ("*/30 * * * *", next_systemd, {"2027-10-31": ("02:00:00+01:00", None)}),
        ("*/30 * * * *", next_robfig, {}),
        ("0 12 * * *", next_robfig, {}),
        ("@every 15m", next_systemd, {}),
    ],
)
def test_the_nights_of_the_next_two_years_are_named(text: str, target: object, expected: dict[str, object]) -> None:
    found = nights([parse_schedule(text)], load_zone("Europe/Berlin"), NOW, target)  # type: ignore[arg-type]
    shown = {one.day: (one.ours[0] if one.ours else None, one.theirs[0] if one.theirs else None) for one in found}
    assert {day: times for day, times in shown.items() if day.startswith("2027")} == expected
    assert len(found) == 2 * len(expected)


# ---------------------------------------------------------------------------------------------------------- five fields

LISTS = st.lists(st.integers(0, 59), min_size=1, max_size=4).map(lambda numbers: ",".join(map(str, numbers)))
MINUTES = st.one_of(st.sampled_from(["*", "*/7", "0", "5-10", "50-5", "5/20", "05"]), LISTS)
HOURS = st.sampled_from(["*", "*/2", "3", "22-2", "8-18/3", "1,2,3,5"])
DAYS = st.sampled_from(["*", "*/2", "1", "1-31", "28-31", "15,20,25"])
MONTHS = st.sampled_from(["*", "jan", "nov-feb", "*/3", "6"])
WEEKDAYS = st.sampled_from(["*", "mon", "fri-mon", "7", "sat,sun", "*/2", "1-5"])
TEXTS = st.builds("{} {} {} {} {}".format, MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS)
PLAIN = re.compile(r"(?:\*|[0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*)(?:/[0-9]+)?")


@settings(deadline=None)
@given(TEXTS)
def test_five_fields_mean_the_same_and_are_plain(text: str) -> None:
    try:
        schedule = cron(text)
        printed = five_fields(schedule, both=True)
    except (ScheduleError, LeftOut):
        return
    assert all(PLAIN.fullmatch(field) for field in printed.split())
    assert next_fires([cron(printed)], NOW, UTC_ZONE, 30) == next_fires([schedule], NOW, UTC_ZONE, 30)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("*/15 8-18 * * mon-fri", "0,15,30,45 8-18 * * 1-5"),
        ("0 22-2 * * fri-mon", "0 0-2,22,23 * * 0,1,5,6"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 1-31 * mon", "0 0 * * *"),  # either day field: every day
        ("0 0 13 * fri", "0 0 13 * 5"),
        ("5/20 5-5 * 5 *", "5,25,45 5 * 5 *"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_five_fields_as_they_are_printed(text: str, printed: str) -> None:
    assert five_fields(cron(text), both=False) == printed


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0 0 */2 * mon", "export.lost.both_days"),
        ("10 0 0 * * *", "export.lost.seconds"),
        ("0 0 L * *", "export.lost.dialect"),
        ("0 0 * * 5#3", "export.lost.dialect"),
        ("@every 7m", "export.lost.every"),
        ("@every 36h", "export.lost.every"),
        ("@at 2026-12-01T08:00", "export.lost.at"),
        ("@reboot", "export.lost.reboot"),
    ],
)
def test_what_cannot_be_printed_says_which_part(text: str, code: str) -> None:
    with pytest.raises(LeftOut) as error:
        five_fields(as_cron(parse_schedule(text))[0], both=False)
    assert error.value.text.code == code


@pytest.mark.parametrize("text", ["@every 5s", "@every 15m", "@every 1h", "@every 6h", "@every 1d"])
def test_every_is_cron_where_it_divides_the_hour_or_the_day(text: str) -> None:
    schedule, utc = as_cron(parse_schedule(text))
    assert utc
    assert fires_between([schedule], NOW, NOW + DAY_S, UTC_ZONE, 10**6) == fires_between(
        [parse_schedule(text)], NOW, NOW + DAY_S, UTC_ZONE, 10**6
    )


def test_schedules_that_differ_in_one_field_are_one() -> None:
    def printed(*texts: str) -> list[str]:
        return [five_fields(as_cron(one)[0], both=True) for one in merged(texts, "t")]

    assert printed("0 6 * * *", "0 18 * * *") == ["0 6,18 * * *"]
    assert printed("0 6 * * *", "30 18 * * *") == ["0 6 * * *", "30 18 * * *"]
    assert printed("0 6 * * mon", "0 6 * * tue", "0 7 * * mon") == ["0 6 * * 1,2", "0 7 * * 1"]
    assert printed("0 6 1 * mon", "0 6 2 * mon") == ["0 6 1 * 1", "0 6 2 * 1"]  # either day field: not one


# -------------------------------------------------------------------------------------------------------------- systemd


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("30 2 * * *", ["*-*-* 02:30:00"]),
        ("*/10 * * * * *", ["*-*-* *:*:00,10,20,30,40,50"]),
        ("0 8-18 * * mon-fri", ["Mon,Tue,Wed,Thu,Fri *-*-* 08..18:00:00"]),
        ("0 0 13 * fri", ["Fri *-*-* 00:00:00", "*-*-13 00:00:00"]),
        ("0 0 1 jan *", ["*-01-01 00:00:00"]),
        ("0 0 L * *", ["*-*~01 00:00:00"]),
        ("0 0 15,L * *", ["*-*-15 00:00:00", "*-*~01 00:00:00"]),
        ("0 0 * * 5L", ["Fri *-*~07/1 00:00:00"]),
        ("0 0 * * 5#3", ["Fri *-*-15..21 00:00:00"]),
        ("0 0 * * 1#5", ["Mon *-*-29..31 00:00:00"]),
        ("@at 2026-12-01T08:00", ["2026-12-01 08:00:00"]),
    ],
)
def test_calendar_events_as_they_are_printed(text: str, values: list[str]) -> None:
    assert on_calendar(parse_schedule(text), "Europe/Berlin") == [f"{value} Europe/Berlin" for value in values]


def test_every_is_counted_in_utc() -> None:
    assert on_calendar(parse_schedule("@every 6h"), "Asia/Shanghai") == [f"*-*-* 00,06,12,18:00:00 {UTC}"]
    assert on_calendar(parse_schedule("@at 2026-12-01T08:00Z"), "Asia/Shanghai") == [f"2026-12-01 08:00:00 {UTC}"]


SAMPLES = [
    "30 2 * * *",
    "*/15 8-18 * * mon-fri",
    "0 22-2 * * fri-mon",
    "0 0 13 * fri",
    "0 0 */2 * mon",
    "*/10 * * * * *",
    "0 0 29 2 *",
    "0 0 L * *",
    "0 0 15,L * *",
    "0 0 * * 5L",
    "0 0 * * mon,5#3",
    "0 12 * * 1#5",
    "@every 15m",
    "@every 6h",
    "@weekly",
]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("text", SAMPLES)
def test_systemd_reads_the_same_instants(text: str) -> None:
    schedule = parse_schedule(text)
    found: set[int] = set()
    for value in on_calendar(schedule, "UTC"):
        done = subprocess.run(
            ["systemd-analyze", "calendar", "--iterations=25", f"--base-time=@{NOW}", value],
            capture_output=True,
            text=True,
            env={"LC_ALL": "C", "TZ": "UTC"},
            check=True,
        )
        for moment in re.findall(r"(?:Next elapse|Iter\. #\d+|Iteration #\d+): \w+ ([-0-9]+ [:0-9]+) UTC", done.stdout):
            found.add(int(datetime.fromisoformat(moment).replace(tzinfo=timezone.utc).timestamp()))
    expected = next_fires([schedule], NOW, UTC_ZONE, 15)
    assert sorted(found)[: len(expected)] == expected
