"""Commands with real processes: their input, the output that is kept, and that none exceeds its time limit."""

import json
import os
import signal
import sys

import pytest

from minisched.model.notification import SendStatus
from minisched.notify import deliver
from minisched.notify.local import run_command
from support.notify import MESSAGE_ID, VARIABLES, Watch, message, said, send_request, words
from support.process import linux
from support.programs import alive, eventually, in_time


def run(task_exec, home, sample=None, timeout_s=5.0, environ=None, grace_s=2.0):
    channel = {"type": "command", "task_exec": task_exec}
    return run_command(send_request(channel, sample, None, str(home), environ), timeout_s, grace_s)


def gone(pid):
    """Whether a process ends within a moment."""
    return eventually(lambda: not alive(int(pid)))


def test_a_command_gets_the_message_as_json_on_its_standard_input(tmp_path):
    result = run("cat > got.json; echo taken; echo by me >&2", tmp_path, message("test", task_name='a"\n中\x1b'))
    assert said(result) == (SendStatus.SENT, "", "taken\nby me", None)
    (line,) = (tmp_path / "got.json").read_text().splitlines()
    got = json.loads(line)
    assert got["delivery"] == MESSAGE_ID and got["event"] == "test" and got["test"] is True
    assert {name: got[name] for name in VARIABLES} == {**VARIABLES, "task_name": 'a"\n中\\x1b'}


def test_a_relative_program_starts_from_the_home(tmp_path):
    script = tmp_path / "notify.sh"
    script.write_text('#!/bin/sh\necho "$@" in "$PWD"\n')
    script.chmod(0o755)
    assert run(["./notify.sh", "a b"], tmp_path).answer == f"a b in {tmp_path}"
    assert run(["echo", "$HOME"], tmp_path).answer == "$HOME"


def test_a_command_has_the_environment_of_a_task_without_secrets(tmp_path):
    result = run("env", tmp_path, environ={"HOOK_TOKEN": "hunter2", "PATH": "/nowhere"})
    env = dict(line.split("=", 1) for line in result.answer.splitlines())
    assert {name: value for name, value in env.items() if name.startswith("MINISCHED")} == {
        "MINISCHED_HOME": str(tmp_path),
        "MINISCHED_TASK_ID": "nightly_backup",
    }
    assert env["PATH"] == os.environ["PATH"] and "HOOK_TOKEN" not in env


@pytest.mark.parametrize(
    "task_exec, error",
    [
        ("echo no; exit 3", "the command ended with exit code 3"),
        ("echo no; kill -9 $$", "the command was ended by signal 9"),
        ("tasks/none a 2>/dev/null", "the command ended with exit code 127: tasks/none: No such file or directory"),
        (["tasks/none", "a"], "the command could not be started: tasks/none: No such file or directory"),
        (["/"], "the command could not be started: /: is a folder, not a program"),
    ],
)
def test_any_result_but_exit_code_0_is_retried(task_exec, error, tmp_path):
    result = run(task_exec, tmp_path)
    assert (result.state, words(result)) == (SendStatus.RETRY, error)
    assert result.answer == ("no" if "echo no" in task_exec else "")


def test_the_end_of_the_output_is_kept(tmp_path):
    program = "import sys; sys.stdout.write('中' * 100000 + '\\x1b end\\n')"
    result = run([sys.executable, "-X", "utf8", "-c", program], tmp_path)
    assert result.state is SendStatus.SENT and result.answer.endswith("中\\x1b end")
    assert 400 < len(result.answer.encode()) <= 500


@linux
def test_a_command_blocks_no_signal_that_the_engine_blocks(tmp_path):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    try:
        assert run("grep SigBlk /proc/self/status", tmp_path).answer.split() == ["SigBlk:", "0" * 16]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_command_that_reads_no_input_can_succeed(tmp_path):
    big = message(execution_log_tail="x" * 200_000)
    assert run("exec <&-; sleep 0.1; exit 0", tmp_path, big).state is SendStatus.SENT
    assert run("sleep 0.1", tmp_path, big).state is SendStatus.SENT


def test_a_command_that_takes_too_long_is_ended_with_its_group(tmp_path):
    watch = Watch()
    result = run("sleep 60 & echo $! $$; wait", tmp_path, timeout_s=0.3)
    assert in_time(watch.seconds, 2)
    assert result.state is SendStatus.RETRY and "took longer than 0.3 s" in words(result)
    assert all(gone(pid) for pid in result.answer.split())


def test_a_command_that_ignores_term_is_killed(tmp_path):
    watch = Watch()
    result = run("trap '' TERM; echo $$; while :; do sleep 0.1; done", tmp_path, timeout_s=0.3, grace_s=0.3)
    assert watch.seconds > 0.55 and in_time(watch.seconds, 3)
    assert result.state is SendStatus.RETRY and gone(result.answer)


def test_a_process_left_behind_delays_nothing(tmp_path):
    watch = Watch()
    result = run("sleep 60 & echo $!", tmp_path)
    assert result.state is SendStatus.SENT and in_time(watch.seconds, 2)
    os.kill(int(result.answer), signal.SIGKILL)


def test_no_file_descriptor_is_left_open(tmp_path):
    before = os.listdir("/proc/self/fd")
    for task_exec in ("true", "exit 1", ["none"]):
        run(task_exec, tmp_path)
    run("sleep 60", tmp_path, timeout_s=0.1)
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert deliver(send_request({"type": "command", "task_exec": "true"}, home=str(tmp_path))).state is SendStatus.SENT
