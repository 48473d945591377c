"""What a task's process gets: command, working directory, log, environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module

from minisched.config import check_permissions
from minisched.config.secrets import base_environment, secret_variables
from minisched.engine.state import NEW, KnownRecord
from minisched.executor.program import from_home
from minisched.home import Home
from minisched.model import ProcessSpec, Secret, SecretError, StoreError, Text, TextError, iso
from minisched.osutil import Importing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import tzinfo
    from typing import Optional

    from minisched.engine.state import ActiveRun, Outside
    from minisched.model import Config, Task, TaskExecution

ENV_FILES = "minisched.config.env_file"
CONDITION_ATTEMPT = 0  # in place of the number of an attempt, in the log and in messages
CONDITION_TIMEOUT_S = 30.0
USER_ENV = ("PATH", "LANG", "TZ")  # and LC_*: what a process of another user gets of the engine's environment


class Launcher:
    """Makes the process of each attempt, by the config in force."""

    def __init__(self, outside: Outside) -> None:
        self.base: dict[str, str] = {}  # what every process inherits of the engine's environment
        self._secret: set[str] = set()  # names of variables
        self._ledger, self._system = outside.ledger, outside.system

    def use(self, config: Config) -> None:
        """A variable that a config once read a secret from stays secret: a config that no longer names it would give
        it to every task."""
        self._secret |= secret_variables(config)
        self.base = base_environment(self._system.environ, config, self._secret)
        if any(task.task_env_file for task in config.tasks.values()):
            try:
                with Importing():
                    import_module(ENV_FILES)  # while there are descriptors to read it
            except (ImportError, OSError):
                pass  # the next start of a task with such a file tries again

    def unsafe(self) -> Optional[Text]:
        """Why nothing may be started: another user could have replaced the scripts or the config of the home. While no
        other user can change the folders above them, paths lead where they led; so this is asked right before."""
        problems = check_permissions(Home(self._system.home).config)
        return Text("unsafe_home", problem=problems[0].as_text()) if problems else None

    def spec(self, active: ActiveRun, unsafe: Optional[Text] = None) -> ProcessSpec:
        """unsafe: as returned by the function of that name."""
        task, system = active.task_state.task, self._system
        task_state = active.task_state
        record = task_state.record
        if not task_state.results_known:
            try:
                record = KnownRecord.of(self._ledger.record(task.task_id))
                task_state.set_results(record.last_status, record.last_success_time)
            except StoreError:
                record = NEW  # the attempt is due and on disk: it starts without these results
        spec = make_spec(task, active.run, record, system.home, task_state.zone, system.environ, self.base)
        return spec if unsafe is None else spec._replace(refused=unsafe)

    def condition_spec(self, active: ActiveRun, unsafe: Optional[Text] = None) -> ProcessSpec:
        """The process of the task's condition: as that of the task, but for the command and the time limit."""
        task, spec = active.task_state.task, self.spec(active, unsafe)
        assert task.task_condition is not None
        return spec._replace(
            attempt=CONDITION_ATTEMPT,
            task_exec=from_home(task.task_condition, task.task_cwd, self._system.home),
            env={**spec.env, "MINISCHED_ATTEMPT": str(CONDITION_ATTEMPT)},
            timeout_s=CONDITION_TIMEOUT_S,
        )

    def log_path(self, task: Task) -> str:
        return os.path.join(self._system.home, "logs", task.log_file)


def make_spec(
    task: Task,
    run: TaskExecution,
    record: KnownRecord,
    home: str,
    zone: tzinfo,
    environ: Mapping[str, str],
    base: Mapping[str, str],
) -> ProcessSpec:
    """The process of the run's current attempt; `refused` if a secret or an env file cannot be read.

    environ: the engine's whole environment, for `from_env`. base: what of it every task inherits.
    """
    own: dict[str, str] = {}
    refused: Optional[Text] = None
    if task.task_env_file:
        try:
            with Importing():
                module = import_module(ENV_FILES)
            own.update(module.read_env_files(home, task.task_env_file))
        except TextError as error:
            refused = Text("task_env_file", reason=error.text)
        except (ImportError, OSError) as error:
            refused = Text("task_env_file", reason=str(error))
    for name, value in task.task_env.items():
        try:
            own[name] = value.reveal(environ, home) if isinstance(value, Secret) else value
        except SecretError as error:
            refused = Text("task_env", name=name, reason=error.text)
    if task.task_user is not None:  # as cron and systemd do; the executor adds HOME, USER, LOGNAME and SHELL
        base = {name: value for name, value in base.items() if name in USER_ENV or name.startswith("LC_")}
    facts = _facts(run, record, home, zone)
    return ProcessSpec(
        run_id=run.run_id,
        attempt=run.attempt,
        task_id=task.task_id,
        task_exec=from_home(task.task_exec, task.task_cwd, home),
        cwd=os.path.join(home, task.task_cwd or ""),
        env={**base, "PYTHONUNBUFFERED": "1", **own, **(run.env or {}), **facts},
        log=os.path.join(home, "logs", task.log_file),
        timeout_s=task.task_timeout,
        kill_grace_s=task.task_kill_grace,
        user=task.task_user,
        nice=task.task_nice,
        limits=task.task_limits,
        output_encoding=task.task_output_encoding,
        refused=refused,
    )


def _facts(run: TaskExecution, record: KnownRecord, home: str, zone: tzinfo) -> dict[str, str]:
    """What a script can know of its run; no variable of the task or of the run replaces these."""
    due = run.created_time if run.scheduled_time is None else run.scheduled_time
    return {
        "MINISCHED_HOME": home,
        "MINISCHED_TASK_ID": run.task_id,
        "MINISCHED_RUN_ID": str(run.run_id),
        "MINISCHED_ATTEMPT": str(run.attempt),
        "MINISCHED_TRIGGER": run.trigger.value,
        "MINISCHED_SCHEDULED_TIME": iso(int(due), zone) or "",
        "MINISCHED_PREVIOUS_STATUS": record.last_status.value if record.last_status else "",
        "MINISCHED_LAST_SUCCESS_TIME": iso(record.last_success_time, zone) or "",
    }
