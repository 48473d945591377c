"""The database's file: opened and checked, watched while it is open, moved aside if damaged; space reserved for a full
disk.

The file is never opened with plain open(): POSIX drops all locks of a process on a file when the process closes any
descriptor of it, and with them the locks of SQLite. Opening checks what is cheap: the header and the schema, the size
in the header against that of the file, the first and the last page of every table and index, and a small file as a
whole (`quick_check`). Damage inside a large file is found when a query reads it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time

from minisched.model import StoreError, Text
from minisched.store import schema
from minisched.store.errors import free_bytes, io_error, newer_database, older_database, store_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

    from minisched.model import Instant

QUICK_CHECK_BYTES = 4 << 20  # quick_check reads every page: 10 ms for this much, seconds for a year's history

SIDE_FILES = ("-wal", "-shm")

RESERVE_BYTES = 256 * 1024  # some 60 pages of 4 KiB: the ends of all runs that can be running, in a few commits
REFILL_FACTOR = 8  # the reserve is made again when the disk has this many times its size free: not to fill it up again

_DUE = f"FROM task_history INDEXED BY task_history_due WHERE scheduled_time IS NOT NULL AND {schema.NO_BACKFILL}"
_END = "FROM task_history INDEXED BY task_history_end WHERE end_order IS NOT NULL"
_STATUS = "FROM task_history INDEXED BY task_history_status WHERE status <> 'success'"
_EDGES = (
    "SELECT * FROM task_history ORDER BY run_id {way} LIMIT 1",
    "SELECT * FROM task_attempt ORDER BY run_id {way}, attempt {way} LIMIT 1",
    f"SELECT run_id {_DUE} ORDER BY task_id {{way}}, scheduled_time {{way}} LIMIT 1",
    "SELECT run_id FROM task_history INDEXED BY task_history_task ORDER BY task_id {way}, run_id {way} LIMIT 1",
    f"SELECT run_id {_STATUS} ORDER BY status {{way}}, run_id {{way}} LIMIT 1",
    "SELECT run_id FROM task_history INDEXED BY task_history_created ORDER BY created_time {way} LIMIT 1",
    f"SELECT run_id {_END} ORDER BY task_id {{way}}, end_order {{way}} LIMIT 1",
    "SELECT * FROM task_outbox ORDER BY delivery_id {way} LIMIT 1",
    "SELECT delivery_id FROM task_outbox INDEXED BY task_outbox_state ORDER BY state {way}, delivery_id {way} LIMIT 1",
)
# Each from another part of the file. Before version 5, `seq` is the newest run id.
_LAST_IDS = (
    "SELECT max(run_id) FROM task_history",
    "SELECT max(last_run_id) FROM task_state",
    f"SELECT max(run_id) {_STATUS}",
    "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'last_run_id'",
    f"SELECT seq FROM sqlite_sequence WHERE name = 'task_history' AND seq < {schema.RUN_ID_END}",
)


def open_database(
    path: str, expected_db_id: Optional[str], now: Instant, repair: bool, last_id: int = 0, upgrade: bool = True
) -> tuple[sqlite3.Connection, list[Text]]:
    """The writing connection to `path`, with the newest schema, and the problems to report.

    A new database is made if there is none, and with `repair` in place of a damaged one. last_id: the newest run id
    that the caller knows; ids of a new database continue after it. Raises StoreError: `newer`, `full`, `locked` or
    `io`, `damaged` without `repair`, and `older` without `upgrade`. After an error the file is unchanged.
    """
    problems: list[Text] = []
    size = _size(path)
    if size:
        _refuse_newer(path)
    elif expected_db_id is not None:
        aside = set_aside(path, now) if repair else None  # SQLite would apply an old -wal to the new file
        code = "engine.db.missing" if size is None else "engine.db.empty"
        problems.append(Text(code, path=path, aside=Text("engine.db.aside", path=aside) if aside else ""))
    try:
        db = _open(path, upgrade)
    except StoreError as error:
        if error.kind != "damaged" or not repair:
            raise
        last_id = max(last_id, _salvaged_last_id(path))
        aside = set_aside(path, now)
        problems.append(Text("engine.db.set_aside", error=error.text, aside=aside))
        db = _open(path, upgrade)
    try:
        found = read_db_id(db)
        if expected_db_id not in (None, found) and not problems:
            problems.append(Text("engine.db.other", path=path, found=found, expected=expected_db_id))
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
        raise io_error(path, error) from error


def _refuse_newer(path: str) -> None:
    """Raise StoreError `newer` for a file of a later version, without a change to the file or its folder."""
    # `immutable` creates no side files and takes no lock, but ignores the -wal.
    query = "mode=ro" if _size(path + "-wal") else "mode=ro&immutable=1"
    try:
        db = sqlite3.connect(schema.uri(path, query), uri=True, timeout=schema.BUSY_TIMEOUT_S)
        try:
            version = schema.user_version(db)
        finally:
            db.close()
    except sqlite3.Error:
        return  # opening it for real reports the error
    if version > schema.newest_version():
        raise newer_database(path, version, schema.newest_version())


def _open(path: str, upgrade: bool) -> sqlite3.Connection:
    try:
        db = schema.connect(path)
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    try:
        version = schema.user_version(db)
        if version:
            _refuse_stranger(db, path)
        if 0 < version < schema.newest_version() and not upgrade:
            raise older_database(path, version)
        schema.migrate(db, path)
        examine(db, path)
        # A connection keeps its last hundred statements prepared: those that run once take 0.4 MB. Opened before the
        # first one is closed, or SQLite would write the -wal back.
        return schema.connect(path)
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    finally:
        db.close()


def examine(db: sqlite3.Connection, path: str) -> None:
    """Raise StoreError or sqlite3.Error if a cheap check finds damage; see the module."""
    _refuse_stranger(db, path)
    db.text_factory = bytes  # a text that is not UTF-8 is no damage of the file
    for edge in _EDGES:
        for way in ("ASC", "DESC"):
            db.execute(edge.format(way=way)).fetchall()
    db.text_factory = str
    pages, page_size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    if pages * page_size <= QUICK_CHECK_BYTES:
        verdict = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise StoreError("damaged", Text("engine.db.damaged", path=path, error=" ".join(verdict.split())))


def _refuse_stranger(db: sqlite3.Connection, path: str) -> None:
    """Raise StoreError `damaged` if a table or an index of the file's version is missing."""
    names = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    found = schema.user_version(db) or schema.newest_version()
    gone = [name for name, version in schema.NAMES.items() if version <= found and name not in names]
    if gone:
        raise StoreError("damaged", Text("engine.db.incomplete", path=path, names=gone))


def read_db_id(db: sqlite3.Connection) -> str:
    """The random name of this history, for `var/lock`: a file that was replaced has another one."""
    row = db.execute("SELECT value FROM meta WHERE name = 'db_id'").fetchone()
    return str(row[0]) if row else ""


def _salvaged_last_id(path: str) -> int:
    """The newest run id that can be read from a damaged file, or 0: a part of it may still be whole."""
    found = [0]
    try:
        db = sqlite3.connect(schema.uri(path, "mode=ro&immutable=1"), uri=True)
    except sqlite3.Error:
        return 0
    for query in _LAST_IDS:
        try:
            found += [last_id for (last_id,) in db.execute(query) if isinstance(last_id, int)]
        except sqlite3.Error:
            pass
    db.close()
    return max(found)


def _start_after(db: sqlite3.Connection, last_id: int) -> None:
    """Continue run ids after `last_id`: logs still refer to earlier runs."""
    if db.execute(schema.NEWEST_RUN_ID).fetchone()[0] >= last_id:
        return
    db.execute("BEGIN IMMEDIATE")
    if db.execute(schema.NEWEST_RUN_ID).fetchone()[0] < last_id:
        db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('last_run_id', ?)", (last_id,))
    db.execute("COMMIT")


def set_aside(path: str, now: Instant) -> Optional[str]:
    """Rename the database and its side files to `<path>.damaged-<UTC time>[-wal, -shm]`, which SQLite can open.

    Returns the new path, or None if there was no file. Raises StoreError.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    target = first = f"{path}.damaged-{stamp}"
    count = 1
    while any(os.path.lexists(target + suffix) for suffix in ("", *SIDE_FILES)):
        count += 1
        target = f"{first}-{count}"
    moved = None
    for suffix in (*SIDE_FILES, ""):  # the database last: a -wal must not be beside a file that it does not belong to
        try:
            os.rename(path + suffix, target + suffix)
            moved = target
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreError("io", Text("engine.db.not_moved", path=path + suffix, error=error.strerror)) from error
    return moved


class WatchedFile:
    """Detects that the file of an open connection was removed, replaced or truncated: SQLite would write on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = _identity(path)
        self._side = {path + suffix: _identity(path + suffix) for suffix in SIDE_FILES}
        self._size = 0
        self.problem()

    @property
    def same(self) -> bool:
        return _identity(self._path) == self._file

    def problem(self) -> Optional[Text]:
        """What happened to the file: removed, replaced or truncated, or a side file removed; None if nothing did.

        It costs three stats, and a read of the header if the file became smaller: by truncation, or by VACUUM."""
        try:
            status = os.stat(self._path)
        except OSError as error:
            return Text("engine.db.gone", path=self._path, error=str(error.strerror))
        if (status.st_dev, status.st_ino) != self._file:
            return Text("engine.db.replaced", path=self._path)
        if status.st_size < self._size and not self._whole():
            return Text("engine.db.truncated", path=self._path, before=self._size, bytes=status.st_size)
        self._size = status.st_size
        return next((Text("engine.db.side_file_gone", path=path) for path in self._lost_side_files()), None)

    def _lost_side_files(self) -> Iterator[str]:
        return (path for path, known in self._side.items() if known is not None and _identity(path) != known)

    @property
    def split(self) -> bool:
        """The file is the same but a side file is gone: this connection and others would see different rows."""
        return self.same and any(self._lost_side_files())

    def _whole(self) -> bool:
        """Whether the file has as many pages as its header says.

        The open connection cannot answer that: it also counts pages that are only in the -wal. SQLite reads the header,
        because closing a descriptor of our own would drop the locks of that connection.
        """
        try:
            db = sqlite3.connect(schema.uri(self._path, "mode=ro&immutable=1"), uri=True)
            try:
                return bool(db.execute("PRAGMA page_count").fetchone()[0])
            finally:
                db.close()
        except sqlite3.OperationalError:
            return True  # no descriptor left, or the file is gone: the next check reports it
        except sqlite3.DatabaseError:
            return False

    def drop_side_files(self) -> None:
        """Unlink the -wal and -shm of a file that is gone or about to be replaced: SQLite would apply them to the next
        one. Those of another file are kept. Raises StoreError."""
        wal = self._path + "-wal"
        if not self.split and (self._side[wal] is None or _identity(wal) != self._side[wal]):
            return
        for suffix in SIDE_FILES:
            try:
                os.unlink(self._path + suffix)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise io_error(self._path + suffix, error) from error

    def rescue(self, db: sqlite3.Connection) -> Text:
        """Write the file again, complete, from the connection that has it open; returns what came of it. Raises
        StoreError if that may succeed later."""
        try:
            schema.copy(db, self._path)
        except sqlite3.Error as error:
            failure = store_error(error, self._path)
            if failure.kind != "damaged":
                raise failure from error
            return Text("engine.db.not_saved", error=str(error))
        except OSError as error:
            raise io_error(self._path, error) from error
        return Text("engine.db.saved")


def _identity(path: str) -> Optional[tuple[int, int]]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class DiskReserve:
    """A file, `var/ballast`, that is deleted when a write finds the disk full, so that the ends of running tasks can be
    written; and made again later."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._low = False

    def make(self) -> bool:
        """Make the file, unless it exists or the disk has little free space. Never raises.

        False if there is no reserve, or less free space besides it than its size: so the warning comes before a run is
        lost.
        """
        free = free_bytes(self._path)
        self._low = free < (REFILL_FACTOR if self._low else 1) * RESERVE_BYTES
        if os.path.exists(self._path):
            return not self._low
        if free < REFILL_FACTOR * RESERVE_BYTES:
            return False
        fresh = self._path + ".new"
        try:
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(fd, os.urandom(RESERVE_BYTES))  # zeros take no space on a file system that compresses
                whole = os.fstat(fd).st_size == RESERVE_BYTES
            finally:
                os.close(fd)
            if whole:
                os.rename(fresh, self._path)
                return True
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                return True  # a read-only disk, or the folder is gone: space is not what is missing
        try:
            os.unlink(fresh)
        except OSError:
            pass
        return False

    def release(self) -> bool:
        """Delete the file. True if there was one."""
        try:
            os.unlink(self._path)
        except OSError:
            return False
        return True
