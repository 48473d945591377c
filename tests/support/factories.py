"""Values for tests: a task, settings and a config with everything at its default but what a test names."""

from __future__ import annotations

import json
from typing import Any

from minisched.config import parse_config
from minisched.model import Config, Task

SMTP = {"host": "mail.example.org", "from": "minisched@example.org"}


def config(*tasks: dict[str, Any], **settings: Any) -> Config:
    """A checked config of these tasks; settings as in the file."""
    document = {"version": 1, "settings": {"timezone": "UTC", **settings}, "tasks": list(tasks)}
    result, problems = parse_config(json.dumps(document).encode())
    assert result is not None, problems
    return result


def task(task_id: str = "backup", **fields: Any) -> Task:
    """A checked task that runs `true`. Dependencies are made up beside it, and a mail server."""
    names = [one if isinstance(one, str) else one["task_id"] for one in fields.get("task_dependencies", ())]
    others = [{"task_id": name, "task_exec": "true"} for name in names]
    return config({"task_id": task_id, "task_exec": "true", **fields}, *others, smtp=SMTP).tasks[task_id]
