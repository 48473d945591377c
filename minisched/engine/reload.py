"""The config file under a running engine: it is read in another thread, and an invalid one is only reported."""

from __future__ import annotations

import logging

from minisched.config.problems import count_problems, limited
from minisched.model import Origin, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Optional

    from minisched.engine.state import Outside, State
    from minisched.model import ConfigEdit, ConfigRead, ConfigSource, FieldError, Message, Reload

SHOWN_PROBLEMS = 10  # in the text of the engine's problem; `config_problems` has more
UNREADABLE = ("config.file.unreadable", "config.file.unavailable")
RETRY_EVERY_S = 30.0  # a refused file is read again: it may have been a missing file descriptor or permission


class Reloader:
    """Has the file read, and reports what is wrong with it. `config_stamp` is of the file in force; `config_problems`
    of a later one that was refused.

    One reload at a time: from the start of a reading until `finish`. Whoever requests another one meanwhile gets the
    answer of the next reading, because the file may have changed after the current one.
    """

    def __init__(
        self,
        stamp: object,
        source: ConfigSource,
        post: Callable[[Message], object],
        state: State,
        outside: Outside,
    ) -> None:
        self.config_stamp = stamp
        self.config_problems: tuple[FieldError, ...] = ()
        self.why = Text("log.file_changed")  # the current reading was begun
        self.origin = Origin("file")  # of the config that was read last
        self.source, self.state = source, state
        self.clock, self.log = outside.clock, outside.log
        self._post = post
        self._stamp = stamp  # of the file that was read last
        self._editor: Optional[Origin] = None  # who changes the file through the API at the moment
        self._busy = False
        self._doubtful = False  # the file may be half written, so it is read once more before it is reported
        self._half_written = False  # so it has to be read once more
        self._quiet = False  # do not log problems that are known
        self._next_retry = self.clock.monotonic()
        self._requests: list[Reload] = []  # answered by the current reading
        self._later: list[Reload] = []  # by the next one

    @property
    def in_doubt(self) -> bool:
        """The file has to be looked at again soon: it may be half written, or change while it is read."""
        return self._busy or self._half_written

    def poll(self, mono: float) -> None:
        """Have the file read if it has changed."""
        if self._busy:
            return
        if self.source.stamp() != self._stamp:
            self._read(Text("log.file_changed"), doubtful=True)
        elif self._half_written:
            self._read(Text("log.file_changed"), quiet=bool(self.config_problems))
        elif self.config_problems and mono >= self._next_retry:
            self._read(Text("log.file_readable"), quiet=True)

    def request(self, message: Reload) -> None:
        """Have the file read, whether it has changed or not."""
        self._later.append(message)
        if not self._busy:
            self._read_for_requests()

    def edit(self, message: ConfigEdit) -> None:
        """Someone begins to change the file through the API, or is done. Known before the file is written, which may be
        noticed before it is requested to be read."""
        self._editor = message.origin

    def _read_for_requests(self) -> None:
        self._requests, self._later = self._later, []
        first = self._requests[0]
        why = Text("log.requested", by=first.by) if first.asked else Text("text", text=first.by)
        self._read(why)

    def _read(self, why: Text, doubtful: bool = False, quiet: bool = False) -> None:
        self._busy, self.why, self._doubtful, self._quiet = True, why, doubtful, quiet
        self._half_written = False
        self.source.read(self.state.config, self._post)

    def take(self, found: ConfigRead) -> None:
        """The reading is done. An invalid config is reported, and the one in force stays."""
        self._stamp = found.stamp
        if found.config is not None:
            self.origin = self._editor or Origin("file")
            if self.source.stamp() == found.stamp:  # it is the file that the later requests mean, too
                self._requests, self._later = self._requests + self._later, []
            return
        self._next_retry = self.clock.monotonic() + RETRY_EVERY_S
        unreadable = any(problem.text.code in UNREADABLE for problem in found.problems)
        self._half_written = self._doubtful or unreadable  # an error of the disk may be over at the next look
        if not self._doubtful:
            self._report(found.problems)

    def _report(self, found: Sequence[FieldError]) -> None:
        known, self.config_problems = self.config_problems, tuple(found)
        shown = [one.as_text() for one in limited(list(found), SHOWN_PROBLEMS)]
        self.state.problems.report("config", Text("engine.config", problems=shown), logging.NOTSET)
        if not self._quiet or self.config_problems != known:
            for one in found:
                self.log.error(Text("log.problem", key="config", problem=one.as_text()))
            self.log.error(Text("log.config_refused", count=count_problems(found)))

    def finish(self, is_new: bool) -> list[Reload]:
        """Whom to answer: the config that was read is in force if it `is_new`, or it was refused."""
        if is_new:
            self.state.problems.report("config", None)
            self.config_problems = ()
            self.config_stamp = self._stamp
        answered, self._requests = self._requests, []
        self._busy = False
        if self._later:
            self._read_for_requests()
        elif self.source.stamp() != self._stamp:
            self._half_written = True
        return answered

    def cancel(self) -> list[Reload]:
        """The engine stops: nothing that was requested will come in force. Returns whom to answer."""
        answered, self._requests, self._later = self._requests + self._later, [], []
        return answered
