"""The ledger: recent rows in columns, found by the hash of (model, id); de-duplication, label join and open panes."""
