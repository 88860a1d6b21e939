"""The room include/tables, on services of its own where it needs them."""
