"""One child process: made ready, spawned, stopped, killed, reaped; and `run_bounded`, all of that in one call."""

from __future__ import annotations

import errno
import math
import os
import pwd
import re
import resource
import selectors
import shlex
import signal
import stat
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache

from minisched.executor.procfs import ProcessTable
from minisched.executor.program import Command, explain_exit, find_problem
from minisched.model import Limits, ProcessSpec, Text
from minisched.model.text import size_text
from minisched.namedtuple import NamedTuple
from minisched.put_off import import_without, lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import Any, ClassVar, Optional
else:
    subprocess = import_without("subprocess", "locale")

SHELL = "/bin/sh"
BLOCK = 64 * 1024  # bytes read at once, the capacity of a pipe: more memory gives no more speed
TICK_S = 0.1  # between two looks at what no descriptor announces: an exit without pidfd, the end of a stopped group
# A process that lives longer gets a pidfd; the end of its output tells that a shorter one may have ended.
WATCH_S = 0.02
DRAIN_S = 1.0  # how long output is still read after the exit, while a process left behind holds the pipe
# How programs end that get no memory.
_OUT_OF_MEMORY = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGKILL)
# What the loader of glibc or musl prints before it exits with 127, if it cannot map the libraries of a program.
_NOT_LOADED = lazy_pattern(rb"error (?:while )?loading shared librar[^\n]*(?:\bmap\b|memory)", re.IGNORECASE)
WAIT_MAX_S = 3600.0  # of one wait: poll(2) takes milliseconds in 31 bits


class SpawnError(Exception):
    """The program could not be started; `text` says what failed."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


# ------------------------------------------------------------------------------------------------------------- spawn


class Account(NamedTuple):
    """What the system knows of a user."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str


def look_up(user: str) -> Account:
    """May take long: the system may ask a server. Raises SpawnError."""
    try:
        entry = pwd.getpwnam(user)
        groups = os.getgrouplist(user, entry.pw_gid)
    except KeyError:
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))  # a lack of descriptors looks the same
        except OSError as error:
            raise SpawnError(Text("user_failed", user=user, reason=error.strerror)) from None
        raise SpawnError(Text("no_such_user", user=user)) from None
    except Exception as error:
        raise SpawnError(Text("user_failed", user=user, reason=str(error))) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, tuple(groups), entry.pw_dir, entry.pw_shell or SHELL)


def prepare(spec: ProcessSpec, account: Optional[Account] = None) -> dict[str, Any]:
    """The arguments of `spawn` for an attempt, by the account of `spec.user`. Everything is encoded as UTF-8, whatever
    the locale of this process is. Raises SpawnError."""
    try:
        identity, env = _identity(spec, account), spec.env
        if account:
            env = {"HOME": account.home, "USER": account.name, "LOGNAME": account.name, "SHELL": account.shell, **env}
        # surrogateescape: a variable of the engine's environment that is not UTF-8 is passed on unchanged.
        return {
            "args": [word.encode("utf-8", "surrogateescape") for word in _argv(spec, account)],
            "cwd": spec.cwd.encode("utf-8", "surrogateescape"),
            "env": {
                name.encode("utf-8", "surrogateescape"): value.encode("utf-8", "surrogateescape")
                for name, value in env.items()
            },
            **identity,
        }
    except SpawnError:
        raise
    except Exception as error:
        raise SpawnError(explain(error, command_of(spec), spec.user)) from error


class Child(subprocess.Popen[bytes]):
    """A Popen whose exit status is taken by `Process`. `outputs`: the read ends of its pipes, of stdout and stderr."""

    def __init__(self, args: Sequence[Any], outputs: tuple[int, ...], **options: Any) -> None:
        self.outputs = outputs
        super().__init__(args, bufsize=0, start_new_session=True, **options)

    def set_status(self, status: int) -> None:
        self.returncode = status


def spawn(
    args: Sequence[Any],
    cwd: Any,
    env: Mapping[Any, Any],
    stdin: Optional[int] = None,
    stderr: int = subprocess.PIPE,
    fd_limit: float = math.inf,
    **identity: Any,
) -> Child:
    """Start a process in its own session and group, with pipes for its output and no other descriptor of this process.

    stdin: as of Popen; None: it is empty. fd_limit: no pipe may get this descriptor or a higher one. The system gives
    the lowest that is free, so that all below it are in use then.
    Raises what Popen raises: OSError (EMFILE also for `fd_limit`), but also ValueError (NUL), UnicodeEncodeError,
    IndexError (no words), RuntimeError, MemoryError. Whatever it is, it concerns this one process: catch Exception.
    """
    # Popen before Python 3.11 never closes the pipes that it has made when there is no descriptor for the next.
    reads: list[int] = []
    writes: list[int] = []
    try:
        for _ in range(2 if stderr == subprocess.PIPE else 1):
            for ends, fd in zip((reads, writes), os.pipe()):
                ends.append(fd)
        if max(*reads, *writes) >= fd_limit:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        outputs = tuple(reads)
        stdin = _null_fd() if stdin is None else stdin
        stderr = writes[-1] if stderr == subprocess.PIPE else stderr
        child = Child(args, outputs, stdin=stdin, stdout=writes[0], stderr=stderr, cwd=cwd, env=env, **identity)
        reads.clear()
        return child
    finally:
        for fd in (*reads, *writes):
            os.close(fd)


@lru_cache(maxsize=1)  # an error is not kept
def _null_fd() -> int:
    """/dev/null, opened once: subprocess.DEVNULL would open it for each process."""
    return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)


def prepare_thread() -> None:
    """To be called by a thread before it spawns: its processes inherit which signals it blocks, and
    `prepare_process` may have blocked SIGCHLD."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))


def command_of(spec: ProcessSpec) -> Command:
    return Command(spec.task_exec, spec.cwd, spec.env.get("PATH", os.defpath), spec.env.get("MINISCHED_HOME", ""))


def command_text(spec: ProcessSpec) -> str:
    """The command as a person would type it."""
    return spec.task_exec if isinstance(spec.task_exec, str) else shlex.join(spec.task_exec)


def _identity(spec: ProcessSpec, account: Optional[Account]) -> dict[str, Any]:
    """Popen's `user`, `group` and `extra_groups`."""
    if account is None or os.geteuid() == account.uid != 0:
        return {}
    if os.geteuid() != 0:
        raise SpawnError(Text("not_root", user=account.name))
    if os.path.isdir(spec.cwd) and not _may_enter(os.path.realpath(spec.cwd), account):
        raise SpawnError(Text("no_folder", path=spec.cwd, reason=os.strerror(errno.EACCES)))
    return {"user": account.uid, "group": account.gid, "extra_groups": list(account.groups)}


def _may_enter(folder: str, account: Account) -> bool:
    """Whether the user may change to the folder, or execute the program of this path. Popen changes the folder while
    the process is still root. Where an access control list decides, the answer is yes."""
    while True:
        try:
            status = os.stat(folder)
        except OSError:
            return False
        owner, group = status.st_uid == account.uid, status.st_gid in (account.gid, *account.groups)
        bit = stat.S_IXUSR if owner else stat.S_IXGRP if group else stat.S_IXOTH
        if not status.st_mode & bit and account.uid != 0 and not _has_acl(folder):
            return False
        if folder == os.path.dirname(folder):
            return True
        folder = os.path.dirname(folder)


def _has_acl(folder: str) -> bool:
    try:
        return bool(os.getxattr(folder, "system.posix_acl_access"))
    except (OSError, AttributeError):
        return False


def _argv(spec: ProcessSpec, account: Optional[Account] = None) -> list[str]:
    """The words to execute.

    Limits and niceness are set by a shell that then becomes the program. `preexec_fn` is unsafe beside threads and
    makes a spawn five times as slow; setting them from here could come after the program has started processes.
    `task_nice` is absolute, as in systemd, while `nice -n` adds to the engine's own. A program that may not be made
    nicer runs as it is, with nice's warning in its log.
    """
    argv = [SHELL, "-c", spec.task_exec] if isinstance(spec.task_exec, str) else list(spec.task_exec)
    words = ["exec"]
    if spec.nice is not None:
        words += ["nice", "-n", str(spec.nice - os.getpriority(os.PRIO_PROCESS, 0))]
    steps = [*_limit_steps(spec.limits), " ".join((*words, '"$@"'))]
    if steps == ['exec "$@"']:
        return argv
    # Else the shell's 127 would pass for an exit code of the program, and `nice` would have a shell run what is none.
    command = command_of(spec)
    if not os.path.isdir(spec.cwd):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), spec.cwd)
    problem = find_problem(command, argv[0])
    if problem:
        raise SpawnError(problem)
    path = command.locate(argv[0])
    if path and account and os.geteuid() == 0 and not _may_enter(os.path.realpath(path), account):
        reason = os.strerror(errno.EACCES)
        raise SpawnError(Text("no_access", program=command.shown(argv[0]), reason=reason))
    return [SHELL, "-c", " && ".join(steps), SHELL, *argv]


def _limit_steps(limits: Optional[Limits]) -> list[str]:
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
            raise SpawnError(Text("over_hard_limit", name=name, value=wanted, limit=hard))
        value = max(1, wanted // unit)
        steps += _cpu_steps(value, hard) if flag == "t" else [f"ulimit -{flag} {value}"]
    return steps


def _cpu_steps(seconds: int, hard: int) -> list[str]:
    """The soft limit, which sends XCPU, one second below the hard one, which sends KILL. With both at the same value
    only KILL would come: no program can handle it, and it looks like any other KILL. `hard`: the hard limit in force;
    the order of the steps keeps every soft limit at or below it."""
    steps = [f"ulimit -S -t {seconds}", f"ulimit -H -t {seconds + 1}"]
    if hard == resource.RLIM_INFINITY or seconds < hard:
        return steps
    return steps[:1] if seconds == hard else steps[::-1]


def explain(error: Exception, command: Command, user: Optional[str] = None) -> Text:
    """Why the program was not started: what failed, the system's words for it, and what to do."""
    program = SHELL if isinstance(command.exec, str) else command.exec[0] if command.exec else ""
    shown = command.shown(program)
    if isinstance(error, OSError) and error.errno is not None:
        why = os.strerror(error.errno)
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES) and not _is_enterable(command.cwd):
            code = "no_folder_tilde" if "/~" in command.cwd else "no_folder"
            return Text(code, path=command.cwd, reason=why)
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC):
            problem = find_problem(command, program)
            if problem:
                return problem
        if error.errno == errno.EACCES:
            return Text("no_access", program=shown, reason=why)
        if error.errno == errno.E2BIG:
            return Text("too_large", program=shown, reason=why)
        if error.errno == errno.EPERM and user is not None:
            return Text("user_failed", user=user, reason=why)
        return Text("no_program" if error.errno == errno.ENOEXEC else "spawn", program=shown, reason=why)
    if isinstance(error, IndexError):
        return Text("empty_command")
    if isinstance(error, UnicodeEncodeError):
        return Text("not_encodable", reason=error.reason)
    return Text("spawn_error", program=repr(shown), error=str(error))


def explain_end(spec: ProcessSpec, status: Optional[int], tail: bytes) -> tuple[Optional[Text], bool]:
    """What an exit code (negative: a signal) hides, if anything; and whether the program itself was never started.
    tail: the end of its output."""
    if status is None or status in (0, 1):
        return None, False
    command, limits = command_of(spec), spec.limits
    if limits and limits.cpu_seconds and status in (-signal.SIGXCPU, -signal.SIGKILL):
        return Text("cpu_limit", limit=limits.cpu_seconds), False
    if limits and limits.memory and (status in _OUT_OF_MEMORY or (status == 127 and _NOT_LOADED.search(tail))):
        return Text("memory_limit", limit=size_text(limits.memory)), False
    hint = explain_exit(command, status)
    if hint and not isinstance(spec.task_exec, str) and (spec.nice is not None or limits):
        # Without these two the system would have refused the program itself.
        return hint, hint.code == "no_program" or find_problem(command, spec.task_exec[0]) == hint
    return hint, False


def _is_enterable(folder: str) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.X_OK)


# ----------------------------------------------------------------------------------------------- from spawn to reap


class Process:
    """A spawned process, the leader of its session and process group, until it is reaped. One thread uses it; no other
    code signals or reaps the process.

        RUNNING    -> DRAINING when it exits; -> STOPPING by `stop` or at its timeout
        STOPPING   its group got TERM -> DRAINING when it has exited and its group is gone, or when the grace is over
                   and the group got KILL
        DRAINING   what processes left behind print is still read, until the pipes are closed or `DRAIN_S` is over

    The group is signalled only until the leader is reaped: so long the kernel gives its number to no other group.
    """

    unreaped: ClassVar[set[int]] = set()  # the pids of all children of this program that somebody here will reap

    def __init__(self, child: Child, now: float, timeout_s: Optional[float], grace_s: float) -> None:
        """`now` and all times below are monotonic; grace_s: between TERM and KILL, after the timeout."""
        self.pid = child.pid
        self.unreaped.add(child.pid)
        self.outputs = child.outputs
        self.exited_at: Optional[float] = None
        self.timed_out = self.killed = self.stopping = False
        self._timeout_at = math.inf if timeout_s is None else now + timeout_s
        self._grace_s = grace_s
        self._kill_at = math.inf
        self._drain_until: Optional[float] = None
        self._child = child
        self._reaped = False
        self.pidfd = -1  # becomes readable when the process exits; -1: not opened yet
        self._watch_at = now + WATCH_S
        self._watched = False  # a pidfd was opened, or there is none
        self._exit_announced = False

    def first_look(self, now: float) -> float:
        """Its output is read from now on: when to call `advance` first, if no descriptor announces anything before."""
        self._watch_at = now + WATCH_S
        return min(self._watch_at, self._timeout_at)

    def watch(self) -> None:
        """Open the pidfd. Where the system has none, or no descriptor is left, `advance` has to look each time."""
        self._watched = True
        try:
            self.pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            self._exit_announced = True

    def announce_exit(self) -> None:
        """The pidfd has become readable."""
        self._exit_announced = True

    def stop(self, kill_at: float) -> bool:
        """TERM to the group now, KILL at `kill_at`; a further call can only bring the KILL forward. False: the process
        has exited already."""
        running = self.exited_at is None and not self._has_exited()
        if self.stopping:
            self._kill_at = min(self._kill_at, kill_at)
        elif running:
            self.signal_group(signal.SIGTERM, signal.SIGCONT)  # a stopped process acts on TERM once it continues
            self.stopping, self._kill_at = True, kill_at
        return running

    def advance(self, now: float, pipes_open: bool) -> Optional[float]:
        """Do what is due. Returns when to call again if no descriptor announces anything before; None: reap it.

        A process that lives on after its output has ended, or for WATCH_S, gets a pidfd, which is then to be waited
        for: most end before. After a kill the group may need a moment to be gone, see `members_left`.
        """
        if self.exited_at is None:
            unwatched = not self._watched and (not pipes_open or self.stopping or now >= self._watch_at)
            if (self._exit_announced or unwatched or now >= self._timeout_at) and self._has_exited():
                self.exited_at = now
            else:
                if unwatched:
                    self.watch()
                if now >= self._timeout_at and not self.stopping:
                    self.timed_out = self.stop(now + self._grace_s)
        if now >= self._kill_at and self._drain_until is None:
            self.signal_group(signal.SIGKILL)
            self.killed, self._kill_at = True, math.inf
        if self.exited_at is not None and self._drain_until is None:
            if self.stopping and not self.killed and ProcessTable().group(self.pid) - {self.pid}:
                return min(now + TICK_S, self._kill_at)
            self._drain_until = now + DRAIN_S
        if self._drain_until is not None:
            return self._drain_until if pipes_open and now < self._drain_until else None
        look_at = self._watch_at if not self._watched else now + TICK_S if self.pidfd < 0 else math.inf
        return min(self._kill_at if self.stopping else self._timeout_at, look_at)

    def _has_exited(self) -> bool:
        """Looks without reaping, where the system can."""
        if self._reaped:
            return True
        try:
            if hasattr(os, "waitid"):
                return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
            pid, status = os.waitpid(self.pid, os.WNOHANG)  # macOS before Python 3.13
            if pid:
                self._child.set_status(os.waitstatus_to_exitcode(status))
                self._reaped = True
        except ChildProcessError:  # other code reaped it: its status is lost, its number may be another process's
            self._reaped = True
        return self._reaped

    def signal_group(self, *numbers: int) -> None:
        """Send signals to the group; does nothing after the leader was reaped."""
        for number in numbers:
            if not self._reaped:
                try:
                    os.killpg(self.pid, number)
                except OSError:  # macOS: EPERM for a group of zombies
                    pass

    def reap(self) -> Optional[int]:
        """Wait for the exit and take the status: negative for a signal, as in Popen. None if the status is lost, for
        which Popen itself would say 0."""
        child = self._child
        try:
            if child.returncode is None:
                child.set_status(os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]))
            return int(child.returncode)
        except ChildProcessError:
            child.set_status(255)  # so that Popen does not wait for it
            return None
        finally:
            self._reaped = True
            self.unreaped.discard(self.pid)

    def members_left(self) -> set[int]:
        """The living members of the group after the reap. This only asks: the number may soon be another group's."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:  # the usual case, found without reading all of /proc
            return set()
        except PermissionError:
            pass
        return ProcessTable().group(self.pid)

    def close(self) -> None:
        """Close the descriptors; kill and reap a process that still runs, because its thread was interrupted."""
        if self.pid in self.unreaped:
            self.signal_group(signal.SIGKILL)
            self.reap()
        if self._child.stdin:
            self._child.stdin.close()
        outputs, pidfd = self.outputs, self.pidfd
        self.outputs, self.pidfd = (), -1
        for fd in (*outputs, pidfd):
            if fd >= 0:
                os.close(fd)


# ----------------------------------------------------------------------------------------------- a process in one call


class BoundedResult(NamedTuple):
    """How a process of `run_bounded` ended."""

    status: Optional[int]  # the exit code, negative for a signal; None: unknown, other code reaped the process
    timed_out: bool
    output: bytes  # the end of what it printed, stdout and stderr together


def run_bounded(
    args: Sequence[str],
    cwd: str,
    env: Mapping[str, str],
    data: bytes,
    timeout_s: float,
    grace_s: float,
    output_max: int,
) -> BoundedResult:
    """Run a process in the calling thread to its end, which comes after `timeout_s` at the latest: then its group gets
    TERM, and KILL after `grace_s`. `data` goes to its standard input; the last `output_max` bytes of its output are
    kept. A process that it leaves behind delays the return by at most `DRAIN_S`. Raises what `spawn` raises."""
    prepare_thread()
    child = spawn(args, cwd, env, stdin=subprocess.PIPE, stderr=subprocess.STDOUT)
    process = Process(child, time.monotonic(), timeout_s, grace_s)
    process.watch()
    assert child.stdin
    output = b""
    selector = selectors.PollSelector()  # needs no descriptor of its own
    try:
        os.set_blocking(child.stdin.fileno(), False)
        selector.register(child.stdin, selectors.EVENT_WRITE)
        for fd in (*process.outputs, process.pidfd):
            if fd >= 0:
                selector.register(fd, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            until = process.advance(now, any(key.fd != process.pidfd for key in selector.get_map().values()))
            if until is None:
                break
            for key, _ in selector.select(min(until - now, WAIT_MAX_S)):
                if key.fd == process.pidfd:
                    process.announce_exit()
                    done = True
                elif key.fileobj is child.stdin:
                    data, done = _feed(key.fd, data)
                else:
                    block = os.read(key.fd, BLOCK)  # the only reader, and there is something to read: never blocks
                    output, done = (output + block)[-output_max:], not block
                if done:
                    selector.unregister(key.fileobj)
                if done and key.fileobj is child.stdin:
                    child.stdin.close()
        return BoundedResult(process.reap(), process.timed_out, output)
    finally:
        selector.close()
        process.close()


def _feed(fd: int, data: bytes) -> tuple[bytes, bool]:
    """Write what fits; returns the rest, and whether nothing more is to be written."""
    try:
        data = data[os.write(fd, data[:BLOCK]) :]
    except BlockingIOError:
        return data, False
    except OSError:  # it does not read its input: its exit code says what that means
        return data, True
    return data, not data
