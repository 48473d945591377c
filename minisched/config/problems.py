"""What is wrong in a value, and what one context of a document carries along."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from minisched.model import LocalizedText, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

SHOWN = 60  # characters of a value in a message
STARS = "***"  # stands for a value that is never shown


class Fault(NamedTuple):
    """One thing wrong at `path` inside a value; `words` say what the value there "is", or are a sentence."""

    path: str
    words: LocalizedText
    sentence: bool = False

    def inside(self, place: str) -> Fault:
        """The same fault, seen from the value that holds this one under `place` ("name" or "[2]")."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return self._replace(path=f"{place}{dot}{self.path}")

    def problem(self, owner: str, file: str) -> Problem:
        """The fault as users see it. owner: as in `tasks[2] (nightly_backup):`, or "" for the whole file."""
        if not self.path:
            place = owner if self.sentence else owner.rstrip(":")
        else:
            place = f"{owner} {self.path}{':' if self.sentence else ''}".lstrip()
        return Problem(place, self.words, file, self.path)


class ValidationError(ValueError):
    """A value was refused, for all of `faults`."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


def refusal(value: Any, rule: LocalizedText, hidden: bool = False) -> ValidationError:
    """The value is not what the rule expects; a hidden one is shown as stars."""
    return ValidationError([Fault("", refused(STARS if hidden else show(value), expected(rule)))])


def refused(shown: str, why: LocalizedText) -> LocalizedText:
    """What a value is, as it is shown, and why it may not be that."""
    return LocalizedText(f"is {shown}; {why.en}", f"值为 {shown}；{why.zh}")


def expected(rule: LocalizedText) -> LocalizedText:
    return LocalizedText(f"expected {rule.en}", f"应为{rule.zh}")


def missing(why: LocalizedText) -> LocalizedText:
    """Of a field that is not there."""
    return LocalizedText(f"is missing; {why.en}", f"缺少此项；{why.zh}")


def objection(sentence: LocalizedText) -> ValidationError:
    """Something about the value that is not told by showing it."""
    return ValidationError([Fault("", sentence, sentence=True)])


def show(value: Any) -> str:
    """A value as JSON, short and printable. What is in a list or an object is not shown: it may be a secret."""
    if isinstance(value, (list, dict)) and value:
        return "[...]" if isinstance(value, list) else "{...}"
    try:
        text = json.dumps(value[: 2 * SHOWN] if isinstance(value, str) else value, ensure_ascii=False)
    except (TypeError, ValueError):  # no JSON value, or an integer of more digits than Python likes to write
        text = f"of type {type(value).__name__}"
    if len(text) > SHOWN:
        text = text[: SHOWN - 3] + "..."
    return printable(text)


def printable(text: str) -> str:
    """The text with what a terminal or a reader could be fooled by (controls, bidi, surrogates) as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


class ParseContext:
    """What the fields of one document share while it is read.

    Equal values become one object: ten thousand tasks then cost little more than what tells them apart.
    """

    # difflib takes some 5 us a comparison: a file full of nonsense still is answered within a second or two.
    COMPARISONS = 100_000

    def __init__(self) -> None:
        self.memo: dict[Hashable, Any] = {}
        self._comparisons = self.COMPARISONS

    def hint(self, word: str, known: Collection[str]) -> Optional[LocalizedText]:
        """`; did you mean "x"?`, or None where no known word is near."""
        self._comparisons -= len(known)
        if self._comparisons < 0 or len(word) > SHOWN:
            return None
        from difflib import get_close_matches  # 3 ms that a right config does without

        near = get_close_matches(word, known, n=1)
        return LocalizedText(f'; did you mean "{near[0]}"?', f'；是否指 "{near[0]}"？') if near else None

    def hint_or_all(self, word: str, known: Collection[str]) -> LocalizedText:
        """`; did you mean "x"?`, or all known words where none is near."""
        return self.hint(word, known) or LocalizedText(
            f"; known are {', '.join(known)}", f"；已知的有 {'、'.join(known)}"
        )
