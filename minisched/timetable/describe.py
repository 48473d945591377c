"""Schedules in words, in English and Chinese.

This room finds the pattern in a field's numbers (all, a run, every n-th, a list); a language says it, in `words_en`
and `words_zh`.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Union

from .describe_en import English
from .describe_zh import Chinese
from .parser import parse_schedule
from .pattern import pattern
from .schedule import ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, AtSchedule, CronSchedule, EverySchedule, Schedule

MOST_TIMES_LISTED = 6  # more times of day than these are told by their pattern

_LANGUAGES: dict[str, Union[English, Chinese]] = {"en": English(), "zh": Chinese()}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def describe(schedule: Union[Schedule, str], language: str = "en") -> str:
    """The schedule in words: `describe("30 2 * * mon-fri")` is "at 02:30, Monday to Friday".

    `language` is "en" or "zh" (ValueError for others). A text is parsed first, with the errors of `parse_schedule`.
    """
    if language not in _LANGUAGES:
        raise ValueError(f"no words in {language!r}; expected one of {', '.join(_LANGUAGES)}")
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


def _describe_cron(schedule: CronSchedule, say: Union[English, Chinese]) -> str:
    seconds, minutes, hours = pattern(schedule.seconds, 60), pattern(schedule.minutes, 60), pattern(schedule.hours, 24)
    listed = len(hours.numbers) * len(minutes.numbers) <= MOST_TIMES_LISTED
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
        days = weekdays = ""  # one of them is every day, and one is enough
    return say.day(days, weekdays, months, schedule.either)
