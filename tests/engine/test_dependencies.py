"""Runs that wait for other tasks."""

from __future__ import annotations

from support.engine import T0, MakeSim, exits, start, task
from support.sim import Exit


def test_a_task_without_a_schedule_runs_once_all_its_dependencies_have_succeeded(sim: MakeSim) -> None:
    one = sim(
        task("a", "@every 60s"),
        task("b", "@every 2m"),
        task("c", task_dependencies=["a", "b"]),
    )
    one.run_for(250)
    runs = one.runs("c")
    assert runs == [("c", "dependency", "success", None)] * 2
    assert one.rows("c")[0]["start_time"] > "2027-01-15T00:02:01"


def test_a_scheduled_task_waits_for_its_dependencies_and_names_them(sim: MakeSim) -> None:
    one = sim(
        task("export", "@at 2027-01-15T02:40"),
        task("load", "@at 2027-01-15T02:50"),
        task("report", "30 2 * * *", task_dependencies=["export", "load"]),
    )
    one.run_until(T0 + 2.6 * 3600)
    assert one.runs("report") == [("report", "schedule", "waiting", "export,load")]
    one.run_until(T0 + 2.75 * 3600)
    assert one.runs("report") == [("report", "schedule", "waiting", "load")]
    one.run_until(T0 + 3 * 3600)
    (row,) = one.rows("report")
    assert (row["status"], row["start_time"][11:19]) == ("success", "02:50:01")


def test_tokens_that_exist_already_let_it_start_at_its_due_time(sim: MakeSim) -> None:
    one = sim(task("export", "0 1 * * *"), task("report", "30 2 * * *", task_dependencies=["export"]))
    one.run_for(86_400)
    (row,) = one.rows("report")
    assert (row["status"], row["start_time"][11:19]) == ("success", "02:30:00")


def test_a_waiting_run_is_superseded_by_its_next_due_time(sim: MakeSim) -> None:
    one = sim(task("export", "@at 2027-01-15T00:02:30"), task("report", "@every 60s", task_dependencies=["export"]))
    one.run_for(185)
    assert [row[2:] for row in one.runs("report")] == [
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
    assert one.runs("report") == [("report", "schedule", "waiting", "export")]
    one.run_for(2)
    assert one.runs("report") == [("report", "schedule", "skipped", "dependency_timeout")]


def test_a_failed_dependency_skips_the_chain_behind_it_with_the_cause(sim: MakeSim) -> None:
    one = sim(
        task("a", "@every 1h"),
        task("b", task_dependencies=["a"]),
        task("c", task_dependencies=["b"]),
        script=exits(a=Exit(1.0, 1)),
    )
    one.run_for(3700)
    assert one.runs()[1:] == [
        ("b", "dependency", "skipped", "upstream_failed"),
        ("c", "dependency", "skipped", "upstream_failed"),
    ]
    assert one.rows("b")[0]["detail"] == {
        "code": "upstream_failed",
        "task": "a",
        "status": "business_failure",
        "reason": "exit_code",
        "run": 1,
    }


def test_the_tokens_of_some_dependencies_survive_a_restart(sim: MakeSim) -> None:
    one = sim(
        task("a", "@at 2027-01-15T00:01"), task("b", "@at 2027-01-15T00:10"), task("c", task_dependencies=["a", "b"])
    )
    one.run_for(120)
    assert one.stop() == 0
    one.world.pass_time(60)
    one.boot()
    one.run_for(600)
    assert one.runs("c") == [("c", "dependency", "success", None)]


def test_a_run_that_waits_for_its_dependencies_survives_a_restart(sim: MakeSim) -> None:
    one = sim(task("a", "@at 2027-01-15T00:10"), task("b", "@at 2027-01-15T00:01", task_dependencies=["a"]))
    one.run_for(120)
    one.stop()
    one.boot()
    assert one.runs("b") == [("b", "schedule", "waiting", "a")]
    one.run_for(600)
    assert one.runs("b") == [("b", "schedule", "success", None)]


def test_a_manual_run_takes_no_tokens_and_its_success_gives_them(sim: MakeSim) -> None:
    one = sim(task("a"), task("b", task_dependencies=["a"]), task("c", task_dependencies=["b"]))
    start(one, "b", DAY="monday")
    one.run_for(10)
    assert one.runs() == [("b", "manual", "success", None), ("c", "dependency", "success", None)]
