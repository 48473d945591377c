"""The page in a browser: axe-core finds no accessibility problem in any view or dialog.

In the light theme on a desk, and in the dark one at a zoom of 400 %."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.page import AXE, Engine, OpenPage, expect
from support.page_views import engine_with_content, views

# The findings of axe in the topmost dialog, or in the page if there is none.
LOOK = """async () => {
  const where = [...document.querySelectorAll('dialog[open]')].pop() ?? document;
  const found = await axe.run(where, {resultTypes: ['violations']});
  return found.violations
    .flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}"""


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
    found = {name: page.evaluate(LOOK) for name in views(page, "rich")}
    page.locator(".sign").click()
    expect(page.locator("#token")).to_be_visible()
    found["signin"] = page.evaluate(LOOK)
    assert len(found) > 15
    assert not {name: faults for name, faults in found.items() if faults}
