"""One child process per attempt: spawn, capture, deadline, kill; and what was left behind by a crash."""

from minisched.executor.executor import Logs, TaskExecutor
from minisched.executor.procfs import is_alive, kill_leftover, prepare_process, process_identity
from minisched.executor.supervisor import BLOCK, DRAIN_S, TICK_S, Sink

__all__ = [
    "BLOCK",
    "DRAIN_S",
    "TICK_S",
    "Logs",
    "Sink",
    "TaskExecutor",
    "is_alive",
    "kill_leftover",
    "prepare_process",
    "process_identity",
]
