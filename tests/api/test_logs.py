"""Logs are returned in escaped pages with cursors, or raw as downloads with a fixed name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minisched.model import Status, TaskAttempt
from support.api import Api, Reply
from support.config import task
from support.process import Logs
from support.store import make


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    one = Api(tmp_path / "home", task("t"), task("other", task_log="sub/other.txt"))
    yield one
    one.close()


@pytest.fixture
def logs(api: Api) -> Logs:
    return Logs(api.path / "logs")


def lines(found: Reply) -> list[str]:
    assert found.status == 200, found.body
    return [line.split("] ", 1)[1] for line in found.json["text"].splitlines()]


def download(found: Reply) -> bytes:
    assert found.response.stream is not None
    assert found.response.content_type == "application/octet-stream"
    return b"".join(found.response.stream)


def test_a_log_is_read_and_followed(api: Api, logs: Logs) -> None:
    empty = api.get("/tasks/t/log").json
    assert empty == {"text": "", "offset": "0-0", "next_offset": "0-0", "rotated": False, "at_end": True}
    logs.run(1, *(f"line {number} " + "x" * 200 for number in range(20)))
    found, seen = api.get(f"/tasks/t/log?offset={empty['next_offset']}&limit=1024"), []
    while True:
        seen += [line.split(" x")[0] for line in lines(found)]
        if found.json["at_end"]:
            break
        found = api.get(f"/tasks/t/log?offset={found.json['next_offset']}&limit=1024")
    assert seen == ["pid 4711: run 1", *(f"line {number}" for number in range(20)), "exit 0 after 0.100 s"]
    end = found.json["next_offset"]
    logs.run(2, "new")
    assert lines(api.get(f"/tasks/t/log?offset={end}"))[1] == "new"


def test_tail_and_before_page_backwards(api: Api, logs: Logs) -> None:
    logs.run(1, *(f"line {number}" for number in range(50)))
    tail = api.get("/tasks/t/log?tail=2")
    assert lines(tail) == ["line 49", "exit 0 after 0.100 s"]
    before = api.get(f"/tasks/t/log?before={tail.json['offset']}&limit=1024")
    assert lines(before)[-1] == "line 48"
    assert before.json["next_offset"] == tail.json["offset"]
    assert api.get("/tasks/t/log?before=0").json["text"] == ""


def test_a_plain_number_is_an_offset_in_the_live_file(api: Api, logs: Logs) -> None:
    logs.run(1, "x")
    size = len(logs.text().encode())
    first = len(logs.text().splitlines(keepends=True)[0])
    assert lines(api.get(f"/tasks/t/log?offset={first}")) == ["x", "exit 0 after 0.100 s"]
    assert api.get(f"/tasks/t/log?offset={size}").json["text"] == ""


def test_a_raw_log_is_a_download_with_a_fixed_name(api: Api, logs: Logs) -> None:
    logs.run(1, "\x1b[31m red <script>")
    text = logs.text().encode()
    found = api.get("/tasks/t/log?raw=1")
    assert found.headers["Content-Disposition"] == 'attachment; filename="task.log"'
    assert download(found) == text
    assert found.headers["Content-Length"] == str(len(text))
    rest = api.get("/tasks/t/log?raw=1&offset=10")
    assert rest.headers["Content-Length"] == str(len(text) - 10)
    assert download(rest) == text[10:]
    beyond = api.get("/tasks/t/log?raw=1&offset=100000")
    assert (beyond.headers["Content-Length"], download(beyond)) == ("0", b"")
    assert api.get("/tasks/other/log?raw=1").headers["Content-Length"] == "0"  # there is no file yet
    (api.path / "logs" / "t.log.2026-11-17").write_text("of yesterday\n")
    assert download(api.get("/tasks/t/log?raw=1")) == b"of yesterday\n" + text
    assert download(api.get("/tasks/t/log?raw=1&offset=0")) == text
    assert r"\x1b[31m red <script>" in api.get("/tasks/t/log?raw=0").json["text"]


def test_raw_pages_are_the_same_as_others_with_their_offsets_in_headers(api: Api, logs: Logs) -> None:
    run_id = recorded(api, logs.run(1, *("\x1b[31m red " + "x" * 60 for _ in range(40))))
    for path, whole in (("/tasks/t/log", logs.text().encode()), (f"/executions/{run_id}/log", None)):
        data, offset, at_end, page = b"", "0", "0", api.get(f"{path}?limit=1024").json
        while at_end == "0":
            found = api.get(f"{path}?raw=1&limit=1024&offset={offset}")
            assert found.response.content_type == "application/octet-stream", found.body
            assert len(found.body) <= 1024
            if not data:
                assert (found.headers["Next-Offset"], found.headers["Rotated"]) == (page["next_offset"], "0")
            data, offset, at_end = data + found.body, found.headers["Next-Offset"], found.headers["At-End"]
        assert data == (whole or download(api.get(f"{path}?raw=1")))
    assert api.get("/tasks/t/log?raw=1&limit=1024&tail=1").body == logs.text().encode().splitlines(keepends=True)[-1]


def test_each_task_has_its_own_log_and_the_engine_has_one(api: Api, logs: Logs) -> None:
    (api.path / "logs" / "sub").mkdir()
    (api.path / "logs" / "sub" / "other.txt").write_text("2026 [1.1 out] of the other\n")
    (api.path / "logs" / "minisched.log").write_text("2026 INFO engine started\n")
    assert lines(api.get("/tasks/other/log")) == ["of the other"]
    assert api.get("/log").json["text"] == "2026 INFO engine started\n"
    assert api.get("/log?tail=1").json["text"] == "2026 INFO engine started\n"
    assert api.get("/log?raw=1").headers["Content-Disposition"] == 'attachment; filename="minisched.log"'
    assert api.get("/tasks/never_was/log").code == "not_found"


def recorded(api: Api, sink: Any, run_id: int = 0, task_id: str = "t") -> int:
    attempt = TaskAttempt(1, Status.SUCCESS, 0.0, log=sink.position)
    return api.record(make(task_id, Status.SUCCESS, run_id=run_id, attempts=(attempt,)))


def test_a_runs_own_output(api: Api, logs: Logs) -> None:
    sink = logs.open(7)
    sink.marker("start", "pid 1: true")
    for number in range(30):
        sink.write("out", f"line {number}\n".encode())
        logs.open(8).write("out", b"of another run\n")
    sink.marker("end", "exit 0")
    sink.close()
    recorded(api, sink, 7)
    found, seen = api.get("/executions/7/log?limit=1024"), []
    assert found.json["offset"] == "0"
    while True:
        seen += lines(found)
        if found.json["at_end"]:
            break
        found = api.get(f"/executions/7/log?limit=1024&offset={found.json['next_offset']}")
    assert seen == ["pid 1: true", *(f"line {number}" for number in range(30)), "exit 0"]
    assert lines(api.get("/executions/7/log?tail=2")) == ["line 29", "exit 0"]
    whole = api.get("/executions/7/log?raw=1")
    assert whole.headers["Content-Disposition"] == 'attachment; filename="run.log"'
    data = download(whole)
    assert data.count(b"\n") == 32
    text = api.get("/executions/7/log?offset=100").json["text"].encode()
    assert text and data[100:].startswith(text)
    assert api.get("/executions/7/log?before=5").code == "bad_request"


def test_output_that_is_in_no_file_is_410(api: Api, logs: Logs) -> None:
    sink = logs.run(7, "x")
    recorded(api, sink, 7)
    (api.path / "logs" / "t.log").unlink()
    for query in ("", "?tail=5", "?raw=1", "?offset=0"):
        found = api.get(f"/executions/7/log{query}")
        assert (found.status, found.code) == (410, "output_gone")
    assert api.get("/executions/8/log").code == "not_found"


def test_the_log_of_a_removed_task_is_found_by_its_run(api: Api, logs: Logs) -> None:
    api.write({"tasks": [task("other")]})
    api.reload()
    recorded(api, logs.run(7, "still there"), 7)
    assert lines(api.get("/executions/7/log"))[1] == "still there"


def test_no_cursor_leads_to_another_file(api: Api, logs: Logs) -> None:
    secret = api.path / "tasks" / "config.json"
    inode = secret.stat().st_ino
    logs.run(1, "x")
    for cursor in (f"{inode}-0", f"{2**63}-0", "99999999999999999999-999999999999999"):
        for query in (f"offset={cursor}", f"before={cursor}"):
            assert "task_id" not in api.get(f"/tasks/t/log?{query}").json["text"]
    recorded(api, logs.run(7, "y"), 7)
    assert "task_id" not in api.get(f"/executions/7/log?offset=1-{inode}-0").json["text"]
    assert api.get("/executions/7/log?offset=9-1-5").json["text"] == ""
