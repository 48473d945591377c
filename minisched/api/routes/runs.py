"""The routes of runs: the history, their output, and when more are due."""

from __future__ import annotations

from minisched.api.parameters import IntParam, Parameter, StrParam
from minisched.api.routes.kinds import PUBLIC, Answer, Route
from minisched.api.routes.shared import LOG_PAGE, NOTHING, RUN_LOG, RUN_PAGE, RUNS, TASK

EXECUTIONS = (
    Route(
        "GET",
        "/executions",
        "runs.of_all",
        "The runs of all tasks, newest first.",
        (RUN_PAGE,),
        access=PUBLIC,
        query=(*RUNS, TASK),
        errors=("unavailable",),
    ),
    Route(
        "GET",
        "/executions/{run_id}",
        "runs.one",
        "One run with its attempts and the end of its output.",
        (Answer(200, "RunDetail", "The run."),),
        errors=("not_found", "unavailable"),
    ),
    Route(
        "GET",
        "/executions/{run_id}/log",
        "logs.of_run",
        "A run's own output, also after a rotation of the log.",
        (LOG_PAGE,),
        query=RUN_LOG,
        errors=("not_found", "output_gone", "unavailable"),
    ),
    Route(
        "POST",
        "/executions/{run_id}/stop",
        "runs.stop",
        "Cancel a waiting, queued, retrying or running run.",
        (Answer(202, "Run", "It is told to end; it is over when its processes are gone."),),
        body=NOTHING,
        errors=("not_found", "ended", "foreign", "busy", "stopping", "unavailable"),
    ),
    Route(
        "GET",
        "/timeline",
        "timeline.timeline",
        "Past runs and coming due times of all tasks, for a chart.",
        (Answer(200, "Timeline", "A lane for each task."),),
        access=PUBLIC,
        query=(Parameter("hours", IntParam(1, 168), "Hours back, and as many ahead.", 24),),
        errors=("unavailable",),
    ),
    Route(
        "GET",
        "/preview",
        "timeline.preview",
        "The next due times of schedule texts, and the texts in words.",
        (Answer(200, "Preview", "The times, at most `count` of them."),),
        query=(
            Parameter("schedule", StrParam(), "A schedule text; several together are due when any is.", (), True, True),
            Parameter("timezone", StrParam(most=160), "An IANA time zone name; none: the engine's."),
            Parameter("count", IntParam(1, 50), "How many times.", 5),
        ),
        errors=("invalid_config",),
    ),
)
