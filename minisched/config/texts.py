"""Kinds of texts: plain ones, secrets, templates."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from minisched.model import LocalizedText, Secret

from .field_types import Kind
from .problems import Reading, Wrong, objection, refusal, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT_WORDS = LocalizedText("text", "文本")

_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"  # no line end: names go into logs and mail headers
_LINES = r"[^\x00\ud800-\udfff]"
_STRANGE = re.compile(r"\x00|[\ud800-\udfff]")


class Text(Kind):
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

    def read(self, value: Any, reading: Reading, base: Any) -> str:
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

    def read(self, value: Any, reading: Reading, base: Any) -> str:
        if isinstance(value, str) and self._match(value):
            return reading.memo.setdefault(value, value)  # type: ignore[no-any-return]
        return super().read(value, reading, base)  # it says what is wrong


class SecretText(Kind):
    """A text, or where to find it: {"from_env": "NAME"} or {"from_file": "path"}.

    plain: a text stays a text, for values that are a secret only where the config says so (environment variables).
    masked: a text is shown as stars, by the API and in problems; if it is not said, that of what is not plain.
    """

    def __init__(
        self,
        text: Text,
        words: LocalizedText = TEXT_WORDS,
        plain: bool = False,
        masked: Optional[bool] = None,
    ) -> None:
        self.text, self.plain = text, plain
        self.masked = not plain if masked is None else masked
        self.words = words.then(LocalizedText(", or a secret's place", "，或密文的位置"))

    @property
    def rule(self) -> LocalizedText:
        places = LocalizedText(
            ', or {"from_env": "NAME"} or {"from_file": "path"}', '，或 {"from_env": "NAME"} 或 {"from_file": "path"}'
        )
        return self.text.rule.then(places)

    def read(self, value: Any, reading: Reading, base: Any) -> Union[str, Secret]:
        if isinstance(value, dict):
            return self._place(value)
        try:
            text = self.text.read(value, reading, base)
        except Wrong:
            rule = self.text.rule_for(value) or self.rule
            raise refusal(value, rule, hidden=self.masked) from None
        return text if self.plain else Secret("text", text)

    def _place(self, value: Mapping[str, Any]) -> Secret:
        if len(value) == 1:
            (source, name), *_ = value.items()
            if source in PLACES:
                try:
                    return Secret(source, PLACES[source].read(name, Reading(), None))
                except Wrong as wrong:
                    raise Wrong([fault.inside(source) for fault in wrong.faults]) from None
        raise refusal(value, self.rule, hidden=self.masked)

    def schema(self) -> dict[str, Any]:
        places = [
            {"type": "object", "properties": {name: kind.schema()}, "required": [name], "additionalProperties": False}
            for name, kind in PLACES.items()
        ]
        return {"anyOf": [self.text.schema(), *places]}


class Template(Kind):
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

    def read(self, value: Any, reading: Reading, base: Any) -> Any:
        if not isinstance(value, dict) or not self.json:
            try:
                self._check(value, reading)
            except Wrong as wrong:
                raise (wrong if isinstance(value, str) else refusal(value, self.rule)) from None
            return value
        inside: list[Any] = [value]  # a stack of our own: how deep it goes is no matter of this kind
        while inside:
            item = inside.pop()
            if isinstance(item, dict):
                inside.extend(reversed(item.values()))
                for key in item:
                    self.text.read(key, reading, None)
            elif isinstance(item, list):
                inside.extend(reversed(item))
            elif isinstance(item, str):
                self._check(item, reading)
        return value

    def _check(self, value: Any, reading: Reading) -> None:
        for name in _variables(self.text.read(value, reading, None)):
            if name not in self.variables:
                unknown = LocalizedText(f"unknown template variable {show(name)}", f"未知模板变量 {show(name)}")
                raise objection(unknown.then(reading.hint_or_all(name, self.variables)))

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
