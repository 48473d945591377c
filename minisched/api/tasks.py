"""`GET /tasks`: summaries of tasks. Those that have not changed are neither read from the history nor rendered."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain

from minisched.api.context import MAX_LIST_BYTES, RequestContext, Response, in_both, json_response, page_json, to_json
from minisched.api.routing import (
    MAX_PAGE_SIZE,
    PAGE,
    PUBLIC,
    TASK_ID,
    Answer,
    BoolParam,
    EnumParam,
    IntParam,
    Parameter,
    StrParam,
    route,
)
from minisched.catalogue import LANGUAGES
from minisched.model import DAY_S, UNFINISHED, Status, iso
from minisched.namedtuple import NamedTuple
from minisched.timetable import is_hashed, load_zone, parse_schedule, schedules_of, start_text
from minisched.timetable.describe import describe
from minisched.timetable.working_days import left_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import tzinfo
    from typing import Any, Optional

    from minisched.api.context import AppContext
    from minisched.model import CalendarRule, Dependency, Task, TaskExecution, TaskSnapshot
    from minisched.store.reader import Outcome, Past
    from minisched.timetable.working_days import LeftOut

OUTCOMES = 30  # finished runs in a summary
RECENT = 3  # of them in a brief summary: what may have ended between two events
RENDERED_AT_ONCE = 200  # tasks whose history, summaries and bytes are in memory at the same time
STRIPS_AT_ONCE = 60  # tasks whose outcomes come with a brief list, or are requested at once
DROPPED_IN_BRIEF = ("task_schedule", "task_timeout", "reason", "run_count")
BRIEF = Parameter("brief", BoolParam(), "1: short summaries, in the form that a page on a slow link needs.", False)


class Form(NamedTuple):
    """What is in a summary. full: as the holder of the token sees it. brief: `TaskBrief`."""

    full: bool = True
    brief: bool = False


FULL = Form()


@route(
    "GET",
    "/tasks",
    "List all tasks with their state, their next and last run, and their last outcomes.",
    Answer(200, "TaskSummaryPage", "The tasks, in the order of the config."),
    Answer(304, "", "The list that `If-None-Match` names is still right."),
    access=PUBLIC,
    query=(
        Parameter("tag", StrParam(max_characters=64), "Only tasks with this tag."),
        Parameter("status", EnumParam(Status), "Only tasks in one of these states.", ()),
        Parameter(
            "q",
            StrParam(max_characters=200),
            "Only tasks with this text in id, name, description, a tag or, with the token, the command.",
        ),
        PAGE,
        Parameter("page_size", IntParam(1, MAX_PAGE_SIZE), "Tasks per page; without it all of them."),
        BRIEF,
        Parameter("ids", BoolParam(), "1: only the ids of the tasks.", False),
    ),
    errors=("unavailable",),
)
def list_tasks(context: RequestContext) -> Response:
    app, form = context.app, Form(context.full, context.query["brief"])
    kind = ("-brief" if form.brief else "") + ("" if form.full else "-public")
    etag = f'"{app.epoch}-{app.snapshot.version}{kind}"'  # before the tasks are read
    headers = (("ETag", etag),)
    if context.request.has_copy(etag):
        return Response(304, headers=headers)
    tag, text, statuses = context.query["tag"], context.query["q"], context.query["status"]
    page, size = context.query["page"], context.query["page_size"]
    only_ids = context.query["ids"]
    whole = not only_ids and tag is None and text is None and not statuses and page == 1 and size is None
    body = app.summaries.find_list(form, etag) if whole else None
    if body is not None:
        return Response(200, body, headers=headers)
    views = [view for view in app.snapshot.tasks.values() if _is_wanted(view.task, tag, text, context.full)]
    if statuses:
        known = app.statuses.by_task(app.snapshot, app.history())
        views = [view for view in views if known.get(view.task.task_id) in statuses]
    shown = views[(page - 1) * size : page * size] if size else (views if page == 1 else [])
    if only_ids:
        items = [to_json(view.task.task_id) for view in shown]
        return Response(200, page_json(items, page, size or len(views), len(views)), headers=headers)
    pieces = _pieces(app, shown, form, page, size or len(views), len(views), whole)
    if whole:
        pieces = _kept(app, form, etag, pieces)
    if len(shown) <= RENDERED_AT_ONCE:
        return Response(200, b"".join(pieces), headers=headers)
    first = next(pieces)  # before the head is sent: a history that cannot be read is an error, not half a list
    return Response(200, headers=headers, stream=chain((first,), pieces))


def _pieces(
    app: AppContext, views: Sequence[TaskSnapshot], form: Form, page: int, size: int, total: int, whole: bool
) -> Iterator[bytes]:
    """A page of summaries. It is never whole in memory: ten thousand tasks with 30 outcomes each are 50 MB.

    whole: it is the list of all tasks, whose pieces are kept.
    """
    before, _, after = page_json([b"|"], page, size, total).partition(b"|")
    if form.brief and len(views) <= STRIPS_AT_ONCE:
        strips = outcomes_of(app, [view.task.task_id for view in views])
        after = b'%b,"outcomes":%b}' % (after[:-1], to_json(strips))
    for start in range(0, len(views), RENDERED_AT_ONCE):
        some = tuple(views[start : start + RENDERED_AT_ONCE])
        piece = app.summaries.find_piece(form, start, some) if whole else None
        if piece is None:
            piece = b",".join(summaries_of(app, some, form))
            if whole:
                app.summaries.keep_piece(form, start, some, piece)
        yield (b"," if start else before) + piece
    yield after if views else before + after
    if whole:
        app.summaries.forget_pieces(form, len(views))


def _kept(app: AppContext, form: Form, etag: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """These pieces; if the list is small enough, it is kept for the next request."""
    kept, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size <= MAX_LIST_BYTES:
            kept.append(piece)
        else:
            kept.clear()
        yield piece
    if size <= MAX_LIST_BYTES:
        app.summaries.keep_list(form, etag, b"".join(kept))


@route(
    "GET",
    "/outcomes",
    "Get the last outcomes of some tasks, in a short form.",
    Answer(200, "Outcomes", "By task id."),
    access=PUBLIC,
    query=(Parameter("task", TASK_ID, f"A task; up to {STRIPS_AT_ONCE} of them.", (), True, True),),
    errors=("unavailable",),
)
def outcomes(context: RequestContext) -> Response:
    known = [task_id for task_id in context.query["task"] if task_id in context.app.snapshot.tasks]
    return json_response(200, {"outcomes": outcomes_of(context.app, known[:STRIPS_AT_ONCE])})


def outcomes_of(app: AppContext, task_ids: Sequence[str]) -> dict[str, list[list[Any]]]:
    """By task id the last finished runs, oldest first, as `brief_outcome`. Raises StoreError."""
    found = app.history().outcomes(task_ids, OUTCOMES)
    return {task_id: [brief_outcome(one) for one in found[task_id]] for task_id in task_ids}


def brief_outcome(one: Outcome) -> list[Any]:
    """Run id, status, start (end if it was never started) in seconds since 1970, duration in seconds or None.

    Three digits of a duration are all that can be seen.
    """
    start = one.end_time if one.start_time is None else one.start_time
    duration = None if one.duration is None else float(f"{one.duration:.3g}")
    return [one.run_id, one.status.value, round(start), duration]


def _is_wanted(task: Task, tag: Optional[str], text: Optional[str], full: bool) -> bool:
    """full: the command is searched too; without the token nothing of it may be found out."""
    if tag is not None and tag not in task.task_tags:
        return False
    if not text:
        return True
    text = text.casefold()
    found_in = (task.task_id, task.task_name, task.task_description, *task.task_tags)
    return any(text in each.casefold() for each in (*found_in, *(_words(task) if full else ())))


def _words(task: Task) -> tuple[str, ...]:
    """The command as it is written: a shell command, or the program with its arguments."""
    return (task.task_exec,) if isinstance(task.task_exec, str) else (" ".join(task.task_exec),)


def summaries_of(app: AppContext, views: Sequence[TaskSnapshot], form: Form = FULL, fresh: bool = False) -> list[bytes]:
    """The summaries of these views as JSON. fresh: the tasks have just changed, so other listeners ask for the same
    summaries. Raises StoreError."""
    summaries = [app.summaries.find(view, form) for view in views]
    if None in summaries:
        with app.summaries.rendering:
            summaries = [summary or app.summaries.find(view, form) for summary, view in zip(summaries, views)]
            missing = [index for index, summary in enumerate(summaries) if summary is None]
            for start in range(0, len(missing), RENDERED_AT_ONCE):
                some = missing[start : start + RENDERED_AT_ONCE]
                live = [run for index in some for run in views[index].live]
                pasts = app.history().pasts([views[index].task.task_id for index in some], OUTCOMES, live)
                for index in some:
                    view = views[index]
                    summary = summaries[index] = render(view, pasts.get(view.task.task_id), form, app.wall())
                    app.summaries.keep(view, form, summary, drop_oldest=fresh)
    return [summary for summary in summaries if summary is not None]


def render(view: TaskSnapshot, past: Optional[Past], form: Form, now: float) -> bytes:
    full, task, last = form.full, view.task, past.last_run if past else None
    zone = load_zone(task.task_timezone)
    outcomes = past.outcomes if past else ()
    lines = past.last_lines if past else {}
    shown = min(view.live, key=lambda run: UNFINISHED.index(run.status), default=last)
    successes = [one.duration for one in outcomes if one.status is Status.SUCCESS and one.duration is not None]
    summary: dict[str, Any] = {
        "task_id": task.task_id,
        "task_name": task.task_name,
        "task_description": task.task_description,
        "task_tags": task.task_tags,
        "enabled": task.enabled,
        "task_schedule": task.task_schedule,
        "task_timezone": task.task_timezone,
        "schedule_words": words_of(task),
        "task_dependencies": [one.as_json() for one in task.task_dependencies],
        "task_timeout": task.task_timeout,
        "task_expect": task.task_expect._asdict() if task.task_expect else None,
        "current_status": shown.status.value if shown else Status.IDLE.value,
        "reason": shown.reason if shown else None,
        "next_run_time": iso(view.next_start, zone),
        # Dates, not whether it is today: the summary is kept over midnight.
        "left_out": [] if view.next_start is None else left_out_of(task, now - DAY_S, view.next_start, zone),
        "last_run": run_json(last, zone, full, lines) if last else None,
        "running": [run_json(run, zone, full, lines) for run in view.live],
        "slow": view.slow,
        "late": {"day": view.late.day, "since": iso(view.late.since, zone)} if view.late else None,
        "consecutive_failures": past.record.consecutive_failures if past else 0,
        "outcomes": [_outcome(one, zone) for one in outcomes],
        "median_duration": _median(successes),
        "run_count": past.record.run_count if past else 0,
        "version": view.version,
    }
    if form.brief:
        summary["outcomes"] = [brief_outcome(one) for one in outcomes[-RECENT:]]
        summary["last_run"] = _brief_run(summary["last_run"])
        summary["running"] = [_brief_run(run) for run in summary["running"]]
        for name in DROPPED_IN_BRIEF:
            del summary[name]
    return to_json(summary)


def _brief_run(run: Optional[dict[str, Any]]) -> Optional[dict[str, Any]]:
    """Without members that are null, 0, false or empty, except `exit_code` and `duration`; without the id of the task,
    and without attempts that say no more than the run."""
    if run is None:
        return None
    attempts = run["attempts"]
    kept = {**run, "task_id": None, "attempts": [_brief_run({**one, "attempts": ()}) for one in attempts]}
    if len(attempts) == 1 and attempts[0]["signal"] is None:
        kept["attempts"] = ()
    return {name: value for name, value in kept.items() if value or (value == 0 and name in ("exit_code", "duration"))}


def run_json(run: TaskExecution, zone: tzinfo, full: bool, last_lines: Mapping[int, str]) -> dict[str, Any]:
    """full: without the token no `detail` is shown, as it may name a variable or a file, and nothing of the output.

    last_lines: see `History.last_lines`.
    """
    shown = {**run.as_json(zone), "last_line": last_lines.get(run.run_id) if full else None}
    if not full:
        for each in (shown, *shown["attempts"]):
            each["detail"] = None
    return shown


def _median(durations: list[float]) -> Optional[float]:
    """Not by the module `statistics`, which costs 2 MB."""
    if not durations:
        return None
    ordered = sorted(durations)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _outcome(one: Outcome, zone: tzinfo) -> dict[str, Any]:
    return {
        "run_id": one.run_id,
        "status": one.status.value,
        "start_time": iso(one.start_time, zone),
        "end_time": iso(one.end_time, zone),
        "duration": one.duration,
    }


def left_out_of(task: Task, after: float, until: float, zone: tzinfo) -> list[dict[str, Any]]:
    """The days in (after, until] on which the task is not due because of its calendar."""
    if task.task_calendar is None or not task.enabled or until <= after:
        return []
    return left_out_json(left_out(schedules_of(task), after, until, zone))


def left_out_json(found: Sequence[LeftOut]) -> list[dict[str, Any]]:
    return [
        {"from": one.first, "to": one.last, "words": one.text.values["words"], "text": in_both(one.text)}
        for one in found
    ]


def words_of(task: Task) -> dict[str, str]:
    """The schedules of a task in words; for a task without one, what starts it instead."""
    seed = task.task_id if any(map(is_hashed, task.task_schedule)) else ""
    return schedule_words(task.task_schedule, task.task_dependencies, task.task_calendar, seed)


@lru_cache(maxsize=256)  # many tasks have the same schedule
def schedule_words(
    texts: tuple[str, ...],
    dependencies: tuple[Dependency, ...] = (),
    rule: Optional[CalendarRule] = None,
    task_id: str = "",
) -> dict[str, str]:
    if not texts:
        return in_both(start_text(dependencies))
    schedules = [parse_schedule(text, task_id, rule) for text in texts]
    return {language: "; ".join(describe(one, language) for one in schedules) for language in LANGUAGES}
