"""Tasks with a calendar: which days have a row, over outages, clock steps and another version of the calendar."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from minisched.config import parse_document
from minisched.model import Config
from minisched.timetable import fires_between, load_zone, schedules_of
from support.bruteforce import days_of_calendar
from support.engine import MakeSim, task
from support.sim import Sim

DAY_S = 86_400
SUNDAY = datetime(2027, 1, 17, tzinfo=timezone.utc).timestamp()  # of 2027-01-17, at midnight
POLL_S = 600.0
WEEK = "week mon-fri\n2027-01-20 off holiday\n2027-01-23 on make-up day\n"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Config]:
    (tmp_path / "tasks").mkdir()

    def make(calendar: str, *tasks: dict[str, Any], **settings: Any) -> Config:
        (tmp_path / "tasks/cn.txt").write_text(calendar)
        settings = {"timezone": "UTC", "calendars": {"cn": {"file": "tasks/cn.txt"}}, **settings}
        config, problems = parse_document({"settings": settings, "tasks": list(tasks)}, home=str(tmp_path))
        assert config is not None, problems
        return config

    return make


def daily(task_id: str = "a", days: str = "working", schedule: Any = "0 8 * * *", **fields: Any) -> dict[str, Any]:
    return task(task_id, schedule, task_calendar={"name": "cn", "days": days}, **fields)


def days(one: Sim, task_id: str = "a") -> list[tuple[str, str]]:
    """(day of January, status) of all runs."""
    return [(row["scheduled_time"][8:10], row["status"]) for row in one.rows(task_id)]


def test_only_the_days_of_the_calendar_have_a_run(sim: MakeSim, load: Callable[..., Config]) -> None:
    tasks = daily(), daily("off", "off"), daily("first", "first_working"), daily("last", "last_working")
    one = sim(config=load(WEEK, *tasks), now=SUNDAY, poll_s=POLL_S)
    one.run_for(16 * DAY_S)
    on = ["18", "19", "21", "22", "23", "25", "26", "27", "28", "29", "01"]
    assert days(one) == [(day, "success") for day in on]
    assert [day for day, _ in days(one, "off")] == ["17", "20", "24", "30", "31"]
    assert [day for day, _ in days(one, "first")] == ["01"] and [day for day, _ in days(one, "last")] == ["29"]
    assert one.next_run_time("a") == "2027-02-02T08:00:00+00:00"


def test_days_of_an_outage_are_missed_only_if_they_are_days_of_the_calendar(
    sim: MakeSim, load: Callable[..., Config]
) -> None:
    one = sim(config=load(WEEK, daily()), now=SUNDAY, poll_s=POLL_S)
    one.run_for(1.5 * DAY_S)
    one.stop()
    one.world.pass_time(6 * DAY_S)
    one.boot()
    one.run_for(60)
    assert days(one) == [("18", "success"), *((day, "missed") for day in ("19", "21", "22", "23"))]
    assert {row[3] for row in one.runs()[1:]} == {"downtime"}


def test_a_long_outage_is_one_row_with_the_number_of_days_of_the_calendar(
    sim: MakeSim, load: Callable[..., Config]
) -> None:
    one = sim(config=load(WEEK, daily(schedule="*/10 * * * *", task_misfire="skip")), now=SUNDAY, poll_s=POLL_S)
    one.run_for(60)
    one.stop()
    one.world.pass_time(7 * DAY_S)
    one.boot()
    one.run_for(60)
    (row,) = one.rows()
    assert (row["missed_count"], row["missed_since"]) == (5 * 144, "2027-01-18T00:00:00+00:00")


def test_a_year_added_to_the_calendar_leaves_a_delayed_start_where_it_is(
    sim: MakeSim, load: Callable[..., Config]
) -> None:
    one = sim(config=load(WEEK, daily(task_jitter="1h")), now=SUNDAY, poll_s=POLL_S)
    one.run_for(DAY_S + 8 * 3600 + 1)  # the start of Monday's due time is still delayed
    assert one.rows() == []
    one.source.write(load(f"{WEEK}2027-02-01 off\n", daily(task_jitter="1h")))
    one.run_for(15 * DAY_S)
    assert days(one)[0] == ("18", "success") and ("01", "success") not in days(one)
    assert {status for _, status in days(one)} == {"success"}


def test_a_past_day_that_becomes_a_working_day_is_not_made_up(sim: MakeSim, load: Callable[..., Config]) -> None:
    one = sim(config=load(WEEK, daily()), now=SUNDAY, poll_s=POLL_S)
    one.run_for(3.5 * DAY_S)  # Wednesday, which is off
    one.source.write(load("week mon-fri\n2027-01-23 on\n", daily()))
    one.run_for(2 * DAY_S)
    assert [day for day, _ in days(one)] == ["18", "19", "21", "22"]


def test_a_day_that_becomes_a_day_off_before_it_comes_is_not_due(sim: MakeSim, load: Callable[..., Config]) -> None:
    one = sim(config=load(WEEK, daily()), now=SUNDAY, poll_s=POLL_S)
    one.run_for(1.3 * DAY_S)  # Monday, before 08:00
    one.source.write(load("week tue-fri\n", daily()))
    one.run_for(1.2 * DAY_S)
    assert [day for day, _ in days(one)] == ["19"]


def test_other_words_change_nothing(sim: MakeSim, load: Callable[..., Config]) -> None:
    one = sim(config=load(WEEK, daily(task_jitter="1h")), now=SUNDAY, poll_s=POLL_S)
    one.run_for(DAY_S + 8 * 3600 + 1)
    one.source.write(load(f"# comment\n{WEEK.replace('holiday', 'festival')}", daily(task_jitter="1h")))
    one.run_for(DAY_S)
    assert days(one) == [("18", "success")]
    rule = one.engine.snapshot.tasks["a"].task.task_calendar
    assert [line.words for line in rule.calendar.lines] == ["festival", "make-up day"]


@pytest.mark.parametrize("kill", [False, True])
def test_a_calendar_changed_during_an_outage_judges_the_days_of_the_outage(
    sim: MakeSim, load: Callable[..., Config], kill: bool
) -> None:
    one = sim(config=load(WEEK, daily()), now=SUNDAY, poll_s=POLL_S)
    one.run_for(3.5 * DAY_S)  # Wednesday, which is off
    one.crash() if kill else one.stop()
    one.source.write(load("week mon-fri\n2027-01-22 off\n", daily()))  # Wednesday becomes a working day, Friday off
    one.world.pass_time(2.4 * DAY_S)
    one.boot()
    one.run_for(60)
    assert days(one) == [("18", "success"), ("19", "success"), ("21", "missed")]


def test_the_clock_set_back_over_a_day_off_runs_nothing_twice(sim: MakeSim, load: Callable[..., Config]) -> None:
    one = sim(config=load(WEEK, daily()), now=SUNDAY, poll_s=POLL_S)
    one.run_for(4.5 * DAY_S)
    one.world.set_clock(-2 * DAY_S)
    one.run_for(4 * DAY_S)
    assert days(one) == [(day, "success") for day in ("18", "19", "21", "22", "23")]


def test_a_clock_set_forward_over_days_off_misses_the_working_days(sim: MakeSim, load: Callable[..., Config]) -> None:
    one = sim(config=load(WEEK, daily()), now=SUNDAY, poll_s=POLL_S)
    one.run_for(1.5 * DAY_S)
    one.world.set_clock(5 * DAY_S)
    one.run_for(60)
    assert days(one) == [("18", "success"), ("19", "missed"), ("21", "missed"), ("22", "missed"), ("23", "missed")]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Africa/Casablanca", "Asia/Beirut", "America/Nuuk", "Asia/Shanghai"])
def test_three_weeks_with_kills_and_edits_have_one_row_for_each_due_time(
    sim: MakeSim, load: Callable[..., Config], zone: str
) -> None:
    draw = random.Random(zone)
    start = datetime(2027, 3, 15, tzinfo=timezone.utc).timestamp()
    tasks = [
        daily(f"{rule}{number}", rule, schedule, task_timezone=zone, task_misfire="all", task_misfire_grace="3d")
        for rule in ("working", "off", "first_working", "last_working")
        for number, schedule in enumerate(("30 2 * * *", "0 0 * * *", "30 23 * * *", "0 */6 * * *"))
    ]
    text = "week mon-fri\n2027-03-26..2027-03-29 off Easter\n2027-04-03 on\n"
    one = sim(config=load(text, *tasks, timezone=zone), now=start, poll_s=POLL_S)
    for number in range(30):
        one.run_for(draw.uniform(0.1, 0.9) * DAY_S)
        if number % 4 == 1:  # days later than all that the simulation comes to
            one.source.write(load(f"{text}2028-01-{number // 4 + 1:02} off\n", *tasks, timezone=zone))
        if number % 3 == 0:
            one.crash()
            one.world.pass_time(draw.uniform(0, 3600))
            one.boot()
    one.run_for(3600)
    for found in one.engine.snapshot.tasks.values():
        due = fires_between(schedules_of(found.task), start, one.world.wall(), load_zone(zone), 10_000)
        rows = one.rows(found.task.task_id)
        times = [datetime.fromisoformat(row["scheduled_time"]).timestamp() for row in rows]
        assert sorted(times) == due
        allowed = days_of_calendar(text, found.task.task_calendar.days)
        assert zone != "Asia/Shanghai" or all(
            allowed(datetime.fromtimestamp(time, load_zone(zone)).date()) for time in times
        )
