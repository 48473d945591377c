"""Writing: the logs of all tasks, and the sink of one attempt."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from datetime import tzinfo
from typing import Callable, Optional

from minisched.model import LogPosition, LogSettings
from minisched.tasklog.lines import LineAssembler, visible_line
from minisched.tasklog.rotating_file import Block, Owed, RotatingLog, stamp

TAIL_MAX = 16 * 1024  # bytes of a run's output that its history row keeps
FLUSH_S = 0.5  # a prompt without a line end stands in the log within 1 s
STAMPED_AT_ONCE = 8192  # lines; a block of empty lines grows to 45 times its size by the stamps
_MANY_LINES = re.compile(rb"(?:[^\n]*\n){%d}" % STAMPED_AT_ONCE)


class TaskLogs:
    """The logs of all tasks. A log has a logger and a handler while a run of its task lives, and nothing after.

    `settings` and `zone` may be replaced at any time; a log in use keeps those it was opened with.
    `rotate=False` for a process that may run beside an engine: the engine alone renames and deletes.
    """

    def __init__(
        self,
        folder: str,
        settings: LogSettings,
        zone: tzinfo,
        rotate: bool = True,
        wall: Callable[[], float] = time.time,
    ) -> None:
        if settings.when != "midnight":
            raise ValueError(f'log.when is "{settings.when}"; expected "midnight"')
        self.folder = folder
        self.settings = settings
        self.zone = zone
        self._rotate = rotate
        self._wall = wall
        self._open: dict[str, _OpenLog] = {}
        self._owed: dict[str, Owed] = {}  # of logs not in use: losses that no note has told yet
        self._lock = threading.Lock()  # run threads open and close; held for look-ups only, never for output

    def open_run(self, path: str, run_id: int, attempt: int) -> RunLog:
        """The sink of one attempt in the log at `path` (a relative one starts from the folder). Never raises; several
        runs may share a log. To be closed."""
        path = os.path.join(self.folder, path)
        with self._lock:
            log = self._open.get(path)
            if log is None:
                log = self._open[path] = _OpenLog(RotatingLog(path, self.settings, self.zone, self._rotate))
                log.handler.owed.update(self._owed.pop(path, {}))
            log.runs += 1
        return RunLog(log, f"{run_id}.{attempt}", self._wall, lambda: self._release(path))

    def _release(self, path: str) -> None:
        with self._lock:
            log = self._open[path]
            log.runs -= 1
            if not log.runs:
                del self._open[path]
                log.handler.close()
                if log.handler.owed:
                    self._owed[path] = log.handler.owed


class _OpenLog:
    """A handler with its logger, and how many runs use them."""

    def __init__(self, handler: RotatingLog) -> None:
        self.handler = handler
        # Not by getLogger, which never frees a name: 10,000 tasks would keep 4 MB.
        self.logger = logging.Logger("minisched.task", logging.INFO)
        self.logger.addHandler(handler)
        self.runs = 0


class RunLog:
    """The sink of one attempt; used by one thread. Nothing here raises.

    `mark`: where its first line stands, None until there is one. `lost`: some of its output could not be written.
    """

    def __init__(self, log: _OpenLog, label: str, wall: Callable[[], float], release: Callable[[], None]) -> None:
        self.mark: Optional[LogPosition] = None
        self.lost = False
        self._log = log
        self._label = label
        self._wall = wall
        self._release: Optional[Callable[[], None]] = release
        self._streams: dict[str, LineAssembler] = {}
        self._tail = b""

    def write(self, stream: str, block: bytes) -> None:
        """Bytes of the "out" or "err" stream, as they were read."""
        assembler = self._streams.get(stream)
        if assembler is None:
            assembler = self._streams[stream] = LineAssembler()
        lines = assembler.feed(block, time.monotonic())
        if lines:
            self._put_output(stream, lines)

    @property
    def flush_due(self) -> Optional[float]:
        """The monotonic time at which `flush` is due because a line without an end stands; None: there is none."""
        begun = [lines.since for lines in self._streams.values() if lines.since is not None]
        return min(begun) + FLUSH_S if begun else None

    def flush(self, final: bool = False) -> None:
        """Write the lines begun as they are."""
        for stream, assembler in self._streams.items():
            lines = assembler.flush(final)
            if lines:
                self._put_output(stream, lines)

    def note(self, kind: str, text: str) -> None:
        """A line of the engine's own: `kind` is "start", "end" or "note". Output stands before its "end"."""
        self.flush(final=kind == "end")
        self._put(kind, visible_line(text).encode("utf-8", "backslashreplace") + b"\n")

    @property
    def tail(self) -> bytes:
        """The last 16 KiB of the output, both streams in the order of their lines; valid UTF-8."""
        start = 0
        while start < len(self._tail) and self._tail[start] & 0xC0 == 0x80:  # the rest of a character cut in two
            start += 1
        return self._tail[start:]

    def close(self) -> None:
        """Write what is left of the output; let go of the log. A second call does nothing."""
        if self._release:
            self.flush(final=True)
            self._release()
            self._release = None

    def _put_output(self, stream: str, lines: bytes) -> None:
        self._tail = lines[-TAIL_MAX:] if len(lines) >= TAIL_MAX else (self._tail + lines)[-TAIL_MAX:]
        self._put(stream, lines)

    def _put(self, kind: str, lines: bytes) -> None:
        now = self._wall()
        prefix = f"{stamp(now, self._log.handler.zone)} [{self._label} {kind}] ".encode()
        while lines:
            # One replace stamps them all, 200 times as fast as line by line. It puts a stamp behind the last line too,
            # which is not written; and the one that the first line lacks is put before.
            stamped = lines.replace(b"\n", b"\n" + prefix, STAMPED_AT_ONCE)
            count = (len(stamped) - len(lines)) // len(prefix)
            match = _MANY_LINES.match(lines) if count == STAMPED_AT_ONCE else None
            end = match.end() if match else len(lines)
            block = Block(now, self._label, memoryview(prefix + stamped)[: end + count * len(prefix)])
            self._log.logger.handle(block)
            self.lost = self.lost or block.error is not None
            self.mark = self.mark or block.mark
            lines = lines[end:]
