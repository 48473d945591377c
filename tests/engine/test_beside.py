"""The engine beside `exec`: no task runs more often at once than it may, and nothing that an `exec` writes is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from minisched.model import Stop, StoreError, Text
from support.engine import T0, Exec, FailingLedger, MakeSim, exits, failing_sim, hold, problems, release, start, task
from support.sim import Exit, Sim


def of_engine(one: Sim, task_id: str = "a") -> list[str]:
    """The status of each of the engine's runs of the task."""
    return [row["status"] for row in one.rows(task_id) if row["trigger"] != "manual"]


# ----------------------------------------------------------------------------------------------------- one slot for two


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
def test_an_attempt_that_waits_for_a_locked_ledger_is_queued_behind_an_exec(tmp_path: Path, overlap: str) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="@at 2027-01-15T00:00:10", task_overlap=overlap))
    one.run_for(5)
    hold(ledger)
    one.run_for(8)
    assert one.engine.snapshot.engine.running == 1 and one.world.starts == []
    by_hand = Exec(one)
    release(ledger)
    one.run_for(5)
    assert one.world.starts == []
    assert of_engine(one) == ["queued"]
    by_hand.end()
    one.run_for(5)
    assert one.runs() == [("a", "manual", "success", None), ("a", "schedule", "success", None)]
    assert [row["attempt"] for row in one.rows()] == [1, 1]


def test_an_exec_that_begins_between_the_read_and_the_commit_is_seen(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="@every 10s"), task("b", "@every 10s"))
    one.run_for(5)
    made: list[Exec] = []

    def transaction(durable: bool) -> Any:
        if not made and one.world.wall() >= T0 + 10:
            made.append(Exec(one))
        return ledger.real.transaction(durable)

    ledger.transaction = transaction  # type: ignore[attr-defined]
    one.run_for(5.5)
    assert [start[0] for start in one.world.starts] == ["b"]
    assert of_engine(one) == ["queued"]
    assert "history" not in problems(one)
    made[0].end()
    one.run_for(3)
    assert of_engine(one)[:1] == ["success"]


def test_a_run_that_waits_for_max_running_does_not_start_beside_an_exec(sim: MakeSim) -> None:
    one = sim(
        task("b", "@at 2027-01-15T00:00:10"),
        task(schedule="@at 2027-01-15T00:00:10"),
        script=exits(b=Exit(20.0)),
        max_running=1,
    )
    one.run_for(12)
    assert of_engine(one) == ["queued"]
    by_hand = Exec(one)
    one.run_for(25)
    assert of_engine(one) == ["queued"]
    by_hand.end()
    one.run_for(5)
    assert of_engine(one) == ["success"]


def test_a_retry_does_not_start_beside_an_exec(sim: MakeSim) -> None:
    """The engine was killed, and an `exec` began before it came back."""
    retry = {"max_attempts": 3, "delay": "5s"}
    one = sim(task(schedule="@at 2027-01-15T00:00:10", task_retry=retry), script=exits(a=[Exit(300.0), Exit(1.0)]))
    one.run_for(20)
    one.crash()
    by_hand = Exec(one)
    one.boot()
    one.run_for(20)
    assert of_engine(one) == ["queued"] and len(one.world.starts) == 1
    by_hand.end()
    one.run_for(5)
    (row,) = (row for row in one.rows() if row["trigger"] == "schedule")
    assert (row["status"], row["attempt"]) == ("success", 2)


def test_an_attempt_queued_again_for_an_exec_frees_its_process_for_another_task(tmp_path: Path) -> None:
    one, ledger = failing_sim(
        tmp_path, task(schedule="@at 2027-01-15T00:00:10"), task("b", "@at 2027-01-15T00:00:11"), max_running=1
    )
    one.run_for(5)
    hold(ledger)
    one.run_for(5.2)
    assert one.engine.snapshot.engine.running == 1 and one.world.starts == []
    by_hand = Exec(one)
    release(ledger)
    one.run_for(5)
    assert (of_engine(one), of_engine(one, "b")) == (["queued"], ["success"])
    by_hand.end()


def test_a_cancelled_attempt_does_not_wait_for_the_exec(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="@every 10s", task_overlap="replace"))
    one.run_for(5)
    hold(ledger)
    one.run_for(6)
    one.run_for(10)  # the next due time replaces it
    by_hand = Exec(one)
    release(ledger)
    one.run_for(2)
    assert of_engine(one)[0] == "cancelled" and one.world.starts == []
    by_hand.end()


def test_an_attempt_queued_again_for_an_exec_is_not_started_after_a_stop(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="@at 2027-01-15T00:00:10"))
    one.run_for(5)
    hold(ledger)
    one.run_for(6)
    by_hand = Exec(one)
    release(ledger)
    one.run_for(3)
    one.post(Stop())
    one.run_for(3)
    assert one.engine.exit_code == 0
    assert of_engine(one) == ["skipped"]
    by_hand.end()


def test_the_run_of_an_exec_that_died_is_taken_over_and_the_attempt_follows(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="@at 2027-01-15T00:00:10"))
    one.run_for(5)
    hold(ledger)
    one.run_for(6)
    Exec(one).die()
    release(ledger)
    one.run_for(5)
    assert one.runs() == [
        ("a", "manual", "technical_failure", "interrupted"),
        ("a", "schedule", "success", None),
    ]


def test_beside_an_exec_as_many_start_as_there_are_slots_left(tmp_path: Path) -> None:
    one, ledger = failing_sim(
        tmp_path,
        task(schedule="@every 1s", task_max_instances=3),
        script=exits(a=Exit(100.0)),
    )
    one.run_for(0.5)
    hold(ledger)
    one.run_for(0.7)
    by_hand = Exec(one)
    release(ledger)
    one.run_for(5)
    assert of_engine(one).count("running") == 2
    by_hand.end()
    one.run_for(5)
    assert of_engine(one).count("running") == 3


def test_a_retry_waits_for_a_slot_if_their_number_was_lowered(sim: MakeSim) -> None:
    from support.engine import configure

    fields: dict[str, Any] = {"task_retry": {"max_attempts": 2, "delay": 30, "jitter": 0}}
    one = sim(
        task(schedule="@every 10s", task_max_instances=2, **fields),
        script=exits(a=[Exit(1.0, 9), Exit(60.0), Exit(1.0)]),
    )
    one.run_for(25)
    configure(one, task(schedule="0 0 1 1 *", **fields))
    one.run_for(40)
    assert of_engine(one)[:2] == ["queued", "running"]
    one.run_for(60)
    assert of_engine(one)[:2] == ["success", "success"]


# -------------------------------------------------------------------------------------------------- what an exec leaves


def test_a_queued_run_starts_when_one_of_several_execs_ends(sim: MakeSim) -> None:
    one = sim(
        task(schedule="@at 2027-01-15T00:00:10", task_overlap="queue", task_max_instances=2),
        script=exits(a=Exit(1.0)),
    )
    first, second = Exec(one), Exec(one)
    one.run_for(15)
    assert of_engine(one) == ["queued"]
    first.end()
    one.run_for(5)
    assert of_engine(one) == ["success"]
    second.end()


@pytest.mark.parametrize("what", ["unfinished", "tokens"])
def test_what_an_exec_wrote_is_taken_over_after_a_read_error_too(tmp_path: Path, what: str) -> None:
    one, ledger = failing_sim(
        tmp_path, task(), task("d", task_dependencies=["a"]), task("w", "@every 10s", task_overlap="queue")
    )
    by_hand = Exec(one)
    dying = Exec(one, "w")
    one.run_for(15)
    assert of_engine(one, "w") == ["queued"]
    failing(ledger, what, 3)
    by_hand.end([("d", "a")])
    dying.die()
    one.run_for(1)
    one.run_for(10)
    assert one.runs("d") == [("d", "dependency", "success", None)]
    assert of_engine(one, "w")[0] == "success"
    assert len([line for line in one.lines if "unreadable" in line]) == 1


def failing(ledger: FailingLedger, name: str, times: int) -> None:
    method, left = getattr(ledger.real, name), [times]

    def read() -> Any:
        if left[0]:
            left[0] -= 1
            raise StoreError("io", Text("text", text="unreadable"))
        return method()

    setattr(ledger, name, read)


def test_an_attempt_waits_while_the_run_of_an_exec_cannot_be_read(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="@at 2027-01-15T00:00:10"))
    one.run_for(5)
    hold(ledger)
    one.run_for(6)
    by_hand: Optional[Exec] = Exec(one)
    failing(ledger, "unfinished", 4)
    release(ledger)
    one.run_for(8)
    assert one.world.starts == [] and of_engine(one) == ["queued"]
    assert by_hand
    by_hand.end()
    one.run_for(5)
    assert of_engine(one) == ["success"] and problems(one) == {}


def test_a_script_learns_the_status_of_a_run_of_an_exec_before_it(sim: MakeSim) -> None:
    one = sim(task(schedule="@every 10s"), script=exits(a=Exit(1.0, 75)))
    one.run_for(12)
    Exec(one).end()
    seen = []
    one.world.script = lambda spec, draw: seen.append(spec.env["MINISCHED_PREVIOUS_STATUS"]) or Exit(1.0)  # type: ignore[func-returns-value]
    one.run_for(20)
    assert seen == ["success", "success"]


def test_a_manual_run_that_loses_its_slot_to_an_exec_is_queued(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(task_overlap="queue"))
    made: list[Exec] = []

    def transaction(durable: bool) -> Any:
        if not made:
            made.append(Exec(one))
        return ledger.real.transaction(durable)

    ledger.transaction = transaction  # type: ignore[attr-defined]
    reply = start(one, "a")
    assert (reply.refused, reply.run_id) == (None, 2)
    assert [row["status"] for row in one.rows()] == ["running", "queued"]
    made[0].end()
    one.run_for(5)
    assert [row["status"] for row in one.rows()] == ["success", "success"]


def test_a_leftover_of_a_removed_task_is_ended_once_though_nothing_can_be_written(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task())
    gone = Exec(one, "removed")
    one.run_for(1)
    hold(ledger)
    gone.die()
    for _ in range(3):
        Exec(one).end()  # another process has written: the engine reads the history again
        one.run_for(3)
    release(ledger)
    one.run_for(3)
    (row,) = one.rows("removed")
    assert (row["status"], row["reason"]) == ("technical_failure", "interrupted")
    assert len([line for line in one.lines if "of removed: technical_failure" in line]) == 1
