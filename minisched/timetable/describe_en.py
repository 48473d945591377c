"""Schedules in English. `describe` calls these methods; see there for the arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .describe import Pattern

_MONTHS = (
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_NTH = {"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth"}


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

    def sentence(self, time: str, days: str, often: bool) -> str:
        if days:
            return f"{time}, {days}"
        return time if often else f"{time}, every day"

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
            step = days.numbers[1] - days.numbers[0] if len(days.numbers) > 3 else 0
            if step > 1 and days.numbers == tuple(range(days.numbers[0], 32, step)):
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
            words = [f"{_WEEKDAYS[weekdays.run[0]]} to {_WEEKDAYS[weekdays.run[1]]}"]
        else:
            words = [_WEEKDAYS[day] for day in sorted(weekdays.numbers, key=lambda day: (day - 1) % 7)]
        for item in special:
            if item[0] == "L":
                words.append(f"the last {_WEEKDAYS[int(item[1])]} of {{month}}")
            else:
                words.append(f"the {_NTH[item[2]]} {_WEEKDAYS[int(item[0])]} of {{month}}")
        return _list(words, "or" if one_of else "and")

    def months(self, months: Pattern) -> str:
        if months.run:
            return f"{_MONTHS[months.run[0]]} to {_MONTHS[months.run[1]]}"
        return _list([_MONTHS[month] for month in months.numbers])

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
