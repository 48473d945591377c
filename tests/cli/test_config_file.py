"""The home's config file as the engine reads it, in another thread."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from minisched.cli.assembly import Linter
from minisched.cli.run import ConfigFile
from minisched.config import ConfigError, parse_config
from minisched.model import Config, ConfigRead
from minisched.threads import receive
from support.bruteforce import day_of
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


def test_a_change_of_a_calendar_is_a_change_of_the_config_also_while_the_calendar_is_wrong(tmp_path: Path) -> None:
    path, calendar = tmp_path / "tasks/config.json", tmp_path / "tasks/days/cn.txt"
    calendar.parent.mkdir(parents=True)
    calendar.write_text("week mon-fri\n")
    document = {"settings": {"calendars": {"cn": {"file": "tasks/days/cn.txt"}}}, "tasks": []}
    path.write_text(json.dumps(document))
    source = ConfigFile(str(path))
    assert source.load().settings.calendars["cn"].week == 0b0111110
    assert source.stamp() == source.loaded
    calendar.write_text("weekend\n")
    before = source.loaded
    assert source.stamp() != before
    with pytest.raises(ConfigError, match=r"tasks/days/cn.txt: line 1: "):
        source.load()
    assert source.stamp() == source.loaded != before
    calendar.unlink()
    assert source.stamp() != source.loaded
    calendar.write_text("week sun-thu\n")
    assert source.load().settings.calendars["cn"].week == 0b0011111


def test_a_calendar_that_ends_while_the_engine_runs_is_logged_once_on_the_day_it_comes(
    tmp_path: Path,
) -> None:
    (tmp_path / "cn.txt").write_text("week mon-fri\n2026-12-31 on\n")
    found, _ = parse_config(b'{"tasks": [], "settings": {"calendars": {"cn": {"file": "cn.txt"}}}}', home=str(tmp_path))
    assert found is not None
    now = [day_of("2026-12-01") * 86400.0]
    lines: list[str] = []
    log, handler = logging.Logger("lint"), logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    linter = Linter(str(tmp_path), log, wall=lambda: now[0])
    linter.start(found)
    for day in ("2026-12-01", "2026-12-02", "2026-12-03", "2027-01-02", "2027-01-03"):
        now[0] = day_of(day) * 86400.0
        for _ in range(3):
            linter.maintain()
    assert [line.partition("cn.txt) ")[2].partition(":")[0] for line in lines] == ["ends soon", "has ended"]


WATCH = """
import json, os, signal, sys, time
import pytest

from minisched.cli.assembly import Linter
from minisched.cli.run import ConfigFile
from minisched.config import ConfigError, parse_config

signals = []
signal.signal(signal.SIGIO, lambda number, frame: signals.append(number))
home = sys.argv[1]
source = ConfigFile(f"{home}/tasks/config.json")
source.load()
for text in ("week tue-fri\\n", "week wed-fri\\n"):
    assert source.watch()
    with open(f"{home}/days/cn.txt", "r+") as file:  # written in place, as some editors do
        file.write(text)
    deadline = time.monotonic() + 60
    while not signals and time.monotonic() < deadline:
        signal.sigtimedwait([], 0.01)
    print(len(signals), source.stamp() != source.loaded)
    source.load()
    signals.clear()
"""


def test_the_kernel_reports_a_change_of_a_calendar_in_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "days").mkdir()
    (tmp_path / "days/cn.txt").write_text("week mon-fri\n")
    document = {"settings": {"calendars": {"cn": {"file": "days/cn.txt"}}}, "tasks": []}
    (tmp_path / "tasks/config.json").write_text(json.dumps(document))
    done = subprocess.run([sys.executable, "-c", WATCH, tmp_path], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "1 True\n1 True\n"
