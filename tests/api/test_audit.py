"""The engine's log says who changed what: through the page, by a command, or in vain."""

from __future__ import annotations

import json
import os
import pwd
import re
from collections.abc import Iterator

import pytest

from support.http import exchange, request
from support.programs import Home, eventually

API = "/api/scheduler"
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def engine(home: Home) -> Iterator[Home]:
    rule = {"name": "tell", "triggers": ["success"], "channels": [{"type": "file", "path": "told.jsonl"}]}
    home.write({"task_id": "a", "task_exec": "true", "task_notify": [rule]}, http={"port": 0})
    home.start()
    eventually(lambda: json.loads((home.path / "var" / "lock").read_text() or "{}").get("url"), "the page is up")
    yield home
    assert home.stop() == 0


def lines(home: Home, pattern: str) -> list[str]:
    return [line for line in home.engine_log().splitlines() if re.search(pattern, line)]


def test_a_command_and_the_page_are_told_apart(engine: Home) -> None:
    url = json.loads((engine.path / "var" / "lock").read_text())["url"]
    port = int(url.rpartition(":")[2])
    token = (engine.path / "var" / "token").read_text().strip()
    at = ("127.0.0.1", port)
    body = request(at, f"POST {API}/tasks/a/run", "Content-Type: application/json", token=token, body=b"{}")
    assert exchange(at, body).status == 202
    assert lines(engine, r"a: started manually, requested by API, 127\.0\.0\.1:\d+$")
    assert engine.run("trigger", "a").returncode == 0
    assert lines(engine, r"a: started manually, requested by command line, 127\.0\.0\.1:\d+$")
    assert engine.run("disable", "a").returncode == 0
    assert lines(engine, "disabled.*command line, 127")


def test_what_a_command_does_without_the_engine_is_logged_with_its_user(engine: Home) -> None:
    assert engine.run("exec", "a").returncode == 0
    assert lines(engine, rf"run 1 of a: started in the foreground \(exec\), by user {ME} on the command line$")
    assert engine.run("notify-test", "a").returncode == 0
    assert lines(engine, rf"a: test message \(notify-test\): .*, by user {ME} on the command line$")


def test_requests_of_other_sites_are_logged_at_most_once_a_minute(engine: Home) -> None:
    url = json.loads((engine.path / "var" / "lock").read_text())["url"]
    at = ("127.0.0.1", int(url.rpartition(":")[2]))
    for _ in range(5):
        assert exchange(at, request(at, "GET /", host="evil.example")).status == 421
        assert exchange(at, request(at, "GET /", "Origin: http://evil.example")).status == 403
        assert exchange(at, request(at, "GET /core/app.js", "Sec-Fetch-Site: cross-site")).status == 403
    assert len(lines(engine, "WARNING http: a request under a name that is not ours, from 127")) == 1
    assert len(lines(engine, "WARNING http: a request refused, from 127")) == 1
