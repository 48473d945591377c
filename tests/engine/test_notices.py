"""Notifications in the simulated engine: from the end of a run through the outbox to the receiver."""

from __future__ import annotations

import gc
import random
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from minisched.catalogue import detail_text
from minisched.engine import outbox as engine_outbox
from minisched.model import (
    Batch,
    Config,
    Delivery,
    DeliveryState,
    Reply,
    ReplyTo,
    ResendDelivery,
    Status,
    StoreError,
    Text,
)
from minisched.model.notification import Notices, NotificationEvent, SendRequest, SendResult, SendStatus
from minisched.notify.compose import add_notices
from minisched.notify.routing import endpoint_of
from minisched.store import History
from support.engine import T0, MakeSim, configure, exits, problems, task
from support.factories import config
from support.sim import Exit, Killed, Sim
from support.store import make

FAIL = Exit(1.0, 75)
SENT, AWAY, REFUSED = (
    SendResult(SendStatus.SENT),
    SendResult(SendStatus.RETRY, Text("text", text="away")),
    SendResult(SendStatus.FAILED, Text("text", text="no such user")),
)


def rule(*triggers: str, name: str = "ops", **fields: Any) -> dict[str, Any]:
    channels = fields.pop("channels", [{"type": "file", "path": "n.jsonl"}])
    return {"name": name, "triggers": list(triggers or ["technical_failure"]), "channels": channels, **fields}


def failing(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return task("a", "@every 60s", task_notify=list(rules or [rule()]), **fields)


def outbox(one: Sim) -> list[Delivery]:
    """All deliveries, oldest first."""
    history = History(one.path)
    try:
        found, page = [], 1
        while True:
            some, total = history.deliveries(page=page, page_size=200)
            found += some
            if len(found) >= total:
                return found[::-1]
            page += 1
    finally:
        history.close()


def states(one: Sim) -> list[str]:
    return [delivery.state.value for delivery in outbox(one)]


def received(one: Sim) -> list[int]:
    """The runs that the receivers were told of, in the order of their messages."""
    return [
        int(order.message.variables["execution_id"])
        for order, outcome in one.world.sent
        if outcome.state is SendStatus.SENT
    ]


def posting(*outcomes: SendResult, after_s: float = 0.1) -> Any:
    """The receivers answer so, one try after the other, and then as the last of these."""
    left = list(outcomes)
    return lambda order, draw: (after_s, left.pop(0) if len(left) > 1 else left[0])


# ------------------------------------------------------------------------------------------------------ what is said


def test_the_end_of_a_run_is_told_with_all_that_a_template_may_use(sim: MakeSim) -> None:
    one = sim(
        failing(
            task_name="Nightly", task_timezone="Asia/Shanghai", task_retry={"max_attempts": 2, "delay": 1, "jitter": 0}
        ),
        script=exits(a=FAIL),
    )
    one.run_for(70)
    ((order, _),) = one.world.sent
    assert order.message.variables == {
        "task_id": "a",
        "task_name": "Nightly",
        "execution_status": "technical_failure",
        "execution_start_time": "2027-01-15T08:01:00+08:00",
        "execution_end_time": "2027-01-15T08:01:03+08:00",
        "execution_duration": "2.0 s",
        "threshold_count": "1",
        "execution_log_tail": "done",
        "execution_id": "1",
        "execution_reason": "exit_code",
        "exit_code": "75",
        "attempt": "2",
        "scheduled_time": "2027-01-15T08:01:00+08:00",
        "host_name": "plant7",
        "task_url": "http://127.0.0.1:8787/#task/a",
        "suppressed_count": "0",
    }
    assert order.message.event == "event" and order.channel.options["path"] == "n.jsonl" and order.home == "/home"
    (delivery,) = outbox(one)
    assert order.message.message_id == delivery.message_id
    assert delivery.message_id == f"1.{one.ledger.db_id[:6]}@plant7"
    assert (delivery.state, delivery.attempts, delivery.channel_type) == (DeliveryState.SENT, 1, "file")
    assert delivery.created_time <= delivery.tried_time == delivery.sent_time and delivery.next_time is None
    assert 'INFO notification 1 of a, rule "ops", file: sent' in one.lines


@pytest.mark.parametrize(
    ("http", "url"),
    [
        ({"enabled": False}, ""),
        ({"port": 0}, ""),
        ({"host": "0.0.0.0", "port": 0, "allowed_hosts": ["plant.example"]}, "http://plant.example/#task/a"),
        ({"host": "::1", "port": 9000}, "http://[::1]:9000/#task/a"),
        ({"host": "0.0.0.0", "allowed_hosts": ["plant.example"]}, "http://plant.example:8787/#task/a"),
        ({"host": "0.0.0.0", "allowed_hosts": ["plant.example:80"]}, "http://plant.example:80/#task/a"),
        ({"host": "::", "allowed_hosts": ["[fd00::1]"]}, "http://[fd00::1]:8787/#task/a"),
        ({"allowed_hosts": ["plant.example"]}, "http://plant.example/#task/a"),  # a proxy before it
    ],
)
def test_the_address_of_the_task_is_the_one_that_browsers_use(sim: MakeSim, http: dict[str, Any], url: str) -> None:
    one = sim(failing(), script=exits(a=FAIL), http=http)
    one.run_for(70)
    assert one.world.sent[0][0].message.variables["task_url"] == url


def test_every_kind_of_end_is_told(sim: MakeSim) -> None:
    """Of a process, of a dependent that is skipped, of a due time that was missed: each in its own way to its end."""
    watch = rule("skipped", "missed", "success", "timeout", "business_failure")
    one = sim(
        task("a", "@every 60s", task_notify=[watch], task_timeout=20),
        task("b", task_dependencies=["a"], task_notify=[watch]),
        task("c", "@every 1h", task_notify=[watch], task_misfire="skip"),
        script=exits(a=[Exit(2.0, 1), Exit(50.0), Exit(1.0)]),
    )
    one.run_for(200)
    one.crash()
    one.world.pass_time(7200)
    one.boot()
    one.run_for(1)
    told = [
        (order.message.variables["task_id"], order.message.variables["execution_status"]) for order, _ in one.world.sent
    ]
    assert told[:6] == [
        ("a", "business_failure"),
        ("b", "skipped"),
        ("a", "technical_failure"),
        ("b", "skipped"),
        ("a", "success"),
        ("b", "success"),
    ]
    assert ("c", "missed") in told


def test_an_outage_of_very_many_due_times_is_one_event(sim: MakeSim) -> None:
    one = sim(task("a", "@every 1s", task_notify=[rule("missed", threshold=2)], task_misfire="skip"))
    one.stop()
    one.world.pass_time(86_400)
    one.boot()
    one.run_for(5)
    assert [row["missed_count"] for row in one.rows() if row["status"] == "missed"] and received(one) == []


def test_threshold_recovery_and_cooldown_work_on_the_engine(sim: MakeSim) -> None:
    one = sim(
        failing(rule(threshold=2, recovery=True), rule(name="all", cooldown="150s")),
        script=exits(a=[FAIL, FAIL, FAIL, Exit(1.0), FAIL]),
    )
    one.run_for(310)
    told = [
        (d.rule, d.event.value, d.run_id, d.variables["threshold_count"], d.variables["suppressed_count"])
        for d in outbox(one)
    ]
    assert told == [
        ("all", "event", 1, "1", "0"),
        ("ops", "event", 2, "2", "0"),
        ("ops", "recovery", 4, "0", "0"),
        ("all", "event", 5, "1", "2"),
    ]


def test_a_restart_between_two_failures_does_not_lose_the_count(sim: MakeSim) -> None:
    one = sim(failing(rule(threshold=4)), script=exits(a=FAIL))
    for _ in range(8):
        one.run_for(60)
        one.crash()
        one.boot()
    assert [delivery.run_id for delivery in outbox(one)] == [4, 8]


# ------------------------------------------------------------------------------------------------------- it is sent


def test_one_that_does_not_get_through_is_tried_again_after_growing_times(sim: MakeSim) -> None:
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


def test_what_is_refused_for_good_is_not_tried_again(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(REFUSED)
    one.run_for(600)
    assert [(d.state.value, d.attempts, detail_text(d.error)) for d in outbox(one)] == [("failed", 1, "no such user")]


def test_a_server_that_names_its_time_is_asked_again_then(sim: MakeSim) -> None:
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


def test_a_mail_that_some_recipients_did_not_get_is_told(sim: MakeSim) -> None:
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
    one = sim(*dead, live, script=script, max_running=200, notify={"max_attempts": 100})
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


def test_a_server_that_takes_each_message_slowly_is_no_reason_to_wait_for_all_of_them(sim: MakeSim) -> None:
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


def test_a_sender_that_hangs_is_told_until_it_goes_on(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(SENT, after_s=100.0)
    one.run_for(120)
    assert "sender" not in problems(one)
    one.run_for(10)
    told = problems(one)["sender"]
    assert told.startswith("the sender hangs at notification 1, which should have ended after 30 s: no message is sent")
    one.run_for(25)
    assert one.lines.count(f"ERROR sender: {told}") == 1
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


def test_what_waits_for_a_removed_rule_channel_or_task_is_given_up(sim: MakeSim) -> None:
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


def test_a_changed_channel_gets_what_waits_by_its_new_options(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.world.post = posting(AWAY)
    one.run_for(70)
    configure(one, failing(rule(channels=[{"type": "file", "path": "other"}])))
    one.world.post = posting(SENT)
    one.run_for(60)
    assert one.world.sent[-1][0].channel.options["path"] == "other" and states(one) == ["sent"]


# -------------------------------------------------------------------------------------------------------------- people


def ask_again(one: Sim, delivery_id: int) -> Reply:
    reply: SimpleQueue[Reply] = SimpleQueue()
    one.post(ResendDelivery(ReplyTo(reply, one.world.mono + 5), delivery_id, "token"))
    one.run_for(1)
    return reply.get_nowait()


def test_a_person_may_have_a_failed_or_sent_message_sent_again(sim: MakeSim) -> None:
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


def test_one_sent_again_waits_for_those_of_its_channel(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL, FAIL]))
    one.world.post = posting(REFUSED, AWAY)
    one.run_for(130)
    assert states(one) == ["failed", "pending"]
    ask_again(one, 1)
    one.world.post = posting(SENT)
    one.run_for(100)
    assert received(one) == [2, 1] and states(one) == ["sent", "sent"]


def test_a_late_wish_is_not_carried_out(sim: MakeSim) -> None:
    one = sim(failing(), script=exits(a=[FAIL]))
    one.run_for(70)
    reply: SimpleQueue[Reply] = SimpleQueue()
    one.post(ResendDelivery(ReplyTo(reply, one.world.mono - 1), 1, "token"))
    one.run_for(1)
    assert reply.empty() and states(one) == ["sent"]


# ----------------------------------------------------------------------------------------------------- clocks and ends


def test_a_clock_set_back_by_years_does_not_hold_a_retry_up_for_years(sim: MakeSim) -> None:
    one = sim(task("a", "@at 2027-01-15T00:01:00", task_notify=[rule()]), script=exits(a=[FAIL]))
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
            raise StoreError("locked", "shut")
        return self.ledger.transaction(durable)

    def tokens(self) -> Any:
        if self.shut:
            raise StoreError("locked", "shut")
        return self.ledger.tokens()


def test_an_outbox_that_cannot_be_read_is_asked_again(sim: MakeSim) -> None:
    class Unread(Locked):
        @property
        def outbox(self) -> Any:
            if self.shut:
                raise StoreError("io", "no descriptor")
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
    """A config by which no message can be made: what stands here for a bug of ours."""
    good = config(*tasks)
    notify = good.settings.notify._replace(log_tail_lines=None)  # type: ignore[arg-type]
    return Config(good.settings._replace(notify=notify), good.tasks)


def test_an_end_whose_messages_cannot_be_made_is_written_all_the_same_and_that_is_told(sim: MakeSim) -> None:
    one = sim(config=unable(failing()), script=exits(a=[FAIL, FAIL]))
    one.run_for(130)
    assert [row["status"] for row in one.rows()] == ["technical_failure"] * 2 and states(one) == []
    why = "its notifications could not be composed: TypeError"
    assert [why in line for line in one.lines if line.startswith("ERROR")] == [True, True]
    told = "no notification was sent for 2 runs: the messages could not be composed; see logs/minisched.log"
    assert problems(one)["messages"] == told
    configure(one, failing(rule("success")))
    one.run_for(86_400)
    assert "messages" not in problems(one) and received(one)[0] == 3


def test_a_ledger_that_fails_while_it_is_asked_for_the_past_writes_nothing() -> None:
    """It is no fault of the messages: the whole commit is to be tried again."""

    class Failing:
        def history(self, run: Any) -> Any:
            return self

        def state(self, rule: str) -> Any:
            raise StoreError("io", "no disk")

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
    """Each engine dies while a message is on its way: it has arrived or not, nobody here knows. It comes again, with
    its id; what was marked never does."""
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
    told = {delivery.message_id: delivery for delivery in outbox(one)}
    failed = [row["run_id"] for row in one.rows("a") if row["status"] == "technical_failure"]
    assert [delivery.run_id for delivery in told.values()] == failed, "each failure has its message"
    assert {delivery.state for delivery in told.values()} == {DeliveryState.SENT}
    assert set(dict(arrived)) == set(told), "none was lost, none is unknown"
    for message_id in told:
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
    one = sim(task("a", "@every 60s", task_notify=[rule("success", channels=channels)]), notify={"max_attempts": 100})

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
        assert list(dict.fromkeys(mine)) == list(range(mine[0], 1502))  # one was on its way when it was counted


def test_too_many_that_wait_are_given_up_oldest_first_and_told(sim: MakeSim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_outbox, "PENDING_MAX", 20)
    one = sim(failing(), script=exits(a=FAIL), notify={"max_attempts": 100})
    one.world.post = posting(AWAY)
    one.run_for(60 * 30 + 10)
    found = outbox(one)
    assert [d.state.value for d in found] == ["failed"] * 10 + ["pending"] * 20
    assert found[0].error == Text("notify.too_many", limit=20) and found[10].next_time is not None
    assert sum("notifications were not sent: too many waiting: more than 20" in line for line in one.lines) == 10
    one.world.post = posting(SENT)
    one.run_for(3700)
    assert received(one)[:20] == list(range(11, 31))


def test_old_sent_and_failed_messages_go_with_the_history(sim: MakeSim) -> None:
    slow = task("a", "@every 600s", task_notify=[rule()])
    one = sim(slow, script=exits(a=FAIL), history={"keep_days": 1, "keep_runs": 10})
    one.run_for(3 * 86_400)
    found = outbox(one)
    assert 144 <= len(found) <= 145 and found[-1].run_id == 3 * 144 - 1
