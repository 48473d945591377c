"""The HTTP server: who may come in, how many at once, and how it ends.

Not `http.server`, which pulls in ssl and email (3.6 MB, 40 ms of a start), wakes twice a second, and parses leniently;
nor `socketserver`, of which no piece would be left as it is.
"""

from __future__ import annotations

import errno
import math
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Callable, Optional

from minisched.api import routes, static_files
from minisched.api.connection import Connection, Limits, Service, serve
from minisched.api.gate import Gate, Place, own_hosts
from minisched.api.rarely import Rarely
from minisched.api.respond import respond as answer

if TYPE_CHECKING:
    import logging

    from minisched.api.message import Request, Response
    from minisched.api.ports import Ports
    from minisched.model import HttpSettings

BACKLOG = 64  # connections the system takes while we are busy
STACK_BYTES = 256 * 1024  # of a connection's thread, in place of 8 MB of address space
JOIN_S = 1.0  # the accepting thread wakes at once, and sleeps nowhere else
LIMITS = Limits()


class ApiServer:
    """The page and the API on one address. `start`, then `close`.

    settings: host, port (0: any free one), public_status and allowed_hosts are looked at. `respond` and `find` are the
    API's own; tests put others there.
    """

    def __init__(
        self,
        settings: HttpSettings,
        token: bytes,
        ports: Ports,
        log: logging.Logger,
        limits: Limits = LIMITS,
        respond: Callable[[Request, Ports], Response] = answer,
        find: Callable[[str, str], Place] = routes.match,
    ) -> None:
        self._settings = settings
        self._token = token
        self._ports = ports
        self._limits = limits
        self._answer = respond
        self._find = find
        self._tell = Rarely(log).tell
        self._open: set[Connection] = set()
        self._changed = threading.Condition()  # over `_open` and what is counted in it
        self._closing = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self.address = ("", 0)  # what is listened on: host and port, after `start`

    @property
    def url(self) -> str:
        """Where this machine reaches it, without a slash at the end."""
        host, port = self.address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        """Listen, and answer from now on. Raises OSError."""
        host = self._settings.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, self._settings.port), family=family, backlog=BACKLOG)
        try:
            self._listener.setblocking(False)
            self.address = self._listener.getsockname()[:2]
            gate = Gate(
                own_hosts(self._settings, self.address[1]), self._token, self._place, self._settings.public_status
            )
            self._service = Service(gate, self._respond, self._tell, self._listen)
            self._waker, self._woken = socket.socketpair()
            self._selector = selectors.DefaultSelector()
            for wakes in (self._listener, self._woken):
                self._selector.register(wakes, selectors.EVENT_READ)
            self._thread = _start(self._accept_all, (), "http")
        except BaseException:
            self._listener.close()
            raise

    def close(self, deadline_s: float = 1.0) -> None:
        """Take no more requests: the address is free when it returns. Whoever is still sending a request, and the
        listeners to events, are cut at once. What is being answered goes out; it is waited for until the deadline."""
        if self._thread is None:
            return
        until = time.monotonic() + deadline_s
        self._closing.set()
        self._waker.close()
        self._thread.join(JOIN_S)
        with self._changed:
            for connection in self._open:
                if connection.reading or connection.listening:
                    connection.cut()
            self._changed.wait_for(
                lambda: all(connection.listening for connection in self._open), max(0.0, until - time.monotonic())
            )

    # -------------------------------------------------------------------------------------------------- connections

    def _accept_all(self) -> None:
        """Sleep until somebody comes; the thread `http`."""
        with self._listener, self._woken, self._selector:
            while True:
                self._selector.select()
                if self._closing.is_set():
                    return
                try:
                    self._take(*self._listener.accept())
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                except OSError as error:
                    self._short("no connection can be accepted", error)
                except Exception as error:
                    # Whatever one connection brings, the next one is to be accepted.
                    self._short("a connection could not be served", error)

    def _take(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Give a connection its thread, or close it."""
        host, port = address[:2]
        client = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        connection = Connection(sock, client, self._limits)
        with self._changed:
            full = self._is_full()
            if not full:
                self._open.add(connection)
        if full:
            sock.close()
            self._tell("full", f"{self._limits.connections} connections are open; closed the one from {client}")
            return
        try:
            _start(self._serve, (connection,), f"http-{client}")
        except OSError as error:
            self._done(connection)
            self._short("no thread can be started for a connection", error)

    def _is_full(self) -> bool:
        """Whether there is no room for one more. Where there is none, the connection that has waited longest for its
        client gives way to the new one: slow clients cannot keep the others out."""
        counted = [one for one in self._open if not one.listening]
        if len(counted) < self._limits.connections:
            return False
        waiting = [(one.gives_way_at, one) for one in counted if one.gives_way_at is not None]
        at, slowest = min(waiting, key=lambda pair: pair[0], default=(math.inf, None))
        if slowest is None or time.monotonic() < at:
            return True
        slowest.cut()
        self._open.discard(slowest)  # its thread wakes and ends
        return False

    def _listen(self, connection: Connection) -> bool:
        """Count a connection as a listener from now on, unless there are enough."""
        with self._changed:
            if sum(one.listening for one in self._open) >= self._limits.listeners:
                return False
            connection.listening = True
        return True

    def _serve(self, connection: Connection) -> None:
        try:
            serve(connection, self._service)
        finally:
            self._done(connection)

    def _done(self, connection: Connection) -> None:
        with self._changed:  # so that nobody cuts a descriptor that is another one's already
            self._open.discard(connection)
            connection.sock.close()
            self._changed.notify_all()

    def _short(self, what: str, error: Exception) -> None:
        """The system has no descriptor or thread left: say so, and give it a moment."""
        self._tell(what, f"{what}: {error}")
        self._closing.wait(self._limits.short_s)

    # ------------------------------------------------------------------------------------------------------ routing

    def _place(self, method: str, path: str) -> Place:
        return static_files.find(method, path) or self._find(method, path)

    def _respond(self, request: Request) -> Response:
        if request.path in static_files.NAMES:
            return static_files.respond(request)
        return self._answer(request, self._ports)


def _start(target: Callable[..., object], arguments: tuple[object, ...], name: str) -> threading.Thread:
    """Start a daemon thread with a small stack. Raises OSError where the system has none left."""
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    stack_bytes = threading.stack_size(STACK_BYTES)
    try:
        thread.start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from None
    finally:
        threading.stack_size(stack_bytes)
    return thread
