"""The home: one folder that holds everything, and the lock that allows one engine on it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shlex
import stat

from minisched.catalogue import TextError
from minisched.model import ProcessIdentity, Text
from minisched.namedtuple import NamedTuple
from minisched.osutil import Place, open_regular, open_walked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

LOCK_BYTES_MAX = 4096  # one block of the file system, so that it can be rewritten on a full disk


class Home:
    """The home folder, and the paths in it; `path` is absolute."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.config = os.path.join(path, "tasks", "config.json")
        self.logs = os.path.join(path, "logs")
        self.var = os.path.join(path, "var")
        self.database = os.path.join(self.var, "minisched.db")
        self.token = os.path.join(self.var, "token")
        self.read_token = os.path.join(self.var, "token.read")
        self.lock = os.path.join(self.var, "lock")

    def announce_write(self) -> None:
        """Have a running engine read the database now: it watches the folder of the lock for new time stamps. If that
        fails, it reads the database by itself within a minute."""
        try:
            os.utime(self.lock)
        except OSError:
            pass  # no engine has run here, or the home is read-only for us

    def make_folders(self) -> None:
        """Make `var/` (0700) and `logs/` (0750), or take from other users what they may do in those that are there; the
        files in `var/` are for this user alone (0600). Raises UnsafeHome, OSError.

        The token keeps its mode, because a token that others could read has to be replaced: `read_token` refuses it.
        """
        for folder, mode in ((self.var, 0o700), (self.logs, 0o750)):
            try:
                os.mkdir(folder)
            except FileExistsError:
                pass
            _secure_folder(folder, mode)
        for entry in os.scandir(self.var):
            try:
                status = entry.stat(follow_symlinks=False)
                if status.st_uid == 0 != os.geteuid():
                    continue  # root may change all of it anyway; `lost+found`, or what a backup left there
                _check_owner(entry.path, status)
                if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077 and not entry.name.startswith("token"):
                    os.chmod(entry.path, status.st_mode & 0o700)
            except FileNotFoundError:
                continue  # a temporary file of a command


class UnsafeHome(TextError):
    """Another user can read or replace what is in `var/` or `logs/`; the text says how to fix it."""


def _secure_folder(folder: str, mode: int) -> None:
    """Keep of the folder's mode what is in `mode`. Raises UnsafeHome, OSError."""
    places: list[Place] = []
    fd = open_walked(folder, places, os.O_RDONLY | os.O_DIRECTORY)
    try:
        *above, last = places
        for place in above:
            user = place.changeable_by(sticky=True)
            if user is not None:
                code = "config.file.above_writable" if user < 0 else "config.file.above_owner"
                text = Text(code, user=user, quoted=shlex.quote(place.path))
                raise UnsafeHome(Text("engine.unsafe", path=place.path, text=text))
        _check_owner(last.path, last.status)
        if last.status.st_mode & 0o777 & ~mode:
            try:
                os.fchmod(fd, stat.S_IMODE(last.status.st_mode) & (mode | 0o7000))
            except OSError as error:
                if error.errno == errno.EROFS:
                    return  # no other user can write there either
                if error.errno != errno.EPERM:
                    raise
            if os.fstat(fd).st_mode & 0o777 & ~mode:  # a file system without modes
                raise UnsafeHome(Text("engine.unsafe.mode", path=last.path, mode=f"{mode:o}"))
    finally:
        os.close(fd)


def _check_owner(path: str, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        values = {"user": status.st_uid, "own": os.geteuid(), "quoted": shlex.quote(path)}
        raise UnsafeHome(Text("engine.unsafe.owner", path=path, **values))


class LockText(NamedTuple):
    """What the lock file says of the engine that holds it, or held it last."""

    holder: Optional[ProcessIdentity]
    db_id: Optional[str]
    url: Optional[str] = None  # of its page and API; None: it has none
    problems: tuple[tuple[str, Text], ...] = ()  # what is wrong with it now, by key; those that fit into the file
    zone: Optional[str] = None  # the name of the time zone it works in
    last_id: int = 0  # of the newest run, as of the latest look: a history that is restored continues after it


NO_LOCK_TEXT = LockText(None, None)


class HomeBusy(TextError):
    """Another engine holds the home; `holder` is what it wrote about itself."""

    def __init__(self, holder: Optional[ProcessIdentity]) -> None:
        super().__init__(Text("engine.home_busy", pid=holder.pid) if holder else Text("engine.home_locked"))
        self.holder = holder


def read_lock(home: Home) -> LockText:
    """The text of the lock file, without touching the lock; empty if there is none. Raises UnsafeHome if another user
    could have written it: commands send the token to the address in it. root reads the homes of all users."""
    places: list[Place] = []
    try:
        fd, status = open_regular(home.lock, places=places)
        with open(fd, "rb") as file:
            data = file.read(LOCK_BYTES_MAX)
    except OSError:
        return NO_LOCK_TEXT
    folder = places[-2].status
    if os.geteuid() != 0 or folder.st_uid != status.st_uid:
        _check_owner(home.lock, status)
    if (folder.st_mode | status.st_mode) & 0o022:
        raise UnsafeHome(Text("engine.unsafe.lock", path=home.lock, quoted=shlex.join((home.var, home.lock))))
    return _parse(data)


def _parse(data: bytes) -> LockText:
    try:
        text: Any = json.loads(data.partition(b"\n")[0])  # a longer text may have been there
        holder = ProcessIdentity(int(text["pid"]), int(text["start_ticks"]), str(text["boot_id"]))
        problems = tuple((str(key), Text.from_json(one)) for key, one in text.get("problems", {}).items())
        return LockText(holder, text["db_id"], text.get("url"), problems, text.get("zone"), int(text.get("last_id", 0)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return NO_LOCK_TEXT


class HomeLock:
    """`var/lock`, held by flock while an engine runs.

    The file is never unlinked here: a lock on a name that is gone would let a second engine in. If another program
    unlinks it, the lock on `var/` itself still keeps a second engine out, and `restore` makes the file again.
    """

    def __init__(self, home: Home) -> None:
        self._folder = home.var
        self._path = home.lock
        self._folder_fd = -1
        self._fd = -1
        self.text = NO_LOCK_TEXT  # what this program has written

    def acquire(self) -> LockText:
        """Take the lock; the text of the last holder. Raises HomeBusy, OSError."""
        self._folder_fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._folder_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise HomeBusy(read_lock(Home(os.path.dirname(self._folder))).holder) from None
        except OSError:
            pass  # NFS does not lock folders: there the lock on the file must be enough
        try:
            return self._acquire_file()
        except BaseException:
            self.release()
            raise

    def _acquire_file(self) -> LockText:
        while True:
            fd, _ = open_regular(self._path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = _parse(os.pread(fd, LOCK_BYTES_MAX, 0))
                os.close(fd)
                raise HomeBusy(text.holder) from None
            except OSError:
                os.close(fd)
                raise
            if self._is_in_place(fd):
                break
            os.close(fd)  # unlinked between open and lock: lock the file that is there now
        self._fd = fd
        return _parse(os.pread(fd, LOCK_BYTES_MAX, 0))

    def _is_in_place(self, fd: int) -> bool:
        """Whether the lock's name leads to this file."""
        try:
            return os.path.samestat(os.stat(self._path, follow_symlinks=False), os.fstat(fd))
        except FileNotFoundError:
            return False

    def write(self, text: LockText) -> None:
        """Write who holds the lock, which history belongs to this home, where the page is, and what is wrong. Raises
        OSError."""
        assert text.holder is not None
        fields: dict[str, Any] = {**text.holder._asdict(), "db_id": text.db_id, "url": text.url, "zone": text.zone}
        fields["last_id"] = text.last_id
        fields["problems"] = {key: problem.as_json() for key, problem in text.problems}
        while True:
            data = json.dumps(fields).encode() + b"\n"
            if len(data) <= LOCK_BYTES_MAX or not fields["problems"]:
                break
            fields["problems"].popitem()
        os.pwrite(self._fd, data, 0)
        os.ftruncate(self._fd, len(data))
        if text.db_id != self.text.db_id:
            os.fsync(self._fd)  # else after a power cut a history that is missing would not be missed
        self.text = text

    def restore(self) -> None:
        """Make the file again, locked and with its text, if it was unlinked. Raises HomeBusy, OSError; the next call
        tries again."""
        if self._is_in_place(self._fd):
            return
        old, self._fd = self._fd, -1
        try:
            self._acquire_file()
            self.write(self.text)
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
