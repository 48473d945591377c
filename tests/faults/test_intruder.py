"""Another user of the machine, who can change folders above a home, or files that were left open to him: nothing is run
for him, and he reads nothing. He is a real second user, so most of this needs root."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.intruder import NOBODY, Intruder
from support.process import linux, root
from support.programs import Home, eventually, open_to_others

TICK = {"task_id": "tick", "task_exec": "tasks/tick.sh", "task_schedule": "@every 1s"}
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@pytest.fixture
def above(tmp_path: Path) -> Path:
    """A folder of the test that other users can reach."""
    folder = tmp_path / "above"
    folder.mkdir()
    open_to_others(folder)
    return folder


@pytest.fixture
def home(above: Path) -> Iterator[Home]:
    home = Home(above / "jobs")
    script(home.path, "echo mine; id -u")
    home.write(TICK)
    yield home
    home.close()


def script(home: Path, text: str) -> None:
    (home / "tasks").mkdir(parents=True, exist_ok=True)
    file = home / "tasks" / "tick.sh"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def refused(home: Home) -> str:
    process = home.start(wait=False)
    _, text = process.communicate(timeout=20)
    assert process.returncode == 78, text
    home.process = None
    return str(text)


@root
@pytest.mark.parametrize("how", ["owner", "mode", "link"])
def test_a_home_below_a_folder_of_another_user_is_refused(above: Path, home: Home, how: str) -> None:
    if how == "owner":
        os.chown(above, NOBODY, NOBODY)
        words = f"{above}: belongs to user {NOBODY}, who could replace the folders in it"
    elif how == "mode":
        above.chmod(0o777)
        words = f"{above}: is writable by everyone, who could replace the folders in it; fix it with: chmod o-w {above}"
    else:  # in a folder like /tmp, a link of the other user to a home of ours
        above.chmod(0o1777)
        link = above / "link"
        subprocess.run([*AS_NOBODY, "ln", "-s", str(home.path), str(link)], check=True)
        home = Home(link)
        words = f"{link}: belongs to user {NOBODY}"
    assert words in refused(home)
    assert words in home.run("validate").stderr


def test_a_home_in_a_sticky_folder_is_fine(above: Path, home: Home) -> None:
    above.chmod(0o1777)
    home.start()
    eventually(lambda: home.ended("tick"))
    assert home.stop() == 0


@root
@linux
def test_nothing_is_run_once_another_user_can_replace_the_home(above: Path, home: Home) -> None:
    home.start()
    eventually(lambda: [row for row in home.ended("tick") if row["status"] == "success"])
    os.chown(above, NOBODY, NOBODY)
    (row, *_) = eventually(lambda: [row for row in home.ended("tick") if row["status"] == "technical_failure"])
    assert (row["reason"], row["detail"]["code"]) == ("spawn", "unsafe_home")
    assert "nothing is started while another user could change what is run" in home.engine_log()
    swap = f"cd {above} && mv jobs away && mkdir -p jobs/tasks && cp away/tasks/config.json jobs/tasks/"
    evil = f"{swap} && echo 'touch {above}/canary-ran' > jobs/tasks/tick.sh && chmod 755 jobs/tasks/tick.sh"
    subprocess.run([*AS_NOBODY, "sh", "-c", evil], check=True)
    time.sleep(2.5)  # for nothing to happen
    assert not (above / "canary-ran").exists()
    subprocess.run([*AS_NOBODY, "sh", "-c", f"cd {above} && rm -r jobs && mv away jobs"], check=True)
    os.chown(above, os.geteuid(), os.getegid())
    eventually(lambda: home.rows("tick")[-1]["status"] == "success", "it recovers")
    assert not (above / "canary-ran").exists()


@root
@linux
@pytest.mark.skipif(not shutil.which("python3"), reason="needs python3 for another user")
def test_a_config_that_changes_places_while_it_is_read_is_not_in_force(above: Path, home: Home) -> None:
    """He exchanges the home with his own, as fast as he can; no reading may take his config."""
    os.chown(above, NOBODY, NOBODY)
    evil = above / "evil"
    script(evil, f"touch {above}/canary-ran")
    (evil / "tasks" / "config.json").write_text(json.dumps({"version": 1, "tasks": [{**TICK, "task_id": "evil"}]}))
    for path in (evil, *evil.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    exchange = (
        "import ctypes, sys; libc = ctypes.CDLL(None, use_errno=True); a, b = (one.encode() for one in sys.argv[1:])\n"
        "while True: libc.renameat2(-100, a, -100, b, 2)"
    )
    process = subprocess.Popen([*AS_NOBODY, shutil.which("python3"), "-c", exchange, str(home.path), str(evil)])
    try:
        for _ in range(40):
            done = home.run("list", "--json")
            assert "evil" not in done.stdout, done.stdout
    finally:
        process.kill()
        process.wait()


# ------------------------------------------------------------------------------------------------------ var/ and logs/


@root
def test_what_was_left_open_in_the_home_is_closed_at_the_start(home: Home) -> None:
    home.start()
    eventually(lambda: home.ended("tick"))
    home.stop()
    var, logs = home.path / "var", home.path / "logs"
    left = [var / name for name in ("minisched.db", "lock", "reserve") if (var / name).exists()]
    for path, mode in ((var, 0o777), (logs, 0o777), *((path, 0o666) for path in left)):
        path.chmod(mode)
    home.start()
    eventually(lambda: home.rows("tick")[-1]["status"] == "success")
    assert modes(var, logs) == [0o700, 0o750]
    assert {path.name: mode for path, mode in zip(left, modes(*left)) if mode != 0o600} == {}
    assert set(modes(*var.iterdir())) == {0o600}  # also the side files of the database
    for path in var.iterdir():
        assert subprocess.run([*AS_NOBODY, "cat", str(path)], capture_output=True).returncode != 0


def modes(*paths: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in paths]


def test_a_folder_made_by_hand_before_the_first_start_is_closed(home: Home) -> None:
    """As for a token of one's own: with the usual umask the folder is open to all."""
    (home.path / "var").mkdir()
    (home.path / "var").chmod(0o755)
    before = os.umask(0o022)
    try:
        home.start()
    finally:
        os.umask(before)
    eventually(lambda: home.ended("tick"))
    assert modes(home.path / "var", home.path / "var" / "minisched.db") == [0o700, 0o600]


@root
@pytest.mark.parametrize("name", ["var", "logs", "var/lock", "var/minisched.db", "var/token"])
def test_what_another_user_put_into_the_home_is_refused(home: Home, name: str) -> None:
    (home.path / "var").mkdir(mode=0o700)
    (home.path / "logs").mkdir(mode=0o750)
    path = home.path / name
    if not path.exists():
        path.write_text("{}")
    os.chown(path, NOBODY, NOBODY)
    assert f"{path} belongs to user {NOBODY}" in refused(home)


@root
def test_a_link_to_a_folder_that_others_can_change_is_refused(home: Home, above: Path) -> None:
    place = above / "place"
    place.mkdir()
    place.chmod(0o777)
    (place / "var").mkdir(mode=0o700)
    (home.path / "var").symlink_to(place / "var")
    assert f"{place} is writable by everyone" in refused(home)


@root
@linux
def test_a_lock_of_another_user_leads_no_command_to_him(home: Home, tmp_path: Path) -> None:
    home.write(TICK, http={"port": 0})
    home.start()
    lock = home.path / "var" / "lock"
    text = eventually(lambda: json.loads(lock.read_text() or "{}").get("url") and json.loads(lock.read_text()))
    (home.path / "var").chmod(0o777)
    open_to_others(home.path)
    with Intruder("127.0.0.1", free_port(), tmp_path / "sent") as intruder:
        forged: dict[str, Any] = {**text, "url": f"http://127.0.0.1:{intruder.takes_it().port}"}
        code = f"cd {home.path}/var && rm -f lock && cat > lock"
        subprocess.run([*AS_NOBODY, "sh", "-c", code], input=json.dumps(forged), text=True, check=True)
        for command in ("reload", "status"):
            done = home.run(command)
            assert str(lock) in done.stderr + done.stdout
        assert intruder.requests() == []
    assert home.run("reload").returncode == 1


def free_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# ---------------------------------------------------------------------------------------------------------------- logs


@root
@linux
@pytest.mark.parametrize("how", ["link", "hard link", "writable", "folder"])
def test_the_user_of_a_task_does_not_decide_where_root_writes(home: Home, above: Path, how: str) -> None:
    """The log of a task is in a folder of the user it runs as; he puts something else there."""
    folder, victim = above / "his", above / "victim"
    folder.mkdir()
    victim.mkdir()
    (victim / "b.log").write_text("untouched")
    if how in ("link", "folder"):
        os.chown(folder, NOBODY, NOBODY)
    if how == "link":  # in the place of a folder below his
        subprocess.run([*AS_NOBODY, "ln", "-s", str(victim), str(folder / "sub")], check=True)
    elif how == "hard link":
        os.link(victim / "b.log", folder / "b.log")
    elif how == "writable":
        folder.chmod(0o777)
    log = folder / "sub" / "b.log" if how == "link" else folder / "b.log"
    home.write({"task_id": "b", "task_exec": "echo hello", "task_log": str(log)}, http={"port": 0})
    home.start()
    eventually(lambda: json.loads((home.path / "var" / "lock").read_text() or "{}").get("url"))
    done = home.run("trigger", "b", "--wait")
    assert done.stdout == "hello\n"
    why = "a hard link" if how == "hard link" else f"another user can change {folder}"
    assert f"could not be written to {log}" in done.stderr
    eventually(lambda: why in home.run("status").stdout)
    assert (victim / "b.log").read_text() == "untouched" and [path.name for path in victim.iterdir()] == ["b.log"]
    assert sorted(path.name for path in folder.iterdir()) == (
        ["sub"] if how == "link" else ["b.log"] if how == "hard link" else []
    )


def test_a_log_behind_links_of_our_own_is_written(home: Home, above: Path) -> None:
    place = above / "place"
    place.mkdir()
    (home.path / "logs").symlink_to(place)
    (place / "sub").symlink_to(above / "deep")
    (above / "deep").mkdir()
    home.write({"task_id": "b", "task_exec": "echo hello", "task_schedule": "@every 1s", "task_log": "sub/b.log"})
    home.start()
    eventually(lambda: home.ended("b"))
    eventually(lambda: "hello" in (above / "deep" / "b.log").read_text())
    assert "engine started" in (place / "minisched.log").read_text()


# ------------------------------------------------------------------------------------------------------------- scripts


def test_a_script_that_everyone_can_change_is_a_warning(home: Home) -> None:
    script = home.path / "tasks" / "tick.sh"
    assert "can change" not in home.run("validate").stderr
    script.chmod(0o777)
    warning = f"runs what every user of the machine can change; fix it with: chmod o-w {script}"
    assert warning in home.run("validate").stderr
    home.write({**TICK, "task_exec": [str(script)]})
    assert warning in home.run("validate").stderr
