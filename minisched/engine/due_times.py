"""Every due time that has passed gets its row: by a run that starts, or by one that says why none did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from minisched import policy
from minisched.model import Reason, StoreError
from minisched.timetable import count_fires, jitter_offset, latest_fires, next_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from minisched.engine.arrivals import Arrivals
    from minisched.engine.book import Book, TaskState
    from minisched.model import Instant, Ledger

CLOCK_SANE_SINCE = 1_735_689_600  # 2025-01-01Z; an earlier time is that of a board that has not learnt it yet
DAY_S = 86_400


class DueTimes:
    """Owns the `settled` instant of every task: up to it every due time has its row."""

    def __init__(self, book: Book, arrivals: Arrivals, ledger: Ledger) -> None:
        self.book = book
        self.arrivals = arrivals
        self.ledger = ledger
        self.open = True  # False: due times wait, because nothing can be written or the engine stops
        self.failed: Optional[StoreError] = None  # why due times could not be settled, for the engine to answer
        self.overdue: dict[str, None] = {}  # tasks whose due times wait for `open`

    def start_time(self, state: TaskState, due: int) -> float:
        task = state.task
        return due + jitter_offset(task.task_id, due, task.task_jitter) if task.task_jitter else due

    def settle(self, state: TaskState, now: Instant, downtime: bool) -> None:
        """Give every due time after `settled` up to now its row."""
        if not state.schedules or not state.task.enabled:
            return
        if not self.open:
            self.overdue[state.task.task_id] = None
            return
        self.learnt_the_time(state, now)
        gap = self.gap(state, now, started=True)
        if gap is not None:
            self.settle_gap(state, gap, now, downtime)

    def close(self, state: TaskState, now: Instant) -> None:
        """Its schedule is about to be another one, or none. What was due by this one and has no row yet, because
        `task_jitter` delays its start or nothing can be written, is missed: nothing would look for it any more."""
        self.overdue.pop(state.task.task_id, None)
        if not state.schedules or not state.task.enabled:
            return
        self.learnt_the_time(state, now)
        gap = self.gap(state, now, started=False)
        if gap is None:
            return
        try:
            known = self.ledger.due_times(state.task.task_id, gap.first, gap.newest[-1])
        except StoreError:
            known = set()  # a due time that has a row is told by the commit
        self.mark(state, now, now)
        gap = _without(gap, known)
        if gap is not None:
            rows = [self.arrivals.missed(state, span, now) for span in policy.missed_spans(gap, 0, Reason.LATE)]
            self.arrivals.follow_up(rows[-1], now)

    def gap(self, state: TaskState, now: Instant, started: bool) -> Optional[policy.MissedWindow]:
        """The due times after `settled` up to now; started: up to the last whose start is not still to come."""
        settled = state.record.settled
        first = next_of(state.schedules, settled, state.zone)
        if first is None or first > now:
            return None
        second = next_of(state.schedules, first, state.zone)
        if second is None or second > now:
            newest, total = [first], 1  # nearly always; to count takes five times as long
        else:
            total = count_fires(state.schedules, settled, now, state.zone)
            newest = latest_fires(state.schedules, settled, now, state.zone, policy.CATCHUP_MAX + 1)
        while started and newest and self.start_time(state, newest[-1]) > now:
            newest.pop()
            total -= 1
        return policy.MissedWindow(newest, total, first) if newest else None

    def settle_gap(self, state: TaskState, gap: policy.MissedWindow, now: Instant, downtime: bool) -> None:
        task = state.task
        try:
            known = self.ledger.due_times(task.task_id, gap.first, gap.newest[-1])
        except StoreError as error:
            self.overdue[task.task_id] = None  # `settled` stands still, so the next try sees the same due times
            self.failed = error
            return
        self.mark(state, gap.newest[-1], now)
        left = _without(gap, known) if known else gap
        if left is None:
            return
        plan = policy.catch_up(left, task.task_misfire, task.task_misfire_grace, now - task.task_jitter, downtime)
        rows = [self.arrivals.missed(state, span, now) for span in plan.missed]
        for item in plan.runs:
            self.arrivals.due(state, item, now)
        if rows and not plan.runs:
            self.arrivals.follow_up(rows[-1], now)  # once for the gap, not once for each due time in it

    # ------------------------------------------------------------------------------------------------------- clocks

    def mark(self, state: TaskState, settled: Instant, now: Instant) -> None:
        """Count from `settled` on. A clock that shows long ago is wrong: what it settles is not written, so that the
        due times from the real last one on are found once the time is known."""
        record = state.record._replace(settled=settled)
        if now >= CLOCK_SANE_SINCE:
            self.book.save_record(record)
        else:
            state.known_until = max(state.known_until, state.record.settled)
            state.record = record

    def learnt_the_time(self, state: TaskState, now: Instant) -> bool:
        """The clock came from long ago to the present: count from what was settled before, or from now."""
        if not state.record.settled < CLOCK_SANE_SINCE <= now:
            return False
        settled = state.known_until if state.known_until >= CLOCK_SANE_SINCE else now
        self.book.save_record(state.record._replace(settled=settled))
        return True

    def turn_back(self, states: Sequence[TaskState], now: Instant) -> None:
        """Count these anew from now, for their `settled` lies in the future: the clock was set back.

        Due times that have their row already are found again in the ledger and do not run twice; up to those whose row
        retention has deleted, nothing is looked for. After more than a day it was the clock of before that was wrong.
        """
        if not states:
            return
        try:
            records = self.ledger.records()
        except StoreError:
            records = None  # then up to `settled` nothing is looked for
        for state in states:
            task_id, forgotten = state.task.task_id, state.record.settled
            if records is not None:
                forgotten = records[task_id].forgotten if task_id in records else 0
            self.mark(state, max(now, forgotten) if forgotten <= now + DAY_S else now, now)


def _without(gap: policy.MissedWindow, known: Collection[int]) -> Optional[policy.MissedWindow]:
    """What is left of a gap without the due times that have their row: the clock was set back over them."""
    newest = [due for due in gap.newest if due not in known]
    if not newest:
        return None
    first = newest[0] if gap.first in known else gap.first
    return policy.MissedWindow(newest, max(gap.total - len(known), len(newest)), first)
