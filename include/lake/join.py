"""Small source tables joined into one: each row of the dimension's own source beside the rows that it refers to."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from include.common.manifests import FileEntry, SourceRead
from include.lake.blocks import read_blocks
from include.lake.rows import joined_name, needed_columns
from include.tables.schema import Dimension, Fact, Join

JOINED_ROWS = 4_096
"""Rows that are joined at a time: what they join is repeated for each."""

Joined = dict[str, pa.Table]
"""What a table is joined on → all rows of the other, the needed columns alone; all values as bytes of text."""


def read_joined(table: Dimension | Fact, reads: dict[str, SourceRead]) -> Joined:
    """The tables that a warehouse table joins, whole. Raises: as `read_blocks`."""
    return {join.on: _read_whole(table, join, reads[join.table.name]) for join in table.joins}


def _read_whole(table: Dimension | Fact, join: Join, read: SourceRead) -> pa.Table:
    columns = needed_columns(table, join.table)
    blocks = (block for file in read.files for block in read_blocks(table.name, file.key, columns))
    schema = pa.schema([(name, pa.binary()) for name in columns])
    return pa.Table.from_batches([block.as_bytes() for block in blocks], schema)


def join_file(table: Dimension | Fact, file: FileEntry, joined: Joined) -> Iterator[pa.RecordBatch]:
    """The rows of one file of the table's own source, with the rows that they join; all values as bytes of text.

    Columns of joined tables are named "table.column" and are NULL where there is no such row.
    """
    for block in read_blocks(table.name, file.key, needed_columns(table, table.source)):
        batch = block.as_bytes()
        for start in range(0, batch.num_rows, JOINED_ROWS):
            yield _join(table, batch.slice(start, JOINED_ROWS), joined)


def _join(table: Dimension | Fact, batch: pa.RecordBatch, joined: Joined) -> pa.RecordBatch:
    names, arrays = list(batch.schema.names), list(batch.columns)
    for join in table.joins:
        other = joined[join.on]
        keys = other.column(*join.table.key_columns).combine_chunks()
        found = other.take(pc.index_in(batch.column(join.on), value_set=keys))
        names += [joined_name(table, join, name) for name in found.column_names]
        arrays += [column.combine_chunks() for column in found.columns]
    return pa.record_batch(arrays, names=names)
