"""`import-crontab` and `export`: from cron, and to engines that are larger than one machine; each with a report."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

from minisched.catalogue import render
from minisched.cli.output import CommandError, print_json, shown, text
from minisched.cli.terminal import terminal_width, wrap
from minisched.cli.view import config_problems
from minisched.config import ConfigChanged, ConfigError, config_hash, parse_document, parse_json, save_config
from minisched.config.file import load_config, read_config
from minisched.config.json_edit import edit_json
from minisched.executor.program import from_home
from minisched.home import Home
from minisched.migration.crontab import TIMEOUT, Imported, Line, Options, read_crontab
from minisched.model import EXIT_NO, EXIT_OK, EXIT_USAGE, Text
from minisched.osutil import read_regular, replace_file
from minisched.timetable import local_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from typing import Any, Optional, TextIO

    from minisched.migration.export import Exported, Finding, TaskReport
    from minisched.model import Config

MAX_BYTES = 4 * 1024 * 1024  # of a crontab; a full one of cron has 256 KB
NIGHT_TIMES_MAX = 4  # of a night in the report
CUT = " ..."  # after a paragraph that is longer than it may be
SYSTEM_FILES = "/etc/"  # crontabs below it have a column of users


def import_crontab(options: Namespace) -> int:
    """Print the tasks of a crontab, or with `--write` add them to the config; 1 if a job was left out."""
    home = Home(options.home)
    data, name = _read(options.file)
    document, config = _document(home)
    settings = document.get("settings") or {}
    found = read_crontab(
        data,
        Options(
            system=options.system or os.path.realpath(name).startswith(SYSTEM_FILES),
            disabled=options.disabled,
            all_jobs=options.all,
            fix_percent=options.fix_percent,
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
        _write(home, document, config, new, options)
    return EXIT_NO if any(line.kind == "left_out" and not _is_of_system(line) for line in found.lines) else EXIT_OK


def _is_of_system(line: Line) -> bool:
    """Left out on purpose: a job of the operating system."""
    return any(note.code == "migration.left.distribution" for note in line.notes)


def _read(file: Optional[str]) -> tuple[bytes, str]:
    """The crontab and its name. Without a file, the one of this user."""
    if file == "-":
        return sys.stdin.buffer.read(MAX_BYTES), "-"
    if file is not None:
        return read_regular(file, MAX_BYTES), file
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


def _document(home: Home) -> tuple[dict[str, Any], bytes]:
    """The config as it is, and its bytes; an empty one if there is none. Raises CommandError."""
    if not os.path.lexists(home.config):
        return {"version": 1, "tasks": []}, b""
    try:
        data = read_config(home.config)
        document, problems = parse_json(data)
        if not problems:
            problems = parse_document(document, home=home.path)[1]
        if problems:
            raise ConfigError(problems)
    except ConfigError as error:
        raise CommandError(*config_problems(error, home)) from None
    return document, data


def _is_known(task: dict[str, Any], tasks: list[dict[str, Any]]) -> bool:
    """Whether a task was imported before: the same command at the same times."""
    fields = ("task_exec", "task_schedule", "task_user")
    return any(all(task.get(field) == one.get(field) for field in fields) for one in tasks)


def _write(home: Home, document: dict[str, Any], data: bytes, tasks: list[dict[str, Any]], options: Namespace) -> None:
    """Add the tasks to the config, all or none. Raises CommandError, OSError."""
    if not tasks:
        _print(text("migration.report.nothing_new", path=home.config))
        return
    added = [task if options.enable else {**task, "enabled": False} for task in tasks]
    after = {**document, "tasks": [*document["tasks"], *added]}
    try:
        problems = parse_document(after, home=home.path)[1]
        if problems:
            raise ConfigError(problems)
        os.makedirs(os.path.dirname(home.config), mode=0o755, exist_ok=True)
        empty = json.dumps(document, indent=2) + "\n"
        new = edit_json(data.decode() or empty, document, after).encode()
        save_config(home.config, new, expected_hash=config_hash(data) if data else None)
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
            _print(text("cli.pair", name=kind, value=note), indent=4)
        if line.task_id in known:
            _print(text("migration.report.known"), indent=4)
    print(file=sys.stderr)
    _print(text("migration.report.counts", tasks=len(found.tasks), **_counts(found)))
    if found.tasks:
        for code in ("twice", "differences", "exit_code"):
            _print(text(f"migration.report.{code}", timeout=TIMEOUT))


def _print(line: str, indent: int = 0, lines: int = 0, stream: Optional[TextIO] = None) -> None:
    """A paragraph on standard error or `stream`, as wide as the terminal, of at most `lines` lines."""
    stream = stream or sys.stderr
    width = min(terminal_width(stream), 100)
    wrapped = wrap(line, width - indent)
    if lines and len(wrapped) > lines:
        last = wrap(wrapped[lines - 1], width - indent - len(CUT))[0]
        wrapped = [*wrapped[: lines - 1], last + CUT]
    for part in wrapped:
        print(" " * indent + part, file=stream)


# --------------------------------------------------------------------------------------------------------------- export


def export(options: Namespace) -> int:
    """Write the tasks for another engine, and a report of what differs; 1 if a task was left out."""
    home = Home(options.home)
    try:
        config = load_config(home.config)
    except ConfigError as error:
        raise CommandError(*config_problems(error, home)) from None
    found = _exported(config, home.path, options)
    if options.out is None and not options.json:
        sys.stdout.write("".join(found.files.values()))
        sys.stdout.flush()
    elif options.out is not None:
        _write_out(found.files, options.out, options.to in _FOLDERS)
    if options.json:
        print_json({"files": found.files, "tasks": [_task_json(task) for task in found.tasks]})
    if options.report:
        with open(options.report, "w", encoding="utf-8") as file:
            _report_tasks(found, file)
    elif not options.json:
        _report_tasks(found, sys.stderr)
    return EXIT_NO if any(task.left_out for task in found.tasks) else EXIT_OK


_FOLDERS = ("systemd", "airflow")  # targets with several files


def _exported(config: Config, home: str, options: Namespace) -> Exported:
    if options.to in _FOLDERS and options.out is None and not options.json:
        raise CommandError(Text("export.no_out", target=options.to), exit_code=EXIT_USAGE)
    now = time.time()
    if options.to == "kubernetes":
        from minisched.migration.to_kubernetes import Image, export_kubernetes

        if not options.image:
            raise CommandError(Text("export.no_image"), exit_code=EXIT_USAGE)
        return export_kubernetes(config, Image(options.image, options.attempts, options.prefer), now)
    # On this machine, the program of a command may lie in the home.
    tasks = {
        name: task._replace(task_exec=from_home(task.task_exec, task.task_cwd, home))
        for name, task in config.tasks.items()
    }
    config = config._replace(tasks=tasks)
    if options.to == "systemd":
        from minisched.migration.to_systemd import export_systemd

        return export_systemd(config, home, now)
    if options.to == "airflow":
        from minisched.migration.to_airflow import export_airflow

        return export_airflow(config, home, now)
    from minisched.migration.to_crontab import export_crontab

    return export_crontab(config, home, now, None if options.cron == "cronie" else local_zone().name)


def _write_out(files: dict[str, str], out: str, is_folder: bool) -> None:
    """Write all files or none, to a new folder or as one file. Raises CommandError, OSError."""
    if not is_folder:
        (content,) = files.values()
        replace_file(out, content.encode(), 0o666)
        return
    if os.path.lexists(out) and not (os.path.isdir(out) and not os.listdir(out)):
        raise CommandError(Text("export.exists", path=out))
    parent = os.path.dirname(os.path.abspath(out))
    temporary = tempfile.mkdtemp(prefix=".minisched-export.", dir=parent)
    try:
        for name, content in files.items():
            with open(os.path.join(temporary, name), "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o755)
        os.rename(temporary, out)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it has become the folder
            shutil.rmtree(temporary)


def _task_json(task: TaskReport) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "left_out": render(task.left_out) if task.left_out else None,
        "fields": {
            one.field: {"kind": one.kind, "message": render(one.text) if one.text else ""} for one in task.findings
        },
        "nights": [{"day": night.day, "here": night.ours, "there": night.theirs} for night in task.nights],
    }


def _report_tasks(found: Exported, stream: TextIO) -> None:
    """What differs: first what all tasks have in common, then each task."""
    kept = [task for task in found.tasks if not task.left_out]
    common = [
        one for one in (kept[0].findings if kept else ()) if one.text and all(one in task.findings for task in kept)
    ]
    if len(kept) > 1 and common:
        _print(text("export.report.all"), stream=stream)
        _report_findings(common, stream)
    else:
        common = []
    for task in found.tasks:
        findings = [one for one in task.findings if one.text and one not in common]
        if not (findings or task.nights or task.left_out):
            continue
        _print(shown(task.task_id), stream=stream)
        if task.left_out:
            _print(text("cli.pair", name=Text("export.report.left"), value=task.left_out), 4, stream=stream)
        _report_findings(findings, stream)
        for night in task.nights:
            _print(
                text("export.report.night", day=night.day, ours=_times(night.ours), theirs=_times(night.theirs)),
                4,
                stream=stream,
            )
    print(file=stream)
    _print(text("export.report.counts", count=len(kept), left=len(found.tasks) - len(kept)), stream=stream)
    if kept:
        _print(shown(found.next_step), stream=stream)
        _print(text("export.next.stop"), stream=stream)


def _report_findings(findings: Sequence[Finding], stream: TextIO) -> None:
    for one in findings:
        assert one.text
        name, value = Text(f"export.report.{one.kind}"), f"{one.field}: {shown(one.text)}"
        _print(text("cli.pair", name=name, value=value), 4, stream=stream)


def _times(times: Sequence[str]) -> list[Text]:
    """The times of a night as they are listed: the first few, and how many more there are."""
    listed = [Text("text", text=one) for one in times[:NIGHT_TIMES_MAX]]
    if len(times) > NIGHT_TIMES_MAX:
        listed.append(Text("export.report.more", count=len(times) - NIGHT_TIMES_MAX))
    return listed or [Text("export.report.no_start")]
