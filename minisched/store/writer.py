"""The one writer of the database. A process has one `Store`, used by one thread."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager

from minisched.model import Reason, StoreError, TaskRecord, Text
from minisched.namedtuple import NamedTuple
from minisched.osutil import Importing
from minisched.store import rows
from minisched.store.audit import last_changes, last_seen, read_uptimes, write_changes, write_uptimes
from minisched.store.database import DiskReserve, WatchedFile, examine, open_database, read_db_id, set_aside
from minisched.store.errors import store_error
from minisched.store.retention import Retention, trim_outbox
from minisched.store.schema import NEWEST_RUN_ID, NO_BACKFILL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterator
    from typing import Any, Optional, TypeVar

    from minisched.model import Batch, ConfigChange, Ends, Expectation, HistorySettings, Instant, TaskExecution
    from minisched.model.notification import Notices, RuleState
    from minisched.policy import MissedRange
    from minisched.store.outbox import Outbox, Reading, RunHistory

    T = TypeVar("T")

_AHEAD = f"""FROM task_history INDEXED BY task_history_due
    WHERE task_id = ? AND scheduled_time > ? AND attempt = 0 AND {NO_BACKFILL}"""
_KNOWN_SPAN = f"reason IN ({', '.join(repr(reason.value) for reason in Reason)}) AND missed_since >= 0"
_SPANS = f"SELECT run_id, missed_since, reason, ifnull({_KNOWN_SPAN}, 0) {_AHEAD} AND missed_since <= ?"
_TAKEN_BACK = f"{_AHEAD} AND (missed_since IS NULL OR missed_since > ? OR ({_KNOWN_SPAN}))"
_LATEST_END = """SELECT run_id, status FROM task_history INDEXED BY task_history_end
    WHERE task_id = ? AND end_order IS NOT NULL ORDER BY end_order DESC LIMIT 1"""
_DUE_TIMES = f"""SELECT scheduled_time FROM task_history INDEXED BY task_history_due
    WHERE task_id = ? AND scheduled_time BETWEEN ? AND ? AND {NO_BACKFILL}"""

_PUT_TAIL = "UPDATE task_history SET output_tail = ? WHERE run_id = ?"
_HAS_DELIVERIES = "SELECT EXISTS (SELECT 1 FROM task_outbox) OR EXISTS (SELECT 1 FROM task_rule)"
_PUT_EXPECTATION = "INSERT OR REPLACE INTO task_expectation (task_id, kind, key, time) VALUES (?, ?, ?, ?)"
_ENDS = """SELECT status, scheduled_time, end_time FROM task_history INDEXED BY task_history_end
    WHERE task_id = ? AND end_order IS NOT NULL ORDER BY end_order DESC"""

# Errors of the caller, not of the disk: they are raised unchanged.
_BUGS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)


def open_store(
    path: str,
    expected_db_id: Optional[str] = None,
    *,
    now: Instant,
    repair: bool = True,
    last_id: int = 0,
    upgrade: bool = True,
) -> tuple[Store, list[Text]]:
    """Open or make the database at `path`; returns the store, and problems to report.

    expected_db_id: the history that this home had (the previous `Store.db_id`), None if it had none. If it had one, a
    missing, empty or different file is a problem.
    repair: a damaged file is moved aside (with -wal and -shm, as `<path>.damaged-<time>`) and a new one made. Only for
    the holder of `var/lock`; without it a damaged file raises StoreError `damaged`.
    upgrade: a file of an older version is upgraded. Not while an engine of that version may run, which would write on
    as if nothing had changed; without it such a file raises StoreError `older`.
    Raises StoreError, `newer` if the file was written by a newer version. A full disk is `full`, never `damaged`.
    """
    reserve = DiskReserve(os.path.join(os.path.dirname(path), "ballast"))
    try:
        db, problems = open_database(path, expected_db_id, now, repair, last_id, upgrade)
    except StoreError as error:
        if error.kind != "full" or not reserve.release():
            raise
        db, problems = open_database(path, expected_db_id, now, repair, last_id, upgrade)
    store = Store(db, path, reserve, now)
    store.heal()
    return store, problems


class MissedSpan(NamedTuple):
    """A row of several missed due times."""

    run_id: int
    first: int
    reason: Reason


class Transaction:
    """An open write transaction, made by `Store.transaction`. Every method raises StoreError."""

    def __init__(
        self, db: sqlite3.Connection, reading: Reading, db_id: str, others_wrote: bool, unknown_runs: set[int]
    ) -> None:
        self.last_id = 0
        self.ended_before: set[int] = set()  # runs that `write` was given, but that had an end: they were left as is
        self._db = db
        self._reading = reading
        self._db_id = db_id
        self._others_wrote = others_wrote
        self._unknown_runs = unknown_runs  # gets the rows that this version does not understand
        self._newest_id = 0  # of all runs that there ever were; 0: not read yet

    def unfinished_of_others(self, own: Container[int] = ()) -> list[TaskExecution]:
        """Unfinished runs whose id is not in `own`, oldest first.

        Empty without a query where no other connection has written since `Store.unfinished` was called: the caller
        knows them all then.
        """
        if not self._others_wrote:
            return []
        with self._reading() as db:
            return [run for run in rows.read_unfinished(db) if run.run_id not in own]

    def write(self, batch: Batch) -> list[int]:
        """Write the batch; the run ids in the order of `batch.runs`.

        A run with `run_id` 0 gets a new row. A run with an id has its row changed, except for what never changes
        (task_id, trigger, scheduled_time, max_attempts, created_time); if the row is gone, because the file was
        replaced, it is made under that id. Of a record only `schedule_hash`, `evaluated_until` and `boot_id` are
        written: results are counted here, from the runs that ended, so that the engine and an `exec` beside it never
        overwrite each other's counts. A run that has ended stays as it is, and is in `ended_before`.

        Raises StoreError `duplicate` for a run whose due time has a row already.
        """
        db = self._db
        if batch.uptimes:
            write_uptimes(db, batch.uptimes)
        if batch.changes:
            write_changes(db, batch.changes)
        ids = []
        made: dict[str, int] = {}
        attempts: list[tuple[object, ...]] = []
        tails = dict(batch.tails)
        for run in batch.runs:
            run_id, ended, changed = run.run_id, run.status.ended, False
            if run_id and ended and self._write_end(run, tails.get(run_id)):
                ids.append(run_id)
                tails.pop(run_id, None)
                attempts += rows.attempt_rows(run, run_id)
                continue
            if run_id and not ended:
                changed = bool(db.execute(rows.UPDATE_RUN, rows.changed_run_values(run)).rowcount)
            if run_id and not changed and db.execute(rows.HAS_RUN, (run_id,)).fetchone():
                self.ended_before.add(run_id)
                tails.pop(run_id, None)
                ids.append(run_id)
                continue
            if not changed:
                run_id = self._insert(run)
                made[run.task_id] = made.get(run.task_id, 0) + 1
                if ended:
                    self._count_end(run, run_id)
            ids.append(run_id)
            attempts += rows.attempt_rows(run, run_id)
        if attempts:
            db.executemany(rows.PUT_ATTEMPT, attempts)
        if tails:
            db.executemany(_PUT_TAIL, [(tail, run_id) for run_id, tail in tails.items()])
        if batch.records:
            db.executemany(
                rows.PUT_RECORD,
                (
                    (one.task_id, one.schedule_hash, one.evaluated_until, one.boot_id, made.pop(one.task_id, 0))
                    for one in batch.records
                ),
            )
        if made:
            db.executemany(rows.COUNT_RUNS, made.items())
        if batch.tokens_taken:
            db.executemany("DELETE FROM task_token WHERE task_id = ? AND dependency = ?", batch.tokens_taken)
        if batch.tokens_put:
            db.executemany("INSERT OR IGNORE INTO task_token (task_id, dependency) VALUES (?, ?)", batch.tokens_put)
        if batch.not_expected:
            db.executemany(
                "DELETE FROM task_expectation WHERE task_id = ? AND kind = ? AND key = ?", batch.not_expected
            )
        if batch.expected:
            db.executemany(_PUT_EXPECTATION, batch.expected)
        if batch.deliveries:
            from minisched.store.outbox import update_deliveries

            update_deliveries(db, batch.deliveries)
        self.last_id = max(self.last_id, *ids, 0)
        return ids

    def missed_span(self, task_id: str, now: Instant) -> Optional[MissedSpan]:
        """The row of missed due times that began up to `now` and end after it; None if there is none. Rows that this
        version does not understand are left out."""
        found = None
        for run_id, first, reason, known in self._db.execute(f"{_SPANS} ORDER BY scheduled_time", (task_id, now, now)):
            if not known:
                self._unknown_runs.add(run_id)
            elif found is None:
                found = MissedSpan(run_id, first, Reason(reason))
        return found

    def take_back(
        self, task_id: str, now: Instant, span: Optional[MissedSpan] = None, kept: Optional[MissedRange] = None
    ) -> int:
        """Delete the rows of due times after `now` whose run had no process. span: of this one, `kept` is what lies
        before. A row that began before and is not understood stays. Returns the number of due times that have no row
        any more."""
        db, ahead = self._db, (task_id, now, now)
        (count,) = db.execute(f"SELECT total(max(missed_count, 1)) {_TAKEN_BACK}", ahead).fetchone()
        if span is not None and kept is not None:
            several = kept.due_times > 1
            detail = rows.detail_json(Text("due_times", count=kept.due_times) if several else None)
            db.execute(
                "UPDATE task_history SET scheduled_time = ?, missed_since = ?, missed_count = ?, detail = ?"
                " WHERE run_id = ?",
                (kept.last, kept.first if several else None, kept.due_times, detail, span.run_id),
            )
            count -= kept.due_times
        deleted = db.execute(f"DELETE {_TAKEN_BACK}", ahead).rowcount
        if deleted:
            latest = db.execute(_LATEST_END, (task_id,)).fetchone() or (None, None)
            db.execute(
                "UPDATE task_state SET run_count = run_count - ?, last_run_id = ?, last_status = ? WHERE task_id = ?",
                (deleted, *latest, task_id),
            )
        return int(count)

    def rule_state(self, task_id: str, rule: str) -> RuleState:
        """What a notification rule has done so far."""
        from minisched.store.outbox import read_rule_state

        return read_rule_state(self._reading, task_id, rule)

    def history(self, run: TaskExecution) -> RunHistory:
        """What preceded the end of `run`, which this transaction has written."""
        from minisched.store.outbox import RunHistory

        return RunHistory(self._reading, run)

    def add_notices(self, notices: Notices) -> None:
        from minisched.store.outbox import write_notices

        write_notices(self._db, notices, self._db_id)

    def _write_end(self, run: TaskExecution, tail: Optional[bytes]) -> bool:
        """Write the end of a run, and count it. False: it has no row, or one with an end."""
        db = self._db
        *values, run_id = rows.changed_run_values(run)
        try:
            if not db.execute(rows.END_RUN, (*values, tail, run_id)).rowcount:
                return False
            db.execute(rows.PUT_OUTCOME, rows.outcome_values(run, run_id))
        except sqlite3.IntegrityError:  # another program changed the numbers of the ends
            db.execute(rows.UPDATE_RUN, (*values, run_id))
            if tail is not None:
                db.execute(_PUT_TAIL, (tail, run_id))
            self._count_end(run, run_id)
        return True

    def _count_end(self, run: TaskExecution, run_id: int) -> None:
        """Give the end of a run, whose row has it, its place among those of its task."""
        db = self._db
        db.execute(rows.PUT_OUTCOME, rows.outcome_values(run, run_id))
        try:
            db.execute(rows.PUT_END_ORDER, (run.task_id, run_id))
        except sqlite3.IntegrityError:  # another program changed the numbers
            db.execute(rows.RENUMBER_ENDS, (run_id, run.task_id))
            db.execute(rows.PUT_END_ORDER, (run.task_id, run_id))

    def _insert(self, run: TaskExecution) -> int:
        """Under its id, or else the next one."""
        if not self._newest_id:
            (self._newest_id,) = self._db.execute(NEWEST_RUN_ID).fetchone()
        run_id = run.run_id or self._newest_id + 1
        try:
            self._db.execute(rows.INSERT_RUN, rows.new_run_values(run, run_id))
        except sqlite3.IntegrityError as error:
            if run.scheduled_time is None or "scheduled_time" not in str(error):
                raise
            text = Text("engine.db.duplicate", task=run.task_id, due=run.scheduled_time)
            raise StoreError("duplicate", text) from error
        self._newest_id = max(self._newest_id, run_id)
        return run_id


class Store:
    """Made by `open_store`. Every method that uses the database raises StoreError.

    `db_id` is the random name of this history.
    """

    def __init__(self, db: sqlite3.Connection, path: str, reserve: DiskReserve, now: Instant) -> None:
        self.path = path
        self._reserve = reserve
        self._last_id = 0
        self._unknown_runs: set[int] = set()
        self._unknown_tasks: set[str] = set()
        self._unknown_tokens: set[str] = set()  # the ids of their tasks
        self._outbox: Optional[Outbox] = None
        self._adopt(db, now)

    def _adopt(self, db: sqlite3.Connection, now: Instant) -> None:
        self._db = db
        self._seen_version = 0  # of the data that `unfinished` has read
        self._synchronous = "FULL"
        try:
            self._retention = Retention(db)
            self.db_id = read_db_id(db)
            self._last_id = max(self._last_id, *db.execute(NEWEST_RUN_ID).fetchone())
            self._data_version = self._read_data_version()
            self._retention.opened(db, now)
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error
        try:
            with self._transaction(durable=True):
                self._retention.save(db)
        except StoreError:
            pass  # the file is locked, or the disk full: it is remembered for as long as this program runs
        self._file = WatchedFile(self.path)

    @property
    def outbox(self) -> Outbox:
        """Its module is imported with the first use: a home without notifications does without. Raises StoreError."""
        if self._outbox is None:
            with self._importing():
                from minisched.store.outbox import Outbox
            self._outbox = Outbox(self._transaction, self._reading)
        return self._outbox

    def has_deliveries(self) -> bool:
        """Whether there are deliveries, or states of notification rules."""
        return self._ask(lambda db: bool(db.execute(_HAS_DELIVERIES).fetchone()[0]))

    @property
    def last_id(self) -> int:
        """Of the newest run that this process knows."""
        return self._last_id

    def close(self) -> None:
        """Close the database; its -wal is written back unless another process has it open."""
        self._db.close()

    # ------------------------------------------------------------------------------------------------------- writing

    @contextmanager
    def transaction(self, durable: bool = True) -> Iterator[Transaction]:
        """One write transaction: committed at the end of the block, rolled back if the block raises.

        No other process can write between its first statement and its end. durable: synced to the disk. Raises
        StoreError: then nothing was written.
        """
        with self._transaction(durable) as db:
            others_wrote = self._read_data_version() != self._seen_version
            tx = Transaction(db, self._reading, self.db_id, others_wrote, self._unknown_runs)
            yield tx
        self._last_id = max(self._last_id, tx.last_id)

    def commit(self, batch: Batch) -> list[int]:
        """Write the batch in a transaction of its own; see `Transaction.write`."""
        while True:
            try:
                with self.transaction(batch.durable) as tx:
                    return tx.write(batch)
            except StoreError as error:
                if not self.make_room(batch, error):
                    raise

    def make_room(self, batch: Batch, error: StoreError) -> bool:
        """Whether the batch that failed with `error` is worth another try at once, because space was freed for it.

        On a full disk the reserve file is given up, once, for a batch that changes a known run: an end is recorded, a
        start must not use up the space for it.
        """
        return error.kind == "full" and any(run.run_id for run in batch.runs) and self._reserve.release()

    def retain(
        self, history: HistorySettings, now: Instant, limit: int, tasks: Optional[Collection[str]] = None
    ) -> int:
        """Delete at most `limit` (at least 1) expired runs and deliveries; returns how many, or `limit` where there is
        more to look through or to return to the file system. 0: none are left for now.

        Each task keeps its newest `keep_runs` runs, by run id, that were created less than `keep_days` ago; and, at any
        age and number, unfinished runs, `last_run_id` and `last_failure_id`. tasks: the configured ones, None for all;
        of other tasks these two runs expire too, and finally the task's record. While the rows take more than nearly
        `max_bytes`, successes expire too, oldest first, then any other ended run but these two. Sent and failed
        deliveries expire at the same age, and above a number of their own. A run costs 0.01 to 0.1 ms: old runs of many
        tasks are on different pages of each index.
        """
        with self._transaction(durable=False) as db:  # what a power cut undoes is deleted again
            deleted = self._retention.step(db, history, now, limit, tasks)
            return deleted + trim_outbox(db, self._retention.cutoff(history, now), limit - deleted)

    def clock_set(self, by_s: float, now: Instant) -> None:
        """The clock was set by so much and shows `now`: see `Retention.clock_set`."""
        self._retention.clock_set(by_s, now, self._last_id)
        with self._transaction(durable=True) as db:
            self._retention.save(db)

    @contextmanager
    def _transaction(self, durable: bool) -> Iterator[sqlite3.Connection]:
        """One transaction, complete or not at all; synced to the disk if `durable`."""
        db = self._db
        synchronous = "FULL" if durable else "NORMAL"
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")  # the previous one could not be rolled back
            if synchronous != self._synchronous:
                db.execute(f"PRAGMA synchronous = {synchronous}")
                self._synchronous = synchronous
            db.execute("BEGIN IMMEDIATE")  # a read that becomes a write would fail if another process wrote in between
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # after a full disk or an I/O error SQLite has rolled back by itself
                    try:
                        db.execute("ROLLBACK")
                    except sqlite3.Error:
                        pass  # the first error is more useful, and the next transaction tries again
                raise
        except _BUGS:
            raise
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StoreError:
        """A text that is not UTF-8 fails each query that meets it: from now on it is read as far as it goes."""
        if "UTF-8" in str(error):
            self._db.text_factory = rows.readable
        return store_error(error, self.path)

    # ------------------------------------------------------------------------------------------------------- reading

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._db
        except _BUGS:
            raise
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask twice, if the first answer has a text that is not UTF-8: see `_failure`."""
        strict = self._db.text_factory is str
        try:
            with self._reading() as db:
                return question(db)
        except StoreError:
            if not strict or self._db.text_factory is str:
                raise
        with self._reading() as db:
            return question(db)

    @property
    def unknown_rows(self) -> list[Text]:
        """The rows that were left out because this version does not understand them."""
        runs = [Text("engine.unknown_run", run=run_id) for run_id in sorted(self._unknown_runs)]
        states = [Text("engine.unknown_state", task=task_id) for task_id in sorted(self._unknown_tasks)]
        return runs + states + [Text("engine.unknown_token", task=task_id) for task_id in sorted(self._unknown_tokens)]

    def records(self, keep: Callable[[TaskRecord], Any] = lambda one: one) -> dict[str, Any]:
        """By task id the record of every task, configured or not, or what `keep` makes of it."""
        unknown = self._unknown_tasks
        return self._ask(lambda db: {one.task_id: keep(one) for one in rows.each_record(db, None, unknown)})

    def record(self, task_id: str) -> TaskRecord:
        """The record of one task, empty if there is none."""
        with self._reading() as db:
            return rows.read_records(db, (task_id,), self._unknown_tasks).get(task_id) or TaskRecord(task_id)

    def unfinished(self) -> list[TaskExecution]:
        """All runs that have not ended, with their attempts, oldest first."""
        with self._reading():
            version = self._read_data_version()
        unfinished = self._ask(lambda db: rows.read_unfinished(db, self._unknown_runs))
        self._seen_version = version
        return unfinished

    def tokens(self) -> set[tuple[str, str]]:
        """Tokens that are not used yet: (task_id, `Dependency.token`)."""
        return self._ask(lambda db: rows.read_tokens(db, self._unknown_tokens))

    def last_changes(self) -> Optional[dict[str, ConfigChange]]:
        """By task the latest change of the config, `""` is the engine; None: no engine has recorded any yet."""
        return self._ask(lambda db: last_changes(db) if read_uptimes(db) else None)

    def last_seen(self) -> Instant:
        """When the engine whose time was recorded last stopped, or was seen last; 0 if none was recorded."""
        return self._ask(last_seen)

    def expectations(self) -> list[Expectation]:
        return self._ask(rows.read_expectations)

    def has_success(self, task_id: str, since: Instant, until: Instant) -> bool:
        """Whether a run of the task was successful in this time, for a due time in it or for none."""
        with self._reading() as db:
            for status, due, end in db.execute(_ENDS, (task_id,)):
                if not isinstance(end, (int, float)) or end < since:
                    return False
                if status == "success" and end <= until and (due is None or due >= since):
                    return True
        return False

    def ends(self, task_ids: Collection[str]) -> dict[str, Ends]:
        """When the latest success and the latest failure of each of these tasks ended."""
        return self._ask(lambda db: rows.read_ends(db, list(task_ids))) if task_ids else {}

    def due_times(self, task_id: str, since: int, until: int) -> set[int]:
        """Due times in [since, until] that have a row; for a row of several missed due times, the last of them."""
        with self._reading() as db:
            return {row[0] for row in db.execute(_DUE_TIMES, (task_id, since, until))}

    def changed_elsewhere(self) -> bool:
        """True once after another process (or connection) has written."""
        with self._reading():
            version = self._read_data_version()
        changed = version != self._data_version
        self._data_version = version
        return changed

    def _read_data_version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    @contextmanager
    def _importing(self) -> Iterator[None]:
        """As `Importing`, but raises StoreError: no descriptor may be left."""
        try:
            with Importing():
                yield
        except (OSError, ImportError) as error:
            raise StoreError("io", Text("engine.db.io", path=self.path, error=str(error))) from error

    # ------------------------------------------------------------------------------------------------------- healing

    def heal(self) -> bool:
        """Make the reserve file again if the disk has space. False: the disk is nearly full."""
        return self._reserve.make()

    def examine(self) -> None:
        """Open the file as another process would. Raises StoreError: `damaged` where a cheap check finds damage."""
        with self._importing():
            from minisched.store.reader import connect_read_only  # seldom needed: a start does not wait for it
        try:
            db, _ = connect_read_only(self.path)
            try:
                examine(db, self.path)
            finally:
                db.close()
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error

    def check_file(self) -> Optional[Text]:
        """Why `reopen` is needed: the open file was removed, replaced or truncated. None: it is not."""
        return self._file.problem()

    def reopen(self, now: Instant, damaged: bool = False) -> list[Text]:
        """Continue with the file that is now at `path`; returns problems to report.

        A removed file, or one without its side files, is written again from the connection that still has them open,
        which takes as long as copying it.
        A file that replaced it is opened. A truncated file, or one that a commit found `damaged`, is moved aside and a
        new one made; run ids continue after the newest known one. Afterwards `db_id` may be different, and the engine
        has to write all its state again. Raises StoreError: the next call tries again.
        """
        problem = self._file.problem()
        problems = [problem] if problem else []
        old = self._db
        if self._file.split and not damaged:
            self._file.drop_side_files()
            problems.append(self._file.rescue(old))
        elif self._file.same:
            if damaged or problem:
                problems.append(Text("engine.db.moved", aside=set_aside(self.path, now) or ""))
        else:
            self._file.drop_side_files()
            if not os.path.exists(self.path) and not damaged:
                problems.append(self._file.rescue(old))
        # Keep the old connection until the new one works: after an error here, commits still report what is wrong.
        db, more = open_database(self.path, None, now, repair=True, last_id=self._last_id)
        self._adopt(db, now)
        old.close()
        return problems + more
