"""Notifications as values: messages, requests to the thread that sends, results, and the rows of the outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from minisched.catalogue import ENGLISH, Text
from minisched.model.fields import Field, json_encoder
from minisched.model.status import Instant, Status, Word
from minisched.model.task import Channel, SmtpSettings
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

SEND_TIMEOUT_S = 30.0  # for an attempt by a webhook or a command; a mail has `smtp.timeout`
HEARTBEAT_ID = -1  # in the place of a delivery's id: it is not in the outbox, and its result is not posted
RETRY_AFTER_MAX_S = 24 * 3600.0  # the longest wait that a server can ask for


class NotificationEvent(Word):
    """Why a message is sent."""

    EVENT = "event"  # a rule has fired
    RECOVERY = "recovery"  # the first success after it
    TEST = "test"  # requested by a person


class SendStatus(Word):
    """The result of one attempt to send a message."""

    SENT = "sent"
    RETRY = "retry"  # a further attempt may succeed: the server was unreachable or busy, or failed
    FAILED = "failed"  # the same message would be refused again


class Message(NamedTuple):
    """A message as each attempt sends it: nothing in it changes between two attempts, unless the config has changed
    the language."""

    delivery_id: int  # its row in the outbox
    message_id: str  # `12.ab34cd@host`, the same at each attempt, so that a receiver can recognize a repeat
    event: str  # a NotificationEvent
    variables: Mapping[str, str]  # of templates, by name
    created_time: Instant
    language: str = ENGLISH  # of the built-in texts


class SendRequest(NamedTuple):
    """A message with all that its channel needs. Made by the engine, used by the sender."""

    message: Message
    channel: Channel
    smtp: Optional[SmtpSettings]
    home: str  # absolute; relative paths start from it
    environ: Mapping[str, str]  # the engine's whole environment, for secrets that are read from it
    base: Mapping[str, str]  # the part of it that a command gets, as tasks do: without secrets


class SendResult(NamedTuple):
    """The end of one attempt. No text in it contains a secret or the address of a webhook."""

    state: SendStatus
    error: Optional[Text] = None  # also for a `sent` message that some recipients did not get
    answer: str = ""  # of the server or command, at most 500 bytes
    retry_after_s: Optional[float] = None  # how long the server asks to wait


class DeliverySent(NamedTuple):
    """The sender's report to the engine: an attempt has ended."""

    delivery_id: int
    result: SendResult


class DeliveryState(Word):
    """The state of a delivery in the outbox."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"  # for good; a person can have it sent again


class Queue(NamedTuple):
    """A channel of a rule, whose deliveries are sent one after the other, in order."""

    task_id: str
    rule: str  # its name
    channel: int  # its index in the rule
    channel_type: str
    channel_keys: str  # see `notify.routing.keys_of`; "" in rows of schema version 1


class Delivery(NamedTuple):
    """A message to one channel. One row of `task_outbox`.

    It is sent by the config that is loaded then. `task_id`, `rule` and `channel` identify its channel, `channel_keys`
    do if the config has changed since. A delivery that waits for another one of its queue has no `next_time`.
    """

    created_time: Instant  # when the run ended
    task_id: str
    rule: str  # its name
    channel: int  # its index in the rule
    channel_type: str
    run_id: int
    event: NotificationEvent
    variables: Mapping[str, str]  # of templates, as at the end of the run
    delivery_id: int = 0
    message_id: str = ""  # `12.ab34cd@host`
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0  # that have ended
    next_time: Optional[Instant] = None  # of the next attempt
    tried_time: Optional[Instant] = None  # the end of the latest attempt
    sent_time: Optional[Instant] = None
    error: Optional[Text] = None  # of the latest attempt
    answer: str = ""  # of the server or command, at most 500 bytes
    channel_keys: str = ""

    @property
    def queue(self) -> Queue:
        return Queue(self.task_id, self.rule, self.channel, self.channel_type, self.channel_keys)

    def as_json(self, zone: tzinfo) -> dict[str, Any]:
        """The delivery as it is shown everywhere, without its variables."""
        return _delivery_json(self, zone)


DELIVERY_FIELDS = (
    Field("delivery_id", "id", columns=()),  # the table's key
    Field("message_id", "text", "The same at each attempt: `Message-ID` or `X-Minisched-Delivery`.", fixed=True),
    Field("created_time", "time", "When the run ended.", fixed=True),
    Field("task_id", "reporter?", "Null for a problem of the engine.", fixed=True),
    Field("rule", "text", fixed=True),
    Field("channel", "count", "Its place in the rule, from 0.", fixed=True),
    Field("channel_type", "channel_type", fixed=True),
    Field(
        "run_id", "reported?", "The run that it reports. Null for a late task and a problem of the engine.", fixed=True
    ),
    Field("event", NotificationEvent, fixed=True),
    Field("state", DeliveryState),
    Field("attempts", "count", "Completed attempts to send it."),
    Field("next_time", "time?", "Of the next attempt; null if it waits for an earlier message."),
    Field("tried_time", "time?", "End of the latest attempt."),
    Field("sent_time", "time?"),
    Field("error", "detail?", "Of the latest attempt; for a sent mail, the recipients that were refused."),
    Field("answer", "text", "The reply of the server or command, its first 500 bytes."),
    Field("variables", "texts", member="", fixed=True),
    Field("channel_keys", "text", member="", fixed=True),
)
_delivery_json = json_encoder(DELIVERY_FIELDS)


class RuleState(NamedTuple):
    """What a rule has done so far, beside what the history shows. One row of `task_rule`.

    `streak` is the number of consecutive finished runs that matched, counted up to the run whose `end_order` is
    `streak_until`. `streak_triggers` are the triggers it was counted for, "" for none: other triggers make it void.
    """

    task_id: str
    rule: str
    fired: bool = False  # it reported something other than a success, and no success has followed
    last_time: Optional[Instant] = None  # end of the run that the latest message, recoveries aside, was about
    suppressed: int = 0  # messages that the cooldown has held back since the latest one
    streak: int = 0
    streak_until: int = 0
    streak_triggers: str = ""


class FinishedRun(NamedTuple):
    """What the rules look at. `end_order` numbers the ends of a task's runs from 1: runs may end in another order than
    they began, and the clock may be set back between two ends."""

    end_order: int
    status: Status
    reason: Optional[str]


class Notices(NamedTuple):
    """What follows from the end of a run, written in the same transaction."""

    states: Sequence[RuleState] = ()
    deliveries: Sequence[Delivery] = ()


class OutboxCounts(NamedTuple):
    """The number of deliveries in each state; sent and failed ones as far as retention has kept them."""

    pending: int = 0
    sent: int = 0
    failed: int = 0
