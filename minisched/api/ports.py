"""What a handler reaches: the engine's Snapshot and inbox, the history, the logs, the clocks. The roof builds it."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Lock
from typing import NamedTuple, Optional, Protocol

from minisched.api.card_cache import CardCache, TaskStatuses
from minisched.api.listeners import Listeners
from minisched.model import (
    Config,
    Delivery,
    DeliveryState,
    Instant,
    Message,
    Snapshot,
    Status,
    Task,
    TaskExecution,
    TaskRecord,
    Trigger,
)
from minisched.notify.notify_test import ChannelResult
from minisched.tasklog.pages import LogReader


class Outcome(Protocol):
    """A finished run in short; `store.Outcome` is one."""

    @property
    def run_id(self) -> int: ...
    @property
    def status(self) -> Status: ...
    @property
    def start_time(self) -> Optional[Instant]: ...
    @property
    def end_time(self) -> Instant: ...
    @property
    def duration(self) -> Optional[float]: ...


class Past(Protocol):
    """What a card tells of a task's past; `store.Past` is one."""

    @property
    def record(self) -> TaskRecord: ...
    @property
    def last_run(self) -> Optional[TaskExecution]: ...
    @property
    def outcomes(self) -> Sequence[Outcome]: ...


class Totals(Protocol):
    """What is counted of a task; `store.TaskTotals` is one."""

    @property
    def last_status(self) -> Optional[Status]: ...
    @property
    def consecutive_failures(self) -> int: ...
    @property
    def last_success_time(self) -> Optional[Instant]: ...
    @property
    def run_count(self) -> int: ...
    @property
    def last_end_time(self) -> Optional[Instant]: ...
    @property
    def last_duration(self) -> Optional[float]: ...


class HistoryReader(Protocol):
    """`store.History`: every method raises StoreError."""

    def close(self) -> None: ...

    def page(
        self,
        task_id: Optional[str] = None,
        statuses: Collection[Status] = (),
        triggers: Collection[Trigger] = (),
        since: Optional[Instant] = None,
        until: Optional[Instant] = None,
        page: int = 1,
        page_size: int = 20,
    ) -> tuple[list[TaskExecution], int]: ...

    def run(self, run_id: int) -> Optional[TaskExecution]: ...
    def tail(self, run_id: int) -> bytes: ...
    def deliveries(
        self,
        states: Collection[DeliveryState] = (),
        page: int = 1,
        page_size: int = 20,
        task_id: Optional[str] = None,
    ) -> tuple[list[Delivery], int]: ...

    def delivery(self, delivery_id: int) -> Optional[Delivery]: ...
    def pasts(self, task_ids: Sequence[str], count: int) -> Mapping[str, Past]: ...
    def last_statuses(self, task_ids: Optional[Sequence[str]] = None) -> Mapping[str, Status]: ...
    def totals(self) -> Mapping[str, Totals]: ...


class TryRules(Protocol):
    def __call__(self, config: Config, task: Task, rule: Optional[str], by: str) -> Sequence[ChannelResult]:
        """Send a test message through each channel of a rule, or of all rules that are enabled, and wait for what comes
        of it, 35 s at most. by: who asks, for the engine's log. Raises LookupError for an unknown rule, OSError."""


class Ports(NamedTuple):
    """One of these for a server's life; `cards` and `listeners` are what the API itself remembers."""

    board: Snapshot
    post: Callable[[Message], object]  # into the engine's inbox; never blocks
    history: Callable[[], HistoryReader]  # a new reader, for one request and its thread
    logs: LogReader
    home: str
    config_path: str
    config_stamp: Callable[[], object]  # of the config file now, as ConfigSource.stamp gives it
    version: str
    wall: Callable[[], Instant]
    monotonic: Callable[[], float]
    write_lock: Lock  # one write of the config at a time
    epoch: str  # random, for this engine's life: versions of the Snapshot count within it
    cards: CardCache
    statuses: TaskStatuses
    listeners: Listeners
    try_rules: TryRules
    public_status: bool = False  # task states may be read without the token
