"""Blocks of CSV that PostgreSQL wrote as Arrow or Parquet."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from include.lake.arrow import DECIMAL_DIGITS, parse_rows, parsed_type
from serve.relations import Field

GROUP_BYTES = 16 << 20
"""How much CSV becomes one group of rows in Parquet."""


def served_type(declared: str) -> pa.DataType:
    """The type in Arrow of a declared one, in the widest form of its kind: a column may have been widened since."""
    found = parsed_type(declared)
    if pa.types.is_integer(found):
        return pa.int64()
    if pa.types.is_decimal(found):
        return pa.decimal128(DECIMAL_DIGITS, found.scale)
    if pa.types.is_time(found):
        return pa.time64("us")
    return pa.timestamp("us", found.tz) if pa.types.is_timestamp(found) else found


class Writer:
    """Writes one table; what was written is taken away block by block."""

    def __init__(self, kind: str, fields: Mapping[str, Field]) -> None:
        self._schema = pa.schema([(name, served_type(field.type)) for name, field in fields.items()])
        self._sink, self._waiting, self._size = _Sink(), list[pa.RecordBatch](), 0
        self._group = GROUP_BYTES if kind == "parquet" else 0
        if kind == "parquet":
            self._writer = pq.ParquetWriter(pa.PythonFile(self._sink, mode="w"), self._schema, compression="zstd")
        else:
            self._writer = ipc.new_stream(pa.PythonFile(self._sink, mode="w"), self._schema)

    def write(self, block: bytes) -> bytes:
        """Take whole rows of CSV; gives what is written so far, maybe nothing."""
        types = dict(zip(self._schema.names, self._schema.types, strict=True))
        self._waiting.append(parse_rows(block, self._schema.names, types))
        self._size += len(block)
        if self._size > self._group:
            self._flush()
        return self._sink.take()

    def end(self) -> bytes:
        """The end of the file."""
        self._flush()
        self._writer.close()
        return self._sink.take()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
        self._waiting, self._size = [], 0


class _Sink:
    """A file that is read away while it is written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content
