"""The engine: one owner of all mutable state, one inbox, one loop.

Theory of operation
===================

Threads. The engine runs in the main thread and owns all run state (`state.State`), all timers and the one SQLite
connection that writes. Other threads never touch these. The executor (processes), the sender (notifications), the HTTP
server's threads and the signal handlers put messages into `inbox`, a SimpleQueue: its `put` is safe even in a signal
handler. They read the engine through `snapshot`, whose values are frozen and replaced as a whole; the first reader of
its tasks makes them (`snapshot.SnapshotPublisher`). A command carries a one-slot reply queue and the time until which
its sender waits.

The loop is `run`: wait for messages or for the next timer, then `step`. `Clock.wait` is the only call that blocks, so
under a fake clock the very same engine is a simulator. There are two sets of timers (`timers.Timers`, on `sched`): due
times on the wall clock, in `triggers`; retries, dependency timeouts and delays of the engine itself on the monotonic
clock, so that a step of the wall clock moves none of them.

One step, in this order:

1. `watch_clock`: did the wall clock jump since the last step? If it was set back, due times that already have a row
   must not run again.
2. `external.absorb`, if another process (an `exec`) has written to the database.
3. `handle` each message: results of processes and deliveries, commands, signals.
4. `poll`: has the config file changed, is the database file still ours, upkeep. Once a minute and after FilesChanged,
   if the system reports changes of files, or every `poll_s`. A changed file is read in another thread and comes as
   ConfigRead; then each step puts a piece of it in force (`put_more_in_force`), the settings first, and none right
   before a due time, so that a config of ten thousand tasks holds up no due time. Each task is either as before or as
   the new config has it.
5. the timers: due times become runs, retries begin, dependency timeouts expire. A decision only changes `state`; no
   process is started here. A due time that is certain to start a process is decided some milliseconds before it comes,
   about as long as a commit takes; the executor then holds the process until the instant, so that neither our decisions
   nor the disk delay it (`Triggers._fire_early`). The row is the same as if it had been written at the due time.
6. `persistence.commit`: all that has changed, in one transaction: rows, attempts, tokens, `evaluated_until`, results of
   deliveries, and the notifications that follow from runs that have ended.
7. only then what may be seen from outside: `dispatcher.start_processes`, `outbox.dispatch`, the snapshot, the replies.

So nothing starts, is shown or is answered before it is on disk. If the commit fails, step 7 starts nothing, due times
wait (`state.accepting` is False), ends of processes are kept in memory and marked as unsaved, and the commit is tried
again each second; then due times that passed meanwhile are evaluated by `task_misfire`.

What is on disk when. All commits survive a crash of the engine. Those that only have what a start finds in the config
again, as during a reload, survive a power cut only once `persistence.sync` has synced them, while no due time is near.
A run has its row, as `running` with its attempt, before its process exists; its pid follows within 0.1 s, or together
with its end. `evaluated_until` is written in the same transaction as the rows of the due times up to it. A token is
written with the run whose end gave it, and removed with the run that used it. A notification is in the outbox with the
end of its run, and leaves it with the result of its delivery.

What a crash leaves, by the moment of the crash:

- before the commit: nothing. The next engine finds the due time after `evaluated_until` and treats it as downtime.
- after the commit, before or while the process runs, or before the due time for which it is held: a `running` row. The
  next engine kills the process if it is still alive (found by its pid, or by MINISCHED_RUN_ID in its environment) and
  ends the attempt as `interrupted`, which is retried if attempts are left (`recovery`).
- after the process has exited, before its end is committed: the same.
- after a delivery was sent, before its result is committed: the next engine sends it again, with the same message id.

So every due time has exactly one row, which a unique index guarantees, and a task's process may be started again only
as a further attempt of the same row.
"""

from __future__ import annotations

from itertools import islice
from math import inf

from minisched import catalogue
from minisched.engine.dispatcher import Dispatcher
from minisched.engine.engine_notices import EngineNotices
from minisched.engine.expectations import Expectations
from minisched.engine.heartbeat import Heartbeat, ServiceStatus
from minisched.engine.launch import Launcher
from minisched.engine.outbox import OutboxDispatcher
from minisched.engine.persistence import Persistence
from minisched.engine.recovery import ExternalRuns
from minisched.engine.reload import Reloader
from minisched.engine.snapshot import SnapshotPublisher
from minisched.engine.state import KnownRecord, State
from minisched.engine.timers import Timers
from minisched.engine.triggers import ConfigDiff, Triggers
from minisched.home import HomeBusy
from minisched.model import (
    EXIT_IOERR,
    EXIT_OK,
    EXIT_TEMPFAIL,
    ConfigEdit,
    ConfigRead,
    DeliverySent,
    FilesChanged,
    HistoryUnreadable,
    LogChanged,
    Reason,
    Reload,
    Reply,
    ResendDelivery,
    ResendFailed,
    RunFinished,
    RunStarted,
    RunTask,
    Stop,
    StopRun,
    Text,
)
from minisched.notify.compose import prepare
from minisched.systemd import ServiceManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from queue import SimpleQueue
    from typing import Optional

    from minisched.engine.state import ActiveRun, Outside
    from minisched.model import Config, ConfigSource, EngineProblem, Instant, Message, Origin, ReplyTo, Snapshot

# A changed config takes effect within this time. While a due time lies within the next SOON_S the naps are half as
# long: after a suspend or a clock set forward it is at most that late.
POLL_S = 2.0
# The same where the system reports changes of the files: the only wake-up of an idle engine. A little longer than
# RETAIN_EVERY_S, so that the look for old runs needs no wake-up of its own.
IDLE_POLL_S = 60.5
SOON_S = 60.0
JUMP_S = 2.0  # a smaller move of the wall clock against the monotonic one is an ordinary correction
SLEEP_S = 60.0  # a step forward by so much is noted as a time in which the engine did not run
# Problems that may be over at any moment.
PASSING = ("config", "disk", "engine log", "files", "history", "history reader", "logs", "outbox")
SHOWN_LOGS = 3  # failing logs of tasks that their problem names; it counts the others
# Of another config that is put in force, between two looks at the inbox and the timers: time, and tasks whose rows the
# commit after it writes.
PIECE_S = 0.008
PIECE_TASKS = 200
# No piece is begun when a due time is so near, and a commit's time nearer, which it would delay; but one each
# PIECE_WAIT_S, so that the config comes into force however many tasks are due; on a slow disk each so many times a
# commit's time, for the first POLL_S.
PIECE_CLEAR_S = 0.025
PIECE_WAIT_S = 0.1
PIECE_WAIT_LEADS = 5
LAST_COMMIT_S = 5.0  # how long a stopping engine keeps trying to write, once no process is left
LAST_SEND_S = 3.0  # how long it waits for the result of a delivery; without it the next engine sends it again


class Replies:
    """Replies to commands, held back until the step is on disk and visible."""

    def __init__(self) -> None:
        self._ready: list[tuple[ReplyTo, Reply]] = []
        self._opened: list[tuple[ReplyTo, ActiveRun]] = []

    def add(self, asked: ReplyTo, reply: Reply) -> None:
        self._ready.append((asked, reply))

    def add_run(self, asked: ReplyTo, active: ActiveRun) -> None:
        """To be answered with its id once its row is on disk."""
        self._opened.append((asked, active))

    def take_opened(self) -> list[tuple[ReplyTo, ActiveRun]]:
        opened, self._opened = self._opened, []
        return opened

    def send(self) -> None:
        ready, self._ready = self._ready, []
        for asked, reply in ready:
            asked.reply.put(reply)


class SchedulerEngine:
    """Runs the tasks of a config: `start()`, then `run()`. See the module for how."""

    def __init__(
        self,
        snapshot: Snapshot,
        source: ConfigSource,
        inbox: SimpleQueue[Message],
        outside: Outside,
        poll_s: float = POLL_S,
        on_config: Sequence[Callable[[Config], None]] = (),
        on_poll: Sequence[Callable[[], Sequence[Text]]] = (),
        on_problems: Sequence[Callable[[Mapping[str, EngineProblem]], object]] = (),
        start_early: bool = True,
        manager: Optional[ServiceManager] = None,
    ) -> None:
        """snapshot: shows the first config and the stamp of its file; the engine publishes its state there. on_config:
        called when another config is in force. on_poll: called at each poll; they return the problems they found.
        on_problems: called when other problems are shown.
        manager: gets a sign of life from the loop, and learns of reloads and of the end.
        start_early: write a due time a moment before it comes, so that its process starts on the dot."""
        self.snapshot, self.source, self.inbox, self.poll_s = snapshot, source, inbox, poll_s
        self.on_config, self.on_poll, self.on_problems = on_config, on_poll, on_problems
        self.clock, self.ledger, self.log, self.system = outside.clock, outside.ledger, outside.log, outside.system
        self.exit_code: Optional[int] = None
        self.timers = Timers(self.clock.monotonic)
        self.state = State(snapshot.engine.config, outside)
        self.launcher = Launcher(outside)
        self.expectations = Expectations(self.state, self.timers, outside)
        self.dispatcher = Dispatcher(self.state, self.timers, self.launcher, self.expectations, outside)
        self.external = ExternalRuns(self.state, self.dispatcher, outside)
        self.persistence = Persistence(self.state, self.dispatcher, self.external, outside)
        self.triggers = Triggers(self.state, self.dispatcher, self.persistence, outside, start_early)
        self.outbox = OutboxDispatcher(self.state, self.persistence, self.launcher, self.timers, outside)
        self.reloader = Reloader(snapshot.engine.config_stamp, source, inbox.put, self.state, outside)
        self.publisher = SnapshotPublisher(
            snapshot, self.state, self.dispatcher.locks, self.triggers, self.outbox, self.reloader
        )
        self.heartbeat = Heartbeat(self.state, self.timers, self.launcher, outside)
        self.notices = EngineNotices(self.state, self.timers, outside)
        self.service = ServiceStatus(manager or ServiceManager(), self.state, self.timers, outside)
        self.replies = Replies()
        self._coming: Optional[Iterator[None]] = None  # the rest of another config that is put in force
        self._read_at = self._last_piece = 0.0  # monotonic; when it was read, and the last piece put in force
        self._diff = ConfigDiff([], [], [])  # what it has changed
        mono = self.clock.monotonic()
        self._clock_offset = self.clock.wall() - mono
        self._polled = mono
        self._watched = False  # FilesChanged will be posted
        self._failing_logs: dict[str, Text] = {}  # of tasks, by path, with the reason
        self._next_due: Optional[float] = None  # wall time of the next due time
        self._next_timer: Optional[float] = None  # monotonic
        self._drained_at: Optional[float] = None  # monotonic; a stop was requested and no process is left

    # ------------------------------------------------------------------------------------------------------- the loop

    def run(self) -> int:
        """The loop, after `start`. Returns the exit code of the program."""
        while self.exit_code is None:
            self.step(self.clock.wait(self.inbox, self.nap_s()))
        return self.exit_code

    def start(self, found: Sequence[Text] = ()) -> None:
        """Continue where the last engine stopped: first its leftovers, then the due times that have passed.

        found: what was wrong with the database when it was opened. Raises StoreError if it cannot even be read.
        """
        now = self.clock.wall()
        config = self.state.config
        catalogue.load("runs", "engine", "log")
        self.launcher.use(config)
        prepare(config)
        self.state.problems.report("timezone", config.settings.timezone_problem)
        if found:
            self.state.problems.report("history file", Text("engine.history_file", problems=found))
        self.state.began(now)
        self.state.merge_tokens(self.ledger.tokens())
        self.state.load_expectations(self.ledger.expectations())
        self.triggers.load(config, self.ledger.records(KnownRecord.of), self.ledger.last_changes(), now)
        self.external.read_ends()
        self.external.take_over(self.ledger.unfinished(), now)
        self.triggers.begin(now)
        self.heartbeat.use(config)
        self.notices.begin()
        self.service.begin()
        self.log.info(Text("log.started", pid=self.system.owner.pid, count=len(self.state.tasks)))
        self.step([])

    def step(self, messages: Sequence[Message]) -> None:
        """One turn of the loop. The order is the promise: nothing starts, is shown or is answered before its row is on
        disk."""
        now, mono = self.clock.wall(), self.clock.monotonic()
        self.watch_clock(now, mono)
        due = self._next_due is not None and now >= self._next_due
        coming = self._coming
        awake = bool(messages) or due
        polling = mono >= (self._polled + self.poll_s if awake else self.next_poll)
        if (awake or polling) and self.external.have_written():
            self.external.absorb(now)
            self.expectations.others_wrote()
            self.outbox.recheck()
        for message in messages:
            self.handle(message, now)
        if any(isinstance(message, LogChanged) for message in messages):
            self.report_logs()
        if polling:
            self.poll(now, mono)
        # What has come is written before another piece, unless due times come in each step.
        if coming is not None and coming is self._coming and self.piece_in_s(now, mono) <= -self.piece_wait_s * due:
            self.put_more_in_force(coming)
        self.run_timers()

        self.notices.look(now)
        committed = self.persistence.commit(now)
        if committed is not None:
            self.dispatcher.start_processes(now)
            if committed.recovered and not self.state.stopping:
                self.triggers.catch_up(now)  # written by the next step, which follows at once
        self.outbox.dispatch(committed, now)
        due_in_s = inf if self._next_due is None else self._next_due - self.clock.wall()
        if self._coming is None:
            self.persistence.sync(now, due_in_s)
        self.persistence.retain(now, polling, due_in_s)
        self.answer_opened()
        shown = self.snapshot.engine.problems
        self.publisher.publish(mono, mono + self.nap_s())
        if self.state.problems.current is not shown:
            for listener in self.on_problems:
                listener(self.state.problems.current)
        self.replies.send()
        self.service.show()
        self.exit_code = self.exit_code_when_done(mono)

    def run_timers(self) -> None:
        next_times = (self.triggers.run_timers(), self.expectations.run_timers())
        self._next_due = min((time for time in next_times if time is not None), default=None)
        delay_s = self.timers.run()
        self._next_timer = None if delay_s is None else self.clock.monotonic() + delay_s

    def nap_s(self) -> float:
        """Seconds until there is something to do."""
        mono = self.clock.monotonic()
        nap_s = self.next_poll - mono
        if self._coming is not None:
            nap_s = min(nap_s, self.piece_in_s(self.clock.wall(), mono))
        if self._next_timer is not None:
            nap_s = min(nap_s, self._next_timer - mono)
        if self._next_due is not None and self.state.accepting:
            due_in_s = self._next_due - self.clock.wall()
            nap_s = min(nap_s, due_in_s if due_in_s > SOON_S else min(due_in_s, self.poll_s / 2))
        return max(0.0, min(nap_s, self.persistence.nap_s(mono)))

    def watch_clock(self, now: Instant, mono: float) -> None:
        """Did the wall clock jump? Forward: the due times passed are late. Back: nothing runs again."""
        offset = now - mono
        moved_s, self._clock_offset = offset - self._clock_offset, offset
        if abs(moved_s) <= JUMP_S:
            return
        self.log.warning(Text("log.clock_set", forward=int(moved_s > 0), seconds=round(abs(moved_s))))
        self.outbox.recheck()
        if moved_s >= SLEEP_S:
            self.state.slept(now - moved_s, now)
        if moved_s < 0:
            self.outbox.set_back(-moved_s)
            self.triggers.set_back(now)
        self.expectations.clock_set(now)
        self.persistence.clock_set(moved_s, now)

    def poll(self, now: Instant, mono: float) -> None:
        """Is there another config, are the files still ours."""
        self._polled = mono
        self._watched = self.source.watch()  # before the look, so that a change after it is reported
        if not self.state.stopping:
            self.reloader.poll(mono)
        if self.state.external or self.external.unread:
            self.external.absorb(now)
        try:
            found = [problem for look in self.on_poll for problem in look()]
        except HomeBusy as error:
            self.lose_home(error.text, now)
            return
        self.state.problems.report("files", Text("engine.files", problems=found) if found else None)
        self.persistence.upkeep()
        self.outbox.poll(now, mono)

    @property
    def next_poll(self) -> float:
        """Monotonic. Soon, if something is going on that no change of a file will report."""
        soon = (
            not self._watched
            or self.reloader.in_doubt
            or bool(self.state.external)
            or self.external.unread
            or self.outbox.unsettled
            or not self.state.problems.current.keys().isdisjoint(PASSING)
        )
        return self._polled + (self.poll_s if soon else IDLE_POLL_S)

    # ------------------------------------------------------------------------------------------------------- messages

    def handle(self, message: Message, now: Instant) -> None:
        if isinstance(message, RunFinished):
            self.dispatcher.finished(message, now)
        elif isinstance(message, RunStarted):
            self.dispatcher.started(message)
        elif isinstance(message, DeliverySent):
            self.outbox.sent(message, now)
        elif isinstance(message, Stop):
            self.stop(now)
        elif isinstance(message, Reload) and message.asked is None:
            self.reload(message)
        elif isinstance(message, ConfigEdit):
            self.reloader.edit(message)
        elif isinstance(message, ConfigRead):
            self.config_read(message, now)
        elif isinstance(message, FilesChanged):
            self._watched = False
        elif isinstance(message, LogChanged):
            self.log_changed(message)
        elif isinstance(message, HistoryUnreadable):
            self.persistence.reader_failed(message.error)
        else:
            assert message.asked is not None
            if self.clock.monotonic() <= message.asked.until:  # else its sender has given up already
                self.command(message, message.asked, now)

    def log_changed(self, message: LogChanged) -> None:
        """A log cannot be written, or can be written again; `report_logs` follows."""
        path, problem = message.path, message.problem
        if message.own:
            lost = None if problem is None else Text("engine.own_log", path=path, reason=problem)
            self.state.problems.report("engine log", lost)
        elif problem is None:
            self._failing_logs.pop(path, None)
        else:
            self._failing_logs[path] = problem

    def report_logs(self) -> None:
        """The problem of the tasks' logs: those that were the first to fail, and how many more there are."""
        shown = islice(self._failing_logs.items(), SHOWN_LOGS)
        found = [Text("log_lost", path=path, reason=why) for path, why in shown]
        if len(self._failing_logs) > SHOWN_LOGS:
            found.append(Text("engine.more_logs", count=len(self._failing_logs) - SHOWN_LOGS))
        self.state.problems.report("logs", Text("engine.task_logs", logs=found) if found else None)

    def command(
        self, message: RunTask | StopRun | ResendDelivery | ResendFailed | Reload, asked: ReplyTo, now: Instant
    ) -> None:
        """Carry out a command and note its reply; that of a Reload follows in a later step."""
        if isinstance(message, RunTask):
            refusal = self.refusal_to_run(message.task_id)
            if refusal is not None:
                self.replies.add(asked, refusal)
            else:
                code = "log.run_requested" if message.due is None else "log.backfill_requested"
                self.log.info(Text(code, task=message.task_id, by=message.by, due=message.due))
                env, due, repeats = message.env or None, message.due, message.repeats
                self.replies.add_run(asked, self.dispatcher.run_manually(message.task_id, now, env, due, repeats))
        elif isinstance(message, StopRun):
            self.replies.add(asked, self.stop_run(message, now))
        elif isinstance(message, ResendDelivery):
            self.replies.add(asked, self.outbox.resend(message, now))
        elif isinstance(message, ResendFailed):
            self.replies.add(asked, self.outbox.resend_failed(message, now))
        else:
            self.reload(message)

    def refusal_to_run(self, task_id: str) -> Optional[Reply]:
        if self.state.stopping:
            return Reply("stopping", Text("engine.reply.stopping"))
        if task_id not in self.state.tasks:
            return Reply("not_found", Text("engine.reply.no_task", task=task_id))
        if self.persistence.trouble_since is not None:
            return self.unwritten()
        return None

    def stop_run(self, message: StopRun, now: Instant) -> Reply:
        run_id = message.run_id
        active = self.state.runs.get(run_id)
        # One that has ended is still here while its end cannot be written, or if it ended earlier in this step.
        if active is not None and not active.run.status.ended:
            self.log.info(Text("log.stop_requested", run_id=run_id, task=active.run.task_id, by=message.by))
            self.dispatcher.cancel(active, Reason.USER, now, Text("cancelled_by", by=message.by))
            return Reply(run_id=run_id)
        if any(run_id in runs for runs in self.state.external.values()):
            return Reply("foreign", Text("engine.reply.foreign", run=run_id))
        return Reply("ended", Text("engine.reply.ended", run=run_id))

    def answer_opened(self) -> None:
        """After the commit: runs that were started manually have their ids. One that could not be written is
        discarded, so that it does not start after its refusal."""
        for asked, active in self.replies.take_opened():
            if active.run.run_id:
                self.replies.add(asked, Reply(run_id=active.run.run_id))
            else:
                self.dispatcher.discard(active)
                self.replies.add(asked, self.unwritten())

    def unwritten(self) -> Reply:
        if self.persistence.disk_full:
            return Reply("disk_full", Text("engine.reply.disk_full"))
        return Reply("unavailable", Text("engine.reply.unavailable"))

    # --------------------------------------------------------------------------------------------------------- config

    def reload(self, message: Reload) -> None:
        """Have the config file read now."""
        if self.state.stopping:
            self.answer([message], Reply("stopping", Text("engine.reply.config_stays")))
        else:
            self.service.reload_begins()
            self.reloader.request(message)

    def config_read(self, message: ConfigRead, now: Instant) -> None:
        if self.state.stopping:
            return
        self.reloader.take(message)
        if message.config is not None:
            self.service.reload_begins()
            self._diff = ConfigDiff([], [], [])
            self._coming = self.put_in_force(message.config, self.reloader.origin)
            # The first piece is forced: a small config is one, and in force at once however many tasks are due.
            self._read_at = self.clock.monotonic()
            self._last_piece = self._read_at - self.piece_wait_s
            return
        self.service.reload_ended()
        requests = self.reloader.finish(is_new=False)
        self.answer(requests, Reply("invalid", Text("engine.reply.invalid"), problems=self.reloader.config_problems))

    def put_in_force(self, config: Config, origin: Origin) -> Iterator[None]:
        """Put another config in force, one piece more after each step: the settings, the tasks, and what is outside of
        the engine."""
        self.launcher.use(config)
        prepare(config)
        yield
        self.heartbeat.use(config)
        self.notices.use()
        self.state.problems.report("timezone", config.settings.timezone_problem)
        zone, before = config.settings.timezone, self.state.config.settings.timezone
        if zone != before:
            source = config.settings.timezone_source
            self.log.warning(Text("log.zone_changed", zone=zone, source=source, before=before))
        self.state.use(config)
        self.external.read_ends()
        self.dispatcher.locks_changed(self.clock.wall())
        yield
        yield from self.triggers.replace(config, self._diff, origin)
        for listener in self.on_config:
            yield
            listener(config)

    def piece_in_s(self, now: Instant, mono: float) -> float:
        """Seconds until another piece may be put in force."""
        due_in_s = self._next_due - now if self._next_due is not None and self.state.accepting else inf
        return (
            0.0 if due_in_s > PIECE_CLEAR_S + self.persistence.lead_s else self._last_piece + self.piece_wait_s - mono
        )

    @property
    def piece_wait_s(self) -> float:
        if self.clock.monotonic() - self._read_at > POLL_S:
            return PIECE_WAIT_S
        return max(PIECE_WAIT_S, PIECE_WAIT_LEADS * self.persistence.lead_s)

    def put_more_in_force(self, coming: Iterator[None]) -> None:
        """One piece more; after the last one the config is in force as a whole."""
        begun = self.clock.monotonic()
        until, self._last_piece = begun + PIECE_S, begun
        for _ in range(PIECE_TASKS):
            try:
                next(coming)
            except StopIteration:
                self.in_force()
                return
            if self.clock.monotonic() >= until:
                return

    def in_force(self) -> None:
        self._coming = None
        config = self.state.config
        if self._failing_logs:  # of tasks that are still there
            paths = {self.launcher.log_path(task) for task in config.tasks.values()}
            self._failing_logs = {path: why for path, why in self._failing_logs.items() if path in paths}
            self.report_logs()
        sizes = {name: len(found) for name, found in self._diff._asdict().items()}
        self._diff = ConfigDiff([], [], [])
        self.log.info(Text("log.reloaded", why=self.reloader.why, count=len(config.tasks), **sizes))
        self.state.require_commit()  # so that the snapshot shows it in this step
        self.service.reload_ended()
        self.answer(self.reloader.finish(is_new=True), Reply())

    def answer(self, requests: Sequence[Reload], reply: Reply) -> None:
        for one in requests:
            if one.asked is not None:
                self.replies.add(one.asked, reply)

    # ------------------------------------------------------------------------------------------------------- shutdown

    def stop(self, now: Instant) -> None:
        """First: nothing new starts, running tasks get the grace, then TERM. Second: KILL at once."""
        self.state.stop()
        self.service.manager.stopping()
        self._coming = None  # the next engine reads the whole file
        self.answer(self.reloader.cancel(), Reply("stopping", Text("engine.reply.config_stays")))
        if self.state.stop_requests > 1:
            self.dispatcher.stop_processes(now, 0.0)
            return
        self.dispatcher.stop(now)
        grace_s = self.state.config.settings.shutdown_grace
        running = len(self.state.running)
        code = "log.stopping" if running else "log.stopping_idle"
        self.log.info(Text(code, count=running, seconds=grace_s))
        self.timers.after(grace_s, lambda: self.dispatcher.stop_processes(self.clock.wall(), None))

    def lose_home(self, reason: Text, now: Instant) -> None:
        """Another engine holds the home, so its history is that engine's: end, and write nothing more."""
        if not self.persistence.closed:
            self.log.critical(Text("log.home_lost", reason=reason))
            self.persistence.close()
            self.stop(now)
            self.dispatcher.stop_processes(now, None)

    def exit_code_when_done(self, mono: float) -> Optional[int]:
        """The exit code, once the engine may exit: no process is running, the delivery in flight has reported back,
        everything is committed. None: not yet."""
        if not self.state.stopping or self.state.running:
            return None
        if self.persistence.closed:
            return EXIT_TEMPFAIL
        self.outbox.close()
        if self._drained_at is None:
            self._drained_at = mono
            for wait_s in (LAST_SEND_S, LAST_COMMIT_S):
                self.timers.after(wait_s, lambda: None)  # a step of the loop at that time
        in_flight = self.outbox.in_flight is not None and self.state.stop_requests == 1
        if in_flight and mono - self._drained_at < LAST_SEND_S:
            return None
        if self.state.clean:
            self.persistence.write_end(self.clock.wall())
            self.log.info(Text("log.stopped"))
            return EXIT_OK
        if mono - self._drained_at > LAST_COMMIT_S:
            self.log.error(Text("log.stopped_unwritten"))
            return EXIT_IOERR
        return None
