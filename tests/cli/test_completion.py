"""`completion`: what real shells complete."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.cli import Cli
from support.programs import Home, environment

WORDS = [
    ("hist", ["history"]),
    ("help script_", ["script_examples"]),
    ("next --lang ", ["en", "zh"]),
    ("history --status miss", ["missed"]),
    ("history --trigger cat", ["catchup"]),
    ("list --j", ["--json"]),
    ("completion f", ["fish"]),
    ("--home HOME trigger night", ["nightly_backup", "nightly_report"]),
    ("--home HOME trigger nightly_backup --w", ["--wait"]),
    ("nonsense ", []),
    ("--home HOME logs", ["logs"]),
    ("status ", []),
    ("stop w", ["weekly"]),
    ("edit w", ["weekly"]),
    ("notifications --status f", ["failed"]),
]


@pytest.fixture
def jobs(home: Home) -> Home:
    home.write(
        *({"task_id": task_id, "task_exec": "true"} for task_id in ("nightly_backup", "nightly_report", "weekly"))
    )
    return home


@pytest.mark.parametrize(("line", "words"), WORDS)
def test_the_words_that_can_follow(line: str, words: list[str], jobs: Home, cli: Cli) -> None:
    done = cli("completion", "words", *line.replace("HOME", str(jobs.path)).split(" "))
    assert (done.returncode, done.stdout.split()) == (0, words)


def test_files_and_folders_are_left_to_the_shell(cli: Cli) -> None:
    assert cli("completion", "words", "--home", "").stdout == ":folders\n"
    assert cli("completion", "words", "validate", "x").stdout == ":files\n"
    assert cli("completion", "words", "bundle", "-o", "").stdout == ":files\n"


@pytest.mark.parametrize("config", ["", "[]", '{"tasks": [{}]}', '{"tasks": 1}'])
def test_a_home_without_a_usable_config_has_no_task_ids(config: str, home: Home, cli: Cli) -> None:
    home.config.write_text(config)
    assert cli("completion", "words", "trigger", "").stdout == ""
    home.config.unlink()
    assert cli("completion", "words", "trigger", "").stdout == ""


def prepare(name: str, folder: Path) -> dict[str, str]:
    """Write the script of a shell into the folder, and `minisched`; the environment that finds it."""
    program = folder / "minisched"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m minisched "$@"\n')
    program.chmod(0o755)
    done = subprocess.run([program, "completion", name], env=environment(), capture_output=True, check=True)
    (folder / "script").write_bytes(done.stdout)
    return environment(PATH=f"{folder}:{os.environ['PATH']}", TERM="dumb", PS1="> ", HOME=str(folder), COLUMNS="200")


class Shell:
    """An interactive shell on a terminal, with the completion loaded."""

    def __init__(self, name: str, folder: Path) -> None:
        env = prepare(name, folder)
        options = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}[name]
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [name, *options], cwd=folder, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        if name == "zsh":
            self.type("autoload -U compinit && compinit -u -D\n")
        self.type(f"source {folder}/script; echo re''ady\n")
        self.read_until("ready")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read_until(self, text: str, within: float = 60.0) -> str:
        seen, deadline = "", time.monotonic() + within
        while text not in seen:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.master], [], [], left)[0], f"{text!r} does not come: {seen!r}"
            seen += os.read(self.master, 65536).decode(errors="replace")
        return seen

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_real_shell_completes_commands_and_task_ids(name: str, jobs: Home, tmp_path: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    shell = Shell(name, tmp_path)
    try:
        shell.type("minisched sta\t")
        shell.read_until("status")
        shell.type(" | head -1\n")
        shell.read_until("engine")
        shell.type(f"minisched --home {jobs.path} history week\t")
        shell.read_until("weekly")
        shell.type("\n")
        shell.read_until("no runs")
    finally:
        shell.close()


def test_fish_completes_commands_and_task_ids(jobs: Home, tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    env = prepare("fish", tmp_path)
    for line, word in (("minisched sta", "status"), (f"minisched --home {jobs.path} history week", "weekly")):
        code = f"source {tmp_path}/script; complete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", code], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [word]
