"""The config file under a running engine: a valid one is put in force, an invalid one is only reported."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Optional

from minisched.config import ConfigError
from minisched.config.problems import count_problems, limited
from minisched.model import Text

if TYPE_CHECKING:
    from minisched.engine.state import Outside, State
    from minisched.model import Config, ConfigSource, FieldError

SHOWN_PROBLEMS = 10  # in the text of the engine's problem; `config_problems` has more
RETRY_EVERY_S = 30.0  # a refused file is read again: it may have been a missing file descriptor or permission


class Reloader:
    """Reads the file. `config_stamp` is of the file in force; `config_problems` of a later one that was refused."""

    def __init__(self, stamp: object, source: ConfigSource, state: State, outside: Outside) -> None:
        self.config_stamp = stamp
        self.config_problems: tuple[FieldError, ...] = ()
        self.source, self.state = source, state
        self.clock, self.log = outside.clock, outside.log
        self._stamp = stamp  # of the file that was read last
        self._half_written = False  # it may have been, so it is read once more before its problems are reported
        self._next_retry = self.clock.monotonic()

    @property
    def in_doubt(self) -> bool:
        """The file may be half written: it has to be read once more, soon."""
        return self._half_written

    def poll(self, mono: float) -> tuple[Optional[Config], Text]:
        """A new config if the file has one, and why it was read."""
        changed = self.source.stamp() != self._stamp
        if changed or self._half_written:
            return self.load(doubtful=changed), Text("log.file_changed")
        retry = bool(self.config_problems) and mono >= self._next_retry
        return self.load(quiet=True) if retry else None, Text("log.file_readable")

    def load(self, doubtful: bool = False, quiet: bool = False) -> Optional[Config]:
        """Read the file. None: it has problems, which are reported, and the config in force stays.

        doubtful: it may be half written, so an invalid one is read once more before it is reported. quiet: do not log
        problems that are known.
        """
        self._half_written = False
        self._stamp = self.source.stamp()
        try:
            config = self.source.load()
        except ConfigError as error:
            self._next_retry = self.clock.monotonic() + RETRY_EVERY_S
            if doubtful:
                self._half_written = True
                return None
            known, self.config_problems = self.config_problems, tuple(error.problems)
            shown = [one.as_text() for one in limited(error.problems, SHOWN_PROBLEMS)]
            self.state.problems.report("config", Text("engine.config", problems=shown), logging.NOTSET)
            if not quiet or self.config_problems != known:
                for one in error.problems:
                    self.log.error(Text("log.problem", key="config", problem=one.as_text()))
                self.log.error(Text("log.config_refused", count=count_problems(error.problems)))
            return None
        self.state.problems.report("config", None)
        self.config_problems = ()
        self.config_stamp = self._stamp
        return config
