"""The body of a request: JSON as strict as the config's, and smaller; what is wrong is told with a JSON pointer."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Optional

from minisched.api.errors import Refused
from minisched.config import parse_json
from minisched.config.text import FINITE

LARGEST_INTEGER = 2**53 - 1  # beyond it a JavaScript reader sees another number
MOST_CHARACTERS = 64 * 1024  # of one text
_STRANGE = re.compile(r"[\x00\ud800-\udfff]")  # what cannot be stored, sent or passed on


class _Pairs(list[Any]):
    """An object, with its equal keys."""


def read_body(data: bytes) -> dict[str, Any]:
    """The object of a body. Raises Refused."""
    document, problems = parse_json(data, file="body")
    if problems:
        readable = document is not None or FINITE in problems[0].message
        fault = _doubtful(data) if readable else None
        raise bad_body(*(fault or ("", str(problems[0]).partition(": ")[2])))
    if not isinstance(document, dict):
        raise bad_body("", "is no object")
    fault = _fault(document, "")
    if fault:
        raise bad_body(*fault)
    return document


def bad_body(pointer: str, message: str) -> Refused:
    """pointer: RFC 6901, "" is the whole."""
    return Refused("bad_request", f'body, at "{pointer}": {message}', pointer=pointer)


def pointed(pointer: str, key: object) -> str:
    """The pointer to a member (RFC 6901: ~ and / are escaped)."""
    text = str(key)[:100].replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{text}"


def _doubtful(data: bytes) -> Optional[tuple[str, str]]:
    """Where in a text that json can read a key stands twice or a number is none."""
    value = json.loads(
        data.decode(), object_pairs_hook=_Pairs, parse_float=_number, parse_int=_number, parse_constant=float
    )
    return _fault(value, "")


def _number(literal: str) -> float:
    return float(literal)  # 400 digits are infinite here; their exact value is nobody's matter


def _fault(value: Any, pointer: str) -> Optional[tuple[str, str]]:
    """The first thing wrong in a value of at most 32 levels."""
    if isinstance(value, str):
        return _text_fault(value, pointer)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not isfinite(value):
            return pointer, "is no finite number"
        if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            return pointer, f"is an integer beyond {LARGEST_INTEGER}"
        return None
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, _ in value:
            if key in seen:
                return pointed(pointer, key), "stands twice"
            seen.add(key)
    items: Any = ()
    if isinstance(value, (dict, _Pairs)):
        items = value.items() if isinstance(value, dict) else value
    elif isinstance(value, list):
        items = enumerate(value)
    for key, each in items:
        place = pointed(pointer, key)
        fault = (_text_fault(key, place) if isinstance(key, str) else None) or _fault(each, place)
        if fault:
            return fault
    return None


def _text_fault(text: str, pointer: str) -> Optional[tuple[str, str]]:
    if len(text) > MOST_CHARACTERS:
        return pointer, f"is a text of more than {MOST_CHARACTERS} characters"
    if _STRANGE.search(text):
        return pointer, "has a NUL character or half a surrogate pair"
    return None
