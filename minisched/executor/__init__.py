"""Child processes: one for each attempt at a run, and what a crash leaves of them."""

from minisched.executor.executor import TaskExecutor, prepare_process
from minisched.executor.process import run_bounded
from minisched.executor.procfs import is_alive, kill_leftover, marked_processes, process_identity

__all__ = [
    "TaskExecutor",
    "is_alive",
    "kill_leftover",
    "marked_processes",
    "prepare_process",
    "process_identity",
    "run_bounded",
]
