"""The outbox is read, a message is resent, a rule is tested; no response has a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from minisched.catalogue import render
from minisched.model import (
    Batch,
    Delivery,
    DeliveryState,
    OutboxCounts,
    Reply,
    ResendDelivery,
    ResendFailed,
    Status,
    Text,
)
from minisched.model.notification import Notices, NotificationEvent
from minisched.store.reader import History
from support.api import Api
from support.config import task
from support.store import NOW, make

SECRET = "xoxb-0123456789"
RULE = {
    "name": "chat",
    "triggers": ["technical_failure"],
    "channels": [
        {"type": "webhook", "preset": "slack", "url": f"https://hooks.example.org/{SECRET}", "secret": SECRET}
    ],
}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    one = Api(tmp_path / "home", task("a", task_notify=[RULE]), task("b", task_timezone="Europe/Berlin"))
    yield one
    one.close()


def deliver(api: Api, task_id: str = "a", **fields: Any) -> Delivery:
    """A delivery in the outbox, with these fields."""
    run = make(task_id, Status.TECHNICAL_FAILURE)

    with api.store.transaction() as tx:
        (run_id,) = tx.write(Batch([run]))
        variables = {"task_id": task_id, "host_name": "plant7", "execution_log_tail": SECRET}
        one = Delivery(NOW, task_id, "chat", 0, "webhook", run_id, NotificationEvent.EVENT, variables)
        tx.add_notices(Notices((), [one]))
    with closing(History(api.database)) as history:
        ((newest, *_), _) = history.deliveries()
    if fields:
        newest = newest._replace(**fields)
        api.store.commit(Batch(deliveries=[newest]))
    return newest


FAILED = {
    "state": DeliveryState.FAILED,
    "attempts": 8,
    "tried_time": NOW + 60,
    "error": Text("notify.http_status", status=500),
    "next_time": None,
}
SENT = {"state": DeliveryState.SENT, "attempts": 1, "sent_time": NOW + 1, "tried_time": NOW + 1, "next_time": None}


def test_the_outbox_is_paged_newest_first_and_filtered(api: Api) -> None:
    made = [deliver(api, **(FAILED if number % 3 == 0 else SENT)).delivery_id for number in range(6)]
    made += [deliver(api).delivery_id, deliver(api, "b").delivery_id]
    assert [one["delivery_id"] for one in api.get("/notifications").json["items"]] == made[::-1]
    page = api.get("/notifications?page=2&page_size=3").json
    assert [one["delivery_id"] for one in page["items"]] == made[4:1:-1]
    assert (page["page"], page["page_size"], page["total"]) == (2, 3, 8)
    failed = api.get("/notifications?state=failed&task=a").json
    assert [one["delivery_id"] for one in failed["items"]] == [made[3], made[0]]
    assert api.get("/notifications?state=failed,sent").json["total"] == 6
    assert api.get("/notifications?task=b").json["total"] == 1
    assert api.get("/notifications?task=removed").json["items"] == []
    assert api.get("/notifications?state=lost").code == "bad_request"
    assert api.get("/notifications", authorized=False).code == "unauthorized"


def test_a_message_has_its_error_and_times_in_the_zone_of_its_task(api: Api) -> None:
    one = deliver(api, "b", **{**FAILED, "answer": "no_service"})
    found = api.get(f"/notifications/{one.delivery_id}").json
    assert (found["state"], found["attempts"], found["error"], found["answer"]) == (
        "failed",
        8,
        {"code": "notify.http_status", "status": 500},
        "no_service",
    )
    assert found["created_time"] == "2026-11-18T12:06:40.500+01:00"
    assert (found["run_id"], found["event"], found["next_time"]) == (1, "event", None)
    assert found["message_id"].endswith("@plant7")
    assert api.get("/notifications/99").message == "there is no message 99 in the outbox"
    assert api.get("/notifications/0").code == "not_found"


def test_the_content_of_a_message_is_in_no_response(api: Api) -> None:
    """A message can have the end of the output, which is read through the log only."""
    deliver(api, **FAILED)
    for path in ("/notifications", "/notifications/1", "/status", "/metrics", "/tasks/a"):
        assert SECRET not in api.get(path).body.decode(), path


def test_a_message_is_resent(api: Api) -> None:
    one = deliver(api, **FAILED)
    found = api("POST", f"/notifications/{one.delivery_id}/resend", {})
    assert (found.status, found.json["state"], found.json["attempts"]) == (202, "pending", 0)
    assert found.json["message_id"] == one.message_id
    (message,) = api.posted
    assert isinstance(message, ResendDelivery)
    assert (message.delivery_id, message.by) == (one.delivery_id, "API, 127.0.0.1:9")


def test_all_that_have_failed_are_resent_at_once(api: Api) -> None:
    for fields in (FAILED, SENT, FAILED):
        deliver(api, **fields)
    found = api("POST", "/notifications/resend")
    assert (found.status, found.json) == (202, {"resent": 2, "left": 0})
    assert api.get("/notifications?state=failed").json["total"] == 0
    (message,) = api.posted
    assert isinstance(message, ResendFailed) and message.by == "API, 127.0.0.1:9"
    api.refusal = Reply("stopping", Text("text", text="so it is"))
    assert api("POST", "/notifications/resend").code == "stopping"


@pytest.mark.parametrize(("refused", "status"), [("not_found", 404), ("pending", 409), ("stopping", 503)])
def test_a_refused_resend_has_the_engines_code(api: Api, refused: str, status: int) -> None:
    deliver(api)
    api.refusal = Reply(refused, Text("text", text="so it is"))
    found = api("POST", "/notifications/1/resend")
    assert (found.status, found.code, found.message) == (status, refused, "so it is")


def test_a_test_message_is_sent_by_the_rules_in_force(api: Api, tmp_path: Path) -> None:
    closed_port = {"type": "webhook", "url": f"http://127.0.0.1:9/{SECRET}"}
    rules = [
        {
            "name": "both",
            "triggers": ["technical_failure"],
            "channels": [{"type": "file", "path": "sent"}, closed_port],
        },
        {"name": "off", "triggers": ["success"], "channels": [{"type": "file", "path": "sent"}], "enabled": False},
    ]
    assert api("PATCH", "/tasks/b", {"task_notify": rules}).status == 200
    api.posted.clear()
    found = api("POST", "/tasks/b/notify-test", {"rule": "both"})
    assert found.status == 200
    first, second = found.json["results"]
    assert first.pop("duration") >= 0
    assert first == {
        "rule": "both",
        "channel": 0,
        "channel_type": "file",
        "state": "sent",
        "error": None,
        "answer": "",
    }
    assert (second["state"], second["channel"], second["answer"]) == ("retry", 1, "")
    assert "refused" in render(Text.from_json(second["error"])) and SECRET not in found.body.decode()
    [line] = (api.path / "sent").read_text().splitlines()
    assert json.loads(line)["task_id"] == "b"
    assert api("POST", "/tasks/b/notify-test").json["results"][0]["rule"] == "both"
    assert api("POST", "/tasks/b/notify-test", {"rule": None}).status == 200
    assert api("POST", "/tasks/b/notify-test", {"rule": "off"}).json["results"][0]["state"] == "sent"
    assert len((api.path / "sent").read_text().splitlines()) == 4
    assert api.posted == []  # the engine has no part in it


def test_a_test_of_an_unknown_rule_is_refused(api: Api) -> None:
    assert api("POST", "/tasks/never_was/notify-test").code == "not_found"
    found = api("POST", "/tasks/a/notify-test", {"rule": "unknown"})
    assert (found.status, found.code, found.message) == (
        404,
        "not_found",
        'task a has no rule "unknown"; it has "chat"',
    )
    found = api("POST", "/tasks/a/notify-test", {"rule": 5})
    assert (found.code, found.json["error"]["pointer"]) == ("bad_request", "/rule")
    assert api("POST", "/tasks/a/notify-test", {"rules": "chat"}).code == "bad_request"
    assert api("POST", "/tasks/a/notify-test", authorized=False).code == "unauthorized"


def test_the_status_and_the_metrics_count_the_outbox(api: Api) -> None:
    api.board.engine = api.board.engine._replace(outbox=OutboxCounts(pending=3, sent=20, failed=1))
    assert api.get("/status").json["outbox"] == {"pending": 3, "sent": 20, "failed": 1}
    text = api.get("/metrics").body.decode()
    assert 'minisched_notifications{state="failed"} 1\n' in text
    assert 'minisched_notifications{state="pending"} 3\n' in text
