"""Test messages: one through each channel of a rule, for the command `notify-test` and for the page."""

from __future__ import annotations

import os
import time
from queue import Empty, SimpleQueue

from minisched.catalogue import TextError
from minisched.config.secrets import base_environment
from minisched.model import Notice, Reason, Status, TaskAttempt, TaskExecution, Text, Trigger
from minisched.model.notification import Message, NotificationEvent, SendRequest, SendResult, SendStatus
from minisched.namedtuple import NamedTuple
from minisched.notify.compose import language_of, late_text, notice_variables, slow_text, variables_of
from minisched.notify.sender import STACK_BYTES, deliver
from minisched.threads import receive, start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Optional

    from minisched.model import Channel, Config, NotifyRule, Task

DEADLINE_S = 35.0  # for all channels: one has 30 s, a mail as long as `smtp.timeout` says
CONCURRENT = 8  # channels that are tried at the same time
LOG_TAIL = b"The last lines of the task's output appear here."


class ChannelResult(NamedTuple):
    """The result of a test message through one channel."""

    rule: str
    number: int  # of the channel in its rule, from 0
    channel: Channel
    result: SendResult
    duration: float  # seconds

    def as_json(self) -> dict[str, Any]:
        error = self.result.error
        return {
            "rule": self.rule,
            "channel": self.number,
            "channel_type": self.channel.type,
            "state": self.result.state.value,
            "error": error.as_json() if error else None,
            "answer": self.result.answer,
            "duration": round(self.duration, 3),
        }

    @property
    def text(self) -> Text:
        """As in `chat, webhook slack: failed: HTTP 404; answer: no_service`."""
        channel = " ".join(filter(None, (self.channel.type, self.channel.options.get("preset"))))
        state = Text("notify.tested.sent" if self.result.state is SendStatus.SENT else "notify.tested.failed")
        if self.result.error:
            state = Text("notify.tested.error", state=state, error=self.result.error)
        if self.result.answer:
            state = Text("notify.tested.answer", state=state, answer=" ".join(self.result.answer.split()))
        return Text("notify.tested", rule=self.rule, channel=channel, state=state)

    def __str__(self) -> str:
        return str(self.text)


def select_rules(task: Task, name: Optional[str]) -> list[NotifyRule]:
    """The rule of that name, even if it is disabled; without a name all enabled rules. Raises TextError if
    there is none."""
    rules = [rule for rule in task.task_notify if (rule.enabled if name is None else rule.name == name)]
    if not rules and name is None:
        raise TextError(Text("notify.no_enabled_rule", task=task.task_id))
    if not rules:
        names = [f'"{rule.name}"' for rule in task.task_notify]
        code = "notify.unknown_rule" if names else "notify.no_rules"
        raise TextError(Text(code, task=task.task_id, rule=name, names=names))
    return rules


def try_channels(
    config: Config,
    task: Task,
    rules: Sequence[NotifyRule],
    home: str,
    environ: Mapping[str, str],
    deadline_s: float = DEADLINE_S,
) -> list[ChannelResult]:
    """Send a test message through every channel of the rules, and wait for all of them for at most `deadline_s`.

    Nothing is counted or kept. Raises OSError if no thread can be started.
    """
    base, now = base_environment(environ, config), time.time()
    unanswered = SendResult(SendStatus.RETRY, Text("notify.test_timeout", seconds=deadline_s))
    results: list[ChannelResult] = []
    requests: list[SendRequest] = []
    for rule in rules:
        variables = _variables(config, task, rule, now)
        for number, channel in enumerate(rule.channels):
            message = Message(0, message_id(), NotificationEvent.TEST, variables, now, language_of(config.settings))
            requests.append(SendRequest(message, channel, config.settings.smtp, home, environ, base))
            results.append(ChannelResult(rule.name, number, channel, unanswered, deadline_s))
    for index, (result, duration) in _deliver_all(requests, deadline_s):
        results[index] = results[index]._replace(result=result, duration=duration)
    return results


def _variables(config: Config, task: Task, rule: NotifyRule, now: float) -> dict[str, str]:
    """Of a message about the first thing that fires the rule."""
    trigger, host_name, expect = rule.triggers[0], os.uname().nodename, task.task_expect
    if trigger == "late":
        day = time.strftime("%Y-%m-%d", time.localtime(now))
        text = late_text(day, expect and expect.finish_by)
        notice = Notice(task.task_id, trigger, now, text, "finish_by", scheduled_time=int(now))
        return notice_variables(notice, task, config.settings, host_name, 0)
    run = sample_run(task, rule, now)
    if trigger == "slow":
        notice = Notice(task.task_id, trigger, now, slow_text((expect and expect.duration) or 0), "duration", run)
        return notice_variables(notice, task, config.settings, host_name, 0)
    return variables_of(run, task, config.settings, host_name, LOG_TAIL, rule.threshold, 0)


def _deliver_all(requests: Sequence[SendRequest], deadline_s: float) -> Iterator[tuple[int, tuple[SendResult, float]]]:
    """The results in the order in which they come, each with its request's index and its seconds; none after the
    deadline. Raises OSError if no thread can be started."""
    waiting: SimpleQueue[tuple[int, SendRequest]] = SimpleQueue()
    done: SimpleQueue[tuple[int, tuple[SendResult, float]]] = SimpleQueue()
    for item in enumerate(requests):
        waiting.put(item)

    def work() -> None:
        while True:
            try:
                index, request = waiting.get_nowait()
            except Empty:
                return
            start = time.monotonic()
            done.put((index, (deliver(request), time.monotonic() - start)))

    until = time.monotonic() + deadline_s
    for started in range(min(CONCURRENT, len(requests))):
        try:
            start_thread(work, "notify-test", stack_bytes=STACK_BYTES)
        except OSError:
            if not started:
                raise
            break  # those that did start do all the work
    try:
        for _ in requests:
            yield receive(done, until - time.monotonic())
    except Empty:
        pass  # the rest has not answered


def message_id() -> str:
    return f"test.{os.urandom(6).hex()}@{os.uname().nodename}"


def sample_run(task: Task, rule: NotifyRule, now: float) -> TaskExecution:
    """A run without a number that has just ended in the first way that fires the rule."""
    trigger = rule.triggers[0]
    timeout = trigger == "timeout"
    known = {"timeout": Status.TECHNICAL_FAILURE, "slow": Status.RUNNING, "late": Status.MISSED}
    status = known[trigger] if trigger in known else Status(trigger)
    return TaskExecution(
        task.task_id,
        Trigger.SCHEDULE,
        status,
        created_time=now,
        reason=Reason.TIMEOUT.value if timeout else None,
        scheduled_time=int(now),
        start_time=now,
        end_time=now,
        duration=0.0,
        attempts=(TaskAttempt(1, status, start_time=now),),
    )
