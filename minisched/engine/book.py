"""What the engine knows: tasks, unfinished runs and tokens in memory, and what of it is not on disk yet.

Memory is the truth and the ledger follows: a step changes values here and marks them, `flush` writes all marked ones in
one transaction. If that fails they stay marked, and the next flush writes their newest values: nothing is lost, nothing
piles up, and no process is started before its row is on disk.
"""

from __future__ import annotations

from datetime import timezone
from typing import TYPE_CHECKING, Optional

from minisched.model import Batch, Status, TaskExecution

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from minisched.engine.timers import Timer
    from minisched.model import Delivery, Ledger, Reason, Task, TaskRecord
    from minisched.model.notification import Notices, RunHistory
    from minisched.timetable import Schedule


class Entry:
    """A run as the book has it; by itself, one that ended as it began."""

    __slots__ = ("run", "said", "tail")

    def __init__(self, run: TaskExecution) -> None:
        self.run = run
        self.tail: Optional[bytes] = None  # of its output, until it is written
        self.said: Optional[tuple[Status, Optional[str], int]] = None  # what the engine's log has told of it


class LiveRun(Entry):
    """An unfinished run and what the engine alone knows of it."""

    __slots__ = ("before", "cancelled_for", "state", "timer")

    def __init__(self, state: TaskState, run: TaskExecution) -> None:
        super().__init__(run)
        self.state = state
        self.before = run  # as it was when its attempt began, until the process is ordered
        self.cancelled_for: Optional[Reason] = None
        self.timer: Optional[Timer] = None  # the monotonic one of its retry or of its dependency timeout


class TaskState:
    """A task and where it stands."""

    __slots__ = ("event", "index", "known_until", "live", "next_due", "record", "schedules", "task", "zone")

    def __init__(self, task: Task, record: TaskRecord) -> None:
        self.task = task
        self.record = record
        self.index = 0  # the order of the config: of two tasks due at once, the first one first
        self.schedules: Sequence[Schedule] = ()
        self.zone: tzinfo = timezone.utc
        self.live: list[LiveRun] = []
        self.known_until: float = 0  # what was settled before the clock fell back to long ago
        self.next_due: Optional[int] = None
        self.event: Optional[Timer] = None  # of `next_due`

    def first(self, status: Status, reason: Optional[str] = None) -> Optional[LiveRun]:
        """Its oldest unfinished run in this status."""
        for live in self.live:
            if live.run.status is status and reason in (None, live.run.reason):
                return live
        return None


class Book:
    """See the module. `said(run)` is called once for each status that reached the disk; `tell`: see Batch."""

    def __init__(
        self,
        ledger: Ledger,
        said: Callable[[TaskExecution], None],
        tell: Optional[Callable[[TaskExecution, RunHistory], Notices]] = None,
    ) -> None:
        self.ledger = ledger
        self.tell = tell
        self.tasks: dict[str, TaskState] = {}
        self.runs: dict[int, LiveRun] = {}  # by run_id, from the first commit to the last
        self.tokens: set[tuple[str, str]] = set()
        self._said = said
        self._entries: dict[Entry, None] = {}
        self._records: dict[str, TaskRecord] = {}
        self._put: set[tuple[str, str]] = set()
        self._taken: set[tuple[str, str]] = set()
        self._deliveries: dict[int, Delivery] = {}
        self.urgent = False  # what is marked must be on disk before anything follows from it
        self.touched: set[str] = set()  # tasks that the board does not show as they are now

    def save(self, live: LiveRun, durable: bool = True) -> None:
        self.touched.add(live.run.task_id)
        self._entries[live] = None
        self.urgent |= durable

    def save_row(self, run: TaskExecution) -> None:
        """A run that ended as it began: missed, or skipped for its upstream."""
        self.touched.add(run.task_id)
        self._entries[Entry(run)] = None
        self.urgent = True

    def discard(self, live: LiveRun) -> None:
        """Forget a run that could not be written."""
        self._entries.pop(live, None)

    def save_record(self, record: TaskRecord) -> None:
        self.touched.add(record.task_id)
        if record.task_id in self.tasks:
            self.tasks[record.task_id].record = record
        self._records[record.task_id] = record
        self.urgent = True

    def save_delivery(self, delivery: Delivery) -> None:
        self._deliveries[delivery.delivery_id] = delivery
        self.urgent = True

    def put_token(self, token: tuple[str, str]) -> None:
        self.tokens.add(token)
        self._put.add(token)
        self._taken.discard(token)
        self.urgent = True

    def take_tokens(self, tokens: Sequence[tuple[str, str]]) -> None:
        for token in tokens:
            self.tokens.discard(token)
            self._put.discard(token)
            self._taken.add(token)
        self.urgent = True

    def absorb_tokens(self, stored: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Take over the ledger's tokens under what is not written yet; those that are new here."""
        now = (stored | self._put) - self._taken
        fresh = now - self.tokens
        self.tokens = now
        return fresh

    @property
    def clean(self) -> bool:
        return not (self._entries or self._records or self._put or self._taken or self._deliveries)

    def unsaved_due_times(self) -> list[tuple[str, int]]:
        """Due times whose rows are not on disk yet."""
        fresh = [entry.run for entry in self._entries if not entry.run.run_id]
        return [(run.task_id, run.scheduled_time) for run in fresh if run.scheduled_time is not None]

    def forget(self, task_id: str, due: int) -> Optional[LiveRun]:
        """Drop the unsaved run of a due time that another process has written in between; the live one, if it is."""
        for entry in self._entries:
            if not entry.run.run_id and (entry.run.task_id, entry.run.scheduled_time) == (task_id, due):
                del self._entries[entry]
                return entry if isinstance(entry, LiveRun) else None
        return None

    def flush(self, guard: Optional[Callable[[Sequence[TaskExecution]], None]] = None) -> None:
        """Write what is marked in one transaction. Raises StoreError: then all of it stays marked. guard: see Batch."""
        if self.clean:
            return
        entries = list(self._entries)
        batch = Batch(
            runs=[entry.run for entry in entries],
            records=list(self._records.values()),
            tokens_put=sorted(self._put),
            tokens_taken=sorted(self._taken),
            tails={entry.run.run_id: entry.tail for entry in entries if entry.tail is not None},
            guard=guard,
            tell=self.tell,
            deliveries=list(self._deliveries.values()),
            durable=self.urgent,
        )
        ids = self.ledger.commit(batch)
        self._entries, self._records, self._put, self._taken, self.urgent = {}, {}, set(), set(), False
        self._deliveries = {}
        for entry, run_id in zip(entries, ids):
            if not entry.run.run_id:
                entry.run = entry.run._replace(run_id=run_id)
            entry.tail = None
            if entry.run.status.ended:
                self.runs.pop(run_id, None)
            elif isinstance(entry, LiveRun):
                self.runs[run_id] = entry
            what = (entry.run.status, entry.run.reason, entry.run.attempt)
            if what != entry.said:
                entry.said = what
                self._said(entry.run)

    def rewrite(self) -> None:
        """Mark everything: the ledger's file is a new one."""
        for state in self.tasks.values():
            self.save_record(state.record)
        for live in self.runs.values():
            self.save(live)
        self._put |= self.tokens
