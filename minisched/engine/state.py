"""All mutable state of the engine: tasks, active runs, tokens, and what of them is not on disk yet.

Memory is the truth and the database follows. A step changes values here and marks them; `Persistence.commit` writes all
marked values in one transaction. If that fails they stay marked, and the next commit writes their newest values:
nothing is lost, nothing piles up. Only the methods of these classes assign their attributes; everyone may read them.
"""

from __future__ import annotations

import logging
from datetime import timezone
from functools import lru_cache

from minisched import lifecycle, policy
from minisched.model import (
    FAILURES,
    Batch,
    Ends,
    EngineProblem,
    Expectation,
    Reason,
    Status,
    TaskExecution,
    TaskRecord,
    Text,
    Uptime,
)
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import tzinfo
    from typing import Any, Literal, Optional, TypeVar

    from minisched.engine.timers import Timer
    from minisched.model import (
        Clock,
        Config,
        ConfigChange,
        Delivery,
        Executor,
        Instant,
        Notice,
        Outcome,
        ProcessResult,
        RunStarted,
        Sender,
        System,
        Task,
    )
    from minisched.policy import Token
    from minisched.store.writer import Store
    from minisched.timetable import Schedule

    T = TypeVar("T")
    # What a problem is about. The page has a name for each.
    ProblemKey = Literal[
        "config",
        "disk",
        "engine log",
        "files",
        "heartbeat",
        "history",
        "history file",
        "history reader",
        "history rows",
        "logs",
        "messages",
        "notifications",
        "outbox",
        "sender",
        "timezone",
    ]


class Outside(NamedTuple):
    """What the engine works on. The simulator has its own of each."""

    clock: Clock
    ledger: Store
    executor: Executor
    sender: Sender
    log: logging.Logger
    system: System


class PendingRun:
    """A run to be written. By itself: one that ended in the moment it began, because it was missed or skipped."""

    __slots__ = ("logged", "run", "tail")

    def __init__(self, run: TaskExecution) -> None:
        self.run = run
        self.tail: Optional[bytes] = None  # of its output, until it is written
        self.logged: Optional[tuple[Status, Optional[str], int]] = None  # status, reason, attempt in the engine's log

    def written(self, run_id: int) -> bool:
        """Its row is on disk, under this id. True if the row says something that the engine's log does not yet."""
        if not self.run.run_id:
            self.run = self.run._replace(run_id=run_id)
        self.tail = None
        before, self.logged = self.logged, (self.run.status, self.run.reason, self.run.attempt)
        return self.logged != before


class ActiveRun(PendingRun):
    """A run that has not ended. `run` is the row as it will be written; `to` is the only way to another status."""

    __slots__ = (
        "_before_attempt",
        "_state",
        "ask_until",
        "asking",
        "cancelled_for",
        "condition_met",
        "locks",
        "order",
        "start_at",
        "task_state",
        "timer",
    )

    def __init__(self, state: State, task_state: TaskState, run: TaskExecution) -> None:
        super().__init__(run)
        self.task_state = task_state
        self.cancelled_for: Optional[Reason] = None  # set once a stop of its process was requested
        self.timer: Optional[Timer] = None  # of its retry, its dependency timeout or the next look at its condition
        self.start_at: Optional[float] = None  # monotonic; its process is held until then
        # Of two runs that wait for the same, the one that was due first starts first.
        self.order = (run.created_time if run.due is None else float(run.due), state.next_order())
        self.locks: tuple[str, ...] = ()  # that its process holds
        self.condition_met = policy.condition_met(run)  # or it needs none; only of a task with a condition
        self.asking = False  # the process of its condition runs or is about to
        self.ask_until = policy.asked_until(run)
        self._state = state
        self._before_attempt = run

    def to(
        self, status: Status, now: Instant, reason: Optional[str] = None, detail: Optional[Text] = None, **changes: Any
    ) -> None:
        """Change the status, and mark the run as unsaved. Raises IllegalTransition."""
        self.run = lifecycle.advance(self.run, status, now, reason, detail, **changes)
        self._state.mark(self)

    def begin_attempt(self, now: Instant) -> None:
        """Its process is about to start, and holds the locks of its task from now on."""
        self._before_attempt = self.run
        self.locks = self.task_state.task.task_locks
        self.run = lifecycle.begin_attempt(self.run, now)
        self._state.mark(self)

    def ask(self, until: Instant) -> None:
        """The process of its condition is about to start. until: when it is asked for the last time."""
        self.asking = True
        self.ask_until = until

    def asked(self, met: bool = False) -> None:
        """That process has ended, or will not be started."""
        self.asking = False
        self.condition_met = self.condition_met or met

    def fail_condition(self, now: Instant, outcome: Outcome, result: ProcessResult) -> None:
        """The condition has failed, which counts as an attempt; `to` must follow."""
        self.run = lifecycle.begin_attempt(self.run, now)
        self.close_attempt(outcome, result._replace(log=None))  # its lines are not those of the attempt

    def keep_tail(self, tail: bytes) -> None:
        """What its condition printed, for the row of its end."""
        self.tail = tail

    def hold_until(self, start_at: float) -> None:
        """The attempt was decided before its due time."""
        self.start_at = start_at

    def undo_attempt(self) -> None:
        """The attempt was neither written nor started: as if it had not begun."""
        self.run = self._before_attempt
        self.locks = ()

    def process_started(self, message: RunStarted) -> None:
        self.run = lifecycle.change_attempt(
            self.run, process=message.process, start_time=message.start_time, log=message.log
        )
        self._state.mark(self, durable=False)

    def close_attempt(self, outcome: Outcome, result: ProcessResult) -> None:
        """The attempt has ended; `to` must follow."""
        self.tail = result.tail
        self.run = lifecycle.close_attempt(self.run, outcome, result)

    def drop_attempt(self, now: Instant, reason: Reason, detail: Text) -> None:
        """The attempt is written but its process will not be started; `to` must follow."""
        self.run = lifecycle.change_attempt(
            self.run, status=Status.CANCELLED, reason=reason.value, detail=detail, end_time=now
        )

    def cancel(self, reason: Reason) -> None:
        """Remember why its process is stopped; the first reason counts."""
        self.cancelled_for = self.cancelled_for or reason

    def allow_no_retry(self) -> None:
        """Its task was removed: the run ends with its current attempt."""
        self.run = self.run._replace(max_attempts=self.run.attempt)

    def set_timer(self, timer: Optional[Timer]) -> None:
        self.timer = timer


class KnownRecord(NamedTuple):
    """What the engine keeps of a task's `TaskRecord`: not the id, so that many tasks share one."""

    schedule_hash: str = ""
    evaluated_until: Instant = 0
    boot_id: str = ""
    last_status: Optional[Status] = None
    last_success_time: Optional[Instant] = None

    @classmethod
    def of(cls, stored: TaskRecord) -> KnownRecord:
        known = shared(stored.schedule_hash), *stored[2:4]
        record = cls(*known, stored.last_status, stored.last_success_time)
        return record if stored.run_count else shared(record)


NEW = KnownRecord()


# One object for equal texts and records: most tasks that have not run yet have one of a few.
shared: Callable[[T], T] = lru_cache(maxsize=512)(lambda value: value)


class TaskState:
    """A task, its active runs and its next due time."""

    __slots__ = (
        "active",
        "ahead",
        "event",
        "index",
        "known_until",
        "next_due",
        "record",
        "results_known",
        "schedules",
        "task",
        "zone",
    )

    def __init__(self, task: Task, record: Optional[KnownRecord]) -> None:
        """record: what the database knows; None: it was not asked."""
        self.task = task
        self.record = record or NEW
        self.results_known = record is not None  # the last status and the last success of `record` are up to date
        # Due times after `evaluated_until` that have a row, because the clock was set back; None: not known yet.
        self.ahead: Optional[Collection[int]] = None
        self.index = 0  # position in the config: of two tasks due at the same time, the first one starts first
        self.schedules: Sequence[Schedule] = ()
        self.zone: tzinfo = timezone.utc
        self.active: tuple[ActiveRun, ...] = ()  # its runs that have not ended, oldest first
        self.known_until: Instant = 0  # `evaluated_until` before the clock fell back to long ago
        self.next_due: Optional[int] = None
        self.event: Optional[Timer] = None  # the timer of `next_due`

    def configure(self, task: Task, index: int, schedules: Sequence[Schedule], zone: tzinfo) -> None:
        self.task = task
        self.index = index
        self.schedules = schedules
        self.zone = zone

    def add(self, active: ActiveRun) -> None:
        self.active = (*self.active, active)

    def remove(self, active: ActiveRun) -> None:
        self.active = tuple(one for one in self.active if one is not active)

    def set_due(self, due: Optional[int], event: Optional[Timer] = None) -> None:
        self.next_due = due
        self.event = event

    def set_record(self, record: KnownRecord) -> None:
        """Without writing it; see `State.save_record`."""
        self.record = record

    def set_results(self, status: Optional[Status], success_time: Optional[Instant]) -> None:
        """The status of its latest finished run, and when the latest successful one ended."""
        self.record = self.record._replace(last_status=status, last_success_time=success_time)
        self.results_known = True

    def run_ended(self, run: TaskExecution) -> None:
        """One of its runs has ended, and this is in the database."""
        if self.results_known:
            success_time = run.end_time if run.status is Status.SUCCESS else self.record.last_success_time
            self.set_results(run.status, success_time)

    def forget_results(self) -> None:
        """Another process has written: its results are read again when they are needed."""
        self.results_known = False

    def set_ahead(self, due_times: Optional[Collection[int]]) -> None:
        self.ahead = due_times

    def keep_known(self) -> None:
        """The clock shows long ago: remember what was evaluated by the right time."""
        self.known_until = max(self.known_until, self.record.evaluated_until)

    def first(self, status: Status, reason: Optional[str] = None) -> Optional[ActiveRun]:
        """Its oldest active run in this status."""
        for active in self.active:
            if active.run.status is status and reason in (None, active.run.reason):
                return active
        return None


class State:
    """What the engine knows. `runs` holds active runs by id, from their first commit to their last."""

    def __init__(self, config: Config, outside: Outside) -> None:
        self.config = config  # in force
        self.problems = Problems(outside.clock, outside.log)
        self.tasks: dict[str, TaskState] = {}
        self.dependents: policy.Dependents = {}  # for each task those that depend on it
        self.ends: dict[str, Ends] = {}  # of each task that a dependency with `within` is about
        self.runs: dict[int, ActiveRun] = {}
        self.running: set[ActiveRun] = set()  # with a process, or about to get one
        self.starting: list[ActiveRun] = []  # their process is started once their row is on disk
        self.external: dict[str, dict[int, TaskExecution]] = {}  # unfinished runs of `exec`, by task and id
        self.tokens: set[Token] = set()
        self.accepting = True  # False: due times wait, because nothing can be written or the engine stops
        self.stopping = False  # nothing new starts
        self.stop_requests = 0
        self.changed: set[str] = set()  # tasks that the snapshot does not show in their current state
        self.tasks_version = 0  # grows when a task comes or goes, or when their order changes
        self.urgent = False  # unsaved values must be on disk before anything follows from them
        self.durable = False  # and must survive a power cut: what a start could not find out again
        self._orders = 0
        self._unsaved: dict[PendingRun, None] = {}  # a set in the order of the changes
        self._records: dict[str, KnownRecord] = {}
        self._tokens_put: set[Token] = set()
        self._tokens_taken: set[Token] = set()
        self._deliveries: dict[int, Delivery] = {}
        # Of tasks with `task_expect`: (kind, key) -> time, as in `Expectation`; and what of it is not written yet.
        self.expectations: dict[str, dict[tuple[str, str], Instant]] = {}
        self._expected: dict[tuple[str, str, str], Instant] = {}
        self._not_expected: set[tuple[str, str, str]] = set()
        self.notices: list[Notice] = []  # whose messages are not composed yet
        self._changes: list[ConfigChange] = []
        self._uptimes: list[Uptime] = []  # not written yet; the last one is that of this engine
        self.uptime = Uptime(0.0, 0.0)

    # ------------------------------------------------------------------------------------------------------- switches

    def use(self, config: Config) -> None:
        """Use another config. Its tasks are added, configured and removed one by one, and `order_tasks` comes last."""
        self.config = config
        self.dependents = policy.dependents_of(config.tasks)
        asked = [name for name, several in self.dependents.items() if any(one.within is not None for _, one in several)]
        self.ends = {name: self.ends.get(name, Ends()) for name in asked}

    def add_task(self, task_state: TaskState) -> None:
        self.tasks[task_state.task.task_id] = task_state
        self.tasks_version += 1

    def remove_task(self, task_id: str) -> None:
        del self.tasks[task_id]
        self.changed.add(task_id)  # it may come back before this is published
        self.tasks_version += 1

    def order_tasks(self) -> None:
        """Put the tasks in the order of the config."""
        if list(self.tasks) != list(self.config.tasks):
            self.tasks = {task_id: self.tasks[task_id] for task_id in self.config.tasks}
            self.tasks_version += 1

    def accept(self, accepting: bool) -> None:
        """Evaluate due times, unless the engine stops; or let them wait."""
        self.accepting = accepting and not self.stopping

    def stop(self) -> None:
        self.stop_requests += 1
        self.stopping = True
        self.accepting = False

    def require_commit(self) -> None:
        """The coming commit must not be put off."""
        self.urgent = True

    def set_external(self, runs: dict[str, dict[int, TaskExecution]]) -> None:
        self.external = runs

    def take_changed(self) -> set[str]:
        changed, self.changed = self.changed, set()
        return changed

    def take_starting(self) -> list[ActiveRun]:
        starting, self.starting = self.starting, []
        return starting

    # ---------------------------------------------------------------------------------------------------------- slots

    def own_slots_in_use(self, task_state: TaskState) -> int:
        """How many of the task's `task_max_instances` runs of this engine hold."""
        return sum(policy.holds_slot(active.run) for active in task_state.active)

    def slots_in_use(self, task_state: TaskState) -> int:
        """The same with the runs of `exec`."""
        return self.own_slots_in_use(task_state) + len(self.external.get(task_state.task.task_id, ()))

    def over_limit(self, task_state: TaskState) -> bool:
        """More slots are in use than the task has: an `exec` began beside the engine, or their number was lowered."""
        return self.slots_in_use(task_state) > task_state.task.task_max_instances

    @property
    def has_free_process(self) -> bool:
        """One more process may run, by `max_running`."""
        return len(self.running) < self.config.settings.max_running and not self.stopping

    # ------------------------------------------------------------------------------------------------- unsaved values

    def add(self, active: ActiveRun) -> None:
        active.task_state.add(active)

    def next_order(self) -> int:
        """A number for each run, in the order in which they are made."""
        self._orders += 1
        return self._orders

    def mark(self, pending: PendingRun, durable: bool = True) -> None:
        """It is to be written by the next commit. durable: at once, and to survive a power cut."""
        self.changed.add(pending.run.task_id)
        self._unsaved[pending] = None
        self.urgent |= durable
        self.durable |= durable

    def save_row(self, run: TaskExecution) -> None:
        """Write a run that has ended and that no process belonged to."""
        self.mark(PendingRun(run))

    def discard(self, active: ActiveRun) -> None:
        """Forget a run whose row could not be written, or was taken back."""
        self._unsaved.pop(active, None)
        self.runs.pop(active.run.run_id, None)
        self.running.discard(active)
        self.starting = [other for other in self.starting if other is not active]
        active.task_state.remove(active)

    def discard_due_time(self, task_id: str, due: int) -> Optional[ActiveRun]:
        """Forget the unsaved run of a due time for which another process has written the row. Returns an active one."""
        for pending in self._unsaved:
            if not pending.run.run_id and (pending.run.task_id, pending.run.due) == (task_id, due):
                if isinstance(pending, ActiveRun):
                    self.discard(pending)
                    return pending
                del self._unsaved[pending]
                return None
        return None

    def unsaved_ids(self) -> set[int]:
        """Of runs that have a row, but an older one."""
        return {pending.run.run_id for pending in self._unsaved}

    def discard_ended_after(self, task_id: str, now: Instant) -> int:
        """Forget unsaved ends of runs without a process whose due time is after `now`. Returns how many had no row."""
        ahead = [
            one
            for one in self._unsaved
            if one.run.task_id == task_id and (one.run.due or 0) > now and not one.run.attempts
        ]
        for pending in ahead:
            del self._unsaved[pending]
        return sum(not pending.run.run_id for pending in ahead)

    def unsaved_due_times(self) -> list[tuple[str, int]]:
        """(task_id, due time) of the runs that have no row yet."""
        fresh = [pending.run for pending in self._unsaved if not pending.run.run_id]
        return [(run.task_id, run.due) for run in fresh if run.due is not None]

    def save_record(self, task_id: str, record: KnownRecord) -> None:
        if task_id in self.tasks:
            self.tasks[task_id].set_record(record)
        self._records[task_id] = record
        self.urgent = True

    def save_delivery(self, delivery: Delivery) -> None:
        self._deliveries[delivery.delivery_id] = delivery
        self.urgent = self.durable = True

    def record_end(self, run: TaskExecution) -> None:
        """A run has ended: for dependencies with `within`."""
        if run.task_id in self.ends and run.status is Status.SUCCESS:
            self.ends[run.task_id] = self.ends[run.task_id]._replace(success=run.end_time)
        elif run.task_id in self.ends and run.status in FAILURES:
            self.ends[run.task_id] = self.ends[run.task_id]._replace(failure=run.end_time)

    def set_ends(self, stored: Mapping[str, Ends]) -> list[str]:
        """Take over what the database says of those in `ends`, below what is not written yet. Returns the tasks for
        which that differs."""
        before, self.ends = self.ends, {name: stored.get(name, Ends()) for name in self.ends}
        for pending in self._unsaved:
            self.record_end(pending.run)
        return [name for name, found in self.ends.items() if found != before[name]]

    def put_token(self, token: Token) -> None:
        self.tokens.add(token)
        self._tokens_put.add(token)
        self._tokens_taken.discard(token)
        self.urgent = self.durable = True

    def take_tokens(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            self.tokens.discard(token)
            self._tokens_put.discard(token)
            self._tokens_taken.add(token)
        self.urgent = self.durable = True

    def expected(self, task_id: str, kind: str) -> dict[str, Instant]:
        """key -> time of what was found about the task; see `Expectation`."""
        return {key: time for (one, key), time in self.expectations.get(task_id, {}).items() if one == kind}

    def load_expectations(self, found: Sequence[Expectation]) -> None:
        for one in found:
            self.expectations.setdefault(one.task_id, {})[one.kind, one.key] = one.time

    def put_expectation(self, one: Expectation) -> None:
        self.expectations.setdefault(one.task_id, {})[one.kind, one.key] = one.time
        self._expected[one[:3]] = one.time
        self._not_expected.discard(one[:3])
        self.changed.add(one.task_id)
        self.urgent = True

    def drop_expectations(self, task_id: str, *kinds: str, key: Optional[str] = None) -> None:
        """Those of these kinds, or the one with this key."""
        known = self.expectations.get(task_id, {})
        for kind, found in [one for one in known if one[0] in kinds and key in (None, one[1])]:
            del known[kind, found]
            self._expected.pop((task_id, kind, found), None)
            self._not_expected.add((task_id, kind, found))
            self.changed.add(task_id)
            self.urgent = True
        if not known:
            self.expectations.pop(task_id, None)

    def save_notice(self, notice: Notice) -> None:
        """Compose its messages in the coming commit."""
        self.notices.append(notice)
        self.urgent = self.durable = True

    def merge_tokens(self, stored: set[Token]) -> set[Token]:
        """Take over the tokens of the database, below those that are not written yet. Returns the new ones."""
        merged = (stored | self._tokens_put) - self._tokens_taken
        new = merged - self.tokens
        self.tokens = merged
        return new

    def save_change(self, change: ConfigChange) -> None:
        self._changes.append(change)
        self.urgent = True

    def began(self, now: Instant) -> None:
        """The engine runs from now on."""
        self.uptime = Uptime(now, now)
        self._uptimes.append(self.uptime)
        self.urgent = self.durable = True

    def slept(self, since: Instant, until: Instant) -> None:
        """It did not run in this time: the machine slept, or its clock was set forward."""
        since = max(since, self.uptime.start_time)
        ended = self.uptime._replace(seen_time=since, end_time=since, ending="asleep")
        self._uptimes = [*(one for one in self._uptimes if one.start_time != ended.start_time), ended]
        self.began(until)

    def seen(self, now: Instant) -> None:
        """It still runs. Not marked as unsaved: the caller writes it."""
        self.uptime = self.uptime._replace(seen_time=max(now, self.uptime.seen_time))

    @property
    def clean(self) -> bool:
        """Everything is on disk."""
        return not (
            self._unsaved
            or self._records
            or self._tokens_put
            or self._tokens_taken
            or self._deliveries
            or self._changes
            or self._uptimes
            or self._expected
            or self._not_expected
            or self.notices
        )

    def unsaved(self) -> Batch:
        """All that is to be written. Runs are in the order of their first change since the last commit."""
        pending = self._unsaved
        return Batch(
            runs=[one.run for one in pending],
            # Each is made when it is written: after the first start there are ten thousand.
            records=(TaskRecord(name, *record[:3]) for name, record in self._records.items()) if self._records else (),
            tokens_put=sorted(self._tokens_put),
            tokens_taken=sorted(self._tokens_taken),
            tails={one.run.run_id: one.tail for one in pending if one.tail is not None},
            expected=[Expectation(*key, time) for key, time in self._expected.items()],
            not_expected=sorted(self._not_expected),
            deliveries=list(self._deliveries.values()),
            changes=self._changes,
            uptimes=self._uptimes,
            durable=self.durable,
        )

    def saved(self, run_ids: Sequence[int]) -> list[TaskExecution]:
        """The batch is on disk, its runs have these ids. Returns the runs whose status the engine's log lacks."""
        pending, self._unsaved = self._unsaved, {}
        self._records, self._tokens_put, self._tokens_taken, self._deliveries = {}, set(), set(), {}
        self._changes, self._uptimes = [], []
        self._expected, self._not_expected, self.notices = {}, set(), []
        self.urgent = self.durable = False
        to_log = []
        for one, run_id in zip(pending, run_ids):
            if one.written(run_id):
                to_log.append(one.run)
            if one.run.status.ended:
                self.runs.pop(run_id, None)
                if one.run.task_id in self.tasks:
                    self.tasks[one.run.task_id].run_ended(one.run)
            elif isinstance(one, ActiveRun):
                self.runs[run_id] = one
        return to_log

    def mark_all(self) -> None:
        """The database is another one: write everything."""
        for task_id, task_state in self.tasks.items():
            self.save_record(task_id, task_state.record)
        self.changed.update(self.tasks)
        for active in self.runs.values():
            self.mark(active)
        self._tokens_put |= self.tokens
        for task_id, known in self.expectations.items():
            self._expected.update({(task_id, *key): time for key, time in known.items()})
        self._uptimes = self._uptimes or [self.uptime]


class Problems:
    """What is wrong now, by key, for the log, the page, the metrics and `status`. `current` is replaced, never
    changed."""

    def __init__(self, clock: Clock, log: logging.Logger) -> None:
        self.current: dict[str, EngineProblem] = {}
        self._clock = clock
        self._log = log
        self._logged: set[str] = set()

    def report(self, key: ProblemKey, problem: Optional[Text], level: int = logging.ERROR) -> None:
        """`problem` is wrong from now on, or None: nothing about `key` is wrong. Costs nothing if that is known.

        A new or changed text is logged once, with this level, and its end once. NOTSET: neither is logged.
        """
        known = self.current.get(key)
        if problem is None:
            if known is not None:
                self.current = {other: one for other, one in self.current.items() if other != key}
                if key in self._logged:
                    self._logged.discard(key)
                    seconds = round(self._clock.wall() - known.since)
                    self._log.warning(Text("log.resolved", seconds=seconds, key=key, problem=known.text))
        elif known is None or known.text != problem:
            since = self._clock.wall() if known is None else known.since
            self.current = {**self.current, key: EngineProblem(problem, since)}
            if level:
                self._logged.add(key)
                self._log.log(level, Text("log.problem", key=key, problem=problem))
