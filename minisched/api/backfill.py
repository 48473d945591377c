"""Which due times of a span are to be made up: for the page, and for `minisched backfill`."""

from __future__ import annotations

from minisched.api.context import ApiError, RequestContext, Response, json_response
from minisched.api.routing import Answer, BoolParam, Parameter, StrParam, route
from minisched.model import DAY_S, Status, Text, TextError, iso
from minisched.namedtuple import NamedTuple
from minisched.timetable import fires_between, load_zone, parse_past_due, parse_time, schedules_of
from minisched.timetable.working_days import left_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import tzinfo

    from minisched.model import Instant, Task, TaskExecution
    from minisched.store.reader import History

MAX_DUE_TIMES = 1000  # of one backfill, as many as a catch-up starts
MAX_YEARS = 100  # of its span: with a schedule that is seldom due and a calendar the search takes 0.2 s
DATE_LENGTH = len("2026-11-28")
MOMENT = "a day or a time such as 2026-11-28T02:30, in the time zone of the task"


class Plan(NamedTuple):
    """Which due times of a span are to be run, oldest first."""

    dues: list[int]
    done: int  # others, which have a success
    unfinished: int  # others, which have a run that has not ended
    left_out: list[Text]  # days without any because of the calendar


def moment(value: str, zone: tzinfo, now: Instant, end_of_day: bool = False) -> int:
    """A time of the past. end_of_day: a date alone means its last second, at most now. Raises TextError."""
    if end_of_day and len(value.strip()) == DATE_LENGTH:
        return min(int(parse_time(f"{value.strip()}T23:59:59", zone)), int(now))
    return parse_past_due(value, zone, now)


def plan(history: History, task: Task, zone: tzinfo, since: int, until: int, all_of_them: bool) -> Plan:
    """Raises TextError if it is too much, or if the task has no schedule."""
    if not task.task_schedule:
        raise TextError(Text("cli.backfill_no_schedule", task=task.task_id))
    if until - since > MAX_YEARS * 366 * DAY_S:
        raise TextError(Text("cli.backfill_too_long", years=MAX_YEARS))
    schedules = schedules_of(task)
    dues = [int(due) for due in fires_between(schedules, since - 1, until, zone, MAX_DUE_TIMES + 1)]
    if len(dues) > MAX_DUE_TIMES:
        raise TextError(Text("cli.backfill_too_many", max=MAX_DUE_TIMES, last=iso(dues[-2], zone)))
    runs: dict[int, list[TaskExecution]] = {}
    for run in history.due_runs(task.task_id, since, until, 10 * MAX_DUE_TIMES):
        runs.setdefault(run.scheduled_time or 0, []).append(run)
    unfinished = {due for due in dues if any(not run.status.ended for run in runs.get(due, ()))}
    done = {due for due in dues if any(run.status is Status.SUCCESS for run in runs.get(due, ()))} - unfinished
    chosen = [due for due in dues if due not in unfinished and (all_of_them or due not in done)]
    days = [one.text for one in left_out(schedules, since - 1, until, zone)] if task.task_calendar else []
    return Plan(chosen, 0 if all_of_them else len(done), len(unfinished), days)


@route(
    "GET",
    "/tasks/{task_id}/backfill",
    "List the due times of a span that can be made up: those without a success.",
    Answer(200, "Backfill", f"The due times, oldest first, at most {MAX_DUE_TIMES}."),
    query=(
        Parameter("from", StrParam(), f"The first due time or its day: {MOMENT}.", required=True),
        Parameter("to", StrParam(), f"The last one or its day: {MOMENT}; now by default."),
        Parameter("all", BoolParam(), "1: also due times that have a success.", False),
    ),
    errors=("not_found", "unavailable"),
    costly=True,
)
def list_due(context: RequestContext, task_id: str) -> Response:
    """Nothing is started. Make up for one after another by `POST /tasks/{task_id}/run` with `for`."""
    task = context.app.task(task_id).task
    zone, wanted, now = load_zone(task.task_timezone), context.query, context.app.wall()
    try:
        since = moment(wanted["from"], zone, now)
        until = int(now) if wanted["to"] is None else moment(wanted["to"], zone, now, end_of_day=True)
        found = plan(context.app.history(), task, zone, since, until, wanted["all"])
    except TextError as error:
        raise ApiError("bad_request", error.text) from None
    due = [iso(one, zone) for one in found.dues]
    return json_response(200, {"due": due, "done": found.done, "unfinished": found.unfinished})
