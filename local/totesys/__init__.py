"""A simulator of ToteSys, the source: creates its schema, fills it with a past, plays its business days."""

from local.totesys.connection import connect
from local.totesys.ddl import create_schema
from local.totesys.errors import SimulatorError
from local.totesys.history import Oddities, fill
from local.totesys.player import BEHAVIOURS, Player, Tally
from local.totesys.settling import Rule

__all__ = [
    "BEHAVIOURS",
    "Oddities",
    "Player",
    "Rule",
    "SimulatorError",
    "Tally",
    "connect",
    "create_schema",
    "fill",
]
