"""The rotating file of each task's log and of the engine's own, on `logging.handlers.TimedRotatingFileHandler`."""

from __future__ import annotations

import logging
import os
import re
import time
from datetime import date, datetime, tzinfo

from minisched.model import LogPosition, LogSettings, Text
from minisched.model.text import reason_of_file, timestamp
from minisched.osutil import open_owned
from minisched.put_off import import_without

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging.handlers import TimedRotatingFileHandler
    from typing import Callable, Optional
else:
    TimedRotatingFileHandler = import_without("logging.handlers", "pickle", "copy").TimedRotatingFileHandler

RETRY_S = 60.0  # after a rotation failed; each block would try again otherwise
LOSSES_MAX = 100  # labels whose losses are remembered until there is space: a task may run often on a full disk
FILE_MODE = 0o640
FOLDER_MODE = 0o750
OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND  # to read: the last byte shows whether the last line is complete

Losses = dict[str, tuple[int, Text]]  # label -> (how much was lost, why)
if TYPE_CHECKING:
    Report = Callable[[str, Optional[Text]], object]  # (path, why it cannot be written; None: it can be written again)


def inode_of(status: os.stat_result) -> int:
    """The inode in 63 bits, as SQLite stores it; some network file systems use the 64th."""
    return status.st_ino & 0x7FFF_FFFF_FFFF_FFFF


class Block(logging.LogRecord):
    """Complete lines of one run, each with its timestamp, written as they are. A record of its own for each line would
    limit the log to 3 MB/s. After `handle`, `position` is where they are, or `error` why they were lost."""

    # What is the same for all of them: LogRecord.__init__ looks up threads and paths, in 25 us.
    name, msg, args, exc_info = "minisched.task", "", (), None
    levelno, levelname, pathname, lineno = logging.INFO, "INFO", "", 0

    def __init__(self, instant: float, label: str, data: memoryview, amount: Optional[int] = None) -> None:
        self.created = instant
        self.label = label
        self.data = data
        self.amount = len(data) if amount is None else amount  # what counts as lost: bytes or lines
        self.position: Optional[LogPosition] = None
        self.error: Optional[Text] = None

    def written_at(self, position: LogPosition) -> None:
        self.position = position

    def failed(self, error: Text) -> None:
        self.error = error


class RotatingLog(TimedRotatingFileHandler):
    """Appends blocks of lines to `path`. Nothing is raised or printed: a block that cannot be written is counted in
    `losses`, and a note says so before the next one that can be written. `problem` is why the latest one could not be
    written; `report`, which must not block, gets each change of it.

    A file belongs to the day of its first line. It is renamed to `<path>.YYYY-MM-DD` before the first line of a later
    day in `zone`, and before it grows beyond `max_bytes` (0: no limit). If that name is taken, `.1`, `.2` ... follows;
    once the clock was set back to an earlier day, `.s1`, `.s2` ... stands before that number, so that the order of the
    files does not depend on days that may be wrong. The newest `backup_count` of them are kept (0: all, as in logging).
    `rotate=False`: only append, the engine rotates.

    Inherited: the place in `logging` (logger, level, filters, lock, `handle`, `close` at exit), the options `when`,
    `backupCount` and `baseFilename`, and the division into `emit`, `shouldRollover`, `doRollover` and
    `getFilesToDelete`. These are overridden, because the ones of the base lose lines where a scheduler meets it:

    - `emit`: the base encodes text line by line, at 3 MB/s, and answers a full disk with a traceback on stderr;
    - `shouldRollover`: the base counts from the start of the process or the file's mtime, so that a program restarted
      daily never rotates; here the timestamps of the lines decide, and the size does too;
    - `doRollover`: the base removes or overwrites an earlier file of the same day, drops records when the rename fails,
      and follows a symlink;
    - `getFilesToDelete`: the base may delete files of another log whose name begins alike.

    `stream`, `rolloverAt` and `computeRollover` of the base are not used.
    """

    def __init__(
        self,
        path: str,
        settings: LogSettings,
        zone: tzinfo,
        rotate: bool = True,
        report: Report = lambda path, problem: None,
        problem: Optional[Text] = None,
    ) -> None:
        super().__init__(path, when=settings.when, backupCount=settings.backup_count, encoding="utf-8", delay=True)
        self.settings = settings
        self.zone = zone
        self.losses: Losses = {}
        self.problem = problem
        self._path = path  # as `report` names it
        self._report = report
        self._rotate = rotate
        self._fd = -1
        self._file: Optional[os.stat_result] = None  # of `_fd` when it was opened
        self._size = 0
        self._day = 0  # of the file's first line, as an ordinal
        self._left: Optional[tuple[int, int, int]] = None  # device, inode and size when this handler closed the file
        self._retry_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        block = record if isinstance(record, Block) else self.block_of(record)
        left = block.data
        try:
            self._ensure_open(block.created)
            if self._rotate and self.shouldRollover(block):
                self.doRollover()
                self._ensure_open(block.created)
            if self.losses:
                notes = [self.loss_note(block, *loss) for loss in self.losses.items()]
                self._write_all(memoryview(b"".join(notes)))
                self.losses.clear()
            while left:
                left = left[os.write(self._fd, left) :]
            assert self._file
            # With O_APPEND the descriptor's own position is the end of what it wrote last: others may append too.
            self._size = os.lseek(self._fd, 0, os.SEEK_CUR)
            block.written_at(LogPosition(inode_of(self._file), self._size - len(block.data)))
            self._set_problem(None)
        except OSError as error:
            self.close_file(complete=False)
            why = reason_of_file(error)
            block.failed(why)
            if left:
                lost_before, _ = self.losses.pop(block.label, (0, why))
                self.losses[block.label] = (lost_before + min(block.amount, len(left)), why)
            self._set_problem(why)
            while len(self.losses) > LOSSES_MAX:
                del self.losses[next(iter(self.losses))]

    def _set_problem(self, problem: Optional[Text]) -> None:
        if problem != self.problem:
            self.problem = problem
            self._report(self._path, problem)

    def retry(self, instant: float) -> None:
        """Find out whether the log can be written: open it, and write what is to be noted about losses."""
        self.handle(Block(instant, "", memoryview(b"")))

    def block_of(self, record: logging.LogRecord) -> Block:
        """An ordinary record as a block; the engine's log has its own format."""
        return Block(record.created, "", memoryview((self.format(record) + "\n").encode("utf-8", "backslashreplace")))

    def loss_note(self, block: Block, label: str, loss: tuple[int, Text]) -> bytes:
        """The line about what was lost under `label`, with the time of the block that follows it."""
        text = f"{loss[0]} bytes of output could not be written ({loss[1]})"
        return f"{timestamp(block.created, self.zone)} [{label} note] {text}\n".encode()

    def warn(self, text: str) -> None:
        logging.getLogger("minisched").warning(text)

    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing: logging would print to stderr, and no caller can do anything about its log."""

    def close_file(self, complete: bool = True) -> None:
        """Close the file until the next block. `complete`: it ends with a complete line of this handler."""
        if self._fd >= 0 and self._file:
            os.close(self._fd)
            self._fd = -1
            self._left = (self._file.st_dev, self._file.st_ino, self._size) if complete else None

    def close(self) -> None:
        self.acquire()
        try:
            self.close_file()
            super().close()
        finally:
            self.release()

    # ---------------------------------------------------------------------------------------------------- the file

    def _ensure_open(self, instant: float) -> None:
        """Open the file that is at the path now: it may have been removed, or renamed by another process."""
        if self._fd >= 0 and self._file:
            try:
                found = os.lstat(self.baseFilename)
            except FileNotFoundError:
                self.close_file()
            else:
                self._size = found.st_size
                if not os.path.samestat(found, self._file):
                    self.close_file()
        if self._fd < 0:
            self._open_file(instant)

    def _open_file(self, instant: float) -> None:
        fd, file = open_owned(self.baseFilename, OPEN_FLAGS, FILE_MODE, FOLDER_MODE)
        self._fd, self._file, self._size, self._retry_at = fd, file, file.st_size, 0.0
        if self._left == (file.st_dev, file.st_ino, file.st_size):  # as it was left: day and last byte are known
            return
        if not self._size:
            self._day = self._day_of(instant)
            return
        try:
            self._day = date.fromisoformat(os.pread(fd, 10, 0).decode("ascii")).toordinal()
        except ValueError:  # not a line of ours: the day it was last written
            self._day = self._day_of(file.st_mtime)
        if os.pread(fd, 1, self._size - 1) != b"\n":  # a full disk or a power cut tore the last line
            self._write_all(memoryview(b"\n"))

    def _write_all(self, data: memoryview) -> None:
        while data:
            data = data[os.write(self._fd, data) :]

    def _day_of(self, instant: float) -> int:
        return datetime.fromtimestamp(instant, self.zone).toordinal()

    # ---------------------------------------------------------------------------------------------------- rotation

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        """By the timestamps of the lines to come. The clock may go back over midnight a little without a rotation,
        which would use up an old file; a file from a far future is rotated, as it would stay in use until then."""
        assert isinstance(record, Block)
        if not self._size or time.monotonic() < self._retry_at:
            return False
        day = self._day_of(record.created)
        max_bytes = self.settings.max_bytes
        return day > self._day or day < self._day - 1 or 0 < max_bytes < self._size + len(record.data)

    def doRollover(self) -> None:
        day = date.fromordinal(self._day).isoformat()
        files = rotated_files(self.baseFilename)
        series, newest, number = files[-1][0] if files else (0, "", 0)
        number = number + 1 if day == newest else 0
        series += day < newest
        suffix = f".{day}" + (f".s{series}" if series else "") + (f".{number}" if number else "")
        try:
            # Only one process rotates, so that no other can take the name meanwhile. os.link, which would make sure of
            # that, does not work on the FAT of an SD card.
            os.rename(self.baseFilename, self.baseFilename + suffix)
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


def rotated_files(path: str) -> list[tuple[tuple[int, str, int], str]]:
    """The rotated files of the log `path`, in the order in which they were rotated, as ((series, day, number), path). A
    series begins where the clock was set back to an earlier day. Only names of exactly that form: `db.log.old` is not a
    file of `db.log`, nor is anything of `db2.log`."""
    folder, base = os.path.split(path)
    form = re.compile(re.escape(base) + r"\.(\d{4}-\d{2}-\d{2})(?:\.s([1-9]\d{0,8}))?(?:\.([1-9]\d{0,8}))?", re.ASCII)
    try:
        names = os.listdir(folder or ".")
    except FileNotFoundError:
        return []
    matches = [form.fullmatch(name) for name in names if name.startswith(base)]
    return sorted(((int(m[2] or 0), m[1], int(m[3] or 0)), os.path.join(folder, m[0])) for m in matches if m)
