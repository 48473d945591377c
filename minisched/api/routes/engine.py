"""The routes of the engine: its config, its state, its messages, this API."""

from __future__ import annotations

from minisched.api.parameters import EnumParam, IntParam, Parameter, StrParam
from minisched.api.routes.kinds import OPEN, PUBLIC, Answer, Body, Route
from minisched.api.routes.shared import LOG, LOG_PAGE, NOTHING, PAGES, TASK
from minisched.model import DeliveryState

ENGINE = (
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
            Parameter("state", EnumParam(DeliveryState), "Only messages in one of these states.", ()),
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
            Parameter("since", IntParam(0, 10**15), "The version that is known: newer cards come first."),
            Parameter(
                "epoch", StrParam("[A-Za-z0-9_-]{1,64}", "an epoch as `hello` gave it"), "Where `since` is from."
            ),
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
