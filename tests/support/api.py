"""What the tests of the API share: requests as values, to a home with a real config file and history, and a small
substitute for the engine that answers as it does."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Optional
from urllib.parse import quote

from minisched import model
from minisched.api.context import INTERVALS, ApiError, AppContext, EventIntervals, Response
from minisched.api.dispatch import respond
from minisched.api.gate import Gate, admit, parse_head
from minisched.api.openapi import SCHEMAS
from minisched.api.routing import BASE, ROOT_TOO, Match, match
from minisched.config import ConfigError, load_config
from minisched.home import Home
from minisched.model import (
    Batch,
    ConfigEdit,
    EngineSnapshot,
    Message,
    Reload,
    ResendDelivery,
    ResendFailed,
    RunTask,
    Snapshot,
    Status,
    StopRun,
    TaskExecution,
    TaskSnapshot,
    Text,
)
from minisched.store.writer import Store, open_store
from support.store import NOW, make
from support.texts import Pair, in_both

try:
    import jsonschema_rs
except ImportError:  # it comes with schemathesis, which needs Python 3.11
    jsonschema_rs = None


HOST = "127.0.0.1:8787"
TOKEN = "k7Jx0Zq2uYwS5bV8nM4rT1cL6hP9dFgA3eQiOoRtUvW"
READ_TOKEN = f"read-{TOKEN}"


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]
    response: Response

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.json["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])


@cache
def validator(name: str) -> Any:
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}, validate_formats=True
    )


def check(method: str, path: str, response: Response) -> None:
    """Whether the answer is one of the route's, and as its schema has it; and whether what may be wrong in a config or
    a body is reported in both languages."""
    if response.status >= 400 and response.content_type.startswith("application/json"):
        error = json.loads(response.body).get("error", {})
        for one in [*error.get("problems", ()), *([error] if error else ())]:
            words = Pair(**one["words"])
            assert words.en == one["message"]
            if words.zh != words.en:  # else it is a sentence of the engine or of the system
                in_both(words)
    found = match(method, path)
    if not isinstance(found, Match) or response.stream is not None:
        return
    named = [answer.schema for answer in found.route.answers if answer.status == response.status] or ["Error"]
    if jsonschema_rs is not None and named[0] and response.content_type.startswith("application/json"):
        validator(named[0]).validate(json.loads(response.body))


class Api:
    """A home, its history, the engine's board, and what was posted to the engine."""

    def __init__(
        self, path: Path, *tasks: dict[str, Any], intervals: EventIntervals = INTERVALS, **settings: Any
    ) -> None:
        self.path = path
        for folder in ("tasks", "logs", "var"):
            (path / folder).mkdir(parents=True)
        self.config = path / "tasks" / "config.json"
        self.write({"version": 1, "settings": {"timezone": "UTC", **settings}, "tasks": list(tasks)})
        self.database = str(path / "var" / "minisched.db")
        self.store: Store = open_store(self.database, now=NOW)[0]
        self.now = NOW
        self.posted: list[Message] = []
        self.public_status = False
        self.mute = False  # the engine does not answer
        self.refusal: Optional[model.Reply] = None
        self.board = Snapshot(
            EngineSnapshot(
                load_config(str(self.config)),
                self.stamp(),
                started=NOW,
                beat=time.monotonic(),
                wake_by=time.monotonic() + 3600,  # no loop turns here
            )
        )
        self.publish_all()
        self.log = logging.Logger("api")
        self.app = AppContext(
            Home(str(path)),
            self.board,
            self.post,
            self.stamp,
            threading.Lock(),
            self.log,
            Gate(frozenset({HOST}), TOKEN.encode(), match, read_token=READ_TOKEN.encode()),
            wall=lambda: self.now,
            version="1.2.3",
            epoch="e0",
            intervals=intervals,
        )

    def close(self) -> None:
        self.app.close_history()
        self.store.close()

    def write(self, document: Any) -> None:
        self.config.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @property
    def document(self) -> Any:
        return json.loads(self.config.read_text(encoding="utf-8"))

    def stamp(self) -> object:
        try:
            found = os.stat(self.config)
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_size)

    # ----------------------------------------------------------------------------------------------------- the engine

    def post(self, message: Message) -> None:
        if not isinstance(message, ConfigEdit):  # only names who writes the file, and has no effect by itself
            self.posted.append(message)
        if (
            self.mute
            or not isinstance(message, (RunTask, StopRun, Reload, ResendDelivery, ResendFailed))
            or message.asked is None
        ):
            return
        answer = self.refusal
        if answer is None and isinstance(message, RunTask):
            answer = model.Reply(run_id=self.record(make(message.task_id, Status.RUNNING, env=message.env)))
        if answer is None and isinstance(message, Reload):
            answer = self.reload()
        if answer is None and isinstance(message, ResendDelivery):
            self.store.outbox.resend(message.delivery_id, self.now)
        if answer is None and isinstance(message, ResendFailed):
            resent, left = self.store.outbox.resend_failed(message.most, self.now)
            answer = model.Reply(resent=resent, left=left)
        message.asked.reply.put(answer or model.Reply())

    def reload(self) -> model.Reply:
        stamp = self.stamp()
        try:
            config = load_config(str(self.config))
        except ConfigError as error:
            return model.Reply(
                "invalid", Text("text", text="the config file has problems"), problems=tuple(error.problems)
            )
        self.board.engine = self.board.engine._replace(config=config, config_stamp=stamp)
        self.publish_all()
        return model.Reply()

    def publish_all(self) -> None:
        version = self.board.version + 1
        live = {task_id: view.live for task_id, view in self.board.tasks.items()}
        tasks = {
            task.task_id: TaskSnapshot(task, version, live.get(task.task_id, ()))
            for task in self.board.engine.config.tasks.values()
        }
        self.board.show_tasks(tasks)
        self.bump()

    def publish(self, task_id: str, **changes: Any) -> None:
        view = self.board.tasks[task_id]
        self.board.tasks[task_id] = view._replace(version=self.board.version + 1, **changes)
        self.bump()

    def bump(self) -> None:
        self.board.version += 1
        for watcher in self.board.watchers:
            watcher()

    def record(self, run: TaskExecution) -> int:
        """Write a run; the board shows it if it has not ended."""
        [run_id] = self.store.commit(Batch([run]))
        live = () if run.status.ended else (run._replace(run_id=run_id),)
        if run.task_id in self.board.tasks:
            self.publish(run.task_id, live=live)
        return run_id

    # ------------------------------------------------------------------------------------------------------- requests

    def __call__(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: Mapping[str, str] = {},
        authorized: bool = True,
        token: str = TOKEN,
    ) -> Reply:
        """Send a request through the gate and the dispatch, as the server does."""
        path = target if target.partition("?")[0] in ROOT_TOO else BASE + target
        target = quote(path, safe="/?&=%+:,~")
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"host": HOST, **headers}
        if authorized:
            fields["authorization"] = f"Bearer {token}"
        if method in ("POST", "PUT", "PATCH"):
            fields.update({"content-type": "application/json", "content-length": str(len(data))})
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        gate = Gate(frozenset({HOST}), TOKEN.encode(), match, self.public_status, READ_TOKEN.encode())
        try:
            admitted = admit(parse_head("\r\n".join([*lines, "", ""]).encode("latin-1")), gate, "127.0.0.1:9")
            response = respond(admitted.request._replace(body=data), self.app)
        except ApiError as error:
            response = error.response()
        self.app.close_history()
        check(method, path.partition("?")[0], response)
        is_list = response.stream is not None and response.content_type.startswith("application/json")
        text = b"".join(response.stream or ()) if is_list else response.body
        return Reply(response.status, text, dict(response.headers), response)

    def get(self, target: str, **options: Any) -> Reply:
        return self("GET", target, **options)
