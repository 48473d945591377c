"""What the engine shows of itself to other threads: frozen values, replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from minisched.catalogue import Text
from minisched.model.notification import OutboxCounts
from minisched.model.run import TaskExecution
from minisched.model.status import Instant
from minisched.model.task import Config, FieldError, Task
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional, Union

    Watcher = Callable[[], object]
    Tasks = dict[str, "TaskSnapshot"]  # by id


class Late(NamedTuple):
    """A due day without a success by `task_expect.finish_by`, until the next success."""

    day: str  # "2026-11-30"
    since: Instant  # when the time was over


class TaskSnapshot(NamedTuple):
    """A task and what only the engine knows of it; its history is in the database."""

    task: Task
    version: int  # of the snapshot when this task changed last
    live: tuple[TaskExecution, ...] = ()  # its unfinished runs whose rows are on disk, oldest first
    next_start: Optional[Instant] = None  # its next due time, jitter included
    slow: tuple[int, ...] = ()  # ids of its runs that take longer than `task_expect.duration`
    late: Optional[Late] = None


class LockSnapshot(NamedTuple):
    """A lock of the config; runs are (task_id, run_id)."""

    name: str
    size: int
    held_by: tuple[tuple[str, int], ...] = ()  # oldest first
    waiting: tuple[tuple[str, int], ...] = ()  # in the order in which they get it; of very many the first ones
    waiting_count: int = 0  # of all


class EngineProblem(NamedTuple):
    """Something that is wrong now."""

    text: Text
    since: Instant


class EngineSnapshot(NamedTuple):
    """The engine as a whole."""

    config: Config
    config_stamp: object  # of the file when `config` was read, as ConfigSource.stamp gives it
    config_problems: tuple[FieldError, ...] = ()  # of a later file that was refused
    problems: Mapping[str, EngineProblem] = MappingProxyType({})  # current ones, by key
    stopping: bool = False
    running: int = 0  # processes
    started: Instant = 0.0
    beat: float = 0.0  # monotonic time of the latest step; an old one means that the loop hangs
    outbox: OutboxCounts = OutboxCounts()
    wake_by: float = 0.0  # monotonic time of the next step, if nothing happens before
    locks: tuple[LockSnapshot, ...] = ()


class Snapshot:
    """Written by the engine's thread, read by any thread.

    Each attribute is replaced as a whole, and an entry of `tasks` by another frozen value, so a reader needs no lock:
    it takes `tasks` once and reads from that. `version` grows with every change, after the change is visible.
    `watchers` are called after that, in the engine's thread: they must not block, and may only set a flag or put into
    a SimpleQueue.
    """

    def __init__(self, engine: EngineSnapshot) -> None:
        self.engine = engine
        self.version = 0
        self.watchers: tuple[Watcher, ...] = ()
        self._tasks: Union[Tasks, Callable[[], Tasks]] = {}

    @property
    def tasks(self) -> Tasks:
        """In the config's order; a new dict for a new config."""
        tasks = self._tasks
        return tasks() if callable(tasks) else tasks

    def show(self, engine: EngineSnapshot) -> None:
        self.engine = engine

    def show_tasks(self, tasks: Union[Tasks, Callable[[], Tasks]]) -> None:
        """tasks: or what makes and shows them. It is called by the first reader, in any thread."""
        self._tasks = tasks

    def watch(self, watcher: Watcher) -> None:
        self.watchers = (*self.watchers, watcher)

    def unwatch(self, watcher: Watcher) -> None:
        self.watchers = tuple(one for one in self.watchers if one != watcher)

    def advance(self) -> None:
        """The new values are in place: count the change and wake the watchers."""
        self.version += 1
        for watcher in self.watchers:
            watcher()
