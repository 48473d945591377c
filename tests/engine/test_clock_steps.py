"""A clock that is wrong for a while and is then put right: by minutes or by fifty years, with and without a restart."""

from __future__ import annotations

import os
import random
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from minisched.timetable import fires_between, load_zone, parse_schedule
from support.engine import T0, MakeSim, exits, failing_sim, start, task
from support.sim import Exit, Sim

HOUR_S = 3600.0
DAY_S = 86_400.0
POLL_S = 300.0  # the clock is looked at after each `run_for` anyway


def wrong_for(one: Sim, by_s: float, seconds: float, restart: str = "") -> None:
    """Set the clock, let the engine work, and put the clock right again."""
    one.world.set_clock(by_s)
    one.run_for(seconds)
    if restart:
        one.crash() if restart == "kill" else one.stop()
    one.world.set_clock(-by_s)
    if restart:
        one.boot()


def instant(shown: str) -> int:
    return int(datetime.fromisoformat(shown).timestamp())


def future(one: Sim) -> list[dict[str, Any]]:
    """Rows of due times that are still to come."""
    return [row for row in one.rows() if row["scheduled_time"] and instant(row["scheduled_time"]) > one.world.wall()]


@pytest.mark.parametrize("restart", ["", "stop", "kill"])
@pytest.mark.parametrize("days", [1, 30, 365, 50 * 365])
def test_the_nights_after_a_clock_that_was_ahead_for_seconds_run(sim: MakeSim, days: int, restart: str) -> None:
    one = sim(task(schedule="30 2 * * *"), poll_s=POLL_S)
    one.run_for(HOUR_S)
    wrong_for(one, days * DAY_S, 4.0, restart)
    one.run_for(2.0)
    assert {row["status"] for row in future(one)} <= {"success"}, "only what has run has no other outcome"
    assert one.next_run_time("a") == "2027-01-15T02:30:00+00:00"
    assert any("the record that nothing was started is removed" in line for line in one.lines)
    one.run_for(5 * DAY_S)
    nights = [row for row in one.rows() if row["scheduled_time"] < "2027-01-20"]
    assert [(row["scheduled_time"][:10], row["status"]) for row in nights] == [
        (f"2027-01-{day}", "success") for day in range(15, 20)
    ]


def test_a_due_time_that_has_run_ahead_of_its_time_is_not_run_again_nor_named_as_the_next(sim: MakeSim) -> None:
    one = sim(task(schedule="30 2 * * *"), poll_s=POLL_S)
    one.run_for(HOUR_S)
    wrong_for(one, DAY_S + 2 * HOUR_S, 4.0)  # 03:00 of the next day: 02:30 of that day is caught up
    one.run_for(2.0)
    assert [row["scheduled_time"] for row in future(one)] == ["2027-01-16T02:30:00+00:00"]
    one.run_for(2 * HOUR_S)
    assert one.next_run_time("a") == "2027-01-17T02:30:00+00:00"
    one.run_for(2 * DAY_S)
    assert [row["scheduled_time"][8:10] for row in sorted(one.rows(), key=lambda row: row["scheduled_time"])] == [
        "15",
        "16",
        "17",
    ]
    assert {row["status"] for row in one.rows()} == {"success"}


@pytest.mark.parametrize("restart", ["", "kill"])
def test_a_row_of_many_missed_due_times_is_cut_where_the_clock_was_set_back_to(sim: MakeSim, restart: str) -> None:
    one = sim(task(schedule="@every 2s", task_misfire="skip"), script=lambda *_: Exit(0.1))
    one.run_for(11.0)
    one.world.set_clock(600)
    one.run_for(4.5)
    if restart:
        one.crash()
    one.world.set_clock(-600)
    if restart:
        one.boot()
    one.run_for(620)
    covered: list[int] = []
    for row in one.rows():
        last = instant(row["scheduled_time"])
        first = instant(row["missed_since"]) if row["missed_since"] else last
        span = list(range(first, last + 1, 2))
        assert len(span) == max(1, row["missed_count"]), row
        covered += span
    assert sorted(covered) == list(range(T0 + 2, int(one.world.wall()) // 2 * 2 + 1, 2))


def test_a_skip_and_a_queued_run_ahead_of_their_time_are_taken_back_too(sim: MakeSim) -> None:
    one = sim(
        task("long", "0 1 * * *"),
        task("queued", "0 3 * * *", task_overlap="queue", task_misfire="all", task_misfire_grace="9d"),
        task("waits", "0 3 * * *", task_dependencies=["long"]),
        script=lambda launch, draw: Exit(HOUR_S / 2 if launch.task_id == "queued" else 1.0),
        poll_s=POLL_S,
    )
    one.run_for(5 * HOUR_S)
    before = one.runs()
    wrong_for(one, 3 * DAY_S, 4.0)
    one.run_for(HOUR_S)
    assert {row["status"] for row in future(one)} <= {"success"}
    one.run_for(DAY_S)
    assert one.runs("waits")[:2] == [("waits", "schedule", "success", None)] * 2
    assert before == one.runs()[: len(before)]
    one.run_for(3 * DAY_S)
    assert {row["status"] for row in one.rows()} == {"success"}


def test_the_summary_of_a_task_is_that_of_the_rows_that_are_left(sim: MakeSim) -> None:
    one = sim(task(schedule="30 2 * * *", task_misfire="skip"), poll_s=POLL_S)
    one.run_for(4 * HOUR_S)
    wrong_for(one, 3 * DAY_S, 4.0)
    one.run_for(2.0)
    [row] = one.rows()
    record = one.ledger.record("a")
    assert (record.run_count, record.last_run_id, record.last_status) == (1, row["run_id"], "success")


class CountingLedger:
    """A ledger that counts its transactions and the readings of all records."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        if name in ("transaction", "records"):
            self.calls[name] += 1
        return getattr(self._ledger, name)


def calls_of_a_start_before_what_was_deleted(path: Path, tasks: int) -> Counter[str]:
    """Of a start at 01:30, with the clock an hour back, where retention has deleted the rows up to 02:00."""
    ledgers: list[CountingLedger] = []

    def wrap(ledger: Any) -> CountingLedger:
        ledgers.append(CountingLedger(ledger))
        return ledgers[-1]

    configured = [task(f"t{number}", "0 * * * *") for number in range(tasks)]
    one = Sim(str(path / f"{tasks}.db"), T0, configured, wrap=wrap, poll_s=POLL_S)
    one.boot()
    one.run_for(2.5 * HOUR_S)
    one.stop()
    with closing(sqlite3.connect(one.path, isolation_level=None)) as db:
        db.execute("UPDATE task_state SET forgotten = ?", (T0 + 2 * HOUR_S,))
    one.world.set_clock(-HOUR_S)
    one.boot()
    calls = Counter(ledgers[-1].calls)
    assert one.next_run_time("t0") == "2027-01-15T03:00:00+00:00"
    one.run_for(2 * HOUR_S)
    assert one.runs("t0") == [("t0", "schedule", "success", None)] * 3
    return calls


def test_a_start_with_the_clock_set_back_asks_the_history_once_for_all_tasks(tmp_path: Path) -> None:
    few, many = (calls_of_a_start_before_what_was_deleted(tmp_path, tasks) for tasks in (2, 40))
    assert few == many


@pytest.mark.parametrize("kind", ["locked", "io"])
def test_while_the_history_cannot_be_written_nothing_is_taken_back_and_afterwards_all_is(
    tmp_path: Path, kind: str
) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="30 2 * * *"))
    one.run_for(HOUR_S)
    one.world.set_clock(30 * DAY_S)
    one.run_for(4.0)
    ledger.kind = kind
    one.world.set_clock(-30 * DAY_S)
    one.run_for(10.0)
    ledger.kind = ""
    one.run_for(3.0)
    assert future(one) == []
    one.run_for(2 * HOUR_S)
    newest = one.rows()[-1]
    assert (newest["scheduled_time"], newest["status"]) == ("2027-01-15T02:30:00+00:00", "success")


@pytest.mark.parametrize("years", [1, 50])
def test_an_engine_that_starts_with_a_clock_years_ahead_deletes_nothing(sim: MakeSim, years: int) -> None:
    """Nor does one that starts again meanwhile, or is set there while it runs. After a day the time counts as right."""
    one = sim(task(schedule="@every 1h"), poll_s=POLL_S)
    one.run_for(10 * HOUR_S)
    kept = [row["run_id"] for row in one.rows()]
    one.stop()
    one.world.set_clock(years * 365 * DAY_S)
    for _ in range(3):
        one.boot()
        one.run_for(300)
        one.crash()
    one.world.set_clock(-years * 365 * DAY_S)
    one.boot()
    one.run_for(300)
    wrong_for(one, years * 365 * DAY_S, 300.0, "kill")
    one.run_for(300)
    assert {row["run_id"] for row in one.rows()} >= set(kept)
    one.world.set_clock(years * 365 * DAY_S)
    one.run_for(DAY_S + 600)
    assert not {row["run_id"] for row in one.rows()} & set(kept)


# ----------------------------------------------------------------------------------------------------------- many days

START = datetime(2027, 3, 1, 22, 0, tzinfo=timezone.utc).timestamp()  # all spring nights are in the first 35 days
DAYS = int(os.environ.get("MINISCHED_CLOCK_DAYS", "40"))
SEEDS = int(os.environ.get("MINISCHED_CLOCK_SEEDS", "2"))  # CONTRIBUTING.md has a long run
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "UTC"]
STEPS_S = [3, 150, HOUR_S, 6 * HOUR_S, DAY_S, 30 * DAY_S, 365 * DAY_S, 50 * 365 * DAY_S]
STANDS_S = [2.5, 4.0, 61.0, 700.0, 3 * HOUR_S]
SECONDS_LATE = 65.0  # an idle engine looks at the clock once a minute


class Machine:
    """A simulation whose clock is wrong now and then, and whose engine dies; it knows when neither was the case."""

    def __init__(self, path: str, seed: int) -> None:
        misfires = ["latest", "all", "skip"]
        tasks = [
            task(
                f"{name}_{number}",
                schedule,
                task_timezone=zone,
                task_misfire=misfires[(number + seed) % 3],
                task_misfire_grace="1d",
                task_overlap="queue",
            )
            for number, zone in enumerate(ZONES)
            for name, schedule in (("nightly", "30 2 * * *"), ("often", "15 */4 * * *"))
        ]
        self.draw = random.Random(seed)
        # Short enough for any schedule: what does not run was given away.
        self.sim = Sim(path, START, tasks, lambda *_: Exit(0.1), seed, poll_s=POLL_S, history={"keep_runs": 100_000})
        self.wrong: list[tuple[float, float]] = []  # real times between which the clock or the engine was wrong

    @property
    def real(self) -> float:
        return START + self.sim.world.mono

    def calm(self, until: float) -> None:
        self.sim.run_for(max(0.0, until - self.real))

    def disturb(self) -> None:
        """A wrong clock that is put right; the engine may be killed meanwhile, or be down while either happens."""
        one, draw, begin = self.sim, self.draw, self.real
        by_s = draw.choice(STEPS_S) * draw.uniform(0.9, 1.1) * draw.choice([1, 1, -1])
        deaths = [draw.random() < 0.3 for _ in range(4)]
        self.down(deaths[0])
        one.world.set_clock(by_s)
        self.up()
        self.work(draw.choice(STANDS_S), deaths[1])
        self.down(deaths[2])
        one.world.set_clock(-by_s)
        self.up()
        self.work(5.0, deaths[3])
        self.wrong.append((begin, self.real))

    def work(self, seconds: float, dies: bool) -> None:
        self.sim.run_for(seconds * self.draw.random() if dies else seconds)
        if dies:
            self.down(True)
            self.up()

    def down(self, dies: bool) -> None:
        if dies:
            self.sim.crash()
            self.sim.world.pass_time(self.draw.choice([0.1, 30.0, 600.0]))

    def up(self) -> None:
        if self.sim.engine is None:
            self.sim.boot()

    def undisturbed(self, due: int) -> bool:
        return not any(begin - 1 <= due <= end + SECONDS_LATE for begin, end in self.wrong)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_forty_days_with_clock_steps_of_every_size_put_right_again(tmp_path: Path, seed: int) -> None:
    machine = Machine(str(tmp_path / "minisched.db"), seed)
    one, end = machine.sim, START + DAYS * DAY_S
    one.boot()
    for moment in sorted(machine.draw.uniform(START, end - 2 * DAY_S) for _ in range(DAYS)):
        machine.calm(moment)
        machine.disturb()
    machine.calm(end)
    rows = one.rows()
    for task_id, configured in one.source.content.tasks.items():
        own = {instant(row["scheduled_time"]): row for row in rows if row["task_id"] == task_id}
        spans = [(instant(row["missed_since"]), due) for due, row in own.items() if row["missed_since"]]
        assert len(own) == sum(row["task_id"] == task_id for row in rows), "two rows of one due time"
        zone = load_zone(configured.task_timezone)
        dues = fires_between([parse_schedule(configured.task_schedule[0])], START, end - 60, zone, 1_000_000)
        for due in dues:
            covered = due in own or sum(first <= due <= last for first, last in spans)
            assert covered == 1, (task_id, due)
            if machine.undisturbed(due):
                assert due in own and own[due]["attempts"], (task_id, due, own.get(due))
        given_away = [row for due, row in own.items() if due > end and not row["attempts"]]
        assert given_away == []
    assert len(machine.wrong) >= DAYS


def test_the_last_due_time_of_a_schedule_arrives_again_after_a_step_back(sim: MakeSim) -> None:
    one = sim(task(schedule="@at 2027-01-15T00:01"), script=exits(a=[Exit(50.0), Exit(1.0)]))
    one.run_for(20)
    start(one, "a")
    one.run_for(45)
    assert [row[1:] for row in one.runs()] == [("manual", "running", None), ("schedule", "skipped", "overlap")]
    one.world.set_clock(-60)
    one.run_for(70)
    assert [row[1:] for row in one.runs()] == [("manual", "success", None), ("schedule", "success", None)]
