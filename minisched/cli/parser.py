"""From the words of a command line to options, with hints for common mistakes."""

from __future__ import annotations

import argparse
import re
import sys

from minisched.cli.arguments import COMMANDS, Command, help_columns, option_text, short_text
from minisched.cli.terminal import display_width, wrap

TYPE_CHECKING = False  # as `typing` has it, whose import takes as long as that of argparse
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn, Optional

EXIT_USAGE = 2  # as `minisched.model` has it, which the help of a command does without

# What other programs call a command.
_OTHER_NAMES = {
    "init": "create new setup",
    "run": "start serve up daemon server engine",
    "validate": "check lint test configtest verify doctor",
    "list": "ls tasks jobs ll",
    "status": "ps top is-active",
    "show": "cat describe inspect info get",
    "edit": "change modify config configure",
    "notifications": "outbox messages mails",
    "url": "open address page token",
    "next": "upcoming schedule when preview",
    "trigger": "fire now launch run-now",
    "exec": "execute once run-once",
    "stop": "cancel kill abort terminate",
    "enable": "activate",
    "disable": "deactivate",
    "pause": "suspend hold freeze maintenance",
    "resume": "unpause continue unfreeze",
    "reload": "restart refresh hup reread update",
    "history": "runs executions past",
    "logs": "log tail output journal",
    "notify-test": "notify test-notify",
    "import-crontab": "import crontab",
    "backup": "dump save snapshot",
    "restore": "recover undump",
    "version": "versions",
}
_REMOVE = ("remove", "delete", "rm", "del", "unschedule", "uninstall", "drop", "purge")
# Words that are given without an option, by the options that people try.
_POSITIONAL = {
    **dict.fromkeys(("--at", "--when", "--time", "--date", "--day", "--on", "--for"), "WHEN"),
    **dict.fromkeys(("--task", "--task-id", "--name", "--id"), "TASK"),
    **dict.fromkeys(("--run", "--run-id"), "RUN_ID"),
    **dict.fromkeys(("--file", "--input", "-i"), "FILE"),
}
# What no command does, and what does it instead.
_NO_COMMANDS = {"add": "cli.no_add", **dict.fromkeys(_REMOVE, "cli.no_remove")}
# difflib's own 0.6 takes "prune" for "run".
_NEAR = 0.76


# The messages of argparse, which are English. `{value}` is what follows; some versions of Python add more to it.
_ARGPARSE = {
    "the following arguments are required: ": "cli.usage.required",
    "unrecognized arguments: ": "cli.usage.unrecognized",
    "expected one argument": "cli.usage.no_value",
    "invalid choice: ": "cli.usage.choice",
    "ambiguous option: ": "cli.usage.ambiguous",
    "ignored explicit argument ": "cli.usage.takes_no_value",
}


def parse(argv: list[str]) -> argparse.Namespace:
    """The options; `command` is None if none is named. Exits with 2 for wrong usage, with 0 after its `--help`."""
    word = next(iter(argv[2:] if argv[:1] == ["--home"] else argv), "")
    if word in ("--version", "-V"):
        argv, word = ["version"], "version"
    _refuse_task_of_run(argv[2:] if argv[:1] == ["--home"] else argv)
    # To build the options of all commands takes longer than the rest.
    return make_parser((word,) if word in COMMANDS else COMMANDS).parse_args(argv)


def _refuse_task_of_run(words: list[str]) -> None:
    """`run TASK` and `start TASK`: `run` is the engine. Exits with 2."""
    names = {"run", *_OTHER_NAMES["run"].split()} - {name for name in COMMANDS if name != "run"}
    if len(words) > 1 and words[0] in names and not words[1].startswith("-"):
        hint = short_text("cli.run_takes_no_task", words[1])
        if words[0] != "run":
            hint = _no_command(words[0]) + hint
        make_parser(("run",)).refuse(hint)


def _no_command(word: str) -> str:
    return short_text("cli.no_command", word) + short_text("cli.semicolon")


def make_parser(names: Iterable[str] = COMMANDS) -> _Parser:
    """The parser of some commands."""
    parser = _Parser(
        prog="minisched",
        description=short_text("cli.help"),
        epilog=short_text("cli.help_examples") + "\n\n" + short_text("cli.help_exit_codes"),
        formatter_class=_Formatter,
        add_help=False,
        names=names,
    )
    options = parser.add_argument_group(short_text("cli.help_options"))
    options.add_argument("-h", "--help", action="help", help=short_text("cli.option.help"))
    options.add_argument("--home", metavar="DIR", help=short_text("cli.option.home"))
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title=short_text("cli.help_commands"), prog="minisched"
    )
    for name in names:
        _add(commands, name, COMMANDS[name])
    return parser


def _add(commands: Any, name: str, command: Command) -> None:
    summary = short_text(f"cli.help.{name}")
    examples = "".join(f"\n  minisched {line}" for line in command.examples.split("\n"))
    parser = commands.add_parser(
        name,
        help=summary,
        description="\n".join(wrap(short_text("cli.help_sentence", f"{summary[0].upper()}{summary[1:]}"), 78)),
        epilog=short_text("cli.help_example_title") + examples,
        formatter_class=_Formatter,
        add_help=False,
    )
    named = [flags for flags, _ in command.arguments if not flags.startswith("-")]
    arguments = parser.add_argument_group(short_text("cli.help_arguments")) if named else parser
    options = parser.add_argument_group(short_text("cli.help_options"))
    options.add_argument("-h", "--help", action="help", help=short_text("cli.option.help"))
    for flags, details in command.arguments:
        group = options if flags.startswith("-") else arguments
        group.add_argument(*flags.split(), help=short_text(option_text(name, flags)), **details)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        # argparse would import shutil, and with it compression modules, for the width of the terminal.
        super().__init__(prog, width=help_columns(), max_help_position=28)

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: Optional[str] = None) -> None:
        super().add_usage(usage, actions, groups, short_text("cli.help_usage"))

    def _format_usage(self, usage: Any, actions: Any, groups: Any, prefix: Any) -> str:
        blank = " " * display_width(prefix)  # argparse indents by the number of characters
        return f"{prefix}{super()._format_usage(usage, actions, groups, blank)[len(blank) :]}"

    def format_help(self) -> str:
        return re.sub(r"(?<=[^ -~]):$", "：", super().format_help(), flags=re.MULTILINE)  # after Chinese headings

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(text, width)  # by the width of characters on the terminal


class _Parser(argparse.ArgumentParser):
    """With hints for common mistakes. names: of the commands that it knows."""

    def __init__(self, *, names: Iterable[str] = (), **options: Any) -> None:
        super().__init__(**options)
        self.names = tuple(names)

    def error(self, message: str) -> NoReturn:
        unknown = message.startswith("unrecognized arguments:")
        words = message.partition(": ")[2].split() if unknown else []
        instead = _instead(message)
        needs_task = message.endswith("required: TASK")
        message = _translated(message)
        if instead:
            message += instead
        elif words and re.fullmatch(r"[A-Za-z_]\w*=.*", words[0]):
            message += short_text("cli.variable_position", words[0])
        elif words and words[0].partition("=")[0] in _POSITIONAL:
            message += self._without_option(_POSITIONAL[words[0].partition("=")[0]])
        elif needs_task:
            message += short_text("cli.dash_id", self.prog.rpartition(" ")[2])
        self.refuse(message)

    def refuse(self, message: str) -> NoReturn:
        """Exits with 2. The message is in our language already."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {short_text('cli.usage.error', message)}\n")

    def _without_option(self, metavar: str) -> str:
        """The hint for a word that has been given by an option, and has none in this command; "" if it has no such."""
        if len(self.names) == 1:
            name = self.names[0]
            words = [details["metavar"] for flags, details in COMMANDS[name].arguments if not flags.startswith("-")]
            if any(metavar in word for word in words):
                return short_text("cli.takes_no_option", metavar).replace("{line}", " ".join([name, *words]))
        return ""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            from difflib import get_close_matches

            others = {other: name for name, all in _OTHER_NAMES.items() for other in all.split()}
            near = [others.get(str(value), ""), *get_close_matches(str(value), action.choices, n=1, cutoff=_NEAR)]
            close = [name for name in near if name in action.choices]
            hint = short_text("cli.did_you_mean", close[0]) if close else short_text("cli.see_help")
            hint = short_text(_NO_COMMANDS[str(value)]) if value in _NO_COMMANDS else hint
            self.refuse(f"{_no_command(str(value))}{hint}{_instead(str(value))}")
        super()._check_value(action, value)


def _instead(typed: str) -> str:
    """The hint for a full-width character or a dash in what was typed, with the ASCII character to write; else ""."""
    from minisched.model.text import find_lookalike  # with the model, which `--help` does without

    found, meant = find_lookalike(typed)
    hint = short_text("cli.typed_instead", found).replace("{ascii}", "--" if found in "—–" else meant)
    return hint if found else ""


def _translated(message: str) -> str:
    """A message of argparse in our language; one that is not known stays as it is."""
    argument, rest = "", message
    if message.startswith("argument "):
        argument, _, rest = message.partition(": ")
    for english, code in _ARGPARSE.items():
        if rest.startswith(english):
            place = f"{argument[len('argument ') :]}: " if argument else ""
            found = short_text(code, rest[len(english) :])
            return place + found.replace("choose from", short_text("cli.usage.choose_from"))
    return message
