"""A month of many tasks: the same ledger every time, and every due time in it exactly once, whatever dies."""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from minisched.config import parse_document
from minisched.model import Config, ProcessSpec
from support.bruteforce import days_of_calendar, due_in, window
from support.sim import Deadly, Exit, Killed, Sim

START = datetime(2027, 3, 10, 22, 0, tzinfo=timezone.utc).timestamp()  # all spring nights are in the first 26 days
DAYS = int(os.environ.get("MINISCHED_MONTH_DAYS", "20"))  # CONTRIBUTING.md has a year
TASKS = int(os.environ.get("MINISCHED_MONTH_TASKS", "40"))
KILLS = int(os.environ.get("MINISCHED_MONTH_KILLS", "100"))
END = START + DAYS * 86_400
POLL_S = 120.0  # the configs do not change here
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "UTC"]
LOCKS = [["db"], ["net"], ["db", "net"], ["nas"]]
LOCK_SIZES = {"db": 2}
SCHEDULES = ["30 2 * * *", "15 3 * * mon-fri", "5 0,12 * * *", "0 2 * * sun", "*/20 1-3 * * *", "@every 5h"]
OFTEN = ["0 * * * *", "0 */3 * * *", "@every 97m", "45 */2 * * *", "*/40 */4 * * *"]
ONCE = ["@at 2027-03-14T02:30", "@at 2027-03-28T02:30", "@at 2027-03-20T06:15"]  # two of them in a night of spring
CALENDAR = """\
week mon-fri
2027-03-17 off holiday
2027-03-20 on make-up day
2027-03-26..2027-03-29 off Easter
2027-10-01..2027-10-07 off National Day
2027-10-09 on make-up day
"""
CALENDAR_DAYS = ["working", "off", "first_working", "last_working"]
EXIT_CODES = {"success": [0, 24], "business_failure": []}
# Of a run that took no token of its dependencies.
WITHOUT_TOKENS = ["superseded", "dependency_timeout"]


def month_of_tasks(folder: str, seed: int = 7) -> Config:
    """Schedules in five zones and by calendar, chains and joins on every kind of end, retries, every overlap and
    misfire rule, locks, conditions, exit codes and expectations."""
    draw = random.Random(seed)
    tasks: list[dict[str, Any]] = []
    for number in range(TASKS):
        task: dict[str, Any] = {
            "task_id": f"t{number:02}",
            "task_exec": "true",
            "task_timezone": ZONES[number % len(ZONES)],
            "task_overlap": draw.choice(["skip", "queue", "replace"]),
            "task_misfire": draw.choice(["skip", "latest", "all"]),
            "task_misfire_grace": draw.choice(["10m", "1h", "1d"]),
            "task_timeout": 1200.7,
            "task_retry": {"max_attempts": draw.choice([1, 1, 2, 4]), "delay": "20s"},
        }
        if number % 10 < 7:
            task["task_schedule"] = [draw.choice(SCHEDULES)]
            if draw.random() < 0.2:
                task["task_schedule"].append(draw.choice(SCHEDULES))
            if number % 9 == 1:
                task["task_schedule"].append(ONCE[number % len(ONCE)])
        if number % 10 >= 5:
            earlier = [other["task_id"] for other in tasks]
            task["task_dependencies"] = [
                one if kind == "success" else {"task_id": one, "on": kind}
                for one in draw.sample(earlier, draw.choice([1, 1, 2]))
                for kind in [draw.choice(["success", "success", "failure", "end"])]
            ]
            if number % 10 in (6, 8):
                on, within = draw.choice(["success", "end"]), draw.choice(["2h", "1d", "ever"])
                named = [one if isinstance(one, str) else one["task_id"] for one in task["task_dependencies"]]
                other = draw.choice([one for one in earlier if one not in named])
                task["task_dependencies"].append({"task_id": other, "on": on, "within": within})
            if number % 10 == 5:
                task["task_dependency_timeout"] = "95m"
        if number % 12 == 0:
            task["task_schedule"] = [OFTEN[number // 12 % len(OFTEN)]]
        if number % 8 == 3 and "task_schedule" in task:
            task["task_schedule"] = ["20 */8 * * *", "30 2 * * *"]  # one for a Sunday is never due on a working day
            task["task_calendar"] = {"name": "cn", "days": CALENDAR_DAYS[number // 8 % 4]}
        if number % 13 == 0:
            task["task_max_instances"] = 2
        if number % 17 == 0:
            task["task_jitter"] = "5m"
        if number % 7 == 0:
            task["task_locks"] = LOCKS[number % len(LOCKS)]
        if number % 11 == 0:
            task["task_condition"] = "test -e ready"
            task["task_condition_wait"] = ["0s", "5m", "20m"][number % 3]
        if number % 6 == 2:
            task["task_exit_codes"] = EXIT_CODES
        if number % 5 == 0:
            task["task_expect"] = {"duration": "1m", "finish_by": "06:00"} if number % 10 == 0 else {"duration": "5m"}
        tasks.append(task)
    os.makedirs(os.path.join(folder, "tasks"), exist_ok=True)
    with open(os.path.join(folder, "tasks/cn.txt"), "w") as file:
        file.write(CALENDAR)
    settings = {
        "timezone": "UTC",
        "max_running": 8,
        "history": {"keep_runs": 100_000, "keep_days": 1000, "max_bytes": "10GB"},
        "locks": LOCK_SIZES,
        "calendars": {"cn": {"file": "tasks/cn.txt"}},
    }
    config, problems = parse_document({"settings": settings, "tasks": tasks}, home=folder)
    assert config is not None, problems
    return config


def month_of_exits(launch: ProcessSpec, draw: random.Random) -> Exit:
    """Mostly short and well; some fail either way, some take longer than their interval, some hang. No process ends at
    the very moment of a due time."""
    kind = draw.random()
    if launch.attempt == 0:  # a condition
        return Exit(0.3, draw.choice([0, 0, 1]) if kind < 0.95 else 2)
    seconds = draw.choice([0.2, 2.0, 30.0, 30.0, 400.0]) + draw.random() / 10
    if kind < 0.03:
        return Exit(3600.0)
    if kind < 0.10:
        return Exit(seconds, 1)
    if kind < 0.18:
        return Exit(seconds, 75)
    if kind < 0.22:
        return Exit(seconds, 24)
    return Exit(seconds)


def checked(sim: Sim, config: Config) -> Callable[[ProcessSpec, random.Random], Exit]:
    """As `month_of_exits`. At each start no lock has more holders than its size, and no condition is asked for a run
    that was started before, nor again by an engine that has had the answer yes."""
    started: set[int] = set()
    met: dict[int, int] = {}  # run -> the engine that asked

    def script(launch: ProcessSpec, draw: random.Random) -> Exit:
        held = holders(sim, config)
        assert all(len(runs) <= LOCK_SIZES.get(name, 1) for name, runs in held.items()), held
        if launch.attempt:
            started.add(launch.run_id)
            return month_of_exits(launch, draw)
        assert launch.run_id not in started, launch.task_id
        assert met.get(launch.run_id) != sim.engines, launch.task_id
        answer = month_of_exits(launch, draw)
        if answer.code == 0:
            met[launch.run_id] = sim.engines
        return answer

    return script


def holders(sim: Sim, config: Config) -> dict[str, set[tuple[str, int]]]:
    """The runs whose processes hold each lock."""
    held: dict[str, set[tuple[str, int]]] = {}
    for process in sim.world.processes.values():
        launch = process.launch
        for name in config.tasks[launch.task_id].task_locks if launch.attempt else ():
            held.setdefault(name, set()).add((launch.task_id, launch.run_id))
    return held


def check_locks(sim: Sim, config: Config) -> None:
    """What the engine shows as holders are the processes there are, and no lock that is free is waited for alone."""
    held = holders(sim, config)
    shown = {one.name: one for one in sim.engine.snapshot.engine.locks}
    full = {name for name, one in shown.items() if len(one.held_by) >= one.size}
    for name, one in shown.items():
        assert set(one.held_by) == held.get(name, set()), name
        if one.waiting and not full:
            queued = [row for row in sim.rows() if row["run_id"] == one.waiting[0][1]]
            assert queued[0]["reason"] != "lock", one


@pytest.fixture
def folder() -> Iterator[str]:
    """In memory, if the machine has /dev/shm: the disk is not what is simulated here."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as path:
        yield path


@cache
def minutes(zone: str) -> list[Any]:
    return window(ZoneInfo(zone), int(START), int(END) + 60)


@cache
def due_minutes(text: str, zone: str, days: str) -> list[int]:
    """The due times of one schedule, by the rules as the tests of the timetable have them a second time."""
    allowed = days_of_calendar(CALENDAR, days) if days else lambda day: True
    if text.startswith("@every "):
        number, unit = text[len("@every ") : -1], text[-1]
        text = f"@every {int(number) * {'m': 60, 'h': 3600}[unit]}s"
    if text.startswith("@at "):
        at = datetime.fromisoformat(text[len("@at ") :])
        text = f"{at.minute} {at.hour} {at.day} {at.month} *"
    found: list[int] = due_in(text, minutes(zone), allowed=allowed)
    return [due for due in found if START < due <= END]


def due_times(config: Config, task_id: str) -> set[int]:
    task = config.tasks[task_id]
    days = task.task_calendar.days if task.task_calendar else ""
    return {due for text in task.task_schedule for due in due_minutes(text, task.task_timezone, days)}


def check_ledger(config: Config, rows: list[dict[str, Any]]) -> None:
    """Every due time is in exactly one row, and nothing else is."""
    for task_id in config.tasks:
        expected = due_times(config, task_id)
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
        assert [due for due in lost if due < END - 600] == [], f"{task_id}: lost"


def check_tokens(config: Config, rows: list[dict[str, Any]], path: str) -> None:
    """Replay the ends and due times of the ledger: a run took its tokens, or was opened by them, when they were all
    there for the first time, and no other run did."""
    dependents: dict[str, list[tuple[str, Any]]] = {}
    for task in config.tasks.values():
        for one in task.task_dependencies:
            dependents.setdefault(one.task_id, []).append((task.task_id, one))
    with closing(sqlite3.connect(path)) as connection:
        times = {
            row[0]: row[1:] for row in connection.execute("SELECT run_id, created_time, end_time FROM task_history")
        }
    events: list[tuple[float, int, int, dict[str, Any]]] = []
    for row in rows:
        if row["missed_count"] or row["reason"] == "upstream_failed" or row["status"] == "missed":
            continue
        created, ended = times[row["run_id"]]
        events.append((created, 1, row["run_id"], row))
        if ended is not None:
            events.append((ended, 0, row["run_id"], row))
    tokens: set[tuple[str, Any]] = set()
    ends: dict[tuple[str, str], list[float]] = {}  # the latest one
    waiting: dict[str, dict[str, Any]] = {}
    opened: Counter[str] = Counter()  # runs that tokens have opened, and that have no row in the replay yet

    def met(task_id: str, now: float) -> bool:
        for one in config.tasks[task_id].task_dependencies:
            if one.within is None:
                if (task_id, one) not in tokens:
                    return False
            elif not any(
                now - end <= one.within for s in MET_BY[one.on.value] for end in ends.get((one.task_id, s), ())
            ):
                return False
        return True

    def take(task_id: str) -> None:
        tokens.difference_update([token for token in tokens if token[0] == task_id])

    for now, is_start, _, row in sorted(events, key=lambda event: event[:3]):
        task = config.tasks[row["task_id"]]
        if is_start:
            if not task.task_dependencies:
                continue
            if row["trigger"] == "dependency":
                opened[task.task_id] -= 1
                assert opened[task.task_id] >= 0, f"started without its tokens: {row}"
            elif met(task.task_id, now):
                take(task.task_id)
                assert row["reason"] not in WITHOUT_TOKENS, f"lost its tokens: {row}"
            else:
                waiting[task.task_id] = row
            continue
        if waiting.get(task.task_id) is row:
            del waiting[task.task_id]
            assert row["reason"] in WITHOUT_TOKENS, f"started without its tokens: {row}"
        if row["status"] not in ("success", "business_failure", "technical_failure"):
            continue
        ends[task.task_id, row["status"]] = [now]
        for dependent, one in dependents.get(task.task_id, ()):
            if row["status"] not in MET_BY[one.on.value]:
                continue
            if one.within is None:
                tokens.add((dependent, one))
        for dependent in dict.fromkeys(name for name, one in dependents.get(task.task_id, ())):
            if not met(dependent, now):
                continue
            if dependent in waiting:
                take(dependent)
                assert waiting.pop(dependent)["reason"] not in WITHOUT_TOKENS, f"{dependent} lost its tokens: {row}"
            elif not config.tasks[dependent].task_schedule:
                take(dependent)
                opened[dependent] += 1
    assert not +opened, f"tokens lost: {+opened}"


MET_BY = {
    "success": ["success"],
    "failure": ["business_failure", "technical_failure"],
    "end": ["success", "business_failure", "technical_failure"],
}


def simulate(folder: str, name: str) -> tuple[list[dict[str, Any]], Config]:
    config = month_of_tasks(folder)
    sim = Sim(os.path.join(folder, name), START, seed=11, config=config, poll_s=POLL_S)
    sim.world.script = checked(sim, config)
    sim.boot()
    for day in range(1, DAYS + 1):
        sim.run_until(START + day * 86_400)
        check_locks(sim, config)
    rows = sim.rows()
    sim.crash()
    return rows, config


def test_a_month_gives_the_same_ledger_twice_with_every_due_time_in_it_once(folder: str) -> None:
    first, config = simulate(folder, "first.db")
    again, _ = simulate(folder, "again.db")
    assert first == again
    check_ledger(config, first)
    check_tokens(config, first, os.path.join(folder, "first.db"))
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
        assert seen[outcome] > 2, (outcome, seen)
    assert len(first) > DAYS * TASKS


def test_with_the_engine_killed_at_random_instants_every_due_time_is_still_there_once(folder: str) -> None:
    draw = random.Random(3)
    ledgers: list[Deadly] = []

    def wrap(ledger: Any) -> Deadly:
        ledgers.append(Deadly(ledger, draw))
        if draw.random() < 0.2:
            ledgers[-1].left = 1  # it dies again while it catches up
        return ledgers[-1]

    config = month_of_tasks(folder)
    sim = Sim(os.path.join(folder, "kills.db"), START, seed=5, config=config, wrap=wrap, poll_s=POLL_S)
    sim.world.script = checked(sim, config)
    instants = sorted(draw.uniform(START, END) for _ in range(KILLS))
    kills = 0
    for moment in [*instants, END]:
        while sim.engine is None:
            try:
                sim.boot()
            except Killed:
                kills += 1
                sim.crash()
        try:
            sim.run_until(moment)
            check_locks(sim, config)
            if moment == END:
                break
            ledgers[-1].left = draw.randint(1, 30)  # now it dies within the next commits
            sim.run_until(END)
        except Killed:
            kills += 1
            sim.crash()
            if draw.random() < 0.5:
                sim.world.pass_time(draw.choice([1, 30, 600, 7200]))
    assert kills >= KILLS
    rows = sim.rows()
    check_ledger(config, rows)
    check_tokens(config, rows, sim.path)
    assert {row["run_id"] for row in rows if row["status"] == "running"} <= set(sim.world.processes)
    interrupted = sum(attempt["reason"] == "interrupted" for row in rows for attempt in row["attempts"])
    assert interrupted > KILLS // 10
    print(f"{len(rows)} rows, {kills} kills, {interrupted} interrupted attempts, {len(sim.world.starts)} starts")
    sim.crash()
