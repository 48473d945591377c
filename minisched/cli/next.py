"""`next`: due times to come, of the tasks or of a schedule text."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from minisched.cli.output import Refusal, print_json, print_table
from minisched.model import EXIT_OK, EXIT_USAGE, iso
from minisched.timetable import (
    ScheduleError,
    ZoneError,
    describe,
    load_zone,
    local_zone_name,
    next_fires,
    parse_schedule,
    parse_time,
)

if TYPE_CHECKING:
    from argparse import Namespace

    from minisched.model import Task

_DEFAULT_COUNT = 5
_WORDS = {
    "en": {"after": "after {}", "by hand": "by hand", "disabled": "disabled ({})", "never": "never again"},
    "zh": {"after": "在 {} 之后", "by hand": "手动", "disabled": "已停用（{}）", "never": "不会再有"},
}


def upcoming(options: Namespace) -> int:
    if options.expr is not None:
        return of_text(options)
    return of_tasks(options)


def language(options: Namespace) -> str:
    """Of the words: as asked, or by the locale of the environment."""
    names = (options.lang, *(os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG")))
    chosen = next((name for name in names if name), "en")
    return "zh" if chosen.startswith("zh") else "en"


def of_text(options: Namespace) -> int:
    """Due times of `--expr`. What is refused is told on standard error, exit code 2."""
    if options.task:
        raise Refusal("next takes a TASK or --expr, not both", code=EXIT_USAGE)
    try:
        schedule = parse_schedule(options.expr)
        zone = load_zone(home_zone(options.home) if options.tz is None else options.tz)
        after = time.time() if options.after is None else parse_time(options.after, zone)
    except (ScheduleError, ZoneError, ValueError) as error:
        raise Refusal(str(error), code=EXIT_USAGE) from None
    times = [iso(due, zone) for due in next_fires([schedule], after, zone, options.n or _DEFAULT_COUNT)]
    if options.json:
        import json

        print(json.dumps(times))
        return EXIT_OK
    print(describe(schedule, language(options)))
    for moment in times:
        print(moment)
    if not times and options.expr.strip().lower() != "@reboot":
        print(_WORDS[language(options)]["never"])
    return EXIT_OK


def home_zone(path: str) -> str:
    """The time zone of the home's config, or the machine's where there is no good one."""
    from minisched.config import ConfigError, load_config
    from minisched.home import Home

    try:
        return load_config(Home(path).config).settings.timezone
    except ConfigError:
        return local_zone_name()


def in_words(task: Task, lang: str) -> str:
    """What starts a task: its schedules, its dependencies, or only a person."""
    terms = [describe(text, lang) for text in task.task_schedule]
    if task.task_dependencies:
        terms.append(_WORDS[lang]["after"].format(", ".join(task.task_dependencies)))
    words = "; ".join(terms) or _WORDS[lang]["by hand"]
    return words if task.enabled else _WORDS[lang]["disabled"].format(words)


def of_tasks(options: Namespace) -> int:
    from minisched.cli.view import config_problems, task_named, upcoming_times
    from minisched.config import ConfigError, load_config
    from minisched.home import Home

    if options.tz is not None:
        raise Refusal("--tz goes with --expr: a task has its own task_timezone", code=EXIT_USAGE)
    home = Home(options.home)
    try:
        config = load_config(home.config)
    except ConfigError as error:
        raise Refusal(*config_problems(error, home)) from None
    tasks = [task_named(options.task, config)] if options.task is not None else list(config.tasks.values())
    count = options.n or (1 if options.task is None else _DEFAULT_COUNT)
    now = time.time()
    rows = []
    for task in tasks:
        try:
            after = now if options.after is None else parse_time(options.after, load_zone(task.task_timezone))
        except ValueError as error:
            raise Refusal(str(error), code=EXIT_USAGE) from None
        words = in_words(task, language(options))
        times = upcoming_times(task, count, after)
        rows.append({"task_id": task.task_id, "schedule": list(task.task_schedule), "words": words, "times": times})
    if options.json:
        print_json(rows)
        return EXIT_OK
    lines = [
        (row["task_id"] if not index else "", moment, row["words"] if not index else "")
        for row in rows
        for index, moment in enumerate(row["times"] or ["-"])
    ]
    print_table(("TASK", "DUE", "SCHEDULE"), lines, cut={"TASK": 10, "SCHEDULE": 10})
    return EXIT_OK
