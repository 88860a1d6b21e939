"""Parquet files as PostgreSQL's binary COPY format, encoded ahead of the connection that sends them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import accumulate
from struct import pack
from typing import TypeVar

import pgpq
import pyarrow as pa
import pyarrow.parquet as pq

from include.common.manifests import FileEntry
from include.common.settings import PROCESSED_BUCKET, required_variable
from include.common.threads import Threads
from include.lake.files import STREAMS, read_file

HEADER = b"PGCOPY\n\xff\r\n\0" + pack(">ii", 0, 0)
TRAILER = pack(">h", -1)
"""What begins and ends a binary COPY. Source: "Binary Format" in PostgreSQL's manual on COPY."""

RECORD_ID = "record_id"
BATCH_ROWS = 8_192
BATCH_BYTES = 1 << 20
"""The most rows, and about how many bytes, that are encoded at a time: a COPY is never joined or copied whole."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def encoded(files: list[FileEntry], first_id: int | None = None) -> Iterator[bytes]:
    """The rows of Parquet files as one binary COPY; with `first_id`, each row begins with its number, counted from it.

    While one file is sent, the next STREAMS are fetched and encoded; no more are held in memory.
    """
    starts = accumulate((file.rows for file in files), initial=first_id or 0)
    work = [(file, start if first_id is not None else None) for file, start in zip(files, starts, strict=False)]
    yield HEADER
    for blocks in _ahead(_encode, work):
        yield from blocks
    yield TRAILER


def _encode(work: tuple[FileEntry, int | None]) -> list[bytes]:
    file, first_id = work
    parquet = pq.ParquetFile(pa.BufferReader(read_file(required_variable(PROCESSED_BUCKET), file.key)))
    numbered = [] if first_id is None else [pa.field(RECORD_ID, pa.int32())]
    encoder = pgpq.ArrowToPostgresBinaryEncoder(pa.schema([*numbered, *parquet.schema_arrow]))
    encoder.write_header()
    batches = _numbered(parquet.iter_batches(_batch_rows(parquet.metadata), use_threads=False), first_id)
    return [*map(encoder.write_batch, batches), encoder.finish().removesuffix(TRAILER)]


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """How many rows of a file are encoded at a time: fewer where they are long."""
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    return int(max(1, min(BATCH_ROWS, BATCH_BYTES * metadata.num_rows // max(size, 1))))


def _numbered(batches: Iterable[pa.RecordBatch], first_id: int | None) -> Iterator[pa.RecordBatch]:
    """The batches, each row beginning with its number where there is a first one."""
    for batch in batches:
        if first_id is None:
            yield batch
        else:
            yield batch.add_column(0, RECORD_ID, pa.arange(first_id, first_id + batch.num_rows).cast(pa.int32()))
            first_id += batch.num_rows


def _ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work` done on each item, in order, at most STREAMS items ahead of the one that is taken."""
    with Threads(STREAMS) as threads:
        pending: deque[Future[Result]] = deque()
        for item in items:
            if len(pending) == STREAMS:
                yield pending.popleft().result()
            pending.append(threads.submit(work, item))
        while pending:
            yield pending.popleft().result()
