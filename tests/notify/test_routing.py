"""A pending message goes to the channel it was made for, however rules and channels are edited."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from minisched.engine.outbox import REMOVED
from minisched.model import Delivery, NotifyRule, Text
from minisched.model.notification import Queue, SendResult, SendStatus
from minisched.notify.routing import Routing, keys_of
from minisched.store.reader import History
from support.engine import MakeSim, configure, exits, task
from support.factories import config
from support.sim import Exit, Sim

FAIL, WELL = Exit(1.0, 75), Exit(1.0)
SENT, AWAY = SendResult(SendStatus.SENT), SendResult(SendStatus.RETRY, Text("text", text="away"))
A, B, C = ({"type": "file", "path": name} for name in "abc")


def failing(*channels: dict[str, Any], name: str = "ops", **more: list[dict[str, Any]]) -> dict[str, Any]:
    rules = {name: list(channels), **more}
    notify = [{"name": rule, "triggers": ["technical_failure"], "channels": its} for rule, its in rules.items()]
    return task("a", "@every 60s", task_notify=[rule for rule in notify if rule["channels"]])


def outbox(one: Sim) -> list[Delivery]:
    history = History(one.path)
    try:
        return history.deliveries(page_size=200)[0][::-1]
    finally:
        history.close()


def sent_to(one: Sim) -> list[tuple[int, str]]:
    """(delivery, path), in their order."""
    return [
        (request.message.delivery_id, request.channel.options["path"])
        for request, result in one.world.sent
        if result.state is SendStatus.SENT
    ]


def waiting(sim: MakeSim, *channels: dict[str, Any], **more: list[dict[str, Any]]) -> Sim:
    """One failed run has messages, which no server takes yet."""
    one = sim(failing(*channels, **more), script=exits(a=[FAIL]))
    one.world.post = lambda request, draw: (0.1, AWAY)
    one.run_for(70)
    one.world.post = lambda request, draw: (0.1, SENT)
    return one


def test_a_channel_inserted_before_another_does_not_get_its_messages(sim: MakeSim) -> None:
    one = waiting(sim, A)
    configure(one, failing(B, A))
    one.run_for(120)
    assert sent_to(one) == [(1, "a")] and outbox(one)[0].channel == 1


def test_messages_of_a_removed_channel_go_to_no_other(sim: MakeSim) -> None:
    one = waiting(sim, A, B)
    configure(one, failing(B))
    one.run_for(120)
    assert sent_to(one) == [(2, "b")]
    assert [(d.state.value, d.error) for d in outbox(one)] == [("failed", REMOVED), ("sent", None)]


def test_a_channel_in_place_of_a_removed_one_gets_none_of_its_messages(sim: MakeSim) -> None:
    """As many channels as before, and yet none of them was edited."""
    one = waiting(sim, A, B)
    configure(one, failing(B, C))
    one.run_for(120)
    assert sent_to(one) == [(2, "b")] and outbox(one)[0].error == REMOVED


def test_a_corrected_destination_gets_the_pending_messages(sim: MakeSim) -> None:
    one = waiting(sim, A, B)
    configure(one, failing(C, B))
    one.run_for(120)
    assert sorted(sent_to(one)) == [(1, "c"), (2, "b")]


def test_changes_while_no_engine_ran_are_followed_too(sim: MakeSim) -> None:
    one = waiting(sim, A, B)
    one.crash()
    configure(one, failing(C, B, A))
    one.boot()
    one.run_for(120)
    assert sorted(sent_to(one)) == [(1, "a"), (2, "b")]


def test_messages_of_two_queues_that_become_one_keep_their_order(sim: MakeSim) -> None:
    one = sim(failing(A, B), script=exits(a=FAIL))
    one.world.post = lambda request, draw: (0.1, AWAY)
    one.run_for(190)
    configure(one, failing(B, A))
    one.run_for(120)
    one.world.post = lambda request, draw: (0.1, SENT)
    one.run_for(400)
    ids = {d.delivery_id: d.run_id for d in outbox(one)}
    for path in "ab":
        runs = [ids[number] for number, where in sent_to(one) if where == path]
        assert runs == list(range(1, len(runs) + 1)) and len(runs) >= 8


def test_a_message_resent_after_an_edit_goes_to_its_own_channel(sim: MakeSim) -> None:
    from queue import SimpleQueue

    from minisched.model import Reply, ReplyTo, ResendDelivery

    one = waiting(sim, A)
    one.run_for(60)
    configure(one, failing(B, A))
    one.run_for(5)
    reply: SimpleQueue[Reply] = SimpleQueue()
    one.post(ResendDelivery(ReplyTo(reply, one.world.mono + 5), 1, "token"))
    one.run_for(5)
    assert sent_to(one) == [(1, "a"), (1, "a")]


def test_pending_messages_of_a_renamed_rule_are_sent_under_its_new_name(sim: MakeSim) -> None:
    one = waiting(sim, A, B)
    configure(one, failing(B, A, name="ops team"))
    one.run_for(120)
    assert sorted(sent_to(one)) == [(1, "a"), (2, "b")]
    assert {(d.rule, d.channel) for d in outbox(one)} == {("ops team", 0), ("ops team", 1)}


@pytest.mark.parametrize("left", [{"r1": [A], "r2": [A]}, {"r1": [B]}, {}])
def test_pending_messages_of_a_removed_rule_fail(sim: MakeSim, left: dict[str, Any]) -> None:
    one = waiting(sim, A)
    configure(one, failing(name="x", **left))
    one.run_for(120)
    assert sent_to(one) == [] and outbox(one)[0].error == REMOVED


def test_a_rule_with_pending_messages_is_not_a_renamed_one(sim: MakeSim) -> None:
    one = waiting(sim, A, other=[A])
    configure(one, failing(A, name="other"))
    one.run_for(120)
    assert [(d.rule, d.state.value) for d in outbox(one)] == [("ops", "failed"), ("other", "sent")]


@pytest.mark.parametrize("seed", range(8))
def test_no_channel_gets_a_message_of_another_after_any_edits(sim: MakeSim, seed: int) -> None:
    """And each message whose channel stays is sent once, in the order of its queue."""
    draw = random.Random(seed)
    names = [f"n{number}" for number in range(6)]

    def some(least: int) -> list[str]:
        return draw.sample(names, draw.randint(least, 5))

    def failing_to(paths: list[str]) -> dict[str, Any]:
        return failing(*({"type": "file", "path": path} for path in paths))

    paths = some(3)
    one = sim(failing_to(paths), script=exits(a=[FAIL] * 3))
    one.world.post = lambda request, draw: (0.1, AWAY)
    one.run_for(190)
    written_for = {d.delivery_id: paths[d.channel] for d in outbox(one)}
    assert len(written_for) == 3 * len(paths)
    stayed, count = set(paths), len(paths)
    for _ in range(4):
        paths = some(1)
        while len(paths) == count:  # else one may be a corrected one
            paths = some(1)
        stayed, count = stayed & set(paths), len(paths)
        if draw.random() < 0.3:
            one.crash()
            configure(one, failing_to(paths))
            one.boot()
        else:
            configure(one, failing_to(paths))
        one.run_for(draw.uniform(4, 50))
    one.world.post = lambda request, draw: (0.1, SENT)
    one.run_for(3700)
    arrived = sent_to(one)
    assert all(written_for[number] == path for number, path in arrived)
    assert sorted(number for number, path in arrived) == [n for n, path in written_for.items() if path in stayed]
    for path in stayed:
        mine = [number for number, where in arrived if where == path]
        assert mine == sorted(mine)


# ------------------------------------------------------------------------------------------------------------ the keys


def the_rule(*channels: dict[str, Any]) -> NotifyRule:
    checked = config(failing(*channels), smtp={"host": "mail", "from": "a@example.org"})
    return checked.tasks["a"].task_notify[0]


def test_a_key_depends_on_the_destination_and_the_home() -> None:
    mail = {"type": "email", "recipients": ["a@example.org"]}
    hook = {"type": "webhook", "url": "https://hook.example/T0KEN"}
    same = [{**mail, "subject_template": "x"}, {**hook, "method": "PUT", "headers": {"A": "b"}}]
    keys = keys_of(the_rule(mail, hook), "/home").split(",")
    assert keys_of(the_rule(*same), "/home").split(",") == keys and len(set(keys)) == 2
    others = [
        {"type": "email", "recipients": ["a@example.org", "b@example.org"]},
        {"type": "webhook", "url": "https://hook.example/OTHER"},
        {"type": "webhook", "url": {"from_env": "HOOK"}},
        {"type": "webhook", "url": {"from_file": "HOOK"}},
        {"type": "command", "task_exec": "tell"},
        {"type": "command", "task_exec": ["tell", "ops"]},
        {"type": "file", "path": "tell"},
    ]
    assert len({*keys, *keys_of(the_rule(*others), "/home").split(",")}) == 2 + len(others)
    assert not set(keys) & set(keys_of(the_rule(mail, hook), "/elsewhere").split(","))


def test_the_outbox_contains_no_address_of_a_webhook(sim: MakeSim) -> None:
    one = waiting(sim, {"type": "webhook", "url": "https://hook.example/T0KEN"})
    assert outbox(one)[0].channel_keys
    one.stop()
    assert b"T0KEN" not in Path(one.path).read_bytes()


def test_channels_with_the_same_destination_keep_their_own_messages() -> None:
    """They differ in the form of the message: the first one stays the first one."""
    written = the_rule(A, B, A)
    keys = keys_of(written, "/home")
    found = Routing(config(failing(B, A, A)).tasks, "/home")
    places = [found.find(Queue("a", "ops", index, "file", keys)) for index in range(3)]
    assert [place.channel for place in places if place] == [1, 0, 2]
    found = Routing(config(failing(A, B)).tasks, "/home")
    assert found.find(Queue("a", "ops", 2, "file", keys)) is None


def test_a_channel_of_another_type_is_not_a_corrected_one() -> None:
    found = Routing(config(failing({"type": "command", "task_exec": "a"})).tasks, "/home")
    assert found.find(Queue("a", "ops", 0, "file", keys_of(the_rule(A), "/home"))) is None


def test_messages_of_an_older_version_follow_the_index_of_their_channel(sim: MakeSim) -> None:
    """They have no keys; they get them at the first comparison and are followed from then on."""
    one = waiting(sim, A, B)
    one.crash()
    with closing(sqlite3.connect(one.path)) as db:
        db.execute("UPDATE task_outbox SET channel_keys = ''")
        db.commit()
    one.world.post = lambda request, draw: (0.1, AWAY)
    one.boot()
    one.run_for(5)
    assert all(delivery.channel_keys for delivery in outbox(one))
    configure(one, failing(B, A))
    one.world.post = lambda request, draw: (0.1, SENT)
    one.run_for(200)
    assert sorted(sent_to(one)) == [(1, "a"), (2, "b")]
    found = Routing(config(failing(A, B)).tasks, "/home")
    places = [
        found.find(Queue("a", "ops", index, kind, "")) for index, kind in ((1, "file"), (1, "email"), (2, "file"))
    ]
    assert [place and place.channel for place in places] == [1, None, None]
    assert found.find(Queue("a", "gone", 0, "file", "")) is None
