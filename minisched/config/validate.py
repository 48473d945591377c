"""A whole config: every problem of a file at once, or the `Config` of it.

Each field by its row of the table, then what no single field can tell: ids, dependencies and cycles, logs.
"""

from __future__ import annotations

import os.path
import re
from typing import TYPE_CHECKING, Any, Optional

from minisched.model import Config, LocalizedText, Problem, Task
from minisched.timetable import local_zone_name

from .cycles import find_cycles
from .fields import DOCUMENT
from .problems import Fault, Reading, refused, show
from .strict_json import parse_json
from .task_fields import TASK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from minisched.model import NotifyRule, SmtpSettings

CONFIG_FILE = "tasks/config.json"
ENGINE_LOG = "minisched.log"
LONGEST_PATH = 20  # names of a cycle that are told

OUTSIDE_LOGS = LocalizedText(
    'expected a file inside logs/, such as "backup/nightly.log", or an absolute path',
    '应为 logs/ 内的文件，如 "backup/nightly.log"，或绝对路径',
)
IN_KEPT_FOLDER = LocalizedText(
    "lies in tasks/ or var/ of the home; expected a path in logs/ or outside the home",
    "位于主目录的 tasks/ 或 var/ 内；应为 logs/ 内或主目录之外的路径",
)

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
    config, found = _read(document, file, home, spend=True)
    return (None if problems else config), problems + found


def parse_document(
    document: Any, *, file: str = CONFIG_FILE, home: Optional[str] = None
) -> tuple[Optional[Config], list[Problem]]:
    """`parse_config` of what `parse_json` has made of the bytes. The document is left as it is."""
    return _read(document, file, home)


def _read(document: Any, file: str, home: Optional[str], spend: bool = False) -> tuple[Optional[Config], list[Problem]]:
    """spend: take the tasks out of the document one by one, so that they never are in memory twice as a whole (of ten
    thousand tasks, 5 MB that the process would keep)."""
    reading = Reading()
    faults: list[Fault] = []
    top = {**DOCUMENT.defaults, **DOCUMENT.collect(document, reading, DOCUMENT.defaults, faults)}
    problems = [fault.problem("", file) for fault in faults]
    settings = top["settings"]
    timezone = settings.timezone or local_zone_name()
    tasks = _Tasks(file, home, reading)
    items = top["tasks"] or []
    for index, item in enumerate(items):
        if spend:
            items[index] = None
        tasks.add(item, top["defaults"], timezone)
    tasks.check_dependencies()
    tasks.check_logs()
    if not faults:
        tasks.check_mail(top["defaults"]["task_notify"], settings.smtp)
    problems += tasks.problems
    if problems:
        return None, problems
    return Config(settings._replace(timezone=timezone), tasks.tasks), []


def check_document(document: Any, *, file: str = CONFIG_FILE, home: Optional[str] = None) -> list[Problem]:
    """All problems of a parsed document."""
    return parse_document(document, file=file, home=home)[1]


def check_task(task: Any, *, defaults: Any = None, file: str = CONFIG_FILE) -> list[Problem]:
    """The problems of one task by itself: its fields, not its dependencies and not what it shares with others.

    defaults: the document's, which are right.
    """
    tasks = _Tasks(file, None, Reading())
    tasks.add(task, DOCUMENT.rows["defaults"].kind.read(defaults or {}, Reading(), None), "UTC", owner="task")
    return tasks.problems


class _Tasks:
    """The tasks read so far, and what is wrong with them. A task with a problem is in no other check but by its id."""

    def __init__(self, file: str, home: Optional[str], reading: Reading) -> None:
        self.file, self.reading = file, reading
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
        own = TASK.collect(item, self.reading, base, faults)
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
                    why = why.then(self.reading.hint(other, self.owners) or LocalizedText("", ""))
                else:
                    graph.setdefault(task_id, []).append(other)
                    continue
                self._tell(task_id, f"task_dependencies[{index}]", refused(show(other), why))
        for cycle in find_cycles(graph):
            names = cycle if len(cycle) <= LONGEST_PATH else [*cycle[: LONGEST_PATH - 2], "...", cycle[-1]]
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
