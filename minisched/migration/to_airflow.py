"""Tasks as DAGs of Airflow 3: one Python file for each group of tasks that depend on each other.

A dependency is an asset: a task updates its own, and a dependent is scheduled on those of its upstream tasks, so that a
join runs once all of them have come. The files need no minisched: a runner in each keeps the contract of exit codes.
"""

from __future__ import annotations

import pprint

from minisched.migration import export
from minisched.migration.clocks import UTC, LeftOut, as_cron, five_fields, merged
from minisched.migration.export import Exported, Notes
from minisched.model import Config, ExitCodes, Misfire, On, Overlap, Task, Text
from minisched.timetable.schedule import AtSchedule, RebootSchedule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KNOWN = ("task_name", "task_description", "task_tags", "enabled", "task_cwd", "task_nice", "task_limits", "task_user")
POOL = "minisched"
HEADER = '''\
"""Made by `minisched export --to airflow`; for Airflow 3. The tasks are in TASKS, how they run is below."""

from __future__ import annotations

import os
import signal
import subprocess
from datetime import datetime, timedelta, timezone

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Asset, Variable
from airflow.timetables.trigger import MultipleCronTriggerTimetable

TASKS = '''
BEGIN = "\nSTART = {start}  # of the schedules, since 1970: what was due before the export is not run\n"
RUNNER = '''

def run(minisched_id, **context):
    """Run the command in a process group of its own. A business failure fails at once, any other is tried again."""
    task = next(one for one in TASKS if one["id"] == minisched_id)
    trigger = context["dag_run"]
    due = trigger.logical_date or trigger.run_after
    env = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        **task["env"],
        **{name: Variable.get(name) for name in task["secrets"]},
        "MINISCHED_TASK_ID": task["id"],
        "MINISCHED_RUN_ID": trigger.run_id,
        "MINISCHED_ATTEMPT": str(context["ti"].try_number),
        "MINISCHED_TRIGGER": "schedule" if task["schedule"] else "dependency",
        "MINISCHED_SCHEDULED_TIME": due.isoformat(),
    }
    command = task["exec"] if isinstance(task["exec"], list) else ["/bin/sh", "-c", task["exec"]]
    process = subprocess.Popen(
        command, cwd=task["cwd"], env=env, stdin=subprocess.DEVNULL, start_new_session=True,
        user=task["user"], preexec_fn=lambda: prepare(task),
    )
    try:
        code = process.wait(task["timeout"])
    except BaseException as error:  # the timeout, or Airflow ends the task
        end(process, task["kill_grace"])
        if isinstance(error, subprocess.TimeoutExpired):
            raise AirflowException(f"no end within {task['timeout']} s") from None
        raise
    if code in task["business_failure"]:
        raise AirflowFailException(f"exit code {code}: a business failure, not tried again")
    if code not in task["success"]:
        raise AirflowException(f"exit code {code}")


def prepare(task):
    """In the new process, before the command."""
    if task["nice"]:
        os.nice(task["nice"])
    if task["limits"]:
        import resource

        for name, value in task["limits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))


def end(process, grace):
    """TERM to all processes of the command, and KILL to those that are left after `grace` seconds."""
    for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            pass


for _task in TASKS:
    with DAG(
        dag_id=_task["id"],
        dag_display_name=_task["name"],
        description=_task["description"] or None,
        tags=_task["tags"],
        schedule=(
            MultipleCronTriggerTimetable(*_task["schedule"], timezone=_task["timezone"])
            if _task["schedule"]
            else [Asset(name) for name in _task["upstream"]] or None
        ),
        start_date=datetime.fromtimestamp(START, timezone.utc),
        catchup=_task["catchup"],
        max_active_runs=_task["max_active_runs"],
        is_paused_upon_creation=_task["paused"],
    ) as _dag:
        PythonOperator(
            task_id=_task["id"],
            python_callable=run,
            op_kwargs={"minisched_id": _task["id"]},  # Airflow would fill in templates in anything else
            pool=_task["pool"],
            retries=_task["retries"],
            retry_delay=timedelta(seconds=_task["retry_delay"]),
            retry_exponential_backoff=_task["backoff"],
            max_retry_delay=timedelta(seconds=_task["max_retry_delay"]),
            outlets=[Asset(_task["id"])],
        )
    globals()[f"dag_{_task['id']}"] = _dag
'''


def export_airflow(config: Config, home: str, now: float) -> Exported:
    """Python files for Airflow's folder of DAGs, one for each group of tasks that depend on each other."""
    said, reports = export.each_task(config, lambda task, notes: _said(task, home, notes), KNOWN, now)
    files = {}
    for group in _groups(config, said):
        tasks = pprint.pformat([said[task_id] for task_id in group], width=110, sort_dicts=False)
        text = HEADER + tasks + "\n" + BEGIN.format(start=int(now)) + RUNNER
        files[f"minisched_{group[0]}.py"] = text
    return Exported(files, reports, Text("export.next.airflow", slots=config.settings.max_running))


def _refuse(task: Task) -> None:
    """Raises LeftOut."""
    export.refuse_within(task)
    if task.task_schedule and task.task_dependencies:
        raise LeftOut(Text("export.left.schedule_and_dependency", tasks=export.upstream_ids(task)))
    others = [one.task_id for one in task.task_dependencies if one.on is not On.SUCCESS]
    if others:
        raise LeftOut(Text("export.left.on", tasks=others))
    if task.task_env_file:
        raise LeftOut(Text("export.left.env_file", paths=list(task.task_env_file)))


def _notes(task: Task, notes: Notes) -> None:
    if task.task_dependencies:
        notes.exact("task_dependencies")
    elif task.task_schedule:
        notes.approximated("task_schedule", "airflow.nights")
    if task.task_overlap is Overlap.SKIP and task.task_max_instances == 1:
        notes.approximated("task_overlap", "airflow.queue")
    elif task.task_overlap is Overlap.REPLACE:
        notes.lost("task_overlap")
    else:
        notes.exact("task_overlap")
    if task.task_condition is not None:
        notes.lost("task_condition", "airflow.condition")
    if task.task_locks:
        notes.lost("task_locks", "airflow.locks")
    if task.task_misfire is Misfire.ALL:
        notes.exact("task_misfire")
    else:
        export.misfire(task, notes, target_keeps_one=True)
        if task.task_schedule:
            notes.lost("task_misfire_grace")
    retry = task.task_retry
    if retry.max_attempts > 1:
        if retry.jitter or retry.backoff not in (1, 2):
            notes.approximated("task_retry", "airflow.retry")
        else:
            notes.exact("task_retry")
    if task.task_exit_codes != ExitCodes():
        notes.exact("task_exit_codes")
    if export.secret_names(task):
        notes.approximated("task_env", "airflow.secrets", names=export.secret_names(task))
    if task.task_calendar:
        notes.lost("task_calendar", "airflow.calendar", calendar=task.task_calendar.name)


def _said(task: Task, home: str, notes: Notes) -> dict[str, Any]:
    """What the file says of a task. Raises LeftOut."""
    _refuse(task)
    fields, zone = _times(task)
    _notes(task, notes)
    retry = task.task_retry
    return {
        "id": task.task_id,
        "name": task.task_name,
        "description": task.task_description,
        "tags": list(task.task_tags),
        "exec": task.task_exec if isinstance(task.task_exec, str) else list(task.task_exec),
        "cwd": export.folder_of(task, home),
        "env": dict(export.plain_env(task)),
        "secrets": export.secret_names(task),
        "user": task.task_user,
        "nice": task.task_nice or 0,
        "limits": dict(export.limits_of(task, "RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_NOFILE")),
        "timeout": task.task_timeout,
        "kill_grace": task.task_kill_grace,
        "success": list(task.task_exit_codes.success),
        "business_failure": list(task.task_exit_codes.business_failure),
        "schedule": fields,
        "timezone": zone,
        "upstream": export.upstream_ids(task),
        "catchup": task.task_misfire is Misfire.ALL,
        "max_active_runs": task.task_max_instances,
        "paused": not task.enabled,
        "pool": POOL,
        "retries": retry.max_attempts - 1,
        "retry_delay": retry.delay,
        "backoff": retry.backoff > 1,
        "max_retry_delay": retry.max_delay,
    }


def _times(task: Task) -> tuple[list[str], str]:
    """Texts in five fields, and the zone in which all of them are meant. Raises LeftOut."""
    found, zones = [], set()
    for schedule in merged(task.task_schedule, task.task_id):
        if isinstance(schedule, (AtSchedule, RebootSchedule)):
            raise LeftOut(Text("export.lost.at" if isinstance(schedule, AtSchedule) else "export.lost.reboot"))
        cron, utc = as_cron(schedule)
        found.append(five_fields(cron, both=False))
        zones.add(UTC if utc else task.task_timezone)
    if len(zones) > 1:
        raise LeftOut(Text("export.left.zones"))
    return found, zones.pop() if zones else task.task_timezone


def _groups(config: Config, said: dict[str, dict[str, Any]]) -> list[list[str]]:
    """The ids of the tasks in groups that depend on each other, each in the order of the config."""
    group_of: dict[str, list[str]] = {task_id: [task_id] for task_id in said}
    for task_id in said:
        for upstream in export.upstream_ids(config.tasks[task_id]):
            one, other = group_of[task_id], group_of.get(upstream)
            if other is not None and other is not one:
                other += one
                group_of.update(dict.fromkeys(one, other))
    order = list(said)
    return [sorted(group, key=order.index) for group in {id(group): group for group in group_of.values()}.values()]
