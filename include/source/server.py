"""Which server a reading comes from, and whether it is one that can continue what was read before."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from include.common.errors import DataError, ServiceError
from include.common.manifests import Cursor

BEHIND_SECONDS = 3600
"""How long a replica may be behind what was read before it counts as restored: no replica that is well lags so long."""

KNOWN_STARTS = 16
"""How many starts of servers a cursor remembers: those of all replicas behind one address, and some."""

PAGE_BYTES, PAGE_HEADER_BYTES = 8192, 40
"""Source: XLOG_BLCKSZ and SizeOfXLogLongPHD of PostgreSQL's access/xlog_internal.h."""

_SERVER = sql.SQL("""
    WITH role AS MATERIALIZED (SELECT pg_is_in_recovery() AS standby),
    now AS MATERIALIZED (
        SELECT standby, CASE WHEN standby THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS position
          FROM role)
    SELECT (SELECT system_identifier FROM pg_control_system())::text,
           CASE WHEN standby THEN (SELECT timeline_id FROM pg_control_checkpoint())
                ELSE ('x' || left(pg_walfile_name(position), 8))::bit(32)::integer END,
           pg_postmaster_start_time(), standby, coalesce(position - '0/0'::pg_lsn, 0)::bigint
      FROM now""")


@dataclass(frozen=True)
class Server:
    """A server at an instant. position: how far its log goes, or on a standby how far it is replayed, in bytes."""

    system: str
    timeline: int
    started_at: datetime
    standby: bool
    position: int

    @property
    def cluster(self) -> str:
        """As a cursor has it."""
        return f"{self.system}/{self.timeline}"


def find_server(connection: psycopg.Connection) -> Server:
    """The server at the other end, as it is now, whatever snapshot the transaction has."""
    row = connection.execute(_SERVER).fetchone()
    assert row is not None
    system, timeline, started_at, standby, position = row
    return Server(system, timeline, started_at.astimezone(UTC), standby, _floor(position))


def _floor(position: int) -> int:
    """A position without the page header that only a primary counts when its log ends with a page."""
    return position - position % PAGE_BYTES if position % PAGE_BYTES <= PAGE_HEADER_BYTES else position


def system_of(cursor: Cursor) -> str:
    """The system identifier of the server that wrote a cursor."""
    return cursor.cluster.partition("/")[0]


def remembered_starts(known: Cursor | None, server: Server) -> list[datetime]:
    """The starts of servers that were read, this one's last; the oldest are forgotten."""
    before = [start for start in known.starts if start != server.started_at] if known else []
    return [*before, server.started_at][-KNOWN_STARTS:]


@dataclass(frozen=True)
class Recorded:
    """What a server must have got to: the recorded cursor and the instant of the reading that left it."""

    cursor: Cursor
    observed_at: datetime


def require_not_behind(table: str, recorded: Recorded, server: Server, next_xid: int, clock: datetime) -> None:
    """Make sure that a standby has replayed what was read before: it would show rows as gone that came since.

    A primary cannot be behind: it was restored, and what it holds is what there is.

    Raises: ServiceError where it will catch up; DataError where it has not for an hour.
    """
    known = recorded.cursor
    behind = next_xid < int(known.xid) if known.position is None else server.position < known.position
    if not server.standby or system_of(known) != server.system or not behind:
        return
    message = f"{table}: the replica has not replayed what was read up to {recorded.observed_at:%Y-%m-%d %H:%M:%S} UTC"
    if clock - recorded.observed_at > timedelta(seconds=BEHIND_SECONDS):
        raise DataError(
            f"{message}, an hour ago and more: it was restored, or replays no longer; mend it, or accept what it holds "
            f"by a full refresh: --tables {table} --full-refresh"
        )
    raise ServiceError(f"{message}; it is read when it has")
