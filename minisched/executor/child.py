"""The process of one attempt as its thread sees it: alone this thread signals and reaps it."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Optional

from minisched.executor.procfs import group_members


class Child:
    """A spawned process, leader of its session and group.

    Its group is signalled only while it is not reaped: until then the kernel gives its number to nobody else
    (FAULTS P7). `pidfd` becomes readable when it exits; -1 where the system has none or no descriptor is left.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._exited = False
        self._reaped = False
        try:
            self.pidfd = os.pidfd_open(process.pid)
        except (AttributeError, OSError):
            self.pidfd = -1

    @property
    def pipes(self) -> dict[int, str]:
        assert self._process.stdout and self._process.stderr
        return {self._process.stdout.fileno(): "out", self._process.stderr.fileno(): "err"}

    def has_exited(self) -> bool:
        """Looks without reaping, where the system can."""
        if self._exited:
            return True
        if hasattr(os, "waitid"):
            try:
                found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
                self._exited = found is not None
            except ChildProcessError:  # somebody else reaped it: `reap` will not know its status
                self._exited = self._reaped = True
        else:  # macOS before Python 3.13
            self._exited = self._reaped = self._process.poll() is not None
        return self._exited

    def signal_group(self, *numbers: int) -> None:
        """Send signals to the group; to nobody once the leader is reaped."""
        for number in numbers:
            if not self._reaped:
                try:
                    os.killpg(self.pid, number)
                except OSError:  # macOS: EPERM for a group of zombies
                    pass

    def group_lives(self) -> bool:
        """Whether members of the group are left beside the leader."""
        return not self._reaped and bool(group_members(self.pid) - {self.pid})

    def reap(self) -> Optional[int]:
        """Wait for the end and take the exit status: negative for a signal, as in Popen. None if it was lost; Popen
        itself would say 0."""
        if self._process.returncode is None:
            try:
                self._process.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except ChildProcessError:
                self._process.returncode = 255  # so that Popen looks no further
                self._reaped = True
                return None
        self._exited = self._reaped = True
        return int(self._process.returncode)

    def group_after_reap(self) -> set[int]:
        """The living processes that have the group's number, asked for after the reap: asks, signals nothing."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:  # the common case, without a look at all of /proc
            return set()
        except PermissionError:
            pass
        return group_members(self.pid)

    def close(self) -> None:
        """Let go of the descriptors; kill and reap what still lives, for a thread that was interrupted."""
        if not self._reaped:
            self.signal_group(signal.SIGKILL)
            self.reap()
        for file in (self._process.stdout, self._process.stderr):
            if file:
                file.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
