"""A whole config: every problem of a file at once, or the `Config` of it.

Each field by its row of the table, then what no single field can tell: ids, dependencies and cycles, logs.
"""

from __future__ import annotations

import os.path
import re
from typing import TYPE_CHECKING, Any, Callable, Optional

from minisched.model import Config, LocalizedText, Problem, Task
from minisched.timetable import local_zone_name

from .containers import Field, ListOf, Table
from .field_types import Integer, Text
from .problems import Fault, ParseContext, refusal, refused, show
from .settings_fields import SETTINGS
from .strict_json import parse_json
from .task_fields import DEFAULTS, TASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from minisched.model import NotifyRule, SmtpSettings

CONFIG_FILE = "tasks/config.json"
ENGINE_LOG = "minisched.log"
MAX_CYCLE_NAMES = 20  # names of a cycle that are told

OUTSIDE_LOGS = LocalizedText(
    'expected a file inside logs/, such as "backup/nightly.log", or an absolute path',
    '应为 logs/ 内的文件，如 "backup/nightly.log"，或绝对路径',
)
IN_KEPT_FOLDER = LocalizedText(
    "lies in tasks/ or var/ of the home; expected a path in logs/ or outside the home",
    "位于主目录的 tasks/ 或 var/ 内；应为 logs/ 内或主目录之外的路径",
)

MAX_CYCLES = 20  # tasks that all depend on each other make one of every pair; twenty are enough to begin with

# As the logs are rotated: `a.log.2026-11-23`, and `.1`, `.2` of the same day.
_ROTATED = re.compile(r"(.+)\.[0-9]{4}-[0-9]{2}-[0-9]{2}(?:\.[0-9]+)?")


def parse_config(
    data: bytes, *, file: str = CONFIG_FILE, home: Optional[str] = None
) -> tuple[Optional[Config], list[Problem]]:
    """The config of a file's bytes and no problem, or None and all problems, as far as they can be known at once.

    home: absolute path; with it, absolute and relative paths of logs are known to be the same file.
    """
    document, problems = parse_json(data, file=file)
    if document is None and problems:
        return None, problems
    config, found = _read(document, file, home, _drain)
    return (None if problems else config), problems + found


def parse_document(
    document: Any, *, file: str = CONFIG_FILE, home: Optional[str] = None
) -> tuple[Optional[Config], list[Problem]]:
    """`parse_config` of what `parse_json` has made of the bytes. The document is left as it is."""
    return _read(document, file, home)


def _read(
    document: Any, file: str, home: Optional[str], each: Callable[[list[Any]], Iterator[Any]] = iter
) -> tuple[Optional[Config], list[Problem]]:
    """each: iterates over the list of tasks."""
    context = ParseContext()
    faults: list[Fault] = []
    top = {**DOCUMENT.defaults, **DOCUMENT.collect(document, context, DOCUMENT.defaults, faults)}
    problems = [fault.problem("", file) for fault in faults]
    settings = top["settings"]
    timezone = settings.timezone or local_zone_name()
    tasks = _Tasks(file, home, context)
    for item in each(top["tasks"] or []):
        tasks.add(item, top["defaults"], timezone)
    tasks.check_dependencies()
    tasks.check_logs()
    if not faults:
        tasks.check_mail(top["defaults"]["task_notify"], settings.smtp)
    problems += tasks.problems
    if problems:
        return None, problems
    return Config(settings._replace(timezone=timezone), tasks.tasks), []


def _drain(items: list[Any]) -> Iterator[Any]:
    """The items; each is removed from the list first, so that JSON and `Task`s are not both in memory as a whole: with
    ten thousand tasks that is 5 MB, which the process would keep."""
    items.reverse()
    while items:
        yield items.pop()


def check_document(document: Any, *, file: str = CONFIG_FILE, home: Optional[str] = None) -> list[Problem]:
    """All problems of a parsed document."""
    return parse_document(document, file=file, home=home)[1]


def check_task(task: Any, *, defaults: Any = None, file: str = CONFIG_FILE) -> list[Problem]:
    """The problems of one task by itself: its fields, not its dependencies and not what it shares with others.

    defaults: the document's, which are right.
    """
    tasks = _Tasks(file, None, ParseContext())
    tasks.add(task, DOCUMENT.rows["defaults"].kind.read(defaults or {}, ParseContext(), None), "UTC", owner="task")
    return tasks.problems


class Tasks(ListOf):
    """The list of tasks. It is told as a list of tasks, but its items are read by `check`, one by one."""

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        if not isinstance(value, list):
            raise refusal(value, self.rule)
        return value


DOCUMENT = Table(
    Field("$schema", Text(), None, "For editors; not looked at.", "供编辑器使用；不作检查。"),
    Field("version", Integer(1, 1), 1, "The version of this format.", "本格式的版本。"),
    Field("settings", SETTINGS, {}, "The engine's settings.", "引擎设置。"),
    Field(
        "defaults", DEFAULTS, {}, "Task fields for all tasks that do not set them.", "未自行设置的任务所用的字段值。"
    ),
    Field("tasks", Tasks(TASK), None, "The tasks.", "任务列表。", required=True),
    build=dict,
)


class _Tasks:
    """The tasks read so far, and what is wrong with them. A task with a problem is in no other check but by its id."""

    def __init__(self, file: str, home: Optional[str], context: ParseContext) -> None:
        self.file, self.context = file, context
        self.logs_folder = os.path.join(home, "logs") if home else None
        # What is not to be written into: the config and the scripts, the history and the lock.
        self.kept_folders = [os.path.join(home, name).lower() for name in ("tasks", "var")] if home else []
        self.problems: list[Problem] = []
        self.tasks: dict[str, Task] = {}
        self.owners: dict[str, str] = {}  # task_id -> `tasks[2] (nightly_backup):`
        self.folded: dict[str, str] = {}  # lower-case task_id -> the same
        self.dependencies: dict[str, tuple[str, ...]] = {}
        self.count = 0

    def add(self, item: Any, base: Mapping[str, Any], timezone: str, owner: str = "") -> None:
        """Read one task. base: what holds where it sets nothing, from the table and the file's `defaults`."""
        owner = owner or f"tasks[{self.count}]"
        self.count += 1
        faults: list[Fault] = []
        own = TASK.collect(item, self.context, base, faults)
        task_id = own.get("task_id")
        owner = f"{owner} ({task_id}):" if task_id else f"{owner}:"
        if task_id:
            other = self.folded.setdefault(task_id.lower(), owner)
            if other != owner:
                why = LocalizedText(
                    f"{other[:-1]} has that id, and case does not count", f"{other[:-1]} 已用此 ID，且不区分大小写"
                )
                faults.append(Fault("task_id", refused(show(task_id), why)))
            self.owners.setdefault(task_id, owner)
            self.dependencies.setdefault(task_id, own.get("task_dependencies", base["task_dependencies"]))
        if faults:
            self.problems += [fault.problem(owner, self.file) for fault in faults]
            return
        values = {**base, **own}
        values["task_name"] = own.get("task_name") or task_id
        values["task_schedule"] = values["task_schedule"] or ()
        values["task_timezone"] = values["task_timezone"] or timezone
        values["task_log"] = values["task_log"] or f"{task_id}.log"
        self.tasks[values["task_id"]] = Task(**values)

    def check_dependencies(self) -> None:
        graph: dict[str, list[str]] = {}
        for task_id, dependencies in self.dependencies.items():
            for index, other in enumerate(dependencies):
                if other == task_id:
                    why = LocalizedText("a task cannot depend on itself", "任务不能依赖自身")
                elif other not in self.owners:
                    why = LocalizedText("no task has this id", "没有此 ID 的任务")
                    why = why.then(self.context.hint(other, self.owners) or LocalizedText("", ""))
                else:
                    graph.setdefault(task_id, []).append(other)
                    continue
                self._tell(task_id, f"task_dependencies[{index}]", refused(show(other), why))
        for cycle in find_cycles(graph):
            names = cycle if len(cycle) <= MAX_CYCLE_NAMES else [*cycle[: MAX_CYCLE_NAMES - 2], "...", cycle[-1]]
            path = " -> ".join([*names, cycle[0]])
            words = LocalizedText(f"make a cycle, each needs the next: {path}", f"形成循环，前者依赖后者：{path}")
            self._tell(cycle[0], "task_dependencies", words)

    def check_logs(self) -> None:
        owners = {ENGINE_LOG: ""}  # log -> the task that has it; "" is the engine
        for task_id, task in self.tasks.items():
            log = self._log_key(task.task_log)
            if log in (".", "..") or log.startswith("../") or log.endswith("/"):
                self._tell(task_id, "task_log", refused(show(task.task_log), OUTSIDE_LOGS))
            elif any(f"{log}/".startswith(f"{folder}/") for folder in self.kept_folders):
                self._tell(task_id, "task_log", _is_which(task.task_log, IN_KEPT_FOLDER))
            elif log in owners:
                self._tell_log(task_id, task, owners[log], LocalizedText("is the log of", "该日志已属于"))
            else:
                owners[log] = task_id
        for log, task_id in owners.items():
            rotated = _ROTATED.fullmatch(log) if log[-1].isdigit() else None
            if rotated and rotated[1] in owners:
                what = LocalizedText("is a name for the rotated logs of", "此名称用于轮转日志，属于")
                self._tell_log(task_id, self.tasks[task_id], owners[rotated[1]], what)
            folder = log.rpartition("/")[0]
            while folder:
                if folder in owners:
                    what = LocalizedText("has as a folder the log of", "其上级目录是日志文件，属于")
                    self._tell_log(task_id, self.tasks[task_id], owners[folder], what)
                folder = folder.rpartition("/")[0]

    def check_mail(self, default: tuple[NotifyRule, ...], smtp: Optional[SmtpSettings]) -> None:
        """Mail needs a server and a sender. Told at the first channel that is a mail: they are missing for all."""
        if smtp is None:
            why = LocalizedText(
                'settings.smtp is not set; expected it with "host" and "from", or another type of channel',
                '没有设置 settings.smtp；应设置它及其 "host" 和 "from"，或改用其他类型的渠道',
            )
        elif smtp.sender is None:
            why = LocalizedText(
                'settings.smtp has no "from"; expected the sender\'s address there, such as "minisched@example.org"',
                '没有设置 settings.smtp 的 "from"；应为发件人地址，如 "minisched@example.org"',
            )
        else:
            return
        rules = [("defaults.", "", default)]
        rules += [("", task_id, task.task_notify) for task_id, task in self.tasks.items() if task.task_notify]
        mails = [
            (task_id, f"{prefix}task_notify[{number}].channels[{index}]")
            for prefix, task_id, several in rules
            for number, one in enumerate(several)
            for index, channel in enumerate(one.channels)
            if channel.type == "email"
        ]
        for task_id, path in mails[:1]:
            self._tell(task_id, path, LocalizedText(f"is an email, but {why.en}", f"类型为 email，但{why.zh}"))

    def _log_key(self, path: str) -> str:
        """The same for two paths of one file; in lower case, for not every file system tells cases apart."""
        if "/" not in path:
            return path.lower()
        key = os.path.normpath(path)
        if self.logs_folder and key.startswith(f"{self.logs_folder}/"):
            key = key[len(self.logs_folder) + 1 :]
        return (f"{key}/" if path.endswith("/") else key).lower()

    def _tell_log(self, task_id: str, task: Task, other: str, what: LocalizedText) -> None:
        owner = self.owners[other][:-1] if other else ""
        whose = LocalizedText(owner, f" {owner}") if owner else LocalizedText("the engine itself", "引擎自身")
        why = LocalizedText(
            f"{what.en} {whose.en}; expected a log of its own", f"{what.zh}{whose.zh}；应使用单独的日志"
        )
        self._tell(task_id, "task_log", _is_which(task.task_log, why))

    def _tell(self, task_id: str, path: str, words: LocalizedText) -> None:
        """task_id: "" for what is of no task."""
        owner = self.owners[task_id] if task_id else ""
        self.problems.append(Fault(path, words).problem(owner, self.file))


def _is_which(value: str, why: LocalizedText) -> LocalizedText:
    return LocalizedText(f"is {show(value)}, which {why.en}", f"值为 {show(value)}，{why.zh}")


def find_cycles(graph: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The cycles of a graph (name -> the names it needs, none: may be left out), none twice; at most MAX_CYCLES.

    Each begins with that name of it which comes first in the graph; the same graph gives the same list. A search in
    depth: each step back into the path being walked closes a cycle, and where there are cycles there is such a step.
    It does not recurse, for a path may have ten thousand names.
    """
    order = {name: index for index, name in enumerate(graph)}
    done: set[str] = set()
    cycles: list[list[str]] = []
    for start in graph:
        # The names walked, in order, each with what is left to try from it.
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
