"""The end: nothing new starts, what runs gets its time, all is written, and the program goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from minisched.model import EXIT_IOERR, EXIT_OK, Reason, Status

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from minisched.engine.book import Book
    from minisched.engine.calendar import Calendar
    from minisched.engine.courier import Courier
    from minisched.engine.desk import Desk
    from minisched.engine.keeper import Keeper
    from minisched.engine.timers import Timers
    from minisched.model import Clock, Instant

LAST_COMMIT_S = 5.0  # how long a stopping engine goes on trying
LAST_SEND_S = 3.0  # how long it waits for the answer to a message: without it the next engine sends that one again


class Ending:
    """`stops`: how often the engine was told to stop."""

    def __init__(
        self,
        book: Book,
        desk: Desk,
        calendar: Calendar,
        courier: Courier,
        keeper: Keeper,
        timers: Timers,
        clock: Clock,
        log: logging.Logger,
        problems: Mapping[str, str],
    ) -> None:
        self.book = book
        self.desk = desk
        self.calendar = calendar
        self.courier = courier
        self.keeper = keeper
        self.timers = timers
        self.clock = clock
        self.log = log
        self.problems = problems
        self.stops = 0
        self._idle_since: Optional[float] = None  # monotonic

    def stop(self, now: Instant, grace_s: float) -> None:
        """First: nothing new starts, what runs gets the grace, then TERM. Second: KILL at once."""
        self.stops += 1
        if self.stops == 1:
            self.desk.stopping = True
            self.calendar.due_times.open = False
            self.desk.drop_launches(now)
            for state in self.book.tasks.values():
                for live in [live for live in state.live if live.run.status is Status.QUEUED and not live.run.attempts]:
                    self.desk.end(live, Status.SKIPPED, now, Reason.SHUTDOWN, "the engine was stopped")
            self.log.info("stopping: %d runs get %g s to end", len(self.desk.running), grace_s)
            self.timers.after(grace_s, self.kill_all)
        else:
            self.kill_all(0.0)

    def kill_all(self, grace_s: Optional[float]) -> None:
        now = self.clock.wall()
        for live in sorted(self.desk.running, key=lambda live: live.run.run_id):
            self.desk.cancel(live, Reason.SHUTDOWN, now, grace_s=grace_s)

    def leave(self, mono: float) -> Optional[int]:
        """The exit code, once it is time to go: nothing runs any more, it is told what became of the message under way,
        and all is written."""
        if not self.stops or self.desk.running:
            return None
        self.courier.closing = True
        if self._idle_since is None:
            self._idle_since = mono
            self.timers.after(LAST_SEND_S, lambda _: None)  # a turn of the loop then
        if self.courier.under_way is not None and self.stops == 1 and mono - self._idle_since < LAST_SEND_S:
            return None
        if self.book.clean:
            self.log.info("engine stopped")
            return EXIT_OK
        if self.keeper.trouble_since is not None and mono - self.keeper.trouble_since > LAST_COMMIT_S:
            self.log.error("engine stopped, the last changes could not be written: %s", self.problems.get("history"))
            return EXIT_IOERR
        return None
