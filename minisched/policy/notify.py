"""Which rules fire when a run has ended, and when a message that did not get through is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional

from minisched.model import Reason, Retry, Status
from minisched.model.notification import RETRY_AFTER_MAX_S, NotificationEvent
from minisched.policy.runs import retry_delay

if TYPE_CHECKING:
    from collections.abc import Iterable

    from minisched.model import Instant, NotifyRule
    from minisched.model.notification import FinishedRun, RuleState

RESEND = Retry(max_attempts=0, delay=30.0, backoff=2.0, max_delay=3600.0, jitter=0.2)  # its attempts are a setting

# They neither count nor break a row, unless the rule has them as a trigger (SPEC section 9).
_NEUTRAL = (Status.SKIPPED, Status.MISSED, Status.CANCELLED)


class Decision(NamedTuple):
    """What a rule makes of the end of a run."""

    event: Optional[NotificationEvent]  # None: no message
    in_a_row: int  # events that matched, this one with them
    suppressed: int  # messages that were held back since the one before
    state: RuleState  # from here on


def decide(rule: NotifyRule, finished: Iterable[FinishedRun], state: RuleState, now: Instant) -> Decision:
    """What the rule says to the end of a run (SPEC section 9).

    finished: the finished runs of its task, latest first, beginning with this one; read only as far as needed.
    state: what the rule has done before. now: when the run ended.

    It fires at every `threshold`-th event in a row. Within the cooldown after a message it fires in vain, and the next
    message tells how often. A recovery is no second message but the end of what was told: it comes at once, after
    a message that told of anything but a success, and no message that was held back has one.
    """
    runs = iter(finished)
    latest = next(runs)
    success = latest.status is Status.SUCCESS
    if not rule.enabled:  # should it be enabled again, it counts anew from the history
        return Decision(None, 0, 0, state._replace(fired=state.fired and not success, row=0, row_end=0, row_of=""))
    triggers = _words(rule)
    matched = _matches(rule, latest)
    neutral = not matched and latest.status in _NEUTRAL
    known = state if state.row_of == triggers else None
    count = 0
    if matched:
        count = 1 + _row(rule, runs, known)
    elif neutral and known is not None:
        count = known.row  # and nothing is read: each of a long run's many skips would go through all before it
    event, suppressed = None, 0
    recovered = success and state.fired and rule.recovery
    if matched and count % rule.threshold == 0:
        if state.last_time is None or not 0 <= now - state.last_time < rule.cooldown:
            event, recovered, suppressed = NotificationEvent.EVENT, False, state.suppressed
            state = state._replace(fired=True, last_time=now, suppressed=0)
        elif not recovered:
            state = state._replace(suppressed=state.suppressed + 1)
    if recovered:
        event, suppressed = NotificationEvent.RECOVERY, state.suppressed
        state = state._replace(suppressed=0)
    if success:
        state = state._replace(fired=False)
    if matched or (not neutral and state.row):
        state = state._replace(row=count, row_end=latest.end_order, row_of=triggers)
    return Decision(event, count, suppressed, state)


def _words(rule: NotifyRule) -> str:
    return ",".join(sorted(rule.triggers))


def _matches(rule: NotifyRule, run: FinishedRun) -> bool:
    """Whether it is an event of the rule. A timeout is a technical failure too."""
    timeout = run.status is Status.TECHNICAL_FAILURE and run.reason == Reason.TIMEOUT.value
    return run.status.value in rule.triggers or (timeout and "timeout" in rule.triggers)


def _row(rule: NotifyRule, runs: Iterable[FinishedRun], known: Optional[RuleState]) -> int:
    """How many of these, latest first, match in a row. known: from where on they have been counted before, so that the
    row is as long as it is, however little of it retention has kept."""
    count = 0
    for run in runs:
        if known is not None and run.end_order <= known.row_end:
            break
        if _matches(rule, run):
            count += 1
        elif run.status not in _NEUTRAL:
            return count
    return count + (known.row if known is not None else 0)


def resend_delay(attempts: int, draw: float, retry_after_s: Optional[float]) -> float:
    """Seconds from the end of the failed attempt of that number (1, 2, ...) to the next: growing, or as long as the
    server asks for if that is longer. draw: a random number in [0, 1)."""
    return max(retry_delay(RESEND, attempts, draw), min(retry_after_s or 0.0, RETRY_AFTER_MAX_S))
