"""The engine's own problems as notices, for the rules of `settings.notify.engine`: each once, and its end once."""

from __future__ import annotations

from minisched.model import Expectation, Notice, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from minisched.engine.state import Outside, State
    from minisched.engine.timers import Timers
    from minisched.model import EngineProblem, Instant

# Problems that the last engine had are over if they have not appeared within this time: some are found by a poll, or
# when something is tried.
SETTLE_S = 120.0
NOTICES_MAX = 100  # that wait because the history cannot be written: problems may come and go meanwhile
KIND = "problem"  # of an Expectation with the task id "": which problems were reported


class EngineNotices:
    """Costs nothing without such rules, and without a change of the problems."""

    def __init__(self, state: State, timers: Timers, outside: Outside) -> None:
        self.state, self.timers, self.clock = state, timers, outside.clock
        self._seen: Optional[Mapping[str, EngineProblem]] = None
        self._texts: dict[str, Text] = {}  # of the problems that were reported
        self._settled = True

    def begin(self) -> None:
        if self.state.expected("", KIND):
            self._settled = False
            self.timers.after(SETTLE_S, self._settle)

    def _settle(self) -> None:
        self._settled, self._seen = True, None

    def look(self, now: Instant) -> None:
        """Before the commit of each step, so that a problem and its messages are in one transaction."""
        current = self.state.problems.current
        if current is self._seen:
            return
        self._seen = current
        if not self.state.config.settings.notify.engine:
            self.state.drop_expectations("", KIND)
            self._texts.clear()
            return
        reported = self.state.expected("", KIND)
        for key, problem in current.items():
            self._texts[key] = problem.text
            if key not in reported:
                self.state.put_expectation(Expectation("", KIND, key, now))
                self._notice("problem", key, problem.text, now)
        for key in reported.keys() - current.keys() if self._settled else ():
            self.state.drop_expectations("", KIND, key=key)
            self._notice("problem_gone", key, self._texts.pop(key, Text("text", text=key)), now)

    def _notice(self, trigger: str, key: str, text: Text, now: Instant) -> None:
        if len(self.state.notices) < NOTICES_MAX:
            self.state.save_notice(Notice("", trigger, now, text, key))

    def use(self) -> None:
        """Other rules: those who had no message yet get one."""
        self._seen = None
