"""Sets of 64-bit keys, small where keys lie close: ten million dense keys take 2 kB, scattered ones 8 bytes each."""

from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain, islice
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, PlainSerializer
from pyroaring import BitMap, BitMap64

from include.common.listed import WIDTH, Listed, Numbers, merged

SIGN = 1 << 63
"""Added to a signed 64-bit key, so that unsigned order is the keys' own order."""

SHORT_SIGN = 1 << 31
"""As SIGN, in the sets of 32-bit keys that earlier versions wrote."""

LONG = b"64"
"""What sets of 64-bit keys begin with. Those of 32 begin with a cookie of the format (58, 59) and a zero or more."""

LISTED = b"64 each:"
"""What sets begin with whose keys are listed, 8 bytes each."""

HALF = 0xFFFFFFFF
SUM_KEYS = 1 << 19
"""How many keys are unpacked, or gathered, at a time."""

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


class KeySet:
    """Keys that PostgreSQL's `bigint` can hold, in their order: a Roaring bitmap, or a list where that is less."""

    def __init__(self, held: BitMap64 | Listed | None = None) -> None:
        self._held: BitMap64 | Listed = BitMap64() if held is None else held

    @classmethod
    def of(cls, keys: npt.ArrayLike) -> Self:
        """The set of these integers."""
        return cls.gather([np.asarray(keys, dtype=np.int64)])

    @classmethod
    def gather(cls, parts: Iterable[npt.NDArray[np.signedinteger]]) -> Self:
        """The set of all these integers, in bounded memory beside the set."""
        numbers = (part.astype(np.int64).view(np.uint64) ^ np.uint64(SIGN) for part in parts)
        return cls.union(_settled(some) for some in _collected(numbers))

    @classmethod
    def union(cls, sets: Iterable["KeySet"]) -> Self:
        """The keys that any of these sets has."""
        dense, scattered = BitMap64(), list[Listed]()
        for some in sets:
            if isinstance(some._held, BitMap64):
                dense |= some._held
            else:
                scattered.append(some._held)
        return cls(merged([_listed(dense), *scattered]) if scattered else dense)

    @classmethod
    def from_bytes(cls, serialized: bytes) -> Self:
        """Inverse of `to_bytes`; also of a set that an earlier version wrote.

        Raises: ValueError where the bytes are no such set.
        """
        return cls.from_blocks([serialized])

    @classmethod
    def from_blocks(cls, blocks: Iterable[bytes]) -> Self:
        """Inverse of `blocks`, however the bytes are cut. Raises: as `from_bytes`."""
        remaining = iter(blocks)
        first = b""
        for block in remaining:
            first += block
            if len(first) >= len(LISTED):
                break
        if first.startswith(LISTED):
            return cls(Listed.appended(_numbers(chain([first.removeprefix(LISTED)], remaining))))
        serialized = first + b"".join(remaining)
        try:
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

        Or LISTED, and each key with SIGN added, 8 bytes with the lowest first.
        """
        if isinstance(self._held, BitMap64):
            self._held.run_optimize()
            yield LONG + bytes(self._held.serialize())
            return
        yield LISTED
        yield from (part.astype("<u8").tobytes() for part in self._held.parts())

    def add(self, keys: "KeySet") -> None:
        """Take these keys into the set."""
        self._held = (self | keys)._held

    def __or__(self, other: "KeySet") -> "KeySet":
        if not other:
            return self
        if not self:
            return other
        if isinstance(self._held, BitMap64) and isinstance(other._held, BitMap64):
            return KeySet(self._held | other._held)
        return _settled(merged([_listed(self._held), _listed(other._held)]))

    def __sub__(self, other: "KeySet") -> "KeySet":
        return self._filtered(other, present=False)

    def __and__(self, other: "KeySet") -> "KeySet":
        return self._filtered(other, present=True)

    def _filtered(self, other: "KeySet", present: bool) -> "KeySet":
        """The keys that the other set has too, or those that it has not."""
        if self is other:
            return self if present else KeySet()
        if isinstance(self._held, BitMap64) and isinstance(other._held, BitMap64):
            return KeySet(self._held & other._held if present else self._held - other._held)
        return _settled(_listed(self._held).filtered(_listed(other._held), present))

    def __len__(self) -> int:
        return len(self._held)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeySet) or len(self) != len(other):
            return False
        if self is other:
            return True
        if isinstance(self._held, BitMap64) and isinstance(other._held, BitMap64):
            return bool(self._held == other._held)
        return _listed(self._held).equals(_listed(other._held))

    def __hash__(self) -> int:
        raise TypeError("a KeySet can change and has no hash")

    def __iter__(self) -> Iterator[int]:
        if isinstance(self._held, BitMap64):
            yield from (unsigned - SIGN for unsigned in self._held)
            return
        for part in self._held.parts():
            yield from (part ^ np.uint64(SIGN)).view(np.int64).tolist()

    def __repr__(self) -> str:
        return f"KeySet({len(self)} keys)"

    def rank(self, key: int) -> int:
        """How many of the keys are not greater than this one."""
        return int(self._held.rank(min(key + SIGN, 2 * SIGN - 1))) if key >= -SIGN else 0

    def at(self, position: int) -> int:
        """The key at a position, counted from 0 in the keys' order."""
        held = self._held
        return (int(held[position]) if isinstance(held, BitMap64) else held.at(position)) - SIGN

    def first(self) -> int:
        """The least key."""
        return self.at(0)

    def last(self) -> int:
        """The greatest key."""
        return self.at(len(self) - 1)

    def sum(self) -> int:
        """The sum of the keys."""
        parts = (_listed(part._held).view(0, len(part)) for part in self.slices(SUM_KEYS))
        return sum(_sum(part) for part in parts) - SIGN * len(self)

    def slices(self, size: int) -> Iterator["KeySet"]:
        """The set cut, in the order of its keys, into sets of at most `size` keys."""
        for start in range(0, len(self), size):
            yield KeySet(self._cut(start, min(start + size, len(self))))

    def _cut(self, start: int, stop: int) -> BitMap64 | Listed:
        """The keys at these positions. Of a slice the package makes all numbers between first and last before."""
        if not isinstance(self._held, BitMap64):
            return Listed(self._held.view(start, stop))
        first = self._held[start]
        if self._held[stop - 1] - first < MOST_SPREAD * (stop - start):
            return self._held[start:stop]
        return BitMap64(islice(self._held.iter_equal_or_larger(first), stop - start))


class LaterKeySet(KeySet):
    """A set of so many keys that is read from where it lies once more than their number is asked for."""

    def __init__(self, count: int, read: Callable[[], KeySet]) -> None:
        self._count, self._read = count, read

    @cached_property
    def _held(self) -> BitMap64 | Listed:  # type: ignore[override]
        return self._read()._held

    def __len__(self) -> int:
        return len(self._held) if "_held" in vars(self) else self._count


def _collected(parts: Iterable[Numbers]) -> Iterator[Listed]:
    """Numbers in any order as lists of some SUM_KEYS each."""
    waiting, count = list[Numbers](), 0
    for part in parts:
        waiting.append(part)
        count += len(part)
        if count >= SUM_KEYS:
            yield Listed.of(waiting)
            waiting, count = [], 0
    if count:
        yield Listed.of(waiting)


def _numbers(blocks: Iterable[bytes]) -> Iterator[Numbers]:
    """The numbers of a file's blocks, which may be cut within one. Raises: ValueError where the last is cut off."""
    rest = b""
    for block in blocks:
        whole = rest + block
        end = len(whole) // WIDTH * WIDTH
        yield np.frombuffer(whole[:end], "<u8")
        rest = whole[end:]
    if rest:
        raise ValueError("its last key is cut off")


def _is_dense(numbers: Listed) -> bool:
    """Whether a bitmap of them is smaller than their list."""
    if len(numbers) <= FEW_KEYS:
        return True
    containers = sum(len(np.flatnonzero(np.diff(part >> np.uint64(CONTAINER_BITS)))) + 1 for part in numbers.parts())
    return len(numbers) >= LEAST_SHARED * containers


def _settled(numbers: Listed) -> KeySet:
    """The set in its smaller form."""
    return KeySet(_bitmap(numbers) if _is_dense(numbers) else numbers)


def _bitmap(numbers: Listed) -> BitMap64:
    found = BitMap64()
    for part in numbers.parts():
        found |= BitMap64(array("Q", part.tobytes()))
    return found


def _listed(held: BitMap64 | Listed) -> Listed:
    return held if isinstance(held, Listed) else Listed(np.frombuffer(held.to_array(), np.uint64))


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
