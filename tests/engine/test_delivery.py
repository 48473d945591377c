"""From the outbox to the receiver: order, retries, back-off, requests to send again."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from minisched.catalogue import detail_text
from minisched.engine import outbox as engine_outbox
from minisched.model import (
    Batch,
    Delivery,
    DeliveryState,
    Reply,
    ReplyTo,
    ResendDelivery,
    ResendFailed,
    Status,
    Text,
)
from minisched.model.notification import Notices, NotificationEvent, SendRequest, SendResult, SendStatus
from minisched.notify.routing import endpoint_of
from support.deliveries import AWAY, FAIL, REFUSED, SENT, ask_again, failing, outbox, posting, received, rule, states
from support.engine import T0, MakeSim, configure, exits, problems, task
from support.factories import config
from support.sim import Exit, Sim
from support.store import make, opened

# ------------------------------------------------------------------------------------------------------- it is sent


def test_a_message_that_fails_is_retried_after_growing_delays(sim: MakeSim) -> None:
    one = sim(
        task("a", "@at 2027-01-15T00:01:00", task_notify=[rule()]), script=exits(a=FAIL), notify={"max_attempts": 4}
    )
    tries: list[float] = []

    def post(order: SendRequest, draw: random.Random) -> tuple[float, SendResult]:
        tries.append(one.world.mono)
        return 1.0, AWAY

    one.world.post = post
    one.run_for(3600)
    gaps = [later - earlier for earlier, later in zip(tries, tries[1:])]
    assert [24 <= gaps[0] <= 40, 48 <= gaps[1] <= 76, 96 <= gaps[2] <= 148, len(gaps)] == [True, True, True, 3]
    (delivery,) = outbox(one)
    assert (delivery.state, delivery.attempts, detail_text(delivery.error)) == (DeliveryState.FAILED, 4, "away")
    warnings = [line for line in one.lines if "notification 1" in line]
    assert warnings[-1] == 'WARNING notification 1 of a, rule "ops", file: not sent after 4 attempts: away'
    assert len(warnings) == 4 and ", attempt 1, next in " in warnings[0]
    assert problems(one)["notifications"] == "1 message could not be sent in the last 24 h; see the outbox"
    assert one.engine.snapshot.engine.outbox == (0, 0, 1)
    one.run_for(86_400)
    assert "notifications" not in problems(one) and one.engine.snapshot.engine.outbox == (0, 0, 1)


def test_a_message_refused_for_good_is_not_retried(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(REFUSED)
    one.run_for(600)
    assert [(d.state.value, d.attempts, detail_text(d.error)) for d in outbox(one)] == [("failed", 1, "no such user")]


def test_a_message_is_retried_when_the_server_asks_for_it(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(SendResult(SendStatus.RETRY, Text("text", text="HTTP 429"), "", 1800.0), SENT)
    one.run_for(1800)
    assert received(one) == []
    one.run_for(70)
    assert received(one) == [1]


def test_the_messages_of_a_channel_keep_their_order_whatever_fails(sim: MakeSim) -> None:
    """And one channel does not wait for another."""
    two = [{"type": "file", "path": "a"}, {"type": "file", "path": "b"}]
    one = sim(failing(rule(channels=two)), script=exits(a=FAIL), notify={"max_attempts": 100})
    one.world.post = lambda order, draw: (
        0.5,
        SENT if order.channel.options["path"] == "b" or draw.random() < 0.7 else AWAY,
    )
    one.run_for(6 * 3600)
    by_path: dict[str, list[int]] = {"a": [], "b": []}
    for order, outcome in one.world.sent:
        if outcome.state is SendStatus.SENT:
            by_path[order.channel.options["path"]].append(int(order.message.variables["execution_id"]))
    assert by_path["a"] == sorted(by_path["a"]) and len(by_path["a"]) > 20
    assert by_path["b"] == list(range(1, 360))
    assert one.sender.most == 1


def test_a_mail_that_some_recipients_did_not_get_is_logged(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(SendResult(SendStatus.SENT, Text("text", text="not taken for bob@example.org"), "250 ok"))
    one.run_for(100)
    (delivery,) = outbox(one)
    assert (detail_text(delivery.error), delivery.answer) == ("not taken for bob@example.org", "250 ok")
    assert 'WARNING notification 1 of a, rule "ops", file: sent, but not taken for bob@example.org' in one.lines


def test_retries_to_a_dead_server_do_not_hold_up_the_others(sim: MakeSim) -> None:
    """Thirty channels hang for 30 s at each try; a first message to a live one waits for one of these at most."""
    dead = [rule(name=f"dead {n}", channels=[{"type": "file", "path": f"dead {n}"}]) for n in range(30)]
    one = sim(
        task("a", "@at 2027-01-15T00:01:00", task_notify=dead),
        task("b", "0 * * * *", task_notify=[rule("success")]),
        script=exits(a=FAIL),
    )
    one.world.post = lambda order, draw: (30.0, AWAY) if order.message.variables["task_id"] == "a" else (0.1, SENT)
    one.run_for(4 * 3600)
    waits = [d.sent_time - d.created_time for d in outbox(one) if d.task_id == "b" and d.sent_time is not None]
    assert len(waits) >= 3 and max(waits) < 31


def test_first_tries_to_a_dead_server_do_not_hold_up_the_others_either(sim: MakeSim) -> None:
    """A hundred tasks fail at once, and again every ten minutes, while their server hangs; then it is back."""
    dead = [
        task(f"t{n}", "*/10 * * * *", task_notify=[rule(channels=[{"type": "file", "path": "dead"}])])
        for n in range(100)
    ]
    live = task("z", "* * * * *", task_notify=[rule("success", channels=[{"type": "file", "path": "live"}])])
    script = exits(z=Exit(1.0), **{one["task_id"]: FAIL for one in dead})
    one = sim(*dead, live, script=script, max_running=200, notify={"max_attempts": 100}, poll_s=60.0)
    one.world.post = lambda order, draw: (30.0, AWAY) if order.channel.options["path"] == "dead" else (0.1, SENT)
    one.run_for(3 * 3600)
    waits = [d.sent_time - d.created_time for d in outbox(one) if d.task_id == "z" and d.sent_time is not None]
    assert len(waits) >= 179 and max(waits) < 31
    tried = [d for d in outbox(one) if d.task_id != "z" and d.attempts]
    assert len(tried) >= 20, "first tries go on"
    one.world.post = lambda order, draw: (0.1, SENT)
    one.run_for(480)  # to the next one's turn, a minute, and 1,800 messages; but those that wait for a further try
    left = {d.task_id for d in outbox(one) if d.state is DeliveryState.PENDING}
    assert left <= {d.task_id for d in tried}
    one.run_for(3700)
    for task_id in {d.task_id for d in outbox(one)}:
        runs = [d.run_id for d in sorted(outbox_of(one, task_id), key=lambda d: (d.sent_time or 9e99, d.delivery_id))]
        assert runs == sorted(runs)


def outbox_of(one: Sim, task_id: str) -> list[Delivery]:
    return [delivery for delivery in outbox(one) if delivery.task_id == task_id]


def test_a_slow_server_that_takes_its_messages_does_not_delay_others_by_a_minute(sim: MakeSim) -> None:
    slow = [rule(name=f"slow {n}", channels=[{"type": "file", "path": "slow"}]) for n in range(20)]
    one = sim(
        task("a", "@at 2027-01-15T00:01:00", task_notify=slow),
        task("b", "@at 2027-01-15T00:01:05", task_notify=[rule(channels=[{"type": "file", "path": "b"}])]),
        script=exits(a=FAIL, b=FAIL),
    )
    one.world.post = lambda order, draw: (20.0, SENT) if order.channel.options["path"] == "slow" else (0.1, SENT)
    one.run_for(600)
    assert received(one)[:3] == [1, 2, 1] and set(states(one)) == {"sent"}
    (fast,) = outbox_of(one, "b")
    assert fast.sent_time is not None and fast.sent_time - fast.created_time < 21


@pytest.mark.parametrize(
    ("channels", "groups"),
    [
        ([{"type": "email", "recipients": ["a@a.example"]}, {"type": "email", "recipients": ["b@b.example"]}], 1),
        ([{"type": "webhook", "url": "https://A.example/1"}, {"type": "webhook", "url": "https://a.example?2"}], 1),
        ([{"type": "webhook", "url": "https://a.example"}, {"type": "webhook", "url": "https://a.example:8443"}], 2),
        ([{"type": "webhook", "url": {"from_file": f"/a/b/{n}"}} for n in range(3)], 3),
        ([{"type": "file", "path": "a"}, {"type": "command", "task_exec": "a"}, {"type": "file", "path": "b"}], 3),
    ],
)
def test_channels_behind_one_server_are_known_as_such(channels: list[dict[str, Any]], groups: int) -> None:
    checked = config(failing(rule(channels=channels)), smtp={"host": "mail", "from": "a@example.org"})
    assert len({endpoint_of(channel) for channel in checked.tasks["a"].task_notify[0].channels}) == groups


def test_a_sender_that_hangs_is_a_problem_until_it_continues(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(SENT, after_s=100.0)
    one.run_for(120)
    assert "sender" not in problems(one)
    one.run_for(10)
    problem = problems(one)["sender"]
    assert problem.startswith(
        "the sender hangs at notification 1, which should have ended after 30 s: no message is sent"
    )
    one.run_for(25)
    assert one.lines.count(f"ERROR sender: {problem}") == 1
    one.run_for(10)
    assert "sender" not in problems(one) and states(one) == ["sent"]


def test_a_try_hangs_once_it_is_late_for_its_own_limit() -> None:
    mail = {"type": "email", "recipients": ["a@example.org"]}
    checked = config(
        failing(rule(channels=[mail, {"type": "file", "path": "a"}])),
        smtp={"host": "mail", "from": "a@example.org", "timeout": "2m"},
    )
    by_mail, by_file = checked.tasks["a"].task_notify[0].channels
    assert [bool(engine_outbox.hanging(1, by_mail, checked.settings.smtp, s)) for s in (61, 149, 151)] == [
        False,
        False,
        True,
    ]
    assert [bool(engine_outbox.hanging(1, by_file, checked.settings.smtp, s)) for s in (59, 61)] == [False, True]


# ---------------------------------------------------------------------------------------------------------- the config


def test_pending_messages_of_a_removed_rule_channel_or_task_fail(sim: MakeSim) -> None:
    two = [{"type": "file", "path": "a"}, {"type": "command", "task_exec": "true"}]
    one = sim(
        failing(rule(name="r1"), rule(name="r2", channels=two), rule(name="r3")),
        task("b", "@every 60s", task_notify=[rule()]),
        script=exits(a=FAIL, b=FAIL),
    )
    one.world.post = posting(AWAY)
    one.run_for(130)
    assert states(one) == ["pending"] * 10
    configure(one, failing(rule(name="r2", channels=two[1:]), rule(name="r3")))
    one.run_for(5)
    ended = {(d.task_id, d.rule, d.channel) for d in outbox(one) if d.state is DeliveryState.FAILED}
    assert ended == {("a", "r1", 0), ("a", "r2", 0), ("b", "ops", 0)}
    assert {d.error for d in outbox(one) if d.state is DeliveryState.FAILED} == {engine_outbox.REMOVED}
    assert (
        f'WARNING b: 2 notifications of rule "ops", channel 0, were not sent: {detail_text(engine_outbox.REMOVED)}'
        in one.lines
    )
    assert "6 messages" in problems(one)["notifications"]
    one.world.post = posting(SENT)
    one.run_for(600)
    assert "pending" not in states(one)


def test_a_delivery_by_another_config_ends_as_failed(sim: MakeSim) -> None:
    """An `exec` that read the next config before the engine did writes messages of a rule that is not known here."""
    one = sim(failing())
    stranger = Delivery(T0, "a", "next", 0, "file", 1, NotificationEvent.EVENT, {"host_name": "h"})
    from support.store import opened

    store = opened(Path(one.path))
    with store.transaction() as tx:
        tx.write(Batch([make("a", Status.SUCCESS)]))
        tx.add_notices(Notices((), [stranger]))
    store.close()
    one.run_for(5)
    assert [(d.state.value, d.error) for d in outbox(one)] == [("failed", engine_outbox.REMOVED)]


def test_pending_messages_of_a_changed_channel_are_sent_by_its_new_options(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(AWAY)
    one.run_for(70)
    configure(one, failing(rule(channels=[{"type": "file", "path": "other"}])))
    one.world.post = posting(SENT)
    one.run_for(60)
    assert one.world.sent[-1][0].channel.options["path"] == "other" and states(one) == ["sent"]


# -------------------------------------------------------------------------------------------------------------- people


def test_a_failed_or_sent_message_is_sent_again_on_request(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(REFUSED, SENT)
    one.run_for(70)
    assert states(one) == ["failed"]
    assert ask_again(one, 1) == Reply()
    assert ask_again(one, 1) == Reply()
    assert states(one) == ["sent"]
    assert len({order.message.message_id for order, _ in one.world.sent}) == 1 and len(one.world.sent) == 3
    assert ask_again(one, 99).refused == "not_found"
    assert "INFO notification 1: to be sent again, requested by token" in one.lines
    one.run_for(5)
    assert "notifications" not in problems(one)


def test_a_message_that_waits_is_not_sent_again_beside(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(AWAY)
    one.run_for(70)
    assert ask_again(one, 1).refused == "pending"


def test_a_resent_message_waits_for_the_others_of_its_channel(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL, FAIL]))
    one.world.post = posting(REFUSED, AWAY)
    one.run_for(130)
    assert states(one) == ["failed", "pending"]
    ask_again(one, 1)
    one.world.post = posting(SENT)
    one.run_for(100)
    assert received(one) == [2, 1] and states(one) == ["sent", "sent"]


def test_all_failed_messages_are_sent_again_on_request(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL, FAIL]))
    one.world.post = posting(REFUSED)
    one.run_for(130)
    assert states(one) == ["failed", "failed"]
    one.world.post = posting(SENT)
    reply: SimpleQueue[Reply] = SimpleQueue()
    for most, resent, left in ((1, 1, 1), (10, 1, 0), (10, 0, 0)):
        one.post(ResendFailed(ReplyTo(reply, one.world.mono + 5), most, "token"))
        one.run_for(1)
        assert reply.get_nowait() == Reply(resent=resent, left=left)
    one.run_for(100)
    assert states(one) == ["sent", "sent"]


def test_a_command_that_is_read_too_late_is_not_carried_out(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.run_for(70)
    reply: SimpleQueue[Reply] = SimpleQueue()
    one.post(ResendDelivery(ReplyTo(reply, one.world.mono - 1), 1, "token"))
    one.run_for(1)
    assert reply.empty() and states(one) == ["sent"]


# ----------------------------------------------------------------------------------------- without rules at the start


def test_rules_that_a_reload_brings_are_followed(sim: MakeSim) -> None:
    one = sim(task("a", "@every 60s"), script=exits(a=FAIL))
    one.run_for(65)
    configure(one, failing())
    one.run_for(65)
    assert received(one) == [2]


def test_what_an_earlier_engine_left_is_ended_by_one_without_rules(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL, FAIL]))
    one.world.post = posting(REFUSED, AWAY)
    one.run_for(130)
    assert states(one) == ["failed", "pending"]
    one.crash()
    configure(one, task("a", "@every 60s"))
    one.boot()
    one.run_for(10)
    assert states(one) == ["failed", "failed"] and one.engine.snapshot.engine.outbox == (0, 0, 2)
    assert ask_again(one, 1) == Reply()
    one.run_for(10)
    assert states(one) == ["failed", "failed"] and received(one) == []
    configure(one, failing())
    one.world.post = posting(SENT)
    one.run_for(10)
    assert ask_again(one, 2) == Reply()
    one.run_for(10)
    assert states(one) == ["failed", "sent"] and received(one) == [2]


def test_a_delivery_that_another_program_wrote_is_found_by_an_engine_without_rules(sim: MakeSim) -> None:
    one = sim(task("b", "@every 1h"))
    one.run_for(70)
    stranger = Delivery(T0, "a", "next", 0, "file", 1, NotificationEvent.EVENT, {"host_name": "h"})
    with closing(opened(Path(one.path))) as other, other.transaction() as tx:
        tx.write(Batch([make("a", Status.SUCCESS)]))
        tx.add_notices(Notices((), [stranger]))
    one.run_for(70)
    assert [(d.state.value, d.error) for d in outbox(one)] == [("failed", engine_outbox.REMOVED)]
