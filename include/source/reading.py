"""A reading's transaction: the table locked before it sees anything, and held to have stayed what it was afterwards."""

import logging
from dataclasses import replace

import psycopg
from psycopg import IsolationLevel, sql

from include.common.errors import DeclarationError
from include.source.catalogue import find_footing, find_kind, require_full_sight
from include.source.observe import Observation, no_such_table, observe, place
from include.source.server import find_server
from include.tables.schema import SourceTable

log = logging.getLogger(__name__)

WITHOUT_XMIN = {"v", "f"}
"""Views and foreign tables. Source: pg_class.relkind in PostgreSQL's manual."""

LOCKABLE = {"r", "p", "v"}
"""Tables, partitioned tables and views; the server locks no materialized view and no foreign table."""


def begin_reading(connection: psycopg.Connection, table: SourceTable) -> Observation:
    """Begin a read-only transaction that sees one snapshot of the table throughout, and say what it sees.

    TRUNCATE and the rewriting of a table are not seen by snapshots: one that is older than they are finds the table
    empty. So the lock comes first. A short transaction before it tells whether there is something to lock, and how far
    the server is.

    Raises: DataError where the table does not exist; DeclarationError where the role does not see all of it, or it
        cannot be followed as declared.
    """
    connection.read_only, connection.isolation_level = True, IsolationLevel.READ_COMMITTED
    kind = find_kind(connection, table)
    if kind is None:
        raise no_such_table(table)
    if kind in WITHOUT_XMIN and table.follow == "xmin":
        raise DeclarationError(
            f'{table.name} is a view or a foreign table, without xmin: declare follow="stamp", or "whole"'
        )
    require_full_sight(connection, table)
    server = find_server(connection)
    connection.commit()
    lock(connection, table, kind)
    return observe(connection, table, server)


def lock(connection: psycopg.Connection, table: SourceTable, kind: str = "r") -> None:
    """Begin a transaction that reads one snapshot, with the table locked, where it can be, before there is one."""
    connection.read_only, connection.isolation_level = True, IsolationLevel.REPEATABLE_READ
    if kind in LOCKABLE:
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(place(table)))


def end_reading(connection: psycopg.Connection, table: SourceTable, seen: Observation) -> Observation | None:
    """End the transaction, and give its observation with how far the server is now.

    None where the reading has to be repeated.
    """
    after = find_server(connection)
    connection.commit()
    if after.started_at != seen.server.started_at or is_moved(connection, table, seen):
        return None
    return replace(seen, cursor=seen.cursor.model_copy(update={"position": after.position}))


def is_moved(connection: psycopg.Connection, table: SourceTable, seen: Observation) -> bool:
    """Whether a reading that is over may have met something else than its snapshot showed, and has to be repeated.

    That is where the table has other files, parts or another shape by now: rows may have been missing or mixed. Or a
    pooler led to another server on the way.
    """
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    footing, now = find_footing(connection, table), find_server(connection)
    connection.commit()
    moved = footing != seen.footing or {seen.server.started_at, now.started_at} != set(seen.cursor.starts)
    if moved:
        log.warning("%s was changed, or its server was, while it was read; it is read again", table.name)
    return moved
