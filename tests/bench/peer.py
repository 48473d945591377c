"""The same work by APScheduler 3 with a Flask page: what a Python team would write. Run by the bench with `--peer`.

Jobs are in memory, each run a `subprocess.run` that captures both streams within a time limit, its output logged line
by line through a TimedRotatingFileHandler and its end written to an SQLite table, durably. Kinds, arguments and output
as in floor.py, and

    idle COUNT      COUNT jobs due once a year, the page served; prints the port and stays
    start COUNT     the same and one job due now, then ends; the figure is 0, the instant that of the job's process
    flood FILES..   the output of `cat` of these files; the figure is seconds
"""

from __future__ import annotations

import logging
import logging.handlers
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from flask import Flask, jsonify
from floor import own_cpu_s, report
from werkzeug.serving import make_server

DATE = ["/bin/date", "+%s.%N"]
instants: list[str] = []
log = logging.getLogger("tasks")
writing = threading.Lock()
db = sqlite3.connect("peer.db", check_same_thread=False)


def run(words: list[str]) -> None:
    began = time.time()
    done = subprocess.run(words, capture_output=True, text=True, timeout=3600, check=False, start_new_session=True)
    for line in (done.stdout + done.stderr).splitlines():
        log.info("%s", line)
    with writing, db:
        db.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", (words[0], began, time.time(), done.returncode))
    if words is DATE:
        instants.append(done.stdout.strip())


def serve(scheduler: BackgroundScheduler) -> int:
    """The port of the page."""
    app = Flask("peer")

    @app.get("/tasks")
    def tasks() -> Any:
        return jsonify(
            [{"id": job.id, "name": job.name, "next": str(job.next_run_time)} for job in scheduler.get_jobs()]
        )

    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_port)


def scheduler_of(threads: int) -> BackgroundScheduler:
    defaults = {"misfire_grace_time": 60, "coalesce": True}
    return BackgroundScheduler(
        executors={"default": ThreadPoolExecutor(threads)}, job_defaults=defaults, timezone=timezone.utc
    )


def add_idle(scheduler: BackgroundScheduler, count: int) -> None:
    month = time.gmtime(time.time() - 40 * 86400).tm_mon
    for number in range(count):
        trigger = CronTrigger(minute=number % 60, hour=number % 24, day=1, month=month, timezone=timezone.utc)
        words = ["tasks/backup.sh", "--full", f"host{number}"]
        scheduler.add_job(run, trigger, [words], id=f"backup_{number}", name=f"Backup of host {number}")


def due(count: int, times: int, period: float, phase: float, words: list[str]) -> None:
    """So many jobs at each instant. The figure is runs a second from the second instant on."""
    scheduler = scheduler_of(min(count, 200))
    first = (time.time() - phase) // period * period + phase + 2 * period
    done: list[float] = []

    def job() -> None:
        run(words)
        done.append(time.time())

    start = datetime.fromtimestamp(first, timezone.utc)
    for _ in range(count):
        scheduler.add_job(job, "interval", seconds=period, start_date=start)
    serve(scheduler)
    scheduler.start()
    time.sleep(first - time.time() - 0.1)
    began_s = own_cpu_s()
    time.sleep(0.1 + (times - 0.05) * period)
    cpu_s = own_cpu_s() - began_s
    inside = [instant for instant in done if first + period <= instant < first + times * period]
    report(len(inside) / ((times - 1) * period), cpu_s, max(1, len(done)), list(instants))
    sys.stdout.flush()
    scheduler.shutdown(wait=False)


def main() -> None:
    kind, arguments = sys.argv[1], sys.argv[2:]
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"):
        db.execute(statement).fetchall()
    db.execute("CREATE TABLE IF NOT EXISTS runs (task, began, ended, exit_code)")
    handler = logging.handlers.TimedRotatingFileHandler("peer.log", when="midnight", backupCount=7)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # it may have too much to do
    if kind in ("due", "rate"):
        count, times, period, phase = int(arguments[0]), int(arguments[1]), float(arguments[2]), float(arguments[3])
        due(count, times, period, phase, DATE if kind == "due" else ["/bin/true"])
    elif kind == "flood":
        began = time.perf_counter()
        run(["cat", *arguments])
        report(time.perf_counter() - began, 0, 1, [])
    else:
        scheduler = scheduler_of(10)
        add_idle(scheduler, int(arguments[0]))
        if kind == "start":
            scheduler.add_job(run, None, [DATE])
        port = serve(scheduler)
        scheduler.start()
        if kind == "idle":
            print(port, flush=True)
            threading.Event().wait()
        while not instants:
            time.sleep(0.005)
        report(0, 0, 1, instants)
        sys.stdout.flush()
        scheduler.shutdown(wait=False)


if __name__ == "__main__":
    main()
