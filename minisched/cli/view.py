"""What the reading commands know of a home: its config, its history, and whether an engine runs on it."""

from __future__ import annotations

import os
import pwd
import shlex
import time
from datetime import tzinfo

from minisched.cli.output import CommandError, print_error, reading_typed, typed, zone_text
from minisched.config import ConfigError, load_config
from minisched.executor.procfs import is_alive
from minisched.home import NO_LOCK_TEXT, Home, UnsafeHome, read_lock
from minisched.model import EXIT_NO, EXIT_OK, Action, Reason, Status, TaskExecution, Text, iso, origin_text
from minisched.store.reader import History
from minisched.timetable import (
    LocalZone,
    jitter_offset,
    load_zone,
    local_zone,
    next_fires,
    next_of,
    parse_time,
    schedules_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Collection, Iterable
    from typing import Any, Optional

    from minisched.model import Config, FieldError, ProcessIdentity, Task
    from minisched.timetable.working_days import LeftOut


SHOWN_RUNS = 3  # of those that go on after Ctrl-C


class View:
    """A home as seen from outside the engine. `problems` are those of the config, without which the history still
    shows."""

    def __init__(self, path: str) -> None:
        self.home = Home(path)
        self.config, self.problems = read_only_config(self.home)
        if self.config:
            found = self.config.settings
            self.zone_found = LocalZone(found.timezone, found.timezone_source, found.timezone_problem)
        else:
            self.zone_found = local_zone()
        self.zone = load_zone(self.zone_found.name)
        self.history = History(self.home.database)
        try:
            lock = read_lock(self.home)
        except UnsafeHome as error:
            self.problems = [*self.problems, error.text]
            lock = NO_LOCK_TEXT
        alive = lock.holder is not None and is_alive(lock.holder, assume=True)
        self.engine: Optional[ProcessIdentity] = lock.holder if alive else None
        self.engine_problems = lock.problems if alive else ()
        self.zone_note = other_zone(self.home, self.zone_found)

    def __enter__(self) -> View:
        return self

    def __exit__(self, *error: object) -> None:
        self.history.close()

    def valid_config(self) -> Config:
        """The config, for a command that cannot do without. Raises CommandError with its problems."""
        if self.config is None:
            raise CommandError(*self.problems)
        return self.config

    def config_to_act_on(self, command: str) -> Config:
        """As `valid_config`, for a command that starts what the config says. Raises CommandError also if the home is
        another user's: as root, that one could have anything run."""
        config = self.valid_config()
        foreign = other_user(self.home, command)
        if foreign:
            raise CommandError(foreign)
        return config

    @property
    def pause_note(self) -> Optional[Text]:
        """That the engine is paused, since when and by whom; None if it is not."""
        if not self.config or not self.config.settings.paused:
            return None
        last = self.history.last_pause()
        if last is None or last.action is not Action.PAUSED:
            return Text("cli.paused")
        since = (iso(int(last.time), self.zone) or "")[:19].replace("T", " ")
        return Text("cli.paused_since", since=since, by=origin_text(last.origin))

    def damaged_files(self) -> list[str]:
        """Databases that were moved aside because they were damaged."""
        from glob import escape, glob

        found = glob(escape(self.home.database) + ".damaged-*")
        return sorted(path for path in found if not path.endswith(("-wal", "-shm")))

    def zone_of(self, task_id: str) -> tzinfo:
        """The time zone in which a task's times are shown."""
        task = self.config.tasks.get(task_id) if self.config else None
        return load_zone(task.task_timezone) if task else self.zone

    def table_zone(self, name: Optional[str]) -> tzinfo:
        """The zone of all times of a table: the one named by `--tz`, else that of the terminal. Raises CommandError."""
        return named_zone(name) or load_zone(local_zone().name)

    def log_of(self, task_id: str) -> str:
        """The path of a task's log, also of a task that is no longer in the config."""
        task = self.config.tasks.get(task_id) if self.config else None
        return os.path.join(self.home.logs, task.log_file if task else f"{task_id}.log")

    def run(self, run_id: int, task_id: Optional[str]) -> TaskExecution:
        """A run of the history, of that task if one is named. Raises CommandError."""
        run = self.history.run(run_id)
        if run is None:
            raise CommandError(Text("cli.no_run", run_id=run_id))
        if task_id not in (None, run.task_id):
            raise CommandError(Text("cli.run_of_other_task", run_id=run_id, task=run.task_id))
        return run

    def as_seen(self, run: TaskExecution) -> TaskExecution:
        """The run; a running one whose engine is gone as interrupted, as the next engine will record it."""
        if run.status is not Status.RUNNING or (run.owner and is_alive(run.owner, assume=True)):
            return run
        end: dict[str, Any] = {
            "status": Status.TECHNICAL_FAILURE,
            "reason": Reason.INTERRUPTED.value,
            "detail": Text("interrupted"),
        }
        attempts = (*run.attempts[:-1], *(attempt._replace(**end) for attempt in run.attempts[-1:]))
        return run._replace(attempts=attempts, **end)

    def as_json(self, run: TaskExecution) -> dict[str, Any]:
        return self.as_seen(run).as_json(self.zone_of(run.task_id))


def read_only_config(home: Home) -> tuple[Optional[Config], list[Text]]:
    """The config for a command that only reads, or its problems. root reads the homes of all users."""
    try:
        return load_config(home.config), []
    except ConfigError as error:
        if error.config and os.geteuid() == 0 and all(_is_of_owner(problem, home) for problem in error.problems):
            return error.config, []
        return None, config_problems(error, home)


def _owner(home: Home) -> int:
    """The user id that the home belongs to; our own if it cannot be known."""
    try:
        return os.stat(home.path).st_uid
    except OSError:
        return os.geteuid()


def _is_of_owner(problem: FieldError, home: Home) -> bool:
    """Whether all that is wrong is that something belongs to the user of the home, who is not the one that asks."""
    owner = _owner(home)
    return problem.text.code.endswith("owner") and problem.text.values.get("user") == owner != os.geteuid()


def other_user(home: Home, command: str = "") -> Optional[Text]:
    """How to use a home that belongs to another user; None for one of our own, and for one of root."""
    owner = _owner(home)
    if owner in (os.geteuid(), 0):
        return None
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"#{owner}"  # as sudo takes a number
    return Text("cli.other_user", user=name, home=shlex.quote(home.path), command=command or "...")


def other_zone(home: Home, found: LocalZone) -> Optional[Text]:
    """A note if the engine works in another time zone than this command."""
    try:
        lock = read_lock(home)
    except UnsafeHome:
        return None
    if lock.holder is None or lock.zone in (None, found.name) or not is_alive(lock.holder, assume=True):
        return None
    return Text("cli.other_zone", engine=lock.zone, own=zone_text(found.name, found.source))


def with_view(command: Callable[[View, Namespace], int]) -> Callable[[Namespace], int]:
    """A command that is given the View of its home, which is closed afterwards."""

    def run(options: Namespace) -> int:
        with View(options.home) as view:
            return command(view, options)

    return run


def config_problems(error: ConfigError, home: Home, hint: bool = True) -> list[Text]:
    """The problems of a config, and with `hint` how to create a home if there is none."""
    foreign = other_user(home)
    problems = [problem.as_text() for problem in error.problems if not foreign or not _is_of_owner(problem, home)]
    if foreign and len(problems) < len(error.problems):
        problems.append(foreign)
    if hint and _is_absent(home.config) and _is_absent(f"{home.config}.bak"):
        if os.path.lexists(home.database):
            problems.append(Text("cli.hint_lost_config", path=home.config))
        else:
            problems.append(Text("cli.hint_init", home=shlex.quote(home.path)))
    return problems


def _is_absent(path: str) -> bool:
    """False also where it cannot be known, in a folder that this user may not enter."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    except OSError:
        pass
    return False


def exit_code_of(run: TaskExecution) -> int:
    """What a shell would have for the last process of a run: 0 for a success, 128 + N for signal N, and 1 if none has
    such a code."""
    if run.status is Status.SUCCESS:
        return EXIT_OK
    last = run.attempts[-1] if run.attempts else None
    return (last.exit_code or (128 + last.signal if last.signal else EXIT_NO)) if last else EXIT_NO


def print_unfinished(view: View, task_ids: Collection[str], run_id: Optional[int] = None) -> None:
    """On Ctrl-C in a command that follows runs: which go on, and how to end them."""
    found = [run for run in view.history.unfinished() if run.task_id in task_ids and run_id in (None, run.run_id)]
    for run in found[:SHOWN_RUNS]:
        print_error(Text("cli.goes_on", run_id=run.run_id, task=run.task_id))


def named_zone(name: Optional[str]) -> Optional[tzinfo]:
    """The zone of `--tz`, None where it was not given. Raises CommandError."""
    with reading_typed(name or ""):
        return None if name is None else load_zone(name)


def task_named(task_id: str, config: Config) -> Task:
    """Raises CommandError for an unknown one."""
    if task_id not in config.tasks:
        raise unknown_task(task_id, config.tasks)
    return config.tasks[task_id]


def unknown_task(task_id: str, known: Iterable[str]) -> CommandError:
    """The error, with a similar name that is known."""
    from difflib import get_close_matches

    if isinstance(known, dict):
        named = [name for name, task in known.items() if getattr(task, "task_name", None) == task_id]
        if named:
            return CommandError(Text("cli.similar_task", task=task_id, similar=named[0]))
    folded = {name.lower(): name for name in known}
    close = get_close_matches(task_id.lower(), folded, n=1)
    if close:
        return CommandError(Text("cli.similar_task", task=task_id, similar=folded[close[0]]))
    return CommandError(typed(Text("cli.no_task", task=task_id), task_id))


def next_start(task: Task, now: float, ahead: Collection[tuple[str, int]] = ()) -> Optional[float]:
    """When the schedule starts a task next, jitter included. ahead: (task_id, due time) that have run already."""
    if not task.enabled or not task.task_schedule:
        return None
    schedules = schedules_of(task)
    zone = load_zone(task.task_timezone)
    after = now - task.task_jitter  # a due time may have passed whose start has not
    while True:
        due = next_of(schedules, after, zone)
        if due is None:
            return None
        start = due + jitter_offset(task.task_id, due, task.task_jitter) if task.task_jitter else due
        if start > now and (task.task_id, due) not in ahead:
            return start
        after = due


def due_times(task: Task, count: int, after: Optional[float] = None) -> list[str]:
    """The next `count` due times of a task, as ISO 8601 texts in its zone."""
    if not task.enabled:
        return []
    zone = load_zone(task.task_timezone)
    start = time.time() if after is None else after
    return [iso(due, zone) or "" for due in next_fires(schedules_of(task), start, zone, count)]


def days_left_out(task: Task, after: float, times: list[str]) -> list[LeftOut]:
    """The days up to the last of these due times on which a task is not due because of its calendar."""
    if task.task_calendar is None or not task.enabled:
        return []
    from minisched.timetable.working_days import left_out

    zone = load_zone(task.task_timezone)
    until = parse_time(times[-1], zone) if times else None
    return left_out(schedules_of(task), after, until, zone)
