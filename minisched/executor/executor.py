"""Runs in threads of their own, and what the engine may ask about them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Collection
from queue import Empty, SimpleQueue
from typing import Callable, Optional, Protocol

from minisched.executor.procfs import all_processes
from minisched.executor.supervisor import Attempt, Echo, Sink
from minisched.model import Message, ProcessResult, ProcessSpec, RunFinished, RunStarted

STACK_BYTES = 256 * 1024  # of a run's thread, in place of 8 MB of address space; musl gives 128 KiB
LINGER_S = 1.0  # a thread whose run is over waits so long for another: to start one costs as much as half a spawn
ORPHAN_AGE_S = 0.5  # a zombie seen for so long is not one that a Popen of ours is about to reap


class Logs(Protocol):
    def open_run(self, path: str, run_id: int, attempt: int) -> Sink: ...


class TaskExecutor:
    """Starts attempts and says how they ended, through `post`, from the attempt's own thread (`SimpleQueue.put` is
    meant). The log's sinks come from `logs`; `wall` is the clock of start and end times."""

    def __init__(self, post: Callable[[Message], object], logs: Logs, wall: Callable[[], float] = time.time) -> None:
        self._post = post
        self._logs = logs
        self._wall = wall
        self._attempts: dict[int, Attempt] = {}  # by run id; each operation on it is atomic
        self._waiting: list[SimpleQueue[Attempt]] = []  # of threads without a run; each operation on it is atomic
        self._zombies: dict[int, float] = {}  # pid -> monotonic time when first seen

    def execute_task(
        self,
        launch: ProcessSpec,
        echo: Optional[Echo] = None,
        started: Callable[[RunStarted], object] = lambda message: None,
    ) -> ProcessResult:
        """Run one attempt to its end in this thread; `cancel` works meanwhile, from a signal handler too. `echo` gets
        (stream, block) as they were read. Posts nothing; `started` is called when there is a process. Never raises
        but for what `started` raises and what interrupts the thread; then the process is killed."""
        attempt = self._attempts[launch.run_id] = Attempt(launch)
        try:
            return self._run(attempt, echo, started)
        finally:
            self._attempts.pop(launch.run_id, None)

    def start(self, launch: ProcessSpec) -> None:
        """As `Executor.start`: one thread, one RunStarted if there is a process, always one RunFinished."""
        attempt = self._attempts[launch.run_id] = Attempt(launch)
        try:
            self._waiting.pop().put(attempt)
            return
        except IndexError:  # none: all have a run, or have just gone
            pass
        thread = threading.Thread(target=self._serve, args=(attempt,), name=f"run-{launch.run_id}", daemon=True)
        stack_bytes = threading.stack_size(STACK_BYTES)
        try:
            thread.start()
        except RuntimeError as error:  # "can't start new thread"
            self._attempts.pop(launch.run_id, None)
            completion = ProcessResult(self._wall(), 0.0, spawn_error=f"no thread for it: {error}")
            self._post(RunFinished(launch.run_id, launch.attempt, completion))
        finally:
            threading.stack_size(stack_bytes)

    def cancel(self, run_id: int, grace_s: Optional[float] = None) -> None:
        """As `Executor.cancel`."""
        attempt = self._attempts.get(run_id)
        if attempt:
            attempt.cancel(grace_s)

    def live(self) -> tuple[int, ...]:
        """The ids of the runs that have not ended."""
        return tuple(self._attempts)

    def reap_orphans(self, spare: Collection[int] = ()) -> int:
        """Reap the zombies of processes that this process did not start; returns how many. For an engine that is PID 1,
        called now and then: what tasks leave behind ends as its child.

        Never by waitpid(-1), which would take the status of a run's own process. Spared are the processes of runs,
        `spare`, those of this process' own session (helpers), and any zombie younger than ORPHAN_AGE_S."""
        now, own = time.monotonic(), os.getpid()
        children = {attempt.child.pid for attempt in tuple(self._attempts.values()) if attempt.child}
        session = os.getsid(0)
        zombies = {
            found.pid
            for found in all_processes()
            if found.parent == own and found.state == "Z" and found.session != session
        }
        zombies -= children.union(spare)
        self._zombies = {pid: self._zombies.get(pid, now) for pid in zombies}
        reaped = 0
        for pid, seen in self._zombies.items():
            if now - seen >= ORPHAN_AGE_S:
                try:
                    reaped += os.waitpid(pid, os.WNOHANG)[0] == pid
                except ChildProcessError:
                    pass
        return reaped

    def _serve(self, attempt: Attempt) -> None:
        """A thread: its run, then others for as long as one comes within LINGER_S."""
        orders: SimpleQueue[Attempt] = SimpleQueue()
        while True:
            threading.current_thread().name = f"run-{attempt.launch.run_id}"
            self._work(attempt, orders)
            threading.current_thread().name = "run-none"
            try:
                attempt = orders.get(timeout=LINGER_S)
            except Empty:
                try:
                    self._waiting.remove(orders)
                    return
                except ValueError:  # `start` was faster: the order is on its way
                    attempt = orders.get()

    def _work(self, attempt: Attempt, orders: SimpleQueue[Attempt]) -> None:
        launch = attempt.launch
        completion = ProcessResult(self._wall(), 0.0, spawn_error="internal error")
        try:
            completion = self._run(attempt, None, self._post)
        except Exception as error:
            logging.getLogger("minisched").exception(f"run {launch.run_id} of {launch.task_id}: internal error")
            completion = ProcessResult(self._wall(), 0.0, spawn_error=f"internal error: {error!r}")
        finally:
            self._attempts.pop(launch.run_id, None)
            self._waiting.append(orders)  # before the engine hears of it, which may start the next one at once
            self._post(RunFinished(launch.run_id, launch.attempt, completion))

    def _run(self, attempt: Attempt, echo: Optional[Echo], started: Callable[[RunStarted], object]) -> ProcessResult:
        launch = attempt.launch
        sink = self._logs.open_run(launch.log, launch.run_id, launch.attempt)
        try:
            return attempt.run(sink, self._wall, started, echo)
        finally:
            sink.close()
