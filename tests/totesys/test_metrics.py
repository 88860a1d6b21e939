"""ToteSys's metrics: what they show is what its own tables hold, counted here in another way."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from include.tables.types import known_type
from include.totesys import DECLARED
from tests.system import System

# ruff: noqa: S608 - the statements are the tests' own

Row = dict[str, Any]
Tables = dict[str, dict[int, Row]]
Figures = dict[tuple[Any, ...], list[Any]]

EXPECTED = """
    revenue_by_currency revenue_by_day revenue_by_design revenue_by_counterparty revenue_by_staff revenue_by_country
    purchases_by_day purchases_by_counterparty open_payments_by_type open_payments_by_due_day
    overdue_payments_by_counterparty settlement_by_due_day settlement_by_type"""


def read(url: str) -> Tables:
    """Every row of the source's tables by its key."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return {
            name: {row[f"{name}_id"]: row for row in connection.execute(f'SELECT * FROM "{name}"'.encode())}
            for name in DECLARED.sources
        }


def grouped(rows: Iterator[tuple[tuple[Any, ...], list[Any]]]) -> Figures:
    """The sums of the values of all rows of each group."""
    found: Figures = defaultdict(list)
    for group, values in rows:
        found[group] = [one + other for one, other in zip(found[group] or [0] * len(values), values, strict=True)]
    return dict(found)


def currency(tables: Tables, row: Row) -> tuple[int, str]:
    return row["currency_id"], tables["currency"][row["currency_id"]]["currency_code"]


def counterparty(tables: Tables, row: Row) -> tuple[int, str]:
    return row["counterparty_id"], tables["counterparty"][row["counterparty_id"]]["counterparty_legal_name"]


def country(tables: Tables, row: Row) -> tuple[str]:
    party = tables["counterparty"][row["counterparty_id"]]
    return (tables["address"][party["legal_address_id"]]["country"],)


def seller(tables: Tables, row: Row) -> tuple[int, str]:
    clerk = tables["staff"][row["staff_id"]]
    return row["staff_id"], tables["department"][clerk["department_id"]]["department_name"]


def design(tables: Tables, row: Row) -> tuple[int, str]:
    return row["design_id"], tables["design"][row["design_id"]]["design_name"]


def day(_: Tables, row: Row) -> tuple[date]:
    return (row["created_at"].date(),)


def due(_: Tables, row: Row) -> tuple[date]:
    return (date.fromisoformat(row["payment_date"]),)


def kind(tables: Tables, row: Row) -> tuple[str]:
    return (tables["payment_type"][row["payment_type_id"]]["payment_type_name"],)


def nothing(_: Tables, __: Row) -> tuple[()]:
    return ()


def traded(
    table: str, quantity: str, price: str, by: Callable[[Tables, Row], tuple[Any, ...]], tables: Tables
) -> Figures:
    return grouped(
        ((*by(tables, row), *currency(tables, row)), [1, row[quantity], row[quantity] * row[price]])
        for row in tables[table].values()
    )


def unpaid(tables: Tables, *by: Callable[[Tables, Row], tuple[Any, ...]], before: date = date.max) -> Figures:
    return grouped(
        ((*(part for column in by for part in column(tables, row)), *currency(tables, row)), [1, row["payment_amount"]])
        for row in tables["payment"].values()
        if not row["paid"] and due(tables, row)[0] < before
    )


def settled(tables: Tables, by: Callable[[Tables, Row], tuple[Any, ...]], today: date) -> Figures:
    found = grouped(
        (
            (*by(tables, row), *currency(tables, row)),
            [1, int(row["paid"]), row["payment_amount"], row["payment_amount"] * row["paid"]],
        )
        for row in tables["payment"].values()
        if due(tables, row)[0] < today
    )
    shares = {group: round(Decimal(paid) / number, 4) for group, (number, paid, *_) in found.items()}
    return {group: [*values[:2], shares[group], *values[2:]] for group, values in found.items()}


def expected(tables: Tables, today: date) -> dict[str, Figures]:
    def revenue(by: Callable[[Tables, Row], tuple[Any, ...]]) -> Figures:
        return traded("sales_order", "units_sold", "unit_price", by, tables)

    def purchases(by: Callable[[Tables, Row], tuple[Any, ...]]) -> Figures:
        return traded("purchase_order", "item_quantity", "item_unit_price", by, tables)

    return {
        "revenue_by_currency": revenue(nothing),
        "revenue_by_day": revenue(day),
        "revenue_by_design": revenue(design),
        "revenue_by_counterparty": revenue(counterparty),
        "revenue_by_staff": revenue(seller),
        "revenue_by_country": revenue(country),
        "purchases_by_day": purchases(day),
        "purchases_by_counterparty": purchases(counterparty),
        "open_payments_by_type": unpaid(tables, kind),
        "open_payments_by_due_day": unpaid(tables, due, kind),
        "overdue_payments_by_counterparty": unpaid(tables, counterparty, kind, before=today),
        "settlement_by_due_day": settled(tables, due, today),
        "settlement_by_type": settled(tables, kind, today),
    }


def shown(system: System, metric: str, instant: datetime | None = None) -> Figures:
    """What the warehouse shows, now or as of an instant: group → values."""
    made = DECLARED.metrics[metric]
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        if instant is None:
            rows = connection.execute(f"SELECT * FROM {made.view}".encode()).fetchall()
        else:
            rows = connection.execute(f"SELECT * FROM {made.view_as_of}(%s)".encode(), [instant]).fetchall()
    parts = len(made.by)
    return {row[:parts]: list(row[parts:]) for row in rows}


def test_the_metrics_are_those_that_people_asked_for() -> None:
    assert set(DECLARED.metrics) == set(EXPECTED.split())


def test_every_amount_of_money_tells_its_currency() -> None:
    for fact in DECLARED.facts:
        for column in fact.columns:
            assert (known_type(column.type).family == "numeric") == bool(column.currency), column.name


@pytest.mark.postgres_versions(16, 18)
def test_every_metric_shows_what_the_source_holds_now_and_what_it_held_then(system: System) -> None:
    system.run_cleanly()
    before = read(system.endpoints.source_url)
    seen = [system.warehouse(f"SELECT max(valid_from)::text FROM {fact.name}")[0][0] for fact in DECLARED.facts]
    then, today = max(map(datetime.fromisoformat, seen)), datetime.now(UTC).date()
    for name, figures in expected(before, today).items():
        assert shown(system, name) == figures, name
        assert figures, name
    system.write("UPDATE payment SET paid = NOT paid WHERE payment_id % 5 = 0")
    system.write("UPDATE sales_order SET units_sold = units_sold + 1, currency_id = 1 WHERE sales_order_id % 3 = 0")
    system.write("DELETE FROM payment WHERE payment_id % 11 = 0")
    system.write("UPDATE purchase_order SET item_unit_price = 1.01 WHERE purchase_order_id % 2 = 0")
    system.run_cleanly()
    after = read(system.endpoints.source_url)
    earlier = expected(before, then.date())
    for name, figures in expected(after, datetime.now(UTC).date()).items():
        assert shown(system, name) == figures, name
        assert shown(system, name, then) == earlier[name], name
