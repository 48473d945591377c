"""Reading a log: one attempt's slice, the last lines, and what comes after a place. Renames by a rotation are followed:
a place in a log is an inode and an offset.

File systems give the inode of a deleted file to the next one that is made, so a place may lead into another file. What
stands there tells: an attempt's first line, or the beginning of any line.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from enum import Enum
from typing import BinaryIO, Optional

from minisched.model import LogPosition
from minisched.tasklog.rotating_file import inode_of, rotated_files

CHUNK = 256 * 1024  # bytes read at once
LINE_TAKEN = 66 * 1024  # bytes; the longest line with its prefix
_STAMP = rb"\d{4}-\d\d-\d\dT\S{10,30} "


class OutputGone(Exception):
    """The output asked for is in no file any more, or not from its first line on: retention or a person removed it."""


class Jump(Enum):
    """What lies between a place in a log and what was read from there on."""

    NONE = "nothing: the same file"
    NEXT = "a rotation: the place was the end of a file, this is the next one"
    GONE = "lines, perhaps: the file of the place is gone or was cut short, and another one begins"


def read_run(path: str, mark: LogPosition, run_id: int, attempt: int) -> Iterator[bytes]:
    """The lines of one attempt as they stand in the log, in pieces of some whole lines; lines of other runs between
    them are left out. From its first line, at `mark`, to its "end" line; of an attempt that has none (it still runs, or
    its engine was killed) to the start of the run's next attempt or the end of the log.

    Raises OutputGone, at once, where what stands at `mark` is not that attempt's first line, or no longer there; then
    `read_remains` has what is left.
    """
    # "end" is the first line of one that was not started. With its first lines lost on a full disk it has no beginning.
    tag = rb"\[%d\.%d (?:start|note|end)\] " % (run_id, attempt)
    file = _open_inode(path, mark.inode)
    if file is None:
        raise OutputGone(f"the output of run {run_id} is no longer in {path}")
    with file:
        file.seek(mark.offset)
        if not re.match(_STAMP + tag, file.read(200)):
            raise OutputGone(f"the output of run {run_id} is no longer in {path}")
    return _slice(path, mark, run_id, attempt)


def read_remains(path: str, run_id: int, attempt: int) -> Iterator[bytes]:
    """All lines of an attempt that are still in any file of the log, in pieces; none if there are none."""
    files = _files(path)
    return _slice(path, LogPosition(files[0][0], 0), run_id, attempt) if files else iter(())


def _slice(path: str, place: LogPosition, run_id: int, attempt: int) -> Iterator[bytes]:
    while True:
        data, after, ended = run_lines(path, place, run_id, attempt)
        if data:
            yield data
        if ended or after == place:
            return
        place = after


def run_lines(
    path: str, place: LogPosition, run_id: int, attempt: int, limit: int = CHUNK
) -> tuple[bytes, LogPosition, bool]:
    """The attempt's own lines among those from `place` on, at most `limit` bytes of them but at least one; the place
    after them, and whether the attempt's output ends there. `place` is the attempt's mark, or one that this function
    gave. None here, and the same place: nothing more was written yet.
    """
    line = re.compile(rb"^" + _STAMP + rb"\[%d\.(\d+) ([a-z]+)\] .*\n?" % run_id, re.M)
    own, label = b"%d" % attempt, b" [%d." % run_id
    data, after, _ = read_from(path, place, max(limit, LINE_TAKEN))  # a shorter piece might be the half of a line
    begin = after.offset - len(data)
    found: list[bytes] = []
    size = 0
    for match in line.finditer(data) if label in data else ():  # most of a log may be other runs'
        if match[1] == own:
            if found and size + len(match[0]) > limit:
                return b"".join(found), LogPosition(after.inode, begin + match.start()), False
            found.append(match[0])
            size += len(match[0])
        if (match[2] == b"end") if match[1] == own else (int(match[1]) > attempt):
            return b"".join(found), LogPosition(after.inode, begin + match.end()), True
    return b"".join(found), after, False


def read_from(path: str, place: Optional[LogPosition], limit: int = CHUNK) -> tuple[bytes, LogPosition, Jump]:
    """Up to `limit` bytes of whole lines from `place` on (at least one line, however long), the place after them, and
    what was jumped over before them.

    `place` None is the start of the log's live file; inode 0 stands for "the live file, whichever it is". At the end of
    a rotated file it goes on in the next one. Where the file of `place` is gone, the live one is read from its start; a
    file that was cut short, or in which no line begins at `place`, is read from its own. Nothing new: `b""`.
    """
    files = _files(path)
    live = files[-1][0] if files and files[-1][1] == path else 0
    if place is None:
        place = LogPosition(live, 0)
    elif place.inode == 0:
        place = LogPosition(live, place.offset)
    inodes = [inode for inode, _ in files]
    jump = Jump.NONE
    while place.inode:
        file = _open_inode(path, place.inode)
        if file is None:
            if place.inode == live or not live:
                break  # removed just now
            place, jump = LogPosition(live, 0), Jump.GONE
            continue
        with file:
            if not _is_place(file.fileno(), place.offset):
                place, jump = LogPosition(place.inode, 0), Jump.GONE
            file.seek(place.offset)
            data = file.read(limit)
            whole = data.rfind(b"\n") + 1
            if not whole and len(data) == limit:
                data += file.read(LINE_TAKEN)
                whole = data.find(b"\n") + 1
        # Without an end it is a line that is being written; in a rotated file one that was torn, else none of ours.
        if data and (whole or len(data) == limit + LINE_TAKEN or place.inode != live):
            data = data[: whole or None]
            return data, LogPosition(place.inode, place.offset + len(data)), jump
        later = inodes[inodes.index(place.inode) + 1 :] if place.inode in inodes else []
        if not later:
            break
        jump = Jump.NEXT if jump is Jump.NONE else jump
        place = LogPosition(later[0], 0)
    return b"", place, jump


def _is_place(fd: int, offset: int) -> bool:
    """Whether a reader of this file can have stopped there: where a line begins, at the end, or within a line longer
    than any of ours."""
    size = os.fstat(fd).st_size
    if not 0 < offset < size or os.pread(fd, 1, offset - 1) == b"\n":
        return offset <= size
    return offset >= LINE_TAKEN and b"\n" not in os.pread(fd, LINE_TAKEN, offset - LINE_TAKEN)


def lines_before(path: str, place: LogPosition, limit: int = CHUNK) -> tuple[bytes, LogPosition]:
    """At most `limit` bytes of whole lines that end at `place`, and the place where they begin; before a file's start,
    those of the file rotated before it. Of a line that is longer, its end. Nothing there: `b""` and the same place.
    """
    files = _files(path)
    inodes = [number for number, _ in files]
    if place.inode == 0:
        place = LogPosition(inodes[-1] if files and files[-1][1] == path else 0, place.offset)
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
                return data, LogPosition(inode, end - len(data))
        index -= 1
        inode, end = inodes[max(index, 0)] if files else 0, sys.maxsize
    return b"", place


def last_lines(path: str, count: int) -> tuple[LogPosition, LogPosition]:
    """Where the last `count` whole lines of the log begin, in a rotated file where the live one has fewer, and where
    they end; for `read_span` and `read_from`. Reads no more than those lines, and keeps none."""
    start = end = LogPosition(0, 0)
    for inode, _ in reversed(_files(path)):
        file = _open_inode(path, inode)
        if file is None:
            continue
        with file:
            size = file.seek(0, os.SEEK_END)
            if not end.inode:
                size = _line_end_before(file, size)
                end = LogPosition(inode, size)
            offset, count = _back(file, size, count)
        start = LogPosition(inode, offset)
        if not count:
            break
    return start, end


def _back(file: BinaryIO, size: int, count: int) -> tuple[int, int]:
    """Where the last `count` of the lines before `size` begin, and how many of them the file lacks."""
    while size:
        begin = max(0, size - CHUNK)
        file.seek(begin)
        data = file.read(size - begin)
        found = data.count(b"\n")
        if found > count:  # the line end before the first of them is in here
            at = len(data)
            for _ in range(count + 1):
                at = data.rindex(b"\n", 0, at)
            return begin + at + 1, 0
        count -= found
        size = begin
    return 0, count


def read_span(path: str, start: LogPosition, end: LogPosition) -> Iterator[bytes]:
    """The lines from one place to another, in pieces of some whole lines; also where a rotation renames their files
    meanwhile. It ends early where one deletes them."""
    while start != end:
        data, after, jump = read_from(path, start)
        if not data or jump is Jump.GONE:
            return
        if after.inode == end.inode and after.offset > end.offset:  # more was written since
            data, after = data[: end.offset - after.offset], end
        yield data
        start = after


def _line_end_before(file: BinaryIO, size: int) -> int:
    """Where the last whole line ends: a line may be half written at this moment."""
    start = max(0, size - LINE_TAKEN)
    file.seek(start)
    end = file.read(size - start).rfind(b"\n") + 1
    return start + end if end or not start else size  # a line longer than any of ours


def log_files(path: str) -> list[tuple[int, int, str]]:
    """(inode, bytes, path) of the log's files, oldest first, the live one last."""
    files = []
    for name in [name for _, name in rotated_files(path)] + [path]:
        try:
            found = os.lstat(name)
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            files.append((inode_of(found), found.st_size, name))
    return files


def _files(path: str) -> list[tuple[int, str]]:
    return [(inode, name) for inode, _, name in log_files(path)]


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
