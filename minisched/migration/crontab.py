"""A crontab or an anacrontab as tasks, with a report that names each of its lines.

Crontabs of Vixie's family are read: Debian, cronie, busybox, the BSDs, supercronic. Nothing is lost in silence: each
line with a job becomes a task, or is named with the reason why not.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from zlib import crc32

from minisched.catalogue import TextError
from minisched.migration.shell import Simplified, scan, simplify
from minisched.model import Text
from minisched.namedtuple import NamedTuple
from minisched.timetable import ScheduleError, format_duration, parse_schedule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Union

MAX_LINE = 100_000  # characters; of a command in the config
TIMEOUT = "1d"  # cron has none; a task that hangs for ever is not seen by anybody
MAIL_TRIGGERS = ["business_failure", "technical_failure", "missed"]
NAME_MAX = 60  # characters of a name that is made of a comment
ID_MAX = 48  # characters of an id that is made of a command
ID_WORDS = 3  # of such an id, where several jobs have the same program
COMMENT_LINES_MAX = 3  # a longer comment is about more than the next line
PERIODS = {"@daily": 1, "@weekly": 7, "@monthly": 30, "@yearly": 365, "@annually": 365}  # of anacron, in days

_VARIABLE = re.compile(r"""\s*(["']?)([A-Za-z_][A-Za-z0-9_]*)\1\s*=\s*(.*?)\s*""", re.DOTALL)
_FIELD = r"[-0-9A-Za-z*,/~#?]+"
_CRON_LINE = re.compile(rf"\s*-?((?:{_FIELD}[ \t]+){{4}}{_FIELD}|@\w+)(?:[ \t]+(.*))?", re.DOTALL)
_ANACRON_LINE = re.compile(r"\s*(\d+|@\w+)[ \t]+(\d+)[ \t]+(\S+)[ \t]+(.+)", re.DOTALL)
_RANDOM = re.compile(r"(\d+)?~(\d+)?")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES = {
    name: number
    for names, first in (("sun mon tue wed thu fri sat", 0), ("jan feb mar apr may jun jul aug sep oct nov dec", 1))
    for number, name in enumerate(names.split(), first)
}
_OPTIONS = re.compile(r"-([nqs]+)[ \t]+")  # of OpenBSD, before the command
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?")
_SIXTH_FIELD = re.compile(r"[0-9*][0-9*,/-]*(?=[ \t]|$)")
_DISTRIBUTION = re.compile(r"(?:^|[\s;&|(/])run-parts\s[^;&|]*/etc/|^(?:test|\[)\s+-x\s+\S*anacron\b")
_INTERPRETERS = re.compile(r"(?:python|perl|ruby|php|node|bash|sh|dash|zsh|ksh|lua|java|Rscript)[\d.]*")
_EXTENSION = re.compile(r"\.(?:sh|py|pl|rb|php|js|bash)$")
_LAUNCHERS = ("env", "sudo", "exec", "flock", "ionice", "cd", "docker", "docker-compose", ".", "source")
_OURS = re.compile(r"/tmp/minisched-([A-Za-z0-9_-]+)\.lock")  # a crontab that `export` wrote
_BASH = re.compile(r"(?:/usr)?/bin/bash")
_PLACEHOLDERS = re.compile(r"(?:<.*|\[?(?:user|user-?name|command|cmd)\b.*)", re.IGNORECASE)
_COLUMNS = re.compile(r"minute.*hour|\bm(?:in)?\s+h|command to be executed|\bdow\b", re.IGNORECASE)
_IGNORED = ("LOGNAME", "USER", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "MAILFROM", "CRON_TZ", "MAILTO", "SHELL")


class Options(NamedTuple):
    """How to read a crontab."""

    system: bool = False  # with a column of users
    disabled: bool = False  # with the jobs that are commented out
    all_jobs: bool = False  # with those of the distribution
    fix_percent: bool = False  # take a bare `%` as it was meant, not as cron reads it
    user: str = "root"  # who imports; a crontab without a column of users is this user's
    has_mail: bool = False  # the config has a mail server


class Line(NamedTuple):
    """One line of the file with a job. `task_id` is None if it became no task; then a note says why."""

    number: int  # from 1
    text: str
    task_id: Optional[str]
    notes: tuple[Text, ...]

    @property
    def kind(self) -> str:
        """The most important: "left_out", "disabled" (commented out), "warned", "better" than a copy, or "taken"."""
        kinds = {note.code.split(".")[1] for note in self.notes}
        if self.task_id is None:
            return "disabled" if "disabled" in kinds else "left_out"
        return "warned" if "warn" in kinds else "better" if "better" in kinds else "taken"


class Imported(NamedTuple):
    """The tasks, as objects of the config, and what became of each line. `notes`: of the whole file."""

    tasks: list[dict[str, Any]]
    lines: list[Line]
    notes: list[Text]


class _Job(NamedTuple):
    """A line that is read, not simplified yet."""

    number: int
    text: str
    schedule: list[str]  # five fields, or a macro
    user: Optional[str]  # of a system crontab
    command: str
    variables: dict[str, str]  # those in force at this line
    name: str  # of the comment above it
    enabled: bool
    fields: dict[str, Any]
    notes: list[Text]


class _LeftOut(TextError):
    """The line becomes no task."""


class _Format(NamedTuple):
    """How the lines of a file are read. anacron: the jobs have the four columns of anacron: period, delay, id, command.
    home_of: the home of a user, None if this machine has no such user."""

    options: Options
    anacron: bool
    home_of: Callable[[str], Optional[str]]


def read_crontab(
    data: bytes,
    options: Options,
    home_of: Callable[[str], Optional[str]],
    taken_ids: Collection[str] = (),
) -> Imported:
    """The tasks of a crontab or anacrontab.

    `home_of`: the home of a user, None if this machine has no such user. `taken_ids`: ids that no task must have.
    """
    text, notes = _decode(data)
    how = _Format(options, _is_anacrontab(text), home_of)
    jobs: list[_Job] = []
    lines: list[Line] = []
    for found in _read_lines(text, how):
        if isinstance(found, _Job):
            jobs.append(found)
        else:
            lines.append(found)
    homes = {job.number: _home(job, how) for job in jobs}
    simple = [simplify(job.command, homes[job.number]) for job in jobs]
    shared = {lock: count for lock, count in Counter(one.lock for one in simple).items() if lock and count > 1}
    locks = _task_locks(simple, shared)
    programs = Counter(_program(one.command, 1) for one in simple)
    found = _Context(homes, shared, programs, how, frozenset(taken_ids))
    tasks, of_jobs = _tasks(jobs, locks, found)
    left_out = {line.number for line in of_jobs if line.task_id is None}
    still_in_cron = {one.lock for job, one in zip(jobs, simple) if job.number in left_out}
    if still_in_cron & locks.keys():
        tasks, of_jobs = _tasks(jobs, {path: name for path, name in locks.items() if path not in still_in_cron}, found)
    lines += of_jobs
    lines.sort(key=lambda line: line.number)
    return Imported(tasks, lines, [*notes, *_file_notes(jobs, options)])


class _Context(NamedTuple):
    """What the tasks of all jobs depend on. homes: by number of the line; shared: locks that several lines use."""

    homes: dict[int, Optional[str]]
    shared: dict[str, int]
    programs: Counter[str]
    how: _Format
    taken_ids: frozenset[str]


def _tasks(jobs: list[_Job], locks: dict[str, str], context: _Context) -> tuple[list[dict[str, Any]], list[Line]]:
    """The tasks of the jobs, and their lines. locks: files that become locks of tasks."""
    tasks: list[dict[str, Any]] = []
    lines: list[Line] = []
    ids = set(context.taken_ids)
    for job in jobs:
        try:
            task, notes = _task(job, locks, context, ids)
        except _LeftOut as error:
            lines.append(Line(job.number, job.text, None, (*job.notes, error.text)))
            continue
        ids.add(task["task_id"])
        tasks.append(task)
        lines.append(Line(job.number, job.text, task["task_id"], tuple(notes)))
    return tasks, lines


def _file_notes(jobs: list[_Job], options: Options) -> list[Text]:
    """What is the same for many lines."""
    notes = []
    recipients = {address: None for job in jobs for address in _addresses(job.variables)}
    if recipients and not options.has_mail:
        notes.append(Text("migration.note.mailto", recipients=list(recipients)))
    literal = {name: None for job in jobs for name, value in job.variables.items() if "$" in value}
    if literal:
        notes.append(Text("migration.warn.literal_variable", names=list(literal)))
    return notes


def _addresses(variables: dict[str, str]) -> list[str]:
    """The mail addresses of MAILTO; a name without @ is a mailbox of this machine, for which there is no rule."""
    return [one.strip() for one in variables.get("MAILTO", "").split(",") if "@" in one]


def _decode(data: bytes) -> tuple[str, list[Text]]:
    notes = []
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
        notes.append(Text("migration.note.bom"))
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
        notes.append(Text("migration.note.crlf"))
    try:
        return data.decode(), notes
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        return data.decode("latin-1"), [*notes, Text("migration.note.latin1", line=number)]


def _is_anacrontab(text: str) -> bool:
    """Whether the jobs have the four columns of anacron: period, delay, id, command."""
    jobs = [line for line in text.split("\n") if re.match(r"\s*[0-9*@]", line)]
    return bool(jobs) and all(
        _ANACRON_LINE.fullmatch(line) and not re.match(r"\s*\S+\s+\S+\s+[-0-9*,/]+\s+[-0-9*,/A-Za-z]+\s", line)
        for line in jobs
    )


def _read_lines(text: str, how: _Format) -> Iterator[Any]:
    """A `_Job` for each job, a `Line` for each line that cannot become a task."""
    variables: dict[str, str] = {}
    comments: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        above, comments = comments, []
        if not stripped:
            continue
        if stripped.startswith("#"):
            content = stripped.lstrip("#").strip()
            job = _commented_job(content, number, line, variables, how)
            if job is None:
                comments = [*above, content]
            elif how.options.disabled:
                yield job._replace(name=_name(above))
            else:
                yield Line(number, stripped, None, (Text("migration.disabled.line"),))
            continue
        variable = _VARIABLE.fullmatch(line)
        if variable:
            value = variable[3]
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            variables = {**variables, variable[2]: value}
            continue
        try:
            yield _read_job(line, number, variables, how)._replace(name=_name(above))
        except _LeftOut as error:
            yield Line(number, stripped[:200], None, (error.text,))


def _commented_job(content: str, number: int, line: str, variables: dict[str, str], how: _Format) -> Optional[_Job]:
    """The job of a line that is commented out; None if it is a comment."""
    try:
        job = _read_job(content, number, variables, how)
        parse_schedule(" ".join(job.schedule))
    except (_LeftOut, ScheduleError):
        return None
    if _PLACEHOLDERS.fullmatch(job.command) or _PLACEHOLDERS.fullmatch(job.user or ""):
        return None  # the line that explains the columns
    return job._replace(enabled=False, text=line.strip())


def _read_job(line: str, number: int, variables: dict[str, str], how: _Format) -> _Job:
    """Raises _LeftOut."""
    if "\0" in line:
        raise _LeftOut(Text("migration.left.nul"))
    if len(line) > MAX_LINE:
        raise _LeftOut(Text("migration.left.too_long", characters=len(line), max=MAX_LINE))
    if how.anacron:
        return _read_anacron_job(line, number, variables)
    found = _CRON_LINE.fullmatch(line)
    if not found:
        raise _LeftOut(Text("migration.left.not_a_line"))
    schedule, command = found[1].split(), (found[2] or "").strip()
    notes: list[Text] = []
    fields: dict[str, Any] = {}
    user = None
    if how.options.system and command:
        user, _, command = re.split(r"([ \t]+|$)", command, maxsplit=1)
        command = command.strip()
    elif how.home_of(command.split(None, 1)[0] if command else "") is not None:
        notes.append(Text("migration.warn.user_column", user=command.split(None, 1)[0]))
    if user and not _USER.fullmatch(user):
        raise _LeftOut(Text("migration.left.user", user=user))
    if len(schedule) == 5 and _SIXTH_FIELD.match(command):
        raise _LeftOut(Text("migration.left.six_fields"))
    flags = _OPTIONS.match(command)
    if flags:
        command = command[flags.end() :]
        if "s" in flags[1]:
            fields["task_overlap"] = "skip"
    if not command:
        raise _LeftOut(Text("migration.left.no_command"))
    return _Job(number, line.strip(), schedule, user, command, variables, "", True, fields, notes)


def _read_anacron_job(line: str, number: int, variables: dict[str, str]) -> _Job:
    """Anacron runs a job once in a period of days, when the machine is up, `delay` minutes after its first hour."""
    found = _ANACRON_LINE.fullmatch(line)
    if not found:
        raise _LeftOut(Text("migration.left.not_a_line"))
    days = PERIODS.get(found[1]) or (int(found[1]) if found[1].isdigit() else 0)
    if not 0 < days <= 366:
        raise _LeftOut(Text("migration.left.period", period=found[1]))
    hours = re.match(r"\d+", variables.get("START_HOURS_RANGE", ""))
    minutes = (int(hours[0]) * 60 if hours else 0) + int(found[2])
    time = [str(minutes % 60), str(minutes // 60 % 24)]
    dates = {1: "* * *", 7: "* * 1", 30: "1 * *", 31: "1 * *", 365: "1 1 *"}
    notes = [Text("migration.better.anacron", days=days)]
    schedule = [*time, *dates[days].split()] if days in dates else ["@every", f"{days}d"]
    fields: dict[str, Any] = {"task_id": found[3], "task_misfire_grace": f"{days}d"}
    return _Job(number, line.strip(), schedule, None, found[4].strip(), variables, "", True, fields, notes)


def _name(comments: list[str]) -> str:
    """The first sentence of the comment directly above a job."""
    if any(_COLUMNS.search(line) for line in comments):
        return ""  # the comment that explains the columns
    lines = [re.sub(r"^[\W_]+|[\s=*_#~-]+$", "", line) for line in comments]
    lines = [line for line in lines if line]
    if len(lines) > COMMENT_LINES_MAX:
        lines = lines[-1:]
    sentence = re.split(r"(?<=[\w)])[.!?](?=\s|$)|[。！？]", " ".join(lines))[0].strip().rstrip(":")
    sentence = "".join(char if char.isprintable() else " " for char in sentence)
    return sentence if len(sentence) <= NAME_MAX else sentence[: NAME_MAX - 1].rstrip() + "…"


def _home(job: _Job, how: _Format) -> Optional[str]:
    """The folder in which cron starts the job."""
    return job.variables.get("HOME") or how.home_of(job.user or ("root" if how.options.system else how.options.user))


def _task(
    job: _Job, locks: dict[str, str], context: _Context, ids: Collection[str]
) -> tuple[dict[str, Any], list[Text]]:
    """The task of a job, and what to say about its line. Raises _LeftOut."""
    home, shared, options = context.homes[job.number], context.shared, context.how.options
    if not options.all_jobs and _DISTRIBUTION.search(job.command):
        raise _LeftOut(Text("migration.left.distribution"))
    notes = list(job.notes)
    shell = job.variables.get("SHELL", "/bin/sh")
    command, stdin = _split_percent(job.command, options.fix_percent, notes)
    kept = shared.keys() - locks.keys()
    simple = simplify(command, home, kept, bash=posixpath.basename(shell) == "bash")
    notes += simple.notes
    if _keeps_lock(simple.command, kept):
        notes.append(Text("migration.warn.shared_lock", count=max(shared[lock] for lock in kept)))
    lock = locks.get(simple.lock or "")
    if lock:
        notes.append(Text("migration.better.task_locks", count=shared[simple.lock or ""], lock=lock))
    text = simple.command if stdin is None else _with_stdin(simple.command, stdin)
    task_id = _task_id(job, simple, context.programs, ids)
    schedule = _schedule(job.schedule, task_id, notes)
    task: dict[str, Any] = {"task_id": task_id}
    if job.name:
        task["task_name"] = job.name
    task["task_exec"] = _as_exec(text, shell)
    if not job.enabled:
        task["enabled"] = False
    task["task_schedule"] = schedule
    task["task_timeout"] = TIMEOUT
    if home:
        task["task_cwd"] = home
    env = {name: value for name, value in job.variables.items() if _goes_to_env(name)}
    _from_variables(job, task, options, notes)
    if job.user and job.user != options.user:
        task["task_user"] = job.user
        if context.how.home_of(job.user) is None:
            notes.append(Text("migration.warn.no_user", user=job.user))
    task.update({name: value for name, value in job.fields.items() if name != "task_id"})
    task.update({name: value for name, value in simple.fields.items() if name != "task_env"})
    if lock:
        task["task_locks"] = [lock]
    env.update(simple.fields.get("task_env", {}))
    if env:
        task["task_env"] = env
    return task, notes


def _task_id(job: _Job, simple: Simplified, programs: Counter[str], ids: Collection[str]) -> str:
    """The id that the job has in its file, that of the task which was exported as this line, or one by its program."""
    program = _program(simple.command, 1)
    if programs[program] > 1:
        program = _program(simple.command, ID_WORDS)
    ours = _OURS.fullmatch(simple.lock or "")
    return _unique(job.fields.get("task_id") or (ours[1] if ours else program), ids)


def _as_exec(text: str, shell: str) -> Union[str, list[str]]:
    """A text runs by /bin/sh; for another shell, a list."""
    if shell not in ("/bin/sh", "sh"):
        return [shell, "-c", text]
    words = [token.value for token in scan(text) or ()]
    if len(words) == 3 and words[1] == "-c" and words[2] and _BASH.fullmatch(words[0] or ""):
        return [word or "" for word in words]
    return text


def _goes_to_env(name: str) -> bool:
    anacron = ("START_HOURS_RANGE", "RANDOM_DELAY", "NO_MAIL_OUTPUT")
    return name not in _IGNORED and name not in anacron and not name.startswith("MINISCHED_")


def _from_variables(job: _Job, task: dict[str, Any], options: Options, notes: list[Text]) -> None:
    """What the variables of the crontab itself mean for a task."""
    variables = job.variables
    if variables.get("CRON_TZ"):
        task["task_timezone"] = variables["CRON_TZ"]
        notes.append(Text("migration.warn.cron_tz", zone=variables["CRON_TZ"]))
    delay = variables.get("RANDOM_DELAY", "")
    if delay.isdigit() and int(delay):
        task["task_jitter"] = format_duration(int(delay) * 60)
        notes.append(Text("migration.better.jitter", duration=task["task_jitter"]))
    addresses = _addresses(variables)
    if addresses and options.has_mail:
        channels = [{"type": "email", "recipients": addresses}]
        task["task_notify"] = [{"name": "mailto", "triggers": MAIL_TRIGGERS, "channels": channels}]
        notes.append(Text("migration.better.mailto", recipients=addresses))


def _split_percent(command: str, fix: bool, notes: list[Text]) -> tuple[str, Optional[str]]:
    """The command and its standard input: cron ends the command at the first `%` that has no backslash before it."""
    parts = re.split(r"(?<!\\)%", command)
    if len(parts) > 1 and fix:
        notes.append(Text("migration.warn.percent_mended"))
        return command.replace("\\%", "%"), None
    parts = [part.replace("\\%", "%") for part in parts]
    if len(parts) == 1:
        return parts[0], None
    notes.append(Text("migration.warn.percent", command=parts[0].strip()))
    return parts[0], "\n".join(parts[1:])


def _with_stdin(command: str, stdin: str) -> str:
    words = " ".join("'" + line.replace("'", "'\\''") + "'" for line in stdin.split("\n"))
    return f"printf '%s\\n' {words} | {{ {command}\n}}"


def _task_locks(simple: Sequence[Simplified], shared: Collection[str]) -> dict[str, str]:
    """Of the locks that several lines share, those that can be locks of the tasks, by file: every line waits for them,
    as a task does. `flock -n` drops the start instead, which no field says of another task's lock."""
    locks: dict[str, str] = {}
    for path in shared:
        holders = [one for one in simple if one.lock == path]
        others = [one.command for one in simple if one.lock != path]
        if all(one.fields.get("task_overlap") == "queue" for one in holders) and not any(
            _keeps_lock(command, (path,)) for command in others
        ):
            name = re.sub(r"[^A-Za-z0-9_-]+", "_", posixpath.splitext(posixpath.basename(path))[0]).strip("_-")
            locks[path] = _unique(name or "lock", locks.values())
    return locks


def _keeps_lock(command: str, shared: Collection[str]) -> bool:
    return any(token.value in shared or token.text in shared for token in scan(command) or ())


def _program(command: str, count: int) -> str:
    """What a command does, in `count` words: its program, or the script that an interpreter runs, and its arguments."""
    tokens = scan(command)
    if tokens is None:  # a quote is not closed
        words = re.findall(r"[\w./~=-]+", command)
    else:
        words = [token.value or token.text for token in tokens if token.kind == "word"]
    words = [word for word in words if not re.match(r"[A-Za-z_]\w*=|-", word) and word not in ("[", "test", "!", "{")]
    names = [posixpath.basename(word.rstrip("/")) for word in words]
    while len(names) > 1 and (names[0] in _LAUNCHERS or _INTERPRETERS.fullmatch(names[0])):
        del names[: 2 if names[0] == "flock" and len(names) > 2 else 1]
    slugs = [re.sub(r"[^A-Za-z0-9_-]+", "_", _EXTENSION.sub("", name)).strip("_-") for name in names]
    return "_".join([slug for slug in slugs if slug][:count])[:ID_MAX].strip("_-") or "job"


def _unique(task_id: str, ids: Collection[str]) -> str:
    base = re.sub(r"[^A-Za-z0-9_-]+", "_", task_id)[:ID_MAX] or "job"
    found, count = base, 1
    taken = {one.lower() for one in ids}  # ids are the same in upper and lower case
    while found.lower() in taken:
        count += 1
        found = f"{base}_{count}"
    return found


def _schedule(fields: list[str], task_id: str, notes: list[Text]) -> str:
    """The schedule's text, in the words of minisched. Raises _LeftOut."""
    if len(fields) == 5:
        fields = [
            _RANDOM.sub(lambda match, at=at: _chosen(match, at, task_id, notes), field)  # type: ignore[misc]
            for at, field in enumerate(fields)
        ]
        if any(_wraps(field, at) for at, field in enumerate(fields)):
            notes.append(Text("migration.warn.wraps", schedule=" ".join(fields)))
    text = {"@every_minute": "* * * * *"}.get(fields[0], " ".join(fields))
    try:
        parse_schedule(text)
    except ScheduleError as error:
        raise _LeftOut(Text("migration.left.schedule", why=error.text)) from None
    return text


def _chosen(match: re.Match[str], at: int, task_id: str, notes: list[Text]) -> str:
    """The number that stands for `a~b`: cron chooses one at each start, the task has its own for ever."""
    low, high = int(match[1] or _RANGES[at][0]), int(match[2] or _RANGES[at][1])
    number = low + crc32(f"{task_id} {at}".encode()) % max(1, high - low + 1)
    notes.append(Text("migration.note.random", range=match[0], number=number))
    return str(number)


def _wraps(field: str, at: int) -> bool:
    """Whether a range of the field runs backwards: cron accepts that, and is never due."""
    for low, high in re.findall(r"(\w+)-(\w+)", field):
        numbers = [_NAMES.get(word[:3].lower(), -1) if not word.isdigit() else int(word) for word in (low, high)]
        if numbers[0] > numbers[1]:
            return True
    return False
