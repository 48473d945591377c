"""The machine's time zone under a real engine, on a machine with an /etc of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.programs import Home, environment, eventually

ZONES = Path("/usr/share/zoneinfo")
NIGHTLY = {"task_id": "nightly", "task_exec": "true", "task_schedule": "30 2 * * *"}


class Machine:
    """Programs that see another /etc, whose files of the time zone can be changed while they run."""

    def __init__(self, folder: Path) -> None:
        self.etc = folder / "etc"
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
            pytest.skip("needs root and a mount namespace")
        shutil.copytree("/etc", self.etc, symlinks=True, ignore=lambda path, names: {"timezone", "localtime", "ssl"})
        mount = 'mount --make-rprivate / && mount --bind "$0" /etc && exec "$@"'
        self.wrapper = ("unshare", "-m", "sh", "-c", mount, str(self.etc))

    def run(self, *words: str, **env: str) -> str:
        surroundings = environment(**env)
        surroundings.pop("TZ", None) if "TZ" not in env else None
        done = subprocess.run([*self.wrapper, *words], capture_output=True, text=True, env=surroundings, timeout=60)
        assert done.returncode == 0, done
        return done.stdout

    def minisched(self, home: Home, *arguments: str, **env: str) -> Any:
        return json.loads(self.run(sys.executable, "-m", "minisched", "--home", str(home.path), *arguments, **env))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.delenv("TZ", raising=False)
    return Machine(tmp_path)


def test_a_copied_localtime_is_the_zone_and_a_change_takes_effect(home: Home, machine: Machine) -> None:
    shutil.copy(ZONES / "Asia/Shanghai", machine.etc / "localtime")
    home.write(NIGHTLY, timezone=None)
    assert machine.run("date", "+%z") == "+0800\n"
    (due,) = machine.minisched(home, "next", "--expr", "30 2 * * *", "-n", "1", "--json")
    assert due.endswith("02:30:00+08:00")
    process = home.start(*machine.wrapper)
    assert process.stdout is not None
    assert process.stdout.readline().endswith("time zone /etc/localtime (CST-8)\n")
    assert "time zone: /etc/localtime (CST-8)" in home.engine_log()
    found = machine.minisched(home, "status", "--json")
    assert (found["timezone"], found["timezone_source"], found["problems"]) == (
        "/etc/localtime (CST-8)",
        "/etc/localtime",
        [],
    )
    # Other rules, in a file of the same name, then a link, as `timedatectl` makes it.
    shutil.copy(ZONES / "America/New_York", machine.etc / "new")
    (machine.etc / "new").replace(machine.etc / "localtime")
    eventually(lambda: "time zone: /etc/localtime (EST5EDT,M3.2.0,M11.1.0)" in home.engine_log(), within=6)
    (machine.etc / "new").symlink_to(ZONES / "Europe/Berlin")
    (machine.etc / "new").replace(machine.etc / "localtime")
    eventually(lambda: "time zone: Europe/Berlin (/etc/localtime)" in home.engine_log(), within=6)
    assert home.stop() == 0


def test_a_machine_without_a_zone_has_a_problem_until_the_config_names_one(home: Home, machine: Machine) -> None:
    home.write(NIGHTLY, timezone=None)
    home.start(*machine.wrapper)
    (problem,) = machine.minisched(home, "status", "--json")["problems"]
    assert "so UTC is used" in problem
    eventually(lambda: "timezone: the time zone of this machine is unknown" in home.engine_log())
    home.write(NIGHTLY, timezone="Asia/Shanghai")
    eventually(lambda: "resolved after" in home.engine_log(), within=6)
    assert home.stop() == 0


def test_a_tz_with_an_unknown_name_is_a_problem(home: Home, machine: Machine) -> None:
    (machine.etc / "localtime").symlink_to(ZONES / "Asia/Shanghai")
    home.write(NIGHTLY, timezone=None)
    found = machine.minisched(home, "status", "--json", TZ="Asia/Beijing")
    assert found["timezone"] == "Asia/Shanghai"
    assert found["problems"][0].startswith('TZ is "Asia/Beijing", which is not the name of a known time zone')
