"""The look of the command line: widths, colours, help, and the errors of wrong usage."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from minisched.cli.arguments import COMMANDS
from minisched.cli.output import report
from minisched.cli.terminal import display_width, fit_width
from minisched.model import Batch, Expectation, Reason, Status, TaskExecution, Text, Trigger
from minisched.store.writer import open_store
from support.cli import COLOUR, Cli, columns_of, on_terminal, record
from support.programs import Home, minisched

NAMES = ("nightly_backup_of_the_plant_database_in_hall_7", "b", "report")


@pytest.fixture
def busy(home: Home) -> Home:
    """Long names, Chinese names, long reasons."""
    fields: list[dict[str, Any]] = [
        {"task_name": "每晚备份工厂数据库，然后检查备份是否完整可用", "task_schedule": "*/15 8-18 * * mon-fri"},
        {"task_name": "短", "enabled": False},
        {"task_name": "Bericht u\u0308ber alles", "task_dependencies": list(NAMES[:2])},
    ]
    home.write(*({"task_id": name, "task_exec": "true", **more} for name, more in zip(NAMES, fields)))
    ended = {"created_time": 1_795_000_000.0, "start_time": 1_795_000_000.0, "end_time": 1_795_000_003.0}
    record(
        home.path,
        *(
            TaskExecution(
                name,
                Trigger.SCHEDULE,
                status,
                reason=reason.value,
                detail=detail and Text("text", text=detail),
                duration=3.0,
                **ended,
            )
            for name, status, reason, detail in zip(
                NAMES,
                (Status.TECHNICAL_FAILURE, Status.MISSED, Status.SKIPPED),
                (Reason.TIMEOUT, Reason.DOWNTIME, Reason.UPSTREAM_FAILED),
                (None, "停电了" * 20, "nightly_backup_of_the_plant_database_in_hall_7 did not succeed"),
            )
        ),
    )
    return home


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("command", ["list", "status", "history", "next"])
def test_tables_fit_the_terminal(busy: Home, command: str, columns: int) -> None:
    text = on_terminal(columns, command, home=busy.path)
    table = text.split("\n\n")[-1] if command == "status" else text
    assert max(columns_of(line) for line in table.splitlines()) <= columns
    if command != "next":
        assert "technical_failure" in table  # never cut
    assert "…" in table


def test_columns_are_aligned_with_their_headers_for_any_characters(busy: Home) -> None:
    lines = on_terminal(120, "list", home=busy.path).splitlines()
    place = columns_of(lines[0].partition("STATUS")[0])
    statuses = ("STATUS", "technical_failure", "missed", "skipped")
    for line, status in zip(lines, statuses):
        assert columns_of(COLOUR.sub("", line).partition(status)[0]) == place
    header, *rows = minisched("history", home=busy.path).stdout.splitlines()
    place = columns_of(header.partition("TRIGGER")[0])
    for row in rows:
        assert columns_of(row[: row.rindex("schedule")]) == place


def test_an_id_stays_where_there_is_no_room_for_the_name_and_the_last_run(busy: Home) -> None:
    header, *rows = on_terminal(80, "list", home=busy.path).splitlines()
    assert header.split() == ["TASK", "STATUS", "NEXT", "WHY"] and rows[1].startswith("b ")
    header, *rows = on_terminal(150, "list", home=busy.path).splitlines()
    assert header.split() == ["TASK", "NAME", "STATUS", "NEXT", "WHY"]
    assert rows[0].startswith(f"{NAMES[0]}  每晚备份")
    assert "LAST RUN" in on_terminal(400, "list", home=busy.path)


def test_ids_and_short_reasons_are_whole_at_80_columns(home: Home) -> None:
    names = ("nightly_backup", "renew_certificate")
    home.write(*({"task_id": name, "task_name": "N" * 30, "task_exec": "exit 126"} for name in names))
    for name in names:
        minisched("exec", name, home=home.path)
    text = on_terminal(80, "list", home=home.path)
    assert all(f"{name} " in text for name in names) and "exit 126: not executable\n" in text and "…" not in text


def test_a_name_that_is_typed_as_an_id_is_answered_with_the_id(busy: Home, cli: Cli) -> None:
    assert cli("trigger", "短").stderr == 'minisched: no task "短"; did you mean "b"?\n'


def test_a_terminal_of_a_few_columns_shows_something(busy: Home) -> None:
    for columns in (1, 5, 20):
        text = on_terminal(columns, "list", home=busy.path)
        assert max(columns_of(line) for line in text.splitlines()) <= max(columns, 1)


def test_output_into_a_pipe_is_not_cut(busy: Home) -> None:
    text = minisched("list", home=busy.path, COLUMNS="").stdout
    assert "…" not in text and "每晚备份工厂数据库，然后检查备份是否完整可用" in text and NAMES[0] in text


def test_COLUMNS_overrides_the_width_if_it_is_a_number(busy: Home) -> None:
    def widest(columns: str, command: str = "list") -> int:
        return max(columns_of(line) for line in minisched(command, home=busy.path, COLUMNS=columns).stdout.splitlines())

    assert widest("60") <= 60
    assert widest("0") > 100 and widest("wide") > 100
    for columns in ("0", "wide", "1", "-5"):
        assert minisched("next", "--help", COLUMNS=columns).returncode == 0


def test_colours_are_used_only_on_a_terminal_that_wants_them(busy: Home) -> None:
    assert "\x1b[31mtechnical_failure" in on_terminal(120, "list", home=busy.path)
    assert "\x1b" not in on_terminal(120, "list", home=busy.path, NO_COLOR="1")
    assert "\x1b[31m" in on_terminal(120, "list", home=busy.path, NO_COLOR="")
    assert "\x1b" not in minisched("list", home=busy.path).stdout
    assert "\x1b" not in on_terminal(120, "list", "--json", home=busy.path)


def test_a_dumb_terminal_gets_no_colours(busy: Home) -> None:
    assert "\x1b" not in on_terminal(120, "history", home=busy.path, TERM="dumb")


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("中文", 4), ("ｆｕｌｌ", 8), ("u\u0308", 1), ("é", 1), ("\U0001f600", 2), ("ﾊﾝ", 2)],
)
def test_the_width_of_a_text_is_that_on_a_terminal(text: str, width: int) -> None:
    assert display_width(text) == width


def test_a_text_is_cut_between_two_characters() -> None:
    assert fit_width("中文字", 6) == "中文字"
    assert fit_width("中文字", 5) == "中文…"
    assert fit_width("中文字", 4) == "中… "
    assert fit_width("ab", 4) == "ab  "


# -------------------------------------------------------------------------------------------------------- wrong use


def test_help_lists_every_command(cli: Cli) -> None:
    done = cli("--help")
    assert done.returncode == 0 and "exit codes: 0 success" in done.stdout
    for command in COMMANDS:
        assert re.search(rf"\n    {command}\s", done.stdout)
        one = cli(command, "--help")
        assert one.returncode == 0 and "examples:\n  minisched " in one.stdout


def test_help_fits_a_narrow_terminal(home: Home) -> None:
    text = on_terminal(60, "history", "--help", home=home.path)
    body = text.split("examples:")[0]
    assert max(map(columns_of, body.splitlines())) <= 60


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("lst",), 'no command "lst"; did you mean "list"?'),
        (("frobnicate",), "`minisched --help` lists them"),
        (("list", "--jsn"), "unrecognized arguments: --jsn"),
        (("exec",), "TASK"),
        (("history", "-n", "99999999999999999999"), "whole number"),
        (("history", "--run", "1e9"), "whole number"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_hint(cli: Cli, arguments: tuple[str, ...], expected: str) -> None:
    done = cli(*arguments)
    assert (done.returncode, done.stdout) == (2, "") and expected in done.stderr


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(KeyError):
        report(KeyError("bug"))


def test_what_is_not_as_expected_is_shown_beside_the_status(home: Home) -> None:
    home.write(
        {"task_id": "a", "task_exec": "true", "task_schedule": "30 2 * * *", "task_expect": {"finish_by": "06:00"}},
        {"task_id": "b", "task_exec": "true"},
        timezone="UTC",
    )
    now = 1_795_000_000.0
    ended = {"created_time": now, "start_time": now, "end_time": now, "duration": 1.0}
    late = Expectation("a", "late", "2026-11-18", 1_794_981_600.0)
    record(home.path)
    store, _ = open_store(str(home.path / "var" / "minisched.db"), now=now)
    store.commit(Batch([TaskExecution("b", Trigger.SCHEDULE, Status.SUCCESS, **ended)], expected=[late]))
    store.close()
    shown = minisched("status", home=home.path).stdout
    assert re.search(r"^a +idle .*late: no success for 2026-11-18 by 06:00", shown, re.MULTILINE)
    assert "\nb " not in shown
    found = json.loads(minisched("list", "--json", home=home.path).stdout)
    assert [(one["late"], one["slow"]) for one in found] == [
        ({"day": "2026-11-18", "since": "2026-11-18T06:00:00+00:00"}, []),
        (None, []),
    ]
    store, _ = open_store(str(home.path / "var" / "minisched.db"), now=now)
    store.commit(Batch([TaskExecution("a", Trigger.MANUAL, Status.SUCCESS, **ended)]))  # by `exec`, without an engine
    store.close()
    assert json.loads(minisched("list", "--json", home=home.path).stdout)[0]["late"] is None
