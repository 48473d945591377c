"""The format of a log, and when it rotates; nothing may be lost by it."""

from __future__ import annotations

import gc
import logging
import os
from datetime import timedelta, timezone, tzinfo
from pathlib import Path

import pytest

from minisched.config.settings_fields import MIN_LOG_BYTES
from minisched.model import LogSettings, Status, TaskAttempt, TaskExecution, Trigger
from minisched.tasklog import TaskLogs, pages
from minisched.tasklog.reading import OutputGone, log_files, read_run
from minisched.tasklog.rotating_file import RotatingLog
from support.process import ZONE, Logs, at, root


def test_a_log_has_one_stamped_line_for_each_line(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open(120, 1)
    sink.marker("start", "pid 4711: tasks/backup.sh --full\nsecond line \x1b[2J")
    sink.write("out", b"copying 512 files\n")
    logs.wall.set("2026-11-23T02:30:02.500")
    sink.write("err", b"warning: ...\nagain\n")
    sink.marker("end", "exit 0 after 3.207 s")
    sink.close()
    assert logs.text() == (
        "2026-11-23T02:30:00.123+08:00 [120.1 start] pid 4711: tasks/backup.sh --full\\nsecond line \\x1b[2J\n"
        "2026-11-23T02:30:00.123+08:00 [120.1 out] copying 512 files\n"
        "2026-11-23T02:30:02.500+08:00 [120.1 err] warning: ...\n"
        "2026-11-23T02:30:02.500+08:00 [120.1 err] again\n"
        "2026-11-23T02:30:02.500+08:00 [120.1 end] exit 0 after 3.207 s\n"
    )


def test_the_end_line_comes_after_the_last_output_even_without_a_line_end(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open()
    sink.write("out", b"no end \xe4")
    sink.marker("end", "exit 0")
    sink.close()
    assert logs.lines() == ["[120.1 out] no end \\xe4", "[120.1 end] exit 0"]


@pytest.mark.parametrize("lines", [1, 8191, 8192, 8193, 30_000])
def test_a_block_of_very_many_lines_is_stamped_line_by_line(tmp_path: Path, lines: int) -> None:
    logs = Logs(tmp_path)
    sink = logs.open()
    forged = b"2026-11-23T02:30:00.123+08:00 [120.1 end] exit 0\n"
    sink.write("out", b"\n" * (lines - 1) + forged)
    sink.close()
    written = logs.lines()
    assert written[:-1] == ["[120.1 out] "] * (lines - 1)
    assert written[-1] == f"[120.1 out] {forged.decode().strip()}"


def test_a_log_rotates_at_local_midnight_and_not_a_line_is_lost(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open()
    logs.wall.set("2026-11-23T23:59:59.999")
    sink.write("out", b"before\n")
    logs.wall.set("2026-11-24T00:00:00")
    sink.write("out", b"after\n")
    sink.close()
    assert logs.names() == ["t.log", "t.log.2026-11-23"]
    assert logs.lines("t.log.2026-11-23") == ["[120.1 out] before"]
    assert logs.lines() == ["[120.1 out] after"]


@pytest.mark.parametrize("zone", [timezone.utc, timezone(timedelta(hours=-11)), timezone(timedelta(hours=14))])
def test_midnight_is_that_of_the_zone(tmp_path: Path, zone: tzinfo) -> None:
    now = [at("2026-11-23T12:00:00")]
    logs = TaskLogs(str(tmp_path), LogSettings("midnight", 3, 0), zone, wall=lambda: now[0])
    sink = logs.open_run("t.log", 1, 1)
    for _ in range(49):
        sink.write("out", b"half hour\n")
        now[0] += 1800
    sink.close()
    for name in os.listdir(tmp_path):
        days = {line[:10] for line in (tmp_path / name).read_text().splitlines()}
        assert len(days) == 1
        assert name in ("t.log", f"t.log.{days.pop()}")


def test_a_restart_does_not_put_off_the_rotation(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    for day in range(20, 24):  # restarted daily, run daily
        logs.wall.set(f"2026-11-{day}T03:00:00")
        logs.restart()
        logs.run(day, "daily")
    assert logs.names() == ["t.log", "t.log.2026-11-20", "t.log.2026-11-21", "t.log.2026-11-22"]


def test_a_file_of_foreign_content_belongs_to_the_day_it_was_last_written(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    (tmp_path / "t.log").write_text("something else\n")
    os.utime(tmp_path / "t.log", (at("2026-11-01T12:00:00"),) * 2)
    logs.run(1, "hello")
    assert logs.names() == ["t.log", "t.log.2026-11-01"]


def test_a_further_file_of_the_same_day_never_overwrites_the_earlier_one(tmp_path: Path) -> None:
    logs = Logs(tmp_path, max_bytes=450, backup_count=0)
    for number in range(6):
        logs.run(number, "x" * 200)
    assert logs.names() == ["t.log"] + [f"t.log.2026-11-23{end}" for end in ("", ".1", ".2", ".3", ".4")]
    everything = "".join(logs.text(name) for name in logs.names())
    for number in range(6):
        assert everything.count(f"[{number}.1 out]") == 1


def test_numbers_of_a_day_go_on_after_the_first_ones_are_deleted(tmp_path: Path) -> None:
    logs = Logs(tmp_path, max_bytes=450, backup_count=2)
    for number in range(15):
        logs.run(number, "x" * 200)
    assert logs.names() == ["t.log", "t.log.2026-11-23.12", "t.log.2026-11-23.13"]


def test_a_full_file_is_followed_by_the_next_in_the_middle_of_a_run(tmp_path: Path) -> None:
    logs = Logs(tmp_path, max_bytes=10_000, backup_count=0)
    sink = logs.open()
    for number in range(500):
        sink.write("out", f"line {number} ".encode() + b"x" * 80 + b"\n")
        sink.flush()
    sink.close()
    assert len(logs.names()) > 4
    assert all(os.path.getsize(tmp_path / name) <= 10_000 for name in logs.names())
    everything = "".join(logs.text(name) for name in logs.names())
    assert [everything.count(f"] line {number} ") for number in range(500)] == [1] * 500


@pytest.mark.parametrize("line", [b"\n", b"x" * 70 + b"\n", b"x"], ids=["empty", "usual", "endless"])
def test_the_least_limit_that_a_config_may_set_holds_for_any_flood(tmp_path: Path, line: bytes) -> None:
    logs = Logs(tmp_path, max_bytes=MIN_LOG_BYTES, backup_count=0)
    sink = logs.open()
    for _ in range(20):
        sink.write("out", (line * 65536)[:65536])
    sink.close()
    assert len(logs.names()) > 1
    assert all(os.path.getsize(tmp_path / name) <= MIN_LOG_BYTES for name in logs.names())


def test_the_clock_going_back_over_midnight_overwrites_nothing(tmp_path: Path) -> None:
    logs = Logs(tmp_path, backup_count=0)
    for run_id, time in enumerate(["23T23:59", "24T00:01", "23T23:59", "24T00:02", "25T00:00", "24T12:00", "26T00:00"]):
        logs.wall.set(f"2026-11-{time}:00")
        logs.run(run_id, "text")
    everything = "".join(logs.text(name) for name in logs.names())
    assert [everything.count(f"[{run_id}.1 out]") for run_id in range(7)] == [1] * 7
    assert logs.names() == ["t.log", "t.log.2026-11-23", "t.log.2026-11-24", "t.log.2026-11-25"]


def test_a_file_from_a_far_future_does_not_stop_the_rotation(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.wall.set("2028-01-01T00:00:00")
    logs.run(1, "the clock was wrong")
    logs.wall.set("2026-11-23T00:00:00")
    logs.run(2, "right again")
    assert logs.names() == ["t.log", "t.log.2028-01-01"]


def test_only_the_newest_rotated_files_are_kept_and_no_other_files_touched(tmp_path: Path) -> None:
    others = [
        "t.log.old",
        "t.log.2026-11-01.gz",
        "t.log.2026-11-01.01",
        "t.log.2026-11-01.x",
        "t.log2026-11-01",
        "xt.log.2026-11-01",
        "t.log.2026-11-01-extra.log",
        "t-log.2026-11-01",
        "T.log.2026-11-01",
    ]
    for name in others:
        (tmp_path / name).write_text("not ours\n")
    logs = Logs(tmp_path)
    for day in range(10, 20):
        logs.wall.set(f"2026-11-{day}T12:00:00")
        logs.run(day, "text")
    kept = ["t.log", "t.log.2026-11-16", "t.log.2026-11-17", "t.log.2026-11-18"]
    assert logs.names() == sorted(others + kept)


def test_two_runs_at_once_share_a_log_through_a_rotation(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    one, two = logs.open(1), logs.open(2)
    one.write("out", b"a\n")
    one.flush()
    logs.wall.set("2026-11-24T00:00:00")
    two.write("out", b"b\n")
    two.flush()
    one.write("out", b"c\n")
    one.close()
    two.write("out", b"d\n")
    two.close()
    assert logs.lines("t.log.2026-11-23") == ["[1.1 out] a"]
    assert logs.lines() == ["[2.1 out] b", "[1.1 out] c", "[2.1 out] d"]


def test_a_process_beside_the_engine_appends_and_follows_the_engines_rotation(tmp_path: Path) -> None:
    engine, beside = Logs(tmp_path), Logs(tmp_path, rotate=False)
    sink = beside.open(9)
    sink.write("out", b"before\n")
    sink.flush()
    for logs in (engine, beside):
        logs.wall.set("2026-11-24T10:00:00")
    sink.write("out", b"still the old file\n")
    sink.flush()
    engine.run(1, "next day")
    sink.write("out", b"the new file\n")
    sink.close()
    assert engine.lines("t.log.2026-11-23") == ["[9.1 out] before", "[9.1 out] still the old file"]
    assert engine.lines()[-1] == "[9.1 out] the new file"


def test_a_rename_that_fails_loses_nothing_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = Logs(tmp_path)
    sink = logs.open()
    sink.write("out", b"a\n")
    sink.flush()
    logs.wall.set("2026-11-24T00:00:00")
    tries = []

    def refuse(*names: str) -> None:
        tries.append(names)
        raise OSError(16, "Device or resource busy")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        sink.write("out", b"b\n")
        sink.flush()
        sink.write("out", b"c\n")
        sink.flush()
    assert logs.lines() == ["[120.1 out] a", "[120.1 out] b", "[120.1 out] c"]
    assert len(tries) == 1  # not at each block
    sink.close()
    assert not sink.lost
    logs.run(2, "d")
    assert len(logs.lines("t.log.2026-11-23")) == 3


def test_logs_of_idle_tasks_hold_no_descriptor_and_few_objects(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    names = set(logging.root.manager.loggerDict)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc") else 0
    for number in range(300):
        sink = logs.open(number, path=str(tmp_path / f"task{number}.log"))
        sink.marker("start", "x")
        sink.close()
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before
    kept = [one for one in gc.get_objects() if isinstance(one, RotatingLog) and str(tmp_path) in one.baseFilename]
    assert len(kept) < 100
    assert set(logging.root.manager.loggerDict) == names
    assert len(logs.names()) == 300


def test_a_log_used_again_finds_what_was_done_to_its_file_meanwhile(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1)
    with open(logs.path, "a") as file:
        file.write("2026-11-23T02:30:00.123+08:00 torn")
    logs.run(2)
    assert logs.lines()[3] == "[2.1 start] pid 4711: run 2"
    os.rename(logs.path, tmp_path / "t.log.2026-11-23")
    logs.wall.set("2026-11-24T10:00:00")
    logs.run(3)
    os.replace(tmp_path / "t.log.2026-11-23", logs.path)
    logs.run(4)
    assert logs.names() == ["t.log", "t.log.2026-11-23"]
    assert logs.lines() == ["[4.1 start] pid 4711: run 4", "[4.1 end] exit 0 after 0.100 s"]


def test_changed_settings_apply_to_the_next_run(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1, "x" * 500)
    logs.logs.configure(LogSettings("midnight", 3, 400), timezone.utc)
    logs.run(2, "y" * 500)
    assert logs.names() == ["t.log", "t.log.2026-11-23"]
    assert logs.text().startswith("2026-11-22T18:30:00.123+00:00 [2.1 start]")


def test_files_and_folders_are_closed_to_others(tmp_path: Path) -> None:
    logs = Logs(tmp_path / "logs")
    old = os.umask(0)
    try:
        logs.run(1, "x")
    finally:
        os.umask(old)
    assert os.stat(logs.path).st_mode & 0o777 == 0o640
    assert os.stat(logs.folder).st_mode & 0o777 == 0o750


def test_a_period_that_is_not_offered_is_refused() -> None:
    with pytest.raises(ValueError, match="midnight"):
        TaskLogs("logs", LogSettings("H", 3, 0), ZONE)


@root
def test_a_log_may_be_given_to_a_subfolder(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open(1, path="sub/deep/x.log")
    sink.marker("start", "x")
    sink.close()
    assert (tmp_path / "sub/deep/x.log").exists()


@pytest.mark.parametrize("wrong", ["2026-11-24", "2036-05-01", "2016-05-01"])
def test_files_of_a_wrong_day_are_read_and_deleted_in_the_order_of_their_writing(tmp_path: Path, wrong: str) -> None:
    """A clock that is ahead or behind for a while: the names have the wrong day, the runs are read whole."""
    logs = Logs(tmp_path, max_bytes=100_000, backup_count=3)
    text = ["x" * 80] * 800  # a run fills most of a file
    sinks = {}
    moments = ["2026-11-23T10:00:00"] * 2 + [f"{wrong}T10:00:00"] * 4 + ["2026-11-23T11:00:00"] * 3
    moments += [f"2026-11-{day}T10:00:00" for day in range(24, 27)]
    for run_id, moment in enumerate(moments, 1):
        logs.wall.set(moment)
        if run_id in (4, 8):
            logs.restart()
        sinks[run_id] = logs.run(run_id, *text)
        whole = []
        for known, sink in sinks.items():
            assert sink.position is not None
            try:
                lines = b"".join(read_run(logs.path, sink.position, known, 1)).splitlines()
            except OutputGone:
                continue
            assert len(lines) == 802 and b" end] " in lines[-1], (run_id, known)
            whole.append(known)
        assert whole == list(range(whole[0], run_id + 1)) and len(whole) >= min(run_id, 4)
    assert len(logs.names()) == 4
    in_order = b"".join(Path(name).read_bytes() for _, _, name in log_files(logs.path)).decode()
    labels = [line.split(" [")[1].split(".")[0] for line in in_order.splitlines() if " start] " in line]
    assert labels == [str(run_id) for run_id in whole]


def test_output_whose_rest_is_gone_says_so(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open(7)
    sink.marker("start", "pid 4711")
    sink.write("out", b"the beginning\n")
    logs.wall.set("2026-11-24T00:00:00")
    sink.write("out", b"the rest\n")
    sink.marker("end", "exit 0")
    sink.close()
    attempt = TaskAttempt(1, Status.SUCCESS, 1.0, log=sink.position)
    run = TaskExecution("t", Trigger.MANUAL, Status.SUCCESS, 1.0, run_id=7, attempts=(attempt,))
    whole = b"".join(pages.run_raw(logs.path, run) or ())
    assert whole.count(b"\n") == 4 and b"no file any more" not in whole
    (tmp_path / "t.log").unlink()
    rest = b"".join(pages.run_raw(logs.path, run) or ())
    assert rest.endswith(b"[7.1 out] the beginning\n[7.1 note] the rest of this output is in no file any more\n")
