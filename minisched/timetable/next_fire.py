"""The instants at which schedules are due: rules 5 to 9 of section 13, on top of the search on the wall clock.

Instants are seconds since the epoch in UTC, so that a repeated hour has two of each, in order. Between two changes of
offset an instant is a wall time minus the offset; a change adds the two rules of Debian's cron for fixed times:
what it leaps over runs once at the change, what it repeats does not run again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from heapq import merge
from itertools import combinations
from math import floor
from typing import Optional

from .schedule import AtSchedule, CronSchedule, EverySchedule, Schedule
from .search import count_walls, first_wall
from .zones import Segment, first_instant_of, segment_at

# Clocks can show anything (a dead battery, a broken driver): outside of the years 5 to 9986, which datetime can still
# convert in any zone, nothing is due.
FIRST_INSTANT = -62_000_000_000
LAST_INSTANT = 253_000_000_000

MOST_INTERSECTED = 6  # 63 intersections for six schedules; the number doubles with each, and nobody writes seven


def next_fire(schedule: Schedule, after: float, zone: tzinfo) -> Optional[int]:
    """The first due instant strictly later than `after`; None: never again.

    It depends on the arguments and the zone data only: stepping from each answer to the next gives one series,
    wherever it begins. `@reboot` is not due by time: None.
    """
    if not after < LAST_INSTANT:
        return None
    start = floor(max(after, FIRST_INSTANT)) + 1  # due instants are whole seconds
    if isinstance(schedule, CronSchedule):
        return _next_cron(schedule, start, zone)
    if isinstance(schedule, EverySchedule):
        return -(-start // schedule.interval_s) * schedule.interval_s
    if isinstance(schedule, AtSchedule):
        due = schedule.moment if schedule.absolute else first_instant_of(zone, schedule.moment)
        return due if due >= start else None
    return None


def _next_cron(schedule: CronSchedule, instant: int, zone: tzinfo) -> Optional[int]:
    while instant < LAST_INSTANT:
        segment = segment_at(zone, instant)
        if schedule.fixed:
            if instant == segment.start and _leapt_over(schedule, segment):
                return instant
            instant = max(instant, segment.repeat_end)
        wall = first_wall(schedule, instant + segment.offset)
        if wall is None:
            return None
        if wall - segment.offset < segment.end:
            return wall - segment.offset
        instant = segment.end
    return None


def _leapt_over(schedule: CronSchedule, segment: Segment) -> bool:
    """Does the schedule name a wall time that the change at the segment's start leapt over?"""
    if not segment.skipped:
        return False
    first_shown = segment.start + segment.offset
    wall = first_wall(schedule, first_shown - segment.skipped)
    return wall is not None and wall < first_shown


def next_of(schedules: Sequence[Schedule], after: float, zone: tzinfo) -> Optional[int]:
    """The first instant strictly later than `after` at which any of the schedules is due; None: never again."""
    found = [next_fire(schedule, after, zone) for schedule in schedules]
    return min((due for due in found if due is not None), default=None)


def fires_between(schedules: Sequence[Schedule], after: float, until: float, zone: tzinfo, limit: int) -> list[int]:
    """The first `limit` due instants in (after, until], ascending; one for an instant at which several are due."""
    found: list[int] = []
    for due in _series(schedules, after, until, zone):
        if len(found) >= limit:
            break
        found.append(due)
    return found


def latest_fires(schedules: Sequence[Schedule], after: float, until: float, zone: tzinfo, limit: int) -> list[int]:
    """The last `limit` due instants in (after, until], ascending; one for an instant at which several are due."""
    if limit <= 0:
        return []
    found: set[int] = set()
    for schedule in set(schedules):
        # The union's newest are among the newest of each.
        start = _start_of_latest(schedule, after, until, zone, limit)
        found.update(_series([schedule], start, until, zone))
    return sorted(found)[-limit:]


def _start_of_latest(schedule: Schedule, after: float, until: float, zone: tzinfo, limit: int) -> float:
    """An instant in [after, until] with the last `limit` fires behind it and few more.

    Spans double backwards from `until` until one holds enough; the last doubling is then cut by halves.
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

    Cron schedules, and a single one of the others, are counted by arithmetic, at a cost of the months and changes of
    offset of the span; `@every` and `@at` beside others are gone through one by one.
    """
    if not after < until:
        return 0
    distinct = list(set(schedules))
    crons = [schedule for schedule in distinct if isinstance(schedule, CronSchedule)]
    if len(crons) == len(distinct) <= MOST_INTERSECTED:
        start, stop = (floor(min(max(time, FIRST_INSTANT), LAST_INSTANT)) + 1 for time in (after, until))
        return _count_crons(crons, start, stop, zone)
    if len(distinct) == 1 and isinstance(distinct[0], EverySchedule):
        interval_s = distinct[0].interval_s
        start, stop = (floor(min(max(time, FIRST_INSTANT), LAST_INSTANT)) for time in (after, until))
        return stop // interval_s - start // interval_s
    return sum(1 for _ in _series(distinct, after, until, zone))


def _count_crons(schedules: list[CronSchedule], instant: int, stop: int, zone: tzinfo) -> int:
    """The number of instants in [instant, stop) at which any of the schedules is due."""
    wildcards = [schedule for schedule in schedules if not schedule.fixed]
    total = 0
    while instant < stop:
        segment = segment_at(zone, instant)
        end = min(segment.end, stop)
        if instant == segment.start and any(s.fixed and _leapt_over(s, segment) for s in schedules):
            total += 1
            instant += 1  # whatever else is due at this very instant makes one run with it
        repeated = min(max(instant, segment.repeat_end), end)
        total += _count_union(wildcards, instant + segment.offset, repeated + segment.offset)
        total += _count_union(schedules, repeated + segment.offset, end + segment.offset)
        instant = segment.end
    return total


def _count_union(schedules: list[CronSchedule], start: int, stop: int) -> int:
    """The number of wall times in [start, stop) that any of the schedules names, by inclusion and exclusion."""
    if start >= stop:
        return 0
    total, sign = 0, 1
    for size in range(1, len(schedules) + 1):
        total += sign * sum(count_walls(group, start, stop) for group in combinations(schedules, size))
        sign = -sign
    return total


def _series(schedules: Sequence[Schedule], after: float, until: float, zone: tzinfo) -> Iterator[int]:
    """The due instants in (after, until] of all the schedules together, ascending and distinct."""
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
