"""The gate in front of every route: a head comes in, and is let through or refused.

The rules stand in `admit` in their order; the first that does not hold answers. What they keep out: a web page open in
the admin's browser (Host against DNS rebinding, Origin, Sec-Fetch-Site), a second request hidden in a first one (length
and coding), and whoever has not got the token. For `/api` the token comes before the route, so that without it nothing
is to be learned, not even which paths there are.
"""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
import re
from collections.abc import Iterable, Mapping
from typing import Callable, NamedTuple, NoReturn, Optional, Union

from minisched.api.errors import Refused
from minisched.api.head import Head
from minisched.api.routes import OPEN, PUBLIC, Match, NotAllowed, NotFound
from minisched.api.token import same_token
from minisched.model import HttpSettings

TARGET_BYTES = 2 * 1024
BODY_BYTES = 256 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WITH_BODY = ("POST", "PUT", "PATCH")
NEVER_BODY = ("GET", "HEAD", "DELETE")
KEPT_BACK = ("authorization", "cookie")  # handlers do not get them, so no log and no answer can show them

_LENGTH = re.compile(r" ?([0-9]{1,15})")  # int() also takes "+5", " 5 ", "1_0" and Arabic digits
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(\S+)")
_JSON = re.compile(r'application/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?', re.IGNORECASE)

Place = Union[Match, NotFound, NotAllowed]


class Gate(NamedTuple):
    """What the rules go by."""

    hosts: frozenset[str]  # values of Host that are ours, in lower case, with their ports
    token: bytes
    find: Callable[[str, str], Place]  # method and path -> what the route table says
    public_status: bool = False


class Admitted(NamedTuple):
    """A head that was let through."""

    method: str  # HEAD is GET here
    path: str
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    length: int  # of the body that follows, in bytes
    only_head: bool
    continues: bool  # the client waits for `100 Continue` before it sends the body
    authorized: bool


class WrongToken(Refused):
    """A token was brought, and it is another one."""


def admit(head: Head, gate: Gate) -> Admitted:
    """Let the head through, or raise Refused."""
    check_host(head, gate.hosts)
    path, query = split_target(head.target)
    length = body_length(head)
    continues = expects_continue(head)
    check_origin(head, path, gate.hosts)
    token = given_token(head)
    authorized = token is not None and same_token(token, gate.token)
    place = gate.find(head.method, path)
    if is_closed(path, place, gate.public_status) and not authorized:
        refuse_token(token)
    check_place(head.method, place)
    check_media_type(head, length)
    return Admitted(
        method="GET" if head.method == "HEAD" else head.method,
        path=path,
        query=query,
        headers=joined(head.fields),
        length=length,
        only_head=head.method == "HEAD",
        continues=continues and length > 0,
        authorized=authorized,
    )


def own_hosts(settings: HttpSettings, port: int) -> frozenset[str]:
    """Every value of Host by which the server may be reached: loopback, the address it listens on, `allowed_hosts`.

    A browser leaves out the port 80. An allowed host without a port stands for the name behind a proxy (port 80 or 443)
    and for the name with our own port. port: the one that is listened on.
    """
    names = {"127.0.0.1", "localhost", "[::1]"}
    if settings.host not in ("0.0.0.0", "::"):
        names.add(f"[{settings.host}]" if ":" in settings.host else settings.host)
    hosts = {f"{name}:{port}" for name in names}
    if port == 80:
        hosts |= names
    for allowed in settings.allowed_hosts:
        hosts.add(allowed)
        if not re.search(r":[0-9]+\Z", allowed):
            hosts.add(f"{allowed}:{port}")
    return frozenset(host.lower() for host in hosts)


def check_host(head: Head, hosts: frozenset[str]) -> None:
    values = head.all("host")
    if len(values) != 1:
        raise Refused("bad_request", "exactly one Host header is needed")
    if values[0].strip(" \t").lower() not in hosts:
        raise Refused("misdirected", "this host is not one of http.allowed_hosts")


def split_target(target: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Path and query of a request target, decoded. A path has one reading only: no empty first name (`//host`), no `.`
    or `..`, no slash within a name."""
    if not target.startswith("/") or target.startswith("//"):
        raise Refused("bad_request", "the request target is a path that begins with one slash")
    if len(target) > TARGET_BYTES:
        raise Refused("bad_request", f"the request target has more than {TARGET_BYTES} bytes")
    raw_path, _, raw_query = target.partition("?")
    names = [decoded(name) for name in raw_path[1:].split("/")]
    if any(name in (".", "..") or "/" in name or "\\" in name for name in names) or "#" in target:
        raise Refused("bad_request", "the path has more than one reading")
    query: dict[str, tuple[str, ...]] = {}
    for pair in filter(None, raw_query.split("&")):
        name, _, value = (decoded(part.replace("+", " ")) for part in pair.partition("="))
        query[name] = (*query.get(name, ()), value)
    return "/" + "/".join(names), query


def decoded(text: str) -> str:
    """`%XX` as UTF-8. urllib.parse would do it, and keeps what is malformed as it is."""
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        raise Refused("bad_request", "a % is followed by two hexadecimal digits")
    try:
        plain = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), text.encode("ascii")).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("bad_request", "the request target is not UTF-8") from None
    if _CONTROL.search(plain):
        raise Refused("bad_request", "the request target has a control character")
    return plain


def body_length(head: Head) -> int:
    """Bytes of the body that follows."""
    if head.all("transfer-encoding"):
        raise Refused("not_implemented", "a body is sent with Content-Length, without a transfer encoding")
    values = head.all("content-length")
    if not values:
        if head.method in WITH_BODY:
            raise Refused("length_required")
        return 0
    found = _LENGTH.fullmatch(values[0])
    if len(values) > 1 or not found:
        raise Refused("bad_request", "Content-Length is one number of at most 15 digits")
    length = int(found[1])
    if length > BODY_BYTES:
        raise Refused("too_large", f"the body has more than {BODY_BYTES} bytes")
    if length and head.method in NEVER_BODY:
        raise Refused("bad_request", f"{head.method} has no body")
    return length


def expects_continue(head: Head) -> bool:
    values = [value.strip(" \t").lower() for value in head.all("expect")]
    if head.version == "HTTP/1.0":
        return False
    if values not in ([], ["100-continue"]):
        raise Refused("expectation_failed")
    return bool(values)


def check_origin(head: Head, path: str, hosts: frozenset[str]) -> None:
    """A browser says by these headers whose page asks; other clients do not send them."""
    for origin in head.all("origin"):
        scheme, _, host = origin.strip(" \t").lower().partition("://")
        if scheme not in ("http", "https") or host not in hosts:
            raise Refused("forbidden", "Origin is another site")
    sites = [value.strip(" \t") for value in head.all("sec-fetch-site")]
    if sites in ([], ["same-origin"], ["none"]):
        return
    # A link on another site may lead to the page: that is a navigation of the whole window, which learns nothing of it.
    goes_to_page = (head.method, path) == ("GET", "/") and [
        value.strip(" \t") for name in ("sec-fetch-mode", "sec-fetch-dest") for value in head.all(name)
    ] == ["navigate", "document"]
    if len(sites) != 1 or not goes_to_page:
        raise Refused("forbidden")


def given_token(head: Head) -> Optional[bytes]:
    """The token that was brought; of two headers, none is one."""
    values = head.all("authorization")
    if not values:
        return None
    found = _BEARER.fullmatch(values[0].strip(" \t"))
    return found[1].encode("latin-1") if found and len(values) == 1 else b""


def is_closed(path: str, place: Place, public_status: bool) -> bool:
    """Whether the token is needed: for all of /api, known or not, and for each route that does not say otherwise."""
    if isinstance(place, Match):
        return place.route.access != OPEN and not (place.route.access == PUBLIC and public_status)
    return path == "/api" or path.startswith("/api/")


def refuse_token(token: Optional[bytes]) -> NoReturn:
    kind = Refused if token is None else WrongToken
    raise kind("unauthorized", headers=(("WWW-Authenticate", "Bearer"),))


def check_place(method: str, place: Place) -> None:
    if method not in METHODS:
        raise Refused("not_implemented", "this method is not known here")
    if isinstance(place, NotFound):
        raise Refused("not_found", "there is no such path")
    if isinstance(place, NotAllowed):
        raise Refused("method_not_allowed", f"allowed here: {place.allow}", headers=(("Allow", place.allow),))


def check_media_type(head: Head, length: int) -> None:
    """A form cannot be sent to the API from another site's page: its types are not JSON."""
    if head.method not in WITH_BODY:
        return
    values = [value.strip(" \t") for value in head.all("content-type")]
    if not values and not length:
        return
    if len(values) != 1 or not _JSON.fullmatch(values[0]) or head.all("content-encoding"):
        raise Refused("unsupported_media_type")


def joined(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers for the handlers; several of one name as a list with commas (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for name, value in fields:
        if name not in KEPT_BACK:
            value = value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
