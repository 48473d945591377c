"""What several routes take and answer."""

from __future__ import annotations

from minisched.api.parameters import BoolParam, EnumParam, IntParam, Parameter, StrParam, Time
from minisched.api.routes.kinds import IDS, Answer, Body
from minisched.model import Status, Trigger

PAGE_SIZE = 20
MOST_PAGE_SIZE = 200
MOST_LISTED = 10**9
LEAST_LOG_BYTES, LOG_BYTES, MOST_LOG_BYTES = 1024, 256 * 1024, 1024 * 1024
MOST_TAIL_LINES = 5000

PAGES = (
    Parameter("page", IntParam(1, MOST_LISTED), "The page, from 1.", 1),
    Parameter("page_size", IntParam(1, MOST_PAGE_SIZE), "Items a page.", PAGE_SIZE),
)
RUNS = (
    *PAGES,
    Parameter("status", EnumParam(Status), "Only runs in one of these statuses.", ()),
    Parameter("trigger", EnumParam(Trigger), "Only runs with one of these triggers.", ()),
    Parameter("since", Time(), "Only runs created at this time or later."),
    Parameter("until", Time(), "Only runs created before it."),
)
TASK = Parameter("task", StrParam(IDS["task_id"], "a task id"), "Only runs of this task, also of one that was removed.")
CURSOR = StrParam(r"(?:[0-9]{1,20}-)?[0-9]{1,15}", "an offset as an answer gave it, or a number of bytes")
RUN_CURSOR = StrParam(
    r"(?:[0-9]{1,4}-[0-9]{1,20}-)?[0-9]{1,15}", "an offset as an answer gave it, or a number of bytes"
)
LIMIT = Parameter("limit", IntParam(LEAST_LOG_BYTES, MOST_LOG_BYTES), "Bytes of the log at most.", LOG_BYTES)
TAIL = Parameter("tail", IntParam(1, MOST_TAIL_LINES), "The last lines instead, that many.")
RAW = Parameter("raw", BoolParam(), "1: the bytes as they are, as a file to download.", False)
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
