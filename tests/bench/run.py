"""What minisched costs, each figure beside a floor of the same run. Run: python tests/bench/run.py [part ...]

Without a part all of them, about six minutes. `--peer` adds the same by APScheduler 3 with Flask (to be installed),
`--before DIR` measures another checkout in turn (before, after, before, after) and prints both, `--dir DIR` puts the
homes on another disk. Linux only. What a figure means and how far it varies: README.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional

from kit import (
    DATE,
    Bench,
    answer,
    cpu_s,
    fine_cpu_s,
    idle_tasks,
    percentile,
    rss_mb,
    serving,
    sleeps,
    uss_mb,
    wait_for,
    written,
)

SIZES = (10, 1_000, 10_000)
TRUE = ["/bin/true"]
EVERY_SECOND = "* * * * * *"
ENDED = "SELECT count(*) FROM task_history WHERE end_time IS NOT NULL"
FLOOD_LINE = b"x" * 99 + b"\n"
FLOOD_FILE_BYTES = 10_000_000
FLOOD_FILES = 20


class Figure(NamedTuple):
    """A line of the table. Budgets are upper bounds of `value` and of its ratios to the floor and to the peer; lower
    bounds where `more` is better."""

    what: str
    value: float
    unit: str
    floor: Optional[float] = None
    peer: Optional[float] = None
    limit: Optional[float] = None
    of_floor: Optional[float] = None
    of_peer: Optional[float] = None
    more: bool = False

    def bounds(self) -> Iterator[float]:
        for factor, of in ((self.limit, 1.0), (self.of_floor, self.floor), (self.of_peer, self.peer)):
            if factor is not None and of is not None:
                yield factor * of

    @property
    def met(self) -> str:
        bounds = list(self.bounds())
        if not bounds:
            return ""
        good = self.value >= max(bounds) if self.more else self.value <= min(bounds)
        return "yes" if good else "NO"

    @property
    def budget(self) -> str:
        named = ((self.limit, self.unit), (self.of_floor, "floor"), (self.of_peer, "peer"))
        return ", ".join(f"{number:,g} {name}".strip() for number, name in named if number is not None)


def best(figures: list[Figure]) -> Figure:
    """Of one figure that was measured several times: what disturbs a measurement makes it worse, never better."""

    def pick(values: list[Optional[float]]) -> Optional[float]:
        known = [value for value in values if value is not None]
        return (max if figures[0].more else min)(known) if known else None

    value = pick([figure.value for figure in figures])
    assert value is not None
    floor, peer = pick([figure.floor for figure in figures]), pick([figure.peer for figure in figures])
    return figures[0]._replace(value=value, floor=floor, peer=peer)


# ------------------------------------------------------------------------------------------------------ due and start


def latency(bench: Bench, firings: int = 40) -> list[Figure]:
    """From the due time to the first instruction of the process; floor and peer do the same at other parts of the same
    seconds."""
    home = bench.home()
    home.write({"task_id": "every", "task_exec": DATE, "task_schedule": EVERY_SECOND})
    home.start()
    floor = bench.floor("due", 1, firings, 1, 0.5)
    peer = answer(bench.peer("due", 1, firings, 1, 0.25))
    bare = answer(floor)
    home.stop()
    assert bare
    late = [lateness(home.instants()[2:], 1, 0), lateness(bare.instants[2:], 1, 0.5)]
    late.append(lateness(peer.instants[2:], 1, 0.25) if peer else [])
    (ours, floors, peers) = late
    figures = []
    for name, of, factors in (
        ("p50", statistics.median, {"of_floor": 1.25, "of_peer": 0.5}),
        ("p99", lambda values: percentile(values, 99), {}),
    ):
        figures.append(
            Figure(
                f"due to first instruction, 1 task, {name}",
                of(ours),
                "ms",
                of(floors),
                of(peers) if peer else None,
                **factors,
            )
        )
    return figures


def lateness(instants: list[float], period: float, phase: float) -> list[float]:
    return [(instant - phase) % period * 1000 for instant in instants]


def burst(bench: Bench, rounds: int = 6) -> list[Figure]:
    """200 tasks due at once, all allowed to run, each six seconds; floor and peer two and four seconds later."""
    home = bench.home()
    one = {"task_exec": DATE, "task_schedule": "@every 6s"}
    home.write(*({"task_id": f"t{number}", **one} for number in range(200)), max_running=200)
    pid = home.start()
    before = cpu_s(pid)
    floor = bench.floor("due", 200, rounds, 6, 2)
    peer = answer(bench.peer("due", 200, rounds, 6, 4))
    bare = answer(floor)
    own_s, memory, resident = cpu_s(pid) - before, uss_mb(pid), rss_mb(pid)
    home.stop()
    assert bare
    instants = home.instants()
    ours, bares = (lateness(sorted(some), 6, phase) for some, phase in ((instants, 0), (bare.instants, 2)))
    peers = lateness(sorted(peer.instants), 6, 4) if peer else []
    return [
        Figure("200 due at once, last start", rounds_last(ours), "ms", rounds_last(bares),
               rounds_last(peers) if peer else None, of_floor=1.3),
        Figure("own CPU a short run, 200 at once", own_s * 1000 / len(instants), "ms", bare.cpu_ms,
               peer.cpu_ms if peer else None, limit=0.4, of_peer=0.55),
        Figure("USS after bursts of 200", memory, "MB"),
        Figure("RSS after bursts of 200", resident, "MB"),
    ]  # fmt: skip


def rounds_last(late_ms: list[float]) -> float:
    """The latest start of the best round; the values are in the order of the starts, 200 a round."""
    groups = [late_ms[at : at + 200] for at in range(0, len(late_ms), 200)]
    return min(max(group) for group in groups if len(group) == 200)


def rate(bench: Bench, seconds: int = 8) -> list[Figure]:
    """Runs of /bin/true that end in a second, of more and more that are due in each."""
    found, peers = [], []
    for offered in (800, 1_600, 2_000):
        home = bench.home()
        one = {"task_exec": TRUE, "task_schedule": EVERY_SECOND}
        home.write(*({"task_id": f"t{number}", **one} for number in range(offered)), max_running=500)
        home.start()
        time.sleep(seconds + 2)
        home.stop()
        ((last,),) = home.sql("SELECT max(end_time) FROM task_history")
        query = "SELECT count(*) FROM task_history WHERE status = 'success' AND end_time >= {} AND end_time < {}"
        end = int(last) - 1
        found.append(home.sql(query.format(end - seconds + 2, end))[0][0] / (seconds - 2))
        peer = answer(bench.peer("rate", offered, seconds, 1, 0)) if offered < 2_000 else None
        peers += [peer.figure] if peer else []
        bench.close()
    bare = answer(bench.floor("rate", 8, 4_000))
    assert bare
    return [
        Figure(
            "short runs a second", max(found), "", bare.figure, max(peers) if peers else None, limit=1_500, more=True
        )
    ]


def start(bench: Bench) -> list[Figure]:
    """From exec to the first instruction of an `@reboot` task's process, on a new home and on one with a history."""
    bare = bench.best_s("-c", "pass")
    figures = []
    for count, limit in zip(SIZES, (0.08, 0.12, 0.3)):
        first, again, peers = [], [], []
        for _ in range(4):
            home = bench.home()
            home.write({"task_id": "first", "task_exec": DATE, "task_schedule": "@reboot"}, *idle_tasks(count - 1))
            for times in (first, again):
                before = len(home.instants())
                began = time.time()
                home.start(wait=False)
                wait_for(lambda home=home, before=before: len(home.instants()) > before, 30, 0.005)
                times.append(max(home.instants()) - began)
                home.stop()
                home.sql("UPDATE task_state SET boot_id = ''")
            bench.close()
            began = time.time()
            peer = answer(bench.peer("start", count)) if count < 10_000 else None
            peers += [peer.instants[0] - began] if peer else []
        beside = min(peers) if peers else None
        name = f"exec to first task, {count:,} tasks"
        figures.append(Figure(name, min(again), "s", bare, beside, limit=limit))
        figures.append(Figure(f"{name}, new home", min(first), "s", bare))
    return figures


def commands(bench: Bench) -> list[Figure]:
    home = bench.home()
    home.write(*idle_tasks(10))
    home.start()
    home.stop()  # with a history, so that `list` reads it
    bare = bench.best_s("-c", "pass")
    words = ("-m", "minisched", "--home", str(home.path))
    return [
        Figure("minisched --help", bench.best_s("-m", "minisched", "--help"), "s", bare, of_floor=2),
        Figure("minisched list", bench.best_s(*words, "list"), "s", bare, of_floor=2),
        Figure("import minisched", bench.best_s("-c", "import minisched"), "s", bare),
    ]


def reload(bench: Bench, rounds: int = 14) -> list[Figure]:
    """How late tasks start whose due time falls into a reload of 10,000 tasks: one changed, or all of them."""
    tasks = idle_tasks(10_000)
    probe = {"task_id": "probe", "task_exec": DATE, "task_schedule": EVERY_SECOND}
    figures = []
    for what in ("one", "all"):
        home = bench.home()
        home.write(probe, *tasks)
        pid = home.start()
        held = []
        for number in range(rounds):
            for task in tasks if what == "all" else tasks[:1]:
                task["task_description"] = f"{what} {number}"
            home.write(probe, *tasks)
            due = int(time.time()) + 2
            time.sleep(due - time.time() - (0.01 + 0.05 * number))
            os.kill(pid, signal.SIGHUP)
            time.sleep(2.2)
            held += lateness([instant for instant in home.instants() if due <= instant < due + 2], 1, 0)
        home.stop()
        bench.close()
        figures.append(Figure(f"start late by a reload, 10,000 tasks, {what} new", max(held), "ms", limit=30))
    return figures


# ------------------------------------------------------------------------------------------------ nothing due, memory


def memory(bench: Bench) -> list[Figure]:
    """Private memory of an engine whose page is served, before anyone connects and after one request."""
    with serving(bench.floor("sleep")) as (pid, _):
        time.sleep(0.5)
        bare = uss_mb(pid)
    figures, later = [], []
    for count, limit, after in zip(SIZES, (11, 12.5, 21), (15, 16.5, 25)):
        with serving(bench.peer("idle", count)) as (peer, _):
            time.sleep(1)
            beside = uss_mb(peer) if peer else None
        home = bench.home()
        home.write(*idle_tasks(count))
        pid = home.start()
        time.sleep(3)
        figures.append(Figure(f"USS before a connection, {count:,} tasks", uss_mb(pid), "MB", bare, beside, limit))
        home.get("/healthz")
        time.sleep(2)
        later.append(Figure(f"USS after one, {count:,} tasks", uss_mb(pid), "MB", bare, beside, after))
        bench.close()
    return figures + later


def idle(bench: Bench, seconds: float = 60.0) -> list[Figure]:
    """CPU and wake-ups of a minute with nothing due, of all sizes at the same time. The floor wakes every two seconds.
    The budget is the same for every number of tasks."""
    homes = [bench.home() for _ in SIZES]
    for home, count in zip(homes, SIZES):
        home.write(*idle_tasks(count))
    with serving(bench.floor("sleep")) as (floor, _), serving(bench.peer("idle", 1_000)) as (peer, _):
        pids = [floor, *(home.start() for home in homes), *([peer] if peer else [])]
        time.sleep(3)
        before = [(fine_cpu_s(pid), sleeps(pid)) for pid in pids]
        time.sleep(seconds)
        cpu_ms, wakes = [], []
        for pid, (old_s, old) in zip(pids, before):
            cpu_ms.append((fine_cpu_s(pid) - old_s) * 1000 * 60 / seconds)
            wakes.append(more_sleeps(old, sleeps(pid)) * 60 / seconds)
    figures = []
    for number, count in enumerate(SIZES, 1):
        for name, unit, values in (("CPU", "ms", cpu_ms), ("wake-ups", "", wakes)):
            beside = values[4] if peer and count == 1_000 else None
            figures.append(Figure(f"idle {name} a minute, {count:,} tasks", values[number], unit, values[0], beside, 2))
    return figures


def more_sleeps(before: dict[str, int], after: dict[str, int]) -> int:
    return sum(count - before.get(thread, 0) for thread, count in after.items())


# -------------------------------------------------------------------------------------------- output, writes and calls


def flood(bench: Bench) -> list[Figure]:
    """Lines of 100 bytes through the engine into the log: by itself, and while a command follows them."""
    home = bench.home()
    source = home.path / "lines"
    source.write_bytes(FLOOD_LINE * (FLOOD_FILE_BYTES // len(FLOOD_LINE)))
    files = [str(source)] * FLOOD_FILES
    size = FLOOD_FILE_BYTES * FLOOD_FILES / 1e6
    home.write(
        {"task_id": "warm", "task_exec": ["cat", *files[:1]], "task_schedule": "@reboot"},
        {"task_id": "flood", "task_exec": ["cat", *files], "task_schedule": "*/6 * * * * *"},
        {"task_id": "followed", "task_exec": ["cat", *files]},
        {"task_id": "waited", "task_exec": ["cat", *files]},
    )
    pid = home.start()
    home.until(f"{ENDED} AND task_id = 'warm'", 1)
    most = rss_mb(pid, "VmHWM")
    home.until(f"{ENDED} AND task_id = 'flood'", 3)
    more = rss_mb(pid, "VmHWM") - most
    home.cli("disable", "flood")
    time.sleep(3)

    def speed(task: str) -> float:
        query = f"SELECT min(duration) FROM task_history WHERE task_id = '{task}' AND exit_code = 0"
        return size / home.sql(query)[0][0]

    follower = home.command("logs", "-f", "followed")
    for _ in range(2):
        home.cli("trigger", "followed")
        home.until(f"{ENDED} AND task_id = 'followed'", 1)
    follower.terminate()
    follower.wait()
    began_s = cpu_s(pid)
    home.cli("trigger", "waited", "--wait")
    waited_ms = (cpu_s(pid) - began_s) * 1000 / size
    home.stop()
    floors = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(["sh", "-c", f"cat {' '.join(files)} | cat > {home.path}/floor"], check=True)
        floors.append(time.perf_counter() - began)
        (home.path / "floor").unlink()
    bare = size / min(floors)
    peer = answer(bench.peer("flood", *files[:1]))
    beside = FLOOD_FILE_BYTES / 1e6 / peer.figure if peer else None
    return [
        Figure("flood of 100-byte lines, each stamped", speed("flood"), "MB/s", bare, beside, 500, more=True),
        Figure("the same followed by logs -f", speed("followed"), "MB/s", bare, None, 200, more=True),
        Figure("the same by trigger --wait", speed("waited"), "MB/s", bare, None, 200, more=True),
        Figure("own CPU for a MB that is waited for", waited_ms, "ms"),
        Figure("flood: peak memory more", more, "MB"),
    ]


def writes(bench: Bench) -> list[Figure]:
    """Bytes and calls of all writes of a short run, alone and in bursts of 200."""
    figures = []
    for name, count, rounds, limit in (("alone", 1, 15, 45), ("200 at once", 200, 4, 5)):
        home = bench.home()
        one = {"task_exec": TRUE, "task_schedule": EVERY_SECOND if count == 1 else "@every 4s"}
        home.write(*({"task_id": f"t{number}", **one} for number in range(count)), max_running=count)
        pid = home.start()
        home.until(ENDED, 2 * count)
        time.sleep(0.5)
        before, (bytes_before, calls_before) = home.sql(ENDED)[0][0], written(pid)
        home.until(ENDED, before + rounds * count)
        time.sleep(0.5)
        more = home.sql(ENDED)[0][0] - before
        bytes_after, calls_after = written(pid)
        bench.close()
        size = (bytes_after - bytes_before) / 1000 / more
        figures.append(Figure(f"written a short run, {name}", size, "KB", limit=limit))
        figures.append(Figure(f"write calls a short run, {name}", (calls_after - calls_before) / more, ""))
    return figures


def calls(bench: Bench) -> list[Figure]:
    """Context switches of a short run, 50 due at once; system calls and durable commits, where strace is there."""
    home = bench.home()
    one = {"task_exec": TRUE, "task_schedule": EVERY_SECOND}
    tasks = [{"task_id": f"t{number}", **one} for number in range(50)]
    home.write(*tasks, max_running=50)
    pid = home.start()
    home.until(ENDED, 100)
    before, seen = home.sql(ENDED)[0][0], sleeps(pid)
    latest = dict(seen)
    until = time.monotonic() + 6
    while time.monotonic() < until:
        time.sleep(0.02)
        latest.update(sleeps(pid))  # also of threads that end meanwhile
    runs = home.sql(ENDED)[0][0] - before
    bench.close()
    figures = [Figure("context switches a run, 50 at once", more_sleeps(seen, latest) / runs, "")]
    if not shutil.which("strace"):
        return figures
    for name, some, seconds in (("alone", tasks[:1], 10), ("50 at once", tasks, 8)):
        home = bench.home()
        home.write(*some, max_running=50)
        trace = home.path / "trace"
        home.start("strace", "-f", "-qq", "-ttt", "-o", str(trace))
        home.until(ENDED, 2 * len(some))
        began = int(time.time()) + 0.7
        time.sleep(began + seconds - time.time())
        home.stop()
        count, syncs = traced(trace, began, began + seconds)
        query = f"{ENDED} AND start_time >= {began} AND start_time < {began + seconds}"
        runs = home.sql(query)[0][0]
        bench.close()
        figures.append(Figure(f"system calls a run, {name}", count / runs, ""))
        figures.append(Figure(f"durable commits a run, {name}", syncs / runs, "", limit=2))
    return figures


def traced(trace: Path, since: float, until: float) -> tuple[int, int]:
    """(system calls, of them syncs) of the engine's threads; without those of the children."""
    lines = re.findall(r"^(\d+) +(\d+\.\d+) (\w+)\(", trace.read_text(errors="replace"), re.M)
    first = lines[0][0]
    children = {pid for pid, _, call in lines if call == "execve" and pid != first}
    inside = [call for pid, at, call in lines if pid not in children and since <= float(at) < until]
    return len(inside), sum(call in ("fsync", "fdatasync") for call in inside)


# ------------------------------------------------------------------------------------------------------------ the table


def sides(parts: dict[str, Callable[[Bench], list[Figure]]], benches: dict[str, Bench], names: list[str]) -> Any:
    """Measure the parts, twice in turn where there are two checkouts; figures by side, and whether all went well."""
    found: dict[str, list[Figure]] = {side: [] for side in benches}
    well = True
    for name in names:
        rounds: dict[str, list[list[Figure]]] = {side: [] for side in benches}
        for number in range(2 if len(benches) > 1 else 1):
            for side, bench in benches.items():
                print(f"{name} {side} {number + 1} ...", file=sys.stderr)
                try:
                    rounds[side].append(parts[name](bench))
                except Exception:
                    traceback.print_exc()  # the other parts are measured all the same
                    well = False
                finally:
                    bench.close()
        for side, measured in rounds.items():
            found[side] += [best(list(same)) for same in zip(*measured)]
    return found, well


def number(value: Optional[float], unit: str = "") -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def table(found: dict[str, list[Figure]]) -> list[tuple[str, ...]]:
    if len(found) == 1:
        rows = [("WHAT", "MEASURED", "FLOOR", "PEER", "BUDGET", "MET")]
        for figure in found["after"]:
            cells = number(figure.value, figure.unit), number(figure.floor), number(figure.peer)
            rows.append((figure.what, *cells, figure.budget, figure.met))
        return rows
    rows = [("WHAT", "BEFORE", "AFTER", "RATIO", "FLOOR", "PEER")]
    earlier = {figure.what: figure for figure in found["before"]}
    for figure in found["after"]:
        old = earlier.get(figure.what)
        ratio = f"{figure.value / old.value:.2f}" if old and old.value else ""
        before = number(old.value, old.unit) if old else ""
        both = before, number(figure.value, figure.unit), ratio
        rows.append((figure.what, *both, number(figure.floor), number(figure.peer)))
    return rows


def main() -> int:
    from web import PARTS as WEB

    own = (latency, burst, rate, idle, memory, start, commands, reload, flood, writes, calls)
    parts = {**{part.__name__: part for part in own}, **WEB}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", metavar="part", nargs="*", choices=[[], *parts], help=f"one of: {', '.join(parts)}")
    parser.add_argument("--peer", action="store_true", help="measure APScheduler with Flask too")
    parser.add_argument("--before", metavar="DIR", help="another checkout, measured in turn with this one")
    parser.add_argument("--dir", metavar="DIR", help="where the homes are made")
    options = parser.parse_args()
    checkouts = {"before": options.before} if options.before else {}
    checkouts["after"] = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(prefix="minisched-bench-", dir=options.dir) as folder:
        benches = {}
        for side, checkout in checkouts.items():
            (Path(folder) / side).mkdir()
            package = Path(checkout).resolve() / "minisched"
            benches[side] = Bench(Path(folder).resolve() / side, package, options.peer)
        found, well = sides(parts, benches, options.parts or list(parts))
    rows = table(found)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    load = os.getloadavg()[0]
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, load {load:.1f} at the end")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
