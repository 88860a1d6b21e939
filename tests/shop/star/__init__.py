"""The shop's warehouse: a file per table, which declares the table under its own name."""
