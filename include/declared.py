"""Which declarations this project moves: those of `include/own`, where `declare` has written such, else ToteSys's.

The environment variable DECLARATIONS names another package.
"""

import os
from importlib.util import find_spec

from include.tables.declarations import load

OWN = "include.own"
"""The package that `python -m include declare` writes."""

MODULE = os.environ.get("DECLARATIONS") or (OWN if find_spec(OWN) else "include.totesys")
"""The package that declares them."""

DECLARED = load(MODULE)
