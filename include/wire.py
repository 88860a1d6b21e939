"""Parquet files as PostgreSQL's binary COPY format, encoded ahead of the connection that sends them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from struct import pack
from typing import TypeVar

import numpy as np
import pgpq
import pyarrow as pa
import pyarrow.parquet as pq

from include.lake import read_file
from include.landing import STREAMS
from include.manifests import FileEntry
from include.settings import PROCESSED_BUCKET, required_variable

HEADER = b"PGCOPY\n\xff\r\n\0" + pack(">ii", 0, 0)
TRAILER = pack(">h", -1)
"""What begins and ends a binary COPY. Source: "Binary Format" in PostgreSQL's manual on COPY."""

RECORD_ID = "record_id"

Item = TypeVar("Item")
Result = TypeVar("Result")


def encoded(files: list[FileEntry], first_id: int | None = None) -> Iterator[bytes]:
    """The rows of Parquet files as one binary COPY; with `first_id`, each row begins with its number, counted from it.

    While one file is sent, the next STREAMS are fetched and encoded; no more are held in memory.
    """
    starts = accumulate((file.rows for file in files), initial=first_id or 0)
    work = [(file, start if first_id is not None else None) for file, start in zip(files, starts, strict=False)]
    yield HEADER
    yield from _ahead(_encode, work)
    yield TRAILER


def _encode(work: tuple[FileEntry, int | None]) -> bytes:
    file, first_id = work
    rows = pq.read_table(pa.BufferReader(read_file(required_variable(PROCESSED_BUCKET), file.key)), use_threads=False)
    if first_id is not None:
        ids = pa.array(np.arange(first_id, first_id + rows.num_rows, dtype=np.int32))
        rows = rows.add_column(0, RECORD_ID, ids)
    encoder = pgpq.ArrowToPostgresBinaryEncoder(rows.schema)
    encoder.write_header()
    blocks = [encoder.write_batch(batch) for batch in rows.to_batches()]
    return b"".join([*blocks, encoder.finish().removesuffix(TRAILER)])


def _ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work` done on each item, in order, at most STREAMS items ahead of the one that is taken."""
    with ThreadPoolExecutor(STREAMS) as threads:
        pending: deque[Future[Result]] = deque()
        for item in items:
            if len(pending) == STREAMS:
                yield pending.popleft().result()
            pending.append(threads.submit(work, item))
        while pending:
            yield pending.popleft().result()
