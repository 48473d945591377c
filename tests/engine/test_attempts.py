"""A run from its due time to its end: attempts, retries, timeouts, what its process gets."""

from __future__ import annotations

import random

from minisched.model import ProcessSpec
from support.engine import MakeSim, exits, task
from support.sim import Exit


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


def test_the_exit_codes_of_a_task_decide_what_is_retried(sim: MakeSim) -> None:
    codes = {"success": [0, 24], "business_failure": []}
    retry = {"max_attempts": 3, "delay": 5}
    one = sim(
        task(schedule="@every 1h", task_exit_codes=codes, task_retry=retry),
        task("b", task_dependencies=["a"]),
        script=exits(a=[Exit(1.0, 1), Exit(1.0, 24)]),
    )
    one.run_for(3700)
    assert one.runs() == [("a", "schedule", "success", None), ("b", "dependency", "success", None)]
    row = one.rows("a")[0]
    assert (row["exit_code"], [attempt["status"] for attempt in row["attempts"]]) == (
        24,
        ["technical_failure", "success"],
    )


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
    assert one.runs() == [("a", "schedule", "technical_failure", "timeout")]


def test_the_log_says_who_what_state_and_next(sim: MakeSim) -> None:
    retry = {"max_attempts": 2, "delay": 30, "jitter": 0}
    one = sim(task(schedule="@every 1h", task_retry=retry), script=exits(a=[Exit(3.2, 75), Exit(1.0)]))
    one.run_for(3700)
    assert (
        "WARNING run 1 of a: retrying (exit_code: exit code 75) after 3.2 s, attempt 1 of 2, next in 30 s" in one.lines
    )
    assert "INFO run 1 of a: success after 1.0 s, attempt 2 of 2" in one.lines


def test_a_script_gets_its_task_run_and_due_time(sim: MakeSim) -> None:
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
