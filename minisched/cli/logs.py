"""`logs`: a task's output, of one run, of the last lines, or as it grows."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from typing import TYPE_CHECKING

from minisched.cli.output import Refusal, fail, tell, why_of
from minisched.cli.view import View, unknown_task
from minisched.model import EXIT_NO, EXIT_OK, EXIT_USAGE, LogPosition
from minisched.model.text import visible
from minisched.tasklog import (
    Jump,
    OutputGone,
    last_lines,
    read_from,
    read_remains,
    read_run,
    read_span,
)

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from minisched.model import TaskAttempt

FOLLOW_S = 0.25  # between looks at a log that grows
_BLOCK = 256 * 1024


def logs(options: Namespace) -> int:
    if options.follow and options.run is not None:
        raise Refusal("logs takes -f or --run, not both", code=EXIT_USAGE)
    if options.task is None and options.run is None and not options.follow:
        raise Refusal("logs takes a TASK, --run ID, or -f for all tasks", code=EXIT_USAGE)
    view = View(options.home)
    if options.run is not None:
        return one_run(view, options)
    if options.task is None:
        paths = {name: _path(view, name) for name in view.good_config().tasks}
    else:
        paths = {options.task: log_of(view, options.task)}
    if options.follow:
        return follow(paths, options.n)
    path = paths[options.task]
    usable = _is_usable(path)
    if not show_all(read_span(path, *last_lines(path, options.n))) and usable:
        tell(f"{options.task} has no output yet")
    return EXIT_OK if usable else EXIT_NO


def _is_usable(path: str) -> bool:
    """Whether a log stands there or could; says so where something else is in its place."""
    try:
        usable = stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return True
    if not usable:
        fail(f"{path} is no regular file: output is neither written to it nor read from it; move it away")
    return usable


def log_of(view: View, task_id: str) -> str:
    """The path of a task's log; a task that is gone from the config, or whose config is broken, has its log still.
    Raises Refusal where nobody knows it."""
    if view.config is None or task_id not in view.config.tasks:
        known = {**view.history.records(), **(view.config.tasks if view.config else {})}
        if task_id not in known:
            if view.config is None:
                view.good_config()
            raise unknown_task(task_id, known)
        for problem in view.problems:
            fail(problem)
    return _path(view, task_id)


def _path(view: View, task_id: str) -> str:
    task = view.config.tasks.get(task_id) if view.config else None
    return os.path.join(view.home.logs, task.task_log if task else f"{task_id}.log")


def show(data: bytes, prefix: str = "") -> None:
    """Print lines of a log; on a terminal and elsewhere nothing in them is a command to it."""
    text = visible(data.decode("utf-8", "backslashreplace"))
    if prefix:
        text = "".join(f"{prefix}{line}\n" for line in text.split("\n")[: -1 if text.endswith("\n") else None])
    sys.stdout.write(text)
    sys.stdout.flush()


def show_all(blocks: Iterable[bytes]) -> bool:
    """Print what comes; whether anything did."""
    shown = False
    for block in blocks:
        show(block)
        shown = True
    return shown


def one_run(view: View, options: Namespace) -> int:
    """All output of a run, attempt by attempt; of the last one, where no log has it, the end that the history keeps."""
    run_id: int = options.run
    run = view.history.run(run_id)
    if run is None:
        raise Refusal(f"no run {run_id} in the history")
    if options.task not in (None, run.task_id):
        raise Refusal(f"run {run_id} is one of {run.task_id}")
    path = _path(view, run.task_id)
    for attempt in run.attempts[:-1]:
        missing = show_attempt(path, run_id, attempt)
        if missing:
            tell(f"{missing} (attempt {attempt.attempt})")
    missing = show_attempt(path, run_id, run.attempts[-1]) if run.attempts else f"run {run_id} was not started"
    if not missing:
        return EXIT_OK
    tail = view.history.tail(run_id)
    if tail:
        tell(f"{missing}; the end of it, from the history:")
        show(tail)
        return EXIT_OK
    if run.attempts and (run.attempts[-1].log or run.attempts[-1].log_lost):
        raise Refusal(f"{missing}, and the history keeps none of it")
    seen = view.as_seen(run)
    why = f" ({why_of(seen.reason, seen.detail)})" if seen.reason else ""
    raise Refusal(f"run {run_id} of {run.task_id} has no output: it is {seen.status}{why}")


def show_attempt(path: str, run_id: int, attempt: TaskAttempt) -> str:
    """Print the output of an attempt, or what is left of it; why there is none, if there is none."""
    if attempt.log is None:
        return f"the output of run {run_id} {'could not be written to' if attempt.log_lost else 'is not in'} {path}"
    try:
        show_all(read_run(path, attempt.log, run_id, attempt.attempt))
        return ""
    except OutputGone as error:
        blocks = read_remains(path, run_id, attempt.attempt)
        first = next(blocks, b"")
        if not first:
            return str(error)
    tell(f"the output of run {run_id} is no longer there from its beginning; what is left of it:")
    show(first)
    show_all(blocks)
    return ""


def follow(paths: dict[str, str], lines: int) -> int:
    """Print the last lines, then what comes, until Ctrl-C or until nobody reads it any more; over rotations, and for
    logs that do not exist yet."""
    several = len(paths) > 1
    places: dict[str, LogPosition] = {}
    for name, path in paths.items():
        if _is_usable(path) and os.path.exists(path):
            places[name], _ = last_lines(path, max(1, lines // len(paths)))
    while True:
        for name, path in paths.items():
            while _has_grown(path, places.get(name)):
                data, places[name], jump = read_from(path, places.get(name), _BLOCK)
                if jump is Jump.GONE:
                    tell(f"{name}: some lines were rotated away or removed before they could be shown")
                if not data:
                    break
                show(data, f"{name}: " if several else "")
        if _reader_gone(FOLLOW_S):
            return EXIT_OK


def _has_grown(path: str, place: LogPosition | None) -> bool:
    """Whether there may be more after `place`: one look at the file, where reading would look at the whole folder."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return place is None or (found.st_ino, found.st_size) != tuple(place)


def _reader_gone(timeout_s: float) -> bool:
    """Wait that long; whether a pipe at standard output lost its reader meanwhile. A quiet log would never tell."""
    try:
        output = sys.stdout.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(output).st_mode)
    except (OSError, ValueError):
        is_pipe = False
    if not is_pipe:
        time.sleep(timeout_s)
        return False
    poll = select.poll()
    poll.register(output, 0)  # errors are always told
    return bool(poll.poll(timeout_s * 1000))
