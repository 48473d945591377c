"""Tasks as CronJobs of Kubernetes, in one JSON List for `kubectl apply -f`.

What is written is what the API server of 1.36 takes, and it was tried with its Job controller: exit code 1 ends a Job
after one attempt, other codes are tried again after 10 s, 20 s, 40 s and so on, at most 10 minutes.
"""

from __future__ import annotations

import json
import math
import re
from zlib import crc32

from minisched.migration import export
from minisched.migration.clocks import UTC, LeftOut, as_cron, five_fields, merged, next_robfig
from minisched.migration.export import PRELUDE_NAME, Exported, Notes
from minisched.model import Config, ExitCodes, Misfire, Overlap, Task, Text
from minisched.namedtuple import NamedTuple
from minisched.timetable.schedule import Schedule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME_MAX = 52  # the API server refuses longer names of CronJobs
HASH_CHARS = 6
CONTAINER = "task"
SKIP_DEADLINE_S = 15  # a start later than this is given up: the last run still goes on
KEPT_JOBS = 20
PLAIN, INDEXED = "plain", "indexed"  # of `--attempts`
KNOWN = ("task_name", "task_description", "enabled", "task_cwd")
OWN_RETRY = (10, 2, 600)  # delay, backoff, max_delay: constants of the Job controller
# For an image without minisched: the Job's name ends in the due minute since 1970.
DUE_TIME = """\
job=${MINISCHED_RUN_ID:-}; m=${job##*-}; case $m in ''|*[!0-9]*) m= ;; esac
if [ -n "$m" ]; then
  export MINISCHED_SCHEDULED_TIME="$(date -u -d @$((m*60)) +%Y-%m-%dT%H:%M:%S+00:00)"
fi
"""
ATTEMPT = "export MINISCHED_ATTEMPT=$((${MINISCHED_FAILURES:-0}+1)); unset MINISCHED_FAILURES\n"


class Image(NamedTuple):
    """How the tasks run in the cluster: `prefer` "queue" or "skip" for due times that find the last run going on."""

    name: str
    attempts: str = PLAIN
    prefer: str = "queue"


def export_kubernetes(config: Config, image: Image, now: float) -> Exported:
    """A List of CronJobs. Tasks with dependencies, seconds, `L`, `W`, `#`, `@at`, `@reboot` are left out."""
    made, reports = export.each_task(
        config, lambda task, notes: _cron_jobs(task, image, notes), KNOWN, now, next_robfig
    )
    items = [one for jobs in made.values() for one in jobs]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2, ensure_ascii=False) + "\n"
    return Exported({"cronjobs.json": text}, reports, Text("export.next.kubernetes"))


def _cron_jobs(task: Task, image: Image, notes: Notes) -> list[dict[str, Any]]:
    """One for each schedule. Raises LeftOut."""
    if export.only_upstream(task):
        raise LeftOut(Text("export.left.dependency", tasks=export.upstream_ids(task)))
    texts = [_times(schedule, task) for schedule in merged(task.task_schedule, task.task_id)]
    if len(texts) > 1:
        notes.approximated("task_schedule", "kubernetes.several", count=len(texts))
    else:
        notes.exact("task_schedule")
    job = _job(task, image, notes)
    return [
        _cron_job(task, image, job, fields, zone, index if len(texts) > 1 else 0)
        for index, (fields, zone) in enumerate(texts, 1)
    ]


def _times(schedule: Schedule, task: Task) -> tuple[str, str]:
    cron, utc = as_cron(schedule)
    return five_fields(cron, both=False), UTC if utc else task.task_timezone


def name_of(task_id: str, index: int = 0) -> str:
    """A name that Kubernetes takes, other for each id: lower case, `-` for `_`, and a hash where that changes it."""
    suffix = f"-{index}" if index else ""
    name = re.sub(r"[^a-z0-9-]", "-", task_id.lower()).strip("-")
    if name != task_id or len(name) + len(suffix) > NAME_MAX:
        digest = f"{crc32(task_id.encode()):08x}"[:HASH_CHARS]
        name = f"{name[: NAME_MAX - HASH_CHARS - 1 - len(suffix)].rstrip('-')}-{digest}".lstrip("-")
    return name + suffix


def _cron_job(task: Task, image: Image, job: dict[str, Any], fields: str, zone: str, index: int) -> dict[str, Any]:
    annotations = {"minisched/task-id": task.task_id}
    if task.task_name != task.task_id:
        annotations["minisched/task-name"] = task.task_name
    if task.task_description:
        annotations["minisched/description"] = task.task_description
    labels = {"app.kubernetes.io/managed-by": "minisched"}
    spec: dict[str, Any] = {
        "schedule": fields,
        "timeZone": zone,
        "concurrencyPolicy": _policy(task),
        "suspend": not task.enabled,
        "successfulJobsHistoryLimit": KEPT_JOBS,
        "failedJobsHistoryLimit": KEPT_JOBS,
        "jobTemplate": {"metadata": {"labels": labels, "annotations": annotations}, "spec": job},
    }
    spec["startingDeadlineSeconds"] = _deadline(task, image)
    metadata = {"name": name_of(task.task_id, index), "labels": labels, "annotations": annotations}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec}


def _policy(task: Task) -> str:
    if task.task_overlap is Overlap.REPLACE:
        return "Replace"
    return "Allow" if task.task_max_instances > 1 else "Forbid"


def _skips(task: Task, image: Image) -> bool:
    return task.task_overlap is Overlap.SKIP and task.task_max_instances == 1 and image.prefer == "skip"


def _deadline(task: Task, image: Image) -> int:
    if task.task_misfire is Misfire.SKIP or _skips(task, image):
        return SKIP_DEADLINE_S
    return max(SKIP_DEADLINE_S, math.ceil(task.task_misfire_grace))


def _notes(task: Task, image: Image, notes: Notes) -> None:
    """What the CronJob and its Job make of the fields; `_container` says the rest."""
    if task.task_max_instances > 1:
        notes.approximated("task_max_instances", "kubernetes.instances")
    elif task.task_overlap is not Overlap.SKIP:
        notes.exact("task_overlap")
    elif _skips(task, image):
        notes.approximated("task_overlap", "kubernetes.skip")
    else:
        notes.approximated("task_overlap", "kubernetes.queue")
    if task.task_condition is not None:
        notes.lost("task_condition", "kubernetes.condition")
    if task.task_locks:
        notes.lost("task_locks", "kubernetes.locks")
    export.misfire(task, notes, target_keeps_one=not _skips(task, image))
    retry, codes = task.task_retry, task.task_exit_codes
    if retry.max_attempts > 1 and (retry.delay, retry.backoff, retry.max_delay) == OWN_RETRY:
        notes.exact("task_retry")
    elif retry.max_attempts > 1:
        notes.approximated("task_retry", "kubernetes.retry", attempts=retry.max_attempts)
    if set(codes.success) != {0}:
        notes.lost("task_exit_codes", "kubernetes.exit_codes", codes=list(codes.success))
    elif codes != ExitCodes():
        notes.exact("task_exit_codes")


def _job(task: Task, image: Image, notes: Notes) -> dict[str, Any]:
    """The spec of the Job."""
    _notes(task, image, notes)
    retries, indexed = task.task_retry.max_attempts - 1, image.attempts == INDEXED
    job: dict[str, Any] = {"backoffLimit": retries}
    if indexed:
        job = {"completions": 1, "parallelism": 1, "completionMode": "Indexed", "backoffLimitPerIndex": retries}
    rules: list[dict[str, Any]] = [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    ]
    final = sorted({code for code in task.task_exit_codes.business_failure if code})
    if final:
        failed = {"containerName": CONTAINER, "operator": "In", "values": final}
        rules.append({"action": "FailJob", "onExitCodes": failed})
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": math.ceil(task.task_kill_grace),
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
    }
    if task.task_timeout is not None:
        pod["activeDeadlineSeconds"] = max(1, math.ceil(task.task_timeout))
    pod["containers"] = [_container(task, image, indexed, notes)]
    annotations = {"minisched/task-id": task.task_id}
    template = {"metadata": {"annotations": annotations}, "spec": pod}
    return {**job, "podFailurePolicy": {"rules": rules}, "template": template}


def _env(task: Task, indexed: bool, notes: Notes) -> list[dict[str, Any]]:
    """The variables of the container."""
    job_name = "metadata.labels['batch.kubernetes.io/job-name']"
    env: list[dict[str, Any]] = [{"name": name, "value": _literal(value)} for name, value in export.plain_env(task)]
    names = export.secret_names(task)
    if names:
        secret = name_of(task.task_id)
        env += [{"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}} for name in names]
        notes.approximated("task_env", "kubernetes.secrets", names=names, secret=secret)
    env += [
        {"name": "MINISCHED_TASK_ID", "value": task.task_id},
        {"name": "MINISCHED_TRIGGER", "value": "schedule"},
        {"name": "PYTHONUNBUFFERED", "value": "1"},
        {"name": "MINISCHED_RUN_ID", "valueFrom": {"fieldRef": {"fieldPath": job_name}}},
    ]
    if indexed:
        failures = "metadata.annotations['batch.kubernetes.io/job-index-failure-count']"
        env.append({"name": "MINISCHED_FAILURES", "valueFrom": {"fieldRef": {"fieldPath": failures}}})
    else:
        notes.lost("MINISCHED_ATTEMPT", "kubernetes.attempt")
    return env


def _prelude(task: Task, indexed: bool, notes: Notes) -> str:
    """What the shell does before it becomes the command."""
    lines = [DUE_TIME, ATTEMPT] if indexed else [DUE_TIME]
    if task.task_jitter:
        lines.append(f"sleep $(awk 'BEGIN {{ srand(); print int(rand() * {math.ceil(task.task_jitter)}) }}')\n")
        notes.approximated("task_jitter", "kubernetes.jitter")
    if task.task_limits:
        limits = export.limits_of(task, "v", "t", "n")
        lines += [f"ulimit -{flag} {value // 1024 if flag == 'v' else value}\n" for flag, value in limits]
        notes.exact("task_limits")
    nice = ""
    if task.task_nice is not None and task.task_nice >= 0:
        nice = f"nice -n {task.task_nice} "
        notes.exact("task_nice")
    elif task.task_nice is not None:
        notes.lost("task_nice", "kubernetes.nice")
    return "".join(lines) + f'exec {nice}"$@"'


def _container(task: Task, image: Image, indexed: bool, notes: Notes) -> dict[str, Any]:
    env = _env(task, indexed, notes)
    prelude = _prelude(task, indexed, notes)
    sources = [
        {"secretRef": {"name": name_of(f"{task.task_id}-env", number)}}
        for number in range(1, len(task.task_env_file) + 1)
    ]
    for source in sources:
        notes.approximated("task_env_file", "kubernetes.env_file", secret=source["secretRef"]["name"])
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": image.name,
        "command": ["/bin/sh", "-c", prelude, PRELUDE_NAME],
        "args": [_literal(word) for word in export.words_of(task)],
        "env": env,
        **({"envFrom": sources} if sources else {}),
    }
    if task.task_cwd:
        container["workingDir"] = task.task_cwd if task.task_cwd.startswith("/") else f"/{task.task_cwd}"
    else:
        notes.approximated("task_cwd", "kubernetes.cwd")
    if task.task_user:
        notes.lost("task_user", "kubernetes.user", user=task.task_user)
    return container


def _literal(text: str) -> str:
    """The kubelet replaces `$(NAME)` in arguments and values; `$$(` is `$(` to it."""
    return text.replace("$(", "$$(")
