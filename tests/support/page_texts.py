"""The texts of the page's scripts, read without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import minisched.api

STATIC = Path(minisched.api.__file__).parent / "static"
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in sorted(STATIC.iterdir())}
SCRIPTS = {name: text for name, text in SOURCES.items() if name.endswith(".js")}

TEXT = r'"((?:[^"\\]|\\.)*)"'
LINE = re.compile(rf"^  (\w+): \[{TEXT}, {TEXT}\],$", re.MULTILINE)
SENTENCE = re.compile(rf"^  \[{TEXT}, {TEXT}\],$", re.MULTILINE)


def table(name: str) -> dict[str, tuple[str, str]]:
    return {key: (english, chinese) for key, english, chinese in LINE.findall(SCRIPTS[name])}


FIRST = table("messages_first.js")
MESSAGES = {**FIRST, **table("messages.js")}
