"""The room include/source, on services of its own where it needs them."""
