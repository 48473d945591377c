"""What the tests of the documents share: the commands of a document, typed one after another in one shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional

from support.programs import ROOT, environment

DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ((?:tasks|logs|var)/[\w./-]+)(?:: exits with (\d+))?\n")
INSTALLS = ("python3 -m venv ", "alias ")  # tested with docs/install.md


class Block(NamedTuple):
    language: str
    text: str
    section: str  # its heading

    @property
    def file(self) -> Optional[str]:
        """The path of the file that it is, from the home; None for commands."""
        found = FILE.match(self.text)
        return found[1] if found else None


def blocks(name: str) -> list[Block]:
    """All fenced blocks of a document, in their order."""
    text = (DOCS / name).read_text(encoding="utf-8")
    found = []
    for block in FENCE.finditer(text):
        headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text[: block.start()]), re.MULTILINE)
        found.append(Block(block[1], block[2], headings[-1]))
    return found


def commands(block: Block) -> Iterator[str]:
    for line in block.text.splitlines():
        if line and not line.startswith(INSTALLS):
            yield line


class Terminal:
    """A shell whose `minisched` is this package, with an empty folder as its $HOME."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = folder / "bin"
        programs.mkdir()
        self.program(programs / "minisched", f'exec {sys.executable} -m minisched "$@"')
        self.env = environment(HOME=str(folder), PATH=f"{programs}:{os.environ['PATH']}")
        self.env.pop("MINISCHED_HOME", None)
        self._shell = subprocess.Popen(
            ["sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.env,
            cwd=folder,
            start_new_session=True,
        )

    @staticmethod
    def program(path: Path, line: str) -> None:
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def type(self, line: str) -> tuple[int, str]:
        """The exit code and the output of a line."""
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f"{line}\nprintf '\\n%s done\\n' $?\n")
        self._shell.stdin.flush()
        output = ""
        for one in self._shell.stdout:
            if one.endswith(" done\n"):
                return int(one.split()[0]), output.strip("\n")
            output += one
        raise AssertionError(f"{line}: the shell has ended: {output}")

    def close(self) -> None:
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.close()
        self._shell.stdout.close()
        self._shell.wait()


def merged(document: Any, **settings: Any) -> str:
    """A config with other settings than those of the document, for this machine."""
    document["settings"] = {**document.get("settings", {}), **settings}
    return json.dumps(document)
