"""The ledger on disk: one SQLite file, written by one `writer.Store`, read by as many `History` as are needed."""
