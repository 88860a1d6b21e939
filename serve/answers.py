"""Answers that were read, kept: marks that are read anew tell whether one still holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from cachetools import LRUCache

MOST_BYTES = 16_000_000
"""What a process keeps in all. Those that were not asked for longest give way."""

MOST_OF_ONE = MOST_BYTES // 16
BESIDE_BYTES = 2_000
"""What an answer takes beside its body: the ETag, where its page ends, and how they are kept."""


@dataclass(frozen=True)
class Answer:
    """What a statement gave, with the ETag that it had. counted: how many rows there are in all, as headers."""

    etag: str
    row: tuple[Any, ...]
    counted: dict[str, str]


class Answers:
    """The last answers by request, each good as long as its request has the same ETag."""

    def __init__(self) -> None:
        self._kept: LRUCache[bytes, Answer] = LRUCache(MOST_BYTES, getsizeof=_size)

    def find(self, request: Iterable[object]) -> Answer | None:
        """What was answered last; None where that is not known any more."""
        return self._kept.get(_digest(request))

    def keep(self, request: Iterable[object], answer: Answer) -> None:
        """Keep an answer in place of the one before, unless it is so large that many others would give way."""
        if _size(answer) <= MOST_OF_ONE:
            self._kept[_digest(request)] = answer


def _size(answer: Answer) -> int:
    return BESIDE_BYTES + len(answer.row[2])


def _digest(request: Iterable[object]) -> bytes:
    """A request in few bytes, however long it is."""
    return blake2b(repr(request).encode(), digest_size=16).digest()
