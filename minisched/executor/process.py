"""From a `ProcessSpec` to a running process, or to words that say why there is none."""

from __future__ import annotations

import errno
import os
import pwd
import resource
import shlex
import subprocess
from typing import Optional

from minisched.model import Limits, ProcessSpec

SHELL = "/bin/sh"


class SpawnError(Exception):
    """The program could not be started; the text names what failed, for people."""


def spawn(launch: ProcessSpec) -> subprocess.Popen[bytes]:
    """Start the process: own session and group, stdin /dev/null, stdout and stderr pipes, no other descriptor.
    Raises SpawnError."""
    try:
        user, group, groups, env = _user(launch)
        return subprocess.Popen(
            _argv(launch, env.get("PATH", os.defpath)),
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=launch.cwd,
            env=env,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=groups,
        )
    except SpawnError:
        raise
    # Popen raises OSError, but also ValueError (NUL), UnicodeEncodeError (surrogates), IndexError (no words),
    # RuntimeError (threads), MemoryError: whatever it is, it is this run's failure and no more.
    except Exception as error:
        raise SpawnError(_explain(error, launch)) from error


def command_text(launch: ProcessSpec) -> str:
    """The command as a person would type it."""
    return launch.task_exec if isinstance(launch.task_exec, str) else shlex.join(launch.task_exec)


def _user(launch: ProcessSpec) -> tuple[Optional[int], Optional[int], Optional[list[int]], dict[str, str]]:
    """uid, gid, groups and environment. As another user HOME, USER and LOGNAME are that user's."""
    env = dict(launch.env)
    if launch.user is None:
        return None, None, None, env
    try:
        entry = pwd.getpwnam(launch.user)
    except KeyError:
        raise SpawnError(f"task_user {launch.user}: there is no such user") from None
    env.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name)
    if os.geteuid() == entry.pw_uid != 0:
        return None, None, None, env
    if os.geteuid() != 0:
        raise SpawnError(f"task_user {launch.user}: only root can run a task as another user")
    return entry.pw_uid, entry.pw_gid, os.getgrouplist(launch.user, entry.pw_gid), env


def _argv(launch: ProcessSpec, search_path: str) -> list[str]:
    """The words to execute. Limits and niceness are set by a shell that then becomes the program: preexec_fn is unsafe
    beside threads and makes a spawn five times as slow, and setting them from here is too late for what the program
    has started by then. `task_nice` is absolute, as in systemd, `nice -n` adds to the engine's own. What may not be
    made nicer runs as it is, with nice's warning in the log."""
    argv = [SHELL, "-c", launch.task_exec] if isinstance(launch.task_exec, str) else list(launch.task_exec)
    words = ["exec"]
    if launch.nice is not None:
        words += ["nice", "-n", str(launch.nice - os.getpriority(os.PRIO_PROCESS, 0))]
    steps = [*_ulimits(launch.limits), " ".join((*words, '"$@"'))]
    if steps == ['exec "$@"']:
        return argv
    _check_program(argv[0], launch.cwd, search_path)  # else the shell's 127 would pass for the program's own
    return [SHELL, "-c", " && ".join(steps), SHELL, *argv]


def _ulimits(limits: Optional[Limits]) -> list[str]:
    if limits is None:
        return []
    steps = []
    for name, wanted, number, flag, unit in (
        ("memory", limits.memory, resource.RLIMIT_AS, "v", 1024),
        ("cpu_seconds", limits.cpu_seconds, resource.RLIMIT_CPU, "t", 1),
        ("open_files", limits.open_files, resource.RLIMIT_NOFILE, "n", 1),
    ):
        if wanted is None:
            continue
        hard = resource.getrlimit(number)[1]
        if hard != resource.RLIM_INFINITY and wanted > hard and os.geteuid() != 0:
            raise SpawnError(f"task_limits: {name} {wanted} is over the hard limit {hard} of the engine")
        value = max(1, wanted // unit)
        steps += _cpu_steps(value, hard) if flag == "t" else [f"ulimit -{flag} {value}"]
    return steps


def _cpu_steps(seconds: int, hard: int) -> list[str]:
    """The soft limit, at which comes XCPU, a second before the hard one, at which comes KILL: else it is KILL alone,
    which no program can answer and which looks like any other. hard: the one that holds; no soft one stands over it at
    any moment."""
    steps = [f"ulimit -S -t {seconds}", f"ulimit -H -t {seconds + 1}"]
    if hard == resource.RLIM_INFINITY or seconds < hard:
        return steps
    return steps[:1] if seconds == hard else steps[::-1]


def _check_program(program: str, cwd: str, search_path: str) -> None:
    """Raise as exec would, by the rule of execvp(3)."""
    if not os.path.isdir(cwd):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), cwd)
    folders = [""] if "/" in program else search_path.split(os.pathsep)
    found = [path for path in (os.path.join(cwd, folder, program) for folder in folders) if os.path.isfile(path)]
    if not found:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    if not any(os.access(path, os.X_OK) for path in found):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), program)


def _explain(error: Exception, launch: ProcessSpec) -> str:
    """What failed, the system's words for it, and what to look at."""
    program = SHELL if isinstance(launch.task_exec, str) else launch.task_exec[0] if launch.task_exec else ""
    if isinstance(error, OSError) and error.errno is not None:
        why = os.strerror(error.errno)
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES) and not _enterable(launch.cwd):
            return f"task_cwd {launch.cwd}: {why}: not a folder that can be entered"
        if error.errno == errno.ENOENT and os.path.exists(os.path.join(launch.cwd, program)) and "/" in program:
            return f"{program}: {why}: the interpreter in its #! line does not exist"
        if error.errno == errno.EACCES:
            return f"{program}: {why}: not executable (chmod +x)"
        if error.errno == errno.ENOEXEC:
            return f"{program}: {why}: no program, and a script with no #! line"
        if error.errno == errno.E2BIG:
            return f"{program}: {why}: arguments and environment are too large together"
        if error.errno == errno.EPERM and launch.user is not None:
            return f"task_user {launch.user}: {why}"
        return f"{program}: {why}"
    if isinstance(error, IndexError):
        return "task_exec is empty"
    if isinstance(error, UnicodeEncodeError):
        return f"task_exec, task_cwd or task_env cannot be encoded: {error.reason}"
    return f"{program!r} could not be started: {error}"


def _enterable(folder: str) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.X_OK)
