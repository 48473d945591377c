"""`history`: what ran, what did not, and why."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta

from minisched.catalogue import detail_text
from minisched.cli.output import print_facts, print_json, reading_typed, text
from minisched.cli.tables import print_table, table_time, why
from minisched.cli.tasks import parse_words
from minisched.cli.terminal import language
from minisched.cli.view import View, named_zone, unknown_task, with_view
from minisched.model import EXIT_OK, Status, Trigger
from minisched.timetable import DurationError, parse_duration, parse_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from datetime import tzinfo
    from typing import Any, Optional

_COLUMNS = ("run", "task", "status", "started", "why", "took", "due", "trigger", "attempt", "exit")
_ATTEMPT_COLUMNS = ("attempt", "status", "started", "took", "exit", "why", "pid", "leftover")


@with_view
def history(view: View, options: Namespace) -> int:
    zone = view.table_zone(options.tz)
    if options.run is not None:
        return _one_run(view, options)
    statuses, triggers = parse_words(options.status, Status), parse_words(options.trigger, Trigger)
    if not os.path.exists(view.home.database):
        view.valid_config()  # an invalid one hides no history, but here is no home at all
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
        print_table(_COLUMNS, [_row(item, zone) for item in items], shrink={"task": 12, "why": 16})
    if total > len(items):
        print(text("cli.page", shown=len(items), total=total, page=options.page, pages=-(-total // options.n)))
    elif not total:
        filtered = statuses or triggers or since is not None or until is not None
        print(text("cli.no_matching_runs" if filtered else "cli.no_runs"))
    return EXIT_OK


def _time(value: Optional[str], view: View) -> Optional[float]:
    """An ISO 8601 time, how long ago, as `2h`, or `today` and `yesterday`, which begin at midnight."""
    if value is None:
        return None
    now = time.time()
    days = {"today": 0, "yesterday": 1}.get(value.lower())
    try:
        if days is not None:
            day = datetime.fromtimestamp(now, view.zone).date() - timedelta(days=days)
            return parse_time(day.isoformat(), view.zone)
        return now - parse_duration(value)
    except DurationError:
        pass
    with reading_typed(value):
        return parse_time(value, view.zone)


def _row(run: dict[str, Any], zone: tzinfo) -> tuple[Any, ...]:
    explanation = why(run)
    return (
        run["run_id"],
        run["task_id"],
        run["status"],
        table_time(run["start_time"], zone),
        _with_losses(explanation, run["attempts"]),
        _duration(run),
        table_time(run["scheduled_time"], zone),
        run["trigger"],
        f"{run['attempt']}/{run['max_attempts']}" if run["attempt"] else "",
        _exit(run["attempts"][-1]) if run["attempts"] else "",
    )


def _duration(one: dict[str, Any]) -> str:
    return "" if one["duration"] is None else f"{one['duration']:.1f} s"


def _exit(attempt: dict[str, Any]) -> Any:
    return attempt["exit_code"] if attempt["signal"] is None else text("cli.unknown_signal", signal=attempt["signal"])


def _with_losses(reason: str, attempts: Sequence[dict[str, Any]]) -> str:
    """The reason, and what was lost of the output of these attempts."""
    losses = [loss for loss in ("log_lost", "output_cut") if any(one[loss] for one in attempts)]
    return text("cli.semicolon").join(filter(None, [reason, *(text(f"cli.{loss}") for loss in losses)]))


def _full_why(one: dict[str, Any]) -> str:
    """The reason with all details, of a run or of an attempt."""
    reason = "" if one["status"] == Status.WAITING and one["detail"] else one["reason"]  # the same tasks again
    detail = detail_text(one["detail"], language())
    return text("cli.pair", name=reason, value=detail) if reason and detail else reason or detail


def _one_run(view: View, options: Namespace) -> int:
    run = view.run(options.run, options.task)
    item = view.as_json(run)
    if options.json:
        print_json(item)
        return EXIT_OK
    zone = named_zone(options.tz) or view.zone_of(run.task_id)
    item = view.as_seen(run).as_json(zone)
    missed = text("cli.missed_span", count=item["missed_count"], since=item["missed_since"])
    facts = {
        "run": item["run_id"],
        "task": item["task_id"],
        "status": item["status"],
        "why": _full_why(item),
        "trigger": item["trigger"],
        "due": item["scheduled_time"],
        "started": item["start_time"],
        "ended": item["end_time"],
        "took": _duration(item),
        "missed": missed if item["missed_count"] > 1 else "",
    }
    print_facts([(label, str(value)) for label, value in facts.items() if value not in (None, "")])
    if item["attempts"]:
        print()
        print_table(_ATTEMPT_COLUMNS, [_attempt_row(one, zone) for one in item["attempts"]], shrink={"why": 16})
    return EXIT_OK


def _attempt_row(one: dict[str, Any], zone: tzinfo) -> tuple[Any, ...]:
    return (
        one["attempt"],
        one["status"],
        table_time(one["start_time"], zone),
        _duration(one),
        _exit(one),
        _with_losses(why(one), [one]),
        one["pid"],
        one["leftover_processes"] or "",
    )
