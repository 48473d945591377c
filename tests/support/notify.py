"""Requests as the engine makes them, and servers in the test's process: real sockets, bytes and certificates."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, NamedTuple, Optional

import trustme
from aiosmtpd.controller import Controller

from minisched.catalogue import render
from minisched.model.notification import Message, NotificationEvent, SendRequest, SendResult, SendStatus
from support.factories import config, task

HOST = "127.0.0.1"
VARIABLES = {
    "task_id": "nightly_backup",
    "task_name": "Nightly backup",
    "execution_status": "technical_failure",
    "execution_start_time": "2026-11-23T02:30:00+08:00",
    "execution_end_time": "2026-11-23T02:30:03+08:00",
    "execution_duration": "3.2 s",
    "threshold_count": "3",
    "execution_log_tail": "line 1\nline 2",
    "execution_id": "120",
    "execution_reason": "exit_code",
    "exit_code": "75",
    "attempt": "2",
    "scheduled_time": "2026-11-23T02:30:00+08:00",
    "host_name": "plant7",
    "task_url": "http://127.0.0.1:8787/#nightly_backup",
    "suppressed_count": "0",
}
CREATED = 1_795_372_203.7  # 2026-11-22T18:30:03.7Z
MESSAGE_ID = "12.ab34cd@plant7"
MAIL_HEADERS = [
    *("auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"),
    "x-minisched-delivery",
]


def message(event: str = NotificationEvent.EVENT, **variables: str) -> Message:
    return Message(12, MESSAGE_ID, event, {**VARIABLES, **variables}, CREATED)


def send_request(
    channel: dict[str, Any],
    sample: Optional[Message] = None,
    smtp: Optional[dict[str, Any]] = None,
    home: str = "/nonexistent",
    environ: Optional[dict[str, str]] = None,
) -> SendRequest:
    """A request by a channel and settings in the form of the config file, checked by its rules."""
    rule = {"name": "r", "triggers": ["success"], "channels": [channel]}
    (checked,) = task(task_notify=[rule]).task_notify[0].channels
    settings = config(smtp=smtp).settings.smtp if smtp else None
    base = {"PATH": os.environ["PATH"], "LANG": "C"}
    return SendRequest(sample or message(), checked, settings, home, environ or {}, base)


def words(result: SendResult) -> str:
    """The error in English, "" for none."""
    return render(result.error) if result.error else ""


def said(result: SendResult) -> tuple[SendStatus, str, str, Optional[float]]:
    """All of a result, with its error in English."""
    return result.state, words(result), result.answer, result.retry_after_s


class Authority(NamedTuple):
    """A test CA, and a certificate of it for 127.0.0.1."""

    ca_file: str
    server: ssl.SSLContext

    @classmethod
    def at(cls, folder: Any, name: str = HOST) -> Authority:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(folder / "ca.pem"))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert(name).configure_cert(context)
        return cls(str(folder / "ca.pem"), context)


Talk = Callable[[socket.socket], None]


class Host:
    """A server that handles each connection by `talk`, and counts them."""

    def __init__(self, talk: Talk, context: Optional[ssl.SSLContext] = None) -> None:
        self._talk, self._context = talk, context
        self._socket = socket.create_server((HOST, 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        self.seen: list[bytes] = []
        self.over = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(sock,), daemon=True))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(10)
        try:
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
            with sock:
                self._talk(sock)
        except OSError:
            pass
        finally:
            sock.close()

    def close(self) -> None:
        self.over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)


@contextmanager
def hosted(talk: Callable[[Host, socket.socket], None], context: Optional[ssl.SSLContext] = None) -> Iterator[Host]:
    host: Host = Host(lambda sock: talk(host, sock), context)
    try:
        yield host
    finally:
        host.close()


def read_request(sock: socket.socket) -> bytes:
    """The exact bytes of one HTTP request with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(status: str, body: bytes = b"", *headers: str) -> Callable[[Host, socket.socket], None]:
    """HTTP: keep the request, send this response."""

    def talk(host: Host, sock: socket.socket) -> None:
        host.seen.append(read_request(sock))
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        sock.sendall("\r\n".join([*head, "", ""]).encode() + body)

    return talk


def silent(host: Host, sock: socket.socket) -> None:
    """Reads everything and sends nothing."""
    sock.settimeout(0.05)
    while not host.over.is_set():
        try:
            if not sock.recv(65536):
                return
        except socket.timeout:
            pass


def dripping(first: bytes, drop: bytes, every_s: float = 0.05) -> Callable[[Host, socket.socket], None]:
    """Sends `first`, then a little again and again: no single wait is long."""

    def talk(host: Host, sock: socket.socket) -> None:
        sock.sendall(first)
        while not host.over.wait(every_s):
            sock.sendall(drop)

    return talk


class MailServer(Controller):
    """aiosmtpd over TLS from the first byte on a free port: its own trigger connects to port 0."""

    def _trigger_server(self) -> None:
        hostname, port = self.server.sockets[0].getsockname()[:2]
        with socket.create_connection((hostname, port), 5) as sock:
            if self.ssl_context:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                with context.wrap_socket(sock) as over_tls:
                    over_tls.recv(1024)
            else:
                sock.recv(1024)


@contextmanager
def serving(inbox: Any, **options: Any) -> Iterator[int]:
    """A mail server with aiosmtpd's handler `inbox`; yields its port."""
    controller = MailServer(inbox, hostname=HOST, port=0, **options)
    controller.start()
    try:
        yield controller.server.sockets[0].getsockname()[1]
    finally:
        controller.stop()


class Request(NamedTuple):
    line: str
    headers: dict[str, str]
    body: bytes


def parsed(data: bytes) -> Request:
    """A request; a repeated header is an error."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(text.split(": ", 1) for text in lines)
    assert len(headers) == len(lines)
    return Request(line, headers, body)


class Watch:
    def __init__(self) -> None:
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began
