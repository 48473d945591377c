"""A page of the history: which runs it holds, found through the indices, however many years lie before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from minisched.model import Status
from minisched.store import rows

if TYPE_CHECKING:
    import sqlite3

    from minisched.model import Instant, Trigger

_ALL = tuple(status for status in Status if status is not Status.IDLE)


class Filter(NamedTuple):
    """Which runs: of one task or all, of these statuses and triggers or all, created in [since, until)."""

    task_id: Optional[str] = None
    statuses: tuple[Status, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    since: Optional[Instant] = None
    until: Optional[Instant] = None

    @property
    def span(self) -> bool:
        return self.since is not None or self.until is not None

    def conditions(self, statuses: tuple[Status, ...], ids: Optional[tuple[int, int]]) -> tuple[str, list[Any]]:
        """The WHERE clause and its parameters; `ids` are the first and the last run id that can match."""
        terms: list[str] = []
        values: list[Any] = []
        if self.task_id is not None:
            terms.append("task_id = ?")
            values.append(self.task_id)
        if statuses:
            terms.append("status = ?" if len(statuses) == 1 else f"status IN ({rows.marks(len(statuses))})")
            values.extend(status.value for status in statuses)
        if ids is not None:
            terms.append("run_id BETWEEN ? AND ?")
            values.extend(ids)
        if self.triggers:
            terms.append(f'"trigger" IN ({rows.marks(len(self.triggers))})')
            values.extend(trigger.value for trigger in self.triggers)
        if self.since is not None:
            terms.append("created_time >= ?")
            values.append(self.since)
        if self.until is not None:
            terms.append("created_time < ?")
            values.append(self.until)
        return (f" WHERE {' AND '.join(terms)}" if terms else ""), values


def find_page(db: sqlite3.Connection, wanted: Filter, page: int, page_size: int) -> tuple[list[int], int]:
    """The run ids of a page, newest first, and how many runs match in all."""
    total, ids = _matching(db, wanted)
    offset = (page - 1) * page_size
    size = min(page_size, total - offset)
    if offset < 0 or size <= 0:
        return [], total
    # OFFSET walks over what it skips: count from the nearer end.
    backwards = offset + size > total - offset
    select, values = _selection(wanted, ids, "ASC" if backwards else "DESC")
    found = db.execute(select, (*values, size, total - offset - size if backwards else offset)).fetchall()
    run_ids = [row[0] for row in found]
    return run_ids[::-1] if backwards else run_ids, total


def _matching(db: sqlite3.Connection, wanted: Filter) -> tuple[int, Optional[tuple[int, int]]]:
    """How many runs match, and the first and last run id that can (None: any)."""
    if not (wanted.statuses or wanted.triggers or wanted.span):
        if wanted.task_id is None:
            row = db.execute("SELECT ifnull(sum(run_count), 0) FROM task_state").fetchone()
        else:
            row = db.execute("SELECT run_count FROM task_state WHERE task_id = ?", (wanted.task_id,)).fetchone()
        return (int(row[0]) if row else 0), None
    ids = None
    if wanted.span and wanted.task_id is None:
        # The ids of the span bound every other index: a day out of years is found without walking over the years.
        where, values = Filter(since=wanted.since, until=wanted.until).conditions((), None)
        count, *ends = db.execute(
            f"SELECT count(*), min(run_id), max(run_id) FROM task_history INDEXED BY task_history_created{where}",
            values,
        ).fetchone()
        if count == 0 or not (wanted.statuses or wanted.triggers):
            return count, (ends[0] or 0, ends[1] or 0)
        ids = (ends[0], ends[1])
    index = "task_history_task" if wanted.task_id is not None else "task_history_status"
    statuses = wanted.statuses or (_ALL if wanted.task_id is None else ())
    where, values = wanted.conditions(statuses, ids)
    query = f"SELECT count(*) FROM task_history INDEXED BY {index}{where}"
    return int(db.execute(query, values).fetchone()[0]), ids


def _selection(wanted: Filter, ids: Optional[tuple[int, int]], way: str) -> tuple[str, list[Any]]:
    """The query for run ids in the order of `way`, still to be given LIMIT and OFFSET; and its parameters."""
    order = f" ORDER BY run_id {way} LIMIT ? OFFSET ?"
    if wanted.task_id is not None:
        where, values = wanted.conditions(wanted.statuses, ids)
        return f"SELECT run_id FROM task_history INDEXED BY task_history_task{where}{order}", values
    if not wanted.statuses and not wanted.triggers:
        where, values = wanted.conditions((), ids)
        return f"SELECT run_id FROM task_history{where}{order}", values
    # One ordered walk for each status, merged: an IN over several would be sorted.
    walks: list[str] = []
    parameters: list[Any] = []
    for status in wanted.statuses or _ALL:
        where, values = wanted.conditions((status,), ids)
        walks.append(f"SELECT run_id FROM task_history INDEXED BY task_history_status{where}")
        parameters.extend(values)
    return " UNION ALL ".join(walks) + order, parameters
