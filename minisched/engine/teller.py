"""From the end of a run to the messages that tell of it; for the engine and for `exec`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Optional

from minisched import policy
from minisched.config import config_hash
from minisched.engine.channels import keys_of
from minisched.model import Delivery, StoreError, iso
from minisched.model.notification import Notices, NotificationEvent
from minisched.timetable import load_zone

if TYPE_CHECKING:
    from minisched.model import Config, Task, TaskExecution
    from minisched.model.notification import RunHistory

_NOBODY = Notices()
TEMPLATES = "minisched.notify.templates"


class Teller:
    """The `tell` of a Batch. Its texts are fixed here: what a message says does not change while it waits."""

    def __init__(self, config: Config, host_name: str, home: str) -> None:
        self.host_name = host_name
        self.home = home
        self.asked = 0  # how often it found somebody to tell; what it said may not have been written
        self.untold: dict[int, str] = {}  # by run_id, why nobody could be told of it; for whoever asked to take out
        self.use(config)

    def use(self, config: Config) -> None:
        """From here on by this config. What its messages are made with is imported now, 2 ms that an engine without
        rules does without: once no descriptor is left nothing can be imported any more (FAULTS R1)."""
        self.config = config
        if any(task.task_notify for task in config.tasks.values()):
            try:
                import_module(TEMPLATES)
                config_hash(b"")  # its own module
            except (ImportError, OSError):
                pass  # the first end that is told of tries again

    def __call__(self, run: TaskExecution, recall: RunHistory) -> Notices:
        """Never raises, but StoreError of `recall`: the end of a run is written, whatever becomes of its messages."""
        try:
            return self._tell(run, recall)
        except StoreError:
            raise
        except Exception as error:
            # Whatever it is, a missing descriptor or a bug: it costs this run's messages, and no run.
            self.untold[run.run_id] = f"{type(error).__name__}: {error}"
            return _NOBODY

    def _tell(self, run: TaskExecution, recall: RunHistory) -> Notices:
        task = self.config.tasks.get(run.task_id)
        if task is None or not task.task_notify or run.end_time is None:
            return _NOBODY
        states, deliveries = [], []
        for rule in task.task_notify:
            before = recall.state(rule.name)
            decision = policy.decide(rule, recall.finished(), before, run.end_time)
            if decision.state != before:
                states.append(decision.state)
            if decision.event is None:
                continue
            variables = self._variables(task, run, decision, recall.tail())
            keys = keys_of(rule, self.home)
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
        self.asked += len(deliveries)
        return Notices(states, deliveries)

    def _variables(self, task: Task, run: TaskExecution, decision: policy.Decision, output: bytes) -> dict[str, str]:
        from minisched.notify.templates import log_tail  # see `use`

        settings, zone = self.config.settings, load_zone(task.task_timezone)

        def time(instant: Optional[float]) -> str:
            return "" if instant is None else iso(int(instant), zone) or ""

        url = settings.http.page_url
        return {
            "task_id": task.task_id,
            "task_name": task.task_name,
            "execution_status": run.status.value,
            "execution_start_time": time(run.start_time),
            "execution_end_time": time(run.end_time),
            "execution_duration": "" if run.duration is None else f"{run.duration:.1f} s",
            # After a recovery no row goes on.
            "threshold_count": str(decision.in_a_row if decision.event is NotificationEvent.EVENT else 0),
            "execution_log_tail": log_tail(output, settings.notify.log_tail_lines),
            "execution_id": str(run.run_id),
            "execution_reason": run.reason or "",
            "exit_code": "" if run.exit_code is None else str(run.exit_code),
            "attempt": str(run.attempt),
            "scheduled_time": time(run.scheduled_time),
            "host_name": self.host_name,
            "task_url": f"{url}/#task/{task.task_id}" if url else "",
            "suppressed_count": str(decision.suppressed),
        }
