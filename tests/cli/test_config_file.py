"""The home's config file as the engine reads it, in another thread."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from minisched.cli.run import ConfigFile
from minisched.model import Config, ConfigRead
from minisched.osutil import receive
from support.config import task
from support.factories import config as make_config

WAIT_S = 30.0


def read(path: Path, in_force: Config) -> ConfigRead:
    found: SimpleQueue[Any] = SimpleQueue()
    ConfigFile(str(path)).read(in_force, lambda message: found.put((threading.current_thread(), message)))
    thread, message = receive(found, WAIT_S)
    assert thread is not threading.current_thread()
    assert isinstance(message, ConfigRead)
    return message


def write(path: Path, *tasks: dict[str, Any]) -> Config:
    path.write_text(json.dumps({"tasks": tasks, "settings": {"timezone": "UTC"}}))
    return ConfigFile(str(path)).load()


def test_the_file_is_read_in_another_thread_and_an_unchanged_task_stays_the_same_object(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    before = write(path, task("a", task_env={"A": "1"}), task("b"), task("gone"))
    write(path, task("new"), task("a", task_env={"A": "1"}), task("b", task_nice=5))
    found = read(path, before)
    assert found.stamp == ConfigFile(str(path)).stamp()
    assert found.problems == () and found.config is not None
    assert list(found.config.tasks) == ["new", "a", "b"]
    assert found.config.tasks["a"] is before.tasks["a"]
    assert found.config.tasks["b"].task_nice == 5


def test_the_problems_of_a_file_come_in_place_of_a_config(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    write(path, task("a"))
    path.write_text('{"tasks": [{}]}')
    found = read(path, make_config())
    assert found.config is None
    assert [problem.path for problem in found.problems] == ["task_id", "task_exec"]
    path.unlink()
    os.mkfifo(path)
    assert [problem.text.code for problem in read(path, make_config()).problems] == ["config.file.not_regular"]
