"""What is kept of each task until it changes: its rendered card, and its status."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
from collections.abc import Container, Mapping, Sequence
from threading import Lock
from typing import Callable, NamedTuple, Optional

from minisched.model import UNFINISHED, Snapshot, Status, TaskSnapshot

ReadStatuses = Callable[[Optional[Sequence[str]]], Mapping[str, Status]]

MOST_BYTES = 8 * 2**20  # a thousand cards with thirty outcomes each have 5 MB


class Card(NamedTuple):
    """A task's card as JSON. `version` is that of the view it was made from."""

    version: int
    data: bytes


class CardCache:
    """Cards by task. One that finds no room is rendered each time.

    Used by every thread of the API: an entry is replaced as a whole, and what is read may be too old, never torn.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.size = 0  # bytes of JSON
        self._cards: dict[tuple[str, bool], Card] = {}
        self._lock = Lock()

    def find(self, task_id: str, version: int, full: bool) -> Optional[Card]:
        """full: as the holder of the token sees it."""
        card = self._cards.get((task_id, full))
        return card if card is not None and card.version == version else None

    def keep(self, task_id: str, full: bool, card: Card) -> None:
        with self._lock:
            before = self._cards.pop((task_id, full), None)
            self.size -= len(before.data) if before is not None else 0
            if self.size + len(card.data) <= self.most_bytes:
                self._cards[task_id, full] = card
                self.size += len(card.data)

    def prune(self, tasks: Container[str]) -> None:
        """Forget the tasks that are gone."""
        with self._lock:
            for key in [key for key in self._cards if key[0] not in tasks]:
                self.size -= len(self._cards.pop(key).data)

    def __len__(self) -> int:
        return len(self._cards)


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
