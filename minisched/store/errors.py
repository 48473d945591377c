"""Errors of SQLite as StoreError, with a `kind`."""

from __future__ import annotations

import os
import sqlite3

from minisched.model import StoreError

# With less free space than this an I/O error means a full disk: a WAL database needs 32 KiB for its -shm, and SQLite
# reports the failure to get them as "disk I/O error".
FULL_BELOW_BYTES = 64 * 1024

# By the primary result code (https://sqlite.org/rescode.html). All others are "io": only these two mean damage.
_KIND_BY_CODE = {5: "locked", 6: "locked", 11: "damaged", 13: "full", 26: "damaged"}
# Python 3.9 and 3.10 do not have the code; these are texts of sqlite3_errstr().
_KIND_BY_TEXT = (
    ("is locked", "locked"),
    ("database or disk is full", "full"),
    ("malformed", "damaged"),
    ("file is not a database", "damaged"),
)


class DuplicateRun(StoreError):
    """A new run's (task_id, scheduled_time) has a row already; nothing of the batch was written. Kind `duplicate`.

    Another process wrote that due time between the engine's query (`due_times`) and its commit, or the engine has a
    bug. The batch succeeds without that run.
    """

    def __init__(self, task_id: str, scheduled_time: int) -> None:
        super().__init__("duplicate", f"{task_id} has a run for the due time {scheduled_time} already")
        self.task_id = task_id
        self.scheduled_time = scheduled_time


class NewerDatabase(StoreError):
    """The file was written by a newer minisched, and was not changed. Kind `newer`."""

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(
            "newer",
            f"{path} has schema version {found}, this minisched knows versions up to {known}; run the newer minisched,"
            f" or move the file away (a copy from before the upgrade may stand beside it as *.v{known}.bak)",
        )
        self.path = path
        self.found = found
        self.known = known


def store_error(error: sqlite3.Error, path: str) -> StoreError:
    """The same error as a StoreError. path: the database, whose disk is checked for free space."""
    code = getattr(error, "sqlite_errorcode", None)
    text = str(error)
    if code is not None:
        kind = _KIND_BY_CODE.get(code & 0xFF, "io")
    else:
        kind = next((kind for part, kind in _KIND_BY_TEXT if part in text), "io")
    if kind == "io" and ("I/O error" in text or "unable to open" in text) and free_bytes(path) < FULL_BELOW_BYTES:
        kind = "full"
    return StoreError(kind, f"{path}: {text}")


def free_bytes(path: str) -> int:
    """Free space on the disk of `path`'s folder for a user who is not root; a large number if it is unknown."""
    try:
        disk = os.statvfs(os.path.dirname(path) or ".")
    except OSError:
        return 1 << 62
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else 1 << 62  # some file systems count nothing
