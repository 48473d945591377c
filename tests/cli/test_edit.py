"""`edit`: an editor on a terminal, a check, and nothing lost."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.cli import Cli
from support.programs import Home, environment

TEXT = """{
  "version": 1,

  "tasks": [
    { "task_id": "a", "task_exec": "true" },
    {
      "task_id": "b",
      "task_exec": "echo \\u00fc",
      "task_timeout": 6e1
    }
  ]
}"""


@pytest.fixture(autouse=True)
def config(home: Home) -> None:
    home.config.write_text(TEXT)


def edit(home: Home, script: str, *arguments: str, answers: str = "", **env: str) -> tuple[int, str]:
    """The exit code and the output of `edit` on a terminal, with a shell script as the editor."""
    editor = home.path / "editor"
    editor.write_text(f"#!/bin/sh\n{script}\n")
    editor.chmod(0o755)
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "minisched", "--home", str(home.path), "edit", *arguments]
    surroundings = environment(**{"EDITOR": str(editor), "TMPDIR": str(home.path), **env})
    surroundings.pop("VISUAL", None)
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=surroundings) as process:
        os.close(slave)
        os.write(master, answers.encode())
        text = ""
        while True:
            try:
                block = os.read(master, 65536)
            except OSError:
                break
            if not block:
                break
            text += block.decode()
        code = process.wait(20)
    os.close(master)
    return code, text


def kept(home: Home, text: str) -> Path:
    found = re.search(r"what you wrote is in (\S+)", text)
    assert found, text
    return Path(found[1])


def test_the_config_is_edited_checked_and_saved_as_it_was_written(home: Home) -> None:
    code, text = edit(home, "sed -i 's/6e1/90/' \"$1\"")
    assert (code, text.splitlines()[-1]) == (0, f"{home.config} is saved; a running engine loads it within 2 s")
    assert home.config.read_text() == TEXT.replace("6e1", "90")
    assert home.config.with_name("config.json.bak").read_text() == TEXT
    assert "config edited: tasks/config.json" in home.engine_log()
    assert not list(home.path.glob("minisched-*"))


def test_one_task_is_edited_without_its_indentation_and_put_back_with_it(home: Home) -> None:
    script = f'cp "$1" {home.path}/seen; sed -i \'s/6e1/90,\\n  "task_nice": 5/\' "$1"'
    assert edit(home, script, "b")[0] == 0
    seen = (home.path / "seen").read_text()
    assert seen == '{\n  "task_id": "b",\n  "task_exec": "echo \\u00fc",\n  "task_timeout": 6e1\n}\n'
    assert home.config.read_text() == TEXT.replace("6e1", '90,\n      "task_nice": 5')
    assert edit(home, "sed -i 's/true/false/' \"$1\"", "a")[0] == 0
    assert '{ "task_id": "a", "task_exec": "false" },' in home.config.read_text()


def test_what_is_not_changed_is_not_written(home: Home) -> None:
    stamp = home.config.stat().st_mtime_ns
    code, text = edit(home, "true")
    assert (code, text.strip()) == (0, "nothing was changed")
    assert home.config.stat().st_mtime_ns == stamp and not home.config.with_name("config.json.bak").exists()


def test_problems_are_shown_and_edited_again_until_they_are_gone(home: Home) -> None:
    script = 'grep -q 99 "$1" && sed -i s/99/5/ "$1" || sed -i \'s/6e1/1, "task_nice": 99/\' "$1"'
    code, text = edit(home, script, "b", answers="y\n")
    assert code == 0 and "task_nice is 99; expected a whole number from -20 to 19" in text
    assert "edit again? [Y/n]" in text and json.loads(home.config.read_text())["tasks"][1]["task_nice"] == 5


def test_an_error_in_one_task_is_counted_in_its_own_lines(home: Home) -> None:
    _, text = edit(home, "sed -i 's/6e1/nonsense/' \"$1\"", "b", answers="n\n")
    assert "line 4, column" in text and home.config.read_text() == TEXT


@pytest.mark.parametrize(
    ("script", "answers", "expected"),
    [
        ("sed -i 's/6e1/x/' \"$1\"", "n\n", "1 problem"),
        ("sed -i 's/6e1/x/' \"$1\"; exit 3", "", "ended with exit code 3"),
        ('sed -i s/6e1/7/ "$1"; printf {} > tasks/config.json', "", "was changed by another program meanwhile"),
    ],
    ids=["declined", "failed", "conflict"],
)
def test_nothing_is_saved_and_nothing_lost(
    home: Home, script: str, answers: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.path)
    code, text = edit(home, script, answers=answers)
    assert code == 1 and expected in text
    copy = kept(home, text)
    assert "6e1" not in copy.read_text() and copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700
    assert home.config.read_text() in (TEXT, "{}")


def test_a_broken_config_can_be_edited_as_a_whole_only(home: Home) -> None:
    home.config.write_text(TEXT[:-1])
    code, text = edit(home, "true", "b")
    assert code == 1 and "edit` edits all of it" in text
    assert edit(home, 'printf "}" >> "$1"')[0] == 0
    assert home.config.read_text() == TEXT


def test_edit_needs_a_terminal_and_an_editor(home: Home, cli: Cli) -> None:
    done = cli("edit")
    assert done.returncode == 1 and "edit needs a terminal" in done.stderr and "validate" in done.stderr
    code, text = edit(home, "true", EDITOR="", PATH="/nonexistent")
    assert code == 1 and "no editor was found; set EDITOR" in text
    assert 'no task "bb"; did you mean "b"?' in edit(home, "true", "bb")[1]
