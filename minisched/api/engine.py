"""The engine as a whole: status, health, metrics; its notifications; this API's own description."""

from __future__ import annotations

import os
import socket
import sys
from functools import lru_cache

from minisched.api.context import (
    ApiError,
    RequestContext,
    Response,
    bad_body,
    current_status,
    in_both,
    json_response,
    page_json,
    problem_json,
    to_json,
)
from minisched.api.routing import EMPTY, OPEN, PAGES, READ, TASK, Answer, Body, EnumParam, Parameter, StrParam, route
from minisched.api.token import prove
from minisched.catalogue import TextError
from minisched.clock import SANE_SINCE
from minisched.config import ConfigError, config_hash, read_config
from minisched.config.problems import count_problems, limited
from minisched.model import DeliveryState, EngineProblem, ResendDelivery, ResendFailed, Status, StoreError, Text, iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo
    from typing import Any, Optional

    from minisched.api.context import AppContext
    from minisched.model import EngineSnapshot, LockSnapshot
    from minisched.store.reader import TaskTotals

DAY_S = 24 * 3600
MAX_FAILED = 1000  # failed runs of a day that are counted
MAX_RESENT = 500  # messages at once: one transaction of the engine, about 10 ms
MAX_WARNINGS = 20  # shown on the page; `validate` and the engine's log have more
NONCE = StrParam(pattern="[0-9a-f]{64}", rule=Text("api.rule.nonce"))
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Name, help, and the field of TaskTotals.
TASK_METRICS = (
    ("task_consecutive_failures", "Consecutive failures.", "consecutive_failures"),
    ("task_last_success_time_seconds", "End of the latest success, since 1970.", "last_success_time"),
    ("task_history_runs", "Runs in the history.", "run_count"),
    ("task_last_end_time_seconds", "End of the latest finished run, since 1970.", "last_end_time"),
    ("task_last_duration_seconds", "Duration of the latest finished run.", "last_duration"),
)
if TYPE_CHECKING:
    Samples = list[tuple[dict[str, str], Any]]


# -------------------------------------------------------------------------------------------------------------- status


@route(
    "GET",
    "/status",
    "Get the state of the engine: version, load, counts, problems, disk, clock.",
    Answer(200, "Status", "The engine as it is now."),
    errors=("unavailable",),
)
def status(context: RequestContext) -> Response:
    return json_response(200, status_json(context.app))


def status_json(app: AppContext) -> dict[str, Any]:
    """Does not fail if the history does: that is one of the problems."""
    engine, tasks, now, zone = app.snapshot.engine, app.snapshot.tasks, app.wall(), app.zone
    problems = [_problem_json(key, one, zone) for key, one in engine.problems.items()]
    counts = {status.value: 0 for status in Status}
    runs: Optional[int] = None
    failed, downtime = 0, None
    try:
        found = app.statuses.counts(app.snapshot, app.history())
        counts = {status.value: count for status, count in found.items()}
        runs = app.history().page(page_size=1)[1]
        failed = app.history().failed_since(now - DAY_S, MAX_FAILED)
        downtime = app.history().last_downtime(now - DAY_S)
    except StoreError as error:
        app.report_unreadable(error)
        if "history" not in engine.problems:
            problems.append(_problem_json("history", EngineProblem(error.text, now), zone))
    return {
        "version": app.version,
        "python": sys.version.split()[0],
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "home": app.home.path,
        "started_time": iso(engine.started, zone),
        "uptime": max(0.0, now - engine.started),
        "server_time": iso(now, zone),
        "timezone": engine.config.settings.timezone,
        "timezone_source": engine.config.settings.timezone_source,
        "stopping": engine.stopping,
        "paused": paused_json(app),
        "last_downtime": downtime
        and {"from": iso(downtime.since, zone), "to": iso(downtime.until, zone), "missed": downtime.missed},
        "counts": counts,
        "failed_24h": failed,
        "tasks": len(tasks),
        "disabled": sum(not view.task.enabled for view in tasks.values()),
        "running": engine.running,
        "max_running": engine.config.settings.max_running,
        "calendars": sorted(engine.config.settings.calendars),
        "locks": [_lock_json(one) for one in engine.locks],
        "config": {
            "hash": file_hash(app),
            "problems": [problem_json(problem) for problem in engine.config_problems],
            "problem_count": count_problems(engine.config_problems),
            "warnings": [problem_json(one) for one in limited(app.lint.warnings(engine.config), MAX_WARNINGS)],
        },
        "problems": problems,
        "disk": disk(app.home.path),
        "history": {"runs": runs, "bytes": history_bytes(app.home.database)},
        "clock": {"sane": now >= SANE_SINCE, "beat_age": app.beat_age_s},
        "outbox": engine.outbox._asdict(),
        "listeners": len(app.listeners),
    }


def paused_json(app: AppContext) -> Optional[dict[str, Any]]:
    """Since when the engine is paused and by whom; None: it is not."""
    if not app.snapshot.engine.config.settings.paused:
        return None
    try:
        last = app.history().last_pause()
    except StoreError:
        last = None
    origin = {"source": "file", "by": ""} if last is None else last.origin._asdict()
    return {"since": None if last is None else iso(last.time, app.zone), **origin}


def _problem_json(key: str, problem: EngineProblem, zone: tzinfo) -> dict[str, Any]:
    text = problem.text
    return {
        "key": key,
        "since": iso(problem.since, zone),
        "message": str(text),
        "words": in_both(text),
        **text.as_json(),
    }


def _lock_json(lock: LockSnapshot) -> dict[str, Any]:
    runs = {
        member: [{"task_id": task_id, "run_id": run_id} for task_id, run_id in found]
        for member, found in (("held_by", lock.held_by), ("waiting", lock.waiting))
    }
    return {"name": lock.name, "size": lock.size, **runs, "waiting_count": lock.waiting_count}


def file_hash(app: AppContext) -> Optional[str]:
    """Of the config file as it is on disk, in force or not."""
    return _file_hash(app.home.config, app.config_stamp())


@lru_cache(maxsize=2)
def _file_hash(path: str, stamp: object) -> Optional[str]:
    try:
        return config_hash(read_config(path))
    except ConfigError:
        return None


def disk(home: str) -> dict[str, Optional[int]]:
    try:
        found = os.statvfs(home)
    except OSError:
        return {"free_bytes": None, "total_bytes": None}
    return {"free_bytes": found.f_bavail * found.f_frsize, "total_bytes": found.f_blocks * found.f_frsize}


def history_bytes(database: str) -> int:
    total = 0
    for path in (database, f"{database}-wal"):
        try:
            total += os.stat(path).st_size
        except OSError:
            pass  # not made yet
    return total


@route(
    "GET",
    "/healthz",
    "Check the health; the reasons need the token.",
    Answer(200, "Health", "The engine is healthy."),
    Answer(503, "Health", "The engine has a problem."),
    access=OPEN,
)
def healthz(context: RequestContext) -> Response:
    reasons = health_problems(context.app)
    health: dict[str, Any] = {"status": "degraded" if reasons else "ok"}
    if context.full:
        health["reasons"] = [{"key": key, "message": str(text), **text.as_json()} for key, text in reasons]
    return json_response(503 if reasons else 200, health)


@route(
    "GET",
    "/proof",
    "Prove that this server knows the token, before a client sends it: any other program could have taken the port.",
    Answer(200, "Proof", "HMAC-SHA256, keyed with each of the tokens, of the nonce followed by the host."),
    access=OPEN,
    query=(
        Parameter("nonce", NONCE, "64 random hex digits, in lower case, new for each request.", required=True),
        Parameter("host", StrParam(), "The host that the client connects to; `Host` of the request by default."),
    ),
    errors=("not_found",),
)
def proof(context: RequestContext) -> Response:
    """A host that is not ours gets none: whoever serves that one could pass it on as his own."""
    host = (context.query["host"] or context.request.headers["host"]).lower()
    if host not in context.app.gate.hosts:
        raise ApiError("not_found", Text("api.no_host", host=host))
    gate, nonce = context.app.gate, context.query["nonce"]
    return json_response(
        200, {"proof": prove(gate.token, nonce, host), "read_proof": prove(gate.read_token, nonce, host)}
    )


def health_problems(app: AppContext) -> list[tuple[str, Text]]:
    """Why the engine is not healthy, as (key, problem), without asking the disk."""
    engine = app.snapshot.engine
    reasons = [(key, one.text) for key, one in engine.problems.items()]
    hangs = app.hangs()
    if hangs is not None:
        reasons.append(("engine", hangs))
    if engine.stopping:
        reasons.append(("engine", Text("engine.stopping")))
    return reasons


# ------------------------------------------------------------------------------------------------------------- metrics


@route(
    "GET",
    "/metrics",
    "Get the engine and every task as metrics for Prometheus, text format 0.0.4.",
    Answer(200, "Metrics", "The metrics."),
    access=READ,
    errors=("unavailable",),
    costly=True,
)
def metrics(context: RequestContext) -> Response:
    return Response(200, "".join(_metrics(context.app)).encode(), METRICS_TYPE)


def _metrics(app: AppContext) -> Iterator[str]:
    engine, views = app.snapshot.engine, list(app.snapshot.tasks.values())
    versions = {"version": app.version, "python": sys.version.split()[0]}
    problems: Samples = [({"about": key}, 1) for key in engine.problems]
    outbox: Samples = [({"state": state}, count) for state, count in engine.outbox._asdict().items()]
    yield _metric("info", "Versions.", [(versions, 1)])
    yield _metric("start_time_seconds", "When the engine started, since 1970.", engine.started)
    yield _metric("healthy", "1, or 0 while /healthz is degraded.", int(not health_problems(app)))
    yield _metric("beat_age_seconds", "Time since the engine's loop turned last.", app.beat_age_s)
    yield _metric("paused", "1 while the engine is paused.", int(engine.config.settings.paused))
    yield _metric("stopping", "1 while the engine is stopping.", int(engine.stopping))
    yield _metric(
        "config_problems", "Problems in a config file that was refused.", count_problems(engine.config_problems)
    )
    yield _metric("problem", "Current problems of the engine.", problems)
    yield _metric("running_processes", "Processes of tasks.", engine.running)
    yield _metric("max_running", "Most processes of tasks at a time.", engine.config.settings.max_running)
    if engine.locks:
        yield _metric("lock_size", "Most runs that hold the lock at a time.", _of_locks(engine, lambda one: one.size))
        yield _metric("lock_held", "Runs that hold the lock.", _of_locks(engine, lambda one: len(one.held_by)))
        yield _metric("lock_waiting", "Runs that wait for the lock.", _of_locks(engine, lambda one: one.waiting_count))
    yield _metric("notifications", "Messages in the outbox by their state.", outbox)
    yield _metric("listeners", "Listeners to /events.", len(app.listeners))
    yield _metric("history_bytes", "Size of the history's files.", history_bytes(app.home.database))
    yield _metric("disk_free_bytes", "Free space on the home's disk.", disk(app.home.path)["free_bytes"])
    yield _metric("memory_bytes", "Resident memory of the engine.", _memory())
    totals: Mapping[str, TaskTotals] = {}
    counts: Samples = []
    try:
        totals = app.history().totals()
        found = [totals.get(view.task.task_id) for view in views]
        statuses = [current_status(view, (one and one.last_status) or Status.IDLE) for view, one in zip(views, found)]
        counts = [({"status": status.value}, statuses.count(status)) for status in Status]
    except StoreError as error:
        # `problem` and `healthy` report it; the metrics below that need no history are still given.
        app.report_unreadable(error)
    yield _metric("tasks", "Tasks by their current status.", counts)
    yield _metric("tasks_disabled", "Disabled tasks.", sum(not view.task.enabled for view in views))
    expecting = [view for view in views if view.task.task_expect]
    if expecting:
        late: Samples = [({"task_id": view.task.task_id}, int(view.late is not None)) for view in expecting]
        yield _metric("task_late", "1 if a due day had no success by task_expect.finish_by.", late)
        slow: Samples = [({"task_id": view.task.task_id}, len(view.slow)) for view in expecting]
        yield _metric("task_slow_runs", "Runs that take longer than task_expect.duration.", slow)
    due: Samples = [({"task_id": view.task.task_id}, view.next_start) for view in views]
    yield _metric("task_next_start_time_seconds", "The next start by the schedule, since 1970.", due)
    for name, text, field in TASK_METRICS:
        samples: Samples = [
            ({"task_id": view.task.task_id}, getattr(totals.get(view.task.task_id), field, None)) for view in views
        ]
        yield _metric(name, text, samples)


def _of_locks(engine: EngineSnapshot, value: Callable[[LockSnapshot], int]) -> Samples:
    return [({"lock": one.name}, value(one)) for one in engine.locks]


def _metric(name: str, text: str, value: Any) -> str:
    """A gauge with one value or with samples; those without a value are left out."""
    lines = [f"# HELP minisched_{name} {text}\n# TYPE minisched_{name} gauge\n"]
    for labels, each in value if isinstance(value, list) else [({}, value)]:
        if each is not None:
            shown = ",".join(f'{label}="{_escaped(one)}"' for label, one in labels.items())
            lines.append(f"minisched_{name}{{{shown}}} {each}\n" if shown else f"minisched_{name} {each}\n")
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _memory() -> Any:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None  # not Linux


# ------------------------------------------------------------------------------------------------------- notifications


@route(
    "GET",
    "/notifications",
    "List the outbox: one entry for each message to a channel, newest first.",
    Answer(200, "NotificationPage", "The messages."),
    query=(*PAGES, Parameter("state", EnumParam(DeliveryState), "Only messages in one of these states.", ()), TASK),
    errors=("unavailable",),
)
def list_notifications(context: RequestContext) -> Response:
    wanted = context.query
    found, total = context.app.history().deliveries(
        wanted["state"], wanted["page"], wanted["page_size"], wanted["task"]
    )
    items = [to_json(one.as_json(context.app.zone_of(one.task_id))) for one in found]
    return Response(200, page_json(items, wanted["page"], wanted["page_size"], total))


@route(
    "GET",
    "/notifications/{delivery_id}",
    "Get a message of the outbox.",
    Answer(200, "Notification", "The message."),
    errors=("not_found", "unavailable"),
)
def read_notification(context: RequestContext, delivery_id: int, status: int = 200) -> Response:
    found = context.app.history().delivery(delivery_id)
    if found is None:
        raise ApiError("not_found", Text("api.no_message", message=delivery_id))
    return json_response(status, found.as_json(context.app.zone_of(found.task_id)))


@route(
    "POST",
    "/notifications/{delivery_id}/resend",
    "Send a message again that was sent or has failed.",
    Answer(202, "Notification", "It is pending again; its number and `message_id` stay."),
    body=EMPTY,
    errors=("not_found", "pending", "busy", "stopping", "unavailable"),
)
def resend(context: RequestContext, delivery_id: int) -> Response:
    """It has all its attempts again, and keeps its place in the order of its channel."""
    context.app.send_command(lambda reply_to: ResendDelivery(reply_to, delivery_id, context.by))
    return read_notification(context, delivery_id, 202)


@route(
    "POST",
    "/notifications/resend",
    "Send the messages again that have failed.",
    Answer(202, "Resent", f"They are pending again, the oldest {MAX_RESENT} of them."),
    body=EMPTY,
    errors=("busy", "stopping", "unavailable"),
)
def resend_failed(context: RequestContext) -> Response:
    """As `POST /notifications/{delivery_id}/resend` for each of them. `left` counts those that need a further call."""
    reply = context.app.send_command(lambda reply_to: ResendFailed(reply_to, MAX_RESENT, context.by))
    return json_response(202, {"resent": reply.resent, "left": reply.left})


@route(
    "POST",
    "/tasks/{task_id}/notify-test",
    "Send a test message through each channel of a rule, or of all rules of the task that are enabled.",
    Answer(200, "Trials", "The result of each channel; one that does not answer is waited for 35 s."),
    body=Body("TestOptions", False, ("rule",)),
    errors=("not_found", "unavailable"),
)
def notify_test(context: RequestContext, task_id: str) -> Response:
    """Nothing of it is counted or kept: the rules in force are used, not the history."""
    from minisched.notify.notify_test import select_rules, try_channels  # few need it

    app, task = context.app, context.app.task(task_id).task
    rule = context.body.get("rule")
    if rule is not None and not isinstance(rule, str):
        raise bad_body(Text("api.body.rule"), "rule")
    try:
        rules = select_rules(task, rule)
    except TextError as error:
        raise ApiError("not_found", error.text) from None
    results = try_channels(app.snapshot.engine.config, task, rules, app.home.path, os.environ)
    for one in results:
        app.log.info(Text("log.tested", task=task_id, by=context.by, result=str(one)))
    return json_response(200, {"results": [one.as_json() for one in results]})


# ------------------------------------------------------------------------------------------------------------- OpenAPI


@route(
    "GET",
    "/openapi.json",
    "Get the description of this API, as OpenAPI 3.1.",
    Answer(200, "OpenApi", "The document."),
)
def openapi(context: RequestContext) -> Response:
    from minisched.api.openapi import document  # its schemas take memory that few need

    return json_response(200, document(context.app.version))
