"""A plain due time is written a moment before it comes, and its process is held until the instant."""

from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from minisched.model import Reload, ReplyTo, StopRun
from support.engine import T0, MakeSim, configure, start, task
from support.sim import Exit, Killed, Sim


class SlowDisk:
    """A ledger whose durable commits take so long; `begun`: when each began, in seconds after midnight. relaxed_s: how
    long the others take, as where each of them writes the -wal back."""

    def __init__(self, ledger: Any, sim: Sim, seconds: float) -> None:
        self._ledger, self._sim, self.seconds, self.relaxed_s = ledger, sim, seconds, 0.0
        self.begun: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def transaction(self, durable: bool) -> Any:
        if durable:
            self.begun.append(self._sim.world.wall() - T0)
        self._sim.world.mono += self.seconds if durable else self.relaxed_s
        return self._ledger.transaction(durable)


def slow_sim(
    path: Path, seconds: float, *tasks: dict[str, Any], run_s: float = 1.0, **settings: Any
) -> tuple[Sim, SlowDisk]:
    made: list[SlowDisk] = []

    def wrap(ledger: Any) -> SlowDisk:
        made.append(SlowDisk(ledger, one, seconds))
        return made[-1]

    one = Sim(str(path / "minisched.db"), T0, tasks, lambda *_: Exit(run_s), wrap=wrap, start_early=True, **settings)
    one.boot()
    return one, made[0]


def due_s(row: dict[str, Any]) -> float:
    """In seconds after midnight."""
    return datetime.fromisoformat(row["scheduled_time"]).timestamp() - T0


def lateness(one: Sim) -> list[float]:
    """How late the process of each run was started."""
    rows = [row for row in one.rows() if row["start_time"]]
    return [
        (datetime.fromisoformat(row["start_time"]) - datetime.fromisoformat(row["scheduled_time"])).total_seconds()
        for row in rows
    ]


def test_a_process_starts_on_the_dot_however_slow_the_disk(tmp_path: Path) -> None:
    one, _ = slow_sim(tmp_path, 0.1, task(schedule="@every 10s"))
    one.run_for(200)
    late = lateness(one)
    assert len(late) >= 19 and max(late[3:]) < 0.005 and min(late) >= 0


@pytest.mark.parametrize("relaxed_s", [0.0, 0.27])
def test_a_reload_of_many_tasks_delays_no_process_and_waits_for_the_disk_once(tmp_path: Path, relaxed_s: float) -> None:
    def tasks(text: str) -> list[dict[str, Any]]:
        others = (task(f"t{number}", "0 0 1 1 *", task_description=text) for number in range(1500))
        return [task(schedule="* * * * * *"), *others]

    one, disk = slow_sim(tmp_path, 0.1, *tasks("old"), run_s=0.3)
    one.run_for(20)
    disk.begun.clear()
    disk.relaxed_s = relaxed_s
    for number in range(10):
        configure(one, *tasks(str(number)))
        one.run_for(2.77)
    one.run_until(T0 + 50)
    assert sum("0 added, 1500 changed, 0 removed" in line for line in one.lines) == 10
    assert max(lateness(one)[10:]) < 0.005
    runs = sum(20 <= due_s(row) < 50 for row in one.rows())
    assert runs == 30 and len(disk.begun) <= 2 * runs + 10


@pytest.mark.parametrize("count, within_s", [(20, 0.5), (3000, 5.0)])
def test_a_change_comes_into_force_although_tasks_are_due_all_the_time_on_a_slow_disk(
    tmp_path: Path, count: int, within_s: float
) -> None:
    def tasks(text: str) -> list[dict[str, Any]]:
        others = (task(f"t{number}", "0 0 1 1 *", task_description=text) for number in range(count))
        return [*(task(f"j{number}", "@every 10s", task_jitter="10s") for number in range(80)), *others]

    one, _ = slow_sim(tmp_path, 0.1, *tasks("old"), run_s=0.3, max_running=1000)
    one.run_for(20)
    for number in range(1, 7):
        configure(one, *tasks(str(number)), max_running=1000)
        one.post(Reload())
        one.run_for(within_s)
        assert sum(f"0 added, {count} changed, 0 removed" in line for line in one.lines) == number
        one.run_for(0.77)


def test_the_row_is_written_within_a_quarter_of_a_second_before(tmp_path: Path) -> None:
    one, disk = slow_sim(tmp_path, 0.3, task(schedule="@every 10s"))
    one.run_for(200)
    early = [-begun % 10 for begun in disk.begun if -begun % 10 < 5]
    assert early and max(early) <= 0.26
    assert min(lateness(one)) >= 0


def test_the_more_tasks_are_due_at_once_the_earlier_they_are_written(tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(50)]
    one, disk = slow_sim(tmp_path, 0.0, *(task(name, "@every 10s") for name in names), max_running=100)
    one.run_for(35)
    early = [-begun % 10 for begun in disk.begun if 0 < -begun % 10 < 5]
    assert max(early) == pytest.approx(0.002 + 50 * 0.0001, abs=0.0005)
    assert [begun[0] for begun in one.world.starts][:50] == names


TASKS = [
    task("plain", "@every 10s"),
    task("slow", "@every 10s"),
    task("queued", "@every 10s", task_overlap="queue"),
    task("replaced", "@every 10s", task_overlap="replace"),
    task("double", "@every 10s", task_max_instances=2),
    task("waits", "@every 30s", task_dependencies=["plain"]),
    task("after", task_dependencies=["slow"]),
    task("retried", "@every 30s", task_retry={"max_attempts": 2, "delay": 5, "jitter": 0}),
    task("jitter", "@every 20s", task_jitter="7s"),
]


def test_nothing_but_the_instant_of_the_write_differs_from_a_due_time_that_is_waited_for(tmp_path: Path) -> None:
    ends = {"plain": 1.0, "slow": 15.0, "queued": 25.0, "replaced": 12.0, "double": 15.0, "retried": 2.0}

    def ran(early: bool) -> list[Any]:
        def script(spec: Any, draw: random.Random) -> Exit:
            return Exit(ends.get(spec.task_id, 1.0), 9 if (spec.task_id, spec.attempt) == ("retried", 1) else 0)

        path = str(tmp_path / f"{early}.db")
        one = Sim(path, T0, TASKS, script, start_early=early, max_running=20)
        one.boot()
        one.run_for(305)
        starts = sorted(
            (row["task_id"], row["scheduled_time"], row["start_time"]) for row in one.rows() if row["attempt"]
        )
        return [sorted(map(str, one.runs())), [(name, due, start[:19]) for name, due, start in starts]]

    assert ran(early=True) == ran(early=False)


# ------------------------------------------------------------------------------------------- what comes in between


def held(sim: MakeSim, *tasks: dict[str, Any], **options: Any) -> Sim:
    """A simulation in the moment after the row of 00:00:10 was written and before its process starts."""
    one = sim(*(tasks or [task(schedule="@every 10s")]), start_early=True, **options)
    one.run_until(T0 + 9.999)
    assert one.runs("a")[-1][2] == "running" and not one.world.processes and one.executor.held
    return one


def test_a_manual_run_before_the_due_time_finds_the_slot_in_use(sim: MakeSim) -> None:
    one = held(sim)
    start(one, "a")
    one.run_for(5)
    assert [row[1:] for row in one.runs()] == [("schedule", "success", None), ("manual", "skipped", "overlap")]


def test_a_run_stopped_in_between_never_has_a_process(sim: MakeSim) -> None:
    one = held(sim)
    run_id = one.engine.snapshot.tasks["a"].live[0].run_id
    one.post(StopRun(ReplyTo(SimpleQueue(), one.world.mono + 5), run_id, "a test"))
    one.run_for(5)
    assert one.runs() == [("a", "schedule", "cancelled", "user")] and one.world.starts == []


def test_an_engine_that_stops_in_between_lets_the_run_start_and_end(sim: MakeSim) -> None:
    one = held(sim)
    assert one.stop() == 0
    assert one.runs() == [("a", "schedule", "success", None)]


def test_a_schedule_changed_in_between_leaves_the_run_and_makes_its_due_time_due_no_second_time(sim: MakeSim) -> None:
    one = held(sim)
    configure(one, task(schedule="@every 5s"))
    one.post(Reload())
    one.run_for(4)
    assert one.runs() == [("a", "schedule", "success", None)] and len(one.world.starts) == 1
    one.run_for(3)
    assert len(one.world.starts) == 2


@pytest.mark.parametrize("seconds", [-3600, -5, 3600])
def test_a_clock_set_in_between_starts_the_run_once(sim: MakeSim, seconds: int) -> None:
    one = held(sim)
    one.world.wall_offset += seconds
    one.run_for(5)
    due = [row["scheduled_time"] for row in one.rows()]
    assert len(one.world.starts) == 1 and len(due) == len(set(due))


def test_an_engine_that_dies_in_between_leaves_a_run_that_is_retried(sim: MakeSim) -> None:
    one = held(sim, task(schedule="@every 10s", task_retry={"max_attempts": 2, "delay": 1}))
    one.crash()
    one.executor.held.clear()
    one.boot()
    one.run_for(5)
    (row,) = one.rows()
    assert (row["status"], row["attempts"][0]["reason"]) == ("success", "interrupted")


def test_a_hundred_kills_around_due_times_lose_and_double_none(tmp_path: Path) -> None:
    draw = random.Random(5)
    tasks = [task(f"t{number}", "@every 1s", task_overlap="queue") for number in range(5)]
    one = Sim(str(tmp_path / "kills.db"), T0, tasks, lambda *_: Exit(0.3), start_early=True, max_running=20)
    one.boot()
    for _ in range(100):
        second = int(one.world.mono) + draw.randint(1, 3)
        one.world.kill_at = second + draw.uniform(-0.04, 0.02)
        try:
            one.run_for(10)
        except Killed:
            one.crash()
            one.executor.held.clear()
            one.world.pass_time(draw.choice([0.01, 0.5, 2.5]))
            one.boot()
    one.world.kill_at = None
    one.run_for(3)
    end = one.world.wall()
    for name in (entry["task_id"] for entry in tasks):
        due = [row["scheduled_time"] for row in one.rows(name) if row["scheduled_time"]]
        assert len(due) == len(set(due)), "a due time has two rows"
        assert len(due) >= int(end - T0) - 1, "a due time has no row"
    assert one.stop() == 0 and not one.world.processes
