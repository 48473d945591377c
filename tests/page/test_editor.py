"""The page in a browser: tasks are created and changed, and problems are shown at their fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.page import Engine, OpenPage, Page, act, card, choose, dialog, engine, expect, field, problem

HOOK = {"type": "webhook", "url": "http://127.0.0.1:9/"}
OTHER = "http://127.0.0.1:9/other"


def rules(channel: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "on failure", "triggers": ["technical_failure"], "channels": [channel]}]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    tasks = [
        {"task_id": "extract", "task_name": "Extract", "task_exec": "true", "task_schedule": "@daily"},
        {"task_id": "clean", "task_exec": "true", "task_dependencies": ["extract"]},
        {"task_id": "report", "task_exec": "true", "task_dependencies": ["clean"]},
        {"task_id": "rich", "task_exec": ["echo", "a b"], "task_notify": rules(HOOK), "task_env": {"A": "1"}},
    ]
    keyed = rules({**HOOK, "headers": {"X-Key": "secret"}})
    tasks.append({"task_id": "keyed", "task_exec": "true", "task_notify": keyed})
    home = tmp_path_factory.mktemp("editor")
    calendar = home / "home" / "tasks" / "calendars" / "cn.txt"
    calendar.parent.mkdir(parents=True)
    calendar.write_text("week mon-fri\n")
    settings = {"calendars": {"cn": {"file": "tasks/calendars/cn.txt"}}, "locks": {"db": 1}}
    with engine(home, *tasks, **settings) as running:
        yield running


def task(one: Engine, task_id: str) -> dict[str, Any]:
    return next(task for task in one.tasks() if task["task_id"] == task_id)


def edit(page: Page, task_id: str) -> None:
    choose(page, task_id, "edit")
    expect(dialog(page).locator("h2")).to_have_text(f"Edit {task_id}")
    expect(field(page, "task_name").locator("input")).to_be_focused()


def save(page: Page) -> None:
    dialog(page).get_by_role("button", name="Save").click()


def test_a_task_is_created_with_a_schedule_and_two_dependencies(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422")
    page.get_by_role("button", name="New task").click()
    expect(field(page, "task_name").locator("input")).to_be_focused()
    page.keyboard.type("Clean")
    expect(field(page, "task_id").locator("input")).to_have_value("clean_2")  # follows the name
    field(page, "task_id").locator("input").fill("made")
    field(page, "task_name").locator("input").fill("Made here")
    field(page, "task_exec").get_by_role("textbox").first.fill("echo made")
    schedule = field(page, "task_schedule").get_by_label("Schedule 1")
    preview = dialog(page).locator(".ed-preview")
    expect(preview).to_contain_text("No schedule: the task runs manually")
    schedule.fill("0 25 * * *")
    expect(field(page, "task_schedule").locator(".ed-errors").first).to_contain_text("25")
    schedule.fill("0 8 * * mon-fri")
    expect(preview.locator(".ed-words")).to_have_text(re.compile("08:00.*Monday.*Friday"))
    times = preview.locator("time")
    expect(times).to_have_count(5)
    expect(times.first).to_have_text(re.compile(r"^(Mon|Tue|Wed|Thu|Fri) \d+ \w+, 08:00$"))
    due = [str(at.get_attribute("datetime")) for at in times.all()]
    assert due == sorted(due) and all("T08:00:00" in at for at in due)
    field(page, "task_timezone").locator("input").fill("Asia/Shanghai")
    expect(times.first).to_have_attribute("datetime", re.compile(r"T08:00:00\+08:00"))
    offers = field(page, "task_dependencies")
    offers.get_by_role("checkbox", name="clean").check()
    offers.get_by_role("searchbox").fill("extr")
    offers.get_by_role("checkbox", name="extract Extract").check()
    expect(offers.get_by_role("list", name="Selected").locator("li")).to_have_count(2)
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.get_by_text("made is saved.")).to_be_visible()
    expect(card(page, "made").locator(".card-name")).to_have_text("Made here")
    expect(card(page, "made").locator(".card-next")).to_contain_text("in ")
    assert task(one, "made") == {
        "task_id": "made",
        "task_name": "Made here",
        "task_exec": "echo made",
        "task_schedule": "0 8 * * mon-fri",
        "task_timezone": "Asia/Shanghai",
        "task_dependencies": ["clean", "extract"],
    }
    act(page, "made", "go")
    expect(card(page, "made")).to_have_attribute("data-status", "success")


def test_a_dependency_that_would_close_a_cycle_cannot_be_chosen(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    edit(page, "extract")
    depends = field(page, "task_dependencies")
    offer = depends.locator('input[data-id="report"]')
    expect(offer).to_have_attribute("aria-disabled", "true")
    offer.click(force=True)
    expect(offer).not_to_be_checked()
    path = "extract → report → clean → extract"
    expect(depends.get_by_role("status")).to_have_text(f"This would create a dependency cycle: {path}")
    expect(depends.locator('input[data-id="extract"]')).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Escape")  # no changes, no question
    expect(page.locator("dialog")).to_have_count(0)


TEXTS = """async () => {
  const { choicesOf, scheduleText } = await import('/editor/schedule_builder.js');
  return %s.map((text) => {
    const choices = choicesOf(text, null);
    return [choices?.kind ?? null, text, choices && scheduleText(choices)];
  });
}"""


def test_a_schedule_is_built_from_choices(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    edit(page, "clean")
    schedule = field(page, "task_schedule").get_by_label("Schedule 1")
    schedule.fill("15 6 * * tue#2")
    field(page, "task_schedule").get_by_role("button", name="Build").click()
    kind = dialog(page).get_by_label("Repeats")
    expect(kind).to_be_focused()
    expect(dialog(page).get_by_label("Weekday")).to_have_value("tue")
    kind.select_option("week")
    for day in ("Tuesday", "Wednesday", "Thursday"):
        dialog(page).get_by_role("checkbox", name=day).uncheck()
    expect(schedule).to_have_value("15 6 * * mon,fri")
    expect(dialog(page).locator(".ed-words")).to_have_text(re.compile("06:15.*Monday.*Friday"))
    kind.select_option("working")
    dialog(page).get_by_label("Days of the calendar").last.select_option("first_working")
    expect(dialog(page).locator(".ed-words")).to_have_text(re.compile("06:15.*first working day of the month"))
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    saved = task(one, "clean")
    assert (saved["task_schedule"], saved["task_calendar"]) == ("15 6 * * *", {"name": "cn", "days": "first_working"})
    one.call("PUT /tasks/clean", {"task_id": "clean", "task_exec": "true", "task_dependencies": ["extract"]})
    texts = {
        "minutes": ["*/15 * * * *", "@every 7m"],
        "hours": ["30 * * * *", "5 */6 * * *", "@every 5h"],
        "daily": ["30 2 * * *"],
        "week": ["0 8 * * mon-fri", "0 8 * * mon,wed"],
        "month": ["5 1 L * *", "5 1 31 * *"],
        "nth": ["0 9 * * tue#2", "0 9 * * friL"],
        None: ["0 0 1 1 *", "@reboot", "0 8 * * 1-5", "30 */5 * * *", "at noon"],
    }
    read = page.evaluate(TEXTS % json.dumps([text for found in texts.values() for text in found]))
    assert read == [[kind, text, kind and text] for kind, found in texts.items() for text in found]


def test_a_task_is_duplicated_without_its_secrets(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    choose(page, "keyed", "duplicate")
    expect(dialog(page).locator("h2")).to_have_text("New task")
    expect(dialog(page).locator(".ed-summary")).to_contain_text("Secrets are not copied")
    expect(field(page, "task_id").locator("input")).to_have_value("keyed_copy")
    field(page, "task_name").locator("input").fill("The other")
    expect(field(page, "task_id").locator("input")).to_have_value("the_other")
    expect(field(page, "url").locator("input").first).to_have_value("")
    field(page, "url").locator("input").first.fill(OTHER)
    locks = field(page, "task_locks")
    dialog(page).get_by_text("Overlap and missed runs", exact=True).click()
    assert locks.locator("datalist option").evaluate_all("all => all.map(({value}) => value)") == ["db"]
    locks.locator("input").fill("db,")
    dialog(page).get_by_role("checkbox", name="any other failure").uncheck()
    save(page)
    expect(problem(page, "triggers")).to_have_text("Tick at least one box.")
    dialog(page).get_by_role("checkbox", name="any other failure").check()
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    assert task(one, "the_other") == {
        "task_id": "the_other",
        "task_exec": "true",
        "task_name": "The other",
        "task_notify": [{**rules(HOOK)[0], "channels": [{"type": "webhook", "url": OTHER, "headers": {}}]}],
        "task_locks": ["db"],
    }


def test_problems_of_the_json_stay_there_with_their_place(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422")
    edit(page, "extract")
    dialog(page).get_by_role("tab", name="JSON").click()
    raw = dialog(page).get_by_role("textbox", name="JSON")
    made = {**json.loads(raw.input_value()), "task_dependencies": ["report"]}
    raw.fill(json.dumps(made))
    save(page)
    summary = dialog(page).locator(".ed-summary")
    expect(summary).to_contain_text("1 problem. Nothing was saved.")
    expect(raw).to_be_visible()
    link = summary.get_by_role("link")
    expect(link).to_contain_text(re.compile("task_dependencies.*cycle", re.IGNORECASE))
    link.click()
    selected = "el => el.value.slice(el.selectionStart, el.selectionEnd)"
    expect(raw).to_be_focused()
    assert str(raw.evaluate(selected)).startswith('"task_dependencies": [')
    dialog(page).get_by_role("tab", name="Form").click()
    expect(problem(page, "task_dependencies")).to_contain_text(re.compile("cycle", re.IGNORECASE))
    dialog(page).get_by_role("tab", name="JSON").click()
    raw.fill('{"task_id": "extract",\n "nonsense": ?}')
    save(page)
    expect(summary).to_contain_text("Not valid JSON")
    assert raw.evaluate(selected) == "?"
    raw.fill(json.dumps({**made, "task_dependencies": [], "nonsense": 1}))
    save(page)
    expect(summary).to_contain_text('unknown field "nonsense"')
    expect(raw).to_be_visible()
    assert "task_dependencies" not in task(one, "extract")


def test_problems_are_shown_at_their_fields_until_they_are_fixed(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422")
    edit(page, "rich")
    limit = field(page, "task_timeout")
    dialog(page).get_by_text("Limits", exact=True).click()
    limit.locator("input").first.fill("40 sec")
    expect(field(page, "url")).to_contain_text("***")  # an address is a secret, because it may contain one
    field(page, "url").get_by_role("button", name="Replace").click()
    url = field(page, "url").locator("input").first
    expect(url).to_be_focused()
    url.fill("ftp://somewhere")
    save(page)
    expect(problem(page, "task_timeout")).to_contain_text("40 sec")
    expect(limit.locator("input").first).to_be_focused()
    expect(limit.locator("input").first).to_have_attribute("aria-invalid", "true")
    expect(problem(page, "url")).to_be_visible()
    summary = dialog(page).locator(".ed-summary")
    expect(summary).to_contain_text("2 problems. Nothing was saved.")
    summary.get_by_role("link").last.click()
    expect(url).to_be_focused()
    url.fill(OTHER)
    limit.locator("input").first.fill("40s")
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    saved = task(one, "rich")
    assert saved["task_timeout"] == "40s"
    assert saved["task_notify"] == rules({**HOOK, "url": OTHER})
    assert (saved["task_exec"], saved["task_env"]) == (
        ["echo", "a b"],
        {"A": "1"},
    )  # as they were


def test_a_kept_secret_must_be_entered_again_if_the_address_changes(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422")
    edit(page, "keyed")
    field(page, "url").get_by_role("button", name="Replace").click()
    page.keyboard.type(OTHER)
    save(page)
    headers = field(page, "headers")
    expect(headers.locator(".ed-errors:visible")).to_contain_text("enter this value again")
    headers.get_by_role("button", name="Replace").click()
    page.keyboard.type("another")
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    assert task(one, "keyed")["task_notify"] == rules({**HOOK, "url": OTHER, "headers": {"X-Key": "another"}})


def test_a_missing_field_and_a_taken_id_are_reported(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422|409")
    page.get_by_role("button", name="New task").click()
    field(page, "task_id").locator("input").fill("fresh")
    save(page)
    expect(problem(page, "task_exec")).to_be_visible()
    field(page, "task_id").locator("input").fill("clean")
    field(page, "task_exec").get_by_role("textbox").first.fill("true")
    save(page)
    expect(problem(page, "task_id")).to_contain_text("clean")
    assert task(one, "clean") == {"task_id": "clean", "task_exec": "true", "task_dependencies": ["extract"]}


def test_a_task_is_edited_with_the_keyboard(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    edit(page, "report")
    page.keyboard.type("Weekly report")
    page.keyboard.press("Control+Enter")
    expect(page.locator("dialog")).to_have_count(0)
    expect(card(page, "report").locator(".card-name")).to_have_text("Weekly report")
    assert task(one, "report")["task_name"] == "Weekly report"


def test_leaving_unsaved_changes_asks_for_confirmation(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    edit(page, "clean")
    page.keyboard.type("Never saved")
    page.keyboard.press("Escape")
    expect(dialog(page)).to_contain_text("Discard unsaved changes?")
    dialog(page).get_by_role("button", name="Keep editing").click()
    expect(field(page, "task_name").locator("input")).to_have_value("Never saved")
    dialog(page).get_by_role("button", name="Cancel").click()
    dialog(page).get_by_role("button", name="Discard changes").click()
    expect(page.locator("dialog")).to_have_count(0)
    assert "task_name" not in task(one, "clean")
    assert page.evaluate("dispatchEvent(new Event('beforeunload', {cancelable: true}))")  # does not ask


def test_escape_never_loses_a_change(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    edit(page, "clean")
    page.keyboard.type("Never saved")
    dialogs = page.locator("dialog[open]")
    for _ in range(4):  # the browser would close the dialog at the second
        page.keyboard.press("Escape")
        expect(dialogs).to_have_count(2)
        page.keyboard.press("Escape")
        expect(dialogs).to_have_count(1)
    for _ in range(6):
        page.keyboard.down("Escape")  # held down
    expect(dialogs).to_have_count(2)
    page.keyboard.up("Escape")
    page.keyboard.press("Escape")
    expect(dialogs).to_have_count(1)
    dialog(page).evaluate("el => el.close()")  # like the back button of a phone
    expect(dialog(page)).to_contain_text("Discard unsaved changes?")
    dialog(page).get_by_role("button", name="Keep editing").click()
    expect(field(page, "task_name").locator("input")).to_have_value("Never saved")


def test_a_task_that_was_deleted_meanwhile_can_be_saved_as_new(one: Engine, open_page: OpenPage) -> None:
    one.call("POST /tasks", {"task_id": "gone", "task_exec": "true"})
    page = open_page(one.link, expected="404|412")
    edit(page, "gone")
    page.keyboard.type("Back again")
    one.call("DELETE /tasks/gone")
    save(page)
    dialog(page).get_by_role("button", name="Load the current config and keep my changes").click()
    expect(dialog(page).locator(".ed-summary")).to_contain_text("The task has been deleted.")
    dialog(page).get_by_role("button", name="Save as a new task").click()
    expect(page.locator("dialog")).to_have_count(0)
    assert task(one, "gone") == {"task_id": "gone", "task_exec": "true", "task_name": "Back again"}


def test_changes_survive_a_rejected_token(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="401", fresh=True)
    edit(page, "rich")
    page.keyboard.type("Kept")
    page.evaluate("localStorage.setItem('minisched.token', 'another')")
    save(page)
    expect(dialog(page).locator(".ed-summary")).to_contain_text("The server does not know the token")
    expect(field(page, "task_name").locator("input")).to_have_value("Kept")
    page.evaluate("token => localStorage.setItem('minisched.token', token)", one.token)  # like a sign-in in another tab
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    expect(card(page, "rich").locator(".card-name")).to_have_text("Kept")
    edit(page, "rich")
    page.keyboard.type("Lost")
    page.evaluate("localStorage.setItem('minisched.token', 'another')")
    save(page)
    expect(dialog(page).locator(".ed-summary")).to_contain_text("The server does not know the token")
    page.keyboard.press("Escape")
    dialog(page).get_by_role("button", name="Discard changes").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()


def test_a_task_that_was_changed_meanwhile_is_not_overwritten(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="412|409")
    edit(page, "clean")
    page.keyboard.type("Mine")
    one.call("PATCH /tasks/clean", {"task_tags": ["theirs"]})
    save(page)
    expect(dialog(page).locator(".ed-summary")).to_contain_text("has been changed by someone else")
    dialog(page).get_by_role("button", name="Load the current config and keep my changes").click()
    expect(dialog(page).locator(".ed-summary")).to_contain_text("This is the current config with your changes.")
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    assert (task(one, "clean")["task_name"], task(one, "clean")["task_tags"]) == ("Mine", ["theirs"])


def test_a_dependency_on_another_end_or_on_a_state_is_edited_and_kept(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422")
    edit(page, "report")
    depends = field(page, "task_dependencies")
    depends.get_by_label("Which end of clean").select_option("failure")
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    failure = {"task_id": "clean", "on": "failure"}
    assert task(one, "report")["task_dependencies"] == [failure]
    edit(page, "report")
    expect(depends.get_by_label("Which end of clean")).to_have_value("failure")
    depends.get_by_role("checkbox", name="extract Extract").check()
    depends.get_by_label("How long ago extract").fill("26 hours")
    save(page)
    expect(problem(page, "task_dependencies")).to_contain_text("1d2h")
    depends.get_by_label("How long ago extract").fill("26h")
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    assert task(one, "report")["task_dependencies"] == [failure, {"task_id": "extract", "within": "26h"}]


def test_exit_codes_are_edited_and_an_empty_list_is_not_the_default(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422")
    edit(page, "clean")
    dialog(page).locator("summary", has_text="Retry").click()
    success, business = (field(page, name).locator("input") for name in ("success", "business_failure"))
    success.fill("0, many")
    save(page)
    expect(problem(page, "success")).to_contain_text("expected a whole number from 0 to 255")
    success.fill("0，24")
    business.last.check()
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    assert task(one, "clean")["task_exit_codes"] == {"success": [0, 24], "business_failure": []}
    edit(page, "clean")
    expect(success).to_have_value("0, 24")
    expect(business.last).to_be_checked()
    business.last.uncheck()
    save(page)
    expect(page.locator("dialog")).to_have_count(0)
    assert task(one, "clean")["task_exit_codes"] == {"success": [0, 24]}
