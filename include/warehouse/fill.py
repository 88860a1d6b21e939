"""The first load: an empty table takes its rows bare, and gets its indexes and constraints afterwards."""

import logging
from collections.abc import Iterator
from functools import partial

import psycopg
from psycopg import sql

from include.common.keys import KeySet
from include.common.manifests import FileEntry, StarFiles
from include.common.postgres import copy_in, identifiers
from include.tables.declarations import Declarations, referenced_by
from include.tables.star import Dimension, Fact, StarTable, is_versioned
from include.warehouse import wire
from include.warehouse.alone import HINDRANCES, patiently
from include.warehouse.beside import Filled, constrain, fill_by_renaming
from include.warehouse.merge import insert_staged, note_deleted
from include.warehouse.slices import stage_load
from include.warehouse.tables import drop_constraints, restore_constraints
from include.warehouse.widen import other_columns

log = logging.getLogger(__name__)

RELIED_ON = """
    SELECT indexrelid::regclass::text FROM pg_index
     WHERE indrelid = to_regclass(%s) AND (indisclustered OR indisreplident) LIMIT 1"""
"""An index that was given a part that would be lost with it: dropping it says nothing."""


def fill(connection: psycopg.Connection, declared: Declarations, table: StarTable, files: StarFiles) -> Filled | None:
    """Copy the rows of `files` into an empty table, or those that stand beside it; or have the latter be the table.

    None: others rely on the table as it is, or read it, or what refers to it has rows. Nothing was done then; its rows
    can still be merged.

    All in the caller's transaction, during which nobody else can read the table, nor those that it is joined with;
    where slices become the table, only from then on.
    FREEZE spares VACUUM the later rewriting of every row; it needs a table truncated in the same transaction.
    """
    hindrance = _unfit(connection, declared, table)
    if not hindrance and (renamed := fill_by_renaming(connection, declared, table, files)):
        note_deleted(connection, table.name, KeySet())
        return renamed
    hindrance = hindrance or _lay_bare(connection, declared, table)
    if hindrance:
        log.warning("%s: its rows are merged, which takes longer than to fill it: %s", table.name, hindrance)
        return None
    note_deleted(connection, table.name, KeySet())
    rows, told = sum(file.rows for file in files.files), list[FileEntry]()
    if files.slices:
        told = stage_load(connection, table, files)
        rows = insert_staged(connection, table, files)
    elif is_versioned(table):
        _copy_versions(connection, table, files)
    else:
        _copy(connection, table, [column.name for column in table.columns], wire.copies(table, files.files))
    restore = partial(restore_constraints, connection, declared, table)
    refused = constrain(connection, table, files, table.name, restore)
    return Filled(rows - len(refused.keys), refused, told)


def _unfit(connection: psycopg.Connection, declared: Declarations, table: StarTable) -> str | None:
    """Why a table is not to be filled bare, whoever reads it."""
    for other, _ in declared.referring_to(table):
        if connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(other.name))).fetchone():
            return f"{other.name} refers to it and has rows"
    unlike = other_columns(connection, table)
    if unlike:  # which rows on the wire would not fit
        return f"columns have other types than declared: {', '.join(unlike)}"
    relied_on = connection.execute(RELIED_ON, [table.name]).fetchone()
    if relied_on:
        return f"the table is clustered, or replicated, by its index {relied_on[0]}"
    return None


def _lay_bare(connection: psycopg.Connection, declared: Declarations, table: StarTable) -> str | None:
    """Take the indexes and constraints of an empty table away. Gives what stands against it; nothing was done then."""
    try:
        with connection.transaction():
            _lock_alone(connection, declared, table)
            drop_constraints(connection, declared, table)
            connection.execute(sql.SQL("TRUNCATE ONLY {}").format(sql.Identifier(table.name)))
    except HINDRANCES as error:
        return "; ".join(str(error).splitlines())
    return None


def _lock_alone(connection: psycopg.Connection, declared: Declarations, table: StarTable) -> None:
    """Lock a table and all that its foreign keys join it with. Raises: as `patiently`."""
    others = [*referenced_by(table), *(other for other, _ in declared.referring_to(table))]
    names = dict.fromkeys([table.name, *(other.name for other in others)])
    tables = sql.SQL(", ").join(sql.SQL("ONLY {}").format(sql.Identifier(name)) for name in names)
    statement = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT").format(tables)
    patiently(connection, lambda: connection.execute(statement))


def _copy_versions(connection: psycopg.Connection, table: Dimension | Fact, files: StarFiles) -> None:
    """Copy first versions: numbered here, which is faster than by the sequence, and valid from the reading."""
    assert files.source is not None
    valid_from = sql.SQL("ALTER TABLE {} ALTER COLUMN valid_from {}")
    default = sql.SQL("SET DEFAULT {}").format(sql.Literal(files.source.observed_at))
    connection.execute(valid_from.format(sql.Identifier(table.name), default))
    first_id = _reserve_ids(connection, table, sum(file.rows for file in files.files))
    columns = [table.record_id, *(column.name for column in table.columns)]
    _copy(connection, table, columns, wire.copies(table, files.files, first_id))
    connection.execute(valid_from.format(sql.Identifier(table.name), sql.SQL("DROP DEFAULT")))


def _copy(connection: psycopg.Connection, table: StarTable, columns: list[str], copies: Iterator[wire.Copy]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN ({}, FREEZE)")
    for copy in copies:
        place = sql.Identifier(table.name), identifiers(columns), copy.options
        copy_in(connection, statement.format(*place), copy.blocks)


def _reserve_ids(connection: psycopg.Connection, table: Dimension | Fact, rows: int) -> int:
    """The first of `rows` record ids that nobody was given before, and will be."""
    statement = (
        "SELECT setval(sequence, nextval(sequence) + %s - 1) - %s + 1 FROM pg_get_serial_sequence(%s, %s) AS sequence"
    )
    row = connection.execute(statement, [rows, rows, table.name, table.record_id]).fetchone()
    assert row is not None
    return int(row[0])
