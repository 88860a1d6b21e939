"""The source simulator."""
