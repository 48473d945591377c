"""Who listens to the Snapshot's changes."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from minisched.model import Snapshot

MOST_LISTENERS = 16


class Listener:
    """Woken by a change. However many changes come before it looks, it is woken once: its memory stays as it is."""

    def __init__(self) -> None:
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._told = False

    def wake(self) -> None:
        """In the engine's thread: never blocks."""
        if not self._told:
            self._told = True
            self._wakes.put(None)

    def wait(self, timeout_s: float) -> bool:
        """Until there is a change, or the time is over: False."""
        try:
            self._wakes.get(timeout=max(0.0, timeout_s))
        except Empty:
            return False
        self._told = False  # before the look: what changes from here on wakes again
        return True


class Listeners:
    """All of them, woken by one watcher of the Snapshot; none costs nothing."""

    def __init__(self, board: Snapshot, most: int = MOST_LISTENERS) -> None:
        self._board = board
        self._most = most
        self._lock = Lock()
        self._listeners: tuple[Listener, ...] = ()  # replaced as a whole: the engine reads it without the lock

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self) -> Optional[Listener]:
        """A new one, or None: there are too many. It is to `leave`."""
        with self._lock:
            if len(self._listeners) >= self._most:
                return None
            if not self._listeners:
                self._board.watchers = (*self._board.watchers, self._wake)
            listener = Listener()
            self._listeners = (*self._listeners, listener)
            return listener

    def leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not listener)
            if not self._listeners:
                self._board.watchers = tuple(one for one in self._board.watchers if one != self._wake)

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.wake()
