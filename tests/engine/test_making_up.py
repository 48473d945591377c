"""Runs for a due time of the past: on purpose only, beside the row of the due time, and visible as such."""

from __future__ import annotations

from queue import SimpleQueue

from minisched.model import Reply, ReplyTo, RunTask
from support.engine import T0, MakeSim, exits, task
from support.sim import Exit, Sim

HOUR = 3600


def make_up(one: Sim, task_id: str, due: int, repeats: int | None = None) -> int:
    answers: SimpleQueue[Reply] = SimpleQueue()
    one.post(RunTask(ReplyTo(answers, one.world.mono + 5), task_id, {}, "a test", due=due, repeats=repeats))
    one.run_for(0.01)
    reply = answers.get_nowait()
    assert reply.refused is None
    return reply.run_id


def test_a_missed_due_time_is_made_up_beside_its_row(sim: MakeSim) -> None:
    one = sim(task(schedule="0 * * * *", task_misfire="skip"))
    one.stop()
    one.world.pass_time(1.5 * HOUR)
    one.boot()
    run_id = make_up(one, "a", T0 + HOUR, repeats=1)
    launch = one.world.processes[run_id].launch
    assert launch.env["MINISCHED_SCHEDULED_TIME"] == "2027-01-15T01:00:00+00:00"
    assert launch.env["MINISCHED_TRIGGER"] == "backfill"
    one.run_for(10)
    found = [(row["trigger"], row["status"], row["scheduled_time"][11:16], row["repeats"]) for row in one.rows()]
    assert found == [("schedule", "missed", "01:00", None), ("backfill", "success", "01:00", 1)]


def test_the_row_of_a_due_time_still_protects_it(sim: MakeSim) -> None:
    one = sim(task(schedule="0 * * * *"))
    one.run_until(T0 + 1.5 * HOUR)
    for _ in range(2):
        make_up(one, "a", T0 + HOUR)
        one.run_for(10)
    one.world.set_clock(-HOUR)
    one.run_until(T0 + 2.5 * HOUR)
    triggers = [row["trigger"] for row in one.rows()]
    assert triggers == ["schedule", "backfill", "backfill", "schedule"]


def test_it_is_a_run_by_hand_for_overlap_a_disabled_task_and_a_restart(sim: MakeSim) -> None:
    tasks = [task("a", task_overlap="queue", enabled=False), task("b", task_overlap="skip")]
    one = sim(*tasks, script=exits(a=Exit(600), b=Exit(600)))
    make_up(one, "a", T0 - 30 * 86_400)
    make_up(one, "a", T0 - 29 * 86_400)
    make_up(one, "b", T0 - 86_400)
    make_up(one, "b", T0 - 86_400)
    assert [row["status"] for row in one.rows()] == ["running", "queued", "running", "skipped"]
    one.crash()
    one.world.pass_time(60)
    one.boot()
    one.run_for(2000)
    assert [(row["status"], row["reason"]) for row in one.rows("a")] == [
        ("technical_failure", "interrupted"),
        ("success", None),
    ]


def test_its_success_counts_for_dependents(sim: MakeSim) -> None:
    one = sim(task("a"), task("b", task_dependencies=["a"]))
    make_up(one, "a", T0 - 86_400)
    one.run_for(10)
    assert one.runs("b") == [("b", "dependency", "success", None)]
