"""Why a task ran, or did not, at a time: what the history knows of it, for `minisched.why`."""

from __future__ import annotations

from bisect import bisect_right

from minisched.api.context import ApiError, RequestContext, Response, in_both, json_response
from minisched.api.routing import Answer, IntParam, Parameter, StrParam, route
from minisched.model import Reason, Status, Text, TextError, iso
from minisched.why import MAX_CHAIN, MAX_DUE_TIMES, Facts, Finding, Span, explain, parse_when, pauses, quiet_days

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import tzinfo
    from typing import Any, Optional

    from minisched.model import Config, Instant, TaskExecution
    from minisched.store.reader import History

MAX_RUNS = 200  # of the span, beside those of its due times
MAX_DAYS = 190  # 26 weeks, and the begun one
MAX_DAY_RUNS = 50_000  # that are counted, the newest: 0.1 s
BEFORE_S = 1.0  # a cause has its row at the latest so long after that of the run that names it


@route(
    "GET",
    "/tasks/{task_id}/why",
    "Explain why a task ran, or did not, at a moment or on a day.",
    Answer(200, "Why", "What is known of it, as codes with values and as sentences."),
    query=(
        Parameter(
            "at",
            StrParam(),
            "A day (`today`, `yesterday`, `2026-11-28`) or a moment (`02:30`, `2026-11-28T02:30`) in the time zone of"
            " the task; by default the last 24 hours.",
        ),
    ),
    errors=("not_found", "unavailable"),
    costly=True,
)
def why(context: RequestContext, task_id: str) -> Response:
    """Also of a task that was removed. A moment without seconds is the whole minute."""
    app = context.app
    config, now, zone = app.snapshot.engine.config, app.wall(), app.zone_of(task_id)
    try:
        span = span_of(context.query["at"], zone, now)
    except TextError as error:
        raise ApiError("bad_request", error.text) from None
    facts = gather(app.history(), config, task_id, span, now, alive=True)
    if facts.is_empty:
        raise ApiError("not_found", Text("api.no_task", task=task_id))
    return json_response(200, as_json(facts, span, explain(facts, span), zone))


@route(
    "GET",
    "/tasks/{task_id}/days",
    "Count the runs of a task on each of the last days, by status; for a day without one, say why.",
    Answer(200, "TaskDays", "The days, oldest first, in the time zone of the task."),
    query=(Parameter("days", IntParam(1, MAX_DAYS), "How many days, today included.", 31),),
    errors=("not_found", "unavailable"),
    costly=True,
)
def days(context: RequestContext, task_id: str) -> Response:
    """Also of a task that was removed. A run belongs to the day of its due time; without one, to that of its start."""
    app = context.app
    now, zone = app.wall(), app.zone_of(task_id)
    names, starts = app.last_days(context.query["days"], zone)
    history = app.history()
    span = Span(int(starts[0]), int(starts[-1]), False)
    facts = _without_runs(history, app.snapshot.engine.config, task_id, span, now, alive=True)
    spans = history.task_spans(task_id, starts[0], MAX_DAY_RUNS)
    if facts.is_empty and not spans:
        raise ApiError("not_found", Text("api.no_task", task=task_id))
    counts: list[dict[str, int]] = [{} for _ in starts[1:]]
    for status, first, last in spans:
        for index in range(max(0, bisect_right(starts, first) - 1), min(len(counts), bisect_right(starts, last))):
            counts[index][status] = counts[index].get(status, 0) + 1
    counted_since = spans[-1][2] if len(spans) == MAX_DAY_RUNS else None
    quiet = quiet_days(facts, list(zip(starts, starts[1:])))
    uncounted = bisect_right(starts, counted_since) - 1 if counted_since else 0  # days
    quiet[:uncounted] = [("unknown", Text("why.uncounted", count=MAX_DAY_RUNS))] * uncounted
    items = [
        {"day": day.isoformat(), "counts": of_day, "none": None, "words": None}
        if of_day
        else {"day": day.isoformat(), "counts": {}, "none": none, "words": None if text is None else in_both(text)}
        for day, of_day, (none, text) in zip(names, counts, quiet)
    ]
    return json_response(200, {"task_id": task_id, "days": items, "counted_since": iso(counted_since, zone)})


def span_of(text: Optional[str], zone: tzinfo, now: Instant) -> Span:
    """Raises TextError."""
    return Span(int(now) - 86_400, int(now) + 1, False) if text is None else parse_when(text, zone, now)


def gather(history: History, config: Config, task_id: str, span: Span, now: Instant, alive: bool) -> Facts:
    """What the history and the config know. Raises StoreError."""
    runs = {run.run_id: run for run in history.due_runs(task_id, span.since, span.until - 1, 10 * MAX_DUE_TIMES)}
    # What is not of a due time is shown by the time at which it was recorded.
    made, _ = history.page(task_id, since=span.since, until=span.until, page_size=MAX_RUNS)
    runs.update({run.run_id: run for run in made if run.due is None})
    causes: dict[int, TaskExecution] = {}
    for run in runs.values():
        for _ in range(MAX_CHAIN):
            cause = _cause(history, run)
            if cause is None or run.run_id in causes:
                break
            causes[run.run_id] = cause
            run = cause
    facts = _without_runs(history, config, task_id, span, now, alive)
    return facts._replace(runs=sorted(runs.values(), key=lambda run: run.run_id), causes=causes)


def _without_runs(history: History, config: Config, task_id: str, span: Span, now: Instant, alive: bool) -> Facts:
    record = history.record(task_id)
    changes = history.changes(task_id)
    return Facts(
        task_id,
        config.tasks.get(task_id),
        now,
        (),
        {},
        [one for one in changes if one.task_id],
        pauses([one for one in changes if not one.task_id]),
        history.uptimes(span.since, span.until),
        alive,
        record.purged_until if record is not None else 0,
        config.settings.calendars,
        config.settings.timezone,
    )


def _cause(history: History, run: TaskExecution) -> Optional[TaskExecution]:
    """The run of another task that `run` was not started for, or waits for."""
    values: dict[str, Any] = run.detail.values if run.detail is not None else {}
    if run.reason == Reason.UPSTREAM_FAILED.value:
        name = values.get("task")
    elif run.reason == Reason.DEPENDENCY_TIMEOUT.value:
        name = next(iter(values.get("tasks") or ()), None)
    elif run.status is Status.WAITING:
        name = (run.reason or "").split(",")[0]
    else:
        return None
    if not isinstance(name, str) or not name:
        return None
    until = None if run.status is Status.WAITING else (run.end_time or run.created_time) + BEFORE_S
    found, _ = history.page(name, until=until, page_size=1)
    return next((one for one in found if one.run_id != run.run_id), None)


def as_json(facts: Facts, span: Span, findings: list[Finding], zone: tzinfo) -> dict[str, Any]:
    return {
        "task_id": facts.task_id,
        "from": iso(span.since, zone),
        "to": iso(span.until, zone),
        "findings": [
            {
                "time": iso(one.time, zone),
                "run_id": one.run_id,
                "detail": one.text.as_json(),
                "words": in_both(one.text),
            }
            for one in findings
        ],
    }
