"""Tasks as lines of a crontab."""

from __future__ import annotations

import math
import shlex

from minisched.migration import export
from minisched.migration.clocks import UTC, LeftOut, as_cron, five_fields, merged
from minisched.migration.export import Exported, Notes
from minisched.model import Config, ExitCodes, Misfire, Overlap, Task, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

KNOWN = ("task_name", "enabled", "task_cwd", "task_nice")
LOCKS = "/tmp/minisched-{}.lock"


def export_crontab(config: Config, home: str, now: float, zone: Optional[str]) -> Exported:
    """Lines of all tasks for `crontab FILE`. `zone`: that of the machine; None: cronie, which has CRON_TZ."""

    def make(task: Task, notes: Notes) -> tuple[set[str], list[str]]:
        """The zones that its times are meant in, at most one, and its lines. Raises LeftOut."""
        if export.only_upstream(task):
            raise LeftOut(Text("export.left.dependency", tasks=export.upstream_ids(task)))
        times = _times(task)
        zones = {name for _, name in times if name}
        if len(zones) > 1:
            raise LeftOut(Text("export.left.zones"))
        if zone is not None and zones - {zone}:
            raise LeftOut(Text("export.left.zone", zone=sorted(zones - {zone})[0], machine=zone))
        command = _command(task, home, notes)
        _notes(task, notes)
        title = [f"# {' '.join(task.task_name.split())}"] if task.task_name != task.task_id else []
        return zones, [*title, *(f"{'' if task.enabled else '#'}{fields} {command}" for fields, _ in times)]

    made, reports = export.each_task(config, make, KNOWN, now)
    lines: list[str] = []
    current: Optional[str] = None
    for zones, own_lines in made.values():
        lines.append("")
        if zone is None and zones and zones != {current}:
            (current,) = zones
            lines.append(f"CRON_TZ={current}")
        lines += own_lines
    return Exported({"crontab": "".join(f"{line}\n" for line in lines)}, reports, Text("export.next.crontab"))


def _times(task: Task) -> list[tuple[str, str]]:
    """Five fields or a macro, and the zone they are meant in. Raises LeftOut."""
    found = [("@reboot", "") for text in task.task_schedule if export.is_reboot(text)]
    for schedule in merged([text for text in task.task_schedule if not export.is_reboot(text)], task.task_id):
        cron, utc = as_cron(schedule)
        found.append(
            (five_fields(cron, both=True), UTC if utc and not _same_in_each_zone(cron.minutes) else task.task_timezone)
        )
    return found


def _same_in_each_zone(minutes: int) -> bool:
    """Whether times of `@every` are the same in each zone whose offset is a multiple of 15 minutes."""
    turned = minutes
    for _ in range(3):
        turned = (turned << 15 | turned >> 45) & (1 << 60) - 1
        if turned != minutes:
            return False
    return True


def _command(task: Task, home: str, notes: Notes) -> str:
    """The command on one line, with what cron lacks around it. Raises LeftOut."""
    if task.task_user:
        raise LeftOut(Text("export.left.user", user=task.task_user))
    words, condition = export.words_of(task), export.condition_words(task)
    if any("\n" in word for word in (*words, *condition)):
        raise LeftOut(Text("export.left.lines"))
    if task.task_env_file:
        raise LeftOut(Text("export.left.env_file", paths=list(task.task_env_file)))
    if export.secret_names(task):
        raise LeftOut(Text("export.left.secrets", names=export.secret_names(task)))
    before: list[str] = []
    if task.task_overlap is Overlap.REPLACE or task.task_max_instances > 1:
        notes.lost("task_overlap")
    else:
        before += ["flock", *(["-n"] if task.task_overlap is Overlap.SKIP else []), LOCKS.format(task.task_id)]
        notes.exact("task_overlap")
    for name in sorted(task.task_locks):  # in one order everywhere, so that no two wait for each other
        before += ["flock", LOCKS.format(f"lock.{name}")]
    if task.task_locks:
        notes.approximated("task_locks", "crontab.locks")
    if task.task_timeout is not None:
        before += ["timeout", "-k", _seconds(task.task_kill_grace), _seconds(task.task_timeout)]
        notes.exact("task_timeout")
    if task.task_nice is not None:
        before += ["nice", "-n", str(task.task_nice)]
    env = dict(export.plain_env(task))
    if env:
        variables = ["env", *(f"{name}={value}" for name, value in env.items())]
        before = [*variables, *before]
        condition = [*variables, *condition] if condition else []
        notes.exact("task_env")
    delay = ""
    if task.task_jitter:
        delay = f"perl -e 'sleep rand {math.ceil(task.task_jitter)}' && "
        notes.approximated("task_jitter", "crontab.jitter")
    asked = ""
    if condition:
        asked = f"{shlex.join(condition)} && "
        notes.approximated("task_condition", "crontab.condition")
    command = f"cd {shlex.quote(export.folder_of(task, home))} && {delay}{asked}{shlex.join([*before, *words])}"
    if any("\n" in value for value in env.values()):
        raise LeftOut(Text("export.left.lines"))
    return command.replace("%", "\\%")


def _seconds(seconds: float) -> str:
    return f"{seconds:g}"


def _notes(task: Task, notes: Notes) -> None:
    notes.exact("task_schedule")
    if task.task_misfire is not Misfire.SKIP:
        notes.lost("task_misfire", "crontab.misfire")
    if task.task_retry.max_attempts > 1:
        notes.lost("task_retry")
    if task.task_exit_codes != ExitCodes():
        notes.lost("task_exit_codes", "crontab.exit_codes")
    notes.lost("MINISCHED_*", "lost.variables")
    notes.lost("task_log", "crontab.output")
