"""Rows of the source into CSV files of the ingestion bucket: several at a time, all showing one snapshot."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import psycopg
from psycopg import IsolationLevel, sql

from include.common.keys import KeySet
from include.common.manifests import FileEntry
from include.common.postgres import connect, copy_out, identifiers
from include.common.settings import INGESTION_BUCKET, SOURCE_CONNECTION, required_variable
from include.lake.files import STREAMS, WriteOnceFile, new_key
from include.source.observe import among, relation
from include.tables.schema import SourceTable

FILE_ROWS = 32_768
"""Rows of one CSV file. Files are what tasks work on side by side and hold in memory: 4 MB of sales orders."""

CopySlice = Callable[[psycopg.Connection, KeySet], FileEntry]


def begin_reading(connection: psycopg.Connection) -> None:
    """Make the connection's transactions read-only ones that see one snapshot throughout."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True


def copy_files(
    connection: psycopg.Connection, table: SourceTable, keys: KeySet, dense: bool, observed_at: datetime
) -> list[FileEntry]:
    """Write the rows with these keys as CSV files, in the order of the keys.

    dense: the keys are all that the table has, so that a range of them says the same as a list.
    """
    slices = list(keys.slices(FILE_ROWS))

    def copy(target: psycopg.Connection, part: KeySet) -> FileEntry:
        condition = _between(table, part) if dense else among(table, part)
        return _copy_file(target, table, condition, len(part), observed_at)

    if len(slices) < STREAMS:
        return [copy(connection, part) for part in slices]
    return _copy_side_by_side(connection, copy, slices)


def _between(table: SourceTable, part: KeySet) -> sql.Composed:
    key = sql.Identifier(table.key)
    return sql.SQL("{} BETWEEN {} AND {}").format(key, sql.Literal(part.first()), sql.Literal(part.last()))


def _copy_side_by_side(connection: psycopg.Connection, copy: CopySlice, slices: list[KeySet]) -> list[FileEntry]:
    """Copy slices on STREAMS connections that share this one's snapshot."""
    snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()
    assert snapshot is not None

    def copy_some(own: list[KeySet]) -> list[FileEntry]:
        with connect(SOURCE_CONNECTION) as helper:
            begin_reading(helper)
            helper.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot[0])))
            return [copy(helper, part) for part in own]

    with ThreadPoolExecutor(STREAMS) as threads:
        shares = list(threads.map(copy_some, [slices[stream::STREAMS] for stream in range(STREAMS)]))
    return [shares[number % STREAMS][number // STREAMS] for number in range(len(slices))]


def _copy_file(
    connection: psycopg.Connection, table: SourceTable, condition: sql.Composable, rows: int, observed_at: datetime
) -> FileEntry:
    statement = sql.SQL("COPY (SELECT {columns} FROM {table} WHERE {condition}) TO STDOUT (FORMAT csv, HEADER)").format(
        columns=identifiers(table.by_name), table=relation(table), condition=condition
    )
    key = new_key(table.name, observed_at, "csv")
    with WriteOnceFile(required_variable(INGESTION_BUCKET), key) as file:
        for block in copy_out(connection, statement):
            file.write(block)
    return FileEntry(key=key, rows=rows, size_bytes=file.size)
