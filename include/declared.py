"""Which declarations this project moves. Another set is named here, or by the environment variable DECLARATIONS."""

import os
from importlib import import_module

from include.tables.declarations import Declarations

MODULE = os.environ.get("DECLARATIONS", "include.totesys")
"""The package that declares them."""

DECLARED: Declarations = import_module(MODULE).DECLARED
