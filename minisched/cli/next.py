"""`next`: coming due times, of the tasks or of a schedule text."""

from __future__ import annotations

import time

from minisched.catalogue import ENGLISH, render
from minisched.cli.output import CommandError, print_error, print_json, reading_typed
from minisched.cli.tables import print_table, table_time
from minisched.cli.terminal import language
from minisched.model import EXIT_OK, EXIT_USAGE, Text, iso
from minisched.timetable import (
    LocalZone,
    load_zone,
    local_zone,
    next_fires,
    parse_schedule,
    parse_time,
    schedules_of,
    start_text,
)
from minisched.timetable.describe import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from datetime import tzinfo
    from typing import Any, Optional

    from minisched.model import Task

_DEFAULT_COUNT = 5


def next_times(options: Namespace) -> int:
    return _of_tasks(options) if options.expr is None else _of_text(options)


def _language(options: Namespace) -> str:
    """Of descriptions: as the option says, else English in JSON, else that of all texts."""
    return options.lang or (ENGLISH if options.json else language())


def _of_text(options: Namespace) -> int:
    """Due times of `--expr`."""
    if options.task:
        raise CommandError(Text("cli.task_or_expr"), exit_code=EXIT_USAGE)
    with reading_typed(""):  # these errors name a full-width character themselves
        schedule = parse_schedule(options.expr)
        zone = load_zone(home_zone(options.home) if options.tz is None else options.tz)
    with reading_typed(options.after):
        after = time.time() if options.after is None else parse_time(options.after, zone)
    times = [iso(due, zone) for due in next_fires([schedule], after, zone, options.n or _DEFAULT_COUNT)]
    if options.json:
        import json

        print(json.dumps(times))
        return EXIT_OK
    print(describe(schedule, _language(options)))
    for moment in times:
        print(moment)
    if not times and options.expr.strip().lower() != "@reboot":
        print(render(Text("cli.never_again"), _language(options)))
    return EXIT_OK


def home_zone(path: str) -> str:
    """The time zone of the home's config; of the machine if there is no valid config."""
    from minisched.cli.view import read_only_config
    from minisched.home import Home

    config, _ = read_only_config(Home(path))
    return config.settings.timezone if config else local_zone().name


def describe_start(task: Task, language: str) -> str:
    """What starts a task: its schedules, its dependencies, or only a person."""
    terms = [describe(schedule, language) for schedule in schedules_of(task)]
    if task.task_dependencies or not terms:
        terms.append(render(start_text(task.task_dependencies), language))
    words = render(Text("cli.semicolon"), language).join(terms)
    return words if task.enabled else render(Text("cli.disabled_start", start=words), language)


def _of_tasks(options: Namespace) -> int:
    from minisched.cli.view import named_zone, other_zone, read_only_config, task_named
    from minisched.home import Home

    home, zone = Home(options.home), named_zone(options.tz)
    config, problems = read_only_config(home)
    if config is None:
        raise CommandError(*problems)
    settings = config.settings
    note = other_zone(home, LocalZone(settings.timezone, settings.timezone_source))
    if note:
        print_error(note)
    if settings.paused:
        print_error(Text("cli.paused"))
    tasks = [task_named(options.task, config)] if options.task is not None else list(config.tasks.values())
    count = options.n or (1 if options.task is None else _DEFAULT_COUNT)
    now = time.time()
    rows = [_row(task, count, now, zone, options) for task in tasks]
    if options.json:
        print_json(rows)
    else:
        _print_rows(rows, tasks, zone or load_zone(local_zone().name), _language(options))
    return EXIT_OK


def _row(task: Task, count: int, now: float, zone: Optional[tzinfo], options: Namespace) -> dict[str, Any]:
    """A task as JSON. zone: of `--after`; None: that of the task."""
    from minisched.cli.view import days_left_out, due_times

    own_zone = load_zone(task.task_timezone)
    with reading_typed(options.after):
        after = now if options.after is None else parse_time(options.after, zone or own_zone)
    times = due_times(task, count, after)
    row: dict[str, Any] = {"task_id": task.task_id, "schedule": list(task.task_schedule)}
    row.update(words=describe_start(task, _language(options)), times=times)
    if task.task_calendar:
        row["left_out"] = [
            {"from": one.first, "to": one.last, "text": render(one.text, _language(options))}
            for one in days_left_out(task, after, times)
        ]
    return row


def _print_rows(rows: Sequence[dict[str, Any]], tasks: Sequence[Task], zone: tzinfo, language: str) -> None:
    lines = []
    for row, task in zip(rows, tasks):
        times = [table_time(moment, zone) for moment in row["times"]] or ["-"]
        words = row["words"]
        if task.task_schedule and load_zone(task.task_timezone) != zone:
            words = render(Text("cli.in_zone", words=words, zone=task.task_timezone), language)
        lines += [(task.task_id, times[0], words), *(("", moment, "") for moment in times[1:])]
    print_table(("task", "due", "schedule"), lines, shrink={"schedule": 10, "task": 10})
    for row in rows:
        for one in row.get("left_out", ()):
            print(render(Text("cli.left_out", task=row["task_id"], text=one["text"]), language))
