"""Rows that did not equal the source's though they should have: what is told of them, and what became of them."""

from include.common.manifests import Proof
from include.state.work import Work
from include.tables.star import Calendar, StarTable


def unexplained(work: Work) -> list[str]:
    """A sentence for each warehouse table with rows that differed, and nothing that is known explains why."""
    found = {name: proof for name, proof in work.disproven.items() if not proof.explained}
    sentences = [_sentence(work.declared.star[name], proof) for name, proof in found.items()]
    return sentences + [f"{name}: {result.differing}" for name, result in work.loads.items() if result.differing]


def healed(work: Work) -> dict[str, int]:
    """Warehouse table → the number of its rows that differed, were read and loaded again, and then were equal."""
    checked = {name for name, result in (work.checked or {}).items() if result.held}
    loaded = {name for name, result in work.loads.items() if result.done}
    return {name: len(proof.differing) for name, proof in work.disproven.items() if name in loaded & checked}


def _sentence(table: StarTable, proof: Proof) -> str:
    assert not isinstance(table, Calendar)
    more = ", …" if len(proof.differing) > len(proof.named) else ""
    keys = f"{', '.join(table.key_columns)} {'; '.join(proof.named)}{more}"
    return (
        f"{table.name}: {len(proof.differing):,} rows did not equal {table.source.name}, and nothing explains why "
        f"({keys}); they were read again. Somebody changed the warehouse by hand, or it is a defect"
    )
