"""Runs are read, started and stopped."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minisched.model import Batch, Reply, RunTask, Status, StopRun, Text, Trigger
from support.api import Api
from support.config import task
from support.store import NOW, full_run, make


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    one = Api(tmp_path / "home", task("a"), task("backup", task_timezone="Europe/Berlin", task_tags=["db"]))
    yield one
    one.close()


def test_the_history_of_a_task_is_paged_newest_first(api: Api) -> None:
    made = [api.record(make("a", Status.SUCCESS, created_time=NOW + number)) for number in range(45)]
    api.record(make("backup", Status.SUCCESS))
    pages = [api.get(f"/tasks/a/history?page={number}").json for number in (1, 2, 3, 4)]
    assert [run["run_id"] for page in pages for run in page["items"]] == made[::-1]
    assert {(page["page_size"], page["total"]) for page in pages} == {(20, 45)}
    assert [page["page"] for page in pages] == [1, 2, 3, 4]
    assert api.get("/executions?page_size=200").json["total"] == 46


def test_runs_are_filtered(api: Api) -> None:
    wanted = api.record(make("a", Status.MISSED, trigger=Trigger.SCHEDULE, created_time=NOW + 10))
    api.record(make("a", Status.SUCCESS, created_time=NOW + 20))
    api.record(make("backup", Status.MISSED, created_time=NOW + 30))
    for query in (
        "status=missed,skipped&trigger=schedule",
        "until=2026-11-18T11:06:55%2B00:00&since=2026-11-18T11:06:50Z",
        "status=missed&until=2026-11-18T11:07:00",
        "status=missed&task=a",
    ):
        assert [run["run_id"] for run in api.get(f"/executions?{query}").json["items"]] == [wanted], query
    assert api.get("/tasks/a/history?status=waiting").json["total"] == 0
    assert api.get("/executions?task=never_was").json["total"] == 0
    assert api.get("/tasks/never_was/history").code == "not_found"


def test_due_times_that_can_be_made_up_are_listed(tmp_path: Path) -> None:
    api = Api(tmp_path / "home", task("day", task_schedule="30 2 * * *", task_timezone="Europe/Berlin"), task("none"))
    done, failed, live = (int(NOW) // 86400 * 86400 + 5400 - days * 86400 for days in (1, 2, 3))  # 02:30 in Berlin
    for due, status in ((done, Status.SUCCESS), (failed, Status.TECHNICAL_FAILURE), (live, Status.RUNNING)):
        api.record(make("day", status, trigger=Trigger.SCHEDULE, scheduled_time=due))
    found = api.get("/tasks/day/backfill?from=2026-11-14&to=2026-11-17").json
    days = ["2026-11-14", "2026-11-16"]
    assert found == {"due": [f"{day}T02:30:00+01:00" for day in days], "done": 1, "unfinished": 1}
    assert api.get("/tasks/day/backfill?from=2026-11-17&all=1").json["due"][0] == "2026-11-17T02:30:00+01:00"
    for query, why in (
        ("day/backfill?from=2999-01-01", "still to come"),
        ("day/backfill?from=soon", "is not a time"),
        ("day/backfill?from=2000-01-01", "more than 1000 due times"),
        ("none/backfill?from=2026-11-14", "none has no schedule"),
    ):
        assert (api.get(f"/tasks/{query}").code, why in api.get(f"/tasks/{query}").message) == ("bad_request", True), (
            query
        )
    assert api.get("/tasks/nope/backfill?from=2026-11-14").code == "not_found"
    api.close()


def test_a_run_is_shown_in_the_zone_of_its_task_with_the_end_of_its_output(api: Api) -> None:
    [run_id] = api.store.commit(Batch([full_run()]))
    api.store.commit(Batch(tails={run_id: b"done \x1b[31mred\xff\n"}))
    found = api.get(f"/executions/{run_id}").json
    assert found["output_tail"] == "done \\x1b[31mred\\xff\n"
    assert found["start_time"] == "2026-11-18T12:06:41.500+01:00"
    assert (len(found["attempts"]), found["retry_time"]) == (2, "2026-11-18T12:06:51.500+01:00")
    assert api.get("/executions/9999").message == "there is no run 9999 in the history"


def test_a_failed_run_has_the_last_line_of_its_output(api: Api) -> None:
    failed = api.record(make("a", Status.TECHNICAL_FAILURE))
    empty = api.record(make("a", Status.BUSINESS_FAILURE))
    good = api.record(make("a", Status.SUCCESS))
    cause = Text("upstream_failed", task="a", status="technical_failure", reason="exit_code", run=failed)
    skipped = api.record(make("backup", Status.SKIPPED, detail=cause))
    output = "x" * 600 + "\nTraceback\nKeyError: 'é\x1b'\n \n"
    api.store.commit(Batch(tails={failed: output.encode(), empty: b"", good: b"all done\n"}))
    shown = {run["run_id"]: run["last_line"] for run in api.get("/executions").json["items"]}
    assert shown == {failed: "KeyError: 'é\\x1b'", empty: None, good: None, skipped: "KeyError: 'é\\x1b'"}
    api.store.commit(Batch(tails={failed: b"y" * 600}))
    assert api.get(f"/executions/{failed}").json["last_line"] == "…" + "y" * 500
    summaries = {one["task_id"]: one for one in api.get("/tasks").json["items"]}
    assert summaries["backup"]["last_run"]["last_line"].startswith("…y")
    assert summaries["a"]["last_run"]["last_line"] is None  # the latest is the success


def test_runs_are_found_by_the_text_of_their_reason_and_by_the_tag_of_their_task(api: Api) -> None:
    detail = Text("timeout", seconds=30, killed=1)
    late = api.record(make("a", Status.TECHNICAL_FAILURE, reason="timeout", detail=detail, created_time=NOW + 1))
    said = api.record(make("backup", Status.BUSINESS_FAILURE, reason="exit_code", created_time=NOW + 2))
    api.record(make("a", Status.SUCCESS, created_time=NOW + 3))
    api.store.commit(Batch(tails={said: b"cannot read: /mnt/plc\n"}))

    def found(query: str, **options: Any) -> list[int]:
        answer = api.get(f"/executions?{query}", **options).json
        assert answer["total"] == len(answer["items"])
        return [run["run_id"] for run in answer["items"]]

    assert found("q=KILLED after 30") == [late]
    assert found("q=强制终止") == [late]
    assert found("q=cannot READ") == [said]
    assert found("q=backup") == [said]
    assert found("q=a&status=technical_failure") == [late]
    assert len(found("tag=db")) == 1 and found("tag=db&status=success") == []
    assert found("tag=none") == found("q=none") == []
    api.public_status = True
    assert found("q=cannot read", authorized=False) == []  # no output without the token
    assert api.get("/executions?q=a&page=2").json["items"] == []


def test_runs_as_a_table(api: Api) -> None:
    failed = make("a", Status.TECHNICAL_FAILURE, reason="exit_code", detail=Text("exit_code", exit_code=3), exit_code=3)
    api.store.commit(Batch(tails={api.record(failed): b'=HYPERLINK("x")\n'}))
    api.record(make("backup", Status.SUCCESS, duration=1.5))
    answer = api.get("/executions?format=csv")
    assert dict(answer.headers)["Content-Disposition"] == 'attachment; filename="runs.csv"'
    assert answer.response.content_type == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(answer.body.decode("utf-8-sig").splitlines()))
    assert [row["task_id"] for row in rows] == ["backup", "a"]
    assert (rows[0]["duration"], rows[0]["reason"]) == ("1.5", "")
    assert (rows[1]["reason_text"], rows[1]["exit_code"]) == ("exit code 3", "3")
    assert rows[1]["last_line"] == """'=HYPERLINK("x")"""  # not a formula
    assert len(api.get("/executions?format=csv&status=success").body.splitlines()) == 2
    assert api.get("/executions?format=xls").code == "bad_request"


def test_the_runs_of_each_day_are_counted(api: Api) -> None:
    day = 86400
    for ago, status in ((0, Status.SUCCESS), (1, Status.SUCCESS), (1, Status.MISSED), (1, Status.SUCCESS)):
        api.record(make("a", status, created_time=NOW - ago * day))
    api.record(make("backup", Status.TECHNICAL_FAILURE, created_time=NOW - day))
    api.record(make("backup", Status.TECHNICAL_FAILURE, created_time=NOW - 3600))
    days = api.get("/executions/days?days=3").json["days"]
    assert [(one["day"], one["counts"]) for one in days] == [
        ("2026-11-16", {}),
        ("2026-11-17", {"success": 2, "technical_failure": 1, "missed": 1}),
        ("2026-11-18", {"success": 1, "technical_failure": 1}),
    ]
    assert days[2]["from"] == days[1]["to"] == "2026-11-18T00:00:00+00:00"
    assert api.get("/executions/days?days=2&task=a").json["days"][1]["counts"] == {"success": 1}
    assert api.get("/status").json["failed_24h"] == 2


def test_a_run_of_a_removed_task_is_shown_in_the_engines_zone(api: Api) -> None:
    run_id = api.record(make("removed", Status.SUCCESS))
    assert api.get(f"/executions/{run_id}").json["end_time"] == "2026-11-18T11:06:40.500+00:00"


def test_a_task_is_run_now(api: Api) -> None:
    found = api("POST", "/tasks/a/run", {"env": {"DAY": "2026-11-23", "EMPTY": ""}})
    assert found.status == 202
    [message] = api.posted
    assert isinstance(message, RunTask)
    assert (message.task_id, message.env, message.by) == (
        "a",
        {"DAY": "2026-11-23", "EMPTY": ""},
        "API, 127.0.0.1:9",
    )
    assert api.get(f"/executions/{found.json['run_id']}").json["status"] == "running"
    assert api("POST", "/tasks/never_was/run").code == "not_found"
    assert len(api.posted) == 1


@pytest.mark.parametrize(
    ("refused", "status", "code"),
    [
        ("not_found", 404, "not_found"),
        ("stopping", 503, "stopping"),
        ("unavailable", 503, "unavailable"),
        ("anything else", 503, "unavailable"),
    ],
)
def test_a_refusal_of_the_engine_keeps_its_text(api: Api, refused: str, status: int, code: str) -> None:
    api.refusal = Reply(refused, Text("text", text="for a reason"))
    found = api("POST", "/tasks/a/run")
    assert (found.status, found.code, found.message) == (status, code, "for a reason")


def test_an_engine_that_does_not_answer_is_busy(api: Api) -> None:
    api.mute, api.app.reply_s = True, 0.05
    found = api("POST", "/tasks/a/run")
    assert (found.status, found.code) == (503, "busy")
    [message] = api.posted
    assert isinstance(message, RunTask)
    assert message.asked.until < api.app.monotonic() + 0.05  # carried out late, it would be a surprise


def test_a_run_is_stopped(api: Api) -> None:
    run_id = api.record(make("a", Status.RUNNING))
    found = api("POST", f"/executions/{run_id}/stop", {})
    assert (found.status, found.json["run_id"]) == (202, run_id)
    [message] = api.posted
    assert isinstance(message, StopRun)
    assert (message.run_id, message.by) == (run_id, "API, 127.0.0.1:9")


def test_a_run_that_cannot_be_stopped(api: Api) -> None:
    assert api("POST", "/executions/7/stop").code == "not_found"
    ended = api.record(make("a", Status.SUCCESS))
    found = api("POST", f"/executions/{ended}/stop")
    assert (found.status, found.code, found.message) == (409, "ended", f"run {ended} has ended already: success")
    assert api.posted == []
    run_id = api.record(make("a", Status.RUNNING))
    for refused in ("ended", "foreign"):
        api.refusal = Reply(refused, Text("text", text="so it is"))
        found = api("POST", f"/executions/{run_id}/stop")
        assert (found.status, found.code) == (409, refused)
