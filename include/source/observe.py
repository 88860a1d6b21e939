"""What is asked of the source database: what it is, which rows changed, which keys there are."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from include.common.errors import DataError
from include.common.keys import KeySet
from include.common.manifests import Cursor
from include.common.postgres import binary_row, copy_rows, identifiers
from include.source.catalogue import Footing, find_footing
from include.source.columns import find_columns
from include.source.server import Server, system_of
from include.tables.drift import fits, wider_columns
from include.tables.numbering import number, number_of
from include.tables.source import SourceTable

log = logging.getLogger(__name__)

MAX_CURSOR_AGE = 1_000_000_000
"""Transactions after which a cursor is void: half of what PostgreSQL's 32-bit row versions can be told apart by."""

LISTED_XIDS = 50_000
"""How many transactions are listed one by one to find what they wrote."""

FIRST_XID = 3
"""Source: FirstNormalTransactionId of PostgreSQL's access/transam.h."""

LISTING_VERSION = 140_000
"""The first version of PostgreSQL that looks a value up in a list by its hash."""

EVERY_ROW = sql.SQL("true")
"""The condition that holds for all."""

STAMPED_KEY = binary_row(key=">i8", stamp=">i8")
UNKNOWN_STAMP = -(1 << 63)
"""-infinity on the wire: of a row without a stamp. Source: PostgreSQL's datatype/timestamp.h."""

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Where timestamps count from on the wire, in microseconds. Source: PostgreSQL's datatype/timestamp.h."""

OBSERVE = sql.SQL("""
    SELECT pg_snapshot_xmin(snapshot)::text, pg_snapshot_xmax(snapshot)::text, statement_timestamp(),
           CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()
                THEN statement_timestamp()
                ELSE least(statement_timestamp(), coalesce(pg_last_xact_replay_timestamp(),
                           (SELECT checkpoint_time FROM pg_control_checkpoint()))) END,
           pg_postmaster_start_time()
      FROM pg_current_snapshot() AS snapshot""")
"""A standby shows the instant that it has replayed up to; where that is all that it received, now."""


@dataclass(frozen=True)
class Observation:
    """What a table's transaction sees: the cursor that the next run starts from, and the instant it shows.

    next_xid: the first transaction that had not begun, 64 bits.
    server: as it was just before the snapshot. footing: what the table stands on.
    joined: what it sees of the tables that are read beside it.
    """

    cursor: Cursor
    next_xid: int
    observed_at: datetime
    server: Server
    footing: Footing
    joined: Mapping[str, "Observation"] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """Keys of rows, with the oldest and the newest stamp among them (UTC; None where there is no row)."""

    keys: KeySet = field(default_factory=KeySet)
    oldest: datetime | None = None
    newest: datetime | None = None


def observe(connection: psycopg.Connection, table: SourceTable, server: Server) -> Observation:
    """Begin the transaction's snapshot and say what it is. server: as it was just before.

    Raises: DataError where the table is gone.
    """
    row = connection.execute(OBSERVE).fetchone()
    assert row is not None
    xmin, xmax, clock, observed_at, started_at = row
    footing = find_footing(connection, table)
    if footing.relation is None:
        raise no_such_table(table)
    cursor = Cursor(
        xid=xmin,
        cluster=server.cluster,
        relation=footing.relation,
        last_updated=None,
        shape=footing.shape,
        clock=clock.astimezone(UTC),
        starts=[started_at.astimezone(UTC)],
    )
    return Observation(cursor, int(xmax), observed_at.astimezone(UTC), server, footing)


def no_such_table(table: SourceTable) -> DataError:
    """The error that names a table that the source does not have."""
    return DataError(f"{table.name}: the source has no table {table.place}")


def follows(cursor: Cursor, observation: Observation) -> bool:
    """Whether the source can still tell what changed since this cursor: same system, same table, not too long ago."""
    now = observation.cursor
    same = (system_of(cursor), cursor.relation) == (system_of(now), now.relation)
    return same and 0 <= observation.next_xid - int(cursor.xid) <= MAX_CURSOR_AGE


def suspicions(known: Cursor, observation: Observation) -> list[str]:
    """Why rows may hold other values than were read, though no version of them is newer than the cursor.

    A cursor that an earlier version of the pipeline left raises none of those that it knows nothing of.
    """
    now, server = observation.cursor, observation.server
    reasons = {
        "its columns, enum labels, partitions or views changed": known.shape not in ("", now.shape),
        "the server was started since, or is another one": bool(known.starts) and now.starts[-1] not in known.starts,
        "the server is on another timeline": known.cluster != now.cluster,
        "the server was put back to an earlier state": not server.standby and server.position < (known.position or 0),
        "the server's clock was set back": bool(known.clock and now.clock and now.clock < known.clock),
    }
    return [reason for reason, holds in reasons.items() if holds]


@dataclass(frozen=True)
class FoundColumns:
    """How columns are other than declared. ignored: those that are not. wider: those that hold more, as what."""

    ignored: list[str]
    wider: dict[str, str]


def check_columns(connection: psycopg.Connection, table: SourceTable, relation: int) -> FoundColumns:
    """Compare the table's columns with the declared ones.

    Raises: DataError that names every column that is missing or cannot be read as declared, nor as a wider type.
    """
    found = find_columns(connection, relation)[relation]
    ignored = sorted(found.keys() - table.by_name.keys())
    wrong = [
        f"column {column.name} is {found.get(column.name, 'missing')}, declared as {column.type}"
        for column in table.columns
        if column.name not in found or not fits(found[column.name], column.type)
    ]
    if wrong:
        undeclared = f" (not declared: {', '.join(ignored)})" if ignored else ""
        raise DataError(f"{table.name}: {'; '.join(wrong)}{undeclared}; correct its declaration or the source")
    return FoundColumns(ignored, wider_columns(table, found))


def changed_since(table: SourceTable, cursor: Cursor, next_xid: int | None = None) -> sql.Composed:
    """The condition that holds for each row that may have changed since the cursor, whatever it did to its stamps.

    Rows of transactions that were open at the cursor, and of their subtransactions, have that xid or a later one.

    next_xid: the first transaction that had not begun in the snapshot, 64 bits. Where few lie before it, they are
        listed: the server compares those in parallel, while `age` keeps a scan to one process.
    """
    if table.follow == "whole":
        return EVERY_ROW.format()
    if table.follow == "xmin":
        if next_xid is not None and next_xid - int(cursor.xid) <= LISTED_XIDS:
            return _written_by(range(int(cursor.xid), next_xid))
        return sql.SQL("age(xmin) <= age({}::xid8::xid)").format(sql.Literal(cursor.xid))
    stamp, kind = sql.Identifier(table.stamp), sql.SQL(table.by_name[table.stamp].type)
    since = _since(table, cursor)
    if since is None:
        return sql.SQL("{} IS NOT NULL").format(stamp)
    shown = sql.Literal(since.replace(tzinfo=None).isoformat(sep=" "))
    return sql.SQL("{} >= {}::{}").format(stamp, shown, kind)  # the column's own type, so that an index serves


def _since(table: SourceTable, cursor: Cursor) -> datetime | None:
    """From which stamp on rows are read again; None for every one: no row had a stamp yet, or none so late as that."""
    overlap, newest = timedelta(seconds=table.overlap_seconds), cursor.last_updated
    return newest - overlap if newest and newest - datetime.min.replace(tzinfo=UTC) >= overlap else None


def _stamp(table: SourceTable) -> sql.Composable:
    """When a row was last written, as an instant. Without a time zone it is UTC, as is that of every session."""
    return (
        sql.SQL("{}::timestamptz").format(sql.Identifier(table.stamp)) if table.stamp else sql.SQL("NULL::timestamptz")
    )


def _written_by(transactions: Iterable[int]) -> sql.Composed:
    """Row versions have the lower 32 bits of a transaction's number; the first three of those stand for none."""
    short = [number % (1 << 32) for number in transactions]
    listed = ",".join(str(number) for number in short if number >= FIRST_XID)
    return sql.SQL("xmin = ANY({}::xid[])").format(sql.Literal(f"{{{listed}}}"))


def place(table: SourceTable) -> sql.Identifier:
    """A table's own name, with its schema."""
    return sql.Identifier(table.schema, table.found_name)


def relation(table: SourceTable, alias: str = "") -> sql.Composable:
    """A table in a statement, known by an alias. It is named with its schema: no search path decides which is read.

    Where rows have no key, a query that gives them one.
    """
    found = place(table)
    if not table.keyless:
        return sql.SQL("{} {}").format(found, sql.Identifier(alias)) if alias else found
    return sql.SQL("({}) {}").format(_numbered_rows(table, found), sql.Identifier(alias or table.found_name))


def _numbered_rows(table: SourceTable, found: sql.Identifier) -> sql.Composed:
    """The rows, each with a number of its own: the hash of its values, and which of those that are all alike it is."""
    columns = identifiers(column.name for column in table.columns)
    alike = number([sql.SQL("ROW({})::text").format(columns)], ["text"])
    form = sql.SQL("""
        SELECT {columns}, {number} AS {key}
          FROM (SELECT {columns}, {row} AS {row_name}, row_number() OVER (PARTITION BY {row}) AS {position}
                  FROM {found}) r""")
    row, position = "\x01row", "\x01position"  # no column is called so
    numbered = number([sql.Identifier(row), sql.Identifier(position)], ["bigint", "bigint"])
    key = sql.Identifier(*table.key_columns)
    names = {"row_name": sql.Identifier(row), "position": sql.Identifier(position), "found": found}
    return form.format(columns=columns, number=numbered, key=key, row=alike, **names)


@dataclass(frozen=True)
class Survey:
    """How many rows there are, with the oldest and the newest stamp among them (UTC; None where there is none)."""

    rows: int
    oldest: datetime | None
    newest: datetime | None


def survey(connection: psycopg.Connection, table: SourceTable, condition: sql.Composable) -> Survey:
    """Look over the rows that fulfil a condition. Stamps that Python cannot hold are not told."""
    statement = sql.SQL("""
        SELECT rows, oldest::timestamptz, newest::timestamptz
          FROM (SELECT count(*), min({stamp}) FILTER (WHERE {told}), max({stamp}) FILTER (WHERE {told})
                  FROM {table} WHERE {condition}) AS surveyed (rows, oldest, newest)""")
    stamp = sql.Identifier(table.stamp) if table.stamp else sql.SQL("NULL::timestamp")
    told = sql.SQL("{} BETWEEN '0001-01-02' AND '9999-12-30'").format(stamp)
    names = {"stamp": stamp, "told": told, "table": relation(table), "condition": condition}
    row = connection.execute(statement.format(**names)).fetchone()
    assert row is not None
    return Survey(*row)


def select_keys(connection: psycopg.Connection, table: SourceTable, condition: sql.Composable) -> Selection:
    """The keys of the rows that fulfil a condition, read as a binary COPY: 26 bytes a row, in bounded memory."""
    statement = sql.SQL("""
        COPY (SELECT {key}::bigint, coalesce({stamp}, '-infinity') FROM {table}
               WHERE {key} IS NOT NULL AND {condition}) TO STDOUT (FORMAT binary)""")
    names = {"key": number_of(table), "stamp": _stamp(table), "table": relation(table), "condition": condition}
    stamps = list[int]()

    def keys() -> Iterator[npt.NDArray[np.signedinteger]]:
        for rows in copy_rows(connection, statement.format(**names), STAMPED_KEY):
            known = rows["stamp"][rows["stamp"] != UNKNOWN_STAMP]
            stamps.extend([int(known.min()), int(known.max())] if len(known) else [])
            yield rows["key"]

    return Selection(KeySet.gather(keys()), _instant(min(stamps, default=None)), _instant(max(stamps, default=None)))


def _instant(stamp: int | None) -> datetime | None:
    """A timestamp of PostgreSQL's wire format; those that Python cannot hold (infinity) become its own limits."""
    if stamp is None:
        return None
    try:
        return POSTGRES_EPOCH + timedelta(microseconds=stamp)
    except OverflowError:
        return (datetime.min if stamp < 0 else datetime.max).replace(tzinfo=UTC)


def count_rows(connection: psycopg.Connection, table: SourceTable, condition: sql.Composable) -> tuple[int, int]:
    """How many rows the table has, and how many of them fulfil a condition: one scan for both."""
    statement = sql.SQL("SELECT count(*), count(*) FILTER (WHERE {}) FROM {}").format(condition, relation(table))
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def sum_keys(connection: psycopg.Connection, table: SourceTable) -> int:
    """The sum of the table's keys."""
    statement = sql.SQL("SELECT coalesce(sum({}), 0) FROM {}")
    row = connection.execute(statement.format(number_of(table), relation(table))).fetchone()
    assert row is not None
    return int(row[0])
