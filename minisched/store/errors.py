"""Errors of SQLite as StoreError, with a `kind`."""

from __future__ import annotations

import os
import sqlite3

from minisched.model import StoreError, Text

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


def newer_database(path: str, found: int, known: int) -> StoreError:
    """The file was written by a newer minisched, and was not changed."""
    return StoreError("newer", Text("engine.db.newer", path=path, found=found, known=known))


def older_database(path: str, found: int) -> StoreError:
    """The file was written by an older minisched, whose engine may still run on it."""
    return StoreError("older", Text("engine.db.older", path=path, found=found))


def io_error(path: str, error: OSError) -> StoreError:
    return StoreError("io", Text("engine.db.io", path=path, error=error.strerror))


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
    return StoreError(kind, Text(f"engine.db.{kind}", path=path, error=text))


def free_bytes(path: str) -> int:
    """Free space on the disk of `path`'s folder for a user who is not root; a large number if it is unknown."""
    try:
        disk = os.statvfs(os.path.dirname(path) or ".")
    except OSError:
        return 1 << 62
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else 1 << 62  # some file systems count nothing
