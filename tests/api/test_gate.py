"""The gate: which heads are admitted, and with which status the others are refused."""

from __future__ import annotations

import re
from typing import Optional

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minisched.api.context import STATUSES, ApiError
from minisched.api.gate import (
    HEADERS_BYTES,
    LINE_BYTES,
    MAX_HEADERS,
    Admitted,
    Gate,
    NotHttp,
    WrongToken,
    admit,
    find_end,
    own_hosts,
    parse_head,
    split_target,
)
from minisched.api.routing import BASE, OPEN, PUBLIC, Route, match, routes
from minisched.model import HttpSettings

TOKEN = b"k7Jx0Zq2uYwS5bV8nM4rT1cL6hP9dFgA3eQiOoRtUvW"
SETTINGS = HttpSettings(True, "127.0.0.1", 8787, False, ("plant.example.org", "[fd00::1]:9000"))
READ_TOKEN = b"r" + TOKEN
GATE = Gate(own_hosts(SETTINGS, [("127.0.0.1", 8787), ("::1", 8787)]), TOKEN, match, read_token=READ_TOKEN)
TASKS = "/api/scheduler/tasks"


def head(line: str = f"GET {TASKS} HTTP/1.1", *fields: str, host: str = "127.0.0.1:8787", token: bool = True) -> bytes:
    lines = [line, *([f"Host: {host}"] if host else []), *fields]
    if token:
        lines.append(f"Authorization: Bearer {TOKEN.decode()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def judged(data: bytes, gate: Gate = GATE) -> Admitted:
    end = find_end(data)
    assert end == len(data)
    return admit(parse_head(data), gate)


def answer(data: bytes, gate: Gate = GATE) -> Optional[int]:
    """The status that a head is refused with; 0: closed without an answer; None: admitted."""
    try:
        judged(data, gate)
    except ApiError as refused:
        return STATUSES[refused.code]
    except NotHttp:
        return 0
    return None


def post(*fields: str, target: str = f"{TASKS}/a/run") -> bytes:
    return head(f"POST {target} HTTP/1.1", *fields)


JSON = "Content-Type: application/json"
LONG = "x" * LINE_BYTES

CASES = {
    # sizes and form
    "the plain case": (head(), None),
    "HTTP/1.0": (head(f"GET {TASKS} HTTP/1.0"), None),
    "a line of 8 KiB is no target": (head(f"GET /{'x' * (LINE_BYTES - 14)} HTTP/1.1"), 400),
    "a longer line": (head(f"GET /{LONG} HTTP/1.1"), 414),
    "a longer line without an end": (b"GET /" + LONG.encode(), 414),
    "as many headers as may be": (head(f"GET {TASKS} HTTP/1.1", *["A: b"] * (MAX_HEADERS - 2)), None),
    "a header more": (head(f"GET {TASKS} HTTP/1.1", *["A: b"] * (MAX_HEADERS - 1)), 431),
    "a large header": (head(f"GET {TASKS} HTTP/1.1", f"A: {'b' * HEADERS_BYTES}"), 431),
    "large headers without an end": (b"GET / HTTP/1.1\r\nA: " + b"b" * HEADERS_BYTES, 431),
    "HTTP/0.9": (b"GET /\r\n\r\n", 0),
    "HTTP/0.9 with a Host": (b"GET /\r\nHost: 127.0.0.1:8787\r\n\r\n", 0),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/1.9999": (head(f"GET {TASKS} HTTP/1.9999"), 505),
    "HTTP/1.1x": (head(f"GET {TASKS} HTTP/1.1x"), 505),
    "lower case version": (head(f"GET {TASKS} http/1.1"), 0),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0),
    "lines that end with LF": (head().replace(b"\r\n", b"\n"), 400),
    "an empty line first": (b"\r\n" + head(), 0),
    "two blanks": (head(f"GET  {TASKS} HTTP/1.1"), 400),
    "a target with a blank": (head(f"GET {TASKS} x HTTP/1.1"), 400),
    "a target that is not ASCII": (head("GET /\xe9 HTTP/1.1"), 400),
    "a control character in the line": (b"GET /\0 HTTP/1.1\r\n\r\n", 400),
    "a folded header": (head(f"GET {TASKS} HTTP/1.1", "A: b", " c"), 400),
    "a blank before the colon": (head(f"GET {TASKS} HTTP/1.1", "A : b"), 400),
    "no colon": (head(f"GET {TASKS} HTTP/1.1", "A"), 400),
    "a bare CR in a header": (head(f"GET {TASKS} HTTP/1.1", "A: b\rHost: x"), 400),
    "a bare LF in a header": (head(f"GET {TASKS} HTTP/1.1", "A: b\nHost: x"), 400),
    "NUL in a header": (head(f"GET {TASKS} HTTP/1.1", "A: \0"), 400),
    # Host
    "no Host": (head(host=""), 400),
    "two Hosts": (head(f"GET {TASKS} HTTP/1.1", "Host: 127.0.0.1:8787"), 400),
    "another Host": (head(host="evil.example"), 421),
    "another Host with our port": (head(host="evil.example:8787"), 421),
    "our Host with another port": (head(host="127.0.0.1:80"), 421),
    "our Host without its port": (head(host="127.0.0.1"), 421),
    "an empty Host": (head(f"GET {TASKS} HTTP/1.1", "Host:", host=""), 421),
    "a Host that begins as ours": (head(host="127.0.0.1:8787.evil.example"), 421),
    "a Host with a user": (head(host="127.0.0.1:8787@evil.example"), 421),
    "localhost": (head(host="LocalHost:8787"), None),
    "::1": (head(host="[::1]:8787"), None),
    "an allowed host": (head(host="Plant.Example.ORG"), None),
    "an allowed host with our port": (head(host="plant.example.org:8787"), None),
    "an allowed host with another port": (head(host="plant.example.org:9000"), 421),
    "an allowed address": (head(host="[FD00::1]:9000"), None),
    "an allowed address with our port": (head(host="[fd00::1]:8787"), 421),
    # target
    "absolute form": (head("GET http://127.0.0.1:8787/ HTTP/1.1"), 400),
    "two slashes": (head("GET //evil.example/ HTTP/1.1"), 400),
    "an asterisk": (head("OPTIONS * HTTP/1.1"), 400),
    "CONNECT": (head("CONNECT evil.example:443 HTTP/1.1"), 400),
    "a long target": (head(f"GET /{'x' * 2048} HTTP/1.1"), 400),
    "the way up": (head("GET /../../etc/passwd HTTP/1.1"), 400),
    "the way up, encoded": (head("GET /%2e%2E/etc/passwd HTTP/1.1"), 400),
    "an encoded slash": (head("GET /a%2fb HTTP/1.1"), 400),
    "a backslash": (head("GET /..\\etc HTTP/1.1"), 400),
    "NUL": (head("GET /%00 HTTP/1.1"), 400),
    "NUL in the query": (head(f"GET {TASKS}?q=%00 HTTP/1.1"), 400),
    "a line break in the query": (head(f"GET {TASKS}?q=%0d%0a HTTP/1.1"), 400),
    "not UTF-8": (head("GET /%ff HTTP/1.1"), 400),
    "a surrogate": (head("GET /%ed%a0%80 HTTP/1.1"), 400),
    "an overlong slash": (head("GET /%c0%af HTTP/1.1"), 400),
    "half an escape": (head("GET /%4 HTTP/1.1"), 400),
    "no escape": (head("GET /%zz HTTP/1.1"), 400),
    "a fragment": (head("GET /#token HTTP/1.1"), 400),
    "Chinese": (head(f"GET {TASKS}?q=%E4%B8%AD HTTP/1.1"), None),
    # body
    "a transfer coding": (post(JSON, "Transfer-Encoding: chunked"), 501),
    "a transfer coding and a length": (post(JSON, "Content-Length: 2", "Transfer-Encoding: chunked"), 501),
    "identity": (post(JSON, "Content-Length: 2", "Transfer-Encoding: identity"), 501),
    "a length": (post(JSON, "Content-Length: 2"), None),
    "no length": (post(JSON), 411),
    "two lengths": (post(JSON, "Content-Length: 2", "Content-Length: 3"), 400),
    "two equal lengths": (post(JSON, "Content-Length: 2", "Content-Length: 2"), 400),
    **{
        f"a length of {text!r}": (post(JSON, f"Content-Length:{text}"), 400)
        for text in [" -1", " +5", " 1_0", "  5", " 5 ", " 5, 5", " 0x5", " 5.0", "", " ", " \xb2", f" {'9' * 20}"]
    },
    "a large body": (post(JSON, f"Content-Length: {256 * 1024 + 1}"), 413),
    "a huge body": (post(JSON, f"Content-Length: {10**12}"), 413),
    "the largest body": (post(JSON, f"Content-Length: {256 * 1024}"), None),
    "GET with a body": (head(f"GET {TASKS} HTTP/1.1", "Content-Length: 2"), 400),
    "DELETE with a body": (head(f"DELETE {TASKS}/a HTTP/1.1", "Content-Length: 2"), 400),
    "GET with a body of nothing": (head(f"GET {TASKS} HTTP/1.1", "Content-Length: 0"), None),
    "an expectation": (post(JSON, "Content-Length: 2", "Expect: 100-Continue"), None),
    "another expectation": (post(JSON, "Content-Length: 2", "Expect: a-pony"), 417),
    # the asking page
    "our origin": (head(f"GET {TASKS} HTTP/1.1", "Origin: http://127.0.0.1:8787"), None),
    "our origin behind TLS": (head(f"GET {TASKS} HTTP/1.1", "Origin: https://plant.example.org"), None),
    "another origin": (head(f"GET {TASKS} HTTP/1.1", "Origin: http://evil.example"), 403),
    "another port's origin": (head(f"GET {TASKS} HTTP/1.1", "Origin: http://127.0.0.1:3000"), 403),
    "another scheme's origin": (head(f"GET {TASKS} HTTP/1.1", "Origin: file://127.0.0.1:8787"), 403),
    "no origin at all": (head(f"GET {TASKS} HTTP/1.1", "Origin: null"), 403),
    "an empty origin": (head(f"GET {TASKS} HTTP/1.1", "Origin:"), 403),
    "two origins": (head(f"GET {TASKS} HTTP/1.1", "Origin: http://127.0.0.1:8787", "Origin: http://evil"), 403),
    "the same site's page": (head(f"GET {TASKS} HTTP/1.1", "Sec-Fetch-Site: same-origin"), None),
    "the address line": (head(f"GET {TASKS} HTTP/1.1", "Sec-Fetch-Site: none"), None),
    "a sister site": (head(f"GET {TASKS} HTTP/1.1", "Sec-Fetch-Site: same-site"), 403),
    "another site": (head(f"GET {TASKS} HTTP/1.1", "Sec-Fetch-Site: cross-site"), 403),
    "another site that comes first": (
        head(f"GET {TASKS} HTTP/1.1", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin"),
        403,
    ),
    "an unknown site": (head(f"GET {TASKS} HTTP/1.1", "Sec-Fetch-Site: some-site"), 403),
    # token and route
    "no token": (head(token=False), 401),
    "a wrong token": (head(f"GET {TASKS} HTTP/1.1", f"Authorization: Bearer {'x' * 43}", token=False), 401),
    "half a token": (head(f"GET {TASKS} HTTP/1.1", f"Authorization: Bearer {TOKEN[:20].decode()}", token=False), 401),
    "a token that is not ASCII": (head(f"GET {TASKS} HTTP/1.1", "Authorization: Bearer \xe9\xff", token=False), 401),
    "another scheme": (head(f"GET {TASKS} HTTP/1.1", f"Authorization: Basic {TOKEN.decode()}", token=False), 401),
    "no scheme": (head(f"GET {TASKS} HTTP/1.1", f"Authorization: {TOKEN.decode()}", token=False), 401),
    "two tokens": (head(f"GET {TASKS} HTTP/1.1", "Authorization: Bearer x"), 401),
    "a token in the query": (head(f"GET {TASKS}?token={TOKEN.decode()} HTTP/1.1", token=False), 401),
    "a token in a cookie": (head(f"GET {TASKS} HTTP/1.1", f"Cookie: token={TOKEN.decode()}", token=False), 401),
    "bearer in lower case": (
        head(f"GET {TASKS} HTTP/1.1", f"Authorization: bearer {TOKEN.decode()}", token=False),
        None,
    ),
    "an unknown path": (head("GET /api/scheduler/nothing HTTP/1.1"), 404),
    "an unknown path without a token": (head("GET /api/scheduler/nothing HTTP/1.1", token=False), 401),
    "the API's very beginning without a token": (head("GET /api HTTP/1.1", token=False), 401),
    "a wrong method": (head(f"DELETE {TASKS} HTTP/1.1"), 405),
    "a wrong method without a token": (head(f"DELETE {TASKS} HTTP/1.1", token=False), 401),
    "OPTIONS": (head(f"OPTIONS {TASKS} HTTP/1.1"), 405),
    "OPTIONS without a token": (head(f"OPTIONS {TASKS} HTTP/1.1", token=False), 401),
    "an unknown method": (head(f"BREW {TASKS} HTTP/1.1"), 501),
    "a method in lower case": (head(f"get {TASKS} HTTP/1.1"), 501),
    "an unknown method without a token": (head(f"BREW {TASKS} HTTP/1.1", token=False), 401),
    "an unknown page without a token": (head("GET /nothing HTTP/1.1", token=False), 404),
    "health without a token": (head("GET /healthz HTTP/1.1", token=False), None),
    "metrics without a token": (head("GET /metrics HTTP/1.1", token=False), 401),
    "an id that is none": (head(f"GET {TASKS}/%C3%A9 HTTP/1.1"), 404),
    # media type
    "a form": (post("Content-Type: application/x-www-form-urlencoded", "Content-Length: 2"), 415),
    "a text": (post("Content-Type: text/plain", "Content-Length: 2"), 415),
    "no type": (post("Content-Length: 2"), 415),
    "no type and no body": (post("Content-Length: 0"), None),
    "a form of nothing": (post("Content-Type: application/x-www-form-urlencoded", "Content-Length: 0"), 415),
    "two types": (post(JSON, "Content-Type: text/plain", "Content-Length: 2"), 415),
    "a charset": (post('Content-Type: Application/JSON ; Charset="UTF-8"', "Content-Length: 2"), None),
    "another charset": (post(f"{JSON}; charset=utf-16", "Content-Length: 2"), 415),
    "a parameter": (post(f"{JSON}; x=y", "Content-Length: 2"), 415),
    "a longer type": (post("Content-Type: application/json-patch+json", "Content-Length: 2"), 415),
    "compressed": (post(JSON, "Content-Encoding: gzip", "Content-Length: 2"), 415),
}


@pytest.mark.parametrize(("data", "status"), CASES.values(), ids=CASES)
def test_each_head_gets_its_answer(data: bytes, status: Optional[int]) -> None:
    try:
        whole = find_end(data)
    except (ApiError, NotHttp):
        whole = len(data)
    assert answer(data if whole == len(data) else data[:whole]) == status


ORDER = [
    # What is wrong together, and what answers: the earlier rule.
    (head(f"GET /{LONG} HTTP/0.8", host=""), 414),
    (head("GET //x HTTP/3.0", host=""), 505),
    (head("GET //x HTTP/1.1", host=""), 400),
    (head("GET //x HTTP/1.1", "Transfer-Encoding: chunked", host="evil.example"), 421),
    (head("POST //x HTTP/1.1", "Transfer-Encoding: chunked"), 400),
    (head(f"POST {TASKS} HTTP/1.1", "Transfer-Encoding: chunked", "Origin: http://evil"), 501),
    (head(f"POST {TASKS} HTTP/1.1", "Content-Length: 0", "Origin: http://evil", token=False), 403),
    (head("BREW /api/x HTTP/1.1", token=False), 401),
    (head("BREW /api/x HTTP/1.1"), 501),
    (head(f"PUT {TASKS} HTTP/1.1", "Content-Length: 2", "Content-Type: text/plain"), 405),
]


@pytest.mark.parametrize(("data", "status"), ORDER)
def test_the_first_rule_that_does_not_hold_answers(data: bytes, status: int) -> None:
    assert answer(data) == status


def test_an_admitted_request_is_decoded() -> None:
    found = judged(
        head(f"HEAD {TASKS}?q=a+b%2Bc&status=x&status=&flag HTTP/1.1", "X-A: 1", "x-a:  2 ", "Cookie: secret")
    )
    request = found.request
    assert (request.method, request.path, request.route.path) == ("GET", TASKS, "/tasks")
    assert request.query == {"q": ("a b+c",), "status": ("x", ""), "flag": ("",)}
    assert request.headers == {"host": "127.0.0.1:8787", "x-a": "1, 2"}  # neither token nor cookie
    assert request.authorized and found.length == 0 and not found.continues


def test_continue_is_sent_only_if_a_body_is_announced() -> None:
    fields = (JSON, "Expect: 100-continue")
    assert judged(post(*fields, "Content-Length: 2")).continues
    assert not judged(post(*fields, "Content-Length: 0")).continues
    assert not judged(head(f"POST {TASKS} HTTP/1.0", *fields, "Content-Length: 2")).continues


def test_a_link_on_another_site_may_lead_to_the_page_but_not_into_a_frame() -> None:
    page = Gate(GATE.hosts, TOKEN, lambda method, path: match("GET", "/healthz"))
    ways = {"navigate document": None, "navigate iframe": 403, "no-cors script": 403, "cors empty": 403}
    for way, status in ways.items():
        mode, dest = way.split()
        fields = ("Sec-Fetch-Site: cross-site", f"Sec-Fetch-Mode: {mode}", f"Sec-Fetch-Dest: {dest}")
        assert answer(head("GET / HTTP/1.1", *fields, token=False), page) == status
        assert answer(head("GET /app.js HTTP/1.1", *fields, token=False), page) == 403
        assert answer(head("POST / HTTP/1.1", "Content-Length: 0", *fields), page) == 403


def test_a_wrong_token_differs_from_none_only_in_the_log() -> None:
    with pytest.raises(WrongToken) as wrong:
        judged(head(f"GET {TASKS} HTTP/1.1", "Authorization: Bearer wrong", token=False))
    with pytest.raises(ApiError) as none:
        judged(head(token=False))
    assert not isinstance(none.value, WrongToken)
    assert wrong.value.response() == none.value.response()
    assert ("WWW-Authenticate", "Bearer") in none.value.headers


def test_a_wrong_token_does_not_close_an_open_route() -> None:
    found = judged(head("GET /healthz HTTP/1.1", "Authorization: Bearer wrong", token=False))
    assert not found.request.authorized
    assert judged(head("GET /healthz HTTP/1.1")).request.authorized


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize("method", [*("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")])
def test_every_route_needs_the_token_unless_declared_otherwise(route: Route, method: str) -> None:
    path = BASE + re.sub(r"\{\w+\}", "7", route.path)
    fields = (JSON, "Content-Length: 0") if method in ("POST", "PUT", "PATCH") else ()
    data = head(f"{method} {path} HTTP/1.1", *fields, token=False)
    own = method == route.method or (method == "HEAD" and route.method == "GET")
    if route.access == OPEN and own:
        assert route.path in ("/healthz", "/proof") and answer(data) is None
    else:
        assert answer(data) == 401
    shown = answer(data, GATE._replace(public_status=True))
    if route.access == PUBLIC and own:
        assert route.method == "GET" and shown is None
    elif not own:
        # Another route of the same path may be public.
        assert shown == 401 or (method in ("GET", "HEAD") and shown is None)
    elif route.access == "token":
        assert shown == 401


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.method} {route.path}")
def test_the_token_for_reading_opens_states_and_metrics_only(route: Route) -> None:
    path = BASE + re.sub(r"\{\w+\}", "7", route.path)
    fields = (JSON, "Content-Length: 0") if route.method in ("POST", "PUT", "PATCH") else ()
    bearer = f"Authorization: Bearer {READ_TOKEN.decode()}"
    data = head(f"{route.method} {path} HTTP/1.1", *fields, bearer, token=False)
    opened = {
        "/tasks",
        "/tasks/{task_id}/history",
        "/executions",
        "/executions/days",
        "/timeline",
        "/agenda",
        "/outcomes",
    }
    if route.method == "GET" and route.path in (opened | {"/events", "/metrics", "/healthz", "/proof"}):
        assert answer(data) is None
        assert not judged(data).request.authorized  # what only the other token shows stays hidden
    else:
        assert answer(data) == 403
    assert answer(head(f"GET {BASE}/nothing HTTP/1.1", bearer, token=False)) == 403


def test_without_a_token_for_reading_an_empty_one_opens_nothing() -> None:
    for field in ("Authorization: Bearer ", "Authorization: Basic x", "Authorization:"):
        with pytest.raises(ApiError) as refused:
            admit(parse_head(head(f"GET {BASE}/metrics HTTP/1.1", field, token=False)), GATE._replace(read_token=b""))
        assert refused.value.code == "unauthorized"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_told_after_the_token_is_checked(method: str) -> None:
    fields = ("Content-Length: 0",) if method in ("POST", "PUT") else ()
    assert answer(head(f"{method} /metrics HTTP/1.1", *fields, token=False)) == 401
    assert answer(head(f"{method} /metrics HTTP/1.1", *fields)) == 405
    assert answer(head(f"{method} /healthz HTTP/1.1", *fields, token=False)) == 405


def test_with_the_token_the_allowed_methods_are_named() -> None:
    with pytest.raises(ApiError) as refused:
        judged(head(f"OPTIONS {TASKS} HTTP/1.1"))
    assert refused.value.headers == (("Allow", "GET, HEAD, POST, PATCH"),)


def test_the_own_hosts_are_the_addresses_listened_on_and_the_allowed() -> None:
    def hosts(addresses: list[str], *allowed: str, port: int = 8787, one_loopback: bool = False) -> set[str]:
        settings = HttpSettings(True, addresses[0], port, False, allowed)
        return set(own_hosts(settings, [(address, port) for address in addresses], one_loopback))

    loopback = {"127.0.0.1:8787", "localhost:8787", "[::1]:8787"}
    assert hosts(["127.0.0.1", "::1"]) == hosts(["::1", "127.0.0.1"]) == loopback
    assert hosts(["0.0.0.0", "::1"], "Plant:80") == {*loopback, "plant:80"}
    assert hosts(["127.0.0.1"], one_loopback=True) == {"127.0.0.1:8787", "localhost:8787"}
    # Another program may be behind the names of loopback that are not listened on.
    assert hosts(["127.0.0.1"]) == {"127.0.0.1:8787"}
    assert hosts(["::"]) == {"[::1]:8787"}
    assert hosts(["192.168.1.5"], "x") == {"192.168.1.5:8787", "x", "x:8787"}
    assert hosts(["fd00::1"], "[fd00::1]", one_loopback=True) == {"[fd00::1]:8787", "[fd00::1]"}
    assert {"localhost", "localhost:80"} <= hosts(["127.0.0.1", "::1"], port=80)


def survives(data: bytes) -> None:
    """Any bytes are a head that is admitted, one that is refused, or not HTTP."""
    try:
        end = find_end(data)
        if end:
            found = admit(parse_head(data[:end]), GATE)
            path = found.request.path
            assert path.startswith("/") and not re.search("[\x00-\x1f\x7f-\x9f]", path)
            assert 0 <= found.length <= 256 * 1024
    except (ApiError, NotHttp):
        pass


@given(st.binary(max_size=300))
@example(b"")
@example(b"\r\n\r\n")
def test_any_bytes_get_an_answer(data: bytes) -> None:
    survives(data)
    survives(b"GET / HTTP/1.1\r\n" + data + b"\r\n\r\n")
    survives(b"GET /" + data + b" HTTP/1.1\r\nHost: localhost:8787\r\n\r\n")
    survives(b"POST /x HTTP/1.1\r\nHost: localhost:8787\r\nContent-Length:" + data + b"\r\n\r\n")


@given(st.lists(st.sampled_from([*b"\r\n :;,/%?&=#\0\xff", *b"GET HTTP/1.1Hostcokin0"]), max_size=80).map(bytes))
def test_bytes_that_are_nearly_a_head_get_an_answer(data: bytes) -> None:
    survives(data)
    survives(head()[:-2] + data + b"\r\n\r\n")
    survives(head(f"GET {TASKS} HTTP/1.1", host="")[:-2] + b"Host: " + data + b"\r\n\r\n")


@given(st.binary(max_size=60), st.data())
def test_a_head_that_comes_in_pieces_is_judged_as_one_that_comes_whole(data: bytes, draw: st.DataObject) -> None:
    whole = head()[:-2] + data + b"\r\n\r\n"

    def outcome(pieces: list[int]) -> object:
        seen = 0
        try:
            for piece in [*pieces, len(whole)]:
                end = find_end(whole[:piece], max(0, seen - 3))
                seen = piece
                if end:
                    return parse_head(whole[:end])
        except (ApiError, NotHttp) as refused:
            return type(refused)
        return None

    pieces = draw.draw(st.lists(st.integers(0, len(whole)), max_size=5).map(sorted))
    assert outcome(pieces) == outcome([])


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\.#"), min_size=1, max_size=40))
def test_every_text_comes_back_from_its_escapes(text: str) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in text.encode())
    assert split_target(f"/{escaped}?{escaped}={escaped}") == (f"/{text}", {text: (text,)})
