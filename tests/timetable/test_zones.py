"""Time zones: names, machines without zone data, and the table of offsets."""

from __future__ import annotations

import os
import subprocess
import sys
import zoneinfo
from datetime import datetime, timedelta, timezone

import pytest

from minisched.timetable import ZoneError, load_zone, local_zone_name
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
def test_an_unknown_zone_is_told_with_the_way_out(name, message):
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
    assert local_zone_name(str(etc)) == name


def test_the_machines_zone_is_then_that_of_etc_timezone(etc):
    (etc / "timezone").write_text("Europe/Berlin\n")
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Shanghai")
    assert local_zone_name(str(etc)) == "Europe/Berlin"


@pytest.mark.parametrize("folder", ["", "posix/", "right/"])
def test_the_machines_zone_is_then_where_etc_localtime_points(etc, folder):
    (etc / "timezone").write_text("nonsense here\n")
    (etc / "localtime").symlink_to(f"{etc}/zoneinfo/{folder}Asia/Shanghai")
    assert local_zone_name(str(etc)) == "Asia/Shanghai"


def test_the_machines_zone_is_utc_when_nothing_tells(etc):
    assert local_zone_name(str(etc)) == "UTC"


def test_the_machines_zone_of_this_machine_can_be_loaded():
    assert load_zone(local_zone_name()) is not None


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
