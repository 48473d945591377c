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
    from typing import Optional

    from minisched.model import SmtpSettings

MIN_FREE_BYTES = 100 * 2**20
MIN_FREE_FILES = 1000
CLOCK_AHEAD_S = DAY_S  # the newest row of the history may be that much later than now
CONNECT_S = 5.0
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


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
    yield Finding("ok", Text("doctor.python", version=version, sqlite=sqlite3.sqlite_version, path=sys.executable))
    if find_spec("croniter") is None:
        yield Finding("ok", Text("doctor.no_croniter"))


def _zone(view: View) -> Iterator[Finding]:
    try:
        load_zone("Europe/Berlin")
    except ZoneError:
        yield Finding("problem", Text("doctor.no_zones"), Text("doctor.no_zones.help"))
    found = view.zone_found
    if found.problem:
        yield Finding("problem", found.problem, Text("doctor.zone.help"))
    else:
        yield Finding("ok", Text("doctor.zone", zone=zone_text(found.name, found.source)))


def _clock(view: View) -> Iterator[Finding]:
    """The clock against two times that lie in the past for sure: this program's, and the last run's."""
    now = time.time()
    made = os.stat(__file__).st_mtime if os.path.exists(__file__) else 0.0
    try:
        runs, _ = view.history.page(page_size=1)
    except StoreError as error:
        yield Finding("problem", error.text, Text("doctor.history.help"))
        runs = []
    newest = runs[0].created_time if runs else now
    if now < made - DAY_S:
        found = Text("doctor.clock.behind", now=_date(now), made=_date(made))
    elif newest > now + CLOCK_AHEAD_S:
        found = Text("doctor.clock.ahead", now=_date(now), newest=_date(newest))
    else:
        yield Finding("ok", Text("doctor.clock", now=_date(now)))
        return
    yield Finding("problem", found, Text("doctor.clock.help"))


def _date(instant: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(instant))


def _folders(view: View) -> Iterator[Finding]:
    """Whether history and logs can be written, and how much room is left for them."""
    home = view.home
    if not os.path.isdir(home.path):
        yield Finding(
            "problem", Text("doctor.no_home", path=home.path), Text("doctor.no_home.help", home=shlex.quote(home.path))
        )
        return
    for folder in (home.var, home.logs):
        place = folder if os.path.isdir(folder) else home.path
        if not os.access(place, os.W_OK | os.X_OK):
            yield Finding(
                "problem", Text("doctor.not_writable", path=place), Text("doctor.not_writable.help", path=place)
            )
        yield from _room(place)
        if place == home.path:
            break  # neither exists yet


def _room(folder: str) -> Iterator[Finding]:
    try:
        found = os.statvfs(folder)
    except OSError as error:
        yield Finding("problem", Text("text", text=os_error(error)), Text("doctor.not_writable.help"))
        return
    free, files = found.f_bavail * found.f_frsize, found.f_favail
    megabytes = free // 2**20
    if found.f_flag & os.ST_RDONLY:
        yield Finding("problem", Text("doctor.read_only", path=folder), Text("doctor.read_only.help"))
    elif free < MIN_FREE_BYTES or (found.f_files and files < MIN_FREE_FILES):
        yield Finding(
            "problem",
            Text("doctor.disk_full", path=folder, megabytes=megabytes, files=files),
            Text("doctor.disk_full.help"),
        )
    else:
        yield Finding("ok", Text("doctor.disk", path=folder, megabytes=megabytes))


def _history(view: View) -> Iterator[Finding]:
    for path in view.damaged_files():
        yield Finding("warning", Text("cli.damaged_history", path=path), Text("doctor.damaged.help"))


def _config(view: View) -> Iterator[Finding]:
    if view.config is None:
        if not os.path.lexists(view.home.config):
            yield Finding("problem", view.problems[0], Text("doctor.no_home.help", home=shlex.quote(view.home.path)))
            return
        for problem in view.problems:
            yield Finding("problem", problem, Text("doctor.config.help"))
        return
    warnings = config_warnings(view.config, Surroundings(view.home.path, os.environ, time.time()))
    for warning in warnings:
        yield Finding("problem", warning.as_text(), Text("doctor.config.help"))
    if not warnings:
        yield Finding("ok", Text("doctor.config", path=view.home.config, count=len(view.config.tasks)))


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
        code = "doctor.port.taken" if error.errno == errno.EADDRINUSE else "doctor.port.other"
        reason = str(error.strerror or error)
        yield Finding(
            "problem", Text(code, host=settings.host, port=settings.port, reason=reason), Text("doctor.port.help")
        )
    else:
        yield Finding("ok", Text("doctor.port", host=settings.host, port=settings.port))


def _mail(smtp: SmtpSettings) -> Iterator[Finding]:
    """Whether the mail server answers. Nothing is sent, and no password."""
    place = {"host": smtp.host, "port": smtp.port}
    try:
        with socket.create_connection((smtp.host, smtp.port), CONNECT_S) as sock:
            greeting = b"220" if smtp.security == "ssl" else sock.recv(3)
    except OSError as error:
        reason = "timeout" if isinstance(error, TimeoutError) else str(error.strerror or error)
        yield Finding("problem", Text("doctor.mail.dead", reason=reason, **place), Text("doctor.mail.help"))
        return
    if greeting != b"220":
        yield Finding("problem", Text("doctor.mail.no_greeting", **place), Text("doctor.mail.help"))
    else:
        yield Finding("ok", Text("doctor.mail", **place))


def _engine(view: View) -> Iterator[Finding]:
    if view.engine is None:
        yield Finding("ok", Text("doctor.no_engine"))
        return
    yield Finding("ok", Text("doctor.engine", pid=view.engine.pid))
    for _, problem in view.engine_problems:
        yield Finding("problem", problem, Text("doctor.engine.help"))
