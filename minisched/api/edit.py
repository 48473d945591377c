"""The config file through the API: tasks are created, changed and removed in it, and checked by its rules.

Only the file that is in force is changed, and either the whole change is written or nothing. After a change the engine
reloads the file; the response is sent when the change is in force.
"""

from __future__ import annotations

import errno
import json
import os
from array import array
from functools import lru_cache

from minisched.api.context import ApiError, RequestContext, Response, bad_body, json_response, problem_json, to_json
from minisched.api.engine import paused_json
from minisched.api.routing import BASE, EMPTY, Answer, Body, route
from minisched.api.tasks import summaries_of
from minisched.config import (
    ConfigChanged,
    ConfigError,
    NotDurable,
    check_permissions,
    check_task,
    config_hash,
    parse_document,
    parse_json,
    read_config,
    save_config,
)
from minisched.config.exports import form_fields, json_schema
from minisched.config.json_edit import edit_json, members
from minisched.config.problems import count_problems
from minisched.config.secrets import effective_task, redact, restore
from minisched.config.task_fields import TASK
from minisched.model import ConfigEdit, FieldError, Reload, Text
from minisched.namedtuple import NamedTuple
from minisched.osutil import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any, Callable, Optional

    from minisched.api.context import AppContext

CHANGED = Answer(200, "TaskSummary", "The task, as it is now in force.")
SETTINGS_ERRORS = ("config_changed", "stale", "invalid_config", "busy", "stopping", "unavailable", "disk_full")
ERRORS = ("not_found", *SETTINGS_ERRORS)

if TYPE_CHECKING:
    Object = dict[str, Any]


class ConfigText(NamedTuple):
    """The config file as it is on disk."""

    document: Any  # None if it is no valid config
    data: bytes  # of the file; b"" if it cannot be read
    hash: str  # of `data`; "" if it cannot be read
    in_force: bool  # it is the very file that the engine uses

    def task(self, task_id: str) -> Optional[Object]:
        tasks = self.document["tasks"] if self.document else ()
        return next((task for task in tasks if task["task_id"] == task_id), None)

    def existing(self, task_id: str) -> Object:
        """Raises ApiError."""
        task = self.task(task_id)
        if task is None:
            raise ApiError("not_found", Text("api.no_task", task=task_id))
        return task

    @property
    def defaults(self) -> Object:
        return (self.document or {}).get("defaults") or {}


def read_text(app: AppContext) -> ConfigText:
    stamp = app.config_stamp()
    try:
        data = read_config(app.home.config)
    except ConfigError:
        return ConfigText(None, b"", "", False)
    in_force = stamp == app.config_stamp() == app.snapshot.engine.config_stamp
    document, problems = parse_json(data)
    if problems or (not in_force and problems_of(document, app)):
        document = None  # nothing of it is shown: it is not known which values are secrets
    return ConfigText(document, data, config_hash(data), in_force and document is not None)


def stored_task(app: AppContext, task_id: str) -> tuple[Optional[Object], str]:
    """A task's object in the config file, and the file's hash. Of the file in force only this object is read: to parse
    ten thousand tasks takes 25 ms each time, to keep them 10 MB."""
    stamp, engine = app.config_stamp(), app.snapshot.engine
    if stamp is not None and stamp == engine.config_stamp and task_id in engine.config.tasks:
        try:
            file_hash, spans = _index(app.home.config, stamp)
            start, end = spans[2 * list(engine.config.tasks).index(task_id) :][:2]
            fd, _ = open_regular(app.home.config, follow_symlinks=True)
            try:
                task: Object = json.loads(os.pread(fd, end - start, start))
            finally:
                os.close(fd)
            if stamp == app.config_stamp():
                return task, file_hash
        except (ConfigError, OSError, ValueError):
            pass  # the file is being replaced
    text = read_text(app)
    return text.task(task_id), text.hash


@lru_cache(maxsize=1)
def _index(path: str, stamp: object) -> tuple[str, array[int]]:
    """The hash of a valid config file, and the first and last byte of each of its tasks. stamp: of the file now."""
    data = read_config(path)
    return config_hash(data), array("L", _spans(data.decode()))


def _spans(text: str) -> Iterator[int]:
    """Start and end of each item of `tasks` in a valid config, in bytes."""
    [tasks] = (one.start for one in members(text, text.index("{")) if one.name == "tasks")
    counted = position = 0
    for task in members(text, tasks):
        for place in (task.start, task.end):
            position += len(text[counted:place].encode())
            counted = place
            yield position


def problems_of(document: Any, app: AppContext) -> list[FieldError]:
    return parse_document(document, home=app.home.path)[1]


def invalid(problems: Sequence[FieldError]) -> ApiError:
    return ApiError("invalid_config", Text("api.problems", count=count_problems(problems)), problems)


# ------------------------------------------------------------------------------------------------------------- changes


def change(context: RequestContext, edit: Callable[[ConfigText], Object], what: str) -> str:
    """Save what `edit` makes of the config's document, put it in force, and return the hash of the new file.

    Only the lines that differ are written; if none does, nothing is written or loaded. what: for the engine's log.
    Raises ApiError, OSError; the file is then as it was, unless the message says otherwise.
    """
    app = context.app
    if not app.write_lock.acquire(timeout=app.reply_s):
        raise ApiError("busy", Text("api.being_changed"))
    try:
        text = read_text(app)
        _check_if_match(context, text)
        if not text.in_force:
            refused = app.snapshot.engine.config_problems
            why = Text("api.config_refused", problem=refused[0].as_text()) if refused else None
            raise ApiError("config_changed", why)
        document = edit(text)
        problems = check_permissions(app.home.config) + problems_of(document, app)
        if problems:
            raise invalid(problems)
        data = edit_json(text.data.decode(), text.document, document).encode()
        if data == text.data:
            return text.hash
        app.post(ConfigEdit(context.origin))
        try:
            saved = save_config(app.home.config, data, expected_hash=text.hash)
        except ConfigChanged:
            raise ApiError("config_changed") from None
        except ConfigError as error:
            raise invalid(error.problems) from None
        except NotDurable as error:
            put_in_force(context, what)
            raise _not_written(error, "not_durable", app) from error
        except OSError as error:
            raise _not_written(error, _UNWRITABLE.get(error.errno or 0, "unwritable"), app) from error
        try:
            put_in_force(context, what)
        except ApiError as error:
            code = "api.written_not_valid" if error.code == "invalid_config" else "api.written_not_in_force"
            raise ApiError(error.code, Text(code, why=error.text), error.problems) from None
        return saved
    finally:
        app.post(ConfigEdit(None))
        app.write_lock.release()


# What can be done about a config file that cannot be replaced.
_UNWRITABLE = {
    errno.EROFS: "read_only",
    errno.EACCES: "not_permitted",
    errno.EPERM: "not_permitted",
    errno.EBUSY: "mount_point",
    errno.ENOSPC: "no_space",
    errno.EDQUOT: "no_space",
}


def _not_written(error: OSError, code: str, app: AppContext) -> ApiError:
    config = os.path.realpath(app.home.config)
    values = {"path": config, "folder": os.path.dirname(config), "reason": os.strerror(error.errno or 0)}
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ApiError("disk_full" if full else "unavailable", Text(f"api.write.{code}", **values))


def _check_if_match(context: RequestContext, text: ConfigText) -> None:
    """`If-Match` (RFC 9110, 13.1.1): one of these files, or `*` for any."""
    wanted = context.request.headers.get("if-match", "").strip()
    if wanted and wanted != "*" and f'"{text.hash}"' not in [one.strip() for one in wanted.split(",")]:
        raise ApiError("stale")


def put_in_force(context: RequestContext, what: str) -> None:
    """Let the engine load the file; when this returns, the snapshot shows it. Raises ApiError."""
    context.app.send_command(lambda reply_to: Reload(reply_to, f"{what}, {context.by}"))


def change_task(
    context: RequestContext, task_id: str, edit: Callable[[Object, ConfigText], Object], what: str
) -> Response:
    """Replace a task's object by what `edit` makes of it."""

    def edit_document(text: ConfigText) -> Object:
        before = text.existing(task_id)
        task = edit(before, text)
        if task.get("task_id", task_id) != task_id:
            raise invalid([FieldError("task_id", Text("config.task.id_changed", task_id=task_id))])
        return {**text.document, "tasks": [task if one is before else one for one in text.document["tasks"]]}

    return _summary(context, task_id, change(context, edit_document, what), 200)


def _summary(context: RequestContext, task_id: str, file_hash: str, status: int, *headers: tuple[str, str]) -> Response:
    view = context.app.snapshot.tasks.get(task_id)
    if view is None:
        raise ApiError("busy", Text("api.task_not_in_force", task=task_id))
    [summary] = summaries_of(context.app, [view])
    return Response(status, summary, headers=(("ETag", f'"{file_hash}"'), *headers))


def _restored(task: Any, before: Any, text: ConfigText) -> Object:
    """The task with the current secrets in place of its stars. Raises ApiError."""
    restored, faults = restore(task, before, text.defaults)
    if faults:
        raise invalid(faults)
    fields: Object = restored
    return fields


# --------------------------------------------------------------------------------------------------------------- tasks


@route(
    "POST",
    "/tasks",
    "Create a task, at the end of the config.",
    Answer(201, "TaskSummary", "The new task, in force; `Location` is its address."),
    body=Body("Task"),
    errors=("exists", *(code for code in ERRORS if code != "not_found")),
)
def create(context: RequestContext) -> Response:
    task_id = context.body.get("task_id")

    def edit(text: ConfigText) -> Object:
        if isinstance(task_id, str):
            for name in context.app.snapshot.engine.config.tasks:
                if name.lower() == task_id.lower():
                    raise ApiError("exists", Text("api.task_exists", task=name))
        task = _restored(context.body, None, text)
        return {**text.document, "tasks": [*text.document["tasks"], task]}

    file_hash = change(context, edit, f"task {task_id} created")
    return _summary(context, str(task_id), file_hash, 201, ("Location", f"{BASE}/tasks/{task_id}"))


@route(
    "GET",
    "/tasks/{task_id}",
    "Get a task: its state, its object in the config file, and all fields with their defaults.",
    Answer(200, "TaskDetail", "The task; its `ETag` is for `If-Match`."),
    errors=("not_found", "unavailable"),
)
def read(context: RequestContext, task_id: str) -> Response:
    """`config` is null if the file is no valid config, or no longer has the task."""
    view = context.app.task(task_id)
    found, file_hash = stored_task(context.app, task_id)
    [summary] = summaries_of(context.app, [view])
    own, effective = to_json(None if found is None else redact(found)), to_json(effective_task(view.task))
    body = b'{"task":%b,"config":%b,"effective":%b}' % (summary, own, effective)
    return Response(200, body, headers=(("ETag", f'"{file_hash}"'),) if file_hash else ())


LOGGED_IDS = 20  # that the engine's log names of one change; their number is unlimited


@route(
    "PATCH",
    "/tasks",
    "Enable, disable or delete many tasks, add and remove tags of them, in one change of the config.",
    Answer(200, "TasksChanged", "What became of each task; those that are changed are in force."),
    body=Body("TasksPatch", fields=("task_ids", "enabled", "add_tags", "remove_tags", "delete")),
    errors=("has_dependents", *SETTINGS_ERRORS),
)
def patch_many(context: RequestContext) -> Response:
    """All are changed or, if one would make the config invalid, none. Tasks that do not exist are only reported."""
    ids = list(dict.fromkeys(_texts(context.body, "task_ids", None)))
    added, removed = (_texts(context.body, name, []) for name in ("add_tags", "remove_tags"))
    wanted, deletes = _flag(context.body, "enabled"), _flag(context.body, "delete")
    if deletes and len(context.body) > 2:
        raise bad_body(Text("api.body.alone"), "delete")
    changed: list[str] = []
    unchanged: list[str] = []

    def edit_task(task: Object) -> Object:
        now = context.app.snapshot.engine.config.tasks.get(task["task_id"])
        if now is None:  # another file has come into force meanwhile
            raise ApiError("config_changed")
        tags = [
            *(tag for tag in now.task_tags if tag not in removed),
            *(tag for tag in added if tag not in now.task_tags),
        ]
        fields: Object = {}
        if wanted is not None and wanted is not now.enabled:
            fields["enabled"] = wanted
        if tags != list(now.task_tags):
            fields["task_tags"] = tags
        (changed if fields else unchanged).append(now.task_id)
        return {**task, **fields}

    def edit(text: ConfigText) -> Object:
        chosen = set(ids)
        if deletes:
            changed.extend(one["task_id"] for one in text.document["tasks"] if one["task_id"] in chosen)
            return _without(context, text.document, chosen)
        tasks = [edit_task(one) if one["task_id"] in chosen else one for one in text.document["tasks"]]
        return {**text.document, "tasks": tasks}

    existing = [one for one in ids if one in context.app.snapshot.engine.config.tasks]
    names = [*existing[:LOGGED_IDS], *([f"{len(existing) - LOGGED_IDS} more"] if len(existing) > LOGGED_IDS else [])]
    what = [
        *([] if wanted is None else ["enabled" if wanted else "disabled"]),
        *(["tags added"] if added else []),
        *(["tags removed"] if removed else []),
    ]
    done = "removed" if deletes else f"changed ({', '.join(what)})"
    change(context, edit, f"tasks {', '.join(names)} {done}")
    known = {*changed, *unchanged}
    missing = [one for one in ids if one not in known]
    return json_response(200, {"changed": changed, "unchanged": unchanged, "missing": missing})


def _flag(body: Mapping[str, Any], name: str) -> Optional[bool]:
    """None if the body does not have it. Raises ApiError."""
    value: Optional[bool] = body.get(name)
    if name in body and not isinstance(value, bool):
        raise bad_body(Text("api.body.flag"), name)
    return value


def _texts(body: Mapping[str, Any], name: str, default: Optional[list[str]]) -> list[str]:
    """Without a default the member is required. Raises ApiError."""
    value = body.get(name, default)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise bad_body(Text("api.body.texts"), name)
    return value


@route("PUT", "/tasks/{task_id}", "Replace a task's object in the config.", CHANGED, body=Body("Task"), errors=ERRORS)
def replace(context: RequestContext, task_id: str) -> Response:
    def edit(before: Object, text: ConfigText) -> Object:
        task = _restored(context.body, before, text)
        return {**{name: task[name] for name in before if name in task}, **task}  # fields keep their order

    return change_task(context, task_id, edit, f"task {task_id} replaced")


@route(
    "PATCH",
    "/tasks/{task_id}",
    "Change some fields of a task (JSON merge patch of its fields: null removes one).",
    CHANGED,
    body=Body("TaskPatch"),
    errors=ERRORS,
)
def patch(context: RequestContext, task_id: str) -> Response:
    def edit(before: Object, text: ConfigText) -> Object:
        merged = {**before, **_restored(context.body, before, text)}
        # Names that are no fields stay, so that the check reports them.
        removed = {name for name, value in context.body.items() if value is None and name in TASK.rows}
        return {name: value for name, value in merged.items() if name not in removed}

    fields = ", ".join(context.body) or "nothing"
    return change_task(context, task_id, edit, f"task {task_id} changed ({fields[:200]})")


@route("POST", "/tasks/{task_id}/enable", "Enable a task.", CHANGED, body=EMPTY, errors=ERRORS)
def enable(context: RequestContext, task_id: str) -> Response:
    return _switch(context, task_id, True)


@route(
    "POST",
    "/tasks/{task_id}/disable",
    "Disable a task. It can still be started manually.",
    CHANGED,
    body=EMPTY,
    errors=ERRORS,
)
def disable(context: RequestContext, task_id: str) -> Response:
    return _switch(context, task_id, False)


def _switch(context: RequestContext, task_id: str, enabled: bool) -> Response:
    """Write `enabled`, unless the task is so already, by itself or by the defaults."""

    def edit(task: Object, text: ConfigText) -> Object:
        is_enabled = context.app.snapshot.engine.config.tasks[task_id].enabled
        return task if is_enabled is enabled else {**task, "enabled": enabled}

    return change_task(context, task_id, edit, f"task {task_id} {'enabled' if enabled else 'disabled'}")


@route(
    "DELETE",
    "/tasks/{task_id}",
    "Remove a task from the config. Its history stays until retention deletes it.",
    Answer(200, "TaskId", "The task is removed."),
    errors=("has_dependents", *ERRORS),
)
def delete(context: RequestContext, task_id: str) -> Response:
    def edit(text: ConfigText) -> Object:
        text.existing(task_id)
        return _without(context, text.document, {task_id})

    change(context, edit, f"task {task_id} removed")
    return json_response(200, {"task_id": task_id})


def _without(context: RequestContext, document: Object, ids: Collection[str]) -> Object:
    """The document without these tasks. Raises ApiError if others depend on them; its message is about the first."""
    dependents: dict[str, list[str]] = {}  # by the task that they depend on
    for one in context.app.snapshot.engine.config.tasks.values():
        for dependency in one.task_dependencies if one.task_id not in ids else ():
            if dependency.task_id in ids:
                dependents.setdefault(dependency.task_id, []).append(one.task_id)
    if dependents:
        task, tasks = next(iter(dependents.items()))
        everyone = list(dict.fromkeys(one for some in dependents.values() for one in some))
        raise ApiError("has_dependents", Text("api.dependents", tasks=tasks, task=task), dependents=everyone)
    return {**document, "tasks": [one for one in document["tasks"] if one["task_id"] not in ids]}


# ------------------------------------------------------------------------------------------------------------- settings


def _set_paused(context: RequestContext, paused: bool) -> Response:
    changed = False

    def edit(text: ConfigText) -> Object:
        nonlocal changed
        settings: Object = text.document.get("settings", {})
        changed = settings.get("paused", False) != paused
        document: Object = text.document
        return {**document, "settings": {**settings, "paused": paused}} if changed else document

    change(context, edit, "engine paused" if paused else "engine resumed")
    unfinished = sum(len(view.live) for view in context.app.snapshot.tasks.values())
    return json_response(200, {"paused": paused_json(context.app), "unfinished": unfinished, "changed": changed})


PAUSED = Answer(200, "Pause", "It is in force.")


@route(
    "POST",
    "/pause",
    "Pause the engine: no task is due until it is resumed. Tasks can still be started manually.",
    PAUSED,
    body=EMPTY,
    errors=SETTINGS_ERRORS,
)
def pause(context: RequestContext) -> Response:
    """Sets `settings.paused` in the config file. Runs that have begun are finished: `unfinished` is how many."""
    return _set_paused(context, True)


@route(
    "POST",
    "/resume",
    "Resume the engine. What was due in the pause is not caught up.",
    PAUSED,
    body=EMPTY,
    errors=SETTINGS_ERRORS,
)
def resume(context: RequestContext) -> Response:
    return _set_paused(context, False)


# --------------------------------------------------------------------------------------------------------- whole config


@route(
    "POST",
    "/validate",
    "Check a task or a whole config. Nothing is changed.",
    Answer(200, "Validity", "Whether it is valid, and every problem."),
    body=Body("Validate", fields=("task", "config")),
    errors=("unavailable",),
    costly=True,
)
def validate(context: RequestContext) -> Response:
    """A task is checked in place of the one with its id, or beside the others."""
    if len(context.body) != 1:
        raise bad_body(Text("api.body.task_or_config"))
    if "config" in context.body:
        problems = problems_of(context.body["config"], context.app)
    else:
        problems = _problems_of_task(context.body["task"], context.app)
    return json_response(200, {"valid": not problems, "problems": [problem_json(problem) for problem in problems]})


def _problems_of_task(task: Any, app: AppContext) -> list[FieldError]:
    text = read_text(app)
    if not text.in_force or not isinstance(task, dict):
        return check_task(task)  # by itself: what an invalid file says of the other tasks is not known
    before = text.task(str(task.get("task_id")))
    restored, faults = restore(task, before, text.defaults)
    if faults:
        return faults
    others = [restored if one is before else one for one in text.document["tasks"]]
    return problems_of({**text.document, "tasks": others if before else [*others, restored]}, app)


@route(
    "GET",
    "/schema",
    "Describe the config: JSON Schema, and a task's fields for a form, in English and Chinese.",
    Answer(200, "FieldTable", "The schema and the fields."),
)
def schema(context: RequestContext) -> Response:
    return json_response(200, {"json_schema": json_schema(), "fields": form_fields()})


@route(
    "POST",
    "/reload",
    "Reload the config file now.",
    Answer(200, "Problems", "The file is in force."),
    body=EMPTY,
    errors=("invalid_config", "busy", "stopping", "unavailable"),
)
def reload(context: RequestContext) -> Response:
    put_in_force(context, "reload")
    return json_response(200, {"problems": []})
