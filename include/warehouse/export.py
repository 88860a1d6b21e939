"""What the warehouse held before there was a lake becomes its beginning: every version, and where one ended, once."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime

import psycopg
import pyarrow as pa
from psycopg import sql

from include.common.errors import DataError
from include.common.keys import KeySet
from include.common.manifests import FileEntry, Inputs, StarFiles
from include.common.postgres import connect, copy_out, identifiers, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.lake.arrow import parse_rows
from include.lake.changelog import Said, new_load
from include.lake.parquet import ParquetFile, parquet_file
from include.lake.rows import convert, exact_schema, star_schema
from include.lake.transform import write_calendar
from include.tables.drift import with_columns
from include.tables.numbering import number_of, same_key
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import VERSION_COLUMNS, Calendar, Column, Dimension, Fact, StarTable, is_versioned
from include.warehouse.merge import noted_deleted
from include.warehouse.told import found_keys, note, tell_gone, tell_keys
from include.warehouse.widen import wider_than

FROM, TO = VERSION_COLUMNS

UNKNOWN = "SELECT table_name FROM pipeline.load WHERE load_id IS NULL AND inputs <> '{}'"
"""Tables that were loaded while there was no lake."""

ENDED = sql.SQL("""
    SELECT {keys}, v.valid_to FROM {table} v
     WHERE v.valid_to IS NOT NULL AND NOT EXISTS (SELECT FROM {table} n WHERE {same} AND n.valid_from = v.valid_to)
     ORDER BY v.valid_to""")
CLAIM = f"{UNKNOWN.replace('table_name', 'inputs', 1)} AND table_name = %s FOR UPDATE"


def export(table: StarTable) -> None:
    """Note files of all that the warehouse holds of a table which was loaded while there was no lake.

    It may be repeated, and two may do it at once.

    Raises: DataError that names a row which Parquet has no form for; others as `postgres_errors` and `lake_errors`.
    """
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(table.name):
        row = connection.execute(CLAIM, [table.name]).fetchone()  # from here on no load changes the table
        if row:
            _export(connection, table, row[0])
        connection.commit()


def _export(connection: psycopg.Connection, table: StarTable, inputs: Inputs) -> None:
    """Note files of a table's rows in place of those that its loads noted."""
    connection.execute("DELETE FROM pipeline.file WHERE table_name = %s", [table.name])
    files = write_calendar(table) if isinstance(table, Calendar) else _write(connection, table, inputs)
    note(connection, files, files.files)
    connection.execute("UPDATE pipeline.load SET load_id = %s WHERE table_name = %s", [files.load_id, table.name])


def _write(connection: psycopg.Connection, declared: Dimension | Fact, inputs: Inputs) -> StarFiles:
    wider = wider_than(connection, declared)
    table = with_columns(declared, wider)
    assert not isinstance(table, Calendar)
    load_id, seen = new_load(), datetime.fromisoformat(max(inputs.values()))
    rows = write_rows(connection, table, Said(load_id, seen), sql.SQL("true"))
    ends = _write_ends(connection, table, Said(load_id, seen, "gone"))
    return StarFiles(
        table=table.name,
        load_id=load_id,
        inputs=inputs,
        source=None,
        files=[*rows, *ends],
        rejected=KeySet(),
        rejected_files=[],
        seconds=0,
        wider=wider,
    )


def write_rows(
    connection: psycopg.Connection, table: Dimension | Fact, said: Said, which: sql.Composable
) -> list[FileEntry]:
    """The rows that a condition chooses, as they were from their versions' beginning on; without versions as they are.

    Raises: DataError that names a row which Parquet has no form for; others as `postgres_errors` and `lake_errors`.
    """
    since = [Column(FROM, "timestamptz", FROM)] if is_versioned(table) else []
    own, seen = _from_itself(table), _from_itself(table, *since)
    names = [*seen.source.by_name, seen.source.carried]
    select = sql.SQL("COPY (SELECT {}, {} FROM {} WHERE {} ORDER BY {}) TO STDOUT (FORMAT csv)").format(
        identifiers(seen.source.by_name),
        number_of(table),
        sql.Identifier(table.name),
        which,
        identifiers([*(column.name for column in since), *table.key_columns]),
    )
    written = dict[bool, ParquetFile]()
    with ExitStack() as files:
        for block in copy_out(connection, select):
            batch = parse_rows(block, names, dict.fromkeys(names, pa.binary()))
            for as_text, rows in _converted(seen, batch):
                told = exact_schema(own) if as_text else star_schema(own)
                if as_text not in written:
                    written[as_text] = files.enter_context(parquet_file(table, said, told, as_text))
                written[as_text].write(rows.select(told.names), rows.column(FROM) if since else None)
    return [file.entry for file in written.values()]


def _converted(table: Dimension, batch: pa.RecordBatch) -> Iterator[tuple[bool, pa.RecordBatch]]:
    """The rows of a batch in their own form, and those with values that only their text tells."""
    found = convert(table, batch)
    if found.rejected is not None:
        reason = found.rejected.column("reason")[0].as_py()
        raise DataError(f"{table.name}: a row of the warehouse cannot be brought to the lake: {reason}")
    for as_text, rows in ((False, found.rows), (True, found.exact)):
        if rows is not None and rows.num_rows:
            yield as_text, rows


def _from_itself(table: Dimension | Fact, *more: Column) -> Dimension:
    """A table as one that is made from itself."""
    columns = (*table.columns, *more)
    source = tuple(SourceColumn(column.name, column.type, column.nullable) for column in columns)
    own = tuple(Column(column.name, column.type, column.name, column.nullable) for column in columns)
    return Dimension(table.name, table.key, SourceTable(table.name, table.key, source), own)


def _write_ends(connection: psycopg.Connection, table: Dimension | Fact, said: Said) -> list[FileEntry]:
    """The keys of versions that ended without another one, each with the instant; or of rows noted as deleted."""
    if not is_versioned(table):
        return tell_gone(connection, table, said, noted_deleted(connection, table.name))
    ended = ENDED.format(
        keys=sql.SQL(", ").join(sql.Identifier("v", key) for key in table.key_columns),
        table=sql.Identifier(table.name),
        same=same_key(table, "n", "v"),
    )
    return tell_keys(table, said, found_keys(connection, table, ended, TO), TO)
