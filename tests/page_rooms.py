"""A walk through the page: each view and dialog in turn, in whatever language, for what must hold in all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from page_kit import Page, act, card, choose, dialog, expect, view


def close(page: Page) -> None:
    left = page.locator("dialog[open]").count() - 1
    dialog(page).locator(".dialog-close").click()
    expect(page.locator("dialog[open]")).to_have_count(left)


def rooms(page: Page, task_id: str) -> Iterator[str]:
    """Opens one room after the other, and gives its name while it is there. The task has runs, dependencies and an
    output."""
    expect(card(page, task_id).locator(".bar").first).to_be_visible()
    yield "tasks"
    act(page, task_id, "more")
    yield "menu"
    choose(page, task_id, "remove")
    dialog(page).locator("input").check()
    yield "delete"
    close(page)
    yield from runs(page, task_id)
    yield from editor(page, task_id)
    view(page, "timeline")
    page.locator(".tl-mark[role=gridcell]").first.hover(position={"x": 1, "y": 6})  # a due time may lie over its end
    expect(page.locator(".tl-tip")).to_be_visible()
    yield "timeline"
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
    expect(dialog(page).locator(".run-output pre")).to_be_visible()
    yield "run"
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
    yield "editor"
    dialog(page).locator(".ed-tabs button").last.click()
    raw = dialog(page).locator(".ed-raw")
    yield "editor, JSON"
    good = raw.input_value()
    raw.fill(json.dumps({**json.loads(good), "task_timeout": "long", "task_nice": 99, "nonsense": 1}))
    dialog(page).locator(".button.primary").click()
    expect(dialog(page).locator(".ed-errors:visible")).not_to_have_count(0)
    yield "editor, refused"
    dialog(page).locator(".dialog-close").click()
    expect(page.locator("dialog[open]")).to_have_count(2)
    yield "question"
    dialog(page).locator(".button.danger").click()
    expect(page.locator("dialog")).to_have_count(0)
