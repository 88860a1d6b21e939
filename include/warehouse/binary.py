"""Values as the bytes that their type has on the wire, where Parquet has another form. Source: the types' `…_recv`.

Nothing here makes an array or a scalar of Python's values: Arrow imports pandas for that, 40 MB and a second.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.lake.arrow import arrow_type
from include.tables.star import Column
from include.tables.types import known_type


@dataclass(frozen=True)
class Form:
    """What is sent of a type's values: Arrow's type of it, and what makes it of those in Parquet."""

    type: pa.DataType
    make: Callable[[pa.Array], pa.Array]


Forms = Mapping[str, Form]
"""Column → its form, where that is another than in Parquet."""

NIL = "00000000-0000-0000-0000-000000000000"
DASHES = [position for position, character in enumerate(NIL) if character == "-"]
DIGITS = [position for position, character in enumerate(NIL) if character != "-"]

NO_DIGIT = 16
VALUES = np.full(256, NO_DIGIT, np.uint8)
"""What each byte says as a hexadecimal digit."""
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    VALUES[list(_digits)] = range(16)

JSONB_VERSION = 1


def binary_forms(columns: Sequence[Column]) -> Forms | None:
    """The forms in which values are sent as binary COPY; None where some have none but their text."""
    forms = dict[str, Form]()
    for column in columns:
        kind = known_type(column.type)
        if kind.family in FORMS and not kind.array:
            forms[column.name] = FORMS[kind.family]
        elif arrow_type(column.type) == pa.string() and not kind.is_text:
            return None
    return forms


def uuid_bytes(texts: pa.Array) -> pa.Array:
    """The 16 bytes of uuids that are written as PostgreSQL writes them. Raises: ValueError where one is not."""
    fixed = texts.drop_null().cast(pa.binary()).cast(pa.binary(len(NIL)))
    characters = np.frombuffer(fixed.buffers()[1], np.uint8).reshape(-1, len(NIL))[fixed.offset :][: len(fixed)]
    values = VALUES[characters[:, DIGITS]]
    if (values == NO_DIGIT).any() or (characters[:, DASHES] != ord("-")).any():
        raise ValueError("a text that is to be sent as a uuid is none")
    valid = texts.is_valid().buffers()[1]
    made = np.zeros((len(texts), 16), np.uint8)
    made[_bits(valid, len(texts))] = values[:, 0::2] << 4 | values[:, 1::2]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(texts), [valid, pa.py_buffer(made)])


def jsonb_bytes(texts: pa.Array) -> pa.Array:
    """Texts of jsonb, each after the byte that says the version of this form."""
    ends = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :][: len(texts) + 1]
    told = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[ends[0] : ends[-1]]
    starts = ends - ends[0]
    data = np.insert(told, starts[:-1], JSONB_VERSION)
    offsets = starts + np.arange(len(starts), dtype=np.int32)
    buffers = [texts.is_valid().buffers()[1], pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(texts), buffers)


def _bits(buffer: pa.Buffer, count: int) -> npt.NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(buffer, np.uint8), count=count, bitorder="little").view(np.bool_)


FORMS = {
    "smallint": Form(pa.int16(), lambda values: values.cast(pa.int16())),
    "time": Form(pa.time64("us"), lambda values: values.cast(pa.time64("us"))),
    "uuid": Form(pa.binary(16), uuid_bytes),
    "json": Form(pa.binary(), lambda texts: texts.cast(pa.binary())),
    "jsonb": Form(pa.binary(), jsonb_bytes),
}
