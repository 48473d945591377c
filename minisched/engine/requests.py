"""What people ask of the running engine, and its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minisched.model import Answer, Reason

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from minisched.engine.arrivals import Arrivals
    from minisched.engine.book import Book, LiveRun
    from minisched.engine.courier import Courier
    from minisched.engine.desk import Desk
    from minisched.engine.keeper import Keeper
    from minisched.model import Clock, Instant, Reload, ReplyTo, ResendDelivery, RunTask, StopRun

UNAVAILABLE = "the history cannot be written now, so nothing may start; see the problems of the engine"
DISK_FULL = "the disk is full: the run cannot be recorded, so it may not start"


class Requests:
    """A request is answered once; one whose asker waits no longer is not carried out, so that what was told as failed
    does not happen after all. Answers go out once the board shows what they tell of."""

    def __init__(
        self,
        arrivals: Arrivals,
        book: Book,
        desk: Desk,
        keeper: Keeper,
        courier: Courier,
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self.arrivals = arrivals
        self.book = book
        self.desk = desk
        self.keeper = keeper
        self.courier = courier
        self.clock = clock
        self.log = log
        self._opened: list[tuple[ReplyTo, LiveRun]] = []  # answered when their rows are on disk
        self._answers: list[tuple[ReplyTo, Answer]] = []

    def is_late(self, asked: ReplyTo) -> bool:
        return self.clock.monotonic() > asked.until

    def run_task(self, message: RunTask, now: Instant) -> None:
        asked, task_id = message.asked, message.task_id
        if self.is_late(asked):
            return
        if self.desk.stopping:
            self.tell(asked, Answer("stopping", "the engine is stopping; nothing new starts"))
        elif task_id not in self.book.tasks:
            self.tell(asked, Answer("not_found", f'no task "{task_id}"'))
        elif self.keeper.trouble_since is not None:
            self.tell(asked, self.unwritten())
        else:
            self.log.info("%s: run by hand, asked by %s", task_id, message.by)
            self._opened.append((asked, self.arrivals.trigger(task_id, now, message.env or None)))

    def stop_run(self, message: StopRun, now: Instant) -> None:
        asked, run_id = message.asked, message.run_id
        if self.is_late(asked):
            return
        live = self.book.runs.get(run_id)
        if live is not None:
            self.log.info("run %d of %s: to be stopped, asked by %s", run_id, live.run.task_id, message.by)
            self.desk.cancel(live, Reason.USER, now, f"by {message.by}")
            self.tell(asked, Answer(run_id=run_id))
        elif any(run_id in runs for runs in self.desk.foreign.values()):
            self.tell(asked, Answer("foreign", f"run {run_id} belongs to an `exec`; end that command"))
        else:
            self.tell(asked, Answer("ended", f"run {run_id} has ended"))

    def resend(self, message: ResendDelivery, now: Instant) -> None:
        if not self.is_late(message.asked):
            self.tell(message.asked, self.courier.resend(message, now))

    def reload(self, message: Reload, ask: Callable[[], Answer]) -> None:
        """Also asked by a signal, which waits for no answer."""
        if message.asked is None:
            ask()
        elif not self.is_late(message.asked):
            self.tell(message.asked, ask())

    def tell(self, asked: ReplyTo, answer: Answer) -> None:
        """To be answered at the step's end."""
        self._answers.append((asked, answer))

    def settle(self) -> None:
        """After the step's commit: the runs asked for have their ids; what could not be written is forgotten."""
        opened, self._opened = self._opened, []
        for asked, live in opened:
            if live.run.run_id:
                self.tell(asked, Answer(run_id=live.run.run_id))
            else:
                self.book.discard(live)
                self.desk.drop(live)
                self.tell(asked, self.unwritten())

    def send(self) -> None:
        """After the step was published."""
        answers, self._answers = self._answers, []
        for asked, answer in answers:
            asked.reply.put(answer)

    def unwritten(self) -> Answer:
        return Answer("disk_full", DISK_FULL) if self.keeper.full else Answer("unavailable", UNAVAILABLE)
