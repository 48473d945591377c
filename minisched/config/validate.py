"""A whole config: all errors of a file at once, or the `Config` of it.

First each field by its row of the table, then the rules across fields: ids, dependencies and cycles, logs, mail.
"""

from __future__ import annotations

import os.path
from functools import lru_cache
from itertools import chain
from math import inf

from minisched.model import Config, FieldError, Task, Text
from minisched.model.task import CONFIG_FILE
from minisched.put_off import lazy_pattern
from minisched.timetable import (
    LocalZone,
    ScheduleError,
    can_be_due,
    days_left_out,
    is_hashed,
    load_zone,
    local_zone,
    parse_schedule,
)

from .containers import Field, ListOf, Table
from .field_types import Integer, String
from .files import CalendarFiles
from .problems import STARS, ParseContext, hinted, invalid, is_but, limited, show
from .settings_fields import SETTINGS
from .strict_json import Faulty, parse_json, stream
from .task_fields import DEFAULTS, TASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Optional

    from minisched.model import Calendar, CalendarRule, Dependency, NotifyRule, SmtpSettings

ENGINE_LOG = "minisched.log"
PAUSE_TASKS = 50  # they take 0.5 ms
MAX_CYCLE_NAMES = 20  # names of a cycle that are shown
MAX_CYCLES = 20  # cycles that are reported: tasks that all depend on each other form one for every pair

# Rotated logs: `a.log.2026-11-23`, and `.1`, `.2` of the same day.
_ROTATED = lazy_pattern(r"(.+)\.[0-9]{4}-[0-9]{2}-[0-9]{2}(?:\.[0-9]+)?")


def parse_config(
    data: bytes,
    *,
    file: str = CONFIG_FILE,
    home: Optional[str] = None,
    calendars: Optional[CalendarFiles] = None,
    known: Optional[Mapping[str, Task]] = None,
    pause: Callable[[], object] = lambda: None,
) -> tuple[Optional[Config], list[FieldError]]:
    """The config of a file's bytes and no error, or None and the errors, as many as can be found at once; of very many
    the first ones and their number.

    home: absolute path; with it, absolute and relative paths of the same log are recognized. calendars: reads their
    files; whoever passes it looks at its `unsafe` too. known: tasks of another config; those that have not changed are
    the same objects in this one. pause: called every PAUSE_TASKS tasks.
    """
    try:
        document, items = stream(data, "tasks")
        config, errors = _read({**document, "tasks": []}, file, home, items, calendars, known, pause)
        return config, limited(errors)
    except Faulty:
        document, errors = parse_json(data, file=file)
    if document is None and errors:
        return None, limited(errors)
    config, found = _read(document, file, home, (), calendars, known, pause)
    return (None if errors else config), limited(errors + found)


def parse_document(
    document: Any, *, file: str = CONFIG_FILE, home: Optional[str] = None
) -> tuple[Optional[Config], list[FieldError]]:
    """`parse_config` of a document that `parse_json` returned. The document is not changed."""
    config, errors = _read(document, file, home)
    return config, limited(errors)


def _read(
    document: Any,
    file: str,
    home: Optional[str],
    items: Iterable[Any] = (),
    files: Optional[CalendarFiles] = None,
    known: Optional[Mapping[str, Task]] = None,
    pause: Callable[[], object] = lambda: None,
) -> tuple[Optional[Config], list[FieldError]]:
    """items: more tasks. files: reads calendars; without it, an unsafe file is an error here."""
    context = ParseContext(_places)
    errors: list[FieldError] = []
    top = {**DOCUMENT.defaults, **DOCUMENT.collect(document, context, DOCUMENT.defaults, errors)}
    settings = top["settings"]
    zone = LocalZone(settings.timezone, "settings") if settings.timezone else local_zone()
    own_files = files or CalendarFiles(home)
    calendars = None  # not known, if the settings have errors
    if not any(error.path.startswith("settings") for error in errors):
        calendars = _read_calendars(settings.calendars, own_files, errors)
    if not files:
        errors += own_files.unsafe
    tasks = _TaskReader(file, home, context, calendars, known=known)
    for number, item in enumerate(chain(top["tasks"] or [], items), 1):
        if number % PAUSE_TASKS == 0:
            pause()
        tasks.add(item, top["defaults"], zone.name)
    tasks.check_dependencies()
    tasks.check_logs()
    if not errors:
        tasks.check_mail(top["defaults"]["task_notify"], settings.notify.engine, settings.smtp)
    errors = _hide_secrets(_in_file(errors, file) + tasks.errors)
    if errors:
        return None, errors
    found = {"timezone": zone.name, "timezone_source": zone.source, "timezone_problem": zone.problem}
    settings = settings._replace(**found, calendars=calendars)
    return Config(settings, tasks.tasks, top["defaults"]["task_notify"]), []


def _in_file(errors: list[FieldError], file: str) -> list[FieldError]:
    """The errors, with this file as that of those which do not name another one."""
    return [error._replace(file=file) if error.file == CONFIG_FILE else error for error in errors]


def _read_calendars(
    named: Mapping[str, Any], files: CalendarFiles, errors: list[FieldError]
) -> dict[str, Optional[Calendar]]:
    """The calendars by their names; None for one with an error. named: their files."""
    calendars: dict[str, Optional[Calendar]] = {}
    for name, file in named.items():
        calendars[name], found = files.read(name, file)
        errors += found
    return calendars


def check_task(task: Any) -> list[FieldError]:
    """The errors of one task by itself: its fields, but not its dependencies or what it shares with other tasks."""
    tasks = _TaskReader(CONFIG_FILE, None, ParseContext(_places), place="task")
    tasks.add(task, DEFAULTS.defaults, "UTC")
    return limited(tasks.errors)


class TaskList(ListOf):
    """The list of tasks. Only the list itself is checked here; `_read` reads its items one by one."""

    rule = Text("config.rule.tasks")

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        if not isinstance(value, list):
            raise invalid(value, self.rule)
        return value


class _Document(Table):
    rule = Text("config.rule.document")


DOCUMENT = _Document(
    "document",
    Field("$schema", String(), code="document.schema"),
    Field("version", Integer(1, 1), 1),
    Field("settings", SETTINGS, {}),
    Field("defaults", DEFAULTS, {}),
    Field("tasks", TaskList(TASK), required=True),
    build=dict,
)


@lru_cache(maxsize=1)
def _places() -> Mapping[str, str]:
    """Where each field belongs, for errors about one that is elsewhere."""
    places: dict[str, str] = {}

    def walk(table: Table, place: str) -> None:
        for name, row in table.rows.items():
            places[name] = f"{places[name]} / {place}" if name in places else place
            if isinstance(row.type, Table):
                walk(row.type, f"{place}.{name}" if place else name)

    walk(SETTINGS, "settings")
    walk(TASK, "tasks[...]")
    return places


# Where a text in a wrong place may be a secret: in mail settings and channels, but for addresses and templates, and in
# the place of variables.
_PRIVATE = lazy_pattern(
    r"(?:^|\.)(?:smtp(?!\.(?:from|timeout)$)|heartbeat\.url|(?:task_notify|notify\.engine)(?:\[[0-9]+\](?:\.channels\b"
    r"(?!.*\.(?:recipients\b|\w+_template$|path$|task_exec\b)).*)?)?$|task_env$)"
)
_CHOICE = lazy_pattern(r'"[A-Za-z]{1,12}"')  # such as `"mail"` for a type: a word that is shown nevertheless


def _hide_secrets(errors: list[FieldError]) -> list[FieldError]:
    """The errors without the texts that may be secrets: in mail settings, in channels, in the place of variables."""
    return [error._replace(text=_without_value(error.text)) if _may_show_secret(error) else error for error in errors]


def _may_show_secret(error: FieldError) -> bool:
    if error.text.code not in ("config.is", "config.bad_name") or not _PRIVATE.search(error.path):
        return False
    if error.path.endswith((".type", ".method", ".preset", ".security")):
        return not _CHOICE.fullmatch(str(error.text.values.get("value", "")))
    return error.text.code != "config.bad_name" or not error.path.endswith("task_env")  # the name of a variable


def _without_value(text: Text) -> Text:
    values = {
        name: _without_value(value)
        if isinstance(value, Text)
        else STARS
        if name in ("value", "item", "name") and isinstance(value, str) and value.startswith('"')
        else value
        for name, value in text.values.items()
    }
    return Text(text.code, **values)


class _TaskReader:
    """Reads tasks, and collects them and their errors. A task with an error takes part in the rules across tasks only
    with its id."""

    def __init__(
        self,
        file: str,
        home: Optional[str],
        context: ParseContext,
        calendars: Optional[Mapping[str, Optional[Calendar]]] = None,
        place: str = "tasks[{}]",
        known: Optional[Mapping[str, Task]] = None,
    ) -> None:
        """calendars: by their names, None for one with an error; without them, names of calendars are not checked.
        place: of a task in the file, by its index."""
        self.file, self.context, self.calendars, self.place = file, context, calendars, place
        self.logs_folder = os.path.join(home, "logs") if home else None
        # No log may be written to these: they have the config and the scripts, the history and the lock.
        self.protected_folders = [os.path.join(home, name).lower() for name in ("tasks", "var")] if home else []
        self.errors: list[FieldError] = []
        self.tasks: dict[str, Task] = {}
        self.known = known or {}
        self.indices: dict[str, int] = {}  # by task_id; of equal ones the first
        self.folded: dict[str, str] = {}  # lower-case task_id -> the first such task_id
        self.dependencies: dict[str, tuple[Dependency, ...]] = {}
        self.count = 0

    def add(self, item: Any, base: Mapping[str, Any], timezone: str) -> None:
        """Read one task. base: the values for what it does not set, from the table and the file's `defaults`."""
        index = self.count
        self.count += 1
        errors: list[FieldError] = []
        own = TASK.collect(item, self.context, base, errors)
        task_id = own.get("task_id", "")
        if task_id:
            folded = task_id.lower()
            first = self.folded.setdefault(task_id if folded == task_id else folded, task_id)
            self.indices.setdefault(task_id, index)
            dependencies = own.get("task_dependencies", base["task_dependencies"])
            if self.indices[first] != index:
                other = Text("config.task.same_id", other=self._owner(first))
                errors.append(FieldError("task_id", is_but(show(task_id), other)))
            elif dependencies:
                self.dependencies[task_id] = dependencies
        values = {**base, **own}
        schedules, rule = values["task_schedule"] or (), values["task_calendar"]
        if not errors and (rule or any(map(is_hashed, schedules))):
            errors += self._check_schedules(values, own, timezone)
        if errors:
            place = self.place.format(index)
            owner = f"{place} ({task_id})" if task_id else place
            self.errors += [error._replace(owner=owner, file=self.file) for error in errors]
            return
        values["task_name"] = own.get("task_name") or task_id
        values["task_schedule"] = values["task_schedule"] or ()
        dependencies = values["task_dependencies"]
        if dependencies and not values["task_schedule"] and all(one.within is not None for one in dependencies):
            self._report(task_id, "task_dependencies", Text("config.task.only_within"))
        values["task_timezone"] = values["task_timezone"] or timezone
        if values["task_notify_defaults"]:
            values["task_notify"] = self._with_defaults(values["task_notify"], base["task_notify"])
        task, known = Task(**values), self.known.get(task_id)
        # At once: ten thousand unchanged tasks would need 5 MB until they are compared.
        self.tasks[task_id] = known if known == task else task

    def _with_defaults(self, rules: tuple[NotifyRule, ...], defaults: tuple[NotifyRule, ...]) -> tuple[NotifyRule, ...]:
        """A task's rules and those of the defaults that it does not replace; the same tuple for the same rules."""
        names = {rule.name for rule in rules}
        added = tuple(rule for rule in defaults if rule.name not in names)
        if not rules or not added:
            return rules or defaults
        found: tuple[NotifyRule, ...] = self.context.memo.setdefault(("rules", id(rules)), (*rules, *added))
        return found

    def _check_schedules(self, values: dict[str, Any], own: Mapping[str, Any], timezone: str) -> list[FieldError]:
        """Errors of schedules that depend on the task's calendar or its id. Puts the calendar into `values`."""
        schedules, rule = values["task_schedule"] or (), values["task_calendar"]
        if rule:
            found = self._find_calendar(rule)
            if isinstance(found, Text):
                return [FieldError("task_calendar", is_but(show(rule.name), found))]
            if "task_calendar" in own and not schedules:
                return [FieldError("task_calendar", Text("config.calendar.no_schedule"), sentence=True)]
            rule = values["task_calendar"] = found
        zone = values["task_timezone"] or timezone
        seed = values["task_id"] if any(map(is_hashed, schedules)) else ""
        key = ("due", schedules, rule and (rule.name, rule.days), zone, seed)
        if key not in self.context.memo:  # ten thousand tasks have few different ones
            path = "task_schedule[{}]" if len(schedules) > 1 else "task_schedule"
            reasons = [_why_never(text, seed, rule, zone) for text in schedules]
            self.context.memo[key] = [
                FieldError(path.format(index), why, sentence=True) for index, why in enumerate(reasons) if why
            ]
        return self.context.memo[key]  # type: ignore[no-any-return]

    def _find_calendar(self, rule: CalendarRule) -> CalendarRule | Text:
        """The rule with its calendar, one object for all tasks with an equal rule; or why there is none."""
        key = ("calendar", rule.name, rule.days)
        if key not in self.context.memo:
            found: CalendarRule | Text = rule
            if self.calendars is not None and rule.name not in self.calendars:
                hint = self.context.hint(rule.name, self.calendars) if self.calendars else None
                found = hinted(Text("config.calendar.unknown"), hint)
            elif self.calendars is not None:
                found = rule._replace(calendar=self.calendars[rule.name])
            self.context.memo[key] = found
        return self.context.memo[key]  # type: ignore[no-any-return]

    def check_dependencies(self) -> None:
        graph: dict[str, list[str]] = {}
        for task_id, dependencies in self.dependencies.items():
            for index, dependency in enumerate(dependencies):
                other = dependency.task_id
                if other == task_id:
                    why = Text("config.task.itself")
                elif other not in self.indices:
                    why = hinted(Text("config.task.unknown"), self.context.near(other, self.indices))
                else:
                    graph.setdefault(task_id, []).append(other)
                    continue
                self._report(task_id, f"task_dependencies[{index}]", is_but(show(other), why))
        for cycle in find_cycles(graph):
            names = cycle if len(cycle) <= MAX_CYCLE_NAMES else [*cycle[: MAX_CYCLE_NAMES - 2], "...", cycle[-1]]
            path = " -> ".join([*names, cycle[0]])
            self._report(cycle[0], "task_dependencies", Text("config.task.cycle", path=path))

    def check_logs(self) -> None:
        """Each task has its own log, inside logs/ or at an absolute path outside the protected folders."""
        owners = {ENGINE_LOG: ""}  # log -> its task; "" is the engine
        for task_id, task in self.tasks.items():
            log = self._log_key(task.log_file)
            if log in (".", "..") or log.startswith("../") or log.endswith("/"):
                self._report(task_id, "task_log", is_but(show(task.log_file), Text("config.log.outside")))
            elif any(f"{log}/".startswith(f"{folder}/") for folder in self.protected_folders):
                self._report(task_id, "task_log", is_but(show(task.log_file), Text("config.log.protected")))
            elif log in owners:
                self._report_log(task_id, "taken", owners[log])
            else:
                owners[log] = task_id
        for log, task_id in owners.items():
            rotated = _ROTATED.fullmatch(log) if log[-1].isdigit() else None
            if rotated and rotated[1] in owners:
                self._report_log(task_id, "rotated", owners[rotated[1]])
            folder = log.rpartition("/")[0]
            while folder:
                if folder in owners:
                    self._report_log(task_id, "folder", owners[folder])
                folder = folder.rpartition("/")[0]

    def check_mail(
        self, default: tuple[NotifyRule, ...], engine: tuple[NotifyRule, ...], smtp: Optional[SmtpSettings]
    ) -> None:
        """Mail needs a server and a sender. Reported once, at the first mail channel: they are missing for all."""
        if smtp is not None and smtp.sender is not None:
            return
        rules = [("settings.notify.engine", "", engine), ("defaults.task_notify", "", default)]
        rules += [
            ("task_notify", task_id, task.task_notify) for task_id, task in self.tasks.items() if task.task_notify
        ]
        mails = [
            (task_id, f"{prefix}[{number}].channels[{index}]")
            for prefix, task_id, several in rules
            for number, one in enumerate(several)
            for index, channel in enumerate(one.channels)
            if channel.type == "email"
        ]
        for task_id, path in mails[:1]:
            self._report(task_id, path, Text("config.mail.no_sender" if smtp else "config.mail.no_smtp"))

    def _log_key(self, path: str) -> str:
        """Equal for two paths of the same file. Lower case, because some file systems ignore case."""
        if "/" not in path:
            return path.lower()
        key = os.path.normpath(path)
        if self.logs_folder and key.startswith(f"{self.logs_folder}/"):
            key = key[len(self.logs_folder) + 1 :]
        return (f"{key}/" if path.endswith("/") else key).lower()

    def _owner(self, task_id: str) -> str:
        """As in `tasks[2] (nightly_backup)`."""
        return f"{self.place.format(self.indices[task_id])} ({task_id})"

    def _report_log(self, task_id: str, code: str, other: str) -> None:
        """other: the task whose log is in conflict; "" is the engine."""
        owner = self._owner(other) if other else Text("config.log.engine")
        why = Text(f"config.log.{code}", owner=owner)
        self._report(task_id, "task_log", is_but(show(self.tasks[task_id].log_file), why))

    def _report(self, task_id: str, path: str, text: Text) -> None:
        """task_id: "" for what is in no task."""
        owner = self._owner(task_id) if task_id else ""
        self.errors.append(FieldError(path, text, owner=owner, file=self.file))


def _why_never(text: str, seed: str, rule: Optional[CalendarRule], zone: str) -> Optional[Text]:
    """Why a schedule is never due on the days of its calendar, or with the numbers that follow from the id `seed`; None
    if it is."""
    try:
        schedule = parse_schedule(text, seed, rule)
    except ScheduleError as error:
        return error.text
    if rule is None:
        return None
    if schedule.kind == "reboot":
        return Text("config.calendar.reboot")
    if can_be_due(schedule, load_zone(zone)):
        return None
    days = days_left_out([schedule], -inf, inf, load_zone(zone), 1) if schedule.kind == "at" else ()
    if days:
        from minisched.timetable.working_days import why_not_due  # which a config without calendars does without

        return Text("config.calendar.never_at", schedule=text, why=why_not_due(rule, days[0]))
    return Text("config.calendar.never", schedule=text, calendar=rule.name)


def find_cycles(graph: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The cycles of a graph (name -> the names it depends on), each once; at most MAX_CYCLES.

    A cycle begins with its name that comes first in the graph, so that the same graph gives the same list. In this
    depth-first search each edge back into the current path closes a cycle. It does not recurse, because a path may have
    ten thousand names.
    """
    order = {name: index for index, name in enumerate(graph)}
    done: set[str] = set()
    cycles: list[list[str]] = []
    for start in graph:
        # The names on the current path, each with its dependencies that are still to be searched.
        path: dict[str, Iterator[str]] = {} if start in done else {start: iter(graph[start])}
        while path:
            here, rest = next(reversed(path.items()))
            step = next(rest, None)
            if step is None:
                path.popitem()
                done.add(here)
            elif step in path:
                walked = list(path)
                cycle = walked[walked.index(step) :]
                first = cycle.index(min(cycle, key=order.__getitem__))
                cycles.append(cycle[first:] + cycle[:first])
                if len(cycles) == MAX_CYCLES:
                    return cycles
            elif step in graph and step not in done:
                path[step] = iter(graph[step])
    return cycles
