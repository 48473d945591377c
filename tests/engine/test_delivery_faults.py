"""No message is lost or repeated by clocks, stops, a database that fails, kills, or a server that is down for a day."""

from __future__ import annotations

import gc
import random
import sys
from typing import Any

import pytest

from minisched.engine import outbox as engine_outbox
from minisched.model import (
    Config,
    DeliveryState,
    Status,
    StoreError,
    Text,
)
from minisched.model.notification import SendRequest, SendResult, SendStatus
from minisched.notify.compose import add_notices
from support.deliveries import AWAY, FAIL, SENT, ask_again, failing, outbox, posting, received, rule, states
from support.engine import MakeSim, configure, exits, problems, task
from support.factories import config
from support.sim import Exit, Killed
from support.store import make

POLL_S = 120.0  # for the config, which does not change while a day passes

# ----------------------------------------------------------------------------------------------------- clocks and ends


def test_a_clock_set_back_by_years_does_not_hold_a_retry_up_for_years(sim: MakeSim) -> None:
    fails = task("a", "@at 2027-01-15T00:01:00", task_notify=[rule()])
    one = sim(fails, script=exits(a=[FAIL]), poll_s=POLL_S)
    one.world.post = posting(AWAY, SENT)
    one.run_for(62)
    one.world.wall_offset -= 5 * 365 * 86_400
    one.run_for(2 * 86_400)
    assert states(one)[0] == "sent"


@pytest.mark.parametrize("hours", [0.01, 1, 12, 30])
def test_a_clock_set_back_holds_up_neither_a_retry_nor_a_first_try(sim: MakeSim, hours: float) -> None:
    """Each waits for as long as it would have without: the retry for its 30 s, the new one for the server before it."""
    one = sim(
        task("a", "@at 2027-01-15T00:01:00", task_notify=[rule()]),
        task("b", "@at 2027-01-15T00:01:10", task_notify=[rule(channels=[{"type": "file", "path": "b"}])]),
        script=exits(a=FAIL, b=FAIL),
    )
    tries: list[tuple[str, float]] = []

    def post(order: SendRequest, draw: random.Random) -> tuple[float, SendResult]:
        task_id = order.message.variables["task_id"]
        tries.append((task_id, one.world.mono))
        return (20.0, AWAY) if len(tries) == 1 else (0.1, SENT)

    one.world.post = post
    one.run_for(75)
    one.world.wall_offset -= hours * 3600
    one.run_for(120)
    (_, first), (_, new), (_, again) = tries
    assert [task_id for task_id, _ in tries] == ["a", "b", "a"] and states(one) == ["sent", "sent"]
    assert new - first < 21 and 44 <= again - first <= 57


@pytest.mark.parametrize("hours", [1, 12, 9000])
def test_a_clock_set_back_while_no_engine_runs_holds_no_retry_up(sim: MakeSim, hours: float) -> None:
    one = sim(task("a", "@at 2027-01-15T00:01:00", task_notify=[rule()]), script=exits(a=[FAIL]))
    one.world.post = posting(AWAY, SENT)
    one.run_for(65)
    one.crash()
    one.world.wall_offset -= hours * 3600
    one.boot()
    one.run_for(40)
    assert "sent" in states(one)


def test_a_clock_set_forward_makes_a_retry_due_at_once(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(SendResult(SendStatus.RETRY, Text("text", text="busy"), "", 7200.0), SENT)
    one.run_for(70)
    one.world.wall_offset += 7200
    one.run_for(5)
    assert states(one) == ["sent"]


def test_a_stopping_engine_waits_a_moment_for_the_answer_to_a_message(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(SENT, after_s=2.0)
    one.run_for(61.5)
    began = one.world.mono
    one.stop()
    assert states(one) == ["sent"] and one.world.mono - began < 2.5


def test_a_stopping_engine_does_not_wait_for_a_server_that_hangs(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(SENT, after_s=30.0)
    one.run_for(61.5)
    began = one.world.mono
    one.stop()
    assert states(one) == ["pending"] and one.world.mono - began < 6


# ------------------------------------------------------------------------------------------------------------- trouble


class Locked:
    """A ledger that cannot be written for a while."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.shut = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def transaction(self, durable: bool) -> Any:
        if self.shut:
            raise StoreError("locked", Text("text", text="shut"))
        return self.ledger.transaction(durable)

    def tokens(self) -> Any:
        if self.shut:
            raise StoreError("locked", Text("text", text="shut"))
        return self.ledger.tokens()


def test_an_outbox_that_cannot_be_read_is_read_again(sim: MakeSim) -> None:
    class Unread(Locked):
        @property
        def outbox(self) -> Any:
            if self.shut:
                raise StoreError("io", Text("text", text="no descriptor"))
            return self.ledger.outbox

        def tokens(self) -> Any:
            return self.ledger.tokens()

    doors: list[Unread] = []

    def wrap(ledger: Any) -> Unread:
        doors.append(Unread(ledger))
        doors[-1].transaction = ledger.transaction  # type: ignore[method-assign]
        return doors[-1]

    one = sim(failing(), script=exits(a=[FAIL]), wrap=wrap)
    doors[0].shut = True
    one.run_for(70)
    assert received(one) == [] and len(one.rows()) == 1
    assert ask_again(one, 1).refused == "unavailable"
    assert "no descriptor" in problems(one)["outbox"] and len(one.rows()) == 1
    assert sum("no descriptor" in line for line in one.lines) == 1
    doors[0].shut = False
    one.run_for(15)
    assert received(one) == [1] and "outbox" not in problems(one)


def test_nothing_is_lost_while_the_ledger_cannot_be_written(sim: MakeSim) -> None:
    doors: list[Locked] = []

    def wrap(ledger: Any) -> Locked:
        doors.append(Locked(ledger))
        return doors[-1]

    one = sim(failing(rule("technical_failure", "success")), script=exits(a=Exit(30.0, 75)), wrap=wrap)
    one.run_for(80)  # one runs
    doors[0].shut = True
    one.run_for(300)
    assert states(one) == [] and "history" in problems(one)
    doors[0].shut = False
    one.run_for(10)
    assert received(one) == [1]
    one.run_for(125)
    assert received(one) == [row["run_id"] for row in one.rows() if row["status"] == "technical_failure"]


def unable(*tasks: dict[str, Any]) -> Config:
    """A config by which no message can be made: in place of a bug of ours."""
    good = config(*tasks)
    notify = good.settings.notify._replace(log_tail_lines=None)  # type: ignore[arg-type]
    return Config(good.settings._replace(notify=notify), good.tasks)


def test_an_end_whose_messages_cannot_be_composed_is_written_and_reported(sim: MakeSim) -> None:
    one = sim(config=unable(failing()), script=exits(a=[FAIL, FAIL]), poll_s=30.0)
    one.run_for(130)
    assert [row["status"] for row in one.rows()] == ["technical_failure"] * 2 and states(one) == []
    why = "its notifications could not be composed: TypeError"
    assert [why in line for line in one.lines if line.startswith("ERROR")] == [True, True]
    expected = "no notification was sent for 2 runs: the messages could not be composed; see logs/minisched.log"
    assert problems(one)["messages"] == expected
    configure(one, failing(rule("success")))
    one.run_for(86_400 + 120)
    assert "messages" not in problems(one) and received(one)[0] == 3


def test_a_ledger_that_fails_while_it_is_asked_for_the_past_writes_nothing() -> None:
    """It is no fault of the messages: the whole commit is to be tried again."""

    class Failing:
        ended_before = frozenset[int]()

        def history(self, run: Any) -> Any:
            return self

        def state(self, rule: str) -> Any:
            raise StoreError("io", Text("text", text="no disk"))

    with pytest.raises(StoreError, match="no disk"):
        add_notices(Failing(), [make("a", Status.TECHNICAL_FAILURE)], [1], config(failing()), "plant7", "/home")  # type: ignore[arg-type]


def test_a_message_sent_while_the_ledger_is_shut_is_not_sent_twice(sim: MakeSim) -> None:
    doors: list[Locked] = []

    def wrap(ledger: Any) -> Locked:
        doors.append(Locked(ledger))
        return doors[-1]

    one = sim(failing(), script=exits(a=[FAIL]), wrap=wrap)
    one.world.post = posting(SENT, after_s=5.0)
    one.run_for(62)
    doors[0].shut = True
    one.run_for(600)
    doors[0].shut = False
    one.run_for(60)
    assert received(one) == [1] and states(one) == ["sent"]


# --------------------------------------------------------------------------------------------------------------- kills


def test_nothing_is_lost_by_a_hundred_kills_between_send_and_mark(sim: MakeSim) -> None:
    """Each engine dies with a message in flight, so it is unknown whether it has arrived. It is sent again, with its
    id; a message that was marked as sent never is."""
    one = sim(failing(task_timeout=None), script=exits(a=FAIL))
    arrived: list[tuple[str, bool]] = []  # message id, and whether its engine lived to know
    kills = 0

    def post(order: SendRequest, draw: random.Random) -> tuple[float, SendResult]:
        world = one.world
        lives = draw.random() < 0.4
        arrived.append((order.message.message_id, lives))
        if not lives and world.kill_at is None:
            world.kill_at = world.mono + draw.uniform(0.0, 0.9)
        return 1.0, SENT

    one.world.post = post
    while kills < 100:
        try:
            one.run_for(600)
        except Killed:
            kills += 1
            one.crash()
            one.world.pass_time(one.world.random.uniform(0, 200))
            one.boot()
    one.world.post, one.world.kill_at = posting(SENT), None
    one.run_for(600)
    arrived += [
        (order.message.message_id, True) for order, _ in one.world.sent if order.message.message_id not in dict(arrived)
    ]
    deliveries = {delivery.message_id: delivery for delivery in outbox(one)}
    failed = [row["run_id"] for row in one.rows("a") if row["status"] == "technical_failure"]
    assert [delivery.run_id for delivery in deliveries.values()] == failed, "each failure has its message"
    assert {delivery.state for delivery in deliveries.values()} == {DeliveryState.SENT}
    assert set(dict(arrived)) == set(deliveries), "none was lost, none is unknown"
    for message_id in deliveries:
        tries = [lives for name, lives in arrived if name == message_id]
        assert tries[:-1] == [False] * (len(tries) - 1), "a message whose answer was heard came again"
    assert sum(not lives for _, lives in arrived) >= 100


def test_a_kill_at_any_moment_loses_no_message(sim: MakeSim) -> None:
    """Kills anywhere: before the end is written, between end and send, while it is on its way, after."""
    one = sim(failing(rule("technical_failure", "success", "missed", threshold=1)), script=exits(a=FAIL))
    one.world.post = lambda order, draw: (draw.uniform(0.0, 3.0), SENT if draw.random() < 0.7 else AWAY)
    draw = random.Random(7)
    for _ in range(100):
        one.world.kill_at = one.world.mono + draw.uniform(0.0, 90.0)
        try:
            one.run_for(120)
        except Killed:
            one.crash()
            one.boot()
    one.world.post, one.world.kill_at = posting(SENT), None
    one.run_for(3700)
    ended = [row["run_id"] for row in one.rows("a") if row["status"] in ("technical_failure", "success", "missed")]
    assert [delivery.run_id for delivery in outbox(one)] == ended
    last = [run for number, run in enumerate(received(one)) if run not in received(one)[number + 1 :]]
    assert last == sorted(last) == ended


# -------------------------------------------------------------------------------------------------------- a dead server


def test_a_dead_server_for_a_day_delays_no_task_and_takes_no_memory(sim: MakeSim) -> None:
    """10,000 messages, a server that hangs for 30 s at each try: the engine holds one of them, every run starts when
    it is due, and when the server is back all of them come in their order."""
    channels = [{"type": "file", "path": f"n{number}"} for number in range(7)]
    often = task("a", "@every 60s", task_notify=[rule("success", channels=channels)])
    one = sim(often, notify={"max_attempts": 100}, poll_s=POLL_S)

    def blocks() -> int:
        for seen in (one.world.starts, one.world.sent, one.lines):
            seen.clear()
        one.executor.ends = {run_id: one.executor.ends[run_id] for run_id in one.world.processes}
        gc.collect()
        return sys.getallocatedblocks()

    one.world.post = lambda order, draw: (30.0, AWAY)
    one.run_for(3600)
    before = blocks()
    one.run_for(23 * 3600)
    sent, lines = len(one.world.sent), len(one.lines)
    after = blocks()
    assert one.engine.snapshot.engine.outbox == (
        engine_outbox.PENDING_MAX,
        0,
        24 * 60 * 7 - 7 - engine_outbox.PENDING_MAX,
    )
    assert after - before < 1000, f"{after - before} blocks more"
    assert sent < 23 * 120 + 2 and lines < 23 * 60 * 3 + sent
    assert {row["start_time"][17:] for row in one.rows()} == {"00+00:00"}, "a run began late"
    one.world.post = lambda order, draw: (0.01, SENT)
    one.run_for(3700)
    assert one.engine.snapshot.engine.outbox.pending == 0
    assert received(one)[-1] == 1501
    for channel in channels:
        mine = [
            int(o.message.variables["execution_id"])
            for o, _ in one.world.sent
            if o.channel.options["path"] == channel["path"]
        ]
        assert mine[-1] == 1501 and mine[0] <= 12
        first, *rest = dict.fromkeys(mine)  # the first was on its way when the oldest failed, perhaps the next one
        assert rest == list(range(rest[0], 1502)) and rest[0] - first <= 2


def test_of_too_many_pending_messages_the_oldest_fail_and_are_logged(
    sim: MakeSim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_outbox, "PENDING_MAX", 20)
    one = sim(failing(), script=exits(a=FAIL), notify={"max_attempts": 100})
    one.world.post = posting(AWAY)
    one.run_for(60 * 30 + 10)
    found = outbox(one)
    assert [d.state.value for d in found] == ["failed"] * 10 + ["pending"] * 20
    assert found[0].error == Text("notify.too_many", limit=20) and found[10].next_time is not None
    assert sum("notification was not sent: too many waiting: more than 20" in line for line in one.lines) == 10
    one.world.post = posting(SENT)
    one.run_for(3700)
    assert received(one)[:20] == list(range(11, 31))


def test_old_sent_and_failed_messages_are_deleted_with_the_history(sim: MakeSim) -> None:
    slow = task("a", "@every 600s", task_notify=[rule()])
    one = sim(slow, script=exits(a=FAIL), history={"keep_days": 1, "keep_runs": 10}, poll_s=POLL_S)
    one.run_for(3 * 86_400)
    found = outbox(one)
    assert 144 <= len(found) <= 145 and found[-1].run_id == 3 * 144 - 1
