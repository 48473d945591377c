"""The field table: a task, with its retry and limits; `notify_fields` has its rules.

One row per field: name, type, default as written in the file. Validation, defaults, JSON Schema, reference and the
page's form come from these rows alone; what a field means is in `minisched.catalogue.config`.
"""

from __future__ import annotations

from minisched.model import Limits, Misfire, Overlap, Retry, Task, Text

from .containers import Field, ListOf, MapOf, Shared, Table
from .field_types import (
    ENV_NAME,
    MIN_WAIT_S,
    PATH,
    Bool,
    Choice,
    Duration,
    Encoding,
    Integer,
    Number,
    ScheduleText,
    SecretString,
    Size,
    String,
    Zone,
)
from .notify_fields import RULE, Command

TASK_ID = String("task_id", "[A-Za-z0-9_-]{1,64}", "task_id", shared=True)
TASK_ENV_NAME = String("task_env_name", f"(?!MINISCHED_){ENV_NAME.pattern}", "name")

RETRY = Table(
    "retry",
    Field("max_attempts", Integer(1, 1000), 1),
    Field("delay", Duration(), "10s"),
    Field("backoff", Number(1, 100), 2),
    Field("max_delay", Duration(), "10m"),
    Field("jitter", Number(0, 1), 0.1),
    build=Retry,
)

LIMITS = Table(
    "limits",
    Field("memory", Size(1024), example="512MB"),
    Field("cpu_seconds", Integer(1, 10**9), example=600),
    Field("open_files", Integer(3, 2**20), example=256),
    build=Limits,
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
    Field(
        "task_tags", Shared(ListOf(String(min_length=1, max_length=64, shared=True), key=str)), [], example=["backup"]
    ),
    Field("enabled", Bool(), True),
    Field("task_schedule", Shared(ListOf(ScheduleText(), one=True)), example="30 2 * * *"),
    Field("task_timezone", Zone(), example="Europe/Berlin", default_text=Text("config.default.settings_zone")),
    Field("task_dependencies", Shared(ListOf(TASK_ID, key=str)), [], example=["export_db"]),
    Field(
        "task_dependency_timeout",
        Duration(MIN_WAIT_S),
        example="2h",
        default_text=Text("config.default.dependency_timeout"),
    ),
    Field("task_overlap", Choice(Overlap), "skip"),
    Field("task_max_instances", Integer(1, 1000), 1),
    Field("task_misfire", Choice(Misfire), "latest"),
    Field("task_misfire_grace", Duration(), "1h"),
    Field("task_timeout", Duration(MIN_WAIT_S), "1h", null=True),
    Field("task_kill_grace", Duration(), "10s"),
    Field("task_retry", Shared(RETRY), {}, example={"max_attempts": 3, "delay": "30s"}),
    Field("task_jitter", Duration(), 0, example="30s"),
    Field("task_cwd", PATH, default_text=Text("config.default.home")),
    Field("task_output_encoding", Encoding(), "utf-8", example="gb18030"),
    Field(
        "task_env",
        Shared(MapOf(TASK_ENV_NAME, SecretString(String(lines=True, max_length=100_000), plain=True))),
        {},
        example={"LEVEL": "full", "PGPASSWORD": {"from_env": "DB_PASSWORD"}},
    ),
    Field("task_user", String(min_length=1, max_length=64, shared=True)),
    Field("task_nice", Integer(-20, 19), example=10),
    Field("task_limits", Shared(LIMITS), example={"memory": "512MB"}),
    Field("task_log", PATH, example="backup/nightly.log", default_text=Text("config.default.task_log")),
    Field("task_notify", Shared(ListOf(Shared(RULE), key=lambda rule: rule.name)), []),
    build=Task,
)

OWN_FIELDS = ("task_id", "task_exec", "task_name")  # not allowed in `defaults`
DEFAULTS = Table(
    "defaults",
    *(row for name, row in TASK.rows.items() if name not in OWN_FIELDS),
    build=dict,
    forbidden=dict.fromkeys(OWN_FIELDS, Text("config.own_field")),
)
