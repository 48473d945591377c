"""The page beside the engine: whatever fails about it stands as a problem, is tried again, and ends no engine."""

from __future__ import annotations

import builtins
import errno
import logging
import os
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minisched.catalogue import render
from minisched.cli import web
from minisched.cli.run import ConfigFile
from minisched.cli.web import Web
from minisched.executor import process_identity
from minisched.home import Home, HomeLock, read_lock
from minisched.model import EngineSnapshot, HttpSettings, Snapshot

SETTINGS = HttpSettings(True, "127.0.0.1", 0, False, ())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(str(tmp_path))
    home.make_folders()
    return home


@pytest.fixture
def page(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(web, "RETRY_S", 0.0)
    lock = HomeLock(home)
    lock.acquire()
    lock.write(process_identity(os.getpid()), "db")
    board: Any = Snapshot(EngineSnapshot(None, None, started=0.0))  # type: ignore[arg-type]
    one = Web(home, ConfigFile(home.config), lock, board, queue.SimpleQueue().put, logging.Logger("test"))
    yield one
    one.close(1.0)
    lock.release()


def test_a_lock_that_cannot_be_written_is_a_problem_until_it_can(
    page: Web, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(page.lock, "write", full)
        page.open(SETTINGS)
        url = page.url
        assert url and not page.problem
        told = f"{home.lock} cannot be written, the commands do not find the page: {os.strerror(errno.ENOSPC)}"
        assert [render(problem) for problem in page.upkeep()] == [told]
        page.open(SETTINGS)  # a reload that changes nothing of it
        assert [render(problem) for problem in page.upkeep()] == [told]
    assert read_lock(home).url is None
    assert page.upkeep() == []
    assert (page.url, read_lock(home).url) == (url, url)  # the server is the same one


@pytest.mark.parametrize("error", [ImportError("no more"), OSError(errno.EMFILE, os.strerror(errno.EMFILE))])
def test_a_module_that_cannot_be_imported_is_a_problem_until_it_can(
    page: Web, home: Home, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    real = builtins.__import__

    def failing(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "minisched.api.server":
            raise error
        return real(name, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", failing)
        page.open(SETTINGS)
        why = getattr(error, "strerror", None) or str(error)
        assert [render(problem) for problem in page.upkeep()] == [f"the page cannot be served at 127.0.0.1:0: {why}"]
    assert page.url == ""
    assert page.upkeep() == []
    assert read_lock(home).url == page.url != ""
