"""The config file itself: its bytes, who may write it, the config of it."""

from __future__ import annotations

import os
import stat
from typing import Optional

from minisched.model import Config, LocalizedText, Problem

from .strict_json import MAX_BYTES
from .validate import CONFIG_FILE, parse_config


class ConfigError(Exception):
    """The config cannot be used, for all of `problems`."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


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
    be writable by everyone. What cannot be looked at is no problem here: reading it will tell.
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
