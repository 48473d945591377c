"""The tables, their versions, and how a connection is set up.

Needs SQLite 3.31 (2020; Debian 11 has 3.34, Ubuntu 20.04 has 3.31): upserts, row values, WITHOUT ROWID and partial
indices, but no STRICT tables and no RETURNING.
"""

from __future__ import annotations

import json
import os
import sqlite3

from minisched.store.errors import newer_database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Optional

BUSY_TIMEOUT_S = 1.0  # it blocks the engine's loop, which retries the batch a second later
CACHE_KIB = 512  # the state of ten thousand tasks, and the last pages of all indices
WAL_PAGES = 256  # 1 MiB: on an SD card such a checkpoint takes tens of milliseconds, larger ones a second
WAL_LIMIT_BYTES = 4 << 20  # a -wal that grew larger, by a burst or a long read, is truncated to this

NO_BACKFILL = "\"trigger\" <> 'backfill'"  # a condition of the index `task_history_due`, to the letter

RUN_ID_END = (1 << 63) - 1  # the largest id that SQLite has; no run has it
NEWEST_RUN_ID = """SELECT max(ifnull((SELECT max(run_id) FROM task_history), 0),
            ifnull((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'last_run_id'), 0))"""

# Version 1. AUTOINCREMENT: the id of a deleted row is never used again. `task_history_due` makes it impossible to start
# a due time twice. A page is in the order of run_id, which a clock step cannot change, and read through an index that
# contains the columns of the filters: `_task` for one task, `_status` for statuses, `_created` for a time span.
# `_end` is the order in which the runs of a task ended; notification rules count in this order, and `end_count` is its
# latest number. In the outbox only the first message of a queue has a `next_time`, so `_due` contains only these.
# `forgotten`: the latest due time that retention deleted; after a clock step back none up to there is run again.
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

# Version 2: `channel_keys` identifies the channel of a message beyond its index. A covering index: columns stored after
# the 16 KiB `variables` would otherwise cost a walk over its overflow pages.
_VERSION_2 = (
    "ALTER TABLE task_outbox ADD COLUMN channel_keys TEXT NOT NULL DEFAULT ''",
    "DROP INDEX task_outbox_queue",
    """CREATE INDEX task_outbox_queue ON task_outbox
        (task_id, rule, channel, delivery_id, next_time, channel_type, channel_keys, state)
        WHERE state = 'pending'""",
)

# Version 3: fewer pages are written for each run. The index `_task` has only columns that never change. `_status` has
# all runs but the successful ones, which are most: these are in it only until they end. A run with one attempt has no
# row in `task_attempt`, because its own row says the same; the columns that were missing for that are added.
# A detail and an error are a code with values, as JSON. Older versions wrote English sentences.
_VERSION_3 = (
    "DROP INDEX task_history_status",
    """CREATE INDEX task_history_status ON task_history (status, run_id, "trigger", created_time)
        WHERE status <> 'success'""",
    "DROP INDEX task_history_task",
    'CREATE INDEX task_history_task ON task_history (task_id, run_id, "trigger", created_time)',
    "ALTER TABLE task_history ADD COLUMN signal INTEGER",
    "ALTER TABLE task_history ADD COLUMN leftover_processes INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE task_history ADD COLUMN output_cut INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE task_history ADD COLUMN log_lost INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE task_history ADD COLUMN pid INTEGER",
    "ALTER TABLE task_history ADD COLUMN start_ticks INTEGER",
    "ALTER TABLE task_history ADD COLUMN boot_id TEXT",
    "ALTER TABLE task_history ADD COLUMN pid_namespace INTEGER",
    "ALTER TABLE task_history ADD COLUMN owner_namespace INTEGER",
    "ALTER TABLE task_attempt ADD COLUMN pid_namespace INTEGER",
    "ALTER TABLE task_history ADD COLUMN log_inode INTEGER",
    "ALTER TABLE task_history ADD COLUMN log_offset INTEGER",
    # A first attempt that a crash has left: it says what its run says, and so will its end. This row would stay.
    """UPDATE task_history SET (start_time, signal, leftover_processes, output_cut, log_lost, pid, start_ticks, boot_id,
            log_inode, log_offset) =
        (SELECT start_time, signal, leftover_processes, output_cut, log_lost, pid, start_ticks, boot_id,
            log_inode, log_offset FROM task_attempt AS one
            WHERE one.run_id = task_history.run_id AND one.attempt = 1)
        WHERE status = 'running' AND attempt = 1 AND run_id IN (SELECT run_id FROM task_attempt)""",
    """DELETE FROM task_attempt WHERE run_id IN
        (SELECT run_id FROM task_history WHERE status = 'running' AND attempt = 1)""",
    "UPDATE task_history SET detail = sentence_json(detail) WHERE detail <> ''",
    "UPDATE task_attempt SET detail = sentence_json(detail) WHERE detail <> ''",
    "UPDATE task_outbox SET error = sentence_json(error) WHERE error <> ''",
)

# Version 4: what a later question about a due time needs beside the runs. `engine_uptime` has when an engine ran:
# without an `end_time` it still runs, or died after `seen_time`. `config_change` has who added, changed or removed a
# task, or paused the engine (`task_id` is then ''), and what the task's schedule was before. A run that makes up for a
# past due time has its own row beside that of the due time, which `repeats` names; so `task_history_due` leaves it out.
# `task_expectation` has rows only for tasks with `task_expect`; see `model.run.Expectation`.
_VERSION_4 = (
    "ALTER TABLE task_history ADD COLUMN repeats INTEGER",
    "DROP INDEX task_history_due",
    """CREATE UNIQUE INDEX task_history_due ON task_history (task_id, scheduled_time)
        WHERE scheduled_time IS NOT NULL AND "trigger" <> 'backfill'""",
    """CREATE INDEX task_history_backfill ON task_history (task_id, scheduled_time)
        WHERE "trigger" = 'backfill'""",
    """CREATE TABLE engine_uptime (
        uptime_id INTEGER PRIMARY KEY AUTOINCREMENT,
        start_time REAL NOT NULL,
        seen_time REAL NOT NULL,
        end_time REAL,
        ending TEXT
    )""",
    """CREATE TABLE config_change (
        change_id INTEGER PRIMARY KEY AUTOINCREMENT,
        time REAL NOT NULL,
        task_id TEXT NOT NULL,
        action TEXT NOT NULL,
        source TEXT NOT NULL,
        "by" TEXT NOT NULL,
        fields TEXT NOT NULL,
        before TEXT NOT NULL
    )""",
    "CREATE INDEX config_change_task ON config_change (task_id, change_id)",
    """CREATE TABLE task_expectation (
        task_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        time REAL NOT NULL,
        PRIMARY KEY (task_id, kind, key)
    ) WITHOUT ROWID""",
)

# Version 5: a page less is written for each run, that of the counter of AUTOINCREMENT. SQLite writes it only for an id
# that is larger, and RUN_ID_END is larger than any; `NEWEST_RUN_ID` counts the ids of runs. `last_run_id` is that
# of the newest run that was deleted, so that its id is not used again. An older program that has the file open during
# the upgrade, and lets AUTOINCREMENT find an id, gets an error: there is none after RUN_ID_END.
_VERSION_5 = (
    """INSERT INTO meta (name, value)
        SELECT 'last_run_id', max(seq) FROM sqlite_sequence WHERE name = 'task_history' HAVING max(seq) IS NOT NULL""",
    "DELETE FROM sqlite_sequence WHERE name = 'task_history'",
    f"INSERT INTO sqlite_sequence (name, seq) VALUES ('task_history', {RUN_ID_END})",
    f"""CREATE TRIGGER task_history_last AFTER DELETE ON task_history
        WHEN old.run_id > ({NEWEST_RUN_ID}) BEGIN
            INSERT OR REPLACE INTO meta (name, value) VALUES ('last_run_id', old.run_id);
        END""",
)

MIGRATIONS: Sequence[Sequence[str]] = (
    _VERSION_1,
    _VERSION_2,
    _VERSION_3,
    _VERSION_4,
    _VERSION_5,
)  # MIGRATIONS[n] leads from version n to n + 1. Released ones are never changed
# Tables, indices and triggers, with the version of the schema that brought them.
NAMES = {
    "meta": 1,
    "task_history": 1,
    "task_attempt": 1,
    "task_state": 1,
    "task_token": 1,
    "task_rule": 1,
    "task_outbox": 1,
    "engine_uptime": 4,
    "config_change": 4,
    "task_expectation": 4,
    "task_history_due": 1,
    "task_history_task": 1,
    "task_history_status": 1,
    "task_history_created": 1,
    "task_history_end": 1,
    "task_history_backfill": 4,
    "task_outbox_due": 1,
    "task_outbox_queue": 1,
    "task_outbox_state": 1,
    "config_change_task": 4,
    "task_history_last": 5,
}


def uri(path: str, query: str) -> str:
    """`path` as an SQLite URI, with `%`, `?` and `#` quoted."""
    quoted = os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?{query}"


def connect(path: str) -> sqlite3.Connection:
    """The writing connection, for the calling thread. Makes the file if there is none. Raises sqlite3.Error."""
    _make_private(path)
    db = sqlite3.connect(uri(path, "mode=rwc"), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        # A map of the pages, by which free ones can be returned to the file system in small steps. It adds 1 to 6 % to
        # what a run writes. Only a new file can get one, and the statement would write to any other.
        if not db.execute("PRAGMA page_count").fetchone()[0]:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        db.execute("PRAGMA cell_size_check = ON")  # report damage when a page is read, not when it is used
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves the data in the drive's cache
        db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    except BaseException:
        db.close()
        raise
    return db


def _make_private(path: str) -> None:
    """Make the file for this user alone; SQLite would take the umask. Its side files get the same mode."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError:
        pass  # it is there, or SQLite reports why it cannot be made


def user_version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def newest_version() -> int:
    return len(MIGRATIONS)


def migrate(db: sqlite3.Connection, path: str, migrations: Optional[Sequence[Sequence[str]]] = None) -> None:
    """Upgrade the database to the newest version by MIGRATIONS (or those given), each step in one transaction; a new
    database in one transaction.

    A database with data is copied to `<path>.v<version>.bak` first. Raises StoreError `newer`, without any change,
    and sqlite3.Error: then the steps done so far are complete.
    """
    migrations = MIGRATIONS if migrations is None else migrations
    version = user_version(db)
    if version > len(migrations):
        raise newer_database(path, version, len(migrations))
    if version == len(migrations):
        return
    if version:
        copy(db, f"{path}.v{version}.bak")
    db.create_function("sentence_json", 1, lambda text: json.dumps({"code": "text", "text": text}, ensure_ascii=False))
    while version < len(migrations):
        db.execute("BEGIN IMMEDIATE")
        try:
            version = user_version(db)  # another process may have upgraded it
            # All steps at once for a new database: a reader that finds it half made would ask for an upgrade.
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
    # Write it into the file itself, where an older minisched finds the version without writing anything.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def copy(db: sqlite3.Connection, target: str) -> None:
    """Copy the database to the file `target`, completely or not at all; also one whose file was unlinked."""
    fresh = target + ".new"
    for leftover in (fresh, fresh + "-journal"):
        if os.path.exists(leftover):
            os.unlink(leftover)  # of a copy that was interrupted
    try:
        _make_private(fresh)
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
