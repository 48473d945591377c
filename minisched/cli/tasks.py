"""`list` and `status`: what each task is doing, with or without a running engine."""

from __future__ import annotations

import sys
import time

from minisched.catalogue import ENGLISH
from minisched.cli.output import CommandError, print_error, print_facts, print_json, shown, text, typed, zone_text
from minisched.cli.tables import print_table, table_time, table_width, why
from minisched.cli.terminal import terminal_width
from minisched.cli.view import View, next_start, with_view
from minisched.model import EXIT_NO, EXIT_OK, EXIT_USAGE, UNFINISHED, Dependency, Reason, Status, Text, Word, iso
from minisched.timetable import start_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection, Mapping, Sequence
    from datetime import tzinfo
    from typing import Any, Optional, TypeVar, Union

    from minisched.model import Expectation, Task, TaskExecution, TaskRecord

    W = TypeVar("W", bound=Word)

_COLUMNS = ("status", "next", "why")  # after those of the id and the name
_SHRINK = {"next": 19, "name": 12, "why": 16, "task": 12}  # a time is not cut, a list of dependencies is
_ROOM = {"next": 19, "name": 12, "why": 24}  # what these columns have beside a column that can be left out
_FAILED = (Status.BUSINESS_FAILURE.value, Status.TECHNICAL_FAILURE.value, Status.MISSED.value)
CHECK_NAMES = 5  # tasks that the line for a monitor names
EXIT_NO_ENGINE = 3  # as of `systemctl is-active`
_NO_ATTENTION = (Status.IDLE.value, Status.SUCCESS.value)


@with_view
def list_tasks(view: View, options: Namespace) -> int:
    zone = view.table_zone(options.tz)
    statuses = [status.value for status in parse_words(options.status, Status)]
    found = tasks_json(view)
    if not found:
        view.valid_config()
    for problem in (*view.problems, *(note for note in (view.zone_note, view.pause_note) if note)):
        print_error(problem)
    tasks = [
        task
        for task in found
        if (options.tag is None or options.tag in task["task_tags"])
        and (not statuses or task["current_status"] in statuses)
    ]
    if options.json:
        print_json(tasks)
    elif tasks:
        _print_tasks(tasks, zone)
    else:
        print(text("cli.no_matching_tasks" if options.tag is not None or statuses else "cli.no_tasks"))
    return EXIT_OK if view.config else EXIT_NO


@with_view
def status(view: View, options: Namespace) -> int:
    """The engine, the problems, and the tasks that need attention."""
    tz = view.table_zone(options.tz)
    tasks = tasks_json(view)
    counts: dict[str, int] = {}
    for task in tasks:
        counts[task["current_status"]] = counts.get(task["current_status"], 0) + 1
    problems: list[Union[Text, str]] = [*view.problems]
    problems += filter(None, (view.zone_found.problem, view.zone_note))
    problems += [Text("cli.damaged_history", path=path) for path in view.damaged_files()]
    for key, problem in _engine_problems(view):
        # What is wrong with the config file is seen here, as it is now.
        if (key != "config" or not view.problems) and problem not in problems:
            problems.append(problem)
    if options.check:
        return _check(view, tasks, problems, options)
    if options.json:
        zone = {"timezone": view.zone_found.name, "timezone_source": view.zone_found.source}
        engine = {"running": view.engine is not None, "pid": view.engine.pid if view.engine else None}
        found = {"counts": counts, "problems": [shown(problem, ENGLISH) for problem in problems], "tasks": tasks}
        paused = bool(view.config and view.config.settings.paused)
        print_json({"engine": engine, "paused": paused, "home": view.home.path, **zone, **found})
        return EXIT_OK
    facts = [
        ("engine", text("cli.engine_running", pid=view.engine.pid) if view.engine else text("cli.engine_not_running")),
        ("home", view.home.path),
        ("zone", shown(zone_text(view.zone_found.name, view.zone_found.source))),
    ]
    if view.pause_note:
        facts.append(("paused", shown(view.pause_note)))
    if view.config:
        states = text("cli.comma").join(f"{count} {word}" for word, count in sorted(counts.items()))
        disabled = sum(not task["enabled"] for task in tasks)
        summary = text("cli.task_counts", count=len(tasks), states=states) if tasks else text("cli.no_task_counts")
        facts.append(("tasks", summary + (text("cli.disabled_count", count=disabled) if disabled else "")))
    print_facts([*facts, *(("problem", shown(problem)) for problem in problems)])
    in_trouble = [task for task in tasks if not _is_calm(task) or task["slow"] or task["late"]]
    if in_trouble:
        print()
        _print_tasks(in_trouble, tz)
    return EXIT_OK


def _engine_problems(view: View) -> list[tuple[str, Union[Text, str]]]:
    if view.engine is None:
        return []
    from minisched.cli.client import engine_problems  # with the API's routes, 4 ms, which are needed only here

    return engine_problems(view)


def _check(
    view: View, tasks: Sequence[dict[str, Any]], problems: Sequence[Union[Text, str]], options: Namespace
) -> int:
    """One line for a monitor; 0 if all is well, 1 if an enabled task has failed or is late or a problem stands, 3 if no
    engine runs."""
    failed = [task["task_id"] for task in tasks if task["enabled"] and task["current_status"] in _FAILED]
    late = [task["task_id"] for task in tasks if task["enabled"] and task["late"]]
    found = [
        *([Text("cli.check.failed", count=len(failed), tasks=failed[:CHECK_NAMES])] if failed else []),
        *([Text("cli.check.late", count=len(late), tasks=late[:CHECK_NAMES])] if late else []),
        *([Text("cli.check.problem", count=len(problems), problem=problems[0])] if problems else []),
    ]
    exit_code = EXIT_NO if found else EXIT_OK
    line = Text("cli.check.trouble", found=found)
    if not found and view.engine:
        line = Text("cli.check.well", count=len(tasks), pid=view.engine.pid)
    if view.engine is None:
        exit_code, line = EXIT_NO_ENGINE, Text("cli.check.no_engine", home=view.home.path)
    if options.json:
        seen = [shown(problem, ENGLISH) for problem in problems]
        print_json({"engine": view.engine is not None, "failed": failed, "late": late, "problems": seen})
    else:
        print(shown(line).replace("\n", " "))
    return exit_code


def _is_calm(task: dict[str, Any]) -> bool:
    """Nothing about its state needs attention: it succeeded, never ran, or its condition skipped it."""
    if task["current_status"] == Status.SKIPPED and task["reason"] == Reason.CONDITION:
        return not task["consecutive_failures"]
    return task["current_status"] in _NO_ATTENTION


def tasks_json(view: View) -> list[dict[str, Any]]:
    """Every task of the config with its state, as JSON objects. If the config is invalid, every task that is in the
    history, with what the history knows."""
    records = view.history.records()
    unfinished: dict[str, list[TaskExecution]] = {}
    for run in view.history.unfinished():
        unfinished.setdefault(run.task_id, []).append(view.as_seen(run))
    tasks: Mapping[str, Optional[Task]] = view.config.tasks if view.config else dict.fromkeys(sorted(records))
    ids = [records[task_id].last_run_id for task_id in tasks if task_id in records]
    ended = {run.run_id: run for run in view.history.runs([run_id for run_id in ids if run_id is not None])}
    now = time.time()
    ahead = view.history.ahead(now)
    expected: dict[str, list[Expectation]] = {}
    for one in view.history.expectations():
        expected.setdefault(one.task_id, []).append(one)
    found = []
    for task_id, task in tasks.items():
        record = records.get(task_id)
        last = ended.get(record.last_run_id) if record and record.last_run_id else None
        runs = [_with_lock_holders(view, run, unfinished) for run in unfinished.get(task_id, [])]
        shown_task = {"task_id": task_id, **_config_json(view, task, task_id, now, ahead)}
        shown_task.update(_state_json(view, runs, last))
        shown_task.update(_expectations_json(view, task_id, shown_task["running"], expected.get(task_id, ()), record))
        shown_task["consecutive_failures"] = record.consecutive_failures if record else 0
        found.append(shown_task)
    return found


def _with_lock_holders(view: View, run: TaskExecution, unfinished: Mapping[str, list[TaskExecution]]) -> TaskExecution:
    """A run that is queued for locks, with those who hold them now: its row names those of the moment when it was
    queued."""
    if run.status is not Status.QUEUED or run.reason != Reason.LOCK or not view.config or run.detail is None:
        return run
    tasks, found = view.config.tasks, []
    for lock in run.detail.values.get("locks", ()):
        name = lock.values.get("lock") if isinstance(lock, Text) else None
        holders = [
            Text("run_of_task", task=task_id, run_id=other.run_id)
            for task_id, runs in unfinished.items()
            for other in runs
            if other.status is Status.RUNNING and task_id in tasks and name in tasks[task_id].task_locks
        ]
        found.append(Text("lock_held", lock=name, runs=holders) if holders else lock)
    return run._replace(detail=Text("lock", locks=found))


def _config_json(
    view: View, task: Optional[Task], task_id: str, now: float, ahead: Collection[tuple[str, int]]
) -> dict[str, Any]:
    """What the config says of a task; None if the config cannot be read. ahead: see `History.ahead`."""
    due = None if view.config is None or view.config.settings.paused else task
    return {
        "task_name": task.task_name if task else task_id,
        "task_tags": list(task.task_tags) if task else [],
        "task_schedule": list(task.task_schedule) if task else [],
        "task_dependencies": [one.as_json() for one in task.task_dependencies] if task else [],
        "enabled": task.enabled if task else None,
        "next_run_time": iso(next_start(due, now, ahead), view.zone_of(task_id)) if due else None,
    }


def _state_json(view: View, runs: list[TaskExecution], ended: Optional[TaskExecution]) -> dict[str, Any]:
    """runs: those without an end in the history, as seen by `View.as_seen`; ended: the latest one that has an end."""
    unfinished = [run for run in runs if run.status in UNFINISHED]
    interrupted = [run for run in runs if run.status.ended]  # the next engine ends them, after all others
    last = interrupted[-1] if interrupted else ended
    shown = min(unfinished, key=lambda run: UNFINISHED.index(run.status), default=last)
    return {
        "current_status": shown.status.value if shown else Status.IDLE.value,
        "reason": shown.reason if shown else None,
        "detail": shown.detail.as_json() if shown and shown.detail else None,
        "last_run": view.as_json(last) if last else None,
        "running": [view.as_json(run) for run in unfinished],
    }


def _expectations_json(
    view: View,
    task_id: str,
    running: list[dict[str, Any]],
    expected: Collection[Expectation],
    record: Optional[TaskRecord],
) -> dict[str, Any]:
    """`slow` and `late` as in `GET /tasks`."""
    ids = {run["run_id"] for run in running}
    slow = [int(one.key) for one in expected if one.kind == "slow" and int(one.key) in ids]
    success_time = (record.last_success_time if record else None) or 0.0  # of an `exec` while no engine runs
    late = [one for one in expected if one.kind == "late" and one.time >= success_time]
    since = iso(late[0].time, view.zone_of(task_id)) if late else None
    return {"slow": sorted(slow), "late": {"day": late[0].key, "since": since} if late else None}


def parse_words(value: Optional[str], kind: type[W]) -> list[W]:
    """The words of a list separated by commas, none for None. Raises CommandError for one that is not of this kind."""
    allowed = [word.value for word in kind]
    words = [] if value is None else [word.strip() for word in value.split(",")]
    for word in words:
        if word not in allowed:
            from difflib import get_close_matches

            near = get_close_matches(word, allowed, n=1)
            error = Text("cli.unknown_word", word=word, allowed=allowed)
            if near:
                error = Text("cli.near_word", word=word, near=near[0])
            raise CommandError(typed(error, word), exit_code=EXIT_USAGE)
    return [kind(word) for word in words]


def _print_tasks(tasks: Sequence[dict[str, Any]], zone: tzinfo) -> None:
    """The table. Where it has no room for all, the last run is left out first, then the names: commands take ids."""
    rows = [_cells(task, zone) for task in tasks]
    rows = [{**row, "name": "" if row["name"] == row["task"] else row["name"]} for row in rows]
    room = terminal_width(sys.stdout)
    columns = ["task", "name", *_COLUMNS] if any(row["name"] for row in rows) else ["task", *_COLUMNS]
    if table_width(columns, rows, _ROOM) > room:
        columns = ["task", *_COLUMNS]
    if table_width([*columns, "last_run"], rows) <= room:
        columns.append("last_run")
    print_table(columns, [[row[name] for name in columns] for row in rows], shrink=_SHRINK)


def _cells(task: dict[str, Any], zone: tzinfo) -> dict[str, Any]:
    last = task["last_run"]
    next_run = table_time(task["next_run_time"], zone)
    if not next_run and not task["task_schedule"]:
        next_run = shown(start_text(list(map(Dependency.from_json, task["task_dependencies"]))))
    if not task["enabled"]:
        next_run = text("cli.unknown" if task["enabled"] is None else "cli.disabled")
    return {
        "task": task["task_id"],
        "name": task["task_name"],
        "status": task["current_status"],
        "next": next_run,
        "why": text("cli.semicolon").join(filter(None, (*_not_as_expected(task), _why(task, zone)))),
        "last_run": table_time((last["start_time"] or last["end_time"]) if last else None, zone),
    }


def _not_as_expected(task: dict[str, Any]) -> list[str]:
    """What of `task_expect` is not kept now."""
    found = [text("cli.is_slow")] if task["slow"] else []
    if task["late"]:
        found.append(text("cli.is_late", day=task["late"]["day"], time=task["late"]["since"][11:16]))
    return found


def _why(task: dict[str, Any], zone: tzinfo) -> str:
    """What explains the state: the tasks that it waits for, the failed attempt, how often it failed in a row."""
    status = task["current_status"]
    [run] = [run for run in task["running"] if run["status"] == status][:1] or [None]
    if run is None:
        explanation = why(task["last_run"] or task)
        count = task["consecutive_failures"]
        return text("cli.in_a_row", why=explanation, count=count) if count > 1 else explanation
    if status == Status.RETRYING:
        values = {"attempt": run["attempt"], "max_attempts": run["max_attempts"]}
        return text("cli.attempt_failed", reason=why(run), **values)
    if status == Status.RUNNING:
        since = table_time(run["attempts"][-1]["start_time"], zone)
        return text("cli.running_since", run_id=run["run_id"], time=since)
    return why(run)
