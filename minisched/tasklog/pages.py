"""Logs in pages, as the API serves them: cursors are texts, and nothing in a text is a command to a terminal."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, Optional, Protocol, Union

from minisched.model import LogPosition, TaskExecution
from minisched.model.text import visible
from minisched.tasklog.reading import (
    Jump,
    OutputGone,
    last_lines,
    lines_before,
    log_files,
    read_from,
    read_run,
    run_lines,
)
from minisched.tasklog.rotating_file import inode_of

_BLOCK = 64 * 1024
_SCAN_MAX = 8 * 2**20  # bytes of a shared log that one request searches for the lines of one run
_TAIL_MAX = 2**20  # bytes
_LINE_MAX = 66 * 1024  # bytes; the longest line with its prefix
# The bytes of a character that is cut off at the end.
_CUT = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")

Place = tuple[int, LogPosition]  # in a run's output: the attempt, and where in the log
Cursor = Union[None, int, Place]  # or a number of bytes of it


class LogPage(NamedTuple):
    """A piece of a log. `text` is escaped for people: nothing in it is a command to a terminal."""

    text: str
    start: str  # cursor of its first byte
    after: str  # cursor of what comes next
    rotated: bool = False  # another file began in between, or the one of the cursor is gone
    at_end: bool = True  # there is nothing more for now


class RawLog(Iterator[bytes], Protocol):
    """A piece of a file, for a response's stream. Closed before its end it leaves nothing open."""

    @property
    def size(self) -> int:
        """Bytes that are still to come."""

    def close(self) -> None: ...


class LogReader:
    """Reads logs; `path` is an absolute one. Holds nothing; any thread may use it. Every method raises OSError.

    A cursor is "inode-bytes"; the inode 0 is the live file. Of a run it is "attempt-inode-bytes"."""

    def shown(self, data: bytes) -> str:
        return visible(data.decode("utf-8", "backslashreplace"))

    def read(self, path: str, place: Optional[LogPosition], limit: int) -> LogPage:
        data, after, jump = read_from(path, place, limit)
        cut = _CUT.search(data)
        if cut and len(cut[0]) < len(data):  # a line longer than the limit was divided within a character
            data = data[: cut.start()]
            after = LogPosition(after.inode, after.offset - len(cut[0]))
        start = LogPosition(after.inode, after.offset - len(data))
        at_end = not data or (len(data) < limit and not read_from(path, after, _LINE_MAX)[0])
        return self._page(data, start, after, jump is not Jump.NONE, at_end)

    def tail(self, path: str, lines: int) -> LogPage:
        _, end = last_lines(path, 0)
        pieces: list[bytes] = []
        start, size, count = end, 0, 0
        while count < lines and size < _TAIL_MAX:
            data, before = lines_before(path, start, min(_BLOCK, _TAIL_MAX - size))
            if not data:
                break
            pieces.insert(0, data)
            start, size, count = before, size + len(data), count + data.count(b"\n")
        text = b"".join(pieces)
        if count > lines:  # the first piece has lines too many
            rest = text.split(b"\n", count - lines)[-1]
            text, start = rest, LogPosition(start.inode, start.offset + len(text) - len(rest))
        return self._page(text, start, end)

    def before(self, path: str, place: LogPosition, limit: int) -> LogPage:
        data, start = lines_before(path, place, limit)
        end = LogPosition(start.inode, start.offset + len(data)) if data else start
        return self._page(data, start, end, anew=bool(place.inode) and end.inode != place.inode, at_end=False)

    def raw(self, path: str, offset: Optional[int]) -> RawLog:
        return _WholeLog(path) if offset is None else _Blocks(path, offset)

    def run(self, path: str, run: TaskExecution, cursor: Cursor, limit: int) -> Optional[LogPage]:
        if isinstance(cursor, tuple):
            data, after, at_end = _own_lines(path, run, cursor, limit)
            return self._run_page(data, _text(cursor), after, at_end)
        marked = _marked(run)
        first = _first_left(path, run)
        if first is None:
            return LogPage("", "0", "0") if not marked else None
        after, skip, data, at_end = first, cursor or 0, b"", False
        while skip and not at_end:  # what is asked for by a number of bytes has to be counted
            data, after, at_end = _own_lines(path, run, after, min(skip, _BLOCK))
            data, skip = data[skip:], max(0, skip - len(data))
        if not data and not at_end:
            data, after, at_end = _own_lines(path, run, after, limit)
        return self._run_page(data, str(cursor or 0), after, at_end)

    def run_tail(self, path: str, run: TaskExecution, lines: int) -> Optional[LogPage]:
        marked = _marked(run)
        after = _first_left(path, run)
        if after is None:
            return LogPage("", "0", "0") if not marked else None
        kept: deque[bytes] = deque()
        size = seen = 0
        at_end = False
        while not at_end:
            data, after, at_end = _own_lines(path, run, after, _BLOCK)
            seen += len(data)
            for line in data.splitlines(keepends=True):
                kept.append(line)
                size += len(line)
                while len(kept) > lines or size > _TAIL_MAX:
                    size -= len(kept.popleft())
        return self._run_page(b"".join(kept), str(seen - size), after, True)

    def run_raw(self, path: str, run: TaskExecution) -> Optional[Iterator[bytes]]:
        after = _first_left(path, run)
        if after is None:
            return iter(()) if not _marked(run) else None
        return _run_blocks(path, run, after)

    def _page(
        self, data: bytes, start: LogPosition, after: LogPosition, anew: bool = False, at_end: bool = True
    ) -> LogPage:
        return LogPage(self.shown(data), f"{start.inode}-{start.offset}", f"{after.inode}-{after.offset}", anew, at_end)

    def _run_page(self, data: bytes, start: str, after: Place, at_end: bool) -> LogPage:
        return LogPage(self.shown(data), start, _text(after), False, at_end)


def _text(place: Place) -> str:
    attempt, mark = place
    return f"{attempt}-{mark.inode}-{mark.offset}"


def _marked(run: TaskExecution) -> list[tuple[int, LogPosition]]:
    """The attempts whose output has a place in the log."""
    return [(attempt.attempt, attempt.log) for attempt in run.attempts if attempt.log is not None]


def _first_left(path: str, run: TaskExecution) -> Optional[Place]:
    """The first attempt whose output is still there."""
    for number, mark in _marked(run):
        try:
            read_run(path, mark, run.run_id, number)
        except OutputGone:
            continue
        return number, mark
    return None


def _own_lines(path: str, run: TaskExecution, place: Place, limit: int) -> tuple[bytes, Place, bool]:
    """The run's lines from `place` on, over its attempts: at most `limit` bytes but at least one line; the place after
    them, and whether there is nothing more for now."""
    number, mark = place
    marks = dict(_marked(run))
    pieces: list[bytes] = []
    size = scanned = 0
    while size < limit and scanned < _SCAN_MAX:
        data, after, ended = run_lines(path, mark, run.run_id, number, limit - size)
        if size and size + len(data) > limit:
            return b"".join(pieces), (number, mark), False  # a line that finds no room any more
        pieces.append(data)
        size += len(data)
        scanned += after.offset - mark.offset if after.inode == mark.inode else _BLOCK
        ended, mark = ended or after == mark, after
        if ended:
            later = [other for other in sorted(marks) if other > number]
            if not later:
                return b"".join(pieces), (number, mark), True
            number, mark = later[0], marks[later[0]]
    return b"".join(pieces), (number, mark), False


def _run_blocks(path: str, run: TaskExecution, place: Place) -> Iterator[bytes]:
    at_end = False
    while not at_end:
        data, place, at_end = _own_lines(path, run, place, _BLOCK)
        if data:
            yield data


class _Blocks:
    """A file's bytes from `offset` to the end that it had when it was opened. No generator: one that is closed before
    its first piece was asked for never comes to its `finally`, and would keep the file open."""

    def __init__(self, path: str, offset: int) -> None:
        self._offset = self._end = offset
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            self._fd = -1
            return
        self._end = max(offset, os.fstat(self._fd).st_size)

    @property
    def size(self) -> int:
        return self._end - self._offset

    @property
    def inode(self) -> int:
        return inode_of(os.fstat(self._fd)) if self._fd >= 0 else 0

    def __iter__(self) -> _Blocks:
        return self

    def __next__(self) -> bytes:
        block = os.pread(self._fd, min(_BLOCK, self.size), self._offset) if self.size else b""
        if not block:
            self.close()
            raise StopIteration
        self._offset += len(block)
        return block

    def close(self) -> None:
        fd, self._fd, self._end = self._fd, -1, self._offset
        if fd >= 0:
            os.close(fd)


class _WholeLog:
    """All files of a log, the oldest first. Their sizes add up to what is told at first: of a rotated file nothing
    changes any more. One that is deleted before its turn came cuts the download short, which its reader can see."""

    def __init__(self, path: str) -> None:
        self._live = _Blocks(path, 0)  # before the others: what is renamed in between is found twice, not never
        older = [(name, size) for inode, size, name in log_files(path) if inode != self._live.inode and name != path]
        self._older = deque(older)
        self._now: Optional[_Blocks] = None

    @property
    def size(self) -> int:
        return sum(size for _, size in self._older) + (self._now.size if self._now else 0) + self._live.size

    def __iter__(self) -> _WholeLog:
        return self

    def __next__(self) -> bytes:
        while self._older or self._now:
            self._now = self._now or _Blocks(self._older.popleft()[0], 0)
            for block in self._now:
                return block
            self._now = None
        return next(self._live)

    def close(self) -> None:
        self._older.clear()
        for blocks in (self._now, self._live):
            if blocks:
                blocks.close()
