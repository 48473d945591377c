"""`settings.paused`: nothing is due, runs that have begun are finished, and each due time still has its row."""

from __future__ import annotations

from contextlib import closing

from minisched.model import FilesChanged
from minisched.store.reader import History
from support.engine import T0, MakeSim, configure, exits, start, task
from support.sim import Exit, Sim

HOURLY = "0 * * * *"
HOUR = 3600


def spans(one: Sim, task_id: str = "a") -> list[tuple[str, str | None, str | None, int, str | None]]:
    """(status, reason, due time, how many, the first of them), with times as `HH:MM`."""
    found = []
    for row in one.rows(task_id):
        times = [row[name] and row[name][11:16] for name in ("scheduled_time", "missed_since")]
        found.append((row["status"], row["reason"], times[0], row["missed_count"], times[1]))
    return found


def pause(one: Sim, *tasks: dict[str, object], paused: bool = True) -> None:
    configure(one, *tasks, paused=paused)
    one.run_for(4)


def test_what_was_due_in_a_pause_is_one_row_and_nothing_is_caught_up(sim: MakeSim) -> None:
    one = sim(task(schedule=HOURLY, task_misfire="all"))
    one.run_until(T0 + 2.5 * HOUR)
    pause(one, task(schedule=HOURLY, task_misfire="all"))
    assert one.next_run_time("a") is None
    one.run_until(T0 + 7.5 * HOUR)
    assert len(one.rows()) == 2
    pause(one, task(schedule=HOURLY, task_misfire="all"), paused=False)
    one.run_until(T0 + 9.5 * HOUR)
    assert spans(one) == [
        ("success", None, "01:00", 0, None),
        ("success", None, "02:00", 0, None),
        ("skipped", "paused", "07:00", 5, "03:00"),
        ("success", None, "08:00", 0, None),
        ("success", None, "09:00", 0, None),
    ]


def test_what_was_due_in_a_pause_is_not_caught_up_after_a_crash_in_the_middle_of_the_end_of_the_pause(
    sim: MakeSim,
) -> None:
    """A step resumes no more tasks than it may write rows for."""
    tasks = [task(f"t{number}", HOURLY) for number in range(310)]
    one = sim(*tasks)
    pause(one, *tasks)
    one.run_until(T0 + 2.5 * HOUR)
    configure(one, *tasks, paused=False)
    while not one.rows():
        one.engine.step(one.world.wait(one.inbox, one.engine.nap_s()))
    assert len(one.rows()) < len(tasks)
    one.crash()
    one.boot()
    one.run_for(10)
    assert [spans(one, f"t{number}") for number in range(310)] == [[("skipped", "paused", "02:00", 2, "01:00")]] * 310
    assert one.world.starts == []
    one.run_until(T0 + 3 * HOUR + 60)
    assert len(one.world.starts) == 310


def test_a_paused_engine_does_not_wake_for_due_times(sim: MakeSim) -> None:
    tasks = [task(schedule="* * * * * *")]
    one = sim(*tasks, paused=True)
    one.source.changed = lambda: one.post(FilesChanged())
    one.run_for(4)
    before = one.world.waits
    one.run_for(HOUR)
    assert one.world.waits - before <= 120
    assert one.rows() == []


def test_a_run_that_has_begun_is_finished_with_its_retries(sim: MakeSim) -> None:
    retry = {"max_attempts": 3, "delay": 600}
    tasks = [task(schedule="0 1 * * *", task_retry=retry)]
    one = sim(*tasks, script=exits(a=[Exit(code=2), Exit(code=2), Exit()]))
    one.run_until(T0 + HOUR + 60)
    pause(one, *tasks)
    one.run_until(T0 + 2 * HOUR)
    [row] = one.rows()
    assert (row["status"], row["attempt"]) == ("success", 3)


def test_a_task_is_started_manually_in_a_pause_and_its_dependent_after_it(sim: MakeSim) -> None:
    tasks = [task("a", HOURLY), task("b", task_dependencies=["a"])]
    one = sim(*tasks, paused=True)
    assert start(one, "a").refused is None
    one.run_for(600)
    assert one.runs() == [("a", "manual", "success", None)]
    pause(one, *tasks, paused=False)
    assert one.runs("b") == [("b", "dependency", "success", None)]


def test_a_pause_goes_on_over_a_crash_and_while_no_engine_runs(sim: MakeSim) -> None:
    one = sim(task(schedule=HOURLY))
    one.run_until(T0 + 1.5 * HOUR)
    pause(one, task(schedule=HOURLY))
    one.run_until(T0 + 3.5 * HOUR)
    one.crash()
    one.world.pass_time(3 * HOUR)
    one.boot()
    one.run_until(T0 + 8.5 * HOUR)
    assert len(one.rows()) == 1
    pause(one, task(schedule=HOURLY), paused=False)
    assert spans(one)[1:] == [("skipped", "paused", "08:00", 7, "02:00")]


def test_a_pause_that_ended_while_no_engine_ran_is_not_caught_up(sim: MakeSim) -> None:
    one = sim(task(schedule=HOURLY, task_misfire_grace="1d"))
    one.run_until(T0 + 1.5 * HOUR)
    pause(one, task(schedule=HOURLY, task_misfire_grace="1d"))
    one.stop()
    configure(one, task(schedule=HOURLY, task_misfire_grace="1d"))
    one.world.pass_time(3 * HOUR)
    one.boot()
    one.run_until(T0 + 5.5 * HOUR)
    assert spans(one)[1:] == [("skipped", "paused", "04:00", 3, "02:00"), ("success", None, "05:00", 0, None)]


def test_what_passed_while_no_engine_ran_is_missed_by_an_engine_that_starts_paused(sim: MakeSim) -> None:
    one = sim(task(schedule=HOURLY, task_misfire_grace="1d"))
    one.run_until(T0 + 1.5 * HOUR)
    one.stop()
    configure(one, task(schedule=HOURLY, task_misfire_grace="1d"), paused=True)
    one.world.pass_time(2 * HOUR)
    one.boot()
    one.run_until(T0 + 5.5 * HOUR)
    pause(one, task(schedule=HOURLY, task_misfire_grace="1d"), paused=False)
    assert spans(one)[1:] == [
        ("missed", "downtime", "02:00", 1, None),
        ("missed", "downtime", "03:00", 1, None),
        ("skipped", "paused", "05:00", 2, "04:00"),
    ]


def test_tasks_can_be_changed_added_and_removed_in_a_pause(sim: MakeSim) -> None:
    one = sim(task("a", HOURLY), task("b", HOURLY), task("c", HOURLY))
    one.run_until(T0 + 0.5 * HOUR)
    pause(one, task("a", HOURLY), task("b", HOURLY), task("c", HOURLY))
    one.run_until(T0 + 2.5 * HOUR)
    pause(one, task("a", "30 * * * *"), task("c", HOURLY, enabled=False), task("d", HOURLY))
    one.run_until(T0 + 4.2 * HOUR)
    pause(one, task("a", "30 * * * *"), task("c", HOURLY), task("d", HOURLY), paused=False)
    one.run_until(T0 + 5.1 * HOUR)
    assert spans(one, "a") == [
        ("skipped", "paused", "02:00", 2, "01:00"),
        ("skipped", "paused", "03:30", 1, None),
        ("success", None, "04:30", 0, None),
    ]
    assert spans(one, "b") == [("skipped", "paused", "02:00", 2, "01:00")]
    assert spans(one, "c") == [("skipped", "paused", "02:00", 2, "01:00"), ("success", None, "05:00", 0, None)]
    assert spans(one, "d") == [("skipped", "paused", "04:00", 2, "03:00"), ("success", None, "05:00", 0, None)]


def test_a_boot_in_a_pause_starts_nothing(sim: MakeSim) -> None:
    one = sim(task(schedule="@reboot"), paused=True)
    one.run_for(60)
    pause(one, task(schedule="@reboot"), paused=False)
    one.run_for(60)
    assert one.runs() == [("a", "reboot", "skipped", "paused")]


def test_who_paused_and_resumed_is_recorded(sim: MakeSim) -> None:
    one = sim(task(schedule=HOURLY))
    pause(one, task(schedule=HOURLY))
    pause(one, task(schedule=HOURLY), paused=False)
    with closing(History(one.path)) as history:
        assert [(change.action, change.origin.source) for change in history.changes("a")] == [
            ("paused", "file"),
            ("resumed", "file"),
        ]


def test_a_start_that_jitter_delays_over_a_short_pause_is_not_lost(sim: MakeSim) -> None:
    tasks = [task(schedule="0 1 * * *", task_jitter=3000)]
    one = sim(*tasks)
    one.run_until(T0 + HOUR + 1)
    pause(one, *tasks)
    pause(one, *tasks, paused=False)
    one.run_until(T0 + 2 * HOUR)
    assert one.runs() == [("a", "schedule", "success", None)]
