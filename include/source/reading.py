"""A reading's transaction: the table locked before it sees anything, and held to have stayed what it was afterwards."""

import logging
from collections.abc import Mapping
from dataclasses import replace

import psycopg
from psycopg import IsolationLevel, sql

from include.common.errors import DeclarationError
from include.source.catalogue import find_footing, require_full_sight
from include.source.observe import Observation, no_such_table, observe
from include.source.server import Server, find_server
from include.tables.source import SourceTable

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""How often a table is read that is changed under its reading, before that is left for later."""

WITHOUT_XMIN = {"v", "f"}
"""Views and foreign tables. Source: pg_class.relkind in PostgreSQL's manual."""

LOCKABLE = {"r", "p", "v"}
"""Tables, partitioned tables and views; the server locks no materialized view and no foreign table."""


def begin_reading(connection: psycopg.Connection, table: SourceTable, *others: SourceTable) -> Observation:
    """Begin a read-only transaction that sees one snapshot of the table throughout, and say what it sees.

    others: tables that are read beside it.

    TRUNCATE and the rewriting of a table are not seen by snapshots: one that is older than they are finds the table
    empty. So the lock comes first. A short transaction before it tells whether there is something to lock, and how far
    the server is.

    Raises: DataError where a table does not exist; DeclarationError where the role does not see all of it, or it cannot
        be followed as declared.
    """
    connection.read_only, connection.isolation_level = True, IsolationLevel.READ_COMMITTED
    kinds = [_require_readable(connection, read) for read in (table, *others)]
    server = find_server(connection)
    connection.commit()
    lock(connection, dict(zip((table, *others), kinds, strict=True)))
    seen = observe(connection, table, server)
    return replace(seen, joined={other.name: observe(connection, other, server) for other in others})


def _require_readable(connection: psycopg.Connection, table: SourceTable) -> str:
    """The kind of a table that can be read as declared. Raises: as `begin_reading`."""
    kind = require_full_sight(connection, table)
    if kind is None:
        raise no_such_table(table)
    if kind in WITHOUT_XMIN and table.follow == "xmin":
        raise DeclarationError(
            f'{table.name} is a view or a foreign table, without xmin: declare follow="stamp", or "whole"'
        )
    return kind


def lock(connection: psycopg.Connection, kinds: Mapping[SourceTable, str]) -> None:
    """Begin a transaction that reads one snapshot, with tables locked, where they can be, before there is one.

    kinds: the tables, each with its kind.
    """
    connection.read_only, connection.isolation_level = True, IsolationLevel.REPEATABLE_READ
    for name in sorted({(table.schema, table.found_name) for table, kind in kinds.items() if kind in LOCKABLE}):
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(sql.Identifier(*name)))


def end_reading(
    connection: psycopg.Connection, seen: Observation, table: SourceTable, *others: SourceTable
) -> Observation | None:
    """End the transaction, and give its observation with how far the server is now.

    None where the reading has to be repeated. others: as in `begin_reading`.
    """
    connection.commit()
    now = _find_unmoved(connection, seen, table, *others)
    return replace(seen, cursor=seen.cursor.model_copy(update={"position": now.position})) if now else None


def is_moved(connection: psycopg.Connection, seen: Observation, table: SourceTable, *others: SourceTable) -> bool:
    """Whether a reading that is over may have met something else than its snapshot showed, and has to be repeated."""
    return _find_unmoved(connection, seen, table, *others) is None


def _find_unmoved(
    connection: psycopg.Connection, seen: Observation, table: SourceTable, *others: SourceTable
) -> Server | None:
    """The server as it is after a reading that is over; None where that may have met something else than it saw.

    That is where the table has other files, parts or another shape by now: rows may have been missing or mixed. Or a
    pooler led to another server on the way.
    """
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    changed = find_footing(connection, table) != seen.footing
    changed |= any(find_footing(connection, other) != seen.joined[other.name].footing for other in others)
    now = find_server(connection)
    connection.commit()
    if changed or {seen.server.started_at, now.started_at} != set(seen.cursor.starts):
        log.warning("%s was changed, or its server was, while it was read; it is read again", table.name)
        return None
    return now
