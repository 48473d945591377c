"""What the measurements share: engines on homes of their own, figures from /proc, and the floors.

The package is copied into the bench's folder, so that its byte code is cached there (with PYTHONDONTWRITEBYTECODE set,
start-up would measure the compiler) and nobody who edits the sources meanwhile is measured.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.programs import Home, environment

_STAMPED = re.compile(r"^\S+ \[\d+\.\d+ out\] (\d+\.\d+)$", re.M)

# Arguments: kind, how many at once, how many times, period and phase in seconds. "due": start so many at each instant,
# print when each began. "rate": so many in flight without a pause, print how many a second.
_FLOOR = """
import sys, time
from collections import deque
from subprocess import DEVNULL, PIPE, Popen
kind, at_once, times, period, phase = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *map(float, sys.argv[4:])
if kind == "rate":
    begun, flying = time.perf_counter(), deque()
    for _ in range(times):
        if len(flying) == at_once:
            flying.popleft().wait()
        flying.append(Popen(["/bin/true"], stdin=DEVNULL))
    for child in flying:
        child.wait()
    print(times / (time.perf_counter() - begun))
else:
    for _ in range(times):
        due = (time.time() - phase) // period * period + period + phase
        time.sleep(due - time.time())
        options = dict(stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True)
        children = [Popen(["/bin/date", "+%s.%N"], **options) for _ in range(at_once)]
        for child in children:
            print(child.communicate()[0].decode().strip(), flush=True)
"""


class Bench:
    """The folder of a run of the bench, the copied package, and the engines that are up."""

    def __init__(self, folder: Path, package: Path) -> None:
        self.folder = folder
        shutil.copytree(package, folder / "minisched", ignore=shutil.ignore_patterns("__pycache__"))
        for name in os.environ.keys() - {"PATH", "HOME", "LANG", "USER", "TMPDIR"}:
            del os.environ[name]  # the few variables that a service manager gives: a spawn pays for each
        self.more_env = {"PYTHONPATH": str(folder)}
        self.env = environment(**self.more_env)
        os.chdir(folder)  # Python looks there before PYTHONPATH: from the sources' own folder it would measure those
        words = [sys.executable, "-c", "import minisched; print(minisched.__file__)"]
        found = subprocess.run(words, env=self.env, stdout=subprocess.PIPE, text=True, check=True).stdout
        assert found.startswith(f"{folder}/"), f"it would measure {found}"
        self._homes: list[Home] = []
        self._count = 0
        home = self.home()
        home.write(*idle_tasks(1))
        self.start(home)  # which writes the byte code
        self.stop(home)

    def home(self) -> Home:
        self._count += 1
        home = Home(self.folder / f"home{self._count}")
        self._homes.append(home)
        return home

    def start(self, home: Home, *wrapper: str, wait: bool = True) -> subprocess.Popen[str]:
        return home.start(*wrapper, wait=wait, **self.more_env)

    def stop(self, home: Home) -> None:
        code = home.stop()
        assert code == 0, home.engine_log()

    def kill_traced(self, home: Home) -> None:
        """End an engine under strace: the signal goes to its whole session."""
        assert home.process
        os.killpg(home.process.pid, signal.SIGTERM)
        home.process.communicate(timeout=30)
        home.process = None

    def drop(self, home: Home) -> None:
        self._homes.remove(home)
        home.close()
        shutil.rmtree(home.path)

    def close(self) -> None:
        for home in self._homes[:]:
            self.drop(home)

    def best_s(self, *words: str, rounds: int = 15) -> float:
        """Seconds of the fastest of some runs of Python."""
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], env=self.env, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - began)
        return min(times)

    def sql(self, home: Home, text: str) -> list[Any]:
        db = sqlite3.connect(home.path / "var" / "minisched.db", timeout=10)
        try:
            with db:
                return db.execute(text).fetchall()
        finally:
            db.close()

    def until(self, home: Home, query: str, number: int) -> None:
        """Wait until a count has come so far; asked seldom, for it takes the engine's time."""
        deadline = time.monotonic() + 60
        while self.sql(home, query)[0][0] < number:
            assert time.monotonic() < deadline, home.engine_log()[-2000:]
            time.sleep(0.25)


def idle_tasks(count: int) -> list[dict[str, Any]]:
    """Tasks as people write them, due once a year."""
    return [
        {
            "task_id": f"backup_{number}",
            "task_name": f"Backup of host {number}",
            "task_exec": f"tasks/backup.sh --full host{number}",
            "task_schedule": f"{number % 60} {number % 24} 1 {time.gmtime(time.time() - 40 * 86400).tm_mon} *",
        }
        for number in range(count)
    ]


def floor_program(
    bench: Bench, kind: str, at_once: int, times: int, period: float = 1.0, phase: float = 0.0
) -> list[float]:
    words = [sys.executable, "-c", _FLOOR, kind, *map(str, (at_once, times, period, phase))]
    done = subprocess.run(words, env=bench.env, stdout=subprocess.PIPE, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


@contextmanager
def sleeper(bench: Bench) -> Iterator[int]:
    """The pid of a Python that does nothing but wake every two seconds, as one must that is to see a change of a file
    within them."""
    code = "import time; print(flush=True)\nwhile True: time.sleep(2)"
    bare = subprocess.Popen([sys.executable, "-c", code], env=bench.env, stdout=subprocess.PIPE)
    assert bare.stdout
    try:
        bare.stdout.readline()
        yield bare.pid
    finally:
        bare.kill()
        bare.communicate()


def instants(home: Home) -> list[float]:
    """When the `date` of each run began, by its own output in the tasks' logs."""
    logs = home.path / "logs"
    texts = [path.read_text() for path in logs.glob("*.log") if path.name != "minisched.log"] if logs.exists() else []
    return [float(instant) for text in texts for instant in _STAMPED.findall(text)]


def percentile(values: list[float], percent: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def uss_mb(pid: int) -> float:
    """Memory that is this process's alone."""
    fields = _fields(f"/proc/{pid}/smaps_rollup")
    return (fields["Private_Clean"] + fields["Private_Dirty"]) / 1024


def peak_mb(pid: int) -> float:
    """The most resident memory so far."""
    return _fields(f"/proc/{pid}/status")["VmHWM"] / 1024


def cpu_s(pid: int) -> float:
    """CPU time of its threads in nanoseconds' detail: the ticks of /proc/PID/stat are 10 ms each, the whole budget."""
    stats = [(task / "schedstat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(stat.split()[0]) for stat in stats) / 1e9


def context_switches(pid: int) -> int:
    """How often its threads have gone to sleep."""
    return sum(_fields(str(task / "status"))["voluntary_ctxt_switches"] for task in Path(f"/proc/{pid}/task").iterdir())


def _fields(path: str) -> dict[str, int]:
    found = re.findall(r"^(\w+):\s+(\d+)", Path(path).read_text(), re.M)
    return {name: int(number) for name, number in found}
