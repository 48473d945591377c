"""The ledger on disk: one SQLite file, written by one `Store`, read by as many `History` as are needed."""

from minisched.store.reader import History, Outcome, Past, TaskTotals
from minisched.store.writer import Store, open_store
