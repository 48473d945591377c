"""`GET /tasks`: what a summary contains, which tasks are selected, and what is kept between requests."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from minisched.api.context import ENTRY_BYTES, MAX_LIST_BYTES, SummaryCache
from minisched.model import Batch, Late, Status, TaskAttempt, Text, Trigger
from support.api import Api
from support.config import task
from support.store import NOW, make


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    one = Api(
        tmp_path / "home",
        task("nightly", task_name="Nightly Backup", task_schedule="30 2 * * *", task_tags=["db", "night"]),
        task("report", task_dependencies=["nightly"], task_description="Für die Chefin", task_timezone="Asia/Shanghai"),
        task("by_hand", enabled=False, task_tags=["db"]),
    )
    yield one
    one.close()


def break_history(api: Api) -> None:
    with closing(sqlite3.connect(api.database)) as db:
        db.execute("PRAGMA user_version = 99")


def ids(found: Any) -> list[str]:
    return [summary["task_id"] for summary in found.json["items"]]


def test_a_task_that_never_ran(api: Api) -> None:
    found = api.get("/tasks")
    summary = found.json["items"][0]
    assert (found.json["page"], found.json["page_size"], found.json["total"]) == (1, 3, 3)
    assert summary == {
        "task_id": "nightly",
        "task_name": "Nightly Backup",
        "task_description": "",
        "task_tags": ["db", "night"],
        "enabled": True,
        "task_schedule": ["30 2 * * *"],
        "task_timezone": "UTC",
        "schedule_words": {"en": "at 02:30, every day", "zh": "每天 02:30"},
        "task_dependencies": [],
        "task_timeout": 86_400,
        "task_expect": None,
        "slow": [],
        "late": None,
        "current_status": "idle",
        "reason": None,
        "next_run_time": None,
        "left_out": [],
        "last_run": None,
        "running": [],
        "consecutive_failures": 0,
        "outcomes": [],
        "median_duration": None,
        "run_count": 0,
        "version": 1,
    }
    assert found.json["items"][1]["schedule_words"] == {"en": "after nightly", "zh": "在 nightly 之后"}
    assert found.json["items"][2]["schedule_words"] == {"en": "manually", "zh": "手动"}


def test_a_summary_has_past_current_and_coming_runs(api: Api) -> None:
    for seconds in (1.0, 5.0, 2.5, 100.0):
        api.record(make("report", Status.SUCCESS, start_time=NOW, end_time=NOW + seconds, duration=seconds))
    attempt = TaskAttempt(
        1, Status.TECHNICAL_FAILURE, NOW, reason="exit_code", detail=Text("text", text="exit code 75"), exit_code=75
    )
    api.record(make("report", Status.SKIPPED, reason="overlap"))
    failed = make(
        "report",
        Status.TECHNICAL_FAILURE,
        reason="exit_code",
        detail=Text("text", text="exit code 75"),
        attempts=(attempt,),
    )
    last_id = api.record(failed)
    summary = api.get("/tasks?q=report").json["items"][0]
    assert (summary["current_status"], summary["reason"], summary["consecutive_failures"]) == (
        "technical_failure",
        "exit_code",
        1,
    )
    assert (summary["last_run"]["run_id"], summary["last_run"]["attempts"][0]["exit_code"]) == (last_id, 75)
    assert summary["last_run"]["end_time"] == "2026-11-18T19:06:40.500+08:00"
    assert (summary["median_duration"], summary["run_count"]) == (3.75, 6)
    assert [one["status"] for one in summary["outcomes"]] == ["success"] * 4 + ["skipped", "technical_failure"]
    assert summary["outcomes"][1]["duration"] == 5.0
    assert summary["outcomes"][4]["start_time"] is None
    waiting = make("report", Status.WAITING, reason="nightly", trigger=Trigger.SCHEDULE)
    running = make("report", Status.RUNNING, start_time=NOW)
    ids = api.store.commit(Batch([waiting, running]))
    live = tuple(run._replace(run_id=run_id) for run, run_id in zip((waiting, running), ids))
    api.publish("report", live=live, next_start=NOW + 60)
    summary = api.get("/tasks?q=report").json["items"][0]
    assert (summary["current_status"], summary["reason"]) == ("running", None)
    assert [run["run_id"] for run in summary["running"]] == ids
    assert summary["last_run"]["run_id"] == last_id
    assert summary["next_run_time"] == "2026-11-18T19:07:40.500+08:00"
    assert summary["version"] == api.board.version


def test_only_ids_are_returned_and_the_command_is_searched_only_with_the_token(api: Api) -> None:
    assert api.get("/tasks?ids=1").json["items"] == ["nightly", "report", "by_hand"]
    command = api.get("/tasks/nightly").json["effective"]["task_exec"]
    text = command if isinstance(command, str) else " ".join(command)
    assert "nightly" in api.get(f"/tasks?ids=1&q={quote(text)}").json["items"]
    api.public_status = True
    assert api.get(f"/tasks?ids=1&q={quote(text)}", token=None).json["items"] == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["nightly", "report", "by_hand"]),
        ("tag=db", ["nightly", "by_hand"]),
        ("tag=d", []),
        ("q=BACKUP", ["nightly"]),
        ("q=für", ["report"]),
        ("q=FÜR", ["report"]),
        ("q=night", ["nightly"]),
        ("q=", ["nightly", "report", "by_hand"]),
        ("status=running", ["by_hand"]),
        ("status=success,running", ["nightly", "by_hand"]),
        ("status=running&tag=night", []),
        ("page_size=2", ["nightly", "report"]),
        ("page_size=2&page=2", ["by_hand"]),
        ("page_size=2&page=3", []),
        ("page=2", []),
    ],
)
def test_tasks_are_selected(api: Api, query: str, expected: list[str]) -> None:
    api.record(make("nightly", Status.SUCCESS))
    api.record(make("by_hand", Status.RUNNING))
    found = api.get(f"/tasks?{query}")
    assert ids(found) == expected
    if "page" in query:
        assert found.json["total"] == 3


def test_an_unchanged_list_is_answered_by_304_until_a_task_changes(api: Api) -> None:
    first = api.get("/tasks")
    assert api.get("/tasks").body == first.body
    etag = first.headers["ETag"]
    assert etag == f'"e0-{api.board.version}"'
    for header in (etag, f"W/{etag}", f'"other", {etag}'):
        found = api.get("/tasks", headers={"if-none-match": header})
        assert (found.status, found.body, found.headers["ETag"]) == (304, b"", etag)
    api.publish("nightly", next_start=NOW)
    found = api.get("/tasks", headers={"if-none-match": etag})
    assert found.status == 200
    assert found.json["items"][0]["next_run_time"] is not None
    assert found.json["items"][1:] == first.json["items"][1:]


def test_without_the_token_a_summary_has_no_detail_and_another_etag(api: Api) -> None:
    api.public_status = True
    attempt = TaskAttempt(
        1, Status.TECHNICAL_FAILURE, NOW, reason="spawn", detail=Text("text", text="PGPASSWORD is not set")
    )
    api.record(
        make(
            "nightly",
            Status.TECHNICAL_FAILURE,
            reason="spawn",
            detail=Text("text", text="PGPASSWORD is not set"),
            attempts=(attempt,),
        )
    )
    known, stranger = api.get("/tasks"), api.get("/tasks", authorized=False)
    assert b"PGPASSWORD" in known.body
    assert b"PGPASSWORD" not in stranger.body
    assert known.headers["ETag"] != stranger.headers["ETag"]
    assert api.get("/tasks", authorized=False).body == stranger.body


def test_the_list_is_that_of_the_config_in_force(api: Api) -> None:
    api.get("/tasks")
    api.write({"tasks": [task("new")]})
    api.reload()
    assert ids(api.get("/tasks")) == ["new"]


def test_a_brief_list_has_what_a_page_shows_and_a_brief_event_is_under_a_kilobyte(api: Api) -> None:
    for seconds in (1.0, 5.0, 2.5, 100.04):
        api.record(make("report", Status.SUCCESS, start_time=NOW, end_time=NOW + seconds, duration=seconds))
    detail = Text("exit_code", exit_code=75)
    attempt = TaskAttempt(1, Status.TECHNICAL_FAILURE, NOW, reason="exit_code", detail=detail, exit_code=75)
    failed = make("report", Status.TECHNICAL_FAILURE, reason="exit_code", detail=detail, exit_code=75)
    run_id = api.record(failed._replace(start_time=NOW, duration=0.0, attempts=(attempt,)))
    api.store.commit(Batch(tails={run_id: b"no such file: /mnt/plc/export.csv\n"}))
    found = api.get("/tasks?brief=1")
    summary = found.json["items"][1]
    assert summary["last_run"] == {
        "run_id": run_id,
        "trigger": "manual",
        "status": "technical_failure",
        "reason": "exit_code",
        "detail": {"code": "exit_code", "exit_code": 75},
        "start_time": "2026-11-18T19:06:40.500+08:00",
        "end_time": "2026-11-18T19:06:40.500+08:00",
        "duration": 0.0,
        "exit_code": 75,
        "attempt": 1,
        "max_attempts": 1,
        "last_line": "no such file: /mnt/plc/export.csv",
    }
    at = round(NOW)
    assert summary["outcomes"] == [
        [3, "success", at, 2.5],
        [4, "success", at, 100.0],
        [5, failed.status.value, at, 0.0],
    ]
    assert found.json["outcomes"]["report"] == [[1, "success", at, 1.0], [2, "success", at, 5.0], *summary["outcomes"]]
    assert found.json["outcomes"]["nightly"] == []
    assert api.get("/outcomes?task=report&task=gone").json["outcomes"] == {"report": found.json["outcomes"]["report"]}
    assert "outcomes" not in api.get("/tasks").json
    assert found.headers["ETag"] != api.get("/tasks").headers["ETag"]
    stream = api.get("/events?brief=1&since=0").response.stream
    assert stream is not None
    next(stream)
    events = next(stream).split(b"\n\n")
    assert summary in [json.loads(event.partition(b"data: ")[2]) for event in events if event]
    assert max(map(len, events)) < 1000
    stream.close()  # type: ignore[attr-defined]


def test_summaries_that_find_no_room_are_rendered_again(api: Api) -> None:
    first = api.get("/tasks?page_size=3").body
    api.app.summaries = SummaryCache(0)
    assert api.get("/tasks?page_size=3").body == api.get("/tasks?page_size=3").body == first


def test_tasks_are_selected_by_their_current_status(api: Api) -> None:
    assert ids(api.get("/tasks?status=running")) == []
    run_id = api.record(make("report", Status.RUNNING))
    assert ids(api.get("/tasks?status=running")) == ["report"]
    api.store.commit(Batch([make("report", Status.SUCCESS, run_id=run_id)]))
    api.publish("report", live=())
    assert ids(api.get("/tasks?status=running")) == []
    assert ids(api.get("/tasks?status=success")) == ["report"]
    api.write({"tasks": [task("report"), task("new")]})
    api.reload()
    assert ids(api.get("/tasks?status=success,idle")) == ["report", "new"]
    assert ids(api.get("/tasks?status=idle")) == ["new"]


def test_the_cache_keeps_the_latest_summaries_of_a_version_within_its_bound(api: Api) -> None:
    nightly, report, by_hand = api.board.tasks.values()
    summaries = {
        view.task.task_id: json.dumps({"task_id": view.task.task_id}).encode() for view in api.board.tasks.values()
    }

    def kept() -> list[str]:
        found = {view.task.task_id: cache.find(view, True) for view in (nightly, report, by_hand)}
        return [name for name, summary in found.items() if summary == summaries[name]]

    cache = SummaryCache(2 * (ENTRY_BYTES + 25))
    for view in (nightly, report):
        cache.keep(view, True, summaries[view.task.task_id])
    assert kept() == ["nightly", "report"]
    assert cache.find(nightly, False) is None
    assert cache.find(nightly._replace(version=7), True) is None
    cache.keep(nightly, True, summaries["nightly"])
    cache.keep(by_hand, True, summaries["by_hand"])
    assert kept() == ["nightly", "report"]
    cache.keep(by_hand, True, summaries["by_hand"], drop_oldest=True)
    assert kept() == ["nightly", "by_hand"]


def test_many_summaries_are_in_the_order_of_the_config(tmp_path: Path) -> None:
    api = Api(tmp_path / "home", *(task(f"t{number}") for number in range(450)))
    api.record(make("t449", Status.SUCCESS))
    first = api.get("/tasks")
    assert first.response.stream is not None
    assert ids(first) == [f"t{number}" for number in range(450)]
    assert first.json["items"][449]["run_count"] == 1
    again = api.get("/tasks")
    assert (again.response.stream, again.body) == (None, first.body)
    api.close()


def test_a_large_list_is_sent_in_pieces_each_time(tmp_path: Path) -> None:
    api = Api(tmp_path / "home", *(task(f"t{number}", task_description="x" * 1000) for number in range(1000)))
    first, again = api.get("/tasks"), api.get("/tasks")
    assert len(first.body) > MAX_LIST_BYTES
    assert first.response.stream is not None and again.response.stream is not None
    assert again.body == first.body
    api.close()


def test_of_a_large_list_only_the_part_that_has_changed_is_read_and_rendered_again(tmp_path: Path) -> None:
    api = Api(tmp_path / "home", *(task(f"t{number}", task_description="x" * 1000) for number in range(1200)))
    before = api.get("/tasks").json["items"]
    api.record(make("t700", Status.SUCCESS))
    after = api.get("/tasks").json["items"]
    assert [index for index in range(1200) if before[index] != after[index]] == [700]
    assert after[700]["run_count"] == 1
    break_history(api)
    assert api.get("/tasks").json["items"] == after  # nothing had to be read
    api.write({"tasks": [task(f"t{number}", task_description="x" * 1000) for number in range(1199, 150, -1)]})
    api.reload()
    assert api.get("/tasks").code == "unavailable"
    api.close()


def test_a_long_list_without_its_history_is_an_error(tmp_path: Path) -> None:
    api = Api(tmp_path / "home", *(task(f"t{number}") for number in range(450)))
    break_history(api)
    assert api.get("/tasks").code == "unavailable"
    api.close()


def test_what_is_not_as_expected_is_beside_the_status(tmp_path: Path) -> None:
    expect = {"duration": "10m", "finish_by": "06:00"}
    one = Api(tmp_path / "home", task("a", task_timezone="Asia/Shanghai", task_expect=expect), task("b"))
    with closing(one):
        run_id = one.record(make("a"))
        one.publish("a", slow=(run_id,), late=Late("2026-11-18", 1_794_952_800.0))
        found, other = one.get("/tasks").json["items"]
        assert (found["current_status"], found["slow"]) == ("running", [run_id])
        assert found["late"] == {"day": "2026-11-18", "since": "2026-11-18T06:00:00+08:00"}
        assert found["task_expect"] == {"duration": 600, "finish_by": "06:00"}
        assert (other["slow"], other["late"], other["task_expect"]) == ([], None, None)
        metrics = one.get("/metrics").body.decode()
        assert 'minisched_task_late{task_id="a"} 1' in metrics and 'minisched_task_slow_runs{task_id="a"} 1' in metrics
        assert 'minisched_task_late{task_id="b"}' not in metrics
