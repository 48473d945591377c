"""Why a task ran, or did not, at a time: what the history knows of it, for `minisched.why`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from minisched.api.context import ApiError, RequestContext, Response, in_both, json_response
from minisched.api.routing import Answer, Parameter, StrParam, route
from minisched.model import Reason, Status, Text, TextError, iso
from minisched.why import MAX_CHAIN, MAX_DUE_TIMES, Facts, Finding, Span, explain, parse_when, pauses

if TYPE_CHECKING:
    from datetime import tzinfo

    from minisched.model import Config, Instant, TaskExecution
    from minisched.store import History

MAX_RUNS = 200  # of the span, beside those of its due times
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
    record = history.record(task_id)
    changes = history.changes(task_id)
    return Facts(
        task_id,
        config.tasks.get(task_id),
        now,
        sorted(runs.values(), key=lambda run: run.run_id),
        causes,
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
