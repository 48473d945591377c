"""The outbox: deliveries, from the end of their run until retention; and the state of notification rules.

All pending deliveries of one channel of a rule are a queue, in their order: only the first one has a `next_time`.
"""

from __future__ import annotations

from minisched.model import DAY_S, Delivery, DeliveryState, OutboxCounts, Text
from minisched.model.notification import DELIVERY_FIELDS, FinishedRun, Queue, RuleState
from minisched.store.rows import STATUSES, Columns, Rows, UnknownRow, assignments, detail_json, placeholders

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Optional

    from minisched.model import Instant, TaskExecution
    from minisched.model.notification import Notices

    Reading = Callable[[], AbstractContextManager[sqlite3.Connection]]

_NEW = Columns(field for field in DELIVERY_FIELDS if field.columns and field.name != "next_time")
_CHANGING = Columns(field for field in DELIVERY_FIELDS if field.columns and not field.fixed)
_ROWS = Rows(Delivery, DELIVERY_FIELDS)
_QUEUE = "task_id = ? AND rule = ? AND channel = ? AND state = 'pending'"
_OLDEST = f"SELECT delivery_id FROM task_outbox WHERE {_QUEUE} ORDER BY delivery_id LIMIT 1"

_INSERT = f"""INSERT INTO task_outbox ({", ".join(_NEW.names)}, next_time) VALUES ({placeholders(len(_NEW.names))},
    CASE WHEN EXISTS (SELECT 1 FROM task_outbox WHERE {_QUEUE}) THEN NULL ELSE ? END)"""
_NAME = "UPDATE task_outbox SET message_id = delivery_id || ? WHERE delivery_id = ?"
# Match on message_id too: after the database was replaced, delivery ids restart at 1. A message that was given up while
# it was being sent may have been delivered: a late `sent` is accepted, a late retry is not.
_UPDATE = f"""UPDATE task_outbox SET {assignments(_CHANGING.names)}
    WHERE delivery_id = ? AND message_id = ? AND (state = 'pending' OR ? = 'sent')"""
_AGAIN = """UPDATE task_outbox SET state = 'pending', attempts = 0, next_time = ?, tried_time = NULL,
    sent_time = NULL, error = '', answer = '' WHERE delivery_id = ?"""
_FAILED = "SELECT delivery_id FROM task_outbox WHERE state = 'failed' ORDER BY delivery_id"
_PROMOTE = f"UPDATE task_outbox SET next_time = ? WHERE delivery_id = ({_OLDEST}) AND next_time IS NULL"
_STEP_BACK = f"""UPDATE task_outbox SET next_time = NULL
    WHERE {_QUEUE} AND next_time IS NOT NULL AND delivery_id <> ({_OLDEST})"""
_QUEUES = f"""SELECT DISTINCT {", ".join(Queue._fields)} FROM task_outbox INDEXED BY task_outbox_queue
    WHERE state = 'pending'"""
_SAME_QUEUE = " AND ".join(f"{name} = ?" for name in Queue._fields)
_MOVE = f"""UPDATE task_outbox SET {", ".join(f"{name} = ?" for name in Queue._fields[1:])}
    WHERE state = 'pending' AND {_SAME_QUEUE}"""
_DUE = """SELECT delivery_id FROM task_outbox INDEXED BY task_outbox_due
    WHERE next_time IS NOT NULL AND (attempts > 0) = ? AND next_time <= ? ORDER BY next_time LIMIT 1"""
_NEXT = """SELECT min(next_time) FROM task_outbox INDEXED BY task_outbox_due
    WHERE next_time IS NOT NULL AND (attempts > 0) = ? AND next_time < 1e300"""
_UNTRIED = """SELECT delivery_id, task_id, rule, channel FROM task_outbox INDEXED BY task_outbox_due
    WHERE next_time IS NOT NULL AND (attempts > 0) = 0"""
# The time from the latest attempt to the next one, at most a day (as `policy.resend_delay` allows a server to ask for);
# 0 before the first attempt. A delivery that is due before its latest attempt was moved already.
_DELAY = """CASE WHEN attempts = 0 THEN 0
    ELSE min(:most, CASE WHEN next_time >= tried_time THEN next_time - tried_time ELSE :most END) END"""
_TOO_LATE = f"WHERE next_time IS NOT NULL AND next_time > :now + {_DELAY}"
_ANY_TOO_LATE = f"SELECT 1 FROM task_outbox INDEXED BY task_outbox_due {_TOO_LATE} LIMIT 1"
_HASTEN = f"UPDATE task_outbox INDEXED BY task_outbox_due SET next_time = :now + {_DELAY} {_TOO_LATE}"
_SHIFT = """UPDATE task_outbox INDEXED BY task_outbox_due SET next_time = next_time + ?
    WHERE next_time IS NOT NULL"""
_COUNTS = """SELECT state, count(*), sum(ifnull(tried_time >= ?, 0)) FROM task_outbox INDEXED BY task_outbox_state
    GROUP BY state"""
_GIVE_UP = """UPDATE task_outbox SET state = 'failed', error = ?, tried_time = ?, next_time = NULL
    WHERE state = 'pending' AND """
_SET_ASIDE = (
    "UPDATE task_outbox SET state = 'failed', error = ?, tried_time = ?, next_time = NULL WHERE delivery_id = ?"
)
_RULE = """SELECT task_id, rule, fired, last_time, suppressed, row_length, row_end, row_of FROM task_rule
    WHERE task_id = ? AND rule = ?"""
_PUT_RULE = f"""INSERT OR REPLACE INTO task_rule
    (task_id, rule, fired, last_time, suppressed, row_length, row_end, row_of) VALUES ({placeholders(8)})"""
_FINISHED = """SELECT end_order, status, reason FROM task_history INDEXED BY task_history_end
    WHERE task_id = ? AND end_order <= (SELECT end_order FROM task_history WHERE run_id = ?) ORDER BY end_order DESC"""

_DOMAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")


# ------------------------------------------------------------------------------- within the transaction of a run's end


class RunHistory:
    """What the notification rules ask about a run whose end the open transaction has written. Raises StoreError."""

    def __init__(self, reading: Reading, run: TaskExecution) -> None:
        self._reading = reading
        self._run = run

    def finished(self) -> Iterator[FinishedRun]:
        """The finished runs of its task that retention has kept, latest end first, beginning with this run."""
        with self._reading() as db:
            for end_order, status, reason in db.execute(_FINISHED, (self._run.task_id, self._run.run_id)):
                known = STATUSES.get(status)
                if known is not None:
                    yield FinishedRun(end_order, known, reason)

    def tail(self) -> bytes:
        """The last 16 KiB of its output."""
        query = "SELECT output_tail FROM task_history WHERE run_id = ?"
        with self._reading() as db:
            return bytes(db.execute(query, (self._run.run_id,)).fetchone()[0] or b"")

    def state(self, rule: str) -> RuleState:
        return read_rule_state(self._reading, self._run.task_id, rule)


def read_rule_state(reading: Reading, task_id: str, rule: str) -> RuleState:
    with reading() as db:
        row = db.execute(_RULE, (task_id, rule)).fetchone()
    return RuleState(row[0], row[1], bool(row[2]), *row[3:]) if row else RuleState(task_id, rule)


def write_notices(db: sqlite3.Connection, notices: Notices, db_id: str) -> None:
    for state in notices.states:
        db.execute(_PUT_RULE, state)
    for delivery in notices.deliveries:
        queue = (delivery.task_id, delivery.rule, delivery.channel)
        cursor = db.execute(_INSERT, (*_NEW.values(delivery), *queue, delivery.created_time))
        host = "".join(char for char in delivery.variables.get("host_name", "") if char in _DOMAIN).strip(".")
        db.execute(_NAME, (f".{db_id[:6]}@{host or 'localhost'}", cursor.lastrowid))


def update_deliveries(db: sqlite3.Connection, deliveries: Sequence[Delivery]) -> None:
    """Write their state; the next one of a queue whose first has left it is due at once."""
    for one in deliveries:
        key = (one.delivery_id, one.message_id, one.state.value)
        db.execute(_UPDATE, (*_CHANGING.values(one), *key))
        if one.state is not DeliveryState.PENDING:
            db.execute(_PROMOTE, (one.tried_time, one.task_id, one.rule, one.channel))


# --------------------------------------------------------------------------------------------------------- the engine


class Outbox:
    """The engine's access to deliveries: each method is one transaction or one query, and raises StoreError."""

    def __init__(
        self,
        transaction: Callable[[bool], AbstractContextManager[sqlite3.Connection]],
        reading: Reading,
    ) -> None:
        self._transaction = transaction
        self._reading = reading

    def due(self, now: Instant) -> Optional[Delivery]:
        """The delivery to try now, None if there is none: the one that has been due for longest, those never tried
        first, so that a server that times out on each retry delays the others the least."""
        while True:
            with self._reading() as db:
                row = db.execute(_DUE, (False, now)).fetchone() or db.execute(_DUE, (True, now)).fetchone()
                found = read_deliveries(db, [row[0]]) if row is not None else []
            if row is None or found:
                return found[0] if found else None
            with self._transaction(True) as db:  # a row that this version does not understand
                queue = db.execute("SELECT task_id, rule, channel FROM task_outbox WHERE delivery_id = ?", row)
                key = queue.fetchone()
                db.execute(_SET_ASIDE, (detail_json(Text("notify.unknown_row")), now, *row))
                db.execute(_PROMOTE, (now, *key))

    def next_time(self) -> Optional[Instant]:
        """When the next delivery is due; None if there is none."""
        with self._reading() as db:
            found = [db.execute(_NEXT, (tried,)).fetchone()[0] for tried in (False, True)]
        return min((time for time in found if time is not None), default=None)

    def counts(self, since: Instant) -> tuple[OutboxCounts, int]:
        """The number of deliveries by state, and how many have failed since `since`."""
        with self._reading() as db:
            found = {state: (count, late) for state, count, late in db.execute(_COUNTS, (since,))}
        counts = OutboxCounts(*(found.get(name, (0, 0))[0] for name in OutboxCounts._fields))
        return counts, found.get("failed", (0, 0))[1]

    def resend(self, delivery_id: int, now: Instant) -> Optional[DeliveryState]:
        """Make a sent or failed delivery pending again, with all its attempts; returns its previous state, None if it
        does not exist. It is the same message, with the same message id; its previous attempts are forgotten."""
        with self._transaction(True) as db:
            found = read_deliveries(db, [delivery_id])
            if not found:
                return None
            (one,) = found
            if one.state is not DeliveryState.PENDING:
                _make_pending(db, one, now)
            return one.state

    def resend_failed(self, most: int, now: Instant) -> tuple[int, int]:
        """As `resend`, of the oldest `most` failed deliveries in one transaction; returns how many these were, and how
        many are left."""
        with self._transaction(True) as db:
            ids = [row[0] for row in db.execute(_FAILED)]
            failed = read_deliveries(db, ids[:most])
            for one in sorted(failed, key=lambda one: one.delivery_id):
                _make_pending(db, one, now)
            return len(failed), len(ids) - len(failed)

    def queues(self) -> list[Queue]:
        """The queues with pending deliveries."""
        with self._reading() as db:
            return [Queue._make(row) for row in db.execute(_QUEUES)]

    def reroute(
        self,
        moves: Sequence[tuple[Queue, Optional[Queue]]],
        rules: Collection[tuple[str, str]],
        why: Text,
        now: Instant,
    ) -> dict[tuple[str, str, int], int]:
        """After a config change: move pending deliveries from the first queue of each pair to the second, or fail them
        with `why` where that is None; drop the state of rules (task_id, name) that are not in `rules`.

        Returns the number failed per queue (task_id, rule, channel). Several moves do not chain: a moved delivery has
        the channel keys of its new queue.
        """
        with self._reading() as db:
            states = db.execute("SELECT task_id, rule FROM task_rule").fetchall()
        stale = [state for state in states if state not in rules]
        failed: dict[tuple[str, str, int], int] = {}
        if moves or stale:
            with self._transaction(True) as db:
                for queue, target in moves:
                    if target is None:
                        count = db.execute(f"{_GIVE_UP} {_SAME_QUEUE}", (detail_json(why), now, *queue)).rowcount
                        failed[queue[:3]] = failed.get(queue[:3], 0) + count
                    else:
                        db.execute(_MOVE, (*target[1:], *queue))
                changed = {one[:3] for move in moves for one in move if one is not None}
                db.executemany(_STEP_BACK, [(*queue, *queue) for queue in changed])
                db.executemany(_PROMOTE, [(now, *queue) for queue in changed])
                db.executemany("DELETE FROM task_rule WHERE task_id = ? AND rule = ?", stale)
        return failed

    def bound(self, pending: int, why: Text, now: Instant) -> int:
        """Give up the oldest ones where more than so many wait; how many."""
        with self._reading() as db:
            (waiting,) = db.execute("SELECT count(*) FROM task_outbox WHERE state = 'pending'").fetchone()
        if waiting <= pending:
            return 0
        with self._transaction(False) as db:
            oldest = "SELECT {} FROM task_outbox WHERE state = 'pending' ORDER BY delivery_id LIMIT ?"
            surplus = (waiting - pending,)
            queues = set(db.execute(f"SELECT * FROM ({oldest.format('task_id, rule, channel')})", surplus))
            count = db.execute(
                f"{_GIVE_UP} delivery_id IN ({oldest.format('delivery_id')})", (detail_json(why), now, *surplus)
            ).rowcount
            db.executemany(_PROMOTE, [(now, *queue) for queue in queues])
            return count

    def hasten(self, now: Instant) -> None:
        """Limit each wait to what it would be if it started now: if the clock was set back while no engine ran,
        deliveries would be due hours or years later."""
        with self._reading() as db:
            late = db.execute(_ANY_TOO_LATE, {"now": now, "most": DAY_S}).fetchone()
        if late:
            with self._transaction(False) as db:
                db.execute(_HASTEN, {"now": now, "most": DAY_S})

    def move(self, by_s: float) -> None:
        """Shift due times after the clock was set, so that the waits stay as long as they were."""
        with self._transaction(False) as db:
            db.execute(_SHIFT, (by_s,))

    def untried(self) -> list[tuple[int, str, str, int]]:
        """(delivery_id, task_id, rule, channel) of deliveries that are first in their queue and were never tried."""
        with self._reading() as db:
            return db.execute(_UNTRIED).fetchall()

    def postpone(self, delivery_ids: Collection[int], until: Instant) -> None:
        """Make these due at `until`, whether that is later or sooner than now."""
        if delivery_ids:
            with self._transaction(False) as db:
                db.executemany(
                    "UPDATE task_outbox SET next_time = ? WHERE delivery_id = ?", [(until, one) for one in delivery_ids]
                )


# ------------------------------------------------------------------------------------------------------------ reading


def _make_pending(db: sqlite3.Connection, one: Delivery, now: Instant) -> None:
    (busy,) = db.execute(f"SELECT EXISTS ({_OLDEST})", (one.task_id, one.rule, one.channel)).fetchone()
    db.execute(_AGAIN, (None if busy else now, one.delivery_id))


def read_deliveries(db: sqlite3.Connection, delivery_ids: Sequence[int]) -> list[Delivery]:
    """Those that exist and that this version understands, in the order of the ids given; at most a few hundred."""
    query = f"SELECT {_ROWS.columns} FROM task_outbox WHERE delivery_id IN ({placeholders(len(delivery_ids))})"
    found = {}
    for row in db.execute(query, delivery_ids):
        try:
            one = _ROWS.record(row)
        except UnknownRow:
            continue
        found[one.delivery_id] = one
    return [found[delivery_id] for delivery_id in delivery_ids if delivery_id in found]


def read_page(
    db: sqlite3.Connection, task_id: Optional[str], states: Collection[DeliveryState], page: int, page_size: int
) -> tuple[list[Delivery], int]:
    """See `History.deliveries`."""
    wanted = [state.value for state in (states or DeliveryState)]
    where = f"INDEXED BY task_outbox_state WHERE state IN ({placeholders(len(wanted))})"
    if task_id is not None:
        wanted.append(task_id)
        where += " AND task_id = ?"
    (total,) = db.execute(f"SELECT count(*) FROM task_outbox {where}", wanted).fetchone()
    query = f"SELECT delivery_id FROM task_outbox {where} ORDER BY delivery_id DESC LIMIT ? OFFSET ?"
    ids = [row[0] for row in db.execute(query, (*wanted, page_size, (page - 1) * page_size))]
    return read_deliveries(db, ids), total
