"""Schedules in Chinese. `describe` calls these methods; see there for the arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .describe import Pattern

_WEEKDAYS = ("周日", "周一", "周二", "周三", "周四", "周五", "周六")
_NTH = {"1": "一", "2": "二", "3": "三", "4": "四", "5": "五"}


def _numbers(numbers: Pattern, unit: str = "", following: str = "") -> str:
    """following: the next `unit` of time, for a run across the end: `11 月至次年 2`."""
    if numbers.run:
        first, last = numbers.run
        return f"{first} {unit}至{following} {last}" if first > last and following else f"{first} 至 {last}"
    return "、".join(str(number) for number in numbers.numbers)


def _from(numbers: Pattern, unit: str) -> str:
    return f"从第 {numbers.start} {unit}起" if numbers.start else ""


def _next_day(run: tuple[int, int]) -> str:
    return "次日" if run[0] > run[1] else ""


class Chinese:
    """The parts of a sentence: the days first, then the time."""

    reboot = "开机时"

    def sentence(self, time: str, days: str, often: bool) -> str:
        if days:
            return f"{days} {time}"
        return time if often else f"每天 {time}"

    def times(self, times: Sequence[str]) -> str:
        return "、".join(times)

    def seconds(self, seconds: Pattern) -> str:
        if seconds.step:
            return _from(seconds, "秒") + ("每秒" if seconds.step == 1 else f"每 {seconds.step} 秒")
        return f"第 {_numbers(seconds)} 秒"

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
            time = _from(minutes, "分") + time
            if hours.step == 1:
                return time
        else:
            time = f"第 {_numbers(minutes)} 分"
        if hours.step == 1:
            return f"每小时的{time}"
        if hours.step:
            begin = f"从 {hours.start} 时起" if hours.start else ""
            return f"{begin}每 {hours.step} 小时一次，{'' if minutes.start else '于其'}{time}"
        return f"{_numbers(hours, '时', '次日')} 时{'，' if minutes.start else '的'}{time}"

    def days(self, days: Pattern, special: Sequence[str]) -> str:
        words = []
        if days.numbers:
            step = days.numbers[1] - days.numbers[0] if len(days.numbers) > 3 else 0
            if step > 1 and days.numbers == tuple(range(days.numbers[0], 32, step)):
                words.append(f"{days.numbers[0]} 日起每 {step} 天")
            else:
                words.append(f"{_numbers(days, '日', '次月')} 日")
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
            words = [f"{_WEEKDAYS[weekdays.run[0]]}至{_WEEKDAYS[weekdays.run[1]]}"]
        else:
            words = [_WEEKDAYS[day] for day in sorted(weekdays.numbers, key=lambda day: (day - 1) % 7)]
        for item in special:
            nth = "最后一个" if item[0] == "L" else f"第{_NTH[item[2]]}个"
            words.append(f"{{month}}{nth}{_WEEKDAYS[int(item[1] if item[0] == 'L' else item[0])]}")
        if one_of and len(words) > 1:
            return f"{'、'.join(words[:-1])}或{words[-1]}"
        return "、".join(words)

    def months(self, months: Pattern) -> str:
        return f"{_numbers(months, '月', '次年')} 月"

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
