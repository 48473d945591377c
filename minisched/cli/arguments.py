"""Commands and options, as `--help` and docs/cli.md show them.

A command's module is imported when the command runs, and only its own options are built: `--help` and the commands that
people type often take little more time than Python itself. Their texts are in `minisched.catalogue.cli`.
"""

from __future__ import annotations

import argparse
import re
import sys

from minisched.catalogue import LANGUAGES
from minisched.catalogue.cli import TEXTS
from minisched.cli.terminal import language, terminal_width, wrap

TYPE_CHECKING = False  # as `typing` has it, whose import takes as long as that of argparse
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, NoReturn, Optional

MAX_COLUMNS = 100  # longer lines are hard to read
EXIT_USAGE = 2  # as `minisched.model` has it, which `--help` does without


def _positive(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or not int(text):
        raise argparse.ArgumentTypeError(_text("cli.not_a_count", text))
    return int(text)


class Command:
    """How a command is called, and the function of `minisched.cli` that runs it."""

    def __init__(self, function: str, examples: str, *arguments: tuple[str, dict[str, Any]]) -> None:
        self.module, self.function = function.split(".")
        self.examples = examples
        self.arguments = arguments  # (name, or short and long name; further arguments of `add_argument`)


_TASK = ("task", {"metavar": "TASK"})
_OPTIONAL_TASK = ("task", {"metavar": "TASK", "nargs": "?"})
_JSON = ("--json", {"action": "store_true"})
_ENV = ("--env", {"metavar": "K=V", "action": "append", "default": []})
_STATUS = ("--status", {"metavar": "S"})
_TZ = ("--tz", {"metavar": "ZONE"})
_OUTPUT = ("-o --output", {"metavar": "FILE", "default": "minisched.pyz"})
_RUN = ("--run", {"metavar": "ID", "type": _positive})

COMMANDS = {
    "init": Command("init.init", "--home /srv/jobs init"),
    "run": Command("run.run", "run\n--home /srv/jobs run"),
    "validate": Command(
        "init.validate", "validate\nvalidate new-config.json", ("file", {"metavar": "FILE", "nargs": "?"}), _JSON
    ),
    "list": Command(
        "tasks.list_tasks",
        "list\nlist --status running,retrying\nlist --tag nightly --json",
        ("--tag", {"metavar": "TAG"}),
        _STATUS,
        _TZ,
        _JSON,
    ),
    "status": Command("tasks.status", "status\nstatus --check", ("--check", {"action": "store_true"}), _TZ, _JSON),
    "next": Command(
        "next.next_times",
        'next\nnext nightly_backup -n 10\nnext --expr "*/15 8-18 * * mon-fri" --tz Europe/Berlin\n'
        'next --expr "30 2 * * *" --tz Europe/Berlin --after 2027-03-27T12:00 -n 3 --json',
        _OPTIONAL_TASK,
        ("-n", {"metavar": "N", "type": _positive}),
        ("--expr", {"metavar": "TEXT"}),
        _TZ,
        ("--after", {"metavar": "TIME"}),
        ("--lang", {"choices": ("en", "zh")}),
        _JSON,
    ),
    "trigger": Command(
        "client.trigger",
        "trigger nightly_backup\ntrigger nightly_backup --wait\ntrigger nightly_backup --env DAY=2026-11-23 --json",
        _TASK,
        ("--for", {"metavar": "TIME", "dest": "due"}),
        ("--wait", {"action": "store_true"}),
        _ENV,
        _JSON,
    ),
    "rerun": Command(
        "backfill.rerun",
        "rerun 120\nrerun 120 --wait",
        ("run_id", {"metavar": "RUN_ID", "type": _positive}),
        ("--wait", {"action": "store_true"}),
        _ENV,
        _JSON,
    ),
    "backfill": Command(
        "backfill.backfill",
        "backfill nightly_backup --from 2026-11-20 --to 2026-11-27\n"
        "backfill nightly_backup --from 2026-11-20 --yes --keep-going",
        _TASK,
        ("--from", {"metavar": "TIME", "required": True, "dest": "since"}),
        ("--to", {"metavar": "TIME"}),
        ("--all", {"action": "store_true"}),
        ("--yes", {"action": "store_true"}),
        ("--keep-going", {"action": "store_true"}),
        _JSON,
    ),
    "exec": Command(
        "exec.execute",
        "exec nightly_backup\nexec nightly_backup --notify",
        _TASK,
        ("--for", {"metavar": "TIME", "dest": "due"}),
        _ENV,
        ("--notify", {"action": "store_true"}),
    ),
    "stop": Command("client.stop", "stop 120\nstop nightly_backup", ("run_id", {"metavar": "RUN_ID|TASK"}), _JSON),
    "show": Command("show.show", "show nightly_backup\nshow nightly_backup --json", _TASK, _TZ, _JSON),
    "edit": Command("edit.edit", "edit\nedit nightly_backup", _OPTIONAL_TASK),
    "enable": Command("client.enable", "enable nightly_backup", _TASK, _JSON),
    "disable": Command("client.disable", "disable nightly_backup", _TASK, _JSON),
    "pause": Command("client.pause", "pause", _JSON),
    "resume": Command("client.resume", "resume", _JSON),
    "reload": Command("client.reload", "reload", _JSON),
    "history": Command(
        "history.history",
        "history\nhistory nightly_backup -n 50\nhistory --run 120\n"
        "history --status technical_failure,missed --since 2026-11-01",
        _OPTIONAL_TASK,
        ("-n", {"metavar": "N", "type": _positive, "default": 20}),
        ("--page", {"metavar": "P", "type": _positive, "default": 1}),
        _STATUS,
        ("--trigger", {"metavar": "T"}),
        ("--since", {"metavar": "TIME"}),
        ("--until", {"metavar": "TIME"}),
        _RUN,
        _TZ,
        _JSON,
    ),
    "logs": Command(
        "logs.logs",
        "logs nightly_backup\nlogs -f nightly_backup\nlogs --run 120",
        _OPTIONAL_TASK,
        ("-f --follow", {"action": "store_true"}),
        ("-n", {"metavar": "N", "type": _positive, "default": 40}),
        _RUN,
    ),
    "notifications": Command(
        "show.notifications",
        "notifications\nnotifications nightly_backup --status failed\nnotifications --resend 12",
        _OPTIONAL_TASK,
        ("-n", {"metavar": "N", "type": _positive, "default": 20}),
        ("--page", {"metavar": "P", "type": _positive, "default": 1}),
        ("--status", {"metavar": "STATE"}),
        ("--resend", {"metavar": "ID", "type": _positive}),
        _TZ,
        _JSON,
    ),
    "notify-test": Command(
        "init.notify_test",
        'notify-test nightly_backup\nnotify-test nightly_backup "tell ops"',
        _TASK,
        ("rule", {"metavar": "RULE", "nargs": "?"}),
        _JSON,
    ),
    "import-crontab": Command(
        "migrate.import_crontab",
        "import-crontab\nimport-crontab /etc/cron.d/backup --write\nimport-crontab - < old-crontab > new-config.json\n"
        "import-crontab --write --fix-percent",
        ("file", {"metavar": "FILE", "nargs": "?"}),
        ("--system", {"action": "store_true"}),
        ("--disabled", {"action": "store_true"}),
        ("--all", {"action": "store_true"}),
        ("--fix-percent", {"action": "store_true"}),
        ("--write", {"action": "store_true"}),
        ("--enable", {"action": "store_true"}),
        _JSON,
    ),
    "bundle": Command("bundle.bundle", "bundle\nbundle -o /media/stick/minisched.pyz", _OUTPUT),
    "completion": Command(
        "completion.completion",
        "completion bash > ~/.minisched.bash\ncompletion fish > ~/.config/fish/completions/minisched.fish",
        ("shell", {"metavar": "SHELL", "choices": ("bash", "zsh", "fish", "words")}),
        ("words", {"metavar": "WORD", "nargs": argparse.REMAINDER}),
    ),
    "help": Command(
        "help.show_help", "help\nhelp history\nhelp scheduling", ("topic", {"metavar": "TOPIC", "nargs": "?"})
    ),
    "export": Command(
        "migrate.export",
        "export --to systemd --out units\nexport --to kubernetes --image registry.example/jobs:1 > cronjobs.json\n"
        "export --to airflow --out dags\nexport --to crontab --cron cronie > crontab.txt",
        ("--to", {"choices": ("systemd", "kubernetes", "airflow", "crontab"), "required": True}),
        ("--out", {"metavar": "PATH"}),
        ("--image", {"metavar": "IMAGE"}),
        ("--attempts", {"choices": ("plain", "indexed"), "default": "plain"}),
        ("--prefer", {"choices": ("queue", "skip"), "default": "queue"}),
        ("--cron", {"choices": ("debian", "cronie"), "default": "debian"}),
        ("--report", {"metavar": "FILE"}),
        _JSON,
    ),
    "backup": Command("backup.backup", "backup /mnt/usb/jobs.tar\nbackup - > jobs.tar", ("file", {"metavar": "FILE"})),
    "restore": Command(
        "backup.restore",
        "--home /srv/jobs restore /mnt/usb/jobs.tar\nrestore - --force",
        ("file", {"metavar": "FILE"}),
        ("--force", {"action": "store_true"}),
    ),
    "url": Command("show.url", "url", _JSON),
    "doctor": Command("doctor.doctor", "doctor\ndoctor --json", _JSON),
    "schema": Command("init.schema", "schema > config.schema.json"),
    "version": Command("init.version", "version", _JSON),
}


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


def _text(code: str, value: str = "") -> str:
    """A text with at most one value. The catalogue's own rendering would cost `--help` a module."""
    return TEXTS[code][LANGUAGES.index(language())].replace("{value}", value)


def parse(argv: list[str]) -> argparse.Namespace:
    """The options; `command` is None if none is named. Exits with 2 for wrong usage, with 0 after `--help`."""
    word = next(iter(argv[2:] if argv[:1] == ["--home"] else argv), "--help")
    if word in ("--version", "-V"):
        argv, word = ["version"], "version"
    _refuse_task_of_run(argv[2:] if argv[:1] == ["--home"] else argv)
    # To build the options of all commands takes longer than the rest.
    return make_parser(() if word in ("-h", "--help") else (word,) if word in COMMANDS else COMMANDS).parse_args(argv)


def _refuse_task_of_run(words: list[str]) -> None:
    """`run TASK` and `start TASK`: `run` is the engine. Exits with 2."""
    names = {"run", *_OTHER_NAMES["run"].split()} - {name for name in COMMANDS if name != "run"}
    if len(words) > 1 and words[0] in names and not words[1].startswith("-"):
        make_parser(("run",)).error(_text("cli.run_takes_no_task", words[1]))


def make_parser(with_options: Collection[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser of all commands, with the options of some."""
    parser = _Parser(
        prog="minisched",
        description=_text("cli.help"),
        epilog=_text("cli.help_examples") + "\n\n" + _text("cli.help_exit_codes"),
        formatter_class=_Formatter,
        add_help=False,
    )
    options = parser.add_argument_group(_text("cli.help_options"))
    options.add_argument("-h", "--help", action="help", help=_text("cli.option.help"))
    options.add_argument("--home", metavar="DIR", help=_text("cli.option.home"))
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title=_text("cli.help_commands"), prog="minisched"
    )
    for name, command in COMMANDS.items():
        if not with_options:
            commands.add_parser(name, help=_text(f"cli.help.{name}"), add_help=False)
        elif name in with_options:
            _add(commands, name, command)
    return parser


def _add(commands: Any, name: str, command: Command) -> None:
    summary = _text(f"cli.help.{name}")
    examples = "".join(f"\n  minisched {line}" for line in command.examples.split("\n"))
    parser = commands.add_parser(
        name,
        help=summary,
        description="\n".join(wrap(_text("cli.help_sentence", f"{summary[0].upper()}{summary[1:]}"), 78)),
        epilog=_text("cli.help_example_title") + examples,
        formatter_class=_Formatter,
        add_help=False,
    )
    named = [flags for flags, _ in command.arguments if not flags.startswith("-")]
    arguments = parser.add_argument_group(_text("cli.help_arguments")) if named else parser
    options = parser.add_argument_group(_text("cli.help_options"))
    options.add_argument("-h", "--help", action="help", help=_text("cli.option.help"))
    for flags, details in command.arguments:
        group = options if flags.startswith("-") else arguments
        group.add_argument(*flags.split(), help=_text(option_text(name, flags)), **details)


def option_text(command: str, flags: str) -> str:
    """The code of the text for an argument, which several commands can share."""
    name = flags.split()[-1].lstrip("-")
    code = f"cli.option.{command}.{name}"
    return code if code in TEXTS else f"cli.option.{name}"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        # argparse would import shutil, and with it compression modules, for the width of the terminal.
        columns = min(terminal_width(sys.stdout), MAX_COLUMNS)
        super().__init__(prog, width=max((columns if sys.stdout.isatty() else 80) - 2, 20), max_help_position=28)

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: Optional[str] = None) -> None:
        super().add_usage(usage, actions, groups, _text("cli.help_usage"))

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(text, width)  # by the width of characters on the terminal


class _Parser(argparse.ArgumentParser):
    """With hints for common mistakes."""

    def error(self, message: str) -> NoReturn:
        from minisched.model.text import find_lookalike  # with the model, which `--help` does without

        unknown = message.startswith("unrecognized arguments:")
        words = message.partition(": ")[2].split() if unknown else []
        found, meant = find_lookalike(message)
        needs_task = message.endswith("required: TASK")
        message = _translated(message)
        if found:
            message += _text("cli.typed_instead", found).replace("{ascii}", "--" if found in "—–" else meant)
        elif words and re.fullmatch(r"[A-Za-z_]\w*=.*", words[0]):
            message += _text("cli.variable_position", words[0])
        elif needs_task:
            message += _text("cli.dash_id", self.prog.rpartition(" ")[2])
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {_text('cli.usage.error', message)}\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            from difflib import get_close_matches

            others = {other: name for name, all in _OTHER_NAMES.items() for other in all.split()}
            near = [others.get(str(value), ""), *get_close_matches(str(value), action.choices, n=1, cutoff=_NEAR)]
            close = [name for name in near if name in action.choices]
            hint = _text("cli.did_you_mean", close[0]) if close else _text("cli.see_help")
            raise argparse.ArgumentError(None, f"{_text('cli.no_command', str(value))}; {hint}")
        super()._check_value(action, value)


def _translated(message: str) -> str:
    """A message of argparse in our language; one that is not known stays as it is."""
    argument, rest = "", message
    if message.startswith("argument "):
        argument, _, rest = message.partition(": ")
    for english, code in _ARGPARSE.items():
        if rest.startswith(english):
            place = f"{argument[len('argument ') :]}: " if argument else ""
            found = _text(code, rest[len(english) :])
            return place + found.replace("choose from", _text("cli.usage.choose_from"))
    return message
