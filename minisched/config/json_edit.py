"""Minimal changes of a JSON text: what does not change keeps its bytes, and what is new follows the style around it.

A person writes the config file and a program changes it: the layout, the order of keys, the way in which a number or a
character is written belong to the person.
"""

from __future__ import annotations

import json
import re
from itertools import islice

from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Optional

INLINE_COLUMNS = 100  # a new list or object that ends beyond these is written over several lines
STYLE_FIELDS = 200  # how many fields show the style of a file: all of a large one would take some milliseconds
_INDENT = "  "  # of a file that has no indented line

_DECODE = json.JSONDecoder().raw_decode
_SEPARATORS = re.compile(r"[ \t\r\n,:]*")
_BLANKS = re.compile(r"[ \t\r\n]*")
_NAMES = ("task_id", "name")  # of an element of a list: it is the same one wherever it is
_FIRST_INDENT = re.compile(r"[\[{][ \t]*\r?\n([ \t]+)")
_COLON = re.compile(r'"(?:[^"\\]|\\.)*"([ \t]*:[ \t]*)')
_INLINE_CONTAINER = re.compile(r':[ \t]*[\[{][ \t]*["0-9\[{tfn-]')
_NON_ASCII_ESCAPE = re.compile(r"\\u(?!00[0-7])")


class Member(NamedTuple):
    """A member of an object or an element of a list, as positions in the text."""

    name: Optional[str]  # None in a list
    begin: int  # of the name; in a list, of the value
    start: int  # of the value
    end: int


def members(text: str, at: int) -> Iterator[Member]:
    """What is in the object or list that begins at `at`, in valid JSON."""
    is_object = text[at] == "{"
    at = _past(_SEPARATORS, text, at + 1)
    while text[at] not in "]}":
        begin, name = at, None
        if is_object:
            name, at = _DECODE(text, at)
            at = _past(_SEPARATORS, text, at)
        end = _DECODE(text, at)[1]
        yield Member(name, begin, at, end)
        at = _past(_SEPARATORS, text, end)


def _past(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def edit_json(text: str, before: Any, after: Any) -> str:
    """A JSON text for `after` that differs from `text` only where it has to.

    before: the value of `text`. The two values may share objects, which are then not compared. Members of an object
    keep their places, and new ones follow them. Raises ValueError for a value that JSON does not have, such as NaN.
    """
    start = _past(_BLANKS, text, 0)
    end = _DECODE(text, start)[1]
    return text[:start] + _Editor(text).value(Member(None, start, start, end), before, after, "", False) + text[end:]


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON, where 1.0 is 1, and true is not."""
    if one is other:
        return True
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(key in other and is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


class _Piece(NamedTuple):
    """What is written of a member, without the comma after it."""

    gap: str  # blanks before it
    body: str
    blanks: str = ""  # before the comma, if one follows


class _Editor:
    """A text and the style of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
        indent = _FIRST_INDENT.search(text)
        self.indent = indent[1] if indent else _INDENT
        colons = [found[1] for found in islice(_COLON.finditer(text), STYLE_FIELDS)]
        self.colon = _usual(colons) or ": "
        self.blank = "" if self.colon.endswith(":") else " "  # after a comma in one line
        self.padding = {one: " " if text.count(f'{one} "') > text.count(f'{one}"') else "" for one in "{["}
        self.has_inline = _INLINE_CONTAINER.search(text) is not None
        self.ascii = text.isascii() and _NON_ASCII_ESCAPE.search(text) is not None

    # ------------------------------------------------------------------------------------------------ what was there

    def value(self, member: Member, before: Any, after: Any, indent: str, inline: bool) -> str:
        """The value of a member, changed. indent: of its line. inline: it is in one line with its neighbours."""
        if is_same(before, after):
            return self.text[member.start : member.end]
        if isinstance(before, dict) and isinstance(after, dict) and before and after:
            return self.changed_object(member, before, after, indent)
        if isinstance(before, list) and isinstance(after, list) and before and after:
            return self.changed_list(member, before, after, indent)
        return self.inline(after) if inline else self.new(after, indent)

    def changed_object(self, place: Member, before: dict[str, Any], after: dict[str, Any], indent: str) -> str:
        frame = _Frame(self, place, indent)
        pieces = []
        for member, piece in zip(frame.members, frame.pieces):
            if member.name in after:
                label = self.text[member.begin : member.start]
                value = self.value(member, before[member.name], after[member.name], frame.indent, frame.inline)
                pieces.append(piece._replace(body=label + value))
        last = frame.members[-1]
        between = self.text[_DECODE(self.text, last.begin)[1] : last.start]
        colon = between if "\n" not in between else self.colon
        for name in after:
            if name not in before:
                value = self.inline(after[name]) if frame.inline else self.new(after[name], frame.indent)
                pieces.append(_Piece(frame.gap, self.scalar(name) + colon + value))
        return frame.joined(pieces)

    def changed_list(self, place: Member, before: list[Any], after: list[Any], indent: str) -> str:
        frame = _Frame(self, place, indent)
        pieces = []
        for old, value in zip(_origins(before, after), after):
            if old is None:
                similar = [piece.body for piece, one in zip(frame.pieces, before) if one and type(one) is type(value)]
                in_line = frame.inline or (similar and "\n" not in similar[-1])
                body = self.inline(value) if in_line else self.new(value, frame.indent, expanded=bool(similar))
                pieces.append(_Piece(frame.gap, body))
            else:
                body = self.value(frame.members[old], before[old], value, frame.indent, frame.inline)
                pieces.append(frame.pieces[old]._replace(body=body))
        return frame.joined(pieces)

    # ---------------------------------------------------------------------------------------------------- what is new

    def scalar(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=self.ascii, allow_nan=False)

    def inline(self, value: Any) -> str:
        """In one line."""
        if not value or not isinstance(value, (dict, list)):
            return self.scalar(value)
        opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
        padding = self.padding[opening]
        return f"{opening}{padding}{f',{self.blank}'.join(self._items(value, self.inline))}{padding}{closing}"

    def new(self, value: Any, indent: str, expanded: bool = False) -> str:
        """In one line where the file has such lists and objects and this one is simple and short, else over several.
        indent: of its first line. expanded: over several in any case."""
        if not value or not isinstance(value, (dict, list)):
            return self.scalar(value)
        if self.has_inline and not expanded and not _has_object(value):
            line = self.inline(value)
            if len(indent) + len(line) <= INLINE_COLUMNS:
                return line
        inner = indent + self.indent
        opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
        items = self._items(value, lambda one: self.new(one, inner))
        lines = f",{self.newline}".join(inner + item for item in items)
        return f"{opening}{self.newline}{lines}{self.newline}{indent}{closing}"

    def _items(self, value: Any, write: Any) -> list[str]:
        if isinstance(value, dict):
            return [f"{self.scalar(name)}{self.colon}{write(one)}" for name, one in value.items()]
        return [write(one) for one in value]


class _Frame:
    """The blanks around the members of an object or list, which is not empty."""

    def __init__(self, editor: _Editor, place: Member, indent: str) -> None:
        text = editor.text
        self.members = list(members(text, place.start))
        self.pieces: list[_Piece] = []
        self._opening, self._closing = text[place.start], text[place.end - 1]
        at = place.start + 1
        for member in self.members:
            end = _past(_BLANKS, text, member.end)
            self.pieces.append(_Piece(text[at : member.begin], text[member.begin : member.end], text[member.end : end]))
            at = end + 1
        self._tail = self.pieces[-1].blanks  # before the closing bracket
        gaps = [piece.gap for piece in self.pieces]
        self._first = gaps[0]
        self.inline = not any("\n" in gap for gap in gaps)
        if len(gaps) > 1:
            self.gap = _usual(gaps[1:])
        else:  # one member, which has nothing before it but the bracket
            self.gap = editor.blank if self.inline else gaps[0]
        self._blanks = self.pieces[0].blanks if gaps[1:] else ""
        lines = [gap.rpartition("\n")[2] for gap in (self.gap, *gaps) if "\n" in gap]
        self.indent = lines[0] if lines else indent
        self.pieces[0] = self.pieces[0]._replace(gap=self.gap)
        self.pieces[-1] = self.pieces[-1]._replace(blanks=self._blanks)

    def joined(self, pieces: list[_Piece]) -> str:
        *others, last = [pieces[0]._replace(gap=self._first), *pieces[1:]]
        before = "".join(f"{piece.gap}{piece.body}{piece.blanks}," for piece in others)
        return f"{self._opening}{before}{last.gap}{last.body}{self._tail}{self._closing}"


def _usual(texts: list[str]) -> str:
    """The most frequent one; the last of several; "" of none."""
    counts = dict.fromkeys(reversed(texts), 0)
    for text in texts:
        counts[text] += 1
    return max(counts, key=counts.__getitem__, default="")


def _has_object(value: Any) -> bool:
    """Whether a list or object has objects in it."""
    inner = value.values() if isinstance(value, dict) else value
    return any(isinstance(one, dict) or (isinstance(one, list) and _has_object(one)) for one in inner)


def _origins(before: list[Any], after: list[Any]) -> list[Optional[int]]:
    """For each element of `after` the index of the one in `before` that it was; None for a new one."""
    head = tail = 0
    shorter = min(len(before), len(after))
    while head < shorter and is_same(before[head], after[head]):
        head += 1
    while tail < shorter - head and is_same(before[-1 - tail], after[-1 - tail]):
        tail += 1
    free = dict.fromkeys(range(head, len(before) - tail))  # in order
    found: dict[int, int] = {}
    for key in (id, _value_key, _name_key):
        places: dict[Any, list[int]] = {}
        for old in reversed(free):
            places.setdefault(key(before[old]), []).append(old)
        for new in range(head, len(after) - tail):
            name = key(after[new])
            if new not in found and name is not None and places.get(name):
                found[new] = places[name].pop()
                del free[found[new]]
    left = [new for new in range(head, len(after) - tail) if new not in found]
    for old, new in zip(list(free), left):
        if _name_key(before[old]) is None or _name_key(after[new]) is None:
            found[new] = old
    middle = [found.get(new) for new in range(head, len(after) - tail)]
    return [*range(head), *middle, *range(len(before) - tail, len(before))]


def _value_key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _name_key(value: Any) -> Optional[str]:
    names = [value.get(name) for name in _NAMES] if isinstance(value, dict) else []
    return next((name for name in names if isinstance(name, str)), None)
