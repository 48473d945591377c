"""`GET /events`: Server-Sent Events. A slow reader costs no memory: what it has not been sent is read when it can take
more, as it is then."""

from __future__ import annotations

import time
from zlib import crc32

from minisched.api.context import ApiError, RequestContext, Response, to_json
from minisched.api.engine import status_json
from minisched.api.routing import PUBLIC, Answer, IntParam, Parameter, StrParam, route
from minisched.api.tasks import BRIEF, Form, summaries_of
from minisched.model import StoreError, Text, iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any, Optional

    from minisched.api.context import AppContext, Listener
    from minisched.model import EngineSnapshot, TaskSnapshot

SUMMARIES_AT_ONCE = 50  # rendered together, and sent in one piece
EPOCH = StrParam(pattern="[A-Za-z0-9_-]{1,64}", rule=Text("api.rule.epoch"))


@route(
    "GET",
    "/events",
    "Listen to Server-Sent Events: each task that changes, as its summary; the engine; a ping each second.",
    Answer(200, "Events", "The stream; `hello` comes first."),
    access=PUBLIC,
    query=(
        Parameter("since", IntParam(0, 10**15), "The version that is known: newer summaries come first."),
        Parameter("epoch", EPOCH, "The epoch that `since` is from."),
        BRIEF,
    ),
    errors=("too_many_listeners",),
)
def listen(context: RequestContext) -> Response:
    listener = context.app.listeners.join(context.full)
    if listener is None:
        raise ApiError("too_many_listeners")
    since = context.query["since"]
    if context.query["epoch"] not in (None, context.app.epoch):
        since = None  # of another engine: `hello` shows the page that it has to begin again
    stream = EventStream(context.app, listener, since, Form(context.full, context.query["brief"]))
    return Response(200, content_type="text/event-stream; charset=utf-8", stream=stream)


class EventStream:
    """The pieces of the stream, one at each `next`, which waits up to the interval of a ping. It has to be closed, also
    if it was never begun, as it holds a place."""

    def __init__(self, app: AppContext, listener: Listener, since: Optional[int], form: Form) -> None:
        self._app = app
        self._listener = listener
        self._form = form  # not `full`, without the token: nothing of the engine is sent
        self._seen = app.snapshot.version if since is None else since
        self._tasks = app.snapshot.tasks
        self._engine: Optional[EngineSnapshot] = None
        self._status_at = 0.0
        self._status_due = False  # a task or the engine has changed since the status was sent
        self._pieces = self._run()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        self._app.listeners.leave(self._listener)
        self._pieces.close()

    def _run(self) -> Generator[bytes, None, None]:
        app = self._app
        tasks = app.snapshot.tasks
        ids = crc32("\n".join(tasks).encode())  # whoever has a list sees whether a task was added or removed since
        snapshot = {"epoch": app.epoch, "version": app.snapshot.version, "tasks": len(tasks), "task_ids": ids}
        yield event("hello", {**snapshot, **self._now()})
        every = app.intervals
        looked_at = app.monotonic() - every.look
        while True:
            sent = False
            for piece in self._changes():
                sent = True
                yield piece
            for piece in self._status(sent):
                sent = True
                yield piece
            app.close_history()  # a listener stays for hours, and mostly finds what others have read
            if not sent:
                yield event("ping", self._now())
            # However often it is woken, it looks four times a second.
            time.sleep(min(every.look, max(0.0, looked_at + every.look - app.monotonic())))
            status_in = self._status_at + every.status - app.monotonic()
            self._listener.wait(min(every.ping, status_in) if self._status_due else every.ping)
            looked_at = app.monotonic()

    def _now(self) -> dict[str, Any]:
        return {"server_time": iso(self._app.wall(), self._app.zone)}

    def _changes(self) -> Iterator[bytes]:
        """The tasks that are newer than what was sent, and those that are gone."""
        snapshot = self._app.snapshot
        version, tasks = snapshot.version, snapshot.tasks  # in this order: a change between them is sent once more
        before, self._tasks = self._tasks, tasks
        if before is not tasks:
            for task_id in before.keys() - tasks.keys():
                yield event("removed", {"task_id": task_id})
        if version == self._seen:
            return
        fresh = [view for view in tasks.values() if view.version > self._seen]
        for start in range(0, len(fresh), SUMMARIES_AT_ONCE):
            try:
                yield self._summaries(fresh[start : start + SUMMARIES_AT_ONCE])
            except StoreError as error:
                self._app.report_unreadable(error)
                return  # the history cannot be read now; the next look tries again
        self._seen = version

    def _summaries(self, views: list[TaskSnapshot]) -> bytes:
        summaries = summaries_of(self._app, views, self._form, fresh=True)
        return b"".join(b"event: task\ndata: %b\n\n" % summary for summary in summaries)

    def _status(self, changed: bool) -> Iterator[bytes]:
        """The engine, if it or a task (the counts) has changed, but not too often."""
        if not self._form.full:
            return
        app = self._app
        engine = app.snapshot.engine._replace(beat=0.0, wake_by=0.0)
        age = app.monotonic() - self._status_at
        self._status_due |= changed or engine != self._engine
        waited = age >= app.intervals.idle_status or (self._status_due and age >= app.intervals.status)
        if self._engine is None or waited:
            self._engine, self._status_at, self._status_due = engine, app.monotonic(), False
            yield event("status", status_json(app))


def event(name: str, data: Any) -> bytes:
    """The JSON has no line break in it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), to_json(data))
