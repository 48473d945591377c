"""What the tests of the store share: short ways to make runs, and to look at a database from outside."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import pytest

from minisched.model import (
    Batch,
    LogPosition,
    ProcessIdentity,
    Status,
    TaskAttempt,
    TaskExecution,
    Text,
    Trigger,
)
from minisched.store.writer import Store, open_store
from support.closing import close_later

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = 1_795_000_000.5  # 2026-11-18
ROOT = Path(__file__).resolve().parents[2]


def watch_connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """The connections that are opened from now on, in a list that grows with them."""
    connect, found = sqlite3.connect, []

    def remember(*arguments: Any, **options: Any) -> sqlite3.Connection:
        found.append(connect(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(sqlite3, "connect", remember)
    return found


def make(task_id: str = "backup", status: Status = Status.RUNNING, **changes: Any) -> TaskExecution:
    """A new run, started manually unless `scheduled_time` is given."""
    trigger = Trigger.MANUAL if changes.get("scheduled_time") is None else Trigger.SCHEDULE
    run = TaskExecution(task_id, trigger, status, created_time=NOW)
    if status.ended:
        run = run._replace(end_time=NOW)
    elif status in (Status.RUNNING, Status.RETRYING):
        attempt = Status.RUNNING if status is Status.RUNNING else Status.TECHNICAL_FAILURE
        run = run._replace(start_time=NOW, attempts=(TaskAttempt(1, attempt, NOW),))
    return run._replace(**changes)


def full_run() -> TaskExecution:
    """A run in which no field has its default."""
    first = TaskAttempt(
        1,
        Status.TECHNICAL_FAILURE,
        NOW + 1,
        reason="signal",
        detail=Text("timeout", seconds=3.5, killed=1),
        signal=9,
        end_time=NOW + 2.25,
        duration=1.25,
        leftover_processes=2,
        output_cut=True,
        log_lost=True,
        process=ProcessIdentity(4711, 88617, "boot-1", 4026531836),
        log=LogPosition(123, 456),
    )
    second = TaskAttempt(2, Status.SUCCESS, NOW + 12, exit_code=0, end_time=NOW + 13, duration=1.0)
    return TaskExecution(
        "backup",
        Trigger.CATCHUP,
        Status.MISSED,
        created_time=NOW,
        reason="downtime",
        detail=Text("blocked_by", runs=[Text("text", text="späte Fälle 迟到")]),
        scheduled_time=1_794_999_000,
        start_time=NOW + 1,
        end_time=NOW + 13,
        duration=2.25,
        exit_code=0,
        max_attempts=3,
        missed_count=4,
        missed_since=1_794_990_000,
        retry_time=NOW + 11,
        owner=ProcessIdentity(1, 2, "boot-1", 4026531836),
        env={"A": "ä", "B": ""},
        repeats=7,
        attempts=(first, second),
    )


def opened(path: Path, expected_db_id: Optional[str] = None) -> Store:
    """The store at `path`, which must have no problem."""
    store, problems = open_store(str(path), expected_db_id, now=NOW)
    close_later(store)
    assert problems == []
    return store


def fill(store: Store, count: int, task_id: str = "backup", **changes: Any) -> list[int]:
    """`count` finished runs, a second apart."""
    status = changes.pop("status", Status.SUCCESS)
    runs = [make(task_id, status, **{"created_time": NOW + number, **changes}) for number in range(count)]
    return store.commit(Batch(runs))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """BEGIN EXCLUSIVE in a child, until the block ends."""
    code = f"""if True:
        import sqlite3, sys
        db = sqlite3.connect({str(path)!r}, isolation_level=None, timeout=10)
        db.execute("BEGIN EXCLUSIVE")
        print("locked", flush=True)
        sys.stdin.read()
        db.execute("ROLLBACK")"""
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"locked\n"
        yield
    finally:
        child.communicate()


def ask(path: Path, query: str) -> list[Any]:
    """What a plain connection finds; it sees the -wal as any other process does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return db.execute(query).fetchall()


def plans(path: Path, call: Callable[[sqlite3.Connection], object]) -> dict[str, str]:
    """How SQLite finds the rows of each statement that `call` executes: query -> plan."""
    queries: list[str] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.set_trace_callback(queries.append)
        call(db)
        db.set_trace_callback(None)
        found = {
            query: "\n".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}"))
            for query in queries
            if query.lstrip().startswith(("SELECT", "UPDATE", "DELETE"))
        }
    # SQLite before 3.36 says "SEARCH TABLE task_history".
    return {query: plan.replace("TABLE ", "") for query, plan in found.items()}


def assert_whole(path: Path) -> None:
    """The database is sound, and its counts are those of its rows."""
    assert ask(path, "PRAGMA integrity_check") == [("ok",)]
    counts = dict(ask(path, "SELECT task_id, run_count FROM task_state WHERE run_count > 0"))
    assert counts == dict(ask(path, "SELECT task_id, count(*) FROM task_history GROUP BY task_id"))
    orphans = "SELECT count(*) FROM task_attempt WHERE run_id NOT IN (SELECT run_id FROM task_history)"
    assert ask(path, orphans) == [(0,)]


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """A file system of that size, mounted at `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(folder)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_to_the_brim(folder: Path) -> Path:
    """A file that leaves no byte free."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
    return filler
