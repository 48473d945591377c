"""What is sent to whom, and what came of it: the values between the engine and the thread that sends."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text, 4 ms of a start.
from collections.abc import Mapping
from typing import NamedTuple, Optional

from minisched.model.config import Channel, SmtpSettings
from minisched.model.words import Instant, Word


class NoticeEvent(Word):
    """Why a message is sent."""

    EVENT = "event"  # a rule has fired
    RECOVERY = "recovery"  # the first success after it
    TEST = "test"  # a person asked for it


class Sending(Word):
    """What came of one try to deliver a message."""

    SENT = "sent"
    RETRY = "retry"  # another try may help: the server was away, busy, or failed
    FAILED = "failed"  # the same message would be refused again


class Message(NamedTuple):
    """A message as every try to deliver it tells it: nothing in it changes from one to the next."""

    delivery_id: int  # its row in the outbox
    message_id: str  # `12.ab34cd@host`, the same at each try, so that a receiver can tell a repeat
    event: str  # a NoticeEvent
    variables: Mapping[str, str]  # the template variables of SPEC section 9
    created_time: Instant


class Order(NamedTuple):
    """A message with all that its channel needs; made by the engine, used by the sender."""

    message: Message
    channel: Channel
    smtp: Optional[SmtpSettings]
    home: str  # absolute; relative paths start there
    environ: Mapping[str, str]  # the engine's whole environment, for secrets that are read from it
    base: Mapping[str, str]  # what of it a command gets: as a task, no secrets


class Outcome(NamedTuple):
    """The end of one try. No text in it holds a secret or the address of a webhook."""

    state: Sending
    error: str = ""  # for people; also of a `sent` message that some recipients did not get
    answer: str = ""  # what the server or the command said, at most 500 bytes
    retry_after_s: Optional[float] = None  # the server's own wish


class NoticeSent(NamedTuple):
    delivery_id: int
    outcome: Outcome
