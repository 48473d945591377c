"""The servers behind the channels: one that hangs at each try must not hold up the messages of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from minisched.engine.channels import destination
from minisched.model import Secret
from minisched.model.notification import LIMIT_S, SendResult, SendStatus

if TYPE_CHECKING:
    from minisched.model import Channel, Instant, SmtpSettings

SLOW_S = 5.0  # a try that takes so long holds up others; a server that is well, or refuses, is faster
APART_S = 60.0  # between first tries to a server that hangs: half the time is for the others
HANGS_AFTER_S = 30.0  # beyond its limit a try may take some seconds for an end in good order


def server_of(channel: Channel) -> str:
    """What channels have in common that one and the same server, command or file stands behind. May hold a secret."""
    if channel.type == "email":
        return "email"  # there is one mail server
    where = destination(channel)
    url = channel.options.get("url")
    if isinstance(url, Secret) and url.source == "text":
        where = "/".join(where.partition("?")[0].split("/", 3)[:3]).lower()
    return f"{channel.type}:{where}"


def hanging(delivery_id: int, channel: Channel, smtp: Optional[SmtpSettings], took_s: float) -> str:
    """What a person should know of a try that has taken so long; "" where it may still end by itself."""
    limit_s = smtp.timeout if channel.type == "email" and smtp is not None else LIMIT_S
    if took_s <= limit_s + HANGS_AFTER_S:
        return ""
    return (
        f"the sender hangs at notification {delivery_id}, which should have ended after {limit_s:g} s: no message is"
        " sent meanwhile; restart minisched to go on"
    )


class Servers:
    """Which of them hang, as far as the tries since the start have shown."""

    def __init__(self) -> None:
        self._slow: set[str] = set()

    def tried(self, server: str, took_s: float, outcome: SendResult, now: Instant) -> Optional[Instant]:
        """When the other first tries to that server are due, None where it is as before.

        Where a try took long they go behind those to other servers. Where it came to nothing they wait, until one of
        them got through or a minute is over: then it is the next one's turn.
        """
        if took_s >= SLOW_S and outcome.state is SendStatus.RETRY:
            self._slow.add(server)
            return now + APART_S
        if took_s >= SLOW_S or server in self._slow:
            self._slow.discard(server)
            return now
        return None
