"""Stores that a test leaves open are closed at its end: from Python 3.13 on sqlite3 warns of one that is not."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, suppress

from minisched.store.writer import Store

_closers = ExitStack()


def close_later(store: Store) -> None:
    _closers.callback(_close, store)


def _close(store: Store) -> None:
    with suppress(sqlite3.ProgrammingError):  # of another thread, which has closed it
        store.close()


def close_all() -> None:
    _closers.close()
