"""What other processes write into the ledger beside the engine: each `exec` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minisched.engine.recovery import recover
from minisched.model import Status, StoreError

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from minisched.engine.arrivals import Arrivals
    from minisched.engine.book import Book
    from minisched.engine.desk import Desk
    from minisched.engine.surroundings import System
    from minisched.model import Instant, Ledger, TaskExecution


class Neighbours:
    """Takes over what they wrote, and gives way where one was faster. `unread`: what one wrote could not be read."""

    def __init__(
        self, book: Book, desk: Desk, arrivals: Arrivals, ledger: Ledger, log: logging.Logger, around: System
    ) -> None:
        self.book = book
        self.desk = desk
        self.arrivals = arrivals
        self.ledger = ledger
        self.log = log
        self.around = around
        self.unread = False

    def have_written(self) -> bool:
        try:
            return self.ledger.changed_elsewhere()
        except StoreError:
            return False  # what cannot be read now is looked at again by the next poll

    def take_over(self, unfinished: Sequence[TaskExecution], now: Instant) -> None:
        """The runs that nobody is in charge of are the engine's; those of a living `exec` are noted as in the way."""
        unowned: list[TaskExecution] = []
        foreign: dict[str, dict[int, TaskExecution]] = {}
        for run in unfinished:
            if run.run_id in self.book.runs:
                continue
            if run.owner is not None and run.owner != self.around.owner and self.around.is_alive(run.owner):
                foreign.setdefault(run.task_id, {})[run.run_id] = run
            else:
                unowned.append(run)
        self.desk.foreign = foreign
        recover(self.book, self.arrivals, unowned, self.around.kill_leftover, now)

    def absorb(self, now: Instant) -> None:
        """Another process wrote: take over its tokens, and what it left unfinished if it is gone; else what is not on
        disk yet gives way to it."""
        try:
            unfinished, tokens = self.ledger.unfinished(), self.ledger.tokens()
        except StoreError as error:
            if not self.unread:
                self.log.warning("history: %s", error)
            self.unread = True
            return
        self.unread = False
        self.book.touched.update(self.book.tasks)  # whose past has changed is not told
        before = self.desk.foreign
        self.take_over(unfinished, now)
        self.desk.put_back(now)
        fresh = self.book.absorb_tokens(tokens)
        for task_id, runs in sorted(before.items()):
            if task_id in self.book.tasks and runs.keys() - self.desk.foreign.get(task_id, {}).keys():
                self.desk.vacated(self.book.tasks[task_id], now)
        for task_id, _ in sorted(fresh):
            if task_id in self.book.tasks:
                self.arrivals.join(self.book.tasks[task_id], now)

    def guard(self, unfinished: Sequence[TaskExecution]) -> None:
        """In the transaction that is to begin runs. Raises StoreError `raced` where another process has begun one in
        between, and there is no room for both."""
        others: dict[str, int] = {}
        for run in unfinished:
            if run.status is Status.RUNNING and run.run_id not in self.book.runs:
                others[run.task_id] = others.get(run.task_id, 0) + 1
        for live in self.desk.launches:
            task = live.state.task
            if task.task_id in others and self.desk.held(live.state) + others[task.task_id] > task.task_max_instances:
                raise StoreError("raced", f"another process has started {task.task_id}")
