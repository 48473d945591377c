"""The page beside the engine: a failure of it is a problem, is tried again, and does not end the engine."""

from __future__ import annotations

import builtins
import errno
import logging
import os
import queue
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minisched.cli.assembly import Page
from minisched.cli.run import ConfigFile
from minisched.executor.procfs import process_identity
from minisched.home import Home, HomeLock, LockText, read_lock
from minisched.model import EngineSnapshot, HttpSettings, Snapshot, Text
from support.http import exchange, request

SETTINGS = HttpSettings(True, "127.0.0.1", 0, False, ())
FULL = os.strerror(errno.ENOSPC)


class FullDisk(HomeLock):
    """A lock that cannot be written while the disk is full."""

    full = False

    def write(self, text: LockText) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, FULL)
        super().write(text)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(str(tmp_path))
    home.make_folders()
    return home


@pytest.fixture
def lock(home: Home) -> Iterator[FullDisk]:
    lock = FullDisk(home)
    lock.acquire()
    lock.write(LockText(process_identity(os.getpid()), "db"))
    yield lock
    lock.release()


@pytest.fixture
def page(home: Home, lock: FullDisk) -> Iterator[Page]:
    snapshot: Any = Snapshot(EngineSnapshot(None, None, started=0.0))  # type: ignore[arg-type]
    log = logging.Logger("test")
    one = Page(home, ConfigFile(home.config), lock, snapshot, queue.SimpleQueue().put, log, retry_s=0.0)
    yield one
    one.close(1.0)


def test_a_lock_that_cannot_be_written_is_a_problem_until_it_can(page: Page, home: Home, lock: FullDisk) -> None:
    lock.full = True
    page.open(SETTINGS)
    url = page.url
    assert url and not page.problem
    problem = Text("engine.lock_outdated", path=home.lock, reason=FULL)
    assert page.maintain() == [problem]
    page.open(SETTINGS)  # a reload that does not change it
    assert page.maintain() == [problem]
    assert read_lock(home).url is None
    lock.full = False
    assert page.maintain() == []
    assert (page.url, read_lock(home).url) == (url, url)  # the server is the same one


def test_the_other_address_of_loopback_is_taken_as_soon_as_it_is_free(page: Page) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    try:
        other = socket.create_server(("::1", port), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with other:
        page.open(SETTINGS._replace(port=port))
        taken = Text("engine.beside_taken", address=f"[::1]:{port}", url=page.url, reason=os.strerror(errno.EADDRINUSE))
        assert page.maintain() == page.maintain() == [taken]
    assert page.maintain() == []
    assert exchange(("::1", port), request(("::1", port), "GET /", host=f"[::1]:{port}")).status == 200


@pytest.mark.parametrize("error", [ImportError("no more"), OSError(errno.EMFILE, os.strerror(errno.EMFILE))])
def test_a_module_that_cannot_be_imported_is_a_problem_until_it_can(
    page: Page, home: Home, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    real = builtins.__import__

    def failing(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "minisched.api.server":
            raise error
        return real(name, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", failing)
        page.open(SETTINGS)
        reason = getattr(error, "strerror", None) or str(error)
        assert page.maintain() == [Text("engine.no_page", address="127.0.0.1:0", reason=reason)]
    assert page.url == ""
    assert page.maintain() == []
    assert read_lock(home).url == page.url != ""
