"""Headers of mails and requests whose values come from data. Pure.

The email package reads what it is given: an encoded word in a value (RFC 2047) becomes the characters it stands for,
line ends too, and blanks are lost where it folds a long line. What is written here is never read by it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence

WORD_MAX = 42  # bytes in one encoded word: with `Subject: ` before it the line keeps to 78 characters

_PLAIN = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_FIELD = re.compile(rb"([!-9;-~]+): [ -~]*(?:\r\n [ -~]+)*\r\n")  # with the lines that go on


class HeaderError(ValueError):
    """The headers are not those that were meant; the text says so to people."""


def unstructured(text: str, between: str = " ") -> str:
    """The text as a header's value from which every reader gets exactly this text: as it is if it is plain ASCII, else
    in encoded words, with `between` where a blank separates two of them."""
    if _PLAIN.fullmatch(text) and "=?" not in text:
        return text
    return between.join(_encoded_words(text))


def display_name(text: str) -> str:
    """The name before a mail address."""
    if re.fullmatch(r"[ -~]*", text) and "=?" not in text:
        return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
    return "\r\n ".join(_encoded_words(text))


def write(fields: Mapping[str, str]) -> bytes:
    """The lines of these headers. Raises UnicodeEncodeError, a ValueError, where a value is not ASCII."""
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode("ascii")


def check(data: bytes, names: Sequence[str]) -> None:
    """The headers of a message about to be sent are those of `names`, each once, and no others. Raises HeaderError:
    something that came from data has left its place."""
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n"
    found = [field[1].decode("ascii") for field in _FIELD.finditer(head)]
    if _FIELD.sub(b"", head) or sorted(found) != sorted(names):
        raise HeaderError(f"it would have other headers than {', '.join(names)}; look at its templates and values")


def _encoded_words(text: str) -> Iterator[str]:
    """Base64 of UTF-8, which leaves no blank to fold at; each word holds whole characters."""
    piece = b""
    for char in text:
        data = char.encode("utf-8", "backslashreplace")
        if len(piece) + len(data) > WORD_MAX:
            yield _word(piece)
            piece = b""
        piece += data
    yield _word(piece)


def _word(piece: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(piece).decode('ascii')}?="
