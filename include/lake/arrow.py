"""Declared types as Arrow's, CSV of PostgreSQL as batches, and conversions that name what they refuse."""

from codecs import getincrementaldecoder
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from include.tables.schema import kind

ARROW_TYPES: dict[str, pa.DataType] = {
    "integer": pa.int32(),
    "text": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.time32("ms"),
    "timestamp(3)": pa.timestamp("ms"),
}


SHOWN_BYTES = 120
"""How much of a value is shown."""


def arrow_type(declared: str) -> pa.DataType:
    """The Arrow type of a declared one; varchar and enums are strings, numeric(p,s) is decimal128(p, s)."""
    if kind(declared) == "numeric":
        precision, scale = declared.removeprefix("numeric(").removesuffix(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    return ARROW_TYPES[kind(declared)]


def parse_rows(block: bytes, header: list[str], types: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    """Whole rows of CSV that PostgreSQL wrote as a batch.

    header: the columns of the file, in its order. types: those that are wanted, each with the Arrow type to parse it
    as; pa.binary() takes any value, byte for byte.
    An empty field is NULL, `""` is an empty text.

    It is parsed as one block whatever its size: Arrow drops a line feed that begins a block after a carriage return
    that ended the one before, though both be in a quoted value (apache/arrow, cpp/src/arrow/csv/reader.cc).

    Raises: pyarrow.ArrowInvalid where a value is not of its type, or the rows have another number of columns.
    """
    read = csv.ReadOptions(column_names=header, block_size=len(block) + 1, use_threads=False)
    parse = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
    options = csv.ConvertOptions(
        include_columns=list(types),
        column_types=types,
        null_values=[""],
        true_values=["t"],
        false_values=["f"],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    (batch,) = csv.read_csv(pa.BufferReader(block), read, parse, options).combine_chunks().to_batches()
    return batch


def cast_each(values: pa.Array, target: pa.DataType) -> tuple[pa.Array, list[int]]:
    """The values as another type, and the positions of those that cannot be: they become NULL.

    Whole runs of right values are cast at once; only where a cast fails is the run halved.
    """
    try:
        return _cast(values, target), []
    except pa.ArrowInvalid:
        if len(values) == 1:
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
    converted = values.cast(target)
    if pa.types.is_string(values.type) and pa.types.is_temporal(target) and not pa.types.is_time(target):
        _require_years(converted)
    return converted


def _require_years(values: pa.Array) -> None:
    """Refuse the year 0000, which Arrow reads and no calendar has. Raises: pyarrow.ArrowInvalid."""
    first = pc.min(pc.year(values)).as_py()
    if first is not None and first < 1:
        raise pa.ArrowInvalid("there is no year 0000")


def show(values: pa.Array, position: int) -> str:
    """A value for people, whatever it is: short, its control characters escaped; NULL for none."""
    part = values[position : position + 1]
    if part.null_count:
        return "NULL"
    if not pa.types.is_binary(part.type):
        part = part.cast(pa.string()).cast(pa.binary())
    start = pc.binary_slice(part, 0, SHOWN_BYTES)[0].as_py()
    more = pc.binary_length(part)[0].as_py() - len(start)
    text = getincrementaldecoder("utf-8")("surrogateescape").decode(start, final=not more)
    shown = printable(text).replace("\\udc", "\\x")  # bytes that are no UTF-8
    return f"{shown}… ({len(start) + more:,} bytes)" if more else shown


def printable(text: str) -> str:
    """A text with what cannot be printed, and backslashes, escaped as Python does."""
    return repr(text)[1:-1]
