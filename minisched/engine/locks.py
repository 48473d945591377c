"""Locks (`task_locks`): which run may begin, and in which order runs get a lock."""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain

from minisched.model import LockSnapshot, Status, Text
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Optional

    from minisched.engine.state import ActiveRun, State
    from minisched.model import Config, TaskExecution

NAMED_MAX = 3  # runs that are named in a reason
SHOWN_MAX = 20  # runs of a line that are shown


class _Place(NamedTuple):
    """The place of a run in the line of a lock. Of two runs, the one that was due first is before the other."""

    order: tuple[float, int]  # of no other run
    active: ActiveRun


class Locks:
    """Who waits for which lock. Who holds one follows from the processes that run.

    A run takes all its locks at once, at the moment at which its process may start, and holds them until the process
    has ended. Each lock has a line of the runs that wait for it, first due first. A run may begin if in each of its
    lines there are fewer runs before it than the lock has room for. So:

    - No run holds one lock while it waits for another: there is no deadlock.
    - A run that needs two locks is not overtaken by runs that need one of them: there is no starvation. The first run
      of all waits for processes only.
    - A run waits only for processes, and for runs that are due before it and need the same lock.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._lines: dict[str, list[_Place]] = {}
        self._names: dict[ActiveRun, tuple[str, ...]] = {}  # what each run in a line waits for
        self._freed: set[str] = set()  # locks that may have room for a run since `take_ready` was called last
        self._config: Optional[Config] = None  # that `_known` are the locks of
        self._known: list[str] = []

    def wait(self, active: ActiveRun) -> None:
        """Line the run up for the locks of its task; one that is lined up keeps its place."""
        if self.is_lined_up(active):
            return
        self.leave(active)
        names = active.task_state.task.task_locks
        if names:
            self._names[active] = names
        for name in names:
            insort(self._lines.setdefault(name, []), _Place(active.order, active))

    def is_lined_up(self, active: ActiveRun) -> bool:
        """For all locks of its task, and for no other."""
        return self._names.get(active, ()) == active.task_state.task.task_locks

    def leave(self, active: ActiveRun) -> None:
        """The run waits no longer: it begins, ends, or is queued for something else first."""
        names = self._names.pop(active, None)
        if names is None:
            return
        for name in names:
            line = self._lines[name]
            del line[bisect_left(line, (active.order,))]
            if not line:
                del self._lines[name]
        self.freed(names)

    def may_begin(self, active: ActiveRun) -> bool:
        """Whether a run that is lined up, or needs no lock, can have all its locks now."""
        return all(self._rank(name, active) < self._room(name) for name in self._names.get(active, ()))

    def are_free(self, names: Iterable[str]) -> bool:
        """Whether a run that is due later than all others would get these locks at once."""
        return all(len(self._lines.get(name, ())) < self._room(name) for name in names)

    def are_exceeded(self, names: Iterable[str], others: Optional[Iterable[TaskExecution]] = None) -> bool:
        """One of these has more holders than its size: an `exec` has taken it too. others: the runs of other processes,
        by default those that the engine knows."""
        return any(len(self.holders(name, others)) > self._size(name) for name in names)

    @property
    def unserved(self) -> bool:
        """`take_ready` may find a run."""
        return bool(self._freed)

    def freed(self, names: Iterable[str]) -> None:
        """A process that held these has ended."""
        if self._lines:
            self._freed.update(name for name in names if name in self._lines)

    def changed(self) -> None:
        """The sizes may be others, or other processes hold a lock."""
        self._freed.update(self._lines)

    def take_ready(self) -> list[ActiveRun]:
        """The runs that were queued for a lock and may begin since locks were freed."""
        if not self._freed:
            return []
        freed, self._freed = self._freed, set()
        ready: dict[ActiveRun, None] = {}
        for name in sorted(freed):
            for place in self._lines.get(name, [])[: max(0, self._room(name))]:
                if self.may_begin(place.active):
                    ready[place.active] = None
        return list(ready)

    def reason(self, active: ActiveRun) -> Text:
        """Why the run cannot begin: for each lock that is missing, its holders, or the run that gets it before."""
        missing = []
        for name in self._names.get(active, ()):
            if self._room(name) <= 0:
                holders = self.holders(name)
                runs = [_run_text(run) for run in holders[:NAMED_MAX]]
                if len(holders) > NAMED_MAX:
                    runs.append(Text("more_runs", count=len(holders) - NAMED_MAX))
                missing.append(Text("lock_held", lock=name, runs=runs))
            elif self._rank(name, active) >= self._room(name):
                missing.append(Text("lock_promised", lock=name, run=_run_text(self._lines[name][0].active.run)))
        return Text("lock", locks=missing)

    def holders(self, name: str, others: Optional[Iterable[TaskExecution]] = None) -> list[TaskExecution]:
        """The runs whose process holds the lock, oldest first. others: see `are_exceeded`."""
        state = self._state
        if others is None:
            others = chain.from_iterable(runs.values() for runs in state.external.values())
        runs = [active.run for active in state.running if name in active.locks]
        for run in others:
            known = state.tasks.get(run.task_id)
            if run.status is Status.RUNNING and known is not None and name in known.task.task_locks:
                runs.append(run)
        return sorted(runs, key=lambda run: (run.created_time, run.run_id, run.task_id))

    def shown(self) -> tuple[LockSnapshot, ...]:
        """All locks of the config, by name."""
        config = self._state.config
        if config is not self._config:
            self._config = config
            used = {name for task in config.tasks.values() for name in task.task_locks}
            self._known = sorted(used.union(config.settings.locks))
        return tuple(
            LockSnapshot(
                name,
                self._size(name),
                tuple((run.task_id, run.run_id) for run in self.holders(name)),
                tuple((run.task_id, run.run_id) for run in self._first(name)),
                len(self._lines.get(name, ())),
            )
            for name in self._known
        )

    def _first(self, name: str) -> list[TaskExecution]:
        return [place.active.run for place in self._lines.get(name, [])[:SHOWN_MAX]]

    def _size(self, name: str) -> int:
        return self._state.config.settings.locks.get(name, 1)

    def _room(self, name: str) -> int:
        """How many more runs may hold the lock; negative after its size was lowered."""
        return self._size(name) - len(self.holders(name))

    def _rank(self, name: str, active: ActiveRun) -> int:
        """How many runs are before it in the line."""
        return bisect_left(self._lines[name], (active.order,))


def _run_text(run: TaskExecution) -> Text:
    if run.run_id:
        return Text("run_of_task", task=run.task_id, run_id=run.run_id)
    return Text("new_run_of_task", task=run.task_id)  # its row is written by this very step
