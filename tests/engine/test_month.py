"""A month of a hundred tasks: the same ledger every time, and every due time in it exactly once, whatever dies."""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from minisched.model import Config, ProcessSpec
from minisched.timetable import fires_between, load_zone, parse_schedule
from support.factories import config as make_config
from support.sim import Deadly, Exit, Killed, Sim, World

START = datetime(2027, 3, 10, 22, 0, tzinfo=timezone.utc).timestamp()  # both spring nights are in this month
DAYS = 30
POLL_S = 120.0  # the configs do not change here
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "UTC"]
LOCKS = [["db"], ["net"], ["db", "net"], ["nas"]]
LOCK_SIZES = {"db": 2}
SCHEDULES = ["30 2 * * *", "15 3 * * mon-fri", "5 0,12 * * *", "0 2 * * sun", "*/20 1-3 * * *", "@every 5h"]


def month_of_tasks(seed: int = 7) -> Config:
    """A hundred tasks: schedules in five zones, chains and joins, retries, every overlap and misfire rule, locks and
    conditions."""
    draw = random.Random(seed)
    tasks: list[dict[str, Any]] = []
    for number in range(100):
        task: dict[str, Any] = {
            "task_id": f"t{number:02}",
            "task_exec": "true",
            "task_timezone": ZONES[number % len(ZONES)],
            "task_overlap": draw.choice(["skip", "queue", "replace"]),
            "task_misfire": draw.choice(["skip", "latest", "all"]),
            "task_misfire_grace": draw.choice(["10m", "1h", "1d"]),
            "task_timeout": "20m",
            "task_retry": {"max_attempts": draw.choice([1, 1, 2, 4]), "delay": "20s"},
        }
        if number % 10 < 7:
            task["task_schedule"] = draw.choice(SCHEDULES)
            if draw.random() < 0.2:
                task["task_schedule"] = [task["task_schedule"], draw.choice(SCHEDULES)]
        if number % 10 >= 5:
            earlier = [other["task_id"] for other in tasks]
            task["task_dependencies"] = draw.sample(earlier, draw.choice([1, 1, 2]))
        if number % 20 == 0:
            task["task_schedule"] = ["0 * * * *", "0 */3 * * *", "@every 97m", "45 */2 * * *", "*/40 */4 * * *"][
                number // 20
            ]
        if number % 13 == 0:
            task["task_max_instances"] = 2
        if number % 17 == 0:
            task["task_jitter"] = "5m"
        if number % 7 == 0:
            task["task_locks"] = LOCKS[number % len(LOCKS)]
        if number % 11 == 0:
            task["task_condition"] = "test -e ready"
            task["task_condition_wait"] = ["0s", "5m", "20m"][number % 3]
        tasks.append(task)
    return make_config(*tasks, max_running=8, history={"keep_runs": 100_000}, locks=LOCK_SIZES)


def month_of_exits(launch: ProcessSpec, draw: random.Random) -> Exit:
    """Mostly short and well; some fail either way, some take longer than their interval, some hang."""
    kind = draw.random()
    if launch.attempt == 0:  # a condition
        return Exit(0.3, draw.choice([0, 0, 1]) if kind < 0.95 else 2)
    seconds = draw.choice([0.2, 2.0, 30.0, 30.0, 400.0])
    if kind < 0.03:
        return Exit(3600.0)
    if kind < 0.10:
        return Exit(seconds, 1)
    if kind < 0.18:
        return Exit(seconds, 75)
    return Exit(seconds)


def checked(world: World, config: Config) -> Callable[[ProcessSpec, random.Random], Exit]:
    """As `month_of_exits`. At each start no lock has more holders than its size, and no condition is asked for a run
    that was started before."""
    started: set[int] = set()

    def script(launch: ProcessSpec, draw: random.Random) -> Exit:
        holders = [process.launch for process in world.processes.values() if process.launch.attempt]
        held = Counter(name for one in holders for name in config.tasks[one.task_id].task_locks)
        assert all(count <= LOCK_SIZES.get(name, 1) for name, count in held.items()), held
        if launch.attempt:
            started.add(launch.run_id)
        assert launch.attempt or launch.run_id not in started, launch.task_id
        return month_of_exits(launch, draw)

    return script


@pytest.fixture
def folder() -> Iterator[str]:
    """In memory, if the machine has /dev/shm: the disk is not what is simulated here."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as path:
        yield path


def due_times(config: Config, task_id: str, until: float) -> list[int]:
    task = config.tasks[task_id]
    schedules = [parse_schedule(text) for text in task.task_schedule]
    if not schedules:
        return []
    return fires_between(schedules, START, until, load_zone(task.task_timezone), 1_000_000)


def check_ledger(config: Config, rows: list[dict[str, Any]], until: float) -> None:
    """Every due time is in exactly one row, and nothing else is."""
    for task_id in config.tasks:
        expected = set(due_times(config, task_id, until))
        covered: Counter[int] = Counter()
        for row in rows:
            if row["task_id"] == task_id and row["scheduled_time"]:
                last = int(datetime.fromisoformat(row["scheduled_time"]).timestamp())
                first = int(datetime.fromisoformat(row["missed_since"]).timestamp()) if row["missed_since"] else last
                span = [due for due in expected if first <= due <= last]
                assert len(span) == max(1, row["missed_count"]), row
                covered.update(span)
        assert {due for due, count in covered.items() if count > 1} == set(), f"{task_id}: twice"
        lost = sorted(expected - set(covered))
        # What jitter or the last instants of the month still hold back is not lost.
        assert [due for due in lost if due < until - 600] == [], f"{task_id}: lost"


def simulate(path: str) -> tuple[list[dict[str, Any]], Sim]:
    sim = Sim(path, START, script=month_of_exits, seed=11, config=month_of_tasks(), poll_s=POLL_S)
    sim.boot()
    sim.run_until(START + DAYS * 86_400)
    rows = sim.rows()
    sim.crash()
    return rows, sim


def test_a_month_of_a_hundred_tasks_gives_the_same_ledger_twice_with_every_due_time_in_it_once(folder: str) -> None:
    first, sim = simulate(os.path.join(folder, "first.db"))
    again, _ = simulate(os.path.join(folder, "again.db"))
    assert first == again
    check_ledger(sim.source.content, first, START + DAYS * 86_400)
    seen = Counter((row["status"], row["reason"]) for row in first)
    for outcome in [
        ("success", None),
        ("business_failure", "exit_code"),
        ("technical_failure", "exit_code"),
        ("technical_failure", "timeout"),
        ("skipped", "overlap"),
        ("skipped", "upstream_failed"),
        ("skipped", "superseded"),
        ("skipped", "condition"),
        ("cancelled", "replaced"),
    ]:
        assert seen[outcome] > 5, outcome
    assert len(first) > 8_000


def test_with_the_engine_killed_at_two_hundred_random_instants_every_due_time_is_still_there_once(folder: str) -> None:
    draw = random.Random(3)
    ledgers: list[Deadly] = []

    def wrap(ledger: Any) -> Deadly:
        ledgers.append(Deadly(ledger, draw))
        if draw.random() < 0.2:
            ledgers[-1].left = 1  # it dies again while it catches up
        return ledgers[-1]

    config = month_of_tasks()
    sim = Sim(os.path.join(folder, "kills.db"), START, seed=5, config=config, wrap=wrap, poll_s=POLL_S)
    sim.world.script = checked(sim.world, config)
    end = START + DAYS * 86_400
    instants = sorted(draw.uniform(START, end) for _ in range(200))
    kills = 0
    for instant in [*instants, end]:
        while sim.engine is None:
            try:
                sim.boot()
            except Killed:
                kills += 1
                sim.crash()
        try:
            sim.run_until(instant)
            if instant == end:
                break
            ledgers[-1].left = draw.randint(1, 30)  # now it dies within the next commits
            sim.run_until(end)
        except Killed:
            kills += 1
            sim.crash()
            if draw.random() < 0.5:
                sim.world.pass_time(draw.choice([1, 30, 600, 7200]))
    assert kills >= 200
    rows = sim.rows()
    check_ledger(config, rows, end)
    assert {row["run_id"] for row in rows if row["status"] == "running"} <= set(sim.world.processes)
    interrupted = sum(attempt["reason"] == "interrupted" for row in rows for attempt in row["attempts"])
    assert interrupted > 20
    sim.crash()
