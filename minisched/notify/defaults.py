"""The good defaults: a subject, a text and a JSON object that say what happened, for every channel that names none."""

from __future__ import annotations

from datetime import timezone
from typing import Any

from minisched.model import iso
from minisched.model.notification import Message, NotificationEvent
from minisched.notify.templates import fill, last_lines, one_line, visible_values

# What a line says, the variable that it needs, and the values with which it says nothing.
LINES = (
    ("Reason: {{ execution_reason }}", "execution_reason", ()),
    ("Exit code: {{ exit_code }}", "exit_code", ()),
    ("Due: {{ scheduled_time }}", "scheduled_time", ()),
    ("Started: {{ execution_start_time }}", "execution_start_time", ()),
    ("Ended: {{ execution_end_time }}", "execution_end_time", ()),
    ("Duration: {{ execution_duration }}", "execution_duration", ()),
    ("Attempt: {{ attempt }}", "attempt", ("0", "1")),
    ("In a row: {{ threshold_count }}", "threshold_count", ("0", "1")),
    ("Held back since the last message: {{ suppressed_count }}", "suppressed_count", ("0",)),
    ("Run: {{ execution_id }}", "execution_id", ()),
    ("{{ task_url }}", "task_url", ()),
)
LEADS = {
    NotificationEvent.TEST: ("This is a test message. Nothing has happened.",),
    NotificationEvent.RECOVERY: ("The task works again.",),
    NotificationEvent.EVENT: (),
}
NAME_MAX = 120  # characters of a task's name in a subject, so that the status has its place


def subject(message: Message) -> str:
    """One line: task and status; a test says so first."""
    values = visible_values(message.variables)
    name = one_line(values.get("task_name") or values.get("task_id", ""), NAME_MAX)
    status = "recovered" if message.event == NotificationEvent.RECOVERY else values.get("execution_status", "")
    count = values.get("threshold_count", "")
    return one_line(
        f"{mark(message)}{name}: {status}" + (f" ({count} in a row)" if count not in ("", "0", "1") else "")
    )


def text(message: Message, tail_bytes: int) -> str:
    """The facts, a line each, and as much of the log's tail as fits."""
    values = visible_values(message.variables)
    host = " on {{ host_name }}" if values.get("host_name") else ""
    lines = [
        *LEADS[NotificationEvent(message.event)],
        f"{{{{ task_name }}}} ({{{{ task_id }}}}){host}: {{{{ execution_status }}}}",
        *(line for line, needed, nothing in LINES if values.get(needed, "") not in ("", *nothing)),
    ]
    filled = [fill(line, values) for line in lines]
    tail = last_lines(values.get("execution_log_tail", ""), tail_bytes)
    if tail:
        filled += ["", "The last lines of its output:", tail]
    return "\n".join(filled) + "\n"


def mark(message: Message) -> str:
    """What a subject begins with that a template of the user's own makes: nobody gets up at night for a test."""
    return "[test] " if message.event == NotificationEvent.TEST else ""


def lead(message: Message) -> str:
    """The same for a text."""
    return f"{LEADS[NotificationEvent.TEST][0]}\n\n" if message.event == NotificationEvent.TEST else ""


def as_json(message: Message) -> dict[str, Any]:
    """The message as commands, files and plain webhooks get it."""
    return {
        "delivery": message.message_id,
        "event": NotificationEvent(message.event).value,
        "recovered": message.event == NotificationEvent.RECOVERY,
        "test": message.event == NotificationEvent.TEST,
        "created_time": iso(int(message.created_time), timezone.utc),
        "subject": subject(message),
        **visible_values(message.variables),
    }
