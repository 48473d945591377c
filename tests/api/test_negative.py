"""Each rule of the gate once over a raw socket, against a running engine, and what must not be possible beyond it. A
canary task would show that a command ran: after each test there is no trace of it, the engine lives, and its log has no
bug. All cases of a rule are in test_gate.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pytest

from minisched.api.routing import routes
from support.http import Address, Reply, connect, exchange, receive, request
from support.process import linux, root
from support.programs import Home, alive, eventually, in_time, open_to_others

API = "/api/scheduler"
JSON = "Content-Type: application/json"
RUN = f"POST {API}/tasks/canary/run"
SECRETS = {
    "MINISCHED_TEST_SECRET": "secret-of-the-environment-4711",
    "file": "secret-of-a-file-4712",
    "text": "secret-in-the-config-4713",
    "url": "secret-of-a-hook-4714",
}


class Engine(NamedTuple):
    """A running engine, its address and its token."""

    home: Home
    canary: Path  # the file that the canary's command makes
    address: Address
    token: str

    @property
    def pid(self) -> int:
        assert self.home.process is not None
        return self.home.process.pid

    def send(self, line: str, *fields: str, token: Optional[str] = None, **more: Any) -> Reply:
        return exchange(self.address, request(self.address, line, *fields, token=token, **more))

    def ask(self, line: str, document: Any = None, *fields: str) -> Reply:
        """With the token: JSON, or bytes that should be JSON."""
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
        more = (JSON,) if body else ()
        return self.send(line, *more, *fields, token=self.token, body=body)

    def traces(self) -> list[str]:
        """Signs that a command ran or that something broke."""
        found = [str(path) for path in self.home.path.parent.rglob("*canary-ran*")]
        found += [line for line in self.home.engine_log().splitlines() if re.search("bug|Traceback|CRITICAL", line)]
        if not alive(self.pid):
            found.append("the engine is gone")
        return found + [f"a run of {row['task_id']}" for row in self.home.rows("canary")]


def config(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return {
        "http": {"port": 0},
        "smtp": {"host": "127.0.0.1", "username": "u", "password": SECRETS["text"], "security": "none"},
    }, [
        {"task_id": "canary", "task_exec": f"touch {folder}/canary-ran"},
        {
            "task_id": "hostile",
            "task_name": "<script>alert(1)</script>",
            "task_exec": r"printf '<script>alert(1)</script> \033]0;title\007 \342\200\256txt.exe\n'",
        },
        {
            "task_id": "keeper",
            "task_exec": "sleep 60",
            "task_env": {
                "A": {"from_env": "MINISCHED_TEST_SECRET"},
                "B": {"from_file": "hidden"},
            },
            "task_notify": [
                {
                    "name": "hook",
                    "triggers": ["business_failure"],
                    "channels": [{"type": "webhook", "url": f"http://127.0.0.1:9/{SECRETS['url']}"}],
                }
            ],
        },
        {"task_id": "other", "task_exec": "sleep 60"},
    ]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("negative")
    with started(folder) as one:
        yield one


@contextlib.contextmanager
def started(folder: Path, *wrapper: str) -> Iterator[Engine]:
    home = Home(folder / "home")
    try:
        settings, tasks = config(folder)
        (home.path / "hidden").write_text(SECRETS["file"])
        home.write(*tasks, **settings)
        home.start(*wrapper, MINISCHED_TEST_SECRET=SECRETS["MINISCHED_TEST_SECRET"])
        url = eventually(lambda: json.loads((home.path / "var" / "lock").read_text() or "{}").get("url"), "the address")
        host, _, port = url.removeprefix("http://").rpartition(":")
        yield Engine(home, folder / "canary-ran", (host, int(port)), (home.path / "var" / "token").read_text().strip())
    finally:
        home.close()


@pytest.fixture(autouse=True)
def no_trace(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "engine" in request.fixturenames and "is_able_to" not in request.node.name:
        assert not request.getfixturevalue("engine").traces()


# ---------------------------------------------------------------------------------------------------- the gate


def test_without_the_token_in_its_header_nothing_runs(engine: Engine) -> None:
    token = engine.token
    ways: dict[str, tuple[str, tuple[str, ...]]] = {
        "none": (RUN, ()),
        "a wrong one": (RUN, ("Authorization: Bearer " + "x" * 43,)),
        "not ASCII": (RUN, ("Authorization: Bearer \xe9\u4e2d" + token,)),
        "in the query": (f"{RUN}?token={token}", ()),
        "in a cookie": (RUN, (f"Cookie: token={token}; minisched={token}",)),
        "twice": (RUN, (f"Authorization: Bearer {token}", f"Authorization: Bearer {token}")),
    }
    for way, (line, fields) in ways.items():
        reply = engine.send(line, JSON, *fields, body=b"{}")
        assert (reply.status, reply.code) == (401, "unauthorized"), way
        assert reply.headers["www-authenticate"] == "Bearer"
        assert token.encode() not in reply.raw


@pytest.mark.parametrize(
    ("line", "fields", "status"),
    [
        (RUN, ["Host: evil.example"], 421),
        (RUN, ["Host: {host}", "Host: evil.example"], 400),
        (RUN.replace("/api", "http://{host}/api"), ["Host: {host}"], 400),
        (RUN, ["Host: {host}", "Origin: http://evil.example"], 403),
        (RUN, ["Host: {host}", "Origin: null"], 403),
        (RUN, ["Host: {host}", "Sec-Fetch-Site: cross-site"], 403),
    ],
)
def test_another_site_is_refused_even_with_the_token(engine: Engine, line: str, fields: list[str], status: int) -> None:
    host = "{}:{}".format(*engine.address)
    fields = [field.format(host=host) for field in fields]
    reply = engine.send(line.replace("{host}", host), JSON, *fields, token=engine.token, body=b"{}", host="")
    assert reply.status == status


@pytest.mark.parametrize("fields", [["Content-Type: text/plain"], [JSON, "Content-Encoding: gzip"], []])
def test_only_json_is_taken(engine: Engine, fields: list[str]) -> None:
    assert engine.send(RUN, *fields, token=engine.token, body=b"{}").status == 415


@pytest.mark.parametrize("known", [False, True])
def test_a_preflight_learns_nothing(engine: Engine, known: bool) -> None:
    fields = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type")
    for origin, status in (
        ("http://evil.example", 403),
        ("http://{}:{}".format(*engine.address), 405 if known else 401),
    ):
        reply = engine.send(
            f"OPTIONS {API}/tasks/canary/run", f"Origin: {origin}", *fields, token=engine.token if known else None
        )
        assert reply.status == status
        assert b"access-control" not in reply.raw.lower()


def test_a_second_request_inside_the_first_is_ignored(engine: Engine) -> None:
    hidden = request(engine.address, RUN, JSON, token=engine.token, body=b"{}")
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    tasks = f"POST {API}/tasks"
    cases = [
        (request(engine.address, tasks, JSON, "Transfer-Encoding: chunked", token=engine.token) + chunks, 501),
        (request(engine.address, tasks, JSON, "Transfer-Encoding: chunked", "Content-Length: 5") + chunks, 501),
        (request(engine.address, tasks, JSON, "Transfer-Encoding : chunked", token=engine.token) + chunks, 400),
        (request(engine.address, tasks, JSON, body=hidden), 401),
        (request(engine.address, f"GET {API}/tasks", token=engine.token) + hidden, 200),
        (request(engine.address, f"GET {API}/tasks", f"Content-Length: {len(hidden)}") + hidden, 400),
        (request(engine.address, "GET /healthz", "Connection: keep-alive", token=engine.token) + hidden, 200),
        (request(engine.address, tasks, JSON, token=engine.token, body=b"{}")[:-2] + hidden, 400),
    ]
    for data, status in cases:
        reply = exchange(engine.address, data)
        assert (reply.responses, reply.status) == (1, status), data
        assert reply.headers["connection"] == "close"


def resident_kb(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


@linux
def test_a_wrong_length_is_refused_before_the_body_arrives(engine: Engine) -> None:
    engine.send("GET /healthz")
    before = resident_kb(engine.pid)
    cases = {"-1": 400, "+5": 400, "9" * 20: 400, "1000000000000": 413, str(256 * 1024 + 1): 413}
    for length, status in cases.items():
        reply = engine.send(RUN, JSON, f"Content-Length: {length}", token=engine.token)
        assert reply.status == status and reply.seconds < 2
    reply = engine.send(RUN, JSON, "Content-Length: 2", "Content-Length: 3", token=engine.token)
    assert reply.status == 400
    assert resident_kb(engine.pid) - before < 1024


def test_other_protocols_and_oversized_heads_are_refused(engine: Engine) -> None:
    line = f"GET {API}/tasks"
    for data, status in (
        (f"{line}\r\nAuthorization: Bearer {engine.token}\r\n\r\n".encode(), 0),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500), 0),
        (b"\x80" + os.urandom(2048) + b"\n", 0),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (f"{line} HTTP/1.1\r\n".encode() + b"A: b\r\n" * 200 + b"\r\n", 431),
        (f"{line} HTTP/1.1\r\n".encode() + b"A: b\r\n" * 400_000, 431),
        (request(engine.address, line, token=engine.token).replace(b"\r\n", b"\n"), 400),
    ):
        reply = exchange(engine.address, data)
        assert reply.status == status, data[:80]
        assert reply.seconds < 2
        with connect(engine.address) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends RST
            sock.sendall(data[:4000])


# --------------------------------------------------------------------------------------------------- clients that stay


def test_connected_clients_do_not_delay_the_stop(tmp_path: Path) -> None:
    with started(tmp_path) as engine, contextlib.ExitStack() as stack:
        events = request(engine.address, f"GET {API}/events", token=engine.token)
        socks = [stack.enter_context(connect(engine.address)) for _ in range(3)]
        for sock, data in zip(socks, (b"", b"GET / HTTP/1.1\r\n", events)):
            sock.sendall(data)
        assert socks[2].recv(12)
        began = time.monotonic()
        assert engine.home.stop() == 0
        assert in_time(time.monotonic() - began, 1.5)


@linux
def test_an_engine_without_descriptors_waits_and_recovers(engine: Engine) -> None:
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("needs prlimit")

    def cpu_s() -> float:
        fields = Path(f"/proc/{engine.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    soft, hard = resource.prlimit(engine.pid, resource.RLIMIT_NOFILE)
    with connect(engine.address) as sock:
        resource.prlimit(engine.pid, resource.RLIMIT_NOFILE, (3, hard))
        try:
            with connect(engine.address) as other:
                used = cpu_s()
                for one in (sock, other):
                    one.sendall(request(engine.address, f"GET {API}/tasks", token=engine.token))
                time.sleep(0.5)
                assert cpu_s() - used < 0.1
                resource.prlimit(engine.pid, resource.RLIMIT_NOFILE, (soft, hard))
                assert receive(other).status == 200
        finally:
            resource.prlimit(engine.pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert receive(sock).status in (200, 503)


# ---------------------------------------------------------------------------------------- paths, JSON, texts


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/.%00./core/app.js",
        "//etc/passwd",
        "/static/../../token.py",
        "/var/token",
        "/api/scheduler/tasks/..%2f..%2fx",
        "/api/scheduler/tasks/canary%00/log",
    ],
)
def test_no_path_escapes_the_served_files(engine: Engine, path: str) -> None:
    reply = engine.ask(f"GET {path}")
    assert reply.status in (400, 404)
    assert b"root:" not in reply.raw and engine.token.encode() not in reply.raw


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a\\b", "CANARY", "$(id)"])
def test_no_task_id_escapes_the_home(engine: Engine, name: str) -> None:
    before = listing(engine)
    reply = engine.ask(f"POST {API}/tasks", {"task_id": name, "task_exec": f"touch {engine.canary}"})
    assert reply.status == (409 if name == "CANARY" else 422)
    assert listing(engine) == before


@pytest.mark.parametrize("log", ["../../x.log", "/etc/x.log"])
def test_no_parameter_names_another_log(engine: Engine, log: str) -> None:
    for query in (f"path={log}", f"file={log}", f"offset={log}"):
        assert engine.ask(f"GET {API}/tasks/canary/log?{query}").status == 400


def listing(engine: Engine) -> set[str]:
    """All files but the engine's own."""
    folder = engine.home.path.parent
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.parent.name not in ("var", "logs")} | {
        engine.home.config.read_text()
    }


@pytest.mark.parametrize("body", [b'{"env": {"A": "1", "A": "2"}}', b'{"env": ' + b"[" * 50_000], ids=["twice", "deep"])
def test_a_body_is_strict_json(engine: Engine, body: bytes) -> None:
    before = engine.home.config.read_text()
    for line in (RUN, f"POST {API}/tasks", f"PATCH {API}/tasks/canary"):
        reply = engine.send(line, JSON, token=engine.token, body=body)
        assert (reply.status, reply.code) == (400, "bad_request")
        assert reply.seconds < 2
    assert engine.home.config.read_text() == before


@pytest.mark.parametrize("name", ["two\r\nBcc: everyone@example.org", "two\nlines", "a\rb"])
def test_a_name_is_one_line(engine: Engine, name: str) -> None:
    before = engine.home.config.read_text()
    for body in ({"task_name": name}, {"task_notify": [{"name": name, "triggers": ["success"], "channels": []}]}):
        assert engine.ask(f"PATCH {API}/tasks/hostile", body).status in (400, 422)
    assert engine.home.config.read_text() == before


def run_of(engine: Engine, task_id: str) -> int:
    reply = engine.ask(f"POST {API}/tasks/{task_id}/run", {})
    assert reply.status == 202
    return int(reply.json["run_id"])


def test_task_output_is_shown_escaped(engine: Engine) -> None:
    run_id = run_of(engine, "hostile")
    eventually(lambda: engine.home.ended("hostile"))
    shown = [
        engine.ask(f"GET {API}/tasks/hostile/log").json["text"],
        engine.ask(f"GET {API}/executions/{run_id}/log").json["text"],
        engine.ask(f"GET {API}/executions/{run_id}").json["output_tail"],
        engine.home.run("logs", "hostile").stdout,
    ]
    for text in shown:
        assert "<script>alert(1)</script>" in text  # unchanged: the page shows it as text
        assert r"\x1b]0;title\x07" in text and r"\u202etxt.exe" in text
        assert "\x1b" not in text and "\u202e" not in text
    raw = engine.ask(f"GET {API}/tasks/hostile/log?raw=1")
    assert b"\x1b]0;title" in raw.body
    assert raw.headers["content-type"] == "application/octet-stream"
    assert re.fullmatch(r'attachment; filename="[\w.-]+"', raw.headers["content-disposition"])


@linux
def test_no_secret_is_in_any_response_file_or_command_line(engine: Engine) -> None:
    keeper, other = run_of(engine, "keeper"), run_of(engine, "other")

    def running() -> dict[str, int]:
        rows = [row for row in engine.home.rows() if row["run_id"] in (keeper, other) and row["attempts"]]
        found = {row["task_id"]: row["attempts"][-1]["pid"] for row in rows}
        return found if len(found) == 2 and all(found.values()) else {}

    pids = eventually(running, "both run")
    environs = {task_id: Path(f"/proc/{pid}/environ").read_bytes() for task_id, pid in pids.items()}
    for name in ("MINISCHED_TEST_SECRET", "file"):
        assert SECRETS[name].encode() in environs["keeper"]
    lines = {
        f"GET {API}{route.path.format(task_id=task_id, run_id=keeper, delivery_id=1)}"
        for route in routes()
        for task_id in ("keeper", "other", "canary")
        if route.method == "GET"
        and not any(parameter.required for parameter in route.query)
        and route.path != "/events"
    }
    dump = {line: engine.ask(line) for line in lines}
    dump["proof"] = engine.ask(f"GET {API}/proof?nonce={'0' * 64}")
    for line in (f"GET {API}/events", f"GET {API}/events?since=0"):
        with connect(engine.address, 1.0) as sock:
            sock.sendall(request(engine.address, line, token=engine.token))
            data = b""
            with contextlib.suppress(socket.timeout):
                while b"ping" not in data and (piece := sock.recv(65536)):
                    data += piece
        dump[line] = Reply(data, 0)
    assert {reply.status for reply in dump.values()} <= {200, 404, 410}
    places = {
        "the environment of another task": environs["other"],
        "command lines": b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (*pids.values(), engine.pid)),
        "the answers": b"".join(reply.raw for reply in dump.values()),
        "the history and the lock": b"".join(
            path.read_bytes() for path in (engine.home.path / "var").iterdir() if path.name != "token"
        ),
        "the logs": b"".join(path.read_bytes() for path in (engine.home.path / "logs").iterdir()),
        "the commands": "".join(engine.home.run(*words, "--json").stdout for words in (["list"], ["history"])).encode(),
    }
    for place, data in places.items():
        for name, secret in SECRETS.items():
            assert secret.encode() not in data, f"{name} in {place}"
        assert engine.token.encode() not in data, f"the token in {place}"
    for run_id in (keeper, other):
        assert engine.ask(f"POST {API}/executions/{run_id}/stop", {}).status == 202
    eventually(lambda: not any(alive(pid) for pid in pids.values()))


# ---------------------------------------------------------------------------------------- files


def refused(home: Home, port: int) -> tuple[int, str]:
    """Exit code and output of an engine that must not start; nothing listens on the port meanwhile."""
    process = home.start(wait=False)
    began = time.monotonic()
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), connect(("127.0.0.1", port), 1.0):
            raise AssertionError("the port is open")
        assert in_time(time.monotonic() - began, 10)  # 2 s on an idle machine
        time.sleep(0.01)
    output, words = process.communicate()
    home.process = None
    return process.returncode, output + words


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize(
    ("http", "missing"),
    [
        ({"host": "0.0.0.0"}, "allowed_hosts"),
        ({"allowed_hosts": ["*"]}, "allowed_hosts"),
        ({"token": ""}, 'unknown field "token"'),
    ],
)
def test_an_unsafe_http_setting_prevents_the_start(home: Home, http: dict[str, Any], missing: str) -> None:
    port = free_port()
    home.write(http={**http, "port": port})
    code, words = refused(home, port)
    assert code == 78 and missing in words and "Traceback" not in words
    assert not (home.path / "var" / "token").exists()


@pytest.mark.parametrize(("data", "mode", "words"), [("x" * 43, 0o644, "chmod 600"), ("", 0o600, "is not a token")])
def test_an_unsafe_token_file_prevents_the_start(home: Home, data: str, mode: int, words: str) -> None:
    port = free_port()
    home.write(http={"port": port})
    (home.path / "var").mkdir(mode=0o700)
    token = home.path / "var" / "token"
    token.write_text(data)
    token.chmod(mode)
    code, output = refused(home, port)
    assert code == 78 and words in output and "Traceback" not in output
    assert "x" * 43 not in output


@linux
@root
def test_another_user_reads_nothing(engine: Engine) -> None:
    folder = engine.home.path
    open_to_others(folder)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    assert subprocess.run([*as_nobody, "ls", folder / "tasks"], capture_output=True).returncode == 0  # it comes here
    files = [path for name in ("var", "logs") for path in (folder / name).iterdir()]
    assert {"token", "minisched.db", "lock", "minisched.log"} <= {path.name for path in files}
    for path in files:
        done = subprocess.run([*as_nobody, "cat", path], capture_output=True, text=True)
        assert done.returncode and "Permission denied" in done.stderr and not done.stdout


def test_a_config_that_everyone_can_write_prevents_the_start(home: Home) -> None:
    port = free_port()
    home.write(http={"port": port})
    path = home.path / "tasks"
    path.chmod(path.stat().st_mode | 0o002)
    code, words = refused(home, port)
    assert code == 78 and "chmod o-w" in words


def test_a_log_that_is_a_symlink_is_not_followed(engine: Engine) -> None:
    victim = engine.home.path.parent / "victim"
    victim.write_text("untouched")
    log = engine.home.path / "logs" / "linked.log"
    log.symlink_to(victim)
    created = engine.ask(f"POST {API}/tasks", {"task_id": "linked", "task_exec": "echo over the victim"})
    assert created.status == 201
    run_id = run_of(engine, "linked")
    eventually(lambda: engine.home.ended("linked"))
    run = engine.ask(f"GET {API}/executions/{run_id}").json
    assert run["status"] == "success" and run["attempts"][-1]["log_lost"]
    assert victim.read_text() == "untouched"
    for path in ("/tasks/linked/log", "/tasks/linked/log?raw=1", f"/executions/{run_id}/log"):
        assert b"untouched" not in engine.ask(f"GET {API}{path}").raw
    assert engine.ask(f"DELETE {API}/tasks/linked").status == 200


# ---------------------------------------------------------------------------------------- the token


def test_without_the_token_all_paths_answer_the_same(engine: Engine) -> None:
    for path in (
        f"{API}/tasks",
        f"{API}/events",
        f"{API}/openapi.json",
        "/api",
        f"{API}/nothing",
        f"{API}/tasks/no/run",
    ):
        for method in ("GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "BREW"):
            reply = engine.send(f"{method} {path}")
            assert reply.status == 401, (method, path)
            assert reply.body == b"" if method == "HEAD" else reply.code == "unauthorized"
        assert engine.send(f"POST {path}", JSON, body=b"{}").status == 401, path


def test_health_gives_its_reasons_only_with_the_token(engine: Engine) -> None:
    for path in ("/healthz", f"{API}/healthz"):
        reply = engine.send(f"GET {path}")
        assert (reply.status, set(reply.json)) in ((200, {"status"}), (503, {"status"}))
        assert "reasons" in engine.ask(f"GET {path}").json


def test_token_guesses_do_not_slow_others_and_are_one_log_line(engine: Engine) -> None:
    def seconds() -> float:
        took = sorted(engine.ask(f"GET {API}/status").seconds for _ in range(20))
        return took[10]

    before = seconds()
    before_guesses = len(engine.home.engine_log())
    guesses = [f"guess-{number}-{engine.token[:20]}" for number in range(100)]
    for guess in guesses:
        assert engine.send(f"GET {API}/status", token=guess).status == 401
    assert seconds() < 5 * before + 0.02
    log = engine.home.engine_log()
    wrong = "a request with a wrong token, from 127.0.0.1:"
    assert wrong in log and log[before_guesses:].count(wrong) <= 2  # one line a minute
    assert "guess-" not in log and engine.token not in log


# --------------------------------------------------------------------------------------------------------- the canary


def test_a_client_with_the_token_is_able_to_run_the_canary(engine: Engine) -> None:
    """Otherwise none of the above would prove anything."""
    run_of(engine, "canary")
    eventually(engine.canary.exists, "the canary's command")
    assert engine.traces()
