"""The page in a browser: names and output of tasks stay text, whatever they contain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from minisched.model.text import visible
from support.page import Engine, OpenPage, Page, act, card, choose, dialog, engine, expect, field, view
from support.page_views import close, views
from support.programs import eventually

TRAPS = "<script>document.title='trapped'</script><img src=x onerror=alert(1)><b id=trap>"
NAMES = {
    "script": TRAPS,
    "quotes": "\"'`></title></textarea></style><svg onload=alert(1)>",
    "bidi": "invoice\u202efdp.exe\u2066\u200bend",
    "template": "{{ task_id }} ${alert(1)} {n} javascript:alert(1)",
}
SHOWN = {**NAMES, "bidi": r"invoice\u202efdp.exe\u2066\u200bend"}
PRINTS = (
    f"cat <<'END'\n{TRAPS}\n"
    "\x1b]0;trapped\x07\x1b[31mred\x1b[0m\u202egnp.exe\n"
    "2026-01-01T00:00:00.000+00:00 [7.1 end] exit 0\nEND\nexit 3"
)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    tasks: list[dict[str, Any]] = [
        {
            "task_id": task_id,
            "task_name": name,
            "task_description": name,
            "task_exec": PRINTS,
            "task_schedule": "@daily",
            "task_tags": ["<i>tag</i>"],
            "task_env": {"A": TRAPS},
        }
        for task_id, name in NAMES.items()
    ]
    tasks[0]["task_dependencies"] = ["template"]
    tasks.append({"task_id": "unstartable", "task_exec": [f"./{TRAPS}"]})
    with engine(tmp_path_factory.mktemp("hostile"), *tasks) as running:
        for task in tasks:
            running.run(task["task_id"])
        eventually(lambda: len(running.home.ended()) == len(tasks))
        yield running


def hold(page: Page) -> None:
    """No text has become an element or has been executed. Dialogs and errors are reported by the fixture."""
    made = page.evaluate("document.querySelectorAll('#trap, body script, img, i, b, [onload], [onerror]').length")
    assert made == 0
    expect(page).to_have_title(re.compile(r"^\(\d\) \S+ · home – minisched$"))
    raw = page.evaluate("/[\\u202a-\\u202e\\u2066-\\u2069\\u200b\\u001b]/.test(document.documentElement.outerHTML)")
    assert not raw


def test_names_stay_text_in_every_view(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422")
    for task_id, name in SHOWN.items():
        expect(card(page, task_id).locator(".card-name")).to_have_text(name, use_inner_text=False)
    expect(card(page, "unstartable").locator(".card-why")).to_contain_text("./<script>")
    seen = []
    for name in views(page, "script"):
        hold(page)
        expect(page.locator("body")).to_contain_text("<script>document.title='trapped'</script>")
        seen.append(name)
    assert len(seen) > 10


def test_notices_and_questions_show_names_as_text(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    choose(page, "bidi", "disable")
    expect(page.locator(".notice")).to_contain_text(SHOWN["bidi"])
    hold(page)
    expect(card(page, "bidi").locator(".card-word")).to_have_text("Disabled")
    choose(page, "bidi", "enable")
    choose(page, "quotes", "remove")
    expect(dialog(page).locator("h2")).to_contain_text(SHOWN["quotes"])
    hold(page)


def test_output_stays_text_in_the_log_and_the_run(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    act(page, "template", "log")
    lines = dialog(page).locator(".lg-line.lg-out")
    expect(lines.filter(has_text=TRAPS)).to_have_count(1)
    coloured = lines.filter(has_text=r"] red\u202egnp.exe")
    expect(coloured.locator(".lg-c1")).to_have_text("red")
    dialog(page).get_by_label("As printed").check()
    expect(lines.filter(has_text=r"\x1b]0;trapped\x07\x1b[31mred\x1b[0m\u202egnp.exe")).to_have_count(1)
    forged = lines.filter(has_text="[7.1 end] exit 0")
    expect(forged).to_have_count(1)
    expect(forged.locator(".lg-tag")).to_contain_text("out]")  # after the engine's own prefix
    hold(page)
    dialog(page).locator(".lg-search").fill("<img src=x")
    expect(dialog(page).locator(".lg-current mark")).to_have_text("<img src=x")
    hold(page)
    close(page)
    card(page, "template").locator(".bar").click()
    expect(dialog(page).locator(".run-output .lg-lines")).to_contain_text(TRAPS)
    expect(dialog(page).locator(".run-output .lg-lines")).to_contain_text(r"\x1b]0;trapped\x07")  # still as printed
    hold(page)


def test_no_sequence_of_output_becomes_more_than_a_class(one: Engine, open_page: OpenPage) -> None:
    """Through the page, since the module is one of the page's."""
    page = open_page(one.link)
    esc = r"\x1b"
    cases = {
        "plain": [["plain", ""]],
        f"{esc}[31mred{esc}[0m.": [["red", "lg-c1 lg-fg"], [".", ""]],
        f"{esc}[1;4;95mA{esc}[22;24;39mB": [["A", "lg-c13 lg-fg lg-bold lg-under"], ["B", ""]],
        f"{esc}[41;33mA{esc}[7mB{esc}[49;39mC": [["A", "lg-c1 lg-bg"], ["B", "lg-c3 lg-bg"], ["C", "lg-bg"]],
        f"{esc}[38;5;9mA{esc}[38;5;200mB{esc}[48;2;1;2;3mC{esc}[m": [["A", "lg-c9 lg-fg"], ["B", ""], ["C", ""]],
        f"{esc}[999;31;;{'9' * 400}mA": [["A", ""]],
        f"{esc}]8;;javascript:alert(1){esc}\\<a href=x>{esc}]8;;{esc}\\": [["<a href=x>", ""]],
        f"{esc}[2K{esc}[1A{esc}(B{esc}7{esc}=A": [["A", ""]],
        f"{esc}[31": [["31", ""]],
        f"{esc}]0;no end": [["0;no end", ""]],
        f"{esc}": [[esc, ""]],
        f"{esc}[31m" * 3 + 'lg-c2" onload=x': [['lg-c2" onload=x', "lg-c1 lg-fg"]],
    }
    found = page.evaluate(
        """async (texts) => {
          const { styledParts } = await import('/logs/ansi.js');
          return texts.map((one) => styledParts(one).parts);
        }""",
        list(cases),
    )
    assert dict(zip(cases, found)) == cases
    long = [f"{esc}]" * 20_000, f"{esc}[" + "1;" * 30_000, f"{esc}" * 30_000, "9%" * 30_000, "#" * 60_000]
    spent = page.evaluate(
        """async (texts) => {
          const { styledParts, stepOf } = await import('/logs/ansi.js');
          const start = performance.now();
          for (const one of texts) stepOf(styledParts(one).parts.join(''));
          return performance.now() - start;
        }""",
        long,
    )
    assert spent < 2000  # ms; each takes a few


def test_the_form_returns_a_hostile_name_unchanged(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    choose(page, "quotes", "edit")
    expect(field(page, "task_name").locator("input")).to_have_value(NAMES["quotes"])
    field(page, "task_description").get_by_role("textbox").fill("changed")
    dialog(page).get_by_role("button", name="Save").click()
    expect(page.locator("dialog")).to_have_count(0)
    saved = next(task for task in one.tasks() if task["task_id"] == "quotes")
    assert (saved["task_name"], saved["task_description"]) == (NAMES["quotes"], "changed")


def test_hostile_addresses_do_nothing(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="404")
    expect(card(page, "script")).to_be_visible()
    for trap in (f"#task/{TRAPS}", f"#{TRAPS}", "#constructor", "#__proto__", "#task/none_such"):
        page.goto(f"{one.url}/{trap}")
        hold(page)
    expect(page.get_by_role("alert")).to_contain_text("There is no task “none_such”.")
    view(page, "tasks")
    expect(card(page, "script")).to_be_visible()


def test_letters_that_no_font_shows_are_escaped_as_by_the_command_line(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    texts = [
        f"a{char}b" for char in "\u034f\u115f\u1160\u17b4\u180b\u2800\u3164\ufe0f\uffa0\U000e0100 \u3000\u00e9한备⠁"
    ]
    shown = page.evaluate("async (texts) => texts.map((await import('/core/dom.js')).visible)", texts)
    assert shown == [visible(text) for text in texts]
    assert shown[0] == "a\\u034fb"
