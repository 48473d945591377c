"""minisched: a task scheduler in one folder, for small and air-gapped machines.

Every due time of every task ends as exactly one run in the history, with a status and a reason.
"""

__version__ = "0.1.0"
