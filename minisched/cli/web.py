"""The page and the API of a running engine: up once the engine is at work, and where the config wants them."""

from __future__ import annotations

import os
import time
from threading import Lock
from typing import TYPE_CHECKING, Callable, Optional

from minisched.api.token import UnsafeToken, load_token
from minisched.catalogue import render
from minisched.executor import process_identity
from minisched.model import Text
from minisched.model.task import LOOPBACK

if TYPE_CHECKING:
    import logging

    from minisched.api.context import AppContext
    from minisched.api.server import ApiServer
    from minisched.cli.run import ConfigFile
    from minisched.home import Home, HomeLock
    from minisched.model import HttpSettings, Message, Snapshot

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
        self.problem: Optional[Text] = None  # why it cannot be served
        self.untold: Optional[Text] = None  # why the lock does not say where it is
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
        before, self.problem, self._settings = self.problem, None, settings
        if settings.enabled:
            try:
                self._start(settings)
            except (OSError, ImportError, UnsafeToken) as error:  # ImportError: there is no descriptor for a module
                address = f"{settings.host}:{settings.port}"
                self.problem = Text("engine.no_page", address=address, reason=_why(error))
                self._retry_later(self.problem, before)
        if self.untold or self.lock.url != (self.url or None):
            self._tell()

    def _tell(self) -> None:
        """Let the lock say where the page is; the commands look there."""
        before, self.untold = self.untold, None
        self.lock.url = self.url or None
        try:
            self.lock.write(process_identity(os.getpid()), self.lock.db_id)
        except OSError as error:
            self.untold = Text("engine.lock_outdated", path=self.home.lock, reason=_why(error))
            self._retry_later(self.untold, before)

    def _retry_later(self, problem: Text, before: Optional[Text]) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        if problem != before:
            self.log.error("%s; tasks run all the same", render(problem))

    def _start(self, settings: HttpSettings) -> None:
        """Raises OSError, ImportError, UnsafeToken."""
        from minisched.api.server import ApiServer

        server = ApiServer(settings, load_token(self.home.token), self._make_app, self.log)
        server.start()
        self._server = server
        self.log.info("the page and the API are at %s", server.url)
        if settings.host not in LOOPBACK:
            self.log.warning("they can be reached from other machines: put TLS in front (docs/security.md)")

    def _make_app(self) -> AppContext:
        """With the first connection. Raises OSError, ImportError."""
        from minisched.api.context import AppContext

        return AppContext(self.home, self.board, self.post, self.source.stamp, self._write_lock, self.log)

    def upkeep(self) -> list[Text]:
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
