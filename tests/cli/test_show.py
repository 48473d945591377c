"""`show`, `notifications`, `url`, `status --check`."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from minisched.model import Batch, Status
from minisched.model.notification import Delivery, DeliveryState, Notices, NotificationEvent
from minisched.store.reader import History
from minisched.store.writer import open_store
from support.cli import Cli, on_terminal, record
from support.programs import Home, eventually
from support.store import make as make_run

SECRET = "hunter2"
NOW = 1_795_000_000


def test_show_says_where_each_field_comes_from(home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    one: dict[str, Any] = {
        "task_id": "a",
        "task_exec": "true",
        "task_schedule": "30 2 * * *",
        "task_timeout": "5m",
        "task_retry": {"delay": "1m"},
        "task_env": {"PW": SECRET, "LEVEL": "2"},
        "task_calendar": "cn",
    }
    (home.path / "cn.txt").write_text("week mon-fri\n")
    settings = {"timezone": "UTC", "calendars": {"cn": {"file": "cn.txt"}}}
    document = {"version": 1, "settings": settings, "tasks": [one]}
    document["defaults"] = {"task_nice": 5, "task_retry": {"max_attempts": 3}, "task_env": {"LANG": "C"}}
    home.config.write_text(json.dumps(document))
    record(home.path, make_run(task_id="a", status=Status.SUCCESS))
    text = cli("show", "a").stdout
    for line in (
        "task_timeout 5m file",
        "task_nice 5 defaults",
        "task_retry.delay 1m file",
        "task_retry.max_attempts 3 defaults",
        "task_retry.backoff 2 built-in",
        "task_env.LANG C defaults",
        "task_env.LEVEL 2 file",
        "task_timezone UTC settings",
        "task_calendar.name cn file",
        "task_calendar.days working built-in",
        "task_kill_grace 10s built-in",
    ):
        assert line.split() in [found.split() for found in text.splitlines()]
    assert text.startswith("task     a\nlast run run 1: success") and "\nnext     20" in text
    found = cli("show", "a", "--json").json
    assert found["fields"]["task_retry.max_attempts"] == {"value": 3, "from": "defaults"}
    assert len(found["next_run_times"]) == 3 and found["last_run"]["run_id"] == 1
    assert cli("show", "aa").stderr == 'minisched: no task "aa"; did you mean "a"?\n'


def test_show_hides_secrets(home: Home, cli: Cli) -> None:
    hook = {"type": "webhook", "url": f"https://example.org/{SECRET}", "secret": SECRET}
    rule = {"name": "r", "triggers": ["missed"], "channels": [hook]}
    home.write({"task_id": "a", "task_exec": "true", "task_notify": [rule]})
    for arguments in (("show", "a"), ("show", "a", "--json")):
        done = cli(*arguments)
        assert done.returncode == 0 and SECRET not in done.stdout and "***" in done.stdout


@pytest.fixture
def outbox(home: Home) -> Home:
    """A home with a message that failed, and one that was sent."""
    paper = {"name": "tell ops", "triggers": ["missed"], "channels": [{"type": "file", "path": "n.jsonl"}]}
    tasks = [{"task_id": name, "task_exec": "true", "task_notify": [paper]} for name in ("a", "b")]
    home.write(*tasks, http={"port": 0})
    record(home.path, make_run(task_id="a", status=Status.SUCCESS))
    database = str(home.path / "var" / "minisched.db")
    store, _ = open_store(database, now=0.0)
    for task, state in (("a", DeliveryState.FAILED), ("b", DeliveryState.SENT)):
        one = Delivery(NOW, task, "tell ops", 0, "file", 1, NotificationEvent.EVENT, {"task_id": task})
        with store.transaction() as tx:
            tx.add_notices(Notices((), [one]))
        with closing(History(database)) as history:
            newest = history.deliveries()[0][0]
        store.commit(Batch(deliveries=[newest._replace(state=state, attempts=8, tried_time=NOW, next_time=None)]))
    store.close()
    return home


def test_notifications_lists_the_outbox(outbox: Home, cli: Cli) -> None:
    lines = cli("notifications").stdout.splitlines()
    assert lines[1].split()[:3] == ["2", "b", "sent"] and lines[2].split()[:3] == ["1", "a", "failed"]
    assert [item["delivery_id"] for item in cli("notifications", "a", "--json").json["items"]] == [1]
    assert cli("notifications", "--status", "pending").stdout == "no messages\n"
    assert cli("notifications", "-n", "1").stdout.endswith("1 of 2 messages, page 1 of 2\n")
    assert cli("notifications", "--status", "lost").returncode == 2
    assert "no engine runs" in cli("notifications", "--resend", "1").stderr


def test_a_message_is_sent_again_and_the_address_is_printed(outbox: Home, cli: Cli) -> None:
    outbox.start()
    eventually(lambda: json.loads((outbox.path / "var" / "lock").read_text())["url"], "the page is up")
    assert cli("notifications", "--resend", "1").stdout == "message 1 is sent again\n"
    assert "no delivery 9" in cli("notifications", "--resend", "9").stderr
    address = cli("url").stdout.strip()
    assert address == f"{outbox.api[0].partition('/api')[0]}/#token={outbox.api[1]}"
    assert cli("url", "--json").json == {"url": address}
    text = on_terminal(80, "url", home=outbox.path)
    assert text.startswith(address) and "whoever sees this address can run commands" in text
    done = cli("status", "--check")
    assert (done.returncode, done.stdout) == (0, f"OK: 2 tasks, engine pid {outbox.process.pid}\n")  # type: ignore[union-attr]


def test_a_check_for_monitors_says_what_is_wrong_in_one_line(home: Home, cli: Cli) -> None:
    home.write({"task_id": "a", "task_exec": "true"}, {"task_id": "off", "task_exec": "true", "enabled": False})
    done = cli("status", "--check")
    assert (done.returncode, done.stdout) == (3, f"UNKNOWN: no engine runs on {home.path}\n")
    record(home.path, *(make_run(task_id=name, status=Status.MISSED) for name in ("a", "off")))
    (home.path / "var" / "minisched.db.damaged-20261123T020000Z").write_bytes(b"x")
    home.start()
    done = cli("status", "--check")
    assert done.returncode == 1 and done.stdout.count("\n") == 1
    assert done.stdout.startswith("WARNING: 1 failed: a, 1 problem: ")
    found = cli("status", "--check", "--json")
    assert (found.returncode, found.json["failed"], found.json["engine"]) == (1, ["a"], True)
