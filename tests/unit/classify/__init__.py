"""Models: bills of a ledger, written straight into a warehouse."""
