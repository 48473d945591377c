"""Which channel of the config a message that waits belongs to, however the config was edited since it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from minisched.config import config_hash
from minisched.model import Secret
from minisched.model.notification import Queue

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from minisched.model import Channel, NotifyRule, Task

# What says where a message goes; all else of a channel only says how it looks.
_DESTINATION = {"email": "recipients", "webhook": "url", "command": "task_exec", "file": "path"}
KEY_DIGITS = 16  # hexadecimal ones


def destination(channel: Channel) -> str:
    """Where its messages go, in a text of its own. May hold a secret."""
    where = channel.options[_DESTINATION[channel.type]]
    if isinstance(where, Secret):
        return f"{where.source}:{where.reveal({}, '') if where.source == 'text' else where.place}"
    return where if isinstance(where, str) else "\0".join(where)


def keys_of(rule: NotifyRule, home: str) -> str:
    """By what the channels of a rule are known again, in their order, with commas between them: a key is the same for
    the same destination, in this home. It is a hash, for many a webhook's address is a secret."""
    return ",".join(
        config_hash(f"{home}\0{channel.type}\0{destination(channel)}".encode())[:KEY_DIGITS]
        for channel in rule.channels
    )


class Channels:
    """The rules and channels of a config, as the outbox asks for them."""

    def __init__(self, tasks: Mapping[str, Task], home: str) -> None:
        self.home = home
        self.rules = {(task_id, rule.name): rule for task_id, task in tasks.items() for rule in task.task_notify}
        self._names: dict[str, list[str]] = {}
        for task_id, name in self.rules:
            self._names.setdefault(task_id, []).append(name)

    def at(self, task_id: str, rule: str, channel: int) -> Optional[Channel]:
        found = self.rules.get((task_id, rule))
        return found.channels[channel] if found is not None and channel < len(found.channels) else None

    def find(self, queue: Queue, waiting: Collection[tuple[str, str]] = ()) -> Optional[Queue]:
        """Where the messages that were written for `queue` wait by this config; None where their rule or channel is
        gone.

        A rule that is gone was renamed if exactly one other of its task has a channel with the same destination;
        `waiting` are rules (task_id, name) that have messages of their own, which is no sign of a new name.
        """
        names = [queue.rule]
        if (queue.task_id, queue.rule) not in self.rules:
            names = [name for name in self._names.get(queue.task_id, ()) if (queue.task_id, name) not in waiting]
        found = [place for name in names for place in self._within(queue, name)]
        return found[0] if len(found) == 1 else None

    def _within(self, queue: Queue, name: str) -> list[Queue]:
        """Its place among the channels of that rule, if there is one."""
        rule = self.rules[queue.task_id, name]
        keys = keys_of(rule, self.home)
        index = _place(queue, rule, keys.split(","), renamed=name != queue.rule)
        if index is None:
            return []
        return [Queue(queue.task_id, name, index, rule.channels[index].type, keys)]


def _place(queue: Queue, rule: NotifyRule, keys: list[str], renamed: bool) -> Optional[int]:
    """The index in `rule`, whose channels have these keys: that of the channel with the same destination; of several
    with the same one, the first for the first, and so on. Where none has it any more, the destination itself was edited
    if all else is as it was: there are as many channels, and the one that stands there is new. Without keys, as an
    older minisched wrote it, only index and type tell.
    """
    same_type = [index for index, channel in enumerate(rule.channels) if channel.type == queue.channel_type]
    if not queue.channel_keys:
        return queue.channel if queue.channel in same_type and not renamed else None
    before = queue.channel_keys.split(",")
    own = before[queue.channel]
    alike = [index for index, key in enumerate(keys) if key == own]
    rank = before[: queue.channel].count(own)
    if rank < len(alike):
        return alike[rank]
    edited = len(keys) == len(before) and keys[queue.channel] not in before and queue.channel in same_type
    return queue.channel if edited and not renamed else None
