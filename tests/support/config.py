"""What the tests of the config share."""

import json

from minisched.catalogue import render
from minisched.config import parse_config
from support.texts import in_both


def line(problem):
    """A problem as the command line prints it."""
    return render(problem.as_text())


def problems_of(document, **options):
    """The lines a user gets, without the file; each is there in Chinese too."""
    config, problems = parse_config(json.dumps(document).encode(), **options)
    assert (config is None) == bool(problems)
    for problem in problems:
        in_both(problem.as_text())
    return [line(problem).replace("tasks/config.json: ", "", 1) for problem in problems]


def task(task_id="a", **fields):
    return {"task_id": task_id, "task_exec": "true", **fields}
