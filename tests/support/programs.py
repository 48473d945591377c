"""Real processes for tests: the command line, a running engine, and waiting for what they do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional, TypeVar

from minisched.home import Home as Place
from minisched.home import read_lock

ROOT = Path(__file__).parents[2]
BARE_START_S = 0.02  # of Python without `site`, on a quiet machine
T = TypeVar("T")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MINISCHED_")}
    return {**kept, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "COLUMNS": "200", **more}


def minisched(*arguments: str, home: Optional[Path] = None, timeout: float = 60, **env: str) -> Any:
    """Run one command to its end."""
    where = ["--home", str(home)] if home else []
    return subprocess.run(
        [sys.executable, "-m", "minisched", *where, *arguments],
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=timeout,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        check=False,
    )


def slowness() -> float:
    """How many times slower than a quiet machine this one is now, by the start of a bare Python; at least 1."""
    start = time.monotonic()
    subprocess.run([sys.executable, "-S", "-c", "pass"], check=True)
    return max(1.0, (time.monotonic() - start) / BARE_START_S)


def in_time(seconds: float, limit_s: float) -> bool:
    """Whether something took less than `limit_s`; on a slow machine, less than as many times more."""
    return seconds < limit_s or seconds < limit_s * slowness()


def eventually(probe: Callable[[], T], what: str = "", within: float = 20.0) -> T:
    """The first true answer of `probe`, called again and again. Fails after `within` seconds, later if slow."""
    start, limit_s = time.monotonic(), within
    while True:
        begun = time.monotonic()
        answer = probe()
        took_s = time.monotonic() - begun
        if answer:
            return answer
        if time.monotonic() > start + limit_s:
            assert in_time(time.monotonic() - start, within), f"not within {within} s: {what or probe}; got {answer!r}"
            limit_s *= 1.5
        time.sleep(min(0.25, max(0.02, took_s)))  # a probe that starts a process leaves half of the time to others


def open_to_others(folder: Path) -> None:
    """Let another user come as far as this folder of a test: pytest closes those above it."""
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


class Home:
    """A home folder of a test, and at most one engine that runs on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "tasks").mkdir(parents=True, exist_ok=True)
        self.config = path / "tasks" / "config.json"
        self.process: Optional[subprocess.Popen[str]] = None

    def write(self, *tasks: dict[str, Any], **settings: Any) -> None:
        """Put a config in force the way an editor does: a new file in the place of the old one. No page, unless
        `http` is given."""
        settings = {"timezone": "UTC", "http": {"enabled": False}, **settings}
        document = {"version": 1, "settings": settings, "tasks": list(tasks)}
        new = self.config.with_suffix(".new")
        new.write_text(json.dumps(document))
        new.replace(self.config)

    def start(
        self, *wrapper: str, wait: bool = True, pass_fds: Sequence[int] = (), **env: str
    ) -> subprocess.Popen[str]:
        """Start the engine; with `wait` until it is at work. wrapper: words before the command, such as prlimit."""
        count = self.engine_log().count("engine started")
        self.process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", "minisched", "--home", str(self.path), "run"],
            env=environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
            pass_fds=pass_fds,
        )
        if wait:
            eventually(
                lambda: self.engine_log().count("engine started") > count or self.process.poll() is not None,  # type: ignore[union-attr]
                "the engine starts",
            )
        return self.process

    def stop(self, number: int = signal.SIGTERM, within: float = 30.0) -> int:
        """Signal the engine and wait for its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.communicate(timeout=within)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.communicate()
        code = self.process.returncode
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9."""
        self.stop(signal.SIGKILL)

    def close(self) -> None:
        """Leave nothing behind: the engine, and what an unclean end left of its tasks."""
        if self.process is not None:
            self.stop(signal.SIGKILL)
        marker = f"MINISCHED_HOME={self.path}".encode()
        for entry in Path("/proc").iterdir() if Path("/proc/self").exists() else ():
            if entry.name.isdigit():
                try:
                    if marker in (entry / "environ").read_bytes().split(b"\0"):
                        os.kill(int(entry.name), signal.SIGKILL)
                except OSError:
                    continue

    def run(self, *arguments: str, **options: Any) -> Any:
        return minisched(*arguments, home=self.path, **options)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def api(self) -> tuple[str, str]:
        """The address of the engine's API, and the token."""
        url = read_lock(Place(str(self.path))).url
        assert url is not None
        return f"{url}/api/scheduler", (self.path / "var" / "token").read_text().strip()

    def get(self, path: str, api: Optional[tuple[str, str]] = None) -> tuple[int, Any]:
        """The status and the JSON of an answer of the API."""
        url, token = api or self.api
        try:
            request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def reasons(self, api: Optional[tuple[str, str]] = None) -> dict[str, str]:
        """What `/healthz` says is wrong, by key."""
        status, health = self.get("/healthz", api)
        assert (status == 503) == bool(health["reasons"])
        return {reason["key"]: reason["message"] for reason in health["reasons"]}

    def rows(self, task_id: Optional[str] = None) -> list[dict[str, Any]]:
        """The runs in the history, oldest first, read in this process."""
        from datetime import timezone

        from minisched.store.reader import History

        history = History(str(self.path / "var" / "minisched.db"))
        try:
            runs, _ = history.page(task_id=task_id, page_size=1000)
        finally:
            history.close()
        return [run.as_json(timezone.utc) for run in reversed(runs)]

    def ended(self, task_id: Optional[str] = None) -> list[dict[str, Any]]:
        return [row for row in self.rows(task_id) if row["end_time"]]

    def engine_log(self) -> str:
        path = self.path / "logs" / "minisched.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log(self, task_id: str) -> str:
        path = self.path / "logs" / f"{task_id}.log"
        return path.read_text(errors="replace") if path.exists() else ""
