"""Declared types as Arrow's, CSV of PostgreSQL as typed batches, and conversions that name what they refuse."""

from collections.abc import Iterator
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from include.tables.schema import SourceTable, kind

BLOCK_BYTES = 4 << 20
"""How much CSV is parsed at a time, if no row is longer."""

ARROW_TYPES: dict[str, pa.DataType] = {
    "integer": pa.int32(),
    "text": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.time32("ms"),
    "timestamp(3)": pa.timestamp("ms"),
}


def arrow_type(declared: str) -> pa.DataType:
    """The Arrow type of a declared one; varchar and enums are strings, numeric(p,s) is decimal128(p, s)."""
    if kind(declared) == "numeric":
        precision, scale = declared.removeprefix("numeric(").removesuffix(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    return ARROW_TYPES[kind(declared)]


def read_csv(
    stream: IO[bytes], table: SourceTable, columns: list[str], typed: bool, block_bytes: int
) -> Iterator[pa.RecordBatch]:
    """The named columns of a CSV file that PostgreSQL wrote, batch by batch.

    typed: parse each column as its declared type, all the values being right; else leave all as text.
    block_bytes: how much is parsed at a time; no row may be longer.
    An empty field is NULL, `""` is an empty text.

    Raises: pyarrow.ArrowInvalid where a value is not of its declared type, or a row too long.
    """
    types = {name: arrow_type(table.by_name[name].type) if typed else pa.string() for name in columns}
    options = csv.ConvertOptions(
        include_columns=columns,
        column_types=types,
        null_values=[""],
        true_values=["t"],
        false_values=["f"],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parse = csv.ParseOptions(newlines_in_values=True)
    with csv.open_csv(stream, csv.ReadOptions(block_size=block_bytes), parse, options) as reader:
        yield from reader


def cast_each(values: pa.Array, target: pa.DataType) -> tuple[pa.Array, list[int]]:
    """The values as another type, and the positions of those that cannot be: they become NULL.

    Whole runs of right values are cast at once; only where a cast fails is the run halved.
    """
    try:
        return _cast(values, target), []
    except pa.ArrowInvalid:
        if len(values) <= 1:
            return pa.nulls(1, target), [0]
    middle = len(values) // 2
    left, left_wrong = cast_each(values[:middle], target)
    right, right_wrong = cast_each(values[middle:], target)
    return pa.concat_arrays([left, right]), left_wrong + [middle + position for position in right_wrong]


def _cast(values: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_string(values.type) and pa.types.is_boolean(target):
        if not pc.all(pc.is_in(values, pa.array(["t", "f", None])), min_count=0).as_py():
            raise pa.ArrowInvalid("a boolean is t or f")
        return pc.equal(values, "t")
    return values.cast(target)
