"""Careful forms of what several floors do with files: open one, watch folders; and the program's own files, which can
be in a zip file."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import sys
import time
from _thread import RLock
from importlib import import_module

from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Optional, TypeVar

    Item = TypeVar("Item")


# How long a folder counts as safe after all folders above it were checked. Only their owners or root can make it unsafe
# in this time.
SAFE_FOR_S = 1.0
SAFE_FOLDERS = 100  # paths that are kept
_safe_folders: dict[str, tuple[tuple[int, ...], float]] = {}  # path -> `_who` of the folder, end of SAFE_FOR_S

PACKAGE = os.path.dirname(os.path.abspath(__file__))  # in a zip file: the path of that, and "minisched"


def carried_folder(installed: str, in_clone: str) -> str:
    """A folder of files that are carried with the program: part of the package, or beside it in a clone."""
    folder, beside = os.path.join(PACKAGE, installed), os.path.join(os.path.dirname(PACKAGE), in_clone)
    return beside if os.path.isdir(beside) and not os.path.isdir(folder) else folder


def list_carried(folder: str) -> list[str]:
    """The files below a folder that is carried with the program, such as "core/app.js", sorted."""
    if os.path.isdir(folder):
        paths = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
    else:
        from zipfile import ZipFile

        archive = os.path.dirname(PACKAGE)
        with ZipFile(archive) as file:
            paths = [os.path.join(archive, name) for name in file.namelist()]
    return sorted(os.path.relpath(path, folder) for path in paths if path.startswith(folder + os.sep))


def read_carried(path: str) -> bytes:
    """A file that is carried with the program; `pkgutil.get_data` without that import. Raises OSError."""
    data: bytes = globals()["__loader__"].get_data(path)
    return data


_import_lock = RLock()


class Importing:
    """`with` this around an import that may fail while the engine runs on. It raises OSError, and ImportError for all
    else: there may be no memory, or the file may be overwritten with another version, from which anything is raised.

    One thread at a time: from a zip file, Python 3.9 gives others a module of which only a part is there.
    """

    def __enter__(self) -> None:
        _import_lock.acquire()

    def __exit__(self, kind: object, error: Optional[BaseException], trace: object) -> None:
        _import_lock.release()
        if isinstance(error, Exception) and not isinstance(error, (ImportError, OSError)):
            raise ImportError(f"{type(error).__name__}: {error}") from error


def places_of(error: BaseException) -> list[str]:
    """File, line and function of each frame of a traceback, such as "/a.py:3 in f", innermost last. Unlike for the text
    of the lines, no file is read: those of the program may be overwritten with another version."""
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return places


def traceback_text(error: BaseException) -> str:
    """The traceback as Python prints it, or its places if the lines cannot be read."""
    import traceback  # 3 ms, which commands do without; an engine has it, by `logging`

    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:
        return "\n".join(("Traceback (most recent call last):", *places_of(error), f"{error!r}\n"))


_LOOK = getattr(os, "O_PATH", os.O_RDONLY)  # does not need the right to read
FOLDER_FLAGS = _LOOK | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CAREFUL = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
MAX_LINKS = 40  # on one path, as in Linux


class Place(NamedTuple):
    """A folder, a symlink or a file on a path, as it was when the path was walked."""

    path: str  # without symlinks before its last name
    status: os.stat_result

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.status.st_mode)

    def changeable_by(self, sticky: bool) -> Optional[int]:
        """The user who could replace it or what is in it: -1 for everyone, None for only this user and root. sticky: in
        a folder with that bit everyone may make files, but change only his own."""
        mode, owner = self.status.st_mode, self.status.st_uid
        if not (self.is_link or stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            return None  # what is no file is not read
        if owner not in (0, os.geteuid()):
            return owner
        shielded = sticky and stat.S_ISDIR(mode) and mode & stat.S_ISVTX
        return -1 if mode & stat.S_IWOTH and not self.is_link and not shielded else None


def open_walked(
    path: str, places: list[Place], flags: int = _LOOK, mode: int = 0o600, follow_symlinks: bool = True
) -> int:
    """Open a path name by name, each in the folder that was opened before; returns the descriptor.

    places: gets every folder, symlink and file on the way, "/" first and what is opened last, also if the way ends in
    an error. Whoever judges them judges what was opened: nothing could take its place in between. Raises OSError, ELOOP
    for a symlink as the last name if it is not to be followed.
    """
    names = [name for name in os.path.abspath(path).split("/")[::-1] if name]
    fd, at = os.open("/", FOLDER_FLAGS), "/"
    last_flags = flags | _CAREFUL | os.O_NOFOLLOW
    links = 0
    try:
        places.append(Place(at, os.fstat(fd)))
        while names:
            name = names.pop()
            folder, at = at, f"{at.rstrip('/')}/{name}" if name != ".." else os.path.dirname(at)
            try:
                inner = os.open(name, FOLDER_FLAGS if names else last_flags, mode, dir_fd=fd)
            except OSError as error:
                # A symlink is ENOTDIR, ELOOP or, on FreeBSD, EMLINK.
                target = None if error.errno == errno.ENOENT else _link_target(name, fd, at, places)
                if target is None or (not names and not follow_symlinks):
                    raise
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
                at = folder
                names += [part for part in target.split("/")[::-1] if part not in ("", ".")]
                if target.startswith("/"):
                    os.close(fd)
                    fd, at = os.open("/", FOLDER_FLAGS), "/"
                continue
            os.close(fd)
            fd = inner
            places.append(Place(at, os.fstat(fd)))
    except BaseException as error:
        os.close(fd)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, at) from None  # not only the last name
        raise
    return fd


def _link_target(name: str, fd: int, at: str, places: list[Place]) -> Optional[str]:
    """None: it is no symlink."""
    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        return None
    places.append(Place(at, status))
    return os.readlink(name, dir_fd=fd)


def open_regular(
    path: str,
    flags: int = os.O_RDONLY,
    mode: int = 0o600,
    follow_symlinks: bool = False,
    places: Optional[list[Place]] = None,
    folder_fd: Optional[int] = None,
) -> tuple[int, os.stat_result]:
    """Open a regular file; returns its descriptor and its status.

    Anybody may have put something else in the file's place: opening a FIFO would block, a symlink would lead to a file
    that this user may change and the other may not. places: as in `open_walked`. folder_fd: where a relative path
    starts. Raises OSError, for a symlink ELOOP, for a folder EISDIR, for any other kind of file EINVAL.
    """
    if places is None:
        nofollow = 0 if follow_symlinks else os.O_NOFOLLOW
        fd = os.open(path, flags | _CAREFUL | nofollow, mode, dir_fd=folder_fd)
    else:
        fd = open_walked(path, places, flags, mode, follow_symlinks)
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
    except OSError:
        os.close(fd)
        raise
    return fd, status


class UnsafePlace(OSError):
    """A folder or a symlink on the way to a file is one that another user can change."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EPERM, "another user can change what is there", path)


def open_owned(path: str, flags: int, mode: int, folder_mode: int = 0) -> tuple[int, os.stat_result]:
    """`open_regular` for a file to be written to: no other user can have put it there. folder_mode: missing folders are
    made with it; 0: they are not made.

    A task that runs as another user may own the folder of its log: were it followed through what he puts there, root
    would write where he likes. Raises OSError: UnsafePlace; EPERM for a file of another user; EMLINK for one that has
    another name (a hard link) elsewhere; and those of `open_regular`.
    """
    folder, name = os.path.split(path)
    try:
        folder_fd = _open_safe_folder(folder)
    except FileNotFoundError:
        if not folder_mode:
            raise
        os.makedirs(folder, folder_mode, exist_ok=True)  # below folders that were found to be safe
        folder_fd = _open_safe_folder(folder)
    try:
        fd, status = open_regular(name, flags, mode, folder_fd=folder_fd)
    finally:
        os.close(folder_fd)
    if status.st_uid in (0, os.geteuid()) and status.st_nlink < 2:
        return fd, status
    os.close(fd)
    code = errno.EMLINK if status.st_nlink > 1 else errno.EPERM
    raise OSError(code, os.strerror(code), path)


def _open_safe_folder(folder: str) -> int:
    """Raises OSError, UnsafePlace also if the folder is missing in one that is unsafe. The folders above are checked
    once in SAFE_FOR_S: each run opens a log, and the check costs a tenth of the CPU of a short run."""
    known, until = _safe_folders.get(folder, ((), 0.0))
    if time.monotonic() < until:
        try:
            fd = os.open(folder, FOLDER_FLAGS)
            if _who(os.fstat(fd)) == known:  # the same folder, with the same mode and owner
                return fd
            os.close(fd)
        except OSError:
            pass  # `open_walked` raises it with its reason
    fd, places = -1, list[Place]()
    try:
        fd = open_walked(folder, places, FOLDER_FLAGS)
    finally:
        for place in places:
            if place.changeable_by(sticky=True) is not None:
                if fd >= 0:
                    os.close(fd)
                raise UnsafePlace(place.path)
    if len(_safe_folders) >= SAFE_FOLDERS:
        _safe_folders.clear()
    _safe_folders[folder] = _who(places[-1].status), time.monotonic() + SAFE_FOR_S
    return fd


def _who(status: os.stat_result) -> tuple[int, ...]:
    """Which folder, and who may change what is in it."""
    return status.st_dev, status.st_ino, status.st_mode, status.st_uid


def read_regular(path: str, max_bytes: int, places: Optional[list[Place]] = None) -> bytes:
    """The content of a regular file, or of the one that a symlink leads to. Raises OSError, also EFBIG for more than
    `max_bytes`."""
    fd, _ = open_regular(path, follow_symlinks=True, places=places)
    with open(fd, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"larger than {max_bytes} bytes", path)
    return data


def replace_file(path: str, content: bytes, mode: int) -> None:
    """Write a file that is complete or not there: it gets its name when it is on the disk. mode: less the umask. Raises
    OSError."""
    fresh = f"{path}.{os.getpid()}.new"
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        os.rename(fresh, path)
    except BaseException as error:
        if os.path.exists(fresh):
            os.unlink(fresh)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, path) from error
        raise


def sha256(data: bytes) -> bytes:
    """The SHA-256 of the data, without `hashlib`, which loads libcrypto: 4 MB, for the same result."""
    try:
        module = import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256")
    except ImportError:  # a Python that was built without its own
        module = import_module("hashlib")
    return bytes(module.sha256(data).digest())


# File systems on which every change goes through this kernel, so that it can report it. On those of a network or of a
# virtual machine's host others may write.
LOCAL_FILE_SYSTEMS = (
    *("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jffs2", "jfs", "nilfs2"),
    *("overlay", "ramfs", "reiserfs", "tmpfs", "ubifs", "vfat", "xfs", "zfs"),
)


class FolderWatch:
    """Has the kernel send SIGIO at the next change in one of some folders (dnotify: `man 2 fcntl`, F_NOTIFY).

    A process without a handler for SIGIO would die of it. Linux only: `arm` returns False elsewhere.
    """

    def __init__(self) -> None:
        self._fds: dict[str, int] = {}

    def arm(self, folders: Iterable[str], written_too: Collection[str]) -> bool:
        """Watch for entries that are made, renamed, removed or get another mode, owner or time stamp; in the folders
        `written_too` also for files that are written. One signal for all; then it must be armed again.

        False: at least one of them cannot be watched.
        """
        try:
            for folder in {*folders, *written_too}:
                mask = fcntl.DN_CREATE | fcntl.DN_DELETE | fcntl.DN_RENAME | fcntl.DN_ATTRIB
                fcntl.fcntl(self._opened(folder), fcntl.F_NOTIFY, mask | (fcntl.DN_MODIFY * (folder in written_too)))
        except (OSError, AttributeError):
            return False
        return True

    def _opened(self, folder: str) -> int:
        """A descriptor of the folder that is at this path now. Raises OSError."""
        fd = self._fds.get(folder)
        if fd is not None:
            if os.path.samestat(os.fstat(fd), os.stat(folder)):
                return fd
            os.close(self._fds.pop(folder))
        if mount_of(folder)[1] not in LOCAL_FILE_SYSTEMS:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), folder)
        fd = self._fds[folder] = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return fd

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.popitem()[1])


def mount_of(path: str) -> tuple[str, str]:
    """The mount point that a path is below, and the type of its file system, such as `ext4`. Raises OSError, also where
    the system has no /proc/self/mountinfo."""
    path = os.path.realpath(path)
    found = ("", "")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), left.split(" ")[4])
            if len(point) >= len(found[0]) and (path == point or path.startswith(point.rstrip("/") + "/")):
                found = (point, right.split(" ")[0])
    return found
