"""Logs: of a task, of one run, of the engine; in pieces for reading and following, or raw for keeping."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING, Optional, Union

from minisched.api.call import history, json_answer, task_view
from minisched.api.errors import Refused
from minisched.api.message import Response
from minisched.api.runs import known_run
from minisched.model import LogPosition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minisched.api.call import Call
    from minisched.api.ports import Ports
    from minisched.tasklog.pages import LogPage

ENGINE_LOG = "minisched.log"


def of_task(call: Call) -> Response:
    return _log(call, _path(call.ports, task_view(call).task.task_id), "task.log")


def of_engine(call: Call) -> Response:
    return _log(call, os.path.join(call.ports.home, "logs", ENGINE_LOG), ENGINE_LOG)


def of_run(call: Call) -> Response:
    run_id = int(call.ids["run_id"])
    with history(call.ports) as reader:
        run = known_run(reader, run_id)
    asked, logs, path = call.query, call.ports.logs, _path(call.ports, run.task_id)
    page: Optional[LogPage] = None
    blocks: Optional[Iterator[bytes]] = None
    if asked["raw"]:
        blocks = logs.run_raw(path, run)
    elif asked["tail"] is not None:
        page = logs.run_tail(path, run, asked["tail"])
    else:
        page = logs.run(path, run, _run_cursor(asked["offset"]), asked["limit"])
    if blocks is not None:
        return _download(blocks, "run.log")
    if page is None:
        raise Refused("output_gone", f"the output of run {run_id} is in no log any more")
    return _answer(page)


def _path(ports: Ports, task_id: str) -> str:
    """A task that was removed has its log still, under the name that a log has by default."""
    view = ports.board.tasks.get(task_id)
    return os.path.join(ports.home, "logs", view.task.task_log if view else f"{task_id}.log")


def _log(call: Call, path: str, name: str) -> Response:
    asked, logs = call.query, call.ports.logs
    place = _cursor(asked["offset"])
    if asked["raw"]:
        blocks = logs.raw(path, place.offset if place else None)
        return _download(blocks, name, ("Content-Length", str(blocks.size)))
    before = _cursor(asked["before"])
    if before is not None:
        return _answer(logs.before(path, before, asked["limit"]))
    if asked["tail"] is not None:
        return _answer(logs.tail(path, asked["tail"]))
    return _answer(logs.read(path, place, asked["limit"]))


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


def _answer(page: LogPage) -> Response:
    return json_answer(
        200,
        {
            "text": page.text,
            "offset": page.start,
            "next_offset": page.after,
            "rotated": page.rotated,
            "at_end": page.at_end,
        },
    )


def _download(blocks: Iterator[bytes], name: str, *more: tuple[str, str]) -> Response:
    """The name is fixed: nothing of a request or a config stands in a header."""
    headers = (("Content-Disposition", f'attachment; filename="{name}"'), *more)
    return Response(200, content_type="application/octet-stream", headers=headers, stream=blocks)
