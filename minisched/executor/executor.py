"""The executor that the engine and `exec` use: attempts in a thread for all of them, or one in the calling thread."""

from __future__ import annotations

import errno
import os
import signal
import time

from minisched.executor.process import Process
from minisched.executor.procfs import ProcessTable
from minisched.executor.supervisor import Supervisor
from minisched.model import Message, ProcessResult, ProcessSpec, RunFinished, RunStarted, Text
from minisched.threads import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    from minisched.executor.run import Echo

MALLOC_KEPT = 512 * 1024  # bytes; glibc keeps up to twice as many that are free
ORPHAN_AGE_S = 0.5  # a zombie seen for so long is not one that a spawn in this program is about to reap


def prepare_process(spawns: bool = True) -> None:
    """Undo what a parent may have set for this process. To be called first in a program that starts tasks. spawns: the
    calling thread will start processes itself.

    With SIGCHLD ignored the kernel reaps children itself, and every task would seem to exit with 0. Tasks inherit
    blocked and ignored signals (`nohup`, a shell's `&`): an ignored one gets a handler that does nothing, which an exec
    resets to the default.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # A thread that spawns blocks all signals for a moment. For a SIGCHLD in this moment, which has no effect, the
    # kernel wakes another thread, once or twice for each of many runs, unless these others block it.
    signal.pthread_sigmask(signal.SIG_SETMASK, () if spawns else (signal.SIGCHLD,))
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # Popen restores these two
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    # Free one large piece of memory: glibc then serves pieces up to that size from the heap, and no longer returns each
    # to the system at once (mallopt(3), M_MMAP_THRESHOLD). Else each block of a flood costs 44 page faults, half of the
    # speed.
    bytes(MALLOC_KEPT)


class TaskExecutor:
    """`model.Executor` on real processes. `post` gets the messages, in the thread "processes" (`SimpleQueue.put` is
    meant); `logs` is a `tasklog.TaskLogs`, used by the thread that runs the attempt; `wall` is the clock of start and
    end times."""

    def __init__(self, post: Callable[[Message], object], logs: Any, wall: Callable[[], float] = time.time) -> None:
        self._post = post
        self._logs = logs
        self._wall = wall
        self._supervisor: Optional[Supervisor] = None  # made, with its thread, by the first `start`
        self._foreground: Optional[Supervisor] = None  # of `execute_task`
        self._zombies: dict[int, float] = {}  # pid -> monotonic time when first seen

    def start(self, spec: ProcessSpec, at: Optional[float] = None) -> None:
        """As `Executor.start`."""
        try:
            if self._supervisor is None:
                supervisor = Supervisor(self._post, self._logs, self._wall)
                try:
                    start_thread(supervisor.run_forever, "processes")
                except OSError:
                    supervisor.close()
                    raise
                self._supervisor = supervisor
        except OSError as error:  # the next start tries again
            self._post(RunFinished(spec.run_id, spec.attempt, self._unstarted(error)))
        else:
            self._supervisor.start(spec, at)

    def execute_task(
        self,
        spec: ProcessSpec,
        echo: Optional[Echo] = None,
        started: Callable[[RunStarted], object] = lambda message: None,
    ) -> ProcessResult:
        """Run one attempt in the calling thread, which needs no further one; `cancel` works meanwhile, from a signal
        handler too. `echo` gets (stream, block) as they were read, `started` is called as RunStarted would be posted.
        Posts nothing. Raises only what `started` and `echo` raise, or a signal handler: then the process is killed."""
        results: list[ProcessResult] = []

        def post(message: Message) -> None:
            if isinstance(message, RunStarted):
                started(message)
            elif isinstance(message, RunFinished):
                results.append(message.completion)

        try:
            supervisor = self._foreground = Supervisor(post, self._logs, self._wall)
        except OSError as error:
            return self._unstarted(error)
        try:
            supervisor.start(spec, echo=echo)
            while not results:
                supervisor.turn()
            return results[0]
        finally:
            self._foreground = None
            supervisor.close()

    def cancel(self, run_id: int, grace_s: Optional[float] = None) -> None:
        """As `Executor.cancel`."""
        for supervisor in (self._supervisor, self._foreground):
            if supervisor:
                supervisor.cancel(run_id, grace_s)

    def live(self) -> tuple[int, ...]:
        """The ids of the runs that have not ended."""
        return tuple(
            run_id for supervisor in (self._supervisor, self._foreground) if supervisor for run_id in supervisor.live()
        )

    def close(self) -> None:
        """End the thread; runs that have not ended are killed and post nothing."""
        if self._supervisor:
            self._supervisor.order(self._supervisor.stop)
            self._supervisor = None

    def retry_logs(self) -> None:
        """Try again soon to write the logs that could not be written, in the thread that writes them."""
        if self._supervisor and self._logs.failing:
            self._supervisor.order(self._logs.retry)

    def reap_orphans(self) -> int:
        """Reap the zombies of processes that this program did not start; returns their number. For an engine that is
        PID 1, from time to time: what tasks leave behind becomes its child.

        Never by waitpid(-1), which would take the exit status of a run. Spared are the processes of runs and of
        `run_bounded`, all of the session of this program, and zombies younger than ORPHAN_AGE_S.
        """
        now, own, session = time.monotonic(), os.getpid(), os.getsid(0)
        zombies = {
            process.pid
            for process in ProcessTable().processes
            if process.parent == own and process.state == "Z" and process.session != session
        }
        self._zombies = {pid: self._zombies.get(pid, now) for pid in zombies - Process.unreaped}
        reaped = 0
        for pid, seen in self._zombies.items():
            if now - seen >= ORPHAN_AGE_S:
                try:
                    reaped += os.waitpid(pid, os.WNOHANG)[0] == pid
                except ChildProcessError:
                    pass
        return reaped

    def _unstarted(self, error: OSError) -> ProcessResult:
        code = "no_thread" if error.errno == errno.EAGAIN else "no_descriptor"
        return ProcessResult(self._wall(), 0.0, spawn_error=Text(code, reason=error.strerror))
