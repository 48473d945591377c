"""The files of the page and the texts in them, read without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import minisched.api

STATIC = Path(minisched.api.__file__).parent / "static"
SOURCES = {
    path.relative_to(STATIC).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(STATIC.rglob("*"))
    if path.is_file()
}
SCRIPTS = {name: text for name, text in SOURCES.items() if name.endswith(".js")}

TEXT = r'"((?:[^"\\]|\\.)*)"'
LINE = re.compile(rf"^  (\w+): \[{TEXT}, {TEXT}\],$", re.MULTILINE)


def table(name: str) -> dict[str, tuple[str, str]]:
    return {key: (english, chinese) for key, english, chinese in LINE.findall(SCRIPTS[name])}


CORE = table("i18n/messages_core.js")
MESSAGES = {**CORE, **table("i18n/messages.js")}
