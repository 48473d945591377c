"""The engine's log lines: who, what, state, next."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from minisched.model import FAILURES, DeliveryState, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from minisched.model import Delivery, Instant, TaskExecution

WHOM_MAX = 3  # runs that are named in a detail
_WARN = (*FAILURES, Status.SKIPPED, Status.MISSED)


def told(log: logging.Logger, run: TaskExecution) -> None:
    """Log where a run stands, once its row says so too."""
    if run.status is Status.RUNNING:
        return  # told with its pid when there is a process
    level = logging.WARNING if run.status in _WARN or run.status is Status.RETRYING else logging.INFO
    log.log(level, "%s", sentence(run))
    if run.attempts and run.attempts[-1].log_lost and (run.status.ended or run.status is Status.RETRYING):
        log.warning("%s", loss(run))


def loss(run: TaskExecution) -> str:
    """For a run whose latest attempt printed what its log did not take."""
    return (
        f"output of run {run.run_id} of {run.task_id} could not be written to its log (a full disk, or no regular file "
        "in its place)"
    )


def sentence(run: TaskExecution) -> str:
    """As in `run 42 of nightly_backup: technical_failure (exit_code: exit code 75) after 3.2 s, attempt 2 of 3`."""
    text = f"run {run.run_id} of {run.task_id}: {run.status}"
    why = ": ".join(part for part in (run.reason, run.detail) if part)
    if why:
        text += f" ({why})"
    if run.attempts and run.attempts[-1].duration is not None:
        text += f" after {run.attempts[-1].duration:.1f} s, attempt {run.attempt} of {run.max_attempts}"
    if run.status is Status.RETRYING and run.retry_time is not None and run.attempts[-1].end_time is not None:
        text += f", next in {run.retry_time - run.attempts[-1].end_time:.0f} s"
    if run.attempts and run.attempts[-1].leftover_processes:
        text += f", {run.attempts[-1].leftover_processes} processes left behind"
    return text


def in_the_way(others: Sequence[TaskExecution], foreign: Iterable[int]) -> str:
    """The first runs that hold a place and what they do, those by `exec` among them; a catch-up may bring many."""
    texts = [f"run {run.run_id} is {run.status}" for run in others if run.run_id]
    texts += [f"run {run_id} is running by `exec`" for run_id in sorted(foreign)]
    more = max(0, len(texts) - WHOM_MAX) + sum(not run.run_id for run in others)
    return ", ".join([*texts[:WHOM_MAX], *([f"{more} {'more' if texts else 'of the same moment'}"] if more else [])])


def of_delivery(one: Delivery, now: Instant) -> str:
    """As in `notification 12 of nightly_backup, rule "tell ops", email: HTTP 503, attempt 2, next in 58 s`."""
    text = f'notification {one.delivery_id} of {one.task_id}, rule "{one.rule}", {one.channel_type}: '
    if one.state is DeliveryState.SENT:
        return f"{text}sent, but {one.error}" if one.error else f"{text}sent"
    if one.state is DeliveryState.FAILED:
        return f"{text}not sent after {one.attempts} attempts: {one.error}"
    return f"{text}{one.error}, attempt {one.attempts}, next in {(one.next_time or now) - now:.0f} s"


def untold(run_id: int, why: str) -> str:
    """An end that was written without its messages."""
    return f"run {run_id}: nobody is told of its end, the messages could not be made: {why}"
