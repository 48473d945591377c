"""What a handler is given, and what all handlers need: answers as JSON, the history, a question to the engine."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from minisched.api.errors import Refused
from minisched.api.message import Request, Response
from minisched.api.ports import HistoryReader, Ports
from minisched.model import Message, Reply, ReplyTo, TaskSnapshot
from minisched.timetable import load_zone

ANSWER_S = 5.0  # how long the engine may take to answer; its loop comes round within a second unless the disk stands


class Call(NamedTuple):
    """A request that keeps to its row of the route table."""

    request: Request
    ports: Ports
    ids: Mapping[str, str]  # from the path
    query: Mapping[str, Any]  # every parameter of the row, read
    body: Mapping[str, Any]  # {} where there is none

    @property
    def by(self) -> str:
        """Who asks, for the engine's log: nobody can be told from another but by the address."""
        return f"API, {self.request.client or 'unknown'}"


def json_answer(status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    return Response(status, compact(value), headers=headers)


def compact(value: Any) -> bytes:
    """JSON in ASCII: whatever stands in a text, the bytes can be sent and read."""
    return json.dumps(value, separators=(",", ":")).encode()


def page_bytes(items: Sequence[bytes], page: int, page_size: int, total: int) -> bytes:
    """A page of a list, of items that are JSON already."""
    return b'{"items":[%b],"page":%d,"page_size":%d,"total":%d}' % (b",".join(items), page, page_size, total)


def engine_zone(ports: Ports) -> tzinfo:
    return load_zone(ports.board.engine.config.settings.timezone)


def zone_of(ports: Ports, task_id: str) -> tzinfo:
    """The zone in which a task's times are shown; of one that was removed, the engine's."""
    view = ports.board.tasks.get(task_id)
    return engine_zone(ports) if view is None else load_zone(view.task.task_timezone)


def task_view(call: Call) -> TaskSnapshot:
    """The task of the path. Raises Refused."""
    task_id = call.ids["task_id"]
    view = call.ports.board.tasks.get(task_id)
    if view is None:
        raise Refused("not_found", f"there is no task {task_id}")
    return view


@contextmanager
def history(ports: Ports) -> Iterator[HistoryReader]:
    reader = ports.history()
    try:
        yield reader
    finally:
        reader.close()


# What the engine says, as a code of `errors.ERRORS`; what is not here is `unavailable`.
REFUSALS = {
    "not_found": "not_found",
    "ended": "ended",
    "foreign": "foreign",
    "pending": "pending",
    "stopping": "stopping",
    "invalid": "invalid_config",
    "disk_full": "disk_full",
}


def ask(ports: Ports, message: Callable[[ReplyTo], Message]) -> Reply:
    """Post a message to the engine and wait for its answer. Raises Refused: in the engine's words, or `busy`."""
    reply: SimpleQueue[Reply] = SimpleQueue()
    ports.post(message(ReplyTo(reply, ports.monotonic() + ANSWER_S)))
    try:
        answer = reply.get(timeout=ANSWER_S)
    except Empty:
        raise Refused("busy", f"the engine did not answer within {ANSWER_S:.0f} s") from None
    if answer.refused is not None:
        raise Refused(REFUSALS.get(answer.refused, "unavailable"), answer.message, answer.problems)
    return answer
