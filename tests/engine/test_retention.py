"""Retention keeps up with what is written, and holds nothing up."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from minisched.model import StoreError, Text
from support.engine import T0, MakeSim, task
from support.sim import Exit, Sim


def test_the_history_does_not_grow_for_ever_however_much_is_written(sim: MakeSim) -> None:
    """60 runs a second, of which 10 a task are kept: between two passes of a minute 3,600 come to it."""
    one = sim(
        *(task(f"t{number}", "@every 1s") for number in range(60)),
        script=lambda *_: Exit(0.1),
        max_running=100,
        history={"keep_days": 90, "keep_runs": 10},
    )
    sizes = []
    for _ in range(3):
        one.run_for(60.5)
        sizes.append(sum(record.run_count for record in one.ledger.records().values()))
    assert max(sizes) < 60 * (10 + 63)


class Slow:
    """A ledger with so many runs to delete, each step of which takes 5 ms."""

    def __init__(self, ledger: Any, sim: Sim, left: int) -> None:
        self._ledger, self._sim, self.left = ledger, sim, left
        self.calls: list[float] = []
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def retain(self, history: Any, now: float, limit: int, tasks: Any) -> int:
        self.calls.append(self._sim.world.mono)
        if self.broken:
            raise StoreError("locked", Text("text", text="locked"))
        self._sim.world.mono += 0.005
        deleted = min(limit, self.left)
        self.left -= deleted
        return deleted


def slow_sim(path: Path, left: int, *tasks: dict[str, Any]) -> tuple[Sim, Slow]:
    made: list[Slow] = []
    one = Sim(
        str(path / "minisched.db"),
        T0,
        tasks,
        lambda *_: Exit(0.01),
        wrap=lambda ledger: made.append(Slow(ledger, one, left)) or made[-1],  # type: ignore[func-returns-value]
    )
    one.boot()
    return one, made[0]


def test_a_long_deletion_is_done_in_pieces_between_which_tasks_start(tmp_path: Path) -> None:
    one, ledger = slow_sim(tmp_path, 20_000, task(schedule="@every 1s"))
    one.run_for(60)
    one.run_for(25)
    assert ledger.left == 0
    gaps = [later - call for call, later in zip(ledger.calls, ledger.calls[1:])]
    assert max(gaps[:350]) < 0.15  # it goes on soon
    pieces = [index for index, gap in enumerate(gaps) if gap > 0.01]
    assert max(later - piece for piece, later in zip(pieces, pieces[1:])) <= 5  # 20 ms at once, and what was begun
    moments = [(row["scheduled_time"], row["start_time"]) for row in one.rows()]
    assert (
        max((datetime.fromisoformat(start) - datetime.fromisoformat(due)).total_seconds() for due, start in moments)
        < 0.001
    )


def test_an_engine_with_nothing_more_to_delete_wakes_no_more_for_it(tmp_path: Path) -> None:
    one, ledger = slow_sim(tmp_path, 70, task(schedule="0 0 1 1 *"))
    one.run_for(61)
    before = one.world.waits
    one.run_for(60)
    assert len(ledger.calls) <= 4
    assert one.world.waits - before <= 31


def test_while_retention_fails_it_is_tried_once_a_minute(tmp_path: Path) -> None:
    one, ledger = slow_sim(tmp_path, 20_000, task(schedule="@every 1h"))
    one.run_for(61)
    ledger.broken, ledger.calls = True, []
    one.run_for(120)
    assert 1 <= len(ledger.calls) <= 3
    assert any("retention waits" in line for line in one.lines)
