"""The rotating file under each task's log and under the engine's own.

`logging.handlers.TimedRotatingFileHandler` loses data where a scheduler meets it: it removes or overwrites an earlier
file of the same day, drops records when a rename fails, writes on into a removed file, follows symlinks, counts its
period from the restart, deletes files of others, and answers a full disk on stderr. `RotatingLog` keeps its contract
(rotate at midnight, keep `backup_count`) and mends those.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import re
import stat
import time
from datetime import date, datetime, tzinfo
from functools import lru_cache
from logging.handlers import TimedRotatingFileHandler
from typing import Optional

from minisched.model import LogPosition, LogSettings

RETRY_S = 60.0  # after a rotation failed; each block would try again otherwise
OWED_MAX = 100  # labels whose losses are remembered until space returns: a task may run often on a full disk
FILE_MODE = 0o640
FOLDER_MODE = 0o750
# O_NONBLOCK: a FIFO in the log's place must not hang the run. O_RDWR: the last byte tells of a torn line.
OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

Owed = dict[str, tuple[int, str]]  # label -> (how much was lost, the error's text)


def inode_of(status: os.stat_result) -> int:
    """The inode in 63 bits, as SQLite keeps it; some network file systems use the 64th."""
    return status.st_ino & 0x7FFF_FFFF_FFFF_FFFF


def stamp(instant: float, zone: tzinfo) -> str:
    """ISO 8601 with milliseconds and the zone's offset."""
    second = math.floor(instant)
    head, offset = _second(second, zone)
    return f"{head}.{min(round((instant - second) * 1e6) // 1000, 999):03}{offset}"


@lru_cache(maxsize=4)  # many lines of a second are stamped, in one zone
def _second(second: int, zone: tzinfo) -> tuple[str, str]:
    text = datetime.fromtimestamp(second, zone).isoformat()
    return text[:19], text[19:]


class Block(logging.LogRecord):
    """Whole stamped lines of one run, written as they are. One record for up to 64 KiB of output: a record for each
    line costs 3.2 MB/s. After the handler, `mark` tells where they stand, or `error` why they were lost."""

    # What is the same for all stands here: LogRecord's own __init__ asks for threads and paths, in 25 us.
    name, msg, args, exc_info = "minisched.task", "", (), None
    levelno, levelname, pathname, lineno = logging.INFO, "INFO", "", 0

    def __init__(self, instant: float, label: str, data: memoryview) -> None:
        self.created = instant
        self.label = label
        self.data = data
        self.amount = len(data)  # what a note of the loss counts
        self.mark: Optional[LogPosition] = None
        self.error: Optional[str] = None


class RotatingLog(TimedRotatingFileHandler):
    """Appends blocks to `path`, opened at the first one. Nothing is raised, nothing printed: a block that cannot be
    written is counted in `owed`, and a note says so before the next one that can.

    A file belongs to the day of its first line. It is renamed to `<path>.YYYY-MM-DD` (`.1`, `.2` ... after it if taken)
    before the first line of a later day in `zone`, and before it outgrows `max_bytes` (0: no limit). The newest
    `backup_count` of those are kept (0: all, as in logging). `rotate=False`: append only, another process rotates.
    """

    def __init__(self, path: str, settings: LogSettings, zone: tzinfo, rotate: bool = True) -> None:
        super().__init__(path, when=settings.when, backupCount=settings.backup_count, encoding="utf-8", delay=True)
        self.zone = zone
        self.max_bytes = settings.max_bytes
        self.rotating = rotate
        self.owed: Owed = {}
        self._fd = -1
        self._file: Optional[os.stat_result] = None  # of `_fd` when it was opened
        self._size = 0
        self._day = 0  # of the file's first line, as an ordinal
        self._retry_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        block = record if isinstance(record, Block) else self.block_of(record)
        left = block.data
        try:
            self._ensure_open(block.created)
            if self.rotating and self.shouldRollover(block):
                self.doRollover()
                self._ensure_open(block.created)
            if self.owed:
                self._write_all(memoryview(b"".join(self.note_of(block, label) for label in self.owed)))
                self.owed.clear()
            while left:
                left = left[os.write(self._fd, left) :]
            assert self._file
            # With O_APPEND too, the descriptor's own position is the end of what it wrote last.
            block.mark = LogPosition(inode_of(self._file), os.lseek(self._fd, 0, os.SEEK_CUR) - len(block.data))
        except OSError as error:
            self.close_file()
            block.error = error.strerror or str(error)
            lost_before, _ = self.owed.pop(block.label, (0, ""))
            self.owed[block.label] = (lost_before + min(block.amount, len(left)), block.error)
            while len(self.owed) > OWED_MAX:
                del self.owed[next(iter(self.owed))]

    def block_of(self, record: logging.LogRecord) -> Block:
        """An ordinary record as a block; the engine's log has its own form."""
        return Block(record.created, "", memoryview((self.format(record) + "\n").encode("utf-8", "backslashreplace")))

    def note_of(self, block: Block, label: str) -> bytes:
        """The line that tells what was lost under `label`, at the time of the block before which it comes."""
        amount, why = self.owed[label]
        text = f"{amount} bytes of output could not be written ({why})"
        return f"{stamp(block.created, self.zone)} [{label} note] {text}\n".encode()

    def warn(self, text: str) -> None:
        logging.getLogger("minisched").warning(text)

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing: logging would print to stderr, and a caller can do nothing about its log."""

    def close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        self.acquire()
        try:
            self.close_file()
            super().close()
        finally:
            self.release()

    # ---------------------------------------------------------------------------------------------------- the file

    def _ensure_open(self, instant: float) -> None:
        """Have the file that stands at the path now open; it may have been removed, or renamed by another process."""
        if self._fd >= 0 and self._file:
            try:
                there = os.lstat(self.baseFilename)
            except FileNotFoundError:
                self.close_file()
            else:
                self._size = there.st_size
                if not os.path.samestat(there, self._file):
                    self.close_file()
        if self._fd < 0:
            self._open_file(instant)

    def _open_file(self, instant: float) -> None:
        try:
            fd = os.open(self.baseFilename, OPEN_FLAGS, FILE_MODE)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self.baseFilename), FOLDER_MODE, exist_ok=True)
            fd = os.open(self.baseFilename, OPEN_FLAGS, FILE_MODE)
        self._fd = fd
        self._file = os.fstat(fd)
        self._size = self._file.st_size
        if not stat.S_ISREG(self._file.st_mode):
            raise OSError(errno.EINVAL, "the log is not a regular file")
        if not self._size:
            self._day = self._day_of(instant)
            return
        try:
            self._day = date.fromisoformat(os.pread(fd, 10, 0).decode("ascii")).toordinal()
        except ValueError:  # not a line of ours: the day it was last written
            self._day = self._day_of(self._file.st_mtime)
        if os.pread(fd, 1, self._size - 1) != b"\n":  # a full disk or a power cut tore the last line
            self._write_all(memoryview(b"\n"))

    def _write_all(self, data: memoryview) -> None:
        while data:
            data = data[os.write(self._fd, data) :]

    def _day_of(self, instant: float) -> int:
        return datetime.fromtimestamp(instant, self.zone).toordinal()

    # ---------------------------------------------------------------------------------------------------- rotation

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        """By the stamp of the lines to come. The clock may go back over midnight a little without a rotation (that
        would cost an old file), but a file from a far future must not stand until then."""
        assert isinstance(record, Block)
        if not self._size or time.monotonic() < self._retry_at:
            return False
        day = self._day_of(record.created)
        return day > self._day or day < self._day - 1 or 0 < self.max_bytes < self._size + len(record.data)

    def doRollover(self) -> None:
        day = date.fromordinal(self._day).isoformat()
        taken = [key[1] for key, _ in rotated_files(self.baseFilename) if key[0] == day]
        number = max(taken) + 1 if taken else 0
        try:
            # Only one process rotates, so that nothing can take the name meanwhile; os.link, which would make sure,
            # does not work on an SD card's FAT.
            os.rename(self.baseFilename, f"{self.baseFilename}.{day}" + (f".{number}" if number else ""))
        except OSError as error:  # the lines go on into the same file
            self._retry_at = time.monotonic() + RETRY_S
            self.warn(f"{self.baseFilename} could not be rotated: {error.strerror}; next try in {RETRY_S:.0f} s")
            return
        self.close_file()
        for name in self.getFilesToDelete():
            try:
                os.unlink(name)
            except OSError as error:
                self.warn(f"{name} could not be deleted: {error.strerror}")

    def getFilesToDelete(self) -> list[str]:
        names = [name for _, name in rotated_files(self.baseFilename)]
        return names[: -self.backupCount] if self.backupCount > 0 else []


def rotated_files(path: str) -> list[tuple[tuple[str, int], str]]:
    """The rotated files of the log `path`, oldest first, as ((day, number of that day), path). Only names of exactly
    that form: `db.log.old` is not ours, nor is anything of `db2.log`."""
    folder, base = os.path.split(path)
    form = re.compile(re.escape(base) + r"\.(\d{4}-\d{2}-\d{2})(?:\.([1-9]\d{0,8}))?", re.ASCII)
    try:
        names = os.listdir(folder or ".")
    except FileNotFoundError:
        return []
    matches = [form.fullmatch(name) for name in names if name.startswith(base)]
    return sorted(((m[1], int(m[2] or 0)), os.path.join(folder, m[0])) for m in matches if m)
