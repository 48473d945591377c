"""`trigger`, `stop`, `enable`, `disable`, `pause`, `resume`, `reload`: commands to a real engine through its API."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from support.cli import started
from support.programs import Home, alive, eventually, in_time

PAGE = {"port": 0}
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def engine(home: Home) -> Home:
    home.write(
        {"task_id": "hello", "task_exec": 'echo "hello $NAME"; printf "no end"'},
        {"task_id": "fails", "task_exec": "echo failing >&2; exit 75"},
        {"task_id": "rsync", "task_exec": "exit 24", "task_exit_codes": {"success": [0, 24]}},
        {"task_id": "killed", "task_exec": "kill -9 $$"},
        {"task_id": "long", "task_exec": "echo started; sleep 60", "task_schedule": "0 0 1 1 *"},
        {"task_id": "escape", "task_exec": r"printf '\033[31mred\n'"},
        http=PAGE,
    )
    home.start()
    eventually(lambda: json.loads((home.path / "var" / "lock").read_text())["url"], "the page is up")
    return home


def test_trigger_runs_a_task_and_prints_the_number_of_the_run(engine: Home) -> None:
    done = engine.run("trigger", "hello")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "run 1 of hello requested; `python3 -m minisched logs --run 1` shows its output\n"
    eventually(lambda: engine.ended("hello"))
    assert engine.json("trigger", "hello")["run_id"] == 2
    assert engine.rows()[0]["trigger"] == "manual"
    assert "hello: started manually, requested by" in engine.engine_log()


def test_trigger_wait_follows_the_output_and_ends_as_the_task_does(engine: Home) -> None:
    done = engine.run("trigger", "hello", "--wait", "--env", "NAME=you")
    assert done.returncode == 0
    assert "hello you" in done.stdout and "no end" in done.stdout
    done = engine.run("trigger", "fails", "--wait")
    assert done.returncode == 75
    assert "failing" in done.stdout
    assert "technical_failure (exit_code: exit code 75)" in done.stderr
    assert engine.run("trigger", "rsync", "--wait").returncode == 0  # a success is one for cron and CI too
    assert engine.run("trigger", "killed", "--wait").returncode == 128 + signal.SIGKILL
    done = engine.run("trigger", "escape", "--wait")
    assert "\x1b" not in done.stdout and "\\x1b[31mred" in done.stdout
    run = json.loads(engine.run("trigger", "fails", "--wait", "--json").stdout)
    assert (run["status"], run["exit_code"]) == ("technical_failure", 75)


def test_output_is_followed_past_the_lines_of_other_runs(engine: Home) -> None:
    """A look at the log reads 8 MB of it at most, in which all lines may be those of another run."""
    work = (
        'echo first; sleep 1; test "$QUIET" || head -c 10000000 /dev/zero | tr "\\0" x | fold -w 99; sleep 1; echo last'
    )
    engine.write({"task_id": "a", "task_exec": work, "task_max_instances": 2}, http=PAGE)
    engine.run("reload")
    engine.run("trigger", "a")
    done = engine.run("trigger", "a", "--wait", "--env", "QUIET=1")
    assert done.returncode == 0
    assert [line.partition("] ")[2] for line in done.stdout.splitlines() if " out] " in line] == ["first", "last"]


def test_trigger_wait_reports_that_a_run_was_skipped(engine: Home) -> None:
    engine.run("trigger", "long")
    done = engine.run("trigger", "long", "--wait")
    assert done.returncode == 1
    assert "skipped (overlap" in done.stderr


def test_stop_ends_a_run_and_its_process(engine: Home) -> None:
    run_id = engine.json("trigger", "long")["run_id"]
    pid = eventually(lambda: engine.rows("long")[0]["attempts"] and engine.rows("long")[0]["attempts"][0]["pid"])
    done = engine.run("stop", str(run_id))
    assert (done.returncode, done.stdout) == (0, f"stop of run {run_id} of long requested\n")
    (row,) = eventually(lambda: engine.ended("long"))
    assert (row["status"], row["reason"]) == ("cancelled", "user")
    assert not alive(pid)
    done = engine.run("stop", str(run_id))
    assert done.returncode == 1 and "has ended" in done.stderr
    done = engine.run("stop", "999")
    assert done.returncode == 1 and "999" in done.stderr


def test_ctrl_c_while_a_run_is_followed_leaves_it_running_and_says_how_to_end_it(engine: Home) -> None:
    with started(engine.path, "trigger", "long", "--wait") as process:
        assert process.stdout is not None
        while "started" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == "minisched: run 1 of long goes on; `python3 -m minisched stop 1` ends it\n"
    assert engine.rows()[0]["status"] == "running"


def test_pause_and_resume_are_shown_with_who_did_it(engine: Home) -> None:
    assert engine.run("pause").stdout.startswith("the engine is paused: no task is due until ")
    who = rf"the engine has been paused since [0-9: -]+, on the command line \({ME}\): no task"
    assert engine.run("pause").stdout.startswith("the engine was paused already, nothing changed: ")
    assert re.search(who, engine.run("status").stdout)
    assert re.search(who, engine.run("list").stderr)
    assert "paused" in engine.run("next").stderr
    assert engine.json("status")["paused"] is True
    assert engine.run("resume").stdout.startswith("the engine is resumed")
    assert engine.run("resume").stdout == "the engine was not paused, nothing changed\n"
    assert "paused" not in engine.run("list").stderr
    assert "engine resumed, command line, 127" in engine.engine_log()


def test_disable_and_enable_change_the_config_with_immediate_effect(engine: Home) -> None:
    assert engine.run("disable", "long").stdout.startswith("long is disabled")
    task = next(one for one in json.loads(engine.config.read_text())["tasks"] if one["task_id"] == "long")
    assert task["enabled"] is False
    assert next(one for one in engine.json("list") if one["task_id"] == "long")["next_run_time"] is None
    assert engine.json("enable", "long")["next_run_time"]
    assert "long" in engine.engine_log()


def test_reload_prints_the_problems_of_the_file(engine: Home) -> None:
    assert engine.run("reload").stdout == "config loaded\n"
    engine.write({"task_id": "hello", "task_exec": "true", "task_timeout": "5 min"}, http=PAGE)
    done = engine.run("reload")
    assert done.returncode == 1
    assert 'task_timeout is "5 min"; expected a duration' in done.stderr


def test_an_error_says_how_to_fix_it(home: Home, tmp_path: Path) -> None:
    home.write({"task_id": "a", "task_exec": "true"})
    done = home.run("trigger", "a")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no engine runs on" in done.stderr and "minisched exec" in done.stderr
    process = home.start()
    done = home.run("trigger", "a")
    assert done.returncode == 1
    assert "http.enabled is false" in done.stderr and f"kill -HUP {process.pid}" in done.stderr
    home.write({"task_id": "a", "task_exec": "true"}, http=PAGE)  # the page comes up by the reload
    eventually(lambda: home.run("trigger", "a").returncode == 0)
    for arguments, word in ((("trigger", "b"), "b"), (("trigger", "../x"), "x"), (("enable", "b"), "b")):
        done = home.run(*arguments)
        assert done.returncode == 1 and word in done.stderr and "Traceback" not in done.stderr
    (home.path / "var" / "token").chmod(0o644)
    assert "chmod 600" in home.run("trigger", "a").stderr


def test_tasks_run_while_the_port_is_taken_and_the_page_follows_later(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        home.write({"task_id": "a", "task_exec": "true", "task_schedule": "@every 1s"}, http={"port": port})
        home.start()
        eventually(lambda: home.ended("a"))
        assert f"the page cannot be served at 127.0.0.1:{port}" in home.engine_log()
    home.write({"task_id": "a", "task_exec": "true"}, http={"port": port, "public_status": True})
    eventually(lambda: f"the page and the API are at http://127.0.0.1:{port}" in home.engine_log())


def test_the_address_with_its_token_is_printed_once(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "true"}, http=PAGE)
    process = home.start()
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(3)]
    token = (home.path / "var" / "token").read_text().strip()
    assert lines[2].startswith("page: http://127.0.0.1:") and lines[2].endswith(f"/#token={token}\n")
    assert (home.path / "var" / "token").stat().st_mode & 0o777 == 0o600
    assert token not in home.engine_log()
    start = time.monotonic()
    assert home.stop() == 0
    assert in_time(time.monotonic() - start, 5)


@pytest.mark.parametrize(("mode", "text"), [(0o644, None), (0o600, ""), (0o600, "short\n")])
def test_an_unsafe_token_prevents_the_start(home: Home, mode: int, text: str | None) -> None:
    home.write({"task_id": "a", "task_exec": "touch ran", "task_schedule": "@reboot"}, http=PAGE)
    (home.path / "var").mkdir(mode=0o700)
    token = home.path / "var" / "token"
    token.write_text("x" * 43 if text is None else text)
    token.chmod(mode)
    done = home.run("run", timeout=10)
    assert done.returncode == 78
    assert str(token) in done.stderr
    assert not (home.path / "ran").exists()


def test_a_misspelt_task_id_gets_a_similar_one_as_a_hint(engine: Home) -> None:
    for action in ("trigger", "enable", "disable"):
        done = engine.run(action, "Helo")
        assert done.returncode == 1
        assert 'no task "Helo"; did you mean "hello"?' in done.stderr
    assert 'no task "备份"' in engine.run("trigger", "备份").stderr
