"""The engine when its ledger cannot be written: nothing is lost, nothing starts unrecorded, and it heals by itself."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from minisched.model import Batch, LogChanged, Status, Stop, TaskExecution, Text, Trigger
from minisched.store.writer import open_store
from support.engine import T0, configure, exits, failing_sim, problems, task
from support.sim import Exit


@pytest.mark.parametrize("kind", ["locked", "full", "io"])
def test_while_the_ledger_cannot_be_written_nothing_new_starts_and_ends_are_kept(tmp_path: Path, kind: str) -> None:
    sim, ledger = failing_sim(tmp_path, task(schedule="@every 10s"), script=exits(a=Exit(5.0)))
    sim.run_for(11)
    ledger.kind = kind
    sim.run_for(15)
    assert len(sim.world.starts) == 1
    assert [row[2] for row in sim.runs()] == ["running"]
    assert kind in problems(sim)["history"]
    ledger.kind = ""
    sim.run_for(3)
    assert [row[1:] for row in sim.runs()] == [("schedule", "success", None), ("schedule", "running", None)]
    assert problems(sim) == {}
    assert any(line.startswith("WARNING resolved after") and "history" in line for line in sim.lines)


def test_after_a_long_trouble_due_times_are_missed_as_late_and_the_newest_runs(tmp_path: Path) -> None:
    sim, ledger = failing_sim(tmp_path, task(schedule="@every 10s"))
    sim.run_for(5)
    ledger.kind = "full"
    sim.run_for(50)
    ledger.kind = ""
    sim.run_for(3)
    assert [row[2:] for row in sim.runs()] == [*[("missed", "late")] * 4, ("success", None)]


@pytest.mark.parametrize("since_s", [11, 16], ids=["of an end", "of a start"])
def test_a_commit_that_hangs_for_minutes_and_then_succeeds_loses_and_doubles_nothing(
    tmp_path: Path, since_s: int
) -> None:
    """A hung disk: the engine waits in the commit, the clocks and the processes go on."""
    sim, ledger = failing_sim(
        tmp_path,
        task(schedule="@every 10s"),
        task("all", "@every 10s", task_misfire="all", task_overlap="queue"),
        script=exits(a=Exit(5.0), all=Exit(0.5)),
    )
    sim.run_for(since_s)
    started = sim.world.starts[:]

    def hanging(durable: bool) -> Any:
        del ledger.transaction  # type: ignore[attr-defined]
        sim.world.pass_time(185)
        assert sim.world.starts == started
        return ledger.transaction(durable)

    ledger.transaction = hanging  # type: ignore[attr-defined]
    sim.run_until(T0 + 245)
    assert "transaction" not in vars(ledger)  # it did hang
    assert sim.stop() == 0
    for task_id in ("a", "all"):
        due = [datetime.fromisoformat(row["scheduled_time"]).timestamp() for row in sim.rows(task_id)]
        assert due == [T0 + second for second in range(10, 250, 10)]
    ran = [row for row in sim.rows() if row["status"] == "success"]
    assert sorted(sim.world.starts) == sorted((row["task_id"], row["run_id"], 1) for row in ran)
    assert [row[2:] for row in sim.runs("a")].count(("missed", "late")) >= 15
    assert len(ran) >= 24  # those of `all` were made up


def test_a_chain_started_just_before_the_trouble_goes_on_after_it(tmp_path: Path) -> None:
    sim, ledger = failing_sim(tmp_path, task(schedule="@at 2027-01-15T00:00:10"), task("b", task_dependencies=["a"]))
    sim.run_for(10.5)
    ledger.kind = "locked"
    sim.run_for(20)
    assert sim.runs("b") == []
    ledger.kind = ""
    sim.run_for(5)
    assert sim.runs() == [("a", "schedule", "success", None), ("b", "dependency", "success", None)]


def test_a_retry_waits_for_the_ledger(tmp_path: Path) -> None:
    retry = {"max_attempts": 2, "delay": 5, "jitter": 0}
    sim, ledger = failing_sim(
        tmp_path, task(schedule="@at 2027-01-15T00:00:10", task_retry=retry), script=exits(a=[Exit(1.0, 9), Exit(1.0)])
    )
    sim.run_for(12)
    ledger.kind = "full"
    sim.run_for(20)
    assert len(sim.world.starts) == 1
    ledger.kind = ""
    sim.run_for(5)
    assert sim.runs() == [("a", "schedule", "success", None)]


def test_a_stop_in_the_trouble_starts_nothing_and_waits_a_while_for_the_last_write(tmp_path: Path) -> None:
    sim, ledger = failing_sim(tmp_path, task(schedule="@every 10s"), script=exits(a=Exit(5.0)))
    sim.run_for(11)
    ledger.kind = "full"
    sim.post(Stop())
    sim.run_for(3)
    assert sim.engine.exit_code is None
    sim.world.at(sim.world.mono + 4, lambda: setattr(ledger, "kind", ""))
    sim.run_for(20)
    assert sim.engine.exit_code == 0
    assert sim.runs() == [("a", "schedule", "success", None)]


def test_a_stop_in_a_trouble_that_does_not_end_exits_with_its_own_code(tmp_path: Path) -> None:
    sim, ledger = failing_sim(tmp_path, task(schedule="@every 10s"), script=exits(a=Exit(2.0)))
    sim.run_for(11)
    ledger.kind = "full"
    sim.post(Stop())
    sim.run_for(30)
    assert sim.engine.exit_code == 74
    sim.crash()
    sim.boot()
    assert [row[2:] for row in sim.runs()] == [("technical_failure", "interrupted")]


def test_a_retry_that_could_not_be_written_is_not_started_after_a_stop(tmp_path: Path) -> None:
    retry = {"max_attempts": 2, "delay": 1, "jitter": 0}
    sim, ledger = failing_sim(
        tmp_path, task(schedule="@at 2027-01-15T00:00:10", task_retry=retry), script=exits(a=Exit(1.0, 9))
    )
    sim.run_for(10.5)
    ledger.kind = "full"
    sim.run_for(5)
    sim.post(Stop())
    sim.run_for(0.1)
    ledger.kind = ""
    sim.run_for(5)
    assert sim.engine.exit_code == 0
    assert len(sim.world.starts) == 1
    assert sim.runs() == [("a", "schedule", "cancelled", "shutdown")]


def test_a_due_time_that_another_process_wrote_in_between_does_not_run_again(tmp_path: Path) -> None:
    sim, ledger = failing_sim(tmp_path, task(schedule="@every 10s"))
    sim.run_for(5)
    other, _ = open_store(sim.path, now=T0, repair=False)

    def race(task_id: str, since: int, until: int) -> set[int]:
        known = set(ledger.real.due_times(task_id, since, until))
        del ledger.due_times  # type: ignore[attr-defined]
        run = TaskExecution("a", Trigger.SCHEDULE, Status.SUCCESS, 1.0, scheduled_time=since, end_time=2.0)
        other.commit(Batch([run]))
        return known

    ledger.due_times = race  # type: ignore[attr-defined]
    sim.run_for(18)
    other.close()
    assert [start[0] for start in sim.world.starts] == ["a"]
    due = [row["scheduled_time"] for row in sim.rows()]
    assert len(due) == len(set(due)) == 2
    assert any("has a run already" in line for line in sim.lines)


def test_the_engine_notices_a_removed_history_and_continues(tmp_path: Path) -> None:
    sim, _ = failing_sim(tmp_path, task(schedule="@every 10s"), script=exits(a=Exit(15.0)))
    sim.run_for(11)
    for name in os.listdir(tmp_path):
        if name.startswith("minisched.db"):
            os.unlink(tmp_path / name)
    sim.run_for(20)
    assert "history file" in problems(sim)
    assert ("a", "schedule", "success", None) in sim.runs()


def test_a_history_that_is_damaged_at_a_commit_is_moved_aside_and_a_new_one_started(tmp_path: Path) -> None:
    sim, ledger = failing_sim(tmp_path, task(schedule="@every 10s"), script=exits(a=Exit(15.0)))
    sim.run_for(11)
    ledger.kind = "damaged"
    reopen = ledger.real.reopen

    def mended(now: float, damaged: bool = False) -> Any:
        ledger.kind = ""
        return reopen(now, damaged)

    ledger.reopen = mended  # type: ignore[attr-defined]
    sim.run_for(20)
    assert any(name.startswith("minisched.db.damaged-") for name in os.listdir(tmp_path))
    assert "moved" in problems(sim)["history file"]
    assert ("a", "schedule", "success", None) in sim.runs()
    assert len({row["run_id"] for row in sim.rows()}) == len(sim.rows())


def test_a_stop_tries_the_last_write_once_more_although_the_trouble_is_old(tmp_path: Path) -> None:
    sim, ledger = failing_sim(tmp_path, task(schedule="@at 2027-01-15T00:00:10"), script=exits(a=Exit(20.0)))
    sim.run_for(15)
    ledger.kind = "locked"
    sim.run_for(60)
    sim.post(Stop())
    sim.run_for(0.5)
    ledger.kind = ""
    sim.run_for(5)
    assert sim.engine.exit_code == 0
    assert sim.runs() == [("a", "schedule", "success", None)]


def test_logs_that_cannot_be_written_are_a_problem_until_they_can_be(tmp_path: Path) -> None:
    sim, _ = failing_sim(tmp_path, *(task(name) for name in "abcde"))
    full = Text("text", text="No space left on device")
    for name in "abcde":
        sim.post(LogChanged(f"/home/logs/{name}.log", full))
    sim.run_for(1)
    each = [f"/home/logs/{name}.log: No space left on device" for name in "abc"]
    lost = f"output of tasks is lost: {', '.join(each)}, 2 more logs; the history keeps the end of it"
    assert problems(sim) == {"logs": lost}
    sim.post(LogChanged("/home/logs/b.log", None))
    configure(sim, *(task(name) for name in "abde"))
    sim.run_for(5)
    assert "b.log" not in problems(sim)["logs"] and "c.log" not in problems(sim)["logs"], "no task writes it any more"
    for name in "ade":
        sim.post(LogChanged(f"/home/logs/{name}.log", None))
    sim.run_for(1)
    assert problems(sim) == {}
    assert sum("ERROR logs: " in line for line in sim.lines) == 3, "not a line for each log"
    assert sum("resolved after" in line for line in sim.lines) == 1


def test_the_engines_own_log_that_cannot_be_written_is_a_problem_until_it_can_be(tmp_path: Path) -> None:
    sim, _ = failing_sim(tmp_path, task())
    path = "/home/logs/minisched.log"
    sim.post(LogChanged(path, Text("is_symlink"), own=True))
    sim.run_for(1)
    lost = "cannot be written, so the engine's own lines are lost: is a symbolic link, which is not followed"
    assert problems(sim) == {"engine log": f"{path} {lost}"}
    sim.post(LogChanged(path, None, own=True))
    sim.run_for(1)
    assert problems(sim) == {}
