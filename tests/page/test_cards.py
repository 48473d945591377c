"""The page in a browser: each status of a task with its reason, and filters over many cards."""

from __future__ import annotations

import math
import re
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from support.page import GONE, HELD, Engine, OpenPage, Page, card, engine, expect, view
from support.programs import eventually

AT_ONCE = 2  # max_running; `long` and `longer` occupy both slots
FILTER_MS = 100
MANY = 1000
ELEMENTS_MAX = 3000
HOLD = HELD.format(name="long")


def at(instant: float) -> str:
    return f"@at {datetime.fromtimestamp(instant, timezone.utc):%Y-%m-%dT%H:%M:%S}"


def tasks(passed: float, soon: float) -> list[dict[str, Any]]:
    """passed: a time while the engine is down; soon: shortly after its restart."""
    return [
        {"task_id": "business", "task_exec": "echo 'cannot read: [Errno 2]'; echo; exit 1", "task_tags": ["shop"]},
        {"task_id": "technical", "task_exec": "exit 3", "task_tags": ["shop", "net"]},
        {"task_id": "unstartable", "task_exec": ["./no-such-program"]},
        {"task_id": "good", "task_name": "Good one", "task_exec": "true", "task_tags": ["net"]},
        {"task_id": "skipped", "task_exec": "true", "task_dependencies": ["business"]},
        {
            "task_id": "retrying",
            "task_exec": "echo no answer; exit 75",
            "task_retry": {"max_attempts": 3, "delay": "1h"},
        },
        {"task_id": "missed", "task_exec": "true", "task_schedule": at(passed), "task_misfire": "skip"},
        {"task_id": "waiting", "task_exec": "true", "task_schedule": at(soon), "task_dependencies": ["idle", "long"]},
        {"task_id": "idle", "task_exec": "true", "task_schedule": "@daily"},
        {"task_id": "off", "task_exec": "true", "enabled": False, "task_schedule": "@daily"},
        {"task_id": "long", "task_exec": HOLD, "task_overlap": "queue", "task_locks": ["nas"]},
        {"task_id": "longer", "task_exec": f"[ -e failed ] || {{ touch failed; echo broken; exit 4; }}; {HOLD}"},
        {"task_id": "queued", "task_exec": "true"},
        {"task_id": "locked", "task_exec": "true", "task_locks": ["nas"]},
        {"task_id": "asked", "task_exec": "true", "task_schedule": "@reboot", "task_condition": "echo no disk; exit 1"},
    ]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Each task has the status that it is named after."""
    with engine(tmp_path_factory.mktemp("cards"), {"task_id": "queued", "task_exec": "true"}) as running:
        running.home.kill()
        for ahead in (0.7, 2.0, 5.0, 15.0):  # the engine must be started and killed before
            passed = math.ceil(time.time() + ahead)
            running.home.write(*tasks(passed, passed + 1), max_running=AT_ONCE, http={"port": 0})
            running.go()
            running.home.kill()
            if time.time() < passed:
                break
        eventually(lambda: time.time() > passed + 0.1, "the due time has passed")
        running.go()
        for task_id in ("business", "technical", "unstartable", "good", "retrying", "longer"):
            running.run(task_id)
        eventually(
            lambda: (
                {"business", "skipped", "good", "technical", "longer", "asked"}
                <= {run["task_id"] for run in running.home.ended()}
            )
        )
        running.until("retrying", "retrying")
        running.until("waiting", "waiting")
        for task_id in ("long", "longer", "queued", "locked", "long"):
            running.run(task_id)
        running.until("locked", "queued")
        yield running
        running.release("long")


# task: the status text, the text beside or below it, the group
STATES = {
    "business": (
        "Business failure",
        "exit code 1: a business failure by convention, not retried.*cannot read: \\[Errno 2\\]",
        "attention",
    ),
    "technical": ("Technical failure", "exit code 3", "attention"),
    "unstartable": ("Technical failure", "could not be started: .*no-such-program", "attention"),
    "missed": ("Missed", "the engine was not running at the due time", "attention"),
    "skipped": ("Skipped", r"business ended as Business failure Run \d+.*cannot read: \[Errno 2\]", "attention"),
    "long": ("Running", r"\d+ s.*1 queued", "active"),
    "longer": ("Running", r"Last run: Technical failure: exit code 4.*broken", "attention"),
    "retrying": ("Retrying", r"attempt 2 of 3 in \d+ min.*last attempt: exit code 75.*no answer", "attention"),
    "queued": ("Queued", "the limit of running processes \\(max_running\\) is reached", "active"),
    "locked": ("Queued", r"waits for lock nas \(held by long, run \d+\)", "active"),
    "asked": ("Skipped", "its condition was not met: not now: no disk", "rest"),
    "waiting": ("Waiting", "waiting for idle, long", "active"),
    "good": ("Success", r"took .* s", "rest"),
    "idle": ("Never ran", "Never ran", "rest"),
    "off": ("Disabled", "Disabled", "rest"),
}


def test_each_status_is_shown_with_its_reason_in_its_group(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    for task_id, (word, reason, group) in STATES.items():
        here = page.locator(f'.group.{group} .card[data-task-id="{task_id}"]')
        expect(here.locator(".card-word")).to_have_text(word)
        expect(here.locator(".card-status")).to_have_text(re.compile(reason, re.DOTALL))
        expect(here.locator(".card-state svg")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("7 tasks need attention")
    expect(page.locator(".next-up")).to_contain_text("2 are being tried again · Next: idle")
    assert re.fullmatch(rf"\(7\) {re.escape(socket.gethostname())} · home – minisched", page.title())
    down = page.locator(
        ".banner", has_text=re.compile(r"did not run from \d\d:\d\d to \d\d:\d\d; 1 due time was missed")
    )
    expect(down.get_by_role("link", name="Show")).to_have_attribute("href", "#runs?status=missed&span=24h")
    down.get_by_role("button", name="Hide").click()
    expect(down).to_have_count(0)
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", re.compile("data:image/svg.*%23bf2a2f"))
    expect(card(page, "long").locator(".progress")).to_be_hidden()  # without a median there is nothing to compare with
    expect(card(page, "idle").locator(".card-next")).to_have_text(re.compile("in .*"))
    expect(card(page, "off").locator(".card-next")).to_be_hidden()


def test_business_and_technical_failures_look_different(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    looks = []
    for task_id in ("business", "technical"):
        mark = card(page, task_id).locator(".card-state")
        paths = mark.locator("path").evaluate_all("all => all.map((el) => el.getAttribute('d')).join()")
        looks.append((paths, mark.evaluate("el => getComputedStyle(el).color")))
    assert looks[0][0] != looks[1][0]
    assert looks[0][1] != looks[1][1]


def test_the_ring_turns_unless_reduced_motion_is_set(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, media={"reduced_motion": "no-preference"})
    ring = card(page, "long").locator(".card-state")
    expect(ring).to_have_css("animation-name", "turn")
    page.emulate_media(reduced_motion="reduce")
    expect(ring).to_have_css("animation-name", "none")
    assert not page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length")


def test_counts_tags_and_search_filter_the_cards(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    cards = page.locator(".card")
    expect(cards).to_have_count(15)
    failed = page.get_by_role("button", name="5 failed")
    failed.click()
    expect(failed).to_have_attribute("aria-pressed", "true")
    expect(cards).to_have_count(5)
    failed.click()
    page.get_by_label("Tag").select_option("net")
    expect(cards).to_have_count(2)
    expect(page.get_by_text("2 of 15 shown")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("GOOD o")
    expect(cards).to_have_count(1)
    page.keyboard.type("x")
    expect(page.get_by_text("No matching tasks.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(cards).to_have_count(15)
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_the_list_is_ordered_grouped_folded_and_kept(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, size=(1440, 900))
    names = page.locator(".card-name")
    card(page, "good").locator(".badge", has_text="net").click()
    expect(page.locator(".card")).to_have_count(2)
    assert "tag=net" in page.url
    page.get_by_role("button", name="View").click()
    page.get_by_label("Order").select_option("name")
    page.get_by_label("Groups").select_option("tag")
    page.get_by_label("Name", exact=True).fill("by hand")
    page.get_by_role("button", name="Save").click()
    page.keyboard.press("Escape")
    card(page, "good").locator(".badge", has_text="net").click()  # again: all tasks
    expect(page.locator(".fold")).to_have_text(["net 1", "shop 2", "No tag 12"])
    page.get_by_role("button", name="shop 2").click()
    expect(page.locator(".card")).to_have_count(13)
    page.get_by_role("button", name="View").click()
    page.get_by_label("One line per task").check()
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator(".card.line")).to_have_count(13)
    assert "sort=name" in page.url
    expect(page.get_by_role("button", name="shop 2")).to_have_attribute("aria-expanded", "false")
    expect(names).to_have_text(["Good one", "asked", *sorted({*STATES} - {"good", "business", "technical", "asked"})])
    line = card(page, "longer")
    assert line.bounding_box()["height"] < 30  # type: ignore[index]
    expect(line.locator(".card-said")).to_have_text("broken")
    line.locator(".card-word").click()
    expect(line.locator(".strip")).to_be_visible()
    line.get_by_role("button", name="Details").click()
    expect(line.locator(".strip")).to_have_count(0)
    page.get_by_role("button", name="View").click()
    page.get_by_role("button", name="by hand", exact=True).click()
    expect(page.locator(".card")).to_have_count(1)  # the other one is in the folded group


def test_a_search_finds_commands(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    page.get_by_role("searchbox").fill("no-such-program")
    expect(page.locator(".card")).to_have_count(1)
    expect(card(page, "unstartable")).to_be_visible()


# The ms from each change of the search until the next frame is ready.
SEARCH = """async () => {
  const input = document.querySelector('input[type=search]');
  const spans = [];
  for (const text of ['1', '12', '123', 'task number 9', 'none such', '', 'number 99', '']) {
    input.value = text;
    const began = performance.now();
    input.dispatchEvent(new Event('input'));
    document.body.offsetHeight;
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    spans.push(performance.now() - began);
  }
  return spans;
}"""


def scroll(page: Page) -> None:
    """Scroll through the whole list; it must show rows everywhere."""
    eventually(lambda: page.evaluate("document.documentElement.scrollHeight") > MANY * 50, "all rows have their place")
    height = page.evaluate("document.documentElement.scrollHeight")
    middle = "Boolean(document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest('.card'))"
    for part in (0.3, 0.5, 0.8, 1.0):
        page.evaluate("y => scrollTo(0, y)", height * part)
        eventually(lambda: page.evaluate(middle), "rows are in sight")


def test_a_search_over_a_thousand_tasks_is_immediate(
    tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage
) -> None:
    many: list[dict[str, Any]] = [
        {"task_id": f"t{n}", "task_name": f"Task number {n}", "task_exec": "true", "task_schedule": f"{n % 60} 0 1 1 *"}
        for n in range(MANY)
    ]
    for n in range(1, 30):
        many[n]["task_dependencies"] = ["t0"]
    with engine(tmp_path_factory.mktemp("many"), *many) as mine:
        page = open_page(mine.link, expected=GONE)
        expect(page.get_by_text(f"{MANY} never ran")).to_be_visible()
        scroll(page)
        assert page.evaluate("document.querySelectorAll('*').length") < ELEMENTS_MAX
        page.keyboard.press("k")
        page.keyboard.press("End")
        last = page.locator(".card:focus")
        expect(last).to_have_attribute("data-task-id", f"t{MANY - 1}")
        expect(last).to_have_attribute("aria-posinset", str(MANY))
        expect(last).to_have_attribute("aria-setsize", str(MANY))
        page.keyboard.press("Home")
        expect(page.locator(".card:focus")).to_have_attribute("data-task-id", "t0")
        page.keyboard.press("j")
        expect(page.locator(".card:focus")).to_have_attribute("data-task-id", "t1")
        tries = [page.evaluate(SEARCH) for _ in range(3)]
        assert max(min(spans) for spans in zip(*tries)) < FILTER_MS, tries
        page.get_by_role("searchbox").fill("number 999")
        expect(page.locator(".card")).to_have_count(1)
        page.set_viewport_size({"width": 360, "height": 740})
        view(page, "graph")  # a large graph is shown in part, at a readable zoom
        scene = page.locator(".gr-svg > g").first
        expect(scene).to_have_attribute("transform", re.compile(r"translate\(20\.0 .*scale\(0\.7500\)"))
        page.get_by_role("button", name="Fit").click()
        expect(scene).to_have_attribute("transform", re.compile(r"scale\(0\.[12]"))
        view(page, "timeline")  # lanes are made for what is in sight
        page.locator(".tl-note").get_by_role("button", name="Show").click()
        expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", str(MANY))
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(page.locator(f'.tl-name[title="t{MANY - 1}"]')).to_be_visible()
        assert page.locator(".tl-lane").count() < 60
