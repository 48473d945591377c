"""The browser of the page's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from support.page import OpenPage


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One for all files, because a browser takes more than a second to start. Each file has a profile of its own."""
    from support.page import chromium

    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def browser(chromium: Browser) -> Iterator[OpenPage]:
    """Opens pages in the profile of the file."""
    from support.page import OpenPage

    one = OpenPage(chromium)
    yield one
    one.plain.close()


@pytest.fixture
def open_page(browser: OpenPage) -> Iterator[OpenPage]:
    """Opens pages in the browser; the test fails where one of them had anything to complain of."""
    yield browser
    browser.close()
