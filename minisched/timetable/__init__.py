"""When a task is due: schedule texts, due times in a time zone, and schedules described in English and Chinese.

Pure: texts and instants in, instants and texts out. An instant is a number of seconds since 1970-01-01T00:00Z; the time
zone is an argument; nothing here reads the clock.
"""

from .durations import DurationError, format_duration, jitter_offset, parse_duration, parse_past_due, parse_time
from .next_fire import (
    DueDay,
    can_be_due,
    count_fires,
    days_left_out,
    fires_between,
    latest_fires,
    next_due_day,
    next_fire,
    next_fires,
    next_of,
)
from .parser import is_hashed, parse_schedule, schedules_of
from .schedule import Schedule, ScheduleError, need_text, start_text
from .zones import ZONE_FOLDER, LocalZone, ZoneError, load_zone, local_zone, local_zone_stamp
