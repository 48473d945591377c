"""Opening the database at start: refuse what is newer, set aside what is damaged, tell what is gone.

No file is ever looked at with a plain open(): closing any descriptor of a database drops the locks that SQLite holds on
it in this process (FAULTS S13). What is cheap is checked here: the header and the schema, the database's size in the
header against the file's, the first and the last page of every table and index, and `quick_check` of a small file.
Damage inside a large one is met when a query reads it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Optional

from minisched.model import StoreError
from minisched.store import schema
from minisched.store.errors import NewerDatabase, store_error

if TYPE_CHECKING:
    from minisched.model import Instant

QUICK_CHECK_BYTES = 4 << 20  # quick_check reads every page: 10 ms for this much, seconds for a year's history

SIDE_FILES = ("-wal", "-shm")

_DUE = "FROM task_history INDEXED BY task_history_due WHERE scheduled_time IS NOT NULL"
_END = "FROM task_history INDEXED BY task_history_end WHERE end_order IS NOT NULL"
_EDGES = (
    "SELECT * FROM task_history ORDER BY run_id {way} LIMIT 1",
    "SELECT * FROM task_attempt ORDER BY run_id {way}, attempt {way} LIMIT 1",
    f"SELECT run_id {_DUE} ORDER BY task_id {{way}}, scheduled_time {{way}} LIMIT 1",
    "SELECT run_id FROM task_history INDEXED BY task_history_task ORDER BY task_id {way}, run_id {way} LIMIT 1",
    "SELECT run_id FROM task_history INDEXED BY task_history_status ORDER BY status {way}, run_id {way} LIMIT 1",
    "SELECT run_id FROM task_history INDEXED BY task_history_created ORDER BY created_time {way} LIMIT 1",
    f"SELECT run_id {_END} ORDER BY task_id {{way}}, end_order {{way}} LIMIT 1",
    "SELECT * FROM task_outbox ORDER BY delivery_id {way} LIMIT 1",
    "SELECT delivery_id FROM task_outbox INDEXED BY task_outbox_state ORDER BY state {way}, delivery_id {way} LIMIT 1",
)


def open_database(
    path: str, expected_db_id: Optional[str], now: Instant, mend: bool, last_id: int = 0
) -> tuple[sqlite3.Connection, list[str]]:
    """The writing connection to `path`, its schema the newest, and what a person should be told.

    A new database is made where there is none, and with `mend` in place of a damaged one. `last_id` is the newest run
    id that the caller knows of: a new database goes on after it. Raises StoreError: `newer` (the file was not touched)
    or `full`, `locked`, `io`, and `damaged` without `mend`; then the file is as it was.
    """
    problems = []
    size = _size(path)
    if size:
        _refuse_newer(path)
    elif expected_db_id is not None:
        aside = set_aside(path, now) if mend else None  # an old -wal must not be played into the new file
        kept = f"; what was left is at {aside}" if aside else ""
        state = "missing" if size is None else "empty"
        problems.append(f"{path} is {state} although this home had a history{kept}: a new one was begun")
    try:
        db = _open(path)
    except StoreError as error:
        if error.kind != "damaged" or not mend:
            raise
        last_id = max(last_id, _salvaged_last_id(path))
        aside = set_aside(path, now)
        problems.append(f"{error}; it was moved to {aside} and a new history was begun")
        db = _open(path)
    try:
        found = read_db_id(db)
        if expected_db_id not in (None, found) and not problems:
            problems.append(f"{path} holds another history ({found}) than this home had before ({expected_db_id})")
        if last_id:
            _start_after(db, last_id)
    except sqlite3.Error as error:
        db.close()
        raise store_error(error, path) from error
    return db, problems


def _size(path: str) -> Optional[int]:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError("io", f"{path}: {error.strerror}") from error


def _refuse_newer(path: str) -> None:
    """Raise NewerDatabase for a file of a later version, and leave it and its folder as they are."""
    # Immutable makes no side file and takes no lock, but does not see what still stands in a -wal.
    query = "mode=ro" if _size(path + "-wal") else "mode=ro&immutable=1"
    try:
        db = sqlite3.connect(schema.uri(path, query), uri=True, timeout=schema.BUSY_TIMEOUT_S)
        try:
            version = schema.user_version(db)
        finally:
            db.close()
    except sqlite3.Error:
        return  # the real opening tells what is wrong
    if version > schema.newest_version():
        raise NewerDatabase(path, version, schema.newest_version())


def _open(path: str) -> sqlite3.Connection:
    try:
        db = schema.connect(path)
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    try:
        if schema.user_version(db):
            _refuse_stranger(db, path)
        schema.migrate(db, path)
        _examine(db, path)
    except sqlite3.Error as error:
        db.close()
        raise store_error(error, path) from error
    except BaseException:
        db.close()
        raise
    return db


def _examine(db: sqlite3.Connection, path: str) -> None:
    """Raise StoreError or sqlite3.Error where damage can be seen at a small price; see the module."""
    _refuse_stranger(db, path)
    for edge in _EDGES:
        for way in ("ASC", "DESC"):
            db.execute(edge.format(way=way)).fetchall()
    pages, page_size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    if pages * page_size <= QUICK_CHECK_BYTES:
        verdict = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise StoreError("damaged", f"{path}: {' '.join(verdict.split())}")


def _refuse_stranger(db: sqlite3.Connection, path: str) -> None:
    """Raise StoreError `damaged` where a table or an index is missing, all of which every version has."""
    names = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    gone = [name for name in (*schema.TABLES, *schema.INDICES) if name not in names]
    if gone:
        raise StoreError("damaged", f"{path}: {', '.join(gone)} missing")


def read_db_id(db: sqlite3.Connection) -> str:
    """The random name of this history, for `var/lock`: a file that was exchanged has another one."""
    row = db.execute("SELECT value FROM meta WHERE name = 'db_id'").fetchone()
    return str(row[0]) if row else ""


def _salvaged_last_id(path: str) -> int:
    """The newest run id that a damaged file still tells, or 0."""
    try:
        db = sqlite3.connect(schema.uri(path, "mode=ro&immutable=1"), uri=True)
        try:
            return int(db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'task_history'").fetchone()[0])
        finally:
            db.close()
    except (sqlite3.Error, TypeError, ValueError):
        return 0


def _start_after(db: sqlite3.Connection, last_id: int) -> None:
    """Let run ids go on after `last_id`: the logs still speak of the runs before."""
    db.execute("BEGIN IMMEDIATE")
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'task_history'").fetchone()
    if row is None:
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('task_history', ?)", (last_id,))
    elif row[0] < last_id:
        db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'task_history'", (last_id,))
    db.execute("COMMIT")


def set_aside(path: str, now: Instant) -> Optional[str]:
    """Rename the database and its side files to `<path>.damaged-<UTC time>[-wal, -shm]`, a name that SQLite can open.

    The new path, or None where there was nothing. Raises StoreError.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    target = first = f"{path}.damaged-{stamp}"
    count = 1
    while any(os.path.lexists(target + suffix) for suffix in ("", *SIDE_FILES)):
        count += 1
        target = f"{first}-{count}"
    moved = None
    for suffix in (*SIDE_FILES, ""):  # the database last: a -wal never stands beside a file that it does not belong to
        try:
            os.rename(path + suffix, target + suffix)
            moved = target
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreError("io", f"{path}{suffix} cannot be moved aside: {error.strerror}") from error
    return moved
