"""What a load tells the lake: keys that the source no longer has, rows that the warehouse refused, the files in it."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import psycopg
import pyarrow as pa
from psycopg import sql

from include.common.keys import STATEMENT_KEYS, KeySet
from include.common.manifests import FileEntry, StarFiles
from include.common.postgres import copy_out, identifiers
from include.lake.arrow import cast_each, parse_rows
from include.lake.changelog import INSTANT, Kind, Said
from include.lake.parquet import ParquetFile, parquet_file
from include.lake.rows import convert_keys, key_schema
from include.tables.numbering import among
from include.tables.star import Dimension, Fact, is_versioned

BROUGHT = """
    INSERT INTO pipeline.brought (key, table_name, rows, size_bytes) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"""


def saying(files: StarFiles, kind: Kind) -> Said:
    """What a file says that the load of `files` writes itself."""
    assert files.source is not None
    return Said(files.load_id, files.source.observed_at, kind)


def tell_gone(connection: psycopg.Connection, table: Dimension | Fact, said: Said, keys: KeySet) -> list[FileEntry]:
    """Write the keys of current rows with these numbers as a Parquet file; no key, no file.

    Raises: as `lake_errors`.
    """
    current = sql.SQL("valid_to IS NULL" if is_versioned(table) else "true")
    columns, name = identifiers(table.key_columns), sql.Identifier(table.name)
    select = sql.SQL("SELECT {} FROM {} WHERE {} AND {}")
    parts = (select.format(columns, name, current, among(table, part)) for part in keys.slices(STATEMENT_KEYS))
    return tell_keys(table, said, (batch for part in parts for batch in found_keys(connection, table, part)))


def found_keys(
    connection: psycopg.Connection, table: Dimension | Fact, query: sql.Composable, *more: str
) -> Iterator[pa.RecordBatch]:
    """The texts of the keys that a query gives, part by part as `table` has them. more: what it gives beside."""
    names = [*table.key_columns, *more]
    for block in copy_out(connection, sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)):
        yield parse_rows(block, names, dict.fromkeys(names, pa.string()))


def tell_keys(
    table: Dimension | Fact, said: Said, batches: Iterable[pa.RecordBatch], seen: str = ""
) -> list[FileEntry]:
    """Write keys as a Parquet file; none where there is no batch.

    batches: of their texts. seen: the column that has the instant of each, where that is not one for all.

    Raises: as `lake_errors`.
    """
    file: ParquetFile | None = None
    with ExitStack() as written:
        for batch in batches:
            file = file or written.enter_context(parquet_file(table, said, key_schema(table)))
            instants = cast_each(batch.column(seen), INSTANT)[0] if seen else None
            file.write(convert_keys(table, batch.select(list(table.key_columns))), instants)
    return [file.entry] if file else []


def note(connection: psycopg.Connection, files: StarFiles, entries: list[FileEntry]) -> None:
    """Note in the load's own transaction which files it brought, and that the lake is to have them.

    files: what they are part of.
    """
    statement = """
        INSERT INTO pipeline.file (key, table_name, load_id, inputs, wider, rows, size_bytes)
             VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
    load = (files.table, files.load_id, json.dumps(files.inputs), json.dumps(files.wider))
    rows = [(file.key, *load, file.rows, file.size_bytes) for file in entries]
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
        cursor.executemany(BROUGHT, [(file.key, files.table, file.rows, file.size_bytes) for file in entries])
