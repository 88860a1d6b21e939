"""Which keys a source table has, which of their rows are to be read, and whether known ones are gone."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

import psycopg
from psycopg import sql

from include.common.errors import DataError
from include.common.keys import STATEMENT_KEYS, KeySet
from include.source.known import Base, Findings
from include.source.observe import (
    EVERY_ROW,
    LISTING_VERSION,
    Selection,
    changed_since,
    count_rows,
    select_keys,
    sum_keys,
)
from include.state.latest import TableState
from include.tables.numbering import among
from include.tables.source import SourceTable


@dataclass(frozen=True)
class Keys:
    """Which keys the source holds, which of their rows are to be read, and whether known ones are gone.

    again: rows that were rejected before, or that differ from what was loaded, and are read again whether they changed
        or not.
    known: the keys as they were recorded.
    known_key: where the current keys are kept already, if they are.
    """

    selected: Selection
    again: KeySet
    known: KeySet
    current: KeySet
    key_sum: int
    deletions: bool
    known_key: str | None
    findings: Findings = field(default_factory=Findings)

    @classmethod
    def of_all(cls, selected: Selection) -> Self:
        """Those of a table that is read whole, of which nothing was known."""
        keys = selected.keys
        return cls(selected, KeySet(), KeySet(), keys, keys.sum(), deletions=False, known_key=None)

    @property
    def changed(self) -> bool:
        """Whether there are rows to read, or known ones gone."""
        unread = len(self.selected.keys) + len(self.again) > 0
        return self.deletions or unread

    def disproven(self, findings: Findings) -> "Keys":
        """With the rows that proofs found to differ: those of the source are read, the others are to be taken out.

        Where all rows were compared, those that were written anew and are equal need not be read: a type that is
        widened writes every row.
        """
        differing = KeySet()
        for proof in findings.proofs.values():
            differing.add(proof.differing)
        keys = self.selected.keys if findings.unequal is None else self.selected.keys & findings.unequal
        return replace(
            self,
            selected=replace(self.selected, keys=keys),
            again=self.again | (differing & self.current),
            deletions=self.deletions or bool(differing - self.current),
            findings=findings,
        )


def compare_keys(
    connection: psycopg.Connection,
    table: SourceTable,
    base: Base,
    next_xid: int | None = None,
    beside: Iterable[sql.Composable] = (),
) -> Keys:
    """Compare the source's keys with what the known ones and this run's changes predict.

    All keys are read only where those do not agree with what the source counts, or where there are doubts: another
    server may have given a number of transaction twice.

    next_xid: as `changed_since` takes it. beside: conditions that hold for rows to be read whether they changed or not.

    Raises: DataError where the key is not unique.
    """
    state, known = base.state, base.keys
    rows, selected = _select_changes(connection, table, state, next_xid, beside)
    predicted = known | selected.keys
    agree = not base.doubts and _agree(connection, table, predicted, rows)
    current = predicted if agree else select_keys(connection, table, EVERY_ROW).keys
    require_unique(table, rows, current)
    selected.keys.add(current - predicted)
    return Keys(
        selected=selected,
        again=_rejected_before(connection, table, state),
        known=known,
        current=current,
        key_sum=state.key_sum if current == known else current.sum(),
        deletions=len(known - current) > 0,
        known_key=state.keys_key if current == known else None,
    )


def require_unique(table: SourceTable, rows: int, keys: KeySet) -> None:
    """Make sure that so many rows have as many keys. Raises: DataError where they have not."""
    if rows != len(keys):
        told = f"{rows} rows have {len(keys)} different values of {', '.join(table.key_columns)}"
        raise DataError(f"{table.name}: {told}; declare a key that is unique and never NULL")


def _select_changes(
    connection: psycopg.Connection,
    table: SourceTable,
    state: TableState,
    next_xid: int | None,
    beside: Iterable[sql.Composable],
) -> tuple[int, Selection]:
    """How many rows the table has, and those that changed. A quiet table is scanned once."""
    listing = next_xid if connection.info.server_version >= LISTING_VERSION else None
    conditions = [changed_since(table, state.cursor, listing), *beside]
    changed = sql.SQL("({})").format(sql.SQL(" OR ").join(conditions))
    rows, some = count_rows(connection, table, changed)
    return rows, select_keys(connection, table, changed) if some else Selection()


def _agree(connection: psycopg.Connection, table: SourceTable, predicted: KeySet, rows: int) -> bool:
    """Whether the predicted keys are the source's, which has so many rows.

    Where changes are found by xmin, every key of the snapshot is among the predicted ones, so equal numbers mean equal
    sets. A stamp may lie further back than the overlap, so where they are followed the sums must be equal too.
    """
    return rows == len(predicted) and (table.follow == "xmin" or sum_keys(connection, table) == predicted.sum())


def _rejected_before(connection: psycopg.Connection, table: SourceTable, state: TableState) -> KeySet:
    """The keys of the rows that were rejected before and are still there: what they lacked may have come."""
    parts = KeySet.union(state.rejected.values()).slices(STATEMENT_KEYS)
    return KeySet.union(select_keys(connection, table, among(table, part)).keys for part in parts)
