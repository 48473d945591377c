"""Whatever call fails, and wherever the process dies: the ledger is the old one or the new one, never a third."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from minisched.model import Batch, Status, TaskAttempt, TaskRecord
from minisched.store import schema
from minisched.store.writer import open_store
from support.store import NOW, ROOT, ask, assert_whole, make, opened

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

# The end of a run with its output, the start of another, a record and a token: what one step of the engine writes.
COMMIT = """if True:
    import os, sys
    from minisched.model import Batch, Status, StoreError, TaskAttempt, TaskExecution, TaskRecord, Trigger
    from minisched.store.writer import open_store

    NOW = 1_795_000_000
    failed = Status.TECHNICAL_FAILURE  # counted once, however often the batch is refused
    attempt = TaskAttempt(1, failed, NOW, end_time=NOW + 1, exit_code=1)
    batch = Batch(
        [
            TaskExecution("backup", Trigger.MANUAL, failed, NOW, run_id=1, attempts=(attempt,)),
            TaskExecution("next", Trigger.SCHEDULE, Status.RUNNING, NOW, scheduled_time=NOW),
        ],
        [TaskRecord("backup", evaluated_until=NOW)],
        tokens_put=[("report", "backup")],
        tails={1: b"t" * 16384},
    )
    store = None
    for attempt in range(3):
        try:
            if store is None:
                store, problems = open_store(sys.argv[1], now=NOW)
                assert problems == [], problems
            print("acknowledged", store.commit(batch), flush=True)
            break
        except StoreError as error:
            assert error.kind in ("full", "io"), error.kind
            print("refused", error.kind, flush=True)
    os._exit(0)  # without the checkpoint of a close, which would double the number of calls
"""
CALLS = ("pwrite64", "fdatasync", "fsync", "ftruncate")
KILL = "signal=SIGKILL"
ERRORS = ("error=ENOSPC", "error=EIO")  # in turn: they differ in the word that SQLite has for them
QUERY = """SELECT (SELECT count(*) FROM task_history), (SELECT status FROM task_history WHERE run_id = 1),
    (SELECT status FROM task_attempt WHERE run_id = 1), (SELECT ifnull(length(output_tail), 0) FROM task_history),
    last_run_id, last_status, last_failure_id, consecutive_failures, settled, (SELECT count(*) FROM task_token)
    FROM task_state WHERE task_id = 'backup'"""
OLD = (1, "running", "running", 0, None, None, None, 0, 0, 0)
NEW = (2, "technical_failure", "technical_failure", 16384, 1, "technical_failure", 1, 1, 1_795_000_000, 1)


def strace(path: Path, log: str, *options: str) -> subprocess.CompletedProcess[str]:
    trace = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", log, "-P", str(path), "-P", f"{path}-wal", *options]
    command = [*trace, sys.executable, "-S", "-c", COMMIT, str(path)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A database with one running run, and room in its folder for copies."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    path = tmp_path / "before" / "minisched.db"
    path.parent.mkdir()
    with closing(opened(path)) as store:
        store.commit(Batch([make(attempts=(TaskAttempt(1, Status.RUNNING, NOW),))]))
    return path


def sample(count: int, most: int) -> list[int]:
    """At most `most` of the numbers 1 to `count`: the first, the last, and evenly between; each costs a process."""
    if count <= most:
        return list(range(1, count + 1))
    return [1 + round(index * (count - 1) / (most - 1)) for index in range(most)]


def copied(before: Path, name: str) -> Path:
    shutil.copytree(before.parent, before.parent.parent / name)
    return before.parent.parent / name / before.name


def test_a_commit_with_any_call_failing_or_killed_leaves_the_old_state_or_the_new_one(before: Path) -> None:
    log = before.parent.parent / "calls"
    if strace(copied(before, "trace"), str(log), "-e", f"trace={','.join(CALLS)}").returncode:
        pytest.skip("strace may not trace here")
    made = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
    points = []
    for call in CALLS:
        numbers = sample(made.count(call), 8)
        points += [(call, number, KILL) for number in numbers]
        points += [(call, number, ERRORS[index % 2]) for index, number in enumerate(numbers)]
    assert {fault for call, _, fault in points if call == "pwrite64"} == {KILL, *ERRORS}
    assert made.count("fdatasync") >= 1

    def provoke(point: tuple[str, int, str]) -> None:
        call, number, fault = point
        path = copied(before, f"{call}-{number}-{fault}")
        done = strace(path, "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={number}")
        acknowledged = "acknowledged [1, 2]" in done.stdout
        if fault != KILL:
            assert (done.returncode, acknowledged) == (0, True), (point, done)
        with closing(opened(path)):
            [state] = ask(path, QUERY)
        assert state == NEW or (state == OLD and not acknowledged), (point, done, state)
        assert_whole(path)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(provoke, points))


WRITE_FOR_EVER = """if True:
    import sys
    from minisched.model import Batch, Status, TaskAttempt, TaskExecution, TaskRecord, Trigger
    from minisched.store.writer import open_store

    NOW = 1_795_000_000
    run = TaskExecution("backup", Trigger.MANUAL, Status.RUNNING, NOW)
    store, problems = open_store(sys.argv[1], now=NOW)
    assert problems == []
    while True:
        first = TaskAttempt(1, Status.RUNNING, NOW)
        ids = store.commit(Batch([run._replace(attempts=(first,))] * 4))
        print("begun", *ids, flush=True)
        over = first._replace(status=Status.SUCCESS)
        ended = [run._replace(run_id=run_id, status=Status.SUCCESS, attempts=(over,)) for run_id in ids]
        store.commit(Batch(ended, [TaskRecord("backup", evaluated_until=ids[-1])], tails={ids[0]: b"x" * 9000}))
        print("ended", *ids, flush=True)
"""


def test_what_was_acknowledged_outlives_any_kill(tmp_path: Path) -> None:
    path = tmp_path / "minisched.db"
    begun: set[int] = set()
    ended: set[int] = set()
    for lines in (1, 2, 5, 20, 61, 150):
        command = [sys.executable, "-c", WRITE_FOR_EVER, str(path)]
        with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            heard = [child.stdout.readline() for _ in range(lines)]
            child.send_signal(signal.SIGKILL)
            heard += child.stdout.readlines()
        for line in heard:
            if line.endswith("\n"):
                word, *ids = line.split()
                {"begun": begun, "ended": ended}[word].update(int(run_id) for run_id in ids)
        with closing(opened(path)) as store:
            found = dict(ask(path, "SELECT run_id, status FROM task_history"))
            assert begun <= set(found)
            assert {run_id for run_id in ended if found[run_id] != "success"} == set()
            assert len(found) - len(begun) in (0, 4), "at most the batch that was being acknowledged"
            begun = set(found)
            assert {run.run_id for run in store.unfinished()} == {n for n in found if found[n] == "running"}
            record = store.records()["backup"]
            assert record.run_count == len(found)
            last_run_id = max((n for n in found if found[n] == "success"), default=None)
            assert (record.last_run_id, record.evaluated_until) == (last_run_id, last_run_id or 0), "of the same batch"
        assert_whole(path)
    assert len(ended) > 300


def test_a_migration_with_any_call_killed_leaves_the_old_version_or_the_new_one(before: Path) -> None:
    code = """if True:
        import sys
        from minisched.store import schema
        from minisched.store.writer import open_store
        schema.MIGRATIONS = (*schema.MIGRATIONS, ("ALTER TABLE meta ADD COLUMN note TEXT", "UPDATE meta SET note = 1"))
        open_store(sys.argv[1], now=0)[0].close()
    """
    names = before.parent.parent
    newest = schema.newest_version()

    def trace(path: Path, log: str, *options: str) -> int:
        trace = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", log, *options]
        command = [*trace, sys.executable, "-S", "-c", code, str(path)]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, timeout=60, check=False).returncode

    calls = ("pwrite64", "rename", "fdatasync")
    trace_of = f"trace={','.join(calls)}"
    if trace(copied(before, "trace"), str(names / "calls"), "-e", trace_of):
        pytest.skip("strace may not trace here")
    made = re.findall(r"^\d+ +(\w+)\(", (names / "calls").read_text(), re.MULTILINE)
    points = [(call, number) for call in calls for number in range(1, made.count(call) + 1)]
    points = points[:: max(1, len(points) // 12)]  # each costs three starts of Python

    def provoke(point: tuple[str, int]) -> None:
        call, number = point
        path = copied(before, f"{call}-{number}")
        trace(path, "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}")
        version = ask(path, "PRAGMA user_version")[0][0]
        columns = [row[1] for row in ask(path, "PRAGMA table_info(meta)")]
        assert (version, columns) in ((newest, ["name", "value"]), (newest + 1, ["name", "value", "note"])), point
        assert ask(path, "SELECT count(*) FROM task_history") == [(1,)]
        assert ask(path, "PRAGMA integrity_check") == [("ok",)]
        assert trace(path, "/dev/null", "-e", "trace=none") == 0  # the next start goes on
        assert ask(path, "PRAGMA user_version") == [(newest + 1,)]
        backup = path.with_name(f"minisched.db.v{newest}.bak")
        assert ask(backup, "SELECT count(*) FROM task_history") == [(1,)]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(provoke, points))


def test_a_process_killed_before_its_first_commit_leaves_a_database_that_opens(tmp_path: Path) -> None:
    code = f"""if True:
        import os
        from minisched.store.writer import open_store
        open_store({str(tmp_path / "minisched.db")!r}, now=0)
        os.kill(os.getpid(), 9)"""
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=False)
    store, problems = open_store(str(tmp_path / "minisched.db"), now=NOW)
    with closing(store):
        assert problems == []
        assert store.commit(Batch([make()], [TaskRecord("backup")])) == [1]
