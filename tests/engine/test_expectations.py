"""What is expected of tasks: runs that are slow, due days that are late, each told once."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import datetime, time, timedelta, timezone
from typing import Any, Optional
from zoneinfo import ZoneInfo

import pytest

from minisched.model import Batch, Status, StopRun, TaskExecution, Trigger
from minisched.store.writer import open_store
from support.deliveries import rule
from support.engine import T0, Exec, MakeSim, configure, exits, failing_sim, start, task
from support.sim import Exit, Sim

DAY, HOUR = 86_400, 3600


@pytest.fixture
def sim(sim: MakeSim) -> MakeSim:
    """An engine that looks at its files every five minutes: these tests take days."""
    return lambda *tasks, **settings: sim(*tasks, **{"poll_s": 300.0, **settings})


def expecting(*, schedule: Any = "30 2 * * *", task_id: str = "a", **fields: Any) -> dict[str, Any]:
    rules = fields.pop("task_notify", [rule("slow", "late")])
    expect = fields.pop("expect", {"finish_by": "06:00"})
    return task(task_id, schedule, task_expect=expect, task_notify=rules, **fields)


def told(one: Sim) -> list[tuple[float, str, str]]:
    """(seconds since T0, what, the subject) of each message."""
    found = []
    for request, _ in one.world.sent:
        variables = request.message.variables
        found.append(
            (round(request.message.created_time - T0, 3), variables["execution_status"], variables.get("subject", ""))
        )
    return found


def kinds(one: Sim) -> list[str]:
    return [kind for _, kind, _ in told(one)]


def late(one: Sim, task_id: str = "a") -> Optional[str]:
    found = one.engine.snapshot.tasks[task_id].late
    return found and found.day


def slow(one: Sim, task_id: str = "a") -> tuple[int, ...]:
    found: tuple[int, ...] = one.engine.snapshot.tasks[task_id].slow
    return found


FAILS = Exit(1.0, 75)


# ----------------------------------------------------------------------------------------------------------------- late


def test_a_due_day_without_a_success_by_its_time_is_late_and_told_once(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=FAILS))
    one.run_until(T0 + 6 * HOUR - 1)
    assert late(one) is None and told(one) == []
    one.run_until(T0 + 23 * HOUR)
    assert late(one) == "2027-01-15"
    assert told(one) == [(6 * HOUR, "late", "a is late: no success for 2027-01-15 by 06:00")]
    assert "WARNING a is late: no success for 2027-01-15 by 06:00" in one.lines
    one.run_until(T0 + 30 * HOUR + 1)
    assert late(one) == "2027-01-16"
    assert kinds(one) == ["late", "late"]


def test_the_message_of_a_late_task_has_what_a_template_may_use(sim: MakeSim) -> None:
    one = sim(expecting(task_name="Nightly", task_timezone="Asia/Shanghai"), script=exits(a=FAILS))
    one.run_until(T0 + DAY)
    request = one.world.sent[0][0]
    assert request.message.event == "event"
    variables = request.message.variables
    assert {name: variables[name] for name in ("task_id", "task_name", "execution_status", "execution_reason")} == {
        "task_id": "a",
        "task_name": "Nightly",
        "execution_status": "late",
        "execution_reason": "finish_by",
    }
    assert variables["scheduled_time"] == "2027-01-16T02:30:00+08:00"
    assert (variables["execution_id"], variables["execution_end_time"]) == ("", "")


def test_a_success_in_time_is_nothing_to_tell_and_one_after_it_ends_the_lateness(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=[Exit(60.0), Exit(4 * HOUR)]))
    one.run_until(T0 + DAY + 6 * HOUR - 1)
    assert told(one) == [] and late(one) is None
    one.run_until(T0 + DAY + 6 * HOUR + 1)  # the second run still goes on
    assert late(one) == "2027-01-16"
    one.run_until(T0 + DAY + 7 * HOUR)
    assert late(one) is None and kinds(one) == ["late"]


def test_a_success_by_hand_in_time_counts_and_one_before_the_due_time_does_not(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=[FAILS, Exit(1.0), Exit(1.0), FAILS]))
    one.run_until(T0 + 5 * HOUR)
    start(one, "a")
    one.run_until(T0 + DAY + HOUR)
    start(one, "a")  # before the due time of the second day, which then fails
    one.run_until(T0 + 2 * DAY)
    assert [name for _, _, name in told(one)] == ["a is late: no success for 2027-01-16 by 06:00"]


def test_several_due_times_of_a_day_are_one_day(sim: MakeSim) -> None:
    one = sim(expecting(schedule="0 * * * *"), script=exits(a=[FAILS] * 24 + [Exit(1.0)] + [FAILS] * 100))
    one.run_until(T0 + 3 * DAY)
    assert [when for when, _, _ in told(one)] == [6 * HOUR, 2 * DAY + 6 * HOUR]


def test_a_time_before_the_first_due_time_is_that_of_the_next_day(sim: MakeSim) -> None:
    one = sim(expecting(schedule="30 23 * * *"), script=exits(a=[Exit(5 * HOUR), FAILS, FAILS]))
    one.run_until(T0 + 3 * DAY)
    assert [(time, name.partition(" for ")[2]) for time, _, name in told(one)] == [
        (2 * DAY + 6 * HOUR, "2027-01-16 by 06:00")
    ]


def test_a_day_that_is_not_due_is_not_late(sim: MakeSim) -> None:
    one = sim(expecting(schedule="30 2 * * mon"), script=exits(a=FAILS))  # the 15th is a Friday
    one.run_until(T0 + 4 * DAY)
    assert [when for when, _, _ in told(one)] == [3 * DAY + 6 * HOUR]


@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31"])
@pytest.mark.parametrize(("finish_by", "shown"), [("02:30", {"2027-03-28": "03:00", "2027-10-31": "02:30"})])
def test_in_the_nights_of_a_clock_change_a_day_is_late_once_at_the_first_such_time(
    sim: MakeSim, day: str, finish_by: str, shown: dict[str, str]
) -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=zone).timestamp() - 60
    one = sim(
        expecting(schedule="0 1 * * *", expect={"finish_by": finish_by}, task_timezone="Europe/Berlin"),
        script=exits(a=FAILS),
        now=begin,
    )
    one.run_for(23 * HOUR)
    (request,) = [request for request, _ in one.world.sent]
    moment = datetime.fromtimestamp(request.message.created_time, zone)
    assert (moment.date().isoformat(), f"{moment:%H:%M}", moment.fold) == (day, shown[day], 0)


def test_a_day_whose_time_came_while_no_engine_ran_is_told_at_the_next_start_once(sim: MakeSim) -> None:
    one = sim(expecting(task_misfire="skip"))
    one.run_until(T0 + HOUR)
    one.crash()
    one.world.pass_time(9 * HOUR)
    for _ in range(3):
        one.boot()
        one.run_for(60)
        assert late(one) == "2027-01-15"
        one.crash()
    assert [(kind, name) for _, kind, name in told(one)] == [("late", "a is late: no success for 2027-01-15 by 06:00")]


def test_after_days_without_an_engine_only_the_latest_day_is_told(sim: MakeSim) -> None:
    one = sim(expecting(task_misfire="skip"))
    one.run_until(T0 + HOUR)
    one.crash()
    one.world.pass_time(12 * DAY)
    one.boot()
    one.run_for(60)
    assert [name.partition(" for ")[2] for _, _, name in told(one)] == ["2027-01-26 by 06:00"]


def test_a_day_is_not_late_if_it_succeeded_before_the_engine_was_gone(sim: MakeSim) -> None:
    one = sim(expecting())
    one.run_until(T0 + 3 * HOUR)
    one.crash()
    one.world.pass_time(5 * HOUR)
    one.boot()
    one.run_for(60)
    assert told(one) == [] and late(one) is None


def test_a_run_of_a_former_day_that_is_made_up_does_not_count_for_the_day_on_which_it_ends(sim: MakeSim) -> None:
    script = exits(a=[Exit(1.0), Exit(1.0), FAILS, FAILS])
    one = sim(expecting(task_misfire="all", task_misfire_grace="3d"), script=script)
    one.run_until(T0 + HOUR)
    one.crash()
    one.world.pass_time(2 * DAY + 2 * HOUR)  # the due times of the 15th, 16th and 17th have passed
    one.boot()
    one.run_for(5 * HOUR)
    assert [name.partition(" for ")[2] for _, _, name in told(one)] == [
        "2027-01-16 by 06:00",
        "2027-01-17 by 06:00",
    ]


def test_a_task_that_is_disabled_is_not_late(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=FAILS))
    one.run_until(T0 + 7 * HOUR)
    assert late(one) == "2027-01-15"
    configure(one, expecting(enabled=False))
    one.run_until(T0 + 3 * DAY)
    assert late(one) is None and kinds(one) == ["late"]
    configure(one, expecting())  # at midnight
    one.run_until(T0 + 3 * DAY + 7 * HOUR)
    assert late(one) == "2027-01-18"


def test_due_times_before_a_new_schedule_or_promise_are_not_looked_at(sim: MakeSim) -> None:
    one = sim(task(schedule="30 2 * * *"), script=exits(a=FAILS))
    one.run_until(T0 + 3 * HOUR)
    configure(one, expecting())
    one.run_until(T0 + 23 * HOUR)
    assert told(one) == []
    configure(one, expecting(schedule="30 3 * * *", expect={"finish_by": "05:00"}))
    one.run_until(T0 + DAY + 5 * HOUR + 1)
    assert [name.partition(" for ")[2] for _, _, name in told(one)] == ["2027-01-16 by 05:00"]


def test_another_time_of_day_takes_effect_at_once(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=FAILS))
    one.run_until(T0 + 3 * HOUR)
    configure(one, expecting(expect={"finish_by": "04:00"}))
    one.run_until(T0 + 4 * HOUR + 1)
    assert late(one) == "2027-01-15"
    configure(one, expecting(expect={"duration": "1h"}))
    one.run_for(301)
    assert late(one) is None


def test_what_is_known_of_a_task_goes_with_it(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=FAILS))
    one.run_until(T0 + 7 * HOUR)
    configure(one, task("b"))
    one.run_for(301)
    assert one.ledger.expectations() == []


def test_a_clock_that_is_set_tells_no_day_twice_and_none_that_is_to_come(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=FAILS))
    one.run_until(T0 + 7 * HOUR)
    one.world.set_clock(-3 * HOUR)
    one.run_for(5 * HOUR)
    assert kinds(one) == ["late"]
    one.world.set_clock(DAY)
    one.run_for(600)
    assert kinds(one) == ["late", "late"]


def test_a_day_is_told_although_the_history_cannot_be_written_at_its_time(tmp_path: Any) -> None:
    one, ledger = failing_sim(tmp_path, expecting(), script=exits(a=FAILS))
    one.run_until(T0 + 5 * HOUR)
    ledger.kind = "locked"
    one.run_until(T0 + 6 * HOUR + 60)
    assert told(one) == [] and late(one) is None  # nothing is shown or told before it is on disk
    ledger.kind = ""
    one.run_for(20)
    assert kinds(one) == ["late"] and late(one) == "2027-01-15"


def test_an_idle_engine_with_an_expected_time_wakes_once_more_a_day(sim: MakeSim) -> None:
    def waits(days: int) -> int:
        before = one.world.waits
        one.run_for(days * DAY)
        return one.world.waits - before

    one = sim(task(schedule="0 12 * * *"), poll_s=HOUR)
    one.run_for(5)
    plain = waits(5)
    configure(one, task(schedule="0 12 * * *", task_expect={"finish_by": "13:00"}))
    one.run_for(2 * HOUR)
    assert waits(5) <= plain + 6


def test_due_times_in_a_pause_are_none_of_a_day_that_is_late(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=FAILS))
    one.run_until(T0 + HOUR)
    configure(one, expecting(), paused=True)
    one.run_until(T0 + 2 * DAY)
    assert told(one) == [] and late(one) is None
    one.crash()
    one.boot()
    one.run_for(DAY)
    assert told(one) == []
    configure(one, expecting())
    one.run_until(T0 + 3 * DAY + 7 * HOUR)
    assert [name.partition(" for ")[2] for _, _, name in told(one)] == ["2027-01-18 by 06:00"]


def test_a_day_that_was_due_before_a_pause_can_be_late_in_it(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=FAILS))
    one.run_until(T0 + 3 * HOUR)
    configure(one, expecting(), paused=True)
    one.run_until(T0 + 3 * DAY)
    assert [name.partition(" for ")[2] for _, _, name in told(one)] == ["2027-01-15 by 06:00"]


def test_a_short_pause_changes_nothing_for_a_day_that_was_due_before_it(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=FAILS))
    one.run_until(T0 + 3 * HOUR)
    configure(one, expecting(), paused=True)
    one.run_for(HOUR)
    configure(one, expecting())
    one.run_until(T0 + 2 * DAY)
    assert [when for when, _, _ in told(one)] == [6 * HOUR, DAY + 6 * HOUR]


def test_a_success_of_exec_beside_the_engine_ends_the_lateness(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=FAILS))
    one.run_until(T0 + 7 * HOUR)
    other, _ = open_store(one.path, now=one.world.wall())
    with closing(other):
        now = one.world.wall()
        run = TaskExecution("a", Trigger.MANUAL, Status.SUCCESS, now, start_time=now, end_time=now)
        other.commit(Batch([run]))
    one.run_for(301)
    assert late(one) is None and kinds(one) == ["late"]


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


@pytest.mark.parametrize("seed", range(3))
def test_however_often_the_engine_is_killed_each_late_day_is_told_once(sim: MakeSim, seed: int) -> None:
    """Over a clock change in each zone: what was told is what the rows of the history say."""
    draw = random.Random(seed)
    begin = datetime(2027, 3, 12, tzinfo=timezone.utc).timestamp()

    def script(launch: Any, chance: random.Random) -> Exit:
        return Exit(draw.choice([60.0, 5 * HOUR, 9 * HOUR]), draw.choice([0, 0, 75]))

    fields = {"task_overlap": "queue", "task_retry": {"max_attempts": 1}, "task_misfire": "skip"}
    tasks = [
        expecting(task_id=f"t{number}", schedule="30 4,14 * * *", task_timezone=zone, **fields)
        for number, zone in enumerate(ZONES)
    ]
    one = sim(*tasks, script=script, now=begin)
    for _ in range(40):
        one.run_for(draw.uniform(600, 16 * HOUR))
        one.crash()
        one.world.pass_time(draw.uniform(1, 60))
        one.boot()
    one.run_for(600)
    end = one.world.wall()
    for number, name in enumerate(ZONES):
        zone, task_id = ZoneInfo(name), f"t{number}"
        days = [
            request.message.variables["subject"].partition(" for ")[2][:10]
            for request, _ in one.world.sent
            if request.message.variables["task_id"] == task_id
        ]
        wins = [
            (datetime.fromisoformat(row["end_time"]).timestamp(), datetime.fromisoformat(row["scheduled_time"]))
            for row in one.rows(task_id)
            if row["status"] == "success"
        ]
        day = datetime.fromtimestamp(begin, zone).date()
        wanted = []
        while True:
            first = datetime.combine(day, time(4, 30), zone).timestamp()
            deadline = datetime.combine(day, time(6), zone).timestamp()
            if deadline > end - 600:
                break
            if first > begin and not any(first <= win <= deadline and due.timestamp() >= first for win, due in wins):
                wanted.append(day.isoformat())
            day += timedelta(days=1)
        assert [one_day for one_day in days if one_day <= day.isoformat()][: len(wanted)] == wanted
        assert len(set(days)) == len(days)


# ----------------------------------------------------------------------------------------------------------------- slow


def slow_task(**fields: Any) -> dict[str, Any]:
    return expecting(schedule="0 1 * * *", expect={"duration": "10m"}, **fields)


def test_a_run_that_takes_too_long_is_slow_while_it_runs_and_told_once(sim: MakeSim) -> None:
    one = sim(slow_task(), script=exits(a=[Exit(30 * 60.0), Exit(60.0)]))
    one.run_until(T0 + HOUR + 599)
    assert slow(one) == ()
    one.run_until(T0 + HOUR + 601)
    assert slow(one) == (1,)
    assert told(one) == [(HOUR + 600, "slow", "a is slow: it takes longer than 600 s")]
    one.run_until(T0 + 2 * DAY)
    assert slow(one) == () and len(told(one)) == 1 and one.ledger.expectations() == []


def test_the_message_of_a_slow_run_names_the_run(sim: MakeSim) -> None:
    one = sim(slow_task(), script=exits(a=Exit(30 * 60.0)))
    one.run_until(T0 + 2 * HOUR)
    variables = one.world.sent[0][0].message.variables
    assert (variables["execution_id"], variables["execution_reason"]) == ("1", "duration")
    assert (variables["execution_start_time"], variables["execution_duration"]) == (
        "2027-01-15T01:00:00+00:00",
        "600.0 s",
    )


def test_attempts_and_the_time_between_them_are_one_run(sim: MakeSim) -> None:
    retry = {"max_attempts": 3, "delay": "5m", "backoff": 1, "jitter": 0}
    one = sim(slow_task(task_retry=retry), script=exits(a=[Exit(60.0, 75), Exit(60.0, 75), Exit(60.0)]))
    one.run_until(T0 + 2 * HOUR)
    assert [when for when, _, _ in told(one)] == [HOUR + 600]  # between the second and the third attempt


def test_a_run_that_is_slow_is_not_told_again_by_the_next_engine(sim: MakeSim) -> None:
    retry = {"max_attempts": 3, "delay": "5m", "backoff": 1, "jitter": 0}
    one = sim(slow_task(task_retry=retry), script=exits(a=Exit(2 * HOUR)))
    one.run_until(T0 + HOUR + 700)
    one.crash()
    one.boot()
    one.run_for(10)
    assert slow(one) == (1,)  # it is retried, and has been slow before
    one.run_for(HOUR)
    assert kinds(one) == ["slow"]


def test_what_was_slow_and_ended_without_an_engine_is_forgotten(sim: MakeSim) -> None:
    one = sim(slow_task(), script=exits(a=Exit(2 * HOUR)))
    one.run_until(T0 + HOUR + 700)
    one.crash()
    one.boot()
    one.run_for(10)
    assert slow(one) == () and one.ledger.expectations() == []


def test_a_run_that_became_too_long_without_an_engine_is_told_if_it_goes_on(sim: MakeSim) -> None:
    one = sim(slow_task(task_retry={"max_attempts": 2, "delay": "5m", "jitter": 0}), script=exits(a=Exit(2 * HOUR)))
    one.run_until(T0 + HOUR + 60)
    one.crash()
    one.world.pass_time(HOUR)
    one.boot()
    one.run_for(10)
    assert slow(one) == (1,) and kinds(one) == ["slow"]


def test_another_limit_counts_for_runs_that_go_on(sim: MakeSim) -> None:
    one = sim(slow_task(), script=exits(a=Exit(2 * HOUR)))
    one.run_until(T0 + HOUR + 60)
    configure(one, expecting(schedule="0 1 * * *", expect={"duration": "1h"}))
    one.run_until(T0 + HOUR + 1000)
    assert told(one) == []
    configure(one, expecting(schedule="0 1 * * *", expect={"duration": "20m"}))
    one.run_until(T0 + 2 * HOUR)
    assert [when for when, _, _ in told(one)] == [HOUR + 1200]
    configure(one, task(schedule="0 1 * * *"))
    one.run_for(301)
    assert slow(one) == ()


def test_a_run_that_is_stopped_is_not_slow_any_more(sim: MakeSim) -> None:
    from queue import SimpleQueue

    from minisched.model import ReplyTo

    one = sim(slow_task(), script=exits(a=Exit(2 * HOUR)))
    one.run_until(T0 + HOUR + 700)
    one.post(StopRun(ReplyTo(SimpleQueue(), one.world.mono + 5), 1, "a test"))
    one.run_for(5)
    assert slow(one) == ()


def test_a_run_that_loses_its_slot_to_an_exec_is_slow_once_it_has_run_too_long(tmp_path: Any) -> None:
    """Its attempt was begun in memory, and undone; the wait for the slot does not count."""
    one, ledger = failing_sim(tmp_path, slow_task(), script=exits(a=Exit(30 * 60.0)))
    one.run_until(T0 + HOUR - 5)
    made: list[Exec] = []

    def transaction(durable: bool) -> Any:
        if not made and one.world.wall() >= T0 + HOUR:
            made.append(Exec(one))
        return ledger.real.transaction(durable)

    ledger.transaction = transaction  # type: ignore[attr-defined]
    one.run_until(T0 + HOUR + 1200)
    assert told(one) == []
    made[0].end()
    one.run_until(T0 + 2 * HOUR)
    ((when, _, _),) = told(one)
    assert HOUR + 1800 <= when < HOUR + 1805  # the end of the exec is seen at the next look


def test_a_run_that_starts_before_its_due_time_counts_from_it(sim: MakeSim) -> None:
    one = sim(slow_task(), script=exits(a=Exit(2 * HOUR)), start_early=True)
    one.run_until(T0 + 2 * HOUR)
    ((time, _, _),) = told(one)
    assert HOUR + 599.9 < time < HOUR + 600.1


# ---------------------------------------------------------------------------------------------------------------- rules


def test_threshold_does_not_count_them_and_they_break_no_row_of_runs(sim: MakeSim) -> None:
    rules = [rule("technical_failure", "late", threshold=2)]
    one = sim(expecting(schedule="0 3,12 * * *", task_notify=rules), script=exits(a=FAILS))
    one.run_until(T0 + DAY)
    found = [(time, kind) for time, kind, _ in told(one)]
    assert found == [(6 * HOUR, "late"), (12 * HOUR + 1, "technical_failure")]


def test_within_a_cooldown_they_are_counted_in_the_next_message(sim: MakeSim) -> None:
    rules = [rule("technical_failure", "late", cooldown="1d")]
    one = sim(expecting(schedule="0 3 * * *", task_notify=rules), script=exits(a=FAILS))
    one.run_until(T0 + 2 * DAY)
    found = [
        (kind, request.message.variables["suppressed_count"])
        for (_, kind, _), (request, _) in zip(told(one), one.world.sent)
    ]
    assert found == [("technical_failure", "0"), ("technical_failure", "1")]


def test_a_success_after_it_is_a_recovery(sim: MakeSim) -> None:
    rules = [rule("late", recovery=True)]
    one = sim(expecting(task_notify=rules), script=exits(a=[FAILS, Exit(1.0)]))
    one.run_until(T0 + 2 * DAY)
    events = [str(request.message.event) for request, _ in one.world.sent]
    assert events == ["event", "recovery"]


def test_a_rule_that_is_off_or_has_other_triggers_says_nothing(sim: MakeSim) -> None:
    rules = [rule("late", enabled=False), rule("slow", name="b")]
    one = sim(expecting(task_notify=rules), script=exits(a=FAILS))
    one.run_until(T0 + 2 * DAY)
    assert told(one) == [] and late(one) == "2027-01-16"


def test_messages_are_in_the_language_of_the_settings(sim: MakeSim) -> None:
    one = sim(expecting(), script=exits(a=FAILS), language="zh")
    one.run_until(T0 + DAY)
    assert told(one)[0][2] == "a 逾期：2027-01-15 到 06:00 仍无一次成功"
