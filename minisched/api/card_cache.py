"""Rendered task cards, kept until their task changes."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
from collections.abc import Container
from threading import Lock
from typing import NamedTuple, Optional

from minisched.model import Status

MOST_BYTES = 8 * 2**20  # a thousand cards with thirty outcomes each have 5 MB


class Card(NamedTuple):
    """A task's card as JSON. `version` is that of the view it was made from."""

    version: int
    status: Status
    data: bytes


class CardCache:
    """Cards by task. One that finds no room is made anew each time; its status is remembered all the same.

    Used by every thread of the API: an entry is replaced as a whole, and what is read may be too old, never torn.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.size = 0  # bytes of JSON
        self._cards: dict[tuple[str, bool], Card] = {}
        self._lock = Lock()

    def find(self, task_id: str, version: int, full: bool) -> Optional[Card]:
        """full: as the holder of the token sees it. `data` is empty where there was no room for it."""
        card = self._cards.get((task_id, full))
        return card if card is not None and card.version == version else None

    def keep(self, task_id: str, full: bool, card: Card) -> None:
        with self._lock:
            before = self._cards.get((task_id, full))
            size = self.size - (len(before.data) if before is not None else 0)
            if size + len(card.data) > self.most_bytes:
                card = card._replace(data=b"")
            self._cards[task_id, full] = card
            self.size = size + len(card.data)

    def prune(self, tasks: Container[str]) -> None:
        """Forget the tasks that are gone."""
        with self._lock:
            for key in [key for key in self._cards if key[0] not in tasks]:
                self.size -= len(self._cards.pop(key).data)

    def __len__(self) -> int:
        return len(self._cards)
