"""Due times that passed while the engine was down, late or had another clock."""

from __future__ import annotations

from typing import Any

import pytest

from support.engine import T0, MakeSim, configure, exits, task
from support.sim import Exit, Sim


def outage(one: Sim, seconds: float) -> None:
    one.stop()
    one.world.pass_time(seconds)
    one.boot()
    one.run_for(5)


@pytest.mark.parametrize(
    ("misfire", "expected"),
    [
        ("latest", [("missed", "downtime")] * 2 + [("success", None)]),
        ("all", [("success", None)] * 3),
        ("skip", [("missed", "downtime")] * 3),
    ],
)
def test_due_times_that_passed_while_the_engine_was_down(sim: MakeSim, misfire: str, expected: Any) -> None:
    one = sim(task(schedule="@every 60s", task_misfire=misfire))
    one.run_for(65)
    outage(one, 180)
    rows = one.rows()[1:]
    assert sorted((row["scheduled_time"], row["status"], row["reason"]) for row in rows) == [
        (f"2027-01-15T00:0{minute}:00+00:00", *outcome) for minute, outcome in zip((2, 3, 4), expected)
    ]
    assert {row["trigger"] for row in rows if row["status"] == "success"} <= {"catchup"}


def test_misfire_all_catches_up_one_after_the_other_oldest_first(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_misfire="all"), script=exits(a=Exit(10.0)))
    one.run_for(75)
    one.stop()
    one.world.pass_time(180)
    one.boot()
    one.run_for(1)
    assert [row[1:] for row in one.runs()[1:]] == [
        ("catchup", "running", None),
        ("catchup", "queued", "overlap"),
        ("catchup", "queued", "overlap"),
    ]
    one.run_for(35)
    assert [row["start_time"][14:16] for row in one.rows()[1:]] == ["04", "04", "04"]
    assert {row["status"] for row in one.rows()} == {"success"}


def test_an_outage_of_very_many_due_times_is_one_row(sim: MakeSim) -> None:
    one = sim(task(schedule="* * * * *"))
    one.run_for(65)
    outage(one, 3 * 86_400)
    missed, latest = one.rows()[1:]
    assert (missed["status"], missed["missed_count"]) == ("missed", 3 * 1440 - 1)
    assert missed["missed_since"] == "2027-01-15T00:02:00+00:00"
    assert (latest["status"], latest["trigger"]) == ("success", "catchup")


def test_a_due_time_older_than_the_grace_is_missed(sim: MakeSim) -> None:
    one = sim(task(schedule="30 2 * * *", task_misfire_grace="10m"))
    one.run_for(3600)
    outage(one, 3 * 3600)
    assert one.runs() == [("a", "schedule", "missed", "downtime")]


def test_a_new_task_is_not_caught_up(sim: MakeSim) -> None:
    one = sim(task(schedule="* * * * *"), boot=False)
    one.boot()
    one.run_for(30)
    assert one.rows() == []


def test_a_schedule_changed_while_the_engine_was_down_is_counted_from_its_start(sim: MakeSim) -> None:
    one = sim(task(schedule="* * * * *"))
    one.run_for(65)
    one.stop()
    one.world.pass_time(600)
    from support.factories import config

    one.source.write(config(task(schedule="*/2 * * * *")))
    one.boot()
    one.run_for(5)
    assert len(one.rows()) == 1


def test_a_clock_set_forward_starts_the_latest_and_writes_the_others_as_missed(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 10m"))
    one.run_for(660)
    one.world.wall_offset += 3600
    one.run_for(5)
    assert [row[1:] for row in one.runs()] == [
        ("schedule", "success", None),
        *[("schedule", "missed", "late")] * 5,
        ("catchup", "success", None),
    ]
    assert any("the clock was set forward by 3600 s" in line for line in one.lines)


def test_a_clock_set_back_runs_nothing_again_and_goes_on(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 10m"))
    one.run_for(3650)
    before = one.runs()
    one.world.wall_offset -= 1800
    one.run_for(1700)
    assert one.runs() == before
    one.run_for(800)
    assert len(one.runs()) == len(before) + 1
    due = [row["scheduled_time"] for row in one.rows()]
    assert len(due) == len(set(due))


def test_a_wrong_clock_in_the_future_does_not_stop_the_present(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"), now=T0 + 400 * 86_400)
    one.run_for(3700)
    one.stop()
    one.world.wall_offset -= 400 * 86_400
    one.boot()
    one.run_for(3700)
    assert [row[2] for row in one.runs()] == ["success", "success"]


def test_a_machine_that_boots_in_1970_does_not_replay_fifty_years(sim: MakeSim) -> None:
    one = sim(task(schedule="* * * * *", task_misfire="all"), now=1000.0)
    one.run_for(120)
    one.world.wall_offset += T0
    one.run_for(120)
    assert [row["status"] for row in one.rows()] == ["success"] * 4


def test_once_the_clock_is_right_the_real_downtime_counts(sim: MakeSim) -> None:
    one = sim(task(schedule="* * * * *"))
    one.run_for(600)
    one.stop()
    now = one.world.wall()
    one.world.wall_offset -= now - 50.0  # off, and on again without a clock
    for _ in range(2):
        one.boot()
        one.run_for(65)
        one.stop()
    one.boot()
    one.world.wall_offset += now - one.world.wall() + 600  # ten minutes were lost
    one.run_for(3)
    rows = [row for row in one.rows() if row["scheduled_time"] > "2000" and row["start_time"] is None]
    assert {(row["status"], row["reason"]) for row in rows} == {("missed", "late")}
    assert 8 <= len(rows) <= 10
    due = [row["scheduled_time"] for row in one.rows() if row["scheduled_time"] > "2000"]
    assert due == sorted(set(due))


def test_a_retry_does_not_wait_for_a_clock_that_was_set_back(sim: MakeSim) -> None:
    retry = {"max_attempts": 2, "delay": "1m", "max_delay": "2m", "jitter": 0}
    one = sim(task(schedule="@at 2027-01-15T01:00", task_retry=retry), script=exits(a=[Exit(1.0, 9), Exit(1.0)]))
    one.run_for(3610)
    one.stop()
    one.world.wall_offset -= one.world.wall() - 100.0
    one.boot()
    one.run_for(121)
    assert [row[2] for row in one.runs()] == ["success"]


def test_an_engine_held_up_writes_what_it_could_not_start_in_time(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1s"), script=exits(a=Exit(0.1)))
    one.run_for(3.5)
    one.world.mono += 6  # stopped and continued: both clocks went on
    one.run_for(2)
    outcome = [row[2:] for row in one.runs()]
    assert ("missed", "late") in outcome
    due = [row["scheduled_time"] for row in one.rows()]
    assert due == [f"2027-01-15T00:00:{second:02}+00:00" for second in range(1, len(due) + 1)]


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
def test_with_all_the_newest_after_a_stall_waits_for_its_turn_like_the_others(sim: MakeSim, overlap: str) -> None:
    one = sim(
        task(schedule="@every 5s", task_misfire="all", task_overlap=overlap), script=lambda *_: Exit(0.3), poll_s=60.0
    )
    one.run_for(6)
    one.world.mono += 31.5  # stopped and continued: both clocks went on, to a moment after a due time
    one.world.mono = one.world.mono // 5 * 5 + 0.5
    one.run_for(4)
    rows = one.rows()
    due = [row["scheduled_time"][17:19] for row in rows]
    assert due == [f"{second:02}" for second in range(5, 5 * len(due) + 1, 5)] and len(due) >= 7
    assert {row["status"] for row in rows} == {"success"}


def test_jitter_delays_a_start_by_the_same_share_every_time(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h", task_jitter="10m"), task("b", "@every 1h", task_jitter="10m"))
    one.run_for(3 * 3600)
    starts = {row["task_id"]: row["start_time"] for row in one.rows()}
    assert all(row["scheduled_time"][14:] == "00:00+00:00" for row in one.rows())
    assert all(0 <= int(row["start_time"][14:16]) < 10 for row in one.rows())
    assert starts["a"] != starts["b"]


def test_reboot_runs_once_per_boot_of_the_machine(sim: MakeSim) -> None:
    one = sim(task(schedule="@reboot"))
    one.run_for(10)
    one.stop()
    one.boot()
    one.run_for(10)
    assert one.runs() == [("a", "reboot", "success", None)]
    one.stop()
    configure(one, task(schedule="@reboot", enabled=False))
    one.boot()
    one.run_for(5)
    one.stop()
    configure(one, task(schedule="@reboot"))
    one.boot()
    one.run_for(5)
    assert len(one.runs()) == 1  # still the same boot
    one.stop()
    one.world.boot_id = "boot-2"
    one.boot()
    one.run_for(10)
    assert one.runs() == [("a", "reboot", "success", None)] * 2


def test_where_the_boot_is_not_known_reboot_runs_at_each_start(sim: MakeSim) -> None:
    one = sim(task(schedule="@reboot"), boot=False)
    one.world.boot_id = ""
    for _ in range(2):
        one.boot()
        one.run_for(5)
        configure(one, task(schedule="@reboot", task_name=f"A{one.engines}"))
        one.run_for(5)
        one.stop()
    assert one.runs() == [("a", "reboot", "success", None)] * 2
