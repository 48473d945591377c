"""Logs that cannot be written: a real engine says so everywhere, as long as it lasts, and heals by itself."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from minisched.home import Home as Place
from minisched.home import read_lock
from support.process import root
from support.programs import Home, eventually


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    one = Home(tmp_path / "home")
    (one.path / "logs").mkdir(parents=True)
    try:
        yield one
    finally:
        one.close()


def reasons(home: Home) -> str:
    return "\n".join(home.reasons().values())


def status(home: Home) -> str:
    return "\n".join(home.json("status")["problems"])


def start(home: Home) -> None:
    """Start an engine that may have no log."""
    home.start(wait=False)
    eventually(lambda: read_lock(Place(str(home.path))).url, "its page is served")


def make_folder(path: Path) -> Callable[[], object]:
    path.mkdir()
    return path.rmdir


def make_link(path: Path) -> Callable[[], object]:
    path.symlink_to("/nowhere")
    return path.unlink


@pytest.mark.parametrize(
    ("make", "why"),
    [(make_folder, "Is a directory"), (make_link, "is a symbolic link, which is not followed")],
    ids=["folder", "symlink"],
)
def test_the_output_of_a_task_that_cannot_be_kept_is_a_problem_until_it_can_be(
    home: Home, make: Callable[[Path], Callable[[], object]], why: str
) -> None:
    log = home.path / "logs" / "a.log"
    remove = make(log)
    home.write({"task_id": "a", "task_exec": "echo hello"}, http={"port": 0})
    home.start()
    ran = home.run("trigger", "a", "--wait")
    assert (ran.returncode, ran.stdout) == (0, "hello\n"), "the end of the output is in the history"
    assert f"could not be written to {log}" in ran.stderr
    eventually(lambda: f"{log}: {why}" in reasons(home))
    assert f"{log}: {why}" in status(home) and home.reasons()
    assert f"WARNING output of run 1 of a could not be written to {log}: {why}" in home.engine_log()
    assert "output lost" in home.run("history").stdout
    remove()
    eventually(lambda: not home.reasons(), "it is tried again without a run")
    assert not status(home) and "bytes of output could not be written" in log.read_text()


def test_an_engine_log_that_cannot_be_opened_is_a_problem_until_it_can_be(home: Home) -> None:
    log = home.path / "logs" / "minisched.log"
    remove = make_link(log)
    home.write({"task_id": "a", "task_exec": "true"}, http={"port": 0})
    start(home)
    lost = f"{log} cannot be written, so the engine's own lines are lost: is a symbolic link, which is not followed"
    assert home.process and home.process.stderr and lost in home.process.stderr.readline()
    eventually(lambda: lost in reasons(home))
    assert lost in status(home)
    remove()
    eventually(lambda: not home.reasons())
    assert "lines could not be written here" in home.engine_log() and not status(home)
    assert home.stop() == 0


def test_status_shows_problems_of_an_engine_without_an_api(home: Home) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        home.write({"task_id": "a", "task_exec": "true"}, http={"port": port})
        make_folder(home.path / "logs" / "a.log")
        home.start()
        no_page = f"the page cannot be served at 127.0.0.1:{port}: another program uses port {port}"
        eventually(lambda: no_page in status(home))
        assert no_page in home.run("trigger", "a").stderr
        home.write({"task_id": "a", "task_exec": "true", "task_schedule": "@every 1s"}, http={"enabled": False})
        eventually(lambda: "a.log: Is a directory" in status(home))
        eventually(lambda: no_page not in status(home))
        home.kill()
        assert not status(home), "they were those of the engine that is gone"


def test_status_says_that_an_engine_does_not_respond(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "true"}, http={"port": 0})
    start(home)
    assert home.process and not status(home)
    home.process.send_signal(signal.SIGSTOP)
    assert "does not respond: timed out" in status(home)
    home.process.send_signal(signal.SIGCONT)
    eventually(lambda: not status(home))


@root
def test_logs_on_a_read_only_file_system_are_a_problem_until_it_is_writable(home: Home) -> None:
    logs = str(home.path / "logs")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", logs], capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro", logs], check=True)
        home.write({"task_id": "a", "task_exec": "echo hello"}, http={"port": 0})
        start(home)
        home.run("trigger", "a", "--wait")
        eventually(lambda: "a.log: Read-only file system" in reasons(home) and "minisched.log" in reasons(home))
        assert "a.log: Read-only file system" in status(home) and "minisched.log cannot" in status(home)
        subprocess.run(["mount", "-o", "remount,rw", logs], check=True)
        eventually(lambda: not home.reasons())
        assert home.stop() == 0
        assert "engine stopped" in home.engine_log()
    finally:
        home.close()
        subprocess.run(["umount", "-l", logs], check=True)
