"""Times as people write them."""

from __future__ import annotations

import re
from datetime import datetime, timezone, tzinfo

# The same on every Python: `fromisoformat` takes more from 3.11 on.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?:(:\d\d)(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-]\d\d):?(\d\d))?)?", re.ASCII
)


def parse_time(text: str, zone: tzinfo) -> float:
    """An ISO 8601 date or time, in `zone` unless it has an offset of its own, as seconds since 1970. Raises ValueError.

    Of a time that the zone's clock shows twice the first is meant; one that it skips is read by the offset before the
    change (PEP 495).
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
        raise ValueError(
            f'"{text}" is no time; expected ISO 8601 such as 2026-11-23T02:30 or 2026-11-23T02:30+08:00'
        ) from None
