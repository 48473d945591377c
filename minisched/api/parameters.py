"""Kinds of query parameters: how their text is read, and how they are told in OpenAPI."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
import re
from datetime import tzinfo
from typing import Any, NamedTuple, Protocol

from minisched.model import Word
from minisched.timetable import parse_time

MOST_CHARACTERS = 1000  # of one parameter; the request line has 2 KiB as a whole


class ParameterKind(Protocol):
    rule: str  # ends the sentence "expected ..."

    def read(self, text: str, zone: tzinfo) -> Any:
        """The value; a time without an offset is one of `zone`. Raises ValueError."""

    def schema(self) -> dict[str, Any]: ...


class IntParam:
    """A whole number from `low` to `high`, in plain digits."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.rule = f"a whole number from {low} to {high}"

    def read(self, text: str, zone: tzinfo) -> int:
        if re.fullmatch(r"[0-9]{1,18}", text) and self.low <= int(text) <= self.high:
            return int(text)
        raise ValueError(self.rule)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class EnumParam:
    """One or more words of an enum, separated by commas."""

    def __init__(self, kind: type[Word]) -> None:
        self.kind = kind
        self.words = [word.value for word in kind]
        self.rule = f"words out of {', '.join(self.words)}, separated by commas"

    def read(self, text: str, zone: tzinfo) -> tuple[Word, ...]:
        words = text.split(",")
        if len(words) > len(self.words) or not all(word in self.words for word in words):
            raise ValueError(self.rule)
        return tuple(self.kind(word) for word in words)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"enum": self.words}, "minItems": 1, "maxItems": len(self.words)}


class StrParam:
    """Any text; with a pattern, what matches it as a whole."""

    def __init__(self, pattern: str = "", rule: str = "", most: int = MOST_CHARACTERS) -> None:
        self.pattern, self.most = pattern, most
        self.rule = rule or f"a text of at most {most} characters"

    def read(self, text: str, zone: tzinfo) -> str:
        if len(text) > self.most or (self.pattern and not re.fullmatch(self.pattern, text)):
            raise ValueError(self.rule)
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", **({"pattern": f"^{self.pattern}$"} if self.pattern else {"maxLength": self.most})}


class Time:
    """ISO 8601, as `2026-11-23T02:30:00+08:00`; without an offset in the time zone of the engine."""

    rule = "an ISO 8601 time such as 2026-11-23 or 2026-11-23T02:30:00+08:00 (a + in a query is written %2B)"

    def read(self, text: str, zone: tzinfo) -> float:
        try:
            return parse_time(text, zone)
        except ValueError:
            raise ValueError(self.rule) from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}


class BoolParam:
    """1 or 0."""

    rule = "1 or 0"

    def read(self, text: str, zone: tzinfo) -> bool:
        if text not in ("0", "1"):
            raise ValueError(self.rule)
        return text == "1"

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "enum": [0, 1]}


class Parameter(NamedTuple):
    """A row of the route table. `default` is the value where the request has none; `many`: it may be repeated, and the
    value is a tuple."""

    name: str
    kind: ParameterKind
    help: str
    default: Any = None
    many: bool = False
    required: bool = False
