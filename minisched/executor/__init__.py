"""Child processes: one for each attempt at a run, and what a crash leaves of them.

Nothing is imported here: the commands that only ask whether a process is alive do without subprocess and logging.
"""
