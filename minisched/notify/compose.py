"""From the end of a run to its notifications, for the engine and for `exec`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Optional

from minisched import catalogue
from minisched.config import config_hash
from minisched.model import Delivery, StoreError, iso
from minisched.model.notification import Notices, NotificationEvent, TemplateVariables
from minisched.notify.routing import keys_of
from minisched.notify.rules import decide
from minisched.timetable import load_zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from minisched.model import Config, Settings, Task, TaskExecution
    from minisched.store.outbox import RunHistory
    from minisched.store.writer import Transaction

TEMPLATES = "minisched.notify.templates"


class Composed(NamedTuple):
    """What `add_notices` did."""

    deliveries: int = 0
    failed: Mapping[int, str] = {}  # run_id -> why its messages could not be made


def prepare(config: Config) -> None:
    """Import what messages are made with, which takes 2 ms, if a task has rules: once the process is out of file
    descriptors nothing can be imported any more."""
    if any(task.task_notify for task in config.tasks.values()):
        catalogue.load("notify")
        try:
            import_module(TEMPLATES)
            config_hash(b"")  # imports a module too
        except (ImportError, OSError):
            pass  # the first end of a run with rules tries again


def add_notices(
    tx: Transaction, runs: Sequence[TaskExecution], run_ids: Sequence[int], config: Config, host_name: str, home: str
) -> Composed:
    """In the transaction that has written `runs` under these ids: add the deliveries for those that have ended.

    Raises StoreError only: the end of a run is written, whatever goes wrong with its messages.
    """
    count, failed = 0, {}
    for run, run_id in zip(runs, run_ids):
        task = config.tasks.get(run.task_id)
        if task is None or not task.task_notify or not run.status.ended or run.end_time is None:
            continue
        if run_id in tx.ended_before:
            continue
        run = run._replace(run_id=run_id)
        try:
            notices = compose(run, tx.history(run), task, config.settings, host_name, home)
        except StoreError:
            raise
        except Exception as error:  # a missing file descriptor or a bug: it costs this run's messages, not the run
            failed[run_id] = f"{type(error).__name__}: {error}"
            continue
        tx.add_notices(notices)
        count += len(notices.deliveries)
    return Composed(count, failed) if count or failed else _NOTHING


_NOTHING = Composed()


def compose(
    run: TaskExecution, history: RunHistory, task: Task, settings: Settings, host_name: str, home: str
) -> Notices:
    """The deliveries for the end of `run`, and the new state of the task's rules. Raises StoreError from `history`."""
    assert run.end_time is not None
    states, deliveries = [], []
    for rule in task.task_notify:
        before = history.state(rule.name)
        decision = decide(rule, history.finished(), before, run.end_time)
        if decision.state != before:
            states.append(decision.state)
        if decision.event is None:
            continue
        # A recovery ends the streak.
        streak = decision.streak if decision.event is NotificationEvent.EVENT else 0
        variables = variables_of(run, task, settings, host_name, history.tail(), streak, decision.suppressed)
        keys = keys_of(rule, home)
        deliveries += [
            Delivery(
                created_time=run.end_time,
                task_id=task.task_id,
                rule=rule.name,
                channel=index,
                channel_type=channel.type,
                run_id=run.run_id,
                event=decision.event,
                variables=variables,
                channel_keys=keys,
            )
            for index, channel in enumerate(rule.channels)
        ]
    return Notices(states, deliveries)


def variables_of(
    run: TaskExecution, task: Task, settings: Settings, host_name: str, output: bytes, streak: int, suppressed: int
) -> dict[str, str]:
    """The template variables. Their texts are made once: a message does not change while it waits."""
    from minisched.notify.templates import log_tail  # see `prepare`

    zone = load_zone(task.task_timezone)

    def time(instant: Optional[float]) -> str:
        return "" if instant is None else iso(int(instant), zone) or ""

    url = settings.http.page_url
    return TemplateVariables(
        task_id=task.task_id,
        task_name=task.task_name,
        execution_status=run.status.value,
        execution_start_time=time(run.start_time),
        execution_end_time=time(run.end_time),
        execution_duration="" if run.duration is None else f"{run.duration:.1f} s",
        threshold_count=str(streak),
        execution_log_tail=log_tail(output, settings.notify.log_tail_lines),
        execution_id=str(run.run_id or ""),
        execution_reason=run.reason or "",
        exit_code="" if run.exit_code is None else str(run.exit_code),
        attempt=str(run.attempt),
        scheduled_time=time(run.scheduled_time),
        host_name=host_name,
        task_url=f"{url}/#task/{task.task_id}" if url else "",
        suppressed_count=str(suppressed),
    )._asdict()
