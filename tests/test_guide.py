"""The guides are held to what they say: examples are run, queries are asked, statuses and reasons are all there."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import timezone
from pathlib import Path
from typing import NamedTuple

import pytest

from minisched.model import Reason, Status, TaskAttempt, TaskExecution, Trigger

ROOT = Path(__file__).resolve().parent.parent
ENGLISH = ROOT / "docs" / "task_script_development_guide.md"
CHINESE = ROOT / "docs" / "task_script_development_guide.zh.md"
OPERATION = ROOT / "docs" / "operation.md"
VARIABLES = (
    "MINISCHED_TASK_ID",
    "MINISCHED_RUN_ID",
    "MINISCHED_ATTEMPT",
    "MINISCHED_TRIGGER",
    "MINISCHED_SCHEDULED_TIME",
    "MINISCHED_PREVIOUS_STATUS",
    "MINISCHED_LAST_SUCCESS_TIME",
    "MINISCHED_HOME",
    "PYTHONUNBUFFERED",
)
INTERPRETERS = {
    "python": [[sys.executable]],
    "sh": [shell for shell in (["sh"], ["bash"], ["busybox", "sh"]) if shutil.which(shell[0])],
    "bash": [["bash"]] if shutil.which("bash") else [],
}
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r"# (tasks/[\w.]+)(?:: exits with (\d+))?\n")


class Example(NamedTuple):
    language: str
    path: str  # from the home
    exit_code: int
    code: str


def blocks(guide):
    """(language, code) of each fenced block, in the order of the text."""
    return FENCE.findall(guide.read_text(encoding="utf-8"))


def examples():
    found = []
    for language, code in blocks(ENGLISH):
        if language in INTERPRETERS:
            title = TITLE.match(code)
            assert title, f"a runnable example begins with its path: {code.splitlines()[0]}"
            found.append(Example(language, title[1], int(title[2] or 0), code))
    return found


def headings(guide):
    return re.findall(r"^#+ ", FENCE.sub("", guide.read_text(encoding="utf-8")), re.MULTILINE)


@pytest.fixture
def home(tmp_path):
    """A home with the templates and every example of the guide; nothing has run in it yet."""
    shutil.copytree(ROOT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    for example in examples():
        (tmp_path / example.path).write_text(example.code, encoding="utf-8")
    return tmp_path


def run(example, interpreter, home, **variables):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MINISCHED_")}
    return subprocess.run(
        [*interpreter, example.path],
        cwd=home,
        env={**environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=10,  # an example that hangs fails its test instead of stopping the suite
    )


def by_path(path):
    return next(example for example in examples() if example.path == path)


@pytest.mark.parametrize(
    ("example", "interpreter"),
    [
        pytest.param(example, interpreter, id=f"{example.path}-{Path(interpreter[0]).name}")
        for example in examples()
        for interpreter in INTERPRETERS[example.language]
    ],
)
def test_an_example_ends_with_the_exit_code_it_states(example, interpreter, home):
    by_hand = run(example, interpreter, home)
    assert by_hand.returncode == example.exit_code, by_hand.stdout
    assert "never reached" not in by_hand.stdout
    assert not list(home.rglob("*.tmp"))


@pytest.mark.parametrize("path", ["tasks/daily_report.py", "tasks/daily_report.sh"])
@pytest.mark.parametrize(
    ("scheduled", "yesterday"),
    [
        ("2026-11-23T02:30:00+08:00", "2026-11-22"),
        ("2026-03-01T00:00:00+01:00", "2026-02-28"),
        ("2028-03-01T00:00:00.042-05:00", "2028-02-29"),
        ("2026-03-30T00:30:00+02:00", "2026-03-29"),  # the day before had 23 hours in Berlin
        ("2026-01-01T23:59:59+00:00", "2025-12-31"),
    ],
)
def test_a_late_run_reports_the_day_before_its_due_time(path, scheduled, yesterday, home):
    example = by_path(path)
    for interpreter in INTERPRETERS[example.language]:
        done = run(example, interpreter, home, MINISCHED_SCHEDULED_TIME=scheduled, TZ="Europe/Berlin")
        assert done.stdout == f"wrote report-{yesterday}.txt\n"
        assert (home / f"report-{yesterday}.txt").read_text() == f"the report of {yesterday}\n"


def test_every_json_example_is_json_and_a_task():
    for language, code in blocks(ENGLISH):
        if language == "json":
            assert {"task_id", "task_exec"} <= json.loads(code).keys()


def test_every_block_says_what_it_is():
    assert {language for language, _ in blocks(ENGLISH)} <= {*INTERPRETERS, "json", "text"}


def test_no_two_examples_have_the_same_path():
    paths = [example.path for example in examples()]
    assert len(paths) == len(set(paths)) >= 15


def test_both_languages_have_the_same_code():
    assert blocks(CHINESE) == blocks(ENGLISH)


def test_both_languages_have_the_same_sections():
    assert headings(CHINESE) == headings(ENGLISH)


@pytest.mark.parametrize("guide", [ENGLISH, CHINESE], ids=["english", "chinese"])
@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_of_a_run_stands_in_the_guides_table(guide, variable):
    assert f"| `{variable}` |" in guide.read_text(encoding="utf-8")


def test_both_languages_have_the_same_names_in_their_prose():
    """A name that users type or read is never translated, so both texts mention the same ones."""

    def names(guide):
        return set(re.findall(r"`([a-z]+_[a-z_]+|MINISCHED_\w+)`", FENCE.sub("", guide.read_text(encoding="utf-8"))))

    assert names(CHINESE) == names(ENGLISH)


# --------------------------------------------------------------------------------------------------------- operation


def troubleshooting():
    """The (status, reason) pairs of the table of the operation guide that says why."""
    text = OPERATION.read_text(encoding="utf-8").partition("## 12. ")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| (?:`(\w+)`)?", text, re.MULTILINE)


def test_the_troubleshooting_table_knows_every_status_and_every_reason():
    assert {status for status, _ in troubleshooting()} == {str(status) for status in Status}
    assert {reason for _, reason in troubleshooting() if reason} == {str(reason) for reason in Reason}
    assert len(troubleshooting()) == len(set(troubleshooting()))


def test_the_queries_of_the_operation_guide_ask_for_columns_that_a_run_has():
    """The columns are named as the JSON fields (SPEC section 3); the attempts are rows of their own table."""
    run = TaskExecution("one", Trigger.SCHEDULE, Status.MISSED, created_time=0.0).as_json(timezone.utc)
    attempt = TaskAttempt(1, Status.SUCCESS, start_time=0.0).as_json(timezone.utc)
    with sqlite3.connect(":memory:") as database:
        names = ", ".join(f'"{name}"' for name in run if name != "attempts")
        database.execute(f"CREATE TABLE task_history ({names})")
        database.execute(f"CREATE TABLE task_attempt (run_id, {', '.join(attempt)})")
        queries = [code for language, code in blocks(OPERATION) if language == "sql"]
        assert len(queries) == 5
        for query in queries:
            if sqlite3.sqlite_version_info < (3, 38):
                query = re.sub(r"unixepoch\(([^)]*)\)", r"strftime('%s', \1)", query)
            assert database.execute(query).fetchall() == []
    database.close()
