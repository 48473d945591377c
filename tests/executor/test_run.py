"""A process from its start to its end: what it gets, what it prints, how it ended. Real processes only."""

from __future__ import annotations

import ast
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from minisched.model import RunFinished, RunStarted
from support.process import PATH, REPO, Rig, linux, sleeps, until


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def peak_kib(anew: bool = False) -> int:
    """The most memory that this process had, since the last call with `anew`."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def test_a_run_is_told_by_its_exit_code_and_logged_with_start_and_end(rig: Rig) -> None:
    begun = time.time()
    completion = rig.run("echo hello; echo oops >&2; exit 7")
    assert (completion.exit_code, completion.signal, completion.spawn_error) == (7, None, None)
    assert not (completion.timed_out or completion.cancelled or completion.killed or completion.output_cut)
    assert (completion.leftover_processes, completion.log_lost) == (0, False)
    assert begun - 1 < completion.end_time < time.time() + 1
    assert 0 < completion.duration < 5
    assert sorted(completion.tail.split()) == [b"hello", b"oops"]
    assert rig.lines("start")[0].split(": ", 1)[1] == "echo hello; echo oops >&2; exit 7"
    assert rig.lines("out") == ["hello"]
    assert rig.lines("err") == ["oops"]
    assert rig.lines("end") == [f"exit 7 after {completion.duration:.3f} s"]


def test_a_death_by_a_signal_is_told_by_its_number(rig: Rig) -> None:
    completion = rig.run("kill -9 $$")
    assert (completion.exit_code, completion.signal) == (None, 9)
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
from minisched.executor import prepare_process
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
completion = Rig(Path(sys.argv[1])).run("exit 0")
print(completion.exit_code, completion.signal, completion.spawn_error)
"""
    out = subprocess.run([sys.executable, "-c", code, str(rig.folder)], capture_output=True, text=True, timeout=30)
    assert out.stdout.strip() == "None None its exit status is lost: somebody else reaped it", out.stderr


def test_a_started_run_posts_its_start_and_exactly_one_end(rig: Rig) -> None:
    started = rig.start("read x; exit 3")
    assert started.run_id == rig.run_id
    assert started.process.pid > 1
    assert started.log is not None
    completion = rig.finished()
    assert completion.exit_code == 1 or completion.exit_code == 3
    assert completion.log == started.log
    assert rig.executor.live() == ()
    with pytest.raises(queue.Empty):
        rig.inbox.get(timeout=0.05)


def test_runs_have_threads_of_their_own_name_that_end_with_them(rig: Rig) -> None:
    stack = threading.stack_size()
    rig.start("sleep 0.3")
    names = [thread.name for thread in threading.enumerate() if thread.daemon]
    assert f"run-{rig.run_id}" in names
    assert rig.executor.live() == (rig.run_id,)
    assert threading.stack_size() == stack
    rig.finished()
    until(lambda: f"run-{rig.run_id}" not in [thread.name for thread in threading.enumerate()])


def test_what_breaks_inside_ends_the_run_and_leaves_no_process(rig: Rig) -> None:
    def post(message: object) -> None:
        if isinstance(message, RunStarted):
            rig.inbox.put(message)
            raise RuntimeError("broken inside")
        assert isinstance(message, RunFinished)
        rig.inbox.put(message)

    rig.executor._post = post
    started = rig.start("sleep 60")
    completion = rig.finished()
    assert "broken inside" in str(completion.spawn_error)
    with pytest.raises(ProcessLookupError):
        os.kill(started.process.pid, 0)


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
    assert time.monotonic() - begun < 1.0
    rig.executor.cancel(rig.run_id, 0)
    assert rig.finished().signal is not None


def test_output_is_in_the_log_within_a_second_while_the_run_goes_on(rig: Rig) -> None:
    rig.start("echo first; sleep 30")
    begun = time.monotonic()
    until(lambda: rig.lines() == ["first"])
    assert time.monotonic() - begun < 1.0
    rig.executor.cancel(rig.run_id, 0)
    rig.finished()


def test_a_process_that_closes_its_output_is_waited_for(rig: Rig) -> None:
    completion = rig.run("exec >&- 2>&-; sleep 0.3; exit 5")
    assert completion.exit_code == 5
    assert completion.duration >= 0.3


@linux
def test_a_sleeping_task_wakes_nobody(rig: Rig) -> None:
    rig.start("sleep 30", timeout_s=3600.0)
    thread = next(thread for thread in threading.enumerate() if thread.name == f"run-{rig.run_id}")
    assert sleeps(thread)
    rig.executor.cancel(rig.run_id, 0)
    rig.finished()


def test_without_pidfd_a_run_ends_all_the_same(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert rig.run("echo hi; exit 4").exit_code == 4
    begun = time.monotonic()
    completion = rig.run("trap '' TERM; sleep 60 & echo up; wait; wait", timeout_s=0.3, kill_grace_s=0.2)
    assert (completion.timed_out, completion.killed, completion.signal) == (True, True, 9)
    assert time.monotonic() - begun < 5


def test_without_pidfd_and_waitid_a_run_ends_all_the_same(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    monkeypatch.delattr(os, "waitid", raising=False)
    assert rig.run("echo hi; exit 4").exit_code == 4
    assert rig.run("kill -9 $$").signal == 9
    completion = rig.run("sleep 60", timeout_s=0.2)
    assert (completion.timed_out, completion.signal) == (True, 15)


def test_many_runs_at_once_share_one_log_and_lose_no_line(rig: Rig) -> None:
    log = str(rig.folder / "shared.log")
    for _ in range(8):
        rig.executor.start(rig.launch("for i in 1 2 3 4 5 6 7 8 9; do echo $MINISCHED_RUN_ID $i; done", log=log))
    ended = 0
    while ended < 8:
        ended += isinstance(rig.inbox.get(timeout=20), RunFinished)
    lines = Path(log).read_text().splitlines()
    for run_id in range(101, 109):
        own = [line.split("] ")[1] for line in lines if f"[{run_id}.1 out]" in line]
        assert own == [f"{run_id} {number}" for number in range(1, 10)]


@linux
def test_a_flood_costs_no_memory_and_is_all_there(rig: Rig) -> None:
    line = "x" * 99
    rig.run(f"yes {line} | head -c 1000000")
    before = peak_kib(anew=True)
    completion = rig.run(f"yes {line} | head -c 200000000")
    assert completion.exit_code == 0
    assert peak_kib() - before < 5000  # KiB
    with open(rig.folder / f"{rig.run_id}.log", "rb") as file:
        lines = 0
        for text in file:
            lines += text[29:].startswith(b" [") and text.endswith(b"] " + line.encode() + b"\n")
    assert lines == 2_000_000
    assert len(completion.tail) == 16 * 1024
    os.unlink(rig.folder / f"{rig.run_id}.log")


@linux
def test_a_line_of_100_mb_without_an_end_costs_no_memory(rig: Rig) -> None:
    rig.run("head -c 1000000 /dev/zero")
    before = peak_kib(anew=True)
    completion = rig.run("head -c 100000000 /dev/zero")
    assert completion.exit_code == 0
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
