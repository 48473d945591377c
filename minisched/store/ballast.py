"""Room set aside for the moment when the disk is full."""

from __future__ import annotations

import os

from minisched.store.errors import free_bytes

BALLAST_BYTES = 256 * 1024  # some 60 pages of 4 KiB: the ends of all runs that can be running, in a few commits
ROOM_FACTOR = 8  # the ballast is made again when the disk has this many times its size: else it would fill it up


class Ballast:
    """A file that is given up at the first write that finds the disk full (FAULTS S1), and made again later."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._tight = False

    def make(self) -> bool:
        """Make the file unless it is there or the disk has little room. Never raises.

        True while it stands and the disk has as much room again beside it: a disk that others have filled is told
        before a run is lost to it.
        """
        free = free_bytes(self._path)
        self._tight = free < (ROOM_FACTOR if self._tight else 1) * BALLAST_BYTES
        if os.path.exists(self._path):
            return not self._tight
        if free < ROOM_FACTOR * BALLAST_BYTES:
            return False
        fresh = self._path + ".new"
        try:
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(fd, os.urandom(BALLAST_BYTES))  # zeros take no room on a file system that compresses
                whole = os.fstat(fd).st_size == BALLAST_BYTES
            finally:
                os.close(fd)
            if whole:
                os.rename(fresh, self._path)
                return True
        except OSError:
            pass  # no room after all, or a read-only disk: the next call tries again
        try:
            os.unlink(fresh)
        except OSError:
            pass
        return False

    def release(self) -> bool:
        """Give the room back. True if there was any."""
        try:
            os.unlink(self._path)
        except OSError:
            return False
        return True
