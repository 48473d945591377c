"""`backup` and `restore`: everything that a home needs to go on, as one tar file, and back.

The last member is a list of all others with their hashes. So a file that is cut or damaged is refused, and nothing of
it gets its place.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import stat
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator

from minisched import __version__
from minisched.cli.output import CommandError, log_action, print_error, text
from minisched.cli.view import other_user, read_only_config
from minisched.config import ConfigError, parse_json, read_config
from minisched.executor.procfs import process_identity
from minisched.home import NO_LOCK_TEXT, Home, HomeBusy, HomeLock
from minisched.model import EXIT_OK, EXIT_USAGE, StoreError, Text
from minisched.namedtuple import NamedTuple
from minisched.osutil import open_regular
from minisched.store.database import examine
from minisched.store.errors import newer_database
from minisched.store.reader import History, connect_read_only
from minisched.store.schema import copy, newest_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import IO, Any, Optional

MANIFEST = "minisched-backup.json"
FORMAT = 1
MAX_MANIFEST_BYTES = 64 * 2**20  # some 500,000 files
_DATABASE = "var/minisched.db"
_TOKENS = ("var/token", "var/token.read")
# Of `var/`: what belongs to one machine or one run of the engine.
_OWN_STATE = re.compile(r"var/(?:lock|ballast|minisched\.db(?:[-.].*)?)|logs(?:/.*)?", re.DOTALL)
_BLOCK_BYTES = 2**20


class Entry(NamedTuple):
    """A file or a folder of the home that belongs into a backup."""

    name: str  # relative to the home
    path: str  # where its content is


# -------------------------------------------------------------------------------------------------------------- backup


def backup(options: Namespace) -> int:
    """Write the backup to a file, or to standard output. Raises CommandError, OSError."""
    home = Home(options.home)
    if not os.path.isdir(os.path.join(home.path, "tasks")):
        raise CommandError(*read_only_config(home)[1])
    if options.file == "-":
        if sys.stdout.isatty():
            raise CommandError(Text("cli.backup_to_terminal"), exit_code=EXIT_USAGE)
        with tempfile.TemporaryDirectory() as folder:
            _write(home, sys.stdout.buffer, folder, "")
        return EXIT_OK
    target = os.path.abspath(options.file)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=os.path.dirname(target)) as folder:
        fresh = os.path.join(folder, "new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            count = _write(home, file, folder, target)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        os.rename(fresh, target)
    print(text("cli.backed_up", path=options.file, count=count, size=round(size / 1e6, 1)))
    return EXIT_OK


def _write(home: Home, output: IO[bytes], folder: str, target: str) -> int:
    """Write a tar of the home; the number of files in it. folder: for the copy of the database. target: the file that
    is written, which is left out."""
    entries = {entry.name: entry for entry in (*_scripts(home, target), *_named_files(home))}
    for name in _TOKENS:
        if os.path.isfile(os.path.join(home.path, name)):
            entries[name] = Entry(name, os.path.join(home.path, name))
    if os.path.exists(home.database):
        entries[_DATABASE] = Entry(_DATABASE, os.path.join(folder, "minisched.db"))
        _copy_database(home.database, entries[_DATABASE].path)
    hashes: dict[str, str] = {}
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for entry in entries.values():
            _add(tar, entry, hashes)
        about = {"format": FORMAT, "minisched": __version__, "home": home.path, "created": int(time.time())}
        manifest = json.dumps({**about, "files": hashes}).encode()
        tar.addfile(_Info(MANIFEST, 0o600, time.time(), len(manifest)), _Hashed(manifest))
    return len(hashes)


def _scripts(home: Home, target: str) -> Iterator[Entry]:
    """All of `tasks/`. A symlink to a file becomes that file; one to a folder, and what is no file, is left out."""
    top = os.path.join(home.path, "tasks")
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        yield Entry(os.path.relpath(folder, home.path), folder)
        for name in [*names, *(one for one in folders if os.path.islink(os.path.join(folder, one)))]:
            path = os.path.join(folder, name)
            if re.fullmatch(r"\.config\..*\.tmp", name) or path == target:
                continue
            if os.path.isfile(path):
                yield Entry(os.path.relpath(path, home.path), path)
            else:
                print_error(Text("cli.not_in_backup", path=path))


def _named_files(home: Home) -> Iterator[Entry]:
    """Files of the home that the config names: of secrets, variables and calendars, and programs outside `tasks/`."""
    try:
        document, _ = parse_json(read_config(home.config))
    except ConfigError:
        document = None
    if document is None:
        print_error(Text("cli.backup_config_unread", path=home.config))
    words = {word for value in _texts(document) for word in (value, *value.split())}
    for word in sorted(words):
        path = os.path.normpath(os.path.join(home.path, word.strip("'\"").replace("$MINISCHED_HOME/", "")))
        name = os.path.relpath(path, home.path)
        if not name.startswith("..") and not _OWN_STATE.fullmatch(name) and "\0" not in path and os.path.isfile(path):
            yield Entry(name, path)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value[:4096]  # PATH_MAX
    elif isinstance(value, dict):
        for name, one in value.items():
            if (name, value.get("type")) != ("path", "file"):  # what a channel writes is output
                yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _copy_database(source: str, target: str) -> None:
    """Copy the history, while the engine may write to it. Raises CommandError."""
    try:
        db, _ = connect_read_only(source)
        try:
            copy(db, target)
        finally:
            db.close()
    except sqlite3.Error as error:
        raise CommandError(Text("cli.backup_failed", path=source, reason=str(error))) from None


class _Info(tarfile.TarInfo):
    """A member of the backup; without an owner, since it belongs to whoever restores it. size: None for a folder."""

    def __init__(self, name: str, mode: int, mtime: float, size: Optional[int]) -> None:
        super().__init__(name)
        self.type = tarfile.DIRTYPE if size is None else tarfile.REGTYPE
        self.mode, self.mtime, self.size = mode, int(mtime), size or 0


class _Hashed:
    """A file that hashes what is read of it."""

    def __init__(self, source: Any) -> None:
        import io

        self._file = io.BytesIO(source) if isinstance(source, bytes) else source
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self.hash.update(data)
        return data


def _add(tar: tarfile.TarFile, entry: Entry, hashes: dict[str, str]) -> None:
    if os.path.isdir(entry.path):
        status = os.stat(entry.path)
        tar.addfile(_Info(entry.name, stat.S_IMODE(status.st_mode), status.st_mtime, None))
        return
    fd, status = open_regular(entry.path, follow_symlinks=True)
    with open(fd, "rb") as file:
        info = _Info(entry.name, stat.S_IMODE(status.st_mode), status.st_mtime, status.st_size)
        hashed = _Hashed(file)
        try:
            tar.addfile(info, hashed)
        except OSError as error:
            if error.errno is not None:
                raise
            raise CommandError(Text("cli.changed_while_read", path=entry.path)) from None  # it became shorter
    hashes[entry.name] = hashed.hash.hexdigest()


# ------------------------------------------------------------------------------------------------------------- restore


def restore(options: Namespace) -> int:
    """Bring a home back from a backup. Raises CommandError, OSError; the home is then as it was."""
    home = Home(options.home)
    foreign = other_user(home, f"restore {options.file}")
    if foreign:
        raise CommandError(foreign)
    exists = os.path.lexists(home.config) or os.path.lexists(home.database)
    if exists and not options.force:
        raise CommandError(Text("cli.restore_over", home=home.path))
    with sys.stdin.buffer if options.file == "-" else open(options.file, "rb") as source:
        is_new = not os.path.lexists(home.path)
        os.makedirs(home.path, mode=0o755, exist_ok=True)
        lock = HomeLock(home)
        try:
            home.make_folders()
            before = lock.acquire()
        except HomeBusy as error:
            raise CommandError(Text("engine.home_in_use", home=home.path, reason=error.text)) from None
        staging = tempfile.mkdtemp(prefix=".restore-", dir=home.path)
        try:
            about = _unpack(source, staging, options.file)
            _check_database(os.path.join(staging, _DATABASE))
            last_id = max(before.last_id, _newest_run(home))
            moved = _install(home, staging, time.strftime(".before-restore-%Y%m%dT%H%M%SZ", time.gmtime()))
            # Another history than before: the next start expects none, and continues after the newest run of both.
            own = process_identity(os.getpid())
            lock.write(NO_LOCK_TEXT._replace(holder=own, last_id=last_id))
        except BaseException:
            if is_new:
                shutil.rmtree(home.path, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            lock.release()
    return _report(home, about, moved)


def _newest_run(home: Home) -> int:
    """The number of the newest run in the history that is replaced; 0 if there is none, or it cannot be read."""
    history = History(home.database)
    try:
        runs, _ = history.page(page_size=1)
    except StoreError:
        return 0
    finally:
        history.close()
    return runs[0].run_id if runs else 0


def _unpack(source: IO[bytes], staging: str, name: str) -> dict[str, Any]:
    """Unpack a backup into a folder; what it says about itself. Raises CommandError if it is damaged, incomplete or
    wants to be more than files below the folder."""
    hashes: dict[str, str] = {}
    folders: list[tuple[str, int]] = []
    manifest: Optional[dict[str, Any]] = None
    try:
        with tarfile.open(fileobj=source, mode="r|*", encoding="utf-8") as tar:
            for member in tar:
                if member.name == MANIFEST and member.isreg() and member.size <= MAX_MANIFEST_BYTES:
                    manifest = json.loads(_content(tar, member).read())
                    continue
                path = os.path.join(staging, _checked_name(member))
                if member.isdir():
                    os.makedirs(path, mode=0o700, exist_ok=True)
                    folders.append((path, member.mode & 0o755))
                    continue
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                hashes[member.name] = _unpack_file(tar, member, path)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise CommandError(Text("cli.restore_damaged", path=name, reason=str(error))) from None
    if manifest is None or manifest.get("format") != FORMAT:
        raise CommandError(Text("cli.restore_no_backup", path=name))
    wrong = sorted(set(hashes.items()) ^ set(manifest["files"].items()))
    if wrong:
        raise CommandError(Text("cli.restore_incomplete", path=name, member=wrong[0][0]))
    for path, mode in reversed(folders):
        os.chmod(path, mode | 0o700)
    return manifest


def _checked_name(member: tarfile.TarInfo) -> str:
    """The name of a member that may be unpacked. Raises CommandError for any other."""
    parts = member.name.split("/")
    if not (member.isreg() or member.isdir()):
        raise CommandError(Text("cli.restore_kind", member=member.name))
    if any(part in ("", ".", "..") for part in parts) or "\0" in member.name:
        raise CommandError(Text("cli.restore_name", member=member.name))
    if _OWN_STATE.fullmatch(member.name) and member.name != _DATABASE:
        raise CommandError(Text("cli.restore_name", member=member.name))
    return member.name


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None  # it is a regular file
    return content


def _unpack_file(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> str:
    """Unpack one file, with its mode less what would let others change it; its hash."""
    hashed = _Hashed(_content(tar, member))
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise CommandError(Text("cli.restore_name", member=member.name)) from None  # twice in the backup
    with open(fd, "wb") as file:
        while block := hashed.read(_BLOCK_BYTES):
            file.write(block)
        file.flush()
        os.fchmod(fd, member.mode & (0o700 if member.name.startswith("var/") else 0o755))
        os.utime(fd, (member.mtime, member.mtime))
        os.fsync(fd)
    return hashed.hash.hexdigest()


def _check_database(path: str) -> None:
    """Raises CommandError for a history that no engine of this version could use."""
    if not os.path.exists(path):
        return
    try:
        db, version = connect_read_only(path)
        try:
            if version > newest_version():
                raise newer_database(_DATABASE, version, newest_version())
            examine(db, _DATABASE)
        finally:
            db.close()
    except StoreError as error:
        raise CommandError(error.text) from None
    except sqlite3.Error as error:
        raise CommandError(Text("cli.restore_damaged", path=_DATABASE, reason=str(error))) from None
    for side in ("-wal", "-shm"):
        if os.path.exists(path + side):
            os.unlink(path + side)


def _install(home: Home, staging: str, suffix: str) -> list[str]:
    """Put what was unpacked into its place. What is there already gets the suffix; the paths of that."""
    moved: list[str] = []

    def set_aside(path: str, ending: str = "") -> None:
        if os.path.lexists(path + ending):
            os.rename(path + ending, path + suffix + ending)
            moved.append(path + suffix + ending)

    for ending in ("", "-wal", "-shm"):
        set_aside(home.database, ending)
    staged_tasks, tasks = os.path.join(staging, "tasks"), os.path.join(home.path, "tasks")
    if os.path.isdir(staged_tasks):
        set_aside(tasks)
        os.rename(staged_tasks, tasks)
    for folder, _, names in os.walk(staging):
        for name in names:
            staged = os.path.join(folder, name)
            path = os.path.join(home.path, os.path.relpath(staged, staging))
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            set_aside(path)
            os.rename(staged, path)
    for path in (tasks, home.var, home.path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    return moved


def _report(home: Home, about: dict[str, Any], moved: list[str]) -> int:
    config, problems = read_only_config(home)
    created = time.strftime("%Y-%m-%d %H:%M", time.localtime(about["created"]))
    restored = Text("cli.restored", count=len(about["files"]), home=home.path, time=created, from_home=about["home"])
    print(text("cli.restored", **restored.values))
    if moved:
        print(text("cli.set_aside", paths=moved))
    for problem in problems:
        print_error(problem)
    if config is not None:
        log_action(home, config, restored)
        print(text("cli.restored_next"))
    return EXIT_OK
