"""What a log meets in the field: a full disk, no descriptors, files removed, replaced, or put there by somebody."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.process import Logs, few_descriptors, root
from support.programs import in_time


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


@root
def test_a_full_disk_drops_output_says_so_and_heals(small_disk: Path) -> None:
    logs = Logs(small_disk)
    sink = logs.open()
    sink.marker("start", "pid 1: x")
    sink.flush()
    sink.write("out", b"before\n")
    sink.flush()
    filler = fill(small_disk)
    for _ in range(50):
        sink.write("out", b"lost? " + b"x" * 1000 + b"\n")
        sink.flush()
    assert sink.lost
    filler.unlink()
    sink.write("out", b"after\n")
    sink.flush()
    sink.marker("end", "exit 0")
    sink.close()
    lines = logs.lines()
    assert lines[:2] == ["[120.1 start] pid 1: x", "[120.1 out] before"]
    note = [line for line in lines if "[120.1 note]" in line]
    assert len(note) == 1
    assert note[0].endswith(" bytes of output could not be written (No space left on device)")
    counted = int(note[0].split()[2])
    each = len("2026-11-23T02:30:00.123+08:00 [120.1 out] lost? \n") + 1000
    assert counted + sum(len(line) + 31 for line in lines if "lost?" in line) in range(50 * each, 50 * each + 32)
    assert lines[-2:] == ["[120.1 out] after", "[120.1 end] exit 0"]
    assert all(line.startswith("[120.1 ") for line in lines)  # a torn line stays a line of its own


@root
def test_a_loss_at_the_end_of_a_run_is_told_by_the_next_one(small_disk: Path) -> None:
    logs = Logs(small_disk)
    filler = fill(small_disk)
    sink = logs.run(1, "nothing of this")
    assert sink.lost
    assert sink.position is None
    assert logs.run(2, "nor of this").lost
    filler.unlink()
    after = logs.run(3, "this")
    assert not after.lost
    notes = [line.split() for line in logs.lines() if "note" in line]
    assert [words[0] for words in notes] == ["[1.1", "[2.1"]
    prefixes = len("2026-11-23T02:30:00.123+08:00 [1.1 start] ") + len("2026-11-23T02:30:00.123+08:00 [1.1 end] ")
    ends = len("pid 4711: run 1\n") + len("exit 0 after 0.100 s\n")
    output = len("2026-11-23T02:30:00.123+08:00 [1.1 out] \n")
    assert [int(words[2]) for words in notes] == [
        prefixes + ends + output + len("nothing of this"),
        prefixes + ends + output + len("nor of this"),
    ]


@root
def test_a_log_that_cannot_be_opened_for_want_of_space_heals(small_disk: Path) -> None:
    filler = fill(small_disk)
    logs = Logs(small_disk / "sub")
    assert logs.run(1, "lost").lost
    filler.unlink()
    assert not logs.run(2, "there").lost


def test_no_more_descriptors_cost_output_but_no_exception(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open()
    with few_descriptors(0):
        sink.write("out", b"lost\n")
        sink.flush()
        assert sink.lost
    sink.write("out", b"there\n")
    sink.close()
    assert logs.lines() == [
        "[120.1 note] 47 bytes of output could not be written (Too many open files)",
        "[120.1 out] there",
    ]


def test_very_many_losses_cost_no_memory_without_end(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    (tmp_path / "t.log").mkdir()
    for run_id in range(300):
        assert logs.run(run_id, "x").lost
    (tmp_path / "t.log").rmdir()
    assert not logs.run(300).lost
    notes = [line for line in logs.lines() if " note] " in line]
    assert len(notes) == 100
    assert notes[-1].startswith("[299.1 note] ")


def test_a_file_removed_under_a_run_is_created_again(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open()
    sink.write("out", b"a\n")
    sink.flush()
    os.unlink(logs.path)
    sink.write("out", b"b\n")
    sink.flush()
    assert logs.lines() == ["[120.1 out] b"]
    os.rename(logs.path, tmp_path / "moved")
    (tmp_path / "t.log").write_text("2026-11-23T00:00:00.000+08:00 [1.1 out] another\n")
    sink.write("out", b"c\n")
    sink.close()
    assert logs.lines() == ["[1.1 out] another", "[120.1 out] c"]


def test_a_folder_removed_under_a_run_is_created_again(tmp_path: Path) -> None:
    logs = Logs(tmp_path / "logs")
    sink = logs.open()
    sink.write("out", b"a\n")
    sink.flush()
    os.unlink(logs.path)
    os.rmdir(logs.folder)
    sink.write("out", b"b\n")
    sink.close()
    assert logs.lines() == ["[120.1 out] b"]


def test_a_line_torn_by_a_crash_does_not_swallow_the_next(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.run(1)
    with open(logs.path, "a") as file:
        file.write("2026-11-23T02:30:00.123+08:00 [1.1 out] torn he")
    logs.run(2, "x")
    assert logs.lines()[2:4] == ["[1.1 out] torn he", "[2.1 start] pid 4711: run 2"]


@pytest.mark.parametrize("kind", ["symlink", "dangling", "fifo", "folder"])
def test_what_somebody_put_in_a_logs_place_is_not_written_to(tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    logs = Logs(tmp_path / "logs")
    logs.folder.mkdir()
    if kind == "symlink":
        victim.write_text("precious")
        os.symlink(victim, logs.path)
    elif kind == "dangling":
        os.symlink(victim, logs.path)
    elif kind == "folder":
        os.mkdir(logs.path)
    else:
        os.mkfifo(logs.path)
    begun = time.monotonic()
    sink = logs.run(1, "secret")
    assert sink.lost
    assert sink.position is None
    assert in_time(time.monotonic() - begun, 5)
    if kind == "symlink":
        assert victim.read_text() == "precious"
        assert os.path.islink(logs.path)
    elif kind == "dangling":
        assert not victim.exists()


def test_a_log_turned_into_a_symlink_under_a_run_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    logs = Logs(tmp_path / "logs")
    sink = logs.open()
    sink.write("out", b"a\n")
    sink.flush()
    os.unlink(logs.path)
    os.symlink(victim, logs.path)
    sink.write("out", b"b\n")
    sink.close()
    assert sink.lost
    assert victim.read_text() == "precious"


WHYS = {
    "symlink": "is a symbolic link, which is not followed",
    "fifo": "is not a regular file",
    "folder": "Is a directory",
    "no_folder": "Not a directory",
    "no_name": "File name too long",
}


@pytest.mark.parametrize("kind", sorted(WHYS))
def test_a_log_that_cannot_be_written_is_reported_once_until_it_can_be(tmp_path: Path, kind: str) -> None:
    logs = Logs(tmp_path / "logs")
    path = logs.folder / ("n" * 300 if kind == "no_name" else "t.log")
    if kind == "no_folder":
        logs.folder.write_text("")
    else:
        logs.folder.mkdir()
    if kind == "symlink":
        path.symlink_to(tmp_path / "victim")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    for run_id in (1, 2):
        sink = logs.open(run_id, path=str(path))
        sink.write("out", b"lost\n")
        sink.close()
        assert sink.lost
    logs.logs.retry()
    assert logs.reports == [(path.name, WHYS[kind])]
    if kind == "no_name":
        return
    if kind == "folder":
        path.rmdir()
    else:
        (logs.folder if kind == "no_folder" else path).unlink()
    logs.logs.retry()
    assert logs.reports[1:] == [("t.log", "")] and not logs.logs.failing
    assert logs.lines() == [
        f"[{run_id}.1 note] 45 bytes of output could not be written ({WHYS[kind]})" for run_id in (1, 2)
    ]


@root
def test_a_full_disk_is_reported_as_long_as_it_lasts(small_disk: Path) -> None:
    logs = Logs(small_disk)
    logs.run(1)
    filler = fill(small_disk)
    logs.run(2, "x" * 10_000)
    logs.logs.retry()
    assert logs.reports == [("t.log", "No space left on device")]
    filler.unlink()
    logs.run(3)
    assert logs.reports[1:] == [("t.log", "")]


def test_of_very_many_failing_logs_only_some_are_tried_at_once_and_all_in_turn(tmp_path: Path) -> None:
    logs = Logs(tmp_path / "logs")
    logs.folder.write_text("")  # no log can be made
    names = [f"{number}.log" for number in range(100)]
    for name in names:
        sink = logs.open(path=str(logs.folder / name))
        sink.write("out", b"lost\n")
        sink.close()
    assert len(logs.logs.failing) == 100
    logs.folder.unlink()
    rounds = 0
    while logs.logs.failing:
        logs.logs.retry()
        rounds += 1
    assert rounds > 5 and sorted(os.listdir(logs.folder)) == sorted(names)
