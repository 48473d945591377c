"""Commands and options, as `--help` and docs/cli.md show them.

A command's module is imported when the command runs, and only its own options are built; `--help` needs no parser. So
the commands that people type often take little more time than Python itself. Texts are in `minisched.catalogue.cli`.
"""

from __future__ import annotations

import sys

from minisched.catalogue import LANGUAGES
from minisched.catalogue.cli import TEXTS
from minisched.cli.terminal import language, terminal_width, wrap

TYPE_CHECKING = False  # as `typing` has it, whose import takes as long as that of argparse
if TYPE_CHECKING:
    from typing import Any, Optional

MAX_COLUMNS = 100  # longer lines are hard to read
NAME_COLUMNS = 20  # of a command or an option in `--help`, with the blanks around it


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text)):
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(short_text("cli.not_a_count", text))
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
    "why": Command(
        "why.why",
        'why nightly_backup\nwhy nightly_backup yesterday\nwhy nightly_backup "2026-11-28 02:30"',
        _TASK,
        ("at", {"metavar": "WHEN", "nargs": "?"}),
        _JSON,
    ),
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
        ("words", {"metavar": "WORD", "nargs": "..."}),
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


def plain_options(words: list[str]) -> Optional[dict[str, Any]]:
    """The options of a command that is given nothing but switches such as `--json`, as `parser.parse` would find them;
    None for any other: it takes argparse, 4 ms, to read it."""
    name, *switches = words
    command = COMMANDS.get(name)
    found: dict[str, Any] = {"command": name}
    for flags, details in command.arguments if command else ():
        is_switch = details.get("action") == "store_true"
        if details.get("required") or not (flags.startswith("-") or details.get("nargs") == "?"):
            return None
        long = flags.split()[-1]
        value = long in switches if is_switch else details.get("default")
        found[details.get("dest") or long.lstrip("-").replace("-", "_")] = value
        switches = [word for word in switches if not (is_switch and word == long)]
    return found if command and not switches else None


def short_text(code: str, value: str = "") -> str:
    """A text with at most one value. The catalogue's own rendering would cost `--help` a module."""
    return TEXTS[code][LANGUAGES.index(language())].replace("{value}", value)


def option_text(command: str, flags: str) -> str:
    """The code of the text for an argument, which several commands can share."""
    name = flags.split()[-1].lstrip("-")
    code = f"cli.option.{command}.{name}"
    return code if code in TEXTS else f"cli.option.{name}"


def help_columns() -> int:
    """The width of help: that of the terminal, if it is not very wide."""
    return max((min(terminal_width(sys.stdout), MAX_COLUMNS) if sys.stdout.isatty() else 80) - 2, 20)


def main_help() -> str:
    """What `minisched --help` prints."""
    options = (("-h, --help", short_text("cli.option.help")), ("--home DIR", short_text("cli.option.home")))
    commands = [(f"  {name}", short_text(f"cli.help.{name}")) for name in COMMANDS]
    return "\n".join(
        [
            short_text("cli.help_usage") + "minisched [-h] [--home DIR] COMMAND ...",
            f"\n{short_text('cli.help')}\n\n{short_text('cli.help_options')}:",
            *(line for name, summary in options for line in _entry(name, summary)),
            f"\n{short_text('cli.help_commands')}:",
            *(line for name, summary in commands for line in _entry(name, summary)),
            f"\n{short_text('cli.help_examples')}\n\n{short_text('cli.help_exit_codes')}",
        ]
    )


def _entry(name: str, summary: str) -> list[str]:
    first, *others = wrap(summary, help_columns() - NAME_COLUMNS)
    return [f"  {name}".ljust(NAME_COLUMNS) + first, *(" " * NAME_COLUMNS + line for line in others)]
