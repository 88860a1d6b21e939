"""Rows that did not equal the source's though they should have: what is told of them, and what became of them."""

from itertools import islice

from include.common.manifests import CheckResult, LoadResult, Proof, SourceRead
from include.tables.schema import Calendar
from include.tables.star import STAR

NAMED_KEYS = 10
"""The most keys that a sentence names."""


def disproven(reads: dict[str, SourceRead]) -> dict[str, Proof]:
    """Warehouse table → the proof that found rows of it to differ from the source's."""
    return {name: proof for read in reads.values() for name, proof in read.proofs.items() if proof.differing}


def unexplained(reads: dict[str, SourceRead], loads: dict[str, LoadResult]) -> list[str]:
    """A sentence for each warehouse table with rows that differed, and nothing that is known explains why."""
    sentences = [_sentence(name, proof) for name, proof in disproven(reads).items() if not proof.explained]
    return sentences + [f"{name}: {result.differing}" for name, result in loads.items() if result.differing]


def healed(
    reads: dict[str, SourceRead], loads: dict[str, LoadResult], checked: dict[str, CheckResult] | None
) -> dict[str, int]:
    """Warehouse table → the number of its rows that differed, were read and loaded again, and then were equal."""
    return {
        name: len(proof.differing)
        for name, proof in disproven(reads).items()
        if name in loads and loads[name].done and checked and name in checked and checked[name].held
    }


def _sentence(name: str, proof: Proof) -> str:
    table = STAR[name]
    assert not isinstance(table, Calendar)
    keys = ", ".join(map(str, islice(proof.differing, NAMED_KEYS)))
    more = ", …" if len(proof.differing) > NAMED_KEYS else ""
    return (
        f"{name}: {len(proof.differing):,} rows did not equal {table.source}, and nothing explains why "
        f"({table.key} {keys}{more}); they were read again. Somebody changed the warehouse by hand, or it is a defect"
    )
