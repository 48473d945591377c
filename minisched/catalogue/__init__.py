"""Every text that people read, once: `code -> (English, Chinese)`, for log, command line, API, page and mail.

Programs hand on a `Text`, a code with values; only the edge that a person looks at renders it. A code is `area.name`,
and the area is a module beside this one, imported when its first text is rendered: an engine that never meets a broken
config never loads the sentences about one. Codes of runs have no area, since they are in the database and in the API:
`exit_code`, `dependency_timeout`. The page gets the same tables from the server and renders them by the same rules.

Rules of a template:

- `{name}` is the value of that name: a text as it is, a whole number without decimals, any other with one decimal, a
  list joined by commas, a nested `Text` rendered in the same language.
- `{name|one|many}` is the word for the number `name`: `{n} {n|process|processes}`.
- A name without a value stays as it is written. A value is never looked into for a further `{name}`.
"""

from __future__ import annotations

from _thread import RLock
from functools import cache, lru_cache
from importlib import import_module

TYPE_CHECKING = False  # as in `typing`, which `--help` does without, as it does without the model
if TYPE_CHECKING:
    from typing import Any, Union

ENGLISH, CHINESE = "en", "zh"
LANGUAGES = (ENGLISH, CHINESE)
AREAS = ("runs", "engine", "log", "notify", "config", "schedules", "api", "cli", "migration", "export", "doctor", "why")

_PART = r"\{(\w+)(?:\|([^{}|]*)\|([^{}|]*))?\}"


class Text:
    """A text for people that is not rendered yet: a code of the catalogue and the values it speaks of.

    Values are what JSON has: texts, numbers, further `Text`s, and lists of these. Equal texts compare as equal.
    """

    __slots__ = ("code", "values")

    def __init__(self, code: str, **values: Any) -> None:
        self.code = code
        self.values = values

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Text:
        """The text that `as_json` made this of. Everything that minisched writes has a `code`."""
        values = {name: _from_json(value) for name, value in data.items() if name != "code"}
        return cls(str(data.get("code", "text")), **values)

    def as_json(self) -> dict[str, Any]:
        """`{"code": "dependency_timeout", "seconds": 30, "tasks": ["a"]}`."""
        return {"code": self.code, **{name: _as_json(value) for name, value in self.values.items()}}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and (self.code, self.values) == (other.code, other.values)

    def __hash__(self) -> int:
        return hash(self.code)

    def __str__(self) -> str:
        """The English of it, for logs."""
        return render(self)

    def __repr__(self) -> str:
        return f"Text({self.code!r}, {self.values!r})"


def _as_json(value: Any) -> Any:
    if isinstance(value, Text):
        return value.as_json()
    return [_as_json(one) for one in value] if isinstance(value, (list, tuple)) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict) and "code" in value:
        return Text.from_json(value)
    return [_from_json(one) for one in value] if isinstance(value, list) else value


class TextError(Exception):
    """An error that people read: `text` is what is wrong, `str` its English."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


_lock = RLock()


@cache  # of the tables, which are few; an import that fails is tried again
def table(area: str) -> dict[str, tuple[str, str]]:
    """All texts of an area, by their full code."""
    with _lock:  # for Python 3.9, as in `osutil.Importing`
        texts: dict[str, tuple[str, str]] = import_module(f"minisched.catalogue.{area}").TEXTS
    return texts


def load(*areas: str) -> None:
    """Import the texts now: a process that runs out of file descriptors cannot do so later. Never raises."""
    for area in areas:
        try:
            table(area)
        except Exception:  # see `template`
            pass


def template(code: str, language: str) -> str:
    """The template of a code. A code that is not known, written by a newer version, is shown as it is, and so is any
    code whose texts cannot be imported: the process is out of file descriptors or memory, or its files are overwritten
    with another version, from which anything can be raised."""
    area, dot, _ = code.partition(".")
    try:
        pair = table(area if dot and area in AREAS else "runs").get(code)
    except Exception:
        pair = None
    return code if pair is None else pair[LANGUAGES.index(language)]


def render(text: Text, language: str = ENGLISH) -> str:
    """The text as a person reads it."""
    values = text.values
    pieces = []
    for literal, name, one, many, whole in _parsed(template(text.code, language)):
        pieces.append(literal)
        if name not in values:
            pieces.append(whole)
        elif many is not None:
            pieces.append(one if values[name] == 1 else many)
        else:
            pieces.append(shown(values[name], language))
    return "".join(pieces)


@lru_cache(maxsize=200)  # the log has the same few for every run
def _parsed(template: str) -> list[tuple[str, str, Any, Any, str]]:
    """Pieces of a template: a literal, the name of the value after it with its two words, and the whole of these."""
    pieces: list[Any] = []
    begin = 0
    import re  # 3 ms, which `--help` does without

    for match in re.finditer(_PART, template):
        pieces.append((template[begin : match.start()], *match.groups(), match.group()))
        begin = match.end()
    return [*pieces, (template[begin:], "", None, None, "")]


def detail_text(detail: Union[Text, dict[str, Any], None], language: str = ENGLISH) -> str:
    """A detail or an error, as it is or as JSON; "" for None."""
    return "" if detail is None else shown(detail, language)


def shown(value: Any, language: str) -> str:
    """One value inside a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):  # a whole one as an integer, since JSON does not tell the two apart
        return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
    if isinstance(value, Text):
        return render(value, language)
    if isinstance(value, dict):  # a Text as JSON, from the database or another process
        return render(Text.from_json(value), language)
    return ("、" if language == CHINESE else ", ").join(shown(one, language) for one in value)
