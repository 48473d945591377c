"""`GET /tasks`: summaries of tasks. Those that have not changed are neither read from the history nor rendered."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Optional

from minisched.api.context import MAX_LIST_BYTES, RequestContext, Response, in_both, page_json, to_json
from minisched.api.routing import MAX_PAGE_SIZE, PAGE, PUBLIC, Answer, EnumParam, IntParam, Parameter, StrParam, route
from minisched.catalogue import LANGUAGES
from minisched.model import UNFINISHED, Status, iso
from minisched.timetable import describe, load_zone, start_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import tzinfo

    from minisched.api.context import AppContext
    from minisched.model import Task, TaskExecution, TaskSnapshot
    from minisched.store import Outcome, Past

OUTCOMES = 30  # finished runs in a summary
RENDERED_AT_ONCE = 200  # tasks whose history, summaries and bytes are in memory at the same time


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
        Parameter("q", StrParam(max_characters=200), "Only tasks with this text in id, name, description or a tag."),
        PAGE,
        Parameter("page_size", IntParam(1, MAX_PAGE_SIZE), "Tasks per page; without it all of them."),
    ),
    errors=("unavailable",),
)
def list_tasks(context: RequestContext) -> Response:
    app, full = context.app, context.full
    etag = f'"{app.epoch}-{app.snapshot.version}{"" if full else "-public"}"'  # before the tasks are read
    headers = (("ETag", etag),)
    if context.request.has_copy(etag):
        return Response(304, headers=headers)
    tag, text, statuses = context.query["tag"], context.query["q"], context.query["status"]
    page, size = context.query["page"], context.query["page_size"]
    whole = tag is None and text is None and not statuses and page == 1 and size is None
    body = app.summaries.find_list(full, etag) if whole else None
    if body is not None:
        return Response(200, body, headers=headers)
    views = [view for view in app.snapshot.tasks.values() if _is_wanted(view.task, tag, text)]
    if statuses:
        known = app.statuses.by_task(app.snapshot, app.history())
        views = [view for view in views if known.get(view.task.task_id) in statuses]
    shown = views[(page - 1) * size : page * size] if size else (views if page == 1 else [])
    pieces = _pieces(app, shown, full, page, size or len(views), len(views), whole)
    if whole:
        pieces = _kept(app, full, etag, pieces)
    if len(shown) <= RENDERED_AT_ONCE:
        return Response(200, b"".join(pieces), headers=headers)
    first = next(pieces)  # before the head is sent: a history that cannot be read is an error, not half a list
    return Response(200, headers=headers, stream=chain((first,), pieces))


def _pieces(
    app: AppContext, views: Sequence[TaskSnapshot], full: bool, page: int, size: int, total: int, whole: bool
) -> Iterator[bytes]:
    """A page of summaries. It is never whole in memory: ten thousand tasks with 30 outcomes each are 50 MB.

    whole: it is the list of all tasks, whose pieces are kept.
    """
    before, _, after = page_json([b"|"], page, size, total).partition(b"|")
    for start in range(0, len(views), RENDERED_AT_ONCE):
        some = tuple(views[start : start + RENDERED_AT_ONCE])
        piece = app.summaries.find_piece(full, start, some) if whole else None
        if piece is None:
            piece = b",".join(summaries_of(app, some, full))
            if whole:
                app.summaries.keep_piece(full, start, some, piece)
        yield (b"," if start else before) + piece
    yield after if views else before + after
    if whole:
        app.summaries.forget_pieces(full, len(views))


def _kept(app: AppContext, full: bool, etag: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
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
        app.summaries.keep_list(full, etag, b"".join(kept))


def _is_wanted(task: Task, tag: Optional[str], text: Optional[str]) -> bool:
    if tag is not None and tag not in task.task_tags:
        return False
    if not text:
        return True
    text = text.casefold()
    return any(
        text in each.casefold() for each in (task.task_id, task.task_name, task.task_description, *task.task_tags)
    )


def summaries_of(app: AppContext, views: Sequence[TaskSnapshot], full: bool = True, fresh: bool = False) -> list[bytes]:
    """The summaries of these views as JSON. full: as the holder of the token sees them. fresh: the tasks have just
    changed, so other listeners ask for the same summaries. Raises StoreError."""
    summaries = [app.summaries.find(view, full) for view in views]
    if None in summaries:
        with app.summaries.rendering:
            summaries = [summary or app.summaries.find(view, full) for summary, view in zip(summaries, views)]
            missing = [index for index, summary in enumerate(summaries) if summary is None]
            for start in range(0, len(missing), RENDERED_AT_ONCE):
                some = missing[start : start + RENDERED_AT_ONCE]
                live = [run for index in some for run in views[index].live]
                pasts = app.history().pasts([views[index].task.task_id for index in some], OUTCOMES, live)
                for index in some:
                    view = views[index]
                    summary = summaries[index] = render(view, pasts.get(view.task.task_id), full)
                    app.summaries.keep(view, full, summary, drop_oldest=fresh)
    return [summary for summary in summaries if summary is not None]


def render(view: TaskSnapshot, past: Optional[Past], full: bool) -> bytes:
    task, last = view.task, past.last_run if past else None
    zone = load_zone(task.task_timezone)
    outcomes = past.outcomes if past else ()
    lines = past.last_lines if past else {}
    shown = min(view.live, key=lambda run: UNFINISHED.index(run.status), default=last)
    successes = [one.duration for one in outcomes if one.status is Status.SUCCESS and one.duration is not None]
    summary = {
        "task_id": task.task_id,
        "task_name": task.task_name,
        "task_description": task.task_description,
        "task_tags": task.task_tags,
        "enabled": task.enabled,
        "task_schedule": task.task_schedule,
        "task_timezone": task.task_timezone,
        "schedule_words": schedule_words(task.task_schedule, task.task_dependencies),
        "task_dependencies": task.task_dependencies,
        "task_timeout": task.task_timeout,
        "task_expect": task.task_expect._asdict() if task.task_expect else None,
        "current_status": shown.status.value if shown else Status.IDLE.value,
        "reason": shown.reason if shown else None,
        "next_run_time": iso(view.next_start, zone),
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
    return to_json(summary)


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


@lru_cache(maxsize=256)  # many tasks have the same schedule
def schedule_words(schedules: tuple[str, ...], dependencies: tuple[str, ...] = ()) -> dict[str, str]:
    """The schedules in words; for a task without one, what starts it instead."""
    if not schedules:
        return in_both(start_text(dependencies))
    return {language: "; ".join(describe(text, language) for text in schedules) for language in LANGUAGES}
