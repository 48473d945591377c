"""The body of a request: JSON as strict as the config's, and smaller; what is wrong is told with a JSON pointer."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Optional

from minisched.api.errors import Refused
from minisched.config import parse_json
from minisched.config.strict_json import FINITE
from minisched.model import LocalizedText, Problem

LARGEST_INTEGER = 2**53 - 1  # beyond it a JavaScript reader sees another number
MOST_CHARACTERS = 64 * 1024  # of one text
_STRANGE = re.compile(r"[\x00\ud800-\udfff]")  # what cannot be stored, sent or passed on


class _Pairs(list[Any]):
    """An object, with its equal keys."""


def read_body(data: bytes) -> dict[str, Any]:
    """The object of a body. Raises Refused."""
    document, problems = parse_json(data, file="body")
    if problems:
        readable = document is not None or FINITE.en in problems[0].message
        fault = _doubtful(data) if readable else None
        raise bad_body(*(fault or ("", _placed(problems[0]))))
    if not isinstance(document, dict):
        raise bad_body("", LocalizedText("is no object", "不是对象"))
    fault = _fault(document, "")
    if fault:
        raise bad_body(*fault)
    return document


def bad_body(pointer: str, words: LocalizedText) -> Refused:
    """pointer: RFC 6901, "" is the whole."""
    told = LocalizedText(f'body, at "{pointer}": {words.en}', f'请求内容 "{pointer}" 处：{words.zh}')
    return Refused("bad_request", told.en, pointer=pointer, words=told._asdict())


def _placed(problem: Problem) -> LocalizedText:
    return LocalizedText(f"{problem.place} {problem.message}".lstrip(), f"{problem.place_zh}{problem.words.zh}")


def pointed(pointer: str, key: object) -> str:
    """The pointer to a member (RFC 6901: ~ and / are escaped)."""
    text = str(key)[:100].replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{text}"


def _doubtful(data: bytes) -> Optional[tuple[str, LocalizedText]]:
    """Where in a text that json can read a key stands twice or a number is none."""
    value = json.loads(
        data.decode(), object_pairs_hook=_Pairs, parse_float=_number, parse_int=_number, parse_constant=float
    )
    return _fault(value, "")


def _number(literal: str) -> float:
    return float(literal)  # 400 digits are infinite here; their exact value is nobody's matter


def _fault(value: Any, pointer: str) -> Optional[tuple[str, LocalizedText]]:
    """The first thing wrong in a value of at most 32 levels."""
    if isinstance(value, str):
        return _text_fault(value, pointer)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not isfinite(value):
            return pointer, LocalizedText("is no finite number", "不是有限的数值")
        if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            return pointer, LocalizedText(f"is an integer beyond {LARGEST_INTEGER}", f"整数超出 {LARGEST_INTEGER}")
        return None
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, _ in value:
            if key in seen:
                return pointed(pointer, key), LocalizedText("stands twice", "重复出现")
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


def _text_fault(text: str, pointer: str) -> Optional[tuple[str, LocalizedText]]:
    if len(text) > MOST_CHARACTERS:
        return pointer, LocalizedText(
            f"is a text of more than {MOST_CHARACTERS} characters", f"文本超过 {MOST_CHARACTERS} 个字符"
        )
    if _STRANGE.search(text):
        return pointer, LocalizedText("has a NUL character or half a surrogate pair", "含有 NUL 字符或半个代理对")
    return None
