"""The engine under a fake clock: the very same code, with time, chance and processes made up.

A `World` is the machine: its clocks, its processes, its boot. An engine in it can be killed at any moment and another
one started on the same ledger. Nothing sleeps: waiting moves the clock to the next thing that happens.
"""

from __future__ import annotations

import heapq
import json
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timezone
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Optional

from minisched.engine import Outside, SchedulerEngine
from minisched.model import (
    Config,
    ConfigRead,
    DeliverySent,
    EngineSnapshot,
    Message,
    ProcessIdentity,
    ProcessResult,
    ProcessSpec,
    RunFinished,
    RunStarted,
    Snapshot,
    Stop,
    System,
    Text,
    iso,
)
from minisched.model.notification import HEARTBEAT_ID, SendRequest, SendResult, SendStatus
from minisched.store.reader import History
from minisched.store.writer import open_store
from minisched.systemd import ServiceManager
from support.closing import close_later
from support.factories import config as make_config


class Killed(BaseException):
    """The engine's process is gone, as by kill -9: nothing of it runs any more, not even a handler."""


class Exit(NamedTuple):
    """How a made-up process ends: after so many seconds, with this code or by this signal, and with this output."""

    after_s: float = 1.0
    code: Optional[int] = 0
    signal: Optional[int] = None
    tail: bytes = b"done\n"  # of its output


class FakeProcess(NamedTuple):
    launch: ProcessSpec
    identity: ProcessIdentity
    started: float  # wall
    started_mono: float


class World:
    """One machine. `script(launch, draw)` says how each process ends."""

    def __init__(self, now: float, script: Callable[[ProcessSpec, random.Random], Exit], seed: int = 0) -> None:
        self.wall_offset = now
        self.mono = 0.0
        self.random = random.Random(seed)
        self.script = script
        self.boot_id = "boot-1"
        self.processes: dict[int, FakeProcess] = {}  # by run_id
        self.killed: list[int] = []  # runs whose process an engine killed as a leftover
        self.starts: list[tuple[str, int, int]] = []  # (task_id, run_id, attempt), as started
        self.kill_at: Optional[float] = None  # monotonic
        self.waits = 0
        self.post: Callable[[SendRequest, random.Random], tuple[float, SendResult]] = lambda order, draw: (
            0.1,
            SendResult(SendStatus.SENT),
        )
        self.sent: list[tuple[SendRequest, SendResult]] = []  # what the receivers saw, in its order
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._pid = 1000

    # the Clock protocol

    def wall(self) -> float:
        return self.wall_offset + self.mono

    def monotonic(self) -> float:
        return self.mono

    def wait(self, inbox: SimpleQueue[Message], timeout_s: Optional[float]) -> list[Message]:
        self.waits += 1
        messages = drain(inbox)
        if messages:
            return messages
        until = self.mono + (3600.0 if timeout_s is None else max(timeout_s, 1e-6))
        if self._events and self._events[0][0] < until:
            until = self._events[0][0]
        if self.kill_at is not None and until >= self.kill_at:
            self.mono, self.kill_at = self.kill_at, None
            raise Killed
        self.mono = until
        while self._events and self._events[0][0] <= self.mono:
            heapq.heappop(self._events)[2]()
        return drain(inbox)

    def at(self, mono: float, action: Callable[[], None]) -> None:
        """Let something happen when the monotonic clock has come so far."""
        self._count += 1
        heapq.heappush(self._events, (mono, self._count, action))

    def set_clock(self, by_s: float) -> None:
        """Set the wall clock, as `date -s` does; the monotonic one goes on."""
        self.wall_offset += by_s

    def pass_time(self, seconds: float) -> None:
        """Time goes by with no engine running: processes end unseen."""
        end = self.mono + seconds
        while self._events and self._events[0][0] <= end:
            self.mono, _, action = heapq.heappop(self._events)
            action()
        self.mono = end

    def next_pid(self) -> int:
        self._pid += 1
        return self._pid


def drain(inbox: SimpleQueue[Message]) -> list[Message]:
    messages = []
    while True:
        try:
            messages.append(inbox.get_nowait())
        except Empty:
            return messages


class FakeExecutor:
    """Starts made-up processes in a world; its owner may die before they do."""

    def __init__(self, world: World, inbox: SimpleQueue[Message]) -> None:
        self.world = world
        self.inbox: Optional[SimpleQueue[Message]] = inbox
        self.ends: dict[int, float] = {}
        self.held: dict[int, ProcessSpec] = {}  # by run_id

    def start(self, launch: ProcessSpec, at: Optional[float] = None) -> None:
        """`at`: the process is held until then."""
        if at is not None and at > self.world.mono:
            self.held[launch.run_id] = launch
            self.world.at(at, lambda: self.held.pop(launch.run_id, None) and self.start(launch))
            return
        world = self.world
        if launch.refused is not None:
            result = ProcessResult(world.wall(), 0.0, spawn_error=launch.refused)
            self.post(RunFinished(launch.run_id, launch.attempt, result))
            return
        assert launch.run_id not in world.processes, "a run has two processes"
        for other in world.processes.values():
            if other.launch.task_id == launch.task_id and launch.env.get("SINGLE"):
                raise AssertionError(f"{launch.task_id} runs twice beside itself")
        world.starts.append((launch.task_id, launch.run_id, launch.attempt))
        pid = world.next_pid()
        process = FakeProcess(launch, ProcessIdentity(pid, pid * 7, world.boot_id), world.wall(), world.mono)
        world.processes[launch.run_id] = process
        self.post(RunStarted(launch.run_id, launch.attempt, process.identity, world.wall(), None))
        end = world.script(launch, world.random)
        if launch.timeout_s is not None and end.after_s > launch.timeout_s:
            self.end(process, Exit(launch.timeout_s, None, 15), timed_out=True)
        else:
            self.end(process, end)

    def cancel(self, run_id: int, grace_s: Optional[float] = None) -> None:
        process, held = self.world.processes.get(run_id), self.held.pop(run_id, None)
        if held is not None:
            why = Text("cancelled_before_start")
            result = ProcessResult(self.world.wall(), 0.0, spawn_error=why, cancelled=True)
            self.post(RunFinished(run_id, held.attempt, result))
        if process is not None:
            self.end(process, Exit(self.world.mono - process.started_mono + 0.01, None, 15), cancelled=True)

    def end(self, process: FakeProcess, how: Exit, **flags: bool) -> None:
        run_id = process.launch.run_id
        when = process.started_mono + how.after_s
        self.ends[run_id] = when

        def over() -> None:
            if self.world.processes.get(run_id) is not process or self.ends.get(run_id) != when:
                return
            del self.world.processes[run_id]
            self.post(
                RunFinished(
                    run_id,
                    process.launch.attempt,
                    ProcessResult(
                        end_time=self.world.wall(),
                        duration=how.after_s,
                        exit_code=how.code,
                        signal=how.signal,
                        tail=how.tail,
                        **flags,
                    ),
                )
            )

        self.world.at(when, over)

    def post(self, message: Message) -> None:
        if self.inbox is not None:  # its engine still lives
            self.inbox.put(message)


class FakeSender:
    """Delivers in a world: `world.post(order, draw)` says how long that takes and what comes of it."""

    def __init__(self, world: World, inbox: SimpleQueue[Message]) -> None:
        self.world = world
        self.inbox: Optional[SimpleQueue[Message]] = inbox
        self.under_way = 0
        self.most = 0
        self.heartbeat: Optional[SendResult] = None

    def heartbeat_result(self) -> Optional[SendResult]:
        result, self.heartbeat = self.heartbeat, None
        return result

    def send(self, order: SendRequest) -> None:
        world = self.world
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        after_s, outcome = world.post(order, world.random)

        def over() -> None:
            self.under_way -= 1
            if self.inbox is None:
                return  # it died with its engine
            world.sent.append((order, outcome))
            if order.message.delivery_id == HEARTBEAT_ID:
                self.heartbeat = outcome
                return
            self.inbox.put(DeliverySent(order.message.delivery_id, outcome))

        world.at(world.mono + after_s, over)


class FakeSource:
    """The config file: `content` is a Config, or the problems of a broken one."""

    def __init__(self, world: World, config: Config) -> None:
        self.world = world
        self.read_s = 0.0  # how long a reading takes
        self.content: Any = config
        self.version = 0
        self.changed: Optional[Callable[[], None]] = None  # called once at a change after `watch`, if it is set
        self.watched = False

    def write(self, content: Any) -> None:
        self.content = content
        self.version += 1
        if self.watched and self.changed is not None:
            self.watched = False
            self.changed()

    def stamp(self) -> object:
        return self.version

    def watch(self) -> bool:
        self.watched = self.changed is not None
        return self.watched

    def read(self, in_force: Config, post: Callable[[ConfigRead], object]) -> None:
        """What is there now; it is known after `read_s`."""
        found = self.content
        valid = isinstance(found, Config)
        message = ConfigRead(self.version, found if valid else None, () if valid else tuple(found))
        self.world.at(self.world.mono + self.read_s, lambda: post(message))


class Deadly:
    """A ledger whose process is killed at its k-th commit, just before it or just after it."""

    def __init__(self, ledger: Any, draw: random.Random) -> None:
        self._ledger = ledger
        self._draw = draw
        self.left: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    @contextmanager
    def transaction(self, durable: bool) -> Iterator[Any]:
        self.left -= 1
        if self.left == 0 and self._draw.random() < 0.5:
            raise Killed
        with self._ledger.transaction(durable) as tx:
            yield tx
        if self.left == 0:
            raise Killed


class Sim:
    """A world with a ledger and, most of the time, an engine in it."""

    def __init__(
        self,
        path: str,
        now: float,
        tasks: Sequence[dict[str, Any]] = (),
        script: Callable[[ProcessSpec, random.Random], Exit] = lambda launch, draw: Exit(),
        seed: int = 0,
        config: Optional[Config] = None,
        wrap: Callable[[Any], Any] = lambda ledger: ledger,
        poll_s: float = 2.0,
        start_early: bool = False,  # else every row is written at its very instant
        **settings: Any,
    ) -> None:
        self.world = World(now, script, seed)
        self.path = path
        self.source = FakeSource(self.world, config or make_config(*tasks, **settings))
        self.wrap = wrap
        self.poll_s = poll_s
        self.start_early = start_early
        self.manager: Optional[ServiceManager] = None
        self.log = logging.Logger("simulated")
        self.lines: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(f"{record.levelname} {record.getMessage()}")  # type: ignore[method-assign]
        self.log.addHandler(handler)
        self.engines = 0
        self.engine: Any = None
        self.neighbours: set[ProcessIdentity] = set()  # other processes that live, such as an `exec`

    def boot(self) -> SchedulerEngine:
        """Start an engine on the ledger as it is."""
        self.engines += 1
        self.ledger, self.store_problems = open_store(self.path, now=self.world.wall())
        close_later(self.ledger)
        inbox: SimpleQueue[Message] = SimpleQueue()
        self.inbox = inbox
        self.executor = FakeExecutor(self.world, inbox)
        self.sender = FakeSender(self.world, inbox)
        owner = ProcessIdentity(self.engines, self.engines, self.world.boot_id)
        system = System(
            home="/home",
            host_name="plant7",
            owner=owner,
            environ={"PATH": "/bin"},
            random=self.world.random.random,
            is_alive=lambda identity: identity == owner or identity in self.neighbours,
            kill_leftover=self.kill_leftover,
        )
        start = EngineSnapshot(self.source.content, self.source.stamp(), started=self.world.wall())
        self.engine = SchedulerEngine(
            Snapshot(start),
            self.source,
            inbox,
            Outside(self.world, self.wrap(self.ledger), self.executor, self.sender, self.log, system),
            self.poll_s,
            start_early=self.start_early,
            manager=self.manager,
        )
        self.engine.start()
        return self.engine

    def kill_leftover(self, process: Optional[ProcessIdentity], run_id: int) -> int:
        if self.world.processes.pop(run_id, None) is None:
            return 0
        self.world.killed.append(run_id)
        return 1

    def run_until(self, wall: float) -> None:
        """Let the engine work until the wall clock shows this time."""
        while self.world.wall() < wall and self.engine.exit_code is None:
            left = wall - self.world.wall()
            self.engine.step(self.world.wait(self.inbox, min(self.engine.nap_s(), left)))

    def run_for(self, seconds: float) -> None:
        end = self.world.mono + seconds
        while self.world.mono < end and self.engine.exit_code is None:
            self.engine.step(self.world.wait(self.inbox, min(self.engine.nap_s(), end - self.world.mono)))

    def crash(self) -> None:
        """kill -9: the engine is gone, its processes live on, and no engine gets their results."""
        self.executor.inbox = self.sender.inbox = None
        self.ledger.close()
        self.engine = None

    def stop(self) -> int:
        """TERM, and wait for the exit code."""
        self.inbox.put(Stop())
        while self.engine.exit_code is None:
            self.engine.step(self.world.wait(self.inbox, self.engine.nap_s()))
        self.ledger.close()
        code: int = self.engine.exit_code
        return code

    def post(self, message: Message) -> None:
        self.inbox.put(message)

    # what the engine shows, and what the ledger says

    def next_run_time(self, task_id: str) -> Optional[str]:
        return iso(self.engine.snapshot.tasks[task_id].next_start, timezone.utc)

    def rows(self, task_id: Optional[str] = None) -> list[dict[str, Any]]:
        """All runs, oldest first, as JSON objects."""
        runs, page = [], 1
        history = History(self.path)
        while True:
            some, total = history.page(task_id=task_id, page=page, page_size=200)
            runs += some
            if len(runs) >= total or not some:
                break
            page += 1
        history.close()
        return [json.loads(json.dumps(run.as_json(timezone.utc))) for run in reversed(runs)]

    def runs(self, task_id: Optional[str] = None) -> list[tuple[Any, ...]]:
        """(task, trigger, status, reason) of all runs, oldest first."""
        return [(row["task_id"], row["trigger"], row["status"], row["reason"]) for row in self.rows(task_id)]
