"""The table of legal status changes is complete, and nothing changes a run past it."""

from __future__ import annotations

import pytest

from minisched import lifecycle
from minisched.model import (
    UNFINISHED,
    LogPosition,
    Outcome,
    ProcessResult,
    Reason,
    Status,
    TaskExecution,
    Text,
    Trigger,
)


def run_in(status: Status) -> TaskExecution:
    return TaskExecution("backup", Trigger.SCHEDULE, status, created_time=0.0, run_id=7)


PAIRS = [(one, other) for one in Status for other in Status if one is not other]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_status_changes_only_as_the_table_allows(one: Status, other: Status) -> None:
    if other in lifecycle.TRANSITIONS.get(one, ()):
        assert lifecycle.advance(run_in(one), other, 5.0).status is other
    else:
        with pytest.raises(lifecycle.IllegalTransition, match=f"run 7 of backup: {one} -> {other}"):
            lifecycle.advance(run_in(one), other, 5.0)


def test_every_unfinished_status_has_a_way_on_and_no_final_one_has() -> None:
    assert set(lifecycle.TRANSITIONS) == set(UNFINISHED)


def test_every_final_status_can_be_reached() -> None:
    reached = set().union(*lifecycle.TRANSITIONS.values())
    assert {status for status in Status if status.ended} <= reached


def test_a_final_status_gets_its_end_time_and_its_reason_as_a_word() -> None:
    run = lifecycle.advance(run_in(Status.WAITING), Status.SKIPPED, 5.0, Reason.OVERLAP, Text("superseded"))
    assert (run.end_time, run.reason, run.detail) == (5.0, "overlap", Text("superseded"))


def test_a_run_that_goes_on_has_no_end_time() -> None:
    assert lifecycle.advance(run_in(Status.WAITING), Status.QUEUED, 5.0, Reason.OVERLAP).end_time is None


def test_an_unfinished_run_may_get_another_reason_and_a_final_one_may_not() -> None:
    assert lifecycle.advance(run_in(Status.QUEUED), Status.QUEUED, 5.0, Reason.MAX_RUNNING).reason == "max_running"
    with pytest.raises(lifecycle.IllegalTransition):
        lifecycle.advance(run_in(Status.SUCCESS), Status.SUCCESS, 5.0)


def test_attempts_are_counted_and_the_first_one_gives_the_start_time() -> None:
    run = lifecycle.begin_attempt(run_in(Status.WAITING), 10.0)
    run = lifecycle.change_attempt(run, status=Status.TECHNICAL_FAILURE, exit_code=75, duration=1.25)
    run = lifecycle.advance(run, Status.RETRYING, 12.0, Reason.EXIT_CODE, retry_time=20.0)
    run = lifecycle.begin_attempt(run, 20.0)
    assert (run.attempt, run.start_time, run.retry_time, run.status) == (2, 10.0, None, Status.RUNNING)
    assert [attempt.start_time for attempt in run.attempts] == [10.0, 20.0]


def test_a_run_starts_with_its_first_process_and_ends_with_its_last() -> None:
    run = lifecycle.begin_attempt(run_in(Status.WAITING), 10.0)
    run = lifecycle.change_attempt(run, start_time=10.5)
    assert run.start_time == 10.5
    done = ProcessResult(13.2, 2.7, exit_code=0, start_time=10.5)
    run = lifecycle.advance(lifecycle.close_attempt(run, Outcome(Status.SUCCESS, None), done), Status.SUCCESS, 13.3)
    assert (run.start_time, run.end_time, run.attempts[0].end_time) == (10.5, 13.2, 13.2)


def test_a_run_that_is_cancelled_while_it_waits_for_its_next_attempt_ends_then() -> None:
    run = lifecycle.begin_attempt(run_in(Status.WAITING), 10.0)
    failure = Outcome(Status.TECHNICAL_FAILURE, Reason.EXIT_CODE)
    run = lifecycle.close_attempt(run, failure, ProcessResult(11.0, 1.0, exit_code=75))
    run = lifecycle.advance(run, Status.RETRYING, 11.0, Reason.EXIT_CODE, retry_time=60.0)
    assert lifecycle.advance(run, Status.CANCELLED, 20.0, Reason.USER).end_time == 20.0


def test_a_run_has_the_exit_code_of_its_last_attempt_and_the_time_of_all() -> None:
    run = lifecycle.begin_attempt(run_in(Status.WAITING), 10.0)
    assert lifecycle.change_attempt(run, exit_code=None).duration is None
    run = lifecycle.change_attempt(run, exit_code=75, duration=1.25)
    run = lifecycle.begin_attempt(lifecycle.advance(run, Status.RETRYING, 12.0), 20.0)
    run = lifecycle.change_attempt(run, exit_code=0, duration=2.0)
    assert (run.exit_code, run.duration) == (0, 3.25)


def test_an_attempt_that_is_over_says_what_is_known_of_its_process() -> None:
    run = lifecycle.begin_attempt(run_in(Status.WAITING), 10.0)
    run = lifecycle.change_attempt(run, log=LogPosition(5, 0))
    done = ProcessResult(
        13.2,
        3.2004,
        signal=9,
        timed_out=True,
        leftover_processes=2,
        output_cut=True,
        log_error=Text("text", text="full"),
    )
    run = lifecycle.close_attempt(run, Outcome(Status.TECHNICAL_FAILURE, Reason.TIMEOUT, Text("not_started")), done)
    (attempt,) = run.attempts
    assert (attempt.status, attempt.reason, attempt.detail) == (
        Status.TECHNICAL_FAILURE,
        "timeout",
        Text("not_started"),
    )
    assert (attempt.signal, attempt.end_time, attempt.duration, attempt.leftover_processes) == (9, 13.2, 3.2, 2)
    assert attempt.output_cut and attempt.log_lost and attempt.log == LogPosition(5, 0)
    assert (run.status, run.duration) == (Status.RUNNING, 3.2)
    run = lifecycle.close_attempt(run, Outcome(Status.SUCCESS, None), ProcessResult(14.0, 4.0, exit_code=0))
    assert (run.attempts[-1].reason, run.exit_code) == (None, 0)
