"""The room include/state, on services of its own where it needs them."""
