"""`exec`: one run of a task in the foreground, recorded in the history, with the engine or without it."""

from __future__ import annotations

import codecs
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Optional, TextIO, TypeVar

from minisched import lifecycle, policy
from minisched.catalogue import render
from minisched.cli.output import Refusal, drop, fail, harmless, tell, variables
from minisched.cli.view import View, task_named, with_view
from minisched.config.secrets import base_environment
from minisched.engine import make_spec
from minisched.engine.launch import SecretError
from minisched.engine.log_lines import lost_output_line, no_messages_line, status_line
from minisched.executor import TaskExecutor, is_alive, marked_processes, prepare_process, process_identity
from minisched.home import read_lock
from minisched.model import (
    EXIT_NO,
    EXIT_OK,
    Batch,
    ProcessResult,
    Reason,
    RunStarted,
    Status,
    StoreError,
    TaskExecution,
    Trigger,
)
from minisched.notify.compose import Composed, add_notices
from minisched.store import open_store
from minisched.tasklog import RunLog, TaskLogs

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from minisched.model import Config, Task

Result = TypeVar("Result")
LOCKED_S = 30.0  # how long a run waits for the engine or a backup to let go of the history
_CANCELLING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@with_view
def execute(view: View, options: Namespace) -> int:
    """Run a task once, one attempt, its output on this terminal; 0 for success, 1 for any other end."""
    signals = [number for number in _CANCELLING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
    prepare_process()
    env = variables(options.env)
    config = view.valid_config()
    task = task_named(options.task, config)
    view.home.make_folders()
    ledger, problems = open_store(view.home.database, now=time.time(), mend=False)
    try:
        for problem in problems:
            fail(render(problem))
        return _Foreground(view, config, task, ledger, signals).run(env)
    finally:
        ledger.close()


def refuse_at_maximum(task: Task, unfinished: Sequence[TaskExecution], home: str) -> list[TaskExecution]:
    """The runs that hold places of the task. Raises Refusal where no further one may start beside them."""
    others = [run for run in unfinished if run.task_id == task.task_id and holds_a_place(run, home)]
    if len(others) < task.task_max_instances:
        return others
    names = ", ".join(str(run.run_id) for run in others)
    told = [
        f"{task.task_id} is at its task_max_instances ({task.task_max_instances}): "
        f"run {names} is under way; wait for its end and try again"
    ]
    told += [
        f"run {run.run_id}: whoever started it is gone, its process still lives; the next start of the engine ends it"
        for run in others
        if not is_owned(run)
    ]
    raise Refusal(*told)


def holds_a_place(run: TaskExecution, home: str) -> bool:
    """Whether an unfinished run is at work, or about to be in an engine that lives. A process may have outlived the
    engine that started it."""
    if is_owned(run):
        waits_for_capacity = run.status is Status.QUEUED and run.reason == Reason.MAX_RUNNING.value
        return run.status in (Status.RUNNING, Status.RETRYING) or waits_for_capacity
    if run.status is not Status.RUNNING:
        return False
    process = run.attempts[-1].process if run.attempts else None
    return is_alive(process, assume=True) if process else bool(marked_processes(run.run_id, home))


def is_owned(run: TaskExecution) -> bool:
    return run.owner is not None and is_alive(run.owner, assume=True)


class _Foreground:
    """One run under this process's own eyes."""

    def __init__(self, view: View, config: Config, task: Task, ledger: Any, signals: list[signal.Signals]) -> None:
        self.view = view
        self.config = config
        self.task = task
        self.ledger = ledger
        self.cancelled: Optional[Reason] = None
        self.executor = TaskExecutor(lambda message: None, self)
        self.alone = False  # no other run of the task was at work when this one began
        self.echo = Echo()
        self.run_: TaskExecution
        self.run_id = 0
        for number in signals:
            signal.signal(number, self.cancel)

    def cancel(self, number: int, frame: Any) -> None:
        """A signal: TERM to the task, and KILL after its grace; a second one kills at once."""
        self.executor.cancel(self.run_id, 0.0 if self.cancelled else None)
        self.cancelled = Reason.USER

    def run(self, env: dict[str, str]) -> int:
        run = TaskExecution(
            self.task.task_id,
            Trigger.MANUAL,
            Status.WAITING,
            created_time=time.time(),
            owner=process_identity(os.getpid()),
            env=env or None,
        )
        run = lifecycle.begin_attempt(run, run.created_time)

        self.run_id = self.begin(run)
        self.run_ = run._replace(run_id=self.run_id)
        try:
            launch = make_spec(
                self.task,
                self.run_,
                self.ledger.record(self.task.task_id),
                self.view.home.path,
                self.view.zone_of(self.task.task_id),
                os.environ,
                base_environment(os.environ, self.config),
            )
        except SecretError as error:
            done = ProcessResult(end_time=time.time(), duration=0.0, spawn_error=error.text)
        else:
            done = self.executor.execute_task(launch, self.echo, self.started)
        return self.end(done)

    def open_run(self, path: str, run_id: int, attempt: int) -> RunLog:
        """The task's log, for the executor. An engine rotates the logs of its home, and of several `exec` the one that
        was there first: two programs that rename the same files lose some."""
        engine = read_lock(self.view.home).holder
        rotate = self.alone and not (engine and is_alive(engine, assume=True))
        logs = TaskLogs(self.view.home.logs, self.config.settings.log, self.view.zone, rotate)
        return logs.open_run(path, run_id, attempt)

    def started(self, message: RunStarted) -> None:
        self.run_ = lifecycle.change_attempt(self.run_, process=message.process, log=message.log)
        if self.cancelled:  # before there was anything to cancel
            self.executor.cancel(message.run_id)
        try:
            self.ledger.commit(Batch(runs=[self.run_], durable=False))
        except StoreError:
            pass  # the end brings it; the process is not kept waiting

    def end(self, result: ProcessResult) -> int:
        """Record the end with all that follows from it, as the engine does; then report it on this terminal."""
        now = time.time()
        outcome = policy.classify(result, self.cancelled)
        run = lifecycle.close_attempt(self.run_, outcome, result)
        run = lifecycle.advance(run, outcome.status, now, outcome.reason, outcome.detail)
        effects = policy.effects(run, policy.dependents_of(self.config.tasks), now)
        batch = Batch([run, *effects.skipped], tokens_put=effects.tokens, tails={run.run_id: result.tail})
        composed = Composed()
        try:
            composed = self.patiently(batch, self.write_end)
        finally:
            self.echo.finish()
            tell(status_line(run))
            if result.log_lost:
                tell(lost_output_line(run))
            for run_id, why in composed.failed.items():
                tell(no_messages_line(run_id, why))
        return EXIT_OK if run.status is Status.SUCCESS else EXIT_NO

    def begin(self, run: TaskExecution) -> int:
        """Write the run if the task has a slot for it; its id. To check that and to take the slot is one transaction:
        of two that come at once only one passes."""
        return self.patiently(Batch(runs=[run]), self.write_begin)

    def write_begin(self, batch: Batch) -> int:
        with self.ledger.transaction() as tx:
            self.alone = not refuse_at_maximum(self.task, tx.unfinished_of_others(), self.view.home.path)
            (run_id,) = tx.write(batch)
        return int(run_id)

    def write_end(self, batch: Batch) -> Composed:
        with self.ledger.transaction() as tx:
            run_ids = tx.write(batch)
            return add_notices(tx, batch.runs, run_ids, self.config, os.uname().nodename, self.view.home.path)

    def patiently(self, batch: Batch, write: Callable[[Batch], Result]) -> Result:
        """Write, and wait if the engine or a backup holds the file for some seconds. Raises StoreError."""
        deadline = time.monotonic() + LOCKED_S
        while True:
            try:
                return write(batch)
            except StoreError as error:
                wait = error.kind == "locked" and time.monotonic() <= deadline
                if not wait and not self.ledger.make_room(batch, error):
                    raise


class Echo:
    """A task's output on this terminal: byte by byte as it is into a pipe or file, harmless on a screen. One that takes
    no more of it is given up; the run and the other one go on."""

    def __init__(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {stream: decoder("backslashreplace") for stream in ("out", "err")}
        self._in_line = False  # the cursor of the terminal stands in a line that has no end yet

    def __call__(self, stream: str, block: bytes) -> None:
        target = sys.stdout if stream == "out" else sys.stderr
        try:
            if target.isatty():
                self._show(target, self._decoders[stream].decode(block))
            else:
                target.buffer.write(block)
                target.buffer.flush()
        except OSError as error:
            drop(target)
            if not isinstance(error, BrokenPipeError):
                tell(f"standard {'output' if stream == 'out' else 'error'}: {error.strerror}; the task runs on")

    def finish(self) -> None:
        """What is still to be shown of a character cut short, and on a terminal the end of the last line."""
        for stream, decoder in self._decoders.items():
            rest = decoder.decode(b"", True)
            if rest:
                self(stream, rest.encode())
        if self._in_line and sys.stderr.isatty():
            self("err", b"\n")

    def _show(self, target: TextIO, text: str) -> None:
        # A progress bar's returns are line ends, as in the log.
        text = harmless(text.replace("\r\n", "\n").replace("\r", "\n"))
        target.write(text)
        target.flush()
        if text:
            self._in_line = not text.endswith("\n")
