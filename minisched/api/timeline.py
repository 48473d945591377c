"""Past runs and coming due times for the chart, and what a schedule text means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minisched.api.call import engine_zone, history, json_answer
from minisched.api.cards import schedule_words
from minisched.api.errors import Refused
from minisched.catalogue import render
from minisched.model import FieldError, iso
from minisched.timetable import (
    ScheduleError,
    ZoneError,
    fires_between,
    jitter_offset,
    load_zone,
    next_fires,
    parse_schedule,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from minisched.api.call import Call
    from minisched.api.message import Response
    from minisched.model import Task, TaskExecution

MOST_RUNS = 2000  # over all lanes, the newest
MOST_DUE = 50  # a lane
MOST_DUE_TOGETHER = 20_000  # over all lanes: half a megabyte


def timeline(call: Call) -> Response:
    ports, span_s = call.ports, call.query["hours"] * 3600
    now, tasks = ports.wall(), ports.board.tasks
    with history(ports) as reader:
        found, total = reader.page(since=now - span_s, page_size=MOST_RUNS)
    runs: dict[str, dict[int, TaskExecution]] = {}
    for run in reversed(found):
        runs.setdefault(run.task_id, {})[run.run_id] = run
    limit = max(1, min(MOST_DUE, MOST_DUE_TOGETHER // max(1, len(tasks))))
    truncated = total > len(found)
    lanes = []
    for task_id, view in tasks.items():
        zone = load_zone(view.task.task_timezone)
        # One that began before the span may still be at work.
        shown = {**{run.run_id: run for run in view.live}, **runs.get(task_id, {})}
        due = _due(view.task, now, now + span_s, zone, limit + 1)  # one more tells whether that is all
        due_truncated = len(due) > limit
        truncated = truncated or due_truncated
        lanes.append(
            {
                "task_id": task_id,
                "task_name": view.task.task_name,
                "runs": [_run(shown[run_id], zone) for run_id in sorted(shown)],
                "due": [iso(moment, zone) for moment in due[:limit]],
                "due_truncated": due_truncated,
            }
        )
    zone = engine_zone(ports)
    span = {"from": iso(now - span_s, zone), "to": iso(now + span_s, zone), "now": iso(now, zone)}
    return json_answer(200, {**span, "lanes": lanes, "truncated": truncated})


def _run(run: TaskExecution, zone: tzinfo) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "status": run.status.value,
        "trigger": run.trigger.value,
        "start_time": iso(run.start_time, zone),
        "end_time": iso(run.end_time, zone),
        "scheduled_time": iso(run.scheduled_time, zone),
    }


def _due(task: Task, after: float, until: float, zone: tzinfo, limit: int) -> list[float]:
    """The coming starts of a task, its jitter included."""
    if not task.enabled or not task.task_schedule:
        return []
    schedules = [parse_schedule(text) for text in task.task_schedule]
    fires = fires_between(schedules, after, until, zone, limit)
    return [due + jitter_offset(task.task_id, due, task.task_jitter) if task.task_jitter else due for due in fires]


def preview(call: Call) -> Response:
    ports, texts = call.ports, call.query["schedule"]
    problems = []
    schedules = []
    for index, text in enumerate(texts):
        place = "task_schedule" if len(texts) == 1 else f"task_schedule[{index}]"
        try:
            schedules.append(parse_schedule(text))
        except ScheduleError as error:
            problems.append(FieldError(place, error.text, sentence=True, file=""))
    zone = engine_zone(ports)
    try:
        if call.query["timezone"]:
            zone = load_zone(call.query["timezone"])
    except ZoneError as error:
        problems.append(FieldError("task_timezone", error.text, sentence=True, file=""))
    if problems:
        raise Refused("invalid_config", "; ".join(render(problem.text) for problem in problems), problems)
    times = [iso(due, zone) for due in next_fires(schedules, ports.wall(), zone, call.query["count"])]
    return json_answer(200, {"times": times, "words": schedule_words(tuple(texts))})
