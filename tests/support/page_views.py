"""Each view and dialog of the page in turn, and an engine with content for all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.page import HELD, Engine, Page, act, card, choose, dialog, engine, expect, open_menu, view
from support.programs import eventually

LONG = "a_word_of_a_log_that_does_not_end_" * 8
MAIL = {"type": "email", "recipients": ["a@example.org"]}
RULES = [{"name": "on timeout", "triggers": ["timeout"], "channels": [MAIL]}]
HOUR = {"max_attempts": 2, "delay": "1h", "max_delay": "1h"}


@contextmanager
def engine_with_content(folder: Path) -> Iterator[Engine]:
    """An engine with tasks in many states. `rich` has everything that a dialog can show."""
    tasks = [
        {
            "task_id": "rich",
            "task_name": "every thing",
            "task_description": "ALL",
            "task_exec": f"echo {LONG}; echo {LONG} >&2; exit 3",
            "task_schedule": ["0 8 * * *", "30 4 1 1 *"],
            "task_tags": ["net", "shop"],
            "task_dependencies": ["good"],
            "task_retry": {"max_attempts": 2, "delay": "0.1s"},
            "task_notify": RULES,
            "task_env": {"A": "1"},
            "task_limits": {"memory": "1GB"},
        },
        {"task_id": "good", "task_exec": "true", "task_schedule": "@hourly"},
        {"task_id": "business", "task_exec": "exit 1"},
        {"task_id": "skipped", "task_exec": "true", "task_dependencies": ["business"]},
        {"task_id": "stopped", "task_exec": "exec sleep 60"},
        {
            "task_id": "retrying",
            "task_exec": "exit 75",
            "task_retry": HOUR,
        },
        {"task_id": "held", "task_exec": HELD.format(name="held")},
        {"task_id": "off", "task_exec": "true", "enabled": False},
    ]
    with engine(
        folder,
        *tasks,
        smtp={"host": "127.0.0.1", "port": 9, "security": "none", "from": "m@example.org"},
    ) as running:
        for task_id in ("rich", "business", "good", "retrying", "held"):
            running.run(task_id)
        stopped = running.run("stopped")
        running.until("stopped", "running")
        running.call(f"POST /executions/{stopped}/stop", {})
        eventually(lambda: {"rich", "skipped", "stopped"} <= {run["task_id"] for run in running.home.ended()})
        running.until("retrying", "retrying")
        yield running
        running.release("held")


def close(page: Page) -> None:
    left = page.locator("dialog[open]").count() - 1
    dialog(page).locator(".dialog-close").click()
    expect(page.locator("dialog[open]")).to_have_count(left)


def views(page: Page, task_id: str) -> Iterator[str]:
    """Open each view and dialog, and yield its name while it is open. The task has runs, dependencies and output."""
    expect(card(page, task_id).locator(".bar").first).to_be_visible()
    yield "tasks"
    for keys, name in (("Control+k", "palette"), ("?", "keys")):
        page.keyboard.press(keys)
        expect(dialog(page).locator(".palette-list, .keys")).to_be_visible()
        yield name
        close(page)
    page.locator(".header-tools button").first.click()
    expect(dialog(page).locator(".settings")).to_be_visible()
    yield "settings"
    close(page)
    open_menu(page, task_id)
    yield "menu"
    page.keyboard.press("Escape")
    page.locator(".view-button").click()
    page.locator(".view-menu [type=checkbox]").check()
    expect(page.locator(".card.line").first).to_be_visible()
    yield "view menu"
    page.locator(".view-menu > .button").click()
    card(page, task_id).locator(".expand").click()
    page.locator(".pick").first.check()
    yield "selection, one line per task"
    page.keyboard.press("Escape")
    page.locator(".view-button").click()
    page.locator(".view-menu [type=checkbox]").uncheck()
    page.keyboard.press("Escape")
    choose(page, task_id, "remove")
    dialog(page).locator("input").check()
    yield "delete"
    close(page)
    yield from runs(page, task_id)
    yield from editor(page, task_id)
    view(page, "runs")
    expect(page.locator(".view-runs .runs tbody tr").first).to_be_visible()
    yield "runs"
    page.evaluate("id => { location.hash = `#task/${id}`; }", task_id)
    expect(page.locator(".tk-facts")).to_be_visible()
    expect(page.locator(".hm")).to_be_visible()
    yield "task"
    page.locator(".tk-more button").click()
    expect(dialog(page).locator(".button.primary")).to_be_enabled()
    yield "make up for days"
    close(page)
    page.evaluate("id => { location.hash = `#why/${id}`; }", task_id)
    expect(dialog(page).locator(".why-item").first).to_be_visible()
    yield "why"
    close(page)
    view(page, "timeline")
    page.locator(".tl-mark[role=gridcell]").first.hover(position={"x": 1, "y": 6})  # a due time may cover its end
    expect(page.locator(".tl-tip")).to_be_visible()
    yield "timeline"
    page.locator(".tl-choice label").nth(1).click()
    expect(page.locator(".ag-row").first).to_be_visible()
    yield "agenda"
    view(page, "graph")
    page.locator(f'.gr-node[data-id="{task_id}"]').click()
    expect(page.locator(".gr-panel")).to_be_visible()
    yield "graph"
    view(page, "engine")
    expect(page.locator(".engine-log")).to_contain_text("engine started")
    yield "engine"


def runs(page: Page, task_id: str) -> Iterator[str]:
    act(page, task_id, "history")
    expect(dialog(page).locator(".runs tbody tr").first).to_be_visible()
    yield "history"
    dialog(page).locator(".runs tbody tr").first.click()
    expect(dialog(page).locator(".run-output .lg-lines")).to_be_visible()
    yield "run"
    dialog(page).locator(".dialog-actions button", has_text="…").click()
    dialog(page).locator(".rw-rows input").first.fill("A")
    yield "run with variables"
    close(page)
    close(page)
    act(page, task_id, "log")
    expect(dialog(page).locator(".lg-line").first).to_be_visible()
    dialog(page).locator(".lg-search").fill("o")
    expect(dialog(page).locator(".lg-current")).to_be_visible()
    yield "log"
    close(page)


def editor(page: Page, task_id: str) -> Iterator[str]:
    choose(page, task_id, "edit")
    expect(dialog(page).locator(".ed-preview time")).to_have_count(5)
    page.evaluate("document.querySelectorAll('.ed-section').forEach((one) => (one.open = true))")
    dialog(page).locator(".ed-build").first.click()
    dialog(page).locator(".ed-builder select").first.select_option("week")
    yield "editor"
    dialog(page).locator(".ed-tabs button").last.click()
    raw = dialog(page).locator(".ed-raw")
    yield "editor, JSON"
    good = raw.input_value()
    raw.fill(json.dumps({**json.loads(good), "task_timeout": "long", "task_nice": 99, "nonsense": 1}))
    dialog(page).locator(".button.primary").click()
    expect(dialog(page).locator(".ed-summary li")).not_to_have_count(0)
    yield "editor, refused"
    dialog(page).locator(".dialog-close").click()
    expect(page.locator("dialog[open]")).to_have_count(2)
    yield "question"
    dialog(page).locator(".button.danger").click()
    expect(page.locator("dialog")).to_have_count(0)
