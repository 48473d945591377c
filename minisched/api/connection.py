"""One connection: a request is read, goes through the gate, and gets one answer.

Whatever a client sends after its request is never read as another one. Its time is absolute: a socket's own timeout
begins anew with each byte, and a byte a second would hold a connection for hours.
"""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
import os.path
import socket
import time
import traceback
from struct import pack
from typing import Callable, NamedTuple, Optional

from minisched.api.errors import Refused, refusal
from minisched.api.gate import Gate, WrongToken, admit
from minisched.api.head import Silent, find_end, parse_head
from minisched.api.message import Request, Response
from minisched.api.wire import CONTINUE, check, rendered

BLOCK_BYTES = 64 * 1024
EVENTS = "text/event-stream"


class Limits(NamedTuple):
    """Tests make some of them smaller."""

    connections: int = 32  # a thread each
    listeners: int = 16  # to events; they stay for hours, so they are counted apart
    request_s: float = 15.0  # from the accept to the last byte of the body
    # Where all connections are taken, one that has waited so long for its client gives way to a new one. A request is
    # there with the packet after the connection's; a large answer may take a while.
    reading_s: float = 0.1
    sending_s: float = 2.0
    linger_s: float = 1.0  # for a client that is refused while it still sends: closed at once, it may lose the answer
    send_s: float = 15.0  # for a response, and a second more for each `slowest` bytes of it
    slowest: int = 16 * 1024  # bytes a second
    short_s: float = 0.05  # pause where the system has no descriptor or thread left; without it the loop would spin


class Connection:
    """A socket, and how long its client may take. Its own thread alone reads and writes; `cut` may come from any."""

    def __init__(self, sock: socket.socket, client: str, limits: Limits) -> None:
        self.sock = sock
        self.client = client  # address and port
        self.limits = limits
        now = time.monotonic()
        self.deadline = now + limits.request_s
        self.gives_way_at: Optional[float] = now + limits.reading_s  # monotonic; None while the answer is made
        self.reading = True
        self.only_head = False  # the request is HEAD
        self.listening = False  # to events

    def receive(self) -> bytes:
        """The next bytes. Raises EOFError at their end, socket.timeout past the deadline, OSError."""
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise socket.timeout
        self.sock.settimeout(left_s)
        data = self.sock.recv(BLOCK_BYTES)
        if not data:
            raise EOFError
        return data

    def answering(self) -> None:
        self.reading = False
        self.gives_way_at = None

    def send(self, data: bytes) -> None:
        """All of it by one write, if the system takes it. Raises OSError, also where the client is too slow."""
        self.gives_way_at = time.monotonic() + self.limits.sending_s
        self.sock.settimeout(self.limits.send_s + len(data) / self.limits.slowest)
        self.sock.sendall(data)  # its timeout is for the whole, not for each piece

    def drain(self) -> None:
        """Say that nothing more comes, and let the client send what it has on the way."""
        self.gives_way_at = time.monotonic()
        self.deadline = self.gives_way_at + self.limits.linger_s
        try:
            self.sock.shutdown(socket.SHUT_WR)
            while self.receive():
                pass
        except (OSError, EOFError):
            pass

    def cut(self) -> None:
        """End it: whoever blocks in it wakes."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client was faster

    def abort(self) -> None:
        """Let the close that follows be seen as an error, not as the end of a whole answer."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        except OSError:
            pass  # the client was faster


class Service(NamedTuple):
    """What all connections share."""

    gate: Gate
    respond: Callable[[Request], Response]
    tell: Callable[[str, str], None]  # kind and text of a log line; one of a kind in a while is written
    listen: Callable[[Connection], bool]  # count it as a listener; False: there are enough


def serve(connection: Connection, service: Service) -> None:
    """Answer one request; who calls closes the connection. Raises nothing: what a client does is no error of ours, and
    a bug is logged."""
    try:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _exchange(connection, service)
    except (OSError, EOFError, Silent):
        pass  # the client is gone, or too slow, or does not speak HTTP
    except Exception as error:
        service.tell(f"stream {error!r:.80}", f"bug in an answer to {connection.client}: {_told(error)}")


def _exchange(connection: Connection, service: Service) -> None:
    unread = True
    try:
        request, unread = _read(connection, service.gate)
        connection.answering()
        response = _respond(request, connection, service)
    except Refused as refused:
        if isinstance(refused, WrongToken):
            service.tell("token", f"a request with a wrong token, from {connection.client}")
        response = refused.response()
    _send(response, connection, service)
    if unread:
        connection.drain()


def _read(connection: Connection, gate: Gate) -> tuple[Request, bool]:
    """The request, and whether the client sent more than that. Raises Refused, Silent, and what `receive` does."""
    data = bytearray()
    seen = end = 0
    try:
        while not end:
            data += connection.receive()
            end = find_end(data, max(0, seen - 3))
            seen = len(data)
        head = parse_head(bytes(data[:end]))
        connection.only_head = head.method == "HEAD"
        admitted = admit(head, gate)
        if admitted.continues and len(data) == end:
            connection.send(CONTINUE)
        whole = end + admitted.length
        while len(data) < whole:
            data += connection.receive()
    except socket.timeout:
        if data:
            raise Refused("timeout") from None
        raise
    request = Request(
        method=admitted.method,
        path=admitted.path,
        query=admitted.query,
        headers=admitted.headers,
        body=bytes(data[end:whole]),
        authorized=admitted.authorized,
        client=connection.client,
    )
    return request, len(data) > whole


def _respond(request: Request, connection: Connection, service: Service) -> Response:
    try:
        response = service.respond(request)
        check(response)
        if response.content_type.startswith(EVENTS) and not connection.only_head and not service.listen(connection):
            _close(response)
            raise Refused("too_many_listeners")
    except Refused:
        raise
    except Exception as error:
        # Of the system's errors (no descriptor is left, say) the client is told that it may try again.
        system = isinstance(error, OSError)
        what = f"{'no answer to' if system else 'bug in'} {request.method} {request.path}"
        service.tell(what, f"{what}: {_told(error)}")
        return refusal("unavailable" if system else "internal")
    return response


def _send(response: Response, connection: Connection, service: Service) -> None:
    try:
        connection.send(rendered(response, time.time(), connection.only_head))
        if response.stream is not None and not connection.only_head:
            connection.gives_way_at = None
            for piece in response.stream:
                connection.send(piece)
                connection.gives_way_at = None
    except BaseException:
        connection.abort()
        raise
    finally:
        _close(response)


def _close(response: Response) -> None:
    close = getattr(response.stream, "close", None)
    if close:
        close()


def _told(error: BaseException) -> str:
    """An exception in one line: what, and the innermost places first."""
    frames = traceback.extract_tb(error.__traceback__)[:-5:-1]
    where = " < ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__}: {error!s:.300} ({where})"
