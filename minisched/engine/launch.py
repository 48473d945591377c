"""What a task's process gets: command, working directory, log, environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minisched.config.secrets import base_environment
from minisched.executor.program import from_home
from minisched.model import ProcessSpec, Secret, StoreError, TaskRecord, Text, TextError, iso

if TYPE_CHECKING:
    from datetime import tzinfo

    from minisched.engine.state import ActiveRun, Outside
    from minisched.model import Config, Task, TaskExecution


class Launcher:
    """Makes the process of each attempt, by the config in force."""

    def __init__(self, outside: Outside) -> None:
        self.base: dict[str, str] = {}  # what every process inherits of the engine's environment
        self._ledger, self._system = outside.ledger, outside.system

    def use(self, config: Config) -> None:
        self.base = base_environment(self._system.environ, config)

    def spec(self, active: ActiveRun) -> ProcessSpec:
        """Raises SecretError."""
        task, system = active.task_state.task, self._system
        task_state = active.task_state
        record = task_state.record
        if not task_state.results_known:
            try:
                record = self._ledger.record(task.task_id)
                task_state.set_results(record.last_status, record.last_success_time)
            except StoreError:
                record = TaskRecord(task.task_id)  # the attempt is due and on disk: it starts without these results
        return make_spec(task, active.run, record, system.home, task_state.zone, system.environ, self.base)


class SecretError(TextError):
    """A secret of `task_env` cannot be read; `text` names it, its place and the reason."""

    def __init__(self, name: str, reason: Text) -> None:
        super().__init__(Text("task_env", name=name, reason=reason))


def _revealed(name: str, secret: Secret, environ: Mapping[str, str], home: str) -> str:
    try:
        return secret.reveal(environ, home)
    except OSError as error:
        raise SecretError(name, Text("unreadable", path=error.filename, reason=error.strerror)) from None
    except UnicodeDecodeError:
        raise SecretError(name, Text("not_utf8", path=os.path.join(home, secret.place))) from None
    except LookupError:
        raise SecretError(name, Text("variable_not_set", name=secret.place)) from None


def make_spec(
    task: Task,
    run: TaskExecution,
    record: TaskRecord,
    home: str,
    zone: tzinfo,
    environ: Mapping[str, str],
    base: Mapping[str, str],
) -> ProcessSpec:
    """The process of the run's current attempt. Raises SecretError if a secret cannot be read.

    environ: the engine's whole environment, for `from_env`. base: what of it every task inherits.
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
        task_exec=from_home(task.task_exec, task.task_cwd, home),
        cwd=os.path.join(home, task.task_cwd or ""),
        env=env,
        log=os.path.join(home, "logs", task.task_log),
        timeout_s=task.task_timeout,
        kill_grace_s=task.task_kill_grace,
        user=task.task_user,
        nice=task.task_nice,
        limits=task.task_limits,
        output_encoding=task.task_output_encoding,
    )
