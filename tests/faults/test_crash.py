"""A real engine that is killed, stopped or terminated; and `exec` beside it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from minisched.catalogue import detail_text
from support.process import linux, root
from support.programs import Home, alive, environment, eventually, in_time
from support.store import ask

TICK = {"task_id": "tick", "task_exec": "true", "task_schedule": "@every 1s"}


def seconds(row: dict[str, Any], name: str = "scheduled_time") -> int:
    return int(datetime.fromisoformat(row[name]).timestamp())


def due_times(rows: list[dict[str, Any]]) -> list[int]:
    """The due times of the rows, those of a missed span included, (of a schedule of each second)."""
    dues: list[int] = []
    for row in rows:
        last = seconds(row)
        dues += range(seconds(row, "missed_since") if row["missed_since"] else last, last + 1)
        assert row["missed_count"] == (last - seconds(row, "missed_since") + 1 if row["missed_since"] else 0) or (
            row["missed_count"] == 1 and row["status"] == "missed"
        )
    return dues


def assert_each_second_once(rows: list[dict[str, Any]]) -> None:
    dues = sorted(due_times([row for row in rows if row["trigger"] != "manual"]))
    assert dues == list(range(dues[0], dues[-1] + 1))


def pids_in(folder: Path) -> dict[str, int]:
    """The pids that tasks wrote into files of `folder`, by the name of the file."""
    return {path.name: int(path.read_text()) for path in folder.glob("*.pid") if path.read_text().strip()}


@linux
def test_a_killed_engine_loses_and_repeats_no_run_and_leaves_no_process(home: Home) -> None:
    note = f'echo "$MINISCHED_TASK_ID $MINISCHED_RUN_ID $MINISCHED_ATTEMPT" >> {home.path}/started;'
    pid = f"echo $$ > {home.path}/$MINISCHED_TASK_ID.$MINISCHED_ATTEMPT.pid;"
    home.write(
        {**TICK, "task_exec": f"{note} sleep 0.3"},
        {
            "task_id": "once",
            "task_exec": f"{note}{pid} trap '' TERM; while :; do sleep 1; done",
            "task_schedule": "@every 1s",
            "task_retry": {"max_attempts": 2, "delay": 0, "jitter": 0},
            "task_kill_grace": 0.2,
        },
        {
            "task_id": "daemon",  # a part of it leaves its group
            "task_exec": f"{note}{pid} setsid sh -c 'echo $$ > {home.path}/stray.pid; exec sleep 300' & sleep 300",
            "task_schedule": "@every 1s",
            "task_retry": {"max_attempts": 9, "delay": 0, "jitter": 0},
        },
        shutdown_grace=0,
    )
    old: dict[str, int] = {}
    for turn in range(1, 4):
        home.start()
        # The process is there before its pid is in the row: the kill may come in between.
        eventually(lambda turn=turn: (home.path / f"daemon.{turn}.pid").exists(), f"start {turn}")  # type: ignore[misc]
        assert not [name for name, pid in old.items() if alive(pid)]
        eventually(lambda: "stray.pid" in pids_in(home.path), "the stray")
        home.kill()
        old.update({f"{name} {turn}": pid for name, pid in pids_in(home.path).items()})
        (home.path / "stray.pid").unlink()
        time.sleep(0.6)  # so that due times pass while no engine runs
    home.start()
    eventually(lambda: not any(map(alive, old.values())), "no old process lives", within=5)
    eventually(lambda: [row for row in home.rows("once") if row["status"] == "technical_failure"], within=5)
    assert home.stop() == 0
    once = home.rows("once")[0]
    assert (once["status"], once["reason"]) == ("technical_failure", "interrupted")
    assert [attempt["reason"] for attempt in once["attempts"]] == ["interrupted", "interrupted"]
    assert [attempt["status"] for attempt in once["attempts"]] == ["technical_failure", "technical_failure"]
    assert "left over were killed" in detail_text(once["attempts"][0]["detail"])
    daemon = home.rows("daemon")[0]
    assert [attempt["reason"] for attempt in daemon["attempts"]][:3] == ["interrupted"] * 3
    for task_id in ("tick", "once", "daemon"):
        assert_each_second_once(home.rows(task_id))
    assert not [row for row in home.rows() if not row["end_time"] and row["status"] != "retrying"]
    # Each attempt that any process saw is one in the history, and no attempt was started twice.
    started_ = (home.path / "started").read_text().split("\n")[:-1]
    assert len(started_) == len(set(started_))
    known = {f"{row['task_id']} {row['run_id']} {one['attempt']}" for row in home.rows() for one in row["attempts"]}
    assert set(started_) <= known


def test_on_term_runs_get_the_shutdown_grace_and_are_then_cancelled(home: Home) -> None:
    home.write(
        {"task_id": "short", "task_exec": "sleep 1.2; echo done", "task_schedule": "@every 1s"},
        {"task_id": "long", "task_exec": "sleep 60", "task_schedule": "@every 1s"},
        {
            "task_id": "deaf",
            "task_exec": "trap '' TERM; sleep 60",
            "task_schedule": "@every 1s",
            "task_kill_grace": 0.3,
        },
        shutdown_grace=2,
    )
    home.start()
    eventually(lambda: len([row for row in home.rows() if row["attempts"] and row["attempts"][0]["pid"]]) == 3)
    pids = [row["attempts"][0]["pid"] for row in home.rows() if row["attempts"]]
    before = time.monotonic()
    assert home.stop() == 0
    assert in_time(time.monotonic() - before, 4.5)  # the grace and the kill's grace
    first = {row["task_id"]: row for row in reversed(home.rows()) if row["attempts"]}
    assert first["short"]["status"] == "success"
    for name in ("long", "deaf"):
        assert (first[name]["status"], first[name]["reason"]) == ("cancelled", "shutdown")
    assert first["long"]["attempts"][0]["signal"] == signal.SIGTERM
    assert first["deaf"]["attempts"][0]["signal"] == signal.SIGKILL
    assert not any(map(alive, pids))
    assert [row for row in home.rows() if not row["end_time"]] == []
    assert "engine stopped" in home.engine_log()


def test_a_second_term_kills_at_once(home: Home) -> None:
    home.write({"task_id": "deaf", "task_exec": "trap '' TERM; sleep 60", "task_schedule": "@every 1s"})
    process = home.start()
    eventually(lambda: [row for row in home.rows() if row["attempts"] and row["attempts"][0]["pid"]])
    process.terminate()
    eventually(lambda: "stopping: 1 run gets 30 s to end" in home.engine_log(), within=5)
    before = time.monotonic()
    assert home.stop() == 0
    assert in_time(time.monotonic() - before, 3)
    (row,) = [row for row in home.rows() if row["attempts"]]
    assert (row["status"], row["reason"], row["attempts"][0]["signal"]) == ("cancelled", "shutdown", signal.SIGKILL)


@linux
@root
def test_an_engine_that_is_pid_1_reaps_the_orphans_of_its_tasks(home: Home) -> None:
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    # Each orphan outlives its parent and ends a moment later: then only PID 1 can reap it.
    home.write(
        {
            "task_id": "orphans",
            "task_exec": "for i in 1 2 3 4 5; do (sleep 0.2 &); done; exit 7",
            "task_schedule": "@every 1s",
        }
    )
    process = home.start("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", wait=False)
    eventually(lambda: "engine started: pid 1," in home.engine_log() or process.poll() is not None)
    if process.poll() is not None:
        pytest.skip("unshare is not allowed here")
    engine = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())

    def zombies() -> set[int]:
        children = Path(f"/proc/{engine}/task/{engine}/children").read_text().split()
        return {int(pid) for pid in children if not alive(int(pid))}

    seen = eventually(zombies, "there are zombies for a moment")
    eventually(lambda: not seen & zombies(), "those are reaped", within=2)
    assert {row["exit_code"] for row in home.ended("orphans")} == {7}
    os.kill(engine, signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert "engine stopped" in home.engine_log()


@linux
@root
@pytest.mark.parametrize("inside", ["engine", "exec"])
def test_a_run_of_exec_in_another_pid_namespace_than_the_engines_is_left_alone(home: Home, inside: str) -> None:
    container = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    if not shutil.which("unshare") or subprocess.run([*container, "true"], check=False).returncode != 0:
        pytest.skip("needs unshare")
    home.write({"task_id": "a", "task_exec": "touch begun; sleep 1.5; echo done"})
    home.start(*(container if inside == "engine" else ()))
    command = [sys.executable, "-m", "minisched", "--home", str(home.path), "exec", "a"]
    done = subprocess.run(
        command if inside == "engine" else [*container, *command],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    (row,) = home.rows()
    assert (row["status"], row["exit_code"], row["attempt"]) == ("success", 0, 1)
    assert ask(home.path / "var/minisched.db", "SELECT end_count FROM task_state") == [(1,)]


def test_due_times_during_a_sigstop_all_get_a_row(home: Home) -> None:
    home.write(
        {**TICK, "task_misfire_grace": 1},
        {**TICK, "task_id": "all", "task_misfire": "all", "task_overlap": "queue"},
    )
    process = home.start()
    eventually(lambda: len(home.ended("tick")) >= 1)
    process.send_signal(signal.SIGSTOP)
    asleep_at = time.time()
    time.sleep(2.4)
    process.send_signal(signal.SIGCONT)
    awake_at = time.time()
    eventually(lambda: [row for row in home.ended("tick") if seconds(row) > awake_at], within=3)
    eventually(lambda: [row for row in home.ended("all") if seconds(row) > awake_at], within=5)
    assert home.stop() == 0
    for task_id in ("tick", "all"):
        assert_each_second_once(home.rows(task_id))
    late = [row for row in home.rows("tick") if row["status"] == "missed"]
    assert {row["reason"] for row in late} == {"late"}
    assert asleep_at - 1 < seconds(late[0]) < awake_at
    assert not [row for row in home.rows("all") if row["status"] == "missed"]


def test_a_process_that_ends_while_the_engine_is_stopped_has_not_timed_out(home: Home) -> None:
    home.write(
        {
            "task_id": "a",
            "task_exec": "echo $$ >pid; sleep 0.3; exit 3",
            "task_schedule": "@reboot",
            "task_timeout": "3s",
        }
    )
    process = home.start()
    file = home.path / "pid"
    pid = int(eventually(lambda: file.exists() and file.read_text()))
    process.send_signal(signal.SIGSTOP)
    stopped_at = time.monotonic()
    eventually(lambda: not alive(pid) and time.monotonic() > stopped_at + 3.2)
    process.send_signal(signal.SIGCONT)
    (row,) = eventually(lambda: home.ended("a"))
    assert (row["status"], row["reason"], row["exit_code"]) == ("technical_failure", "exit_code", 3)


def executing(home: Home, task_id: str) -> subprocess.Popen[str]:
    """`minisched exec`, once its run is in the history with its pid."""
    words = [sys.executable, "-m", "minisched", "--home", str(home.path), "exec", task_id]
    process = subprocess.Popen(
        words,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    eventually(lambda: [row for row in home.rows(task_id) if row["attempts"] and row["attempts"][0]["pid"]], "exec")
    return process


@linux
def test_exec_beside_the_engine_counts_as_overlap_and_its_death_is_noticed(home: Home) -> None:
    home.write(
        {"task_id": "work", "task_exec": f"echo $$ > {home.path}/work.pid; exec sleep 60"},
        {"task_id": "first", "task_exec": "true"},
        {"task_id": "then", "task_exec": "true", "task_dependencies": ["first"]},
        {"task_id": "lost", "task_exec": "true", "task_dependencies": ["work"]},
    )
    by_hand = executing(home, "work")
    try:
        home.start()
        # The same task becomes due beside it.
        document = json.loads(home.config.read_text())
        document["tasks"][0]["task_schedule"] = "@every 1s"
        home.write(*document["tasks"])
        assert home.process is not None
        home.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(home.rows("work")) >= 3, "due times beside the exec", within=8)
        hand, *others = home.rows("work")
        assert (hand["trigger"], hand["status"]) == ("manual", "running")
        assert {(row["status"], row["reason"]) for row in others} == {("skipped", "overlap")}
        assert f"run {hand['run_id']} is running by `exec`" in detail_text(others[0]["detail"])
        # A second exec finds no free slot.
        refused = home.run("exec", "work")
        assert (refused.returncode, f"run {hand['run_id']} is active" in refused.stderr) == (1, True)
        # What exec brings to success starts what waits for it.
        assert home.run("exec", "first").returncode == 0
        (then,) = eventually(lambda: home.ended("then"), "the dependent", within=5)
        assert (then["status"], then["trigger"]) == ("success", "dependency")
        # Killed: the engine ends its run, its process, and takes the task over.
        pid = int((home.path / "work.pid").read_text())
        by_hand.kill()
        by_hand.wait()
        assert alive(pid)
        eventually(lambda: home.rows("work")[0]["end_time"], "the run of the killed exec ends", within=5)
        hand = home.rows("work")[0]
        assert (hand["status"], hand["reason"]) == ("technical_failure", "interrupted")
        assert not alive(pid)
        eventually(
            lambda: [row for row in home.rows("work") if row["status"] == "running"], "the next one runs", within=5
        )
        (lost,) = eventually(lambda: home.ended("lost"), "the dependent of the killed one", within=5)
        assert (lost["status"], lost["reason"]) == ("skipped", "upstream_failed")
    finally:
        by_hand.kill()
        by_hand.wait()
