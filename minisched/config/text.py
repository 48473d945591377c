"""Strict JSON, and what is wrong with it in a user's words, with line and column.

`json.loads` alone takes UTF-16, the last of two equal keys, NaN and 1e999, and ends in RecursionError where the
nesting is deep (FAULTS, C1 to C4).
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from math import isinf
from typing import Any, Optional

from minisched.model import Problem

from .faults import Fault, printable, show

MAX_BYTES = 5 * 2**20
MAX_DEPTH = 32  # lists and objects within each other; a config has 8, and each level costs C stack while it is parsed
TOO_DEEP = f"lists and objects are nested deeper than {MAX_DEPTH} levels"
FINITE = "expected a finite number of at most 300 digits"
MAX_DIGITS = 300  # of one number: Python itself refuses 4,300, at the price of their square

_ALL_BUT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
_BLANKS = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r'//|/\*|"(?:[^"\\\n]|\\.){0,40}"?|\w{1,40}|.', re.DOTALL)
_WORDS = {"True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null"}


class _Unfit(Exception):
    """The data cannot be taken for JSON at all."""

    def __init__(self, message: str, text: str = "", position: Optional[int] = None) -> None:
        super().__init__(message)
        self.place = ""
        if position is not None:
            line = text.count("\n", 0, position) + 1
            self.place = f"line {line}, column {position - text.rfind(chr(10), 0, position)}:"


def parse_json(data: bytes, *, file: str = "tasks/config.json") -> tuple[Any, list[Problem]]:
    """The value of a JSON text in UTF-8, and what is wrong with it.

    Where a value can be made in spite of the problems (of two equal keys, the last one) it comes with them, so that
    what is in it can be told at once; else it is None.
    """
    try:
        return _parse(data, file)
    except _Unfit as error:
        return None, [Problem(error.place, str(error), file)]


def loads(text: str) -> Any:
    """The value of a JSON text that is no config: what `json.loads` makes of it. Raises ValueError, also where it is
    nested too deep: on a thread's stack that would end the process (CPython 3.13)."""
    if _depth(text.encode("utf-8", "surrogatepass")) > MAX_DEPTH:
        raise ValueError(TOO_DEEP)
    return json.loads(text)


def _parse(data: bytes, file: str) -> tuple[Any, list[Problem]]:
    text = _decode(data)
    if _depth(data) > MAX_DEPTH:
        raise _Unfit(TOO_DEEP)
    doubtful: list[str] = []  # what json lets pass; where it stands is looked for only if there is some

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(items)
        if len(fields) != len(items):
            doubtful.append("key")
        return fields

    def number(literal: str, read: Any = float) -> Any:
        if len(literal) > MAX_DIGITS or literal.lstrip("-")[0] in "NI" or isinf(value := read(literal)):
            doubtful.append("number")
            return 0
        return value

    try:
        document = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_constant=number,
            parse_float=number,
            parse_int=lambda literal: number(literal, int),
        )
    except json.JSONDecodeError as error:
        raise _explained(text, error) from None
    if not doubtful:
        return document, []
    problems = [fault.problem("", file) for fault in _find_doubtful(text)]
    return (None if "number" in doubtful else document), problems


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _Unfit(f"has {len(data)} bytes; at most {MAX_BYTES} (5 MB) are allowed")
    if data.startswith(b"\xef\xbb\xbf"):
        raise _Unfit("begins with a byte order mark (BOM); save it as UTF-8 without BOM")
    # The first characters of a JSON text are ASCII: in UTF-16 and UTF-32 they have NUL bytes beside them.
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or 0 in data[:4]:
        wide = "UTF-32" if data[:4].count(0) > 2 else "UTF-16"
        raise _Unfit(f"looks like {wide}; save it as UTF-8")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        message = f"byte 0x{data[error.start]:02x} (offset {error.start}) is not UTF-8; save the file as UTF-8"
        raise _Unfit(message, before, len(before)) from None
    if not text.strip():
        raise _Unfit('is empty; expected an object such as {"tasks": []}')
    return text


def _depth(data: bytes) -> int:
    """How deep the brackets outside of texts are nested, in JSON that is right up to there.

    Told beforehand, for the parser's own limit depends on the Python version, and its stack on the thread.
    """
    bare = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _ALL_BUT_STRUCTURE)
    bare = bare.replace(b'""', b"")  # texts without brackets: nearly all
    bare = re.sub(rb'"[^"]*"?', b"", bare)
    return max(accumulate(1 if byte in b"[{" else -1 for byte in bare), default=0)


def _explained(text: str, error: json.JSONDecodeError) -> _Unfit:
    """What json found, in words that help; the same for every Python version."""
    if error.msg.startswith("Unterminated string"):
        return _Unfit("the text that begins here has no closing quote", text, error.pos)
    if error.msg.startswith("Invalid control character"):
        found = show(text[error.pos : error.pos + 1])
        return _Unfit(f"{found} stands in a text as it is; expected an escape such as \\n or \\t", text, error.pos)
    if error.msg.startswith("Invalid \\"):
        return _Unfit(r"this backslash begins no escape; for a backslash itself write \\", text, error.pos)
    here = _skip(text, error.pos)
    if here == len(text):
        return _Unfit("the file ends here; expected more: something above is not closed", text, here)
    # A comma before a bracket: 3.13 stops at the comma, those before it at the bracket.
    comma = here if text[here] == "," else len(text[:here].rstrip()) - 1
    bracket = text[comma + 1 :].lstrip()[:1]
    if comma > 0 and text[comma] == "," and bracket in ("]", "}") and text[:comma].rstrip()[-1:] not in ":,[{":
        return _Unfit(f'found a "," with nothing but "{bracket}" after it; remove the comma', text, comma)
    word = _matched(_WORD, text, here)
    found = f"found {printable(word)}"
    if word in _WORDS:
        return _Unfit(f"{found}; write {_WORDS[word]}", text, here)
    if word == "'":
        return _Unfit(f"{found}; texts stand in double quotes", text, here)
    if word in ("#", "//", "/*"):
        return _Unfit(f"{found}; JSON has no comments", text, here)
    expected = {
        "Extra data": "the end of the file",
        "Expecting ',' delimiter": 'a "," or a closing bracket before it',
        "Expecting ':' delimiter": 'a ":" before it',
        "Expecting property name enclosed in double quotes": "a field name in double quotes",
    }.get(error.msg, "a value")
    return _Unfit(f"{found}; expected {expected}", text, here)


def _skip(text: str, position: int) -> int:
    return position + len(_matched(_BLANKS, text, position))


def _matched(pattern: re.Pattern[str], text: str, position: int) -> str:
    found = pattern.match(text, position)
    return found[0] if found else ""


def _find_doubtful(text: str) -> list[Fault]:
    """Equal keys and numbers that are none, with place and line, in a text that json could read."""
    faults: list[Fault] = []
    # One entry per open bracket: the lines of the keys there (None: a list), and the key or index that is current.
    open_keys: list[Optional[dict[str, int]]] = []
    steps: list[Any] = []
    line, seen, expects_key = 1, 0, False
    for token in _TOKEN.finditer(text):
        word = token[0]
        line += text.count("\n", seen, token.start())
        seen = token.start()
        keys = open_keys[-1] if open_keys else None
        if word in "[{":
            open_keys.append({} if word == "{" else None)
            steps.append("" if word == "{" else 0)
            expects_key = word == "{"
        elif word in "]}":
            open_keys.pop()
            steps.pop()
        elif word == ",":
            expects_key = keys is not None
            steps[-1] = steps[-1] if expects_key else steps[-1] + 1
        elif expects_key and keys is not None:
            key = json.loads(word)
            if key in keys:
                message = f"field {show(key)} stands twice, in line {keys[key]} and in line {line}; remove one"
                faults.append(Fault(_path(steps[:-1]), message, sentence=True))
            keys[key] = line
            steps[-1] = key
            expects_key = False
        elif word[0] in "-0123456789NI" and (len(word) > MAX_DIGITS or isinf(float(word)) or word == "NaN"):
            shown = word if len(word) <= MAX_DIGITS else f"a number of {len(word)} digits"
            faults.append(Fault(_path(steps), f"is {shown} in line {line}; {FINITE}"))
    return faults


def _path(steps: list[Any]) -> str:
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{printable(step[:60])}"
    return path.lstrip(".")
