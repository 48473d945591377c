"""`notify-test`, and the same for the page: a marked test message through every channel of a rule, all at once."""

from __future__ import annotations

import errno
import os
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Optional

from minisched.api.ports import Trial
from minisched.engine import base_environment, page_url
from minisched.model import EXIT_NO, EXIT_OK, Status, iso
from minisched.model.notification import Message, NotificationEvent, SendRequest, SendResult, SendStatus
from minisched.notify import deliver
from minisched.timetable import load_zone

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from minisched.model import Config, NotifyRule, Task

DEADLINE_S = 35.0  # a channel has 30 s, a mail as long as `smtp.timeout` says
AT_ONCE = 8  # channels
TAIL = "Here stand the last lines of the task's output."


def notify_test(options: Namespace) -> int:
    """Send a test message by the home's config, with an engine or without; 1 where a channel did not take it."""
    from minisched.cli.output import Refusal, harmless, print_json
    from minisched.cli.view import View, task_named

    config = View(options.home).good_config()
    task = task_named(options.task, config)
    try:
        rules = chosen(task, options.rule)
    except LookupError as error:
        raise Refusal(str(error.args[0])) from None
    trials = try_rules(config, task, rules, options.home, os.environ)
    if options.json:
        print_json([trial.as_json() for trial in trials])
    else:
        for trial in trials:
            print(harmless(sentence(trial)))
    return EXIT_OK if all(trial.outcome.state is SendStatus.SENT for trial in trials) else EXIT_NO


def chosen(task: Task, name: Optional[str]) -> list[NotifyRule]:
    """The rule of that name, be it enabled or not; without a name all that are enabled. Raises LookupError."""
    rules = [rule for rule in task.task_notify if (rule.enabled if name is None else rule.name == name)]
    if not rules and name is None:
        raise LookupError(f"task {task.task_id} has no rule in task_notify that is enabled")
    if not rules:
        names = ", ".join(f'"{rule.name}"' for rule in task.task_notify) or "none"
        raise LookupError(f'task {task.task_id} has no rule "{name}"; it has {names}')
    return rules


def try_rules(
    config: Config, task: Task, rules: Sequence[NotifyRule], home: str, environ: Mapping[str, str]
) -> list[Trial]:
    """Send a test message through every channel of the rules, and wait for all of them for at most DEADLINE_S. Raises
    OSError where no thread can be started."""
    base, now = base_environment(environ, config), time.time()
    late = SendResult(SendStatus.RETRY, f"no answer within {DEADLINE_S:.0f} s; it may still arrive")
    trials: list[Trial] = []
    orders: SimpleQueue[tuple[int, SendRequest]] = SimpleQueue()
    done: SimpleQueue[tuple[int, Trial]] = SimpleQueue()
    for rule in rules:
        told = variables(task, rule, now, page_url(config.settings.http))
        for number, channel in enumerate(rule.channels):
            message = Message(0, message_id(), NotificationEvent.TEST, told, now)
            orders.put((len(trials), SendRequest(message, channel, config.settings.smtp, home, environ, base)))
            trials.append(Trial(rule.name, number, channel, late, DEADLINE_S))

    def work() -> None:
        while True:
            try:
                index, order = orders.get_nowait()
            except Empty:
                return
            began = time.monotonic()
            outcome = deliver(order)
            done.put((index, trials[index]._replace(outcome=outcome, duration=time.monotonic() - began)))

    until = time.monotonic() + DEADLINE_S
    for started in range(min(AT_ONCE, len(trials))):
        try:
            threading.Thread(target=work, name="notify-test", daemon=True).start()
        except RuntimeError as error:  # "can't start new thread": those that did start do it all
            if not started:
                raise OSError(errno.EAGAIN, str(error)) from None
            break
    found = dict(enumerate(trials))
    try:
        for _ in trials:
            index, trial = done.get(timeout=max(0.0, until - time.monotonic()))
            found[index] = trial
    except Empty:
        pass  # those that are left are late
    return list(found.values())


def message_id() -> str:
    return f"test.{os.urandom(6).hex()}@{os.uname().nodename}"


def variables(task: Task, rule: NotifyRule, now: float, url: str) -> dict[str, str]:
    """As those of a run that has just ended in the rule's first way; there was none, so it has no number."""
    moment = iso(int(now), load_zone(task.task_timezone)) or ""
    trigger = rule.triggers[0]
    return {
        "task_id": task.task_id,
        "task_name": task.task_name,
        "execution_status": Status.TECHNICAL_FAILURE.value if trigger == "timeout" else trigger,
        "execution_start_time": moment,
        "execution_end_time": moment,
        "execution_duration": "0.0 s",
        "threshold_count": str(rule.threshold),
        "execution_log_tail": TAIL,
        "execution_id": "",
        "execution_reason": "timeout" if trigger == "timeout" else "",
        "exit_code": "",
        "attempt": "1",
        "scheduled_time": moment,
        "host_name": os.uname().nodename,
        "task_url": f"{url}/#task/{task.task_id}" if url else "",
        "suppressed_count": "0",
    }


def sentence(trial: Trial) -> str:
    """As in `chat, webhook slack: failed: HTTP 404; it said: no_service`."""
    preset = trial.channel.options.get("preset")
    outcome = trial.outcome
    told = "sent" if outcome.state is SendStatus.SENT else "failed"
    parts = [f"{trial.rule}, {trial.channel.type}{f' {preset}' if preset else ''}: {told}"]
    if outcome.error:
        parts.append(f": {outcome.error}")
    if outcome.answer:
        parts.append(f"; it said: {' '.join(outcome.answer.split())}")
    return "".join(parts)
