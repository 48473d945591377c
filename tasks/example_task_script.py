#!/usr/bin/env python3
"""A template for a task in Python 3.9+, standard library only. Copy it, rename it, replace `work`.

This example reads the measurements that `example_task_script.sh` collects and writes a summary of each day.

    python3 tasks/example_task_script.py --input data/disk_usage.csv --output data/disk_report.txt

The script only prints: the scheduler writes its output to the log of the task and adds the time to each line.

The exit code tells the scheduler the result:
    0      success
    1      business failure: the script worked but did not meet its goal (too few measurements). Never retried.
    other  technical failure, retried if the task has `task_retry`: 2 wrong arguments (from argparse),
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

# Import third-party packages inside `work`: an import that fails here exits with 1 (a business failure), before `main`
# can turn it into a technical failure.

EXIT_SUCCESS = 0
EXIT_BUSINESS_FAILURE = 1
EXIT_UNEXPECTED = 70  # sysexits.h EX_SOFTWARE
EXIT_TERM = 128 + signal.SIGTERM  # 143, as a shell reports it


class BusinessFailure(Exception):
    """The script worked but did not meet its goal; the text says why. The only way to exit with 1."""


@dataclass(frozen=True)
class RunContext:
    """The environment variables that the scheduler sets. A manual run works without them."""

    task_id: str
    run_id: int
    attempt: int  # starts at 1; from 2 on, an earlier attempt failed and may have done part of the work
    trigger: str
    scheduled_time: datetime  # the due time; a late run must use it instead of the current time
    previous_status: str  # "" if no run of the task has ended yet
    last_success_time: Optional[datetime]

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> RunContext:
        scheduled = environ.get("MINISCHED_SCHEDULED_TIME")
        last_success = environ.get("MINISCHED_LAST_SUCCESS_TIME")
        return cls(
            task_id=environ.get("MINISCHED_TASK_ID", "example"),
            run_id=int(environ.get("MINISCHED_RUN_ID", "0")),
            attempt=int(environ.get("MINISCHED_ATTEMPT", "1")),
            trigger=environ.get("MINISCHED_TRIGGER", "manual"),
            scheduled_time=datetime.fromisoformat(scheduled) if scheduled else datetime.now(timezone.utc),
            previous_status=environ.get("MINISCHED_PREVIOUS_STATUS", ""),
            last_success_time=datetime.fromisoformat(last_success) if last_success else None,
        )


def parse_arguments(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write a summary of each day's disk measurements.")
    parser.add_argument("--input", required=True, metavar="FILE", help="CSV: time, folder, percent")
    parser.add_argument("--output", required=True, metavar="FILE", help="the summary, as text")
    parser.add_argument("--min-lines", type=int, default=1, metavar="N", help="fewer are a business failure")
    parser.add_argument("--pause", type=float, default=0.0, metavar="SECONDS", help="wait after each day")
    return parser.parse_args(argv)


@contextlib.contextmanager
def replacing(path: str) -> Iterator[TextIO]:
    """Open a temporary file for writing; it replaces `path` in one step when the block ends without an exception.

    A reader never sees a partial file, and an attempt that dies does not change the old one. The temporary file is in
    the same folder, because a rename works only within one file system. It is removed at every end except KILL.
    """
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # otherwise a power cut after the rename can leave an empty file
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):  # already renamed, or not created
            os.unlink(temporary)


def read_measurements(lines: Iterable[str]) -> list[tuple[str, int]]:
    """(day, percent) of each `time,folder,percent` line; the folder may contain commas. ValueError: an invalid line."""
    measurements = []
    for line in lines:
        moment, rest = line.rstrip("\n").split(",", 1)
        measurements.append((moment[:10], int(rest.rsplit(",", 1)[1])))
    return measurements


def summarise(measurements: Iterable[tuple[str, int]]) -> list[str]:
    """A line for each day: number of measurements, lowest and highest value."""
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
            # Flushed for manual runs into a pipe; under the scheduler PYTHONUNBUFFERED does the same.
            print(f"day {number} of {len(summary)}: {line}", flush=True)
            time.sleep(arguments.pause)
    print(f"wrote {arguments.output}")


def main(argv: Optional[Sequence[str]] = None, environ: Mapping[str, str] = os.environ) -> int:
    """Returns the exit code: 70 for an unexpected exception, because Python's own 1 would be a business failure."""
    arguments = parse_arguments(argv)
    try:
        context = RunContext.from_environ(environ)
        print(
            f"run {context.run_id} of {context.task_id}, attempt {context.attempt}, started by {context.trigger}, "
            f"for {context.scheduled_time.isoformat()}"
        )
        print(
            f"previous run: {context.previous_status or 'none'}; last success: {context.last_success_time or 'never'}"
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
    """Turns TERM into an exception, so that `finally` and `with` clean up. KILL follows after `task_kill_grace`."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second TERM must not interrupt the cleanup
    raise SystemExit(EXIT_TERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end_on_term)
    sys.exit(main())
