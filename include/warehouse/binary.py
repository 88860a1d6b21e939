"""Values that travel as texts, as the bytes that their type has on the wire. Source: the types' own `…_recv`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.lake.arrow import arrow_type
from include.tables.star import StarTable
from include.tables.types import known_type


@dataclass(frozen=True)
class Form:
    """What is sent of a type's values: Arrow's type of it, and what makes it of their texts."""

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

JSONB_VERSION = b"\x01"


def binary_forms(table: StarTable) -> Forms | None:
    """The forms in which a table's values are sent as binary COPY; None where some have none but their text."""
    forms = dict[str, Form]()
    for column in table.columns:
        kind = known_type(column.type)
        if kind.is_text or arrow_type(column.type) != pa.string():
            continue
        if kind.array or kind.family not in FORMS:
            return None
        forms[column.name] = FORMS[kind.family]
    return forms


def uuid_bytes(texts: pa.Array) -> pa.Array:
    """The 16 bytes of uuids that are written as PostgreSQL writes them. Raises: ValueError where one is not."""
    fixed = texts.fill_null(NIL).cast(pa.binary()).cast(pa.binary(len(NIL)))
    characters = np.frombuffer(fixed.buffers()[1], np.uint8).reshape(-1, len(NIL))[fixed.offset :][: len(fixed)]
    values = VALUES[characters[:, DIGITS]]
    if (values == NO_DIGIT).any() or (characters[:, DASHES] != ord("-")).any():
        raise ValueError("a text that is to be sent as a uuid is none")
    made = pa.py_buffer((values[:, 0::2] << 4 | values[:, 1::2]).tobytes())
    found = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(texts), [None, made])
    return pc.if_else(pc.is_valid(texts), found, None) if texts.null_count else found


def _jsonb_bytes(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(JSONB_VERSION, texts.cast(pa.binary()), b"")


FORMS = {
    "uuid": Form(pa.binary(16), uuid_bytes),
    "json": Form(pa.binary(), lambda texts: texts.cast(pa.binary())),
    "jsonb": Form(pa.binary(), _jsonb_bytes),
}
