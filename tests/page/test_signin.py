"""The page in a browser: sign-in, size of the first load, and a lost connection."""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.page import API, GONE, Engine, OpenPage, Page, card, engine, expect, view
from support.programs import eventually

FIRST_LOAD_TASKS = 10
FIRST_LOAD_REQUESTS_MAX = 8
FIRST_LOAD_BYTES_MAX = 35 * 1024  # on the wire, with all headers and the answers of the API
LOST_WITHIN_S = 3.0
TOKEN = "localStorage.getItem('minisched.token')"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    tasks = [{"task_id": "a", "task_exec": "true"}, {"task_id": "b", "task_exec": "true", "task_schedule": "@daily"}]
    with engine(tmp_path_factory.mktemp("signin"), *tasks) as running:
        yield running


def test_the_printed_address_signs_in_and_loses_the_token(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="401")
    expect(card(page, "a")).to_be_visible()
    assert page.url == f"{one.url}/"
    page.reload()
    expect(card(page, "a")).to_be_visible()  # the browser keeps the token
    assert page.evaluate("history.length") <= 2  # no history entry has the token
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_focused()
    expect(page.locator(".card")).to_have_count(0)
    assert page.evaluate(TOKEN) in (None, "")
    page.reload()
    expect(page.get_by_label("Token")).to_be_visible()


def test_signing_out_or_in_reaches_all_tabs(one: Engine, open_page: OpenPage) -> None:
    pages = [open_page(one.link, expected="401"), open_page(one.link, expected="401")]
    for page in pages:
        expect(card(page, "a")).to_be_visible()
        expect(page.locator(".machine")).to_have_text(f"{socket.gethostname()} · home")
        expect(page.locator(".machine")).to_have_attribute("title", re.compile(re.escape(str(one.home.path))))
    pages[0].get_by_role("button", name="Sign out").click()
    for page in pages:
        expect(page.get_by_label("Token")).to_be_visible()
        expect(page.locator(".signin-card")).to_contain_text(f"{socket.gethostname()} · home")
    pages[1].get_by_label("Token").fill(one.token)
    pages[1].keyboard.press("Enter")
    for page in pages:
        expect(card(page, "a")).to_be_visible()


RECORD = """() => {
  window.told = [];
  window.Notification = class extends EventTarget {
    static permission = 'default';
    static requestPermission = async () => (window.asked = Notification.permission = 'granted');
    constructor(title, options) { super(); window.told.push([title, options]); }
  };
  Object.defineProperty(document, 'hidden', { get: () => window.isHidden ?? false });
}"""


def test_a_new_failure_and_a_lost_engine_are_notified_while_the_tab_is_hidden(
    tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage
) -> None:
    tasks = [{"task_id": name, "task_name": name.title(), "task_exec": "echo why; exit 3"} for name in ("old", "new")]
    with engine(tmp_path_factory.mktemp("alerts"), *tasks) as mine:
        mine.run("old")
        mine.until("old", "technical_failure")
        page = open_page("about:blank", expected=GONE, fresh=True)
        page.add_init_script(f"({RECORD})()")
        page.clock.install()
        page.goto(mine.link)
        expect(card(page, "old")).to_be_visible()
        page.locator(".header-tools button").first.click()
        assert page.evaluate("window.asked") is None
        page.get_by_label("Notifications of this browser").check()
        eventually(lambda: page.evaluate("window.asked"))
        page.keyboard.press("Escape")
        page.evaluate("window.isHidden = true")
        mine.run("old")
        mine.run("new")
        eventually(lambda: page.evaluate("window.told.length"))
        ((title, options),) = page.evaluate("window.told")
        assert title == "New: Technical failure"
        assert options["body"] == f"exit code 3 · {socket.gethostname()} · home"
        eventually(lambda: page.evaluate("document.title.startsWith('(2)')"))
        mine.call("DELETE /tasks/new")
        eventually(lambda: page.evaluate("document.title.startsWith('(1)')"))
        mine.home.kill()
        eventually(lambda: page.evaluate("document.title.startsWith('(?)')"))
        expect(page.locator("link[rel=icon]")).to_have_attribute("href", re.compile("data:image/svg.*%23596474"))
        page.clock.run_for(6000)
        eventually(lambda: page.evaluate("window.told.length === 2"))
        assert page.evaluate("window.told[1][0]") == "The engine does not respond."


def test_a_browser_that_was_busy_does_not_take_the_engine_for_lost(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    live(page)
    page.evaluate(
        """() => {
          window.links = [];
          const light = document.querySelector('.link-light');
          const watched = new MutationObserver(() => window.links.push(light.dataset.link));
          watched.observe(light, { attributes: true });
          for (const end = Date.now() + 2800; Date.now() < end; );
        }"""
    )
    page.wait_for_timeout(700)  # the watch looks three times a second
    assert "lost" not in page.evaluate("window.links")


def test_a_wrong_token_is_rejected_and_the_right_one_accepted(one: Engine, open_page: OpenPage) -> None:
    page = open_page(f"{one.url}/#token=wrong", expected="401")
    expect(page.get_by_role("alert")).to_contain_text(
        "The server does not know the token, so it was not sent: it is wrong"
    )
    assert page.url == f"{one.url}/"
    for wrong in ("x" * 43, "错误"):
        page.get_by_label("Token").fill(wrong)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Sign in")).to_be_enabled()
        expect(page.get_by_role("alert")).to_contain_text(
            "The server does not know the token, so it was not sent: it is wrong"
        )
    page.get_by_label("Token").fill(f" {one.link} ")  # the whole address is accepted too
    page.get_by_role("button", name="Sign in").click()
    expect(card(page, "a")).to_be_visible()


JUNK = ("junk", "%", "%E9%94%99", "x" * 43, "%0A", "%20")


def test_a_wrong_token_in_an_address_does_not_sign_out(one: Engine, open_page: OpenPage) -> None:
    """Such a link may be on any other page."""
    page = open_page(one.link)
    expect(card(page, "a")).to_be_visible()
    for on_another_page in (True, False):
        for junk in JUNK:
            if on_another_page:
                page.goto("about:blank")
                page.goto(f"{one.url}#token={junk}")
            else:
                page.evaluate("junk => { location.hash = `token=${junk}` }", junk)
            eventually(lambda: page.evaluate("!location.hash.includes('token')"))
        page.wait_for_timeout(300)  # the page may ask the engine; a sign-out would remain
        expect(card(page, "a")).to_be_visible()
        assert page.evaluate(TOKEN) == one.token


def test_without_a_token_a_wrong_one_leads_to_the_sign_in_and_a_right_one_replaces_it(
    one: Engine, open_page: OpenPage
) -> None:
    page = open_page("about:blank", expected="401", fresh=True)
    for junk in ("%", "%E9%94%99", "junk"):
        page.goto(f"{one.url}#token={junk}")
        expect(page.get_by_label("Token")).to_be_visible()
        page.goto("about:blank")
    page.goto(one.url)
    page.evaluate("localStorage.setItem('minisched.token', 'old')")
    page.goto("about:blank")
    page.goto(one.link)
    expect(card(page, "a")).to_be_visible()
    assert page.evaluate(TOKEN) == one.token


def test_without_a_token_nothing_is_shown(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.url, expected="401")
    expect(page.get_by_label("Token")).to_be_visible()
    expect(page.locator(".card, .header")).to_have_count(0)
    assert page.title().endswith("minisched")


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_the_first_load_is_small_and_comes_from_the_engine_only(
    tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage, locale: str
) -> None:
    tasks = [
        {"task_id": f"task_{n}", "task_name": f"Task number {n}", "task_exec": "true", "task_schedule": f"{n} 3 * * *"}
        for n in range(FIRST_LOAD_TASKS)
    ]
    with engine(tmp_path_factory.mktemp("load"), *tasks) as mine:
        page = open_page("about:blank", expected=GONE, locale=locale)
        wire = page.context.new_cdp_session(page)
        wire.send("Network.enable")
        urls: dict[str, str] = {}
        sizes: dict[str, float] = {}
        whole: dict[str, float] = {}
        wire.on("Network.requestWillBeSent", lambda event: urls.update({event["requestId"]: event["request"]["url"]}))
        wire.on("Network.responseReceived", lambda event: add(sizes, event["requestId"], event["response"]))
        wire.on("Network.dataReceived", lambda event: add(sizes, event["requestId"], event))  # the events do not end
        wire.on("Network.loadingFinished", lambda event: add(whole, event["requestId"], event))
        page.goto(mine.link)
        expect(page.locator(".card-next")).to_have_count(FIRST_LOAD_TASKS)
        live(page)
        sent = {one for one, url in urls.items() if not url.startswith("data:")}
        eventually(lambda: page.evaluate("1") and sent <= {**sizes, **whole}.keys(), "all answers")
        found = {urls[one]: {**sizes, **whole}[one] for one in sent}
        assert {urlsplit(url).netloc for url in found} == {urlsplit(mine.url).netloc}
        assert {"/core/app.js", f"{API}/tasks"} <= {urlsplit(url).path for url in found}
        assert len(sent) <= FIRST_LOAD_REQUESTS_MAX, found
        assert 20_000 < sum(found.values()) <= FIRST_LOAD_BYTES_MAX, found


def add(sizes: dict[str, float], request: str, event: dict[str, Any]) -> None:
    sizes[request] = sizes.get(request, 0) + event["encodedDataLength"]


def live(page: Page) -> None:
    expect(page.locator('.link-light[data-link="live"]')).to_be_visible()


def test_a_lost_engine_is_reported_at_once_and_the_page_reconnects(
    tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage
) -> None:
    task = {"task_id": "a", "task_exec": "true"}
    with engine(tmp_path_factory.mktemp("killed"), task) as mine:
        page = open_page(mine.link, expected=GONE)
        live(page)
        expect(page.locator(".lost")).to_be_hidden()
        began = time.monotonic()
        mine.home.kill()
        expect(page.locator(".lost")).to_be_visible()
        assert time.monotonic() - began < LOST_WITHIN_S
        expect(page.locator(".lost")).to_contain_text("The engine does not respond.")
        spoken = page.locator("[role=log]")  # once, not with each second that the banner counts
        expect(spoken).to_have_text("The engine does not respond.")
        expect(card(page, "a")).to_be_visible()  # the known state stays
        again = page.get_by_role("button", name="Try again")
        page.evaluate("location.hash = '#why/a'")  # a dialog and a view that are not loaded yet
        expect(again).to_be_visible()
        expect(page.locator("main [role=alert]")).to_contain_text("The engine does not respond.")
        expect(card(page, "a")).to_be_visible()
        view(page, "engine")
        expect(again).to_be_visible()
        expect(page.locator("main")).to_contain_text("The engine does not respond.")
        expect(card(page, "a")).to_have_count(0)
        mine.home.write(task, {"task_id": "new", "task_exec": "true"}, http={"port": mine.address[1]})
        before = mine.url
        mine.go()
        assert mine.url == before
        live(page)
        expect(page.locator(".lost")).to_be_hidden()
        expect(page.locator(".engine-log")).to_contain_text("engine started")  # without "Try again"
        expect(spoken).to_have_text("Connected")
        view(page, "tasks")
        expect(card(page, "new")).to_be_visible()


def test_a_dialog_of_an_address_that_a_lost_engine_does_not_give_comes_when_it_is_back(
    tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage
) -> None:
    task = {"task_id": "a", "task_name": "Name", "task_exec": "true"}
    with engine(tmp_path_factory.mktemp("dialogs"), task) as mine:
        page, loaded = (open_page(mine.link, expected=GONE) for _ in range(2))
        loaded.evaluate("location.hash = '#why/a'")
        expect(loaded.locator("dialog .why-item").first).to_be_visible()
        page.bring_to_front()
        live(page)
        mine.home.kill()
        expect(page.locator(".lost")).to_be_visible()
        page.evaluate("location.hash = '#why/a'")
        failure = page.locator("main [role=alert]")
        expect(failure).to_contain_text("The engine does not respond.")
        expect(card(page, "a")).to_be_visible()
        loaded.bring_to_front()
        loaded.evaluate("location.hash = '#why/a/2026-11-28'")  # its modules are there already
        expect(loaded.locator("dialog .field-error")).to_have_text("The engine does not respond.")
        mine.home.write(task, http={"port": mine.address[1]})
        mine.go()
        for one in (loaded, page):
            one.bring_to_front()
            expect(one.locator("dialog[open] h2")).to_have_text("Why did Name run, or not?")
            expect(one.locator("dialog .why-item").first).to_be_visible()
        expect(failure).to_have_count(0)


def test_a_blocked_engine_is_reported_too(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected=GONE)
    live(page)
    assert one.home.process is not None
    one.home.process.send_signal(signal.SIGSTOP)
    try:
        expect(page.locator(".lost")).to_be_visible(timeout=LOST_WITHIN_S * 1000 + 1000)
    finally:
        one.home.process.send_signal(signal.SIGCONT)
    live(page)
    expect(page.locator(".lost")).to_be_hidden()


def test_public_states_are_read_only(tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage) -> None:
    public = {"port": 0, "public_status": True}
    tasks = [
        {"task_id": "a", "task_exec": "true"},
        {"task_id": "b", "task_exec": "true", "task_dependencies": ["a"]},
    ]
    with engine(tmp_path_factory.mktemp("public"), *tasks, http=public) as mine:
        mine.run("a")
        eventually(lambda: mine.home.ended("b"))
        page = open_page(mine.url, expected=f"{GONE}|401")
        expect(card(page, "a")).to_have_attribute("data-status", "success")
        expect(page.locator(".banner")).to_contain_text("Only the states of the tasks are shown.")
        expect(page.locator(".card-actions")).to_have_count(0)
        expect(page.get_by_role("button", name="New task")).to_have_count(0)
        expect(page.locator(".tab")).to_have_count(4)  # without the engine
        card(page, "a").locator(".bar").click()
        view(page, "timeline")
        page.locator(".tl-mark[role=gridcell]").first.click()
        view(page, "graph")
        page.locator('.gr-node[data-id="b"]').click()
        expect(page.locator(".gr-acts button")).to_have_text(["History"])
        page.locator(".gr-acts button").click()
        page.locator(".runs tbody tr").click()
        expect(page.locator("dialog h2")).to_have_text("History: b")  # runs cannot be opened
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Back to the task states").click()
        expect(card(page, "a")).to_be_visible()


def test_the_token_for_reading_shows_the_states_only(
    tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage
) -> None:
    with engine(tmp_path_factory.mktemp("reading"), {"task_id": "a", "task_exec": "true"}) as mine:
        reading = (mine.home.path / "var" / "token.read").read_text().strip()
        page = open_page(f"{mine.url}/#token={reading}", expected=f"{GONE}|401")
        live(page)
        expect(page.locator(".banner")).to_contain_text("Only the states of the tasks are shown.")
        expect(page.locator(".card-actions")).to_have_count(0)
        mine.run("a")
        expect(card(page, "a")).to_have_attribute("data-status", "success")
        page.reload()
        live(page)
        assert page.evaluate(TOKEN) is None  # not taken for the other one
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Token").fill(mine.token)
        page.keyboard.press("Enter")
        expect(page.locator(".card-actions")).to_have_count(1)
        page.evaluate("token => { location.hash = `token=${token}` }", reading)
        eventually(lambda: page.evaluate("!location.hash.includes('token')"))
        expect(page.locator(".card-actions")).to_have_count(1)  # such a link takes nothing away
        page.reload()
        expect(page.locator(".card-actions")).to_have_count(1)
