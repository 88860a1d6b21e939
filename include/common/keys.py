"""Sets of 64-bit keys, small where keys lie close: ten million dense keys take 2 kB, scattered ones 8 bytes each."""

from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
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

LISTED = b"64 each:"
"""What sets begin with whose keys are listed, 8 bytes each: as long as one of them, so that they lie aligned."""

HALF = 0xFFFFFFFF
SUM_KEYS = 1 << 20
"""How many keys are unpacked, or compared, at a time."""

CONTAINER_BITS = 16
"""A bitmap keeps keys that differ in these bits alone in one container."""

LEAST_SHARED = 16
"""How many keys a container holds at least, on average, where a bitmap is smaller than a list."""

FEW_KEYS = 1 << 12
"""So few keys are small in whatever form."""

MOST_SPREAD = 64
"""How many numbers there may be for each key of a slice that is cut as one."""

STATEMENT_KEYS = 1 << 16
"""How many keys are sent to a database at a time: of millions in one statement each is an object of Python's."""

Numbers = npt.NDArray[np.uint64]
"""Keys with SIGN added, each once, in their order."""


class KeySet:
    """Keys that PostgreSQL's `bigint` can hold, in their order: a Roaring bitmap, or a list where that is less."""

    def __init__(self, held: BitMap64 | Numbers | None = None) -> None:
        self._held: BitMap64 | Numbers = BitMap64() if held is None else held

    @classmethod
    def of(cls, keys: npt.ArrayLike) -> Self:
        """The set of these integers."""
        return cls.gather([np.asarray(keys, dtype=np.int64)])

    @classmethod
    def gather(cls, parts: Iterable[npt.NDArray[np.signedinteger]]) -> Self:
        """The set of all these integers. It takes little more memory than the set itself."""
        dense, listed = BitMap64(), array("Q")
        for part in parts:
            listed.frombytes((part.astype(np.int64).view(np.uint64) ^ np.uint64(SIGN)).tobytes())
            if len(listed) >= SUM_KEYS and _is_dense(some := _ordered(listed)):
                dense |= _bitmap(some)
                listed = array("Q")
        rest = _ordered(listed)
        return cls(dense | _bitmap(rest) if _is_dense(rest) else _union(_listed(dense), rest))

    @classmethod
    def from_bytes(cls, serialized: bytes) -> Self:
        """Inverse of `to_bytes`; also of a set that an earlier version wrote.

        Raises: ValueError where the bytes are no such set.
        """
        try:
            if serialized.startswith(LISTED):
                return cls(np.frombuffer(serialized, "<u8", offset=len(LISTED)))
            if serialized.startswith(LONG):
                return cls(BitMap64.deserialize(serialized.removeprefix(LONG)))
            short = np.frombuffer(BitMap.deserialize(serialized).to_array(), np.uint32)
            return cls.of(short.astype(np.int64) - SHORT_SIGN)
        except IndexError as error:
            raise ValueError("no bytes") from error

    def to_bytes(self) -> bytes:
        """The set as `blocks` gives it, whole."""
        return b"".join(self.blocks())

    def blocks(self) -> Iterator[bytes]:
        """LONG, and the set in the portable Roaring format (https://github.com/RoaringBitmap/RoaringFormatSpec).

        Or LISTED, and each key with SIGN added, the lowest byte first.
        """
        if isinstance(self._held, BitMap64):
            self._held.run_optimize()
            yield LONG + bytes(self._held.serialize())
            return
        yield LISTED
        for part in _parts(self._held):
            yield part.astype("<u8").tobytes()

    def add(self, keys: "KeySet") -> None:
        """Take these keys into the set."""
        self._held = (self | keys)._held

    def __or__(self, other: "KeySet") -> "KeySet":
        if not other or not self:
            return self if self else other
        if isinstance(self._held, BitMap64) and isinstance(other._held, BitMap64):
            return KeySet(self._held | other._held)
        return _settled(_union(_listed(self._held), _listed(other._held)))

    def __sub__(self, other: "KeySet") -> "KeySet":
        return self._filtered(other, present=False)

    def __and__(self, other: "KeySet") -> "KeySet":
        return self._filtered(other, present=True)

    def _filtered(self, other: "KeySet", present: bool) -> "KeySet":
        """The keys that the other set has too, or those that it has not."""
        if isinstance(self._held, BitMap64) and isinstance(other._held, BitMap64):
            return KeySet(self._held & other._held if present else self._held - other._held)
        if self._held is other._held:
            return self if present else KeySet()
        own, theirs = _listed(self._held), _listed(other._held)
        return _settled(np.concatenate([part[_is_in(part, theirs) == present] for part in _parts(own)] or [own]))

    def __len__(self) -> int:
        return len(self._held)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeySet):
            return False
        if isinstance(self._held, BitMap64) and isinstance(other._held, BitMap64):
            return bool(self._held == other._held)
        return self._held is other._held or np.array_equal(_listed(self._held), _listed(other._held))

    def __hash__(self) -> int:
        raise TypeError("a KeySet has no hash")

    def __iter__(self) -> Iterator[int]:
        if isinstance(self._held, BitMap64):
            yield from (unsigned - SIGN for unsigned in self._held)
            return
        for part in _parts(self._held):
            yield from (part ^ np.uint64(SIGN)).view(np.int64).tolist()

    def __repr__(self) -> str:
        return f"KeySet({len(self)} keys)"

    def rank(self, key: int) -> int:
        """How many of the keys are not greater than this one."""
        if key < -SIGN:
            return 0
        unsigned = min(key + SIGN, 2 * SIGN - 1)
        if isinstance(self._held, BitMap64):
            return int(self._held.rank(unsigned))
        return int(np.searchsorted(self._held, np.uint64(unsigned), "right"))

    def at(self, position: int) -> int:
        """The key at a position, counted from 0 in the keys' order."""
        return int(self._held[position]) - SIGN

    def first(self) -> int:
        """The least key."""
        return self.at(0)

    def last(self) -> int:
        """The greatest key."""
        return self.at(len(self) - 1)

    def sum(self) -> int:
        """The sum of the keys."""
        parts = (_listed(part._held) for part in self.slices(SUM_KEYS))
        return sum(_sum(part) for part in parts) - SIGN * len(self)

    def slices(self, size: int) -> Iterator["KeySet"]:
        """The set cut, in the order of its keys, into sets of at most `size` keys."""
        for start in range(0, len(self), size):
            yield KeySet(self._cut(start, min(start + size, len(self))))

    def _cut(self, start: int, stop: int) -> BitMap64 | Numbers:
        """The keys at these positions. Of a slice the package makes all numbers between first and last before."""
        if not isinstance(self._held, BitMap64):
            return self._held[start:stop]
        first = self._held[start]
        if self._held[stop - 1] - first < MOST_SPREAD * (stop - start):
            return self._held[start:stop]
        return BitMap64(islice(self._held.iter_equal_or_larger(first), stop - start))


def _parts(numbers: Numbers) -> Iterator[Numbers]:
    """Views of SUM_KEYS of them at a time."""
    return (numbers[start : start + SUM_KEYS] for start in range(0, len(numbers), SUM_KEYS))


def _ordered(listed: "array[int]") -> Numbers:
    """The numbers of a list, which is sorted in place, each once."""
    numbers = np.frombuffer(listed, np.uint64)
    numbers.sort()
    twice = any(bool((part[1:] == part[:-1]).any()) for part in _overlapping(numbers))
    return np.unique(numbers) if twice else numbers


def _overlapping(numbers: Numbers) -> Iterator[Numbers]:
    """As `_parts`, each with the first number of the next."""
    return (numbers[start : start + SUM_KEYS + 1] for start in range(0, len(numbers), SUM_KEYS))


def _is_dense(numbers: Numbers) -> bool:
    """Whether a bitmap of them is smaller than their list."""
    if len(numbers) <= FEW_KEYS:
        return True
    containers = 1
    for part in _overlapping(numbers):
        high = part >> np.uint64(CONTAINER_BITS)
        containers += int(np.count_nonzero(high[1:] != high[:-1]))
    return len(numbers) >= LEAST_SHARED * containers


def _settled(numbers: Numbers) -> KeySet:
    """The set in its smaller form."""
    return KeySet(_bitmap(numbers) if _is_dense(numbers) else numbers)


def _bitmap(numbers: Numbers) -> BitMap64:
    return BitMap64(array("Q", numbers.tobytes()))


def _listed(held: BitMap64 | Numbers) -> Numbers:
    return np.frombuffer(held.to_array(), np.uint64) if isinstance(held, BitMap64) else held


def _union(one: Numbers, other: Numbers) -> Numbers:
    """All numbers of both, with one copy of the larger."""
    more, fewer = (one, other) if len(one) >= len(other) else (other, one)
    fewer = fewer[~_is_in(fewer, more)]
    return np.insert(more, np.searchsorted(more, fewer), fewer) if len(fewer) else more


def _is_in(numbers: Numbers, others: Numbers) -> npt.NDArray[np.bool_]:
    """For each number whether it is among the others."""
    if not len(others):
        return np.zeros(len(numbers), np.bool_)
    found: npt.NDArray[np.bool_] = others[np.searchsorted(others, numbers).clip(max=len(others) - 1)] == numbers
    return found


def _sum(numbers: Numbers) -> int:
    """Their sum, which 64 bits may not hold: that of the lower halves, and of the upper ones."""
    lower, upper = (int(half.sum(dtype=np.uint64)) for half in (numbers & np.uint64(HALF), numbers >> np.uint64(32)))
    return lower + (upper << 32)


def _decode(value: "KeySet | str") -> "KeySet":
    return value if isinstance(value, KeySet) else KeySet.from_bytes(b64decode(value, validate=True))


def _encode(keys: KeySet) -> str:
    return b64encode(keys.to_bytes()).decode()


JsonKeys = Annotated[KeySet, BeforeValidator(_decode), PlainSerializer(_encode, return_type=str)]
"""A KeySet as a field of a model: in JSON the base64 text of its bytes."""
