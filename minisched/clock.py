"""Wall and monotonic time, and the engine's one blocking wait."""

from __future__ import annotations

import time
from queue import Empty
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from queue import SimpleQueue

    from minisched.model import Instant, Message


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> Instant:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, inbox: SimpleQueue[Message], timeout_s: Optional[float]) -> list[Message]:
        """Block until a message is there or `timeout_s` is over; then take all that are there, oldest first.

        A signal's handler runs while this blocks, and what it puts into the inbox ends the wait at once.
        """
        messages: list[Message] = []
        try:
            messages.append(inbox.get(timeout=None if timeout_s is None else max(0.0, timeout_s)))
            while True:
                messages.append(inbox.get_nowait())
        except Empty:
            return messages
