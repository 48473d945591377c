"""`init`, `validate`, `notify-test`, `schema`, `version`: set up a home, and check it."""

from __future__ import annotations

import os
import shlex
import sys
import time

from minisched import catalogue
from minisched.cli.output import log_action, print_error, print_json, shown, text
from minisched.cli.tables import print_table, table_time
from minisched.model import EXIT_NO, EXIT_OK, Text
from minisched.model.text import visible
from minisched.osutil import PACKAGE, carried_folder, read_carried

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from minisched.model import FieldError, Task

SAMPLES = ("config.json", "example_task_script.py", "example_task_script.sh")


def init(options: Namespace) -> int:
    """Create a home. What exists already, a symlink too, stays as it is."""
    target = os.path.join(options.home, "tasks")
    folder = carried_folder("sample", "tasks")
    contents = {name: read_carried(os.path.join(folder, name)) for name in SAMPLES}
    os.makedirs(options.home, exist_ok=True)
    if not os.path.isdir(target):
        os.mkdir(target, 0o755)  # under an umask of 0 it would be writable by everyone, and the config be refused
    created = [_create(os.path.join(target, name), content) for name, content in contents.items()]
    if any(created):
        home = "" if os.path.samefile(options.home, os.curdir) else f"--home {shlex.quote(options.home)} "
        print(text("cli.next_steps", home=home))
        archive = os.path.realpath(os.path.dirname(PACKAGE))
        if os.path.isfile(archive) and __file__.endswith(".py"):  # the byte code in it is for another Python
            print(text("cli.bundle_again", path=shlex.quote(archive)))
    return EXIT_OK


def _create(path: str, content: bytes) -> bool:
    """False if the file exists, which is kept. Writes all of it or nothing. Raises OSError."""
    script = not path.endswith(".json")
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755 if script else 0o640)
    except FileExistsError:
        print(text("cli.kept", path=path))
        return False
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
    except OSError as error:
        os.unlink(path)
        raise OSError(error.errno, error.strerror, path) from error
    print(text("cli.created", path=path))
    return True


def validate(options: Namespace) -> int:
    """All problems of a config, or its tasks with their next due times."""
    from minisched.cli.view import config_problems, other_zone, read_only_config
    from minisched.config import ConfigError, load_config
    from minisched.config.problems import count_problems
    from minisched.home import Home
    from minisched.lint import Surroundings, config_warnings
    from minisched.timetable import LocalZone, load_zone, local_zone

    home = Home(options.home)
    path = options.file or home.config
    try:
        config = (None if options.file else read_only_config(home)[0]) or load_config(path)
    except ConfigError as error:
        if options.json:
            print_json({"valid": False, "problems": list(map(_problem_json, error.problems))})
            return EXIT_NO
        for line in config_problems(error, home, hint=path == home.config):
            print_error(line)
        print(text("cli.problem_count", count=count_problems(error.problems)), file=sys.stderr)
        return EXIT_NO
    if not options.file and not options.json:
        note = other_zone(home, LocalZone(config.settings.timezone, config.settings.timezone_source))
        if note:
            print_error(note)
    warnings = config_warnings(config, Surroundings(home.path, os.environ, time.time(), path))
    language = catalogue.ENGLISH if options.json else ""
    tasks = [_task_json(task, language) for task in config.tasks.values()]
    if options.json:
        found = list(map(_problem_json, warnings))
        print_json({"valid": True, "problems": [], "warnings": found, "tasks": tasks})
        return EXIT_OK
    print(text("cli.valid", path=path, count=len(tasks)))
    zone = load_zone(local_zone().name)
    lines = []
    for row, task in zip(tasks, config.tasks.values()):
        due = table_time(row["next_run_time"], zone) if task.enabled else text("cli.disabled")
        lines.append((task.task_id, due, row["schedule"] + _calendar(task)))
    if lines:
        print_table(("task", "next", "schedule"), lines, shrink={"schedule": 10, "task": 10})
    sys.stdout.flush()
    for warning in warnings:
        print_error(Text("config.warning", warning=warning.as_text()))
    return EXIT_OK


def _task_json(task: Task, language: str) -> dict[str, Any]:
    """A task with its next due time. language: of what starts it if it has no schedule."""
    from minisched.cli.view import due_times
    from minisched.timetable import start_text

    return {
        "task_id": task.task_id,
        "schedule": " | ".join(task.task_schedule) or shown(start_text(task.task_dependencies), language),
        "next_run_time": next(iter(due_times(task, 1)), None),
        "enabled": task.enabled,
    }


def _calendar(task: Task) -> str:
    """The calendar of a task, after its schedules."""
    rule = task.task_calendar
    if rule is None or not task.task_schedule:
        return ""
    return f" ({rule.name})" if rule.days == "working" else f" ({rule.name}: {rule.days})"


def _problem_json(problem: FieldError) -> dict[str, str]:
    return {"place": catalogue.shown(problem.place, catalogue.ENGLISH), "message": catalogue.render(problem.text)}


def notify_test(options: Namespace) -> int:
    """Send a test message by the home's config, with or without an engine; 1 if a channel did not take it."""
    from minisched.cli.view import View, task_named
    from minisched.model.notification import SendStatus
    from minisched.notify.notify_test import select_rules, try_channels

    with View(options.home) as view:
        config = view.config_to_act_on(f"notify-test {options.task}")
    task = task_named(options.task, config)
    rules = select_rules(task, options.rule)
    results = try_channels(config, task, rules, options.home, os.environ)
    for one in results:
        log_action(view.home, config, Text("log.notify_test", task=task.task_id, result=one.text))
    if options.json:
        print_json([one.as_json() for one in results])
    else:
        for one in results:
            print(shown(one.text))
    return EXIT_OK if all(one.result.state is SendStatus.SENT for one in results) else EXIT_NO


def schema(options: Namespace) -> int:
    from minisched.config.exports import json_schema

    print_json(json_schema())
    return EXIT_OK


def version(options: Namespace) -> int:
    import platform
    import sqlite3

    from minisched import __version__

    about = {
        "minisched": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "program": os.path.realpath(os.path.dirname(PACKAGE)) if os.path.isfile(os.path.dirname(PACKAGE)) else PACKAGE,
    }
    if options.json:
        print_json(about)
    else:
        print(", ".join(f"{name} {visible(value)}" for name, value in about.items()))
    return EXIT_OK
