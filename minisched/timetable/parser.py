"""Schedule texts to schedules, read strictly.

A text that is not clearly a schedule is an error: a schedule misread in silence is a task that does not run.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import lru_cache
from typing import NamedTuple, Optional

from minisched.model import LocalizedText

from .calendar import next_day
from .durations import parse_duration
from .schedule import (
    ALL_DAYS,
    ALL_MONTHS,
    ALL_WEEKDAYS,
    AtSchedule,
    CronSchedule,
    EverySchedule,
    RebootSchedule,
    Schedule,
    ScheduleError,
    lowest,
)

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
    name: LocalizedText
    low: int
    high: int  # also the end of `a/s`
    names: dict[str, int]
    help: LocalizedText  # what is allowed, for errors


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTH_NAMES = {name: number for number, name in enumerate(_MONTHS, 1)}
_WEEKDAY_NAMES = {name: number for number, name in enumerate(_WEEKDAYS)}
_WEEKDAY_HELP = LocalizedText("0 to 7, sun to sat, ?, 5L, 5#3", "0 至 7、sun 至 sat、?、5L、5#3")
_MINUTE = _Field(LocalizedText("minute", "分钟"), 0, 59, {}, LocalizedText("0 to 59", "0 至 59"))
_FIELDS = (
    _MINUTE._replace(name=LocalizedText("second", "秒")),
    _MINUTE,
    _Field(LocalizedText("hour", "小时"), 0, 23, {}, LocalizedText("0 to 23", "0 至 23")),
    _Field(
        LocalizedText("day of month", "日期"),
        1,
        31,
        {},
        LocalizedText("1 to 31, ?, L, LW, 15W", "1 至 31、?、L、LW、15W"),
    ),
    _Field(
        LocalizedText("month", "月份"), 1, 12, _MONTH_NAMES, LocalizedText("1 to 12, jan to dec", "1 至 12、jan 至 dec")
    ),
    _Field(LocalizedText("day of week", "星期"), 0, 6, _WEEKDAY_NAMES, _WEEKDAY_HELP),
)
_DAY, _WEEKDAY = _FIELDS[3], _FIELDS[5]

_STRANGE = re.compile(r"[^\t -~]")
_ITEM = re.compile(r"(?:(\*)|([0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?)(?:/([0-9]+))?")
_DAY_ITEM = re.compile(r"(?P<last>lw?)|(?:w(?P<before>[0-9]{1,2})|(?P<after>[0-9]{1,2})w)")
_WEEKDAY_ITEM = re.compile(
    r"(?P<from>[0-7]|[a-z]+)(?:-(?P<to>[0-7]|[a-z]+))?#(?P<nth>[1-5])|l(?P<before>[0-7])|(?P<after>[0-7]|[a-z]+)l"
)
_AT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?([Zz]|[+-][0-9]{2}:?[0-9]{2})?")


def parse_schedule(text: str) -> Schedule:
    """The schedule of a text: five or six cron fields, a macro, "@every 90s", "@at 2026-12-01T08:00", "@reboot".

    Raises ScheduleError, which names the field, the text and what is allowed; also for a schedule that can never be
    due, such as "0 0 30 2 *". The text is kept as it is in `.text`, but for blanks around it.
    """
    if not isinstance(text, str):
        raise _wrong(f'{text!r} is not a text; expected such as "30 2 * * *"', f'{text!r} 不是文本；应如 "30 2 * * *"')
    if len(text) > MAX_CHARACTERS:
        raise _wrong(
            f"the text has {len(text)} characters; at most {MAX_CHARACTERS} are allowed",
            f"文本有 {len(text)} 个字符；最多允许 {MAX_CHARACTERS} 个",
        )
    text = text.strip(" \t")
    strange = _STRANGE.search(text)
    if strange:
        raise _wrong(
            f"{text!a} holds {strange[0]!a}; only ASCII text on one line is allowed",
            f"{text!a} 含有 {strange[0]!a}；只允许单行 ASCII 文本",
        )
    if text.startswith("@"):
        return _parse_macro(text)
    return _parse_cron(text, text)


def _parse_macro(text: str) -> Schedule:
    word, _, argument = text.replace("\t", " ").partition(" ")
    word, argument = word.lower(), argument.strip()
    if word == "@every":
        return EverySchedule(text, _interval(text, argument))
    if word == "@at":
        return _parse_at(text, argument)
    if word not in MACROS and word != "@reboot":
        raise _wrong(
            f'"{text}" is not known; expected one of {" ".join(MACROS)}, {", ".join(OTHER_MACROS)}',
            f'无法识别 "{text}"；应为以下之一：{"、".join((*MACROS, *OTHER_MACROS))}',
        )
    if argument:
        raise _wrong(
            f'"{text}" has more than the word {word}, which stands alone',
            f'"{text}" 中 {word} 之后有多余内容；{word} 须单独使用',
        )
    return RebootSchedule(text) if word == "@reboot" else _parse_cron(text, MACROS[word])


def _interval(text: str, argument: str) -> int:
    try:
        seconds = parse_duration(argument)
    except ValueError:
        seconds = 0.0
    if seconds < 1 or seconds != int(seconds):
        raise _wrong(
            f'the interval of "{text}" is "{argument}"; '
            'expected whole seconds from "1s" to "366d", such as "@every 90s" or "@every 1h30m"',
            f'"{text}" 的间隔为 "{argument}"；应为 "1s" 至 "366d" 之间的整秒数，如 "@every 90s" 或 "@every 1h30m"',
        )
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
        raise _wrong(
            f'the time of "{text}" is "{argument}"; expected a local time such as "@at 2026-12-01T08:00" '
            'or "2026-12-01T08:00:30", or one with its offset, "2026-12-01T08:00+01:00" or "...Z"',
            f'"{text}" 的时间为 "{argument}"；应为本地时间，如 "@at 2026-12-01T08:00" 或 "2026-12-01T08:00:30"，'
            '或带时差的时间，如 "2026-12-01T08:00+01:00" 或 "...Z"',
        ) from None
    return AtSchedule(text, moment, absolute=offset is not None)


def _parse_cron(text: str, expression: str) -> CronSchedule:
    parts = expression.split()
    if len(parts) not in (5, 6):
        raise _wrong(
            f'"{text}" has {len(parts)} field{"s" * (len(parts) != 1)}; expected five (minute, hour, '
            "day of month, month, day of week), or six with the seconds first",
            f'"{text}" 有 {len(parts)} 个字段；应为五个（分钟、小时、日期、月份、星期），或六个（秒在最前）',
        )
    if len(parts) == 5:
        parts.insert(0, "0")
    try:
        (seconds, _), (minutes, _), (hours, _), days, (months, _), weekdays = map(_parse_field, range(6), parts)
    except ScheduleError as error:
        raise _within(text, error.words) from None
    either = not (parts[3].startswith(("*", "?")) or parts[5].startswith(("*", "?")))
    whole = (days[0] == ALL_DAYS, weekdays[0] == ALL_WEEKDAYS)
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
        first_second=lowest(hours) * 3600 + lowest(minutes) * 60 + lowest(seconds),
        every_day=months == ALL_MONTHS and (any(whole) if either else all(whole)),
    )
    # The longest gap of the calendar is shorter than the horizon of next_day: the result is the same from any day.
    if not schedule.every_day and next_day(schedule, 0) is None:
        days_text = " ".join(parts[3:])
        never = LocalizedText(
            f'day of month, month, day of week: "{days_text}" can never be due; '
            "expected a day that the calendar has within 50 years",
            f'日期、月份、星期："{days_text}" 永远不会到期；应为 50 年内日历上存在的日子',
        )
        raise _within(text, never)
    return schedule


def _wrong(en: str, zh: str) -> ScheduleError:
    """Of the text as a whole."""
    return ScheduleError(LocalizedText(en, zh), whole=True)


def _within(text: str, words: LocalizedText) -> ScheduleError:
    """Of a part of the text, which is quoted as a whole at the end."""
    return ScheduleError(words.then(LocalizedText(f' (in "{text}")', f'（见 "{text}"）')))


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
            raise _refused(field, written, LocalizedText("is not understood", "无法理解"))
    return mask, tuple(special)


def _numbers(
    field: _Field, item: str, star: Optional[str], first: str, last: Optional[str], step_text: Optional[str]
) -> int:
    """The mask of `*`, `a`, `a-b`, `*/s`, `a-b/s` or `a/s`."""
    step = 1 if step_text is None else int(step_text)
    if step < 1:
        raise _refused(field, item, LocalizedText("has a step of 0", "的步长为 0"))
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
            raise _refused(
                field,
                item,
                LocalizedText(f'holds "{text}", which is no name here', f'含有 "{text}"，不是此处可用的名称'),
            )
        return field.names[text]
    number = int(text)
    if not field.low <= number <= (7 if field is _WEEKDAY else field.high):
        raise _refused(field, item, LocalizedText("is out of range", "超出范围"))
    return number


def _special_day(found: re.Match[str], item: str) -> str:
    if found["last"]:
        return found["last"].upper()
    day = _number(_DAY, item, found["before"] or found["after"])
    return f"{day}W"


def _special_weekdays(found: re.Match[str], item: str) -> tuple[str, ...]:
    """`5L`, `friL`, `L5`: croniter's "L5". `5#3`, `fri#3`, `mon-fri#1`: one "5#3" for each day of the range."""
    if found["nth"] is None:
        return (f"L{_number(_WEEKDAY, item, found['before'] or found['after']) % 7}",)
    mask = _numbers(_WEEKDAY, item, None, found["from"], found["to"], None)
    return tuple(f"{day}#{found['nth']}" for day in range(7) if mask >> day & 1)


def _refused(field: _Field, item: str, why: LocalizedText) -> ScheduleError:
    forms = "*, a, a-b, */s, a/s, a-b/s with a step s of 1 or more, and lists of these by comma"
    forms_zh = "*、a、a-b、*/s、a/s、a-b/s（步长 s 至少为 1），以及由逗号分隔的多项"
    return ScheduleError(
        LocalizedText(
            f'{field.name.en}: "{item}" {why.en}; allowed are {field.help.en}, as {forms}',
            f'{field.name.zh}："{item}" {why.zh}；可用 {field.help.zh}，写法为 {forms_zh}',
        )
    )
