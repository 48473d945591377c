"""The values that all parts of minisched exchange: statuses, runs, tasks, settings, messages, snapshots.

Values only, of the standard library only. Every instant is a number of seconds since 1970-01-01T00:00Z (UTC by
definition), because two datetimes that differ only in `fold` compare and hash as equal: they cannot represent an hour
that the clock repeats. Local time appears at the edges only. Every duration is a number of seconds.
"""

from __future__ import annotations

from importlib import import_module

from minisched.catalogue import Text, TextError
from minisched.model.run import *
from minisched.model.status import *
from minisched.model.task import *
from minisched.model.text import iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minisched.model.messages import *
    from minisched.model.notification import *
    from minisched.model.snapshot import *
else:

    def __getattr__(name: str) -> object:
        """What only the engine and its threads exchange, imported with the first name of it: the commands that read do
        without, 5 ms of a start."""
        for part in ("messages", "notification", "snapshot"):
            found = vars(import_module(f"{__name__}.{part}"))
            globals().update((key, value) for key, value in found.items() if key[0] != "_")
        try:
            return globals()[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
