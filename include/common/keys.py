"""Sets of integer keys, small whatever their number: ten million dense keys take 2 kB, every other one 1.3 MB."""

from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, PlainSerializer
from pyroaring import BitMap, BitMap64

SIGN = 1 << 63
"""Added to a signed 64-bit key, so that unsigned order is the keys' own order."""

SHORT_SIGN = 1 << 31
"""As SIGN, in the sets of 32-bit keys that earlier versions wrote."""

LONG = b"64"
"""What sets of 64-bit keys begin with. Those of 32 begin with a cookie of the format (58, 59) and a zero or more."""

HALF = 0xFFFFFFFF
SUM_KEYS = 1 << 20
"""How many keys are unpacked at a time."""


MOST_SPREAD = 64
"""How many numbers there may be for each key of a slice that is cut as one."""

STATEMENT_KEYS = 1 << 16
"""How many keys are sent to a database at a time: of millions in one statement each is an object of Python's."""


class KeySet:
    """A set of keys that PostgreSQL's `bigint` can hold, in their order."""

    def __init__(self, bitmap: BitMap64 | None = None) -> None:
        self._bitmap = BitMap64() if bitmap is None else bitmap

    @classmethod
    def of(cls, keys: npt.ArrayLike) -> Self:
        """The set of these integers."""
        unsigned = np.asarray(keys, dtype=np.int64).view(np.uint64) ^ np.uint64(SIGN)
        return cls(BitMap64(array("Q", unsigned.tobytes())))

    @classmethod
    def from_bytes(cls, serialized: bytes) -> Self:
        """Inverse of `to_bytes`; also of a set that an earlier version wrote.

        Raises: ValueError where the bytes are no such set.
        """
        try:
            if serialized.startswith(LONG):
                return cls(BitMap64.deserialize(serialized.removeprefix(LONG)))
            short = np.frombuffer(BitMap.deserialize(serialized).to_array(), np.uint32)
            return cls.of(short.astype(np.int64) - SHORT_SIGN)
        except IndexError as error:
            raise ValueError("no bytes") from error

    def to_bytes(self) -> bytes:
        """LONG, and the set in the portable Roaring format (https://github.com/RoaringBitmap/RoaringFormatSpec)."""
        self._bitmap.run_optimize()
        return LONG + bytes(self._bitmap.serialize())

    def add(self, keys: "KeySet") -> None:
        """Take these keys into the set."""
        self._bitmap |= keys._bitmap

    def __or__(self, other: "KeySet") -> "KeySet":
        return KeySet(self._bitmap | other._bitmap)

    def __sub__(self, other: "KeySet") -> "KeySet":
        return KeySet(self._bitmap - other._bitmap)

    def __len__(self) -> int:
        return len(self._bitmap)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeySet) and self._bitmap == other._bitmap

    def __hash__(self) -> int:
        raise TypeError("a KeySet can change and has no hash")

    def __iter__(self) -> Iterator[int]:
        return (unsigned - SIGN for unsigned in self._bitmap)

    def __repr__(self) -> str:
        return f"KeySet({len(self)} keys)"

    def __and__(self, other: "KeySet") -> "KeySet":
        return KeySet(self._bitmap & other._bitmap)

    def rank(self, key: int) -> int:
        """How many of the keys are not greater than this one."""
        return int(self._bitmap.rank(min(key + SIGN, 2 * SIGN - 1))) if key >= -SIGN else 0

    def at(self, position: int) -> int:
        """The key at a position, counted from 0 in the keys' order."""
        return int(self._bitmap[position]) - SIGN

    def first(self) -> int:
        """The least key."""
        return int(self._bitmap.min()) - SIGN

    def last(self) -> int:
        """The greatest key."""
        return int(self._bitmap.max()) - SIGN

    def sum(self) -> int:
        """The sum of the keys."""
        parts = (np.frombuffer(part._bitmap.to_array(), np.uint64) for part in self.slices(SUM_KEYS))
        return sum(_sum(part) for part in parts) - SIGN * len(self)

    def slices(self, size: int) -> Iterator["KeySet"]:
        """The set cut, in the order of its keys, into sets of at most `size` keys."""
        for start in range(0, len(self), size):
            yield KeySet(self._cut(start, min(start + size, len(self))))

    def _cut(self, start: int, stop: int) -> BitMap64:
        """The keys at these positions. Of a slice the package makes all numbers between first and last before."""
        first = self._bitmap[start]
        if self._bitmap[stop - 1] - first < MOST_SPREAD * (stop - start):
            return self._bitmap[start:stop]
        return BitMap64(islice(self._bitmap.iter_equal_or_larger(first), stop - start))


def _sum(numbers: npt.NDArray[np.uint64]) -> int:
    """Their sum, which 64 bits may not hold: that of the lower halves, and of the upper ones."""
    lower, upper = (int(half.sum(dtype=np.uint64)) for half in (numbers & np.uint64(HALF), numbers >> np.uint64(32)))
    return lower + (upper << 32)


def _decode(value: "KeySet | str") -> "KeySet":
    return value if isinstance(value, KeySet) else KeySet.from_bytes(b64decode(value, validate=True))


def _encode(keys: KeySet) -> str:
    return b64encode(keys.to_bytes()).decode()


JsonKeys = Annotated[KeySet, BeforeValidator(_decode), PlainSerializer(_encode, return_type=str)]
"""A KeySet as a field of a model: in JSON the base64 text of its bytes."""
