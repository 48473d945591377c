"""All processes of an executor in one loop: spawn, capture, deadlines, kill, reap.

One thread calls `Supervisor.turn` again and again. It alone uses the processes, pipes and logs, so that none of them
needs a lock; other threads and signal handlers only leave orders. A thread for each run would cost more than twice the
CPU: at each system call the threads take the interpreter lock from each other.

A turn waits for the first of: an order, output, an exit, the nearest deadline. Then it reads one block from each pipe
that has some, spawns what is due, attends to the runs that something happened to, and posts the messages. Only the
writing of a block to a log may be held up, by a slow disk; orders and deadlines are looked at between two blocks, so
that a kill is late by one block at most.
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
import signal
import threading
import time
from collections import deque
from typing import Any, Callable, Optional

from minisched.catalogue import detail_text
from minisched.executor.process import (
    BLOCK,
    WAIT_MAX_S,
    Process,
    SpawnError,
    command_of,
    command_text,
    explain,
    explain_end,
    prepare,
    spawn,
)
from minisched.executor.procfs import POLL_S, ProcessTable, process_identity
from minisched.model import (
    Message,
    ProcessIdentity,
    ProcessResult,
    ProcessSpec,
    RunFinished,
    RunStarted,
    Text,
)
from minisched.model.text import plural

REPORT_S = 0.04  # a run that ends sooner posts no RunStarted: one message and one commit less for a short run
SETTLE_S = 0.5  # killed processes need a moment to be gone before the ones left are counted
EXACT_S = 0.001  # epoll counts whole milliseconds: the last one before a start at an instant is waited by select(2)
SELECT_MAX_FD = 1024  # FD_SETSIZE: select(2) takes no descriptor from there on
FDS_PER_RUN = 4  # two pipes, the pidfd, the log
FDS_RESERVED = 64  # not used up by spawning: history, connections, the pipes of a spawn
LOOP_ERROR_WAIT_S = 1.0  # after a bug in the loop itself, which might come again at once
HEAP_SLACK = 64  # out-of-date entries that the heap of deadlines may hold beside four for each run

Echo = Callable[[str, bytes], None]


class Run:
    """An attempt from its order to its end. Only the supervisor's thread changes it."""

    def __init__(self, spec: ProcessSpec, at: Optional[float], echo: Optional[Echo]) -> None:
        self.spec = spec
        self.at = at  # monotonic; the process is spawned then, None: now
        self.echo = echo
        self.log: Any = None  # where its output goes: a `tasklog.RunLog`, of which nothing raises
        self.arguments: dict[str, Any] = {}  # of `spawn`
        self.refused: Optional[Text] = None  # why no process can be spawned
        self.ready = False  # to be spawned now
        self.process: Optional[Process] = None
        self.pipes: dict[int, str] = {}  # descriptor -> "out" or "err"; those not at their end yet
        self.watched: set[int] = set()  # descriptors in the selector: pipes and pidfd
        self.start_time = self.end_time = 0.0  # by the wall clock
        self.started_at = 0.0  # monotonic
        self.report_at = math.inf  # when RunStarted is to be posted
        self.settle_until = 0.0  # monotonic; the process is reaped, what it left behind is counted until then
        self.status: Optional[int] = None  # as `Process.reap` gave it
        self.cancel_by = math.inf  # monotonic: asked to end, with KILL at this time
        self.cancelled = False
        self.armed = math.inf  # the time of its entry in the heap of deadlines


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
        self._ready: deque[Run] = deque()  # to be spawned now
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
        run = self._runs[spec.run_id] = Run(spec, at, echo)
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
                self._guarded(self._receive, key.data, key.fd)
                changed[key.data] = None
            if self._orders or (self._heap and self._heap[0][0] <= time.monotonic()):
                self._handle_due()  # the disk may have taken long for the block
        self._handle_due()
        for run in changed:
            self._guarded(self._attend, run)
        if self._settled:
            self._count_marked()
        self._send()

    def _wait(self) -> list[tuple[selectors.SelectorKey, int]]:
        heap = self._heap
        while heap and heap[0][2].armed != heap[0][0]:
            heapq.heappop(heap)
        if self._orders or self._ready:
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
                run.armed = math.inf
                if run.process is None:
                    self._make_ready(run)
                else:
                    self._guarded(self._attend, run)
        self._spawn_ready()

    def _arm(self, run: Run, at: float) -> None:
        """Attend to the run at `at`. An earlier entry stays: it only causes one look too many."""
        if at >= run.armed:
            return
        run.armed = at
        heapq.heappush(self._heap, (at, next(self._count), run))
        self._shrink_heap()

    def _shrink_heap(self) -> None:
        """Drop the entries that are out of date, once they are many: most lie hours ahead, as timeouts do."""
        if len(self._heap) > HEAP_SLACK + 4 * len(self._runs):
            self._heap = [entry for entry in self._heap if entry[2].armed == entry[0]]
            heapq.heapify(self._heap)

    def _guarded(self, method: Callable[..., object], run: Run, *arguments: Any) -> None:
        """Call a method for a run that has not ended. A bug in it ends this run alone."""
        if self._runs.get(run.spec.run_id) is run:
            try:
                method(run, *arguments)
            except Exception as error:
                self._abandon(run, error)

    def _send(self) -> None:
        messages, self._messages = self._messages, []
        for message in messages:
            self._post(message)

    # --------------------------------------------------------------------------------------------------------- orders

    def _hold(self, run: Run) -> None:
        """Make ready what can be, and let the run wait for its instant."""
        self._guarded(self._prepare, run)
        if run.at is None:
            self._make_ready(run)
        else:
            self._arm(run, run.at)

    def _make_ready(self, run: Run) -> None:
        if not run.ready:
            run.ready = True
            self._ready.append(run)

    def _prepare(self, run: Run) -> None:
        run.log = self._logs.open_run(run.spec.log, run.spec.run_id, run.spec.attempt, run.spec.output_encoding)
        try:
            run.arguments = prepare(run.spec)
        except SpawnError as error:
            run.refused = error.text

    def _cancel(self, run: Run, kill_at: float) -> None:
        """Let `_attend` or `_spawn` end the run in this turn. Many of these may come at once: this one is cheap."""
        run.cancel_by = min(run.cancel_by, kill_at)
        self._arm(run, -math.inf)

    # ----------------------------------------------------------------------------------------------------- the process

    def _spawn_ready(self) -> None:
        """Spawn what is due: all of it before the first line is written to a log, as far as descriptors last; then at
        least one a turn, which may fail for want of them."""
        if not self._ready:
            return
        limit, count = resource.getrlimit(resource.RLIMIT_NOFILE)[0], len(self._ready)
        if limit != resource.RLIM_INFINITY:
            # A process that has ended may still hold its pipes: what it left behind writes, or they are read next.
            held = max(FDS_PER_RUN * len(Process.unreaped), FDS_PER_RUN * len(self._selector.get_map()) // 2)
            count = max(1, min(count, (limit - FDS_RESERVED - held) // FDS_PER_RUN))
        spawned = [self._ready.popleft() for _ in range(count)]
        for run in spawned:
            self._guarded(self._spawn, run)
        for run in spawned:
            self._guarded(self._begin, run)

    def _spawn(self, run: Run) -> None:
        run.start_time, run.started_at = self._wall(), time.monotonic()
        if run.cancel_by < math.inf:
            run.cancelled, run.refused = True, Text("cancelled_before_start")
        if run.refused:
            return
        try:
            popen = spawn(**run.arguments)
        except Exception as error:
            run.refused = explain(error, command_of(run.spec), run.spec.user)
        else:
            run.process = Process(popen, run.started_at, run.spec.timeout_s, run.spec.kill_grace_s)

    def _begin(self, run: Run) -> None:
        process = run.process
        if process is None:
            self._finish_unstarted(run)
            return
        assert process.popen.stdout and process.popen.stderr
        run.pipes = {process.popen.stdout.fileno(): "out", process.popen.stderr.fileno(): "err"}
        for fd in (*run.pipes, process.pidfd):
            if fd >= 0:
                self._selector.register(fd, selectors.EVENT_READ, run)
                run.watched.add(fd)
        run.log.marker("start", f"pid {process.pid}: {command_text(run.spec)}")
        run.report_at = run.started_at + REPORT_S
        self._attend(run)

    def _receive(self, run: Run, fd: int) -> None:
        """Something happened to one of the run's descriptors."""
        stream = run.pipes.get(fd)
        if stream is None:
            assert run.process
            run.process.exit_announced = True
            self._unwatch(run, fd)  # it stays readable
            return
        block = os.read(fd, BLOCK)  # does not block: the only reader, and there is something
        if not block:
            self._unwatch(run, fd)
            del run.pipes[fd]
            return
        run.log.write(stream, block)
        if run.echo:
            try:
                run.echo(stream, block)
            except OSError:  # the terminal is gone, the run goes on
                run.echo = None

    def _attend(self, run: Run) -> None:
        """Do what is due for a run with a process, and set its next deadline."""
        process, log = run.process, run.log
        assert process
        now = time.monotonic()
        if run.settle_until:
            self._settle(run, now)
            return
        if run.cancel_by < math.inf:
            run.cancelled = process.stop(run.cancel_by) or run.cancelled
            run.cancel_by = math.inf
        until = process.advance(now, bool(run.pipes))
        if process.exited_at is not None and not run.end_time:
            run.end_time = self._wall()
        if until is None:
            run.status = process.reap()
            run.settle_until = now + SETTLE_S
            self._settle(run, now)
            return
        flush_due = log.flush_due
        if flush_due is not None and now >= flush_due:
            log.flush(now)
            flush_due = log.flush_due
        if now >= run.report_at:
            run.report_at = math.inf
            if process.exited_at is None:
                if log.position is None:
                    log.flush(now)  # without the place of its first line no reader finds the output of a living run
                identity = process_identity(process.pid)
                self._messages.append(
                    RunStarted(run.spec.run_id, run.spec.attempt, identity, run.start_time, log.position)
                )
        self._arm(run, min(until, run.report_at, math.inf if flush_due is None else flush_due))

    def _settle(self, run: Run, now: float) -> None:
        """Look what the run left of its group, and end it. After a normal end such processes live on: a task may start
        daemons, as under cron. After a kill they get a moment to be gone, then all that carry the run's mark count."""
        process = run.process
        assert process
        left = process.members_left()
        if not process.stopping:
            self._finish_process(run, left)
        elif left and now < run.settle_until:
            self._arm(run, now + POLL_S)
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
            self._guarded(self._finish_process, run, left - {os.getpid()})

    # --------------------------------------------------------------------------------------------------------- the end

    def _finish_process(self, run: Run, left: set[int]) -> None:
        process, status = run.process, run.status
        assert process and process.exited_at is not None
        hint, unstarted = explain_end(run.spec, status)
        if unstarted:
            status = None
        result = ProcessResult(
            end_time=run.end_time,
            duration=process.exited_at - run.started_at,
            exit_code=status if status is not None and status >= 0 else None,
            signal=-status if status is not None and status < 0 else None,
            spawn_error=hint if unstarted else Text("exit_status_lost") if status is None else None,
            timed_out=process.timed_out,
            cancelled=run.cancelled,
            killed=process.killed,
            leftover_processes=len(left),
            output_cut=bool(run.pipes),
            process=ProcessIdentity(process.pid, 0, ""),
            start_time=run.start_time,
            hint=hint,
        )
        self._finish(run, result)

    def _finish_unstarted(self, run: Run) -> None:
        now = self._wall()
        duration = time.monotonic() - run.started_at if run.started_at else 0.0
        self._finish(run, ProcessResult(now, duration, spawn_error=run.refused, cancelled=run.cancelled))

    def _finish(self, run: Run, result: ProcessResult) -> None:
        log = run.log
        log.marker("end", end_text(result))
        self._discard(run)
        result = result._replace(log_lost=log.lost, log=log.position, tail=log.tail)
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
        run.armed = -math.inf  # its entries in the heap are out of date
        self._shrink_heap()
        try:
            for fd in tuple(run.watched):
                self._unwatch(run, fd)
        finally:
            if run.process:
                run.process.close()
            if run.log:
                run.log.close()

    def _unwatch(self, run: Run, fd: int) -> None:
        run.watched.discard(fd)
        self._selector.unregister(fd)


def end_text(result: ProcessResult) -> str:
    """The text of the log's "end" line."""
    if result.process is None:
        return f"not started: {detail_text(result.spawn_error)}"
    if result.signal is not None:
        try:
            name = signal.Signals(result.signal).name
        except ValueError:  # a real-time signal
            name = "?"
        how = f"signal {result.signal} ({name})"
    else:
        how = f"exit {result.exit_code}" if result.exit_code is not None else detail_text(result.spawn_error)
    remarks = [
        text
        for holds, text in (
            (result.timed_out, "timed out"),
            (result.cancelled, "cancelled"),
            (result.killed, "killed"),
            (result.leftover_processes, plural(result.leftover_processes, "process left", "processes left")),
            (result.output_cut, "their output not read any more"),
            (result.hint and result.spawn_error is None, detail_text(result.hint)),
        )
        if holds
    ]
    return f"{how} after {result.duration:.3f} s" + (": " if remarks else "") + ", ".join(remarks)
