"""What is sent to whom, and what came of it: the values between the engine and the thread that sends."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text, 4 ms of a start.
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple, Optional

from minisched.model.fields import Field, json_encoder
from minisched.model.status import Instant, Status, Word
from minisched.model.task import Channel, SmtpSettings
from minisched.model.text import Text

LIMIT_S = 30.0  # of a try by a webhook or a command; a mail's is `smtp.timeout`
RETRY_AFTER_MAX_S = 24 * 3600.0  # a server that asks for a longer wait is not granted it


class NotificationEvent(Word):
    """Why a message is sent."""

    EVENT = "event"  # a rule has fired
    RECOVERY = "recovery"  # the first success after it
    TEST = "test"  # a person asked for it


class SendStatus(Word):
    """What came of one try to deliver a message."""

    SENT = "sent"
    RETRY = "retry"  # another try may help: the server was away, busy, or failed
    FAILED = "failed"  # the same message would be refused again


class Message(NamedTuple):
    """A message as every try to deliver it tells it: nothing in it changes from one to the next."""

    delivery_id: int  # its row in the outbox
    message_id: str  # `12.ab34cd@host`, the same at each try, so that a receiver can tell a repeat
    event: str  # a NotificationEvent
    variables: Mapping[str, str]  # of templates, by name
    created_time: Instant


class SendRequest(NamedTuple):
    """A message with all that its channel needs; made by the engine, used by the sender."""

    message: Message
    channel: Channel
    smtp: Optional[SmtpSettings]
    home: str  # absolute; relative paths start there
    environ: Mapping[str, str]  # the engine's whole environment, for secrets that are read from it
    base: Mapping[str, str]  # what of it a command gets: as a task, no secrets


class SendResult(NamedTuple):
    """The end of one try. No text in it holds a secret or the address of a webhook."""

    state: SendStatus
    error: Optional[Text] = None  # also of a `sent` message that some recipients did not get
    answer: str = ""  # what the server or the command said, at most 500 bytes
    retry_after_s: Optional[float] = None  # the server's own wish


class DeliverySent(NamedTuple):
    delivery_id: int
    outcome: SendResult


class DeliveryState(Word):
    """Where a delivery stands."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"  # for good; a person may have it sent again


class Queue(NamedTuple):
    """Where deliveries wait: a channel of a rule. Those of one are sent one after the other, in their order."""

    task_id: str
    rule: str  # its name
    channel: int  # its index in the rule
    channel_type: str
    channel_keys: str  # see `notify.routing.keys_of`; "" in rows of schema version 1


class Delivery(NamedTuple):
    """A message to one channel. One row of `task_outbox`.

    The channel is that of the config in force when it is sent: `task_id`, `rule` and `channel` find it, and
    `channel_keys` where the config has changed since. One that waits for another of its queue has no `next_time`.
    """

    created_time: Instant  # when the run ended
    task_id: str
    rule: str  # its name
    channel: int  # its index in the rule
    channel_type: str
    run_id: int
    event: NotificationEvent
    variables: Mapping[str, str]  # the template variables, as they were then
    delivery_id: int = 0
    message_id: str = ""  # `12.ab34cd@host`
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0  # that are over
    next_time: Optional[Instant] = None  # of the next one
    tried_time: Optional[Instant] = None  # when the latest one was over
    sent_time: Optional[Instant] = None
    error: Optional[Text] = None  # of the latest attempt
    answer: str = ""  # of the server or command to it, at most 500 bytes
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
    Field("task_id", "task_id", fixed=True),
    Field("rule", "text", fixed=True),
    Field("channel", "count", "Its place in the rule, from 0.", fixed=True),
    Field("channel_type", "channel_type", fixed=True),
    Field("run_id", "id", "The run that it reports.", fixed=True),
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
    """How many deliveries stand in each state; of sent and failed ones those that retention has kept."""

    pending: int = 0
    sent: int = 0
    failed: int = 0
