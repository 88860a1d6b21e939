"""How the tests look at a ToteSys."""

from typing import Any

from psycopg import sql

from local.totesys.connection import Connection
from local.totesys.schema import TABLE, TABLES


def rows(connection: Connection, query: Any, *parameters: object) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(query, parameters).fetchall()


def value(connection: Connection, query: Any, *parameters: object) -> Any:
    """The only value of a query."""
    ((only,),) = rows(connection, query, *parameters)
    return only


def row(connection: Connection, table: str, key: int) -> dict[str, Any]:
    """The row with this key as values by column, with its xmin; empty when there is none."""
    query = sql.SQL("SELECT xmin::text, * FROM {} WHERE {} = %s").format(
        sql.Identifier(table), sql.Identifier(TABLE[table].key)
    )
    cursor = connection.execute(query, [key])
    names = [column.name for column in cursor.description or ()]
    found = cursor.fetchone()
    return dict(zip(names, found, strict=True)) if found else {}


def contents(connection: Connection) -> dict[str, bytes]:
    """Every table's rows by key, as COPY writes them."""
    return {table.name: copied(connection, table.name, table.key) for table in TABLES}


def copied(connection: Connection, table: str, key: str) -> bytes:
    """A table's rows by key, as COPY writes them."""
    query = sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT").format(sql.Identifier(table), sql.Identifier(key))
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(bytes(block) for block in copy)


def constraints(connection: Connection) -> list[tuple[Any, ...]]:
    """Every key and reference: table, name, definition."""
    return rows(
        connection,
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = current_schema()::regnamespace AND contype IN ('p', 'u', 'f') ORDER BY 1, 2",
    )


def all_keys(connection: Connection, table: str) -> set[int]:
    """Every key of a table."""
    query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(f"{table}_id"), sql.Identifier(table))
    return {key for (key,) in rows(connection, query)}
