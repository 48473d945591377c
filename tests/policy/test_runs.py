"""Every decision of the engine, as a function of values."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisched import policy
from minisched.catalogue import detail_text
from minisched.model import (
    Dependency,
    Ends,
    ExitCodes,
    Misfire,
    On,
    ProcessResult,
    Reason,
    Retry,
    Status,
    Task,
    TaskExecution,
    Text,
    Trigger,
)
from minisched.policy import Admission, CatchUp, DueRun, MissedRange, MissedWindow
from support.factories import task

# ---------------------------------------------------------------------------------------------------------- admission


@pytest.mark.parametrize(
    ("overlap", "occupied", "queued", "must_queue", "expected"),
    [
        ("skip", 0, 0, False, Admission.START),
        ("skip", 1, 0, False, Admission.SKIP_OVERLAP),
        ("skip", 1, 1, True, Admission.QUEUE_OVERLAP),
        ("queue", 1, 0, False, Admission.QUEUE_OVERLAP),
        ("queue", 1, 1, False, Admission.SKIP_QUEUE_FULL),
        ("queue", 0, 0, False, Admission.START),
        ("replace", 1, 0, False, Admission.REPLACE),
        ("replace", 0, 0, False, Admission.START),
    ],
)
def test_a_ready_run_is_admitted_by_the_overlap_of_its_task(
    overlap: str, occupied: int, queued: int, must_queue: bool, expected: Admission
) -> None:
    assert policy.admit(task(task_overlap=overlap), occupied, queued, must_queue) is expected


def test_a_task_may_run_as_often_at_once_as_it_says() -> None:
    twice = task(task_max_instances=2)
    assert policy.admit(twice, 1, 0) is Admission.START
    assert policy.admit(twice, 2, 0) is Admission.SKIP_OVERLAP


# ------------------------------------------------------------------------------------------------- the end of a process


def done(**fields: Any) -> ProcessResult:
    return ProcessResult(end_time=100.0, duration=3.2, **fields)


@pytest.mark.parametrize(
    ("completion", "cancelled_for", "status", "reason"),
    [
        (done(exit_code=0), None, Status.SUCCESS, None),
        (done(exit_code=1), None, Status.BUSINESS_FAILURE, Reason.EXIT_CODE),
        (done(exit_code=2), None, Status.TECHNICAL_FAILURE, Reason.EXIT_CODE),
        (done(exit_code=255), None, Status.TECHNICAL_FAILURE, Reason.EXIT_CODE),
        (done(signal=9), None, Status.TECHNICAL_FAILURE, Reason.SIGNAL),
        (done(spawn_error=Text("not_started")), None, Status.TECHNICAL_FAILURE, Reason.SPAWN),
        (done(exit_code=0, timed_out=True), None, Status.TECHNICAL_FAILURE, Reason.TIMEOUT),
        (done(signal=9, timed_out=True, killed=True), None, Status.TECHNICAL_FAILURE, Reason.TIMEOUT),
        (done(signal=15, cancelled=True), Reason.USER, Status.CANCELLED, Reason.USER),
        (done(exit_code=0, cancelled=True), Reason.REPLACED, Status.CANCELLED, Reason.REPLACED),
        (done(spawn_error=Text("cancelled_before_start"), cancelled=True), Reason.USER, Status.CANCELLED, Reason.USER),
        # It ended by itself before the cancel reached it: what it says counts.
        (done(exit_code=0), Reason.USER, Status.SUCCESS, None),
    ],
)
def test_an_exit_means_what_the_contract_says(
    completion: ProcessResult, cancelled_for: Any, status: Status, reason: Any
) -> None:
    verdict = policy.classify(completion, ExitCodes(), cancelled_for)
    assert (verdict.status, verdict.reason) == (status, reason)


def test_a_timeout_says_whether_the_process_had_to_be_killed() -> None:
    assert policy.classify(done(signal=15, timed_out=True), ExitCodes()).detail == Text(
        "timeout", seconds=3.2, killed=0
    )
    assert policy.classify(done(signal=9, timed_out=True, killed=True), ExitCodes()).detail == Text(
        "timeout", seconds=3.2, killed=1
    )


RSYNC = ExitCodes(success=(0, 24), business_failure=(3,))


@pytest.mark.parametrize(
    ("codes", "exit_code", "status"),
    [
        (RSYNC, 0, Status.SUCCESS),
        (RSYNC, 24, Status.SUCCESS),
        (RSYNC, 3, Status.BUSINESS_FAILURE),
        (RSYNC, 1, Status.TECHNICAL_FAILURE),
        (ExitCodes(business_failure=()), 1, Status.TECHNICAL_FAILURE),
        (ExitCodes(success=(1,), business_failure=(0,)), 0, Status.BUSINESS_FAILURE),
    ],
)
def test_a_task_says_what_the_exit_codes_of_its_program_mean(codes: ExitCodes, exit_code: int, status: Status) -> None:
    assert policy.classify(done(exit_code=exit_code), codes).status is status


CRASHES = """\
  File "/srv/x.py", line 3, in main
x.sh: line 3: foo: command not found
/bin/sh: 1: foo: not found
x.sh: line 3: foo: not found
sh: foo: not found
x.sh:3: command not found: foo
x.sh[3]: foo: not found
bash: line 1: foo：未找到命令
x.sh: 3: Syntax error: "fi" unexpected (expecting "then")
ev.sh: 1: eval: Syntax error: "fi" unexpected
x.sh: line 3: syntax error near unexpected token `fi'
bash: -c: line 1: unexpected EOF while looking for matching `"'
x.sh: line 3: syntax error: unexpected "fi" (expecting "then")
x.sh:3: parse error near `fi'
x.sh:2: unmatched "
x.sh: line 3: FOO: unbound variable
x.sh: 3: FOO: parameter not set
    at f (/srv/n.js:1:30)
\tat com.acme.Main.main(Main.java:5)
x.rb:1:in `foo': undefined local variable (NameError)
""".splitlines()
NO_CRASHES = """\
no orders today
order 12: not found
2026-01-01 10:00:00: customer 5: not found
grep: x: No such file or directory
psql:x.sql:3: ERROR:  syntax error at or near "x"
the backup started at 10:00 (host:22)
ERROR lookup failed: command not found in registry
""".splitlines()


@pytest.mark.parametrize("line", CRASHES)
def test_an_output_that_ends_as_after_a_crash_is_noted_with_a_business_failure(line: str) -> None:
    for tail in (line, f"started\n{line}\nTypeError: no\n"):
        detail = policy.classify(done(exit_code=1, tail=tail.encode()), ExitCodes()).detail
        assert detail == Text("business_exit_code_crash", exit_code=1, looks_like_crash=True)
    assert "looks like a crash" in detail_text(detail)


@pytest.mark.parametrize("tail", [*NO_CRASHES, "\n".join([CRASHES[0], *["went on"] * policy.CRASH_LINES]), ""])
def test_any_other_output_is_none_of_a_crash(tail: str) -> None:
    detail = policy.classify(done(exit_code=1, tail=tail.encode()), ExitCodes()).detail
    assert detail == Text("business_exit_code", exit_code=1)


def test_only_a_business_failure_is_said_to_look_like_a_crash() -> None:
    detail = policy.classify(done(exit_code=1, tail=CRASHES[0].encode()), ExitCodes(business_failure=())).detail
    assert detail == Text("exit_code", exit_code=1)


def queued(reason: Reason, detail: Optional[Text] = None, trigger: Trigger = Trigger.SCHEDULE) -> TaskExecution:
    return TaskExecution("a", trigger, Status.QUEUED, 1.0, reason=reason.value, detail=detail)


def test_a_row_tells_whether_its_condition_has_been_met() -> None:
    assert policy.condition_met(queued(Reason.LOCK)) and policy.condition_met(queued(Reason.MAX_RUNNING))
    assert not policy.condition_met(queued(Reason.CONDITION)) and not policy.condition_met(queued(Reason.OVERLAP))
    assert policy.condition_met(queued(Reason.OVERLAP, Text("blocked_by", runs=[], condition_met=True)))
    assert policy.condition_met(queued(Reason.OVERLAP, trigger=Trigger.MANUAL))


@pytest.mark.parametrize(
    ("values", "until"), [({"until": 5.5}, 5.5), ({"until": 5}, 5), ({"until": "soon"}, None), ({}, None)]
)
def test_a_row_tells_how_long_its_condition_is_asked(values: dict[str, Any], until: Optional[float]) -> None:
    assert policy.asked_until(queued(Reason.CONDITION, Text("condition_asked", **values))) == until
    assert policy.asked_until(queued(Reason.OVERLAP, Text("condition_asked", **values))) is None


def test_the_retry_delay_grows_by_its_factor_up_to_its_cap() -> None:
    retry = Retry(max_attempts=9, delay=10, backoff=2, max_delay=60, jitter=0)
    assert [policy.retry_delay(retry, attempt, 0.5) for attempt in range(1, 6)] == [10, 20, 40, 60, 60]


def test_a_retry_delay_too_large_for_a_float_is_the_cap() -> None:
    retry = Retry(max_attempts=9999, delay=10.0, backoff=10.0, max_delay=600.0, jitter=0.0)
    assert policy.retry_delay(retry, 5000, 0.5) == 600


@given(draw=st.floats(0, 1, exclude_max=True), attempt=st.integers(1, 50), jitter=st.floats(0, 1))
@settings(derandomize=True, deadline=None)
def test_jitter_stays_within_its_share_and_below_the_cap(draw: float, attempt: int, jitter: float) -> None:
    plain = policy.retry_delay(Retry(9, 10, 2, 600, 0), attempt, draw)
    delay = policy.retry_delay(Retry(9, 10, 2, 600, jitter), attempt, draw)
    assert plain * (1 - jitter) - 1e-6 <= delay <= min(plain * (1 + jitter) + 1e-6, 600)


# ------------------------------------------------------------------------------------------------------- dependencies


def ended(task_id: str, status: Status, reason: Any = None) -> TaskExecution:
    return TaskExecution(task_id, Trigger.SCHEDULE, status, created_time=0.0, reason=reason and reason.value)


def linked(*tasks: Task) -> policy.Dependents:
    return policy.dependents_of({one.task_id: one for one in tasks})


def waits_for(one: Task, tokens: Any = (), ends: Any = (), now: float = 1000.0) -> list[str]:
    return [found.task_id for found in policy.unmet_dependencies(one, set(tokens), dict(ends), now)]


def test_dependents_are_found_for_each_task_in_the_order_of_the_config() -> None:
    export, load = task("export"), task("load", task_dependencies=["export"])
    failed = {"task_id": "load", "on": "failure", "within": "1h"}
    report = task("report", task_dependencies=["export", failed], task_schedule="@daily")
    assert linked(export, load, report) == {
        "export": [(load, Dependency("export")), (report, Dependency("export"))],
        "load": [(report, Dependency("load", On.FAILURE, 3600))],
    }


def test_a_task_waits_for_its_missing_tokens() -> None:
    report = task("report", task_dependencies=["export", {"task_id": "load", "on": "failure"}])
    assert waits_for(report) == ["export", "load"]
    assert waits_for(report, {("report", "load:failure"), ("other", "export")}) == ["export"]
    assert waits_for(report, {("report", "load"), ("report", "load:end"), ("report", "export")}) == ["load"]
    assert waits_for(report, {("report", "load:failure"), ("report", "export")}) == []


@pytest.mark.parametrize(
    ("on", "within", "success", "failure", "met"),
    [
        ("success", 60, 940.0, None, True),
        ("success", 60, 939.9, 990.0, False),
        ("success", "ever", 1.0, 990.0, True),
        ("success", "ever", None, 990.0, False),
        ("failure", 60, 990.0, 900.0, False),
        ("failure", 60, 990.0, 950.0, True),
        ("end", 60, 900.0, 950.0, True),
        ("end", 60, 950.0, None, True),
        ("end", 60, 900.0, 930.0, False),
        ("end", "ever", None, None, False),
        # The clock was set back: by a little, and from a wrong year.
        ("success", 60, 1060.0, None, True),
        ("success", 60, 9_000_000.0, None, False),
        ("end", 60, 9_000_000.0, 950.0, True),
        ("success", "ever", 9_000_000.0, None, True),
    ],
)
def test_a_dependency_with_within_is_met_by_an_end_that_is_recent_enough(
    on: str, within: Any, success: Any, failure: Any, met: bool
) -> None:
    one = task(task_schedule="@daily", task_dependencies=[{"task_id": "a", "on": on, "within": within}])
    assert waits_for(one, {("backup", "a")}, {"a": Ends(success, failure)}) == ([] if met else ["a"])


def test_an_end_puts_a_token_down_for_each_enabled_dependent_that_is_about_it() -> None:
    kinds = {on: {"task_id": "export", "on": on} for on in ("success", "failure", "end")}
    dependents = linked(
        *(task(f"on_{on}", task_dependencies=[kind]) for on, kind in kinds.items()),
        task("off", task_dependencies=["export"], enabled=False),
        task("nightly", task_dependencies=["export"], task_schedule="0 3 * * *"),
        task("state", task_dependencies=[{**kinds["success"], "within": "1h"}], task_schedule="0 3 * * *"),
    )
    result = policy.effects(ended("export", Status.SUCCESS), dependents, 9.0)
    assert result.tokens == [("on_success", "export"), ("on_end", "export:end"), ("nightly", "export")]
    assert result.met == ["state"]
    assert [(run.task_id, detail_text(run.detail)) for run in result.skipped] == [
        ("on_failure", "export ended as success")
    ]
    for status in (Status.BUSINESS_FAILURE, Status.TECHNICAL_FAILURE):
        result = policy.effects(ended("export", status, Reason.EXIT_CODE), dependents, 9.0)
        assert result.tokens == [("on_failure", "export:failure"), ("on_end", "export:end")]
        assert (result.met, [run.task_id for run in result.skipped]) == ([], ["on_success"])
    for status, reason in ((Status.SKIPPED, Reason.UPSTREAM_FAILED), (Status.MISSED, Reason.DOWNTIME)):
        result = policy.effects(ended("export", status, reason), dependents, 9.0)
        assert (result.tokens, result.met) == ([], [])
        assert [run.task_id for run in result.skipped] == ["on_success", "on_failure", "on_end"]


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (Status.BUSINESS_FAILURE, Reason.EXIT_CODE, "export ended as business_failure (exit_code)"),
        (Status.TECHNICAL_FAILURE, Reason.TIMEOUT, "export ended as technical_failure (timeout)"),
        (Status.CANCELLED, Reason.USER, "export ended as cancelled (user)"),
        (Status.MISSED, Reason.DOWNTIME, "export ended as missed (downtime)"),
        (Status.CANCELLED, None, "export ended as cancelled"),
    ],
)
def test_any_other_end_skips_dependents_without_a_schedule_with_the_cause(
    status: Status, reason: Any, code: str
) -> None:
    dependents = linked(
        task("report", task_dependencies=["export", {"task_id": "load", "within": "ever"}]),
        task("off", task_dependencies=["export"], enabled=False),
        task("nightly", task_dependencies=["export"], task_schedule="0 3 * * *"),
    )
    result = policy.effects(ended("export", status, reason), dependents, 9.0)
    assert result.tokens == []
    assert [(run.task_id, run.status, run.reason, detail_text(run.detail)) for run in result.skipped] == [
        ("report", Status.SKIPPED, "upstream_failed", code)
    ]
    assert policy.effects(ended("load", status, reason), dependents, 9.0) == policy.Effects([], [], [])


def test_a_skip_goes_on_down_the_chain() -> None:
    dependents = linked(
        task("b", task_dependencies=["a"]), task("c", task_dependencies=[{"task_id": "b", "on": "end"}])
    )
    skipped = policy.effects(ended("a", Status.TECHNICAL_FAILURE, Reason.SIGNAL), dependents, 9.0).skipped
    assert [(run.task_id, detail_text(run.detail)) for run in skipped] == [
        ("b", "a ended as technical_failure (signal)"),
        ("c", "b ended as skipped (upstream_failed)"),
    ]


def test_a_dependent_is_skipped_once_however_many_ways_lead_to_it() -> None:
    """A diamond: the nearest cause is named, of several as near the first."""
    dependents = linked(
        task("b", task_dependencies=["a"]),
        task("c", task_dependencies=["a"]),
        task("d", task_dependencies=["b", "c"]),
    )
    skipped = policy.effects(ended("a", Status.BUSINESS_FAILURE, Reason.EXIT_CODE), dependents, 9.0).skipped
    assert [(run.task_id, run.detail and run.detail.values["task"]) for run in skipped] == [
        ("b", "a"),
        ("c", "a"),
        ("d", "b"),
    ]


def test_a_failure_before_many_layers_costs_one_row_a_task() -> None:
    """40 layers of 3 tasks, each of which depends on the whole layer before: there are 3 ** 40 ways to the last."""
    layers = [["root"], *([f"t{layer}_{place}" for place in range(3)] for layer in range(40))]
    dependents = linked(
        *(task(later, task_dependencies=layer) for layer, after in zip(layers, layers[1:]) for later in after)
    )
    skipped = policy.effects(ended("root", Status.TECHNICAL_FAILURE, Reason.EXIT_CODE), dependents, 9.0).skipped
    assert [run.task_id for run in skipped] == [name for layer in layers[1:] for name in layer]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.SKIPPED, Reason.OVERLAP),
        (Status.SKIPPED, Reason.QUEUE_FULL),
        (Status.SKIPPED, Reason.SUPERSEDED),
        (Status.CANCELLED, Reason.REPLACED),
    ],
)
def test_an_end_in_whose_place_another_run_stands_decides_nothing(status: Status, reason: Reason) -> None:
    dependents = linked(task("b", task_dependencies=["a"]))
    assert policy.effects(ended("a", status, reason), dependents, 9.0) == policy.Effects([], [], [])


# -------------------------------------------------------------------------------------------------- misfire, catch-up


def gap(*dues: int) -> MissedWindow:
    return MissedWindow(dues, len(dues), dues[0])


HOUR = 3600


@pytest.mark.parametrize(
    ("misfire", "runs", "missed"),
    [
        (Misfire.LATEST, [300], [100, 200]),
        (Misfire.ALL, [200, 300], [100]),
        (Misfire.SKIP, [], [100, 200, 300]),
    ],
)
def test_downtime_is_caught_up_by_the_tasks_rule_within_its_grace(
    misfire: Misfire, runs: list[int], missed: list[int]
) -> None:
    plan = policy.catch_up(gap(100, 200, 300), misfire, 150, 340.0, downtime=True)
    assert plan == CatchUp(
        [DueRun(due, Trigger.CATCHUP) for due in runs],
        [MissedRange(due, due, 1, Reason.DOWNTIME) for due in missed],
    )


def test_what_is_older_than_the_grace_is_missed_even_if_it_is_the_latest() -> None:
    plan = policy.catch_up(gap(100), Misfire.LATEST, 60, 1000.0, downtime=True)
    assert plan == CatchUp([], [MissedRange(100, 100, 1, Reason.DOWNTIME)])


@pytest.mark.parametrize("misfire", list(Misfire))
def test_a_due_time_met_at_once_runs_on_schedule_whatever_the_rule(misfire: Misfire) -> None:
    plan = policy.catch_up(gap(100), misfire, HOUR, 100.01, downtime=False)
    assert plan == CatchUp([DueRun(100, Trigger.SCHEDULE)], [])


def test_an_engine_held_up_for_seconds_still_starts_the_newest_on_schedule_and_misses_the_older() -> None:
    plan = policy.catch_up(gap(100, 101, 102, 103), Misfire.LATEST, HOUR, 109.0, downtime=False)
    assert plan.runs == [DueRun(103, Trigger.SCHEDULE)]
    assert plan.missed == [MissedRange(due, due, 1, Reason.LATE) for due in (100, 101, 102)]


def test_an_engine_held_up_for_longer_than_the_grace_starts_nothing() -> None:
    assert policy.catch_up(gap(100), Misfire.LATEST, 5, 109.0, downtime=False) == CatchUp(
        [], [MissedRange(100, 100, 1, Reason.LATE)]
    )


def test_with_all_the_older_ones_of_a_held_up_engine_run_too_and_the_newest_after_them() -> None:
    plan = policy.catch_up(gap(100, 103), Misfire.ALL, HOUR, 109.0, downtime=False)
    assert plan == CatchUp([DueRun(100, Trigger.CATCHUP), DueRun(103, Trigger.CATCHUP)], [])


def test_after_a_sleep_of_an_hour_the_rule_decides() -> None:
    assert policy.catch_up(gap(100), Misfire.SKIP, 2 * HOUR, 3700.0, downtime=False) == CatchUp(
        [], [MissedRange(100, 100, 1, Reason.LATE)]
    )
    assert policy.catch_up(gap(100), Misfire.LATEST, 2 * HOUR, 3700.0, downtime=False) == CatchUp(
        [DueRun(100, Trigger.CATCHUP)], []
    )


def test_very_many_missed_due_times_are_one_row_with_their_count_and_span() -> None:
    dues = list(range(0, 60 * 500, 60))
    plan = policy.catch_up(MissedWindow(dues, 500, 0), Misfire.LATEST, HOUR, dues[-1] + 30.0, downtime=True)
    assert plan.runs == [DueRun(dues[-1], Trigger.CATCHUP)]
    assert plan.missed == [MissedRange(0, dues[-2], 499, Reason.DOWNTIME)]


def test_a_catch_up_never_starts_more_than_a_thousand_runs() -> None:
    dues = list(range(10_000, 11_001))
    plan = policy.catch_up(MissedWindow(dues, 90_000, 7), Misfire.ALL, 1e9, 11_001.0, downtime=True)
    assert [run.due for run in plan.runs] == dues[1:]
    assert plan.missed == [MissedRange(7, 10_000, 89_000, Reason.DOWNTIME)]


@given(
    steps=st.lists(st.integers(1, 4000), min_size=1, max_size=150),
    misfire=st.sampled_from(Misfire),
    grace=st.integers(0, 10_000),
    late=st.floats(0, 10_000),
    downtime=st.booleans(),
)
@settings(derandomize=True, deadline=None)
def test_every_due_time_of_a_gap_is_in_the_plan_exactly_once(
    steps: list[int], misfire: Misfire, grace: int, late: float, downtime: bool
) -> None:
    dues = [sum(steps[: index + 1]) for index in range(len(steps))]
    plan = policy.catch_up(gap(*dues), misfire, grace, dues[-1] + late, downtime)
    covered = [run.due for run in plan.runs]
    for span in plan.missed:
        within = [due for due in dues if span.first <= due <= span.last]
        assert len(within) == span.due_times
        covered += within
    assert sorted(covered) == dues
