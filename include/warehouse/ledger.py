"""What `pipeline.load` tells of a table: from which readings it was built, by which load, when rows last changed."""

import json
import logging
from dataclasses import dataclass, field

import psycopg

from include.common.errors import DataError
from include.common.manifests import Inputs, StarFiles
from include.tables.star import Calendar, StarTable

log = logging.getLogger(__name__)

CHANGED = """
    UPDATE pipeline.load SET changed_at = greatest(clock_timestamp(), changed_at + interval '1 microsecond'),
           restated_at = CASE WHEN %s THEN clock_timestamp() ELSE restated_at END
     WHERE table_name = %s"""
"""Told only of a load that changed rows: copies of the table that are kept elsewhere are good until then."""


@dataclass(frozen=True)
class Earlier:
    """The last load of a table, as `pipeline.load` tells it. load_id: None where the lake has not all of the table."""

    inputs: Inputs = field(default_factory=dict)
    load_id: str | None = None
    refused: bool = False


def claim(connection: psycopg.Connection, table: StarTable) -> Earlier:
    """Wait until no other load of this table runs, and tell of the last one."""
    connection.execute(
        "INSERT INTO pipeline.load (table_name, inputs) VALUES (%s, '{}') ON CONFLICT DO NOTHING",
        [table.name],
    )
    query = "SELECT inputs, load_id, refused FROM pipeline.load WHERE table_name = %s FOR UPDATE"
    row = connection.execute(query, [table.name]).fetchone()
    return Earlier(*row) if row else Earlier()


def is_superseded(table: StarTable, inputs: Inputs, earlier: Inputs) -> bool:
    """Whether the table was built from later readings than these.

    Raises: DataError where some of those are later, and some earlier.
    """
    if isinstance(table, Calendar):
        return False
    older = [name for name, read_at in inputs.items() if read_at < earlier.get(name, "")]
    newer = [name for name, read_at in inputs.items() if read_at > earlier.get(name, "")]
    if older and newer:
        raise DataError(
            f"{table.name}: another run loaded it meanwhile, from an older {', '.join(newer)} "
            f"and a newer {', '.join(older)}; nothing was changed, and the next run brings both"
        )
    if older:
        log.warning("%s: a later reading is loaded already; this one is ignored", table.name)
    return bool(older)


@dataclass(frozen=True)
class Noted:
    """What is noted of a load.

    known: whether the lake has all else that the table holds. restated: whether its rows show anything but what came
    after all that was loaded before. refused: whether it refused rows. changed: whether it changed any.
    """

    known: bool
    restated: bool
    refused: bool
    changed: bool


def note_load(connection: psycopg.Connection, files: StarFiles, noted: Noted) -> None:
    """Note in the warehouse what was loaded."""
    done = """
        UPDATE pipeline.load SET inputs = %s, loaded_at = clock_timestamp(), load_id = %s, refused = %s
         WHERE table_name = %s"""
    load_id = files.load_id if noted.known else None
    connection.execute(done, [json.dumps(files.inputs), load_id, noted.refused, files.table])
    if noted.changed:
        connection.execute(CHANGED, [noted.restated, files.table])
