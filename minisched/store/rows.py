"""Rows of the tables as the values of `model`, and back; questions that both the writer and the readers ask."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, Optional

from minisched.model import (
    FAILURES,
    UNFINISHED,
    LogPosition,
    ProcessIdentity,
    Status,
    TaskAttempt,
    TaskExecution,
    TaskRecord,
    Text,
    Trigger,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

# Details of an attempt. A run's row has those of its last attempt: if it has only one, and that says the same, the
# attempt has no row of its own.
_DETAIL_COLUMNS = (
    "signal",
    "leftover_processes",
    "output_cut",
    "log_lost",
    "pid",
    "start_ticks",
    "boot_id",
    "log_inode",
    "log_offset",
)
# A run's row in three parts: its id; what is fixed when it is made; what changes until it has ended.
FIXED_COLUMNS = ("task_id", '"trigger"', "scheduled_time", "max_attempts", "created_time", "env")
CHANGING_COLUMNS = (
    "status",
    "reason",
    "detail",
    "start_time",
    "end_time",
    "duration",
    "exit_code",
    "attempt",
    "missed_count",
    "missed_since",
    "retry_time",
    "owner_pid",
    "owner_start_ticks",
    "owner_boot_id",
    *_DETAIL_COLUMNS,
)
RUN_COLUMNS = ("run_id", *FIXED_COLUMNS, *CHANGING_COLUMNS)
ATTEMPT_COLUMNS = (
    "run_id",
    "attempt",
    "status",
    "reason",
    "detail",
    "exit_code",
    "start_time",
    "end_time",
    "duration",
    *_DETAIL_COLUMNS,
)
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

IDS_A_QUERY = 500  # SQLite before 3.32 takes at most 999 parameters


def placeholders(count: int) -> str:
    return ", ".join("?" * count)


# Writing.
INSERT_RUN = (
    f"INSERT INTO task_history (run_id, {', '.join(FIXED_COLUMNS)}, {', '.join(CHANGING_COLUMNS)})"
    f" VALUES ({placeholders(len(RUN_COLUMNS))})"
)
UPDATE_RUN = f"UPDATE task_history SET {', '.join(f'{name} = ?' for name in CHANGING_COLUMNS)} WHERE run_id = ?"
PUT_ATTEMPT = (
    f"INSERT OR REPLACE INTO task_attempt ({', '.join(ATTEMPT_COLUMNS)}) VALUES ({placeholders(len(ATTEMPT_COLUMNS))})"
)
COUNT_RUNS = """INSERT INTO task_state (task_id, run_count) VALUES (?, ?)
    ON CONFLICT (task_id) DO UPDATE SET run_count = run_count + excluded.run_count"""
PUT_RECORD = """INSERT INTO task_state (task_id, schedule_key, settled, boot_id) VALUES (?, ?, ?, ?)
    ON CONFLICT (task_id) DO UPDATE
    SET schedule_key = excluded.schedule_key, settled = excluded.settled, boot_id = excluded.boot_id"""
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

# Reading.
_RUNS = f"SELECT {', '.join(RUN_COLUMNS)} FROM task_history WHERE run_id IN (%s) ORDER BY run_id"
_ATTEMPTS = f"SELECT {', '.join(ATTEMPT_COLUMNS)} FROM task_attempt WHERE run_id IN (%s) ORDER BY run_id, attempt"
_RECORDS = f"SELECT {', '.join(RECORD_COLUMNS)}, run_count, forgotten FROM task_state"
_UNFINISHED = (
    "SELECT run_id FROM task_history INDEXED BY task_history_status"
    f" WHERE status <> 'success' AND status IN ({placeholders(len(UNFINISHED))})"
)


# The attributes that a run and an attempt have in common.
_COMMON = ("status", "reason", "detail", "exit_code", "start_time", "end_time", "duration")
_NO_DETAILS = (None, 0, 0, 0, None, None, None, None, None)
_SURROGATE = re.compile("[\ud800-\udfff]")


def text(value: Optional[str]) -> Optional[str]:
    """`value` as UTF-8 can hold it: an OSError's text may carry the lone surrogates of an undecodable path."""
    if value is None or value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def detail_json(detail: Optional[Text]) -> str:
    """A detail as it is stored: JSON, "" for none."""
    if detail is None:
        return ""
    stored = json.dumps(detail.as_json(), ensure_ascii=False)
    # As in `text`: a surrogate becomes the six characters of its escape.
    return stored if stored.isascii() else _SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", stored)


def detail_of(stored: str) -> Optional[Text]:
    return Text.from_json(json.loads(stored)) if stored else None


def fixed_values(run: TaskExecution) -> tuple[Any, ...]:
    env = None if run.env is None else json.dumps(dict(run.env))
    return (run.task_id, run.trigger.value, run.scheduled_time, run.max_attempts, run.created_time, env)


def changing_values(run: TaskExecution) -> tuple[Any, ...]:
    return (
        run.status.value,
        text(run.reason),
        detail_json(run.detail),
        run.start_time,
        run.end_time,
        run.duration,
        run.exit_code,
        run.attempt,
        run.missed_count,
        run.missed_since,
        run.retry_time,
        *(run.owner or (None, None, None)),
        *(_detail_values(run.attempts[-1]) if run.attempts else _NO_DETAILS),
    )


def attempt_rows(run: TaskExecution, run_id: int) -> list[tuple[Any, ...]]:
    """The values of the rows of its attempts: none for a single attempt that says the same as the run."""
    if run.attempt == 1 and all(getattr(run, name) == getattr(run.attempts[0], name) for name in _COMMON):
        return []
    return [
        (
            run_id,
            attempt.attempt,
            attempt.status.value,
            text(attempt.reason),
            detail_json(attempt.detail),
            attempt.exit_code,
            attempt.start_time,
            attempt.end_time,
            attempt.duration,
            *_detail_values(attempt),
        )
        for attempt in run.attempts
    ]


def _detail_values(attempt: TaskAttempt) -> tuple[Any, ...]:
    return (
        attempt.signal,
        attempt.leftover_processes,
        int(attempt.output_cut),
        int(attempt.log_lost),
        *(attempt.process or (None, None, None)),
        *(attempt.log or (None, None)),
    )


def outcome_values(run: TaskExecution, run_id: int) -> tuple[object, ...]:
    failed = run.status in FAILURES
    success_time = run.end_time if run.status is Status.SUCCESS else None
    return run.task_id, run_id, run.status.value, success_time, run_id if failed else None, int(failed)


def _attempt(number: int, status: str, reason: Any, detail: str, row: Sequence[Any]) -> TaskAttempt:
    """row: exit_code, start_time, end_time, duration, and the columns of _DETAIL_COLUMNS."""
    return TaskAttempt(
        attempt=number,
        status=Status(status),
        reason=reason,
        detail=detail_of(detail),
        exit_code=row[0],
        start_time=row[1],
        end_time=row[2],
        duration=row[3],
        signal=row[4],
        leftover_processes=row[5],
        output_cut=bool(row[6]),
        log_lost=bool(row[7]),
        process=None if row[8] is None else ProcessIdentity(*row[8:11]),
        log=None if row[11] is None else LogPosition(*row[11:13]),
    )


def _run(row: Sequence[Any], attempts: Sequence[TaskAttempt]) -> TaskExecution:
    run_id, task_id, trigger, scheduled_time, max_attempts, created_time, env = row[:7]
    status, reason, detail, start_time, end_time, duration, exit_code = row[7:14]
    count, missed_count, missed_since, retry_time = row[14:18]
    if count and not attempts:
        values = (exit_code, start_time, end_time, duration, *row[21:])
        attempts = (_attempt(1, status, reason, detail, values),)
    return TaskExecution(
        task_id=task_id,
        trigger=Trigger(trigger),
        status=Status(status),
        created_time=created_time,
        run_id=run_id,
        reason=reason,
        detail=detail_of(detail),
        scheduled_time=scheduled_time,
        start_time=start_time,
        end_time=end_time,
        duration=duration,
        exit_code=exit_code,
        max_attempts=max_attempts,
        missed_count=missed_count,
        missed_since=missed_since,
        retry_time=retry_time,
        owner=None if row[18] is None else ProcessIdentity(*row[18:21]),
        env=None if env is None else json.loads(env),
        attempts=tuple(attempts),
    )


def read_runs(db: sqlite3.Connection, run_ids: Iterable[int]) -> list[TaskExecution]:
    """The runs of these ids that exist, with their attempts, in the order of the ids given."""
    wanted = list(run_ids)
    found: dict[int, TaskExecution] = {}
    for start in range(0, len(wanted), IDS_A_QUERY):
        ids = wanted[start : start + IDS_A_QUERY]
        attempts: dict[int, list[TaskAttempt]] = {}
        for row in db.execute(_ATTEMPTS % placeholders(len(ids)), ids):
            attempts.setdefault(row[0], []).append(_attempt(row[1], row[2], row[3], row[4], row[5:]))
        for row in db.execute(_RUNS % placeholders(len(ids)), ids):
            found[row[0]] = _run(row, attempts.get(row[0], ()))
    return [found[run_id] for run_id in wanted if run_id in found]


def read_unfinished(db: sqlite3.Connection) -> list[TaskExecution]:
    """All runs that have not ended, oldest first."""
    ids = db.execute(_UNFINISHED, [status.value for status in UNFINISHED])
    return read_runs(db, sorted(row[0] for row in ids))


def read_records(db: sqlite3.Connection, task_ids: Optional[Sequence[str]] = None) -> dict[str, TaskRecord]:
    """The records of all tasks, or of those of `task_ids` that have one."""
    records = {}
    for row in select_of_tasks(db, _RECORDS, task_ids):
        task_id, schedule_hash, evaluated_until, boot_id, failures, last_run_id, last_status, *rest = row
        status = None if last_status is None else Status(last_status)
        records[task_id] = TaskRecord(
            task_id, sys.intern(schedule_hash), evaluated_until, boot_id, failures, last_run_id, status, *rest
        )
    return records


def select_of_tasks(db: sqlite3.Connection, query: str, task_ids: Optional[Sequence[str]]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query without WHERE: all of them, or those whose `task_id` is one of `task_ids`."""
    if task_ids is None:
        yield from db.execute(query)
        return
    for start in range(0, len(task_ids), IDS_A_QUERY):
        ids = task_ids[start : start + IDS_A_QUERY]
        yield from db.execute(f"{query} WHERE task_id IN ({placeholders(len(ids))})", ids)


def read_tokens(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """(task_id, the dependency that succeeded)."""
    return {(row[0], row[1]) for row in db.execute("SELECT task_id, dependency FROM task_token")}
