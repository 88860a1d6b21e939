"""The audit: every value of the warehouse held against the source now, without changing anything."""

from collections.abc import Iterator
from datetime import date
from itertools import islice

from pydantic import Field

from include.common.errors import DataError, ServiceError
from include.common.manifests import Manifest
from include.common.postgres import connect, postgres_errors
from include.common.settings import SOURCE_CONNECTION
from include.proof.calendar import differing_days
from include.proof.comparison import Comparison, compare
from include.proof.prove import Found, collect, whole_table
from include.source.reading import ATTEMPTS, begin_reading, end_reading
from include.state.latest import State, read_keys
from include.tables.declarations import Declarations
from include.tables.numbering import is_integer
from include.tables.star import Calendar, Dimension, Fact, StarTable

SHOWN_ROWS = 20
"""The most differing rows of a table whose values are shown."""


class DifferingRow(Manifest):
    """A row that is not the same on both sides: column → (source's text, warehouse's), of the columns that differ.

    missing: the side that has no such row, "source" (or "lake") or "warehouse"; empty where both have one.
    """

    key: int | str
    missing: str
    values: dict[str, tuple[str | None, str | None]]


class TableAudit(Manifest):
    """How a warehouse table compares with its sources.

    rows: how many the source has. left_out: those that differ as they wait for a run, or were rejected.
    differing: how many others differ; rows_shown are the first of them. days: those of the calendar that are wrong.
    """

    table: str
    rows: int
    left_out: int = 0
    differing: int = 0
    rows_shown: list[DifferingRow] = Field(default_factory=list)
    days: list[date] = Field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether every value that can be compared is the source's."""
        return self.differing == 0


def audit(declared: Declarations, table: StarTable, state: State) -> TableAudit:
    """Compare every value of a warehouse table with the source. state: what is recorded.

    Raises: DataError where nothing of the table is recorded; ServiceError where a run is at work on it, or its source
        is changed under every reading; others as `postgres_errors` and `lake_errors`.
    """
    if isinstance(table, Calendar):
        days = differing_days(table)
        return TableAudit(table=table.name, rows=table.days, differing=len(days), days=days[:SHOWN_ROWS])
    if table.source.name not in state.tables:
        raise DataError(f"{table.name}: it was never loaded; do a run first")
    for _ in range(ATTEMPTS):
        found = _attempt(declared, table, state)
        if found:
            return found
    own = table.source.name
    raise ServiceError(f"{table.name}: {own} was changed under each of {ATTEMPTS} readings; audit it again")


def _attempt(declared: Declarations, table: Dimension | Fact, state: State) -> TableAudit | None:
    """None where the source table was truncated, rebuilt or altered meanwhile."""
    own, others = table.source, [join.table for join in declared.joined_to(table.source.name)]
    with connect(SOURCE_CONNECTION) as connection, postgres_errors(own.name):
        seen = begin_reading(connection, own, *others)
        known = read_keys(own.name, state.tables[own.name].keys_key)
        with compare(connection, table, state, known) as comparison:
            if comparison is None:
                why = (
                    "a run is at work on it or was not recorded, or a server's encoding is one that cannot be compared"
                )
                raise ServiceError(f"{table.name}: {why}")
            found = collect(comparison, whole_table(own, known))
            rows = list(_rows(comparison, found))
        if end_reading(connection, seen, own, *others) is None:
            return None
    return TableAudit(
        table=table.name,
        rows=len(known),
        left_out=found.left_out,
        differing=len(found.keys),
        rows_shown=rows,
    )


def _rows(comparison: Comparison, found: Found) -> Iterator[DifferingRow]:
    keys = list(islice(found.keys, SHOWN_ROWS))
    ours, theirs = comparison.source.values(keys), comparison.stored.values(keys)
    named = {} if is_integer(comparison.table) else comparison.named(keys)
    for key in keys:
        one, other = ours.get(key), theirs.get(key)
        missing = "source" if one is None else "warehouse" if other is None else ""
        pairs = {name: ((one or {}).get(name), (other or {}).get(name)) for name in comparison.stored.texts.columns}
        yield DifferingRow(
            key=named.get(key, key),
            missing=missing,
            values={name: two for name, two in pairs.items() if two[0] != two[1]},
        )


def named_tables(declared: Declarations, names: tuple[str, ...]) -> list[StarTable]:
    """The warehouse tables that are named, or fed by source tables that are; all, where none is.

    Raises: DeclarationError for a table that is not declared.
    """
    declared.select_sources(names)
    tables = declared.star.values()
    return [table for table in tables if not names or {table.name, *table.source_names} & set(names)]
