"""Files: one line per message, whole or not at all."""

import fcntl
import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from minisched.model.notification import SendStatus
from minisched.notify import deliver
from support.notify import MESSAGE_ID, message, said, send_request, words


def put(home, path="notices.jsonl", sample=None):
    return deliver(send_request({"type": "file", "path": str(path)}, sample, None, str(home)))


def test_each_message_is_a_json_line(tmp_path):
    for name in ("a", 'b"\n中\x1b\u2028'):
        assert said(put(tmp_path, sample=message(task_name=name))) == (SendStatus.SENT, "", "", None)
    first, second = (tmp_path / "notices.jsonl").read_text().split("\n")[:2]
    assert json.loads(first)["task_name"] == "a" and json.loads(first)["delivery"] == MESSAGE_ID
    assert json.loads(second)["task_name"] == 'b"\n中\\x1b\\u2028'
    assert stat.S_IMODE((tmp_path / "notices.jsonl").stat().st_mode) == 0o640


def test_an_absolute_path_is_used_as_it_is(tmp_path):
    assert put("/nonexistent", tmp_path / "x").state is SendStatus.SENT
    assert (tmp_path / "x").exists()


def test_an_incomplete_line_of_another_program_is_ended_first(tmp_path):
    (tmp_path / "notices.jsonl").write_text('{"torn')
    put(tmp_path)
    torn, line, rest = (tmp_path / "notices.jsonl").read_text().split("\n")
    assert torn == '{"torn' and json.loads(line) and rest == ""


def test_the_folder_must_exist(tmp_path):
    result = put(tmp_path, "none/x")
    assert said(result) == (SendStatus.RETRY, f"{tmp_path}/none/x: its folder does not exist", "", None)


@pytest.mark.parametrize("kind", ["link", "folder", "fifo", "device"])
def test_only_a_regular_file_is_written(kind, tmp_path):
    path, target = tmp_path / "x", tmp_path / "target"
    if kind == "link":
        target.write_text("")
        path.symlink_to(target)
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    result = put(tmp_path, "/dev/null" if kind == "device" else path)
    assert result.state is SendStatus.FAILED and words(result)
    assert not target.exists() or target.read_text() == ""


def test_a_file_that_cannot_grow_keeps_its_length(tmp_path):
    path = tmp_path / "notices.jsonl"
    put(tmp_path)
    size = path.stat().st_size
    program = (
        "import resource, signal, sys; sys.path[:0] = sys.argv[2:]; from test_file import put, said;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size + 100}, resource.RLIM_INFINITY));"
        "print(said(put(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), str(Path(__file__).parent), *sys.path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "SendStatus.RETRY" in done.stdout and "No space" in done.stdout
    assert path.stat().st_size == size and resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_locked_file_is_retried(tmp_path):
    put(tmp_path)
    with open(tmp_path / "notices.jsonl") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert put(tmp_path).state is SendStatus.RETRY
    assert len((tmp_path / "notices.jsonl").read_text().splitlines()) == 1
