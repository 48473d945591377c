"""Tasks for an engine that is larger than one machine: what every target shares.

A target makes files of the tasks, and says of each task what is approximated, what is lost, and at which nights it is
started at other times. A task that cannot be said at all is left out by name.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from minisched.migration.clocks import LeftOut, Night, nights
from minisched.model import Config, Dependency, Limits, Misfire, Secret, Task, Text
from minisched.namedtuple import NamedTuple
from minisched.timetable import load_zone, parse_schedule
from minisched.timetable.schedule import RebootSchedule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional, TypeVar, Union

    from minisched.migration.clocks import NextOfTarget

    Made = TypeVar("Made")

PRELUDE_NAME = "minisched"  # the $0 of shells that the targets start


class Finding(NamedTuple):
    """What happens to one field of a task. `kind`: "exact", "approximated" or "lost"; `text`: how, None if exact."""

    field: str
    kind: str
    text: Optional[Text] = None


class TaskReport(NamedTuple):
    """One task in the target; `left_out`: why it is not there, None if it is."""

    task_id: str
    findings: tuple[Finding, ...]
    nights: tuple[Night, ...]
    left_out: Optional[Text]


class Exported(NamedTuple):
    """Files by their names, a report of each task, and what to do with the files."""

    files: dict[str, str]
    tasks: list[TaskReport]
    next_step: Text


class Notes:
    """The findings of a task, in the order of its fields."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def exact(self, *fields: str) -> None:
        self.findings += [Finding(field, "exact") for field in fields]

    def approximated(self, field: str, code: str, **values: object) -> None:
        self.findings.append(Finding(field, "approximated", Text(f"export.{code}", **values)))

    def lost(self, field: str, code: str = "lost.field", **values: object) -> None:
        self.findings.append(Finding(field, "lost", Text(f"export.{code}", **values)))


def each_task(
    config: Config,
    make: Callable[[Task, Notes], Made],
    known: Sequence[str],
    now: float,
    next_of_target: Optional[NextOfTarget] = None,
) -> tuple[dict[str, Made], list[TaskReport]]:
    """What `make` makes of each task that can be in the target, by its id, and the reports of all tasks.

    make: notes what it does with the fields, and raises LeftOut for a task that cannot be there. known: see
    `_plain_fields`. next_of_target: when the target starts a task next; None: the report names no nights.
    """
    made: dict[str, Made] = {}
    reports = []
    for task in config.tasks.values():
        notes = Notes()
        try:
            made[task.task_id] = make(task, notes)
        except LeftOut as error:
            reports.append(TaskReport(task.task_id, (), (), error.text))
            continue
        _plain_fields(task, notes, known)
        found: list[Night] = []
        if next_of_target is not None and task.task_schedule:
            schedules = [parse_schedule(text, task.task_id) for text in task.task_schedule]
            found = nights(schedules, load_zone(task.task_timezone), now, next_of_target)
        reports.append(TaskReport(task.task_id, tuple(notes.findings), tuple(found), None))
    reports = _without_orphans(config, reports)
    return {one.task_id: made[one.task_id] for one in reports if not one.left_out}, reports


def _plain_fields(task: Task, notes: Notes, known: Sequence[str]) -> None:
    """Note the fields that every target says exactly or not at all. `known`: those that this target says exactly."""
    given = {
        "task_name": task.task_name != task.task_id,
        "task_description": bool(task.task_description),
        "task_tags": bool(task.task_tags),
        "enabled": not task.enabled,
        "task_cwd": bool(task.task_cwd),
        "task_user": task.task_user is not None,
        "task_nice": task.task_nice is not None,
        "task_limits": task.task_limits is not None,
        "task_jitter": task.task_jitter > 0,
        "task_log": task.log_file != f"{task.task_id}.log",
        "task_output_encoding": task.task_output_encoding != "utf-8",
        "task_notify": bool(task.task_notify),
        "task_expect": task.task_expect is not None,
        "task_condition_wait": task.task_condition is not None and task.task_condition_wait > 0,
    }
    if task.task_calendar and not any(finding.field == "task_calendar" for finding in notes.findings):
        notes.lost("task_calendar", "lost.calendar", calendar=task.task_calendar.name)
    for field, is_given in given.items():
        if is_given and field in known:
            notes.exact(field)
        elif is_given and not any(finding.field == field for finding in notes.findings):
            notes.lost(field)


def upstream_ids(task: Task) -> list[str]:
    return [one.task_id for one in task.task_dependencies]


def refuse_within(task: Task) -> None:
    """Raises LeftOut for a dependency on the state of a task."""
    names = [one.task_id for one in task.task_dependencies if one.within is not None]
    if names:
        raise LeftOut(Text("export.left.within", tasks=names))


def only_upstream(task: Task) -> Optional[Dependency]:
    """The one task whose end starts this one; None if it has no dependency. Raises LeftOut for anything more."""
    if not task.task_dependencies:
        if not task.task_schedule:
            raise LeftOut(Text("export.left.by_hand"))
        return None
    refuse_within(task)
    if task.task_schedule:
        raise LeftOut(Text("export.left.schedule_and_dependency", tasks=upstream_ids(task)))
    if len(task.task_dependencies) > 1:
        raise LeftOut(Text("export.left.join", tasks=upstream_ids(task)))
    return task.task_dependencies[0]


def is_reboot(text: str) -> bool:
    return isinstance(parse_schedule(text), RebootSchedule)


def words_of(task: Task) -> list[str]:
    """The command as a program with arguments."""
    return _words(task.task_exec)


def condition_words(task: Task) -> list[str]:
    """The condition as a program with arguments; empty if there is none."""
    return [] if task.task_condition is None else _words(task.task_condition)


def _words(command: Union[str, tuple[str, ...]]) -> list[str]:
    return ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)


def plain_env(task: Task) -> Iterator[tuple[str, str]]:
    """The variables of the task that are no secrets."""
    for name, value in task.task_env.items():
        if not isinstance(value, Secret):
            yield name, value
        elif value.source == "text":
            yield name, value.reveal({}, "")


def secret_names(task: Task) -> list[str]:
    """The names of those that are read from the environment or a file: the value is never written."""
    return [name for name, value in task.task_env.items() if isinstance(value, Secret) and value.source != "text"]


def folder_of(task: Task, home: str) -> str:
    return posixpath.join(home, task.task_cwd) if task.task_cwd else home


def misfire(task: Task, notes: Notes, target_keeps_one: bool) -> None:
    """What becomes of runs that were due while the target was down."""
    if task.task_misfire is Misfire.ALL:
        notes.approximated("task_misfire", "misfire.latest")
    elif task.task_misfire is Misfire.LATEST and not target_keeps_one:
        notes.lost("task_misfire")
    else:
        notes.exact("task_misfire")


def limits_of(task: Task, *names: str) -> list[tuple[str, int]]:
    """The limits that are set. names: those of the target for memory in bytes, CPU seconds and open files."""
    limits = task.task_limits or Limits(None, None, None)
    return [(name, value) for name, value in zip(names, limits) if value is not None]


def _without_orphans(config: Config, reports: list[TaskReport]) -> list[TaskReport]:
    """The reports, in which a task is left out too if a task before it is: nothing would start it."""
    found = {one.task_id: one for one in reports}
    waiting = [one.task_id for one in reports if one.left_out]
    while waiting:
        missing = {task_id for task_id, one in found.items() if one.left_out}
        waiting = [
            task_id
            for task_id, one in found.items()
            if not one.left_out and missing & set(upstream_ids(config.tasks[task_id]))
        ]
        for task_id in waiting:
            tasks = sorted(missing & set(upstream_ids(config.tasks[task_id])))
            found[task_id] = TaskReport(task_id, (), (), Text("export.left.upstream", tasks=tasks))
    return list(found.values())
