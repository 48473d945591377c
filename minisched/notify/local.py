"""Messages that stay on this machine: to the standard input of a command, or as a line of a file."""

from __future__ import annotations

import errno
import fcntl
import os
import time

from minisched.config import check_permissions
from minisched.executor.process import explain, run_bounded
from minisched.executor.program import Command, explain_exit, program_path
from minisched.home import Home
from minisched.model import Text
from minisched.model.notification import SEND_TIMEOUT_S, SendRequest, SendResult, SendStatus
from minisched.model.text import reason_of_file, visible_bytes
from minisched.notify.redact import ANSWER_BYTES_MAX
from minisched.notify.templates import last_lines, message_json, to_json
from minisched.osutil import open_owned

KILL_GRACE_S = 2.0  # between TERM and KILL
_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))  # of a UTF-8 character whose first byte was cut off
LOCK_TRIES, LOCK_PAUSE_S = 20, 0.02  # a line takes some milliseconds
FILE_MODE = 0o640
NOT_A_FILE = (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.EINVAL, errno.ENXIO)  # a further try would find the same


def deliver(request: SendRequest) -> SendResult:
    """Deliver by a `command` or `file` channel. Never raises for what the world does."""
    return run_command(request) if request.channel.type == "command" else append_to_file(request)


def run_command(request: SendRequest, timeout_s: float = SEND_TIMEOUT_S, grace_s: float = KILL_GRACE_S) -> SendResult:
    """Run the command of a `command` channel: exit code 0 is `sent`, anything else may be tried again. Never raises for
    what the world does."""
    command, message = request.channel.options["task_exec"], request.message
    if isinstance(command, str):
        args = ["/bin/sh", "-c", command]
    else:
        args = [program_path(command[0], request.home), *command[1:]]
    task_id = message.variables.get("task_id", "")
    env = {**request.base, "MINISCHED_HOME": request.home, "MINISCHED_TASK_ID": task_id, "PYTHONUNBUFFERED": "1"}
    data = to_json(message_json(message)).encode() + b"\n"
    run_as = command if isinstance(command, str) else tuple(args)
    ran = Command(run_as, request.home, env.get("PATH", os.defpath), request.home)
    problems = check_permissions(Home(request.home).config)
    if problems:  # another user could have replaced what would be run
        reason = Text("unsafe_home", problem=problems[0].as_text())
        return SendResult(SendStatus.RETRY, Text("notify.command_not_started", reason=reason))
    try:
        result = run_bounded(args, request.home, env, data, timeout_s, grace_s, ANSWER_BYTES_MAX)
    # Popen raises OSError, but also ValueError, UnicodeError, IndexError, RuntimeError: all mean that it did not start.
    except Exception as error:
        return SendResult(SendStatus.RETRY, Text("notify.command_not_started", reason=explain(error, ran)))
    output = visible_bytes(result.output.lstrip(_CONTINUATION_BYTES)).strip()
    answer = last_lines(output, ANSWER_BYTES_MAX)
    if result.timed_out:
        return SendResult(SendStatus.RETRY, Text("notify.command_timeout", seconds=timeout_s), answer)
    if result.status == 0:
        return SendResult(SendStatus.SENT, answer=answer)
    if result.status is None:
        return SendResult(SendStatus.RETRY, Text("notify.command_lost"), answer)
    if result.status < 0:
        return SendResult(SendStatus.RETRY, Text("notify.command_signal", signal=-result.status), answer)
    hint = explain_exit(ran, result.status)
    text = Text("notify.command_exit", exit_code=result.status)
    if hint:
        text = Text("notify.command_exit_hint", exit_code=result.status, hint=hint)
    return SendResult(SendStatus.RETRY, text, answer)


def append_to_file(request: SendRequest) -> SendResult:
    """Append the message to the file of a `file` channel. Never raises for what the world does."""
    path = os.path.join(request.home, request.channel.options["path"])
    try:
        _append(path, to_json(message_json(request.message)).encode() + b"\n")
    except OSError as error:
        reason = Text("notify.no_folder") if error.errno == errno.ENOENT else reason_of_file(error)
        status = SendStatus.FAILED if error.errno in NOT_A_FILE else SendStatus.RETRY
        return SendResult(status, Text("notify.file", path=path, reason=reason))
    return SendResult(SendStatus.SENT)


def _lock(fd: int) -> None:
    """Another engine may be writing, or another rule while all are tested. Raises OSError if it takes long: then the
    message is tried again later."""
    for left in range(LOCK_TRIES - 1, -1, -1):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not left:
                raise
            time.sleep(LOCK_PAUSE_S)


def _append(path: str, line: bytes) -> None:
    """Raises OSError, and leaves the file as long as it was."""
    fd, _ = open_owned(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, FILE_MODE)
    try:
        _lock(fd)
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
