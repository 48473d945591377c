"""The page in a browser, and another program in the place of the engine: it gets no token, and no script of it runs."""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path

import pytest

from support.intruder import Intruder
from support.page import API, GONE, Engine, OpenPage, Page, act, card, engine, expect, view
from support.programs import eventually

TEXTS = {"en-GB": "The server does not know the token, so it was not sent", "zh-CN": "服务器不知道该令牌，因此没有发送"}
TASK = {"task_id": "a", "task_exec": "true"}


def linked(page: Page, state: str) -> None:
    expect(page.locator(f'.link-light[data-link="{state}"]')).to_be_visible()


def back(mine: Engine, port: int) -> None:
    mine.home.write(TASK, http={"port": port})
    mine.go()


@pytest.mark.parametrize("locale", TEXTS)
@pytest.mark.parametrize("with_events", [True, False], ids=["by events", "by polling"])
def test_whoever_takes_the_port_gets_nothing_from_an_open_page(
    tmp_path: Path, open_page: OpenPage, locale: str, with_events: bool
) -> None:
    with engine(tmp_path, TASK) as mine:
        page = open_page("about:blank", expected=f"{GONE}|503", locale=locale)
        if not with_events:
            page.route(re.compile("/events"), lambda route: route.fulfill(status=503, json={}))
        page.goto(mine.link)
        linked(page, "live" if with_events else "poll")
        act(page, "a", "go")  # the scripts of the buttons are loaded then
        expect(card(page, "a")).to_have_attribute("data-status", "success")
        before = mine.token
        with Intruder(*mine.address, tmp_path / "sent") as intruder:
            mine.home.kill()
            intruder.takes_it()
            expect(page.locator(".lost")).to_contain_text(TEXTS[locale])
            act(page, "a", "go")
            expect(page.locator(".notice").last).to_contain_text(TEXTS[locale])
            view(page, "engine")  # its scripts are not loaded yet
            expect(page.locator(".view-engine .empty button")).to_be_visible()
            sent = eventually(intruder.requests, "the page asks for a proof")
            assert {re.split("[ ?]", line)[1] for line in sent} == {f"{API}/proof"}
            assert not [line for line in sent if before in line or "uthorization" in line]
            assert page.title() != "taken"
        back(mine, mine.address[1])
        assert mine.token == before
        linked(page, "live" if with_events else "poll")
        view(page, "tasks")
        expect(card(page, "a")).to_be_visible()
        expect(page.locator(".lost")).to_be_hidden()


def test_a_token_that_the_server_does_not_know_is_not_sent_and_can_be_replaced(
    tmp_path: Path, open_page: OpenPage
) -> None:
    with engine(tmp_path, TASK) as mine:
        page = open_page(mine.link, expected=f"{GONE}|401")
        linked(page, "live")
        port = mine.address[1]
        mine.home.kill()
        (mine.home.path / "var" / "token").unlink()
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.headers.get("authorization", "")))
        back(mine, port)
        expect(page.locator(".lost")).to_contain_text(TEXTS["en-GB"])
        page.reload()
        expect(page.locator(".lost")).to_contain_text(TEXTS["en-GB"])
        assert not any(sent)
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Token").fill(mine.token)
        page.keyboard.press("Enter")
        linked(page, "live")
        expect(card(page, "a")).to_be_visible()


def test_the_page_counts_hashes_as_the_standards_do(tmp_path: Path, open_page: OpenPage) -> None:
    with engine(tmp_path, TASK) as mine:
        page = open_page(mine.url, expected=f"{GONE}|401")
        lengths = [*range(130), 1000]
        found = page.evaluate(
            """async (lengths) => {
                const { sha256, hmac, hex } = await import("/core/proof.js");
                const bytes = (n) => Array.from({ length: n }, (_, i) => (i * 7 + n) % 256);
                return lengths.map((n) => [hex(sha256(bytes(n))), hmac("k\\u00e9".repeat(n), "\\u6587" + n)]);
            }""",
            lengths,
        )
        for n, (digest, code) in zip(lengths, found):
            assert digest == hashlib.sha256(bytes((i * 7 + n) % 256 for i in range(n))).hexdigest()
            assert code == hmac.new(("k\u00e9" * n).encode(), f"\u6587{n}".encode(), "sha256").hexdigest()
        # FIPS 180-4 and RFC 4231, test case 2.
        abc, jefe = page.evaluate(
            """async () => {
                const { sha256, hmac, hex } = await import("/core/proof.js");
                return [hex(sha256([97, 98, 99])), hmac("Jefe", "what do ya want for nothing?")];
            }"""
        )
        assert abc == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        assert jefe == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_modules_needed_many_times_at_once_take_one_proof(tmp_path: Path, open_page: OpenPage) -> None:
    with engine(tmp_path, TASK) as mine:
        page = open_page(mine.link, expected=GONE)
        linked(page, "live")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/proof" in request.url else None)
        page.evaluate(
            """async () => {
                const { lazy } = await import("/core/lazy.js");
                const now = Date.now;
                Date.now = () => now() + 3_600_000; // no proof holds so long
                await Promise.all(Array.from({ length: 20 }, () => lazy("runs/list.js")));
            }"""
        )
        assert len(asked) == 1
