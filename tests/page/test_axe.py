"""The page in a browser: axe-core finds no serious accessibility problem in any view or dialog, light or dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.page import AXE, Engine, OpenPage, Page, expect
from support.page_views import engine_with_content, views

# The serious findings of axe in the topmost dialog, or in the page if there is none.
LOOK = """async (options) => {
  const where = [...document.querySelectorAll('dialog[open]')].pop() ?? document;
  const found = await axe.run(where, {resultTypes: ['violations'], ...options});
  return found.violations
    .filter(({impact}) => ['serious', 'critical'].includes(impact))
    .flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}"""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine_with_content(tmp_path_factory.mktemp("axe")) as running:
        yield running


def faults(page: Page) -> list[str]:
    """All findings in the light theme, and those about contrast in the dark one."""
    found = list(page.evaluate(LOOK, {}))
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {fault}" for fault in page.evaluate(LOOK, {"runOnly": ["color-contrast"]})]
    page.emulate_media(color_scheme="light")
    return found


def test_no_view_has_a_serious_accessibility_problem(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422|401")
    page.evaluate(AXE)
    found = {name: faults(page) for name in views(page, "rich")}
    page.locator(".sign").click()
    expect(page.get_by_label("Token")).to_be_visible()
    found["signin"] = faults(page)
    assert len(found) > 12
    assert not {name: faults for name, faults in found.items() if faults}
