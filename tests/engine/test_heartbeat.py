"""The heartbeat to a dead man's switch, and what systemd is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from minisched.model import FieldError, Reload, Text
from minisched.model.notification import SendResult, SendStatus
from minisched.systemd import ServiceManager
from support.closing import close_later
from support.deliveries import AWAY
from support.engine import MakeSim, configure, problems, task
from support.notify import answering, hosted
from support.programs import Home, eventually
from support.sim import Sim

URL = "https://hc.example.org/ping/0f1e2d3c"
HEARTBEAT = {"url": URL, "every": "1m"}


def beats(one: Sim) -> list[float]:
    """The times at which a heartbeat was delivered, in seconds after the start."""
    return [request.message.created_time - one.engine.snapshot.engine.started for request, _ in one.world.sent]


def test_a_heartbeat_is_sent_at_the_start_and_then_as_often_as_the_config_says(sim: MakeSim) -> None:
    one = sim(task(), heartbeat=HEARTBEAT)
    one.run_for(200)
    assert beats(one) == [0, 60, 120, 180]
    request = one.world.sent[0][0]
    assert (request.channel.options["method"], request.channel.options["url"].reveal({}, "")) == ("GET", URL)


def test_without_the_setting_there_is_none_and_with_another_one_it_changes_at_once(sim: MakeSim) -> None:
    one = sim(task())
    one.run_for(600)
    assert beats(one) == []
    configure(one, task(), heartbeat=HEARTBEAT)
    one.run_for(2.5)
    assert len(beats(one)) == 1
    configure(one, task(), heartbeat={**HEARTBEAT, "every": "5m"})
    one.run_for(302)
    assert len(beats(one)) == 3
    configure(one, task())
    one.run_for(600)
    assert len(beats(one)) == 3


def test_a_heartbeat_costs_one_wake_up(sim: MakeSim) -> None:
    one = sim(task(schedule="0 0 1 1 *"), poll_s=3600.0)
    one.run_for(5)

    def waits() -> int:
        before = one.world.waits
        one.run_for(3600)
        return one.world.waits - before

    plain = waits()
    configure(one, task(schedule="0 0 1 1 *"), heartbeat=HEARTBEAT)
    one.run_for(3700)
    assert 60 <= waits() - plain <= 122  # the fake clock also stops at the moment of each delivery


def test_while_something_is_wrong_there_is_none(sim: MakeSim) -> None:
    one = sim(task(), heartbeat=HEARTBEAT)
    one.run_for(1)
    one.source.write([FieldError("task_timeout", Text("config.missing", why=Text("config.smtp.login")))])
    one.run_for(300)
    assert "config" in problems(one) and beats(one) == [0]
    configure(one, task(), heartbeat=HEARTBEAT)
    one.run_for(120)
    assert len(beats(one)) >= 2


def test_after_three_failures_in_a_row_it_is_a_problem_until_one_is_delivered(sim: MakeSim) -> None:
    one = sim(task(), boot=False, heartbeat=HEARTBEAT)
    one.world.post = lambda order, draw: (0.1, AWAY)
    one.boot()
    one.run_for(179)
    assert problems(one) == {}
    one.run_for(2)
    assert problems(one) == {"heartbeat": "the heartbeat could not be delivered several times in a row: away"}
    one.run_for(300)
    assert sum("could not be delivered" in line for line in one.lines) == 1
    one.world.post = lambda order, draw: (0.1, SendResult(SendStatus.SENT))
    one.run_for(121)
    assert problems(one) == {}


def test_one_that_takes_long_is_not_followed_by_another(sim: MakeSim) -> None:
    one = sim(task(), boot=False, heartbeat=HEARTBEAT)
    one.world.post = lambda order, draw: (1000.0, SendResult(SendStatus.SENT))
    one.boot()
    one.run_for(900)
    assert one.sender.most == 1 and "heartbeat" in problems(one)


# -------------------------------------------------------------------------------------------------------------- systemd


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Any]:
    """A socket that receives as systemd's does, and its address."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver


def received(receiver: Any) -> list[str]:
    found = []
    while True:
        try:
            found.append(receiver.recv(4096).decode())
        except BlockingIOError:
            return found


def watched(one: Sim, receiver: Any, watchdog_s: Any = None) -> Sim:
    one.manager = ServiceManager(receiver.getsockname(), watchdog_s)
    close_later(one.manager)
    one.boot()
    return one


def test_the_loop_reports_to_the_watchdog_in_half_of_its_time(sim: MakeSim, manager: Any) -> None:
    one = watched(sim(task(), boot=False), manager, 20.0)
    said = received(manager)
    for _ in range(10):  # the socket holds ten datagrams
        one.run_for(10.001)
        said += received(manager)
    assert said.count("WATCHDOG=1") == 11
    one.world.pass_time(100)  # the loop does not turn
    assert received(manager) == []


def test_the_status_is_said_on_change_and_at_most_each_five_seconds(sim: MakeSim, manager: Any) -> None:
    one = watched(sim(task(schedule="@every 1s"), boot=False), manager)
    said = received(manager)
    for _ in range(12):
        one.run_for(5)
        said += received(manager)
    assert said[0] == "STATUS=0 of 1 task running"
    assert 2 <= len(said) <= 13 and all(line.startswith("STATUS=") for line in said)


def test_a_problem_is_in_the_status(sim: MakeSim, manager: Any) -> None:
    one = watched(sim(task(), boot=False), manager)
    one.source.write([FieldError("task_timeout", Text("config.missing", why=Text("config.smtp.login")))])
    one.run_for(30)
    assert "; 1 problem: " in received(manager)[-1]


def test_a_reload_and_the_end_are_said(sim: MakeSim, manager: Any) -> None:
    one = watched(sim(task(), boot=False), manager)
    received(manager)
    one.post(Reload())
    one.run_for(1)
    first, second = received(manager)[:2]
    name, _, usec = first.partition("\nMONOTONIC_USEC=")
    assert (name, second) == ("RELOADING=1", "READY=1") and int(usec) > 0
    configure(one, task("b"))  # noticed without a request
    one.run_for(3)
    assert [line[:8] for line in received(manager)[:2]] == ["RELOADIN", "READY=1"]
    one.stop()
    assert "STOPPING=1" in received(manager)


def test_the_variables_are_for_this_process_only() -> None:
    environ = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "A": "1"}
    with closing(ServiceManager.of(environ)) as found:
        assert found.watchdog_s == 30.0
    assert environ == {"A": "1"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "x"},
        {"WATCHDOG_USEC": "1000000"},
        {"NOTIFY_SOCKET": "vsock:2:1", "WATCHDOG_USEC": "1000000"},
    ],
)
def test_a_watchdog_of_another_process_or_without_a_socket_is_none(environ: dict[str, str]) -> None:
    with closing(ServiceManager.of(environ)) as found:
        assert found.watchdog_s is None


def test_a_service_manager_that_is_gone_holds_nothing_up() -> None:
    with closing(ServiceManager("/nonexistent/notify")) as found:
        found.ready()
        found.status("x")


def test_an_engine_under_systemd_says_what_it_does_and_tasks_get_none_of_its_variables(home: Home) -> None:
    """With an abstract socket, as for user services."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as receiver:
        name = f"minisched-test-{os.getpid()}"
        receiver.bind("\0" + name)
        receiver.settimeout(20)
        home.write(
            {"task_id": "a", "task_exec": "env | grep -c -e NOTIFY_SOCKET -e WATCHDOG", "task_schedule": "@reboot"}
        )
        home.start(NOTIFY_SOCKET=f"@{name}", WATCHDOG_USEC="1000000")
        said: list[str] = []
        while "READY=1" not in said or said.count("WATCHDOG=1") < 2:
            said.append(receiver.recv(4096).decode())
        assert eventually(lambda: home.ended("a") and home.ended("a")[0]["exit_code"] == 1)
        home.stop()
        while "STOPPING=1" not in said:
            said.append(receiver.recv(4096).decode())
        assert said.index("READY=1") < said.index("STOPPING=1")


def test_a_heartbeat_is_a_get_without_a_body_and_its_address_is_nowhere(home: Home) -> None:
    with hosted(answering("200 OK")) as server:
        url = f"http://127.0.0.1:{server.port}/ping/0f1e2d3c4b5a"
        home.write({"task_id": "a", "task_exec": "true"}, heartbeat={"url": url, "every": "10s"})
        home.start()
        eventually(lambda: bool(server.seen))
        assert home.stop() == 0
    head, _, body = server.seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"GET /ping/0f1e2d3c4b5a HTTP/1.1\r\n") and body == b""
    assert b"User-Agent: minisched/" in head
    assert "0f1e2d3c4b5a" not in home.engine_log()
