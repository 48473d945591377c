"""`import-crontab`: the jobs of a crontab as tasks, with a report of each line."""

from __future__ import annotations

import getpass
import json
import os
import pwd
import shlex
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Optional

from minisched.catalogue import render
from minisched.cli.output import CommandError, display_width, print_json, shown, terminal_width, text
from minisched.cli.view import config_problems
from minisched.config import ConfigChanged, ConfigError, config_hash, parse_document, parse_json, save_config
from minisched.config.file import read_config
from minisched.home import Home
from minisched.migration.crontab import TIMEOUT, Imported, Line, Options, read_crontab
from minisched.model import EXIT_NO, EXIT_OK, Text
from minisched.osutil import read_regular

if TYPE_CHECKING:
    from argparse import Namespace

MAX_BYTES = 4 * 1024 * 1024  # of a crontab; a full one of cron has 256 KB
SYSTEM_FILES = "/etc/"  # crontabs below it have a column of users


def import_crontab(options: Namespace) -> int:
    """Print the tasks of a crontab, or with `--write` add them to the config; 1 if a job was left out."""
    home = Home(options.home)
    data, name = _read(options.file)
    document, digest = _document(home)
    settings = document.get("settings") or {}
    found = read_crontab(
        data,
        Options(
            system=options.system or os.path.realpath(name).startswith(SYSTEM_FILES),
            disabled=options.disabled,
            all_jobs=options.all,
            mend_percent=options.mend_percent,
            user=getpass.getuser(),
            has_mail=bool((settings.get("smtp") or {}).get("from")),
        ),
        _home_of,
        [task["task_id"] for task in document["tasks"]],
    )
    if not found.lines:
        raise CommandError(Text("migration.no_jobs", path=name))
    new = [task for task in found.tasks if not _is_known(task, document["tasks"])]
    if options.json:
        print_json({"tasks": found.tasks, "lines": [_line_json(line) for line in found.lines], **_counts(found)})
    elif not options.write:
        print(json.dumps({"version": 1, "tasks": found.tasks}, indent=2, ensure_ascii=False))
    if not options.json:
        sys.stdout.flush()
        _report(found, {task["task_id"] for task in found.tasks} - {task["task_id"] for task in new})
    if options.write:
        _write(home, document, digest, new, options)
    return EXIT_NO if any(line.kind == "left_out" and not _is_of_system(line) for line in found.lines) else EXIT_OK


def _is_of_system(line: Line) -> bool:
    """Left out on purpose: a job of the operating system."""
    return any(note.code == "migration.left.distribution" for note in line.notes)


def _read(file: Optional[str]) -> tuple[bytes, str]:
    """The crontab and its name. Without a file, the one of this user."""
    if file == "-":
        return sys.stdin.buffer.read(MAX_BYTES), "-"
    if file is not None:
        return read_regular(file, MAX_BYTES, follow_symlinks=True), file
    try:
        done = subprocess.run(["crontab", "-l"], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        raise CommandError(Text("migration.no_program")) from None
    if done.returncode:
        raise CommandError(Text("migration.no_crontab", error=done.stderr.decode(errors="replace").strip()))
    return done.stdout[:MAX_BYTES], "crontab -l"


def _home_of(user: str) -> Optional[str]:
    try:
        return pwd.getpwnam(user).pw_dir
    except (KeyError, ValueError):
        return None


def _document(home: Home) -> tuple[dict[str, Any], Optional[str]]:
    """The config as it is, and the hash of its bytes; an empty one if there is none. Raises CommandError."""
    if not os.path.lexists(home.config):
        return {"version": 1, "tasks": []}, None
    try:
        data = read_config(home.config)
        document, problems = parse_json(data)
        if not problems:
            problems = parse_document(document, home=home.path)[1]
        if problems:
            raise ConfigError(problems)
    except ConfigError as error:
        raise CommandError(*config_problems(error, home)) from None
    document.setdefault("tasks", [])
    return document, config_hash(data)


def _is_known(task: dict[str, Any], tasks: list[dict[str, Any]]) -> bool:
    """Whether a task was imported before: the same command at the same times."""
    fields = ("task_exec", "task_schedule", "task_user")
    return any(all(task.get(field) == one.get(field) for field in fields) for one in tasks)


def _write(
    home: Home, document: dict[str, Any], digest: Optional[str], tasks: list[dict[str, Any]], options: Namespace
) -> None:
    """Add the tasks to the config, all or none. Raises CommandError, OSError."""
    if not tasks:
        _print(text("migration.report.nothing_new", path=home.config))
        return
    added = [task if options.enable else {**task, "enabled": False} for task in tasks]
    document = {**document, "tasks": [*document["tasks"], *added]}
    try:
        problems = parse_document(document, home=home.path)[1]
        if problems:
            raise ConfigError(problems)
        os.makedirs(os.path.dirname(home.config), mode=0o755, exist_ok=True)
        save_config(home.config, document, expected_hash=digest)
    except ConfigError as error:
        raise CommandError(*config_problems(error, home, hint=False)) from None
    except ConfigChanged:
        raise CommandError(Text("api.config_changed")) from None
    code = "migration.report.added_enabled" if options.enable else "migration.report.added"
    where = "" if os.path.abspath(os.curdir) == home.path else f"--home {shlex.quote(home.path)} "
    _print(text(code, count=len(added), path=home.config, home=where))


def _line_json(line: Line) -> dict[str, Any]:
    notes = [{**note.as_json(), "message": render(note)} for note in line.notes]
    return {"line": line.number, "text": line.text, "kind": line.kind, "task_id": line.task_id, "notes": notes}


def _counts(found: Imported) -> dict[str, int]:
    kinds = [line.kind for line in found.lines]
    better = sum(
        line.task_id is not None and any(".better." in note.code for note in line.notes) for line in found.lines
    )
    return {
        "jobs": len(kinds) - kinds.count("disabled"),
        "better": better,
        "warned": kinds.count("warned"),
        "left": kinds.count("left_out"),
        "disabled": kinds.count("disabled"),
    }


def _report(found: Imported, known: set[str]) -> None:
    """Each line of the crontab, what became of it, and what to know afterwards; on standard error."""
    for note in found.notes:
        _print(shown(note))
    for line in found.lines:
        code = "migration.report.no_task" if line.task_id is None else "migration.report.task"
        _print(text(code, line=line.number, task=line.task_id))
        _print(shown(line.text), indent=4, lines=2)
        for note in line.notes:
            kind = text(f"migration.report.{note.code.split('.')[1]}")
            _print(f"{kind}: {shown(note)}", indent=4)
        if line.task_id in known:
            _print(text("migration.report.known"), indent=4)
    print(file=sys.stderr)
    _print(text("migration.report.counts", tasks=len(found.tasks), **_counts(found)))
    if found.tasks:
        for code in ("twice", "differences", "exit_code"):
            _print(text(f"migration.report.{code}", timeout=TIMEOUT))


def _print(line: str, indent: int = 0, lines: int = 0) -> None:
    """A paragraph on standard error, as wide as the terminal, of at most `lines` lines."""
    width = min(terminal_width(sys.stderr), 100)
    if display_width(line) != len(line):  # East Asian characters: no blanks to break at
        print(" " * indent + line, file=sys.stderr)
        return
    wrapped = textwrap.wrap(line, width - indent, break_on_hyphens=False, max_lines=lines or None, placeholder=" ...")
    for part in wrapped or [""]:
        print(" " * indent + part, file=sys.stderr)
