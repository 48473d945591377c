"""The field table: a task, with its retry and limits; `notify_fields` has its rules.

One row per field: name, kind, default as the file would have it, help in English and Chinese. Validation, defaults,
JSON Schema, reference and the page's form come from these rows alone.
"""

from __future__ import annotations

from minisched.model import Limits, LocalizedText, Misfire, Overlap, Retry, Task

from .containers import Field, ListOf, MapOf, Shared, Table
from .field_types import (
    ENV_NAME,
    MIN_WAIT_S,
    PATH,
    Bool,
    Choice,
    Duration,
    Integer,
    Name,
    Number,
    ScheduleText,
    SecretText,
    Size,
    Text,
    Zone,
)
from .notify_fields import RULE, Command

TASK_ID = Name(
    LocalizedText('1 to 64 letters, digits, "_" or "-"', '字母、数字、"_" 或 "-"，共 1 至 64 个'),
    LocalizedText("task id", "任务 ID"),
    "[A-Za-z0-9_-]{1,64}",
)
TASK_ENV_NAME = Text(
    ENV_NAME.rule.then(
        LocalizedText(
            '; names that begin with "MINISCHED_" are the engine\'s', '；以 "MINISCHED_" 开头的名称归引擎使用'
        )
    ),
    ENV_NAME.words,
    f"(?!MINISCHED_){ENV_NAME.pattern}",
)

RETRY = Table(
    Field("max_attempts", Integer(1, 1000), 1, "Attempts in all; 1 is no retry.", "总尝试次数；1 表示不重试。"),
    Field("delay", Duration(), "10s", "Before the second attempt.", "第二次尝试前的等待。"),
    Field("backoff", Number(1, 100), 2, "What the delay is multiplied by each time.", "每次等待乘以的倍数。"),
    Field("max_delay", Duration(), "10m", "The delay grows no longer.", "等待时长的上限。"),
    Field("jitter", Number(0, 1), 0.1, "Share of the delay that is left to chance.", "等待中随机部分的比例。"),
    build=Retry,
)

LIMITS = Table(
    Field("memory", Size(1024), None, "Address space of each process.", "每个进程的地址空间。", example="512MB"),
    Field(
        "cpu_seconds",
        Integer(1, 10**9),
        None,
        "CPU time of each process: then XCPU (signal 24), a second of it later KILL.",
        "每个进程的 CPU 时间：到时发送 XCPU（信号 24），再过一秒 CPU 时间发送 KILL。",
        example=600,
    ),
    Field(
        "open_files", Integer(3, 2**20), None, "Open files of each process.", "每个进程可打开的文件数。", example=256
    ),
    build=Limits,
)

TASK = Table(
    Field(
        "task_id",
        TASK_ID,
        None,
        "The key everywhere; upper and lower case do not tell two apart.",
        "处处使用的键；不区分大小写，不可重复。",
        required=True,
        example="nightly_backup",
    ),
    Field(
        "task_exec",
        Command(),
        None,
        "What to run; a relative path starts from the home.",
        "要执行的命令；相对路径从主目录算起。",
        required=True,
        example="tasks/backup.sh --full",
    ),
    Field(
        "task_name",
        Text(least=1, most=200),
        None,
        "For people.",
        "给人看的名称。",
        example="Nightly backup",
        default_words=LocalizedText("`task_id`", "`task_id`"),
    ),
    Field("task_description", Text(lines=True, most=65536), "", "For people.", "给人看的说明。"),
    Field(
        "task_tags",
        Shared(ListOf(Name(least=1, most=64), key=str)),
        [],
        "To filter by, on the page and in the CLI.",
        "用于在页面和命令行中筛选。",
        example=["backup"],
    ),
    Field("enabled", Bool(), True, "false: never due, can be run by hand.", "false：从不到期，但可手动运行。"),
    Field(
        "task_schedule",
        Shared(ListOf(ScheduleText(), one=True)),
        None,
        "When it is due; of several, whenever one is. None: by hand or by dependency only.",
        "何时到期；多个时任一到期即到期。无：仅手动或由依赖触发。",
        example="30 2 * * *",
    ),
    Field(
        "task_timezone",
        Zone(),
        None,
        "The time zone of its schedules.",
        "时间表所用时区。",
        example="Europe/Berlin",
        default_words=LocalizedText("`settings.timezone`", "`settings.timezone`"),
    ),
    Field(
        "task_dependencies",
        Shared(ListOf(TASK_ID, key=str)),
        [],
        "The tasks that must have succeeded first.",
        "必须先成功的任务。",
        example=["export_db"],
    ),
    Field(
        "task_dependency_timeout",
        Duration(MIN_WAIT_S),
        None,
        "How long it may wait for them.",
        "等待依赖的最长时间。",
        example="2h",
        default_words=LocalizedText("until the next due time", "直到下一次到期"),
    ),
    Field(
        "task_overlap",
        Choice(Overlap),
        "skip",
        "When due while it still runs; `queue` holds at most one.",
        "到期时仍在运行怎么办；`queue` 最多保留一个。",
    ),
    Field("task_max_instances", Integer(1, 1000), 1, "How many may run at once.", "可同时运行的个数。"),
    Field(
        "task_misfire",
        Choice(Misfire),
        "latest",
        "Which due times passed while the engine was down still run.",
        "引擎停机期间错过的到期时间哪些仍要运行。",
    ),
    Field(
        "task_misfire_grace",
        Duration(),
        "1h",
        "How late a due time may still be started; older ones become `missed`.",
        "到期后最迟多久仍可启动；更早的记为 `missed`。",
    ),
    Field(
        "task_timeout",
        Duration(MIN_WAIT_S),
        "1h",
        "Then TERM to the process group; `null`: never.",
        "超时后向进程组发送 TERM；`null`：不限。",
        null=True,
    ),
    Field("task_kill_grace", Duration(), "10s", "From TERM to KILL.", "从 TERM 到 KILL 的时间。"),
    Field(
        "task_retry",
        Shared(RETRY),
        {},
        "Further attempts after a technical failure.",
        "技术失败后的再次尝试。",
        example={"max_attempts": 3, "delay": "30s"},
    ),
    Field(
        "task_jitter",
        Duration(),
        0,
        "A start is delayed by a fixed share of it per task and due time.",
        "每个任务和到期时间按固定比例推迟启动。",
        example="30s",
    ),
    Field(
        "task_cwd",
        PATH,
        None,
        "The folder it runs in.",
        "运行所在目录。",
        default_words=LocalizedText("the home", "主目录"),
    ),
    Field(
        "task_env",
        Shared(MapOf(TASK_ENV_NAME, SecretText(Text(lines=True, most=100_000), plain=True))),
        {},
        "Added to the engine's environment.",
        "附加到引擎环境变量之上。",
        example={"LEVEL": "full", "PGPASSWORD": {"from_env": "DB_PASSWORD"}},
    ),
    Field("task_user", Name(least=1, most=64), None, "Run as that user; needs root.", "以该用户运行；需要 root。"),
    Field("task_nice", Integer(-20, 19), None, "CPU priority; 19 yields most.", "CPU 优先级；19 最低。", example=10),
    Field(
        "task_limits", Shared(LIMITS), None, "Limits of its processes.", "进程的资源限制。", example={"memory": "512MB"}
    ),
    Field(
        "task_log",
        PATH,
        None,
        "Its log; a relative path starts from `logs/` and stays in it. No two tasks share one.",
        "日志；相对路径从 `logs/` 算起且不得离开它。任务之间不可共用。",
        example="backup/nightly.log",
        default_words=LocalizedText("`<task_id>.log`", "`<task_id>.log`"),
    ),
    Field(
        "task_notify",
        Shared(ListOf(Shared(RULE), key=lambda rule: rule.name)),
        [],
        "Who is told of what.",
        "何事通知何人。",
    ),
    build=Task,
)

OWN_FIELDS = ("task_id", "task_exec", "task_name")  # what `defaults` cannot set
DEFAULTS = Table(
    *(row for name, row in TASK.rows.items() if name not in OWN_FIELDS),
    build=dict,
    forbidden=dict.fromkeys(
        OWN_FIELDS, LocalizedText("is no default; each task has its own", "不能作为默认值；须由各任务自行设置")
    ),
)
