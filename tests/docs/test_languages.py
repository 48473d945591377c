"""The Chinese documents have what the English ones have, and everything uses the words of the glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from minisched import catalogue
from support.programs import ROOT
from support.walk import DOCS, FENCE

MESSAGES = ROOT / "minisched" / "api" / "static" / "i18n"
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
# In both languages: what is used daily.
PAIRS = (
    ("README.md", "docs/README.zh.md"),
    *(
        (f"docs/{name}.md", f"docs/{name}.zh.md")
        for name in (
            "index",
            "tutorial",
            "install",
            "from_cron",
            "recipes",
            "troubleshooting",
            "configuration",
            "scheduling",
            "notifications",
            "operation",
            "security",
            "page",
            "task_script_development_guide",
            "cli",
        )
    ),
)
WORD = re.compile(r"`([a-z]+(?:_[a-z]+)+|MINISCHED_\w+|--[a-z-]+)`")
COMMENT = re.compile(r"(?<!\S)# (?!tasks/|logs/|var/).*")  # but not the name of a file
COMMAND = re.compile(r"`minisched ([a-z-]+)")


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def prose(text: str) -> str:
    return FENCE.sub("", text)


def headings(text: str) -> list[str]:
    """The level of each heading, and the code in it."""
    found = re.findall(r"^(#+) (.*)$", prose(text), re.MULTILINE)
    return [f"{level} {' '.join(re.findall('`[^`]+`', title))}" for level, title in found]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: Path(pair[0]).stem)
def test_both_languages_have_the_same_headings_fields_commands_and_code(pair: tuple[str, str]) -> None:
    english, chinese = map(read, pair)
    assert headings(chinese) == headings(english)
    assert set(WORD.findall(prose(chinese))) ^ set(WORD.findall(prose(english))) == set()
    assert set(COMMAND.findall(prose(chinese))) ^ set(COMMAND.findall(prose(english))) == set()
    blocks = [
        [COMMENT.sub("", block) for language, block in FENCE.findall(text) if language != "text"]
        for text in (english, chinese)
    ]
    if "README" not in pair[0] and "notifications" not in pair[0]:  # these two have examples for their readers
        assert blocks[1] == blocks[0]


def messages() -> dict[str, tuple[str, str]]:
    """All texts of the page, and of the program, by their name."""
    found = {}
    for path in MESSAGES.glob("messages*.js"):
        for name, english, chinese in re.findall(r'^  (\w+): \["(.*?)", "(.*?)"\],', path.read_text(), re.MULTILINE):
            found[name] = (english, chinese)
    for area in catalogue.AREAS:
        found.update(catalogue.table(area))
    return found


def rows(title: str) -> list[list[str]]:
    section = GLOSSARY.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "][
        2:
    ]


def test_the_glossary_has_the_words_of_the_program() -> None:
    """Where a text has few letters of room, it has the last word only: "zone"; a column for the reason is "why"."""
    known = messages()
    for english, chinese, name, _ in [*rows("Words"), *rows("Statuses")]:
        if name:
            shown = known[name.strip("`")]
            assert shown[1] == chinese, name
            assert english.split()[-1].rstrip("s") in shown[0].lower().replace("why", "reason"), name


def test_nothing_uses_words_that_the_glossary_rules_out() -> None:
    texts = {name: chinese for name, (_, chinese) in messages().items()}
    texts.update({path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.zh.md")})
    for word, _ in rows("Words that are not used"):
        found = [
            name for name, text in texts.items() if word in text.replace("机密", "")
        ]  # of 机密文件, 密文 is no word
        assert found == [], word
