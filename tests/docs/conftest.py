from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.walk import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A shell in which the commands of a document are typed."""
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()
