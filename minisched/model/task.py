"""The config as values, defaults filled in. Field names are those of the file."""

from __future__ import annotations

import math
import os.path
import stat
from collections.abc import Mapping

from minisched.catalogue import Text, TextError
from minisched.model.status import FAILURES, Status, Word
from minisched.model.text import reason_of_file
from minisched.namedtuple import NamedTuple
from minisched.osutil import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Union

CONFIG_FILE = "tasks/config.json"  # of a home

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MAX_SECRET_BYTES = 65536  # of a file with a secret


class SecretError(TextError):
    """A secret cannot be used; `text` names its variable or file and the reason."""


class Secret:
    """A value that is never printed: `repr` and `str` show stars, `reveal()` reads it at the moment of use.

    `source` is "text", "from_env" or "from_file"; `name` the text itself, the variable or the path.
    """

    __slots__ = ("_name", "source")

    def __init__(self, source: str, name: str) -> None:
        self.source = source
        self._name = name

    @property
    def place(self) -> str:
        """The variable or the path; stars for a text."""
        return "***" if self.source == "text" else self._name

    def reveal(self, environ: Mapping[str, str], home: str) -> str:
        """The value. Raises SecretError."""
        if self.source == "from_env":
            if self._name not in environ:
                raise SecretError(Text("variable_not_set", name=self._name))
            return environ[self._name]
        return self._read(os.path.join(home, self._name)) if self.source == "from_file" else self._name

    def _read(self, path: str) -> str:
        """The content of a file, without what editors add: a line end, on Windows a byte order mark."""
        try:
            fd, status = open_regular(path, follow_symlinks=True)
            with open(fd, "rb") as file:
                data = file.read(MAX_SECRET_BYTES + 1)
            value = data.decode("utf-8-sig").rstrip("\r\n")
        except OSError as error:
            raise SecretError(Text("unreadable", path=path, reason=reason_of_file(error))) from None
        except UnicodeDecodeError:
            raise SecretError(Text("not_utf8", path=path)) from None
        if status.st_mode & stat.S_IWOTH:
            raise SecretError(Text("secret_writable", path=path))
        if not value or "\0" in value or len(data) > MAX_SECRET_BYTES:
            raise SecretError(Text("secret_content", path=path, max_bytes=MAX_SECRET_BYTES))
        return value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.source, self._name) == (other.source, other._name)

    def __hash__(self) -> int:
        return hash((self.source, self._name))


class Retry(NamedTuple):
    max_attempts: int
    delay: float
    backoff: float
    max_delay: float
    jitter: float  # share of the delay, 0..1


class Expect(NamedTuple):
    """What is expected of a task, and never enforced."""

    duration: Optional[float]  # seconds that a run takes at most
    finish_by: Optional[str]  # time of day in the task's zone, "06:00" or "06:00:30"

    @property
    def finish_by_s(self) -> Optional[int]:
        """`finish_by` in seconds since midnight."""
        if self.finish_by is None:
            return None
        hours, minutes, *seconds = map(int, self.finish_by.split(":"))
        return hours * 3600 + minutes * 60 + sum(seconds)


class Limits(NamedTuple):
    memory: Optional[int]  # bytes of address space
    cpu_seconds: Optional[int]
    open_files: Optional[int]


class On(Word):
    """Which ends of a task a dependency on it is about."""

    SUCCESS = "success"
    FAILURE = "failure"  # business or technical
    END = "end"  # any of the two


ENDS_OF = {On.SUCCESS: (Status.SUCCESS,), On.FAILURE: FAILURES, On.END: (Status.SUCCESS, *FAILURES)}
EVER = "ever"


class Dependency(NamedTuple):
    """What a task waits for: an end of another task that no run has used up yet, its token; or, with `within`, that the
    other task has ended so at most `within` seconds ago (infinite: ever), as often as that is asked."""

    task_id: str
    on: On = On.SUCCESS
    within: Optional[float] = None

    @property
    def token(self) -> str:
        """Identifies its token among those of the dependent. Tokens of older versions are all of a success."""
        return self.task_id if self.on is On.SUCCESS else f"{self.task_id}:{self.on}"

    def is_met_by(self, status: Status) -> bool:
        return status in ENDS_OF[self.on]

    def as_json(self) -> Union[str, dict[str, Any]]:
        """As in the file, durations in seconds."""
        if self.within is None:
            return self.task_id if self.on is On.SUCCESS else {"task_id": self.task_id, "on": self.on.value}
        within = EVER if self.within == math.inf else self.within
        return {"task_id": self.task_id, "on": self.on.value, "within": within}

    @classmethod
    def from_json(cls, value: Union[str, Mapping[str, Any]]) -> Dependency:
        """The dependency that `as_json` made this of."""
        if isinstance(value, str):
            return cls(value)
        within = value.get("within")
        return cls(value["task_id"], On(value["on"]), math.inf if within == EVER else within)


class ExitCodes(NamedTuple):
    """What the exit codes of a program mean; all others are technical failures."""

    success: tuple[int, ...] = (0,)
    business_failure: tuple[int, ...] = (1,)


class TemplateVariables(NamedTuple):
    """What a template can name, in the order in which a run's message has them."""

    task_id: str
    task_name: str
    execution_status: str
    execution_start_time: str
    execution_end_time: str
    execution_duration: str
    threshold_count: str
    execution_log_tail: str
    execution_id: str
    execution_reason: str
    exit_code: str
    attempt: str
    scheduled_time: str
    host_name: str
    task_url: str
    suppressed_count: str


class Channel(NamedTuple):
    """Where a notification goes; `options` are the checked fields of its `type`."""

    type: str
    options: Mapping[str, Any]


class NotifyRule(NamedTuple):
    name: str
    enabled: bool
    triggers: tuple[str, ...]
    threshold: int
    cooldown: float
    recovery: bool
    channels: tuple[Channel, ...]


class Overlap(Word):
    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class Misfire(Word):
    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class CalendarLine(NamedTuple):
    """A line of a calendar: the days from `first` to `last`, both included, as days since 1970-01-01."""

    first: int
    last: int
    working: bool
    words: str  # what the file says about them; "" if nothing
    number: int  # of the line in the file, from 1


class Calendar(NamedTuple):
    """A calendar of working days, as its file has it."""

    name: str
    file: str  # as the config names it
    week: int  # the ordinary working days as a mask; bit 0 is Sunday
    lines: tuple[CalendarLine, ...]  # in the order of their days; no day is in two of them
    digest: str  # of what it says about the days, whatever its words


class CalendarRule(NamedTuple):
    """`task_calendar`: the days of a calendar on which a task is due."""

    name: str
    days: str  # one of CALENDAR_DAYS
    calendar: Optional[Calendar] = None  # once its file was read


CALENDAR_DAYS = ("working", "off", "first_working", "last_working")


class Task(NamedTuple):
    """A task as the config has it, defaults filled in. Field names are those of the file."""

    task_id: str
    task_exec: Union[str, tuple[str, ...]]
    task_name: str
    task_description: str
    task_tags: tuple[str, ...]
    enabled: bool
    task_schedule: tuple[str, ...]
    task_timezone: str
    task_calendar: Optional[CalendarRule]
    task_dependencies: tuple[Dependency, ...]
    task_dependency_timeout: Optional[float]
    task_overlap: Overlap
    task_max_instances: int
    task_locks: tuple[str, ...]
    task_condition: Optional[Union[str, tuple[str, ...]]]
    task_condition_wait: float
    task_misfire: Misfire
    task_misfire_grace: float
    task_timeout: Optional[float]
    task_expect: Optional[Expect]
    task_exit_codes: ExitCodes
    task_kill_grace: float
    task_retry: Retry
    task_jitter: float
    task_cwd: Optional[str]
    task_output_encoding: str
    task_env_file: tuple[str, ...]
    task_env: Mapping[str, Union[str, Secret]]
    task_user: Optional[str]
    task_nice: Optional[int]
    task_limits: Optional[Limits]
    task_log: Optional[str]
    task_notify: tuple[NotifyRule, ...]
    task_notify_defaults: bool

    @property
    def log_file(self) -> str:
        """The path of its log, relative to `logs/` unless it is absolute."""
        return self.task_log or f"{self.task_id}.log"


class LogSettings(NamedTuple):
    when: str
    backup_count: int
    max_bytes: int


class HistorySettings(NamedTuple):
    keep_days: int
    keep_runs: int  # of each task
    max_bytes: int = 0  # of the database's file; 0: no limit


def shown_address(host: str, port: int) -> str:
    """As `127.0.0.1:8787` or `[::1]:8787`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class HttpSettings(NamedTuple):
    enabled: bool
    host: str
    port: int
    public_status: bool
    allowed_hosts: tuple[str, ...]

    @property
    def page_url(self) -> str:
        """Where people find the page, as far as the config says; "" if it does not (port 0 means any free port).

        The first of `allowed_hosts`, if there is one: as it is, if it has a scheme; else on our own port, unless it
        has one or a proxy is in front of a loopback address.
        """
        if not self.enabled:
            return ""
        if not self.allowed_hosts:
            return f"http://{shown_address(self.host, self.port)}" if self.port else ""
        name = self.allowed_hosts[0]
        if "://" in name:
            return name
        own_port = ":" in name.rpartition("]")[2] or self.host in LOOPBACK or not self.port
        return f"http://{name}" if own_port else f"http://{name}:{self.port}"


class SmtpSettings(NamedTuple):
    host: str
    port: int
    security: str
    username: Optional[str]
    password: Optional[Secret]
    sender: Optional[str]  # the file's `from`
    timeout: float
    ca_file: Optional[str] = None


class NotifySettings(NamedTuple):
    max_attempts: int
    log_tail_lines: int
    engine: tuple[NotifyRule, ...] = ()  # for the engine's own problems


class HeartbeatSettings(NamedTuple):
    url: Secret
    every: float  # seconds
    ca_file: Optional[str]


class Settings(NamedTuple):
    timezone: str
    max_running: int
    locks: Mapping[str, int]  # the sizes that are not 1
    log: LogSettings
    history: HistorySettings
    language: str  # "auto", or one of the catalogue's
    http: HttpSettings
    smtp: Optional[SmtpSettings]
    notify: NotifySettings
    heartbeat: Optional[HeartbeatSettings]
    shutdown_grace: float
    calendars: Mapping[str, Calendar]
    timezone_source: str = "settings"  # or "TZ", or the file that gave it; "": none did
    timezone_problem: Optional[Text] = None  # why it may be the wrong one
    paused: bool = False


class FieldError(NamedTuple):
    """One error in a config.

    `path`: the field, as `task_retry.delay`, inside the task `owner`, as `tasks[2] (nightly_backup)`; without an owner,
    inside the file. Both are "" for the file as a whole.
    `text`: continues the place ("task_timeout" "is 5 min; ..."), or follows it after a colon, if it is a `sentence`.
    `line`, `column`: of a file that is no JSON, from 1; else 0. Errors in a calendar have only a line.
    """

    path: str
    text: Text
    sentence: bool = False
    owner: str = ""
    file: str = CONFIG_FILE
    line: int = 0
    column: int = 0

    def inside(self, name: str) -> FieldError:
        """The same error, seen from the value that contains this one under `name` ("delay" or "[2]")."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return self._replace(path=f"{name}{dot}{self.path}")

    @property
    def place(self) -> Union[str, Text]:
        """As in `tasks[2] (nightly_backup): task_timeout`."""
        if self.line:
            code = "config.json.place" if self.column else "config.calendar.place"
            return Text(code, line=self.line, column=self.column)
        place = ": ".join(filter(None, (self.owner, self.path)))
        return f"{place}:" if place and self.sentence else place

    def as_text(self) -> Text:
        """File, place and text in one line."""
        place = self.place
        code = "config.error" if place else "config.error.file"
        return Text(code, file=self.file, place=place, text=self.text)


class Config(NamedTuple):
    settings: Settings
    tasks: Mapping[str, Task]  # in the file's order
    default_rules: tuple[NotifyRule, ...] = ()  # `task_notify` of the defaults, the same object in tasks that use it
