"""The tables, their versions, and how a connection is set up.

Needs SQLite 3.31 (2020; Debian 11 has 3.34, Ubuntu 20.04 has 3.31): upserts, row values, WITHOUT ROWID and partial
indices, but no STRICT tables and no RETURNING.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Optional

from minisched.store.errors import NewerDatabase

if TYPE_CHECKING:
    from collections.abc import Sequence

BUSY_TIMEOUT_S = 1.0  # the engine's loop stands still meanwhile; it comes back with the same batch a second later
CACHE_KIB = 512  # the hot pages of ten thousand tasks' state and of the right edges of all indices
WAL_PAGES = 256  # 1 MiB: a checkpoint of this size stops an engine on an SD card for tens of milliseconds, not a second
WAL_LIMIT_BYTES = 4 << 20  # a -wal that a burst or a long reader made larger is cut back to this

# Version 1. AUTOINCREMENT: an id that retention has deleted never comes again. `task_history_due` is what makes a
# double start impossible. A page is read in the order of run_id, which a step of the clock cannot change, through an
# index that holds all that a filter asks for: `_task` for one task, `_status` for all, `_created` for a span of time.
# `_end` is the order in which the runs of a task ended, by which the rules count, and `end_count` its latest number.
# In the outbox only the first of those that wait for one channel has a `next_time`, so `_due` holds these alone.
# `forgotten`: the latest due time that retention has deleted; a clock that is set back runs none up to there again.
_VERSION_1 = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta (name, value) VALUES ('db_id', lower(hex(randomblob(16))))",
    """CREATE TABLE task_history (
        run_id INTEGER PRIMARY KEY AUTOINCREMENT,
        task_id TEXT NOT NULL,
        "trigger" TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        detail TEXT NOT NULL,
        scheduled_time INTEGER,
        start_time REAL,
        end_time REAL,
        end_order INTEGER,
        duration REAL,
        exit_code INTEGER,
        attempt INTEGER NOT NULL,
        max_attempts INTEGER NOT NULL,
        missed_count INTEGER NOT NULL,
        missed_since INTEGER,
        created_time REAL NOT NULL,
        retry_time REAL,
        owner_pid INTEGER,
        owner_start_ticks INTEGER,
        owner_boot_id TEXT,
        env TEXT,
        output_tail BLOB
    )""",
    """CREATE UNIQUE INDEX task_history_due ON task_history (task_id, scheduled_time)
        WHERE scheduled_time IS NOT NULL""",
    'CREATE INDEX task_history_task ON task_history (task_id, run_id, status, "trigger", created_time)',
    'CREATE INDEX task_history_status ON task_history (status, run_id, "trigger", created_time)',
    "CREATE INDEX task_history_created ON task_history (created_time)",
    "CREATE UNIQUE INDEX task_history_end ON task_history (task_id, end_order) WHERE end_order IS NOT NULL",
    """CREATE TABLE task_attempt (
        run_id INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        status TEXT NOT NULL,
        reason TEXT,
        detail TEXT NOT NULL,
        exit_code INTEGER,
        signal INTEGER,
        start_time REAL NOT NULL,
        end_time REAL,
        duration REAL,
        leftover_processes INTEGER NOT NULL,
        output_cut INTEGER NOT NULL,
        log_lost INTEGER NOT NULL,
        pid INTEGER,
        start_ticks INTEGER,
        boot_id TEXT,
        log_inode INTEGER,
        log_offset INTEGER,
        PRIMARY KEY (run_id, attempt)
    ) WITHOUT ROWID""",
    """CREATE TABLE task_state (
        task_id TEXT PRIMARY KEY,
        schedule_key TEXT NOT NULL DEFAULT '',
        settled REAL NOT NULL DEFAULT 0,
        boot_id TEXT NOT NULL DEFAULT '',
        consecutive_failures INTEGER NOT NULL DEFAULT 0,
        last_run_id INTEGER,
        last_status TEXT,
        last_success_time REAL,
        last_failure_id INTEGER,
        run_count INTEGER NOT NULL DEFAULT 0,
        end_count INTEGER NOT NULL DEFAULT 0,
        forgotten INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID""",
    """CREATE TABLE task_token (
        task_id TEXT NOT NULL,
        dependency TEXT NOT NULL,
        PRIMARY KEY (task_id, dependency)
    ) WITHOUT ROWID""",
    """CREATE TABLE task_rule (
        task_id TEXT NOT NULL,
        rule TEXT NOT NULL,
        fired INTEGER NOT NULL,
        last_time REAL,
        suppressed INTEGER NOT NULL,
        row_length INTEGER NOT NULL,
        row_end INTEGER NOT NULL,
        row_of TEXT NOT NULL,
        PRIMARY KEY (task_id, rule)
    ) WITHOUT ROWID""",
    """CREATE TABLE task_outbox (
        delivery_id INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL,
        created_time REAL NOT NULL,
        task_id TEXT NOT NULL,
        rule TEXT NOT NULL,
        channel INTEGER NOT NULL,
        channel_type TEXT NOT NULL,
        run_id INTEGER NOT NULL,
        event TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        next_time REAL,
        tried_time REAL,
        sent_time REAL,
        error TEXT NOT NULL,
        answer TEXT NOT NULL,
        variables TEXT NOT NULL
    )""",
    "CREATE INDEX task_outbox_due ON task_outbox (attempts > 0, next_time) WHERE next_time IS NOT NULL",
    """CREATE INDEX task_outbox_queue ON task_outbox (task_id, rule, channel, delivery_id, next_time)
        WHERE state = 'pending'""",
    "CREATE INDEX task_outbox_state ON task_outbox (state, delivery_id, tried_time, task_id)",
)

# Version 2: a message is known to its channel by more than the channel's index. The index holds all that is asked of
# those that wait, for in a row what comes after `variables`, up to 16 KiB and more, is reached through all of them.
_VERSION_2 = (
    "ALTER TABLE task_outbox ADD COLUMN channel_keys TEXT NOT NULL DEFAULT ''",
    "DROP INDEX task_outbox_queue",
    """CREATE INDEX task_outbox_queue ON task_outbox
        (task_id, rule, channel, delivery_id, next_time, channel_type, channel_keys, state)
        WHERE state = 'pending'""",
)

MIGRATIONS: Sequence[Sequence[str]] = (
    _VERSION_1,
    _VERSION_2,
)  # the n-th leads from version n to n + 1; only ever added to
TABLES = ("meta", "task_history", "task_attempt", "task_state", "task_token", "task_rule", "task_outbox")
INDICES = (
    "task_history_due",
    "task_history_task",
    "task_history_status",
    "task_history_created",
    "task_history_end",
    "task_outbox_due",
    "task_outbox_queue",
    "task_outbox_state",
)


def uri(path: str, query: str) -> str:
    """`path` as an SQLite URI; `%`, `?` and `#` in it are data."""
    quoted = os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?{query}"


def connect(path: str) -> sqlite3.Connection:
    """The writing connection, for the thread that calls. Makes the file where there is none. Raises sqlite3.Error."""
    db = sqlite3.connect(uri(path, "mode=rwc"), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        db.execute("PRAGMA cell_size_check = ON")  # damage is told when its page is read, not when it is believed
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves the data in the drive's cache
        db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    except BaseException:
        db.close()
        raise
    return db


def user_version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def newest_version() -> int:
    return len(MIGRATIONS)


def migrate(db: sqlite3.Connection, path: str, migrations: Optional[Sequence[Sequence[str]]] = None) -> None:
    """Bring the database to the newest version by MIGRATIONS (or those given), each step in one transaction,
    all of them where it is new.

    A database with data is copied to `<path>.v<version>.bak` first. Raises NewerDatabase (then nothing was changed)
    and sqlite3.Error (then the steps done so far stand, each as a whole).
    """
    migrations = MIGRATIONS if migrations is None else migrations
    version = user_version(db)
    if version > len(migrations):
        raise NewerDatabase(path, version, len(migrations))
    if version == len(migrations):
        return
    if version:
        copy(db, f"{path}.v{version}.bak")
    while version < len(migrations):
        db.execute("BEGIN IMMEDIATE")
        try:
            version = user_version(db)  # another process may have been faster
            # A new database is made at once: a reader that meets it half made would ask for an upgrade.
            for step in migrations[version : version + 1 if version else None]:
                for statement in step:
                    db.execute(statement)
                version += 1
            db.execute(f"PRAGMA user_version = {version}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    # Into the file itself, where an older minisched sees the version without touching anything.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def copy(db: sqlite3.Connection, target: str) -> None:
    """Copy the database, also one whose file has lost its name, to the file `target`: the whole copy or none."""
    fresh = target + ".new"
    for leftover in (fresh, fresh + "-journal"):
        if os.path.exists(leftover):
            os.unlink(leftover)  # of a copy that was cut short
    try:
        out = sqlite3.connect(fresh, isolation_level=None)
        try:
            db.backup(out)
        finally:
            out.close()
        os.replace(fresh, target)
    except BaseException:
        if os.path.exists(fresh):
            os.unlink(fresh)
        raise
