"""The history's file under a real engine: locked, damaged, gone, of a newer version, on a full disk."""

from __future__ import annotations

import sqlite3
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from support.process import linux, root
from support.programs import Home, alive, eventually
from support.store import fill_to_the_brim, locked, small_disk

TICK = {"task_id": "tick", "task_exec": "true", "task_schedule": "@every 1s"}
BOOT = {"task_id": "boot", "task_exec": "true", "task_schedule": "@reboot"}  # due at once in a new history


def dues(rows: list[dict[str, Any]]) -> list[int]:
    """The due times of rows of a schedule for every second."""
    found: list[int] = []
    for row in rows:
        last = int(datetime.fromisoformat(row["scheduled_time"]).timestamp())
        since = row["missed_since"]
        found += range(int(datetime.fromisoformat(since).timestamp()) if since else last, last + 1)
    return sorted(found)


def assert_each_second_once(rows: list[dict[str, Any]]) -> None:
    seconds = dues(rows)
    assert seconds == list(range(seconds[0], seconds[-1] + 1))


@pytest.fixture
def database(home: Home) -> Path:
    return home.path / "var" / "minisched.db"


def test_a_lock_of_another_process_delays_rows_and_runs_but_loses_none(home: Home, database: Path) -> None:
    home.write(TICK, {"task_id": "long", "task_exec": "sleep 1.5; exit 7", "task_schedule": "@every 1s"})
    process = home.start()
    eventually(lambda: [row for row in home.rows("long") if row["attempts"] and row["attempts"][0]["pid"]])
    running = home.rows("long")[0]["run_id"]
    with locked(database):
        eventually(lambda: "history:" in home.engine_log(), "it is logged", within=6)
        count = len(home.rows())
        assert "is locked; due times wait until it can be written again" in home.engine_log()
        for command in (["history"], ["list"], ["status"]):
            answer = home.run(*command)
            assert (answer.returncode, answer.stderr) == (0, "")
            assert "long" in answer.stdout
        eventually(lambda: not alive(process.pid) or waited(home, 10), "some due times pass", within=20)
        assert len(home.rows()) == count  # nothing could be written
        started = home.log("tick").count("start]")
        assert started <= count  # and what has no row does not run
    eventually(lambda: "resolved after" in home.engine_log(), within=5)
    eventually(lambda: home.ended("long")[0]["exit_code"] == 7, "the run that ended meanwhile")
    assert home.ended("long")[0]["run_id"] == running
    ended = len([row for row in home.ended("tick") if row["status"] == "success"])
    eventually(lambda: len([row for row in home.ended("tick") if row["status"] == "success"]) >= ended + 1)
    assert home.stop() == 0
    for task_id in ("tick", "long"):
        assert_each_second_once(home.rows(task_id))
    assert home.log("tick").count("start]") == len([row for row in home.rows("tick") if row["attempts"]])


def waited(home: Home, seconds: float) -> bool:
    """Whether so many seconds have passed since the history could be written no more."""
    line = next(line for line in home.engine_log().splitlines() if "due times wait" in line)
    return time.time() - datetime.fromisoformat(line.split()[0]).timestamp() >= seconds


def damage(path: Path, offset: int, count: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * count)


def aside(home: Home) -> list[str]:
    found = sorted(path.name for path in (home.path / "var").glob("minisched.db.damaged-*"))
    return [name for name in found if not name.endswith(("-wal", "-shm"))]


def test_a_history_damaged_while_stopped_is_moved_aside(home: Home, database: Path) -> None:
    home.write(TICK, BOOT)
    home.start()
    eventually(lambda: home.ended("boot"))
    home.stop()
    last = home.rows()[-1]["run_id"]
    damage(database, 4104, 3000)
    before = database.read_bytes()
    home.start()
    assert aside(home)
    assert (database.parent / aside(home)[0]).read_bytes() == before
    assert "it was moved to" in home.engine_log()
    assert "a new history was started" in home.engine_log()
    eventually(lambda: home.ended("tick"), "the tasks continue")
    assert {row["status"] for row in home.ended("tick")} == {"success"}  # no catch-up out of nothing
    assert home.rows()[0]["run_id"] > last
    answer = home.run("status")
    assert f"{aside(home)[0]}: a damaged history was moved aside" in answer.stdout
    assert home.stop() == 0
    # An empty file is no history either.
    database.write_bytes(b"")
    home.start()
    assert "is empty although this home had a history" in home.engine_log()
    eventually(lambda: home.ended("boot"))
    assert home.stop() == 0


def test_a_history_emptied_or_removed_under_the_engine_does_not_stop_it(home: Home, database: Path) -> None:
    home.write(TICK, {"task_id": "long", "task_exec": "sleep 60", "task_schedule": "@every 1s"}, shutdown_grace=0)
    process = home.start()
    (running,) = eventually(lambda: [row for row in home.rows("long") if row["status"] == "running"])
    database.write_bytes(b"")
    eventually(lambda: aside(home), "moved aside", within=8)
    eventually(lambda: home.ended("tick"), "the tasks continue", within=8)
    assert "minisched.db was truncated from" in home.engine_log()
    assert "the damaged history was moved to" in home.engine_log()
    kept = [row["run_id"] for row in home.rows("long") if row["status"] == "running"]
    assert kept == [running["run_id"]]  # running runs are in the new one too
    rows = {row["run_id"] for row in home.rows()}
    database.unlink()
    eventually(lambda: "the removed history was saved from the open file" in home.engine_log(), within=6)
    eventually(lambda: database.exists() and len(home.rows()) > len(rows), "the tasks continue", within=6)
    assert rows <= {row["run_id"] for row in home.rows()}
    assert f"{aside(home)[0]}: a damaged history was moved aside" in home.run("status").stdout
    assert alive(process.pid)
    assert home.stop() == 0
    assert home.engine_log().count("engine started") == 1
    # The next start accepts the history that was started in the meantime as that of this home.
    lines = home.engine_log().count("\n")
    home.start()
    assert "another history" not in home.engine_log().split("\n", lines)[-1]
    # Its header overwritten: the open file is enough for now, and the next start repairs it.
    damage(database, 0, 100)
    count = len(home.log("tick"))
    eventually(lambda: len(home.log("tick")) > count, "the tasks continue", within=5)
    home.kill()
    old, rows = aside(home), {row["run_id"] for row in home.rows()} if whole(database) else set()
    process = home.start()
    assert len(aside(home)) > len(old) or rows
    eventually(lambda: {row["run_id"] for row in home.ended("tick")} - rows, "the tasks continue")
    assert rows <= {row["run_id"] for row in home.rows()}
    assert home.stop() == 0


def whole(path: Path) -> bool:
    """Whether SQLite can read it: a page in the -wal is good, whatever the file has in its place."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return bool(db.execute("PRAGMA quick_check").fetchall() == [("ok",)])
    except sqlite3.Error:
        return False
    finally:
        db.close()


def test_a_history_of_a_newer_version_is_refused_and_left_as_it_is(home: Home, database: Path) -> None:
    home.write(BOOT)
    home.start()
    eventually(lambda: home.ended("boot"))
    home.stop()
    db = sqlite3.connect(database)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = {path.name: path.read_bytes() for path in database.parent.iterdir() if path.name.startswith("minisched")}
    process = home.start(wait=False)
    _, text = process.communicate(timeout=20)
    assert process.returncode == 78  # no service manager should start it again and again
    assert "has schema version 99" in text
    assert len(text.splitlines()) == 1
    after = {path.name: path.read_bytes() for path in database.parent.iterdir() if path.name.startswith("minisched")}
    assert after == before
    for command in ("history", "list", "status"):
        answer = home.run(command)
        assert answer.returncode == 1
        assert "has schema version 99" in answer.stderr
        assert len(answer.stderr.splitlines()) == 1
    assert database.read_bytes() == before["minisched.db"]


@linux
@root
def test_on_a_full_disk_nothing_starts_without_a_row_and_work_resumes_later(tmp_path: Path) -> None:
    go, beats = tmp_path / "go", tmp_path / "beats"
    long = f"while [ ! -e {go} ]; do sleep 0.05; done; head -c 500000 /dev/zero | tr '\\0' x; exit 7"
    with small_disk(tmp_path / "disk", 4096) as disk:
        disk.chmod(0o755)
        home = Home(disk)
        try:
            home.write(
                {"task_id": "long", "task_exec": long, "task_schedule": "@every 1s"},
                {**TICK, "task_exec": f"echo $MINISCHED_RUN_ID >> {beats}"},
            )
            process = home.start()
            eventually(lambda: [row for row in home.rows("long") if row["attempts"] and row["attempts"][0]["pid"]])
            eventually(lambda: home.ended("tick"))
            assert (disk / "var" / "ballast").exists()
            fillers = [fill_to_the_brim(disk)]
            go.touch()

            def stuck() -> bool:
                """Fills what became free (the ballast), until no run is started any more."""
                fillers.append(fillers[-1].with_name(f"filler-{len(fillers)}"))
                fill_to_the_brim(disk).rename(fillers[-1])
                return time.time() - beats.stat().st_mtime > 2.5

            fillers[0] = fillers[0].rename(disk / "filler-0")
            eventually(stuck, "nothing can be written")
            started = beats.read_text().split()
            assert alive(process.pid)
            assert "tick" in home.run("history").stdout
            for filler in fillers:
                filler.unlink()
            (run,) = eventually(
                lambda: [row for row in home.ended("long") if row["attempts"]][:1], "its end is written"
            )
            assert (run["status"], run["exit_code"]) == ("technical_failure", 7)
            assert run["attempts"][0]["log_lost"]
            eventually(lambda: len(beats.read_text().split()) > len(started), "it continues by itself", within=5)
            eventually(lambda: "resolved after" in home.engine_log(), within=2)
            assert home.stop() == 0
            # Each process that was started has its row, each row its process, each due time its row.
            started = beats.read_text().split()
            assert [int(line) for line in started] == [row["run_id"] for row in home.rows("tick") if row["attempts"]]
            for task_id in ("tick", "long"):
                assert_each_second_once(home.rows(task_id))
            # Lost output is reported.
            assert "bytes of output could not be written (No space left on device)" in home.log("long") + home.log(
                "tick"
            )
        finally:
            home.close()
