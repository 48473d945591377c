"""Parsed schedules: small, immutable values, one class per kind.

Two schedules are equal if they have the same text, hash the same task's id and follow the same calendar; pickling one
keeps only these. Sets of numbers are bit masks (bit 5 of `minutes` is minute 5): ten thousand schedules fit in a few
megabytes, and a search is a few shifts.
"""

from __future__ import annotations

from math import inf

from minisched.catalogue import TextError
from minisched.model import On, Text

from .durations import format_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Optional, TypeVar, Union

    from minisched.model import Dependency

    from .calendar import CalendarDays

    Self = TypeVar("Self", bound="Schedule")

ALL_SECONDS = ALL_MINUTES = (1 << 60) - 1
ALL_HOURS = (1 << 24) - 1
ALL_DAYS = (1 << 32) - 2  # days of the month count from 1: bit 0 stays clear
ALL_MONTHS = (1 << 13) - 2
ALL_WEEKDAYS = (1 << 7) - 1  # bit 0 is Sunday


def lowest(mask: int) -> int:
    """The lowest number in a mask that is not empty."""
    return (mask & -mask).bit_length() - 1


class ScheduleError(TextError):
    """A text that is no schedule. The message names the field, the text, and what is allowed."""


class Schedule:
    """When a task is due. `text` is what the user wrote, `kind` is "cron", "every", "at" or "reboot".

    `seed`: the id of the task that `~` and `H` were replaced for; "" in a text without them.
    `calendar`: it is due only on these days; None for every day.
    """

    __slots__ = ("calendar", "seed", "text")
    kind: ClassVar[str]
    text: str
    seed: str
    calendar: Optional[CalendarDays]

    def __init__(self, text: str, **fields: Any) -> None:
        self._set(text=text, **{"seed": "", "calendar": None, **fields})

    def on(self: Self, calendar: Optional[CalendarDays]) -> Self:
        """The same schedule, due only on the days of a calendar; None: on every day."""
        copy = object.__new__(type(self))
        for one in type(self).__mro__[:-1]:
            for name in one.__slots__:  # type: ignore[attr-defined]
                object.__setattr__(copy, name, getattr(self, name))
        copy._set(calendar=calendar)
        return copy

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a schedule is immutable: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a schedule is immutable: {name}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return (self.text, self.seed, self.calendar) == (other.text, other.seed, other.calendar)

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"parse_schedule({self.text!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        from .parser import parse_schedule  # parser imports this module

        rule = self.calendar and self.calendar.rule
        return parse_schedule, (self.text, self.seed, rule)


class CronSchedule(Schedule):
    """Due when the wall clock of its zone shows a matching time.

    Masks: `seconds` (second 0 only, for five fields), `minutes`, `hours`, `days`, `months`, `weekdays`.
    `special_days` and `special_weekdays` hold the items a mask cannot: "L", "LW", "15W"; "L5", "5#3".
    `either`: both day fields are restricted and neither begins with `*`: a day is due if one of them matches. Else both
    have to match.
    `fixed`: neither minute nor hour begins with `*`: such a schedule runs once for a time that a change of offset
    skips, and not again for a time that it repeats.
    `every_day`: neither a field nor a calendar restricts the day, so that a search can skip the days.
    `first_second`: the first due second of a due day; most searches end there.
    """

    __slots__ = (
        "days",
        "either",
        "every_day",
        "first_second",
        "fixed",
        "hours",
        "minutes",
        "months",
        "seconds",
        "special_days",
        "special_weekdays",
        "weekdays",
    )
    kind = "cron"
    seconds: int
    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    special_days: tuple[str, ...]
    special_weekdays: tuple[str, ...]
    either: bool
    fixed: bool
    every_day: bool
    first_second: int

    def __init__(self, text: str, **fields: Any) -> None:
        """fields: all but `every_day` and `first_second`, which follow from the others."""
        super().__init__(text, **fields)
        whole = (self.days == ALL_DAYS, self.weekdays == ALL_WEEKDAYS)
        self._set(
            every_day=self.months == ALL_MONTHS and (any(whole) if self.either else all(whole)),
            first_second=lowest(self.hours) * 3600 + lowest(self.minutes) * 60 + lowest(self.seconds),
        )

    def on(self, calendar: Optional[CalendarDays]) -> CronSchedule:
        copy = super().on(calendar)
        copy._set(every_day=False)
        return copy


class EverySchedule(Schedule):
    """Due at the multiples of `interval_s` since 1970-01-01T00:00Z: the same instants on every host."""

    __slots__ = ("interval_s",)
    kind = "every"
    interval_s: int

    def __init__(self, text: str, interval_s: int) -> None:
        super().__init__(text, interval_s=interval_s)


class AtSchedule(Schedule):
    """Due once. `moment` is an instant if the text has an offset (`absolute`), else a wall time, counted as in UTC."""

    __slots__ = ("absolute", "moment")
    kind = "at"
    moment: int
    absolute: bool

    def __init__(self, text: str, moment: int, absolute: bool) -> None:
        super().__init__(text, moment=moment, absolute=absolute)


class RebootSchedule(Schedule):
    """Due once per boot of the machine. It has no instants that can be computed; the engine starts it."""

    __slots__ = ()
    kind = "reboot"


def start_text(dependencies: Sequence[Dependency]) -> Text:
    """What starts a task that has no schedule."""
    needs = list(map(need_text, dependencies))
    return Text("schedules.after", tasks=needs) if needs else Text("schedules.manually")


def need_text(dependency: Dependency) -> Union[Text, str]:
    """A dependency in words; the id alone for the usual one, a success that is used up."""
    if dependency.on is On.SUCCESS and dependency.within is None:
        return dependency.task_id
    need = Text(f"need_{dependency.on}", task=dependency.task_id)
    if dependency.within is None:
        return need
    if dependency.within == inf:
        return Text("need_ever", need=need)
    return Text("need_within", need=need, within=format_duration(dependency.within))
