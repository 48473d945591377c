"""What the API and the page cost, each figure beside a floor of the same run. Run: python tests/bench/bench_api.py

Requests a second and the slowest of a hundred, against a bare ThreadingHTTPServer that answers the same bytes; memory
with the page open; how late tasks start while eight clients ask without a pause. About two minutes, loopback only.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kit import Bench, idle_tasks, instants, percentile, uss_mb
from run import DATE, Figure

from support.programs import ROOT, Home

SECONDS = 4.0  # of each measurement
CLIENTS = 8
API = "/api/scheduler/tasks"

# Arguments: host, port, request bytes in hex, seconds. Asks one after another on connections of their own; prints how
# many, and the milliseconds of each.
_CLIENT = """
import socket, sys, time
host, port, request, seconds = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3]), float(sys.argv[4])
times, until = [], time.perf_counter() + seconds
while time.perf_counter() < until:
    began = time.perf_counter()
    with socket.create_connection((host, port)) as connection:
        connection.sendall(request)
        while connection.recv(262144):
            pass
    times.append((time.perf_counter() - began) * 1000)
print(*times)
"""

# Arguments: a file with the body (none: answer 304). One write a response, as ours.
_FLOOR = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
body = open(sys.argv[1], "rb").read() if len(sys.argv) > 1 else b""
class Handler(BaseHTTPRequestHandler):
    wbufsize = -1
    def do_GET(self):
        self.send_response(200 if body else 304)
        if body:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size = 64
server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


class Address(NamedTuple):
    port: int
    token: str


def address_of(home: Home) -> Address:
    url = json.loads((home.path / "var" / "lock").read_text())["url"]
    return Address(int(url.rsplit(":", 1)[1]), (home.path / "var" / "token").read_text().strip())


def request_of(address: Address, etag: str = "", path: str = API) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{address.port}", f"Authorization: Bearer {address.token}"]
    lines += [f"If-None-Match: {etag}"] if etag else []
    return "\r\n".join([*lines, "", ""]).encode()


def ask(address: Address, request: bytes) -> tuple[str, bytes]:
    """The head and the body of the answer."""
    with socket.create_connection(("127.0.0.1", address.port)) as connection:
        connection.sendall(request)
        data = b""
        while block := connection.recv(1 << 20):
            data += block
    head, _, body = data.partition(b"\r\n\r\n")
    return head.decode(), body


def hammer(port: int, request: bytes, clients: int, seconds: float = SECONDS) -> list[float]:
    """Milliseconds of every request that so many clients made."""
    words = [sys.executable, "-c", _CLIENT, "127.0.0.1", str(port), request.hex(), str(seconds)]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(clients)]
    return [float(word) for client in running for word in client.communicate()[0].split()]


def speed(bench: Bench) -> list[Figure]:
    figures = []
    for count in (10, 1_000):
        home = bench.home()
        home.write(*idle_tasks(count), http={"port": 0})
        bench.start(home)
        address = wait_for_page(home)
        head, body = ask(address, request_of(address))
        etag = next(line.split(": ", 1)[1] for line in head.splitlines() if line.startswith("ETag"))
        saved = home.path / "body"
        saved.write_bytes(body)
        for what, tag, arguments in (("200", "", [str(saved)]), ("304", etag, [])):
            floor = subprocess.Popen(
                [sys.executable, "-c", _FLOOR, *arguments], stdout=subprocess.PIPE, text=True, env=bench.env
            )
            assert floor.stdout
            port = int(floor.stdout.readline())
            request = request_of(address, tag)
            for clients in (1, CLIENTS):
                ours = hammer(address.port, request, clients)
                bare = hammer(port, request, clients)
                name = f"GET /tasks, {count:,} tasks, {what}, {clients} client{'s' if clients > 1 else ''}"
                figures += [
                    Figure(f"{name}: a second", len(ours) / SECONDS, "", len(bare) / SECONDS, 0.7, True, True),
                    Figure(f"{name}: p99", percentile(ours, 99), "ms", percentile(bare, 99), 1.5, True),
                ]
            floor.kill()
            floor.communicate()
        bench.stop(home)
        bench.drop(home)
    return figures


def wait_for_page(home: Home) -> Address:
    deadline = time.monotonic() + 10
    while True:
        try:
            return address_of(home)
        except (OSError, AttributeError):  # not there yet, or without an address
            assert time.monotonic() < deadline, home.engine_log()
            time.sleep(0.05)


def memory(bench: Bench) -> list[Figure]:
    figures = []
    for count, budget in ((10, 11), (1_000, 12), (10_000, 20)):
        home = bench.home()
        home.write(*idle_tasks(count), http={"port": 0})
        process = bench.start(home)
        address = wait_for_page(home)
        time.sleep(2)
        figures.append(Figure(f"USS, page served, {count:,} tasks", uss_mb(process.pid), "MB", None, budget))
        listener = socket.create_connection(("127.0.0.1", address.port))
        listener.sendall(request_of(address, path="/api/scheduler/events"))
        for path in ("/", API, "/api/scheduler/status"):
            ask(address, request_of(address, path=path))
        time.sleep(2)
        figures.append(Figure(f"USS, page open, {count:,} tasks", uss_mb(process.pid), "MB", None, budget + 8))
        listener.close()
        bench.stop(home)
        bench.drop(home)
    return figures


def latency(bench: Bench, firings: int = 15) -> list[Figure]:
    """From due time to first instruction, alone and while clients ask without a pause."""
    home = bench.home()
    home.write({"task_id": "every", "task_exec": DATE, "task_schedule": "* * * * * *"}, http={"port": 0})
    bench.start(home)
    address = wait_for_page(home)
    time.sleep(firings)
    quiet = [instant % 1.0 * 1000 for instant in instants(home)[2:]]
    seen = len(instants(home))
    asked = hammer(address.port, request_of(address), CLIENTS, firings)
    bench.stop(home)
    loaded = [instant % 1.0 * 1000 for instant in instants(home)[seen:]]
    rate = len(asked) / firings
    return [
        Figure(f"due to start while {CLIENTS} clients ask ({rate:,.0f} a second), p50", statistics.median(loaded), "ms",
               statistics.median(quiet), 20),
        Figure("the same, the latest", max(loaded), "ms", max(quiet), 100),
    ]  # fmt: skip


PARTS = {part.__name__: part for part in (speed, memory, latency)}


def main(arguments: Optional[list[str]] = None) -> int:
    names = (sys.argv[1:] if arguments is None else arguments) or list(PARTS)
    rows: list[Any] = [("WHAT", "MEASURED", "FLOOR", "RATIO", "BUDGET", "MET")]
    with tempfile.TemporaryDirectory(prefix="minisched-bench-") as folder:
        bench = Bench(Path(folder).resolve(), ROOT / "minisched")
        try:
            for name in names:
                print(f"{name} ...", file=sys.stderr)
                rows += [figure.cells() for figure in PARTS[name](bench)]
        finally:
            bench.close()
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
