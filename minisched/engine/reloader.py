"""The config file under a running engine: a good one is put in force, a bad one is told and leaves the old in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minisched.catalogue import render
from minisched.config import ConfigError
from minisched.model import Answer

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from minisched.engine.surroundings import ConfigSource
    from minisched.model import Clock, Config, FieldError, Instant, Reload

RELOAD_EVERY_S = 30.0  # a refused config is looked at again: no descriptor was left, or a chmod mended it


class Reloader:
    """`config` is in force, `config_stamp` of its file; `config_problems` are of the file as it stands, where it was
    refused. `in_force(config, now)` puts one in force and says how many tasks are new or changed by it."""

    def __init__(
        self,
        config: Config,
        stamp: object,
        source: ConfigSource,
        clock: Clock,
        log: logging.Logger,
        problems: dict[str, str],
        in_force: Callable[[Config, Instant], int],
    ) -> None:
        self.config = config
        self.config_stamp = stamp
        self.config_problems: tuple[FieldError, ...] = ()
        self.source = source
        self.clock = clock
        self.log = log
        self.problems = problems
        self.in_force = in_force
        self._stamp = stamp  # of the file that was looked at last
        self._doubted = False  # the file may be half written
        self._next_reload = clock.monotonic()

    def poll(self, now: Instant, mono: float) -> None:
        """Is the file a new one?"""
        stamp = self.source.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            self.reload(now, "the file has changed", doubtful=True)
        elif self._doubted:
            self.reload(now, "the file has changed")
        elif "config" in self.problems and mono >= self._next_reload:
            self.reload(now, "it can be used again", quiet=True)

    def ask(self, message: Reload, now: Instant, stopping: bool) -> Answer:
        """Somebody wants it read now."""
        if stopping:
            return Answer("stopping", "the engine is stopping; the config stays as it is")
        self.reload(now, message.by if message.asked is None else f"asked by {message.by}")
        if self.config_problems:
            return Answer("invalid", "the config file has problems", problems=self.config_problems)
        return Answer()

    def reload(self, now: Instant, why: str, doubtful: bool = False, quiet: bool = False) -> None:
        """Put the config file in force, or keep the old config and say why. doubtful: it may be half written, so a
        broken one is looked at once more before it is told. quiet: problems told before are not told again."""
        self._doubted = False
        self._stamp = self.source.stamp()
        try:
            config = self.source.load()
        except ConfigError as error:
            self._next_reload = self.clock.monotonic() + RELOAD_EVERY_S
            if doubtful:
                self._doubted = True
                return
            standing = self.problems.get("config")
            self.config_problems = tuple(error.problems)
            self.problems["config"] = "; ".join(render(problem.as_text()) for problem in error.problems)
            if quiet and self.problems["config"] == standing:
                return
            for problem in error.problems:
                self.log.error("config: %s", render(problem.as_text()))
            self.log.error("config: %d problems, the config of before stays in force", len(error.problems))
            return
        self.problems.pop("config", None)
        self.config_problems = ()
        self.config, self.config_stamp = config, self._stamp
        changed = self.in_force(config, now)
        self.log.info("config: reloaded (%s): %d tasks, %d new or changed", why, len(config.tasks), changed)
