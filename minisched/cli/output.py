"""What the commands print: tables that fit the terminal, colours only where there is one, and why not."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, Optional

from minisched.model import EXIT_NO, EXIT_USAGE, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

_COLOURS = {
    "success": "32",
    "business_failure": "33",
    "technical_failure": "31",
    "missed": "35",
    "skipped": "35",
    "running": "36",
    "retrying": "36",
    "queued": "36",
    "waiting": "36",
}
_WAY_OUT = {
    "locked": "another program holds it; close that one, or try again",
    "damaged": "the next start of the engine moves it aside; docs/operation.md tells how to rescue it",
}


NO_CUT: Mapping[str, int] = {}


class Refusal(Exception):
    """A command cannot go on: what is in the way, line by line, for standard error; and the exit code."""

    def __init__(self, *lines: str, code: int = EXIT_NO) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.code = code


def tell(message: str) -> None:
    """A line on standard error. Where that cannot be written nobody is told, and nothing else changes."""
    try:
        print(f"minisched: {harmless(message)}", file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)


def drop(stream: TextIO) -> None:
    """Give up an output that cannot be written: what is left in it and what still comes goes to /dev/null. Else the
    interpreter fails when it flushes at its end, and the exit code is 120 whatever was done."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def variables(pairs: Sequence[str]) -> dict[str, str]:
    """What `--env K=V` asks for. Raises Refusal."""
    env = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise Refusal(f"--env {pair}: expected K=V, such as --env DAY=2026-11-23", code=EXIT_USAGE)
        env[name] = value
    return env


def fail(message: str, code: int = EXIT_NO) -> int:
    """Say on standard error why not; the exit code to return."""
    tell(message)
    return code


def explain(error: Exception) -> int:
    """Tell an error that a user can do something about; the exit code. Raises it again where it is a bug."""
    if isinstance(error, Refusal):
        for line in error.lines:
            fail(line)
        return error.code
    if isinstance(error, StoreError):
        way_out = _WAY_OUT.get(error.kind)
        return fail(f"{error}; {way_out}" if way_out else str(error))
    if isinstance(error, OSError):
        return fail(in_words(error))
    raise error


def in_words(error: OSError) -> str:
    """What failed, for people: without the number that Python puts before it."""
    why = error.strerror or str(error)
    return f"{error.filename}: {why}" if error.filename else why


def harmless(text: str) -> str:
    """`text` with nothing in it that a terminal would obey."""
    if text.isascii() and text.isprintable():
        return text
    from minisched.model.text import visible  # its pattern takes 0.2 ms, which most do without

    return visible(text)


def why_of(reason: Optional[str], detail: str) -> str:
    """As in `spawn: tasks/x.sh: No such file or directory`; without what stands beside it anyway, the exit code."""
    return ": ".join(part for part in (reason, detail if reason not in ("exit_code", "signal") else "") if part)


def print_json(value: Any) -> None:
    """Indented JSON. What is not printable stands in it as `\\u202e`: a terminal may be at the other end."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not utf8, indent=2)
    print(text if text.isascii() else re.sub(r"[^ -~\n]", _escaped, text))


def _escaped(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1]


def coloured(text: str, word: str) -> str:
    """`text` in the colour of a status, on a terminal that wants colours (https://no-color.org)."""
    if word not in _COLOURS or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_COLOURS[word]}m{text}\x1b[0m" if sys.stdout.isatty() else text


def width_of(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(map(_width_of_char, text))


def _width_of_char(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fitted(text: str, width: int) -> str:
    """The text in exactly `width` columns, cut with an ellipsis or padded."""
    size = width_of(text)
    if size <= width:
        return text + " " * (width - size)
    kept, used = "", 0
    for char in text:
        used += _width_of_char(char)
        if used > width - 1:
            break
        kept += char
    return kept + "…" + " " * (width - width_of(kept) - 1)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[Any]], cut: Mapping[str, int] = NO_CUT) -> None:
    """A table as wide as its content; the columns stand in the order of their weight.

    On a terminal that is too narrow for it the columns in `cut` are shortened, the widest first, each to no less than
    stands there; where that is not enough, columns are left out from the right, and of the last one left what must be
    is cut. A column STATUS has its colours.
    """
    texts = [[harmless(str("" if cell is None else cell)).replace("\n", " ") for cell in row] for row in rows]
    widths = [max([width_of(header), *(width_of(row[i]) for row in texts)]) for i, header in enumerate(headers)]
    widths = _fit(widths, [cut.get(header, width) for header, width in zip(headers, widths)], _columns())
    status = headers.index("STATUS") if "STATUS" in headers else -1
    for number, row in enumerate([list(headers), *texts]):
        cells = [fitted(cell, width) for cell, width in zip(row, widths)]
        if number and 0 <= status < len(cells):
            cells[status] = coloured(cells[status], row[status])
        print("  ".join(cells).rstrip())


def _fit(widths: list[int], narrowest: Sequence[int], columns: int) -> list[int]:
    """The widths of the columns that have room, in a terminal of `columns`."""
    least = list(map(min, widths, narrowest))
    while len(least) > 1 and sum(least) + 2 * (len(least) - 1) > columns:
        least.pop()
    if len(least) == 1:
        return [min(widths[0], columns)]
    widths = widths[: len(least)]
    over = sum(widths) + 2 * (len(widths) - 1) - columns
    while over > 0:
        widest = max((i for i in range(len(widths)) if widths[i] > least[i]), key=lambda i: widths[i])
        widths[widest] -= 1
        over -= 1
    return widths


def _columns() -> int:
    """The terminal's width; without a terminal there is nothing to fit."""
    asked: Optional[str] = os.environ.get("COLUMNS")
    if asked and asked.isdecimal() and int(asked):
        return int(asked)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 10_000
