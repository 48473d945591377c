"""root's commands on the home of a service's user: reading works, acting names the user, nothing advises a chown."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from minisched.model import Status
from support.cli import Cli, record
from support.process import root
from support.programs import Home, eventually
from support.store import make as make_run

NOBODY = 65534


def give_away(path: Path, uid: int = NOBODY) -> None:
    for place in (path, *path.rglob("*")):
        os.chown(place, uid, uid, follow_symlinks=False)


@pytest.fixture
def given(home: Home) -> Home:
    home.write({"task_id": "t", "task_exec": "echo hello", "task_schedule": "@daily"})
    give_away(home.path)
    return home


@root
@pytest.mark.parametrize(
    "command", ["list", "status", "next", "validate", "history", "logs t", "show t", "notifications"]
)
def test_root_reads_a_home_of_another_user(given: Home, cli: Cli, command: str) -> None:
    done = cli(*command.split())
    assert done.returncode == 0
    assert "chown" not in done.stdout + done.stderr and "problem" not in done.stdout


@root
def test_root_backs_up_a_home_of_another_user_and_leaves_it_as_it_was(given: Home, cli: Cli, tmp_path: Path) -> None:
    record(given.path, make_run(task_id="t", status=Status.SUCCESS))
    give_away(given.path)
    assert cli("backup", str(tmp_path / "jobs.tar")).returncode == 0
    assert {place.stat().st_uid for place in given.path.rglob("*")} == {NOBODY}


@root
@pytest.mark.parametrize("command", ["exec t", "notify-test t", "edit t", "restore jobs.tar"])
def test_root_starts_nothing_of_another_user(given: Home, cli: Cli, command: str) -> None:
    done = cli(*command.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert f"use: sudo -u nobody minisched --home {given.path} {command}" in done.stderr
    assert "chown" not in done.stderr


@root
def test_root_does_not_start_an_engine_on_a_home_of_another_user(given: Home) -> None:
    process = given.start(wait=False)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 78
    assert f"use: sudo -u nobody minisched --home {given.path}" in said and "chown" not in said


@root
@pytest.mark.parametrize(
    "command", ["trigger t", "disable t", "enable t", "reload", "stop 1", "url", "notifications --resend 1"]
)
def test_an_acting_command_names_the_user_of_the_engine(home: Home, cli: Cli, command: str) -> None:
    home.write({"task_id": "t", "task_exec": "true"}, http={"port": 0})
    home.start()
    eventually(lambda: json.loads((home.path / "var" / "lock").read_text())["url"], "the page is up")
    os.chown(home.path, NOBODY, NOBODY)
    give_away(home.path / "tasks")
    os.chown(home.path / "var" / "token", NOBODY, NOBODY)
    done = cli(*command.split())
    assert done.returncode == 1
    assert (
        f"belongs to user nobody, as whom its engine runs; use: sudo -u nobody minisched --home {home.path} {command}"
        in (done.stderr)
    )
    give_away(home.path, 0)


@root
def test_a_file_of_a_third_user_is_a_problem_for_root_too(given: Home, cli: Cli) -> None:
    os.chown(given.config, 12345, -1)
    done = cli("list")
    assert done.returncode == 1 and "belongs to user 12345" in done.stderr


def test_a_command_in_another_time_zone_than_the_engine_says_so(home: Home) -> None:
    home.write({"task_id": "t", "task_exec": "true", "task_schedule": "30 2 * * *"}, timezone=None)
    home.start(TZ="Asia/Shanghai")
    note = "the engine works in the time zone Asia/Shanghai, this command in America/New_York (TZ)"
    for command in ("list", "next", "validate"):
        assert note in home.run(command, TZ="America/New_York").stderr
    assert note in home.run("status", TZ="America/New_York").stdout
    for command in ("list", "status", "next", "validate"):
        done = home.run(command, TZ="Asia/Shanghai")
        assert "time zone Asia" not in done.stdout + done.stderr
    # A zone in the settings is the same for both; the engine shares the one that a reload has put in force.
    home.write({"task_id": "t", "task_exec": "true", "task_schedule": "30 2 * * *"}, timezone="Europe/Berlin")
    eventually(lambda: "Europe/Berlin" in (home.path / "var" / "lock").read_text(), within=10)
    assert "time zone" not in home.run("next", TZ="America/New_York").stderr
