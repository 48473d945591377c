"""`list` and `status`: what each task is doing, with the engine or without it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Optional, TypeVar

from minisched.cli.init import by_what
from minisched.cli.output import Refusal, fail, harmless, print_json, print_table, why_of
from minisched.cli.view import View, next_start
from minisched.model import EXIT_NO, EXIT_OK, EXIT_USAGE, UNFINISHED, Status, Word, iso

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from minisched.model import Task, TaskExecution

W = TypeVar("W", bound=Word)

_HEADERS = ("TASK", "STATUS", "NEXT", "WHY", "LAST RUN", "NAME")
_CUT = {"TASK": 10, "NEXT": 19, "WHY": 10, "NAME": 10}  # a time is not cut, a list of dependencies is
_CALM = (Status.IDLE.value, Status.SUCCESS.value)


def tasks_seen(view: View) -> list[dict[str, Any]]:
    """Every task of the config with its state, as JSON objects. Where the config is broken, every task that the history
    knows, with what it knows."""
    records = view.history.records()
    unfinished: dict[str, list[TaskExecution]] = {}
    for run in view.history.unfinished():
        unfinished.setdefault(run.task_id, []).append(view.as_seen(run))
    tasks: Mapping[str, Optional[Task]] = view.config.tasks if view.config else dict.fromkeys(sorted(records))
    ids = [records[task_id].last_run_id for task_id in tasks if task_id in records]
    ended = {run.run_id: run for run in view.history.runs([run_id for run_id in ids if run_id is not None])}
    now = time.time()
    seen = []
    for task_id, task in tasks.items():
        record = records.get(task_id)
        last = ended.get(record.last_run_id) if record and record.last_run_id else None
        one = {"task_id": task_id, **_about(view, task, task_id, now)}
        one.update(_state(view, unfinished.get(task_id, []), last))
        one["consecutive_failures"] = record.consecutive_failures if record else 0
        seen.append(one)
    return seen


def _about(view: View, task: Optional[Task], task_id: str, now: float) -> dict[str, Any]:
    """What the config says of a task; None: it cannot be read."""
    return {
        "task_name": task.task_name if task else task_id,
        "task_tags": list(task.task_tags) if task else [],
        "task_schedule": list(task.task_schedule) if task else [],
        "task_dependencies": list(task.task_dependencies) if task else [],
        "enabled": task.enabled if task else None,
        "next_run_time": iso(next_start(task, now), view.zone_of(task_id)) if task else None,
    }


def _state(view: View, runs: list[TaskExecution], ended: Optional[TaskExecution]) -> dict[str, Any]:
    """runs: those without an end in the history, as they are seen; ended: the last one that has one."""
    live = [run for run in runs if run.status in UNFINISHED]
    gone = [run for run in runs if run.status.ended]  # their engine died; the next one will end them, last of all
    last = gone[-1] if gone else ended
    shown = min(live, key=lambda run: UNFINISHED.index(run.status), default=last)
    return {
        "current_status": shown.status.value if shown else Status.IDLE.value,
        "reason": shown.reason if shown else None,
        "detail": shown.detail if shown else "",
        "last_run": view.as_json(last) if last else None,
        "running": [view.as_json(run) for run in live],
    }


def list_tasks(options: Namespace) -> int:
    statuses = [status.value for status in words_of(options.status, Status)]
    view = View(options.home)
    seen = tasks_seen(view)
    if not seen:
        view.good_config()
    for problem in view.problems:
        fail(problem)
    tasks = [
        task
        for task in seen
        if (options.tag is None or options.tag in task["task_tags"])
        and (not statuses or task["current_status"] in statuses)
    ]
    if options.json:
        print_json(tasks)
    elif tasks:
        print_table(_HEADERS, [_task_row(task) for task in tasks], cut=_CUT)
    else:
        print("no such tasks" if options.tag is not None or statuses else "no tasks")
    return EXIT_OK if view.config else EXIT_NO


def words_of(text: Optional[str], kind: type[W]) -> list[W]:
    """LocalizedText separated by commas, none for None. Raises Refusal for one that is none of its kind."""
    allowed = [word.value for word in kind]
    words = [] if text is None else [word.strip() for word in text.split(",")]
    for word in words:
        if word not in allowed:
            raise Refusal(f'"{word}" is none of {", ".join(allowed)}', code=EXIT_USAGE)
    return [kind(word) for word in words]


def _task_row(task: dict[str, Any]) -> tuple[Any, ...]:
    last = task["last_run"]
    next_run = short(task["next_run_time"])
    if not next_run and not task["task_schedule"]:
        next_run = by_what(tuple(task["task_dependencies"]))
    return (
        task["task_id"],
        task["current_status"],
        "unknown" if task["enabled"] is None else next_run if task["enabled"] else "disabled",
        _why(task),
        short((last["start_time"] or last["end_time"]) if last else None),
        task["task_name"] if task["task_name"] != task["task_id"] else "",
    )


def _why(task: dict[str, Any]) -> str:
    """What belongs to the state: for whom it waits, which attempt comes, how often it failed in a row."""
    reason, status = task["reason"] or "", task["current_status"]
    live = [run for run in task["running"] if run["status"] == status]
    if live and status == Status.WAITING and reason:
        return f"for {reason}"
    if live and status == Status.RETRYING:
        run = live[0]
        return f"{reason}, attempt {run['attempt']} of {run['max_attempts']} failed"
    if live and status == Status.RUNNING:
        return f"since {short(live[0]['attempts'][-1]['start_time'])}"
    why = why_of(reason, task["detail"])
    if not live and task["consecutive_failures"] > 1:
        return f"{why}, {task['consecutive_failures']} in a row"
    return why


def short(moment: Optional[str]) -> str:
    """`2026-11-23T02:30:00.123+08:00` as `2026-11-23 02:30:00`: a table shows local times of one zone a task."""
    return (moment or "")[:19].replace("T", " ")


def status(options: Namespace) -> int:
    """The engine, the problems, and what failed, was missed, or is under way."""
    view = View(options.home)
    tasks = tasks_seen(view)
    counts: dict[str, int] = {}
    for task in tasks:
        counts[task["current_status"]] = counts.get(task["current_status"], 0) + 1
    problems = view.problems + [f"{path}: a damaged history was moved aside" for path in view.damaged_files()]
    if options.json:
        engine = {"running": view.engine is not None, "pid": view.engine.pid if view.engine else None}
        print_json({"engine": engine, "home": view.home.path, "counts": counts, "problems": problems, "tasks": tasks})
        return EXIT_OK
    print(f"engine   {f'running, pid {view.engine.pid}' if view.engine else 'not running'}")
    print(f"home     {harmless(view.home.path)}")
    if view.config:
        disabled = sum(not task["enabled"] for task in tasks)
        states = [f"{count} {word}" for word, count in sorted(counts.items())]
        print(f"tasks    {len(tasks)}: {', '.join(states) or 'none'}{f'; {disabled} disabled' if disabled else ''}")
    for problem in problems:
        print(f"problem  {harmless(problem)}")
    rows = [_task_row(task) for task in tasks if task["current_status"] not in _CALM]
    if rows:
        print()
        print_table(_HEADERS, rows, cut=_CUT)
    return EXIT_OK
