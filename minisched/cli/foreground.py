"""`exec`: one run of a task in the foreground, recorded in the history, with the engine or without it."""

from __future__ import annotations

import codecs
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Optional, TextIO

from minisched import lifecycle, policy
from minisched.cli.home import View, task_named
from minisched.cli.output import Refusal, drop, fail, harmless, tell
from minisched.engine import base_environment, dependents_of, make_launch
from minisched.engine.words import loss, sentence
from minisched.executor import TaskExecutor, prepare_process, process_identity
from minisched.model import (
    EXIT_NO,
    EXIT_OK,
    EXIT_USAGE,
    Batch,
    Completion,
    Reason,
    RunStarted,
    Status,
    StoreError,
    TaskExecution,
    Trigger,
)
from minisched.store import open_store
from minisched.tasklog import TaskLogs

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Sequence

    from minisched.model import Config, Task

LOCKED_S = 30.0  # how long a run waits for the engine or a backup to let go of the history
_BLOCKING = (Status.RUNNING, Status.RETRYING)
_CANCELLING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def execute(options: Namespace) -> int:
    """Run a task once, one attempt, its output on this terminal; 0 for success, 1 for any other end."""
    signals = [number for number in _CANCELLING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
    prepare_process()
    env = {}
    for pair in options.env:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise Refusal(f"--env {pair}: expected K=V, such as --env DAY=2026-11-23", code=EXIT_USAGE)
        env[name] = value
    view = View(options.home)
    config = view.good_config()
    task = task_named(options.task, config)
    refuse_at_maximum(task, in_the_way(view, task, view.history.unfinished()))
    view.home.make_folders()
    ledger, problems = open_store(view.home.database, now=time.time(), mend=False)
    try:
        for problem in problems:
            fail(problem)
        return _Foreground(view, config, task, ledger, signals).run(env)
    finally:
        ledger.close()


def in_the_way(view: View, task: Task, unfinished: Iterable[TaskExecution], run_id: int = 0) -> list[int]:
    """The runs of the task that are at work, or about to be by another `exec` that came before run `run_id` (0: by
    any)."""
    seen = [view.as_seen(run) for run in unfinished if run.task_id == task.task_id and run.run_id != run_id]
    starting = (Status.WAITING, Trigger.MANUAL)
    return [
        run.run_id
        for run in seen
        if run.status in _BLOCKING or ((run.status, run.trigger) == starting and not 0 < run_id < run.run_id)
    ]


def refuse_at_maximum(task: Task, run_ids: Sequence[int]) -> None:
    """Raises Refusal where no further run of the task may start beside these."""
    if len(run_ids) >= task.task_max_instances:
        raise Refusal(
            f"{task.task_id} is at its task_max_instances ({task.task_max_instances}): "
            f"run {', '.join(map(str, run_ids))} is under way; wait for its end and try again",
            code=EXIT_NO,
        )


class _Foreground:
    """One run under this process's own eyes."""

    def __init__(self, view: View, config: Config, task: Task, ledger: Any, signals: list[signal.Signals]) -> None:
        self.view = view
        self.config = config
        self.task = task
        self.ledger = ledger
        self.cancelled: Optional[Reason] = None
        # The engine may rotate this log at any moment; two programs that rename the same files lose some.
        logs = TaskLogs(view.home.logs, config.settings.log, view.zone, rotate=False)
        self.executor = TaskExecutor(lambda message: None, logs)
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
        (self.run_id,) = self.commit(Batch(runs=[run]))
        run = run._replace(run_id=self.run_id)
        self.give_way(run, Status.SKIPPED)
        self.run_ = lifecycle.begin_attempt(run, time.time())
        self.commit(Batch(runs=[self.run_], durable=False))
        self.give_way(self.run_, Status.CANCELLED)  # the engine may have begun a run since the first look
        try:
            launch = make_launch(
                self.task,
                self.run_,
                self.ledger.record(self.task.task_id),
                self.view.home.path,
                self.view.zone_of(self.task.task_id),
                os.environ,
                base_environment(os.environ, self.config),
            )
        except (LookupError, OSError, ValueError) as error:
            done = Completion(end_time=time.time(), duration=0.0, spawn_error=f"task_env: {error}")
        else:
            done = self.executor.execute_task(launch, self.echo, self.started)
        return self.end(done)

    def give_way(self, run: TaskExecution, status: Status) -> None:
        """End as `status` where somebody was faster. Raises Refusal then."""
        others = in_the_way(self.view, self.task, self.ledger.unfinished(), self.run_id)
        try:
            refuse_at_maximum(self.task, others)
        except Refusal:
            reason = Reason.OVERLAP if status is Status.SKIPPED else Reason.REPLACED
            detail = f"run {', '.join(map(str, others))} is under way"
            if run.attempts:
                run = lifecycle.change_attempt(run, status=status, reason=reason.value, end_time=time.time())
            self.commit(Batch(runs=[lifecycle.advance(run, status, time.time(), reason, detail)]))
            raise

    def started(self, message: RunStarted) -> None:
        self.run_ = lifecycle.change_attempt(self.run_, process=message.process, log=message.log)
        if self.cancelled:  # before there was anything to cancel
            self.executor.cancel(message.run_id)
        try:
            self.ledger.commit(Batch(runs=[self.run_], durable=False))
        except StoreError:
            pass  # the end brings it; the process is not kept waiting

    def end(self, done: Completion) -> int:
        """Record the end with all that follows from it, as the engine does; then tell it, if anybody listens."""
        now = time.time()
        verdict = policy.classify(done, self.cancelled)
        run = lifecycle.close_attempt(self.run_, verdict, done)
        run = lifecycle.advance(run, verdict.status, now, verdict.reason, verdict.detail)
        effects = policy.effects(run, dependents_of(self.config.tasks), now)
        try:
            self.commit(Batch(runs=[run, *effects.skipped], tokens_put=effects.tokens, tails={run.run_id: done.tail}))
        finally:
            self.echo.finish()
            tell(sentence(run))
            if done.log_lost:
                tell(loss(run))
        return EXIT_OK if run.status is Status.SUCCESS else EXIT_NO

    def commit(self, batch: Batch) -> list[int]:
        """Write, patiently: the engine or a backup may hold the file for some seconds."""
        deadline = time.monotonic() + LOCKED_S
        while True:
            try:
                ids: list[int] = self.ledger.commit(batch)
                return ids
            except StoreError as error:
                if error.kind != "locked" or time.monotonic() > deadline:
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
