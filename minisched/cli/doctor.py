"""`doctor`: what of this machine and this home would keep tasks from running, each with what to do about it."""

from __future__ import annotations

import errno
import os
import shlex
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec

from minisched.api.server import Sockets
from minisched.catalogue import render
from minisched.cli.output import os_error, print_json, shown, text, zone_text
from minisched.cli.view import View
from minisched.lint import Surroundings, config_warnings
from minisched.model import DAY_S, EXIT_NO, EXIT_OK, StoreError, Text
from minisched.namedtuple import NamedTuple
from minisched.timetable import ZoneError, load_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, Optional, Union

    from minisched.model import SmtpSettings

MIN_FREE_BYTES = 100 * 2**20
MIN_FREE_FILES = 1000
CLOCK_AHEAD_S = DAY_S  # the newest row of the history may be that much later than now
CONNECT_S = 5.0


class Finding(NamedTuple):
    """`level` is "ok", "warning" or "problem"; `help`: what to do, None if nothing is wrong."""

    level: str
    text: Text
    help: Optional[Text] = None

    def as_json(self) -> dict[str, Optional[str]]:
        return {
            "level": self.level,
            "code": self.text.code,
            "message": render(self.text),
            "help": render(self.help) if self.help else None,
        }


def _ok(code: str, **values: Any) -> Finding:
    return Finding("ok", Text(f"doctor.{code}", **values))


def _problem(found: Union[str, Text], help: str, **values: Any) -> Finding:
    """found: a text, or the code of one. values: of it and of the help."""
    text = Text(f"doctor.{found}", **values) if isinstance(found, str) else found
    return Finding("problem", text, Text(f"doctor.{help}.help", **values))


def doctor(options: Namespace) -> int:
    """Print all findings; 1 if one of them is a problem."""
    with View(options.home) as view:
        findings = list(_findings(view))
    if options.json:
        print_json([finding.as_json() for finding in findings])
    else:
        for finding in findings:
            print(text(f"doctor.level.{finding.level}") + shown(finding.text))
            if finding.help:
                print(f"    {shown(finding.help)}")
    return EXIT_NO if any(finding.level == "problem" for finding in findings) else EXIT_OK


def _findings(view: View) -> Iterator[Finding]:
    yield from _python()
    yield from _zone(view)
    yield from _clock(view)
    yield from _folders(view)
    yield from _history(view)
    yield from _config(view)
    if view.config:
        yield from _page(view)
        if view.config.settings.smtp:
            yield from _mail(view.config.settings.smtp)
    yield from _engine(view)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield _ok("python", version=version, sqlite=sqlite3.sqlite_version, path=sys.executable)
    if find_spec("croniter") is None:
        yield _ok("no_croniter")


def _zone(view: View) -> Iterator[Finding]:
    try:
        load_zone("Europe/Berlin")
    except ZoneError:
        yield _problem("no_zones", "no_zones")
    found = view.zone_found
    if found.problem:
        yield _problem(found.problem, "zone")
    else:
        yield _ok("zone", zone=zone_text(found.name, found.source))


def _clock(view: View) -> Iterator[Finding]:
    """The clock against two times that lie in the past for sure: this program's, and the last run's."""
    now = time.time()
    made = os.stat(__file__).st_mtime if os.path.exists(__file__) else 0.0
    try:
        runs, _ = view.history.page(page_size=1)
    except StoreError as error:
        yield _problem(error.text, "history")
        runs = []
    newest = runs[0].created_time if runs else now
    if now < made - DAY_S:
        yield _problem("clock.behind", "clock", now=_date(now), made=_date(made))
    elif newest > now + CLOCK_AHEAD_S:
        yield _problem("clock.ahead", "clock", now=_date(now), newest=_date(newest))
    else:
        yield _ok("clock", now=_date(now))


def _date(instant: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(instant))


def _folders(view: View) -> Iterator[Finding]:
    """Whether history and logs can be written, and how much room is left for them."""
    home = view.home
    if not os.path.isdir(home.path):
        yield _problem("no_home", "no_home", path=home.path, home=shlex.quote(home.path))
        return
    for folder in (home.var, home.logs):
        place = folder if os.path.isdir(folder) else home.path
        if not os.access(place, os.W_OK | os.X_OK):
            yield _problem("not_writable", "not_writable", path=place)
        yield from _room(place)
        if place == home.path:
            break  # neither exists yet


def _room(folder: str) -> Iterator[Finding]:
    try:
        found = os.statvfs(folder)
    except OSError as error:
        yield _problem(Text("text", text=os_error(error)), "not_writable")
        return
    free, files = found.f_bavail * found.f_frsize, found.f_favail
    megabytes = free // 2**20
    if found.f_flag & os.ST_RDONLY:
        yield _problem("read_only", "read_only", path=folder)
    elif free < MIN_FREE_BYTES or (found.f_files and files < MIN_FREE_FILES):
        yield _problem("disk_full", "disk_full", path=folder, megabytes=megabytes, files=files)
    else:
        yield _ok("disk", path=folder, megabytes=megabytes)


def _history(view: View) -> Iterator[Finding]:
    for path in view.damaged_files():
        yield Finding("warning", Text("cli.damaged_history", path=path), Text("doctor.damaged.help"))


def _config(view: View) -> Iterator[Finding]:
    if view.config is None:
        if not os.path.lexists(view.home.config):
            yield _problem(view.problems[0], "no_home", home=shlex.quote(view.home.path))
            return
        for problem in view.problems:
            yield _problem(problem, "config")
        return
    warnings = config_warnings(view.config, Surroundings(view.home.path, os.environ, time.time()))
    for warning in warnings:
        yield _problem(warning.as_text(), "config")
    if not warnings:
        yield _ok("config", path=view.home.config, count=len(view.config.tasks))


def _page(view: View) -> Iterator[Finding]:
    """Whether the port of the page is free, or held by the engine of this home."""
    assert view.config
    settings = view.config.settings.http
    if not settings.enabled or not settings.port or view.engine is not None:
        return
    sockets = Sockets()
    try:
        sockets.listen(settings.host, settings.port)
        sockets.close()
    except OSError as error:
        code = "port.taken" if error.errno == errno.EADDRINUSE else "port.other"
        yield _problem(code, "port", host=settings.host, port=settings.port, reason=str(error.strerror or error))
    else:
        yield _ok("port", host=settings.host, port=settings.port)


def _mail(smtp: SmtpSettings) -> Iterator[Finding]:
    """Whether the mail server answers. Nothing is sent, and no password."""
    place = {"host": smtp.host, "port": smtp.port}
    try:
        with socket.create_connection((smtp.host, smtp.port), CONNECT_S) as sock:
            greeting = b"220" if smtp.security == "ssl" else sock.recv(3)
    except OSError as error:
        reason = "timeout" if isinstance(error, TimeoutError) else str(error.strerror or error)
        yield _problem("mail.dead", "mail", reason=reason, **place)
        return
    yield _ok("mail", **place) if greeting == b"220" else _problem("mail.no_greeting", "mail", **place)


def _engine(view: View) -> Iterator[Finding]:
    if view.engine is None:
        yield _ok("no_engine")
        return
    yield _ok("engine", pid=view.engine.pid)
    for _, problem in view.engine_problems:
        yield _problem(problem, "engine")
