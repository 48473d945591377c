"""`settings.calendars` and `task_calendar`: files that are read, and mistakes with the place where they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Optional

import pytest

from minisched.config import CalendarFiles, ConfigError, check_task, load_config, parse_config, parse_document
from minisched.lint import calendar_warnings
from minisched.model import Config
from support.bruteforce import day_of
from support.config import task

CN = "week mon-fri\n2026-10-01..2026-10-07 off National Day\n2026-10-10 on make-up day\n"
CALENDARS = {"cn": {"file": "tasks/calendars/cn.txt"}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "tasks/calendars").mkdir(parents=True)
    (tmp_path / "tasks/calendars/cn.txt").write_text(CN)
    return tmp_path


def load(home: Path, *tasks: dict[str, Any], calendars: Any = CALENDARS, **document: Any) -> Config:
    document = {"settings": {"timezone": "Asia/Shanghai", "calendars": calendars}, "tasks": tasks, **document}
    (home / "tasks/config.json").write_text(json.dumps(document))
    return load_config(str(home / "tasks/config.json"))


def errors(home: Path, *tasks: dict[str, Any], **document: Any) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(home, *tasks, **document)
    return str(error.value).split("\n")


def test_a_task_by_itself_is_checked_without_the_files_and_a_schedule_in_a_list_as_well() -> None:
    one = {"task_id": "a", "task_exec": "true", "task_schedule": "@daily", "task_calendar": "cn"}
    assert check_task(one) == []
    document = {
        "version": 1,
        "tasks": [task("a", task_schedule="@daily"), task("b", task_schedule=["@daily", "@hourly"])],
    }
    assert parse_document(document)[1] == []
    (error,) = parse_document({**document, "tasks": [one]})[1]
    assert error.path == "task_calendar" and error.text.values["value"] == '"cn"'


def test_a_task_follows_the_working_days_or_others_of_a_calendar(home: Path) -> None:
    found = load(
        home,
        task("a", task_schedule="@daily", task_calendar="cn"),
        task("b", task_schedule="@daily", task_calendar={"name": "cn", "days": "off"}),
        task("c", task_schedule="@daily", task_calendar={"name": "cn"}),
        task("d", task_schedule="@daily"),
    )
    rules = {name: one.task_calendar and one.task_calendar[:2] for name, one in found.tasks.items()}
    assert rules == {"a": ("cn", "working"), "b": ("cn", "off"), "c": ("cn", "working"), "d": None}
    rule = found.tasks["a"].task_calendar
    assert rule is not None and rule.calendar == found.settings.calendars["cn"]
    assert [line.words for line in found.settings.calendars["cn"].lines] == ["National Day", "make-up day"]


def test_a_calendar_of_the_defaults_holds_for_tasks_with_a_schedule_and_can_be_taken_off(home: Path) -> None:
    found = load(
        home,
        task("a", task_schedule="@daily"),
        task("b", task_schedule="@reboot", task_calendar=None),
        task("c", task_dependencies=["a"]),
        defaults={"task_calendar": "cn"},
    )
    assert found.tasks["a"].task_calendar is not None and found.tasks["b"].task_calendar is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"task_calendar": "cm"}, 'task_calendar is "cm"; no calendar has this name in settings.calendars; '),
        ({"task_calendar": 5}, "task_calendar is 5; expected a name, or an object such as"),
        ({"task_calendar": {"name": "cn", "days": "of"}}, 'task_calendar.days is "of"; expected "working", "off"'),
        ({"task_calendar": {"days": "off"}}, "task_calendar.name is missing"),
        ({"task_calendar": {"name": "cn", "day": 1}}, 'task_calendar: unknown field "day"; did you mean "days"?'),
        ({"task_calendar": "cn", "task_schedule": None}, "task_calendar: has no effect without task_schedule"),
        ({"task_calendar": "cn", "task_schedule": "@reboot"}, 'task_schedule: "@reboot" is due at a start of the'),
        (
            {"task_calendar": "cn", "task_schedule": ["@daily", "0 0 * * sun"]},
            'task_schedule[1]: "0 0 * * sun" is never due on the days of the calendar "cn"',
        ),
        (
            {"task_calendar": "cn", "task_schedule": "@at 2026-10-01T08:00"},
            'task_schedule: "@at 2026-10-01T08:00" is never due: 2026-10-01 (Thursday) is off in the calendar cn:'
            " National Day",
        ),
        ({"calendar": "cn"}, 'unknown field "calendar"; did you mean "task_calendar"?'),
    ],
)
def test_a_mistake_in_a_task_is_reported_at_its_field(home: Path, fields: dict[str, Any], expected: str) -> None:
    (found,) = errors(home, task("a", **{"task_schedule": "@daily", **fields}))
    assert found.startswith(f"tasks/config.json: tasks[0] (a): {expected}")


def test_a_mistake_in_a_calendar_is_reported_with_its_file_and_line(home: Path) -> None:
    (home / "tasks/calendars/cn.txt").write_text("week mon-fri\n2026-10-32 off\n2026-10-10 maybe\n")
    found = errors(home, task("a", task_schedule="@daily", task_calendar="cn"))
    assert [line.partition(";")[0] for line in found] == [
        'tasks/calendars/cn.txt: line 2: "2026-10-32" is not a date',
        'tasks/calendars/cn.txt: line 3: "2026-10-10 maybe" is no line of a calendar',
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfweek mon-fri\n", "begins with a byte order mark"),
        ("week mon-fri\n".encode("utf-16"), "looks like UTF-16"),
        (b"week mon-fri\n2026-10-01 off \xff\n", "line 2, column 16: byte 0xff"),
        (b"", "has no line with the ordinary working days"),
        (b"#" * (2**20 + 1), "it is larger than 1 MB"),
    ],
)
def test_a_file_that_is_no_text_is_refused(home: Path, content: bytes, expected: str) -> None:
    (home / "tasks/calendars/cn.txt").write_bytes(content)
    (found,) = errors(home)
    assert expected in found


def test_what_is_no_regular_file_is_refused_and_never_waited_for(home: Path) -> None:
    os.mkfifo(home / "fifo")
    named = {"a": {"file": "fifo"}, "b": {"file": "tasks"}, "c": {"file": "gone.txt"}}
    found = errors(home, calendars=named)
    assert [line.partition("; ")[0].split(": ")[1] for line in found] == [
        'settings.calendars.a.file is "fifo"',
        'settings.calendars.b.file is "tasks"',
        'settings.calendars.c.file is "gone.txt"',
    ]


def test_a_file_that_another_user_could_change_is_refused(home: Path) -> None:
    (home / "tasks/calendars/cn.txt").chmod(0o666)
    (found,) = errors(home)
    assert f"{home}/tasks/calendars/cn.txt: is writable by everyone" in found


def test_a_folder_that_another_user_could_change_is_reported_once(home: Path) -> None:
    (home / "tasks/calendars/de.txt").write_text(CN)
    home.chmod(0o777)
    found = errors(home, calendars={**CALENDARS, "de": {"file": "tasks/calendars/de.txt"}})
    assert found == [f"{home}: is writable by everyone; fix it with: chmod o-w {home}"]


def test_a_symlink_is_followed(home: Path) -> None:
    (home / "tasks/calendars/cn.txt").rename(home / "other.txt")
    (home / "tasks/calendars/cn.txt").symlink_to(home / "other.txt")
    assert load(home).settings.calendars["cn"].lines


def test_errors_in_the_settings_are_not_errors_of_tasks_too(home: Path) -> None:
    found = errors(home, task("a", task_schedule="@daily", task_calendar="cn"), calendars={"cn": {"path": "x"}})
    assert len(found) == 2 and all("settings.calendars.cn" in line for line in found)


def test_the_files_that_were_read_are_known_also_if_one_is_wrong(home: Path) -> None:
    load(home)
    (home / "tasks/calendars/cn.txt").write_text("weak\n")
    files = CalendarFiles(str(home))
    with pytest.raises(ConfigError):
        load_config(str(home / "tasks/config.json"), files)
    assert [path for path, _ in files.stamps] == [str(home / "tasks/calendars/cn.txt")]


@pytest.mark.parametrize(
    ("today", "code"),
    [("2026-09-10", None), ("2026-09-11", "ends"), ("2026-10-10", "ends"), ("2026-10-11", "ended")],
)
def test_a_calendar_that_ends_is_a_warning(home: Path, today: str, code: Optional[str]) -> None:
    found = calendar_warnings(load(home), day_of(today) * 86400 - 8 * 3600)
    assert [one.text.code.rpartition(".")[2] for one in found] == ([code] if code else [])
    assert all(one.path == "settings.calendars.cn" for one in found)


def test_a_number_by_the_hash_of_an_id_is_checked_for_that_id() -> None:
    tasks = [task(f"t{number}", task_schedule="0 0 28~31 2 *") for number in range(20)]
    _, found = parse_config(json.dumps({"tasks": tasks}).encode())
    assert 0 < len(found) < 20 and {one.path for one in found} == {"task_schedule"}
