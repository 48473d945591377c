"""Kinds of single values: what a field may hold, how it is read, how it is told.

Each kind is a value of the field table. `rule` ends the sentence "expected ..."; `words` name the kind to people;
`schema()` is its JSON Schema. Texts have a room of their own, `texts`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from minisched.model import LocalizedText, Secret
from minisched.timetable import DurationError, ScheduleError, ZoneError, load_zone, parse_duration, parse_schedule
from minisched.timetable.durations import MAX_DURATION_S
from minisched.timetable.durations import RULE as DURATION_RULE

from .problems import ParseContext, ValidationError, objection, refusal, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from enum import Enum

MAX_SIZE = 2**50  # 1 PB
MIN_WAIT_S = 0.1  # of limits and delays: shorter ones would make a busy loop

_DURATION = r"^(?=.)([0-9.]+d)?([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?$"
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(B|KB|MB|GB|TB)")
_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}


class FieldType(ABC):
    """How one value is read."""

    words = LocalizedText("", "")

    @property
    @abstractmethod
    def rule(self) -> LocalizedText:
        """What is expected; in Chinese it begins with a Chinese character, for it follows one. It is made when a value
        is refused, not with the table."""

    @abstractmethod
    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        """The value as the engine uses it. Raises ValidationError.

        base: what would hold if the field were absent; objects are laid over it, other kinds do not look at it.
        """

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """As JSON Schema 2020-12: never stricter than `read`, now and then less so."""


class Bool(FieldType):
    rule = LocalizedText("true or false", "布尔值 true 或 false")
    words = LocalizedText("true or false", "true 或 false")

    def read(self, value: Any, context: ParseContext, base: Any) -> bool:
        if value is True or value is False:
            return value
        raise refusal(value, self.rule)

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Integer(FieldType):
    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        words = LocalizedText(f"whole number, {low} to {high}", f"整数，{low} 至 {high}")
        self.words = words if low < high else LocalizedText(f"`{low}`", f"`{low}`")

    @property
    def rule(self) -> LocalizedText:
        if self.low == self.high:
            return LocalizedText(f"{self.low}", f"数字 {self.low}")
        return LocalizedText(f"a whole number from {self.low} to {self.high}", f"整数，{self.low} 至 {self.high}")

    def read(self, value: Any, context: ParseContext, base: Any) -> int:
        if type(value) is int and self.low <= value <= self.high:  # not isinstance: true is an int
            return value
        raise refusal(value, self.rule)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class Number(FieldType):
    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.words = LocalizedText(f"number, {low} to {high}", f"数字，{low} 至 {high}")

    @property
    def rule(self) -> LocalizedText:
        return LocalizedText(f"a number from {self.low} to {self.high}", f"数字，{self.low} 至 {self.high}")

    def read(self, value: Any, context: ParseContext, base: Any) -> float:
        if type(value) in (int, float) and self.low <= value <= self.high:  # NaN is in no range
            return float(value)
        raise refusal(value, self.rule)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.low, "maximum": self.high}


class Duration(FieldType):
    """Seconds, at least `low`; none over 366 days: longer waits overflow the C library's (FAULTS, T7)."""

    rule = DURATION_RULE

    def __init__(self, low: float = 0) -> None:
        self.low = low
        words = LocalizedText("duration", "时长")
        self.words = words.then(LocalizedText(f", at least {low}s", f"，至少 {low}s")) if low else words

    def read(self, value: Any, context: ParseContext, base: Any) -> float:
        key = ("duration", value) if isinstance(value, str) else None
        seconds: Optional[float] = context.memo.get(key)
        if seconds is None:
            try:
                seconds = parse_duration(value)
            except DurationError as error:
                raise refusal(value, error.rule) from None
            if key:
                context.memo[key] = seconds
        if seconds < self.low:
            raise refusal(value, self.rule.then(LocalizedText(f", of at least {self.low}s", f"，至少 {self.low}s")))
        return seconds

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": self.low, "maximum": MAX_DURATION_S}
        return {"anyOf": [number, {"type": "string", "pattern": _DURATION}]}


class Size(FieldType):
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

    def read(self, value: Any, context: ParseContext, base: Any) -> int:
        size: Any = value
        if isinstance(value, str):
            found = _SIZE.fullmatch(value)
            size = int(float(found[1]) * _UNITS[found[2]]) if found else None
        if type(size) is int and (self.low <= size <= MAX_SIZE or (self.or_zero and size == 0)):
            return size
        raise refusal(value, self.rule)

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.low, "maximum": MAX_SIZE}
        zero = [{"const": 0}] if self.or_zero else []
        return {"anyOf": [number, *zero, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]}


def one_of(words: Iterable[str], last: str = ", ") -> LocalizedText:
    """Which words may stand there. last: what stands before the last of several, in English."""
    *most, end = (f'"{word}"' for word in words)
    return LocalizedText(f"{', '.join(most)}{last if most else ''}{end}", f"以下之一：{'、'.join([*most, end])}")


class Choice(FieldType):
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

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        if isinstance(value, str) and value in self.values:
            return self.values[value]
        raise refusal(value, self.rule)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.values)}


class Zone(FieldType):
    """The name of a time zone that this machine knows. Each name is looked up once in a document."""

    rule = LocalizedText('an IANA time zone name such as "Europe/Berlin"', '时区的 IANA 名称，如 "Europe/Berlin"')
    words = LocalizedText("IANA time zone name", "IANA 时区名")

    def read(self, value: Any, context: ParseContext, base: Any) -> str:
        if not isinstance(value, str):
            raise refusal(value, self.rule)
        key = ("zone", value)
        if key not in context.memo:
            try:
                load_zone(value)
            except ZoneError as error:  # remembered too: the look for a near name takes 70 ms
                context.memo[key] = objection(error.words)
            else:
                context.memo[key] = value
        found: Union[str, ValidationError] = context.memo[key]
        if isinstance(found, ValidationError):
            raise ValidationError(found.faults)
        return found

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


class ScheduleText(FieldType):
    """The text of a schedule. Each text is parsed once in a document."""

    rule = LocalizedText(
        'a schedule such as "30 2 * * *", "@every 90s" or "@reboot"',
        '时间表，如 "30 2 * * *"、"@every 90s" 或 "@reboot"',
    )
    words = LocalizedText("schedule", "时间表")

    def read(self, value: Any, context: ParseContext, base: Any) -> str:
        if not isinstance(value, str):
            raise refusal(value, self.rule)
        key = ("schedule", value)
        if key not in context.memo:
            try:
                parse_schedule(value)
            except ScheduleError as error:
                raise objection(error.words) from None
            context.memo[key] = value
        return context.memo[key]  # type: ignore[no-any-return]

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": 1000}


TEXT_WORDS = LocalizedText("text", "文本")

_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"  # no line end: names go into logs and mail headers
_LINES = r"[^\x00\ud800-\udfff]"
_STRANGE = re.compile(r"\x00|[\ud800-\udfff]")


class Text(FieldType):
    """A text: of one line if not `lines`; of `least` to `most` characters; with `pattern`, only what matches it."""

    def __init__(
        self,
        rule: Optional[LocalizedText] = None,
        words: LocalizedText = TEXT_WORDS,
        pattern: Optional[str] = None,
        lines: bool = False,
        least: int = 0,
        most: int = 4096,
    ) -> None:
        self.words, self.pattern, self.least, self.most = words, pattern, least, most
        self.lines = lines
        self._rule = rule

    @property
    def rule(self) -> LocalizedText:
        if self._rule:
            return self._rule
        span = LocalizedText(f"{self.least} to", f"{self.least} 至") if self.least else LocalizedText("at most", "最多")
        return LocalizedText(
            f"a text of {span.en} {self.most} characters{'' if self.lines else ' on one line'}",
            f"{'' if self.lines else '单行'}文本，{span.zh} {self.most} 个字符",
        )

    @cached_property
    def _match(self) -> Callable[[str], object]:
        """Compiled by the first text that is read: most of the table's patterns meet none, and each takes 0.2 ms."""
        pattern = self.pattern or f"{_LINES if self.lines else _LINE}{{{self.least},{self.most}}}"
        return re.compile(pattern).fullmatch

    def read(self, value: Any, context: ParseContext, base: Any) -> str:
        if isinstance(value, str) and self._match(value):
            return value
        raise refusal(value, self.rule_for(value) or self.rule)

    def rule_for(self, value: Any) -> Optional[LocalizedText]:
        """The rule that is broken by what no text may hold: what cannot be passed on, stored or sent."""
        if isinstance(value, str) and _STRANGE.search(value):
            if "\0" in value:
                return LocalizedText("a text without a NUL character", "不含 NUL 字符的文本")
            return LocalizedText("a text without half a surrogate pair", "不含半个代理对的文本")
        return None

    def schema(self) -> dict[str, Any]:
        if self.pattern:
            return {"type": "string", "pattern": f"^(?:{self.pattern})$"}
        return {"type": "string", "maxLength": self.most, **({"minLength": self.least} if self.least else {})}


class Name(Text):
    """A text that occurs again and again: equal ones become one object."""

    def read(self, value: Any, context: ParseContext, base: Any) -> str:
        if isinstance(value, str) and self._match(value):
            return context.memo.setdefault(value, value)  # type: ignore[no-any-return]
        return super().read(value, context, base)  # it says what is wrong


class SecretText(FieldType):
    """A text, or where to find it: {"from_env": "NAME"} or {"from_file": "path"}.

    plain: a text stays a text, for values that are a secret only where the config says so (environment variables).
    redact: a text is shown as stars, by the API and in problems; if it is not said, that of what is not plain.
    """

    def __init__(
        self,
        text: Text,
        words: LocalizedText = TEXT_WORDS,
        plain: bool = False,
        redact: Optional[bool] = None,
    ) -> None:
        self.text, self.plain = text, plain
        self.redact = not plain if redact is None else redact
        self.words = words.then(LocalizedText(", or a secret's place", "，或密文的位置"))

    @property
    def rule(self) -> LocalizedText:
        places = LocalizedText(
            ', or {"from_env": "NAME"} or {"from_file": "path"}', '，或 {"from_env": "NAME"} 或 {"from_file": "path"}'
        )
        return self.text.rule.then(places)

    def read(self, value: Any, context: ParseContext, base: Any) -> Union[str, Secret]:
        if isinstance(value, dict):
            return self._place(value)
        try:
            text = self.text.read(value, context, base)
        except ValidationError:
            rule = self.text.rule_for(value) or self.rule
            raise refusal(value, rule, hidden=self.redact) from None
        return text if self.plain else Secret("text", text)

    def _place(self, value: Mapping[str, Any]) -> Secret:
        if len(value) == 1:
            (source, name), *_ = value.items()
            if source in PLACES:
                try:
                    return Secret(source, PLACES[source].read(name, ParseContext(), None))
                except ValidationError as wrong:
                    raise ValidationError([fault.inside(source) for fault in wrong.faults]) from None
        raise refusal(value, self.rule, hidden=self.redact)

    def schema(self) -> dict[str, Any]:
        places = [
            {"type": "object", "properties": {name: kind.schema()}, "required": [name], "additionalProperties": False}
            for name, kind in PLACES.items()
        ]
        return {"anyOf": [self.text.schema(), *places]}


class Template(FieldType):
    """A text with `{{ variable }}` in it; with `json`, also an object whose texts are templates."""

    def __init__(self, variables: tuple[str, ...], lines: bool = True, json: bool = False) -> None:
        self.text = Text(lines=lines, most=65536)
        self.variables, self.json = variables, json
        words = LocalizedText("template", "模板")
        self.words = words.then(LocalizedText(", or an object of templates", "，或由模板组成的对象")) if json else words

    @property
    def rule(self) -> LocalizedText:
        of_templates = LocalizedText(", or an object whose texts are templates", "，或其中文本均为模板的对象")
        return self.text.rule.then(of_templates) if self.json else self.text.rule

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        if not isinstance(value, dict) or not self.json:
            try:
                self._check(value, context)
            except ValidationError as wrong:
                raise (wrong if isinstance(value, str) else refusal(value, self.rule)) from None
            return value
        inside: list[Any] = [value]  # a stack of our own: how deep it goes is no matter of this kind
        while inside:
            item = inside.pop()
            if isinstance(item, dict):
                inside.extend(reversed(item.values()))
                for key in item:
                    self.text.read(key, context, None)
            elif isinstance(item, list):
                inside.extend(reversed(item))
            elif isinstance(item, str):
                self._check(item, context)
        return value

    def _check(self, value: Any, context: ParseContext) -> None:
        for name in _variables(self.text.read(value, context, None)):
            if name not in self.variables:
                unknown = LocalizedText(f"unknown template variable {show(name)}", f"未知模板变量 {show(name)}")
                raise objection(unknown.then(context.hint_or_all(name, self.variables)))

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "object"]} if self.json else {"type": "string"}


def _variables(text: str) -> Iterator[str]:
    """What stands in `{{ }}`. By no pattern: each `{{` without its end would be one more way through all that follows,
    and so would each blank."""
    start = text.find("{{")
    while start >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            return
        yield text[start + 2 : end].strip()
        start = text.find("{{", end + 2)


ENV_NAME = Text(
    LocalizedText('the name of an environment variable: letters, digits and "_"', '环境变量名：字母、数字和 "_"'),
    LocalizedText("name", "名称"),
    "[A-Za-z_][A-Za-z0-9_]{0,255}",
)
PATH = Text(
    LocalizedText("a path without control characters", "不含控制字符的路径"), LocalizedText("path", "路径"), least=1
)
PLACES = {"from_env": ENV_NAME, "from_file": PATH}
