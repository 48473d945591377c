"""Fixtures that several test modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import Cli
from running import Home


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
