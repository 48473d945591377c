"""The end of a run becomes messages in the outbox, with all that a template may use."""

from __future__ import annotations

from typing import Any

import pytest

from minisched.model import (
    DeliveryState,
)
from minisched.notify.templates import default_text
from support.deliveries import FAIL, failing, outbox, received, rule
from support.engine import MakeSim, exits, task
from support.sim import Exit


def test_the_message_of_a_run_has_every_variable_of_a_template(sim: MakeSim) -> None:
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


def test_a_message_says_in_words_what_an_exit_code_alone_does_not(sim: MakeSim) -> None:
    crash = b'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nKeyError: 1\n'
    one = sim(
        task("a", "@at 2027-01-15T00:01", task_notify=[rule(triggers=["business_failure"])]),
        script=exits(a=Exit(1.0, 1, tail=crash)),
    )
    one.run_for(70)
    ((order, _),) = one.world.sent
    assert "the output looks like a crash" in default_text(order.message, 1000)
    assert any("looks like a crash" in line for line in one.lines)
    assert one.rows()[0]["detail"]["looks_like_crash"] is True


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


def test_every_kind_of_end_has_its_message(sim: MakeSim) -> None:
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
    messages = [
        (order.message.variables["task_id"], order.message.variables["execution_status"]) for order, _ in one.world.sent
    ]
    assert messages[:6] == [
        ("a", "business_failure"),
        ("b", "skipped"),
        ("a", "technical_failure"),
        ("b", "skipped"),
        ("a", "success"),
        ("b", "success"),
    ]
    assert ("c", "missed") in messages


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
    messages = [
        (d.rule, d.event.value, d.run_id, d.variables["threshold_count"], d.variables["suppressed_count"])
        for d in outbox(one)
    ]
    assert messages == [
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
