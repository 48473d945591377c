"""Commands and options, as `--help` and `docs/` show them."""

from __future__ import annotations

import argparse
import os
import re
from typing import Any, NoReturn

# command -> (module of minisched.cli, function)
COMMANDS = {
    "init": ("init", "init"),
    "run": ("run", "run"),
    "validate": ("init", "validate"),
    "list": ("tasks", "list_tasks"),
    "status": ("tasks", "status"),
    "next": ("next", "upcoming"),
    "trigger": ("client", "trigger"),
    "exec": ("exec", "execute"),
    "stop": ("client", "stop"),
    "enable": ("client", "enable"),
    "disable": ("client", "disable"),
    "reload": ("client", "reload"),
    "history": ("history", "history"),
    "logs": ("logs", "logs"),
    "notify-test": ("init", "notify_test"),
    "schema": ("init", "schema"),
    "version": ("init", "version"),
}

_EXAMPLES = """\
examples:
  minisched init                          make a home here: a config, two sample tasks
  minisched                               run the tasks of this home until Ctrl-C
  minisched list                          what each task is doing, and when it is due next
  minisched history nightly_backup        did it run, and if not, why not
  minisched logs -f nightly_backup        follow its output
  minisched next --expr "30 2 * * mon-fri" --tz Europe/Berlin -n 3

exit codes: 0 done; 1 no (invalid config, failed task, not found); 2 usage;
of run also 74 (the home cannot be written), 75 (another engine runs on it), 78 (invalid config)
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        # With a width of our own argparse does not import shutil and its compressors for it.
        asked = os.environ.get("COLUMNS", "")
        width = (int(asked) if asked.isdecimal() else 0) or _terminal_width()
        super().__init__(prog, width=max(min(width, 100) - 2, 20), max_help_position=28)


def _terminal_width() -> int:
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


class _Parser(argparse.ArgumentParser):
    """With the way out of two mistakes that newcomers make."""

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments:") and "--home" in message:
            message += " (--home DIR stands before the command)"
        super().error(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            from difflib import get_close_matches

            near = get_close_matches(str(value), action.choices, n=1)
            hint = f'did you mean "{near[0]}"?' if near else "`minisched --help` lists them"
            raise argparse.ArgumentError(None, f'no command "{value}"; {hint}')
        super()._check_value(action, value)


def _positive(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or not int(text):
        raise argparse.ArgumentTypeError(f'"{text}" is no whole number from 1 to 999999999')
    return int(text)


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="minisched",
        description="A task scheduler for small and closed machines: did it run, and if not, why not?",
        epilog=_EXAMPLES,
        formatter_class=_Formatter,
    )
    parser.add_argument(
        "--home", metavar="DIR", help="the folder that holds everything (default: $MINISCHED_HOME or .)"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands (none: run)")

    def command(name: str, text: str, example: str, **options: Any) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog="examples:\n" + "\n".join("  minisched " + line for line in example.split("\n")),
            formatter_class=_Formatter,
            **options,
        )

    def task(one: argparse.ArgumentParser, many: bool = False) -> None:
        one.add_argument("task", metavar="TASK", nargs="?" if many else None, help="a task_id")

    def as_json(one: argparse.ArgumentParser) -> None:
        one.add_argument("--json", action="store_true", help="print JSON instead of a table")

    command(
        "init",
        "make a home: a config with two sample tasks, and the templates; never overwrites",
        "--home /srv/jobs init",
    )
    command("run", "run the engine in the foreground until TERM or Ctrl-C", "run\n--home /srv/jobs run")
    one = command("validate", "tell all problems of a config, or a summary of it", "validate\nvalidate new-config.json")
    one.add_argument("file", metavar="FILE", nargs="?", help="default: tasks/config.json of the home")
    as_json(one)
    one = command(
        "list",
        "show all tasks with their states and next due times",
        "list\nlist --status running,retrying\nlist --tag nightly --json",
    )
    one.add_argument("--tag", metavar="TAG", help="only tasks with this tag")
    one.add_argument("--status", metavar="S", help="only tasks in these states, separated by commas")
    as_json(one)
    one = command("status", "show the engine, the problems, and what needs attention", "status")
    as_json(one)
    one = command(
        "next",
        "show due times to come, of the tasks or of a schedule text",
        'next\nnext nightly_backup -n 10\nnext --expr "*/15 8-18 * * mon-fri" --tz Europe/Berlin\n'
        'next --expr "30 2 * * *" --tz Europe/Berlin --after 2027-03-27T12:00 -n 3 --json',
    )
    task(one, many=True)
    one.add_argument(
        "-n", metavar="N", type=_positive, default=None, help="how many (default: 1, or 5 of one schedule)"
    )
    one.add_argument("--expr", metavar="TEXT", help="a schedule text instead of a task")
    one.add_argument("--tz", metavar="ZONE", help="IANA time zone for --expr (default: the home's)")
    one.add_argument("--after", metavar="TIME", help="due times later than this ISO 8601 time (default: now)")
    one.add_argument("--lang", choices=("en", "zh"), default=None, help="language of the words (default: by $LANG)")
    as_json(one)
    one = command(
        "trigger",
        "run a task now through the engine",
        "trigger nightly_backup\ntrigger nightly_backup --wait\ntrigger nightly_backup --env DAY=2026-11-23 --json",
    )
    task(one)
    one.add_argument("--wait", action="store_true", help="follow its output, and exit with its exit code")
    one.add_argument("--env", metavar="K=V", action="append", default=[], help="add to its environment; repeatable")
    as_json(one)
    one = command(
        "exec", "run a task once in the foreground, without the engine, recorded in the history", "exec nightly_backup"
    )
    task(one)
    one.add_argument("--env", metavar="K=V", action="append", default=[], help="add to its environment; repeatable")
    one = command("stop", "end a run that waits, is queued, runs or will be retried", "stop 120")
    one.add_argument("run_id", metavar="RUN_ID", type=_positive, help="the run, as `history` and `list --json` show it")
    as_json(one)
    one = command("enable", "let a task be due again, in the config", "enable nightly_backup")
    task(one)
    as_json(one)
    one = command("disable", "let a task be due no more, in the config", "disable nightly_backup")
    task(one)
    as_json(one)
    as_json(command("reload", "put the config file in force now, or tell its problems", "reload"))
    one = command(
        "history",
        "show past runs, newest first",
        "history\nhistory nightly_backup -n 50\nhistory --run 120\n"
        "history --status technical_failure,missed --since 2026-11-01",
    )
    task(one, many=True)
    one.add_argument("-n", metavar="N", type=_positive, default=20, help="how many (default: 20)")
    one.add_argument("--page", metavar="P", type=_positive, default=1, help="which page of them (default: 1)")
    one.add_argument("--status", metavar="S", help="only these statuses, separated by commas")
    one.add_argument("--trigger", metavar="T", help="only these triggers, separated by commas")
    one.add_argument("--since", metavar="TIME", help="created at or after this ISO 8601 time")
    one.add_argument("--until", metavar="TIME", help="created before this ISO 8601 time")
    one.add_argument("--run", metavar="ID", type=_positive, help="one run with its attempts")
    as_json(one)
    one = command("logs", "show a task's output", "logs nightly_backup\nlogs -f nightly_backup\nlogs --run 120")
    task(one, many=True)
    one.add_argument("-f", "--follow", action="store_true", help="go on as it grows; without TASK, all tasks")
    one.add_argument("-n", metavar="N", type=_positive, default=40, help="begin with the last N lines (default: 40)")
    one.add_argument("--run", metavar="ID", type=_positive, help="the output of one run; not with -f")
    one = command(
        "notify-test",
        "send a marked test message by a task's rules, and tell what each server says",
        'notify-test nightly_backup\nnotify-test nightly_backup "tell ops"',
    )
    task(one)
    one.add_argument("rule", metavar="RULE", nargs="?", help="the name of one rule (default: all that are enabled)")
    as_json(one)
    command("schema", "print the JSON Schema of tasks/config.json, for editors", "schema > config.schema.json")
    one = command("version", "print the versions of minisched, Python and SQLite", "version")
    as_json(one)
    return parser
