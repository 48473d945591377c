"""`GET /metrics`: Prometheus' text format, version 0.0.4."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from minisched.api.call import history
from minisched.api.card_cache import current_status
from minisched.api.message import Response
from minisched.api.status import beat_age, disk, history_bytes, unwell
from minisched.model import Status, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from minisched.api.call import Call
    from minisched.api.ports import Ports, Totals

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Name, help, and the field of `Totals`.
_OF_A_TASK = (
    ("task_consecutive_failures", "Failures in a row.", "consecutive_failures"),
    ("task_last_success_time_seconds", "End of the latest success, since 1970.", "last_success_time"),
    ("task_history_runs", "Runs in the history.", "run_count"),
    ("task_last_end_time_seconds", "End of the latest finished run, since 1970.", "last_end_time"),
    ("task_last_duration_seconds", "Of the latest finished run.", "last_duration"),
)
_Samples = list[tuple[dict[str, str], Any]]


def metrics(call: Call) -> Response:
    return Response(200, "".join(_lines(call.ports)).encode(), CONTENT_TYPE)


def _lines(ports: Ports) -> Iterable[str]:
    engine, views = ports.board.engine, list(ports.board.tasks.values())
    versions = {"version": ports.version, "python": sys.version.split()[0]}
    yield _metric("info", "gauge", "The versions at work.", [(versions, 1)])
    yield _metric("start_time_seconds", "gauge", "When the engine started, since 1970.", [({}, engine.started)])
    yield _metric("healthy", "gauge", "1, or 0 while /healthz says degraded.", [({}, int(not unwell(ports)))])
    yield _metric("beat_age_seconds", "gauge", "Since the engine's loop came round last.", [({}, beat_age(ports))])
    yield _metric("stopping", "gauge", "1 while the engine stops.", [({}, int(engine.stopping))])
    yield _metric("config_problems", "gauge", "Of a file that was refused.", [({}, len(engine.config_problems))])
    standing: _Samples = [({"about": about}, 1) for about in engine.problems]
    yield _metric("problem", "gauge", "Standing problems of the engine.", standing)
    yield _metric("running_processes", "gauge", "Processes of tasks.", [({}, engine.running)])
    yield _metric("max_running", "gauge", "At most so many.", [({}, engine.config.settings.max_running)])
    outbox: _Samples = [({"state": state}, count) for state, count in engine.outbox._asdict().items()]
    yield _metric("notifications", "gauge", "Messages in the outbox by their state.", outbox)
    yield _metric("listeners", "gauge", "Of /events.", [({}, len(ports.listeners))])
    yield _metric("history_bytes", "gauge", "Size of the history's files.", [({}, history_bytes(ports.home))])
    room = disk(ports.home)
    yield _metric("disk_free_bytes", "gauge", "Room on the home's disk.", [({}, room["free_bytes"])])
    yield _metric("memory_bytes", "gauge", "Resident memory of the engine.", [({}, _memory())])
    totals: Mapping[str, Totals] = {}
    counts: _Samples = []
    try:
        with history(ports) as reader:
            totals = reader.totals()
        found = [totals.get(view.task.task_id) for view in views]
        statuses = [current_status(view, (one and one.last_status) or Status.IDLE) for view, one in zip(views, found)]
        counts = [({"status": word.value}, statuses.count(word)) for word in Status]
    except StoreError:
        pass  # the metrics `problem` and `healthy` report it; what is known without the history is still given
    yield _metric("tasks", "gauge", "Tasks by their current status.", counts)
    disabled = sum(not view.task.enabled for view in views)
    yield _metric("tasks_disabled", "gauge", "Tasks that are never due.", [({}, disabled)])
    due: _Samples = [({"task_id": view.task.task_id}, view.next_start) for view in views]
    yield _metric("task_next_start_time_seconds", "gauge", "The next start by the schedule.", due)
    for name, text, field in _OF_A_TASK:
        samples: _Samples = [
            ({"task_id": view.task.task_id}, getattr(totals.get(view.task.task_id), field, None)) for view in views
        ]
        yield _metric(name, "gauge", text, samples)


def _metric(name: str, kind: str, text: str, samples: _Samples) -> str:
    """A metric with its samples; those without a value are left out."""
    lines = [f"# HELP minisched_{name} {text}\n# TYPE minisched_{name} {kind}\n"]
    for labels, value in samples:
        if value is not None:
            told = ",".join(f'{label}="{_escaped(each)}"' for label, each in labels.items())
            lines.append(f"minisched_{name}{{{told}}} {value}\n" if told else f"minisched_{name} {value}\n")
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _memory() -> Any:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None  # no Linux
