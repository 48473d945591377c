"""Timers: what is to happen once a clock has come so far.

`sched` of the standard library would do, but it looks for the event to cancel among all, which takes seconds where a
reload changes thousands; and in 3.9 it takes two events of one time and priority for the same, and drops either.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from collections.abc import Callable

Timer = list[Any]  # [time, order, count, action, argument]; the count makes each one differ, so no action is compared
_ACTION, _ARGUMENT = 3, 4


class Timers:
    """A heap of timers on the clock `now`. A cancelled one stays in it until its time comes, or until more than half
    are such."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._heap: list[Timer] = []
        self._count = 0
        self._cancelled = 0

    def at(self, time: float, action: Callable[[Any], None], argument: Any = None, order: int = 0) -> Timer:
        """Call `action(argument)` at `time`; of two at the same time the lower `order` first, then the older one."""
        self._count += 1
        timer = [time, order, self._count, action, argument]
        heapq.heappush(self._heap, timer)
        return timer

    def after(self, delay_s: float, action: Callable[[Any], None], argument: Any = None) -> Timer:
        return self.at(self._now() + delay_s, action, argument)

    def cancel(self, timer: Timer) -> None:
        """One that has happened or was cancelled before is no error."""
        if timer[_ACTION] is None:
            return
        timer[_ACTION] = timer[_ARGUMENT] = None
        self._cancelled += 1
        if self._cancelled > len(self._heap) // 2:
            self._heap = [other for other in self._heap if other[_ACTION] is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def run(self) -> Optional[float]:
        """Let happen what is to; the seconds until the next timer, None where there is none. A timer whose action
        raises is gone."""
        while self._heap:
            timer = self._heap[0]
            _, _, _, action, argument = timer
            if action is None:
                self._cancelled -= 1
            else:
                wait_s: float = timer[0] - self._now()
                if wait_s > 0:
                    return wait_s
            heapq.heappop(self._heap)
            if action is not None:
                timer[_ACTION] = timer[_ARGUMENT] = None
                action(argument)
        return None

    def __len__(self) -> int:
        """How many stand in the heap, cancelled ones among them."""
        return len(self._heap)
