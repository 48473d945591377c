"""Rows beside the runs that explain them: when an engine ran, and who changed the config."""

from __future__ import annotations

import json

from minisched.model import Action, ConfigChange, Origin, Uptime

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence
    from typing import Any, Optional

    from minisched.model import Instant

MAX_UPTIMES = 1000  # 60 KB; a machine that is switched on each morning has three years
MAX_CHANGES = 20_000  # 3 MB; the latest change of each task is kept at any age
MAX_BEFORE = 16_384  # characters of what a task was before

_UPDATE = """UPDATE engine_uptime SET seen_time = max(seen_time, ?), end_time = ?, ending = ?
    WHERE uptime_id = (SELECT max(uptime_id) FROM engine_uptime) AND start_time = ?"""
# An engine that did not end: it was last seen when it wrote last. A run of `exec` says nothing about the engine.
_CLOSE = """UPDATE engine_uptime SET ending = 'lost', end_time = max(seen_time,
    ifnull((SELECT max(settled) FROM task_state WHERE settled <= :now), 0),
    ifnull((SELECT max(max(created_time), max(ifnull(end_time, 0))) FROM
        (SELECT * FROM task_history ORDER BY run_id DESC LIMIT 100)
        WHERE created_time <= :now AND ifnull(end_time, 0) <= :now AND "trigger" NOT IN ('manual', 'backfill')), 0))
    WHERE end_time IS NULL"""

# Too old, and not the latest change of their task: of a task that has changed again, and among those that have become
# too old just now.
_DROP_OF_TASK = "DELETE FROM config_change WHERE task_id = ? AND change_id <= ?"
_DROP_OLD = """DELETE FROM config_change WHERE change_id > ? AND change_id <= ? AND EXISTS
    (SELECT 1 FROM config_change AS later
    WHERE later.task_id = config_change.task_id AND later.change_id > config_change.change_id)"""


def write_uptimes(db: sqlite3.Connection, uptimes: Sequence[Uptime]) -> None:
    """To be called before the runs are written that the new engine has ended for the lost one."""
    for one in uptimes:
        if db.execute(_UPDATE, (one.seen_time, one.end_time, one.ending, one.start_time)).rowcount:
            continue
        db.execute(_CLOSE, {"now": one.start_time})
        db.execute(
            "INSERT INTO engine_uptime (start_time, seen_time, end_time, ending) VALUES (?, ?, ?, ?)",
            (one.start_time, one.seen_time, one.end_time, one.ending),
        )
        db.execute(
            "DELETE FROM engine_uptime WHERE uptime_id <= (SELECT max(uptime_id) FROM engine_uptime) - ?",
            (MAX_UPTIMES,),
        )


def read_uptimes(db: sqlite3.Connection, since: Instant = 0, until: Optional[Instant] = None) -> list[Uptime]:
    """Those that overlap [since, until], and the one before and the one after them, oldest first."""
    rows = db.execute("SELECT start_time, seen_time, end_time, ending FROM engine_uptime ORDER BY uptime_id")
    known = [Uptime(row[0], row[1], row[2], row[3] or "") for row in rows if isinstance(row[0], float)]
    inside = [
        index
        for index, one in enumerate(known)
        if (one.end_time is None or one.end_time >= since) and (until is None or one.start_time <= until)
    ]
    if inside:
        return known[max(0, inside[0] - 1) : inside[-1] + 2]
    before = [index for index, one in enumerate(known) if one.end_time is not None and one.end_time < since]
    first = before[-1] if before else 0
    return known[first : first + 2]


def last_seen(db: sqlite3.Connection) -> Instant:
    """When the last engine stopped, or was seen last; 0 if none is known."""
    row = db.execute("SELECT seen_time, end_time FROM engine_uptime ORDER BY uptime_id DESC LIMIT 1").fetchone()
    return max((time for time in row or () if isinstance(time, float)), default=0.0)


def write_changes(db: sqlite3.Connection, changes: Sequence[ConfigChange]) -> None:
    """Write them, and delete about as many that are too old. Costs the same however many there are."""
    last = 0
    for one in changes:
        before = json.dumps(dict(one.before), ensure_ascii=False) if one.before else ""
        cursor = db.execute(
            """INSERT INTO config_change (time, task_id, action, source, "by", fields, before)
            VALUES (?, ?, ?, ?, ?, ?, ?)""",
            (
                one.time,
                one.task_id,
                one.action.value,
                one.origin.source,
                one.origin.by,
                ",".join(one.fields),
                before if len(before) <= MAX_BEFORE else "",
            ),
        )
        last = cursor.lastrowid or 0
    until = last - MAX_CHANGES
    if until > 0:
        db.executemany(_DROP_OF_TASK, {(one.task_id, until) for one in changes})
        db.execute(_DROP_OLD, (until - len(changes), until))


_CHANGES = """SELECT change_id, time, task_id, action, source, "by", fields, before FROM config_change
    WHERE task_id = ? ORDER BY change_id"""


def read_changes(db: sqlite3.Connection, task_ids: Collection[str]) -> list[ConfigChange]:
    """The changes of these tasks, oldest first; `""` is the engine."""
    found = []
    for task_id in task_ids:
        rows = db.execute(_CHANGES, (task_id,))
        found += [(row[0], change) for row in rows for change in _change(row[1:])]
    return [change for _, change in sorted(found, key=lambda pair: pair[0])]


def last_change(db: sqlite3.Connection, task_id: str) -> Optional[ConfigChange]:
    """The latest change of one task; `""` is the engine."""
    rows = db.execute(f"{_CHANGES} DESC", (task_id,))
    return next((change for row in rows for change in _change(row[1:])), None)


def last_changes(db: sqlite3.Connection) -> dict[str, ConfigChange]:
    """By task the latest change; `""` is the engine."""
    rows = db.execute(
        """SELECT time, task_id, action, source, "by", fields, before FROM config_change
        WHERE change_id IN (SELECT max(change_id) FROM config_change GROUP BY task_id)"""
    )
    return {change.task_id: change for row in rows for change in _change(row)}


def _change(row: Sequence[Any]) -> list[ConfigChange]:
    """The change, or none where the row is not understood: of a newer version, or of another program."""
    time, task_id, action, source, by, fields, before = row
    try:
        values = json.loads(before) if before else {}
        return [
            ConfigChange(
                float(time),
                str(task_id),
                Action(action),
                Origin(str(source), str(by)),
                tuple(fields.split(",")) if fields else (),
                values if isinstance(values, dict) else {},
            )
        ]
    except (ValueError, TypeError, AttributeError):
        return []
