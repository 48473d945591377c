"""The page in a browser: the outbox with its errors, resending a message, and testing a rule in the editor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.notify import HOST, Host, answering, hosted, parsed
from support.page import Engine, Locator, OpenPage, Page, choose, dialog, engine, expect, field, focused, view
from support.programs import eventually

SAID = b'{"error": "<b>revoked</b> \\u001b[31m"}'


@pytest.fixture(scope="module")
def gone() -> Iterator[Host]:
    with hosted(answering("404 Not Found", SAID)) as host:
        yield host


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, gone: Host) -> Iterator[Engine]:
    def rule(name: str, *channels: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "triggers": ["technical_failure"], "channels": list(channels)}

    hook = {"type": "webhook", "url": f"http://{HOST}:{gone.port}/hooks/xoxb-0123456789"}
    paper = {"type": "file", "path": "notices.jsonl"}
    away = {"type": "command", "task_exec": "exit 4"}
    tasks = [
        {"task_id": "a", "task_name": "Backup", "task_exec": "exit 3", "task_notify": [rule("ops", hook, paper)]},
        {"task_id": "b", "task_name": "Pager", "task_exec": "exit 3", "task_notify": [rule("pager", away)]},
        {"task_id": "plain", "task_exec": "true"},
    ]
    with engine(tmp_path_factory.mktemp("notify"), *tasks) as running:
        running.run("a")
        running.run("b")
        eventually(
            lambda: running.call("GET /notifications?state=failed,sent")["total"] == 2, "one failed, one was sent"
        )
        yield running


def row(page: Page, task: str, channel: str) -> Locator:
    return page.locator(".messages tbody tr").filter(has_text=task).filter(has_text=channel)


def test_failed_messages_are_counted_until_the_outbox_is_opened(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    count = page.get_by_role("img", name="1 message could not be sent", exact=True)
    expect(count).to_have_text("1")
    band = page.locator(".banner", has_text="1 message could not be sent in the last 24 h")
    band.get_by_role("button", name="Hide").click()
    expect(band).to_have_count(0)
    page.reload()
    expect(page.locator(".card")).to_have_count(3)
    expect(band).to_have_count(0)  # until another one fails
    view(page, "engine")
    expect(row(page, "Backup", "Webhook")).to_contain_text("Failed")
    expect(count).to_be_hidden()
    view(page, "tasks")
    expect(page.locator(".card")).to_have_count(3)
    expect(count).to_be_hidden()


def test_the_outbox_shows_the_state_of_each_message(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    view(page, "engine")
    failed = row(page, "Backup", "Webhook")
    expect(failed).to_contain_text("Failed")
    expect(failed).to_contain_text("HTTP 404")
    expect(failed.locator("q")).to_have_text('{"error": "<b>revoked</b> \\u001b[31m"}')  # always a text
    expect(row(page, "Backup", "File").locator(".mark")).to_have_text("Sent")
    waiting = row(page, "Pager", "Command")
    expect(waiting).to_contain_text("Pending")
    expect(waiting).to_contain_text("the command ended with exit code 4")
    expect(waiting).to_contain_text("in ")  # the next attempt
    expect(waiting.get_by_role("button", name="Send again")).to_have_count(0)
    expect(page.locator(".outbox")).not_to_contain_text("xoxb")
    page.get_by_role("combobox", name="State").select_option("failed")
    expect(page.locator(".messages tbody tr")).to_have_count(1)
    page.get_by_role("combobox", name="State").select_option("pending")
    expect(page.locator(".messages tbody tr")).to_contain_text(["Pager"])
    page.get_by_role("button", name="Pager").click()
    expect(dialog(page).locator("h2")).to_have_text("Run 2 of Pager")


def test_a_message_is_sent_again_with_mouse_and_keyboard(one: Engine, gone: Host, open_page: OpenPage) -> None:
    page = open_page(one.link)
    view(page, "engine")
    before = len(gone.seen)
    row(page, "Backup", "Webhook").get_by_role("button", name="Send again").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The message will be sent again.")).to_be_visible()
    eventually(lambda: len(gone.seen) == before + 1, "it was sent again")
    ids = {parsed(data).headers["X-Minisched-Delivery"] for data in (gone.seen[0], gone.seen[-1])}
    assert len(ids) == 1  # the same message
    expect(row(page, "Backup", "Webhook")).to_contain_text("Failed")
    row(page, "Backup", "File").get_by_role("button", name="Send again").click()
    expect(dialog(page)).to_contain_text("will get it twice")
    dialog(page).get_by_role("button", name="Send again").click()
    eventually(lambda: len((one.home.path / "notices.jsonl").read_text().splitlines()) == 2, "there are two lines")


def test_all_failed_messages_are_sent_again_after_a_question_and_a_new_failure_is_shown(
    one: Engine, gone: Host, open_page: OpenPage
) -> None:
    page = open_page(one.link)
    band = page.locator(".banner", has_text="could not be sent in the last 24 h")
    band.get_by_role("button", name="Hide").click()
    one.run("a")
    expect(band).to_contain_text("2 messages")
    before = len(gone.seen)
    view(page, "engine")
    page.get_by_role("button", name="Send all failed again").click()
    expect(dialog(page).locator("h2")).to_have_text("Send 2 failed messages again?")
    expect(dialog(page)).to_contain_text("The oldest is of ")
    dialog(page).get_by_role("button", name="Send all failed again").click()
    expect(page.locator(".notice", has_text="2 messages will be sent again.")).to_be_visible()
    eventually(lambda: len(gone.seen) == before + 2, "both were sent again")


def test_a_rule_is_tested_in_the_editor(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    choose(page, "a", "edit")
    test = page.get_by_role("button", name="Send a test message")
    test.focus()
    page.keyboard.press("Enter")
    results = page.locator(".tr-results li")
    expect(results).to_contain_text(["1. Webhook: not sent", "2. File: sent"])
    expect(results.first).to_contain_text("HTTP 404")
    expect(results.first.locator("q")).to_have_text('{"error": "<b>revoked</b> \\u001b[31m"}')
    assert focused(page) == "Send a test message"
    assert one.call("GET /notifications")["total"] == 5  # tests are not in the outbox


def test_only_the_saved_rule_is_tested_and_the_page_says_so(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    choose(page, "a", "edit")
    trial = page.locator(".tr").first
    expect(trial).to_contain_text("Not recorded")
    field(page, "threshold").get_by_role("textbox").fill("3")
    expect(trial).to_contain_text("The test uses the saved rule, without the changes made here")
    page.get_by_role("button", name="Add a rule").click()
    expect(page.locator(".tr").last).to_contain_text("Save this rule first")
    expect(page.locator(".tr-send").last).to_be_disabled()
    field(page, "name").first.get_by_role("textbox").fill("renamed")  # the test still uses the saved rule
    expect(page.locator(".tr-send").first).to_be_enabled()
    page.keyboard.press("Escape")
    dialog(page).get_by_role("button", name="Discard changes").click()
    page.get_by_role("button", name="New task").click()
    page.locator(".ed-section > summary").filter(has_text="Notifications").click()
    page.get_by_role("button", name="Add a rule").click()
    expect(page.locator(".tr")).to_contain_text("Save the task first")
    expect(page.locator(".tr-send")).to_be_disabled()


def test_the_outbox_fits_a_phone_in_chinese(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, size=(390, 844), locale="zh-CN", color_scheme="dark")
    view(page, "engine")
    expect(page.get_by_role("heading", name="通知记录")).to_be_visible()
    expect(row(page, "Backup", "Webhook").first).to_contain_text("未送达")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
