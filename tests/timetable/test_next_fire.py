"""When schedules are due: compared with a walk over every minute, and rule by rule."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta, timezone
from functools import cache
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisched.timetable import (
    count_fires,
    fires_between,
    latest_fires,
    load_zone,
    next_fire,
    next_fires,
    next_of,
    parse_schedule,
)
from support.bruteforce import due_in, window

DAY = 86400
BOUNDED = settings(max_examples=70, deadline=None, derandomize=True)

# Nights (UTC dates) with a change of offset, and what is odd about them.
NIGHTS = [
    ("America/New_York", "2027-03-14"),
    ("America/New_York", "2027-11-07"),
    ("Europe/Berlin", "2027-03-28"),
    ("Europe/Berlin", "2027-10-31"),
    ("Australia/Lord_Howe", "2027-04-03"),  # half an hour
    ("Australia/Lord_Howe", "2027-10-02"),
    ("Africa/Casablanca", "2027-02-07"),  # Ramadan
    ("Africa/Casablanca", "2027-03-14"),
    ("America/Havana", "2027-03-14"),  # at midnight
    ("America/Havana", "2027-11-07"),  # back from 01:00 to 00:00
    ("Asia/Beirut", "2027-03-27"),  # at midnight
    ("Asia/Beirut", "2027-10-30"),  # back over midnight into the day before
    ("Antarctica/Troll", "2027-03-28"),  # two hours
    ("Antarctica/Troll", "2027-10-31"),
    ("Europe/Dublin", "2027-03-28"),  # winter is the DST here
    ("Europe/Dublin", "2027-10-31"),
    ("America/Sao_Paulo", "2018-11-04"),  # at midnight
    ("America/Sao_Paulo", "2018-02-18"),
    ("America/St_Johns", "2010-03-14"),  # at 00:01
    ("America/St_Johns", "2010-11-07"),
    ("Asia/Shanghai", "1986-05-03"),
    ("Asia/Shanghai", "1991-09-14"),
    ("Asia/Shanghai", "2027-03-28"),  # nothing
    ("UTC", "2027-03-28"),
    ("Pacific/Apia", "2011-12-30"),  # a whole day left out
    ("Pacific/Kwajalein", "1993-08-21"),
    ("Antarctica/Casey", "2009-10-17"),  # three hours, just within the rule
    ("Antarctica/Casey", "2010-03-04"),
    ("Antarctica/Vostok", "1994-01-31"),  # seven hours back, beyond it
    ("Antarctica/Vostok", "1994-11-01"),
    ("Asia/Pyongyang", "2018-05-04"),  # half an hour, for good
]


def stamp(text, zone=timezone.utc):
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


def walls(instants, zone):
    return [datetime.fromtimestamp(instant, zone).isoformat() for instant in instants]


def series(text, zone, after, count):
    """`count` answers of next_fire, each from the one before."""
    found = []
    for _ in range(count):
        after = next_fire(parse_schedule(text), after, zone)
        if after is None:
            break
        found.append(after)
    return found


@cache
def night(number):
    name, day = NIGHTS[number]
    zone = load_zone(name)
    return zone, window(zone, stamp(day) - DAY - 5 * 3600, stamp(day) + 2 * DAY)


@cache
def seconds_of_change(number):
    """Five hours around a night's change, second by second."""
    zone, rows = night(number)
    change = next((row[0] for row, last in zip(rows[1:], rows) if row[2] != last[2]), rows[1500][0])
    return zone, window(zone, change - 9000, change + 9000, 1)


def items(low, high, steps=(2, 3, 7, 15)):
    number = st.integers(low, high).map(str)
    pair = st.tuples(number, number).map("-".join)
    step = st.sampled_from([str(s) for s in steps])
    stepped = st.tuples(st.one_of(number, pair, st.just("*")), step).map("/".join)
    return st.one_of(number, pair, stepped)


def field(low, high):
    return st.one_of(st.just("*"), st.lists(items(low, high), min_size=1, max_size=3).map(",".join))


night_hours = ["0", "1", "2", "3", "23", "22-3", "0,2", "1-3", "*/2", "23-1"]
near_midnight = st.one_of(field(0, 23), st.sampled_from(night_hours))
minutes = st.one_of(field(0, 59), st.sampled_from(["0", "30", "0,30", "*/15", "59", "1"]))
any_day = st.one_of(
    st.just("* * *"),
    st.just("* * *"),
    st.tuples(field(1, 28), st.just("*"), field(0, 6)).map(" ".join),
    st.sampled_from(["L * *", "LW * *", "15W,L * *", "? * 6L", "* * 0#1,0#2,6#5", "31 * 5L,0", "*/2 * 0#1,1-6"]),
)
cron = st.tuples(minutes, near_midnight, any_day).map(" ".join)
nights = st.integers(0, len(NIGHTS) - 1)


def check_against(text, zone, rows, step):
    """All questions over the rows of one window, answered by the walk over them."""
    first, last = rows[0][0] + 4 * 3600 * (step == 60), rows[-1][0]
    expected = [due for due in due_in(text, rows, step) if first < due <= last]
    schedule = parse_schedule(text)
    assert fires_between([schedule], first, last, zone, 10**6) == expected
    assert count_fires([schedule], first, last, zone) == len(expected)
    assert latest_fires([schedule], first, last, zone, 5) == expected[-5:]
    return schedule, expected, first, last


@settings(BOUNDED, max_examples=250)
@given(cron, nights)
def test_around_each_change_of_offset_the_series_is_that_of_a_walk_over_the_minutes(text, number):
    zone, rows = night(number)
    check_against(text, zone, rows, 60)


@pytest.mark.parametrize("number", range(len(NIGHTS)), ids=map(" ".join, NIGHTS))
@pytest.mark.parametrize(
    "text", ["30 2 * * *", "*/15 * * * *", "@hourly", "0 3 * * *", "0,30 0-3 * * *", "*/20 23,0,1 * * *", "0 0 * * *"]
)
def test_the_usual_schedules_are_right_in_each_of_the_nights(text, number):
    zone, rows = night(number)
    plain = "0 * * * *" if text == "@hourly" else text
    expected = [due for due in due_in(plain, rows) if due > rows[300][0]]
    assert fires_between([parse_schedule(text)], rows[300][0], rows[-1][0], zone, 10**6) == expected


@settings(BOUNDED, max_examples=20)
@given(field(0, 59), minutes, near_midnight, nights)
def test_with_seconds_the_series_is_that_of_a_walk_over_the_seconds(seconds, minute, hour, number):
    zone, rows = seconds_of_change(number)
    text = f"{seconds} {minute} {hour} * * *"
    expected = [due for due in due_in(text, rows, 1) if due > rows[0][0]]
    schedule = parse_schedule(text)
    assert count_fires([schedule], rows[0][0], rows[-1][0], zone) == len(expected)
    assert fires_between([schedule], rows[0][0], rows[-1][0], zone, 500) == expected[:500]
    assert latest_fires([schedule], rows[0][0], rows[-1][0], zone, 100) == expected[-100:]


@BOUNDED
@given(cron, nights, st.floats(0, 1))
def test_asked_at_any_instant_it_gives_the_next_of_the_one_series(text, number, share):
    zone, rows = night(number)
    _, expected, first, last = check_against(text, zone, rows, 60)
    after = first + share * (last - first)
    position = bisect_right(expected, after)
    answer = next_fire(parse_schedule(text), after, zone)
    if position < len(expected):
        assert answer == expected[position]
    else:
        assert answer is None or answer > last


@BOUNDED
@given(st.lists(cron, min_size=1, max_size=4), nights, st.integers(0, 40))
def test_several_schedules_are_due_when_any_is_with_one_run_for_one_instant(texts, number, limit):
    zone, rows = night(number)
    first, last = rows[300][0], rows[-1][0]
    expected = sorted({due for text in texts for due in due_in(text, rows) if due > first})
    schedules = [parse_schedule(text) for text in texts]
    assert fires_between(schedules, first, last, zone, limit) == expected[:limit]
    assert latest_fires(schedules, first, last, zone, limit) == (expected[-limit:] if limit else [])
    assert count_fires(schedules, first, last, zone) == len(expected)
    if expected:
        assert next_of(schedules, first, zone) == expected[0]


@settings(BOUNDED, max_examples=60)
@given(
    minutes,
    near_midnight,
    st.one_of(st.just("*"), field(1, 28)),
    st.one_of(st.just("*"), field(1, 12)),
    st.one_of(st.just("*"), field(0, 6)),
)
def test_plain_forms_in_utc_are_those_of_croniter(minute, hour, day, month, weekday):
    # What croniter reads in its own way: `5-5` as the whole field; a range that wraps, with a step.
    for part in ",".join((minute, hour, day, month, weekday)).split(","):
        low, _, high = part.partition("/")[0].partition("-")
        if high and int(low) >= int(high):
            return
    if any(part[0] != "*" and "/" in part and "-" not in part for part in weekday.split(",")):
        return  # before version 4, `1/2` went on to 7, which is Sunday
    text = f"{minute} {hour} {day} {month} {weekday}"
    # Rule 4 is Debian's, croniter's is another where both day fields are restricted and one begins with a star.
    if (day[0] == "*" and day != "*") or (weekday[0] == "*" and weekday != "*"):
        return
    expected = [stamp(wall.isoformat()) for wall in islice(by_croniter(text, datetime(2027, 1, 30, 5, 17)), 30)]
    assert series(text, timezone.utc, stamp("2027-01-30T05:17"), 30) == expected


def by_croniter(text, after):
    """The wall times that croniter finds later than a naive one; it handles changes of offset in its own way."""
    croniter = pytest.importorskip("croniter").croniter
    try:
        found = croniter(text, after, ret_type=datetime)
    except (ValueError, KeyError):
        pytest.skip("this croniter does not know W")
    while True:
        yield found.get_next()


LAST_AND_NTH_DAYS = [
    "L * *",
    *(f"* * L{day}" for day in range(7)),
    *(f"* * {day}#{nth}" for day in range(7) for nth in range(1, 6)),
]
NEAREST_WEEKDAYS = ["15W * *", "1W * *", "31W * *", "30W * *"]


@pytest.mark.parametrize("days", [*LAST_AND_NTH_DAYS, *NEAREST_WEEKDAYS])
def test_the_days_of_the_dialect_are_those_of_croniter_in_every_kind_of_year(days):
    """Twenty-eight years have each length of February on each weekday; 2100 is not a leap year."""
    for start, stop in ((2000, 2028), (2100, 2101)):
        if start == 2100 and days in NEAREST_WEEKDAYS:
            continue
        end = datetime(stop, 1, 1)
        expected = []
        for wall in by_croniter(f"0 0 {days}", datetime(start, 1, 1) - timedelta(minutes=1)):
            if wall >= end:
                break
            expected.append(stamp(wall.isoformat()))
        after, last = stamp(f"{start}-01-01") - 60, stamp(f"{stop}-01-01") - 1
        assert fires_between([parse_schedule(f"0 0 {days}")], after, last, timezone.utc, 10**4) == expected


ZONES_WITH_CHANGES = (
    "Europe/Berlin",  # changes on the last Sunday
    "America/New_York",  # on the second and the first Sunday
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Beirut",
    "Antarctica/Troll",
    "America/Santiago",
    "Africa/Casablanca",
)


def instant_of(wall, zone):
    """The rule for fixed times: the first pass of a repeated time; the instant of the change for a skipped one."""
    local = wall.replace(tzinfo=zone)
    instant = int(local.timestamp())
    if datetime.fromtimestamp(instant, zone).replace(tzinfo=None) == wall:
        return instant
    offset = local.utcoffset()
    while datetime.fromtimestamp(instant - 60, zone).utcoffset() != offset:
        instant -= 60
    return instant


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(
    st.integers(0, 59),
    st.integers(0, 23) | st.integers(0, 3),
    st.sampled_from(LAST_AND_NTH_DAYS),
    st.sampled_from(["*", "*", "3", "10,11", "2-4", "9-11"]),
    st.sampled_from(ZONES_WITH_CHANGES),
    st.datetimes(datetime(2010, 1, 1), datetime(2035, 12, 31)),
)
def test_the_dialect_is_that_of_croniter_on_the_nights_of_the_changes_too(minute, hour, days, months, zone, after):
    zone = load_zone(zone)
    after = after.replace(second=0, microsecond=0)
    text = f"{minute} {hour} {days.replace(' *', ' ' + months, 1) if days[0] == 'L' else '* ' + months + days[3:]}"
    walls = by_croniter(text, after - timedelta(days=1))
    start = int(after.replace(tzinfo=timezone.utc).timestamp())
    expected = []
    while len(expected) < 6:
        instant = instant_of(next(walls), zone)
        if instant > start:
            expected.append(instant)
    assert series(text, zone, start, 6) == expected


def test_the_spring_gap_runs_a_fixed_time_once_at_the_first_instant_after_it():
    berlin = load_zone("Europe/Berlin")
    after = stamp("2027-03-27T12:00")
    assert walls(series("30 2 * * *", berlin, after, 2), berlin) == [
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
    ]


@pytest.mark.parametrize("text", ["0,10,20 2 * * *", "30 2,3 * * *", "0 2,3 * * *", "* 30 2 * * *"])
def test_several_times_in_the_gap_and_one_due_at_the_change_make_one_run(text):
    berlin = load_zone("Europe/Berlin")
    change = stamp("2027-03-28T01:00")
    assert fires_between([parse_schedule(text)], change - 60, change + 1799, berlin, 9) == [change]
    assert count_fires([parse_schedule(text)], change - 60, change + 1799, berlin) == 1


def test_a_wildcard_follows_the_wall_clock_and_gets_nothing_made_up_in_the_gap():
    berlin = load_zone("Europe/Berlin")
    assert walls(series("*/10 2 * * *", berlin, stamp("2027-03-28T00:00"), 1), berlin) == ["2027-03-29T02:00:00+02:00"]


def test_an_autumn_night_runs_a_fixed_time_on_the_first_pass_only():
    berlin = load_zone("Europe/Berlin")
    assert walls(series("30 2 * * *", berlin, stamp("2027-10-30T12:00"), 2), berlin) == [
        "2027-10-31T02:30:00+02:00",
        "2027-11-01T02:30:00+01:00",
    ]


def test_an_autumn_night_runs_a_wildcard_in_both_passes():
    berlin = load_zone("Europe/Berlin")
    assert walls(series("@hourly", berlin, stamp("2027-10-30T23:30"), 4), berlin) == [
        "2027-10-31T02:00:00+02:00",
        "2027-10-31T02:00:00+01:00",
        "2027-10-31T03:00:00+01:00",
        "2027-10-31T04:00:00+01:00",
    ]


def test_a_day_that_the_calendar_of_a_zone_left_out_is_not_made_up():
    apia = load_zone("Pacific/Apia")
    assert walls(series("0 8 * * *", apia, stamp("2011-12-29T12:00"), 2), apia) == [
        "2011-12-29T08:00:00-10:00",
        "2011-12-31T08:00:00+14:00",
    ]


def test_a_minute_that_begins_with_a_star_makes_a_wildcard_and_the_seconds_do_not():
    berlin = load_zone("Europe/Berlin")
    first, last = stamp("2027-10-31T00:00"), stamp("2027-10-31T03:00")
    assert count_fires([parse_schedule("*/20 30 2 * * *")], first, last, berlin) == 3
    assert count_fires([parse_schedule("0 */20 2 * * *")], first - 1, last, berlin) == 6
    assert count_fires([parse_schedule("*,30 2 * * *")], first - 1, last, berlin) == 120


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 0 13 * fri", ["2027-08-06", "2027-08-13", "2027-08-20"]),  # either
        ("0 0 1 * fri", ["2027-08-01", "2027-08-06", "2027-08-13"]),
        ("0 0 */13 * fri", ["2027-08-27", "2027-10-01"]),  # both: 1, 14, 27
        ("0 0 13 * */5", ["2027-08-13", "2028-02-13"]),  # both: Sunday, Friday
        ("0 0 ? * 3", ["2027-08-04", "2027-08-11"]),
        ("0 0 L * 5#1", ["2027-08-06", "2027-08-31", "2027-09-03"]),
        ("0 0 1-31 * mon", ["2027-08-01", "2027-08-02", "2027-08-03"]),
    ],
)
def test_both_day_fields_restricted_is_either_and_a_star_in_front_makes_it_both(text, days):
    found = series(text, timezone.utc, stamp("2027-07-31T12:00"), len(days))
    assert [datetime.fromtimestamp(due, timezone.utc).date().isoformat() for due in found] == days


@pytest.mark.parametrize(
    ("text", "day"),
    [("0 0 29 2 *", "2028-02-29"), ("0 0 */28 2 mon#5", "2044-02-29"), ("0 0 31 2 1", "2027-02-01")],
)
def test_what_is_rare_is_found(text, day):
    (due,) = series(text, timezone.utc, stamp("2026-03-01"), 1)
    assert due == stamp(day)


def test_the_leap_day_is_found_over_the_year_2100():
    (due,) = series("0 0 29 2 *", timezone.utc, stamp("2096-03-01"), 1)
    assert datetime.fromtimestamp(due, timezone.utc).year == 2104


def test_an_interval_is_due_at_its_multiples_since_the_epoch():
    every = parse_schedule("@every 90s")
    assert next_fire(every, 0, timezone.utc) == 90
    assert next_fire(every, 89.999, timezone.utc) == 90
    assert next_fire(every, 90, timezone.utc) == 180
    assert next_fire(every, -1, timezone.utc) == 0
    assert fires_between([every], 0, 270, timezone.utc, 9) == [90, 180, 270]
    assert count_fires([every], 0, 1.8e9, timezone.utc) == 20_000_000
    assert next_fires([every], 0, timezone.utc, 3) == [90, 180, 270]
    assert latest_fires([every], 0, 1.8e9, timezone.utc, 2) == [1_799_999_910, 1_800_000_000]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("@at 2026-12-01T08:00", "2026-12-01T08:00:00+01:00"),
        ("@at 2026-12-01 08:00:30", "2026-12-01T08:00:30+01:00"),
        ("@at 2026-12-01T08:00Z", "2026-12-01T09:00:00+01:00"),
        ("@at 2026-12-01T08:00-0500", "2026-12-01T14:00:00+01:00"),
        ("@at 2027-03-28T02:30", "2027-03-28T03:00:00+02:00"),  # in the gap: the first instant after it
        ("@at 2027-10-31T02:30", "2027-10-31T02:30:00+02:00"),  # twice: the first pass
    ],
)
def test_a_time_given_once_is_due_once(text, due):
    berlin = load_zone("Europe/Berlin")
    schedule = parse_schedule(text)
    instant = int(datetime.fromisoformat(due).timestamp())
    assert next_fire(schedule, instant - 10**6, berlin) == instant
    assert next_fire(schedule, instant - 0.5, berlin) == instant
    assert next_fire(schedule, instant, berlin) is None
    assert count_fires([schedule], instant - 1, instant, berlin) == 1
    assert latest_fires([schedule], 0, 2**33, berlin, 5) == [instant]


def test_a_time_given_once_in_a_day_left_out_is_due_when_the_clock_goes_on():
    apia = load_zone("Pacific/Apia")
    (due,) = series("@at 2011-12-30T08:00", apia, 0, 1)
    assert walls([due], apia) == ["2011-12-31T00:00:00+14:00"]


def test_a_boot_is_not_due_by_time():
    reboot = parse_schedule("@reboot")
    assert next_fire(reboot, 0, timezone.utc) is None
    assert next_of([reboot], 0, timezone.utc) is None
    assert next_of([], 0, timezone.utc) is None
    assert count_fires([reboot], 0, 2e9, timezone.utc) == 0
    assert latest_fires([reboot], 0, 2e9, timezone.utc, 3) == []


def test_kinds_of_schedules_are_merged():
    schedules = [parse_schedule(text) for text in ("@every 30m", "0 * * * *", "@at 1970-01-01T00:45", "@reboot")]
    assert fires_between(schedules, 0, 7200, timezone.utc, 9) == [1800, 2700, 3600, 5400, 7200]
    assert count_fires(schedules, 0, 7200, timezone.utc) == 5
    assert latest_fires(schedules, 0, 7200, timezone.utc, 3) == [3600, 5400, 7200]


def test_more_schedules_than_are_counted_by_intersections_are_gone_through():
    schedules = [parse_schedule(f"{minute},30 * * * *") for minute in range(8)]
    assert count_fires(schedules, 0, 7200, timezone.utc) == 18


def test_an_empty_span_holds_nothing():
    minute = parse_schedule("* * * * *")
    assert count_fires([minute], 60, 60, timezone.utc) == 0
    assert count_fires([minute], 120, 60, timezone.utc) == 0
    assert count_fires([], 0, 60, timezone.utc) == 0
    assert fires_between([minute], 120, 60, timezone.utc, 5) == []
    assert latest_fires([minute], 120, 60, timezone.utc, 5) == []
    assert latest_fires([minute], 0, 600, timezone.utc, 0) == []


def test_fifty_six_years_of_minutes_are_counted_by_arithmetic():
    shanghai = load_zone("Asia/Shanghai")
    minute = parse_schedule("* * * * *")
    assert count_fires([minute], 0, 56 * 365 * DAY, shanghai) == 56 * 365 * 1440
    both = [minute, parse_schedule("*/5 * * * *")]
    assert count_fires(both, 0, 56 * 365 * DAY, shanghai) == 56 * 365 * 1440
    assert latest_fires(both, 0, 56 * 365 * DAY, shanghai, 2) == [56 * 365 * DAY - 60, 56 * 365 * DAY]


def test_the_latest_of_a_burst_long_ago_are_found_without_walking_through_it():
    burst = parse_schedule("* * * 1 1 *")
    found = latest_fires([burst], stamp("1971-06-01"), stamp("2026-12-31"), timezone.utc, 2)
    assert found == [stamp("2026-01-01T23:59:58"), stamp("2026-01-01T23:59:59")]


@pytest.mark.parametrize("after", [float("inf"), 1e18, 253_000_000_000, 252_999_999_999.5])
def test_a_clock_beyond_all_calendars_has_nothing_due(after):
    for text in ("* * * * *", "0 0 1 1 *", "@every 1h", "@at 2026-12-01T08:00"):
        answer = next_fire(parse_schedule(text), after, load_zone("Europe/Berlin"))
        assert answer is None or answer <= 253_000_003_600


def test_a_clock_before_all_calendars_is_taken_for_their_beginning():
    due = next_fire(parse_schedule("0 0 1 1 *"), float("-inf"), timezone.utc)
    assert (datetime(1970, 1, 1) + timedelta(seconds=due)).isoformat() == "0006-01-01T00:00:00"


def test_instants_before_1970_are_searched_as_any_other():
    (due,) = series("30 2 * * *", load_zone("Europe/Berlin"), -DAY, 1)
    assert due == stamp("1969-12-31T01:30")


def test_nothing_is_due_when_the_calendar_ends_before_the_next_day():
    assert next_fire(parse_schedule("0 0 29 2 *"), stamp("9984-12-01"), timezone.utc) is None
    for weekday in range(7):  # the leap days left fall on three of them
        assert next_fire(parse_schedule(f"0 0 */28 2 {weekday}#5"), stamp("9984-12-01"), timezone.utc) is None


def test_the_next_due_times_of_several_schedules_are_distinct_and_end_with_them():
    schedules = [parse_schedule(text) for text in ("@at 1970-01-01T00:01Z", "@at 1970-01-01T00:02Z", "@every 60s")]
    assert next_fires(schedules, 0, timezone.utc, 3) == [60, 120, 180]
    assert next_fires(schedules[:2], 0, timezone.utc, 3) == [60, 120]
    assert next_fires([], 0, timezone.utc, 3) == next_fires(schedules, 0, timezone.utc, 0) == []


def test_fifty_years_of_several_kinds_of_schedules_are_counted_without_a_step_for_each() -> None:
    schedules = [parse_schedule("* * * * *"), parse_schedule("@every 90s")]
    years = 50 * 365 * 86_400
    count = count_fires(schedules, 1_800_000_000, 1_800_000_000 + years, timezone.utc)
    assert count == years // 60 + years // 90  # an instant of both counts twice
