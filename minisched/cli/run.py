"""`run`: the engine in the foreground, from the check of its home to the exit code."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from queue import SimpleQueue

from minisched import __version__
from minisched.api.token import Tokens, UnsafeToken, load_tokens
from minisched.cli.output import CommandError, complain, os_error, say, text, zone_text
from minisched.config import CalendarFiles, ConfigError, file_stamp, home_of, load_config, sweep_temporaries
from minisched.executor.procfs import process_identity
from minisched.home import Home, HomeBusy, HomeLock, UnsafeHome
from minisched.model import (
    EXIT_CONFIG,
    EXIT_IOERR,
    EXIT_TEMPFAIL,
    Config,
    ConfigRead,
    FieldError,
    FilesChanged,
    Message,
    Reload,
    Stop,
    StoreError,
    Text,
)
from minisched.osutil import FolderWatch, mount_of, traceback_text
from minisched.store.writer import open_store
from minisched.systemd import ServiceManager
from minisched.threads import start_thread
from minisched.timetable import ZONE_FOLDER, local_zone_stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Optional

    from minisched.model import Task
    from minisched.store.writer import Store

GC_THRESHOLD = 20_000  # new objects between two collections: a run makes few cycles, and Python's 700 costs it 9 us
# How long a thread that computes, for a reader of the API or to read the config, may keep the engine's thread waiting.
# A step waits some ten times, at each call of the database; with Python's 5 ms, due times would be 50 ms late.
SWITCH_S = 0.0005
# The thread that reads a changed config sleeps so long again and again: another thread can ask for the interpreter only
# while it has a processor, and those may all be busy.
READ_PAUSE_S = 0.0001
PAGE_CLOSE_S = 1.0  # for responses in progress when the engine ends
SENDER_CLOSE_S = 0.1  # the engine has waited for the delivery in flight already; one that hangs ends with the program
FIRST_INHERITED = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)
SAMPLE_TASKS = {"disk_usage", "disk_report"}  # of the config that `init` creates
EXIT_SOFTWARE = 70  # sysexits.h EX_SOFTWARE: a bug


def run(options: Namespace) -> int:
    """Run the engine until a signal ends it. Raises CommandError for a problem that prevents the start."""
    manager = ServiceManager.of(os.environ)  # before anything takes a copy of the environment
    sys.setswitchinterval(SWITCH_S)
    gc.disable()  # a start of 10,000 tasks makes no garbage, and to look for some takes a third of its time
    home = Home(options.home)
    source = ConfigFile(home.config, (home.path, home.var, ZONE_FOLDER))
    try:
        config = source.load()
    except ConfigError as error:
        from minisched.cli.view import config_problems  # what commands do with a home, which an engine does without

        raise CommandError(*config_problems(error, home), exit_code=EXIT_CONFIG) from None
    lock, sockets = HomeLock(home), inherited_sockets()
    ledger, problems, tokens = take_home(home, lock, config)
    # Imported here, not above: the check of the database has freed memory, 0.6 MB, which these modules take.
    from minisched.cli.assembly import assemble, note_history, open_log
    from minisched.executor.executor import prepare_process

    prepare_process(spawns=False)
    inbox: SimpleQueue[Message] = SimpleQueue()
    log, log_file = open_log(home, config, inbox, problems)
    engine, page, sender, linter = assemble(home, config, source, ledger, log, log_file, lock, inbox, sockets, manager)
    install_signals(engine.inbox)
    zone = zone_text(config.settings.timezone, config.settings.timezone_source)
    say(
        sys.stdout,
        text("engine.greeting", version=__version__, home=home.path, count=len(config.tasks), zone=zone),
        text("engine.where_logs_are"),
    )
    try:
        engine.start(problems)
        page.open(config.settings.http)  # after the first tasks: to import its modules takes longer than their start
        if page.url and tokens is not None:
            say(sys.stdout, text("engine.page_at", url=f"{page.url}/#token={tokens.full.decode()}"))
        if config.tasks.keys() == SAMPLE_TASKS:
            own = not os.path.isdir(os.path.join(home.path, "minisched"))
            say(sys.stdout, text("engine.sample_tasks_own" if own else "engine.sample_tasks"))
        for problem in page.problems:
            complain(problem)
        manager.ready()
        linter.start(config, at_start=True)
        del config  # another one may replace it
        gc.freeze()  # what exists now stays: no later collection looks at it again
        gc.set_threshold(GC_THRESHOLD)
        gc.enable()
        exit_code = engine.run()
        if exit_code == EXIT_TEMPFAIL:
            complain(Text("engine.home_lost", home=home.path))
        return exit_code
    except StoreError as error:
        raise CommandError(error.text, exit_code=EXIT_IOERR) from None
    except Exception as error:
        # A bug, which nothing here can handle: it is logged, and the next start recovers as from a crash.
        found = traceback_text(error)
        log.critical("bug: %s", found)
        sys.stderr.write(found)
        return EXIT_SOFTWARE
    finally:
        sender.close(SENDER_CLOSE_S)
        page.close(PAGE_CLOSE_S)
        try:
            note_history(lock, ledger)
        except OSError:
            pass  # the next start has the number of the latest poll
        ledger.close()
        lock.release()
        manager.close()


def take_home(home: Home, lock: HomeLock, config: Config) -> tuple[Store, list[Text], Optional[Tokens]]:
    """Lock the home, and open its history and tokens. Returns also the problems of the history, which was opened
    nevertheless. Raises CommandError."""
    try:
        home.make_folders()
        before = lock.acquire()
        lock.write(before._replace(holder=process_identity(os.getpid())._replace(namespace=0), url=None, problems=()))
        sweep_temporaries(os.path.dirname(os.path.realpath(home.config)))
        tokens = load_tokens(home) if config.settings.http.enabled else None
        ledger, problems = open_store(home.database, before.db_id, now=time.time(), last_id=before.last_id)
        lock.write(lock.text._replace(db_id=ledger.db_id, zone=config.settings.timezone))
        return ledger, problems, tokens
    except HomeBusy as error:
        why = Text("engine.home_in_use", home=home.path, reason=error.text)
        raise CommandError(why, exit_code=EXIT_TEMPFAIL) from None
    except (UnsafeHome, UnsafeToken) as error:
        raise CommandError(error.text, exit_code=EXIT_CONFIG) from None
    except StoreError as error:  # a newer version's database stays as it is: to start again does not help
        raise CommandError(error.text, exit_code=EXIT_CONFIG if error.kind == "newer" else EXIT_IOERR) from None
    except OSError as error:
        why = Text("engine.home_unusable", home=home.path, reason=os_error(error))
        raise CommandError(why, exit_code=EXIT_IOERR) from None


def inherited_sockets() -> list[int]:
    """The descriptors that systemd has passed to this process (sd_listen_fds(3)). Tasks get neither them nor the
    variables that name them."""
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    found = list(range(FIRST_INHERITED, FIRST_INHERITED + int(count)))
    for fd in found:
        try:
            os.set_inheritable(fd, False)
        except OSError:
            pass  # not open: to be reported when the page listens
    return found


def install_signals(inbox: SimpleQueue[Message]) -> None:
    """The handlers only put a message: `SimpleQueue.put` is safe wherever the signal interrupts the program."""

    def stop(number: int, frame: Optional[Any]) -> None:
        inbox.put(Stop())

    def reload(number: int, frame: Optional[Any]) -> None:
        inbox.put(Reload())

    def changed(number: int, frame: Optional[Any]) -> None:
        inbox.put(FilesChanged())

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)
    signal.signal(signal.SIGIO, changed)


class ConfigFile:
    """The home's config, with the files of its calendars, as the engine watches it."""

    def __init__(self, path: str, folders: Sequence[str] = ()) -> None:
        """folders: watched as well, for other files whose change the engine should notice."""
        self._path = path
        self._folders = folders
        self._watch = FolderWatch()
        self._can_watch = os.getpid() != 1  # as PID 1 the engine looks for orphans all the time
        self._targets: set[str] = set()  # files behind links whose mount point was looked up
        self._calendars: list[str] = []  # the files that the config names which was read last
        self.loaded: object = None  # the stamp of what was read last, from just before it was read

    def stamp(self) -> object:
        found = self._own_stamp()
        return found and (*found, *((path, file_stamp(path)) for path in self._calendars))

    def _own_stamp(self) -> Optional[tuple[object, ...]]:
        found = file_stamp(self._path)
        # With the files of the machine's zone: if that changes, the config is read again and the new one takes effect.
        return None if found is None else (found, *local_zone_stamp())

    def read(self, in_force: Config, post: Callable[[ConfigRead], object]) -> None:
        """As ConfigSource has it."""
        try:
            start_thread(self._read, "config", in_force, post)
        except OSError as error:
            post(ConfigRead(self.stamp(), problems=(_unavailable(os_error(error)),)))

    def _read(self, in_force: Config, post: Callable[[ConfigRead], object]) -> None:
        gc.collect(1)
        gc.disable()  # as at the start; a collection among ten thousand tasks also keeps the engine's thread waiting
        try:
            config = self.load(in_force.tasks, lambda: time.sleep(READ_PAUSE_S))
            post(ConfigRead(self.loaded, config))
        except ConfigError as error:
            post(ConfigRead(self.loaded, problems=tuple(error.problems)))
        except Exception as error:  # out of memory, or a bug: the engine waits for an answer
            post(ConfigRead(self.loaded, problems=(_unavailable(repr(error)),)))
        finally:
            gc.freeze()
            gc.enable()

    def load(self, known: Optional[Mapping[str, Task]] = None, pause: Callable[[], object] = lambda: None) -> Config:
        """Raises ConfigError, also if the machine cannot check it now (no file descriptor for that of a zone).

        known, pause: see `parse_config`."""
        found, calendars = self._own_stamp(), CalendarFiles(home_of(self._path))  # any later change is noticed
        try:
            return load_config(self._path, calendars, known, pause)
        except (OSError, ImportError) as error:
            reason = os_error(error) if isinstance(error, OSError) else str(error)
            raise ConfigError([_unavailable(reason)]) from error
        finally:
            self._calendars = [path for path, _ in calendars.stamps]
            self.loaded = found and (*found, *calendars.stamps)

    def watch(self) -> bool:
        """SIGIO comes with the next change. Not if one of the files itself is a mount point, as containers do it: then
        it is changed in another folder."""
        files = [self._path, *self._calendars]
        targets = {os.path.realpath(file) for file in files}
        for target in targets - self._targets if self._can_watch else ():
            try:
                self._can_watch = self._can_watch and mount_of(target)[0] != target
            except OSError:
                self._can_watch = False
        self._targets = targets
        folders = [*self._folders, *map(os.path.dirname, files)]
        return self._can_watch and self._watch.arm(folders, {os.path.dirname(target) for target in targets})


def _unavailable(reason: str) -> FieldError:
    return FieldError("", Text("config.file.unavailable", error=reason))
