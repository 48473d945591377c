"""Who a process is, what a crash leaves behind, and orphans of PID 1."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minisched.executor.process import BoundedResult, run_bounded
from minisched.executor.procfs import is_alive, kill_leftover, marked_processes, process_identity, read_stat
from minisched.model import ProcessIdentity
from support.process import PATH, REPO, Rig, linux, root, until

pytestmark = linux


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def start(processes: list[subprocess.Popen[bytes]], command: str, run_id: int, home: str) -> subprocess.Popen[bytes]:
    env = {"PATH": PATH, "MINISCHED_RUN_ID": str(run_id), "MINISCHED_HOME": home}
    process = subprocess.Popen(["/bin/sh", "-c", command], env=env, start_new_session=True)
    processes.append(process)
    return process


def test_a_process_is_told_from_a_later_one_with_its_pid() -> None:
    identity = process_identity(os.getpid())
    assert is_alive(identity)
    assert not is_alive(identity._replace(start_ticks=identity.start_ticks + 1))
    assert not is_alive(identity._replace(boot_id="another boot"))
    assert not is_alive(ProcessIdentity(os.getpid(), 0, ""))
    assert is_alive(ProcessIdentity(os.getpid(), 0, ""), assume=True)
    assert process_identity(2**22 + 1) == ProcessIdentity(2**22 + 1, 0, "")


@pytest.mark.parametrize("assume", [False, True])
@pytest.mark.parametrize("start_ticks", [0, 1])
@pytest.mark.parametrize("pid", [-(2**63), -1, 0, 2**31, 2**63 - 1])
def test_what_is_no_pid_is_no_living_process(pid: int, start_ticks: int, assume: bool) -> None:
    own = process_identity(os.getpid())
    assert not is_alive(own._replace(pid=pid, start_ticks=start_ticks), assume=assume)
    assert not is_alive(own._replace(pid=pid, start_ticks=start_ticks, namespace=own.namespace + 1), assume=assume)


def test_a_process_of_another_namespace_is_assumed_alive_and_never_signalled(
    processes: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    process = start(processes, "exec sleep 60", 1, "/elsewhere")
    identity = process_identity(process.pid)
    assert identity.namespace == os.stat("/proc/self/ns/pid").st_ino
    other = identity._replace(namespace=identity.namespace + 1)
    assert is_alive(other, assume=True)
    assert not is_alive(other)
    assert kill_leftover(other, 1, str(tmp_path)) == 0
    assert process.poll() is None
    assert is_alive(identity._replace(namespace=0))  # written by an older version
    assert not is_alive(other._replace(boot_id="another boot"), assume=True)  # gone with that boot


def test_a_zombie_is_dead(processes: list[subprocess.Popen[bytes]]) -> None:
    process = start(processes, "exec sleep 60", 1, "/h")
    identity = process_identity(process.pid)
    assert is_alive(identity)
    process.kill()
    until(lambda: not is_alive(identity))
    found = read_stat(process.pid)
    assert found is not None
    assert found.state == "Z"


def test_a_name_with_parentheses_does_not_confuse(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([str(program), "60"]) as process:
        found = until(lambda: read_stat(process.pid))
        assert found.parent == os.getpid()
        assert found.start_ticks == process_identity(process.pid).start_ticks > 1000
        process.kill()


def test_a_leftover_is_killed_with_its_group_and_what_left_the_group(
    processes: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    home = str(tmp_path)
    leftover = start(processes, f"sleep 60 & setsid sh -c 'echo $$ >{home}/pid; exec sleep 60' & wait", 42, home)
    other_run = start(processes, "exec sleep 60", 43, home)
    other_home = start(processes, "exec sleep 60", 42, home + "2")
    until(lambda: (tmp_path / "pid").exists() and len(marked_processes(42, home)) >= 3)
    identity = process_identity(leftover.pid)
    assert kill_leftover(identity, 42, home) >= 3
    assert not is_alive(identity)
    assert not marked_processes(42, home)
    assert other_run.poll() is None
    assert other_home.poll() is None
    assert kill_leftover(identity, 42, home) == 0


def test_a_leftover_without_a_known_process_is_found_by_its_marker(
    processes: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    process = start(processes, "exec sleep 60", 44, str(tmp_path))
    until(lambda: marked_processes(44, str(tmp_path)))
    assert kill_leftover(None, 44, str(tmp_path)) == 1
    assert process.wait(5) == -signal.SIGKILL


def test_a_reused_pid_is_not_killed(processes: list[subprocess.Popen[bytes]]) -> None:
    stranger = start(processes, "exec sleep 60", 1, "/h")
    identity = process_identity(stranger.pid)
    assert kill_leftover(identity._replace(start_ticks=identity.start_ticks - 5), 99, "/nowhere") == 0
    assert stranger.poll() is None


def test_an_engine_that_a_task_started_does_not_kill_itself(tmp_path: Path) -> None:
    code = f"""
import os, sys
sys.path.insert(0, {REPO!r})
from minisched.executor.procfs import kill_leftover, process_identity
print(kill_leftover(process_identity(os.getppid()), 7, sys.argv[1]), flush=True)
"""
    env = {**os.environ, "MINISCHED_RUN_ID": "7", "MINISCHED_HOME": str(tmp_path)}
    shell = ["/bin/sh", "-c", '"$@"; echo lived', "sh", sys.executable, "-c", code, str(tmp_path)]
    out = subprocess.run(shell, env=env, capture_output=True, text=True, timeout=30, start_new_session=True)
    assert out.stdout.split() == ["0", "lived"], out


def test_orphans_of_pid_1_are_reaped_and_the_runs_own_status_is_kept(tmp_path: Path) -> None:
    code = f"""
import sys, time
sys.path[:0] = [{REPO!r}, {REPO + "/tests"!r}]
from pathlib import Path
from minisched.executor.procfs import ProcessTable
from support.process import Rig
rig = Rig(Path(sys.argv[1]))
rig.start("for i in 1 2 3 4 5; do (sleep 0.1 & ) ; done; sleep 1.5; exit 7", timeout_s=20.0)
reaped, deadline = 0, time.monotonic() + 15
while (reaped < 5 or rig.executor.live()) and time.monotonic() < deadline:
    reaped += rig.executor.reap_orphans()
    time.sleep(0.05)
result = rig.finished()
print(reaped, result.exit_code, [found for found in ProcessTable().processes if found.state == "Z"])
"""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare")
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", code, str(tmp_path)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "unshare" in out.stderr:
        pytest.skip(out.stderr.strip())
    assert out.stdout.strip() == "5 7 []", out.stderr


def test_helpers_of_this_program_are_not_taken_for_orphans(rig: Rig) -> None:
    """Not even a process of its own session that a thread is about to reap, after what it left behind was drained."""
    helper = subprocess.Popen(["/bin/sh", "-c", "exit 3"])
    results: list[BoundedResult] = []
    command = ["/bin/sh", "-c", "sleep 60 & echo $!; exit 4"]
    thread = threading.Thread(
        target=lambda: results.append(run_bounded(command, str(rig.folder), os.environ, b"", 20, 1, 100))
    )
    thread.start()
    while not results:
        assert rig.executor.reap_orphans() == 0
        time.sleep(0.05)
    thread.join()
    assert (helper.wait(), results[0].status) == (3, 4)
    os.kill(int(results[0].output), signal.SIGKILL)


@root
def test_a_pid_used_again_is_told_apart(tmp_path: Path) -> None:
    """In a pid namespace of its own, where the next pid can be chosen, because pids are reused."""
    code = f"""
import subprocess, sys
sys.path.insert(0, {REPO!r})
from minisched.executor.procfs import is_alive, kill_leftover, process_identity
import time
first = subprocess.Popen(["sleep", "60"])
identity = process_identity(first.pid)
first.kill(); first.wait()
time.sleep(0.05)  # start times are counted in 10 ms
with open("/proc/sys/kernel/ns_last_pid", "w") as file:
    file.write(str(first.pid - 1))
second = subprocess.Popen(["sleep", "60"])
print(second.pid == first.pid, is_alive(identity), kill_leftover(identity, 1, "/h"), second.poll())
second.kill(); second.wait()
"""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", code]
    out = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if out.returncode or out.stdout.startswith("False"):
        pytest.skip(f"the next pid cannot be chosen here: {out.stderr.strip()[-200:]}")
    assert out.stdout.split() == ["True", "False", "0", "None"]
