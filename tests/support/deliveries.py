"""Notifications in the simulated engine: rules, the outbox, and what the receivers got."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

from minisched.model import (
    Delivery,
    Reply,
    ReplyTo,
    ResendDelivery,
    Text,
)
from minisched.model.notification import SendResult, SendStatus
from minisched.store.reader import History
from support.engine import task
from support.sim import Exit, Sim

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
    """The runs whose messages the receivers got, in the order of the messages."""
    return [
        int(order.message.variables["execution_id"])
        for order, outcome in one.world.sent
        if outcome.state is SendStatus.SENT
    ]


def posting(*outcomes: SendResult, after_s: float = 0.1) -> Any:
    """The receivers answer so, one try after the other, and then as the last of these."""
    left = list(outcomes)
    return lambda order, draw: (after_s, left.pop(0) if len(left) > 1 else left[0])


def ask_again(one: Sim, delivery_id: int) -> Reply:
    reply: SimpleQueue[Reply] = SimpleQueue()
    one.post(ResendDelivery(ReplyTo(reply, one.world.mono + 5), delivery_id, "token"))
    one.run_for(1)
    return reply.get_nowait()
