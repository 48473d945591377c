"""The page in a browser: why a task ran or did not, and the calendar of its days."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from support.page import Engine, OpenPage, card, choose, dialog, engine, expect, field


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("calendar")
    (folder / "cn.txt").write_text(f"week *\n{day(0)} off Founders' Day\n")
    tasks = [
        {"task_id": "report", "task_exec": "true", "task_schedule": "59 23 * * *", "task_calendar": "cn"},
        {"task_id": "broken", "task_exec": "echo no such table; exit 3"},
        {"task_id": "after", "task_exec": "true", "task_dependencies": ["broken"]},
        {"task_id": "off", "task_exec": "true", "task_schedule": "@daily"},
    ]
    with engine(folder, *tasks, timezone=zone(), calendars={"cn": {"file": str(folder / "cn.txt")}}) as running:
        running.run("broken")
        running.until("after", "skipped")
        running.call("POST /tasks/off/disable", {})
        running.until("off", "idle")
        yield running


def zone() -> str:
    """Where it is noon: the day does not end during the test."""
    hour = time.gmtime().tm_hour
    return f"Etc/GMT{hour - 12:+}" if hour != 12 else "UTC"


def day(ago: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + (12 - time.gmtime().tm_hour) * 3600 - ago * 86400))


def test_a_card_and_the_preview_say_why_a_task_is_not_due_today(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    expect(card(page, "report")).to_contain_text("at 23:59 on working days (cn)")
    expect(card(page, "report")).to_contain_text("not due today: Founders' Day")
    choose(page, "report", "edit")
    preview = dialog(page).locator(".ed-preview")
    expect(preview).to_contain_text("is off in the calendar cn: Founders' Day")
    field(page, "task_calendar").get_by_role("combobox").last.select_option("off")
    expect(preview).to_contain_text("at 23:59 on days off (cn)")


def test_why_is_answered_for_a_day_and_a_time_and_leads_to_the_cause(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    choose(page, "report", "why")
    answer = dialog(page).locator(".why-answer")
    expect(answer).to_contain_text("Founders' Day")
    expect(answer).to_contain_text("It was not due then")
    expect(page).to_have_url(re.compile(f"#why/report/{day(0)}$"))
    dialog(page).get_by_role("button", name="Day before").press("Enter")
    expect(dialog(page).get_by_label("Day", exact=True)).to_have_value(day(1))
    expect(answer).to_contain_text("but the first recorded start of an engine was")
    dialog(page).get_by_label(re.compile("^Time")).fill("12:00")
    expect(page).to_have_url(re.compile(f"#why/report/{day(1)}T12:00$"))
    page.keyboard.press("Escape")
    page.evaluate("location.hash = '#why/off'")
    expect(answer).to_contain_text(re.compile("The task was disabled at 1[23]:.*by"))
    page.evaluate("location.hash = '#why/after'")
    skipped = answer.locator(".why-item", has_text="Skipped")
    expect(skipped.locator(".why-causes li")).to_have_text(
        re.compile("Because of run 1 of broken, Technical failure: exit code 3")
    )
    skipped.locator(".why-causes").get_by_role("link", name="run 1").click()
    expect(dialog(page).locator("h2")).to_have_text("Run 1 of broken")
    page.go_back()
    expect(dialog(page).locator("h2")).to_have_text("Why did after run, or not?")
    page.go_forward()
    dialog(page).get_by_role("button", name="Why?").click()
    expect(answer).to_contain_text(re.compile(r"run 1 \(Manual\), Technical failure: exit code 3"))
    expect(page).to_have_url(re.compile(rf"#why/broken/{day(0)}T\d\d:\d\d$"))
    page.keyboard.press("Escape")
    expect(dialog(page).locator("h2")).to_have_text("Run 1 of broken")
    chinese = open_page(one.link, locale="zh-CN")
    expect(card(chinese, "after")).to_be_visible()
    chinese.evaluate("location.hash = '#why/after'")
    expect(dialog(chinese).locator(".why-causes li")).to_have_text(
        re.compile("原因：broken 的运行 #1，技术失败：退出码 3")
    )


def test_the_days_of_a_task_are_told_apart_and_lead_to_their_why(one: Engine, open_page: OpenPage) -> None:
    page = open_page(f"{one.link}")
    card(page, "report").locator(".card-name a").click()
    today = page.locator(".hm [aria-current]")
    expect(today).to_have_attribute("aria-label", re.compile("^Today, .*Founders' Day"))
    expect(page.locator(".hm-legend li")).to_have_text(["·not due", "nothing is recorded"])
    assert page.locator(".hm-day[role=gridcell]").count() > 25 * 7
    today.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(":focus")).to_have_attribute("data-day", day(7))
    page.keyboard.press("ArrowUp")
    expect(page.locator(".hm-tip")).to_contain_text("nothing is recorded")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"#why/report/{day(8)}$"))
    page.keyboard.press("Escape")
    expect(page.locator(":focus")).to_have_attribute("data-day", day(8))
    page.emulate_media(forced_colors="active")
    page.evaluate("location.hash = '#task/broken'")
    failed = page.locator(".hm [aria-current]")
    expect(failed).to_have_attribute("aria-label", re.compile("1 run: 1 × Technical failure"))
    expect(failed).to_have_text("✕")
    assert page.evaluate("el => getComputedStyle(el).backgroundColor !== 'rgb(255, 255, 255)'", failed.element_handle())
