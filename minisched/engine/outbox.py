"""From the outbox to the sender and back: one delivery at a time, tried again until it is sent or has failed for good.

The outbox is in the database; of it the engine holds the one delivery in flight. So a dead server costs no memory,
however many messages wait for it, and a delivery in flight when the engine dies is still pending for the next one.
"""

from __future__ import annotations

import logging

from minisched.engine.log_lines import delivery_line
from minisched.model import DAY_S, DeliveryState, OutboxCounts, Reply, StoreError, Text
from minisched.model.notification import SEND_TIMEOUT_S, Message, SendRequest, SendResult, SendStatus
from minisched.notify.compose import PROGRAM, has_rules, language_of
from minisched.notify.routing import Routing, endpoint_of
from minisched.notify.rules import resend_delay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from minisched.engine.launch import Launcher
    from minisched.engine.persistence import Committed, Persistence
    from minisched.engine.state import Outside, State
    from minisched.engine.timers import Timer, Timers
    from minisched.model import (
        Channel,
        Config,
        Delivery,
        DeliverySent,
        Instant,
        ResendDelivery,
        ResendFailed,
        SmtpSettings,
    )

PENDING_MAX = 10_000  # beyond it the oldest are failed: with a long log's tail in each, these fill 160 MB
CHECK_EVERY_S = 3600.0  # a timer on the monotonic clock does not see how the wall clock moves
UNREAD_S = 10.0  # between attempts to read the outbox while that fails: no file descriptor, or a broken disk
RECENT_S = DAY_S  # for so long a failed message is a problem of the engine
COUNT_EVERY_S = 60.0  # while there are such
SLOW_S = 5.0  # an attempt this long delays other messages; a healthy server, or one that refuses, is faster
APART_S = 60.0  # between first attempts to a server that times out: half of the time remains for the others
HANGS_AFTER_S = 30.0  # beyond its limit an attempt may take some seconds to end in good order
REMOVED = Text("notify.removed")


class OutboxDispatcher:
    """Hands deliveries to the sender and records the results. `counts` is as old as the latest poll."""

    def __init__(
        self, state: State, persistence: Persistence, launcher: Launcher, timers: Timers, outside: Outside
    ) -> None:
        self.state, self.persistence, self.launcher, self.timers = state, persistence, launcher, timers
        self.clock, self.ledger, self.log, self.system = outside.clock, outside.ledger, outside.log, outside.system
        self.sender = outside.sender
        self.counts = OutboxCounts()
        self.in_flight: Optional[Delivery] = None
        self.routing = Routing({}, self.system.home)
        self.backoff = EndpointBackoff()
        self._routed: Optional[Config] = None  # the config that pending deliveries were last routed by
        self._channel: Optional[Channel] = None  # of the delivery in flight
        self._began = 0.0  # monotonic; the attempt in flight
        self._postpone: Optional[tuple[str, Instant]] = None  # (endpoint, when first attempts to it are due)
        self._used = False  # there are rules or deliveries, or were since the start
        self._closed = False
        self._check = True  # something may be due
        self._recount = True  # the counts may have changed
        self._next_count = 0.0  # monotonic
        self._started = False  # how the clock was set before this engine started is unknown
        self._set_back_s = 0.0  # how far the clock was set back, until the outbox is shifted
        self._uncomposed = 0  # runs whose messages could not be made, within the last RECENT_S
        self._forget_uncomposed = 0.0  # monotonic
        self._timer: Optional[Timer] = None

    def recheck(self) -> None:
        """Read the outbox in this step."""
        self._check = self._recount = True

    def close(self) -> None:
        """Send nothing more; the delivery in flight may end."""
        self._closed = True

    def set_back(self, by_s: float) -> None:
        """The clock was set back: pending retries keep their delay instead of waiting for the old time."""
        if self._used:
            self._set_back_s += by_s
            self._shift()
        self.recheck()

    def _shift(self) -> None:
        """Before anything is written by the new clock. Where that is impossible, a message is sent too early."""
        if self._set_back_s and self.persistence.settled:
            try:
                self.ledger.outbox.move(-self._set_back_s)
                self._set_back_s = 0.0
            except StoreError:
                pass  # the next check tries again

    # ------------------------------------------------------------------------------------------------------- dispatch

    def dispatch(self, committed: Optional[Committed], now: Instant) -> None:
        """After the commit: hand over the next delivery that is due, or find out when one will be."""
        if committed is not None:
            if committed.notices.deliveries:
                self.recheck()
            if committed.notices.failed:
                self._report_uncomposed(committed)
        self._shift()
        if self.state.config is not self._routed:
            self._check = True
        if not self._check or self.in_flight is not None or self._closed:
            return
        # An unsaved value may be the result of the previous delivery: reading now would send it twice.
        if not self.persistence.settled:
            return
        try:
            if not self._is_used():
                self._check = self._recount = False
                self.state.problems.report("outbox", None)
                return
            self._route(now)
            self._postpone_first_attempts()
            due = self.ledger.outbox.due(now)
            if due is None:
                self._check = False
                self._set_timer(self.ledger.outbox.next_time(), now)
        except StoreError as error:
            self._unreadable(error, now)
            return
        self.state.problems.report("outbox", None)
        if due is not None:
            self._send(due, now)

    def _report_uncomposed(self, committed: Committed) -> None:
        """Ends of runs were written without their messages, so nothing in the outbox shows it."""
        failed = committed.notices.failed
        for run_id, why in failed.items():
            self.log.error(Text("log.not_composed", run_id=run_id, error=why))
        self._uncomposed += len(failed)
        self._forget_uncomposed = self.clock.monotonic() + RECENT_S
        self.state.problems.report("messages", Text("engine.uncomposed", count=self._uncomposed), logging.NOTSET)

    def _unreadable(self, error: StoreError, now: Instant) -> None:
        """Messages wait, tasks go on."""
        if error.kind == "damaged":
            self.persistence.failed(error)
            return
        self.state.problems.report("outbox", Text("engine.outbox", error=error.text))
        self._check = False
        self._set_timer(now + UNREAD_S, now)

    def _is_used(self) -> bool:
        """A home without notifications does without the modules and the queries of the outbox. Raises StoreError."""
        if not self._used:
            config = self.state.config
            new = config is not self._routed and has_rules(config)
            self._used = new or self.ledger.has_deliveries()
            if not self._used:
                self._routed = config
        return self._used

    def _route(self, now: Instant) -> None:
        """Once for each config: pending deliveries follow their channel, or fail if it is gone."""
        outbox = self.ledger.outbox
        if not self._started:
            outbox.hasten(now)
            self._started = True
        config = self.state.config
        if config is self._routed:
            return
        self.routing = Routing(config.tasks, self.system.home, config.settings.notify.engine)
        failed = outbox.reroute(self.routing.moves(outbox.queues()), self.routing.rules.keys(), REMOVED, now)
        for (task_id, rule, channel), count in failed.items():
            self._recount = True
            values = {"task": task_id or PROGRAM, "rule": rule, "channel": channel, "count": count, "why": REMOVED}
            self.log.warning(Text("log.not_routed", **values))
        self._routed = config

    def _postpone_first_attempts(self) -> None:
        """What the latest attempt showed of its server counts for the other messages to it."""
        if self._postpone is None:
            return
        endpoint, until = self._postpone
        ids = []
        for delivery_id, task_id, rule, index in self.ledger.outbox.untried():
            channel = self.routing.channel(task_id, rule, index)
            if channel is not None and endpoint_of(channel) == endpoint:
                ids.append(delivery_id)
        self.ledger.outbox.postpone(ids, until)
        self._postpone = None

    def _set_timer(self, next_time: Optional[Instant], now: Instant) -> None:
        if self._timer is not None:
            self.timers.cancel(self._timer)
            self._timer = None
        if next_time is not None:
            self._timer = self.timers.after(min(max(0.0, next_time - now), CHECK_EVERY_S), self._time_to_check)

    def _time_to_check(self) -> None:
        self._timer = None
        self._check = True

    def _send(self, one: Delivery, now: Instant) -> None:
        target = self.routing.find(one.queue)
        channel = self.routing.channel(*target[:3]) if target is not None else None
        if channel is None:  # written by an `exec` with another config
            self._record(one, SendResult(SendStatus.FAILED, REMOVED), now)
            return
        self.in_flight, self._channel, self._began = one, channel, self.clock.monotonic()
        settings, system = self.state.config.settings, self.system
        message = Message(
            one.delivery_id, one.message_id, one.event, one.variables, one.created_time, language_of(settings)
        )
        self.sender.send(SendRequest(message, channel, settings.smtp, system.home, system.environ, self.launcher.base))

    # -------------------------------------------------------------------------------------------------------- results

    def sent(self, message: DeliverySent, now: Instant) -> None:
        """The attempt in flight has ended."""
        one = self.in_flight
        if one is None or one.delivery_id != message.delivery_id:
            return
        assert self._channel is not None
        endpoint = endpoint_of(self._channel)
        until = self.backoff.tried(endpoint, self.clock.monotonic() - self._began, message.result, now)
        self._postpone = None if until is None else (endpoint, until)
        self.in_flight = None
        self.state.problems.report("sender", None)
        self._record(one._replace(attempts=one.attempts + 1), message.result, now)

    def _record(self, one: Delivery, result: SendResult, now: Instant) -> None:
        one = one._replace(tried_time=now, next_time=None, error=result.error, answer=result.answer)
        if result.state is SendStatus.SENT:
            one = one._replace(state=DeliveryState.SENT, sent_time=now)
        elif result.state is SendStatus.RETRY and one.attempts < self.state.config.settings.notify.max_attempts:
            delay_s = resend_delay(one.attempts, self.system.random(), result.retry_after_s)
            one = one._replace(next_time=now + delay_s)
        else:
            one = one._replace(state=DeliveryState.FAILED)
        self.state.save_delivery(one)
        self.recheck()
        complete = one.state is DeliveryState.SENT and not one.error  # a mail may have reached only some recipients
        self.log.log(logging.INFO if complete else logging.WARNING, delivery_line(one, now))

    def resend(self, message: ResendDelivery, now: Instant) -> Reply:
        """Send a delivery once more, on request."""
        try:
            state = self.ledger.outbox.resend(message.delivery_id, now)
        except StoreError as error:
            return Reply("unavailable", Text("engine.reply.outbox", error=error.text))
        if state is None:
            return Reply("not_found", Text("engine.reply.no_delivery", delivery=message.delivery_id))
        if state is DeliveryState.PENDING:
            return Reply("pending", Text("engine.reply.pending", delivery=message.delivery_id))
        self.log.info(Text("log.resend", id=message.delivery_id, by=message.by))
        return self._reconsidered()

    def resend_failed(self, message: ResendFailed, now: Instant) -> Reply:
        """Send failed deliveries once more, on request."""
        try:
            count, left = self.ledger.outbox.resend_failed(message.most, now)
        except StoreError as error:
            return Reply("unavailable", Text("engine.reply.outbox", error=error.text))
        self.log.info(Text("log.resend_failed", count=count, by=message.by))
        return self._reconsidered()._replace(resent=count, left=left)

    def _reconsidered(self) -> Reply:
        """What is pending again may have been written for an older config."""
        self._routed = None
        self.recheck()
        return Reply()

    # --------------------------------------------------------------------------------------------------------- upkeep

    @property
    def unsettled(self) -> bool:
        """A delivery is in flight, or the counts are not those of the outbox."""
        return self.in_flight is not None or self._recount

    def poll(self, now: Instant, mono: float) -> None:
        """Count the deliveries and limit the pending ones. Costs nothing while nothing changes."""
        if self.in_flight is not None and self._channel is not None:
            smtp = self.state.config.settings.smtp
            hangs = hanging(self.in_flight.delivery_id, self._channel, smtp, mono - self._began)
            self.state.problems.report("sender", hangs)
        if self._uncomposed and mono >= self._forget_uncomposed:
            self._uncomposed = 0
            self.state.problems.report("messages", None)
        if not self._recount and (mono < self._next_count or "notifications" not in self.state.problems.current):
            return
        try:
            self.counts, failed = self.ledger.outbox.counts(now - RECENT_S)
            if self.counts.pending > PENDING_MAX:
                why = Text("notify.too_many", limit=PENDING_MAX)
                count = self.ledger.outbox.bound(PENDING_MAX, why, now)
                self.log.warning(Text("log.too_many", count=count, why=why))
                self.counts, failed = self.ledger.outbox.counts(now - RECENT_S)
        except StoreError:
            return  # the next poll counts again
        self._recount = False
        self._next_count = mono + COUNT_EVERY_S
        problem = Text("engine.notifications_failed", count=failed) if failed else None
        self.state.problems.report("notifications", problem, logging.NOTSET)


class EndpointBackoff:
    """Which servers, commands and files time out, as far as the attempts since the start have shown. One that times out
    at each attempt must not delay the messages to the others."""

    def __init__(self) -> None:
        self._slow: set[str] = set()

    def tried(self, endpoint: str, took_s: float, result: SendResult, now: Instant) -> Optional[Instant]:
        """When other first attempts to the endpoint are due; None: as before.

        Other first attempts to a slow endpoint queue behind those to other endpoints; after a timeout they also wait
        until one succeeds or APART_S pass.
        """
        if took_s >= SLOW_S and result.state is SendStatus.RETRY:
            self._slow.add(endpoint)
            return now + APART_S
        if took_s >= SLOW_S or endpoint in self._slow:
            self._slow.discard(endpoint)
            return now
        return None


def hanging(delivery_id: int, channel: Channel, smtp: Optional[SmtpSettings], took_s: float) -> Optional[Text]:
    """The problem of an attempt that should have ended long ago; None while it may still end by itself. Every attempt
    has a limit, but if one hangs all the same, no message is sent any more, and that must not go unnoticed."""
    limit_s = smtp.timeout if channel.type == "email" and smtp is not None else SEND_TIMEOUT_S
    if took_s <= limit_s + HANGS_AFTER_S:
        return None
    return Text("engine.sender_hangs", delivery_id=delivery_id, seconds=f"{limit_s:g}")
