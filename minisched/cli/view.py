"""What the reading commands know of a home: its config, its history, and whether an engine runs on it."""

from __future__ import annotations

import time
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Optional

from minisched.catalogue import render
from minisched.cli.output import Refusal
from minisched.config import ConfigError, load_config
from minisched.executor import is_alive
from minisched.home import Home, read_lock
from minisched.model import Reason, Status, TaskExecution, iso
from minisched.store import History
from minisched.timetable import jitter_offset, load_zone, local_zone_name, next_fires, next_of, parse_schedule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from minisched.model import Config, ProcessIdentity, Task

INTERRUPTED = "the engine stopped before the process ended"


class View:
    """A home as it is seen from outside the engine. A broken config is told in `problems`; its history still shows."""

    def __init__(self, path: str) -> None:
        self.home = Home(path)
        self.config: Optional[Config] = None
        self.problems: list[str] = []
        try:
            self.config = load_config(self.home.config)
        except ConfigError as error:
            self.problems = config_problems(error, self.home)
        name = self.config.settings.timezone if self.config else local_zone_name()
        self.zone = load_zone(name)
        self.history = History(self.home.database)
        holder = read_lock(self.home).holder
        self.engine: Optional[ProcessIdentity] = holder if holder and is_alive(holder, assume=True) else None

    def good_config(self) -> Config:
        """The config, where a command is nothing without it. Raises Refusal with its problems."""
        if self.config is None:
            raise Refusal(*self.problems)
        return self.config

    def damaged_files(self) -> list[str]:
        """Histories that were moved aside because they were damaged."""
        from glob import escape, glob

        found = glob(escape(self.home.database) + ".damaged-*")
        return sorted(path for path in found if not path.endswith(("-wal", "-shm")))

    def zone_of(self, task_id: str) -> tzinfo:
        """The time zone in which a task's times are shown."""
        task = self.config.tasks.get(task_id) if self.config else None
        return load_zone(task.task_timezone) if task else self.zone

    def as_seen(self, run: TaskExecution) -> TaskExecution:
        """An unfinished run whose engine is gone is not running: the next engine will write what is shown here."""
        if run.status is not Status.RUNNING or (run.owner and is_alive(run.owner, assume=True)):
            return run
        end: dict[str, Any] = {
            "status": Status.TECHNICAL_FAILURE,
            "reason": Reason.INTERRUPTED.value,
            "detail": INTERRUPTED,
        }
        attempts = (*run.attempts[:-1], *(attempt._replace(**end) for attempt in run.attempts[-1:]))
        return run._replace(attempts=attempts, **end)

    def as_json(self, run: TaskExecution) -> dict[str, Any]:
        return self.as_seen(run).as_json(self.zone_of(run.task_id))


def config_problems(error: ConfigError, home: Home) -> list[str]:
    """The problems of a home's config in words, with the way out where there is none at all."""
    import os
    import shlex

    problems = [render(problem.as_text()) for problem in error.problems]
    if not os.path.lexists(home.config):
        problems.append(f"`minisched --home {shlex.quote(home.path)} init` makes a home there, with two sample tasks")
    return problems


def task_named(task_id: str, config: Config) -> Task:
    """Raises Refusal for an unknown one, with a close one that is known."""
    if task_id not in config.tasks:
        raise unknown_task(task_id, config.tasks)
    return config.tasks[task_id]


def unknown_task(task_id: str, known: Iterable[str]) -> Refusal:
    from difflib import get_close_matches

    folded = {name.lower(): name for name in known}
    near = get_close_matches(task_id.lower(), folded, n=1)
    if near:
        return Refusal(f'no task "{task_id}"; did you mean "{folded[near[0]]}"?')
    return Refusal(f'no task "{task_id}"; `minisched list` shows those there are')


def next_start(task: Task, now: float) -> Optional[float]:
    """When a task is started next by its schedule, its jitter included."""
    if not task.enabled or not task.task_schedule:
        return None
    schedules = [parse_schedule(text) for text in task.task_schedule]
    zone = load_zone(task.task_timezone)
    after = now - task.task_jitter  # a due time may have passed whose start has not
    while True:
        due = next_of(schedules, after, zone)
        if due is None or not task.task_jitter:
            return due
        start = due + jitter_offset(task.task_id, due, task.task_jitter)
        if start > now:
            return start
        after = due


def upcoming_times(task: Task, count: int, after: Optional[float] = None) -> list[str]:
    """The next `count` due times of a task, as ISO 8601 texts in its zone."""
    if not task.enabled:
        return []
    zone = load_zone(task.task_timezone)
    schedules = [parse_schedule(text) for text in task.task_schedule]
    start = time.time() if after is None else after
    return [iso(due, zone) or "" for due in next_fires(schedules, start, zone, count)]
