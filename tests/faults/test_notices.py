"""Notifications of a real engine, to a real server, by real processes that are killed."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minisched.home import Home as Place
from minisched.home import read_lock
from minisched.model import Delivery
from minisched.store.reader import History
from support.notify import Host, hosted, parsed, read_request
from support.programs import Home, eventually


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    one = Home(tmp_path / "home")
    try:
        yield one
    finally:
        one.close()


def rule(*triggers: str, channels: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {"name": "ops", "triggers": list(triggers), "channels": channels, **fields}


def deliveries(home: Home) -> list[Delivery]:
    """Oldest first."""
    history = History(str(home.path / "var" / "minisched.db"))
    try:
        return history.deliveries(page_size=1000)[0][::-1]
    finally:
        history.close()


class Inbox:
    """A webhook's server; `deaf` keeps its answers back."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []  # (X-Minisched-Delivery, run)
        self.deaf = threading.Event()

    def await_more(self, action: Callable[[], object], more: int) -> None:
        """Do that, and wait for so many requests more."""
        count = len(self.seen) + more
        action()
        eventually(lambda: len(self.seen) >= count, f"{more} more messages")

    def talk(self, host: Host, sock: socket.socket) -> None:
        request = parsed(read_request(sock))
        self.seen.append((request.headers["X-Minisched-Delivery"], int(json.loads(request.body)["execution_id"])))
        while self.deaf.is_set() and not host.over.wait(0.01):
            pass
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_an_engine_that_is_killed_repeatedly_loses_no_message(home: Home) -> None:
    """kill -9 while a message is on its way and while runs end: each run's message arrives, those that come twice
    have the same id, and the order is kept."""
    inbox = Inbox()
    with hosted(inbox.talk) as host:
        channel = {"type": "webhook", "url": f"http://127.0.0.1:{host.port}/"}
        ends = rule("success", "technical_failure", channels=[channel])
        home.write({"task_id": "a", "task_exec": "true", "task_schedule": "@every 1s", "task_notify": [ends]})
        for number in range(6):
            inbox.deaf.set()
            inbox.await_more(home.start, 1)
            if number % 2:
                inbox.await_more(inbox.deaf.clear, 2)
            home.kill()
        inbox.deaf.clear()
        home.write({"task_id": "a", "task_exec": "true", "task_notify": [ends]})
        home.start()
        eventually(lambda: all(one.state == "sent" for one in deliveries(home)), "the outbox is empty")
        assert home.stop() == 0
    outbox = deliveries(home)
    ended = [row["run_id"] for row in home.ended() if row["status"] in ("success", "technical_failure")]
    assert sorted(one.run_id for one in outbox) == ended
    arrived = dict(inbox.seen)
    assert arrived == {one.message_id: one.run_id for one in outbox}
    assert len(inbox.seen) - len(arrived) <= 6, "at most the one in flight is repeated"
    assert [one.message_id for one in outbox] == list(arrived), "in order"


def test_a_message_that_cannot_be_sent_is_a_problem_and_in_the_log(home: Home) -> None:
    home.write(
        {
            "task_id": "a",
            "task_exec": "exit 3",
            "task_notify": [rule("technical_failure", channels=[{"type": "file", "path": "/proc/none/n.jsonl"}])],
        },
        notify={"max_attempts": 1},
        http={"port": 0},
    )
    home.start()
    assert home.run("trigger", "a", "--wait").returncode == 3
    eventually(lambda: "not sent after 1 attempt: /proc/none/n.jsonl" in home.engine_log())
    token = (home.path / "var" / "token").read_text().strip()
    address = f"{read_lock(Place(str(home.path))).url}/api/scheduler/status"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})

    def problems() -> dict[str, str]:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return {problem["key"]: problem["message"] for problem in json.load(answer)["problems"]}

    eventually(
        lambda: problems().get("notifications") == "1 message could not be sent in the last 24 h; see the outbox"
    )


def test_the_engine_sends_the_messages_of_an_exec_beside_it(home: Home) -> None:
    path = home.path / "sent.jsonl"
    home.write(
        {
            "task_id": "a",
            "task_exec": "echo one; exit 3",
            "task_notify": [rule("technical_failure", threshold=2, channels=[{"type": "file", "path": "sent.jsonl"}])],
        }
    )
    assert home.run("exec", "a").returncode == 3  # neither an engine nor a message: it counts all the same
    home.start()
    assert home.run("exec", "a", "--notify").returncode == 3
    eventually(lambda: path.exists() and path.read_text().endswith("\n"), "the message is sent")
    (line,) = path.read_text().splitlines()
    message = json.loads(line)
    assert (message["execution_id"], message["threshold_count"]) == ("2", "2")
    assert (message["execution_log_tail"], message["exit_code"]) == ("one", "3")
    assert home.stop() == 0


def test_the_message_of_an_exec_waits_for_an_engine(home: Home) -> None:
    path = home.path / "sent.jsonl"
    channel = {"type": "command", "task_exec": ["/bin/sh", "-c", "cat >> sent.jsonl"]}
    home.write({"task_id": "a", "task_exec": "true", "task_notify": [rule("success", channels=[channel])]})
    assert home.run("exec", "a").returncode == 0
    assert not deliveries(home), "whoever runs it sees its end"
    assert home.run("exec", "a", "--notify").returncode == 0
    assert [one.state.value for one in deliveries(home)] == ["pending"]
    home.start()
    eventually(lambda: path.exists() and path.read_text().endswith("\n"))
    assert json.loads(path.read_text())["execution_status"] == "success"
    assert home.stop() == 0 and [one.state.value for one in deliveries(home)] == ["sent"]


def test_a_hanging_server_delays_neither_tasks_nor_the_stop(home: Home) -> None:
    inbox = Inbox()
    inbox.deaf.set()
    with hosted(inbox.talk) as host:
        channel = {"type": "webhook", "url": f"http://127.0.0.1:{host.port}/"}
        home.write(
            {
                "task_id": "a",
                "task_exec": "true",
                "task_schedule": "@every 1s",
                "task_notify": [rule("success", channels=[channel])],
            }
        )
        home.start()
        eventually(lambda: len(home.ended()) >= 4)
        late = [row for row in home.ended() if not row["start_time"].startswith(row["scheduled_time"][:19])]
        assert not late
        assert len(inbox.seen) == 1
        assert home.stop(within=8.0) == 0
    assert {one.state.value for one in deliveries(home)} == {"pending"}
