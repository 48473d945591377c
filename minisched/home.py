"""The home: one folder that holds everything, and the lock that lets one engine run on it."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from typing import Any, NamedTuple, Optional

from minisched.model import ProcessIdentity


class Home(NamedTuple):
    """The folder of SPEC section 2; `path` is absolute."""

    path: str

    @property
    def config(self) -> str:
        return os.path.join(self.path, "tasks", "config.json")

    @property
    def logs(self) -> str:
        return os.path.join(self.path, "logs")

    @property
    def var(self) -> str:
        return os.path.join(self.path, "var")

    @property
    def database(self) -> str:
        return os.path.join(self.var, "minisched.db")

    @property
    def token(self) -> str:
        return os.path.join(self.var, "token")

    @property
    def lock(self) -> str:
        return os.path.join(self.var, "lock")

    def make_folders(self) -> None:
        """Make `var/` (0700) and `logs/` (0750). Raises OSError."""
        for folder, mode in ((self.var, 0o700), (self.logs, 0o750)):
            if not os.path.isdir(folder):
                os.makedirs(folder)
                os.chmod(folder, mode)  # the umask may have taken more away, or the folder existed in between


class LockText(NamedTuple):
    """What the lock file says of the engine that held it last."""

    holder: Optional[ProcessIdentity]
    db_id: Optional[str]
    url: Optional[str] = None  # of its page and API; None where it has none


class HomeBusy(Exception):
    """Another engine holds the home; `holder` is what it wrote of itself."""

    def __init__(self, holder: Optional[ProcessIdentity]) -> None:
        super().__init__(f"another engine runs on this home (pid {holder.pid})" if holder else "this home is locked")
        self.holder = holder


def read_lock(home: Home) -> LockText:
    """What stands in the lock file, without touching the lock; empty where there is none."""
    try:
        fd = os.open(home.lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return LockText(None, None)
    try:
        return _parse(os.read(fd, 4096))
    finally:
        os.close(fd)


def _parse(data: bytes) -> LockText:
    try:
        text: Any = json.loads(data)
        holder = ProcessIdentity(int(text["pid"]), int(text["start_ticks"]), str(text["boot_id"]))
        return LockText(holder, text["db_id"], text.get("url"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return LockText(None, None)


class HomeLock:
    """`var/lock`, held by flock while an engine runs. The file is never unlinked here: a lock on a name that is gone
    would let a second engine in. Should somebody else unlink it, the lock on `var/` itself keeps that one out, and
    `restore` puts the file back."""

    def __init__(self, home: Home) -> None:
        self._folder = home.var
        self._path = home.lock
        self._folder_fd = -1
        self._fd = -1
        self._data = b""
        self.db_id: Optional[str] = None  # as it stands in the file
        self.url: Optional[str] = None  # of the API, put into the file by the next `write`

    def acquire(self) -> LockText:
        """Take the lock; what the last holder left in it. Raises HomeBusy, OSError."""
        self._folder_fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._folder_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise HomeBusy(read_lock(Home(os.path.dirname(self._folder))).holder) from None
        except OSError:
            pass  # NFS locks no folders: there the file alone has to do
        try:
            return self._acquire_file()
        except BaseException:
            self.release()
            raise

    def _acquire_file(self) -> LockText:
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = _parse(os.pread(fd, 4096, 0))
                os.close(fd)
                raise HomeBusy(text.holder) from None
            except OSError:
                os.close(fd)
                raise
            here = os.fstat(fd)
            try:
                there = os.stat(self._path, follow_symlinks=False)
            except FileNotFoundError:
                there = None
            if there is not None and (here.st_ino, here.st_dev) == (there.st_ino, there.st_dev):
                break
            os.close(fd)  # it was unlinked between open and lock: lock the one that stands there now
        if not stat.S_ISREG(here.st_mode):
            os.close(fd)
            raise OSError(f"{self._path} is not a regular file")
        self._fd = fd
        return _parse(os.pread(fd, 4096, 0))

    def write(self, holder: ProcessIdentity, db_id: Optional[str]) -> None:
        """Say in the file who holds it, and which history belongs to this home."""
        self._data = json.dumps({**holder._asdict(), "db_id": db_id, "url": self.url}).encode() + b"\n"
        self._store()
        self.db_id = db_id

    def _store(self) -> None:
        os.pwrite(self._fd, self._data, 0)
        os.ftruncate(self._fd, len(self._data))

    def restore(self) -> None:
        """Put the file back, locked and with its text, if it was unlinked meanwhile. Raises HomeBusy, OSError; the
        next call tries again."""
        try:
            if os.path.samestat(os.stat(self._path, follow_symlinks=False), os.fstat(self._fd)):
                return
        except FileNotFoundError:
            pass
        old, self._fd = self._fd, -1
        try:
            self._acquire_file()
            self._store()
        except BaseException:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = old
            raise
        os.close(old)

    def release(self) -> None:
        for fd in (self._fd, self._folder_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._folder_fd = -1
