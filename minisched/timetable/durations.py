"""Durations and times as people write them ("90s", "2026-11-23T02:30"), and a task's share of its jitter."""

from __future__ import annotations

import re
from binascii import crc32  # the one of zlib, without that library
from datetime import datetime, timezone, tzinfo

from minisched.catalogue import TextError
from minisched.model import Text
from minisched.put_off import lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

MAX_DURATION_S = 366 * 86400  # longer waits overflow time.sleep and select; rarer schedules are written as cron fields

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_TEXT = lazy_pattern(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?")
_UNITS_S = (86400, 3600, 60, 1)
_PART = lazy_pattern(rf"{_NUMBER}([a-z]*)")
# As people and other programs name them, without the "s" of several.
_UNIT_NAMES = {
    **dict.fromkeys(("w", "week"), 7 * 86400),
    **dict.fromkeys(("d", "day"), 86400),
    **dict.fromkeys(("h", "hr", "hour"), 3600),
    **dict.fromkeys(("m", "min", "minute"), 60),
    **dict.fromkeys(("", "s", "sec", "second"), 1),
    **dict.fromkeys(("ms", "msec", "millisecond"), 0.001),
}
# Written out, to be the same on every Python: `fromisoformat` accepts more from 3.11 on.
_TIME = lazy_pattern(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?:(:\d\d)(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-]\d\d):?(\d\d))?)?", re.ASCII
)

_HAS_OFFSET = lazy_pattern(r"([Zz]|[T ].*[+-]\d\d:?\d\d)$")


class DurationError(TextError, ValueError):
    """A value that is no duration; `rule` is what was expected."""

    def __init__(self, rule: Text) -> None:
        super().__init__(Text("schedules.expected", rule=rule))
        self.rule = rule


def parse_duration(value: Union[str, int, float]) -> float:
    """Seconds of a duration: a number of seconds, or text of days, hours, minutes and seconds in this order.

    Raises DurationError with the rule for anything else: a bool, NaN, a negative number, over 366 days, "5 min".
    """
    if isinstance(value, str):
        found = _TEXT.fullmatch(value)
        if not value or found is None:
            raise DurationError(Text("schedules.duration"))
        value = sum(float(number) * unit for number, unit in zip(found.groups(), _UNITS_S) if number)
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:  # `not >=`: NaN too
        raise DurationError(Text("schedules.duration"))
    if value > MAX_DURATION_S:
        raise DurationError(Text("schedules.duration.max", days=366))
    return float(value)


def duration_rule(text: str) -> Text:
    """The rule for a text that is no duration, with the way to write it if its units are known by another name."""
    plain, seconds, rest = Text("schedules.duration"), 0.0, text.replace(" ", "").lower()
    if not text.isascii():
        return plain
    while rest:
        part = _PART.match(rest)
        unit = _UNIT_NAMES.get(part[2].rstrip("s") if len(part[2]) > 2 else part[2]) if part else None
        if part is None or unit is None:
            return Text("schedules.duration.units")
        seconds += float(part[1]) * unit
        rest = rest[part.end() :]
    written = format_duration(seconds)
    if written == "5m" or not 0 < seconds <= MAX_DURATION_S:  # the rule has it as its example
        return plain
    return Text("schedules.duration.written", write=written)


def format_duration(seconds: float) -> str:
    """The canonical text of a finite duration, to the millisecond: 90 is "1m30s", 129600 "1d12h", 0 "0s".

    `parse_duration` reads it back, unless it is negative ("-5s"): only a clock that was set back makes such durations.
    """
    milliseconds = round(abs(seconds) * 1000)
    whole, fraction = divmod(milliseconds, 1000)
    text = ""
    for unit_s, letter in zip(_UNITS_S, "dhm"):
        count, whole = divmod(whole, unit_s)
        text += f"{count}{letter}" if count else ""
    if whole or fraction or not text:
        text += f"{whole}.{fraction:03}".rstrip("0").rstrip(".") + "s"
    return f"-{text}" if seconds < 0 and milliseconds else text


def jitter_offset(task_id: str, due: int, jitter_s: float) -> float:
    """The delay of one task's start at one due time, in [0, jitter_s).

    A hash, not a random number: the same on every host and after every restart.
    """
    return hash_share(f"{due} {task_id}") * jitter_s


def hash_share(text: str) -> float:
    """A number in [0, 1) by the hash of a text, evenly distributed over texts.

    CRC-32 is linear, so that texts which differ in one digit would get regular numbers; the multiplications prevent
    that.
    """
    share = crc32(text.encode())
    share = (share ^ share >> 15) * 0x2C1B3C6D & 0xFFFFFFFF
    share = (share ^ share >> 12) * 0x297A2D39 & 0xFFFFFFFF
    return (share ^ share >> 15) / 2**32


def parse_past_due(text: str, zone: tzinfo, now: float) -> int:
    """A past due time as people write it: as `parse_time` reads it, to the second. A local time that the clock skips
    means the first instant after the change, when a schedule with that time is due. Raises TextError, for a time in the
    future too."""
    moment = int(parse_time(text, zone))
    if not _HAS_OFFSET.search(text.strip()):
        shown = datetime.fromtimestamp(moment, zone)
        wanted = _TIME.fullmatch(text.strip())
        if wanted and wanted[2] and f"{shown:%H:%M}" != wanted[2]:
            before = moment - 86_400
            offset = datetime.fromtimestamp(moment, zone).utcoffset()
            while moment - before > 1:
                middle = (before + moment) // 2
                if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
                    moment = middle
                else:
                    before = middle
    if moment > now:
        raise TextError(Text("schedules.future", text=text))
    return moment


def parse_time(text: str, zone: tzinfo) -> float:
    """An ISO 8601 date or time, in `zone` unless it has an offset of its own, as seconds since 1970. Raises TextError.

    An ambiguous local time means its first occurrence; a skipped one is read with the offset in force before the change
    (PEP 495).
    """
    match = _TIME.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        date, minutes, seconds, fraction, utc, hours_off, minutes_off = match.groups()
        moment = datetime.fromisoformat(
            f"{date}T{minutes or '00:00'}{seconds or ':00'}.{(fraction or '')[:6]:0<6}"
            + ("+00:00" if utc else f"{hours_off}:{minutes_off}" if hours_off else "")
        )
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return moment.astimezone(timezone.utc).timestamp()
    except (ValueError, OverflowError):
        raise TextError(Text("schedules.time", text=text)) from None
