"""Files: one JSON line per message, appended whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os

from minisched.model import Text
from minisched.model.notification import SendRequest, SendResult, SendStatus
from minisched.model.text import reason_of_file
from minisched.notify.templates import message_json, to_json
from minisched.osutil import open_owned

FILE_MODE = 0o640
NOT_A_FILE = (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.EINVAL, errno.ENXIO)  # a further try would find the same


def deliver(request: SendRequest) -> SendResult:
    """Append the message to the file of a `file` channel. Never raises for what the world does."""
    path = os.path.join(request.home, request.channel.options["path"])
    try:
        _append(path, to_json(message_json(request.message)).encode() + b"\n")
    except OSError as error:
        reason = Text("notify.no_folder") if error.errno == errno.ENOENT else reason_of_file(error)
        status = SendStatus.FAILED if error.errno in NOT_A_FILE else SendStatus.RETRY
        return SendResult(status, Text("notify.file", path=path, reason=reason))
    return SendResult(SendStatus.SENT)


def _append(path: str, line: bytes) -> None:
    """Raises OSError, and leaves the file as long as it was."""
    fd, _ = open_owned(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, FILE_MODE)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # another engine may be writing: then it is tried again
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":  # another program left an incomplete line
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
