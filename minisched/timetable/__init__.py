"""When a task is due: schedule texts, the next due time in a time zone, due times missed, a schedule in words.

Pure: text and instants in, instants and text out. An instant is seconds since the epoch, in UTC by definition; the
time zone is an argument; nothing here reads the clock.
"""

from .describe import describe
from .durations import DurationError, format_duration, jitter_offset, parse_duration
from .moment import parse_time
from .next_fire import count_fires, fires_between, latest_fires, next_fire, next_of
from .parser import parse_schedule
from .schedule import Schedule, ScheduleError
from .zones import ZoneError, load_zone, local_zone_name

__all__ = [
    "DurationError",
    "Schedule",
    "ScheduleError",
    "ZoneError",
    "count_fires",
    "describe",
    "fires_between",
    "format_duration",
    "jitter_offset",
    "latest_fires",
    "load_zone",
    "local_zone_name",
    "next_fire",
    "next_of",
    "parse_duration",
    "parse_schedule",
    "parse_time",
]
