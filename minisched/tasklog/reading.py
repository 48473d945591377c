"""Reading a log: one attempt's slice, the last lines, and what comes after a place. Renames by a rotation are followed:
a place in a log is an inode and an offset."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO, Optional

from minisched.model import LogMark
from minisched.tasklog.handler import inode_of, rotated_files

CHUNK = 256 * 1024  # bytes read at once
LINE_TAKEN = 66 * 1024  # bytes; the longest line with its prefix
_STAMP = rb"\d{4}-\d\d-\d\dT\S{10,30} "


class OutputGone(Exception):
    """The output asked for is in no file any more: retention or a person removed it."""


def read_run(path: str, mark: LogMark, run_id: int, attempt: int) -> Iterator[bytes]:
    """The lines of one attempt as they stand in the log, in pieces of some whole lines; lines of other runs between
    them are left out. From its first line, at `mark`, to its "end" line; of an attempt that has none (it still runs, or
    its engine was killed) to the start of the run's next attempt or the end of the log.

    Raises OutputGone, at the first piece, where what stands at `mark` is not that attempt's, or no longer there.
    """
    tag = rb"\[%d\.%d [a-z]+\] " % (run_id, attempt)
    file = _open_inode(path, mark.inode)
    if file is None:
        raise OutputGone(f"the output of run {run_id} is no longer in {path}")
    with file:
        file.seek(mark.offset)
        if not re.match(_STAMP + tag, file.read(200)):
            raise OutputGone(f"the output of run {run_id} is no longer in {path}")
    return _slice(path, mark, run_id, attempt)


def _slice(path: str, place: LogMark, run_id: int, attempt: int) -> Iterator[bytes]:
    while True:
        data, after, ended = run_lines(path, place, run_id, attempt)
        if data:
            yield data
        if ended or after == place:
            return
        place = after


def run_lines(path: str, place: LogMark, run_id: int, attempt: int, limit: int = CHUNK) -> tuple[bytes, LogMark, bool]:
    """The attempt's own lines among those from `place` on, at most `limit` bytes of them but at least one; the place
    after them, and whether the attempt's output ends there. `place` is the attempt's mark, or one that this function
    gave. None here, and the same place: nothing more was written yet.
    """
    line = re.compile(rb"^" + _STAMP + rb"\[%d\.(\d+) ([a-z]+)\] .*\n?" % run_id, re.M)
    own = b"%d" % attempt
    data, after, _ = read_from(path, place, max(limit, LINE_TAKEN))  # a shorter piece might be the half of a line
    begin = after.offset - len(data)
    found: list[bytes] = []
    size = 0
    for match in line.finditer(data):
        if match[1] == own:
            if found and size + len(match[0]) > limit:
                return b"".join(found), LogMark(after.inode, begin + match.start()), False
            found.append(match[0])
            size += len(match[0])
        if (match[2] == b"end") if match[1] == own else (int(match[1]) > attempt):
            return b"".join(found), LogMark(after.inode, begin + match.end()), True
    return b"".join(found), after, False


def read_from(path: str, place: Optional[LogMark], limit: int = CHUNK) -> tuple[bytes, LogMark, bool]:
    """Up to `limit` bytes of whole lines from `place` on, the place after them, and whether another file began.

    `place` None is the start of the log's live file; inode 0 stands for "the live file, whichever it is". At the end of
    a rotated file it goes on in the next one. A file cut short is read from its start again, and where the file of
    `place` is gone, so is the live one; both count as begun anew. Nothing new: `b""` and the same place.
    """
    files = _files(path)
    live = files[-1][0] if files and files[-1][1] == path else 0
    if place is None:
        place = LogMark(live, 0)
    elif place.inode == 0:
        place = LogMark(live, place.offset)
    inodes = [inode for inode, _ in files]
    anew = False
    while place.inode:
        file = _open_inode(path, place.inode)
        if file is None:
            if place.inode == live or not live:
                break  # removed just now
            place, anew = LogMark(live, 0), True
            continue
        with file:
            if place.offset > os.fstat(file.fileno()).st_size:
                place, anew = LogMark(place.inode, 0), True
            file.seek(place.offset)
            data = file.read(limit)
        if data:
            whole = data.rfind(b"\n") + 1
            if whole or len(data) == limit or place.inode != live:
                data = data[: whole or None]
                return data, LogMark(place.inode, place.offset + len(data)), anew
        later = inodes[inodes.index(place.inode) + 1 :] if place.inode in inodes else []
        if not later:
            break
        place, anew = LogMark(later[0], 0), True
    return b"", place, anew


def lines_before(path: str, place: LogMark, limit: int = CHUNK) -> tuple[bytes, LogMark]:
    """At most `limit` bytes of whole lines that end at `place`, and the place where they begin; before a file's start,
    those of the file rotated before it. Of a line that is longer, its end. Nothing there: `b""` and the same place.
    """
    files = _files(path)
    inodes = [number for number, _ in files]
    if place.inode == 0:
        place = LogMark(inodes[-1] if files and files[-1][1] == path else 0, place.offset)
    index = inodes.index(place.inode) if place.inode in inodes else 0 if place.inode else len(files)
    inode, end = place.inode, place.offset
    while index >= 0:
        file = _open_inode(path, inode)
        if file is not None:
            with file:
                end = min(end, os.fstat(file.fileno()).st_size)
                begin = max(0, end - limit)
                file.seek(begin)
                data = file.read(end - begin)
            if begin:
                data = data[data.find(b"\n", 0, -1) + 1 :]
            if data:
                return data, LogMark(inode, end - len(data))
        index -= 1
        inode, end = inodes[max(index, 0)] if files else 0, sys.maxsize
    return b"", place


def tail_lines(path: str, count: int) -> tuple[bytes, LogMark]:
    """The last `count` lines of the log, out of rotated files too where the live one has fewer, and the place after
    them, for `read_from`."""
    files = _files(path)
    place = LogMark(0, 0)
    tail = b""
    for inode, name in reversed(files):
        file = _open_file(name)
        if file is None:
            continue
        with file:
            start = file.seek(0, os.SEEK_END)
            if not place.inode:
                start = _line_end_before(file, start)
                place = LogMark(inode if name == path else 0, start if name == path else 0)
            while start and tail.count(b"\n") <= count:
                begin = max(0, start - CHUNK)
                file.seek(begin)
                tail = file.read(start - begin) + tail
                start = begin
        if tail.count(b"\n") > count:
            break
    lines = tail.split(b"\n")
    return b"\n".join(lines[-count - 1 :]) if count > 0 else b"", place


def _line_end_before(file: BinaryIO, size: int) -> int:
    """Where the last whole line ends: a line may be half written at this moment."""
    start = max(0, size - LINE_TAKEN)
    file.seek(start)
    return start + file.read(size - start).rfind(b"\n") + 1


def _files(path: str) -> list[tuple[int, str]]:
    """(inode, path) of the log's files, oldest first, the live one last."""
    files = []
    for name in [name for _, name in rotated_files(path)] + [path]:
        try:
            found = os.lstat(name)
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            files.append((inode_of(found), name))
    return files


def _open_inode(path: str, inode: int) -> Optional[BinaryIO]:
    """The log's file with that inode; a rotation may rename it between the look and the opening, once."""
    for _ in range(3):
        for name in [name for number, name in _files(path) if number == inode]:
            file = _open_file(name)
            if file is not None:
                if inode_of(os.fstat(file.fileno())) == inode:
                    return file
                file.close()
    return None


def _open_file(name: str) -> Optional[BinaryIO]:
    """No symlink is followed and nothing but a file opened: what stands in the log's place may be anybody's."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    return os.fdopen(fd, "rb")
