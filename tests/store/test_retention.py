"""What retention deletes, what it keeps, and in which steps."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from minisched.model import Batch, HistorySettings, Status, TaskAttempt, TaskRecord
from minisched.store.retention import Retention
from minisched.store.writer import Store
from support.store import NOW, ask, assert_whole, fill, make, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400
EVER = 100_000  # days, or runs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "minisched.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(opened(path)) as store:
        yield store
    assert_whole(path)


def ids(path: Path, task_id: str = "backup") -> list[int]:
    return [row[0] for row in ask(path, f"SELECT run_id FROM task_history WHERE task_id = '{task_id}' ORDER BY run_id")]


def retain_all(store: Store, history: HistorySettings, now: float = NOW, limit: int = 7) -> list[int]:
    """The sizes of all steps of a pass."""
    steps = []
    while True:
        steps.append(store.retain(history, now, limit))
        if not steps[-1]:
            return steps


def test_each_task_keeps_its_newest_runs(store: Store, path: Path) -> None:
    made = fill(store, 20)
    fill(store, 3, "b")
    assert retain_all(store, HistorySettings(EVER, 5)) == [7, 7, 1, 0]
    assert ids(path) == made[-5:]
    assert len(ids(path, "b")) == 3
    assert store.records()["backup"].run_count == 5


def test_the_latest_due_time_that_is_deleted_stays_known(store: Store) -> None:
    store.commit(Batch([make("a", Status.SUCCESS, scheduled_time=int(NOW) - 100 + due) for due in (1, 3, 2, 4)]))
    fill(store, 3)
    retain_all(store, HistorySettings(EVER, 1))
    assert store.records()["a"].purged_until == int(NOW) - 97
    assert store.record("backup").purged_until == 0


def test_a_due_time_still_to_come_is_not_deleted_for_its_number(store: Store, path: Path) -> None:
    """The clock was set back, and will come over it again."""
    dues = [int(NOW) + offset for offset in (-5, 5, 10, 2 * DAY)]
    made = store.commit(Batch([make("a", Status.SUCCESS, scheduled_time=due) for due in (*dues, int(NOW) - 1)]))
    retain_all(store, HistorySettings(EVER, 1))
    assert ids(path, "a") == [made[1], made[2], made[4]]
    retain_all(store, HistorySettings(EVER, 1), now=NOW + 11)
    assert ids(path, "a") == [made[4]]


def test_runs_older_than_the_days_to_keep_go_and_their_attempts_with_them(store: Store, path: Path) -> None:
    attempts = (TaskAttempt(1, Status.SUCCESS, NOW),)
    old = fill(store, 10, created_time=NOW - 3 * DAY, attempts=attempts)
    new = fill(store, 4, created_time=NOW - DAY, attempts=attempts)
    assert retain_all(store, HistorySettings(2, EVER)) == [7, 3, 0]
    assert ids(path) == new
    assert ask(path, "SELECT count(*) FROM task_attempt") == [(4,)]
    assert old[0] < new[0]


def test_the_latest_failure_the_last_run_and_unfinished_runs_stay_at_any_age_and_number(
    store: Store, path: Path
) -> None:
    unfinished = store.commit(Batch([make(created_time=NOW - 500 * DAY)]))
    failures = fill(store, 3, status=Status.TECHNICAL_FAILURE, created_time=NOW - 400 * DAY)
    successes = fill(store, 30, created_time=NOW - 300 * DAY)
    retain_all(store, HistorySettings(90, 1000))
    assert ids(path) == [*unfinished, failures[-1], successes[-1]]
    more = fill(store, 20)
    retain_all(store, HistorySettings(EVER, 5))
    assert ids(path) == [*unfinished, failures[-1], *more[-5:]]
    assert retain_all(store, HistorySettings(EVER, 5)) == [0]


def test_a_failure_that_is_no_longer_the_latest_goes(store: Store, path: Path) -> None:
    first, second = (fill(store, 1, status=Status.TECHNICAL_FAILURE, created_time=NOW - 400 * DAY)[0] for _ in "ab")
    [success] = fill(store, 1, created_time=NOW - 400 * DAY)
    retain_all(store, HistorySettings(90, 1000))
    assert ids(path) == [second, success]
    [third] = fill(store, 1, status=Status.BUSINESS_FAILURE, created_time=NOW)
    retain_all(store, HistorySettings(90, 1000))
    assert ids(path) == [third]
    assert first < second < third


def test_runs_made_while_the_clock_was_far_ahead_do_not_keep_newer_ones_out(store: Store, path: Path) -> None:
    fill(store, 10, created_time=NOW + 4000 * DAY)
    newest = fill(store, 5)
    retain_all(store, HistorySettings(90, 5))
    assert ids(path) == newest


def test_rows_that_are_kept_are_read_once_in_a_pass(store: Store, path: Path) -> None:
    tasks = [f"t{number}" for number in range(300)]
    store.commit(Batch([make(task, Status.TECHNICAL_FAILURE, created_time=NOW - 400 * DAY) for task in tasks]))
    fill(store, 100, created_time=NOW - 300 * DAY)
    fill(store, 1)
    work = []
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        retention = Retention(db)
        while True:
            ticks: list[None] = []
            db.set_progress_handler(lambda ticks=ticks: ticks.append(None), 100)  # each 100 steps of SQLite
            if not retention.step(db, HistorySettings(90, 1000), NOW, 10, None):
                break
            work.append(len(ticks))
    assert len(work) == 10
    assert max(work[1:]) < work[0] / 3


def test_tasks_that_are_no_longer_configured_age_out_with_all_that_is_known_of_them(store: Store, path: Path) -> None:
    fill(store, 1, "gone", status=Status.TECHNICAL_FAILURE, created_time=NOW - 400 * DAY)
    [kept] = fill(store, 1, "kept", status=Status.TECHNICAL_FAILURE, created_time=NOW - 400 * DAY)
    store.commit(Batch(records=[TaskRecord("young", evaluated_until=NOW)], tokens_put=[("gone", "kept")]))
    history = HistorySettings(90, 1000)
    assert store.retain(history, NOW, 10) == 0
    assert store.retain(history, NOW, 10, tasks={"kept"}) == 1
    assert store.retain(history, NOW, 10, tasks={"kept"}) == 0
    assert ids(path, "kept") == [kept]
    assert set(store.records()) == {"kept", "young"}
    assert store.tokens() == set()


def test_a_step_deletes_no_more_than_it_may_across_tasks(store: Store, path: Path) -> None:
    for task in "abc":
        fill(store, 4, task)
    assert retain_all(store, HistorySettings(EVER, 1), limit=5) == [5, 4, 0]
    assert [len(ids(path, task)) for task in "abc"] == [1, 1, 1]


def test_tasks_with_too_many_runs_take_turns_a_few_runs_each(store: Store, path: Path) -> None:
    tasks = [f"t{number:02}" for number in range(15)]
    for task in tasks:
        fill(store, 9, task)

    def counts() -> list[int]:
        return [store.records()[task].run_count for task in tasks]

    history = HistorySettings(EVER, 2)
    assert store.retain(history, NOW, 20) == 20
    assert counts() == [7] * 10 + [9] * 5
    assert store.retain(history, NOW, 20) == 20
    assert counts() == [5] * 5 + [7] * 10
    assert sum(retain_all(store, history, limit=20)) == 15 * 7 - 40
    assert counts() == [2] * 15
    assert [len(ids(path, task)) for task in tasks] == [2] * 15


# ------------------------------------------------------------------------------------------------ the size of the file


def mb(path: Path) -> float:
    return path.stat().st_size / 2**20


def fill_with_output(store: Store, number: int, task_id: str = "backup", **changes: Any) -> list[int]:
    made = store.commit(Batch([make(task_id, **{"status": Status.SUCCESS, **changes}) for _ in range(number)]))
    store.commit(Batch(tails=dict.fromkeys(made, b"x" * 16_000)))
    return made


def test_beyond_its_size_the_oldest_successes_of_all_tasks_go_first(store: Store, path: Path) -> None:
    failures = fill_with_output(store, 20, status=Status.TECHNICAL_FAILURE)
    old = fill_with_output(store, 50, "a")
    new = fill_with_output(store, 50, "b")
    retain_all(store, HistorySettings(EVER, EVER, 2**20))
    assert ids(path) == failures
    left = ids(path, "b")
    assert ids(path, "a") == old[-1:]  # the latest run of each task stays
    assert left == new[-len(left) :] and 20 < len(left) < 50


def test_when_no_success_is_left_other_runs_go_but_the_latest_failure_of_each_task_stays(
    store: Store, path: Path
) -> None:
    failures = {name: fill_with_output(store, 30, name, status=Status.TECHNICAL_FAILURE) for name in "abc"}
    successes = {name: fill_with_output(store, 30, name) for name in "abc"}
    unfinished = fill_with_output(store, 1, "d", status=Status.RUNNING)
    steps = retain_all(store, HistorySettings(EVER, EVER, 1))
    for name in "abc":
        assert ids(path, name) == [failures[name][-1], successes[name][-1]]
    assert ids(path, "d") == unfinished
    assert sum(steps) < 500  # it ends, although the limit is not reached
    assert retain_all(store, HistorySettings(EVER, EVER, 1)) == [0]  # and does not look through all again at once


def test_the_file_never_grows_beyond_its_limit(store: Store, path: Path) -> None:
    history = HistorySettings(EVER, EVER, 4 * 2**20)
    largest = 0.0
    for _ in range(40):
        fill_with_output(store, 20)
        retain_all(store, history, limit=50)
        largest = max(largest, mb(path))
    assert 3.8 < largest <= 4.4  # what was written between two passes comes on top


def test_a_full_history_is_not_looked_through_from_its_beginning_each_time(store: Store, path: Path) -> None:
    for number in range(300):
        fill_with_output(store, 1, f"t{number}", status=Status.TECHNICAL_FAILURE)
    history = HistorySettings(EVER, EVER, 6 * 2**20)
    fill_with_output(store, 300)
    retain_all(store, history, limit=10)
    fill_with_output(store, 50)
    before = ids(path)
    assert store.retain(history, NOW, 10) == 10  # a step of 100 rows
    assert ids(path) == before[10:]


def test_the_file_shrinks_to_a_limit_that_was_lowered(store: Store, path: Path) -> None:
    fill_with_output(store, 400)
    retain_all(store, HistorySettings(EVER, EVER, 100 * 2**20))
    assert store.records()["backup"].run_count == 400
    retain_all(store, HistorySettings(EVER, EVER, 2**20), limit=50)
    store.close()
    assert mb(path) <= 1.0


def test_a_file_of_an_older_version_uses_its_free_pages_again(path: Path) -> None:
    """It was made without a map of its pages, and is not rewritten as a whole."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE first (one)")
        db.execute("DROP TABLE first")
    history = HistorySettings(EVER, EVER, 2 * 2**20)
    with closing(opened(path)) as store:
        fill_with_output(store, 200)
        retain_all(store, history, limit=50)
        before = mb(path)
        for _ in range(10):
            fill_with_output(store, 20)
            retain_all(store, history, limit=50)
    assert mb(path) <= before


def test_without_a_limit_of_size_nothing_goes_for_it(store: Store) -> None:
    fill_with_output(store, 50)
    retain_all(store, HistorySettings(EVER, EVER, 0))
    assert store.records()["backup"].run_count == 50


def test_a_step_reads_some_rows_only_where_most_are_kept(store: Store, path: Path) -> None:
    for number in range(300):
        fill_with_output(store, 1, f"t{number}", status=Status.TECHNICAL_FAILURE)
    [success, _] = fill_with_output(store, 2, "last")
    history = HistorySettings(EVER, EVER, 2**20)
    deleted = []
    for _ in range(6):
        assert store.retain(history, NOW, 10) == 10
        deleted.append(success not in ids(path, "last"))
    assert deleted[:2] == [False, False] and deleted[-1]


def test_while_no_run_is_written_the_states_of_the_tasks_are_looked_through_once_an_hour(store: Store) -> None:
    def passes(now: float) -> set[str]:
        assert store.retain(HistorySettings(90, 1000), now, 10, tasks={"backup"}) == 0
        return set(store.records())

    fill(store, 1)
    passes(NOW)
    gone = Batch(records=[TaskRecord("gone", evaluated_until=NOW - 400 * DAY)])
    store.commit(gone)
    assert passes(NOW + 60) == {"backup", "gone"}
    assert passes(NOW + 3601) == {"backup"}
    store.commit(gone)
    fill(store, 1)
    assert passes(NOW + 3661) == {"backup"}
