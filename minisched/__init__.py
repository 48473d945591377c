# -*- coding: utf-8 -*-
"""minisched: a task scheduler in one folder, for small and air-gapped machines.

Every due time of every task ends as exactly one run in the history, with a status and a reason.
"""

# Every start comes through this file, so it has to be readable by Python 2.7, and so does __main__.py.
import os
import sys

__version__ = "0.2.0"

if sys.version_info < (3, 9):
    language = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    sentence = (
        "minisched 需要 Python 3.9 或更新版本；这里是 %s（%s）"
        if language.startswith("zh") and "utf" in (sys.stderr.encoding or "utf-8").lower()
        else "minisched needs Python 3.9 or newer; this is %s (%s)"
    )
    sys.exit(sentence % (sys.version.split()[0], sys.executable))
