"""After a crash: what may still start and what is over, whichever end comes first."""

from __future__ import annotations

from typing import Any

import pytest

from support.engine import MakeSim, configure, exits, task
from support.sim import Exit


@pytest.mark.parametrize("misfire", ["skip", "latest", "all"])
def test_a_queued_run_past_its_grace_is_missed_though_an_interrupted_one_makes_room_for_it(
    sim: MakeSim, misfire: str
) -> None:
    one = sim(
        task(schedule="0 0,1,2 * * *", task_overlap="queue", task_timeout=None, task_misfire=misfire),
        task("b", task_dependencies=["a"]),
        script=exits(a=Exit(1e6)),
    )
    one.run_for(2 * 3600 + 60)
    assert [row[2] for row in one.runs("a")] == ["running", "queued"]
    one.crash()
    one.world.pass_time(3 * 3600)
    one.boot()
    one.run_for(5)
    assert [row[2:] for row in one.runs("a")] == [("technical_failure", "interrupted"), ("missed", "downtime")]
    assert {row[2:] for row in one.runs("b")} == {("skipped", "upstream_failed")}
    assert len(one.world.starts) == 1


def test_a_queued_run_within_its_grace_still_takes_the_place_of_an_interrupted_one(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="queue"), script=exits(a=[Exit(1e6)]))
    one.run_for(125)
    one.crash()
    one.world.pass_time(3500)
    one.boot()
    one.run_for(2)
    started = [(row["scheduled_time"][11:16], row["status"]) for row in one.rows() if row["attempts"]]
    assert started[:2] == [("00:01", "technical_failure"), ("00:02", "success")]


@pytest.mark.parametrize(
    ("fields", "script", "was"),
    [
        ({"task_overlap": "queue"}, Exit(400.0), "queued"),
        ({"task_dependencies": ["x"]}, Exit(1.0), "waiting"),
        ({"task_retry": {"max_attempts": 2, "delay": "10m"}}, Exit(1.0, 9), "retrying"),
    ],
)
def test_a_run_without_a_process_does_not_outlive_a_task_disabled_while_the_engine_was_down(
    sim: MakeSim, fields: Any, script: Exit, was: str
) -> None:
    one = sim(task(schedule="*/5 * * * *", **fields), task("x"), script=exits(a=script))
    one.run_for(620)
    row = next(row for row in one.rows("a") if row["status"] == was)
    starts = len(one.world.starts)
    one.crash()
    configure(one, task(schedule="*/5 * * * *", enabled=False, **fields), task("x"))
    one.boot()
    one.run_for(900)
    (ended,) = [other for other in one.rows("a") if other["run_id"] == row["run_id"]]
    assert (ended["status"], ended["reason"], ended["detail"]) == ("cancelled", "user", {"code": "task_disabled"})
    assert len(one.world.starts) == starts
