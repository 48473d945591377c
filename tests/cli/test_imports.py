"""What an engine that waits, and the shortest commands, do not import: memory for as long as the engine runs, and the
time of each command."""

from __future__ import annotations

import re
from pathlib import Path

from support.programs import Home, eventually, minisched

FOR_PEOPLE = {
    "minisched.catalogue.cli": "texts of the commands",
    "minisched.catalogue.config": "texts about a config with problems or warnings",
    "minisched.cli.tables": "tables of the commands",
    "minisched.cli.view": "what the commands know of a home",
    "minisched.store.reader": "the history for the commands and the page",
    "minisched.timetable.describe": "schedules in words",
}
NOT_CONFIGURED = {
    "minisched.config.env_file": "no task has one",
    "minisched.store.outbox": "no rule and no message",
    "minisched.timetable.working_days": "no calendar",
}
NEVER_USED = {
    "locale": "subprocess decodes texts with it",
    "pickle": "logging.handlers sends records with it",
}
NOT_BY_LIST = {
    "logging": "it writes no log",
    "minisched.cli.client": "it asks no engine",
    "queue": "it has one thread",
    "signal": "it signals no process",
    "subprocess": "it starts no process",
    "threading": "it has one thread",
}


def imported(stderr: str) -> set[str]:
    """The modules in the output of `-X importtime`."""
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", stderr, re.M))


def test_an_engine_that_waits_and_list_import_what_they_need_and_no_more(tmp_path: Path) -> None:
    home, report = Home(tmp_path / "home"), tmp_path / "report"
    try:
        home.write({"task_id": "yearly", "task_exec": ["/bin/true"], "task_schedule": "0 0 1 1 *"}, http={"port": 0})
        home.start("/bin/sh", "-c", f'exec "$@" 2>"{report}"', "sh", PYTHONPROFILEIMPORTTIME="1")
        eventually(lambda: "http://" in home.engine_log(), "the page is served")
        home.stop()
        by_engine = imported(report.read_text())
    finally:
        home.close()
    assert {"minisched.engine.scheduler", "minisched.api.server"} <= by_engine
    assert by_engine & {*FOR_PEOPLE, *NOT_CONFIGURED, *NEVER_USED} == set()

    for command in ("list", "status"):
        by_command = imported(minisched(command, home=home.path, PYTHONPROFILEIMPORTTIME="1").stderr)
        assert "minisched.store.reader" in by_command
        assert by_command & {*NOT_BY_LIST, *NOT_CONFIGURED, *NEVER_USED, "minisched.timetable.describe"} == set()
