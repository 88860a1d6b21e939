"""The room include/lake, on services of its own where it needs them."""
