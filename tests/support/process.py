"""What the tests of logs and processes share: logs with a clock to set, an executor with its inbox, a wait."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Optional

import pytest

from minisched.catalogue import render
from minisched.executor.executor import TaskExecutor
from minisched.model import LogSettings, Message, ProcessResult, ProcessSpec, RunFinished, RunStarted, Text
from minisched.tasklog import RunLog, TaskLogs
from minisched.threads import receive

ZONE = timezone(timedelta(hours=8))
REPO = str(Path(__file__).parents[2])
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and pidfd")
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def until(fact: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Wait until `fact` returns something true; returns that."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = fact()
        if found:
            return found
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def sleeps(thread: threading.Thread, for_s: float = 0.7) -> bool:
    """Whether a thread of this process comes to rest: for that long nothing wakes it.

    What it still had to do is let pass: only a thread that is woken again and again never rests.
    """

    def switches() -> int:
        status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
        return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)

    for _ in range(20):
        before = switches()
        time.sleep(for_s)  # for nothing to happen
        if switches() == before:
            return True
    return False


def at(text: str) -> float:
    """The instant of a local time in ZONE."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


class Wall:
    """A wall clock that stays as it was set."""

    def __init__(self, text: str = "2026-11-23T02:30:00.123") -> None:
        self.set(text)

    def set(self, text: str) -> None:
        self.now = at(text)

    def __call__(self) -> float:
        return self.now


class Logs:
    """TaskLogs in a folder of the test, with a clock of the test, what is in the files, and what was reported."""

    def __init__(self, folder: Path, max_bytes: int = 0, backup_count: int = 3, rotate: bool = True) -> None:
        self.folder = folder
        self.path = str(folder / "t.log")
        self.wall = Wall()
        self.settings = LogSettings("midnight", backup_count, max_bytes)
        self.reports: list[tuple[str, str]] = []  # (name of the log, why it cannot be written or "")
        self.logs = self.restart(rotate)

    def restart(self, rotate: bool = True) -> TaskLogs:
        """As after a restart of the engine."""
        self.logs = TaskLogs(str(self.folder), self.settings, ZONE, rotate, self.wall, self.report)
        return self.logs

    def report(self, path: str, problem: Optional[Text]) -> None:
        self.reports.append((os.path.basename(path), "" if problem is None else render(problem)))

    def open(self, run_id: int = 120, attempt: int = 1, path: str = "") -> RunLog:
        return self.logs.open_run(path or self.path, run_id, attempt)

    def run(self, run_id: int, *lines: str, attempt: int = 1) -> RunLog:
        """A whole run that prints some lines."""
        sink = self.open(run_id, attempt)
        sink.marker("start", f"pid 4711: run {run_id}")
        for line in lines:
            sink.write("out", line.encode() + b"\n")
        sink.marker("end", "exit 0 after 0.100 s")
        sink.close()
        return sink

    def names(self) -> list[str]:
        return sorted(os.listdir(self.folder))

    def text(self, name: str = "t.log") -> str:
        return (self.folder / name).read_bytes().decode()

    def lines(self, name: str = "t.log") -> list[str]:
        """The lines without the time."""
        return [line.split(" ", 1)[1] for line in self.text(name).split("\n")[:-1]]


class Rig:
    """An executor that writes real logs, and its inbox. `logs`: others than those in the folder."""

    def __init__(self, folder: Path, logs: Any = None) -> None:
        self.folder = folder
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.logs = TaskLogs(str(folder), LogSettings("midnight", 3, 0), ZONE)
        self.executor = TaskExecutor(self.inbox.put, logs or self.logs)
        self.run_id = 100

    def spec(self, task_exec: Any, **fields: Any) -> ProcessSpec:
        self.run_id += 1
        env = {"PATH": PATH, "MINISCHED_RUN_ID": str(self.run_id), "MINISCHED_HOME": str(self.folder)}
        env.update(fields.pop("env", {}))
        fields = {"cwd": str(self.folder), "log": str(self.folder / f"{self.run_id}.log"), **fields}
        if isinstance(task_exec, list):
            task_exec = tuple(task_exec)
        return ProcessSpec(self.run_id, 1, "t", task_exec, env=env, **fields)

    def run(self, task_exec: Any, echo: Any = None, **fields: Any) -> ProcessResult:
        """Run it to its end in this thread."""
        return self.executor.execute_task(self.spec(task_exec, **fields), echo)

    def order(self, task_exec: Any, at: Optional[float] = None, **fields: Any) -> int:
        """Let the executor's thread run it; returns the run id."""
        self.executor.start(self.spec(task_exec, **fields), at)
        return self.run_id

    def start(self, task_exec: Any, **fields: Any) -> RunStarted:
        """Let the executor's thread run it; returns when it is reported as started."""
        self.order(task_exec, **fields)
        message = receive(self.inbox, 10)
        assert isinstance(message, RunStarted), message
        return message

    def finished(self, timeout_s: float = 20) -> ProcessResult:
        """The result of the run that ends next."""
        while True:
            message = receive(self.inbox, timeout_s)
            if isinstance(message, RunFinished):
                return message.completion

    def lines(self, kind: str = "out", run_id: int = 0) -> list[str]:
        """The lines of one kind in a run's log, without their prefix."""
        file = self.folder / f"{run_id or self.run_id}.log"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        found = [line.split(" ", 3) for line in text.split("\n")[:-1]]
        return [words[3] for words in found if words[2] == f"{kind}]"]


@contextmanager
def few_descriptors(free: int) -> Iterator[None]:
    """At most `free` more descriptors can be opened by this process."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = set()
    for name in os.listdir("/dev/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue  # that of the listing itself
        used.add(int(name))
    limit = 0
    while limit in used or free > 0:  # other tests may have left holes between the descriptors that are open
        free -= limit not in used
        limit += 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))  # the soft one: a hard one stays lowered
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
