"""Commands to the engine, and what the snapshot shows; under a fake clock."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue
from typing import Any, Optional

from minisched.model import FieldError, Reload, Reply, ReplyTo, RunTask, Status, Stop, StopRun, Text
from support.engine import T0, MakeSim, exits, failing_sim, problems, start, task
from support.factories import config
from support.sim import Exit, Sim


def asked(one: Sim, seconds: float = 5.0) -> ReplyTo:
    return ReplyTo(SimpleQueue(), one.world.mono + seconds)


def stop(one: Sim, run_id: int) -> Reply:
    question = asked(one)
    one.post(StopRun(question, run_id, "a test"))
    one.run_for(0.01)
    return question.reply.get_nowait()


def shown(one: Sim, task_id: str = "a") -> list[Status]:
    return [run.status for run in one.engine.snapshot.tasks[task_id].live]


def test_a_manual_run_is_answered_with_its_id_once_its_row_is_on_disk(sim: MakeSim) -> None:
    one = sim(task(), script=exits(a=Exit(5.0)))
    answer = start(one, "a", DAY="today")
    assert answer.refused is None
    (row,) = one.rows()
    assert (row["run_id"], row["trigger"], row["status"]) == (answer.run_id, "manual", "running")
    assert one.world.processes[answer.run_id].launch.env["DAY"] == "today"
    assert any("a: started manually, requested by a test" in line for line in one.lines)


def test_a_reply_comes_after_the_snapshot_shows_it(sim: MakeSim) -> None:
    one = sim(task(), script=exits(a=Exit(5.0)))
    snapshot = one.engine.snapshot

    class Watched(SimpleQueue[Reply]):
        def put(self, item: Reply, block: bool = True, timeout: Optional[float] = None) -> None:
            views.append((snapshot.engine.config_stamp == one.source.stamp(), shown(one)))
            super().put(item)

    views: list[Any] = []
    one.post(RunTask(ReplyTo(Watched(), one.world.mono + 5), "a", {}, "a test"))
    one.run_for(0.01)
    one.source.write(config(task(task_name="another")))
    one.post(Reload(ReplyTo(Watched(), one.world.mono + 5), "a test"))
    one.run_for(0.01)
    assert views == [(True, [Status.RUNNING]), (True, [Status.RUNNING])]
    assert snapshot.tasks["a"].task.task_name == "another"


def test_a_second_manual_run_follows_the_overlap_of_its_task(sim: MakeSim) -> None:
    one = sim(task(), script=exits(a=Exit(5.0)))
    start(one, "a")
    answer = start(one, "a")
    assert one.runs()[-1] == ("a", "manual", "skipped", "overlap")
    assert answer.run_id == one.rows()[-1]["run_id"]


def test_a_manual_run_is_refused_for_an_unknown_task_and_while_stopping(sim: MakeSim) -> None:
    one = sim(task("a"), task("b"), script=exits(a=Exit(5.0)))
    assert start(one, "c").refused == "not_found"
    start(one, "a")
    one.post(Stop())
    assert start(one, "b").refused == "stopping"


def test_a_client_that_no_longer_waits_gets_no_run(sim: MakeSim) -> None:
    one = sim(task())
    late = asked(one, -1.0)
    one.post(RunTask(late, "a", {}, "a test"))
    one.post(StopRun(late, 1, "a test"))
    one.post(Reload(late, "a test"))
    one.run_for(0.01)
    assert late.reply.empty() and one.rows() == []


def test_while_the_history_cannot_be_written_a_run_is_refused_and_never_comes_later(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task())
    ledger.kind = "locked"
    assert start(one, "a").refused == "unavailable"  # found at the commit
    assert start(one, "a").refused == "unavailable"  # known before
    ledger.kind = ""
    one.run_for(10)
    assert one.rows() == [] and one.world.starts == []
    assert start(one, "a").run_id == 1


def test_a_refused_run_that_was_queued_for_a_process_does_not_start_later(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task("a"), task("b"), script=exits(a=Exit(5.0)), max_running=1)
    start(one, "a")
    ledger.kind = "locked"
    assert start(one, "b").refused == "unavailable"
    ledger.kind = ""
    one.run_for(20)
    assert [row["task_id"] for row in one.rows()] == ["a"]
    assert len(one.world.starts) == 1


def test_a_retry_starts_when_a_refused_run_gives_its_process_back(tmp_path: Path) -> None:
    retried = task("a", task_retry={"max_attempts": 2, "delay": "5s"})
    one, ledger = failing_sim(tmp_path, retried, task("b"), script=exits(a=[Exit(1.0, 75)]), max_running=1)
    start(one, "a")
    one.run_for(4)
    ledger.kind = "locked"
    one.world.mono += 5  # the retry is due in the step that refuses the other run
    assert start(one, "b").refused == "unavailable"
    ledger.kind = ""
    one.run_for(5)
    assert [(row["task_id"], row["status"], row["attempt"]) for row in one.rows()] == [("a", "success", 2)]


def test_a_run_is_refused_with_the_reason_if_the_disk_is_full(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task())
    ledger.kind = "full"
    assert start(one, "a").refused == "disk_full"  # found at the commit
    assert start(one, "a").refused == "disk_full"  # known before
    ledger.kind = "locked"
    one.run_for(5)
    assert start(one, "a").refused == "unavailable"
    assert one.rows() == []


def test_a_run_is_stopped_in_whatever_state_it_is(sim: MakeSim) -> None:
    fields: Any = {"task_overlap": "queue", "task_retry": {"max_attempts": 2, "delay": "1h"}}
    one = sim(task(**fields), task("w", "@every 1h", task_dependencies=["a"]), script=exits(a=Exit(1.0, 75)))
    start(one, "a")
    queued = start(one, "a").run_id
    assert stop(one, queued).refused is None
    one.run_for(3600)
    assert stop(one, one.rows("w")[0]["run_id"]).run_id
    running = start(one, "a").run_id if not shown(one) else one.engine.snapshot.tasks["a"].live[0].run_id
    stop(one, running)
    one.run_for(5)
    assert {(row["status"], row["reason"]) for row in one.rows() if row["run_id"] in (queued, running)} == {
        ("cancelled", "user")
    }
    assert one.runs("w")[0] == ("w", "schedule", "cancelled", "user")
    assert stop(one, queued).refused == "ended"
    assert stop(one, 99).refused == "ended"


def test_of_two_stops_in_one_step_the_second_is_answered_that_the_run_has_ended(sim: MakeSim) -> None:
    one = sim(task(task_overlap="queue", task_max_instances=1), script=exits(a=Exit(5.0)))
    start(one, "a")
    queued = start(one, "a").run_id
    first, second = asked(one), asked(one)
    one.post(StopRun(first, queued, "a test"))
    one.post(StopRun(second, queued, "another test"))
    one.run_for(0.01)
    assert first.reply.get_nowait() == Reply(run_id=queued)
    assert second.reply.get_nowait().refused == "ended"
    (row,) = [row for row in one.rows() if row["run_id"] == queued]
    assert (row["status"], row["reason"]) == ("cancelled", "user")


def test_a_stop_of_a_run_whose_end_cannot_be_written_yet_changes_nothing(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(), script=exits(a=Exit(5.0)))
    run_id = start(one, "a").run_id
    ledger.kind = "full"
    one.run_for(10)
    assert stop(one, run_id).refused == "ended"
    ledger.kind = ""
    one.run_for(10)
    assert [row["status"] for row in one.rows()] == ["success"]


def test_a_requested_reload_is_answered_with_the_problems(sim: MakeSim) -> None:
    one = sim(task())
    one.source.write([FieldError("task_timeout", Text("config.missing", why=Text("config.smtp.login")))])
    question = asked(one)
    one.post(Reload(question, "a test"))
    one.run_for(0.01)
    answer = question.reply.get_nowait()
    assert (answer.refused, answer.problems) == ("invalid", tuple(one.source.content))
    assert one.engine.snapshot.engine.config_problems == answer.problems
    one.source.write(config(task(), task("b")))
    one.post(Reload(question, "a test"))
    one.run_for(0.01)
    assert question.reply.get_nowait() == Reply()
    assert list(one.engine.snapshot.tasks) == ["a", "b"]
    assert one.engine.snapshot.engine.config_problems == ()


# --------------------------------------------------------------------------------------------------------- the snapshot


def test_the_snapshot_follows_a_run_from_its_row_to_its_end(sim: MakeSim) -> None:
    one = sim(task(schedule="30 2 * * *"), script=exits(a=Exit(5.0)))
    snapshot = one.engine.snapshot
    assert (snapshot.tasks["a"].next_start, shown(one)) == (T0 + 9000, [])
    before, woken = snapshot.version, []
    snapshot.watchers = (lambda: woken.append(snapshot.version),)
    one.run_for(9001)
    assert shown(one) == [Status.RUNNING]
    assert snapshot.tasks["a"].next_start == T0 + 9000 + 86_400
    assert before < snapshot.tasks["a"].version <= snapshot.version == woken[-1]
    assert snapshot.engine.running == 1
    one.run_for(10)
    assert shown(one) == [] and snapshot.engine.running == 0
    quiet = snapshot.version
    one.run_for(600)
    assert snapshot.version == quiet  # nothing changed, so no watcher is called
    assert one.world.mono - snapshot.engine.beat < 3


def test_what_the_snapshot_shows_does_not_depend_on_when_it_is_first_read(tmp_path: Path) -> None:
    """Nothing is made of the tasks before they are read."""
    tasks = task("a", "30 2 * * *"), task("b", "30 2 * * *", task_expect={"duration": "1s"}), task("c")
    early, late = (Sim(str(tmp_path / name), T0, tasks, exits(a=Exit(60.0), b=Exit(5.0))) for name in ("1.db", "2.db"))
    for one in (early, late):
        one.boot()
        assert one is late or list(one.engine.snapshot.tasks) == ["a", "b", "c"]
        one.run_for(9003)
        one.source.write(config(task("c"), *tasks[:2]))
        one.run_for(4)
    first = {name: view._replace(version=0) for name, view in late.engine.snapshot.tasks.items()}
    assert first == {name: view._replace(version=0) for name, view in early.engine.snapshot.tasks.items()}
    assert ([run.status for run in first["a"].live], list(first)) == ([Status.RUNNING], ["c", "a", "b"])
    before = late.engine.snapshot.version
    late.run_for(60)
    assert shown(late) == [] and late.engine.snapshot.tasks["a"].version > before
    assert late.engine.snapshot.tasks["c"].version <= before


def test_the_snapshot_has_the_order_of_a_new_config_and_forgets_removed_tasks(sim: MakeSim) -> None:
    one = sim(task("a"), task("b"), task("c"))
    one.source.write(config(task("c"), task("a")))
    one.run_for(5)
    assert list(one.engine.snapshot.tasks) == ["c", "a"]
    one.source.write(config(task("a", task_name="A"), task("c")))
    one.run_for(5)
    assert list(one.engine.snapshot.tasks) == ["a", "c"]
    assert one.engine.snapshot.tasks["a"].task.task_name == "A"


def test_while_the_history_cannot_be_written_the_snapshot_shows_what_is_on_disk_and_why(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="@every 10s"), script=exits(a=Exit(5.0)))
    one.run_for(11)
    assert shown(one) == [Status.RUNNING]
    ledger.kind = "full"
    one.run_for(8)  # the run has ended, but its end cannot be written
    assert shown(one) == [Status.RUNNING]
    assert "full" in problems(one)["history"]
    ledger.kind = ""
    one.run_for(3)
    assert "history" not in one.engine.snapshot.engine.problems
