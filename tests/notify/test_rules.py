"""Which rules fire: by examples, and the same messages as a plain count over the whole history."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisched.model import Batch, Config, HistorySettings, NotifyRule, Status
from minisched.model.notification import FinishedRun, NotificationEvent, RuleState
from minisched.notify import compose, rules
from minisched.store.reader import History
from support.factories import config, task
from support.store import make, opened

S, B, T, L, K, M, C = "S", "B", "T", "L", "K", "M", "C"
ENDS = {
    S: (Status.SUCCESS, None),
    B: (Status.BUSINESS_FAILURE, "exit_code"),
    T: (Status.TECHNICAL_FAILURE, "exit_code"),
    L: (Status.TECHNICAL_FAILURE, "timeout"),
    K: (Status.SKIPPED, "overlap"),
    M: (Status.MISSED, "downtime"),
    C: (Status.CANCELLED, "user"),
}
TRIGGERS = ("success", "business_failure", "technical_failure", "timeout", "missed", "skipped")
MATCHING = {
    "success": {S},
    "business_failure": {B},
    "technical_failure": {T, L},
    "timeout": {L},
    "missed": {M},
    "skipped": {K},
}
HOUR = 3600.0


def a_rule(*triggers: str, **fields: object) -> NotifyRule:
    rule = {"name": "r", "triggers": list(triggers), "channels": [{"type": "file", "path": "n.jsonl"}], **fields}
    return task(task_notify=[rule]).task_notify[0]


class Sent(NamedTuple):
    at: int  # the end that it reports, from 0
    event: str
    streak: int = 1
    suppressed: int = 0


def messages(rule: NotifyRule, ends: str, times: Optional[list[float]] = None, keep: int = 10**6) -> list[Sent]:
    """What the rule sends if a task's runs end like this, one after the other; the history keeps the last `keep`."""
    state, past, sent = RuleState("backup", "r"), [], []
    for number, end in enumerate(ends):
        past.insert(0, FinishedRun(number + 1, *ENDS[end]))
        del past[keep:]
        now = float(number) if times is None else times[number]
        decision = rules.decide(rule, past, state, now)
        state = decision.state
        if decision.event is not None:
            sent.append(Sent(number, decision.event.value, decision.streak, decision.suppressed))
    return sent


def events(rule: NotifyRule, ends: str) -> list[int]:
    return [one.at for one in messages(rule, ends) if one.event == "event"]


@pytest.mark.parametrize(
    ("triggers", "threshold", "ends", "fires_at"),
    [
        (("technical_failure",), 1, "STTS", [1, 2]),
        (("technical_failure",), 3, "TTTTTTT", [2, 5]),
        (("technical_failure",), 3, "TTSTTT", [5]),  # a success breaks the row
        (("technical_failure",), 2, "TBTT", [3]),  # and so does another failure
        (("technical_failure",), 2, "TLTL", [1, 3]),  # a timeout is one
        (("timeout",), 2, "LTLL", [3]),  # but not every technical failure is a timeout
        (("technical_failure", "business_failure"), 3, "TBLBTB", [2, 5]),
        (("technical_failure",), 3, "TKTMTC", [4]),  # skipped, missed and cancelled neither count nor break
        (("technical_failure",), 2, "KMCTKMCKKT", [9]),
        (("missed",), 2, "MSMM", [3]),
        (("missed", "technical_failure"), 2, "MTMT", [1, 3]),
        (("skipped",), 2, "KMKCK", [2]),
        (("success",), 2, "SSTSKS", [1, 5]),
    ],
)
def test_a_rule_fires_at_every_nth_event_of_a_streak(
    triggers: tuple[str, ...], threshold: int, ends: str, fires_at: list[int]
) -> None:
    assert events(a_rule(*triggers, threshold=threshold), ends) == fires_at


def test_the_message_has_the_length_of_the_streak() -> None:
    rule = a_rule("technical_failure", threshold=2)
    assert messages(rule, "TTTT") == [Sent(1, "event", 2), Sent(3, "event", 4)]


def test_the_first_success_after_a_message_is_reported_with_recovery() -> None:
    recovering = a_rule("technical_failure", threshold=2, recovery=True)
    assert messages(recovering, "SSTTKSST") == [Sent(3, "event", 2), Sent(5, "recovery", 0)]
    assert messages(recovering, "STS") == []  # it had not fired
    assert messages(a_rule("technical_failure", threshold=2), "TTS") == [Sent(1, "event", 2)]


def test_a_success_that_is_an_event_itself_is_reported_once() -> None:
    rule = a_rule("success", "technical_failure", recovery=True)
    assert [(one.at, one.event) for one in messages(rule, "TSS")] == [(0, "event"), (1, "event"), (2, "event")]
    rare = a_rule("success", "technical_failure", recovery=True, threshold=2)
    assert [(one.at, one.event) for one in messages(rare, "TTSS")] == [(1, "event"), (2, "recovery"), (3, "event")]


def test_messages_within_the_cooldown_are_counted_in_the_next_one() -> None:
    rule = a_rule("technical_failure", cooldown="1h")
    times = [0.0, 60.0, HOUR - 0.1, HOUR, HOUR + 1]
    assert messages(rule, "TTTTT", times) == [Sent(0, "event", 1), Sent(3, "event", 4, 2)]


def test_a_recovery_follows_at_once_and_only_after_a_message() -> None:
    rule = a_rule("technical_failure", cooldown="1h", recovery=True)
    reported = messages(rule, "TTSTSTST", [0.0, 10, 20, 30, 40, 50, 60, HOUR])
    assert reported == [Sent(0, "event", 1), Sent(2, "recovery", 0, 1), Sent(7, "event", 1, 2)]


def test_a_success_held_back_by_the_cooldown_is_still_the_recovery() -> None:
    rule = a_rule("success", "technical_failure", cooldown="1h", recovery=True)
    assert [one[1:] for one in messages(rule, "TS", [0.0, 1.0])] == [("event", 1, 0), ("recovery", 2, 0)]


def test_a_clock_set_back_does_not_extend_a_cooldown() -> None:
    assert len(messages(a_rule("technical_failure", cooldown="1h"), "TT", [1e9, 1e6])) == 2


def test_a_disabled_rule_counts_from_the_history_once_enabled() -> None:
    off, on = (a_rule("technical_failure", threshold=2, recovery=True, enabled=on) for on in (False, True))
    failed, worked = (FinishedRun(n, *ENDS[end]) for n, end in ((3, T), (4, S)))
    state = RuleState(
        "backup", "r", fired=True, last_time=5.0, suppressed=1, streak=4, streak_until=2, streak_triggers="x"
    )
    decision = rules.decide(off, [failed], state, 9.0)
    assert decision == (None, 0, 0, RuleState("backup", "r", True, 5.0, 1))
    assert not rules.decide(off, [worked], decision.state, 9.0).state.fired
    past = [FinishedRun(n, *ENDS[T]) for n in (4, 3)]
    assert rules.decide(on, past, decision.state, 9.0).streak == 2


def test_other_triggers_are_counted_from_the_history() -> None:
    """A rule that is changed, or new, continues the existing streak."""
    past = [FinishedRun(n, *ENDS[T]) for n in (5, 4, 3)]
    state = RuleState("backup", "r", streak=7, streak_until=4, streak_triggers="business_failure")
    assert rules.decide(a_rule("technical_failure", threshold=3), past, state, 9.0).event is NotificationEvent.EVENT


def test_a_long_streak_is_counted_by_reading_one_run() -> None:
    rule, state = a_rule("technical_failure", threshold=500), RuleState("backup", "r")
    for number in range(1, 1001):
        runs = iter([FinishedRun(n, *ENDS[T]) for n in range(number, 0, -1)])
        decision = rules.decide(rule, runs, state, 0.0)
        state = decision.state
        assert (decision.event is not None) == (number % 500 == 0)
        assert len(list(runs)) >= number - 2  # read: this one, and the one that was counted before


def test_a_neutral_end_reads_no_history() -> None:
    """A long run's due times are skipped by the thousand."""
    rule, new = a_rule("technical_failure", threshold=2), RuleState("backup", "r")
    for state in (new, new._replace(streak=1, streak_until=1, streak_triggers="technical_failure")):
        runs = iter([FinishedRun(n, *ENDS[end]) for n, end in ((4, K), (3, K), (2, K), (1, T))])
        assert rules.decide(rule, runs, state, 0.0) == (None, state.streak, 0, state)
        assert len(list(runs)) == 3


# ----------------------------------------------------------------------------------------------------------- properties


def oracle(rule: NotifyRule, ends: str, times: list[float]) -> list[Sent]:
    """A plain count over the whole history."""
    matching = set().union(*(MATCHING[trigger] for trigger in rule.triggers))
    sent: list[Sent] = []
    row = held = 0
    last: Optional[float] = None
    reported = False  # something other than a success was reported since the last success
    for number, (end, now) in enumerate(zip(ends, times)):
        if end in matching:
            row += 1
        elif end not in (K, M, C):
            row = 0
        fires = end in matching and row % rule.threshold == 0
        if fires and (last is None or not 0 <= now - last < rule.cooldown):
            sent.append(Sent(number, "event", row, held))
            last, held, reported = now, 0, end != S
        elif end == S and reported and rule.recovery:
            sent.append(Sent(number, "recovery", row, held))
            held, reported = 0, False
        else:
            held += fires
            reported = reported and end != S
    return sent


RULES = st.builds(
    lambda triggers, **fields: a_rule(*triggers, **fields),
    st.lists(st.sampled_from(TRIGGERS), min_size=1, unique=True),
    threshold=st.integers(1, 5),
    cooldown=st.sampled_from([0, 3, 10]),
    recovery=st.booleans(),
)
PASTS = st.lists(st.tuples(st.sampled_from("SBTLKMC"), st.sampled_from([0.0, 1.0, 2.0, 5.0, 20.0, -4.0])), max_size=40)


def clocked(past: list[tuple[str, float]]) -> tuple[str, list[float]]:
    now, times = 1000.0, []
    for _, step in past:
        now += step
        times.append(now)
    return "".join(end for end, _ in past), times


@given(rule=RULES, past=PASTS, keep=st.sampled_from([1, 2, 1000]))
@settings(derandomize=True, deadline=None, max_examples=1000)
def test_the_messages_are_those_of_a_plain_count(rule: NotifyRule, past: list[tuple[str, float]], keep: int) -> None:
    """Even if the history keeps one run only."""
    ends, times = clocked(past)
    assert messages(rule, ends, times, keep) == oracle(rule, ends, times)


@given(rule=RULES, past=PASTS, restarts=st.sets(st.integers(0, 40)), keep=st.sampled_from([1, 1000]))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_a_restart_between_any_two_events_changes_no_message(
    rule: NotifyRule, past: list[tuple[str, float]], restarts: set[int], keep: int
) -> None:
    ends, times = clocked(past)
    base = config({"task_id": "backup", "task_exec": "true"})
    backup = base.tasks["backup"]._replace(task_notify=(rule,))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "minisched.db"
        store, ruled = opened(path), Config(base.settings, {"backup": backup})
        for number, (end, now) in enumerate(zip(ends, times)):
            if number in restarts:
                store.retain(HistorySettings(keep_days=36_500, keep_runs=keep), now, 100)
                store.close()
                store = opened(path)
            status, reason = ENDS[end]
            run = make(status=status, reason=reason, created_time=now, end_time=now)
            with store.transaction() as tx:
                compose.add_notices(tx, [run], tx.write(Batch([run])), ruled, "plant7", "/home")
        store.close()
        history = History(str(path))
        deliveries, total = history.deliveries(page_size=200)
        history.close()
    reported = []
    for one in reversed(deliveries):
        numbers = [int(one.variables[name]) for name in ("threshold_count", "suppressed_count")]
        reported.append(Sent(one.run_id - 1, one.event.value, *numbers))
    expected = oracle(rule, ends, times)
    assert reported == [one._replace(streak=0) if one.event == "recovery" else one for one in expected]
    assert total == len(expected)


def test_a_failed_send_is_tried_again_after_a_growing_time() -> None:
    assert [rules.resend_delay(n, 0.5, None) for n in range(1, 10)] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert rules.resend_delay(1, 0.0, None) == pytest.approx(24) and rules.resend_delay(1, 1.0, None) == 36
    assert rules.resend_delay(1, 0.5, 300.0) == 300 and rules.resend_delay(1, 0.5, 1e9) == 86_400
