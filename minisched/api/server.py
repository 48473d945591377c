"""The HTTP server: which connections are served, how many at once, and how it ends.

A threading TCP server of `socketserver`, as `http.server.ThreadingHTTPServer` is one. What differs from that:

- At most `Limits.connections` at once, listeners to events counted apart. If all are taken, the connection that has
  waited longest for its client is closed to admit a new one, so slow clients cannot keep the others out.
- A thread waits a second for a further connection before it ends: starting one costs more than most answers.
- Without descriptors or threads it pauses between tries; the base class would spin.
- It sleeps until a client connects. `serve_forever` wakes twice a second to see whether it should end.
- It listens on several sockets, which may outlive it: no other program can take the port while a server is replaced by
  one with other settings. systemd may have opened them (`LISTEN_FDS`), then not even while the engine is restarted.
- `http.server` and all else that answers requests is imported with the first connection. It takes 0.8 MB, which an
  engine whose page is never opened does without.
"""

from __future__ import annotations

import errno
import math
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from selectors import EVENT_READ, PollSelector
from socketserver import BaseServer, ThreadingMixIn
from struct import pack

from minisched.model import Text
from minisched.model.task import shown_address
from minisched.namedtuple import NamedTuple
from minisched.osutil import Importing
from minisched.threads import receive, start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any, Callable, Optional

    from minisched.api.context import AppContext, Request, Response
    from minisched.api.gate import Gate
    from minisched.api.token import Tokens
    from minisched.model import HttpSettings

BLOCK_BYTES = 64 * 1024
JOIN_S = 1.0  # for the accepting thread, which is woken at once and sleeps nowhere else
RATE_LIMIT_S = 60.0  # between two log lines of one kind that any client can cause
BACKLOG = 64  # connections that the system takes while all threads are busy
LOG_KINDS = 100  # of such lines that are remembered; then all are forgotten


# `localhost` means both addresses of loopback, so a server on one of them takes the other one too: if another program
# had it, browsers that try that one first would give the token to it.
BESIDE = {"127.0.0.1": "::1", "0.0.0.0": "::1", "::1": "127.0.0.1", "::": "127.0.0.1"}
ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # the machine has no such address, so no other program has it


class Limits(NamedTuple):
    """Tests use smaller ones."""

    connections: int = 32  # each has a thread
    listeners: int = 16  # to events; they stay for hours, so they are counted apart
    request_s: float = 15.0  # from the accept to the last byte of the body
    # If all connections are taken, one that has waited this long for its client is closed to admit a new one. A normal
    # client sends its request right after the handshake; a large answer may take a while.
    reading_s: float = 0.1
    sending_s: float = 2.0
    drain_s: float = 1.0  # for a client that still sends when it is refused: closed at once, it could miss the answer
    send_s: float = 15.0  # for a response, and a second more for each `slowest` bytes of it
    slowest: int = 16 * 1024  # bytes a second
    pause_s: float = 0.05  # after an accept that failed for want of descriptors, or a thread that could not be started
    idle_s: float = 1.0  # how long a thread, with its history open, waits for a further connection


LIMITS = Limits()


class Connection:
    """A client's socket and its deadlines. Only the connection's own thread reads and writes; any thread may `cut`.

    The deadline of a request is absolute: a socket's own timeout starts again with each byte, so that a byte a second
    would hold a connection for hours.
    """

    def __init__(self, sock: socket.socket, address: tuple[str, int], limits: Limits) -> None:
        self.sock = sock
        self.limits = limits
        self.client = shown_address(*address[:2])
        now = time.monotonic()
        self.deadline = now + limits.request_s
        self.evictable_at: Optional[float] = now + limits.reading_s  # monotonic; None while the answer is made
        self.reading = True
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

    def start_answer(self) -> None:
        """The request is complete: from now on the client waits for us."""
        self.reading = False
        self.evictable_at = None

    def start_listening(self) -> None:
        """The response is a stream of events. Under the server's lock, which counts by it."""
        self.listening = True

    def send(self, data: bytes, more: bool = False) -> None:
        """Send all of it. more: the next bytes do not wait for the client. Raises OSError, also if it is too slow."""
        self.evictable_at = time.monotonic() + self.limits.sending_s
        self.sock.settimeout(self.limits.send_s + len(data) / self.limits.slowest)
        self.sock.sendall(data)  # its timeout is for the whole, not for each part
        if more:
            self.evictable_at = None

    def drain(self) -> None:
        """End the response, and read what the client has sent beyond its request."""
        self.evictable_at = time.monotonic()
        self.deadline = self.evictable_at + self.limits.drain_s
        try:
            self.sock.shutdown(socket.SHUT_WR)
            while self.receive():
                pass
        except (OSError, EOFError):
            pass

    def cut(self) -> None:
        """End it: a thread that waits in it wakes."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client was faster

    def abort(self) -> None:
        """Let the client see the close that follows as an error, not as the end of a complete response."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        except OSError:
            pass  # the client was faster


class RateLimitedLog:
    """Warnings that any client can cause: the first of a kind is written at once, those of the next minute are counted
    and their number is written with a later one."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}  # by kind: monotonic
        self._held: dict[str, int] = {}

    def warn(self, kind: str, text: Text) -> None:
        now = time.monotonic()
        with self._lock:
            if now < self._next.get(kind, now):
                self._held[kind] = self._held.get(kind, 0) + 1
                return
            if len(self._next) >= LOG_KINDS:
                self._next.clear()
                self._held.clear()
            self._next[kind] = now + RATE_LIMIT_S
            held = self._held.pop(kind, 0)
        text = Text("log.http.more", text=text, count=held) if held else text
        self._log.warning(Text("log.problem", key="http", problem=text))


def listening(fds: Iterable[int]) -> list[socket.socket]:
    """The TCP sockets among these descriptors that listen. Raises OSError if one is no socket."""
    found = []
    numbers = list(fds)
    for fd in numbers:  # all of them first: an error must close none
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
    for fd in numbers:
        sock = socket.socket(fileno=fd)
        if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_ACCEPTCONN
        ):
            sock.setblocking(False)
            found.append(sock)
        else:
            sock.detach()
    return found


class Sockets:
    """The listening sockets of a program, by their address."""

    def __init__(self, inherited: Iterable[socket.socket] = ()) -> None:
        """inherited: TCP sockets that listen already, and stay open."""
        self._inherited = {one.getsockname()[:2]: one for one in inherited}
        self._open: dict[tuple[str, int], socket.socket] = {}

    def listen(self, host: str, port: int) -> socket.socket:
        """The socket that listens there, a new one if there is none. It does not block. Raises OSError."""
        known = self._inherited.get((host, port)) or self._open.get((host, port))
        if known is not None:
            return known
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended hold no port
            if ":" in host:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # "::" is not IPv4 as well
            sock.bind((host, port))
            sock.listen(BACKLOG)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        self._open[sock.getsockname()[:2]] = sock
        return sock

    def unused(self, used: Iterable[socket.socket]) -> list[str]:
        """The addresses of inherited sockets that are not among these."""
        return [shown_address(*address) for address, sock in self._inherited.items() if sock not in used]

    def close(self, but: Iterable[socket.socket] = ()) -> None:
        """Close all sockets but these and the inherited ones."""
        for address in [address for address, sock in self._open.items() if sock not in but]:
            self._open.pop(address).close()


class ApiServer(ThreadingMixIn, BaseServer):
    """The page and the API. `start`, then `close`.

    settings: `host`, `port` (0: any free one), `public_status` and `allowed_hosts` are used. make_app: called with the
    first connection. respond: what answers a request; tests put their own there. sockets: are left open at the end;
    None: its own, which are closed.
    """

    # What handlers use; made with the first connection.
    app: AppContext
    gate: Gate
    respond: Callable[[Request, AppContext], Response]

    def __init__(
        self,
        settings: HttpSettings,
        tokens: Tokens,
        make_app: Callable[[Gate], AppContext],
        log: logging.Logger,
        limits: Limits = LIMITS,
        respond: Optional[Callable[[Request, AppContext], Response]] = None,
        sockets: Optional[Sockets] = None,
    ) -> None:
        super().__init__((settings.host, settings.port), None)  # type: ignore[arg-type]
        self.limits = limits
        self.warn = RateLimitedLog(log).warn
        self.address = ("", 0)  # host and port that it listens on, after `start`
        self.listeners: list[socket.socket] = []
        self.beside_error: Optional[OSError] = None  # why the other address of loopback cannot be listened on
        self._sockets = sockets or Sockets()
        self._leaves_sockets = sockets is not None
        self._wake: tuple[int, int] = (-1, -1)  # a pipe that wakes the accepting thread
        self._settings = settings
        self._tokens = tokens
        self._make_app = make_app
        self._respond = respond
        self._open: set[Connection] = set()
        self._idle: list[SimpleQueue[Optional[Connection]]] = []  # of the threads that wait for a connection
        self._serving = 0  # threads of connections
        self._changed = threading.Condition()  # guards the three above
        self._queues: dict[int, SimpleQueue[Optional[Connection]]] = {}  # by thread; where its next connection comes
        self._closing = threading.Event()
        self._thread: Optional[threading.Thread] = None

    @property
    def local_address(self) -> tuple[str, int]:
        """The host and port under which this machine reaches it."""
        host, port = self.address
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port

    @property
    def url(self) -> str:
        """Where this machine reaches it, without a slash at the end."""
        return f"http://{shown_address(*self.local_address)}"

    @property
    def beside(self) -> Optional[tuple[str, int]]:
        """The other address of loopback, if there is one to listen on too."""
        host = BESIDE.get(self.address[0])
        return None if host is None else (host, self.address[1])

    @property
    def problem(self) -> Optional[Text]:
        """Another program may have the other address of loopback."""
        if self.beside is None or self.beside_error is None or self.beside_error.errno in ABSENT:
            return None
        host, port = self.beside
        error = self.beside_error.strerror or str(self.beside_error)
        return Text("engine.beside_taken", address=shown_address(host, port), url=self.url, reason=error)

    def start(self) -> None:
        """Listen, and answer from now on. Raises OSError."""
        try:
            self.listeners.append(self._sockets.listen(self._settings.host, self._settings.port))
            self.address = self.listeners[0].getsockname()[:2]
            self.listen_beside()
            self._wake = os.pipe()
            self._thread = start_thread(self._accept_all, "http")
        except BaseException:
            self.server_close()
            raise

    def listen_beside(self) -> bool:
        """Listen on the other address of loopback; False if there is none, or if it is not free. Requests to it are
        answered from the next start on."""
        self.beside_error = None
        if self.beside is None:
            return False
        try:
            self.listeners.append(self._sockets.listen(*self.beside))
        except OSError as error:
            self.beside_error = error
            return False
        return True

    def close(self, deadline_s: float = 1.0) -> None:
        """Take no more requests; sockets of its own are closed when this returns. Clients that still send a request,
        and listeners to events, are cut at once. Answers under way are finished, and waited for until the deadline."""
        if self._thread is None or self._closing.is_set():
            return
        until = time.monotonic() + deadline_s
        self._closing.set()
        os.write(self._wake[1], b"x")
        self._thread.join(JOIN_S)
        self.server_close()
        with self._changed:
            for queue in self._idle:
                queue.put(None)
            self._idle.clear()
            for connection in self._open:
                if connection.reading or connection.listening:
                    connection.cut()
            self._changed.wait_for(
                lambda: self._serving <= sum(connection.listening for connection in self._open),
                max(0.0, until - time.monotonic()),
            )

    def server_close(self) -> None:
        for fd in self._wake:
            if fd >= 0:
                os.close(fd)
        self._wake = (-1, -1)
        if not self._leaves_sockets:
            self._sockets.close()

    def _accept_all(self) -> None:
        with PollSelector() as selector:
            selector.register(self._wake[0], EVENT_READ)
            for listener in self.listeners:
                selector.register(listener, EVENT_READ)
            while not self._closing.is_set():
                for key, _ in selector.select():
                    if key.fd != self._wake[0]:
                        self._accept(key.fileobj)

    def _accept(self, listener: Any) -> None:
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # the client was faster
        except OSError as error:
            self._pause("not_accepted", error)
            return
        connection = Connection(sock, address, self.limits)
        try:
            self.process_request(connection, address)
        except Exception:
            self.handle_error(connection, address)
            self.shutdown_request(connection)

    # --------------------------------------------------------------------------------------- called by socketserver

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection to a thread, or close it."""
        if self.RequestHandlerClass is None:
            self._load()
        connection: Connection = request
        with self._changed:
            full = self._is_full()
            if not full:
                self._open.add(connection)
                if self._idle:
                    self._idle.pop().put(connection)
                    return
                self._serving += 1
        if full:
            connection.sock.close()
            self.warn("full", Text("log.http.full", count=self.limits.connections, client=connection.client))
            return
        try:
            start_thread(self._serve, "http-connection", connection)
        except OSError as error:
            with self._changed:
                self._serving -= 1
            self.shutdown_request(connection)
            self._pause("no_thread", error)

    def _load(self) -> None:
        """Import and build what answers requests. If that fails for want of descriptors, the connection is closed and
        the next one tries again."""
        with Importing():
            from minisched.api.dispatch import find, respond
            from minisched.api.gate import Gate, own_hosts
            from minisched.api.handler import Handler

        absent = self.beside_error is not None and self.beside_error.errno in ABSENT
        hosts = own_hosts(self._settings, [one.getsockname()[:2] for one in self.listeners], absent)
        self.gate = Gate(hosts, self._tokens.full, find, self._settings.public_status, self._tokens.read)
        self.app = self._make_app(self.gate)
        self.respond = self._respond or respond
        self.RequestHandlerClass = Handler

    def shutdown_request(self, request: Any) -> None:
        """Close a connection. Its thread is free for the next one from now on, as the client may come back at once."""
        connection: Connection = request
        queue = self._queues.get(threading.get_ident())  # None in the accepting thread
        with self._changed:  # or `cut` could find another connection under the number of this socket
            self._open.discard(connection)
            connection.sock.close()
            if queue is not None:
                if self._closing.is_set():
                    queue.put(None)
                else:
                    self._idle.append(queue)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        self.warn(f"connection {error!r:.80}", Text("log.http.not_served", error=f"{error!r:.300}"))

    # ------------------------------------------------------------------------------------------------------ threads

    def _serve(self, first: Connection) -> None:
        """Serve one connection after another, until none comes for a while."""
        thread = threading.get_ident()
        queue = self._queues[thread] = SimpleQueue()
        connection: Optional[Connection] = first
        try:
            while connection is not None:
                self.process_request_thread(connection, None)  # type: ignore[arg-type]
                connection = self._next(queue)
        finally:
            self.app.close_history()
            del self._queues[thread]
            with self._changed:
                self._serving -= 1
                self._changed.notify_all()

    def _next(self, queue: SimpleQueue[Optional[Connection]]) -> Optional[Connection]:
        """The next connection for this thread, None if it should end."""
        try:
            return receive(queue, self.limits.idle_s)
        except Empty:
            with self._changed:
                if queue in self._idle:
                    self._idle.remove(queue)
                    return None
            return queue.get()  # one came at the last moment

    def _is_full(self) -> bool:
        """Whether there is no room for one more, also after the slowest client was cut for it. Under the lock."""
        counted = [one for one in self._open if not one.listening]
        if len(counted) < self.limits.connections:
            return False
        waiting = [(one.evictable_at, one) for one in counted if one.evictable_at is not None]
        at, slowest = min(waiting, key=lambda pair: pair[0], default=(math.inf, None))
        if slowest is None or time.monotonic() < at:
            return True
        slowest.cut()
        self._open.discard(slowest)  # its thread wakes and closes it
        return False

    def listen(self, connection: Connection) -> bool:
        """Count a connection as a listener to events from now on; False if there are enough."""
        with self._changed:
            if sum(one.listening for one in self._open) >= self.limits.listeners:
                return False
            connection.start_listening()
        return True

    def _pause(self, what: str, error: Exception) -> None:
        self.warn(what, Text(f"log.http.{what}", error=str(error)))
        self._closing.wait(self.limits.pause_s)
