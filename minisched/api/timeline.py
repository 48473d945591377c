"""Past and coming runs of all tasks: for a chart, and as a list of what is due next."""

from __future__ import annotations

from bisect import insort

from minisched.api.context import ApiError, RequestContext, Response, json_response
from minisched.api.routing import PUBLIC, Answer, IntParam, Parameter, TimeParam, route
from minisched.api.tasks import left_out_of
from minisched.model import DAY_S, Text, iso
from minisched.timetable import fires_between, jitter_offset, load_zone, schedules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import tzinfo
    from typing import Any

    from minisched.model import Task, TaskExecution, TaskSnapshot
    from minisched.store.reader import History

MAX_SPAN_S = 62 * DAY_S
MAX_CHART_RUNS = 2000  # over all lanes, the newest
MAX_LANE_DUE = 50  # due times in a lane
MAX_CHART_DUE = 20_000  # over all lanes: half a megabyte
LISTED_EACH = 6  # a task with more due times has one entry in the agenda
MAX_COUNTED = 1500  # due times of a task that are counted: one a minute for a day
MAX_COMPUTED = 60_000  # due times over all tasks: 0.1 s
MAX_AGENDA = 1000  # entries, the next ones


@route(
    "GET",
    "/timeline",
    "Get past runs and coming due times of all tasks, for a chart.",
    Answer(200, "Timeline", "A lane for each task."),
    access=PUBLIC,
    query=(
        Parameter("hours", IntParam(1, 168), "Hours back, and as many ahead; without `since` and `until`.", 24),
        Parameter("since", TimeParam(), "The begin of the span; both or none."),
        Parameter("until", TimeParam(), f"The end of the span, at most {MAX_SPAN_S // DAY_S} days later."),
    ),
    errors=("unavailable",),
    costly=True,
)
def timeline(context: RequestContext) -> Response:
    """Coming due times are those after now, wherever the span begins."""
    app = context.app
    now, tasks = app.wall(), app.snapshot.tasks
    since, until = _span(context, now)
    found, total = app.history().page(since=since, until=until, page_size=MAX_CHART_RUNS)
    runs: dict[str, dict[int, TaskExecution]] = {}
    for run in reversed(found):
        runs.setdefault(run.task_id, {})[run.run_id] = run
    ahead = _ahead(app.history(), now)
    limit = max(1, min(MAX_LANE_DUE, MAX_CHART_DUE // max(1, len(tasks))))
    truncated = runs_cut = total > len(found)
    paused = app.snapshot.engine.config.settings.paused
    first = max(now, since)  # of what is to come
    lanes = []
    for task_id, view in tasks.items():
        zone = load_zone(view.task.task_timezone)
        # A run that began before the span may still be running.
        lane_runs = {**{run.run_id: run for run in view.live}, **runs.get(task_id, {})}
        # One more shows whether there are more.
        known = not paused and _may_be_due(view, until)
        due = _due(view.task, first, until, zone, limit + 1, ahead.get(task_id, ())) if known else []
        due_truncated = len(due) > limit
        truncated = truncated or due_truncated
        lanes.append(
            {
                "task_id": task_id,
                "task_name": view.task.task_name,
                "runs": [_chart_run(lane_runs[run_id], zone) for run_id in sorted(lane_runs)],
                "due": [iso(moment, zone) for moment in due[:limit]],
                "due_truncated": due_truncated,
                "left_out": left_out_of(view.task, first, until, zone),
            }
        )
    span = {"from": since, "to": until, "now": now}
    times = {name: iso(moment, app.zone) for name, moment in span.items()}
    complete = min(run.created_time for run in found) if runs_cut else since
    return json_response(200, {**times, "lanes": lanes, "truncated": truncated, "runs_since": iso(complete, app.zone)})


def _span(context: RequestContext, now: float) -> tuple[float, float]:
    """Raises ApiError."""
    since, until = context.query["since"], context.query["until"]
    if since is None and until is None:
        span_s = context.query["hours"] * 3600
        return now - span_s, now + span_s
    if since is None or until is None or not 0 < until - since <= MAX_SPAN_S:
        raise ApiError("bad_request", Text("api.timeline.span", days=MAX_SPAN_S // DAY_S))
    return since, until


def _chart_run(run: TaskExecution, zone: tzinfo) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "status": run.status.value,
        "trigger": run.trigger.value,
        "start_time": iso(run.start_time, zone),
        "end_time": iso(run.end_time, zone),
        "scheduled_time": iso(run.scheduled_time, zone),
    }


def _ahead(history: History, now: float) -> dict[str, set[int]]:
    """By task the coming due times that have run already, before the clock was set back."""
    found: dict[str, set[int]] = {}
    for task_id, due in history.ahead(now):
        found.setdefault(task_id, set()).add(due)
    return found


def _may_be_due(view: TaskSnapshot, until: float) -> bool:
    """Whether a due time can lie before `until`, by the next one that the engine knows."""
    return view.next_start is None or view.next_start - view.task.task_jitter <= until


def _due(task: Task, after: float, until: float, zone: tzinfo, limit: int, ahead: Collection[float]) -> list[float]:
    """The coming starts of a task, its jitter included. ahead: due times of it that have run already."""
    if not task.enabled or not task.task_schedule or until <= after:
        return []
    fires = fires_between(schedules_of(task), after, until, zone, limit + len(ahead))
    fires = [due for due in fires if due not in ahead][:limit]
    return [due + jitter_offset(task.task_id, due, task.task_jitter) if task.task_jitter else due for due in fires]


@route(
    "GET",
    "/agenda",
    "List the next due times of all tasks in the order of time.",
    Answer(200, "Agenda", f"The entries; a task with more than {LISTED_EACH} due times has one."),
    access=PUBLIC,
    query=(Parameter("hours", IntParam(1, 168), "Hours ahead.", 24),),
    errors=("unavailable",),
    costly=True,
)
def agenda(context: RequestContext) -> Response:
    app = context.app
    now, until = app.wall(), app.wall() + context.query["hours"] * 3600
    ahead = _ahead(app.history(), now)
    paused = app.snapshot.engine.config.settings.paused
    left = MAX_COMPUTED
    found: list[tuple[float, dict[str, Any]]] = []
    moments: list[float] = []  # of the entries, sorted
    truncated = False
    for view in sorted(app.snapshot.tasks.values(), key=lambda view: view.next_start or now):
        if paused or not _may_be_due(view, until):
            continue
        if len(moments) >= MAX_AGENDA and (view.next_start or now) >= moments[MAX_AGENDA - 1]:
            truncated = True
            break  # all others are due later
        task_id = view.task.task_id
        limit = max(LISTED_EACH + 1, min(MAX_COUNTED, left))
        zone = load_zone(view.task.task_timezone)
        # One more shows whether there are more.
        due = _due(view.task, now, until, zone, limit + 1, ahead.get(task_id, ()))
        left -= len(due)
        folded = len(due) > LISTED_EACH
        for moment in due[:1] if folded else due:
            last = due[:limit][-1] if folded else moment
            insort(moments, moment)
            entry = {"task_id": task_id, "time": iso(moment, zone), "last": iso(last, zone)}
            found.append((moment, {**entry, "count": len(due[:limit]) if folded else 1, "more": len(due) > limit}))
    found.sort(key=lambda one: one[0])
    return json_response(
        200,
        {
            "from": iso(now, app.zone),
            "to": iso(until, app.zone),
            "items": [entry for _, entry in found[:MAX_AGENDA]],
            "truncated": truncated or len(found) > MAX_AGENDA,
        },
    )
