"""`run` on a terminal shows each run's end, and what Ctrl-C does."""

from __future__ import annotations

import logging
import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from minisched.cli.assembly import TerminalLog
from minisched.model import Text
from support.programs import Home, environment, eventually


def read_until(fd: int, text: str, seen: str = "") -> str:
    """All that was printed, up to and with `text`."""
    while text not in seen:
        seen += os.read(fd, 65536).decode()
    return seen


def test_run_on_a_terminal_prints_a_line_for_each_run_and_how_to_stop_at_once(home: Home) -> None:
    home.write(
        {"task_id": "quick", "task_exec": "true", "task_schedule": "@every 1s"},
        {"task_id": "long", "task_exec": "sleep 60", "task_schedule": "@every 1s", "task_overlap": "queue"},
        http={"enabled": False},
        language="zh",
    )
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "minisched", "--home", str(home.path), "run"]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment()) as process:
        os.close(slave)
        try:
            seen = read_until(master, "quick 的运行 #", read_until(master, "按 Ctrl-C 停止"))
            line = read_until(master, "\n", seen[seen.index("quick 的运行 #") :]).splitlines()[0]
            assert re.fullmatch(r"quick 的运行 #\d+：success，用时 [\d.]+ 秒", line)
            process.send_signal(signal.SIGINT)
            read_until(master, "正在停止：1 次运行有 30 秒时间结束；再按 Ctrl-C 立即终止")
            process.send_signal(signal.SIGINT)
            assert "cancelled（shutdown）" in read_until(master, "引擎已停止")
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(master)
    assert ": success after " in home.engine_log()  # the log is English in any case


def test_a_task_that_goes_on_to_succeed_has_a_line_a_minute(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = TerminalLog()
    ends = [(0, 1, "a", "success"), (1, 2, "b", "success"), (5, 3, "a", "success"), (6, 4, "b", "business_failure")]
    ends += [(10, 5, "a", "success"), (11, 6, "b", "success"), (60, 7, "a", "success"), (61, 8, "b", "success")]
    for second, run_id, task, status in [*ends, (-3600, 9, "a", "success")]:  # the clock was put back
        parts = dict.fromkeys(("why", "took", "retry", "left", "process"), "")
        line = Text("log.run", run_id=run_id, task=task, status=status, **parts)
        record = logging.LogRecord("minisched", logging.INFO, "", 0, line, None, None)  # type: ignore[arg-type]
        record.created = 1_800_000_000.0 + second
        terminal.emit(record)
    printed = re.findall(r"run (\d+) of", capfd.readouterr().out)
    assert printed == ["1", "2", "4", "6", "7", "9"]


def test_run_into_a_file_prints_no_line_for_a_run(home: Home) -> None:
    home.write({"task_id": "quick", "task_exec": "true", "task_schedule": "@every 1s"}, http={"enabled": False})
    process = home.start()
    eventually(lambda: home.ended("quick"), "it ran")
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=20)
    assert "run 1" not in stdout
