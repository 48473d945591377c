"""The engine's log lines about runs and deliveries, as texts of the catalogue."""

from __future__ import annotations

import logging

from minisched.model import FAILURES, DeliveryState, Status, Text
from minisched.notify.compose import PROGRAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    from minisched.model import Delivery, Instant, TaskExecution, Text

_WARN = (*FAILURES, Status.SKIPPED, Status.MISSED)


def log_status(log: logging.Logger, run: TaskExecution) -> None:
    """Log a run's status, once its row has it too."""
    if run.status is Status.RUNNING:
        return  # logged with its pid once there is a process
    log.log(logging.WARNING if run.status in _WARN or run.status is Status.RETRYING else logging.INFO, run_line(run))


def started_line(run: TaskExecution) -> Text:
    attempt = run.attempts[-1]
    return Text(
        "log.run.running",
        run_id=run.run_id,
        task=run.task_id,
        pid=attempt.process.pid if attempt.process else "?",
        attempt=attempt.attempt,
        max=run.max_attempts,
        trigger=run.trigger.value,
    )


def output_lost_line(run: TaskExecution, path: str, reason: Text) -> Text:
    """For a run whose log did not take all output of the latest attempt."""
    return Text("log.output_lost", run_id=run.run_id, task=run.task_id, path=path, reason=reason)


def run_line(run: TaskExecution) -> Text:
    """As in `run 42 of nightly_backup: technical_failure (exit_code: exit code 75) after 3.2 s, attempt 2 of 3`."""
    parts: dict[str, Union[Text, str]] = dict.fromkeys(("why", "took", "retry", "left", "process"), "")
    if run.reason or run.detail:
        both = run.reason and run.detail and run.status is not Status.WAITING
        why = Text("log.problem", key=run.reason, problem=run.detail) if both else run.detail or run.reason
        parts["why"] = Text("log.run.why", why=why)
    attempt = run.attempts[-1] if run.attempts else None
    if attempt and attempt.duration is not None:
        took = f"{attempt.duration:.1f}"
        parts["took"] = Text("log.run.took", seconds=took, attempt=run.attempt, max=run.max_attempts)
    if attempt and run.status is Status.RETRYING and run.retry_time is not None and attempt.end_time is not None:
        parts["retry"] = Text("log.run.retry", seconds=round(run.retry_time - attempt.end_time))
    if attempt and attempt.leftover_processes:
        parts["left"] = Text("log.run.left", count=attempt.leftover_processes)
    if attempt and attempt.process and not attempt.process.start_ticks:  # it ended too soon for a line with its pid
        parts["process"] = Text("log.run.process", pid=attempt.process.pid, trigger=run.trigger.value)
    return Text("log.run", run_id=run.run_id, task=run.task_id, status=run.status.value, **parts)


def delivery_line(one: Delivery, now: Instant) -> Text:
    """As in `notification 12 of nightly_backup, rule "tell ops", email: HTTP 503, attempt 2, next in 58 s`."""
    error = one.error or ""
    if one.state is DeliveryState.SENT:
        result = Text("log.delivery.partly", error=error) if error else Text("log.delivery.sent")
    elif one.state is DeliveryState.FAILED:
        result = Text("log.delivery.failed", count=one.attempts, error=error)
    else:
        seconds = round((one.next_time or now) - now)
        result = Text("log.delivery.retry", error=error, attempt=one.attempts, seconds=seconds)
    return Text(
        "log.delivery",
        id=one.delivery_id,
        task=one.task_id or PROGRAM,
        rule=one.rule,
        type=one.channel_type,
        result=result,
    )
