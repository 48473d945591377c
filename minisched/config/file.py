"""The config file: read, checked for who can write it, and written atomically."""

from __future__ import annotations

import json
import os
import stat
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Optional

from minisched.model import Config, LocalizedText, Problem

from .strict_json import MAX_BYTES
from .validate import CONFIG_FILE, parse_config

if TYPE_CHECKING:
    from collections.abc import Mapping

BACKUP = ".bak"
NEW_FILE_MODE = 0o640  # as the logs: the group may read; a config may hold passwords


class ConfigError(Exception):
    """The config cannot be used, for all of `problems`."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class ConfigChanged(Exception):
    """The file is not the one that was read: somebody changed it by hand. Nothing was written."""


def read_config(path: str) -> bytes:
    """The bytes of the file. Raises ConfigError where it is no regular file, too large or cannot be read.

    Never hangs: a plain open() of a FIFO waits for a writer for ever (FAULTS, C6).
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise _unusable(path, _no_file(found.st_mode))
            with os.fdopen(fd, "rb", closefd=False) as file:
                data = file.read(MAX_BYTES + 1)
        finally:
            os.close(fd)
    except OSError as error:
        told = LocalizedText(f"cannot be read: {error.strerror} ({path})", f"无法读取：{error.strerror}（{path}）")
        raise _unusable(path, told) from None
    if len(data) > MAX_BYTES:
        told = LocalizedText(
            f"is larger than {MAX_BYTES} bytes (5 MB); expected a smaller file",
            f"文件超过 {MAX_BYTES} 字节（5 MB）；应缩小文件",
        )
        raise _unusable(path, told)
    return data


def check_permissions(path: str) -> list[Problem]:
    """Who else could write the config: its file, its folder and the home (and of a symlink what it points to).

    Whoever can write it can run commands as the engine's user. Each must belong to this user or to root, and must not
    be writable by everyone. What cannot be looked at is no problem here: context it will tell.
    """
    problems = []
    target = os.path.realpath(path)
    folder = os.path.dirname(os.path.abspath(path))
    places = [target, os.path.dirname(target), folder, *([os.path.dirname(folder)] if _home(path) else [])]
    for place in dict.fromkeys(places):
        try:
            found = os.stat(place)
        except OSError:
            continue
        if found.st_mode & stat.S_IWOTH:
            words = LocalizedText(
                f"is writable by everyone; mend it by: chmod o-w {place}",
                f"任何用户都可写入；请执行：chmod o-w {place}",
            )
            problems.append(Problem("", words, place))
        if found.st_uid not in (os.geteuid(), 0):
            words = LocalizedText(
                f"belongs to user {found.st_uid}, who could change it; mend it by: chown {os.geteuid()} {place}",
                f"属于用户 {found.st_uid}，可被其修改；请执行：chown {os.geteuid()} {place}",
            )
            problems.append(Problem("", words, place))
    return problems


def load_config(path: str) -> Config:
    """The config of a file that only its owner can change. Raises ConfigError with every problem."""
    data = read_config(path)
    config, problems = parse_config(data, file=_shown(path), home=_home(path))
    problems = check_permissions(path) + problems
    if config is None or problems:
        raise ConfigError(problems)
    return config


def _home(path: str) -> Optional[str]:
    """The home of a file that stands where a home has its config, as `/srv/plant` of `/srv/plant/tasks/config.json`."""
    path, end = os.path.abspath(path), f"/{CONFIG_FILE}"
    return (path[: -len(end)] or "/") if path.endswith(end) else None


def _shown(path: str) -> str:
    return CONFIG_FILE if _home(path) else path


def _unusable(path: str, words: LocalizedText) -> ConfigError:
    return ConfigError([Problem("", words, _shown(path))])


def _no_file(mode: int) -> LocalizedText:
    what = LocalizedText("a device or a socket", "设备或套接字")
    if stat.S_ISDIR(mode):
        what = LocalizedText("a folder", "目录")
    elif stat.S_ISFIFO(mode):
        what = LocalizedText("a FIFO", "命名管道")
    return LocalizedText(f"is {what.en}; expected a regular file", f"这是{what.zh}；应为普通文件")


def config_hash(data: bytes) -> str:
    """What `save_config` knows a file by: the SHA-256 of its bytes, in hex."""
    try:
        digest = import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256(data)
    except ImportError:
        digest = import_module("hashlib").sha256(data)  # libcrypto: 4 MB, for the same result
    return str(digest.hexdigest())


def save_config(path: str, document: Mapping[str, Any], *, expected_hash: Optional[str], files: Any = os) -> str:
    """Write the document, a valid one, to the file at `path`; the new file's hash.

    expected_hash: of the bytes the document was made from; None writes whatever is there. files: `os`, or what a test
    puts in its place. Order of keys and tasks, mode and owner are kept, a symlink stays and its target is written; the
    file of before is kept beside it as `.bak`. A document that is there already is not written again.

    Raises ConfigChanged; ConfigError where the file would be too large to be read again; OSError as it comes. After
    each the file is a whole one, the old one or (where only the last step failed) the new one, and no temporary is
    left. After a crash one may be: see `sweep_temporaries`.
    """
    data = (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    if len(data) > MAX_BYTES:
        words = LocalizedText(
            f"would have {len(data)} bytes; at most {MAX_BYTES} are allowed",
            f"将有 {len(data)} 字节；最多允许 {MAX_BYTES} 字节",
        )
        raise ConfigError([Problem("", words, CONFIG_FILE)])
    target = os.path.realpath(path)  # a rename onto a symlink would replace the link
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
            # A copy, not a hard link: vfat has none, and an editor may write into the old file as it is.
            copy = _write_temporary(folder, old, like, temporaries, files)
            files.rename(copy, target + BACKUP)
        _refuse_changed(_read(target, files), expected_hash)  # again, as late as can be
        files.rename(fresh, target)
    except BaseException:
        for temporary in temporaries:
            try:
                files.unlink(temporary)
            except OSError:
                pass  # renamed already; or the disk fails altogether, and the first error tells
        raise
    _sync_folder(folder, files)
    return config_hash(data)


def sweep_temporaries(folder: str) -> list[str]:
    """Remove what a save that was killed left in the config's real folder; the names. Only under the home's lock, for a
    save at work has such a file too. Raises OSError."""
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
    """A file with the data, on disk, with mode and owner of `like`; its path, which is noted before it exists."""
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
                mode &= 0o700  # another user's file (root's): it becomes ours, and its group another one
        files.fchmod(fd, mode)
        left = memoryview(data)
        while left:
            left = left[files.write(fd, left) :]
        files.fsync(fd)
    finally:
        files.close(fd)
    return path


def _sync_folder(folder: str, files: Any) -> None:
    """Without it a power cut may bring the old name back."""
    fd = files.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        files.fsync(fd)
    finally:
        files.close(fd)
