"""A simulator of ToteSys, the source: creates its schema, fills it with a past, plays its business days."""

from local.totesys.connection import connect
from local.totesys.ddl import create_schema
from local.totesys.errors import SimulatorError
from local.totesys.history import fill
from local.totesys.player import BEHAVIOURS, Player, Tally

__all__ = ["BEHAVIOURS", "Player", "SimulatorError", "Tally", "connect", "create_schema", "fill"]
