"""The config file: read, checked for who can write it, and written atomically."""

from __future__ import annotations

import errno
import os
import shlex
import time

from minisched.catalogue import render
from minisched.model import Config, FieldError, Text
from minisched.osutil import Place, read_regular, sha256

from .files import CalendarFiles, home_of, judge, shown_path
from .strict_json import MAX_BYTES
from .validate import parse_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Optional

    from minisched.model import Task

BACKUP = ".bak"
_CODES = {errno.EISDIR: "not_regular", errno.EINVAL: "not_regular", errno.EFBIG: "too_large"}  # of `read_regular`
_LOST = ("config.json.", "config.file.not_regular")  # nothing of the file can be used
NEW_FILE_MODE = 0o640  # as logs: readable by the group only, because a config may contain passwords


class ConfigError(Exception):
    """The config cannot be used, because of all of `problems`. `config`: what is in it, if nothing else is wrong than
    who could change it."""

    def __init__(self, problems: list[FieldError], config: Optional[Config] = None) -> None:
        super().__init__(problems)
        self.problems = problems
        self.config = config

    def __str__(self) -> str:
        return "\n".join(render(problem.as_text()) for problem in self.problems)


class NotDurable(OSError):
    """The new file is in place, but the disk has not confirmed it: a power cut may bring the old one back."""

    def __init__(self, saved: str, error: OSError) -> None:
        super().__init__(error.errno, error.strerror, error.filename)
        self.saved = saved  # the hash of the new file


class ConfigChanged(Exception):
    """The file was changed by another program since it was read. Nothing was written."""


def read_config(path: str, places: Optional[list[Place]] = None) -> bytes:
    """The bytes of the file. Raises ConfigError if it is not a regular file, too large or cannot be read.

    It never blocks: a plain open() of a FIFO would wait for a writer. places: as in `osutil.open_walked`.
    """
    try:
        return read_regular(path, MAX_BYTES, places=places)
    except OSError as error:
        code = _CODES.get(error.errno or 0, "unreadable")
        raise _unusable(path, code, error=str(error.strerror), max_bytes=MAX_BYTES) from None


def load_config(
    path: str,
    calendars: Optional[CalendarFiles] = None,
    known: Optional[Mapping[str, Task]] = None,
    pause: Callable[[], object] = lambda: None,
) -> Config:
    """The config of a file, if no other user can change it. Raises ConfigError with all problems.

    calendars: reads the files of its calendars, and knows afterwards which ones they were. known, pause: see
    `parse_config`.
    """
    calendars = calendars or CalendarFiles(home_of(path))
    places: list[Place] = []
    try:
        data = read_config(path, places)
    except ConfigError as error:
        raise ConfigError(judge(path, places) + with_backup(path, error.problems)) from None
    file, home = shown_path(path), home_of(path)
    config, problems = parse_config(data, file=file, home=home, calendars=calendars, known=known, pause=pause)
    unsafe = judge(path, places)
    unsafe += [error for error in calendars.unsafe if error not in unsafe]
    problems = unsafe + with_backup(path, problems)
    if config is None or problems:
        raise ConfigError(problems, config)
    return config


def with_backup(path: str, problems: list[FieldError]) -> list[FieldError]:
    """The problems of a config file; if it cannot be read at all, with the way to bring the last good one back."""
    first = problems[0] if problems else None
    is_gone = not os.path.lexists(path)
    if first is None or not (first.text.code.startswith(_LOST) or is_gone):
        return problems  # such as one that may not be read: it may be newer than the backup
    try:
        data = read_regular(path + BACKUP, MAX_BYTES)
        changed = time.strftime("%Y-%m-%d %H:%M", time.localtime(os.stat(path + BACKUP).st_mtime))
    except OSError:
        return problems
    config, _ = parse_config(data, file=path, home=home_of(path))
    if config is None:
        return problems
    names = {"path": shlex.quote(path), "backup": shlex.quote(path + BACKUP)}  # for a command to be typed
    values = {**names, "time": changed, "count": len(config.tasks)}
    code = "config.file.backup_beside" if first.text.code == "config.file.not_regular" else "config.file.backup"
    return [first._replace(text=Text(code, problem=first.text, **values)), *problems[1:]]


def _unusable(path: str, code: str, **values: Any) -> ConfigError:
    return ConfigError([FieldError("", Text(f"config.file.{code}", path=path, **values), file=shown_path(path))])


def config_hash(data: bytes) -> str:
    """The SHA-256 of the file's bytes, in hex."""
    return sha256(data).hex()


def save_config(path: str, data: bytes, *, expected_hash: Optional[str], files: Any = os) -> str:
    """Write the text of a valid config to the file at `path` atomically; returns the hash of the new file.

    expected_hash: of the bytes that the text was made from; None overwrites whatever is there. files: `os`, or a
    replacement in tests. Mode and owner are kept; a symlink is kept and its target written; the previous file is kept
    as `.bak`. A text equal to the file is not written again.

    Raises ConfigChanged; ConfigError if the file would be too large to be read; NotDurable if only the last step
    failed, so that the file is the new one; OSError. After any other error the file is the old one, and no temporary
    file is left. A crash may leave one: see `sweep_temporaries`.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(
            [FieldError("", Text("config.file.would_be_too_large", bytes=len(data), max_bytes=MAX_BYTES))]
        )
    target = os.path.realpath(path)  # renaming onto a symlink would replace the link
    folder = os.path.dirname(target)
    old = _read(target, files)
    _refuse_changed(old, expected_hash)
    if data == old:
        return config_hash(data)
    like = None if old is None else files.stat(target)
    temporaries: list[str] = []
    try:
        fresh = _write_temporary(folder, data, like, temporaries, files)
        if old is not None:
            # A copy, not a hard link: vfat has no links, and an editor may write into the old file.
            copy = _write_temporary(folder, old, like, temporaries, files)
            files.rename(copy, target + BACKUP)
        _refuse_changed(_read(target, files), expected_hash)  # once more, as late as possible
        files.rename(fresh, target)
    except BaseException:
        for temporary in temporaries:
            try:
                files.unlink(temporary)
            except OSError:
                pass  # already renamed; or the disk fails, and the first error is raised
        raise
    try:
        _sync_folder(folder, files)
    except OSError as error:
        raise NotDurable(config_hash(data), error) from error
    return config_hash(data)


def sweep_temporaries(folder: str) -> list[str]:
    """Remove temporary files that a killed save left in the config's real folder; returns their names. Raises OSError.

    Call it only with the home's lock held: a running save has such a file too."""
    strays = [name for name in os.listdir(folder) if name.startswith(".config.") and name.endswith(".tmp")]
    for name in strays:
        os.unlink(os.path.join(folder, name))
    return strays


def _refuse_changed(data: Optional[bytes], expected_hash: Optional[str]) -> None:
    if expected_hash is not None and (data is None or config_hash(data) != expected_hash):
        raise ConfigChanged("the config file was changed since it was read")


def _read(path: str, files: Any) -> Optional[bytes]:
    try:
        fd = files.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        data = b""
        while block := files.read(fd, MAX_BYTES):
            data += block
        return data
    finally:
        files.close(fd)


def _write_temporary(
    folder: str, data: bytes, like: Optional[os.stat_result], temporaries: list[str], files: Any
) -> str:
    """Write a file with the data and with mode and owner of `like`, and sync it. Returns its path, which is appended to
    `temporaries` before the file exists."""
    path = os.path.join(folder, f".config.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    temporaries.append(path)
    fd = files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        mode = NEW_FILE_MODE
        if like is not None:
            mode = like.st_mode & 0o777
            try:
                files.fchown(fd, like.st_uid, like.st_gid)
            except PermissionError:
                mode &= 0o700  # a file of another user (root): the new one is ours, and its group a different one
        files.fchmod(fd, mode)
        left = memoryview(data)
        while left:
            left = left[files.write(fd, left) :]
        files.fsync(fd)
    finally:
        files.close(fd)
    return path


def _sync_folder(folder: str, files: Any) -> None:
    """Without it a power cut may undo the rename."""
    fd = files.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        files.fsync(fd)
    finally:
        files.close(fd)
