"""Schedules described in English and Chinese.

This module finds the pattern in a field's numbers (all, a run, every n-th, a list); `describe_en` and `describe_zh` put
it into words.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple, Optional, Union

from minisched.model import Text

from .describe_en import English
from .describe_zh import Chinese
from .parser import parse_schedule
from .schedule import ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, AtSchedule, CronSchedule, EverySchedule, Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TIMES_LISTED = 6  # more times of day are described by their pattern

_LANGUAGES: dict[str, Union[English, Chinese]] = {"en": English(), "zh": Chinese()}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Pattern(NamedTuple):
    """The `numbers` of a field, ascending, and their pattern.

    `step`: 1 for the whole field, n for every n-th number if the steps are even across the field's end too, else 0.
    `start`: the first number of such steps; 0 with fewer than four numbers, which are listed instead.
    `run`: the first and the last of three or more consecutive numbers, also across the field's end (22, 23, 0); else
    None.
    """

    numbers: tuple[int, ...]
    step: int
    run: Optional[tuple[int, int]]
    start: int = 0

    def plus(self, shift: int) -> Pattern:
        """The same pattern for a field that counts from `shift`."""
        run = self.run and (self.run[0] + shift, self.run[1] + shift)
        return Pattern(tuple(number + shift for number in self.numbers), self.step, run, self.start + shift)


def pattern(mask: int, size: int) -> Pattern:
    """The pattern of a mask of the numbers 0 to `size` - 1."""
    numbers = tuple(number for number in range(size) if mask >> number & 1)
    step = size // len(numbers) if numbers else 0
    start = numbers[0] if len(numbers) > 3 else 0
    if len(numbers) < 2 or len(numbers) * step != size or numbers != tuple(range(start, size, step)):
        step = start = 0
    starts = [number for number in numbers if not mask >> (number - 1) % size & 1]
    run = None
    if len(starts) == 1 and len(numbers) > 2:
        run = starts[0], (starts[0] + len(numbers) - 1) % size
    return Pattern(numbers, step, run, start)


def describe(schedule: Union[Schedule, str], language: str = "en") -> str:
    """The schedule in words: `describe("30 2 * * mon-fri")` is "at 02:30, Monday to Friday".

    language: "en" or "zh", else ValueError. A text is parsed first: see `parse_schedule` for the errors.
    """
    if language not in _LANGUAGES:
        raise ValueError(f"unknown language {language!r}; expected one of {', '.join(_LANGUAGES)}")
    say = _LANGUAGES[language]
    if isinstance(schedule, str):
        schedule = parse_schedule(schedule)
    if isinstance(schedule, CronSchedule):
        return _describe_cron(schedule, say)
    if isinstance(schedule, EverySchedule):
        return say.interval(schedule.interval_s)
    if isinstance(schedule, AtSchedule):
        date, time = f"{_EPOCH + timedelta(seconds=schedule.moment):%Y-%m-%d %H:%M:%S}".split()
        shown = time if schedule.moment % 60 else time[:5]
        return say.once(date, shown + (" UTC" if schedule.absolute else ""))
    return say.reboot


def start_text(dependencies: Sequence[str]) -> Text:
    """What starts a task that has no schedule."""
    return Text("schedules.after", tasks=list(dependencies)) if dependencies else Text("schedules.manually")


def _describe_cron(schedule: CronSchedule, say: Union[English, Chinese]) -> str:
    seconds, minutes, hours = pattern(schedule.seconds, 60), pattern(schedule.minutes, 60), pattern(schedule.hours, 24)
    listed = len(hours.numbers) * len(minutes.numbers) <= MAX_TIMES_LISTED
    if listed and len(seconds.numbers) == 1:
        second = f":{seconds.numbers[0]:02}" if seconds.numbers[0] else ""
        time = say.times([f"{hour:02}:{minute:02}{second}" for hour in hours.numbers for minute in minutes.numbers])
    elif listed:
        time = say.seconds_of(
            say.seconds(seconds), [f"{hour:02}:{minute:02}" for hour in hours.numbers for minute in minutes.numbers]
        )
    elif seconds.numbers == (0,):
        time = say.pattern_of_day(minutes, hours)
    elif minutes.step == hours.step == 1:
        time = say.seconds_of_every_minute(seconds)
    else:
        time = say.pattern_of_day(minutes, hours, say.seconds(seconds))
    return say.sentence(time, _days(schedule, say), often=not listed)


def _days(schedule: CronSchedule, say: Union[English, Chinese]) -> str:
    """The days in words; "" for every day."""
    days = weekdays = ""
    months = "" if schedule.months == ALL_MONTHS else say.months(pattern(schedule.months >> 1, 12).plus(1))
    if schedule.days != ALL_DAYS:
        days = say.days(pattern(schedule.days >> 1, 31).plus(1), schedule.special_days)
    if schedule.weekdays != ALL_WEEKDAYS:
        one_of = bool(days) and not schedule.either
        weekdays = say.weekdays(pattern(schedule.weekdays, 7), schedule.special_weekdays, one_of)
    if schedule.either and not (days and weekdays):
        days = weekdays = ""  # one field matches every day, and one is enough
    return say.day(days, weekdays, months, schedule.either)
