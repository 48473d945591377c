"""The logs of the tasks and of the engine: written by a logger and a rotating handler for each, and read.

A line of output is a line of the log, after its time, run, attempt and stream:

    2026-11-23T02:30:00.123+08:00 [120.1 start] pid 4711: tasks/backup.sh --full
    2026-11-23T02:30:01.042+08:00 [120.1 out] copying 512 files
    2026-11-23T02:30:02.500+08:00 [120.1 err] warning: ...
    2026-11-23T02:30:03.330+08:00 [120.1 end] exit 0 after 3.207 s

The time is that at which the line was read, which is within 1 s of when the task wrote it.
"""

from minisched.tasklog.engine_log import engine_logger
from minisched.tasklog.run_log import RunLog, TaskLogs
