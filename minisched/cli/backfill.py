"""`rerun` and `backfill`: due times of the past are made up, through the engine."""

from __future__ import annotations

import sys
import time
from argparse import Namespace

from minisched.api.backfill import moment, plan
from minisched.cli.client import Engine, engine_of, report_start
from minisched.cli.output import CommandError, parse_env, print_error, print_json, reading_typed, text
from minisched.cli.view import View, print_unfinished, task_named
from minisched.model import EXIT_NO, EXIT_OK, EXIT_USAGE, Status, Text, iso
from minisched.timetable import load_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo
    from typing import Optional

    from minisched.api.backfill import Plan
    from minisched.model import Task, TaskExecution

POLL_S = 0.2  # between two looks at the run that is under way


def rerun(options: Namespace) -> int:
    """Run a task again for the due time of a run."""
    env = parse_env(options.env)
    engine = engine_of(options)
    with View(options.home) as view:
        task = view.run(options.run_id, None).task_id
    answer = engine.call("POST", f"/executions/{options.run_id}/rerun", {"env": env} if env else {})
    return report_start(Namespace(**{**vars(options), "task": task}), answer)


def backfill(options: Namespace) -> int:
    """Run a task for each due time of a span that has no success, oldest first, one after another."""
    engine = engine_of(options)
    with View(options.home) as view:
        task = task_named(options.task, view.valid_config())
        zone = load_zone(task.task_timezone)
        now = time.time()
        with reading_typed(options.since):
            since = moment(options.since, zone, now)
        with reading_typed(options.to):
            until = int(now) if options.to is None else moment(options.to, zone, now, end_of_day=True)
        due = plan(view.history, task, zone, since, until, options.all)
        _show(due, zone, options.json)
        if not due.dues:
            if options.json:
                print_json([])
            return EXIT_OK
        if not options.yes and not _confirmed(len(due.dues), task):
            return EXIT_NO
        return _run_all(view, engine, options, due, zone)


def _show(plan: Plan, zone: tzinfo, as_json: bool) -> None:
    """What would be done: how many, the first and the last, and what is left out."""
    lines = [Text("cli.backfill_nothing")]
    if plan.dues:
        first, last = iso(plan.dues[0], zone), iso(plan.dues[-1], zone)
        lines = [Text("cli.backfill_plan", count=len(plan.dues), first=first, last=last)]
    if plan.done:
        lines.append(Text("cli.backfill_done_already", count=plan.done))
    if plan.unfinished:
        lines.append(Text("cli.backfill_unfinished", count=plan.unfinished))
    for line in [*lines, *plan.left_out]:
        if as_json:
            print_error(line)
        else:
            print(text(line.code, **line.values))


def _confirmed(count: int, task: Task) -> bool:
    """Raises CommandError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise CommandError(Text("cli.backfill_ask"), exit_code=EXIT_USAGE)
    try:
        answer = input(text("cli.backfill_question", count=count, task=task.task_id))
    except EOFError:  # Ctrl-D, which does not end the line
        print()
        return False
    return answer.strip().lower() in ("y", "yes", "是")


def _run_all(view: View, engine: Engine, options: Namespace, plan: Plan, zone: tzinfo) -> int:
    """Each run waits for the end of the one before. One that does not succeed is the last, unless --keep-going."""
    runs: list[TaskExecution] = []
    run_id: Optional[int] = None
    try:
        for number, due in enumerate(plan.dues, 1):
            _wait_for_slot(view, options.task)
            answer = engine.call("POST", f"/tasks/{options.task}/run", {"for": iso(due, zone)})
            run_id = answer["run_id"]
            run = _ended(view, answer["run_id"])
            runs.append(run)
            if not options.json:
                values = {"number": number, "count": len(plan.dues), "time": iso(due, zone), "run_id": run_id}
                print(text("cli.backfill_run", **values, status=run.status.value), flush=True)
            if run.status is not Status.SUCCESS and not options.keep_going:
                break
    except KeyboardInterrupt:
        print_unfinished(view, [options.task], run_id)
        raise
    finally:
        _report(options, runs, plan.dues, zone)
    return EXIT_OK if len(runs) == len(plan.dues) and all(run.status is Status.SUCCESS for run in runs) else EXIT_NO


def _report(options: Namespace, runs: Sequence[TaskExecution], dues: Sequence[int], zone: tzinfo) -> None:
    """Also after a failure, Ctrl-C, or the end of the engine: what was done, and how to go on."""
    if options.json:
        print_json([run.as_json(zone) for run in runs])
    if len(runs) < len(dues):
        left = {"done": len(runs), "count": len(dues), "task": options.task, "next": iso(dues[len(runs)], zone)}
        print_error(Text("cli.backfill_stopped", **left, last=iso(dues[-1], zone)))


def _wait_for_slot(view: View, task_id: str) -> None:
    """Until no run of the task is under way, by its schedule or by a person: it would skip ours as an overlap."""
    while any(run.task_id == task_id and run.status is not Status.WAITING for run in view.history.unfinished()):
        time.sleep(POLL_S)


def _ended(view: View, run_id: int) -> TaskExecution:
    while True:
        run = view.as_seen(view.run(run_id, None))
        if run.status.ended:
            return run
        time.sleep(POLL_S)
