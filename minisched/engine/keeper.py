"""Writing the book, and answering what goes wrong with the ledger: locked, full, damaged, gone, raced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from minisched.model import StoreError

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection

    from minisched.engine.book import Book
    from minisched.engine.calendar import Calendar
    from minisched.engine.desk import Desk
    from minisched.engine.neighbours import Neighbours
    from minisched.model import Clock, HistorySettings, Instant, Ledger

# A process' pid may be written so late: a short run's start and end are one commit then. Should the engine die before,
# the process is found by the mark in its environment.
PID_LATE_S = 0.05
COMMIT_RETRY_S = 1.0  # between tries to write while the ledger cannot be written
REOPEN_EVERY_S = 60.0  # a medium that damages each new file is not given one at every turn
RETAIN_EVERY_S = 60.0
RETAIN_ROWS = 50  # deleted in one transaction, some milliseconds
# While there is more to delete a fifth of the time goes into it, in pieces that delay a start by no more than that.
RETAIN_S = 0.02
RETAIN_AGAIN_S = 0.1


class Keeper:
    """Owns the ledger's troubles. `trouble_since` is monotonic, None while all is well; what a person should know
    stands in `problems` for as long as it holds."""

    def __init__(
        self,
        book: Book,
        desk: Desk,
        calendar: Calendar,
        neighbours: Neighbours,
        ledger: Ledger,
        clock: Clock,
        log: logging.Logger,
        problems: dict[str, str],
    ) -> None:
        self.book = book
        self.desk = desk
        self.calendar = calendar
        self.neighbours = neighbours
        self.due_times = calendar.due_times
        self.ledger = ledger
        self.clock = clock
        self.log = log
        self.problems = problems
        self.trouble_since: Optional[float] = None
        self.full = False  # the last trouble was a full disk
        self._next_try = 0.0
        self._write_by: Optional[float] = None  # monotonic; for what is marked and not urgent
        self._reopened = -REOPEN_EVERY_S
        self.next_retain = clock.monotonic() + RETAIN_EVERY_S
        self._more_to_delete = False

    def nap_s(self, mono: float) -> float:
        """Seconds until there is something to write or to delete; infinite where there is nothing."""
        if not self.book.clean or self.trouble_since is not None:
            return (self._next_try if self._write_by is None else self._write_by) - mono
        return self.next_retain - mono if self._more_to_delete else float("inf")

    def flush(self, now: Instant) -> None:
        """Write what changed, then start what may start. While that fails nothing is lost and nothing new begins."""
        mono = self.clock.monotonic()
        if self.due_times.failed is not None:
            self.trouble(self.due_times.failed, mono)
            self.due_times.failed = None
        if self.trouble_since is not None and mono < self._next_try:
            return
        if not self.book.clean and not self.book.urgent and self.trouble_since is None:
            self._write_by = mono + PID_LATE_S if self._write_by is None else self._write_by
            if mono < self._write_by:
                return
        self._write_by = None
        try:
            if self.trouble_since is not None:
                self.ledger.tokens()  # with nothing to write, can it at least be read?
            self.book.flush(self.neighbours.guard if self.desk.launches else None)
        except StoreError as error:
            if error.kind == "raced":
                self.neighbours.absorb(now)
                if not self.neighbours.unread:
                    return  # the next step writes what is left, at once
            self.trouble(error, mono)
            return
        self.desk.launch()
        if self.trouble_since is not None:
            self.log.warning("history: can be written again after %.0f s", mono - self.trouble_since)
            self.trouble_since = None
            self.problems.pop("history", None)
            if not self.desk.stopping:
                self.due_times.open = True
                self.calendar.catch_up(now)  # written by the next step, at once

    def trouble(self, error: StoreError, mono: float) -> None:
        if self.trouble_since is None:
            self.trouble_since = mono
            self.log.error("history: %s; due times wait until it can be written again", error)
        self.problems["history"] = str(error)
        self.full = error.kind == "full"
        self.due_times.open = False
        self._next_try = mono + COMMIT_RETRY_S
        if error.kind == "duplicate":
            self.drop_duplicates()
        elif error.kind == "damaged":
            self.reopen(damaged=True)

    def reopen(self, damaged: bool = False) -> None:
        """The file is damaged, gone or another one: go on with what can be had, and say so for as long as we run."""
        mono = self.clock.monotonic()
        if damaged and mono - self._reopened < REOPEN_EVERY_S:
            return
        try:
            told = self.ledger.reopen(self.clock.wall(), damaged)
        except StoreError as error:
            told = [str(error)]
        else:
            self.book.rewrite()
            self._next_try = mono
            self._reopened = mono if damaged else self._reopened
        for problem in told:
            self.log.error("history: %s", problem)
        self.problems["history file"] = "; ".join(told)

    def drop_duplicates(self) -> None:
        """Another process wrote the row of a due time after we had looked: it is settled, ours is dropped."""
        for task_id, due in self.book.unsaved_due_times():
            try:
                known = self.ledger.due_times(task_id, due, due)
            except StoreError:
                return  # the next try meets the same rows
            if known:
                self.log.warning("%s: its due time %s has a run already", task_id, due)
                self.desk.drop(self.book.forget(task_id, due))

    def look_after(self) -> None:
        """At every poll: is the file still ours, is there room."""
        if self.ledger.check_file():
            self.reopen()
        if self.ledger.heal():
            self.problems.pop("disk", None)
        elif "disk" not in self.problems:
            self.problems["disk"] = "the disk is nearly full"
            self.log.error("the disk is nearly full: runs that cannot be recorded will not start")

    def retain(self, history: HistorySettings, tasks: Collection[str], now: Instant, polling: bool) -> None:
        """Delete old runs: at a poll when it is time for it, and in pieces until there is nothing more to delete."""
        mono = self.clock.monotonic()
        if mono < self.next_retain or self.trouble_since is not None or not (polling or self._more_to_delete):
            return
        deleted = RETAIN_ROWS
        try:
            while deleted == RETAIN_ROWS and self.clock.monotonic() - mono < RETAIN_S:
                deleted = self.ledger.retain(history, now, RETAIN_ROWS, tasks)
        except StoreError as error:
            self.log.warning("history: retention waits: %s", error)
            deleted = 0
        self._more_to_delete = deleted == RETAIN_ROWS
        self.next_retain = self.clock.monotonic() + (RETAIN_AGAIN_S if self._more_to_delete else RETAIN_EVERY_S)
