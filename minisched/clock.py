"""Wall and monotonic time, and the engine's one blocking wait."""

from __future__ import annotations

import time
from queue import Empty

from minisched.threads import receive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from queue import SimpleQueue
    from typing import Optional

    from minisched.model import Instant, Message

SANE_SINCE = 1_735_689_600  # 2025-01-01Z; a clock that shows less has not been set since the machine was switched on


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
            messages.append(receive(inbox, timeout_s))
            while True:
                messages.append(inbox.get_nowait())
        except Empty:
            return messages
