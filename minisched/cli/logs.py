"""`logs`: a task's output, of one run, of the last lines, or as it grows."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from typing import TYPE_CHECKING

from minisched.cli.home import View, unknown_task
from minisched.cli.output import Refusal, fail
from minisched.model import EXIT_OK, EXIT_USAGE, LogMark
from minisched.tasklog import OutputGone, read_from, read_run, tail_lines, visible

if TYPE_CHECKING:
    from argparse import Namespace

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
    lines, _ = tail_lines(paths[options.task], options.n)
    if lines:
        show(lines)
    else:
        print(f"{options.task} has no output yet", file=sys.stderr)
    return EXIT_OK


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


def one_run(view: View, options: Namespace) -> int:
    """All output of a run, attempt by attempt; where its log is gone, the end of it that the history keeps."""
    run_id: int = options.run
    run = view.history.run(run_id)
    if run is None:
        raise Refusal(f"no run {run_id} in the history")
    if options.task not in (None, run.task_id):
        raise Refusal(f"run {run_id} is one of {run.task_id}")
    attempts = [(attempt.attempt, attempt.log) for attempt in run.attempts if attempt.log is not None]
    if not attempts:
        raise Refusal(f"run {run_id} of {run.task_id} has no output: it is {view.as_seen(run).status}")
    gone = None
    for number, mark in attempts:
        try:
            for block in read_run(_path(view, run.task_id), mark, run_id, number):
                show(block)
        except OutputGone as error:  # of an early attempt perhaps only: the later ones are shown
            gone = error
    if gone is not None:
        tail = view.history.tail(run_id)
        if not tail:
            raise Refusal(f"{gone}, and the history keeps none of it")
        fail(f"{gone}; the end of it, from the history:")
        show(tail)
    return EXIT_OK


def follow(paths: dict[str, str], lines: int) -> int:
    """Print the last lines, then what comes, until Ctrl-C or until nobody reads it any more; over rotations, and for
    logs that do not exist yet."""
    several = len(paths) > 1
    places: dict[str, LogMark] = {}
    for name, path in paths.items():
        if os.path.exists(path):
            data, places[name] = tail_lines(path, max(1, lines // len(paths)))
            show(data, f"{name}: " if several else "")
    while not _reader_gone(FOLLOW_S):
        for name, path in paths.items():
            while _has_grown(path, places.get(name)):
                data, places[name], _ = read_from(path, places.get(name), _BLOCK)
                if not data:
                    break
                show(data, f"{name}: " if several else "")
    return EXIT_OK


def _has_grown(path: str, place: LogMark | None) -> bool:
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
