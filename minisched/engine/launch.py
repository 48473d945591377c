"""What a task's process gets: its command, folder, log and environment."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Union

from minisched.config.secrets import base_environment
from minisched.model import ProcessSpec, Secret, iso

if TYPE_CHECKING:
    from datetime import tzinfo

    from minisched.model import Task, TaskExecution, TaskRecord

__all__ = ["base_environment", "make_launch"]


def _revealed(name: str, secret: Secret, environ: Mapping[str, str], home: str) -> str:
    try:
        return secret.reveal(environ, home)
    except OSError as error:
        raise LookupError(f"{name}: {error.filename}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LookupError(f"{name}: {os.path.join(home, secret.place)}: not UTF-8") from None
    except LookupError as error:
        raise LookupError(f"{name}: {error}") from None


_PROGRAM = re.compile(r"[\w.-]+(?:/[\w.-]+)+(?=\s|$)")


def _from_home(task: Task, home: str) -> Union[str, tuple[str, ...]]:
    """The command with a relative program starting from the home (SPEC section 2), also where `task_cwd` is elsewhere.

    Of a text that is the first word, where it is a plain path of a file that is there; the rest is the shell's.
    """
    if not isinstance(task.task_exec, str):
        program, *arguments = task.task_exec
        return (os.path.join(home, program) if "/" in program else program, *arguments)
    first = _PROGRAM.match(task.task_exec) if task.task_cwd else None
    if first and os.path.isfile(os.path.join(home, first[0])):
        return shlex.quote(os.path.join(home, first[0])) + task.task_exec[first.end() :]
    return task.task_exec


def make_launch(
    task: Task,
    run: TaskExecution,
    record: TaskRecord,
    home: str,
    zone: tzinfo,
    environ: Mapping[str, str],
    base: Mapping[str, str],
) -> ProcessSpec:
    """The order for the executor. Raises LookupError where a secret cannot be read, with its name and place.

    environ: the engine's whole environment, for `from_env`; base: what of it every task gets.
    """
    due = run.created_time if run.scheduled_time is None else run.scheduled_time
    env = {
        **base,
        "PYTHONUNBUFFERED": "1",
        **{
            name: _revealed(name, value, environ, home) if isinstance(value, Secret) else value
            for name, value in task.task_env.items()
        },
        **(run.env or {}),
        "MINISCHED_HOME": home,
        "MINISCHED_TASK_ID": task.task_id,
        "MINISCHED_RUN_ID": str(run.run_id),
        "MINISCHED_ATTEMPT": str(run.attempt),
        "MINISCHED_TRIGGER": run.trigger.value,
        "MINISCHED_SCHEDULED_TIME": iso(int(due), zone) or "",
        "MINISCHED_PREVIOUS_STATUS": record.last_status.value if record.last_status else "",
        "MINISCHED_LAST_SUCCESS_TIME": iso(record.last_success_time, zone) or "",
    }
    return ProcessSpec(
        run_id=run.run_id,
        attempt=run.attempt,
        task_id=task.task_id,
        task_exec=_from_home(task, home),
        cwd=os.path.join(home, task.task_cwd or ""),
        env=env,
        log=os.path.join(home, "logs", task.task_log),
        timeout_s=task.task_timeout,
        kill_grace_s=task.task_kill_grace,
        user=task.task_user,
        nice=task.task_nice,
        limits=task.task_limits,
    )
