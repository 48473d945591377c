"""Which channel of the config a pending delivery belongs to, after the config was edited."""

from __future__ import annotations

from minisched.config import config_hash
from minisched.model import Secret
from minisched.model.notification import Queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Optional

    from minisched.model import Channel, NotifyRule, Task

# The option that holds a channel's destination; the other options only say what a message looks like.
_DESTINATION = {"email": "recipients", "webhook": "url", "command": "task_exec", "file": "path"}
KEY_DIGITS = 16  # hexadecimal


def destination(channel: Channel) -> str:
    """Where its messages go, as a text that is unique to it. May contain a secret."""
    where = channel.options[_DESTINATION[channel.type]]
    if isinstance(where, Secret):
        return f"{where.source}:{where.reveal({}, '') if where.source == 'text' else where.place}"
    return where if isinstance(where, str) else "\0".join(where)


def endpoint_of(channel: Channel) -> str:
    """The same text for channels that are served by the same server, command or file. May contain a secret."""
    if channel.type == "email":
        return "email"  # there is one mail server
    where = destination(channel)
    url = channel.options.get("url")
    if isinstance(url, Secret) and url.source == "text":
        where = "/".join(where.partition("?")[0].split("/", 3)[:3]).lower()
    return f"{channel.type}:{where}"


def keys_of(rule: NotifyRule, home: str) -> str:
    """The keys of the rule's channels, in order, with commas between them. A key is a hash of the destination and the
    home: a webhook's address may be a secret."""
    return ",".join(
        config_hash(f"{home}\0{channel.type}\0{destination(channel)}".encode())[:KEY_DIGITS]
        for channel in rule.channels
    )


class Routing:
    """Finds the channels of a config."""

    def __init__(self, tasks: Mapping[str, Task], home: str, engine: Sequence[NotifyRule] = ()) -> None:
        """engine: the rules for the engine's own problems, whose messages have the task id ""."""
        self.home = home
        self.rules = {("", rule.name): rule for rule in engine}
        self.rules |= {(task_id, rule.name): rule for task_id, task in tasks.items() for rule in task.task_notify}
        self._names: dict[str, list[str]] = {}
        for task_id, name in self.rules:
            self._names.setdefault(task_id, []).append(name)

    def channel(self, task_id: str, rule: str, index: int) -> Optional[Channel]:
        found = self.rules.get((task_id, rule))
        return found.channels[index] if found is not None and index < len(found.channels) else None

    def find(self, queue: Queue, waiting: Collection[tuple[str, str]] = ()) -> Optional[Queue]:
        """The queue that deliveries written for `queue` belong to now; None if their rule or channel is gone.

        A missing rule counts as renamed if exactly one other rule of its task has a channel with the same destination.
        `waiting` are rules (task_id, name) with pending deliveries of their own, which are not new names.
        """
        names = [queue.rule]
        if (queue.task_id, queue.rule) not in self.rules:
            names = [name for name in self._names.get(queue.task_id, ()) if (queue.task_id, name) not in waiting]
        found = [one for one in (self._find_in(queue, name) for name in names) if one is not None]
        return found[0] if len(found) == 1 else None

    def moves(self, queues: Sequence[Queue]) -> list[tuple[Queue, Optional[Queue]]]:
        """(queue, where its deliveries belong now) for each queue that is not as it was."""
        waiting = {queue[:2] for queue in queues}
        found = [(queue, self.find(queue, waiting)) for queue in queues]
        return [(queue, target) for queue, target in found if target != queue]

    def _find_in(self, queue: Queue, name: str) -> Optional[Queue]:
        rule = self.rules[queue.task_id, name]
        keys = keys_of(rule, self.home)
        index = _index(queue, rule, keys.split(","), renamed=name != queue.rule)
        return None if index is None else Queue(queue.task_id, name, index, rule.channels[index].type, keys)


def _index(queue: Queue, rule: NotifyRule, keys: list[str], renamed: bool) -> Optional[int]:
    """Index of the channel in `rule` that deliveries of `queue` belong to now: the one with the same destination
    (duplicates are matched in order), or, if exactly one destination was edited, the one in its position. None: no such
    channel. Without keys (rows of schema version 1) only index and type are compared.
    """
    same_type = [index for index, channel in enumerate(rule.channels) if channel.type == queue.channel_type]
    if not queue.channel_keys:
        return queue.channel if queue.channel in same_type and not renamed else None
    before = str(queue.channel_keys).split(",")
    if queue.channel not in range(len(before)):  # another program wrote it
        return None
    own = before[queue.channel]
    alike = [index for index, key in enumerate(keys) if key == own]
    rank = before[: queue.channel].count(own)
    if rank < len(alike):
        return alike[rank]
    edited = len(keys) == len(before) and keys[queue.channel] not in before and queue.channel in same_type
    return queue.channel if edited and not renamed else None
