"""The engine as a whole: status, health, metrics."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from minisched.config import parse_document
from minisched.home import Home
from minisched.model import Batch, EngineProblem, FieldError, LockSnapshot, Status, Text
from support.api import Api
from support.config import task
from support.store import NOW, make


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    one = Api(tmp_path / "home", task("a"), task("b", enabled=False, task_tags=['quo"te']), max_running=3)
    yield one
    one.close()


def break_history(api: Api) -> None:
    with closing(sqlite3.connect(api.database)) as db:
        db.execute("PRAGMA user_version = 99")


def wrong(text: str) -> EngineProblem:
    return EngineProblem(Text("text", text=text), NOW)


def shown_as(key: str, text: str) -> dict[str, Any]:
    words = {"words": {"en": text, "zh": text}, "message": text, "code": "text", "text": text}
    return {"key": key, "since": "2026-11-18T11:06:40.500+00:00", **words}


def test_the_status_describes_the_engine(api: Api) -> None:
    api.record(make("a", Status.SUCCESS))
    api.record(make("gone", Status.SUCCESS))
    text = Text("config.is", value="99", why=Text("config.expected", rule=Text("config.rule.integer", min=-20, max=19)))
    problem = FieldError("task_nice", text, owner="tasks[0] (a)")
    api.board.engine = api.board.engine._replace(
        problems={"files": wrong("logs/ is full")}, config_problems=(problem,), running=2, started=NOW - 60
    )
    found = api.get("/status").json
    assert found["version"] == "1.2.3"
    assert (found["uptime"], found["started_time"]) == (60, "2026-11-18T11:05:40.500+00:00")
    assert (found["tasks"], found["disabled"], found["running"], found["max_running"]) == (2, 1, 2, 3)
    assert found["locks"] == []
    assert (found["counts"]["success"], found["counts"]["idle"], found["counts"]["missed"]) == (1, 1, 0)
    assert found["problems"] == [shown_as("files", "logs/ is full")]
    assert found["config"]["problems"] == [
        {
            "file": "tasks/config.json",
            "place": "tasks[0] (a): task_nice",
            "place_words": {"en": "tasks[0] (a): task_nice", "zh": "tasks[0] (a): task_nice"},
            "path": "task_nice",
            "message": "is 99; expected a whole number from -20 to 19",
            "words": {"en": "is 99; expected a whole number from -20 to 19", "zh": "值为 99；应为整数，-20 至 19"},
        }
    ]
    assert found["history"]["runs"] == 2
    assert found["history"]["bytes"] > 10_000
    assert found["disk"]["free_bytes"] <= found["disk"]["total_bytes"]
    assert found["clock"]["sane"] is True
    assert found["stopping"] is False


def test_the_status_of_a_config_with_ten_thousand_problems_stays_small(api: Api) -> None:
    broken = [{"task_id": f"task_number_{number}", "task_exec": "x", "colour": 1} for number in range(10_000)]
    found = parse_document({"tasks": broken})[1]
    api.board.engine = api.board.engine._replace(config_problems=tuple(found))
    reply = api.get("/status")
    assert len(reply.body) < 100_000
    assert (len(reply.json["config"]["problems"]), reply.json["config"]["problem_count"]) == (101, 10_000)
    assert "minisched_config_problems 10000\n" in api.get("/metrics").body.decode()


def test_the_status_of_the_api_has_the_warnings(api: Api) -> None:
    api.write({"tasks": [{"task_id": "a", "task_exec": "true", "task_cwd": "~"}]})
    api.reload()
    config = api.get("/status").json["config"]
    assert (config["problems"], config["problem_count"]) == ([], 0)
    (warning,) = config["warnings"]
    assert (warning["place"], warning["path"]) == ("tasks[0] (a): task_cwd", "task_cwd")
    assert warning["words"]["zh"].startswith("为 ~：此处 ~ 不会展开")


def test_tasks_are_counted_as_they_are_now(api: Api) -> None:
    def counts() -> dict[str, int]:
        return {status: count for status, count in api.get("/status").json["counts"].items() if count}

    assert counts() == {"idle": 2}
    run_id = api.record(make("a", Status.RUNNING))
    assert counts() == {"running": 1, "idle": 1}
    api.store.commit(Batch([make("a", Status.BUSINESS_FAILURE, run_id=run_id)]))
    api.publish("a", live=())
    assert counts() == {"business_failure": 1, "idle": 1}
    api.write({"tasks": [task("a"), task("c"), task("d")]})
    api.reload()
    assert counts() == {"business_failure": 1, "idle": 2}


def test_the_status_needs_neither_history_nor_config_file(api: Api) -> None:
    break_history(api)
    api.config.unlink()
    found = api.get("/status").json
    assert [problem["key"] for problem in found["problems"]] == ["history"]
    assert (found["history"]["runs"], found["config"]["hash"]) == (None, None)
    api.board.engine = api.board.engine._replace(problems={"history": wrong("locked")})
    assert api.get("/status").json["problems"] == [shown_as("history", "locked")]


def test_values_that_the_system_does_not_have_are_null(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.app.home = Home(str(api.path / "none"))
    api.now = 5.0
    found = api.get("/status").json
    assert (found["disk"], found["history"]["bytes"]) == ({"free_bytes": None, "total_bytes": None}, 0)
    assert (found["clock"]["sane"], found["uptime"]) == (False, 0)
    monkeypatch.setattr("os.sysconf", lambda name: int("x"))
    assert "minisched_memory_bytes" not in samples(api.get("/metrics").body.decode())


def test_health_is_open_and_gives_its_reasons_only_with_the_token(api: Api) -> None:
    for path in ("/healthz", "/healthz"):
        assert api.get(path, authorized=False).json == {"status": "ok"}
    assert api.get("/healthz").json == {"status": "ok", "reasons": []}
    api.board.engine = api.board.engine._replace(
        problems={"files": wrong("logs/ is full"), "config": wrong("task_nice is 99")},
        stopping=True,
        beat=api.app.monotonic() - 20,
        wake_by=0.0,
    )
    found = api.get("/healthz", authorized=False)
    assert (found.status, found.json) == (503, {"status": "degraded"})
    reasons = api.get("/healthz").json["reasons"]
    assert reasons[0] == {"key": "files", "code": "text", "text": "logs/ is full", "message": "logs/ is full"}
    assert [reason["key"] for reason in reasons[1:]] == ["config", "engine", "engine"]
    assert re.fullmatch(r"the engine's loop has not turned for 2\d s", reasons[2]["message"])
    assert (reasons[3]["code"], reasons[3]["message"]) == ("engine.stopping", "the engine is stopping")


def samples(text: str) -> dict[str, float]:
    """By name with labels; each line must be of Prometheus' form, each metric have its help and type."""
    found: dict[str, float] = {}
    described = set()
    for line in text.splitlines():
        if line.startswith("#"):
            _, kind, name, _ = line.split(" ", 3)
            described.add((kind, name))
        else:
            match = re.fullmatch(r'([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (\S+)', line)
            assert match, line
            assert {("HELP", match[1]), ("TYPE", match[1])} <= described
            found[f"{match[1]}{match[2] or ''}"] = float(match[3])
    return found


def test_the_metrics_are_prometheus_text(api: Api) -> None:
    api.record(make("a", Status.SUCCESS, start_time=NOW, end_time=NOW + 3, duration=2.5))
    api.record(make("a", Status.TECHNICAL_FAILURE, end_time=NOW + 9, duration=0.5))
    api.publish("a", next_start=NOW + 60)
    api.board.engine = api.board.engine._replace(problems={'a "quoted"\nthing': wrong("x")}, running=1)
    found = api.get("/metrics")
    assert found.response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    values = samples(found.body.decode())
    assert values['minisched_tasks{status="technical_failure"}'] == 1
    assert values['minisched_tasks{status="idle"}'] == 1
    assert values["minisched_tasks_disabled"] == 1
    assert values['minisched_problem{about="a \\"quoted\\"\\nthing"}'] == 1
    assert values['minisched_task_consecutive_failures{task_id="a"}'] == 1
    assert values['minisched_task_last_success_time_seconds{task_id="a"}'] == NOW + 3
    assert values['minisched_task_last_duration_seconds{task_id="a"}'] == 0.5
    assert values['minisched_task_next_start_time_seconds{task_id="a"}'] == NOW + 60
    assert values['minisched_task_history_runs{task_id="a"}'] == 2
    assert (values["minisched_running_processes"], values["minisched_healthy"]) == (1, 0)
    assert values["minisched_memory_bytes"] > 1_000_000
    assert api.get("/metrics").body.decode().startswith("# HELP minisched_info")
    assert api.get("/metrics", authorized=False).code == "unauthorized"


def test_locks_are_shown_with_those_who_hold_them_and_wait(api: Api) -> None:
    locks = (LockSnapshot("db", 2, (("a", 7), ("b", 8)), (("c", 9),), 1), LockSnapshot("nas", 1))
    api.board.engine = api.board.engine._replace(locks=locks)
    assert api.get("/status").json["locks"] == [
        {
            "name": "db",
            "size": 2,
            "held_by": [{"task_id": "a", "run_id": 7}, {"task_id": "b", "run_id": 8}],
            "waiting": [{"task_id": "c", "run_id": 9}],
            "waiting_count": 1,
        },
        {"name": "nas", "size": 1, "held_by": [], "waiting": [], "waiting_count": 0},
    ]
    values = samples(api.get("/metrics").body.decode())
    assert [values[f'minisched_lock_{what}{{lock="db"}}'] for what in ("size", "held", "waiting")] == [2, 2, 1]


def test_metrics_that_need_no_history_are_given_without_it(api: Api) -> None:
    break_history(api)
    values = samples(api.get("/metrics").body.decode())
    assert values["minisched_max_running"] == 3
    assert not any("task_id" in name or "{status=" in name for name in values)


def test_while_the_loop_stands_still_no_reader_waits_for_the_disk_too(api: Api) -> None:
    assert api.get("/executions").status == 200
    api.board.engine = api.board.engine._replace(beat=time.monotonic() - 100, wake_by=time.monotonic() - 16)
    refused = api.get("/executions")
    assert (refused.status, refused.json["error"]["code"]) == (503, "unavailable")
    assert "has not turned for 100 s" in refused.json["error"]["message"]
    health = api.get("/healthz")
    assert (health.status, [reason["key"] for reason in health.json["reasons"]]) == (503, ["engine"])
    assert "has not turned" in api.get("/status").json["problems"][0]["message"]
