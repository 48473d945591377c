"""The files of calendars, which are read as carefully as the config: they decide too when tasks run."""

from __future__ import annotations

import errno
import os

from minisched.model import Calendar, FieldError, Text
from minisched.model.text import reason_of_file
from minisched.osutil import Place, read_regular

from .permissions import judge
from .problems import is_but, show
from .strict_json import Unreadable, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

MAX_BYTES = 2**20  # a hundred years of public holidays are 40 KB


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
            text = decode(read_regular(path, MAX_BYTES, follow_symlinks=True, places=places), MAX_BYTES)
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
