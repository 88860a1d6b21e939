"""Parquet files as PostgreSQL's COPY takes them, encoded ahead of the connection that sends them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from struct import pack
from typing import TypeVar

import pgpq
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from psycopg import sql
from pyarrow import csv

from include.common.manifests import FileEntry
from include.common.settings import PROCESSED_BUCKET, required_variable
from include.common.threads import Threads
from include.lake.arrow import as_hex
from include.lake.files import STREAMS, read_file
from include.lake.rows import name_beside
from include.tables.star import Column, StarTable
from include.tables.types import known_type
from include.warehouse.binary import FORMS, Forms, binary_forms

HEADER = b"PGCOPY\n\xff\r\n\0" + pack(">ii", 0, 0)
TRAILER = pack(">h", -1)
"""What begins and ends a binary COPY. Source: "Binary Format" in PostgreSQL's manual on COPY."""

RECORD_ID = "\0record_id"
"""The column of the rows' numbers, before it has its own name: one that no column of PostgreSQL's has."""

BATCH_ROWS = 8_192
BATCH_BYTES = 1 << 20
"""The most rows, and about how many bytes, that are encoded at a time: a COPY is never joined or copied whole."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Copy:
    """Rows of Parquet files as the bytes of a COPY, and the options that it takes."""

    options: sql.SQL
    blocks: Iterator[bytes]


BINARY, CSV = sql.SQL("FORMAT binary"), sql.SQL("FORMAT csv")


def copies(table: StarTable, files: list[FileEntry], first_id: int | None = None) -> Iterator[Copy]:
    """The rows of a table's files as COPYs, to be sent in this order; with `first_id` each begins with its number.

    Binary, which servers take fastest, where all values have a form for it.
    """
    plain, told = [file for file in files if not file.as_text], [file for file in files if file.as_text]
    after = None if first_id is None else first_id + sum(file.rows for file in plain)
    if binary_forms(table.columns) is None:
        yield Copy(CSV, _csv(table.columns, plain, first_id))
    else:
        yield Copy(BINARY, encoded(table.columns, plain, first_id))
    if told:
        yield Copy(CSV, _csv(table.columns, told, after))


def encoded(columns: Sequence[Column], files: list[FileEntry], first_id: int | None = None) -> Iterator[bytes]:
    """The rows of Parquet files as one binary COPY; with `first_id`, each row begins with its number.

    columns: those that are sent, in the files' order, each of a type that has a binary form.
    """
    forms = binary_forms(columns)
    assert forms is not None
    yield HEADER
    yield from _in_order(partial(_encode, columns, forms), files, first_id)
    yield TRAILER


def encoded_texts(columns: Sequence[Column], files: list[FileEntry]) -> Iterator[bytes]:
    """As `encoded`, with each value as the text that PostgreSQL writes; of any types."""
    yield HEADER
    yield from _in_order(partial(_encode_texts, columns), files, None)
    yield TRAILER


def _csv(columns: Sequence[Column], files: list[FileEntry], first_id: int | None) -> Iterator[bytes]:
    return _in_order(partial(_write_csv, columns), files, first_id)


@dataclass(frozen=True)
class Group:
    """A group of rows of a Parquet file. as_text: as in `FileEntry`. first_id: the number of its first row, if any."""

    content: bytes
    metadata: pq.FileMetaData
    number: int
    as_text: bool
    first_id: int | None

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of its rows, fewer at a time where they are long."""
        group = self.metadata.row_group(self.number)
        rows = int(max(1, min(BATCH_ROWS, BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1))))
        file = pq.ParquetFile(pa.BufferReader(self.content), metadata=self.metadata)
        found: Iterator[pa.RecordBatch] = file.iter_batches(rows, [self.number], columns, use_threads=False)
        return found


def _in_order(encode: Callable[[Group], list[bytes]], files: list[FileEntry], first_id: int | None) -> Iterator[bytes]:
    """The blocks of each group of rows. While one is sent, the next STREAMS are encoded; no more are held."""
    for blocks in _ahead(STREAMS, encode, _groups(files, first_id)):
        yield from blocks


def _groups(files: list[FileEntry], first_id: int | None) -> Iterator[Group]:
    """The groups of rows of all files, each of which is fetched while those of the one before are encoded."""
    fetch = partial(read_file, required_variable(PROCESSED_BUCKET))
    contents = _ahead(1, fetch, [file.key for file in files])
    for file, content in zip(files, contents, strict=True):
        metadata = pq.read_metadata(pa.BufferReader(content))
        for number in range(metadata.num_row_groups):
            yield Group(content, metadata, number, file.as_text, first_id)
            first_id = None if first_id is None else first_id + metadata.row_group(number).num_rows


def _encode(columns: Sequence[Column], forms: Forms, group: Group) -> list[bytes]:
    schema, batches = _read(columns, group)
    if forms:
        schema = pa.schema(
            [field.with_type(forms[field.name].type) if field.name in forms else field for field in schema]
        )
        batches = (_in_forms(forms, schema, batch) for batch in batches)
    return _encode_batches(schema, batches)


def _in_forms(forms: Forms, schema: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    named = zip(schema.names, batch.columns, strict=True)
    arrays = [forms[name].make(values) if name in forms else values for name, values in named]
    return pa.record_batch(arrays, schema=schema)


def _encode_texts(columns: Sequence[Column], group: Group) -> list[bytes]:
    _, batches = _read(columns, group)
    schema = pa.schema([(column.name, pa.string()) for column in columns])
    return _encode_batches(schema, map(partial(as_texts, columns), batches))


def _encode_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> list[bytes]:
    encoder = pgpq.ArrowToPostgresBinaryEncoder(schema)
    encoder.write_header()
    return [*map(encoder.write_batch, batches), encoder.finish().removesuffix(TRAILER)]


def _write_csv(columns: Sequence[Column], group: Group) -> list[bytes]:
    """Quoted texts, and nothing for NULL, as COPY takes it."""
    _, batches = _read(columns, group)
    return [csv_block(as_texts(columns, batch)) for batch in batches]


def csv_block(batch: pa.RecordBatch) -> bytes:
    """A batch of texts as CSV: each in quotes, and nothing for NULL."""
    sink = pa.BufferOutputStream()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=False))
    return bytes(sink.getvalue())


def as_texts(columns: Sequence[Column], batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch with each value as a text that PostgreSQL reads; what a column beside tells is put in place.

    Before the columns may stand the rows' numbers.
    """
    numbers = [name for name in batch.schema.names if name == RECORD_ID]
    texts = [batch.column(name).cast(pa.string()) for name in numbers]
    texts += [_texts_of(column, batch, name_beside(column.name, columns)) for column in columns]
    return pa.record_batch(texts, names=[*numbers, *_names(columns)])


def _names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def _texts_of(column: Column, batch: pa.RecordBatch, beside: str) -> pa.Array:
    values, kind = batch.column(column.name), known_type(column.type)
    if kind.family == "time" and not kind.array:
        values = FORMS["time"].make(values)
    texts = as_hex(values) if pa.types.is_binary(values.type) else values.cast(pa.string())
    return pc.coalesce(batch.column(beside), texts) if beside in batch.schema.names else texts


def _read(columns: Sequence[Column], group: Group) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema and the batches of a group's rows, with their numbers where there is a first one.

    What stands beside the columns is not read, but for their texts.
    """
    names = {*_names(columns), *(name_beside(name, columns) for name in _names(columns) if group.as_text)}
    found = [field for field in group.metadata.schema.to_arrow_schema() if field.name in names]
    numbered = [] if group.first_id is None else [pa.field(RECORD_ID, pa.int32())]
    batches = group.batches([field.name for field in found])
    return pa.schema([*numbered, *found]), _numbered(batches, group.first_id)


def _numbered(batches: Iterable[pa.RecordBatch], first_id: int | None) -> Iterator[pa.RecordBatch]:
    """The batches, each row beginning with its number where there is a first one."""
    for batch in batches:
        if first_id is None:
            yield batch
        else:
            yield batch.add_column(0, RECORD_ID, pa.arange(first_id, first_id + batch.num_rows).cast(pa.int32()))
            first_id += batch.num_rows


def _ahead(count: int, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work` done on each item, in order, at most `count` items ahead of the one that is taken."""
    with Threads(count) as threads:
        pending: deque[Future[Result]] = deque()
        for item in items:
            if len(pending) == count:
                yield pending.popleft().result()
            pending.append(threads.submit(work, item))
        while pending:
            yield pending.popleft().result()
