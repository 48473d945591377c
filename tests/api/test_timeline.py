"""Past and coming runs for a chart, as a list and by day, and what a schedule text means."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from minisched.model import Action, Batch, ConfigChange, Origin, Status, Uptime
from support.api import Api
from support.config import task
from support.store import NOW, make


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    one = Api(
        tmp_path / "home",
        task("hourly", task_schedule="0 * * * *"),
        task("often", task_schedule=["@every 60s", "30 2 * * *"], task_timezone="Asia/Shanghai"),
        task("jittered", task_schedule="0 12 * * *", task_jitter="10m"),
        task("off", task_schedule="0 * * * *", enabled=False),
        task("never"),
    )
    yield one
    one.close()


def test_a_lane_has_its_past_and_its_due_times(api: Api) -> None:
    old = make("hourly", Status.SUCCESS, created_time=NOW - 90_000)
    api.record(old)
    recent = api.record(make("hourly", Status.SUCCESS, created_time=NOW - 60, start_time=NOW - 59, duration=1.0))
    long_running = api.record(make("never", Status.RUNNING, created_time=NOW - 90_000, start_time=NOW - 90_000))
    missed = make("hourly", Status.MISSED, created_time=NOW - 30, scheduled_time=int(NOW) - 3600)
    last = api.record(missed)
    found = api.get("/timeline").json
    assert (found["from"], found["now"], found["to"]) == (
        "2026-11-17T11:06:40.500+00:00",
        "2026-11-18T11:06:40.500+00:00",
        "2026-11-19T11:06:40.500+00:00",
    )
    lanes = {lane["task_id"]: lane for lane in found["lanes"]}
    assert list(lanes) == ["hourly", "often", "jittered", "off", "never"]
    assert [run["run_id"] for run in lanes["hourly"]["runs"]] == [recent, last]
    assert lanes["hourly"]["runs"][1] == {
        "run_id": last,
        "status": "missed",
        "trigger": "schedule",
        "start_time": None,
        "end_time": "2026-11-18T11:06:40.500+00:00",
        "scheduled_time": "2026-11-18T10:06:40+00:00",
    }
    assert [run["run_id"] for run in lanes["never"]["runs"]] == [long_running]
    assert len(lanes["hourly"]["due"]) == 24
    assert lanes["hourly"]["due"][0] == "2026-11-18T12:00:00+00:00"
    assert (len(lanes["often"]["due"]), found["truncated"]) == (50, True)
    assert [lane["due_truncated"] for lane in lanes.values()] == [False, True, False, False, False]
    assert lanes["often"]["due"][0] == "2026-11-18T19:07:00+08:00"
    [start] = lanes["jittered"]["due"]
    assert "2026-11-18T12:00:00" < start < "2026-11-18T12:10:00"
    assert (lanes["off"]["due"], lanes["never"]["due"]) == ([], [])


def test_the_span_is_a_parameter(api: Api) -> None:
    api.record(make("hourly", Status.SUCCESS, created_time=NOW - 7200))
    for hours, runs, due in ((1, 0, 1), (3, 1, 3)):
        lane = api.get(f"/timeline?hours={hours}").json["lanes"][0]
        assert (len(lane["runs"]), len(lane["due"])) == (runs, due)
    assert api.get("/timeline?hours=169").code == "bad_request"


def test_a_lane_with_all_its_due_times_is_not_truncated(api: Api) -> None:
    for hours, cut in ((50, False), (51, True)):
        lane = api.get(f"/timeline?hours={hours}").json["lanes"][0]
        assert (len(lane["due"]), lane["due_truncated"]) == (50, cut)


def test_too_many_runs_are_truncated(api: Api) -> None:
    ids = api.store.commit(Batch([make("never", Status.SUCCESS) for _ in range(2005)]))
    found = api.get("/timeline?hours=1").json
    assert [run["run_id"] for run in found["lanes"][4]["runs"]] == ids[5:]
    assert found["truncated"]


def test_a_span_of_the_past_has_its_runs_and_says_which_are_cut(api: Api) -> None:
    api.record(make("never", Status.SUCCESS, created_time=NOW - 90_000))
    found = api.get("/timeline?since=2026-11-17T00:00:00&until=2026-11-17T12:00:00").json
    assert [len(lane["runs"]) for lane in found["lanes"]] == [0, 0, 0, 0, 1]
    assert not any(lane["due"] for lane in found["lanes"]) and not found["truncated"]
    assert (found["from"], found["runs_since"]) == ("2026-11-17T00:00:00+00:00",) * 2
    ahead = api.get("/timeline?since=2026-11-18T20:00:00&until=2026-11-18T22:30:00").json["lanes"][0]["due"]
    assert ahead == ["2026-11-18T21:00:00+00:00", "2026-11-18T22:00:00+00:00"]
    api.store.commit(Batch([make("never", Status.SUCCESS, created_time=NOW - 60) for _ in range(2000)]))
    found = api.get("/timeline?hours=48").json
    assert (found["truncated"], found["runs_since"]) == (True, "2026-11-18T11:05:40.500+00:00")
    for query in ("since=2026-11-17", "since=2026-11-18&until=2026-11-17", "since=2026-01-01&until=2026-11-17"):
        assert api.get(f"/timeline?{query}").code == "bad_request"


def test_the_agenda_lists_what_is_due_next_with_one_entry_for_what_is_due_often(api: Api) -> None:
    found = api.get("/agenda").json
    assert found["items"] == [
        {
            "task_id": "often",
            "time": "2026-11-18T19:07:00+08:00",
            "last": "2026-11-19T19:06:00+08:00",
            "count": 1440,
            "more": False,
        },
        {
            "task_id": "hourly",
            "time": "2026-11-18T12:00:00+00:00",
            "last": "2026-11-19T11:00:00+00:00",
            "count": 24,
            "more": False,
        },
        {**found["items"][2], "task_id": "jittered", "count": 1, "more": False},
    ]
    few = api.get("/agenda?hours=3").json["items"]
    assert [(one["task_id"], one["time"][11:16]) for one in few if one["task_id"] == "hourly"] == [
        ("hourly", "12:00"),
        ("hourly", "13:00"),
        ("hourly", "14:00"),
    ]
    # One that has run already, before the clock was set back.
    api.record(make("hourly", Status.SUCCESS, created_time=NOW + 7200, scheduled_time=int(NOW) // 3600 * 3600 + 3600))
    later = api.get("/agenda?hours=3").json["items"]
    assert [one["time"][11:16] for one in later if one["task_id"] == "hourly"] == ["13:00", "14:00"]
    often = api.get("/agenda?hours=168").json["items"][0]
    assert (often["count"], often["more"]) == (1500, True)


DAY = 86_400


def test_each_day_of_a_task_has_its_runs_or_why_there_are_none(workdays: Api) -> None:
    midnight = int(NOW) // DAY * DAY
    due = midnight + 8 * 3600  # today
    api = workdays
    api.record(make("report", Status.SUCCESS, created_time=due + 1, scheduled_time=due))
    api.record(make("report", Status.TECHNICAL_FAILURE, created_time=due + 2))
    missed = make("report", Status.MISSED, created_time=due, scheduled_time=due - DAY, missed_count=2)
    api.record(missed._replace(missed_since=due - 2 * DAY))
    origin = Origin("cli", "root")
    changes = [ConfigChange(midnight - 7 * DAY, "report", Action.DISABLED, origin, before={"enabled": True})]
    changes += [ConfigChange(midnight - 5 * DAY, "report", Action.ENABLED, origin, before={"enabled": False})]
    uptimes = [Uptime(midnight - 9 * DAY, midnight - 5 * DAY, midnight - 5 * DAY, "stopped"), Uptime(due, due)]
    api.store.commit(Batch(changes=changes, uptimes=uptimes))
    days = api.get("/tasks/report/days?days=10").json["days"]
    assert [(one["day"][8:], one["counts"], one["none"]) for one in days] == [
        ("09", {}, "unknown"),  # a Monday; nothing is recorded from then
        ("10", {}, "unknown"),
        ("11", {}, "disabled"),
        ("12", {}, "disabled"),
        ("13", {}, "no_engine"),
        ("14", {}, "calendar"),
        ("15", {}, "calendar"),
        ("16", {"missed": 1}, None),
        ("17", {"missed": 1}, None),
        ("18", {"success": 1, "technical_failure": 1}, None),
    ]
    assert days[5]["words"]["en"] == "2026-11-14 (Saturday) is off in the calendar cn"
    assert len(api.get("/tasks/report/days").json["days"]) == 31
    assert api.get("/tasks/nobody/days").status == 404


def test_days_before_the_newest_fifty_thousand_runs_say_that_they_are_not_counted(workdays: Api) -> None:
    midnight, api = int(NOW) // DAY * DAY, workdays
    api.record(make("report", Status.SUCCESS, created_time=midnight - 3 * DAY, scheduled_time=midnight - 3 * DAY))
    assert api.get("/tasks/report/days?days=5").json["counted_since"] is None
    with closing(sqlite3.connect(api.store.path)) as db, db:
        columns = ", ".join(f'"{row[1]}"' for row in db.execute("PRAGMA table_info(task_history)"))
        values = columns.replace('"run_id"', "run_id + i").replace('"end_order"', "NULL")
        for name in ("created_time", "scheduled_time"):
            values = values.replace(f'"{name}"', f"{midnight - DAY} + i")
        db.execute(
            f"""INSERT INTO task_history ({columns})
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
            SELECT {values} FROM n, task_history WHERE run_id = 1"""
        )
    found = api.get("/tasks/report/days?days=5").json
    assert [sum(one["counts"].values()) for one in found["days"]] == [0, 0, 0, 50_000, 0]
    assert [one["none"] for one in found["days"][:3]] == ["unknown"] * 3
    assert found["days"][1]["words"]["en"] == "not counted: the newest 50000 runs are of later days"
    assert found["counted_since"] == "2026-11-17T00:00:01+00:00"


def test_the_agenda_of_very_many_tasks_has_the_next_ones(tmp_path: Path) -> None:
    schedules = ("0 13 * * *", "30 12 * * *", "*/20 * * * *", "0 0 1 1 *")
    tasks = [task(f"t{number}", task_schedule=schedules[number % 4]) for number in range(2400)]
    with closing(Api(tmp_path / "home", *tasks)) as api:
        whole = api.get("/agenda").json  # as long as the engine has not said what is next
        for number, one in enumerate(tasks):
            first = ("T13:00:00", "T12:30:00", "T11:20:00", "")[number % 4]
            next_start = datetime.fromisoformat(f"2026-11-18{first}+00:00").timestamp() if first else NOW + 44 * DAY
            api.publish(one["task_id"], next_start=next_start)
        assert api.get("/agenda").json == whole
    assert len(whole["items"]) == 1000 and whole["truncated"]
    assert [one["time"][11:16] for one in whole["items"][::250]] == ["11:20", "11:20", "11:20", "12:30"]


def test_a_backfill_of_centuries_is_refused_before_it_is_computed(workdays: Api) -> None:
    refused = workdays.get("/tasks/report/backfill?from=0005-01-01")
    assert refused.code == "bad_request" and "longer than 100 years" in str(refused.json)
    assert workdays.get("/tasks/report/backfill?from=2026-11-17&to=2026-11-17").json["due"]


def test_schedule_texts_give_times_and_words(api: Api) -> None:
    found = api.get("/preview?schedule=30 2 * * mon-fri&timezone=Europe/Berlin&count=2".replace(" ", "%20")).json
    assert found == {
        "times": ["2026-11-19T02:30:00+01:00", "2026-11-20T02:30:00+01:00"],
        "words": {"en": "at 02:30, Monday to Friday", "zh": "周一至周五 02:30"},
        "left_out": [],
    }
    both = api.get("/preview?schedule=@every%2090s&schedule=@at%202026-11-18T11:07:00&count=3").json
    assert both["times"] == [
        "2026-11-18T11:07:00+00:00",
        "2026-11-18T11:07:30+00:00",
        "2026-11-18T11:09:00+00:00",
    ]
    assert both["words"]["en"] == "every 1 minute and 30 seconds; once, on 2026-11-18 at 11:07"
    assert api.get("/preview?schedule=@reboot").json["times"] == []
    assert len(api.get("/preview?schedule=@hourly").json["times"]) == 5


def test_an_invalid_schedule_is_reported_at_its_field(api: Api) -> None:
    found = api.get("/preview?schedule=61%20*%20*%20*%20*&timezone=Europe/Berlim")
    assert (found.status, found.code) == (422, "invalid_config")
    problems = found.json["error"]["problems"]
    assert [problem["path"] for problem in problems] == ["task_schedule", "task_timezone"]
    assert problems[0]["message"].startswith("minute")
    assert "Europe/Berlin" in problems[1]["message"]
    found = api.get("/preview?schedule=@hourly&schedule=&schedule=x")
    assert [problem["path"] for problem in found.json["error"]["problems"]] == ["task_schedule[1]", "task_schedule[2]"]


@pytest.fixture
def workdays(tmp_path: Path) -> Iterator[Api]:
    (tmp_path / "cn.txt").write_text("week mon-fri\n2026-11-19..2026-11-20 off Founding Day\n")
    calendars = {"cn": {"file": str(tmp_path / "cn.txt")}}
    one = Api(
        tmp_path / "home",
        task("report", task_schedule="0 8 * * *", task_calendar="cn"),
        task("plain", task_schedule="H 8 * * *"),
        calendars=calendars,
    )
    yield one
    one.close()


def test_a_calendar_leaves_days_out_of_preview_timeline_and_summary_and_says_why(workdays: Api) -> None:
    found = workdays.get("/preview?schedule=0%208%20*%20*%20*&calendar=cn&count=2").json
    assert found["times"] == ["2026-11-23T08:00:00+00:00", "2026-11-24T08:00:00+00:00"]
    assert found["words"] == {"en": "at 08:00 on working days (cn)", "zh": "工作日（cn） 08:00"}
    assert found["left_out"] == [
        {
            "from": "2026-11-19",
            "to": "2026-11-20",
            "words": "Founding Day",
            "text": {
                "en": "2026-11-19..2026-11-20 (Thursday to Friday) is off in the calendar cn: Founding Day",
                "zh": "2026-11-19..2026-11-20（周四至周五）按日历 cn 为休息日：Founding Day",
            },
        },
        {
            "from": "2026-11-21",
            "to": "2026-11-22",
            "words": "",
            "text": {
                "en": "2026-11-21..2026-11-22 (Saturday to Sunday) is off in the calendar cn",
                "zh": "2026-11-21..2026-11-22（周六至周日）按日历 cn 为休息日",
            },
        },
    ]
    days = workdays.get("/preview?schedule=@daily&calendar=cn&days=off&count=1").json
    assert days["times"] == ["2026-11-19T00:00:00+00:00"]
    report, plain = workdays.get("/timeline?hours=48").json["lanes"]
    assert report["due"] == [] and [one["from"] for one in report["left_out"]] == ["2026-11-19"]
    assert plain["left_out"] == [] and len(plain["due"]) == 2
    workdays.publish("report", next_start=NOW + 5 * 86_400)
    report, plain = workdays.get("/tasks").json["items"]
    assert [one["from"] for one in report["left_out"]] == ["2026-11-19", "2026-11-21"] and plain["left_out"] == []


def test_the_effective_calendar_of_a_task_is_its_name_and_its_days(workdays: Api) -> None:
    found = workdays.get("/tasks/report").json
    assert found["effective"]["task_calendar"] == {"name": "cn", "days": "working"}
    assert found["config"]["task_calendar"] == "cn"
    assert workdays.get("/tasks/plain").json["effective"]["task_calendar"] is None


def test_a_preview_of_an_unknown_calendar_is_refused(workdays: Api) -> None:
    refused = workdays.get("/preview?schedule=@daily&calendar=de")
    assert (refused.status, refused.code) == (422, "invalid_config")
    assert workdays.get("/preview?schedule=@daily&calendar=cn&days=some").status == 400


def test_a_preview_has_the_numbers_of_a_task(workdays: Api) -> None:
    ids = [workdays.get(f"/preview?schedule=H%20H%20*%20*%20*&task_id={name}").json["words"]["en"] for name in "abcd"]
    assert len(set(ids)) == 4
