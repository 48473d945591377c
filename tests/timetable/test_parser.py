"""Schedule texts: what is accepted, what it means, and what each refusal says."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisched import catalogue
from minisched.timetable import Schedule, ScheduleError, parse_schedule
from support.bruteforce import BOUNDS, numbers
from support.texts import CHINESE, in_both


def bits(mask):
    return {number for number in range(mask.bit_length()) if mask >> number & 1}


def hours(text):
    return bits(parse_schedule(f"0 {text} * * *").hours)


def weekdays(text):
    return bits(parse_schedule(f"0 0 * * {text}").weekdays)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", set(range(24))),
        ("5", {5}),
        ("05", {5}),
        ("5-5", {5}),
        ("5-8", {5, 6, 7, 8}),
        ("*/6", {0, 6, 12, 18}),
        ("*/99", {0}),
        ("5-11/3", {5, 8, 11}),
        ("20/2", {20, 22}),
        ("23/2", {23}),
        ("22-2", {22, 23, 0, 1, 2}),
        ("22-3/2", {22, 0, 2}),
        ("1,3,3,20-21", {1, 3, 20, 21}),
        ("5,*", set(range(24))),
    ],
)
def test_the_forms_of_an_item_mean_what_debian_says(text, expected):
    assert hours(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", {0}),
        ("7", {0}),
        ("SUN", {0}),
        ("7-7", {0}),
        ("0-7", set(range(7))),
        ("5-7", {5, 6, 0}),
        ("1-7/2", {1, 3, 5, 0}),
        ("fri-mon", {5, 6, 0, 1}),
        ("fri-sun", {5, 6, 0}),
        ("7-2", {0, 1, 2}),
        ("Mon,wed-FRI", {1, 3, 4, 5}),
        ("mon/2", {1, 3, 5}),
        ("7/3", {0, 3, 6}),
        ("mon-fri/2", {1, 3, 5}),
        ("?", set(range(7))),
    ],
)
def test_sunday_is_0_and_7_and_weekdays_have_names(text, expected):
    assert weekdays(text) == expected


def test_months_have_names_in_any_case_also_in_ranges_that_wrap():
    assert bits(parse_schedule("0 0 1 NOV-feb,Jun *").months) == {11, 12, 1, 2, 6}


item = st.one_of(
    st.tuples(st.integers(0, 59), st.integers(0, 59)).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.tuples(st.integers(0, 59), st.integers(0, 59), st.integers(1, 70)).map(lambda t: f"{t[0]}-{t[1]}/{t[2]}"),
    st.tuples(st.integers(0, 59), st.integers(1, 70)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    st.integers(1, 70).map("*/{}".format),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(item, min_size=1, max_size=4).map(",".join))
def test_any_list_of_items_means_what_counting_round_the_field_gives(text):
    assert bits(parse_schedule(f"{text} * * * *").minutes) == numbers(text, *BOUNDS[1])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="0123456789*/-,?LW#@ \tmonjufriat\x00é", max_size=30))
def test_any_text_is_a_schedule_or_a_schedule_error(text):
    try:
        assert parse_schedule(text).text == text.strip(" \t")
    except ScheduleError as error:
        assert ";" in str(error) and CHINESE.search(catalogue.render(error.text, "zh"))


def test_six_fields_have_the_seconds_first_and_five_mean_second_0():
    assert bits(parse_schedule("30 1 2 3 4 *").seconds) == {30}
    assert bits(parse_schedule("1 2 3 4 *").seconds) == {0}


def test_fields_are_parted_by_blanks_and_tabs():
    assert parse_schedule(" \t5\t 4  * *\t* ").hours == 1 << 4


@pytest.mark.parametrize(
    ("macro", "expression"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@Annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@DAILY", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_macros_mean_five_fields_in_any_case(macro, expression):
    one, other = parse_schedule(macro), parse_schedule(expression)
    for name in type(one).__slots__:
        assert getattr(one, name) == getattr(other, name)
    assert one.text == macro


@pytest.mark.parametrize(
    ("text", "special_days", "special_weekdays"),
    [
        ("0 0 L * *", ("L",), ()),
        ("0 0 l,15 * *", ("L",), ()),
        ("0 0 lw,15W,w3 * *", ("LW", "15W", "3W"), ()),
        ("0 0 * * 5L", (), ("L5",)),
        ("0 0 * * L5,7L,friL", (), ("L5", "L0", "L5")),
        ("0 0 * * 5#3,SUN#1,7#2", (), ("5#3", "0#1", "0#2")),
        ("0 0 * * mon-wed#2", (), ("1#2", "2#2", "3#2")),
    ],
)
def test_the_day_dialect_is_kept_item_by_item(text, special_days, special_weekdays):
    schedule = parse_schedule(text)
    assert (schedule.special_days, schedule.special_weekdays) == (special_days, special_weekdays)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("60 * * * *", 'minute: "60" is out of range; allowed are 0 to 59'),
        ("* 24 * * *", 'hour: "24" is out of range; allowed are 0 to 23'),
        ("* * 0 * *", 'day of month: "0" is out of range; allowed are 1 to 31'),
        ("* * 32 * *", 'day of month: "32" is out of range'),
        ("* * * 13 *", 'month: "13" is out of range; allowed are 1 to 12, jan to dec'),
        ("* * * 0 *", 'month: "0" is out of range'),
        ("* * * * 8", 'day of week: "8" is out of range; allowed are 0 to 7, sun to sat'),
        ("60 * * * * *", 'second: "60" is out of range'),
        ("0-60 * * * *", 'minute: "0-60" is out of range'),
        ("*/0 * * * *", 'minute: "*/0" has a step of 0'),
        ("1-5/00 * * * *", 'minute: "1-5/00" has a step of 0'),
        ("*-5 * * * *", 'minute: "*-5" is not valid'),
        ("5/ * * * *", 'minute: "5/" is not valid'),
        ("1,,2 * * * *", 'minute: "" is not valid'),
        ("-5 * * * *", 'minute: "-5" is not valid'),
        ("1.5 * * * *", 'minute: "1.5" is not valid'),
        ("? * * * *", 'minute: "?" is not valid'),
        ("* * ?,5 * *", 'day of month: "?" is not valid'),
        ("* * * * ?/2", 'day of week: "?/2" is not valid'),
        ("mon * * * *", 'minute: "mon" contains the unknown name "mon"'),
        ("* * * mon *", 'month: "mon" contains the unknown name "mon"'),
        ("* * * * JAN", 'day of week: "JAN" contains the unknown name "jan"'),
        ("* * * * monday", 'day of week: "monday" is written "mon"'),
        ("* * * * L", 'day of week: "L" needs a day, such as 5L'),
        ("* * * * 5#6", 'day of week: "5#6" is not valid'),
        ("* * * * 5#0", 'day of week: "5#0" is not valid'),
        ("* * * * xyz#1", 'day of week: "xyz#1" contains the unknown name "xyz"'),
        ("* * * * #1", 'day of week: "#1" is not valid'),
        ("* * W * *", 'day of month: "W" contains the unknown name "w"'),
        ("* * 0W * *", 'day of month: "0W" is out of range'),
        ("* * 32W * *", 'day of month: "32W" is out of range'),
        ("* * L-3 * *", 'day of month: "L-3" contains the unknown name "l"'),
        ("* * 1-5W * *", 'day of month: "1-5W" is not valid'),
        ("* L * * *", 'hour: "L" contains the unknown name "l"'),
        ("* * * *", '"* * * *" has 4 fields; expected five (minute, hour,'),
        ("*", "has 1 field; expected five"),
        ("", "has 0 fields; expected five"),
        ("every 1m", 'with the seconds first; did you mean "@every 1m"?'),
        ("5 minutes", 'did you mean "@every 5m"?'),
        ("every hour", 'did you mean "@every 1h"?'),
        ("daily", 'did you mean "@daily"?'),
        ("2026-12-01T08:00", 'did you mean "@at 2026-12-01T08:00"?'),
        ("every 2 months", "six with the seconds first"),
        ("* * * * * * *", "has 7 fields"),
        ("* * * * *\n", "contains '\\n'; only ASCII text on one line is allowed"),
        ("*\u00a0* * * *", "contains the blank U+00A0; write an ordinary blank instead"),
        ("\u0665 * * * *", "contains '\u0665'; only ASCII"),
        ("每天2点", "'每天2点' contains '每'; only ASCII"),
        ("0 2 ＊ * *", "'0 2 ＊ * *' contains '＊'; write '*' instead"),
        ("0 2 * * 1，2", "contains '，'; write ',' instead"),
        ("0 2–4 * * *", "contains '–'; write '-' instead"),
        ("０ 2 * * *", "contains '０'; write '0' instead"),
        ("0\u30002 * * *", "contains the blank U+3000; write an ordinary blank instead"),
        ("\u202e0 2 * * *", "contains '\\u202e'; only ASCII"),
        ("* * * * * " + "0" * 1000, "the text has 1010 characters; at most 1000 are allowed"),
        ("@fortnightly", '"@fortnightly" is not a known schedule; expected one of @yearly, @annually, @monthly'),
        ("@daily 5", '"@daily 5" has text after @daily; @daily takes no arguments'),
        ("@reboot now", "@reboot takes no arguments"),
        ("@every", 'the interval of "@every" is ""; expected whole seconds from "1s"'),
        ("@every 5 min", 'is "5 min"; expected whole seconds'),
        ("@every 0s", 'is "0s"; expected whole seconds'),
        ("@every 1.5s", 'is "1.5s"; expected whole seconds'),
        ("@every 400d", 'is "400d"; expected whole seconds from "1s" to "366d"'),
        ("@at", 'the time of "@at" is ""; expected a local time such as'),
        ("@at 2026-12-01", 'is "2026-12-01"; expected a local time'),
        ("@at 2026-13-01T08:00", 'is "2026-13-01T08:00"; expected a local time'),
        ("@at 2026-12-01T08:00+25:00", "expected a local time"),
        ("@at 1969-12-31T23:59", "expected a local time"),
        ("@at 9999-12-31T23:59", "expected a local time"),
        ("@at 2026-12-01T08:00:30.5", "expected a local time"),
        ("0 0 30 2 *", 'day of month, month, day of week: "30 2 *" is never due'),
        ("0 0 31 4,6,9,11 *", '"31 4,6,9,11 *" is never due'),
        ("0 0 */31 * 1#2", "is never due"),
    ],
)
def test_a_refusal_names_the_field_the_text_and_what_is_allowed(text, message):
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text)
    assert message in str(caught.value)
    assert in_both(caught.value.text).en == str(caught.value)


def test_a_refusal_quotes_the_whole_text():
    with pytest.raises(ScheduleError, match=r'\(in "0 24 \* \* \*"\)$'):
        parse_schedule("0 24 * * *")


@pytest.mark.parametrize("value", [None, 5, True, b"* * * * *", ["* * * * *"]])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(ScheduleError, match="is not a text") as caught:
        parse_schedule(value)
    in_both(caught.value.text)


@pytest.mark.parametrize("text", ["0 0 31 2 1", "0 0 29 2 *", "0 0 */28 2 0#5", "0 0 31 * *", "0 0 30W 2 *"])
def test_what_is_due_at_some_time_is_accepted(text):
    assert parse_schedule(text).kind == "cron"


@pytest.mark.parametrize(
    ("text", "kind"),
    [("* * * * *", "cron"), ("@Every 90s", "every"), ("@AT 2026-12-01T08:00z", "at"), ("@Reboot", "reboot")],
)
def test_a_schedule_is_its_text_and_cannot_be_changed(text, kind):
    schedule = parse_schedule(f" {text} ")
    assert isinstance(schedule, Schedule)
    assert (schedule.text, schedule.kind, repr(schedule)) == (text, kind, f"parse_schedule({text!r})")
    for same in (parse_schedule(text), copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
        assert same == schedule
        assert hash(same) == hash(schedule)
    assert schedule != parse_schedule("0 0 1 1 *")
    assert schedule != text
    with pytest.raises(AttributeError):
        schedule.text = "* * * * *"
    with pytest.raises(AttributeError):
        del schedule.text
    assert not hasattr(schedule, "__dict__")


# --------------------------------------------------------------------------------------------------- numbers by a hash


def of_task(text, task_id="backup"):
    return parse_schedule(text, task_id)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("H H * * *", {"minutes": range(60), "hours": range(24)}),
        ("0~30 2 * * *", {"minutes": range(31)}),
        ("~ ~5 ~ ~ ~", {"hours": range(6), "days": range(1, 29), "months": range(1, 13), "weekdays": range(7)}),
        ("50~ 2 H H h", {"minutes": range(50, 60), "days": range(1, 29)}),
        ("H H(20-23) 29~31 * *", {"hours": range(20, 24), "days": range(29, 32)}),
        ("H * * * * *", {"seconds": range(60)}),
    ],
)
def test_a_tilde_and_an_h_are_one_number_of_the_range_for_each_task(text, names):
    for field, allowed in names.items():
        found = {getattr(of_task(text, f"task-{number}"), field) for number in range(400)}
        assert found == {1 << number for number in allowed}
        assert getattr(of_task(text), field) == getattr(of_task(text), field)


def test_a_step_after_h_begins_at_a_number_of_the_task():
    assert {of_task("H/15 * * * *", f"t{number}").minutes for number in range(200)} == {
        sum(1 << minute for minute in range(start, 60, 15)) for start in range(15)
    }
    inside = of_task("H(0-29)/10 2 * * *").minutes
    assert bin(inside).count("1") == 3 and not inside >> 30


def test_minute_and_hour_are_different_numbers_and_one_task_is_unlike_another():
    pairs = {(of_task("H H * * *", f"t{n}").minutes, of_task("H H * * *", f"t{n}").hours) for n in range(300)}
    assert len(pairs) > 250


def test_a_number_by_a_hash_is_a_fixed_time_and_part_of_what_the_schedule_is():
    assert of_task("H H * * *").fixed and not of_task("H * * * *").fixed
    assert of_task("H 2 * * *") == of_task("H 2 * * *") != of_task("H 2 * * *", "other")
    assert parse_schedule("0 2 * * *", "a") == parse_schedule("0 2 * * *", "b")
    assert pickle.loads(pickle.dumps(of_task("H 2 * * *"))).minutes == of_task("H 2 * * *").minutes


@pytest.mark.parametrize(
    "text",
    [
        "0~60 2 * * *",
        "30~10 2 * * *",
        "H/61 2 * * *",
        "H/0 2 * * *",
        "H(5-70) 2 * * *",
        "0~30/5 2 * * *",
        "H-5 2 * * *",
    ],
)
def test_a_wrong_range_of_a_hash_is_an_error_that_shows_what_was_written(text):
    with pytest.raises(ScheduleError, match="minute: ") as error:
        of_task(text)
    assert text.split()[0] in str(error.value)
