"""What other threads see of the engine: frozen values, replaced once a step."""

from __future__ import annotations

from threading import Lock

from minisched.model import EngineSnapshot, Late, Snapshot, TaskSnapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Optional

    from minisched.engine.locks import Locks
    from minisched.engine.outbox import OutboxDispatcher
    from minisched.engine.reload import Reloader
    from minisched.engine.state import State, TaskState
    from minisched.engine.triggers import Triggers
    from minisched.model import Instant
    from minisched.model.snapshot import Tasks


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
        self._lock = Lock()  # of what the snapshot shows of the tasks
        self._read = False  # by anyone so far
        self._busy: dict[str, TaskSnapshot] = {}  # until then only those tasks of which more than the due time is shown

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
        new_tasks = bool(state.changed or state.tasks_version != self._tasks_version) and state.clean
        engine = EngineSnapshot(
            state.config,
            *shown[:-1],
            started=before.started,
            beat=mono,
            outbox=self.outbox.counts,
            wake_by=wake_by,
            locks=locks,
        )
        snapshot.show(engine)
        if new_tasks:
            with self._lock:
                self._publish_tasks(state.take_changed())
        if changed or new_tasks:
            snapshot.advance()

    def _publish_tasks(self, changed: Collection[str]) -> None:
        state, tasks = self.state, self.state.tasks
        others, self._tasks_version = state.tasks_version != self._tasks_version, state.tasks_version
        if not self._read:
            if others:
                changed = {
                    *changed,
                    *state.external,
                    *state.expectations,
                    *(one.run.task_id for one in state.runs.values()),
                }
            for task_id in changed:
                self._busy.pop(task_id, None)
                view = self._task_snapshot(tasks[task_id], 0) if task_id in tasks else None
                if view and (view.live or view.slow or view.late):
                    self._busy[task_id] = view
            self.snapshot.show_tasks(self._first_read)
            return
        shown, version = self.snapshot.tasks, self.snapshot.version + 1
        if others:  # or another order
            fresh = {
                task_id: self._task_snapshot(task_state, version)
                if task_id in changed or task_id not in shown
                else shown[task_id]
                for task_id, task_state in tasks.items()
            }
            self.snapshot.show_tasks(fresh)
            return
        for task_id in changed:
            if task_id in tasks:
                shown[task_id] = self._task_snapshot(tasks[task_id], version)

    def _first_read(self) -> Tasks:
        """Show all tasks, in the thread of the first reader: an engine without one needs no memory for them. Of a step
        that the engine is in, or cannot commit, nothing is shown but the next due times."""
        with self._lock:
            if not self._read:
                version, tasks, busy = self.snapshot.version, list(self.state.tasks.items()), self._busy
                self.snapshot.show_tasks(
                    {
                        task_id: busy[task_id]._replace(version=version)
                        if task_id in busy
                        else TaskSnapshot(task_state.task, version, next_start=self._next_start(task_state))
                        for task_id, task_state in tasks
                    }
                )
                self._read, self._busy = True, {}
        return self.snapshot.tasks

    def _next_start(self, task_state: TaskState) -> Optional[Instant]:
        due = task_state.next_due
        return None if due is None else self.triggers.start_time(task_state, due)

    def _task_snapshot(self, task_state: TaskState, version: int) -> TaskSnapshot:
        live = [active.run for active in task_state.active if active.run.run_id]
        live += self.state.external.get(task_state.task.task_id, {}).values()
        live.sort(key=lambda run: run.run_id)
        expected = self.state.expectations.get(task_state.task.task_id)
        slow = sorted(int(key) for kind, key in expected if kind == "slow") if expected else ()
        late = [Late(key, time) for (kind, key), time in expected.items() if kind == "late"] if expected else []
        return TaskSnapshot(
            task_state.task,
            version,
            tuple(live),
            self._next_start(task_state),
            tuple(slow),
            late[0] if late else None,
        )
