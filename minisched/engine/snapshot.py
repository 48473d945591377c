"""What other threads see of the engine: frozen values, replaced once a step."""

from __future__ import annotations

from minisched.model import EngineSnapshot, Late, Snapshot, TaskSnapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from minisched.engine.locks import Locks
    from minisched.engine.outbox import OutboxDispatcher
    from minisched.engine.reload import Reloader
    from minisched.engine.state import State, TaskState
    from minisched.engine.triggers import Triggers


class SnapshotPublisher:
    """Publishes changes only after their commit: a run visible in the API is always in the database."""

    def __init__(
        self,
        snapshot: Snapshot,
        state: State,
        locks: Locks,
        triggers: Triggers,
        outbox: OutboxDispatcher,
        reloader: Reloader,
    ) -> None:
        self.snapshot, self.state, self.locks = snapshot, state, locks
        self.triggers, self.outbox, self.reloader = triggers, outbox, reloader
        self._shown: object = None  # the engine's own values except the heartbeat
        self._tasks_version = -1  # of the tasks that the snapshot shows

    def publish(self, mono: float, wake_by: float) -> None:
        """After each step's commit. Costs next to nothing while nothing changes.

        wake_by: monotonic time of the next step.
        """
        snapshot, state, reloader = self.snapshot, self.state, self.reloader
        before = snapshot.engine
        shown = (
            reloader.config_stamp,
            reloader.config_problems,
            state.problems.current,
            state.stopping,
            len(state.running),
            self.outbox.counts,
        )
        changed = state.config is not before.config or shown != self._shown
        self._shown = shown
        locks = self.locks.shown() if state.changed or changed else before.locks
        tasks = None
        if (state.changed or state.tasks_version != self._tasks_version) and state.clean:
            changed = True
            tasks = self._task_snapshots(state.take_changed(), snapshot.version + 1)
        engine = EngineSnapshot(
            state.config,
            *shown[:-1],
            started=before.started,
            beat=mono,
            outbox=self.outbox.counts,
            wake_by=wake_by,
            locks=locks,
        )
        snapshot.replace(engine, tasks)
        if changed:
            snapshot.advance()

    def _task_snapshots(self, changed: Collection[str], version: int) -> dict[str, TaskSnapshot]:
        shown, tasks = self.snapshot.tasks, self.state.tasks
        if self.state.tasks_version != self._tasks_version:  # other tasks, or another order
            self._tasks_version = self.state.tasks_version
            return {
                task_id: self._task_snapshot(task_state, version)
                if task_id in changed or task_id not in shown
                else shown[task_id]
                for task_id, task_state in tasks.items()
            }
        for task_id in changed:
            if task_id in tasks:
                shown[task_id] = self._task_snapshot(tasks[task_id], version)
        return shown

    def _task_snapshot(self, task_state: TaskState, version: int) -> TaskSnapshot:
        live = [active.run for active in task_state.active if active.run.run_id]
        live += self.state.external.get(task_state.task.task_id, {}).values()
        live.sort(key=lambda run: run.run_id)
        due = task_state.next_due
        expected = self.state.expectations.get(task_state.task.task_id)
        slow = sorted(int(key) for kind, key in expected if kind == "slow") if expected else ()
        late = [Late(key, time) for (kind, key), time in expected.items() if kind == "late"] if expected else []
        return TaskSnapshot(
            task_state.task,
            version,
            tuple(live),
            None if due is None else self.triggers.start_time(task_state, due),
            tuple(slow),
            late[0] if late else None,
        )
