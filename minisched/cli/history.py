"""`history`: what ran, what did not, and why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Optional

from minisched.cli.output import Refusal, harmless, print_json, print_table, why_of
from minisched.cli.tasks import short, words_of
from minisched.cli.view import View, unknown_task
from minisched.model import EXIT_OK, EXIT_USAGE, Status, Trigger
from minisched.timetable import parse_time

if TYPE_CHECKING:
    from argparse import Namespace

_HEADERS = ("RUN", "TASK", "STATUS", "STARTED", "WHY", "TOOK", "DUE", "TRIGGER", "ATTEMPT", "EXIT")
_ATTEMPT_HEADERS = ("ATTEMPT", "STATUS", "STARTED", "TOOK", "EXIT", "WHY", "PID", "LEFT BEHIND")


def history(options: Namespace) -> int:
    if options.run is not None:
        return _one_run(options)
    statuses, triggers = words_of(options.status, Status), words_of(options.trigger, Trigger)
    view = View(options.home)
    if not os.path.exists(view.home.database):
        view.good_config()  # a broken one hides no history, but here is no home at all
    since, until = _time(options.since, view), _time(options.until, view)
    if options.task is not None:
        known = {**(view.config.tasks if view.config else {}), **view.history.records()}
        if options.task not in known:
            raise unknown_task(options.task, known)
    runs, total = view.history.page(
        task_id=options.task,
        statuses=statuses,
        triggers=triggers,
        since=since,
        until=until,
        page=options.page,
        page_size=options.n,
    )
    items = [view.as_json(run) for run in runs]
    if options.json:
        print_json({"items": items, "page": options.page, "page_size": options.n, "total": total})
        return EXIT_OK
    if items:
        print_table(_HEADERS, [_run_row(item) for item in items], cut={"TASK": 10, "WHY": 10})
    if total > len(items):
        pages = -(-total // options.n)
        print(f"{len(items)} of {total} runs, page {options.page} of {pages}")
    elif not total:
        filtered = statuses or triggers or since is not None or until is not None
        print("no such runs" if filtered else "no runs yet")
    return EXIT_OK


def _time(text: Optional[str], view: View) -> Optional[float]:
    try:
        return None if text is None else parse_time(text, view.zone)
    except ValueError as error:
        raise Refusal(str(error), code=EXIT_USAGE) from None


def _run_row(run: dict[str, Any]) -> tuple[Any, ...]:
    why = why_of(run["reason"], run["detail"])
    if run["status"] == Status.WAITING and run["reason"]:
        why = f"for {run['reason']}"
    return (
        run["run_id"],
        run["task_id"],
        run["status"],
        short(run["start_time"]),
        why,
        _took(run),
        short(run["scheduled_time"]),
        run["trigger"],
        f"{run['attempt']}/{run['max_attempts']}" if run["attempt"] else "",
        _exit(run["attempts"][-1]) if run["attempts"] else "",
    )


def _took(one: dict[str, Any]) -> str:
    return "" if one["duration"] is None else f"{one['duration']:.1f} s"


def _exit(attempt: dict[str, Any]) -> Any:
    return attempt["exit_code"] if attempt["signal"] is None else f"sig {attempt['signal']}"


def _why(one: dict[str, Any]) -> str:
    """All that is known, of a run or of an attempt."""
    text = ": ".join(part for part in (one["reason"], one["detail"]) if part)
    losses = {"log_lost": "output lost", "output_cut": "output cut"}  # a failed write; a pipe held after the end
    return "; ".join(part for part in (text, *(words for name, words in losses.items() if one.get(name))) if part)


def _one_run(options: Namespace) -> int:
    view = View(options.home)
    run = view.history.run(options.run)
    if run is None:
        raise Refusal(f"no run {options.run} in the history")
    if options.task not in (None, run.task_id):
        raise Refusal(f"run {options.run} is one of {run.task_id}")
    item = view.as_json(run)
    if options.json:
        print_json(item)
        return EXIT_OK
    facts = {
        "run": item["run_id"],
        "task": item["task_id"],
        "status": item["status"],
        "why": _why(item),
        "trigger": item["trigger"],
        "due": item["scheduled_time"],
        "started": item["start_time"],
        "ended": item["end_time"],
        "took": _took(item),
        "missed": f"{item['missed_count']} due times since {item['missed_since']}" if item["missed_count"] > 1 else "",
    }
    for name, value in facts.items():
        if value not in (None, ""):
            print(f"{name:<9}{harmless(str(value))}")
    if item["attempts"]:
        print()
        rows = [
            (
                one["attempt"],
                one["status"],
                short(one["start_time"]),
                _took(one),
                _exit(one),
                _why(one),
                one["pid"],
                one["leftover_processes"] or "",
            )
            for one in item["attempts"]
        ]
        print_table(_ATTEMPT_HEADERS, rows, cut={"WHY": 10})
    return EXIT_OK
