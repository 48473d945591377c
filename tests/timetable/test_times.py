"""ISO 8601 times as people write them, the same on every Python."""

from datetime import datetime, timezone

import pytest

from minisched.catalogue import TextError
from minisched.timetable import load_zone, parse_past_due, parse_time

BERLIN = load_zone("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-23", "2026-11-22T23:00:00+00:00"),
        ("2026-11-23T02:30", "2026-11-23T01:30:00+00:00"),
        (" 2026-11-23 02:30:15.5 ", "2026-11-23T01:30:15.500000+00:00"),
        ("2026-11-23T02:30Z", "2026-11-23T02:30:00+00:00"),
        ("2026-11-23t02:30:00+0800", "2026-11-22T18:30:00+00:00"),
        ("2026-10-25T02:30", "2026-10-25T00:30:00+00:00"),  # shown twice: the first
        ("2026-03-29T02:30", "2026-03-29T01:30:00+00:00"),  # skipped: by the offset before the change
    ],
)
def test_a_time_is_one_of_the_zone_unless_it_has_an_offset(text, meant):
    assert datetime.fromtimestamp(parse_time(text, BERLIN), timezone.utc).isoformat() == meant


@pytest.mark.parametrize(
    "text", ["", "now", "2026-02-30", "2026-11-23T25:00", "0001-01-01T00:00+14:00", "20261123", "٢٠٢٦-11-23"]
)
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(TextError, match="expected ISO 8601 such as 2026-11-23T02:30"):
        parse_time(text, BERLIN)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-29T02:30", "2026-03-29T01:00:00+00:00"),  # skipped: when a task with that time was due
        ("2026-10-25T02:30", "2026-10-25T00:30:00+00:00"),  # twice: the first one
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30:00+00:00"),
        ("2026-10-25", "2026-10-24T22:00:00+00:00"),
    ],
)
def test_a_past_due_time_is_that_of_a_task(text, moment):
    assert datetime.fromtimestamp(parse_past_due(text, BERLIN, 1_795_000_000), timezone.utc).isoformat() == moment
    with pytest.raises(TextError, match="still to come"):
        parse_past_due(text, BERLIN, 1_700_000_000)
