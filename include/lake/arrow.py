"""Declared types as Arrow's, CSV of PostgreSQL as batches, and conversions that name what they refuse."""

from codecs import getincrementaldecoder
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from include.tables.types import STAMPS, Type, known_type

PLAIN_TYPES: dict[str, pa.DataType] = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "bytea": pa.binary(),
}

MILLISECONDS = 3
"""The digits of a second up to which Arrow counts in milliseconds."""

DECIMAL_DIGITS = 38
"""The most digits of a number with a scale that engines read as one; longer ones travel as text."""

AS_TEXT = "_as_text"
"""What is added to the name of a column for the one that tells the texts of values which have no form here."""

SHOWN_BYTES = 120
"""How much of a value is shown."""


def arrow_type(declared: str) -> pa.DataType:
    """The Arrow type, and so that of Parquet, in which the values of a declared type travel.

    It is one that engines know: integers, floats, decimals, days, times, timestamps, bytes. What has no such form
    (numeric without a scale, intervals, uuid, json, addresses, arrays) travels as the text that PostgreSQL writes.
    """
    kind = known_type(declared)
    if kind.array:
        return pa.string()
    if kind.family in {"time", *STAMPS}:
        return _time_type(kind)
    if kind.family == "numeric" and kind.numbers:
        precision, scale = kind.numbers
        if precision <= DECIMAL_DIGITS and 0 <= scale <= precision:
            return pa.decimal128(precision, scale)
    return PLAIN_TYPES.get(kind.family, pa.string())


def _time_type(kind: Type) -> pa.DataType:
    unit = "ms" if kind.digits <= MILLISECONDS else "us"
    if kind.family == "time":
        return time_type(kind.digits)
    return pa.timestamp(unit, "UTC" if kind.family == "timestamptz" else None)


def time_type(digits: int) -> pa.DataType:
    """The Arrow type of times of day with so many digits of a second."""
    return pa.time32("ms") if digits <= MILLISECONDS else pa.time64("us")


def parsed_type(declared: str) -> pa.DataType:
    """The Arrow type in which the values of a declared type are read from CSV: bytes as the text that tells them."""
    found = arrow_type(declared)
    return pa.string() if pa.types.is_binary(found) else found


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
    if not pa.types.is_string(values.type):
        return values.cast(target)
    if pa.types.is_boolean(target):
        if not pc.all(pc.is_in(values, pa.array(["t", "f", None])), min_count=0).as_py():
            raise pa.ArrowInvalid("a boolean is t or f")
        return pc.equal(values, "t")
    if pa.types.is_binary(target):
        return unhex(values)
    if pa.types.is_time(target):  # of which Arrow parses none
        return pc.binary_join_element_wise("1970-01-01", values, " ").cast(pa.timestamp(target.unit)).cast(target)
    converted = values.cast(target)
    if pa.types.is_temporal(target):
        _require_years(converted)
    return converted


def unhex(values: pa.Array) -> pa.Array:
    r"""The bytes that texts tell as PostgreSQL does: `\x`, and two digits for each.

    Raises: pyarrow.ArrowInvalid where one tells none.
    """
    if not pc.all(pc.match_substring_regex(values, r"^\\x([0-9a-f]{2})*$"), min_count=0).as_py():
        raise pa.ArrowInvalid("bytes are told in hexadecimal digits")
    digits = pc.utf8_slice_codeunits(values, 2)
    offsets = _offsets(digits)
    content = bytes.fromhex(digits.buffers()[2][: offsets[-1]].to_pybytes().decode()) if offsets[-1] else b""
    buffers = [digits.buffers()[0], pa.py_buffer((offsets // 2).tobytes()), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.binary(), len(values), buffers)


def as_hex(values: pa.Array) -> pa.Array:
    """Bytes as PostgreSQL tells them: the inverse of `unhex`."""
    values = pa.concat_arrays([values])  # whose buffers begin with the first of them
    offsets = _offsets(values)
    content = values.buffers()[2][: offsets[-1]].to_pybytes().hex().encode() if offsets[-1] else b""
    buffers = [values.buffers()[0], pa.py_buffer((offsets * 2).tobytes()), pa.py_buffer(content)]
    return pc.binary_join_element_wise("\\x", pa.Array.from_buffers(pa.string(), len(values), buffers), "")


def _offsets(values: pa.Array) -> npt.NDArray[np.int32]:
    """Where each value of an array that begins with its buffers begins, and where the last ends."""
    return np.frombuffer(values.buffers()[1], np.int32, len(values) + 1)


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
