"""The head of a request: bytes in, a value out, or `Refused`, or `Silent`.

Where RFC 9112 leaves a choice, the narrow one is taken: lines end with CR LF, none is folded, no blank stands before a
colon, the version is 1.0 or 1.1. (`http.server` serves HTTP/0.9, "HTTP/1.9999" and 6 MB of headers.)
"""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
import re
from typing import NamedTuple, Union

from minisched.api.errors import Refused

Bytes = Union[bytes, bytearray]

LINE_BYTES = 8 * 1024  # of the request line
HEADERS_BYTES = 16 * 1024  # in sum; a browser sends 1 KiB
HEADERS = 64
END = b"\r\n\r\n"

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP/1\.[01]")
_VERSION = re.compile(rb" (HTTP/\S*)\Z")
_BEGINNING = re.compile(rb"[A-Z]{3,16} [/*!-~]")  # of what a person may have meant as HTTP
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Silent(Exception):
    """What came is not HTTP, or a version without headers: the connection is closed without a word."""


class Head(NamedTuple):
    """A head in good form; what it says has not been judged."""

    method: str
    target: str  # printable ASCII
    version: str
    fields: tuple[tuple[str, str], ...]  # names in lower case, values with their blanks

    def all(self, name: str) -> list[str]:
        """The values of every header of this name. Who looks at one alone lets a second one past the check."""
        return [value for known, value in self.fields if known == name]


def find_end(data: Bytes, start: int = 0) -> int:
    """The length of the head with its empty line, or 0 while that is missing. start: what lies before it is known to
    have no end. Raises as soon as nothing that may follow can mend it: then nobody waits for more."""
    newline = data.find(b"\n")
    _check_line(data if newline < 0 else data[: newline + 1])
    end = data.find(END, start)
    if (len(data) if end < 0 else end) - max(newline, 0) > HEADERS_BYTES and newline >= 0:
        raise Refused("headers_too_large", f"the headers have more than {HEADERS_BYTES} bytes")
    return end + len(END) if end >= 0 else 0


def _check_line(came: Bytes) -> None:
    """Judge the request line, or what has come of it."""
    whole = came.endswith(b"\n")
    line = came.rstrip(b"\n").removesuffix(b"\r")
    if _CONTROL.search(line):
        if _BEGINNING.match(line):
            raise Refused("bad_request", "the request line has a control character")
        raise Silent
    if len(line) > LINE_BYTES:
        raise Refused("uri_too_long", f"the request line has more than {LINE_BYTES} bytes")
    if not whole:
        return
    version = _VERSION.search(line)
    if not version:
        raise Silent  # HTTP/0.9 has no headers, so no Host to check
    if version[1] not in (b"HTTP/1.0", b"HTTP/1.1"):
        raise Refused("version_not_supported")
    if not _LINE.fullmatch(line):
        raise Refused("bad_request", "the request line is malformed; what is not ASCII is written as %XX")
    if not came.endswith(b"\r\n"):
        raise Refused("bad_request", "lines end with CR LF")


def parse_head(data: bytes) -> Head:
    """The head that ends where `find_end` found its end."""
    line, *fields = data[: -len(END)].split(b"\r\n")
    if len(fields) > HEADERS:
        raise Refused("headers_too_large", f"there are more than {HEADERS} headers")
    pairs = []
    for field in fields:
        found = _FIELD.fullmatch(field)
        if not found:
            raise Refused("bad_request", "a header line is malformed")
        pairs.append((found[1].decode("ascii").lower(), found[2].decode("latin-1")))
    method, target, version = line.decode("ascii").split(" ")
    return Head(method, target, version, tuple(pairs))
