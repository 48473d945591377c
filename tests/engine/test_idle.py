"""An idle engine sleeps where the system reports changes of files, and misses nothing by it."""

from __future__ import annotations

from minisched.model import FilesChanged
from support.engine import MakeSim, configure, task
from support.sim import Sim


def watched(one: Sim) -> Sim:
    """Its config file is watched from here on."""
    one.source.changed = lambda: one.post(FilesChanged())
    one.run_for(4)  # the next poll arms it
    return one


def waits_in(one: Sim, seconds: float) -> int:
    before = one.world.waits
    one.run_for(seconds)
    return one.world.waits - before


def test_an_idle_engine_wakes_at_most_twice_a_minute(sim: MakeSim) -> None:
    one = watched(sim(task(schedule="0 12 * * *")))
    assert waits_in(one, 3600) <= 120


def test_a_changed_config_is_in_force_within_two_seconds(sim: MakeSim) -> None:
    one = watched(sim(task("a")))
    for name in ("b", "c"):
        one.run_for(300)
        configure(one, task(name))
        one.run_for(2.01)
        assert list(one.engine.snapshot.tasks) == [name]


def test_a_file_that_may_be_half_written_is_read_again_at_once(sim: MakeSim) -> None:
    one = watched(sim(task("a")))
    one.run_for(300)
    one.source.write([])  # broken
    one.run_for(0.5)
    one.source.content = one.engine.snapshot.engine.config  # whole again before it is read once more
    one.run_for(2.01)
    assert not one.engine.snapshot.engine.problems
    assert not any("config: " in line and "ERROR" in line for line in one.lines)


def test_where_changes_are_not_reported_the_engine_looks_every_two_seconds(sim: MakeSim) -> None:
    one = sim(task("a"))
    one.run_for(300)
    configure(one, task("b"))
    one.run_for(2.01)
    assert list(one.engine.snapshot.tasks) == ["b"]


def test_a_busy_engine_looks_every_two_seconds_as_well(sim: MakeSim) -> None:
    one = watched(sim(task(schedule="@every 3s")))
    one.run_for(60)
    one.source.changed = None
    configure(one, task("b"))  # a change that nothing reports
    one.run_for(4)
    assert list(one.engine.snapshot.tasks) == ["b"]


def test_a_due_time_far_ahead_starts_on_time(sim: MakeSim) -> None:
    one = watched(sim(task(schedule="30 2 * * *")))
    one.run_for(86_400)
    assert [row["start_time"] for row in one.rows()] == [row["scheduled_time"] for row in one.rows()]
    assert len(one.rows()) == 1
