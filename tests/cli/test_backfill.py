"""`trigger --for`, `exec --for`, `rerun` and `backfill` on a real home."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

from support.programs import Home, environment, eventually

TODAY = datetime.now(timezone.utc)
DAYS = [(TODAY - timedelta(days=back)).date().isoformat() for back in (3, 2, 1)]
DUE = [f"{day}T02:30:00+00:00" for day in DAYS]


@pytest.fixture
def engine(home: Home) -> Home:
    command = "echo $MINISCHED_SCHEDULED_TIME; ! test -e fail"
    home.write(
        {"task_id": "day", "task_exec": command, "task_schedule": "30 2 * * *"},
        {"task_id": "none", "task_exec": "true"},
        http={"port": 0},
        timezone="UTC",
    )
    home.start()
    eventually(lambda: json.loads((home.path / "var" / "lock").read_text())["url"], "the page is up")
    return home


def made_up(home: Home) -> list[tuple[str, str, int | None]]:
    runs = [row for row in home.rows("day") if row["trigger"] == "backfill"]
    return [(row["status"], row["scheduled_time"], row["repeats"]) for row in runs]


def test_a_past_time_is_made_up_and_repeated(engine: Home) -> None:
    done = engine.run("trigger", "day", "--for", f"{DAYS[0]}T02:30", "--wait")
    assert (done.returncode, done.stderr) == (0, "") and f"out] {DUE[0]}\n" in done.stdout
    again = engine.json("rerun", "1")
    assert again == {"run_id": 2, "scheduled_time": DUE[0], "repeats": 1, "in_schedule": True}
    eventually(lambda: len(engine.ended("day")) == 2)
    odd = f"{DAYS[0]}T07:00"
    done = engine.run("exec", "day", "--for", odd)
    assert (done.returncode, done.stdout) == (0, f"{odd}:00+00:00\n")
    assert made_up(engine) == [
        ("success", DUE[0], None),
        ("success", DUE[0], 1),
        ("success", f"{odd}:00+00:00", None),
    ]
    done = engine.run("trigger", "day", "--for", odd)
    assert "run 3 is of" in done.stderr and "is no due time of the schedule in force" in done.stderr
    for command in ("trigger", "exec"):
        done = engine.run(command, "day", "--for", "2999-01-01")
        assert done.returncode in (1, 2) and "still to come" in done.stderr
    done = engine.run("trigger", "day", "--for", "tomorrow")
    assert done.stderr.startswith('minisched: --for: "tomorrow" is not a time; expected ISO 8601')
    assert engine.run("rerun", "999").returncode == 1


def test_the_end_of_the_input_is_no_answer(engine: Home) -> None:
    master, slave = pty.openpty()
    os.write(master, b"\x04")  # Ctrl-D
    command = [sys.executable, "-m", "minisched", "--home", str(engine.path), "backfill", "day"]
    command += ["--from", DAYS[0], "--to", DAYS[2]]
    done = subprocess.run(command, stdin=slave, capture_output=True, text=True, env=environment(), check=False)
    os.close(slave)
    os.close(master)
    assert (done.returncode, done.stderr) == (1, "") and "3 times?" in done.stdout and made_up(engine) == []


def test_a_span_is_made_up_oldest_first_without_what_has_a_success(engine: Home) -> None:
    engine.run("trigger", "day", "--for", DUE[1], "--wait")
    span = ("backfill", "day", "--from", DAYS[0], "--to", DAYS[2])
    done = engine.run(*span)
    assert done.returncode == 2 and "2 due times to make up, from" in done.stdout and "--yes" in done.stderr
    assert "1 has a success already" in done.stdout
    assert engine.run(*span, "--yes").returncode == 0
    assert [due for _, due, _ in made_up(engine)] == [DUE[1], DUE[0], DUE[2]]
    done = engine.run(*span)
    assert done.returncode == 0 and "no due time is to be made up" in done.stdout
    done = engine.run("backfill", "none", "--from", DAYS[0], "--yes")
    assert done.returncode == 1 and "none has no schedule" in done.stderr


def test_a_failure_ends_it_and_says_how_to_go_on(engine: Home) -> None:
    (engine.path / "fail").write_text("")
    span = ("backfill", "day", "--from", DAYS[0], "--to", DAYS[2], "--yes")
    done = engine.run(*span)
    assert done.returncode == 1
    assert "1 of 3 made up; the rest: " in done.stderr
    assert f"backfill day --from {DUE[1]} --to {DUE[2]}" in done.stderr
    done = engine.run(*span, "--keep-going", "--json")
    assert done.returncode == 1
    assert [run["status"] for run in json.loads(done.stdout)] == ["business_failure"] * 3


def test_without_an_engine_it_says_so(home: Home) -> None:
    home.write({"task_id": "day", "task_exec": "true", "task_schedule": "30 2 * * *"})
    done = home.run("backfill", "day", "--from", DAYS[0], "--yes")
    assert done.returncode == 1 and "no engine runs on" in done.stderr
    assert home.run("rerun", "1").returncode == 1
