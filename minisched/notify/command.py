"""Commands: the message as JSON on the standard input of a process of its own group, within a time limit."""

from __future__ import annotations

import os

from minisched.executor import run_bounded
from minisched.model import Text
from minisched.model.notification import LIMIT_S, SendRequest, SendResult, SendStatus
from minisched.model.text import visible
from minisched.notify.redact import ANSWER_BYTES_MAX
from minisched.notify.templates import last_lines, message_json, to_json

KILL_GRACE_S = 2.0  # between TERM and KILL
STATUS_LOST = 255  # the exit code to report if other code has taken the process's status
LATER_BYTES = bytes(range(0x80, 0xC0))  # of a UTF-8 character whose first byte was cut off


def deliver(request: SendRequest, timeout_s: float = LIMIT_S, grace_s: float = KILL_GRACE_S) -> SendResult:
    """Run the command of a `command` channel: exit 0 is sent, all else may be tried again. Never raises for what the
    world does."""
    command = request.channel.options["task_exec"]
    message = request.message
    task_id = message.variables.get("task_id", "")
    env = {**request.base, "MINISCHED_HOME": request.home, "MINISCHED_TASK_ID": task_id, "PYTHONUNBUFFERED": "1"}
    args = ["/bin/sh", "-c", command] if isinstance(command, str) else _from_home(command, request.home)
    data = to_json(message_json(message)).encode() + b"\n"
    try:
        result = run_bounded(args, request.home, env, data, timeout_s, grace_s, ANSWER_BYTES_MAX)
    except Exception as error:  # of many kinds, see `spawn`: all mean that it was not started
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return SendResult(SendStatus.RETRY, Text("notify.command_not_started", reason=words))
    output = visible(result.output.lstrip(LATER_BYTES).decode("utf-8", "backslashreplace")).strip()
    answer = last_lines(output, ANSWER_BYTES_MAX)
    if result.timed_out:
        return SendResult(SendStatus.RETRY, Text("notify.command_timeout", seconds=timeout_s), answer)
    status = STATUS_LOST if result.status is None else result.status
    if status == 0:
        return SendResult(SendStatus.SENT, answer=answer)
    if status < 0:
        return SendResult(SendStatus.RETRY, Text("notify.command_signal", signal=-status), answer)
    return SendResult(SendStatus.RETRY, Text("notify.command_exit", exit_code=status), answer)


def _from_home(command: tuple[str, ...], home: str) -> list[str]:
    """As a task's: a relative program starts from the home."""
    program, *arguments = command
    return [os.path.join(home, program) if "/" in program else program, *arguments]
