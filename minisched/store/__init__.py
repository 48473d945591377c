"""The ledger on disk: one SQLite file, written by one `writer.Store`, read by as many `History` as are needed."""

from minisched.store.reader import History, Outcome, Past, TaskTotals
