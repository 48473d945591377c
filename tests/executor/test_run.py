"""A process from its start to its end: what it gets, what it prints, how it ended. Real processes only."""

from __future__ import annotations

import ast
import gc
import os
import queue
import selectors
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from minisched.catalogue import detail_text
from minisched.executor.run import Run
from minisched.model import LogSettings, RunFinished, Text
from minisched.tasklog import TaskLogs
from minisched.threads import receive
from support.process import PATH, REPO, ZONE, Rig, few_descriptors, linux, sleeps, until
from support.programs import in_time


def peak_kib(reset: bool = False) -> int:
    """The most memory that this process had, since the last call with `reset`."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def test_a_run_is_told_by_its_exit_code_and_logged_with_start_and_end(rig: Rig) -> None:
    begun = time.time()
    result = rig.run("echo hello; echo oops >&2; exit 7")
    assert (result.exit_code, result.signal, result.spawn_error) == (7, None, None)
    assert not (result.timed_out or result.cancelled or result.killed or result.output_cut)
    assert (result.leftover_processes, result.log_error) == (0, None)
    assert begun - 1 < result.end_time < time.time() + 1
    assert 0 < result.duration < 5
    assert sorted(result.tail.split()) == [b"hello", b"oops"]
    assert rig.lines("start")[0].split(": ", 1)[1] == "echo hello; echo oops >&2; exit 7"
    assert rig.lines("out") == ["hello"]
    assert rig.lines("err") == ["oops"]
    assert rig.lines("end") == [f"exit 7 after {result.duration:.3f} s"]


def test_a_death_by_a_signal_is_told_by_its_number(rig: Rig) -> None:
    result = rig.run("kill -9 $$")
    assert (result.exit_code, result.signal) == (None, 9)
    assert rig.lines("end")[0].startswith("signal 9 (SIGKILL) after ")


def test_a_list_runs_as_it_is_and_a_text_by_the_shell(rig: Rig) -> None:
    rig.run(["printf", "%s|", "a b", "$HOME", "*"])
    assert rig.lines() == ["a b|$HOME|*|"]
    assert rig.lines("start")[0].endswith("""printf '%s|' 'a b' '$HOME' '*'""")
    rig.run("x='a b'; echo $0 $x")
    assert rig.lines() == ["/bin/sh a b"]


def test_a_process_gets_its_folder_and_its_environment_and_no_more(rig: Rig) -> None:
    (rig.folder / "sub").mkdir()
    rig.run(["pwd", "-P"], cwd=str(rig.folder / "sub"))
    assert rig.lines() == [os.path.realpath(rig.folder / "sub")]
    rig.run(["env", "-0"], env={"NAME": "a b\nc", "中": "é"})
    text = "\n".join(rig.lines())
    assert set(text.split("\0")) - {""} == {
        f"PATH={PATH}",
        f"MINISCHED_RUN_ID={rig.run_id}",
        f"MINISCHED_HOME={rig.folder}",
        "NAME=a b\nc",
        "中=é",
    }


@linux
def test_a_process_has_no_input_no_other_descriptor_and_its_own_session(rig: Rig) -> None:
    leak, other = os.pipe()
    os.set_inheritable(other, True)
    rig.run("cat; ls /proc/$$/fd; readlink /proc/$$/fd/0; cut -d' ' -f5,6 /proc/$$/stat; echo $$")
    os.close(leak)
    os.close(other)
    lines = rig.lines()
    assert lines[-3] == "/dev/null"
    assert set(lines[:-3]) - {"10"} == {"0", "1", "2"}  # dash keeps a copy as 10
    assert lines[-2] == f"{lines[-1]} {lines[-1]}"


OF_LIBC = 0b11 << 31  # 32 and 33 are the C library's own; a program can neither see nor set them


@linux
def test_signals_that_this_process_ignores_or_blocks_reach_the_task_after_prepare() -> None:
    code = f"""
import os, queue, signal, sys
sys.path[:0] = [{REPO!r}, {REPO + "/tests"!r}]
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
from pathlib import Path
from minisched.executor.executor import prepare_process
prepare_process()
from support.process import Rig
rig = Rig(Path(sys.argv[1]))
done = [rig.run("exit 7").exit_code]
rig.run("grep -E 'Sig(Blk|Ign)' /proc/self/status")
done += [line.split()[1] for line in rig.lines()]
os.kill(os.getpid(), signal.SIGHUP)  # ignored here all the same
done += [rig.run("kill -TERM $$; sleep 20").signal]
print(done)
"""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, timeout=30)
    assert out.stderr == ""
    code, blocked, ignored, number = ast.literal_eval(out.stdout)
    assert (code, int(blocked, 16), int(ignored, 16) & ~OF_LIBC, number) == (7, 0, 0, 15)


def test_an_exit_status_reaped_by_somebody_else_is_no_success(rig: Rig) -> None:
    code = f"""
import signal, sys
sys.path[:0] = [{REPO!r}, {REPO + "/tests"!r}]
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # and no prepare_process
from pathlib import Path
from support.process import Rig
result = Rig(Path(sys.argv[1])).run("exit 0")
print(result.exit_code, result.signal, result.spawn_error.code)
"""
    out = subprocess.run([sys.executable, "-c", code, str(rig.folder)], capture_output=True, text=True, timeout=30)
    assert out.stdout.strip() == "None None exit_status_lost", out.stderr


def test_a_run_posts_its_start_once_it_has_lived_for_a_moment_and_exactly_one_end(rig: Rig) -> None:
    started = rig.start("sleep 0.3; exit 3")
    assert started.run_id == rig.run_id
    assert started.process.pid > 1
    assert started.log is not None
    result = rig.finished()
    assert (result.exit_code, result.log, result.start_time) == (3, started.log, started.start_time)
    assert result.process is not None and result.process.pid == started.process.pid
    assert rig.executor.live() == ()
    with pytest.raises(queue.Empty):
        receive(rig.inbox, 0.05)


def test_a_start_that_took_long_is_posted_with_the_place_of_its_output(tmp_path: Path) -> None:
    def late() -> float:
        time.sleep(0.1)  # a busy machine: the first line comes long after the process
        return time.time()

    rig = Rig(tmp_path)
    rig = Rig(tmp_path, TaskLogs(str(tmp_path), LogSettings("midnight", 3, 0), ZONE, wall=late))
    started = rig.start("sleep 0.5")
    assert started.log is not None  # without it, the output cannot be read before the run ends
    assert rig.finished().log == started.log
    rig.executor.close()


def test_a_short_run_posts_its_end_alone_with_its_pid_and_start_time(rig: Rig) -> None:
    begun = time.time()
    for _ in range(100):
        rig.order("echo $$")
        message = receive(rig.inbox, 10)
        if isinstance(message, RunFinished):
            break
        rig.finished()  # a busy machine made a long run of it
    assert isinstance(message, RunFinished)
    process, start_time = message.completion.process, message.completion.start_time
    assert process is not None and [str(process.pid)] == rig.lines()
    assert start_time is not None and begun - 0.1 <= start_time <= message.completion.end_time


def test_all_runs_share_one_thread(rig: Rig) -> None:
    def threads() -> set[threading.Thread]:
        return set(threading.enumerate())

    before, stack = threads(), threading.stack_size()
    for _ in range(5):
        rig.order("sleep 0.3")
    (thread,) = threads() - before
    assert (thread.name, thread.daemon) == ("processes", True)
    assert len(rig.executor.live()) == 5
    assert threading.stack_size() == stack
    for _ in range(5):
        assert rig.finished().exit_code == 0
    rig.executor.close()
    until(lambda: thread not in threads())


def test_a_held_run_starts_at_its_instant_and_not_before(rig: Rig) -> None:
    late = []
    for _ in range(5):
        at = time.monotonic() + 0.1
        rig.order([sys.executable, "-S", "-c", "import time; print(time.monotonic())"], at=at)
        assert rig.finished().exit_code == 0
        late.append(float(rig.lines()[0]) - at)
    assert min(late) > 0
    assert min(late) < 0.1  # of which the start of an interpreter takes the most


def test_held_runs_start_in_the_order_of_their_instants(rig: Rig) -> None:
    at = time.monotonic() + 0.1
    for number in (3, 1, 2):
        rig.order(f"exit {number}", at=at + number * 0.05)
    started = {result.exit_code: result.start_time for result in (rig.finished() for _ in range(3))}
    assert sorted(started, key=started.__getitem__) == [1, 2, 3]


def test_a_held_run_that_cannot_be_started_says_so_at_its_instant(rig: Rig) -> None:
    at = time.monotonic() + 0.2
    rig.order(["true"], at=at, user="no_such_user")
    assert detail_text(rig.finished().spawn_error) == "task_user no_such_user: there is no such user"
    assert time.monotonic() >= at


class FaultyLogs:
    """Logs whose writers raise or wait for the runs chosen; they are those of `rig` otherwise."""

    def __init__(self, rig: Rig, write: Any) -> None:
        self.rig = rig
        self.write = write

    def open_run(self, path: str, run_id: int, attempt: int, encoding: str = "utf-8") -> Any:
        log = self.rig.logs.open_run(path, run_id, attempt, encoding)
        own = log.write

        def write(stream: str, block: bytes) -> None:
            self.write(run_id, block)
            own(stream, block)

        log.write = write  # type: ignore[method-assign]
        return log


def test_a_bug_in_the_handling_of_one_run_ends_that_run_alone(tmp_path: Path) -> None:
    def fail(run_id: int, block: bytes) -> None:
        if run_id == 101:
            raise RuntimeError("broken inside")

    rig = Rig(tmp_path)
    rig = Rig(tmp_path, FaultyLogs(rig, fail))
    rig.order("echo x; sleep 60")
    rig.order("echo y; sleep 0.2; exit 4")
    results = [rig.finished(), rig.finished()]
    assert [result.exit_code for result in results] == [None, 4]
    assert "broken inside" in detail_text(results[0].spawn_error)
    pid = int(rig.lines("start", 101)[0].split()[1].rstrip(":"))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert rig.lines() == ["y"]
    rig.executor.close()


def test_a_slow_disk_delays_a_start_and_a_kill_by_one_block_at_most(tmp_path: Path) -> None:
    block_s = 0.05

    def wait(run_id: int, block: bytes) -> None:
        time.sleep(block_s)  # the disk of this test takes so long for each block

    rig = Rig(tmp_path)
    rig = Rig(tmp_path, FaultyLogs(rig, wait))
    floods = [rig.order("yes") for _ in range(8)]
    until(lambda: all(rig.lines("out", run_id) for run_id in floods))
    begun = time.monotonic()
    quiet = rig.order("sleep 60")
    until(lambda: rig.lines("start", quiet))
    assert in_time(time.monotonic() - begun, 4 * block_s)  # a round of all floods takes 8
    begun = time.monotonic()
    rig.executor.cancel(quiet)
    until(lambda: not lives_in_log(rig, quiet))
    soon = in_time(time.monotonic() - begun, 4 * block_s)
    for run_id in floods:
        rig.executor.cancel(run_id, 0)
    for _ in range(9):
        rig.finished()
    rig.executor.close()
    assert soon


def lives_in_log(rig: Rig, run_id: int) -> bool:
    """Whether the process that the "start" line of the log names still lives."""
    for line in rig.lines("start", run_id):
        try:
            state = Path(f"/proc/{line.split()[1].rstrip(':')}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        return state != "Z"
    return True


@linux
def test_more_runs_at_once_than_descriptors_for_them_are_spawned_as_others_end(rig: Rig) -> None:
    # A process of its own: what other tests have left open here is not part of what the executor reserves.
    code = f"""
import sys
sys.path[:0] = [{REPO!r}, {REPO + "/tests"!r}]
from pathlib import Path
from support.process import Rig, few_descriptors
rig = Rig(Path(sys.argv[1]))
rig.run("true")  # everything is imported and opened
with few_descriptors(90):  # for some 6 runs at once
    for _ in range(60):
        rig.order("true")
    results = [rig.finished() for _ in range(60)]
print({{(result.spawn_error, result.log_error) for result in results}})
"""
    out = subprocess.run([sys.executable, "-c", code, str(rig.folder)], capture_output=True, text=True, timeout=60)
    assert out.stdout.strip() == "{(None, None)}", out.stderr


def test_a_run_that_waits_for_descriptors_can_be_cancelled_and_keeps_its_place(rig: Rig) -> None:
    first = rig.start("sleep 60")
    with few_descriptors(3):
        waiting = rig.order(f"touch {rig.folder}/ran")
        rig.order("exit 5")
        rig.order("exit 6")
        rig.executor.cancel(waiting, 0)
        result = rig.finished()
        assert (result.spawn_error, result.process) == (Text("cancelled_before_start"), None)
        rig.executor.cancel(first.run_id, 0)
        assert rig.finished().signal is not None
        assert [rig.finished().exit_code, rig.finished().exit_code] == [5, 6]
    assert not (rig.folder / "ran").exists()


def test_a_spawn_without_descriptors_keeps_none_open(rig: Rig) -> None:
    def count() -> int:
        gc.collect()
        return len(os.listdir("/dev/fd"))

    rig.run("true")
    before = count()
    for free in range(9):
        with few_descriptors(free):
            rig.run("true")
    assert count() == before


@linux
def test_deadlines_of_ended_runs_are_not_kept(rig: Rig) -> None:
    def count() -> int:
        gc.collect()
        return sum(isinstance(one, Run) for one in gc.get_objects())

    before = count()
    for _ in range(300):
        rig.order("sleep 0.1", timeout_s=86400.0)
    for _ in range(300):
        assert rig.finished().exit_code == 0
    assert count() < before + 150


def test_the_echo_gets_each_stream_as_it_was_printed_and_may_fail(rig: Rig) -> None:
    got: dict[str, bytes] = {"out": b"", "err": b""}

    def echo(stream: str, block: bytes) -> None:
        got[stream] += block

    rig.run(r"printf 'a\r\033[1mb\377'; printf x >&2", echo)
    assert got == {"out": b"a\r\x1b[1mb\xff", "err": b"x"}

    def broken(stream: str, block: bytes) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    assert rig.run("echo a; echo b", broken).exit_code == 0
    assert rig.lines() == ["a", "b"]


def test_binary_output_is_readable_in_the_log(rig: Rig) -> None:
    rig.run(r"printf '\377\376 \0 \344\270\255 \033[31m\n50%%\r100%%\n'")
    assert rig.lines() == ["\\xff\\xfe \0 中 \x1b[31m", "50%", "100%"]


def test_a_prompt_without_a_line_end_is_in_the_log_within_a_second(rig: Rig) -> None:
    rig.start("printf 'Password: '; sleep 30")
    begun = time.monotonic()
    until(lambda: rig.lines() == ["Password: "])
    assert in_time(time.monotonic() - begun, 1.0)
    rig.executor.cancel(rig.run_id, 0)
    assert rig.finished().signal is not None


def test_output_is_in_the_log_within_a_second_while_the_run_goes_on(rig: Rig) -> None:
    rig.start("echo first; sleep 30")
    begun = time.monotonic()
    until(lambda: rig.lines() == ["first"])
    assert in_time(time.monotonic() - begun, 1.0)
    rig.executor.cancel(rig.run_id, 0)
    rig.finished()


def test_a_process_that_closes_its_output_is_waited_for(rig: Rig) -> None:
    result = rig.run("exec >&- 2>&-; sleep 0.3; exit 5")
    assert result.exit_code == 5
    assert result.duration >= 0.3


@linux
def test_a_sleeping_task_causes_no_wake_up(rig: Rig) -> None:
    before = set(threading.enumerate())
    rig.start("sleep 30", timeout_s=3600.0)
    (thread,) = set(threading.enumerate()) - before
    assert sleeps(thread)
    rig.executor.cancel(rig.run_id, 0)
    rig.finished()


def test_without_pidfd_a_run_ends_all_the_same(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert rig.run("echo hi; exit 4").exit_code == 4
    begun = time.monotonic()
    result = rig.run("trap '' TERM; sleep 60 & echo up; wait; wait", timeout_s=0.3, kill_grace_s=0.2)
    assert (result.timed_out, result.killed, result.signal) == (True, True, 9)
    assert in_time(time.monotonic() - begun, 5)


def test_without_pidfd_and_waitid_a_run_ends_all_the_same(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    monkeypatch.delattr(os, "waitid", raising=False)
    assert rig.run("echo hi; exit 4").exit_code == 4
    assert rig.run("kill -9 $$").signal == 9
    result = rig.run("sleep 60", timeout_s=0.2)
    assert (result.timed_out, result.signal) == (True, 15)


def test_without_epoll_runs_are_held_cancelled_and_ended_all_the_same(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "DefaultSelector", selectors.PollSelector)
    at = time.monotonic() + 0.2
    rig.order("echo hi; exit 4", at=at)
    result = rig.finished()
    assert time.monotonic() >= at
    assert (result.exit_code, rig.lines()) == (4, ["hi"])
    rig.start("sleep 60")
    rig.executor.cancel(rig.run_id)
    assert rig.finished().signal == 15


def test_many_runs_at_once_share_one_log_and_lose_no_line(rig: Rig) -> None:
    log = str(rig.folder / "shared.log")
    for _ in range(8):
        rig.executor.start(rig.spec("for i in 1 2 3 4 5 6 7 8 9; do echo $MINISCHED_RUN_ID $i; done", log=log))
    ended = 0
    while ended < 8:
        ended += isinstance(receive(rig.inbox, 20), RunFinished)
    lines = Path(log).read_text().splitlines()
    for run_id in range(101, 109):
        own = [line.split("] ")[1] for line in lines if f"[{run_id}.1 out]" in line]
        assert own == [f"{run_id} {number}" for number in range(1, 10)]


@linux
def test_a_flood_costs_no_memory_and_is_all_there(rig: Rig) -> None:
    # Its length divides that of each block: a block that ended within a line, before a pause of half a second, which
    # happens on a busy machine, would make two lines of it.
    line = "x" * 127
    rig.run(f"yes {line} | head -c 1280000")
    before = peak_kib(reset=True)
    result = rig.run(f"yes {line} | head -c 200000000")
    assert result.exit_code == 0
    assert peak_kib() - before < 5000  # KiB
    with open(rig.folder / f"{rig.run_id}.log", "rb") as file:
        lines = 0
        for text in file:
            lines += text[29:].startswith(b" [") and text.endswith(b"] " + line.encode() + b"\n")
    assert lines == 200_000_000 // 128
    assert len(result.tail) == 16 * 1024
    os.unlink(rig.folder / f"{rig.run_id}.log")


@linux
def test_a_line_of_100_mb_without_an_end_costs_no_memory(rig: Rig) -> None:
    rig.run("head -c 1000000 /dev/zero")
    before = peak_kib(reset=True)
    result = rig.run("head -c 100000000 /dev/zero")
    assert result.exit_code == 0
    assert peak_kib() - before < 5000
    zeros = 0
    with open(rig.folder / f"{rig.run_id}.log", "rb") as file:
        for text in file:
            assert len(text) < 66_000
            zeros += text.count(b"\0")
    assert zeros == 100_000_000
    os.unlink(rig.folder / f"{rig.run_id}.log")


def test_the_search_path_of_the_task_counts(rig: Rig) -> None:
    tool = rig.folder / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho mine\n")
    tool.chmod(0o755)
    rig.run(["tool"], env={"PATH": f"{tool.parent}:{PATH}"})
    assert rig.lines() == ["mine"]


def test_output_that_is_not_utf8_is_kept_as_utf8_in_log_and_tail(rig: Rig) -> None:
    """GBK, whose characters are cut by the ends of reads; 联通 looks like UTF-8 in part."""
    script = r"printf '\264\355\316\363 \301'; sleep 0.2; printf '\252\315\250\n'; printf '\264\355' >&2"
    result = rig.run(script, output_encoding="gbk")
    assert result.tail.decode().split("\n") in (["错误 联通", "错", ""], ["错", "错误 联通", ""])
    assert (rig.lines("out"), rig.lines("err")) == (["错误 联通"], ["错"])
