"""What the tests of the simulated engine share: short ways to write tasks, ends and configs."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from minisched import lifecycle
from minisched.catalogue import render
from minisched.model import (
    Batch,
    ProcessIdentity,
    ProcessSpec,
    Reply,
    ReplyTo,
    RunTask,
    Status,
    StoreError,
    TaskExecution,
    Text,
    Trigger,
)
from minisched.store.writer import Store, open_store
from support.factories import config
from support.sim import Exit, Sim

T0 = 1_800_000_000 - 1_800_000_000 % 86_400  # a midnight in UTC

MakeSim = Callable[..., Sim]


def task(task_id: str = "a", schedule: Any = None, **fields: Any) -> dict[str, Any]:
    if schedule is not None:
        fields["task_schedule"] = schedule
    return {"task_id": task_id, "task_exec": "true", **fields}


def exits(**by_task: Any) -> Callable[[ProcessSpec, random.Random], Exit]:
    """A script: per task an Exit, or a list of them for its attempts in order."""
    left = {name: list(value) if isinstance(value, list) else value for name, value in by_task.items()}

    def script(launch: ProcessSpec, draw: random.Random) -> Exit:
        how = left.get(launch.task_id, Exit(1.0))
        if isinstance(how, list):
            return how.pop(0) if how else Exit(1.0)
        return how

    return script


def start(one: Sim, task_id: str, **env: str) -> Reply:
    """Start a task manually, let the engine take one step, and read the reply."""
    asked = ReplyTo(SimpleQueue(), one.world.mono + 5)
    one.post(RunTask(asked, task_id, env, "a test"))
    one.run_for(0.01)
    return asked.reply.get_nowait()


def configure(one: Sim, *tasks: dict[str, Any], **settings: Any) -> None:
    one.source.write(config(*tasks, **settings))


class FailingLedger:
    """A ledger whose calls raise StoreError(kind) while `kind` is set."""

    def __init__(self, ledger: Any) -> None:
        self.real = ledger
        self.kind = ""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)
        if name not in ("transaction", "due_times", "record", "records", "tokens", "ends", "unfinished", "retain"):
            return method

        def call(*arguments: Any) -> Any:
            if self.kind:
                raise StoreError(self.kind, Text("engine.db.io", path="var/minisched.db", error=f"is {self.kind}"))
            return method(*arguments)

        return call


def failing_sim(path: Path, *tasks: dict[str, Any], script: Any = None, **settings: Any) -> tuple[Sim, FailingLedger]:
    ledgers: list[FailingLedger] = []

    def wrap(ledger: Any) -> FailingLedger:
        ledgers.append(FailingLedger(ledger))
        return ledgers[-1]

    sim = Sim(str(path / "minisched.db"), T0, tasks, script or (lambda *_: Exit(1.0)), wrap=wrap, **settings)
    sim.boot()
    return sim, ledgers[0]


class Exec:
    """Another process that runs task `a` once; `alive` as its owner, its process is of no matter here."""

    count = 0

    def __init__(self, one: Sim, task_id: str = "a") -> None:
        Exec.count += 1
        self.owner = ProcessIdentity(7000 + Exec.count, 1, one.world.boot_id)
        self.one = one
        self.store: Store = open_store(one.path, now=one.world.wall(), repair=False)[0]
        one.neighbours.add(self.owner)
        now = one.world.wall()
        run = TaskExecution(task_id, Trigger.MANUAL, Status.WAITING, created_time=now, owner=self.owner)
        run = lifecycle.begin_attempt(run, now)
        (run_id,) = self.store.commit(Batch([run]))
        self.run = run._replace(run_id=run_id)

    def end(self, tokens: Any = ()) -> None:
        now = self.one.world.wall()
        run = lifecycle.change_attempt(self.run, status=Status.SUCCESS, exit_code=0, end_time=now)
        self.store.commit(Batch([lifecycle.advance(run, Status.SUCCESS, now)], tokens_put=tokens))
        self.one.neighbours.discard(self.owner)
        self.store.close()

    def die(self) -> None:
        self.one.neighbours.discard(self.owner)
        self.store.close()


def hold(ledger: FailingLedger) -> None:
    """Let commits fail, but nothing else: due times are evaluated and their runs admitted."""

    def locked(durable: bool) -> Any:
        raise StoreError("locked", Text("text", text="locked"))

    ledger.transaction = locked  # type: ignore[attr-defined]


def release(ledger: FailingLedger) -> None:
    del ledger.transaction  # type: ignore[attr-defined]


def problems(one: Sim) -> dict[str, str]:
    """What the engine shows as wrong, by key."""
    return {key: render(found.text) for key, found in one.engine.snapshot.engine.problems.items()}
