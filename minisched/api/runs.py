"""Runs: of a task, of all tasks, one; to start one and to stop one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from minisched.api.body import bad_body, localized, pointed
from minisched.api.call import ask, compact, history, json_answer, page_bytes, task_view, zone_of
from minisched.api.cards import run_json
from minisched.api.errors import Refused
from minisched.api.message import Response
from minisched.config.problems import ParseContext, ValidationError, expected
from minisched.config.task_fields import TASK_ENV_NAME
from minisched.model import LocalizedText, RunTask, StopRun, TaskExecution

if TYPE_CHECKING:
    from minisched.api.call import Call
    from minisched.api.ports import HistoryReader

MOST_VARIABLES = 1000


def of_task(call: Call) -> Response:
    return _page(call, task_view(call).task.task_id)


def of_all(call: Call) -> Response:
    return _page(call, call.query["task"])


def _page(call: Call, task_id: Optional[str]) -> Response:
    asked = call.query
    with history(call.ports) as reader:
        runs, total = reader.page(
            task_id=task_id,
            statuses=asked["status"],
            triggers=asked["trigger"],
            since=asked["since"],
            until=asked["until"],
            page=asked["page"],
            page_size=asked["page_size"],
        )
    items = [compact(_json(call, run)) for run in runs]
    return Response(200, page_bytes(items, asked["page"], asked["page_size"], total))


def _json(call: Call, run: TaskExecution) -> dict[str, Any]:
    return run_json(run, zone_of(call.ports, run.task_id), call.request.authorized)


def one(call: Call) -> Response:
    run_id = int(call.ids["run_id"])
    with history(call.ports) as reader:
        run = known_run(reader, run_id)
        tail = reader.tail(run_id)
    return json_answer(200, {**_json(call, run), "output_tail": call.ports.logs.shown(tail)})


def known_run(reader: HistoryReader, run_id: int) -> TaskExecution:
    """Raises Refused."""
    run = reader.run(run_id)
    if run is None:
        raise Refused("not_found", f"there is no run {run_id} in the history")
    return run


def start(call: Call) -> Response:
    """The run is beside the schedule, and also of a disabled task; `env` is over the task's own."""
    task_id = task_view(call).task.task_id
    env = _env(call.body.get("env", {}))
    answer = ask(call.ports, lambda asked: RunTask(asked, task_id, env, call.by))
    return json_answer(202, {"run_id": answer.run_id})


def _env(value: Any) -> dict[str, str]:
    place = pointed("", "env")
    if not isinstance(value, dict) or len(value) > MOST_VARIABLES:
        raise bad_body(
            place,
            LocalizedText(
                f"expected an object of texts, at most {MOST_VARIABLES}",
                f"应为由文本组成的对象，最多 {MOST_VARIABLES} 项",
            ),
        )
    for name, text in value.items():
        try:
            TASK_ENV_NAME.read(name, ParseContext(), None)
        except ValidationError:
            raise bad_body(pointed(place, name), localized(expected(TASK_ENV_NAME.rule))) from None
        if not isinstance(text, str):
            raise bad_body(pointed(place, name), LocalizedText("expected a text", "应为文本"))
    return value


def stop(call: Call) -> Response:
    """Of a run that has no process yet it is the end; else its process group gets TERM, and KILL after its grace."""
    run_id = int(call.ids["run_id"])
    with history(call.ports) as reader:
        run = known_run(reader, run_id)
    if run.status.ended:
        raise Refused("ended", f"run {run_id} has ended already: {run.status}")
    ask(call.ports, lambda asked: StopRun(asked, run_id, call.by))
    with history(call.ports) as reader:
        run = reader.run(run_id) or run
    return json_answer(202, _json(call, run))
