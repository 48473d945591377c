"""Which rows of the history may go, found in small steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from minisched.model import UNFINISHED

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

    from minisched.model import HistorySettings, Instant

DAY_S = 86_400
TURNS = 10  # tasks that share a step where so many have too many runs
_START = (float("-inf"), 0)  # before the oldest row

_UNFINISHED = ", ".join(f"'{status.value}'" for status in UNFINISHED)

# A row's task_state row always exists: the row's insert made it.
_OLD = f"""
    SELECT h.run_id, h.task_id, h.created_time, h.status IN ({_UNFINISHED}) AS unfinished,
        ifnull(h.run_id = s.last_run_id, 0) OR ifnull(h.run_id = s.last_failure_id, 0) AS latest
    FROM task_history AS h INDEXED BY task_history_created
    LEFT JOIN task_state AS s ON s.task_id = h.task_id
    WHERE (h.created_time, h.run_id) > (?, ?) AND h.created_time < ?
    ORDER BY h.created_time, h.run_id LIMIT ?"""
_CROWDED = """
    SELECT task_id, run_count - ?, last_run_id, last_failure_id FROM task_state
    WHERE run_count > ? AND task_id %s ? ORDER BY task_id"""
_SURPLUS = f"""
    SELECT run_id FROM (
        SELECT run_id, status, scheduled_time FROM task_history INDEXED BY task_history_task
        WHERE task_id = ? ORDER BY run_id LIMIT ?)
    WHERE (scheduled_time IS NULL OR scheduled_time NOT BETWEEN ? AND ?)
        AND status NOT IN ({_UNFINISHED}) AND run_id IS NOT ? AND run_id IS NOT ?
    LIMIT ?"""


class Retention:
    """Passes over the history, a step at a time: first what is too old, then what is too many.

    It remembers how far the pass is, so that the rows that stay for ever at the old end (each task's latest failure)
    are looked at once a pass and not once a step; and which task had its turn last, for a step takes a few runs each
    of several tasks. Those lie beside each other, while the runs of one task lie on pages of their own: a step that
    takes them all from one task writes many times the pages.
    """

    def __init__(self) -> None:
        self._after = _START
        self._task = ""

    def step(
        self,
        db: sqlite3.Connection,
        history: HistorySettings,
        now: Instant,
        limit: int,
        tasks: Optional[Collection[str]],
    ) -> int:
        """Delete at most `limit` runs within the open transaction; 0 at the end of a pass. See `Store.retain`."""
        cutoff = now - history.keep_days * DAY_S
        doomed = self._too_old(db, cutoff, limit, tasks) or self._too_many(db, history.keep_runs, now, limit)
        if doomed:
            _delete(db, doomed)
            return len(doomed)
        self._after = _START
        if tasks is not None:
            _forget(db, cutoff, tasks)
        return 0

    def _too_old(
        self, db: sqlite3.Connection, cutoff: Instant, limit: int, tasks: Optional[Collection[str]]
    ) -> list[tuple[int, str]]:
        doomed: list[tuple[int, str]] = []
        while len(doomed) < limit:
            rows = db.execute(_OLD, (*self._after, cutoff, limit - len(doomed))).fetchall()
            if not rows:
                break
            for run_id, task_id, created_time, unfinished, latest in rows:
                self._after = (created_time, run_id)
                if not unfinished and not (latest and (tasks is None or task_id in tasks)):
                    doomed.append((run_id, task_id))
        return doomed

    def _too_many(self, db: sqlite3.Connection, keep_runs: int, now: Instant, limit: int) -> list[tuple[int, str]]:
        """Not those whose due time is still to come: the clock was set back, and will come over it again."""
        doomed: list[tuple[int, str]] = []
        for share in (max(1, limit // TURNS), limit):
            doomed = []
            for task_id, surplus, last_run_id, last_failure_id in self._crowded(db, keep_runs):
                room = min(share, limit - len(doomed))
                rows = db.execute(_SURPLUS, (task_id, surplus, now, now + DAY_S, last_run_id, last_failure_id, room))
                doomed += [(row[0], task_id) for row in rows]
                self._task = task_id
                if len(doomed) == limit:
                    return doomed
            if not doomed:
                break
        return doomed  # too few tasks for a full step even when each gives all that it has

    def _crowded(self, db: sqlite3.Connection, keep_runs: int) -> Iterator[tuple[str, int, int, int]]:
        """Each task with too many runs once, from the one after the last turn's on: its id, how many runs too many,
        and the two that stay."""
        last = self._task
        for part in (">", "<="):
            yield from db.execute(_CROWDED % part, (keep_runs, keep_runs, last))


def _delete(db: sqlite3.Connection, doomed: list[tuple[int, str]]) -> None:
    ids = [(run_id,) for run_id, _ in doomed]
    last_dues: dict[str, int] = {}
    for run_id, task_id in doomed:
        (due,) = db.execute("SELECT scheduled_time FROM task_history WHERE run_id = ?", (run_id,)).fetchone()
        if due is not None:
            last_dues[task_id] = max(due, last_dues.get(task_id, 0))
    db.executemany("DELETE FROM task_attempt WHERE run_id = ?", ids)
    db.executemany("DELETE FROM task_history WHERE run_id = ?", ids)
    counts: dict[str, int] = {}
    for _, task_id in doomed:
        counts[task_id] = counts.get(task_id, 0) + 1
    db.executemany(
        "UPDATE task_state SET run_count = run_count - ?, forgotten = max(forgotten, ?) WHERE task_id = ?",
        [(count, last_dues.get(task_id, 0), task_id) for task_id, count in counts.items()],
    )


def _forget(db: sqlite3.Connection, cutoff: Instant, tasks: Collection[str]) -> None:
    """Drop the state of tasks that are no longer configured, have no run left and were not due since `cutoff`."""
    rows = db.execute("SELECT task_id FROM task_state WHERE run_count = 0 AND settled < ?", (cutoff,))
    gone = [(row[0],) for row in rows if row[0] not in tasks]
    db.executemany("DELETE FROM task_state WHERE task_id = ?", gone)
    db.executemany("DELETE FROM task_token WHERE task_id = ?", gone)
    db.executemany("DELETE FROM task_rule WHERE task_id = ?", gone)
