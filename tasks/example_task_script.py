#!/usr/bin/env python3
"""A task in Python 3.9+: reads data/disk_usage.txt and writes a report. Copy this file, rename it, replace `work`.

It only prints; the scheduler keeps the log. Its exit code is its result: 0 is success, 1 means that the goal was not
met (never retried), any other code is a technical failure (retried if the task has `task_retry`).
"""

import os
import re
import signal
import sys
import traceback


def work() -> int:
    with open("data/disk_usage.txt", encoding="utf-8") as file:
        found = re.search(r"(\d+) +\d+%", file.read())
    if found is None:
        raise ValueError("data/disk_usage.txt has no line of df")
    free_mb = int(found[1]) // 1024
    if free_mb < 10:
        print(f"goal not met: {free_mb} MB are free", file=sys.stderr)
        return 1
    with open("data/disk_report.txt.new", "w", encoding="utf-8") as file:
        file.write(f"{os.environ.get('MINISCHED_SCHEDULED_TIME', 'a manual run')}: {free_mb} MB are free\n")
    os.replace("data/disk_report.txt.new", "data/disk_report.txt")  # a retry or a reader never meets half a file
    print(f"{free_mb} MB are free")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # `with` and `finally` clean up
    try:
        sys.exit(work())
    except Exception:  # Python itself would exit with 1, which means "goal not met"
        traceback.print_exc()
        sys.exit(70)
