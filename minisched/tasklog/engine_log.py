"""The engine's own log, `logs/minisched.log`."""

from __future__ import annotations

import logging
import os
from datetime import tzinfo

from minisched.model import LogSettings
from minisched.tasklog.lines import visible_line
from minisched.tasklog.rotating_file import Block, RotatingLog, stamp

NAME = "minisched"


def engine_logger(folder: str, settings: LogSettings, zone: tzinfo) -> logging.Logger:
    """The logger `minisched`, writing to `minisched.log` in `folder` from INFO on, and nowhere else. Lines are
    `2026-11-23T02:30:00.123+08:00 WARNING text`. A second call replaces the handler of the first.

    A disk that fails raises nothing and prints nothing; after it the log says how many lines it lost.
    """
    # Callers, threads and processes are shown by no line, and looked up for each unless this is said. See
    # https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logger = logging.getLogger(NAME)
    for handler in logger.handlers[:]:
        if isinstance(handler, EngineLog):
            logger.removeHandler(handler)
            handler.close()
    handler = EngineLog(os.path.join(folder, f"{NAME}.log"), settings, zone)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger


class EngineLog(RotatingLog):
    """A message is one line whatever is in it (a task's output cannot forge a line); a traceback is one for each."""

    def block_of(self, record: logging.LogRecord) -> Block:
        try:
            lines = [record.getMessage()]
        except (TypeError, ValueError, KeyError) as error:
            lines = [f"{record.msg!r} {record.args!r}: {error}"]
        if record.exc_info:
            lines += logging.Formatter().formatException(record.exc_info).splitlines()
        prefix = f"{stamp(record.created, self.zone)} {record.levelname} "
        text = "".join(f"{prefix}{visible_line(line)}\n" for line in lines)
        block = Block(record.created, "", memoryview(text.encode("utf-8", "backslashreplace")))
        block.amount = len(lines)
        return block

    def note_of(self, block: Block, label: str) -> bytes:
        lines, why = self.owed[label]
        return f"{stamp(block.created, self.zone)} WARNING {lines} lines could not be written here ({why})\n".encode()

    def warn(self, text: str) -> None:
        """Nothing: the log cannot tell of itself while it is locked for a line."""
