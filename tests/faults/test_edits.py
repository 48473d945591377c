"""A config that is lost, or cannot be written: what is said, and what is true."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minisched.config import NotDurable, config_hash, parse_config, save_config
from support.api import Api
from support.cli import Cli
from support.config import task
from support.programs import Home, eventually

FAILURES = [
    (errno.EROFS, 503, "{tasks} is read-only; edit the config where it comes from"),
    (errno.EACCES, 503, "{tasks}: Permission denied: the user of the engine has to be able to write in this folder"),
    (errno.ENOSPC, 507, "there is no space left for {config}; nothing was changed"),
    (errno.EIO, 503, "{config} cannot be written: Input/output error; nothing was changed"),
]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    one = Api(tmp_path, task("a"))
    yield one
    one.close()


@pytest.mark.parametrize(("number", "status", "message"), FAILURES)
def test_an_edit_that_cannot_be_written_says_why_and_what_to_do(
    api: Api, monkeypatch: pytest.MonkeyPatch, number: int, status: int, message: str
) -> None:
    before = api.config.read_bytes()
    opened = os.open

    def refuse(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_CREAT and str(path).endswith(".tmp"):
            raise OSError(number, os.strerror(number), path)
        return opened(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    reply = api("POST", "/tasks/a/disable")
    assert reply.status == status
    said = reply.json["error"]["message"]
    assert said.startswith(message.format(tasks=api.config.parent, config=api.config))
    assert ".tmp" not in said and "[Errno" not in said
    assert api.config.read_bytes() == before


def test_a_file_that_is_a_mount_point_cannot_be_replaced(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = os.rename

    def refuse(old: Any, new: Any) -> None:
        if str(new).endswith("config.json"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), old, None, new)
        renamed(old, new)

    monkeypatch.setattr(os, "rename", refuse)
    reply = api("POST", "/tasks/a/disable")
    assert reply.status == 503
    assert reply.json["error"]["message"].startswith(f"{api.config} is a mount point of its own, so it cannot be repl")


def folder_is_not_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    synced = os.fsync

    def fail(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        synced(fd)

    monkeypatch.setattr(os, "fsync", fail)


def test_an_edit_whose_last_step_fails_is_in_force_and_said_to_be(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_is_not_synced(monkeypatch)
    reply = api("POST", "/tasks/a/disable")
    assert reply.status == 503
    said = reply.json["error"]["message"]
    assert said.startswith(
        f"{api.config} is written and in force, but the disk has not confirmed it (Input/output error)"
    )
    assert json.loads(api.config.read_bytes())["tasks"][0]["enabled"] is False
    assert api.board.tasks["a"].task.enabled is False


def test_a_save_tells_the_hash_of_a_file_that_is_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    folder_is_not_synced(monkeypatch)
    with pytest.raises(NotDurable) as caught:
        save_config(str(path), b'{"tasks": []}', expected_hash=config_hash(b"{}"))
    assert caught.value.saved == config_hash(path.read_bytes())


def test_an_edit_of_a_file_that_was_refused_names_its_problem(api: Api) -> None:
    api.config.write_text('{"tasks": [{"task_id": "a", "task_exec": "true", "task_nice": 99}]}')
    refused = tuple(parse_config(api.config.read_bytes())[1])
    api.board.engine = api.board.engine._replace(config_problems=refused)
    reply = api("POST", "/tasks/a/disable")
    assert (reply.status, reply.json["error"]["code"]) == (409, "config_changed")
    assert "task_nice is 99; expected a whole number from -20 to 19" in reply.json["error"]["message"]


@pytest.mark.parametrize("lost", ["empty", "half", "gone", "folder"])
def test_the_last_good_config_is_named_where_the_file_is_lost(home: Home, cli: Cli, lost: str) -> None:
    home.write({"task_id": "a", "task_exec": "true"}, {"task_id": "b", "task_exec": "true"})
    backup = home.config.with_name("config.json.bak")
    backup.write_bytes(home.config.read_bytes())
    home.config.unlink()
    if lost == "folder":
        home.config.mkdir()
    elif lost != "gone":
        home.config.write_text("" if lost == "empty" else '{"tasks": [')
    for command in ("status", "list", "validate", "next"):
        done = cli(command)
        said = done.stdout + done.stderr
        assert f"; {backup} of " in said and "is valid, with 2 tasks; bring it back with: " in said
        assert (f"mv {home.config} " in said) is (lost == "folder")  # cp would copy into it
        assert "sample tasks" not in said
    process = home.start(wait=False)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 78 and f"cp -p {backup} {home.config}" in said


def test_a_backup_that_is_no_better_is_not_named(home: Home, cli: Cli) -> None:
    home.write({"task_id": "a", "task_exec": "true"})
    home.config.with_name("config.json.bak").write_text("{}")
    home.config.write_text("")
    assert ".bak" not in cli("status").stdout
    home.config.write_text('{"tasks": [{"task_id": "a", "task_exec": "true", "task_nice": 99}]}')
    home.config.with_name("config.json.bak").write_text('{"tasks": []}')
    assert ".bak" not in cli("status").stdout  # the file is there, and one value of it is wrong


def test_a_home_with_a_history_is_not_told_to_start_anew(home: Home, cli: Cli) -> None:
    home.write({"task_id": "a", "task_exec": "true"})
    assert cli("exec", "a").returncode == 0
    home.config.unlink()
    said = cli("list").stderr
    assert f"this home has a history, so it had a config: put {home.config} back from a backup" in said


def test_a_running_engine_reads_a_file_again_as_soon_as_the_disk_can(home: Home) -> None:
    """An error while the file is read may be over the next moment."""
    home.write({"task_id": "a", "task_exec": "true"}, http={"enabled": False})
    home.start()
    home.config.unlink()
    eventually(lambda: "cannot be read: No such file" in home.engine_log(), within=10)
    home.write({"task_id": "b", "task_exec": "true"}, http={"enabled": False})
    eventually(lambda: "config: reloaded" in home.engine_log(), within=10)


def test_init_makes_a_config_that_other_users_cannot_read(home: Home, cli: Cli) -> None:
    home.config.unlink(missing_ok=True)
    assert cli("init").returncode == 0
    assert home.config.stat().st_mode & 0o777 == 0o640
