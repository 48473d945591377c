"""Files: one JSON line a message, appended whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from minisched.model.notification import SendRequest, SendResult, SendStatus
from minisched.notify import defaults
from minisched.notify.templates import to_json

# O_NONBLOCK: the opening of a FIFO that nobody reads does not wait. O_NOFOLLOW: no link leads the line elsewhere.
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
MODE = 0o640
WORDS = {errno.ELOOP: "is a symbolic link, which is not followed", errno.ENOENT: "its folder does not exist"}
NO_FILE = (errno.ELOOP, errno.EISDIR, errno.ENXIO)


def deliver(order: SendRequest) -> SendResult:
    """Append to the file of a `file` channel. Never raises for what the world does."""
    path = os.path.join(order.home, order.channel.options["path"])
    try:
        _append(path, to_json(defaults.as_json(order.message)).encode() + b"\n")
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        words = WORDS.get(number or 0) or (error.strerror if isinstance(error, OSError) else "") or str(error)
        return SendResult(SendStatus.FAILED if number in NO_FILE else SendStatus.RETRY, f"{path}: {words}")
    return SendResult(SendStatus.SENT)


def _append(path: str, line: bytes) -> None:
    """Raises OSError; then the file is as long as it was."""
    fd = os.open(path, FLAGS, MODE)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.ENXIO, "is no regular file")
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by another engine: tried again later
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":  # somebody else's line has no end
            line = b"\n" + line
        try:
            written = os.write(fd, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)
