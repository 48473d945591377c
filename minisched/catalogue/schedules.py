"""Errors in schedules, time zones, durations and times."""

TEXTS: dict[str, tuple[str, str]] = {
    # Schedules as a whole.
    "schedules.not_text": (
        '{value} is not a text; expected a schedule such as "30 2 * * *"',
        '{value} 不是文本；应为时间表，如 "30 2 * * *"',
    ),
    "schedules.too_long": (
        "the text has {count} characters; at most {max} are allowed",
        "文本有 {count} 个字符；最多允许 {max} 个",
    ),
    "schedules.bad_character": (
        "{text} contains {character}; only ASCII text on one line is allowed",
        "{text} 含有 {character}；只允许单行 ASCII 文本",
    ),
    "schedules.full_width": (
        "{text} contains {character}; write {ascii} instead",
        "{text} 含有 {character}；请改为半角 {ascii}",
    ),
    "schedules.blank": (
        "{text} contains the blank {character}; write an ordinary blank instead",
        "{text} 含有空白字符 {character}；请改为普通空格",
    ),
    "schedules.crontab_line": (
        '"{text}" is a line of a crontab; the schedule is "{schedule}", and "{rest}" belongs in task_exec, or a user in'
        " task_user",
        '"{text}" 是 crontab 中的一行；时间表是 "{schedule}"，"{rest}" 应写入 task_exec，其中的用户应写入 task_user',
    ),
    "schedules.quartz_year": (
        '"{text}" has a seventh field, as in Quartz; omit the year, or write "@at 2027-01-01T12:00" for a single time.'
        " Days of the week count from 0 or 7 for Sunday here, not from 1: write their names",
        '"{text}" 有第七个字段，如同 Quartz；请省略年份，或用 "@at 2027-01-01T12:00" 表示单次时间。'
        "此处星期从 0 或 7（星期日）开始，而不是 1：请写名称",
    ),
    "schedules.quartz_days": (
        '"{text}": with "?" the days of the week "{days}" are those of Quartz, where 1 is Sunday; here 0 and 7 are'
        ' Sunday: write "{written}"',
        '"{text}"：与 "?" 同用的星期 "{days}" 是 Quartz 的写法，其中 1 为星期日；此处 0 和 7 为星期日：请写作'
        ' "{written}"',
    ),
    "schedules.long_name": ('{field}: "{name}" is written "{write}"', '{field}："{name}" 应写作 "{write}"'),
    "schedules.last_day": (
        '{field}: "{item}" needs a day, such as 5L for the last Friday; the last day of the month is L in the third'
        " field",
        '{field}："{item}" 需要星期，如 5L 表示最后一个星期五；一个月的最后一天是第三个字段的 L',
    ),
    "schedules.unknown_macro": (
        '"{text}" is not a known schedule; expected one of {macros}',
        '无法识别时间表 "{text}"；应为以下之一：{macros}',
    ),
    "schedules.macro_argument": (
        '"{text}" has text after {macro}; {macro} takes no arguments',
        '"{text}" 中 {macro} 之后有多余内容；{macro} 不带参数',
    ),
    "schedules.interval": (
        'the interval of "{text}" is "{argument}"; expected whole seconds from "1s" to "366d", such as "@every 90s" or'
        ' "@every 1h30m"',
        '"{text}" 的间隔为 "{argument}"；应为 "1s" 至 "366d" 之间的整秒数，如 "@every 90s" 或 "@every 1h30m"',
    ),
    "schedules.at": (
        'the time of "{text}" is "{argument}"; expected a local time such as "@at 2026-12-01T08:00" or'
        ' "2026-12-01T08:00:30", or a time with its offset: "2026-12-01T08:00+01:00" or "...Z"',
        '"{text}" 的时间为 "{argument}"；应为本地时间，如 "@at 2026-12-01T08:00" 或 "2026-12-01T08:00:30"，'
        '或带时差的时间，如 "2026-12-01T08:00+01:00" 或 "...Z"',
    ),
    "schedules.field_count": (
        '"{text}" has {count} {count|field|fields}; expected five (minute, hour, day of month, month, day of week), or'
        " six with the seconds first{hint}",
        '"{text}" 有 {count} 个字段；应为五个（分钟、小时、日期、月份、星期），或六个（秒在最前）{hint}',
    ),
    "schedules.did_you_mean": ('; did you mean "{macro}"?', '；是否指 "{macro}"？'),
    "schedules.never": (
        'day of month, month, day of week: "{days}" is never due; expected a day that occurs within 50 years',
        '日期、月份、星期："{days}" 永远不会触发；应为 50 年内存在的日子',
    ),
    "schedules.within": ('{error} (in "{text}")', '{error}（见 "{text}"）'),
    # One item of a field.
    "schedules.item": (
        '{field}: "{item}" {why}; allowed are {range}, as *, a, a-b, */s, a/s, a-b/s with a step s of 1 or more, and'
        " lists of these separated by commas",
        '{field}："{item}" {why}；可用 {range}，写法为 *、a、a-b、*/s、a/s、a-b/s（步长 s 至少为 1），'
        "以及由逗号分隔的多项",
    ),
    "schedules.item.invalid": ("is not valid", "无法识别"),
    "schedules.item.out_of_range": ("is out of range", "超出范围"),
    "schedules.item.step": ("has a step of 0", "的步长为 0"),
    "schedules.item.name": ('contains the unknown name "{name}"', '含有未知名称 "{name}"'),
    "schedules.field.second": ("second", "秒"),
    "schedules.field.minute": ("minute", "分钟"),
    "schedules.field.hour": ("hour", "小时"),
    "schedules.field.day": ("day of month", "日期"),
    "schedules.field.month": ("month", "月份"),
    "schedules.field.weekday": ("day of week", "星期"),
    "schedules.range.second": ("0 to 59", "0 至 59"),
    "schedules.range.minute": ("0 to 59", "0 至 59"),
    "schedules.range.hour": ("0 to 23", "0 至 23"),
    "schedules.range.day": ("1 to 31, ?, L, LW, 15W", "1 至 31、?、L、LW、15W"),
    "schedules.range.month": ("1 to 12, jan to dec", "1 至 12、jan 至 dec"),
    "schedules.range.weekday": ("0 to 7, sun to sat, ?, 5L, 5#3", "0 至 7、sun 至 sat、?、5L、5#3"),
    # Time zones.
    "schedules.zone.not_a_name": (
        '{name} is not a time zone name; expected an IANA name such as "Europe/Berlin" or "UTC"',
        '{name} 不是时区名；应为 IANA 时区名，如 "Europe/Berlin" 或 "UTC"',
    ),
    "schedules.zone.unknown": (
        'unknown time zone "{name}"; expected an IANA name such as "Europe/Berlin" or "UTC"',
        '未知时区 "{name}"；应为 IANA 时区名，如 "Europe/Berlin" 或 "UTC"',
    ),
    "schedules.zone.near": (
        'unknown time zone "{name}"; did you mean "{near}"?',
        '未知时区 "{name}"；是否指 "{near}"？',
    ),
    "schedules.zone.no_data": (
        'time zone "{name}" cannot be looked up: this machine has no time zone data; install the system package'
        ' "tzdata" or run `pip install tzdata`, or use "UTC"',
        '无法查找时区 "{name}"：本机没有时区数据；请安装系统软件包 "tzdata" 或执行 `pip install tzdata`，或改用 "UTC"',
    ),
    "schedules.zone.abbreviation": (
        '"{name}" is an abbreviation, which several zones use; expected an IANA name such as "Asia/Shanghai" or'
        ' "America/Chicago"',
        '"{name}" 是缩写，可能指多个时区；应为 IANA 时区名，如 "Asia/Shanghai" 或 "America/Chicago"',
    ),
    "schedules.zone.offset": (
        '"{name}" is an offset, not a time zone; expected an IANA name such as "Asia/Kolkata"',
        '"{name}" 是时差，不是时区；应为 IANA 时区名，如 "Asia/Kolkata"',
    ),
    "schedules.zone.whole_offset": (
        '"{name}" is an offset, not a time zone; expected an IANA name such as "Asia/Shanghai", or for this fixed'
        ' offset "{zone}" (names of this kind have the sign turned)',
        '"{name}" 是时差，不是时区；应为 IANA 时区名，如 "Asia/Shanghai"；若要使用此固定时差，请写 "{zone}"'
        "（这类名称的正负号相反）",
    ),
    "schedules.zone.local": (
        '"{name}" is not a time zone name; omit the field for the zone of the machine, or write an IANA name such as'
        ' "Asia/Shanghai"',
        '"{name}" 不是时区名；若要使用本机时区，请省略此字段，或写 IANA 时区名，如 "Asia/Shanghai"',
    ),
    "schedules.zone.none": (
        "the time zone of this machine is unknown (no TZ, no /etc/timezone, no usable /etc/localtime), so UTC is used;"
        ' set "timezone" in the settings',
        '本机时区未知（没有 TZ、/etc/timezone 或可用的 /etc/localtime），因此使用 UTC；请在 settings 中设置 "timezone"',
    ),
    "schedules.zone.unknown_tz": (
        'TZ is "{value}", which is not the name of a known time zone; schedules use {zone}, programs may use another;'
        ' set TZ to a name such as "Asia/Shanghai", or "timezone" in the settings',
        'TZ 为 "{value}"，不是已知的时区名；时间表使用 {zone}，其他程序可能使用别的时区；请将 TZ 设为'
        ' "Asia/Shanghai" 这样的名称，或在 settings 中设置 "timezone"',
    ),
    "schedules.zone.disagree": (
        "{path} names {zone} ({offset}), but the local time of programs, from {rules}, has the offset {other}; correct"
        ' one of the two files, or set "timezone" in the settings',
        "{path} 指定 {zone}（{offset}），而其他程序按 {rules} 使用的本地时差为 {other}；请更正其中一个文件，或在"
        ' settings 中设置 "timezone"',
    ),
    # Calendars: errors of a line, and of the whole.
    "schedules.calendar.line": (
        '"{line}" is no line of a calendar; expected one such as "week mon-fri", "2026-10-01..2026-10-07 off National'
        ' Day" or "2026-10-10 on make-up day"',
        '"{line}" 不是日历的行；应为 "week mon-fri"、"2026-10-01..2026-10-07 off 国庆节" 或 "2026-10-10 on 调休上班"'
        " 这样的行",
    ),
    "schedules.calendar.full_width": (
        '"{line}" is no line of a calendar; instead of "{found}" write "{ascii}"',
        '"{line}" 不是日历的行；"{found}" 请改为半角 "{ascii}"',
    ),
    "schedules.calendar.date": (
        '"{text}" is not a date; expected one such as 2026-10-01, from the year 1970 to 9000',
        '"{text}" 不是日期；应为 2026-10-01 这样的日期，年份为 1970 至 9000',
    ),
    "schedules.calendar.reversed": (
        "{first}..{last} ends before it begins",
        "{first}..{last} 的结束早于开始",
    ),
    "schedules.calendar.long": (
        "names {days} days; at most {max} are allowed in one line",
        "共 {days} 天；一行最多允许 {max} 天",
    ),
    "schedules.calendar.words": (
        "the words after on or off are longer than {max} characters, or contain control characters",
        "on 或 off 之后的文字超过 {max} 个字符，或含有控制字符",
    ),
    "schedules.calendar.overlap": ("{day} is in line {other} already", "{day} 已在第 {other} 行"),
    "schedules.calendar.week": (
        '{error}; expected the ordinary working days, such as "week mon-fri", or "week none"',
        '{error}；应为通常的工作日，如 "week mon-fri"，或 "week none"',
    ),
    "schedules.calendar.week_twice": ("the week is in line {other} already", "week 已在第 {other} 行"),
    "schedules.calendar.no_week": (
        'has no line with the ordinary working days; expected one such as "week mon-fri"',
        '缺少通常工作日的行；应有 "week mon-fri" 这样的一行',
    ),
    "schedules.calendar.ends": (
        "the calendar {calendar} ({file}) ends soon: its last line is that of {date}; add the days of the time after"
        " it",
        "日历 {calendar}（{file}）即将到期：最后一行是 {date}；请补充其后的日期",
    ),
    "schedules.calendar.ended": (
        "the calendar {calendar} ({file}) has ended: its last line is that of {date}, and since then only its week"
        " counts; add the days of the time after it",
        "日历 {calendar}（{file}）已到期：最后一行是 {date}，此后只按 week 判断；请补充其后的日期",
    ),
    # Why nothing is due on a day by the calendar.
    "schedules.day.off": (
        "{date} ({weekday}) is off in the calendar {calendar}: {words}",
        "{date}（{weekday}）按日历 {calendar} 为休息日：{words}",
    ),
    "schedules.day.off_plain": (
        "{date} ({weekday}) is off in the calendar {calendar}",
        "{date}（{weekday}）按日历 {calendar} 为休息日",
    ),
    "schedules.day.on": (
        "{date} ({weekday}) is a working day in the calendar {calendar}: {words}",
        "{date}（{weekday}）按日历 {calendar} 为工作日：{words}",
    ),
    "schedules.day.on_plain": (
        "{date} ({weekday}) is a working day in the calendar {calendar}",
        "{date}（{weekday}）按日历 {calendar} 为工作日",
    ),
    "schedules.day.not_first": (
        "{date} ({weekday}) is not the first working day of the month in the calendar {calendar}: {words}",
        "{date}（{weekday}）按日历 {calendar} 不是当月第一个工作日：{words}",
    ),
    "schedules.day.not_first_plain": (
        "{date} ({weekday}) is not the first working day of the month in the calendar {calendar}",
        "{date}（{weekday}）按日历 {calendar} 不是当月第一个工作日",
    ),
    "schedules.day.not_last": (
        "{date} ({weekday}) is not the last working day of the month in the calendar {calendar}: {words}",
        "{date}（{weekday}）按日历 {calendar} 不是当月最后一个工作日：{words}",
    ),
    "schedules.day.not_last_plain": (
        "{date} ({weekday}) is not the last working day of the month in the calendar {calendar}",
        "{date}（{weekday}）按日历 {calendar} 不是当月最后一个工作日",
    ),
    "schedules.weekday.span": ("{first} to {last}", "{first}至{last}"),
    "schedules.weekday.0": ("Sunday", "周日"),
    "schedules.weekday.1": ("Monday", "周一"),
    "schedules.weekday.2": ("Tuesday", "周二"),
    "schedules.weekday.3": ("Wednesday", "周三"),
    "schedules.weekday.4": ("Thursday", "周四"),
    "schedules.weekday.5": ("Friday", "周五"),
    "schedules.weekday.6": ("Saturday", "周六"),
    # What starts a task without a schedule.
    "schedules.after": ("after {tasks}", "在 {tasks} 之后"),
    "schedules.manually": ("manually", "手动"),
    # Durations and times.
    "schedules.expected": ("expected {rule}", "应为{rule}"),
    "schedules.duration": ('a duration such as 300 or "5m"', '时长，如 300 或 "5m"'),
    "schedules.duration.units": (
        'a duration such as 300 or "5m", with the units d, h, m and s and without blanks',
        '时长，如 300 或 "5m"，单位为 d、h、m、s，不含空格',
    ),
    "schedules.duration.written": (
        'a duration such as 300 or "5m"; write "{write}"',
        '时长，如 300 或 "5m"；请写作 "{write}"',
    ),
    "schedules.duration.min": (
        'a duration such as 300 or "5m", of at least {min}s',
        '时长，如 300 或 "5m"，至少 {min}s',
    ),
    "schedules.duration.max": (
        'a duration such as 300 or "5m", of at most {days} days',
        '时长，如 300 或 "5m"，最长 {days} 天',
    ),
    "schedules.future": (
        "{text} is still to come; expected a time that has passed",
        "{text} 尚未到来；应为已过去的时间",
    ),
    "schedules.time": (
        '"{text}" is not a time; expected ISO 8601 such as 2026-11-23T02:30 or 2026-11-23T02:30+08:00',
        '"{text}" 不是时间；应为 ISO 8601 格式，如 2026-11-23T02:30 或 2026-11-23T02:30+08:00',
    ),
}
