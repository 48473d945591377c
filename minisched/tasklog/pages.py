"""Logs in pages, as the API serves them: cursors are texts, and nothing in a text is a command to a terminal.

`path` is an absolute one. A cursor is "inode-bytes"; inode 0 is the live file. In a run it is "attempt-inode-bytes".
Every function raises OSError.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator

from minisched.model import LogPosition, Reason, TaskExecution
from minisched.model.text import visible_bytes
from minisched.namedtuple import NamedTuple
from minisched.osutil import open_regular
from minisched.tasklog import reading
from minisched.tasklog.reading import CHUNK, LINE_BYTES, Discontinuity, OutputGone
from minisched.tasklog.rotating_file import inode_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Union

_BLOCK = 64 * 1024
_SCAN_MAX = 8 * 2**20  # bytes of a shared log that one request searches for the lines of one run
_TAIL_MAX = 2**20  # bytes
# The bytes of a character that is cut off at the end.
_CUT = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")

RunPosition = tuple[int, LogPosition]  # in a run's output: the attempt, and where in the log
if TYPE_CHECKING:
    Cursor = Union[None, int, RunPosition]  # or a number of bytes of it


class LogPage(NamedTuple):
    """A piece of a log."""

    data: bytes  # as it is in the file
    start: str  # cursor of its first byte
    after: str  # cursor of what comes next
    rotated: bool = False  # another file began in between, or the one of the cursor is gone
    at_end: bool = True  # there is nothing more for now

    @property
    def text(self) -> str:
        """Escaped for people: nothing in it is a command to a terminal."""
        return visible_bytes(self.data)


def read(path: str, position: Optional[LogPosition], limit: int) -> LogPage:
    """Whole lines from `position` on, at most `limit` bytes; None is the start of the live file."""
    data, after, jump = reading.read_from(path, position, limit)
    cut = _CUT.search(data)
    if cut and len(cut[0]) < len(data):  # a line longer than the limit was divided within a character
        data = data[: cut.start()]
        after = LogPosition(after.inode, after.offset - len(cut[0]))
    start = LogPosition(after.inode, after.offset - len(data))
    at_end = not data or (len(data) < limit and not reading.read_from(path, after, LINE_BYTES)[0])
    return _page(data, start, after, jump is not Discontinuity.NONE, at_end)


def tail(path: str, lines: int) -> LogPage:
    """The last lines, and what comes after them."""
    _, end = reading.last_lines(path, 0)
    pieces: list[bytes] = []
    start, size, count = end, 0, 0
    while count < lines and size < _TAIL_MAX:
        data, before = reading.lines_before(path, start, min(_BLOCK, _TAIL_MAX - size))
        if not data:
            break
        pieces.insert(0, data)
        start, size, count = before, size + len(data), count + data.count(b"\n")
    text = b"".join(pieces)
    if count > lines:  # the first piece has too many lines
        rest = text.split(b"\n", count - lines)[-1]
        text, start = rest, LogPosition(start.inode, start.offset + len(text) - len(rest))
    return _page(text, start, end)


def before(path: str, position: LogPosition, limit: int) -> LogPage:
    """The whole lines that end at `position`."""
    data, start = reading.lines_before(path, position, limit)
    end = LogPosition(start.inode, start.offset + len(data)) if data else start
    return _page(data, start, end, bool(position.inode) and end.inode != position.inode, at_end=False)


def raw(path: str, offset: Optional[int]) -> Union[_Blocks, _WholeLog]:
    """The bytes of all files of the log to its present end, as they are; with `offset` those of the live file from
    there on. To be closed."""
    return _WholeLog(path) if offset is None else _Blocks(path, offset)


def run(path: str, run: TaskExecution, cursor: Cursor, limit: int) -> Optional[LogPage]:
    """The run's own lines from a cursor on. None: they are in no file any more."""
    if isinstance(cursor, tuple):
        data, after, at_end = _own_lines(path, run, cursor, limit)
        return LogPage(data, _run_cursor(cursor), _run_cursor(after), False, at_end)
    first = _first_left(path, run)
    if first is None:
        return None if _starts(run) else LogPage(b"", "0", "0")
    after, skip, data, at_end = first, cursor or 0, b"", False
    while skip and not at_end:  # a number of bytes has to be counted
        data, after, at_end = _own_lines(path, run, after, min(skip, _BLOCK))
        data, skip = data[skip:], max(0, skip - len(data))
    if not data and not at_end:
        data, after, at_end = _own_lines(path, run, after, limit)
    return LogPage(data, str(cursor or 0), _run_cursor(after), False, at_end)


def run_tail(path: str, run: TaskExecution, lines: int) -> Optional[LogPage]:
    """The last lines of the run. None: its output is in no file any more."""
    after = _first_left(path, run)
    if after is None:
        return None if _starts(run) else LogPage(b"", "0", "0")
    kept: deque[bytes] = deque()
    size = seen = 0
    at_end = False
    while not at_end:
        data, after, at_end = _own_lines(path, run, after, CHUNK)
        seen += len(data)
        for line in data.splitlines(keepends=True)[-lines:]:
            kept.append(line)
            size += len(line)
            while len(kept) > lines or size > _TAIL_MAX:
                size -= len(kept.popleft())
    return LogPage(b"".join(kept), str(seen - size), _run_cursor(after))


def run_raw(path: str, run: TaskExecution) -> Optional[Iterator[bytes]]:
    """The run's own lines to their present end, in pieces. None: they are in no file any more."""
    after = _first_left(path, run)
    if after is None:
        return None if _starts(run) else iter(())
    return _run_blocks(path, run, after)


def _page(data: bytes, start: LogPosition, after: LogPosition, rotated: bool = False, at_end: bool = True) -> LogPage:
    return LogPage(data, f"{start.inode}-{start.offset}", f"{after.inode}-{after.offset}", rotated, at_end)


def _run_cursor(position: RunPosition) -> str:
    attempt, (inode, offset) = position
    return f"{attempt}-{inode}-{offset}"


def _starts(run: TaskExecution) -> dict[int, LogPosition]:
    """Where in the log the attempts begin that have output there."""
    return {attempt.attempt: attempt.log for attempt in run.attempts if attempt.log is not None}


def _first_left(path: str, run: TaskExecution) -> Optional[RunPosition]:
    """The first attempt whose output is still there."""
    for number, start in _starts(run).items():
        try:
            reading.read_run(path, start, run.run_id, number)
        except OutputGone:
            continue
        return number, start
    return None


def _own_lines(path: str, run: TaskExecution, position: RunPosition, limit: int) -> tuple[bytes, RunPosition, bool]:
    """The run's lines from `position` on, over its attempts: at most `limit` bytes but at least one line; the position
    after them, and whether there is nothing more for now."""
    attempt, at = position
    starts = _starts(run)
    pieces: list[bytes] = []
    size = scanned = 0
    while size <= limit // 2 and scanned < _SCAN_MAX:  # a page that is half full is not worth one more look
        data, after, ended = reading.run_lines(path, at, run.run_id, attempt, limit - size)
        if size and size + len(data) > limit:  # the next line does not fit
            break
        pieces.append(data)
        size += len(data)
        scanned += after.offset - at.offset if after.inode == at.inode else _BLOCK
        ended, at = ended or after == at, after
        if ended:
            later = [other for other in sorted(starts) if other > attempt]
            if not later:
                return b"".join(pieces), (attempt, at), True
            attempt, at = later[0], starts[later[0]]
    return b"".join(pieces), (attempt, at), False


def _run_blocks(path: str, run: TaskExecution, position: RunPosition) -> Iterator[bytes]:
    at_end, last = False, b""
    while not at_end:
        data, position, at_end = _own_lines(path, run, position, CHUNK)
        if data:
            last = data
            yield data
    attempt = run.attempts[-1] if run.attempts else None
    # An engine that was killed writes no "end" line.
    if attempt is None or not run.status.ended or attempt.reason == Reason.INTERRUPTED.value:
        return
    if b" [%d.%d end] " % (run.run_id, attempt.attempt) not in last[last.rfind(b"\n", 0, -1) + 1 :]:
        yield b"[%d.%d note] the rest of this output is in no file any more\n" % (run.run_id, attempt.attempt)


class _Blocks:
    """A file's bytes from `offset` to the end that it had when it was opened. Not a generator: one that is closed
    before its first piece never runs its `finally`, and would keep the file open."""

    def __init__(self, path: str, offset: int) -> None:
        self._offset = self._end = offset
        self.inode = 0
        try:
            self._fd, found = open_regular(path)
        except FileNotFoundError:
            self._fd = -1
            return
        self.inode = inode_of(found)
        self._end = max(offset, found.st_size)

    @property
    def size(self) -> int:
        """Bytes that are still to come."""
        return self._end - self._offset

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
    """All files of a log, the oldest first. `size` stays right: a rotated file does not change. If one is deleted
    before its turn, the download ends too early, which the client can see."""

    def __init__(self, path: str) -> None:
        self._live = _Blocks(path, 0)  # before the others: what is renamed in between is found twice, not never
        older = [
            (name, size) for inode, size, name in reading.log_files(path) if inode != self._live.inode and name != path
        ]
        self._older = deque(older)
        self._current: Optional[_Blocks] = None

    @property
    def size(self) -> int:
        current = self._current.size if self._current else 0
        return sum(size for _, size in self._older) + current + self._live.size

    def __iter__(self) -> _WholeLog:
        return self

    def __next__(self) -> bytes:
        while self._older or self._current:
            self._current = self._current or _Blocks(self._older.popleft()[0], 0)
            for block in self._current:
                return block
            self._current = None
        return next(self._live)

    def close(self) -> None:
        self._older.clear()
        for blocks in (self._current, self._live):
            if blocks:
                blocks.close()
