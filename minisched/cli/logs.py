"""`logs`: a task's output: of one run, the last lines, or as it grows."""

from __future__ import annotations

import os
import select
import stat
import sys
import time

from minisched.cli.output import CommandError, print_error
from minisched.cli.tables import why
from minisched.cli.view import View, print_unfinished, unknown_task, with_view
from minisched.model import EXIT_NO, EXIT_OK, EXIT_USAGE, LogPosition, StoreError, Text
from minisched.model.text import visible_bytes
from minisched.tasklog import reading
from minisched.tasklog.reading import Discontinuity, OutputGone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable
    from typing import Optional

    from minisched.model import TaskAttempt, TaskExecution

POLL_S = 0.25  # between two looks at a log that is followed
_BLOCK_BYTES = 256 * 1024


@with_view
def logs(view: View, options: Namespace) -> int:
    if options.follow and options.run is not None:
        raise CommandError(Text("cli.follow_or_run"), exit_code=EXIT_USAGE)
    if options.task is None and options.run is None and not options.follow:
        raise CommandError(Text("cli.which_logs"), exit_code=EXIT_USAGE)
    if options.run is not None:
        return _show_run(view, options)
    if options.task is None:
        paths = {name: view.log_of(name) for name in view.valid_config().tasks}
    else:
        paths = {options.task: _known_log(view, options.task)}
    if options.follow:
        try:
            return _follow(paths, options.n)
        except KeyboardInterrupt:
            print_unfinished(view, paths)
            raise
    path = paths[options.task]
    usable = _is_usable(path)
    printed = _print_all(reading.read_span(path, *reading.last_lines(path, options.n)))
    try:
        lost = [run.run_id for run in view.history.page(task_id=options.task, page_size=1)[0] if output_lost(run)]
    except StoreError:
        lost = []  # a log is read without a history too
    if lost:
        print_error(Text("cli.output_lost", run_id=lost[0], path=path))
    elif not printed and usable:
        print_error(Text("cli.no_output", task=options.task))
    return EXIT_OK if usable else EXIT_NO


def output_lost(run: TaskExecution) -> bool:
    """Whether some of its output could not be written to its log."""
    return any(attempt.log_lost for attempt in run.attempts)


def _is_usable(path: str) -> bool:
    """Whether the log is a regular file or does not exist yet; anything else is reported."""
    try:
        usable = stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return True
    if not usable:
        print_error(Text("cli.not_a_log", path=path))
    return usable


def _known_log(view: View, task_id: str) -> str:
    """The log of a task, which may be gone from the config. Raises CommandError for a task that is not known."""
    if view.config is None or task_id not in view.config.tasks:
        known = {**view.history.records(), **(view.config.tasks if view.config else {})}
        if task_id not in known:
            view.valid_config()
            raise unknown_task(task_id, known)
        for problem in view.problems:
            print_error(problem)
    return view.log_of(task_id)


def _print(data: bytes, prefix: str = "") -> None:
    """Print lines of a log, escaped for terminals."""
    lines = visible_bytes(data)
    if prefix:
        lines = "".join(f"{prefix}{line}\n" for line in lines.split("\n")[: -1 if lines.endswith("\n") else None])
    sys.stdout.write(lines)
    sys.stdout.flush()


def _print_all(blocks: Iterable[bytes]) -> bool:
    """Whether there was anything to print."""
    printed = False
    for block in blocks:
        _print(block)
        printed = True
    return printed


def _show_run(view: View, options: Namespace) -> int:
    """All output of a run, attempt by attempt. If no log has that of the last one, the end that the history keeps."""
    run = view.run(options.run, options.task)
    path = view.log_of(run.task_id)
    for attempt in run.attempts[:-1]:
        missing = _show_attempt(path, run.run_id, attempt)
        if missing:
            print_error(Text("cli.of_attempt", missing=missing, attempt=attempt.attempt))
    missing = Text("cli.not_started", run_id=run.run_id)
    if run.attempts:
        missing = _show_attempt(path, run.run_id, run.attempts[-1])
    if missing is None:
        return EXIT_OK
    tail = view.history.tail(run.run_id)
    if tail:
        print_error(Text("cli.tail_in_history", missing=missing))
        _print(tail)
        return EXIT_OK
    if run.attempts and (run.attempts[-1].log or run.attempts[-1].log_lost):
        raise CommandError(Text("cli.no_tail_in_history", missing=missing))
    seen = view.as_seen(run)
    reason = f" ({why(view.as_json(run))})" if seen.reason else ""
    raise CommandError(
        Text("cli.run_without_output", run_id=run.run_id, task=run.task_id, status=f"{seen.status}{reason}")
    )


def _show_attempt(path: str, run_id: int, attempt: TaskAttempt) -> Optional[Text]:
    """Print the output of an attempt, or what is left of it. None, or why there is none."""
    if attempt.log is None:
        return Text("cli.output_not_written" if attempt.log_lost else "cli.output_not_in", run_id=run_id, path=path)
    try:
        _print_all(reading.read_run(path, attempt.log, run_id, attempt.attempt))
        return None
    except OutputGone:
        blocks = reading.read_remains(path, run_id, attempt.attempt)
        first = next(blocks, b"")
        if not first:
            return Text("cli.output_not_in", run_id=run_id, path=path)
    print_error(Text("cli.output_beginning_gone", run_id=run_id))
    _print(first)
    _print_all(blocks)
    return None


def _follow(paths: dict[str, str], lines: int) -> int:
    """Print the last lines, then new ones as they arrive, until Ctrl-C or until standard output is closed. Goes on
    across rotations, and waits for logs that do not exist yet."""
    several = len(paths) > 1
    positions: dict[str, LogPosition] = {}
    for name, path in paths.items():
        if _is_usable(path) and os.path.exists(path):
            positions[name], _ = reading.last_lines(path, max(1, lines // len(paths)))
    while True:
        for name, path in paths.items():
            while _has_grown(path, positions.get(name)):
                data, positions[name], jump = reading.read_from(path, positions.get(name), _BLOCK_BYTES)
                if jump is Discontinuity.GONE:
                    print_error(Text("cli.lines_gone", task=name))
                if not data:
                    break
                _print(data, f"{name}: " if several else "")
        if _reader_gone(POLL_S):
            return EXIT_OK


def _has_grown(path: str, position: Optional[LogPosition]) -> bool:
    """Whether there may be more after `position`: one look at the file, while reading would search the whole folder."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return position is None or (found.st_ino, found.st_size) != tuple(position)


def _reader_gone(timeout_s: float) -> bool:
    """Wait that long; True if the reader of a pipe at standard output has gone, which a quiet log would never show."""
    try:
        output = sys.stdout.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(output).st_mode)
    except (OSError, ValueError):
        is_pipe = False
    if not is_pipe:
        time.sleep(timeout_s)
        return False
    poll = select.poll()
    poll.register(output, 0)  # errors are always reported
    return bool(poll.poll(timeout_s * 1000))
