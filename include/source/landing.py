"""Rows of the source into CSV files of the ingestion bucket: several at a time, all showing one snapshot."""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from threading import Timer

import psycopg
from psycopg import sql

from include.common.errors import ServiceError
from include.common.keys import STATEMENT_KEYS, KeySet
from include.common.manifests import FileEntry
from include.common.postgres import connect, copy_out
from include.common.settings import INGESTION_BUCKET, SOURCE_CONNECTION, required_variable
from include.common.threads import side_by_side
from include.lake.blocks import count_rows, header
from include.lake.files import STREAMS, WriteOnceFile, new_key
from include.source.beside import OWN, joined_rows
from include.source.catalogue import find_sight
from include.source.reading import lock
from include.source.server import find_server
from include.tables.numbering import among, is_integer, number_of
from include.tables.source import SourceTable
from include.tables.star import Join

FILE_ROWS = 32_768
"""The most rows of one CSV file. Files are what tasks work on side by side and hold in memory: 4 MB of sales orders."""

FILE_BYTES = 6 << 20
"""From how many bytes on a file takes no further row, but for those of the block that is being copied."""

HELPER_SECONDS = 10
"""How long a further connection is waited for; without it a reading takes longer, and is the same."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extract:
    """A source table as it is copied: each row with what it joins."""

    table: SourceTable
    joins: tuple[Join, ...] = ()

    @property
    def others(self) -> list[SourceTable]:
        """The tables that it joins."""
        return list({join.table.name: join.table for join in self.joins}.values())

    @property
    def rows(self) -> sql.Composable:
        """What follows FROM."""
        return joined_rows(self.table, OWN, self._aliases)

    @property
    def columns(self) -> dict[str, sql.Composable]:
        """The columns of its files: the source's, the number of a key that is no integer, those of joined tables."""
        own: dict[str, sql.Composable] = {name: sql.Identifier(OWN, name) for name in self.table.by_name}
        number, given = self.table.carried, dict[str, sql.Composable]()
        if number not in own:
            given[number] = number_of(self.table, OWN)
        joined = {
            join.carried(name): sql.Identifier(alias, name)
            for join, alias in self._aliases
            for name in join.table.by_name
        }
        return own | given | joined

    @property
    def _aliases(self) -> list[tuple[Join, str]]:
        return [(join, f"j{number}") for number, join in enumerate(self.joins)]


CopySlice = Callable[[psycopg.Connection, sql.Composable], list[FileEntry]]


def copy_files(
    connection: psycopg.Connection, read: Extract, keys: KeySet, dense: bool, observed_at: datetime
) -> list[FileEntry]:
    """Write the rows with these keys as CSV files, in the order of the keys.

    dense: the keys are all that the table has, so that a range of them says the same as a list.
    """
    slices = list(_conditions(read, keys, dense))

    def copy(target: psycopg.Connection, condition: sql.Composable) -> list[FileEntry]:
        return list(_copy_slice(target, read, condition, observed_at))

    if len(slices) < STREAMS:
        return [file for part in slices for file in copy(connection, part)]
    return _copy_side_by_side(connection, read, copy, slices)


def copy_where(
    connection: psycopg.Connection, read: Extract, condition: sql.Composable, observed_at: datetime
) -> list[FileEntry]:
    """Write the rows that fulfil a condition as CSV files."""
    return list(_copy_slice(connection, read, condition, observed_at))


def _conditions(read: Extract, keys: KeySet, dense: bool) -> Iterator[sql.Composable]:
    """The conditions of slices that hold all these keys together; what they hold is cut into files as it is copied.

    An index finds integers, so their slices are as long as a file. Other keys are looked for in the whole table, once
    for each slice: these are few. So they are where the server would read as much for each file: all of a table that is
    joined, or as many pages as rows where integers are scattered.
    """
    indexed = is_integer(read.table) and not read.table.keyless
    streams = STREAMS if len(keys) > FILE_ROWS else 1
    if not dense:
        parts = keys.slices(FILE_ROWS if indexed else STATEMENT_KEYS)
        yield from (among(read.table, part, OWN) for part in parts)
    elif keys and indexed:
        size = -(-len(keys) // streams) if read.joins or keys.is_scattered else FILE_ROWS
        yield from (_between(read.table, part) for part in keys.slices(size))
    elif keys:
        yield from (_share(read.table, stream, streams) for stream in range(streams))


def _between(table: SourceTable, part: KeySet) -> sql.Composed:
    first, last = sql.Literal(part.first()), sql.Literal(part.last())
    return sql.SQL("{} BETWEEN {} AND {}").format(number_of(table, OWN), first, last)


def _share(table: SourceTable, stream: int, streams: int) -> sql.Composed:
    """One share of rows whose numbers are scattered."""
    ends = map(sql.Literal, (streams, stream, stream - streams))
    return sql.SQL("mod({}, {}) IN ({}, {})").format(number_of(table, OWN), *ends)


def _copy_side_by_side(
    connection: psycopg.Connection, read: Extract, copy: CopySlice, slices: list[sql.Composable]
) -> list[FileEntry]:
    """Copy slices on this connection and on others that share its snapshot, STREAMS in all where they can be had."""

    def copy_some(share: tuple[psycopg.Connection, list[sql.Composable]]) -> list[list[FileEntry]]:
        target, own = share
        return [copy(target, part) for part in own]

    with ExitStack() as helpers:
        streams = [connection, *(_join(helpers, connection, read) for _ in range(STREAMS - 1))]
        targets = [target for target in streams if target]
        count = len(targets)
        work = [(target, slices[stream::count]) for stream, target in enumerate(targets)]
        shares = side_by_side(count, copy_some, work)
    return [file for number in range(len(slices)) for file in shares[number % count][number // count]]


def _join(helpers: ExitStack, connection: psycopg.Connection, read: Extract) -> psycopg.Connection | None:
    """A further connection to the same server that shows the same snapshot, open as long as `helpers`.

    None where the server, or a pooler before it, gives none in HELPER_SECONDS, or leads elsewhere.
    """
    info = connection.info
    at: dict[str, str | int] = {
        "host": info.host,
        "hostaddr": info.hostaddr,
        "port": info.port,
        "connect_timeout": HELPER_SECONDS,
    }
    try:
        helper = helpers.enter_context(connect(SOURCE_CONNECTION, at=at))
        with _deadline(helper, HELPER_SECONDS):
            same = _share_snapshot(connection, helper, read)
    except (ServiceError, psycopg.Error) as error:
        log.warning("%s: no further connection that shows the same (%s); one reads all", read.table.name, error)
        return None
    return helper if same else None


def _share_snapshot(connection: psycopg.Connection, helper: psycopg.Connection, read: Extract) -> bool:
    """Let the helper see what the connection sees; False where it is on another server, which may know such a name."""
    tables = (read.table, *read.others)
    lock(helper, {table: find_sight(connection, table.schema, table.found_name).kind or "" for table in tables})
    snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()
    assert snapshot is not None
    helper.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot[0])))
    return find_server(helper).started_at == find_server(connection).started_at


@contextmanager
def _deadline(connection: psycopg.Connection, seconds: float) -> Iterator[None]:
    """Hang up when the time is over: a pooler lets a statement wait as long as it has no server for it."""
    timer = Timer(seconds, _hang_up, [connection.pgconn.socket])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _copy_slice(
    connection: psycopg.Connection, read: Extract, condition: sql.Composable, observed_at: datetime
) -> Iterator[FileEntry]:
    """Write the rows that fulfil a condition as one CSV file, or as several where they are long."""
    copy = sql.SQL("COPY (SELECT {columns} FROM {table} WHERE {condition}) TO STDOUT (FORMAT csv, ENCODING {encoding})")
    statement = copy.format(
        columns=sql.SQL(", ").join(read.columns.values()),
        table=read.rows,
        condition=condition,
        encoding=sql.Literal(_encoding(connection)),
    )
    blocks = copy_out(connection, statement)
    for first in blocks:
        yield _write_file(read, observed_at, chain([first], blocks))


def _write_file(read: Extract, observed_at: datetime, blocks: Iterator[bytes]) -> FileEntry:
    """Write blocks of whole rows as a CSV file with a header, until they end or the file is large."""
    key, rows = new_key(read.table.name, observed_at, "csv"), 0
    with WriteOnceFile(required_variable(INGESTION_BUCKET), key) as file:
        file.write(header(read.columns))
        for block in blocks:
            file.write(block)
            rows += count_rows(block)
            if file.size >= FILE_BYTES or rows >= FILE_ROWS:
                break
    return FileEntry(key=key, rows=rows, size_bytes=file.size)


def _encoding(connection: psycopg.Connection) -> str:
    """UTF-8; of a database that has no encoding the bytes as they are: there the wrong ones are found row by row."""
    return "SQL_ASCII" if connection.info.parameter_status("server_encoding") == "SQL_ASCII" else "UTF8"
