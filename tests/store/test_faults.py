"""What the store does when the disk, the file or another process fails."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from minisched.catalogue import detail_text, render
from minisched.model import Batch, Status, StoreError, TaskAttempt, TaskRecord, Text
from minisched.store.database import QUICK_CHECK_BYTES, read_db_id
from minisched.store.errors import store_error
from minisched.store.reader import History, schema
from minisched.store.writer import open_store
from support.store import NOW, ask, assert_whole, fill, fill_to_the_brim, locked, make, opened, small_disk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "minisched.db"


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# ------------------------------------------------------------------------------------------------------ another's lock


def test_a_lock_of_another_process_is_locked_and_the_same_batch_succeeds_later(path: Path) -> None:
    with closing(opened(path)) as store, closing(History(str(path))) as history:
        batch = Batch([make(), make("b")], [TaskRecord("backup")])
        with locked(path):
            with pytest.raises(StoreError) as refused:
                store.commit(batch)
            assert refused.value.kind == "locked"
            assert history.page() == ([], 0)  # a reader does not wait
        assert store.commit(batch) == [1, 2]
    assert_whole(path)


# ------------------------------------------------------------------------------------------------------------ full disk


def test_a_full_disk_lets_an_end_through_by_the_ballast_and_heals(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4096) as disk:
        path = disk / "minisched.db"
        with closing(opened(path)) as store:
            [run_id] = store.commit(Batch([make(attempts=(TaskAttempt(1, Status.RUNNING, NOW),))]))
            assert (disk / "ballast").stat().st_size == 256 * 1024
            filler = fill_to_the_brim(disk)
            assert not store.heal(), "other programs have filled the disk; the reserve exists"
            assert (disk / "ballast").exists()
            big = [make(detail=Text("text", text="x" * 20_000)) for _ in range(100)]
            with pytest.raises(StoreError) as refused:
                store.commit(Batch(big))
            assert refused.value.kind == "full"
            assert (disk / "ballast").exists(), "new runs do not cost the ballast"
            end = make(run_id=run_id, status=Status.SUCCESS, detail=Text("text", text="y" * 30_000))
            assert store.commit(Batch([end], tails={run_id: b"z" * 16384})) == [run_id]
            assert not (disk / "ballast").exists()
            assert not store.heal(), "there is no room yet"
            assert not [name for name in names(disk) if name.endswith(".new")]
            filler.unlink()
            assert store.heal()
            assert (disk / "ballast").stat().st_size == 256 * 1024
            assert len(store.commit(Batch(big))) == 100
            assert detail_text(store.unfinished()[0].detail) == "x" * 20_000
        assert_whole(path)


def test_a_disk_that_is_full_at_start_is_full_and_not_damaged(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4096) as disk:
        path = disk / "minisched.db"
        with closing(opened(path)) as store:
            fill(store, 10)
            db_id = store.db_id
        (disk / "ballast").unlink()
        filler = fill_to_the_brim(disk)
        with pytest.raises(StoreError) as refused:
            open_store(str(path), db_id, now=NOW)
        assert refused.value.kind == "full"
        assert not [name for name in names(disk) if "damaged" in name]
        filler.unlink()
        with closing(opened(path, db_id)) as store:
            assert store.records()["backup"].run_count == 10
        assert_whole(path)


def test_a_disk_that_is_full_at_start_is_opened_by_giving_up_the_ballast(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4096) as disk:
        with closing(opened(disk / "minisched.db")) as store:
            fill(store, 10)
        fill_to_the_brim(disk)
        with closing(opened(disk / "minisched.db")) as store:
            assert store.records()["backup"].run_count == 10
            assert not (disk / "ballast").exists()


def test_without_a_code_an_error_is_recognized_by_its_text(tmp_path: Path) -> None:
    import sqlite3

    kinds = {
        "database is locked": "locked",
        "database table is locked: task_history": "locked",
        "database or disk is full": "full",
        "database disk image is malformed": "damaged",
        "malformed database schema (meta)": "damaged",
        "file is not a database": "damaged",
        "disk I/O error": "io",
        "unable to open database file": "io",
        "attempt to write a readonly database": "io",
        "no such table: meta": "io",
    }
    found = {text: store_error(sqlite3.OperationalError(text), str(tmp_path / "db")).kind for text in kinds}
    assert found == kinds


# --------------------------------------------------------------------------------------------------------------- damage


def scribble(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


DAMAGES = {
    "its first bytes": lambda path: scribble(path, 0, b"\xff" * 32),
    "the second page": lambda path: scribble(path, 4104, b"\xff" * 1996),
    "its middle": lambda path: scribble(path, path.stat().st_size // 2 // 4096 * 4096, b"\xa5" * 4096),
    "its second half, cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "all but 100 bytes, cut off": lambda path: os.truncate(path, 100),
    "everything, by a text": lambda path: path.write_text("a shopping list\n" * 500),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_file_is_moved_aside_and_reported_and_a_new_history_started(path: Path, what: str) -> None:
    with closing(opened(path)) as store:
        fill(store, 500, detail=Text("text", text="d" * 100))
        db_id = store.db_id
    DAMAGES[what](path)
    bytes_before = path.read_bytes()
    with pytest.raises(StoreError) as refused:
        open_store(str(path), db_id, now=NOW, repair=False)
    assert refused.value.kind == "damaged"
    assert path.read_bytes() == bytes_before
    store, problems = open_store(str(path), db_id, now=NOW)
    with closing(store):
        assert len(problems) == 1
        assert str(path) in render(problems[0])
        aside = path.with_name("minisched.db.damaged-20261118T110640Z")
        assert f"moved to {aside}" in render(problems[0])
        assert aside.read_bytes() == bytes_before
        assert store.db_id != db_id
        assert store.records() == {}
        assert fill(store, 1)[0] in (1, 501), "the ids continue if the damaged file still has the last one"
    assert_whole(path)


def test_ids_continue_after_the_last_one_of_a_damaged_file_if_it_can_be_read(path: Path) -> None:
    with closing(opened(path)) as store:
        fill(store, 500, detail=Text("text", text="d" * 100))
    DAMAGES["its middle"](path)
    store, _ = open_store(str(path), now=NOW)
    with closing(store):
        assert fill(store, 2) == [501, 502]


def test_a_second_damage_in_the_same_second_gets_a_name_of_its_own(path: Path) -> None:
    for _ in range(2):
        path.write_bytes(b"no database" * 100)
        open_store(str(path), now=NOW)[0].close()
    stem = "minisched.db.damaged-20261118T110640Z"
    assert [name for name in names(path.parent) if "damaged" in name] == [stem, f"{stem}-2"]


def test_damage_inside_a_large_file_is_found_by_a_query_and_fixed_by_reopening(path: Path) -> None:
    with closing(opened(path)) as store:
        fill(store, 3000, detail=Text("text", text="d" * 2000))
        live = store.commit(Batch([make()]))
    assert path.stat().st_size > QUICK_CHECK_BYTES
    quarter = path.stat().st_size // 4 // 4096 * 4096
    scribble(path, quarter, b"\xff" * quarter * 2)
    with closing(opened(path)) as store, closing(History(str(path))) as history:
        kinds = set()
        for number in range(1, 3001, 200):
            try:
                history.run(number)
            except StoreError as error:
                kinds.add(error.kind)
        assert kinds == {"damaged"}
        broken = [make(run_id=number, status=Status.SUCCESS) for number in range(1, 3001)]
        with pytest.raises(StoreError) as refused:
            store.commit(Batch(broken))
        assert refused.value.kind == "damaged"
        problems = store.reopen(NOW, damaged=True)
        assert "the damaged history was moved to" in render(problems[0])
        # The engine gives all that is unfinished again, under the ids that the logs speak of.
        assert store.commit(Batch([make(run_id=live[0]), make()])) == [live[0], live[0] + 1]
        assert history.page()[1] == 2
    assert_whole(path)


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_a_file_that_is_gone_although_there_was_a_history_is_a_problem(path: Path, state: str) -> None:
    if state == "empty":
        path.touch()
    store, problems = open_store(str(path), "0123abcd", now=NOW)
    store.close()
    assert len(problems) == 1
    assert f"{path} is {state} although this home had a history" in render(problems[0])


def test_a_first_start_and_an_empty_file_without_a_history_are_no_problem(path: Path) -> None:
    path.touch()
    with closing(opened(path)) as store:
        fill(store, 1)


def test_a_write_ahead_log_without_its_database_is_not_played_into_the_new_one(path: Path) -> None:
    with closing(opened(path)) as store:
        fill(store, 5)
        wal = path.with_name("minisched.db-wal").read_bytes()
    path.unlink()
    path.with_name("minisched.db-wal").write_bytes(wal)
    store, problems = open_store(str(path), "0123abcd", now=NOW)
    with closing(store):
        assert store.records() == {}
    assert path.with_name("minisched.db.damaged-20261118T110640Z-wal").read_bytes() == wal
    assert len(problems) == 1


def test_another_history_than_the_expected_one_is_a_problem(path: Path) -> None:
    opened(path).close()
    store, problems = open_store(str(path), "0123abcd", now=NOW)
    store.close()
    assert f"another history ({store.db_id}) than this home had before (0123abcd)" in render(problems[0])


def test_a_database_that_is_not_ours_is_moved_aside_whole(path: Path) -> None:
    ask(path, "CREATE TABLE stamps (country TEXT)")
    ask(path, "PRAGMA user_version = 1")
    store, problems = open_store(str(path), now=NOW)
    store.close()
    assert "missing" in render(problems[0])
    assert ask(path.with_name("minisched.db.damaged-20261118T110640Z"), "SELECT * FROM stamps") == []


# ------------------------------------------------------------------------------------------ the file under the engine


def test_a_file_removed_under_the_engine_is_noticed_and_written_again(path: Path) -> None:
    with closing(opened(path)) as store, closing(History(str(path))) as history:
        fill(store, 20)
        assert history.page()[1] == 20
        assert store.check_file() is None
        path.unlink()
        fill(store, 5)  # into the void
        assert "is gone" in render(store.check_file())
        problems = store.reopen(NOW)
        assert "the removed history was saved from the open file" in render(problems[1])
        assert store.check_file() is None
        assert fill(store, 1) == [26]
        assert history.page()[1] == 26
    assert_whole(path)
    assert names(path.parent) == ["ballast", "minisched.db"]


def test_a_file_replaced_under_the_engine_is_opened_without_the_old_ones_log(path: Path) -> None:
    other = path.with_name("other.db")
    with closing(opened(other)) as store:
        fill(store, 7, "restored")
        other_id = store.db_id
    with closing(opened(path)) as store:
        fill(store, 20)
        os.replace(other, path)
        assert "was replaced" in render(store.check_file())
        assert len(store.reopen(NOW)) == 1
        assert store.db_id == other_id
        assert set(store.records()) == {"restored"}
        assert fill(store, 1) == [21], "the logs speak of runs up to 20"
    assert_whole(path)


def test_a_vacuum_by_somebody_else_is_no_cut(path: Path) -> None:
    with closing(opened(path)) as store:
        fill(store, 2000)
        ask(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        assert store.check_file() is None
        before = path.stat().st_size
        ask(path, "DELETE FROM task_history WHERE run_id < 1900")
        ask(path, "VACUUM")
        ask(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        fill(store, 100, "b")  # in the -wal: the file is smaller than the database by as much
        assert path.stat().st_size < before
        assert store.check_file() is None
        os.truncate(path, path.stat().st_size // 2)
        assert "was truncated from" in render(store.check_file())


def test_a_file_cut_to_nothing_under_the_engine_is_seen(path: Path) -> None:
    with closing(opened(path)) as store:
        fill(store, 100)
        assert store.check_file() is None
        os.truncate(path, 0)
        assert "was truncated from" in render(store.check_file())


def test_a_file_cut_under_the_engine_is_moved_aside(path: Path) -> None:
    with closing(opened(path)) as store:
        fill(store, 500)
        ask(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        assert store.check_file() is None
        os.truncate(path, 0)
        assert "was truncated from" in render(store.check_file())
        assert "moved to" in render(store.reopen(NOW)[1])
        assert fill(store, 1) == [501]
    assert_whole(path)


def test_a_folder_that_vanished_is_an_io_error_until_it_is_back(tmp_path: Path) -> None:
    var = tmp_path / "var"
    var.mkdir()
    with closing(opened(var / "minisched.db")) as store:
        fill(store, 3)
        var.rename(tmp_path / "gone")
        for _ in range(2):
            with pytest.raises(StoreError) as refused:
                store.reopen(NOW)
            assert refused.value.kind == "io"
        var.mkdir()
        store.reopen(NOW)
        assert fill(store, 1) == [4]
    assert_whole(var / "minisched.db")


# ------------------------------------------------------------------------------------------------------------- versions


def test_a_newer_database_is_refused_by_name_and_left_as_it_is(path: Path) -> None:
    opened(path).close()
    path.with_name("ballast").unlink()
    ask(path, "PRAGMA user_version = 99")
    before = (path.read_bytes(), path.stat().st_mtime_ns, names(path.parent))
    with pytest.raises(StoreError) as refused:
        open_store(str(path), now=NOW)
    text = str(refused.value)
    assert all(part in text for part in (str(path), "version 99", f"up to {NEWEST}", "run the newer minisched"))
    assert refused.value.kind == "newer"
    assert (path.read_bytes(), path.stat().st_mtime_ns, names(path.parent)) == before


def test_a_newer_version_that_is_only_in_the_write_ahead_log_is_seen_too(path: Path) -> None:
    with closing(opened(path)):
        ask(path, "PRAGMA user_version = 99")
        copy = path.with_name("copy.db")
        for suffix in ("", "-wal"):
            copy.with_name(copy.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    before = copy.read_bytes()
    with pytest.raises(StoreError, match="run the newer minisched"):
        open_store(str(copy), now=NOW)
    assert copy.read_bytes() == before


NEWEST = schema.newest_version()
ADD_COLUMN = ("ALTER TABLE task_state ADD COLUMN note TEXT NOT NULL DEFAULT ''", "UPDATE task_state SET note = 'new'")


def test_an_older_database_is_copied_and_then_brought_up_to_date(path: Path) -> None:
    with closing(schema.connect(str(path))) as db:
        schema.migrate(db, str(path), schema.MIGRATIONS[:1])
        db_id = read_db_id(db)
        for _ in range(5):
            db.execute(
                """INSERT INTO task_history (task_id, "trigger", status, detail, attempt, max_attempts, missed_count,
                created_time) VALUES ('backup', 'manual', 'skipped', '', 0, 1, 0, 3)"""
            )
        db.execute("INSERT INTO task_state (task_id, run_count) VALUES ('backup', 5)")
    with closing(opened(path, db_id)) as store:
        assert store.records()["backup"].run_count == 5
    assert ask(path, "PRAGMA user_version") == [(NEWEST,)]
    backup = path.with_name("minisched.db.v1.bak")
    assert ask(backup, "PRAGMA user_version") == [(1,)]
    assert ask(backup, "SELECT count(*) FROM task_history") == [(5,)]
    assert_whole(path)


@pytest.mark.parametrize("version", [1, 4])
def test_an_id_that_was_deleted_before_the_upgrade_is_not_used_again(path: Path, version: int) -> None:
    with closing(schema.connect(str(path))) as db:
        schema.migrate(db, str(path), schema.MIGRATIONS[:version])
        for _ in range(5):
            db.execute(
                """INSERT INTO task_history (task_id, "trigger", status, detail, attempt, max_attempts, missed_count,
                created_time) VALUES ('backup', 'manual', 'skipped', '', 0, 1, 0, 3)"""
            )
        db.execute("DELETE FROM task_history WHERE run_id > 3")
    with closing(opened(path)) as store:
        assert store.last_id == 5
        assert fill(store, 2) == [6, 7]
        ask(path, "DELETE FROM task_history WHERE run_id > 2")  # by another program
        assert fill(store, 1) == [8]
        ask(path, "DELETE FROM task_history")
    with closing(opened(path)) as store:
        assert fill(store, 1) == [9]
        ask(path, "DELETE FROM task_history WHERE run_id < 9")
        assert fill(store, 1) == [10]


def test_a_migration_that_fails_in_its_middle_changes_nothing(path: Path) -> None:
    import sqlite3

    with closing(opened(path)) as store:
        fill(store, 5)
    with closing(schema.connect(str(path))) as db:
        with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
            schema.migrate(db, str(path), (*schema.MIGRATIONS, (*ADD_COLUMN, "DELETE FROM nowhere")))
        assert schema.user_version(db) == NEWEST
        assert "note" not in [row[1] for row in db.execute("PRAGMA table_info(task_state)")]
    opened(path).close()
    assert_whole(path)


def test_a_new_database_is_seen_empty_or_at_its_newest_version(path: Path) -> None:
    """A reader that meets it half made would ask for an upgrade."""
    seen = set()
    with closing(schema.connect(str(path))) as db:
        db.set_trace_callback(lambda _: seen.add(ask(path, "PRAGMA user_version")[0][0]))
        schema.migrate(db, str(path), (*schema.MIGRATIONS, ADD_COLUMN))
    assert seen <= {0, NEWEST + 1}
    assert ask(path, "PRAGMA user_version") == [(NEWEST + 1,)]


def test_a_migration_takes_the_steps_from_its_version_on_in_order(path: Path) -> None:
    steps = (*schema.MIGRATIONS, ADD_COLUMN, ("UPDATE task_state SET note = note || '!'",))
    with closing(opened(path)) as store:
        fill(store, 1)
    for count in (NEWEST + 1, NEWEST + 2, NEWEST + 2):
        with closing(schema.connect(str(path))) as db:
            schema.migrate(db, str(path), steps[:count])
    assert ask(path, "SELECT note FROM task_state") == [("new!",)]
    assert [name for name in names(path.parent) if name.endswith(".bak")] == [
        f"minisched.db.v{NEWEST}.bak",
        f"minisched.db.v{NEWEST + 1}.bak",
    ]
