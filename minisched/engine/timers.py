"""Timers on one of the engine's clocks, by the standard library's `sched`."""

from __future__ import annotations

import heapq
import itertools
import sched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

Timer = sched.Event
ORDER_STEP = 1 << 48  # room for the count of all timers that one scheduler ever has
_NO_KEYWORDS: dict[str, Any] = {}  # shared: `sched` would make a dict for each event


class Timers(sched.scheduler):
    """A `sched.scheduler` that the engine's loop drives: `run` never blocks.

    Of two timers at the same time the one with the lower `order` comes first, then the older one. The priority of each
    event is unique, because `sched` of Python 3.9 confuses two events of equal time and priority. `cancel` searches all
    events: where many change, let the action ignore an event that is out of date, and `purge` them at once. An event
    whose action raises is gone, so an action sets the next timer before it does anything else.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now, lambda delay_s: None)
        self._count = itertools.count()

    def at(self, time: float, action: Callable[..., None], *arguments: Any, order: int = 0) -> Timer:
        return self.enterabs(time, order * ORDER_STEP + next(self._count), action, arguments, _NO_KEYWORDS)

    def after(self, delay_s: float, action: Callable[..., None], *arguments: Any) -> Timer:
        return self.at(self.timefunc() + delay_s, action, *arguments)

    def cancel(self, timer: Timer) -> None:
        """A timer that has fired or was cancelled before is no error."""
        try:
            super().cancel(timer)
        except ValueError:
            pass

    def purge(self, is_current: Callable[[Timer], bool]) -> None:
        """Cancel all timers that are not current."""
        heap: list[Timer] = self._queue  # type: ignore[attr-defined]
        heap[:] = [timer for timer in heap if is_current(timer)]
        heapq.heapify(heap)

    @property
    def next_time(self) -> float:
        """Of a scheduler that is not empty."""
        first: float = self._queue[0].time  # type: ignore[attr-defined]  # `queue` would sort a copy
        return first

    def count_next(self, max_count: int) -> int:
        """How many timers have the time of the next one; counting stops at `max_count`."""
        heap: list[Timer] = self._queue  # type: ignore[attr-defined]
        found, positions = 0, [0]
        while positions and found < max_count:
            position = positions.pop()
            if position < len(heap) and heap[position].time == heap[0].time:  # in a heap these hang together
                found += 1
                positions += (2 * position + 1, 2 * position + 2)
        return found

    def run(self, blocking: bool = False) -> Optional[float]:
        """Call the actions that are due. Returns the seconds until the next timer, None if there is none."""
        return super().run(blocking=False)
