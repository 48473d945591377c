"""The engine: one owner of all run state, one inbox, one loop.

`step` is one turn: take messages, look after the files, fire timers, write, start processes. It blocks nowhere but in
`Clock.wait`, so that under a fake clock the very same engine is a simulator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from minisched.engine.arrivals import Arrivals
from minisched.engine.book import Book
from minisched.engine.calendar import Calendar
from minisched.engine.courier import Courier
from minisched.engine.desk import Desk
from minisched.engine.ending import Ending
from minisched.engine.keeper import Keeper
from minisched.engine.launch import base_environment, make_launch
from minisched.engine.neighbours import Neighbours
from minisched.engine.publisher import Publisher
from minisched.engine.reloader import Reloader
from minisched.engine.requests import Requests
from minisched.engine.teller import Teller
from minisched.engine.timers import Timers
from minisched.engine.words import told
from minisched.model import (
    DeliverySent,
    EngineSnapshot,
    ProcessResult,
    Reload,
    ResendDelivery,
    RunFinished,
    RunStarted,
    RunTask,
    Snapshot,
    Stop,
    StopRun,
    StoreError,
    TaskRecord,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence
    from queue import SimpleQueue

    from minisched.engine.book import LiveRun
    from minisched.engine.surroundings import ConfigSource, System
    from minisched.model import (
        Clock,
        Config,
        Executor,
        Instant,
        Ledger,
        Message,
        ProcessSpec,
        TaskExecution,
    )

# A changed config takes effect within it; the only wake-up of an engine with nothing to do. While a due time stands
# within the next minute the naps are half as long: a resume or a clock set forward costs at most one.
POLL_S = 2.0
SOON_S = 60.0
DAY_S = 86_400.0
JUMP_S = 2.0  # a smaller move of the wall clock against the monotonic one is an ordinary correction


class SchedulerEngine:
    """Runs the tasks of a config: `start()`, then `run()`."""

    def __init__(
        self,
        config: Config,
        source: ConfigSource,
        clock: Clock,
        ledger: Ledger,
        executor: Executor,
        inbox: SimpleQueue[Message],
        log: logging.Logger,
        around: System,
        poll_s: float = POLL_S,
        stamp: object = None,  # of the file when `config` was read
    ) -> None:
        self.clock = clock
        self.ledger = ledger
        self.inbox = inbox
        self.log = log
        self.around = around
        self.poll_s = poll_s
        self.problems: dict[str, str] = {}  # standing ones, by what they are about
        self.exit_code: Optional[int] = None
        self.timers = Timers(clock.monotonic)  # retries, dependency timeouts, the end of the drain
        self.teller = Teller(config, around.host_name, around.home)
        self.book = Book(ledger, lambda run: told(log, run), self.teller)
        self.desk = Desk(
            self.book,
            executor,
            self.timers,
            log,
            around.owner,
            clock.wall,
            around.draw,
            self.make_launch,
            self.fail_launch,
        )
        self.arrivals = Arrivals(self.book, self.desk)
        self.calendar = Calendar(self.book, self.desk, self.arrivals, clock, ledger, around.owner.boot_id)
        self.neighbours = Neighbours(self.book, self.desk, self.arrivals, ledger, log, around)
        self.keeper = Keeper(self.book, self.desk, self.calendar, self.neighbours, ledger, clock, log, self.problems)
        self.courier = Courier(
            self.book, self.teller, self.keeper, ledger, self.timers, clock, log, around, self.problems
        )
        self.requests = Requests(self.arrivals, self.book, self.desk, self.keeper, self.courier, clock, log)
        self.ending = Ending(
            self.book, self.desk, self.calendar, self.courier, self.keeper, self.timers, clock, log, self.problems
        )
        self.board = Snapshot(EngineSnapshot(config, stamp, started=clock.wall()))
        self.publisher = Publisher(self.board, self.book, self.desk, self.calendar)
        self.reloader = Reloader(
            config, source.stamp() if stamp is None else stamp, source, clock, log, self.problems, self.in_force
        )
        self._base = base_environment(around.environ, config)
        self.courier.base = self._base
        mono = clock.monotonic()
        self._offset = clock.wall() - mono
        self._next_poll = mono + poll_s
        self._due_at: Optional[float] = None  # wall
        self._timer_at: Optional[float] = None  # monotonic

    # ----------------------------------------------------------------------------------------------------- the loop

    def run(self) -> int:
        """The loop, after `start`; the exit code of the program."""
        while self.exit_code is None:
            self.step(self.clock.wait(self.inbox, self.nap_s()))
        return self.exit_code

    def start(self) -> None:
        """Go on from where the last engine stopped: leftovers first, then the due times that passed. Raises StoreError
        where the ledger cannot even be read."""
        now = self.clock.wall()
        self.book.tokens = self.ledger.tokens()
        states = self.calendar.apply(self.reloader.config, self.ledger.records(), now)
        self.neighbours.take_over(self.ledger.unfinished(), now)
        self.calendar.begin(states, now, starting=True)
        self.book.touched.update(self.book.tasks)  # also those that nothing has happened to
        self.log.info("engine started: pid %d, %d tasks", self.around.owner.pid, len(self.book.tasks))
        self.step([])

    def step(self, messages: Sequence[Message]) -> None:
        """One turn of the loop."""
        now = self.clock.wall()
        mono = self.clock.monotonic()
        self.watch_clock(now, mono)
        polling = mono >= self._next_poll
        due = self._due_at is not None and now >= self._due_at
        if (messages or polling or due) and self.neighbours.have_written():
            self.neighbours.absorb(now)
            self.courier.look()
        for message in messages:
            self.handle(message, now)
        if polling:
            self._next_poll = mono + self.poll_s
            self.poll(now, mono)
        delay_s = self.calendar.timers.run()
        self._due_at = None if delay_s is None else self.clock.wall() + delay_s
        delay_s = self.timers.run()
        self._timer_at = None if delay_s is None else self.clock.monotonic() + delay_s
        self.keeper.flush(now)
        self.courier.pump(now)
        config = self.reloader.config
        self.keeper.retain(config.settings.history, config.tasks.keys(), now, polling)
        self.requests.settle()
        self.publisher.publish(
            mono,
            config,
            self.reloader.config_stamp,
            self.reloader.config_problems,
            self.problems,
            self.desk.stopping,
            len(self.desk.running),
            self.courier.counts,
        )
        self.requests.send()
        self.exit_code = self.ending.leave(mono)

    def nap_s(self) -> float:
        """Seconds until there is something to do."""
        mono = self.clock.monotonic()
        nap_s = self._next_poll - mono
        if self._timer_at is not None:
            nap_s = min(nap_s, self._timer_at - mono)
        if self._due_at is not None and self.calendar.due_times.open:
            due_in_s = self._due_at - self.clock.wall()
            nap_s = min(nap_s, due_in_s if due_in_s > SOON_S else min(due_in_s, self.poll_s / 2))
        return max(0.0, min(nap_s, self.keeper.nap_s(mono)))

    def handle(self, message: Message, now: Instant) -> None:
        if isinstance(message, RunFinished):
            self.desk.finished(message, now)
        elif isinstance(message, RunStarted):
            self.desk.started(message)
        elif isinstance(message, RunTask):
            self.requests.run_task(message, now)
        elif isinstance(message, StopRun):
            self.requests.stop_run(message, now)
        elif isinstance(message, DeliverySent):
            self.courier.sent(message, now)
        elif isinstance(message, ResendDelivery):
            self.requests.resend(message, now)
        elif isinstance(message, Reload):
            self.requests.reload(message, lambda: self.reloader.ask(message, now, bool(self.ending.stops)))
        elif isinstance(message, Stop):
            self.ending.stop(now, self.reloader.config.settings.shutdown_grace)

    # ---------------------------------------------------------------------------------------------------- processes

    def make_launch(self, live: LiveRun) -> ProcessSpec:
        task = live.state.task
        try:
            record = self.ledger.record(task.task_id)
        except StoreError:
            record = TaskRecord(task.task_id)  # the run is on disk and due: it starts without knowing its past
        return make_launch(task, live.run, record, self.around.home, live.state.zone, self.around.environ, self._base)

    def fail_launch(self, run: TaskExecution, why: str, cancelled: bool = False) -> None:
        """End an attempt that was not even ordered, by the way that every attempt ends."""
        completion = ProcessResult(end_time=self.clock.wall(), duration=0.0, spawn_error=why, cancelled=cancelled)
        self.inbox.put(RunFinished(run.run_id, run.attempt, completion))

    def in_force(self, config: Config, now: Instant) -> int:
        """The config is a new one; how many of its tasks are new or changed."""
        self.teller.use(config)
        self._base = self.courier.base = base_environment(self.around.environ, config)
        self.around.configured(config)
        changed = self.calendar.apply(config, {}, now)
        self.calendar.begin(changed, now, starting=False)
        self.book.touched.update(config.tasks)
        self.book.urgent = True  # with the book written, the board shows them in this step
        self.desk.pump(now)
        return len(changed)

    # ------------------------------------------------------------------------------------------------------- upkeep

    def poll(self, now: Instant, mono: float) -> None:
        """Every POLL_S: is the config a new one, are the files still ours, what may be deleted."""
        if not self.ending.stops:
            self.reloader.poll(now, mono)
        if self.desk.foreign or self.neighbours.unread:
            self.neighbours.absorb(now)
        self.keeper.look_after()
        self.courier.poll(now, mono)
        found = "; ".join(self.around.upkeep())
        if found and found != self.problems.get("files"):
            self.log.error("%s", found)
        self.problems["files"] = found
        if not found:
            del self.problems["files"]

    def watch_clock(self, now: Instant, mono: float) -> None:
        """A jump of the wall clock: forward, the due times passed are late; back, nothing runs again."""
        offset = now - mono
        moved_s = offset - self._offset
        self._offset = offset
        if abs(moved_s) > JUMP_S:
            self.log.warning("the clock was set %s by %.0f s", "forward" if moved_s > 0 else "back", abs(moved_s))
        if abs(moved_s) > JUMP_S:
            self.courier.look()
        if moved_s < -JUMP_S:
            self.courier.set_back(-moved_s)
            self.calendar.set_back(now)
        elif moved_s > DAY_S:
            self.keeper.next_retain = mono + DAY_S  # a clock that is wrong for a while must not age the history away
