"""The room include/warehouse, on services of its own where it needs them."""
