"""Columns of the warehouse that become wider, as their source's have become."""

import logging

import psycopg
from psycopg import errors, sql

from include.common.errors import DataError
from include.source.columns import find_columns
from include.tables.star import StarTable, is_versioned
from include.tables.types import holds
from include.warehouse import ddl
from include.warehouse.metrics import noted
from include.warehouse.views import View, drop_view, make_view

log = logging.getLogger(__name__)

RELATION = "SELECT to_regclass(%s)::oid"


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
    """Give these columns these types, all others what they have; the pipeline's views of them stay what they were.

    Nobody else can read the table until the transaction ends.

    Raises: DataError that names what others have made of the columns.
    """
    change = sql.SQL(", ").join(
        sql.SQL("ALTER {} TYPE {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns.items()
    )
    told = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    try:
        dropped = [(view, drop_view(connection, view)) for view in _views(connection, table)]
        connection.execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(table.name), change))
    except (errors.DependentObjectsStillExist, errors.FeatureNotSupported) as error:
        hangs = " ".join((error.diag.message_detail or error.diag.message_primary or "").split())
        raise DataError(
            f"{table.name}: the source has widened what feeds it ({told}), and others' objects keep its columns as "
            f"they are: {hangs}; drop those, run again, and make them anew"
        ) from error
    for view, granted in dropped:
        make_view(connection, view, granted)
    log.warning("%s: columns were widened, as the source's were: %s", table.name, told)


def _views(connection: psycopg.Connection, table: StarTable) -> list[View]:
    """The views that are drawn from a table: of its current versions, and of metrics."""
    metrics = [made.as_view() for made in noted(connection) if table.name in made.reads]
    if not is_versioned(table):
        return metrics
    return [View(table.view, (ddl.create_view(table, list(_columns(connection, table))),)), *metrics]
