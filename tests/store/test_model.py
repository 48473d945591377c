"""The store beside a plain model of it: after any sequence of calls both hold the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from minisched.model import (
    FAILURES,
    UNFINISHED,
    Batch,
    HistorySettings,
    Status,
    StoreError,
    TaskAttempt,
    TaskExecution,
    TaskRecord,
    Trigger,
)
from minisched.store.reader import History
from minisched.store.writer import open_store
from support.store import NOW, assert_whole

TASKS = ("a", "b", "c")
ENDS = [status for status in Status if status.ended]
DAY = 86_400
BY = st.integers(0, 1)  # which of the stores writes
EVALUATED = st.dictionaries(st.sampled_from(TASKS), st.integers(1, 10**9), max_size=2)


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self.folder.name, "minisched.db"))
        self.runs: dict[int, TaskExecution] = {}
        self.known_run, self.started = 0, float(NOW)
        self.open()
        self.history = History(self.path)
        self.state = {task: TaskRecord(task) for task in TASKS}
        self.tokens: set[tuple[str, str]] = set()
        self.last_id = 0
        self.seconds = 0

    def open(self, db_id: str | None = None) -> None:
        """The engine's store and the one of an `exec` beside it."""
        # At the time of the newest row, or of the last start if there is no row since: else the clock could count as
        # ahead, and no row as too old.
        if self.runs and max(self.runs) > self.known_run:
            self.known_run = max(self.runs)
            self.started = self.runs[self.known_run].created_time
        opened = [open_store(self.path, db_id, now=self.started) for _ in range(2)]
        assert [problems for _, problems in opened] == [[], []]
        self.stores = [store for store, _ in opened]

    def ended(self, run: TaskExecution) -> TaskExecution:
        """`run` with an end of its own instant, if its status is an end."""
        self.seconds += 1
        return run._replace(end_time=NOW + self.seconds) if run.status.ended else run

    def count(self, run: TaskExecution) -> None:
        """What the store notes at a run's end."""
        state = self.state[run.task_id]._replace(last_run_id=run.run_id, last_status=run.status)
        if run.status is Status.SUCCESS:
            state = state._replace(last_success_time=run.end_time, consecutive_failures=0)
        elif run.status in FAILURES:
            failures = state.consecutive_failures + 1
            state = state._replace(last_failure_id=run.run_id, consecutive_failures=failures)
        self.state[run.task_id] = state

    def evaluate(self, evaluated_until: dict[str, int]) -> list[TaskRecord]:
        """Records that settle these tasks, and are wrong in all that is not theirs to say."""
        for task, instant in evaluated_until.items():
            key, boot_id = f"key {instant}", f"boot {instant}"
            self.state[task] = self.state[task]._replace(schedule_hash=key, evaluated_until=instant, boot_id=boot_id)
        wrong = {"last_status": Status.IDLE, "last_success_time": 1.5, "last_failure_id": 999, "run_count": 999}
        return [
            self.state[task]._replace(consecutive_failures=99, last_run_id=999, **wrong) for task in evaluated_until
        ]

    @rule(
        made=st.lists(
            st.tuples(
                st.sampled_from(TASKS),
                st.sampled_from([*UNFINISHED, *ENDS]),
                st.one_of(st.none(), st.integers(0, 30)),
                st.integers(0, 10),
            ),
            max_size=6,
        ),
        put=st.sets(st.tuples(st.sampled_from(TASKS), st.sampled_from(TASKS)), max_size=2),
        evaluated_until=EVALUATED,
        durable=st.booleans(),
        by=BY,
    )
    def begin(
        self,
        made: list[tuple[str, Status, int | None, int]],
        put: set[tuple[str, str]],
        evaluated_until: dict[str, int],
        durable: bool,
        by: int,
    ) -> None:
        begun = {status: (TaskAttempt(1, status, NOW),) for status in (Status.RUNNING, Status.RETRYING)}
        runs = [
            self.ended(TaskExecution(task, Trigger.SCHEDULE, status, NOW - age * DAY, scheduled_time=due))._replace(
                attempts=begun.get(status, ())
            )
            for task, status, due, age in made
        ]
        dues = [(run.task_id, run.scheduled_time) for run in runs if run.scheduled_time is not None]
        taken = {(run.task_id, run.scheduled_time) for run in self.runs.values()}
        if len(set(dues)) < len(dues) or taken.intersection(dues):
            try:
                self.stores[by].commit(Batch(runs, [TaskRecord("a", "wrong")], tokens_put=sorted(put), durable=durable))
            except StoreError as error:
                assert error.kind == "duplicate"
                return
            raise AssertionError("a duplicate was written")
        ids = self.stores[by].commit(
            Batch(runs, self.evaluate(evaluated_until), tokens_put=sorted(put), durable=durable)
        )
        assert ids == list(range(self.last_id + 1, self.last_id + 1 + len(runs)))
        self.last_id += len(ids)
        self.tokens |= put
        self.runs.update((run_id, run._replace(run_id=run_id)) for run, run_id in zip(runs, ids))
        for run_id in ids:
            if self.runs[run_id].status.ended:
                self.count(self.runs[run_id])

    @precondition(lambda self: any(not run.status.ended for run in self.runs.values()))
    @rule(data=st.data(), evaluated_until=EVALUATED, durable=st.booleans(), by=BY)
    def go_on(self, data: st.DataObject, evaluated_until: dict[str, int], durable: bool, by: int) -> None:
        live = sorted(run_id for run_id, run in self.runs.items() if not run.status.ended)
        ids = data.draw(st.lists(st.sampled_from(live), min_size=1, max_size=3, unique=True))
        changed = []
        for run_id in ids:
            run, status = self.runs[run_id], data.draw(st.sampled_from([*ENDS, Status.RETRYING]))
            attempts = (*run.attempts, TaskAttempt(len(run.attempts) + 1, status, NOW))
            run = self.ended(run._replace(status=status, attempts=attempts))
            self.runs[run_id] = run
            if status.ended:
                self.count(run)
            changed.append(run)
        taken = sorted(self.tokens)[:1]
        assert (
            self.stores[by].commit(Batch(changed, self.evaluate(evaluated_until), tokens_taken=taken, durable=durable))
            == ids
        )
        self.tokens -= set(taken)

    @rule(days=st.integers(0, 12), count=st.integers(0, 8), limit=st.integers(1, 5), by=BY)
    def retain(self, days: int, count: int, limit: int, by: int) -> None:
        steps: list[int] = []
        while not steps or steps[-1]:
            steps.append(self.stores[by].retain(HistorySettings(days, count), NOW, limit))
        assert max(steps) <= limit

        def kept(run: TaskExecution) -> bool:
            state = self.state[run.task_id]
            if not run.status.ended or run.run_id in (state.last_run_id, state.last_failure_id):
                return True
            # A pass drops what is too old first, then counts what is left.
            return run.created_time >= NOW - days * DAY

        young = {run_id: run for run_id, run in self.runs.items() if kept(run)}
        for task in TASKS:
            ids = sorted(run_id for run_id, run in young.items() if run.task_id == task)
            for run_id in ids[: max(0, len(ids) - count)]:
                state = self.state[task]
                if young[run_id].status.ended and run_id not in (state.last_run_id, state.last_failure_id):
                    del young[run_id]
        assert sum(steps) == len(self.runs) - len(young)
        for run_id, run in self.runs.items():
            state = self.state[run.task_id]
            if run_id not in young and run.scheduled_time is not None:
                self.state[run.task_id] = state._replace(purged_until=max(state.purged_until, run.scheduled_time))
        self.runs = young

    @rule()
    def restart(self) -> None:
        for store in self.stores:
            store.close()
        self.open(self.stores[0].db_id)

    @invariant()
    def both_hold_the_same(self) -> None:
        newest_first = [self.runs[run_id] for run_id in sorted(self.runs, reverse=True)]
        assert self.history.page(page_size=1000) == (newest_first, len(self.runs))
        store, other = self.stores
        assert store.unfinished() == [run for run in newest_first[::-1] if not run.status.ended]
        assert store.tokens() == self.tokens
        records = store.records()
        assert other.records() == records
        for task in TASKS:
            runs = [run for run in newest_first if run.task_id == task]
            assert self.history.page(task, page_size=1000) == (runs, len(runs))
            assert records.get(task, TaskRecord(task)) == self.state[task]._replace(run_count=len(runs))
            dues = {run.scheduled_time for run in runs if run.scheduled_time is not None and run.scheduled_time <= 20}
            assert store.due_times(task, 0, 20) == dues

    def teardown(self) -> None:
        self.history.close()
        for store in self.stores:
            store.close()
        assert_whole(Path(self.path))
        self.folder.cleanup()


TestTheStoreHoldsWhatAPlainModelHolds = StoreMachine.TestCase
TestTheStoreHoldsWhatAPlainModelHolds.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
