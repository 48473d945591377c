"""`edit`: the config, or one task of it, in the user's editor; checked before it is saved, as `crontab -e` does."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from minisched.cli.output import CommandError, log_action, print_error, text
from minisched.cli.view import config_problems, other_user, read_only_config, unknown_task
from minisched.config import ConfigChanged, ConfigError, NotDurable, config_hash, parse_config, read_config, save_config
from minisched.config.files import CalendarFiles
from minisched.config.json_edit import members
from minisched.config.problems import count_problems
from minisched.home import Home
from minisched.model import EXIT_NO, EXIT_OK, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Optional

EDITORS = ("editor", "nano", "vi")  # where neither $VISUAL nor $EDITOR names one
_CONFLICTING = (signal.SIGINT, signal.SIGQUIT)  # of the terminal: for the editor


def edit(options: Namespace) -> int:
    """Edit, check, save; again if there are problems. Raises CommandError, OSError."""
    home = Home(options.home)
    foreign = other_user(home, f"edit {options.task or ''}".rstrip())
    if foreign:
        raise CommandError(foreign)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError(Text("cli.edit_needs_terminal", path=home.config))
    editor = _editor(home)
    try:
        data = read_config(home.config)
        before = data.decode()
    except ConfigError as error:
        raise CommandError(*config_problems(error, home)) from None
    except UnicodeDecodeError:
        raise CommandError(Text("cli.edit_not_utf8", path=home.config)) from None
    span = (0, len(before)) if options.task is None else _span(home, before, options.task)
    copy = _Copy(options.task or "config", _dedented(before, *span))
    try:
        after = _edit_until_valid(editor, copy, before, span, home)
        if after == before:
            copy.remove()
            print(text("cli.edit_unchanged"))
            return EXIT_OK
        if after is None:
            print_error(Text("cli.edit_kept", path=copy.path))
            return EXIT_NO
        _save(home, after, data)
    except (KeyboardInterrupt, CommandError, OSError):
        print_error(Text("cli.edit_kept", path=copy.path))
        raise
    copy.remove()
    config, _ = read_only_config(home)
    if config is not None:
        log_action(home, config, Text("log.edited", task=options.task or "tasks/config.json"))
    print(text("cli.edit_saved", path=home.config))
    return EXIT_OK


def _edit_until_valid(editor: str, copy: _Copy, before: str, span: tuple[int, int], home: Home) -> Optional[str]:
    """The text of the config with what was edited in place of the span; None if it is not valid and the user gives up.
    Raises CommandError, OSError."""
    start, end = span
    while True:
        _run(editor, copy)
        edited = copy.read()
        if edited == copy.original:
            return before
        after = before[:start] + _indented(edited, before, start, end) + before[end:]
        _, found = parse_config(after.encode(), home=home.path, calendars=CalendarFiles(home.path))
        if not found:
            return after
        for problem in found:
            # Of one task, lines are counted in what was edited.
            line = problem.line - before[:start].count("\n") if problem.line else 0
            print_error(problem._replace(line=line).as_text())
        print(text("cli.problem_count", count=count_problems(found)), file=sys.stderr)
        if not _again():
            return None


def _editor(home: Home) -> str:
    """The command of the editor, for a shell. Raises CommandError."""
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    found = named or next(filter(None, map(shutil.which, EDITORS)), None)
    if found is None:
        raise CommandError(Text("cli.edit_needs_editor", path=home.config))
    return found


class _Copy:
    """What is edited: a file that only this user can read, since a config has secrets. It stays until it is saved."""

    def __init__(self, name: str, original: str) -> None:
        self.original = original
        self._folder = tempfile.mkdtemp(prefix="minisched-")
        self.path = os.path.join(self._folder, f"{name}.json")
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8", newline="") as file:
            file.write(original)

    def read(self) -> str:
        try:
            with open(self.path, encoding="utf-8", newline="") as file:
                return file.read()
        except UnicodeDecodeError:
            raise CommandError(Text("cli.edit_not_utf8", path=self.path)) from None

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _run(editor: str, copy: _Copy) -> None:
    """Raises CommandError if the editor fails."""
    handlers = [(number, signal.signal(number, signal.SIG_IGN)) for number in _CONFLICTING]
    try:
        code = subprocess.call(["/bin/sh", "-c", f'{editor} "$@"', "sh", copy.path], preexec_fn=_restore_signals)
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)
    if code:
        raise CommandError(Text("cli.edit_failed", editor=editor, exit_code=code))


def _restore_signals() -> None:
    for number in _CONFLICTING:
        signal.signal(number, signal.SIG_DFL)


def _again() -> bool:
    """Whether to edit once more; no answer is yes, as nothing is lost by that."""
    print(text("cli.edit_again"), end="", flush=True)
    answer = sys.stdin.readline()
    return bool(answer) and not answer.strip().lower().startswith(("n", "q", "否"))


def _save(home: Home, edited: str, before: bytes) -> None:
    """Raises CommandError, OSError."""
    try:
        save_config(home.config, edited.encode(), expected_hash=config_hash(before))
    except ConfigChanged:
        raise CommandError(Text("cli.edit_changed", path=home.config)) from None
    except ConfigError as error:
        raise CommandError(*config_problems(error, home, hint=False)) from None
    except NotDurable as error:
        print_error(Text("cli.edit_not_durable", path=home.config, reason=error.strerror))


# --------------------------------------------------------------------------------------------------------- one task


def _span(home: Home, config: str, task_id: str) -> tuple[int, int]:
    """Where the object of a task is in the text of the config. Raises CommandError."""
    try:
        found, problems = parse_config(config.encode(), home=home.path)
        if any(problem.text.code.startswith("config.json.") for problem in problems):
            raise ValueError
        [tasks] = (one.start for one in members(config, config.index("{")) if one.name == "tasks")
        spans = {}
        for one in members(config, tasks):
            identity = next((field for field in members(config, one.start) if field.name == "task_id"), None)
            if identity is not None:
                spans[config[identity.start : identity.end].strip('"')] = one.start, one.end
    except (ValueError, IndexError):
        raise CommandError(Text("cli.edit_whole", path=home.config)) from None
    if task_id not in spans:
        raise unknown_task(task_id, found.tasks if found else spans)
    return spans[task_id]


def _indentation(config: str, start: int) -> str:
    """Of the line in which a task begins."""
    line = config[config.rfind("\n", 0, start) + 1 : start]
    blanks = re.match(r"[ \t]*", line)
    return blanks[0] if blanks else ""


def _dedented(config: str, start: int, end: int) -> str:
    """The text that is edited: of a task, without the indentation that it has in the file."""
    if (start, end) == (0, len(config)):
        return config
    indentation = _indentation(config, start)
    lines = config[start:end].split("\n")
    return "\n".join([lines[0], *(line.removeprefix(indentation) for line in lines[1:])]).replace("\r\n", "\n") + "\n"


def _indented(edited: str, config: str, start: int, end: int) -> str:
    """The edited text as it goes back into the file."""
    if (start, end) == (0, len(config)):
        return edited
    indentation = _indentation(config, start)
    first, *lines = edited.strip().replace("\r\n", "\n").split("\n")
    line_end = "\r\n" if config.partition("\n")[0].endswith("\r") else "\n"
    return line_end.join([first, *(indentation + line if line else line for line in lines)])
