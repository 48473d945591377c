"""Writing: the logs of all tasks, and the output of one attempt."""

from __future__ import annotations

import logging
import math
import os
import re
import time
from datetime import tzinfo
from itertools import islice

from minisched.model import LogPosition, LogSettings, Text
from minisched.model.text import timestamp, visible_line
from minisched.tasklog.lines import LineAssembler
from minisched.tasklog.rotating_file import Block, Losses, RotatingLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional

    from minisched.tasklog.rotating_file import Report

TAIL_MAX = 16 * 1024  # bytes of a run's output that its history row keeps
FLUSH_S = 0.5  # a line without an end, such as a prompt, is written after this time: it is in the log within 1 s
KEPT_LOGS = 64  # handlers that are kept, without an open file, for the next run of their task; 2 KB each
RETRIED_LOGS = 16  # failing logs that one `retry` tries; with 10,000 of them it must not hold up the others
HOLD_S = 0.05  # lines wait so long for others, to be written with them: longer than 200 short runs at once take
HOLD_BYTES = 64 * 1024  # are not held any longer; a block of a flood is written at once
STAMPED_AT_ONCE = 8192  # lines; the timestamps make a block of empty lines 45 times as large
DATE_BYTES = len("2026-11-23")
_MANY_LINES = re.compile(rb"(?:[^\n]*\n){%d}" % STAMPED_AT_ONCE)


class TaskLogs:
    """The logs of all tasks. Used by one thread, but for `configure` and `failing`: the logs that could not be written
    when they were written last, by path, with the reason. `report` gets each change of it.

    A log has a logger and a handler while a run of its task lives; of the last ones used they are kept, without an open
    file. `rotate=False` is for a program beside an engine: only the engine renames and deletes.
    """

    def __init__(
        self,
        folder: str,
        settings: LogSettings,
        zone: tzinfo,
        rotate: bool = True,
        wall: Callable[[], float] = time.time,
        report: Report = lambda path, problem: None,
    ) -> None:
        self.folder = folder
        self.failing: dict[str, Text] = {}
        self.configure(settings, zone)
        self._rotate = rotate
        self._wall = wall
        self._report = report
        self._open: dict[str, _OpenLog] = {}
        self._kept: dict[str, _OpenLog] = {}  # the longest unused first
        self._losses: dict[str, Losses] = {}  # of logs without a handler: losses that no note has reported yet

    def configure(self, settings: LogSettings, zone: tzinfo) -> None:
        """Use other settings, from any thread; a log in use keeps the ones it was opened with."""
        if settings.when != "midnight":
            raise ValueError(f'log.when is "{settings.when}"; expected "midnight"')
        self._settings = (settings, zone)

    def open_run(self, path: str, run_id: int, attempt: int, encoding: str = "utf-8") -> RunLog:
        """The output of one attempt in the log at `path`, relative to the folder. Never raises; several runs may share
        a log. To be closed. encoding: of the output; the log is UTF-8."""
        path = os.path.join(self.folder, path)
        log = self._acquire(path)
        return RunLog(log, f"{run_id}.{attempt}", self._wall, lambda: self._release(path), encoding)

    def retry(self) -> None:
        """Try again to write some of the failing logs, those first that were not tried for the longest time."""
        for path in list(islice(self.failing, RETRIED_LOGS)):
            self.failing[path] = self.failing.pop(path)  # to the end
            self._acquire(path).handler.retry(self._wall())
            self._release(path)

    def _note_problem(self, path: str, problem: Optional[Text]) -> None:
        if problem is None:
            self.failing.pop(path, None)
        else:
            self.failing[path] = problem
        self._report(path, problem)

    def _acquire(self, path: str) -> _OpenLog:
        log = self._open.get(path)
        if log is None:
            settings = self._settings
            log = self._kept.pop(path, None)
            if log and log.settings != settings:
                self._drop(path, log)
                log = None
            if log is None:
                handler = RotatingLog(path, *settings, self._rotate, self._note_problem, self.failing.get(path))
                handler.losses.update(self._losses.pop(path, {}))
                log = _OpenLog(handler, settings)
            self._open[path] = log
        log.count(1)
        return log

    def _release(self, path: str) -> None:
        log = self._open[path]
        if log.count(-1):
            return
        log.handler.close_file()
        self._kept[path] = self._open.pop(path)
        if len(self._kept) > KEPT_LOGS:
            path = next(iter(self._kept))
            self._drop(path, self._kept.pop(path))

    def _drop(self, path: str, log: _OpenLog) -> None:
        log.handler.close()
        if log.handler.losses:
            self._losses[path] = log.handler.losses


class _OpenLog:
    """A handler with its logger, the settings it was made with, and how many runs use them."""

    def __init__(self, handler: RotatingLog, settings: tuple[LogSettings, tzinfo]) -> None:
        self.handler = handler
        self.settings = settings
        # Not by getLogger, which never frees a name: 10,000 tasks would keep 4 MB.
        self.logger = logging.Logger("minisched.task", logging.INFO)
        self.logger.addHandler(handler)
        self._runs = 0

    def count(self, change: int) -> int:
        """Count a run that begins (1) or ends (-1) to use it; returns how many are left."""
        self._runs += change
        return self._runs


class RunLog:
    """The output of one attempt on its way to the log; used by one thread. Nothing here raises.

    Lines are held up to HOLD_S, so that a short run costs one write to its log instead of three. `position`: where its
    first line is, None until it is written. `lost`: why some of its output could not be written; None: all of it was.
    """

    def __init__(
        self, log: _OpenLog, label: str, wall: Callable[[], float], release: Callable[[], None], encoding: str
    ) -> None:
        self.position: Optional[LogPosition] = None
        self.lost: Optional[Text] = None
        self._log = log
        self._label = label
        self._wall = wall
        self._release: Optional[Callable[[], None]] = release
        self._encoding = encoding
        self._streams: dict[str, LineAssembler] = {}
        self._tail = b""
        self._held: list[memoryview] = []  # lines with their timestamps, all of one day
        self._held_bytes = 0
        self._held_since = self._held_time = 0.0  # when the first of them came, monotonic and by the wall clock

    def write(self, stream: str, block: bytes) -> None:
        """Bytes of the "out" or "err" stream, as they were read."""
        assembler = self._streams.get(stream)
        if assembler is None:
            assembler = self._streams[stream] = LineAssembler(self._encoding)
        lines = assembler.feed(block, time.monotonic())
        if lines:
            self._put_output(stream, lines)

    @property
    def flush_due(self) -> Optional[float]:
        """The monotonic time at which `flush` is due; None: there is nothing to write."""
        due = self._held_since + HOLD_S if self._held else None
        for lines in self._streams.values():
            if lines.since is not None and (due is None or lines.since + FLUSH_S < due):
                due = lines.since + FLUSH_S
        return due

    def flush(self, now: float = math.inf) -> None:
        """Write the lines that are held, and the incomplete ones that have waited for FLUSH_S at the monotonic time
        `now`."""
        for stream, assembler in self._streams.items():
            if assembler.since is not None and assembler.since + FLUSH_S <= now:
                self._put_output(stream, assembler.flush())
        self._write_held()

    def marker(self, kind: str, text: str) -> None:
        """A line of the engine's own: `kind` is "start", "end" or "note". All output comes before the "end"."""
        self._end_lines(final=kind == "end")
        self._put(kind, visible_line(text).encode("utf-8", "backslashreplace") + b"\n")

    @property
    def tail(self) -> bytes:
        """The last 16 KiB of the output, both streams in the order of their lines; valid UTF-8."""
        start = 0
        while start < len(self._tail) and self._tail[start] & 0xC0 == 0x80:  # the rest of a character cut in two
            start += 1
        return self._tail[start:]

    def close(self) -> None:
        """Write what is left of the output; release the log. A second call does nothing."""
        if self._release:
            self._end_lines(final=True)
            self._write_held()
            self._release()
            self._release = None

    def _end_lines(self, final: bool) -> None:
        for stream, assembler in self._streams.items():
            lines = assembler.flush(final)
            if lines:
                self._put_output(stream, lines)

    def _put_output(self, stream: str, lines: bytes) -> None:
        self._tail = lines[-TAIL_MAX:] if len(lines) >= TAIL_MAX else (self._tail + lines)[-TAIL_MAX:]
        self._put(stream, lines)

    def _put(self, kind: str, lines: bytes) -> None:
        now = self._wall()
        prefix = f"{timestamp(now, self._log.handler.zone)} [{self._label} {kind}] ".encode()
        if self._held and self._held[0][:DATE_BYTES] != prefix[:DATE_BYTES]:  # a file belongs to a day
            self._write_held()
        while lines:
            # One `replace` stamps them all, 200 times as fast as line by line. It adds a prefix after the last line
            # too, which is not written; the one of the first line is put before.
            stamped = lines.replace(b"\n", b"\n" + prefix, STAMPED_AT_ONCE)
            count = (len(stamped) - len(lines)) // len(prefix)
            match = _MANY_LINES.match(lines) if count == STAMPED_AT_ONCE else None
            end = match.end() if match else len(lines)
            self._hold(memoryview(prefix + stamped)[: end + count * len(prefix)], now)
            lines = lines[end:]

    def _hold(self, lines: memoryview, now: float) -> None:
        if self._held_bytes + len(lines) > HOLD_BYTES:
            self._write_held()
        if not self._held:
            self._held_since, self._held_time = time.monotonic(), now
        self._held.append(lines)
        self._held_bytes += len(lines)
        if self._held_bytes >= HOLD_BYTES:
            self._write_held()

    def _write_held(self) -> None:
        if not self._held:
            return
        data = self._held[0] if len(self._held) == 1 else memoryview(b"".join(self._held))
        self._held, self._held_bytes = [], 0
        block = Block(self._held_time, self._label, data)
        self._log.logger.handle(block)
        self.lost = self.lost or block.error
        self.position = self.position or block.position
