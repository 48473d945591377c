"""`minisched next`: due times of a schedule text and of the tasks."""

from __future__ import annotations

import json

import pytest

from support.cli import Cli
from support.config import task
from support.programs import Home, minisched


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


BERLIN = ("--tz", "Europe/Berlin")


def test_a_schedule_text_gives_a_plain_json_list_with_the_zone_s_offset() -> None:
    done = minisched("next", "--expr=30 2 * * *", "--tz=Europe/Berlin", "--after=2027-03-27T12:00", "-n", "3", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
        "2027-03-30T02:30:00+02:00",
    ]


def test_without_json_the_description_comes_first(cli: Cli) -> None:
    done = cli("next", "--expr", "30 2 * * *", *BERLIN, "--after", "2026-11-20T12:00", "-n", "1")
    assert done.stdout == "at 02:30, every day\n2026-11-21T02:30:00+01:00\n"


def test_the_description_is_chinese_if_the_locale_is(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert cli("next", "--expr", "* * * * *", "-n", "1").stdout.startswith("每分钟\n")
    assert cli("next", "--expr", "* * * * *", "-n", "1", "--lang", "en").stdout.startswith("every minute\n")


@pytest.mark.parametrize(
    "after",
    [
        "2026-11-23T02:29:59Z",
        "2026-11-23T02:29:59z",
        "2026-11-23T10:29:59+08:00",
        "2026-11-23T10:29:59+0800",
        "2026-11-23 02:29Z",
        "2026-11-23T02:29:59.999999Z",
        "2026-11-23T02:29:59.5Z",
    ],
)
def test_after_can_have_an_offset(cli: Cli, after: str) -> None:
    assert cli("next", "--expr=*/30 * * * *", "--tz=UTC", f"--after={after}", "-n1", "--json").json == [
        "2026-11-23T02:30:00+00:00"
    ]


def test_after_without_an_offset_is_in_the_zone_and_a_date_is_its_midnight(cli: Cli) -> None:
    def first(after: str) -> str:
        return cli("next", "--expr=0 * * * *", "--tz=Asia/Shanghai", "--after", after, "-n1", "--json").json[0]

    assert first("2026-11-23T02:30") == "2026-11-23T03:00:00+08:00"
    assert first("2026-11-23") == "2026-11-23T01:00:00+08:00"


def test_after_in_a_repeated_hour_is_the_first_pass_and_in_a_skipped_one_is_read_as_before_it(cli: Cli) -> None:
    def first(after: str) -> str:
        return cli("next", "--expr=*/30 * * * *", *BERLIN, "--after", after, "-n1", "--json").json[0]

    assert first("2027-10-31T02:30") == "2027-10-31T02:00:00+01:00"
    assert first("2027-10-31T02:30+01:00") == "2027-10-31T03:00:00+01:00"
    assert first("2027-03-28T02:15") == "2027-03-28T03:30:00+02:00"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--expr", "61 * * * *"), 'minute: "61"'),
        (("--expr", ""), "expected five"),
        (("--expr", "* * * * *", "--tz", "Europe/Berln"), 'did you mean "Europe/Berlin"?'),
        (("--expr", "* * * * *", "--tz", "../../etc/passwd"), "not a time zone name"),
        (("--expr", "* * * * *", "--tz", ""), "not a time zone name"),
        (("--expr", "* * * * *", "--after", "yesterday"), "expected ISO 8601"),
        (("--expr", "* * * * *", "--after", ""), "expected ISO 8601"),
        (("--expr", "* * * * *", "--after", "2026-13-01"), "expected ISO 8601"),
        (("--expr", "* * * * *", "--after", "2026-11-23T25:00"), "expected ISO 8601"),
        (("--expr", "* * * * *", "--after", "0001-01-01T00:00+14:00"), "expected ISO 8601"),
        (("--expr", "* * * * *", "-n", "0"), "whole number"),
        (("--expr", "* * * * *", "-n", "x"), "whole number"),
        (("--expr", "* * * * *", "-n", "99999999999999999999"), "whole number"),
        (("--expr", "* * * * *", "backup"), "not both"),
        (("--tz", "Nowhere/X"), "unknown time zone"),
    ],
)
def test_wrong_arguments_are_reported_with_exit_code_2(cli: Cli, arguments: tuple[str, ...], expected: str) -> None:
    done = cli("next", *arguments, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr


@pytest.mark.parametrize("after", ["9999-12-31T23:59:59", "9999-12-31T23:59:59-12:00"])
def test_nothing_is_due_after_the_year_9999(cli: Cli, after: str) -> None:
    done = cli("next", "--expr=* * * * *", "--tz=UTC", f"--after={after}", "--json")
    assert (done.returncode, done.stdout) in [(0, "[]\n"), (2, "")]


def test_a_time_of_the_last_century_is_accepted(cli: Cli) -> None:
    done = cli("next", "--expr=0 0 1 1 *", "--tz=UTC", "--after=1901-06-01", "-n1", "--json")
    assert done.json == ["1902-01-01T00:00:00+00:00"]


def test_a_schedule_that_is_never_due_again_is_reported(cli: Cli) -> None:
    assert cli("next", "--expr", "@at 2020-01-01T00:00").stdout.endswith("\nnever again\n")
    assert cli("next", "--expr", "@at 2020-01-01T00:00", "--json").json == []
    assert cli("next", "--expr", "@reboot").stdout == "when the machine starts\n"


def test_a_schedule_text_needs_no_home_and_takes_the_zone_of_one(cli: Cli, home: Home) -> None:
    assert cli("next", "--expr=0 2 * * *", "--json", "-n1").returncode == 0
    home.write(timezone="Asia/Tokyo")
    assert cli("next", "--expr=0 2 * * *", "--json", "-n1").json[0].endswith("T02:00:00+09:00")
    home.config.write_text("{")
    assert cli("next", "--expr=0 2 * * *", "--json", "-n1").returncode == 0


def test_each_task_has_its_next_due_time_in_its_own_zone(cli: Cli, home: Home) -> None:
    home.write(
        {"task_id": "a", "task_exec": "true", "task_schedule": "0 2 * * *", "task_timezone": "Asia/Tokyo"},
        {"task_id": "b", "task_exec": "true", "task_schedule": ["0 2 * * *", "@every 90s"], "enabled": False},
        {"task_id": "c", "task_exec": "true", "task_dependencies": ["a"]},
        {"task_id": "d", "task_exec": "true"},
    )
    after = ("--after", "2026-11-23T01:00")
    rows = {row["task_id"]: row for row in cli("next", *after, "--json").json}
    assert rows["a"] == {
        "task_id": "a",
        "schedule": ["0 2 * * *"],
        "words": "at 02:00, every day",
        "times": ["2026-11-23T02:00:00+09:00"],  # --after is in the task's own zone
    }
    assert rows["b"]["times"] == [] and rows["b"]["words"].startswith("disabled (at 02:00, every day; every ")
    assert (rows["c"]["words"], rows["d"]["words"]) == ("after a", "manually")
    assert len(cli("next", "a", "--json").json[0]["times"]) == 5
    assert len(cli("next", "a", "-n", "7").stdout.splitlines()) == 8


def test_the_descriptions_of_tasks_are_chinese_on_request(cli: Cli, home: Home) -> None:
    home.write(
        {"task_id": "a", "task_exec": "true", "enabled": False},
        {"task_id": "b", "task_exec": "true", "task_dependencies": ["a"]},
    )
    assert [row["words"] for row in cli("next", "--lang", "zh", "--json").json] == ["已停用（手动）", "在 a 之后"]


def test_the_times_of_tasks_are_in_one_zone_and_the_words_name_another(
    home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    berlin = {"task_id": "b", "task_exec": "true", "task_schedule": "30 2 * * *", "task_timezone": "Europe/Berlin"}
    home.write({"task_id": "a", "task_exec": "true", "task_schedule": "30 2 * * *"}, berlin)
    first, second = cli("next", "--after", "2027-01-01").stdout.splitlines()[1:]
    assert first.split() == ["a", "2027-01-01", "02:30", "at", "02:30,", "every", "day"]
    assert second == "b     2027-01-01 01:30+00  at 02:30, every day (Europe/Berlin)"
    assert "2027-01-01 03:30+01" not in cli("next", "b", "--tz", "Europe/Berlin", "--after", "2027-01-01").stdout
    assert "2027-01-01 02:30 " in cli("next", "b", "--tz", "Europe/Berlin", "--after", "2027-01-01").stdout


def test_days_that_a_calendar_leaves_out_are_named_with_the_words_of_the_file(home: Home, cli: Cli) -> None:
    (home.path / "tasks/cn.txt").write_text("week mon-fri\n2026-10-01..2026-10-07 off National Day\n")
    rules = {"report": {"name": "cn"}, "off": {"name": "cn", "days": "off"}}
    tasks = [task(name, task_schedule="30 8 * * *", task_calendar=rule) for name, rule in rules.items()]
    home.write(*tasks, timezone="Asia/Shanghai", calendars={"cn": {"file": "tasks/cn.txt"}})
    after = ("--after", "2026-09-30T12:00", "--tz", "Asia/Shanghai")
    done = cli("next", "report", "-n", "2", *after)
    assert done.stdout.splitlines()[-1] == (
        "report: 2026-10-01..2026-10-07 (Thursday to Wednesday) is off in the calendar cn: National Day"
    )
    assert "at 08:30 on working days (cn)" in done.stdout
    found = cli("next", "report", "-n", "2", "--json", *after).json[0]
    assert found["times"] == ["2026-10-08T08:30:00+08:00", "2026-10-09T08:30:00+08:00"]
    assert [(one["from"], one["to"]) for one in found["left_out"]] == [("2026-10-01", "2026-10-07")]
    assert cli("next", "off", "-n", "1", "--json", *after).json[0]["times"] == ["2026-10-01T08:30:00+08:00"]


def test_a_number_by_a_hash_is_shown_as_the_task_has_it(home: Home, cli: Cli) -> None:
    home.write(task("a", task_schedule="H H * * *"), task("b", task_schedule="H H * * *"))
    found = [row["words"] for row in cli("next", "--json").json]
    assert len(set(found)) == 2 and all(words.endswith(", every day") for words in found)
