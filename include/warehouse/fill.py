"""The first load: an empty table takes its rows bare, and gets its indexes and constraints afterwards."""

from collections.abc import Iterator

import psycopg
from psycopg import errors, sql

from include.common.keys import KeySet
from include.common.manifests import StarFiles
from include.common.postgres import copy_in, identifiers
from include.tables.schema import Fact, StarTable
from include.warehouse import wire
from include.warehouse.merge import note_deleted
from include.warehouse.references import Refused, refuse_unreferenced
from include.warehouse.tables import drop_constraints, restore_constraints


def fill(connection: psycopg.Connection, table: StarTable, files: StarFiles) -> tuple[int, Refused]:
    """Copy the rows of `files` into an empty table; gives their number and the rows that foreign keys refused.

    All in the caller's transaction, during which nobody else can read the table.
    FREEZE spares VACUUM the later rewriting of every row; it needs a table truncated in the same transaction.
    """
    name = sql.Identifier(table.name)
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(name))
    drop_constraints(connection, table)
    connection.execute(sql.SQL("TRUNCATE {}").format(name))
    note_deleted(connection, table.name, KeySet())
    if isinstance(table, Fact):
        _copy_versions(connection, table, files)
    else:
        _copy(connection, table, [column.name for column in table.columns], wire.encoded(files.files))
    refused = _constrain(connection, table, files)
    return sum(file.rows for file in files.files) - len(refused.keys), refused


def _copy_versions(connection: psycopg.Connection, table: Fact, files: StarFiles) -> None:
    """Copy first versions: numbered here, which is faster than by the sequence, and valid from the reading."""
    assert files.source is not None
    valid_from = sql.SQL("ALTER TABLE {} ALTER COLUMN valid_from {}")
    default = sql.SQL("SET DEFAULT {}").format(sql.Literal(files.source.observed_at))
    connection.execute(valid_from.format(sql.Identifier(table.name), default))
    first_id = _reserve_ids(connection, table, sum(file.rows for file in files.files))
    columns = [table.record_id, *(column.name for column in table.columns)]
    _copy(connection, table, columns, wire.encoded(files.files, first_id))
    connection.execute(valid_from.format(sql.Identifier(table.name), sql.SQL("DROP DEFAULT")))


def _copy(connection: psycopg.Connection, table: StarTable, columns: list[str], blocks: Iterator[bytes]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)")
    copy_in(connection, statement.format(sql.Identifier(table.name), identifiers(columns)), blocks)


def _reserve_ids(connection: psycopg.Connection, table: Fact, rows: int) -> int:
    """The first of `rows` record ids that nobody was given before, and will be."""
    statement = (
        "SELECT setval(sequence, nextval(sequence) + %s - 1) - %s + 1 FROM pg_get_serial_sequence(%s, %s) AS sequence"
    )
    row = connection.execute(statement, [rows, rows, table.name, table.record_id]).fetchone()
    assert row is not None
    return int(row[0])


def _constrain(connection: psycopg.Connection, table: StarTable, files: StarFiles) -> Refused:
    """Make the constraints; where a foreign key refuses a row, take such rows out and make them again."""
    try:
        with connection.transaction():
            restore_constraints(connection, table)
    except errors.ForeignKeyViolation:
        observed_at = files.source.observed_at if files.source else None
        refused = refuse_unreferenced(connection, table, table.name, observed_at)
        restore_constraints(connection, table)
        return refused
    return Refused()
