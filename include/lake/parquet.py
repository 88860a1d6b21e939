"""Parquet files of a warehouse table, written a group of rows at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from include.common.manifests import FileEntry
from include.common.settings import PROCESSED_BUCKET, required_variable
from include.lake.changelog import Said, as_written, constants, file_schema
from include.lake.files import WriteOnceFile, new_key
from include.tables.star import StarTable


class ParquetFile:
    """A Parquet file that is being written, a group of rows at a time."""

    def __init__(self, file: WriteOnceFile, writer: pq.ParquetWriter, said: Said, as_text: bool) -> None:
        self._file, self._writer, self._said = file, writer, said
        self._rows, self._as_text = 0, as_text

    def write(self, rows: pa.RecordBatch) -> None:
        """Take rows of the table, as they travel."""
        written = as_written(rows, self._said, self._writer.schema)
        self._writer.write_table(pa.Table.from_batches([written]))  # which holds nothing back, as write_batch does
        self._rows += rows.num_rows

    @property
    def entry(self) -> FileEntry:
        """The file, once it is whole."""
        return FileEntry(key=self._file.key, rows=self._rows, size_bytes=self._file.size, as_text=self._as_text)


@contextmanager
def parquet_file(table: StarTable, said: Said, rows: pa.Schema, as_text: bool = False) -> Iterator[ParquetFile]:
    """A new Parquet file (zstd) of a warehouse table, which is whole at the end.

    rows: the schema of what it takes. as_text: as in `FileEntry`.

    Raises: as `lake_errors`.
    """
    key, schema = new_key(table.name, said.observed_at, "parquet"), file_schema(table, rows)
    repeated = list(constants(table).values())
    with WriteOnceFile(required_variable(PROCESSED_BUCKET), key) as file:
        sink = pa.PythonFile(file, mode="w")
        with pq.ParquetWriter(sink, schema, compression="zstd", use_dictionary=repeated, store_schema=False) as writer:
            yield ParquetFile(file, writer, said, as_text)
