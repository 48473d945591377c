"""`minisched exec`: one run in the foreground, recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any, Optional

import pytest

from minisched.executor.procfs import process_identity
from minisched.home import Home as Place
from minisched.home import HomeLock
from minisched.model import ProcessIdentity, Status, TaskAttempt, TaskExecution, Trigger
from minisched.store.reader import History, schema
from support.cli import on_terminal, record, started
from support.programs import Home, alive, environment, eventually
from support.store import ask

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    """Start `exec` with these arguments; if a test fails, it is killed."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(started(home.path, "exec", *arguments))


def pid_of(home: Home) -> int:
    """The pid of the only run, once it is recorded."""
    return eventually(lambda: [one["pid"] for row in home.rows() for one in row["attempts"] if one["pid"]])[0]


def test_exec_shows_logs_and_records_a_run(home: Home) -> None:
    home.write({"task_id": "hello", "task_exec": "echo out; echo err >&2; exit $CODE", "enabled": False})
    done = home.run("exec", "hello", "--env", "CODE=0")
    assert (done.returncode, done.stdout) == (0, "out\n")
    assert done.stderr.startswith("err\nminisched: run 1 of hello: success after ")
    failed = home.run("exec", "hello", "--env", "CODE=75")
    assert failed.returncode == 75 and "technical_failure (exit_code: " in failed.stderr
    first, second = home.rows()
    assert (first["status"], first["trigger"], first["exit_code"]) == ("success", "manual", 0)
    assert (second["status"], second["exit_code"], second["attempt"]) == ("technical_failure", 75, 1)
    assert all(row["attempts"][0]["pid"] for row in (first, second))
    assert "[1.1 out] out" in home.log("hello") and "[1.1 err] err" in home.log("hello")
    assert "[1.1 out] out" in home.run("logs", "--run", "1").stdout


def test_exec_upgrades_no_database_on_which_an_older_engine_runs(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "true"})
    place, database = Place(str(home.path)), home.path / "var/minisched.db"
    place.make_folders()
    with closing(schema.connect(str(database))) as db:
        schema.migrate(db, str(database), schema.MIGRATIONS[:4])
    lock = HomeLock(place)
    lock.write(lock.acquire()._replace(holder=process_identity(os.getpid())))
    done = home.run("exec", "a")
    assert done.returncode == 1 and "restart it if it runs" in done.stderr
    assert ask(database, "SELECT user_version, (SELECT count(*) FROM task_history) FROM pragma_user_version") == [
        (4, 0)
    ]
    lock.release()


def test_a_run_has_the_times_of_its_only_attempt_and_one_row(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "sleep 0.2"})
    assert home.run("exec", "a").returncode == 0
    (row,) = home.rows()
    (attempt,) = row["attempts"]
    for name in ("status", "start_time", "end_time", "duration"):
        assert row[name] == attempt[name]
    assert ask(home.path / "var/minisched.db", "SELECT count(*) FROM task_attempt") == [(0,)]


@pytest.mark.parametrize("code", [0, 1, 2, 75, 255])
def test_the_exit_code_is_that_of_the_task(home: Home, code: int) -> None:
    home.write({"task_id": "a", "task_exec": f"exit {code}"})
    assert home.run("exec", "a").returncode == code


def test_a_signal_and_a_program_that_cannot_start_have_the_exit_code_of_a_shell(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "kill -9 $$"}, {"task_id": "b", "task_exec": ["/no/such/program"]})
    assert home.run("exec", "a").returncode == 128 + 9
    assert home.run("exec", "b").returncode == 1


def test_the_exit_codes_of_the_task_decide_and_a_crash_is_named(home: Home) -> None:
    codes = {"success": [0, 24], "business_failure": [3]}
    home.write(
        {"task_id": "rsync", "task_exec": "exit 24", "task_exit_codes": codes},
        {"task_id": "python", "task_exec": [sys.executable, "-c", "1 / 0"]},
    )
    assert home.run("exec", "rsync").returncode == 0
    crashed = home.run("exec", "python")
    assert crashed.returncode == 1
    assert "not retried; the output looks like a crash" in crashed.stderr
    first, second = home.rows()
    assert (first["status"], first["exit_code"], first["detail"]) == ("success", 24, None)
    assert second["detail"] == {"code": "business_exit_code_crash", "exit_code": 1, "looks_like_crash": True}
    assert "looks like a crash" in home.run("history").stdout


def test_output_into_a_pipe_is_byte_exact(home: Home) -> None:
    data = bytes(range(256)) * 2000 + b"no end of line"
    (home.path / "data").write_bytes(data)
    home.write({"task_id": "a", "task_exec": "cat data; cat data >&2"})
    done = subprocess.run(
        [sys.executable, "-m", "minisched", "--home", str(home.path), "exec", "a"],
        capture_output=True,
        env=environment(),
        check=False,
    )
    assert done.stdout == data
    assert done.stderr.startswith(data) and done.stderr.count(b"minisched: run 1") == 1


def test_output_on_a_terminal_is_escaped(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": r"printf '中文 10%%\r20%%\r\n\033]0;x\007\342\200\256 end\n'"})
    text = on_terminal(80, "exec", "a", home=home.path)
    assert text.startswith("中文 10%\n20%\n\\x1b]0;x\\x07\\u202e end\n")


def test_a_character_that_arrives_in_two_blocks_is_shown_whole(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": r"printf '\344'; sleep 0.2; printf '\270\255\n'"})
    assert on_terminal(80, "exec", "a", home=home.path).startswith("中\n")


def test_a_task_without_a_free_slot_is_refused(home: Home, start: Start) -> None:
    home.write({"task_id": "a", "task_exec": "sleep 60", "task_kill_grace": "1s"})
    first = start("a")
    pid = pid_of(home)
    refused = home.run("exec", "a")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "minisched: a has reached its task_max_instances (1): run 1 is active; wait until it has ended, then try again"
        "\n"
    )
    assert len(home.rows()) == 1
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=20)
    assert not alive(pid)


def test_a_task_whose_lock_is_held_is_refused(home: Home, start: Start) -> None:
    held = {"task_locks": ["db"]}
    home.write(
        {"task_id": "a", "task_exec": "sleep 60", "task_kill_grace": "1s", **held},
        {"task_id": "b", "task_exec": "true", **held},
    )
    first = start("a")
    pid_of(home)
    refused = home.run("exec", "b")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "minisched: b needs lock db, which has 1 holder at most and is held by a, run 1; wait until it is free, then"
        " try again\n"
    )
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=20)
    assert home.run("exec", "b").returncode == 0


def test_of_several_started_at_once_only_one_runs(home: Home, start: Start) -> None:
    home.write({"task_id": "a", "task_exec": f"echo x >> ran; until [ -e {home.path}/go ]; do sleep 0.05; done"})
    processes = [start("a") for _ in range(4)]
    eventually(lambda: sum(process.poll() is not None for process in processes) == 3, "three are refused")
    (home.path / "go").touch()
    for process in processes:
        process.communicate(timeout=30)
    assert (home.path / "ran").read_text() == "x\n"
    assert sorted(process.returncode for process in processes) == [0, 1, 1, 1]
    rows = home.rows()
    assert [row["status"] for row in rows].count("success") == 1
    assert len(rows) == 1  # the others have not started


GONE = ProcessIdentity(2**22 + 1, 5, "an earlier boot")  # above every pid


def left(status: Status, reason: Optional[str] = None, **changes: Any) -> TaskExecution:
    """A run of `a` in the history, whose owner is gone."""
    return TaskExecution("a", Trigger.MANUAL, status, 1e9, reason=reason, **{"owner": GONE, **changes})


def attempts(process: Optional[ProcessIdentity]) -> tuple[TaskAttempt, ...]:
    return (TaskAttempt(1, Status.RUNNING, 1e9, process=process),)


@pytest.mark.parametrize(
    "run",
    [
        left(Status.RETRYING, "exit_code", retry_time=4e9),
        left(Status.QUEUED, "max_running"),
        left(Status.QUEUED, "overlap"),
        left(Status.WAITING),
        left(Status.RUNNING, attempts=attempts(GONE)),
        left(Status.RUNNING, attempts=attempts(None)),
        left(Status.RUNNING, owner=None),
    ],
)
def test_an_unfinished_run_of_a_dead_engine_takes_no_slot(home: Home, run: TaskExecution) -> None:
    home.write({"task_id": "a", "task_exec": "true"})
    record(home.path, run)
    assert home.run("exec", "a").returncode == 0


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (Status.RUNNING, None, 1),
        (Status.RETRYING, "exit_code", 1),
        (Status.QUEUED, "max_running", 1),
        (Status.QUEUED, "lock", 1),
        (Status.QUEUED, "overlap", 0),
        (Status.WAITING, "b", 0),
    ],
)
def test_an_active_run_of_a_live_engine_takes_a_slot(home: Home, status: Status, reason: Any, code: int) -> None:
    home.write({"task_id": "a", "task_exec": "true"})
    record(home.path, left(status, reason, owner=process_identity(os.getpid())))
    assert home.run("exec", "a").returncode == code
    assert len(home.rows()) == 2 - code


@pytest.mark.parametrize("known", [True, False])
def test_a_process_that_outlived_its_engine_takes_a_slot(home: Home, known: bool) -> None:
    """known: the engine has recorded the pid; otherwise only the environment of the process shows its run."""
    home.write({"task_id": "a", "task_exec": "true"})
    env = environment(MINISCHED_RUN_ID="1", MINISCHED_HOME=str(home.path))
    with subprocess.Popen(["sleep", "60"], env=env) as process:
        try:
            record(home.path, left(Status.RUNNING, attempts=attempts(process_identity(process.pid) if known else None)))
            refused = home.run("exec", "a")
            assert refused.returncode == 1 and len(home.rows()) == 1
            assert "run 1 is active" in refused.stderr
            assert "run 1: the program that started it is gone, but its process is still alive" in refused.stderr
        finally:
            process.kill()
    assert home.run("exec", "a").returncode == 0


def test_two_runs_are_active_if_two_are_allowed(home: Home, start: Start) -> None:
    home.write({"task_id": "a", "task_exec": "sleep 0.5", "task_max_instances": 2})
    processes = [start("a") for _ in range(2)]
    outputs = [process.communicate(timeout=20) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_with_term(home: Home, start: Start, number: int) -> None:
    home.write({"task_id": "a", "task_exec": "trap 'echo tidy; exit 0' TERM; sleep 60 & echo ready; wait"})
    process = start("a")
    assert process.stdout and process.stdout.readline() == "ready\n"
    pid = pid_of(home)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (1, "tidy\n")
    assert "minisched: run 1 of a: cancelled (user" in stderr and "Traceback" not in stderr
    (row,) = home.rows()
    assert (row["status"], row["reason"]) == ("cancelled", "user")
    assert not alive(pid)


def test_a_task_that_ignores_term_is_killed_after_its_grace_or_by_a_second_signal(home: Home, start: Start) -> None:
    stubborn = "trap 'echo term' TERM; echo ready; while :; do sleep 0.1; done"
    home.write(
        {"task_id": "soon", "task_exec": stubborn, "task_kill_grace": 0.3},
        {"task_id": "late", "task_exec": stubborn, "task_kill_grace": "1h"},
    )
    for task_id, signals in (("soon", 1), ("late", 2)):
        process = start(task_id)
        assert process.stdout and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "term\n"
        if signals == 2:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 128 + 9
        grace = {"soon": "0.3", "late": "3600"}[task_id]
        assert f"is being stopped: TERM now, KILL after {grace} s; Ctrl-C again kills it at once" in said
        assert ("is being killed" in said) is (signals == 2)
    assert [row["status"] for row in home.rows()] == ["cancelled", "cancelled"]
    assert all(row["attempts"][0]["signal"] == 9 for row in home.rows())


def test_nohup_keeps_a_closed_terminal_from_cancelling(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "echo ready; sleep 0.5; echo done"})
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' HUP; exec {sys.executable} -m minisched --home {home.path} exec a"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    stdout, _ = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (0, "done\n")


def test_a_closed_pipe_does_not_end_the_run(home: Home, start: Start) -> None:
    home.write({"task_id": "a", "task_exec": "echo 1; sleep 0.3; echo 2; sleep 0.3; echo 3; exit 3"})
    process = start("a")
    assert process.stdout and process.stdout.readline() == "1\n"
    process.stdout.close()
    assert process.wait(20) == 3
    assert "Exception" not in process.stderr.read()  # type: ignore[union-attr]
    assert "[1.1 out] 3" in home.log("a") and home.rows()[0]["exit_code"] == 3


def test_without_an_engine_exec_rotates_the_log_as_the_engine_would(home: Home, start: Start) -> None:
    flood = {"task_exec": "head -c 2500000 /dev/zero | tr '\\0' x | fold -w 100", "task_max_instances": 2}
    home.write({"task_id": "a", **flood}, log={"max_bytes": "1MB", "backup_count": 2})
    for _ in range(2):
        assert home.run("exec", "a").returncode == 0
    sizes = [path.stat().st_size for path in (home.path / "logs").glob("a.log*")]
    assert len(sizes) == 3 and max(sizes) <= 2**20


def test_exec_rotates_no_log_that_another_program_may_rotate(home: Home, start: Start) -> None:
    flood = "head -c 1500000 /dev/zero | tr '\\0' x | fold -w 100"
    task = {"task_exec": f"echo begin; test $NAP && exec sleep $NAP; {flood}", "task_max_instances": 2}
    home.write({"task_id": "a", **task}, {"task_id": "b", **task}, log={"max_bytes": "1MB"})
    first = start("a", "--env", "NAP=60")
    eventually(lambda: "begin" in home.log("a"))
    assert home.run("exec", "a").returncode == 0
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=20)
    home.start()
    assert home.run("exec", "b").returncode == 0
    assert max(path.stat().st_size for path in (home.path / "logs").glob("a.log*")) > 2**20
    assert [path.name for path in (home.path / "logs").glob("b.log*")] == ["b.log"]


@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full", "2>&1 | true", ">/dev/full", "<&- >&- 2>&-"])
@pytest.mark.parametrize("code", [0, 1])
def test_a_run_is_recorded_and_decides_the_exit_code_even_if_output_is_lost(
    home: Home, redirect: str, code: int
) -> None:
    home.write(
        {"task_id": "a", "task_exec": f"echo out; echo err >&2; sleep 0.3; echo more >&2; exit {code}"},
        {"task_id": "then", "task_exec": "true", "task_dependencies": ["a"]},
    )
    command = f"{sys.executable} -m minisched --home {home.path} exec a"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} {redirect}"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    (row,) = [row for row in home.rows() if row["task_id"] == "a"]
    assert row["status"] == ("business_failure" if code else "success")
    assert all(f"[1.1 {line}" in home.log("a") for line in ("out] out", "err] err", "err] more"))
    assert ("standard output: No space left on device" in done.stderr) == (redirect == ">/dev/full")
    assert ("err\n" in done.stderr) == (redirect == ">/dev/full")
    history = History(str(home.path / "var" / "minisched.db"))
    assert (("then", "a") in history.tokens()) == (code == 0)
    history.close()


def test_the_result_begins_a_new_line_on_a_terminal(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": r"printf 'no end'"}, {"task_id": "b", "task_exec": r"printf '\344' >&2"})
    assert on_terminal(80, "exec", "a", home=home.path).startswith("no end\nminisched: run 1 of a: success")
    assert on_terminal(80, "exec", "b", home=home.path).startswith("\\xe4\nminisched: run 2 of b: success")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"task_exec": ["/no/such/program"]}, "spawn"),
        ({"task_exec": "true", "task_cwd": "nowhere"}, "spawn"),
        ({"task_exec": "true", "task_env": {"A": {"from_env": "NOT_THERE_AT_ALL"}}}, "NOT_THERE_AT_ALL"),
        ({"task_exec": "sleep 60", "task_timeout": 0.2}, "timeout"),
    ],
)
def test_a_task_that_cannot_run_is_reported_and_recorded(home: Home, fields: dict[str, Any], expected: str) -> None:
    home.write({"task_id": "a", **fields})
    done = home.run("exec", "a")
    assert (
        done.returncode == (128 + 15 if expected == "timeout" else 1)
        and expected in done.stderr
        and "Traceback" not in done.stderr
    )
    assert home.rows()[0]["status"] == "technical_failure"


def test_wrong_arguments_are_reported(home: Home) -> None:
    home.write({"task_id": "backup", "task_exec": "true"})
    unknown = home.run("exec", "bakup")
    assert (unknown.returncode, unknown.stderr) == (1, 'minisched: no task "bakup"; did you mean "backup"?\n')
    for pair in ("A", "=x", ""):
        refused = home.run("exec", "backup", "--env", pair)
        assert refused.returncode == 2 and "expected K=V" in refused.stderr
    assert home.rows() == []


def test_a_success_starts_the_tasks_that_depend_on_it(home: Home) -> None:
    home.write(
        {"task_id": "first", "task_exec": "true"},
        {"task_id": "then", "task_exec": "echo then", "task_dependencies": ["first"]},
    )
    home.start()
    assert home.run("exec", "first").returncode == 0
    eventually(lambda: [row for row in home.ended("then") if row["trigger"] == "dependency"], "the engine starts it")


def test_the_run_of_a_killed_exec_is_shown_as_interrupted(home: Home, start: Start) -> None:
    home.write({"task_id": "a", "task_exec": "exec sleep 60"})
    process = start("a")
    pid = pid_of(home)
    process.kill()
    process.communicate()
    (seen,) = home.json("list")
    assert (seen["current_status"], seen["reason"]) == ("technical_failure", "interrupted")
    os.kill(pid, signal.SIGKILL)
