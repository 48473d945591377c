"""`run`: the engine in the foreground."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Optional

from minisched import __version__
from minisched.api.token import UnsafeToken, load_token
from minisched.catalogue import render
from minisched.cli.output import drop, fail, in_words
from minisched.cli.view import config_problems, zone_text
from minisched.cli.web import Web
from minisched.clock import SystemClock
from minisched.config import ConfigError, check_permissions, load_config, sweep_temporaries
from minisched.engine import POLL_S, SchedulerEngine
from minisched.executor import TaskExecutor, is_alive, kill_leftover, prepare_process, process_identity
from minisched.home import Home, HomeBusy, HomeLock
from minisched.model import (
    EXIT_CONFIG,
    EXIT_IOERR,
    EXIT_TEMPFAIL,
    Config,
    FieldError,
    Message,
    Reload,
    Stop,
    StoreError,
    System,
    Text,
)
from minisched.notify import Sender
from minisched.store import NewerDatabase, open_store
from minisched.tasklog import TaskLogs, engine_logger
from minisched.timetable import load_zone, local_zone_stamp

if TYPE_CHECKING:
    import logging
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from minisched.store import Store

# As PID 1 the engine reaps what its tasks leave behind, at the second look, as the executor's ORPHAN_AGE_S is less than
# this: a zombie stays 1.2 s at most, with room for a busy machine below the 2 s that are promised.
POLL_AS_INIT_S = 0.6
PAGE_CLOSE_S = 1.0  # for the answers under way when the engine ends
SENDER_CLOSE_S = 0.1  # the engine has waited for the message under way already; one that hangs dies with the program
EXIT_SOFTWARE = 70  # sysexits.h EX_SOFTWARE: a bug of ours


class ConfigFile:
    """The home's config as the engine watches it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def stamp(self) -> object:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        # With the files of the machine's zone: if that is changed, reading the config puts the new one in force.
        return (found.st_ino, found.st_mtime_ns, found.st_size, *local_zone_stamp())

    def load(self) -> Config:
        """Raises ConfigError, also where the machine cannot look at it now (no descriptor for a zone's file)."""
        try:
            return load_config(self._path)
        except (OSError, ImportError) as error:
            why = in_words(error) if isinstance(error, OSError) else str(error)
            raise ConfigError([FieldError("", Text("config.file.unavailable", error=why))]) from error


def run(options: Namespace) -> int:
    """Run the engine until a signal ends it. What stands in the way at the start is told on standard error."""
    prepare_process()
    gc.disable()  # a start of 10,000 tasks makes no garbage, and looking for some takes a third of its time
    home = Home(options.home)
    source = ConfigFile(home.config)
    stamp = source.stamp()  # before the file is read: a change from here on is a change
    try:
        config = source.load()
    except ConfigError as error:
        for problem in config_problems(error, home):
            fail(problem)
        return EXIT_CONFIG
    lock = HomeLock(home)
    try:
        home.make_folders()
        before = lock.acquire()
        lock.write(process_identity(os.getpid()), before.db_id)
        sweep_temporaries(os.path.dirname(os.path.realpath(home.config)))
        token = load_token(home.token) if config.settings.http.enabled else b""
        ledger, problems = open_store(home.database, expected_db_id=before.db_id, now=time.time())
        lock.write(process_identity(os.getpid()), ledger.db_id)
    except HomeBusy as error:
        return fail(f"{home.path}: {error}; stop it first, or use another --home", EXIT_TEMPFAIL)
    except UnsafeToken as error:
        return fail(str(error), EXIT_CONFIG)
    except (NewerDatabase, StoreError) as error:
        return fail(str(error), EXIT_IOERR)
    except OSError as error:
        return fail(f"the home {home.path} cannot be used: {in_words(error)}", EXIT_IOERR)
    log = engine_logger(home.logs, config.settings.log, load_zone(config.settings.timezone))
    for line in map(render, problems):
        log.error("history: %s", line)
        fail(line)
    if os.geteuid() == 0:
        log.warning("running as root: tasks without task_user run as root too")
    zone = render(zone_text(config.settings.timezone, config.settings.timezone_source))
    log.info("time zone: %s", zone)
    engine, web, sender = build(home, config, source, stamp, ledger, log, lock)
    install_signals(engine.inbox)
    count = len(config.tasks)
    greet(
        f"minisched {__version__}: home {home.path}, {count} task{'' if count == 1 else 's'}, time zone {zone}",
        "output in logs/, what the engine does in logs/minisched.log; Ctrl-C stops it",
    )
    try:
        engine.start()
        web.open(config.settings.http)  # after the first tasks: its modules take longer to import than a start does
        if web.url:
            print(f"page: {web.url}/#token={token.decode()}", flush=True)
        elif web.problem:
            fail(web.problem)
        gc.freeze()  # what stands now stays: no later collection looks at it again
        gc.enable()
        return engine.run()
    except StoreError as error:
        return fail(f"{home.database}: {error}", EXIT_IOERR)
    except Exception as error:
        # Nothing here can answer a bug: it is written down, and the next start recovers as from a crash.
        log.critical("bug: %s", "".join(traceback.format_exception(type(error), error, error.__traceback__)))
        traceback.print_exc()
        return EXIT_SOFTWARE
    finally:
        sender.close(SENDER_CLOSE_S)
        web.close(PAGE_CLOSE_S)
        ledger.close()
        lock.release()


def greet(*lines: str) -> None:
    """Say on standard output that it runs. Where nobody can be told (a full disk, no reader) it runs all the same."""
    try:
        for line in lines:
            print(line, flush=True)
    except OSError:
        drop(sys.stdout)


def build(
    home: Home, config: Config, source: ConfigFile, stamp: object, ledger: Store, log: logging.Logger, lock: HomeLock
) -> tuple[SchedulerEngine, Web, Sender]:
    """Assemble the engine, its page and its sender."""
    inbox: SimpleQueue[Message] = SimpleQueue()
    logs = TaskLogs(home.logs, config.settings.log, load_zone(config.settings.timezone))
    executor = TaskExecutor(inbox.put, logs)
    sender = Sender(inbox.put)

    system = System(
        home=home.path,
        host_name=os.uname().nodename,
        owner=process_identity(os.getpid()),
        environ=dict(os.environ),
        random=random,
        is_alive=lambda identity: is_alive(identity, assume=True),
        kill_leftover=lambda process, run_id: kill_leftover(process, run_id, home.path),
    )
    on_config: list[Callable[[Config], None]] = []
    on_poll: list[Callable[[], Sequence[Text]]] = [lambda: files_upkeep(home, lock, ledger)]
    poll_s = POLL_S
    if os.getpid() == 1:
        poll_s = POLL_AS_INIT_S
        on_poll.append(lambda: _reap(executor))
    engine = SchedulerEngine(
        config,
        source,
        SystemClock(),
        ledger,
        executor,
        sender,
        inbox,
        log,
        system,
        poll_s,
        stamp,
        on_config,
        on_poll,
    )
    web = Web(home, source, lock, engine.snapshot, inbox.put, log)
    on_config += [lambda config: _use_log_settings(logs, config), lambda config: web.open(config.settings.http)]
    on_poll.append(web.upkeep)
    return engine, web, sender


def _use_log_settings(logs: TaskLogs, config: Config) -> None:
    logs.configure(config.settings.log, load_zone(config.settings.timezone))


def _reap(executor: TaskExecutor) -> tuple[Text, ...]:
    """As PID 1: reap what tasks have left behind. Never a problem."""
    executor.reap_orphans()
    return ()


def files_upkeep(home: Home, lock: HomeLock, ledger: Store) -> list[Text]:
    """At each poll: problems with the permissions of the config and with the lock, which is made again if gone."""
    problems = [problem.as_text() for problem in check_permissions(home.config)]
    try:
        lock.restore()
        if ledger.db_id != lock.db_id:  # a new history was begun in place of a damaged one
            lock.write(process_identity(os.getpid()), ledger.db_id)
    except HomeBusy as error:
        problems.append(Text("engine.lock", path=home.lock, error=error.text))
    except OSError as error:
        problems.append(Text("engine.lock_unwritable", reason=in_words(error)))
    return problems


def random() -> float:
    """As random.random(), without that module: it costs 0.3 MB, and cannot be imported once the process is out of file
    descriptors."""
    return int.from_bytes(os.urandom(6), "big") / 2**48


def install_signals(inbox: SimpleQueue[Message]) -> None:
    """Handlers only put a message: `SimpleQueue.put` is the one thing that is safe wherever the signal comes."""

    def stop(number: int, frame: Optional[Any]) -> None:
        inbox.put(Stop())

    def reload(number: int, frame: Optional[Any]) -> None:
        inbox.put(Reload())

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)
