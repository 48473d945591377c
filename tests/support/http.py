"""Raw HTTP: bytes over a socket, and what came back, so that no library corrects what a test sends."""

from __future__ import annotations

import json
import socket
import time
from typing import Any, NamedTuple, Optional

Address = tuple[str, int]


class Reply(NamedTuple):
    """All that came until the end of the connection."""

    raw: bytes
    seconds: float
    reset: bool = False  # it ended by RST

    @property
    def responses(self) -> int:
        return self.raw.count(b"HTTP/1.1 ")

    @property
    def status(self) -> int:
        """0: the connection was closed without a word."""
        return int(self.raw.split(b" ", 2)[1]) if self.raw else 0

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")[1:]
        headers = dict(line.split(": ", 1) for line in lines)
        assert len(headers) == len(lines), "a header comes twice"
        return {name.lower(): value for name, value in headers.items()}

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        error = self.json["error"]
        assert set(error) >= {"code", "message", "problems"}
        return str(error["code"])


def connect(address: Address, timeout_s: float = 20.0) -> socket.socket:
    return socket.create_connection(address, timeout_s)


def receive(sock: socket.socket) -> Reply:
    """What comes until the other end closes."""
    began = time.monotonic()
    data, reset = b"", False
    try:
        while True:
            piece = sock.recv(65536)
            if not piece:
                break
            data += piece
    except ConnectionResetError:
        reset = True
    return Reply(data, time.monotonic() - began, reset)


def exchange(address: Address, data: bytes, timeout_s: float = 20.0) -> Reply:
    """Send, and read to the end; the sending side stays open."""
    with connect(address, timeout_s) as sock:
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered and closed before all was sent
        return receive(sock)


def request(
    address: Address,
    line: str,
    *fields: str,
    token: Optional[str] = None,
    body: bytes = b"",
    host: Optional[str] = None,
) -> bytes:
    """The bytes of a request: the Host of the address, and a Content-Length where there is a body."""
    lines = [f"{line} HTTP/1.1"]
    if host != "":
        lines.append(f"Host: {host or f'{address[0]}:{address[1]}'}")
    lines += fields
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += [f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + body
