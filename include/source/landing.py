"""Rows of the source into CSV files of the ingestion bucket: several at a time, all showing one snapshot."""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain, pairwise
from queue import SimpleQueue
from threading import Timer
from typing import Self

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from include.common.errors import ServiceError
from include.common.keys import STATEMENT_KEYS, KeySet
from include.common.manifests import FileEntry
from include.common.postgres import connect, copy_out
from include.common.settings import INGESTION_BUCKET, SOURCE_CONNECTION, required_variable
from include.common.threads import side_by_side
from include.lake.blocks import first_integers, header
from include.lake.files import STREAMS, WriteOnceFile, new_key
from include.source.beside import OWN, joined_rows
from include.source.catalogue import find_sight
from include.source.cuts import spread
from include.source.reading import lock
from include.source.server import find_server
from include.tables.numbering import among, is_integer, number_of
from include.tables.source import SourceTable
from include.tables.star import Join

FILE_ROWS = 32_768
"""The most rows of one CSV file, unless it is one block of more: 3 MB of sales orders. Files are what tasks work on
side by side."""

SHARE_ROWS = 4 * FILE_ROWS
"""About how many rows of a large table are asked for at a time: the last file of each may be small."""

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
        """The columns of its files: the key where it is an integer, else its number; the source's; joined tables'."""
        number = {self.table.carried: number_of(self.table, OWN)}
        own = {name: sql.Identifier(OWN, name) for name in self.table.by_name}
        joined = {
            join.carried(name): sql.Identifier(alias, name)
            for join, alias in self._aliases
            for name in join.table.by_name
        }
        return number | own | joined

    @property
    def _aliases(self) -> list[tuple[Join, str]]:
        return [(join, f"j{number}") for number, join in enumerate(self.joins)]


@dataclass(frozen=True)
class Copied:
    """Rows that were written as CSV files, and their keys: as many, where no two rows have the same."""

    files: list[FileEntry]
    keys: KeySet

    @property
    def rows(self) -> int:
        """How many they are."""
        return sum(file.rows for file in self.files)

    @classmethod
    def of(cls, parts: Iterable["Copied"]) -> Self:
        """All of them together."""
        listed = list(parts)
        return cls([file for part in listed for file in part.files], KeySet.union(part.keys for part in listed))


def copy_keys(connection: psycopg.Connection, read: Extract, keys: KeySet, observed_at: datetime) -> Copied:
    """Write the rows with these keys as CSV files.

    An index finds integers, so no more of them are asked for at a time than a file has rows. Others are looked for in
    the whole table each time.
    """
    indexed = is_integer(read.table) and not read.table.keyless
    parts = keys.slices(FILE_ROWS if indexed else STATEMENT_KEYS)
    return _copy(connection, read, [among(read.table, part, OWN) for part in parts], observed_at)


def copy_all(connection: psycopg.Connection, read: Extract, rows: int, observed_at: datetime) -> Copied:
    """Write all rows, of which there are so many, as CSV files. A row whose key is NULL is left out."""
    return _copy(connection, read, _shares(connection, read, rows), observed_at)


def copy_where(
    connection: psycopg.Connection, read: Extract, condition: sql.Composable, observed_at: datetime
) -> Copied:
    """Write the rows that fulfil a condition as CSV files."""
    return _copy(connection, read, [condition], observed_at)


def _shares(connection: psycopg.Connection, read: Extract, rows: int) -> list[sql.Composable]:
    """The conditions of shares that are all rows together, to be copied side by side where they are more than a file.

    Ranges of keys that an index finds, of a few files each; where rows are joined, of which the server would read all
    for each share, one for each stream, and so where it knows no ranges: then each reads the whole table.
    """
    if rows <= FILE_ROWS:
        return [sql.SQL("{} IS NOT NULL").format(number_of(read.table, OWN))]
    count = STREAMS if read.joins else STREAMS * -(-rows // (STREAMS * SHARE_ROWS))
    indexed = is_integer(read.table) and not read.table.keyless
    cuts = spread(connection, read.table, count) if indexed else []
    if len(cuts) < STREAMS - 1:
        return [_remainder(read.table, stream) for stream in range(STREAMS)]
    return [_between(read.table, *ends) for ends in pairwise([None, *cuts, None])]


def _between(table: SourceTable, first: int | None, end: int | None) -> sql.Composable:
    """Keys from one on, and before another; None for no such limit."""
    number = number_of(table, OWN)
    limits = [sql.SQL("{} >= {}").format(number, sql.Literal(first))] * (first is not None)
    limits += [sql.SQL("{} < {}").format(number, sql.Literal(end))] * (end is not None)
    return sql.SQL(" AND ").join(limits)


def _remainder(table: SourceTable, stream: int) -> sql.Composed:
    """One of STREAMS shares of rows, by the remainder of their numbers, which may be negative."""
    ends = map(sql.Literal, (STREAMS, stream, stream - STREAMS))
    return sql.SQL("mod({}, {}) IN ({}, {})").format(number_of(table, OWN), *ends)


def _copy(
    connection: psycopg.Connection, read: Extract, conditions: Sequence[sql.Composable], observed_at: datetime
) -> Copied:
    """Copy the rows of all conditions, in their order; those of as many as STREAMS side by side."""
    copy = partial(_copy_rows, read, observed_at)
    if len(conditions) < STREAMS:
        return Copied.of(copy(connection, condition) for condition in conditions)
    return Copied.of(_copy_side_by_side(connection, read, copy, conditions))


def _copy_side_by_side(
    connection: psycopg.Connection,
    read: Extract,
    copy: Callable[[psycopg.Connection, sql.Composable], Copied],
    conditions: Sequence[sql.Composable],
) -> list[Copied]:
    """Copy on this connection and on others that share its snapshot, STREAMS in all where they can be had."""
    free = SimpleQueue[psycopg.Connection]()

    def copy_next(condition: sql.Composable) -> Copied:
        target = free.get()
        try:
            return copy(target, condition)
        finally:
            free.put(target)

    with ExitStack() as helpers:
        streams = [connection, *(_join(helpers, connection, read) for _ in range(STREAMS - 1))]
        targets = [target for target in streams if target]
        for target in targets:
            free.put(target)
        return side_by_side(len(targets), copy_next, conditions)


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


def _copy_rows(
    read: Extract, observed_at: datetime, connection: psycopg.Connection, condition: sql.Composable
) -> Copied:
    """Write the rows that fulfil a condition as CSV files, one after another."""
    copy = sql.SQL("COPY (SELECT {columns} FROM {table} WHERE {condition}) TO STDOUT (FORMAT csv, ENCODING {encoding})")
    statement = copy.format(
        columns=sql.SQL(", ").join(read.columns.values()),
        table=read.rows,
        condition=condition,
        encoding=sql.Literal(_encoding(connection)),
    )
    files = list[FileEntry]()

    def keys() -> Iterator[npt.NDArray[np.int64]]:
        blocks = copy_out(connection, statement)
        for first in blocks:
            yield from _write_file(read, observed_at, chain([first], blocks), files)

    return Copied(files, KeySet.gather(keys()))


def _write_file(
    read: Extract, observed_at: datetime, blocks: Iterator[bytes], written: list[FileEntry]
) -> Iterator[npt.NDArray[np.int64]]:
    """Write blocks of whole rows as a CSV file with a header, until they end or the file is large; gives their keys."""
    key, rows = new_key(read.table.name, observed_at, "csv"), 0
    with WriteOnceFile(required_variable(INGESTION_BUCKET), key) as file:
        file.write(header(read.columns))
        for block in blocks:
            file.write(block)
            count, keys = first_integers(block)
            rows += count
            yield keys
            if file.size >= FILE_BYTES or rows + count > FILE_ROWS:
                break
    written.append(FileEntry(key=key, rows=rows, size_bytes=file.size))


def _encoding(connection: psycopg.Connection) -> str:
    """UTF-8; of a database that has no encoding the bytes as they are: there the wrong ones are found row by row."""
    return "SQL_ASCII" if connection.info.parameter_status("server_encoding") == "SQL_ASCII" else "UTF8"
