"""Notifications: the outbox, a message sent once more, a test of a task's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from minisched.api.body import bad_body, pointed
from minisched.api.call import ask, compact, history, json_answer, page_bytes, task_view, zone_of
from minisched.api.errors import Refused
from minisched.api.message import Response
from minisched.model import LocalizedText, ResendDelivery

if TYPE_CHECKING:
    from minisched.api.call import Call
    from minisched.model import Delivery


def outbox(call: Call) -> Response:
    asked = call.query
    with history(call.ports) as reader:
        found, total = reader.deliveries(asked["state"], asked["page"], asked["page_size"], asked["task"])
    items = [compact(one.as_json(zone_of(call.ports, one.task_id))) for one in found]
    return Response(200, page_bytes(items, asked["page"], asked["page_size"], total))


def one(call: Call) -> Response:
    return _answer(200, call)


def resend(call: Call) -> Response:
    """With all its tries anew, and in its place among those of its channel."""
    delivery_id = int(call.ids["delivery_id"])
    ask(call.ports, lambda asked: ResendDelivery(asked, delivery_id, call.by))
    return _answer(202, call)


def _answer(status: int, call: Call) -> Response:
    delivery_id = int(call.ids["delivery_id"])
    with history(call.ports) as reader:
        found: Optional[Delivery] = reader.delivery(delivery_id)
    if found is None:
        raise Refused("not_found", f"there is no message {delivery_id} in the outbox")
    return json_answer(status, found.as_json(zone_of(call.ports, found.task_id)))


def test(call: Call) -> Response:
    """Nothing of it is counted or kept: the rules in force are looked at, not the history."""
    task = task_view(call).task
    rule = call.body.get("rule")
    if rule is not None and not isinstance(rule, str):
        raise bad_body(pointed("", "rule"), LocalizedText("expected the name of a rule", "应为规则名称"))
    try:
        trials = call.ports.try_rules(call.ports.board.engine.config, task, rule, call.by)
    except LookupError as error:
        raise Refused("not_found", str(error.args[0])) from None
    return json_answer(200, {"results": [trial.as_json() for trial in trials]})
