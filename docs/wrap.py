"""Wraps the prose of a document: no line is wider than a terminal. Used by generate.py."""

from __future__ import annotations

import re
import unicodedata

COLUMNS = 120
# A link and code stay whole, with what follows them; a Chinese character is a word here, `_pieces` joins them.
_WORDS = re.compile(
    r"\[[^\]]*\]\([^)]*\)\S*?(?=[\s\u2e80-\uffff]|$)|`[^`]*`|[^\s\u2e80-\uffff`\[]+|[\[`]|\s+|[\u2e80-\uffff]"
)
_NOT_FIRST = "，。；：、！？）”》」…,.;:!?)"  # of a line
_NOT_LAST = "（“《「(["
# Renderers of Markdown show the end of a line as a blank. It is not seen beside these marks, which are half blank
# themselves; elsewhere in Chinese text it would cut a word.
_END_OF_PHRASE = "，。；：、！？）》」"
_START_OF_PHRASE = "（《「"
_MARK = re.compile(r"\d+[.)]|[-*+>#|]+")  # would begin an item or a heading at the start of a line
_ITEM = re.compile(r" *(?:[-*]|\d+\.) ")
_WHOLE = ("|", "#", ">", "<!--", "![")  # rows of tables, headings, quoted messages


def columns(line: str) -> int:
    """The columns of a terminal that a line takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def wrapped(document: str) -> str:
    """The Markdown text, with those paragraphs and items wrapped that have a line which is too wide or cuts a word."""
    lines: list[str] = []
    paragraph: list[str] = []
    fenced = generated = False

    def end_paragraph() -> None:
        lines.extend(_fill(paragraph) if _needs_wrapping(paragraph) else paragraph)
        paragraph.clear()

    for line in document.split("\n"):
        fence = line.lstrip().startswith("```")
        generated = generated or "<!-- generated" in line
        whole = fenced or generated or not line.strip() or line.lstrip().startswith(_WHOLE)
        code = line.startswith("    ") and not paragraph
        if fence or whole or code:
            end_paragraph()
            lines.append(line)
        else:
            if _ITEM.match(line):
                end_paragraph()
            paragraph.append(line)
        fenced = fenced != fence
        generated = generated and "<!-- end" not in line
    end_paragraph()
    return "\n".join(lines)


def _needs_wrapping(paragraph: list[str]) -> bool:
    if any(columns(line) > COLUMNS for line in paragraph):
        return True
    ends = ((line.rstrip()[-1], after.lstrip()[0]) for line, after in zip(paragraph, paragraph[1:]))
    return any(min(end, start) >= "\u2e80" and not _is_between_phrases(end, start) for end, start in ends)


def _is_between_phrases(end: str, start: str) -> bool:
    return end in _END_OF_PHRASE or start in _START_OF_PHRASE


def _fill(paragraph: list[str]) -> list[str]:
    item = _ITEM.match(paragraph[0])
    first = item[0] if item else " " * (len(paragraph[0]) - len(paragraph[0].lstrip()))
    indent = " " * len(first)
    text = paragraph[0][len(first) :]
    for line in (line.strip() for line in paragraph[1:]):
        chinese = min(text[-1], line[0]) >= "\u2e80"
        text += ("" if chinese or _is_between_phrases(text[-1], line[0]) else " ") + line
    lines, current, empty = [], first, True
    for piece in _pieces(text):
        if not empty and columns(current + piece.rstrip()) > COLUMNS:
            lines.append(current.rstrip())
            current, empty = indent, True
        if not (empty and piece == " "):
            current, empty = current + piece, False
    return [*lines, current.rstrip()]


def _pieces(text: str) -> list[str]:
    """Where a line may be broken."""
    pieces: list[str] = []
    for word in _WORDS.findall(text):
        piece = " " if word.isspace() else word
        before = pieces[-1] if pieces else " "
        tied = piece[0] in _NOT_FIRST or before[-1] in _NOT_LAST
        if " " not in (piece, before) and (tied or not _is_between_phrases(before[-1], piece[0])):
            pieces[-1] += piece
        elif before == " " and len(pieces) > 1 and _MARK.fullmatch(piece):
            pieces[-2:] = [f"{pieces[-2]} {piece}"]
        else:
            pieces.append(piece)
    return pieces
