"""What goes wrong with the home's files under a real engine is a problem, whoever notices it first."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from minisched.home import Home as Place
from minisched.home import read_lock
from support.programs import Home, alive, eventually
from support.store import ask

TICK = {"task_id": "tick", "task_exec": "true", "task_schedule": "@every 1s"}
HTTP = {"port": 0}


def begun(home: Home) -> None:
    home.start()
    eventually(lambda: len(home.ended("tick")) >= 2, "it runs")
    eventually(lambda: read_lock(Place(str(home.path))).url, "its page is served")


@pytest.fixture
def database(home: Home) -> Path:
    home.write(TICK, http=HTTP)
    return home.path / "var" / "minisched.db"


def test_a_history_found_damaged_at_the_start_is_a_problem(home: Home, database: Path) -> None:
    begun(home)
    assert home.reasons() == {}
    home.stop()
    with database.open("r+b") as file:
        file.write(random.Random(1).randbytes(32))
    begun(home)
    assert "a new history was started" in home.reasons()["history file"]
    assert "history file" in {problem["key"] for problem in home.get("/status")[1]["problems"]}
    assert home.stop() == 0


def test_a_history_overwritten_under_the_engine_is_replaced_once_a_reader_meets_it(home: Home, database: Path) -> None:
    """The engine itself has all pages in memory, and would not notice until its end."""
    begun(home)
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.write(random.Random(2).randbytes(size))
    eventually(lambda: home.get("/executions")[0] == 200 and "history file" in home.reasons(), "it is replaced")
    assert "the damaged history was moved to" in home.reasons()["history file"]
    assert list(database.parent.glob("minisched.db.damaged-*"))
    rows = len(home.rows())
    eventually(lambda: len(home.rows()) > rows + 1, "the tasks continue")
    assert home.stop() == 0


@pytest.mark.parametrize("gone", [("-wal", "-shm"), ("-wal",), ("-shm",)], ids=" ".join)
def test_side_files_removed_under_the_engine_cost_no_row(home: Home, database: Path, gone: tuple[str, ...]) -> None:
    begun(home)
    before = {row["run_id"] for row in home.rows()}
    for suffix in gone:
        Path(f"{database}{suffix}").unlink()
    eventually(lambda: "was removed, so that no other process" in home.reasons().get("history file", ""), "reported")
    eventually(lambda: home.get("/executions")[0] == 200, "readers read again")
    eventually(lambda: {row["run_id"] for row in home.rows()} > before, "other processes see new rows")
    shown = {row["run_id"] for row in home.rows()}
    home.kill()
    assert ask(database, "PRAGMA integrity_check") == [("ok",)]
    kept = {row["run_id"] for row in home.rows()}
    assert kept >= shown
    begun(home)
    eventually(lambda: {row["run_id"] for row in home.rows()} > kept)
    assert home.reasons() == {}
    assert home.stop() == 0


def test_an_engine_that_has_lost_its_home_to_another_one_ends(home: Home, database: Path, tmp_path: Path) -> None:
    long = {"task_id": "long", "task_exec": "exec sleep 600", "task_schedule": "@every 1s"}
    home.write(TICK, long, http=HTTP)
    begun(home)
    first = home.process
    assert first is not None
    (row,) = eventually(lambda: [row for row in home.rows("long") if row["attempts"] and row["attempts"][0]["pid"]])
    os.rename(home.path, tmp_path / "gone")  # at once: removing it would race with what the engine writes
    other = Home(home.path)
    other.write(TICK)
    try:
        other.start()
        assert first.wait(30) == 75
        eventually(lambda: not alive(row["attempts"][0]["pid"]), "its task has ended")
        assert "another engine runs on this home" in other.engine_log()
        errors = first.communicate()[1]
        assert f"another engine holds {home.path} now" in errors
        rows = len(other.rows("tick"))
        eventually(lambda: len(other.rows("tick")) > rows, "the other one goes on")
        assert other.rows("long") == []
        assert other.stop() == 0
        assert ask(database, "PRAGMA integrity_check") == [("ok",)]
    finally:
        other.close()
        home.process = None


def test_a_folder_that_is_gone_is_not_a_full_disk(home: Home, database: Path) -> None:
    begun(home)
    api = home.api
    os.rename(database.parent, home.path / "elsewhere")
    eventually(lambda: "files" in home.reasons(api), "it is reported")
    assert "disk" not in home.reasons(api)
    os.rename(home.path / "elsewhere", database.parent)
    assert home.stop() == 0
