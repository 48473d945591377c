"""One attempt: start the process, take its output, hold its deadline, kill, say how it ended."""

from __future__ import annotations

import math
import os
import select
import signal
import threading
import time
from typing import Callable, Optional, Protocol

from minisched.executor.child import Child
from minisched.executor.process import SpawnError, command_text, spawn
from minisched.executor.procfs import POLL_S, marked_processes, process_identity
from minisched.model import LogPosition, ProcessResult, ProcessSpec, RunStarted

BLOCK = 64 * 1024  # bytes read at once, a pipe's capacity: more memory buys no speed
TICK_S = 0.1  # looks at what no descriptor announces: an exit where there is no pidfd, the rest of a killed group
DRAIN_S = 1.0  # output still read after the end, while a process left behind holds the pipe
SETTLE_S = 0.5  # killed processes need a moment to be gone before those left are counted
NAP_MAX_S = 3600.0  # poll(2) takes milliseconds in 31 bits

Echo = Callable[[str, bytes], None]


class Sink(Protocol):
    """Where an attempt's output goes; nothing here raises. See `tasklog.RunLog`."""

    @property
    def mark(self) -> Optional[LogPosition]: ...
    @property
    def lost(self) -> bool: ...
    @property
    def tail(self) -> bytes: ...
    @property
    def flush_due(self) -> Optional[float]: ...
    def write(self, stream: str, block: bytes) -> None: ...
    def note(self, kind: str, text: str) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class Attempt:
    """Runs once, in the thread that calls `run`. `cancel` may be called by any thread and by a signal handler."""

    def __init__(self, launch: ProcessSpec) -> None:
        self.launch = launch
        self.child: Optional[Child] = None
        self._cancel_by: Optional[float] = None  # monotonic: when a cancelled one is to be killed
        self._wake = -1  # a byte written here ends the thread's wait
        # Held while `_wake` is used or closed, so that the number is not another file's by then. Reentrant, as a signal
        # handler may run in the thread that holds it.
        self._lock = threading.RLock()

    def cancel(self, grace_s: Optional[float]) -> None:
        by = time.monotonic() + (self.launch.kill_grace_s if grace_s is None else grace_s)
        with self._lock:
            self._cancel_by = by if self._cancel_by is None else min(by, self._cancel_by)
            if self._wake >= 0:
                try:
                    os.write(self._wake, b"!")
                except BlockingIOError:  # full of wakes
                    pass

    def run(
        self, sink: Sink, wall: Callable[[], float], started: Callable[[RunStarted], object], echo: Optional[Echo]
    ) -> ProcessResult:
        """The whole of it. `started` is called once when there is a process, `echo` with each block as it was read."""
        launch = self.launch
        start_time, start = wall(), time.monotonic()
        try:
            wake = self._open_wake()
            try:
                if self._cancel_by is not None:
                    raise SpawnError("cancelled before it was started")
                self.child = Child(spawn(launch))
                try:
                    sink.note("start", f"pid {self.child.pid}: {command_text(launch)}")
                    process = process_identity(self.child.pid)
                    started(RunStarted(launch.run_id, launch.attempt, process, start_time, sink.mark))
                    return _Watch(self.child, launch, sink, echo, wake, lambda: self._cancel_by).attend(wall, start)
                finally:
                    self.child.close()
            finally:
                with self._lock:
                    os.close(self._wake)
                    self._wake = -1
                os.close(wake)
        except SpawnError as error:
            why = str(error)
        sink.note("end", f"not started: {why}")
        return ProcessResult(
            end_time=wall(),
            duration=time.monotonic() - start,
            spawn_error=why,
            cancelled=self._cancel_by is not None,
            log_lost=sink.lost,
            log=sink.mark,
        )

    def _open_wake(self) -> int:
        try:
            wake, self._wake = os.pipe()
        except OSError as error:
            raise SpawnError(f"no descriptor left to start it: {error.strerror}") from error
        os.set_blocking(self._wake, False)
        return wake


class _Watch:
    """Waits for a process' output, its end, its deadlines; nothing wakes it while nothing happens.

    It goes through: running; stopping (`kill_at` is set: the group has its TERM); drained until `drain_by` (the process
    has ended, and its group where it was stopped); over.
    """

    def __init__(
        self,
        child: Child,
        launch: ProcessSpec,
        sink: Sink,
        echo: Optional[Echo],
        wake: int,
        cancel_by: Callable[[], Optional[float]],
    ) -> None:
        self._child, self._launch, self._sink, self._echo, self._cancel_by = child, launch, sink, echo, cancel_by
        self._timed_out = self._cancelled = self._killed = False
        self._exit_told = child.pidfd < 0  # without a pidfd it is looked for each time
        self._exited_at: Optional[float] = None
        self._kill_at: Optional[float] = None
        self._drain_by: Optional[float] = None
        self._streams = child.pipes  # descriptor -> "out", "err"; those not at their end yet
        self._poll = select.poll()  # it needs no descriptor of its own, as epoll would
        for fd in (*self._streams, wake, child.pidfd):
            if fd >= 0:
                self._poll.register(fd, select.POLLIN)
        self._wake = wake

    def attend(self, wall: Callable[[], float], start: float) -> ProcessResult:
        child, sink = self._child, self._sink
        timeout_at = math.inf if self._launch.timeout_s is None else start + self._launch.timeout_s
        end_time = 0.0
        while True:
            now = time.monotonic()
            if self._exited_at is None:
                if self._exit_told and child.has_exited():
                    self._exited_at, end_time = now, wall()
                    if child.pidfd >= 0:
                        self._poll.unregister(child.pidfd)  # it stays readable
                else:
                    self._stop_if_due(now, timeout_at)
            self._kill_if_due(now)
            if self._drain_by is None and self._group_is_done():
                self._drain_by = now + DRAIN_S
            if self._drain_by is not None and (not self._streams or now >= self._drain_by):
                break
            flush_due = sink.flush_due
            if flush_due is not None and now >= flush_due:
                sink.flush()
                flush_due = None
            self._wait(now, timeout_at, flush_due)
        status = child.reap()
        completion = ProcessResult(
            end_time=end_time,
            duration=(self._exited_at or now) - start,
            exit_code=status if status is not None and status >= 0 else None,
            signal=-status if status is not None and status < 0 else None,
            spawn_error="its exit status is lost: somebody else reaped it" if status is None else None,
            timed_out=self._timed_out,
            cancelled=self._cancelled,
            killed=self._killed,
            leftover_processes=self._count_leftovers(),
            output_cut=bool(self._streams),
        )
        sink.note("end", end_text(completion))
        return completion._replace(log_lost=sink.lost, log=sink.mark, tail=sink.tail)

    def _stop_if_due(self, now: float, timeout_at: float) -> None:
        cancel_by = self._cancel_by()
        if cancel_by is None and now < timeout_at:
            return
        if self._child.has_exited():  # by itself, just before; the pidfd tells in a moment
            return
        if cancel_by is not None:
            self._cancelled = True
        else:
            self._timed_out = True
        if self._kill_at is None:
            # A stopped group takes its TERM only once it goes on.
            self._child.signal_group(signal.SIGTERM, signal.SIGCONT)
            self._kill_at = now + self._launch.kill_grace_s if cancel_by is None else cancel_by

    def _kill_if_due(self, now: float) -> None:
        """The process, or what is left of its group after it, has had its grace."""
        if self._kill_at is None or self._killed or self._drain_by is not None:
            return
        cancel_by = self._cancel_by()
        if cancel_by is not None:
            self._kill_at = min(self._kill_at, cancel_by)
        if now >= self._kill_at:
            self._child.signal_group(signal.SIGKILL)
            self._killed = True

    def _group_is_done(self) -> bool:
        if self._exited_at is None:
            return False
        return self._kill_at is None or self._killed or not self._child.group_lives()

    def _wait(self, now: float, timeout_at: float, flush_due: Optional[float]) -> None:
        """Until something happens or is due; then take what there is."""
        until = now + NAP_MAX_S
        if self._drain_by is not None:
            until = self._drain_by
        elif self._exited_at is not None or self._child.pidfd < 0:
            until = now + TICK_S
        if self._exited_at is None and self._kill_at is None:
            until = min(until, timeout_at)
        elif self._drain_by is None and self._kill_at is not None and not self._killed:
            until = min(until, self._kill_at)
        if flush_due is not None:
            until = min(until, flush_due)
        for fd, _ in self._poll.poll(math.ceil(max(0.0, until - now) * 1000)):
            if fd in self._streams:
                self._read(fd)  # does not block: this thread alone reads it, and poll(2) told of something
            elif fd == self._wake:
                os.read(fd, BLOCK)
            else:
                self._exit_told = True

    def _read(self, fd: int) -> None:
        block = os.read(fd, BLOCK)
        stream = self._streams[fd]
        if not block:
            self._poll.unregister(fd)
            del self._streams[fd]
            return
        self._sink.write(stream, block)
        if self._echo:
            try:
                self._echo(stream, block)
            except OSError:  # the terminal is gone; the run is not
                self._echo = None

    def _count_leftovers(self) -> int:
        """After the reap. A process left behind on a normal end lives on (cron's users start daemons so) and is only
        counted; after a kill those that left the group count too, by the marker in their environment."""
        child, env = self._child, self._launch.env
        left = child.group_after_reap()
        if self._kill_at is None:
            return len(left)
        settle_by = time.monotonic() + SETTLE_S
        while left and time.monotonic() < settle_by:
            time.sleep(POLL_S)
            left = child.group_after_reap()
        if "MINISCHED_RUN_ID" in env and "MINISCHED_HOME" in env:
            left |= marked_processes(self._launch.run_id, env["MINISCHED_HOME"])
        return len(left - {os.getpid()})


def end_text(completion: ProcessResult) -> str:
    """The words of the log's "end" line."""
    if completion.signal is not None:
        try:
            name = signal.Signals(completion.signal).name
        except ValueError:  # a real-time signal
            name = "?"
        how = f"signal {completion.signal} ({name})"
    else:
        how = f"exit {completion.exit_code}" if completion.exit_code is not None else str(completion.spawn_error)
    remarks = [
        text
        for holds, text in (
            (completion.timed_out, "timed out"),
            (completion.cancelled, "cancelled"),
            (completion.killed, "killed"),
            (completion.leftover_processes, f"{completion.leftover_processes} processes left"),
            (completion.output_cut, "their output not read any more"),
        )
        if holds
    ]
    return f"{how} after {completion.duration:.3f} s" + (": " if remarks else "") + ", ".join(remarks)
