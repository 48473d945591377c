"""Types of single values: what a field may hold, how it is read and checked, and its JSON Schema.

Each type is a value in the field table. `rule` completes the sentence "expected ..."; `type_name` names the type in
the reference and in the page's form.
"""

from __future__ import annotations

import codecs
import re
from abc import ABC, abstractmethod
from functools import cached_property

from minisched.model import FieldError, Secret, Text, TextError
from minisched.model.text import size_text
from minisched.put_off import lazy_pattern
from minisched.timetable import DurationError, load_zone, parse_duration, parse_schedule
from minisched.timetable.durations import MAX_DURATION_S, duration_rule

from .problems import MAX_SHOWN, ParseContext, ValidationError, invalid, printable, rejected, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from enum import Enum
    from typing import Any, Callable, Optional, Union

MAX_SIZE = 2**50  # 1 PB
MIN_WAIT_S = 0.1  # of limits and delays: shorter ones would make a busy loop

_DURATION = r"^(?=.)([0-9.]+d)?([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?$"
_SIZE = lazy_pattern(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(B|KB|MB|GB|TB)")
_LIKE_SIZE = lazy_pattern(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kKmMgGtT]?)[iI]?[bB]?")
_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"  # no line ends: names go into logs and mail headers
_LINES = r"[^\x00\ud800-\udfff]"
ESCAPED = "{{{{"  # in a template: the text "{{"
_UNSTORABLE = lazy_pattern(r"\x00|[\ud800-\udfff]")


class FieldType(ABC):
    """How one value is read. `rule` and `type_name` are made when they are read: a valid config needs neither."""

    has_parts = False  # it is a list or an object

    @property
    @abstractmethod
    def rule(self) -> Text:
        """What is expected. Its Chinese starts with a Chinese character, because it follows one."""

    @property
    @abstractmethod
    def type_name(self) -> Text:
        """The type in few words."""

    @abstractmethod
    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        """The value as the engine uses it. Raises ValidationError.

        base: the value that holds if the field is absent. Objects are merged into it; other types ignore it.
        """

    def read_shared(self, value: Any, context: ParseContext, base: Any) -> Any:
        """As `read`, but equal values, written the same over the same base, are read once and become one object."""
        # The base is kept with the values, so that no other object gets its id while the key is in use.
        known, _ = context.memo.setdefault((self, id(base)), ({}, base))
        written = value if isinstance(value, str) else repr(value).encode()  # no text equals another value's
        if written not in known:
            known[written] = self.read(value, context, base)
        return known[written]

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """As JSON Schema 2020-12: never stricter than `read`, sometimes more lenient."""


class Bool(FieldType):
    rule = Text("config.rule.bool")
    type_name = Text("config.type.bool")

    def read(self, value: Any, context: ParseContext, base: Any) -> bool:
        if value is True or value is False:
            return value
        words = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
        meant = words.get(value.strip().lower(), "") if isinstance(value, str) else ""
        raise invalid(value, Text("config.rule.unquoted", rule=self.rule, value=meant) if meant else self.rule)

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Number(FieldType):
    kind = "number"
    types: tuple[type, ...] = (int, float)  # that are accepted; it is read as the last of them

    def __init__(self, low: int, high: int) -> None:
        self.min, self.max = low, high

    @property
    def rule(self) -> Text:
        return self._text("rule")

    @property
    def type_name(self) -> Text:
        return self._text("type")

    def _text(self, area: str) -> Text:
        if self.min == self.max:
            return Text(f"config.{area}.constant", value=self.min)
        return Text(f"config.{area}.{self.kind}", min=self.min, max=self.max)

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        # Not isinstance: True is an int. The comparison is false for NaN.
        if type(value) in self.types and self.min <= value <= self.max:
            return self.types[-1](value)
        raise invalid(value, unquoted(value, self.rule))

    def schema(self) -> dict[str, Any]:
        return {"type": self.kind, "minimum": self.min, "maximum": self.max}


class Integer(Number):
    kind = "integer"
    types = (int,)


def unquoted(value: Any, rule: Text) -> Text:
    """The rule of a number, with the value as it is written, if it is one in quotes."""
    is_number = isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", value.strip())
    return Text("config.rule.unquoted", rule=rule, value=value.strip()) if is_number else rule


class Duration(FieldType):
    """Seconds, from `low` to MAX_DURATION_S."""

    rule = Text("schedules.duration")

    def __init__(self, low: float = 0) -> None:
        self.min = low

    @property
    def type_name(self) -> Text:
        return Text("config.type.duration_min", min=self.min) if self.min else Text("config.type.duration")

    def read(self, value: Any, context: ParseContext, base: Any) -> float:
        key = ("duration", value) if isinstance(value, str) else None
        seconds: Optional[float] = context.memo.get(key)
        if seconds is None:
            try:
                seconds = parse_duration(value)
            except DurationError as error:
                plain = error.rule == Duration.rule
                rule = duration_rule(value) if plain and isinstance(value, str) else error.rule
                raise invalid(value, rule if rule.values or self.rule == Duration.rule else self.rule) from None
            if key:
                context.memo[key] = seconds
        if seconds < self.min:
            raise invalid(value, Text("schedules.duration.min", min=self.min))
        return seconds

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": self.min, "maximum": MAX_DURATION_S}
        return {"anyOf": [number, {"type": "string", "pattern": _DURATION}]}


class Size(FieldType):
    """Bytes: a whole number, or a text with a unit; a KB is 1024 bytes, as in the sizes of memory. At least `low`; with
    `or_zero` also 0, for none."""

    def __init__(self, low: int, or_zero: bool = False) -> None:
        self.min, self.or_zero = low, or_zero

    @property
    def rule(self) -> Text:
        return Text(f"config.rule.size{'_or_zero' * self.or_zero}", min=self._min_text)

    @property
    def type_name(self) -> Text:
        return Text("config.type.size_or_zero", min=self._min_text) if self.or_zero else Text("config.type.size")

    @property
    def _min_text(self) -> str:
        return size_text(self.min)

    def read(self, value: Any, context: ParseContext, base: Any) -> int:
        size: Any = value
        if isinstance(value, str):
            found = _SIZE.fullmatch(value)
            size = int(float(found[1]) * _UNITS[found[2]]) if found else None
        if type(size) is int and (self.min <= size <= MAX_SIZE or (self.or_zero and size == 0)):
            return size
        meant = _LIKE_SIZE.fullmatch(value.replace(" ", "")) if isinstance(value, str) and size is None else None
        written = f"{meant[1]}{meant[2].upper()}B" if meant else ""
        raise invalid(value, Text("config.rule.written", rule=self.rule, value=written) if meant else self.rule)

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.min, "maximum": MAX_SIZE}
        zero = [{"const": 0}] if self.or_zero else []
        return {"anyOf": [number, *zero, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]}


class Choice(FieldType):
    """One of some words. An enum's members are read as such."""

    def __init__(self, *choices: Union[str, type[Enum]]) -> None:
        self.values: dict[str, Any] = {}
        for choice in choices:
            self.values.update({choice: choice} if isinstance(choice, str) else {str(word): word for word in choice})

    @property
    def rule(self) -> Text:
        return one_of(self.values)

    @property
    def type_name(self) -> Text:
        return Text("config.type.choice", words=" · ".join(f"`{word}`" for word in self.values))

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        if isinstance(value, str) and value in self.values:
            return self.values[value]
        raise invalid(value, self.rule)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.values)}


def one_of(words: Iterable[str]) -> Text:
    """`"a", "b" or "c"`."""
    *first, last = (f'"{word}"' for word in words)
    return Text("config.rule.choice", words=first, last=last) if first else Text("config.rule.single", word=last)


class CheckedText(FieldType):
    """A text that `check` takes. Each text is checked once in a document, also a wrong one."""

    @abstractmethod
    def check(self, value: str, context: ParseContext) -> object:
        """Raises TextError."""

    def read(self, value: Any, context: ParseContext, base: Any) -> str:
        if not isinstance(value, str):
            raise invalid(value, self.rule)
        known: dict[str, Union[str, Text]] = context.memo.setdefault(type(self), {})
        if value not in known:
            known[value] = value
            try:
                self.check(value, context)
            except TextError as error:
                known[value] = error.text
        found = known[value]
        if isinstance(found, Text):
            raise rejected(found)
        return found


class Zone(CheckedText):
    """The name of a time zone that this machine knows."""

    rule = Text("config.rule.zone")
    type_name = Text("config.type.zone")

    def check(self, value: str, context: ParseContext) -> object:
        return load_zone(value, context.take_hint)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[!-~]+$"}


class ScheduleText(CheckedText):
    """The text of a schedule."""

    rule = Text("config.rule.schedule")
    type_name = Text("config.type.schedule")

    def check(self, value: str, context: ParseContext) -> object:
        return parse_schedule(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": 1000}


class String(FieldType):
    """A text of `min_length` to `max_length` characters, on one line unless `lines`; or one that matches `pattern`.

    name: of the rule in the catalogue, `config.rule.<name>`; type_name: likewise.
    shared: equal texts become one object, for texts that occur in many tasks.
    """

    def __init__(
        self,
        name: str = "",
        pattern: str = "",
        type_name: str = "text",
        lines: bool = False,
        min_length: int = 0,
        max_length: int = 4096,
        shared: bool = False,
    ) -> None:
        self.name, self.pattern, self.lines, self.shared = name, pattern, lines, shared
        self.min_length, self.max_length = min_length, max_length
        self._type_name = type_name

    @property
    def rule(self) -> Text:
        if self.name:
            return Text(f"config.rule.{self.name}")
        code = f"config.rule.{'text' if self.lines else 'line'}{'_min' * bool(self.min_length)}"
        return Text(code, min=self.min_length, max=self.max_length)

    @property
    def type_name(self) -> Text:
        return Text(f"config.type.{self._type_name}")

    @cached_property
    def _match(self) -> Callable[[str], object]:
        """Compiled for the first text: most patterns of the table are never used, and each takes 0.2 ms."""
        pattern = self.pattern or f"{_LINES if self.lines else _LINE}{{{self.min_length},{self.max_length}}}"
        return re.compile(pattern).fullmatch

    def read(self, value: Any, context: ParseContext, base: Any) -> str:
        if isinstance(value, str) and (self._is_plain(value) or self._match(value)):
            return context.memo.setdefault(value, value) if self.shared else value
        raise invalid(value, self.rule_for(value) or self.rule)

    def _is_plain(self, value: str) -> bool:
        """A text that needs no pattern, as most are: printable ASCII."""
        is_line = not self.pattern and value.isascii() and value.isprintable()
        return is_line and self.min_length <= len(value) <= self.max_length

    def rule_for(self, value: Any) -> Optional[Text]:
        """The rule against characters that cannot be passed on, stored or sent, if the value breaks that one."""
        if isinstance(value, str) and _UNSTORABLE.search(value):
            return Text("config.rule.no_nul" if "\0" in value else "config.rule.no_surrogate")
        if type(value) in (int, float, bool) and not self.name and self._match(show(value)):
            return Text("config.rule.quoted", text=show(value))
        return None

    def schema(self) -> dict[str, Any]:
        if self.pattern:
            return {"type": "string", "pattern": f"^(?:{self.pattern})$"}
        return {
            "type": "string",
            "maxLength": self.max_length,
            **({"minLength": self.min_length} if self.min_length else {}),
        }


class Encoding(String):
    """The name of a text encoding that Python knows; names of UTF-8 are read as "utf-8"."""

    def __init__(self) -> None:
        super().__init__("encoding", "[A-Za-z0-9][A-Za-z0-9._-]{0,39}", "encoding")

    def read(self, value: Any, context: ParseContext, base: Any) -> str:
        if value == "utf-8":
            return "utf-8"
        key = ("encoding", super().read(value, context, base))
        if key not in context.memo:
            try:
                found = codecs.lookup(value)
                # LookupError for base64 and the like, which are no text encodings.
                bytes(range(256)).decode(value, "backslashreplace")
                # None that fails on output: UTF-16 without an order needs a first mark.
                codecs.getincrementaldecoder(value)("backslashreplace").decode(bytes(range(256)), True)
            except Exception:  # what a codec raises for bytes or an error handler that it does not know
                raise invalid(value, self.rule) from None
            context.memo[key] = "utf-8" if found.name == "utf-8" else value
        name: str = context.memo[key]
        return name


class SecretString(FieldType):
    """A text, or where to find it: {"from_env": "NAME"} or {"from_file": "path"}.

    plain: a text is read as `str`, not as a `Secret`: for values that may be a secret (environment variables).
    redacted: a text is shown as stars, in the API and in errors; by default unless `plain`.
    """

    def __init__(
        self, text: String, type_name: str = "text", plain: bool = False, redacted: Optional[bool] = None
    ) -> None:
        self.text, self.plain = text, plain
        self.redacted = not plain if redacted is None else redacted
        self._type_name = type_name

    @property
    def rule(self) -> Text:
        return Text("config.rule.secret", rule=self.text.rule)

    @property
    def type_name(self) -> Text:
        return Text("config.type.secret", type=Text(f"config.type.{self._type_name}"))

    def read(self, value: Any, context: ParseContext, base: Any) -> Union[str, Secret]:
        if isinstance(value, dict):
            return self._read_source(value)
        try:
            text = self.text.read(value, context, base)
        except ValidationError:
            rule = self.text.rule_for(value) if isinstance(value, str) or not self.redacted else None
            raise invalid(value, rule or self.rule, hidden=self.redacted) from None
        return text if self.plain else Secret("text", text)

    def _read_source(self, value: Mapping[str, Any]) -> Secret:
        if len(value) == 1:
            (source, name), *_ = value.items()
            if source in SECRET_SOURCES:
                try:
                    return Secret(source, SECRET_SOURCES[source].read(name, ParseContext(), None))
                except ValidationError as error:
                    raise ValidationError(each.inside(source) for each in error.errors) from None
        raise invalid(value, self.rule, hidden=self.redacted)

    def schema(self) -> dict[str, Any]:
        sources = [
            {"type": "object", "properties": {name: each.schema()}, "required": [name], "additionalProperties": False}
            for name, each in SECRET_SOURCES.items()
        ]
        return {"anyOf": [self.text.schema(), *sources]}


class Template(FieldType):
    """A text with `{{ variable }}` in it; with `json`, also an object whose texts are templates."""

    def __init__(self, variables: tuple[str, ...], lines: bool = True, json: bool = False) -> None:
        self.text = String(lines=lines, max_length=65536)
        self.variables, self.json = variables, json

    @property
    def rule(self) -> Text:
        return Text("config.rule.template_object", rule=self.text.rule) if self.json else self.text.rule

    @property
    def type_name(self) -> Text:
        return Text("config.type.template_object" if self.json else "config.type.template")

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        if not isinstance(value, dict) or not self.json:
            try:
                self._check(value, context)
            except ValidationError as error:
                raise (error if isinstance(value, str) else invalid(value, self.rule)) from None
            return value
        inside: list[Any] = [value]  # a stack, not recursion: a template may be nested deeply
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
                hint = context.hint(name, self.variables)
                raise rejected(Text("config.unknown_variable", name=show(name), hint=hint))
        # In JSON "}}" closes two objects: it is half of a variable only behind a single brace and a name.
        for found in re.finditer(r"(?<!\{)\{\s*(\w+)\s*\}\}", value) if "}}" in value else ():
            if found[1] in self.variables:
                raise _half_open(value, found.start(), found.end())

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "object"]} if self.json else {"type": "string"}


def _variables(text: str) -> Iterator[str]:
    """The names in `{{ }}`. Not a regular expression: with many unclosed `{{` its time would grow with their square."""
    start = text.find("{{")
    while start >= 0:
        if text.startswith(ESCAPED, start):
            start = text.find("{{", start + len(ESCAPED))
            continue
        end = text.find("}}", start + 2)
        if end < 0:
            raise _half_open(text, start, start + MAX_SHOWN)
        yield text[start + 2 : end].strip()
        start = text.find("{{", end + 2)


def _half_open(text: str, start: int, end: int) -> ValidationError:
    found = printable(text[start : min(end, start + MAX_SHOWN)])
    return ValidationError([FieldError("", Text("config.half_open", text=show(text), found=found))])


ENV_NAME = String("env_name", "[A-Za-z_][A-Za-z0-9_]{0,255}", "name")
PATH = String("path", type_name="path", min_length=1)
# What every task needs is no secret: the task that named it would take it from all others.
NEEDED_BY_ALL = "PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ"
SECRET_ENV_NAME = String("secret_env_name", f"(?!(?:{NEEDED_BY_ALL})$){ENV_NAME.pattern}", "name")
SECRET_SOURCES = {"from_env": SECRET_ENV_NAME, "from_file": PATH}
