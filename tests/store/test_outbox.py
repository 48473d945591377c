"""The outbox in the database: written with the run's end or not at all, sent in order, kept within bounds."""

from __future__ import annotations

import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Optional

import pytest

from minisched.model import (
    Batch,
    Delivery,
    DeliveryState,
    HistorySettings,
    OutboxCounts,
    Status,
    StoreError,
    TaskExecution,
    Text,
)
from minisched.model.notification import FinishedRun, Notices, NotificationEvent, Queue, RuleState
from minisched.store import outbox, schema
from minisched.store.reader import History
from minisched.store.retention import KEEP_DELIVERIES
from minisched.store.writer import Store
from support.store import NOW, ask, make, opened, plans, watch_connections

S, F = Status.SUCCESS, Status.TECHNICAL_FAILURE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "minisched.db"


def delivery(task_id: str = "backup", rule: str = "ops", channel: int = 0, **changes: Any) -> Delivery:
    variables = changes.pop("variables", {"host_name": "plant7"})
    return Delivery(NOW, task_id, rule, channel, "email", 1, NotificationEvent.EVENT, variables)._replace(**changes)


def put(store: Store, *deliveries: Delivery) -> list[Delivery]:
    """Write them with a run's end; returns them as they are in the outbox."""
    before = store.outbox.counts(0)[0]
    end_run(store, Notices((), deliveries))
    assert sum(store.outbox.counts(0)[0]) == sum(before) + len(deliveries)
    return read(store)[-len(deliveries) :]


def end_run(store: Store, notices: Notices) -> None:
    """A run ends, and these follow from it."""
    with store.transaction() as tx:
        tx.write(Batch([make(status=S)]))
        tx.add_notices(notices)


def read(store: Store) -> list[Delivery]:
    """All, oldest first."""
    history = History(store.path)
    try:
        return history.deliveries(page_size=5000)[0][::-1]
    finally:
        history.close()


def end(store: Store, one: Delivery, state: DeliveryState = DeliveryState.SENT, now: float = NOW) -> None:
    sent_time = now if state is DeliveryState.SENT else None
    store.commit(Batch(deliveries=[one._replace(state=state, next_time=None, tried_time=now, sent_time=sent_time)]))


def test_a_delivery_is_read_as_it_was_written(path: Path) -> None:
    store = opened(path)
    variables = {"host_name": "plänt_7.example", "execution_log_tail": "späte 迟到\ud800\x00"}
    (one,) = put(store, delivery(variables=variables))
    assert one == delivery(variables=variables)._replace(
        delivery_id=1, message_id=f"1.{store.db_id[:6]}@plnt7.example", next_time=NOW
    )
    changed = one._replace(
        attempts=2, next_time=NOW + 60, tried_time=NOW + 1, error=Text("text", text="lost \udcff"), answer="451 later"
    )
    store.commit(Batch(deliveries=[changed]))
    history = History(str(path))
    assert (
        history.delivery(1) == changed._replace(error=Text("text", text="lost \\udcff")) and history.delivery(2) is None
    )
    history.close()


def test_a_run_s_end_and_its_messages_are_written_together_or_not_at_all(path: Path) -> None:
    store = opened(path)

    states = [RuleState("backup", "ops", True, NOW, 3, 4, 5, "success")]
    with pytest.raises(StoreError, match="no room"), store.transaction() as tx:
        tx.write(Batch([make(status=S), make(status=F)]))
        tx.add_notices(Notices(states, [delivery()]))
        raise StoreError("full", Text("text", text="no room"))
    assert ask(path, "SELECT count(*) FROM task_history") == ask(path, "SELECT count(*) FROM task_outbox") == [(0,)]
    end_run(store, Notices(states, [delivery()]))
    assert len(read(store)) == 1 and ask(path, "SELECT count(*) FROM task_rule") == [(1,)]


def test_what_the_rules_cannot_read_is_an_error_of_the_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The composer of messages must be able to distinguish it from a bug, which costs the messages only."""
    connections = watch_connections(monkeypatch)
    store = opened(path)
    (run_id,) = store.commit(Batch([make()]))
    run = make(status=F, run_id=run_id)
    kinds = []
    with pytest.raises(StoreError), store.transaction() as tx:
        tx.write(Batch([run]))
        history = tx.history(run)
        connections[-1].set_progress_handler(lambda: 1, 1)
        for question in (lambda: list(history.finished()), history.tail, lambda: history.state("ops")):
            with pytest.raises(StoreError) as refused:
                question()
            kinds.append(refused.value.kind)
        connections[-1].set_progress_handler(None, 0)
        raise refused.value
    assert kinds == ["io"] * 3 and ask(path, "SELECT status FROM task_history") == [("running",)]


def test_the_rules_see_the_runs_in_the_order_of_their_ends(path: Path) -> None:
    """Of two that overlap the later one may end first, and the clock may be set back."""
    store, seen = opened(path), []

    def end_them(*runs: TaskExecution, **batch: Any) -> None:
        with store.transaction() as tx:
            for run, run_id in zip(runs, tx.write(Batch(runs, **batch))):
                history = tx.history(run._replace(run_id=run_id))
                seen.append((run_id, [(one.end_order, one.status) for one in history.finished()], history.tail()))
                tx.add_notices(Notices([history.state("ops")._replace(streak=len(seen))]))

    first, second = store.commit(Batch([make(), make()]))
    end_them(make(status=F, run_id=second, end_time=NOW + 9), tails={second: b"out"})
    end_them(make(status=S, run_id=first, end_time=NOW + 1), make("other", S))
    assert seen == [(second, [(1, F)], b"out"), (first, [(2, S), (1, F)], b""), (3, [(1, S)], b"")]
    assert ask(path, "SELECT task_id, row_length FROM task_rule ORDER BY 1") == [("backup", 2), ("other", 3)]
    assert FinishedRun(1, F, None).status is F


def test_of_one_channel_only_the_first_that_waits_is_due(path: Path) -> None:
    store = opened(path)
    one, two, other = put(store, delivery(), delivery(), delivery(channel=1))
    assert (one.next_time, two.next_time, other.next_time) == (NOW, None, NOW)
    end(store, one, now=NOW + 5)
    assert [d.next_time for d in read(store)] == [None, NOW + 5, NOW]
    assert store.outbox.next_time() == NOW and store.outbox.due(NOW - 1) is None
    end(store, other)
    store.commit(Batch(deliveries=[two._replace(attempts=1, next_time=NOW + 60, tried_time=NOW)]))
    (three,) = put(store, delivery())
    assert store.outbox.due(NOW + 59) is None and three.next_time is None and store.outbox.next_time() == NOW + 60
    assert (store.outbox.due(NOW + 60) or two).delivery_id == two.delivery_id
    fresh = put(store, delivery(rule="new"))[0]
    assert store.outbox.due(NOW + 60) == fresh, "one that was never tried goes first"


def test_a_mark_of_another_history_changes_nothing(path: Path) -> None:
    """The file was replaced by a new one while a message was on its way: its number belongs to another one now."""
    store = opened(path)
    (one,) = put(store, delivery())
    end(store, one._replace(message_id="1.000000@plant7"))
    assert read(store) == [one]


def test_one_that_was_given_up_while_it_was_on_its_way_may_have_been_sent(path: Path) -> None:
    store = opened(path)
    one, two = put(store, delivery(), delivery())
    assert store.outbox.bound(1, Text("notify.too_many"), NOW + 1) == 1 and store.outbox.bound(1, Text("x"), NOW) == 0
    store.commit(Batch(deliveries=[one._replace(attempts=1, next_time=NOW + 9, tried_time=NOW)]))
    assert [(d.state, d.next_time) for d in read(store)] == [("failed", None), ("pending", NOW + 1)]
    end(store, one)
    assert [d.state for d in read(store)] == ["sent", "pending"] and two.next_time is None


def test_resending_keeps_the_message_and_restarts_its_attempts(path: Path) -> None:
    store = opened(path)
    one, _ = put(store, delivery(), delivery())
    assert store.outbox.resend(1, NOW) is DeliveryState.PENDING and store.outbox.resend(7, NOW) is None
    end(store, one._replace(attempts=8), DeliveryState.FAILED)
    assert store.outbox.resend(1, NOW + 3) is DeliveryState.FAILED
    again, head = read(store)
    assert (again.state, again.attempts, again.message_id) == ("pending", 0, one.message_id)
    assert (again.next_time, head.next_time) == (None, NOW), "the other is before it"
    end(store, head, now=NOW + 9)
    assert read(store)[0].next_time == NOW + 9


def test_resending_what_has_failed_keeps_the_order_of_each_queue(path: Path) -> None:
    store = opened(path)
    found = put(store, delivery(), delivery(), delivery(), delivery(rule="other"))
    for one in found:
        end(store, one, DeliveryState.FAILED)
    assert store.outbox.resend_failed(3, NOW + 3) == (3, 1)
    assert [(one.state, one.next_time) for one in read(store)] == [
        ("pending", NOW + 3),
        ("pending", None),
        ("pending", None),
        ("failed", None),
    ]
    assert (store.outbox.resend_failed(3, NOW + 4), store.outbox.resend_failed(3, NOW + 4)) == ((1, 0), (0, 0))


def test_one_that_is_sent_again_shows_nothing_of_its_earlier_attempts(path: Path) -> None:
    """Should it be refused this time, it must not look like one that was sent."""
    store = opened(path)
    (one,) = put(store, delivery())
    end(store, one._replace(attempts=1, error=Text("text", text="not taken for b@example.org"), answer="250 ok"))
    store.outbox.resend(1, NOW + 3)
    assert read(store) == [one._replace(next_time=NOW + 3)]


def test_pages_are_newest_first_and_may_be_of_some_states_and_of_a_task(path: Path) -> None:
    store = opened(path)
    found = put(store, *(delivery(f"t{n % 2}", rule=str(n)) for n in range(10)))
    end(store, found[0])
    end(store, found[1], DeliveryState.FAILED)
    history = History(str(path))

    def ids(**wanted: Any) -> tuple[list[int], int]:
        some, total = history.deliveries(**wanted)
        return [one.delivery_id for one in some], total

    assert ids() == (list(range(10, 0, -1)), 10)
    assert ids(page=2, page_size=4) == ([6, 5, 4, 3], 10)
    assert ids(states=[DeliveryState.FAILED, DeliveryState.SENT]) == ([2, 1], 2)
    assert ids(task_id="t1", page_size=2) == ([10, 8], 5)
    assert ids(task_id="t1", states=[DeliveryState.SENT]) == ([], 0)
    history.close()
    assert store.outbox.counts(NOW) == (OutboxCounts(8, 1, 1), 1) and store.outbox.counts(NOW + 1)[1] == 0
    assert History(str(path.parent / "none.db")).deliveries() == ([], 0)


def queue(rule: str, channel: int, task_id: str = "backup") -> Queue:
    return Queue(task_id, rule, channel, "email", "k")


def test_what_the_config_no_longer_has_is_given_up_and_forgotten(path: Path) -> None:
    store = opened(path)
    put(store, delivery(), delivery(), delivery(rule="gone"), delivery(channel=1), delivery("gone"))
    states = [RuleState("backup", "ops"), RuleState("backup", "gone")]
    end_run(store, Notices(states))
    gone = {("backup", "gone", 0): 1, ("backup", "ops", 1): 1, ("gone", "ops", 0): 1}

    kept = ("backup", "ops", 0)
    moves: list[tuple[Queue, Optional[Queue]]] = [(one, None) for one in store.outbox.queues() if one[:3] != kept]
    assert store.outbox.reroute(moves, [("backup", "ops")], Text("notify.removed"), NOW + 1) == gone
    assert [d.state.value for d in read(store)] == ["pending", "pending", "failed", "failed", "failed"]
    assert ask(path, "SELECT rule FROM task_rule") == [("ops",)]
    assert [one[:3] for one in store.outbox.queues()] == [kept]
    assert store.outbox.reroute([], [("backup", "ops")], Text("notify.removed"), NOW + 1) == {}


def test_what_waits_follows_its_channel_and_queues_there_in_its_order(path: Path) -> None:
    """Two channels change places, and what waited for a third comes into the queue of the first."""
    store = opened(path)
    put(store, *(delivery(rule=rule, channel=n, channel_keys="o") for rule, n in (("x", 0), ("y", 0), ("y", 1)) * 2))
    places = {("x", 0): queue("y", 1), ("y", 0): queue("y", 1), ("y", 1): queue("y", 0)}
    moves = [(one, places[one[1:3]]) for one in store.outbox.queues()]
    assert store.outbox.reroute(moves, [], Text("notify.removed"), NOW + 9) == {}
    assert [(d.rule, d.channel, d.channel_keys, d.next_time) for d in read(store)] == [
        ("y", 1, "k", NOW),
        ("y", 1, "k", None),
        ("y", 0, "k", NOW),
        ("y", 1, "k", None),
        ("y", 1, "k", None),
        ("y", 0, "k", None),
    ]


def test_messages_that_an_older_minisched_wrote_are_read_and_sent(path: Path) -> None:
    with closing(schema.connect(str(path))) as db:
        schema.migrate(db, str(path), schema.MIGRATIONS[:1])
        db.execute(
            """INSERT INTO task_outbox (message_id, created_time, task_id, rule, channel, channel_type, run_id, event,
            state, attempts, next_time, error, answer, variables)
            VALUES ('1.ab@h', 5, 'backup', 'ops', 1, 'email', 7, 'event', 'pending', 0, 5, '', '', '{}')"""
        )
    store = opened(path)
    (one,) = read(store)
    assert one.queue == Queue("backup", "ops", 1, "email", "") and store.outbox.due(NOW) == one
    assert ask(path, "PRAGMA user_version") == [(schema.newest_version(),)]
    assert path.with_name("minisched.db.v1.bak").exists()


def test_nothing_waits_for_longer_than_its_own_delay(path: Path) -> None:
    """Whatever the clock showed when it was written."""
    store = opened(path)
    fresh, soon, late, wild = put(store, *(delivery(rule=name) for name in ("fresh", "soon", "late", "wild")))
    for one, tried, wait in ((soon, NOW - 10, 60), (late, NOW + 7200, 1800), (wild, NOW - 10, 9e9)):
        store.commit(Batch(deliveries=[one._replace(attempts=1, next_time=tried + wait, tried_time=tried)]))
    for _ in range(2):
        store.outbox.hasten(NOW - 100)
        times = [d.next_time and d.next_time - NOW for d in read(store)]
        assert times[:3] == [-100, -40, 1700] and 86_000 < (times[3] or 0) <= 86_300
    assert fresh.next_time == NOW


def test_what_waits_is_moved_with_the_clock(path: Path) -> None:
    store = opened(path)
    one, _ = put(store, delivery(), delivery())
    store.outbox.move(-3600)
    assert [d.next_time for d in read(store)] == [NOW - 3600, None] and one.next_time == NOW


def test_only_the_first_tries_of_those_that_are_held_are_put_off(path: Path) -> None:
    store = opened(path)
    tried, _, _, _ = put(store, *(delivery(rule=rule) for rule in ("tried", "held", "held", "free")))
    store.commit(Batch(deliveries=[tried._replace(attempts=1, next_time=NOW + 30, tried_time=NOW)]))
    for until in (NOW + 60, NOW + 5):
        untried = store.outbox.untried()
        store.outbox.postpone([one[0] for one in untried if one[1:] != ("backup", "free", 0)], until)
        assert [d.next_time for d in read(store)] == [NOW + 30, until, None, NOW]


def test_sent_and_failed_ones_are_kept_by_age_and_number_and_those_that_wait_for_ever(path: Path) -> None:
    kept, waiting = KEEP_DELIVERIES, 10
    store, keep = opened(path), HistorySettings(keep_days=1, keep_runs=1000)
    ended = put(store, *(delivery(rule=str(n)) for n in range(kept + 5 + waiting)))[: kept + 5]
    sent = {"state": DeliveryState.SENT, "next_time": None, "tried_time": NOW, "sent_time": NOW}
    store.commit(Batch(deliveries=[one._replace(**sent) for one in ended]))
    assert store.retain(keep, NOW, 3) == 3 and store.retain(keep, NOW, 50) == 2 and store.retain(keep, NOW, 50) == 0
    assert [d.delivery_id for d in read(store)] == list(range(6, kept + 6 + waiting))
    assert store.retain(keep, NOW + 90_000, kept + 50, ["backup"]) == kept
    assert [d.delivery_id for d in read(store)] == list(range(kept + 6, kept + 6 + waiting))


def test_ten_thousand_that_wait_make_no_question_slow(path: Path) -> None:
    """Each is a step in an index: of a query's plan none scans the outbox."""
    store = opened(path)
    put(store, delivery(), delivery(rule="y"))

    def ask_all(db: sqlite3.Connection) -> None:
        one = outbox.Outbox(lambda durable: nullcontext(db), lambda: nullcontext(db))
        one.due(NOW)
        one.next_time()
        one.untried()
        (first, second) = one.queues()
        one.reroute([(first, second._replace(rule="z")), (second, None)], (), Text("notify.removed"), NOW)
        list(outbox.RunHistory(lambda: nullcontext(db), make(run_id=1)).finished())

    found = plans(path, ask_all)
    assert len(found) > 8
    for query, plan in found.items():
        if "DISTINCT" in query:
            assert "COVERING INDEX task_outbox_queue" in plan, "no row is read for a config that has changed"
        elif "task_rule" not in query:
            assert "SCAN" not in plan and "TEMP B-TREE" not in plan, (query, plan)


def test_sentences_that_an_older_minisched_wrote_are_kept_as_texts(path: Path) -> None:
    with closing(schema.connect(str(path))) as db:
        schema.migrate(db, str(path), schema.MIGRATIONS[:2])
        db.execute(
            """INSERT INTO task_history (run_id, task_id, "trigger", status, reason, detail, attempt, max_attempts,
            missed_count, created_time) VALUES
            (1, 'backup', 'manual', 'technical_failure', 'spawn', 'no "x"\n没有', 1, 1, 0, 5),
            (2, 'backup', 'manual', 'success', NULL, '', 1, 1, 0, 6)"""
        )
        db.execute(
            """INSERT INTO task_attempt (run_id, attempt, status, reason, detail, start_time, leftover_processes,
            output_cut, log_lost) VALUES (1, 1, 'technical_failure', 'spawn', 'no "x"\n没有', 5, 0, 0, 0)"""
        )
        db.execute(
            """INSERT INTO task_outbox (message_id, created_time, task_id, rule, channel, channel_type, run_id, event,
            state, attempts, tried_time, error, answer, variables)
            VALUES ('1.ab@h', 5, 'backup', 'ops', 1, 'email', 7, 'event', 'failed', 1, 5, 'away', '', '{}')"""
        )
    with closing(opened(path)), closing(History(str(path))) as history:
        old, new = history.run(1), history.run(2)
        assert old is not None and new is not None
        assert (new.detail, old.detail) == (None, Text("text", text='no "x"\n没有'))
        assert old.attempts[0].detail == old.detail
        assert history.deliveries()[0][0].error == Text("text", text="away")
    assert path.with_name(path.name + ".v2.bak").exists()
