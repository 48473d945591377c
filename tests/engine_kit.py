"""What the tests of the simulated engine share: short ways to write tasks, ends and configs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from factory import config
from simulator import Exit, Sim

from minisched.model import Launch

T0 = 1_800_000_000 - 1_800_000_000 % 86_400  # a midnight in UTC

MakeSim = Callable[..., Sim]


def task(task_id: str = "a", schedule: Any = None, **fields: Any) -> dict[str, Any]:
    if schedule is not None:
        fields["task_schedule"] = schedule
    return {"task_id": task_id, "task_exec": "true", **fields}


def exits(**by_task: Any) -> Callable[[Launch, random.Random], Exit]:
    """A script: per task an Exit, or a list of them for its attempts in order."""
    left = {name: list(value) if isinstance(value, list) else value for name, value in by_task.items()}

    def script(launch: Launch, draw: random.Random) -> Exit:
        how = left.get(launch.task_id, Exit(1.0))
        if isinstance(how, list):
            return how.pop(0) if how else Exit(1.0)
        return how

    return script


def configure(one: Sim, *tasks: dict[str, Any], **settings: Any) -> None:
    one.source.write(config(*tasks, **settings))
