"""Tasks as systemd units: a service and a timer, and a gate between them where a run must not wait for the last one.

What is written was tried on systemd 252: a service that is running is started again right after its end (`queue`), so
that `skip` and `replace` need a unit of their own, which the timer starts.
"""

from __future__ import annotations

import math
import posixpath

from minisched.migration import export
from minisched.migration.clocks import LeftOut, next_systemd, on_calendar
from minisched.migration.export import PRELUDE_NAME, Exported, Notes
from minisched.model import Config, Dependency, ExitCodes, Misfire, On, Overlap, Task, Text
from minisched.timetable import parse_schedule
from minisched.timetable.schedule import EverySchedule, RebootSchedule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

SECRETS = "/etc/minisched"  # the folder of the files with secrets, which the user writes
KNOWN = ("task_name", "task_description", "enabled", "task_cwd", "task_user", "task_nice", "task_limits")
SETTINGS_OF = {On.SUCCESS: ("OnSuccess",), On.FAILURE: ("OnFailure",), On.END: ("OnSuccess", "OnFailure")}
# The running service is "activating" while it runs, since it is `Type=oneshot`, and between two attempts.
_BUSY = "case $(systemctl show --property=ActiveState --value {unit}) in active|activating|deactivating|reloading) "
_START = "systemctl reset-failed --quiet {unit}; systemctl {verb} --no-block {unit}"


def export_systemd(config: Config, home: str, now: float) -> Exported:
    """Units of all tasks, for /etc/systemd/system. `now`: since 1970, for the nights of the report."""

    def make(task: Task, notes: Notes) -> dict[str, str]:
        """The timer with its gate, unless the end of another task starts this one. Raises LeftOut."""
        upstream = export.only_upstream(task)
        timer = {} if upstream else _timer(task, notes)
        _notes(task, upstream, notes)
        return timer

    timers, reports = export.each_task(config, make, KNOWN, now, next_systemd)
    tasks = [config.tasks[task_id] for task_id in timers]
    files: dict[str, str] = {}
    for task in tasks:
        files.update(timers[task.task_id])
        starts = {
            setting: [
                f"minisched-{one.task_id}.service"
                for one in tasks
                for dependency in one.task_dependencies
                if dependency.task_id == task.task_id and setting in SETTINGS_OF[dependency.on]
            ]
            for setting in SETTINGS_OF[On.END]
        }
        files[f"minisched-{task.task_id}.service"] = _service(task, home, starts)
    enabled = [f"minisched-{task.task_id}.timer" for task in tasks if task.enabled and timers[task.task_id]]
    return Exported(files, reports, Text("export.next.systemd", timers=" ".join(enabled) or "-"))


def _notes(task: Task, upstream: Optional[Dependency], notes: Notes) -> None:
    if upstream:
        code = "systemd.on_success" if upstream.on is On.SUCCESS else "systemd.on_failure"
        notes.approximated("task_dependencies", code, settings=[f"{name}=" for name in SETTINGS_OF[upstream.on]])
    if task.task_max_instances == 1:
        notes.exact("task_overlap")
    export.misfire(task, notes, target_keeps_one=True)
    if task.task_schedule and task.task_misfire is not Misfire.SKIP:
        notes.lost("task_misfire_grace", "systemd.grace")
    if task.task_jitter:
        notes.approximated("task_jitter", "systemd.jitter")
    retry = task.task_retry
    if retry.max_attempts > 1:
        notes.approximated(
            "task_retry", "systemd.retry" if retry.backoff > 1 or retry.jitter else "systemd.retry_plain"
        )
    codes = task.task_exit_codes
    if 0 not in codes.success:
        notes.lost("task_exit_codes", "systemd.exit_codes")
    elif codes != ExitCodes():
        notes.exact("task_exit_codes")
    if task.task_env_file:
        both = sorted(task.task_env)
        if both:
            notes.approximated("task_env_file", "systemd.env_file_order", names=both)
        else:
            notes.approximated("task_env_file", "systemd.env_file")
    if export.secret_names(task):
        path = f"{SECRETS}/{task.task_id}.env"
        notes.approximated("task_env", "systemd.secrets", names=export.secret_names(task), path=path)
    if task.task_notify:
        notes.lost("task_notify", "systemd.notify")
    if task.task_max_instances > 1:
        notes.lost("task_max_instances", "lost.instances")
    if task.task_condition is not None:
        notes.approximated("task_condition", "systemd.condition")
    if task.task_locks:
        notes.lost("task_locks", "systemd.locks")
    notes.lost("MINISCHED_*", "systemd.variables")


def _timer(task: Task, notes: Notes) -> dict[str, str]:
    """The timer, and the gate if there is one. Raises LeftOut."""
    lines = []
    for text in task.task_schedule:
        schedule = parse_schedule(text, task.task_id)
        if isinstance(schedule, RebootSchedule):
            lines.append("OnBootSec=1s")
            continue
        try:
            lines += [f"OnCalendar={value}" for value in on_calendar(schedule, task.task_timezone)]
        except LeftOut:
            if not isinstance(schedule, EverySchedule):
                raise
            lines += [f"OnBootSec={schedule.interval_s}s", f"OnUnitActiveSec={schedule.interval_s}s"]
            notes.approximated("task_schedule", "systemd.every", text=text)
    if not any(finding.field == "task_schedule" for finding in notes.findings):
        notes.exact("task_schedule")
    service, gate = f"minisched-{task.task_id}.service", f"minisched-{task.task_id}-due.service"
    gated = task.task_overlap is not Overlap.QUEUE
    persistent = "false" if task.task_misfire is Misfire.SKIP else "true"
    lines += [f"Unit={gate if gated else service}", f"Persistent={persistent}", "AccuracySec=1us"]
    if task.task_jitter:
        lines += [f"RandomizedDelaySec={_span(task.task_jitter)}", "FixedRandomDelay=true"]
    title = _value(task.task_name)
    timer = _unit(
        ("Unit", [f"Description={title}: due times"]), ("Timer", lines), ("Install", ["WantedBy=timers.target"])
    )
    files = {f"minisched-{task.task_id}.timer": timer}
    if gated:
        verb = "restart" if task.task_overlap is Overlap.REPLACE else "start"
        skip = _BUSY.format(unit=service) + "exit 0;; esac; " if task.task_overlap is Overlap.SKIP else ""
        command = skip + _START.format(unit=service, verb=verb)
        files[gate] = _unit(
            ("Unit", [f"Description={title}: start it unless it runs"]),
            ("Service", ["Type=oneshot", f"ExecStart=/bin/sh -c {_quoted(command)}"]),
        )
    return files


def _service(task: Task, home: str, starts: dict[str, list[str]]) -> str:
    """starts: the units that its end starts, by setting."""
    unit = [f"Description={_value(task.task_name)}"]
    unit += [f"{setting}={' '.join(units)}" for setting, units in starts.items() if units]
    retry = task.task_retry
    # The prelude gives a script its run id; the words after it are the command.
    prelude = 'export MINISCHED_RUN_ID="$INVOCATION_ID"; exec "$@"'
    command = ["/bin/sh", "-c", prelude, PRELUDE_NAME, *export.words_of(task)]
    condition = export.condition_words(task)
    service = [
        "Type=oneshot",
        f"WorkingDirectory={_value(export.folder_of(task, home))}",
        f"ExecStart={_command(command)}",
        *([f"ExecCondition={_command(condition)}"] if condition else []),
        f"TimeoutStartSec={'infinity' if task.task_timeout is None else _span(task.task_timeout)}",
        f"TimeoutStopSec={_span(task.task_kill_grace)}",
        "KillMode=control-group",
    ]
    env = {
        **dict(export.plain_env(task)),
        "PYTHONUNBUFFERED": "1",
        "MINISCHED_HOME": home,
        "MINISCHED_TASK_ID": task.task_id,
        "MINISCHED_TRIGGER": "schedule",
    }
    service += [f"Environment={_quoted(f'{name}={value}', variables=False)}" for name, value in env.items()]
    codes = task.task_exit_codes
    more = [str(code) for code in codes.success if code]
    service += [f"SuccessExitStatus={' '.join(more)}"] if more else []
    service += [f"EnvironmentFile={_value(posixpath.join(home, path))}" for path in task.task_env_file]
    service += [f"EnvironmentFile={SECRETS}/{task.task_id}.env"] if export.secret_names(task) else []
    if retry.max_attempts > 1:
        service += ["Restart=on-failure", f"RestartSec={_span(retry.delay)}"]
        final = " ".join(map(str, codes.business_failure))
        service += [f"RestartPreventExitStatus={final}"] if final else []
        spans = (task.task_timeout or 0) + task.task_kill_grace + retry.delay
        unit += [
            f"StartLimitBurst={retry.max_attempts}",
            f"StartLimitIntervalSec={_span(max(60, math.ceil(retry.max_attempts * spans)))}",
        ]
    service += [f"User={task.task_user}"] if task.task_user else []
    service += [f"Nice={task.task_nice}"] if task.task_nice is not None else []
    service += [f"{name}={value}" for name, value in export.limits_of(task, "LimitAS", "LimitCPU", "LimitNOFILE")]
    return _unit(("Unit", unit), ("Service", service))


def _unit(*sections: tuple[str, list[str]]) -> str:
    return "\n".join("\n".join((f"[{name}]", *lines, "")) for name, lines in sections)


def _command(words: list[str]) -> str:
    return " ".join([words[0], *map(_quoted, words[1:])])


def _span(seconds: float) -> str:
    return f"{math.ceil(seconds * 1000)}ms" if seconds % 1 else f"{int(seconds)}s"


def _value(text: str) -> str:
    """A plain value: one line, without the specifiers of systemd."""
    return " ".join(text.split()).replace("%", "%%")


def _quoted(word: str, variables: bool = True) -> str:
    """A word of a command line, or with `variables=False` an assignment, in the quotes of systemd."""
    escapes: dict[str, str] = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "%": "%%"}
    if variables:
        escapes["$"] = "$$"
    return '"' + "".join(escapes.get(char) or (char if char >= " " else f"\\x{ord(char):02x}") for char in word) + '"'
