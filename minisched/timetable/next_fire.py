"""The instants at which schedules are due, in a time zone.

Between two changes of a zone's offset an instant is a wall time minus the offset, so that the search on the wall clock
(`calendar`) is enough. At a change of up to 3 hours the rules of Debian's cron hold:

- Schedules with fixed times (`CronSchedule.fixed`): if the change skips a matching time, the schedule is due once at
  the change; a time that the clock shows twice is due only the first time.
- Other schedules (`*/10 * * * *`) are due whenever the wall clock shows a matching time: not in a skipped hour, and
  twice in a repeated one.
- `@every` counts seconds since 1970 and `@at` with an offset is an instant: both ignore changes.

A schedule that follows a calendar (`Schedule.calendar`) is due on the days of that only. For cron fields the calendar
is one more field for the day: a time that a change skips counts for the date that the fields name, though the change
may end on the next date. For `@every` and `@at` with an offset the local date of the instant counts.

A larger change is a correction of the zone (a country that moved over the date line): nothing is caught up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from itertools import combinations, islice
from math import floor

from minisched.model import DAY_S
from minisched.namedtuple import NamedTuple

from .calendar import HORIZON_YEARS, CalendarDays, count_walls, first_wall
from .schedule import AtSchedule, CronSchedule, EverySchedule, Schedule
from .zones import Segment, first_instant_of, segment_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

# A broken clock can show any year. datetime converts the years 5 to 9986 in any zone; outside of them nothing is due.
FIRST_INSTANT = -62_000_000_000
LAST_INSTANT = 253_000_000_000

HORIZON_S = HORIZON_YEARS * 366 * DAY_S
STEPPED_MAX = 20_000  # a fifth of a second
MAX_INTERSECTED = 6  # 63 intersections for six schedules; the number doubles with each one more


def next_fire(schedule: Schedule, after: float, zone: tzinfo) -> Optional[int]:
    """The first due instant strictly later than `after`; None: never again, or `@reboot`, which is not due by time.

    The result depends on the arguments and the zone data only: stepping from one due time to the next gives the same
    series from any starting point.
    """
    if not after < LAST_INSTANT:
        return None
    start = floor(max(after, FIRST_INSTANT)) + 1  # due instants are whole seconds
    if isinstance(schedule, CronSchedule):
        return _next_cron(schedule, start, zone)
    if isinstance(schedule, EverySchedule):
        if schedule.calendar is None:
            return -(-start // schedule.interval_s) * schedule.interval_s
        stop = min(start + HORIZON_S, LAST_INSTANT)
        for first, end in _spans(schedule.calendar, start, stop, zone):
            due = -(-first // schedule.interval_s) * schedule.interval_s
            if due < end:
                return due
    if isinstance(schedule, AtSchedule):
        due = schedule.moment if schedule.absolute else first_instant_of(zone, schedule.moment)
        if due >= start and (schedule.calendar is None or schedule.calendar.allows(_day_of_at(schedule, zone))):
            return due
    return None


def _day_of_at(schedule: AtSchedule, zone: tzinfo) -> int:
    """The date of an `@at`: the one that it names."""
    offset = segment_at(zone, schedule.moment).offset if schedule.absolute else 0
    return (schedule.moment + offset) // DAY_S


def _spans(days: CalendarDays, start: int, stop: int, zone: tzinfo) -> Iterator[tuple[int, int]]:
    """The spans [first, end) of instants in [start, stop) whose local date is one of the days, ascending."""
    while start < stop:
        segment = segment_at(zone, start)
        end = min(segment.end, stop)
        day = days.next_day((start + segment.offset) // DAY_S)
        if day is None:
            return
        first = max(start, day * DAY_S - segment.offset)
        if first >= end:
            # Not past the segment's end by much: after a change the same date may be shown once more.
            start = max(end, min(first - 2 * DAY_S, stop))
            continue
        limit = -(-(end + segment.offset) // DAY_S)
        start = min(end, days.run_end(day, limit) * DAY_S - segment.offset)
        yield first, start


def _next_cron(schedule: CronSchedule, instant: int, zone: tzinfo) -> Optional[int]:
    while instant < LAST_INSTANT:
        segment = segment_at(zone, instant)
        if schedule.fixed:
            if instant == segment.start and _is_skipped(schedule, segment):
                return instant
            instant = max(instant, segment.repeat_end)
        wall = first_wall(schedule, instant + segment.offset)
        if wall is None:
            return None
        if wall - segment.offset < segment.end:
            return wall - segment.offset
        instant = segment.end
    return None


def _is_skipped(schedule: CronSchedule, segment: Segment) -> bool:
    """Whether the change at the segment's start skips a wall time that the schedule matches."""
    if not segment.skipped:
        return False
    first_shown = segment.start + segment.offset
    wall = first_wall(schedule, first_shown - segment.skipped)
    return wall is not None and wall < first_shown


def can_be_due(schedule: Schedule, zone: tzinfo) -> bool:
    """Whether a schedule is ever due on the days of its calendar, in any year: a calendar whose dates have passed is no
    error of the schedule."""
    if schedule.calendar is None:
        return True
    lines = schedule.calendar.calendar.lines  # the only days that do not repeat as the weeks do
    starts = [0, *(lines[0].first * DAY_S - DAY_S for _ in lines[:1])]
    return any(next_fire(schedule, start, zone) is not None for start in starts)


def next_of(schedules: Sequence[Schedule], after: float, zone: tzinfo) -> Optional[int]:
    """The first instant strictly later than `after` at which any of the schedules is due; None: never again."""
    found = [next_fire(schedule, after, zone) for schedule in schedules]
    return min((due for due in found if due is not None), default=None)


class DueDay(NamedTuple):
    """A local day on which something is due. `first`: its first due time. `deadline`: when the clock next shows a given
    time of day, on that day or the one after it. `last`: the last second of the day."""

    first: int
    deadline: int
    last: int


def next_due_day(schedules: Sequence[Schedule], after: float, zone: tzinfo, finish_by_s: int) -> Optional[DueDay]:
    """The day of the first due time strictly later than `after`. finish_by_s: the time of day, in seconds of the wall
    clock since midnight."""
    first = next_of(schedules, after, zone)
    if first is None:
        return None
    wall = first + segment_at(zone, first).offset
    midnight = wall - wall % DAY_S
    deadline = first_instant_of(zone, midnight + finish_by_s)
    if deadline <= first:
        deadline = first_instant_of(zone, midnight + DAY_S + finish_by_s)
    return DueDay(first, deadline, first_instant_of(zone, midnight + DAY_S) - 1)


def fires_between(schedules: Sequence[Schedule], after: float, until: float, zone: tzinfo, limit: int) -> list[int]:
    """The first `limit` due instants in (after, until], ascending and distinct."""
    found: list[int] = []
    for due in _series(schedules, after, until, zone):
        if len(found) >= limit:
            break
        found.append(due)
    return found


def next_fires(schedules: Sequence[Schedule], after: float, zone: tzinfo, count: int) -> list[int]:
    """The next `count` due instants after `after`, ascending; fewer where the schedules end."""
    return fires_between(schedules, after, LAST_INSTANT, zone, count)


def latest_fires(schedules: Sequence[Schedule], after: float, until: float, zone: tzinfo, limit: int) -> list[int]:
    """The last `limit` due instants in (after, until], ascending and distinct."""
    if limit <= 0:
        return []
    found: set[int] = set()
    for schedule in set(schedules):
        # The latest of the union are among the latest of each.
        start = _start_of_latest(schedule, after, until, zone, limit)
        found.update(_series([schedule], start, until, zone))
    return sorted(found)[-limit:]


def _start_of_latest(schedule: Schedule, after: float, until: float, zone: tzinfo, limit: int) -> float:
    """An instant in [after, until] after which lie the last `limit` due times and few more.

    The span before `until` is doubled until it holds enough; bisection then shortens the last doubling.
    """
    span = 1
    while until - span > after and count_fires([schedule], until - span, until, zone) < limit:
        span *= 2
    low, high = max(after, until - span), max(after, until - span // 2)
    while high - low > 1 and count_fires([schedule], low, until, zone) > limit:
        middle = (low + high) / 2
        if count_fires([schedule], middle, until, zone) >= limit:
            low = middle
        else:
            high = middle
    return low


def count_fires(schedules: Sequence[Schedule], after: float, until: float, zone: tzinfo) -> int:
    """The number of instants in (after, until] at which any of the schedules is due.

    Up to MAX_INTERSECTED cron schedules, or one `@every`, are counted by arithmetic, at a cost that grows with the
    months and changes of offset in the span. Other combinations are stepped through, unless they are more than
    STEPPED_MAX: then an instant counts once for each schedule that is due at it.
    """
    if not after < until:
        return 0
    distinct = list(set(schedules))
    crons = [schedule for schedule in distinct if isinstance(schedule, CronSchedule)]
    if len(crons) == len(distinct) <= MAX_INTERSECTED:
        start, stop = (floor(min(max(time, FIRST_INSTANT), LAST_INSTANT)) + 1 for time in (after, until))
        return _count_crons(crons, start, stop, zone)
    if len(distinct) == 1 and isinstance(distinct[0], EverySchedule):
        interval_s = distinct[0].interval_s
        start, stop = (floor(min(max(time, FIRST_INSTANT), LAST_INSTANT)) for time in (after, until))
        days = distinct[0].calendar
        spans = [(start + 1, stop + 1)] if days is None else _spans(days, start + 1, stop + 1, zone)
        return sum((end - 1) // interval_s - (first - 1) // interval_s for first, end in spans)
    if len(distinct) > 1:
        most = sum(count_fires([schedule], after, until, zone) for schedule in distinct)
        if most > STEPPED_MAX:  # a clock that is fifty years ahead: 30 million steps are minutes
            return most
    return sum(1 for _ in _series(distinct, after, until, zone))


def _count_crons(schedules: list[CronSchedule], instant: int, stop: int, zone: tzinfo) -> int:
    """The number of instants in [instant, stop) at which any of the schedules is due."""
    wildcards = [schedule for schedule in schedules if not schedule.fixed]
    total = 0
    while instant < stop:
        segment = segment_at(zone, instant)
        end = min(segment.end, stop)
        if instant == segment.start and any(s.fixed and _is_skipped(s, segment) for s in schedules):
            total += 1
            instant += 1  # a schedule that is due at this instant too is the same due time
        repeated = min(max(instant, segment.repeat_end), end)
        total += _count_union(wildcards, instant + segment.offset, repeated + segment.offset)
        total += _count_union(schedules, repeated + segment.offset, end + segment.offset)
        instant = segment.end
    return total


def _count_union(schedules: list[CronSchedule], start: int, stop: int) -> int:
    """The number of wall times in [start, stop) that any of the schedules matches, by inclusion and exclusion."""
    if start >= stop:
        return 0
    total, sign = 0, 1
    for size in range(1, len(schedules) + 1):
        total += sign * sum(count_walls(group, start, stop) for group in combinations(schedules, size))
        sign = -sign
    return total


def _series(schedules: Sequence[Schedule], after: float, until: float, zone: tzinfo) -> Iterator[int]:
    """The due instants of all schedules in (after, until], ascending and distinct."""
    from heapq import merge  # an engine has it; a command that lists one task after the other does without

    last = None
    for due in merge(*(_series_of_one(schedule, after, until, zone) for schedule in set(schedules))):
        if due != last:
            yield due
        last = due


def _series_of_one(schedule: Schedule, after: float, until: float, zone: tzinfo) -> Iterator[int]:
    due = next_fire(schedule, after, zone)
    while due is not None and due <= until:
        yield due
        due = next_fire(schedule, due, zone)


def days_left_out(schedules: Sequence[Schedule], after: float, until: float, zone: tzinfo, limit: int) -> list[int]:
    """The first `limit` days in (after, until] on which one of the schedules would be due without its calendar, but is
    not due because of it; as days since 1970-01-01, ascending."""
    after, until = max(after, FIRST_INSTANT), min(until, LAST_INSTANT)
    found: set[int] = set()
    for schedule in set(schedules):
        days = schedule.calendar
        if days is not None:
            left_out = (day for day in _named_days(schedule.on(None), after, until, zone) if not days.allows(day))
            found.update(islice(left_out, limit))
    return sorted(found)[:limit]


def _named_days(schedule: Schedule, after: float, until: float, zone: tzinfo) -> Iterator[int]:
    """The days in (after, until] on which a schedule is due, ascending."""
    if isinstance(schedule, CronSchedule):
        wall: Optional[int] = floor(after) + 1 + segment_at(zone, floor(after)).offset
        last_wall = until + segment_at(zone, floor(until)).offset
        while wall is not None and wall <= last_wall:
            wall = first_wall(schedule, wall)
            if wall is not None and wall <= last_wall:
                yield wall // DAY_S
                wall = (wall // DAY_S + 1) * DAY_S
        return
    due = next_fire(schedule, after, zone)
    while due is not None and due <= until:
        offset = segment_at(zone, due).offset
        day = _day_of_at(schedule, zone) if isinstance(schedule, AtSchedule) else (due + offset) // DAY_S
        yield day
        due = next_fire(schedule, max(due, (day + 1) * DAY_S - offset - 1), zone)
