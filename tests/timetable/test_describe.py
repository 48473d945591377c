"""Schedules in words, in both languages."""

from __future__ import annotations

import math

import pytest

from minisched.catalogue import render
from minisched.model import Dependency, On
from minisched.timetable import ScheduleError, parse_schedule, start_text
from minisched.timetable.describe import describe

TABLE = [
    ("30 2 * * *", "at 02:30, every day", "每天 02:30"),
    ("30 2 * * mon-fri", "at 02:30, Monday to Friday", "周一至周五 02:30"),
    ("* * * * *", "every minute", "每分钟"),
    ("*/15 * * * *", "every 15 minutes", "每 15 分钟"),
    ("0 * * * *", "every hour", "每小时"),
    ("30 * * * *", "at minute 30 of every hour", "每小时的第 30 分"),
    (
        "*/7 * * * *",
        "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour",
        "每小时的第 0、7、14、21、28、35、42、49、56 分",
    ),
    ("0 */2 * * *", "every 2 hours", "每 2 小时"),
    ("1-59/2 * * * *", "every 2 minutes from minute 1", "从第 1 分起每 2 分钟"),
    ("5/15 * * * *", "every 15 minutes from minute 5", "从第 5 分起每 15 分钟"),
    ("5/20 * * * *", "at minutes 5, 25 and 45 of every hour", "每小时的第 5、25、45 分"),
    ("30 1-23/2 * * *", "at minute 30 of every 2nd hour from hour 1", "从 1 时起每 2 小时一次，于其第 30 分"),
    ("0 1-23/2 * * *", "every 2 hours from 01:00", "从 01:00 起每 2 小时"),
    ("1-59/2 9-17 * * *", "every 2 minutes from 09:01 to 17:59", "09:01 至 17:59 每 2 分钟"),
    ("1-59/2 1,5,9 * * *", "every 2 minutes from minute 1 of hours 1, 5 and 9", "1、5、9 时，从第 1 分起每 2 分钟"),
    (
        "1-59/2 */2 * * *",
        "every 2 minutes from minute 1 of every 2nd hour",
        "每 2 小时一次，从第 1 分起每 2 分钟",
    ),
    (
        "1-59/2 1-23/2 * * *",
        "every 2 minutes from minute 1 of every 2nd hour from hour 1",
        "从 1 时起每 2 小时一次，从第 1 分起每 2 分钟",
    ),
    ("1-59/2 * * * * *", "every 2 seconds from second 1", "从第 1 秒起每 2 秒"),
    (
        "1-59/2 30 2 * * *",
        "every 2 seconds from second 1 of the minute 02:30, every day",
        "每天 02:30 这一分钟内从第 1 秒起每 2 秒",
    ),
    (
        "*/5 1-59/2 * * * *",
        "every 5 seconds of every 2nd minute from minute 1",
        "从第 1 分起每 2 分钟中的一分钟内，每 5 秒",
    ),
    ("30 */2 * * *", "at minute 30 of every 2nd hour", "每 2 小时一次，于其第 30 分"),
    ("0 9-17 * * *", "every hour from 09:00 to 17:00", "09:00 至 17:00 每小时"),
    (
        "*/15 9-17 * * mon-fri",
        "every 15 minutes from 09:00 to 17:45, Monday to Friday",
        "周一至周五 09:00 至 17:45 每 15 分钟",
    ),
    ("*/15 22-2 * * *", "every 15 minutes from 22:00 to 02:45", "22:00 至次日 02:45 每 15 分钟"),
    ("5,35 9-17 * * *", "at minutes 5 and 35 of hours 9 to 17", "9 至 17 时的第 5、35 分"),
    ("* 2 * * *", "every minute of hour 2", "2 时的每分钟"),
    ("0,30 2,14 * * *", "at 02:00, 02:30, 14:00 and 14:30, every day", "每天 02:00、02:30、14:00、14:30"),
    (
        "0 1,3,5,7,9,11,13 * * *",
        "at 01:00, 03:00, 05:00, 07:00, 09:00, 11:00 and 13:00",
        "01:00、03:00、05:00、07:00、09:00、11:00、13:00",
    ),
    ("*/15 1,5,9 * * *", "every 15 minutes of hours 1, 5 and 9", "1、5、9 时的每 15 分钟"),
    ("0 0 1 * *", "at 00:00, on day 1 of the month", "每月 1 日 00:00"),
    ("0 0 1,15 * *", "at 00:00, on days 1 and 15 of the month", "每月 1、15 日 00:00"),
    ("0 0 1-7 * *", "at 00:00, on days 1 to 7 of the month", "每月 1 至 7 日 00:00"),
    ("0 0 */2 * *", "at 00:00, on every 2nd day of the month from day 1", "每月 1 日起每 2 天 00:00"),
    ("0 0 1 1 *", "at 00:00, on day 1 of January", "1 月 1 日 00:00"),
    ("0 0 * 6-8 *", "at 00:00, every day of June to August", "6 至 8 月每天 00:00"),
    ("0 0 1 1,6 *", "at 00:00, on day 1 of January and June", "1、6 月 1 日 00:00"),
    ("0 0 13 * fri", "at 00:00, on day 13 of the month or on Friday", "每月 13 日或周五 00:00"),
    (
        "0 0 */2 * fri",
        "at 00:00, on every 2nd day of the month from day 1 when it is Friday",
        "每月 1 日起每 2 天且为周五 00:00",
    ),
    (
        "0 0 */2 * tue,thu,sat,sun",
        "at 00:00, on every 2nd day of the month from day 1 when it is Tuesday, Thursday, Saturday or Sunday",
        "每月 1 日起每 2 天且为周二、周四、周六或周日 00:00",
    ),
    ("0 0 13 6 fri", "at 00:00, on day 13 of the month or on Friday, in June", "6 月 13 日或周五 00:00"),
    ("0 0 * 6 mon", "at 00:00, on Monday, in June", "6 月的周一 00:00"),
    ("0 0 L * *", "at 00:00, on the last day of the month", "每月最后一天 00:00"),
    (
        "0 0 LW * *",
        "at 00:00, on the last day from Monday to Friday of the month",
        "每月最后一个工作日（周一至周五） 00:00",
    ),
    (
        "0 0 15W 3 *",
        "at 00:00, on the day from Monday to Friday nearest to day 15 of March",
        "3 月离 15 日最近的工作日 00:00",
    ),
    ("0 0 L,15 * *", "at 00:00, on day 15 of the month and the last day of the month", "每月 15 日、最后一天 00:00"),
    ("0 0 * * 5L", "at 00:00, on the last Friday of the month", "每月最后一个周五 00:00"),
    ("0 0 * * 5#3", "at 00:00, on the third Friday of the month", "每月第三个周五 00:00"),
    (
        "0 0 * * fri#3,1#1",
        "at 00:00, on the third Friday of the month and the first Monday of the month",
        "每月第三个周五、每月第一个周一 00:00",
    ),
    ("0 0 * 1 1#1", "at 00:00, on the first Monday of January", "1 月第一个周一 00:00"),
    ("0 0 * * sat,sun", "at 00:00, on Saturday and Sunday", "周六、周日 00:00"),
    ("0 0 * * fri-mon", "at 00:00, Friday to Monday", "周五至周一 00:00"),
    ("0 0 1 nov-feb *", "at 00:00, on day 1 of November to February", "11 月至次年 2 月 1 日 00:00"),
    ("* * * * * *", "every second", "每秒"),
    ("*/10 * * * * *", "every 10 seconds", "每 10 秒"),
    ("15 * * * * *", "at second 15 of every minute", "每分钟的第 15 秒"),
    ("0,15 * * * * *", "at seconds 0 and 15 of every minute", "每分钟的第 0、15 秒"),
    ("15 30 2 * * *", "at 02:30:15, every day", "每天 02:30:15"),
    ("* 30 2 * * *", "every second of the minute 02:30, every day", "每天 02:30 这一分钟内每秒"),
    (
        "*/10 0,30 2 * * *",
        "every 10 seconds of the minutes 02:00 and 02:30, every day",
        "每天 02:00、02:30 各分钟内每 10 秒",
    ),
    ("*/5 */5 * * * *", "every 5 seconds of every 5th minute", "每 5 分钟中的一分钟内，每 5 秒"),
    ("* */5 * * * *", "every second of every 5th minute", "每 5 分钟中的一分钟内，每秒"),
    ("15 */5 * * * *", "at second 15 of every 5th minute", "每 5 分钟中的一分钟内，第 15 秒"),
    (
        "*/5 */5 9-17 * * *",
        "every 5 seconds of every 5th minute from 09:00 to 17:55",
        "09:00 至 17:55 每 5 分钟中的一分钟内，每 5 秒",
    ),
    (
        "*/5 */5 */2 * * *",
        "every 5 seconds of every 5th minute of every 2nd hour",
        "每 2 小时一次，于其每 5 分钟中的一分钟内，每 5 秒",
    ),
    ("*/10 0 * * * *", "every 10 seconds, at minute 0 of every hour", "每小时的第 0 分，每 10 秒"),
    ("*/10 * 9-17 * * *", "every 10 seconds, every minute from 09:00 to 17:59", "09:00 至 17:59 每分钟，每 10 秒"),
    ("@daily", "at 00:00, every day", "每天 00:00"),
    ("@hourly", "every hour", "每小时"),
    ("@yearly", "at 00:00, on day 1 of January", "1 月 1 日 00:00"),
    ("@weekly", "at 00:00, on Sunday", "周日 00:00"),
    ("@monthly", "at 00:00, on day 1 of the month", "每月 1 日 00:00"),
    ("@every 90s", "every 1 minute and 30 seconds", "每 1 分钟 30 秒"),
    ("@every 1h", "every hour", "每 1 小时"),
    ("@every 1d", "every day", "每 1 天"),
    ("@at 2026-12-01T08:00", "once, on 2026-12-01 at 08:00", "仅一次，2026-12-01 08:00"),
    ("@at 2026-12-01T08:00:30Z", "once, on 2026-12-01 at 08:00:30 UTC", "仅一次，2026-12-01 08:00:30 UTC"),
    ("@reboot", "when the machine starts", "开机时"),
    ("0 0 1-31 * mon", "at 00:00, every day", "每天 00:00"),
    ("0 0 ? * mon", "at 00:00, on Monday", "周一 00:00"),
    ("10-20 * * * *", "at minutes 10 to 20 of every hour", "每小时的第 10 至 20 分"),
    ("0 0 28-2 * *", "at 00:00, on days 28 to 2 of the month", "每月 28 日至次月 2 日 00:00"),
    ("* */3 * * *", "every minute of every 3rd hour", "每 3 小时一次，于其每分钟"),
    (
        "*/30 */12 * * 1-5",
        "at 00:00, 00:30, 12:00 and 12:30, Monday to Friday",
        "周一至周五 00:00、00:30、12:00、12:30",
    ),
    ("5 */2 * * *", "at minute 5 of every 2nd hour", "每 2 小时一次，于其第 5 分"),
    ("0 0 10/5 * *", "at 00:00, on every 5th day of the month from day 10", "每月 10 日起每 5 天 00:00"),
    ("0 0 2-4,20,25 * *", "at 00:00, on days 2, 3, 4, 20 and 25 of the month", "每月 2、3、4、20、25 日 00:00"),
    ("0 0 1,2 * *", "at 00:00, on days 1 and 2 of the month", "每月 1、2 日 00:00"),
    ("0 0 * * 1,fri#2", "at 00:00, on Monday and the second Friday of the month", "周一、每月第二个周五 00:00"),
    ("0 0 L 3-5 *", "at 00:00, on the last day of March to May", "3 至 5 月最后一天 00:00"),
    (
        "0 0 15W * 5#1",
        "at 00:00, on the day from Monday to Friday nearest to day 15 of the month or on the first Friday of the month",
        "每月离 15 日最近的工作日或每月第一个周五 00:00",
    ),
    ("*/20 30 1,2,3,4,5,6,7 * * *", "every 20 seconds, at minute 30 of hours 1 to 7", "1 至 7 时的第 30 分，每 20 秒"),
    ("1-5 * * * * *", "at seconds 1 to 5 of every minute", "每分钟的第 1 至 5 秒"),
    ("0 0 13 6 *", "at 00:00, on day 13 of June", "6 月 13 日 00:00"),
    ("0 0 * 1,2,3,12 *", "at 00:00, every day of December to March", "12 月至次年 3 月每天 00:00"),
    ("0 0 1 * 0-6", "at 00:00, every day", "每天 00:00"),
    ("59 59 23 31 12 *", "at 23:59:59, on day 31 of December", "12 月 31 日 23:59:59"),
    ("*/30 5 2 * * *", "every 30 seconds of the minute 02:05, every day", "每天 02:05 这一分钟内每 30 秒"),
    ("0 0 31 * *", "at 00:00, on day 31 of the month", "每月 31 日 00:00"),
    ("@every 93784s", "every 1 day, 2 hours, 3 minutes and 4 seconds", "每 1 天 2 小时 3 分钟 4 秒"),
]


@pytest.mark.parametrize(("text", "english", "chinese"), TABLE, ids=[row[0] for row in TABLE])
def test_a_schedule_is_described_in_both_languages(text, english, chinese):
    assert describe(text) == english
    assert describe(parse_schedule(text), language="zh") == chinese


def test_a_text_that_is_no_schedule_has_no_words():
    with pytest.raises(ScheduleError):
        describe("30 2 * *")


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="unknown language 'xx'; expected one of en, zh"):
        describe("* * * * *", "xx")


def test_what_starts_a_task_without_a_schedule() -> None:
    assert render(start_text([Dependency("a"), Dependency("b")])) == "after a, b"
    needs = [Dependency("a", On.FAILURE), Dependency("b", On.END, 93600.0), Dependency("c", within=math.inf)]
    assert render(start_text(needs)) == "after failure of a, end of b in the last 1d2h, success of c at any time"
    assert render(start_text(needs), "zh") == "在 a 失败、最近 1d2h 内 b 结束、任意时间内 c 成功 之后"
    assert render(start_text([])) == "manually"
