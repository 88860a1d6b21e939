"""Which rows a run proves: those whose proof is oldest, as many as bring all of them round once in SHARES runs."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from include.common.keys import KeySet
from include.common.manifests import Mark
from include.proof.sides import KeyRange

SHARES = 72
"""Runs in 24 hours, one every 20 minutes."""

LEAST_ROWS = 1_024
"""What every run proves of a table at least: to ask for fewer rows costs as much."""


def next_share(marks: list[Mark], keys: KeySet) -> KeyRange:
    """The keys to prove now: from where the oldest proof begins on. keys: those that the source has."""
    after = _oldest(marks)
    position = keys.rank(after) if after is not None else 0
    last = position + max(-(-len(keys) // SHARES), LEAST_ROWS)
    return KeyRange(after, keys.at(last - 1) if last < len(keys) else None)


def _oldest(marks: list[Mark]) -> int | None:
    """After which key the rows whose proof is oldest begin; None: with the first."""
    never = [start for start, mark in _with_starts(marks) if mark.at is None]
    if never or not marks:
        return never[0] if never else None
    return min(_with_starts(marks), key=lambda pair: pair[1].at or datetime.min)[0]


def _with_starts(marks: list[Mark]) -> Iterator[tuple[int | None, Mark]]:
    """Each mark with the key after which its rows begin."""
    starts = [None, *(mark.to for mark in marks)]
    return zip(starts, marks, strict=False)


def advance(marks: list[Mark], proven: KeyRange, at: datetime, keys: KeySet) -> list[Mark]:
    """The marks after these keys were proven. keys: those that the source has."""
    known = [(mark.to, mark.at) for mark in marks] or [(None, None)]
    before = [(_least(to, proven.after), when) for to, when in known] if proven.after is not None else []
    after = [(to, when) for to, when in known if proven.to is not None and _reaches(to, proven.to)]
    return _counted([*_ascending(before), (proven.to, at), *after], keys)


def _least(one: int | None, other: int | None) -> int | None:
    """The lesser end of two, None being without one."""
    ends = [end for end in (one, other) if end is not None]
    return min(ends, default=None)


def _reaches(to: int | None, end: int) -> bool:
    return to is None or to > end


def _ascending(ends: list[tuple[int | None, datetime | None]]) -> list[tuple[int | None, datetime | None]]:
    """Without those that reach no further than the one before."""
    return [*ends[:1], *(later for earlier, later in pairwise(ends) if later[0] != earlier[0])]


def _counted(ends: list[tuple[int | None, datetime | None]], keys: KeySet) -> list[Mark]:
    ranks = [0, *(len(keys) if to is None else keys.rank(to) for to, _ in ends)]
    return [
        Mark(to=to, at=at, rows=rank - earlier) for (to, at), (earlier, rank) in zip(ends, pairwise(ranks), strict=True)
    ]
