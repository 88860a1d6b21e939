"""Declarations written from a live database's catalogue, and held against it."""
