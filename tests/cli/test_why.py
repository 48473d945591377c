"""`why` on a real home, and the same answer from the API."""

from __future__ import annotations

import json

from support.programs import Home, eventually


def test_why_answers_with_and_without_an_engine(home: Home) -> None:
    daily = {"task_id": "day", "task_exec": "true", "task_schedule": "@at 2020-01-01T00:00Z"}
    home.write(daily, {"task_id": "off", "task_exec": "true", "task_schedule": "0 2 * * *", "enabled": False})
    done = home.run("why", "off", "yesterday")
    assert done.returncode == 0 and "the task is disabled" in done.stdout
    home.write(daily, {"task_id": "off", "task_exec": "true", "task_schedule": "0 2 * * *"}, http={"port": 0})
    home.start()
    eventually(lambda: json.loads((home.path / "var" / "lock").read_text())["url"], "the page is up")
    assert home.run("disable", "off").returncode == 0
    done = home.run("why", "off")
    assert "the task was disabled at " in done.stdout and "on the command line (" in done.stdout
    assert home.run("trigger", "day", "--wait").returncode == 0
    found = home.json("why", "day")
    assert [one["run_id"] for one in found["findings"] if one["run_id"]] == [1]
    status, answer = home.get("/tasks/day/why?at=today")
    assert status == 200 and any(one["run_id"] == 1 for one in answer["findings"])
    assert home.run("why", "nothing").returncode == 1
    assert home.run("why", "day", "sometime").returncode == 2
    assert home.get("/tasks/nothing/why")[0] == 404
    assert home.get("/tasks/day/why?at=sometime")[0] == 400


def test_many_runs_with_the_same_end_take_one_line_and_the_first_start_is_named(home: Home) -> None:
    home.write({"task_id": "often", "task_exec": "true", "task_schedule": "0 2 * * *"}, http={"port": 0})
    home.start()
    eventually(lambda: json.loads((home.path / "var" / "lock").read_text())["url"], "the page is up")
    for _ in range(4):
        assert home.run("trigger", "often", "--wait").returncode == 0
    lines = home.run("why", "often", "today").stdout.splitlines()
    assert [line.split(": ", 1)[1] for line in lines if "(manual), success" in line] == ["run 1 (manual), success"]
    assert [line.endswith(": run 4") for line in lines if line.startswith("the same for 3 more runs, ")] == [True]
    assert "but the first recorded start of an engine was at " in home.run("why", "often", "2026-01-02").stdout
