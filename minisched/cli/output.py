"""What the commands print: texts of the catalogue, errors on standard error, JSON, and tables that fit the terminal."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from datetime import datetime

from minisched.catalogue import ENGLISH, TextError, render
from minisched.catalogue import template as template_of
from minisched.cli import terminal
from minisched.cli.terminal import display_width, fit_width, terminal_width
from minisched.model import EXIT_NO, EXIT_USAGE, Status, StoreError, Text
from minisched.model.text import find_lookalike, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo
    from typing import Any, Optional, TextIO, Union

    from minisched.home import Home
    from minisched.model import Config

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
_STORE_HINTS = {"locked": "cli.hint_locked", "damaged": "cli.hint_damaged"}
_ENDS = ("exit_code", "signal")  # of an attempt; the reasons of a failure have the same names
_UNNAMED = (*_ENDS, "lock")  # reasons whose detail says all
_EXIT_HINTS = {126: "cli.not_executable", 127: "cli.not_found"}  # what a shell means by them
_NO_WIDTHS: Mapping[str, int] = {}


class CommandError(Exception):
    """A command cannot continue. `lines` go to standard error."""

    def __init__(self, *lines: Union[Text, str], exit_code: int = EXIT_NO) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.exit_code = exit_code


# --------------------------------------------------------------------------------------------------------------- texts


def text(code: str, **values: Any) -> str:
    """A text of the catalogue as it is printed."""
    return shown(Text(code, **values))


def shown(line: Union[Text, str], language: str = "") -> str:
    """A line as it is printed: nothing in it is a command to the terminal, and commands in it can be typed as shown."""
    if isinstance(line, Text):
        line = render(line, language or terminal.language()).replace("`minisched ", f"`{program()} ")
    return visible(line)


def program() -> str:
    """What was typed to start this program: `minisched` is a command only where pip has installed it."""
    start = sys.argv[0]
    if start.endswith(os.path.join("minisched", "__main__.py")):
        return "python3 -m minisched"
    return f"python3 {shlex.quote(start)}" if start.endswith(".pyz") or os.path.isdir(start) else "minisched"


def print_error(line: Union[Text, str]) -> None:
    """Print a line on standard error. If that cannot be written, nothing else changes."""
    try:
        print(f"minisched: {shown(line)}", file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def print_at_once(line: Text) -> None:
    """As `print_error`, for a signal handler: the signal may have interrupted a write to the same stream."""
    try:
        os.write(2, f"minisched: {shown(line)}\n".encode(sys.stderr.encoding, "backslashreplace"))
    except OSError:
        pass  # nobody reads it


def discard(stream: TextIO) -> None:
    """Redirect an output that cannot be written to /dev/null.

    Otherwise the interpreter fails when it flushes the stream at its end, and exits with 120.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def report(error: Exception) -> int:
    """Print an error that the user can fix, and return the exit code. Any other error is a bug: it is raised again."""
    if isinstance(error, CommandError):
        for line in error.lines:
            print_error(line)
        return error.exit_code
    if isinstance(error, StoreError):
        hint = _STORE_HINTS.get(error.kind)
        print_error(Text(hint, error=error.text) if hint else error.text)
    elif isinstance(error, OSError):
        print_error(os_error(error))
    elif isinstance(error, TextError):
        print_error(error.text)
    else:
        raise error
    return EXIT_NO


def caller() -> str:
    """The name of the user who calls the command, or the number."""
    import pwd

    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def log_action(home: Home, config: Config, action: Text) -> None:
    """Write to the engine's log what a command does by itself, without the engine, and who does it."""
    from minisched.tasklog import engine_logger
    from minisched.timetable import load_zone

    log, file = engine_logger(home.logs, config.settings.log, load_zone(config.settings.timezone), rotate=False)
    log.info(Text("log.command", action=action, user=caller()))
    file.close()


def os_error(error: OSError) -> str:
    """The file and what is wrong with it, without the number that Python prints."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"


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


def table_time(moment: Optional[str], zone: tzinfo) -> str:
    """An ISO 8601 time as `2026-11-23 02:30` in a zone, the one of all rows, with seconds that are not zero. Where the
    time itself has another offset, that of its task, the one of the zone is shown: `2026-11-23 02:30:15+01`."""
    if not moment:
        return ""
    own = datetime.fromisoformat(moment)
    shown = own.astimezone(zone)
    offset = "" if shown.utcoffset() == own.utcoffset() else shown.isoformat()[-6:].removesuffix(":00")
    return f"{shown:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + offset


def typed(text: Text, word: str) -> Text:
    """An error about something that was typed, with the ASCII character to write for a full-width one in it."""
    found, meant = find_lookalike(word)
    return Text("cli.typed", text=text, found=found, ascii=meant) if found else text


def parse_env(pairs: Sequence[str]) -> dict[str, str]:
    """The variables of `--env K=V`. Raises CommandError."""
    env = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise CommandError(typed(Text("cli.env_syntax", pair=pair), pair), exit_code=EXIT_USAGE)
        if not re.fullmatch(r"(?!MINISCHED_)[A-Za-z_][A-Za-z0-9_]{0,255}", name):
            raise CommandError(typed(Text("cli.env_name", pair=pair, name=name), name), exit_code=EXIT_USAGE)
        env[name] = value
    return env


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Lines of a label (`cli.label.*`) and a value."""
    for label, value in facts:
        print(fit_width(text(f"cli.label.{label}"), 8), visible(value))


def print_json(value: Any) -> None:
    """Indented JSON. What is not printable is escaped, as `\\u202e`: the output may be a terminal."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    data = json.dumps(value, ensure_ascii=not utf8, indent=2)
    print(data if data.isascii() else re.sub(r"[^ -~\n]", _json_escape, data))


def _json_escape(match: re.Match[str]) -> str:
    return match[0] if visible(match[0]) == match[0] else json.dumps(match[0])[1:-1]


# -------------------------------------------------------------------------------------------------------------- tables


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
