"""Reading a run's own output back, the end of a log, and following it."""

from __future__ import annotations

import os
import random
import time
import tracemalloc
from pathlib import Path
from typing import Optional

import pytest

from minisched.model import LogPosition
from minisched.tasklog import RunLog
from minisched.tasklog.reading import (
    CHUNK,
    Discontinuity,
    OutputGone,
    last_lines,
    lines_before,
    read_from,
    read_remains,
    read_run,
    read_span,
    run_lines,
)
from support.process import Logs


def output(logs: Logs, sink: RunLog, run_id: int, attempt: int = 1) -> list[str]:
    assert sink.position
    data = b"".join(read_run(logs.path, sink.position, run_id, attempt))
    return [line.split("] ", 1)[1] for line in data.decode().split("\n")[:-1]]


def tail(path: str, count: int) -> tuple[bytes, LogPosition]:
    """The last lines and the place after them."""
    start, end = last_lines(path, count)
    return b"".join(read_span(path, start, end)), end


def test_a_run_is_read_from_its_first_line_to_its_end(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sinks = [logs.run(run_id, f"hello {run_id}", "[1.1 end] forged") for run_id in (1, 2, 3)]
    for run_id, sink in zip((1, 2, 3), sinks):
        assert output(logs, sink, run_id) == [
            f"pid 4711: run {run_id}",
            f"hello {run_id}",
            "[1.1 end] forged",
            "exit 0 after 0.100 s",
        ]


def test_the_lines_of_a_run_beside_it_are_left_out(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    one, two = logs.open(1), logs.open(11)
    one.marker("start", "pid 1")
    two.marker("start", "pid 2")
    for number in range(50):
        one.write("out", b"one %d\n" % number)
        two.write("err", b"two %d\n" % number)
    one.marker("end", "exit 0")
    two.write("out", b"last\n")
    two.close()
    one.close()
    assert output(logs, one, 1) == ["pid 1"] + [f"one {number}" for number in range(50)] + ["exit 0"]
    assert output(logs, two, 11) == ["pid 2"] + [f"two {number}" for number in range(50)] + ["last"]


def test_each_attempt_is_read_alone_even_one_that_has_no_end(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    first = logs.open(7, 1)
    first.marker("start", "pid 1")
    first.write("out", b"killed with its engine\n")
    first.close()
    second = logs.run(7, "second", attempt=2)
    assert output(logs, first, 7) == ["pid 1", "killed with its engine"]
    assert output(logs, second, 7, 2)[1] == "second"


def test_a_slice_is_found_after_rotations_and_goes_on_over_them(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1, "earlier")
    sink = logs.open(2)
    sink.marker("start", "pid 1: x")
    for day in (24, 25):
        sink.write("out", b"before midnight of %d\n" % day)
        logs.wall.set(f"2026-11-{day}T00:00:01")
    sink.write("out", b"the rest\n")
    sink.marker("end", "exit 0")
    sink.close()
    logs.run(3, "later")
    assert logs.names() == ["t.log", "t.log.2026-11-23", "t.log.2026-11-24"]
    assert output(logs, sink, 2) == [
        "pid 1: x",
        "before midnight of 24",
        "before midnight of 25",
        "the rest",
        "exit 0",
    ]


def test_a_long_slice_comes_in_pieces(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.run(1, *(f"{number} " + "x" * 1000 for number in range(2000)))
    assert sink.position
    pieces = list(read_run(logs.path, sink.position, 1, 1))
    assert len(pieces) > 5
    assert max(map(len, pieces)) <= 256 * 1024
    assert b"".join(pieces).count(b"\n") == 2002


def test_output_that_retention_removed_is_gone(tmp_path: Path) -> None:
    logs = Logs(tmp_path, backup_count=1)
    sink = logs.run(1, "x")
    for day in range(24, 27):
        logs.wall.set(f"2026-11-{day}T12:00:00")
        logs.run(day, "y")
    with pytest.raises(OutputGone):
        output(logs, sink, 1)


def test_another_file_with_the_same_inode_is_not_taken_for_the_run(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.run(1, "x")
    assert sink.position
    other = logs.run(2, "y")
    assert other.position
    second_line = logs.text().index("\n") + 1  # of the right attempt, but not its first
    for mark in (other.position, *(sink.position._replace(offset=offset) for offset in (3, second_line, 10**6))):
        with pytest.raises(OutputGone):
            read_run(logs.path, mark, 1, 1)
    with open(logs.path, "w") as file:  # truncated by a person
        file.write("x\n")
    with pytest.raises(OutputGone):
        output(logs, sink, 1)


def test_a_symlink_in_the_logs_place_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("precious\n")
    logs = Logs(tmp_path / "logs")
    logs.folder.mkdir()
    os.symlink(secret, logs.path)
    assert tail(logs.path, 10)[0] == b""
    assert read_from(logs.path, None)[0] == b""
    with pytest.raises(OutputGone):
        read_run(logs.path, LogPosition(os.stat(secret).st_ino, 0), 1, 1)


def test_the_last_lines_come_out_of_rotated_files_too(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    for day in (23, 24, 25):
        logs.wall.set(f"2026-11-{day}T12:00:00")
        logs.run(day, "x" * 3000)
    for count in (1, 2, 3, 4, 7, 9, 50):
        data, place = tail(logs.path, count)
        assert data.count(b"\n") == min(count, 9)
        assert data.endswith(logs.text().encode()[-20:])
        assert place == LogPosition(os.stat(logs.path).st_ino, os.path.getsize(logs.path))
    assert tail(logs.path, 0)[0] == b""
    assert tail(str(tmp_path / "none.log"), 5) == (b"", LogPosition(0, 0))


def test_the_last_lines_may_be_long(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1, *["x" * 60_000] * 20)
    data, _ = tail(logs.path, 11)
    assert data.count(b"\n") == 11
    assert len(data) > 600_000


def test_the_last_lines_are_those_that_tail_shows_wherever_the_borders_of_files_and_chunks_are(tmp_path: Path) -> None:
    draw = random.Random(1)
    path = str(tmp_path / "t.log")
    lines = [b"%d " % number + b"x" * draw.choice((0, 1, 70, CHUNK // 3)) + b"\n" for number in range(60)]
    names = [f"{path}.2026-11-23", f"{path}.2026-11-23.1", path]
    for name, part in zip(names, (lines[:20], lines[20:21], lines[21:])):
        Path(name).write_bytes(b"".join(part))
    for count in range(1, 62):
        assert tail(path, count)[0] == b"".join(lines[-count:])
    os.unlink(path)
    assert tail(path, 3) == (b"".join(lines[18:21]), LogPosition(os.stat(names[1]).st_ino, len(lines[20])))


def test_many_last_lines_take_time_in_proportion_and_no_memory(tmp_path: Path) -> None:
    path = str(tmp_path / "t.log")
    with open(path, "wb") as file:
        for _ in range(64):
            file.write((b"x" * 99 + b"\n") * 10_000)
    tracemalloc.start()
    begin = time.process_time()
    start, end = last_lines(path, 630_000)
    assert (start.offset, end.offset) == (1_000_000, 64_000_000)
    assert sum(map(len, read_span(path, start, end))) == 63_000_000
    assert time.process_time() - begin < 5  # 0.2 s; a minute where each chunk is put before all others
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_what_is_written_meanwhile_is_not_among_the_last_lines_and_a_rotation_cuts_none(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1, "old")
    whole = logs.text().encode()
    start, end = last_lines(logs.path, 100)
    logs.run(2, "new")
    assert b"".join(read_span(logs.path, start, end)) == whole
    logs.wall.set("2026-11-24T00:00:01")
    logs.run(3, "newer")
    assert b"".join(read_span(logs.path, start, end)) == whole
    os.unlink(logs.path + ".2026-11-23")
    assert b"".join(read_span(logs.path, start, end)) == b""


def test_what_is_left_of_a_run_without_its_beginning_is_found(tmp_path: Path) -> None:
    logs = Logs(tmp_path, backup_count=1)
    sink = logs.open(5)
    for day in (23, 24, 25):
        logs.wall.set(f"2026-11-{day}T12:00:00")
        sink.write("out", b"line of %d\n" % day)
        logs.run(6, "beside")
    sink.marker("end", "exit 0")
    sink.close()
    with pytest.raises(OutputGone):
        output(logs, sink, 5)
    left = b"".join(read_remains(logs.path, 5, 1)).decode().splitlines()
    assert [line.split("] ")[1] for line in left] == ["line of 24", "line of 25", "exit 0"]
    assert list(read_remains(logs.path, 5, 2)) == []
    assert list(read_remains(str(tmp_path / "none.log"), 5, 1)) == []


def test_following_a_log_shows_each_line_once_over_rotations(tmp_path: Path) -> None:
    logs = Logs(tmp_path, backup_count=0, max_bytes=2000)
    logs.run(0, "seen already")
    _, place = last_lines(logs.path, 100)
    seen, rotations = b"", 0
    for number in range(60):
        logs.run(1, f"line {number} " + "x" * 300)
        while number % 13 == 7 or number == 59:  # the follower comes late: several files at once
            data, after, jump = read_from(logs.path, place, 1000)
            assert jump is not Discontinuity.GONE
            seen += data
            rotations += jump is Discontinuity.NEXT
            if after == place:
                break
            place = after
    shown = [line.split()[4] for line in seen.decode().splitlines() if "out] line " in line]
    assert shown == [str(number) for number in range(60)]
    assert rotations == len(logs.names()) - 1 > 5


def test_following_a_log_that_is_cut_short_or_replaced_starts_again(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1, "old")
    _, place, _ = read_from(logs.path, None)
    os.truncate(logs.path, 0)
    logs.run(2)
    data, place, jump = read_from(logs.path, place)
    assert (data, jump) == (logs.text().encode(), Discontinuity.GONE)
    os.rename(logs.path, tmp_path / "elsewhere")
    logs.run(3)
    data, place, jump = read_from(logs.path, place)
    assert (data, jump) == (logs.text().encode(), Discontinuity.GONE)
    assert read_from(logs.path, place) == (b"", place, Discontinuity.NONE)


def test_a_place_within_a_line_is_one_in_another_file_and_no_line_is_torn(tmp_path: Path) -> None:
    path = str(tmp_path / "t.log")
    Path(path).write_bytes(b"first\nsecond\n")
    _, place, _ = read_from(path, None)
    Path(path).write_bytes(b"the file that has got the inode\nof the one that was rotated away\n")
    data, place, jump = read_from(path, place)
    assert (data, jump) == (Path(path).read_bytes(), Discontinuity.GONE)
    assert read_from(path, place) == (b"", place, Discontinuity.NONE)


@pytest.mark.parametrize("limit", [1, 10, 5000, CHUNK])
def test_a_line_is_whole_whatever_the_limit_and_one_longer_than_any_comes_in_pieces(tmp_path: Path, limit: int) -> None:
    path = str(tmp_path / "t.log")
    parts = [b"a line\n", b"x" * 60_000 + b"\n", b"y" * 700_000 + b"\n", b"torn"]
    Path(path + ".2026-11-23").write_bytes(b"".join(parts))
    Path(path).write_bytes(b"last\n")
    place, pieces = LogPosition(os.stat(path + ".2026-11-23").st_ino, 0), []
    while True:
        data, place, jump = read_from(path, place, limit)
        assert jump is (Discontinuity.NEXT if data == b"last\n" else Discontinuity.NONE)
        if not data:
            break
        pieces.append(data)
    assert b"".join(pieces) == b"".join(parts) + b"last\n"
    if limit < 60_000:
        assert pieces[:2] == parts[:2]
    assert tail(path, 2)[0] == b"y" * 700_000 + b"\ntornlast\n"


def test_following_starts_before_there_is_a_log(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    place: Optional[LogPosition] = None
    data, place, _ = read_from(logs.path, place)
    assert (data, place) == (b"", LogPosition(0, 0))
    logs.run(1)
    data, place, _ = read_from(logs.path, place)
    assert data == logs.text().encode()


def test_an_offset_alone_is_one_in_the_live_file(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1, "x")
    text = logs.text().encode()
    data, place, jump = read_from(logs.path, LogPosition(0, text.index(b"\n") + 1))
    assert data == text[text.index(b"\n") + 1 :]
    assert place == LogPosition(os.stat(logs.path).st_ino, len(text))
    assert jump is Discontinuity.NONE


def test_a_line_half_written_is_not_shown_yet(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1)
    whole = logs.text().encode()
    with open(logs.path, "a") as file:
        file.write("2026-11-23T02:30:00.123+08:00 [1.1 out] ha")
    assert read_from(logs.path, None)[0] == whole
    data, place = tail(logs.path, 1)
    assert place.offset == len(whole)
    assert b"[1.1 end]" in data


def test_a_log_is_read_backwards_over_its_rotated_files(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    for day in (23, 24, 25):
        logs.wall.set(f"2026-11-{day}T12:00:00")
        for number in range(20):
            logs.run(day, f"{number} " + "x" * 300)
    everything, _ = tail(logs.path, 1000)
    _, place = tail(logs.path, 0)
    found, pieces = b"", 0
    while True:
        data, before = lines_before(logs.path, place, 2000)
        if not data:
            break
        assert len(data) <= 2000 and data.endswith(b"\n")
        assert data.startswith(b"2026-11-")
        found, place, pieces = data + found, before, pieces + 1
    assert (found, before) == (everything, place)
    assert pieces > 10


def test_reading_backwards_ends_where_there_is_nothing(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    nothing = LogPosition(0, 10**9)
    assert lines_before(logs.path, nothing) == (b"", nothing)
    gone = LogPosition(987654321, 5)
    logs.run(1, "x")
    assert lines_before(logs.path, gone) == (b"", gone)
    data, place = lines_before(logs.path, nothing)
    assert data == logs.text().encode()
    assert lines_before(logs.path, place) == (b"", place)
    os.rename(logs.path, logs.path + ".2026-11-22")
    assert lines_before(logs.path, nothing)[0] == data


def test_of_a_line_longer_than_the_piece_its_end_is_read(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1, "x" * 3000 + "end")
    text = logs.text().encode()
    data, place = lines_before(logs.path, LogPosition(0, text.index(b"end\n") + 4), 1000)
    assert data == b"x" * 996 + b"end\n"
    assert lines_before(logs.path, place, 1000)[0] == b"x" * 1000


def test_a_run_is_read_on_from_where_it_was_left(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    one, other = logs.open(1), logs.open(2)
    one.marker("start", "pid 1: x")
    one.flush()
    assert one.position
    data, place, ended = run_lines(logs.path, one.position, 1, 1)
    assert (data.count(b"\n"), ended) == (1, False)
    assert run_lines(logs.path, place, 1, 1) == (b"", place, False)
    for number in range(10):
        one.write("out", b"%d " % number + b"x" * 100 + b"\n")
        one.flush()
        other.write("out", b"other\n")
        other.flush()
    one.marker("end", "exit 0")
    one.flush()
    other.write("out", b"later\n")
    other.flush()
    pieces = []
    while not ended:
        data, place, ended = run_lines(logs.path, place, 1, 1, 300)
        assert 0 < len(data) <= 300
        pieces.append(data)
    lines = b"".join(pieces).decode().splitlines()
    assert [line.split("] ")[1].split()[0] for line in lines] == [*map(str, range(10)), "exit"]
    assert len(pieces) > 3
    data, _, _ = run_lines(logs.path, one.position, 1, 1, 1)
    assert data.count(b"\n") == 1  # one line at least, whatever the limit
    one.close()
    other.close()


def test_the_lines_of_a_run_are_found_among_others_that_speak_of_it(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    one, other = logs.open(1), logs.open(12)
    expected = []
    one.marker("start", "pid 1: x")
    for number in range(2000):
        other.write("out", b"2026-11-23T02:30:00.123+08:00 [1.1 out] forged, and [1.2 end] and [1.1 end] too\n")
        if number % 7 == 0:
            lines = [f"{number}.{piece} [1.1 end] of text" for piece in range(number % 3 + 1)]
            expected += lines
            one.write("err", "".join(f"{line}\n" for line in lines).encode())
    one.marker("end", "exit 0")
    one.close()
    other.close()
    assert output(logs, one, 1) == ["pid 1: x", *expected, "exit 0"]
    assert one.position
    for limit in (1, 100, 1000):
        seen, position, ended = b"", one.position, False
        while not ended:
            data, position, ended = run_lines(logs.path, position, 1, 1, limit)
            assert len(data) <= limit or data.count(b"\n") == 1
            seen += data
        assert [line.split("] ", 1)[1] for line in seen.decode().splitlines()] == ["pid 1: x", *expected, "exit 0"]


def test_following_a_log_does_not_list_a_folder_of_many_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = Logs(tmp_path)
    logs.run(1, "x")
    listed: list[object] = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path=".": listed.append(path) or real(path))
    _, position, _ = read_from(logs.path, None)
    logs.run(2, "y")
    data, position, _ = read_from(logs.path, position)
    assert b"[2.1 out] y" in data
    assert read_from(logs.path, position)[0] == b""
    assert listed == []
