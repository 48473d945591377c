"""Statuses, triggers, reasons, exit codes."""

from __future__ import annotations

from enum import Enum

Instant = float  # seconds since 1970-01-01T00:00Z
DAY_S = 86_400

EXIT_OK = 0
EXIT_NO = 1  # invalid config, failed task, not found
EXIT_USAGE = 2
EXIT_IOERR = 74  # sysexits.h EX_IOERR: the home cannot be read or written
EXIT_TEMPFAIL = 75  # sysexits.h EX_TEMPFAIL: another engine holds this home
EXIT_CONFIG = 78  # sysexits.h EX_CONFIG


class Word(str, Enum):
    """An enum whose members are the words that users see, in JSON, SQL and text alike."""

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(str(self.value), spec)  # else 3.9 to 3.11 and 3.12 differ


class Status(Word):
    """The state of a run; see TRANSITIONS in `lifecycle`."""

    IDLE = "idle"  # of a task only: it never ran
    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCESS = "success"
    BUSINESS_FAILURE = "business_failure"
    TECHNICAL_FAILURE = "technical_failure"
    SKIPPED = "skipped"
    MISSED = "missed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in UNFINISHED and self is not Status.IDLE


# In the order in which a task with several unfinished runs shows one of them.
UNFINISHED = (Status.RUNNING, Status.RETRYING, Status.QUEUED, Status.WAITING)
FAILURES = (Status.BUSINESS_FAILURE, Status.TECHNICAL_FAILURE)


class Trigger(Word):
    """Why a run exists. A retry is a further attempt of its run, not a trigger."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    DEPENDENCY = "dependency"
    CATCHUP = "catchup"
    REBOOT = "reboot"
    BACKFILL = "backfill"  # started manually for a due time of the past


BY_HAND = (Trigger.MANUAL, Trigger.BACKFILL)  # a person started it: it needs no schedule, and no enabled task


class Reason(Word):
    """The fixed reasons of a status; a `waiting` run has the ids of the tasks it waits for instead."""

    OVERLAP = "overlap"
    MAX_RUNNING = "max_running"
    LOCK = "lock"
    CONDITION = "condition"
    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    SPAWN = "spawn"
    INTERRUPTED = "interrupted"
    UPSTREAM_FAILED = "upstream_failed"
    DEPENDENCY_TIMEOUT = "dependency_timeout"
    QUEUE_FULL = "queue_full"
    SUPERSEDED = "superseded"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    DOWNTIME = "downtime"
    LATE = "late"
    USER = "user"
    REPLACED = "replaced"
