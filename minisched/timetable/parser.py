"""Schedule texts to schedules, read strictly.

A text that is not clearly a schedule is an error: a schedule misread in silence is a task that does not run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from types import MappingProxyType

from minisched.model import Text
from minisched.model.text import find_lookalike
from minisched.namedtuple import NamedTuple
from minisched.put_off import lazy_pattern

from .calendar import calendar_days, next_day
from .durations import hash_share, parse_duration
from .schedule import AtSchedule, CronSchedule, EverySchedule, RebootSchedule, Schedule, ScheduleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Union

    from minisched.model import CalendarRule, Task

MAX_CHARACTERS = 1000
LAST_YEAR = 9000  # of `@at`: datetime ends with 9999, and a search looks some years ahead
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
OTHER_MACROS = ('"@every 90s"', '"@at 2026-12-01T08:00"', "@reboot")


class _Field(NamedTuple):
    name: str  # as in the catalogue: `schedules.field.<name>`, `schedules.range.<name>`
    low: int
    high: int  # also the end of `a/s`
    names: Mapping[str, int] = MappingProxyType({})


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field("weekday", 0, 6, {name: number for number, name in enumerate(_WEEKDAYS)}),
)
_LONG_NAMES = lazy_pattern(
    "sunday|monday|tues(?:day)?|wednes(?:day)?|weds|thurs?(?:day)?|thursday|friday|saturday|sundays|mondays"
    "|january|february|march|april|june|july|august|sept(?:ember)?|october|november|december"
)
_DAY, _WEEKDAY = _FIELDS[3], _FIELDS[5]

# A number by the hash of the task's id: `0~30` as in cronie, `H`, `H(0-29)`, `H/15` as in Jenkins.
_HASHED = lazy_pattern(r"~|(?:^|[ \t,])[Hh](?=[ \t,/(]|$)")
_RANDOM_ITEM = lazy_pattern(r"([0-9]{1,2})?~([0-9]{1,2})?")
_HASH_ITEM = lazy_pattern(r"h(?:\(([0-9]{1,2})-([0-9]{1,2})\))?(?:/([0-9]{1,4}))?")
LAST_DAY_OF_ALL = 28  # the largest number that each month has

_YEARS = lazy_pattern(r"[0-9*,/-]*(?:19|20|21)[0-9]{2}[0-9,/-]*")
_STRANGE = lazy_pattern(r"[^\t -~]")
_ITEM = lazy_pattern(r"(?:(\*)|([0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?)(?:/([0-9]+))?")
_DAY_ITEM = lazy_pattern(r"(?P<last>lw?)|(?:w(?P<before>[0-9]{1,2})|(?P<after>[0-9]{1,2})w)")
_WEEKDAY_ITEM = lazy_pattern(
    r"(?P<from>[0-7]|[a-z]+)(?:-(?P<to>[0-7]|[a-z]+))?#(?P<nth>[1-5])|l(?P<before>[0-7])|(?P<after>[0-7]|[a-z]+)l"
)
_INTERVAL_WORDS = lazy_pattern(r"(?:every\s*)?([0-9]*)\s*([smhd])(?:ec|ecs|econds?|in|ins|inutes?|rs?|ours?|ays?)?")
_AT = lazy_pattern(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?([Zz]|[+-][0-9]{2}:?[0-9]{2})?")


def parse_schedule(text: str, task_id: str = "", rule: Optional[CalendarRule] = None) -> Schedule:
    """The schedule of a text: five or six cron fields, a macro, "@every 90s", "@at 2026-12-01T08:00", "@reboot".

    task_id: what `~` and `H` in a field are replaced by follows from it; without it, such a schedule may never be due.
    rule: the task's calendar.

    Raises ScheduleError, which names the field, the text and what is allowed; also for a schedule that can never be
    due, such as "0 0 30 2 *". The text is kept as it is in `.text`, but for blanks around it.
    """
    days = calendar_days(rule)
    schedule = _parse(text, task_id)
    return schedule if days is None else schedule.on(days)


def schedules_of(task: Task) -> tuple[Schedule, ...]:
    """The schedules of a task, which follow its calendar."""
    return tuple(parse_schedule(text, task.task_id, task.task_calendar) for text in task.task_schedule)


def is_hashed(text: str) -> bool:
    """Whether a schedule's text has `~` or `H`, whose numbers follow from the task's id."""
    return _HASHED.search(text) is not None


def _parse(text: str, task_id: str) -> Schedule:
    if not isinstance(text, str):
        raise _error("not_text", value=repr(text))
    if len(text) > MAX_CHARACTERS:
        raise _error("too_long", count=len(text), max=MAX_CHARACTERS)
    text = text.strip(" \t")
    strange = _STRANGE.search(text)
    if strange:
        found, meant = find_lookalike(strange[0])
        if meant == " ":
            raise _error("blank", text=repr(text), character=found)
        if meant:
            raise _error("full_width", text=repr(text), character=repr(found), ascii=repr(meant))
        raise _error("bad_character", text=repr(text), character=repr(strange[0]))
    if text.startswith("@"):
        return _parse_macro(text)
    return _parse_cron(text, text, task_id if is_hashed(text) else None)


def _parse_macro(text: str) -> Schedule:
    word, _, argument = text.replace("\t", " ").partition(" ")
    word, argument = word.lower(), argument.strip()
    if word == "@every":
        return EverySchedule(text, _interval(text, argument))
    if word == "@at":
        return _parse_at(text, argument)
    if word not in MACROS and word != "@reboot":
        raise _error("unknown_macro", text=text, macros=[*MACROS, *OTHER_MACROS])
    if argument:
        raise _error("macro_argument", text=text, macro=word)
    return RebootSchedule(text) if word == "@reboot" else _parse_cron(text, MACROS[word])


def _macro_meant(text: str) -> Union[Text, str]:
    """For a text without "@", or an interval in words, the macro that was probably meant."""
    found = _INTERVAL_WORDS.fullmatch(text.lower())
    count, unit = found.groups() if found else ("", "")
    macro = f"@{text.lower()}" if f"@{text.lower()}" in (*MACROS, "@reboot") else ""
    if unit and (count or text.lower().startswith("every")):
        macro = f"@every {count or 1}{unit}"
    elif _AT.fullmatch(text):
        macro = f"@at {text}"
    return Text("schedules.did_you_mean", macro=macro) if macro else ""


def _interval(text: str, argument: str) -> int:
    try:
        seconds = parse_duration(argument)
    except ValueError:
        seconds = 0.0
    if seconds < 1 or seconds != int(seconds):
        raise _error("interval", text=text, argument=argument)
    return int(seconds)


def _parse_at(text: str, argument: str) -> AtSchedule:
    found = _AT.fullmatch(argument)
    try:
        if found is None:
            raise ValueError
        day, minute, second, offset = found.groups()
        zone = "" if offset is None else "+00:00" if offset in "Zz" else f"{offset[:3]}:{offset[-2:]}"
        time = datetime.fromisoformat(f"{day}T{minute}{second or ':00'}{zone}")
        if not 1970 <= time.year <= LAST_YEAR:
            raise ValueError
        moment = int(time.replace(tzinfo=time.tzinfo or timezone.utc).timestamp())
    except ValueError:
        raise _error("at", text=text, argument=argument) from None
    return AtSchedule(text, moment, absolute=offset is not None)


def _parse_cron(text: str, expression: str, seed: Optional[str] = None) -> CronSchedule:
    """seed: the task's id, if the text has numbers by its hash."""
    parts = expression.split()
    if len(parts) > 5:
        _refuse_other_forms(text, parts)
    if len(parts) not in (5, 6):
        raise _error("field_count", text=text, count=len(parts), hint=_macro_meant(text))
    if len(parts) == 5:
        parts.insert(0, "0")
    try:
        if seed is not None:
            parts = [_without_hashes(*part, seed) for part in zip(_FIELDS, parts)]
        (seconds, _), (minutes, _), (hours, _), days, (months, _), weekdays = map(_parse_field, range(6), parts)
    except ScheduleError as error:
        raise _error("within", error=error.text, text=text) from None
    either = not (parts[3].startswith(("*", "?")) or parts[5].startswith(("*", "?")))
    schedule = CronSchedule(
        text,
        seconds=seconds,
        minutes=minutes,
        hours=hours,
        days=days[0],
        months=months,
        weekdays=weekdays[0],
        special_days=days[1],
        special_weekdays=weekdays[1],
        either=either,
        fixed=not (parts[1].startswith("*") or parts[2].startswith("*")),
        seed=seed or "",
    )
    # The longest gap of the calendar is shorter than the horizon of next_day: the result is the same from any day.
    # Numbers by the hash of an id are known only with the id.
    if seed != "" and not schedule.every_day and next_day(schedule, 0) is None:
        days_text = " ".join(parts[3:])
        raise _error("within", error=Text("schedules.never", days=days_text), text=text)
    return schedule


def _refuse_other_forms(text: str, parts: list[str]) -> None:
    """Raise for a line of a crontab, with its user or command, and for the texts of Quartz: a year as the seventh
    field, and days of the week that count from 1 for Sunday, which `?` in one of the day fields gives away."""
    if not any(_is_wrong(index, part) for index, part in enumerate(parts[:5], 1)):
        rest = " ".join(parts[5:])
        if re.match("[A-Za-z/.~$]", rest) and _is_wrong(5, parts[5]):
            raise _error("crontab_line", text=text, schedule=" ".join(parts[:5]), rest=rest)
    if len(parts) == 7 and (_YEARS.fullmatch(parts[6]) or "?" in (parts[3], parts[5])):
        raise _error("quartz_year", text=text)
    if len(parts) == 6 and "?" in (parts[3], parts[5]) and re.search(r"(?<![/#])\b[0-9]", parts[5]):
        ours = re.sub(r"(?<![/#])\b([1-7])", lambda day: str(int(day[1]) - 1), parts[5])
        written = " ".join([*parts[:3], parts[3].replace("?", "*"), parts[4], ours])
        raise _error("quartz_days", text=text, days=parts[5], written=written)


def _is_wrong(index: int, part: str) -> bool:
    try:
        _parse_field(index, part)
    except ScheduleError:
        return True
    return False


def _error(code: str, **values: Any) -> ScheduleError:
    return ScheduleError(Text(f"schedules.{code}", **values))


def _without_hashes(field: _Field, text: str, task_id: str) -> str:
    """A field in which each `~` and `H` is replaced by its number: the same for a task for ever, others for others."""
    if not is_hashed(text):
        return text
    share = hash_share(f"{field.name} {task_id}")  # by the field, so that `H H` is not one of 60 times only
    return ",".join(_without_hash(field, item, share) for item in text.split(","))


def _without_hash(field: _Field, item: str, share: float) -> str:
    found, step = _RANDOM_ITEM.fullmatch(item), ""
    if found is None:
        found = _HASH_ITEM.fullmatch(item.lower())
        if found is None:
            return item  # if it is not valid, `_parse_field` says so
        step = found[3] or ""
    whole = (field.low, LAST_DAY_OF_ALL if field is _DAY else field.high)
    low, high = (edge if number is None else int(number) for number, edge in zip(found.groups(), whole))
    size = high - low + 1
    if not field.low <= low <= high <= field.high or (step and int(step) > size):
        raise _item_error(field, item, "out_of_range")
    if not step:
        return str(low + int(share * size))
    return f"{low + int(share * int(step))}-{high}/{step}"  # a step of 0 is refused by `_parse_field`


def parse_weekdays(text: str) -> int:
    """A list of days of the week, as in a schedule, as a mask; bit 0 is Sunday. Raises ScheduleError."""
    mask, special = _parse_field(_FIELDS.index(_WEEKDAY), text)
    if special:
        raise _item_error(_WEEKDAY, text, "invalid")
    return mask


@lru_cache(maxsize=1024)  # ten thousand schedules are made of a few hundred different fields
def _parse_field(index: int, text: str) -> tuple[int, tuple[str, ...]]:
    """The numbers of one field as a mask, and the items of the day dialect, as `calendar` reads them."""
    field = _FIELDS[index]
    if text == "?" and (field is _DAY or field is _WEEKDAY):
        text = "*"
    mask = 0
    special: list[str] = []
    for written in text.split(","):
        item = written.lower()
        found = _ITEM.fullmatch(item)
        day = _DAY_ITEM.fullmatch(item) if field is _DAY else None
        weekday = _WEEKDAY_ITEM.fullmatch(item) if field is _WEEKDAY else None
        if day is not None:
            special.append(_special_day(day, written))
        elif weekday is not None:
            special.extend(_special_weekdays(weekday, written))
        elif found is not None:
            mask |= _numbers(field, written, *found.groups())
        else:
            raise _item_error(field, written, "invalid")
    return mask, tuple(special)


def _numbers(
    field: _Field, item: str, star: Optional[str], first: str, last: Optional[str], step_text: Optional[str]
) -> int:
    """The mask of `*`, `a`, `a-b`, `*/s`, `a-b/s` or `a/s`."""
    step = 1 if step_text is None else int(step_text)
    if step < 1:
        raise _item_error(field, item, "step")
    low, high = field.low, field.high
    if not star:
        low = high = _number(field, item, first)
        if last is not None:
            high = _number(field, item, last)
        elif step_text is not None:
            low, high = low % 7 if field is _WEEKDAY else low, field.high
    size = field.high - field.low + 1
    if low > high:
        high += size  # a range that wraps, as fri-mon or 22-2
    mask = 0
    for number in range(low, high + 1, step):
        mask |= 1 << field.low + (number - field.low) % size  # weekday 7 is 0
    return mask


def _number(field: _Field, item: str, text: str) -> int:
    if not text.isdigit():
        if text not in field.names:
            written = text[:3] if text[:3] in field.names and _LONG_NAMES.fullmatch(text) else ""
            if written:
                raise _error("long_name", field=Text(f"schedules.field.{field.name}"), name=text, write=written)
            if text == "l" and field is _WEEKDAY:
                raise _error("last_day", field=Text(f"schedules.field.{field.name}"), item=item)
            raise _item_error(field, item, "name", name=text)
        return field.names[text]
    number = int(text)
    if not field.low <= number <= (7 if field is _WEEKDAY else field.high):
        raise _item_error(field, item, "out_of_range")
    return number


def _special_day(found: re.Match[str], item: str) -> str:
    if found["last"]:
        return found["last"].upper()
    day = _number(_DAY, item, found["before"] or found["after"])
    return f"{day}W"


def _special_weekdays(found: re.Match[str], item: str) -> tuple[str, ...]:
    """`5L`, `friL`, `L5`: "L5". `5#3`, `fri#3`, `mon-fri#1`: one "5#3" for each day of the range."""
    if found["nth"] is None:
        return (f"L{_number(_WEEKDAY, item, found['before'] or found['after']) % 7}",)
    mask = _numbers(_WEEKDAY, item, None, found["from"], found["to"], None)
    return tuple(f"{day}#{found['nth']}" for day in range(7) if mask >> day & 1)


def _item_error(field: _Field, item: str, why: str, **values: Any) -> ScheduleError:
    return _error(
        "item",
        field=Text(f"schedules.field.{field.name}"),
        item=item,
        why=Text(f"schedules.item.{why}", **values),
        range=Text(f"schedules.range.{field.name}"),
    )
