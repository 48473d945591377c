"""A response as bytes, with the headers that every response has."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minisched.api.message import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
    507: "Insufficient Storage",
}
# A response may put another Cache-Control in the place of this one; the others stand.
NOT_STORED = ("Cache-Control", "no-store")
SECURITY = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)
_NAME = re.compile(r"[A-Za-z][A-Za-z-]*")
_VALUE = re.compile(r"[\x20-\x7e]*")  # a line break in it would be the end of the headers
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def rendered(response: Response, now: float, only_head: bool = False) -> bytes:
    """Status line, headers and body; of a stream, what stands before it. only_head: for HEAD."""
    headers = [("Date", http_date(now)), ("Connection", "close")]
    if response.status != 304:
        headers.append(("Content-Type", response.content_type))
        if response.stream is None:
            headers.append(("Content-Length", str(len(response.body))))
    if not any(name.lower() == "cache-control" for name, _ in response.headers):
        headers.append(NOT_STORED)
    lines = [f"{name}: {value}\r\n" for name, value in (*headers, *SECURITY, *response.headers)]
    head = f"HTTP/1.1 {response.status} {REASONS[response.status]}\r\n{''.join(lines)}\r\n".encode("ascii")
    return head if only_head or response.stream is not None or response.status == 304 else head + response.body


def check(response: Response) -> None:
    """Raise ValueError where it cannot be rendered: its status is none of ours, or a header's value holds a line break,
    which would make two responses of one."""
    if response.status not in REASONS:
        raise ValueError(f"status {response.status}")
    for name, value in (*response.headers, ("Content-Type", response.content_type)):
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} cannot be {value!r}")


def http_date(now: float) -> str:
    """An instant as RFC 9110, section 5.6.7 has it; strftime would use the language of the machine."""
    when = time.gmtime(now)
    date = f"{_DAYS[when.tm_wday]}, {when.tm_mday:02} {_MONTHS[when.tm_mon - 1]} {when.tm_year}"
    return f"{date} {when.tm_hour:02}:{when.tm_min:02}:{when.tm_sec:02} GMT"
