"""The room include/proof, on services of its own where it needs them."""
