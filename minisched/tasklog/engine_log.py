"""The engine's own log, `logs/minisched.log`."""

from __future__ import annotations

import logging
import os
import time
from datetime import tzinfo

from minisched.model import LogSettings, Text
from minisched.model.text import plural, timestamp, visible_line
from minisched.osutil import traceback_text
from minisched.tasklog.rotating_file import Block, RotatingLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minisched.tasklog.rotating_file import Report

NAME = "minisched"


def engine_logger(
    folder: str,
    settings: LogSettings,
    zone: tzinfo,
    report: Report = lambda path, problem: None,
    rotate: bool = True,
) -> tuple[logging.Logger, EngineLog]:
    """The logger `minisched`, writing to `minisched.log` in `folder` from INFO on, and nowhere else, and its handler.
    Lines are `2026-11-23T02:30:00.123+08:00 WARNING text`. A second call replaces the handler of the first.

    A failing disk raises and prints nothing: `report` gets the reason, and the log says afterwards how many lines were
    lost. rotate: commands beside an engine only append.
    """
    # No line shows the caller, the thread or the process: spare the look-up for each line. See
    # https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logger = logging.getLogger(NAME)
    for handler in logger.handlers[:]:
        if isinstance(handler, EngineLog):
            logger.removeHandler(handler)
            handler.close()
    handler = EngineLog(os.path.join(folder, f"{NAME}.log"), settings, zone, rotate, report)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger, handler


class EngineLog(RotatingLog):
    """A message is one line whatever it contains, so that a task's output cannot forge a line; each line of a traceback
    is a line."""

    def block_of(self, record: logging.LogRecord) -> Block:
        try:
            lines = [record.getMessage()]
        except (TypeError, ValueError, KeyError) as error:
            lines = [f"{record.msg!r} {record.args!r}: {error}"]
        if record.exc_info and record.exc_info[1]:
            lines += traceback_text(record.exc_info[1]).splitlines()
        prefix = f"{timestamp(record.created, self.zone)} {record.levelname} "
        text = "".join(f"{prefix}{visible_line(line)}\n" for line in lines)
        return Block(record.created, "", memoryview(text.encode("utf-8", "backslashreplace")), len(lines))

    def loss_note(self, block: Block, label: str, loss: tuple[int, Text]) -> bytes:
        text = f"{plural(loss[0], 'line')} could not be written here ({loss[1]})"
        return f"{timestamp(block.created, self.zone)} WARNING {text}\n".encode()

    def warn(self, text: str) -> None:
        """Write the line at once: the logger would wait for the lock, which is held while a line is written."""
        now = time.time()
        self._ensure_open(now)
        self._write_all(memoryview(f"{timestamp(now, self.zone)} WARNING {visible_line(text)}\n".encode()))
