"""The home of a real engine: a second engine, a config that becomes invalid, files that everyone can write."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.programs import Home, environment, eventually

TICK = {"task_id": "tick", "task_exec": "true", "task_schedule": "@every 1s"}
GOOD = json.dumps({"version": 1, "tasks": [{"task_id": "fixed", "task_exec": "true"}]})


@pytest.fixture
def second(home: Home) -> Home:
    """Another engine on the same home."""
    return Home(home.path)


def refused(second: Home) -> tuple[int, str, float]:
    """Exit code, standard error and seconds of an engine that must not start."""
    before = time.monotonic()
    process = second.start(wait=False)
    _, text = process.communicate(timeout=20)
    return process.returncode, text, time.monotonic() - before


def test_a_second_engine_on_a_home_ends_with_75_and_the_pid_of_the_first(home: Home, second: Home) -> None:
    home.write(TICK)
    first = home.start()
    lock = home.path / "var" / "lock"
    code, text, took = refused(second)
    assert code == 75
    assert f"pid {first.pid}" in text
    assert len(text.splitlines()) == 1
    assert took < 3  # 1 s on an idle machine
    assert home.engine_log().count("engine started") == 1
    # Somebody removes the lock file: the home stays locked, and the file comes back.
    lock.unlink()
    assert refused(second)[0] == 75
    eventually(lambda: lock.exists() and str(first.pid) in lock.read_text(), "the lock file is put back", within=6)
    code, text, _ = refused(second)
    assert code == 75
    assert f"pid {first.pid}" in text
    assert json.loads(home.run("status", "--json").stdout)["engine"]["pid"] == first.pid
    owners = {row["attempts"][0]["pid"] for row in home.ended("tick")}
    assert None not in owners
    assert home.engine_log().count("engine started") == 1
    assert home.stop() == 0
    # The lock went with the engine.
    home.start()
    assert home.stop() == 0


def test_an_invalid_config_changes_nothing_until_it_is_fixed(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    try:
        for one in (home, other):
            one.write(TICK)
            one.start()
        # Half of it written in place, and removed: each is noticed by itself.
        home.config.write_text(home.config.read_text()[:-20])
        other.config.unlink()
        other.path.chmod(0o757)
        ran = len(home.ended("tick"))
        eventually(lambda: "config: tasks/config.json: line 1, column" in home.engine_log(), "the half file", within=8)
        eventually(lambda: "config: tasks/config.json: cannot be read: No such file" in other.engine_log(), within=8)
        # By SIGHUP it is looked at at once.
        home.config.write_text(
            '{"version": 1, "tasks": [{"task_id": "a", "task_exec": "true", "task_timeout": "5 min"}]}'
        )
        hangup(home)
        eventually(lambda: 'tasks[0] (a): task_timeout is "5 min"; expected a duration' in home.engine_log(), within=2)
        home.config.unlink()
        os.mkfifo(home.config, 0o600)
        hangup(home)
        eventually(lambda: "is not a regular file" in home.engine_log(), within=2)
        home.config.unlink()
        home.config.mkdir()
        hangup(home)
        eventually(lambda: "is not a regular file" in home.engine_log(), within=2)
        home.config.rmdir()
        # All the time the old config was in force.
        eventually(lambda: len(home.ended("tick")) > ran + 2, "tick continues", within=5)
        eventually(lambda: len(other.ended("tick")) > ran + 2, "tick continues", within=5)
        assert "the previous config stays in force" in home.engine_log()
        # A home that everyone can write changes nothing either, but is reported.
        assert f"is writable by everyone; fix it with: chmod o-w {other.path}" in other.engine_log()
        other.path.chmod(0o755)
        for one in (home, other):
            one.config.write_text(GOOD)
        for one in (home, other):
            eventually(lambda one=one: "config: reloaded" in one.engine_log(), "fixed", within=3.5)  # type: ignore[misc]
            assert one.engine_log().count("engine started") == 1
            assert one.stop() == 0
    finally:
        other.close()


def test_an_engine_with_a_full_standard_error_continues(home: Home) -> None:
    """The engine writes nothing there after its start: a full pipe would block the writing thread for ever."""
    code = """if True:
        import os, sys
        os.set_blocking(2, False)
        try:
            while True:
                os.write(2, b"x")
        except BlockingIOError:
            os.set_blocking(2, True)
        os.execv(sys.argv[1], sys.argv[1:])"""
    home.write(TICK)
    home.start(sys.executable, "-c", code)

    def break_config(number: int) -> None:
        home.config.write_text(f'{{"version": 1, "tasks": [{number}]}}')
        hangup(home)
        eventually(lambda: home.engine_log().count(f"tasks[0] is {number}; expected") == 1, within=5)
        ran = len(home.ended("tick"))
        eventually(lambda: len(home.ended("tick")) > ran, "tick continues", within=5)

    for number in range(4):
        break_config(number)
    assert home.stop() == 0


def hangup(home: Home) -> None:
    assert home.process is not None
    os.kill(home.process.pid, signal.SIGHUP)


def test_an_invalid_config_at_the_start_ends_with_78_and_all_its_problems(home: Home) -> None:
    home.config.write_text(
        '{"version": 1, "settings": {"max_runing": 3}, "tasks": [{"task_id": "a", "task_exec": 7},'
        ' {"task_id": "b", "task_exec": "true", "task_schedule": "61 * * * *", "task_dependencies": ["c"]}]}'
    )
    code, text, _ = refused(home)
    assert code == 78
    for part in ('"max_runing"; did you mean "max_running"?', "tasks[0] (a): task_exec", "tasks[1] (b)", "61", '"c"'):
        assert part in text
    assert not (home.path / "var").exists()
    home.config.unlink()
    os.mkfifo(home.config)
    code, text, _ = refused(home)
    assert (code, "is not a regular file" in text) == (78, True)


def test_an_unusable_home_is_reported(home: Home) -> None:
    home.write(TICK)
    (home.path / "var").write_text("")
    code, text, _ = refused(home)
    assert code == 74
    assert text == f"minisched: the home {home.path} cannot be used: {home.path}/var: Not a directory\n"


@pytest.mark.parametrize("output", [">/dev/full", "2>&1 | true", ">&- 2>&- <&-"])
def test_an_engine_runs_without_a_usable_standard_output(home: Home, output: str) -> None:
    home.write(TICK)
    command = f"exec {sys.executable} -m minisched --home {home.path} run"
    shell = ["bash", "-o", "pipefail", "-c", f"({command}) {output}"]
    with subprocess.Popen(shell, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: home.ended("tick") or process.poll() is not None, "a task runs")
        assert process.poll() is None
        os.kill(home.json("status")["engine"]["pid"], signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize("number", [1, 2])
def test_a_start_waits_for_no_reader(home: Home, number: int) -> None:
    """A full pipe that nobody reads, as standard output or error."""
    home.write(TICK, http={"port": 0})
    read, write = os.pipe()
    try:
        os.set_blocking(write, False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(write, b"x")
        os.set_blocking(write, True)
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, ("stdout", "stderr")[number - 1]: write}
        command = [sys.executable, "-m", "minisched", "--home", str(home.path), "run"]
        with subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, **streams) as process:
            eventually(lambda: home.ended("tick") or process.poll() is not None, "a task runs")
            eventually(lambda: home.json("status")["engine"]["running"])
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    finally:
        os.close(read)
        os.close(write)


def test_an_interrupt_during_the_first_imports_ends_without_a_traceback() -> None:
    code = """if True:
        import runpy, sys

        class Interrupt:
            def find_spec(self, name, path=None, target=None):
                if name == "minisched.cli.main":
                    raise KeyboardInterrupt

        sys.meta_path.insert(0, Interrupt())
        runpy.run_module("minisched", run_name="__main__", alter_sys=True)"""
    command = [sys.executable, "-c", code, "list"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_after_an_older_history_was_restored_run_ids_continue_after_the_newest(home: Home) -> None:
    home.write(TICK)
    database = home.path / "var" / "minisched.db"
    for _ in range(2):
        home.start()
        rows = len(home.rows())
        eventually(lambda rows=rows: len(home.ended("tick")) > rows + 1)  # type: ignore[misc]
        assert home.stop() == 0
        copy = database.with_name("copy")
        if not copy.exists():
            shutil.copy(database, copy)
    newest = home.rows()[-1]["run_id"]
    shutil.copy(copy, database)
    restored = {row["run_id"] for row in home.rows()}
    home.start()
    fresh = eventually(lambda: {row["run_id"] for row in home.ended("tick")} - restored, "new runs")
    assert min(fresh) > newest
    assert home.stop() == 0


def test_files_that_everyone_can_write_are_refused_with_the_chmod_to_run(home: Home) -> None:
    home.write(TICK)
    home.config.chmod(0o646)
    home.path.chmod(0o757)
    code, text, _ = refused(home)
    assert code == 78
    for line, place in zip(text.splitlines(), (home.config, home.path)):
        assert line.endswith(f"fix it with: chmod o-w {place}")
    for line in text.splitlines():
        assert os.system(line.partition("fix it with: ")[2]) == 0
    home.start()
    assert home.stop() == 0
