"""Timeout, cancel, kill, and what is left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from minisched.executor.process import DRAIN_S, Process, run_bounded, spawn
from minisched.model import Text
from support.process import Rig, linux, until
from support.programs import in_time


@pytest.fixture
def strays(tmp_path: Path) -> Iterator[Path]:
    """A folder where tasks write the pids of processes that they leave behind; these are killed at the end."""
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
    result = rig.run(f"sleep 300 & echo $! >{strays}/pid; echo hi")
    assert in_time(time.monotonic() - begun, DRAIN_S + 1)
    assert result.duration < 1
    assert (result.exit_code, result.output_cut, result.leftover_processes) == (0, True, 1)
    assert rig.lines() == ["hi"]
    assert rig.lines("end")[0].endswith(" s: 1 process left, their output not read any more")
    assert lives(pid_in(strays / "pid"))  # a daemon started by a task is to live


@linux
def test_a_daemon_that_closed_the_pipe_delays_nothing(rig: Rig, strays: Path) -> None:
    begun = time.monotonic()
    result = rig.run(f"sleep 300 >/dev/null 2>&1 & echo $! >{strays}/pid")
    assert in_time(time.monotonic() - begun, 1)
    assert (result.exit_code, result.output_cut, result.leftover_processes) == (0, False, 1)


@linux
def test_a_program_that_ends_with_the_last_one_of_the_script_is_not_left_behind(rig: Rig) -> None:
    """As gzip of a `tar -z` that failed: its input ends with the script."""
    results = [rig.run("mkfifo p 2>/dev/null; cat <p >/dev/null 2>&1 & exec 3>p; exit 2") for _ in range(3)]
    assert [(result.exit_code, result.leftover_processes) for result in results] == [(2, 0)] * 3


def test_output_that_comes_while_draining_is_taken(rig: Rig) -> None:
    result = rig.run("(sleep 0.2; echo late) & echo early")
    assert rig.lines() == ["early", "late"]
    assert not result.output_cut


def test_a_timeout_ends_a_task_by_term(rig: Rig) -> None:
    begun = time.monotonic()
    result = rig.run("sleep 60; echo never", timeout_s=0.3)
    assert (result.timed_out, result.killed, result.signal) == (True, False, 15)
    assert 0.3 <= result.duration < 2
    assert in_time(time.monotonic() - begun, 2)
    assert "timed out" in rig.lines("end")[0]


@contextmanager
def term_blocked() -> Iterator[None]:
    """What is spawned meanwhile gets no TERM until it unblocks it, however long it takes to start."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def answering_term(action: str) -> list[str]:
    """A program that does this at TERM, and takes TERM only then."""
    code = f"""if True:
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: {action})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        while True:
            time.sleep(60)"""
    return [sys.executable, "-S", "-c", code]


def test_a_task_may_clean_up_within_its_grace(rig: Rig) -> None:
    with term_blocked():
        result = rig.run(answering_term("(print('cleaning', flush=True), sys.exit(3))"), timeout_s=0.3)
    assert (result.timed_out, result.killed, result.exit_code) == (True, False, 3)
    assert rig.lines() == ["cleaning"]


def test_a_task_that_ignores_term_is_killed_after_its_grace(rig: Rig) -> None:
    old = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # inherited: a `trap` might come too late on a busy machine
    try:
        result = rig.run("while :; do sleep 0.05; done", timeout_s=0.2, kill_grace_s=0.3)
    finally:
        signal.signal(signal.SIGTERM, old)
    assert (result.timed_out, result.killed, result.signal) == (True, True, 9)
    assert 0.5 <= result.duration < 3


def test_a_stopped_task_is_woken_for_its_term(rig: Rig) -> None:
    started = rig.start("trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done")
    until(lambda: rig.lines() == ["up"])
    os.killpg(started.process.pid, signal.SIGSTOP)
    rig.executor.cancel(rig.run_id)
    result = rig.finished()
    assert (result.cancelled, result.exit_code, result.killed) == (True, 4, False)


@linux
def test_members_of_the_group_that_ignore_term_are_killed_after_the_leader(rig: Rig, strays: Path) -> None:
    member = f"sh -c 'trap \"\" TERM; echo $$ >{strays}/pid; while :; do sleep 0.05; done'"
    rig.order(f"{member} & sleep 60", kill_grace_s=0.4)
    pid_in(strays / "pid")
    begun = time.monotonic()
    rig.executor.cancel(rig.run_id)
    result = rig.finished()
    assert (result.cancelled, result.killed, result.signal) == (True, True, 15)
    assert time.monotonic() - begun >= 0.4
    assert result.leftover_processes == 0
    assert not lives(pid_in(strays / "pid"))


@linux
def test_a_process_that_left_the_group_survives_a_kill_and_is_counted(rig: Rig, strays: Path) -> None:
    rig.order(f"setsid sh -c 'echo $$ >{strays}/pid; exec sleep 300' & sleep 60")
    pid = pid_in(strays / "pid")
    rig.executor.cancel(rig.run_id)
    result = rig.finished()
    assert lives(pid)
    assert result.cancelled
    assert result.leftover_processes == 1
    assert result.output_cut


def test_a_cancelled_run_ends_at_once(rig: Rig) -> None:
    rig.start("sleep 60")
    begun = time.monotonic()
    rig.executor.cancel(rig.run_id)
    result = rig.finished()
    assert (result.cancelled, result.timed_out, result.signal) == (True, False, 15)
    assert in_time(time.monotonic() - begun, 1)


def test_a_second_cancel_with_a_shorter_grace_kills_at_once(rig: Rig) -> None:
    rig.start("trap '' TERM; echo up; while :; do sleep 0.05; done", kill_grace_s=60.0)
    until(lambda: rig.lines() == ["up"])
    rig.executor.cancel(rig.run_id)
    rig.executor.cancel(rig.run_id, 30)
    begun = time.monotonic()
    rig.executor.cancel(rig.run_id, 0)
    result = rig.finished()
    assert (result.cancelled, result.killed, result.signal) == (True, True, 9)
    assert in_time(time.monotonic() - begun, 1)


def test_a_cancel_shortens_the_grace_of_a_timeout(rig: Rig) -> None:
    with term_blocked():
        rig.start(answering_term("print('term', flush=True)"), timeout_s=0.5, kill_grace_s=60.0)
    until(lambda: rig.lines() == ["term"])
    rig.executor.cancel(rig.run_id, 0)
    result = rig.finished()
    assert (result.timed_out, result.killed) == (True, True)


def test_a_cancel_before_there_is_a_process_starts_none(rig: Rig) -> None:
    in_an_hour = time.monotonic() + 3600
    run_id = rig.order(f"touch {rig.folder}/ran", at=in_an_hour)
    assert rig.executor.live() == (run_id,)
    rig.executor.cancel(run_id)
    result = rig.finished()
    assert result.cancelled
    assert result.spawn_error == Text("cancelled_before_start")
    assert result.process is None
    assert rig.lines("end") == ["not started: cancelled before it was started"]
    assert not (rig.folder / "ran").exists()
    assert rig.executor.live() == ()


def test_cancelling_what_is_over_or_unknown_is_no_error(rig: Rig) -> None:
    rig.run("true")
    rig.executor.cancel(rig.run_id)
    rig.executor.cancel(12345)


def test_cancels_from_many_threads_while_runs_end_hit_nothing_else(rig: Rig) -> None:
    import threading

    ends = threading.Event()

    def cancel_all() -> None:
        while not ends.wait(0.0005):  # thousands of cancels a second; without a pause the runs wait for the threads
            for run_id in rig.executor.live():
                rig.executor.cancel(run_id, 5)

    threads = [threading.Thread(target=cancel_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    results = [rig.run("sleep 0.01") for _ in range(20)]
    ends.set()
    for thread in threads:
        thread.join()
    for result in results:
        assert result.exit_code == 0 or result.cancelled


@linux
def test_a_group_is_never_signalled_after_its_leader_was_reaped(tmp_path: Path) -> None:
    # A process that the leader leaves behind keeps the number of the group in use: it would get the signal.
    child = spawn(["sh", "-c", f"sleep 300 & echo $! >{tmp_path}/pid"], str(tmp_path), os.environ)
    process = Process(child, time.monotonic(), None, 10.0)
    left = pid_in(tmp_path / "pid")
    try:
        assert process.reap() == 0
        assert process.members_left() == {left}
        process.signal_group(signal.SIGKILL)
        process.close()
        assert lives(left)
    finally:
        os.kill(left, signal.SIGKILL)


def test_a_run_interrupted_in_the_foreground_leaves_no_process(rig: Rig) -> None:
    def interrupt(stream: str, block: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rig.run("echo up; sleep 60", interrupt)
    pid = int(rig.lines("start")[0].split()[1].rstrip(":"))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert rig.executor.live() == ()


def test_a_signal_handler_may_cancel_a_foreground_run(rig: Rig) -> None:
    spec = rig.spec("echo up; sleep 60")
    old = signal.signal(signal.SIGUSR1, lambda *_: rig.executor.cancel(spec.run_id))
    try:
        result = rig.executor.execute_task(spec, lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert result.cancelled
    assert result.signal == 15


def test_a_bounded_process_gets_its_input_and_returns_the_end_of_its_output(tmp_path: Path) -> None:
    data = b"x" * 300_000
    result = run_bounded(["sh", "-c", "wc -c; echo err >&2; exit 3"], str(tmp_path), os.environ, data, 10, 1, 100)
    assert (result.status, result.timed_out, result.output.split()) == (3, False, [b"300000", b"err"])
    result = run_bounded(["sh", "-c", "seq 100000"], str(tmp_path), os.environ, b"", 10, 1, 14)
    assert (result.status, result.output) == (0, b"\n99999\n100000\n"[-14:])
    assert run_bounded(["sh", "-c", "kill -9 $$"], str(tmp_path), os.environ, b"", 10, 1, 10).status == -9
    with pytest.raises(FileNotFoundError):
        run_bounded(["no_such_program"], str(tmp_path), os.environ, b"", 10, 1, 10)


@linux
def test_a_bounded_process_is_ended_with_its_group_at_its_time_limit(tmp_path: Path) -> None:
    begun = time.monotonic()
    task = "trap '' TERM; sleep 60 & echo $! $$; wait; wait"
    result = run_bounded(["sh", "-c", task], str(tmp_path), os.environ, b"", 0.3, 0.3, 1000)
    assert time.monotonic() - begun >= 0.6 and in_time(time.monotonic() - begun, 3)
    assert (result.status, result.timed_out) == (-9, True)
    until(lambda: not any(lives(int(pid)) for pid in result.output.split()))
    assert not Process.unreaped


@linux
def test_a_process_left_behind_delays_a_bounded_one_by_the_drain_at_most(tmp_path: Path, strays: Path) -> None:
    begun = time.monotonic()
    task = f"sleep 60 & echo $! >{strays}/pid; echo done"
    result = run_bounded(["sh", "-c", task], str(tmp_path), os.environ, b"", 30, 1, 1000)
    assert in_time(time.monotonic() - begun, DRAIN_S + 1)
    assert (result.status, result.timed_out, result.output) == (0, False, b"done\n")
