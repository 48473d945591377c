"""Mistakes that people make in a config, each answered with what to write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minisched.catalogue import render
from minisched.config import parse_config
from support.texts import CHINESE


def messages(source: Any, language: str = "en") -> list[str]:
    """The errors of a document, or of a text that should be one."""
    data = source if isinstance(source, str) else json.dumps(source, ensure_ascii=False)
    config, problems = parse_config(data.encode())
    assert (config is None) is bool(problems)
    return [render(problem.as_text(), language).split(".json", 1)[1][1:].lstrip() for problem in problems]


def of_task(**fields: Any) -> list[str]:
    return [line.replace("tasks[0] (a): ", "", 1) for line in messages(a_task(**fields))]


def a_task(**fields: Any) -> dict[str, Any]:
    return {"tasks": [{"task_id": "a", "task_exec": "true", **fields}]}


def a_channel(*channels: Any) -> dict[str, Any]:
    return a_task(task_notify=[{"name": "n", "triggers": ["success"], "channels": list(channels)}])


A_DEPENDENCY = 'the id of a task, or an object such as {"task_id": "export_db", "on": "failure"}'
WITHIN = 'expected a duration such as 300 or "26h", or "ever"'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([7], f"task_dependencies[0] is 7; expected {A_DEPENDENCY}"),
        (
            [{}],
            'task_dependencies[0].task_id is missing; expected 1 to 64 ASCII letters, digits, "_" or "-"; "task_name"'
            " can hold any text",
        ),
        (
            [{"task_id": "b", "on": "failed"}],
            'task_dependencies[0].on is "failed"; expected "success", "failure" or "end"',
        ),
        (
            [{"task_id": "b", "if": "failure"}],
            'task_dependencies[0]: unknown field "if"; expected one of task_id, on, within',
        ),
        (
            [{"task_id": "b", "trigger_rule": "end"}],
            'task_dependencies[0]: unknown field "trigger_rule"; did you mean "on"?',
        ),
        ([{"task_id": "b", "within": "always"}], f'task_dependencies[0].within is "always"; {WITHIN}'),
        (
            [{"task_id": "b", "within": 0}],
            'task_dependencies[0].within is 0; expected a duration such as 300 or "5m", of at least 1s',
        ),
        (["b", {"task_id": "c", "within": 60}], 'task_dependencies[1] is "c"; no task has this id'),
        ([{"task_id": "a", "on": "end"}], 'task_dependencies[0] is "a"; a task cannot depend on itself'),
        (["b", {"task_id": "b", "on": "failure"}], 'task_dependencies[1]: "b" occurs twice in this list'),
        (
            [{"task_id": "b", "within": "1h"}],
            'task_dependencies all have "within", so that nothing starts the task: leave it out of one of them, or add'
            " task_schedule",
        ),
    ],
)
def test_dependencies_that_cannot_be_meant_are_refused(value: Any, message: str) -> None:
    document = a_task(task_dependencies=value)
    document["tasks"].append({"task_id": "b", "task_exec": "true"})
    assert [line.replace("tasks[0] (a): ", "", 1) for line in messages(document)] == [message]


def test_a_cycle_over_dependencies_of_any_kind_is_refused_with_its_path() -> None:
    document = a_task(task_dependencies=[{"task_id": "b", "on": "failure"}])
    state = {"task_id": "a", "within": "ever"}
    document["tasks"].append(
        {"task_id": "b", "task_exec": "true", "task_schedule": "@daily", "task_dependencies": [state]}
    )
    (found,) = messages(document)
    assert found.endswith("form a cycle in which each task depends on the next: a -> b -> a")


EXIT_CODE = "expected a whole number from 0 to 255"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"success": []}, "task_exit_codes.success is []; expected a list that is not empty"),
        ({"success": [0, 256]}, f"task_exit_codes.success[1] is 256; {EXIT_CODE}"),
        ({"business_failure": [-1]}, f"task_exit_codes.business_failure[0] is -1; {EXIT_CODE}"),
        ({"success": [True]}, f"task_exit_codes.success[0] is true; {EXIT_CODE}"),
        ({"success": ["24"]}, f'task_exit_codes.success[0] is "24"; {EXIT_CODE}: 24, without quotes'),
        ({"success": [0, 24, 24]}, "task_exit_codes.success[2]: 24 occurs twice in this list"),
        ({"ok": [0]}, 'task_exit_codes: unknown field "ok"; did you mean "success"?'),
        (
            {"success": [0, 1]},
            "task_exit_codes.business_failure: 1 is in both lists, and a code has one meaning; remove it from one of"
            ' them, such as with "business_failure": [] (its default is [1])',
        ),
        (
            [0, 24],
            'task_exit_codes is [...]; expected an object such as {"success": [0, 24], "business_failure": []}',
        ),
    ],
)
def test_exit_codes_that_cannot_be_meant_are_refused(value: Any, message: str) -> None:
    assert of_task(task_exit_codes=value) == [message]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('{"tasks"： []}', (1, 9), "found the full-width character ：; write : instead"),
        ('{"tasks": [1，2]}', (1, 13), "found the full-width character ，; write , instead"),
        ('{"tasks": 【]}', (1, 11), "found the full-width character 【; write [ instead"),
        ('{"version": １}', (1, 13), "found the full-width character １; write 1 instead"),
        ("{“tasks”: []}", (1, 2), 'found the curly quote “; write " instead'),
        ('{"tasks”: []}', (1, 8), 'found the curly quote ”; write " instead'),
        ("{「tasks」: []}", (1, 2), 'found the curly quote 「; write " instead'),
        ('{\u3000"tasks": []}', (1, 2), "found the blank U+3000; write an ordinary blank instead"),
        ('{\n\u00a0"tasks": []}', (2, 1), "found the blank U+00A0; write an ordinary blank instead"),
        ('{\u200b"tasks": []}', (1, 2), "found the invisible character U+200B; remove it"),
    ],
)
def test_a_character_that_only_looks_right_is_named_with_the_one_to_write(
    text: str, place: tuple[int, int], message: str
) -> None:
    assert messages(text) == [f"line {place[0]}, column {place[1]}: {message}"]
    (chinese,) = messages(text, "zh")
    assert CHINESE.search(chinese) and f"第 {place[0]} 行，第 {place[1]} 列" in chinese


@pytest.mark.parametrize(
    "text",
    [
        "# m h  dom mon dow   command\n30 2 * * * /usr/bin/backup\n",
        "*/5 * * * * root /usr/bin/backup\n",
        "MAILTO=ops\n\n@daily backup\n",
        "@reboot /usr/bin/start\n",
    ],
)
def test_a_crontab_is_recognized(text: str) -> None:
    (message,) = messages(text)
    assert message.startswith("looks like a crontab; `minisched import-crontab FILE` makes tasks of it; ")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([{"task_id": "a"}], 'is [...]; expected an object: {"tasks": [...]}'),
        ({"timezone": "UTC", "tasks": []}, 'unknown field "timezone"; it belongs in settings'),
        ({"port": 1, "tasks": []}, 'unknown field "port"; it belongs in settings.http / settings.smtp'),
        ({"settings": {"port": 1}, "tasks": []}, 'settings: unknown field "port"; it belongs in settings.http / sett'),
        ({"settings": {"task_timeout": 1}, "tasks": []}, 'settings: unknown field "task_timeout"; it belongs in tasks'),
        ('{"tasks": [], "tasks": []}', "tasks occurs twice in line 1, in column 2 and in column 15; remove one"),
        ('{"tasks": [],\n"tasks": []}', "tasks occurs twice, in line 1 and in line 2; remove one"),
    ],
)
def test_a_mistake_in_the_file_as_a_whole_says_what_to_write(document: Any, message: str) -> None:
    assert messages(document)[0].startswith(message)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("task_retry", 3, 'task_retry is 3; expected an object such as {"max_attempts": 3}'),
        ("task_limits", "512MB", 'task_limits is "512MB"; expected an object such as {"memory": "512MB"}'),
        ("task_dependencies", "b", 'task_dependencies is "b"; expected a list: ["b"]'),
        ("task_exec", ["sleep", 5], 'task_exec[1] is 5; expected a text: "5"'),
        (
            "task_max_instances",
            "2",
            'task_max_instances is "2"; expected a whole number from 1 to 1000: 2, without quot',
        ),
        ("enabled", "yes", 'enabled is "yes"; expected true or false: true, without quotes'),
        ("task_timeout", "5M", 'task_timeout is "5M"; expected a duration such as 300 or "5m"'),
        ("task_timeout", "1w", 'task_timeout is "1w"; expected a duration such as 300 or "5m"; write "7d"'),
        ("task_timeout", "500ms", 'task_timeout is "500ms"; expected a duration such as 300 or "5m"; write "0.5s"'),
        ("task_timeout", "5m30", 'task_timeout is "5m30"; expected a duration such as 300 or "5m"; write "5m30s"'),
        ("task_timeout", "2 hours", 'task_timeout is "2 hours"; expected a duration such as 300 or "5m"; write "2h"'),
        (
            "task_timeout",
            "soon",
            'task_timeout is "soon"; expected a duration such as 300 or "5m", with the units d, h,',
        ),
        ("task_limits", {"memory": "512M"}, 'task_limits.memory is "512M"; expected a size such as 1048576 or "10MB",'),
        ("task_schedule", "0 2 * * monday", 'task_schedule: day of week: "monday" is written "mon"'),
        ("task_schedule", "0 2 * * thurs-fri", 'task_schedule: day of week: "thurs" is written "thu"'),
        ("task_schedule", "0 2 1 january *", 'task_schedule: month: "january" is written "jan"'),
        (
            "task_schedule",
            "0 2 * * L",
            'task_schedule: day of week: "L" needs a day, such as 5L for the last Friday; th',
        ),
        ("task_schedule", "30 2 ＊ * *", "task_schedule: '30 2 ＊ * *' contains '＊'; write '*' instead"),
        (
            "task_schedule",
            "30 2 * * * root /bin/x",
            'task_schedule: "30 2 * * * root /bin/x" is a line of a crontab; the schedule is "30 2 * * *", and "root'
            ' /bin/x" belongs in task_exec, or a user in task_user',
        ),
        ("task_schedule", "30 2 * * * /bin/x", 'task_schedule: "30 2 * * * /bin/x" is a line of a crontab'),
        (
            "task_schedule",
            "0 0 12 ? * 2#1 2027",
            'task_schedule: "0 0 12 ? * 2#1 2027" has a seventh field, as in Quartz',
        ),
        ("task_schedule", "0 15 10 ? * 6L", 'task_schedule: "0 15 10 ? * 6L": with "?" the days of the week "6L" are'),
        (
            "task_timezone",
            "Asia/Bejing",
            'task_timezone: unknown time zone "Asia/Bejing"; did you mean "Asia/Shanghai"?',
        ),
        ("task_timezone", "Asia／Shanghai", "task_timezone: 'Asia／Shanghai' contains '／'; write '/' instead"),
        ("task_env", {"Ａ": "1"}, 'task_env: "Ａ" is not a valid name; expected the name of an environment variable'),
    ],
)
def test_a_mistake_in_a_task_says_what_to_write(field: str, value: Any, message: str) -> None:
    (found,) = of_task(**{field: value})
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("alias", "field"),
    [
        *[("id", "task_id"), ("name", "task_name"), ("cmd", "task_exec"), ("command", "task_exec")],
        *[("script", "task_exec"), ("cron", "task_schedule"), ("schedule", "task_schedule"), ("retries", "task_retry")],
        *[("timeout", "task_timeout"), ("env", "task_env"), ("user", "task_user"), ("cwd", "task_cwd")],
        *[("depends_on", "task_dependencies"), ("tz", "task_timezone"), ("log", "task_log"), ("Command", "task_exec")],
        *[("task_command", "task_exec"), ("task＿name", "task_name"), ("task_timout", "task_timeout")],
    ],
)
def test_the_name_that_another_program_has_for_a_field_leads_to_ours(alias: str, field: str) -> None:
    assert of_task(**{alias: "x"}) == [f'unknown field "{alias}"; did you mean "{field}"?']


def test_a_value_that_is_cut_keeps_its_closing_quote() -> None:
    found = messages({"tasks": [{"task_id": "x" * 70, "task_exec": "true"}]})[0]
    assert found.startswith(f'tasks[0]: task_id is "{"x" * 55}..."; expected 1 to 64 ASCII letters')


@pytest.mark.parametrize(
    "source",
    [
        '{"settings": {"smtp": {"password" "hunter2"}}}',
        '{"settings": {"smtp": {"password": hunter2}}}',
        '{"x" "hunter2"}',
        '{"settings": {"smtp": {"password": "hunter2}}}',
        '{"settings": {"smtp": {"password": \'hunter2\'}}}',
        {"settings": {"smtp": "smtp://u:hunter2@h"}, "tasks": []},
        {"settings": {"smtp": ["hunter2"]}, "tasks": []},
        {"settings": {"smtp": {"host": "u:hunter2@h"}}, "tasks": []},
        {
            "settings": {"smtp": {"host": "h", "username": "", "password": ["hunter2"], "security": "hunter2"}},
            "tasks": [],
        },
        a_task(task_notify="https://chat.example.org/hunter2"),
        a_task(task_notify=["https://chat.example.org/hunter2"]),
        a_channel("https://chat.example.org/hunter2"),
        a_channel({"type": "https://chat.example.org/hunter2"}),
        a_channel({"type": "webhook", "url": "hunter2"}),
        a_channel({"type": "webhook", "url": "http://h/", "headers": {"Bearer hunter2": "x"}}),
        a_channel({"type": "webhook", "url": "http://h/", "headers": "Bearer hunter2"}),
        a_channel({"type": "webhook", "url": "http://h/", "secret": ["hunter2"], "method": "hunter2"}),
        a_task(task_env="PASSWORD=hunter2"),
        {"defaults": {"task_notify": "https://chat.example.org/hunter2"}, "tasks": []},
    ],
)
def test_a_secret_in_a_wrong_place_is_not_quoted(source: Any) -> None:
    for language in ("en", "zh"):
        found = messages(source, language)
        assert found and not any("hunter2" in line for line in found)
