"""Slices of a first load, which stand beside their table: that becomes the table, and no row is written twice."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import errors, sql

from include.common.manifests import FileEntry, StarFiles
from include.tables.checking import fitting
from include.tables.declarations import Declarations, has_foreign_key
from include.tables.star import Dimension, Fact, StarTable, is_versioned
from include.warehouse import ddl
from include.warehouse.alone import HINDRANCES
from include.warehouse.catalogue import is_listened_to
from include.warehouse.merge import STAGED
from include.warehouse.references import Refused, refuse_unreferenced
from include.warehouse.renaming import UnlikeError, put_in_place
from include.warehouse.slices import is_beside, stage_load
from include.warehouse.told import saying

log = logging.getLogger(__name__)

ROOM = """
    SELECT set_config(name, greatest(setting::bigint, 131072)::text, true)
      FROM pg_settings WHERE name = 'maintenance_work_mem'"""
"""128 MB for what makes indexes, in kB, to the end of the transaction: twice what servers have by default. One load
at a time fills a table, and a server of 1 GB has room for that."""

COUNT = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(STAGED))


@dataclass(frozen=True)
class Filled:
    """What a table was given: how many rows, without those that foreign keys refused; what the lake is told beside."""

    rows: int
    refused: Refused
    told: list[FileEntry]


def fill_by_renaming(
    connection: psycopg.Connection, declared: Declarations, table: StarTable, files: StarFiles
) -> Filled | None:
    """Have the bare table with all slices take the place of the empty table that they are for.

    It gets its indexes and constraints before, while others can still read all tables; those wait from the renaming
    to the end of the transaction. None: others' objects hang on the empty table, or it is not just as the pipeline
    makes it. Nothing was done then.
    """
    if files.slices and isinstance(table, Dimension | Fact) and is_beside(connection, table, files):
        try:
            _rehearse(connection, declared, table, files)
            with connection.transaction():
                told = stage_load(connection, table, files)
                refused = _complete(connection, table, files, ddl.beside(table))
                rows = connection.execute(COUNT).fetchone()
                connection.execute(sql.SQL("DROP VIEW {}").format(sql.Identifier(STAGED)))
                put_in_place(connection, declared, table, ddl.beside_name(table))
            return Filled(rows[0] if rows else 0, refused, told)
        except (*HINDRANCES, UnlikeError) as error:
            why = "; ".join(str(error).splitlines())
            log.warning("%s: all rows are copied once more, as no other table can take its place: %s", table.name, why)
    return None


def _rehearse(
    connection: psycopg.Connection, declared: Declarations, table: Dimension | Fact, files: StarFiles
) -> None:
    """Try it with a bare table without rows, and take that back: only then the rows are worth the work."""
    name = fitting(f"tried_{table.name}")
    twin = sql.Identifier("pipeline", name)
    like = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS)").format(twin, ddl.beside(table))
    if is_listened_to(connection):
        raise UnlikeError("the warehouse's rows are replicated, each under the name of the table it was written to")
    with connection.transaction(force_rollback=True):
        connection.execute(like)
        _add_versions(connection, table, files, twin)
        for statement in ddl.constraints(table, twin).values():
            connection.execute(statement)
        put_in_place(connection, declared, table, name)


def _complete(
    connection: psycopg.Connection, table: Dimension | Fact, files: StarFiles, relation: sql.Identifier
) -> Refused:
    """Give a bare table with rows what it lacks of the table."""
    _add_versions(connection, table, files, relation)

    def make() -> None:
        for statement in ddl.constraints(table, relation).values():
            connection.execute(statement)

    return constrain(connection, table, files, STAGED, make)


def _add_versions(
    connection: psycopg.Connection, table: Dimension | Fact, files: StarFiles, relation: sql.Identifier
) -> None:
    """All rows are first versions, valid from the reading: which the catalogue tells of them all at once."""
    if is_versioned(table):
        assert files.source is not None
        add = sql.SQL(
            "ALTER TABLE {relation} ADD valid_from timestamptz NOT NULL DEFAULT {at}, ADD valid_to timestamptz;"
            "ALTER TABLE {relation} ALTER valid_from DROP DEFAULT"
        )
        connection.execute(add.format(relation=relation, at=sql.Literal(files.source.observed_at)))


def constrain(
    connection: psycopg.Connection, table: StarTable, files: StarFiles, relation: str, make: Callable[[], None]
) -> Refused:
    """Make the constraints; where a foreign key refuses a row, take such rows out of `relation` and make them again.

    A reference that no foreign key keeps is looked after before.
    """
    connection.execute(ROOM)
    said = saying(files, "refused") if files.source else None
    unkept = any(column.references and not has_foreign_key(column) for column in table.columns)
    refused = refuse_unreferenced(connection, table, relation, said) if unkept else Refused()
    try:
        with connection.transaction():
            make()
    except errors.ForeignKeyViolation:
        refused |= refuse_unreferenced(connection, table, relation, said)
        make()
    return refused
