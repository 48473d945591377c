"""The page in a browser: neither axe-core nor the tree that a screen reader gets has a problem in any view or dialog.

In the light theme on a desk, and in the dark one at a zoom of 400 %."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from support.page import AXE, Engine, OpenPage, Page, expect
from support.page_views import engine_with_content, views

# The findings of axe in the topmost dialog, or in the page if there is none.
LOOK = """async () => {
  const where = [...document.querySelectorAll('dialog[open]')].pop() ?? document;
  const found = await axe.run(where, {resultTypes: ['violations']});
  return found.violations
    .flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}"""


NAMED = {
    *("button", "link", "textbox", "searchbox", "combobox", "checkbox", "radio", "spinbutton", "Date", "InputTime"),
    *("tab", "menuitem", "option", "image", "progressbar", "table", "grid", "gridcell", "columnheader", "rowheader"),
    *("dialog", "region", "navigation", "listbox", "radiogroup", "toolbar"),
}


def faults_of_tree(page: Page) -> list[str]:
    """What is wrong in the accessibility tree of Chromium: headings, landmarks, names, live regions."""
    session = page.context.new_cdp_session(page)
    session.send("Accessibility.enable")
    nodes = [one for one in session.send("Accessibility.getFullAXTree")["nodes"] if not one.get("ignored")]
    session.detach()
    found = [(one["role"]["value"], one.get("name", {}).get("value", "").strip(), properties(one)) for one in nodes]
    roles = Counter(role for role, _, _ in found)
    modal = any(role == "dialog" and of["modal"] for role, _, of in found if "modal" in of)
    first = [name for role, name, of in found if role == "heading" and of["level"] == 1]
    faults = [f"no name: {role}" for role, name, _ in found if role in NAMED and not name]
    faults += [f"signs in a name: {name}" for role, name, _ in found if role == "heading" and set(name) & set("▾▸")]
    # A modal dialog hides the rest.
    landmarks = {one: roles[one] for one in ("banner", "main", "navigation", "contentinfo", "complementary")}
    wanted = {**dict.fromkeys(landmarks, 0), **({} if modal else dict.fromkeys(("banner", "main", "navigation"), 1))}
    if landmarks != wanted:
        faults.append(f"landmarks: {landmarks}")
    if len(first) != (0 if modal else 1):
        faults.append(f"headings of level 1: {first}")
    if roles["table"] and not roles["columnheader"] + roles["rowheader"]:
        faults.append("a table without headers")
    return faults


def properties(node: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["value"].get("value") for one in node.get("properties", [])}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine_with_content(tmp_path_factory.mktemp("axe")) as running:
        yield running


# Desk, and a zoom of 400 %.
@pytest.mark.parametrize(("size", "locale", "theme"), [((1280, 900), "en-GB", "light"), ((320, 225), "zh-CN", "dark")])
def test_no_view_has_an_accessibility_problem(
    one: Engine, open_page: OpenPage, size: tuple[int, int], locale: str, theme: str
) -> None:
    page = open_page(one.link, expected="422|401", size=size, locale=locale, media={"color_scheme": theme})
    page.evaluate(AXE)
    found = {name: page.evaluate(LOOK) + faults_of_tree(page) for name in views(page, "rich")}
    page.locator(".sign").click()
    expect(page.locator("#token")).to_be_visible()
    found["signin"] = page.evaluate(LOOK)
    assert len(found) > 15
    assert not {name: faults for name, faults in found.items() if faults}
