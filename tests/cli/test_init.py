"""`init`, `validate`, `schema`: to create and check a home; and what an installed package needs for it."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.cli import Cli
from support.programs import ROOT, Home, environment, eventually, minisched

NAMES = ("config.json", "example_task_script.py", "example_task_script.sh")


def test_init_creates_a_home_that_is_valid_and_runs(home: Home, cli: Cli) -> None:
    shutil.rmtree(home.path)
    done = cli("init")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        *(f"created {home.path}/tasks/{name}" for name in NAMES),
        f"next: `minisched --home {home.path} validate`,",
        f"then `minisched --home {home.path} run`",
    ]
    assert [path.stat().st_mode & 0o111 != 0 for path in (home.path / "tasks" / name for name in NAMES)] == [
        False,
        True,
        True,
    ]
    assert cli("validate").returncode == 0
    engine = home.start()
    eventually(lambda: home.json("status")["engine"]["running"])
    engine.terminate()
    output, _ = engine.communicate(timeout=60)
    assert engine.returncode == 0
    what_next = "\nthese are two sample tasks; `python3 -m minisched help tutorial` replaces"
    assert what_next in output  # after lines of runs, and of a port that another engine has


def test_init_overwrites_no_file_symlink_or_folder(home: Home, cli: Cli) -> None:
    tasks = home.path / "tasks"
    home.config.write_text("mine")
    (tasks / NAMES[1]).symlink_to(home.path / "nowhere")
    (tasks / NAMES[2]).mkdir()
    done = cli("init")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"kept    {tasks / name}" for name in NAMES]
    assert home.config.read_text() == "mine" and not (home.path / "nowhere").exists()


def test_init_adds_what_is_missing(home: Home, cli: Cli) -> None:
    home.config.write_text("mine")
    lines = cli("init").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["kept", "created", "created", "next:", "then"]


def test_init_reports_why_it_cannot_create_a_home(tmp_path: Path, cli: Cli) -> None:
    cli.home = tmp_path / "file"
    cli.home.write_text("")
    done = cli("init")
    assert done.returncode == 1 and done.stderr == f"minisched: {cli.home}: File exists\n"
    cli.home = tmp_path / "home"
    cli.home.mkdir()
    (cli.home / "tasks").write_text("")
    assert cli("init").stderr == f"minisched: {cli.home}/tasks: File exists\n"


def test_init_creates_a_home_with_safe_modes_under_an_open_umask(tmp_path: Path) -> None:
    where = tmp_path / "a home"
    where.mkdir(0o755)
    script = f"umask 000; {sys.executable} -m minisched --home {shlex.quote(str(where))} init"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=environment(), check=True)
    assert f"--home '{where}' validate" in done.stdout
    assert minisched("validate", home=where).returncode == 0


def test_an_installed_package_contains_the_samples(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(ROOT / "minisched", site / "minisched", ignore=shutil.ignore_patterns("__pycache__"))
    (site / "minisched" / "sample").mkdir()
    for name in NAMES:
        shutil.copy(ROOT / "tasks" / name, site / "minisched" / "sample")
    env = {**environment(), "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "minisched", "--home", str(tmp_path / "home"), "init"]
    subprocess.run(command, check=True, env=env, cwd=tmp_path, stdout=subprocess.DEVNULL)
    for name in NAMES:
        assert (tmp_path / "home" / "tasks" / name).read_bytes() == (ROOT / "tasks" / name).read_bytes()


def test_the_installed_command_runs(tmp_path: Path) -> None:
    """As the script that pip writes for the entry point in setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    name, _, target = setup["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = target.partition(":")
    code = f"import sys; from {module} import {function}; sys.exit({function}())"
    done = subprocess.run(
        [sys.executable, "-c", code, "version"], capture_output=True, text=True, env=environment(), cwd=tmp_path
    )
    assert name == "minisched"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("minisched ")


def test_validate_prints_a_summary_with_the_next_due_times(
    home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    home.write(
        {"task_id": "a", "task_exec": "true", "task_schedule": "0 0 1 1 *"},
        {"task_id": "b", "task_exec": "true", "task_dependencies": ["a"]},
        {"task_id": "c", "task_exec": "true", "task_schedule": ["@daily", "@every 1h"], "enabled": False},
    )
    done = cli("validate")
    assert done.returncode == 0 and done.stdout.startswith(f"{home.config} is valid: 3 tasks\n")
    assert "-01-01 00:00  0 0 1 1 *" in done.stdout
    assert "after a" in done.stdout and "disabled  " in done.stdout and "@daily | @every 1h" in done.stdout
    listed = cli("validate", "--json").json
    assert (listed["valid"], listed["problems"], len(listed["tasks"])) == (True, [], 3)
    assert listed["tasks"][2]["next_run_time"] is None and not listed["tasks"][2]["enabled"]


def test_validate_prints_all_problems_at_once(home: Home, cli: Cli) -> None:
    home.write({"task_id": "a", "task_exec": "true", "task_timeout": "5 min", "task_retrys": 1}, {"task_id": "\x1b[2J"})
    done = cli("validate")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'did you mean "task_retry"?' in done.stderr and 'task_timeout is "5 min"; expected a duration' in done.stderr
    assert done.stderr.endswith("4 problems\n") and "\x1b" not in done.stderr
    problems = cli("validate", "--json").json
    assert problems["valid"] is False and len(problems["problems"]) == 4
    assert set(problems["problems"][0]) == {"place", "message"}


def test_validate_takes_another_file(home: Home, cli: Cli, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"version": 1, "tasks": []}')
    assert cli("validate", str(other)).stdout == f"{other} is valid: 0 tasks\n"
    for wrong in (str(tmp_path / "none.json"), str(tmp_path), "/dev/null"):
        done = cli("validate", wrong)
        assert done.returncode == 1 and done.stderr.endswith("\n1 problem\n")


@pytest.mark.parametrize("command", ["run", None])
def test_run_without_a_home_says_how_to_create_one(tmp_path: Path, command: str) -> None:
    done = minisched(*([command] if command else []), home=tmp_path / "none")
    assert done.returncode == 78 and "init` creates a home there" in done.stderr


def test_the_home_comes_from_the_option_the_environment_or_the_current_folder(home: Home) -> None:
    home.write({"task_id": "here", "task_exec": "true"})
    assert "here" in minisched("list", MINISCHED_HOME=str(home.path)).stdout
    assert "here" in home.run("list", MINISCHED_HOME="/nowhere").stdout
    command = [sys.executable, "-m", "minisched", "list"]
    env = {**environment(), "PYTHONPATH": str(ROOT)}
    assert b"here" in subprocess.run(command, cwd=home.path, env=env, check=True, capture_output=True).stdout


def test_a_deleted_current_folder_is_reported(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m minisched list"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 1 and "No such file or directory" in done.stderr and "Traceback" not in done.stderr
