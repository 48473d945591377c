"""What the database keeps beside the runs: when an engine ran, and who changed the config."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from minisched.model import ConfigEdit, Origin
from minisched.store.reader import History
from support.engine import T0, MakeSim, configure, task
from support.sim import Sim


def uptimes(one: Sim) -> list[tuple[float, float | None, str]]:
    """(start, end, ending) in seconds since T0."""
    with closing(History(one.path)) as history:
        found = history.uptimes()
    return [(up.start_time - T0, None if up.end_time is None else up.end_time - T0, up.ending) for up in found]


def seen(one: Sim) -> float:
    with closing(History(one.path)) as history:
        return history.uptimes()[-1].seen_time - T0


def changes(one: Sim, task_id: str) -> list[Any]:
    with closing(History(one.path)) as history:
        return history.changes(task_id)


def test_an_engine_that_is_stopped_records_when_it_ran(sim: MakeSim) -> None:
    one = sim(task())
    assert uptimes(one) == [(0, None, "")]
    one.run_for(100)
    assert one.stop() == 0
    assert uptimes(one) == [(0, 100, "stopped")]


def test_a_killed_engine_was_last_seen_when_it_wrote_last(sim: MakeSim) -> None:
    one = sim(task(schedule="*/5 * * * *"))
    one.run_for(1000)
    one.crash()
    one.world.pass_time(5000)
    one.boot()
    assert uptimes(one) == [(0, 901, "lost"), (6000, None, "")]


def test_an_idle_engine_that_is_killed_was_seen_at_most_eleven_minutes_before(sim: MakeSim) -> None:
    one = sim(task())
    one.run_for(86_400)
    one.crash()
    one.world.pass_time(5000)
    one.boot()
    [(_, end, ending), _] = uptimes(one)
    assert ending == "lost"
    assert end is not None and 86_400 - 661 <= end <= 86_400


def test_an_idle_engine_writes_that_it_is_alive_every_ten_minutes_only(sim: MakeSim) -> None:
    one = sim(task())
    times = set()
    for _ in range(360):
        one.run_for(10)
        times.add(seen(one))
    assert len(times - {0}) == 6


def test_a_machine_that_slept_did_not_run(sim: MakeSim) -> None:
    one = sim(task())
    one.run_for(100)
    one.world.set_clock(7200)
    one.run_for(100)
    [first, second] = uptimes(one)
    assert first[0] == 0 and abs((first[1] or 0) - 100) < 3 and first[2] == "asleep"
    assert abs(second[0] - 7300) < 3 and second[1] is None


def test_a_hand_edit_is_recorded_with_what_the_task_was_before(sim: MakeSim) -> None:
    one = sim(task("a", "0 1 * * *"), task("b", "0 2 * * *"))
    one.run_for(10)
    configure(one, task("a", "0 3 * * *"), task("c"))
    one.run_for(10)
    [changed] = changes(one, "a")
    assert (changed.action, changed.origin, changed.fields) == ("changed", Origin("file"), ("task_schedule",))
    assert changed.before == {"task_schedule": ["0 1 * * *"]}
    [removed] = changes(one, "b")
    assert (removed.action, removed.before["task_schedule"], removed.before["enabled"]) == (
        "removed",
        ["0 2 * * *"],
        True,
    )
    assert [change.action for change in changes(one, "c")] == ["added"]


def test_a_change_by_the_api_is_of_its_origin_also_where_the_file_was_noticed_first(sim: MakeSim) -> None:
    one = sim(task("a", "0 1 * * *"))
    one.post(ConfigEdit(Origin("cli", "alice")))
    configure(one, task("a", "0 1 * * *", enabled=False))
    one.run_for(4)
    one.post(ConfigEdit(None))
    configure(one, task("a", "0 1 * * *"))
    one.run_for(4)
    assert [(change.action, change.origin) for change in changes(one, "a")] == [
        ("disabled", Origin("cli", "alice")),
        ("enabled", Origin("file")),
    ]


def test_what_was_changed_while_no_engine_ran_is_found_at_the_start(sim: MakeSim) -> None:
    one = sim(task("a", "0 1 * * *"), task("b", "0 1 * * *"), task("c", "0 1 * * *"), task("d", "0 1 * * *"), task("e"))
    one.stop()
    configure(one, task("a", "0 2 * * *"), task("b", "0 1 * * *", enabled=False), task("d", "0 1 * * *"), task("f"))
    one.world.pass_time(100)
    one.boot()
    one.stop()
    configure(one, task("b", "0 1 * * *"), task("c", "0 1 * * *"), task("d", "0 1 * * *"), task("f"))
    one.world.pass_time(100)
    one.boot()
    found = {name: [(c.time - T0, c.action.value, c.origin.source) for c in changes(one, name)] for name in "abcdef"}
    assert found == {
        "a": [(100, "changed", "stopped"), (200, "removed", "stopped")],
        "b": [(100, "disabled", "stopped"), (200, "enabled", "stopped")],
        "c": [(100, "removed", "stopped"), (200, "added", "stopped")],
        "d": [],
        "e": [],
        "f": [(100, "added", "stopped")],
    }
    assert changes(one, "a")[0].before == {"enabled": True, "task_schedule": ["0 1 * * *"], "task_timezone": "UTC"}
