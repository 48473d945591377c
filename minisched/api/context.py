"""Requests, responses and errors as values; what a handler is given, and what all handlers share."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta, tzinfo
from datetime import time as clock
from queue import Empty, SimpleQueue
from threading import Condition, Lock
from types import MappingProxyType
from zlib import DEF_MEM_LEVEL, DEFLATED, compress, compressobj, decompress

from minisched import __version__
from minisched.api.routing import COMMAND_LINE, USER_HEADER
from minisched.catalogue import ENGLISH, LANGUAGES, render, shown
from minisched.home import Home
from minisched.lint import Lint
from minisched.model import (
    UNFINISHED,
    FieldError,
    HistoryUnreadable,
    Message,
    Origin,
    Reply,
    ReplyTo,
    Snapshot,
    Status,
    StoreError,
    TaskSnapshot,
    Text,
)
from minisched.namedtuple import NamedTuple
from minisched.osutil import Importing
from minisched.threads import receive
from minisched.timetable import load_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from minisched.api.gate import Gate
    from minisched.api.routing import Route
    from minisched.store.reader import History

REPLY_S = 5.0  # for the engine, whose loop turns at least once a second unless its disk hangs
MAX_LATE_S = 15.0  # after the time by which the loop should have turned; a commit on a hung disk holds it up
MAX_LISTENERS = 16
MAX_ANONYMOUS_LISTENERS = 8  # of them without the token: they leave places for those with it
# Requests whose answer takes long to compute (`Route.costly`). More at once would only share the interpreter, and each
# needs memory; a few others wait for their turn, but not all connections.
MAX_COSTLY = 2
MAX_ANONYMOUS_COSTLY = 1
MAX_COSTLY_WAITING = 6
COSTLY_WAIT_S = 5.0
RETRY_AFTER_S = 2  # for a client that had no turn
MAX_CACHE_BYTES = 2**20  # of summaries: about 1,000 tasks, with 30 runs each or with none
GZIP = 31  # wbits of zlib: a gzip header, the largest window
PLAIN_BYTES = 1024  # a summary up to this size is kept as it is
ENTRY_BYTES = 160  # of the cache, what the dict and its values take for each summary
MAX_LIST_BYTES = 2**20  # 1,000 tasks without a history have half of it
MAX_PIECES_BYTES = 2**20  # compressed: 40,000 tasks without a history, or 2,000 with 30 runs each

USER_NAME = re.compile(r"[\w.@-]{1,64}", re.ASCII)

Headers = tuple[tuple[str, str], ...]

# The status of each code of an error. What a code means is in the catalogue, as `api.<code>`.
STATUSES = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "timeout": 408,
    "exists": 409,
    "config_changed": 409,
    "has_dependents": 409,
    "ended": 409,
    "foreign": 409,
    "pending": 409,
    "output_gone": 410,
    "length_required": 411,
    "stale": 412,
    "too_large": 413,
    "uri_too_long": 414,
    "unsupported_media_type": 415,
    "expectation_failed": 417,
    "misdirected": 421,
    "invalid_config": 422,
    "headers_too_large": 431,
    "internal": 500,
    "not_implemented": 501,
    "busy": 503,
    "stopping": 503,
    "unavailable": 503,
    "too_many_listeners": 503,
    "version_not_supported": 505,
    "disk_full": 507,
}
# The engine's code for a refused command, where it is not the same as the API's.
ENGINE_CODES = {"invalid": "invalid_config"}


class Request(NamedTuple):
    """A request that has passed the gate."""

    method: str  # HEAD comes as GET; its body is not sent
    path: str  # decoded, begins with "/"
    route: Route
    ids: Mapping[str, Any] = MappingProxyType({})  # from the path, by the names in it
    query: Mapping[str, tuple[str, ...]] = MappingProxyType({})  # decoded; in the order given
    headers: Mapping[str, str] = MappingProxyType({})  # names in lower case
    body: bytes = b""
    authorized: bool = False  # the token came with it
    client: str = ""  # address and port

    def has_copy(self, etag: str) -> bool:
        """Whether the client already has what `etag` stands for (`If-None-Match`; weak as strong, RFC 9110, 13.1.2)."""
        known = self.headers.get("if-none-match", "").split(",")
        return etag.removeprefix("W/") in [one.strip().removeprefix("W/") for one in known]

    @property
    def takes_gzip(self) -> bool:
        """Whether Accept-Encoding names gzip (RFC 9110, section 12.5.3); `*` alone is not enough to rely on it."""
        for one in self.headers.get("accept-encoding", "").lower().split(","):
            coding, _, weight = one.replace(" ", "").partition(";")
            if coding == "gzip":
                return not re.fullmatch(r"q=0(\.0*)?", weight)
        return False


def gzipped(data: bytes, level: int, memory: int = DEF_MEM_LEVEL) -> bytes:
    packer = compressobj(level, DEFLATED, GZIP, memory)
    return packer.compress(data) + packer.flush()


class Response(NamedTuple):
    """`stream`, if given, is sent piece by piece instead of `body`, until it ends or the client is gone; then it is
    closed. If its length is known, `headers` has a Content-Length; for `body` one is added. A 304 has no body."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: Headers = ()
    stream: Optional[Iterator[bytes]] = None

    def has(self, header: str) -> bool:
        return any(name == header for name, _ in self.headers)


class ApiError(Exception):
    """A request cannot be answered as asked. `code` is one of STATUSES; `text` says more than what the code means."""

    def __init__(
        self,
        code: str,
        text: Optional[Text] = None,
        problems: Sequence[FieldError] = (),
        headers: Headers = (),
        **more: Any,
    ) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text or Text(f"api.{code}")
        self.problems = problems
        self.headers = headers
        self.more = more  # further members of the error, such as the names of the dependents

    def response(self) -> Response:
        error = {
            "code": self.code,
            "message": render(self.text),
            "words": in_both(self.text),
            "problems": [problem_json(one) for one in self.problems],
            **self.more,
        }
        return Response(STATUSES[self.code], to_json({"error": error}), headers=self.headers)


def bad_body(text: Text, *steps: str, pointer: str = "") -> ApiError:
    """Something is wrong in the body: at the member that the steps lead to, or at `pointer` (RFC 6901; "" is the
    whole)."""
    pointer += "".join("/" + step[:100].replace("~", "~0").replace("/", "~1") for step in steps)
    return ApiError("bad_request", Text("api.body", pointer=pointer, text=text), pointer=pointer)


def problem_json(error: FieldError) -> dict[str, Any]:
    """`path` is the field inside its task, such as `task_retry.delay`; "" is the whole."""
    return {
        "file": error.file,
        "place": shown(error.place, ENGLISH),
        "place_words": {language: shown(error.place, language) for language in LANGUAGES},
        "path": error.path,
        "message": render(error.text),
        "words": in_both(error.text),
    }


def in_both(text: Text) -> dict[str, str]:
    return {language: render(text, language) for language in LANGUAGES}


def to_json(value: Any) -> bytes:
    """JSON in ASCII: it can be sent and read whatever is in a text."""
    return json.dumps(value, separators=(",", ":")).encode()


def json_response(status: int, value: Any, headers: Headers = ()) -> Response:
    return Response(status, to_json(value), headers=headers)


def page_json(items: Sequence[bytes], page: int, page_size: int, total: int) -> bytes:
    """A page of a list whose items are JSON already."""
    return b'{"items":[%b],"page":%d,"page_size":%d,"total":%d}' % (b",".join(items), page, page_size, total)


# ---------------------------------------------------------------------------------------------- kept between requests


class SummaryCache:
    """Rendered summaries of tasks, each until its task changes; those with a history compressed, to a seventh in 15 us.
    At its bound the summaries of a list are not kept, as each would drop one that the same list needs next; those of a
    change drop the oldest, as all listeners need them now.

    The list of all tasks is kept too: as a whole if it is small; in compressed pieces, which follow each other by 10 to
    25 to 1, if it is not. A piece is made again when one of its tasks has changed.

    Used by every thread of the API: an entry is replaced as a whole.
    """

    def __init__(self, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.rendering = Lock()  # held by the thread that renders what has changed: the others wait and find it here
        self._max_bytes = max_bytes
        self._bytes = 0
        # By form and by task, oldest first: the version and the summary.
        self._kept: dict[Hashable, dict[str, tuple[int, bytes]]] = {}
        self._lists: dict[Hashable, tuple[str, bytes]] = {}  # by form: the ETag and the body of all summaries in one
        self._lock = Lock()
        # By form and first index: the tasks of a piece of the list, and their summaries.
        self._pieces: dict[tuple[Hashable, int], tuple[Sequence[TaskSnapshot], bytes]] = {}

    def find(self, view: TaskSnapshot, form: Hashable) -> Optional[bytes]:
        """The summary of this very version of the task as JSON. form: what of it is in it."""
        version, data = self._kept.get(form, {}).get(view.task.task_id, (-1, b""))
        if version != view.version:
            return None
        return data if data.startswith(b"{") else decompress(data)

    def keep(self, view: TaskSnapshot, form: Hashable, summary: bytes, drop_oldest: bool = False) -> None:
        task_id, kept = view.task.task_id, self._kept.setdefault(form, {})
        full_up = self._bytes + ENTRY_BYTES + len(summary) // 8 > self._max_bytes
        if full_up and not drop_oldest and task_id not in kept:
            return
        data = compress(summary, 1) if len(summary) > PLAIN_BYTES else summary
        size = len(data) + ENTRY_BYTES
        with self._lock:
            self._drop(kept, task_id)
            while drop_oldest and kept and self._bytes + size > self._max_bytes:
                self._drop(kept, next(iter(kept)))
            if self._bytes + size <= self._max_bytes:
                kept[task_id] = (view.version, data)
                self._bytes += size

    def _drop(self, kept: dict[str, tuple[int, bytes]], task_id: str) -> None:
        if task_id in kept:
            self._bytes -= len(kept.pop(task_id)[1]) + ENTRY_BYTES

    def find_list(self, form: Hashable, etag: str) -> Optional[bytes]:
        known, body = self._lists.get(form, ("", b""))
        return body if known == etag else None

    def keep_list(self, form: Hashable, etag: str, body: bytes) -> None:
        """Keep the body of `GET /tasks` without a filter, in place of the last one."""
        self._lists[form] = (etag, body)

    def find_piece(self, form: Hashable, start: int, views: Sequence[TaskSnapshot]) -> Optional[bytes]:
        known, piece = self._pieces.get((form, start), ((), b""))
        return decompress(piece) if known == views else None

    def keep_piece(self, form: Hashable, start: int, views: Sequence[TaskSnapshot], piece: bytes) -> None:
        """Keep the summaries of these tasks, which are in the list of all tasks from index `start` on."""
        data = compress(piece, 1)
        with self._lock:
            self._pieces.pop((form, start), None)
            if sum(len(one) for _, one in self._pieces.values()) + len(data) <= MAX_PIECES_BYTES:
                self._pieces[form, start] = (views, data)

    def forget_pieces(self, form: Hashable, start: int) -> None:
        """The list of all tasks is no longer than that."""
        with self._lock:
            for key in [key for key in self._pieces if key[0] == form and key[1] >= start]:
                del self._pieces[key]


class TaskStatuses:
    """The `current_status` of every task. Only tasks that have changed since the last question are read from the
    history, so counting costs little however many tasks there are. Used by every thread of the API."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tasks: Mapping[str, TaskSnapshot] = {}
        self._version = -1
        self._known: dict[str, Status] = {}
        self._counts = dict.fromkeys(Status, 0)

    def counts(self, snapshot: Snapshot, history: History) -> dict[Status, int]:
        """How many tasks have each status. Raises StoreError."""
        with self._lock:
            self._update(snapshot, history)
            return dict(self._counts)

    def by_task(self, snapshot: Snapshot, history: History) -> dict[str, Status]:
        """Raises StoreError."""
        with self._lock:
            self._update(snapshot, history)
            return dict(self._known)

    def _update(self, snapshot: Snapshot, history: History) -> None:
        version, tasks = snapshot.version, snapshot.tasks  # in this order: a change between the two is read again
        if tasks is not self._tasks:  # another config
            self._version = -1
            self._known = {}
            self._counts = dict.fromkeys(Status, 0)
        changed = [view for view in tasks.values() if view.version > self._version]
        last = history.last_statuses([view.task.task_id for view in changed] if self._known else None)
        for view in changed:
            task_id = view.task.task_id
            before, status = self._known.get(task_id), current_status(view, last.get(task_id, Status.IDLE))
            if before is not None:
                self._counts[before] -= 1
            self._counts[status] += 1
            self._known[task_id] = status
        self._version, self._tasks = version, tasks


def current_status(view: TaskSnapshot, last: Status) -> Status:
    """The status of the task's most advanced unfinished run; without one `last`, that of its latest finished run."""
    return min((run.status for run in view.live), key=UNFINISHED.index, default=last)


class EventIntervals(NamedTuple):
    """Seconds; tests use smaller ones."""

    ping: float = 1.0  # a page that hears nothing for three of these shows that it lost the engine
    look: float = 0.25  # at least, between two looks at what has changed
    status: float = 1.0  # at least, between two of the engine's status: it asks the disk and the history
    idle_status: float = 30.0  # at most, for what changes without an event: the disk


INTERVALS = EventIntervals()


class Listener:
    """Woken by a change. However many changes come before it looks, it is woken once, so it needs no more memory.

    full: it came with the token.
    """

    def __init__(self, full: bool) -> None:
        self.full = full
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._woken = False

    def wake(self) -> None:
        """In the engine's thread: never blocks."""
        if not self._woken:
            self._woken = True
            self._wakes.put(None)

    def wait(self, timeout_s: float) -> bool:
        """Wait for a change; False if none came in time."""
        try:
            receive(self._wakes, timeout_s)
        except Empty:
            return False
        self._woken = False  # before the look: what changes from here on wakes again
        return True


class Listeners:
    """All listeners to events, woken by one watcher of the snapshot. Without any the engine does nothing for them."""

    def __init__(self, snapshot: Snapshot, max_listeners: int = MAX_LISTENERS) -> None:
        self._snapshot = snapshot
        self._max = max_listeners
        self._lock = Lock()
        self._listeners: tuple[Listener, ...] = ()  # replaced as a whole: the engine reads it without the lock

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self, full: bool) -> Optional[Listener]:
        """A new one, which has to `leave`; None if there are too many."""
        with self._lock:
            anonymous = sum(not listener.full for listener in self._listeners)
            if len(self._listeners) >= self._max or (not full and anonymous >= MAX_ANONYMOUS_LISTENERS):
                return None
            if not self._listeners:
                self._snapshot.watch(self._wake)
            listener = Listener(full)
            self._listeners = (*self._listeners, listener)
            return listener

    def leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not listener)
            if not self._listeners:
                self._snapshot.unwatch(self._wake)

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.wake()


class Turns:
    """Lets few requests at once do what takes long; some others wait, and the rest is refused."""

    def __init__(self, wait_s: float = COSTLY_WAIT_S) -> None:
        self._wait_s = wait_s
        self._changed = Condition()  # guards the two below
        self._working = {True: 0, False: 0}  # with the token, without it
        self._waiting = 0

    @contextmanager
    def take(self, full: bool) -> Iterator[None]:
        """full: the token came with the request. Raises ApiError."""
        with self._changed:
            if not self._is_free(full):
                if self._waiting >= MAX_COSTLY_WAITING:
                    raise self._refusal()
                self._waiting += 1
                try:
                    if not self._changed.wait_for(lambda: self._is_free(full), self._wait_s):
                        raise self._refusal()
                finally:
                    self._waiting -= 1
            self._working[full] += 1
        try:
            yield
        finally:
            with self._changed:
                self._working[full] -= 1
                self._changed.notify_all()

    def _is_free(self, full: bool) -> bool:
        return sum(self._working.values()) < MAX_COSTLY and (full or self._working[False] < MAX_ANONYMOUS_COSTLY)

    def _refusal(self) -> ApiError:
        return ApiError("busy", Text("api.costly"), headers=(("Retry-After", str(RETRY_AFTER_S)),))


# --------------------------------------------------------------------------------------------- what a handler is given


class AppContext:
    """What all requests share: the engine's snapshot and inbox, the home, the clocks, and what is kept between them.

    post: puts a message into the engine's inbox; never blocks. config_stamp: of the config file now, as
    `ConfigSource.stamp` gives it. write_lock: held while the config file is written. gate: which hosts and which token
    requests are admitted with.
    """

    def __init__(
        self,
        home: Home,
        snapshot: Snapshot,
        post: Callable[[Message], object],
        config_stamp: Callable[[], object],
        write_lock: Lock,
        log: logging.Logger,
        gate: Gate,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        version: str = __version__,
        epoch: Optional[str] = None,
        intervals: EventIntervals = INTERVALS,
        reply_s: float = REPLY_S,
    ) -> None:
        self.home = home
        self.snapshot = snapshot
        self.post = post
        self.config_stamp = config_stamp
        self.write_lock = write_lock
        self.log = log
        self.gate = gate
        self.wall = wall
        self.monotonic = monotonic
        self.version = version
        self.epoch = epoch or os.urandom(8).hex()  # versions of the snapshot count within it
        self.intervals = intervals
        self.reply_s = reply_s
        self.summaries = SummaryCache()
        self.lint = Lint(home.path, os.environ)
        self.statuses = TaskStatuses()
        self.listeners = Listeners(snapshot)
        self.turns = Turns()
        self._readers: dict[int, History] = {}  # by thread

    def history(self) -> History:
        """This thread's reader of the history. The thread has to call `close_history` before it ends. Raises StoreError
        while the engine's loop stands still: a disk that hangs does that, and would hold each reader too."""
        hangs = self.hangs()
        if hangs is not None:
            raise StoreError("hangs", hangs)
        thread = threading.get_ident()
        reader = self._readers.get(thread)
        if reader is None:
            with Importing():
                from minisched.store.reader import History  # /healthz does without
            reader = self._readers[thread] = History(self.home.database)
        return reader

    @property
    def beat_age_s(self) -> float:
        """Seconds since the engine's loop turned last."""
        return max(0.0, self.monotonic() - self.snapshot.engine.beat)

    def hangs(self) -> Optional[Text]:
        """What is wrong with a loop that should have turned long ago, None if nothing is."""
        engine = self.snapshot.engine
        if self.monotonic() - max(engine.beat, engine.wake_by) <= MAX_LATE_S:
            return None
        return Text("engine.hangs", seconds=round(self.beat_age_s))

    def report_unreadable(self, error: StoreError) -> None:
        """Have the engine look at the history that a handler could not read."""
        if error.kind in ("damaged", "io"):
            self.post(HistoryUnreadable(error))

    def close_history(self) -> None:
        reader = self._readers.pop(threading.get_ident(), None)
        if reader is not None:
            reader.close()

    @property
    def zone(self) -> tzinfo:
        return load_zone(self.snapshot.engine.config.settings.timezone)

    def zone_of(self, task_id: str) -> tzinfo:
        """The zone in which a task's times are shown; the engine's for a task that was removed."""
        view = self.snapshot.tasks.get(task_id)
        return self.zone if view is None else load_zone(view.task.task_timezone)

    def last_days(self, count: int, zone: tzinfo) -> tuple[list[date], list[float]]:
        """The last days, today included, oldest first; and when each of them begins, and the one after them."""
        today = datetime.fromtimestamp(self.wall(), zone).date()
        days = [today - timedelta(days=back) for back in range(count - 1, -2, -1)]
        return days[:-1], [datetime.combine(day, clock(), zone).timestamp() for day in days]

    def task(self, task_id: str) -> TaskSnapshot:
        """Raises ApiError."""
        view = self.snapshot.tasks.get(task_id)
        if view is None:
            raise ApiError("not_found", Text("api.no_task", task=task_id))
        return view

    def send_command(self, command: Callable[[ReplyTo], Message]) -> Reply:
        """Post a command to the engine and wait for its reply. Raises ApiError: the engine's refusal, or `busy`."""
        queue: SimpleQueue[Reply] = SimpleQueue()
        self.post(command(ReplyTo(queue, self.monotonic() + self.reply_s)))
        try:
            reply = receive(queue, self.reply_s)
        except Empty:
            raise ApiError("busy", Text("api.no_reply", seconds=int(self.reply_s))) from None
        if reply.refused is not None:
            code = ENGINE_CODES.get(reply.refused, reply.refused)
            raise ApiError(code if code in STATUSES else "unavailable", reply.message, reply.problems)
        return reply


class RequestContext(NamedTuple):
    """What a handler is given: a request that fits its route."""

    app: AppContext
    request: Request
    query: Mapping[str, Any]  # every parameter of the route, converted
    body: Mapping[str, Any]  # {} without one

    @property
    def full(self) -> bool:
        """The token came with the request."""
        return self.request.authorized

    @property
    def by(self) -> str:
        """The requester, for the engine's log. All clients share one token, so no more is known than the address, and
        whether it is the command line."""
        kind = "command line" if self.is_command_line else "API"
        return f"{kind}, {self.request.client or 'unknown'}"

    @property
    def is_command_line(self) -> bool:
        return self.request.headers.get("user-agent") == COMMAND_LINE

    @property
    def origin(self) -> Origin:
        """The requester, for the record of a change. The user is what the command line says."""
        user = self.request.headers.get(USER_HEADER.lower(), "")
        named = user if self.is_command_line and USER_NAME.fullmatch(user) else ""
        return Origin("cli" if self.is_command_line else "api", ", ".join(filter(None, (named, self.request.client))))
