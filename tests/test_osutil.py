"""Waits for a queue end in time on every Python."""

from __future__ import annotations

import re
import time
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from minisched.clock import SystemClock
from minisched.osutil import receive

ROUNDS = 100_000
TIMES_S = (0.0, 1e-9, 1e-7, 1e-6, 0.0, -1.0)  # what is left of a time may be anything from "over" to a moment


def test_a_wait_of_almost_no_time_ends() -> None:
    queue: SimpleQueue[int] = SimpleQueue()
    for number in range(ROUNDS):
        queue.put(number)
        assert receive(queue, 0.0) == number
        # The lock of the queue is free now, as in a new one: here `get` blocks for ever on 3.9 and 3.10.
        try:
            receive(queue, TIMES_S[number % len(TIMES_S)])
        except Empty:
            continue
        pytest.fail("there was nothing to receive")


def test_the_engines_wait_of_almost_no_time_ends() -> None:
    clock = SystemClock()
    for number in range(ROUNDS):
        queue: SimpleQueue[int] = SimpleQueue()
        if number % 2:
            queue.put(number)
        found = clock.wait(queue, TIMES_S[number % len(TIMES_S)])  # type: ignore[arg-type]
        assert found == [number] * (number % 2)


def test_a_wait_returns_what_came_and_ends_without() -> None:
    queue: SimpleQueue[str] = SimpleQueue()
    queue.put("item")
    assert receive(queue, None) == "item"
    start = time.monotonic()
    with pytest.raises(Empty):
        receive(queue, 0.05)
    assert time.monotonic() - start >= 0.04


def test_no_other_wait_with_a_time_limit_is_in_the_code() -> None:
    root = Path(__file__).parent.parent
    folders = (root / "minisched", root / "tests")
    files = [path for folder in folders for path in folder.rglob("*.py") if "osutil" not in path.name]
    waiting = re.compile(r"\.get\((?:True, |block=True, )?timeout=")
    found = [path.name for path in files if waiting.search(path.read_text("utf-8"))]
    assert not found, "use osutil.receive"
