"""Conditions (`task_condition`): a program is asked before a start that no person requested."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from minisched.model import ProcessSpec, ReplyTo, RunTask, StopRun
from support.engine import T0, Exec, MakeSim, configure, exits, failing_sim, hold, release, start, task
from support.sim import Deadly, Exit, Killed, Sim

YES, NO = Exit(0.1), Exit(0.1, 1)
Script = Callable[[ProcessSpec, random.Random], Exit]


def asked(task_id: str = "a", schedule: Any = "@at 2027-01-15T00:01", **fields: Any) -> dict[str, Any]:
    return task(task_id, schedule, **{"task_condition": "test -e ready", **fields})


def answers(*conditions: Exit, **runs: Any) -> Script:
    """What each condition of any task answers, the last one for ever; and how the attempts of tasks end."""
    left, others = list(conditions), exits(**runs)

    def script(launch: ProcessSpec, draw: random.Random) -> Exit:
        if launch.attempt:
            return others(launch, draw)
        return left.pop(0) if len(left) > 1 else left[0]

    return script


def starts(one: Sim, task_id: str = "a") -> list[int]:
    """The attempts that were started, 0 for each condition."""
    return [attempt for name, _, attempt in one.world.starts if name == task_id]


def states(one: Sim, task_id: str = "a") -> list[tuple[str, Any]]:
    return [(row[2], row[3]) for row in one.runs(task_id)]


def stop_run(one: Sim, run_id: int) -> None:
    one.post(StopRun(ReplyTo(SimpleQueue(), one.world.mono + 5), run_id, "a test"))
    one.run_for(0.005)


# ------------------------------------------------------------------------------------------------------------- answers


def test_a_condition_that_is_met_starts_the_task(sim: MakeSim) -> None:
    one = sim(asked(), script=answers(YES))
    one.run_for(65)
    assert (starts(one), one.runs()) == ([0, 1], [("a", "schedule", "success", None)])
    assert one.rows()[0]["attempt"] == 1
    assert "INFO run 1 of a: queued (condition: its condition is being asked)" in one.lines


def test_a_condition_that_is_not_met_skips_the_run_with_its_last_line(sim: MakeSim) -> None:
    one = sim(asked(), task("b", task_dependencies=["a"]), script=answers(NO))
    one.run_for(65)
    assert (starts(one), one.runs("a")) == ([0], [("a", "schedule", "skipped", "condition")])
    assert one.rows("a")[0]["detail"] == {"code": "condition", "line": "done"}
    assert one.rows("a")[0]["attempt"] == 0
    assert one.runs("b") == [("b", "dependency", "skipped", "upstream_failed")]


@pytest.mark.parametrize(
    ("how", "reason", "detail"),
    [
        (Exit(0.1, 2), "exit_code", {"code": "exit_code", "exit_code": 2}),
        (Exit(0.1, None, 9), "signal", {"code": "signal", "signal": 9}),
        (Exit(100.0), "timeout", {"code": "timeout", "seconds": 30.0, "killed": 0}),
    ],
)
def test_any_other_end_of_a_condition_is_a_technical_failure_of_the_run(
    sim: MakeSim, how: Exit, reason: str, detail: Any
) -> None:
    one = sim(asked(), script=answers(how))
    one.run_for(100)
    assert (starts(one), states(one)) == ([0], [("technical_failure", reason)])
    row = one.rows()[0]
    assert row["detail"] == {"code": "condition_failed", "result": detail}
    assert [(one["attempt"], one["status"], one["reason"]) for one in row["attempts"]] == [
        (1, "technical_failure", reason)
    ]


def test_the_exit_codes_of_the_task_do_not_change_those_of_its_condition(sim: MakeSim) -> None:
    codes = {"success": [0, 1], "business_failure": [2]}
    one = sim(asked(task_exit_codes=codes), asked("b", task_exit_codes=codes), script=answers(NO, Exit(0.1, 2)))
    one.run_for(65)
    assert states(one) == [("skipped", "condition")]
    assert states(one, "b") == [("technical_failure", "exit_code")]


def test_a_condition_that_fails_is_asked_again_by_the_retry_and_a_task_that_fails_is_not(sim: MakeSim) -> None:
    retry = {"max_attempts": 3, "delay": 10, "jitter": 0, "backoff": 1}
    one = sim(asked(task_retry=retry), script=answers(Exit(0.1, 2), YES, a=[Exit(1.0, 9), Exit(1.0)]))
    one.run_for(100)
    assert (starts(one), states(one)) == ([0, 0, 2, 3], [("success", None)])
    assert [one["status"] for one in one.rows()[0]["attempts"]] == ["technical_failure", "technical_failure", "success"]


@pytest.mark.parametrize("trigger", ["manual", "dependency", "catchup", "reboot"])
def test_only_a_start_that_a_person_requests_needs_no_condition(sim: MakeSim, trigger: str) -> None:
    fields = {"dependency": {"task_dependencies": ["b"]}, "reboot": {"schedule": "@reboot"}}.get(trigger, {})
    one = sim(asked(**{"schedule": None if trigger == "dependency" else "@every 1d", **fields}), task("b"))
    if trigger == "catchup":
        one.run_for(1)
        one.crash()
        one.world.pass_time(86_401)
        one.boot()
    elif trigger != "reboot":
        start(one, {"manual": "a", "dependency": "b"}[trigger])
    one.run_for(10)
    assert one.runs("a") == [("a", trigger, "success", None)]
    assert starts(one) == ([1] if trigger == "manual" else [0, 1])


def test_a_due_time_that_is_made_up_by_hand_needs_no_condition_and_no_earlier_place_for_a_lock(sim: MakeSim) -> None:
    one = sim(
        asked(task_locks=["db"]),
        task("b", "@at 2027-01-15T00:00:10", task_locks=["db"]),
        task("c", "@at 2027-01-15T00:00:20", task_locks=["db"]),
        script=answers(NO, b=Exit(30.0), c=Exit(10.0)),
    )
    one.run_for(25)
    reply_to = ReplyTo(SimpleQueue(), one.world.mono + 5)
    one.post(RunTask(reply_to, "a", {}, "a test", due=int(T0) - 86_400))
    one.run_for(30)
    assert [(name, attempt) for name, _, attempt in one.world.starts] == [("b", 1), ("c", 1), ("a", 1)]
    assert one.runs("a")[0] == ("a", "backfill", "success", None)


def test_the_process_of_a_condition_is_that_of_the_task_but_for_command_and_time(sim: MakeSim) -> None:
    seen: list[ProcessSpec] = []

    def script(launch: ProcessSpec, draw: random.Random) -> Exit:
        seen.append(launch)
        return YES

    one = sim(
        asked(task_condition=["tasks/ready.sh", "x"], task_env={"A": "1"}, task_user="nobody", task_kill_grace=3),
        script=script,
    )
    one.run_for(65)
    condition, attempt = seen
    same = {"task_exec": None, "attempt": None, "timeout_s": None, "env": None}
    assert condition._replace(**same) == attempt._replace(**same)
    assert (condition.task_exec, condition.timeout_s) == (("/home/tasks/ready.sh", "x"), 30.0)
    assert condition.env == {**attempt.env, "MINISCHED_ATTEMPT": "0"}


# -------------------------------------------------------------------------------------------------------------- waiting


def test_not_now_is_asked_again_each_minute_until_it_is_met(sim: MakeSim) -> None:
    one = sim(asked(task_condition_wait="1h"), script=answers(NO, NO, NO, YES))
    one.run_for(100)
    assert states(one) == [("queued", "condition")]
    detail = one.rows()[0]["detail"]
    assert (detail["code"], detail["answer"]) == ("condition_again", {"code": "condition", "line": "done"})
    one.run_for(200)
    assert (starts(one), states(one)) == ([0, 0, 0, 0, 1], [("success", None)])
    assert one.rows()[0]["start_time"].startswith("2027-01-15T00:04:00.1")


def test_after_the_wait_the_run_is_skipped(sim: MakeSim) -> None:
    one = sim(asked(task_condition_wait="150s"), script=answers(NO))
    one.run_for(200)
    assert (starts(one), states(one)) == ([0] * 3, [("queued", "condition")])
    one.run_for(20)
    assert (starts(one), states(one)) == ([0] * 4, [("skipped", "condition")])


def test_while_the_answer_stays_the_same_nothing_is_written(sim: MakeSim) -> None:
    one = sim(asked(task_condition_wait="1h"), script=answers(NO))
    one.run_for(70)
    lines = len(one.lines)
    one.run_for(600)
    assert len(starts(one)) == 11
    assert len(one.lines) == lines


def test_a_run_that_waits_for_its_condition_keeps_its_slot(sim: MakeSim) -> None:
    one = sim(asked(schedule="@every 60s", task_condition_wait="1h"), script=answers(NO))
    one.run_for(130)
    assert states(one) == [("queued", "condition"), ("skipped", "overlap")]


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("queue", [("queued", "condition"), ("skipped", "queue_full")]),
        ("replace", [("cancelled", "replaced"), ("queued", "condition")]),
    ],
)
def test_the_overlap_of_a_task_holds_for_a_run_that_waits_for_its_condition(
    sim: MakeSim, overlap: str, expected: Any
) -> None:
    one = sim(asked(schedule="@every 60s", task_condition_wait="1h", task_overlap=overlap), script=answers(NO))
    one.run_for(130)
    assert states(one) == expected


def test_a_queued_run_is_asked_when_its_turn_comes(sim: MakeSim) -> None:
    one = sim(asked(schedule="@every 60s", task_overlap="queue"), script=answers(YES, NO, a=[Exit(90.0)]))
    one.run_for(130)
    assert (starts(one), states(one)) == ([0, 1], [("running", None), ("queued", "overlap")])
    one.run_for(30)
    assert (starts(one), states(one)) == ([0, 1, 0], [("success", None), ("skipped", "condition")])


# ------------------------------------------------------------------------------------------------- processes and locks


def test_a_condition_needs_one_of_max_running(sim: MakeSim) -> None:
    one = sim(
        task("long", "@at 2027-01-15T00:00:30"),
        asked(),
        asked("b"),
        script=answers(YES, long=Exit(40.0), a=Exit(20.0)),
        max_running=1,
    )
    one.run_for(65)
    assert states(one) == [("queued", "condition")]
    assert one.rows("a")[0]["detail"]["code"] == "condition_no_process"
    one.run_for(10)
    assert (starts(one), starts(one, "b")) == ([0, 1], [])  # first due first started
    one.run_for(30)
    assert states(one) == states(one, "b") == [("success", None)]


def test_while_the_condition_is_asked_no_lock_is_held_and_a_long_wait_for_one_asks_only_once(sim: MakeSim) -> None:
    one = sim(
        asked(task_locks=["db"]),
        task("b", "@at 2027-01-15T00:01:05", task_locks=["db"]),
        script=answers(Exit(10.0), b=Exit(1000.0)),
    )
    one.run_for(67)
    assert states(one, "b") == [("running", None)]
    one.run_for(900)
    assert (starts(one), states(one)) == ([0], [("queued", "lock")])
    one.run_for(200)
    assert (starts(one), states(one)) == ([0, 1], [("success", None)])


def test_a_run_whose_condition_is_met_is_not_asked_again_after_a_crash(sim: MakeSim) -> None:
    one = sim(
        asked(task_locks=["db"]),
        task("b", "@at 2027-01-15T00:00:50", task_locks=["db"], task_retry={"max_attempts": 2, "delay": 1}),
        script=answers(YES, b=Exit(1000.0)),
    )
    one.run_for(70)
    assert states(one) == [("queued", "lock")]
    one.crash()
    one.boot()
    one.run_for(10)
    assert (starts(one), states(one)) == ([0, 1], [("success", None)])


def test_a_run_whose_condition_is_met_is_not_asked_again_behind_an_exec(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, asked(), script=answers(YES))
    one.run_for(60.05)
    assert starts(one) == [0]
    hold(ledger)
    one.run_for(5)  # the attempt begins, but is not on disk
    by_hand = Exec(one)
    release(ledger)
    one.run_for(5)
    assert (starts(one), states(one)[0]) == ([0], ("queued", "overlap"))
    one.crash()
    one.boot()
    by_hand.end()
    one.run_for(5)
    assert (starts(one), states(one)[0]) == ([0, 1], ("success", None))


def test_an_exec_that_takes_the_slot_comes_before_the_question(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, asked(), script=answers(YES))
    one.run_for(55)
    hold(ledger)
    one.run_for(8)
    by_hand = Exec(one)
    release(ledger)
    one.run_for(5)
    assert (starts(one), [row for row in one.runs() if row[1] == "schedule"]) == (
        [],
        [("a", "schedule", "queued", "overlap")],
    )
    by_hand.end()
    one.run_for(5)
    assert starts(one) == [0, 1]


# ------------------------------------------------------------------------------------- while the process is running


def test_a_run_is_stopped_while_its_condition_is_asked(sim: MakeSim) -> None:
    one = sim(asked(), script=answers(Exit(20.0)))
    one.run_for(61)
    stop_run(one, 1)
    one.run_for(1)
    assert (one.world.processes, states(one)) == ({}, [("cancelled", "user")])


def test_a_run_is_stopped_while_it_waits_to_be_asked_again(sim: MakeSim) -> None:
    one = sim(asked(task_condition_wait="1h"), script=answers(NO))
    one.run_for(65)
    stop_run(one, 1)
    one.run_for(600)
    assert (starts(one), states(one)) == ([0], [("cancelled", "user")])


def test_the_newer_run_replaces_one_whose_condition_is_asked(sim: MakeSim) -> None:
    one = sim(asked(schedule="@every 10s", task_overlap="replace"), script=answers(Exit(15.0), YES))
    one.run_for(25)
    assert states(one) == [("cancelled", "replaced"), ("success", None)]
    assert starts(one) == [0, 0, 1]


@pytest.mark.parametrize("again", [False, True])
def test_a_stop_of_the_engine_ends_the_process_of_a_condition_and_the_next_one_asks_again(
    sim: MakeSim, again: bool
) -> None:
    conditions = (Exit(1.0, 2), Exit(20.0), YES) if again else (Exit(20.0), YES)
    one = sim(
        asked(task_retry={"max_attempts": 2, "delay": 5, "jitter": 0}, schedule=["@at 2027-01-15T00:01"]),
        script=answers(*conditions),
    )
    one.run_for(70)
    begun = one.world.mono
    assert one.stop() == 0
    assert one.world.mono - begun < 1 and one.world.processes == {}
    assert states(one) == [("queued", "condition")]
    one.boot()
    one.run_for(5)
    assert states(one) == [("success", None)]


def test_a_run_that_waits_for_its_condition_waits_on_after_a_stop(sim: MakeSim) -> None:
    one = sim(asked(task_condition_wait="1h"), script=answers(NO, NO, YES))
    one.run_for(150)
    assert one.stop() == 0
    one.world.pass_time(600)
    one.boot()
    one.run_for(5)
    assert (starts(one), states(one)) == ([0, 0, 0, 1], [("success", None)])


@pytest.mark.parametrize("change", [{"enabled": False}, None])
def test_a_disabled_or_removed_task_is_not_started_after_its_condition(sim: MakeSim, change: Any) -> None:
    one = sim(asked(), task("b"), script=answers(Exit(20.0)))
    one.run_for(61)
    configure(one, task("b"), *([asked(**change)] if change else []))
    one.run_for(30)
    assert (starts(one), states(one)) == ([0], [("cancelled", "user")])


def test_a_condition_that_is_taken_away_lets_the_run_start(sim: MakeSim) -> None:
    one = sim(asked(task_condition_wait="1h"), script=answers(NO))
    one.run_for(65)
    configure(one, task("a", "@at 2027-01-15T00:01"))
    one.run_for(5)
    assert (starts(one), states(one)) == ([0, 1], [("success", None)])


def test_another_change_of_the_task_asks_no_sooner_and_the_new_condition_is_asked(sim: MakeSim) -> None:
    commands: list[Any] = []

    def script(launch: ProcessSpec, draw: random.Random) -> Exit:
        commands.append(launch.task_exec)
        return NO

    one = sim(asked(task_condition_wait="1h", task_locks=["x"]), script=script)
    one.run_for(65)
    configure(one, asked(task_condition="other", task_condition_wait="1h", task_locks=["y"]))
    one.run_for(30)
    assert commands == ["test -e ready"]
    one.run_for(30)
    assert commands == ["test -e ready", "other"]


def test_the_clock_set_back_ends_the_process_and_the_due_time_arrives_in_its_time(sim: MakeSim) -> None:
    one = sim(asked(), script=answers(Exit(20.0), YES))
    one.run_for(65)
    one.world.set_clock(-30)
    one.run_for(2)
    assert (one.world.processes, one.rows()) == ({}, [])
    one.run_for(40)
    assert (starts(one), states(one)) == ([0, 0, 1], [("success", None)])


def test_a_due_time_with_a_condition_is_not_decided_early(sim: MakeSim) -> None:
    one = sim(asked(schedule="@every 10s"), script=answers(NO), start_early=True)
    one.run_for(35)
    assert states(one) == [("skipped", "condition")] * 3
    assert all(row["end_time"] > row["scheduled_time"] for row in one.rows())


# ---------------------------------------------------------------------------------------------------------- restarts


def test_after_a_crash_the_process_of_a_condition_is_ended_and_it_is_asked_again(sim: MakeSim) -> None:
    one = sim(asked(), script=answers(Exit(20.0), YES))
    one.run_for(65)
    one.crash()
    one.boot()
    one.run_for(5)
    assert one.world.killed == [1]
    assert (starts(one), states(one)) == ([0, 0, 1], [("success", None)])
    assert one.rows()[0]["attempt"] == 1  # a question without an answer is no attempt


def test_a_restart_does_not_prolong_the_wait(sim: MakeSim) -> None:
    one = sim(asked(task_condition_wait="2h"), script=answers(NO))
    one.run_for(600)
    one.crash()
    one.world.pass_time(5400)  # past the grace of the due time, but not past the wait
    one.boot()
    one.run_for(60)
    assert states(one) == [("queued", "condition")]
    one.run_for(1300)
    assert states(one) == [("skipped", "condition")]
    assert one.rows()[0]["end_time"].startswith("2027-01-15T02:01:00")


def test_a_wait_that_a_downtime_outlasts_is_missed(sim: MakeSim) -> None:
    one = sim(asked(task_condition_wait="2h"), script=answers(NO))
    one.run_for(600)
    one.crash()
    one.world.pass_time(7000)
    one.boot()
    one.run_for(60)
    assert states(one) == [("missed", "downtime")]


# ---------------------------------------------------------------------------------------------- a kill at every commit


def jobs() -> list[dict[str, Any]]:
    """Five tasks that are due twice each, with locks, conditions and retries."""
    retry = {"max_attempts": 2, "delay": 5, "jitter": 0}
    every = {"schedule": [f"@at 2027-01-15T00:0{minute}" for minute in (1, 2)], "task_misfire": "all"}
    return [
        asked("met", **every, task_locks=["db"], task_retry=retry),
        asked("never", **every),
        asked("later", **every, task_locks=["db", "net"], task_condition_wait="2m", task_overlap="queue"),
        task("plain", task_locks=["net"], task_retry=retry, task_schedule=every["schedule"], task_misfire="all"),
        asked("after", None, task_dependencies=["plain"], task_locks=["db"]),
    ]


def locks_of(launch: ProcessSpec) -> list[str]:
    (found,) = [one.get("task_locks", []) for one in jobs() if one["task_id"] == launch.task_id]
    return found if launch.attempt else []


def ends(launch: ProcessSpec, draw: random.Random) -> Exit:
    if launch.attempt:
        return Exit(7.0, 9 if launch.task_id in ("met", "plain") and launch.attempt == 1 else 0)
    return Exit(2.0, {"never": 1, "later": draw.choice([0, 1])}.get(launch.task_id, 0))


@pytest.mark.parametrize("after_it", [False, True])
def test_killed_at_any_commit_each_due_time_has_one_end_and_no_lock_too_many_holders(
    tmp_path: Path, after_it: bool
) -> None:
    commit = 1
    while killed_at(commit, after_it, str(tmp_path / f"{commit}.db")):
        commit += 1
    assert commit > 25


def killed_at(commit: int, after_it: bool, path: str) -> bool:
    """Run the jobs with an engine that dies at this commit and another one after it. False: there are fewer commits."""
    ledgers: list[Deadly] = []

    def wrap(ledger: Any) -> Deadly:
        ledgers.append(Deadly(ledger, Fixed(after_it)))
        ledgers[-1].left = commit if len(ledgers) == 1 else 0
        return ledgers[-1]

    def script(launch: ProcessSpec, draw: random.Random) -> Exit:
        held = Counter(name for other in one.world.processes.values() for name in locks_of(other.launch))
        assert set(held.values()) <= {1}, held
        return ends(launch, draw)

    one = Sim(path, T0, jobs(), script, wrap=wrap, max_running=3)
    try:
        one.boot()
        one.run_for(330)
    except Killed:
        one.crash()
        one.boot()
        one.run_for(330)
    check(one)
    one.crash()
    return len(ledgers) > 1


class Fixed(random.Random):
    """Draws that let a `Deadly` ledger die before its commit, or after it."""

    def __init__(self, after_it: bool) -> None:
        super().__init__(0)
        self._after_it = after_it

    def random(self) -> float:
        return 0.9 if self._after_it else 0.1


def check(one: Sim) -> None:
    rows = one.rows()
    for task_id in ("met", "never", "later", "plain"):
        due = sorted(row["scheduled_time"][14:16] for row in rows if row["task_id"] == task_id)
        assert due == ["01", "02"], (task_id, due)
    assert {row["status"] for row in rows} <= {"success", "technical_failure", "skipped"}, one.runs()
    attempts: dict[int, list[int]] = {}
    for _, run_id, attempt in one.world.starts:
        attempts.setdefault(run_id, []).append(attempt)
    for found in attempts.values():  # a condition is never asked for a run that was started
        assert found == sorted(found, key=bool) and len(set(found) - {0}) == len([each for each in found if each])
    assert all(not lock.held_by and not lock.waiting for lock in one.engine.snapshot.engine.locks)
    assert one.world.processes == {}
