"""What the tests of the command line share: a command in this process, one on a terminal, a history made up."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from minisched.cli.main import main
from minisched.model import Batch, ProcessIdentity, Status, TaskExecution
from minisched.store.writer import open_store
from support.programs import environment

GONE = ProcessIdentity(4_000_000, 12345, "another boot")  # an engine that lives no more
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Done(NamedTuple):
    """How a command ended; `json` where it printed some."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


class Cli:
    """Commands in this process: faster where a process of their own adds nothing."""

    def __init__(self, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        self._capsys = capsys
        self.home = home

    def __call__(self, *arguments: str) -> Done:
        with warnings.catch_warnings():
            # What a command leaves open ends with its process, as a rule; here with its return.
            warnings.simplefilter("ignore", ResourceWarning)
            try:
                code = main(["--home", str(self.home), *arguments])
            except SystemExit as end:  # argparse
                code = int(str(end.code))
        text = self._capsys.readouterr()
        return Done(code, text.out, text.err)


def on_terminal(columns: int, *arguments: str, home: Path, **env: str) -> str:
    """All that a command prints on a terminal of that many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    surroundings = {name: value for name, value in environment(**{"TERM": "xterm", **env}).items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "minisched", "--home", str(home), *arguments]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=surroundings) as process:
        os.close(slave)
        text = b""
        while True:
            try:
                block = os.read(master, 65536)
            except OSError:  # Linux: EIO when the last writer is gone
                break
            if not block:
                break
            text += block
        process.wait(30)
    os.close(master)
    return text.decode().replace("\r\n", "\n")


def columns_of(line: str) -> int:
    """How many columns of a terminal a line takes, counted another way than the command line does."""
    line = unicodedata.normalize("NFC", COLOUR.sub("", line))
    return sum(1 + (unicodedata.east_asian_width(char) in ("W", "F")) for char in line)


@contextmanager
def started(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, with pipes. It takes signals even where these tests run under `nohup` or in a
    shell's background; it is killed after a minute, so that no reading of its output waits for ever."""

    def take_signals() -> None:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-m", "minisched", "--home", str(home), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=take_signals,
    )
    timer = threading.Timer(60, process.kill)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def record(home: Path, *runs: TaskExecution) -> list[int]:
    """Write runs into the history of a home; their ids."""
    (home / "var").mkdir(mode=0o700, parents=True, exist_ok=True)
    store, _ = open_store(str(home / "var" / "minisched.db"), now=0.0)
    try:
        return store.commit(Batch(runs=runs))
    finally:
        store.close()


def statuses(done: Done) -> dict[str, str]:
    """Of `list --json`: the state of each task."""
    return {task["task_id"]: Status(task["current_status"]).value for task in done.json}
