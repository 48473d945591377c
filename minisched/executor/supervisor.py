"""All processes of an executor in one loop: spawn, capture, deadlines, kill, reap.

One thread calls `Supervisor.turn` again and again. It alone uses the processes, pipes and logs, so that none of them
needs a lock; other threads and signal handlers only leave orders. A thread for each run would cost more than twice the
CPU: at each system call the threads take the interpreter lock from each other.

A turn waits for the first of: an order, output, an exit, the nearest deadline. Then it reads one block from each pipe
that has some, spawns what is due, attends to the runs that something happened to, and posts the messages. Only the
writing of a block to a log may take long, on a slow disk; orders and deadlines are handled between two blocks, so that
a kill is late by one block at most.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import os
import resource
import select
import selectors
import sys
import threading
import time
from collections import OrderedDict, deque

from minisched.executor.process import BLOCK, WAIT_MAX_S, Account, Process, SpawnError, look_up, prepare_thread
from minisched.executor.procfs import POLL_S, ProcessTable
from minisched.executor.run import Run, end_text
from minisched.model import Message, ProcessResult, ProcessSpec, RunFinished, Text
from minisched.model.text import plural
from minisched.threads import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    from minisched.executor.run import Echo

EXACT_S = 0.001  # epoll counts whole milliseconds: the last one before a start at an instant is waited by select(2)
SELECT_MAX_FD = 1024  # FD_SETSIZE: select(2) takes no descriptor from there on
FDS_RESERVED = 64  # not used up by spawning: history, connections, logs of other runs
FDS_TO_COME = 2  # that a spawned process may still need: its log and its pidfd
FDS_RETRY_S = 0.2  # between two tries to spawn a run while no descriptor is left and no run ends
USER_WAIT_S = 30  # for the account of a `task_user`, which a server may have
USER_KEPT_S = 60.0  # how long an account is used without another question
LOOP_ERROR_WAIT_S = 1.0  # after a bug in the loop itself, which might come again at once
HEAP_SLACK = 64  # out-of-date entries that the heap of deadlines may hold beside four for each run


class Supervisor:
    """Runs attempts. `start`, `cancel` and `live` may be called by any thread and by a signal handler, all else by the
    thread that calls `turn`. `post` gets RunStarted and RunFinished; `logs` is a `tasklog.TaskLogs`; `wall` is the
    clock of start and end times. Raises OSError if there is no descriptor left for the loop.
    """

    def __init__(self, post: Callable[[Message], object], logs: Any, wall: Callable[[], float]) -> None:
        self._post = post
        self._logs = logs
        self._wall = wall
        self._runs: dict[int, Run] = {}  # by run id
        self._orders: deque[tuple[Any, ...]] = deque()  # (method, arguments...)
        self._ready: OrderedDict[Run, None] = OrderedDict()  # to be spawned now
        self._refused: dict[Run, None] = {}  # to be ended without a process
        self._accounts: dict[str, tuple[float, Account]] = {}  # by user, with the monotonic time until which they hold
        self._waiting: dict[str, list[Run]] = {}  # by user, whose account the system is asked for
        self._has_thread = False  # of its own, in which nothing may take long
        self._starved = False  # the first of `_ready` waits for descriptors
        self._warned = False  # that they are short, since `_ready` was empty last
        self._spawned: set[Run] = set()  # hold descriptors
        self._unlogged: set[Run] = set()  # of these the ones without a line in the log, whose file may not be open yet
        self._unwatched: set[Run] = set()  # of these the ones without a pidfd
        self._heap: list[tuple[float, int, Run]] = []  # deadlines; an entry is valid while `armed` is its time
        self._count = itertools.count()  # keeps the order of equal deadlines
        self._settled: list[tuple[Run, set[int]]] = []  # reaped after a kill, and who is left of the group
        self._messages: list[Message] = []
        self._stopped = False
        self._awake = False  # a byte is on its way, further orders need none
        # Held while the pipe is written to or closed: its number may soon be another file's. Reentrant, because a
        # signal handler may interrupt the thread that holds it.
        self._pipe_lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        try:
            self._wake_fd, self._wake_end = os.pipe()
        except OSError:
            self._selector.close()
            raise
        os.set_blocking(self._wake_end, False)
        self._selector.register(self._wake_fd, selectors.EVENT_READ)

    def start(self, spec: ProcessSpec, at: Optional[float] = None, echo: Optional[Echo] = None) -> None:
        """Run an attempt, at the monotonic time `at` or now. `echo` gets (stream, block) as they were read."""
        run = self._runs[spec.run_id] = Run(spec, at, echo, self._selector, self._wall)
        self.order(self._hold, run)

    def cancel(self, run_id: int, grace_s: Optional[float] = None) -> None:
        """As `Executor.cancel`."""
        run = self._runs.get(run_id)
        if run:
            self.order(self._cancel, run, time.monotonic() + (run.spec.kill_grace_s if grace_s is None else grace_s))

    def live(self) -> tuple[int, ...]:
        """The ids of the runs that have not ended."""
        return tuple(self._runs)

    def order(self, method: Callable[..., object], *arguments: Any) -> None:
        """Let the supervisor's thread call a method soon."""
        self._orders.append((method, *arguments))
        with self._pipe_lock:
            if not self._awake:
                self._awake = True
                os.write(self._wake_end, b"!")

    def stop(self) -> None:
        """Let `run_forever` return."""
        self._stopped = True

    def close(self) -> None:
        """End what still runs, by KILL, and close all descriptors."""
        for run in tuple(self._runs.values()):
            self._discard(run)
        self._selector.close()
        with self._pipe_lock:
            self._awake = True  # for orders that come too late
            os.close(self._wake_fd)
            os.close(self._wake_end)

    # ------------------------------------------------------------------------------------------------------- the loop

    def run_forever(self) -> None:
        """Turn until an order calls `stop`, then close."""
        self._has_thread = True
        prepare_thread()
        while not self._stopped:
            try:
                self.turn()
            except Exception as error:  # a bug in here: no run must wait for ever for what it forgot
                logging.getLogger("minisched").exception("the loop of the processes: internal error")
                for run in tuple(self._runs.values()):
                    self._abandon(run, error)
                self._send()
                time.sleep(LOOP_ERROR_WAIT_S)
        self.close()

    def turn(self) -> None:
        """Wait until something happens or is due, then handle all of it."""
        changed: dict[Run, None] = {}  # as an ordered set: several events of a run are one look at it
        for key, _ in self._wait():
            if key.data is None:
                os.read(key.fd, BLOCK)
                self._awake = False  # before the orders are taken: one that comes later sends a byte of its own
            else:
                if self._guarded(key.data, key.data.receive, key.fd):
                    changed[key.data] = None
            if self._orders or (self._heap and self._heap[0][0] <= time.monotonic()):
                self._handle_due()  # the disk may have taken long for the block
        self._handle_due()
        for run in changed:
            self._guarded(run, self._attend, run)
        if self._settled:
            self._count_marked()
        self._send()

    def _wait(self) -> list[tuple[selectors.SelectorKey, int]]:
        heap = self._heap
        while heap and heap[0][2].armed != heap[0][0]:
            heapq.heappop(heap)
        if self._orders or (self._ready and not self._starved):
            return self._selector.select(0)
        if not heap:
            return self._selector.select()
        at, _, run = heap[0]
        wait_s = min(max(0.0, at - time.monotonic()), WAIT_MAX_S)
        if run.process is not None or wait_s > EXACT_S:
            # A held start is waited for in two parts: `select` rounds up to a millisecond.
            return self._selector.select(wait_s - EXACT_S if run.process is None else wait_s)
        fd = self._selector.fileno() if hasattr(self._selector, "fileno") else SELECT_MAX_FD
        select.select([fd] if fd < SELECT_MAX_FD else [], [], [], wait_s)
        return self._selector.select(0)

    def _handle_due(self) -> None:
        """Carry out the orders, attend to the runs with a deadline that has come, and spawn the ones that are due."""
        for _ in range(len(self._orders)):  # not those that come meanwhile: they might never end
            method, *arguments = self._orders.popleft()
            method(*arguments)
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            at, _, run = heapq.heappop(self._heap)
            if run.armed == at:
                run.disarm()
                if run.process is None:
                    if not run.prepared:
                        run.refuse(Text("user_no_answer", user=run.spec.user, seconds=USER_WAIT_S))
                    self._starved = False
                    self._make_ready(run)
                else:
                    self._guarded(run, self._attend, run)
        self._spawn_ready()

    def _arm(self, run: Run, at: float) -> None:
        """Attend to the run at `at`. An earlier entry stays: it only causes one look too many."""
        if run.arm(at):
            heapq.heappush(self._heap, (at, next(self._count), run))
            self._shrink_heap()

    def _shrink_heap(self) -> None:
        """Drop the entries that are out of date, once they are many: most lie hours ahead, as timeouts do."""
        if len(self._heap) > HEAP_SLACK + 4 * len(self._runs):
            self._heap = [entry for entry in self._heap if entry[2].armed == entry[0]]
            heapq.heapify(self._heap)

    def _guarded(self, run: Run, method: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method for a run that has not ended. A bug in it ends this run alone."""
        if self._runs.get(run.spec.run_id) is run:
            try:
                return method(*arguments)
            except Exception as error:
                self._abandon(run, error)
        return None

    def _send(self) -> None:
        messages, self._messages = self._messages, []
        for message in messages:
            self._post(message)

    # --------------------------------------------------------------------------------------------------------- orders

    def _hold(self, run: Run) -> None:
        """Make ready what can be, and let the run wait for its instant."""
        self._guarded(run, run.open_log, self._logs)
        user = run.spec.user
        kept_until, account = self._accounts.get(user or "", (0.0, None))
        if user is None or run.refusal:
            self._prepare(run, None)
        elif time.monotonic() < kept_until:
            self._prepare(run, account)
        else:
            self._await_account(run, user)

    def _await_account(self, run: Run, user: str) -> None:
        """Ask the system about the user in another thread, because all runs would wait while it asks a server."""
        waiting = self._waiting.setdefault(user, [])
        waiting.append(run)
        self._arm(run, time.monotonic() + USER_WAIT_S)
        if len(waiting) > 1:
            return
        if not self._has_thread:
            self._look_up(user)
            return
        try:
            start_thread(self._look_up, "user", user)
        except OSError as error:
            self._resolve(user, None, Text("no_thread", reason=error.strerror))

    def _look_up(self, user: str) -> None:
        try:
            account, why = look_up(user), None
        except SpawnError as error:
            account, why = None, error.text
        self.order(self._resolve, user, account, why)

    def _resolve(self, user: str, account: Optional[Account], why: Optional[Text]) -> None:
        """The system has answered."""
        if account:
            self._accounts[user] = (time.monotonic() + USER_KEPT_S, account)
        for run in self._waiting.pop(user, ()):
            if self._runs.get(run.spec.run_id) is run and run.refusal is None:
                if why:
                    run.refuse(why)
                self._prepare(run, account)

    def _prepare(self, run: Run, account: Optional[Account]) -> None:
        self._guarded(run, run.prepare, account)
        if run.at is None:
            self._make_ready(run)
        else:
            self._arm(run, run.at)

    def _make_ready(self, run: Run) -> None:
        if run.refusal is None:
            self._ready[run] = None
        else:
            self._ready.pop(run, None)
            self._refused[run] = None

    def _cancel(self, run: Run, kill_at: float) -> None:
        """Let this turn end the run. Many of these may come at once: this one is cheap."""
        run.cancel(kill_at)
        self._arm(run, -math.inf)

    # ----------------------------------------------------------------------------------------------------- the process

    def _spawn_ready(self) -> None:
        """Spawn what is due: all of it before the first line is written to a log. Where descriptors lack, the first run
        and all behind it wait until another run ends."""
        refused, self._refused = self._refused, {}
        spawned = []
        limit = self._fd_limit() if self._ready else 0
        while self._ready and not self._starved:
            run, _ = self._ready.popitem(last=False)
            # Without any other process none can free a descriptor by its end.
            allowed = limit if self._spawned or Process.unreaped else math.inf
            if self._guarded(run, run.spawn, allowed) is False:
                self._ready[run] = None
                self._ready.move_to_end(run, last=False)
                self._starved = True
                self._arm(run, time.monotonic() + FDS_RETRY_S)  # others than runs may free some
                if not self._warned:
                    logging.getLogger("minisched").warning(
                        f"too many open files: {plural(len(self._ready), 'run waits', 'runs wait')} for others to end"
                    )
                self._warned = True
            elif run.process:
                self._spawned.add(run)
                self._unlogged.add(run)
                self._unwatched.add(run)
                spawned.append(run)
                limit -= FDS_TO_COME
            else:
                refused[run] = None
        self._warned = self._warned and bool(self._ready)
        for run in spawned:
            due = self._guarded(run, run.begin)
            if due is not None:
                self._arm(run, due)
        for run in refused:
            self._guarded(run, self._finish, run, set())

    def _fd_limit(self) -> int:
        """For the pipes of the next process; see `Run.spawn`. Its own pidfd and log need no more descriptors than the
        spawn itself."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        limit = sys.maxsize if limit == resource.RLIM_INFINITY else limit
        return limit - FDS_RESERVED - len(self._unlogged) - len(self._unwatched)

    def _attend(self, run: Run) -> None:
        """Do what is due for a run with a process, and set its next deadline."""
        now = time.monotonic()
        until = None if run.settle_until else run.attend(now)
        if run.log.position is not None:
            self._unlogged.discard(run)
        assert run.process
        if run.process.pidfd >= 0:
            self._unwatched.discard(run)
        if until is not None:
            started = run.report(now)
            if started:
                self._messages.append(started)
            self._arm(run, run.due(until))
            return
        # What is left of the group gets a moment to be gone. After a normal end the rest lives on: a task may start
        # daemons, as under cron. After a kill all that carry the run's mark count.
        left = run.process.members_left()
        if left and now < run.settle_until:
            self._arm(run, now + POLL_S)
        elif not run.process.stopping:
            self._finish(run, left)
        else:
            self._settled.append((run, left))

    def _count_marked(self) -> None:
        """End the runs that were killed, after one look at the environments of all processes for all of these runs."""
        settled, self._settled = self._settled, []
        table = ProcessTable()
        for run, left in settled:
            env = run.spec.env
            if "MINISCHED_RUN_ID" in env and "MINISCHED_HOME" in env:
                left = left | table.marked(run.spec.run_id, env["MINISCHED_HOME"])
            self._guarded(run, self._finish, run, left - {os.getpid()})

    # --------------------------------------------------------------------------------------------------------- the end

    def _finish(self, run: Run, left: set[int]) -> None:
        result, log = run.result(left), run.log
        log.marker("end", end_text(result))
        self._discard(run)
        result = result._replace(log_error=log.lost, log=log.position, tail=log.tail)
        self._messages.append(RunFinished(run.spec.run_id, run.spec.attempt, result))

    def _abandon(self, run: Run, error: Exception) -> None:
        """End a run that met a bug."""
        spec = run.spec
        logging.getLogger("minisched").error(
            f"run {spec.run_id} of {spec.task_id}: internal error", exc_info=(type(error), error, error.__traceback__)
        )
        try:
            self._discard(run)
        except Exception:  # by the same bug
            pass
        result = ProcessResult(self._wall(), 0.0, spawn_error=Text("internal_error", error=repr(error)))
        self._messages.append(RunFinished(spec.run_id, spec.attempt, result))

    def _discard(self, run: Run) -> None:
        """Release what a run holds; a process that still lives is killed."""
        self._runs.pop(run.spec.run_id, None)
        self._ready.pop(run, None)
        run.release()
        self._spawned.discard(run)
        self._unlogged.discard(run)
        self._unwatched.discard(run)
        self._starved = False
        self._shrink_heap()
