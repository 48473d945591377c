"""The gate in front of every route: the head of a request is parsed strictly, and admitted or refused.

Where RFC 9112 leaves a choice, the narrow one is taken: lines end with CR LF, none is folded, no blank precedes a
colon, the version is 1.0 or 1.1.

The rules are in `admit`, in their order; the first that does not hold answers. They keep out a web page that is open in
the administrator's browser (Host against DNS rebinding, Origin, Sec-Fetch-Site), a second request hidden in a first one
(length and coding), and clients without the token. For `/api` the token is checked before the route, so that without it
nothing can be learned, not even which paths there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from minisched.api.context import ApiError, Request
from minisched.api.routing import METHODS, OPEN, PUBLIC, READ, Match, NotAllowed, NotFound
from minisched.api.token import same_token
from minisched.model import HttpSettings, Text
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, NoReturn, Optional, Union

    from minisched.api.routing import Found

LINE_BYTES = 8 * 1024  # of the request line
HEADERS_BYTES = 16 * 1024  # in sum; a browser sends 1 KiB
MAX_HEADERS = 64
TARGET_BYTES = 2 * 1024
BODY_BYTES = 256 * 1024
END = b"\r\n\r\n"
WITH_BODY = ("POST", "PUT", "PATCH")
NEVER_BODY = ("GET", "HEAD", "DELETE")
HIDDEN_HEADERS = ("authorization", "cookie")  # handlers do not get them, so no log and no answer can show them

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP/1\.[01]")
_VERSION = re.compile(rb" (HTTP/\S*)\Z")
_BEGINNING = re.compile(rb"[A-Z]{3,16} [/*!-~]")  # of what a person may have meant as HTTP
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_CONTROL_BYTE = re.compile(rb"[\x00-\x1f\x7f]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_LENGTH = re.compile(r" ?([0-9]{1,15})")  # int() also takes "+5", " 5 ", "1_0" and Arabic digits
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(\S+)")
_JSON = re.compile(r'application/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?', re.IGNORECASE)

if TYPE_CHECKING:
    Bytes = Union[bytes, bytearray]


class NotHttp(Exception):
    """What came is not HTTP, or is a version without headers: the connection is closed without an answer."""


class WrongToken(ApiError):
    """There is a token, but not the right one. Clients cannot see the difference; it is logged."""


class Head(NamedTuple):
    """A well-formed head, not yet judged."""

    method: str
    target: str  # printable ASCII
    version: str
    fields: tuple[tuple[str, str], ...]  # names in lower case, values with their blanks

    def all(self, name: str) -> list[str]:
        """The values of every header of this name: a check of the first alone would let a second one pass."""
        return [value for known, value in self.fields if known == name]


class Gate(NamedTuple):
    """What the rules depend on."""

    hosts: frozenset[str]  # values of Host that are ours, in lower case, with their ports
    token: bytes
    find: Callable[[str, str], Found]  # method and path -> the route
    public_status: bool = False
    read_token: bytes = b""  # "" is none: no header can give it


class Admitted(NamedTuple):
    """A head that was admitted."""

    request: Request  # without its body
    length: int  # of the body that follows, in bytes
    continues: bool  # the client waits for `100 Continue` before it sends the body


def bad_request(detail: str, **values: Any) -> ApiError:
    return ApiError("bad_request", Text(f"api.gate.{detail}", **values))


# -------------------------------------------------------------------------------------------------------- from bytes


def find_end(data: Bytes, start: int = 0) -> int:
    """The length of the head with its empty line, 0 if that has not come yet. start: the end is not before it. Raises
    ApiError or NotHttp as soon as no further bytes could make it right, so that no connection waits for them."""
    newline = data.find(b"\n")
    _check_line(data if newline < 0 else data[: newline + 1])
    end = data.find(END, start)
    if (len(data) if end < 0 else end) - max(newline, 0) > HEADERS_BYTES and newline >= 0:
        raise ApiError("headers_too_large", Text("api.gate.headers_bytes", max_bytes=HEADERS_BYTES))
    return end + len(END) if end >= 0 else 0


def _check_line(received: Bytes) -> None:
    """Judge the request line, or the part of it that has come."""
    whole = received.endswith(b"\n")
    line = received.rstrip(b"\n").removesuffix(b"\r")
    if _CONTROL_BYTE.search(line):
        if _BEGINNING.match(line):
            raise bad_request("line_control")
        raise NotHttp
    if len(line) > LINE_BYTES:
        raise ApiError("uri_too_long", Text("api.gate.line_bytes", max_bytes=LINE_BYTES))
    if not whole:
        return
    version = _VERSION.search(line)
    if not version:
        raise NotHttp  # HTTP/0.9 has no headers, so no Host to check
    if version[1] not in (b"HTTP/1.0", b"HTTP/1.1"):
        raise ApiError("version_not_supported")
    if not _LINE.fullmatch(line):
        raise bad_request("line")
    if not received.endswith(b"\r\n"):
        raise bad_request("line_end")


def parse_head(data: bytes) -> Head:
    """The head that ends where `find_end` found its end. Raises ApiError."""
    line, *fields = data[: -len(END)].split(b"\r\n")
    if len(fields) > MAX_HEADERS:
        raise ApiError("headers_too_large", Text("api.gate.headers_count", max=MAX_HEADERS))
    pairs = []
    for field in fields:
        found = _FIELD.fullmatch(field)
        if not found:
            raise bad_request("header")
        pairs.append((found[1].decode("ascii").lower(), found[2].decode("latin-1")))
    method, target, version = line.decode("ascii").split(" ")
    return Head(method, target, version, tuple(pairs))


# ----------------------------------------------------------------------------------------------------------- the rules


def admit(head: Head, gate: Gate, client: str = "") -> Admitted:
    """Admit the head, or raise ApiError."""
    check_host(head, gate.hosts)
    path, query = split_target(head.target)
    length = body_length(head)
    continues = expects_continue(head)
    check_origin(head, path, gate.hosts)
    token = given_token(head)
    authorized = token is not None and same_token(token, gate.token)
    reads = bool(token and gate.read_token) and same_token(token or b"", gate.read_token)
    found = gate.find(head.method, path)
    if not authorized and needs_token(path, found, gate.public_status or reads, reads):
        if reads:
            raise ApiError("forbidden", Text("api.read_token"))
        refuse_token(token)
    route, ids = check_route(head.method, found)
    check_media_type(head, length)
    method = "GET" if head.method == "HEAD" else head.method
    request = Request(method, path, route, ids, query, joined(head.fields), b"", authorized, client)
    return Admitted(request, length, continues and length > 0)


def own_hosts(
    settings: HttpSettings, addresses: Sequence[tuple[str, int]], one_loopback: bool = False
) -> frozenset[str]:
    """Every value of Host under which the server can be reached: the addresses it listens on, `allowed_hosts`, and
    `localhost` if both addresses of loopback are ours. Another program may listen on an address that is not.

    A browser leaves out port 80. An allowed host without a port stands for the name behind a proxy (port 80 or 443) and
    for the name with our own port. addresses: host and port, all of one port. one_loopback: the machine has no other
    address of loopback than the one that is listened on.
    """
    port = addresses[0][1]
    names = {
        {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host) for host, _ in addresses
    }
    loopback = names & {"127.0.0.1", "[::1]"}
    if len(loopback) == 2 or (loopback and one_loopback):
        names.add("localhost")
    hosts = {f"{name}:{port}" for name in names}
    if port == 80:
        hosts |= names
    for one in settings.allowed_hosts:
        allowed = one.rpartition("://")[2]  # a scheme is for the links in messages
        hosts.add(allowed)
        if not re.search(r":[0-9]+\Z", allowed):
            hosts.add(f"{allowed}:{port}")
    return frozenset(host.lower() for host in hosts)


def check_host(head: Head, hosts: frozenset[str]) -> None:
    values = head.all("host")
    if len(values) != 1:
        raise bad_request("host")
    if values[0].strip(" \t").lower() not in hosts:
        raise ApiError("misdirected")


def split_target(target: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Path and query of a request target, decoded. A path has one reading only: no empty first name (`//host`), no `.`
    or `..`, no slash within a name."""
    if not target.startswith("/") or target.startswith("//"):
        raise bad_request("target")
    if len(target) > TARGET_BYTES:
        raise bad_request("target_bytes", max_bytes=TARGET_BYTES)
    raw_path, _, raw_query = target.partition("?")
    names = [decoded(name) for name in raw_path[1:].split("/")]
    if any(name in (".", "..") or "/" in name or "\\" in name for name in names) or "#" in target:
        raise bad_request("ambiguous_path")
    query: dict[str, tuple[str, ...]] = {}
    for pair in filter(None, raw_query.split("&")):
        name, _, value = (decoded(part.replace("+", " ")) for part in pair.partition("="))
        query[name] = (*query.get(name, ()), value)
    return "/" + "/".join(names), query


def decoded(text: str) -> str:
    """`%XX` as UTF-8. Not urllib.parse, which keeps malformed escapes as they are."""
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        raise bad_request("escape")
    try:
        plain = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), text.encode("ascii")).decode("utf-8")
    except UnicodeDecodeError:
        raise bad_request("target_encoding") from None
    if _CONTROL.search(plain):
        raise bad_request("target_control")
    return plain


def body_length(head: Head) -> int:
    """Bytes of the body that follows."""
    if head.all("transfer-encoding"):
        raise ApiError("not_implemented", Text("api.gate.transfer_encoding"))
    values = head.all("content-length")
    if not values:
        if head.method in WITH_BODY:
            raise ApiError("length_required")
        return 0
    found = _LENGTH.fullmatch(values[0])
    if len(values) > 1 or not found:
        raise bad_request("length")
    length = int(found[1])
    if length > BODY_BYTES:
        raise ApiError("too_large")
    if length and head.method in NEVER_BODY:
        raise bad_request("no_body", method=head.method)
    return length


def expects_continue(head: Head) -> bool:
    values = [value.strip(" \t").lower() for value in head.all("expect")]
    if head.version == "HTTP/1.0":
        return False
    if values not in ([], ["100-continue"]):
        raise ApiError("expectation_failed")
    return bool(values)


def check_origin(head: Head, path: str, hosts: frozenset[str]) -> None:
    """By these headers a browser says which page sends the request; other clients do not send them."""
    for origin in head.all("origin"):
        scheme, _, host = origin.strip(" \t").lower().partition("://")
        if scheme not in ("http", "https") or host not in hosts:
            raise ApiError("forbidden", Text("api.other_site"))
    sites = [value.strip(" \t") for value in head.all("sec-fetch-site")]
    if sites in ([], ["same-origin"], ["none"]):
        return
    # A link on another site may lead to the page: the whole window navigates, and that site learns nothing.
    goes_to_page = (head.method, path) == ("GET", "/") and [
        value.strip(" \t") for name in ("sec-fetch-mode", "sec-fetch-dest") for value in head.all(name)
    ] == ["navigate", "document"]
    if len(sites) != 1 or not goes_to_page:
        raise ApiError("forbidden", Text("api.other_site"))


def given_token(head: Head) -> Optional[bytes]:
    """The token of the request. Two of these headers give none."""
    values = head.all("authorization")
    if not values:
        return None
    found = _BEARER.fullmatch(values[0].strip(" \t"))
    return found[1].encode("latin-1") if found and len(values) == 1 else b""


def needs_token(path: str, found: Found, public_status: bool, reads: bool = False) -> bool:
    """All of /api needs the token, known paths or not; so do routes that do not say otherwise. reads: the token for
    reading is given."""
    if isinstance(found, Match):
        access = found.route.access
        return access != OPEN and not (access == PUBLIC and public_status) and not (access == READ and reads)
    closed = isinstance(found, NotAllowed) and not found.open
    return closed or path == "/api" or path.startswith("/api/")


def refuse_token(token: Optional[bytes]) -> NoReturn:
    kind = ApiError if token is None else WrongToken
    raise kind("unauthorized", headers=(("WWW-Authenticate", "Bearer"),))


def check_route(method: str, found: Found) -> Match:
    if method not in METHODS:
        raise ApiError("not_implemented", Text("api.gate.method"))
    if isinstance(found, NotFound):
        raise ApiError("not_found", Text("api.gate.path"))
    if isinstance(found, NotAllowed):
        text = Text("api.gate.allowed", methods=found.allow)
        raise ApiError("method_not_allowed", text, headers=(("Allow", found.allow),))
    return found


def check_media_type(head: Head, length: int) -> None:
    """Another site's page cannot send a form to the API: the types of forms are not JSON."""
    if head.method not in WITH_BODY:
        return
    values = [value.strip(" \t") for value in head.all("content-type")]
    if not values and not length:
        return
    if len(values) != 1 or not _JSON.fullmatch(values[0]) or head.all("content-encoding"):
        raise ApiError("unsupported_media_type")


def joined(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers for the handlers; several of one name become a list with commas (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for name, value in fields:
        if name not in HIDDEN_HEADERS:
            value = value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
