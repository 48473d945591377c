"""The body of a request: JSON as strict as the config's; errors name the place as a JSON pointer."""

from __future__ import annotations

from typing import Any

from minisched.api.errors import Refused
from minisched.catalogue import CHINESE, render
from minisched.config.strict_json import parse
from minisched.model import LocalizedText, Text


def read_body(data: bytes) -> dict[str, Any]:
    """The object of a body. Raises Refused."""
    document, errors = parse(data, portable=True)
    if errors:
        raise bad_body(errors[0].pointer, localized(errors[0].located_text))
    if not isinstance(document, dict):
        raise bad_body("", LocalizedText("is no object", "不是对象"))
    return document


def bad_body(pointer: str, words: LocalizedText) -> Refused:
    """pointer: RFC 6901, "" is the whole."""
    told = LocalizedText(f'body, at "{pointer}": {words.en}', f'请求内容 "{pointer}" 处：{words.zh}')
    return Refused("bad_request", told.en, pointer=pointer, words=told._asdict())


def pointed(pointer: str, key: object) -> str:
    """The pointer to a member (RFC 6901: ~ and / are escaped)."""
    text = str(key)[:100].replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{text}"


def localized(text: Text) -> LocalizedText:
    return LocalizedText(render(text), render(text, CHINESE))
