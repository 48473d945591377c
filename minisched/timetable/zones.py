"""Time zones: names to zones, and a zone's offset as a table of segments.

`zoneinfo` gives the offset of one instant (1.3 us) and hides its table of changes. A search needs many offsets, so the
changes are found once, by probing, and cached: a lookup is then a bisection of a short list.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple

from minisched.catalogue import TextError
from minisched.model import Text

DAY_S = 86400
MAX_CHANGE_S = 3 * 3600  # a larger change of offset is a correction of the zone: nothing is caught up for it

# A table spans 388 days. The closest two changes in tzdata are 3.98 days apart (Africa/Freetown 1939; 6.9 days since
# 1970), so a probe every 3 days finds each. A table begins 2 days early, because a lookup just after a change needs
# that change in the same table; the largest change is 24 h (Pacific/Apia 2011).
TABLE_BITS = 25
PROBE_S = 3 * DAY_S
MARGIN_S = 2 * DAY_S

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAME = re.compile(r"[A-Za-z0-9_+-]{1,40}(?:/[A-Za-z0-9_+-]{1,40}){0,3}")


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


def load_zone(name: str) -> tzinfo:
    """The time zone of an IANA name. Raises ZoneError, with a suggestion where one is near.

    "UTC" needs no time zone data: `ZoneInfo("UTC")` fails on a machine without such data.
    """
    if name in ("UTC", "Etc/UTC"):
        return timezone.utc
    # ZoneInfo would open "../x" and "/etc/passwd"; the "right/" copies of zones count leap seconds.
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.startswith(("right/", "posix/")):
        raise ZoneError(Text("schedules.zone.not_a_name", name=repr(name)))
    from zoneinfo import ZoneInfo  # imported here: 4 ms, which `minisched --help` does not need

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found (KeyError), another file ("leapseconds"), a folder
        raise ZoneError(_why_unknown(name)) from None


def _why_unknown(name: str) -> Text:
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    known = {zone.lower(): zone for zone in available_timezones()}
    if not known:
        return Text("schedules.zone.no_data", name=name)
    near = get_close_matches(name.lower(), known, n=1)
    return (
        Text("schedules.zone.near", name=name, near=known[near[0]])
        if near
        else Text("schedules.zone.unknown", name=name)
    )


def local_zone_name(etc: str = "/etc") -> str:
    """The machine's IANA zone: `$TZ`, else `/etc/timezone`, else where `/etc/localtime` points to, else "UTC"."""
    candidates = []
    if "TZ" in os.environ:
        candidates.append(os.environ["TZ"].lstrip(":") or "UTC")  # POSIX: an empty TZ is UTC
    try:
        with open(os.path.join(etc, "timezone"), encoding="ascii", errors="replace") as file:
            candidates.append(file.readline(200).strip())
    except OSError:
        pass  # most systems have none
    candidates.append(os.path.realpath(os.path.join(etc, "localtime")))
    for candidate in candidates:
        name = candidate.rpartition("zoneinfo/")[2]
        for prefix in ("posix/", "right/"):
            name = name[len(prefix) :] if name.startswith(prefix) else name
        try:
            load_zone(name)
        except ZoneError:
            continue
        return name
    return "UTC"
