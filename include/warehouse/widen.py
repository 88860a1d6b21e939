"""Columns of the warehouse that become wider, as their source's have become."""

import logging

import psycopg
from psycopg import errors, sql

from include.common.errors import DataError
from include.source.columns import find_columns
from include.tables.star import Dimension, Fact, StarTable, is_versioned
from include.tables.types import holds
from include.warehouse import ddl

log = logging.getLogger(__name__)

RELATION = "SELECT to_regclass(%s)::oid"

GRANTED = """
    SELECT privilege_type, CASE WHEN grantee = 0 THEN NULL ELSE grantee::regrole::text END, is_grantable
      FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = to_regclass(%s) AND grantee <> relowner"""
"""What others may do with a view, whatever gave it to them; a role of NULL is everybody."""


def other_columns(connection: psycopg.Connection, table: StarTable) -> dict[str, str]:
    """The columns of a table that have another type than it says in the warehouse, each with that."""
    found = _columns(connection, table)
    return {column.name: found[column.name] for column in table.columns if found[column.name] != column.type}


def _columns(connection: psycopg.Connection, table: StarTable) -> dict[str, str]:
    """Every column that the table has in the warehouse, with its type."""
    row = connection.execute(RELATION, [table.name]).fetchone()
    assert row is not None
    return find_columns(connection, row[0])[row[0]]


def too_narrow(connection: psycopg.Connection, table: StarTable) -> dict[str, str]:
    """The columns of a table that hold less than they are to, each with the type that it needs."""
    found = other_columns(connection, table)
    return {
        column.name: column.type
        for column in table.columns
        if column.name in found and holds(column.type, found[column.name])
    }


def wider_than(connection: psycopg.Connection, table: StarTable) -> dict[str, str]:
    """The columns that hold more in the warehouse than is declared, each with its type."""
    found = other_columns(connection, table)
    return {
        column.name: found[column.name]
        for column in table.columns
        if column.name in found and holds(found[column.name], column.type)
    }


def widen(connection: psycopg.Connection, table: StarTable, columns: dict[str, str]) -> None:
    """Give these columns these types, all others what they have; the view of the current versions stays what it was.

    Nobody else can read the table until the transaction ends.

    Raises: DataError that names what others have made of the columns.
    """
    change = sql.SQL(", ").join(
        sql.SQL("ALTER {} TYPE {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns.items()
    )
    told = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    try:
        granted = _drop_view(connection, table) if is_versioned(table) else []
        connection.execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(table.name), change))
    except (errors.DependentObjectsStillExist, errors.FeatureNotSupported) as error:
        hangs = " ".join((error.diag.message_detail or error.diag.message_primary or "").split())
        raise DataError(
            f"{table.name}: the source has widened what feeds it ({told}), and others' objects keep its columns as "
            f"they are: {hangs}; drop those, run again, and make them anew"
        ) from error
    if is_versioned(table):
        _make_view(connection, table, granted)
    log.warning("%s: columns were widened, as the source's were: %s", table.name, told)


def _drop_view(connection: psycopg.Connection, table: Dimension | Fact) -> list[tuple[str, str | None, bool]]:
    granted = connection.execute(GRANTED, [table.view]).fetchall()
    connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(table.view)))
    return granted


def _make_view(
    connection: psycopg.Connection, table: Dimension | Fact, granted: list[tuple[str, str | None, bool]]
) -> None:
    connection.execute(ddl.create_view(table, list(_columns(connection, table))))
    for privilege, role, grantable in granted:
        grant = sql.SQL("GRANT {} ON {} TO {}{}").format(
            sql.SQL(privilege),
            sql.Identifier(table.view),
            sql.SQL(role or "PUBLIC"),
            sql.SQL(" WITH GRANT OPTION" if grantable else ""),
        )
        connection.execute(grant)
