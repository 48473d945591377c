"""Runs of a task that meet each other, and more runs than may be at once."""

from __future__ import annotations

import gc
from typing import Any

from minisched.engine.state import ActiveRun
from support.engine import MakeSim, exits, task
from support.sim import Exit


def blocked_by(run_id: int, status: str) -> dict[str, Any]:
    return {"code": "blocked_by", "runs": [{"code": "run_status", "run_id": run_id, "status": status}]}


def test_overlap_skip_writes_the_due_time_as_skipped(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), script=exits(a=Exit(90.0)))
    one.run_for(200)
    assert one.runs()[:3] == [
        ("a", "schedule", "success", None),
        ("a", "schedule", "skipped", "overlap"),
        ("a", "schedule", "running", None),
    ]
    assert one.rows()[1]["detail"] == blocked_by(1, "running")
    assert "WARNING run 2 of a: skipped (overlap: run 1 is running)" in one.lines


def test_overlap_queue_holds_one_run_and_skips_the_further_ones(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="queue"), script=exits(a=Exit(150.0)))
    one.run_for(190)
    assert [row[2:] for row in one.runs()] == [("running", None), ("queued", "overlap"), ("skipped", "queue_full")]
    one.run_for(30)
    assert [row[2:] for row in one.runs()][:2] == [("success", None), ("running", None)]


def test_overlap_replace_cancels_the_running_one_and_starts_the_new_one_when_it_is_gone(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="replace"), script=exits(a=Exit(90.0)))
    one.run_for(130)
    assert [row[2:] for row in one.runs()] == [("cancelled", "replaced"), ("running", None)]
    assert len(one.world.processes) == 1


def test_replace_cancels_a_run_that_waits_for_its_retry_at_once(sim: MakeSim) -> None:
    one = sim(
        task(schedule="@every 60s", task_overlap="replace", task_retry={"max_attempts": 2, "delay": "10m"}),
        script=exits(a=[Exit(1.0, 9), Exit(30.0)]),
    )
    one.run_for(125)
    assert [row[2:] for row in one.runs()] == [("cancelled", "replaced"), ("running", None)]


def test_a_retrying_run_keeps_its_slot(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_retry={"max_attempts": 2, "delay": "10m"}), script=exits(a=Exit(1.0, 9)))
    one.run_for(125)
    assert [row[2:] for row in one.runs()] == [("retrying", "exit_code"), ("skipped", "overlap")]
    assert one.rows()[1]["detail"] == blocked_by(1, "retrying")


def test_several_instances_run_beside_each_other_up_to_their_number(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_max_instances=2), script=exits(a=Exit(1000.0)))
    one.run_for(190)
    assert [row[2] for row in one.runs()] == ["running", "running", "skipped"]


def test_more_than_max_running_are_queued_first_due_first_started(sim: MakeSim) -> None:
    names = ["c", "a", "d", "b"]
    one = sim(*(task(name, "@every 60s") for name in names), script=lambda launch, draw: Exit(10.0), max_running=2)
    one.run_for(61)
    assert [row[2:] for row in one.runs()] == [("running", None)] * 2 + [("queued", "max_running")] * 2
    one.run_for(15)
    assert [start[0] for start in one.world.starts] == names
    one.run_for(10)
    assert {row[2] for row in one.runs()} == {"success"}


def test_a_task_queued_for_capacity_keeps_its_slot(sim: MakeSim) -> None:
    one = sim(task("long", "@every 60s"), task("a", "@every 60s"), script=exits(long=Exit(1000.0)), max_running=1)
    one.run_for(190)
    assert [row[2:] for row in one.runs("a")] == [
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
    assert one.runs("a") == [("a", "schedule", "queued", "max_running")]
    one.run_for(100)
    assert one.runs("a") == [("a", "schedule", "success", None)]


def test_runs_that_are_replaced_before_they_have_a_process_are_forgotten(sim: MakeSim) -> None:
    blocker = task("a", "@at 2027-01-15T00:00:01")
    one = sim(blocker, task("b", "@every 2s", task_overlap="replace"), script=exits(a=Exit(9_000.0)), max_running=1)
    one.run_for(600)
    assert [row[2:] for row in one.runs("b")][-2:] == [("cancelled", "replaced"), ("queued", "max_running")]
    gc.collect()
    assert sum(isinstance(known, ActiveRun) and known.run.task_id == "b" for known in gc.get_objects()) < 100
