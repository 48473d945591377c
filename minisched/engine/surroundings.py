"""What the engine asks of the system beside time, ledger and processes; the fakes of a simulation stand here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from minisched.model import Config, ProcessIdentity, Sender


class ConfigSource(Protocol):
    """The config file as the engine sees it."""

    def stamp(self) -> object:
        """Something that differs when the file has changed."""

    def load(self) -> Config:
        """Raises ConfigError with every problem."""


class System(NamedTuple):
    """The machine and this process, as the engine sees them."""

    home: str
    host_name: str
    owner: ProcessIdentity  # this engine
    environ: Mapping[str, str]
    draw: Callable[[], float]  # a random number in [0, 1)
    is_alive: Callable[[ProcessIdentity], bool]
    kill_leftover: Callable[[Optional[ProcessIdentity], int], int]  # (process, run_id) -> how many were killed
    upkeep: Callable[[], Sequence[str]]  # at every poll: orphans, files; the standing problems it found
    configured: Callable[[Config], None]  # a new config is in force: log settings
    sender: Sender
