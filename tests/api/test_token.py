"""`var/token` is written completely or not at all, and used only if no other user could read or write it."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from minisched.api import token
from minisched.api.token import UnsafeToken, load_token, read_token, same_token
from support.process import root

GOOD = b"k7Jx0Zq2uYwS5bV8nM4rT1cL6hP9dFgA3eQiOoRtUvW"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "token"


def put(path: Path, data: bytes, mode: int = 0o600) -> None:
    path.write_bytes(data)
    path.chmod(mode)


def test_the_first_start_makes_a_token_that_only_its_owner_reads(path: Path) -> None:
    old = os.umask(0o777)
    try:
        made = load_token(str(path))
    finally:
        os.umask(old)
    assert re.fullmatch(rb"[A-Za-z0-9_-]{43}", made)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == made + b"\n"
    assert load_token(str(path)) == made
    assert os.listdir(path.parent) == ["token"]


def test_no_two_tokens_are_alike(tmp_path: Path) -> None:
    assert len({load_token(str(tmp_path / str(number))) for number in range(20)}) == 20


@pytest.mark.parametrize(
    ("data", "mode", "why"),
    [
        (b"", 0o600, "remove it, and the next start makes a new one"),
        (b"\n", 0o600, "at least 32 of the characters"),
        (GOOD[:31], 0o600, "at least 32 of the characters"),
        (GOOD[:20] + b" " + GOOD[20:], 0o600, "at least 32 of the characters"),
        (GOOD + "é".encode(), 0o600, "at least 32 of the characters"),
        (b"x" * 5000, 0o600, "at least 32 of the characters"),
        *((GOOD, mode, "chmod 600 ") for mode in (0o640, 0o604, 0o620, 0o602, 0o610, 0o644)),
    ],
)
def test_an_unsafe_token_file_is_refused_and_kept(path: Path, data: bytes, mode: int, why: str) -> None:
    put(path, data, mode)
    with pytest.raises(UnsafeToken) as refused:
        load_token(str(path))
    assert str(path) in str(refused.value) and why in str(refused.value)
    assert GOOD.decode()[:20] not in str(refused.value)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (data, mode)


def test_a_custom_token_is_accepted(path: Path) -> None:
    put(path, b"  my.own_token~with+32/characters==\n", 0o400)
    assert load_token(str(path)) == b"my.own_token~with+32/characters=="


@pytest.mark.parametrize("target", ["elsewhere", "missing"])
def test_a_symlink_is_refused(path: Path, target: str) -> None:
    put(path.with_name("elsewhere"), GOOD)
    path.symlink_to(path.with_name(target))
    with pytest.raises(UnsafeToken, match="symbolic link"):
        load_token(str(path))


def test_a_fifo_is_refused_without_blocking(path: Path) -> None:
    os.mkfifo(path, 0o600)
    with pytest.raises(UnsafeToken, match="not a regular file"):
        read_token(str(path))


@root
def test_a_file_of_another_user_is_refused(path: Path) -> None:
    put(path, GOOD)
    os.chown(path, 65534, 65534)
    with pytest.raises(UnsafeToken, match="belongs to user 65534"):
        load_token(str(path))


def test_reading_does_not_create_a_token(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_token(str(path))
    assert not path.exists()


def test_only_the_exact_token_is_equal() -> None:
    assert same_token(GOOD, GOOD)
    for other in (b"", GOOD[:-1], GOOD + b"x", GOOD.lower(), b"\xff" * 43):
        assert not same_token(other, GOOD)


class Killed(BaseException):
    """The process ends here."""


class Failing:
    """`os`, whose call number `at` ends in `error`."""

    def __init__(self, at: int, error: BaseException) -> None:
        self.at, self.error, self.calls = at, error, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if name not in ("open", "unlink", "fchmod", "write", "fsync", "close", "rename", "urandom"):
            return found

        def call(*arguments: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                if name == "close":
                    os.close(*arguments)
                raise self.error
            return found(*arguments, **more)

        return call


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "disk full"), OSError(errno.EIO, "bad disk"), Killed()], ids=str
)
@pytest.mark.parametrize("at", range(1, 16))
def test_after_any_failure_the_token_is_complete_or_absent(
    path: Path, monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException
) -> None:
    failing = Failing(at, error)
    with monkeypatch.context() as patch:
        patch.setattr(token, "os", failing)
        try:
            load_token(str(path))
        except (OSError, Killed) as raised:
            assert raised is error
    if at == 15:
        assert failing.calls < at  # every call has had its turn
    assert not path.exists() or re.fullmatch(rb"[\w-]{43}\n", path.read_bytes())
    if isinstance(error, OSError):
        assert set(os.listdir(path.parent)) <= {"token"}
    assert len(load_token(str(path))) == 43
    assert os.listdir(path.parent) == ["token"]


def test_a_short_write_is_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(Failing):
        def __getattr__(self, name: str) -> Any:
            return (lambda fd, data: os.write(fd, data[:20])) if name == "write" else getattr(os, name)

    monkeypatch.setattr(token, "os", Short(0, Killed()))
    with pytest.raises(OSError, match="No space left"):
        load_token(str(path))
    assert not os.listdir(path.parent)
