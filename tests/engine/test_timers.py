"""Timers: each in its time and order, and a cancel that takes the right one."""

from __future__ import annotations

from pathlib import Path

from minisched.engine.timers import Timer, Timers
from support.engine import MakeSim, configure, failing_sim, task


class Hand:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = 0.0
        self.seen: list[object] = []
        self.timers = Timers(lambda: self.time)

    def at(self, time: float, name: object, order: int = 0) -> Timer:
        return self.timers.at(time, self.seen.append, name, order=order)


def test_timers_happen_in_the_order_of_time_then_of_rank_then_of_age() -> None:
    hand = Hand()
    for time, name, order in ((2.0, "d", 0), (1.0, "c", 5), (1.0, "a", 1), (1.0, "b", 1), (3.0, "e", 0)):
        hand.at(time, name, order)
    assert hand.timers.run() == 1.0
    hand.time = 2.5
    assert hand.timers.run() == 0.5
    assert hand.seen == ["a", "b", "c", "d"]
    hand.time = 3.0
    assert hand.timers.run() is None
    assert hand.seen[-1] == "e"


def test_of_timers_of_one_time_and_rank_only_the_one_meant_is_cancelled() -> None:
    hand = Hand()
    timers = [hand.at(1.0, number) for number in range(10)]
    for number in (9, 0, 5):
        hand.timers.cancel(timers[number])
        hand.timers.cancel(timers[number])
    hand.time = 1.0
    assert hand.timers.run() is None
    assert hand.seen == [1, 2, 3, 4, 6, 7, 8]
    hand.timers.cancel(timers[1])  # it has happened
    hand.at(1.0, "after")
    hand.timers.run()
    assert hand.seen[-1] == "after"


def test_a_timer_whose_action_raises_is_gone_and_the_others_remain() -> None:
    hand = Hand()
    hand.timers.at(1.0, lambda: 1 // 0)
    hand.at(1.0, "next")
    hand.time = 1.0
    try:
        hand.timers.run()
    except ZeroDivisionError:
        pass
    hand.timers.run()
    assert hand.seen == ["next"]


def test_a_reload_disarms_no_other_task(sim: MakeSim) -> None:
    """Tasks of one schedule; one that is put in front of them takes the number that the first of them had."""
    one = sim(task("a", "@every 1h"), task("b", "@every 1h"))
    one.run_for(10)
    configure(one, task("n", "@every 1h"), task("a", "@every 1h"), task("b", "@every 1h"))
    one.run_for(10)
    configure(one, task("n", "@every 30m"), task("a", "@every 1h"), task("b", "@every 1h"))
    one.run_for(2 * 3600)
    assert [len(one.runs(name)) for name in ("n", "a", "b")] == [4, 2, 2]


def test_a_removed_task_takes_no_timer_of_another_with_it(sim: MakeSim) -> None:
    one = sim(*(task(name, "@every 1h") for name in "abc"))
    for names in ("bc", "bac", "bc"):
        one.run_for(10)
        configure(one, *(task(name, "@every 1h") for name in names))
    one.run_for(2 * 3600)
    assert [len(one.runs(name)) for name in "abc"] == [0, 2, 2]


def test_of_two_tasks_due_at_once_the_first_one_of_the_new_config_is_first(sim: MakeSim) -> None:
    one = sim(*(task(name, "@every 1h") for name in "abc"))
    one.run_for(10)
    configure(one, *(task(name, "@every 1h") for name in "cba"))
    one.run_for(3600)
    assert [start[0] for start in one.world.starts] == ["c", "b", "a"]


def test_a_timeout_that_ends_with_its_run_leaves_that_of_another_run(sim: MakeSim) -> None:
    """Two runs begin to wait at the same moment, for equally long."""
    waits = {"task_dependencies": ["x"], "task_dependency_timeout": "10m"}
    one = sim(task("x"), task("a", "@every 1h", **waits), task("b", "@every 1h", **waits))
    one.run_for(3610)
    configure(one, task("x"), task("a", "@every 1h", **waits), task("b", "@every 1h"))
    one.run_for(600)
    assert one.runs() == [("a", "schedule", "skipped", "dependency_timeout"), ("b", "schedule", "success", None)]


def test_a_clock_set_back_while_a_step_waits_for_the_disk_starts_nothing_early(tmp_path: Path) -> None:
    """The clock is set back while the engine reads the database for the first of two due tasks."""
    one, ledger = failing_sim(tmp_path, task("a", "@every 1h"), task("b", "@every 1h"))

    def due_times(task_id: str, since: int, until: int) -> set[int]:
        del ledger.due_times  # type: ignore[attr-defined]
        one.world.wall_offset -= 600
        return set(ledger.due_times(task_id, since, until))

    ledger.due_times = due_times  # type: ignore[attr-defined]
    one.run_for(3601)
    assert one.runs("b") == []
    one.run_for(600)
    assert [row[2] for row in one.runs()] == ["success", "success"]
