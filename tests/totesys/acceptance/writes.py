"""What people do to the source: rows put, edited, deleted, renumbered, spoilt and repaired, over few keys."""

from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString, Protocol

import psycopg
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from psycopg import Connection, sql

from tests.totesys.acceptance.oracle import day_fits

LAST_KEY = 4
REFUSED = (
    psycopg.errors.IntegrityError,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DatatypeMismatch,
)
"""What the source refuses a write with: its constraints, rows that another open transaction holds, and partitions that
lack a column by now."""

KEYS = st.integers(1, LAST_KEY)
TEXTS = st.sampled_from(["", "a", "O'Keefe's", "08841", "\\N", "NULL", 'two\n"lines"', "Łódź 📦"])
MAYBE_TEXTS = st.none() | TEXTS
PRICES = st.sampled_from(["0.00", "2.50", "99999999.99"])
NUMBERS = st.integers(0, 2)
DAYS = st.sampled_from(
    ["2024-01-05", "2000-01-01", "2100-12-31", "2024-01-05", "2023-02-30", "not a date", "", "2101-01-01", "1999-12-31"]
)
STAMPS = st.sampled_from(
    ["2024-01-05 10:00:00.123", "2024-01-05 10:00:00.124", "2030-06-01 00:00:00", "1999-12-31 23:59:59.999"]
)

COLUMNS: dict[LiteralString, dict[LiteralString, SearchStrategy[object]]] = {
    "address": {
        "address_line_1": TEXTS,
        "address_line_2": MAYBE_TEXTS,
        "district": MAYBE_TEXTS,
        "city": TEXTS,
        "postal_code": TEXTS,
        "country": TEXTS,
        "phone": TEXTS,
    },
    "counterparty": {"counterparty_legal_name": TEXTS, "legal_address_id": KEYS, "commercial_contact": MAYBE_TEXTS},
    "currency": {"currency_code": st.sampled_from(["GBP", "USD", "EUR", "ZZZ"])},
    "department": {"department_name": TEXTS, "location": MAYBE_TEXTS, "manager": MAYBE_TEXTS},
    "design": {"design_name": TEXTS, "file_location": TEXTS, "file_name": TEXTS},
    "staff": {"first_name": TEXTS, "last_name": TEXTS, "department_id": KEYS, "email_address": TEXTS},
    "payment_type": {"payment_type_name": st.sampled_from(["SALES_RECEIPT", "SALES_REFUND"])},
    "sales_order": {
        "design_id": KEYS,
        "staff_id": KEYS,
        "counterparty_id": KEYS,
        "units_sold": NUMBERS,
        "unit_price": PRICES,
        "currency_id": KEYS,
        "agreed_delivery_date": DAYS,
        "agreed_payment_date": DAYS,
        "agreed_delivery_location_id": KEYS,
    },
    "purchase_order": {
        "staff_id": KEYS,
        "counterparty_id": KEYS,
        "item_code": TEXTS,
        "item_quantity": NUMBERS,
        "item_unit_price": PRICES,
        "currency_id": KEYS,
        "agreed_delivery_date": DAYS,
        "agreed_payment_date": DAYS,
        "agreed_delivery_location_id": KEYS,
    },
    "transaction": {
        "transaction_type": st.sampled_from(["SALE", "PURCHASE"]),
        "sales_order_id": st.none() | KEYS,
        "purchase_order_id": st.none() | KEYS,
    },
    "payment": {
        "transaction_id": KEYS,
        "counterparty_id": KEYS,
        "payment_amount": PRICES,
        "currency_id": KEYS,
        "payment_type_id": KEYS,
        "paid": st.booleans(),
        "payment_date": DAYS,
        "company_ac_number": NUMBERS,
        "counterparty_ac_number": NUMBERS,
    },
}
STAMP_COLUMNS: dict[LiteralString, SearchStrategy[object]] = {"created_at": STAMPS, "last_updated": STAMPS}


class Write(Protocol):
    """A change of the source, made in the transaction that the connection is in."""

    def apply(self, connection: Connection) -> None: ...


@dataclass(frozen=True)
class Put:
    """Insert a whole row, or overwrite the one that has its key; `silent`: an overwritten one keeps its stamps."""

    table: LiteralString
    values: dict[LiteralString, object]
    silent: bool

    def apply(self, connection: Connection) -> None:
        kept = ("created_at", "last_updated") if self.silent else ()
        overwritten = [
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in self.values if name not in kept
        ]
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
            sql.Identifier(self.table),
            sql.SQL(", ").join(map(sql.Identifier, self.values)),
            sql.SQL(", ").join(sql.Placeholder() * len(self.values)),
            sql.Identifier(f"{self.table}_id"),
            sql.SQL(", ").join(overwritten),
        )
        connection.execute(statement, list(self.values.values()))


@dataclass(frozen=True)
class Edit:
    """Set columns of one row, its key among them or not; of no row where the key is not there."""

    table: LiteralString
    key: int
    values: dict[LiteralString, object]

    def apply(self, connection: Connection) -> None:
        assignments = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in self.values]
        statement = sql.SQL("UPDATE {} SET {} WHERE {} = %s").format(
            sql.Identifier(self.table), sql.SQL(", ").join(assignments), sql.Identifier(f"{self.table}_id")
        )
        connection.execute(statement, [*self.values.values(), self.key])


@dataclass(frozen=True)
class Delete:
    """Delete one row, or all of the table for None."""

    table: LiteralString
    key: int | None

    def apply(self, connection: Connection) -> None:
        key = sql.Identifier(f"{self.table}_id")
        statement = sql.SQL("DELETE FROM {} WHERE {} = coalesce(%s, {})").format(sql.Identifier(self.table), key, key)
        connection.execute(statement, [self.key])


TABLES = st.sampled_from([*COLUMNS, "sales_order", "payment", "purchase_order"])


@st.composite
def puts(draw: st.DrawFn) -> Put:
    table = draw(TABLES)
    values = {name: draw(strategy) for name, strategy in (COLUMNS[table] | STAMP_COLUMNS).items()}
    return Put(table, {f"{table}_id": draw(KEYS), **values}, draw(st.booleans()))


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    """One column of a row, now and then also its stamp; or its key; or the value that is there already, by chance."""
    table = draw(TABLES)
    choices = COLUMNS[table] | {f"{table}_id": KEYS}
    column = draw(st.sampled_from(list(choices)))
    stamp = {"last_updated": draw(STAMPS)} if draw(st.booleans()) else {}
    return Edit(table, draw(KEYS), {column: draw(choices[column]), **stamp})


DELETES = st.builds(Delete, TABLES, KEYS | KEYS | KEYS | st.none())
WRITES: SearchStrategy[Write] = st.one_of(puts(), puts(), edits(), edits(), DELETES)


def write(connection: Connection, change: Write, nesting: str) -> None:
    """Make a change on a connection, directly or in subtransactions; what the source refuses is rolled back.

    nesting: "direct" (a refusal then ends the whole transaction), "savepoint", "nested", or "rolled back".
    """
    try:
        if nesting == "direct":
            change.apply(connection)
            return
        with connection.transaction(force_rollback=nesting == "rolled back"):
            if nesting == "nested":
                with connection.transaction():
                    change.apply(connection)
            else:
                change.apply(connection)
    except REFUSED:
        if nesting == "direct":
            connection.rollback()


def vacuum(connection: Connection, table: str) -> None:
    """Write a table's rows into new files, with the versions that they have; not while somebody has it open."""
    with suppress(*REFUSED):
        connection.execute(sql.SQL("VACUUM (FULL, FREEZE) {}").format(sql.Identifier(table)))


# ruff: noqa: S608 - put together from what is written in this file
REPAIRS: tuple[LiteralString, ...] = (
    *(
        "UPDATE " + table + " SET " + column + " = '2024-01-05' WHERE NOT (" + day_fits(column) + ")"
        for table, column in (
            ("sales_order", "agreed_delivery_date"),
            ("sales_order", "agreed_payment_date"),
            ("purchase_order", "agreed_delivery_date"),
            ("purchase_order", "agreed_payment_date"),
            ("payment", "payment_date"),
        )
    ),
    *(
        "UPDATE " + table + " SET " + column + " = '2024-01-05' WHERE " + column + " < '2000-01-01'"
        for table in ("sales_order", "purchase_order", "payment")
        for column in ("created_at", "last_updated")
    ),
    "UPDATE currency SET currency_code = 'GBP' WHERE currency_code = 'ZZZ'",
)
"""What makes every row one that can be right, and touches no other."""
