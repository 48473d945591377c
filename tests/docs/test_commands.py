"""Whatever a document tells its reader to type can be typed, and its lines fit a terminal.

Other tests run the commands: those of the tutorial, of the recipes, of the installation and so on. Here each one, in
whichever document, is at least a command with options that exist.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from minisched.cli.arguments import COMMANDS, plain_options
from minisched.cli.parser import parse
from support.programs import ROOT

PATHS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DAILY = [path for path in PATHS if path.name not in ("design.md", "CONTRIBUTING.md")]
INDENTED_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# How it is started, wherever it is, and whatever comes before it in a line of a shell.
PROGRAM = re.compile(r"(?:^|[ (/])(?:minisched\.pyz|-m minisched|minisched)\s+(.*)")
WORD_OF_USER = re.compile(r"RUN_ID|\bID\b|\bN\b|\bDAMAGED\b|1234")
MAX_COLUMNS = 120


def commands(text: str) -> Iterator[str]:
    """What follows `minisched` in the blocks of shells, in whole lines of text blocks, and in `code`."""
    for language, block in INDENTED_FENCE.findall(text):
        if language in ("sh", "bash", "console", "text"):
            for line in block.replace("\\\n", " ").splitlines():
                found = PROGRAM.search(line.partition(" #")[0].removeprefix("$ "))
                if found and (language != "text" or re.match(r"\s*(minisched|python3|/\S+|nohup|\$)\b", line)):
                    yield found[1]
    yield from (line.partition(" #")[0] for line in re.findall(r"^    minisched (.*)$", text, re.MULTILINE))
    for code in re.findall(r"`([^`\n]+)`", INDENTED_FENCE.sub("", text)):
        found = re.fullmatch(r"(?:sudo -u \w+ )?minisched (.*)", code)
        if found:
            yield found[1]


def words(command: str) -> list[str]:
    """The arguments of the first program of a line."""
    found = []
    # The last quotation mark of `alias x="... minisched"` has begun before the program.
    for word in shlex.split(
        command.rstrip("'\"") if command.count("'") % 2 or command.count('"') % 2 else command, comments=True
    ):
        if word in ("|", "||", "&&", "&", ">", "<", ";") or word.startswith((">", "2>", "<")):
            break
        found.append(word.rstrip(";)"))
    return [WORD_OF_USER.sub("1", word) for word in found]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_with_switches_alone_is_read_without_argparse_and_as_it_would_read_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    switches = [flags for flags, details in COMMANDS[name].arguments if details.get("action") == "store_true"]
    for words in ([name], [name, *switches[:1]], [name, *switches]):
        plain = plain_options(words)
        if plain is None:  # an argument is missing
            with pytest.raises(SystemExit):
                parse(words)
        else:
            assert {"home": None, **plain} == vars(parse(words))
    assert plain_options([name, "--help"]) is None and plain_options([name, "--no-such"]) is None


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_every_command_can_be_typed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(path.read_text(encoding="utf-8")):
        typed = words(command)
        rest = typed[2:] if typed[:1] == ["--home"] else typed
        if not rest or "..." in rest or rest[0] in ("COMMAND", "[--home") or not re.fullmatch("[a-z-]+", rest[0]):
            continue  # a sentence about all commands
        assert rest[0] in COMMANDS, command
        if len(rest) == 1 or (len(rest) == 2 and rest[1] in ("--expr", "--to")):
            continue  # its name, or that of an option
        try:
            parse(typed)
        except SystemExit as end:
            assert end.code == 0, f"minisched {command}\n{capsys.readouterr().err}"


@pytest.mark.parametrize("path", DAILY, ids=lambda path: path.name)
def test_every_block_of_a_shell_and_of_json_is_well_formed(path: Path) -> None:
    scripts = []
    for language, block in INDENTED_FENCE.findall(path.read_text(encoding="utf-8")):
        if language == "json":
            json.loads(block)
        elif language == "sh":
            scripts.append(f"part() {{\n{block}\n}}\n")
    if scripts:
        done = subprocess.run(["sh", "-n"], input="".join(scripts), capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


@pytest.mark.parametrize("path", DAILY, ids=lambda path: path.name)
def test_every_line_of_prose_fits_a_terminal(path: Path) -> None:
    """Rows of tables and quoted messages are one line each in Markdown."""
    text = re.sub(
        r"<!-- generated.*?end of the generated part -->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    lines = INDENTED_FENCE.sub("", text).splitlines()
    long = [line for line in lines if columns(line) > MAX_COLUMNS and not line.lstrip().startswith(("|", "> ", "!["))]
    assert long == []
