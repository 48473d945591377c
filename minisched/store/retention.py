"""Deletes rows that the history need not keep, in small steps."""

from __future__ import annotations

from minisched.model import DAY_S, UNFINISHED

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator
    from typing import Optional

    from minisched.model import HistorySettings, Instant

KEEP_DELIVERIES = 2000  # sent and failed ones: 8 MB with a usual log's tail in each, 34 MB with the longest
TASKS_PER_STEP = 10  # tasks that share a step if so many have too many runs
LOOK_FACTOR = 10  # rows that a step reads for each that it may delete, where most are kept: some milliseconds
# The share of `max_bytes` that is filled: what is written in the minute between two passes goes into the rest.
FILL = 0.98
GROWN_BYTES = 2**20  # after a pass that could delete nothing more, the next one is when the rows have grown by this
VACUUM_PAGES = 128  # returned to the file system in one step: at most half a megabyte is moved
INCREMENTAL = 2  # of PRAGMA auto_vacuum
_START = (-1e300, 0)  # before the oldest row
# While no run is written, the states of all tasks are looked through so often. For ten thousand tasks it takes 1 ms,
# which an idle engine would spend each minute.
STATES_EVERY_S = 3600.0

_UNFINISHED = ", ".join(f"'{status.value}'" for status in UNFINISHED)

# Each row has a task_state row: the insert of the row made it.
_OLD = f"""
    SELECT h.run_id, h.task_id, h.created_time, h.status IN ({_UNFINISHED}) AS unfinished,
        ifnull(h.run_id = s.last_run_id, 0) OR ifnull(h.run_id = s.last_failure_id, 0) AS latest
    FROM task_history AS h INDEXED BY task_history_created
    LEFT JOIN task_state AS s ON s.task_id = h.task_id
    WHERE (h.created_time, h.run_id) > (?, ?) AND h.created_time < ?
    ORDER BY h.created_time, h.run_id LIMIT ?"""
_NEWEST = """SELECT run_id, created_time FROM task_history WHERE typeof(created_time) IN ('real', 'integer')
    ORDER BY run_id DESC LIMIT 1"""
_STATES = "SELECT max(run_count > ?), max(run_count = 0 AND settled < ?) FROM task_state"
_CROWDED = """
    SELECT task_id, run_count - ?, last_run_id, last_failure_id FROM task_state
    WHERE run_count > ? AND typeof(run_count) = 'integer' AND task_id %s ? ORDER BY task_id"""
_SURPLUS = f"""
    SELECT run_id FROM (
        SELECT run_id, status, scheduled_time FROM task_history INDEXED BY task_history_task
        WHERE task_id = ? ORDER BY run_id LIMIT ?)
    WHERE (scheduled_time IS NULL OR scheduled_time NOT BETWEEN ? AND ?)
        AND status NOT IN ({_UNFINISHED}) AND run_id IS NOT ? AND run_id IS NOT ?
    LIMIT ?"""

_OLDEST = f"""
    SELECT h.run_id, h.task_id, h.status = 'success', h.status IN ({_UNFINISHED}),
        ifnull(h.run_id = s.last_run_id, 0) OR ifnull(h.run_id = s.last_failure_id, 0),
        ifnull(h.scheduled_time BETWEEN ? AND ?, 0)
    FROM task_history AS h LEFT JOIN task_state AS s ON s.task_id = h.task_id
    WHERE h.run_id > ? ORDER BY h.run_id LIMIT ?"""


_ENDED_DELIVERIES = "state IN ('sent', 'failed')"
_OLD_DELIVERIES = f"""SELECT delivery_id, created_time FROM task_outbox WHERE delivery_id IN (
    SELECT delivery_id FROM task_outbox WHERE {_ENDED_DELIVERIES} ORDER BY delivery_id LIMIT ?) ORDER BY delivery_id"""


def _two_numbers(db: sqlite3.Connection, name: str) -> tuple[float, float]:
    row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    try:
        first, second = map(float, str(row[0]).split()) if row else (0.0, 0.0)
    except ValueError:
        return 0.0, 0.0
    return first, second


class Retention:
    """A pass over the history in steps: first runs that are too old, then those over the limit of a task, then those
    that make the file too large: successes before others, oldest first.

    It remembers its position, so that old rows that are kept (each task's latest failure) are read once in a pass and
    not in each step, and in a full history not in each pass; and the task that was last, because a step takes a few
    runs of each of several tasks. These are on the same pages, while the runs of one task are spread over many: a step
    with one task's runs would write many times as many pages.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._after = _START
        self._task = ""
        # Of the runs that make the file too large: whether only successes are deleted now, or any; for both, the run
        # id up to which they were looked at; and whether one was deleted since the oldest run was looked at.
        self._successes = True
        self._looked_at = {True: 0, False: 0}
        self._found = False
        self._all_kept = 0  # bytes that are in use although nothing more can be deleted
        self._states_seen: Optional[tuple[int, HistorySettings]] = None  # the newest run then, and the limits
        self._states_seen_at = 0.0
        self._crowded_seen = False  # a task then had too many runs, which were to be kept
        self._deleting = False  # the last step has deleted some
        self._returns_pages = db.execute("PRAGMA auto_vacuum").fetchone()[0] == INCREMENTAL
        self._ahead_s, self._ahead_since = _two_numbers(db, "clock_ahead")
        self._known_time, self._known_run = _two_numbers(db, "clock_known")

    def opened(self, db: sqlite3.Connection, now: Instant) -> None:
        """See `clock_set`: the clock may have been set since it was last known. That was when the newest row was
        written, or at the last start or step of the clock, if there is no row since: a row of a wrong clock says
        nothing about later ones. `save` must follow."""
        run_id, known_time = db.execute(_NEWEST).fetchone() or (0, None)
        if self._known_time and run_id <= self._known_run:
            known_time = self._known_time
        if known_time is not None and not self._ahead_at(now):
            self._set_ahead(now - known_time, now)
        self._known_time, self._known_run = now, run_id

    def clock_set(self, by_s: float, now: Instant, last_id: int) -> None:
        """The clock was set and shows `now`. While it has been far ahead of what it showed before for less than a day,
        rows do not age by that: a wrong time must not delete the history. `save` must follow."""
        self._set_ahead(self._ahead_at(now - by_s) + by_s, now)
        self._known_time, self._known_run = now, last_id

    def _set_ahead(self, ahead_s: float, now: Instant) -> None:
        self._ahead_s, self._ahead_since = (ahead_s, now) if ahead_s > DAY_S else (0.0, 0.0)

    def save(self, db: sqlite3.Connection) -> None:
        """Over a restart, before which rows may have been written by the wrong clock."""
        rows = (
            ("clock_ahead", f"{self._ahead_s!r} {self._ahead_since!r}"),
            ("clock_known", f"{self._known_time!r} {self._known_run!r}"),
        )
        db.executemany("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", rows)

    def _ahead_at(self, now: Instant) -> float:
        return self._ahead_s if self._ahead_since <= now < self._ahead_since + DAY_S else 0.0

    def cutoff(self, history: HistorySettings, now: Instant) -> Instant:
        """What is older than this has expired."""
        return now - self._ahead_at(now) - history.keep_days * DAY_S

    def step(
        self,
        db: sqlite3.Connection,
        history: HistorySettings,
        now: Instant,
        limit: int,
        tasks: Optional[Collection[str]],
    ) -> int:
        """Delete at most `limit` runs in the open transaction; returns how many, `limit` where a further step is needed
        although fewer were deleted, 0 at the end of a pass. See `Store.retain`."""
        cutoff = self.cutoff(history, now)
        expired = self._too_old(db, cutoff, limit, tasks)
        newest = (db.execute("SELECT max(run_id) FROM task_history").fetchone()[0] or 0, history)
        is_new = newest != self._states_seen or not 0 <= now - self._states_seen_at < STATES_EVERY_S
        crowded = gone = look = is_new or self._crowded_seen or self._deleting
        if look and not expired and not self._deleting:  # one read for two that usually find nothing
            crowded, gone = db.execute(_STATES, (history.keep_runs, cutoff)).fetchone()
            self._crowded_seen = bool(crowded)
        if crowded and not expired:
            expired = self._too_many(db, history.keep_runs, now, limit)
        self._deleting = bool(expired)
        if expired:
            _delete(db, expired)
            return len(expired)
        if history.max_bytes and (
            self._shrink(db, int(history.max_bytes * FILL), now, limit, tasks) or self._vacuum(db, history.max_bytes)
        ):
            return limit
        self._after = _START
        if gone and tasks is not None:
            _purge_tasks(db, cutoff, tasks)
        if look:
            self._states_seen, self._states_seen_at = newest, now
        return 0

    def _shrink(
        self, db: sqlite3.Connection, max_bytes: int, now: Instant, limit: int, tasks: Optional[Collection[str]]
    ) -> bool:
        """If the rows take more than `max_bytes`, delete the next ones. True: a further step may be needed."""
        pages, free, page_size = _sizes(db)
        used = (pages - free) * page_size
        if used <= max_bytes or (self._all_kept and used < self._all_kept + GROWN_BYTES):
            self._successes = True
            return False
        after = self._looked_at[self._successes]
        rows = db.execute(_OLDEST, (now, now + DAY_S, after, limit * LOOK_FACTOR)).fetchall()
        expired: list[tuple[int, str]] = []
        for run_id, task_id, success, unfinished, latest, to_come in rows:
            self._looked_at[self._successes] = run_id
            kept = unfinished or to_come or (latest and (tasks is None or task_id in tasks))
            if not kept and (success or not self._successes):
                expired.append((run_id, task_id))
                if len(expired) == limit:
                    break
        if expired:
            _delete(db, expired)
            self._all_kept, self._found = 0, True
        elif not rows and self._successes:
            self._successes = False
        elif not rows:  # from the oldest again: of the runs that were kept, some may be no task's latest any more
            self._all_kept = 0 if self._found else used
            self._successes, self._found, self._looked_at = True, False, {True: 0, False: 0}
            return not self._all_kept
        return True

    def _vacuum(self, db: sqlite3.Connection, max_bytes: int) -> bool:
        """If the file is larger, return free pages to the file system; below that they are used again. True: there are
        more. The file of an older version, which has no map of its pages, keeps them."""
        pages, free, page_size = _sizes(db)
        if not self._returns_pages or not free or pages * page_size <= max_bytes:
            return False
        for _ in range(min(VACUUM_PAGES, free)):
            db.execute("PRAGMA incremental_vacuum(1)")  # of a number, the sqlite3 module carries out the first only
        return free > VACUUM_PAGES

    def _too_old(
        self, db: sqlite3.Connection, cutoff: Instant, limit: int, tasks: Optional[Collection[str]]
    ) -> list[tuple[int, str]]:
        expired: list[tuple[int, str]] = []
        while len(expired) < limit:
            rows = db.execute(_OLD, (*self._after, cutoff, limit - len(expired))).fetchall()
            if not rows:
                break
            for run_id, task_id, created_time, unfinished, latest in rows:
                self._after = (created_time, run_id)
                if not unfinished and not (latest and (tasks is None or task_id in tasks)):
                    expired.append((run_id, task_id))
        return expired

    def _too_many(self, db: sqlite3.Connection, keep_runs: int, now: Instant, limit: int) -> list[tuple[int, str]]:
        """Without runs whose due time is in the next day: the clock was set back, and will reach it again."""
        expired: list[tuple[int, str]] = []
        self._crowded_seen = False
        for share in (max(1, limit // TASKS_PER_STEP), limit):
            expired = []
            for task_id, surplus, last_run_id, last_failure_id in self._crowded(db, keep_runs):
                room = min(share, limit - len(expired))
                rows = db.execute(_SURPLUS, (task_id, surplus, now, now + DAY_S, last_run_id, last_failure_id, room))
                expired += [(row[0], task_id) for row in rows]
                self._task, self._crowded_seen = task_id, True
                if len(expired) == limit:
                    return expired
            if not expired:
                break
        return expired  # fewer than a full step, even with all surplus runs of each task

    def _crowded(self, db: sqlite3.Connection, keep_runs: int) -> Iterator[tuple[str, int, int, int]]:
        """Each task with too many runs once, starting after the task that was last: its id, the number of surplus runs,
        and the two runs to keep."""
        last = self._task
        for part in (">", "<="):
            yield from db.execute(_CROWDED % part, (keep_runs, keep_runs, last))


def _sizes(db: sqlite3.Connection) -> tuple[int, int, int]:
    """Pages of the file, how many of them are free, and the bytes of one. Costs a read of the header."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, page_size = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return pages, free, page_size


def _delete(db: sqlite3.Connection, expired: list[tuple[int, str]]) -> None:
    ids = [(run_id,) for run_id, _ in expired]
    last_dues: dict[str, int] = {}
    for run_id, task_id in expired:
        (due,) = db.execute("SELECT scheduled_time FROM task_history WHERE run_id = ?", (run_id,)).fetchone()
        if isinstance(due, int):  # else another program wrote it
            last_dues[task_id] = max(due, last_dues.get(task_id, 0))
    db.executemany("DELETE FROM task_attempt WHERE run_id = ?", ids)
    db.executemany("DELETE FROM task_history WHERE run_id = ?", ids)
    counts: dict[str, int] = {}
    for _, task_id in expired:
        counts[task_id] = counts.get(task_id, 0) + 1
    db.executemany(
        "UPDATE task_state SET run_count = run_count - ?, forgotten = max(forgotten, ?) WHERE task_id = ?",
        [(count, last_dues.get(task_id, 0), task_id) for task_id, count in counts.items()],
    )


def _purge_tasks(db: sqlite3.Connection, cutoff: Instant, tasks: Collection[str]) -> None:
    """Delete the state of tasks that are no longer configured, have no runs and were not due since `cutoff`."""
    rows = db.execute("SELECT task_id FROM task_state WHERE run_count = 0 AND settled < ?", (cutoff,))
    gone = [(row[0],) for row in rows if row[0] not in tasks]
    db.executemany("DELETE FROM task_state WHERE task_id = ?", gone)
    db.executemany("DELETE FROM task_token WHERE task_id = ?", gone)
    db.executemany("DELETE FROM task_rule WHERE task_id = ?", gone)


def trim_outbox(db: sqlite3.Connection, cutoff: Instant, limit: int) -> int:
    """Delete at most `limit` sent and failed deliveries: the oldest above KEEP_DELIVERIES, and those from before
    `cutoff`. Returns how many."""
    (ended,) = db.execute(f"SELECT count(*) FROM task_outbox WHERE {_ENDED_DELIVERIES}").fetchone()
    rows = db.execute(_OLD_DELIVERIES, (limit,)).fetchall()
    surplus = ended - KEEP_DELIVERIES
    expired = [
        (row[0],)
        for number, row in enumerate(rows)
        if number < surplus or not isinstance(row[1], (int, float)) or row[1] < cutoff
    ]
    db.executemany("DELETE FROM task_outbox WHERE delivery_id = ?", expired)
    return len(expired)
