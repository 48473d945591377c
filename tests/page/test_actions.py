"""The page in a browser: the actions of a card, by mouse and with the keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.page import GONE, HELD, Engine, OpenPage, act, card, choose, dialog, engine, expect, focused, view

TABS_MAX = 40  # from the top of the page to the first card's buttons


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    tasks = [
        {"task_id": "first", "task_name": "First", "task_exec": "echo hello", "task_schedule": "@daily"},
        {"task_id": "held", "task_name": "Held", "task_exec": HELD.format(name="held")},
        {"task_id": "stopped", "task_exec": "echo begun; exec sleep 60"},
        {"task_id": "needed", "task_exec": "true"},
        {"task_id": "needs", "task_exec": "true", "task_dependencies": ["needed"]},
        {"task_id": "spare", "task_exec": "true"},
        {"task_id": "off", "task_exec": "true", "task_schedule": "@daily", "enabled": False},
    ]
    with engine(tmp_path_factory.mktemp("actions"), *tasks) as running:
        yield running


def test_a_card_shows_a_run_from_start_to_success(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, media={"reduced_motion": "no-preference"})
    held = card(page, "held")
    status = held.locator(".card-status")
    expect(held).to_have_attribute("data-status", "idle")
    act(page, "held", "go")
    expect(page.get_by_text("Held: run 1 started.")).to_be_visible()
    expect(held).to_have_attribute("data-status", "running")
    expect(held.locator(".card-state")).to_have_css("animation-name", "turn")
    expect(status).to_have_text(re.compile(r"^Running \d+ s"))  # no earlier run to compare with
    expect(held.locator(".progress")).to_be_hidden()
    # A card under the pointer stays where it is, until the button that says so is clicked.
    expect(page.locator(".moved")).to_have_text("1 changed place")
    expect(page.locator('.group.rest .card[data-task-id="held"]')).to_be_visible()
    page.get_by_role("button", name="1 changed place").click()
    expect(page.locator('.group.active .card[data-task-id="held"]')).to_be_visible()
    expect(page.locator(".moved")).to_be_hidden()
    one.release("held")
    expect(held).to_have_attribute("data-status", "success")
    expect(status).to_have_text(re.compile(r"^Success .*took \d"))
    expect(held.locator(".card-state .icon-success")).to_be_visible()
    expect(held.locator(".strip .bar")).to_have_count(1)
    one.hold("held")
    act(page, "held", "go")
    expect(status).to_have_text(re.compile(r"^Running \d+ s of about \d"))
    bar = held.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]"))
    one.release("held")
    expect(held.locator(".strip .bar")).to_have_count(2)


def test_stopping_a_run_asks_for_confirmation(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    stopped = card(page, "stopped")
    act(page, "stopped", "go")
    expect(stopped).to_have_attribute("data-status", "running")
    stop = page.get_by_role("button", name="Stop: stopped")
    stop.dispatch_event("click")  # at once, so it was meant for the run button
    page.wait_for_timeout(300)
    expect(page.locator("dialog")).to_have_count(0)
    stop.click()
    expect(dialog(page)).to_contain_text(re.compile(r"Stop run \d+ of stopped\?"))
    dialog(page).get_by_role("button", name="Cancel").click()
    expect(stopped).to_have_attribute("data-status", "running")
    stop.click()
    dialog(page).get_by_role("button", name="Stop", exact=True).click()
    expect(stopped).to_have_attribute("data-status", "cancelled")
    expect(stopped.locator(".card-why")).to_have_text("stopped manually")
    expect(page.get_by_role("button", name="Run now: stopped")).to_be_visible()


def test_a_task_is_enabled_and_disabled(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    off = card(page, "off")
    expect(off.locator(".card-word")).to_have_text("Disabled")
    choose(page, "off", "enable")
    expect(off.locator(".card-word")).to_have_text("Never ran")
    expect(off.locator(".card-next")).to_contain_text("in ")
    expect(page.get_by_text("off is enabled.")).to_be_visible()
    assert next(task for task in one.tasks() if task["task_id"] == "off").get("enabled", True)
    choose(page, "off", "disable")
    expect(off.locator(".card-word")).to_have_text("Disabled")
    assert next(task for task in one.tasks() if task["task_id"] == "off")["enabled"] is False


def test_deleting_a_task_asks_twice(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    choose(page, "spare", "remove")
    expect(dialog(page)).to_contain_text("Delete spare?")
    delete = dialog(page).get_by_role("button", name="Delete", exact=True)
    expect(delete).to_be_disabled()
    dialog(page).get_by_role("button", name="Cancel").click()
    expect(page.locator("dialog")).to_have_count(0)
    choose(page, "spare", "remove")
    dialog(page).get_by_label("Yes, delete task “spare”").check()
    delete.click()
    expect(card(page, "spare")).to_have_count(0)
    expect(page.get_by_text("spare is deleted.")).to_be_visible()
    assert "spare" not in {task["task_id"] for task in one.tasks()}


def test_a_task_with_dependents_is_not_deleted_and_nothing_is_asked(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    choose(page, "needed", "remove")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".notice.bad")).to_contain_text("Other tasks depend on it: needs")
    expect(card(page, "needed")).to_be_visible()


def test_the_history_is_opened_and_closed_with_the_keyboard(one: Engine, open_page: OpenPage) -> None:
    one.run("first")
    one.until("first", "success")
    page = open_page(one.link)
    expect(card(page, "first").locator(".bar").first).to_be_visible()
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to content"
    page.keyboard.press("Enter")
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement, ':focus-visible').outlineStyle")
        bar = page.evaluate("document.activeElement.classList.contains('bar')")  # its outline is on a pseudo-element
        assert outline != "none" or bar, focused(page)
        if focused(page) == "History: First":
            break
    assert focused(page) == "History: First"
    page.keyboard.press("Enter")
    expect(dialog(page).locator("h2")).to_have_text("History: First")
    expect(dialog(page).locator(".runs tbody tr")).to_have_count(1)
    for _ in range(8):  # the focus stays in the dialog
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
        )
    dialog(page).locator(".runs .link").focus()
    page.keyboard.press("Enter")
    expect(dialog(page).locator(".run-output .lg-lines")).to_contain_text("hello")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert focused(page) == "History: First"


def test_the_menu_and_the_strip_work_with_the_keyboard(one: Engine, open_page: OpenPage) -> None:
    for _ in range(2):
        one.run("first")
        one.until("first", "success")
    page = open_page(one.link)
    more = card(page, "first").locator(".card-actions button").last
    more.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Run with variables…")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem").nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(more).to_be_focused()
    bars = card(page, "first").locator(".bar")
    bars.last.focus()
    page.keyboard.press("ArrowLeft")
    wanted = bars.nth(-2).get_attribute("data-run-id")
    page.keyboard.press("Enter")
    expect(dialog(page).locator("h2")).to_have_text(f"Run {wanted} of First")
    page.keyboard.press("Escape")
    expect(bars.nth(-2)).to_be_focused()
    one.run("first")
    expect(bars.nth(-3)).to_have_attribute("data-run-id", str(wanted))
    expect(bars.nth(-3)).to_be_focused()


def test_an_address_opens_a_history_and_views_keep_their_address(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    expect(card(page, "first")).to_be_visible()
    page.goto(f"{one.url}/#history/first")
    expect(dialog(page).locator("h2")).to_have_text("History: First")
    page.evaluate("location.hash = '#history/held'")
    expect(page.locator("dialog h2")).to_have_text("History: Held")
    page.go_back()
    expect(page.locator("dialog h2")).to_have_text("History: First")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    view(page, "engine")
    page.reload()
    expect(page.locator(".engine-log")).to_contain_text("engine started")
    page.go_back()
    expect(card(page, "first")).to_be_visible()


def test_back_passes_what_closed_dialogs_have_left(one: Engine, open_page: OpenPage) -> None:
    one.run("first")
    one.until("first", "success")
    page = open_page(one.link)
    expect(card(page, "first")).to_be_visible()
    view(page, "runs")
    rows, dialogs = page.locator(".runs tbody tr"), page.locator("dialog[open]")
    for _ in range(2):  # closed dialogs do not add up
        rows.first.locator(".col-time button").click()
        expect(page).to_have_url(re.compile("#run/"))
        dialog(page).get_by_role("button", name="Why?").click()
        expect(page).to_have_url(re.compile("#why/"))
        page.keyboard.press("Escape")
        expect(page).to_have_url(re.compile("#run/"))
        page.keyboard.press("Escape")
        expect(dialogs).to_have_count(0)
        expect(page).to_have_url(re.compile("#runs$"))
    view(page, "engine")
    page.go_back()
    expect(page).to_have_url(re.compile("#runs$"))
    expect(rows.first).to_be_visible()
    page.go_forward()
    expect(page.locator(".engine-log")).to_be_visible()
    page.go_back()
    expect(rows.first).to_be_visible()
    page.go_back()
    expect(card(page, "first")).to_be_visible()
    expect(dialogs).to_have_count(0)
    page.go_forward()
    expect(rows.first).to_be_visible()
    page.go_forward()  # an open dialog is an entry, as it always is
    expect(page).to_have_url(re.compile("#run/"))
    expect(dialog(page).get_by_role("button", name="Why?")).to_be_visible()
    page.go_back()
    expect(dialogs).to_have_count(0)
    expect(page).to_have_url(re.compile("#runs$"))
    rows.first.locator(".col-time button").click()
    page.reload()
    expect(dialogs).to_have_count(1)
    page.keyboard.press("Escape")  # below it was another view than after the reload
    expect(card(page, "first")).to_be_visible()
    page.go_back()
    expect(rows.first).to_be_visible()


def test_many_tasks_are_selected_and_changed(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="409")
    card(page, "first").focus()
    page.keyboard.press("x")
    expect(page.locator(".bulk-count")).to_have_text("1 selected")
    card(page, "needs").locator(".pick").click(modifiers=["Shift"])
    expect(page.locator(".bulk-count")).to_have_text("5 selected")
    expect(page.locator(".pick:checked")).to_have_count(5)
    card(page, "stopped").locator(".card-word").click()
    card(page, "held").locator(".card-word").click()
    expect(page.locator(".bulk-count")).to_have_text("3 selected")
    page.get_by_role("button", name="Add tag").click()
    dialog(page).get_by_label("Tag").fill("night")
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 tasks changed, 0 unchanged.")).to_be_visible()
    assert [task["task_id"] for task in one.tasks() if task.get("task_tags") == ["night"]] == [
        "first",
        "needed",
        "needs",
    ]
    page.get_by_role("button", name="Run now", exact=True).click()
    expect(dialog(page)).to_contain_text("Run now: 3 tasks?")
    dialog(page).get_by_role("button", name="Run now").click()
    expect(page.get_by_text("3 runs started.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".bulk, .pick")).to_have_count(0)


def test_many_tasks_are_deleted_at_once_after_a_question_that_names_them(one: Engine, open_page: OpenPage) -> None:
    for task_id, needs in (("extra", []), ("after", ["extra"])):
        one.call("POST /tasks", {"task_id": task_id, "task_exec": "true", "task_dependencies": needs})
    page = open_page(one.link)
    card(page, "extra").focus()
    page.keyboard.press("x")
    button = page.locator(".bulk").get_by_role("button", name="Delete")
    button.click()
    expect(page.locator(".notice.bad")).to_contain_text("Other tasks depend on it: after")
    expect(page.locator("dialog")).to_have_count(0)
    card(page, "after").locator(".pick").click()
    button.click()
    expect(dialog(page)).to_contain_text("Delete: 2 tasks?")
    expect(dialog(page)).to_contain_text(re.compile("extra, after|after, extra"))
    delete = dialog(page).get_by_role("button", name="Delete", exact=True)
    expect(delete).to_be_disabled()
    dialog(page).get_by_label("Yes, delete 2 tasks").check()
    delete.click()
    expect(page.get_by_text("2 tasks deleted.")).to_be_visible()
    expect(page.locator(".bulk-count")).to_have_text("0 selected")
    assert not {"extra", "after"} & {task["task_id"] for task in one.tasks()}


def test_nothing_is_shown_before_its_style_sheet_applies(one: Engine, open_page: OpenPage) -> None:
    page = open_page("about:blank", fresh=True)
    held: list[Any] = []
    page.route("**/core/shared.css", lambda route: held.append(route))
    page.goto(one.link)
    with page.expect_response("**/tasks/actions.js"):
        card(page, "off").locator(".card-actions button").last.click()
    page.evaluate("import('/tasks/actions.js')")
    expect(page.locator(".menu")).to_have_count(0)
    held.pop().continue_()
    expect(page.locator(".menu")).to_have_css("position", "fixed")
    place = page.locator(".menu").bounding_box()
    anchor = card(page, "off").locator("[aria-expanded]").bounding_box()
    assert place and anchor
    gaps = (place["y"] - anchor["y"] - anchor["height"], anchor["y"] - place["y"] - place["height"])
    assert round(max(gaps)) == 4  # px, below or above the button


def test_a_style_sheet_that_failed_is_loaded_again(one: Engine, open_page: OpenPage) -> None:
    page = open_page("about:blank", expected=GONE, fresh=True)
    page.route("**/core/shared.css", lambda route: route.abort())
    page.goto(one.link)
    with page.expect_event("requestfailed"):
        act(page, "off", "more")
    page.unroute("**/core/shared.css")
    choose(page, "off", "remove")
    expect(dialog(page)).to_have_css("position", "fixed")
    expect(dialog(page)).to_have_css("display", "flex")


def test_a_menu_stays_open_while_cards_above_change(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    act(page, "off", "more")
    expect(page.get_by_role("menuitem").first).to_be_focused()
    one.run("needed")
    one.until("needed", "success")
    expect(card(page, "needed")).to_have_attribute("data-status", "success")
    page.mouse.move(5, 5)
    expect(page.get_by_role("menuitem").first).to_be_focused()
    page.mouse.wheel(0, 200)
    expect(page.get_by_role("menu")).to_have_count(0)
