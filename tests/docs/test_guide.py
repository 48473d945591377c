"""Runs the examples and queries of the guides, and checks that they describe every status and reason."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from minisched.model import Batch, Reason, Status
from support.store import ask, full_run, make, opened
from support.walk import Terminal

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.fixture
def home(tmp_path):
    """A home with the templates and every example of the guide, before any of them has run."""
    shutil.copytree(ROOT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "docs" / "script_examples.md", tmp_path)
    for language, code in blocks(tmp_path / "script_examples.md"):
        (tmp_path / "tasks" / ("disk_usage.sh" if language == "sh" else "disk_report.py")).write_text(code)
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
def test_an_example_ends_with_its_stated_exit_code(example, interpreter, home):
    done = run(example, interpreter, home)
    assert done.returncode == example.exit_code, done.stdout
    assert "never reached" not in done.stdout
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


def test_every_json_example_is_a_task():
    for language, code in blocks(ENGLISH):
        if language == "json":
            assert {"task_id", "task_exec"} <= json.loads(code).keys()


def test_every_block_has_a_language():
    assert {language for language, _ in blocks(ENGLISH)} <= {*INTERPRETERS, "json", "text"}


def test_no_two_examples_have_the_same_path():
    paths = [example.path for example in examples()]
    assert len(paths) == len(set(paths)) >= 15


@pytest.mark.parametrize("guide", [ENGLISH, CHINESE], ids=["english", "chinese"])
@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_of_a_run_is_described(guide, variable):
    assert f"| `{variable}` |" in guide.read_text(encoding="utf-8")


def test_both_languages_have_the_same_names_in_their_prose():
    """Names that users type or read are not translated, so both texts mention the same ones."""

    def names(guide):
        return set(re.findall(r"`([a-z]+_[a-z_]+|MINISCHED_\w+)`", FENCE.sub("", guide.read_text(encoding="utf-8"))))

    assert names(CHINESE) == names(ENGLISH)


# --------------------------------------------------------------------------------------------------------- operation


def troubleshooting():
    """The (status, reason) pairs of the troubleshooting table."""
    text = OPERATION.read_text(encoding="utf-8").partition("## 12. ")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| (?:`(\w+)`)?", text, re.MULTILINE)


def test_the_troubleshooting_table_has_every_status_and_every_reason():
    assert {status for status, _ in troubleshooting()} == {str(status) for status in Status}
    assert {reason for _, reason in troubleshooting() if reason} == {str(reason) for reason in Reason}
    assert len(troubleshooting()) == len(set(troubleshooting()))


@pytest.fixture
def history(tmp_path):
    """An open history, as beside a running engine: a run of two attempts, a missed one, and one on time."""
    (tmp_path / "var").mkdir()
    path = tmp_path / "var" / "minisched.db"
    now = time.time()
    with closing(opened(path)) as store:
        late = {"scheduled_time": int(now) - 60, "end_time": now, "reason": Reason.DOWNTIME, "missed_count": 4}
        on_time = {"scheduled_time": int(now), "start_time": int(now) + 2.5, "end_time": now + 4, "duration": 1.5}
        two_attempts = full_run()._replace(status=Status.SUCCESS)
        store.commit(Batch([two_attempts, make("a", Status.MISSED, **late), make("b", Status.SUCCESS, **on_time)]))
        yield path


def test_the_queries_return_the_right_runs(history):
    """In a database created by the store, so that a wrong column name is an error."""
    found = []
    for query in [code for language, code in blocks(OPERATION) if language == "sql"]:
        if sqlite3.sqlite_version_info < (3, 38):
            query = re.sub(r"unixepoch\(([^)]*)\)", r"(strftime('%s', \1) + 0)", query)
        found.append(ask(history, query))
    wrong, by_task, retried, late, missed = found
    assert [row[1:4] for row in wrong] == [("a", "missed", "downtime")]
    assert ("b", 1, 1, 1.5, 1.5) in by_task
    assert [row[1:4] for row in retried] == [("backup", 1, "technical_failure"), ("backup", 2, "success")]
    assert late == [("b", 2.5, 1)]
    assert [row[1:] for row in missed] == [("a", 4)]


def test_the_backup_commands_copy_a_history_in_use(history, tmp_path_factory):
    section = OPERATION.read_text(encoding="utf-8").partition("## 5. ")[2].partition("\n## ")[0]
    commands = [code for language, code in FENCE.findall(section) if language == "sh"]
    assert len(commands) == 2
    home = history.parent.parent
    (home / "tasks").mkdir()
    (home / "tasks" / "config.json").write_text('{"tasks": []}')
    (home / "var").chmod(0o700)
    folder = tmp_path_factory.mktemp("machine")
    terminal = Terminal(folder)
    try:
        terminal.type(f"cd {home}")
        for command in commands:
            code, said = terminal.type(
                command.replace("/mnt/backup", str(folder)).replace("/srv/jobs", f"{folder}/jobs")
            )
            assert code == 0, said
    finally:
        terminal.close()
    restored, runs = folder / "jobs" / "var" / "minisched.db", "SELECT * FROM task_history"
    assert ask(restored, "PRAGMA integrity_check") == [("ok",)]
    assert ask(restored, runs) == ask(history, runs) != []
