"""One connection: a request is read, passes the gate, and gets one answer.

Whatever a client sends after its request is never read as another one.
"""

from __future__ import annotations

import io
import os.path
import re
import socket
import time
from zlib import DEF_MEM_LEVEL, DEFLATED, Z_SYNC_FLUSH, compressobj

from minisched.api.context import GZIP, ApiError, Request, Response, gzipped
from minisched.api.gate import NotHttp, WrongToken, admit, find_end, parse_head
from minisched.model import Text
from minisched.osutil import places_of
from minisched.put_off import copy_without

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from typing import Any, Optional

    from minisched.api.server import ApiServer, Connection

EVENTS = "text/event-stream"
PACKED_BYTES = 1024  # a body of more bytes is sent in gzip to a client that takes it
LEVEL = 6  # of zlib: a list of tasks is smaller by a quarter than at 1, and a link slower than a processor
# A window of 8 KiB and less memory: 64 KiB for each listener, and an event is a fifth, as it is like earlier ones.
LIVE_WINDOW, LIVE_MEMORY = 16 + 13, 5
JOINED_BYTES = 64 * 1024  # a body up to this size is copied behind its head, to be sent by one system call
# A response may replace Cache-Control, not the others.
NOT_STORED = ("Cache-Control", "no-store")
HEADERS = (
    ("Connection", "close"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
)
POLICY = "Content-Security-Policy"
# Of the page, whose icons are made by its script, so that they can change while the engine is down. What is no page may
# do nothing.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
STRICT_POLICY = "default-src 'none'; frame-ancestors 'none'"
# Of documents: a page that opens this one cannot lead it to another place afterwards.
OPENER = ("Cross-Origin-Opener-Policy", "same-origin")
_NAME = re.compile(r"[A-Za-z][A-Za-z-]*")
_VALUE = re.compile(r"[\x20-\x7e]*")  # a line break in it would end the headers

# What `http.server` imports for error pages, directory listings and its own reading of requests, which are not used. It
# takes 3 MB.
UNUSED: dict[str, dict[str, Any]] = {
    "copy": {},
    "email.utils": {},
    "html": {},
    "http.client": {"HTTPMessage": None},  # the class of the headers that its own reading makes
    "mimetypes": {},
    "shutil": {},
    "urllib.parse": {},
}
if not TYPE_CHECKING:
    # A copy of its own: with an HTTPMessage of None it is of no use to others.
    BaseHTTPRequestHandler = copy_without("http.server", UNUSED).BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    """Of the base class the life of a handler and the writing of a head are used.

    Its reading is replaced by the gate's, since it accepts HTTP/0.9 (which has no Host to check), folded lines, 64 KiB
    of request line and 6 MB of headers, and its timeout starts again with each byte. `rfile` is therefore not used, and
    `wfile` collects the head, so that it goes out with the body.
    """

    protocol_version = request_version = "HTTP/1.1"
    server: ApiServer

    def setup(self) -> None:
        self.client: Connection = self.request
        self.only_head = False  # the request is HEAD
        self.rfile = self.wfile = io.BytesIO()

    def handle(self) -> None:
        """Raises nothing: what a client does is no error of ours, and a bug is logged."""
        try:
            self.client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._exchange()
        except (OSError, EOFError, NotHttp):
            pass  # the client is gone, or too slow, or does not speak HTTP
        except Exception as error:
            text = Text("log.http.bug_in_answer", client=self.client.client, error=_located(error))
            self.server.warn(f"stream {error!r:.80}", text)

    def _exchange(self) -> None:
        unread = True
        try:
            request, unread = self._read()
            self.client.start_answer()
            response = packed(self._respond(request), request)
        except ApiError as error:
            if error.code in ("misdirected", "forbidden"):
                self.server.warn(error.code, Text(f"log.http.{error.code}", client=self.client.client))
            if isinstance(error, WrongToken):
                self.server.warn("token", Text("log.http.token", client=self.client.client))
            response = error.response()
        self._send(response)
        if unread:
            self.client.drain()

    def _read(self) -> tuple[Request, bool]:
        """The request, and whether the client sent more. Raises ApiError, NotHttp, and what `receive` raises."""
        data = bytearray()
        seen = end = 0
        try:
            while not end:
                data += self.client.receive()
                end = find_end(data, max(0, seen - 3))
                seen = len(data)
            head = parse_head(bytes(data[:end]))
            self.only_head = head.method == "HEAD"
            admitted = admit(head, self.server.gate, self.client.client)
            if admitted.continues and len(data) == end:
                self.client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            whole = end + admitted.length
            while len(data) < whole:
                data += self.client.receive()
        except socket.timeout:
            if data:
                raise ApiError("timeout") from None
            raise
        return admitted.request._replace(body=bytes(data[end:whole])), len(data) > whole

    def _respond(self, request: Request) -> Response:
        try:
            response = self.server.respond(request, self.server.app)
            self._check(response)
            if response.content_type.startswith(EVENTS) and not self.only_head and not self.server.listen(self.client):
                _close(response)
                raise ApiError("too_many_listeners")
        except ApiError:
            raise
        except Exception as error:
            # After an error of the system (no descriptor is left, say) the client may try again.
            system = isinstance(error, OSError)
            code = "log.http.no_answer" if system else "log.http.bug"
            text = Text(code, method=request.method, path=request.path, error=_located(error))
            self.server.warn(f"{code} {request.method} {request.path}", text)
            return ApiError("unavailable" if system else "internal").response()
        return response

    def _check(self, response: Response) -> None:
        """Raise ValueError for a status that is unknown, or a header with a line break, which would make two responses
        of one."""
        if response.status not in self.responses:
            raise ValueError(f"status {response.status}")
        for name, value in (*response.headers, ("Content-Type", response.content_type)):
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError(f"header {name!r} cannot be {value!r}")

    def _send(self, response: Response) -> None:
        body = b"" if self.only_head or response.status == 304 else response.body
        try:
            self._write_head(response)
            head = self.wfile.getvalue()  # type: ignore[attr-defined]
            if response.stream is not None and not self.only_head:
                self.client.send(head, more=True)
                for piece in response.stream:
                    self.client.send(piece, more=True)
            elif len(body) <= JOINED_BYTES:
                self.client.send(head + body)
            else:
                self.client.send(head)
                self.client.send(body)
        except BaseException:
            self.client.abort()
            raise
        finally:
            _close(response)

    def date_time_string(self, timestamp: Optional[float] = None) -> str:
        """As in RFC 9110, section 5.6.7. The one of the base class imports the package `email` for it."""
        at = time.gmtime(timestamp)
        day = f"{self.weekdayname[at.tm_wday]}, {at.tm_mday:02} {self.monthname[at.tm_mon]} {at.tm_year:04}"
        return f"{day} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"

    def _write_head(self, response: Response) -> None:
        self.send_response_only(response.status)
        self.send_header("Date", self.date_time_string())
        if response.status != 304:
            self.send_header("Content-Type", response.content_type)
            if response.stream is None:
                self.send_header("Content-Length", str(len(response.body)))
        if not response.has(NOT_STORED[0]):
            self.send_header(*NOT_STORED)
        if response.status != 304:  # it would replace the policy of the copy that the client has
            page = response.content_type.startswith("text/html")
            self.send_header(POLICY, PAGE_POLICY if page else STRICT_POLICY)
            if page:
                self.send_header(*OPENER)
        for name, value in (*HEADERS, *response.headers):
            self.send_header(name, value)
        self.end_headers()


def packed(response: Response, request: Request) -> Response:
    """The response in gzip, if it is worth it and the client takes it. A download stays as its file is."""
    text = response.content_type.startswith(("application/json", "text/"))
    worth = text and (response.stream is not None or len(response.body) > PACKED_BYTES)
    if not worth or not request.takes_gzip or response.has("Content-Encoding"):
        return response
    headers = (*response.headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    if response.stream is not None:
        live = response.content_type.startswith(EVENTS)
        return response._replace(stream=PackedStream(response.stream, live), headers=headers)
    return response._replace(body=gzipped(response.body, LEVEL), headers=headers)


class PackedStream:
    """The pieces of a stream in gzip. live: each can be read as soon as it has come."""

    def __init__(self, pieces: Iterator[bytes], live: bool) -> None:
        self._pieces, self._live = pieces, live
        window, memory = (LIVE_WINDOW, LIVE_MEMORY) if live else (GZIP, DEF_MEM_LEVEL)
        self._packer: Any = compressobj(LEVEL, DEFLATED, window, memory)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while self._packer is not None:
            piece = next(self._pieces, None)
            if piece is None:
                packer, self._packer = self._packer, None
                return bytes(packer.flush())
            data = self._packer.compress(piece) + (self._packer.flush(Z_SYNC_FLUSH) if self._live else b"")
            if data:
                return bytes(data)
        raise StopIteration

    def close(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close:
            close()


def _close(response: Response) -> None:
    close = getattr(response.stream, "close", None)
    if close:
        close()


def _located(error: BaseException) -> str:
    """An exception in one line: what, and the innermost places first."""
    where = " < ".join(map(os.path.basename, places_of(error)[:-5:-1]))
    return f"{type(error).__name__}: {error!s:.300} ({where})"
