"""Logs of a task, a run and the engine: in pages for reading and following, or raw as a file."""

from __future__ import annotations

import os.path

from minisched.api.context import ApiError, AppContext, RequestContext, Response, json_response
from minisched.api.routing import Answer, BoolParam, IntParam, Parameter, StrParam, route
from minisched.api.runs import existing_run
from minisched.model import LogPosition, Text
from minisched.tasklog import pages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional, Union

    from minisched.tasklog.pages import LogPage

ENGINE_LOG = "minisched.log"
MIN_LOG_BYTES, LOG_BYTES, MAX_LOG_BYTES = 1024, 256 * 1024, 1024 * 1024  # of a page
MAX_TAIL_LINES = 5000

CURSOR = StrParam(pattern=r"(?:[0-9]{1,20}-)?[0-9]{1,15}", rule=Text("api.rule.cursor"))
RUN_CURSOR = StrParam(pattern=r"(?:[0-9]{1,4}-[0-9]{1,20}-)?[0-9]{1,15}", rule=Text("api.rule.cursor"))
LIMIT = Parameter("limit", IntParam(MIN_LOG_BYTES, MAX_LOG_BYTES), "Bytes at most of a page; without it 262144.")
TAIL = Parameter("tail", IntParam(1, MAX_TAIL_LINES), "The last lines instead, that many.")
RAW = Parameter(
    "raw", BoolParam(), "1: the bytes unchanged, as a file to download; with `limit`, a page of them.", False
)
LOG = (
    Parameter("offset", CURSOR, "Where to begin; a plain number counts in the live file. Without it: its start."),
    LIMIT,
    TAIL,
    Parameter("before", CURSOR, "The whole lines that end at this offset instead."),
    RAW,
)
RUN_LOG = (
    Parameter("offset", RUN_CURSOR, "Where to begin; a plain number counts bytes of this run's output."),
    LIMIT,
    TAIL,
    RAW,
)
LOG_PAGE = Answer(200, "LogPage", "A page of the log.")


@route("GET", "/tasks/{task_id}/log", "Read a task's log.", LOG_PAGE, query=LOG, errors=("not_found", "unavailable"))
def of_task(context: RequestContext, task_id: str) -> Response:
    return _log(context, _path(context.app, context.app.task(task_id).task.task_id), "task.log")


@route("GET", "/log", "Read the engine's own log.", LOG_PAGE, query=LOG, errors=("unavailable",))
def of_engine(context: RequestContext) -> Response:
    return _log(context, os.path.join(context.app.home.logs, ENGINE_LOG), ENGINE_LOG)


@route(
    "GET",
    "/executions/{run_id}/log",
    "Read a run's own output, also after a rotation of the log.",
    LOG_PAGE,
    query=RUN_LOG,
    errors=("not_found", "output_gone", "unavailable", "busy"),
)
def of_run(context: RequestContext, run_id: int) -> Response:
    run = existing_run(context.app, run_id)
    query, path = context.query, _path(context.app, run.task_id)
    page: Optional[LogPage] = None
    if query["raw"] and query["limit"] is None:
        blocks = pages.run_raw(path, run)
        if blocks is not None:
            return _download("run.log", blocks)
    elif query["tail"] is not None:
        with context.app.turns.take(context.full):  # all of its output is read
            page = pages.run_tail(path, run, query["tail"])
    else:
        page = pages.run(path, run, _run_cursor(query["offset"]), query["limit"] or LOG_BYTES)
    if page is None:
        raise ApiError("output_gone", Text("api.output_gone.run", run=run_id))
    return _page(page, "run.log", query["raw"])


def _path(app: AppContext, task_id: str) -> str:
    """A removed task still has its log, under the name that a log has by default."""
    view = app.snapshot.tasks.get(task_id)
    return os.path.join(app.home.logs, view.task.log_file if view else f"{task_id}.log")


def _log(context: RequestContext, path: str, name: str) -> Response:
    query = context.query
    start, before = _cursor(query["offset"]), _cursor(query["before"])
    limit = query["limit"] or LOG_BYTES
    if query["raw"] and query["limit"] is None:
        blocks = pages.raw(path, start.offset if start else None)
        return _download(name, blocks, ("Content-Length", str(blocks.size)))
    if before is not None:
        page = pages.before(path, before, limit)
    elif query["tail"] is not None:
        page = pages.tail(path, query["tail"])
    else:
        page = pages.read(path, start, limit)
    return _page(page, name, query["raw"])


def _cursor(text: Optional[str]) -> Optional[LogPosition]:
    if text is None:
        return None
    inode, _, offset = text.rpartition("-")
    return LogPosition(int(inode or 0), int(offset))


def _run_cursor(text: Optional[str]) -> Union[int, tuple[int, LogPosition], None]:
    if text is None or "-" not in text:
        return None if text is None else int(text)
    attempt, inode, offset = map(int, text.split("-"))
    return attempt, LogPosition(inode, offset)


def _page(page: LogPage, name: str, raw: bool) -> Response:
    """raw: as bytes, with the rest in headers. To escape them as JSON costs more than to read them."""
    if raw:
        headers = (("Next-Offset", page.after), ("Rotated", str(int(page.rotated))), ("At-End", str(int(page.at_end))))
        return _download(name, None, *headers, body=page.data)
    return json_response(
        200,
        {
            "text": page.text,
            "offset": page.start,
            "next_offset": page.after,
            "rotated": page.rotated,
            "at_end": page.at_end,
        },
    )


def _download(name: str, blocks: Optional[Iterator[bytes]], *more: tuple[str, str], body: bytes = b"") -> Response:
    """The name is fixed: nothing of a request or a config gets into a header."""
    headers = (("Content-Disposition", f'attachment; filename="{name}"'), *more)
    return Response(200, body, "application/octet-stream", headers, blocks)
