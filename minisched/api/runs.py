"""Runs: the history, one run, to start and to stop one; what a schedule text means."""

from __future__ import annotations

import io

from minisched.api.context import ApiError, RequestContext, Response, bad_body, json_response, page_json, to_json
from minisched.api.routing import EMPTY, PUBLIC, RUNS, TASK, Answer, Body, IntParam, Parameter, StrParam, route
from minisched.api.tasks import left_out_json, run_json, schedule_words
from minisched.catalogue import LANGUAGES, detail_text
from minisched.config.problems import ParseContext, ValidationError, expected, is_but, show
from minisched.config.task_fields import TASK_ENV_NAME
from minisched.model import (
    CALENDAR_DAYS,
    CalendarRule,
    FieldError,
    RunTask,
    Status,
    StopRun,
    TaskExecution,
    Text,
    TextError,
    iso,
)
from minisched.model.text import visible_bytes
from minisched.timetable import (
    ScheduleError,
    ZoneError,
    load_zone,
    next_fires,
    next_of,
    parse_past_due,
    parse_schedule,
    schedules_of,
)
from minisched.timetable.working_days import left_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Optional

    from minisched.api.context import AppContext
    from minisched.model import Task

MAX_VARIABLES = 1000
DAYS = StrParam(pattern="|".join(CALENDAR_DAYS), rule=Text("api.rule.words", words=list(CALENDAR_DAYS)))
READ_AT_ONCE = 200  # runs
MAX_SEARCHED = 5000  # runs that a search reads: 0.2 s
MAX_CSV_RUNS = 10_000
OF_NEWEST = f"of the newest {MAX_SEARCHED}"
SEARCHED = "the name of the task, the reason or the last line of output"
CSV_FORMAT = StrParam(pattern="csv", rule=Text("api.rule.csv"))
CSV_TYPE = "text/csv; charset=utf-8"
CSV_COLUMNS = (
    *("run_id", "task_id", "trigger", "status", "reason", "reason_text", "last_line", "scheduled_time", "start_time"),
    *("end_time", "duration", "exit_code", "attempt", "max_attempts", "missed_count"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a formula of a spreadsheet begins with

RUN_PAGE = Answer(200, "RunPage", "Runs, newest first.")


@route(
    "GET",
    "/tasks/{task_id}/history",
    "List the runs of a task, newest first.",
    RUN_PAGE,
    access=PUBLIC,
    query=RUNS,
    errors=("not_found", "unavailable"),
)
def list_of_task(context: RequestContext, task_id: str) -> Response:
    return _page(context, context.app.task(task_id).task.task_id)


@route(
    "GET",
    "/executions",
    "List the runs of all tasks, newest first.",
    RUN_PAGE,
    access=PUBLIC,
    query=(
        *RUNS,
        TASK,
        Parameter("tag", StrParam(max_characters=64), f"Only of tasks with this tag, {OF_NEWEST}."),
        Parameter("q", StrParam(max_characters=200), f"Only runs with this text in {SEARCHED}, {OF_NEWEST}."),
        Parameter("format", CSV_FORMAT, f"`csv`: a table for spreadsheets, of at most {MAX_CSV_RUNS} runs."),
    ),
    errors=("unavailable", "busy"),
)
def list_of_all(context: RequestContext) -> Response:
    wanted = context.query
    if not (wanted["tag"] or wanted["q"] or wanted["format"]):
        return _page(context, wanted["task"])
    with context.app.turns.take(context.full):
        found = _matching(context)
        if wanted["format"]:
            return _csv(context, found)
        size = wanted["page_size"]
        shown = found[(wanted["page"] - 1) * size :][:size]
        items = [to_json(_json(context, run, lines)) for run, lines in shown]
        return Response(200, page_json(items, wanted["page"], size, len(found)))


def _selected(query: Mapping[str, Any], task_id: Optional[str]) -> dict[str, Any]:
    """What of a query the history can select by."""
    times = {name: query[name] for name in ("since", "until")}
    return {"task_id": task_id, "statuses": query["status"], "triggers": query["trigger"], **times}


def _matching(context: RequestContext) -> list[tuple[TaskExecution, Mapping[int, str]]]:
    """The runs with the tag and the text of the query, newest first, each with its last line of output if it is needed:
    the history has no index for these, so a limited number of runs is read."""
    tag, text, table = context.query["tag"], context.query["q"], context.query["format"]
    tasks = context.app.snapshot.tasks
    tagged = {task_id for task_id, view in tasks.items() if tag in view.task.task_tags} if tag else None
    selected = _selected(context.query, context.query["task"])
    if text and not selected["statuses"]:
        selected["statuses"] = tuple(status for status in Status if status not in (Status.IDLE, Status.SUCCESS))
    found: list[tuple[TaskExecution, Mapping[int, str]]] = []
    history, page, last = context.app.history(), 1, False
    while not last:
        runs, total = history.page(**selected, page=page, page_size=READ_AT_ONCE)
        last = page * READ_AT_ONCE >= min(total, MAX_CSV_RUNS if table and not text else MAX_SEARCHED)
        runs = [run for run in runs if tagged is None or run.task_id in tagged]
        lines = history.last_lines(runs) if context.full and (text or table) else {}
        found += [(run, lines) for run in runs if not text or text.casefold() in _reason_text(run, lines, context)]
        page += 1
    return found


def _reason_text(run: TaskExecution, lines: Mapping[int, str], context: RequestContext) -> str:
    """What a search looks into, without case."""
    view = context.app.snapshot.tasks.get(run.task_id)
    parts = [run.task_id, view.task.task_name if view else "", run.reason or ""]
    if context.full:
        details = [run.detail, *(attempt.detail for attempt in run.attempts)]
        parts += [detail_text(detail, language) for detail in details for language in LANGUAGES]
        parts.append(lines.get(run.run_id, ""))
    return "\n".join(parts).casefold()


def _csv(context: RequestContext, found: Sequence[tuple[TaskExecution, Mapping[int, str]]]) -> Response:
    import csv  # few need it

    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\r\n")  # RFC 4180
    writer.writerow(CSV_COLUMNS)
    for run, lines in found:
        shown = _json(context, run, lines)
        shown["reason_text"] = detail_text(run.detail) if context.full else ""
        writer.writerow([_cell(shown[name]) for name in CSV_COLUMNS])
    headers = (("Content-Disposition", 'attachment; filename="runs.csv"'),)
    return Response(200, table.getvalue().encode("utf-8-sig", "backslashreplace"), CSV_TYPE, headers)


def _cell(value: Any) -> str:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in FORMULA and not isinstance(value, (int, float)) else text


@route(
    "GET",
    "/executions/days",
    "Count the runs of each of the last days, by status.",
    Answer(200, "Days", "The days, oldest first, in the time zone of the engine."),
    access=PUBLIC,
    query=(Parameter("days", IntParam(1, 31), "How many days, today included.", 14), TASK),
    errors=("unavailable",),
)
def count_days(context: RequestContext) -> Response:
    app, zone = context.app, context.app.zone
    days, starts = app.last_days(context.query["days"], zone)
    found = app.history().count_spans(starts, context.query["task"])
    items = [
        {"day": day.isoformat(), "from": iso(start, zone), "to": iso(end, zone), "counts": counts}
        for day, start, end, counts in zip(days, starts, starts[1:], found)
    ]
    return json_response(200, {"days": items})


def _page(context: RequestContext, task_id: Optional[str]) -> Response:
    wanted = context.query
    size = wanted["page_size"]
    runs, total = context.app.history().page(**_selected(wanted, task_id), page=wanted["page"], page_size=size)
    lines = context.app.history().last_lines(runs) if context.full else {}
    items = [to_json(_json(context, run, lines)) for run in runs]
    return Response(200, page_json(items, wanted["page"], size, total))


def _json(
    context: RequestContext, run: TaskExecution, last_lines: Optional[Mapping[int, str]] = None
) -> dict[str, Any]:
    if last_lines is None:
        last_lines = context.app.history().last_lines([run])
    return run_json(run, context.app.zone_of(run.task_id), context.full, last_lines)


@route(
    "GET",
    "/executions/{run_id}",
    "Get a run with its attempts and the end of its output.",
    Answer(200, "RunDetail", "The run."),
    errors=("not_found", "unavailable"),
)
def read(context: RequestContext, run_id: int) -> Response:
    run = existing_run(context.app, run_id)
    tail = context.app.history().tail(run_id)
    return json_response(200, {**_json(context, run), "output_tail": visible_bytes(tail)})


def existing_run(app: AppContext, run_id: int) -> TaskExecution:
    """Raises ApiError."""
    run = app.history().run(run_id)
    if run is None:
        raise ApiError("not_found", Text("api.no_run", run=run_id))
    return run


@route(
    "POST",
    "/tasks/{task_id}/run",
    "Start a task.",
    Answer(202, "RunId", "The run's row is in the history."),
    body=Body("RunOptions", False, ("env", "for")),
    errors=("not_found", "busy", "stopping", "unavailable", "disk_full"),
)
def start(context: RequestContext, task_id: str) -> Response:
    """The run is independent of the schedule, and possible for a disabled task; `env` overrides the task's own.

    With `for` it makes up for a due time of the past: its trigger is `backfill`, its `scheduled_time` and the script's
    MINISCHED_SCHEDULED_TIME are that time. A time that is no due time of the schedule in force is taken too, since
    schedules change; `in_schedule` is false then."""
    task = context.app.task(task_id).task
    if "for" in context.body:
        zone, text = load_zone(task.task_timezone), context.body["for"]
        try:
            if not isinstance(text, str):
                raise TextError(Text("schedules.time", text=to_json(text)[:100].decode()))
            due = parse_past_due(text, zone, context.app.wall())
        except TextError as error:
            raise bad_body(error.text, "for") from None
        return _make_up(context, task, due, context.app.history().run_for(task_id, due))
    env = _env(context.body.get("env", {}))
    reply = context.app.send_command(lambda reply_to: RunTask(reply_to, task_id, env, context.by))
    return json_response(202, {"run_id": reply.run_id})


@route(
    "POST",
    "/executions/{run_id}/rerun",
    "Run a task again for the due time of a run.",
    Answer(202, "RunId", "The row of the new run is in the history."),
    body=Body("RerunOptions", False, ("env",)),
    errors=("not_found", "busy", "stopping", "unavailable", "disk_full"),
)
def rerun(context: RequestContext, run_id: int) -> Response:
    """As `POST /tasks/{task_id}/run` with `for`; `repeats` of the new run is this one. A run that no schedule made due
    is repeated for the time at which it was requested, as its script saw it in MINISCHED_SCHEDULED_TIME. The `env` of a
    manual run is not kept after its end, as it may hold secrets: give it again."""
    run = existing_run(context.app, run_id)
    due = int(run.created_time) if run.scheduled_time is None else run.scheduled_time
    return _make_up(context, context.app.task(run.task_id).task, due, run_id)


def _make_up(context: RequestContext, task: Task, due: int, repeats: Optional[int]) -> Response:
    env, zone = _env(context.body.get("env", {})), load_zone(task.task_timezone)
    reply = context.app.send_command(
        lambda reply_to: RunTask(reply_to, task.task_id, env, context.by, due=due, repeats=repeats)
    )
    in_schedule = bool(task.task_schedule) and next_of(schedules_of(task), due - 1, zone) == due
    found = {"scheduled_time": iso(due, zone), "repeats": repeats, "in_schedule": in_schedule}
    return json_response(202, {"run_id": reply.run_id, **found})


def _env(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_VARIABLES:
        raise bad_body(Text("api.body.env", max=MAX_VARIABLES), "env")
    for name, text in value.items():
        try:
            TASK_ENV_NAME.read(name, ParseContext(), None)
        except ValidationError:
            raise bad_body(expected(TASK_ENV_NAME.rule), "env", name) from None
        if not isinstance(text, str):
            raise bad_body(Text("api.body.text"), "env", name)
    return value


@route(
    "POST",
    "/executions/{run_id}/stop",
    "Stop a waiting, queued, retrying or running run.",
    Answer(202, "Run", "Stop requested; the run ends when its processes have exited."),
    body=EMPTY,
    errors=("not_found", "ended", "foreign", "busy", "stopping", "unavailable"),
)
def stop(context: RequestContext, run_id: int) -> Response:
    """A run without a process ends at once; otherwise its process group gets TERM, and KILL after its grace period."""
    run = existing_run(context.app, run_id)
    if run.status.ended:
        raise ApiError("ended", Text("api.run_ended", run=run_id, status=run.status.value))
    context.app.send_command(lambda reply_to: StopRun(reply_to, run_id, context.by))
    return json_response(202, _json(context, context.app.history().run(run_id) or run))


# ------------------------------------------------------------------------------------------------------------- preview


@route(
    "GET",
    "/preview",
    "Get the next due times of schedule texts, and the texts in words.",
    Answer(200, "Preview", "The times, at most `count` of them."),
    query=(
        Parameter("schedule", StrParam(), "A schedule text; several are due when any of them is.", (), True, True),
        Parameter("timezone", StrParam(max_characters=160), "An IANA time zone name; without it the engine's."),
        Parameter("calendar", StrParam(max_characters=64), "A calendar of the config: due only on days of it."),
        Parameter("days", DAYS, "Which days of the calendar.", "working"),
        Parameter("task_id", StrParam(max_characters=64), "The task, from whose id `~` and `H` follow.", ""),
        Parameter("count", IntParam(1, 50), "How many times.", 5),
    ),
    errors=("invalid_config",),
    costly=True,
)
def preview(context: RequestContext) -> Response:
    texts, name, task_id = context.query["schedule"], context.query["calendar"], context.query["task_id"]
    problems = []
    schedules = []
    rule = None
    if name:
        calendars = context.app.snapshot.engine.config.settings.calendars
        rule = CalendarRule(name, context.query["days"], calendars.get(name))
        if rule.calendar is None:
            why = is_but(show(name), Text("config.calendar.unknown"))
            problems.append(FieldError("task_calendar", why, file=""))
    for index, text in enumerate(texts):
        place = "task_schedule" if len(texts) == 1 else f"task_schedule[{index}]"
        try:
            schedules.append(parse_schedule(text, task_id, rule))
        except ScheduleError as error:
            problems.append(FieldError(place, error.text, sentence=True, file=""))
    zone = context.app.zone
    try:
        if context.query["timezone"]:
            zone = load_zone(context.query["timezone"])
    except ZoneError as error:
        problems.append(FieldError("task_timezone", error.text, sentence=True, file=""))
    if problems:
        raise ApiError(
            "invalid_config", Text("api.schedule", problems=[problem.text for problem in problems]), problems
        )
    now = context.app.wall()
    fires = next_fires(schedules, now, zone, context.query["count"])
    words = schedule_words(tuple(texts), rule=rule, task_id=task_id)
    found = left_out_json(left_out(schedules, now, fires[-1] if fires else None, zone))
    return json_response(200, {"times": [iso(due, zone) for due in fires], "words": words, "left_out": found})
