"""The page in a browser: axe-core finds no serious fault of access in any view or dialog, light or dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.page import AXE, Engine, OpenPage, Page, expect
from support.page_views import furnished, rooms

# What axe finds in the dialog on top, else in the page, that is serious.
LOOK = """async (options) => {
  const where = [...document.querySelectorAll('dialog[open]')].pop() ?? document;
  const found = await axe.run(where, {resultTypes: ['violations'], ...options});
  return found.violations
    .filter(({impact}) => ['serious', 'critical'].includes(impact))
    .flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}"""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with furnished(tmp_path_factory.mktemp("axe")) as running:
        yield running


def faults(page: Page) -> list[str]:
    """In light, and in dark what a theme can change."""
    found = list(page.evaluate(LOOK, {}))
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {fault}" for fault in page.evaluate(LOOK, {"runOnly": ["color-contrast"]})]
    page.emulate_media(color_scheme="light")
    return found


def test_axe_finds_no_serious_fault_in_any_room_light_or_dark(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422|401")
    page.evaluate(AXE)
    found = {room: faults(page) for room in rooms(page, "rich")}
    page.locator(".sign").click()
    expect(page.get_by_label("Token")).to_be_visible()
    found["signin"] = faults(page)
    assert len(found) > 12
    assert not {room: told for room, told in found.items() if told}
