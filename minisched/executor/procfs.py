"""Facts about processes: who one is, whether it lives, which ones belong to a run. They come from /proc; where there is
none (macOS) nothing is known of a process, so none is ever signalled by what is asked here."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Iterator
from typing import NamedTuple, Optional

from minisched.model import ProcessIdentity

KILL_WAIT_S = 2.0  # bound on the wait for killed processes to be gone; one in an uninterruptible call may take longer
MALLOC_KEPT = 512 * 1024  # bytes; glibc keeps up to twice as many that are free
POLL_S = 0.02  # between two looks at /proc
ENVIRON_TRIES = 3  # /proc/PID/environ reads as empty in the middle of an exec, 5 to 15 % right after a spawn
PF_KTHREAD = 0x00200000  # linux/sched.h: a kernel thread, which never has an environ


class ProcessStat(NamedTuple):
    """Of /proc/PID/stat (proc(5)) what is needed here."""

    pid: int
    state: str  # Z: a zombie, dead but not reaped
    parent: int
    group: int
    session: int
    flags: int
    start_ticks: int


def prepare_process() -> None:
    """Undo what a parent may have left on this process; first thing in a process that starts tasks.

    With SIGCHLD ignored the kernel reaps children itself and every task seems to exit with 0. A blocked signal stays
    blocked in the tasks, an ignored one (`nohup`, a shell's `&`) ignored: a handler that does nothing ignores it here
    as well, and becomes the default in the tasks, at exec.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # these Popen restores
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    # Free one large piece of memory: glibc then takes pieces up to that size as ordinary ones and no longer gives each
    # back at once (mallopt(3), M_MMAP_THRESHOLD). Else each block of a flood costs 44 page faults, half of the speed.
    bytes(MALLOC_KEPT)


def process_identity(pid: int) -> ProcessIdentity:
    """Who the process `pid` is now; with start_ticks 0 where the system does not tell, or there is none."""
    found = read_stat(pid)
    return ProcessIdentity(pid, found.start_ticks if found else 0, boot_id() if found else "")


def is_alive(identity: ProcessIdentity, assume: bool = False) -> bool:
    """True if that very process lives: same boot, same start time, no zombie.

    Where the system does not tell start times (macOS): False; with `assume`, for a look that kills nobody, whether
    any process has that pid.
    """
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
    found = read_stat(identity.pid)
    return found is not None and found.start_ticks == identity.start_ticks and found.state not in "ZX"


def kill_leftover(identity: Optional[ProcessIdentity], run_id: int, home: str) -> int:
    """KILL what a crashed engine left of a run: the process with its group, if it is still that process, and every
    process that carries the run's marker. `identity` None: the engine died before it knew the process.

    Returns how many processes were killed, when they are gone, or KILL_WAIT_S later. Never kills this process, nor one
    that it descends from (a task may have started this engine).
    """
    spared = _self_and_ancestors()
    killed: set[int] = set()
    deadline = time.monotonic() + KILL_WAIT_S
    while True:
        living = marked_processes(run_id, home)
        if identity is not None and is_alive(identity):
            living |= group_members(identity.pid) | {identity.pid}
        living -= spared
        if not living or time.monotonic() > deadline:
            return len(killed)
        for pid in living:
            # Each by itself, seen just now: a group's number may be a stranger's once the group is empty.
            try:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            except ProcessLookupError:
                pass
            except PermissionError:
                spared.add(pid)
        time.sleep(POLL_S)


def group_members(group: int) -> set[int]:
    """The living processes of a process group."""
    return {found.pid for found in all_processes() if found.group == group and found.state not in "ZX"}


def marked_processes(run_id: int, home: str) -> set[int]:
    """The living processes whose environment says that they belong to run `run_id` of the home: those that left the
    run's group (setsid) as well. One that cleaned its environment is not found, nor one of another user's."""
    marks = (f"MINISCHED_RUN_ID={run_id}".encode(), b"MINISCHED_HOME=" + os.fsencode(home))
    pending = [found.pid for found in all_processes() if found.state not in "ZX" and not found.flags & PF_KTHREAD]
    marked = set()
    for attempt in range(ENVIRON_TRIES):
        empty = []
        for pid in pending:
            environ = _read(f"/proc/{pid}/environ")
            if environ and set(marks) <= set(environ.split(b"\0")):
                marked.add(pid)
            elif environ == b"":
                empty.append(pid)
        pending = empty
        if not pending or attempt == ENVIRON_TRIES - 1:
            break
        time.sleep(POLL_S / 4)
    return marked


def all_processes() -> Iterator[ProcessStat]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if name.isdigit():
            found = read_stat(int(name))
            if found:
                yield found


def read_stat(pid: int) -> Optional[ProcessStat]:
    """None if there is no such process, or no /proc."""
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    # The name, in parentheses, may hold blanks and parentheses itself: "1 (a) R (b) S 0 ...".
    fields = text.rsplit(b")", 1)[1].split()
    parent, group, session = map(int, fields[1:4])
    return ProcessStat(pid, fields[0].decode(), parent, group, session, int(fields[6]), int(fields[19]))


@functools.lru_cache(maxsize=1)
def boot_id() -> str:
    return (_read("/proc/sys/kernel/random/boot_id") or b"").decode().strip()


def _read(path: str) -> Optional[bytes]:
    """The start of a small file of /proc, without the cost of a file object; None if it cannot be read."""
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
