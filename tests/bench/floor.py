"""The floors: what the same thing costs a bare Python. Run by the bench, with a kind and its arguments.

Prints a figure, its own CPU a run in ms, then when each child began.

    due COUNT TIMES PERIOD PHASE   COUNT processes at each instant of PERIOD s, PHASE s after the even one
    rate COUNT TIMES               TIMES processes, COUNT in flight; the figure is how many a second
    sleep                          wakes every two seconds; prints 0 and stays
    serve [FILE]                   answers with the file's bytes, without a file with 304; prints its port and stays
    rows DB TIMES                  a page of 20 rows out of a table; the figure is ms a page
"""

from __future__ import annotations

import os
import resource
import sys
import time

DATE = ["date", "+%s.%N"]


def own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report(figure: float, cpu_s: float, runs: int, instants: list[str]) -> None:
    print(figure, cpu_s / runs * 1000, *instants)


def due(count: int, times: int, period: float, phase: float) -> None:
    instants, cpu_s = [], 0.0
    for _ in range(times):
        at = (time.time() - phase) // period * period + period + phase
        time.sleep(at - time.time())
        began_s, children = own_cpu_s(), []
        for _ in range(count):
            reading, writing = os.pipe()
            actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, writing, 2)]
            pid = os.posix_spawn("/bin/date", DATE, os.environ, file_actions=actions, setsid=True)
            os.close(writing)
            children.append((pid, reading))
        for pid, reading in children:
            instants.append(os.read(reading, 100).decode().strip())
            os.close(reading)
            os.waitpid(pid, 0)
        cpu_s += own_cpu_s() - began_s
    report(0, cpu_s, count * times, instants)


def rate(count: int, times: int) -> None:
    began, cpu_s = time.perf_counter(), own_cpu_s()
    for number in range(times):
        if number >= count:
            os.wait()
        os.posix_spawn("/bin/true", ["true"], os.environ)
    for _ in range(count):
        os.wait()
    report(times / (time.perf_counter() - began), own_cpu_s() - cpu_s, times, [])


def serve(body: bytes) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        wbufsize = -1  # one write an answer

        def do_GET(self) -> None:
            self.send_response(200 if body else 304)
            if body:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def rows(path: str, times: int) -> None:
    import sqlite3

    db = sqlite3.connect(path)
    began, cpu_s = time.perf_counter(), own_cpu_s()
    for _ in range(times):
        db.execute("SELECT * FROM task_history ORDER BY run_id DESC LIMIT 20").fetchall()
    report((time.perf_counter() - began) / times * 1000, own_cpu_s() - cpu_s, times, [])


def main() -> None:
    kind, arguments = sys.argv[1], sys.argv[2:]
    if kind == "due":
        due(int(arguments[0]), int(arguments[1]), float(arguments[2]), float(arguments[3]))
    elif kind == "rate":
        rate(int(arguments[0]), int(arguments[1]))
    elif kind == "serve":
        with open(arguments[0] if arguments else os.devnull, "rb") as file:
            body = file.read()
        serve(body)
    elif kind == "rows":
        rows(arguments[0], int(arguments[1]))
    else:
        print(0, flush=True)
        while True:
            time.sleep(2)


if __name__ == "__main__":
    main()
