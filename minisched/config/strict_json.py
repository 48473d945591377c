"""Strict JSON, for the config file and for request bodies; errors say where and what, the same on every Python.

`json.loads` alone accepts UTF-16, the last of two equal keys, NaN and 1e999. Deep nesting ends it in a RecursionError,
or, on the small stack of a thread, ends the process.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from math import isinf

from minisched.model import FieldError, Text
from minisched.model.task import CONFIG_FILE
from minisched.model.text import find_lookalike
from minisched.namedtuple import NamedTuple
from minisched.put_off import lazy_pattern

from .problems import printable, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Optional, Union

MAX_BYTES = 5 * 2**20
MAX_DEPTH = 32  # lists and objects within each other; a config has 8, and each level costs C stack while it is parsed
MAX_DIGITS = 300  # of one number; Python's own limit is 4,300 digits, at a cost of their square
MAX_INTEGER = 2**53 - 1  # of a portable document: JavaScript reads a larger integer as another number
MAX_CHARACTERS = 64 * 1024  # of one text in a portable document
BLANKS = " \t\r\n"
TAIL = 80  # characters at the end of a document in which its last brackets are looked for
SYNTAX_EXCERPT = 40  # characters shown of an unexpected word

_ALL_BUT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_TOKEN = lazy_pattern(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
_BLANKS = lazy_pattern(r"[ \t\r\n]*")
_WORD = lazy_pattern(rf'//|/\*|"(?:[^"\\\n]|\\.){{0,{SYNTAX_EXCERPT}}}"?|\w{{1,{SYNTAX_EXCERPT}}}|.', re.DOTALL)
_WORDS = {"True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null"}
_CRONTAB = lazy_pattern(
    r"(?:@[a-z]+|[0-9*/,-]+(?:[ \t]+[0-9A-Za-z*/,?#-]+){4})[ \t]+[A-Za-z/.~$\"'\[]|[A-Za-z_]\w*[ \t]*="
)
_QUOTES = dict.fromkeys("‘’＇", '"')  # meant as quotes of a text, which JSON writes in another way than their ASCII
# What `stream` looks for: the name of a member, with the bracket of a list; what is between items.
_MEMBER = lazy_pattern(r'[ \t\r\n]*([{,])[ \t\r\n]*"(\w*)"[ \t\r\n]*:[ \t\r\n]*(\[[ \t\r\n]*)?')
_COMMA = lazy_pattern(r"[ \t\r\n]*,[ \t\r\n]*")
_UNSTORABLE = lazy_pattern(r"[\x00\ud800-\udfff]")
# What can make a document unportable, in its source: half a pair or NUL as an escape, or many digits in a row.
_MAYBE_UNPORTABLE = lazy_pattern(rb"\\u(?:0000|[dD][89a-fA-F])|[0-9]{16}")

_EXPECTED = {  # json's own messages
    "Extra data": "end_expected",
    "Expecting ',' delimiter": "comma_expected",
    "Expecting ':' delimiter": "colon_expected",
    "Expecting property name enclosed in double quotes": "name_expected",
}


class JsonError(NamedTuple):
    """One thing wrong in a JSON text.

    `text`: what is wrong; of a value it goes on after the value's path ("is NaN in line 3; ...").
    `steps`: the field names and list indices from the top down to the value; () for the whole.
    `line`, `column`: counted from 1; 0 where the text has no one wrong place, and in errors of values, which name their
    lines in the text.
    """

    text: Text
    steps: tuple[Union[str, int], ...] = ()
    line: int = 0
    column: int = 0

    @property
    def path(self) -> str:
        """As in `tasks[0].task_env.A`; "" is the whole."""
        path = ""
        for step in self.steps:
            path += f"[{step}]" if isinstance(step, int) else f".{printable(step[:60])}"
        return path.lstrip(".")

    @property
    def pointer(self) -> str:
        """As a JSON pointer (RFC 6901): `/tasks/0/task_env/A`; "" is the whole."""
        return "".join("/" + str(step)[:100].replace("~", "~0").replace("/", "~1") for step in self.steps)

    @property
    def located_text(self) -> Text:
        """The text, with line and column where the error has them."""
        return Text("config.json.at", line=self.line, column=self.column, text=self.text) if self.line else self.text


class Unreadable(ValueError):
    """The data is no JSON at all, or no text."""

    def __init__(self, code: str, text: str = "", position: Optional[int] = None, **values: Any) -> None:
        line = column = 0
        if position is not None:
            line = text.count("\n", 0, position) + 1
            column = position - text.rfind("\n", 0, position)
        self.error = JsonError(Text(f"config.json.{code}", **values), line=line, column=column)


def parse(data: bytes, *, max_bytes: int = MAX_BYTES, portable: bool = False) -> tuple[Any, list[JsonError]]:
    """The value of a JSON text in UTF-8, and its errors.

    Where equal keys are the only errors the value comes all the same, with the last of them, so that what is in it can
    be checked too; else it is None.

    portable: refuse what another JSON reader may change or not be able to hold as well (near to RFC 7493): integers
    beyond MAX_INTEGER, texts of more than MAX_CHARACTERS or with NUL or half a surrogate pair.
    """
    try:
        text = decode(data, max_bytes)
        if not text.strip():
            raise Unreadable("empty")
        if depth(data) > MAX_DEPTH:
            raise Unreadable("too_deep", max=MAX_DEPTH)
        document, doubtful = _load(text)
    except Unreadable as unreadable:
        return None, [unreadable.error]
    doubtful = doubtful or (portable and (len(data) > MAX_CHARACTERS or bool(_MAYBE_UNPORTABLE.search(data))))
    errors = _find_errors(text, portable) if doubtful else []
    return (document if all(error.text.code.startswith("config.json.twice") for error in errors) else None), errors


def loads(text: str) -> Any:
    """`json.loads` for a text that is no config. Raises ValueError, also where it is nested deeper than MAX_DEPTH."""
    if depth(text.encode("utf-8", "surrogatepass")) > MAX_DEPTH:
        raise ValueError(f"lists and objects are nested deeper than {MAX_DEPTH} levels")
    return json.loads(text)


def decode(data: bytes, max_bytes: int) -> str:
    """The text of a file in UTF-8. Raises Unreadable."""
    if len(data) > max_bytes:
        raise Unreadable("too_large", bytes=len(data), max_bytes=max_bytes)
    if data.startswith(b"\xef\xbb\xbf"):
        raise Unreadable("bom")
    # The first characters of a JSON text are ASCII: in UTF-16 and UTF-32 they have NUL bytes beside them.
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or 0 in data[:4]:
        raise Unreadable("encoding", encoding="UTF-32" if data[:4].count(0) > 2 else "UTF-16")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        byte = f"0x{data[error.start]:02x}"
        raise Unreadable("not_utf8", before, len(before), byte=byte, offset=error.start) from None
    return text


def depth(data: bytes) -> int:
    """How deep brackets outside of texts are nested, in JSON that is right up to there.

    Counted before parsing: the parser's own limit depends on the Python version, and its stack on the thread.
    """
    bare = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    bare = bare.translate(None, _ALL_BUT_STRUCTURE)
    bare = bare.replace(b'""', b"")  # texts without brackets: nearly all
    bare = re.sub(rb'"[^"]*"?', b"", bare)
    return max(accumulate(1 if byte in b"[{" else -1 for byte in bare), default=0)


class Faulty(ValueError):
    """Not a document for `stream`: `parse` tells why, or reads it."""


def stream(data: bytes, name: str) -> tuple[dict[str, Any], Iterator[Any]]:
    """A document whose last member is a list with this name: its other members, and the items of the list.

    An item is parsed when it is the next one. Ten thousand tasks are thus never in memory as JSON, whose space among
    the tasks would stay empty. Raises Faulty, now or at an item: for every document in which `parse` finds an error,
    and for one whose last member is another.
    """
    try:
        text = decode(data, MAX_BYTES)
    except Unreadable:
        raise Faulty from None
    if "".join(text[-TAIL:].split())[-2:] != "]}" or depth(data) > MAX_DEPTH:
        raise Faulty
    decode_at = json.JSONDecoder(**_hooks(_fault)).raw_decode
    members: dict[str, Any] = {}
    position = 0
    try:
        while (found := _MEMBER.match(text, position)) and found[1] == ("," if members else "{"):
            position = found.end()
            if found[2] in members or (found[3] and found[2] != name):
                break
            if found[3]:
                return members, _items(text, position, decode_at)
            members[found[2]], position = decode_at(text, position)
    except json.JSONDecodeError:
        pass
    raise Faulty


def _items(text: str, position: int, decode_at: Callable[[str, int], tuple[Any, int]]) -> Iterator[Any]:
    try:
        while True:
            item, position = decode_at(text, position)
            yield item
            found = _COMMA.match(text, position)
            if found is None:
                break
            position = found.end()
    except json.JSONDecodeError:
        raise Faulty from None
    rest = text[position:].strip(BLANKS)
    if rest[:1] != "]" or rest[1:].strip(BLANKS) != "}":
        raise Faulty


def _fault() -> None:
    raise Faulty


def _hooks(doubt: Callable[[], object]) -> dict[str, Any]:
    """Of a decoder. doubt: called for equal keys and unfit numbers, which json lets pass."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(items)
        if len(fields) != len(items):
            doubt()
        return fields

    def number(literal: str, read: Any = float) -> Any:
        if len(literal) > MAX_DIGITS or literal.lstrip("-")[0] in "NI" or isinf(value := read(literal)):
            doubt()
            return 0
        return value

    return {
        "object_pairs_hook": pairs,
        "parse_constant": number,
        "parse_float": number,
        "parse_int": lambda literal: number(literal, int),
    }


def _load(text: str) -> tuple[Any, bool]:
    """The document, and whether it has equal keys or unfit numbers. _find_errors finds where."""
    doubts: list[None] = []
    try:
        document = json.loads(text, **_hooks(lambda: doubts.append(None)))
    except json.JSONDecodeError as error:
        raise _syntax_error(text, error) from None
    return document, bool(doubts)


def _syntax_error(text: str, error: json.JSONDecodeError) -> Unreadable:
    """What json found, with a hint; the same for every Python version."""
    if error.msg.startswith("Unterminated string"):
        curly = re.compile("[“”„‟]").search(text, error.pos)
        if curly:
            return Unreadable("curly_quote", text, curly.start(), found=curly[0], ascii='"')
        return Unreadable("unclosed_text", text, error.pos)
    if _looks_like_crontab(text):
        return Unreadable("crontab")
    if error.msg.startswith("Invalid control character"):
        return Unreadable("raw_control", text, error.pos, found=show(text[error.pos : error.pos + 1]))
    if error.msg.startswith("Invalid \\"):
        return Unreadable("bad_escape", text, error.pos)
    here = error.pos + len(_matched(_BLANKS, text, error.pos))
    if here == len(text):
        return Unreadable("unclosed", text, here)
    # A comma before a bracket: 3.13 stops at the comma, those before it at the bracket.
    comma = here if text[here] == "," else len(text[:here].rstrip()) - 1
    bracket = text[comma + 1 :].lstrip()[:1]
    if comma > 0 and text[comma] == "," and bracket in ("]", "}") and text[:comma].rstrip()[-1:] not in ":,[{":
        return Unreadable("trailing_comma", text, comma, bracket=bracket)
    word = _matched(_WORD, text, here)
    found, meant = find_lookalike(word[:1])
    if found:
        meant = _QUOTES.get(word[0], meant)
        code = "wide_blank" if meant == " " else "curly_quote" if meant == '"' else "full_width"
        return Unreadable(code, text, here, found=found, ascii=meant)
    if not word.isprintable():
        return Unreadable("invisible", text, here, found=f"U+{ord(word[0]):04X}")
    return Unreadable("found", text, here, found=_described(word), why=_why_not(word, error.msg))


def _described(word: str) -> Union[str, Text]:
    """What is shown of an unexpected word: it may be a password."""
    if word.startswith('"'):
        return Text("config.json.a_text")
    if word.isdecimal():
        return Text("config.json.a_number")
    known = ("true", "false", "null", *map(str.lower, _WORDS), "yes", "no", "on", "off", "nan", "infinity")
    is_known = any(one.startswith(word.lower()) for one in known)
    return word if is_known or not re.match(r"\w", word) else Text("config.json.a_word")


def _looks_like_crontab(text: str) -> bool:
    """Whether the first line that is no comment has a schedule and a command, or sets a variable."""
    lines = (line.strip() for line in text.split("\n", 50)[:50])
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return bool(_CRONTAB.match(first))


def _why_not(word: str, message: str) -> Text:
    """Why JSON allows no such word there. message: json's own."""
    if word in _WORDS:
        return Text("config.json.write", word=_WORDS[word])
    if word == "'":
        return Text("config.json.double_quotes")
    if word in ("#", "//", "/*"):
        return Text("config.json.no_comments")
    return Text(f"config.json.{_EXPECTED.get(message, 'value_expected')}")


def _matched(pattern: re.Pattern[str], text: str, position: int) -> str:
    found = pattern.match(text, position)
    return found[0] if found else ""


def _find_errors(text: str, portable: bool) -> list[JsonError]:
    """Equal keys and unfit values, with path and line, in a text that json could read."""
    errors: list[JsonError] = []
    # One entry per open bracket: the places of the keys there (None: a list), and the key or index that is current.
    open_keys: list[Optional[dict[str, tuple[int, int]]]] = []
    steps: list[Union[str, int]] = []
    line, seen, expects_key = 1, 0, False
    for token in _TOKEN.finditer(text):
        word = token[0]
        line += text.count("\n", seen, token.start())
        seen = token.start()
        keys = open_keys[-1] if open_keys else None
        if word in "[{":
            open_keys.append({} if word == "{" else None)
            steps.append("" if word == "{" else 0)
            expects_key = word == "{"
            continue
        if word in "]}":
            open_keys.pop()
            steps.pop()
            continue
        if word in ",:":
            if word == ",":
                expects_key = keys is not None
                if keys is None:
                    steps[-1] = int(steps[-1]) + 1
            continue
        fault: Optional[Text] = None
        if expects_key and keys is not None:
            key = json.loads(word)
            steps[-1] = key
            expects_key = False
            column = token.start() - text.rfind("\n", 0, token.start())
            if key in keys:
                first, first_column = keys[key]
                fault = Text("config.json.twice", first=first, second=line)
                if first == line:
                    fault = Text("config.json.twice_in_line", line=line, first=first_column, second=column)
            keys[key] = line, column
        elif word[0] in "-0123456789NI":
            fault = _number_fault(word, line, portable)
        if fault is None and portable and word[0] == '"':
            fault = _text_fault(word)
        if fault is not None:
            errors.append(JsonError(fault, tuple(steps)))
    return errors


def _number_fault(word: str, line: int, portable: bool) -> Optional[Text]:
    if len(word) > MAX_DIGITS or word == "NaN" or isinf(float(word)):
        number = word if len(word) <= MAX_DIGITS else Text("config.json.many_digits", count=len(word))
        return Text("config.json.number", number=number, line=line, digits=MAX_DIGITS)
    if portable and word.lstrip("-").isdigit() and abs(int(word)) > MAX_INTEGER:
        return Text("config.json.big_integer", number=word if len(word) < 40 else f"{word[:36]}...", max=MAX_INTEGER)
    return None


def _text_fault(word: str) -> Optional[Text]:
    text = json.loads(word)
    if len(text) > MAX_CHARACTERS:
        return Text("config.json.long_text", length=len(text), max=MAX_CHARACTERS)
    return Text("config.json.bad_character") if _UNSTORABLE.search(text) else None


def parse_json(data: bytes, *, file: str = CONFIG_FILE) -> tuple[Any, list[FieldError]]:
    """`parse`, with the errors as those of a config file."""
    document, errors = parse(data)
    return document, [
        FieldError(error.path, error.text, file=file, line=error.line, column=error.column) for error in errors
    ]
