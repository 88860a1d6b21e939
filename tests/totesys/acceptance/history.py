"""The model: what every version in the warehouse must be, from the states of the source that were loaded."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, LiteralString

from psycopg import Connection, sql

from tests.totesys.acceptance.oracle import DIMENSIONS, FACTS, SHOWN, Row, by_key

REFERENCES = {
    "fact_sales_order": {
        5: "dim_staff", 6: "dim_counterparty", 9: "dim_currency", 10: "dim_design", 13: "dim_location",
    },
    "fact_purchase_order": {5: "dim_staff", 6: "dim_counterparty", 10: "dim_currency", 13: "dim_location"},
    "fact_payment": {
        5: "dim_transaction", 6: "dim_counterparty", 8: "dim_currency", 9: "dim_payment_type",
    },
}  # fmt: skip
"""Fact → position of a column in its row → the dimension that the column refers to."""

RECORD_IDS = {
    "fact_sales_order": "sales_record_id",
    "fact_purchase_order": "purchase_record_id",
    "fact_payment": "payment_record_id",
}

OWN_ROWS: dict[str, LiteralString] = {
    "staff": "SELECT staff_id, department_id, first_name, last_name, email_address FROM staff",
    "department": "SELECT department_id, department_name, location FROM department",
    "counterparty": "SELECT counterparty_id, legal_address_id, counterparty_legal_name FROM counterparty",
}
SINGLE = {
    "sales_order": "fact_sales_order",
    "purchase_order": "fact_purchase_order",
    "payment": "fact_payment",
    "address": "dim_location",
    "currency": "dim_currency",
    "design": "dim_design",
    "payment_type": "dim_payment_type",
    "transaction": "dim_transaction",
}
BESIDE = {"staff": ("department",), "counterparty": ("address",)}
"""Source table → those that are read beside it."""

OWN_SOURCE = {table: source for source, table in SINGLE.items()} | {
    "dim_staff": "staff",
    "dim_counterparty": "counterparty",
}

NEVER = datetime.min.replace(tzinfo=UTC)

States = dict[str, dict[int, Row]]
"""Source table → key → row, of a table and those that it joins, as they were when it was read."""


def snapshot(source: Connection, table: str) -> dict[int, Row]:
    """A source table as it is now: rows as `oracle` gives them, or, for a table that is joined, its own columns."""
    query = OWN_ROWS.get(table) or (FACTS | DIMENSIONS)[SINGLE[table]]
    return by_key(source.execute(query).fetchall())


def fit_rows(table: str, states: States) -> dict[int, Row]:
    """The rows of a warehouse table that can be right, from the states of its sources."""
    if table == "dim_staff":
        joined = {key: (row, states["department"].get(int(str(row[1])))) for key, row in states["staff"].items()}
        return {key: (key, *row[2:4], *found[1:], row[4]) for key, (row, found) in joined.items() if found}
    if table == "dim_counterparty":
        addressed = {key: (row, states["address"].get(int(str(row[1])))) for key, row in states["counterparty"].items()}
        return {key: (key, row[2], *found[1:-1]) for key, (row, found) in addressed.items() if found}
    return {key: row[:-1] for key, row in states[OWN_SOURCE[table]].items() if row[-1]}


@dataclass(frozen=True)
class Version:
    """A state of a fact's row, and the readings at which it was first and no longer seen."""

    row: Row
    valid_from: datetime
    valid_to: datetime | None


@dataclass
class History:
    """What the warehouse holds when every load that was committed did what it should."""

    dimensions: dict[str, dict[int, Row]] = field(default_factory=lambda: {table: {} for table in DIMENSIONS})
    facts: dict[str, dict[int, list[Version]]] = field(default_factory=lambda: {table: {} for table in FACTS})
    loaded: dict[str, dict[str, datetime]] = field(default_factory=dict)

    def load(self, table: str, states: States, inputs: dict[str, datetime], observed_at: datetime) -> None:
        """A load of this table was committed. `inputs`: when each source was read; an older one changes nothing."""
        earlier = self.loaded.get(table, {})
        if any(instant < earlier.get(source, NEVER) for source, instant in inputs.items()):
            return
        self.loaded[table] = inputs
        rows = fit_rows(table, states)
        if table in DIMENSIONS:
            self.dimensions[table] |= rows
        else:
            self._load_versions(table, rows, set(states[OWN_SOURCE[table]]), observed_at)

    def rows(self, table: str, keys: set[int]) -> dict[int, Any]:
        """Key → what the table has of it: a dimension's row, or a copy of a fact's versions; None for nothing."""
        if table in DIMENSIONS:
            return {key: self.dimensions[table].get(key) for key in keys}
        return {key: list(self.facts[table][key]) if key in self.facts[table] else None for key in keys}

    def adopt(self, table: str, key: int, found: Any) -> None:
        """Take over what a table has of a key, as `rows` gives it."""
        held: dict[int, Any] = self.dimensions[table] if table in DIMENSIONS else self.facts[table]
        if found is None:
            held.pop(key, None)
        else:
            held[key] = found

    def _load_versions(self, table: str, rows: dict[int, Row], present: set[int], observed_at: datetime) -> None:
        for key, row in rows.items():
            if self._refers(table, row) and self._current(table, key) != row:
                self._close(table, key, observed_at)
                self.facts[table].setdefault(key, []).append(Version(row, observed_at, None))
        for key in self.facts[table].keys() - present:
            self._close(table, key, observed_at)

    def _refers(self, table: str, row: Row) -> bool:
        return all(row[at] in self.dimensions[dimension] for at, dimension in REFERENCES[table].items())

    def _current(self, table: str, key: int) -> Row | None:
        versions = self.facts[table].get(key)
        return versions[-1].row if versions and versions[-1].valid_to is None else None

    def _close(self, table: str, key: int, observed_at: datetime) -> None:
        if self._current(table, key) is not None:
            last = self.facts[table][key].pop()
            self.facts[table][key].append(Version(last.row, last.valid_from, observed_at))


def shown_dimensions(warehouse: Connection) -> dict[str, dict[int, Row]]:
    """What the warehouse's dimensions hold."""
    return {table: by_key(warehouse.execute(SHOWN[table]).fetchall()) for table in DIMENSIONS}


def shown_versions(warehouse: Connection) -> dict[str, dict[int, list[Version]]]:
    """The versions that the warehouse has of each fact's rows, in the order of their record ids."""
    facts: dict[str, dict[int, list[Version]]] = {}
    for table, record_id in RECORD_IDS.items():
        found = facts.setdefault(table, defaultdict(list))
        columns = sql.SQL(SHOWN[table].rpartition(" FROM ")[0])
        query = sql.SQL("{}, valid_from, valid_to FROM {} ORDER BY {}").format(
            columns, sql.Identifier(table), sql.Identifier(record_id)
        )
        for *row, valid_from, valid_to in warehouse.execute(query):
            found[row[0]].append(Version(tuple(row), valid_from, valid_to))
    return facts
