"""`why`: did it run, and if not, why not."""

from __future__ import annotations

import time
from itertools import groupby

from minisched.api.why import as_json, gather, span_of
from minisched.catalogue import render
from minisched.cli.output import print_error, print_json, reading_typed
from minisched.cli.terminal import language
from minisched.cli.view import View, unknown_task, with_view
from minisched.model import EXIT_OK, Text
from minisched.why import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

_FOLDED = ("why.run", "why.run_why")  # each run of a task that is often due would take a line


@with_view
def why(view: View, options: Namespace) -> int:
    """Reads the database, with or without an engine."""
    config = view.valid_config()
    if view.zone_note:
        print_error(view.zone_note)
    now, zone = time.time(), view.zone_of(options.task)
    with reading_typed(options.at):
        span = span_of(options.at, zone, now)
    facts = gather(view.history, config, options.task, span, now, alive=view.engine is not None)
    if facts.is_empty:
        raise unknown_task(options.task, {**config.tasks, **view.history.records()})
    findings = explain(facts, span)
    if options.json:
        print_json(as_json(facts, span, findings, zone))
    else:
        for text in _folded([one.text for one in findings]):
            print(render(text, language()))
    return EXIT_OK


def _folded(texts: list[Text]) -> list[Text]:
    """With one sentence for many runs in a row that ended in the same way."""
    found: list[Text] = []
    for _, group in groupby(texts, lambda one: (one.code, {**one.values, "time": "", "run_id": 0})):
        first, *more = group
        if first.code in _FOLDED and len(more) > 1:
            last = more[-1].values
            more = [Text("why.same_runs", count=len(more), last=last["time"], run_id=last["run_id"])]
        found += [first, *more]
    return found
