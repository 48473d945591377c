"""Errors in values, and what is shared while one document is read."""

from __future__ import annotations

import json

from minisched.model import FieldError, Text
from minisched.model.text import find_lookalike, visible_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
    from typing import Any, Optional

MAX_SHOWN = 60  # characters of a value in a message
MORE = "config.more"  # the code of the entry for problems that are left out
MAX_PROBLEMS = 100  # that are reported of one reading: ten thousand would make `GET /status` 19 MB
STARS = "***"  # in place of a secret


class ValidationError(ValueError):
    """A value was refused, for all of `errors`."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = list(errors)
        super().__init__(self.errors)


def invalid(value: Any, rule: Text, hidden: bool = False) -> ValidationError:
    """The value does not follow the rule. hidden: show stars in place of the value."""
    return ValidationError(
        [FieldError("", is_but(STARS if hidden else show(value), with_character(expected(rule), value)))]
    )


def with_character(why: Text, value: Any) -> Text:
    """Why a value is refused, with the ASCII character to write, if it contains a full-width one or a curly quote."""
    found, meant = find_lookalike(value[:MAX_SHOWN]) if isinstance(value, str) else ("", "")
    return Text("config.full_width", why=why, found=found, ascii=meant) if found else why


def rejected(text: Text) -> ValidationError:
    """An error in the value whose text is a sentence of its own."""
    return ValidationError([FieldError("", text, sentence=True)])


def is_but(shown: str, why: Text) -> Text:
    """What the value is, and why it cannot be that."""
    return Text("config.is", value=shown, why=why)


def expected(rule: Text) -> Text:
    return Text("config.expected", rule=rule)


def missing(why: Text) -> Text:
    return Text("config.missing", why=why)


def hinted(why: Text, hint: Optional[Text]) -> Text:
    return Text("config.hinted", why=why, hint=hint) if hint else why


def show(value: Any) -> str:
    """A value as JSON, short and printable. Items of lists and objects are not shown: they may be secrets."""
    if isinstance(value, (list, dict)) and value:
        return "[...]" if isinstance(value, list) else "{...}"
    try:
        text = json.dumps(value[: 2 * MAX_SHOWN] if isinstance(value, str) else value, ensure_ascii=False)
    except (TypeError, ValueError):  # not a JSON value, or an integer of more digits than Python converts
        text = f"of type {type(value).__name__}"
    if len(text) > MAX_SHOWN:
        text = text[: MAX_SHOWN - 4] + '..."' if isinstance(value, str) else text[: MAX_SHOWN - 3] + "..."
    return printable(text)


def printable(text: str) -> str:
    """As `visible_line`, with tabs and unusual blanks escaped as well: in an error each character counts."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in visible_line(text))


def limited(problems: list[FieldError], max_count: int = MAX_PROBLEMS, more: int = 0) -> list[FieldError]:
    """The first problems, and one entry with the number of the others. more: others that are not in the list."""
    more += count_problems(problems) - max_count
    if more <= 0:
        return problems
    return [*problems[:max_count], FieldError("", Text(MORE, count=more), file=problems[0].file)]


def count_problems(problems: Sequence[FieldError]) -> int:
    """Of a list that may be `limited`."""
    if not problems or problems[-1].text.code != MORE:
        return len(problems)
    return len(problems) - 1 + int(problems[-1].text.values["count"])


class ParseContext:
    """What the fields of one document share while it is read.

    `memo` makes equal values one object, so that ten thousand tasks cost little more memory than their differences.
    """

    # difflib takes some 5 us a comparison: all hints of a file full of unknown words take at most 0.2 s.
    MAX_COMPARISONS = 40_000
    MAX_HINTS = 20  # more than a person corrects at once

    def __init__(self, places: Callable[[], Mapping[str, str]] = dict) -> None:
        """places: the names of all fields, each with the place where it belongs."""
        self.places = places
        self.memo: dict[Hashable, Any] = {}
        self._comparisons_left = self.MAX_COMPARISONS
        self._hints_left = self.MAX_HINTS

    def take_hint(self) -> bool:
        """One more problem may have a hint."""
        self._hints_left -= 1
        return self._hints_left >= 0

    def near(self, word: str, known: Collection[str]) -> Optional[Text]:
        """`did you mean "x"?`, or None if no known word is similar or there were too many hints already."""
        if not self.take_hint():
            return None
        self._comparisons_left -= len(known)
        if self._comparisons_left < 0 or len(word) > MAX_SHOWN:
            return None
        from difflib import get_close_matches  # 3 ms, which a valid config does not need

        near = get_close_matches(word, known, n=1)
        return Text("config.did_you_mean", word=near[0]) if near else None

    def belongs(self, name: str) -> Optional[Text]:
        """Where a field belongs that is not known here; None if it is known nowhere."""
        place = self.places().get(name)
        return Text("config.belongs", place=place) if place else None

    def hint(self, word: str, known: Collection[str]) -> Text:
        """`did you mean "x"?`, or all known words if none is similar; after many problems, where they are listed."""
        near = self.near(word, known)
        return near or Text("config.known", words=list(known)) if self._hints_left >= 0 else Text("config.known_names")
