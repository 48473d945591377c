"""Kinds of single values: what a field may hold, how it is read, how it is told.

Each kind is a value of the field table. `rule` ends the sentence "expected ..."; `words` name the kind to people;
`schema()` is its JSON Schema. Texts have a room of their own, `texts`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Optional, Union

from minisched.model import LocalizedText
from minisched.timetable import DurationError, ScheduleError, ZoneError, load_zone, parse_duration, parse_schedule
from minisched.timetable.durations import RULE as DURATION_RULE

from .problems import Reading, Wrong, objection, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import Enum

LONGEST_DURATION_S = 366 * 86400  # as `parse_duration` has it
LARGEST_SIZE = 2**50  # 1 PB

_DURATION = r"^(?=.)([0-9.]+d)?([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?$"
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(B|KB|MB|GB|TB)")
_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}


class Kind(ABC):
    """How one value is read."""

    words = LocalizedText("", "")

    @property
    @abstractmethod
    def rule(self) -> LocalizedText:
        """What is expected; in Chinese it begins with a Chinese character, for it follows one. It is made when a value
        is refused, not with the table."""

    @abstractmethod
    def read(self, value: Any, reading: Reading, base: Any) -> Any:
        """The value as the engine uses it. Raises Wrong.

        base: what would hold if the field were absent; objects are laid over it, other kinds do not look at it.
        """

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """As JSON Schema 2020-12: never stricter than `read`, now and then less so."""


class Bool(Kind):
    rule = LocalizedText("true or false", "布尔值 true 或 false")
    words = LocalizedText("true or false", "true 或 false")

    def read(self, value: Any, reading: Reading, base: Any) -> bool:
        if value is True or value is False:
            return value
        raise refusal(value, self.rule)

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Integer(Kind):
    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        words = LocalizedText(f"whole number, {low} to {high}", f"整数，{low} 至 {high}")
        self.words = words if low < high else LocalizedText(f"`{low}`", f"`{low}`")

    @property
    def rule(self) -> LocalizedText:
        if self.low == self.high:
            return LocalizedText(f"{self.low}", f"数字 {self.low}")
        return LocalizedText(f"a whole number from {self.low} to {self.high}", f"整数，{self.low} 至 {self.high}")

    def read(self, value: Any, reading: Reading, base: Any) -> int:
        if type(value) is int and self.low <= value <= self.high:  # not isinstance: true is an int
            return value
        raise refusal(value, self.rule)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class Number(Kind):
    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.words = LocalizedText(f"number, {low} to {high}", f"数字，{low} 至 {high}")

    @property
    def rule(self) -> LocalizedText:
        return LocalizedText(f"a number from {self.low} to {self.high}", f"数字，{self.low} 至 {self.high}")

    def read(self, value: Any, reading: Reading, base: Any) -> float:
        if type(value) in (int, float) and self.low <= value <= self.high:  # NaN is in no range
            return float(value)
        raise refusal(value, self.rule)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.low, "maximum": self.high}


class Duration(Kind):
    """Seconds, at least `low`; none over 366 days: longer waits overflow the C library's (FAULTS, T7)."""

    rule = DURATION_RULE

    def __init__(self, low: float = 0) -> None:
        self.low = low
        words = LocalizedText("duration", "时长")
        self.words = words.then(LocalizedText(f", at least {low}s", f"，至少 {low}s")) if low else words

    def read(self, value: Any, reading: Reading, base: Any) -> float:
        key = ("duration", value) if isinstance(value, str) else None
        seconds: Optional[float] = reading.memo.get(key)
        if seconds is None:
            try:
                seconds = parse_duration(value)
            except DurationError as error:
                raise refusal(value, error.rule) from None
            if key:
                reading.memo[key] = seconds
        if seconds < self.low:
            raise refusal(value, self.rule.then(LocalizedText(f", of at least {self.low}s", f"，至少 {self.low}s")))
        return seconds

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": self.low, "maximum": LONGEST_DURATION_S}
        return {"anyOf": [number, {"type": "string", "pattern": _DURATION}]}


class Size(Kind):
    """Bytes: a whole number, or text with a unit; a KB is 1024 bytes, as where memory and files are counted. At least
    `low`; with `or_zero` also 0, for none."""

    words = LocalizedText("size", "大小")

    def __init__(self, low: int, or_zero: bool = False) -> None:
        self.low, self.or_zero = low, or_zero
        self.least = f"{low // 2**20}MB" if low >= 2**20 else str(low)
        if or_zero:
            self.words = LocalizedText(f"size, at least {self.least}, or 0", f"大小，至少 {self.least}，或 0")

    @property
    def rule(self) -> LocalizedText:
        rule = LocalizedText(
            f'a size such as 1048576 or "10MB", of at least {self.least}',
            f'大小，如 1048576 或 "10MB"，至少 {self.least}',
        )
        return rule.then(LocalizedText(", or 0", "，或 0")) if self.or_zero else rule

    def read(self, value: Any, reading: Reading, base: Any) -> int:
        size: Any = value
        if isinstance(value, str):
            found = _SIZE.fullmatch(value)
            size = int(float(found[1]) * _UNITS[found[2]]) if found else None
        if type(size) is int and (self.low <= size <= LARGEST_SIZE or (self.or_zero and size == 0)):
            return size
        raise refusal(value, self.rule)

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.low, "maximum": LARGEST_SIZE}
        zero = [{"const": 0}] if self.or_zero else []
        return {"anyOf": [number, *zero, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]}


def one_of(words: Iterable[str], last: str = ", ") -> LocalizedText:
    """Which words may stand there. last: what stands before the last of several, in English."""
    *most, end = (f'"{word}"' for word in words)
    return LocalizedText(f"{', '.join(most)}{last if most else ''}{end}", f"以下之一：{'、'.join([*most, end])}")


class Choice(Kind):
    """One of some words; an enum's members are read as such."""

    def __init__(self, *choices: Union[str, type[Enum]]) -> None:
        self.values: dict[str, Any] = {}
        for choice in choices:
            self.values.update({choice: choice} if isinstance(choice, str) else {str(word): word for word in choice})
        values = " · ".join(f"`{word}`" for word in self.values)
        self.words = LocalizedText(values, values)

    @property
    def rule(self) -> LocalizedText:
        return one_of(self.values, " or ")

    def read(self, value: Any, reading: Reading, base: Any) -> Any:
        if isinstance(value, str) and value in self.values:
            return self.values[value]
        raise refusal(value, self.rule)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.values)}


class Zone(Kind):
    """The name of a time zone that this machine knows. Each name is looked up once in a reading."""

    rule = LocalizedText('an IANA time zone name such as "Europe/Berlin"', '时区的 IANA 名称，如 "Europe/Berlin"')
    words = LocalizedText("IANA time zone name", "IANA 时区名")

    def read(self, value: Any, reading: Reading, base: Any) -> str:
        if not isinstance(value, str):
            raise refusal(value, self.rule)
        key = ("zone", value)
        if key not in reading.memo:
            try:
                load_zone(value)
            except ZoneError as error:  # remembered too: the look for a near name takes 70 ms
                reading.memo[key] = objection(error.words)
            else:
                reading.memo[key] = value
        found: Union[str, Wrong] = reading.memo[key]
        if isinstance(found, Wrong):
            raise Wrong(found.faults)
        return found

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


class ScheduleText(Kind):
    """The text of a schedule. Each text is parsed once in a reading."""

    rule = LocalizedText(
        'a schedule such as "30 2 * * *", "@every 90s" or "@reboot"',
        '时间表，如 "30 2 * * *"、"@every 90s" 或 "@reboot"',
    )
    words = LocalizedText("schedule", "时间表")

    def read(self, value: Any, reading: Reading, base: Any) -> str:
        if not isinstance(value, str):
            raise refusal(value, self.rule)
        key = ("schedule", value)
        if key not in reading.memo:
            try:
                parse_schedule(value)
            except ScheduleError as error:
                raise objection(error.words) from None
            reading.memo[key] = value
        return reading.memo[key]  # type: ignore[no-any-return]

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": 1000}
