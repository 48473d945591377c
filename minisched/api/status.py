"""The engine as a whole, and whether all is well."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Optional

from minisched.api.call import engine_zone, history, json_answer
from minisched.api.errors import problem_json
from minisched.catalogue import render
from minisched.config import ConfigError, config_hash, read_config
from minisched.model import Status, StoreError, iso

if TYPE_CHECKING:
    from minisched.api.call import Call
    from minisched.api.message import Response
    from minisched.api.ports import Ports

LATE_BEAT_S = 15.0  # the loop comes round every two seconds; a commit on a hung disk holds it up
CLOCK_SANE_SINCE = 1_735_689_600  # 2025-01-01Z: an earlier time is that of a board that has not learnt it yet


def status(call: Call) -> Response:
    return json_answer(200, status_json(call.ports))


def status_json(ports: Ports) -> dict[str, Any]:
    """Never fails where the history does: what is wrong with it is among the problems."""
    engine, tasks, now, zone = ports.board.engine, ports.board.tasks, ports.wall(), engine_zone(ports)
    problems = [{"about": about, "message": message} for about, message in engine.problems.items()]
    counts = {word.value: 0 for word in Status}
    runs: Optional[int] = None
    try:
        with history(ports) as reader:
            counts.update(
                (status.value, count)
                for status, count in ports.statuses.counts(ports.board, reader.last_statuses).items()
            )
            runs = reader.page(page_size=1)[1]
    except StoreError as error:
        if "history" not in engine.problems:
            problems.append({"about": "history", "message": str(error)})
    return {
        "version": ports.version,
        "python": sys.version.split()[0],
        "pid": os.getpid(),
        "home": ports.home,
        "started_time": iso(engine.started, zone),
        "uptime": max(0.0, now - engine.started),
        "server_time": iso(now, zone),
        "timezone": engine.config.settings.timezone,
        "stopping": engine.stopping,
        "counts": counts,
        "tasks": len(tasks),
        "disabled": sum(not view.task.enabled for view in tasks.values()),
        "running": engine.running,
        "max_running": engine.config.settings.max_running,
        "config": {
            "hash": file_hash(ports),
            "problems": [problem_json(problem) for problem in engine.config_problems],
        },
        "problems": problems,
        "disk": disk(ports.home),
        "history": {"runs": runs, "bytes": history_bytes(ports.home)},
        "clock": {"sane": now >= CLOCK_SANE_SINCE, "beat_age": beat_age(ports)},
        "outbox": engine.outbox._asdict(),
        "listeners": len(ports.listeners),
    }


def file_hash(ports: Ports) -> Optional[str]:
    """Of the config file as it stands there, in force or not."""
    return _file_hash(ports.config_path, ports.config_stamp())


@lru_cache(maxsize=2)
def _file_hash(path: str, stamp: object) -> Optional[str]:
    try:
        return config_hash(read_config(path))
    except ConfigError:
        return None


def disk(home: str) -> dict[str, Optional[int]]:
    try:
        found = os.statvfs(home)
    except OSError:
        return {"free_bytes": None, "total_bytes": None}
    return {"free_bytes": found.f_bavail * found.f_frsize, "total_bytes": found.f_blocks * found.f_frsize}


def history_bytes(home: str) -> int:
    total = 0
    for name in ("minisched.db", "minisched.db-wal"):
        try:
            total += os.stat(os.path.join(home, "var", name)).st_size
        except OSError:
            pass  # there is none yet, or none of it
    return total


def beat_age(ports: Ports) -> float:
    """Seconds since the engine's loop came round last."""
    return max(0.0, ports.monotonic() - ports.board.engine.beat)


def healthz(call: Call) -> Response:
    reasons = unwell(call.ports)
    health: dict[str, Any] = {"status": "degraded" if reasons else "ok"}
    if call.request.authorized:
        health["reasons"] = reasons
    return json_answer(503 if reasons else 200, health)


def unwell(ports: Ports) -> list[str]:
    """Why the engine is not well; nothing of it is asked of the disk."""
    engine = ports.board.engine
    reasons = [f"{about}: {message}" for about, message in engine.problems.items() if about != "config"]
    reasons += [render(problem.as_text()) for problem in engine.config_problems]
    if "config" in engine.problems and not engine.config_problems:
        reasons.append(f"config: {engine.problems['config']}")
    if beat_age(ports) > LATE_BEAT_S:
        reasons.append(f"the engine's loop has stood still for {beat_age(ports):.0f} s")
    if engine.stopping:
        reasons.append("the engine is stopping")
    return reasons
