"""The warehouse made again from the lake and the recorded state alone, history included; the source is not asked."""

import json
import logging

import psycopg
from psycopg import sql

from include.common.errors import DataError
from include.common.postgres import connect, copy_in, identifiers, key_set, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.lake.ask import Stored, stored
from include.state.latest import State, read_keys, read_state
from include.tables.declarations import Declarations
from include.tables.numbering import number_of
from include.tables.star import VERSION_COLUMNS, Column, Dimension, StarTable, is_versioned
from include.warehouse import tables, wire
from include.warehouse.merge import note_deleted

log = logging.getLogger(__name__)


def rebuild(declared: Declarations) -> dict[str, int]:
    """Fill an empty warehouse with all that the lake tells of it; gives table → rows.

    Each table is what it was, but for record ids, edits by hand, and what loads had not yet been committed to the lake:
    that the next run reads again. All is done in one transaction, so it may be repeated.

    Raises: DataError where the warehouse has rows; others as `prepare`, `read_state` and `stored`.
    """
    tables.prepare(declared)
    state = read_state()
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors("warehouse"):
        _require_empty(connection, declared)
        for table in declared.star.values():
            tables.drop_constraints(connection, declared, table)
        filled = {name: _fill(connection, table, state) for name, table in declared.star.items()}
        for table in declared.star.values():
            tables.restore_constraints(connection, declared, table)
        connection.commit()
    return filled


def _require_empty(connection: psycopg.Connection, declared: Declarations) -> None:
    for name in declared.star:
        if connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(name))).fetchone() is not None:
            raise DataError(f"{name} has rows: only an empty warehouse is made again; name a new database")


def _fill(connection: psycopg.Connection, table: StarTable, state: State) -> int:
    """Copy a table's rows, and note what it was loaded from; gives their number."""
    found = stored(table)
    if found is None:
        log.warning("%s: the lake has nothing of it; the next run reads its source whole", table.name)
        return 0
    copy_stored(connection, table, table.name, found)
    if isinstance(table, Dimension) and not table.history:
        _note_gone(connection, table, state)
    loaded = """
        INSERT INTO pipeline.load (table_name, inputs, load_id, changed_at, restated_at)
             VALUES (%s, %s, %s, clock_timestamp(), clock_timestamp())"""
    connection.execute(loaded, [table.name, json.dumps(found.inputs), found.load_id])
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.name))).fetchone()
    return row[0] if row else 0


def stored_columns(table: StarTable) -> list[Column]:
    """The columns of a warehouse table that the lake tells: all but the record id."""
    versions = [Column(name, "timestamptz", name) for name in VERSION_COLUMNS] if is_versioned(table) else []
    return [*table.columns, *versions]


def copy_stored(connection: psycopg.Connection, table: StarTable, relation: str, found: Stored) -> None:
    """Copy what the lake tells of a table into `relation`, which has its columns."""
    columns = stored_columns(table)
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)")
    names = identifiers(column.name for column in columns)
    blocks = (wire.csv_block(wire.as_texts(columns, batch)) for batch in found.batches)
    copy_in(connection, copy.format(sql.Identifier(relation), names), blocks)


def _note_gone(connection: psycopg.Connection, table: Dimension, state: State) -> None:
    """Note the rows that the source no longer had when it was recorded."""
    known = state.tables.get(table.source.name)
    if known:
        keys = sql.SQL("SELECT {}::bigint FROM {}").format(number_of(table), sql.Identifier(table.name))
        note_deleted(connection, table.name, key_set(connection, keys) - read_keys(table.source.name, known.keys_key))
