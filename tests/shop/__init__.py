"""A shop: a small set of declarations, and the source that it reads, for tests of the machinery.

It is a package as a project's own is, and imports of itself only relatively: a copy of it may stand as `include/own`.
"""

from pathlib import Path

from include.tables.declarations import collect

DECLARED = collect(__name__)

SQL = (Path(__file__).parent / "shop.sql").read_text()
"""What makes the source and fills it, the same every time."""
