"""Another config under a running engine."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import pytest

from minisched.config import parse_document
from minisched.model import FieldError, FilesChanged, Reload, Reply, ReplyTo, Text
from support.engine import T0, MakeSim, configure, exits, problems, task
from support.factories import config
from support.sim import Exit, Sim


def test_a_changed_file_is_in_force_within_two_seconds(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"))
    one.run_for(60)
    configure(one, task(schedule="@every 1h"), task("b", "@every 10s"))
    one.run_for(2.01)
    assert "b" in one.engine.snapshot.tasks
    one.run_for(11)
    assert one.runs("b")[0] == ("b", "schedule", "success", None)


def test_unchanged_tasks_keep_their_state_and_their_process(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), script=exits(a=Exit(30.0)))
    one.run_for(65)
    configure(one, task("new", "@every 1h"), task(schedule="@every 60s"))
    one.post(Reload())
    one.run_for(30)
    assert one.runs("a") == [("a", "schedule", "success", None)]


def test_a_changed_schedule_takes_effect_at_once(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"))
    one.run_for(65)
    configure(one, task(schedule="@every 10s"))
    one.post(Reload())
    one.run_for(20)
    assert len(one.runs()) == 2


def test_a_removed_tasks_process_ends_its_run_and_is_not_retried(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_retry={"max_attempts": 5}), task("b"), script=exits(a=Exit(30.0, 9)))
    one.run_for(65)
    configure(one, task("b"))
    one.post(Reload())
    one.run_for(100)
    assert one.runs() == [("a", "schedule", "technical_failure", "exit_code")]


def test_a_removed_tasks_waiting_runs_are_cancelled(sim: MakeSim) -> None:
    one = sim(task("b"), task("a", "@every 60s", task_dependencies=["b"]))
    one.run_for(65)
    configure(one, task("b"))
    one.post(Reload())
    one.run_for(1)
    assert one.runs() == [("a", "schedule", "cancelled", "user")]


def test_a_task_that_is_removed_and_put_back_does_not_run_beside_itself(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), task("b"), script=exits(a=Exit(300.0)))
    one.run_for(65)
    configure(one, task("b"))
    one.run_for(10)
    configure(one, task(schedule="@every 60s"), task("b"))
    one.run_for(60)
    assert [row[2:] for row in one.runs("a")] == [("running", None), ("skipped", "overlap")]


def test_a_waiting_run_whose_dependencies_are_taken_from_the_config_starts(sim: MakeSim) -> None:
    one = sim(task("b"), task(schedule="@at 2027-01-15T00:01", task_dependencies=["b"]))
    one.run_for(65)
    configure(one, task("b"), task(schedule="@at 2027-01-15T00:01"))
    one.run_for(5)
    assert one.runs() == [("a", "schedule", "success", None)]


def test_a_changed_dependency_timeout_holds_for_a_run_that_waits_already(sim: MakeSim) -> None:
    waits = {"task_dependencies": ["b"]}
    one = sim(task("b"), task(schedule="@at 2027-01-15T00:01", **waits))
    one.run_for(65)
    configure(one, task("b"), task(schedule="@at 2027-01-15T00:01", task_dependency_timeout=30, **waits))
    one.run_for(30)
    assert one.runs() == [("a", "schedule", "skipped", "dependency_timeout")]


def test_a_raised_number_of_instances_lets_the_queued_run_start(sim: MakeSim) -> None:
    fields = {"task_overlap": "queue"}
    one = sim(task(schedule="@every 60s", **fields), script=exits(a=Exit(500.0)))
    one.run_for(125)
    configure(one, task(schedule="@every 60s", task_max_instances=2, **fields))
    one.run_for(5)
    assert [row[2] for row in one.runs()] == ["running", "running"]


def test_replace_with_several_instances_makes_room_for_one(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_overlap="replace", task_max_instances=2), script=exits(a=Exit(1000.0)))
    one.run_for(185)
    assert [row[2:] for row in one.runs()] == [("cancelled", "replaced"), ("running", None), ("running", None)]


def test_a_retry_that_is_queued_for_capacity_at_a_stop_goes_on_afterwards(sim: MakeSim) -> None:
    one = sim(
        task("a", "@at 2027-01-15T00:01", task_retry={"max_attempts": 2, "delay": 30, "jitter": 0}),
        task("long", "@at 2027-01-15T00:01:05"),
        script=exits(a=[Exit(1.0, 9), Exit(1.0)], long=Exit(60.0)),
        max_running=1,
    )
    one.run_for(100)
    assert one.runs("a") == [("a", "schedule", "queued", "max_running")]
    one.stop()
    one.boot()
    one.run_for(5)
    assert one.runs("a") == [("a", "schedule", "success", None)]


def test_a_due_time_past_its_grace_is_not_started_however_short_the_delay(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 10m", task_misfire_grace=5))
    one.run_for(590)
    one.world.wall_offset += 40
    one.run_for(5)
    assert one.runs() == [("a", "schedule", "missed", "late")]


def test_a_removed_task_that_is_added_again_is_due_from_then_on(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"), task("b"))
    one.run_for(65)
    configure(one, task("b"))
    one.run_for(300)
    configure(one, task(schedule="@every 60s"), task("b"))
    one.run_for(10)
    assert len(one.runs("a")) == 1


def test_a_disabled_task_is_never_due_and_drops_what_had_not_started(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s", task_retry={"max_attempts": 2, "delay": "5m"}), script=exits(a=Exit(1.0, 9)))
    one.run_for(65)
    configure(one, task(schedule="@every 60s", enabled=False))
    one.run_for(600)
    assert one.runs() == [("a", "schedule", "cancelled", "user")]


def test_a_broken_config_keeps_the_old_one_and_is_reported(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"))
    one.source.write(
        [FieldError("task_timeout", Text("config.missing", why=Text("config.smtp.login")), owner="tasks[0] (a)")]
    )
    one.run_for(65)
    assert one.runs() == [("a", "schedule", "success", None)]
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


def test_a_half_written_config_is_read_once_more_before_it_is_reported(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"))
    one.source.write([FieldError("", Text("config.json.unclosed"), line=3, column=1)])
    one.run_for(2.01)
    assert "config" not in problems(one)
    configure(one, task("b", "@every 60s"))
    one.run_for(2.01)
    assert not any(line.startswith("ERROR") for line in one.lines)
    assert set(one.engine.snapshot.tasks) == {"b"}


def test_a_config_that_could_not_be_read_is_taken_once_it_can_be_without_a_further_change(sim: MakeSim) -> None:
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
    assert [row[2] for row in one.runs()] == ["running", "running"]


def test_an_engine_with_nothing_due_wakes_every_two_seconds_at_most(sim: MakeSim) -> None:
    one = sim(*(task(f"t{number}", "0 0 1 1 *") for number in range(50)))
    one.run_for(1)
    before = one.world.waits
    one.run_for(60)
    assert one.world.waits - before <= 31


# ------------------------------------------------------------------------------- while it is read and put in force


def request(one: Sim) -> ReplyTo:
    asked = ReplyTo(SimpleQueue(), one.world.mono + 5)
    one.post(Reload(asked, "a test"))
    return asked


def many(*more: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return [*more, *(task(f"t{number}", "0 0 1 1 *", **fields) for number in range(1000))]


def step(one: Sim) -> None:
    """One turn of the loop."""
    one.engine.step(one.world.wait(one.inbox, one.engine.nap_s()))


def test_due_times_are_served_while_the_file_is_read(sim: MakeSim) -> None:
    one = sim(task(schedule="* * * * * *"), script=exits(a=Exit(0.1)))
    one.source.read_s = 10.0
    configure(one, task(schedule="* * * * * *"), task("b"))
    one.run_for(9.5)
    assert "b" not in one.engine.snapshot.tasks
    assert [row[2] for row in one.runs()] == ["success"] * 9
    one.run_for(2.6)
    assert "b" in one.engine.snapshot.tasks


def test_a_config_of_many_tasks_is_put_in_force_in_pieces_and_due_times_are_served_between_them(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 60s"))
    one.run_for(30)
    configure(one, *many(task(schedule="@every 60s")))
    asked = request(one)
    shown = []
    while len(one.engine.snapshot.tasks) < 1001:
        step(one)
        assert len(shown) < 10 and asked.reply.empty() == (len(one.engine.snapshot.tasks) < 1001)
        shown.append(len(one.engine.snapshot.tasks))
        if len(shown) == 3:
            one.world.mono += 30.0  # a slow machine: it is due now
    assert all(0 <= after - before <= 300 for before, after in zip(shown, shown[1:]))
    assert asked.reply.get_nowait() == Reply()
    assert one.runs() == [("a", "schedule", "running", None)]
    assert sum("reloaded" in line and "1000 added, 0 changed, 0 removed" in line for line in one.lines) == 1


def test_right_before_a_due_time_no_task_is_put_in_force_but_due_times_do_not_keep_a_config_out(sim: MakeSim) -> None:
    one = sim(task(schedule="* * * * * *"), script=exits(a=Exit(0.1)))
    one.run_until(T0 + 29.99)
    configure(one, *many(task(schedule="* * * * * *")))
    request(one)
    step(one)
    step(one)
    assert one.world.wall() == pytest.approx(T0 + 30) and len(one.engine.snapshot.tasks) == 1
    while len(one.engine.snapshot.tasks) < 1001:
        one.world.mono += 0.99 - one.world.wall() % 1  # right before one again, as if one came after the other
        step(one)
        step(one)
        assert one.world.wall() < T0 + 40
    assert [row[2] for row in one.runs()].count("success") >= 29


def test_what_is_due_is_written_before_another_piece_of_a_config(sim: MakeSim) -> None:
    one = sim(task(schedule="* * * * * *"), script=exits(a=Exit(0.1)))
    one.run_until(T0 + 29.8)
    configure(one, *many(task(schedule="* * * * * *")))
    request(one)
    step(one)
    while one.world.wall() < T0 + 31.5:
        one.world.mono += 0.045  # what a step takes, so that a due time comes during some of them
        starts, tasks = len(one.world.starts), len(one.engine.snapshot.tasks)
        due = one.world.wall() % 1 < 0.045
        one.engine.step(one.world.wait(one.inbox, 0))
        assert not due or (len(one.world.starts), len(one.engine.snapshot.tasks)) == (starts + 1, tasks)
    assert len(one.engine.snapshot.tasks) == 1001


def test_a_request_during_a_reading_is_answered_when_what_is_there_then_is_in_force(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"))
    one.source.read_s = 1.0
    configure(one, task("b", "@every 1h"))
    first = request(one)
    one.run_for(0.5)
    configure(one, task("c", "@every 1h"))
    second = request(one)
    one.run_for(0.6)
    assert first.reply.get_nowait() == Reply() and set(one.engine.snapshot.tasks) == {"b"}
    assert second.reply.empty()
    one.run_for(1.1)
    assert second.reply.get_nowait() == Reply() and set(one.engine.snapshot.tasks) == {"c"}


def test_requests_for_the_same_file_are_answered_by_one_reading(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"))
    one.source.read_s = 1.0
    configure(one, task("b", "@every 1h"))
    one.run_for(2.5)  # the change has been noticed, and is read
    asked = [request(one), request(one)]
    one.run_for(0.6)
    assert [each.reply.get_nowait() for each in asked] == [Reply(), Reply()]
    one.run_for(5)
    assert sum("reloaded" in line for line in one.lines) == 1


def test_a_request_during_the_reading_of_a_broken_file_is_answered_by_another_reading(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"))
    one.source.read_s = 1.0
    one.source.write([FieldError("", Text("config.file.writable", path="x"))])
    first = request(one)
    one.run_for(0.5)
    one.source.content = config(task("b", "@every 1h"))  # by chmod, which changes no stamp
    second = request(one)
    one.run_for(2.0)
    assert first.reply.get_nowait().refused == "invalid"
    assert second.reply.get_nowait() == Reply()


def test_a_file_that_changes_while_it_is_read_is_read_again(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 1h"))
    one.source.changed = lambda: one.post(FilesChanged())
    one.run_for(100)
    one.source.read_s = 1.0
    configure(one, task("b", "@every 1h"))
    one.run_for(1.0)
    configure(one, task("c", "@every 1h"))
    one.run_for(5)
    assert set(one.engine.snapshot.tasks) == {"c"}


@pytest.mark.parametrize("steps", [1, 3])
def test_a_stop_while_a_config_is_read_or_put_in_force_refuses_it_and_the_next_engine_uses_it(
    sim: MakeSim, steps: int
) -> None:
    one = sim(task(schedule="@every 60s"))
    one.run_for(30)
    configure(one, *many(task(schedule="@every 60s")))
    asked = request(one)
    for _ in range(steps):
        step(one)
    assert one.stop() == 0
    assert asked.reply.get_nowait().refused == "stopping"
    one.boot()
    assert len(one.engine.snapshot.tasks) == 1001
    one.run_for(65)
    assert [row[2] for row in one.runs()] == ["success"]


def test_a_crash_while_a_config_is_put_in_force_loses_no_due_time_and_runs_none_twice(sim: MakeSim) -> None:
    one = sim(*many(task(schedule="@every 60s")))
    one.run_for(65)
    configure(one, *many(task(schedule="@every 60s"), task_description="new"), task("z", "@every 60s"))
    one.post(Reload())
    for _ in range(3):
        step(one)
    one.crash()
    one.boot()
    one.run_for(60)
    assert [row[0] for row in one.runs()] == ["a", "a", "z"]


def test_a_clock_set_back_while_a_config_is_put_in_force_runs_nothing_twice(sim: MakeSim) -> None:
    one = sim(*many(task(schedule="@every 60s")), task("z", "@every 60s"))
    one.run_for(125)
    configure(one, *many(task(schedule="@every 60s"), task_description="new"), task("z", "@every 60s", task_nice=1))
    one.post(Reload())
    for _ in range(3):
        step(one)
    one.world.wall_offset -= 100
    one.run_for(160)
    dues = [(row["task_id"], row["scheduled_time"]) for row in one.rows()]
    assert len(dues) == len(set(dues)) == 6


def test_a_task_of_a_new_config_gets_the_token_of_a_run_that_ends_before_it_is_there(sim: MakeSim) -> None:
    one = sim(task(schedule="@at 2027-01-15T00:01"), script=exits(a=Exit(30.0)))
    one.run_for(80)
    configure(one, *many(task(schedule="@at 2027-01-15T00:01")), task("late", task_dependencies=["a"]))
    one.post(Reload())
    for _ in range(3):
        step(one)
    assert "late" not in one.engine.snapshot.tasks
    one.world.pass_time(15)  # the run of `a` ends before the next piece
    one.run_for(60)
    assert one.runs("late") == [("late", "dependency", "success", None)]


def test_tasks_due_at_the_same_time_start_in_the_order_of_the_new_config(sim: MakeSim) -> None:
    one = sim(task("a", "@every 60s"), task("b", "@every 60s"))
    one.run_for(30)
    configure(one, task("b", "@every 60s"), task("a", "@every 60s"))
    one.run_for(40)
    assert [task_id for task_id, _, _ in one.world.starts] == ["b", "a"]
    assert list(one.engine.snapshot.tasks) == ["b", "a"]
