"""The network side of one delivery: a time limit for the whole conversation, and TLS that always verifies."""

from __future__ import annotations

import errno
import os
import queue
import socket
import ssl
import threading
import time
from types import TracebackType

from minisched.model import Text
from minisched.notify.redact import DeliveryError
from minisched.osutil import read_regular
from minisched.threads import receive, start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

STACK_BYTES = 512 * 1024  # TLS, the email package and the resolver need more than `start_thread` gives
ADDRESS_S = 5.0  # to connect to one address of a name that has further ones
CA_BYTES_MAX = 4 * 2**20  # all public authorities together take 0.3 MB


class AddressError(OSError):
    """A host name leads to no address; `text` says why."""

    def __init__(self, text: Text) -> None:
        super().__init__(errno.EADDRNOTAVAIL, str(text))
        self.text = text


class Deadline:
    """The time limit of one delivery, counted from the start.

    A socket's timeout starts again with each byte, so a server that sends one byte a second never exceeds it. This
    limit ends by shutting the connection down, which makes a call that is blocked on it return at once.

    Use it as a context manager, which raises OSError if no thread is left to watch the time. `connect` returns the one
    socket that the limit applies to.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds
        self._socket: Optional[socket.socket] = None  # a duplicate: TLS detaches the descriptor of the original
        self._lock = threading.Lock()
        self._done = threading.Event()

    def __enter__(self) -> Deadline:
        start_thread(self._watch, "notify-deadline")
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._done.set()
        with self._lock:
            if self._socket:
                self._socket.close()
                self._socket = None

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._until

    def left(self) -> float:
        """The remaining seconds. Raises TimeoutError if there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        return left

    def connect(self, host: str, port: int) -> socket.socket:
        """A TCP connection to the first address of `host` that answers. Raises OSError."""
        failure: OSError = AddressError(Text("notify.no_address"))
        addresses = self._resolve(host, port)
        for more, (family, kind, protocol, _, address) in zip(reversed(range(len(addresses))), addresses):
            # One silent address, such as IPv6 without a route, must not use up the time of the others.
            share_s = min(self.left() / (more + 1), ADDRESS_S) if more else self.left()
            try:
                return self._connected(socket.socket(family, kind, protocol), address, share_s)
            except OSError as error:
                failure = error
        raise failure

    def _connected(self, sock: socket.socket, address: Any, timeout_s: float) -> socket.socket:
        try:
            sock.settimeout(timeout_s)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._socket = sock.dup()
            sock.settimeout(self.left())
        except OSError:
            sock.close()
            raise
        return sock

    def _resolve(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """getaddrinfo has no time limit: it runs in a thread of its own, which is abandoned if it takes too long."""
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def resolve() -> None:
            try:
                answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError) as error:
                answer.put(error)

        start_thread(resolve, "notify-dns", stack_bytes=STACK_BYTES)
        try:
            found = receive(answer, self.left())
        except queue.Empty:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
        if isinstance(found, UnicodeError):
            raise AddressError(Text("notify.not_a_host_name"))
        if isinstance(found, OSError):
            raise found
        return list(found)

    def _watch(self) -> None:
        if self._done.wait(self.seconds):
            return
        with self._lock:
            if self._socket:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:  # the other end has closed it already
                    pass


def tls_context(home: str, ca_file: Optional[str]) -> ssl.SSLContext:
    """A context that verifies certificate and host name; a plain `SSLContext` and smtplib's default verify nothing.

    ca_file: trusted instead of the machine's authorities, relative to the home. Raises DeliveryError.
    """
    try:
        return ssl.create_default_context(cadata=_read_ca(os.path.join(home, ca_file)) if ca_file else None)
    except (OSError, ValueError) as error:  # ssl.SSLError, which is an OSError, if it is not PEM
        reason = Text("notify.not_pem") if isinstance(error, ssl.SSLError) else reason_of(error)
        raise DeliveryError(Text("notify.ca_file", path=ca_file, reason=reason)) from None


def _read_ca(path: str) -> str:
    """The file as ASCII; comments between the certificates may be in any encoding."""
    data = read_regular(path, CA_BYTES_MAX)
    if b"-----BEGIN " not in data:  # an empty `cadata` would select the machine's authorities
        raise ssl.SSLError("not PEM")
    return data.decode("ascii", "replace").replace("\ufffd", "?")


def reason_of(error: BaseException) -> Text:
    """Why a connection failed, without the class, number and arguments of the exception."""
    if isinstance(error, AddressError):
        return error.text
    if isinstance(error, (socket.timeout, TimeoutError)):
        return Text("notify.timeout")
    if isinstance(error, socket.gaierror):
        return Text("notify.unknown_host", reason=error.strerror)
    verify = getattr(error, "verify_message", "")
    if verify:
        return Text("notify.untrusted_certificate", reason=verify)
    if isinstance(error, OSError) and error.strerror:
        return Text("text", text=error.strerror)
    return Text("text", text=str(error) or type(error).__name__)
