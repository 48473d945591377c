"""The API as OpenAPI 3.1, made of the routes, and what it takes and gives as JSON Schema 2020-12."""

from __future__ import annotations

import re

from minisched.api.context import STATUSES
from minisched.api.routing import BASE, IDS, OPEN, PUBLIC, READ, ROOT_TOO, TOKEN, EnumParam, routes
from minisched.api.tasks import DROPPED_IN_BRIEF
from minisched.catalogue import ENGLISH, template
from minisched.config.containers import row_schema
from minisched.config.notify_fields import CHANNEL
from minisched.config.task_fields import TASK
from minisched.model import DeliveryState, Status, Trigger
from minisched.model.notification import DELIVERY_FIELDS, NotificationEvent, SendStatus
from minisched.model.run import ATTEMPT_FIELDS, RUN_FIELDS
from minisched.why import NO_RUNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from minisched.api.routing import Answer, Parameter, Route
    from minisched.model.fields import Field

# The errors of the gate, which any request can get, and those of a request with a body.
ALWAYS = (
    "bad_request",
    "forbidden",
    "timeout",
    "uri_too_long",
    "expectation_failed",
    "misdirected",
    "headers_too_large",
    "internal",
    "not_implemented",
    "busy",
    "version_not_supported",
)
WITH_A_BODY = ("length_required", "too_large", "unsupported_media_type")
OTHER_TYPES = {"Metrics": ("text/plain",), "Events": ("text/event-stream",)}
RAW_TYPE = "application/octet-stream"
ETAG = {"ETag": {"description": "Of the answer.", "schema": {"type": "string"}}}

SECURITY: dict[str, list[dict[str, list[str]]]] = {
    OPEN: [],
    TOKEN: [{"token": []}],
    READ: [{"token": []}, {"read_token": []}],
    PUBLIC: [{"token": []}, {"read_token": []}, {}],
}

if TYPE_CHECKING:
    Schema = dict[str, Any]


def noted(schema: Schema, text: str) -> Schema:
    return {**schema, "description": text}


TEXT: Schema = {"type": "string"}
DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
TEXTS: Schema = {"type": "array", "items": TEXT}
ANY_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}  # whose rule depends on the config
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time", "description": "ISO 8601 with an offset."}
SECONDS: Schema = {"type": "number", "minimum": 0, "description": "Seconds."}
STATUS: Schema = {"enum": [status.value for status in Status]}
RUN_STATUS: Schema = {"enum": [status.value for status in Status if status is not Status.IDLE]}
TASK_ID: Schema = {"type": "string", "pattern": f"^{IDS['task_id']}$"}
RUN_ID: Schema = {"type": "integer", "minimum": 1}
WORDS: Schema = {"type": "object", "properties": {"en": TEXT, "zh": TEXT}, "required": ["en", "zh"]}
CURSOR: Schema = {"type": "string", "description": "An offset; its form is no promise."}

ENV: Schema = {
    "type": "object",
    "description": "Variables that override those of the task, for this run.",
    "propertyNames": TASK.rows["task_env"].type.schema()["propertyNames"],
    "additionalProperties": {"type": "string", "maxLength": 65536, "pattern": "^[^\\u0000]*$"},
    "maxProperties": 1000,
}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def items(schema: Schema, most: int = 0) -> Schema:
    return {"type": "array", "items": schema, **({"maxItems": most} if most else {})}


def fields(**properties: Schema) -> Schema:
    """An object of exactly these, all of them always there."""
    return {**options(**properties), "required": [*properties]}


def options(**properties: Schema) -> Schema:
    """An object of any of these."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def at_least(*required: str, **properties: Schema) -> Schema:
    """An object that has the required ones of these always, and may have members that are not listed."""
    return {"type": "object", "properties": properties, "required": [*required]}


def page_of(schema: Schema) -> Schema:
    return fields(items=items(schema), page={**COUNT, "minimum": 1}, page_size=COUNT, total=COUNT)


CODE: Schema = noted(TEXT, "A code of the catalogue. Its values are further properties.")
CODED = at_least("code", code=CODE)
DETAIL: Schema = maybe(CODED)
TYPES: dict[str, Schema] = {  # of `Field.type`
    "text": TEXT,
    "task_id": TASK_ID,
    "id": RUN_ID,
    "reported": RUN_ID,
    "reporter": TASK_ID,
    "count": COUNT,
    "positive": {**COUNT, "minimum": 1},
    "integer": {"type": "integer"},
    "seconds": SECONDS,
    "time": TIME,
    "flag": FLAG,
    "detail": CODED,
    "process": COUNT,
    "channel_type": {"enum": [*CHANNEL.tables]},
}
ENUMS: dict[object, Schema] = {
    Status: RUN_STATUS,
    **{kind: {"enum": [word.value for word in kind]} for kind in (Trigger, DeliveryState, NotificationEvent)},
}


def properties(listed: Sequence[Field]) -> dict[str, Schema]:
    """What `model.fields.as_json` makes of these fields."""
    found = {}
    for field in listed:
        if field.member:
            schema = TYPES[field.type] if isinstance(field.type, str) else ENUMS[field.type]
            schema = maybe(schema) if field.nullable else schema
            found[field.member] = noted(schema, field.text) if field.text else schema
    return found


_DATE: Schema = {"type": "string", "format": "date"}
_LINE_WORDS: Schema = noted(TEXT, "Of the calendar's file for these days; empty if it has none.")
LEFT_OUT: Schema = noted(
    items(fields(**{"from": _DATE, "to": _DATE, "words": _LINE_WORDS, "text": WORDS})),
    "Days on which it would be due without its calendar, but is not, and why.",
)
_RUN = {
    **properties(RUN_FIELDS),
    "last_line": noted(
        maybe(TEXT),
        "Of a failed run: the last line of its output; of one skipped for its dependency: of the failed"
        " run. Null without the token.",
    ),
    "missed_since": noted(maybe(TIME), "Of such a row: the first of its due times."),
    "attempts": items(ref("Attempt")),
}
_SUMMARY = {
    "task_id": TASK_ID,
    "task_name": TEXT,
    "task_description": TEXT,
    "task_tags": TEXTS,
    "enabled": FLAG,
    "task_schedule": TEXTS,
    "task_timezone": TEXT,
    "schedule_words": noted(WORDS, "The schedules in words; for a task without one, what starts it."),
    "task_dependencies": noted(
        items({"anyOf": [TASK_ID, {"type": "object", "required": ["task_id", "on"]}]}),
        "A task id, or `{task_id, on, within}`: `within` in seconds or `ever`, absent if each end counts for one run.",
    ),
    "task_timeout": maybe(SECONDS),
    "task_expect": maybe(fields(duration=maybe(SECONDS), finish_by=maybe(TEXT))),
    "current_status": STATUS,
    "reason": maybe(TEXT),
    "next_run_time": noted(maybe(TIME), "The next start by the schedule, `task_jitter` included."),
    "left_out": noted(LEFT_OUT, "Days up to the next start on which it is not due because of its calendar."),
    "last_run": noted(maybe(ref("Run")), "The latest finished run."),
    "running": noted(items(ref("Run")), "The unfinished runs, oldest first."),
    "slow": noted(items(RUN_ID), "The ids of those that take longer than `task_expect.duration`."),
    "late": noted(
        maybe(fields(day={"type": "string", "format": "date"}, since=TIME)),
        "The due day that had no success by `task_expect.finish_by`, until the next success.",
    ),
    "consecutive_failures": COUNT,
    "outcomes": noted(items(ref("Outcome"), 30), "The last 30 finished runs, oldest first."),
    "median_duration": noted(maybe(SECONDS), "Of the successes among the outcomes, in seconds."),
    "run_count": COUNT,
    "version": noted(COUNT, "It grows with each change; for `since` of /events."),
}
BRIEF_OUTCOME: Schema = {
    "type": "array",
    "items": {"anyOf": [COUNT, RUN_STATUS, maybe(SECONDS)]},
    "minItems": 4,
    "maxItems": 4,
    "description": "Run id, status, start (end if it was never started) in seconds since 1970, duration.",
}
# Of a run in a brief summary: members that are null, 0, false or empty are left out, and the attempts that say no more.
_BRIEF_RUN = at_least("run_id", run_id=RUN_ID, status=RUN_STATUS)
_BRIEF = {
    **{name: schema for name, schema in _SUMMARY.items() if name not in DROPPED_IN_BRIEF},
    "last_run": noted(maybe(_BRIEF_RUN), "As `Run`, without members that are null, 0, false or empty."),
    "running": items(_BRIEF_RUN),
    "outcomes": noted(items(BRIEF_OUTCOME, 3), "The last 3 finished runs, oldest first."),
}
OUTCOMES: Schema = {"type": "object", "additionalProperties": items(BRIEF_OUTCOME, 30)}
_TIMELINE_RUN = ("run_id", "status", "trigger", "start_time", "end_time", "scheduled_time")
_EVENTS = " ".join(
    (
        "`event: hello` (epoch, version, tasks: how many, task_ids: the CRC-32 of their ids, joined by line ends,",
        "server_time) comes first, then, with `since`, newer tasks.",
        "`event: task` has a summary, `event: removed` a task_id, `event: status` what /status gives (token only),",
        "`event: ping` the server_time, after a second without others.",
        "At most four times a second: of many changes of a task the last one is sent.",
    )
)

SCHEMAS: dict[str, Schema] = {
    "Error": at_least(
        "error",
        error=at_least(
            *("code", "message", "words", "problems"),
            code={"enum": [*STATUSES]},
            message=TEXT,
            problems=items(ref("Problem")),
            pointer=noted(TEXT, "For an error in the body: where in it (RFC 6901)."),
            words=noted(WORDS, "The message in both languages."),
            dependents=noted(items(TASK_ID), "For `has_dependents`: the tasks that depend on it."),
        ),
    ),
    "Problem": fields(
        file=TEXT,
        place=noted(TEXT, "As in `tasks[2] (nightly_backup): task_timeout`."),
        place_words=noted(WORDS, "The same in both languages: a line and a column are words."),
        path=noted(TEXT, 'The field inside its task, as `task_retry.delay`; "" is the whole.'),
        message=TEXT,
        words=noted(WORDS, "The message in both languages."),
    ),
    "Attempt": fields(
        **{
            **properties(ATTEMPT_FIELDS),
            "leftover_processes": noted(COUNT, "Processes that it started and that were alive when it had ended."),
            "output_cut": noted(FLAG, "A process that outlived it kept its output open: the rest is lost."),
            "log_lost": noted(FLAG, "Some of its output could not be written to the log."),
        }
    ),
    "Run": fields(**_RUN),
    "RunDetail": fields(**_RUN, output_tail=noted(TEXT, "The last 16 KiB of its output.")),
    "RunPage": page_of(ref("Run")),
    "Backfill": fields(
        due=items(TIME),
        done=noted(COUNT, "Others, which have a success."),
        unfinished=noted(COUNT, "Others, which have a run that has not ended."),
    ),
    "Days": fields(
        days=items(
            fields(
                **{"day": {**TEXT, "format": "date"}, "from": TIME, "to": TIME},
                counts={"type": "object", "additionalProperties": COUNT, "description": "By status, those over 0."},
            )
        )
    ),
    "RunId": {
        **fields(
            run_id=RUN_ID,
            scheduled_time=noted(TIME, "The past time that it runs for; only with `for` and of a rerun."),
            repeats=noted(maybe(RUN_ID), "The run of that time, or the row that says why there was none."),
            in_schedule=noted(FLAG, "The schedule in force has this due time."),
        ),
        "required": ["run_id"],
    },
    "RunOptions": options(
        env=ENV,
        **{
            "for": noted(
                TEXT,
                "A past time to run it for: ISO 8601, without an offset in the time zone of the task. A"
                " local time that came twice is the first; one that was skipped, the first instant after the change.",
            )
        },
    ),
    "RerunOptions": options(env=ENV),
    "EngineProblem": at_least(
        *("key", "since", "message", "words", "code"),
        key=noted(TEXT, "What it is about."),
        since=TIME,
        message=noted(TEXT, "The problem in English."),
        words=noted(WORDS, "The problem in both languages."),
        code=CODE,
    ),
    "Notification": fields(**properties(DELIVERY_FIELDS)),
    "NotificationPage": page_of(ref("Notification")),
    "Resent": fields(resent=COUNT, left=COUNT),
    "TestOptions": options(rule=noted(maybe(TEXT), "The name of a rule, enabled or not.")),
    "Trial": fields(
        rule=TEXT,
        channel=noted(COUNT, "Its place in the rule, from 0."),
        channel_type=TYPES["channel_type"],
        state={
            "enum": [word.value for word in SendStatus],
            "description": "`sent`; `retry`: a real message would be sent again later; `failed`: it would not.",
        },
        error=noted(DETAIL, "Why it was not sent, or not to all. Null for none."),
        answer=noted(TEXT, "The reply of the server or command, its first 500 bytes."),
        duration=SECONDS,
    ),
    "Trials": fields(results=items(ref("Trial"))),
    "Outcome": fields(run_id=RUN_ID, status=RUN_STATUS, start_time=maybe(TIME), end_time=TIME, duration=maybe(SECONDS)),
    "TaskSummary": fields(**_SUMMARY),
    "TaskBrief": fields(**_BRIEF),
    "TaskSummaryPage": {
        **options(
            **page_of({"anyOf": [ref("TaskSummary"), ref("TaskBrief"), TASK_ID]})["properties"],
            outcomes=noted(OUTCOMES, "With `brief`, of up to 60 tasks, by their ids."),
        ),
        "required": ["items", "page", "page_size", "total"],
    },
    "Outcomes": fields(outcomes=OUTCOMES),
    "Task": noted(TASK.schema(), 'A task as the config file has it. "***" keeps a secret as it is.'),
    "TaskPatch": options(**{name: maybe(row_schema(row)) for name, row in TASK.rows.items()}),
    "TasksPatch": {
        **options(
            task_ids=noted(ANY_TEXTS, "Those that do not exist are reported as missing."),
            enabled=FLAG,
            add_tags=ANY_TEXTS,
            remove_tags=noted(ANY_TEXTS, "A tag that is also in `add_tags` is added."),
            delete=noted(FLAG, "True removes the tasks from the config. It excludes the other changes."),
        ),
        "required": ["task_ids"],
        "not": {"properties": {"delete": {"const": True}}, "required": ["delete"], "minProperties": 3},
    },
    "TasksChanged": fields(
        changed=items(TASK_ID),
        unchanged=noted(items(TASK_ID), "They were so already."),
        missing=noted(ANY_TEXTS, "The config has no such task."),
    ),
    "TaskId": fields(task_id=TASK_ID),
    "TaskDetail": fields(
        task=ref("TaskSummary"),
        config=noted(
            maybe({"type": "object"}),
            'The task\'s object in the file, secrets as "***"; null if the file is no valid config.',
        ),
        effective={"type": "object", "description": "All fields in force, durations in seconds, sizes in bytes."},
    ),
    "Empty": {"type": "object", "additionalProperties": False},
    "Validate": {"oneOf": [fields(task={}), fields(config={})]},
    "Validity": fields(valid=FLAG, problems=items(ref("Problem"))),
    "Problems": fields(problems=items(ref("Problem"))),
    "FieldTable": fields(json_schema={"type": "object"}, fields=items({"type": "object"})),
    "LogPage": fields(
        text=noted(TEXT, "Unprintable characters are escaped, as in `\\x1b`."),
        offset=CURSOR,
        next_offset=CURSOR,
        rotated=noted(FLAG, "Another file began in between, or the file of the offset is gone."),
        at_end=noted(FLAG, "There is nothing more for now."),
    ),
    "Timeline": fields(
        **{"from": TIME, "to": TIME, "now": TIME},
        lanes=items(
            fields(
                task_id=TASK_ID,
                task_name=TEXT,
                runs=items(fields(**{name: _RUN[name] for name in _TIMELINE_RUN})),
                due=items(TIME, 50),
                due_truncated=noted(FLAG, "There are more after the last of `due`."),
                left_out=LEFT_OUT,
            )
        ),
        truncated=noted(FLAG, "There are more runs or due times than are listed."),
        runs_since=noted(TIME, "Runs of the span from this time on are listed: `from`, unless too many."),
    ),
    "Agenda": fields(
        **{"from": TIME, "to": TIME},
        items=items(
            fields(
                task_id=TASK_ID,
                time=noted(TIME, "The due time, or the first of several."),
                last=noted(TIME, "The last one, of those that were counted."),
                count=noted(COUNT, "How many due times this entry stands for."),
                more=noted(FLAG, "There are more than were counted."),
            )
        ),
        truncated=noted(FLAG, "There are more entries than are listed."),
    ),
    "TaskDays": fields(
        task_id=TASK_ID,
        days=items(
            fields(
                day={**TEXT, "format": "date"},
                counts={"type": "object", "additionalProperties": COUNT, "description": "By status, those over 0."},
                none=noted(maybe({"enum": list(NO_RUNS)}), "Why there is no run; null if there is one."),
                words=noted(maybe(WORDS), "What a calendar says of the day, or why its runs were not counted."),
            )
        ),
        counted_since=noted(maybe(TIME), "Older runs are not counted, as there are too many; null: all are."),
    ),
    "Preview": fields(times=items(TIME, 50), words=WORDS, left_out=LEFT_OUT),
    "Status": fields(
        version=TEXT,
        python=TEXT,
        pid=COUNT,
        host=noted(TEXT, "Name of the machine."),
        home=TEXT,
        started_time=TIME,
        uptime=SECONDS,
        server_time=TIME,
        timezone=TEXT,
        timezone_source=noted(TEXT, "`settings`, `TZ`, or the file that gave it; empty if none did."),
        stopping=FLAG,
        paused=maybe(ref("PausedSince")),
        counts=fields(**{status.value: COUNT for status in Status}),
        last_downtime=noted(
            maybe(fields(**{"from": TIME, "to": TIME}, missed=COUNT)),
            "The last time in 24 h that no engine ran or the machine slept; `missed`: due times.",
        ),
        failed_24h=noted(COUNT, "Runs of the last 24 h that have failed, up to 1000."),
        tasks=COUNT,
        disabled=COUNT,
        running=noted(COUNT, "Running processes."),
        max_running=COUNT,
        calendars=noted(items(TEXT), "Their names."),
        locks=noted(items(ref("Lock")), "Those that tasks use and those of `settings.locks`, by name."),
        config=fields(
            hash=maybe(TEXT),
            problems=items(ref("Problem")),
            problem_count=noted(COUNT, "Also of those that are left out."),
            warnings=items(ref("Problem")),
        ),
        problems=items(ref("EngineProblem")),
        disk=fields(free_bytes=maybe(COUNT), total_bytes=maybe(COUNT)),
        history=fields(runs=maybe(COUNT), bytes=COUNT),
        clock=fields(
            sane=noted(FLAG, "false: the clock has not been set yet."),
            beat_age=noted(SECONDS, "Seconds since the engine's loop turned last."),
        ),
        outbox=fields(**{state.value: COUNT for state in DeliveryState}),
        listeners=COUNT,
    ),
    "Lock": fields(
        name=TEXT,
        size=noted(COUNT, "How many runs may hold it at once."),
        held_by=noted(items(ref("RunOfTask")), "Oldest first."),
        waiting=noted(items(ref("RunOfTask")), "The first ones, in the order in which they get it."),
        waiting_count=noted(COUNT, "Of all that wait."),
    ),
    "RunOfTask": fields(task_id=TASK_ID, run_id=RUN_ID),
    "Why": fields(
        task_id=TASK_ID,
        **{"from": TIME, "to": TIME},
        findings=items(
            fields(
                time=noted(maybe(TIME), "Of the due time or the run; null: it holds for the whole span."),
                run_id=maybe(RUN_ID),
                detail=noted(CODED, "A code, and its values."),
                words=WORDS,
            )
        ),
    ),
    "PausedSince": fields(
        since=maybe(TIME),
        source={"enum": ["api", "cli", "file", "stopped"], "description": "`stopped`: while no engine ran."},
        by=noted(TEXT, "The user and the address of the requester, as far as they are known."),
    ),
    "Pause": fields(
        paused=maybe(ref("PausedSince")),
        unfinished=noted(COUNT, "Runs that have begun and are finished all the same."),
        changed=noted(FLAG, "false: it was so already."),
    ),
    "Health": {
        **options(
            status={"enum": ["ok", "degraded"]},
            reasons=noted(items(ref("HealthReason")), "With the token only."),
        ),
        "required": ["status"],
    },
    "HealthReason": at_least(
        *("key", "message", "code"),
        key=noted(TEXT, "What it is about."),
        message=noted(TEXT, "The reason in English."),
        code=CODE,
    ),
    "Proof": fields(proof=DIGEST, read_proof=DIGEST),
    "OpenApi": {"type": "object"},
    "Metrics": TEXT,
    "Events": noted(TEXT, _EVENTS),
}


def document(version: str) -> dict[str, Any]:
    """The whole description. version: of minisched."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes():
        paths.setdefault(BASE + route.path, {})[route.method.lower()] = _operation(route)
        if route.path in ROOT_TOO:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, "_at_root")
    return {
        "openapi": "3.1.0",
        "info": {"title": "minisched", "version": version, "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The text in `var/token` of the home."},
                "read_token": {"type": "http", "scheme": "bearer", "description": "The text in `var/token.read`."},
            },
        },
    }


def _operation(route: Route, suffix: str = "") -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}{suffix}",
        "summary": route.summary,
        "security": SECURITY[route.access],
        "parameters": [
            *(_path_parameter(name) for name in re.findall(r"\{(\w+)\}", route.path)),
            *(_query_parameter(parameter) for parameter in route.query),
            *_header_parameters(route),
        ],
        "responses": responses(route),
    }
    if route.body is not None:
        content = {"application/json": {"schema": ref(route.body.schema)}}
        operation["requestBody"] = {"required": route.body.required, "content": content}
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": f"^{IDS[name]}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    schema = parameter.kind.schema()
    described: dict[str, Any] = {"name": parameter.name, "in": "query", "description": parameter.help, "schema": schema}
    if isinstance(parameter.kind, EnumParam):
        described.update(style="form", explode=False)
    if parameter.many:
        described["schema"] = {"type": "array", "items": schema, "minItems": 1}
    if parameter.required:
        described["required"] = True
    elif parameter.default not in (None, (), False):
        schema["default"] = parameter.default
    return described


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    """The conditional headers, by the answers and errors of the route."""
    names = []
    if any(answer.status == 304 for answer in route.answers):
        names.append(("If-None-Match", "A known `ETag`: 304 if it is still right."))
    if "stale" in route.errors:
        names.append(("If-Match", "The `ETag` of what was read: 412 if the config file has changed since."))
    return [{"name": name, "in": "header", "description": text, "schema": {"type": "string"}} for name, text in names]


def meaning(code: str) -> str:
    return template(f"api.{code}", ENGLISH)


def codes(route: Route) -> list[str]:
    """All errors that a route can answer with."""
    found = [*ALWAYS, *(() if route.access == OPEN else ("unauthorized",)), *route.errors]
    if route.body is not None:
        found += WITH_A_BODY
    return [code for code in STATUSES if code in found]


def responses(route: Route) -> dict[str, Any]:
    """By status; several errors of one status share a description."""
    described = {str(answer.status): _answer(route, answer) for answer in route.answers}
    meanings: dict[str, list[str]] = {}
    for code in codes(route):
        meanings.setdefault(str(STATUSES[code]), []).append(f"`{code}`: {meaning(code)}")
    for status, texts in sorted(meanings.items()):
        error = {"description": " ".join(texts), "content": {"application/json": {"schema": ref("Error")}}}
        if status in described:  # /healthz: 503 is an answer of its own
            schemas = [described[status]["content"]["application/json"]["schema"], ref("Error")]
            error = {**described[status], "content": {"application/json": {"schema": {"anyOf": schemas}}}}
        if status == "401":
            error["headers"] = {"WWW-Authenticate": {"schema": {"const": "Bearer"}}}
        described[status] = error
    return described


def _answer(route: Route, answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.meaning}
    if answer.schema:
        types = OTHER_TYPES.get(answer.schema, ("application/json",))
        described["content"] = {kind: {"schema": ref(answer.schema)} for kind in types}
        if any(parameter.name == "raw" for parameter in route.query):
            described["content"][RAW_TYPE] = {"schema": {"type": "string"}}
        if any(parameter.name == "format" for parameter in route.query):
            described["content"]["text/csv"] = {"schema": {"type": "string"}}
    if (_header_parameters(route) and route.method != "DELETE") or answer.schema == "TaskDetail":
        described["headers"] = dict(ETAG)
    if answer.status == 201:
        described["headers"]["Location"] = {"description": "The address of the task.", "schema": {"type": "string"}}
    return described
