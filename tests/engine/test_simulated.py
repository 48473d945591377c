"""The engine's behaviour, one fact a test, under a clock that jumps from event to event."""

from __future__ import annotations

import random
from typing import Any

import pytest

from minisched.model import FieldError, ProcessSpec, Reload, Stop, Text
from support.engine import T0, MakeSim, configure, exits, problems, start, task
from support.sim import Exit, Sim

# ------------------------------------------------------------------------------------------------------ running, retry


def test_a_due_task_runs_once_at_its_time(sim: MakeSim) -> None:
    one = sim(task(schedule="30 2 * * *"))
    one.run_for(86_400)
    (row,) = one.rows()
    assert (row["status"], row["trigger"], row["exit_code"], row["attempt"]) == ("success", "schedule", 0, 1)
    assert row["scheduled_time"] == row["start_time"].split(".")[0] == "2027-01-15T02:30:00+00:00"
    assert row["duration"] == 1.0


def test_a_business_failure_is_not_retried(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h", task_retry={"max_attempts": 3}), script=exits(a=Exit(1.0, 1)))
    one.run_for(3700)
    (row,) = one.rows()
    assert (row["status"], row["reason"], row["attempt"], row["exit_code"]) == ("business_failure", "exit_code", 1, 1)


def test_a_technical_failure_is_retried_after_its_delay(sim: MakeSim) -> None:
    retry = {"max_attempts": 3, "delay": 30, "backoff": 2, "jitter": 0}
    one = sim(
        task(schedule="@every 1h", task_retry=retry), script=exits(a=[Exit(2.0, 75), Exit(2.0, None, 9), Exit(2.0)])
    )
    one.run_for(3700)
    (row,) = one.rows()
    assert (row["status"], row["attempt"], row["max_attempts"]) == ("success", 3, 3)
    assert [(try_["status"], try_["reason"], try_["signal"]) for try_ in row["attempts"]] == [
        ("technical_failure", "exit_code", None),
        ("technical_failure", "signal", 9),
        ("success", None, None),
    ]
    starts = [try_["start_time"][14:19] for try_ in row["attempts"]]
    assert starts == ["00:00", "00:32", "01:34"]
    assert row["duration"] == 6.0


def test_a_run_is_retrying_until_its_next_attempt(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h", task_retry={"max_attempts": 2, "delay": 60}), script=exits(a=Exit(1.0, 9)))
    one.run_for(3610)
    (row,) = one.rows()
    assert (row["status"], row["reason"], row["end_time"]) == ("retrying", "exit_code", None)


def test_the_last_attempts_failure_is_the_runs(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h", task_retry={"max_attempts": 2, "delay": 5}), script=exits(a=Exit(1.0, 75)))
    one.run_for(3700)
    (row,) = one.rows()
    assert (row["status"], row["reason"], row["attempt"], row["exit_code"]) == ("technical_failure", "exit_code", 2, 75)


def test_a_timeout_is_a_technical_failure(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h", task_timeout=10), script=exits(a=Exit(60.0)))
    one.run_for(3700)
    assert one.told() == [("a", "schedule", "technical_failure", "timeout")]


def test_the_log_says_who_what_state_and_next(sim: MakeSim) -> None:
    retry = {"max_attempts": 2, "delay": 30, "jitter": 0}
    one = sim(task(schedule="@every 1h", task_retry=retry), script=exits(a=[Exit(3.2, 75), Exit(1.0)]))
    one.run_for(3700)
    assert (
        "WARNING run 1 of a: retrying (exit_code: exit code 75) after 3.2 s, attempt 1 of 2, next in 30 s" in one.lines
    )
    assert "INFO run 1 of a: success after 1.0 s, attempt 2 of 2" in one.lines


def test_a_script_is_told_who_it_is_and_for_which_time(sim: MakeSim) -> None:
    seen: list[dict[str, str]] = []

    def script(launch: ProcessSpec, draw: random.Random) -> Exit:
        seen.append(dict(launch.env))
        return Exit(1.0)

    one = sim(task(schedule="@every 1h", task_env={"MODE": "full"}, task_timezone="Asia/Shanghai"), script=script)
    one.run_for(7300)
    assert seen[0] == {
        "PATH": "/bin",
        "PYTHONUNBUFFERED": "1",
        "MODE": "full",
        "MINISCHED_HOME": "/home",
        "MINISCHED_TASK_ID": "a",
        "MINISCHED_RUN_ID": "1",
        "MINISCHED_ATTEMPT": "1",
        "MINISCHED_TRIGGER": "schedule",
        "MINISCHED_SCHEDULED_TIME": "2027-01-15T09:00:00+08:00",
        "MINISCHED_PREVIOUS_STATUS": "",
        "MINISCHED_LAST_SUCCESS_TIME": "",
    }
    assert seen[1]["MINISCHED_PREVIOUS_STATUS"] == "success"
    assert seen[1]["MINISCHED_LAST_SUCCESS_TIME"].startswith("2027-01-15T09:00:01")


def test_a_secret_that_is_missing_fails_the_start_and_says_which(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h", task_env={"KEY": {"from_env": "NOT_THERE"}}))
    one.run_for(3700)
    (row,) = one.rows()
    assert (row["status"], row["reason"]) == ("technical_failure", "spawn")
    missing = {"code": "variable_not_set", "name": "NOT_THERE"}
    assert row["detail"] == {"code": "task_env", "name": "KEY", "reason": missing}
    why = "task_env: KEY: environment variable NOT_THERE is not set"
    assert any(f"WARNING run 1 of a: technical_failure (spawn: {why})" in line for line in one.lines)


# ---------------------------------------------------------------------------------------------------- overlap, capacity


def blocked_by(run_id: int, status: str) -> dict[str, Any]:
    return {"code": "blocked_by", "runs": [{"code": "run_status", "run_id": run_id, "status": status}]}


def test_overlap_skip_writes_the_due_time_as_skipped(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), script=exits(a=Exit(90.0)))
    one.run_for(200)
    assert one.told()[:3] == [
        ("a", "schedule", "success", None),
        ("a", "schedule", "skipped", "overlap"),
        ("a", "schedule", "running", None),
    ]
    assert one.rows()[1]["detail"] == blocked_by(1, "running")
    assert "WARNING run 2 of a: skipped (overlap: run 1 is running)" in one.lines


def test_overlap_queue_holds_one_run_and_skips_the_further_ones(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="queue"), script=exits(a=Exit(150.0)))
    one.run_for(190)
    assert [row[2:] for row in one.told()] == [("running", None), ("queued", "overlap"), ("skipped", "queue_full")]
    one.run_for(30)
    assert [row[2:] for row in one.told()][:2] == [("success", None), ("running", None)]


def test_overlap_replace_cancels_the_running_one_and_starts_the_new_one_when_it_is_gone(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="replace"), script=exits(a=Exit(90.0)))
    one.run_for(130)
    assert [row[2:] for row in one.told()] == [("cancelled", "replaced"), ("running", None)]
    assert len(one.world.processes) == 1


def test_replace_cancels_a_run_that_waits_for_its_retry_at_once(sim: MakeSim) -> None:
    one = sim(
        task(schedule="@every 60s", task_overlap="replace", task_retry={"max_attempts": 2, "delay": "10m"}),
        script=exits(a=[Exit(1.0, 9), Exit(30.0)]),
    )
    one.run_for(125)
    assert [row[2:] for row in one.told()] == [("cancelled", "replaced"), ("running", None)]


def test_a_retrying_run_holds_its_place(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_retry={"max_attempts": 2, "delay": "10m"}), script=exits(a=Exit(1.0, 9)))
    one.run_for(125)
    assert [row[2:] for row in one.told()] == [("retrying", "exit_code"), ("skipped", "overlap")]
    assert one.rows()[1]["detail"] == blocked_by(1, "retrying")


def test_several_instances_run_beside_each_other_up_to_their_number(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_max_instances=2), script=exits(a=Exit(1000.0)))
    one.run_for(190)
    assert [row[2] for row in one.told()] == ["running", "running", "skipped"]


def test_more_than_max_running_are_queued_first_due_first_started(sim: MakeSim) -> None:
    names = ["c", "a", "d", "b"]
    one = sim(*(task(name, "@every 60s") for name in names), script=lambda launch, draw: Exit(10.0), max_running=2)
    one.run_for(61)
    assert [row[2:] for row in one.told()] == [("running", None)] * 2 + [("queued", "max_running")] * 2
    one.run_for(15)
    assert [start[0] for start in one.world.starts] == names
    one.run_for(10)
    assert {row[2] for row in one.told()} == {"success"}


def test_a_task_queued_for_capacity_holds_its_place(sim: MakeSim) -> None:
    one = sim(task("long", "@every 60s"), task("a", "@every 60s"), script=exits(long=Exit(1000.0)), max_running=1)
    one.run_for(190)
    assert [row[2:] for row in one.told("a")] == [
        ("queued", "max_running"),
        ("skipped", "overlap"),
        ("skipped", "overlap"),
    ]


def test_a_retry_waits_for_capacity_too(sim: MakeSim) -> None:
    one = sim(
        task("a", "@at 2027-01-15T00:01", task_retry={"max_attempts": 2, "delay": 30, "jitter": 0}),
        task("long", "@at 2027-01-15T00:01:05"),
        script=exits(a=[Exit(1.0, 9), Exit(1.0)], long=Exit(100.0)),
        max_running=1,
    )
    one.run_for(120)
    assert one.told("a") == [("a", "schedule", "queued", "max_running")]
    one.run_for(100)
    assert one.told("a") == [("a", "schedule", "success", None)]


# --------------------------------------------------------------------------------------------------------- dependencies


def test_a_task_without_a_schedule_runs_once_all_its_dependencies_have_succeeded(sim: MakeSim) -> None:
    one = sim(
        task("a", "@every 60s"),
        task("b", "@every 2m"),
        task("c", task_dependencies=["a", "b"]),
    )
    one.run_for(250)
    told = one.told("c")
    assert told == [("c", "dependency", "success", None)] * 2
    assert one.rows("c")[0]["start_time"] > "2027-01-15T00:02:01"


def test_a_scheduled_task_waits_for_its_dependencies_and_says_for_whom(sim: MakeSim) -> None:
    one = sim(
        task("export", "@at 2027-01-15T02:40"),
        task("load", "@at 2027-01-15T02:50"),
        task("report", "30 2 * * *", task_dependencies=["export", "load"]),
    )
    one.run_until(T0 + 2.6 * 3600)
    assert one.told("report") == [("report", "schedule", "waiting", "export,load")]
    one.run_until(T0 + 2.75 * 3600)
    assert one.told("report") == [("report", "schedule", "waiting", "load")]
    one.run_until(T0 + 3 * 3600)
    (row,) = one.rows("report")
    assert (row["status"], row["start_time"][11:19]) == ("success", "02:50:01")


def test_tokens_that_lie_there_already_let_it_start_at_its_time(sim: MakeSim) -> None:
    one = sim(task("export", "0 1 * * *"), task("report", "30 2 * * *", task_dependencies=["export"]))
    one.run_for(86_400)
    (row,) = one.rows("report")
    assert (row["status"], row["start_time"][11:19]) == ("success", "02:30:00")


def test_a_waiting_run_is_superseded_by_its_next_due_time(sim: MakeSim) -> None:
    one = sim(task("export", "@at 2027-01-15T00:02:30"), task("report", "@every 60s", task_dependencies=["export"]))
    one.run_for(185)
    assert [row[2:] for row in one.told("report")] == [
        ("skipped", "superseded"),
        ("success", None),
        ("waiting", "export"),
    ]


def test_a_waiting_run_ends_at_its_dependency_timeout(sim: MakeSim) -> None:
    one = sim(
        task("export"),
        task("report", "@every 1h", task_dependencies=["export"], task_dependency_timeout="10m"),
    )
    one.run_for(3600 + 599)
    assert one.told("report") == [("report", "schedule", "waiting", "export")]
    one.run_for(2)
    assert one.told("report") == [("report", "schedule", "skipped", "dependency_timeout")]


def test_a_failed_dependency_skips_the_chain_behind_it_with_the_cause(sim: MakeSim) -> None:
    one = sim(
        task("a", "@every 1h"),
        task("b", task_dependencies=["a"]),
        task("c", task_dependencies=["b"]),
        script=exits(a=Exit(1.0, 1)),
    )
    one.run_for(3700)
    assert one.told()[1:] == [
        ("b", "dependency", "skipped", "upstream_failed"),
        ("c", "dependency", "skipped", "upstream_failed"),
    ]
    assert one.rows("b")[0]["detail"] == {
        "code": "upstream_failed",
        "task": "a",
        "status": "business_failure",
        "reason": "exit_code",
    }


def test_a_restart_loses_no_half_filled_join(sim: MakeSim) -> None:
    one = sim(
        task("a", "@at 2027-01-15T00:01"), task("b", "@at 2027-01-15T00:10"), task("c", task_dependencies=["a", "b"])
    )
    one.run_for(120)
    assert one.stop() == 0
    one.world.pass_time(60)
    one.boot()
    one.run_for(600)
    assert one.told("c") == [("c", "dependency", "success", None)]


def test_a_restart_goes_on_waiting(sim: MakeSim) -> None:
    one = sim(task("a", "@at 2027-01-15T00:10"), task("b", "@at 2027-01-15T00:01", task_dependencies=["a"]))
    one.run_for(120)
    one.stop()
    one.boot()
    assert one.told("b") == [("b", "schedule", "waiting", "a")]
    one.run_for(600)
    assert one.told("b") == [("b", "schedule", "success", None)]


def test_a_manual_run_takes_no_token_and_its_success_puts_them_down(sim: MakeSim) -> None:
    one = sim(task("a"), task("b", task_dependencies=["a"]), task("c", task_dependencies=["b"]))
    start(one, "b", DAY="monday")
    one.run_for(10)
    assert one.told() == [("b", "manual", "success", None), ("c", "dependency", "success", None)]


# -------------------------------------------------------------------------------------------------- downtime and clocks


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
        (f"2027-01-15T00:0{minute}:00+00:00", *told) for minute, told in zip((2, 3, 4), expected)
    ]
    assert {row["trigger"] for row in rows if row["status"] == "success"} <= {"catchup"}


def test_with_all_the_oldest_is_caught_up_first_one_after_the_other(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_misfire="all"), script=exits(a=Exit(10.0)))
    one.run_for(75)
    one.stop()
    one.world.pass_time(180)
    one.boot()
    one.run_for(1)
    assert [row[1:] for row in one.told()[1:]] == [
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
    assert one.told() == [("a", "schedule", "missed", "downtime")]


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
    assert [row[1:] for row in one.told()] == [
        ("schedule", "success", None),
        *[("schedule", "missed", "late")] * 5,
        ("catchup", "success", None),
    ]
    assert any("the clock was set forward by 3600 s" in line for line in one.lines)


def test_a_clock_set_back_runs_nothing_again_and_goes_on(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 10m"))
    one.run_for(3650)
    before = one.told()
    one.world.wall_offset -= 1800
    one.run_for(1700)
    assert one.told() == before
    one.run_for(800)
    assert len(one.told()) == len(before) + 1
    due = [row["scheduled_time"] for row in one.rows()]
    assert len(due) == len(set(due))


def test_a_wrong_clock_in_the_future_does_not_stop_the_present(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"), now=T0 + 400 * 86_400)
    one.run_for(3700)
    one.stop()
    one.world.wall_offset -= 400 * 86_400
    one.boot()
    one.run_for(3700)
    assert [row[2] for row in one.told()] == ["success", "success"]


def test_a_board_that_boots_in_1970_does_not_replay_fifty_years(sim: MakeSim) -> None:
    one = sim(task(schedule="* * * * *", task_misfire="all"), now=1000.0)
    one.run_for(120)
    one.world.wall_offset += T0
    one.run_for(120)
    assert [row["status"] for row in one.rows()] == ["success"] * 4


def test_once_a_board_learns_the_time_its_real_downtime_is_what_counts(sim: MakeSim) -> None:
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
    assert [row[2] for row in one.told()] == ["success"]


def test_an_engine_held_up_writes_what_it_could_not_start_in_time(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1s"), script=exits(a=Exit(0.1)))
    one.run_for(3.5)
    one.world.mono += 6  # stopped and continued: both clocks went on
    one.run_for(2)
    told = [row[2:] for row in one.told()]
    assert ("missed", "late") in told
    due = [row["scheduled_time"] for row in one.rows()]
    assert due == [f"2027-01-15T00:00:{second:02}+00:00" for second in range(1, len(due) + 1)]


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
    assert one.told() == [("a", "reboot", "success", None)]
    one.stop()
    configure(one, task(schedule="@reboot", enabled=False))
    one.boot()
    one.run_for(5)
    one.stop()
    configure(one, task(schedule="@reboot"))
    one.boot()
    one.run_for(5)
    assert len(one.told()) == 1  # still the same boot
    one.stop()
    one.world.boot_id = "boot-2"
    one.boot()
    one.run_for(10)
    assert one.told() == [("a", "reboot", "success", None)] * 2


def test_where_the_boot_is_not_known_reboot_runs_at_each_start(sim: MakeSim) -> None:
    one = sim(task(schedule="@reboot"), boot=False)
    one.world.boot_id = ""
    for _ in range(2):
        one.boot()
        one.run_for(5)
        configure(one, task(schedule="@reboot", task_name=f"A{one.engines}"))
        one.run_for(5)
        one.stop()
    assert one.told() == [("a", "reboot", "success", None)] * 2


# --------------------------------------------------------------------------------------------------------- crash, stop


def test_a_run_under_which_the_engine_died_is_interrupted_and_retried(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h", task_retry={"max_attempts": 2, "delay": 5}), script=exits(a=Exit(1000.0)))
    one.run_for(3700)
    one.crash()
    one.world.pass_time(60)
    one.boot()
    assert one.world.killed == [1]
    one.run_for(10)
    (row,) = one.rows()
    assert (row["status"], row["attempt"]) == ("running", 2)
    assert (row["attempts"][0]["status"], row["attempts"][0]["reason"]) == ("technical_failure", "interrupted")


def test_an_interrupted_run_without_attempts_left_has_failed(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"), task("b", task_dependencies=["a"]), script=exits(a=Exit(1000.0)))
    one.run_for(3700)
    one.crash()
    one.boot()
    one.run_for(1)
    assert one.told() == [
        ("a", "schedule", "technical_failure", "interrupted"),
        ("b", "dependency", "skipped", "upstream_failed"),
    ]


def test_a_queued_run_survives_a_crash(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="queue"), script=exits(a=Exit(100.0)))
    one.run_for(125)
    one.crash()
    one.boot()
    one.run_for(1)
    assert [row[2:] for row in one.told()] == [("technical_failure", "interrupted"), ("running", None)]


def test_stop_lets_running_tasks_end(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), script=exits(a=Exit(20.0)))
    one.run_for(62)
    assert one.stop() == 0
    assert one.told() == [("a", "schedule", "success", None)]


def test_stop_cancels_what_does_not_end_within_the_grace(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), script=exits(a=Exit(2000.0)), shutdown_grace=30)
    one.run_for(62)
    begun = one.world.mono
    one.stop()
    assert 30 <= one.world.mono - begun < 31
    assert one.told() == [("a", "schedule", "cancelled", "shutdown")]


def test_a_second_signal_kills_at_once(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), script=exits(a=Exit(2000.0)))
    one.run_for(62)
    begun = one.world.mono
    one.post(Stop())
    one.stop()
    assert one.world.mono - begun < 1
    assert one.told() == [("a", "schedule", "cancelled", "shutdown")]


def test_stop_starts_nothing_new_and_says_so_of_what_was_queued(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="queue"), script=exits(a=Exit(70.0)))
    one.run_for(125)
    one.stop()
    assert [row[2:] for row in one.told()] == [("success", None), ("skipped", "shutdown")]
    one.boot()
    one.run_for(1)
    assert len(one.world.starts) == 1


def test_a_due_time_during_the_drain_is_caught_up_by_the_next_engine(sim: MakeSim) -> None:
    one = sim(
        task("long", "@at 2027-01-15T00:01"), task(schedule="@at 2027-01-15T00:01:10"), script=exits(long=Exit(25.0))
    )
    one.run_for(65)
    one.stop()
    assert one.told("a") == []
    one.boot()
    one.run_for(5)
    assert one.told("a") == [("a", "catchup", "success", None)]


def test_a_retry_goes_on_after_a_restart(sim: MakeSim) -> None:
    one = sim(
        task(schedule="@every 1h", task_retry={"max_attempts": 2, "delay": "5m", "jitter": 0}),
        script=exits(a=[Exit(1.0, 9), Exit(1.0)]),
    )
    one.run_for(3610)
    one.stop()
    one.boot()
    one.run_for(280)
    assert one.told()[0][2] == "retrying"
    one.run_for(20)
    assert one.told()[0][2] == "success"


# --------------------------------------------------------------------------------------------------------------- reload


def test_a_changed_file_is_in_force_within_two_seconds(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"))
    one.run_for(60)
    configure(one, task(schedule="@every 1h"), task("b", "@every 10s"))
    one.run_for(2.01)
    assert "b" in one.engine.snapshot.tasks
    one.run_for(11)
    assert one.told("b")[0] == ("b", "schedule", "success", None)


def test_unchanged_tasks_keep_their_state_and_their_process(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), script=exits(a=Exit(30.0)))
    one.run_for(65)
    configure(one, task("new", "@every 1h"), task(schedule="@every 60s"))
    one.post(Reload())
    one.run_for(30)
    assert one.told("a") == [("a", "schedule", "success", None)]


def test_a_changed_schedule_takes_effect_at_once(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"))
    one.run_for(65)
    configure(one, task(schedule="@every 10s"))
    one.post(Reload())
    one.run_for(20)
    assert len(one.told()) == 2


def test_a_removed_tasks_process_ends_its_run_and_is_not_retried(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_retry={"max_attempts": 5}), task("b"), script=exits(a=Exit(30.0, 9)))
    one.run_for(65)
    configure(one, task("b"))
    one.post(Reload())
    one.run_for(100)
    assert one.told() == [("a", "schedule", "technical_failure", "exit_code")]


def test_a_removed_tasks_waiting_runs_are_cancelled(sim: MakeSim) -> None:
    one = sim(task("b"), task("a", "@every 60s", task_dependencies=["b"]))
    one.run_for(65)
    configure(one, task("b"))
    one.post(Reload())
    one.run_for(1)
    assert one.told() == [("a", "schedule", "cancelled", "user")]


def test_a_task_that_is_removed_and_put_back_does_not_run_beside_itself(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), task("b"), script=exits(a=Exit(300.0)))
    one.run_for(65)
    configure(one, task("b"))
    one.run_for(10)
    configure(one, task(schedule="@every 60s"), task("b"))
    one.run_for(60)
    assert [row[2:] for row in one.told("a")] == [("running", None), ("skipped", "overlap")]


def test_a_waiting_run_whose_dependencies_are_taken_from_the_config_starts(sim: MakeSim) -> None:
    one = sim(task("b"), task(schedule="@at 2027-01-15T00:01", task_dependencies=["b"]))
    one.run_for(65)
    configure(one, task("b"), task(schedule="@at 2027-01-15T00:01"))
    one.run_for(5)
    assert one.told() == [("a", "schedule", "success", None)]


def test_a_changed_dependency_timeout_holds_for_a_run_that_waits_already(sim: MakeSim) -> None:
    waits = {"task_dependencies": ["b"]}
    one = sim(task("b"), task(schedule="@at 2027-01-15T00:01", **waits))
    one.run_for(65)
    configure(one, task("b"), task(schedule="@at 2027-01-15T00:01", task_dependency_timeout=30, **waits))
    one.run_for(30)
    assert one.told() == [("a", "schedule", "skipped", "dependency_timeout")]


def test_a_raised_number_of_instances_lets_the_queued_run_start(sim: MakeSim) -> None:
    fields = {"task_overlap": "queue"}
    one = sim(task(schedule="@every 60s", **fields), script=exits(a=Exit(500.0)))
    one.run_for(125)
    configure(one, task(schedule="@every 60s", task_max_instances=2, **fields))
    one.run_for(5)
    assert [row[2] for row in one.told()] == ["running", "running"]


def test_replace_with_several_instances_makes_room_for_one(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="replace", task_max_instances=2), script=exits(a=Exit(1000.0)))
    one.run_for(185)
    assert [row[2:] for row in one.told()] == [("cancelled", "replaced"), ("running", None), ("running", None)]


def test_a_retry_that_is_queued_for_capacity_at_a_stop_goes_on_afterwards(sim: MakeSim) -> None:
    one = sim(
        task("a", "@at 2027-01-15T00:01", task_retry={"max_attempts": 2, "delay": 30, "jitter": 0}),
        task("long", "@at 2027-01-15T00:01:05"),
        script=exits(a=[Exit(1.0, 9), Exit(1.0)], long=Exit(60.0)),
        max_running=1,
    )
    one.run_for(100)
    assert one.told("a") == [("a", "schedule", "queued", "max_running")]
    one.stop()
    one.boot()
    one.run_for(5)
    assert one.told("a") == [("a", "schedule", "success", None)]


def test_a_due_time_past_its_grace_is_not_started_however_short_the_delay(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 10m", task_misfire_grace=5))
    one.run_for(590)
    one.world.wall_offset += 40
    one.run_for(5)
    assert one.told() == [("a", "schedule", "missed", "late")]


def test_a_removed_task_that_comes_back_counts_from_then(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), task("b"))
    one.run_for(65)
    configure(one, task("b"))
    one.run_for(300)
    configure(one, task(schedule="@every 60s"), task("b"))
    one.run_for(10)
    assert len(one.told("a")) == 1


def test_a_disabled_task_is_never_due_and_drops_what_had_not_started(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_retry={"max_attempts": 2, "delay": "5m"}), script=exits(a=Exit(1.0, 9)))
    one.run_for(65)
    configure(one, task(schedule="@every 60s", enabled=False))
    one.run_for(600)
    assert one.told() == [("a", "schedule", "cancelled", "user")]


def test_a_broken_config_keeps_the_old_one_and_is_told(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"))
    one.source.write(
        [FieldError("task_timeout", Text("config.missing", why=Text("config.smtp.login")), owner="tasks[0] (a)")]
    )
    one.run_for(65)
    assert one.told() == [("a", "schedule", "success", None)]
    assert "task_timeout" in problems(one)["config"]
    assert any("task_timeout" in line and line.startswith("ERROR") for line in one.lines)
    configure(one, task(schedule="@every 60s"))
    one.run_for(5)
    assert "config" not in problems(one)


def test_a_half_written_config_is_looked_at_once_more_before_it_is_told(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"))
    one.source.write([FieldError("", Text("config.json.unclosed"), line=3, column=1)])
    one.run_for(2.01)
    assert "config" not in problems(one)
    configure(one, task("b", "@every 60s"))
    one.run_for(2.01)
    assert not any(line.startswith("ERROR") for line in one.lines)
    assert set(one.engine.snapshot.tasks) == {"b"}


def test_a_config_that_could_not_be_read_is_taken_once_it_can_be_without_a_further_change(sim: MakeSim) -> None:
    from support.factories import config

    one = sim(task(schedule="@every 60s"))
    one.source.write([FieldError("", Text("config.file.unavailable", error="Too many open files"))])
    one.run_for(100)
    assert len([line for line in one.lines if "Too many open files" in line]) == 1
    one.source.content = config(task("b", "@every 60s"))
    one.run_for(31)
    assert set(one.engine.snapshot.tasks) == {"b"}
    assert "config" not in problems(one)


def test_a_raised_max_running_starts_the_queued_at_once(sim: MakeSim) -> None:
    one = sim(task("a", "@every 60s"), task("b", "@every 60s"), script=lambda *_: Exit(50.0), max_running=1)
    one.run_for(61)
    configure(one, task("a", "@every 60s"), task("b", "@every 60s"), max_running=2)
    one.post(Reload())
    one.run_for(0.1)
    assert [row[2] for row in one.told()] == ["running", "running"]


def test_an_engine_with_nothing_due_wakes_every_two_seconds_at_most(sim: MakeSim) -> None:
    one = sim(*(task(f"t{number}", "0 0 1 1 *") for number in range(50)))
    one.run_for(1)
    before = one.world.waits
    one.run_for(60)
    assert one.world.waits - before <= 31
