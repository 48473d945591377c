"""What the API takes and gives, as JSON Schema 2020-12: the named schemas of the route table."""

from __future__ import annotations

from typing import Any

from minisched.api.errors import ERRORS
from minisched.api.routes import IDS
from minisched.config.containers import row_schema
from minisched.config.notify_fields import CHANNEL
from minisched.config.task_fields import TASK
from minisched.model import DeliveryState, Status, Trigger
from minisched.model.notification import NotificationEvent, SendStatus

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time", "description": "ISO 8601 with the offset of the task's zone."}
SECONDS: Schema = {"type": "number", "minimum": 0, "description": "Seconds."}
STATUS: Schema = {"enum": [status.value for status in Status]}
TASK_ID: Schema = {"type": "string", "pattern": f"^{IDS['task_id']}$"}
RUN_ID: Schema = {"type": "integer", "minimum": 1}
WORDS: Schema = {"type": "object", "properties": {"en": TEXT, "zh": TEXT}, "required": ["en", "zh"]}
CURSOR: Schema = {"type": "string", "description": "An offset; its form is no promise."}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def items(schema: Schema, most: int = 0) -> Schema:
    return {"type": "array", "items": schema, **({"maxItems": most} if most else {})}


def fields(**properties: Schema) -> Schema:
    """An object of exactly these, all of them always there."""
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def page_of(schema: Schema) -> Schema:
    return fields(items=items(schema), page={**COUNT, "minimum": 1}, page_size=COUNT, total=COUNT)


_ATTEMPT = {
    "attempt": {**COUNT, "minimum": 1},
    "status": STATUS,
    "reason": maybe(TEXT),
    "detail": TEXT,
    "exit_code": maybe({"type": "integer"}),
    "signal": maybe(COUNT),
    "pid": maybe(COUNT),
    "start_time": TIME,
    "end_time": maybe(TIME),
    "duration": maybe(SECONDS),
    "leftover_processes": COUNT,
    "output_cut": FLAG,
    "log_lost": FLAG,
}
_RUN = {
    "run_id": RUN_ID,
    "task_id": TASK_ID,
    "trigger": {"enum": [trigger.value for trigger in Trigger]},
    "status": STATUS,
    "reason": {**maybe(TEXT), "description": "A fixed word; of a waiting run the tasks it waits for."},
    "detail": {**TEXT, "description": "For people. Empty without the token."},
    "scheduled_time": maybe(TIME),
    "start_time": maybe(TIME),
    "end_time": maybe(TIME),
    "duration": {**maybe(SECONDS), "description": "Seconds that attempts ran, without the waits between them."},
    "exit_code": maybe({"type": "integer"}),
    "attempt": COUNT,
    "max_attempts": {**COUNT, "minimum": 1},
    "missed_count": {**COUNT, "description": "How many due times a `missed` run stands for."},
    "missed_since": maybe(TIME),
    "retry_time": {**maybe(TIME), "description": "Of a `retrying` run: when its next attempt may start."},
    "attempts": items(ref("Attempt")),
}
_CARD = {
    "task_id": TASK_ID,
    "task_name": TEXT,
    "task_description": TEXT,
    "task_tags": TEXTS,
    "enabled": FLAG,
    "task_schedule": TEXTS,
    "task_timezone": TEXT,
    "schedule_words": {**WORDS, "description": "The schedules in words; of a task without one, what starts it."},
    "task_dependencies": items(TASK_ID),
    "task_timeout": maybe(SECONDS),
    "current_status": STATUS,
    "reason": maybe(TEXT),
    "next_run_time": {**maybe(TIME), "description": "The next start by the schedule, `task_jitter` included."},
    "last_run": {**maybe(ref("Run")), "description": "The latest finished run."},
    "running": {**items(ref("Run")), "description": "The unfinished runs, oldest first."},
    "consecutive_failures": COUNT,
    "outcomes": {**items(ref("Outcome"), 30), "description": "The last 30 finished runs, oldest first."},
    "median_duration": {**maybe(SECONDS), "description": "Of the successes among the outcomes, in seconds."},
    "run_count": COUNT,
    "version": {**COUNT, "description": "It grows with each change; `since` of /events takes it."},
}
_TIMELINE_RUN = ("run_id", "status", "trigger", "start_time", "end_time", "scheduled_time")
_EVENTS = " ".join(
    (
        "`event: hello` (epoch, version, tasks: how many, server_time) comes first, then, with `since`, newer cards.",
        "`event: task` has a card, `event: removed` a task_id, `event: status` what /status gives (token only),",
        "`event: ping` the server_time, after a second without others.",
        "At most four looks a second: of many changes of one task the last is told.",
    )
)

SCHEMAS: dict[str, Schema] = {
    "Error": {
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "code": {"enum": list(ERRORS)},
                    "message": TEXT,
                    "problems": items(ref("Problem")),
                    "pointer": {**TEXT, "description": "Of a wrong body: where in it (RFC 6901)."},
                    "words": {**WORDS, "description": "Of a wrong body: the message in both languages."},
                    "dependents": {**items(TASK_ID), "description": "Of `has_dependents`: which."},
                },
                "required": ["code", "message", "problems"],
            }
        },
        "required": ["error"],
    },
    "Problem": fields(
        file=TEXT,
        place={**TEXT, "description": "As in `tasks[2] (nightly_backup): task_timeout`."},
        place_words={**WORDS, "description": "The same; a line and a column are told in words."},
        path={**TEXT, "description": 'The field inside its task, as `task_retry.delay`; "" is the whole.'},
        message=TEXT,
        words={**WORDS, "description": "The message in both languages."},
    ),
    "Attempt": fields(**_ATTEMPT),
    "Run": fields(**_RUN),
    "RunDetail": fields(**_RUN, output_tail={**TEXT, "description": "The last 16 KiB of its output."}),
    "RunPage": page_of(ref("Run")),
    "RunId": fields(run_id=RUN_ID),
    "RunOptions": {
        "type": "object",
        "properties": {
            "env": {
                "type": "object",
                "description": "Variables over those of the task, for this run.",
                "propertyNames": TASK.rows["task_env"].type.schema()["propertyNames"],
                "additionalProperties": {"type": "string", "maxLength": 65536, "pattern": "^[^\\u0000]*$"},
                "maxProperties": 1000,
            }
        },
        "additionalProperties": False,
    },
    "Notification": fields(
        delivery_id=RUN_ID,
        message_id={**TEXT, "description": "The same at each try: `Message-ID` of a mail, `X-Minisched-Delivery`."},
        created_time={**TIME, "description": "When the run ended."},
        task_id=TASK_ID,
        rule=TEXT,
        channel={**COUNT, "description": "Its place in the rule, from 0."},
        channel_type={"enum": [*CHANNEL.tables]},
        run_id={**RUN_ID, "description": "The run that it tells of."},
        event={"enum": [NotificationEvent.EVENT.value, NotificationEvent.RECOVERY.value]},
        state={"enum": [word.value for word in DeliveryState]},
        attempts={**COUNT, "description": "Tries that are over."},
        next_time={**maybe(TIME), "description": "Of the next try; null where it waits for the one before it."},
        tried_time={**maybe(TIME), "description": "When the latest try was over."},
        sent_time=maybe(TIME),
        error={**TEXT, "description": "Of the latest try; of a sent mail, whom it was refused for."},
        answer={**TEXT, "description": "What the server or the command said to it, its first 500 bytes."},
    ),
    "NotificationPage": page_of(ref("Notification")),
    "TestOptions": {
        "type": "object",
        "properties": {"rule": {**maybe(TEXT), "description": "The name of a rule, also of one that is not enabled."}},
        "additionalProperties": False,
    },
    "Trial": fields(
        rule=TEXT,
        channel={**COUNT, "description": "Its place in the rule, from 0."},
        channel_type={"enum": [*CHANNEL.tables]},
        state={
            "enum": [word.value for word in SendStatus],
            "description": "`sent`; `retry`: a message of the outbox would be tried again; `failed`: it would not.",
        },
        error=TEXT,
        answer={**TEXT, "description": "What the server or the command said, its first 500 bytes."},
        duration=SECONDS,
    ),
    "Trials": fields(results=items(ref("Trial"))),
    "Outcome": fields(run_id=RUN_ID, status=STATUS, start_time=maybe(TIME), end_time=TIME, duration=maybe(SECONDS)),
    "Card": fields(**_CARD),
    "CardPage": page_of(ref("Card")),
    "Task": {
        **TASK.schema(),
        "description": 'A task as the config file has it. "***" keeps a secret as it is.',
    },
    "TaskPatch": {
        "type": "object",
        "properties": {name: {"anyOf": [row_schema(row), {"type": "null"}]} for name, row in TASK.rows.items()},
        "additionalProperties": False,
    },
    "TaskId": fields(task_id=TASK_ID),
    "TaskDetail": fields(
        card=ref("Card"),
        config={
            **maybe({"type": "object"}),
            "description": 'The task\'s object in the file, secrets as "***"; null where the file is no right config.',
        },
        effective={"type": "object", "description": "All fields in force, durations in seconds, sizes in bytes."},
    ),
    "Empty": {"type": "object", "additionalProperties": False},
    "Validate": {
        "oneOf": [
            {"type": "object", "properties": {name: {}}, "required": [name], "additionalProperties": False}
            for name in ("task", "config")
        ]
    },
    "Validity": fields(valid=FLAG, problems=items(ref("Problem"))),
    "Problems": fields(problems=items(ref("Problem"))),
    "FieldTable": fields(json_schema={"type": "object"}, fields=items({"type": "object"})),
    "LogPage": fields(
        text={**TEXT, "description": "What is not printable is escaped, as in `\\x1b`."},
        offset=CURSOR,
        next_offset=CURSOR,
        rotated={**FLAG, "description": "Another file began in between, or that of the offset is gone."},
        at_end={**FLAG, "description": "There is nothing more for now."},
    ),
    "Timeline": fields(
        **{"from": TIME, "to": TIME, "now": TIME},
        lanes=items(
            fields(
                task_id=TASK_ID,
                task_name=TEXT,
                runs=items(fields(**{name: _RUN[name] for name in _TIMELINE_RUN})),
                due=items(TIME, 50),
                due_truncated={**FLAG, "description": "More of them follow on the last of `due`."},
            )
        ),
        truncated={**FLAG, "description": "There are more runs or due times than are told."},
    ),
    "Preview": fields(times=items(TIME, 50), words=WORDS),
    "Status": fields(
        version=TEXT,
        python=TEXT,
        pid=COUNT,
        home=TEXT,
        started_time=TIME,
        uptime=SECONDS,
        server_time=TIME,
        timezone=TEXT,
        stopping=FLAG,
        counts=fields(**{status.value: COUNT for status in Status}),
        tasks=COUNT,
        disabled=COUNT,
        running={**COUNT, "description": "Processes."},
        max_running=COUNT,
        config=fields(hash=maybe(TEXT), problems=items(ref("Problem"))),
        problems=items(fields(about=TEXT, message=TEXT)),
        disk=fields(free_bytes=maybe(COUNT), total_bytes=maybe(COUNT)),
        history=fields(runs=maybe(COUNT), bytes=COUNT),
        clock=fields(
            sane={**FLAG, "description": "false: the machine has not learnt the time yet."},
            beat_age={**SECONDS, "description": "Seconds since the engine's loop came round last."},
        ),
        outbox=fields(**{state.value: COUNT for state in DeliveryState}),
        listeners=COUNT,
    ),
    "Health": {
        "type": "object",
        "properties": {
            "status": {"enum": ["ok", "degraded"]},
            "reasons": {**TEXTS, "description": "With the token only."},
        },
        "required": ["status"],
        "additionalProperties": False,
    },
    "OpenApi": {"type": "object"},
    "Metrics": TEXT,
    "Events": {**TEXT, "description": _EVENTS},
}
