"""Time zones: names to zones, and a zone's offset as a table of segments.

`zoneinfo` gives the offset of one instant (1.3 us) and hides its table of changes. A search needs many offsets, so the
changes are found once, by probing, and cached: a lookup is then a bisection of a short list.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from minisched.catalogue import TextError
from minisched.model import DAY_S, Text
from minisched.model.text import find_lookalike
from minisched.namedtuple import NamedTuple
from minisched.osutil import read_regular
from minisched.put_off import lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional

MAX_CHANGE_S = 3 * 3600  # a larger change of offset is a correction of the zone: nothing is caught up for it

# A table spans 388 days. The closest two changes in tzdata are 3.98 days apart (Africa/Freetown 1939; 6.9 days since
# 1970), so a probe every 3 days finds each. A table begins 2 days early, because a lookup just after a change needs
# that change in the same table; the largest change is 24 h (Pacific/Apia 2011).
TABLE_BITS = 25
PROBE_S = 3 * DAY_S
MARGIN_S = 2 * DAY_S

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAME = lazy_pattern(r"[A-Za-z0-9_+-]{1,40}(?:/[A-Za-z0-9_+-]{1,40}){0,3}")

ZONE_FOLDER = "/etc"  # has the files that name the machine's zone
LOCALTIME = "localtime"  # the file in /etc with the rules of the machine's zone
MAX_FILE_BYTES = 2**20  # of a file of rules; the largest has 4 KB
NOT_SUGGESTED = {"Factory", LOCALTIME, "posixrules"}
WRONG_NAMES = {
    **dict.fromkeys(("beijing", "peking", "shenzhen", "guangzhou", "北京", "上海", "中国"), "Asia/Shanghai"),
    **dict.fromkeys(("mumbai", "bombay", "delhi", "bangalore", "india"), "Asia/Kolkata"),
}
_OFFSET = lazy_pattern(r"(?:UTC|GMT|utc|gmt)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?")
_RULE = lazy_pattern(rb"[-+<>A-Za-z0-9,./:]+")
_ABBREVIATION = lazy_pattern(r"[A-Z]{2,5}(?:[+-]?[0-9]{1,2}[A-Z]{0,4})?|[a-z]{2,4}t")  # CST, CST-8, CST8CDT, cst


class ZoneError(TextError):
    """An unknown time zone, or a machine without time zone data; the message says how to fix it."""


class Segment(NamedTuple):
    """A span [start, end) of instants with one offset: wall time = instant + offset, all in seconds.

    `skipped`: the wall time that the change at `start` skips; 0 if none, or more than MAX_CHANGE_S.
    `repeat_end`: until this instant the wall clock shows times that it has shown before; `start` if there are none.
    """

    start: int
    end: int
    offset: int
    skipped: int
    repeat_end: int


def segment_at(zone: tzinfo, instant: int) -> Segment:
    """The segment that holds `instant`. A segment also ends at the end of a table, without a change."""
    starts, segments = _table(zone, instant >> TABLE_BITS)
    return segments[bisect_right(starts, instant) - 1]


@lru_cache(maxsize=512)  # a table is under 1 KB: eight zones over 56 years
def _table(zone: tzinfo, number: int) -> tuple[list[int], list[Segment]]:
    instant, stop = (number << TABLE_BITS) - MARGIN_S, (number + 1) << TABLE_BITS
    starts, offsets = [instant], [_offset_at(zone, instant)]
    while instant < stop:
        probe = min(instant + PROBE_S, stop)
        if _offset_at(zone, probe) != offsets[-1]:
            while probe - instant > 1:  # the change lies in (instant, probe]
                middle = (instant + probe) // 2
                if _offset_at(zone, middle) == offsets[-1]:
                    instant = middle
                else:
                    probe = middle
            starts.append(probe)
            offsets.append(_offset_at(zone, probe))
        instant = probe
    segments = [Segment(starts[0], 0, offsets[0], 0, starts[0])]
    for start, offset in zip(starts[1:], offsets[1:]):
        change = offset - segments[-1].offset
        known = abs(change) <= MAX_CHANGE_S
        skipped = change if known and change > 0 else 0
        repeated = -change if known and change < 0 else 0
        segments.append(Segment(start, 0, offset, skipped, start + repeated))
    ends = [*starts[1:], stop]
    return starts, [segment._replace(end=end) for segment, end in zip(segments, ends)]


def _offset_at(zone: tzinfo, instant: int) -> int:
    # Not fromtimestamp: it refuses instants before 1970 on some systems.
    offset = (_EPOCH + timedelta(seconds=instant)).astimezone(zone).utcoffset()
    assert offset is not None, "an aware time has an offset"
    return offset // timedelta(seconds=1)


def first_instant_of(zone: tzinfo, wall: int) -> int:
    """The first instant at which the zone's clock shows `wall` (seconds since 1970-01-01T00:00 by that clock).

    For a wall time that a change skips: the first instant after the change.
    """
    local = (_EPOCH + timedelta(seconds=wall)).replace(tzinfo=zone)  # fold=0: the first pass; in a gap, as before it
    offset = local.utcoffset()
    assert offset is not None, "an aware time has an offset"
    instant = wall - offset // timedelta(seconds=1)
    segment = segment_at(zone, instant)
    return instant if instant + segment.offset == wall else segment.start


def load_zone(name: str, may_suggest: Callable[[], bool] = lambda: True) -> tzinfo:
    """The time zone of an IANA name, or of the file that `local_zone` has named. Raises ZoneError, with a suggestion
    where one is near.

    may_suggest: asked before a similar name is looked for, which takes 4 ms.

    "UTC" needs no time zone data: `ZoneInfo("UTC")` fails on a machine without such data.
    """
    if name in ("UTC", "Etc/UTC"):
        return timezone.utc
    if not isinstance(name, str):
        raise ZoneError(Text("schedules.zone.not_a_name", name=repr(name)))
    if name in _file_zones:
        return _file_zones[name]
    # ZoneInfo would open "../x" and "/etc/passwd"; the "right/" copies of zones count leap seconds.
    if not _NAME.fullmatch(name) or name.startswith(("right/", "posix/")):
        found, meant = find_lookalike(name)
        if meant.strip():
            raise ZoneError(Text("schedules.full_width", text=repr(name), character=repr(found), ascii=repr(meant)))
        raise ZoneError(_advice(name) or Text("schedules.zone.not_a_name", name=repr(name)))
    from zoneinfo import ZoneInfo  # imported here: 4 ms, which `minisched --help` does not need

    try:
        if name == "Factory":  # the zone of a machine that was never set up: "-00"
            raise KeyError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found (KeyError), another file ("leapseconds"), a folder
        raise ZoneError(_why_unknown(name, may_suggest)) from None


def _why_unknown(name: str, may_suggest: Callable[[], bool]) -> Text:
    advice = _advice(name)
    if advice is not None:
        return advice
    if not may_suggest():
        return Text("schedules.zone.unknown", name=name)
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    known = {zone.lower(): zone for zone in available_timezones() if zone not in NOT_SUGGESTED}
    if not known:
        return Text("schedules.zone.no_data", name=name)
    near = get_close_matches(name.lower(), known, n=1)
    return (
        Text("schedules.zone.near", name=name, near=known[near[0]])
        if near
        else Text("schedules.zone.unknown", name=name)
    )


def _advice(name: str) -> Optional[Text]:
    """For names that no similar name is right for: the nearest name of CST is UCT, which is 8 hours off."""
    place = name.lower().rpartition("/")[2]
    right = WRONG_NAMES.get(place)
    if right is None and len(place) > 5:
        from difflib import get_close_matches

        right = WRONG_NAMES.get(next(iter(get_close_matches(place, WRONG_NAMES, n=1, cutoff=0.85)), ""))
    if right:
        return Text("schedules.zone.near", name=name, near=right)
    offset = _OFFSET.fullmatch(name)
    if offset:
        sign, hours, minutes = offset[1], int(offset[2]), int(offset[3] or 0)
        if minutes or hours > (14 if sign == "+" else 12):
            return Text("schedules.zone.offset", name=name)
        zone = f"Etc/GMT{'-' if sign == '+' else '+'}{hours}" if hours else "UTC"
        return Text("schedules.zone.whole_offset", name=name, zone=zone)
    if name.lower() == "local":
        return Text("schedules.zone.local", name=name)
    return Text("schedules.zone.abbreviation", name=name) if _ABBREVIATION.fullmatch(name) else None


# ------------------------------------------------------------------------------------------------- the machine's zone


_file_zones: dict[str, tzinfo] = {}  # by the names that `_zone_of_rules` has given


class LocalZone(NamedTuple):
    """The zone of the machine, and how it was found."""

    name: str  # for `load_zone`
    source: str  # "TZ", or the path of a file; "" if no source has one, and UTC is used
    problem: Optional[Text] = None  # why it may not be the zone that the user means


def local_zone(etc: str = ZONE_FOLDER) -> LocalZone:
    """The machine's zone: `$TZ`, else `/etc/timezone`, else where `/etc/localtime` points to, else the rules in that
    file, else UTC."""
    names_file, rules_file = os.path.join(etc, "timezone"), os.path.join(etc, LOCALTIME)
    value = os.environ.get("TZ", "").lstrip(":")
    if "TZ" in os.environ and value != rules_file:
        name = _zone_of_path(value) if value else "UTC"  # POSIX: an empty TZ is UTC
        if name:
            return LocalZone(name, "TZ")
    else:
        value = ""
    found = _zone_of_files(names_file, rules_file)
    if value:  # a rule such as CST-8, which has no name, or a wrong name, for which the C library takes UTC
        return found._replace(problem=Text("schedules.zone.unknown_tz", value=value, zone=found.name))
    return found


def _zone_of_files(names_file: str, rules_file: str) -> LocalZone:
    path = os.path.realpath(rules_file)
    rules = (_zone_of_path(path) if "zoneinfo/" in path else None) or _zone_of_rules(rules_file)
    named = None
    try:
        with open(names_file, "rb") as file:
            named = _zone_of_path(file.readline(200).decode("ascii", "replace").strip())
    except OSError:
        pass  # most systems have none
    if named is None:
        if rules is None:
            return LocalZone("UTC", "", Text("schedules.zone.none"))
        return LocalZone(rules, rules_file)
    if rules is not None:
        now = datetime.now(timezone.utc)
        # What the C library, and so every program that a task runs, takes for local time.
        offset, other = (now.astimezone(load_zone(name)).strftime("%z") for name in (named, rules))
        if offset != other:
            values = {"zone": named, "offset": offset, "path": names_file, "other": other, "rules": rules_file}
            return LocalZone(named, names_file, Text("schedules.zone.disagree", **values))
    return LocalZone(named, names_file)


def _zone_of_path(path: str) -> Optional[str]:
    """The name in a path such as /usr/share/zoneinfo/posix/Asia/Shanghai, or a name; None for an unknown one."""
    name = path.rpartition("zoneinfo/")[2]
    for prefix in ("posix/", "right/"):
        name = name[len(prefix) :] if name.startswith(prefix) else name
    return _known(name)


def _known(name: str) -> Optional[str]:
    try:
        load_zone(name)
    except ZoneError:
        return None
    return name


def _zone_of_rules(path: str) -> Optional[str]:
    """A name for the rules in a file that does not name its zone, such as a regular /etc/localtime; None if it has
    none. The name holds the rule for the future, as in `/etc/localtime (CST-8)`, so that other rules have another
    name."""
    from io import BytesIO
    from zoneinfo import ZoneInfo

    try:
        data = read_regular(path, MAX_FILE_BYTES)
        rule = _RULE.fullmatch(data.rstrip().rpartition(b"\n")[2])  # files of the first version have none
        name = f"{path} ({rule[0].decode() if rule else 'no rule for the future'})"
        _file_zones.setdefault(name, ZoneInfo.from_file(BytesIO(data), key=name))
    except Exception:  # ValueError, OSError, struct.error: whatever such a file holds, the engine starts
        return None
    return name


def local_zone_stamp(etc: str = ZONE_FOLDER) -> tuple[object, ...]:
    """Changes when the files change that `local_zone` reads. The link itself counts, not only its target."""
    found: list[object] = []
    for look, name in ((os.stat, "timezone"), (os.lstat, LOCALTIME), (os.stat, LOCALTIME)):
        try:
            status = look(os.path.join(etc, name))
        except OSError:
            found.append(None)
        else:
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)
