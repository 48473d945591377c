"""The page's files, without a browser: texts in both languages, and nothing that runs a text as code."""

from __future__ import annotations

import inspect
import re

import pytest

from minisched.api import static_files
from minisched.api.context import STATUSES
from minisched.catalogue import runs
from minisched.engine import state
from minisched.model import Reason, Status, Trigger
from support.page_texts import CORE, MESSAGES, SCRIPTS, SOURCES, table


@pytest.mark.parametrize("name", ["i18n/messages_core.js", "i18n/messages.js"])
def test_every_line_of_the_tables_has_both_languages(name: str) -> None:
    lines = [line for line in SCRIPTS[name].splitlines() if re.match(r"  \w+: ", line)]
    assert len(lines) == len(table(name)) > 0
    assert not [key for key, pair in table(name).items() if not all(pair)]


def test_no_key_is_in_both_tables() -> None:
    assert not CORE.keys() & table("i18n/messages.js").keys()


def test_both_languages_have_the_same_values() -> None:
    for key, (english, chinese) in MESSAGES.items():
        assert set(re.findall(r"\{(\w+)\}", english)) == set(re.findall(r"\{(\w+)\}", chinese)), key


def test_every_text_that_a_script_uses_exists() -> None:
    first = [*static_files.bundles()[static_files.EARLY], *static_files.bundles()[static_files.ENTRY]]
    for name, text in SCRIPTS.items():
        known = CORE if name in first else MESSAGES
        assert not set(re.findall(r'\bt\("(\w+)"', text)) - known.keys() - runs.FIRST_VIEW.keys(), name


def test_every_status_trigger_and_reason_has_a_text() -> None:
    assert {f"status_{status}" for status in Status} <= CORE.keys()
    assert {f"trigger_{trigger}" for trigger in Trigger} <= MESSAGES.keys()
    for reason in Reason:
        whole = SCRIPTS["core/status_text.js"]
        known = [*runs.FIRST_VIEW, *re.findall(r"^  (why_\w+): ", whole, re.MULTILINE)]
        assert [key for key in known if key.startswith("why_") and key.endswith(f"_{reason}")], reason


def test_every_problem_of_the_engine_has_a_name() -> None:
    source = inspect.getsource(state)  # the type exists for type checkers alone
    literals = re.search(r"ProblemKey = Literal\[(.*?)\]", source, re.DOTALL)
    assert literals
    keys = [*re.findall(r'"(.+)"', literals[1]), "clock", "engine"]  # the last two are found by the page itself
    assert len(keys) > 10
    assert [key for key in keys if f"about_{key.replace(' ', '_')}" not in MESSAGES] == []


# Shown with the text of the error itself, or at the field of the id.
SHOWN_OTHERWISE = {"bad_request", "exists"}
# The page never gets these: its requests are well-formed, and without the events it polls.
OF_OTHER_CLIENTS = {
    *("method_not_allowed", "length_required", "unsupported_media_type", "expectation_failed", "not_implemented"),
    *("version_not_supported", "too_many_listeners"),
}


@pytest.mark.parametrize("code", sorted(set(STATUSES) - SHOWN_OTHERWISE - OF_OTHER_CLIENTS))
def test_every_api_error_that_the_page_can_get_has_a_text(code: str) -> None:
    status = STATUSES[code]
    assert {f"err_{status}_{code}", f"err_{code}", f"err_{status}"} & MESSAGES.keys()


def test_no_script_turns_text_into_elements_or_code() -> None:
    ways = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser")
    assert not [name for name, text in SCRIPTS.items() if ways.search(text)]


def test_no_file_refers_to_another_server() -> None:
    for name, text in SOURCES.items():
        found = set(re.findall(r"\b(?:https?:)?//[a-z0-9.-]+\.[a-z]+[^\s\"']*", text))
        assert not {url for url in found if "www.w3.org/2000/svg" not in url}, name


def test_the_document_has_no_inline_script_or_style() -> None:
    html = SOURCES["index.html"]
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]* src=)", html)
