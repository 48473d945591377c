"""Each recipe is a valid task, and its script does what the recipe says, with small programs in place of rsync, docker
and others that a machine of tests does not have."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from minisched.config import load_config
from support.programs import minisched
from support.walk import DOCS, Block, Terminal, blocks, commands

ENGLISH = blocks("recipes.md")
SHELLS = [shell for shell in (["dash"], ["bash"], ["busybox", "sh"]) if shutil.which(shell[0])]
SETTINGS = {"smtp": {"host": "mail.example.org", "from": "minisched@example.org"}, "timezone": "UTC"}
OUTPUT_FILE = 'while [ $# -gt 1 ]; do case $1 in -f | -o) echo price >"$2" ;; esac; shift; done'
PROGRAMS = {
    "rsync": "true",
    "pg_dump": OUTPUT_FILE,
    "curl": OUTPUT_FILE,
    "certbot": "true",
    "systemctl": "true",
    "mountpoint": '[ -e "$2" ]',
    "mount": 'echo "mount $1"',
    "docker": "true",
    "ssh": "true",
    "ffmpeg": "true",
    "ionice": "true",
}


def documents() -> list[dict[str, Any]]:
    return [json.loads(one.text) for one in ENGLISH if one.language == "json"]


def tasks() -> list[dict[str, Any]]:
    return [one for one in documents() if "task_id" in one]


def scripts() -> list[Block]:
    return [one for one in ENGLISH if one.file]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with all recipes at once; absolute paths of theirs lie below it."""
    home = tmp_path_factory.mktemp("recipes")
    for folder in ("tasks", "var", "data", "logs", "bin", "mnt/backup/files", "srv/files", "mnt/share"):
        (home / folder).mkdir(parents=True)
    (home / "etc/letsencrypt/live/example.org").mkdir(parents=True)
    (home / "etc/letsencrypt/live/example.org/fullchain.pem").write_text("pem")
    for name in ("report.csv", "orders.csv"):
        (home / "data" / name).write_text("a,b\n")
    config = {"version": 1, "settings": SETTINGS, **documents()[0], "tasks": tasks()}
    (home / "tasks" / "config.json").write_text(json.dumps(config))
    for name in ("shop.password", "upload.token"):
        (home / "var" / name).write_text("secret\n")
        (home / "var" / name).chmod(0o600)
    for script in scripts():
        assert script.file
        (home / script.file).write_text(re.sub(r"(?<![\w.])/(mnt|etc/letsencrypt)/", rf"{home}/\1/", script.text))
    for name, line in PROGRAMS.items():
        Terminal.program(home / "bin" / name, line)
    return home


def test_every_recipe_is_a_valid_task_and_they_are_at_least_twenty(home: Path) -> None:
    config = load_config(str(home / "tasks" / "config.json"))
    assert len(config.tasks) == len(tasks()) >= 20
    headings = re.findall(r"^## (.*)", (DOCS / "recipes.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {one.section for one in ENGLISH if one.language == "json"} - {"Recipes"} == set(headings)
    warnings = minisched("validate", home=home).stderr.splitlines()
    missing = ("backup_minisched", "venv/bin/python", "ffmpeg", "ionice", "logrotate", "as root", "root")
    assert [line for line in warnings if not any(word in line for word in missing)] == []


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_every_script_succeeds(shell: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of one shell in one chain: a process each would only cost time."""
    lines = []
    for script in scripts():
        interpreter = ["python3"] if script.language == "python" else shell
        line = [*interpreter, script.file, *(["/"] if "disk_space" in script.text else [])]
        lines.append(f"{' '.join(map(str, line))} || echo FAILED {script.file} $?")
    (home / "data" / "orders.csv").touch()  # the script of another shell has taken it
    done = subprocess.run(["sh", "-c", "\n".join(lines)], cwd=home, env=variables(home), capture_output=True, text=True)
    assert "FAILED" not in done.stdout, done.stdout + done.stderr
    assert "mounted already" in done.stdout


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_failure_is_technical_unless_the_recipe_means_it(shell: list[str], home: Path) -> None:
    failing = {
        name: "exit 7" if name == "curl" else "exit 1" for name in ("pg_dump", "curl", "rsync", "certbot", "docker")
    }
    for name, line in failing.items():
        Terminal.program(home / "bin" / name, line)
    try:
        found = load_config(str(home / "tasks" / "config.json")).tasks
        for name in (
            "backup_home",
            "dump_shop",
            "fetch_prices",
            "renew_certificate",
            "report_container",
            "upload_report",
        ):
            done = subprocess.run([*shell, f"tasks/{name}.sh"], cwd=home, env=variables(home), capture_output=True)
            meaning = found[name].task_exit_codes
            assert done.returncode not in {*meaning.success, *meaning.business_failure}, name
    finally:
        for name in failing:
            Terminal.program(home / "bin" / name, PROGRAMS[name])
    full = {**variables(home), "MAX_PERCENT": "-1"}
    assert subprocess.run([*shell, "tasks/disk_space.sh", "/"], cwd=home, env=full, capture_output=True).returncode == 1


def variables(home: Path) -> dict[str, str]:
    return {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "MINISCHED_HOME": str(home),
        "MINISCHED_RUN_ID": "1",
        "MINISCHED_ATTEMPT": "1",
        "MINISCHED_SCHEDULED_TIME": "2026-11-23T02:30:00+08:00",
        "MAX_PERCENT": "100",
        "SOURCE": f"{home}/srv/files",
        "TARGET": f"{home}/mnt/backup",
        "VERSION": "1",
        "TOKEN": "secret",
    }


def test_every_command_of_the_recipes_works(terminal: Terminal, home: Path) -> None:
    terminal.type(f"export MINISCHED_HOME={home}")
    for block in ENGLISH:
        if block.language == "sh" and not block.file:
            for line in commands(block):
                code, output = terminal.type(line)
                assert code == 0, output
    assert "deploying 1.4.2" in output
