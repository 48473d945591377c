"""One attempt at a run: what its process, its pipes and its log go through, from its order to its end."""

from __future__ import annotations

import errno
import math
import os
import selectors
import signal
import time

from minisched.catalogue import detail_text
from minisched.executor.process import (
    BLOCK,
    Account,
    Process,
    SpawnError,
    command_of,
    command_text,
    explain,
    explain_end,
    prepare,
    spawn,
)
from minisched.executor.procfs import process_identity
from minisched.model import ProcessIdentity, ProcessResult, ProcessSpec, RunStarted, Text
from minisched.model.text import plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

REPORT_S = 0.04  # a run that ends sooner posts no RunStarted: one message and one commit less for a short run
LEAVE_S = 0.2  # after a normal end: the other programs of its pipeline are about to end, they are not left behind
SETTLE_S = 0.5  # killed processes need a moment to be gone before the ones left are counted

if TYPE_CHECKING:
    Echo = Callable[[str, bytes], None]


class Run:
    """An attempt from its order to its end. The supervisor's thread calls its methods, which alone change it."""

    def __init__(
        self,
        spec: ProcessSpec,
        at: Optional[float],
        echo: Optional[Echo],
        selector: selectors.BaseSelector,
        wall: Callable[[], float],
    ) -> None:
        self.spec = spec
        self.at = at  # monotonic; the process is spawned then, None: now
        self.log: Any = None  # where its output goes: a `tasklog.RunLog`, of which nothing raises
        self.refusal = spec.refused  # why no process is spawned
        self.prepared = False
        self.process: Optional[Process] = None
        self.armed = math.inf  # the time of its entry in the heap of deadlines
        self.settle_until = 0.0  # monotonic; the process is reaped, what it left behind is counted until then
        self._echo = echo
        self._selector = selector
        self._wall = wall
        self._arguments: dict[str, Any] = {}  # of `spawn`
        self._pipes: dict[int, str] = {}  # descriptor -> "out" or "err"; those not at their end yet
        self._watched: set[int] = set()  # descriptors in the selector: pipes and pidfd
        self._exit_watched = False  # the pidfd is or was in it
        self._start_time = self._end_time = 0.0  # by the wall clock
        self._started_at = 0.0  # monotonic
        self._report_at = math.inf  # monotonic; when RunStarted is to be posted
        self._status: Optional[int] = None  # as `Process.reap` gave it
        self._cancel_by = math.inf  # monotonic: asked to end, with KILL at this time
        self._cancelled = False

    def open_log(self, logs: Any) -> None:
        self.log = logs.open_run(self.spec.log, self.spec.run_id, self.spec.attempt, self.spec.output_encoding)

    def refuse(self, why: Text) -> None:
        """Have it ended without a process."""
        self.refusal = self.refusal or why

    def prepare(self, account: Optional[Account]) -> None:
        """Make ready what can be before its instant. account: of its `task_user`."""
        self.prepared = True
        try:
            self._arguments = {} if self.refusal else prepare(self.spec, account)
        except SpawnError as error:
            self.refusal = error.text

    def arm(self, at: float) -> bool:
        """Have it attended at `at`. False: it already is before that."""
        if at >= self.armed:
            return False
        self.armed = at
        return True

    def disarm(self) -> None:
        self.armed = math.inf

    def cancel(self, kill_at: float) -> None:
        """Let the next `attend` end it; without a process it is refused one."""
        self._cancel_by = min(self._cancel_by, kill_at)
        if self.process is None:
            self._cancelled, self.refusal = True, Text("cancelled_before_start")

    def spawn(self, fd_limit: float) -> bool:
        """Spawn its process, or set its refusal. False: there is no descriptor below `fd_limit`, which is infinite if
        no other process can free one by its end."""
        self._start_time, self._started_at = self._wall(), time.monotonic()
        try:
            child = spawn(**self._arguments, fd_limit=fd_limit)
        except Exception as error:
            if fd_limit < math.inf and isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                return False
            self.refusal = explain(error, command_of(self.spec), self.spec.user)
        else:
            self.process = Process(child, self._started_at, self.spec.timeout_s, self.spec.kill_grace_s)
        return True

    def begin(self) -> float:
        """Watch the process that was spawned, and write the first line of its log. Returns when to attend to it."""
        process = self.process
        assert process
        self._pipes = dict(zip(process.outputs, ("out", "err")))
        for fd in process.outputs:
            self._watch(fd)
        what = "" if self.spec.attempt else "condition, "
        self.log.marker("start", f"{what}pid {process.pid}: {command_text(self.spec)}")
        now = time.monotonic()  # later than its start: of many that start at once, most have ended by now
        self._report_at = now + REPORT_S
        return self.due(process.first_look(now))

    def receive(self, fd: int) -> bool:
        """Something happened to one of its descriptors. Returns whether it is to be attended to now."""
        stream = self._pipes.get(fd)
        if stream is None:
            assert self.process
            self.process.announce_exit()
            self._unwatch(fd)  # it stays readable
            return True
        block = os.read(fd, BLOCK)  # does not block: the only reader, and there is something
        if not block:
            self._unwatch(fd)
            del self._pipes[fd]
            return not self._pipes  # while there is another pipe, nothing follows from that
        self.log.write(stream, block)
        if self._echo:
            try:
                self._echo(stream, block)
            except OSError:  # the terminal is gone, the run goes on
                self._echo = None
        flush_due = self.log.flush_due
        return flush_due is not None and flush_due < self.armed

    def attend(self, now: float) -> Optional[float]:
        """Do what is due for its process. Returns when something is due for that next; None: it is reaped."""
        process, log = self.process, self.log
        assert process
        if self._cancel_by < math.inf:
            self._cancelled = process.stop(self._cancel_by) or self._cancelled
            self._cancel_by = math.inf
        until = process.advance(now, bool(self._pipes))
        if process.pidfd >= 0 and not self._exit_watched:
            self._exit_watched = True
            self._watch(process.pidfd)
        if process.exited_at is not None and not self._end_time:
            self._end_time = self._wall()
        if until is None:
            self._status = process.reap()
            self.settle_until = now + (SETTLE_S if process.stopping else LEAVE_S)
            return None
        flush_due = log.flush_due
        if flush_due is not None and now >= flush_due:
            log.flush(now)
        return until

    def report(self, now: float) -> Optional[RunStarted]:
        """The message of its start, once, when that is due."""
        process, log = self.process, self.log
        if now < self._report_at:
            return None
        self._report_at = math.inf
        assert process
        if process.exited_at is not None:
            return None
        if log.position is None:
            log.flush(now)  # without the place of its first line no reader finds the output of a living run
        spec, identity = self.spec, process_identity(process.pid)
        return RunStarted(spec.run_id, spec.attempt, identity, self._start_time, log.position)

    def due(self, until: float) -> float:
        """When to attend to it again: `until` as `attend` gave it, or before for its start and its log."""
        flush_due = self.log.flush_due
        return min(until, self._report_at, math.inf if flush_due is None else flush_due)

    def result(self, left: set[int]) -> ProcessResult:
        """left: the living processes that it left behind."""
        process, status = self.process, self._status
        if process is None:
            duration = time.monotonic() - self._started_at if self._started_at else 0.0
            return ProcessResult(self._wall(), duration, spawn_error=self.refusal, cancelled=self._cancelled)
        assert process.exited_at is not None
        hint, unstarted = explain_end(self.spec, status, self.log.tail)
        if unstarted:
            status = None
        return ProcessResult(
            end_time=self._end_time,
            duration=process.exited_at - self._started_at,
            exit_code=status if status is not None and status >= 0 else None,
            signal=-status if status is not None and status < 0 else None,
            spawn_error=hint if unstarted else Text("exit_status_lost") if status is None else None,
            timed_out=process.timed_out,
            cancelled=self._cancelled,
            killed=process.killed,
            leftover_processes=len(left),
            output_cut=bool(self._pipes),
            process=ProcessIdentity(process.pid, 0, ""),
            start_time=self._start_time,
            hint=hint,
        )

    def release(self) -> None:
        """Close what it holds; a process that still lives is killed."""
        self.armed = -math.inf  # its entries in the heap are out of date
        try:
            for fd in tuple(self._watched):
                self._unwatch(fd)
        finally:
            if self.process:
                self.process.close()
            if self.log:
                self.log.close()

    def _watch(self, fd: int) -> None:
        self._selector.register(fd, selectors.EVENT_READ, self)
        self._watched.add(fd)

    def _unwatch(self, fd: int) -> None:
        self._watched.discard(fd)
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
