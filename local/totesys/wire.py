"""PostgreSQL's binary COPY format for rows whose columns all have a fixed width.

Source: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format", and numeric_recv in
src/backend/utils/adt/numeric.c, which accepts and strips leading zero digits.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Ints = NDArray[np.int64]

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
NUMERIC = np.dtype(
    [
        ("digits", ">i2"),
        ("weight", ">i2"),
        ("sign", ">i2"),
        ("scale", ">i2"),
        ("high", ">i2"),
        ("low", ">i2"),
        ("fraction", ">i2"),
    ]
)
EPOCH_OFFSET_MS = 946_684_800_000  # PostgreSQL counts from 2000-01-01, Unix from 1970-01-01


def integers(values: Ints) -> Array:
    """Values for integer columns."""
    return values.astype(">i4")


def booleans(values: NDArray[np.bool_]) -> Array:
    """Values for boolean columns."""
    return values.astype("u1")


def timestamps(unix_ms: Ints) -> Array:
    """Values for timestamp columns from milliseconds since 1970."""
    return ((unix_ms - EPOCH_OFFSET_MS) * 1000).astype(">i8")


def decimals(hundredths: Ints) -> Array:
    """Values for numeric(10,2) columns from whole hundredths, not negative."""
    whole, fraction = np.divmod(hundredths, 100)
    numbers = np.zeros(len(hundredths), NUMERIC)
    numbers["digits"], numbers["weight"], numbers["scale"] = 3, 1, 2
    numbers["high"], numbers["low"] = np.divmod(whole, 10_000)
    numbers["fraction"] = fraction * 100
    return numbers


def labels(label: str, rows: int) -> Array:
    """The same text for every row; for text and enum columns."""
    encoded = label.encode()
    return np.full(rows, encoded, f"S{len(encoded)}")


def block(columns: Sequence[Array | None]) -> bytes:
    """Equally long columns, in the table's order, as rows of a COPY; None is a column of NULLs.

    A text column is an array of bytes all of which have the full width of the array's type.
    """
    fields: list[tuple[str, Any]] = [("count", ">i2")]
    for number, column in enumerate(columns):
        fields.append((f"length{number}", ">i4"))
        if column is not None:
            fields.append((f"value{number}", column.dtype))
    rows = np.zeros(next(len(column) for column in columns if column is not None), np.dtype(fields))
    rows["count"] = len(columns)
    for number, column in enumerate(columns):
        rows[f"length{number}"] = -1 if column is None else column.dtype.itemsize
        if column is not None:
            rows[f"value{number}"] = column
    return rows.tobytes()
