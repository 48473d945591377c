"""Time zones: names, machines without zone data, and the table of offsets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zoneinfo
from datetime import datetime, timedelta, timezone

import pytest

from minisched.timetable import ZoneError, load_zone, local_zone, local_zone_stamp
from minisched.timetable.zones import segment_at
from support.texts import in_both


def test_an_iana_name_gives_its_zone():
    assert str(load_zone("Europe/Berlin")) == "Europe/Berlin"
    assert load_zone("America/Argentina/Buenos_Aires") is not None
    assert load_zone("Etc/GMT+5").utcoffset(datetime(2026, 1, 1)) == timedelta(hours=-5)


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC"])
def test_utc_needs_no_zone_data(name):
    assert load_zone(name) is timezone.utc


@pytest.mark.parametrize(
    "name",
    [
        *["", " ", "../etc/passwd", "/etc/localtime", "Europe/../Europe/Berlin", "Europe//Berlin", "Europe/Berlin\n"],
        *["Europe/Berlin/", "a\0b", ".hidden", "right/UTC", "posix/UTC", "\ud800", "zone.tab", "x" * 5000, "a/b/c/d/e"],
        *[None, 5],
    ],
)
def test_a_name_that_could_be_a_path_is_refused(name):
    with pytest.raises(ZoneError, match="is not a time zone name; expected an IANA name") as caught:
        load_zone(name)
    in_both(caught.value.text)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Europe/Berln", 'unknown time zone "Europe/Berln"; did you mean "Europe/Berlin"?'),
        ("asia/shanghai", 'did you mean "Asia/Shanghai"?'),
        ("Qqqqqqqq/Zzzzzzz", 'unknown time zone "Qqqqqqqq/Zzzzzzz"; expected an IANA name'),
        ("Europe", 'unknown time zone "Europe"'),  # a folder
        ("leapseconds", 'unknown time zone "leapseconds"'),  # a file beside the zones
    ],
)
def test_an_unknown_zone_is_refused_with_a_hint(name, message):
    with pytest.raises(ZoneError) as caught:
        load_zone(name)
    assert message in str(in_both(caught.value.text).en)


def test_without_zone_data_utc_works_and_others_say_what_to_install(monkeypatch):
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    monkeypatch.setattr(zoneinfo, "ZoneInfo", lambda name: (_ for _ in ()).throw(zoneinfo.ZoneInfoNotFoundError(name)))
    with pytest.raises(
        ZoneError, match=r'no time zone data; install the system package "tzdata" .* or use "UTC"'
    ) as caught:
        load_zone("Europe/Berlin")
    in_both(caught.value.text)
    assert load_zone("UTC") is timezone.utc


def test_a_python_without_any_zone_data_searches_in_utc():
    program = (
        "import sys; sys.modules['tzdata'] = None; from minisched.timetable import *; "
        "assert next_fire(parse_schedule('0 0 * * *'), 0, load_zone('UTC')) == 86400\n"
        "try: load_zone('Europe/Berlin')\n"
        "except ZoneError as error: assert 'tzdata' in str(error)\n"
        "else: raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONTZPATH": ""})


@pytest.fixture
def etc(tmp_path, monkeypatch):
    monkeypatch.delenv("TZ", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Asia/Shanghai", "Asia/Shanghai"),
        (":Asia/Shanghai", "Asia/Shanghai"),
        ("/usr/share/zoneinfo/Asia/Shanghai", "Asia/Shanghai"),
        ("", "UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin"),  # no name: the next source is asked
    ],
)
def test_the_machines_zone_is_that_of_tz_first(etc, monkeypatch, value, name):
    (etc / "timezone").write_text("Europe/Berlin\n")
    monkeypatch.setenv("TZ", value)
    assert local_zone(str(etc)).name == name


def test_the_machines_zone_is_then_that_of_etc_timezone(etc):
    (etc / "timezone").write_text("Europe/Berlin\n")
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Shanghai")
    assert local_zone(str(etc)).name == "Europe/Berlin"


@pytest.mark.parametrize("folder", ["", "posix/", "right/"])
def test_the_machines_zone_is_then_where_etc_localtime_points(etc, folder):
    (etc / "timezone").write_text("nonsense here\n")
    (etc / "localtime").symlink_to(f"{etc}/zoneinfo/{folder}Asia/Shanghai")
    assert local_zone(str(etc)).name == "Asia/Shanghai"


def test_where_no_source_tells_the_zone_utc_is_a_problem(etc):
    found = local_zone(str(etc))
    assert (found.name, found.source) == ("UTC", "")
    assert 'is unknown (no TZ, no /etc/timezone, no usable /etc/localtime), so UTC is used; set "timezone"' in str(
        in_both(found.problem).en
    )
    (etc / "localtime").write_text("no rules")
    assert local_zone(str(etc)) == found
    (etc / "localtime").unlink()
    (etc / "localtime").mkdir()
    assert local_zone(str(etc)) == found


def test_a_regular_etc_localtime_is_read_as_it_is(etc):
    rules = etc / "localtime"
    shutil.copy("/usr/share/zoneinfo/Asia/Shanghai", rules)
    found = local_zone(str(etc))
    assert (found.name, found.source, found.problem) == (f"{rules} (CST-8)", str(rules), None)
    zone = load_zone(found.name)
    assert zone.utcoffset(datetime(2026, 7, 1)) == timedelta(hours=8)
    assert load_zone(found.name) is zone  # so that its table of changes is made once
    assert segment_at(zone, 1_800_000_000).offset == 8 * 3600
    stamp = local_zone_stamp(str(etc))
    shutil.copy("/usr/share/zoneinfo/America/New_York", rules)
    assert local_zone_stamp(str(etc)) != stamp
    other = local_zone(str(etc))
    assert other.name == f"{rules} (EST5EDT,M3.2.0,M11.1.0)"  # another name, so that the tasks have another zone
    assert load_zone(other.name).utcoffset(datetime(2026, 7, 1)) == timedelta(hours=-4)


def test_a_link_to_rules_without_a_name_is_read_too(etc):
    shutil.copy("/usr/share/zoneinfo/Asia/Shanghai", etc / "plant.rules")
    (etc / "localtime").symlink_to("plant.rules")
    found = local_zone(str(etc))
    assert (found.name, found.problem) == (f"{etc}/localtime (CST-8)", None)
    assert load_zone(found.name).utcoffset(datetime(2026, 7, 1)) == timedelta(hours=8)


def test_the_source_of_the_zone_is_known(etc, monkeypatch):
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Shanghai")
    assert local_zone(str(etc)) == ("Asia/Shanghai", str(etc / "localtime"), None)
    (etc / "timezone").write_text("Asia/Singapore\n")  # the same offset: no problem
    assert local_zone(str(etc)) == ("Asia/Singapore", str(etc / "timezone"), None)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert local_zone(str(etc)) == ("Europe/Berlin", "TZ", None)
    monkeypatch.setenv("TZ", f":{etc}/localtime")  # saves the C library a look at the file
    assert local_zone(str(etc)).name == "Asia/Singapore"


def test_two_sources_that_differ_are_a_problem(etc):
    (etc / "timezone").write_text("Etc/UTC\n")
    shutil.copy("/usr/share/zoneinfo/Asia/Shanghai", etc / "localtime")
    found = local_zone(str(etc))
    assert (found.name, found.source) == ("Etc/UTC", str(etc / "timezone"))
    text = str(in_both(found.problem).en)
    assert f"{etc}/timezone names Etc/UTC (+0000)" in text
    assert f"from {etc}/localtime, has the offset +0800" in text


@pytest.mark.parametrize("value", ["Asia/Beijing", "CST-8", "/nowhere/localtime"])
def test_a_tz_that_names_no_zone_is_a_problem(etc, monkeypatch, value):
    (etc / "timezone").write_text("Europe/Berlin\n")
    monkeypatch.setenv("TZ", value)
    found = local_zone(str(etc))
    assert (found.name, found.source) == ("Europe/Berlin", str(etc / "timezone"))
    assert f'TZ is "{value}", which is not the name of a known time zone; schedules use Europe/Berlin' in str(
        in_both(found.problem).en
    )


@pytest.mark.parametrize("change", ["timezone", "link", "target", "gone"])
def test_the_stamp_changes_with_the_files_of_the_zone(etc, change):
    (etc / "timezone").write_text("Europe/Berlin\n")
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    before = local_zone_stamp(str(etc))
    assert local_zone_stamp(str(etc)) == before
    if change == "timezone":
        (etc / "timezone").write_text("Asia/Shanghai\n")
    else:
        (etc / "localtime").unlink()
    if change == "link":
        (etc / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Shanghai")
    elif change == "target":
        shutil.copy("/usr/share/zoneinfo/Europe/Berlin", etc / "localtime")
    assert local_zone_stamp(str(etc)) != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CST", '"CST" is an abbreviation, which several zones use; expected an IANA name such as "Asia/Shanghai"'),
        ("CST8CDT", '"CST8CDT" is an abbreviation'),
        ("CST-8", '"CST-8" is an abbreviation'),
        ("cst", '"cst" is an abbreviation'),
        ("UTC+8", 'or for this fixed offset "Etc/GMT-8" (names of this kind have the sign turned)'),
        ("GMT+8", '"Etc/GMT-8"'),
        ("UTC+08:00", '"Etc/GMT-8"'),
        ("+08:00", '"Etc/GMT-8"'),
        ("UTC-5", '"Etc/GMT+5"'),
        ("+0530", '"+0530" is an offset, not a time zone; expected an IANA name such as "Asia/Kolkata"'),
        ("UTC+20", "is an offset, not a time zone"),
        ("Asia/Beijing", 'did you mean "Asia/Shanghai"?'),
        ("Peking", 'did you mean "Asia/Shanghai"?'),
        ("北京", 'did you mean "Asia/Shanghai"?'),
        ("local", "omit the field for the zone of the machine"),
        ("Factory", 'unknown time zone "Factory"'),
    ],
)
def test_a_name_of_another_kind_is_answered_with_the_way_to_write_it(name, message):
    with pytest.raises(ZoneError) as caught:
        load_zone(name)
    text = str(in_both(caught.value.text).en)
    assert message in text
    assert "UCT" not in text and "CST6CDT" not in text and "Harbin" not in text


def test_the_machines_zone_of_this_machine_can_be_loaded():
    assert load_zone(local_zone().name) is not None


@pytest.mark.parametrize(
    "name",
    ["Europe/Berlin", "Africa/Casablanca", "Pacific/Apia", "Africa/Freetown", "America/Recife", "Australia/Lord_Howe"],
)
def test_the_table_of_offsets_is_that_of_the_zone_hour_by_hour(name):
    zone = load_zone(name)
    for year in (1939, 2000, 2011, 2027):
        begin = datetime(year, 1, 1, tzinfo=timezone.utc)
        before = segment_at(zone, int(begin.timestamp()))
        for hour in range(1, 366 * 24):
            time = begin + timedelta(hours=hour)
            segment = segment_at(zone, int(time.timestamp()))
            assert timedelta(seconds=segment.offset) == time.astimezone(zone).utcoffset()
            if segment is not before:
                assert before.end <= time.timestamp() >= segment.start
                before = segment
