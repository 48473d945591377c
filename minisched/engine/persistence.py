"""Writing the state to the database, and what to do when that fails: locked, full, damaged, gone, another writer."""

from __future__ import annotations

from minisched.engine.log_lines import log_status
from minisched.engine.recovery import SlotTaken
from minisched.model import Batch, StoreError, Text
from minisched.namedtuple import NamedTuple
from minisched.notify.compose import Composed, add_notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from minisched.engine.dispatcher import Dispatcher
    from minisched.engine.recovery import ExternalRuns
    from minisched.engine.state import Outside, State
    from minisched.model import Instant, Uptime

# Delay before a pid is committed, so that a short run costs one commit instead of two. If the engine dies in between,
# recovery finds the process by MINISCHED_RUN_ID in its environment.
PID_DELAY_S = 0.05
SLOT_TRIES = 5  # of one commit, while one `exec` after the other takes a slot
COMMIT_RETRY_S = 1.0  # between attempts while the database cannot be written
REOPEN_EVERY_S = 60.0  # between new databases, in case the disk corrupts every new file
UNKNOWN_SHOWN = 5  # rows that the problem names
EXAMINE_EVERY_S = 10.0  # however many readers fail
RETAIN_EVERY_S = 60.0
SEEN_EVERY_S = 600.0  # how exactly the end of an idle engine is known that is killed; 1 MB a day is written for it
RETAIN_ROWS = 25  # deleted in one transaction, which takes some milliseconds; fewer would be slower
# While there is more to delete, a fifth of the time is spent on it, in pieces that delay a start by no more than this.
RETAIN_S = 0.02
RETAIN_AGAIN_S = 0.1
RETAIN_CLEAR_S = 0.03  # to the next due time: a piece with the transaction that was begun last


# A due time is written this long before it comes, so that its process can start on the dot: some commits' time, and
# what the decisions take. A crash within this time leaves a run that is interrupted although it never had a process.
LEAD_COMMITS = 2.5
LEAD_MIN_S = 0.002
LEAD_MAX_S = 0.25  # an SD card
COMMIT_WEIGHT = 0.2  # of the latest commit in the average
# What a start could find out again, as after a reload, is not synced at once, but with the next durable commit or while
# no due time is so near, longer than most disks take; within SYNC_WITHIN_S at any rate.
SYNC_CLEAR_S = 0.3
SYNC_WITHIN_S = 5.0


class Committed(NamedTuple):
    """Everything urgent is on disk."""

    notices: Composed
    recovered: bool  # before this commit nothing could be written; due times may be evaluated again


class Persistence:
    """Owns the troubles of the database. `trouble_since` is monotonic, None while it can be written."""

    def __init__(self, state: State, dispatcher: Dispatcher, external: ExternalRuns, outside: Outside) -> None:
        self.state, self.dispatcher, self.external = state, dispatcher, external
        self.clock, self.ledger, self.log, self.system = outside.clock, outside.ledger, outside.log, outside.system
        self.trouble_since: Optional[float] = None
        self.disk_full = False  # the reason of the latest trouble
        self.commit_s = 0.0  # what a durable commit takes, a moving average
        self._next_try = 0.0
        self._write_by: Optional[float] = None  # monotonic; deadline for unsaved values that are not urgent
        self._sync_by: Optional[float] = None  # monotonic; deadline for what is written but not synced
        self._reopened = -REOPEN_EVERY_S
        self._next_retain = self.clock.monotonic() + RETAIN_EVERY_S
        self._more_to_delete = False
        self._next_seen = self.clock.monotonic() + SEEN_EVERY_S
        self._next_examine = 0.0  # monotonic
        self.closed = False  # nothing may be written any more

    @property
    def settled(self) -> bool:
        """Everything is on disk, and more can be written."""
        return self.state.clean and self.trouble_since is None

    def nap_s(self, mono: float) -> float:
        """Seconds until there is something to write or to delete; infinite if there is nothing."""
        if not self.settled:
            return (self._next_try if self._write_by is None else self._write_by) - mono
        nap_s = self._next_retain - mono if self._more_to_delete else float("inf")
        return nap_s if self._sync_by is None else min(nap_s, self._sync_by - mono)

    @property
    def lead_s(self) -> float:
        """How long before a due time its run should be decided, so that it is on disk in time."""
        return min(max(LEAD_MIN_S, LEAD_COMMITS * self.commit_s), LEAD_MAX_S)

    # --------------------------------------------------------------------------------------------------------- commit

    def commit(self, now: Instant) -> Optional[Committed]:
        """Write what has changed, in one transaction. None: it is not on disk yet, so nothing may follow from it."""
        mono = self.clock.monotonic()
        state = self.state
        if self.closed or (self.trouble_since is not None and mono < self._next_try):
            return None
        if not state.urgent and self.trouble_since is None and not state.clean:
            if self._write_by is None:
                self._write_by = mono + PID_DELAY_S
            if mono < self._write_by:
                return None
        self._write_by = None
        composed = Composed()
        try:
            if self.trouble_since is not None:
                self.ledger.tokens()  # there may be nothing to write: can it at least be read?
            if not state.clean:
                composed = self._write(now)
        except StoreError as error:
            self.failed(error)
            return None
        recovered = self.trouble_since is not None
        if recovered:
            self.trouble_since = None
            self.state.problems.report("history", None)
            state.accept(True)
        return Committed(composed, recovered)

    def _write(self, now: Instant) -> Composed:
        """Write all that is unsaved. Raises StoreError."""
        state, system, begun = self.state, self.system, self.clock.monotonic()
        tries = SLOT_TRIES
        while True:
            batch = state.unsaved()
            try:
                with self.ledger.transaction(batch.durable) as tx:
                    if state.starting:
                        self.external.check_slots(tx)
                    run_ids = tx.write(batch)
                    config, host_name = state.config, system.host_name
                    composed = add_notices(tx, batch.runs, run_ids, config, host_name, system.home, state.notices)
                break
            except SlotTaken:
                self.external.absorb(now)  # queues the attempts again that have no slot any more
                tries -= 1
                if self.external.unread or not tries:
                    raise StoreError("locked", Text("engine.db.slot_taken")) from None
            except StoreError as error:
                if not self.ledger.make_room(batch, error):
                    raise
        if batch.durable:
            self.commit_s += COMMIT_WEIGHT * (self.clock.monotonic() - begun - self.commit_s)
            self._sync_by = None
        elif state.urgent and self._sync_by is None:
            self._sync_by = begun + SYNC_WITHIN_S
        for run in state.saved(run_ids):
            log_status(self.log, run)
        return composed

    def failed(self, error: StoreError) -> None:
        """The database could not be read or written. Due times wait until it can be."""
        mono = self.clock.monotonic()
        if self.trouble_since is None:
            self.trouble_since = mono
        self.state.problems.report("history", Text("engine.history", error=error.text))
        self.disk_full = error.kind == "full"
        self.state.accept(False)
        self._next_try = mono + COMMIT_RETRY_S
        if error.kind == "duplicate":
            self._discard_duplicates()
        elif error.kind == "damaged":
            self._reopen(damaged=True)

    def _discard_duplicates(self) -> None:
        """Another process wrote the row of a due time after we had looked: that row counts, ours is discarded."""
        for task_id, due in self.state.unsaved_due_times():
            try:
                known = self.ledger.due_times(task_id, due, due)
            except StoreError:
                return  # the next attempt meets the same rows
            if known:
                self.log.warning(Text("log.due_time_taken", task=task_id, due=due))
                active = self.state.discard_due_time(task_id, due)
                if active is not None:
                    self.dispatcher.discard(active)

    # --------------------------------------------------------------------------------------------------------- upkeep

    def upkeep(self) -> None:
        """At every poll: is the file still ours, is there space."""
        if self.ledger.check_file():
            self._reopen(damaged=False)
        unknown = self.ledger.unknown_rows
        if unknown:
            shown = unknown[:UNKNOWN_SHOWN]
            problem = Text("engine.unknown_rows", count=len(unknown), rows=shown)
            self.state.problems.report("history rows", problem)
        if "history reader" in self.state.problems.current:
            self.examine(None)
        self.state.problems.report("disk", None if self.ledger.heal() else Text("engine.disk_nearly_full"))

    def close(self) -> None:
        """Write nothing more: the database is another engine's."""
        self.closed, self._sync_by = True, None

    def reader_failed(self, error: StoreError) -> None:
        """A reader could not read the history, which this engine, whose pages are in memory, may not notice."""
        mono = self.clock.monotonic()
        if mono >= self._next_examine and self.trouble_since is None:
            self._next_examine = mono + EXAMINE_EVERY_S
            self.examine(error)

    def examine(self, reported: Optional[StoreError]) -> None:
        """Read the file as another process would. A file that only a reader finds `damaged` is a problem for as long as
        the engine runs: this looks at the ends of all tables and not at each page."""
        known = self.state.problems.current.get("history reader")
        try:
            self.ledger.examine()
        except StoreError as error:
            if error.kind == "damaged":
                self.failed(error)
            reported = None if error.kind == "damaged" else error
        else:
            if reported is None and known is not None and known.text.code == "engine.partly_damaged":
                return
            reported = reported if reported is not None and reported.kind == "damaged" else None
        code = "engine.partly_damaged" if reported and reported.kind == "damaged" else "engine.unreadable"
        problem = None if reported is None else Text(code, error=reported.text)
        self.state.problems.report("history reader", problem)

    def _reopen(self, damaged: bool) -> None:
        """The file is damaged, gone or another one: go on with what is left, and report it for as long as we run."""
        mono = self.clock.monotonic()
        if damaged and mono - self._reopened < REOPEN_EVERY_S:
            return
        try:
            found = self.ledger.reopen(self.clock.wall(), damaged)
        except StoreError as error:
            found = [error.text]
        else:
            self.state.mark_all()
            self._next_try = mono
            self._reopened = mono if damaged else self._reopened
        self.state.problems.report("history file", Text("engine.history_file", problems=found))

    def clock_set(self, by_s: float, now: Instant) -> None:
        """A wrong time must not delete the history as too old."""
        try:
            self.ledger.clock_set(by_s, now)
        except StoreError as error:
            self.failed(error)

    def sync(self, now: Instant, due_in_s: float) -> None:
        """Sync what was only written, when it delays no due time."""
        if self._sync_by is None or self.trouble_since is not None or self.closed:
            return
        if due_in_s > SYNC_CLEAR_S or self.clock.monotonic() >= self._sync_by:
            self._sync_by = None
            self.write_seen(now, durable=True)

    def write_seen(self, now: Instant, durable: bool = False) -> None:
        """The engine still runs. By itself not synced: a power cut loses some minutes more."""
        self._next_seen = self.clock.monotonic() + SEEN_EVERY_S
        self.state.seen(now)
        self._write_uptime(self.state.uptime, durable)

    def write_end(self, now: Instant) -> None:
        """The engine ends. If it cannot be written, the next engine finds out when this one wrote last."""
        self._write_uptime(self.state.uptime._replace(seen_time=now, end_time=now, ending="stopped"), durable=True)

    def _write_uptime(self, uptime: Uptime, durable: bool) -> None:
        try:
            with self.ledger.transaction(durable) as tx:
                tx.write(Batch(uptimes=[uptime]))
        except StoreError as error:
            self.log.warning(Text("log.uptime_lost", error=error.text))

    def retain(self, now: Instant, polling: bool, due_in_s: float) -> None:
        """Delete old runs: once a minute, in pieces until there is nothing more to delete. Not if a due time is so near
        that a piece would delay it."""
        mono = self.clock.monotonic()
        if mono < self._next_retain or self.trouble_since is not None or not (polling or self._more_to_delete):
            return
        if due_in_s < RETAIN_CLEAR_S:
            self._more_to_delete, self._next_retain = True, mono + RETAIN_CLEAR_S
            return
        if mono >= self._next_seen:
            self.write_seen(now)
        config = self.state.config
        deleted = RETAIN_ROWS
        try:
            while deleted == RETAIN_ROWS and self.clock.monotonic() - mono < RETAIN_S:
                deleted = self.ledger.retain(config.settings.history, now, RETAIN_ROWS, config.tasks.keys())
        except StoreError as error:
            self.log.warning(Text("log.retention_waits", error=error.text))
            deleted = 0
        self._more_to_delete = deleted == RETAIN_ROWS
        self._next_retain = self.clock.monotonic() + (RETAIN_AGAIN_S if self._more_to_delete else RETAIN_EVERY_S)
