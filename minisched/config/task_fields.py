"""The field table: a task, with its retry and limits; `notify_fields` has its rules.

One row per field: name, type, default as written in the file. Validation, defaults, JSON Schema, reference and the
fields of the page's form come from these rows; what a field means is in `minisched.catalogue.config`, its label in the
form in the page's files.
"""

from __future__ import annotations

import math

from minisched.model import (
    CALENDAR_DAYS,
    CalendarRule,
    Dependency,
    ExitCodes,
    Expect,
    FieldError,
    Limits,
    Misfire,
    On,
    Overlap,
    Retry,
    Task,
    Text,
)
from minisched.model.task import EVER

from .containers import Field, ListOf, MapOf, NameOrTable, Table
from .field_types import (
    ENV_NAME,
    MIN_WAIT_S,
    PATH,
    Bool,
    Choice,
    Duration,
    Encoding,
    FieldType,
    Integer,
    Number,
    ScheduleText,
    SecretString,
    Size,
    String,
    Zone,
)
from .notify_fields import RULE, Command
from .problems import ParseContext, invalid
from .settings_fields import CALENDAR_NAME, LOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MIN_WITHIN_S = 1
TASK_ID = String("task_id", "[A-Za-z0-9_-]{1,64}", "task_id", shared=True)
TIME_OF_DAY = String("time_of_day", r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?", "time_of_day")
TASK_ENV_NAME = String("task_env_name", f"(?!MINISCHED_){ENV_NAME.pattern}", "name")

# What cron, APScheduler, Airflow and others call the fields.
_OTHER_NAMES = {
    "task_id": "id job_id dag_id",
    "task_name": "name title label job_name",
    "task_exec": "cmd command script exec run args bash_command program shell task_command task_script task_cmd",
    "task_description": "description comment comments notes",
    "task_tags": "tags tag labels category",
    "enabled": "active disabled enable is_active task_enabled",
    "task_schedule": "schedule cron schedules when trigger crontab schedule_interval task_cron timing",
    "task_timezone": "timezone tz task_tz",
    "task_calendar": "calendar calendars holidays workdays working_days business_days",
    "task_dependencies": "dependencies depends_on depends deps after needs requires upstream task_depends_on",
    "task_overlap": "overlap concurrency concurrency_policy",
    "task_max_instances": "max_instances max_active_runs max_children",
    "task_condition": "condition conditions precondition preconditions only_if exec_condition when_command",
    "task_locks": "locks lock mutex pool pools semaphore resource_locks task_lock",
    "task_misfire": "misfire coalesce catchup catch_up",
    "task_misfire_grace": "misfire_grace_time misfire_grace",
    "task_timeout": "timeout execution_timeout max_time task_time_limit",
    "task_exit_codes": "exit_codes exit_code returncodes success_codes success_exit_status successexitstatus",
    "task_expect": "expect sla deadline finish_by expected_duration max_duration warn_after",
    "task_retry": "retry retries max_retries task_retries",
    "task_jitter": "jitter random_delay",
    "task_cwd": "cwd dir workdir working_directory workingdirectory directory folder task_dir task_workdir",
    "task_output_encoding": "encoding charset task_encoding",
    "task_env_file": "env_file envfile environment_file environmentfile dotenv",
    "task_env": "env environment variables vars environ task_environment",
    "task_user": "user run_as runas username",
    "task_nice": "nice niceness priority",
    "task_limits": "limits resources ulimit",
    "task_log": "log logfile log_file stdout output",
    "task_notify": "notify notifications alerts mailto email on_failure alert",
}
ALIASES = {alias: name for name, aliases in _OTHER_NAMES.items() for alias in aliases.split()}

RETRY = Table(
    "retry",
    Field("max_attempts", Integer(1, 1000), 1),
    Field("delay", Duration(), "10s"),
    Field("backoff", Number(1, 100), 2),
    Field("max_delay", Duration(), "10m"),
    Field("jitter", Number(0, 1), 0.1),
    build=Retry,
    example={"max_attempts": 3},
)


def _check_exit_codes(values: Mapping[str, Any]) -> list[FieldError]:
    both = [code for code in values["business_failure"] if code in values["success"]]
    return [FieldError("business_failure", Text("config.exit_codes.both", value=code), sentence=True) for code in both]


class Within(Duration):
    """Seconds; infinite for "ever"."""

    ever = True

    rule = Text("config.rule.within")
    type_name = Text("config.type.within")

    def read(self, value: Any, context: ParseContext, base: Any) -> float:
        return math.inf if value == EVER else super().read(value, context, base)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [super().schema(), {"const": EVER}]}


DEPENDENCY = Table(
    "dependency",
    Field("task_id", TASK_ID, required=True, example="export_db"),
    Field("on", Choice(On), "success"),
    Field("within", Within(MIN_WITHIN_S), example="26h"),
    build=Dependency,
    aliases={
        "id": "task_id",
        "task": "task_id",
        "when": "on",
        "trigger_rule": "on",
        "max_age": "within",
    },
    example={"task_id": "export_db", "on": "failure"},
)


class TaskDependency(FieldType):
    """The id of a task, or an object of the table DEPENDENCY."""

    rule = Text("config.rule.dependency", example=DEPENDENCY.rule)
    type_name = Text("config.type.dependency")

    def read(self, value: Any, context: ParseContext, base: Any) -> Dependency:
        if isinstance(value, dict):
            dependency: Dependency = DEPENDENCY.read(value, context, None)
            return dependency
        if not isinstance(value, str):
            raise invalid(value, self.rule)
        return Dependency(TASK_ID.read(value, context, None))

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [TASK_ID.schema(), DEPENDENCY.schema()]}


_EXIT_CODE = Integer(0, 255)
EXIT_CODES = Table(
    "exit_codes",
    Field("success", ListOf(_EXIT_CODE, min_items=1, key=int), [0], example=[0, 24]),
    Field("business_failure", ListOf(_EXIT_CODE, key=int), [1], example=[]),
    build=ExitCodes,
    check=_check_exit_codes,
    aliases={"ok": "success", "successes": "success", "failure": "business_failure", "business": "business_failure"},
    example={"success": [0, 24], "business_failure": []},
)

EXPECT = Table(
    "expect",
    Field("duration", Duration(MIN_WAIT_S), example="30m"),
    Field("finish_by", TIME_OF_DAY, example="06:00"),
    build=Expect,
    example={"duration": "30m", "finish_by": "06:00"},
)

LIMITS = Table(
    "limits",
    Field("memory", Size(1024), example="512MB"),
    Field("cpu_seconds", Integer(1, 10**9), example=600),
    Field("open_files", Integer(3, 2**20), example=256),
    build=Limits,
    example={"memory": "512MB"},
)

CALENDAR_RULE = NameOrTable(
    "calendar_rule",
    Field("name", CALENDAR_NAME, required=True, example="cn"),
    Field("days", Choice(*CALENDAR_DAYS), "working"),
    build=CalendarRule,
    example={"name": "cn", "days": "off"},
)

TASK = Table(
    "task",
    Field("task_id", TASK_ID, required=True, example="nightly_backup"),
    Field("task_exec", Command(), required=True, example="tasks/backup.sh --full"),
    Field(
        "task_name",
        String(min_length=1, max_length=200),
        example="Nightly backup",
        default_text=Text("config.default.task_id"),
    ),
    Field("task_description", String(lines=True, max_length=65536), ""),
    Field("task_tags", ListOf(String(min_length=1, max_length=64, shared=True), key=str), [], example=["backup"]),
    Field("enabled", Bool(), True),
    Field("task_schedule", ListOf(ScheduleText(), one=True), example="30 2 * * *"),
    Field("task_timezone", Zone(), example="Europe/Berlin", default_text=Text("config.default.settings_zone")),
    Field("task_calendar", CALENDAR_RULE, example="cn"),
    Field(
        "task_dependencies",
        ListOf(TaskDependency(), key=lambda dependency: dependency.task_id),
        [],
        example=["export_db"],
    ),
    Field(
        "task_dependency_timeout",
        Duration(MIN_WAIT_S),
        example="2h",
        default_text=Text("config.default.dependency_timeout"),
    ),
    Field("task_overlap", Choice(Overlap), "skip"),
    Field("task_max_instances", Integer(1, 1000), 1),
    Field("task_locks", ListOf(LOCK, key=str), [], example=["db"]),
    Field("task_condition", Command(), example="test -e /mnt/nas/ready"),
    Field("task_condition_wait", Duration(), 0, example="2h"),
    Field("task_misfire", Choice(Misfire), "latest"),
    Field("task_misfire_grace", Duration(), "1h"),
    Field("task_timeout", Duration(MIN_WAIT_S), "24h", null=True),
    Field("task_expect", EXPECT, example={"finish_by": "06:00"}),
    Field("task_exit_codes", EXIT_CODES, {}, example={"success": [0, 24], "business_failure": []}),
    Field("task_kill_grace", Duration(), "10s"),
    Field("task_retry", RETRY, {}, example={"max_attempts": 3, "delay": "30s"}),
    Field("task_jitter", Duration(), 0, example="30s"),
    Field("task_cwd", PATH, default_text=Text("config.default.home")),
    Field("task_output_encoding", Encoding(), "utf-8", example="gb18030"),
    Field("task_env_file", ListOf(PATH, one=True, key=str), [], example="var/shop.env"),
    Field(
        "task_env",
        MapOf(TASK_ENV_NAME, SecretString(String(lines=True, max_length=100_000), plain=True), {"LEVEL": "full"}),
        {},
        example={"LEVEL": "full", "PGPASSWORD": {"from_env": "DB_PASSWORD"}},
    ),
    Field("task_user", String(min_length=1, max_length=64, shared=True)),
    Field("task_nice", Integer(-20, 19), example=10),
    Field("task_limits", LIMITS, example={"memory": "512MB"}),
    Field("task_log", PATH, example="backup/nightly.log", default_text=Text("config.default.task_log")),
    Field("task_notify", ListOf(RULE, key=lambda rule: rule.name, shared=True), []),
    Field("task_notify_defaults", Bool(), False),
    build=Task,
    aliases=ALIASES,
    example={"task_id": "backup", "task_exec": "tasks/backup.sh"},
    shared=True,
)

OWN_FIELDS = ("task_id", "task_exec", "task_name")  # not allowed in `defaults`
DEFAULTS = Table(
    "defaults",
    *(row for name, row in TASK.rows.items() if name not in OWN_FIELDS),
    build=dict,
    forbidden=dict.fromkeys(OWN_FIELDS, Text("config.own_field")),
    aliases=ALIASES,
    example={"task_timeout": "1h"},
)
