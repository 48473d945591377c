"""Which notification rules fire when a run has ended, and when a failed delivery is tried again. Pure functions."""

from __future__ import annotations

from minisched.model import Reason, Retry, Status
from minisched.model.notification import RETRY_AFTER_MAX_S, NotificationEvent
from minisched.namedtuple import NamedTuple
from minisched.policy import retry_delay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Optional

    from minisched.model import Instant, NotifyRule
    from minisched.model.notification import FinishedRun, RuleState

RESEND = Retry(max_attempts=0, delay=30.0, backoff=2.0, max_delay=3600.0, jitter=0.2)  # its attempts are a setting

# These neither count nor end a streak, unless the rule has them as a trigger.
_NEUTRAL = (Status.SKIPPED, Status.MISSED, Status.CANCELLED)


class Decision(NamedTuple):
    """What a rule makes of the end of a run."""

    event: Optional[NotificationEvent]  # None: no message
    streak: int  # consecutive events that matched, this one included
    suppressed: int  # messages that were held back since the previous one
    state: RuleState  # the new state


def decide(rule: NotifyRule, finished: Iterable[FinishedRun], state: RuleState, now: Instant) -> Decision:
    """What the rule makes of the end of a run.

    finished: the finished runs of its task, latest first, beginning with this one; read only as far as needed.
    state: what the rule has done so far. now: when the run ended.

    The rule fires at every `threshold`-th event of a streak. Within the cooldown after a message the event is only
    counted, and the next message says how many there were. A recovery is not subject to the cooldown: it follows at
    once, after a message about anything but a success; a message that was held back has none.
    """
    runs = iter(finished)
    latest = next(runs)
    success = latest.status is Status.SUCCESS
    if not rule.enabled:  # once enabled again, it counts from the history
        cleared = state._replace(fired=state.fired and not success, streak=0, streak_until=0, streak_triggers="")
        return Decision(None, 0, 0, cleared)
    triggers = ",".join(sorted(rule.triggers))
    matched = _matches(rule, latest)
    neutral = not matched and latest.status in _NEUTRAL
    known = state if state.streak_triggers == triggers else None
    count = 0
    if matched:
        count = 1 + _streak(rule, runs, known)
    elif neutral and known is not None:
        count = known.streak  # no query: each of the many skips during a long run would read all runs before it
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
    if matched or (not neutral and state.streak):
        state = state._replace(streak=count, streak_until=latest.end_order, streak_triggers=triggers)
    return Decision(event, count, suppressed, state)


def decide_notice(rule: NotifyRule, trigger: str, state: RuleState, now: Instant) -> Decision:
    """What the rule makes of something that is no end of a run, such as a run that is slow.

    It is reported at once: `threshold` counts ends of runs only, and these neither count nor end a streak. The cooldown
    is the same as for other messages of the rule.
    """
    if not rule.enabled or trigger not in rule.triggers:
        return Decision(None, 0, 0, state)
    if state.last_time is not None and 0 <= now - state.last_time < rule.cooldown:
        return Decision(None, 0, 0, state._replace(suppressed=state.suppressed + 1))
    after = state._replace(fired=True, last_time=now, suppressed=0)
    return Decision(NotificationEvent.EVENT, 0, state.suppressed, after)


def _matches(rule: NotifyRule, run: FinishedRun) -> bool:
    """Whether the end is an event of the rule. A timeout is a technical failure too."""
    timeout = run.status is Status.TECHNICAL_FAILURE and run.reason == Reason.TIMEOUT.value
    return run.status.value in rule.triggers or (timeout and "timeout" in rule.triggers)


def _streak(rule: NotifyRule, runs: Iterable[FinishedRun], known: Optional[RuleState]) -> int:
    """How many of these runs, latest first, match without interruption.

    known: the streak saved at the last evaluation. Counting stops there, so the result stays right after retention has
    deleted older runs.
    """
    count = 0
    for run in runs:
        if known is not None and run.end_order <= known.streak_until:
            break
        if _matches(rule, run):
            count += 1
        elif run.status not in _NEUTRAL:
            return count
    return count + (known.streak if known is not None else 0)


def resend_delay(attempts: int, draw: float, retry_after_s: Optional[float]) -> float:
    """Seconds from the end of failed attempt number `attempts` (1, 2, ...) to the next: growing, or what the server
    asked for if that is longer. draw: a random number in [0, 1)."""
    return max(retry_delay(RESEND, attempts, draw), min(retry_after_s or 0.0, RETRY_AFTER_MAX_S))
