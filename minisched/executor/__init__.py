"""One child process per attempt: spawn, capture, deadline, kill; and what was left behind by a crash."""

from minisched.executor.attempt import BLOCK, DRAIN_S, TICK_S, Sink
from minisched.executor.processes import is_alive, kill_leftover, prepare_process, process_identity
from minisched.executor.task_executor import Logs, TaskExecutor

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
