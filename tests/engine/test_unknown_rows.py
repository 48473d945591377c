"""Rows that this version does not understand: of a newer one, of another program, of a damaged disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from minisched.model import StoreError
from minisched.model.notification import SendResult, SendStatus
from minisched.store.reader import History
from support.engine import T0, exits, problems, start, task
from support.sim import Exit, Sim

RULE = {"name": "ops", "triggers": ["technical_failure", "missed"], "channels": [{"type": "file", "path": "ops"}]}
TASKS = [
    task("a", "@every 1h", task_retry={"max_attempts": 3, "delay": "10m"}, task_notify=[RULE]),
    task("b", "@every 1h"),
    task("c", task_dependencies=["a", "b"]),
]
COLUMNS = {
    "task_history": "a",
    "task_attempt": "a",
    "task_state": "a",
    "task_token": "c",
    "task_rule": "a",
    "task_outbox": "a",
}
GARBAGE = ["'paused'", "'{\"code\": 5'", "'[1]'", "x'ff00'", "CAST(x'ff' AS TEXT)", "-1", "9e99", "''", "1.5", "2"]


def engine_on(path: str, now: float) -> Sim:
    one = Sim(path, now, TASKS, exits(a=[Exit(1.0, 9)] * 50), poll_s=300.0)
    one.world.post = lambda order, draw: (1e6, SendResult(SendStatus.SENT))  # never
    return one


def past(path: Path) -> Sim:
    """A task that has failed and is to be retried, one with successes, a half-filled join, a message that waits."""
    one = engine_on(str(path / "minisched.db"), T0)
    one.boot()
    one.run_for(2 * 3600 + 300)
    start(one, "a", NAME="value")
    one.run_for(0.5)
    one.crash()
    return one


def spoil(path: str, table: str, column: str, value: str) -> int:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        where = f"task_id = '{COLUMNS[table]}'" if table != "task_attempt" else "1"
        try:
            return db.execute(f"UPDATE OR IGNORE {table} SET {column} = {value} WHERE {where}").rowcount
        except sqlite3.IntegrityError:  # the table refuses it
            return 0


def columns(one: Sim) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(one.path)) as db:
        found = [(table, row[1]) for table in COLUMNS for row in db.execute(f"PRAGMA table_info({table})")]
    return [(table, f'"{column}"') for table, column in found]


def read_everything(path: str) -> None:
    """What the page and the commands ask. A text that is not UTF-8 costs one answer."""
    history = History(path)
    questions: list[Any] = [
        history.page,
        history.records,
        history.unfinished,
        history.totals,
        history.last_statuses,
        history.deliveries,
        lambda: history.pasts(["a", "b", "c"], 30),
    ]
    for ask in questions:
        try:
            ask()
        except StoreError:
            ask()
    history.close()


@pytest.mark.parametrize("value", GARBAGE)
def test_an_engine_runs_on_whatever_another_program_wrote_into_any_column(tmp_path: Path, value: str) -> None:
    one = past(tmp_path)
    whole = tmp_path / "whole.db"
    with closing(sqlite3.connect(one.path)) as db:
        db.execute("VACUUM INTO ?", (str(whole),))
    spoilt = 0
    every = 1 if os.environ.get("MINISCHED_ALL_COLUMNS") else 5  # else another fifth for each value, to save time
    for table, column in columns(one)[GARBAGE.index(value) % every :: every]:
        path = str(tmp_path / f"{table}.db")
        shutil.copy(whole, path)
        if not spoil(path, table, column, value):
            continue
        spoilt += 1
        again = engine_on(path, one.world.wall())
        read_everything(path)
        again.boot()
        again.run_for(3400)
        assert again.engine.exit_code is None, (table, column)
        assert [task_id for task_id, _, _ in again.world.starts].count("b") >= 1, (table, column)
        read_everything(path)
        again.stop()
        for suffix in ("", "-wal", "-shm"):
            Path(path + suffix).unlink(missing_ok=True)
    assert spoilt > 8


def test_a_row_that_is_not_understood_is_set_aside_and_reported(tmp_path: Path) -> None:
    one = past(tmp_path)
    [retrying] = [row["run_id"] for row in one.rows("a") if row["status"] == "retrying"]
    with closing(sqlite3.connect(one.path, isolation_level=None)) as db:
        db.execute("UPDATE task_history SET env = '[]' WHERE run_id = ?", (retrying,))
        db.execute("UPDATE task_state SET last_status = 'paused' WHERE task_id = 'b'")
    one.boot()
    one.run_for(3600)
    problem = problems(one)["history rows"]
    assert problem == f"2 rows of the history cannot be understood and are left out: run {retrying}, the state of b"
    with closing(sqlite3.connect(one.path, isolation_level=None)) as db:
        assert db.execute("SELECT status FROM task_history WHERE run_id = ?", (retrying,)).fetchone() == ("retrying",)
    assert one.runs("b")[-1] == ("b", "schedule", "success", None)


def test_ends_are_numbered_again_where_the_count_is_behind(tmp_path: Path) -> None:
    one = past(tmp_path)
    with closing(sqlite3.connect(one.path, isolation_level=None)) as db:
        db.execute("UPDATE task_state SET end_count = 0")
    one.boot()
    one.run_for(2 * 3600)
    assert [row[2] for row in one.runs("b")].count("success") >= 4
    with closing(sqlite3.connect(one.path, isolation_level=None)) as db:
        orders = [
            row[0] for row in db.execute("SELECT end_order FROM task_history WHERE task_id = 'b' ORDER BY run_id")
        ]
    assert orders == sorted(set(orders))


@pytest.mark.parametrize("spoilt", ["reason = 'asleep'", "reason = NULL", "reason = x'ff00'", "missed_since = -9e99"])
def test_a_row_of_many_missed_due_times_that_is_not_understood_stays_when_the_clock_is_set_back(
    tmp_path: Path, spoilt: str
) -> None:
    tasks = [task("a", "@every 1m", task_misfire="skip"), task("b", "@every 1h")]
    one = Sim(str(tmp_path / "minisched.db"), T0, tasks, poll_s=300.0)
    one.boot()
    one.run_for(3600 + 300)
    one.stop()
    one.world.set_clock(10 * 3600)
    one.boot()
    one.run_for(10)
    one.crash()
    one.world.set_clock(-5 * 3600)
    with closing(sqlite3.connect(one.path, isolation_level=None)) as db:
        [run_id] = [
            row[0] for row in db.execute("SELECT run_id FROM task_history WHERE task_id = 'a' AND missed_count > 1")
        ]
        db.execute(f"UPDATE task_history SET {spoilt} WHERE run_id = ?", (run_id,))
        spans = "SELECT * FROM task_history WHERE task_id = 'a' AND missed_count > 1"
        before = db.execute(spans).fetchall()
        one.boot()
        one.run_for(2 * 3600)
        assert db.execute(spans).fetchall() == before
    assert one.engine.exit_code is None
    assert problems(one)["history rows"] == f"1 row of the history cannot be understood and is left out: run {run_id}"
    assert one.runs("a")[-2:] == [("a", "schedule", "success", None)] * 2


def test_tokens_that_are_not_texts_are_set_aside_and_reported(tmp_path: Path) -> None:
    one = past(tmp_path)
    with closing(sqlite3.connect(one.path, isolation_level=None)) as db:
        db.executemany(
            "INSERT INTO task_token (task_id, dependency) VALUES (?, ?)",
            [("gone", "a"), ("gone", b"\xff"), (b"\xff", "a"), ("c", b"a")],
        )
        one.boot()
        one.run_for(3600)
        left = {tuple(row) for row in db.execute("SELECT task_id, dependency FROM task_token")}
    assert one.engine.exit_code is None
    assert {("gone", b"\xff"), (b"\xff", "a"), ("c", b"a")} <= left
    assert ("gone", "a") not in left
    problem = problems(one)["history rows"]
    assert problem.startswith("3 rows of the history cannot be understood and are left out: ")
    assert "a success that c waits for" in problem
