"""The page in a browser: a token in the address, which may come from any other page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.page import Browser, chromium
from support.programs import Home

TOKEN = "localStorage.getItem('minisched.token')"


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an engine's page with the token."""
    home = Home(tmp_path_factory.mktemp("token"))
    home.write({"task_id": "a", "task_exec": "true"}, http={"port": 0})
    process = home.start()
    assert process.stdout
    yield next(line for line in process.stdout if line.startswith("page: "))[6:].strip()
    home.close()


@pytest.fixture(scope="module")
def one_browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def page(one_browser: Browser) -> Iterator[Any]:
    context = one_browser.new_context()
    one = context.new_page()
    one.errors = []
    one.on("pageerror", lambda error: one.errors.append(error))
    yield one
    context.close()
    assert not one.errors


def token_of(link: str) -> str:
    return urlsplit(link).fragment.partition("=")[2]


@pytest.mark.parametrize("junk", ["junk", "%", "%E9%94%99", "x" * 43, "%0A", "%20"])
def test_a_wrong_token_in_an_address_does_not_sign_out(link: str, page: Any, junk: str) -> None:
    home = link.partition("#")[0]
    page.goto(link)
    card = page.locator(".card")
    card.wait_for()
    page.goto("about:blank")
    for other_page in (True, False):  # a link on another page, or on the page itself
        if not other_page:
            page.evaluate("junk => { location.hash = `token=${junk}` }", junk)
        else:
            page.goto(f"{home}#token={junk}")
        page.wait_for_function("location.hash === ''")
        page.wait_for_timeout(300)  # the page may ask the engine
        card.wait_for()
        assert page.evaluate(TOKEN) == token_of(link)


@pytest.mark.parametrize("junk", ["%", "%E9%94%99", "junk"])
def test_without_a_token_a_wrong_one_leads_to_the_sign_in(link: str, page: Any, junk: str) -> None:
    page.goto(f"{link.partition('#')[0]}#token={junk}")
    page.get_by_label("Token").wait_for()


def test_a_right_token_replaces_a_wrong_one(link: str, page: Any) -> None:
    page.goto(link.partition("#")[0])
    page.evaluate("localStorage.setItem('minisched.token', 'old')")
    page.goto("about:blank")
    page.goto(link)
    page.locator(".card").wait_for()
    assert page.evaluate(TOKEN) == token_of(link)
