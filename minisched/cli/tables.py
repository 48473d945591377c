"""Tables that fit the terminal, and what is in their cells: times, and why a run ended as it did."""

from __future__ import annotations

import os
import sys
from datetime import datetime

from minisched.catalogue import ENGLISH
from minisched.catalogue import template as template_of
from minisched.cli.output import shown, text
from minisched.cli.terminal import display_width, fit_width, terminal_width
from minisched.model import Status, Text
from minisched.model.text import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo
    from typing import Any, Optional

_COLORS = {
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
_ENDS = ("exit_code", "signal")  # of an attempt; the reasons of a failure have the same names
_UNNAMED = (*_ENDS, "lock")  # reasons whose detail says all
_EXIT_HINTS = {126: "cli.why.command_not_executable", 127: "cli.why.command_not_found"}  # what a shell means by them
_NO_WIDTHS: Mapping[str, int] = {}


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], shrink: Mapping[str, int] = _NO_WIDTHS) -> None:
    """A table as wide as its content. columns: names of the catalogue (`cli.column.*`), the most important first.

    If the terminal is too narrow, the columns in `shrink` are shortened, one after the other, each to no less than its
    value there. If that is not enough, columns are left out from the right, and the last remaining one is cut. The
    column `status` is coloured.
    """
    cells = [[visible(str("" if cell is None else cell)).replace("\n", " ") for cell in row] for row in rows]
    headers = [text(f"cli.column.{column}") for column in columns]
    widths = [max(map(display_width, column)) for column in zip(headers, *cells)]
    least = {columns.index(name): width for name, width in shrink.items() if name in columns}
    widths = _fit(widths, least, terminal_width(sys.stdout))
    status = columns.index("status") if "status" in columns else -1
    for number, row in enumerate([headers, *cells]):
        fitted = [fit_width(cell, width) for cell, width in zip(row, widths)]
        if number and 0 <= status < len(fitted):
            fitted[status] = colored(fitted[status], row[status])
        print("  ".join(fitted).rstrip())


def table_width(
    columns: Sequence[str], rows: Sequence[Mapping[str, Any]], at_most: Mapping[str, int] = _NO_WIDTHS
) -> int:
    """Of a table whose columns are not shortened, except to the widths in `at_most`. rows: cells by column."""
    widths = []
    for name in columns:
        width = max(display_width(str(cell)) for cell in (text(f"cli.column.{name}"), *(row[name] for row in rows)))
        widths.append(min(width, at_most.get(name, width)))
    return sum(widths) + 2 * (len(widths) - 1)


def _fit(widths: list[int], least: dict[int, int], columns: int) -> list[int]:
    """The widths of those columns that fit into a terminal of `columns`. least: of those that can be shortened, in the
    order in which they are."""
    smallest = [min(width, least.get(index, width)) for index, width in enumerate(widths)]
    while len(smallest) > 1 and sum(smallest) + 2 * (len(smallest) - 1) > columns:
        smallest.pop()
    if len(smallest) == 1:
        return [min(widths[0], columns)]
    widths = widths[: len(smallest)]
    excess = sum(widths) + 2 * (len(widths) - 1) - columns
    for index in least:
        if index < len(widths) and excess > 0:
            cut = min(excess, widths[index] - smallest[index])
            widths[index] -= cut
            excess -= cut
    return widths


def colored(line: str, status: str) -> str:
    """The text in the colour of a status, on a terminal that wants colours (https://no-color.org)."""
    if status not in _COLORS or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return line
    return f"\x1b[{_COLORS[status]}m{line}\x1b[0m" if sys.stdout.isatty() else line


# ---------------------------------------------------------------------------------------------------------------- cells


def table_time(moment: Optional[str], zone: tzinfo) -> str:
    """An ISO 8601 time as `2026-11-23 02:30` in a zone, the one of all rows, with seconds that are not zero. Where the
    time itself has another offset, that of its task, the one of the zone is shown: `2026-11-23 02:30:15+01`."""
    if not moment:
        return ""
    own = datetime.fromisoformat(moment)
    shown = own.astimezone(zone)
    offset = "" if shown.utcoffset() == own.utcoffset() else shown.isoformat()[-6:].removesuffix(":00")
    return f"{shown:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + offset


def why(one: dict[str, Any]) -> str:
    """The reason of a run or an attempt in a few words, as `exit 126: not executable`, `timeout: killed after 5 s` or
    `user`. Files are shown without their folders. one: as JSON."""
    reason, detail = one["reason"] or "", one["detail"] or {}
    if one.get("status") == Status.WAITING and reason:
        return text("cli.waits_for", tasks=detail.get("needs", reason))
    end = one["attempts"][-1] if one.get("attempts") else one
    exit_code, number = (detail.get(name, end.get(name)) for name in _ENDS)
    hint = _short(detail["hint"]) if "hint" in detail else None
    if reason == "exit_code" and exit_code is not None and detail.get("code") != "text":
        if detail.get("code") == "business_exit_code_crash":
            hint = Text("cli.looks_like_crash")
        elif exit_code in _EXIT_HINTS and (hint is None or hint.code == "cli.why.spawn"):
            hint = Text(_EXIT_HINTS[exit_code])
        return text("cli.exit_hint" if hint else "cli.exit", exit_code=exit_code, hint=hint)
    if reason == "signal" and number is not None and detail.get("code") != "text":
        return text("cli.signal_hint" if hint else "cli.by_signal", signal=signal_text(number), hint=hint)
    explanation = shown(_short(detail)) if detail else ""
    return ": ".join(filter(None, (reason if reason not in _UNNAMED else "", explanation))) or reason


def _short(detail: Any) -> Text:
    """A detail as JSON, in a few words if there are some for its code."""
    short = f"cli.why.{detail['code']}"
    code = short if template_of(short, ENGLISH) != short else detail["code"]
    return Text.from_json({**_without_folders(detail), "code": code})


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: one if name == "text" else _without_folders(one) for name, one in value.items()}
    return os.path.basename(value) if isinstance(value, str) and "/" in value and " " not in value else value


def signal_text(number: int) -> Text:
    """As `signal 9 (SIGKILL)`."""
    import signal

    try:
        return Text("cli.signal", signal=number, name=signal.Signals(number).name)
    except ValueError:
        return Text("cli.unknown_signal", signal=number)
