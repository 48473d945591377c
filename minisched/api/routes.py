"""The route table: what may be asked, by whom, with what, and what is answered.

The gate, the dispatch, OpenAPI and docs/api.md are made of these rows alone.
"""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
import re
from typing import NamedTuple, Optional, Union

from minisched.api.parameters import Flag, Parameter, Plain, Time, Whole, Words
from minisched.model import DeliveryState, Status, Trigger

BASE = "/api/scheduler"
ROOT_TOO = ("/healthz", "/metrics")  # also without BASE, where monitoring looks for them

OPEN = "open"  # without the token
PUBLIC = "public"  # without it where `http.public_status` is true
TOKEN = "token"

NUMBER = "[1-9][0-9]{0,15}"
IDS = {"task_id": "[A-Za-z0-9_-]{1,64}", "run_id": NUMBER, "delivery_id": NUMBER}  # no other text is ever taken for one

PAGE_SIZE = 20
MOST_PAGE_SIZE = 200
MOST_LISTED = 10**9
LEAST_LOG_BYTES, LOG_BYTES, MOST_LOG_BYTES = 1024, 256 * 1024, 1024 * 1024
MOST_TAIL_LINES = 5000


class Answer(NamedTuple):
    status: int
    schema: str  # a name in `schemas`; "" for no body
    meaning: str


class Body(NamedTuple):
    schema: str  # a name in `schemas`
    required: bool = True  # False: an empty body is as good as {}
    fields: Optional[tuple[str, ...]] = None  # all that may stand in it; None: the config's rules say


class Route(NamedTuple):
    method: str
    path: str  # without BASE; `{task_id}`, `{run_id}` and the like stand for what IDS allow
    handler: str  # the room in `minisched.api` and the function in it, imported by the first call
    summary: str
    answers: tuple[Answer, ...]
    access: str = TOKEN
    query: tuple[Parameter, ...] = ()
    body: Optional[Body] = None
    errors: tuple[str, ...] = ()  # codes of `errors.ERRORS` beside those that any route may answer with


class Match(NamedTuple):
    route: Route
    ids: dict[str, str]  # by the names in the path


class NotFound(NamedTuple):
    """No such path."""


class NotAllowed(NamedTuple):
    """The path is known, the method is not one of its own."""

    allow: str  # value of the `Allow` header


PAGES = (
    Parameter("page", Whole(1, MOST_LISTED), "The page, from 1.", 1),
    Parameter("page_size", Whole(1, MOST_PAGE_SIZE), "Items a page.", PAGE_SIZE),
)
RUNS = (
    *PAGES,
    Parameter("status", Words(Status), "Only runs in one of these statuses.", ()),
    Parameter("trigger", Words(Trigger), "Only runs with one of these triggers.", ()),
    Parameter("since", Time(), "Only runs created at this time or later."),
    Parameter("until", Time(), "Only runs created before it."),
)
TASK = Parameter("task", Plain(IDS["task_id"], "a task id"), "Only runs of this task, also of one that was removed.")
CURSOR = Plain(r"(?:[0-9]{1,20}-)?[0-9]{1,15}", "an offset as an answer gave it, or a number of bytes")
RUN_CURSOR = Plain(r"(?:[0-9]{1,4}-[0-9]{1,20}-)?[0-9]{1,15}", "an offset as an answer gave it, or a number of bytes")
LIMIT = Parameter("limit", Whole(LEAST_LOG_BYTES, MOST_LOG_BYTES), "Bytes of the log at most.", LOG_BYTES)
TAIL = Parameter("tail", Whole(1, MOST_TAIL_LINES), "The last lines instead, that many.")
RAW = Parameter("raw", Flag(), "1: the bytes as they are, as a file to download.", False)
LOG = (
    Parameter("offset", CURSOR, "Where to begin; a plain number counts in the live file. None: its start."),
    LIMIT,
    TAIL,
    Parameter("before", CURSOR, "The whole lines that end at this offset instead."),
    RAW,
)
RUN_LOG = (
    Parameter("offset", RUN_CURSOR, "Where to begin; a plain number counts bytes of this run's output."),
    LIMIT,
    TAIL,
    RAW,
)

NOTHING = Body("Empty", False, ())
CARD = Answer(200, "Card", "The task as it is now in force.")
RUN_PAGE = Answer(200, "RunPage", "Runs, newest first.")
LOG_PAGE = Answer(200, "LogPage", "A piece of the log.")
EDIT_ERRORS = ("not_found", "config_changed", "stale", "invalid_config", "busy", "stopping", "unavailable", "disk_full")

ROUTES = (
    Route(
        "GET",
        "/tasks",
        "cards.list_tasks",
        "All tasks with their state, their next and last run, and their last outcomes.",
        (Answer(200, "CardPage", "The tasks, in the config's order."), Answer(304, "", "As `If-None-Match` has it.")),
        access=PUBLIC,
        query=(
            Parameter("tag", Plain(most=64), "Only tasks with this tag."),
            Parameter("status", Words(Status), "Only tasks in one of these states.", ()),
            Parameter("q", Plain(most=200), "Only tasks with this text in id, name, description or a tag."),
            Parameter("page", Whole(1, MOST_LISTED), "The page, from 1.", 1),
            Parameter("page_size", Whole(1, MOST_PAGE_SIZE), "Tasks a page; none: all of them."),
        ),
        errors=("unavailable",),
    ),
    Route(
        "POST",
        "/tasks",
        "edit.create",
        "Create a task, at the end of the config.",
        (Answer(201, "Card", "The new task, in force; `Location` names it."),),
        body=Body("Task"),
        errors=("exists", *(code for code in EDIT_ERRORS if code != "not_found")),
    ),
    Route(
        "GET",
        "/tasks/{task_id}",
        "edit.read",
        "One task: its state, its object in the config file, and all fields with their defaults.",
        (Answer(200, "TaskDetail", "The task; `ETag` is for `If-Match`."),),
        errors=("not_found", "unavailable"),
    ),
    Route(
        "PUT",
        "/tasks/{task_id}",
        "edit.replace",
        "Replace a task's object in the config.",
        (CARD,),
        body=Body("Task"),
        errors=EDIT_ERRORS,
    ),
    Route(
        "PATCH",
        "/tasks/{task_id}",
        "edit.patch",
        "Change some fields of a task (JSON merge patch of its fields: null removes one).",
        (CARD,),
        body=Body("TaskPatch"),
        errors=EDIT_ERRORS,
    ),
    Route(
        "DELETE",
        "/tasks/{task_id}",
        "edit.delete",
        "Remove a task from the config; its history stays until retention removes it.",
        (Answer(200, "TaskId", "It is removed."),),
        errors=("has_dependents", *EDIT_ERRORS),
    ),
    Route(
        "POST",
        "/tasks/{task_id}/run",
        "runs.start",
        "Run a task now.",
        (Answer(202, "RunId", "The run's row is in the history."),),
        body=Body("RunOptions", False, ("env",)),
        errors=("not_found", "busy", "stopping", "unavailable", "disk_full"),
    ),
    Route(
        "POST",
        "/tasks/{task_id}/enable",
        "edit.enable",
        "Let a task be due again.",
        (CARD,),
        body=NOTHING,
        errors=EDIT_ERRORS,
    ),
    Route(
        "POST",
        "/tasks/{task_id}/disable",
        "edit.disable",
        "Let a task not be due any more; it can still be run by hand.",
        (CARD,),
        body=NOTHING,
        errors=EDIT_ERRORS,
    ),
    Route(
        "POST",
        "/tasks/{task_id}/notify-test",
        "notices.test",
        "Send a marked test message through each channel of a rule, or of all rules of a task that are enabled.",
        (Answer(200, "Trials", "What came of it; a channel that does not answer is waited for 35 s."),),
        body=Body("TestOptions", False, ("rule",)),
        errors=("not_found", "unavailable"),
    ),
    Route(
        "GET",
        "/tasks/{task_id}/history",
        "runs.of_task",
        "The runs of one task, newest first.",
        (RUN_PAGE,),
        access=PUBLIC,
        query=RUNS,
        errors=("not_found", "unavailable"),
    ),
    Route(
        "GET",
        "/tasks/{task_id}/log",
        "logs.of_task",
        "A task's log, for reading and following.",
        (LOG_PAGE,),
        query=LOG,
        errors=("not_found", "unavailable"),
    ),
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
        query=(Parameter("hours", Whole(1, 168), "Hours back, and as many ahead.", 24),),
        errors=("unavailable",),
    ),
    Route(
        "GET",
        "/preview",
        "timeline.preview",
        "The next due times of schedule texts, and the texts in words.",
        (Answer(200, "Preview", "The times, at most `count` of them."),),
        query=(
            Parameter("schedule", Plain(), "A schedule text; several together are due when any is.", (), True, True),
            Parameter("timezone", Plain(most=160), "An IANA time zone name; none: the engine's."),
            Parameter("count", Whole(1, 50), "How many times.", 5),
        ),
        errors=("invalid_config",),
    ),
    Route(
        "POST",
        "/validate",
        "edit.validate",
        "Check a task, or a whole config; nothing is changed.",
        (Answer(200, "Validity", "Whether it is right, and every problem."),),
        body=Body("Validate", fields=("task", "config")),
        errors=("unavailable",),
    ),
    Route(
        "GET",
        "/schema",
        "edit.schema",
        "What a config may hold: JSON Schema, and a task's fields for a form, in English and Chinese.",
        (Answer(200, "FieldTable", "The schema and the fields."),),
    ),
    Route(
        "GET",
        "/log",
        "logs.of_engine",
        "The engine's own log.",
        (LOG_PAGE,),
        query=LOG,
        errors=("unavailable",),
    ),
    Route(
        "GET",
        "/status",
        "status.status",
        "The engine: version, load, counts, problems, disk, clock.",
        (Answer(200, "Status", "The engine as it is now."),),
        errors=("unavailable",),
    ),
    Route(
        "POST",
        "/reload",
        "edit.reload",
        "Put the config file in force now.",
        (Answer(200, "Problems", "It is in force."),),
        body=NOTHING,
        errors=("invalid_config", "busy", "stopping", "unavailable"),
    ),
    Route(
        "GET",
        "/notifications",
        "notices.outbox",
        "The outbox: a message to one channel each, newest first.",
        (Answer(200, "NotificationPage", "The messages."),),
        query=(
            *PAGES,
            Parameter("state", Words(DeliveryState), "Only messages in one of these states.", ()),
            Parameter("task", TASK.kind, "Only messages about this task, also about one that was removed."),
        ),
        errors=("unavailable",),
    ),
    Route(
        "GET",
        "/notifications/{delivery_id}",
        "notices.one",
        "One message of the outbox.",
        (Answer(200, "Notification", "The message."),),
        errors=("not_found", "unavailable"),
    ),
    Route(
        "POST",
        "/notifications/{delivery_id}/resend",
        "notices.resend",
        "Send a message once more that was sent or has failed.",
        (Answer(202, "Notification", "It is pending again; its number and `message_id` stay."),),
        body=NOTHING,
        errors=("not_found", "pending", "busy", "stopping", "unavailable"),
    ),
    Route(
        "GET",
        "/events",
        "events.listen",
        "Server-Sent Events: each task that changes, as its card; the engine; a ping each second.",
        (Answer(200, "Events", "The stream; `hello` comes first."),),
        access=PUBLIC,
        query=(
            Parameter("since", Whole(0, 10**15), "The version that is known: newer cards come first."),
            Parameter("epoch", Plain("[A-Za-z0-9_-]{1,64}", "an epoch as `hello` gave it"), "Where `since` is from."),
        ),
        errors=("too_many_listeners",),
    ),
    Route(
        "GET",
        "/openapi.json",
        "openapi.read",
        "This API as OpenAPI 3.1.",
        (Answer(200, "OpenApi", "The document."),),
    ),
    Route(
        "GET",
        "/metrics",
        "metrics.metrics",
        "The engine and every task in Prometheus' text format.",
        (Answer(200, "Metrics", "The metrics."),),
        errors=("unavailable",),
    ),
    Route(
        "GET",
        "/healthz",
        "status.healthz",
        "Whether all is well; with the token also why not.",
        (Answer(200, "Health", "All is well."), Answer(503, "Health", "Something is not as it should be.")),
        access=OPEN,
    ),
)


def _index() -> tuple[dict[str, dict[str, Route]], list[tuple[re.Pattern[str], dict[str, Route]]]]:
    """The paths without ids, and those with ids as expressions; for each its routes by method."""
    plain: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        for path in (BASE + route.path, *([route.path] if route.path in ROOT_TOO else ())):
            plain.setdefault(path, {})[route.method] = route
    patterns = []
    for path in [path for path in plain if "{" in path]:
        expression = re.sub(r"\{(\w+)\}", lambda found: f"(?P<{found[1]}>{IDS[found[1]]})", path)
        patterns.append((re.compile(expression), plain.pop(path)))
    return plain, patterns


_PLAIN, _PATTERNS = _index()


def match(method: str, path: str) -> Union[Match, NotFound, NotAllowed]:
    """The route of a decoded path. HEAD is as GET."""
    ids: dict[str, str] = {}
    methods = _PLAIN.get(path)
    if methods is None:
        for pattern, found in _PATTERNS:
            matched = pattern.fullmatch(path)
            if matched:
                methods, ids = found, matched.groupdict()
                break
        else:
            return NotFound()
    route = methods.get("GET" if method == "HEAD" else method)
    if route is None:
        return NotAllowed(
            ", ".join(name for known in methods for name in ((known, "HEAD") if known == "GET" else (known,)))
        )
    return Match(route, ids)
