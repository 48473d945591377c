"""Files of a config and of its calendars: read as carefully as each other, since both decide what runs, and judged for
who else could change them."""

from __future__ import annotations

import errno
import os
import shlex
import stat

from minisched.model import Calendar, FieldError, Text
from minisched.model.task import CONFIG_FILE
from minisched.model.text import reason_of_file
from minisched.osutil import Place, open_walked, read_regular

from .problems import is_but, show
from .strict_json import Unreadable, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

JUDGED = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)  # anything else, such as /dev/null, is refused as a config anyway
MAX_CALENDAR_BYTES = 2**20  # a hundred years of public holidays are 40 KB


def home_of(path: str) -> Optional[str]:
    """The home of a config file: `/srv/plant` for `/srv/plant/tasks/config.json`; None if it is in no home."""
    path, end = os.path.abspath(path), f"/{CONFIG_FILE}"
    return (path[: -len(end)] or "/") if path.endswith(end) else None


def shown_path(path: str) -> str:
    return CONFIG_FILE if home_of(path) else path


def check_permissions(path: str) -> list[FieldError]:
    """Errors for everything through which another user could change the config: the file, and every folder and symlink
    up to "/".

    Whoever can write the config, or replace a folder above it, can run commands as the engine's user. Each must belong
    to this user or to root, and must not be writable by everyone (sshd has the same rule as StrictModes). Above the
    home the sticky bit is enough, as in /tmp. A group that may write is the owner's choice. What cannot be read is not
    judged: reading the config reports it.
    """
    places: list[Place] = []
    try:
        os.close(open_walked(path, places))
    except OSError:
        pass
    return judge(path, places)


def judge(path: str, places: list[Place], home: Optional[str] = None) -> list[FieldError]:
    """As `check_permissions`, of places through which a file was opened. home: that of its config, by default the one
    that `path` is the config of."""
    if not any(place.changeable_by(sticky=False) for place in places):
        return []
    home = home or home_of(path)
    inside = {os.path.realpath(one) for one in (home, os.path.dirname(path))} if home else set()
    problems = {}
    for place in reversed(places):  # the file first
        where = place.path
        user = place.changeable_by(sticky=where not in inside)
        if user is None or stat.S_IFMT(place.status.st_mode) not in JUDGED:
            continue
        above = stat.S_ISDIR(place.status.st_mode) and where not in inside
        code = f"config.file.{'above_' if above else ''}{'writable' if user < 0 else 'owner'}"
        problems[where] = FieldError(
            "", Text(code, user=user, own=os.geteuid(), path=where, quoted=shlex.quote(where)), file=where
        )
    return list(problems.values())


class CalendarFiles:
    """Reads the calendars of one config. `stamps`: the path of each file and its `file_stamp` before it was read;
    `unsafe`: errors for those that another user could change."""

    def __init__(self, home: Optional[str]) -> None:
        """home: where relative paths start; None: the current folder."""
        self.home = home
        self.stamps: list[tuple[str, object]] = []
        self.unsafe: list[FieldError] = []

    def read(self, name: str, file: str) -> tuple[Optional[Calendar], list[FieldError]]:
        """The calendar, or None and what is wrong with its file."""
        from minisched.timetable.working_days import parse_calendar  # which a config without calendars does without

        path, places = os.path.join(self.home or "", file), list[Place]()
        stamp = (path, file_stamp(path))
        if stamp not in self.stamps:  # of a file that was read before
            self.stamps.append(stamp)
        try:
            text = decode(read_regular(path, MAX_CALENDAR_BYTES, places=places), MAX_CALENDAR_BYTES)
        except OSError as failure:
            why = reason_of_file(failure)
            if failure.errno in (errno.EISDIR, errno.EINVAL, errno.EFBIG):
                why = Text(f"config.calendar.{'too_large' if failure.errno == errno.EFBIG else 'not_regular'}")
            return None, [FieldError(f"settings.calendars.{name}.file", is_but(show(file), why))]
        except Unreadable as unreadable:
            bad = unreadable.error
            return None, [FieldError("", bad.text, file=file, line=bad.line, column=bad.column)]
        finally:
            found = judge(path, places, self.home)  # a folder may be above several files
            self.unsafe += [error for error in found if error not in self.unsafe]
        calendar, errors = parse_calendar(name, file, text)
        return (None if errors else calendar), [
            FieldError("", error.text, file=file, line=error.line) for error in errors
        ]


def file_stamp(path: str) -> object:
    """Changes with the file; None if it cannot be seen."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
