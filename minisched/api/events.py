"""`GET /events`: Server-Sent Events. A slow reader costs no memory: what it has not been sent is looked up when it can
take more, as it is then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from minisched.api.call import compact, engine_zone
from minisched.api.cards import cards_of
from minisched.api.errors import Refused
from minisched.api.message import Response
from minisched.api.status import status_json
from minisched.model import StoreError, iso

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from minisched.api.call import Call
    from minisched.api.listeners import Listener
    from minisched.api.ports import Ports
    from minisched.model import EngineSnapshot, TaskSnapshot

PING_S = 1.0  # a page that hears nothing for three of these shows that it lost the engine
LEAST_BETWEEN_S = 0.25  # of two looks at what has changed
STATUS_EVERY_S = 1.0  # at most; it asks the disk and the history
STATUS_ANYWAY_S = 30.0  # for what changes without an event: the disk
CARDS_AT_ONCE = 50  # rendered together, and sent in one piece


def listen(call: Call) -> Response:
    ports = call.ports
    listener = ports.listeners.join()
    if listener is None:
        raise Refused("too_many_listeners")
    since = call.query["since"]
    if call.query["epoch"] not in (None, ports.epoch):
        since = None  # of another engine: the page sees by `hello` that it has to begin anew
    stream = EventStream(ports, listener, since, call.request.authorized)
    return Response(200, content_type="text/event-stream; charset=utf-8", stream=stream)


class EventStream:
    """The pieces of the stream, one at each `next`, which waits up to PING_S for it. To be closed: also one that was
    never begun holds a place."""

    def __init__(self, ports: Ports, listener: Listener, since: Optional[int], full: bool) -> None:
        self._ports = ports
        self._listener = listener
        self._full = full  # the token came with it: without, nothing of the engine is told
        self._seen = ports.board.version if since is None else since
        self._tasks = ports.board.tasks
        self._engine: Optional[EngineSnapshot] = None
        self._status_at = 0.0
        self._unsaid = False  # a task has changed since the engine's status was sent
        self._pieces = self._run()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        self._ports.listeners.leave(self._listener)
        self._pieces.close()

    def _run(self) -> Generator[bytes, None, None]:
        ports = self._ports
        yield event(
            "hello",
            {"epoch": ports.epoch, "version": ports.board.version, "tasks": len(ports.board.tasks), **self._now()},
        )
        looked_at = ports.monotonic() - LEAST_BETWEEN_S
        while True:
            sent = False
            for piece in self._changes():
                sent = True
                yield piece
            for piece in self._status(sent):
                sent = True
                yield piece
            if not sent:
                yield event("ping", self._now())
            # However often it is woken, it looks four times a second.
            self._rest(looked_at + LEAST_BETWEEN_S)
            status_in = self._status_at + STATUS_EVERY_S - ports.monotonic()
            self._listener.wait(min(PING_S, max(0.0, status_in)) if self._unsaid else PING_S)
            looked_at = ports.monotonic()

    def _rest(self, until: float) -> None:
        left = until - self._ports.monotonic()
        if left > 0:
            from time import sleep

            sleep(min(left, LEAST_BETWEEN_S))

    def _now(self) -> dict[str, Any]:
        return {"server_time": iso(self._ports.wall(), engine_zone(self._ports))}

    def _changes(self) -> Iterator[bytes]:
        """The tasks that are newer than what was sent, and those that are gone."""
        board = self._ports.board
        version, tasks = board.version, board.tasks  # in this order: what changes between them is sent once more
        before, self._tasks = self._tasks, tasks
        if before is not tasks:
            for task_id in before.keys() - tasks.keys():
                yield event("removed", {"task_id": task_id})
        if version == self._seen:
            return
        fresh = [view for view in tasks.values() if view.version > self._seen]
        for start in range(0, len(fresh), CARDS_AT_ONCE):
            try:
                yield self._cards(fresh[start : start + CARDS_AT_ONCE])
            except StoreError:
                return  # the history cannot be read now; they are looked up again
        self._seen = version

    def _cards(self, views: list[TaskSnapshot]) -> bytes:
        cards = cards_of(self._ports, views, self._full, fresh=True)
        return b"".join(b"event: task\ndata: %b\n\n" % card for card in cards)

    def _status(self, changed: bool) -> Iterator[bytes]:
        """The engine, where it has changed or a task has (the counts); not more often than is of use."""
        if not self._full:
            return
        ports = self._ports
        engine = ports.board.engine._replace(beat=0.0)
        age = ports.monotonic() - self._status_at
        self._unsaid |= changed or engine != self._engine
        if self._engine is None or (self._unsaid and age >= STATUS_EVERY_S) or age >= STATUS_ANYWAY_S:
            self._engine, self._status_at, self._unsaid = engine, ports.monotonic(), False
            yield event("status", status_json(ports))


def event(name: str, data: Any) -> bytes:
    """The JSON has no line end in it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), compact(data))
