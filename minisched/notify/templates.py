"""Templates: `{{ name }}` becomes a value. Pure. A value is data wherever it lands, and is never looked at again.

Nothing of Python's own formatting is used: `str.format` walks from a value to its class and on to every global, and one
width in a template takes all memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Callable, Union

from minisched.config.notify_fields import STRING_OR_VARIABLE, VARIABLE
from minisched.model.text import visible

LINE_MAX = 200  # characters of a subject, title or header: more is cut or refused by servers
TAIL_MAX = 16 * 1024  # bytes of a log tail
CUT = "..."

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_NO_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # all that ends a line somewhere, and other controls
_HALF = re.compile(r"[\ud800-\udfff]")


def fill(template: str, values: Mapping[str, str], quote: Callable[[str], str] = str) -> str:
    """The text with its variables filled in, each through `quote`. A name that is not in `values` stays as it stands;
    the config lets none through."""
    return re.sub(VARIABLE, lambda found: quote(values[found[1]]) if found[1] in values else found[0], template)


def fill_line(template: str, values: Mapping[str, str]) -> str:
    """As `fill`, for what must be one line: a subject, a title, a header."""
    return one_line(fill(template, values))


def fill_json(template: Any, values: Mapping[str, str]) -> Any:
    """A JSON value with the variables in its texts filled in. The keys stay: they are the receiver's words."""
    if isinstance(template, str):
        return fill(template, values)
    if isinstance(template, list):
        return [fill_json(item, values) for item in template]
    if isinstance(template, dict):
        return {key: fill_json(item, values) for key, item in template.items()}
    return template


def fill_json_text(template: str, values: Mapping[str, str]) -> str:
    """JSON, or a JSON on each line, filled in so that it stays so whatever the values hold: within a text they are
    escaped; elsewhere a number stays one, nothing becomes `null`, and all else a text."""

    def place(found: re.Match[str]) -> str:
        if found[1]:
            return fill(found[1], values, lambda value: to_json(value)[1:-1])
        value = values.get(found[2], "")
        return value if _NUMBER.fullmatch(value) else to_json(value) if value else "null"

    # No text of JSON goes over a line: a quote that one line has too many turns nothing round in the others.
    return "\n".join(re.sub(STRING_OR_VARIABLE, place, line) for line in template.split("\n"))


def to_json(value: Any) -> str:
    """JSON on one line. Half a surrogate pair, which neither UTF-8 nor strict JSON can carry, is shown as `\\ud800`."""
    return _HALF.sub(lambda half: f"\\\\u{ord(half[0]):04x}", json.dumps(value, ensure_ascii=False))


def one_line(text: str, most: int = LINE_MAX) -> str:
    """The text on one line: line ends and control characters become blanks; cut to `most` characters."""
    line = _NO_LINE.sub(" ", text).strip()
    return line if len(line) <= most else line[: most - len(CUT)] + CUT


def visible_values(values: Mapping[str, str]) -> dict[str, str]:
    """The variables as templates get them: part of them was written by a task."""
    return {name: visible(value) for name, value in values.items()}


def log_tail(output: Union[bytes, str], max_lines: int, max_bytes: int = TAIL_MAX) -> str:
    """The last whole lines of a run's output: at most `max_lines` of them and `max_bytes` of UTF-8, without control
    characters. Bytes that are as long as the limit or longer were cut somewhere: their first line is no whole one.
    If one line alone is longer than the limit, its end is kept, marked."""
    text = output.decode("utf-8", "backslashreplace") if isinstance(output, bytes) else output
    text = visible(text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    lines = text.split("\n")
    if len(output) >= max_bytes and len(lines) > 1:
        del lines[0]
    kept = "\n".join(lines[-max_lines:]) if max_lines > 0 else ""
    return last_lines(kept, max_bytes)


def last_lines(text: str, max_bytes: int) -> str:
    """The last whole lines of a text that fit into so many bytes of UTF-8."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= max_bytes:
        return text
    data = data[len(data) - max_bytes - 1 :]  # with one byte more: the cut may fall between two lines
    _, end, rest = data.partition(b"\n")
    if end and rest:
        return rest.decode("utf-8", "ignore")
    room = max_bytes - len(CUT)
    return CUT + data[-room:].decode("utf-8", "ignore") if room > 0 else ""
