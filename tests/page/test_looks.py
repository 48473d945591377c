"""The page in a browser: languages, sizes and themes, in each view and dialog."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from support.page import Engine, OpenPage, Page, act, card, change_setting, dialog, expect, view
from support.page_texts import MESSAGES
from support.page_views import engine_with_content, runs, views

PHONE = (360, 740)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine_with_content(tmp_path_factory.mktemp("looks")) as running:
        yield running


# -------------------------------------------------------------------------------------------------- language, size

# All texts that are visible or spoken, except code and the texts of tasks and users.
TEXTS = """() => {
  const theirs = 'code, pre, kbd, .card-name, .badge, textarea, .lg-line, .tl-name, .gr-name, .ed-chip, .ed-offers, ' +
    'datalist, .ed-errors, .ed-summary li, .tk-rules strong, .again, .machine';
  const found = [];
  const take = (text, el) => text && text.trim() && !el.closest(theirs) && found.push(text.trim());
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    if (node.parentElement.checkVisibility()) take(node.data, node.parentElement);
  for (const el of document.querySelectorAll('[aria-label], [title], [placeholder]'))
    for (const name of ['aria-label', 'title', 'placeholder']) take(el.getAttribute(name), el);
  return found;
}"""

# Texts without a Chinese character that a Chinese page may have.
ANY_LANGUAGE = re.compile(
    r"English|ID|minisched.*|every thing|ALL|JSON|null|[\d:, ]*UTC(\+\d+)?|[a-z_]+|A|[\W\d]*"  # names, terms
    r"|.*(B|kB|MB|GB|TB)|/.*|Python .*|\d+[smhd]"  # sizes, paths, durations as they are typed
)


def english() -> list[re.Pattern[str]]:
    """Each English message, with a wildcard for its values."""
    patterns = []
    for words, chinese in MESSAGES.values():
        for form in words.split("|"):
            if form != chinese and re.search("[A-Za-z]{2}", re.sub(r"\{\w+\}", "", form)):
                patterns.append(re.compile(".+".join(re.escape(part) for part in re.split(r"\{\w+\}", form))))
    return patterns


def test_the_chinese_page_has_no_english_text_and_fits_a_phone(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422", size=PHONE, locale="zh-CN", has_touch=True)
    messages = english()
    left: dict[str, set[str]] = {}
    for name in views(page, "rich"):
        hold_width(page, name)
        texts = {text for text in page.evaluate(TEXTS) if text != "中文"}
        assert len(texts) > 5
        left[name] = {text for text in texts if any(pattern.fullmatch(text) for pattern in messages)}
        left[name] |= {text for text in texts if not re.search("[一-鿿]", text) and not ANY_LANGUAGE.fullmatch(text)}
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert not {name: texts for name, texts in left.items() if texts}


def hold_width(page: Page, name: str) -> None:
    """Neither the page nor a dialog can be scrolled sideways."""
    wide = page.evaluate(
        """() => [...document.querySelectorAll('html, main, dialog[open], dialog[open] .dialog-body')]
          .filter((el) => el.scrollWidth > el.clientWidth)
          .map((el) => `${el.tagName} ${el.className} ${el.scrollWidth} > ${el.clientWidth}`)"""
    )
    assert not wide, name
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"], name


def test_the_counts_of_seven_kinds_are_one_line_and_end_with_what_is_below(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    counts = page.locator(".count:visible")
    expect(counts).to_have_count(7)
    counts.last.click()
    expect(counts.last).to_have_attribute("aria-pressed", "true")
    boxes = [one.bounding_box() for one in (*counts.all(), page.locator(".toolbar"))]
    edges = [(box["y"], box["x"] + box["width"]) for box in boxes if box]
    assert len({y for y, _ in edges[:7]}) == 1
    assert edges[6][1] == edges[7][1]


def test_the_english_page_fits_a_phone(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422", size=PHONE, has_touch=True)
    for name in views(page, "rich"):
        hold_width(page, name)


def test_at_double_zoom_no_word_is_broken_and_the_log_fills_the_window(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, size=(720, 450))
    for name in runs(page, "rich"):
        if name == "history":
            lines = """() => [...document.querySelectorAll('.runs .col-time button, .runs .col-trigger')].map((el) => {
              const range = document.createRange();
              range.selectNodeContents(el);
              return range.getClientRects().length;
            })"""
            assert set(page.evaluate(lines)) == {1}
        if name == "log":
            width = page.evaluate("document.body.clientWidth")  # without the scrollbar
            assert dialog(page).bounding_box() == {"x": 0, "y": 0, "width": width, "height": 450}
            expect(dialog(page)).to_have_css("border-radius", "0px")


def test_the_language_is_switched_and_remembered(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    expect(card(page, "held").locator(".card-word")).to_have_text("Running")
    expect(card(page, "good").locator(".card-meta")).to_contain_text("every hour")
    change_setting(page, "Language", "zh")
    expect(card(page, "held").locator(".card-word")).to_have_text("运行中")
    expect(card(page, "good").locator(".card-meta")).to_contain_text("每小时")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("需要关注"))
    view(page, "engine")
    expect(page.get_by_text("配置已加载。")).to_be_visible()
    change_setting(page, "语言", "en")
    expect(page.get_by_text("Config loaded.")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"


def test_times_are_shown_in_the_chosen_zone_and_relative_or_not(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, timezone_id="Asia/Tokyo")
    due = card(page, "rich").locator(".card-next")  # at 08:00 in UTC, the zone of the engine and of the task
    expect(due).to_have_text(re.compile(r"in .*08:00 UTC\+0$"))
    for choice, shown in (("browser", r"in .*17:00$"), ("utc", r"in .*08:00 UTC\+0$")):
        change_setting(page, "Time zone", choice)
        expect(due).to_have_text(re.compile(shown))
    change_setting(page, "Times", "absolute")
    expect(due).to_have_text(re.compile(r"^Next run(tomorrow |.*, )?08:00 UTC\+0$"))
    view(page, "timeline")
    expect(page.locator(".tl-zone")).to_have_text("UTC+0")
    change_setting(page, "Time zone", "browser")
    expect(page.locator(".tl-zone")).to_have_text("UTC+9")
    change_setting(page, "Time zone", "task")  # they all have one
    expect(page.locator(".tl-zone")).to_have_text("UTC+0")
    expect(page.locator(".tl-range")).to_have_text(re.compile(r" UTC\+0 – .* UTC\+0$"))
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator(".tl-zone")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 900})
    change_setting(page, "Times", "relative")
    view(page, "tasks")
    expect(due).not_to_contain_text(":")
    act(page, "rich", "history")
    expect(dialog(page).locator(".col-time button").first).to_have_text(re.compile("ago$"))


def test_a_palette_finds_tasks_views_and_actions(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    expect(card(page, "rich")).to_be_visible()
    page.keyboard.press("Control+k")
    sought = dialog(page).get_by_role("combobox")
    expect(sought).to_be_focused()
    page.keyboard.type("evth his")  # the letters in their order
    option = dialog(page).get_by_role("option")
    expect(option).to_have_text(["History: every thing"])
    expect(sought).to_have_attribute("aria-activedescendant", str(option.get_attribute("id")))
    page.keyboard.press("Enter")
    expect(dialog(page).locator(".runs tbody tr").first).to_be_visible()
    page.keyboard.press("Control+k")  # not above another dialog
    expect(page.locator("dialog")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("good")
    expect(option.first).to_have_attribute("aria-selected", "true")
    expect(option).to_have_count(5)
    page.keyboard.press("ArrowUp")
    expect(option.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#task/good$"))
    expect(page.locator("h1")).to_have_text("good")
    page.keyboard.press("?")
    expect(dialog(page).locator("kbd").first).to_have_text("Ctrl")


WORDS_IN_PIECES = """() => [...document.querySelectorAll('.brand-word, .machine, .tab, .tab-count')].filter((el) => {
  const range = document.createRange();
  range.selectNodeContents(el);
  return new Set([...range.getClientRects()].map(({ bottom }) => Math.round(bottom / 9))).size > 1;
}).map((el) => el.textContent)"""


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_the_header_breaks_no_word(one: Engine, open_page: OpenPage, locale: str) -> None:
    page = open_page(one.link, locale=locale)
    expect(card(page, "rich")).to_be_visible()
    page.evaluate("document.querySelector('.tab-count').hidden = false")
    page.evaluate("document.querySelector('.tab-count').textContent = '99+'")
    for width in (320, 360, 390, 640, 641, 700, 720, 760, 900, 901, 1024, 1280):  # 320 is 1280 at a zoom of 400 %
        page.set_viewport_size({"width": width, "height": 700})
        assert not page.evaluate(WORDS_IN_PIECES), width
        hold_width(page, str(width))
        assert page.locator(".tabs").evaluate("el => el.scrollWidth <= el.clientWidth"), width


# ---------------------------------------------------------------------------------------------------------- theme

BRIGHTNESS = """(el) => {
  const [r, g, b] = getComputedStyle(el).backgroundColor.match(/[0-9.]+/g).map(Number);
  return (0.3 * r + 0.6 * g + 0.1 * b) / 255;
}"""


def brightness(page: Page) -> float:
    return float(page.locator("html").evaluate(BRIGHTNESS))


def test_the_theme_follows_the_system_until_it_is_switched(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, media={"color_scheme": "dark"})
    expect(card(page, "good")).to_be_visible()
    assert brightness(page) < 0.2
    page.emulate_media(color_scheme="light")
    assert brightness(page) > 0.8
    change_setting(page, "Theme", "dark")
    assert brightness(page) < 0.2
    page.reload()
    expect(card(page, "good")).to_be_visible()
    assert brightness(page) < 0.2
    change_setting(page, "Theme", "auto")
    assert brightness(page) > 0.8


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_button_under_the_pointer_is_readable(one: Engine, open_page: OpenPage, scheme: str) -> None:
    page = open_page(one.link, media={"color_scheme": scheme})
    new = page.get_by_role("button", name="New task")
    new.hover()
    ground = float(new.evaluate(BRIGHTNESS))
    ink = float(new.evaluate(BRIGHTNESS.replace("backgroundColor", "color")))
    assert abs(ground - ink) > 0.4
    new.click()
    expect(dialog(page)).to_be_visible()
