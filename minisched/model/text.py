"""Texts for people: times, plurals, and escapes for what could do harm on a terminal."""

from __future__ import annotations

import errno
import math
import re
from datetime import datetime, tzinfo
from functools import lru_cache

from minisched.catalogue import Text
from minisched.model.status import Instant
from minisched.osutil import UnsafePlace
from minisched.put_off import lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

_BLANKS = "\n\t\u00a0\u3000"  # stay as they are; the last two are the blanks of French and of Chinese text
_SUSPECT = lazy_pattern(f"[^ -~{_BLANKS}]")
_PLAIN_BYTES = bytes(range(0x20, 0x7F)) + b"\n\t"


def visible(text: str) -> str:
    """What is not printable becomes `\\x1b`, `\\u202e`; line ends and tabs stay.

    So a terminal escape has no effect; `str.isprintable` excludes bidi and zero-width marks as well; UTF-8 can encode
    the result.
    """
    if _is_visible(text):
        return text
    return "\n".join(line if _is_visible(line) else _SUSPECT.sub(_escape, line) for line in text.split("\n"))


def visible_line(text: str) -> str:
    """As `visible`, for a text that must stay one line: its line ends are shown as `\\n`."""
    return visible(text).replace("\n", "\\n")


@lru_cache(maxsize=1)  # compiled for the first text that is not ASCII: it takes 1.5 ms
def _invisible() -> re.Pattern[str]:
    """Letters and marks that `str.isprintable` lets pass, and that no font shows: fillers of Hangul, the blank of
    Braille, joiners, variation selectors. Two names that differ only in these would look the same."""
    return re.compile(
        "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
    )


def _is_visible(text: str) -> bool:
    """Without a look at each character in Python, which takes 30 times as long for text that is not ASCII."""
    for blank in _BLANKS:
        text = text.replace(blank, "")
    return text.isprintable() and (text.isascii() or not _invisible().search(text))


def visible_bytes(data: bytes) -> str:
    """`visible` for output as it was printed; what is not UTF-8 becomes `\\xff`. 10 times as fast for plain ASCII."""
    if not data.translate(None, _PLAIN_BYTES):
        return data.decode("ascii")
    return visible(data.decode("utf-8", "backslashreplace"))


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if char.isprintable() and not _invisible().match(char):
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 task`, `2 tasks`; many: where it is not `one` with an "s"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def size_text(size: int) -> str:
    """`512MB`; a number of bytes that is no whole number of MB as it is."""
    return str(size) if size % 2**20 else f"{size // 2**20}MB"


_ASCII_LIKE = {
    **dict(zip("“”„‟‘’‚–—−、。【】", '""""\'\'\'---,.[]')),
    **dict.fromkeys("「」『』«»‹›", '"'),
}


def ascii_like(char: str) -> str:
    """The ASCII character that was meant by a full-width one, a curly quote or a dash; "" for any other."""
    if char.isascii():
        return ""
    if char in _ASCII_LIKE:
        return _ASCII_LIKE[char]
    import unicodedata  # 1 MB, which only an error needs

    plain = unicodedata.normalize("NFKC", char)
    return plain if len(plain) == 1 and plain.isascii() else ""


_FILE_ERRORS = {  # as `osutil.open_regular` and `open_owned` raise them
    errno.ELOOP: "is_symlink",
    errno.EINVAL: "not_a_file",
    errno.EMLINK: "is_hard_link",
}


def reason_of_file(error: OSError) -> Text:
    """Why a file cannot be read or written, without its path and the number that Python prints."""
    if isinstance(error, UnsafePlace):
        return Text("unsafe_place", path=error.filename)
    code = _FILE_ERRORS.get(error.errno or 0)
    return Text(code) if code else Text("text", text=error.strerror or str(error))


def find_lookalike(text: str) -> tuple[str, str]:
    """The first character of a text for which another one was meant, and that one; two empty texts if there is none. A
    blank is named by its number, as `U+3000`."""
    if not text.isascii():
        for char in text:
            meant = ascii_like(char)
            if meant:
                return (f"U+{ord(char):04X}" if meant == " " else char), meant
    return "", ""


def iso(instant: Optional[Instant], zone: tzinfo) -> Optional[str]:
    """ISO 8601 with the zone's offset; whole seconds without a fraction, others with milliseconds."""
    if instant is None:
        return None
    return "".join(_second(int(instant), zone)) if instant == int(instant) else timestamp(instant, zone)


def timestamp(instant: Instant, zone: tzinfo) -> str:
    """ISO 8601 with milliseconds and the zone's offset."""
    second = math.floor(instant)
    head, offset = _second(second, zone)
    return f"{head}.{min(round((instant - second) * 1e6) // 1000, 999):03}{offset}"


@lru_cache(maxsize=8)  # many lines, and the due times of many tasks, have the same second in one zone
def _second(second: int, zone: tzinfo) -> tuple[str, str]:
    text = datetime.fromtimestamp(second, zone).isoformat()
    return text[:19], text[19:]
