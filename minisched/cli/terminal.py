"""What is printed for people: in which language, and how wide it is on a terminal."""

from __future__ import annotations

import os
import stat
import sys
from functools import lru_cache

from minisched.catalogue import CHINESE, ENGLISH

TYPE_CHECKING = False  # as `typing` has it, which `--help` does without
if TYPE_CHECKING:
    from typing import TextIO

MAX_CONFIG_BYTES = 5 * 2**20  # a larger one is invalid
NO_TERMINAL_COLUMNS = 10_000  # output to a file is as wide as its content
_LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first one that is set counts, as everywhere in POSIX

_home = ""


# ------------------------------------------------------------------------------------------------------------ language


def use_language_of(home: str) -> None:
    """From now on texts are in the language of this home: that of its `settings.language`, or else of the locale."""
    global _home
    _home = home
    language.cache_clear()


@lru_cache(maxsize=1)
def language() -> str:
    """The language of all texts that a command prints; those in JSON are English."""
    chosen = _setting(os.path.join(_home, "tasks", "config.json"))
    if chosen not in (ENGLISH, CHINESE):
        locale = next(filter(None, map(os.environ.get, _LOCALES)), "")
        chosen = CHINESE if locale.startswith("zh") else ENGLISH
    return chosen if chosen == ENGLISH or _can_print_chinese() else ENGLISH


def _setting(path: str) -> str:
    """`settings.language` of a config, "" if there is none. Nothing is checked, and only a file with the word in it is
    parsed: that costs as much as the rest of `--help`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            data = file.read(MAX_CONFIG_BYTES) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
        if b'"language"' not in data:
            return ""
        import json

        return str(json.loads(data)["settings"]["language"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def _can_print_chinese() -> bool:
    try:
        "中文".encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


# --------------------------------------------------------------------------------------------------------------- width


def terminal_width(stream: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return NO_TERMINAL_COLUMNS


def display_width(line: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining marks none."""
    return len(line) if line.isascii() else sum(map(_char_width, line))


def _char_width(char: str) -> int:
    import unicodedata  # 1 MB, which English does without

    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit_width(line: str, width: int) -> str:
    """The text in exactly `width` columns, padded, or cut with an ellipsis."""
    size = display_width(line)
    if size <= width:
        return line + " " * (width - size)
    kept, used = "", 0
    for char in line:
        used += _char_width(char)
        if used > width - 1:
            break
        kept += char
    return kept + "…" + " " * (width - display_width(kept) - 1)


def wrap(line: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, unless one word is wider; Chinese is broken between characters."""
    lines, used = [""], 0
    for word in _words(line):
        size = display_width(word)
        if used + size > width and lines[-1]:
            lines, used = [*lines, ""], 0
        if used or not word.isspace():
            lines[-1] += word
            used += size
    return [one.rstrip() for one in lines]


def _words(line: str) -> list[str]:
    """The parts between which a line may be broken: at blanks, and after each wide character, but not before closing
    punctuation."""
    if line.isascii():
        words = line.split(" ")
        return [part for word in words[:-1] for part in (word, " ")] + words[-1:]
    import re  # 3 ms, which English does without

    return re.findall(
        r"\s+|[^\s\u2e80-\uffef]+[，。；：、！？）》」』】]*|[\u2e80-\uffef][，。；：、！？）》」』】]*", line
    )
