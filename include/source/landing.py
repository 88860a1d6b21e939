"""Rows of the source into CSV files of the ingestion bucket: several at a time, all showing one snapshot."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import chain

import psycopg
from psycopg import IsolationLevel, sql

from include.common.keys import KeySet
from include.common.manifests import FileEntry
from include.common.postgres import connect, copy_out, identifiers
from include.common.settings import INGESTION_BUCKET, SOURCE_CONNECTION, required_variable
from include.lake.blocks import count_rows
from include.lake.files import STREAMS, WriteOnceFile, new_key
from include.source.observe import among
from include.tables.schema import SourceTable

FILE_ROWS = 32_768
"""The most rows of one CSV file. Files are what tasks work on side by side and hold in memory: 4 MB of sales orders."""

FILE_BYTES = 6 << 20
"""From how many bytes on a file takes no further row, but for those of the block that is being copied."""

CopySlice = Callable[[psycopg.Connection, KeySet], list[FileEntry]]


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

    def copy(target: psycopg.Connection, part: KeySet) -> list[FileEntry]:
        condition = _between(table, part) if dense else among(table, part)
        return list(_copy_slice(target, table, condition, observed_at))

    if len(slices) < STREAMS:
        return [file for part in slices for file in copy(connection, part)]
    return _copy_side_by_side(connection, copy, slices)


def _between(table: SourceTable, part: KeySet) -> sql.Composed:
    key = sql.Identifier(table.key)
    return sql.SQL("{} BETWEEN {} AND {}").format(key, sql.Literal(part.first()), sql.Literal(part.last()))


def _copy_side_by_side(connection: psycopg.Connection, copy: CopySlice, slices: list[KeySet]) -> list[FileEntry]:
    """Copy slices on STREAMS connections that share this one's snapshot."""
    snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()
    assert snapshot is not None

    def copy_some(own: list[KeySet]) -> list[list[FileEntry]]:
        with connect(SOURCE_CONNECTION) as helper:
            begin_reading(helper)
            helper.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot[0])))
            return [copy(helper, part) for part in own]

    with ThreadPoolExecutor(STREAMS) as threads:
        shares = list(threads.map(copy_some, [slices[stream::STREAMS] for stream in range(STREAMS)]))
    return [file for number in range(len(slices)) for file in shares[number % STREAMS][number // STREAMS]]


def _copy_slice(
    connection: psycopg.Connection, table: SourceTable, condition: sql.Composable, observed_at: datetime
) -> Iterator[FileEntry]:
    """Write the rows that fulfil a condition as one CSV file, or as several where they are long."""
    copy = sql.SQL("COPY (SELECT {columns} FROM {table} WHERE {condition}) TO STDOUT (FORMAT csv, ENCODING {encoding})")
    statement = copy.format(
        columns=identifiers(table.by_name),
        table=sql.Identifier(table.name),
        condition=condition,
        encoding=sql.Literal(_encoding(connection)),
    )
    blocks = copy_out(connection, statement)
    for first in blocks:
        yield _write_file(table, observed_at, chain([first], blocks))


def _write_file(table: SourceTable, observed_at: datetime, blocks: Iterator[bytes]) -> FileEntry:
    """Write blocks of whole rows as a CSV file with a header, until they end or the file is large."""
    key, rows = new_key(table.name, observed_at, "csv"), 0
    with WriteOnceFile(required_variable(INGESTION_BUCKET), key) as file:
        file.write(",".join(table.by_name).encode() + b"\n")
        for block in blocks:
            file.write(block)
            rows += count_rows(block)
            if file.size >= FILE_BYTES:
                break
    return FileEntry(key=key, rows=rows, size_bytes=file.size)


def _encoding(connection: psycopg.Connection) -> str:
    """UTF-8; of a database that has no encoding the bytes as they are: there the wrong ones are found row by row."""
    return "SQL_ASCII" if connection.info.parameter_status("server_encoding") == "SQL_ASCII" else "UTF8"
