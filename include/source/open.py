"""Transactions that stay open at the source: while one does, each run reads again what changed since it began."""

import logging
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from include.source.observe import Observation
from include.state.latest import TableState, held_seconds
from include.tables.source import SourceTable

log = logging.getLogger(__name__)

BEGAN = sql.SQL("""
    SELECT min(began) FROM (
        SELECT xact_start FROM pg_stat_activity WHERE backend_xid = {xid}::xid8::xid
        UNION ALL SELECT prepared FROM pg_prepared_xacts WHERE transaction = {xid}::xid8::xid) AS open (began)""")
"""When a transaction began; NULL where the role may not see it: others' sessions take pg_read_all_stats."""


def open_since(
    connection: psycopg.Connection, table: SourceTable, observation: Observation, state: TableState | None
) -> datetime | None:
    """Since when the transaction that holds the table's cursor back has been open, as far as is known; None for none.

    Where the source does not tell, it is the first reading that found it as the oldest one.
    """
    xid = observation.cursor.xid
    if table.follow != "xmin" or int(xid) >= observation.next_xid:
        return None
    row = connection.execute(BEGAN.format(xid=sql.Literal(xid))).fetchone()
    began: datetime | None = row[0] if row else None
    if began:
        return min(began.astimezone(UTC), observation.observed_at)
    same = state and (state.cursor.xid, state.cursor.cluster) == (xid, observation.cursor.cluster)
    return (state.held_since if state and same else None) or observation.observed_at


def tell_long(table: SourceTable, held_since: datetime | None, observed_at: datetime) -> None:
    """Say in the log that a transaction has been open for long."""
    if seconds := held_seconds(held_since, observed_at):
        log.warning(
            "%s: each run reads again what changed since %s: a transaction has been open at the source for at least "
            "%d minutes; end it (see pg_stat_activity and pg_prepared_xacts there)",
            table.name, f"{held_since:%Y-%m-%d %H:%M} UTC", seconds // 60,
        )  # fmt: skip
