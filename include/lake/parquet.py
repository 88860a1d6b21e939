"""Parquet files of a warehouse table, written a group of rows at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from include.common.manifests import FileEntry
from include.common.settings import PROCESSED_BUCKET, required_variable
from include.lake.changelog import LOAD, Said, as_written, constant, constants, file_schema
from include.lake.files import WriteOnceFile, new_key, read_file
from include.tables.star import StarTable

AT_ONCE = 8_192
"""How many values of a column are encoded at a time: 1,024, as Arrow has it, take an eighth longer."""


class ParquetFile:
    """A Parquet file that is being written, a group of rows at a time."""

    def __init__(self, file: WriteOnceFile, writer: pq.ParquetWriter, said: Said, as_text: bool) -> None:
        self._file, self._writer, self._said = file, writer, said
        self._rows, self._as_text = 0, as_text

    def write(self, rows: pa.RecordBatch, instants: pa.Array | None = None) -> None:
        """Take rows of the table, as they travel. instants: those that they show, where that is not one for all."""
        written = as_written(rows, self._said, self._writer.schema, instants)
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
    with _file(table, said, file_schema(table, rows)) as (file, writer):
        yield ParquetFile(file, writer, said, as_text)


@contextmanager
def _file(table: StarTable, said: Said, schema: pa.Schema) -> Iterator[tuple[WriteOnceFile, pq.ParquetWriter]]:
    repeated = list(constants(table).values())
    with WriteOnceFile(required_variable(PROCESSED_BUCKET), new_key(table.name, said.observed_at, "parquet")) as file:
        sink = pa.PythonFile(file, mode="w")
        options = {"use_dictionary": repeated, "store_schema": False, "write_batch_size": AT_ONCE}
        with pq.ParquetWriter(sink, schema, compression="zstd", **options) as writer:
            yield file, writer


def brought_again(table: StarTable, file: FileEntry, said: Said) -> FileEntry:
    """Write a file's rows anew, as those of another load.

    Raises: as `lake_errors`.
    """
    read = pq.ParquetFile(pa.BufferReader(read_file(required_variable(PROCESSED_BUCKET), file.key)))
    schema = read.schema_arrow
    place = schema.get_field_index(constants(table)[LOAD])
    with _file(table, said, schema) as (written, writer):
        for batch in read.iter_batches(use_threads=False):
            load = constant(said.load_id, batch.num_rows).dictionary_decode()
            writer.write_table(pa.Table.from_batches([batch.set_column(place, schema.field(place), load)]))
    return FileEntry(key=written.key, rows=file.rows, size_bytes=written.size, as_text=file.as_text)
