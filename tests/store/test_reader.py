"""What can be asked of the past, and by which way the database finds it."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from minisched.lifecycle import advance, change_attempt
from minisched.model import (
    Batch,
    HistorySettings,
    ProcessIdentity,
    Status,
    StoreError,
    TaskRecord,
    Text,
    Trigger,
)
from minisched.store.reader import Filter, History, Outcome, Past, TaskTotals, find_page, rows, schema
from minisched.store.retention import Retention
from minisched.store.schema import NO_BACKFILL
from minisched.store.writer import Store
from support.process import linux
from support.store import NOW, ask, assert_whole, fill, full_run, make, opened, plans, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minisched.model import TaskExecution

STATUSES = [status for status in Status if status is not Status.IDLE]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "minisched.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(opened(path)) as store:
        yield store


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    with closing(History(str(path))) as history:
        yield history


def mixed(store: Store, count: int, seed: int = 1) -> list[TaskExecution]:
    """Runs of three tasks in all statuses, made while the clock stepped to and fro; newest first."""
    draw = random.Random(seed)
    runs = [
        make(draw.choice("abc"), draw.choice(STATUSES))._replace(
            trigger=draw.choice(list(Trigger)),
            created_time=NOW + draw.randrange(50),
        )
        for _ in range(count)
    ]
    return [run._replace(run_id=run_id) for run, run_id in zip(runs, store.commit(Batch(runs)))][::-1]


def test_without_a_database_every_answer_is_empty_and_nothing_is_made(history: History, path: Path) -> None:
    assert history.page() == ([], 0)
    assert history.run(1) is None
    assert history.tail(1) == b""
    assert history.outcomes(["a"], 30) == {"a": ()}
    assert history.pasts(["a"], 30) == {}
    assert (history.last_statuses(), history.totals()) == ({}, {})
    assert (history.records(), history.unfinished(), history.tokens()) == ({}, [], set())
    assert list(path.parent.iterdir()) == []


def test_a_reader_made_before_the_database_finds_it_when_it_is_there(history: History, path: Path) -> None:
    assert history.page()[1] == 0
    with closing(opened(path)) as store:
        fill(store, 3)
        assert history.page()[1] == 3


@pytest.mark.parametrize("size", [1, 7, 20, 200])
def test_pages_put_together_are_the_whole_history_newest_first(store: Store, history: History, size: int) -> None:
    runs = mixed(store, 95)
    for wanted in ({}, {"task_id": "b"}, {"statuses": [Status.SUCCESS, Status.MISSED]}, {"since": NOW + 25}):
        pages = [history.page(page=number, page_size=size, **wanted) for number in range(1, 95 // size + 2)]
        found = [run for items, _ in pages for run in items]
        whole, total = history.page(page_size=1000, **wanted)
        assert found == whole
        assert {total for _, total in pages} == {total} == {len(whole)}
    assert history.page(page_size=1000)[0] == runs


def test_filters_give_what_a_plain_search_gives(store: Store, history: History) -> None:
    runs = mixed(store, 300)
    draw = random.Random(2)
    for _ in range(150):
        task_id = draw.choice([None, "a", "b", "nobody"])
        statuses = draw.sample(STATUSES, draw.choice([0, 0, 1, 3]))
        triggers = draw.sample(list(Trigger), draw.choice([0, 0, 1, 2]))
        since = draw.choice([None, NOW + draw.randrange(-2, 55)])
        until = draw.choice([None, NOW + draw.randrange(-2, 55)])
        expected = [
            run
            for run in runs
            if task_id in (None, run.task_id)
            and (not statuses or run.status in statuses)
            and (not triggers or run.trigger in triggers)
            and (since is None or run.created_time >= since)
            and (until is None or run.created_time < until)
        ]
        number = draw.randrange(1, 5)
        page = expected[(number - 1) * 10 : number * 10]
        assert history.page(task_id, statuses, triggers, since, until, number, 10) == (page, len(expected))


def test_a_page_outside_the_history_is_empty_and_has_the_total(store: Store, history: History) -> None:
    fill(store, 5)
    assert history.page(page=2, page_size=5) == ([], 5)
    assert history.page(page=10**12, page_size=200) == ([], 5)
    assert history.page(page=0) == ([], 5)


def test_one_run_is_found_with_its_attempts_and_its_output(store: Store, history: History) -> None:
    [run_id] = store.commit(Batch([full_run()]))
    store.commit(Batch(tails={run_id: b"out"}))
    assert history.run(run_id) == full_run()._replace(run_id=run_id)
    assert (history.tail(run_id), history.tail(run_id + 1)) == (b"out", b"")
    assert history.run(run_id + 1) is None


def test_the_last_outcomes_are_of_finished_runs_oldest_first(store: Store, history: History) -> None:
    made = [
        make("a", Status.SUCCESS, start_time=NOW, duration=0.5),
        make("b", Status.SUCCESS),
        make("a", Status.SKIPPED),
        make("a", Status.RUNNING),
    ]
    ids = store.commit(Batch(made))
    skipped = Outcome(ids[2], Status.SKIPPED, None, NOW, None)
    assert history.outcomes(["a"], 30) == {"a": (Outcome(ids[0], Status.SUCCESS, NOW, NOW, 0.5), skipped)}
    assert history.outcomes(["a"], 1) == {"a": (skipped,)}


@pytest.mark.parametrize("others", [0, 50])
def test_the_history_of_many_tasks_is_read_at_once(store: Store, history: History, others: int) -> None:
    last = full_run()._replace(task_id="a", status=Status.BUSINESS_FAILURE)
    ids = store.commit(Batch([make("a", Status.SUCCESS), last, make("a"), make("b")]))
    store.commit(Batch([make(f"other{number}", Status.SUCCESS) for number in range(others)]))
    names = [f"other{number}" for number in range(others)]
    pasts = history.pasts(["b", "a", "never ran", *names], 30)
    assert list(pasts) == ["b", "a", *names]
    assert pasts["a"] == Past(history.records()["a"], last._replace(run_id=ids[1]), history.outcomes(["a"], 30)["a"])
    assert (pasts["a"].record.consecutive_failures, pasts["a"].record.run_count) == (1, 3)
    assert pasts["b"] == Past(history.records()["b"], None, ())
    assert len(history.pasts(["a"], 1)["a"].outcomes) == 1
    assert all(pasts[name].last_run for name in names)


def test_the_totals_of_all_tasks_are_those_of_their_records_and_last_runs(store: Store, history: History) -> None:
    mixed(store, 50)
    store.commit(Batch(records=[TaskRecord("never ran", "key", NOW)]))
    totals = history.totals()
    for task_id, record in history.records().items():
        last = history.run(record.last_run_id or 0)
        assert totals.pop(task_id) == TaskTotals(
            record.last_status,
            record.consecutive_failures,
            record.last_success_time,
            record.run_count,
            last.end_time if last else None,
            last.duration if last else None,
        )
    assert totals == {}


def test_last_statuses_are_of_finished_runs_of_all_tasks_or_of_some(store: Store, history: History) -> None:
    made = [make("a", Status.SUCCESS), make("a"), make("b", Status.MISSED), make("c"), make("d", Status.SKIPPED)]
    store.commit(Batch(made))
    assert history.last_statuses() == {"a": Status.SUCCESS, "b": Status.MISSED, "d": Status.SKIPPED}
    names = ["a", "c", "never ran", *(f"other{number}" for number in range(1000)), "b"]
    assert history.last_statuses(names) == {"a": Status.SUCCESS, "b": Status.MISSED}
    assert history.last_statuses([]) == {}


def test_reader_and_writer_agree_on_records_unfinished_runs_and_tokens(store: Store, history: History) -> None:
    mixed(store, 50)
    store.commit(Batch([make("a", Status.MISSED)], [TaskRecord("a", "key", NOW)], tokens_put=[("a", "b")]))
    assert history.records() == store.records()
    assert history.records()["a"].last_status is Status.MISSED
    assert history.unfinished() == store.unfinished()
    assert history.tokens() == {("a", "b")}


def test_a_reader_does_not_wait_for_a_transaction_that_is_open(store: Store, path: Path, history: History) -> None:
    fill(store, 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM task_history")
        assert history.page()[1] == 3
        assert len(history.page()[0]) == 3


@linux
def test_a_reader_opens_the_file_to_read_only(store: Store, path: Path, history: History) -> None:
    def flags() -> list[int]:
        """Those of the descriptors of the file that are open in this process; see open(2)."""
        fds = [fd for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink() and os.readlink(fd) == str(path)]
        texts = [Path(f"/proc/self/fdinfo/{fd.name}").read_text() for fd in fds]
        return [int(text.split("flags:")[1].split()[0], 8) & os.O_ACCMODE for text in texts]

    fill(store, 1)
    before = flags()
    assert history.page()[1] == 1
    assert sorted(flags()) == sorted([*before, os.O_RDONLY])


def test_a_reader_follows_the_file_that_takes_the_place_of_another(path: Path, store: Store, history: History) -> None:
    fill(store, 3)
    assert history.page()[1] == 3
    store.reopen(NOW, damaged=True)
    fill(store, 8)
    assert history.page()[1] == 8
    path.unlink()
    assert history.page() == ([], 0)


def test_the_history_on_a_read_only_file_system_is_read(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2048) as disk:
        with closing(opened(disk / "minisched.db")) as store:
            fill(store, 3)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with closing(History(str(disk / "minisched.db"))) as history:
            assert history.page()[1] == 3
            assert len(history.page()[0]) == 3


def test_a_database_of_another_version_is_named_to_the_reader(path: Path, history: History) -> None:
    opened(path).close()
    ask(path, "PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="schema version 99"):
        history.page()
    ask(path, "PRAGMA user_version = 0")
    assert history.page() == ([], 0)


# ------------------------------------------------------------------------------------------- by which way it is found


STATUS = "SEARCH task_history USING COVERING INDEX task_history_status (status=?"
SPAN = "SEARCH task_history USING COVERING INDEX task_history_created (created_time>?)"
ROWS = "SEARCH task_history USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
WAYS = {
    "one task": (Filter("a"), ["SEARCH task_history USING COVERING INDEX task_history_task (task_id=?)"]),
    "one task, filtered": (
        Filter("a", (Status.SUCCESS, Status.MISSED), (Trigger.MANUAL,), NOW, NOW + 9),
        ["SEARCH task_history USING INDEX task_history_task (task_id=?)"],
    ),
    "one status": (Filter(statuses=(Status.MISSED,)), [f"{STATUS})"]),
    "failures": (Filter(statuses=(Status.BUSINESS_FAILURE, Status.TECHNICAL_FAILURE)), [f"{STATUS})"]),
    "a status in a span of time": (
        Filter(statuses=(Status.MISSED,), since=NOW + 1),
        [SPAN, f"{STATUS} AND run_id>? AND run_id<?)"],
    ),
    "a span of time": (
        Filter(since=NOW + 1),
        [SPAN, ROWS],
    ),
    "success in a span of time": (
        Filter(statuses=(Status.SUCCESS,), since=NOW + 1),
        [
            SPAN,
            f"{STATUS} AND run_id>? AND run_id<?)",
            ROWS,
        ],
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_page_is_found_by_an_index_in_order_without_sorting(store: Store, path: Path, name: str) -> None:
    mixed(store, 100)
    wanted, ways = WAYS[name]
    for page in (1, 2):  # the second one from the end
        found = "\n".join(plans(path, lambda db, page=page: find_page(db, wanted, page, 9)).values())
        assert all(way in found for way in ways), found
        assert "SCAN task_history" not in found
        assert "TEMP B-TREE" not in found


@pytest.mark.parametrize("statuses", [(), (Status.SUCCESS, Status.MISSED)])
def test_a_trigger_is_looked_for_in_an_index_not_in_the_table(
    store: Store, path: Path, statuses: tuple[Status, ...]
) -> None:
    mixed(store, 100)
    wanted = Filter(statuses=statuses, triggers=(Trigger.MANUAL,))
    for plan in plans(path, lambda db: find_page(db, wanted, 1, 9)).values():
        assert "task_history USING" not in plan.replace("USING COVERING INDEX", "")


@pytest.mark.parametrize("statuses", [(), (Status.SUCCESS,)])
def test_most_of_the_history_is_walked_from_its_end_and_counted_by_what_it_is_not(
    store: Store, path: Path, statuses: tuple[Status, ...]
) -> None:
    mixed(store, 100)
    found = plans(path, lambda db: find_page(db, Filter(statuses=statuses), 1, 9))
    *counts, (page, plan) = found.items()
    assert "ORDER BY run_id DESC LIMIT 9 OFFSET 0" in page
    assert plan == "SCAN task_history"
    assert not [query for query, plan in counts if "SCAN task_history" in plan or "USING INDEX" in plan]


def test_unfiltered_totals_do_not_touch_the_history(store: Store, path: Path) -> None:
    mixed(store, 10)
    queries = plans(path, lambda db: [find_page(db, Filter(task_id), 99, 9) for task_id in (None, "a", "b")])
    assert len(queries) == 3
    assert not [query for query in queries if "task_history" in query]


def test_retention_and_recovery_find_their_rows_by_an_index(store: Store, path: Path) -> None:
    mixed(store, 200)
    due = f"""SELECT scheduled_time FROM task_history INDEXED BY task_history_due
        WHERE task_id = 'a' AND scheduled_time > 0 AND {NO_BACKFILL}"""

    def clean_up(db: sqlite3.Connection) -> None:
        retention, keep = Retention(db), HistorySettings(keep_days=1, keep_runs=5)
        assert retention.step(db, keep, NOW, 5, {"a"}) == 5
        assert retention.step(db, keep, NOW + 2 * 86_400, 50, {"a"}) == 50
        rows.read_unfinished(db)
        db.execute(due)

    found = plans(path, clean_up)
    assert len(found) > 8
    for query, plan in found.items():
        if "FROM task_history" in query and "FROM (" not in query:
            assert "SEARCH" in plan and "SCAN" not in plan and "TEMP B-TREE" not in plan, (query, plan)
        assert "SCAN task_history" not in plan


def test_a_history_of_version_2_is_read_as_it_was(path: Path) -> None:
    """With rows for all attempts, and details that are sentences."""
    with closing(schema.connect(str(path))) as db:
        schema.migrate(db, str(path), schema.MIGRATIONS[:2])
        for number, status in enumerate(STATUSES, 1):
            db.execute(
                """INSERT INTO task_history (task_id, "trigger", status, detail, start_time, attempt, max_attempts,
                missed_count, created_time) VALUES ('a', 'manual', ?, ?, 4, 1, 1, 0, 3)""",
                (status.value, "" if number % 2 else 'waited "30 s"'),
            )
            db.execute(
                """INSERT INTO task_attempt (run_id, attempt, status, detail, start_time, leftover_processes,
                output_cut, log_lost, pid, start_ticks, boot_id) VALUES (?, 1, ?, ?, 4, 2, 0, 1, 5, 6, 'b')""",
                (number, status.value, "" if status is Status.RUNNING else "killed"),
            )
        db.execute("INSERT INTO task_state (task_id, run_count) VALUES ('a', ?)", (len(STATUSES),))
    with closing(opened(path)) as store, closing(History(str(path))) as history:
        for number, status in enumerate(STATUSES, 1):
            ((run,), total) = history.page(statuses=[status])
            (attempt,) = run.attempts
            assert (total, run.run_id, run.status, attempt.status) == (1, number, status, status)
            assert run.detail == (None if number % 2 else Text("text", text='waited "30 s"'))
            if status is not Status.RUNNING:
                assert attempt.detail == Text("text", text="killed")
            assert (attempt.leftover_processes, attempt.output_cut, attempt.log_lost) == (2, False, True)
            assert attempt.process == ProcessIdentity(5, 6, "b")
        assert store.unfinished() == history.unfinished()
    assert path.with_name("minisched.db.v2.bak").exists()
    assert_whole(path)


@pytest.mark.parametrize("process", [(None, None, None), (5, 6, "b")])
def test_an_attempt_of_version_2_that_a_crash_left_can_end(path: Path, process: tuple[Any, ...]) -> None:
    with closing(schema.connect(str(path))) as db:
        schema.migrate(db, str(path), schema.MIGRATIONS[:2])
        db.execute(
            """INSERT INTO task_history (task_id, "trigger", status, detail, start_time, attempt, max_attempts,
            missed_count, created_time) VALUES ('a', 'manual', 'running', '', 4, 1, 1, 0, 3)"""
        )
        db.execute(
            """INSERT INTO task_attempt (run_id, attempt, status, detail, start_time, leftover_processes, output_cut,
            log_lost, pid, start_ticks, boot_id) VALUES (1, 1, 'running', '', 4.25, 0, 0, 0, ?, ?, ?)""",
            process,
        )
    with closing(opened(path)) as store, closing(History(str(path))) as history:
        (run,) = store.unfinished()
        assert [(one.status, one.start_time) for one in run.attempts] == [(Status.RUNNING, 4.25)]
        assert run.attempts[0].process == (ProcessIdentity(*process) if process[0] else None)
        run = change_attempt(run, status=Status.TECHNICAL_FAILURE, reason="interrupted", end_time=9)
        run = advance(run, Status.TECHNICAL_FAILURE, 9, "interrupted")
        store.commit(Batch([run]))
        assert history.run(1) == run


def test_a_single_attempt_that_says_what_its_run_says_has_no_row(store: Store, path: Path, history: History) -> None:
    attempt = full_run().attempts[0]
    same = {name: getattr(attempt, name) for name in ("status", "reason", "detail", "exit_code", "start_time")}
    alone = make(**same, end_time=attempt.end_time, duration=attempt.duration, attempts=(attempt,))
    retrying = make(status=Status.RETRYING, start_time=attempt.start_time, attempts=(attempt,))
    ids = store.commit(Batch([alone, retrying, full_run()]))
    assert ask(path, "SELECT run_id FROM task_attempt") == [(ids[1],), (ids[2],), (ids[2],)]
    for run_id, run in zip(ids, (alone, retrying, full_run())):
        assert history.run(run_id) == run._replace(run_id=run_id)


@pytest.mark.parametrize("detail", ["manually", "5", '["a"]', "{"])
def test_a_detail_that_another_program_wrote_is_shown_as_it_is(
    store: Store, path: Path, history: History, detail: str
) -> None:
    fill(store, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE task_history SET detail = ?", (detail,))
    (run,), _ = history.page()
    assert run.detail == Text("text", text=detail)
