"""`exec`: one run of a task in the foreground, recorded in the history, with or without an engine."""

from __future__ import annotations

import codecs
import os
import signal
import sys
import time

from minisched import lifecycle, policy
from minisched.cli.output import CommandError, discard, log_action, parse_env, print_at_once, print_error, reading_typed
from minisched.cli.view import View, exit_code_of, task_named, with_view
from minisched.config.secrets import base_environment
from minisched.engine import make_spec
from minisched.engine.log_lines import output_lost_line, run_line
from minisched.engine.state import KnownRecord
from minisched.executor.executor import TaskExecutor, prepare_process
from minisched.executor.procfs import is_alive, marked_processes, process_identity
from minisched.home import read_lock
from minisched.model import Batch, ProcessResult, Reason, RunStarted, Status, StoreError, TaskExecution, Text, Trigger
from minisched.model.text import visible
from minisched.notify.compose import Composed, add_notices
from minisched.store.writer import open_store
from minisched.tasklog import RunLog, TaskLogs
from minisched.timetable import parse_past_due

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence
    from typing import Any, Optional, TextIO, TypeVar

    from minisched.model import Config, Task

    Result = TypeVar("Result")

LOCKED_S = 30.0  # to wait for the engine or a backup that holds the database
_CANCELLING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@with_view
def execute(view: View, options: Namespace) -> int:
    """Run a task once, one attempt, with its output on this terminal. The exit code is that of `trigger --wait`."""
    signals = [number for number in _CANCELLING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
    prepare_process()
    env = parse_env(options.env)
    config = view.config_to_act_on(f"exec {options.task}")
    task = task_named(options.task, config)
    view.home.make_folders()
    ledger, problems = open_store(view.home.database, now=time.time(), repair=False, upgrade=view.engine is None)
    try:
        for problem in problems:
            print_error(problem)
        due = None
        if options.due is not None:
            with reading_typed(options.due):
                due = parse_past_due(options.due, view.zone_of(task.task_id), time.time())
        return _Foreground(view, config, task, ledger, signals, options.notify).execute(env, due)
    finally:
        ledger.close()


def check_slots(task: Task, unfinished: Sequence[TaskExecution], home: str) -> bool:
    """Whether no run of the task is active. Raises CommandError if the task has no free slot."""
    active = [run for run in unfinished if run.task_id == task.task_id and holds_slot(run, home)]
    if len(active) < task.task_max_instances:
        return not active
    ids = [str(run.run_id) for run in active]
    lines = [Text("cli.no_slot", task=task.task_id, max=task.task_max_instances, count=len(ids), runs=ids)]
    lines += [Text("cli.orphan", run_id=run.run_id) for run in active if not has_live_owner(run)]
    raise CommandError(*lines)


def check_locks(task: Task, config: Config, unfinished: Sequence[TaskExecution], home: str) -> None:
    """Raises CommandError if the task cannot have all its locks now: processes hold one of them to its size."""
    lines: list[Text] = []
    for name in task.task_locks:
        holders = [
            run
            for run in unfinished
            if run.status is Status.RUNNING
            and run.task_id in config.tasks
            and name in config.tasks[run.task_id].task_locks
            and holds_slot(run, home)
        ]
        size = config.settings.locks.get(name, 1)
        if len(holders) >= size:
            runs = [Text("run_of_task", task=run.task_id, run_id=run.run_id) for run in holders]
            lines.append(Text("cli.no_lock", task=task.task_id, lock=name, size=size, runs=runs))
            lines += [Text("cli.orphan", run_id=run.run_id) for run in holders if not has_live_owner(run)]
    if lines:
        raise CommandError(*lines)


def holds_slot(run: TaskExecution, home: str) -> bool:
    """Whether an unfinished run is active, or about to be in a live engine. Its process may have outlived the engine
    that started it."""
    if has_live_owner(run):
        return policy.holds_slot(run)
    if run.status is not Status.RUNNING:
        return False
    process = run.attempts[-1].process if run.attempts else None
    return is_alive(process, assume=True) if process else bool(marked_processes(run.run_id, home))


def has_live_owner(run: TaskExecution) -> bool:
    return run.owner is not None and is_alive(run.owner, assume=True)


class _Foreground:
    """One run of this process."""

    def __init__(
        self, view: View, config: Config, task: Task, ledger: Any, signals: list[signal.Signals], notify: bool
    ) -> None:
        self.view = view
        self.notify = notify  # whoever looks at this terminal needs no message, unless it is to be tried
        self.config = config
        self.task = task
        self.ledger = ledger
        self.cancelled: Optional[Reason] = None
        self.ended_before = False  # an engine has ended the run, because it took this program for dead
        self.executor = TaskExecutor(lambda message: None, self)
        self.alone = False  # no other run of the task was active when this one started
        self.echo = Echo()
        self.run: TaskExecution
        self.run_id = 0
        for number in signals:
            signal.signal(number, self.cancel)

    def cancel(self, number: int, frame: Any) -> None:
        """A signal: TERM to the task, and KILL after its grace. A second one kills at once."""
        self.executor.cancel(self.run_id, 0.0 if self.cancelled else None)
        if self.cancelled:
            print_at_once(Text("cli.killing", run_id=self.run_id))
        else:
            print_at_once(Text("cli.cancelling", run_id=self.run_id, seconds=self.task.task_kill_grace))
        self.cancelled = Reason.USER

    def execute(self, env: dict[str, str], due: Optional[int]) -> int:
        """due: a past time to run it for."""
        now = time.time()
        owner = process_identity(os.getpid())
        run = TaskExecution(
            self.task.task_id, Trigger.MANUAL, Status.WAITING, created_time=now, owner=owner, env=env or None
        )
        if due is not None:
            repeats = self.view.history.run_for(self.task.task_id, due)
            run = run._replace(trigger=Trigger.BACKFILL, scheduled_time=due, repeats=repeats)
        run = lifecycle.begin_attempt(run, now)
        self.run_id = self.patiently(Batch(runs=[run]), self.write_start)
        self.run = run._replace(run_id=self.run_id)
        log_action(self.view.home, self.config, Text("log.exec", run_id=self.run_id, task=self.task.task_id))
        spec = make_spec(
            self.task,
            self.run,
            KnownRecord.of(self.ledger.record(self.task.task_id)),
            self.view.home.path,
            self.view.zone_of(self.task.task_id),
            os.environ,
            base_environment(os.environ, self.config),
        )
        return self.end(self.executor.execute_task(spec, self.echo, self.started))

    def open_run(self, path: str, run_id: int, attempt: int, encoding: str = "utf-8") -> RunLog:
        """The task's log, for the executor. Only one program may rotate it, or lines are lost: the engine of the home,
        else the `exec` that started first."""
        engine = read_lock(self.view.home).holder
        rotate = self.alone and not (engine and is_alive(engine, assume=True))
        logs = TaskLogs(self.view.home.logs, self.config.settings.log, self.view.zone, rotate)
        return logs.open_run(path, run_id, attempt, encoding)

    def started(self, message: RunStarted) -> None:
        self.run = lifecycle.change_attempt(
            self.run, process=message.process, start_time=message.start_time, log=message.log
        )
        if self.cancelled:  # before there was a process to cancel
            self.executor.cancel(message.run_id)
        try:
            self.ledger.commit(Batch(runs=[self.run], durable=False))
        except StoreError:
            pass  # it is written with the end; the process does not wait for it

    def end(self, result: ProcessResult) -> int:
        """Record the end with all that follows from it, as the engine does; then report it on this terminal."""
        now = time.time()
        outcome = policy.classify(result, self.task.task_exit_codes, self.cancelled)
        run = lifecycle.close_attempt(self.run, outcome, result)
        run = lifecycle.advance(run, outcome.status, now, outcome.reason, outcome.detail)
        effects = policy.effects(run, policy.dependents_of(self.config.tasks), now)
        batch = Batch([run, *effects.skipped], tokens_put=effects.tokens, tails={run.run_id: result.tail})
        composed = Composed()
        try:
            composed = self.patiently(batch, self.write_end)
        finally:
            self.echo.finish()
            print_error(run_line(run))
            if result.log_error is not None:
                print_error(output_lost_line(run, self.view.log_of(run.task_id), result.log_error))
            if self.ended_before:
                print_error(Text("cli.ended_before", run_id=run.run_id))
            for run_id, reason in composed.failed.items():
                print_error(Text("log.not_composed", run_id=run_id, error=reason))
        return exit_code_of(run)

    def write_start(self, batch: Batch) -> int:
        """Write the run if the task has a free slot and its locks are free; its id. To check that and to take them is
        one transaction: of two runs that start at once only one passes."""
        with self.ledger.transaction() as tx:
            unfinished = tx.unfinished_of_others()
            self.alone = check_slots(self.task, unfinished, self.view.home.path)
            check_locks(self.task, self.config, unfinished, self.view.home.path)
            (run_id,) = tx.write(batch)
        self.view.home.announce_write()
        return int(run_id)

    def write_end(self, batch: Batch) -> Composed:
        with self.ledger.transaction() as tx:
            run_ids = tx.write(batch)
            self.ended_before = bool(tx.ended_before)
            runs = batch.runs if self.notify else ()
            composed = add_notices(tx, runs, run_ids, self.config, os.uname().nodename, self.view.home.path)
        self.view.home.announce_write()
        return composed

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
    """A task's output on this terminal: byte by byte into a pipe or file, escaped on a screen. A stream that cannot be
    written is given up; the run and the other stream continue."""

    def __init__(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {stream: decoder("backslashreplace") for stream in ("out", "err")}
        self._in_line = False  # the last line on the screen has no end yet

    def __call__(self, stream: str, block: bytes) -> None:
        target = sys.stdout if stream == "out" else sys.stderr
        try:
            if target.isatty():
                self._show(target, self._decoders[stream].decode(block))
            else:
                target.buffer.write(block)
                target.buffer.flush()
        except OSError as error:
            discard(target)
            if not isinstance(error, BrokenPipeError):
                print_error(Text(f"cli.std{stream}_lost", reason=error.strerror))

    def finish(self) -> None:
        """Show what remains of an incomplete character, and end the last line of a terminal."""
        for stream, decoder in self._decoders.items():
            rest = decoder.decode(b"", True)
            if rest:
                self(stream, rest.encode())
        if self._in_line and sys.stderr.isatty():
            self("err", b"\n")

    def _show(self, target: TextIO, text: str) -> None:
        text = visible(text.replace("\r\n", "\n").replace("\r", "\n"))  # a progress bar, as in the log
        target.write(text)
        target.flush()
        if text:
            self._in_line = not text.endswith("\n")
