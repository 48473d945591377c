"""From the outbox to the sender and back: one delivery at a time, tried again until it is sent or given up.

The outbox is in the ledger; of it the engine holds the one delivery that is under way. So a dead server costs no
memory, however many messages wait for it, and what is under way when the engine dies is pending for the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from minisched import policy
from minisched.catalogue import render
from minisched.engine.channels import Channels
from minisched.engine.servers import Servers, hanging, server_of
from minisched.engine.words import of_delivery, untold
from minisched.model import Answer, DeliveryState, OutboxCounts, StoreError, Text
from minisched.model.notification import Message, SendRequest, SendResult, SendStatus

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from minisched.engine.book import Book
    from minisched.engine.keeper import Keeper
    from minisched.engine.surroundings import System
    from minisched.engine.teller import Teller
    from minisched.engine.timers import Timer, Timers
    from minisched.model import Channel, Clock, Config, Delivery, DeliverySent, Instant, Ledger, ResendDelivery

PENDING_MAX = 10_000  # of more the oldest are given up: with a long log's tail in each they fill 160 MB
LOOK_EVERY_S = 3600.0  # a timer on the monotonic clock does not see how the wall clock moves
UNREAD_S = 10.0  # between looks at an outbox that cannot be read: no descriptor, or a disk that fails
RECENT_S = 86_400.0  # for so long a message that was given up is a problem of the engine
COUNT_EVERY_S = 60.0  # while there are such
REMOVED = "its rule or channel is no longer in the config"
TOO_MANY = f"too many waiting: more than {PENDING_MAX}"


class Courier:
    """Owns what stands in the outbox. `counts` is as old as the latest poll."""

    def __init__(
        self,
        book: Book,
        teller: Teller,
        keeper: Keeper,
        ledger: Ledger,
        timers: Timers,
        clock: Clock,
        log: logging.Logger,
        around: System,
        problems: dict[str, str],
    ) -> None:
        self.book = book
        self.teller = teller
        self.keeper = keeper
        self.ledger = ledger
        self.timers = timers
        self.clock = clock
        self.log = log
        self.around = around
        self.problems = problems
        self.base: Mapping[str, str] = {}
        self.counts = OutboxCounts()
        self.under_way: Optional[Delivery] = None
        self.closing = False  # what is under way may end, nothing new begins
        self._look = True  # something may be due
        self._changed = True  # the counts may be others
        self._next_count = 0.0  # monotonic
        self.channels = Channels({}, around.home)
        self.servers = Servers()
        self._by: Optional[Channel] = None  # of what is under way
        self._began = 0.0  # monotonic; the latest try
        self._due_then: Optional[tuple[str, Instant]] = None  # (server, when the first tries to it are due)
        self._known: Optional[Config] = None  # whose rules and channels the outbox has been compared with
        self._fresh = True  # how the clock was set before this engine began is not known
        self._set_back_s = 0.0  # by how much the clock was set back, until the outbox is moved with it
        self._asked = 0
        self._untold = 0  # runs whose messages could not be made, since there was a day without one
        self._forget_untold = 0.0  # monotonic
        self._timer: Optional[Timer] = None

    def look(self) -> None:
        """There may be something new: another process wrote, a clock moved."""
        self._look = self._changed = True

    def set_back(self, by_s: float) -> None:
        """The clock was set back: what is to be tried again does not wait until the clock comes there once more."""
        self._set_back_s += by_s
        self._move()
        self.look()

    def _move(self) -> None:
        """Before anything is written by the new clock; where that is not possible now, a message is sent too early."""
        if self._set_back_s and self._writable:
            try:
                self.ledger.outbox.move(-self._set_back_s)
                self._set_back_s = 0.0
            except StoreError:
                pass  # the next look tries again

    @property
    def _writable(self) -> bool:
        return self.book.clean and self.keeper.trouble_since is None

    # ---------------------------------------------------------------------------------------------------- the outbox

    def pump(self, now: Instant) -> None:
        """After each commit: hand over the next delivery that is due, or find out when one will be."""
        if self.teller.untold and self.book.clean:
            self._note_untold()
        self._move()
        if self.teller.asked != self._asked:
            self._asked = self.teller.asked
            self.look()
        if self.teller.config is not self._known:
            self._look = True
        if not self._look or self.under_way is not None or self.closing:
            return
        # What is not written yet may be the mark of a delivery that is over: it would be sent twice.
        if not self._writable:
            return
        try:
            self._compare(now)
            self._put_off()
            due = self.ledger.outbox.due(now)
            if due is None:
                self._look = False
                self._set_timer(self.ledger.outbox.next_time(), now)
        except StoreError as error:
            self._unread(error, now)
            return
        self.problems.pop("outbox", None)
        if due is not None:
            self._begin(due, now)

    def _note_untold(self) -> None:
        """Ends of runs were written without their messages: there is nothing in the outbox that would show it."""
        for run_id, why in self.teller.untold.items():
            self.log.error("%s", untold(run_id, why))
        self._untold += len(self.teller.untold)
        self._forget_untold = self.clock.monotonic() + RECENT_S
        self.teller.untold.clear()
        runs = "the end of 1 run" if self._untold == 1 else f"the ends of {self._untold} runs"
        self.problems["messages"] = f"nobody was told of {runs}: the messages could not be made; see logs/minisched.log"

    def _unread(self, error: StoreError, now: Instant) -> None:
        """Messages wait, tasks go on."""
        if error.kind == "damaged":
            self.keeper.trouble(error, self.clock.monotonic())
            return
        if "outbox" not in self.problems:
            self.log.error("outbox: %s; messages wait until it can be read again", error)
        self.problems["outbox"] = str(error)
        self._look = False
        self._set_timer(now + UNREAD_S, now)

    def _compare(self, now: Instant) -> None:
        """Once for each config: what waits follows its channel; if that is gone it is given up."""
        if self._fresh:
            self.ledger.outbox.hasten(now)
            self._fresh = False
        config = self.teller.config
        if config is self._known:
            return
        self.channels = channels = Channels(config.tasks, self.around.home)
        ended = self.ledger.outbox.follow(channels.find, channels.rules.keys(), REMOVED, now)
        for (task_id, rule, channel), count in ended.items():
            self._changed = True
            self.log.warning(
                '%s: %d notifications of rule "%s", channel %d, were not sent: %s',
                task_id,
                count,
                rule,
                channel,
                REMOVED,
            )
        self._known = config

    def _put_off(self) -> None:
        """What the latest try has shown of its server is for the others that wait for it."""
        if self._due_then is not None:
            server, until = self._due_then

            def held(*queue: Any) -> bool:
                channel = self.channels.at(*queue)
                return channel is not None and server_of(channel) == server

            self.ledger.outbox.put_off(held, until)
            self._due_then = None

    def _set_timer(self, next_time: Optional[Instant], now: Instant) -> None:
        if self._timer is not None:
            self.timers.cancel(self._timer)
            self._timer = None
        if next_time is not None:
            self._timer = self.timers.after(min(max(0.0, next_time - now), LOOK_EVERY_S), self._ring)

    def _ring(self, _: object) -> None:
        self._timer = None
        self._look = True

    def _begin(self, one: Delivery, now: Instant) -> None:
        place = self.channels.find(one.queue)
        channel = self.channels.at(*place[:3]) if place is not None else None
        if channel is None:  # written by an `exec` that had another config
            self._end(one, SendResult(SendStatus.FAILED, Text("text", text=REMOVED)), now)
            return
        self.under_way, self._by, self._began = one, channel, self.clock.monotonic()
        message = Message(one.delivery_id, one.message_id, one.event, one.variables, one.created_time)
        settings = self.teller.config.settings
        self.around.sender.send(
            SendRequest(message, channel, settings.smtp, self.around.home, self.around.environ, self.base)
        )

    # ---------------------------------------------------------------------------------------------------- what became

    def sent(self, message: DeliverySent, now: Instant) -> None:
        """An attempt is over."""
        one = self.under_way
        if one is None or one.delivery_id != message.delivery_id:
            return
        assert self._by is not None
        server = server_of(self._by)
        until = self.servers.tried(server, self.clock.monotonic() - self._began, message.outcome, now)
        self._due_then = None if until is None else (server, until)
        self.under_way = None
        self.problems.pop("sender", None)
        self._end(one._replace(attempts=one.attempts + 1), message.outcome, now)

    def _end(self, one: Delivery, outcome: SendResult, now: Instant) -> None:
        error = render(outcome.error) if outcome.error else ""
        one = one._replace(tried_time=now, next_time=None, error=error, answer=outcome.answer)
        if outcome.state is SendStatus.SENT:
            one = one._replace(state=DeliveryState.SENT, sent_time=now)
        elif outcome.state is SendStatus.RETRY and one.attempts < self.teller.config.settings.notify.max_attempts:
            delay_s = policy.resend_delay(one.attempts, self.around.draw(), outcome.retry_after_s)
            one = one._replace(next_time=now + delay_s)
        else:
            one = one._replace(state=DeliveryState.FAILED)
        self.book.save_delivery(one)
        self.look()
        well = one.state is DeliveryState.SENT and not one.error  # a mail may have reached some of its recipients only
        (self.log.info if well else self.log.warning)("%s", of_delivery(one, now))

    def resend(self, message: ResendDelivery, now: Instant) -> Answer:
        """A person wants it sent once more."""
        try:
            state = self.ledger.outbox.resend(message.delivery_id, now)
        except StoreError as error:
            return Answer("unavailable", f"the outbox cannot be written now: {error}")
        if state is None:
            return Answer("not_found", f"no delivery {message.delivery_id}")
        if state is DeliveryState.PENDING:
            return Answer("pending", f"delivery {message.delivery_id} is waiting to be sent already")
        self.log.info("notification %d: to be sent again, asked by %s", message.delivery_id, message.by)
        self._known = None  # it may be of an older config
        self.look()
        return Answer()

    # --------------------------------------------------------------------------------------------------------- upkeep

    def poll(self, now: Instant, mono: float) -> None:
        """Count, and keep the outbox within its bounds. Costs nothing while nothing changes."""
        self._watch(mono)
        if self._untold and mono >= self._forget_untold:
            self._untold = 0
            self.problems.pop("messages", None)
        if not self._changed and (mono < self._next_count or "notifications" not in self.problems):
            return
        try:
            self.counts, failed = self.ledger.outbox.counts(now - RECENT_S)
            if self.counts.pending > PENDING_MAX:
                count = self.ledger.outbox.bound(PENDING_MAX, TOO_MANY, now)
                self.log.warning("%d notifications were not sent: %s", count, TOO_MANY)
                self.counts, failed = self.ledger.outbox.counts(now - RECENT_S)
        except StoreError:
            return  # the next poll counts again
        self._changed = False
        self._next_count = mono + COUNT_EVERY_S
        if failed:
            noun = "message" if failed == 1 else "messages"
            self.problems["notifications"] = f"{failed} {noun} could not be sent in the last 24 h; see the outbox"
        else:
            self.problems.pop("notifications", None)

    def _watch(self, mono: float) -> None:
        """Every try ends within its limit; should one not, nothing is sent any more, and that must not be silent."""
        if self.under_way is None or self._by is None or "sender" in self.problems:
            return
        smtp = self.teller.config.settings.smtp
        found = hanging(self.under_way.delivery_id, self._by, smtp, mono - self._began)
        if found:
            self.problems["sender"] = found
            self.log.error("%s", found)
