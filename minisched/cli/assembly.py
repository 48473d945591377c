"""An engine and what works beside it, put together: the log, the executor, the page, the sender, the warnings.

Imported after the check of the database; see `run`.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import sys
import time
from queue import SimpleQueue
from threading import Lock

from minisched.api.token import UnsafeToken, load_tokens
from minisched.cli.output import complain, os_error, say, shown, zone_text
from minisched.clock import SystemClock
from minisched.config import check_permissions
from minisched.engine import POLL_S, Outside, SchedulerEngine
from minisched.executor.executor import TaskExecutor
from minisched.executor.procfs import is_alive, kill_leftover, process_identity
from minisched.home import Home, HomeLock
from minisched.model import (
    DAY_S,
    Config,
    EngineSnapshot,
    FieldError,
    FilesChanged,
    LogChanged,
    Message,
    Snapshot,
    Status,
    System,
    Text,
    TextError,
)
from minisched.model.task import LOOPBACK
from minisched.notify import Sender
from minisched.osutil import Importing
from minisched.systemd import ServiceManager
from minisched.tasklog import TaskLogs, engine_logger
from minisched.threads import start_thread
from minisched.timetable import load_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Optional, Union

    from minisched.api.context import AppContext
    from minisched.api.gate import Gate
    from minisched.api.server import ApiServer, Sockets
    from minisched.cli.run import ConfigFile
    from minisched.model import EngineProblem, HttpSettings
    from minisched.store.writer import Store
    from minisched.tasklog.rotating_file import RotatingLog

# As PID 1 the engine reaps what its tasks leave behind, at the second poll, since the executor's ORPHAN_AGE_S is less
# than this: a zombie stays for 1.2 s at most, which leaves a busy machine some time of the 2 s that are promised.
POLL_AS_INIT_S = 0.6
PAGE_RETRY_S = 10.0  # after the address was not available: the port may become free
SUCCESS_LINE_S = 60.0  # between two lines on the terminal for successes of one task


def assemble(
    home: Home,
    config: Config,
    source: ConfigFile,
    ledger: Store,
    log: logging.Logger,
    log_file: RotatingLog,
    lock: HomeLock,
    inbox: SimpleQueue[Message],
    sockets: Sequence[int],
    manager: ServiceManager,
) -> tuple[SchedulerEngine, Page, Sender, Linter]:
    """Make the engine and what works beside it. log_file: where `log` writes."""
    logs = TaskLogs(
        home.logs,
        config.settings.log,
        load_zone(config.settings.timezone),
        report=lambda path, problem: inbox.put(LogChanged(path, problem)),
    )
    executor = TaskExecutor(inbox.put, logs)
    sender = Sender(inbox.put)
    snapshot = Snapshot(EngineSnapshot(config, source.loaded, started=time.time()))
    page = Page(home, source, lock, snapshot, inbox.put, log, sockets)
    linter = Linter(home.path, log)
    shared = SharedProblems(lock)
    as_init = os.getpid() == 1
    engine = SchedulerEngine(
        snapshot,
        source,
        inbox,
        Outside(SystemClock(), ledger, executor, sender, log, this_system(home)),
        POLL_AS_INIT_S if as_init else POLL_S,
        on_config=[
            lambda config: _use_log_settings(logs, config),
            lambda config: page.open(config.settings.http),
            linter.start,
            lambda config: _share_zone(lock, config),
        ],
        on_poll=[
            lambda: maintain_files(home, lock, ledger),
            lambda: _retry_logs(executor, log_file),
            *([lambda: _reap(executor)] if as_init else []),
            page.maintain,
            shared.maintain,
            linter.maintain,
        ],
        on_problems=[shared.show],
        manager=manager,
    )
    return engine, page, sender, linter


def this_system(home: Home) -> System:
    return System(
        home=home.path,
        host_name=os.uname().nodename,
        # Without its namespace: whoever takes over its runs holds the lock, which the engine has lost only by its end.
        owner=process_identity(os.getpid())._replace(namespace=0),
        environ=dict(os.environ),
        random=random,
        is_alive=lambda identity: is_alive(identity, assume=True),
        kill_leftover=lambda process, run_id: kill_leftover(process, run_id, home.path),
    )


def _use_log_settings(logs: TaskLogs, config: Config) -> None:
    logs.configure(config.settings.log, load_zone(config.settings.timezone))


def _retry_logs(executor: TaskExecutor, log_file: RotatingLog) -> tuple[Text, ...]:
    """Try again to write the logs that could not be written; messages report the result to the engine."""
    executor.retry_logs()
    if log_file.problem is not None:
        log_file.retry(time.time())
    return ()


def open_log(
    home: Home, config: Config, inbox: SimpleQueue[Message], problems: Sequence[Text]
) -> tuple[logging.Logger, RotatingLog]:
    """The engine's log, with its first lines. problems: of the history."""
    log, log_file = engine_logger(
        home.logs,
        config.settings.log,
        load_zone(config.settings.timezone),
        lambda path, problem: inbox.put(LogChanged(path, problem, own=True)),
    )
    if sys.stdout.isatty():
        log.addHandler(TerminalLog())
    log_file.retry(time.time())
    if log_file.problem is not None:
        complain(Text("engine.own_log", path=log_file.baseFilename, reason=log_file.problem))
    for problem in problems:
        complain(problem)
    if os.geteuid() == 0:
        log.warning(Text("log.as_root"))
    for entry in os.scandir(home.var):
        if entry.name.startswith("minisched.db.v") and entry.name.endswith(".bak"):
            size_mb = round(entry.stat().st_size / 1e6, 1)
            log.info(Text("log.old_copy", path=entry.path, size=size_mb))
    log.info(Text("log.zone", zone=zone_text(config.settings.timezone, config.settings.timezone_source)))
    return log, log_file


class TerminalLog(logging.Handler):
    """Lines of the engine's log that a person at the terminal waits for: the ends of runs, and the stop.

    Of a task that goes on to succeed, a line a minute: more would scroll the page's address out of the terminal.
    """

    CODES = ("log.run", "log.stopping", "log.stopping_idle", "log.stopped", "log.stopped_unwritten")

    def __init__(self) -> None:
        super().__init__()
        self._success: dict[object, float] = {}  # task -> when its last success was printed, if no other end followed

    def emit(self, record: logging.LogRecord) -> None:
        line = record.msg
        if not isinstance(line, Text) or line.code not in self.CODES:
            return
        if line.code == "log.stopping":
            line = Text("engine.stopping_now", stopping=line)
        if line.code == "log.run":
            if self._is_repetition(line, record.created):
                return
            took = line.values["took"]
            only = isinstance(took, Text) and took.values["max"] == 1
            shorter = Text("log.run.took_once", seconds=took.values["seconds"]) if only else took
            line = Text("log.run", **{**line.values, "took": shorter, "process": ""})
        say(sys.stdout, f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {shown(line)}")

    def _is_repetition(self, line: Text, now: float) -> bool:
        task = line.values["task"]
        if line.values["status"] != Status.SUCCESS.value:
            self._success.pop(task, None)
            return False
        if 0 <= now - self._success.get(task, -math.inf) < SUCCESS_LINE_S:
            return True
        self._success[task] = now
        return False


class SharedProblems:
    """What is wrong with the engine, in the text of the lock, where the commands find it without the API."""

    def __init__(self, lock: HomeLock) -> None:
        self._lock = lock
        self._problems: tuple[tuple[str, Text], ...] = ()

    def show(self, problems: Mapping[str, EngineProblem]) -> None:
        self._problems = tuple((key, problem.text) for key, problem in problems.items())
        self.maintain()

    def maintain(self) -> tuple[Text, ...]:
        """Write them, unless they are there. If that fails, the next poll tries again, and the page shows them."""
        if self._lock.text.problems != self._problems:
            try:
                self._lock.write(self._lock.text._replace(problems=self._problems))
            except OSError:
                pass
        return ()


def _share_zone(lock: HomeLock, config: Config) -> None:
    """Let the commands see in which zone the engine works: their own environment may have another TZ."""
    if lock.text.zone != config.settings.timezone:
        try:
            lock.write(lock.text._replace(zone=config.settings.timezone))
        except OSError:
            pass  # a warning of the commands is all that is lost


def _reap(executor: TaskExecutor) -> tuple[Text, ...]:
    """As PID 1: reap what tasks have left behind. Never a problem."""
    executor.reap_orphans()
    return ()


def note_history(lock: HomeLock, ledger: Store) -> None:
    """Keep in the lock which history the home has: a new one may have been started in place of a damaged one. Raises
    OSError."""
    if (ledger.db_id, ledger.last_id) != (lock.text.db_id, lock.text.last_id):
        lock.write(lock.text._replace(db_id=ledger.db_id, last_id=ledger.last_id))


def maintain_files(home: Home, lock: HomeLock, ledger: Store) -> list[Text]:
    """At each poll: the problems with the permissions of the config and with the lock, which is restored if gone.
    Raises HomeBusy if another engine has it now."""
    problems = [problem.as_text() for problem in check_permissions(home.config)]
    try:
        lock.restore()
        note_history(lock, ledger)
    except OSError as error:
        problems.append(Text("engine.lock_unwritable", reason=os_error(error)))
    return problems


def random() -> float:
    """As random.random(). That module costs 0.3 MB, and cannot be imported when no file descriptor is left."""
    return int.from_bytes(os.urandom(6), "big") / 2**48


class Linter:
    """Reports the warnings about a config, each once. In a thread of its own: the scripts may be on a slow disk."""

    def __init__(self, home: str, log: logging.Logger, wall: Callable[[], float] = time.time) -> None:
        self._home = home
        self._log = log
        self._wall = wall
        self._reported: dict[Text, FieldError] = {}  # by its line, the warning that was reported
        self._config: Optional[Config] = None
        self._day = 0  # the latest (UTC) on which calendars were looked at

    def start(self, config: Config, at_start: bool = False) -> None:
        self._config, self._day = config, int(self._wall() // DAY_S)
        try:
            start_thread(self._report, "lint", config, at_start)
        except OSError:
            pass  # no thread is left; the page and `validate` show the warnings

    def _report(self, config: Config, at_start: bool) -> None:
        try:
            with Importing():
                from minisched.lint import Surroundings, config_warnings, pause
            found = config_warnings(config, Surroundings(self._home, os.environ, self._wall(), pause=pause))
        except (OSError, ImportError):  # no descriptor is left
            return
        self._log_new(found, at_start)

    def maintain(self) -> tuple[Text, ...]:
        """At each poll: once a day, whether a calendar ends. Never a problem of the engine itself."""
        day = int(self._wall() // DAY_S)
        if self._config is not None and self._config.settings.calendars and day != self._day:
            try:
                with Importing():
                    from minisched.lint import calendar_warnings
                found = calendar_warnings(self._config, self._wall())
            except (OSError, ImportError):  # no descriptor is left
                return ()
            self._day = day
            self._log_new(found, at_start=False)
        return ()

    def _log_new(self, found: Sequence[FieldError], at_start: bool) -> None:
        for warning in found:
            line = Text("config.warning", warning=warning.as_text())
            if self._reported.setdefault(line, warning) is warning:  # two threads may find the same
                self._log.warning(line)
                if at_start:  # later nothing is written to the terminal, which may stand still
                    complain(line)


class Page:
    """The page and the API of a running engine. Used by the engine's thread alone.

    The modules of the API are imported by the first `open`, after the first tasks have started; an engine without a
    page does without them.
    """

    def __init__(
        self,
        home: Home,
        source: ConfigFile,
        lock: HomeLock,
        snapshot: Snapshot,
        post: Callable[[Message], object],
        log: logging.Logger,
        inherited: Sequence[int] = (),
        retry_s: float = PAGE_RETRY_S,
    ) -> None:
        """inherited: descriptors of sockets that systemd has opened for the page."""
        self.home = home
        self.source = source
        self.lock = lock
        self.snapshot = snapshot
        self.post = post
        self.log = log
        self.retry_s = retry_s
        self.problem: Optional[Text] = None  # why it cannot be served
        self.lock_problem: Optional[Text] = None  # why the lock does not have its address
        self._settings: Optional[HttpSettings] = None
        self._server: Optional[ApiServer] = None
        self._inherited = inherited
        self._sockets: Optional[Sockets] = None  # made with the first server
        self._retry_at = 0.0  # monotonic
        self._write_lock = Lock()  # of the config; outlives a server, which a change of `http` restarts

    @property
    def url(self) -> str:
        """The address of the page, "" if it is not served."""
        return self._server.url if self._server is not None else ""

    def open(self, settings: HttpSettings) -> None:
        """Serve by these settings, from a new address if they have changed."""
        if settings != self._settings or self.problem:
            self._reopen(settings)

    def _reopen(self, settings: HttpSettings) -> None:
        self._close_server(0.0)
        before, self.problem, self._settings = self.problem, None, settings
        if settings.enabled:
            try:
                self._start(settings)
            except (OSError, ImportError, UnsafeToken) as error:  # ImportError: no file descriptor for a module
                address = f"{settings.host}:{settings.port}"
                taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
                self.problem = Text("engine.no_page", address=address, reason=_reason(error))
                if taken:
                    self.problem = Text("engine.port_taken", address=address, port=settings.port)
                self._retry_later(self.problem, before)
        if self._sockets is not None:
            self._sockets.close(but=self._server.listeners if self._server is not None else ())
        self._write_address()
        if self.problems:
            self.post(FilesChanged())  # the engine asks for them now, not at its next look

    def _write_address(self) -> None:
        """Write the address to the lock, where the commands find it."""
        before, self.lock_problem = self.lock_problem, None
        if self.lock.text.url == (self.url or None):
            return
        try:
            self.lock.write(self.lock.text._replace(url=self.url or None))
        except OSError as error:
            self.lock_problem = Text("engine.lock_outdated", path=self.home.lock, reason=_reason(error))
            self._retry_later(self.lock_problem, before)

    def _retry_later(self, problem: Text, before: Optional[Text]) -> None:
        self._retry_at = time.monotonic() + self.retry_s
        if problem != before:
            self.log.error(Text("log.page_problem", problem=problem))

    def _start(self, settings: HttpSettings) -> None:
        """Raises OSError, ImportError, UnsafeToken."""
        with Importing():
            from minisched.api.server import ApiServer, Sockets, listening
        if self._sockets is None:
            self._sockets = Sockets(listening(self._inherited))
        server = ApiServer(settings, load_tokens(self.home), self._make_app, self.log, sockets=self._sockets)
        server.start()
        self._server = server
        self.log.info(Text("log.page", url=server.url))
        if server.beside is not None and server.beside_error is not None and server.problem is None:
            self.log.info(Text("log.page_one_loopback", address=server.beside[0]))
        for problem in self._socket_problems():
            self.log.warning(problem)
        if settings.host not in LOOPBACK:
            self.log.warning(Text("log.page_reachable"))

    def _make_app(self, gate: Gate) -> AppContext:
        """With the first connection. Raises OSError, ImportError."""
        from minisched.api.context import AppContext

        return AppContext(self.home, self.snapshot, self.post, self.source.stamp, self._write_lock, self.log, gate)

    def maintain(self) -> list[Text]:
        """At each poll: try again what failed; the current problems."""
        if self._settings is not None and time.monotonic() >= self._retry_at:
            if self.problem:
                self.open(self._settings)
            elif self._server is not None and self._server.problem:
                self._retry_at = time.monotonic() + self.retry_s
                if self._server.listen_beside():
                    self._reopen(self._settings)
            if self.lock_problem:
                self._write_address()
        return self.problems

    @property
    def problems(self) -> list[Text]:
        return [problem for problem in (self.problem, self.lock_problem, *self._socket_problems()) if problem]

    def _socket_problems(self) -> list[Text]:
        if self._server is None or self._sockets is None:
            return []
        unused = self._sockets.unused(self._server.listeners)
        found = [Text("engine.socket_unused", addresses=unused, url=self._server.url)] if unused else []
        return [self._server.problem, *found] if self._server.problem else found

    def close(self, deadline_s: float) -> None:
        self._close_server(deadline_s)
        if self._sockets is not None:
            self._sockets.close()

    def _close_server(self, deadline_s: float) -> None:
        if self._server is not None:
            self._server.close(deadline_s)
            self._server = None


def _reason(error: Exception) -> Union[Text, str]:
    return error.text if isinstance(error, TextError) else str(getattr(error, "strerror", None) or error)
