"""Locks (`task_locks`): tasks that must not run at once, and who starts first."""

from __future__ import annotations

import os
import random
import tempfile
from collections import defaultdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisched.model import ProcessSpec, ReplyTo, StopRun
from support.engine import T0, Exec, MakeSim, configure, exits, failing_sim, hold, release, start, task
from support.sim import Exit, Sim

AT = "@at 2027-01-15T00:00:"


def locked(task_id: str, second: int, *locks: str, **fields: Any) -> dict[str, Any]:
    """A task that is due once, so many seconds after midnight."""
    return task(task_id, f"{AT}{second:02}", task_locks=list(locks), **fields)


def started(one: Sim) -> list[str]:
    return [name for name, _, _ in one.world.starts]


def states(one: Sim) -> dict[str, tuple[str, Any]]:
    return {name: (status, reason) for name, _, status, reason in one.runs()}


# ------------------------------------------------------------------------------------------------------------ one lock


def test_two_tasks_with_one_lock_run_one_after_the_other(sim: MakeSim) -> None:
    one = sim(locked("x", 10, "db"), locked("y", 15, "db"), script=exits(x=Exit(60.0), y=Exit(1.0)))
    one.run_for(30)
    assert states(one) == {"x": ("running", None), "y": ("queued", "lock")}
    assert one.rows("y")[0]["detail"] == {
        "code": "lock",
        "locks": [
            {"code": "lock_held", "lock": "db", "runs": [{"code": "run_of_task", "task": "x", "run_id": 1}]},
        ],
    }
    assert "INFO run 2 of y: queued (lock: waits for lock db (held by x, run 1))" in one.lines
    one.run_for(45)
    assert states(one) == {"x": ("success", None), "y": ("success", None)}
    assert one.rows("y")[0]["start_time"].startswith("2027-01-15T00:01:10")


def test_a_lock_of_a_size_has_as_many_holders(sim: MakeSim) -> None:
    tasks = [locked(name, 10, "db") for name in "abcd"]
    one = sim(*tasks, script=lambda *_: Exit(5.0), locks={"db": 2})
    one.run_for(12)
    assert started(one) == ["a", "b"]
    one.run_for(5)
    assert started(one) == ["a", "b", "c", "d"]


def test_a_task_without_the_lock_is_not_held_up(sim: MakeSim) -> None:
    one = sim(locked("x", 10, "db"), locked("y", 11, "db"), locked("z", 12, "net"), script=exits(x=Exit(60.0)))
    one.run_for(20)
    assert started(one) == ["x", "z"]


def test_a_run_by_hand_waits_for_the_lock_too(sim: MakeSim) -> None:
    one = sim(locked("x", 10, "db"), task("y", task_locks=["db"]), script=exits(x=Exit(60.0)))
    one.run_for(12)
    start(one, "y")
    assert one.runs("y") == [("y", "manual", "queued", "lock")]


def test_while_a_retry_waits_for_its_delay_the_lock_is_free(sim: MakeSim) -> None:
    retry = {"max_attempts": 2, "delay": 30, "jitter": 0}
    one = sim(
        locked("x", 10, "db", task_retry=retry),
        locked("y", 11, "db"),
        script=exits(x=[Exit(5.0, 9), Exit(5.0)], y=Exit(60.0)),
    )
    one.run_for(20)
    assert states(one) == {"x": ("retrying", "exit_code"), "y": ("running", None)}
    one.run_for(30)
    assert states(one)["x"] == ("queued", "lock")  # the second attempt needs it again
    one.run_for(40)
    assert states(one) == {"x": ("success", None), "y": ("success", None)}


# -------------------------------------------------------------------------------------------------- several, and order


def test_a_run_that_needs_two_locks_holds_none_while_it_waits_and_is_not_overtaken(sim: MakeSim) -> None:
    one = sim(
        locked("x", 10, "db"),
        locked("both", 11, "db", "net"),
        locked("late", 12, "net"),
        script=exits(x=Exit(20.0), both=Exit(20.0), late=Exit(1.0)),
    )
    one.run_for(15)
    assert states(one) == {"x": ("running", None), "both": ("queued", "lock"), "late": ("queued", "lock")}
    assert one.rows("late")[0]["detail"]["locks"] == [
        {"code": "lock_promised", "lock": "net", "run": {"code": "run_of_task", "task": "both", "run_id": 2}}
    ]
    shown = {lock.name: lock for lock in one.engine.snapshot.engine.locks}
    assert (shown["db"].held_by, shown["db"].waiting) == ((("x", 1),), (("both", 2),))
    assert (shown["net"].held_by, shown["net"].waiting) == ((), (("both", 2), ("late", 3)))
    one.run_for(40)
    assert started(one) == ["x", "both", "late"]


def test_where_the_lock_has_room_for_both_a_later_run_does_not_wait(sim: MakeSim) -> None:
    one = sim(
        locked("x", 10, "db"),
        locked("both", 11, "db", "net"),
        locked("late", 12, "net"),
        script=exits(x=Exit(20.0)),
        locks={"net": 2},
    )
    one.run_for(15)
    assert started(one) == ["x", "late"]


def test_a_run_that_waits_for_a_lock_needs_no_process_meanwhile(sim: MakeSim) -> None:
    one = sim(
        locked("x", 10, "db"),
        locked("y", 11, "db"),
        task("z", f"{AT}12"),
        script=exits(x=Exit(20.0), z=Exit(1.0)),
        max_running=2,
    )
    one.run_for(15)
    assert started(one) == ["x", "z"]


def test_a_run_that_waits_for_a_process_keeps_its_place_for_the_lock(sim: MakeSim) -> None:
    one = sim(
        task("long", f"{AT}05"),
        locked("x", 10, "db"),
        locked("y", 11, "db"),
        script=exits(long=Exit(20.0), x=Exit(5.0)),
        max_running=1,
    )
    one.run_for(15)
    assert states(one) == {"long": ("running", None), "x": ("queued", "max_running"), "y": ("queued", "lock")}
    one.run_for(30)
    assert started(one) == ["long", "x", "y"]


# -------------------------------------------------------------------------------------- overlap, cancel, stop, restart


def test_a_run_that_waits_for_a_lock_keeps_its_slot(sim: MakeSim) -> None:
    one = sim(
        task("x", f"{AT}05", task_locks=["db"]),
        task("y", "@every 10s", task_locks=["db"]),
        script=exits(x=Exit(60.0)),
    )
    one.run_for(25)
    assert one.runs("y") == [("y", "schedule", "queued", "lock"), ("y", "schedule", "skipped", "overlap")]
    assert one.rows("y")[1]["detail"]["runs"] == [{"code": "run_status", "run_id": 2, "status": "queued"}]


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("queue", [("queued", "lock"), ("skipped", "queue_full")]),
        ("replace", [("cancelled", "replaced"), ("queued", "lock")]),
    ],
)
def test_the_overlap_of_a_task_holds_for_a_run_that_waits_for_a_lock(sim: MakeSim, overlap: str, expected: Any) -> None:
    one = sim(
        task("x", f"{AT}05", task_locks=["db"]),
        task("y", "@every 10s", task_locks=["db"], task_overlap=overlap),
        script=exits(x=Exit(60.0)),
    )
    one.run_for(25)
    assert [row[2:] for row in one.runs("y")] == expected


def test_with_misfire_all_the_runs_of_a_downtime_take_the_lock_one_after_the_other(sim: MakeSim) -> None:
    one = sim(task("y", "@every 60s", task_locks=["db"], task_misfire="all"), script=exits(y=Exit(5.0)))
    one.run_for(5)
    one.crash()
    one.world.pass_time(180)
    one.boot()
    one.run_for(30)
    assert [row[1:] for row in one.runs("y")] == [("catchup", "success", None)] * 3


def test_a_cancelled_run_gives_its_place_up(sim: MakeSim) -> None:
    one = sim(
        locked("x", 10, "db"),
        locked("both", 11, "db", "net"),
        locked("late", 12, "net"),
        script=exits(x=Exit(60.0)),
    )
    one.run_for(15)
    one.post(StopRun(ReplyTo(SimpleQueue(), one.world.mono + 5), 2, "a test"))
    one.run_for(1)
    assert started(one) == ["x", "late"]
    assert states(one)["both"] == ("cancelled", "user")


def test_a_stop_of_the_engine_ends_what_waits_for_a_lock(sim: MakeSim) -> None:
    one = sim(locked("x", 10, "db"), locked("y", 11, "db"), script=exits(x=Exit(20.0)))
    one.run_for(15)
    one.stop()
    assert states(one) == {"x": ("success", None), "y": ("skipped", "shutdown")}
    assert started(one) == ["x"]


def test_after_a_crash_no_lock_is_held_and_the_queued_run_starts(sim: MakeSim) -> None:
    one = sim(locked("x", 10, "db"), locked("y", 11, "db"), script=exits(x=Exit(600.0), y=Exit(20.0)))
    one.run_for(15)
    one.crash()
    one.boot()
    one.run_for(5)
    assert states(one) == {"x": ("technical_failure", "interrupted"), "y": ("running", None)}
    assert [lock.held_by for lock in one.engine.snapshot.engine.locks] == [(("y", 2),)]


def test_the_clock_set_back_forgets_a_run_that_waits_for_a_lock(sim: MakeSim) -> None:
    one = sim(locked("x", 10, "db"), locked("y", 40, "db"), script=exits(x=Exit(100.0)))
    one.run_for(45)
    one.world.set_clock(-30)
    one.run_for(5)
    assert states(one) == {"x": ("running", None)}
    assert [lock.waiting for lock in one.engine.snapshot.engine.locks] == [()]
    one.run_for(90)
    assert states(one)["y"] == ("success", None)


# -------------------------------------------------------------------------------------------------------------- reload


def test_a_larger_size_starts_who_waits_and_a_smaller_one_ends_no_process(sim: MakeSim) -> None:
    tasks = [locked(name, 10, "db") for name in "abc"]
    one = sim(*tasks, script=lambda *_: Exit(30.0))
    one.run_for(12)
    assert started(one) == ["a"]
    configure(one, *tasks, locks={"db": 2})
    one.run_for(5)
    assert started(one) == ["a", "b"]
    configure(one, *tasks)
    one.run_for(26)  # a has ended, b still holds it
    assert started(one) == ["a", "b"]
    one.run_for(10)
    assert started(one) == ["a", "b", "c"]


def test_a_process_keeps_the_locks_that_it_took_when_its_task_changes_and_a_queued_run_takes_the_new_ones(
    sim: MakeSim,
) -> None:
    one = sim(locked("x", 10, "db"), locked("y", 11, "db"), script=exits(x=Exit(60.0), y=Exit(60.0), z=Exit(1.0)))
    one.run_for(15)
    configure(one, locked("x", 10, "net"), locked("y", 11, "net"), task("z", task_locks=["db"]))
    one.run_for(5)
    assert states(one)["y"] == ("running", None)
    start(one, "z")
    assert states(one)["z"] == ("queued", "lock")
    assert {lock.name: lock.held_by for lock in one.engine.snapshot.engine.locks} == {
        "db": (("x", 1),),
        "net": (("y", 2),),
    }


def test_a_run_that_loses_its_slot_while_it_waits_for_a_process_gives_its_place_up(sim: MakeSim) -> None:
    def tasks(instances: int) -> list[dict[str, Any]]:
        due = [f"{AT}01", f"{AT}03"]
        own = task("a", due, task_locks=["x"], task_max_instances=instances, task_overlap="queue")
        return [own, task("h", f"{AT}02"), locked("b", 4, "x")]

    script = exits(a=Exit(10_000.0), h=Exit(100.0), b=Exit(1.0))
    one = sim(*tasks(2), script=script, max_running=2, locks={"x": 2})
    one.run_for(20)
    assert [row[2:] for row in one.runs()][2:] == [("queued", "max_running"), ("queued", "lock")]
    configure(one, *tasks(1), max_running=2, locks={"x": 2})
    one.run_for(200)
    assert [row[2:] for row in one.runs()][2:] == [("queued", "overlap"), ("success", None)]


def test_a_removed_task_leaves_no_lock_behind(sim: MakeSim) -> None:
    one = sim(locked("x", 10, "db"), locked("y", 11, "db"), locked("z", 12, "db"), script=exits(x=Exit(20.0)))
    one.run_for(15)
    configure(one, locked("x", 10, "db"), locked("z", 12, "db"))
    one.run_for(20)
    assert started(one) == ["x", "z"]
    assert states(one)["y"] == ("cancelled", "user")


def test_the_process_of_a_removed_task_holds_its_lock_to_its_end(sim: MakeSim) -> None:
    one = sim(locked("x", 10, "db"), locked("y", 11, "db"), script=exits(x=Exit(20.0)))
    one.run_for(15)
    configure(one, locked("y", 11, "db"))
    one.run_for(5)
    assert started(one) == ["x"]
    assert [lock.held_by for lock in one.engine.snapshot.engine.locks] == [(("x", 1),)]
    one.run_for(20)
    assert started(one) == ["x", "y"]


# ---------------------------------------------------------------------------------------------------------------- exec


def test_a_run_of_exec_holds_the_locks_of_its_task(tmp_path: Path) -> None:
    one, _ = failing_sim(tmp_path, task("a", task_locks=["db"]), locked("y", 10, "db"))
    one.run_for(1)
    by_hand = Exec(one)
    one.run_for(20)
    assert one.runs("y") == [("y", "schedule", "queued", "lock")]
    by_hand.end()
    one.run_for(5)
    assert one.runs("y") == [("y", "schedule", "success", None)]


def test_an_exec_that_takes_the_lock_before_the_row_is_written_goes_first(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task("a", task_locks=["db"]), locked("y", 10, "db"))
    one.run_for(5)
    hold(ledger)
    one.run_for(8)
    by_hand = Exec(one)
    release(ledger)
    one.run_for(5)
    assert (started(one), one.runs("y")) == ([], [("y", "schedule", "queued", "lock")])
    by_hand.end()
    one.run_for(5)
    assert one.runs("y") == [("y", "schedule", "success", None)]


# --------------------------------------------------------------------------------------------------------- early start


def test_a_due_time_is_written_early_only_if_its_locks_are_free(sim: MakeSim) -> None:
    one = sim(
        task("x", "@every 10s", task_locks=["db"]),
        locked("y", 25, "db"),
        script=exits(x=Exit(1.0), y=Exit(20.0)),
        start_early=True,
    )
    one.run_for(29)
    assert [row["start_time"][17:19] for row in one.rows("x")] == ["10", "20"]
    one.run_for(2)
    assert one.rows("x")[-1]["scheduled_time"] == "2027-01-15T00:00:30+00:00"
    assert (one.rows("x")[-1]["status"], one.rows("x")[-1]["reason"]) == ("queued", "lock")
    one.run_for(30)
    assert one.rows("x")[-1]["status"] == "success"


# ----------------------------------------------------------------------------------------------------- against a model


class Job(NamedTuple):
    """A task that is due once, and how long each of its attempts takes; all but the last one fail."""

    due: int
    locks: frozenset[str]
    attempts: tuple[float, ...]


DELAY_S = 3.0


def model(jobs: list[Job], sizes: dict[str, int], max_running: int) -> list[tuple[float, int, int]]:
    """(when, which, attempt) of each start. Whenever something happens: first due first, who has a process and all
    locks, with those that earlier ones wait for, starts."""
    events = sorted((float(job.due), index, 0) for index, job in enumerate(jobs))  # ready for this attempt
    waiting: dict[int, int] = {}
    running: dict[int, tuple[float, int]] = {}  # end, attempt
    starts = []
    while events or running:
        now = min([event[0] for event in events] + [end for end, _ in running.values()])
        for index, (end, attempt) in list(running.items()):
            if end <= now:
                del running[index]
                if attempt + 1 < len(jobs[index].attempts):
                    events.append((end + DELAY_S, index, attempt + 1))
        for event in [one for one in events if one[0] <= now]:
            events.remove(event)
            waiting[event[1]] = event[2]
        needed: dict[str, int] = defaultdict(int)
        for index in running:
            for name in jobs[index].locks:
                needed[name] += 1
        for index in sorted(waiting, key=lambda index: (jobs[index].due, index)):
            free = all(needed[name] < sizes.get(name, 1) for name in jobs[index].locks)
            for name in jobs[index].locks:
                needed[name] += 1
            if free and len(running) < max_running:
                attempt = waiting.pop(index)
                running[index] = (now + jobs[index].attempts[attempt], attempt)
                starts.append((now, index, attempt + 1))
    return starts


@st.composite
def jobs_of(draw: st.DrawFn) -> list[Job]:
    """Up to seven; no two ends fall together, because each attempt has a fraction of a second of its own."""
    jobs = []
    for index in range(draw(st.integers(2, 7))):
        locks = draw(st.frozensets(st.sampled_from("xyz")))
        whole = draw(st.lists(st.integers(1, 6), min_size=1, max_size=2))
        seconds = tuple(each + 2.0 ** -(2 * index + number + 1) for number, each in enumerate(whole))
        jobs.append(Job(draw(st.integers(1, 8)), locks, seconds))
    return jobs


@settings(max_examples=30, deadline=None)
@given(jobs_of(), st.dictionaries(st.sampled_from("xyz"), st.integers(1, 3)), st.integers(1, 4))
def test_every_attempt_starts_when_the_model_says(jobs: list[Job], sizes: dict[str, int], max_running: int) -> None:
    found: list[tuple[float, int, int]] = []
    held: dict[str, int] = defaultdict(int)

    def script(launch: ProcessSpec, draw: random.Random) -> Exit:
        index = int(launch.task_id[1:])
        found.append((one.world.wall() - T0, index, launch.attempt))
        for name in jobs[index].locks:
            at_once = sum(
                name in jobs[int(process.launch.task_id[1:])].locks for process in one.world.processes.values()
            )
            held[name] = max(held[name], at_once)
        last = launch.attempt == len(jobs[index].attempts)
        return Exit(jobs[index].attempts[launch.attempt - 1], 0 if last else 9)

    tasks = [
        locked(f"t{index}", job.due, *sorted(job.locks), task_retry={"max_attempts": 2, "delay": DELAY_S, "jitter": 0})
        for index, job in enumerate(jobs)
    ]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        one = Sim(os.path.join(folder, "locks.db"), T0, tasks, script, locks=sizes, max_running=max_running)
        one.boot()
        one.run_for(200)
        one.crash()
    expected = model(jobs, sizes, max_running)
    assert [(round(when, 3), *rest) for when, *rest in found] == [(round(when, 3), *rest) for when, *rest in expected]
    assert all(count <= sizes.get(name, 1) for name, count in held.items())
    assert len(found) == sum(len(job.attempts) for job in jobs)  # nobody waits for ever
