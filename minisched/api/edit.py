"""Tasks in the config: read, created, replaced, changed, removed; checked by the rules of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minisched.api.body import bad_body
from minisched.api.call import compact, json_answer, task_view
from minisched.api.cards import cards_of
from minisched.api.changes import ConfigText, change, invalid, problems_of, put_in_force, read_text
from minisched.api.errors import Refused, problem_json
from minisched.api.message import Response
from minisched.api.routes import BASE
from minisched.config import check_task, json_schema
from minisched.config.exports import form_fields
from minisched.config.secrets import effective_task, redact, restore
from minisched.config.task_fields import TASK
from minisched.model import FieldError, LocalizedText, Text

if TYPE_CHECKING:
    from minisched.api.call import Call


def read(call: Call) -> Response:
    """`config` is the task's object in the file, null where the file is no right config or has the task no more."""
    view = task_view(call)
    text = read_text(call.ports)
    found = text.task(view.task.task_id)
    [card] = cards_of(call.ports, [view])
    own, effective = compact(None if found is None else redact(found)), compact(effective_task(view.task))
    body = b'{"card":%b,"config":%b,"effective":%b}' % (card, own, effective)
    return Response(200, body, headers=(("ETag", text.etag),) if text.hash else ())


def create(call: Call) -> Response:
    task_id = call.body.get("task_id")

    def edit(text: ConfigText) -> dict[str, Any]:
        if isinstance(task_id, str):
            for name in call.ports.board.engine.config.tasks:
                if name.lower() == task_id.lower():
                    raise Refused("exists", f"there is a task {name} already")
        task = _restored(call.body, None, text)
        return {**text.document, "tasks": [*text.document["tasks"], task]}

    etag = change(call, edit, f"task {task_id} created")
    location = ("Location", f"{BASE}/tasks/{task_id}")
    return _card(call, str(task_id), etag, 201, location)


def replace(call: Call) -> Response:
    task_id = call.ids["task_id"]
    return _edited(
        call, lambda task, text: _in_order(_restored(call.body, task, text), task), f"task {task_id} replaced"
    )


def patch(call: Call) -> Response:
    def edit(task: dict[str, Any], text: ConfigText) -> dict[str, Any]:
        merged = {**task, **_restored(call.body, task, text)}
        # What is no field stays, for the check to tell.
        removed = {name for name, value in call.body.items() if value is None and name in TASK.rows}
        return {name: value for name, value in merged.items() if name not in removed}

    fields = ", ".join(call.body) or "nothing"
    return _edited(call, edit, f"task {call.ids['task_id']} changed ({fields[:200]})")


def enable(call: Call) -> Response:
    return _switch(call, True)


def disable(call: Call) -> Response:
    return _switch(call, False)


def _switch(call: Call, enabled: bool) -> Response:
    word = "enabled" if enabled else "disabled"
    what = f"task {call.ids['task_id']} {word}"
    return _edited(call, lambda task, text: {**task, "enabled": enabled}, what)


def delete(call: Call) -> Response:
    task_id = call.ids["task_id"]

    def edit(text: ConfigText) -> dict[str, Any]:
        _found(text, task_id)
        tasks = call.ports.board.engine.config.tasks.values()
        dependents = [task.task_id for task in tasks if task_id in task.task_dependencies]
        if dependents:
            names = ", ".join(dependents)
            raise Refused("has_dependents", f"{names} depend on {task_id}", dependents=dependents)
        return {**text.document, "tasks": [task for task in text.document["tasks"] if task["task_id"] != task_id]}

    change(call, edit, f"task {task_id} removed")
    return json_answer(200, {"task_id": task_id})


def _edited(call: Call, edit: Any, what: str) -> Response:
    """edit(the task's object, the file) gives the new object."""
    task_id = call.ids["task_id"]

    def change_one(text: ConfigText) -> dict[str, Any]:
        before = _found(text, task_id)
        task = edit(before, text)
        if task.get("task_id", task_id) != task_id:
            raise invalid([FieldError("task_id", Text("config.task.id_changed", task_id=task_id))])
        return {**text.document, "tasks": [task if one is before else one for one in text.document["tasks"]]}

    return _card(call, task_id, change(call, change_one, what), 200)


def _found(text: ConfigText, task_id: str) -> dict[str, Any]:
    task = text.task(task_id)
    if task is None:
        raise Refused("not_found", f"there is no task {task_id}")
    return task


def _restored(task: Any, before: Any, text: ConfigText) -> dict[str, Any]:
    """The task with the secrets of before where it has stars. Raises Refused."""
    restored, faults = restore(task, before, text.defaults)
    if faults:
        raise invalid(faults)
    fields: dict[str, Any] = restored
    return fields


def _in_order(task: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The fields in the order of the file, new ones after them."""
    return {**{name: task[name] for name in before if name in task}, **task}


def _card(call: Call, task_id: str, file_hash: str, status: int, *headers: tuple[str, str]) -> Response:
    view = call.ports.board.tasks.get(task_id)
    if view is None:
        raise Refused("busy", f"the file is written, but task {task_id} is not in force yet")
    [card] = cards_of(call.ports, [view])
    return Response(status, card, headers=(("ETag", f'"{file_hash}"'), *headers))


def validate(call: Call) -> Response:
    """A task is checked in the place of the one with its id, or beside the others."""
    if len(call.body) != 1:
        raise bad_body("", LocalizedText('expected one of "task" and "config"', '应为 "task" 或 "config" 之一'))
    if "config" in call.body:
        problems = problems_of(call.body["config"], call.ports)
    else:
        problems = _problems_of_task(call.body["task"], call)
    return json_answer(200, {"valid": not problems, "problems": [problem_json(problem) for problem in problems]})


def _problems_of_task(task: Any, call: Call) -> list[FieldError]:
    text = read_text(call.ports)
    if not text.in_force:
        return check_task(task)  # beside a file that is not right nothing can be told of the others
    if not isinstance(task, dict):
        return check_task(task)
    before = text.task(str(task.get("task_id")))
    restored, faults = restore(task, before, text.defaults)
    if faults:
        return faults
    others = [restored if one is before else one for one in text.document["tasks"]]
    return problems_of({**text.document, "tasks": others if before else [*others, restored]}, call.ports)


def schema(call: Call) -> Response:
    return json_answer(200, {"json_schema": json_schema(), "fields": form_fields()})


def reload(call: Call) -> Response:
    put_in_force(call, "reload")
    return json_answer(200, {"problems": []})
