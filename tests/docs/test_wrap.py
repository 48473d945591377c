"""The documents are wrapped without a change of what they say."""

from __future__ import annotations

import re
import sys

import pytest

from support.programs import ROOT

sys.path.insert(0, str(ROOT / "docs"))
from wrap import COLUMNS, columns, wrapped

WORD = "`--a-word-of-code`"


@pytest.mark.parametrize("first", ["", "- ", "1. ", "  - "])
def test_a_wide_paragraph_is_wrapped_and_says_the_same(first: str) -> None:
    text = first + " ".join(["some words", WORD, "[a link with blanks](to.md#there),", "and so on;"] * 9)
    lines = wrapped(text).split("\n")
    assert len(lines) > 3 and all(columns(line) <= COLUMNS for line in lines)
    assert re.sub(r"\s+", " ", " ".join(lines)).strip() == re.sub(r"\s+", " ", text).strip()
    assert all(line.startswith(" " * len(first)) for line in lines[1:])
    assert wrapped("\n".join(lines)) == "\n".join(lines)


def test_no_line_begins_with_what_would_make_it_an_item() -> None:
    for start in range(100, 120):
        lines = wrapped("x" * start + " it exits with 1. - and so on " * 2).split("\n")
        assert len(lines) > 1 and not any(line.startswith(("1.", "-")) for line in lines)


def test_chinese_is_wrapped_at_marks_and_blanks_only() -> None:
    """Renderers show the end of a line as a blank: it is not to cut a word of several characters."""
    text = "引擎在两秒之内*重新*加载（见下文）改动的文件，包括 `tasks/config.json`、日历和 2. 个模板。" * 6
    lines = wrapped(text).split("\n")
    assert len(lines) > 2 and "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(columns(line) <= COLUMNS and line[0] not in "，、。）" for line in lines)
    for line, after in zip(lines, lines[1:]):
        assert line[-1] in "，、。）" or after[0] == "（" or f"{line[-1]} {after[0]}" in text
    assert wrapped("\n".join(lines)) == "\n".join(lines)


def test_a_line_that_cuts_a_chinese_word_is_wrapped_again() -> None:
    assert wrapped("引擎在两秒之内重\n新加载。") == "引擎在两秒之内重新加载。"


@pytest.mark.parametrize(
    "line", ["| a | {} |", "> {}", "# {}", "    {}", "```sh\n{}\n```", "<!-- generated\n{}\n<!-- end"]
)
def test_other_lines_stay_as_they_are(line: str) -> None:
    text = line.format("word " * 40)
    assert wrapped(text) == text
