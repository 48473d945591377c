"""What other threads may see of the engine: frozen views on the board, exchanged once a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minisched.model import EngineSnapshot, TaskSnapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from minisched.engine.book import Book, TaskState
    from minisched.engine.calendar import Calendar
    from minisched.engine.desk import Desk
    from minisched.model import Config, FieldError, OutboxCounts, Snapshot


class Publisher:
    """Puts on the board what changed. A run is shown once its row is on disk: whoever sees it, finds it there."""

    def __init__(self, board: Snapshot, book: Book, desk: Desk, calendar: Calendar) -> None:
        self.board = board
        self.book = book
        self.desk = desk
        self.calendar = calendar
        self._shown: object = None  # the engine's own values but the beat
        self._tasks: object = None  # of the config that the board has

    def publish(
        self,
        mono: float,
        config: Config,
        stamp: object,
        config_problems: tuple[FieldError, ...],
        problems: Mapping[str, str],
        stopping: bool,
        running: int,
        outbox: OutboxCounts,
    ) -> None:
        """After each step's commit. Costs next to nothing where nothing changed."""
        board, touched = self.board, self.book.touched
        shown = (config, stamp, config_problems, dict(problems), stopping, running)
        before = board.engine
        changed = config is not before.config or shown != self._shown or outbox != before.outbox
        self._shown = shown
        board.engine = EngineSnapshot(*shown, started=before.started, beat=mono, outbox=outbox)
        if touched and self.book.clean:
            self.book.touched = set()
            changed = True
            self._exchange(touched, board.version + 1)
        if changed:
            board.version += 1
            for watcher in board.watchers:
                watcher()

    def _exchange(self, touched: Collection[str], version: int) -> None:
        views, tasks = self.board.tasks, self.book.tasks
        if tasks is not self._tasks:  # a new config: others, or in another order
            self._tasks = tasks
            self.board.tasks = {
                task_id: self._view(state, version) if task_id in touched or task_id not in views else views[task_id]
                for task_id, state in tasks.items()
            }
            return
        for task_id in touched:
            if task_id in tasks:
                views[task_id] = self._view(tasks[task_id], version)

    def _view(self, state: TaskState, version: int) -> TaskSnapshot:
        live = [live.run for live in state.live if live.run.run_id]
        live += self.desk.foreign.get(state.task.task_id, {}).values()
        live.sort(key=lambda run: run.run_id)
        due = state.next_due
        return TaskSnapshot(
            state.task, version, tuple(live), None if due is None else self.calendar.due_times.start_time(state, due)
        )
