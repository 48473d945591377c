"""Events: changes are sent, in bounded memory, to at most sixteen listeners."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from minisched.api.context import EventIntervals, Listener
from minisched.model import Status
from support.api import Api
from support.config import task
from support.store import NOW, make


@pytest.fixture
def make_api(tmp_path: Path) -> Iterator[Callable[..., Api]]:
    """Makes an Api with shorter intervals, of which some are given."""
    made: list[Api] = []

    def make_one(**intervals: float) -> Api:
        intervals = {"ping": 0.05, "look": 0.01, "status": 0.0, **intervals}
        made.append(Api(tmp_path / "home", task("a"), task("b"), intervals=EventIntervals(**intervals)))
        return made[-1]

    yield make_one
    for one in made:
        one.close()


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    return make_api()


class Stream:
    """The events of one listener."""

    def __init__(self, api: Api, query: str = "", authorized: bool = True) -> None:
        found = api.get(f"/events{query}", authorized=authorized)
        assert found.response.content_type == "text/event-stream; charset=utf-8"
        self.pieces: Any = found.response.stream
        self._left: list[tuple[str, Any]] = []

    def next(self) -> tuple[str, Any]:
        while not self._left:
            for block in next(self.pieces).decode("ascii").split("\n\n")[:-1]:
                first, second = block.split("\n")
                assert first.startswith("event: ") and second.startswith("data: ")
                self._left.append((first[7:], json.loads(second[6:])))
        return self._left.pop(0)

    def upto(self, name: str) -> list[tuple[str, Any]]:
        """All events up to the first of that name."""
        found = [self.next()]
        while found[-1][0] != name:
            found.append(self.next())
        return found


def test_a_stream_begins_with_hello_and_the_engine_and_then_pings(api: Api) -> None:
    stream = Stream(api)
    name, data = stream.next()
    assert name == "hello"
    assert data == {
        "epoch": "e0",
        "version": 1,
        "tasks": 2,
        "task_ids": crc32(b"a\nb"),
        "server_time": "2026-11-18T11:06:40.500+00:00",
    }
    name, data = stream.next()
    assert (name, data["tasks"], data["listeners"]) == ("status", 2, 1)
    assert stream.next() == ("ping", {"server_time": "2026-11-18T11:06:40.500+00:00"})
    assert stream.next()[0] == "ping"
    stream.pieces.close()


def test_a_changed_task_is_sent_as_its_summary(api: Api) -> None:
    stream = Stream(api)
    stream.upto("ping")
    api.record(make("b", Status.RUNNING, start_time=NOW))
    name, summary = stream.next()
    assert (name, summary["task_id"], summary["current_status"]) == ("task", "b", "running")
    assert summary == api.get("/tasks?q=b").json["items"][0]
    name, status = stream.next()
    assert (name, status["counts"]["running"]) == ("status", 1)
    assert stream.next()[0] == "ping"
    stream.pieces.close()


def test_of_many_changes_the_last_is_sent(api: Api) -> None:
    stream = Stream(api)
    stream.upto("ping")
    for number in range(100):
        api.publish("a", next_start=NOW + number)
    events = stream.upto("ping")
    assert [name for name, _ in events] == ["task", "status", "ping"]
    assert events[0][1]["next_run_time"] == "2026-11-18T11:08:19.500+00:00"
    stream.pieces.close()


def test_a_reconnecting_client_gets_newer_summaries_first(api: Api) -> None:
    version = api.board.version
    api.publish("b", next_start=NOW)
    for query, expected in (
        (f"?since={version}", ["b"]),
        (f"?since={version}&epoch=e0", ["b"]),
        (f"?since={version}&epoch=other", []),
        (f"?since={api.board.version}", []),
        ("?since=0", ["a", "b"]),
        ("", []),
    ):
        stream = Stream(api, query)
        events = stream.upto("ping")
        assert [data["task_id"] for name, data in events if name == "task"] == expected, query
        assert events[0][0] == "hello"
        stream.pieces.close()


def test_created_and_removed_tasks_are_sent(api: Api) -> None:
    stream = Stream(api)
    stream.upto("ping")
    api.write({"tasks": [task("b"), task("new")]})
    api.reload()
    events = stream.upto("status")
    assert events[0] == ("removed", {"task_id": "a"})
    assert [data["task_id"] for name, data in events if name == "task"] == ["b", "new"]
    stream.pieces.close()


def test_a_change_of_the_engine_is_sent(api: Api) -> None:
    stream = Stream(api)
    stream.upto("ping")
    api.board.engine = api.board.engine._replace(beat=time.monotonic())
    api.bump()
    assert stream.next()[0] == "ping"
    api.board.engine = api.board.engine._replace(stopping=True)
    api.bump()
    name, status = stream.next()
    assert (name, status["stopping"]) == ("status", True)
    stream.pieces.close()


def test_the_status_is_sent_at_most_once_an_interval(make_api: Callable[..., Api]) -> None:
    api = make_api(status=0.3)
    stream = Stream(api)
    stream.upto("status")
    began = time.monotonic()
    api.publish("a", next_start=NOW)
    events = stream.upto("status")
    assert time.monotonic() - began >= 0.25
    assert [name for name, _ in events if name != "ping"] == ["task", "status"]
    stream.pieces.close()


def test_without_the_token_only_summaries_are_sent(api: Api) -> None:
    api.public_status = True
    stream = Stream(api, "?since=0", authorized=False)
    events = stream.upto("ping")
    assert [name for name, _ in events] == ["hello", "task", "task", "ping"]
    stream.pieces.close()


def test_an_unreadable_history_delays_the_summary(api: Api) -> None:
    stream = Stream(api, authorized=True)
    stream.upto("ping")
    with closing(sqlite3.connect(api.database)) as db:
        [version] = db.execute("PRAGMA user_version").fetchone()
        db.execute("PRAGMA user_version = 99")
        api.publish("a", next_start=NOW)
        assert "task" not in [name for name, _ in stream.upto("ping")]
        db.execute(f"PRAGMA user_version = {version}")
    assert "task" in [name for name, _ in stream.upto("task")]
    stream.pieces.close()


def test_at_most_sixteen_listen_and_a_place_is_free_again(api: Api) -> None:
    streams = [Stream(api) for _ in range(16)]
    found = api.get("/events")
    assert (found.status, found.code) == (503, "too_many_listeners")
    streams[0].pieces.close()  # one that never began
    streams[1].next()
    streams[1].pieces.close()
    streams[1].pieces.close()
    assert len(api.app.listeners) == 14
    streams += [Stream(api), Stream(api)]
    assert api.get("/events").code == "too_many_listeners"
    for stream in streams:
        stream.pieces.close()
    assert (len(api.app.listeners), api.board.watchers) == (0, ())


def test_listeners_without_the_token_leave_places_for_those_with_it(api: Api) -> None:
    api.public_status = True
    anonymous = [api.get("/events", authorized=False) for _ in range(9)]
    assert [reply.status for reply in anonymous] == [200] * 8 + [503]
    streams = [Stream(api) for _ in range(8)]
    assert api.get("/events").code == "too_many_listeners"
    for stream in (*[reply.response.stream for reply in anonymous[:8]], *[one.pieces for one in streams]):
        stream.close()  # type: ignore[union-attr]
    assert len(api.app.listeners) == 0


def test_a_slow_reader_is_woken_once_for_any_number_of_changes(api: Api) -> None:
    listener = api.app.listeners.join(full=True)
    assert listener is not None
    for _ in range(10_000):
        api.bump()
    assert listener.wait(0) and not listener.wait(0)
    api.bump()
    assert listener.wait(0)
    api.app.listeners.leave(listener)


def test_a_listener_is_woken_from_another_thread() -> None:
    listener = Listener(full=True)
    threading.Timer(0.02, listener.wake).start()
    assert listener.wait(10)
    assert not listener.wait(-1)


def test_a_stream_looks_at_most_once_an_interval(make_api: Callable[..., Api]) -> None:
    api = make_api(look=0.1)
    stream = Stream(api, authorized=True)
    stream.upto("status")
    began, count = time.monotonic(), 0
    while time.monotonic() - began < 0.45:
        api.publish("a", next_start=NOW + count)
        count += [name for name, _ in stream.upto("status")].count("task")
    assert count <= 6
    stream.pieces.close()
