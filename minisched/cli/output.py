"""What the commands print: texts of the catalogue, errors on standard error, labels with values, JSON."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from contextlib import contextmanager

from minisched.catalogue import TextError, render
from minisched.cli import terminal
from minisched.cli.terminal import fit_width
from minisched.model import EXIT_NO, EXIT_USAGE, StoreError, Text
from minisched.model.text import find_lookalike, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, TextIO, Union

    from minisched.home import Home
    from minisched.model import Config

_STORE_HINTS = {"locked": "cli.hint_locked", "damaged": "cli.hint_damaged"}


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


def say(stream: TextIO, *lines: str) -> None:
    """Print lines, unless that would wait for a reader, such as of a pipe that is full: tasks do not wait for one. The
    log has what matters."""
    import select

    data = "".join(f"{line}\n" for line in lines).encode(stream.encoding, "backslashreplace")
    try:
        room = select.poll()
        room.register(stream.fileno(), select.POLLOUT)
        if room.poll(0):
            os.write(stream.fileno(), data[: select.PIPE_BUF])  # as much as a pipe takes without waiting
    except OSError:
        pass  # a full disk, or a pipe without a reader


def complain(problem: Text) -> None:
    say(sys.stderr, f"minisched: {shown(problem)}")


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


def zone_text(name: str, source: str) -> Text:
    """A time zone and where it comes from, as `LocalZone.source`."""
    if source in ("", "settings"):
        return Text(f"engine.zone.{source or 'none'}", zone=name)
    if name.startswith(source):  # the rules of a file, which is its name too
        return Text("text", text=name)
    return Text("engine.zone", zone=name, source=source)


def typed(text: Text, word: str) -> Text:
    """An error about something that was typed, with the ASCII character to write for a full-width one in it."""
    found, meant = find_lookalike(word)
    return Text("cli.typed", text=text, found=found, ascii=meant) if found else text


@contextmanager
def reading_typed(word: str) -> Iterator[None]:
    """What cannot be read of a word that was typed is wrong usage: TextError becomes CommandError."""
    try:
        yield
    except TextError as error:
        raise CommandError(typed(error.text, word), exit_code=EXIT_USAGE) from None


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
