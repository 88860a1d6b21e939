"""A bare table that has all that another has takes its place, and its name: nobody can tell it from the other."""

import psycopg
from psycopg import sql

from include.tables.checking import fitting
from include.tables.declarations import Declarations
from include.tables.star import Dimension, Fact, is_versioned
from include.warehouse.alone import patiently
from include.warehouse.catalogue import describe
from include.warehouse.metrics import noted
from include.warehouse.tables import drop_constraints, restore_constraints
from include.warehouse.views import grant, granted_on

LOCK_TIMEOUT = "1ms"
"""How long each lock is waited for, as who comes after waits as well; then all are let go, and tried for again."""

TIMEOUT = "SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)"

VIEWS = """
    SELECT viewname, pg_get_viewdef(to_regclass(format('public.%%I', viewname))) FROM pg_views
     WHERE schemaname = 'public' AND viewname = ANY(%s)"""

NOT_NULL = """
    SELECT attname, conname FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
     WHERE conrelid = to_regclass(%s) AND contype = 'n'"""
"""Column → what the constraint is called that it is never NULL; PostgreSQL has such since release 18."""


class UnlikeError(Exception):
    """The table would not be what it was: it has, or is part of, what the pipeline does not make."""


def put_in_place(connection: psycopg.Connection, declared: Declarations, table: Dimension | Fact, bare: str) -> None:
    """Have a bare table in the schema `pipeline`, which has all that the table has, take its place.

    The table, its views and all that foreign keys join it with are locked until the transaction ends.

    Raises: UnlikeError where the catalogue would tell of another table than before; others as `patiently`, and as
        HINDRANCES where others' objects hang on it. Nothing was done then.
    """
    patiently(connection, lambda: _put_in_place(connection, declared, table, bare))


def _put_in_place(connection: psycopg.Connection, declared: Declarations, table: Dimension | Fact, bare: str) -> None:
    before = connection.execute(TIMEOUT, [LOCK_TIMEOUT]).fetchone()
    assert before is not None
    views: dict[str, str] = dict(connection.execute(VIEWS, [_own_views(connection, table)]).fetchall())
    seen, granted = [table.name, *views], granted_on(connection, table.name)
    was = [describe(connection, name) for name in seen]
    drop_constraints(connection, declared, table)
    empty = fitting(f"emptied_{table.name}")
    _exchange(connection, table, bare, empty)
    grant(connection, table.name, granted)
    for view, query in views.items():
        make = sql.SQL("CREATE OR REPLACE VIEW {} AS {}")
        connection.execute(make.format(sql.Identifier("public", view), sql.SQL(query)))
    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier("public", empty)))
    restore_constraints(connection, declared, table)
    for name, earlier in zip(seen, was, strict=True):
        if unlike := earlier ^ describe(connection, name):
            raise UnlikeError(f"{name} would be another: " + "; ".join(sorted(map(" ".join, unlike))))
    connection.execute(TIMEOUT, [before[0]])


def _own_views(connection: psycopg.Connection, table: Dimension | Fact) -> list[str]:
    """The views that the pipeline has made of a table; others' may hang on them."""
    metrics = [made.view for made in noted(connection) if table.name in made.reads]
    return [table.view, *metrics] if is_versioned(table) else metrics


def _exchange(connection: psycopg.Connection, table: Dimension | Fact, bare: str, empty: str) -> None:
    """Give the empty table that name, and the bare one its own, with its record ids and its constraints' names."""
    place, own = sql.Identifier("public", table.name), _not_null(connection, table.name)
    sequence = _free_sequence(connection, table) if is_versioned(table) else None
    for schema, old, new in (("public", table.name, empty), ("pipeline", bare, None), ("public", bare, table.name)):
        change = sql.SQL("RENAME TO {}").format(sql.Identifier(new)) if new else sql.SQL("SET SCHEMA public")
        connection.execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(schema, old), change))
    if sequence and is_versioned(table):
        own_it = sql.SQL(
            "ALTER SEQUENCE {sequence} OWNED BY {place}.{column};"
            "ALTER TABLE {place} ALTER {column} SET DEFAULT nextval({name}::regclass)"
        )
        names = {"sequence": sql.SQL(sequence), "name": sql.Literal(sequence), "place": place}
        connection.execute(own_it.format(column=sql.Identifier(table.record_id), **names))
    for column, name in _not_null(connection, table.name).items():
        if own.get(column, name) != name:
            rename = sql.SQL("ALTER TABLE {} RENAME CONSTRAINT {} TO {}")
            connection.execute(rename.format(place, sql.Identifier(name), sql.Identifier(own[column])))


def _not_null(connection: psycopg.Connection, name: str) -> dict[str, str]:
    return dict(connection.execute(NOT_NULL, [sql.Identifier("public", name).as_string()]).fetchall())


def _free_sequence(connection: psycopg.Connection, table: Dimension | Fact) -> str | None:
    """Have the sequence of a table's record ids be nobody's, so that it stays; gives its name, quoted where need be."""
    place = sql.Identifier("public", table.name).as_string()
    row = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", [place, table.record_id]).fetchone()
    if row and row[0]:
        connection.execute(sql.SQL("ALTER SEQUENCE {} OWNED BY NONE").format(sql.SQL(row[0])))
    return row[0] if row else None
