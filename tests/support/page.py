"""Tests of the page in Chromium: an engine with its page, pages that report errors, and the parts of the page by name.

Without a browser the tests are skipped, or fail if the variable CI is set."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import pytest

from support.http import Address, exchange, request
from support.programs import Home, eventually

CI = bool(os.environ.get("CI"))
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")  # the first takes half the CPU of the others
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
GET_IT = "the page's tests need a browser: apt-get install chromium-headless-shell (or chromium) fonts-noto-cjk"
if CHROMIUM is None and not CI:
    pytest.skip(GET_IT, allow_module_level=True)
try:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright
    from playwright.sync_api import TimeoutError as PlaywrightTimeout
except ImportError:
    if CI:
        raise
    pytest.skip("the page's tests need the packages `playwright` and `axe-playwright-python`", allow_module_level=True)

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_MS = 15_000  # for what takes no time on an idle machine
API = "/api/scheduler"
AXE = Axe().axe_script  # axe-core
GONE = "net::ERR_"  # console messages of a lost connection; for `expected`
HELD = 'while [ ! -e "$MINISCHED_HOME/go-{name}" ]; do sleep 0.05; done'  # a command that runs until `release(name)`

expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    assert CHROMIUM, GET_IT
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class OpenPage:
    """Opens pages, and fails the test if one of them logs a warning or an error, or opens a browser dialog.

    Pages without options share a profile, which is emptied after each test. A page that stays open keeps its process
    alive: a new process would take most of a second.
    """

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.plain = self.profile()
        self.keepers: dict[str, Page] = {}  # by their origin
        self.pages: list[Page] = []
        self.contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def profile(self, **options: Any) -> BrowserContext:
        context = self.browser.new_context(**{"locale": "en-GB", "timezone_id": "UTC", **options})
        context.set_default_timeout(PATIENCE_MS)
        return context

    def __call__(
        self,
        url: str,
        expected: str = "",
        size: tuple[int, int] = (1280, 900),
        media: Optional[dict[str, Any]] = None,
        fresh: bool = False,
        **options: Any,
    ) -> Page:
        """Open a page. expected: a pattern for console messages that are allowed, such as "401". media: options of
        `Page.emulate_media`. fresh: use a new profile; `options` of `Browser.new_context` imply it."""
        if fresh or options:
            self.contexts.append(self.profile(**options))
            page = self.contexts[-1].new_page()
        else:
            page = self.plain.new_page()
        self.pages.append(page)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(**{"reduced_motion": "reduce", **(media or {})})

        def complain(text: str) -> None:
            if not (expected and re.search(expected, text)):
                self.complaints.append(text)

        page.on("console", lambda m: complain(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complain(f"error: {error}"))
        page.on("crash", lambda: complain("the page crashed"))
        page.on("dialog", lambda box: (complain(f"dialog: {box.message}"), box.dismiss()))
        page.goto(url)
        origin = url.split("/#")[0]
        if page.context is self.plain and origin not in self.keepers:
            self.keepers[origin] = self.plain.new_page()
            self.keepers[origin].goto(f"{origin}/core/style.css")
            page.bring_to_front()
        return page

    def close(self) -> None:
        """Close the pages at the end of a test, and fail it if there were errors."""
        for page in self.pages:
            page.close()
        for context in self.contexts:
            context.close()
        for keeper in self.keepers.values():
            keeper.evaluate("localStorage.clear()")
        complaints = self.complaints
        self.pages, self.contexts, self.complaints = [], [], []
        if complaints:
            pytest.fail("\n".join(["the page reported errors:", *complaints]))


class Engine:
    """A running engine with its page."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.go()

    def go(self, **env: str) -> None:
        """Start the engine and wait for its page."""
        process = self.home.start(**env)
        if process.poll() is not None:
            pytest.fail(f"the engine did not start: {process.communicate()}")
        lock = self.home.path / "var" / "lock"
        self.url: str = eventually(lambda: json.loads(lock.read_text() or "{}").get("url"), "the page is up")
        self.token = (self.home.path / "var" / "token").read_text().strip()

    @property
    def link(self) -> str:
        """The address with the token."""
        return f"{self.url}/#token={self.token}"

    @property
    def address(self) -> Address:
        host, port = self.url.rsplit("/", 1)[1].rsplit(":", 1)
        return host, int(port)

    def call(self, line: str, document: Optional[dict[str, Any]] = None) -> Any:
        """The JSON answer to a request such as "GET /tasks"."""
        method, path = line.split(" ")
        body = b"" if document is None else json.dumps(document).encode()
        fields = ["Content-Type: application/json"] if body else []
        reply = exchange(
            self.address, request(self.address, f"{method} {API}{path}", *fields, token=self.token, body=body)
        )
        assert reply.status < 300, reply.raw
        return reply.json

    def run(self, task_id: str, **env: str) -> int:
        """Run a task; returns the run id."""
        return int(self.call(f"POST /tasks/{task_id}/run", {"env": env})["run_id"])

    def until(self, task_id: str, status: str) -> dict[str, Any]:
        """Wait for a status of the task; returns its card."""

        def card() -> Any:
            found = self.call(f"GET /tasks/{task_id}")["task"]
            return found if found["current_status"] == status else None

        return dict(eventually(card, f"{task_id} is {status}"))

    def release(self, name: str) -> None:
        """Let a HELD command end."""
        (self.home.path / f"go-{name}").touch()

    def hold(self, name: str) -> None:
        (self.home.path / f"go-{name}").unlink()

    def tasks(self) -> list[dict[str, Any]]:
        """The tasks in the config file."""
        return list(json.loads(self.home.config.read_text())["tasks"])


@contextmanager
def engine(folder: Path, *tasks: dict[str, Any], **settings: Any) -> Iterator[Engine]:
    """An engine with its page on a port of its own."""
    home = Home(folder / "home")
    home.write(*tasks, **{"http": {"port": 0}, **settings})
    try:
        yield Engine(home)
    finally:
        home.close()


# ------------------------------------------------------------------------------------------------ parts of the page


def card(page: Page, task_id: str) -> Locator:
    return page.locator(f'.card[data-task-id="{task_id}"]')


def act(page: Page, task_id: str, action: str) -> None:
    """Click a button of a card: "go" (run or stop), "log", "history" or "more"."""
    card(page, task_id).locator(".card-actions button").nth(["go", "log", "history", "more"].index(action)).click()


def open_menu(page: Page, task_id: str) -> None:
    menu = page.locator(".menu")
    if not menu.is_visible():
        act(page, task_id, "more")
        menu.wait_for(timeout=PATIENCE_MS / 5)


def choose(page: Page, task_id: str, row: str) -> None:
    """Choose a row of a card's menu: "edit", "enable", "disable", "remove" or "run".

    The menu closes when the page scrolls, which happens while cards are still being added: then it is opened again."""
    for tries_left in range(4, -1, -1):
        try:
            open_menu(page, task_id)
            page.locator(f".menu-row.{row}").click(timeout=PATIENCE_MS / 5)
            return
        except PlaywrightTimeout:
            if not tries_left:
                raise


def change_setting(page: Page, label: str, choice: str) -> None:
    """Change a setting of the page, by its English or Chinese label."""
    page.locator(".header-tools button").first.click()
    before = dialog(page).element_handle()
    dialog(page).get_by_label(label).select_option(choice)
    eventually(lambda: before.evaluate("el => !el.isConnected"))  # it is opened again
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def view(page: Page, name: str) -> None:
    page.locator(f'.tab[data-view="{name}"]').click()


def dialog(page: Page) -> Locator:
    """The topmost dialog."""
    return page.locator("dialog[open]").last


def field(page: Page, name: str) -> Locator:
    """The row of a field in the editor, such as "task_id"."""
    return page.locator(f'.ed-row:has(> .ed-label code:text-is("{name}"))')


def problem(page: Page, name: str) -> Locator:
    """The problems of a field."""
    return field(page, name).locator("> .ed-errors")


def focused(page: Page) -> str:
    """The accessible name of the focused element."""
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"))
