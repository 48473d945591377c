"""Careful forms of what several floors do: open a file, start a thread, wait for a queue."""

from __future__ import annotations

import errno
import os
import stat
import threading
from queue import Empty, SimpleQueue
from typing import Any, Callable, Optional, TypeVar

Item = TypeVar("Item")

STACK_BYTES = 256 * 1024  # of a thread, instead of 8 MiB of address space; musl gives 128 KiB
_stack_lock = threading.Lock()  # `threading.stack_size` applies to the whole process


def open_regular(
    path: str, flags: int = os.O_RDONLY, mode: int = 0o600, follow_symlinks: bool = False
) -> tuple[int, os.stat_result]:
    """Open a regular file; returns its descriptor and its status.

    Anybody may have put something else in the file's place: opening a FIFO would block, a symlink would lead to a file
    that this user may change and the other may not. Raises OSError, for a symlink ELOOP, for a folder EISDIR, for any
    other kind of file EINVAL.
    """
    flags |= os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow_symlinks else os.O_NOFOLLOW)
    fd = os.open(path, flags, mode)
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
    except OSError:
        os.close(fd)
        raise
    return fd, status


def read_regular(path: str, max_bytes: int, follow_symlinks: bool = False) -> bytes:
    """The content of a regular file. Raises OSError, also EFBIG for more than `max_bytes`."""
    fd, _ = open_regular(path, follow_symlinks=follow_symlinks)
    with open(fd, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"larger than {max_bytes} bytes", path)
    return data


def start_thread(
    target: Callable[..., object], name: str, *args: Any, stack_bytes: int = STACK_BYTES
) -> threading.Thread:
    """Start a daemon thread with a small stack. Raises OSError (EAGAIN) if the system has no thread left."""
    thread = threading.Thread(target=target, args=args, name=name, daemon=True)
    with _stack_lock:
        before = threading.stack_size(stack_bytes)
        try:
            thread.start()
        except RuntimeError as error:  # "can't start new thread"
            raise OSError(errno.EAGAIN, str(error)) from None
        finally:
            threading.stack_size(before)
    return thread


def receive(queue: SimpleQueue[Item], timeout_s: Optional[float]) -> Item:
    """The next item. Raises queue.Empty if none comes within `timeout_s` seconds; None waits without a limit.

    On CPython 3.9 and 3.10 `get` with a time limit can block for ever: if it takes the free lock of an empty queue and
    the time is over right after that, the time left is negative, which the lock reads as "no limit". A time of 0 gets
    there within some thousand calls. `get_nowait` leaves the lock of an empty queue taken, so the `get` after it only
    ever waits. Each queue here has one reader, so no other thread frees the lock without an item.
    """
    try:
        return queue.get_nowait()
    except Empty:
        if timeout_s is not None and timeout_s <= 0:
            raise
    return queue.get(timeout=timeout_s)
