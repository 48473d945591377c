"""The database's file under an open connection: is it still the one that was opened (FAULTS S9)?"""

from __future__ import annotations

import os
import sqlite3
from typing import Optional

from minisched.model import StoreError
from minisched.store import schema
from minisched.store.database import SIDE_FILES
from minisched.store.errors import store_error


class WatchedFile:
    """The file at `path` as it was found right after opening. SQLite itself writes on into a removed file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = _identity(path)
        self._wal = _identity(path + "-wal")
        self._size = 0
        self.problem()

    @property
    def same(self) -> bool:
        return _identity(self._path) == self._file

    def problem(self) -> Optional[str]:
        """What has happened to it: removed, exchanged or cut; None where nothing has. Costs one stat, and a look at the
        file where it has become smaller: somebody has cut it, or run VACUUM."""
        try:
            status = os.stat(self._path)
        except OSError as error:
            return f"{self._path} is gone: {error.strerror}"
        if (status.st_dev, status.st_ino) != self._file:
            return f"{self._path} was replaced by another file"
        if status.st_size < self._size and not self._whole():
            return f"{self._path} was cut from {self._size} to {status.st_size} bytes"
        self._size = status.st_size
        return None

    def _whole(self) -> bool:
        """Whether the file holds as many pages as its header says.

        The open connection cannot tell: it counts the pages that still stand in the -wal alone. And the header is read
        by SQLite, for to close a descriptor of our own would drop the locks of that connection (POSIX).
        """
        try:
            db = sqlite3.connect(schema.uri(self._path, "mode=ro&immutable=1"), uri=True)
            try:
                return bool(db.execute("PRAGMA page_count").fetchone()[0])
            finally:
                db.close()
        except sqlite3.OperationalError:
            return True  # no descriptor is left, or it is gone by now: the next look tells
        except sqlite3.DatabaseError:
            return False

    def drop_side_files(self) -> None:
        """Unlink the -wal and -shm of a file that is gone: SQLite would play them into the one that comes. Those of
        another file stay. Raises StoreError."""
        if self._wal is None or _identity(self._path + "-wal") != self._wal:
            return
        for suffix in SIDE_FILES:
            try:
                os.unlink(self._path + suffix)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise StoreError("io", f"{self._path}{suffix}: {error.strerror}") from error

    def rescue(self, db: sqlite3.Connection) -> str:
        """Write the removed file anew from the connection that has it open; what came of it. Raises StoreError where
        that may succeed later."""
        try:
            schema.copy(db, self._path)
        except sqlite3.Error as error:
            failure = store_error(error, self._path)
            if failure.kind != "damaged":
                raise failure from error
            return f"the removed history could not be saved ({error}); a new one was begun"
        except OSError as error:
            raise StoreError("io", f"{self._path}: {error.strerror}") from error
        return "the removed history was saved from the open file"


def _identity(path: str) -> Optional[tuple[int, int]]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
