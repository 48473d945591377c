"""Reading a log: the output of one attempt, the last lines, and what comes after a position.

A position is an inode and an offset, so that it stays valid when a rotation renames the file. File systems give the
inode of a deleted file to the next one that is made: what is at the position shows whether it is still the same file,
an attempt's first line or the beginning of any line.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from enum import Enum

from minisched.model import LogPosition
from minisched.osutil import open_regular
from minisched.tasklog.rotating_file import inode_of, rotated_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Optional

CHUNK = 256 * 1024  # bytes read at once
LINE_BYTES = 66 * 1024  # at least the longest line with its prefix
_STAMP = rb"\d{4}-\d\d-\d\dT\S{10,30} "


class OutputGone(Exception):
    """The output is no longer in any file, or not from its first line on: retention or a person removed it."""


class Discontinuity(Enum):
    """What is between a position in a log and what was read from there on."""

    NONE = "nothing: the same file"
    NEXT = "a rotation: the position was the end of a file, this is the next one"
    GONE = "lines, perhaps: the file of the position is gone or was cut short, and another one begins"


def read_run(path: str, position: LogPosition, run_id: int, attempt: int) -> Iterator[bytes]:
    """The lines of one attempt as they are in the log, in pieces of some whole lines, without the lines of other runs
    between them. From its first line, at `position`, to its "end" line; without one (it still runs, or its engine was
    killed) to the start of the run's next attempt or the end of the log.

    Raises OutputGone, at once, if there is no first line of that attempt at `position`; then `read_remains` has what is
    left.
    """
    # "end" is the first line of an attempt that was not started; "note" that of one whose first lines a full disk lost.
    tag = rb"\[%d\.%d (?:start|note|end)\] " % (run_id, attempt)
    file = _open_inode(path, position.inode)
    if file is None:
        raise OutputGone
    with file:
        file.seek(position.offset)
        if not re.match(_STAMP + tag, file.read(200)):
            raise OutputGone
    return _slice(path, position, run_id, attempt)


def read_remains(path: str, run_id: int, attempt: int) -> Iterator[bytes]:
    """All lines of an attempt that are still in any file of the log, in pieces; none if there are none."""
    files = _files(path)
    return _slice(path, LogPosition(files[0][0], 0), run_id, attempt) if files else iter(())


def _slice(path: str, position: LogPosition, run_id: int, attempt: int) -> Iterator[bytes]:
    while True:
        data, after, ended = run_lines(path, position, run_id, attempt)
        if data:
            yield data
        if ended or after == position:
            return
        position = after


def run_lines(
    path: str, position: LogPosition, run_id: int, attempt: int, limit: int = CHUNK
) -> tuple[bytes, LogPosition, bool]:
    """The attempt's own lines among those from `position` on, at most `limit` bytes of them but at least one line; the
    position after them, and whether the attempt's output ends there. `position` is the attempt's first line, or what
    this function returned. No lines and the same position: nothing more was written yet.
    """
    label = b" [%d." % run_id
    # Neighbouring lines are one match: a match for each line takes twice the time.
    own_lines = re.compile(rb"(?:%s\[%d\.%d (?!end\])[a-z]+\] .*\n?)+" % (_STAMP, run_id, attempt))
    other_line = re.compile(rb"%s\[%d\.(\d+) ([a-z]+)\] .*\n?" % (_STAMP, run_id))
    data, after, _ = read_from(path, position, max(limit, LINE_BYTES))  # a shorter piece could be half of a line
    begin = after.offset - len(data)
    found: list[bytes] = []
    room = limit
    at = data.find(label)
    while at >= 0:
        line_start = data.rfind(b"\n", 0, at) + 1
        own = own_lines.match(data, line_start)
        other = None if own else other_line.match(data, line_start)
        match = own or other
        if match is None:  # the text of another run's line
            at = data.find(label, at + 1)
            continue
        is_end = other is not None and int(other[1]) == attempt
        if own or is_end:
            lines = match[0]
            if len(lines) > room:  # what fits, but at least one line
                size = lines.rfind(b"\n", 0, max(room, 0)) + 1 or (0 if found else lines.find(b"\n") + 1)
                if size < len(lines):
                    found.append(lines[:size])
                    return b"".join(found), LogPosition(after.inode, begin + line_start + size), False
            found.append(lines)
            room -= len(lines)
        if is_end or (other is not None and int(other[1]) > attempt):
            return b"".join(found), LogPosition(after.inode, begin + match.end()), True
        at = data.find(label, match.end())
    return b"".join(found), after, False


def read_from(
    path: str, position: Optional[LogPosition], limit: int = CHUNK
) -> tuple[bytes, LogPosition, Discontinuity]:
    """Up to `limit` bytes of whole lines from `position` on (at least one line, however long), the position after them,
    and what is between `position` and them. Nothing new: `b""`.

    `position` None is the start of the log's live file; inode 0 is the live file, whichever it is. After the end of a
    rotated file comes the next one. If the file of `position` is gone, the live one is read from its start; so is a
    file that was cut short, or in which no line begins at `position`.
    """
    live = _live_inode(path)
    if position is None:
        position = LogPosition(live, 0)
    elif position.inode == 0:
        position = LogPosition(live, position.offset)
    jump = Discontinuity.NONE
    while position.inode:
        file = _open_inode(path, position.inode)
        if file is None:
            if position.inode == live or not live:
                break  # removed just now
            position, jump = LogPosition(live, 0), Discontinuity.GONE
            continue
        with file:
            if not _may_stop_at(file.fileno(), position.offset):
                position, jump = LogPosition(position.inode, 0), Discontinuity.GONE
            file.seek(position.offset)
            data = file.read(limit)
            whole = data.rfind(b"\n") + 1
            if not whole and len(data) == limit:
                data += file.read(LINE_BYTES)
                whole = data.find(b"\n") + 1
        # No line end: the line is being written; or it was torn, in a rotated file; or it is longer than any of ours.
        if data and (whole or len(data) == limit + LINE_BYTES or position.inode != live):
            data = data[: whole or None]
            return data, LogPosition(position.inode, position.offset + len(data)), jump
        if position.inode == live:
            break
        inodes = [inode for inode, _ in _files(path)]  # a folder may hold many logs: not listed before it is needed
        later = inodes[inodes.index(position.inode) + 1 :] if position.inode in inodes else []
        if not later:
            break
        jump = Discontinuity.NEXT if jump is Discontinuity.NONE else jump
        position = LogPosition(later[0], 0)
    return b"", position, jump


def _may_stop_at(fd: int, offset: int) -> bool:
    """Whether a reader of this file can have stopped at `offset`: where a line begins, at the end, or within a line
    longer than any of ours."""
    size = os.fstat(fd).st_size
    if not 0 < offset < size or os.pread(fd, 1, offset - 1) == b"\n":
        return offset <= size
    return offset >= LINE_BYTES and b"\n" not in os.pread(fd, LINE_BYTES, offset - LINE_BYTES)


def lines_before(path: str, position: LogPosition, limit: int = CHUNK) -> tuple[bytes, LogPosition]:
    """At most `limit` bytes of whole lines that end at `position`, and where they begin. Before the start of a file
    come the lines of the file rotated before it. Of a line that is longer than `limit`, the end of it. No lines: `b""`
    and the same position.
    """
    files = _files(path)
    inodes = [number for number, _ in files]
    if position.inode == 0:
        position = LogPosition(inodes[-1] if files and files[-1][1] == path else 0, position.offset)
    index = inodes.index(position.inode) if position.inode in inodes else 0 if position.inode else len(files)
    inode, end = position
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
    return b"", position


def last_lines(path: str, count: int) -> tuple[LogPosition, LogPosition]:
    """Where the last `count` whole lines of the log begin, in a rotated file if the live one has fewer, and where they
    end; for `read_span` and `read_from`. Reads no more than those lines, and keeps none in memory."""
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
        if found > count:  # the line end before the first of them is in this chunk
            at = len(data)
            for _ in range(count + 1):
                at = data.rindex(b"\n", 0, at)
            return begin + at + 1, 0
        count -= found
        size = begin
    return 0, count


def read_span(path: str, start: LogPosition, end: LogPosition) -> Iterator[bytes]:
    """The lines from one position to another, in pieces of some whole lines, also if a rotation renames their files
    meanwhile. Ends early if one of the files is deleted."""
    while start != end:
        data, after, jump = read_from(path, start)
        if not data or jump is Discontinuity.GONE:
            return
        if after.inode == end.inode and after.offset > end.offset:  # more was written since
            data, after = data[: end.offset - after.offset], end
        yield data
        start = after


def _line_end_before(file: BinaryIO, size: int) -> int:
    """Where the last whole line ends: a line may be half written at this moment."""
    start = max(0, size - LINE_BYTES)
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


def _live_inode(path: str) -> int:
    """0: there is no live file."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    return inode_of(found) if stat.S_ISREG(found.st_mode) else 0


def _open_inode(path: str, inode: int) -> Optional[BinaryIO]:
    """The log's file with that inode, first looked for as the live file; a rotation may rename it between the look and
    the opening, once."""
    for attempt in range(4):
        for name in [name for number, name in _files(path) if number == inode] if attempt else [path]:
            try:
                fd, found = open_regular(name)
            except OSError:
                continue
            if inode_of(found) == inode:
                return os.fdopen(fd, "rb")
            os.close(fd)
    return None
