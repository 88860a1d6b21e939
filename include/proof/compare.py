"""Which rows differ: blocks first, and only in blocks that differ the rows."""

from collections.abc import Iterator
from dataclasses import dataclass

from include.common.keys import KeySet
from include.common.threads import side_by_side
from include.proof.sides import KeyRange, Side

LEAST_KEY, WIDEST = -(1 << 63), (1 << 63) - 1
"""The least key that there can be, and the widest block: as many keys as a number of PostgreSQL's can count."""

BLOCK_ROWS = 4_096
"""Rows of a block, about: what is held in memory of each side where a block differs."""

MOST_BLOCK_ROWS = 8 * BLOCK_ROWS
"""From how many rows on a block that differs is cut again: keys may lie close together, and one far from all others."""


@dataclass(frozen=True)
class Difference:
    """A key whose row is not the same on both sides: its digest on each; None where there is no such row."""

    key: int
    source: int | None
    stored: int | None


def block_width(keys: KeySet) -> int:
    """How many possible keys a block covers, so that of these keys about BLOCK_ROWS are in each."""
    if not keys:
        return WIDEST
    return min(max((keys.last() - keys.first() + 1) * BLOCK_ROWS // len(keys), 1), WIDEST)


def differences(source: Side, stored: Side, within: KeyRange, width: int) -> Iterator[Difference]:
    """The rows in a range of keys that are not the same on both sides. Both sides work at the same time."""
    ours, theirs = side_by_side(2, lambda side: side.blocks(within, width), (source, stored))
    for block in sorted(block for block in ours.keys() | theirs.keys() if ours.get(block) != theirs.get(block)):
        part = _intersection(within, block, width)
        rows = max(side[block][0] for side in (ours, theirs) if block in side)
        if rows > MOST_BLOCK_ROWS and width > 1:
            yield from differences(source, stored, part, max(width // BLOCK_ROWS, 1))
        else:
            yield from _in_block(source, stored, part)


def _in_block(source: Side, stored: Side, within: KeyRange) -> Iterator[Difference]:
    ours, theirs = source.digests(within), stored.digests(within)
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            yield Difference(key, ours.get(key), theirs.get(key))


def _intersection(within: KeyRange, block: int, width: int) -> KeyRange:
    """The part of a range that lies in a block, as `Side.blocks` numbers them."""
    before = block * width - 1 if block > 0 else (block - 1) * width
    last = (block + 1) * width - 1 if block >= 0 else block * width
    afters = [after for after in (before, within.after) if after is not None and after >= LEAST_KEY]
    return KeyRange(max(afters, default=None), min(last, WIDEST if within.to is None else within.to))
