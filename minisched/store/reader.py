"""Read access to the history, for the API and the command line: never writes, never waits for the engine.

A page of the history is found through the indices, in a time that does not grow with the number of runs.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from types import MappingProxyType

from minisched.model import FAILURES, Status
from minisched.model.text import visible_bytes
from minisched.namedtuple import NamedTuple
from minisched.osutil import Importing
from minisched.store import audit, rows, schema
from minisched.store.errors import io_error, newer_database, older_database, store_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Optional

    from minisched.model import (
        ConfigChange,
        Delivery,
        DeliveryState,
        Expectation,
        Instant,
        TaskExecution,
        TaskRecord,
        Trigger,
        Uptime,
    )

_STATUS_INDEX = "INDEXED BY task_history_status"
_ALL = tuple(status for status in Status if status is not Status.IDLE)
_UNSUCCESSFUL = tuple(status for status in _ALL if status is not Status.SUCCESS)
_ENDED = tuple(status for status in Status if status.ended)
_OUTCOMES = f"""SELECT * FROM (
    SELECT run_id, status, start_time, end_time, duration FROM task_history INDEXED BY task_history_task
    WHERE task_id = ? AND status IN ({", ".join(f"'{status.value}'" for status in _ENDED)})
    ORDER BY run_id DESC LIMIT ?) ORDER BY run_id"""

_ENDS = """SELECT run_id, substr(output_tail, -?) FROM task_history
    WHERE typeof(output_tail) = 'blob' AND length(output_tail) > 0 AND run_id IN (%s)"""
LAST_LINE_MAX = 500  # bytes of the last line of an output that are read

_NEWEST = f"""SELECT created_time FROM task_history {_STATUS_INDEX}
    WHERE status <> 'success' AND status = ? ORDER BY run_id DESC LIMIT ?"""
_DUE_RUNS = f"""SELECT run_id FROM task_history INDEXED BY task_history_due
    WHERE task_id = ? AND scheduled_time BETWEEN ? AND ? AND {schema.NO_BACKFILL}
    ORDER BY scheduled_time DESC LIMIT ?"""
_SPAN_AFTER = f"""SELECT run_id, missed_since, scheduled_time FROM task_history INDEXED BY task_history_due
    WHERE task_id = ? AND scheduled_time > ? AND {schema.NO_BACKFILL} ORDER BY scheduled_time LIMIT 1"""
_OF_TASK_SINCE = """SELECT status, ifnull(scheduled_time, created_time), missed_since
    FROM task_history INDEXED BY task_history_task
    WHERE task_id = ? AND created_time >= ? ORDER BY run_id DESC LIMIT ?"""
_BACKFILLS = """SELECT run_id FROM task_history INDEXED BY task_history_backfill
    WHERE task_id = ? AND scheduled_time BETWEEN ? AND ? AND "trigger" = 'backfill'
    ORDER BY scheduled_time DESC LIMIT ?"""
_LAST_UPTIMES = """SELECT start_time, ifnull(end_time, seen_time) FROM engine_uptime
    ORDER BY uptime_id DESC LIMIT 2"""
_MISSED_IN_DOWNTIME = f"""SELECT sum(max(missed_count, 1)) FROM task_history {_STATUS_INDEX}
    WHERE status <> 'success' AND status = 'missed' AND created_time >= ? AND reason IN ('downtime', 'late')
    AND scheduled_time <= ?"""
_LAST_STATUSES = "SELECT task_id, last_status FROM task_state"
_TOTALS = """SELECT task_id, last_status, consecutive_failures, last_success_time, run_count, end_time, duration
    FROM task_state LEFT JOIN (SELECT run_id, end_time, duration FROM task_history) ON run_id = last_run_id"""


class Outcome(NamedTuple):
    """A finished run in short, for the strip on a task's card."""

    run_id: int
    status: Status
    start_time: Optional[Instant]  # None: it was never started
    end_time: Instant
    duration: Optional[float]  # seconds


class Past(NamedTuple):
    """The history of a task as its card shows it."""

    record: TaskRecord
    last_run: Optional[TaskExecution]  # the latest finished one, with its attempts
    outcomes: tuple[Outcome, ...]  # of the latest finished runs, oldest first
    last_lines: Mapping[int, str] = MappingProxyType({})  # of `last_run` and of live runs, see `last_lines`


class TaskTotals(NamedTuple):
    """Totals of a task. `last_...` are of its latest finished run, None if it has none."""

    last_status: Optional[Status]
    consecutive_failures: int
    last_success_time: Optional[Instant]  # when the latest success ended
    run_count: int
    last_end_time: Optional[Instant]
    last_duration: Optional[float]  # seconds


class Downtime(NamedTuple):
    since: Instant
    until: Instant
    missed: int  # due times


class History:
    """Reads the database at `path` through its own connection, in the thread that made it.

    It works while an engine writes, without an engine, and on a read-only file system. Without a database every result
    is empty. The file is opened by the first call, and again when it was replaced. Every method raises StoreError; for
    a file of another version with the kind `newer` or `older` (the next start of the engine upgrades
    it).
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._db: Optional[sqlite3.Connection] = None
        self._file: Optional[tuple[int, int]] = None
        self._text_factory: Any = str

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def page(
        self,
        task_id: Optional[str] = None,
        statuses: Collection[Status] = (),
        triggers: Collection[Trigger] = (),
        since: Optional[Instant] = None,
        until: Optional[Instant] = None,
        page: int = 1,
        page_size: int = 20,
    ) -> tuple[list[TaskExecution], int]:
        """Page `page` (from 1) of the runs that match, newest first with their attempts, and how many match in all.

        Newest first is by run id: a step of the clock cannot change it. Empty `statuses` or `triggers` are all of
        them; since <= created_time < until.
        """
        wanted = Filter(task_id, tuple(dict.fromkeys(statuses)), tuple(dict.fromkeys(triggers)), since, until)
        with self._snapshot() as db:
            if db is None:
                return [], 0
            run_ids, total = find_page(db, wanted, page, page_size)
            return rows.read_runs(db, run_ids), total

    def run(self, run_id: int) -> Optional[TaskExecution]:
        with self._snapshot() as db:
            found = rows.read_runs(db, [run_id]) if db is not None else []
            return found[0] if found else None

    def runs(self, run_ids: Sequence[int]) -> list[TaskExecution]:
        """Those of the runs that exist, with their attempts, in the order of `run_ids`."""
        with self._snapshot() as db:
            return rows.read_runs(db, run_ids) if db is not None else []

    def due_runs(self, task_id: str, since: int, until: int, limit: int) -> list[TaskExecution]:
        """The task's runs of due times in [since, until], in the order of these: their rows, rows of several due times
        that reach into it, and runs that make up for them. At most about `limit`, the newest due times."""
        with self._snapshot() as db:
            if db is None:
                return []
            found = [row[0] for row in db.execute(_DUE_RUNS, (task_id, since, until, limit))]
            found += [row[0] for row in db.execute(_SPAN_AFTER, (task_id, until)) if (row[1] or row[2]) <= until]
            found += [row[0] for row in db.execute(_BACKFILLS, (task_id, since, until, limit))]
            return sorted(rows.read_runs(db, found), key=lambda run: (run.scheduled_time or 0, run.run_id))

    def run_for(self, task_id: str, due: int) -> Optional[int]:
        """The id of the latest run for this due time, or of the row that says why there was none."""
        return max((run.run_id for run in self.due_runs(task_id, due, due, 1000)), default=None)

    def tail(self, run_id: int) -> bytes:
        """The last 16 KiB of the run's output; empty if there is none, or no such run."""
        with self._snapshot() as db:
            query = "SELECT CAST(output_tail AS BLOB) FROM task_history WHERE run_id = ?"
            row = db.execute(query, (run_id,)).fetchone() if db is not None else None
            return bytes(row[0]) if row and row[0] is not None else b""

    def last_lines(self, runs: Iterable[TaskExecution]) -> dict[int, str]:
        """By run id the last line of output of each of the runs that failed: mostly the real reason.

        For a run that was skipped because a dependency failed, it is that of the failed run.
        """
        with self._snapshot() as db:
            return _last_lines(db, runs) if db is not None else {}

    def outcomes(self, task_ids: Sequence[str], count: int) -> dict[str, tuple[Outcome, ...]]:
        """By task the last `count` finished runs, oldest first, from one snapshot."""
        with self._snapshot() as db:
            return {task_id: () if db is None else _outcomes(db, task_id, count) for task_id in task_ids}

    def pasts(self, task_ids: Sequence[str], count: int, live: Iterable[TaskExecution] = ()) -> dict[str, Past]:
        """By task id the history of each task that has one, with the last `count` finished runs, from one snapshot.

        live: unfinished runs, of which the last lines of failed attempts are wanted too.
        """
        with self._snapshot() as db:
            if db is None:
                return {}
            known = rows.read_records(db, task_ids)
            records = {task_id: known[task_id] for task_id in task_ids if task_id in known}
            last_ids = [record.last_run_id for record in records.values() if record.last_run_id is not None]
            last_runs = {run.run_id: run for run in rows.read_runs(db, last_ids)}
            lines = _last_lines(db, (*last_runs.values(), *live))
            return {
                task_id: Past(record, last_runs.get(record.last_run_id or 0), _outcomes(db, task_id, count), lines)
                for task_id, record in records.items()
            }

    def count_spans(self, starts: Sequence[Instant], task_id: Optional[str] = None) -> list[dict[str, int]]:
        """For each span between two of `starts` the number of runs created in it, by status, of a task or of all."""
        found: list[dict[str, int]] = []
        with self._snapshot() as db:
            if db is None:
                return [{} for _ in starts[1:]]
            for since, until in zip(starts, starts[1:]):
                total, ids = _matching(db, Filter(since=since, until=until))
                wanted = Filter(task_id, () if task_id else _UNSUCCESSFUL, since=since, until=until)
                counts = _count_statuses(db, wanted, ids) if total else {}
                if task_id is None:
                    counts[Status.SUCCESS.value] = total - sum(counts.values())
                found.append({status.value: counts[status.value] for status in _ALL if counts.get(status.value)})
        return found

    def task_spans(self, task_id: str, since: Instant, limit: int) -> list[tuple[str, Instant, Instant]]:
        """(status, first, last due time) of the task's newest runs that were created since then, newest first, at most
        `limit`. Both are equal but for a row of several missed due times; without one, when the run was created."""
        with self._snapshot() as db:
            found = db.execute(_OF_TASK_SINCE, (task_id, since, limit)).fetchall() if db is not None else []
            return [(status, time if first is None else first, time) for status, time, first in found]

    def last_downtime(self, since: Instant) -> Optional[Downtime]:
        """The last time that no engine ran, or the machine slept, if it ended after `since`."""
        with self._snapshot() as db:
            spans = db.execute(_LAST_UPTIMES).fetchall() if db is not None else []
            if db is None or len(spans) < 2 or spans[0][0] < since:
                return None
            (up, _), (_, down) = spans
            [missed] = db.execute(_MISSED_IN_DOWNTIME, (down, up)).fetchone()
            return Downtime(down, up, missed or 0)

    def failed_since(self, since: Instant, most: int) -> int:
        """How many runs that were created since then have failed, `most` at most."""
        with self._snapshot() as db:
            if db is None:
                return 0
            found = [
                time
                for status in sorted(FAILURES)
                for [time] in db.execute(_NEWEST, (status.value, most))
                if time >= since
            ]
            return min(most, len(found))

    def ahead(self, now: Instant) -> set[tuple[str, int]]:
        """(task_id, due time) of due times after `now` that have run already, before the clock was set back."""
        # Such a row was written by a clock that was ahead too: this index has few of them.
        query = """SELECT task_id, scheduled_time FROM task_history INDEXED BY task_history_created
            WHERE created_time > ? AND scheduled_time > ?"""
        with self._snapshot() as db:
            return set(db.execute(query, (now - 1, now))) if db is not None else set()

    def last_statuses(self, task_ids: Optional[Sequence[str]] = None) -> dict[str, Status]:
        """The status of the latest finished run, of all tasks or of these; without tasks that have none."""
        with self._snapshot() as db:
            if db is None:
                return {}
            found = rows.select_of_tasks(db, _LAST_STATUSES, task_ids)
            known = ((task_id, rows.STATUSES.get(status)) for task_id, status in found)
            return {task_id: status for task_id, status in known if status is not None}

    def totals(self) -> dict[str, TaskTotals]:
        """By task id the totals of every task with a history, configured or not."""
        with self._snapshot() as db:
            found = db.execute(_TOTALS) if db is not None else ()
            return {row[0]: TaskTotals(rows.STATUSES.get(row[1]), *row[2:]) for row in found}

    def records(self) -> dict[str, TaskRecord]:
        """By task id the record of every task, configured or not."""
        with self._snapshot() as db:
            return rows.read_records(db) if db is not None else {}

    def record(self, task_id: str) -> Optional[TaskRecord]:
        with self._snapshot() as db:
            return rows.read_records(db, (task_id,)).get(task_id) if db is not None else None

    def unfinished(self) -> list[TaskExecution]:
        """All runs that have not ended, with their attempts, oldest first."""
        with self._snapshot() as db:
            return rows.read_unfinished(db) if db is not None else []

    def tokens(self) -> set[tuple[str, str]]:
        """Tokens that are not used yet: (task_id, `Dependency.token`)."""
        with self._snapshot() as db:
            return rows.read_tokens(db) if db is not None else set()

    def uptimes(self, since: Instant = 0, until: Optional[Instant] = None) -> list[Uptime]:
        """When an engine ran: what overlaps [since, until], and what is next to that, oldest first."""
        with self._snapshot() as db:
            return audit.read_uptimes(db, since, until) if db is not None else []

    def changes(self, task_id: str) -> list[ConfigChange]:
        """What was changed of the task, and who paused and resumed the engine, oldest first."""
        with self._snapshot() as db:
            return audit.read_changes(db, (task_id, "")) if db is not None else []

    def expectations(self) -> list[Expectation]:
        with self._snapshot() as db:
            return rows.read_expectations(db) if db is not None else []

    def last_pause(self) -> Optional[ConfigChange]:
        """The latest pause or resumption of the engine."""
        with self._snapshot() as db:
            return audit.last_change(db, "") if db is not None else None

    def deliveries(
        self,
        states: Collection[DeliveryState] = (),
        page: int = 1,
        page_size: int = 20,
        task_id: Optional[str] = None,
    ) -> tuple[list[Delivery], int]:
        """Page `page` (from 1) of the deliveries that match, newest first, and how many match in all. Empty `states`
        are all of them."""
        with self._snapshot() as db:
            with Importing():
                from minisched.store import outbox  # 4 ms, for the only command that shows messages

            return outbox.read_page(db, task_id, states, page, page_size) if db is not None else ([], 0)

    def delivery(self, delivery_id: int) -> Optional[Delivery]:
        with self._snapshot() as db:
            with Importing():
                from minisched.store import outbox

            found = outbox.read_deliveries(db, [delivery_id]) if db is not None else []
            return found[0] if found else None

    @contextmanager
    def _snapshot(self) -> Iterator[Optional[sqlite3.Connection]]:
        """A connection on which all queries see one state of the database; None if there is no database."""
        try:
            db = self._open()
            if db is None:
                yield None
                return
            db.execute("BEGIN")
            try:
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
        except sqlite3.Error as error:
            self.close()
            if "UTF-8" in str(
                error
            ):  # a text that is not fails the whole query: the next one reads it as far as it goes
                self._text_factory = rows.readable
            raise store_error(error, self._path) from error

    def _open(self) -> Optional[sqlite3.Connection]:
        try:
            status = os.stat(self._path)
        except OSError as error:
            self.close()
            if isinstance(error, FileNotFoundError):
                return None
            raise io_error(self._path, error) from error
        file = (status.st_dev, status.st_ino)
        if self._db is not None and file == self._file:
            return self._db
        self.close()
        if status.st_size == 0:
            return None  # being made, or empty: the engine reports it
        db, version = connect_read_only(self._path)
        if version != schema.newest_version():
            db.close()
            if version > schema.newest_version():
                raise newer_database(self._path, version, schema.newest_version())
            if version == 0:
                return None  # being made
            raise older_database(self._path, version)
        db.text_factory = self._text_factory
        self._db = db
        self._file = file
        return db


def _outcomes(db: sqlite3.Connection, task_id: str, count: int) -> tuple[Outcome, ...]:
    known = {status.value: status for status in _ENDED}
    return tuple(Outcome(row[0], known[row[1]], *row[2:]) for row in db.execute(_OUTCOMES, (task_id, count)))


def _last_lines(db: sqlite3.Connection, runs: Iterable[TaskExecution]) -> dict[int, str]:
    """As `History.last_lines`."""
    sources = {run.run_id: source for run in runs for source in [_source_of_line(run)] if source is not None}
    wanted = list(dict.fromkeys(sources.values()))
    found: dict[int, str] = {}
    for start in range(0, len(wanted), rows.IDS_A_QUERY - 1):
        ids = wanted[start : start + rows.IDS_A_QUERY - 1]
        for run_id, tail in db.execute(_ENDS % rows.placeholders(len(ids)), (LAST_LINE_MAX, *ids)):
            lines = visible_bytes(tail).split("\n")
            line = next((line.strip() for line in reversed(lines) if line.strip()), "")
            if line:
                cut = len(tail) == LAST_LINE_MAX and line == lines[0].strip()
                found[run_id] = f"…{line}" if cut else line
    return {run_id: found[source] for run_id, source in sources.items() if source in found}


def _source_of_line(run: TaskExecution) -> Optional[int]:
    """The id of the run whose output may say why this one failed or was skipped."""
    failed = run.status in FAILURES or run.status is Status.RETRYING
    if failed or (run.status is Status.RUNNING and run.attempt > 1):
        return run.run_id
    cause = run.detail.values.get("run") if run.status is Status.SKIPPED and run.detail else None
    return cause if isinstance(cause, int) else None


def connect_read_only(path: str) -> tuple[sqlite3.Connection, int]:
    """A connection that cannot write, also for a file on a read-only file system; and the schema's version. Raises
    sqlite3.Error."""
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError:
        # Even reading a WAL database needs its -shm. If none can be made, no process writes, and no lock is needed.
        if os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
            raise
        return _connect(path, "mode=ro&immutable=1")


def _connect(path: str, query: str) -> tuple[sqlite3.Connection, int]:
    db = sqlite3.connect(schema.uri(path, query), uri=True, timeout=schema.BUSY_TIMEOUT_S, isolation_level=None)
    try:
        db.execute(f"PRAGMA cache_size = -{schema.CACHE_KIB}")
        return db, schema.user_version(db)
    except sqlite3.Error:
        db.close()
        raise


# -------------------------------------------------------------------------------------------------------------- pages


class Filter(NamedTuple):
    """Which runs: of one task or all, with these statuses and triggers or any, created in [since, until)."""

    task_id: Optional[str] = None
    statuses: tuple[Status, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    since: Optional[Instant] = None
    until: Optional[Instant] = None

    @property
    def span(self) -> bool:
        return self.since is not None or self.until is not None

    @property
    def others(self) -> Filter:
        """The runs of the same span with any other status."""
        statuses = tuple(status for status in _ALL if status not in self.statuses)
        return self._replace(statuses=statuses if self.statuses else (), triggers=())

    def source(self, ids: Optional[tuple[int, int]]) -> str:
        """The index that finds these runs. ids: the first and the last run id that can match, if known."""
        if self.task_id is not None:
            return "INDEXED BY task_history_task"
        if self.statuses and Status.SUCCESS not in self.statuses:
            return _STATUS_INDEX  # it has no successful runs
        if self.triggers and ids is None:
            return "INDEXED BY task_history_task"  # all of it, in place of the whole table
        return "NOT INDEXED"  # by run id

    def conditions(self, source: str, ids: Optional[tuple[int, int]]) -> tuple[str, list[Any]]:
        """The WHERE clause and its parameters, for a query of `source`."""
        terms: list[str] = []
        values: list[Any] = []
        if self.task_id is not None:
            terms.append("task_id = ?")
            values.append(self.task_id)
        if ids is not None:
            terms.append("run_id BETWEEN ? AND ?")
            values.extend(ids)
        if self.triggers:
            terms.append(f'"trigger" IN ({rows.placeholders(len(self.triggers))})')
            values.extend(trigger.value for trigger in self.triggers)
        if self.statuses and source.endswith("task_history_task") and self.task_id is None:
            # The index has no statuses. The runs with other statuses are found by the index of those.
            where, excluded = self.others.conditions(_STATUS_INDEX, None)
            terms.append(f"run_id NOT IN (SELECT run_id FROM task_history {_STATUS_INDEX}{where})")
            values.extend(excluded)
        elif self.statuses:
            if source == _STATUS_INDEX:
                terms.append("status <> 'success'")  # the condition of the index, to the letter
            terms.append(
                "status = ?" if len(self.statuses) == 1 else f"status IN ({rows.placeholders(len(self.statuses))})"
            )
            values.extend(status.value for status in self.statuses)
        if self.since is not None:
            terms.append("created_time >= ?")
            values.append(self.since)
        if self.until is not None:
            terms.append("created_time < ?")
            values.append(self.until)
        return (f" WHERE {' AND '.join(terms)}" if terms else ""), values


def find_page(db: sqlite3.Connection, wanted: Filter, page: int, page_size: int) -> tuple[list[int], int]:
    """The run ids of a page, newest first, and the number of all runs that match."""
    total, ids = _matching(db, wanted)
    offset = (page - 1) * page_size
    size = min(page_size, total - offset)
    if offset < 0 or size <= 0:
        return [], total
    # OFFSET steps over each skipped row: start from the nearer end.
    backwards = offset + size > total - offset
    select, values = _selection(wanted, ids, "ASC" if backwards else "DESC")
    found = db.execute(select, (*values, size, total - offset - size if backwards else offset)).fetchall()
    run_ids = [row[0] for row in found]
    return run_ids[::-1] if backwards else run_ids, total


def _matching(db: sqlite3.Connection, wanted: Filter) -> tuple[int, Optional[tuple[int, int]]]:
    """The number of runs that match, and the first and last run id that can (None: any)."""
    ids = None
    if wanted.task_id is not None and not (wanted.statuses or wanted.triggers or wanted.span):
        row = db.execute("SELECT run_count FROM task_state WHERE task_id = ?", (wanted.task_id,)).fetchone()
        return (int(row[0]) if row else 0), None
    if wanted.task_id is None:
        if wanted.span:
            # The ids of the span limit the range of every other index: a day is found without a walk over years.
            where, values = Filter(since=wanted.since, until=wanted.until).conditions("", None)
            count, *ends = db.execute(
                f"SELECT count(*), min(run_id), max(run_id) FROM task_history INDEXED BY task_history_created{where}",
                values,
            ).fetchone()
            ids = (ends[0] or 0, ends[1] or 0)
        else:
            count = int(db.execute("SELECT ifnull(sum(run_count), 0) FROM task_state").fetchone()[0])
        if count == 0:
            return 0, ids
        if wanted.source(ids) == "NOT INDEXED" and not wanted.triggers:
            # All runs, or most: count those that do not match.
            return count - (_count(db, wanted.others, ids) if wanted.others.statuses else 0), ids
    return _count(db, wanted, ids), ids


def _count(db: sqlite3.Connection, wanted: Filter, ids: Optional[tuple[int, int]]) -> int:
    source = wanted.source(ids)
    where, values = wanted.conditions(source, ids)
    return int(db.execute(f"SELECT count(*) FROM task_history {source}{where}", values).fetchone()[0])


def _count_statuses(db: sqlite3.Connection, wanted: Filter, ids: Optional[tuple[int, int]]) -> dict[str, int]:
    """How many of the runs that match have which status."""
    source = wanted.source(ids)
    where, values = wanted.conditions(source, ids)
    return dict(db.execute(f"SELECT status, count(*) FROM task_history {source}{where} GROUP BY status", values))


def _selection(wanted: Filter, ids: Optional[tuple[int, int]], way: str) -> tuple[str, list[Any]]:
    """The query for run ids in the order of `way`, with LIMIT and OFFSET open; and its parameters."""
    source = wanted.source(ids)
    # One ordered walk for each status, merged: an IN over several would be sorted.
    parts = [wanted._replace(statuses=(status,)) for status in wanted.statuses] if source == _STATUS_INDEX else [wanted]
    walks: list[str] = []
    parameters: list[Any] = []
    for part in parts:
        where, values = part.conditions(source, ids)
        walks.append(f"SELECT run_id FROM task_history {source}{where}")
        parameters.extend(values)
    return f"{' UNION ALL '.join(walks)} ORDER BY run_id {way} LIMIT ? OFFSET ?", parameters
