"""A filled ToteSys has the sizes, the formats and the oddities of the real one."""

import re
from datetime import date
from typing import Any

import pytest

from local.totesys import Oddities, Rule, SimulatorError, connect, create_schema, fill
from local.totesys.connection import Connection
from local.totesys.texts import AWKWARD, BAD_DATES
from tests.totesys.simulator.conftest import SALES_ORDERS
from tests.totesys.simulator.reading import all_keys, constraints, contents, rows, value

LAST = date(2024, 8, 22)
MEASURED = {
    "address": 30,
    "counterparty": 20,
    "currency": 3,
    "department": 8,
    "design": 424,
    "staff": 20,
    "payment_type": 4,
    "sales_order": 9_845,
    "purchase_order": 4_114,
    "transaction": 13_959,
    "payment": 13_959,
}
DATES = """
SELECT agreed_delivery_date FROM sales_order UNION ALL SELECT agreed_payment_date FROM sales_order
UNION ALL SELECT agreed_delivery_date FROM purchase_order
UNION ALL SELECT agreed_payment_date FROM purchase_order
UNION ALL SELECT payment_date FROM payment
"""
FIRST_SALES = """
SELECT count(*) FROM sales_order earlier JOIN sales_order later
ON later.sales_order_id = earlier.sales_order_id + 1 AND later.created_at < earlier.created_at
WHERE earlier.sales_order_id {} 300
"""


def test_default_size_is_the_measured_one(source: Connection) -> None:
    assert fill(source) == MEASURED
    assert {name: len(all_keys(source, name)) for name in MEASURED} == MEASURED
    batches = rows(source, "SELECT count(*) FROM payment WHERE paid GROUP BY last_updated")
    assert 20 < max(size for (size,) in batches) <= 37
    assert value(source, FIRST_SALES.format("<")) > 100
    assert value(source, FIRST_SALES.format(">=")) == 0


def test_equal_seeds_give_equal_bytes_and_others_do_not(source: Connection) -> None:
    fills = []
    for seed in (1, 1, 2):
        create_schema(source, replace=True)
        fill(source, 50, seed)
        fills.append(contents(source))
    assert fills[0] == fills[1]
    assert all(fills[0][table] != fills[2][table] for table in ("sales_order", "payment", "address", "design"))


def test_fill_leaves_keys_and_references_as_create_made_them(source: Connection) -> None:
    before = constraints(source)
    fill(source, 20)
    assert constraints(source) == before


def test_a_fill_of_several_chunks_is_whole(source: Connection) -> None:
    assert fill(source, 150_000, only_sales=True)["sales_order"] == 150_000
    assert rows(source, "SELECT min(sales_order_id), max(sales_order_id) FROM sales_order") == [(1, 150_000)]
    assert value(source, "SELECT count(*) FROM purchase_order") == 0
    assert value(source, "SELECT count(*) FROM transaction") == 0


@pytest.mark.parametrize("sales_orders", [0, 1, 2, 36, 38])
def test_any_small_size_can_be_filled(source: Connection, sales_orders: int) -> None:
    counts = fill(source, sales_orders)
    assert counts["sales_order"] == sales_orders
    assert counts["payment"] == counts["sales_order"] + counts["purchase_order"]


def test_order_transaction_and_payment_are_of_one_millisecond_and_one_amount(filled: Connection) -> None:
    same = (
        "SELECT count(*) FROM sales_order JOIN transaction USING (sales_order_id, created_at)"
        " JOIN payment USING (transaction_id, created_at, counterparty_id, currency_id)"
        " WHERE payment_amount = units_sold * unit_price AND transaction_type = 'SALE'"
        " AND payment_type_id IN (1, 2)"
    )
    assert value(filled, same) == SALES_ORDERS
    bought = (
        "SELECT count(*) FROM purchase_order JOIN transaction USING (purchase_order_id, created_at)"
        " JOIN payment USING (transaction_id, created_at, counterparty_id, currency_id)"
        " WHERE payment_amount = item_quantity * item_unit_price AND transaction_type = 'PURCHASE'"
        " AND payment_type_id IN (3, 4)"
    )
    assert value(filled, bought) == value(filled, "SELECT count(*) FROM purchase_order") == 50


def test_orders_are_made_on_weekdays_from_eight_to_seven(filled: Connection) -> None:
    closed = (
        "SELECT count(*) FROM payment"
        " WHERE extract(isodow FROM created_at) > 5 OR extract(hour FROM created_at) NOT BETWEEN 8 AND 18"
    )
    assert value(filled, closed) == 0


def test_a_payment_is_paid_by_the_batch_of_the_weekday_that_it_is_due_if_it_was_created_before(
    filled: Connection,
) -> None:
    payments = rows(filled, "SELECT created_at, last_updated, payment_date, paid FROM payment")
    for created_at, last_updated, payment_date, paid in payments:
        due = date.fromisoformat(payment_date)
        ruled = due.isoweekday() < 6 and created_at.date() < due <= LAST
        assert paid is ruled
        batch = f"{payment_date} 07:55:11"
        assert last_updated == created_at if not paid else last_updated.strftime("%Y-%m-%d %H:%M:%S") == batch


def test_as_many_payments_fall_due_at_a_weekend_or_at_once_as_measured(source: Connection) -> None:
    fill(source)
    share = "SELECT avg(({})::integer)::float8 FROM payment"
    assert value(source, share.format("extract(isodow FROM payment_date::date) > 5")) == pytest.approx(0.317, abs=0.02)
    assert value(source, share.format("payment_date::date = created_at::date")) == pytest.approx(0.073, abs=0.01)
    agreed = (
        "SELECT count(*) FROM payment JOIN transaction USING (transaction_id) JOIN sales_order USING (sales_order_id)"
        " WHERE agreed_payment_date = payment_date"
    )
    assert value(source, agreed) == MEASURED["sales_order"]


def test_the_rule_may_have_noise_change_and_miss_a_batch(source: Connection) -> None:
    def fill_with(rule: Rule) -> dict[date, float]:
        """How much of what is due on a weekday, and was not created that day, is paid: day → share."""
        create_schema(source, replace=True)
        fill(source, 3_000, oddities=Oddities(rule=rule))
        query = (
            "SELECT payment_date::date, avg(paid::integer)::float8 FROM payment"
            " WHERE created_at::date < payment_date::date AND payment_date::date <= %s GROUP BY 1"
        )
        return dict(rows(source, query, LAST))

    odd = fill_with(Rule(changes_on=date(2024, 1, 1), missed=frozenset({date(2023, 5, 3)})))
    assert odd[date(2023, 5, 3)] == 0
    assert {share for day, share in odd.items() if day.isoweekday() == 1} == {0, 1}
    assert {share for day, share in odd.items() if day.isoweekday() == 1 and day.year == 2024} == {0}
    assert {share for day, share in odd.items() if day.isoweekday() == 6 and day.year == 2024} == {1}
    noisy = fill_with(Rule(unruly=0.1))
    for weekday, expected in ((3, 0.9), (6, 0.1)):
        shares = [share for day, share in noisy.items() if day.isoweekday() == weekday]
        assert sum(shares) / len(shares) == pytest.approx(expected, abs=0.04)


def test_orders_were_never_stamped_though_some_were_rewritten(filled: Connection) -> None:
    assert value(filled, "SELECT count(*) FROM sales_order WHERE last_updated <> created_at") == 0
    moved = (
        "SELECT count(*) FROM"
        " (SELECT sales_order_id, lag(sales_order_id) OVER (ORDER BY ctid) FROM sales_order)"
        " AS stored (key, previous_key) WHERE key < previous_key"
    )
    assert value(filled, moved) > 0


def test_values_have_the_formats_and_ranges_of_totesys(filled: Connection) -> None:
    assert rows(filled, "SELECT currency_id, currency_code FROM currency ORDER BY 1") == [
        (1, "GBP"),
        (2, "USD"),
        (3, "EUR"),
    ]
    for (code,) in rows(filled, "SELECT item_code FROM purchase_order"):
        assert re.fullmatch("[0-9A-Z]{7}", code)
    for postal_code, phone in rows(filled, "SELECT postal_code, phone FROM address"):
        assert re.fullmatch("[0-9]{5}", postal_code)
        assert re.fullmatch("0[0-9]{3} [0-9]{6}", phone)
    assert value(filled, "SELECT count(*) FROM address WHERE postal_code LIKE '0%%'") > 5
    in_range = (
        "SELECT bool_and(units_sold BETWEEN 1001 AND 99973 AND unit_price BETWEEN 2 AND 4) FROM sales_order",
        "SELECT bool_and(item_quantity BETWEEN 1 AND 999 AND item_unit_price BETWEEN 3.32 AND 999.07)"
        " FROM purchase_order",
        "SELECT bool_and(length(company_ac_number::text) = 8 AND length(counterparty_ac_number::text) = 8)"
        " FROM payment",
    )
    assert all(value(filled, query) for query in in_range)


def test_awkward_text_and_both_kinds_of_nothing_are_there(source: Connection) -> None:
    fill(source)
    names = {name for (name,) in rows(source, "SELECT design_name FROM design UNION SELECT file_name FROM design")}
    assert set(AWKWARD) <= names
    nothing = "SELECT count(*) FILTER (WHERE district IS NULL), count(*) FILTER (WHERE district = '') FROM address"
    ((nulls, empty),) = rows(source, nothing)
    assert nulls > 0
    assert empty > 0


def test_all_dates_are_days_by_default(filled: Connection) -> None:
    dates = [date for (date,) in rows(filled, DATES)]
    assert all(re.fullmatch("202[2-4]-[0-9]{2}-[0-9]{2}", date) for date in dates)
    assert [str(day) for (day,) in rows(filled, "SELECT unnest(%s::date[])", dates)] == dates


@pytest.mark.parametrize("only_sales", [False, True])
@pytest.mark.parametrize("bad_rows", [1, 25, 40])
def test_so_many_rows_are_bad_as_asked_for(source: Connection, bad_rows: int, only_sales: bool) -> None:
    fill(source, 40, only_sales=only_sales, oddities=Oddities(bad_rows))
    dates = [date for (date,) in rows(source, DATES) if date in BAD_DATES]
    assert len(dates) == bad_rows


def test_an_insert_after_a_fill_takes_the_next_id(filled: Connection) -> None:
    insert = "INSERT INTO currency (currency_code, last_updated) VALUES ('JPY', now()) RETURNING currency_id"
    assert value(filled, insert) == 4


def test_tables_with_rows_are_not_filled_again(filled: Connection) -> None:
    before = contents(filled)
    with pytest.raises(SimulatorError, match="table address has rows already"):
        fill(filled, 5)
    assert contents(filled) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sales_orders": -1}, "sales orders must not be negative: -1"),
        ({"seed": -1}, "seed must not be negative"),
        ({"oddities": Oddities(-2)}, "bad rows must not be negative"),
        ({"sales_orders": 1, "oddities": Oddities(2)}, "must not outnumber"),
        ({"sales_orders": 2_000_000_000}, "must not be more than"),
    ],
)
def test_sizes_that_cannot_be_are_refused(source: Connection, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulatorError, match=message):
        fill(source, **arguments)


def test_a_missing_schema_is_named(source_url: str) -> None:
    with connect(source_url) as connection, pytest.raises(SimulatorError, match="no table address"):
        fill(connection, 1)
