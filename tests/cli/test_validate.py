"""`validate` warns of what is valid and will fail when it is due; the engine's start and the API say the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minisched.timetable import format_duration, parse_duration
from support.cli import Cli
from support.programs import Home, eventually

OPS = {"name": "ops", "triggers": ["technical_failure"], "channels": [{"type": "file", "path": "logs/ops.jsonl"}]}
BOSS = {"name": "boss", "triggers": ["success"], "channels": [{"type": "command", "task_exec": "cat"}]}


@pytest.fixture(autouse=True)
def scripts(home: Home) -> None:
    for name, content, mode in (
        ("ok.sh", b"#!/bin/sh\necho $*\n", 0o755),
        ("crlf.sh", b"#!/bin/sh\r\necho hi\r\n", 0o755),
        ("bom.sh", b"\xef\xbb\xbf#!/bin/sh\n", 0o755),
        ("nox.sh", b"#!/bin/sh\n", 0o644),
        ("lost.py", b"#!/no/python\n", 0o755),
    ):
        (home.path / "tasks" / name).write_bytes(content)
        (home.path / "tasks" / name).chmod(mode)
    (home.path / "data").mkdir()
    (home.path / "var").mkdir(mode=0o700)
    for name, content, mode in (("empty", "\n", 0o600), ("open", "key", 0o644), ("wide_open", "key", 0o602)):
        (home.path / "var" / name).write_text(content)
        (home.path / "var" / name).chmod(mode)


def write(home: Home, *tasks: dict[str, Any], **document: Any) -> None:
    found = [{"task_id": f"t{index}", "task_exec": "true", **task} for index, task in enumerate(tasks)]
    home.config.write_text(json.dumps({"version": 1, "tasks": found, **document}))
    home.config.chmod(0o640)


def warnings(home: Home, cli: Cli, *tasks: dict[str, Any], **document: Any) -> list[str]:
    """What `validate` warns of; "H" is the home."""
    write(home, *tasks, **document)
    done = cli("validate")
    assert done.returncode == 0, done.stderr
    assert f"{home.config} is valid: " in done.stdout
    prefix = "minisched: warning: tasks/config.json: "
    lines = done.stderr.replace(str(home.path), "H").splitlines()
    assert all(line.startswith(prefix) for line in lines)
    return [line[len(prefix) :] for line in lines]


@pytest.mark.parametrize(
    ("task", "warning"),
    [
        ({"task_exec": "tasks/none.sh"}, "task_exec: will fail: tasks/none.sh: No such file or directory"),
        ({"task_exec": ["tasks/none.sh"]}, "task_exec: will fail: tasks/none.sh: No such file or directory"),
        ({"task_exec": "python3 tasks/none.py"}, "task_exec: will fail: tasks/none.py: No such file or directory"),
        (
            {"task_exec": "no_such_command x"},
            "task_exec: will fail: no_such_command: No such file or directory: not in",
        ),
        ({"task_exec": "tasks/crlf.sh"}, "task_exec: will fail: tasks/crlf.sh: its lines end in CR LF"),
        ({"task_exec": "sh tasks/crlf.sh"}, "task_exec: will fail: tasks/crlf.sh: its lines end in CR LF"),
        ({"task_exec": ["tasks/crlf.sh"]}, "task_exec: will fail: tasks/crlf.sh: its lines end in CR LF"),
        ({"task_exec": "tasks/bom.sh"}, "task_exec: will fail: tasks/bom.sh: begins with a byte order mark (BOM)"),
        ({"task_exec": "tasks/nox.sh"}, "task_exec: will fail: tasks/nox.sh: Permission denied: not executable"),
        ({"task_exec": "tasks/lost.py"}, "task_exec: will fail: tasks/lost.py: No such file or directory: the inter"),
        ({"task_exec": "tasks"}, "task_exec: will fail: tasks: No such file or directory: not in any folder of PATH"),
        ({"task_exec": "./tasks x"}, "task_exec: will fail: ./tasks: is a folder, not a program"),
        (
            {"task_exec": ["tasks/ok.sh --full"]},
            "task_exec: will fail: tasks/ok.sh --full: No such file or directory: t",
        ),
        ({"task_exec": ["~/x.sh"]}, "task_exec is ~/x.sh: ~ is not expanded here"),
        ({"task_exec": ["ls", "~/x"]}, "task_exec[1] is ~/x: ~ is not expanded here"),
        ({"task_exec": ["echo", "a", "&&", "echo"]}, "task_exec[2] is &&, which only a shell reads"),
        ({"task_exec": ["echo", "$PATH"]}, "task_exec[1] is $PATH, which is not expanded in a list"),
        ({"task_cwd": "~"}, "task_cwd is ~: ~ is not expanded here"),
        ({"task_cwd": "none"}, "task_cwd is H/none, which is not a folder"),
        ({"task_log": "~/x.log"}, "task_log is ~/x.log: ~ is not expanded here"),
        (
            {"task_exec": "sh tasks/ok.sh", "task_cwd": "data"},
            "task_exec names tasks/ok.sh, which is in the home, not in task_cwd; write $MINISCHED_HOME/tasks/ok.sh",
        ),
        (
            {"task_exec": ["sh", "tasks/ok.sh"], "task_cwd": "data"},
            "task_exec names tasks/ok.sh, which is in the home, not in task_cwd; write H/tasks/ok.sh",
        ),
        (
            {"task_exec": "cd . && tasks/ok.sh", "task_cwd": "data"},
            "task_exec names tasks/ok.sh, which is in the home, not in task_cwd; write $MINISCHED_HOME/tasks/ok.sh",
        ),
        (
            {"task_exit_codes": {"success": [24]}},
            "task_exit_codes.success does not have 0, so exit code 0 is a technical failure",
        ),
        ({"task_user": "no_such_user"}, "task_user is no_such_user; this machine has no such user"),
        ({"task_env": {"PATH": "$PATH:/opt"}}, "task_env.PATH contains $PATH, which is not expanded"),
        ({"task_env": {"A": "${PATH}/x"}}, "task_env.A contains ${PATH}, which is not expanded"),
        ({"task_env": {"A": {"from_file": "var/none"}}}, "task_env.A.from_file is H/var/none, which is not a file"),
        (
            {"task_env": {"A": {"from_file": "var/empty"}}},
            "task_env.A.from_file: will fail: H/var/empty: expected a text of 1 to 65536 bytes without NUL",
        ),
        (
            {"task_env": {"A": {"from_file": "var/open"}}},
            "task_env.A.from_file is H/var/open, which every user of this machine can read; run: chmod o-r H/var/open",
        ),
        (
            {"task_env": {"A": {"from_file": "var/wide_open"}}},
            "task_env.A.from_file: will fail: H/var/wide_open: every user can write to it (chmod o-w)",
        ),
        (
            {"task_schedule": "*/90 * * * *"},
            'task_schedule: minute: the step of "*/90" is longer than the field, so it means 0 alone; for an interval'
            ' write "@every 90m"',
        ),
        ({"task_schedule": ["@daily", "0 3/30 * * *"]}, 'task_schedule[1]: hour: the step of "3/30" is longer than'),
        ({"task_schedule": "@at 2020-01-01T00:00"}, "task_schedule is @at 2020-01-01T00:00, which is in the past"),
        (
            {"task_notify": [{**OPS, "channels": [{"type": "file", "path": "~/x"}]}]},
            "task_notify[0].channels[0].path is ~/x: ~ is not expanded here",
        ),
        ({"task_condition": "tasks/gone.sh"}, "task_condition: will fail: tasks/gone.sh: No such file"),
        ({"task_condition": ["ls", "~/x"]}, "task_condition[1] is ~/x: ~ is not expanded here"),
        ({"task_condition_wait": "1h"}, "task_condition_wait has no effect without task_condition"),
        (
            {"task_notify": [{**OPS, "channels": [{"type": "webhook", "url": {"from_file": "var/url"}}]}]},
            "task_notify[0].channels[0].url.from_file is H/var/url, which is not a file",
        ),
        (
            {
                "task_notify": [
                    {**OPS, "channels": [{"type": "webhook", "url": "http://h/", "body_template": "{% if x %}"}]}
                ]
            },
            "task_notify[0].channels[0].body_template contains {%, which is sent as it is",
        ),
        (
            {
                "task_notify": [
                    {**OPS, "channels": [{"type": "webhook", "url": "http://h/", "body_template": "｛｛ task_id ｝｝"}]}
                ]
            },
            "task_notify[0].channels[0].body_template contains full-width braces, which are sent as they are",
        ),
    ],
)
def test_what_is_valid_and_will_fail_is_a_warning(home: Home, cli: Cli, task: dict[str, Any], warning: str) -> None:
    (found,) = warnings(home, cli, task)
    assert found.startswith(f"tasks[0] (t0): {warning}")


@pytest.mark.parametrize(
    "task",
    [
        {"task_exec": "tasks/ok.sh a | tail -n 1; exit 3"},
        {"task_exec": ["tasks/ok.sh", "$price", "a b"]},
        {"task_exec": ["sh", "-c", "echo $PATH && ls ~"]},
        {"task_exec": ["find", ".", "-exec", "echo", "{}", ";"]},
        {"task_exec": "cd data && ls"},
        {"task_exec": "if true; then echo; fi"},
        {"task_exec": "A=1 tasks/ok.sh", "task_cwd": "data"},
        {"task_exec": 'sh "$MINISCHED_HOME/tasks/ok.sh"', "task_cwd": "data"},
        {"task_exec": "python3 -c 'print(1)'"},
        {"task_exec": "$CMD x"},
        {"task_env": {"A": "pa$word and 5$"}},
        {"task_schedule": ["*/59 * * * *", "0 */23 * * *", "0 0 */30 * *", "*/30 0 0 * * *"]},
        {"task_schedule": "@every 90m", "task_notify": []},
    ],
)
def test_what_works_is_no_warning(home: Home, cli: Cli, task: dict[str, Any]) -> None:
    assert warnings(home, cli, task, defaults={"task_notify": [OPS]}) == []


@pytest.mark.parametrize(
    ("schedule", "dependency", "warns"),
    [
        ("0 2 * * *", {"task_schedule": "0 1 * * *"}, False),
        ("0 2 * * *", {"task_schedule": "0 3 * * *"}, False),
        ("0 2 * * mon-fri", {"task_schedule": "0 1 * * mon-fri"}, False),
        ("0 2 * * *", {"task_schedule": "0 1 * * mon-fri"}, True),
        ("0 2 * * *", {"task_schedule": "0 1 * * sun"}, True),
        ("0 8,20 * * *", {"task_schedule": "0 1 * * *"}, True),
        ("@every 10s", {"task_schedule": "@every 1m"}, True),
        ("@every 1m", {"task_schedule": "@every 10s"}, False),
        ("0 2 * * *", {"task_schedule": "@reboot"}, True),
        ("0 2 * * *", {}, False),  # only manually: an approval
        (None, {"task_schedule": "0 1 * * sun"}, False),
    ],
)
def test_a_dependency_that_is_due_more_seldom_is_a_warning(
    home: Home, cli: Cli, schedule: str, dependency: dict[str, Any], warns: bool
) -> None:
    found = warnings(home, cli, {"task_schedule": schedule, "task_dependencies": ["t1"]}, dependency)
    assert bool(found) is warns
    if warns:
        assert found[0].startswith("tasks[0] (t0): task_dependencies[0]: t1 (")
    else:
        assert not warnings(
            home, cli, {"task_schedule": schedule, "task_dependencies": [{"task_id": "t1", "on": "end"}]}, dependency
        )
    # A failure is not expected each time, and one end keeps up a state.
    for kind in ({"on": "failure"}, {"within": "ever"}) if schedule else ():
        special = {"task_schedule": schedule, "task_dependencies": [{"task_id": "t1", **kind}]}
        assert warnings(home, cli, special, dependency) == []
    # The same through a task without a schedule.
    through = [{"task_schedule": schedule, "task_dependencies": ["t1"]}, {"task_dependencies": ["t2"]}, dependency]
    assert bool(warnings(home, cli, *through)) is warns


def test_a_dependency_that_is_disabled_is_a_warning(home: Home, cli: Cli) -> None:
    daily = {"task_schedule": "@daily"}
    (found,) = warnings(home, cli, {**daily, "task_dependencies": ["t1"]}, {**daily, "enabled": False})
    assert found.startswith("tasks[0] (t0): task_dependencies[0]: t1 is disabled, so runs of this task wait for it")


@pytest.mark.parametrize(
    ("locks", "sizes", "expected"),
    [
        ([["db"], ["db"]], {}, []),
        ([["db"], ["net"]], {}, []),
        ([["db"]], {"db": 2}, []),
        ([["db"]], {"db": 2, "nas": 3}, ["settings.locks.nas is a lock that no task uses"]),
        (
            [["database"], ["database"]],
            {"databas": 2},
            ['settings.locks.databas is a lock that no task uses; did you mean "database"?'],
        ),
        (
            [["database"], ["database"], ["databas"]],
            {},
            [
                'tasks[2] (t2): task_locks[0] is "databas", which no other task uses and settings.locks does not name;'
                ' did you mean "database"?'
            ],
        ),
    ],
)
def test_names_of_locks_that_seem_misspelt_are_a_warning(
    home: Home, cli: Cli, locks: list[list[str]], sizes: dict[str, int], expected: list[str]
) -> None:
    tasks = [{"task_locks": names} for names in locks]
    assert warnings(home, cli, *tasks, settings={"timezone": "UTC", "locks": sizes}) == expected


def test_rules_of_the_defaults_that_a_task_replaces_are_a_warning(home: Home, cli: Cli) -> None:
    defaults = {"task_notify": [OPS, {**OPS, "name": "pager"}]}
    found = warnings(home, cli, {"task_notify": [BOSS]}, {"task_notify": [BOSS, OPS]}, {}, defaults=defaults)
    assert [line.partition("; ")[0] for line in found] == [
        "tasks[0] (t0): task_notify replaces the list of the defaults, so this task goes without ops, pager",
        "tasks[1] (t1): task_notify replaces the list of the defaults, so this task goes without pager",
    ]


def test_what_is_wrong_with_the_defaults_is_said_once(home: Home, cli: Cli) -> None:
    rule = {**OPS, "channels": [{"type": "file", "path": "~/x"}]}
    (found,) = warnings(home, cli, {}, {}, defaults={"task_notify": [rule]})
    assert found.startswith("defaults.task_notify[0].channels[0].path is ~/x")


def test_secrets_in_a_file_that_every_user_can_read_are_a_warning(home: Home, cli: Cli) -> None:
    smtp = {"host": "mail", "from": "a@example.org", "username": "u", "password": "hunter2"}
    env = {"DB_PASSWORD": "hunter2", "LEVEL": "full", "API_TOKEN": {"from_env": "X"}}
    assert warnings(home, cli, {"task_env": env}, settings={"smtp": smtp}) == []
    home.config.chmod(0o644)
    done = cli("validate")
    assert (done.returncode, done.stderr) == (
        0,
        "minisched: warning: tasks/config.json: every user of this machine can read it, and it contains secrets"
        f" (settings.smtp.password, t0: task_env.DB_PASSWORD); run: chmod o-r {home.config}\n",
    )
    write(home, {"task_env": {"LEVEL": "full"}})
    home.config.chmod(0o644)
    assert cli("validate").stderr == ""


def test_validate_prints_warnings_as_json(home: Home, cli: Cli) -> None:
    write(home, {"task_cwd": "~"})
    found = cli("validate", "--json").json
    assert found["valid"] is True and found["problems"] == []
    assert found["warnings"] == [
        {
            "place": "tasks[0] (t0): task_cwd",
            "message": "is ~: ~ is not expanded here; write the whole path, such as /home/NAME/...",
        }
    ]


def test_the_first_hundred_warnings_are_shown_and_the_others_counted(home: Home, cli: Cli) -> None:
    found = warnings(home, cli, *[{"task_cwd": "~"}] * 250)
    assert (len(found), found[-1]) == (101, "150 more problems")


def test_the_engine_logs_warnings_at_its_start_and_after_a_change(home: Home) -> None:
    write(home, {"task_cwd": "~"}, settings={"http": {"enabled": False}})
    home.start()
    log = home.path / "logs" / "minisched.log"
    line = "warning: tasks/config.json: tasks[{}] (t{}): task_cwd is ~"
    eventually(lambda: log.exists() and line.format(0, 0) in log.read_text())
    write(home, {"task_cwd": "~"}, {"task_cwd": "~"}, settings={"http": {"enabled": False}})
    eventually(lambda: line.format(1, 1) in log.read_text())
    assert log.read_text().count(line.format(0, 0)) == 1
    assert home.stop() == 0


@pytest.mark.parametrize(
    ("schedule", "within", "dependency", "warns"),
    [
        ("0 * * * *", "26h", {"task_schedule": "0 2 * * *"}, False),
        ("0 6 * * *", "12h", {"task_schedule": "0 2 * * *"}, False),
        ("0 6,18 * * *", "12h", {"task_schedule": "0 2 * * *"}, True),
        ("0 6 * * *", "26h", {"task_schedule": "0 2 * * sun"}, True),
        ("0 6 * * *", "ever", {"task_schedule": "0 2 * * sun"}, False),
        ("0 6 * * *", "26h", {"task_schedule": "@reboot"}, False),
        ("0 6 * * *", "26h", {"enabled": False}, False),
    ],
)
def test_a_state_that_is_too_old_at_some_due_times_is_a_warning(
    home: Home, cli: Cli, schedule: str, within: str, dependency: dict[str, Any], warns: bool
) -> None:
    state = {"task_id": "t1", "within": within}
    found = warnings(home, cli, {"task_schedule": schedule, "task_dependencies": [state]}, dependency)
    assert bool(found) is warns
    if warns:
        assert found[0].startswith("tasks[0] (t0): task_dependencies[0]: t1 (0 2 * * ")
        assert f"is not due in the {format_duration(parse_duration(within))} before each due time" in found[0]


def test_a_calendar_is_shown_beside_the_schedule_and_one_that_has_ended_is_a_warning(home: Home, cli: Cli) -> None:
    (home.path / "tasks/cn.txt").write_text("week mon-fri\n2020-10-10 on make-up day\n")
    settings = {"timezone": "UTC", "calendars": {"cn": {"file": "tasks/cn.txt"}}}
    tasks = [
        {"task_schedule": "0 8 * * *", "task_calendar": "cn"},
        {"task_schedule": "0 8 * * *", "task_calendar": {"name": "cn", "days": "off"}},
        {"task_schedule": "0 8 * * sat", "task_calendar": "cn"},
    ]
    write(home, *tasks, settings=settings)
    done = cli("validate")
    assert done.returncode == 0
    assert [line.split()[-5:] for line in done.stdout.splitlines()[2:]] == [
        ["8", "*", "*", "*", "(cn)"],
        ["*", "*", "*", "(cn:", "off)"],
        ["8", "*", "*", "sat", "(cn)"],
    ]
    assert done.stderr.splitlines() == [
        "minisched: warning: tasks/config.json: settings.calendars.cn: the calendar cn (tasks/cn.txt) has ended: its"
        " last line is that of 2020-10-10, and since then only its week counts; add the days of the time after it",
        'minisched: warning: tasks/config.json: tasks[2] (t2): task_schedule: "0 8 * * sat" is not due any more on the'
        ' days of the calendar "cn"',
    ]


def test_a_running_engine_warns_of_a_calendar_that_has_ended_in_its_log_and_its_status(home: Home) -> None:
    (home.path / "tasks/cn.txt").write_text("week mon-fri\n2020-10-10 on make-up day\n")
    write(home, settings={"timezone": "UTC", "http": {"port": 0}, "calendars": {"cn": {"file": "tasks/cn.txt"}}})
    home.start()
    eventually(lambda: "the calendar cn (tasks/cn.txt) has ended" in home.engine_log(), "the warning is in the log")
    (home.path / "tasks/cn.txt").write_text("week mon-fri\n")
    eventually(lambda: "config: reloaded" in home.engine_log(), "the changed calendar is in force")
    assert home.engine_log().count("has ended") == 1
