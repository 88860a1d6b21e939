"""The room include/common, on services of its own where it needs them."""
