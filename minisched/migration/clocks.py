"""Schedules as other engines write them, and the instants at which those engines start them.

A text is never copied: it is printed from the bit masks, as plain numbers in ascending ranges and lists. What is legal
for one engine (`fri-mon`, weekday 7, `5/20`) is refused by the next, or accepted and never due.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone, tzinfo

from minisched.catalogue import TextError
from minisched.model import DAY_S, Text
from minisched.namedtuple import NamedTuple
from minisched.timetable import fires_between, parse_schedule
from minisched.timetable.calendar import due_days, first_wall
from minisched.timetable.schedule import (
    ALL_DAYS,
    ALL_HOURS,
    ALL_MINUTES,
    ALL_MONTHS,
    ALL_SECONDS,
    ALL_WEEKDAYS,
    AtSchedule,
    CronSchedule,
    EverySchedule,
    Schedule,
)
from minisched.timetable.zones import segment_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional

YEARS = 2  # for which the report names the nights with a difference
UTC = "Etc/UTC"  # `@every` counts from 1970 in UTC
UTC_ZONE = timezone.utc
HOUR_S = 3600
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


if TYPE_CHECKING:
    NextOfTarget = Callable[[CronSchedule, int, int, tzinfo], Optional[int]]  # (schedule, after, until, zone)


class LeftOut(TextError):
    """The target has no way to run the task, or to write its schedule."""


class Night(NamedTuple):
    """A change of the clocks at which the target starts a task at other instants: ours, and the target's."""

    day: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]


# ---------------------------------------------------------------------------------------------------------- five fields


def merged(texts: Sequence[str], task_id: str) -> list[Schedule]:
    """The schedules of a task, with those that differ in one field only as one: a target may allow no more."""
    found: list[Schedule] = []
    for schedule in (parse_schedule(text, task_id) for text in texts):
        for index, other in enumerate(found):
            both = _merge(schedule, other)
            if both:
                found[index] = both
                break
        else:
            found.append(schedule)
    return found


def _merge(one: Schedule, other: Schedule) -> Optional[CronSchedule]:
    if not isinstance(one, CronSchedule) or not isinstance(other, CronSchedule) or one.either or other.either:
        return None
    if one.fixed != other.fixed or one.special_days or one.special_weekdays or other.special_days:
        return None
    names = ("seconds", "minutes", "hours", "days", "months", "weekdays")
    different = [name for name in names if getattr(one, name) != getattr(other, name)]
    if len(different) > 1 or other.special_weekdays:
        return None
    values = {name: getattr(one, name) | getattr(other, name) for name in names}
    return _cron(fixed=one.fixed, **values)


def _cron(fixed: bool, **masks: int) -> CronSchedule:
    """A schedule made of masks. Its text is never shown."""
    return CronSchedule("", special_days=(), special_weekdays=(), fixed=fixed, either=False, **masks)


def as_cron(schedule: Schedule) -> tuple[CronSchedule, bool]:
    """The same instants as cron fields, and whether they are counted in UTC (`@every 15m`). Raises LeftOut."""
    if isinstance(schedule, CronSchedule):
        return schedule, False
    if isinstance(schedule, EverySchedule):
        interval = schedule.interval_s
        masks = {"days": ALL_DAYS, "months": ALL_MONTHS, "weekdays": ALL_WEEKDAYS}
        if 60 % interval == 0:
            times = (ALL_HOURS, ALL_MINUTES, _every(60, interval))
        elif interval % 60 == 0 and HOUR_S % interval == 0:
            times = (ALL_HOURS, _every(60, interval // 60), 1)
        elif interval % HOUR_S == 0 and DAY_S % interval == 0:
            times = (_every(24, interval // HOUR_S), 1, 1)
        else:
            raise LeftOut(Text("export.lost.every"))
        hours, minutes, seconds = times
        return _cron(fixed=False, hours=hours, minutes=minutes, seconds=seconds, **masks), True
    raise LeftOut(Text("export.lost.at" if isinstance(schedule, AtSchedule) else "export.lost.reboot"))


def _every(size: int, step: int) -> int:
    return sum(1 << number for number in range(0, size, step))


def five_fields(schedule: CronSchedule, both: bool) -> str:
    """Five fields that each dialect reads alike: numbers, ascending ranges, lists.

    `both`: the dialect takes two day fields as "both" if one of them begins with `*`, as Vixie's cron does; robfig's
    code, of Kubernetes, always takes "either". Raises LeftOut.
    """
    if schedule.seconds != 1:
        raise LeftOut(Text("export.lost.seconds"))
    if schedule.special_days or schedule.special_weekdays:
        raise LeftOut(Text("export.lost.dialect", items=[*schedule.special_days, *schedule.special_weekdays]))
    days = _numbers(schedule.days, ALL_DAYS)
    weekdays = _numbers(schedule.weekdays, ALL_WEEKDAYS)
    if schedule.either:
        if "*" in (days, weekdays):  # `1-31 * mon`: each day matches one of the two
            days = weekdays = "*"
    elif "*" not in (days, weekdays):
        step = next((step for step in range(2, 32) if schedule.days == _every_day(step)), None)
        if not both or step is None:
            raise LeftOut(Text("export.lost.both_days"))
        days = f"*/{step}"
    times = (_numbers(schedule.minutes, ALL_MINUTES), _numbers(schedule.hours, ALL_HOURS))
    return " ".join((*times, days, _numbers(schedule.months, ALL_MONTHS), weekdays))


def _every_day(step: int) -> int:
    return sum(1 << number for number in range(1, 32, step))


def _numbers(mask: int, full: int, dots: str = "-", width: int = 1) -> str:
    """ "1-5,7" for a mask; "*" for all."""
    if mask == full:
        return "*"
    parts = []
    for first, last in _runs(mask):
        if last - first > 1:
            parts.append(f"{first:0{width}}{dots}{last:0{width}}")
        else:
            parts.extend(f"{number:0{width}}" for number in range(first, last + 1))
    return ",".join(parts)


def _runs(mask: int) -> Iterator[tuple[int, int]]:
    """The runs of set bits, as first and last."""
    number = 0
    while mask >> number:
        if not mask >> number & 1:
            number += 1
            continue
        first = number
        while mask >> number & 1:
            number += 1
        yield first, number - 1


# -------------------------------------------------------------------------------------------------------------- systemd


def on_calendar(schedule: Schedule, zone: str) -> list[str]:
    """The values of `OnCalendar=` for a schedule: one, or two where either day field may match. Raises LeftOut.

    Lists and never steps: systemd 252 finds no next time at all for `02/4:30` at a change of the clocks.
    """
    if isinstance(schedule, AtSchedule):
        name = UTC if schedule.absolute else zone
        moment = datetime.fromtimestamp(schedule.moment, UTC_ZONE)
        return [f"{moment:%Y-%m-%d %H:%M:%S} {name}"]
    cron, utc = as_cron(schedule)
    times = ":".join(
        _numbers(mask, full, "..", 2)
        for mask, full in ((cron.hours, ALL_HOURS), (cron.minutes, ALL_MINUTES), (cron.seconds, ALL_SECONDS))
    )
    months, name = _numbers(cron.months, ALL_MONTHS, "..", 2), UTC if utc else zone
    dates = _dates(cron)
    weekdays = _weekday_dates(cron)
    if cron.either or dates == ["*"]:
        days = [(weekday, date or "*") for weekday, date in weekdays]
        days += [("", date) for date in dates if cron.either]
    else:
        if any(date for _, date in weekdays):
            raise LeftOut(Text("export.lost.both_days"))
        days = [(weekdays[0][0], date) for date in dates]
    found = []
    for weekday, date in days:
        separator = "" if date.startswith("~") else "-"
        found.append(f"{weekday} *-{months}{separator}{date} {times} {name}".strip())
    return found


def _dates(cron: CronSchedule) -> list[str]:
    """Days of the month as systemd writes them; `~01` is the last day."""
    if any(item != "L" for item in cron.special_days):
        raise LeftOut(Text("export.lost.dialect", items=list(cron.special_days)))
    plain = [_numbers(cron.days, ALL_DAYS, "..", 2)] if cron.days else []
    return [*plain, *(["~01"] if cron.special_days else [])]


def _weekday_dates(cron: CronSchedule) -> list[tuple[str, str]]:
    """Weekdays, each group with the days of the month that it is bound to ("" for all): `5L` is a Friday among the
    last seven days, `5#3` one from the 15th to the 21st."""
    found = []
    if cron.weekdays:
        names = [_WEEKDAYS[number] for number in range(7) if cron.weekdays >> number & 1]
        found.append(("" if cron.weekdays == ALL_WEEKDAYS else ",".join(names), ""))
    for item in cron.special_weekdays:
        if item[0] == "L":
            found.append((_WEEKDAYS[int(item[1]) % 7], "~07/1"))
        else:
            first = 7 * int(item[2]) - 6
            found.append((_WEEKDAYS[int(item[0]) % 7], f"{first:02}..{min(first + 6, 31):02}"))
    return found


# --------------------------------------------------------------------------------------------------------- their clocks


def their_fires(
    schedules: Sequence[CronSchedule], after: int, until: int, zone: tzinfo, next_of_target: NextOfTarget
) -> list[int]:
    """The instants in (after, until] at which another engine starts a task, ascending and distinct."""
    found = set()
    for schedule in schedules:
        instant = next_of_target(schedule, after, until, zone)
        while instant is not None:
            found.add(instant)
            instant = next_of_target(schedule, instant, until, zone)
    return sorted(found)


def next_systemd(schedule: CronSchedule, after: int, until: int, zone: tzinfo) -> Optional[int]:
    """As systemd 252: each time that the wall clock shows, but not when it shows it again; no time that it skips."""
    instant = after + 1
    while instant <= until:
        segment = segment_at(zone, instant)
        instant = max(instant, segment.repeat_end)
        wall = first_wall(schedule, instant + segment.offset)
        if wall is None:
            return None
        if wall - segment.offset < segment.end:
            return wall - segment.offset if wall - segment.offset <= until else None
        instant = segment.end
    return None


def next_robfig(schedule: CronSchedule, after: int, until: int, zone: tzinfo) -> Optional[int]:
    """As robfig/cron 3, of Kubernetes, Argo and dkron: it goes up to the day by the wall clock, then in hours and
    minutes of the real clock, and looks at the day again only when the wall clock shows hour 0, at the hour only when
    it shows minute 0. So a skipped time is not made up, a repeated one comes twice, and a change of half an hour, or
    one at midnight, shifts or loses more."""

    def wall() -> int:
        return instant + segment_at(zone, instant).offset

    def shown(unit_s: int, size: int) -> int:
        return wall() // unit_s % size

    units = ((HOUR_S, 24, schedule.hours), (60, 60, schedule.minutes), (1, 60, schedule.seconds))
    instant, whole = after + 1, False
    while instant <= until:
        restart = False
        while not _is_due_day(schedule, wall() // DAY_S):
            if instant > until:
                return None
            midnight = wall() if whole else wall() // DAY_S * DAY_S
            instant, whole = _instant_of(midnight + DAY_S, zone), True
            hour = shown(HOUR_S, 24)
            instant += (24 - hour if hour > 12 else -hour) * HOUR_S
        for unit_s, size, mask in units:
            while not mask >> shown(unit_s, size) & 1:
                if not whole:
                    instant = (
                        _instant_of(wall() // HOUR_S * HOUR_S, zone) if unit_s == HOUR_S else instant // unit_s * unit_s
                    )
                    whole = True
                instant += unit_s
                if not shown(unit_s, size):
                    restart = True
                    break
            if restart:
                break
        if not restart:
            return instant if instant <= until else None
    return None


def _is_due_day(schedule: CronSchedule, day: int) -> bool:
    date = datetime.fromtimestamp(day * DAY_S, UTC_ZONE)
    return bool(due_days(schedule, date.year, date.month) >> date.day & 1)


def _instant_of(wall: int, zone: tzinfo) -> int:
    """The instant of a wall time. Of a skipped or repeated one, the one that Go's `time.Date` chooses."""
    segment = segment_at(zone, wall)
    if not segment.start <= wall - segment.offset < segment.end:
        segment = segment_at(zone, wall - segment.offset)
    return wall - segment.offset


def nights(schedules: Sequence[Schedule], zone: tzinfo, now: float, next_of_target: NextOfTarget) -> list[Night]:
    """The changes of the clocks in the next YEARS years at which the target starts the task at other instants."""
    crons = []
    for schedule in schedules:
        try:
            cron, counted_in_utc = as_cron(schedule)
        except LeftOut:
            continue
        if not counted_in_utc:
            crons.append(cron)
    found = []
    for change in _changes(zone, int(now), int(now) + YEARS * 366 * DAY_S):
        after, until = change - 2 * DAY_S, change + DAY_S  # robfig's code begins with the time before
        ours = fires_between(crons, after, until, zone, 10 * DAY_S)
        theirs = their_fires(crons, after, until, zone, next_of_target)
        if ours != theirs:
            both = set(ours) & set(theirs)
            day = datetime.fromtimestamp(change, zone).date().isoformat()
            found.append(Night(day, _shown(ours, both, zone), _shown(theirs, both, zone)))
    return found


def _changes(zone: tzinfo, after: int, until: int) -> Iterator[int]:
    """The instants at which the zone's offset changes."""
    segment = segment_at(zone, after)
    while segment.end < until:
        following = segment_at(zone, segment.end)
        if following.offset != segment.offset:
            yield segment.end
        segment = following


def _shown(fires: Sequence[int], common: set[int], zone: tzinfo) -> tuple[str, ...]:
    """Those instants that only one of the two has, as times with their offset."""
    return tuple(datetime.fromtimestamp(fire, zone).isoformat()[11:] for fire in fires if fire not in common)
