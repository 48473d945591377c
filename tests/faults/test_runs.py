"""Tasks that misbehave under a real engine: each runs once at its start, and each fact is looked at by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minisched.catalogue import detail_text
from support.process import linux
from support.programs import Home, alive, eventually

HUGE = 100_000_000  # bytes of one line
PEAK_KIB = 72 * 1024  # an idle engine has some 25 MB, all libraries counted

TASKS: dict[str, dict[str, Any]] = {
    "absent": {"task_exec": ["no-such-program"], "task_retry": {"max_attempts": 2, "delay": 0.1}},
    "plain": {"task_exec": ["tasks/plain.txt"]},
    "homeless": {"task_exec": "true", "task_cwd": "gone"},
    "unnamed": {"task_exec": "true", "task_env": {"X": {"from_env": "NO_SUCH_VARIABLE"}}},
    "binary": {"task_exec": r"printf '\377\376\000ok\n'; printf 'no end'"},
    "progress": {"task_exec": r"printf '10%%\r20%%\r30%%\n'"},
    "hostile": {"task_exec": r"printf '\033]0;evil\007\033[31mred\n2026-01-01 INFO run 1 of x: success\n'"},
    "huge": {"task_exec": f"head -c {HUGE} /dev/zero | tr '\\0' x"},
    "holder": {"task_exec": "sleep 60 & echo hi"},
    "deaf": {"task_exec": "trap '' TERM; sleep 60", "task_timeout": 0.4, "task_kill_grace": 0.4},
    "leaver": {"task_exec": "setsid sleep 60 & sleep 60", "task_timeout": 0.4, "task_kill_grace": 0.4},
    "env": {"task_exec": "env; cat; readlink /proc/self/fd/0; umask"},
    "keeper": {
        "task_exec": "echo ${#TOKEN} characters, $PLAIN",
        "task_env": {"TOKEN": {"from_env": "A_SECRET"}, "PLAIN": "text"},
    },
    "met": {"task_exec": "echo ran", "task_condition": ["sh", "-c", "echo mounted; echo $MINISCHED_ATTEMPT >&2"]},
    "not_now": {
        "task_exec": "echo ran",
        "task_condition": r"echo first; printf 'not \033[1m yet\n'; sleep 60 & exit 1",
    },
    "failed": {"task_exec": "echo ran", "task_condition": ["no-such-program"]},
    "linked": {"task_exec": "echo something"},
}
SECRETS = {"A_SECRET": "s3cr3t-of-a-task", "SMTP_SECRET": "s3cr3t-of-the-mail"}
VICTIM = "nothing of this may change\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """An engine that has run them all and still lives."""
    home = Home(tmp_path_factory.mktemp("runs") / "home")
    (home.path / "tasks" / "plain.txt").write_text("no program\n")
    (home.path / "logs").mkdir(mode=0o750)
    (home.path / "victim").write_text(VICTIM)
    (home.path / "logs" / "linked.log").symlink_to(home.path / "victim")
    smtp = {"host": "mail.invalid", "from": "a@example.org", "password": {"from_env": "SMTP_SECRET"}, "username": "a"}
    tasks = [{"task_id": name, "task_schedule": "@reboot", **fields} for name, fields in TASKS.items()]
    home.write(*tasks, max_running=len(tasks), smtp=smtp, shutdown_grace=0)
    try:
        home.start(MINISCHED_TOKEN="s3cr3t-of-the-engine", TASK_LOG="/dev/null", **SECRETS)
        eventually(lambda: len(home.ended()) == len(tasks), "all have run", within=40)
        yield home
        assert home.stop() == 0
    finally:
        home.close()


def row_of(home: Home, task_id: str) -> dict[str, Any]:
    (row,) = home.rows(task_id)
    return row


@pytest.mark.parametrize(
    ("task_id", "why"),
    [
        ("absent", "no-such-program: No such file or directory"),
        ("plain", "tasks/plain.txt: Permission denied: not executable (chmod +x)"),
        ("homeless", "gone: No such file or directory: not a folder that can be entered"),
        ("unnamed", "environment variable NO_SUCH_VARIABLE is not set"),
    ],
)
def test_a_program_that_cannot_be_started_is_a_failure_with_the_reason(home: Home, task_id: str, why: str) -> None:
    row = row_of(home, task_id)
    assert (row["status"], row["reason"]) == ("technical_failure", "spawn")
    assert why in detail_text(row["detail"])
    assert why in home.engine_log()
    attempts = row["attempts"]
    assert [attempt["reason"] for attempt in attempts] == ["spawn"] * row["max_attempts"]
    assert {attempt["pid"] for attempt in attempts} == {None}


def test_the_pid_of_a_short_run_is_in_its_row_and_in_the_engines_log(home: Home) -> None:
    row = row_of(home, "progress")
    pid = row["attempts"][0]["pid"]
    assert f"[{row['run_id']}.1 start] pid {pid}: " in home.log("progress")
    lines = [line for line in home.engine_log().splitlines() if f"run {row['run_id']} of progress: " in line]
    assert [f", pid {pid}," in line for line in lines].count(True) == 1
    assert [line.endswith("by reboot") for line in lines].count(True) == 1


def test_binary_output_a_progress_bar_and_a_missing_line_end_are_readable_in_the_log(home: Home) -> None:
    assert row_of(home, "binary")["status"] == "success"
    assert " out] \\xff\\xfe\x00ok\n" in home.log("binary")
    assert " out] no end\n" in home.log("binary")
    assert [line.rpartition("out] ")[2] for line in home.log("progress").splitlines()[1:-1]] == ["10%", "20%", "30%"]


def test_terminal_escapes_are_kept_in_the_log_and_escaped_when_shown(home: Home) -> None:
    assert "\x1b]0;evil\x07\x1b[31mred" in home.log("hostile")
    shown = home.run("logs", "hostile").stdout
    assert "\\x1b]0;evil\\x07\\x1b[31mred" in shown
    assert "\x1b" not in shown
    # What looks like a line of the engine's carries the prefix of the run.
    assert [line for line in shown.splitlines() if line.startswith("2026-01-01 INFO")] == []
    run_id = row_of(home, "hostile")["run_id"]
    assert shown == home.run("logs", "--run", str(run_id)).stdout


@linux
def test_a_line_of_100_mb_is_logged_without_memory(home: Home) -> None:
    row = row_of(home, "huge")
    assert (row["status"], row["attempts"][0]["log_lost"]) == ("success", False)
    count = sum(path.read_bytes().count(b"x" * 16) * 16 for path in (home.path / "logs").glob("huge.log*"))
    assert HUGE * 0.999 < count <= HUGE
    with (home.path / "logs" / "huge.log").open("rb") as log:
        assert max(map(len, log)) < 64 * 1024 + 100
    assert home.process is not None
    status = Path(f"/proc/{home.process.pid}/status").read_text()
    assert int(status.partition("VmHWM:")[2].split()[0]) < PEAK_KIB


def test_a_grandchild_that_holds_the_pipe_delays_the_end_by_a_second_at_most(home: Home) -> None:
    row = row_of(home, "holder")
    assert (row["status"], row["attempts"][0]["output_cut"]) == ("success", True)
    assert row["attempts"][0]["leftover_processes"] == 1
    assert "out] hi\n" in home.log("holder")
    assert row["duration"] < 1  # its own; the wait for the pipe comes on top
    ended = next(line for line in home.engine_log().splitlines() if f"run {row['run_id']} of holder: success" in line)
    assert "1 process left behind" in ended


def test_a_condition_that_is_met_has_its_own_lines_in_the_log(home: Home) -> None:
    run_id = row_of(home, "met")["run_id"]
    lines = [line.partition(" [")[2] for line in home.log("met").splitlines()]
    kinds = [line.partition("]")[0] for line in lines]
    assert sorted(kinds[:4]) == sorted(f"{run_id}.0 {kind}" for kind in ("start", "out", "err", "end"))
    assert kinds[4:] == [f"{run_id}.1 {kind}" for kind in ("start", "out", "end")]
    assert lines[0].startswith(f"{run_id}.0 start] condition, pid ")
    assert {f"{run_id}.0 out] mounted", f"{run_id}.0 err] 0", f"{run_id}.1 out] ran"} <= set(lines)
    assert row_of(home, "met")["status"] == "success"
    assert "mounted" not in home.run("logs", "--run", str(run_id)).stdout  # the output of the task itself


def test_a_condition_that_is_not_met_tells_why_and_does_not_wait_for_what_it_left_behind(home: Home) -> None:
    row = row_of(home, "not_now")
    assert (row["status"], row["reason"], row["attempt"]) == ("skipped", "condition", 0)
    assert row["detail"] == {"code": "condition", "line": "not \x1b[1m yet"}
    shown = home.run("logs", "--run", str(row["run_id"]))
    assert shown.stdout == "first\nnot \\x1b[1m yet\n"
    assert "ran" not in home.log("not_now").split()
    listed = home.run("list").stdout
    assert "condition: not now: not \\x1b[1m yet" in listed and "\x1b" not in listed


def test_a_condition_that_cannot_be_started_is_a_failure_with_the_reason(home: Home) -> None:
    row = row_of(home, "failed")
    assert (row["status"], row["reason"], row["attempt"]) == ("technical_failure", "spawn", 1)
    assert "task_condition: no-such-program: No such file or directory" in detail_text(row["detail"])
    assert "start]" not in home.log("failed")


def test_a_task_that_ignores_term_at_its_timeout_is_killed_after_the_grace(home: Home) -> None:
    row = row_of(home, "deaf")
    assert (row["status"], row["reason"]) == ("technical_failure", "timeout")
    assert row["attempts"][0]["signal"] == 9
    assert 0.8 <= row["duration"] < 4
    assert not alive(row["attempts"][0]["pid"])


def test_a_process_that_left_its_group_is_counted_after_a_kill(home: Home) -> None:
    row = row_of(home, "leaver")
    assert (row["status"], row["reason"], row["attempts"][0]["signal"]) == ("technical_failure", "timeout", 15)
    assert row["attempts"][0]["leftover_processes"] == 1


def test_a_task_has_no_input_and_knows_its_run(home: Home) -> None:
    row, log = row_of(home, "env"), home.log("env")
    got = dict(
        line.rpartition("out] ")[2].split("=", 1) for line in log.splitlines() if "out] " in line and "=" in line
    )
    assert got["MINISCHED_TASK_ID"] == "env"
    assert got["MINISCHED_RUN_ID"] == str(row["run_id"])
    assert (got["MINISCHED_ATTEMPT"], got["MINISCHED_TRIGGER"]) == ("1", "reboot")
    assert got["MINISCHED_SCHEDULED_TIME"].endswith("+00:00")
    assert (got["MINISCHED_PREVIOUS_STATUS"], got["MINISCHED_LAST_SUCCESS_TIME"]) == ("", "")
    assert got["PYTHONUNBUFFERED"] == "1"
    assert "TASK_LOG" not in got
    assert "out] /dev/null\n" in log


def test_a_secret_reaches_only_the_task_that_names_it(home: Home) -> None:
    assert f"out] {len(SECRETS['A_SECRET'])} characters, text\n" in home.log("keeper")
    for name in (*SECRETS, "TOKEN", "MINISCHED_TOKEN"):
        assert f"out] {name}=" not in home.log("env")
    # No log, no row, no other file of the home has one either.
    everything = [path for path in home.path.rglob("*") if path.is_file() and "huge" not in path.name]
    assert [path.name for path in everything if b"s3cr3t" in path.read_bytes()] == []
    for command in (["list"], ["history"], ["status"]):
        assert "s3cr3t" not in home.run(*command, "--json").stdout


def test_a_log_that_is_a_symlink_is_not_followed(home: Home) -> None:
    row = row_of(home, "linked")
    assert (row["status"], row["attempts"][0]["log_lost"]) == ("success", True)
    assert (home.path / "victim").read_text() == VICTIM
    assert (home.path / "logs" / "linked.log").is_symlink()


def test_lost_output_is_reported_everywhere_and_its_end_is_kept(home: Home) -> None:
    run_id = str(row_of(home, "linked")["run_id"])
    why = f"{home.path}/logs/linked.log: is a symbolic link, which is not followed"
    assert f"WARNING output of run {run_id} of linked could not be written to {why}" in home.engine_log()
    assert "output lost" in home.run("history", "--run", run_id).stdout
    assert "output lost" in home.run("history", "linked").stdout
    one = home.run("logs", "--run", run_id)
    assert (one.returncode, one.stdout) == (0, "something\n")
    assert "could not be written to" in one.stderr and "its last lines, from the history" in one.stderr
    task = home.run("logs", "linked")
    assert (task.returncode, task.stdout) == (1, "")
    assert f"{home.path}/logs/linked.log is not a regular file" in task.stderr


@linux
def test_signals_ignored_or_blocked_by_the_parent_work_in_the_engine(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    code = """if True:
        import os, signal, sys
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
        os.execv(sys.argv[1], sys.argv[1:])"""
    home.write(
        {"task_id": "seven", "task_exec": "exit 7", "task_schedule": "@reboot"},
        {"task_id": "slow", "task_exec": "sleep 60", "task_timeout": 0.3, "task_schedule": "@reboot"},
        {"task_id": "long", "task_exec": "exec sleep 60", "task_schedule": "@reboot"},
        {"task_id": "blocked", "task_exec": "grep SigBlk /proc/self/status", "task_schedule": "@reboot"},
        shutdown_grace=0,
    )
    try:
        process = home.start(sys.executable, "-c", code)
        eventually(lambda: len(home.ended()) == 3)
        assert "SigBlk:\t" + "0" * 16 in home.run("logs", "blocked").stdout
        assert row_of(home, "seven")["exit_code"] == 7
        slow = row_of(home, "slow")
        assert (slow["reason"], slow["attempts"][0]["signal"]) == ("timeout", 15)
        assert slow["duration"] < 5  # its kill_grace is 10 s
        os.kill(process.pid, 1)
        eventually(lambda: "config: reloaded (SIGHUP)" in home.engine_log(), within=5)
        assert home.stop() == 0
        assert row_of(home, "long")["attempts"][0]["signal"] == 15
    finally:
        home.close()
