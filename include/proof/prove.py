"""What a run proves of a source table's warehouse tables, in the snapshot that it reads the changes in."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

import psycopg

from include.common.keys import KeySet
from include.common.manifests import Proof
from include.proof.compare import Difference, block_width
from include.proof.comparison import Comparison, compare
from include.proof.sides import KeyRange
from include.proof.sweep import advance, next_share
from include.source.known import Findings, Subject
from include.state.latest import State
from include.tables.declarations import Declarations
from include.tables.source import SourceTable
from include.tables.star import Dimension, Fact

log = logging.getLogger(__name__)

KEPT_DIGESTS = 1_000
"""The most differing rows whose digests go with them, to see after the load that they are equal."""

NAMED_KEYS = 10
"""The most keys that are told to people."""

WHOLE = KeyRange()

SEEN_BY_STAMP = "its changes are found by its stamp, which not all of them touch"


@dataclass(frozen=True)
class Prover:
    """Compares what the warehouse holds with what the source holds.

    declared: the tables. state: what is recorded. everything: compare all rows, whatever was proven of them.
    """

    declared: Declarations
    state: State
    everything: bool = False

    def __call__(self, connection: psycopg.Connection, subject: Subject) -> Findings:
        """How the rows of the warehouse tables compare that a source table feeds, where their load is recorded.

        connection: in the transaction that reads the source table.
        """
        proofs, unequal = dict[str, Proof](), KeySet()
        own = self.declared.built_on(subject.table.name)
        for table in own:
            if proof := self._proof(connection, table, subject, unequal):
                proofs[table.name] = proof
        whole = bool(subject.doubts) and bool(own) and all(table.name in proofs for table in own)
        return Findings(proofs, unequal if whole else None)

    def _proof(
        self, connection: psycopg.Connection, table: Dimension | Fact, subject: Subject, unequal: KeySet
    ) -> Proof | None:
        with compare(connection, table, self.state, subject.known, beyond=bool(subject.doubts)) as comparison:
            return self._prove(comparison, subject, unequal) if comparison else None

    def _prove(self, comparison: Comparison, subject: Subject, unequal: KeySet) -> Proof:
        """A share of the rows; all of them on suspicion, and a difference that nothing explains is one.

        unequal: takes the keys of the rows that are not equal, whatever explains it.
        """
        table, marks = comparison.table, self.state.proofs.get(comparison.table.name, [])
        whole = self.everything or bool(subject.doubts)
        share = WHOLE if whole else next_share(marks, subject.current)
        found = collect(comparison, subject, share)
        if found.keys and share != WHOLE:
            share = WHOLE
            found = collect(comparison, subject)
        unequal.add(found.unequal)
        proven = advance(marks, share, datetime.now(UTC), subject.current)
        proof = Proof(
            marks=proven,
            rows=_rows(share, subject.current),
            left_out=found.left_out,
            differing=found.keys,
            digests=found.digests,
            named=list(comparison.named(islice(found.keys, NAMED_KEYS)).values()),
            explained=_explanation(comparison, subject) if found.keys else "",
        )
        _tell(table, proof)
        return proof


@dataclass
class Found:
    """Keys of differences that nothing explains, digests of the first, the number of the others, the keys of all."""

    keys: KeySet = field(default_factory=KeySet)
    digests: dict[int, int | None] = field(default_factory=dict)
    left_out: int = 0
    unequal: KeySet = field(default_factory=KeySet)

    def add(self, differences: list[Difference], unexplained: list[Difference]) -> None:
        """Take differences, and those of them that nothing explains."""
        self.unequal.add(KeySet.of([difference.key for difference in differences]))
        self.keys.add(KeySet.of([difference.key for difference in unexplained]))
        self.left_out += len(differences) - len(unexplained)
        for difference in unexplained[: KEPT_DIGESTS - len(self.digests)]:
            self.digests[difference.key] = difference.source


def whole_table(table: SourceTable, keys: KeySet) -> Subject:
    """All rows of a source table, which has these keys."""
    return Subject(table, keys, keys, [])


def collect(comparison: Comparison, subject: Subject, share: KeyRange = WHOLE) -> Found:
    """The differences in a share of the keys that nothing explains. Raises: as `postgres_errors`."""
    found = Found()
    for differences, unexplained in comparison.found(share, block_width(subject.known | subject.current)):
        found.add(differences, unexplained)
    return found


def _rows(share: KeyRange, keys: KeySet) -> int:
    last = len(keys) if share.to is None else keys.rank(share.to)
    return last - (keys.rank(share.after) if share.after is not None else 0)


def _explanation(comparison: Comparison, subject: Subject) -> str:
    followed = {table.follow for table in comparison.table.source_tables}
    return "; ".join([*subject.doubts, *([SEEN_BY_STAMP] if "stamp" in followed else [])])


def _tell(table: Dimension | Fact, proof: Proof) -> None:
    if proof.differing:
        why = proof.explained or "nothing explains it"
        log.warning(
            "%s: %d rows differ from the source (%s); they are read again", table.name, len(proof.differing), why
        )
