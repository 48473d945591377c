"""The page in a browser: a task that is not due today because of its calendar."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.page import Engine, OpenPage, card, choose, dialog, engine, expect, field


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Engine]:
    hour = time.gmtime().tm_hour
    zone = f"Etc/GMT{hour - 12:+}" if hour != 12 else "UTC"  # where it is noon: the day does not end during the test
    today = time.strftime("%Y-%m-%d", time.gmtime(time.time() + (12 - hour) * 3600))
    (tmp_path / "cn.txt").write_text(f"week *\n{today} off Founders' Day\n")
    task = {"task_id": "report", "task_exec": "true", "task_schedule": "59 23 * * *", "task_calendar": "cn"}
    with engine(tmp_path, task, timezone=zone, calendars={"cn": {"file": str(tmp_path / "cn.txt")}}) as running:
        yield running


def test_a_card_and_the_preview_say_why_a_task_is_not_due_today(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    expect(card(page, "report")).to_contain_text("at 23:59 on working days (cn)")
    expect(card(page, "report")).to_contain_text("not due today: Founders' Day")
    choose(page, "report", "edit")
    preview = dialog(page).locator(".ed-preview")
    expect(preview).to_contain_text("is off in the calendar cn: Founders' Day")
    field(page, "task_calendar").get_by_role("textbox").fill('{"name": "cn", "days": "off"}')
    expect(preview).to_contain_text("at 23:59 on days off (cn)")
