"""What people type by the habits of other programs, or on another keyboard, is answered with the way to write it."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

import pytest

from minisched.catalogue import render
from minisched.cli.main import main
from minisched.model import Status, Text
from minisched.model.text import visible
from support.cli import Cli, record
from support.programs import Home, eventually
from support.store import make as make_run


@pytest.fixture(autouse=True)
def tasks(home: Home) -> None:
    home.write({"task_id": "backup", "task_exec": "true"}, {"task_id": "t0", "task_exec": "printenv A || true"})


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        *[("ls", "list"), ("ps", "status"), ("start", "run"), ("cancel", "stop"), ("kill", "stop"), ("tail", "logs")],
        *[("log", "logs"), ("lint", "validate"), ("check", "validate"), ("restart", "reload"), ("nxt", "next")],
    ],
)
def test_another_word_for_a_command_leads_to_ours(cli: Cli, typed: str, name: str) -> None:
    done = cli(typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert f'no command "{typed}"; did you mean "{name}"?' in done.stderr


@pytest.mark.parametrize("typed", ["prune", "frobnicate"])
def test_a_word_that_is_like_none_gets_no_wrong_suggestion(cli: Cli, typed: str) -> None:
    assert f'no command "{typed}"; `minisched --help` lists them' in cli(typed).stderr


@pytest.mark.parametrize("typed", ["run backup", "start backup"])
def test_run_takes_no_task_and_names_the_commands_that_do(cli: Cli, typed: str) -> None:
    done = cli(*typed.split())
    assert done.returncode == 2 and "`minisched trigger backup` runs a task now" in done.stderr
    assert "`minisched exec backup` without one" in done.stderr


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("start backup", 'no command "start"; `minisched trigger backup` runs a task now through the engine'),
        ("remove backup", 'no command "remove"; `minisched edit` removes a task from the config'),
        ("delete backup", 'no command "delete"; `minisched edit` removes a task from the config'),
        ("add backup", 'no command "add"; `minisched edit` adds a task to the config'),
    ],
)
def test_what_no_command_does_is_answered_with_the_command_to_use(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, typed: str, hint: str
) -> None:
    done = cli(*typed.split())
    assert done.returncode == 2 and f"error: {hint}" in done.stderr
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    chinese = cli(*typed.split()).stderr
    assert chinese.startswith("用法：") and "半角" not in chinese  # nothing full-width was typed


@pytest.mark.parametrize("typed", ["--version", "-V", "version"])
def test_the_version_is_printed_however_it_is_asked_for(capsys: pytest.CaptureFixture[str], typed: str) -> None:
    assert main([typed]) == 0
    assert capsys.readouterr().out.startswith("minisched 0.")


@pytest.mark.parametrize("typed", ["list --home {}", "list --home={}", "--home {} list", "next backup --home {} -n 1"])
def test_the_home_may_be_given_after_the_command(home: Home, capsys: pytest.CaptureFixture[str], typed: str) -> None:
    assert main(shlex.split(typed.format(home.path))) == 0
    assert "backup" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["trigger", "enable", "disable", "exec", "logs", "history", "next", "notify-test", "stop"]
)
def test_every_command_suggests_a_similar_id_with_and_without_an_engine(cli: Cli, command: str) -> None:
    done = cli(command, "bakup")
    assert (done.returncode, done.stderr) == (1, 'minisched: no task "bakup"; did you mean "backup"?\n')


def test_a_task_is_enabled_in_the_file_where_no_engine_runs(home: Home, cli: Cli) -> None:
    done = cli("enable", "backup")
    assert done.returncode == 1
    assert f'edit "enabled" of the task in {home.config}, or start the engine' in done.stderr


@pytest.mark.parametrize("pair", ["1X=2", "A B=1", "MINISCHED_HOME=/x", "A-B=1"])
@pytest.mark.parametrize("command", ["exec", "trigger"])
def test_a_variable_that_cannot_be_set_is_refused_by_both_commands(cli: Cli, command: str, pair: str) -> None:
    done = cli(command, "t0", "--env", pair)
    assert done.returncode == 2
    assert f'--env {pair}: "{pair.split("=")[0]}" is not a name that can be set' in done.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["trigger", "t0", "VERSION=1.2"], "(a variable is given as --env VERSION=1.2)"),
        (["why", "t0", "--at", "02:30"], "(WHEN is given without an option: minisched why TASK WHEN)"),
        (["stop", "--run=7", "t0"], "(RUN_ID is given without an option: minisched stop RUN_ID|TASK)"),
        (["logs", "--task", "t0"], "(TASK is given without an option: minisched logs TASK)"),
        (["trigger", "-a"], '(an id that begins with "-" goes after "--": minisched trigger -- -a)'),
        (["list", "—json"], '(instead of "—" write "--")'),
        (["list", "－－json"], '(instead of "－" write "-")'),
        (["history", "--run", "１"], '(instead of "１" write "1")'),
        (["history", "--status", "ｒunning"], 'instead of "ｒ" write "r"'),
        (["history", "--status", "runing"], '"runing" is unknown; did you mean "running"?'),
        (["history", "--since", "2026-11-23T02：30"], 'instead of "：" write ":"'),
        (["next", "--expr", "@daily", "--after", "２026-11-23"], 'instead of "２" write "2"'),
        (["next", "--expr", "0 2 ＊ * *"], "contains '＊'; write '*' instead"),
        (["next", "--expr", "@daily", "--tz", "Asia／Shanghai"], "contains '／'; write '/' instead"),
        (["exec", "t0", "--env", "A＝1"], 'instead of "＝" write "="'),
        (["ｌist"], '(instead of "ｌ" write "l")'),
    ],
)
def test_wrong_usage_is_answered_with_what_to_write(cli: Cli, arguments: list[str], hint: str) -> None:
    done = cli(*arguments)
    assert done.returncode == 2 and hint in done.stderr


@pytest.mark.parametrize(("since", "found"), [("1h", 1), ("3d", 2), ("today", 1), ("yesterday", 2), ("2000-01-01", 2)])
def test_since_takes_relative_times(home: Home, cli: Cli, since: str, found: int) -> None:
    now = time.time()
    midnight = now - now % 86400
    home.write({"task_id": "backup", "task_exec": "true"}, timezone="UTC")
    record(
        home.path, *(make_run("backup", Status.SUCCESS, created_time=moment) for moment in (midnight - 7200, now - 0.5))
    )
    if now - midnight > 3600 or since != "1h":
        assert cli("history", "--since", since, "--json").json["total"] == found


def test_a_task_is_stopped_by_its_id(home: Home) -> None:
    home.write({"task_id": "long", "task_exec": "sleep 60"}, {"task_id": "idle", "task_exec": "true"}, http={"port": 0})
    home.start()
    eventually(lambda: json.loads((home.path / "var" / "lock").read_text())["url"], "the page is up")
    home.run("trigger", "long")
    eventually(lambda: home.rows("long") and home.rows("long")[0]["status"] == "running")
    done = home.run("stop", "long")
    assert done.returncode == 0 and "stop of run 1 of long requested" in done.stdout
    eventually(lambda: home.rows("long")[0]["status"] == "cancelled")
    done = home.run("stop", "idle")
    assert (done.returncode, done.stderr) == (
        1,
        "minisched: no run of idle is waiting, queued, running or retrying\n",
    )


def test_letters_that_no_font_shows_are_printed_as_escapes(home: Home, cli: Cli) -> None:
    hidden = "\u034f\u115f\u1160\u180b\u2800\u3164\ufe0f\uffa0\U000e0100"
    for char in hidden:
        assert visible(f"a{char}b").startswith("a\\") and char not in visible(f"a{char}b")
    assert visible("备份　é 한글 ⠁ᄀ") == "备份　é 한글 ⠁ᄀ"
    home.write({"task_id": "a", "task_exec": "true", "task_name": "backup\u3164"})
    assert "backup\\u3164" in cli("list").stdout
    assert "backup\\u3164" in cli("list", "--json").stdout


def test_the_path_of_a_home_is_printed_without_marks_that_mislead(tmp_path: Path, cli: Cli) -> None:
    cli.home = tmp_path / "jobs\u202egnp"
    assert cli("init").returncode == 0
    for command in ("validate", "status", "next", "init"):
        done = cli(command)
        assert "\u202e" not in done.stdout + done.stderr
    assert "jobs\\u202egnp" in cli("validate").stdout
    (cli.home / "tasks" / "config.json").unlink()
    done = cli("list")
    assert "\u202e" not in done.stderr and "jobs\\u202egnp" in done.stderr


def test_the_reason_of_a_taken_port_says_what_to_set(home: Home) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        home.write({"task_id": "a", "task_exec": "true"}, http={"port": port})
        home.start(wait=False)
        wanted = render(Text("engine.port_taken", address=f"127.0.0.1:{port}", port=port))
        assert "or set settings.http.port to another port" in wanted
        eventually(lambda: wanted in home.run("status").stdout, "status shows it")
        said = home.run("trigger", "a").stderr
        assert "cannot serve its page and its API, which `" in said and wanted in said
        assert "kill -HUP" not in said and "kill -HUP" in home.run("reload").stderr
