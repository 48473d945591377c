"""The parts of the measurement that ask the API and the page."""

from __future__ import annotations

import gzip
import re
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin

from kit import API, DATE, Bench, Home, answer, ask, cpu_s, idle_tasks, percentile, serving
from run import EVERY_SECOND, TRUE, Figure, lateness

RUNS = 1_000_000
GZIP = "Accept-Encoding: gzip"


def requests(bench: Bench, count: int = 1_500) -> list[Figure]:
    """CPU of the engine for `GET /tasks` of 1,000 tasks that have not changed; the floor sends the same bytes by
    ThreadingHTTPServer, the peer its own list by Flask."""
    home = bench.home()
    home.write(*idle_tasks(1_000))
    pid, port = home.start(), home.port
    head, body = home.get(f"{API}/tasks")
    etag = re.findall(r"(?im)^ETag: (.*)$", head)[0].strip()
    saved = home.path / "body"
    saved.write_bytes(body)
    figures = []
    for name, more, files, limit in (
        ("whole again", (), (saved,), 0.7),
        ("304", (f"If-None-Match: {etag}",), (), 0.2),
    ):
        request = home.request(f"{API}/tasks", *more)
        with serving(bench.floor("serve", *files)) as (floor, floor_port):
            bare = request_ms(floor, floor_port, request, count)
        beside = None
        with serving(bench.peer("idle", 1_000) if files else None) as (peer, peer_port):
            if peer:
                beside = request_ms(peer, peer_port, request.replace(API.encode(), b""), 100)
        ours = request_ms(pid, port, request, count)
        figures.append(Figure(f"GET /tasks, 1,000 tasks, {name}: CPU", ours, "ms", bare, beside, limit=limit))
    figures.append(Figure("GET /healthz: CPU", request_ms(pid, port, home.request("/healthz"), count), "ms"))
    return figures


def request_ms(pid: int, port: int, request: bytes, count: int) -> float:
    """CPU of the server for a request, in ms."""
    for _ in range(5):
        ask(port, request)
    began_s = cpu_s(pid)
    for _ in range(count):
        ask(port, request)
    return (cpu_s(pid) - began_s) * 1000 / count


def late_under_load(bench: Bench, firings: int = 15, clients: int = 8) -> list[Figure]:
    """Due time to first instruction while clients ask without a pause; the floor is the same engine left alone."""
    home = bench.home()
    home.write({"task_id": "every", "task_exec": DATE, "task_schedule": EVERY_SECOND}, *idle_tasks(10))
    home.start()
    time.sleep(firings)
    quiet = lateness(home.instants()[2:], 1, 0)
    seen = len(home.instants())
    port, request = home.port, home.request(f"{API}/tasks")
    until = time.monotonic() + firings

    def hammer() -> None:
        while time.monotonic() < until:
            ask(port, request)

    threads = [threading.Thread(target=hammer) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loaded = lateness(home.instants()[seen:], 1, 0)
    return [
        Figure(f"due to first instruction, {clients} clients, {name}", percentile(loaded, share), "ms",
               percentile(quiet, share))
        for name, share in (("p50", 50), ("latest", 100))
    ]  # fmt: skip


@contextmanager
def listening(home: Home, count: int) -> Iterator[list[int]]:
    """So many listeners to the events; counts what they were sent."""
    events, over = [0], threading.Event()
    selector = selectors.DefaultSelector()
    request = home.request(f"{API}/events")
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", home.port))
        connection.sendall(request)
        selector.register(connection, selectors.EVENT_READ)

    def read() -> None:
        while not over.is_set():
            for key, _ in selector.select(0.2):
                assert isinstance(key.fileobj, socket.socket)
                events[0] += key.fileobj.recv(1 << 20).count(b"event: task")

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield events
    finally:
        over.set()
        thread.join()
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        selector.close()


def listeners(bench: Bench, seconds: float = 4.0) -> list[Figure]:
    """CPU a second more than with no listener; 1,000 tasks, 50 of which begin and end in each second.

    Each span with listeners is compared with the spans without before and after it, since the same runs cost up to a
    tenth more or less from minute to minute.
    """
    home = bench.home()
    one = {"task_exec": TRUE, "task_schedule": EVERY_SECOND}
    home.write(*({"task_id": f"t{number}", **one} for number in range(50)), *idle_tasks(950), max_running=50)
    pid = home.start()
    time.sleep(3)
    sent = 0.0

    def span(count: int) -> float:
        nonlocal sent
        with listening(home, count) as events:
            time.sleep(1.5)
            began_s, before = cpu_s(pid), events[0]
            time.sleep(seconds)
            used_s = cpu_s(pid) - began_s
            sent = max(sent, (events[0] - before) / seconds)
        return used_s * 1000 / seconds

    more: dict[int, list[float]] = {1: [], 4: [], 16: []}
    alone = span(0)
    for count in (1, 16, 4, 16, 1, 16, 4, 16):
        used, after = span(count), span(0)
        more[count].append(used - (alone + after) / 2)
        alone = after
    return [
        Figure("1 listener, 100 changes a second: CPU", statistics.median(more[1]), "ms/s"),
        Figure("4 listeners, 100 changes a second: CPU", statistics.median(more[4]), "ms/s"),
        Figure("16 listeners, 100 changes a second: CPU", statistics.median(more[16]), "ms/s", limit=150),
        Figure("16 listeners: cards sent a second", sent, "", more=True),
    ]


def history(bench: Bench, count: int = 300) -> list[Figure]:
    """CPU of a page of the history of a million runs of 1,000 tasks; the floor reads 20 rows of the same file."""
    home = bench.home()
    home.write({"task_id": "first", "task_exec": TRUE, "task_schedule": "@reboot"}, *idle_tasks(1_000))
    home.start()
    home.until("SELECT count(*) FROM task_history WHERE end_time IS NOT NULL", 1)
    home.stop()
    million(home)
    pid, port = home.start(), home.port
    bare = answer(bench.floor("rows", home.path / "var" / "minisched.db", count))
    assert bare
    return [
        Figure(f"a page of {RUNS:,} runs, {name}: CPU", request_ms(pid, port, home.request(API + path), count), "ms",
               bare.cpu_ms, limit=limit)
        for name, path, limit in (
            ("first", "/executions", 1),
            ("200th", "/executions?page=200", None),
            ("failures", "/executions?status=technical_failure", None),
            ("of one task", "/tasks/backup_7/history", None),
        )
    ]  # fmt: skip


def million(home: Home) -> None:
    """Copy the one run of the history a million times over the tasks, ten seconds apart; whatever columns there are."""
    for table in ("task_history", "task_attempt"):
        columns = [row[1] for row in home.sql(f"PRAGMA table_info({table})")]
        values = {name: f'"{name}"' for name in columns}
        values["run_id"] = "i + 1"
        if table == "task_history":
            values.update(
                task_id="'backup_' || (i % 1000)",
                status="CASE WHEN i % 100 THEN status ELSE 'technical_failure' END",
                scheduled_time=f"CAST(created_time AS INTEGER) + (i - {RUNS}) * 10",
                created_time=f"created_time + (i - {RUNS}) * 10",
                end_order="i / 1000 + 1",
            )
        names = ", ".join(f'"{name}"' for name in columns)
        picked = ", ".join(values[name] for name in columns)
        home.sql(
            f"""INSERT INTO {table} ({names})
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS})
            SELECT {picked} FROM n, {table} WHERE run_id = 1"""
        )


def page(bench: Bench) -> list[Figure]:
    """What a browser gets when it opens the page: the document, what it names, and what that imports. Then all files of
    the page: the others are imported when a view is opened. Bytes of bodies, gzipped where the engine does that."""
    home = bench.home()
    home.write(*idle_tasks(10))
    home.start()
    first: dict[str, int] = {}
    load(home, "/", first)
    static = bench.folder / "minisched" / "api" / "static"
    paths = {f"/{path.relative_to(static).as_posix()}" for path in static.rglob("*.*")} - {"/index.html"}
    whole = {**first, **{path: len(home.get(path, GZIP)[1]) for path in paths}}
    return [
        Figure("page, first load", sum(first.values()) / 1000, "KB", limit=35),
        Figure("page, first load: requests", len(first), "", limit=8),
        Figure("page, all of it", sum(whole.values()) / 1000, "KB", limit=130),
        Figure("page, all of it: files", len(whole), ""),
    ]


def load(home: Home, path: str, found: dict[str, int]) -> None:
    """Add the bytes of this file and of all that it names."""
    if path in found:
        return
    head, body = home.get(path, GZIP)
    assert head.split(" ")[1] == "200", f"{path}: {head}"
    found[path] = len(body)
    text = (gzip.decompress(body) if "content-encoding: gzip" in head.lower() else body).decode()
    if path.endswith(".js"):
        names = re.findall(r"""(?m)^\s*(?:import|export)\b[^;()]*?["']([\w./-]+\.js)["']""", text)
    else:
        names = re.findall(r"""<(?:script|link)\b[^>]*?(?:src|href)="([\w./-]+)\"""", text)
    for name in names:
        load(home, urljoin(path, name), found)


PARTS = {part.__name__: part for part in (requests, late_under_load, listeners, history, page)}
