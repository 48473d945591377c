"""Careful forms of what several floors do with threads: start one, and wait for a queue."""

from __future__ import annotations

import errno
import threading
from queue import Empty, SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, TypeVar

    Item = TypeVar("Item")

STACK_BYTES = 256 * 1024  # of a thread, instead of 8 MiB of address space; musl gives 128 KiB
_stack_lock = threading.Lock()  # `threading.stack_size` applies to the whole process


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
