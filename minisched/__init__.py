"""minisched: a task scheduler for small and closed machines.

Every due time of every task ends as exactly one run in the history, with a status and a reason.
"""

__version__ = "0.1.0"
