"""What a crash leaves to the next engine, and what a stop does to runs."""

from __future__ import annotations

from minisched.model import Stop
from support.engine import MakeSim, exits, task
from support.sim import Exit


def test_a_run_whose_engine_died_is_interrupted_and_retried(sim: MakeSim) -> None:
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
    assert one.runs() == [
        ("a", "schedule", "technical_failure", "interrupted"),
        ("b", "dependency", "skipped", "upstream_failed"),
    ]


def test_a_queued_run_survives_a_crash(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="queue"), script=exits(a=Exit(100.0)))
    one.run_for(125)
    one.crash()
    one.boot()
    one.run_for(1)
    assert [row[2:] for row in one.runs()] == [("technical_failure", "interrupted"), ("running", None)]


def test_stop_lets_running_tasks_end(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), script=exits(a=Exit(20.0)))
    one.run_for(62)
    assert one.stop() == 0
    assert one.runs() == [("a", "schedule", "success", None)]


def test_stop_cancels_what_does_not_end_within_the_grace(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), script=exits(a=Exit(2000.0)), shutdown_grace=30)
    one.run_for(62)
    begun = one.world.mono
    one.stop()
    assert 30 <= one.world.mono - begun < 31
    assert one.runs() == [("a", "schedule", "cancelled", "shutdown")]


def test_a_second_signal_kills_at_once(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), script=exits(a=Exit(2000.0)))
    one.run_for(62)
    begun = one.world.mono
    one.post(Stop())
    one.stop()
    assert one.world.mono - begun < 1
    assert one.runs() == [("a", "schedule", "cancelled", "shutdown")]


def test_stop_starts_nothing_new_and_says_so_of_what_was_queued(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="queue"), script=exits(a=Exit(70.0)))
    one.run_for(125)
    one.stop()
    assert [row[2:] for row in one.runs()] == [("success", None), ("skipped", "shutdown")]
    one.boot()
    one.run_for(1)
    assert len(one.world.starts) == 1


def test_a_success_during_the_drain_starts_what_depends_on_it_in_the_next_engine(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"), task("b", task_dependencies=["a"]), script=exits(a=Exit(20.0)))
    one.run_for(3605)
    assert one.stop() == 0
    assert one.runs() == [("a", "schedule", "success", None)]
    one.boot()
    one.run_for(5)
    assert one.runs("b") == [("b", "dependency", "success", None)]


def test_a_due_time_during_the_drain_is_caught_up_by_the_next_engine(sim: MakeSim) -> None:
    one = sim(
        task("long", "@at 2027-01-15T00:01"), task(schedule="@at 2027-01-15T00:01:10"), script=exits(long=Exit(25.0))
    )
    one.run_for(65)
    one.stop()
    assert one.runs("a") == []
    one.boot()
    one.run_for(5)
    assert one.runs("a") == [("a", "catchup", "success", None)]


def test_a_retry_goes_on_after_a_restart(sim: MakeSim) -> None:
    one = sim(
        task(schedule="@every 1h", task_retry={"max_attempts": 2, "delay": "5m", "jitter": 0}),
        script=exits(a=[Exit(1.0, 9), Exit(1.0)]),
    )
    one.run_for(3610)
    one.stop()
    one.boot()
    one.run_for(280)
    assert one.runs()[0][2] == "retrying"
    one.run_for(20)
    assert one.runs()[0][2] == "success"
