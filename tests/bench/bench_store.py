"""Speed and size of the store, beside what SQLite alone takes on this machine. Run: python tests/bench/bench_store.py

Makes databases of 1,000,000 runs in a temporary folder (about 0.5 GB, a minute).
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from minisched.model import (
    Batch,
    HistorySettings,
    Status,
    TaskAttempt,
    TaskExecution,
    TaskRecord,
    Trigger,
)
from minisched.store import History, Store, open_store

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_795_000_000.0
RUNS = 1_000_000
DAY = 86_400


def best(action: Callable[[], object], rounds: int = 5) -> float:
    """Milliseconds of the fastest of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def rss_mib() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def pairs_a_second(store: Store, size: int, count: int) -> float:
    """Runs a second, each inserted by one durable commit and ended by another, `size` of them in a commit."""
    first = TaskAttempt(1, Status.RUNNING, NOW)
    over = first._replace(status=Status.SUCCESS, end_time=NOW + 1, duration=1.0, exit_code=0)
    run = TaskExecution("bench", Trigger.SCHEDULE, Status.RUNNING, NOW, attempts=(first,))
    due = store.records()["bench"].run_count if "bench" in store.records() else 0
    start = time.perf_counter()
    for _ in range(count // size):
        ids = store.commit(Batch([run._replace(scheduled_time=(due := due + 1)) for _ in range(size)]))
        done = run._replace(status=Status.SUCCESS, end_time=NOW + 1, attempts=(over,))
        ended = [done._replace(run_id=run_id) for run_id in ids]
        store.commit(Batch(ended, [TaskRecord("bench", settled=due)], tails=dict.fromkeys(ids, b"x" * 200)))
    return count / (time.perf_counter() - start)


def floor_a_second(folder: str, size: int, count: int) -> float:
    """The same by a bare executemany into one table without an index, in WAL with synchronous FULL."""
    db = sqlite3.connect(os.path.join(folder, f"floor{size}.db"), isolation_level=None)
    db.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE r (id INTEGER PRIMARY KEY, a, b, c)"
    )
    start = time.perf_counter()
    for number in range(0, count, size):
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO r (a, b, c) VALUES (?, ?, ?)", [("bench", "running", NOW)] * size)
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        ended = [("success", b"x" * 200, number + n + 1) for n in range(size)]
        db.executemany("UPDATE r SET b = ?, c = ? WHERE id = ?", ended)
        db.execute("COMMIT")
    speed = count / (time.perf_counter() - start)
    db.close()
    return speed


def million(path: str, tasks: int) -> None:
    """A database of RUNS runs over `tasks` tasks, one in a hundred a failure."""
    store, _ = open_store(path, now=NOW)
    store.close()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    db.execute(
        """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO task_history (task_id, "trigger", status, detail, scheduled_time, start_time, end_time, duration,
            exit_code, attempt, max_attempts, missed_count, created_time)
        SELECT 'task' || (i % ?), 'schedule', iif(i % 100, 'success', 'technical_failure'), '', ? + i * 10,
            ? + i * 10, ? + i * 10 + 1, 1.0, 0, 1, 1, 0, ? + i * 10.0 FROM n""".replace(
            "iif(i % 100, 'success', 'technical_failure')",
            "CASE WHEN i % 100 THEN 'success' ELSE 'technical_failure' END",
        ),
        (RUNS, tasks, *[int(NOW) - RUNS * 10] * 4),
    )
    db.execute(
        """INSERT INTO task_attempt (run_id, attempt, status, detail, start_time, leftover_processes, output_cut,
        log_lost) SELECT run_id, 1, status, '', start_time, 0, 0, 0 FROM task_history"""
    )
    db.execute(
        """INSERT INTO task_state (task_id, run_count, last_run_id, last_failure_id)
        SELECT task_id, count(*), max(run_id), max(CASE WHEN status = 'technical_failure' THEN run_id END)
        FROM task_history GROUP BY task_id"""
    )
    db.execute("COMMIT")
    db.close()


def pages(path: str, task: str) -> None:
    history = History(path)
    history.page()
    count = history.page(task)[1]
    failures = (Status.BUSINESS_FAILURE, Status.TECHNICAL_FAILURE)
    questions: list[tuple[str, Callable[[], object]]] = [
        ("all, first page", lambda: history.page()),
        ("all, middle page", lambda: history.page(page=RUNS // 40)),
        ("all, last page", lambda: history.page(page=RUNS // 20)),
        ("all, failures", lambda: history.page(statuses=failures)),
        ("all, by hand (none)", lambda: history.page(triggers=[Trigger.MANUAL])),
        ("all, last 24 h (8,640 runs), 200", lambda: history.page(since=NOW - DAY, page_size=200)),
        ("task, first page", lambda: history.page(task)),
        ("task, page 50", lambda: history.page(task, page=50)),
        ("task, middle page", lambda: history.page(task, page=max(1, count // 40))),
        ("task, last page", lambda: history.page(task, page=max(1, count // 20))),
        ("task, failures", lambda: history.page(task, statuses=failures)),
        ("one run", lambda: history.run(RUNS // 2)),
        ("last 30 outcomes", lambda: history.recent_outcomes(task, 30)),
        ("records", lambda: history.records()),
        ("unfinished", lambda: history.unfinished()),
    ]
    for name, question in questions:
        print(f"  {name:36} {best(question):9.3f} ms")
    history.close()


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        before = rss_mib()
        store, _ = open_store(os.path.join(folder, "speed.db"), now=NOW)
        print(f"memory of an open store: {rss_mib() - before:.1f} MiB")
        for size, count in ((1, 1000), (4, 2000), (200, 20_000)):
            floor = floor_a_second(folder, size, count)
            speed = pairs_a_second(store, size, count)
            print(
                f"runs a second, {size:3} a commit: {speed:8.0f}; bare SQLite {floor:8.0f}; {speed / floor:.2f} of it"
            )
        batch = Batch([TaskExecution(f"t{n}", Trigger.SCHEDULE, Status.RUNNING, NOW) for n in range(200)])
        print(f"200 new runs of 200 tasks in a commit: {best(lambda: store.commit(batch), 20):.1f} ms")
        store.close()
        for tasks in (1000, 1):
            path = os.path.join(folder, f"million{tasks}.db")
            million(path, tasks)
            print(f"{RUNS:,} runs of {tasks:,} tasks, {os.path.getsize(path) / 2**20:.0f} MiB:")
            print(f"  {'open':36} {best(lambda path=path: open_store(path, now=NOW)[0].close()):9.3f} ms")
            pages(path, "task0")
            before = rss_mib()
            store, _ = open_store(path, now=NOW)
            kept = HistorySettings(90, 1000)
            kinds = {"too old": kept} if tasks > 1 else {}
            kinds["too many"] = HistorySettings(10_000, 900) if tasks > 1 else kept
            for kind, history in kinds.items():
                for limit in (50, 200):
                    steps = sorted(
                        best(lambda store=store, how=(history, NOW, limit): store.retain(*how), 1) for _ in range(100)
                    )
                    name = f"retain, {kind}, {limit} rows a step"
                    print(f"  {name:36} {steps[50]:9.3f} ms; 90% below {steps[90]:.1f}, longest {steps[-1]:.1f} ms")
            print(f"  memory more after it: {rss_mib() - before:.1f} MiB")
            store.close()


if __name__ == "__main__":
    main()
