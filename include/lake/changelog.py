"""What Parquet files hold: a warehouse table's columns in forms that every engine reads, and what tells of a change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal
from uuid import uuid4

import numpy as np
import pyarrow as pa

from include.common.errors import DeclarationError
from include.tables.coherence import origins_of
from include.tables.source import SourceColumn
from include.tables.star import Calendar, Column, StarTable
from include.tables.types import STAMPS, known_type

Kind = Literal["row", "gone", "refused", "slice", "end"]
"""What a row of a file says: that the source had a row of these values; that it has none of this key any more; that the
warehouse refused the row of this key that the same load brought. Of a load that was read in slices: that a slice had a
row of these values, which counts from the instant of the load's `end` on unless another row of the load has its key."""

CREATED, UPDATED = "created_at", "last_updated"
"""What is told of a row beside its columns: when it was made and last written, as far as the source tells."""

OBSERVED, LOAD, KIND = "observed_at", "load_id", "kind"
"""What is told of every row: the source's instant that the reading shows, the load that brought it, what it says."""

FIELD_ID = b"PARQUET:field_id"
FIELD_IDS = 1 << 30
"""How many ids fields may have; Iceberg keeps those of its own near the greatest integer of 32 bits."""

INSTANT = pa.timestamp("us", "UTC")
CONSTANT = pa.dictionary(pa.int32(), pa.string())
"""The type of columns that say the same in all rows, as they are written; read, they are texts."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """What all rows of a file say."""

    load_id: str
    observed_at: datetime
    kind: Kind = "row"


def new_load() -> str:
    """An id that no other load has."""
    return uuid4().hex


def file_form(carried: pa.DataType) -> pa.DataType:
    """The type in Parquet of values that travel as this one: one that Iceberg has, and all engines read.

    A time of day is its microseconds, since Spark, Athena and Redshift read no table with a column of Iceberg's `time`.
    """
    if pa.types.is_time(carried):
        return pa.int64()
    if pa.types.is_int16(carried):
        return pa.int32()
    return pa.timestamp("us", carried.tz) if pa.types.is_timestamp(carried) else carried


def in_file_form(values: pa.Array) -> pa.Array:
    """Values as `file_form` has them."""
    if pa.types.is_time(values.type):
        values = values.cast(pa.time64("us"))
    return values.cast(file_form(values.type))


def stamps(table: StarTable) -> dict[str, SourceColumn]:
    """The stamps that stand beside a table's columns, under the names that they have there.

    None of those that the table itself shows as instants.
    """
    if isinstance(table, Calendar):
        return {}
    own, shown = table.source, zip(table.columns, origins_of(table), strict=True)
    held = {
        origin.column.name
        for column, origin in shown
        if origin.table == own and not origin.on and known_type(column.type).family in STAMPS
    }
    declared = {CREATED: own.created, UPDATED: own.stamp}
    return {free(table.columns, name): own.by_name[of] for name, of in declared.items() if of and of not in held}


def free(columns: Sequence[Column], name: str) -> str:
    """A name for what stands beside a table's columns: one that none of them has."""
    taken = {column.name for column in columns}
    while name in taken:
        name += "_"
    return name


def file_schema(table: StarTable, rows: pa.Schema) -> pa.Schema:
    """The schema of Parquet files of a table. rows: what they are made of, as it travels."""
    fields = [(field.name, file_form(field.type), field.nullable) for field in rows]
    said = {OBSERVED: INSTANT, LOAD: CONSTANT, KIND: CONSTANT}
    fields += [(free(table.columns, name), kind, False) for name, kind in said.items()]
    ids = {name: field_id(name, kind) for name, kind, _ in fields}
    if len({*ids.values()}) < len(ids):
        raise DeclarationError(f"{table.name}: two of its columns have one number: call one otherwise; {ids}")
    return pa.schema([pa.field(name, kind, nullable, {FIELD_ID: str(ids[name])}) for name, kind, nullable in fields])


def field_id(name: str, kind: pa.DataType) -> int:
    """The number by which Iceberg knows a column, whatever is declared before or after it.

    It is made of the column's name and of what its values are, so that a column that was declared otherwise before is
    another one. One that was made wider is the same.
    """
    return int.from_bytes(sha256(f"{name} {_family(kind)}".encode()).digest()[:8]) % FIELD_IDS + 1


def _family(kind: pa.DataType) -> str:
    """What stays the same where a type is made wider."""
    if pa.types.is_dictionary(kind):
        return _family(kind.value_type)
    if pa.types.is_decimal(kind):
        return f"decimal of {kind.scale} digits"
    families = {"integer": pa.types.is_integer, "floating": pa.types.is_floating}
    return next((family for family, fits in families.items() if fits(kind)), str(kind))


def as_written(rows: pa.RecordBatch, said: Said, schema: pa.Schema, instants: pa.Array | None) -> pa.RecordBatch:
    """Rows as they travel, in a file's schema. instants: of each the one that it shows, in place of the file's."""
    count = rows.num_rows
    seen = instants if instants is not None else _instants(said.observed_at, count)
    told = [seen, constant(said.load_id, count), constant(said.kind, count)]
    return pa.record_batch([*map(in_file_form, rows.columns), *told], schema=schema)


def _instants(instant: datetime, count: int) -> pa.Array:
    told = np.full(count, (instant.astimezone(UTC) - EPOCH) // timedelta(microseconds=1), np.int64)
    return pa.Array.from_buffers(INSTANT, count, [None, pa.py_buffer(told)])


def constant(text: str, count: int) -> pa.DictionaryArray:
    """A text, again and again; made of buffers, as Arrow imports pandas for values of Python's."""
    content = text.encode()
    ends = np.array([0, len(content)], np.int32)
    told = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(content)])
    indices = pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(np.zeros(count, np.int32))])
    return pa.DictionaryArray.from_arrays(indices, told)


def constants(table: StarTable) -> Mapping[str, str]:
    """What is told of every row → the name that it has beside this table's columns."""
    return {name: free(table.columns, name) for name in (OBSERVED, LOAD, KIND)}
