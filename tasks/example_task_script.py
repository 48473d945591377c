#!/usr/bin/env python3
"""A template for a task in Python 3.9+, standard library only. Copy it, rename it, replace `work`.

What it does as it stands: it reads the measurements that `example_task_script.sh` collects and writes a summary of
each day.

    python3 tasks/example_task_script.py --input data/disk_usage.csv --output data/disk_report.txt

It only prints: the scheduler writes what a script prints to the task's log, with the time in front.

How it ends is what the scheduler goes by:
    0      success
    1      business failure: the script worked, its goal was not met (too few measurements). Never retried.
    other  technical failure, retried where the task has `task_retry`: 2 wrong arguments (from argparse),
           70 an unexpected exception, 143 ended by TERM (time limit, stop button, shutdown).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional, TextIO

# Import what may be missing (third-party packages) inside `work`: an import that fails up here exits with 1, before
# `main` can say that this is a technical failure.

EXIT_SUCCESS = 0
EXIT_BUSINESS_FAILURE = 1
EXIT_UNEXPECTED = 70  # sysexits.h EX_SOFTWARE
EXIT_TERM = 128 + signal.SIGTERM  # 143, as a shell reports it


class BusinessFailure(Exception):
    """The script worked, its goal was not met; the text says why. The one way to exit with 1."""


@dataclass(frozen=True)
class RunContext:
    """What the scheduler tells a run by its environment. A run by hand works without it."""

    task_id: str
    run_id: int
    attempt: int  # from 1; 2 and more: an earlier attempt failed technically, its work may be half done
    trigger: str
    scheduled_time: datetime  # the time this run is for; a late run works for this one, not for now
    previous_status: str  # "" when the task never ended before
    last_success_time: Optional[datetime]

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> RunContext:
        scheduled = environ.get("MINISCHED_SCHEDULED_TIME")
        last_success = environ.get("MINISCHED_LAST_SUCCESS_TIME")
        return cls(
            task_id=environ.get("MINISCHED_TASK_ID", "by_hand"),
            run_id=int(environ.get("MINISCHED_RUN_ID", "0")),
            attempt=int(environ.get("MINISCHED_ATTEMPT", "1")),
            trigger=environ.get("MINISCHED_TRIGGER", "by_hand"),
            scheduled_time=datetime.fromisoformat(scheduled) if scheduled else datetime.now(timezone.utc),
            previous_status=environ.get("MINISCHED_PREVIOUS_STATUS", ""),
            last_success_time=datetime.fromisoformat(last_success) if last_success else None,
        )


def parse_arguments(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write a summary of each day's disk measurements.")
    parser.add_argument("--input", required=True, metavar="FILE", help="CSV: time, folder, percent")
    parser.add_argument("--output", required=True, metavar="FILE", help="the summary, as text")
    parser.add_argument("--min-lines", type=int, default=1, metavar="N", help="fewer are a business failure")
    parser.add_argument("--pause", type=float, default=0.0, metavar="SECONDS", help="after each day, to watch it work")
    return parser.parse_args(argv)


@contextlib.contextmanager
def replacing(path: str) -> Iterator[TextIO]:
    """A file to write, which takes the place of `path` in one step when the block ends well.

    A reader never sees half a file, and an attempt that dies leaves the old one as it was. The temporary file stands
    in the same folder (a rename works within one file system only) and is removed at every end but KILL.
    """
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut after the rename may leave an empty file
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):  # renamed, or never made
            os.unlink(temporary)


def read_measurements(lines: Iterable[str]) -> list[tuple[str, int]]:
    """(day, percent) of each `time,folder,percent` line; the folder may hold commas. ValueError where one is broken."""
    measurements = []
    for line in lines:
        moment, rest = line.rstrip("\n").split(",", 1)
        measurements.append((moment[:10], int(rest.rsplit(",", 1)[1])))
    return measurements


def summarise(measurements: Iterable[tuple[str, int]]) -> list[str]:
    """A line for each day: how many measurements, the lowest and the highest."""
    by_day: dict[str, list[int]] = {}
    for day, percent in measurements:
        by_day.setdefault(day, []).append(percent)
    return [
        f"{day}: {len(percents)} measurements, {min(percents)} to {max(percents)} % full"
        for day, percents in sorted(by_day.items())
    ]


def work(arguments: argparse.Namespace, context: RunContext) -> None:
    with open(arguments.input, encoding="utf-8") as file:
        measurements = read_measurements(file)
    print(f"read {len(measurements)} measurements from {arguments.input}")
    if len(measurements) < arguments.min_lines:
        raise BusinessFailure(f"{len(measurements)} measurements, at least {arguments.min_lines} are needed")

    summary = summarise(measurements)
    with replacing(arguments.output) as file:
        file.write(f"made for {context.scheduled_time.isoformat()}\n")
        for number, line in enumerate(summary, start=1):
            file.write(f"{line}\n")
            # Flushed at once: the scheduler sets PYTHONUNBUFFERED, a pipe by hand would hold it back.
            print(f"day {number} of {len(summary)}: {line}", flush=True)
            time.sleep(arguments.pause)
    print(f"wrote {arguments.output}")


def main(argv: Optional[Sequence[str]] = None, environ: Mapping[str, str] = os.environ) -> int:
    """The exit code. Whatever goes wrong unexpectedly is 70: Python's own 1 would read as a business failure."""
    arguments = parse_arguments(argv)
    try:
        context = RunContext.from_environ(environ)
        print(
            f"run {context.run_id} of {context.task_id}, attempt {context.attempt}, started by {context.trigger}, "
            f"for {context.scheduled_time.isoformat()}"
        )
        print(
            f"the run before: {context.previous_status or 'none'}; last success: {context.last_success_time or 'never'}"
        )
        work(arguments, context)
    except BusinessFailure as failure:
        print(f"goal not met: {failure}", file=sys.stderr)
        return EXIT_BUSINESS_FAILURE
    except Exception:
        traceback.print_exc()
        return EXIT_UNEXPECTED
    return EXIT_SUCCESS


def end_on_term(signum: int, frame: object) -> None:
    """Turn TERM into an exception, so that `finally` and `with` clean up. KILL follows after `task_kill_grace`."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second TERM must not interrupt the cleaning up
    raise SystemExit(EXIT_TERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end_on_term)
    sys.exit(main())
