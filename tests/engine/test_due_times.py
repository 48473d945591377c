"""No due time is lost and none runs twice, whatever happens to its schedule, its task or the clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minisched.model import Reload
from support.engine import MakeSim, configure, failing_sim, task
from support.sim import Exit


def accounts(one: Any, task_id: str = "a") -> list[tuple[str, str, Any]]:
    """(due time, status, reason) of all that the schedule made due."""
    rows = [row for row in one.rows(task_id) if row["scheduled_time"]]
    return sorted((row["scheduled_time"][11:19], row["status"], row["reason"]) for row in rows)


# ------------------------------------------------------------------------------------------------- another schedule


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({"schedule": "30 * * * *", "task_jitter": "10m"}, [("01:30:00", "success", None)]),
        ({"schedule": "0 * * * *", "task_jitter": "10m", "enabled": False}, []),
        ({"schedule": "0 * * * *", "task_jitter": "10m", "task_timezone": "Asia/Shanghai"}, []),
        (None, []),
    ],
)
def test_a_due_time_whose_start_is_still_delayed_when_its_schedule_goes_is_missed(
    sim: MakeSim, change: Any, after: Any
) -> None:
    one = sim(task(schedule="0 * * * *", task_jitter="10m"), task("b", task_dependencies=["c"]), task("c"))
    one.run_for(3601)
    assert one.rows() == []
    configure(one, *([task(**change)] if change else []), task("c"))
    one.run_for(3000)
    assert accounts(one) == [("01:00:00", "missed", "late"), *after]


def test_any_other_change_leaves_a_delayed_start_where_it_is(sim: MakeSim) -> None:
    one = sim(task(schedule="0 * * * *", task_jitter="10m"))
    one.run_for(3601)
    configure(one, task(schedule="0 * * * *", task_jitter="10m", task_name="A"))
    one.run_for(3000)
    assert accounts(one) == [("01:00:00", "success", None)]


def test_a_due_time_that_waits_for_the_ledger_when_its_schedule_changes_is_missed(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="@every 10m"), task("o", "@every 1m"))
    one.run_for(550)
    ledger.kind = "locked"
    one.run_for(700)
    configure(one, task(schedule="@every 30m"), task("o", "@every 1m"))
    one.run_for(5)
    ledger.kind = ""
    one.run_for(1800)
    assert accounts(one) == [
        ("00:10:00", "missed", "late"),
        ("00:20:00", "missed", "late"),
        ("00:30:00", "success", None),
    ]


def test_a_due_time_of_the_very_moment_of_a_reload_has_its_row(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 10m"), poll_s=1e6)
    configure(one, task(schedule="@every 7m"))
    one.world.at(600.0, lambda: one.post(Reload()))
    one.run_for(900)
    assert accounts(one)[0] == ("00:10:00", "success", None)


def test_dependents_of_a_due_time_missed_by_a_change_are_skipped(sim: MakeSim) -> None:
    one = sim(task(schedule="0 * * * *", task_jitter="10m"), task("b", task_dependencies=["a"]))
    one.run_for(3601)
    configure(one, task(schedule="@every 40m"), task("b", task_dependencies=["a"]))
    one.run_for(5)
    assert one.runs("b") == [("b", "dependency", "skipped", "upstream_failed")]


# ------------------------------------------------------------------------------------------------- a clock set back


def started_twice(one: Any) -> list[str]:
    seen: list[str] = one.dues
    return sorted(due for due in set(seen) if seen.count(due) > 1)


@pytest.fixture
def crowded(sim: MakeSim) -> Any:
    """A task that has run 660 times, of which the history keeps 100."""
    dues: list[str] = []

    def script(launch: Any, draw: Any) -> Exit:
        dues.append(launch.env["MINISCHED_SCHEDULED_TIME"])
        return Exit(0.1)

    one = sim(task(schedule="@every 10s"), script=script, history={"keep_days": 90, "keep_runs": 100})
    one.dues = dues  # type: ignore[attr-defined]
    one.run_for(6600)
    assert len(one.rows()) < 200
    return one


def test_a_clock_set_back_over_due_times_that_retention_has_deleted_runs_none_again(crowded: Any) -> None:
    crowded.world.wall_offset -= 3600
    crowded.run_for(3600 + 60)
    assert started_twice(crowded) == []
    assert len(crowded.dues) == pytest.approx(666, abs=2)


def test_an_engine_that_starts_with_a_clock_set_back_runs_no_deleted_due_time_again(crowded: Any) -> None:
    crowded.stop()
    crowded.world.wall_offset -= 3600
    crowded.boot()
    crowded.run_for(1800)
    configure(crowded, task(schedule="@every 10s", task_name="A"), history={"keep_days": 90, "keep_runs": 100})
    crowded.run_for(1860)
    assert started_twice(crowded) == []
    assert len(crowded.dues) == pytest.approx(666, abs=2)


def test_a_clock_set_back_by_more_than_a_day_was_wrong_before(crowded: Any) -> None:
    crowded.world.wall_offset -= 2 * 86_400
    crowded.run_for(600)
    assert len(crowded.dues) == pytest.approx(720, abs=2)


def test_while_the_ledger_cannot_be_read_a_clock_set_back_makes_nothing_due_again(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="@every 10m"))
    one.run_for(3650)
    ledger.kind = "io"
    one.world.wall_offset -= 1800
    one.run_for(5)
    ledger.kind = ""
    one.run_for(1700)
    assert len(one.rows()) == 6
    one.run_for(700)
    assert [row[1] for row in accounts(one)] == ["success"] * 7


class Counting:
    """A ledger that counts its reads about due times and results."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.reads: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in ("due_times", "record"):
            self.reads.append(name)
        return getattr(self._ledger, name)


def test_a_due_time_costs_no_query_for_what_the_engine_knows(sim: MakeSim) -> None:
    """One query for due times that have a row: the last engine may have had another clock. Then memory suffices."""
    ledgers: list[Counting] = []

    def wrap(ledger: Any) -> Counting:
        ledgers.append(Counting(ledger))
        return ledgers[-1]

    one = sim(task(schedule="@every 10s"), task("b", "@every 10s"), wrap=wrap)
    one.run_for(100)
    assert len(one.rows()) == 20
    assert ledgers[0].reads == ["due_times", "due_times"]
