"""Timeout, cancel, kill, and what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minisched.executor import DRAIN_S
from minisched.executor.child import Child
from support.process import Rig, linux, until


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def strays(tmp_path: Path) -> Iterator[Path]:
    """A folder where tasks put the pids of what they leave; killed at the end."""
    folder = tmp_path / "strays"
    folder.mkdir()
    yield folder
    for file in folder.iterdir():
        text = file.read_text().strip()
        if text:
            try:
                os.kill(int(text), signal.SIGKILL)
            except ProcessLookupError:
                pass


def pid_in(file: Path) -> int:
    until(lambda: file.exists() and file.read_text().strip())
    return int(file.read_text())


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


@linux
def test_a_grandchild_that_keeps_the_pipe_does_not_keep_the_run(rig: Rig, strays: Path) -> None:
    begun = time.monotonic()
    completion = rig.run(f"sleep 300 & echo $! >{strays}/pid; echo hi")
    assert time.monotonic() - begun < DRAIN_S + 1
    assert completion.duration < 1
    assert (completion.exit_code, completion.output_cut, completion.leftover_processes) == (0, True, 1)
    assert rig.lines() == ["hi"]
    assert rig.lines("end")[0].endswith(" s: 1 processes left, their output not read any more")
    assert lives(pid_in(strays / "pid"))  # a daemon started by a task is to live


@linux
def test_a_daemon_that_closed_the_pipe_delays_nothing(rig: Rig, strays: Path) -> None:
    begun = time.monotonic()
    completion = rig.run(f"sleep 300 >/dev/null 2>&1 & echo $! >{strays}/pid")
    assert time.monotonic() - begun < 1
    assert (completion.exit_code, completion.output_cut, completion.leftover_processes) == (0, False, 1)


def test_output_that_comes_while_draining_is_taken(rig: Rig) -> None:
    completion = rig.run("(sleep 0.2; echo late) & echo early")
    assert rig.lines() == ["early", "late"]
    assert not completion.output_cut


def test_a_timeout_ends_a_task_by_term(rig: Rig) -> None:
    begun = time.monotonic()
    completion = rig.run("sleep 60; echo never", timeout_s=0.3)
    assert (completion.timed_out, completion.killed, completion.signal) == (True, False, 15)
    assert 0.3 <= completion.duration < 2
    assert time.monotonic() - begun < 2
    assert "timed out" in rig.lines("end")[0]


def test_a_task_may_clean_up_within_its_grace(rig: Rig) -> None:
    completion = rig.run("trap 'echo cleaning; exit 3' TERM; while :; do sleep 0.05; done", timeout_s=0.3)
    assert (completion.timed_out, completion.killed, completion.exit_code) == (True, False, 3)
    assert rig.lines() == ["cleaning"]


def test_a_task_that_ignores_term_is_killed_after_its_grace(rig: Rig) -> None:
    completion = rig.run("trap '' TERM; while :; do sleep 0.05; done", timeout_s=0.2, kill_grace_s=0.3)
    assert (completion.timed_out, completion.killed, completion.signal) == (True, True, 9)
    assert 0.5 <= completion.duration < 3


def test_a_stopped_task_is_woken_for_its_term(rig: Rig) -> None:
    started = rig.start("trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done")
    until(lambda: rig.lines() == ["up"])
    os.killpg(started.process.pid, signal.SIGSTOP)
    rig.executor.cancel(rig.run_id)
    completion = rig.finished()
    assert (completion.cancelled, completion.exit_code, completion.killed) == (True, 4, False)


@linux
def test_members_of_the_group_that_ignore_term_are_killed_after_the_leader(rig: Rig, strays: Path) -> None:
    begun = time.monotonic()
    completion = rig.run(
        f"sh -c 'trap \"\" TERM; echo $$ >{strays}/pid; while :; do sleep 0.05; done' & sleep 60",
        timeout_s=0.5,
        kill_grace_s=0.4,
    )
    assert (completion.timed_out, completion.killed, completion.signal) == (True, True, 15)
    assert time.monotonic() - begun >= 0.9
    assert completion.leftover_processes == 0
    assert not lives(pid_in(strays / "pid"))


@linux
def test_a_process_that_left_the_group_survives_a_kill_and_is_counted(rig: Rig, strays: Path) -> None:
    completion = rig.run(f"setsid sh -c 'echo $$ >{strays}/pid; exec sleep 300' & sleep 60", timeout_s=0.5)
    assert lives(pid_in(strays / "pid"))
    assert completion.timed_out
    assert completion.leftover_processes == 1
    assert completion.output_cut


def test_a_cancelled_run_ends_at_once(rig: Rig) -> None:
    rig.start("sleep 60")
    begun = time.monotonic()
    rig.executor.cancel(rig.run_id)
    completion = rig.finished()
    assert (completion.cancelled, completion.timed_out, completion.signal) == (True, False, 15)
    assert time.monotonic() - begun < 1


def test_a_second_cancel_with_a_shorter_grace_kills_at_once(rig: Rig) -> None:
    rig.start("trap '' TERM; echo up; while :; do sleep 0.05; done", kill_grace_s=60.0)
    until(lambda: rig.lines() == ["up"])
    rig.executor.cancel(rig.run_id)
    rig.executor.cancel(rig.run_id, 30)
    begun = time.monotonic()
    rig.executor.cancel(rig.run_id, 0)
    completion = rig.finished()
    assert (completion.cancelled, completion.killed, completion.signal) == (True, True, 9)
    assert time.monotonic() - begun < 1


def test_a_cancel_shortens_the_grace_of_a_timeout(rig: Rig) -> None:
    rig.start("trap 'echo term' TERM; while :; do sleep 0.05; done", timeout_s=0.5, kill_grace_s=60.0)
    until(lambda: rig.lines() == ["term"])
    rig.executor.cancel(rig.run_id, 0)
    completion = rig.finished()
    assert (completion.timed_out, completion.killed) == (True, True)


def test_a_cancel_before_there_is_a_process_starts_none(rig: Rig) -> None:
    launch = rig.launch(f"touch {rig.folder}/ran")
    open_run = rig.executor._logs.open_run

    class Slow:
        def open_run(self, path: str, run_id: int, attempt: int) -> object:
            rig.executor.cancel(run_id)
            return open_run(path, run_id, attempt)

    rig.executor._logs = Slow()  # type: ignore[assignment]
    rig.executor.start(launch)
    completion = rig.finished()
    assert completion.cancelled
    assert completion.spawn_error == "cancelled before it was started"
    assert not (rig.folder / "ran").exists()


def test_cancelling_what_is_over_or_unknown_is_no_error(rig: Rig) -> None:
    rig.run("true")
    rig.executor.cancel(rig.run_id)
    rig.executor.cancel(12345)


def test_cancels_from_many_threads_while_runs_end_hit_nothing_else(rig: Rig) -> None:
    import threading

    ends = threading.Event()

    def cancel_all() -> None:
        while not ends.is_set():
            for run_id in rig.executor.live():
                rig.executor.cancel(run_id, 5)

    threads = [threading.Thread(target=cancel_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    completions = [rig.run("sleep 0.01") for _ in range(20)]
    ends.set()
    for thread in threads:
        thread.join()
    for completion in completions:
        assert completion.exit_code == 0 or completion.cancelled


def test_a_group_is_never_signalled_after_its_leader_was_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    child = Child(
        subprocess.Popen(["true"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, bufsize=0)
    )
    until(child.has_exited)
    real = os.killpg
    monkeypatch.setattr(os, "killpg", lambda *what: (sent.append(what), real(*what)))
    child.signal_group(signal.SIGTERM)  # a zombie still holds the number
    assert sent == [(child.pid, signal.SIGTERM)]
    assert child.reap() == 0
    child.signal_group(signal.SIGTERM, signal.SIGKILL)
    child.close()
    assert sent == [(child.pid, signal.SIGTERM)]


def test_a_run_interrupted_in_the_foreground_leaves_no_process(rig: Rig) -> None:
    launch = rig.launch("echo up; sleep 60")
    pids: list[int] = []

    def interrupt(stream: str, block: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rig.executor.execute_task(launch, interrupt, lambda started: pids.append(started.process.pid))
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert rig.executor.live() == ()


def test_a_signal_handler_may_cancel_a_foreground_run(rig: Rig) -> None:
    launch = rig.launch("echo up; sleep 60")
    old = signal.signal(signal.SIGUSR1, lambda *_: rig.executor.cancel(launch.run_id))
    try:
        completion = rig.executor.execute_task(launch, lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert completion.cancelled
    assert completion.signal == 15
