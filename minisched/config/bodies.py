"""What the body of a webhook is: told by its Content-Type and by its template. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .strict_json import loads

VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
# A string without its end goes to the end of the text: else each quote in it would be tried for a beginning.
STRING_OR_VARIABLE = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*"?)|' + VARIABLE.pattern, re.DOTALL)


def media_type(headers: Mapping[str, object]) -> str:
    """The media type that a channel's own headers name; "" where none does, or only the environment knows."""
    found = [value for name, value in headers.items() if name.lower() == "content-type" and isinstance(value, str)]
    return found[0].partition(";")[0].strip().lower() if found else ""


def is_json(template: str, kinds: tuple[type, ...] = (dict, list)) -> bool:
    """Whether a text is a template of JSON, of an object or array if not of another kind, wherever its variables stand
    in it."""
    try:
        return isinstance(loads(STRING_OR_VARIABLE.sub(lambda found: found[1] or "0", template)), kinds)
    except ValueError:
        return False


def is_broken(template: object, headers: Mapping[str, object]) -> bool:
    """Whether a text is no JSON though its type says that all of it is. Types such as `application/x-ndjson` hold one
    on each line."""
    kind = media_type(headers)
    whole = kind.endswith(("/json", "+json"))
    return whole and isinstance(template, str) and not is_json(template, (object,))
