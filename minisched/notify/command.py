"""Commands: the message as JSON on the standard input of a process of its own group, within a time limit."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from typing import IO

from minisched.model import Text
from minisched.model.notification import LIMIT_S, SendRequest, SendResult, SendStatus
from minisched.model.text import visible
from minisched.notify.redact import ANSWER_BYTES_MAX
from minisched.notify.templates import last_lines, message_json, to_json

TIMEOUT_S = LIMIT_S
KILL_GRACE_S = 2.0  # between TERM and KILL
DRAIN_S = 1.0  # output still read after the end, while a process left behind holds the pipe
TICK_S = 0.05  # an exit is announced by no descriptor
BLOCK = 64 * 1024
LATER_BYTES = bytes(range(0x80, 0xC0))  # of a UTF-8 character whose first byte was cut off


def deliver(request: SendRequest, timeout_s: float = TIMEOUT_S) -> SendResult:
    """Run the command of a `command` channel: exit 0 is sent, all else may be tried again. Never raises for what the
    world does."""
    command = request.channel.options["task_exec"]
    message = request.message
    task_id = message.variables.get("task_id", "")
    env = {**request.base, "MINISCHED_HOME": request.home, "MINISCHED_TASK_ID": task_id, "PYTHONUNBUFFERED": "1"}
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command] if isinstance(command, str) else _from_home(command, request.home),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=request.home,
            env=env,
            start_new_session=True,
        )
    # Popen raises OSError, but also ValueError, UnicodeError, IndexError, RuntimeError: all mean that it did not start.
    except Exception as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return SendResult(SendStatus.RETRY, Text("notify.command_not_started", reason=words))
    run = _Run(process, to_json(message_json(message)).encode() + b"\n", timeout_s)
    run.attend()
    answer = last_lines(
        visible(run.tail.lstrip(LATER_BYTES).decode("utf-8", "backslashreplace")).strip(), ANSWER_BYTES_MAX
    )
    if run.killed:
        return SendResult(SendStatus.RETRY, Text("notify.command_timeout", seconds=timeout_s), answer)
    if process.returncode == 0:
        return SendResult(SendStatus.SENT, answer=answer)
    code = process.returncode
    if code < 0:
        return SendResult(SendStatus.RETRY, Text("notify.command_signal", signal=-code), answer)
    return SendResult(SendStatus.RETRY, Text("notify.command_exit", exit_code=code), answer)


def _from_home(command: tuple[str, ...], home: str) -> list[str]:
    """As a task's: a relative program starts from the home."""
    program, *arguments = command
    return [os.path.join(home, program) if "/" in program else program, *arguments]


class _Run:
    """Feeds the process, keeps the end of its output, ends its group when its time is over."""

    def __init__(self, process: subprocess.Popen[bytes], data: bytes, timeout_s: float) -> None:
        self._process, self._data = process, data
        self._kill_at = self._term_at = time.monotonic() + timeout_s
        self._exited_at = 0.0
        self.tail = b""
        self.killed = False

    def attend(self) -> None:
        """Until the process is over and reaped."""
        process, poll = self._process, selectors.PollSelector()  # it may be empty, and needs no descriptor
        assert process.stdin and process.stdout
        try:
            for file, event in ((process.stdin, selectors.EVENT_WRITE), (process.stdout, selectors.EVENT_READ)):
                os.set_blocking(file.fileno(), False)
                poll.register(file, event)
            while not self._over(bool(poll.get_map())):
                for key, event in poll.select(TICK_S):
                    done = self._write(process.stdin) if event & selectors.EVENT_WRITE else self._read(process.stdout)
                    if done:
                        poll.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]
        finally:
            poll.close()
            if not self._exited_at and not self.killed:  # this thread was interrupted
                self._signal(signal.SIGKILL)
            process.stdin.close()
            process.stdout.close()
            process.wait()

    def _over(self, open_pipes: bool) -> bool:
        now = time.monotonic()
        if not self._exited_at and self._has_exited():
            self._exited_at = now
        if self._exited_at and not self.killed:
            return not open_pipes or now >= self._exited_at + DRAIN_S
        if not self.killed and now >= self._term_at:
            self.killed = True
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            self._kill_at = now + KILL_GRACE_S
        elif self.killed and (now >= self._kill_at or self._exited_at):
            self._signal(signal.SIGKILL)  # also what outlives a process that has obeyed
            return True
        return False

    def _has_exited(self) -> bool:
        """Looks without reaping, where the system can: the group's number stays its own for so long."""
        if hasattr(os, "waitid"):
            try:
                return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
            except ChildProcessError:  # somebody else reaped it; Popen would call its lost status a 0
                self._process.returncode = 255
                return True
        return self._process.poll() is not None  # macOS before Python 3.13

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except OSError:  # the group is gone; macOS: EPERM for a group of zombies
            pass

    def _write(self, file: IO[bytes]) -> bool:
        try:
            self._data = self._data[os.write(file.fileno(), self._data[:BLOCK]) :]
        except BlockingIOError:
            return False
        except OSError:  # it does not read what it is told: its exit code says what that means
            return True
        return not self._data

    def _read(self, file: IO[bytes]) -> bool:
        try:
            block = os.read(file.fileno(), BLOCK)
        except BlockingIOError:
            return False
        self.tail = (self.tail + block)[-ANSWER_BYTES_MAX:]
        return not block
