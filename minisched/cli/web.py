"""The page and the API of a running engine: up once the engine is at work, and where the config wants them."""

from __future__ import annotations

import os
import time
from threading import Lock
from typing import TYPE_CHECKING, Callable, Optional

from minisched import __version__
from minisched.api.token import UnsafeToken, load_token
from minisched.executor import process_identity
from minisched.model.task import LOOPBACK

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from minisched.api.server import ApiServer
    from minisched.cli.run import ConfigFile
    from minisched.home import Home, HomeLock
    from minisched.model import Config, HttpSettings, Message, Snapshot, Task
    from minisched.notify.notify_test import ChannelResult

RETRY_S = 10.0  # after the address could not be had: the port may become free


class Web:
    """Used by the engine's thread alone. The modules of the API are imported by the first `open`, after the first tasks
    have started; an engine without a page does without them."""

    def __init__(
        self,
        home: Home,
        source: ConfigFile,
        lock: HomeLock,
        board: Snapshot,
        post: Callable[[Message], object],
        log: logging.Logger,
    ) -> None:
        self.home = home
        self.source = source
        self.lock = lock
        self.board = board
        self.post = post
        self.log = log
        self.problem = ""  # why it cannot be served
        self.untold = ""  # why the lock does not say where it is
        self._settings: Optional[HttpSettings] = None
        self._server: Optional[ApiServer] = None
        self._retry_at = 0.0
        self._write_lock = Lock()  # outlives a server: a change of `http` restarts it while it writes the config

    @property
    def url(self) -> str:
        """Where the page is, "" where there is none."""
        return self._server.url if self._server is not None else ""

    def open(self, settings: HttpSettings) -> None:
        """Serve as these settings have it, on another address if they have changed."""
        if settings == self._settings and not self.problem:
            return
        self.close(0.0)
        before, self.problem, self._settings = self.problem, "", settings
        if settings.enabled:
            try:
                self._start(settings)
            except (OSError, ImportError, UnsafeToken) as error:  # ImportError: there is no descriptor for a module
                self.problem = f"the page cannot be served at {settings.host}:{settings.port}: {_why(error)}"
                self._retry_later(self.problem, before)
        if self.untold or self.lock.url != (self.url or None):
            self._tell()

    def _tell(self) -> None:
        """Let the lock say where the page is; the commands look there."""
        before, self.untold = self.untold, ""
        self.lock.url = self.url or None
        try:
            self.lock.write(process_identity(os.getpid()), self.lock.db_id)
        except OSError as error:
            self.untold = f"{self.home.lock} cannot be written, the commands do not find the page: {_why(error)}"
            self._retry_later(self.untold, before)

    def _retry_later(self, problem: str, before: str) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        if problem != before:
            self.log.error("%s; tasks run all the same", problem)

    def _start(self, settings: HttpSettings) -> None:
        """Raises OSError, ImportError, UnsafeToken."""
        from minisched.api.card_cache import CardCache, TaskStatuses
        from minisched.api.listeners import Listeners
        from minisched.api.ports import Ports
        from minisched.api.server import ApiServer
        from minisched.store import History
        from minisched.tasklog.pages import LogReader

        ports = Ports(
            board=self.board,
            post=self.post,
            history=lambda: History(self.home.database),
            logs=LogReader(),
            home=self.home.path,
            config_path=self.home.config,
            config_stamp=self.source.stamp,
            version=__version__,
            wall=time.time,
            monotonic=time.monotonic,
            write_lock=self._write_lock,
            epoch=os.urandom(8).hex(),
            cards=CardCache(),
            statuses=TaskStatuses(),
            listeners=Listeners(self.board),
            try_rules=self._try_rules,
            public_status=settings.public_status,
        )
        server = ApiServer(settings, load_token(self.home.token), ports, self.log)
        server.start()
        self._server = server
        self.log.info("the page and the API are at %s", server.url)
        if settings.host not in LOOPBACK:
            self.log.warning("they can be reached from other machines: put TLS in front (docs/security.md)")

    def _try_rules(self, config: Config, task: Task, rule: Optional[str], by: str) -> Sequence[ChannelResult]:
        """In the thread of a request. The results are in the log too."""
        from minisched.notify.notify_test import select_rules, try_channels

        results = try_channels(config, task, select_rules(task, rule), self.home.path, os.environ)
        for one in results:
            self.log.info("%s: test message, requested by %s: %s", task.task_id, by, one)
        return results

    def upkeep(self) -> list[str]:
        """At every poll: try again what failed; the current problems."""
        if self._settings is not None and time.monotonic() >= self._retry_at:
            if self.problem:
                self.open(self._settings)
            elif self.untold:
                self._tell()
        return [problem for problem in (self.problem, self.untold) if problem]

    def close(self, deadline_s: float) -> None:
        if self._server is not None:
            self._server.close(deadline_s)
            self._server = None


def _why(error: Exception) -> str:
    return str((isinstance(error, OSError) and error.strerror) or error)
