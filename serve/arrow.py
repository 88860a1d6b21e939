"""Blocks of CSV that PostgreSQL wrote as Arrow or Parquet."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from include.lake.arrow import parse_rows
from serve.exact import served_type, split
from serve.relations import Field

GROUP_BYTES = 16 << 20
"""How much CSV becomes one group of rows in Parquet."""


class Writer:
    """Writes one table; what was written is taken away block by block.

    beside: of a column with values that Arrow has no form for, the one that tells their texts; those stand last.
    """

    def __init__(self, kind: str, fields: Mapping[str, Field], beside: Mapping[str, str]) -> None:
        self._types = {name: served_type(field.type) for name, field in fields.items()}
        self._beside = beside
        self._schema = pa.schema([*self._types.items(), *((name, pa.string()) for name in beside.values())])
        self._sink, self._waiting, self._size = _Sink(), list[pa.RecordBatch](), 0
        self._group = GROUP_BYTES if kind == "parquet" else 0
        if kind == "parquet":
            self._writer = pq.ParquetWriter(pa.PythonFile(self._sink, mode="w"), self._schema, compression="zstd")
        else:
            self._writer = ipc.new_stream(pa.PythonFile(self._sink, mode="w"), self._schema)

    def write(self, block: bytes) -> bytes:
        """Take whole rows of CSV; gives what is written so far, maybe nothing."""
        self._waiting.append(self._batch(block))
        self._size += len(block)
        if self._size > self._group:
            self._flush()
        return self._sink.take()

    def _batch(self, block: bytes) -> pa.RecordBatch:
        parsed = parse_rows(block, [*self._types], self._types | dict.fromkeys(self._beside, pa.string()))
        columns = dict(zip(self._types, parsed.columns, strict=True))
        for name, text in self._beside.items():
            columns[name], columns[text] = split(columns[name], self._types[name])
        return pa.record_batch([*columns.values()], schema=self._schema)

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
