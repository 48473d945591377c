"""Warnings about a valid config: what is allowed, and will fail or surprise when the task is due.

Errors of a config need nothing but its text. Warnings also look at the machine: scripts, folders, users, secrets.
"""

from __future__ import annotations

import math
import os
import pwd
import re
import shlex
import stat
import time
from collections import Counter
from itertools import islice
from threading import Lock, Thread

from minisched.config.problems import MAX_PROBLEMS, ParseContext, hinted, limited, show
from minisched.executor.program import Command, find_problem, from_home, misplaced, script_problem
from minisched.model import FieldError, On, Secret, Text
from minisched.model.task import CONFIG_FILE, SecretError
from minisched.model.text import reason_of_file
from minisched.namedtuple import NamedTuple
from minisched.osutil import Importing, Place, open_walked
from minisched.threads import start_thread
from minisched.timetable import format_duration, load_zone, next_of, schedules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Callable, Optional, Union

    from minisched.model import Config, Dependency, NotifyRule, Task

LINT_EVERY_S = 60.0
PAUSE_TASKS = 10
PAUSE_S = 0.0005
LINT_WAIT_S = 1.0
COMPARED_DUE_TIMES = 10  # of a task with a dependency: more than the days of a week
SECRET_NAME = re.compile(r"pass(?:w(?:or)?d|phrase)?|secret|token|pwd|(?:api|private|access)_?key", re.IGNORECASE)

_OPERATORS = {"&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>", "2>>", "2>&1", "&>"}
_TAKES_OPERATORS = {"find", "expr", "test", "[", "jq", "awk"}  # an operator among their arguments is meant for them
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_STEP = re.compile(r"(\*|[0-9]+)(?:-([0-9]+))?/([0-9]+)")
_FIELDS = (("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
_INTERVALS = {"second": "s", "minute": "m", "hour": "h"}
# Words that a shell knows itself, so that no file of that name need exist.
_SHELL_WORDS = frozenset(
    re.findall(
        r"\S+",
        ". : [ [[ alias bg break builtin case cd command continue declare echo eval exec exit export false fc fg for"
        " function getopts hash if jobs kill let local printf pushd popd pwd read readonly return select set shift"
        " source test time times trap true type typeset ulimit umask unalias unset until wait while ! {",
    )
)


class Surroundings(NamedTuple):
    """Where a config is used."""

    home: str
    environ: Mapping[str, str]
    now: float
    path: str = ""  # of the file, where it is not that of the home
    pause: Callable[[], object] = lambda: None  # called every PAUSE_TASKS tasks


class Lint:
    """The warnings about the config of a running engine. They are looked for again after LINT_EVERY_S, as scripts and
    folders change without the config. For any thread.

    A thread of its own looks, and is waited for shortly: a hung disk or a slow database of users holds no request up.
    """

    def __init__(self, home: str, environ: Mapping[str, str]) -> None:
        self._home, self._environ = home, environ
        self._lock = Lock()
        self._thread: Optional[Thread] = None
        self._config: Optional[Config] = None  # that of `_found`
        self._until = 0.0  # monotonic
        self._found: list[FieldError] = []

    def warnings(self, config: Config) -> list[FieldError]:
        """The latest that are known of this config."""
        with self._lock:
            stale = config is not self._config or time.monotonic() >= self._until
            if stale and (self._thread is None or not self._thread.is_alive()):
                try:
                    self._thread = start_thread(self._look, "lint", config)
                except OSError:
                    pass  # no thread is left
            thread = self._thread
        if stale and thread:
            thread.join(LINT_WAIT_S)
        return self._found if config is self._config else []

    def _look(self, config: Config) -> None:
        where = Surroundings(self._home, self._environ, time.time(), pause=pause)
        found = config_warnings(config, where)
        self._found, self._until, self._config = found, time.monotonic() + LINT_EVERY_S, config


def pause() -> None:
    """Let the engine's thread run. Python hands the interpreter on to a thread that has waited 0.5 ms for it, but a
    thread with many short system calls keeps it: the waiting one never wakes up in time."""
    time.sleep(PAUSE_S)


def config_warnings(config: Config, where: Surroundings) -> list[FieldError]:
    """The warnings; of very many the first, and one entry with the number of the others."""
    found = _all_warnings(config, where)
    first = list(islice(found, MAX_PROBLEMS + 1))
    return limited(first, more=sum(1 for _ in found))


def _all_warnings(config: Config, where: Surroundings) -> Iterator[FieldError]:
    yield from _exposed_secrets(config, where)
    smtp = config.settings.smtp
    if smtp:
        for name, value in (("password", smtp.password), ("ca_file", smtp.ca_file)):
            yield from map(_error, _secret_or_path(value, f"settings.smtp.{name}", where))
    yield from calendar_warnings(config, where.now)
    heartbeat = config.settings.heartbeat
    if heartbeat:
        for name, value in (("url", heartbeat.url), ("ca_file", heartbeat.ca_file)):
            yield from map(_error, _secret_or_path(value, f"settings.heartbeat.{name}", where))
    engine_rules = config.settings.notify.engine
    yield from map(_error, _channel_warnings(engine_rules, "settings.notify.engine", where))
    yield from map(_error, _channel_warnings(config.default_rules, "defaults.task_notify", where))
    yield from _lock_warnings(config)
    for index, task in enumerate(config.tasks.values()):
        owner = f"tasks[{index}] ({task.task_id})"
        if index % PAUSE_TASKS == 0:
            where.pause()
        for found in _task_warnings(task, config, where):
            yield _error(found, owner)


def calendar_warnings(config: Config, now: float) -> list[FieldError]:
    """Calendars whose last day is past or about to be: they must not run out in silence."""
    if not config.settings.calendars:
        return []
    with Importing():
        from minisched.timetable.working_days import calendar_end, local_today

    today = local_today(now, load_zone(config.settings.timezone))
    found = ((name, calendar_end(calendar, today)) for name, calendar in config.settings.calendars.items())
    return [FieldError(f"settings.calendars.{name}", text, sentence=True) for name, text in found if text]


Found = tuple[str, Text]  # the field inside its task or the file, and the warning


_SENTENCES = {
    f"config.warn.{name}" for name in ("program", "step", "step_every", "never_again", "rarer", "too_old", "disabled")
}


def _error(found: Found, owner: str = "") -> FieldError:
    path, text = found
    return FieldError(path, text, text.code in _SENTENCES, owner)


def _task_warnings(task: Task, config: Config, where: Surroundings) -> Iterator[Found]:
    env_file: dict[str, str] = {}
    for index, path in enumerate(task.task_env_file):
        place = f"task_env_file[{index}]" if len(task.task_env_file) > 1 else "task_env_file"
        yield from _env_file(path, place, where, env_file)
    yield from _command_warnings("task_exec", task.task_exec, task, where, env_file)
    if task.task_condition is not None:
        yield from _command_warnings("task_condition", task.task_condition, task, where, env_file)
    elif task.task_condition_wait:
        yield "task_condition_wait", Text("config.warn.no_condition")
    yield from _place_warnings(task, where)
    for name, value in task.task_env.items():
        if isinstance(value, Secret):
            yield from _secret_or_path(value, f"task_env.{name}", where)
        else:
            for found in _VARIABLE.finditer(value):
                variable = found[1] or found[2]
                if variable in where.environ or variable in task.task_env or variable == "PATH":
                    yield f"task_env.{name}", Text("config.warn.variable", variable=found[0])
    if 0 not in task.task_exit_codes.success:
        yield "task_exit_codes.success", Text("config.warn.no_zero")
    yield from _schedule_warnings(task, where.now)
    expect = task.task_expect
    if expect and expect.duration and task.task_timeout and expect.duration >= task.task_timeout:
        yield "task_expect.duration", Text("config.warn.never_slow")
    if expect and expect.finish_by and not task.task_schedule:
        yield "task_expect.finish_by", Text("config.warn.never_late")
    for index, dependency in enumerate(task.task_dependencies):
        rarer = _rarer(task, dependency, config.tasks, where.now)
        if rarer:
            yield f"task_dependencies[{index}]", rarer
    yield from _rule_warnings(task, config.default_rules, where)


def _lock_warnings(config: Config) -> Iterator[FieldError]:
    """Names of locks that may be misspelt: a size for a lock of no task, a lock of one task with a name like others."""
    sizes, users = config.settings.locks, Counter(name for task in config.tasks.values() for name in task.task_locks)
    near = ParseContext().near
    for name in sizes:
        if name not in users:
            hint = near(name, [one for one in users if one not in sizes])
            text = hinted(Text("config.warn.lock_unused"), hint)
            yield _error((f"settings.locks.{name}", text))
    for index, task in enumerate(config.tasks.values() if users else ()):
        for place, name in enumerate(task.task_locks):
            hint = near(name, {*sizes, *users} - {name}) if users[name] == 1 and name not in sizes else None
            if hint:
                text = Text("config.warn.lock_alone", lock=show(name), hint=hint)
                yield _error((f"task_locks[{place}]", text), f"tasks[{index}] ({task.task_id})")


def _env_file(written: str, place: str, where: Surroundings, found: dict[str, str]) -> Iterator[Found]:
    """found: gets its variables."""
    path = os.path.join(where.home, written)
    if written.startswith("~"):
        yield place, Text("config.warn.tilde", value=written)
        return
    with Importing():  # the engine does without where no task has one
        from minisched.config.env_file import EnvFileError, read_env_file
    try:
        variables = read_env_file(path)
        readable = os.stat(path).st_mode & stat.S_IROTH
    except (EnvFileError, OSError) as error:
        problem = error.text if isinstance(error, EnvFileError) else reason_of_file(error)
        yield place, Text("config.warn.program", problem=problem)
        return
    found.update(variables)
    if readable and any(value and SECRET_NAME.search(name) for name, value in variables.items()):
        yield place, Text("config.warn.secret_readable", path=path, quoted=shlex.quote(path))
    for name, value in variables.items():
        if name == "PATH" and _VARIABLE.search(value):
            yield place, Text("config.warn.variable_in_file", name=name)


def _command_warnings(
    field: str, words: Union[str, tuple[str, ...]], task: Task, where: Surroundings, env_file: Mapping[str, str]
) -> Iterator[Found]:
    """words: the command in `field`."""
    env = task.task_env.get("PATH", env_file.get("PATH"))
    search_path = env if isinstance(env, str) else where.environ.get("PATH", os.defpath)
    cwd = os.path.join(where.home, task.task_cwd or "")
    command = Command(from_home(words, task.task_cwd, where.home), cwd, search_path, where.home)
    is_list = not isinstance(words, str)
    program = next(iter(command.words), "")
    if is_list and words[0].startswith("~"):
        yield field, Text("config.warn.tilde", value=words[0])
    elif program and program not in _SHELL_WORDS and os.path.isdir(cwd) and "$" not in search_path:
        problem = find_problem(command, program, failed=True) or script_problem(command)
        if problem:
            yield field, Text("config.warn.program", problem=problem)
        elif "/" in program and not task.task_user:  # for that user his own files are no danger
            yield from _replaceable(field, os.path.join(where.home, program))
    for word, path in misplaced(command):
        yield field, Text("config.warn.in_home", word=word, path=path)
    if is_list and os.path.basename(program) not in _TAKES_OPERATORS:
        previous = ""
        for index, item in enumerate(words[1:], 1):
            variable = _VARIABLE.match(item)
            name = variable and (variable[1] or variable[2])
            if item in _OPERATORS:
                yield f"{field}[{index}]", Text("config.warn.operator", operator=item)
            elif item.startswith("~/"):
                yield f"{field}[{index}]", Text("config.warn.tilde", value=item)
            elif name and (name in where.environ or name in task.task_env) and previous not in ("-c", "-e"):
                yield f"{field}[{index}]", Text("config.warn.list_variable", variable=variable[0] if variable else "")
            previous = item


def _replaceable(field: str, path: str) -> Iterator[Found]:
    """Whether another user can change what is run."""
    places: list[Place] = []
    try:
        os.close(open_walked(path, places))
    except OSError:
        return
    for place in reversed(places):
        user = place.changeable_by(sticky=True)
        if user is not None:
            code = "config.warn.writable" if user < 0 else "config.warn.owner"
            yield field, Text(code, path=place.path, quoted=shlex.quote(place.path), user=user)
            return


def _place_warnings(task: Task, where: Surroundings) -> Iterator[Found]:
    if task.task_cwd:
        cwd = os.path.join(where.home, task.task_cwd)
        if task.task_cwd.startswith("~"):
            yield "task_cwd", Text("config.warn.tilde", value=task.task_cwd)
        elif not os.path.isdir(cwd):
            yield "task_cwd", Text("config.warn.no_folder", path=cwd)
    if task.log_file.startswith("~"):
        yield "task_log", Text("config.warn.tilde", value=task.log_file)
    if task.task_user is not None:
        try:
            uid: Optional[int] = pwd.getpwnam(task.task_user).pw_uid
        except KeyError:
            uid = None
        if uid is None:
            yield "task_user", Text("config.warn.no_user", user=task.task_user)


def _secret_or_path(value: Any, path: str, where: Surroundings) -> Iterator[Found]:
    """value: a secret, or the path of a file that has to be there."""
    secret = value if isinstance(value, Secret) else None
    if secret:
        if secret.source != "from_file":
            return
        path, value = f"{path}.from_file", secret.place
    if not isinstance(value, str):
        return
    file = os.path.join(where.home, value)
    if value.startswith("~"):
        yield path, Text("config.warn.tilde", value=value)
    elif not os.path.isfile(file):
        yield path, Text("config.warn.no_file", path=file)
    elif secret:
        try:
            secret.reveal(where.environ, where.home)
            if os.stat(file).st_mode & stat.S_IROTH:
                yield path, Text("config.warn.secret_readable", path=file, quoted=shlex.quote(file))
        except (SecretError, OSError) as error:
            problem = error.text if isinstance(error, SecretError) else reason_of_file(error)
            yield path, Text("config.warn.program", problem=problem)


# ------------------------------------------------------------------------------------------------------------ schedules


def _schedule_warnings(task: Task, now: float) -> Iterator[Found]:
    zone = load_zone(task.task_timezone)
    for index, schedule in enumerate(schedules_of(task)):
        text = schedule.text
        path = f"task_schedule[{index}]" if len(task.task_schedule) > 1 else "task_schedule"
        if schedule.kind == "at" and next_of([schedule], now, zone) is None:
            yield path, Text("config.warn.past", schedule=text)
        elif schedule.calendar and next_of([schedule], now, zone) is None:
            name = schedule.calendar.rule.name
            yield path, Text("config.warn.never_again", schedule=text, calendar=name)
        if schedule.kind == "cron":
            for warning in _long_steps(text):
                yield path, warning


def _long_steps(text: str) -> Iterator[Text]:
    """Steps that are longer than their field: `*/90` in the minutes is not every 90 minutes, but minute 0."""
    fields = text.split()
    for (name, first, last), field in zip(_FIELDS[6 - len(fields) :], fields):
        for found in map(_STEP.fullmatch, field.split(",")):
            if found is None:
                continue
            low = first if found[1] == "*" else int(found[1])
            high = int(found[2]) if found[2] else last
            if int(found[3]) > high - low > 0:
                every = f"@every {found[3]}{_INTERVALS[name]}" if name in _INTERVALS else ""
                code = "config.warn.step_every" if every else "config.warn.step"
                yield Text(code, field=Text(f"schedules.field.{name}"), item=found[0], value=low, every=every)


def _rarer(task: Task, dependency: Dependency, tasks: Mapping[str, Task], now: float) -> Optional[Text]:
    """Why a dependency cannot be met at each due time of the task; None: it can, as far as schedules tell. Nobody
    expects a failure before each due time."""
    other, within = tasks.get(dependency.task_id), dependency.within
    if other is None or not task.task_schedule or not task.enabled:
        return None
    if not other.enabled and within is None:
        return Text("config.warn.disabled", task=other.task_id)
    if dependency.on is On.FAILURE or within == math.inf:
        return None
    schedules, zone = schedules_of(task), load_zone(task.task_timezone)
    due = next_of(schedules, now, zone)
    for source in _scheduled(other, tasks):
        found, source_zone = schedules_of(source), load_zone(source.task_timezone)
        start = due
        for _ in range(COMPARED_DUE_TIMES):
            if start is None:
                break
            following = next_of(schedules, start, zone)
            if following is None:
                break
            values = {"task": source.task_id, "schedule": " | ".join(source.task_schedule)}
            if within is None:
                come = next_of(found, start, source_zone)
                if come is None or come > following:
                    return Text("config.warn.rarer", **values)
            else:  # one end counts for several due times
                come = next_of(found, start - within - 1, source_zone)
                if come is not None and come > start:
                    return Text("config.warn.too_old", **values, within=format_duration(within))
            start = following
    return None


def _scheduled(task: Task, tasks: Mapping[str, Task]) -> list[Task]:
    """The tasks with a schedule by which a task without one is started."""
    found, seen, waiting = [], set(), [task]
    while waiting:
        one = waiting.pop()
        if one.task_id in seen:
            continue
        seen.add(one.task_id)
        if one.task_schedule:
            found.append(one)
        else:
            needed = [need.task_id for need in one.task_dependencies if need.within is None]
            waiting += [tasks[name] for name in needed if name in tasks]
    return found


# ------------------------------------------------------------------------------------------------ rules and secrets


def _rule_warnings(task: Task, default: tuple[NotifyRule, ...], where: Surroundings) -> Iterator[Found]:
    if task.task_notify is not default and task.task_notify:
        names = [rule.name for rule in task.task_notify]
        lost = [rule.name for rule in default if rule.enabled and rule.name not in names]
        if lost:
            yield "task_notify", Text("config.warn.replaced", rules=lost)
    if task.task_notify is not default:  # else it is looked at once, as that of the defaults
        own = tuple(rule for rule in task.task_notify if not any(rule is other for other in default))
        yield from _channel_warnings(own, "task_notify", where)


def _channel_warnings(rules: tuple[NotifyRule, ...], path: str, where: Surroundings) -> Iterator[Found]:
    for number, rule in enumerate(rules):
        for index, channel in enumerate(rule.channels):
            place = f"{path}[{number}].channels[{index}]"
            for name, value in channel.options.items():
                yield from _option_warnings(name, value, f"{place}.{name}", where)


def _option_warnings(name: str, value: Any, path: str, where: Surroundings) -> Iterator[Found]:
    if name == "headers":
        for header, each in value.items():
            yield from _secret_or_path(each if isinstance(each, Secret) else None, f"{path}.{header}", where)
    elif isinstance(value, Secret) or name == "ca_file":
        yield from _secret_or_path(value, path, where)
    elif name == "path" and value.startswith("~"):
        yield path, Text("config.warn.tilde", value=value)
    elif name.endswith("_template") and isinstance(value, str) and "{%" in value:
        yield path, Text("config.warn.block")
    elif name.endswith("_template") and isinstance(value, str) and re.search(r"[｛{]\s*｛|｝\s*[｝}]", value):
        yield path, Text("config.warn.wide_braces")


def _exposed_secrets(config: Config, where: Surroundings) -> Iterator[FieldError]:
    """Secrets that are written in a config file that every user can read."""
    path = where.path or os.path.join(where.home, CONFIG_FILE)
    try:
        readable = os.stat(path).st_mode & stat.S_IROTH
    except OSError:
        return
    places = list(_written_secrets(config)) if readable else []
    if places:
        shown = places[:3] + ["..."] * (len(places) > 3)
        yield FieldError("", Text("config.warn.readable", quoted=shlex.quote(path), places=shown))


def _written_secrets(config: Config) -> Iterator[str]:
    smtp = config.settings.smtp
    if smtp and smtp.password and smtp.password.source == "text":
        yield "settings.smtp.password"
    heartbeat = config.settings.heartbeat
    if heartbeat and heartbeat.url.source == "text":
        yield "settings.heartbeat.url"
    for rule in config.settings.notify.engine:
        yield from _rule_secrets(rule, "settings.notify.engine")
    for rule in config.default_rules:
        yield from _rule_secrets(rule, "defaults.task_notify")
    for task in config.tasks.values():
        for name, value in task.task_env.items():
            if isinstance(value, str) and value and SECRET_NAME.search(name):
                yield f"{task.task_id}: task_env.{name}"
        if task.task_notify is not config.default_rules:
            for rule in task.task_notify:
                if not any(rule is other for other in config.default_rules):
                    yield from _rule_secrets(rule, f"{task.task_id}: task_notify")


def _rule_secrets(rule: NotifyRule, place: str) -> Iterator[str]:
    for channel in rule.channels:
        for name, value in channel.options.items():
            if isinstance(value, Secret) and value.source == "text" and name != "url":
                yield f"{place}.{name}"
            if isinstance(value, Secret) and name == "url" and channel.options.get("preset"):
                yield f"{place}.url"
