"""A total time limit over a conversation, held whatever the other end does: hang, drip or never end."""

from __future__ import annotations

import errno
import os
import queue
import socket
import threading
import time
from types import TracebackType
from typing import Any, Optional

ADDRESS_S = 5.0  # for the connection to an address that is not the last one of its name


class Deadline:
    """The time limit of one delivery. A socket's own timeout counts from each byte anew, so a server that sends one a
    second is never late; this one counts from the start, and ends by shutting the connection down: a call that is
    blocked on it returns at once.

    Use it as a context, which raises OSError where no thread is left to watch the time; `connect` gives the one socket
    whose conversation it ends.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds
        self._line: Optional[socket.socket] = None  # a descriptor of our own: TLS moves the socket's to another object
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.name = "notify-deadline"

    def __enter__(self) -> Deadline:
        _start(self._timer)
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._line:
                self._line.close()
                self._line = None

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._until

    def left(self) -> float:
        """Seconds; raises TimeoutError when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        return left

    def connect(self, host: str, port: int) -> socket.socket:
        """A TCP connection to the first address of `host` that answers. Raises OSError."""
        failure: OSError = OSError(errno.EADDRNOTAVAIL, "the name has no address")
        addresses = self._look_up(host, port)
        for more, (family, kind, protocol, _, address) in zip(reversed(range(len(addresses))), addresses):
            # One that says nothing, as an IPv6 address where the network has none, leaves the others their time.
            share = min(self.left() / (more + 1), ADDRESS_S) if more else self.left()
            try:
                return self._connected(socket.socket(family, kind, protocol), address, share)
            except OSError as error:
                failure = error
        raise failure

    def _connected(self, sock: socket.socket, address: Any, seconds: float) -> socket.socket:
        try:
            sock.settimeout(seconds)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._line = sock.dup()
            sock.settimeout(self.left())
        except OSError:
            sock.close()
            raise
        return sock

    def _look_up(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """getaddrinfo knows no time limit: it is waited for in a thread of its own, left behind when it is late."""
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError) as error:
                answer.put(error)

        _start(threading.Thread(target=ask, name="notify-dns", daemon=True))
        try:
            found = answer.get(timeout=self.left())
        except queue.Empty:
            raise TimeoutError(errno.ETIMEDOUT, "the name server does not answer") from None
        if isinstance(found, UnicodeError):
            raise OSError(errno.EINVAL, "not the name of a host")
        if isinstance(found, OSError):
            raise found
        return list(found)

    def _cut(self) -> None:
        with self._lock:
            if self._line:
                try:
                    self._line.shutdown(socket.SHUT_RDWR)
                except OSError:  # the other end has gone already
                    pass


def _start(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError as error:  # "can't start new thread"
        raise OSError(errno.EAGAIN, str(error)) from None


def explain(error: BaseException) -> str:
    """An error of a connection in words: without its class, its number, and what stands in its arguments."""
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return f"the host is not known: {error.strerror}"
    verify = getattr(error, "verify_message", "")
    if verify:
        return f"its certificate is not trusted: {verify}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
