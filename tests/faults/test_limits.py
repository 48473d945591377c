"""A real engine that gets no more descriptors or processes from the system."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from minisched.catalogue import detail_text
from minisched.store.reader import History
from support.process import linux, root
from support.programs import Home, alive, eventually, open_to_others

resource = pytest.importorskip("resource")

TICK = {"task_id": "tick", "task_exec": "true", "task_schedule": "@every 1s"}


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spawn_failures(home: Home) -> list[dict[str, Any]]:
    return [row for row in home.ended("tick") if (row["status"], row["reason"]) == ("technical_failure", "spawn")]


def successes_after(home: Home, run_id: int) -> list[dict[str, Any]]:
    return [row for row in home.ended("tick") if row["status"] == "success" and row["run_id"] > run_id]


@linux
def test_without_file_descriptors_runs_fail_to_spawn_and_work_again_afterwards(home: Home) -> None:
    if not hasattr(resource, "prlimit"):
        pytest.skip("needs prlimit")
    home.write(TICK)
    process = home.start()
    eventually(lambda: home.ended("tick"))
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    try:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, hard))
        used = cpu_s(process.pid)
        eventually(lambda: len(spawn_failures(home)) >= 2, "due times that find no descriptor", within=10)
        assert cpu_s(process.pid) - used < 0.4  # of more than a second
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    failed = spawn_failures(home)
    assert "Too many open files" in detail_text(failed[0]["detail"])
    assert alive(process.pid)
    eventually(lambda: successes_after(home, failed[-1]["run_id"]), "it works again by itself", within=5)
    assert home.stop() == 0


@linux
def test_without_file_descriptors_notifications_are_still_written(home: Home) -> None:
    """Even if there was no message before: no module can be imported any more."""
    if not hasattr(resource, "prlimit"):
        pytest.skip("needs prlimit")
    rule = {"name": "ops", "triggers": ["technical_failure"], "channels": [{"type": "file", "path": "sent.jsonl"}]}
    home.write({**TICK, "task_notify": [rule]})
    process = home.start()
    eventually(lambda: home.ended("tick"))
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    try:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, hard))
        eventually(lambda: len(spawn_failures(home)) >= 2, "due times that find no descriptor", within=10)
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    failed = [str(row["run_id"]) for row in spawn_failures(home)]
    eventually(lambda: successes_after(home, int(failed[-1])), "it works again by itself", within=5)
    history = History(str(home.path / "var" / "minisched.db"))
    try:
        deliveries, _ = history.deliveries(page_size=100)
    finally:
        history.close()
    told_of = [one.variables["execution_id"] for one in deliveries]
    assert told_of[::-1] == [str(row["run_id"]) for row in spawn_failures(home)] and set(failed) <= set(told_of)
    assert home.stop() == 0


@linux
@root
def test_without_processes_runs_fail_to_spawn_and_work_again_afterwards(home: Home, tmp_path: Path) -> None:
    # Root is exempt from this limit. The modules are imported before root is given up: that user may not be
    # able to read the interpreter's folder. The limit is that of the engine while the file `none` exists.
    none = tmp_path / "none"
    code = f"""if True:
        import importlib, os, pkgutil, resource, shlex, sys, threading, time
        import minisched
        from minisched.cli.main import main
        for module in pkgutil.walk_packages(minisched.__path__, "minisched."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)

        def watch():
            while True:
                limit = 1 if os.path.exists({str(none)!r}) else soft
                resource.setrlimit(resource.RLIMIT_NPROC, (limit, hard))
                time.sleep(0.05)

        threading.Thread(target=watch, daemon=True).start()
        sys.exit(main(sys.argv[4:]))"""
    open_to_others(tmp_path)
    home.write(TICK)
    for path in (home.path, home.path / "tasks", home.config):
        shutil.chown(path, 65534, 65534)
    process = home.start(sys.executable, "-c", code)
    assert process.poll() is None, process.communicate()
    eventually(lambda: [row for row in home.ended("tick") if row["status"] == "success"])
    none.touch()
    failed = eventually(lambda: spawn_failures(home), "a due time that finds no process", within=5)
    assert detail_text(failed[0]["detail"]).startswith(
        ("no thread for it:", "/bin/sh: Resource temporarily unavailable")
    )
    none.unlink()
    eventually(lambda: successes_after(home, failed[-1]["run_id"]), "it works again by itself", within=5)
    assert alive(process.pid)
    assert home.stop() == 0
