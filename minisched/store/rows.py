"""Rows of the tables as the values of `model`, and back; questions that both the writer and the readers ask."""

from __future__ import annotations

import json
from operator import attrgetter, itemgetter

from minisched.model import (
    FAILURES,
    UNFINISHED,
    Ends,
    Expectation,
    LogPosition,
    ProcessIdentity,
    Status,
    TaskAttempt,
    TaskExecution,
    TaskRecord,
    Text,
)
from minisched.model.run import ATTEMPT_FIELDS, RUN_FIELDS
from minisched.put_off import lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, Callable, Optional

    from minisched.model.fields import Field

RECORD_COLUMNS = (
    "task_id",
    "schedule_key",
    "settled",
    "boot_id",
    "consecutive_failures",
    "last_run_id",
    "last_status",
    "last_success_time",
    "last_failure_id",
)

NoneType = type(None)
TIME_END = 253_402_300_800  # 10000-01-01Z; no date is later in Python
IDS_A_QUERY = 500  # SQLite before 3.32 takes at most 999 parameters


def placeholders(count: int) -> str:
    return ", ".join("?" * count)


COUNT_RUNS = """INSERT INTO task_state (task_id, run_count) VALUES (?, ?)
    ON CONFLICT (task_id) DO UPDATE SET run_count = run_count + excluded.run_count"""
PUT_RECORD = """INSERT INTO task_state (task_id, schedule_key, settled, boot_id, run_count) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (task_id) DO UPDATE
    SET schedule_key = excluded.schedule_key, settled = excluded.settled, boot_id = excluded.boot_id,
        run_count = run_count + excluded.run_count"""
PUT_OUTCOME = """INSERT INTO task_state
        (task_id, last_run_id, last_status, last_success_time, last_failure_id, consecutive_failures, end_count)
    VALUES (?, ?, ?, ?, ?, ?, 1)
    ON CONFLICT (task_id) DO UPDATE
    SET end_count = end_count + 1,
        last_run_id = excluded.last_run_id,
        last_status = excluded.last_status,
        last_success_time = COALESCE(excluded.last_success_time, last_success_time),
        last_failure_id = COALESCE(excluded.last_failure_id, last_failure_id),
        consecutive_failures = CASE
            WHEN excluded.last_success_time IS NOT NULL THEN 0
            ELSE consecutive_failures + excluded.consecutive_failures END"""
PUT_END_ORDER = """UPDATE task_history SET end_order = (SELECT end_count FROM task_state WHERE task_id = ?)
    WHERE run_id = ?"""

RENUMBER_ENDS = """UPDATE task_state SET end_count = 1 + (SELECT ifnull(max(end_order), 0) FROM task_history
    WHERE task_id = (SELECT task_id FROM task_history WHERE run_id = ?) AND typeof(end_order) = 'integer')
    WHERE task_id = ?"""

# Reading.
_RECORDS = f"SELECT {', '.join(RECORD_COLUMNS)}, run_count, forgotten FROM task_state"
_UNFINISHED = (
    "SELECT run_id FROM task_history INDEXED BY task_history_status"
    f" WHERE status <> 'success' AND status IN ({placeholders(len(UNFINISHED))})"
)


_SURROGATE = lazy_pattern("[\ud800-\udfff]")


def text(value: Optional[str]) -> Optional[str]:
    """`value` as UTF-8 can hold it: an OSError's text may carry the lone surrogates of an undecodable path."""
    if value is None or value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def readable(stored: bytes) -> str:
    """As a connection's `text_factory`."""
    return stored.decode("utf-8", "backslashreplace")


def detail_json(detail: Optional[Text]) -> str:
    """A detail as it is stored: JSON, "" for none."""
    if detail is None:
        return ""
    stored = json.dumps(detail.as_json(), ensure_ascii=False)
    # As in `text`: a surrogate becomes the six characters of its escape.
    return stored if stored.isascii() else _SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", stored)


def detail_of(stored: str) -> Optional[Text]:
    """A detail as stored. A sentence that another program wrote into the database is shown as it is."""
    if not stored:
        return None
    try:
        return Text.from_json(json.loads(stored))
    except (ValueError, AttributeError):
        return Text("text", text=stored)


def texts_of(stored: str) -> dict[str, str]:
    """Raises ValueError if that is not a JSON object of texts."""
    found = json.loads(stored)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError("not a JSON object of texts")
    return found


class UnknownRow(Exception):
    """A row with a value that this version does not know: of a newer one, of another program, of a damaged disk."""


# What SQLite gives for a column, by the type of its field; NULL where the table allows it. A table of SQLite takes any
# type in any column.
_NUMBER = (int, float)
_STORED: dict[str, Any] = {"flag": int, "id": int, "reported": int, "count": int, "positive": int, "integer": int}
_STORED.update({"seconds": _NUMBER, "time": _NUMBER})
_STORED_IN_SEVERAL = {"process": (int, int, str, int), "log": (int, int)}

_CODECS: dict[str, tuple[Callable[[Any], Any], Optional[Callable[[Any], Any]]]] = {
    "text": (text, None),
    "detail": (detail_json, detail_of),
    "flag": (int, bool),
    "texts": (
        lambda value: None if value is None else json.dumps(dict(value)),
        lambda value: None if value is None else texts_of(value),
    ),
}
_COMPOSED: dict[str, Any] = {  # stored in several columns; versions before 3 stored no namespace
    "process": lambda values: ProcessIdentity._make([*values[:3], values[3] or 0]),
    "log": LogPosition._make,
}


def _is_time(value: Optional[float]) -> bool:
    return value is None or 0 <= value < TIME_END


class Columns:
    """How some fields of a record are stored: the names of their columns, and their values."""

    def __init__(self, fields: Iterable[Field]) -> None:
        listed = sorted(fields, key=lambda field: len(field.columns))  # those with several columns are the last
        self.names = tuple(name for field in listed for name in field.columns)
        paths = [field.name if isinstance(field.type, str) else f"{field.name}._value_" for field in listed]
        self._get = attrgetter(*paths)
        types = [field.type if isinstance(field.type, str) else "" for field in listed]
        self._codecs = [(index, _CODECS[type][0]) for index, type in enumerate(types) if type in _CODECS]
        self._composed = [
            (index, (None,) * len(field.columns)) for index, field in enumerate(listed) if len(field.columns) > 1
        ]

    def values(self, record: Any) -> list[Any]:
        """In the order of `names`."""
        values = list(self._get(record))
        for index, encode in self._codecs:
            values[index] = encode(values[index])
        for index, nulls in reversed(self._composed):
            values[index : index + 1] = values[index] or nulls
        return values


class Rows:
    """How a record is read: its columns in the order of the record's own fields, and the record that a row is."""

    def __init__(self, record: Any, fields: Iterable[Field]) -> None:
        self._record = record
        self._decoders: list[tuple[int, int, Callable[[Any], Any]]] = []  # first column, how many, decoder; last first
        known = {field.name: field for field in fields}
        names: list[str] = []
        stored: list[Any] = []
        for field in (known[name] for name in record._fields if name in known):
            columns = field.columns or (field.name,)
            type = field.type if isinstance(field.type, str) else "text"
            stored += _STORED_IN_SEVERAL.get(type, [_STORED.get(type, str)])
            decode: Optional[Callable[[Any], Any]] = None
            if not isinstance(field.type, str):
                decode = {word.value: word for word in field.type}.__getitem__
            elif field.type in _COMPOSED:
                decode = _COMPOSED[field.type]
            elif field.type in _CODECS:
                decode = _CODECS[field.type][1]
            if decode is not None:
                self._decoders.insert(0, (len(names), len(columns), decode))
            names += columns
        self.columns = ", ".join(names)
        self.width = len(names)
        self._times = itemgetter(*(names.index(field.name) for field in fields if field.type == "time"))
        self._stored = tuple((*one, NoneType) if isinstance(one, tuple) else (one, NoneType) for one in stored)

    def record(self, row: Sequence[Any], *more: Any) -> Any:
        """more: the record's fields behind those of the list. Further columns of the row are ignored. Raises
        UnknownRow."""
        values = list(row[: self.width])
        if not all(map(isinstance, values, self._stored)) or not all(map(_is_time, self._times(values))):
            raise UnknownRow
        try:
            for index, width, decode in self._decoders:
                if width == 1:
                    values[index] = decode(values[index])
                else:
                    end = index + width
                    values[index:end] = (None if values[index] is None else decode(values[index:end]),)
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
            raise UnknownRow from None
        return self._record(*values, *more)


# The row of a run has the details of its last attempt as well. If it is the only one, and says the same as the run, the
# attempt has no row of its own.
_RUN_NAMES = {field.name for field in RUN_FIELDS}
_COMMON = attrgetter(*(field.name for field in ATTEMPT_FIELDS if field.name in _RUN_NAMES and field.name != "attempt"))
_FIXED = Columns(field for field in RUN_FIELDS if field.columns and field.fixed)
_CHANGING = Columns(field for field in RUN_FIELDS if field.columns and not field.fixed)
_ATTEMPT = Columns(ATTEMPT_FIELDS)
_DETAILS = Columns(field for field in ATTEMPT_FIELDS if field.name not in _RUN_NAMES)
_NO_DETAILS = _DETAILS.values(TaskAttempt(0, Status.WAITING, 0.0))
_RUN_ROWS = Rows(TaskExecution, RUN_FIELDS)
_ATTEMPT_ROWS = Rows(TaskAttempt, ATTEMPT_FIELDS)


def insert(table: str, *names: str, verb: str = "INSERT") -> str:
    return f"{verb} INTO {table} ({', '.join(names)}) VALUES ({placeholders(len(names))})"


def assignments(names: Iterable[str]) -> str:
    return ", ".join(f"{name} = ?" for name in names)


INSERT_RUN = insert("task_history", "run_id", *_FIXED.names, *_CHANGING.names, *_DETAILS.names)
UPDATE_RUN = (
    f"UPDATE task_history SET {assignments((*_CHANGING.names, *_DETAILS.names))} WHERE run_id = ? AND end_time IS NULL"
)
# The same for a run that has ended, with its place among the ends of its task, which PUT_OUTCOME counts afterwards.
END_RUN = f"""UPDATE task_history SET {assignments((*_CHANGING.names, *_DETAILS.names))},
    output_tail = ifnull(?, output_tail),
    end_order = 1 + ifnull((SELECT end_count FROM task_state WHERE task_id = task_history.task_id), 0)
    WHERE run_id = ? AND end_time IS NULL"""
HAS_RUN = "SELECT 1 FROM task_history WHERE run_id = ?"
PUT_ATTEMPT = insert("task_attempt", "run_id", *_ATTEMPT.names, verb="INSERT OR REPLACE")
_RUNS = f"""SELECT {_RUN_ROWS.columns}, {_ATTEMPT_ROWS.columns}, run_id FROM task_history
    WHERE run_id IN (%s) ORDER BY run_id"""
_ATTEMPTS = f"SELECT {_ATTEMPT_ROWS.columns}, run_id FROM task_attempt WHERE run_id IN (%s) ORDER BY run_id, attempt"


def new_run_values(run: TaskExecution, run_id: int) -> tuple[Any, ...]:
    """For INSERT_RUN."""
    return (run_id, *_FIXED.values(run), *changed_run_values(run)[:-1])


def changed_run_values(run: TaskExecution) -> tuple[Any, ...]:
    """For UPDATE_RUN."""
    details = _DETAILS.values(run.attempts[-1]) if run.attempts else _NO_DETAILS
    return (*_CHANGING.values(run), *details, run.run_id)


def attempt_rows(run: TaskExecution, run_id: int) -> list[tuple[Any, ...]]:
    """For PUT_ATTEMPT: the rows of its attempts, none for a single attempt that says the same as the run."""
    if run.attempt == 1 and _COMMON(run) == _COMMON(run.attempts[0]):
        return []
    return [(run_id, *_ATTEMPT.values(attempt)) for attempt in run.attempts]


def outcome_values(run: TaskExecution, run_id: int) -> tuple[object, ...]:
    failed = run.status in FAILURES
    success_time = run.end_time if run.status is Status.SUCCESS else None
    return run.task_id, run_id, run.status.value, success_time, run_id if failed else None, int(failed)


def read_runs(
    db: sqlite3.Connection, run_ids: Iterable[int], unknown: Optional[set[int]] = None
) -> list[TaskExecution]:
    """The runs of these ids that exist, with their attempts, in the order of the ids given. Rows that this version does
    not understand are left out; their ids are added to `unknown`."""
    unknown = set() if unknown is None else unknown
    wanted = list(run_ids)
    found: dict[int, TaskExecution] = {}
    for start in range(0, len(wanted), IDS_A_QUERY):
        ids = wanted[start : start + IDS_A_QUERY]
        attempts: dict[int, list[TaskAttempt]] = {}
        for row in db.execute(_ATTEMPTS % placeholders(len(ids)), ids):
            try:
                attempts.setdefault(row[-1], []).append(_ATTEMPT_ROWS.record(row))
            except UnknownRow:
                unknown.add(row[-1])
        for row in db.execute(_RUNS % placeholders(len(ids)), ids):
            run_id, details = row[-1], row[_RUN_ROWS.width : -1]
            try:
                own = attempts.get(run_id) or ([_ATTEMPT_ROWS.record(details)] if details[0] else [])
                found[run_id] = _RUN_ROWS.record(row, tuple(own))
            except UnknownRow:
                unknown.add(run_id)
    return [found[run_id] for run_id in wanted if run_id in found and run_id not in unknown]


def read_unfinished(db: sqlite3.Connection, unknown: Optional[set[int]] = None) -> list[TaskExecution]:
    """All runs that have not ended, oldest first; `unknown` as in `read_runs`."""
    ids = db.execute(_UNFINISHED, [status.value for status in UNFINISHED])
    return read_runs(db, sorted(row[0] for row in ids), unknown)


_RECORD_TYPES: Any = (
    str,
    str,
    _NUMBER,
    str,
    int,
    (int, NoneType),
    (str, NoneType),
    (*_NUMBER, NoneType),
    (int, NoneType),
    int,
    int,
)
STATUSES: dict[Optional[str], Optional[Status]] = {None: None, **{status.value: status for status in Status}}


def read_records(
    db: sqlite3.Connection, task_ids: Optional[Sequence[str]] = None, unknown: Optional[set[str]] = None
) -> dict[str, TaskRecord]:
    """By task id what `each_record` gives."""
    return {record.task_id: record for record in each_record(db, task_ids, unknown)}


def each_record(
    db: sqlite3.Connection, task_ids: Optional[Sequence[str]] = None, unknown: Optional[set[str]] = None
) -> Iterator[TaskRecord]:
    """The records of all tasks, or of those of `task_ids` that have one. Those that this version does not understand
    are left out; their ids are added to `unknown`."""
    for row in select_of_tasks(db, _RECORDS, task_ids):
        task_id, schedule_hash, evaluated_until, boot_id, failures, last_run_id, last_status, *rest = row
        known = all(map(isinstance, row, _RECORD_TYPES)) and last_status in STATUSES
        if not known or not _is_time(evaluated_until) or not _is_time(rest[0]):
            if unknown is not None:
                unknown.add(str(task_id))
            continue
        status = STATUSES[last_status]
        yield TaskRecord(task_id, schedule_hash, evaluated_until, boot_id, failures, last_run_id, status, *rest)


def select_of_tasks(db: sqlite3.Connection, query: str, task_ids: Optional[Sequence[str]]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query without WHERE: all of them, or those whose `task_id` is one of `task_ids`."""
    if task_ids is None:
        yield from db.execute(query)
        return
    for start in range(0, len(task_ids), IDS_A_QUERY):
        ids = task_ids[start : start + IDS_A_QUERY]
        yield from db.execute(f"{query} WHERE task_id IN ({placeholders(len(ids))})", ids)


def read_ends(db: sqlite3.Connection, task_ids: Sequence[str]) -> dict[str, Ends]:
    """When the latest success and the latest failure of these tasks ended. Retention keeps the latest failure."""
    query = """SELECT task_id, last_success_time, (SELECT end_time FROM task_history WHERE run_id = last_failure_id)
        FROM task_state"""
    return {
        task_id: Ends(*(time if isinstance(time, _NUMBER) and _is_time(time) else None for time in times))
        for task_id, *times in select_of_tasks(db, query, task_ids)
    }


def read_tokens(db: sqlite3.Connection, unknown: Optional[set[str]] = None) -> set[tuple[str, str]]:
    """(task_id, `Dependency.token`). Those that this version does not understand are left out; the ids of
    their tasks are added to `unknown`."""
    tokens = set()
    for task_id, dependency in db.execute("SELECT task_id, dependency FROM task_token"):
        if isinstance(task_id, str) and isinstance(dependency, str):
            tokens.add((task_id, dependency))
        elif unknown is not None:
            unknown.add(str(task_id))
    return tokens


def read_expectations(db: sqlite3.Connection) -> list[Expectation]:
    """All rows of `task_expectation` that this version understands."""
    found = [Expectation._make(row) for row in db.execute("SELECT task_id, kind, key, time FROM task_expectation")]
    return [
        one
        for one in found
        if all(isinstance(text, str) for text in one[:3]) and isinstance(one.time, (int, float)) and _is_time(one.time)
    ]
