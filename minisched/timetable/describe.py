"""Schedules described in English and Chinese.

`pattern` finds how a field's numbers follow each other (all, a run, every n-th, a list); `English` and `Chinese` put it
into words.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from minisched.namedtuple import NamedTuple

from .parser import parse_schedule
from .schedule import ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, AtSchedule, CronSchedule, EverySchedule, Schedule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Optional, Union

MAX_TIMES_LISTED = 6  # more times of day are described by their pattern

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


def _day_step(days: Pattern) -> int:
    """n if the days are every n-th one up to the end of the month, and more than three; else 0."""
    step = days.numbers[1] - days.numbers[0] if len(days.numbers) > 3 else 0
    return step if step > 1 and days.numbers == tuple(range(days.numbers[0], 32, step)) else 0


# -------------------------------------------------------------------------------------------------------------- English


_MONTHS_EN = ("", *"January February March April May June July August September October November December".split())  # noqa: SIM905
_WEEKDAYS_EN = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_DAYS_EN = {
    "working": "working days",
    "off": "days off",
    "first_working": "the first working day of the month",
    "last_working": "the last working day of the month",
}
_NTH_EN = {"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth"}


def _list(words: Sequence[str], last: str = "and") -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else words[0]


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number if number < 20 else number % 10, "th")
    return f"{number}{ending}"


def _named(noun: str, numbers: Pattern) -> str:
    if numbers.run:
        return f"{noun}s {numbers.run[0]} to {numbers.run[1]}"
    return f"{noun}{'s' * (len(numbers.numbers) > 1)} {_list([str(number) for number in numbers.numbers])}"


def _every(noun: str, numbers: Pattern) -> str:
    return f"every {noun}" if numbers.step == 1 else f"every {numbers.step} {noun}s"


def _every_nth(noun: str, numbers: Pattern) -> str:
    return f"every {noun}" if numbers.step == 1 else f"every {_nth(numbers.step)} {noun}"


def _from(noun: str, numbers: Pattern) -> str:
    return f" from {noun} {numbers.start}" if numbers.start else ""


class English:
    """The parts of a sentence: the time first, then the days."""

    reboot = "when the machine starts"

    def sentence(self, time: str, days: str, often: bool, calendar: str = "") -> str:
        """calendar: the words of the days of a calendar, "" for none."""
        if calendar:
            return f"{time}, {days}, {calendar}" if days else f"{time} {calendar}"
        if days:
            return f"{time}, {days}"
        return time if often else f"{time}, every day"

    def calendar(self, name: str, days: str) -> str:
        """days: as in `CalendarRule.days`."""
        return f"on {_DAYS_EN[days]} ({name})"

    def times(self, times: Sequence[str]) -> str:
        return f"at {_list(times)}"

    def seconds(self, seconds: Pattern) -> str:
        if seconds.step:
            return _every("second", seconds) + _from("second", seconds)
        return f"at {_named('second', seconds)}"

    def seconds_of(self, seconds: str, times: Sequence[str]) -> str:
        return f"{seconds} of the minute{'s' * (len(times) > 1)} {_list(times)}"

    def seconds_of_every_minute(self, seconds: Pattern) -> str:
        return self.seconds(seconds) + ("" if seconds.step else " of every minute")

    def pattern_of_day(self, minutes: Pattern, hours: Pattern, seconds: str = "") -> str:
        """More times of day than are listed. seconds: their words, "" for second 0 only."""
        if minutes.numbers == (0,) and not seconds:
            if hours.step:
                return _every("hour", hours) + (f" from {hours.start:02}:00" if hours.start else "")
            if hours.run:
                return f"every hour from {hours.run[0]:02}:00 to {hours.run[1]:02}:00"
            return self.times([f"{hour:02}:00" for hour in hours.numbers])
        if minutes.step:
            time = _every("minute", minutes)
            if seconds:
                time = f"{seconds}, {time}" if minutes.step == 1 else f"{seconds} of {_every_nth('minute', minutes)}"
            if hours.run and hours.step != 1:
                first, last = minutes.numbers[0], minutes.numbers[-1]
                return f"{time} from {hours.run[0]:02}:{first:02} to {hours.run[1]:02}:{last:02}"
            time += _from("minute", minutes)
            if hours.step == 1:
                return time
        else:
            time = f"{seconds}, " * bool(seconds) + f"at {_named('minute', minutes)}"
        if hours.step:
            return f"{time} of {_every_nth('hour', hours)}{_from('hour', hours)}"
        return f"{time} of {_named('hour', hours)}"

    def days(self, days: Pattern, special: Sequence[str]) -> str:
        """The days of the month, with "{month}" where the month belongs."""
        words = []
        if days.numbers:
            step = _day_step(days)
            if step:
                words.append(f"every {_nth(step)} day of {{month}} from day {days.numbers[0]}")
            else:
                words.append(f"{_named('day', days)} of {{month}}")
        for item in special:
            if item == "L":
                words.append("the last day of {month}")
            elif item == "LW":
                words.append("the last day from Monday to Friday of {month}")
            else:
                words.append(f"the day from Monday to Friday nearest to day {item[:-1]} of {{month}}")
        return "on " + _list(words)

    def weekdays(self, weekdays: Pattern, special: Sequence[str], one_of: bool) -> str:
        """one_of: the day of the month has to match as well ("on day 13 when it is Friday")."""
        if weekdays.run:
            words = [f"{_WEEKDAYS_EN[weekdays.run[0]]} to {_WEEKDAYS_EN[weekdays.run[1]]}"]
        else:
            words = [_WEEKDAYS_EN[day] for day in sorted(weekdays.numbers, key=lambda day: (day - 1) % 7)]
        for item in special:
            if item[0] == "L":
                words.append(f"the last {_WEEKDAYS_EN[int(item[1])]} of {{month}}")
            else:
                words.append(f"the {_NTH_EN[item[2]]} {_WEEKDAYS_EN[int(item[0])]} of {{month}}")
        return _list(words, "or" if one_of else "and")

    def months(self, months: Pattern) -> str:
        if months.run:
            return f"{_MONTHS_EN[months.run[0]]} to {_MONTHS_EN[months.run[1]]}"
        return _list([_MONTHS_EN[month] for month in months.numbers])

    def day(self, days: str, weekdays: str, months: str, either: bool) -> str:
        if days and weekdays:
            words = f"{days} or on {weekdays}" if either else f"{days} when it is {weekdays}"
        elif weekdays:
            words = weekdays if " to " in weekdays and "," not in weekdays else f"on {weekdays}"
        else:
            words = days
        if not words:
            return f"every day of {months}" if months else ""
        one_month = "{month}" in words and bool(months) and not (days and weekdays)
        text = words.replace("{month}", months if one_month else "the month")
        return text if one_month or not months else f"{text}, in {months}"

    def interval(self, interval_s: int) -> str:
        words = []
        for unit_s, noun in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
            count, interval_s = divmod(interval_s, unit_s)
            if count:
                words.append(f"{count} {noun}{'s' * (count > 1)}")
        if len(words) == 1 and words[0].startswith("1 "):
            words[0] = words[0][2:]
        return f"every {_list(words)}"

    def once(self, date: str, time: str) -> str:
        return f"once, on {date} at {time}"


# -------------------------------------------------------------------------------------------------------------- Chinese


_WEEKDAYS_ZH = ("周日", "周一", "周二", "周三", "周四", "周五", "周六")
_DAYS_ZH = {
    "working": "工作日",
    "off": "休息日",
    "first_working": "每月第一个工作日",
    "last_working": "每月最后一个工作日",
}
_NTH_ZH = {"1": "一", "2": "二", "3": "三", "4": "四", "5": "五"}


def _numbers_zh(numbers: Pattern, unit: str = "", following: str = "") -> str:
    """following: the next `unit` of time, for a run across the end: `11 月至次年 2`."""
    if numbers.run:
        first, last = numbers.run
        return f"{first} {unit}至{following} {last}" if first > last and following else f"{first} 至 {last}"
    return "、".join(str(number) for number in numbers.numbers)


def _from_zh(numbers: Pattern, unit: str) -> str:
    return f"从第 {numbers.start} {unit}起" if numbers.start else ""


def _next_day(run: tuple[int, int]) -> str:
    return "次日" if run[0] > run[1] else ""


class Chinese:
    """The parts of a sentence: the days first, then the time."""

    reboot = "开机时"

    def sentence(self, time: str, days: str, often: bool, calendar: str = "") -> str:
        if days and calendar:
            days = f"{days}且为{calendar}"
        if days or calendar:
            return f"{days or calendar} {time}"
        return time if often else f"每天 {time}"

    def calendar(self, name: str, days: str) -> str:
        return f"{_DAYS_ZH[days]}（{name}）"

    def times(self, times: Sequence[str]) -> str:
        return "、".join(times)

    def seconds(self, seconds: Pattern) -> str:
        if seconds.step:
            return _from_zh(seconds, "秒") + ("每秒" if seconds.step == 1 else f"每 {seconds.step} 秒")
        return f"第 {_numbers_zh(seconds)} 秒"

    def seconds_of(self, seconds: str, times: Sequence[str]) -> str:
        return (
            f"{self.times(times)} 这一分钟内{seconds}" if len(times) == 1 else f"{self.times(times)} 各分钟内{seconds}"
        )

    def seconds_of_every_minute(self, seconds: Pattern) -> str:
        return self.seconds(seconds) if seconds.step else f"每分钟的{self.seconds(seconds)}"

    def pattern_of_day(self, minutes: Pattern, hours: Pattern, seconds: str = "") -> str:
        """More times of day than are listed. seconds: their words, "" for second 0 only."""
        if seconds:
            return f"{self._minutes_of_day(minutes, hours, '中的一分钟内')}，{seconds}"
        if minutes.numbers == (0,):
            if hours.step:
                begin = f"从 {hours.start:02}:00 起" if hours.start else ""
                return begin + ("每小时" if hours.step == 1 else f"每 {hours.step} 小时")
            if hours.run:
                return f"{hours.run[0]:02}:00 至{_next_day(hours.run)} {hours.run[1]:02}:00 每小时"
            return self.times([f"{hour:02}:00" for hour in hours.numbers])
        return self._minutes_of_day(minutes, hours)

    def _minutes_of_day(self, minutes: Pattern, hours: Pattern, within: str = "") -> str:
        """within: added to minutes that are apart, if seconds follow."""
        if minutes.step:
            time = "每分钟" if minutes.step == 1 else f"每 {minutes.step} 分钟{within}"
            if hours.run and hours.step != 1:
                first, last = minutes.numbers[0], minutes.numbers[-1]
                return f"{hours.run[0]:02}:{first:02} 至{_next_day(hours.run)} {hours.run[1]:02}:{last:02} {time}"
            time = _from_zh(minutes, "分") + time
            if hours.step == 1:
                return time
        else:
            time = f"第 {_numbers_zh(minutes)} 分"
        if hours.step == 1:
            return f"每小时的{time}"
        if hours.step:
            begin = f"从 {hours.start} 时起" if hours.start else ""
            return f"{begin}每 {hours.step} 小时一次，{'' if minutes.start else '于其'}{time}"
        return f"{_numbers_zh(hours, '时', '次日')} 时{'，' if minutes.start else '的'}{time}"

    def days(self, days: Pattern, special: Sequence[str]) -> str:
        words = []
        if days.numbers:
            step = _day_step(days)
            if step:
                words.append(f"{days.numbers[0]} 日起每 {step} 天")
            else:
                words.append(f"{_numbers_zh(days, '日', '次月')} 日")
        for item in special:
            if item == "L":
                words.append("最后一天")
            elif item == "LW":
                words.append("最后一个工作日（周一至周五）")
            else:
                words.append(f"离 {item[:-1]} 日最近的工作日")
        return "{month}" + "、".join(words)

    def weekdays(self, weekdays: Pattern, special: Sequence[str], one_of: bool) -> str:
        """one_of: the day of the month has to match as well ("on day 13 when it is Friday")."""
        if weekdays.run:
            words = [f"{_WEEKDAYS_ZH[weekdays.run[0]]}至{_WEEKDAYS_ZH[weekdays.run[1]]}"]
        else:
            words = [_WEEKDAYS_ZH[day] for day in sorted(weekdays.numbers, key=lambda day: (day - 1) % 7)]
        for item in special:
            nth = "最后一个" if item[0] == "L" else f"第{_NTH_ZH[item[2]]}个"
            words.append(f"{{month}}{nth}{_WEEKDAYS_ZH[int(item[1] if item[0] == 'L' else item[0])]}")
        if one_of and len(words) > 1:
            return f"{'、'.join(words[:-1])}或{words[-1]}"
        return "、".join(words)

    def months(self, months: Pattern) -> str:
        return f"{_numbers_zh(months, '月', '次年')} 月"

    def day(self, days: str, weekdays: str, months: str, either: bool) -> str:
        if days and weekdays:
            words = f"{days}或{weekdays}" if either else f"{days}且为{weekdays}"
        else:
            words = days or weekdays
        if not words:
            return f"{months}每天" if months else ""
        if months and "{month}" not in words:
            return f"{months}的{words}"
        text = words.replace("{month}", f"{months or '每月'} ")
        return re.sub(r"月 (?=\D)", "月", text)  # keep the blank only before a digit

    def interval(self, interval_s: int) -> str:
        words = []
        for unit_s, noun in ((86400, "天"), (3600, "小时"), (60, "分钟"), (1, "秒")):
            count, interval_s = divmod(interval_s, unit_s)
            if count:
                words.append(f"{count} {noun}")
        return f"每 {' '.join(words)}"

    def once(self, date: str, time: str) -> str:
        return f"仅一次，{date} {time}"


# ------------------------------------------------------------------------------------------------------------ sentences


_LANGUAGES: dict[str, Union[English, Chinese]] = {"en": English(), "zh": Chinese()}


def describe(schedule: Union[Schedule, str], language: str = "en") -> str:
    """The schedule in words: `describe("30 2 * * mon-fri")` is "at 02:30, Monday to Friday". One with a calendar is "at
    02:30 on working days (cn)".

    language: "en" or "zh", else ValueError. A text is parsed first: see `parse_schedule` for the errors.
    """
    if language not in _LANGUAGES:
        raise ValueError(f"unknown language {language!r}; expected one of {', '.join(_LANGUAGES)}")
    say = _LANGUAGES[language]
    if isinstance(schedule, str):
        schedule = parse_schedule(schedule)
    rule = schedule.calendar and schedule.calendar.rule
    calendar = say.calendar(rule.name, rule.days) if rule else ""
    if isinstance(schedule, CronSchedule):
        return _describe_cron(schedule, say, calendar)
    if isinstance(schedule, EverySchedule):
        return say.sentence(say.interval(schedule.interval_s), "", often=True, calendar=calendar)
    if isinstance(schedule, AtSchedule):
        date, time = f"{_EPOCH + timedelta(seconds=schedule.moment):%Y-%m-%d %H:%M:%S}".split()
        shown = time if schedule.moment % 60 else time[:5]
        return say.once(date, shown + (" UTC" if schedule.absolute else ""))
    return say.reboot


def _describe_cron(schedule: CronSchedule, say: Union[English, Chinese], calendar: str) -> str:
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
    return say.sentence(time, _days(schedule, say), not listed, calendar)


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
