"""What the store writes, and what it returns."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from minisched.catalogue import detail_text
from minisched.model import Batch, HistorySettings, Status, StoreError, TaskAttempt, TaskRecord, Text
from minisched.store.reader import History, schema
from minisched.store.writer import Store, open_store
from support.store import NOW, ask, assert_whole, fill, full_run, make, opened, watch_connections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from minisched.model import Ledger

DUE = 1_794_999_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "minisched.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = opened(path)
    ledger: Ledger = store  # the protocol is kept
    assert ledger is store
    yield store
    store.close()
    assert_whole(path)


def test_every_field_of_a_run_comes_back_as_it_was_written(store: Store, path: Path) -> None:
    [run_id] = store.commit(Batch([full_run()]))
    with closing(History(str(path))) as history:
        assert history.run(run_id) == full_run()._replace(run_id=run_id)


def test_ids_come_in_the_order_of_the_batch_and_known_runs_keep_theirs(store: Store) -> None:
    first, second = store.commit(Batch([make(), make()]))
    known = make(run_id=first, status=Status.SUCCESS)
    assert store.commit(Batch([make(), known, make()])) == [second + 1, first, second + 2]


def test_a_run_that_has_ended_cannot_end_again(store: Store, path: Path) -> None:
    [run_id] = store.commit(Batch([make()]))
    ended = make(run_id=run_id, status=Status.TECHNICAL_FAILURE, reason="interrupted", end_time=NOW + 5)
    store.commit(Batch([ended], tails={run_id: b"first"}))
    again = make(
        run_id=run_id, status=Status.SUCCESS, end_time=NOW + 9, attempts=(TaskAttempt(1, Status.SUCCESS, NOW),)
    )
    with store.transaction() as tx:
        assert tx.write(Batch([again, make()], tails={run_id: b"second"})) == [run_id, run_id + 1]
        assert tx.ended_before == {run_id}
    with closing(History(str(path))) as history:
        assert history.run(run_id) == ended
    assert ask(path, f"SELECT output_tail FROM task_history WHERE run_id = {run_id}") == [(b"first",)]
    record = store.record("backup")
    assert (record.last_status, record.consecutive_failures, record.run_count) == (Status.TECHNICAL_FAILURE, 1, 2)


def test_an_id_is_never_used_again_even_after_the_newest_was_deleted(store: Store, path: Path) -> None:
    ids = fill(store, 5)
    assert store.retain(HistorySettings(keep_days=0, keep_runs=0), NOW + 1000, 100, tasks=()) == 5
    assert ask(path, "SELECT count(*) FROM task_history") == [(0,)]
    assert fill(store, 1) == [ids[-1] + 1]


def test_an_older_program_that_has_the_file_open_gets_no_id_after_the_upgrade(tmp_path: Path) -> None:
    """Rows that it let AUTOINCREMENT number would give all later runs ids beyond what JSON holds."""
    path = tmp_path / "history.db"
    insert = f"""INSERT INTO task_history (task_id, "trigger", status, detail, attempt, max_attempts, missed_count,
        created_time) VALUES ('a', 'manual', 'skipped', '', 0, 1, 1, {NOW})"""
    with closing(schema.connect(str(path))) as old:
        schema.migrate(old, str(path), schema.MIGRATIONS[:4])
        old.execute(insert)
        with closing(opened(path)) as store:
            assert fill(store, 1) == [2]
            with pytest.raises(sqlite3.OperationalError, match="full"):
                old.execute(insert)
            assert fill(store, 1) == [3]


def test_a_file_of_an_older_version_is_left_alone_if_it_may_not_be_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(schema.connect(str(path))) as old:
        schema.migrate(old, str(path), schema.MIGRATIONS[:4])
    with pytest.raises(StoreError, match="has schema version 4; start the engine, or restart it") as refused:
        open_store(str(path), now=NOW, repair=False, upgrade=False)
    assert refused.value.kind == "older"
    assert ask(path, "PRAGMA user_version") == [(4,)]


def test_a_change_writes_the_run_and_its_attempts_and_leaves_its_output(store: Store, path: Path) -> None:
    first = TaskAttempt(1, Status.RUNNING, NOW)
    [run_id] = store.commit(Batch([make(attempts=(first,))]))
    store.commit(Batch(tails={run_id: b"\xff\x00 the end\n"}))
    over = first._replace(status=Status.TECHNICAL_FAILURE, end_time=NOW + 1)
    second = TaskAttempt(2, Status.RUNNING, NOW + 2)
    changed = make(run_id=run_id, attempts=(over, second), retry_time=NOW + 5)
    store.commit(Batch([changed]))
    assert store.unfinished() == [changed]
    with closing(History(str(path))) as history:
        assert history.tail(run_id) == b"\xff\x00 the end\n"


def test_a_due_time_that_has_a_run_is_refused_by_name_and_nothing_of_the_batch_is_written(
    store: Store, path: Path
) -> None:
    store.commit(Batch([make(scheduled_time=DUE)]))
    before = ask(path, "SELECT * FROM task_history")
    batch = Batch(
        [make("other"), make(scheduled_time=DUE)],
        records=[TaskRecord("other")],
        tokens_put=[("other", "backup")],
    )
    with pytest.raises(StoreError, match=f"backup has a run for the due time {DUE} already") as refused:
        store.commit(batch)
    assert refused.value.kind == "duplicate"
    assert ask(path, "SELECT * FROM task_history") == before
    assert set(store.records()) == {"backup"}
    assert store.tokens() == set()
    store.commit(Batch([make("other")]))  # without the run that was refused


def test_runs_without_a_due_time_are_never_duplicates(store: Store) -> None:
    assert len(set(store.commit(Batch([make(), make(), make()])))) == 3


def test_due_times_are_those_of_the_task_within_both_ends(store: Store) -> None:
    store.commit(Batch([make(scheduled_time=DUE + n) for n in range(5)] + [make(), make("b", scheduled_time=DUE + 2)]))
    assert store.due_times("backup", DUE + 1, DUE + 3) == {DUE + 1, DUE + 2, DUE + 3}
    assert store.due_times("nobody", 0, DUE * 2) == set()


def test_a_record_comes_back_with_what_the_store_counts_itself(store: Store) -> None:
    given = TaskRecord("backup", "key", NOW, "boot", 3, 7, Status.SUCCESS, NOW - 5, 6, run_count=999)
    kept = TaskRecord("backup", "key", NOW, "boot", run_count=2)
    store.commit(Batch([make(), make(), make("b")], records=[given]))
    assert store.records() == {"backup": kept, "b": TaskRecord("b", run_count=1)}
    assert store.record("backup") == kept
    assert store.record("nobody") == TaskRecord("nobody")
    ended = make(run_id=1, status=Status.SUCCESS, end_time=NOW + 9)
    store.commit(Batch([ended], records=[given._replace(schedule_hash="new", evaluated_until=NOW + 1, boot_id="next")]))
    kept = kept._replace(schedule_hash="new", evaluated_until=NOW + 1, boot_id="next")
    kept = kept._replace(last_run_id=1, last_status=Status.SUCCESS, last_success_time=NOW + 9)
    assert store.records()["backup"] == kept
    store.commit(Batch(records=[given]))
    assert store.record("backup") == kept._replace(schedule_hash="key", evaluated_until=NOW, boot_id="boot")


def test_what_the_runs_of_a_task_came_to_is_counted_at_their_ends_in_the_order_of_the_batch(store: Store) -> None:
    first, second, third = store.commit(Batch([make(), make(), make()]))
    assert store.record("backup") == TaskRecord("backup", run_count=3)

    store.commit(Batch([make(run_id=third, status=Status.BUSINESS_FAILURE), make(run_id=first, status=Status.SKIPPED)]))
    record = TaskRecord("backup", "", 0, "", 1, first, Status.SKIPPED, None, third, run_count=3)
    assert store.record("backup") == record

    store.commit(Batch([make(run_id=second, status=Status.RETRYING)]))  # an attempt has failed, the run has not ended
    assert store.record("backup") == record

    failed, skipped, _ = store.commit(
        Batch([make(status=Status.TECHNICAL_FAILURE), make(status=Status.MISSED), make(), make("b", Status.CANCELLED)])
    )[:3]
    record = record._replace(consecutive_failures=2, last_run_id=skipped, last_status=Status.MISSED)
    assert store.record("backup") == record._replace(last_failure_id=failed, run_count=6)
    assert store.record("b") == TaskRecord("b", last_run_id=skipped + 2, last_status=Status.CANCELLED, run_count=1)

    success = make(run_id=second, status=Status.SUCCESS, end_time=NOW + 7)
    store.commit(Batch([make(status=Status.BUSINESS_FAILURE), success]))
    record = TaskRecord("backup", "", 0, "", 0, second, Status.SUCCESS, NOW + 7, skipped + 3, run_count=7)
    assert store.record("backup") == record

    store.commit(Batch([make(run_id=skipped + 1, status=Status.TECHNICAL_FAILURE)]))
    record = record._replace(consecutive_failures=1, last_run_id=skipped + 1, last_status=Status.TECHNICAL_FAILURE)
    assert store.record("backup") == record._replace(last_failure_id=skipped + 1)


def test_a_batch_that_was_refused_counts_no_end(store: Store) -> None:
    store.commit(Batch([make(scheduled_time=DUE)]))
    before = store.records()
    with pytest.raises(StoreError, match="already"):
        store.commit(Batch([make(run_id=1, status=Status.TECHNICAL_FAILURE), make(scheduled_time=DUE)]))
    assert store.records() == before


def test_tokens_are_put_once_and_taken_once(store: Store) -> None:
    store.commit(Batch(tokens_put=[("report", "a"), ("report", "b")]))
    store.commit(Batch(tokens_put=[("report", "a")]))
    assert store.tokens() == {("report", "a"), ("report", "b")}
    store.commit(Batch(tokens_taken=[("report", "a"), ("report", "z")]))
    assert store.tokens() == {("report", "b")}


def test_unfinished_runs_come_oldest_first_with_their_attempts(store: Store) -> None:
    statuses = [Status.WAITING, Status.SUCCESS, Status.RUNNING, Status.RETRYING, Status.MISSED, Status.QUEUED]
    runs = [make(status=status, attempts=(TaskAttempt(1, Status.RUNNING, NOW),)) for status in statuses]
    ids = store.commit(Batch(runs))
    kept = [run._replace(run_id=run_id) for run, run_id in zip(runs, ids) if not run.status.ended]
    assert store.unfinished() == kept


def test_a_text_that_utf8_cannot_hold_is_written_with_escapes(store: Store) -> None:
    attempt = TaskAttempt(1, Status.RUNNING, NOW, detail=Text("text", text="no such file: \udcff"))
    store.commit(Batch([make(detail=Text("text", text="ä\udcff"), attempts=(attempt,))]))
    [run] = store.unfinished()
    assert [detail_text(one.detail) for one in (run, run.attempts[0])] == ["ä\\udcff", "no such file: \\udcff"]


def test_more_runs_than_sqlite_takes_parameters_are_read(store: Store) -> None:
    ids = store.commit(Batch([make() for _ in range(1203)]))
    assert [run.run_id for run in store.unfinished()] == ids


def test_a_write_of_another_connection_is_noticed_once_and_our_own_never(store: Store, path: Path) -> None:
    store.commit(Batch([make()]))
    assert not store.changed_elsewhere()
    other = opened(path)
    other.commit(Batch([make("exec")]))
    assert store.changed_elsewhere()
    assert not store.changed_elsewhere()
    assert store.records()["exec"].run_count == 1
    other.close()


def test_two_writers_count_and_number_together(store: Store, path: Path) -> None:
    other = opened(path)
    ids = [writer.commit(Batch([make()]))[0] for _ in range(10) for writer in (store, other)]
    other.close()
    assert ids == sorted(set(ids))
    assert store.records()["backup"].run_count == 20


def test_an_engine_and_an_exec_on_one_file_overwrite_nothing_of_each_other(store: Store, path: Path) -> None:
    engine = store
    with closing(opened(path)) as beside:
        [due] = engine.commit(Batch([make(scheduled_time=DUE)], [TaskRecord("backup", "key", DUE, "boot")]))
        known = engine.record("backup")  # what the engine holds in memory from here on

        [by_hand] = beside.commit(Batch([make()]))
        beside.commit(Batch([make(run_id=by_hand, status=Status.TECHNICAL_FAILURE)]))
        after = known._replace(consecutive_failures=1, last_run_id=by_hand, run_count=2)
        after = after._replace(last_status=Status.TECHNICAL_FAILURE, last_failure_id=by_hand)
        assert engine.record("backup") == beside.record("backup") == after

        engine.commit(Batch(records=[known._replace(evaluated_until=DUE + 60)]))
        after = after._replace(evaluated_until=DUE + 60)
        assert engine.record("backup") == beside.record("backup") == after

        failed = make(run_id=due, status=Status.BUSINESS_FAILURE, scheduled_time=DUE)
        engine.commit(Batch([failed], [known._replace(evaluated_until=DUE + 120)]))
        after = after._replace(evaluated_until=DUE + 120, consecutive_failures=2, last_run_id=due, last_failure_id=due)
        after = after._replace(last_status=Status.BUSINESS_FAILURE)
        assert engine.record("backup") == beside.record("backup") == after

        [second] = beside.commit(Batch([make(status=Status.SUCCESS, end_time=NOW + 5)]))
        engine.commit(Batch(records=[known._replace(evaluated_until=DUE + 180)]))
        after = after._replace(evaluated_until=DUE + 180, consecutive_failures=0, last_run_id=second, run_count=3)
        after = after._replace(last_status=Status.SUCCESS, last_success_time=NOW + 5)
        assert engine.record("backup") == beside.record("backup") == after

        engine.commit(Batch([make(status=Status.MISSED, scheduled_time=DUE + 240)]))
        assert beside.record("backup").consecutive_failures == 0
        assert beside.record("backup").last_failure_id == due
    assert ask(path, "SELECT run_id, status FROM task_history ORDER BY run_id") == [
        (due, "business_failure"),
        (by_hand, "technical_failure"),
        (second, "success"),
        (second + 1, "missed"),
    ]


def test_only_a_durable_batch_waits_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connections, seen = watch_connections(monkeypatch), list[str]()
    store = opened(path)
    connections[-1].set_trace_callback(seen.append)  # those before it have checked the file, and are closed
    for durable in (True, False, False, True):
        store.commit(Batch([make()], durable=durable))
    assert [text for text in seen if "synchronous" in text] == [
        "PRAGMA synchronous = NORMAL",
        "PRAGMA synchronous = FULL",
    ]


def test_a_mistake_of_the_caller_is_no_store_error_and_leaves_nothing_open(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.commit(Batch([make(), make()._replace(created_time=None)]))  # type: ignore[arg-type]
    assert store.records() == {}
    store.commit(Batch([make()]))


def test_the_log_that_sqlite_writes_ahead_does_not_grow_without_bound(store: Store, path: Path) -> None:
    for _ in range(300):
        ids = store.commit(Batch([make()], durable=False))
        store.commit(Batch(tails={ids[0]: b"x" * 16384}, durable=False))
    assert (path.parent / "minisched.db-wal").stat().st_size < 4 << 20


def test_the_settings_of_the_connection_are_the_small_ones(path: Path) -> None:
    names = ("journal_mode", "synchronous", "cache_size", "busy_timeout", "wal_autocheckpoint")
    with closing(schema.connect(str(path))) as db:
        found = {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in names}
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "cache_size": -512,
        "busy_timeout": 1000,
        "wal_autocheckpoint": 256,
    }


def test_opening_again_finds_everything_and_the_same_name(path: Path) -> None:
    with closing(opened(path)) as store:
        store.commit(Batch([make()], [TaskRecord("backup", "key", NOW)], [("a", "b")]))
        db_id, records, runs = store.db_id, store.records(), store.unfinished()
    with closing(opened(path, db_id)) as store:
        assert (store.db_id, store.records(), store.unfinished()) == (db_id, records, runs)
        assert store.tokens() == {("a", "b")}


def test_two_histories_have_two_names(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "a.db")) as one, closing(opened(tmp_path / "b.db")) as two:
        assert one.db_id != two.db_id
        assert len(one.db_id) == 32


def test_a_folder_name_full_of_uri_syntax_is_only_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "a?mode=memory#b%20c ä"
    folder.mkdir()
    with closing(opened(folder / "minisched.db")) as store:
        store.commit(Batch([make()]))
        with closing(History(store.path)) as history:
            assert history.page()[1] == 1
    assert sorted(entry.name for entry in folder.iterdir()) == ["ballast", "minisched.db"]


def test_a_folder_that_is_not_there_is_an_io_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refused:
        opened(tmp_path / "none" / "minisched.db")
    assert refused.value.kind == "io"


def test_a_transaction_sees_the_unfinished_runs_that_another_process_wrote_since_the_last_look(path: Path) -> None:
    """It reads them only where another process has written: else the caller knows them all."""
    with closing(opened(path)) as store, closing(opened(path)) as other:

        def others(*own: int) -> list[str]:
            with store.transaction() as tx:
                return [run.task_id for run in tx.unfinished_of_others(own)]

        (own,) = store.commit(Batch([make("a")]))
        assert others() == ["a"]  # it has never looked
        assert others(own) == []
        assert [run.task_id for run in store.unfinished()] == ["a"]
        assert others() == []
        other.commit(Batch([make("b")]))
        for _ in range(2):
            assert others(own) == ["b"]
        with pytest.raises(KeyError), store.transaction() as tx:
            tx.write(Batch([make("c")]))
            raise KeyError
        assert store.changed_elsewhere()  # a transaction does not count as the look
        assert [run.task_id for run in store.unfinished()] == ["a", "b"]
        assert others() == []
    assert_whole(path)
