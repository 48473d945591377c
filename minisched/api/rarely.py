"""Log lines that anybody can provoke: of each kind one a minute is written."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    import logging

EVERY_S = 60.0
KINDS = 100  # what is remembered; then all is forgotten


class Rarely:
    """The first line of a kind is written at once; those of the next minute are counted, and told with a later one."""

    def __init__(self, log: logging.Logger, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic):
        self._log = log
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}  # by kind: monotonic
        self._held: dict[str, int] = {}

    def tell(self, kind: str, text: str) -> None:
        now = self._clock()
        with self._lock:
            if now < self._next.get(kind, now):
                self._held[kind] = self._held.get(kind, 0) + 1
                return
            if len(self._next) >= KINDS:
                self._next.clear()
                self._held.clear()
            self._next[kind] = now + self._every_s
            held = self._held.pop(kind, 0)
        self._log.warning("http: %s%s", text, f" (and {held} of this kind before it)" if held else "")
