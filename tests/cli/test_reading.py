"""`list`, `status`, `history`: every state, and homes in every condition."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from minisched.cli.view import due_times, next_start
from minisched.executor.procfs import process_identity
from minisched.model import Reason, Status, TaskAttempt, TaskExecution, Text, Trigger
from minisched.timetable import jitter_offset
from support.cli import GONE, Cli, record, started, statuses
from support.factories import task as make_task
from support.programs import ROOT, Home, environment, eventually, minisched, open_to_others

NOW = 1_795_000_000  # 2026-11-18T11:06:40Z


@pytest.fixture(autouse=True)
def terminal_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the tables."""
    monkeypatch.setenv("TZ", "UTC")


def run(task_id: str, status: Status, reason: Any = None, **more: Any) -> TaskExecution:
    """A run as the engine of this process would have written it."""
    end = {"end_time": NOW + 3.2, "duration": 3.2, "start_time": float(NOW)} if status.ended else {}
    text = None if reason is None else str(reason)
    owner = None if status.ended else process_identity(os.getpid())
    return TaskExecution(task_id, Trigger.MANUAL, status, created_time=NOW, reason=text, owner=owner, **{**end, **more})


def attempt(number: int = 1, status: Status = Status.RUNNING, **more: Any) -> TaskAttempt:
    return TaskAttempt(number, status, start_time=float(NOW), **more)


def task(task_id: str, **fields: Any) -> dict[str, Any]:
    return {"task_id": task_id, "task_exec": "true", **fields}


def row(text: str, task_id: str) -> str:
    return next(line for line in text.splitlines() if line.split()[:1] == [task_id] or f" {task_id} " in line)


# ------------------------------------------------------------------------------------------------------------ states


def test_list_explains_every_state(home: Home, cli: Cli) -> None:
    home.write(
        task("never"),
        task("hand_off", enabled=False, task_schedule="@daily"),
        task("after_it", task_dependencies=["never", "hand_off"]),
        task("waits", task_dependencies=["never"], task_schedule="@daily"),
        task("cleans", task_dependencies=[{"task_id": "never", "on": "failure"}], task_schedule="@daily"),
        task("retries"),
        task("queues"),
        task("locked", task_locks=["db"]),
        task("works", task_name="Arbeitet", task_locks=["db"]),
        task("fails"),
        task("good"),
    )
    failed = attempt(1, Status.TECHNICAL_FAILURE, reason="exit_code", exit_code=75, duration=1.0)
    before = Text("lock_held", lock="db", runs=[Text("run_of_task", task="works", run_id=99)])  # it has ended
    record(
        home.path,
        run("waits", Status.WAITING, "never"),
        run("cleans", Status.WAITING, "never", detail=Text("waiting_for", needs=[Text("need_failure", task="never")])),
        run("retries", Status.RETRYING, Reason.EXIT_CODE, attempts=(failed,), max_attempts=3),
        run("queues", Status.QUEUED, Reason.MAX_RUNNING),
        run("works", Status.RUNNING, attempts=(attempt(),)),
        run("fails", Status.TECHNICAL_FAILURE, Reason.TIMEOUT),
        run("good", Status.SUCCESS),
        run("locked", Status.QUEUED, Reason.LOCK, detail=Text("lock", locks=[before])),
    )
    record(home.path, run("fails", Status.TECHNICAL_FAILURE, Reason.TIMEOUT))
    text = cli("list").stdout
    assert "idle" in row(text, "never") and "manually" in row(text, "never")
    assert "disabled" in row(text, "hand_off")
    assert "after never, hand_off" in row(text, "after_it")
    assert "for never" in row(text, "waits")
    assert "for failure of never" in row(text, "cleans")
    assert "for failure of never" in row(cli("history").stdout, "cleans")
    assert "waiting for failure of never" in cli("history", "--run", "2").stdout
    assert "exit 75, attempt 1 of 3 failed" in row(text, "retries")
    assert "max_running" in row(text, "queues")
    assert "waits for lock db (held by works, run 5)" in row(text, "locked")
    assert "run 5 since 2026-11-18 11:06:40" in row(text, "works") and "Arbeitet" in row(text, "works")
    assert "timeout, 2 in a row" in row(text, "fails") and "2026-11-18 11:06:40" in row(text, "fails")
    found = statuses(cli("list", "--json"))
    assert found == {
        "never": "idle",
        "hand_off": "idle",
        "after_it": "idle",
        "waits": "waiting",
        "cleans": "waiting",
        "retries": "retrying",
        "queues": "queued",
        "locked": "queued",
        "works": "running",
        "fails": "technical_failure",
        "good": "success",
    }


def test_list_filters_by_tag_and_by_states(home: Home, cli: Cli) -> None:
    home.write(task("a", task_tags=["night"]), task("b"), task("c", task_tags=["night"]))
    record(home.path, run("a", Status.SUCCESS), run("b", Status.SUCCESS))
    assert set(statuses(cli("list", "--tag", "night", "--json"))) == {"a", "c"}
    assert set(statuses(cli("list", "--status", "success,running", "--json"))) == {"a", "b"}
    assert cli("list", "--tag", "day").stdout == "no matching tasks\n"
    assert cli("list", "--tag", "day", "--json").json == []
    refused = cli("list", "--status", "frob")
    assert refused.returncode == 2 and "business_failure" in refused.stderr


def test_the_next_start_can_belong_to_a_past_due_time() -> None:
    one = make_task("a", task_schedule="@every 10s", task_jitter="9s")
    starts = [due + jitter_offset("a", due, 9.0) for due in range(NOW - 100, NOW + 1000, 10)]
    assert any(offset % 10 > 1 for offset in starts)
    for now in range(NOW, NOW + 300):
        assert next_start(one, now) == next(start for start in starts if start > now)


def test_a_due_time_that_has_run_already_is_not_the_next(home: Home, cli: Cli) -> None:
    home.write(task("a", task_schedule="@every 1d"))
    [due] = due_times(make_task("a", task_schedule="@every 1d"), 1)
    moment = datetime.fromisoformat(due).timestamp()
    record(home.path, run("a", Status.SUCCESS, scheduled_time=int(moment))._replace(created_time=moment + 5))
    [shown] = cli("list", "--json").json
    assert datetime.fromisoformat(shown["next_run_time"]).timestamp() == moment + 86_400


def test_status_is_short_if_all_is_well(home: Home, cli: Cli) -> None:
    home.write(task("a"), task("b"))
    record(home.path, run("a", Status.SUCCESS))
    assert cli("status").stdout.splitlines() == [
        "engine   not running",
        f"home     {home.path}",
        "zone     UTC (settings)",
        "tasks    2: 1 idle, 1 success",
    ]


def test_status_shows_problems_and_tasks_that_need_attention(home: Home, cli: Cli) -> None:
    home.write(task("good"), task("bad"), task("off", enabled=False), task("asked"))
    asked = run("asked", Status.SKIPPED, Reason.CONDITION, detail=Text("condition", line="no disk"))
    record(home.path, run("good", Status.SUCCESS), run("bad", Status.MISSED, Reason.DOWNTIME), asked)
    (home.path / "var" / "minisched.db.damaged-20261123T020000Z").write_bytes(b"x")
    text = cli("status").stdout
    assert "tasks    4: 1 idle, 1 missed, 1 skipped, 1 success; 1 disabled" in text
    assert "minisched.db.damaged-20261123T020000Z: a damaged history was moved aside" in text
    assert "downtime" in row(text, "bad") and "good" not in text.split("\n\n")[1]
    assert "asked" not in text.split("\n\n")[1]  # skipped on purpose
    assert "condition: not now: no disk" in row(cli("list").stdout, "asked")
    seen = cli("status", "--json").json
    assert seen["engine"] == {"running": False, "pid": None}
    assert seen["counts"] == {"idle": 1, "missed": 1, "skipped": 1, "success": 1}
    assert len(seen["problems"]) == 1


# ----------------------------------------------------------------------------------------------------------- history


@pytest.fixture
def past(home: Home) -> Home:
    home.write(task("backup"), task("report", task_timezone="Asia/Shanghai"))
    failed = attempt(1, Status.TECHNICAL_FAILURE, reason="signal", signal=9, duration=1.1, leftover_processes=2)
    second = attempt(
        2,
        Status.TECHNICAL_FAILURE,
        reason="exit_code",
        detail=Text("text", text="exit code 75"),
        exit_code=75,
        duration=2.1,
    )
    record(
        home.path,
        run("backup", Status.SUCCESS, attempts=(attempt(1, Status.SUCCESS, exit_code=0, duration=3.2),)),
        run("report", Status.TECHNICAL_FAILURE, Reason.EXIT_CODE, attempts=(failed, second), max_attempts=2),
        TaskExecution(
            "backup",
            Trigger.SCHEDULE,
            Status.MISSED,
            created_time=NOW + 60,
            reason="downtime",
            scheduled_time=NOW,
            end_time=NOW + 60.0,
            missed_count=12,
            missed_since=NOW - 3600,
        ),
        run("gone_task", Status.CANCELLED, Reason.USER),
    )
    return home


def test_history_prints_pages_newest_first(past: Home, cli: Cli) -> None:
    done = cli("history", "-n", "3", "--json").json
    assert [item["run_id"] for item in done["items"]] == [4, 3, 2]
    assert (done["page"], done["page_size"], done["total"]) == (1, 3, 4)
    assert [item["run_id"] for item in cli("history", "-n", "3", "--page", "2", "--json").json["items"]] == [1]
    assert cli("history", "-n", "3", "--page", "2").stdout.endswith("\n1 of 4 runs, page 2 of 2\n")
    assert cli("history", "--page", "9").stdout == "0 of 4 runs, page 9 of 1\n"
    assert "page" not in cli("history").stdout


def test_history_filters(past: Home, cli: Cli) -> None:
    def ids(*arguments: str) -> list[int]:
        return [item["run_id"] for item in cli("history", *arguments, "--json").json["items"]]

    assert ids("backup") == [3, 1]
    assert ids("--status", "missed,cancelled") == [4, 3]
    assert ids("--trigger", "schedule") == [3]
    assert ids("--since", "2026-11-18T11:07:00Z") == [3]
    assert ids("--until", "2026-11-18T11:07:00") == [4, 2, 1]
    assert ids("--until", "2026-11-18") == []
    assert cli("history", "--until", "2026-11-18").stdout == "no matching runs\n"
    for wrong in (("--status", "bad"), ("--trigger", "cron"), ("--since", "x"), ("--run", "0"), ("-n", "-1")):
        assert cli("history", *wrong).returncode == 2


def test_history_shows_tasks_that_are_no_longer_in_the_config(past: Home, cli: Cli) -> None:
    assert "cancelled" in cli("history", "gone_task").stdout
    refused = cli("history", "gone_tsk")
    assert (refused.returncode, refused.stderr) == (1, 'minisched: no task "gone_tsk"; did you mean "gone_task"?\n')
    assert "no runs yet" not in cli("history", "report").stdout


def test_one_run_is_shown_with_all_attempts(past: Home, cli: Cli) -> None:
    text = cli("history", "--run", "2").stdout
    assert "started  2026-11-18T19:06:40+08:00" in text
    assert "why      exit_code\n" in text
    first, second = text.splitlines()[-2:]
    assert first.split()[:2] == ["1", "technical_failure"] and "signal 9" in first and first.endswith("2")
    assert "75        exit code 75" in second and "why      exit_code\n" in text
    assert cli("history", "--run", "2", "--json").json["attempts"][1]["exit_code"] == 75
    assert "missed   12 due times since 2026-11-18T10:06:40+00:00" in cli("history", "--run", "3").stdout
    assert cli("history", "backup", "--run", "2").stderr == "minisched: run 2 belongs to report\n"
    assert cli("history", "--run", "99").returncode == 1


def test_every_table_shows_the_reason_of_a_failure(home: Home, cli: Cli) -> None:
    home.write(task("spawns"), task("late"), task("exits"))
    record(
        home.path,
        run(
            "spawns",
            Status.TECHNICAL_FAILURE,
            Reason.SPAWN,
            detail=Text("text", text="tasks/x.sh: No such file or directory"),
        ),
        run("late", Status.TECHNICAL_FAILURE, Reason.TIMEOUT, detail=Text("text", text="killed after 5.0 s")),
        run("exits", Status.TECHNICAL_FAILURE, Reason.EXIT_CODE, detail=Text("text", text="exit code 75")),
    )
    for command in ("list", "status", "history"):
        text = cli(command).stdout
        assert "spawn: tasks/x.sh: No such file or directory" in row(text, "spawns")
        assert "timeout: killed after 5.0 s" in row(text, "late")
        assert "  exit code 75  " in row(text, "exits")


@pytest.mark.parametrize(
    ("reason", "detail", "end", "shown"),
    [
        ("exit_code", Text("exit_code", exit_code=3), {"exit_code": 3}, "exit 3"),
        ("exit_code", None, {"exit_code": 127}, "exit 127: not found"),
        (
            "exit_code",
            Text(
                "exit_code_hint", exit_code=126, hint=Text("not_executable", program="tasks/a/b/c.sh", reason="EACCES")
            ),
            {"exit_code": 126},
            "exit 126: not executable",
        ),
        ("exit_code", Text("business_exit_code_crash", exit_code=1), {"exit_code": 1}, "exit 1: the output looks like"),
        ("signal", Text("signal", signal=9), {"signal": 9}, "signal 9 (SIGKILL)"),
        ("spawn", Text("spawn", program="/opt/a/very/long/way/x", reason="No such file"), {}, "spawn: No such file: x"),
        ("timeout", Text("timeout", seconds=5, killed=1), {"signal": 9}, "timeout: killed after 5 s"),
    ],
)
def test_why_is_the_number_and_the_words_and_no_path(
    home: Home, cli: Cli, reason: str, detail: Any, end: dict[str, Any], shown: str
) -> None:
    home.write(task("a"))
    one = attempt(1, Status.TECHNICAL_FAILURE, reason=reason, detail=detail, duration=1.0, **end)
    record(home.path, run("a", Status.TECHNICAL_FAILURE, reason, detail=detail, attempts=(one,)))
    assert f"  {shown}" in row(cli("list").stdout, "a")
    assert f"  {shown}" in row(cli("history").stdout, "a")


def test_all_rows_are_in_one_time_zone_and_an_offset_marks_a_task_of_another(home: Home, cli: Cli) -> None:
    home.write(task("here"), task("berlin", task_timezone="Europe/Berlin"), task("london", task_timezone="Etc/UTC"))
    record(home.path, *(run(name, Status.SUCCESS) for name in ("here", "berlin", "london")))
    for command in ("list", "history"):
        text = cli(command).stdout
        assert "2026-11-18 11:06:40+00" in row(text, "berlin")
        assert "2026-11-18 11:06:40 " in f"{row(text, 'here')} " and "2026-11-18 11:06:40 " in f"{row(text, 'london')} "
        text = cli(command, "--tz", "Asia/Kolkata").stdout
        assert all("2026-11-18 16:36:40+05:30" in row(text, name) for name in ("here", "berlin", "london"))
        assert cli(command, "--tz", "Nowhere/X").returncode == 2
    assert cli("list", "--json", "--tz", "Asia/Kolkata").json[1]["last_run"]["start_time"].endswith("+01:00")
    assert "started  2026-11-18T16:36:40+05:30" in cli("history", "--run", "1", "--tz", "Asia/Kolkata").stdout


def test_an_attempt_shows_that_output_was_lost_or_cut(home: Home, cli: Cli) -> None:
    home.write(task("a"))
    lost = attempt(
        1, Status.TECHNICAL_FAILURE, reason="exit_code", detail=Text("text", text="exit code 75"), log_lost=True
    )
    cut = attempt(2, Status.SUCCESS, output_cut=True)
    record(home.path, run("a", Status.SUCCESS, attempts=(lost, cut), max_attempts=2))
    first, second = cli("history", "--run", "1").stdout.splitlines()[-2:]
    assert "exit code 75; output lost" in first
    assert second.split()[-2:] == ["output", "cut"]


def test_ten_times_the_tasks_take_ten_times_the_work_to_list(home: Home, cli: Cli) -> None:
    def calls(*arguments: str) -> int:
        """How many functions the command calls: on a busy machine this stays the same, the time does not."""
        made = 0

        def one_more(*event: object) -> None:
            nonlocal made
            made += 1

        sys.setprofile(one_more)
        try:
            done = cli(*arguments, "--json").json
        finally:
            sys.setprofile(None)
        assert len(done if arguments == ("list",) else done["items"]) == count
        return made

    took: dict[int, tuple[int, int]] = {}
    record(home.path, *(run(f"task_{n:04}", Status.SUCCESS) for n in range(1000)))
    for count in (100, 1000):
        home.write(*(task(f"task_{n:04}", task_schedule="30 2 * * *") for n in range(count)))
        cli("list")  # the imports are not counted
        took[count] = calls("list"), calls("history", "-n", str(count))
    assert all(more < 12 * less for less, more in zip(took[100], took[1000])), took  # quadratic would be 100 times


# ------------------------------------------------------------------------------------------------ a dead engine's runs


def test_a_run_of_a_dead_engine_is_shown_as_interrupted_everywhere(home: Home, cli: Cli) -> None:
    home.write(task("a"))
    record(home.path, run("a", Status.RUNNING, attempts=(attempt(),))._replace(owner=GONE))
    (seen,) = cli("list", "--json").json
    assert (seen["current_status"], seen["reason"], seen["running"]) == ("technical_failure", "interrupted", [])
    assert seen["last_run"]["run_id"] == 1
    (item,) = cli("history", "--json").json["items"]
    assert (item["status"], item["reason"]) == ("technical_failure", "interrupted")
    assert item["attempts"][0]["status"] == "technical_failure"
    assert "interrupted" in cli("status").stdout
    assert "running" not in cli("history", "--run", "1").stdout


def test_a_run_of_a_dead_engine_counts_as_the_latest_one(home: Home, cli: Cli) -> None:
    home.write(task("a"))
    record(
        home.path,
        run("a", Status.RUNNING, attempts=(attempt(),))._replace(owner=GONE),
        run("a", Status.SKIPPED, Reason.OVERLAP),
    )
    assert statuses(cli("list", "--json")) == {"a": "technical_failure"}


def test_list_and_status_beside_an_engine_and_after_its_kill(home: Home) -> None:
    home.write({"task_id": "long", "task_exec": "sleep 60", "task_schedule": "@every 1s"})
    home.start()
    eventually(lambda: home.json("list")[0]["current_status"] == "running", "it runs")
    assert home.process is not None
    assert home.json("status")["engine"] == {"running": True, "pid": home.process.pid}
    assert f"engine   running, pid {home.process.pid}" in home.run("status").stdout
    home.kill()
    seen = home.json("status")
    assert seen["engine"]["running"] is False
    assert (seen["tasks"][0]["current_status"], seen["tasks"][0]["reason"]) == ("technical_failure", "interrupted")


# -------------------------------------------------------------------------------------------------- homes in trouble

READING = (("list",), ("status",), ("history",), ("history", "--run", "1"), ("logs", "a"), ("logs", "--run", "1"))


@pytest.mark.parametrize("arguments", [("list",), ("history",), ("next",), ("validate",), ("logs", "a"), ("exec", "a")])
def test_without_a_home_every_command_says_how_to_create_one(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"minisched: `minisched --home {cli.home} init` creates a home there" in done.stderr


def test_status_without_a_home_says_so(cli: Cli) -> None:
    assert "problem  tasks/config.json: cannot be read: No such file or directory" in cli("status").stdout


def test_a_new_home_is_empty(home: Home, cli: Cli) -> None:
    home.write()
    assert cli("list").stdout == "no tasks\n"
    assert cli("history").stdout == "no runs yet\n"
    assert cli("history", "--json").json == {"items": [], "page": 1, "page_size": 20, "total": 0}
    assert not (home.path / "var").exists()  # reading makes nothing


def test_an_invalid_config_does_not_hide_the_history(past: Home, cli: Cli) -> None:
    past.config.write_text('{"version": 1, "tasks": [{"task_id": "a b"}]}')
    assert cli("history", "backup").returncode == 0
    assert cli("history", "--run", "2").returncode == 0
    text = cli("status").stdout
    assert 'problem  tasks/config.json: tasks[0]: task_id is "a b"' in text and "task_exec" in text
    listed = cli("list")
    assert listed.returncode == 1 and listed.stderr.count("minisched: tasks/config.json") == 2
    backup = row(listed.stdout, "backup").split()
    assert (backup[1], backup[2]) == ("missed", "unknown")
    assert statuses(cli("list", "--json")) == {
        "backup": "missed",
        "gone_task": "cancelled",
        "report": "technical_failure",
    }
    assert "technical_failure" in row(text, "report")


@pytest.mark.parametrize("arguments", READING)
def test_a_damaged_history_is_reported_in_one_line(past: Home, cli: Cli, arguments: tuple[str, ...]) -> None:
    past.write(task("a"))
    database = past.path / "var" / "minisched.db"
    database.write_bytes(b"this is no database at all" * 500)
    done = cli(*arguments)
    if arguments == ("logs", "a"):  # it needs no history
        assert done.returncode == 0
        return
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and str(database) in done.stderr and "docs/operation.md" in done.stderr


def test_exec_does_not_change_a_damaged_history(past: Home) -> None:
    past.write(task("a"))
    database = past.path / "var" / "minisched.db"
    database.write_bytes(b"this is no database at all" * 500)
    done = past.run("exec", "a")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert database.read_bytes().startswith(b"this is no database")


def test_a_locked_history_is_reported_in_one_line(past: Home, cli: Cli) -> None:
    locker = sqlite3.connect(past.path / "var" / "minisched.db", isolation_level=None)
    locker.execute("PRAGMA locking_mode = EXCLUSIVE")
    locker.execute("PRAGMA journal_mode = DELETE")
    locker.execute("BEGIN EXCLUSIVE")
    done = cli("list")
    locker.close()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("database is locked; another program holds it; close that program, or try again\n")


def test_a_newer_history_is_reported_in_one_line(past: Home, cli: Cli) -> None:
    with sqlite3.connect(past.path / "var" / "minisched.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    done = cli("history")
    assert done.returncode == 1 and "run the newer minisched" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
@pytest.mark.parametrize("arguments", [("list",), ("history",), ("exec", "a"), ("init",)])
def test_missing_permissions_are_reported_in_one_line(public_path: Path, arguments: tuple[str, ...]) -> None:
    home = Home(public_path / "home")
    home.write(task("a"))
    record(home.path, run("a", Status.SUCCESS))
    shutil.rmtree(home.path / "tasks") if arguments == ("init",) else None
    open_to_others(home.path)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    code = "import sys; from minisched.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [*as_nobody, sys.executable, "-c", code, "--home", str(home.path), *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    if done.returncode in (126, 127) or "No module named" in done.stderr:
        pytest.skip("the other user cannot read this clone")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert "ermission denied" in done.stderr or "unable to open" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_a_read_only_home_can_be_read(past: Home) -> None:
    past.write(task("a"))
    script = (
        f"mount --bind {past.path} {past.path} && mount -o remount,ro,bind {past.path} || exit 77\n"
        f"for command in 'history --json' 'list' 'status' 'exec a'; do "
        f"{sys.executable} -m minisched --home {past.path} $command >/dev/null; echo $?; done"
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, env=environment(), check=False
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mounts here")
    assert done.stdout.split() == ["0", "0", "0", "1"], done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1


# ------------------------------------------------------------------------------------------------------ hostile text

HOSTILE = "\x1b[31m\u202egnp.exe\u200b\x9b2J\x07"


def test_hostile_names_and_details_are_escaped_in_every_output(home: Home, cli: Cli) -> None:
    home.config.write_text(
        json.dumps({"version": 1, "tasks": [task("a", task_name="中文任务 备份"), task("b", task_name="ok\u00a0ok")]})
    )
    record(home.path, run("a", Status.SKIPPED, Reason.OVERLAP, detail=Text("text", text=HOSTILE + "\nsecond line")))
    for arguments in (("list",), ("status",), ("history",), ("history", "--run", "1")):
        for more in ((), ("--json",)):
            done = cli(*arguments, *more)
            assert done.returncode == 0
            assert not set(HOSTILE[:1] + "\u202e\u200b\x9b\x07") & set(done.stdout), arguments
            if more:
                json.loads(done.stdout)
    assert cli("history", "--json").json["items"][0]["detail"]["text"].startswith(HOSTILE)
    assert "\\x1b[31m\\u202egnp.exe\\u200b" in cli("history").stdout
    assert len(cli("history").stdout.splitlines()) == 2  # a line end in a detail begins no row
    assert "中文任务 备份" in cli("list").stdout and "中文任务 备份" in cli("list", "--json").stdout


@pytest.mark.parametrize(("locale", "encoding"), [("C.UTF-8", "latin-1"), ("C", "ascii"), ("POSIX", "")])
def test_chinese_names_work_in_any_locale(home: Home, locale: str, encoding: str) -> None:
    home.write(task("a", task_name="中文任务 \U0001f600"))
    env = {"LC_ALL": locale, "PYTHONIOENCODING": encoding} if encoding else {"LC_ALL": locale}
    assert home.run("list", **env).returncode == 0
    done = home.run("list", "--json", **env)
    assert json.loads(done.stdout)[0]["task_name"] == "中文任务 \U0001f600"


# ------------------------------------------------------------------------------------------------------------- pipes


def test_a_closed_pipe_is_not_an_error(home: Home) -> None:
    home.write(*(task(f"task_{n}", task_name="x" * 200) for n in range(1000)))
    process = subprocess.Popen(
        [sys.executable, "-m", "minisched", "--home", str(home.path), "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (0, b"")


@pytest.mark.parametrize("command", ["version", "schema"])
def test_a_full_disk_is_reported_in_one_line(command: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "minisched", command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "No space left on device" in done.stderr


def test_a_closed_standard_output_is_not_an_error(home: Home) -> None:
    home.write(task("a"))
    for command in ("list", "version", "list --json"):
        done = subprocess.run(
            ["sh", "-c", f"{sys.executable} -m minisched --home {home.path} {command} >&-"],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_leaves_no_traceback(home: Home) -> None:
    home.write(task("a"))
    with started(home.path, "logs", "-f", "a") as process:
        (home.path / "logs").mkdir()
        (home.path / "logs" / "a.log").write_text("one line\n")
        assert process.stdout is not None and process.stdout.readline() == "one line\n"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
        assert (process.returncode, stdout, stderr) == (130, "", "")


def test_ctrl_c_in_a_command_that_follows_runs_says_what_goes_on(home: Home) -> None:
    home.write(task("a"), task("b"))
    (home.path / "logs").mkdir()
    (home.path / "logs" / "a.log").write_text("one line\n")
    record(home.path, run("a", Status.RUNNING, attempts=(attempt(),)), run("b", Status.RUNNING, attempts=(attempt(),)))
    with started(home.path, "logs", "-f", "a") as process:
        assert process.stdout is not None and process.stdout.readline() == "one line\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.endswith("minisched stop 1` ends it\n") and "run 1 of a goes on" in stderr and "of b" not in stderr


def test_version_prints_three_versions_and_which_program_it_is() -> None:
    assert minisched("version").stdout.startswith("minisched ")
    about = json.loads(minisched("version", "--json").stdout)
    assert set(about) == {"minisched", "python", "sqlite", "program"}
    assert about["program"] == str(ROOT / "minisched")
