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
        """Block until a message arrives or `timeout_s` is over; return all messages that are there, oldest first.

        A signal handler runs while this blocks, and what it puts into the inbox ends the wait at once.
        """
        messages: list[Message] = []
        try:
            # On CPython 3.9 and 3.10 `get` with a timeout of 0 can block for ever.
            at_once = timeout_s is not None and timeout_s <= 0
            messages.append(inbox.get_nowait() if at_once else inbox.get(timeout=timeout_s))
            while True:
                messages.append(inbox.get_nowait())
        except Empty:
            return messages
