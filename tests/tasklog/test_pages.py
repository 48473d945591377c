"""The logs as the API reads them: pages with cursors, text that is harmless, a run's own lines."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from minisched.model import LogPosition, Status, TaskAttempt, TaskExecution
from minisched.model.text import visible_bytes
from minisched.tasklog import RunLog, pages
from support.process import Logs, linux
from support.store import make


def mark_of(cursor: str) -> LogPosition:
    inode, offset = cursor.split("-")
    return LogPosition(int(inode), int(offset))


def place_of(cursor: str) -> tuple[int, LogPosition]:
    attempt, inode, offset = map(int, cursor.split("-"))
    return attempt, LogPosition(inode, offset)


def run_of(run_id: int, *sinks: RunLog) -> TaskExecution:
    attempts = tuple(
        TaskAttempt(number, Status.SUCCESS, 0.0, log=sink.position) for number, sink in enumerate(sinks, start=1)
    )
    return make(status=Status.SUCCESS, run_id=run_id, attempts=attempts)


def texts(page: Any) -> list[str]:
    return [line.split("] ", 1)[1] for line in page.text.splitlines()]


def test_a_log_is_followed_page_by_page_to_its_end(tmp_path: Path) -> None:
    logs = Logs(tmp_path, max_bytes=4000)
    page = pages.read(logs.path, None, 1024)
    assert (page.text, page.at_end) == ("", True)
    for number in range(40):
        logs.run(1, f"line {number}")
    page = pages.read(logs.path, None, 1024)
    assert page.start == f"{os.stat(logs.path).st_ino}-0"
    first = min((tmp_path / name for name in logs.names() if name != "t.log"), key=os.path.getmtime)
    seen, rotations, cursor = [], 0, f"{os.stat(first).st_ino}-0"
    while True:
        page = pages.read(logs.path, mark_of(cursor), 1024)
        seen += [text for text in texts(page) if text.startswith("line")]
        rotations += page.rotated
        cursor = page.after
        if page.at_end:
            break
    assert seen == [f"line {number}" for number in range(40)]
    assert rotations == len(logs.names()) - 1


def test_a_whole_log_is_all_its_files_the_oldest_first(tmp_path: Path) -> None:
    logs = Logs(tmp_path, max_bytes=2000, backup_count=5)
    for number in range(40):
        logs.run(1, f"line {number}")
    (tmp_path / "t.log.old").write_text("of somebody else")
    blocks = pages.raw(logs.path, None)
    size = blocks.size
    data = b"".join(blocks)
    assert size == len(data) == sum((tmp_path / name).stat().st_size for name in logs.names() if name != "t.log.old")
    numbers = [int(line.rsplit(b" ", 1)[1]) for line in data.splitlines() if b"out] line" in line]
    assert len(numbers) > 20 and numbers == list(range(numbers[0], 40))  # the oldest are gone by the log's own settings
    assert b"".join(pages.raw(logs.path, 0)) == Path(logs.path).read_bytes()
    unread = pages.raw(logs.path, None)
    next(unread)
    descriptors = len(os.listdir("/proc/self/fd"))
    unread.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors - 2  # the live file and the one that was read
    assert (unread.size, list(unread)) == (0, [])


def test_a_raw_log_has_the_length_that_is_told_however_the_file_grows(tmp_path: Path) -> None:
    path = tmp_path / "t.log"
    path.write_bytes(b"a" * 200_000)
    blocks = pages.raw(str(path), 10)
    with path.open("ab") as file:
        file.write(b"more")
    assert (blocks.size, b"".join(blocks)) == (199_990, b"a" * 199_990)
    assert (blocks.size, list(blocks)) == (0, [])
    cut = pages.raw(str(path), 0)
    path.write_bytes(b"")
    assert list(cut) == []


@linux
def test_a_raw_log_that_is_closed_early_leaves_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "t.log"
    path.write_bytes(b"a" * 200_000)
    before = len(os.listdir("/proc/self/fd"))
    for read in (0, 1):
        blocks = pages.raw(str(path), 0)
        for _ in range(read):
            next(blocks)
        blocks.close()
        blocks.close()
        assert list(blocks) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_few_lines_out_of_very_many_are_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.log"
    path.write_bytes(b"\n" * 300_000)
    began = time.thread_time()
    for _ in range(10):
        page = pages.tail(str(path), 2)
    took_s = time.thread_time() - began
    assert took_s < 1.5
    assert (page.text, mark_of(page.start).offset, mark_of(page.after).offset) == ("\n\n", 299_998, 300_000)


def test_what_a_task_prints_is_harmless(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1, "\x1b]0;owned\x07 \u202eevil <script>")
    assert r"\x1b]0;owned\x07 \u202eevil <script>" in pages.read(logs.path, None, 4096).text
    assert visible_bytes(b"\xff\x00") == r"\xff\x00"


def test_a_long_line_is_not_divided_within_a_character(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1, "日本" * 2000)
    text, place = "", None
    while True:
        page = pages.read(logs.path, place, 1024)
        text += page.text
        place = mark_of(page.after)
        if page.at_end:
            break
    assert text == logs.text()


def test_the_last_lines_and_those_before_them(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    for day in (23, 24):
        logs.wall.set(f"2026-11-{day}T12:00:00")
        logs.run(day, *(f"line {number}" for number in range(50)))
    page = pages.tail(logs.path, 3)
    assert texts(page) == ["line 48", "line 49", "exit 0 after 0.100 s"]
    assert pages.read(logs.path, mark_of(page.after), 1024).text == ""
    before = pages.before(logs.path, mark_of(page.start), 1024)
    assert texts(before)[-1] == "line 47"
    assert before.after == page.start
    assert len(texts(pages.tail(logs.path, 80))) == 80
    assert len(texts(pages.tail(logs.path, 5000))) == 104
    none = pages.tail(str(tmp_path / "none.log"), 5)
    assert (none.text, none.start, none.after) == ("", "0-0", "0-0")
    assert pages.before(logs.path, LogPosition(12345, 1), 1024).text == ""


def test_the_last_lines_are_bounded_in_bytes(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.run(1, *["x" * 60_000] * 40)
    assert 900_000 < len(pages.tail(logs.path, 5000).text) <= 2**20
    page = pages.run_tail(logs.path, run_of(1, sink), 5000)
    assert page is not None
    assert 900_000 < len(page.text) <= 2**20


def test_the_raw_bytes_are_those_of_the_live_file(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    assert list(pages.raw(logs.path, 0)) == []
    logs.run(1, "\x1b[31m red")
    assert b"".join(pages.raw(logs.path, 0)) == logs.text().encode()
    assert b"".join(pages.raw(logs.path, 10)) == logs.text().encode()[10:]
    assert list(pages.raw(logs.path, 10**9)) == []
    os.symlink("/etc/passwd", tmp_path / "link.log")
    with pytest.raises(OSError):
        pages.raw(str(tmp_path / "link.log"), 0)


def test_the_raw_bytes_end_where_the_file_is_cut(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1, *["x" * 60_000] * 3)
    blocks = pages.raw(logs.path, 0)
    assert next(blocks)
    os.truncate(logs.path, 0)
    assert list(blocks) == []


def two_attempts(tmp_path: Path) -> tuple[Logs, TaskExecution]:
    logs = Logs(tmp_path)
    first = logs.open(7, 1)
    first.marker("start", "pid 4710: run 7")
    first.write("out", b"killed with its engine\n")
    first.close()
    logs.run(8, *["of another run"] * 20)
    second = logs.run(7, *(f"line {number}" for number in range(30)), attempt=2)
    return logs, run_of(7, first, second)


def test_a_runs_own_lines_come_over_all_its_attempts(tmp_path: Path) -> None:
    logs, run = two_attempts(tmp_path)
    expected = [
        "pid 4710: run 7",
        "killed with its engine",
        "pid 4711: run 7",
        *(f"line {number}" for number in range(30)),
    ]
    expected.append("exit 0 after 0.100 s")
    page = pages.run(logs.path, run, None, 2**20)
    assert page is not None
    assert (texts(page), page.start, page.at_end) == (expected, "0", True)
    seen, cursor = [], None
    for _ in range(40):
        page = pages.run(logs.path, run, cursor, 200)
        assert page is not None and len(page.text) <= 200
        seen += texts(page)
        if page.at_end:
            break
        cursor = place_of(page.after)
    assert seen == expected
    raw = b"".join(pages.run_raw(logs.path, run) or ())
    assert raw.decode().count("\n") == len(expected)
    tail = pages.run_tail(logs.path, run, 2)
    assert tail is not None
    assert (texts(tail), tail.after) == (expected[-2:], page.after)
    for skip in (1, 25, 500, len(raw) - 3, len(raw), len(raw) + 9, int(tail.start)):
        part = b""
        page = pages.run(logs.path, run, skip, 300)
        while page is not None:
            part += page.text.encode()
            if page.at_end:
                break
            page = pages.run(logs.path, run, place_of(page.after), 300)
        assert part == raw[skip:], skip


def test_a_run_without_output_and_one_whose_output_is_gone(tmp_path: Path) -> None:
    logs = Logs(tmp_path, backup_count=1)
    skipped = make(status=Status.SKIPPED, run_id=3)
    for page in (pages.run(logs.path, skipped, None, 1024), pages.run_tail(logs.path, skipped, 5)):
        assert page is not None and (page.text, page.at_end) == ("", True)
    assert list(pages.run_raw(logs.path, skipped) or ()) == []
    first = logs.run(1, "x")
    for day in range(24, 27):
        logs.wall.set(f"2026-11-{day}T12:00:00")
        second = logs.run(1, "y", attempt=2)
    gone = run_of(1, first)
    assert pages.run(logs.path, gone, None, 1024) is None
    assert pages.run_tail(logs.path, gone, 5) is None
    assert pages.run_raw(logs.path, gone) is None
    page = pages.run(logs.path, run_of(1, first, second), None, 1024)
    assert page is not None
    assert texts(page)[1] == "y"


def test_a_run_in_a_large_log_of_others_costs_a_bounded_look(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    quiet = logs.open(1)
    quiet.marker("start", "pid 1: x")
    quiet.flush()
    logs.run(2, *["x" * 60_000] * 600)  # 36 MB; a request looks through 8
    quiet.marker("end", "exit 0")
    quiet.close()
    page = pages.run(logs.path, run_of(1, quiet), None, 1024)
    count = 0
    while page is not None and not page.at_end:
        page = pages.run(logs.path, run_of(1, quiet), place_of(page.after), 1024)
        count += 1
    assert page is not None
    assert count > 3
    assert texts(page) == ["exit 0"]
