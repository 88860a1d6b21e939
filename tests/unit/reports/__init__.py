"""The room include/reports, on services of its own where it needs them."""
