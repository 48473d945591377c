"""The commands of from_cron.md and troubleshooting.md work, and the messages quoted there are those of the program."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from minisched import catalogue
from minisched.catalogue import CHINESE, ENGLISH
from minisched.config import load_config
from support.walk import DOCS, Terminal, blocks, commands, merged

PART = re.compile(r"\{(\w+)(?:\|([^{}|]*)\|([^{}|]*))?\}")
LEAST_LETTERS = 2  # of its own, in a text that may be quoted: "{path}: {error}" could be anything


@pytest.fixture
def at_home(terminal: Terminal, tmp_path: Path) -> Terminal:
    """In the home `jobs`."""
    (tmp_path / "jobs" / "tasks").mkdir(parents=True)
    (tmp_path / "jobs" / "var").mkdir()
    (tmp_path / "jobs" / "var").chmod(0o700)
    terminal.type("cd jobs && export MINISCHED_HOME=$PWD")
    return terminal


def test_a_crontab_is_moved_as_from_cron_says(at_home: Terminal, tmp_path: Path) -> None:
    home = tmp_path / "jobs"
    (home / "tasks" / "config.json").write_text(merged({"version": 1, "tasks": []}, timezone="UTC"))
    said = {}
    for block in blocks("from_cron.md"):
        if block.file:
            (home / block.file).write_text(block.text)
        elif block.language == "sh":
            for line in commands(block):
                code, said[line] = at_home.type(line)
                assert code == 0, f"{line}\n{said[line]}"
    assert set(load_config(str(home / "tasks" / "config.json")).tasks) == {"dump", "report", "sync"}
    assert "disabled" in said["minisched list"]


def test_the_config_of_from_cron_is_valid(tmp_path: Path) -> None:
    (found,) = [block.text for block in blocks("from_cron.md") if block.language == "json"]
    (tmp_path / "config.json").write_text(found)
    assert load_config(str(tmp_path / "config.json")).tasks["report"].task_notify[0].recovery


def test_every_command_of_troubleshooting_works(at_home: Terminal, tmp_path: Path) -> None:
    task = {"task_id": "backup", "task_exec": "echo done"}
    config = tmp_path / "jobs" / "tasks" / "config.json"
    config.write_text(merged({"version": 1, "tasks": [task]}, timezone="UTC", http={"port": 0}))
    for block in blocks("troubleshooting.md"):
        for line in commands(block):
            code, output = at_home.type(line)
            assert code == 0 or line.startswith("minisched doctor"), f"{line}\n{output}"


def templates(language: str) -> list[tuple[str, list[str], str]]:
    """Of each text of the program: its code, its own words, and the expression that what is printed of it matches."""
    found = []
    for area in catalogue.AREAS:
        for code, pair in catalogue.table(area).items():
            own, expression, end = [], "", 0
            text = pair[catalogue.LANGUAGES.index(language)]
            for part in PART.finditer(text):
                own.append(text[end : part.start()])
                value = ".+?" if part[2] is None else f"(?:{re.escape(part[2])}|{re.escape(part[3])})"
                expression += re.escape(own[-1]) + value
                end = part.end()
            own.append(text[end:])
            if sum(map(str.isalpha, "".join(own))) >= LEAST_LETTERS:
                found.append((code, own, expression + re.escape(own[-1])))
    return found


def quoted(name: str, language: str) -> list[set[str]]:
    """For each message quoted in a document, the codes of the texts that it can be."""
    text = (DOCS / name).read_text(encoding="utf-8")
    known = templates(language)
    found = []
    for message in re.findall(r"^> (.*)$", text, re.MULTILINE):
        codes = {
            code
            for code, own, expression in known
            if all(words in message for words in own) and re.fullmatch(expression, message)
        }
        assert codes, f"{name} quotes what nothing prints: {message}"
        found.append(codes)
    return found


def test_every_quoted_message_is_one_of_the_program_in_both_languages() -> None:
    english, chinese = quoted("troubleshooting.md", ENGLISH), quoted("troubleshooting.zh.md", CHINESE)
    assert len(english) == len(chinese) > 20
    for one, other in zip(english, chinese):
        assert one & other


def test_time_limits_and_graces_named_in_the_documents_are_the_defaults() -> None:
    from minisched.config.task_fields import TASK

    for name in ("from_cron.md", "from_cron.zh.md"):
        text = (DOCS / name).read_text(encoding="utf-8")
        assert f"`{TASK.rows['task_timeout'].default}`" in text
        assert "`task_misfire_grace`" in text and json.dumps(TASK.rows["task_misfire_grace"].default).strip('"') in text
