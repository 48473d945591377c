"""`minisched logs`: a task's output, of one run, of the last lines, or as it grows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from support.cli import Cli, started
from support.programs import Home, environment

GAP = "minisched: a: some lines were rotated away or removed before they could be shown\n"


@pytest.fixture
def ran(home: Home) -> Home:
    """A task with one run of three lines, the second hostile."""
    home.write({"task_id": "a", "task_exec": r"echo one; printf '\033[2Jtwo\342\200\256\n'; echo three >&2"})
    assert home.run("exec", "a").returncode == 0
    return home


def texts(done_or_text: str) -> list[str]:
    """Lines without time and run."""
    return [line.split("] ", 1)[1] for line in done_or_text.splitlines()]


def following(home: Home, *arguments: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return started(home.path, "logs", "-f", *arguments)


def put(home: Home, name: str, *lines: str) -> None:
    (home.path / "logs").mkdir(exist_ok=True)
    with open(home.path / "logs" / f"{name}.log", "a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_logs_prints_the_last_lines_escaped(ran: Home, cli: Cli) -> None:
    lines = texts(cli("logs", "a").stdout)
    assert lines[0].startswith("pid ") and lines[-1].startswith("exit 0 after ")
    assert sorted(lines[1:4]) == ["\\x1b[2Jtwo\\u202e", "one", "three"]
    assert len(texts(cli("logs", "a", "-n", "2").stdout)) == 2
    assert len(texts(cli("logs", "a", "-n", "999999999").stdout)) == 5


def test_a_task_without_output_is_not_an_error(home: Home, cli: Cli) -> None:
    home.write({"task_id": "a", "task_exec": "true"})
    assert cli("logs", "a") == (0, "", "minisched: a has no output yet\n")
    put(home, "a")
    assert cli("logs", "a") == (0, "", "minisched: a has no output yet\n")


def test_wrong_tasks_runs_and_options_are_reported(ran: Home, cli: Cli) -> None:
    assert cli("logs", "A").stderr == 'minisched: no task "A"; did you mean "a"?\n'
    assert cli("logs", "../../etc/passwd").returncode == 1
    assert cli("logs", "--run", "99").stderr == "minisched: no run 99 in the history\n"
    assert cli("logs").returncode == cli("logs", "-f", "--run", "1").returncode == 2
    assert cli("logs", "a", "-n", "0").returncode == 2


def test_a_log_can_be_read_without_its_task_and_under_an_invalid_config(ran: Home, cli: Cli) -> None:
    ran.write({"task_id": "b", "task_exec": "true"})
    assert len(texts(cli("logs", "a").stdout)) == 5
    ran.config.write_text("{")
    done = cli("logs", "a")
    assert (done.returncode, len(texts(done.stdout))) == (0, 5) and "tasks/config.json" in done.stderr
    assert cli("logs", "nobody").returncode == 1
    assert cli("logs", "-f").returncode == 1


def test_the_output_of_one_run_is_shown_from_a_rotated_log(ran: Home, cli: Cli) -> None:
    whole = cli("logs", "--run", "1").stdout
    assert len(texts(whole)) == 5
    log = ran.path / "logs" / "a.log"
    log.rename(f"{log}.2026-11-22")
    assert ran.run("exec", "a").returncode == 0
    assert cli("logs", "--run", "1").stdout == cli("logs", "a", "--run", "1").stdout == whole
    assert all("[2.1 " in line for line in cli("logs", "--run", "2").stdout.splitlines())
    assert len(texts(cli("logs", "a").stdout)) == 10


def test_the_end_of_the_output_comes_from_the_history_if_the_log_is_gone(ran: Home, cli: Cli) -> None:
    shutil.rmtree(ran.path / "logs")
    done = cli("logs", "--run", "1")
    assert done.returncode == 0 and "three" in done.stdout and "\\x1b[2Jtwo" in done.stdout
    assert "the output of run 1 is not in" in done.stderr and "from the history" in done.stderr


def test_the_log_of_a_run_that_was_not_started_says_why(home: Home, cli: Cli) -> None:
    home.write({"task_id": "a", "task_exec": "true", "task_env": {"A": {"from_env": "NOT_THERE_AT_ALL"}}})
    home.run("exec", "a")
    done = cli("logs", "--run", "1")
    why = "task_env: A: environment variable NOT_THERE_AT_ALL is not set"
    assert (done.returncode, texts(done.stdout)) == (0, [f"not started: {why}"])


def test_the_rest_of_an_output_is_shown_if_its_beginning_is_gone(ran: Home, cli: Cli) -> None:
    log = ran.path / "logs" / "a.log"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[2:]))  # as where another file has got the inode: what was at the mark is elsewhere
    done = cli("logs", "--run", "1")
    assert (done.returncode, len(texts(done.stdout))) == (0, 3)
    assert done.stderr == ("minisched: the beginning of the output of run 1 is gone; the rest of it:\n")


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("/nowhere")], ids=["folder", "symlink"])
def test_a_log_that_cannot_be_opened_is_reported_with_the_end_of_the_output(
    home: Home, cli: Cli, make: Callable[[Path], None]
) -> None:
    home.write({"task_id": "a", "task_exec": "echo precious"})
    log = home.path / "logs" / "a.log"
    log.parent.mkdir()
    make(log)
    ran = home.run("exec", "a")
    assert (ran.returncode, ran.stdout) == (0, "precious\n")
    assert f"minisched: output of run 1 of a could not be written to {log}: " in ran.stderr
    done = cli("logs", "--run", "1")
    assert (done.returncode, done.stdout) == (0, "precious\n")
    assert done.stderr == (
        f"minisched: the output of run 1 could not be written to {log}; its last lines, from the history:\n"
    )
    assert "output lost" in cli("history", "--run", "1").stdout and "output lost" in cli("history").stdout
    done = cli("logs", "a")
    assert (done.returncode, done.stdout) == (1, "") and f"{log} is not a regular file" in done.stderr
    assert "`minisched logs --run 1` shows what is left" in done.stderr


def test_follow_continues_after_a_rotation_and_a_removal(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "true"})
    put(home, "a", "1", "2", "3")
    log = home.path / "logs" / "a.log"
    with following(home, "a", "-n", "2") as process:
        assert process.stdout
        assert [process.stdout.readline() for _ in range(2)] == ["2\n", "3\n"]
        put(home, "a", "4")
        assert process.stdout.readline() == "4\n"
        put(home, "a", "5")
        log.rename(f"{log}.2026-11-22")
        put(home, "a", "6 \x1b[2J")
        assert [process.stdout.readline() for _ in range(2)] == ["5\n", "6 \\x1b[2J\n"]
        log.unlink()
        put(home, "a", "7")
        assert process.stdout.readline() == "7\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130 and process.stderr and process.stderr.read() == GAP


def test_follow_reports_lines_that_were_removed_before_they_were_shown(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "true"})
    put(home, "a", "the first line", "the second line")
    log = home.path / "logs" / "a.log"
    with following(home, "a") as process:
        assert process.stdout and process.stderr
        assert [process.stdout.readline() for _ in range(2)] == ["the first line\n", "the second line\n"]
        process.send_signal(signal.SIGSTOP)  # a pager that is not scrolled
        # Rotated away, and the next file has the inode, as ext4 does it.
        log.write_text("x" * log.stat().st_size + " none of the old lines\nanother\n")
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline().endswith("x none of the old lines\n")
        assert process.stdout.readline() == "another\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130 and process.stderr.read() == GAP


def test_follow_waits_for_a_log_that_appears_later(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "true"}, {"task_id": "b", "task_exec": "true"})
    put(home, "a", "one")
    with following(home) as process:
        assert process.stdout and process.stdout.readline() == "a: one\n"
        put(home, "b", "two", "three")
        assert [process.stdout.readline() for _ in range(2)] == ["b: two\n", "b: three\n"]


def test_follow_shows_a_run_as_it_goes(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "echo begin; until test -e go; do sleep 0.05; done; echo end"})
    with (
        following(home, "a") as process,
        subprocess.Popen(
            [sys.executable, "-m", "minisched", "--home", str(home.path), "exec", "a"],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as run,
    ):
        assert process.stdout
        first, second = (texts(process.stdout.readline())[0] for _ in range(2))
        assert first.startswith("pid ") and second == "begin"
        (home.path / "go").touch()
        assert run.wait(20) == 0
        assert texts(process.stdout.readline()) == ["end"]


def test_follow_ends_when_its_pipe_is_closed(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "true"})
    put(home, "a", "one")
    with following(home, "a") as process:
        assert process.stdout and process.stdout.readline() == "one\n"
        process.stdout.close()  # and nothing more is ever written to the log
        assert process.wait(20) == 0 and process.stderr and process.stderr.read() == ""


def test_following_a_thousand_quiet_logs_costs_little(home: Home) -> None:
    home.write(*({"task_id": f"t{n}", "task_exec": "true"} for n in range(1000)))
    for n in range(1000):
        put(home, f"t{n}", "line")
    with following(home) as process:
        assert process.stdout
        for _ in range(1000):
            process.stdout.readline()

        def used() -> float:
            words = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

        before, start = used(), time.monotonic()
        put(home, "t999", "new")
        assert process.stdout.readline() == "t999: new\n"
        rounds = (time.monotonic() - start) / 0.25 + 2
        floor = time.process_time()
        for n in range(1000):
            os.stat(home.path / "logs" / f"t{n}.log")
        floor = time.process_time() - floor
        assert used() - before < 20 * rounds * floor + 0.02  # its unit is 10 ms
