"""Numbers of 64 bits in their order, each once: many of them in a temporary file, so that few are held at a time."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]

PART = 1 << 19
"""How many numbers are held at a time: 4 MB."""

WIDTH = 8
"""The bytes of a number; in files the lowest comes first."""

EMPTY: Numbers = np.empty(0, np.uint64)


class Listed:
    """Numbers in their order, each once."""

    def __init__(self, held: Numbers, file: IO[bytes] | None = None, count: int = 0) -> None:
        """Take numbers, or a file of so many; it is closed with the list."""
        self._held, self._file, self._count = held, file, count if file else len(held)

    @classmethod
    def of(cls, parts: Iterable[Numbers]) -> "Listed":
        """The numbers of all parts, whose order and repetitions say nothing."""
        runs, waiting, count = list[Listed](), list[Numbers](), 0
        for part in parts:
            waiting.append(part)
            count += len(part)
            if count >= PART:
                runs.append(cls.appended([_ordered(waiting)]))
                waiting, count = [], 0
        runs += [cls(_ordered(waiting))] if count else []
        return runs[0] if len(runs) == 1 else merged(runs)

    @classmethod
    def appended(cls, parts: Iterable[Numbers]) -> "Listed":
        """The numbers of parts that follow each other in order."""
        held, file, count = EMPTY, None, 0
        for part in parts:
            count += len(part)
            if file is None and count <= PART // 2:
                held = np.concatenate([held, part])
                continue
            if file is None:
                file = TemporaryFile(prefix="totesys-keys-")  # noqa: SIM115 - it lives as long as the list
                file.write(held.astype("<u8").tobytes())
                held = EMPTY
            file.write(part.astype("<u8").tobytes())
        if file:
            file.flush()
        return cls(held, file, count)

    def __len__(self) -> int:
        return self._count

    def view(self, start: int, stop: int) -> Numbers:
        """The numbers at these positions."""
        if self._file is None:
            return self._held[start:stop]
        self._file.seek(start * WIDTH)
        return np.frombuffer(self._file.read(max(min(stop, self._count) - start, 0) * WIDTH), "<u8")

    def parts(self, size: int = PART) -> Iterator[Numbers]:
        """All of them, `size` at a time."""
        return (self.view(start, start + size) for start in range(0, self._count, size))

    def at(self, position: int) -> int:
        """The number at a position, counted from 0."""
        return int(self.view(position, position + 1)[0])

    def rank(self, number: int) -> int:
        """How many of them are not greater than this one."""
        if self._file is None:
            return int(np.searchsorted(self._held, np.uint64(number), "right"))
        least, most = 0, self._count
        while least < most:
            middle = (least + most) // 2
            least, most = (middle + 1, most) if self.at(middle) <= number else (least, middle)
        return least

    def having(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        """For each of these numbers, which are in order, whether it is among them."""
        found = np.zeros(len(numbers), np.bool_)
        if not len(numbers):
            return found
        start, stop = self.rank(int(numbers[0]) - 1) if numbers[0] else 0, self.rank(int(numbers[-1]))
        for at in range(start, stop, PART):
            some = self.view(at, min(at + PART, stop))
            first, last = np.searchsorted(numbers, some[0], "left"), np.searchsorted(numbers, some[-1], "right")
            within = numbers[first:last]
            found[first:last] = some[np.searchsorted(some, within).clip(max=len(some) - 1)] == within
        return found

    def filtered(self, other: "Listed", present: bool) -> "Listed":
        """Those that another list has too, or those that it has not."""
        return Listed.appended(part[other.having(part) == present] for part in self.parts())

    def equals(self, other: "Listed") -> bool:
        """Whether another list has the same numbers."""
        same = (np.array_equal(*pair) for pair in zip(self.parts(), other.parts(), strict=True))
        return len(self) == len(other) and all(same)


def _ordered(parts: Sequence[Numbers]) -> Numbers:
    """All their numbers in order, each once."""
    numbers = np.concatenate(parts)
    numbers.sort()
    twice = numbers[1:] == numbers[:-1]
    return np.delete(numbers, np.flatnonzero(twice)) if twice.any() else numbers


def merged(lists: Sequence[Listed]) -> Listed:
    """The numbers of all lists."""
    step, count = max(PART // max(len(lists), 1), 1), len(lists)
    ends = sorted(
        one.at(min(position, len(one) - 1)) for one in lists for position in range(step, len(one) + step, step)
    )
    chosen = dict.fromkeys([*ends[count - 1 :: count], *ends[-1:]])  # so that a part of all is held at a time
    cuts = [[0, *(one.rank(end) for end in chosen)] for one in lists]
    windows = zip(*(list(pairwise(cut)) for cut in cuts), strict=True)
    return Listed.appended(
        _ordered([one.view(*window) for one, window in zip(lists, part, strict=True)]) for part in windows
    )
