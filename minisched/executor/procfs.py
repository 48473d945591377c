"""Facts about processes from /proc: which process a pid is, whether it lives, which processes belong to a run.

A system without /proc (macOS) answers none of these questions: every process is unknown there, and an unknown process
is never signalled.
"""

from __future__ import annotations

import functools
import os
import time

from minisched.model import ProcessIdentity
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

KILL_WAIT_S = 2.0  # how long killed processes may take to be gone; one in an uninterruptible call may take longer
POLL_S = 0.02  # between two looks at /proc
ENVIRON_TRIES = 3  # /proc/PID/environ reads as empty during an exec: 5 to 15 % of the reads right after a spawn
PID_END = 2**31  # a pid is a C int; 0 and below are groups of processes for kill(2)
PF_KTHREAD = 0x00200000  # linux/sched.h: a kernel thread, which never has an environ


class ProcessStat(NamedTuple):
    """The fields of /proc/PID/stat (proc(5)) that are used here."""

    pid: int
    state: str  # Z: a zombie, dead but not reaped
    parent: int
    group: int
    session: int
    flags: int
    start_ticks: int

    @property
    def lives(self) -> bool:
        return self.state not in "ZX"


class ProcessTable:
    """The processes of this machine at one moment: /proc is read when the first question is asked, and only once."""

    @functools.cached_property
    def processes(self) -> list[ProcessStat]:
        try:
            names = os.listdir("/proc")
        except OSError:
            return []
        found = [read_stat(int(name)) for name in names if name.isdigit()]
        return [process for process in found if process]

    def group(self, number: int) -> set[int]:
        """The pids of the living members of a process group."""
        return {process.pid for process in self.processes if process.group == number and process.lives}

    def marked(self, run_id: int, home: str) -> set[int]:
        """The pids of the living processes with MINISCHED_RUN_ID and MINISCHED_HOME of this run in their environment,
        including those that left the run's process group (setsid). A process that cleaned its environment is not
        found, nor is one of another user."""
        return self._marks.get((b"MINISCHED_RUN_ID=%d" % run_id, b"MINISCHED_HOME=" + os.fsencode(home)), set())

    @functools.cached_property
    def _marks(self) -> dict[tuple[bytes, bytes], set[int]]:
        pending = [process.pid for process in self.processes if process.lives and not process.flags & PF_KTHREAD]
        marks: dict[tuple[bytes, bytes], set[int]] = {}
        for attempt in range(ENVIRON_TRIES):
            empty = []
            for pid in pending:
                environ = _read(f"/proc/{pid}/environ")
                if environ and b"MINISCHED_RUN_ID=" in environ:
                    words = environ.split(b"\0")
                    runs = [word for word in words if word.startswith(b"MINISCHED_RUN_ID=")]
                    homes = [word for word in words if word.startswith(b"MINISCHED_HOME=")]
                    for key in ((run, home) for run in runs for home in homes):
                        marks.setdefault(key, set()).add(pid)
                elif environ == b"":
                    empty.append(pid)
            pending = empty
            if not pending or attempt == ENVIRON_TRIES - 1:
                break
            time.sleep(POLL_S / 4)
        return marks


def marked_processes(run_id: int, home: str) -> set[int]:
    """`ProcessTable.marked` of this moment."""
    return ProcessTable().marked(run_id, home)


def process_identity(pid: int) -> ProcessIdentity:
    """Which process `pid` is now. `start_ticks` is 0 if there is no such process, or no /proc."""
    found = read_stat(pid)
    return ProcessIdentity(pid, found.start_ticks, boot_id(), pid_namespace()) if found else ProcessIdentity(pid, 0, "")


def is_alive(identity: ProcessIdentity, assume: bool = False) -> bool:
    """True if that very process lives: same boot, same start time, not a zombie.

    A process of another pid namespace (a container) cannot be seen: False; with `assume`, for callers that signal
    nothing, True. An unknown start time (no /proc) gives False; with `assume` it gives whether any process has that
    pid. What is no pid, such as 0 or a number of a damaged row, is no process.
    """
    if not 0 < identity.pid < PID_END:
        return False
    if not identity.start_ticks and assume:
        try:
            os.kill(identity.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True
    if not identity.start_ticks or identity.boot_id != boot_id():
        return False
    if identity.namespace not in (0, pid_namespace()):
        return assume
    found = read_stat(identity.pid)
    return found is not None and found.start_ticks == identity.start_ticks and found.lives


def kill_leftover(identity: Optional[ProcessIdentity], run_id: int, home: str) -> int:
    """KILL what a dead engine left of a run: the process and its group, if it is still that process, and every process
    that carries the run's mark. `identity` None: the engine died before it knew the process.

    Returns the number of processes killed, after they are gone or after KILL_WAIT_S. Spares this process and its
    ancestors: a task may have started this engine.
    """
    from signal import SIGKILL  # an engine has it; to the commands that only look at a process it is half a millisecond

    spared = _self_and_ancestors()
    killed: set[int] = set()
    deadline = time.monotonic() + KILL_WAIT_S
    while True:
        table = ProcessTable()
        living = set(table.marked(run_id, home))
        if identity is not None and is_alive(identity):
            living |= table.group(identity.pid) | {identity.pid}
        living -= spared
        if not living or time.monotonic() > deadline:
            return len(killed)
        for pid in living:
            # One by one, as they were seen just now: once a group is empty, another group may get its number.
            try:
                os.kill(pid, SIGKILL)
                killed.add(pid)
            except ProcessLookupError:
                pass
            except PermissionError:
                spared.add(pid)
        time.sleep(POLL_S)


def read_stat(pid: int) -> Optional[ProcessStat]:
    """None if there is no such process, or no /proc."""
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    # The name, in parentheses, may contain blanks and parentheses itself: "1 (a) R (b) S 0 ...".
    fields = text.rsplit(b")", 1)[1].split()
    parent, group, session = map(int, fields[1:4])
    return ProcessStat(pid, fields[0].decode(), parent, group, session, int(fields[6]), int(fields[19]))


@functools.lru_cache(maxsize=1)
def boot_id() -> str:
    return (_read("/proc/sys/kernel/random/boot_id") or b"").decode().strip()


@functools.lru_cache(maxsize=1)
def pid_namespace() -> int:
    """The inode of the pid namespace of this process; 0 where the system has none."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _read(path: str) -> Optional[bytes]:
    """A small file of /proc, without the cost of a file object; None if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        pieces = []
        while True:
            piece = os.read(fd, 65536)
            pieces.append(piece)
            if len(piece) < 4096:  # a page: environ comes in pieces of at least that
                return b"".join(pieces)
    except OSError:
        return None
    finally:
        os.close(fd)


def _self_and_ancestors() -> set[int]:
    pids = {0}
    pid = os.getpid()
    while pid not in pids:
        pids.add(pid)
        found = read_stat(pid)
        pid = found.parent if found else 0
    return pids
