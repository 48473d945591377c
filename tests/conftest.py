"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cli import Cli
from support.closing import close_all
from support.engine import T0, MakeSim
from support.programs import Home
from support.sim import Exit, Sim

MEMORY = "/dev/shm"
os.environ.pop("COLUMNS", None)  # of the terminal, or of pytest-xdist: tables are as wide as where there is none
os.environ["LC_ALL"] = "C.UTF-8"  # messages of commands are in the language of the locale
for number in (signal.SIGHUP, signal.SIGINT):  # under nohup, or behind a shell's `&`, they are ignored, by children too
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


LIMIT_S = 300.0  # for one test; the longest takes 10 s on two quiet cores
# The folders whose files take longest, in the order in which they run: what a worker takes last has to be short, or the
# others wait for it.
LONG_FIRST = ("page", "docs", "faults", "engine", "executor", "cli", "api", "notify", "store")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(ranks)))


@pytest.fixture(autouse=True)
def _has_a_limit() -> Iterator[None]:
    """A test that hangs fails, with the line in which it waits."""

    def fail(number: int, frame: Any) -> None:
        pytest.fail(f"not done within {LIMIT_S:.0f} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _stores_are_closed() -> Iterator[None]:
    yield
    close_all()


@pytest.fixture
def tmp_path(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Of a simulation, in memory where there is room: it writes months within seconds, and a disk would be most of its
    time. What a disk does is tested on a real one, by the tests of the store and of faults."""
    simulated = request.path.parent.name == "engine"
    if not simulated or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < 2**30:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="minisched-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A folder that another user can enter. Those above `tmp_path` are closed whenever a run of pytest starts."""
    with tempfile.TemporaryDirectory(prefix="minisched-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home of its own, cleaned of processes afterwards."""
    one = Home(tmp_path / "home")
    yield one
    one.close()


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """The command line in this process, on the home of `home`."""
    return Cli(capsys, tmp_path / "home")


@pytest.fixture
def sim(tmp_path: Path) -> MakeSim:
    """A simulation with an engine that has just started at midnight."""

    def make(*tasks: dict[str, Any], script: Any = None, now: float = T0, boot: bool = True, **settings: Any) -> Sim:
        one = Sim(str(tmp_path / "minisched.db"), now, tasks, script or (lambda launch, draw: Exit(1.0)), **settings)
        if boot:
            one.boot()
        return one

    return make
