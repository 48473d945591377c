"""What is kept of each task until it changes: its rendered card, and its status."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Callable, Optional
from zlib import compress, decompress

from minisched.model import UNFINISHED, Snapshot, Status, TaskSnapshot

ReadStatuses = Callable[[Optional[Sequence[str]]], Mapping[str, Status]]

MAX_BYTES = 2**20  # of compressed cards: 1,000 tasks with 30 runs each; 6 MB of JSON
MAX_LIST_BYTES = 2**20  # 1,000 tasks without a history have half of it
ENTRY_BYTES = 300  # what the dict and its values take for each card


class CardCache:
    """Rendered cards, compressed, each until its task changes. At MAX_BYTES the cards of a list are not kept, as each
    would drop the one that the same list needs next; cards of a change drop the oldest, as all listeners need them now.

    Used by every thread of the API: an entry is replaced as a whole.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.rendering = Lock()  # held by the thread that renders what has changed: the others wait and find it here
        self._max_bytes = max_bytes
        self._bytes = 0
        self._cards: dict[tuple[str, bool], tuple[int, bytes]] = {}  # oldest first
        self._lists: dict[bool, tuple[str, bytes]] = {}  # by `full`: the ETag and the body of all cards in one
        self._lock = Lock()

    def find_list(self, full: bool, etag: str) -> Optional[bytes]:
        known, body = self._lists.get(full, ("", b""))
        return body if known == etag else None

    def keep_list(self, full: bool, etag: str, body: bytes) -> None:
        """Keep the body of `GET /tasks` without a filter, in place of the last one."""
        self._lists[full] = (etag, body)

    def find(self, view: TaskSnapshot, full: bool) -> Optional[bytes]:
        """The card of this very version of the task as JSON. full: as the holder of the token sees it."""
        version, data = self._cards.get((view.task.task_id, full), (-1, b""))
        return decompress(data) if version == view.version else None

    def keep(self, view: TaskSnapshot, full: bool, card: bytes, drop_oldest: bool = False) -> None:
        key, data = (view.task.task_id, full), compress(card, 1)  # a seventh of its size, in 15 us
        with self._lock:
            self._drop(key)
            size = len(data) + ENTRY_BYTES
            while drop_oldest and self._cards and self._bytes + size > self._max_bytes:
                self._drop(next(iter(self._cards)))
            if self._bytes + size <= self._max_bytes:
                self._cards[key] = (view.version, data)
                self._bytes += size

    def _drop(self, key: tuple[str, bool]) -> None:
        if key in self._cards:
            self._bytes -= len(self._cards.pop(key)[1]) + ENTRY_BYTES


class TaskStatuses:
    """The `current_status` of every task. Only what has changed since the last question is read from the history, so
    that counting costs little however many tasks there are. Used by every thread of the API."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tasks: Mapping[str, TaskSnapshot] = {}
        self._version = -1
        self._known: dict[str, Status] = {}
        self._counts = dict.fromkeys(Status, 0)

    def counts(self, snapshot: Snapshot, read: ReadStatuses) -> dict[Status, int]:
        """How many tasks have each status. read: `History.last_statuses`; what it raises is raised."""
        with self._lock:
            self._update(snapshot, read)
            return dict(self._counts)

    def by_task(self, snapshot: Snapshot, read: ReadStatuses) -> dict[str, Status]:
        with self._lock:
            self._update(snapshot, read)
            return dict(self._known)

    def _update(self, snapshot: Snapshot, read: ReadStatuses) -> None:
        version, tasks = snapshot.version, snapshot.tasks  # in this order: a change between the two is read again
        if tasks is not self._tasks:  # another config
            self._version = -1
            self._known = {}
            self._counts = dict.fromkeys(Status, 0)
        changed = [view for view in tasks.values() if view.version > self._version]
        last = read([view.task.task_id for view in changed] if self._known else None)
        for view in changed:
            task_id = view.task.task_id
            before, status = self._known.get(task_id), current_status(view, last.get(task_id, Status.IDLE))
            if before is not None:
                self._counts[before] -= 1
            self._counts[status] += 1
            self._known[task_id] = status
        self._version, self._tasks = version, tasks


def current_status(view: TaskSnapshot, last: Status) -> Status:
    """The status of the task's most advanced unfinished run; `last`, that of its latest finished one, without any."""
    return min((run.status for run in view.live), key=UNFINISHED.index, default=last)
