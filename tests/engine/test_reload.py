"""Another config under a running engine."""

from __future__ import annotations

from minisched.config import parse_document
from minisched.model import FieldError, Reload, Text
from support.engine import MakeSim, configure, exits, problems, task
from support.sim import Exit


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


def test_of_a_config_with_ten_thousand_problems_a_few_are_logged_and_all_are_counted(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"))
    broken = [{"task_id": f"t{number}", "task_exec": "true", "task_retrys": {}} for number in range(10_000)]
    one.source.write(parse_document({"tasks": broken})[1])
    one.run_for(65)
    lines = [line for line in one.lines if line.startswith("ERROR config:")]
    assert len(lines) == 102
    assert lines[-2].endswith("9900 more problems")
    assert lines[-1] == "ERROR config: 10000 problems, the previous config stays in force"
    assert len(problems(one)["config"]) < 5000


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
