"""`doctor`: each problem of a machine or a home is found, and its help is printed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from minisched.model import Status, TaskExecution, Trigger
from support.cli import Cli, record
from support.process import root
from support.programs import Home, environment, minisched

TASK = {"task_id": "a", "task_exec": "true"}


def findings(cli: Cli, level: str = "problem") -> dict[str, str]:
    """The findings of one level: their codes, each with its help."""
    done = cli("doctor", "--json")
    found = [one for one in done.json if one["level"] == level]
    assert done.returncode == (1 if any(one["level"] == "problem" for one in done.json) else 0)
    assert all(bool(one["help"]) is (one["level"] != "ok") for one in done.json)
    return {one["code"]: one["message"] for one in found}


def test_a_good_home_has_no_problem(home: Home, cli: Cli) -> None:
    home.write(TASK, http={"port": free_port()})
    assert findings(cli) == {}
    ok = findings(cli, "ok")
    assert {"doctor.python", "doctor.zone", "doctor.clock", "doctor.disk", "doctor.config", "doctor.port"} <= set(ok)
    lines = cli("doctor").stdout.splitlines()
    assert any(line.startswith("ok: time zone UTC") for line in lines)


def test_help_stands_below_its_problem(home: Home, cli: Cli) -> None:
    home.config.write_text("{")
    done = cli("doctor")
    lines = done.stdout.splitlines()
    index = next(index for index, line in enumerate(lines) if line.startswith("problem: tasks/config.json"))
    assert lines[index + 1] == "    Correct it, then: `minisched validate`"
    assert done.returncode == 1


def test_a_folder_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    done = cli("--home", str(tmp_path / "none"), "doctor", "--json")
    assert "doctor.no_home" in {one["code"] for one in done.json}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_port_that_is_taken(home: Home, cli: Cli) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        home.write(TASK, http={"port": sock.getsockname()[1]})
        assert "doctor.port.taken" in findings(cli)


@contextmanager
def mail_server(greeting: bytes) -> Iterator[int]:
    """What answers on a port of its own, once."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()

        def answer() -> None:
            connection, _ = sock.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield int(sock.getsockname()[1])
        thread.join(10)


@pytest.mark.parametrize(
    ("greeting", "code"),
    [(b"220 mail.example.org\r\n", ""), (b"HTTP/1.0 400\r\n", "doctor.mail.no_greeting"), (None, "doctor.mail.dead")],
)
def test_a_mail_server(home: Home, cli: Cli, greeting: Any, code: str) -> None:
    smtp = {"host": "127.0.0.1", "from": "a@example.org", "security": "none"}
    if greeting is None:
        home.write(TASK, smtp={**smtp, "port": free_port()})
        found = findings(cli)
    else:
        with mail_server(greeting) as port:
            home.write(TASK, smtp={**smtp, "port": port})
            found = findings(cli)
    assert [one for one in found if one.startswith("doctor.mail")] == ([code] if code else [])


def test_a_script_that_cannot_start(home: Home, cli: Cli) -> None:
    script = home.path / "tasks" / "x.sh"
    script.write_text("#!/bin/sh\n")
    home.write({"task_id": "a", "task_exec": "tasks/x.sh"})
    assert any("tasks/x.sh" in message for message in findings(cli).values())


def test_a_folder_above_that_others_can_write(cli: Cli, tmp_path: Path) -> None:
    home = Home(tmp_path / "open" / "home")
    home.write(TASK)
    (tmp_path / "open").chmod(0o777)
    done = cli("--home", str(home.path), "doctor", "--json")
    assert any(str(tmp_path / "open") in one["message"] for one in done.json if one["level"] == "problem")


def test_a_clock_before_the_last_run(home: Home, cli: Cli) -> None:
    home.write(TASK)
    ahead = time.time() + 10 * 86400
    run = TaskExecution("a", Trigger.MANUAL, Status.SUCCESS, created_time=ahead, end_time=ahead, start_time=ahead)
    record(home.path, run._replace(duration=0.0))
    assert "doctor.clock.ahead" in findings(cli)


def test_a_machine_without_time_zones(home: Home, tmp_path: Path) -> None:
    home.write(TASK)
    code = "import sys; sys.modules['tzdata'] = None; from minisched.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "--home", str(home.path), "doctor"],
        env=environment(PYTHONTZPATH=str(tmp_path), TZ=""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "this machine has no time zone data" in done.stdout and "tzdata" in done.stdout
    assert done.returncode == 1


@root
def test_a_read_only_and_a_full_disk(home: Home, tmp_path: Path) -> None:
    home.write(TASK)
    for options, sentence in (("ro,size=200m", "read-only"), ("size=20m", " files are free")):
        mount = f"mkdir -p {home.path}/var && mount -t tmpfs -o {options} none {home.path}/var"
        command = f"{mount} && exec {sys.executable} -m minisched --home {home.path} doctor"
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", command], env=environment(), capture_output=True, text=True, check=False
        )
        if "unshare" in done.stderr or "mount" in done.stderr:
            pytest.skip("needs mounts")
        assert sentence in done.stdout, done


def test_an_engine_that_runs_is_named(home: Home) -> None:
    home.write(TASK)
    process = home.start()
    done = minisched("doctor", home=home.path)
    assert f"an engine runs here (pid {process.pid})" in done.stdout
    assert home.stop() == 0


def test_nothing_is_changed(home: Home, cli: Cli) -> None:
    home.write(TASK)
    before = sorted(os.listdir(home.path))
    cli("doctor")
    assert sorted(os.listdir(home.path)) == before


def test_a_damaged_history_is_a_finding_among_others(home: Home, cli: Cli) -> None:
    home.write(TASK)
    (home.path / "var").mkdir(mode=0o700)
    (home.path / "var" / "minisched.db").write_bytes(b"no database" * 1000)
    done = cli("doctor", "--json")
    found = [one["code"] for one in done.json if one["level"] == "problem"]
    assert len(found) == 1 and found[0].startswith("engine.db.")
    assert "doctor.config" in {one["code"] for one in done.json}


def test_a_folder_without_a_config_is_told_to_init(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty home").mkdir()
    done = cli("--home", str(tmp_path / "empty home"), "doctor", "--json")
    (help_text,) = [one["help"] for one in done.json if one["level"] == "problem"]
    assert help_text.endswith(f"--home '{tmp_path}/empty home' init`")
