"""Who else could change the config, or a file that it depends on."""

from __future__ import annotations

import os
import shlex
import stat

from minisched.model import FieldError, Text
from minisched.model.task import CONFIG_FILE
from minisched.osutil import Place, open_walked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

JUDGED = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)  # anything else, such as /dev/null, is refused as a config anyway


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
