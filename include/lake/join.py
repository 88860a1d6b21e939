"""Small source tables joined into one, whole with whole, as pandas does it best."""

from typing import cast

import pandas as pd
import pyarrow as pa

from include.common.manifests import SourceRead
from include.common.settings import INGESTION_BUCKET, required_variable
from include.lake.arrow import read_csv
from include.lake.files import open_file
from include.lake.rows import needed_columns
from include.tables.schema import Dimension
from include.tables.sources import SOURCES

TEXT = pd.ArrowDtype(pa.string())


def join_sources(table: Dimension, reads: dict[str, SourceRead]) -> pa.RecordBatch:
    """Every row of the dimension's own source, with the rows that it joins; all values as text.

    Columns of joined tables are named "table.column" and are NULL where there is no such row.
    """
    joined = _read_whole(table, reads[table.source])
    for join in table.joins:
        other = _read_whole(table, reads[join.table]).add_prefix(f"{join.table}.")
        key = f"{join.table}.{SOURCES[join.table].key}"
        joined = joined.merge(other, how="left", left_on=join.on, right_on=key, validate="many_to_one")
    rows = pa.Table.from_pandas(joined.astype(TEXT), preserve_index=False)
    return rows.combine_chunks().to_batches()[0] if rows.num_rows else pa.RecordBatch.from_pylist([], rows.schema)


def _read_whole(table: Dimension, read: SourceRead) -> pd.DataFrame:
    names = needed_columns(table, read.table)
    batches = []
    for file in read.files:
        with open_file(required_variable(INGESTION_BUCKET), file.key) as stream:
            batches += list(read_csv(stream, SOURCES[read.table], names, typed=False, block_bytes=file.size_bytes))
    schema = pa.schema([(name, pa.string()) for name in names])
    rows = pa.Table.from_batches(batches, schema)
    return cast(pd.DataFrame, rows.to_pandas(types_mapper=pd.ArrowDtype))
