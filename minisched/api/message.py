"""A request and a response as values: what the gate lets through, and what goes back."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, Optional


class Request(NamedTuple):
    """A request that has passed the gate."""

    method: str  # HEAD comes as GET; its body is not sent
    path: str  # decoded, begins with "/"
    query: Mapping[str, tuple[str, ...]] = MappingProxyType({})  # decoded; in the order given
    headers: Mapping[str, str] = MappingProxyType({})  # names in lower case
    body: bytes = b""
    authorized: bool = False  # it brought the token
    client: str = ""  # address and port


class Response(NamedTuple):
    """`stream`, if there is one, is sent piece by piece instead of `body`, until it ends or the client is gone; it is
    closed then. Where its length is known it is a Content-Length among the headers; of a body it is added by itself. A
    status of 304 has no body."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    stream: Optional[Iterator[bytes]] = None
