"""What the measurements share: engines on homes of their own, figures from /proc, floors, and the peer.

An engine is started by `python -m minisched` and read through its files and its API, so that any two versions can be
compared. The package is copied into the bench's folder: its byte code is cached there (with PYTHONDONTWRITEBYTECODE set
a start would measure the compiler), and an edit of the sources during the measurement changes nothing.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Optional

HERE = Path(__file__).resolve().parent
API = "/api/scheduler"
TICK_HZ = os.sysconf("SC_CLK_TCK")
# The cheapest program everywhere that prints when it began, to the nanosecond.
DATE = ["/bin/date", "+%s.%N"]
_INSTANT = re.compile(r"(\d{10}\.\d{9})$", re.M)


class Home:
    """A home folder and at most one engine on it, with the page on a free port."""

    def __init__(self, path: Path, env: dict[str, str]) -> None:
        self.path = path
        self.env = env
        self.process: Optional[subprocess.Popen[bytes]] = None
        (path / "tasks").mkdir(parents=True)
        script = path / "tasks" / "backup.sh"  # of the idle tasks: without it an engine has something to warn of
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)

    def write(self, *tasks: dict[str, Any], **settings: Any) -> None:
        """Replace the config file in one step, as an editor does."""
        settings = {"timezone": "UTC", "http": {"port": 0}, **settings}
        new = self.path / "tasks" / "config.new"
        new.write_text(json.dumps({"version": 1, "settings": settings, "tasks": list(tasks)}))
        new.replace(self.path / "tasks" / "config.json")

    def start(self, *wrapper: str, wait: bool = True) -> int:
        """The pid of the engine, or of the wrapper such as strace; with `wait` once it listens."""
        words = [*wrapper, sys.executable, "-m", "minisched", "--home", str(self.path), "run"]
        with open(self.path / "console", "ab") as console:
            self.process = self.popen(words, stdout=console, stderr=console, start_new_session=True)
        if wait:
            wait_for(lambda: self._lock().get("url"), 60)
            time.sleep(0.3)  # the rest of its start is not measured
        return self.process.pid

    def _lock(self) -> dict[str, Any]:
        """What the lock file says of the engine; empty while it is not the one that was started here."""
        try:
            found = json.loads((self.path / "var" / "lock").read_text())
        except (OSError, ValueError):
            return {}
        assert self.process is not None and self.process.poll() is None, (self.path / "console").read_text()[-2000:]
        # `pid` may be that of a child of strace.
        started = Path(f"/proc/{found['pid']}/stat").exists() if "pid" in found else False
        return found if started else {}

    @property
    def port(self) -> int:
        return int(str(self._lock()["url"]).rsplit(":", 1)[1].split("/")[0])

    def request(self, path: str, *more: str) -> bytes:
        """The bytes of a GET with the token."""
        token = (self.path / "var" / "token").read_text().strip()
        head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Authorization: Bearer {token}", *more]
        return "\r\n".join([*head, "", ""]).encode()

    def get(self, path: str, *more: str) -> tuple[str, bytes]:
        return ask(self.port, self.request(path, *more))

    def popen(self, words: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """From the home: Python looks for a package in the working folder before anywhere else."""
        return subprocess.Popen(words, env=self.env, cwd=self.path, stdin=subprocess.DEVNULL, **options)

    def command(self, *words: str) -> subprocess.Popen[bytes]:
        """A command of minisched on this home, its output thrown away."""
        words = (sys.executable, "-m", "minisched", "--home", str(self.path), *words)
        return self.popen(words, stdout=subprocess.DEVNULL)

    def cli(self, *words: str) -> None:
        """The same, to its end."""
        code = self.command(*words).wait()
        assert code == 0, f"{words} ended with {code}"

    def stop(self) -> None:
        """TERM to the whole session, so that an engine under strace gets it too."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            finally:
                if self.process.poll() is None:
                    os.killpg(self.process.pid, signal.SIGKILL)
                    self.process.wait()
                self.process = None

    def instants(self) -> list[float]:
        """When the `date` of each run began, by its own output in the tasks' logs."""
        logs = self.path / "logs"
        texts = [path.read_text() for path in logs.glob("*.log") if path.name != "minisched.log"]
        return [float(instant) for text in texts for instant in _INSTANT.findall(text)]

    def sql(self, text: str) -> list[Any]:
        db = sqlite3.connect(self.path / "var" / "minisched.db", timeout=10)
        try:
            with db:
                return db.execute(text).fetchall()
        finally:
            db.close()

    def until(self, query: str, number: int) -> None:
        """Wait until a count has come so far; asked seldom, for it takes the engine's time."""
        wait_for(lambda: self.sql(query)[0][0] >= number, 120, 0.25)


class Bench:
    """The folder of a measurement, the copy of one package, and the homes."""

    def __init__(self, folder: Path, package: Path, peer: bool) -> None:
        self.folder = folder
        self.with_peer = peer
        shutil.copytree(package, folder / "minisched", ignore=shutil.ignore_patterns("__pycache__"))
        # The few variables that a service manager gives: a spawn pays for each.
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "USER", "TMPDIR")}
        self.env = {**kept, "PYTHONPATH": str(folder)}
        words = [sys.executable, "-c", "import minisched; print(minisched.__file__)"]
        found = subprocess.run(words, cwd=folder, env=self.env, stdout=subprocess.PIPE, text=True, check=True).stdout
        assert found.startswith(f"{folder}/"), f"it would measure {found}"
        self._homes: list[Home] = []
        self._count = 0
        home = self.home()
        home.write(*idle_tasks(1))
        home.start()  # which writes the byte code
        home.get("/api/scheduler/openapi.json")  # its document needs the modules of all routes
        self.close()

    def home(self) -> Home:
        self._count += 1
        self._homes.append(Home(self.folder / f"home{self._count}", self.env))
        return self._homes[-1]

    def close(self) -> None:
        """Stop all engines and remove their homes."""
        for home in self._homes:
            home.stop()
            shutil.rmtree(home.path)
        self._homes = []

    def best_s(self, *words: str, rounds: int = 15) -> float:
        """Seconds of the fastest of some runs of Python."""
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, *words], env=self.env, cwd=self.folder, stdout=subprocess.DEVNULL, check=True
            )
            times.append(time.perf_counter() - began)
        return min(times)

    def floor(self, kind: str, *arguments: object) -> subprocess.Popen[str]:
        return program(HERE / "floor.py", self.env, kind, *arguments)

    def peer(self, kind: str, *arguments: object) -> Optional[subprocess.Popen[str]]:
        """The same by APScheduler with Flask; None without `--peer`."""
        return program(HERE / "peer.py", self.env, kind, *arguments, cwd=self.folder) if self.with_peer else None


class Answer(NamedTuple):
    """What a floor or the peer prints: a figure named by its `kind`, its own CPU a run in ms, instants of starts."""

    figure: float
    cpu_ms: float
    instants: list[float]


def program(path: Path, env: dict[str, str], *arguments: object, cwd: Optional[Path] = None) -> subprocess.Popen[str]:
    words = [sys.executable, str(path), *map(str, arguments)]
    # In a session of its own, as the engine is: Linux shares the processors out between sessions.
    return subprocess.Popen(words, env=env, cwd=cwd, stdout=subprocess.PIPE, text=True, start_new_session=True)


def answer(running: Optional[subprocess.Popen[str]]) -> Optional[Answer]:
    if running is None:
        return None
    lines = running.communicate()[0].split()
    assert running.returncode == 0, f"{running.args} failed"
    return Answer(float(lines[0]), float(lines[1]), [float(line) for line in lines[2:]])


@contextmanager
def serving(running: Optional[subprocess.Popen[str]]) -> Iterator[tuple[int, int]]:
    """(pid, port) of a floor or peer that stays up; (0, 0) where there is none."""
    if running is None:
        yield 0, 0
        return
    try:
        assert running.stdout
        yield running.pid, int(running.stdout.readline())
    finally:
        running.kill()
        running.communicate()


def idle_tasks(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Tasks as people write them, due once a year and not now."""
    month = time.gmtime(time.time() - 40 * 86400).tm_mon
    return [
        {
            "task_id": f"backup_{number}",
            "task_name": f"Backup of host {number}",
            "task_exec": f"tasks/backup.sh --full host{number}",
            "task_schedule": f"{number % 60} {number % 24} 1 {month} *",
        }
        for number in range(first, first + count)
    ]


def wait_for(probe: Callable[[], Any], within_s: float, pause_s: float = 0.02) -> Any:
    deadline = time.monotonic() + within_s
    while not (found := probe()):
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(pause_s)
    return found


def ask(port: int, request: bytes) -> tuple[str, bytes]:
    """The head and the body of the answer."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        data = b""
        while block := connection.recv(1 << 20):
            data += block
    head, _, body = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), body


def percentile(values: list[float], percent: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


# ------------------------------------------------------------------------------------------------------- from /proc


def cpu_s(pid: int) -> float:
    """CPU time of the process, of threads that have ended too, of children not; in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK_HZ


def fine_cpu_s(pid: int) -> float:
    """CPU time of the threads that live, to the nanosecond: for what costs less than a tick."""
    stats = [(task / "schedstat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(stat.split()[0]) for stat in stats) / 1e9


def sleeps(pid: int) -> dict[str, int]:
    """How often each of its threads has gone to sleep: its wake-ups."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found[task.name] = _fields(str(task / "status"))["voluntary_ctxt_switches"]
        except (FileNotFoundError, ProcessLookupError):
            continue  # that thread has ended
    return found


def uss_mb(pid: int) -> float:
    """Memory that is this process's alone, where others have loaded the same libraries: meanwhile they are mapped here
    too, page by page."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    shared = []
    for name in set(re.findall(r"^\S+ [r-].-p .* (/.+)$", maps, re.M)):
        with suppress(OSError, ValueError), open(name, "rb") as file:
            shared.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            for offset in range(0, len(shared[-1]), mmap.PAGESIZE):
                shared[-1][offset]
    fields = _fields(f"/proc/{pid}/smaps_rollup")
    for one in shared:
        one.close()
    return (fields["Private_Clean"] + fields["Private_Dirty"]) / 1024


def rss_mb(pid: int, field: str = "VmRSS") -> float:
    """Resident memory; with VmHWM the most so far."""
    return _fields(f"/proc/{pid}/status")[field] / 1024


def written(pid: int) -> tuple[int, int]:
    """(bytes, calls) of all its write calls, those of its ended children included."""
    fields = _fields(f"/proc/{pid}/io")
    return fields["wchar"], fields["syscw"]


def _fields(path: str) -> dict[str, int]:
    found = re.findall(r"^(\w+):\s+(\d+)", Path(path).read_text(), re.M)
    return {name: int(number) for name, number in found}
