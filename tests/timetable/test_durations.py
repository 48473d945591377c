"""Durations and jitter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisched.timetable import DurationError, format_duration, jitter_offset, parse_duration
from support.texts import in_both


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (300, 300.0),
        (0.5, 0.5),
        (0, 0.0),
        ("90s", 90.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d12h", 129600.0),
        ("1d2h3m4s", 93784.0),
        ("1.5h", 5400.0),
        ("0.25s", 0.25),
        ("366d", 366 * 86400.0),
        (366 * 86400, 366 * 86400.0),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_a_text_with_units(value, seconds):
    parsed = parse_duration(value)
    assert parsed == seconds
    assert type(parsed) is float


@pytest.mark.parametrize(
    "value",
    [
        *["", "5 min", "5", "m", "5M", "5m ", " 5m", "-5m", "+5m", "5s1m", "1h1h", "1e3s", ".5s", "5.s", "٥m", "5ms"],
        *["1w", "inf", True, False, None, [], {}, b"5m", -1, -0.1, float("nan"), float("-inf")],
    ],
)
def test_what_is_no_duration_is_refused_with_the_rule(value):
    with pytest.raises(ValueError, match=r'^expected a duration such as 300 or "5m"$'):
        parse_duration(value)


@pytest.mark.parametrize("value", ["367d", "366d1s", "9" * 12 + "d", 366 * 86400 + 1, 1e300, float("inf"), 10**400])
def test_more_than_366_days_are_refused_with_the_limit(value):
    with pytest.raises(DurationError, match="at most 366 days") as caught:
        parse_duration(value)
    in_both(caught.value.rule)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "0.5s"),
        (90, "1m30s"),
        (129600, "1d12h"),
        (3600, "1h"),
        (3.2071, "3.207s"),
        (59.9999, "1m"),
        (0.0001, "0s"),
        (86400.25, "1d0.25s"),
        (100, "1m40s"),
        (-90, "-1m30s"),
        (-0.0001, "0s"),
    ],
)
def test_a_duration_has_one_canonical_text(seconds, text):
    assert format_duration(seconds) == text


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 366 * 86400 * 1000))
def test_the_canonical_text_is_read_back_to_the_millisecond(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


def test_jitter_is_a_fixed_share_of_a_task_and_a_due_time():
    assert jitter_offset("backup", 1_800_000_000, 60.0) == jitter_offset("backup", 1_800_000_000, 60.0)
    assert jitter_offset("backup", 1_800_000_000, 60.0) == pytest.approx(38.8298, abs=1e-4)  # the same on every host
    assert jitter_offset("backup", 1_800_000_000, 0) == 0


@pytest.mark.parametrize(
    "offsets",
    [
        [jitter_offset(f"task_{number:04}", 1_800_000_000, 100.0) for number in range(2000)],
        [jitter_offset("backup", 1_800_000_000 + 60 * number, 100.0) for number in range(2000)],
    ],
    ids=["over tasks", "over due times"],
)
def test_jitter_spreads_evenly(offsets):
    assert all(0 <= offset < 100 for offset in offsets)
    tenths = [sum(1 for offset in offsets if offset // 10 == tenth) for tenth in range(10)]
    assert min(tenths) > 150
    assert max(tenths) < 250
