"""From the end of a run to its notifications, for the engine and for `exec`."""

from __future__ import annotations

from importlib import import_module

from minisched import catalogue
from minisched.catalogue import ENGLISH, LANGUAGES, render
from minisched.config import config_hash
from minisched.model import Delivery, StoreError, Text, iso
from minisched.model.notification import Notices, NotificationEvent
from minisched.model.task import TemplateVariables
from minisched.namedtuple import NamedTuple
from minisched.notify.routing import keys_of
from minisched.notify.rules import decide, decide_notice
from minisched.osutil import Importing
from minisched.timetable import load_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import tzinfo
    from typing import Optional

    from minisched.model import Config, Instant, Notice, NotifyRule, Settings, Task, TaskExecution
    from minisched.model.notification import RuleState
    from minisched.store.outbox import RunHistory
    from minisched.store.writer import Transaction

PROGRAM = "minisched"  # in the place of a task's name
TEMPLATES = "minisched.notify.templates"
_USED = (TEMPLATES, "minisched.store.outbox")  # by the first end of a run with rules


class Composed(NamedTuple):
    """What `add_notices` did."""

    deliveries: int = 0
    failed: Mapping[int, str] = {}  # run_id -> why its messages could not be made


def has_rules(config: Config) -> bool:
    return bool(config.settings.notify.engine) or any(task.task_notify for task in config.tasks.values())


def prepare(config: Config) -> None:
    """Import what messages are made with, which takes 2 ms, if a task has rules: once the process is out of file
    descriptors nothing can be imported any more."""
    if has_rules(config):
        catalogue.load("notify")
        try:
            with Importing():
                for name in _USED:
                    import_module(name)
                config_hash(b"")  # imports a module too
        except (ImportError, OSError):
            pass  # the first end of a run with rules tries again


def add_notices(
    tx: Transaction,
    runs: Sequence[TaskExecution],
    run_ids: Sequence[int],
    config: Config,
    host_name: str,
    home: str,
    notices: Sequence[Notice] = (),
) -> Composed:
    """In the transaction that has written `runs` under these ids: add the deliveries for `notices`, and for the runs
    that have ended.

    Raises StoreError only: the end of a run is written, whatever goes wrong with its messages.
    """
    count, failed = 0, {}
    for notice in notices:
        try:
            made = compose_notice(notice, tx.rule_state, config, host_name, home)
        except StoreError:
            raise
        except Exception as error:  # see below
            failed[notice.run.run_id if notice.run else 0] = f"{type(error).__name__}: {error}"
            continue
        if made.states:
            tx.add_notices(made)
        count += len(made.deliveries)
    for run, run_id in zip(runs, run_ids):
        task = config.tasks.get(run.task_id)
        if task is None or not task.task_notify or not run.status.ended or run.end_time is None:
            continue
        if run_id in tx.ended_before:
            continue
        run = run._replace(run_id=run_id)
        try:
            made = compose(run, tx.history(run), task, config.settings, host_name, home)
        except StoreError:
            raise
        except Exception as error:  # a missing file descriptor or a bug: it costs this run's messages, not the run
            failed[run_id] = f"{type(error).__name__}: {error}"
            continue
        tx.add_notices(made)
        count += len(made.deliveries)
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
        deliveries += _deliveries(rule, home, run.end_time, task.task_id, run.run_id, decision.event, variables)
    return Notices(states, deliveries)


def _deliveries(
    rule: NotifyRule,
    home: str,
    time: Instant,
    task_id: str,
    run_id: int,
    event: NotificationEvent,
    variables: Mapping[str, str],
) -> list[Delivery]:
    """One for each channel of the rule."""
    keys = keys_of(rule, home)
    return [
        Delivery(
            created_time=time,
            task_id=task_id,
            rule=rule.name,
            channel=index,
            channel_type=channel.type,
            run_id=run_id,
            event=event,
            variables=variables,
            channel_keys=keys,
        )
        for index, channel in enumerate(rule.channels)
    ]


def compose_notice(
    notice: Notice, state_of: Callable[[str, str], RuleState], config: Config, host_name: str, home: str
) -> Notices:
    """The deliveries for a notice, and the new state of the rules. Raises StoreError from `state_of`."""
    task = config.tasks.get(notice.task_id)
    states, deliveries = [], []
    rules = config.settings.notify.engine if not notice.task_id else task.task_notify if task else ()
    for rule in rules:
        before = state_of(notice.task_id, rule.name)
        decision = decide_notice(rule, notice.trigger, before, notice.time)
        if decision.state != before:
            states.append(decision.state)
        if decision.event is not None:
            variables = notice_variables(notice, task, config.settings, host_name, decision.suppressed)
            run_id = notice.run.run_id if notice.run else 0
            deliveries += _deliveries(rule, home, notice.time, notice.task_id, run_id, decision.event, variables)
    return Notices(states, deliveries)


def notice_variables(
    notice: Notice, task: Optional[Task], settings: Settings, host_name: str, suppressed: int
) -> dict[str, str]:
    """The template variables of a notice, and its subject: a sentence in `settings.language`."""
    name = task.task_name if task else PROGRAM
    zone = load_zone(task.task_timezone if task else settings.timezone)
    run, url = notice.run, settings.http.page_url
    due = notice.scheduled_time if run is None else run.scheduled_time
    elapsed_s = None if run is None or run.start_time is None else notice.time - run.start_time
    path = f"/#task/{task.task_id}" if task else "/"
    subject = Text(f"notify.is_{notice.trigger}", name=name, host=host_name, why=notice.text)
    variables = TemplateVariables(
        task_id=notice.task_id,
        task_name=name,
        execution_status=notice.trigger,
        execution_start_time=_time(run and run.start_time, zone),
        execution_end_time="",
        execution_duration="" if elapsed_s is None else f"{elapsed_s:.1f} s",
        threshold_count="1",
        execution_log_tail="",
        execution_id=str(run.run_id or "") if run else "",
        execution_reason=notice.reason,
        exit_code="",
        attempt=str(run.attempt) if run else "",
        scheduled_time=_time(due, zone),
        host_name=host_name,
        task_url=f"{url}{path}" if url else "",
        suppressed_count=str(suppressed),
    )
    return {**variables._asdict(), "subject": render(subject, language_of(settings))}


def late_text(day: str, finish_by: Optional[str]) -> Text:
    """day: "2026-11-30"."""
    return Text("late", day=day, time=finish_by or "")


def slow_text(duration_s: float) -> Text:
    return Text("slow", seconds=int(duration_s) if duration_s == int(duration_s) else duration_s)


def language_of(settings: Settings) -> str:
    """Of messages: as in the config, English where that leaves it open."""
    return settings.language if settings.language in LANGUAGES else ENGLISH


def _time(instant: Optional[float], zone: tzinfo) -> str:
    return "" if instant is None else iso(int(instant), zone) or ""


def variables_of(
    run: TaskExecution, task: Task, settings: Settings, host_name: str, output: bytes, streak: int, suppressed: int
) -> dict[str, str]:
    """The template variables, and an `explanation` of the reason in words where there is more to say than the exit
    code. Their texts are made once: a message does not change while it waits."""
    from minisched.notify.templates import log_tail  # see `prepare`

    zone = load_zone(task.task_timezone)

    url = settings.http.page_url
    variables = TemplateVariables(
        task_id=task.task_id,
        task_name=task.task_name,
        execution_status=run.status.value,
        execution_start_time=_time(run.start_time, zone),
        execution_end_time=_time(run.end_time, zone),
        execution_duration="" if run.duration is None else f"{run.duration:.1f} s",
        threshold_count=str(streak),
        execution_log_tail=log_tail(output, settings.notify.log_tail_lines),
        execution_id=str(run.run_id or ""),
        execution_reason=run.reason or "",
        exit_code="" if run.exit_code is None else str(run.exit_code),
        attempt=str(run.attempt),
        scheduled_time=_time(run.scheduled_time, zone),
        host_name=host_name,
        task_url=f"{url}/#task/{task.task_id}" if url else "",
        suppressed_count=str(suppressed),
    )
    if run.detail is None or run.detail.code == "exit_code":
        return variables._asdict()
    return {**variables._asdict(), "explanation": render(run.detail, language_of(settings))}
