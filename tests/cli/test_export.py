"""`export`: files, report, exit codes; nothing is half written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.cli import Cli
from support.programs import Home

NIGHTLY = {"task_id": "nightly", "task_exec": "tasks/x.sh", "task_schedule": "30 2 * * *"}
BY_HAND = {"task_id": "by_hand", "task_exec": "true"}


def test_one_file_goes_to_standard_output_and_the_report_beside_it(home: Home, cli: Cli) -> None:
    home.write(NIGHTLY, BY_HAND, timezone="Europe/Berlin")
    done = cli("export", "--to", "kubernetes", "--image", "i:1")
    (job,) = json.loads(done.stdout)["items"]
    assert job["spec"]["schedule"] == "30 2 * * *"
    assert done.returncode == 1  # a task was left out
    assert "left out: it has no schedule and no dependency" in done.stderr
    assert "2027-10-31: here no start; there 02:30:00+01:00" in done.stderr
    assert "1 task exported, 1 left out" in done.stderr


def test_folders_are_written_whole(home: Home, cli: Cli, tmp_path: Path) -> None:
    home.write(NIGHTLY)
    out = tmp_path / "units"
    assert cli("export", "--to", "systemd", "--out", str(out)).returncode == 0
    assert sorted(os.listdir(out)) == [f"minisched-nightly{end}" for end in ("-due.service", ".service", ".timer")]
    service = (out / "minisched-nightly.service").read_text()
    assert f"WorkingDirectory={home.path}\n" in service
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    again = cli("export", "--to", "systemd", "--out", str(out))
    assert (again.returncode, "is not empty" in again.stderr) == (1, True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(os.listdir(tmp_path)) == ["home", "units"]  # no temporary folder is left


def test_a_folder_that_cannot_be_written_gets_nothing(home: Home, cli: Cli, tmp_path: Path) -> None:
    home.write(NIGHTLY)
    done = cli("export", "--to", "systemd", "--out", str(tmp_path / "missing" / "units"))
    assert done.returncode == 1 and "No such file or directory" in done.stderr
    (tmp_path / "file").write_text("kept")
    done = cli("export", "--to", "systemd", "--out", str(tmp_path / "file"))
    assert done.returncode == 1 and (tmp_path / "file").read_text() == "kept"
    assert sorted(os.listdir(tmp_path)) == ["file", "home"]


def test_a_file_is_replaced_at_once(home: Home, cli: Cli, tmp_path: Path) -> None:
    home.write(NIGHTLY)
    out = tmp_path / "crontab"
    out.write_text("old")
    assert cli("export", "--to", "crontab", "--cron", "cronie", "--out", str(out)).returncode == 0
    assert "30 2 * * * cd " in out.read_text()


def test_the_report_can_be_a_file_or_json(home: Home, cli: Cli, tmp_path: Path) -> None:
    home.write(NIGHTLY)
    done = cli("export", "--to", "crontab", "--cron", "cronie", "--report", str(tmp_path / "report"))
    assert done.stderr == "" and "task_misfire" in (tmp_path / "report").read_text()
    found = cli("export", "--to", "systemd", "--json").json
    assert sorted(found["files"]) == [f"minisched-nightly{end}" for end in ("-due.service", ".service", ".timer")]
    assert found["tasks"][0]["fields"]["task_misfire_grace"]["kind"] == "lost"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("systemd",), "needs --out DIR"),
        (("kubernetes",), "needs --image"),
        (("nomad",), "invalid choice"),
    ],
)
def test_what_is_missing_is_named(home: Home, cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    home.write(NIGHTLY)
    done = cli("export", "--to", *arguments)
    assert (done.returncode, message in done.stderr) == (2, True)


def test_an_invalid_config_is_not_exported(home: Home, cli: Cli) -> None:
    home.write({"task_id": "a"})
    done = cli("export", "--to", "crontab")
    assert (done.returncode, done.stdout) == (1, "")
