"""`import-crontab`: what is printed, what is written, and what a person reads."""

from __future__ import annotations

import getpass
import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from minisched.config import load_config
from support.cli import Cli
from support.programs import Home

CRONTAB = """\
# Nightly backup
30 2 * * * cd /srv && flock -n /tmp/lock ./backup.sh >> /var/log/backup.log 2>&1
0 30 * * * /srv/never.sh
"""


@pytest.fixture
def crontab(tmp_path: Path) -> Path:
    path = tmp_path / "crontab.txt"
    path.write_text(CRONTAB)
    return path


def test_the_tasks_are_a_config_and_the_report_names_each_line(home: Home, cli: Cli, crontab: Path) -> None:
    done = cli("import-crontab", str(crontab))
    assert done.returncode == 1  # a job was left out
    (task,) = json.loads(done.stdout)["tasks"]
    assert (task["task_id"], task["task_exec"], task["task_overlap"]) == ("backup", "./backup.sh", "skip")
    report = done.stderr.splitlines()
    assert "line 2 -> backup" in report and "line 3 -> no task" in report
    assert "2 jobs: 1 task, 1 of them better than a copy; 0 with a warning; 1 left out; 0 commented out" in done.stderr
    assert "The crontab still runs these jobs" in done.stderr and "exit with 1" in done.stderr
    assert not home.config.exists()


def test_the_report_fits_the_terminal(home: Home, cli: Cli, crontab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, cli("import-crontab", str(crontab)).stderr.splitlines())) <= 60


def test_json_has_the_same(home: Home, cli: Cli, crontab: Path) -> None:
    done = cli("import-crontab", str(crontab), "--json")
    found = done.json
    assert [line["kind"] for line in found["lines"]] == ["better", "left_out"]
    assert found["lines"][1]["notes"][0]["message"].startswith("its schedule is not valid: hour:")
    assert (found["jobs"], found["better"], found["left"]) == (2, 1, 1)
    assert done.stderr == ""


def test_write_adds_the_tasks_disabled_and_once(home: Home, cli: Cli, crontab: Path) -> None:
    home.write({"task_id": "backup", "task_exec": "other"})
    done = cli("import-crontab", str(crontab), "--write")
    assert done.stdout == "" and "1 task added" in done.stderr
    tasks = load_config(str(home.config)).tasks
    assert (list(tasks), tasks["backup_2"].enabled) == (["backup", "backup_2"], False)
    before = home.config.read_bytes()
    assert "nothing to add" in cli("import-crontab", str(crontab), "--write").stderr
    assert home.config.read_bytes() == before


def test_write_makes_a_config_where_there_is_none(cli: Cli, home: Home, crontab: Path) -> None:
    cli("import-crontab", str(crontab), "--write", "--enable")
    assert load_config(str(home.config)).tasks["backup"].enabled


def test_a_config_with_a_problem_is_not_touched(home: Home, cli: Cli, crontab: Path) -> None:
    home.config.write_text("{")
    done = cli("import-crontab", str(crontab), "--write")
    assert done.returncode == 1 and "tasks/config.json" in done.stderr
    assert home.config.read_text() == "{"


def test_a_tasks_user_is_that_of_a_system_crontab(home: Home, cli: Cli, tmp_path: Path) -> None:
    other = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_name != getpass.getuser())
    path = tmp_path / "system"
    path.write_text(
        f"0 0 * * * {other} x.sh\n0 0 * * * {getpass.getuser()} y.sh\n0 0 * * * root run-parts /etc/cron.daily\n"
    )
    done = cli("import-crontab", str(path), "--system")
    assert done.returncode == 0  # jobs of the system are left out on purpose
    assert [task.get("task_user") for task in json.loads(done.stdout)["tasks"]] == [other, None]


def test_without_a_file_the_users_crontab_is_read(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "crontab"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = -l ] && cat <<'EOF'\n{CRONTAB}EOF\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert [task["task_id"] for task in json.loads(cli("import-crontab").stdout)["tasks"]] == ["backup"]
    program.write_text("#!/bin/sh\necho no crontab for ann >&2; exit 1\n")
    done = cli("import-crontab")
    assert (done.returncode, "no crontab for ann" in done.stderr) == (1, True)


@pytest.mark.parametrize("content", ["", "# only comments\nA=1\n"])
def test_a_file_without_a_job_says_so(home: Home, cli: Cli, tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty"
    path.write_text(content)
    done = cli("import-crontab", str(path))
    assert (done.returncode, "no job found" in done.stderr) == (1, True)


@pytest.mark.skipif(not shutil.which("crontab"), reason="needs crontab")
def test_cron_takes_the_schedules_that_are_taken(tmp_path: Path, home: Home, cli: Cli, crontab: Path) -> None:
    (task,) = json.loads(cli("import-crontab", str(crontab)).stdout)["tasks"]
    path = tmp_path / "new"
    path.write_text(f"{task['task_schedule']} true\n")
    assert subprocess.run(["crontab", "-n", str(path)], check=False).returncode == 0
