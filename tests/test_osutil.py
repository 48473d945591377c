"""Waits for a queue end in time on every Python, and a change of a watched folder is reported."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from minisched.clock import SystemClock
from minisched.osutil import LOCAL_FILE_SYSTEMS, FolderWatch, Importing, mount_of, traceback_text
from minisched.threads import receive

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
    files = [
        path for folder in folders for path in folder.rglob("*.py") if path.name not in ("threads.py", "test_osutil.py")
    ]
    waiting = re.compile(r"\.get\((?:True, |block=True, )?timeout=")
    found = [path.name for path in files if waiting.search(path.read_text("utf-8"))]
    assert not found, "use threads.receive"


WATCHER = """
import os, signal, sys, time
from minisched.osutil import FolderWatch

signals = []
signal.signal(signal.SIGIO, lambda number, frame: signals.append(number))
folder, other = sys.argv[1:]
watch = FolderWatch()


def seen(change):
    assert watch.arm([folder], [other])
    signals.clear()
    change()
    deadline = time.monotonic() + 10
    while not signals and time.monotonic() < deadline:
        signal.sigtimedwait([], 0.01)
    return len(signals)


def write(path, text="x"):
    with open(path, "w") as file:
        file.write(text)


one, two = os.path.join(folder, "one"), os.path.join(other, "two")
print(
    seen(lambda: write(one)),
    seen(lambda: write(two)),
    seen(lambda: write(two, "again")),
    seen(lambda: os.rename(two, two + ".new")),
    seen(lambda: os.utime(one)),
    seen(lambda: os.chmod(one, 0o600)),
    seen(lambda: os.unlink(one)),
)
os.rename(folder, folder + ".old")
print(watch.arm([folder], [other]))
os.mkdir(folder)
print(seen(lambda: write(one)))
watch.close()
"""


@pytest.mark.skipif(not hasattr(fcntl, "F_NOTIFY"), reason="Linux only")
def test_a_change_in_a_watched_folder_is_one_signal(tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    if mount_of(str(tmp_path))[1] not in LOCAL_FILE_SYSTEMS:
        pytest.skip("the file system of the tests is not a local one")
    done = subprocess.run(
        [sys.executable, "-c", WATCHER, str(folder), str(other)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    lines = done.stdout.splitlines()
    assert all(int(count) >= 1 for count in lines[0].split())
    assert lines[1:] == ["False", "1"]


@pytest.mark.skipif(not os.path.exists("/proc/self/mountinfo"), reason="Linux only")
def test_a_file_system_that_others_may_write_is_not_watched() -> None:
    assert mount_of("/proc/self")[1] == "proc"
    assert not FolderWatch().arm([], ["/proc"])


def test_whatever_an_import_raises_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="EOFError: no more"), Importing():
        raise EOFError("no more")
    for error in (OSError(24, "x"), ModuleNotFoundError("y")):
        with pytest.raises(type(error)) as raised, Importing():
            raise error
        assert raised.value is error


def test_a_traceback_has_its_places_if_the_lines_cannot_be_read() -> None:
    code = compile("1 / 0", "<gone>", "exec")
    with pytest.raises(ZeroDivisionError) as plain:
        exec(code, {})
    assert traceback_text(plain.value).startswith("Traceback (most recent call last):\n  File")

    class Loader:
        def get_source(self, name: str) -> str:
            raise EOFError

    names = {"__name__": "gone", "__loader__": Loader()}
    with pytest.raises(ZeroDivisionError) as raised:
        exec(compile("1 / 0", "/nowhere/gone.py", "exec"), names)
    lines = traceback_text(raised.value).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2:] == ["/nowhere/gone.py:1 in <module>", "ZeroDivisionError('division by zero')"]
