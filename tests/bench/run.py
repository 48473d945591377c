"""What minisched costs, each figure beside a floor measured in the same run. Run: python tests/bench/run.py [part ...]

Parts: start, memory, idle, latency, burst, rate, flood, commits, month; without a name all of them, about three
minutes. `--dir DIR` puts the homes there (default: the folder for temporary files). Linux only. See README.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kit import (
    Bench,
    context_switches,
    cpu_s,
    floor_program,
    idle_tasks,
    instants,
    peak_mb,
    percentile,
    sleeper,
    uss_mb,
)

from support.programs import ROOT

SIZES = (10, 1_000, 10_000)
DATE = ["/bin/date", "+%s.%N"]  # the cheapest program everywhere that tells when it began, to the nanosecond
FLOOD_LINE = b"x" * 99 + b"\n"
FLOOD_FILE_BYTES = 10_000_000
FLOOD_FILES = 20


class Figure(NamedTuple):
    """A line of the table. The budget is an upper bound of `measured`, or of its ratio to the floor; a lower one where
    `more` is better."""

    what: str
    measured: float
    unit: str
    floor: Optional[float]
    budget: float
    of_floor: bool = False
    more: bool = False

    @property
    def met(self) -> bool:
        value = self.measured / self.floor if self.of_floor and self.floor else self.measured
        return value >= self.budget if self.more else value <= self.budget

    def cells(self) -> tuple[str, ...]:
        ratio = f"{self.measured / self.floor:.2f}" if self.floor else ""
        floor = "" if self.floor is None else f"{self.floor:,.4g}"
        budget = ("at least " if self.more else "") + (
            f"{self.budget:g} x floor" if self.of_floor else f"{self.budget:,g} {self.unit}"
        )
        return self.what, f"{self.measured:,.4g} {self.unit}", floor, ratio, budget, "yes" if self.met else "NO"


def start(bench: Bench) -> list[Figure]:
    """From exec to the first instruction of a task's process, on a new home and on one with a history."""
    bare = bench.best_s("-c", "pass")
    figures = [
        Figure("import minisched", bench.best_s("-c", "import minisched"), "s", bare, 2, of_floor=True),
        Figure("minisched --help", bench.best_s("-m", "minisched", "--help"), "s", bare, 2, of_floor=True),
    ]
    for count, budget in zip(SIZES, (0.12, 0.16, 0.6)):
        first, again = [], []
        for _ in range(4):
            home = bench.home()
            home.write({"task_id": "first", "task_exec": DATE, "task_schedule": "@reboot"}, *idle_tasks(count - 1))
            for times in (first, again):
                before = len(instants(home))
                began = time.time()
                bench.start(home, wait=False)
                while len(instants(home)) == before:
                    time.sleep(0.005)
                times.append(max(instants(home)) - began)
                bench.stop(home)
                bench.sql(home, "UPDATE task_state SET boot_id = ''")
            bench.drop(home)
        figures.append(Figure(f"exec to first task, {count:,} tasks, new home", min(first), "s", bare, budget))
        figures.append(Figure(f"exec to first task, {count:,} tasks, restart", min(again), "s", bare, budget))
    return figures


def memory(bench: Bench) -> list[Figure]:
    """Private memory of an engine that has been up for some seconds, nothing due."""
    with sleeper(bench) as pid:
        floor = uss_mb(pid)
    figures = []
    for count, budget in zip(SIZES, (11, 12, 20)):
        home = bench.home()
        home.write(*idle_tasks(count))
        process = bench.start(home)
        time.sleep(3)
        figures.append(Figure(f"USS idle, {count:,} tasks", uss_mb(process.pid), "MB", floor, budget))
        bench.stop(home)
        bench.drop(home)
    return figures


def idle(bench: Bench, seconds: float = 24.0) -> list[Figure]:
    """CPU and wake-ups a minute, nothing due: of all sizes at the same time, as none of them takes a thousandth of a
    processor. The budget is that for 1,000 tasks: what does nothing must not cost more where there are more of it."""
    homes = [bench.home() for _ in SIZES]
    for home, count in zip(homes, SIZES):
        home.write(*idle_tasks(count))
    with sleeper(bench) as floor:
        pids = [floor, *(bench.start(home).pid for home in homes)]
        time.sleep(3)
        before = [(cpu_s(pid), context_switches(pid)) for pid in pids]
        time.sleep(seconds)
        after = [(cpu_s(pid), context_switches(pid)) for pid in pids]
    for home in homes:
        bench.stop(home)
    cpu_ms = [(new[0] - old[0]) * 1000 * 60 / seconds for old, new in zip(before, after)]
    wakes = [(new[1] - old[1]) * 60 / seconds for old, new in zip(before, after)]
    figures = []
    for number, count in enumerate(SIZES, 1):
        figures.append(Figure(f"idle CPU a minute, {count:,} tasks", cpu_ms[number], "ms", cpu_ms[0], 10))
        figures.append(Figure(f"idle wake-ups a minute, {count:,} tasks", wakes[number], "", wakes[0], 40))
    return figures


def latency(bench: Bench, firings: int = 40) -> list[Figure]:
    """From the due time to the child's first instruction; a bare loop does the same half a second later."""
    home = bench.home()
    home.write({"task_id": "every", "task_exec": DATE, "task_schedule": "* * * * * *"})
    bench.start(home)
    floor = floor_program(bench, "due", 1, firings, 1.0, 0.5)
    bench.stop(home)
    late = [instant % 1.0 * 1000 for instant in instants(home)[2:]]
    bare = [(instant - 0.5) % 1.0 * 1000 for instant in floor[2:]]
    return [
        Figure("due to first instruction, 1 task, p50", statistics.median(late), "ms", statistics.median(bare), 2),
        Figure("due to first instruction, 1 task, p99", percentile(late, 99), "ms", percentile(bare, 99), 6),
    ]


def burst(bench: Bench, rounds: int = 6) -> list[Figure]:
    """200 tasks due at once, all allowed to run; a bare loop does the same two seconds later."""
    home = bench.home()
    one = {"task_exec": DATE, "task_schedule": "@every 4s"}
    home.write(*({"task_id": f"t{n}", **one} for n in range(200)), max_running=200)
    bench.start(home)
    floor = floor_program(bench, "due", 200, rounds, 4.0, 2.0)
    bench.stop(home)
    engine_ms = rounds_of([instant % 4.0 * 1000 for instant in sorted(instants(home))], rounds)
    floor_ms = rounds_of([(instant - 2.0) % 4.0 * 1000 for instant in sorted(floor)], rounds)
    return [
        Figure(f"200 tasks due at once, {name}", best(engine_ms), "ms", best(floor_ms), 1.5, of_floor=True)
        for name, best in (
            ("p50", lambda groups: min(statistics.median(group) for group in groups)),
            ("p99", lambda groups: min(percentile(group, 99) for group in groups)),
            ("last", lambda groups: min(max(group) for group in groups)),
        )
    ]


def rounds_of(values: list[float], rounds: int) -> list[list[float]]:
    groups = [values[at : at + 200] for at in range(0, len(values), 200)]
    return [group for group in groups if len(group) == 200][:rounds]


def rate(bench: Bench, count: int = 1_500) -> list[Figure]:
    """`/bin/true`, four in flight, recorded and logged; the second round of each home, whose logs exist by then."""
    ones, fours, engine = [], [], []
    for _ in range(2):
        ones.append(floor_program(bench, "rate", 1, count)[0])
        fours.append(floor_program(bench, "rate", 4, count)[0])
        home = bench.home()
        one = {"task_exec": ["/bin/true"], "task_schedule": "@reboot"}
        home.write(*({"task_id": f"t{n}", **one} for n in range(count)), max_running=4)
        for done in (count, 2 * count):
            bench.start(home)
            bench.until(home, "SELECT count(*) FROM task_history WHERE status = 'success'", done)
            bench.stop(home)
            bench.sql(home, "UPDATE task_state SET boot_id = ''")
        last = f"SELECT min(start_time), max(end_time) FROM task_history WHERE run_id > {count}"
        ((begun, ended),) = bench.sql(home, last)
        engine.append(count / (ended - begun))
        bench.drop(home)
    return [
        Figure("short tasks a second, floor one at a time", max(engine), "", max(ones), 0.6, True, True),
        Figure("short tasks a second, floor four in flight", max(engine), "", max(fours), 0.6, True, True),
        Figure("short tasks a second", max(engine), "", None, 1000, more=True),
    ]


def flood(bench: Bench) -> list[Figure]:
    """Lines of 100 bytes through the engine into the log, beside `cat >file` over the same pipe."""
    home = bench.home()
    source = home.path / "lines"
    source.write_bytes(FLOOD_LINE * (FLOOD_FILE_BYTES // len(FLOOD_LINE)))
    files = [str(source)] * FLOOD_FILES
    size = FLOOD_FILE_BYTES * FLOOD_FILES / 1e6
    home.write(
        {"task_id": "warm", "task_exec": ["cat", *files[:1]], "task_schedule": "@reboot"},
        {"task_id": "flood", "task_exec": ["cat", *files], "task_schedule": "*/6 * * * * *"},
    )
    process = bench.start(home)
    bench.until(home, "SELECT count(*) FROM task_history WHERE task_id = 'warm' AND end_time", 1)
    before = peak_mb(process.pid)
    bench.until(home, "SELECT count(*) FROM task_history WHERE task_id = 'flood' AND end_time", 3)
    more = peak_mb(process.pid) - before
    bench.stop(home)
    ((seconds,),) = bench.sql(home, "SELECT min(duration) FROM task_history WHERE task_id = 'flood' AND exit_code = 0")
    floors = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(["sh", "-c", f"cat {' '.join(files)} | cat > {home.path}/floor"], check=True)
        floors.append(time.perf_counter() - began)
        (home.path / "floor").unlink()
    fast = size / min(floors)
    return [
        Figure("flood of 100-byte lines", size / seconds, "MB/s", fast, min(300, fast / 3), more=True),
        Figure("flood: peak memory more", more, "MB", None, 5),
    ]


def commits(bench: Bench) -> list[Figure]:
    """Durable commits of a task that runs by itself, by the fdatasync calls that strace sees."""
    if subprocess.run(["sh", "-c", "command -v strace"], stdout=subprocess.DEVNULL, check=False).returncode:
        return []
    home = bench.home()
    trace = home.path / "trace"
    home.write({"task_id": "every", "task_exec": ["/bin/true"], "task_schedule": "* * * * * *"})
    bench.start(home, "strace", "-f", "-ttt", "-e", "trace=fsync,fdatasync", "-o", str(trace))
    bench.until(home, "SELECT count(*) FROM task_history WHERE end_time", 10)
    bench.kill_traced(home)
    runs = bench.sql(home, "SELECT start_time FROM task_history ORDER BY run_id")[2:9]
    stamps = [float(line.split()[1]) for line in trace.read_text().splitlines() if "sync(" in line]
    between = [stamp for stamp in stamps if runs[0][0] - 0.3 < stamp < runs[-1][0] - 0.3]
    return [Figure("durable commits a run", len(between) / (len(runs) - 1), "", None, 2)]


def month(bench: Bench) -> list[Figure]:
    """30 days of 100 tasks under the fake clock."""
    sys.path.insert(0, str(bench.folder))  # the package that is measured, not the sources
    from engine.test_month import DAYS, POLL_S, START, month_of_exits, month_of_tasks
    from support.sim import Sim

    folder = bench.home().path
    config = month_of_tasks()
    sim = Sim(str(folder / "month.db"), START, script=month_of_exits, seed=5, config=config, poll_s=POLL_S)
    began = time.perf_counter()
    sim.boot()
    sim.run_until(START + DAYS * 86_400)
    seconds = time.perf_counter() - began
    runs = len(sim.rows())
    sim.crash()
    return [Figure(f"a month of 100 tasks simulated ({runs:,} runs)", seconds, "s", None, 30)]


PARTS = {part.__name__: part for part in (start, memory, idle, latency, burst, rate, flood, commits, month)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", metavar="part", nargs="*", choices=[[], *PARTS], help="of the table; default: all")
    parser.add_argument("--dir", metavar="DIR", help="where the homes are made")
    parser.add_argument("--package", metavar="DIR", help="measure another copy of minisched/, for a before and after")
    options = parser.parse_args()
    failed = 0
    rows: list[Any] = [("WHAT", "MEASURED", "FLOOR", "RATIO", "BUDGET", "MET")]
    with tempfile.TemporaryDirectory(prefix="minisched-bench-", dir=options.dir) as folder:
        bench = Bench(Path(folder).resolve(), Path(options.package or ROOT / "minisched").resolve())
        for name in options.parts or PARTS:
            print(f"{name} ...", file=sys.stderr)
            try:
                rows += [figure.cells() for figure in PARTS[name](bench)]
            except Exception:
                traceback.print_exc()  # the other parts are measured all the same
                failed = 1
            finally:
                bench.close()
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
