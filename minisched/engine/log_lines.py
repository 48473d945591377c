"""The engine's log lines: who, what, state, next."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from minisched.catalogue import detail_text
from minisched.model import FAILURES, DeliveryState, Status
from minisched.model.text import plural

if TYPE_CHECKING:
    from minisched.model import Delivery, Instant, TaskExecution

_WARN = (*FAILURES, Status.SKIPPED, Status.MISSED)


def log_status(log: logging.Logger, run: TaskExecution) -> None:
    """Log a run's status, once its row has it too."""
    if run.status is Status.RUNNING:
        return  # logged with its pid once there is a process
    level = logging.WARNING if run.status in _WARN or run.status is Status.RETRYING else logging.INFO
    line = status_line(run)
    process = run.attempts[-1].process if run.attempts else None
    if process and not process.start_ticks:  # it ended too soon for a line with its pid
        line += f", pid {process.pid}, by {run.trigger}"
    log.log(level, "%s", line)
    if run.attempts and run.attempts[-1].log_lost and (run.status.ended or run.status is Status.RETRYING):
        log.warning("%s", lost_output_line(run))


def started_line(run: TaskExecution) -> str:
    attempt = run.attempts[-1]
    pid = attempt.process.pid if attempt.process else "?"
    return (
        f"run {run.run_id} of {run.task_id}: running, pid {pid}, attempt {attempt.attempt} of {run.max_attempts}, "
        f"by {run.trigger}"
    )


def lost_output_line(run: TaskExecution) -> str:
    """For a run whose log did not take all output of the latest attempt."""
    return (
        f"output of run {run.run_id} of {run.task_id} could not be written to its log (a full disk, or no regular file "
        "in its place)"
    )


def status_line(run: TaskExecution) -> str:
    """As in `run 42 of nightly_backup: technical_failure (exit_code: exit code 75) after 3.2 s, attempt 2 of 3`."""
    text = f"run {run.run_id} of {run.task_id}: {run.status}"
    why = ": ".join(part for part in (run.reason, detail_text(run.detail)) if part)
    if why:
        text += f" ({why})"
    if run.attempts and run.attempts[-1].duration is not None:
        text += f" after {run.attempts[-1].duration:.1f} s, attempt {run.attempt} of {run.max_attempts}"
    if run.status is Status.RETRYING and run.retry_time is not None and run.attempts[-1].end_time is not None:
        text += f", next in {run.retry_time - run.attempts[-1].end_time:.0f} s"
    if run.attempts and run.attempts[-1].leftover_processes:
        left = plural(run.attempts[-1].leftover_processes, "process left behind", "processes left behind")
        text += f", {left}"
    return text


def delivery_line(one: Delivery, now: Instant) -> str:
    """As in `notification 12 of nightly_backup, rule "tell ops", email: HTTP 503, attempt 2, next in 58 s`."""
    text = f'notification {one.delivery_id} of {one.task_id}, rule "{one.rule}", {one.channel_type}: '
    error = detail_text(one.error)
    if one.state is DeliveryState.SENT:
        return f"{text}sent, but {error}" if error else f"{text}sent"
    if one.state is DeliveryState.FAILED:
        return f"{text}not sent after {plural(one.attempts, 'attempt')}: {error}"
    return f"{text}{error}, attempt {one.attempts}, next in {(one.next_time or now) - now:.0f} s"


def no_messages_line(run_id: int, why: str) -> str:
    """For a run whose end was written without its messages."""
    return f"run {run_id}: its notifications could not be composed: {why}"
