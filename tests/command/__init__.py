"""The command line `python -m include`, whose names others script against."""
