"""The HTTP server over raw sockets: slow, broken, hostile and many clients; internal errors; its end."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from minisched.api import static_files
from minisched.api.context import ApiError, AppContext, Request, Response, json_response
from minisched.api.dispatch import find, respond
from minisched.api.gate import Gate
from minisched.api.handler import packed
from minisched.api.routing import Match, match
from minisched.api.server import ApiServer, Limits
from minisched.api.token import Tokens
from minisched.config import parse_config
from minisched.home import Home
from minisched.model import EngineSnapshot, HttpSettings, Snapshot
from minisched.store.reader import History
from minisched.tasklog import pages
from support.http import Address, Reply, connect, exchange, receive, request
from support.notify import HOST, Authority, answering, hosted
from support.process import few_descriptors, linux, sleeps
from support.programs import environment, eventually, in_time
from support.store import opened

TOKEN = "k7Jx0Zq2uYwS5bV8nM4rT1cL6hP9dFgA3eQiOoRtUvW"
TOKENS = Tokens(TOKEN.encode(), b"r" + TOKEN.encode())
API = "/api/scheduler"
Handler = Callable[[Request], Response]


class Lines(logging.Handler):
    """The lines that were logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Server:
    """A server in this process whose handlers are the test's: by path."""

    def __init__(self, **limits: Any) -> None:
        self.log = Lines()
        logger = logging.Logger("test")
        logger.addHandler(self.log)
        self.handlers: dict[str, Handler] = {}
        settings = HttpSettings(True, limits.pop("host", "127.0.0.1"), 0, False, ())
        snapshot = Snapshot(EngineSnapshot(parse_config(b"{}")[0], None, beat=time.monotonic()))
        self.app: Optional[AppContext] = AppContext(
            Home("/nowhere"), snapshot, print, print, threading.Lock(), logger, Gate(frozenset(), b"", find)
        )
        self.api = ApiServer(settings, TOKENS, self.make_app, logger, Limits(**limits), self.respond)
        self.api.start()
        self.address: Address = self.api.address

    def make_app(self, gate: Gate) -> AppContext:
        if self.app is None:
            raise ImportError("no descriptor is left")
        return self.app

    def respond(self, request: Request, app: AppContext) -> Response:
        if request.path in static_files.NAMES:
            return respond(request, app)
        return self.handlers.get(request.path, lambda request: Response(200, b'{"ok":true}'))(request)

    def get(self, path: str = "/healthz", *fields: str, token: Optional[str] = TOKEN) -> Reply:
        return exchange(self.address, request(self.address, f"GET {path}", *fields, token=token))

    def threads(self) -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("http-")]

    def is_idle(self) -> bool:
        return not self.threads()


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(**limits: Any) -> Server:
        servers.append(Server(**limits))
        return servers[-1]

    yield start
    for server in servers:
        server.api.close()
        eventually(server.is_idle, "every connection's thread ends")


@pytest.fixture
def server(start: Callable[..., Server]) -> Server:
    return start()


# ------------------------------------------------------------------------------------------------------------ answers


def test_every_response_closes_its_connection_and_carries_the_security_headers(server: Server) -> None:
    replies = [
        server.get(),
        server.get("/"),
        server.get(f"{API}/status"),
        server.get(f"{API}/status", token=None),
        server.get("/nothing"),
        exchange(server.address, b"GET / HTTP/1.1\r\n\r\n"),
        exchange(server.address, b"GET / HTTP/7.0\r\n\r\n"),
    ]
    assert [reply.status for reply in replies] == [200, 200, 200, 401, 404, 400, 505]
    for reply in replies:
        headers = reply.headers
        assert headers["connection"] == "close"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] in ("no-store", "no-cache")
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers["date"])
        assert int(headers["content-length"]) == len(reply.body)
        html = headers["content-type"].startswith("text/html")
        assert headers.get("cross-origin-opener-policy") == ("same-origin" if html else None)
        assert "server" not in headers and not any(name.startswith("access-control") for name in headers)


def test_a_request_reaches_its_handler_as_a_value(server: Server) -> None:
    seen: list[Request] = []

    def handler(request: Request) -> Response:
        seen.append(request)
        return Response(202, b"{}", headers=(("Location", "/x"),))

    server.handlers[f"{API}/tasks"] = handler
    data = request(
        server.address, f"POST {API}/tasks?a=1", "Content-Type: application/json", token=TOKEN, body=b'{"task_id":"a"}'
    )
    reply = exchange(server.address, data)
    assert (reply.status, reply.headers["location"]) == (202, "/x")
    (one,) = seen
    assert (one.method, one.path, one.query, one.body) == ("POST", f"{API}/tasks", {"a": ("1",)}, b'{"task_id":"a"}')
    assert one.authorized and re.fullmatch(r"127\.0\.0\.1:\d+", one.client)
    assert TOKEN not in repr(one)


def test_a_request_may_come_in_pieces(server: Server) -> None:
    server.handlers[f"{API}/validate"] = lambda request: Response(200, request.body)
    data = request(
        server.address, f"POST {API}/validate", "Content-Type: application/json", token=TOKEN, body=b'{"a":1}'
    )
    with connect(server.address) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for position in range(len(data)):
            sock.sendall(data[position : position + 1])
        assert receive(sock).body == b'{"a":1}'


def test_head_is_get_without_the_body(server: Server) -> None:
    head = exchange(server.address, request(server.address, f"HEAD {API}/status", token=TOKEN))
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "11")
    refused = exchange(server.address, request(server.address, f"HEAD {API}/status"))
    assert (refused.status, refused.body) == (401, b"")
    events = exchange(server.address, request(server.address, f"HEAD {API}/events", token=TOKEN))
    assert (events.status, events.body) == (200, b"")


def test_continue_is_sent_after_the_gate_has_admitted_the_request(server: Server) -> None:
    fields = ("Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue")
    for token, answers in ((TOKEN, b"HTTP/1.1 100 Continue\r\n\r\n"), ("wrong", b"HTTP/1.1 401 Unauthorized\r\n")):
        with connect(server.address) as sock:
            sock.sendall(request(server.address, f"POST {API}/validate", *fields, token=token))
            assert sock.recv(len(answers), socket.MSG_WAITALL) == answers
            if token == TOKEN:
                sock.sendall(b"{}")
                assert receive(sock).status == 200


# ------------------------------------------------------------------------------------------------------- slow clients


def drip(server: Server, data: bytes, every_s: float = 0.02) -> tuple[Reply, float]:
    """Send single bytes slowly until the other end closes; what came, and after how long."""
    began = time.monotonic()
    with connect(server.address) as sock:
        sock.settimeout(every_s)
        for position in range(len(data)):
            try:
                sock.sendall(data[position : position + 1])
                first = sock.recv(1)
            except socket.timeout:
                continue
            except ConnectionError:
                first = b""
            sock.settimeout(5)
            return Reply(first + receive(sock).raw, 0), time.monotonic() - began
    raise AssertionError("it was never cut")


def test_a_client_that_sends_slowly_is_cut_at_the_deadline(start: Callable[..., Server]) -> None:
    server = start(request_s=0.4, drain_s=0.1)
    line = request(server.address, f"GET /{'x' * 2000}")
    body = request(
        server.address, f"POST {API}/validate", "Content-Type: application/json", "Content-Length: 500", token=TOKEN
    )
    for data in (line, body):
        reply, seconds = drip(server, data)
        assert (reply.status, reply.code) == (408, "timeout")
        assert 0.35 < seconds < 1.5


def test_a_silent_client_is_closed_at_the_deadline(start: Callable[..., Server]) -> None:
    server = start(request_s=0.3)
    with connect(server.address) as sock:
        reply = receive(sock)
    assert (reply.raw, 0.2 < reply.seconds < 1.5) == (b"", True)


def test_two_hundred_slow_clients_do_not_block_others(start: Callable[..., Server]) -> None:
    server = start()
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket()) for _ in range(200)]
        for sock in socks:
            sock.setblocking(False)
            sock.connect_ex(server.address)
        eventually(lambda: len(server.threads()) >= 32)
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.send(b"GET /healthz HTTP/1.1\r\nHost: ")
        assert len(server.threads()) <= 40
        time.sleep(0.15)  # all of them are slow by now
        for _ in range(20):
            reply = server.get()
            assert reply.status == 200 and reply.seconds < 1
        assert len(server.threads()) <= 40
    assert len([line for line in server.log.lines if "connections are open" in line]) <= 1


def test_a_connection_beyond_the_limit_is_closed_if_no_other_is_slow(start: Callable[..., Server]) -> None:
    server = start(connections=2, reading_s=30)
    with connect(server.address) as one, connect(server.address) as two:
        one.sendall(b"G")
        two.sendall(b"G")
        eventually(lambda: len(server.threads()) == 2)
        with connect(server.address) as three:
            assert receive(three).raw == b""
        one.sendall(request(server.address, "GET /healthz")[1:])
        assert receive(one).status == 200
        eventually(lambda: len(server.threads()) == 1)
        assert server.get().status == 200


def test_a_connection_whose_answer_is_in_progress_is_not_evicted(start: Callable[..., Server]) -> None:
    server = start(connections=1, reading_s=0.0, sending_s=0.0)
    go = threading.Event()
    began = threading.Event()

    def slow(request: Request) -> Response:
        began.set()
        go.wait(10)
        return Response(200, b"{}")

    server.handlers[f"{API}/status"] = slow
    with connect(server.address) as sock:
        sock.sendall(request(server.address, f"GET {API}/status", token=TOKEN))
        assert began.wait(10)
        assert server.get().status == 0
        go.set()
        assert receive(sock).status == 200


def test_a_client_that_does_not_read_is_cut(start: Callable[..., Server]) -> None:
    server = start(send_s=0.2, slowest=10**9, drain_s=0.1)
    server.handlers[f"{API}/status"] = lambda request: Response(200, bytes(50_000_000))
    with connect(server.address) as sock:
        sock.sendall(request(server.address, f"GET {API}/status", token=TOKEN))
        eventually(lambda: len(server.threads()) == 1)
        eventually(server.is_idle, within=3)
        reply = receive(sock)
        assert reply.reset and len(reply.body) < 50_000_000
    assert not server.log.lines


# ------------------------------------------------------------------------------------------------------------- events


def endless(pieces: list[str]) -> Iterator[bytes]:
    """Events without an end; `pieces` gets an entry when it is closed."""
    try:
        while True:
            yield b"event: ping\n\n"
            time.sleep(0.02)
    finally:
        pieces.append("closed")


def listening(server: Server, stack: contextlib.ExitStack) -> socket.socket:
    sock = stack.enter_context(connect(server.address))
    sock.sendall(request(server.address, f"GET {API}/events", token=TOKEN))
    assert sock.recv(12, socket.MSG_WAITALL).startswith(b"HTTP/1.1 200")
    return sock


def test_listeners_are_counted_apart_and_at_most_sixteen(start: Callable[..., Server]) -> None:
    server = start(connections=2)
    closed: list[str] = []
    server.handlers[f"{API}/events"] = lambda request: Response(
        200, content_type="text/event-stream", stream=endless(closed)
    )
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            listening(server, stack)
        reply = server.get(f"{API}/events")
        assert (reply.status, reply.code) == (503, "too_many_listeners")
        assert server.get().status == 200
    eventually(server.is_idle, "the listeners' threads end when the clients are gone")
    assert len(closed) == 16  # the seventeenth was never begun
    with contextlib.ExitStack() as stack:
        listening(server, stack)
    assert not server.log.lines


def test_a_stream_that_fails_is_seen_as_an_error(server: Server) -> None:
    def broken() -> Iterator[bytes]:
        yield b"some of it"
        raise ValueError("no more")

    server.handlers[f"{API}/log"] = lambda request: Response(
        200, content_type="application/octet-stream", stream=broken()
    )
    with connect(server.address) as sock:
        sock.sendall(request(server.address, f"GET {API}/log", token=TOKEN))
        assert receive(sock).reset
    (line,) = eventually(lambda: server.log.lines)
    assert "ValueError: no more (test_server.py:" in line


def test_a_stream_that_ends_is_whole(server: Server) -> None:
    server.handlers[f"{API}/log"] = lambda request: Response(200, stream=iter([b"a" * 100_000, b"b"]))
    reply = server.get(f"{API}/log")
    assert (reply.reset, reply.body) == (False, b"a" * 100_000 + b"b")
    assert "content-length" not in reply.headers


@linux
def test_an_aborted_download_leaves_no_descriptor_open(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "t.log"
    path.write_bytes(b"a" * 8_000_000)

    def handler(request: Request) -> Response:
        time.sleep(0.02)  # the client may be gone before the first byte goes out
        return Response(200, content_type="application/octet-stream", stream=pages.raw(str(path), 0))

    server.handlers[f"{API}/log"] = handler
    before = len(os.listdir("/proc/self/fd"))
    for number in range(10):
        head = exchange(server.address, request(server.address, f"HEAD {API}/log", token=TOKEN))
        assert (head.status, head.body) == (200, b"")
        with connect(server.address) as sock:
            sock.sendall(request(server.address, f"GET {API}/log", token=TOKEN))
            if number % 2:
                sock.recv(1000)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # an RST at the close
    eventually(server.is_idle, "the connections end")
    assert len(os.listdir("/proc/self/fd")) == before
    assert not server.log.lines


# ------------------------------------------------------------------------------------------------------------ trouble


def raising(error: Exception) -> Handler:
    def handler(request: Request) -> Response:
        raise error

    return handler


@pytest.mark.parametrize(
    ("handler", "status", "code", "logged"),
    [
        (raising(ValueError("secret\nsecond line")), 500, "internal", "http: bug in GET /api/scheduler/status: ValueE"),
        (raising(OSError(24, "Too many open files")), 503, "unavailable", "no answer to GET /api/scheduler/status"),
        (raising(ApiError("ended")), 409, "ended", ""),
        (lambda request: Response(200, headers=(("X", "a\r\nSet-Cookie: b"),)), 500, "internal", "bug in"),
        (lambda request: Response(299), 500, "internal", "bug in"),
    ],
)
def test_an_internal_error_is_one_log_line_and_shows_no_detail(
    server: Server, handler: Handler, status: int, code: str, logged: str
) -> None:
    server.handlers[f"{API}/status"] = handler
    for _ in range(3):
        reply = server.get(f"{API}/status")
        assert (reply.status, reply.code) == (status, code)
        assert b"secret" not in reply.raw and b"Traceback" not in reply.raw and b"Set-Cookie" not in reply.raw
    assert [logged in line for line in server.log.lines] == ([True] if logged else [])


def test_clients_that_disconnect_are_not_logged(server: Server) -> None:
    go = threading.Event()

    def late(request: Request) -> Response:
        go.wait(5)
        return Response(200, bytes(1_000_000))

    server.handlers[f"{API}/status"] = late
    wholes = [
        b"",
        b"GET",
        request(server.address, "GET /healthz"),
        request(server.address, f"GET {API}/status", token=TOKEN),
    ]
    for data in wholes:
        with connect(server.address) as sock:
            sock.sendall(data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends RST
    go.set()
    eventually(server.is_idle)
    assert not server.log.lines
    assert server.get().status == 200


def test_wrong_tokens_are_one_log_line_without_the_token(server: Server) -> None:
    for number in range(100):
        assert server.get(f"{API}/status", token=f"guess-{number}-{TOKEN}").status == 401
    assert server.get(f"{API}/status", token=None).status == 401
    (line,) = server.log.lines
    assert re.fullmatch(r"http: a request with a wrong token, from 127\.0\.0\.1:\d+", line)


@linux
def test_a_server_without_descriptors_waits_and_recovers(server: Server) -> None:
    assert server.get().status == 200
    with socket.socket() as sock:
        sock.settimeout(5)
        with few_descriptors(0):
            sock.connect(server.address)
            sock.sendall(request(server.address, "GET /healthz"))
            used = time.process_time()
            time.sleep(0.4)
            assert time.process_time() - used < 0.08
        assert receive(sock).status == 200
    (line,) = server.log.lines
    assert "no connection can be accepted" in line and "Too many open files" in line


# ---------------------------------------------------------------------------------------------------------- beginning


def test_it_listens_on_an_ipv6_address(start: Callable[..., Server]) -> None:
    try:
        server = start(host="::1")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert server.api.url == f"http://[::1]:{server.address[1]}"
    host = f"[::1]:{server.address[1]}"
    assert exchange(server.address, request(server.address, "GET /healthz", host=host)).status == 200


def test_an_address_that_is_taken_is_an_error(server: Server) -> None:
    settings = HttpSettings(True, "127.0.0.1", server.address[1], False, ())
    second = ApiServer(settings, TOKENS, lambda gate: server.app, logging.Logger("test"))
    with pytest.raises(OSError):
        second.start()
    second.close()


def test_a_thread_serves_one_connection_after_another_and_ends_when_none_comes(start: Callable[..., Server]) -> None:
    server = start(idle_s=0.2)
    served: list[str] = []

    def handler(request: Request) -> Response:
        served.append(threading.current_thread().name)
        time.sleep(0.02)
        return Response(200)

    server.handlers["/healthz"] = handler
    for _ in range(5):
        assert server.get().status == 200
        eventually(lambda: len(server.threads()) == 1)
    eventually(server.is_idle)
    assert server.get().status == 200


def test_the_history_that_a_thread_has_opened_is_closed_with_it(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start(idle_s=0.1)
    assert server.app
    server.app.home = Home(str(tmp_path))
    (tmp_path / "var").mkdir()
    opened(tmp_path / "var" / "minisched.db").close()
    readers: list[History] = []

    def handler(request: Request) -> Response:
        assert server.app
        readers.append(server.app.history())
        return json_response(200, readers[-1].page()[1])

    server.handlers["/healthz"] = handler
    assert [server.get().json for _ in range(2)] == [0, 0]
    assert readers[0] is readers[1]
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    eventually(server.is_idle)
    assert sys.platform != "linux" or len(os.listdir("/proc/self/fd")) < before


@linux
def test_it_does_not_wake_up_without_clients(server: Server) -> None:
    server.get()
    (accepting,) = [thread for thread in threading.enumerate() if thread.name == "http"]
    assert sleeps(accepting)


def test_a_failed_import_is_retried_with_the_next_connection(server: Server) -> None:
    app, server.app = server.app, None
    with connect(server.address) as sock:
        assert receive(sock).raw == b""
    (line,) = server.log.lines
    assert "no descriptor is left" in line
    server.app = app
    assert server.get().status == 200


# A process with a server, and a message to a webhook over TLS.
SERVING = """
import logging, os, socket, sys, threading, types
from minisched.api.server import ApiServer
from minisched.config import parse_config
from minisched.model import HttpSettings
from minisched.model.notification import Message, NotificationEvent, SendRequest
from minisched.notify.sender import deliver

def serve():
    app = types.SimpleNamespace(close_history=lambda: None)
    tokens = types.SimpleNamespace(full=b"x" * 43, read=b"")
    server = ApiServer(HttpSettings(True, "127.0.0.1", 0, False, ()), tokens, lambda gate: app, logging.getLogger())
    server.start()
    return server

def page():
    with socket.create_connection(server.address) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\\r\\n\\r\\n")
        return sock.recv(1000)[:12].decode()

def loaded(*names):
    return [name for name in names if name in sys.modules]

server = serve()
"""


def served(program: str, *arguments: str) -> list[str]:
    """The lines that a new process prints which begins with SERVING."""
    command = [sys.executable, "-c", f"{SERVING}{program}server.close()\n", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_http_server_is_imported_with_the_first_connection_but_not_what_it_needs_elsewhere() -> None:
    """`email`, `ssl` and others take 3 MB, and no answer needs them."""
    program = """
print(loaded("minisched.api.handler"))
print(page())
print(loaded("minisched.api.handler", "ssl", "email", "http.client", "urllib.parse", "html", "mimetypes", "shutil"))
from minisched.api.handler import Handler
import http.server
base, original = Handler.__mro__[1], http.server.BaseHTTPRequestHandler
print(all(vars(base)[name].__code__ == vars(original)[name].__code__ for name in ("send_header", "end_headers")))
for seconds in (0, 951827696, 1795372203.7):
    print(Handler.date_time_string(Handler, seconds) == original.date_time_string(original, seconds))
print(base.date_time_string(base, 0))
"""
    assert served(program) == [
        "[]",
        "HTTP/1.1 400",
        "['minisched.api.handler']",
        *["True"] * 4,
        "Thu, 01 Jan 1970 00:00:00 GMT",
    ]


def test_a_connection_whose_modules_cannot_be_read_is_closed_and_the_next_one_is_served() -> None:
    program = """
import resource
logging.disable()
with socket.socket() as sock:
    left = os.dup(0)  # the lowest free number
    os.close(left)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (left + 1, most))
    sock.connect(server.address)
    print(sock.recv(1000))
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
print(page())
"""
    assert served(program) == ["b''", "HTTP/1.1 400"]


@pytest.mark.parametrize("first", ["page", "message", "both"])
def test_messages_are_sent_over_tls_before_and_after_the_first_connection(first: str, tmp_path: Path) -> None:
    program = """
first, channel = sys.argv[1:]
rule = '{"name": "r", "triggers": ["success"], "channels": [%s]}' % channel
document = '{"tasks": [{"task_id": "t", "task_exec": "true", "task_notify": [%s]}]}' % rule
task = parse_config(document.encode())[0].tasks["t"]
message = Message(1, "1@x", NotificationEvent.EVENT, {}, 0.0)
request = SendRequest(message, task.task_notify[0].channels[0], None, "/nonexistent", {}, {})
results = {}
orders = {"page": lambda: results.update(page=page()), "message": lambda: results.update(message=deliver(request))}
if first == "both":
    threads = [threading.Thread(target=order) for order in orders.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
else:
    orders.pop(first)()
    orders.popitem()[1]()
print(results["page"], results["message"].state.value)
"""
    authority = Authority.at(tmp_path)
    with hosted(answering("200 OK"), authority.server) as host:
        channel = {"type": "webhook", "url": f"https://{HOST}:{host.port}/", "ca_file": authority.ca_file}
        for _ in range(5 if first == "both" else 1):
            assert served(program, first, json.dumps(channel)) == ["HTTP/1.1 400 sent"]


# ---------------------------------------------------------------------------------------------------------------- end


def test_close_does_not_wait_for_idle_clients_and_listeners(start: Callable[..., Server]) -> None:
    server = start()
    server.handlers[f"{API}/events"] = lambda request: Response(
        200, content_type="text/event-stream", stream=endless([])
    )
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(server.address)) for _ in range(10)]
        socks.append(listening(server, stack))
        eventually(lambda: len(server.threads()) == 11)
        began = time.monotonic()
        server.api.close(10)
        assert in_time(time.monotonic() - began, 5)
        for sock in socks:
            receive(sock)
        with pytest.raises(OSError):
            connect(server.address, 1)


def test_close_finishes_answers_in_progress(start: Callable[..., Server]) -> None:
    server = start()
    began = threading.Event()

    def slow(request: Request) -> Response:
        began.set()
        time.sleep(0.2)
        return Response(200, b"{}")

    server.handlers[f"{API}/status"] = slow
    with connect(server.address) as sock:
        sock.sendall(request(server.address, f"GET {API}/status", token=TOKEN))
        assert began.wait(5)
        server.api.close(2.0)
        assert receive(sock).status == 200


def test_close_waits_at_most_until_its_deadline(start: Callable[..., Server]) -> None:
    server = start()
    go, began = threading.Event(), threading.Event()

    def stuck(request: Request) -> Response:
        began.set()
        go.wait(10)
        return Response(200)

    server.handlers[f"{API}/status"] = stuck
    with connect(server.address) as sock:
        sock.sendall(request(server.address, f"GET {API}/status", token=TOKEN))
        assert began.wait(5)
        start_s = time.monotonic()
        server.api.close(0.2)
        assert in_time(time.monotonic() - start_s, 5)  # not the 10 s of the answer
        go.set()
        assert receive(sock).status == 200  # it is not cut either


def test_the_address_is_free_when_close_returns(start: Callable[..., Server]) -> None:
    first = start()
    settings = HttpSettings(True, "127.0.0.1", first.address[1], False, ())
    for _ in range(20):
        first.api.close(0.0)
        first.api = ApiServer(
            settings, TOKENS, lambda gate: first.app, logging.Logger("test"), respond=lambda *_: Response(200)
        )
        first.api.start()
        assert first.get().status == 200


def test_close_under_load_ends_within_a_second_and_leaves_nothing(start: Callable[..., Server]) -> None:
    server = start()
    done = threading.Event()
    statuses: list[int] = []

    def hammer() -> None:
        while not done.is_set():
            try:
                statuses.append(server.get().status)
            except OSError:
                continue

    hammers = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in hammers:
        thread.start()
    eventually(lambda: len(statuses) > 100)
    began = time.monotonic()
    server.api.close()
    seconds = time.monotonic() - began
    done.set()
    for thread in hammers:
        thread.join()
    assert seconds < 1
    eventually(server.is_idle)
    assert set(statuses) <= {200, 0}


# ----------------------------------------------------------------------------------------------------------- the page


def test_the_page_is_served_without_a_token_and_compressed(server: Server) -> None:
    for path in ("/", "/core/app.js"):
        plain = server.get(path, token=None)
        packed = server.get(path, "Accept-Encoding: gzip", token=None)
        assert (plain.status, packed.status) == (200, 200)
        assert gzip.decompress(packed.body) == plain.body == static_files.content(static_files.NAMES[path])
        assert int(packed.headers["content-length"]) == len(packed.body) < len(plain.body)
        again = server.get(path, f"If-None-Match: {packed.headers['etag']}", token=None)
        assert (again.status, again.body, again.headers["vary"]) == (304, b"", "Accept-Encoding")
        assert "content-security-policy" not in again.headers  # a browser keeps that of its copy


def test_a_list_that_is_sent_in_pieces_is_compressed_too() -> None:
    found = match("GET", f"{API}/tasks")
    assert isinstance(found, Match)
    asked = Request("GET", f"{API}/tasks", found.route, headers={"accept-encoding": "gzip"})
    sent = packed(Response(200, stream=iter([b"[1,", b"2]"])), asked)
    assert sent.stream is not None and ("Content-Encoding", "gzip") in sent.headers
    assert gzip.decompress(b"".join(sent.stream)) == b"[1,2]"
    pieces = packed(Response(200, content_type="text/event-stream", stream=iter([b"event: a", b"event: b"])), asked)
    unpacker = zlib.decompressobj(31)
    assert [unpacker.decompress(piece) for piece in pieces.stream or ()][:2] == [
        b"event: a",
        b"event: b",
    ]  # each at once


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/static/core/app.js",
            "/index.html",
            "/core/app.js/",
            "/CORE/APP.JS",
            "/core",
            "/core/",
            "/core/../core/app.js",
        ),
        *("/static_files.py", "/core/../../static_files.py", "/.", "/core/app.js%20", "//core/app.js"),
    ],
)
def test_no_other_path_is_a_file(server: Server, path: str) -> None:
    assert server.get(path).status in (400, 404)
    assert exchange(server.address, request(server.address, "DELETE /core/app.js")).status == 405
